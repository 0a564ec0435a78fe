"""Rows of linear algebra: products, triangles, solutions of linear systems, inverses.

A matrix is the last two axes of an array; axes in front of them number matrices. A failure (no inverse, no factor) is
an ``ArithmeticError`` of this module, never NumPy's exception. A matrix with a NaN or an infinity in the part that is
read is no failure: where LAPACK gives up on it, the result is NaN. Formulas: Giles 2008, An extended collection of
matrix derivative results for forward and reverse mode algorithmic differentiation (Oxford, NA-08/01).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir import sizes
from gradc.ir.op import Convention, Op, Scatter, Site
from gradc.ir.sizes import Dim
from gradc.ir.types import Type, TypeMismatch, typed
from gradc.ops import build, precedence
from gradc.ops.typerules import NUMBER, Attrs

if TYPE_CHECKING:
    from gradc.ir.builder import Builder

Found = Mapping[int, "int | Scatter"]

# Rows of a triangular matrix that are solved at a time; all others are products of matrices.
BLOCK = 64


class SingularMatrix(ArithmeticError):
    """A matrix that has no inverse: a pivot, or an element on the diagonal of a triangle, is exactly 0."""


# Type rules ----------------------------------------------------------------------------------------------------------


def matrix(types: Sequence[Type], attrs: Attrs) -> Type:
    """Real matrices give matrices of that shape."""
    (type,) = types
    if not type.real:
        raise TypeMismatch(NUMBER, 0)
    if type.rank < 2:
        raise TypeMismatch("a matrix", 0)
    return type


def square(types: Sequence[Type], attrs: Attrs) -> Type:
    """Real square matrices give matrices of that shape."""
    type = matrix(types[:1], attrs)
    if type.shape[-1] != type.shape[-2]:
        raise TypeMismatch("a square matrix", 0)
    return type


def _triangle(types: Sequence[Type], attrs: Attrs) -> Type:
    (type,) = types
    if type.dtype == "bool":
        raise TypeMismatch(NUMBER, 0)
    if type.rank < 2:
        raise TypeMismatch("a matrix", 0)
    return type


def _operands(types: Sequence[Type], inner: Callable[[Type], Dim]) -> tuple[Dim, ...]:
    """That the operands are real arrays that fit: the axes in front, which number the matrices of the result."""
    left, right = types
    for position, type in enumerate(types):
        if not type.real:
            raise TypeMismatch(NUMBER, position)
        if not type.rank:
            raise TypeMismatch("an array", position)
    if right.dtype != left.dtype:
        raise TypeMismatch(NUMBER, 1)
    if inner(left) != _columns(right.shape)[-2]:
        raise TypeMismatch(f"an array whose rows number {inner(left)}", 1)
    front, back = left.shape[:-2], right.shape[:-2]
    if front and back and front != back:
        raise TypeMismatch("as many matrices as the other operand", 1)
    return front or back


def _matmul(types: Sequence[Type], attrs: Attrs) -> Type:
    front = _operands(types, lambda type: type.shape[-1])
    left, right = types
    shape = front + left.shape[-2:-1] * (left.rank > 1) + right.shape[-1:] * (right.rank > 1)
    return typed(left.dtype, shape, (*left.free, *right.free))


def _system(types: Sequence[Type], attrs: Attrs) -> Type:
    left, right = square(types, attrs), types[1]
    front = _operands(types, lambda type: type.shape[-1])
    return typed(left.dtype, front + right.shape[-2:], (*left.free, *right.free))


# A vector is a matrix of one row on the left, of one column on the right.


def _rows(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    return tuple(shape) if len(shape) > 1 else (1, *shape)


def _columns(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    return tuple(shape) if len(shape) > 1 else (*shape, 1)


# Derivatives ---------------------------------------------------------------------------------------------------------


def triangle(builder: Builder, node: int, *, lower: bool, offset: int = 0) -> int:
    """The elements on one side of a diagonal, with it; the others are 0."""
    return builder.apply("triangle", node, attrs={"lower": lower, "offset": offset})


def product(builder: Builder, *factors: int) -> int:
    """The matrix product, from the right."""
    result = factors[-1]
    for factor in factors[-2::-1]:
        result = build.matmul(builder, factor, result)
    return result


def _matmul_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    left, right = builder.operands(node)
    a, b = builder.type(left), builder.type(right)
    if min(a.rank, b.rank) == 1 and max(a.rank, b.rank) < 3:
        return _vector_back(builder, (left, right), adjoint, positions)
    rows, columns = _rows(a.shape), _columns(b.shape)
    front = rows[:-2] or columns[:-2]
    due = build.reshape(builder, adjoint, (*front, rows[-2], columns[-1]))
    found: dict[int, int | Scatter] = {}
    if 0 in positions:
        other = build.transpose(builder, build.reshape(builder, right, columns))
        found[0] = _reduced(builder, build.matmul(builder, due, other), rows, a)
    if 1 in positions:
        many = build.reshape(builder, left, rows)
        if front and not columns[:-2]:
            # The rows of all matrices are those of one tall matrix: one product, and no sum over products.
            count = sizes.product((*front, rows[-2]))
            many = build.reshape(builder, many, (count, rows[-1]))
            due = build.reshape(builder, due, (count, columns[-1]))
        found[1] = _reduced(builder, build.matmul(builder, build.transpose(builder, many), due), columns, b)
    return found


def _vector_back(builder: Builder, operands: Sequence[int], adjoint: int, positions: Collection[int]) -> Found:
    """Where one operand is a vector: outer products are products of elements, which meet the sums that follow."""
    found: dict[int, int | Scatter] = {}
    shapes = [builder.type(operand).shape for operand in operands]
    for position in positions:
        shape, other = shapes[position], operands[1 - position]
        if len(shapes[0]) == len(shapes[1]):
            spread = build.broadcast(builder, adjoint, shape)
            found[position] = builder.apply("mul", spread, other)
        elif len(shape) == 2:
            # The adjoint runs along the axis that is not summed over, the vector along the other one.
            along, across = (-1, -2) if position == 0 else (-2, -1)
            left = build.expand(builder, adjoint, (along,), shape)
            found[position] = builder.apply("mul", left, build.expand(builder, other, (across,), shape))
        else:
            matrix = build.transpose(builder, other) if position == 1 else other
            found[position] = build.matmul(builder, matrix, adjoint)
    return found


def _reduced(builder: Builder, node: int, shape: Sequence[object], like: Type) -> int:
    """The sum over the matrices that the operand stood for, in the operand's shape."""
    extra = builder.type(node).rank - len(shape)
    return build.reshape(builder, build.total(builder, node, axes=range(extra)), like.shape)


