"""Rows of linear algebra: eigenvalues and eigenvectors of symmetric matrices, singular values and vectors.

As in ``gradc.ops.linalg``, a matrix is the last two axes, and axes in front number matrices. A symmetric matrix is the
lower triangle of what is given: the upper one is not read, so its derivative is 0 and that of an element below the
diagonal counts for both of its places. ``(A + A.T)/2`` as the operand spreads it over both.

Where values repeat, their vectors are any basis of a space and have no derivative: what depends on the choice gets an
infinity or NaN, what depends on other vectors alone is not touched. Formulas: Giles 2008, An extended collection of
matrix derivative results (Oxford, NA-08/01), 3.1 and 3.2; Townsend 2016, Differentiating the singular value
decomposition; Seeger, Hetzel, Dai, Meissner and Lawrence 2017, Auto-differentiating linear algebra (arXiv:1710.08717).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir import sizes
from gradc.ir.op import Convention, Op
from gradc.ir.types import Type, TypeMismatch, typed
from gradc.ops import build
from gradc.ops.linalg import Found, matrix, product, square, triangle
from gradc.ops.matrices import added, below, beside, operand, symmetric, times, to_lower
from gradc.ops.typerules import Attrs

if TYPE_CHECKING:
    from gradc.ir.builder import Builder


class NotConverged(ArithmeticError):
    """LAPACK's iteration for eigenvalues or singular values did not come to an end."""


# Type rules ----------------------------------------------------------------------------------------------------------


def _eigenvalues(types: Sequence[Type], attrs: Attrs) -> Type:
    type = square(types, attrs)
    return typed(type.dtype, type.shape[:-1], type.free)


def _tall(types: Sequence[Type], attrs: Attrs) -> Type:
    type = matrix(types, attrs)
    rows, columns = type.shape[-2:]
    if sizes.at_least(rows - columns, 0) is False:
        raise TypeMismatch("a matrix with as many rows as columns or more", 0)
    return type


def _singular_values(types: Sequence[Type], attrs: Attrs) -> Type:
    type = _tall(types, attrs)
    return typed(type.dtype, (*type.shape[:-2], type.shape[-1]), type.free)


def _singular_vectors(types: Sequence[Type], attrs: Attrs) -> Type:
    type = _tall(types, attrs)
    rows, columns = type.shape[-2:]
    return typed(type.dtype, (*type.shape[:-2], rows + columns, columns), type.free)


# Small graphs --------------------------------------------------------------------------------------------------------


def _apart(builder: Builder, values: int, like: int) -> int:
    """How far value j is above value i, in row i and column j."""
    return builder.apply("sub", beside(builder, values, like), below(builder, values, like))


def _divided(builder: Builder, node: int, by: int) -> int:
    """The quotient, where 0/0 is 0: what does not turn vectors of one value into each other does not ask how far their
    values are apart. What does turn them has no derivative, and gives an infinity.
    """
    type = builder.type(node)
    zero, infinite = build.filled(builder, 0.0, type), build.filled(builder, np.inf, type)
    harmless = builder.apply("select", builder.apply("eq", node, zero), infinite, by)
    divisor = builder.apply("select", builder.apply("eq", by, zero), harmless, by)
    return builder.apply("div", node, divisor)


def _off_diagonal(builder: Builder, node: int) -> int:
    lower = triangle(builder, node, lower=True, offset=-1)
    return added(builder, lower, triangle(builder, node, lower=False, offset=1))


# Eigenvalues of symmetric matrices ------------------------------------------------------------------------------------


def _eigenvalues_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    vectors = builder.apply("eigvecs", operand(builder, node))
    scaled = times(builder, vectors, beside(builder, adjoint, vectors))
    return {0: to_lower(builder, product(builder, scaled, build.transpose(builder, vectors)))}


def _eigenvalues_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    vectors = builder.apply("eigvecs", operand(builder, node))
    moved = product(builder, symmetric(builder, tangents[0]), vectors)
    return build.total(builder, times(builder, vectors, moved), axes=(builder.type(vectors).rank - 2,))


def _turning(builder: Builder, node: int, rates: int) -> int:
    """How much of vector i enters vector j for each of the rates i, j at which the matrix couples them."""
    values = builder.apply("eigvalsh", operand(builder, node))
    return _divided(builder, _off_diagonal(builder, rates), _apart(builder, values, rates))


def _eigenvectors_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    turned = build.transpose(builder, node)
    rates = _turning(builder, node, product(builder, turned, adjoint))
    return {0: to_lower(builder, product(builder, node, rates, turned))}


def _eigenvectors_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    coupled = product(builder, build.transpose(builder, node), symmetric(builder, tangents[0]), node)
    return product(builder, node, _turning(builder, node, coupled))


