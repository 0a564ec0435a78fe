"""Rows of linear algebra: Cholesky factors and determinants.

As in ``gradc.ops.linalg``, a matrix is the last two axes, and axes in front number matrices. Formulas: Giles 2008, An
extended collection of matrix derivative results for forward and reverse mode algorithmic differentiation (Oxford,
NA-08/01); Murray 2016, Differentiation of the Cholesky decomposition (arXiv:1602.07527).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import inf, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir.op import Convention, Op
from gradc.ir.types import Type, TypeMismatch, typed
from gradc.ops import build
from gradc.ops.linalg import BLOCK, Found, SingularMatrix, guarded, product, square, triangle
from gradc.ops.matrices import added, halved, inner, mirrored_sum, operand, spread, symmetric, times
from gradc.ops.spectra import decomposed
from gradc.ops.typerules import NUMBER, Attrs

if TYPE_CHECKING:
    from gradc.ir.builder import Builder


class NotPositiveDefinite(ArithmeticError):
    """A matrix that has no Cholesky factor."""


# Type rules ----------------------------------------------------------------------------------------------------------


def _of_square(types: Sequence[Type], attrs: Attrs) -> Type:
    """A number for every square matrix."""
    type = square(types, attrs)
    return typed(type.dtype, type.shape[:-2], type.free)


def _two_square(types: Sequence[Type], attrs: Attrs) -> Type:
    left, right = square(types, attrs), types[1]
    if right.dtype != left.dtype:
        raise TypeMismatch(NUMBER, 1)
    if right.shape != left.shape:
        raise TypeMismatch("a matrix of the same shape", 1)
    return typed(left.dtype, left.shape, (*left.free, *right.free))


# Cholesky factors ----------------------------------------------------------------------------------------------------


def _under(builder: Builder, factor: int, right: int, *, transposed: bool) -> int:
    attrs = {"lower": True, "transposed": transposed}
    return builder.apply("triangular_solve", factor, right, attrs=attrs)


def _cholesky_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    return {0: builder.apply("cholesky_adjoint", node, adjoint)}


def _cholesky_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    # Murray, equation 8.
    half = _under(builder, node, symmetric(builder, tangents[0]), transposed=False)
    full = _under(builder, node, build.transpose(builder, half), transposed=False)
    return product(builder, node, halved(builder, full))


# With S = L^-T P L^-1, P = halved(L.T D) and D the lower triangle of the adjoint, the operator is F = halved(S + S.T).
# Below, W is what S is weighed with, and V = L^-1 W; S + S.T is F + F.T.


def _cholesky_adjoint_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    factor, due = (triangle(builder, each, lower=True) for each in builder.operands(node))
    weight = halved(builder, adjoint)
    half = _under(builder, factor, mirrored_sum(builder, weight), transposed=False)
    turned = build.transpose(builder, half)
    inner = halved(builder, _under(builder, factor, turned, transposed=False))
    found = {}
    if 0 in positions:
        along = product(builder, due, build.transpose(builder, inner))
        across = product(builder, mirrored_sum(builder, node), turned)
        found[0] = triangle(builder, builder.apply("sub", along, across), lower=True)
    if 1 in positions:
        found[1] = triangle(builder, product(builder, factor, inner), lower=True)
    return found


def _cholesky_adjoint_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    factor, due = (triangle(builder, each, lower=True) for each in builder.operands(node))
    moved = {at: triangle(builder, tangent, lower=True) for at, tangent in tangents.items()}
    terms = []
    if 0 in moved:
        terms.append(product(builder, build.transpose(builder, moved[0]), due))
    if 1 in moved:
        terms.append(product(builder, build.transpose(builder, factor), moved[1]))
    inner = mirrored_sum(builder, halved(builder, added(builder, *terms)))
    half = _under(builder, factor, inner, transposed=True)
    full = _under(builder, factor, build.transpose(builder, half), transposed=True)
    if 0 in moved:
        change = product(builder, build.transpose(builder, moved[0]), mirrored_sum(builder, node))
        full = builder.apply("sub", full, mirrored_sum(builder, _under(builder, factor, change, transposed=True)))
    return halved(builder, full)


# Determinants --------------------------------------------------------------------------------------------------------


def _det_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    cofactors = builder.apply("cofactor", operand(builder, node))
    return {0: times(builder, spread(builder, adjoint, cofactors), cofactors)}


def _det_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    return inner(builder, builder.apply("cofactor", operand(builder, node)), tangents[0])


def _cofactor_map(builder: Builder, node: int, direction: int) -> int:
    # The second derivative of the determinant is symmetric, so both modes are one map.
    return builder.apply("cofactor_along", operand(builder, node), direction)


def _third(builder: Builder, x: int, first: int, second: int) -> int:
    """The gradient, by x, of the second derivative of det along two directions; for matrices that have an inverse."""
    z = build.transpose(builder, builder.apply("inv", x))
    a, b = inner(builder, z, first), inner(builder, z, second)
    along = product(builder, z, build.transpose(builder, first), z)
    across = product(builder, z, build.transpose(builder, second), z)
    twice = product(builder, across, build.transpose(builder, first), z)
    mixed = builder.apply("sub", times(builder, a, b), inner(builder, along, second))
    linear = added(
        builder,
        times(builder, spread(builder, b, x), along),
        times(builder, spread(builder, a, x), across),
    )
    quadratic = added(builder, twice, product(builder, along, build.transpose(builder, second), z))
    terms = builder.apply("sub", times(builder, spread(builder, mixed, x), z), linear)
    return times(builder, spread(builder, builder.apply("det", x), x), added(builder, terms, quadratic))


def _cofactor_along_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    x, direction = builder.operands(node)
    found = {}
    if 0 in positions:
        found[0] = _third(builder, x, direction, adjoint)
    if 1 in positions:
        found[1] = _cofactor_map(builder, node, adjoint)
    return found


def _cofactor_along_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    x, direction = builder.operands(node)
    terms = []
    if 0 in tangents:
        terms.append(_third(builder, x, direction, tangents[0]))
    if 1 in tangents:
        terms.append(_cofactor_map(builder, node, tangents[1]))
    return added(builder, *terms)


def _logdet_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    turned = build.transpose(builder, builder.apply("inv", operand(builder, node)))
    return {0: times(builder, spread(builder, adjoint, turned), turned)}


def _logdet_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    turned = build.transpose(builder, builder.apply("inv", operand(builder, node)))
    return inner(builder, turned, tangents[0])


# Evaluation ----------------------------------------------------------------------------------------------------------


def _factor(x: Any) -> Any:
    text = "the matrix is not positive definite"
    return np.tril(guarded(np.linalg.cholesky, x, NotPositiveDefinite, text, np.tril))


def _lower_half(x: Any) -> Any:
    """The lower triangle with half the diagonal."""
    found = np.tril(x)
    diagonal = np.arange(x.shape[-1])
    found[..., diagonal, diagonal] *= 0.5
    return found


def _factor_back(factor: Any, adjoint: Any) -> Any:
    """Murray's level-3 algorithm, section 4.3: blocks of columns from the last to the first, mostly matrix products.

    It has a quarter of the operations of the formula with two triangular solutions, which it uses for the blocks on the
    diagonal.
    """
    count = factor.shape[-1]
    found = np.tril(np.broadcast_to(adjoint, np.broadcast_shapes(factor.shape, adjoint.shape)))
    for stop in range(count, 0, -BLOCK):
        start = max(0, stop - BLOCK)
        block, before, after = slice(start, stop), slice(0, start), slice(stop, count)
        corner = np.tril(factor[..., block, block])
        left = factor[..., block, before]
        below = found[..., after, block]
        if stop < count:
            # below @ inv(corner)
            below = np.linalg.solve(corner.swapaxes(-1, -2), below.swapaxes(-1, -2)).swapaxes(-1, -2)
            found[..., after, block] = below
            found[..., after, before] -= np.matmul(below, left)
            found[..., block, block] -= np.tril(np.matmul(below.swapaxes(-1, -2), factor[..., after, block]))
        inner = _lower_half(np.matmul(corner.swapaxes(-1, -2), found[..., block, block]))
        half = np.linalg.solve(corner.swapaxes(-1, -2), inner)
        full = np.linalg.solve(corner.swapaxes(-1, -2), half.swapaxes(-1, -2))
        full = full + full.swapaxes(-1, -2)
        found[..., block, block] = _lower_half(full)
        if start:
            # Half of `full` lies on the diagonal of what has been found: both triangles together are all of it.
            found[..., block, before] -= np.matmul(full, left)
            if stop < count:
                found[..., block, before] -= np.matmul(below.swapaxes(-1, -2), factor[..., after, before])
    return found


def _cholesky_adjoint(factor: Any, adjoint: Any) -> Any:
    text = "a factor with a 0 on its diagonal has no derivative"
    return guarded(lambda matrices: _factor_back(matrices, adjoint), factor, SingularMatrix, text, np.tril)


def _unless_infinite(found: Any, x: Any, doubtful: Any) -> Any:
    """What was found for each matrix, but NaN where it is doubtful because elements are not finite.

    A NaN can make LAPACK find a pivot of 0.
    """
    if not doubtful.any():
        return found
    return np.where(doubtful & ~np.isfinite(x).all(axis=(-2, -1)), np.nan, found).astype(x.dtype)[()]


def _determinant(x: Any) -> Any:
    if x.shape[-1] == 1:
        return x[..., 0, 0]
    # NumPy goes through the logarithm, which loses what a determinant of whole numbers has.
    if x.shape[-1] == 2:
        found = x[..., 0, 0] * x[..., 1, 1] - x[..., 0, 1] * x[..., 1, 0]
        if np.isfinite(found).all():
            return found
    found = np.linalg.det(x)
    return _unless_infinite(found, x, found == 0)


def _log_determinant(x: Any) -> Any:
    found = np.linalg.slogdet(x)[1]
    return _unless_infinite(found, x, np.isneginf(found))


def _cofactors(x: Any) -> Any:
    if x.shape[-1] < 2:
        return np.ones_like(x)
    if x.shape[-1] == 2:
        return x[..., ::-1, ::-1] * np.array([[1, -1], [-1, 1]], x.dtype)
    scale = np.linalg.det(x)
    safe = np.isfinite(scale) & (np.abs(scale) >= np.finfo(x.dtype).tiny)
    if safe.all():
        return np.linalg.inv(x).swapaxes(-1, -2) * scale[..., None, None]
    u, s, v, sign = _signed_svd(x)
    # The product of all other singular values, without a division: one of them may be 0.
    left = np.ones_like(s)
    np.cumprod(s[..., :-1], axis=-1, out=left[..., 1:])
    right = np.ones_like(s)
    np.cumprod(s[..., :0:-1], axis=-1, out=right[..., -2::-1])
    found = np.matmul(u * (sign * left * right)[..., None, :], v)
    if not safe.any():
        return found
    harmless = np.where(safe[..., None, None], x, np.eye(x.shape[-1], dtype=x.dtype))
    return np.where(safe[..., None, None], _cofactors(harmless), found)


def _signed_svd(x: Any) -> tuple[Any, Any, Any, Any]:
    """The singular value decomposition u @ diag(s) @ v and the sign of det(u)*det(v); NaN where x is not finite."""
    u, s, v = decomposed(x)
    return u, s, v, np.sign(np.linalg.det(u) * np.linalg.det(v))[..., None]


def _cofactors_along(x: Any, h: Any) -> Any:
    count = x.shape[-1]
    front = np.broadcast_shapes(x.shape[:-2], h.shape[:-2])
    if count < 2:
        return np.zeros(front + x.shape[-2:], x.dtype)
    if count == 2:
        return np.broadcast_to(_cofactors(h), front + h.shape[-2:])
    u, s, v, sign = _signed_svd(x)
    # In row i and column j the product of the singular values other than i and j; 0 on the diagonal.
    others = np.zeros_like(x)
    before = np.ones_like(s[..., :1])
    after = np.ones((*s.shape[:-1], count + 1), s.dtype)
    after[..., :count] = np.cumprod(s[..., ::-1], axis=-1)[..., ::-1]
    for i in range(count - 1):
        between = np.ones_like(s[..., i + 1 :])
        np.cumprod(s[..., i + 1 : -1], axis=-1, out=between[..., 1:])
        others[..., i, i + 1 :] = before * between * after[..., i + 2 :]
        before = before * s[..., i : i + 1]
    others += others.swapaxes(-1, -2)
    others *= sign[..., None]
    inner = np.matmul(np.matmul(u.swapaxes(-1, -2), h), v.swapaxes(-1, -2))
    diagonal = np.matmul(others, np.einsum("...ii->...i", inner)[..., None])
    inner = -(inner.swapaxes(-1, -2) * others) + diagonal * np.eye(count, dtype=x.dtype)
    return np.matmul(np.matmul(u, inner), v)


ROWS = (
    Op(
        name="cholesky",
        doc=(
            "The lower triangular L with a positive diagonal and L @ L.T = A, for symmetric positive definite A; what "
            "stands above its diagonal is 0. Only the lower triangle of A is read: the derivative of the others is 0, "
            "and that of an element below the diagonal counts for its mirror image too. An A that is not positive "
            "definite is an error."
        ),
        kind="structural",
        type_rule=square,
        plan=lambda site: _factor,
        pullback=_cholesky_back,
        pushforward=_cholesky_forward,
        reference="Murray 2016, Differentiation of the Cholesky decomposition; LAPACK, potrf",
        sparsity="matrix",
        conventions=(
            Convention((((1.0, nan), (0.0, 1.0)),), "the upper triangle is not read, a NaN neither"),
            Convention((((1.0, 2.0), (2.0, 4.0)),), "semidefinite: the end of the domain, where slopes are infinite"),
            Convention((((0.0,),),), "semidefinite: the end of the domain, where slopes are infinite"),
            Convention((((1.0, 2.0), (2.0, 1.0)),), "not in the domain"),
            Convention((((inf,),),), "the square root; the slope holds inf·0"),
            Convention((((nan,),),), "NaN spreads, and is not called indefinite"),
        ),
    ),
    Op(
        name="cholesky_adjoint",
        doc=(
            "The adjoint of A where L, the first operand, is its Cholesky factor and the second is the adjoint of L. "
            "Only the lower triangles of both are read, and the result is lower triangular."
        ),
        kind="structural",
        arity=(2, 2),
        type_rule=_two_square,
        plan=lambda site: _cholesky_adjoint,
        pullback=_cholesky_adjoint_back,
        pushforward=_cholesky_adjoint_forward,
        dependence=("smooth", "linear"),
        reference="Murray 2016, Differentiation of the Cholesky decomposition, equation 10 and section 4.3",
        sparsity="matrix",
    ),
    Op(
        name="det",
        doc=(
            "The determinant of square matrices; of an empty one it is 1. First and second derivatives are right "
            "where a matrix is singular too; from the third on it must have an inverse."
        ),
        kind="structural",
        type_rule=_of_square,
        plan=lambda site: _determinant,
        pullback=_det_back,
        pushforward=_det_forward,
        conventions=(
            Convention((((1.0, 2.0), (2.0, 4.0)),), "singular: the cofactors, without an inverse"),
            Convention((((0.0, 0.0), (0.0, 0.0)),), "singular: the cofactors, without an inverse"),
        ),
        reference="Giles 2008, Collected matrix derivative results, 2.2.4; LAPACK, getrf",
        sparsity="matrix",
    ),
    Op(
        name="cofactor",
        doc=(
            "The matrix of cofactors of square matrices, det(A)*inv(A).T where A has an inverse: the gradient of det, "
            "also of singular matrices."
        ),
        kind="structural",
        type_rule=square,
        plan=lambda site: _cofactors,
        pullback=lambda builder, node, adjoint, positions: {0: _cofactor_map(builder, node, adjoint)},
        pushforward=lambda builder, node, tangents: _cofactor_map(builder, node, tangents[0]),
        reference="Stewart 1998, On the adjugate matrix",
        sparsity="matrix",
        conventions=(
            Convention((((1.0, 2.0), (2.0, 4.0)),), "singular: without an inverse"),
            Convention((((0.0,),),), "of one element it is 1"),
        ),
    ),
    Op(
        name="cofactor_along",
        doc=(
            "The derivative of the cofactors of the first operand along the second, which has its shape: the second "
            "derivative of det, also of singular matrices. Its own derivative by the matrix needs an inverse."
        ),
        kind="structural",
        arity=(2, 2),
        type_rule=_two_square,
        plan=lambda site: _cofactors_along,
        pullback=_cofactor_along_back,
        pushforward=_cofactor_along_forward,
        dependence=("smooth", "linear"),
        reference="Stewart 1998, On the adjugate matrix",
        sparsity="matrix",
    ),
    Op(
        name="logdet",
        doc=(
            "log(|det(A)|) of square matrices, where det(A) itself may overflow; -inf for a singular one, of which the "
            "derivative is an error."
        ),
        kind="structural",
        type_rule=_of_square,
        plan=lambda site: _log_determinant,
        pullback=_logdet_back,
        pushforward=_logdet_forward,
        conventions=(
            Convention((((1.0, 2.0), (2.0, 4.0)),), "singular: the logarithm of 0; there is no inverse"),
            Convention((((-1.0, 0.0), (0.0, 1.0)),), "of the absolute value"),
            Convention((((nan,),),), "NaN spreads, and is not called singular"),
        ),
        reference="Giles 2008, Collected matrix derivative results, 2.2.4; LAPACK, getrf",
        sparsity="matrix",
    ),
)
