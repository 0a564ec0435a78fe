"""Operators of linear algebra at their edges: stacks of matrices, single precision, empty arrays, strided and read-only
operands, singular matrices, repeated values, NaN and infinities.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import mpmath
import numpy as np
import pytest
from array_programs import PAIRS, SYSTEMS, UNARY, Program, value_of

from gradc.ir.builder import Builder
from gradc.ir.op import Site
from gradc.ir.types import Type
from gradc.ops import TABLE
from gradc.ops.decompose import NotPositiveDefinite
from gradc.ops.linalg import BLOCK, SingularMatrix
from gradc.ops.spectra import NotConverged

Array = Any

SYSTEM = pytest.mark.parametrize(("op", "attrs"), SYSTEMS, ids=str)
ONE = pytest.mark.parametrize(("op", "attrs"), UNARY, ids=str)
# What reads the lower triangle only, and what has no value for a singular matrix.
LOWER = ("cholesky", "eigvalsh", "eigvecs")
REGULAR = ("inv", "solve", "triangular_solve")


def matrices(*shape: int, seed: int = 3) -> Array:
    """Positive definite matrices with different eigenvalues."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((*shape[:-1], shape[-1] + 2))
    return root @ root.swapaxes(-1, -2) + np.diag(np.arange(1.0, shape[-1] + 1))


def like(values: Sequence[Array], seed: int = 5) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(value.shape).astype(value.dtype) for value in values]


def both_modes(op: str, values: Sequence[Array], attrs: dict[str, Any]) -> tuple[Array, list[Array], Array, Array]:
    """The tangent along a direction and the adjoints for a weight, and these two inner products, which agree."""
    program = Program(op, values, attrs)
    directions = like(values)
    along = program.value(program.forward(program.result, directions, "v"))
    (weight,) = like([along], seed=6)
    back = [program.value(node) for node in program.reverse(program.result, weight, "u")]
    forward = np.vdot(weight, along)
    reverse = sum(np.vdot(one, other) for one, other in zip(back, directions, strict=True))
    return along, back, forward, reverse


# Stacks of matrices --------------------------------------------------------------------------------------------------

FRONTS = [((4,), (4,)), ((4,), ()), ((), (4,)), ((2, 3), (2, 3)), ((2, 3), ()), ((), (2, 3))]


@SYSTEM
@pytest.mark.parametrize("fronts", FRONTS, ids=str)
@pytest.mark.parametrize("tail", [(3,), (3, 2)], ids=str)
def test_stacks_of_systems_are_loops(
    op: str, attrs: dict[str, Any], fronts: tuple[tuple[int, ...], ...], tail: tuple[int, ...]
) -> None:
    if fronts[1] and len(tail) == 1:
        tail = (3, 1)
    values = [matrices(*fronts[0], 3, 3), *like([np.empty((*fronts[1], *tail))])]
    front = np.broadcast_shapes(*fronts)
    directions = like(values)

    def row(arrays: Sequence[Array], at: tuple[int, ...]) -> list[Array]:
        return [array[at] if own else array for array, own in zip(arrays, fronts, strict=True)]

    found = value_of(op, *values, **attrs)
    along, _, forward, reverse = both_modes(op, values, attrs)
    for at in np.ndindex(front):
        np.testing.assert_allclose(found[at], value_of(op, *row(values, at), **attrs), rtol=1e-13)
        one = Program(op, row(values, at), attrs)
        due = one.value(one.forward(one.result, row(directions, at), "v"))
        np.testing.assert_allclose(along[at], due, rtol=1e-12, atol=1e-13)
    assert forward == pytest.approx(reverse, rel=1e-12, abs=1e-13)


