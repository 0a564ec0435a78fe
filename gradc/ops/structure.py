"""Rows of the operators that move elements: indices, reading, assembling and tabulating, repeating, other shapes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir import sizes
from gradc.ir.op import Op, Scatter, Site
from gradc.ir.types import INT, Index, Type, TypeMismatch, typed
from gradc.ops import build
from gradc.ops.typerules import INTEGER, Attrs

if TYPE_CHECKING:
    from gradc.ir.builder import Builder

AT = None
"""An item of an access that is an index, given by an operand; any other is a slice ``(start, step, count)``."""


def indexed(shape: Sequence[Any], items: Sequence[Any]) -> tuple[Any, ...]:
    """The shape of what items read from an array: the counts of its slices, then the axes without an item."""
    return (*(item[2] for item in items if item is not AT), *shape[len(items) :])


# Type rules ----------------------------------------------------------------------------------------------------------


def _index(types: Sequence[Type], attrs: Attrs) -> Type:
    return Type("int", (), (attrs["index"],))


def _size(types: Sequence[Type], attrs: Attrs) -> Type:
    return INT


def whole_indices(types: Sequence[Type], first: int) -> list[Index]:
    """The free indices of index operands, which are single integers."""
    free: list[Index] = []
    for position in range(first, len(types)):
        if types[position].dtype != "int" or types[position].shape:
            raise TypeMismatch(INTEGER, position)
        free += types[position].free
    return free


def _access(types: Sequence[Type], attrs: Attrs) -> Type:
    items = attrs["items"]
    array = types[0]
    if len(items) > array.rank or sum(item is AT for item in items) != len(types) - 1:
        raise TypeMismatch(f"an array of {len(items)} axes or more", 0)
    return typed(array.dtype, indexed(array.shape, items), (*array.free, *whole_indices(types, 1)))


def parts(attrs: Mapping[str, Any]) -> list[tuple[int, tuple[Any, ...], tuple[Index, ...], range]]:
    """Of an ``assemble``: each part's operand position, items, indices that it is summed over, and index operands."""
    found = []
    at = 0
    for items, over in attrs["parts"]:
        count = sum(item is AT for item in items)
        found.append((at, items, over, range(at + 1, at + 1 + count)))
        at += 1 + count
    return found


def filled(types: Sequence[Type], attrs: Attrs) -> Type:
    """The type of an array of the attribute ``shape`` that parts fill."""
    shape = attrs["shape"]
    free: list[Index] = []
    bound: dict[Index, int] = {}
    listed = parts(attrs)
    if not listed or listed[-1][3].stop != len(types):
        raise TypeMismatch("as many operands as its parts have", len(types) - 1)
    for position, items, over, places in listed:
        found = types[position]
        if found.dtype != types[0].dtype:
            raise TypeMismatch(f"elements of type {types[0].dtype}", position)
        if found.shape != indexed(shape, items):
            raise TypeMismatch(f"a part of shape {list(map(str, indexed(shape, items)))}", position)
        inner = [*found.free, *whole_indices(types[: places.stop], places.start)]
        free += [index for index in inner if index not in over]
        bound.update(dict.fromkeys(over, position))
    for index in free:
        if index in bound:
            raise TypeMismatch(f"a part that lacks the index {index.name}, over which others are summed", bound[index])
    return typed(types[0].dtype, shape, free)


def _tabulate(types: Sequence[Type], attrs: Attrs) -> Type:
    (type,) = types
    indices = attrs["indices"]
    shape = (*(index.extent for index in indices), *type.shape)
    return typed(type.dtype, shape, tuple(index for index in type.free if index not in indices))


def _broadcast(types: Sequence[Type], attrs: Attrs) -> Type:
    (type,) = types
    shape = attrs["shape"]
    missing = len(shape) - type.rank
    if missing < 0 or any(own not in (1, due) for own, due in zip(type.shape, shape[missing:], strict=True)):
        raise TypeMismatch(f"what fits the shape {list(map(str, shape))}", 0)
    return typed(type.dtype, shape, type.free)


def _reshape(types: Sequence[Type], attrs: Attrs) -> Type:
    # That the numbers of elements agree is a constraint on the sizes, which lowering records.
    (type,) = types
    before, after = sizes.product(type.shape), sizes.product(attrs["shape"])
    if isinstance(before, int) and isinstance(after, int) and before != after:
        raise TypeMismatch(f"an array of {after} elements", 0)
    return typed(type.dtype, attrs["shape"], type.free)


def _transpose(types: Sequence[Type], attrs: Attrs) -> Type:
    (type,) = types
    order = attrs["order"]
    if sorted(order) != list(range(type.rank)):
        raise TypeMismatch(f"an array of {len(order)} axes", 0)
    return typed(type.dtype, tuple(type.shape[axis] for axis in order), type.free)


# Derivatives ---------------------------------------------------------------------------------------------------------


def _read_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Mapping[int, int | Scatter]:
    items = builder.data[node]["attrs"]["items"]
    return {0: Scatter(adjoint, items, builder.operands(node)[1:])}


