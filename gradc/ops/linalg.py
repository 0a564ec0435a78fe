"""Rows of linear algebra: products of matrices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir.op import Op, Scatter, Site
from gradc.ir.types import Type, TypeMismatch, typed
from gradc.ops import build, precedence
from gradc.ops.typerules import NUMBER, Attrs

if TYPE_CHECKING:
    from gradc.ir.graph import Builder


def _matmul(types: Sequence[Type], attrs: Attrs) -> Type:
    left, right = types
    for position, type in enumerate(types):
        if not type.real:
            raise TypeMismatch(NUMBER, position)
        if not type.rank:
            raise TypeMismatch("an array", position)
    if right.dtype != left.dtype:
        raise TypeMismatch(NUMBER, 1)
    inner = right.shape[-2] if right.rank > 1 else right.shape[0]
    if left.shape[-1] != inner:
        raise TypeMismatch(f"an array whose rows number {left.shape[-1]}", 1)
    front, back = left.shape[:-2], right.shape[:-2]
    if front and back and front != back:
        raise TypeMismatch("as many matrices as the other operand", 1)
    shape = (front or back) + left.shape[-2:-1] * (left.rank > 1) + right.shape[-1:] * (right.rank > 1)
    return typed(left.dtype, shape, (*left.free, *right.free))


def _matmul_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Mapping[int, int | Scatter]:
    left, right = builder.operands(node)
    a, b = builder.type(left), builder.type(right)
    # A vector is a matrix of one row on the left, of one column on the right.
    rows, columns = (a.shape if a.rank > 1 else (1, *a.shape)), (b.shape if b.rank > 1 else (*b.shape, 1))
    front = rows[:-2] or columns[:-2]
    matrix = build.reshape(builder, adjoint, (*front, rows[-2], columns[-1]))
    found: dict[int, int | Scatter] = {}
    if 0 in positions:
        other = build.transpose(builder, build.reshape(builder, right, columns))
        found[0] = _reduced(builder, build.matmul(builder, matrix, other), rows, a)
    if 1 in positions:
        other = build.transpose(builder, build.reshape(builder, left, rows))
        found[1] = _reduced(builder, build.matmul(builder, other, matrix), columns, b)
    return found


def _reduced(builder: Builder, node: int, shape: Sequence[object], like: Type) -> int:
    """The sum over the matrices that the operand stood for, in the operand's shape."""
    extra = builder.type(node).rank - len(shape)
    return build.reshape(builder, build.total(builder, node, axes=range(extra)), like.shape)


def _plan_matmul(site: Site) -> Any:
    left, right = len(site.shapes[0]), len(site.shapes[1])
    if not site.batch:
        return np.matmul
    if left == 1 and right == 1:
        return lambda a, b: np.matmul(a[..., None, :], b[..., None])[..., 0, 0]
    if left == 1:
        return lambda a, b: np.matmul(a[..., None, :], b)[..., 0, :]
    if right == 1:
        return lambda a, b: np.matmul(a, b[..., None])[..., 0]
    return np.matmul


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
    ),
)