@ONE
def test_stacks_of_matrices_are_loops(op: str, attrs: dict[str, Any]) -> None:
    values = [matrices(2, 3, 3, 3)]
    found = value_of(op, *values, **attrs)
    along, (back,), forward, reverse = both_modes(op, values, attrs)
    (direction,), (weight,) = like(values), like([along], seed=6)
    for at in np.ndindex(2, 3):
        np.testing.assert_allclose(found[at], value_of(op, values[0][at], **attrs), rtol=1e-13, atol=1e-13)
        one = Program(op, [values[0][at]], attrs)
        due = one.value(one.forward(one.result, [direction[at]], "v"))
        np.testing.assert_allclose(along[at], due, rtol=1e-11, atol=1e-12)
        (node,) = one.reverse(one.result, weight[at], "u")
        np.testing.assert_allclose(back[at], one.value(node), rtol=1e-11, atol=1e-12)
    assert forward == pytest.approx(reverse, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize(("op", "attrs"), [*SYSTEMS, *UNARY, *PAIRS], ids=str)
@pytest.mark.parametrize("own", [((), ()), ((2,), (2,)), ((2,), ()), ((), (2,))], ids=str)
@pytest.mark.parametrize("lacking", [(), (0,), (1,), (0, 1)], ids=str)
def test_batch_axes_are_loops(
    op: str, attrs: dict[str, Any], own: tuple[tuple[int, ...], ...], lacking: tuple[int, ...]
) -> None:
    """Batch axes stand before an op's own; where an operand lacks the index, the extent is 1."""
    binary = TABLE[op].arity[0] == 2
    if op in dict(PAIRS) and own[0] != own[1]:
        return
    shapes = [(*own[0], 3, 3), (*own[1], 3, 3)][: 1 + binary]
    if op == "matmul" and own == ((), ()):
        shapes[1] = (3,)
    batch = (4, 5)
    lead = [[1 if axis in lacking and k == 0 else extent for axis, extent in enumerate(batch)] for k in range(2)]
    values = [matrices(*lead[0], *shapes[0]), *like([np.empty((*lead[1], *shape)) for shape in shapes[1:]])]
    builder = Builder(TABLE)
    nodes = [builder.input(f"x{k}", Type("f64", shape)) for k, shape in enumerate(shapes)]
    shape = builder.type(builder.apply(op, *nodes, attrs=attrs)).shape
    site = Site(tuple(shapes), tuple(shape), "f64", attrs, batch)  # type: ignore[arg-type]
    found = TABLE[op].plan(site)(*values)  # type: ignore[misc]
    for at in np.ndindex(*(lead[0] if not binary else batch)):
        row = [value[tuple(np.minimum(at, np.array(value.shape[:2]) - 1))] for value in values]
        np.testing.assert_allclose(found[at], value_of(op, *row, **attrs), rtol=1e-12, atol=1e-12)


@SYSTEM
def test_one_matrix_for_many_right_sides_is_factored_once(op: str, attrs: dict[str, Any], monkeypatch: Any) -> None:
    sizes = []
    solve = np.linalg.solve

    def count(a: Array, b: Array) -> Array:
        sizes.append(a.size)
        return solve(a, b)

    monkeypatch.setattr(np.linalg, "solve", count)
    values = [matrices(3, 3), *like([np.empty((50, 3, 2))])]
    value_of(op, *values, **attrs)
    assert sizes == ([] if op == "matmul" else [9])


@SYSTEM
@pytest.mark.parametrize("sides", list(itertools.product((1, 4), (1, 5), repeat=2)), ids=str)
@pytest.mark.parametrize("columns", [1, 2])
def test_any_axes_may_be_shared(op: str, attrs: dict[str, Any], sides: tuple[int, ...], columns: int) -> None:
    left, right = sides[:2], sides[2:]
    a = matrices(*left, 3, 3)
    (b,) = like([np.empty((*right, 3, columns))])
    front = np.broadcast_shapes(left, right)
    found = TABLE[op].plan(Site(((3, 3), (3, columns)), (3, columns), "f64", attrs, front))(a, b)  # type: ignore[misc]
    whole = np.broadcast_to(a, (*front, 3, 3)), np.broadcast_to(b, (*front, 3, columns))
    assert found.shape == whole[1].shape
    for at in np.ndindex(*front):
        np.testing.assert_allclose(found[at], value_of(op, whole[0][at], whole[1][at], **attrs), rtol=1e-12)


# Numbers and memory --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "attrs"), [*SYSTEMS, *UNARY, *PAIRS], ids=str)
def test_single_precision_stays_single(op: str, attrs: dict[str, Any]) -> None:
    """The evaluator checks the type of every node on the way."""
    values = [matrices(3, 3), *like([np.empty((3, 3))])][: TABLE[op].arity[0]]
    single = [value.astype(np.float32) for value in values]
    found = value_of(op, *single, **attrs)
    due = value_of(op, *[value.astype(float) for value in single], **attrs)
    if op in ("eigvecs", "svdvecs"):
        found, due = np.abs(found), np.abs(due)
    np.testing.assert_allclose(found, due, rtol=2e-4, atol=2e-4)
    _, _, forward, reverse = both_modes(op, single, attrs)
    assert forward == pytest.approx(reverse, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(("op", "attrs"), [*SYSTEMS, *UNARY], ids=str)
def test_any_layout_of_memory_and_no_change_of_it(op: str, attrs: dict[str, Any]) -> None:
    values = [matrices(3, 3), *like([np.empty((3, 2))])][: TABLE[op].arity[0]]
    due = value_of(op, *values, **attrs)
    wide = [np.full([2 * extent for extent in value.shape], np.nan) for value in values]
    for whole, value in zip(wide, values, strict=True):
        whole[::2, 1::2] = value
    layouts = [
        [np.asfortranarray(value) for value in values],
        [whole[::2, 1::2] for whole in wide],
        [value[::-1, ::-1].copy()[::-1, ::-1] for value in values],
    ]
    for layout in layouts:
        for value in layout:
            value.setflags(write=False)
        np.testing.assert_allclose(value_of(op, *layout, **attrs), due, rtol=1e-12, atol=1e-12)
        both_modes(op, layout, attrs)


@pytest.mark.parametrize(("op", "attrs"), [*SYSTEMS, *UNARY, *PAIRS], ids=str)
@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)], ids=str)
def test_empty_arrays(op: str, attrs: dict[str, Any], shape: tuple[int, ...]) -> None:
    values = [np.ones(shape)] * TABLE[op].arity[0]
    along, back, forward, reverse = both_modes(op, values, attrs)
    assert [value.shape for value in back] == [value.shape for value in values]
    assert forward == reverse == 0
    assert not along.any()