def _triangle_map(builder: Builder, node: int, array: int) -> int:
    return builder.apply("triangle", array, attrs=builder.data[node]["attrs"])


def _as_columns(builder: Builder, node: int, array: int) -> int:
    """An array of the type of a solution, as matrices."""
    right = builder.type(builder.operands(node)[1])
    return array if right.rank > 1 else build.reshape(builder, array, (*builder.type(array).shape, 1))


def _only_read(builder: Builder, node: int, array: int) -> int:
    """What belongs to the elements of the matrix that the op of the node reads."""
    if builder.op(node) == "solve":
        return array
    return triangle(builder, array, lower=builder.data[node]["attrs"]["lower"])


def _system_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    left, right = builder.operands(node)
    a, b = builder.type(left), builder.type(right)
    transposed = builder.data[node]["attrs"]["transposed"]
    attrs = {**builder.data[node]["attrs"], "transposed": not transposed}
    due = builder.apply(builder.op(node), left, _as_columns(builder, node, adjoint), attrs=attrs)
    found: dict[int, int | Scatter] = {}
    if 0 in positions:
        first, second = builder.apply("neg", due), _as_columns(builder, node, node)
        if transposed:
            first, second = second, first
        outer = build.matmul(builder, first, build.transpose(builder, second))
        found[0] = _reduced(builder, _only_read(builder, node, outer), a.shape, a)
    if 1 in positions:
        found[1] = _reduced(builder, due, _columns(b.shape), b)
    return found