# Singular values -----------------------------------------------------------------------------------------------------


def _vectors(builder: Builder, x: int) -> tuple[int, int]:
    """The left and the right singular vectors of a matrix, which are the columns."""
    return _split(builder, builder.apply("svdvecs", x), x)


def _split(builder: Builder, both: int, x: int) -> tuple[int, int]:
    """What belongs to the left and what to the right vectors of x."""
    *front, rows, columns = builder.type(x).shape
    whole = [(0, 1, extent) for extent in front]
    left = build.access(builder, both, (*whole, (0, 1, rows)), ())
    return left, build.access(builder, both, (*whole, (rows, 1, columns)), ())


def _is_square(builder: Builder, x: int) -> bool:
    """Whether the left singular vectors span the whole space: outside of it there would be rounding errors alone."""
    rows, columns = builder.type(x).shape[-2:]
    return rows == columns


def _counted(builder: Builder, values: int, weights: int) -> int:
    """The weights of singular values, where those that are 0 count nothing."""
    zero = build.filled(builder, 0.0, builder.type(values))
    return builder.apply("select", builder.apply("eq", values, zero), zero, weights)


def _values_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    left, right = _vectors(builder, operand(builder, node))
    scaled = times(builder, left, beside(builder, _counted(builder, node, adjoint), left))
    return {0: product(builder, scaled, build.transpose(builder, right))}


def _values_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    left, right = _vectors(builder, operand(builder, node))
    moved = times(builder, left, product(builder, tangents[0], right))
    return _counted(builder, node, build.total(builder, moved, axes=(builder.type(left).rank - 2,)))


def _squares_apart(builder: Builder, values: int, rates: int) -> int:
    """Value j squared less value i squared, which does not cancel."""
    total = added(builder, beside(builder, values, rates), below(builder, values, rates))
    return times(builder, _apart(builder, values, rates), total)


def _vectors_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    x = operand(builder, node)
    left, right = _split(builder, node, x)
    to_left, to_right = _split(builder, adjoint, x)
    values = builder.apply("svdvals", x)

    def coupled(vectors: int, due: int) -> int:
        rates = _off_diagonal(builder, product(builder, build.transpose(builder, vectors), due))
        rates = _divided(builder, rates, _squares_apart(builder, values, rates))
        return added(builder, rates, build.transpose(builder, rates))

    first, second = coupled(left, to_left), coupled(right, to_right)
    inner = added(
        builder,
        times(builder, first, beside(builder, values, first)),
        times(builder, second, below(builder, values, second)),
    )
    mapped = product(builder, left, inner)
    if not _is_square(builder, x):
        # The part of the left vectors' adjoints that is outside the space that these vectors span.
        within = product(builder, left, product(builder, build.transpose(builder, left), to_left))
        outside = builder.apply("sub", to_left, within)
        mapped = added(builder, mapped, _divided(builder, outside, beside(builder, values, left)))
    return {0: product(builder, mapped, build.transpose(builder, right))}


def _vectors_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    x = operand(builder, node)
    left, right = _split(builder, node, x)
    values = builder.apply("svdvals", x)
    moved = product(builder, tangents[0], right)
    rates = product(builder, build.transpose(builder, left), moved)
    turned = build.transpose(builder, rates)
    apart = _squares_apart(builder, values, rates)

    def turning(straight: int, crossed: int) -> int:
        scaled = times(builder, straight, beside(builder, values, rates))
        scaled = added(builder, scaled, times(builder, crossed, below(builder, values, rates)))
        return _divided(builder, _off_diagonal(builder, scaled), apart)

    first = product(builder, left, turning(rates, turned))
    if not _is_square(builder, x):
        outside = builder.apply("sub", moved, product(builder, left, rates))
        first = added(builder, first, _divided(builder, outside, beside(builder, values, left)))
    second = product(builder, right, turning(turned, rates))
    *front, rows, columns = builder.type(x).shape
    whole = [(0, 1, extent) for extent in front]
    parts = (((*whole, (0, 1, rows)), ()), ((*whole, (rows, 1, columns)), ()))
    return builder.apply("assemble", first, second, attrs={"shape": builder.type(node).shape, "parts": parts})


# Evaluation ----------------------------------------------------------------------------------------------------------


def _finite(x: Any, read: Any) -> tuple[Any, Any]:
    """The matrices with a harmless one in the place of each that is not finite, and which are finite."""
    finite = np.isfinite(read(x)).all(axis=(-2, -1))
    if not finite.all():
        x = np.where(finite[..., None, None], x, np.eye(*x.shape[-2:], dtype=x.dtype))
    return x, finite