def test_the_empty_determinant_is_one() -> None:
    assert value_of("det", np.ones((0, 0))) == 1
    assert value_of("logdet", np.ones((0, 0))) == 0
    assert value_of("matmul", np.ones((2, 0)), np.ones((0, 3))).tolist() == [[0.0] * 3] * 2


@SYSTEM
def test_no_right_sides(op: str, attrs: dict[str, Any]) -> None:
    values = [np.zeros((3, 3)), np.ones((3, 0))]
    assert value_of(op, *values, **attrs).shape == (3, 0)


# Triangles -----------------------------------------------------------------------------------------------------------


def test_triangles_leave_out_what_is_infinite() -> None:
    x = np.array([[1.0, np.inf], [np.nan, -0.0]])
    lower = value_of("triangle", x, lower=True, offset=-1)
    np.testing.assert_array_equal(lower, [[0, 0], [np.nan, 0]])
    assert not np.signbit(lower).any()
    np.testing.assert_array_equal(value_of("triangle", x, lower=False, offset=1), [[0, np.inf], [0, 0]])


@pytest.mark.parametrize("offset", [-9, -3, -1, 0, 2, 4, 9])
@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (2, 3, 3), (0, 3)], ids=str)
def test_triangles_are_those_of_numpy(offset: int, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).standard_normal(shape)
    np.testing.assert_array_equal(value_of("triangle", x, lower=True, offset=offset), np.tril(x, offset))
    np.testing.assert_array_equal(value_of("triangle", x, lower=False, offset=offset), np.triu(x, offset))


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 7])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("front", [(), (2,)], ids=str)
def test_large_triangles(count: int, lower: bool, transposed: bool, front: tuple[int, ...]) -> None:
    rng = np.random.default_rng(count)
    # The other triangle must not be read, not even to multiply it by 0.
    kept = np.tri(count, dtype=bool) if lower else np.tri(count, dtype=bool).T
    a = np.where(kept, rng.standard_normal((*front, count, count)) / np.sqrt(count) + 2 * np.eye(count), np.nan)
    b = rng.standard_normal((*front, count, 3))
    x = value_of("triangular_solve", a, b, lower=lower, transposed=transposed)
    read = np.where(kept, a, 0)
    back = (read.swapaxes(-1, -2) if transposed else read) @ x
    np.testing.assert_allclose(back, b, atol=1e-12)
    with pytest.raises(SingularMatrix):
        value_of("triangular_solve", np.where(np.eye(count, dtype=bool), 0.0, read), b, lower=lower, transposed=False)