def _system_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    attrs = builder.data[node]["attrs"]
    solution = _as_columns(builder, node, node)
    terms = None
    if 1 in tangents:
        terms = _as_columns(builder, node, tangents[1])
    if 0 in tangents:
        change = _only_read(builder, node, tangents[0])
        moved = build.matmul(builder, build.transpose(builder, change) if attrs["transposed"] else change, solution)
        if terms is None:
            terms = builder.apply("neg", moved)
        else:
            terms = builder.apply("sub", build.broadcast(builder, terms, builder.type(moved).shape), moved)
    assert terms is not None
    found = builder.apply(builder.op(node), builder.operands(node)[0], terms, attrs=attrs)
    return build.reshape(builder, found, builder.type(node).shape)


def _inv_map(builder: Builder, left: int, middle: int, right: int) -> int:
    return builder.apply("neg", product(builder, left, middle, right))


def _inv_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    turned = build.transpose(builder, node)
    return {0: _inv_map(builder, turned, adjoint, turned)}


def _inv_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    return _inv_map(builder, node, tangents[0], node)


# Evaluation ----------------------------------------------------------------------------------------------------------


def guarded(
    compute: Callable[[Any], Any],
    matrices: Any,
    failure: type[ArithmeticError],
    text: str,
    read: Callable[[Any], Any] | None = None,
) -> Any:
    """``compute(matrices)``, where those that LAPACK refuses give NaN if what is ``read`` of them is not finite.

    Raises ``failure`` for another that it refuses. The result has matrices for matrices.
    """
    try:
        return compute(matrices)
    except np.linalg.LinAlgError:
        finite = np.isfinite(matrices if read is None else read(matrices)).all(axis=(-2, -1), keepdims=True)
    if finite.all():
        raise failure(text)
    harmless = np.where(finite, matrices, np.eye(*matrices.shape[-2:], dtype=matrices.dtype))
    try:
        found = compute(harmless)
    except np.linalg.LinAlgError:
        raise failure(text) from None
    return np.where(finite, found, np.nan)


def _lifted(shape: Sequence[int], batch: int, rank: int) -> Callable[[Any], Any]:
    """A view of an operand of that own shape, after its batch axes, with axes in front up to the own rank."""
    own = (1,) * (rank - len(shape)) + tuple(shape)
    return lambda x: x.reshape(x.shape[:batch] + own)


def _plan_pair(site: Site, left: Sequence[int], right: Sequence[int], compute: Callable[[Any, Any], Any]) -> Any:
    """Of an op on two stacks of matrices, of these own shapes, whose axes in front line up after the batch axes."""
    batch, own = len(site.batch), site.shape
    rank = max(len(left), len(right))
    first, second = _lifted(left, batch, rank), _lifted(right, batch, rank)

    def run(a: Any, b: Any) -> Any:
        found = compute(first(a), second(b))
        return found.reshape(found.shape[:batch] + own)

    return run


def _products(a: Any, b: Any) -> Any:
    """The products of two stacks; where one matrix meets many, they are rows or columns of one large product."""
    if a.size and b.size:
        rows, inner = a.shape[-2:]
        columns = b.shape[-1]
        if b.size == inner * columns:
            return np.matmul(a.reshape(-1, inner), b.reshape(inner, columns)).reshape(*a.shape[:-1], columns)
        if columns == 1 and a.size == rows * inner:
            return np.matmul(b.reshape(-1, inner), a.reshape(rows, inner).T).reshape(*b.shape[:-2], rows, 1)
    return np.matmul(a, b)


def _plan_matmul(site: Site) -> Any:
    left, right = site.shapes
    if not site.batch and len(left) < 3 and len(right) < 3:
        return np.matmul
    return _plan_pair(site, _rows(left), _columns(right), _products)  # type: ignore[arg-type]


def _plan_triangle(site: Site) -> Any:
    rows, columns = site.shape[-2:]
    lower, offset = site.attrs["lower"], site.attrs["offset"]
    # A choice and no product: what is left out may be infinite.
    left_out = ~np.tri(rows, columns, offset, dtype=bool) if lower else np.tri(rows, columns, offset - 1, dtype=bool)

    def compute(x: Any, out: Any = None) -> Any:
        if out is None:
            out = x.copy()
        else:
            np.copyto(out, x)
        np.copyto(out, 0, where=left_out)
        return out

    return compute


