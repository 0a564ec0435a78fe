"""Which elements of an operand enter the elements of a node that a condition selects.

An element that enters none of them has no influence, and its local gradients may be infinite or NaN: that holds for the
elements of an array that a program names and reads in a branch only, and for what does not depend on an index that a
condition decides by.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from gradc.ad.flow import Nodes
from gradc.ir.builder import Builder
from gradc.ir.types import INT, Index, typed
from gradc.ops import build
from gradc.ops.structure import AT, indexed, parts

GENTLE: Final = frozenset(
    {
        "name",
        "get",
        "add_tapes",
        "select",
        "access",
        "assemble",
        "accumulate",
        "put",
        "tabulate",
        "broadcast",
        "reshape",
        "transpose",
        "triangle",
        "sum",
        "neg",
        "add",
        "sub",
    }
)
"""Operators that pass an adjoint on without a multiplication: a 0 stays 0."""


def needed(builder: Builder, node: int, position: int, operand: int, condition: int, own: Collection[Index]) -> int:
    """The condition under which an element of the operand at ``position`` enters an element of ``node`` that
    ``condition`` selects. It has no free indices but the operand's and ``own``.
    """
    moved = _moved(builder, node, position, operand, condition, own)
    known = {*builder.type(operand).free, *own}
    return for_one(builder, moved, [index for index in builder.type(moved).free if index not in known])


def for_one(builder: Builder, condition: int, indices: Sequence[Index]) -> int:
    """Whether the condition holds for one of the values of the indices."""
    if not indices:
        return condition
    table = build.tabulate(builder, condition, indices)
    return builder.apply("any", table, attrs={"axes": tuple(range(len(indices)))})


def _axes(attrs: Mapping[str, Any]) -> tuple[int, ...]:
    axes: tuple[int, ...] = attrs.get("axes", (attrs["axis"],) if "axis" in attrs else ())
    return axes


def along(builder: Nodes, node: int) -> tuple[int, ...]:
    """The axes along which every element of the operand may enter every element of the node."""
    entry = builder.data[node]
    if entry["op"] in ("sort", "cumsum") or not entry["operands"]:
        return ()
    same = builder.type(node).shape == builder.type(entry["operands"][0]).shape
    return _axes(entry.get("attrs", {})) if same else ()


def some(builder: Builder, condition: int, kept: int = 0) -> int:
    """Whether the condition holds for one of the elements, along all but the first axes."""
    return _any(builder, condition, range(min(kept, builder.type(condition).rank), builder.type(condition).rank))


def _any(builder: Builder, condition: int, axes: Sequence[int]) -> int:
    return builder.apply("any", condition, attrs={"axes": tuple(axes)}) if axes else condition


def _moved(builder: Builder, node: int, position: int, operand: int, condition: int, own: Collection[Index]) -> int:
    """The condition over the operand's own axes, or of a single value."""
    op, operands, attrs = builder.op(node), builder.operands(node), builder.data[node].get("attrs", {})
    shape, due = builder.type(node).shape, builder.type(operand).shape
    if builder.ops[op].elementwise:
        return condition
    if op == "access":
        return _written(builder, operand, attrs["items"], operands[1:], build.broadcast(builder, condition, shape), own)
    if op == "triangle":
        return in_triangle(builder, node, build.broadcast(builder, condition, shape))
    if not builder.type(condition).shape:
        return condition
    if op == "tabulate":
        indices = attrs["indices"]
        return _at(builder, condition, (AT,) * len(indices), [build.index(builder, each) for each in indices])
    if op == "accumulate" and position == 0:
        return condition
    if op == "put" and position == 0:
        # What is written over enters no element.
        nothing = builder.constant(False, typed("bool", indexed(shape, attrs["items"])))
        return builder.apply("put", condition, nothing, *operands[2:], attrs={"items": attrs["items"]})
    if op == "put":
        return _at(builder, condition, attrs["items"], operands[2:])
    if op in ("assemble", "accumulate"):
        shift = op == "accumulate"
        items, places = next((items, places) for start, items, _, places in parts(attrs) if start + shift == position)
        indices = [operands[at + shift] for at in places]
        return _at(builder, condition, items, indices, bool(attrs.get("lenient")))
    if op == "broadcast":
        missing = len(shape) - len(due)
        axes = [axis for axis in range(len(shape)) if axis < missing or due[axis - missing] != shape[axis]]
        return build.reshape(builder, _any(builder, condition, axes), due)
    if op == "reshape":
        return build.reshape(builder, condition, due)
    if op == "transpose":
        back = sorted(range(len(due)), key=attrs["order"].__getitem__)
        return build.transpose(builder, condition, back)
    if op == "sort":
        pullback = builder.ops[op].pullback
        assert pullback is not None
        where = pullback(builder, node, condition, (0,))[0]
        assert isinstance(where, int)
        return where
    if op == "cumsum":
        ones, zeros = (builder.constant(number, typed("int", shape)) for number in (1, 0))
        behind = {"axis": attrs["axis"], "reverse": not attrs["reverse"]}
        counts = builder.apply("cumsum", builder.apply("select", condition, ones, zeros), attrs=behind)
        return builder.apply("gt", counts, zeros)
    if joined := along(builder, node):
        return build.expand(builder, _any(builder, condition, joined), joined, due)
    reduced = _axes(attrs)
    if reduced and len(shape) == len(due) - len(reduced):
        return build.expand(builder, condition, reduced, due)
    return _any(builder, condition, range(len(shape)))


