"""Small graphs that derivatives of decompositions are made of. A matrix is the last two axes of an array."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.ops import build
from gradc.ops.linalg import triangle

if TYPE_CHECKING:
    from gradc.ir.builder import Builder


def operand(builder: Builder, node: int) -> int:
    """The operand of a node that has one."""
    return builder.operands(node)[0]


def added(builder: Builder, *terms: int) -> int:
    """The elementwise sum."""
    result = terms[0]
    for term in terms[1:]:
        result = builder.apply("add", result, term)
    return result


def times(builder: Builder, *factors: int) -> int:
    """The elementwise product."""
    result = factors[0]
    for factor in factors[1:]:
        result = builder.apply("mul", result, factor)
    return result


def spread(builder: Builder, numbers: int, like: int) -> int:
    """A number for every matrix as a matrix filled with it."""
    return build.expand(builder, numbers, (-2, -1), builder.type(like).shape)


def inner(builder: Builder, left: int, right: int) -> int:
    """The sum of the products of the elements, for every matrix."""
    rank = builder.type(left).rank
    return build.total(builder, times(builder, left, right), axes=(rank - 2, rank - 1))


def beside(builder: Builder, vector: int, like: int) -> int:
    """Element j of the vector in column j: what scales the columns of a matrix."""
    return build.expand(builder, vector, (-2,), builder.type(like).shape)


def below(builder: Builder, vector: int, like: int) -> int:
    """Element i of the vector in row i: what scales the rows of a matrix."""
    return build.expand(builder, vector, (-1,), builder.type(like).shape)


def halved(builder: Builder, node: int) -> int:
    """The lower triangle with half the diagonal: L + L.T is the matrix where the matrix is symmetric."""
    both = added(builder, triangle(builder, node, lower=True), triangle(builder, node, lower=True, offset=-1))
    return times(builder, build.filled(builder, 0.5, builder.type(node)), both)


def mirrored_sum(builder: Builder, node: int) -> int:
    """A matrix and its transpose, added."""
    return added(builder, node, build.transpose(builder, node))


def symmetric(builder: Builder, node: int) -> int:
    """The symmetric matrix that has this lower triangle."""
    strict = triangle(builder, node, lower=True, offset=-1)
    return added(builder, triangle(builder, node, lower=True), build.transpose(builder, strict))


def to_lower(builder: Builder, node: int) -> int:
    """Transpose of ``symmetric``: what belongs to an element and to its mirror image meets below the diagonal."""
    strict = triangle(builder, build.transpose(builder, node), lower=True, offset=-1)
    return added(builder, triangle(builder, node, lower=True), strict)