@pytest.mark.parametrize("lower", [False, True])
def test_substitution_keeps_digits_where_elimination_does_not(lower: bool) -> None:
    """Rows of very different size, and a condition number of 1e300: substitution does not care for either."""
    rng = np.random.default_rng(2)
    a = rng.uniform(1, 2, (30, 30)) * 10.0 ** rng.uniform(-150, 150, (30, 1))
    a = np.tril(a) if lower else np.triu(a)
    a -= 2 * np.triu(np.tril(a, -1)) + np.tril(a, -1) + np.triu(a, 1)
    a = np.abs(a) * (2 * np.eye(30) - 1)
    b = np.abs(a).max(axis=1) * rng.uniform(1, 2, 30)
    with mpmath.workdps(400):
        due = mpmath.lu_solve(mpmath.matrix(a.tolist()), mpmath.matrix(b.tolist()))
        exact = np.array([float(value) for value in due])
    x = value_of("triangular_solve", a, b, lower=lower, transposed=False)
    np.testing.assert_allclose(x, exact, rtol=1e-13)


# Singular matrices ---------------------------------------------------------------------------------------------------

SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


@pytest.mark.parametrize(("op", "attrs"), [case for case in [*SYSTEMS, *UNARY] if case[0] in REGULAR], ids=str)
def test_a_singular_matrix_is_an_error_of_ours(op: str, attrs: dict[str, Any]) -> None:
    singular = np.array([[0.0, 0.0], [0.0, 1.0]])
    for a in (singular, np.stack([np.eye(2), singular])):
        values = [a, np.ones((2, 2))][: TABLE[op].arity[0]]
        with pytest.raises(SingularMatrix, match="the matrix is singular"):
            value_of(op, *values, **attrs)
    # A matrix of NaN is none, but does not hide one.
    beside = np.stack([np.full((2, 2), np.nan), singular])
    with pytest.raises(SingularMatrix):
        value_of(op, *[beside, np.ones((2, 2, 2))][: TABLE[op].arity[0]], **attrs)


@pytest.mark.parametrize("bad", [[[0.0]], [[-1.0]], [[1.0, 0.0], [1.0, 1.0]], [[1.0, 9.0], [2.0, 1.0]]], ids=str)
def test_a_matrix_that_is_not_positive_definite(bad: Any) -> None:
    a = np.array(bad)
    for stack in (a, np.stack([np.eye(len(a)), a])):
        with pytest.raises(NotPositiveDefinite, match="the matrix is not positive definite"):
            value_of("cholesky", stack)


def test_failures_are_arithmetic_errors() -> None:
    for failure in (SingularMatrix, NotPositiveDefinite, NotConverged):
        assert issubclass(failure, ArithmeticError)


