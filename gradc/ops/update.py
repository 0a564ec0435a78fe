"""Rows of the operators that change elements of an array, by giving another array."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from gradc.ir.op import Op, Scatter
from gradc.ir.types import Type, TypeMismatch, typed
from gradc.ops import build
from gradc.ops.structure import AT, filled, indexed, parts, whole_indices
from gradc.ops.typerules import Attrs

if TYPE_CHECKING:
    from gradc.ir.builder import Builder


def _put_type(types: Sequence[Type], attrs: Attrs) -> Type:
    array, value = types[:2]
    items = attrs["items"]
    if len(items) > array.rank or sum(item is AT for item in items) != len(types) - 2:
        raise TypeMismatch(f"an array of {len(items)} axes or more", 0)
    if value.dtype != array.dtype:
        raise TypeMismatch(f"elements of type {array.dtype}", 1)
    if value.shape != indexed(array.shape, items):
        raise TypeMismatch(f"a part of shape {list(map(str, indexed(array.shape, items)))}", 1)
    return typed(array.dtype, array.shape, (*array.free, *value.free, *whole_indices(types, 2)))


def _accumulate_type(types: Sequence[Type], attrs: Attrs) -> Type:
    base = types[0]
    if len(types) < 2:
        raise TypeMismatch("something to add", 0)
    try:
        due = filled(types[1:], {**attrs, "shape": base.shape})
    except TypeMismatch as mismatch:
        raise TypeMismatch(mismatch.expected, mismatch.position + 1) from None
    if due.dtype != base.dtype:
        raise TypeMismatch(f"an array of type {due.dtype}", 0)
    return typed(base.dtype, base.shape, (*base.free, *due.free))


def _put_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Mapping[int, int | Scatter]:
    data = builder.data[node]
    items, operands = data["attrs"]["items"], data["operands"]
    places = operands[2:]
    found: dict[int, int | Scatter] = {}
    if 0 in positions:
        nothing = build.filled(builder, 0.0, builder.type(operands[1]))
        found[0] = builder.apply("put", adjoint, nothing, *places, attrs={"items": items})
    if 1 in positions:
        found[1] = build.access(builder, adjoint, items, places)
    return found


def _accumulate_back(
    builder: Builder, node: int, adjoint: int, positions: Collection[int]
) -> Mapping[int, int | Scatter]:
    data = builder.data[node]
    operands, attrs = data["operands"], data["attrs"]
    found: dict[int, int | Scatter] = {0: adjoint}
    for at, items, over, places in parts(attrs):
        position = at + 1
        if position in positions:
            indices = operands[places.start + 1 : places.stop + 1]
            read = build.access(builder, adjoint, items, indices, bool(attrs.get("lenient")))
            own = builder.type(operands[position]).free
            found[position] = build.total(builder, read, [index for index in over if index not in own])
    return found


ROWS = (
    Op(
        name="put",
        doc=(
            "The array in which the elements, row or slice that the items and indices name have another value: `x[i] = "
            "v` in a loop. An index outside its axis is an error where the element is selected."
        ),
        kind="structural",
        arity=(2, None),
        type_rule=_put_type,
        pullback=_put_back,
        linear="joint",
        dependence=("linear", "linear", "none"),
        attrs={"items": tuple},
        sparsity="put",
        reference="gradc.ir.types",
    ),
    Op(
        name="accumulate",
        doc=(
            "The array to which parts are added, as `assemble` adds them to zeros: in a loop the adjoint of an array "
            "that is read one element at a time, which needs no other array."
        ),
        kind="structural",
        arity=(2, None),
        type_rule=_accumulate_type,
        pullback=_accumulate_back,
        linear="joint",
        dependence=("linear",),
        attrs={"parts": tuple, "lenient": bool},
        sparsity="accumulate",
        reference="gradc.ir.types",
    ),
)