def _plan_system(site: Site, solver: Callable[[Any, Any], Any]) -> Any:
    def compute(a: Any, b: Any) -> Any:
        front = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        if not b.size or 0 in front:
            return np.zeros(front + b.shape[-2:], b.dtype)
        # One matrix for many right-hand sides is factored once: they become columns beside each other.
        shared = [axis for axis in range(len(front)) if a.shape[axis] == 1 < b.shape[axis]]
        if not shared:
            return solver(a, b)
        places = range(b.ndim - 1 - len(shared), b.ndim - 1)
        beside = np.moveaxis(b, shared, places)
        tail = beside.shape[places.start :]
        found = solver(a.squeeze(tuple(shared)), beside.reshape(*beside.shape[: places.start], -1))
        return np.moveaxis(found.reshape(found.shape[:-1] + tail), places, shared)

    left, right = site.shapes
    return _plan_pair(site, left, _columns(right), compute)  # type: ignore[arg-type]


def _plan_solve(site: Site) -> Any:
    transposed = site.attrs["transposed"]

    def solver(a: Any, b: Any) -> Any:
        turned = a.swapaxes(-1, -2) if transposed else a
        return guarded(lambda matrices: np.linalg.solve(matrices, b), turned, SingularMatrix, _SINGULAR)

    return _plan_system(site, solver)


def substitute(a: Any, b: Any, lower: bool) -> Any:
    """The solution x of a @ x = b for one triangle of ``a``, by blocks; raises LinAlgError for a 0 on the diagonal."""
    count = a.shape[-1]
    if count <= BLOCK:
        return _solve_block(a, b, lower)
    found = np.empty(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + b.shape[-2:], b.dtype)
    starts = range(0, count, BLOCK)
    for start in starts if lower else reversed(starts):
        block = slice(start, min(start + BLOCK, count))
        done = slice(0, start) if lower else slice(block.stop, count)
        due = b[..., block, :]
        if done.start < done.stop:
            due = due - np.matmul(a[..., block, done], found[..., done, :])
        found[..., block, :] = _solve_block(a[..., block, block], due, lower)
    return found


def _solve_block(a: Any, b: Any, lower: bool) -> Any:
    # An upper triangle is its own LU factor, without row exchanges: what LAPACK does is back substitution.
    if lower:
        return np.linalg.solve(np.tril(a)[..., ::-1, ::-1], b[..., ::-1, :])[..., ::-1, :]
    return np.linalg.solve(np.triu(a), b)


def _plan_triangular(site: Site) -> Any:
    lower, transposed = site.attrs["lower"], site.attrs["transposed"]
    effective = lower != transposed

    def solver(a: Any, b: Any) -> Any:
        turned = a.swapaxes(-1, -2) if transposed else a
        read = np.tril if effective else np.triu
        return guarded(lambda m: substitute(m, b, effective), turned, SingularMatrix, _SINGULAR, read)

    return _plan_system(site, solver)


_SINGULAR = "the matrix is singular"


def _inverse(x: Any) -> Any:
    return guarded(np.linalg.inv, x, SingularMatrix, _SINGULAR)