def test_determinants_of_singular_matrices() -> None:
    assert value_of("det", SINGULAR) == 0
    assert value_of("logdet", SINGULAR) == -np.inf
    assert value_of("logdet", -np.eye(3)) == 0
    np.testing.assert_allclose(value_of("cofactor", SINGULAR), [[4, -2], [-2, 1]], atol=1e-14)
    program = Program("logdet", [SINGULAR])
    (back,) = program.reverse(program.result, np.array(1.0), "u")
    with pytest.raises(SingularMatrix):
        program.value(back)


def laplace(x: Array) -> Any:
    if not len(x):
        return mpmath.mpf(1)
    return sum((-1) ** j * x[0, j] * laplace(np.delete(x[1:], j, 1)) for j in range(len(x)))


@pytest.mark.parametrize(("count", "rank"), [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (4, 1), (4, 2), (4, 3), (5, 3)])
def test_derivatives_of_determinants_at_any_rank(count: int, rank: int) -> None:
    rng = np.random.default_rng(10 * count + rank)
    # Whole numbers, so that the rank is not a matter of rounding.
    a = (rng.integers(-3, 4, (count, rank)) @ rng.integers(-3, 4, (rank, count))).astype(float)
    v, w = rng.standard_normal((2, count, count))
    program = Program("det", [a])
    first = program.forward(program.result, [v], "v")
    second = program.value(program.forward(first, [w], "w"))
    (back,) = program.reverse(first, np.array(1.0), "u")
    with mpmath.workdps(60):
        t = mpmath.mpf(10) ** -20
        one = [laplace(a + s * t * v) for s in (1, -1)]
        two = [laplace(a + s * t * v + r * t * w) for s in (1, -1) for r in (1, -1)]
        slope = float((one[0] - one[1]) / (2 * t))
        curve = float((two[0] - two[1] - two[2] + two[3]) / (4 * t * t))
    scale = max(1.0, np.abs(a).max()) ** (count - 1)
    assert program.value(first) == pytest.approx(slope, abs=1e-13 * scale)
    assert second == pytest.approx(curve, abs=1e-13 * scale)
    assert np.vdot(program.value(back), w) == pytest.approx(curve, abs=1e-13 * scale)


@pytest.mark.parametrize("size", [1e-150, 1e-108, 1e150])
@pytest.mark.parametrize("count", [2, 3])
def test_cofactors_where_the_determinant_leaves_the_numbers(size: float, count: int) -> None:
    found = value_of("cofactor", size * np.eye(count))
    np.testing.assert_allclose(found, size ** (count - 1) * np.eye(count), rtol=1e-13)


