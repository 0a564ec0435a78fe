"""Lowers the built-in functions of linear algebra."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gradc.ops import build
from gradc.syntax.arrays import Function, Refusal, Site
from gradc.syntax.extents import meet, require, written


def _solve(op: str, **attrs: bool) -> Callable[[Site], int]:
    def lower(site: Site) -> int:
        matrix, right = site.square(0), site.array(1)
        shape = site.builder.type(right).shape
        size = site.builder.type(matrix).shape[-1]
        rows = shape[-2] if len(shape) > 1 else shape[0]
        if not require(site.builder, "==", size, rows, site.builder.span):
            raise Refusal("the right side does not fit the matrix", 1, f"{rows} rows for {size}", code="E0309")
        due = (*shape[:-2], size, shape[-1]) if len(shape) > 1 else (size,)
        return site.apply(op, matrix, meet(site.builder, right, due, site.builder.span), **attrs)

    return lower


def _of_square(op: str) -> Callable[[Site], int]:
    return lambda site: site.apply(op, site.square(0))


def _of_symmetric(op: str) -> Callable[[Site], int]:
    """An op that reads one triangle, applied to the symmetric part: so the derivative is symmetric too."""

    def lower(site: Site) -> int:
        matrix = site.square(0)
        twice = site.apply("add", matrix, build.transpose(site.builder, matrix))
        return site.apply(op, site.binary("mul", twice, site.constant(0.5, site.builder.type(matrix))))

    return lower


def _svdvals(site: Site) -> int:
    matrix = site.array(0)
    shape = site.builder.type(matrix).shape
    if len(shape) < 2:
        raise Refusal("`svdvals` takes a matrix", 0, f"this is an array {written(shape)}", code="E0309")
    rows, columns = shape[-2:]
    # The singular values are those of the transpose; the op wants at least as many rows as columns.
    if (isinstance(rows, int) and isinstance(columns, int) and rows < columns) or not require(
        site.builder, ">=", rows, columns, site.builder.span
    ):
        matrix = build.transpose(site.builder, matrix)
    return site.apply("svdvals", matrix)


def _triangle(lower_part: bool) -> Callable[[Site], int]:
    def lower(site: Site) -> int:
        matrix = site.array(0)
        if site.builder.type(matrix).rank < 2:
            raise Refusal(f"`{site.name}` takes a matrix", 0, "this is a vector", code="E0309")
        return site.apply("triangle", matrix, lower=lower_part, offset=0)

    return lower


FUNCTIONS: Final[Mapping[str, Function]] = {
    "solve": Function("solve(A, b)", (2, 2), _solve("solve", transposed=False)),
    "solve_lower": Function("solve_lower(L, b)", (2, 2), _solve("triangular_solve", lower=True, transposed=False)),
    "solve_upper": Function("solve_upper(U, b)", (2, 2), _solve("triangular_solve", lower=False, transposed=False)),
    "cholesky": Function("cholesky(A)", (1, 1), _of_symmetric("cholesky")),
    "inv": Function("inv(A)", (1, 1), _of_square("inv")),
    "det": Function("det(A)", (1, 1), _of_square("det")),
    "logdet": Function("logdet(A)", (1, 1), _of_square("logdet")),
    "eigvalsh": Function("eigvalsh(A)", (1, 1), _of_symmetric("eigvalsh")),
    "svdvals": Function("svdvals(A)", (1, 1), _svdvals),
    "tril": Function("tril(A)", (1, 1), _triangle(True)),
    "triu": Function("triu(A)", (1, 1), _triangle(False)),
}
"""The built-in functions of linear algebra by name."""