def _take_apart(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Mapping[int, int | Scatter]:
    operands = builder.operands(node)
    found: dict[int, int | Scatter] = {}
    for position, items, over, places in parts(builder.data[node]["attrs"]):
        if position in positions:
            lenient = bool(builder.data[node]["attrs"].get("lenient"))
            read = build.access(builder, adjoint, items, operands[places.start : places.stop], lenient)
            own = builder.type(operands[position]).free
            found[position] = build.total(builder, read, [index for index in over if index not in own])
    return found


def _look_up(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Mapping[int, int | Scatter]:
    indices = builder.data[node]["attrs"]["indices"]
    items = (AT,) * len(indices)
    read = build.access(builder, adjoint, items, [build.index(builder, index) for index in indices])
    own = builder.type(builder.operands(node)[0]).free
    return {0: build.total(builder, read, [index for index in indices if index not in own])}


def _collect(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Mapping[int, int | Scatter]:
    own = builder.type(builder.operands(node)[0]).shape
    full = builder.type(node).shape
    missing = len(full) - len(own)
    axes = [axis for axis in range(len(full)) if axis < missing or own[axis - missing] != full[axis]]
    return {0: build.reshape(builder, build.total(builder, adjoint, axes=axes), own)}


def _back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Mapping[int, int | Scatter]:
    return {0: build.reshape(builder, adjoint, builder.type(builder.operands(node)[0]).shape)}


def _turn_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Mapping[int, int | Scatter]:
    order = builder.data[node]["attrs"]["order"]
    return {0: build.transpose(builder, adjoint, tuple(int(axis) for axis in np.argsort(order)))}


# Evaluation ----------------------------------------------------------------------------------------------------------


def _plan_reshape(site: Site) -> Any:
    shape = site.shape
    if not site.batch:
        return lambda x: x.reshape(shape)
    own = len(site.shapes[0])
    return lambda x: x.reshape(x.shape[: x.ndim - own] + shape)


def _plan_transpose(site: Site) -> Any:
    count = len(site.batch)
    order = (*range(count), *(count + axis for axis in site.attrs["order"]))
    return lambda x: x.transpose(order)


ROWS = (
    Op(
        name="index",
        doc="The value of a free index of a comprehension (attribute index), from 0 to its extent - 1.",
        kind="leaf",
        arity=(0, 0),
        type_rule=_index,
        dependence=(),
        attrs={"index": Index},
        reference="gradc.ir.types",
    ),
    Op(
        name="size",
        doc="The extent that the attribute size says, as an integer: the call's shapes fix it.",
        kind="leaf",
        arity=(0, 0),
        type_rule=_size,
        dependence=(),
        attrs={"size": sizes.Size},
        reference="gradc.ir.sizes",
    ),
    Op(
        name="access",
        doc=(
            "Elements, rows or slices of an array: one item an axis from the left, each an index (the next operand) or "
            "a slice (start, step, count). Axes without an item are whole. An index outside its axis is an error where "
            "the element is selected; with the attribute lenient, which derivatives set where a condition has decided "
            "already, it reads another element."
        ),
        kind="structural",
        arity=(1, None),
        type_rule=_access,
        pullback=_read_back,
        linear="each",
        dependence=("linear",),
        attrs={"items": tuple, "lenient": bool},
        reference="gradc.ir.types",
        sparsity="access",
    ),
    Op(
        name="assemble",
        doc=(
            "An array (attribute shape) made of parts: each adds a value to the elements that an access with its items "
            "would read, summed over its indices; the others are 0. Transpose of access, and what concatenates, stacks "
            "and pads. With the attribute lenient a value of 0 may go to an index outside its axis; any other is an "
            "error."
        ),
        kind="structural",
        arity=(1, None),
        type_rule=filled,
        pullback=_take_apart,
        linear="joint",
        dependence=("linear",),
        attrs={"shape": tuple, "parts": tuple, "lenient": bool},
        reference="gradc.ir.types",
        sparsity="assemble",
    ),
    Op(
        name="tabulate",
        doc="The family of values as an array: its free indices become axes, in the order of the attribute indices.",
        kind="structural",
        type_rule=_tabulate,
        pullback=_look_up,
        linear="each",
        dependence=("linear",),
        attrs={"indices": tuple},
        reference="gradc.ir.types",
        sparsity="tabulate",
    ),
    Op(
        name="broadcast",
        doc="The array repeated along axes that it lacks, or in which its extent is 1, to the attribute shape.",
        kind="structural",
        type_rule=_broadcast,
        pullback=_collect,
        linear="each",
        dependence=("linear",),
        attrs={"shape": tuple},
        reference="NumPy, broadcasting",
        sparsity="broadcast",
    ),
    Op(
        name="reshape",
        doc="The elements in their order, the last axis running fastest, under the attribute shape.",
        kind="structural",
        type_rule=_reshape,
        plan=_plan_reshape,
        pullback=_back,
        linear="each",
        dependence=("linear",),
        attrs={"shape": tuple},
        reference="NumPy, reshape",
        sparsity="reshape",
    ),
    Op(
        name="transpose",
        doc="The axes in the order of the attribute order: axis k of the result is axis order[k] of the operand.",
        kind="structural",
        type_rule=_transpose,
        plan=_plan_transpose,
        pullback=_turn_back,
        linear="each",
        dependence=("linear",),
        attrs={"order": tuple},
        reference="NumPy, transpose",
        sparsity="transpose",
    ),
)