def in_triangle(builder: Builder, node: int, condition: int) -> int:
    """The condition in the triangle that a node reads, and false outside of it."""
    attrs = builder.data[node]["attrs"]
    ones = builder.constant(1, typed("int", builder.type(condition).shape))
    inside = builder.apply("triangle", ones, attrs={"lower": attrs["lower"], "offset": attrs.get("offset", 0)})
    return builder.apply("and", builder.apply("eq", inside, ones), condition)


def _at(
    builder: Builder, condition: int, items: tuple[object, ...], places: Sequence[int], lenient: bool = False
) -> int:
    """The condition at indices. Along axes that only repeat it, it is the same condition at all of them."""
    if builder.op(condition) != "broadcast":
        return build.access(builder, condition, items, places, lenient)
    base, shape = builder.operands(condition)[0], builder.type(condition).shape
    own = builder.type(base).shape
    missing = len(shape) - len(own)
    first = builder.constant(0, INT)
    waiting = iter(places)
    kept: list[object] = []
    where: list[int] = []
    for axis, item in enumerate(items):
        place = next(waiting) if item is AT else None
        if axis < missing:
            continue
        repeated = own[axis - missing] == 1
        if place is not None:
            where.append(first if repeated else place)
        kept.append((0, 1, 1) if repeated and item is not AT else item)
    found = build.access(builder, base, tuple(kept), where, lenient) if kept else base
    return build.broadcast(builder, found, indexed(shape, items))


def _written(
    builder: Builder,
    array: int,
    items: tuple[object, ...],
    places: Sequence[int],
    condition: int,
    own: Collection[Index],
) -> int:
    """Whether an element of the array is read at indices for which the condition holds."""
    type = builder.type(array)
    known = {*type.free, *own}
    used = [index for place in places for index in builder.type(place).free]
    idle = [each for each in builder.type(condition).free if each not in known and each not in used]
    condition = for_one(builder, condition, idle)
    bare = _bare(builder, places, type.shape)
    if bare is not None and all(item is AT for item in items) and known.isdisjoint(bare):
        return build.tabulate(builder, condition, bare)
    over = dict.fromkeys(each for each in (*builder.type(condition).free, *used) if each not in known)
    attrs: dict[str, object] = {"shape": type.shape, "parts": ((items, tuple(over)),)}
    if places:
        attrs["lenient"] = True
    return builder.apply("assemble", condition, *places, attrs=attrs)


def _bare(builder: Builder, places: Sequence[int], shape: Sequence[object]) -> list[Index] | None:
    """The indices, if each of them stands alone and runs along a whole axis."""
    found: list[Index] = []
    for place, extent in zip(places, shape, strict=False):
        index = builder.data[place]["attrs"]["index"] if builder.op(place) == "index" else None
        if index is None or index in found or index.extent != extent:
            return None
        found.append(index)
    return found
