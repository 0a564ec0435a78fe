"""Lowers the built-in functions of linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradc.ir import sizes
from gradc.ir.types import Index
from gradc.ops import build
from gradc.syntax.extents import dim_of, meet, require, written
from gradc.syntax.scope import Value
from gradc.syntax.site import Refusal, Site

# Products ------------------------------------------------------------------------------------------------------------


def dot(site: Site) -> Value:
    """The sum of the products of two vectors' elements."""
    return site.product(site.array(0, 1), site.array(1, 1))


def matmul(site: Site) -> Value:
    """``A @ B`` as a call."""
    return site.product(site.array(0), site.array(1))


def outer(site: Site) -> int:
    """All products of an element of one vector with one of another."""
    left, right = site.array(0, 1), site.array(1, 1)
    (rows,), (columns,) = site.builder.type(left).shape, site.builder.type(right).shape
    column = build.broadcast(site.builder, build.reshape(site.builder, left, (rows, 1)), (rows, columns))
    return site.apply("mul", column, build.broadcast(site.builder, right, (rows, columns)))


# Parts of matrices ---------------------------------------------------------------------------------------------------


def transpose(site: Site) -> int:
    """The axes in reverse."""
    node = site.any_array(0)
    rank = site.builder.type(node).rank
    return build.transpose(site.builder, node, tuple(reversed(range(rank))))


def _diagonal(site: Site) -> tuple[list[Index], int]:
    node = site.square(0, 2)
    indices, (place,) = site.indices(site.builder.type(node).shape[0])
    return indices, build.access(site.builder, node, (None, None), [place, place])


def diag(site: Site) -> int:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    if site.type(0).rank != 1:
        indices, element = _diagonal(site)
        return build.tabulate(site.builder, element, indices)
    node = site.numbers(0)
    type = site.builder.type(node)
    indices, (row, column) = site.indices(type.shape[0], type.shape[0])
    element = build.access(site.builder, node, (None,), [row])
    chosen = site.apply("select", site.apply("eq", row, column), element, site.constant(0, type))
    return build.tabulate(site.builder, chosen, indices)


def trace(site: Site) -> int:
    """The sum of the diagonal."""
    indices, element = _diagonal(site)
    return build.total(site.builder, element, indices)


def eye(site: Site) -> int:
    """The matrix of ones on the diagonal."""
    extent = site.extent(0)
    indices, (row, column) = site.indices(extent, extent)
    real = site.lowering.program.real
    one, zero = site.constant(1, real), site.constant(0, real)
    return build.tabulate(site.builder, site.apply("select", site.apply("eq", row, column), one, zero), indices)


def triangle(*, lower: bool) -> Callable[[Site], int]:
    """The elements on one side of a diagonal; which one, the second argument says."""

    def make(site: Site) -> int:
        node = site.numbers(0)
        if site.builder.type(node).rank < 2:
            raise Refusal(f"`{site.name}` takes a matrix", 0, "this is a vector", code="E0309")
        offset = dim_of(site.builder.data, site.values[1]) if len(site.values) > 1 else 0
        if not isinstance(offset, int):
            hint = "1 is the diagonal above the main one, -1 the one below it"
            raise Refusal(f"`{site.name}` takes the number of a diagonal here", 1, "not a whole number", hint)
        return site.apply("triangle", node, lower=lower, offset=offset)

    return make


# Systems and factors -------------------------------------------------------------------------------------------------


def _of_square(op: str) -> Callable[[Site], int]:
    def make(site: Site) -> int:
        return site.apply(op, site.lowering.applier.real_node(site.square(0)))

    return make


def _of_symmetric(op: str) -> Callable[[Site], int]:
    """An op that reads one triangle, applied to the symmetric part: so the derivative is symmetric too."""

    def make(site: Site) -> int:
        matrix = site.lowering.applier.real_node(site.square(0))
        twice = site.apply("add", matrix, build.transpose(site.builder, matrix))
        return site.apply(op, site.binary("mul", twice, site.constant(0.5, site.builder.type(matrix))))

    return make


inverse = _of_square("inv")
determinant = _of_square("det")
logdet = _of_square("logdet")
cholesky = _of_symmetric("cholesky")
eigenvalues = _of_symmetric("eigvalsh")


def system(op: str, **attrs: Any) -> Callable[[Site], int]:
    """The solution of a linear system."""

    def make(site: Site) -> int:
        builder = site.builder
        matrix, right = site.lowering.applier.real_node(site.square(0)), site.array(1)
        shape, own = builder.type(matrix).shape, builder.type(right).shape
        rows = own[-2] if len(own) > 1 else own[0]
        if not require(builder, "==", shape[-1], rows, builder.span):
            message = f"`{site.name}` takes a right-hand side of {shape[-1]} rows here"
            raise Refusal(message, 1, f"this is {written(own)}", code="E0309")
        front, back = shape[:-2], own[:-2]
        fits = not (front and back) or len(front) == len(back)
        if front and back and fits:
            fits = all(require(builder, "==", a, b, builder.span) for a, b in zip(front, back, strict=True))
        if not fits:
            message = f"the matrices of {written(shape)} and {written(own)} are not equally many"
            raise Refusal(message, 1, f"this is {written(own)}", code="E0309")
        due = (*(back and (front or back)), shape[-1], *own[-1:]) if len(own) > 1 else (shape[-1],)
        return site.apply(op, matrix, meet(builder, right, due, builder.span), **attrs)

    return make


def singular_values(site: Site) -> int:
    """The singular values of a matrix, descending."""
    node = site.array(0)
    shape = site.builder.type(node).shape
    if len(shape) < 2:
        raise Refusal(f"`{site.name}` takes a matrix", 0, "this is a vector", code="E0309")
    rows, columns = shape[-2:]
    if sizes.at_least(rows - columns, 0) is not True and sizes.at_least(columns - rows, 0):
        # Those of the transpose are the same.
        node = build.transpose(site.builder, node)
    else:
        require(site.builder, ">=", rows, columns, site.builder.span)
    return site.apply("svdvals", node)
