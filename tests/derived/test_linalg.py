"""Operators of linear algebra: values and derivatives to third order in 60 digits, both modes against each other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np
import pytest
from array_programs import Program, value_of

Array = Any


# Sixty digits --------------------------------------------------------------------------------------------------------


def to_mp(x: Array) -> Any:
    return mpmath.matrix([[mpmath.mpf(entry) for entry in row] for row in x])


def from_mp(x: Any) -> Array:
    return np.array([[x[i, j] for j in range(x.cols)] for i in range(x.rows)], dtype=object)


def exact_product(a: Array, b: Array) -> Array:
    return np.matmul(a, b)


def exact_solve(a: Array, b: Array, transposed: bool) -> Array:
    return from_mp(to_mp(a.T if transposed else a) ** -1 * to_mp(b.reshape(len(b), -1))).reshape(b.shape)


def exact_triangular(a: Array, b: Array, lower: bool, transposed: bool) -> Array:
    return exact_solve(np.tril(a) if lower else np.triu(a), b, transposed)


def exact_triangle(x: Array, lower: bool, offset: int) -> Array:
    return np.tril(x, offset) if lower else np.triu(x, offset)


def mirrored(x: Array) -> Array:
    return np.tril(x) + np.tril(x, -1).T


def exact_cholesky(x: Array) -> Array:
    return from_mp(mpmath.cholesky(to_mp(mirrored(x))))


def exact_cholesky_adjoint(x: Array, due: Array) -> Array:
    half = np.tril(np.full(x.shape, mpmath.mpf(1))) - np.diag(np.full(len(x), mpmath.mpf(0.5)))
    inverse = from_mp(to_mp(np.tril(x)) ** -1)
    found = inverse.T @ (np.tril(x).T @ np.tril(due) * half) @ inverse
    return (found + found.T) * half


def exact_det(x: Array) -> Array:
    if not len(x):
        return np.array(mpmath.mpf(1), dtype=object)
    # By the first row: a determinant in terms of pivots is none where they are 0.
    minors = [np.delete(np.delete(x, 0, 0), j, 1) for j in range(len(x))]
    return np.array(sum((-1) ** j * x[0, j] * exact_det(minor)[()] for j, minor in enumerate(minors)), dtype=object)


def exact_cofactor(x: Array) -> Array:
    n = len(x)
    entries = [[(-1) ** (i + j) * minor(x, i, j) for j in range(n)] for i in range(n)]
    return np.array(entries, dtype=object)


def minor(x: Array, i: int, j: int) -> Any:
    return exact_det(np.delete(np.delete(x, i, 0), j, 1))[()]


def exact_cofactor_along(x: Array, h: Array) -> Array:
    # Exact for polynomials of degree 4.
    one, two = (exact_cofactor(x + t * h) - exact_cofactor(x - t * h) for t in (1, 2))
    return (8 * one - two) / mpmath.mpf(12)


def exact_logdet(x: Array) -> Array:
    return np.array(mpmath.log(abs(exact_det(x)[()])), dtype=object)


def exact_eigvalsh(x: Array) -> Array:
    return from_mp(mpmath.eigsy(to_mp(mirrored(x)), eigvals_only=True)).ravel()


def exact_eigvecs(x: Array) -> Array:
    vectors = from_mp(mpmath.eigsy(to_mp(mirrored(x)))[1])
    # The sign of each as LAPACK chose it at the matrix of the test, which x is next to.
    chosen = np.linalg.eigh(x.astype(float))[1]
    return vectors * np.where((vectors * chosen).sum(axis=0) < 0, -1, 1)


def exact_svdvals(x: Array) -> Array:
    return from_mp(mpmath.svd_r(to_mp(x), compute_uv=False)).ravel()


def exact_svdvecs(x: Array) -> Array:
    u, _, v = mpmath.svd_r(to_mp(x))
    both = np.concatenate([from_mp(u), from_mp(v).T])
    chosen = np.linalg.svd(x.astype(float), full_matrices=False)[0]
    return both * np.where((both[: len(x)] * chosen).sum(axis=0) < 0, -1, 1)


def difference(exact: Callable[..., Array], values: Sequence[Array], directions: Sequence[Sequence[Array]]) -> Array:
    """The derivative along all of the directions, one after the other, by central differences in 60 digits."""
    step = mpmath.mpf(10) ** (-40 // (len(directions) + 1))
    total: Any = 0
    for signs in itertools.product((1, -1), repeat=len(directions)):
        moved = [
            value.astype(object) * mpmath.mpf(1)
            + sum(sign * step * direction[k] for sign, direction in zip(signs, directions, strict=True))
            for k, value in enumerate(values)
        ]
        total = total + int(np.prod(signs)) * exact(*moved)
    return np.array(total / (2 * step) ** len(directions)).astype(float)


# Cases ---------------------------------------------------------------------------------------------------------------


def regular(rng: np.random.Generator, n: int) -> Array:
    return rng.standard_normal((n, n)) + 2 * np.eye(n)


def positive(rng: np.random.Generator, n: int) -> Array:
    # The upper triangle is something else: nobody reads it.
    root = rng.standard_normal((n, n + 2))
    return np.tril(root @ root.T + np.eye(n)) + np.triu(rng.standard_normal((n, n)), 1)


@dataclass
class Case:
    op: str
    sample: Callable[[np.random.Generator], Sequence[Array]]
    exact: Callable[..., Array]
    attrs: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        values = self.sample(np.random.default_rng(0))
        shapes = ",".join("x".join(map(str, value.shape)) for value in values)
        return f"{self.op}-{shapes}-{'-'.join(map(str, self.attrs.values()))}"


def cases() -> list[Case]:
    found = [
        Case("matmul", lambda rng: [rng.standard_normal((3, 2)), rng.standard_normal((2, 4))], exact_product),
        Case("matmul", lambda rng: [rng.standard_normal(3), rng.standard_normal((3, 2))], exact_product),
        Case("matmul", lambda rng: [rng.standard_normal((2, 3)), rng.standard_normal(3)], exact_product),
        Case("matmul", lambda rng: [rng.standard_normal(3), rng.standard_normal(3)], exact_product),
    ]
    for transposed in (False, True):
        for right in ((3,), (3, 2)):
            found.append(
                Case(
                    "solve",
                    lambda rng, right=right: [regular(rng, 3), rng.standard_normal(right)],
                    lambda a, b, transposed=transposed: exact_solve(a, b, transposed),
                    {"transposed": transposed},
                )
            )
            for lower in (False, True):
                attrs = {"lower": lower, "transposed": transposed}
                found.append(
                    Case(
                        "triangular_solve",
                        lambda rng, right=right: [regular(rng, 3), rng.standard_normal(right)],
                        lambda a, b, attrs=attrs: exact_triangular(a, b, **attrs),
                        attrs,
                    )
                )
    for attrs in ({"lower": True, "offset": 0}, {"lower": False, "offset": 1}, {"lower": True, "offset": -1}):
        found.append(
            Case(
                "triangle",
                lambda rng: [rng.standard_normal((3, 4))],
                lambda x, attrs=attrs: exact_triangle(x, **attrs),
                attrs,
            )
        )
    one = (
        ("inv", regular, lambda a: from_mp(to_mp(a) ** -1)),
        ("cholesky", positive, exact_cholesky),
        ("det", regular, exact_det),
        ("cofactor", regular, exact_cofactor),
        ("logdet", regular, exact_logdet),
        ("eigvalsh", regular, exact_eigvalsh),
        ("eigvecs", regular, exact_eigvecs),
    )
    for op, make, exact in one:
        for n in (1, 2, 3) if op != "eigvecs" else (2, 3):
            found.append(Case(op, lambda rng, make=make, n=n: [make(rng, n)], exact))
    for n in (1, 2, 4):
        found.append(
            Case("cholesky_adjoint", lambda rng, n=n: [regular(rng, n), regular(rng, n)], exact_cholesky_adjoint)
        )
        found.append(Case("cofactor_along", lambda rng, n=n: [regular(rng, n), regular(rng, n)], exact_cofactor_along))
    for shape in ((3, 3), (4, 2), (1, 1)):
        found.append(Case("svdvals", lambda rng, shape=shape: [rng.standard_normal(shape)], exact_svdvals))
    for shape in ((3, 3), (4, 2)):
        found.append(Case("svdvecs", lambda rng, shape=shape: [rng.standard_normal(shape)], exact_svdvecs))
    return found


CASES = cases()
CASE = pytest.mark.parametrize("case", CASES, ids=str)
UNARY = [case for case in CASES if len(case.sample(np.random.default_rng(0))) == 1]


@pytest.fixture(autouse=True)
def sixty_digits() -> Any:
    with mpmath.workdps(60):
        yield


def draws(case: Case, count: int) -> list[Sequence[Array]]:
    """The operands, and then directions of their shapes."""
    rng = np.random.default_rng(7)
    values = case.sample(rng)
    return [values, *([rng.standard_normal(np.shape(value)) for value in values] for _ in range(count))]


def close(found: Array, due: Array, rtol: float = 1e-10) -> None:
    found, due = np.asarray(found), np.asarray(due)
    assert found.shape == due.shape
    np.testing.assert_allclose(found, due, rtol=rtol, atol=rtol * max(1.0, np.max(np.abs(due), initial=0.0)))


def test_every_operator_has_a_case() -> None:
    from gradc.ops import decompose, linalg, spectra

    rows = {row.name for module in (linalg, decompose, spectra) for row in module.ROWS}
    assert rows == {case.op for case in CASES}


@CASE
def test_values(case: Case) -> None:
    (values,) = draws(case, 0)
    found = value_of(case.op, *values, **case.attrs)
    close(found, np.array(case.exact(*[value.astype(object) for value in values])).astype(float), 1e-13)


@CASE
def test_first_derivatives(case: Case) -> None:
    values, direction = draws(case, 1)
    program = Program(case.op, values, case.attrs)
    along = program.value(program.forward(program.result, direction, "v"))
    close(along, difference(case.exact, values, [direction]))
    weight = np.random.default_rng(8).standard_normal(along.shape)
    back = [program.value(node) for node in program.reverse(program.result, weight, "u")]
    dots = [np.vdot(one, other) for one, other in zip(back, direction, strict=True)]
    scale = sum(np.abs(one * other).sum() for one, other in zip(back, direction, strict=True))
    assert abs(sum(dots) - np.vdot(weight, along)) <= 1e-12 * max(scale, np.abs(weight * along).sum())


@CASE
@pytest.mark.parametrize("order", [2, 3])
def test_higher_derivatives(case: Case, order: int) -> None:
    """Forward mode again and again, and reverse mode in the end."""
    if case.op == "triangle" or (case.op, order) == ("matmul", 3):
        return  # It is 0, and then there is no node for it.
    values, *directions = draws(case, order)
    program = Program(case.op, values, case.attrs)
    due = difference(case.exact, values, directions)
    node = program.result
    for k, direction in enumerate(directions[:-1]):
        node = program.forward(node, direction, f"v{k}_")
    weight = np.random.default_rng(8).standard_normal(due.shape)
    tolerance = 1e-9
    close(program.value(program.forward(node, directions[-1], "last")), due, tolerance)
    back = [program.value(found) for found in program.reverse(node, weight, "u")]
    dots = sum(np.vdot(one, other) for one, other in zip(back, directions[-1], strict=True))
    scale = sum(np.abs(one * other).sum() for one, other in zip(back, directions[-1], strict=True))
    assert abs(dots - np.vdot(weight, due)) <= tolerance * max(1.0, scale)


@pytest.mark.parametrize("n", [63, 64, 65, 150])
@pytest.mark.parametrize("front", [(), (2,)])
def test_the_adjoint_of_a_factor_by_blocks(n: int, front: tuple[int, ...]) -> None:
    rng = np.random.default_rng(n)
    factor = np.tril(rng.standard_normal((*front, n, n)))
    factor[..., range(n), range(n)] = n**0.5 + rng.random(n)
    due = rng.standard_normal((*front, n, n))
    inverse = np.linalg.inv(factor)
    half = np.tril(np.ones((n, n))) - 0.5 * np.eye(n)
    turned = factor.swapaxes(-1, -2)
    found = inverse.swapaxes(-1, -2) @ (turned @ np.tril(due) * half) @ inverse
    expected = (found + found.swapaxes(-1, -2)) * half
    # What stands above the diagonals is not read.
    noise = np.triu(np.full((n, n), np.nan), 1)
    np.testing.assert_allclose(
        value_of("cholesky_adjoint", factor + noise, due + noise), expected, rtol=1e-9, atol=1e-12
    )