ROWS = (
    Op(
        name="matmul",
        doc=(
            "The matrix product of the last two axes. A vector is a row on the left and a column on the right; axes in "
            "front of those number matrices, and must be the same where both operands have them."
        ),
        kind="structural",
        arity=(2, 2),
        type_rule=_matmul,
        plan=_plan_matmul,
        pullback=_matmul_back,
        linear="each",
        dependence=("linear", "linear"),
        reference="Giles 2008, Collected matrix derivative results, 2.2.2",
        symbol="@",
        precedence=precedence.PRODUCT,
        sparsity="product",
        conventions=(
            Convention(((), ()), "a sum over nothing is 0"),
            Convention(((inf, 1.0), (1.0, 2.0)), "a sum of products"),
            Convention(((inf, 1.0), (0.0, 2.0)), "a product inf·0 has no limit"),
            Convention(((nan, 1.0), (1.0, 2.0)), "NaN spreads"),
        ),
    ),
    Op(
        name="triangle",
        doc=(
            "The elements of matrices, square or not, on one side of a diagonal, with it: at row i and column j those "
            "with j - i <= offset (attribute lower) or j - i >= offset (not lower). The others are +0, whatever stood "
            "there."
        ),
        kind="structural",
        type_rule=_triangle,
        plan=_plan_triangle,
        pullback=lambda builder, node, adjoint, positions: {0: _triangle_map(builder, node, adjoint)},
        linear="each",
        dependence=("linear",),
        attrs={"lower": bool, "offset": int},
        reference="NumPy, tril and triu",
        sparsity="triangle",
        conventions=(
            Convention((((1.0, inf), (2.0, -0.0)),), "what is left out is +0, an infinity too"),
            Convention((((1.0, nan), (nan, 3.0)),), "what is left out is +0, a NaN too"),
        ),
    ),
    Op(
        name="solve",
        doc=(
            "The solution x of A @ x = b, or of A.T @ x = b (attribute transposed), for square A. A b of one axis is a "
            "vector; with more it holds matrices, one right-hand side a column. Axes in front number matrices, as "
            "those of matmul. A singular A is an error."
        ),
        kind="structural",
        arity=(2, 2),
        type_rule=_system,
        plan=_plan_solve,
        pullback=_system_back,
        pushforward=_system_forward,
        dependence=("smooth", "linear"),
        attrs={"transposed": bool},
        reference="Giles 2008, Collected matrix derivative results, 2.3.1; LAPACK, gesv",
        sparsity="system",
        conventions=(
            Convention((((1.0, 2.0), (2.0, 4.0)), (1.0, 1.0)), "singular: there is no solution, or there are many"),
            Convention((((0.0, 0.0), (0.0, 0.0)), (0.0, 0.0)), "singular: there is no solution, or there are many"),
            Convention((((0.0, 2.0), (4.0, 0.0)), (2.0, 4.0)), "a 0 on the diagonal is no matter: rows are exchanged"),
            Convention((((4.0,),), (inf,)), "inf/4; by the matrix it is -inf/4"),
            Convention((((inf,),), (1.0,)), "1/inf"),
            Convention((((nan,),), (1.0,)), "NaN spreads, and is not called singular"),
        ),
    ),
    Op(
        name="triangular_solve",
        doc=(
            "The solution x of L @ x = b, or of L.T @ x = b (attribute transposed), where L is the lower triangle of "
            "the first operand, or the upper (attribute lower): the other one is not read, and its derivative is 0. "
            "Shapes are those of solve. A 0 on the diagonal is an error."
        ),
        kind="structural",
        arity=(2, 2),
        type_rule=_system,
        plan=_plan_triangular,
        pullback=_system_back,
        pushforward=_system_forward,
        dependence=("smooth", "linear"),
        attrs={"lower": bool, "transposed": bool},
        reference="Giles 2008, Collected matrix derivative results, 2.3.1; Golub and Van Loan 2013, section 3.1",
        sparsity="system",
        conventions=(
            Convention((((2.0, 7.0), (1.0, 4.0)), (2.0, 5.0)), "the other triangle is not read"),
            Convention((((2.0, nan), (1.0, 4.0)), (2.0, 5.0)), "the other triangle is not read, a NaN neither"),
            Convention((((0.0, 0.0), (1.0, 4.0)), (2.0, 5.0)), "a 0 on the diagonal: there is no solution, or many"),
            Convention((((nan,),), (1.0,)), "NaN spreads"),
        ),
    ),
    Op(
        name="inv",
        doc="The inverse of square matrices. A singular one is an error. To apply an inverse, solve is more accurate.",
        kind="structural",
        type_rule=square,
        plan=lambda site: _inverse,
        pullback=_inv_back,
        pushforward=_inv_forward,
        reference="Giles 2008, Collected matrix derivative results, 2.2.3; LAPACK, gesv",
        sparsity="matrix",
        conventions=(
            Convention((((1.0, 2.0), (2.0, 4.0)),), "singular: there is no inverse"),
            Convention((((0.0, 0.0), (0.0, 0.0)),), "singular: there is no inverse"),
            Convention((((0.0, 1.0), (1.0, 0.0)),), "a 0 on the diagonal is no matter: rows are exchanged"),
            Convention((((inf,),),), "1/inf"),
            Convention((((nan,),),), "NaN spreads, and is not called singular"),
        ),
    ),
)