def _iterated(decompose: Any, x: Any) -> Any:
    try:
        return decompose(x)
    except np.linalg.LinAlgError:
        raise NotConverged("the iteration does not converge") from None


def _marked(found: Any, finite: Any) -> Any:
    """NaN for the matrices that were not finite: what LAPACK makes of those differs, and may look like numbers."""
    if finite.all():
        return found
    finite = np.asarray(finite)
    return np.where(finite.reshape(finite.shape + (1,) * (found.ndim - finite.ndim)), found, np.nan)


def _eigenvalues_of(x: Any) -> Any:
    x, finite = _finite(x, np.tril)
    return _marked(_iterated(np.linalg.eigvalsh, x), finite)


def _eigenvectors_of(x: Any) -> Any:
    x, finite = _finite(x, np.tril)
    return _marked(_iterated(np.linalg.eigh, x).eigenvectors, finite)


def decomposed(x: Any) -> tuple[Any, Any, Any]:
    """u, s and v of u @ diag(s) @ v, of the matrix's smaller side; NaN for a matrix that is not finite."""
    x, finite = _finite(x, np.asarray)
    u, s, v = _iterated(lambda x: np.linalg.svd(x, full_matrices=False), x)
    return _marked(u, finite), _marked(s, finite), _marked(v, finite)


def _singular_values_of(x: Any) -> Any:
    x, finite = _finite(x, np.asarray)
    return _marked(_iterated(lambda x: np.linalg.svd(x, compute_uv=False), x), finite)


def _singular_vectors_of(x: Any) -> Any:
    u, _, v = decomposed(x)
    return np.concatenate([u, v.swapaxes(-1, -2)], axis=-2)


ROWS = (
    Op(
        name="eigvalsh",
        doc=(
            "The eigenvalues of symmetric matrices, ascending. Only the lower triangle is read: the derivative of the "
            "others is 0, and that of an element below the diagonal counts for its mirror image too. Of repeated "
            "eigenvalues, what treats them alike has the right derivative; each by itself has none."
        ),
        kind="structural",
        type_rule=_eigenvalues,
        plan=lambda site: _eigenvalues_of,
        pullback=_eigenvalues_back,
        pushforward=_eigenvalues_forward,
        conventions=(
            Convention((((1.0, 0.0), (0.0, 1.0)),), "repeated: each by itself has no derivative, their sum has"),
        ),
        reference="Giles 2008, Collected matrix derivative results, 2.2.5 and 3.1; LAPACK, syevd",
        sparsity="matrix",
    ),
    Op(
        name="eigvecs",
        doc=(
            "The eigenvectors of symmetric matrices, of length 1, as columns in the order of eigvalsh; the sign of "
            "each is LAPACK's choice. Only the lower triangle is read. Vectors of a repeated eigenvalue have no "
            "derivative: what depends on them gets an infinity or NaN, unless it does not turn them into each other."
        ),
        kind="structural",
        type_rule=square,
        plan=lambda site: _eigenvectors_of,
        pullback=_eigenvectors_back,
        pushforward=_eigenvectors_forward,
        reference="Giles 2008, Collected matrix derivative results, 3.1; LAPACK, syevd",
        sparsity="matrix",
    ),
    Op(
        name="svdvals",
        doc=(
            "The singular values, descending, of matrices with as many rows as columns or more. The derivative of one "
            "that is exactly 0 is 0, as that of the absolute value; repeated ones are as those of eigvalsh."
        ),
        kind="structural",
        type_rule=_singular_values,
        plan=lambda site: _singular_values_of,
        pullback=_values_back,
        pushforward=_values_forward,
        conventions=(
            Convention((((0.0, 0.0), (0.0, 0.0)),), "a kink at 0, as of the absolute value"),
            Convention((((2.0, 0.0), (0.0, 0.0)),), "a kink at 0, as of the absolute value"),
        ),
        reference="Giles 2008, Collected matrix derivative results, 3.2; LAPACK, gesdd",
        sparsity="matrix",
    ),
    Op(
        name="svdvecs",
        doc=(
            "The singular vectors of matrices with as many rows as columns or more: the left ones are the columns of "
            "the upper rows of the result, the right ones those of the rows beneath, in the order of svdvals. The sign "
            "of each pair is LAPACK's choice. Where values repeat or are 0, they have no derivative, as for eigvecs."
        ),
        kind="structural",
        type_rule=_singular_vectors,
        plan=lambda site: _singular_vectors_of,
        pullback=_vectors_back,
        pushforward=_vectors_forward,
        reference="Townsend 2016, Differentiating the singular value decomposition; LAPACK, gesdd",
        sparsity="matrix",
    ),
)