def test_stacks_of_regular_and_singular_matrices_have_their_own_cofactors() -> None:
    stack = np.stack([matrices(3, 3), np.ones((3, 3)), np.diag([0.0, 1.0, 2.0]), np.full((3, 3), np.nan)])
    due = np.stack([np.linalg.inv(stack[0]).T * np.linalg.det(stack[0]), *np.zeros((2, 3, 3)), stack[3]])
    due[2, 0, 0] = 2
    np.testing.assert_allclose(value_of("cofactor", stack), due, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_small_determinants_are_not_rounded(dtype: Any) -> None:
    assert value_of("det", np.array([[3.3]], dtype)) == dtype(3.3)
    assert value_of("det", np.array([[1, 2], [3, 4]], dtype)) == -2
    np.testing.assert_array_equal(value_of("cofactor", np.array([[1, 2], [3, 4]], dtype)), [[4, -3], [-2, 1]])
    # The products overflow, the determinant does not.
    assert value_of("det", np.full((2, 2), dtype(2.0) ** (np.finfo(dtype).maxexp - 1))) == 0


def test_nearly_singular_matrices() -> None:
    hilbert = 1 / (np.arange(1.0, 10)[:, None] + np.arange(9.0))
    x = value_of("solve", hilbert, hilbert.sum(axis=1), transposed=False)
    np.testing.assert_allclose(hilbert @ x, hilbert.sum(axis=1), rtol=1e-14)
    near = np.array([[1.0, 1.0], [1.0, 1.0 + 2**-52]])
    assert value_of("det", near) == 2**-52
    np.testing.assert_allclose(value_of("cofactor", near), [[1 + 2**-52, -1], [-1, 1]], rtol=1e-15)


# Repeated values -----------------------------------------------------------------------------------------------------


def adjoint_of(op: str, a: Array, weight: Array) -> Array:
    program = Program(op, [a])
    (back,) = program.reverse(program.result, weight, "u")
    return program.value(back)


def test_symmetric_functions_of_repeated_eigenvalues() -> None:
    np.testing.assert_allclose(adjoint_of("eigvalsh", np.diag([2.0, 2.0, 5.0]), np.ones(3)), np.eye(3), atol=1e-15)


def test_eigenvectors_beside_a_repeated_eigenvalue() -> None:
    """The vector of the single eigenvalue 5 turns towards the others by 1/(5 - 2), whatever basis those have."""
    a = np.diag([2.0, 2.0, 5.0])
    vectors = value_of("eigvecs", a)
    weight = np.zeros((3, 3))
    weight[0, 2] = 1.0
    due = np.zeros((3, 3))
    due[2, 0] = vectors[2, 2] / 3
    np.testing.assert_allclose(adjoint_of("eigvecs", a, weight), due, atol=1e-15)


def test_eigenvectors_of_a_repeated_eigenvalue_have_no_derivative() -> None:
    weight = np.zeros((3, 3))
    weight[1, 0] = 1.0
    assert not np.isfinite(adjoint_of("eigvecs", np.diag([2.0, 2.0, 5.0]), weight)).all()


def test_singular_values_of_zero() -> None:
    """As the absolute value: 0 has the derivative 0."""
    np.testing.assert_array_equal(adjoint_of("svdvals", np.zeros((3, 2)), np.ones(2)), np.zeros((3, 2)))
    program = Program("svdvals", [np.zeros((3, 2))])
    np.testing.assert_array_equal(program.value(program.forward(program.result, [np.ones((3, 2))], "v")), [0, 0])


def test_the_sum_of_repeated_singular_values() -> None:
    a = np.array([[0.0, -3.0], [3.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(adjoint_of("svdvals", a, np.ones(2)), a / 3, atol=1e-15)


# What is not finite --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "attrs"), [*SYSTEMS, *UNARY[2:]], ids=str)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", list(itertools.product(range(3), repeat=2)), ids=str)
def test_what_is_not_finite_is_no_failure(op: str, attrs: dict[str, Any], bad: float, place: tuple[int, int]) -> None:
    stack = matrices(2, 3, 3)
    good = stack[0].copy()
    stack[1][place] = bad
    values = [stack, *like([np.empty((2, 3, 2))])][: TABLE[op].arity[0]]
    found = value_of(op, *values, **attrs)
    right = [good, *(value[0] for value in values[1:])]
    np.testing.assert_allclose(found[0], value_of(op, *right, **attrs), rtol=1e-12, atol=1e-12)
    ignored = (op in LOWER or attrs.get("lower")) and place[0] < place[1]
    ignored = ignored or (attrs.get("lower") is False and place[0] > place[1])
    if ignored:
        assert np.isfinite(found).all()
    elif np.isnan(bad) and op != "cofactor":
        assert np.isnan(found[1]).any()


@pytest.mark.parametrize(("op", "attrs"), UNARY[2:], ids=str)
def test_nan_beside_what_would_be_singular(op: str, attrs: dict[str, Any]) -> None:
    """LAPACK finds a pivot of 0 behind a NaN, and eigenvalues that look like numbers."""
    for bad in ([[np.nan, 0.0], [0.0, 0.0]], [[0.0, 0.0], [np.nan, 0.0]], [[np.nan, 0.0], [0.0, 1.0]]):
        assert np.isnan(value_of(op, np.array(bad), **attrs)).any()
