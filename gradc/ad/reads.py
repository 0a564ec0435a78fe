"""Which elements of an array are read at all, where no condition decides.

An element that nothing reads has no influence, like a branch that is not taken: its adjoint is a 0 that must not meet
the local gradients behind it, which may be infinite or NaN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from gradc.ad.flow import Data, Nodes
from gradc.ad.needs import GENTLE, along, in_triangle
from gradc.ir.builder import Builder
from gradc.ir.sizes import Dim, at_least
from gradc.ir.types import BOOL, Index, typed
from gradc.ops import build
from gradc.ops.structure import AT
from gradc.syntax.extents import dim_of

# Intervals that are compared with each other to find that an array is read from end to end.
_COMPARED = 64


def single(builder: Nodes, node: int) -> bool:
    """Whether an element of the node is made of some elements of the operands and not of all of them."""
    op = builder.op(node)
    attrs = builder.data[node].get("attrs", {})
    return builder.ops[op].elementwise or op in GENTLE or "axes" in attrs or "axis" in attrs


def leaves_out(builder: Nodes, node: int, position: int) -> bool:
    """Whether some elements of the operand at ``position`` may enter no element of the node."""
    if position:
        return False
    op = builder.op(node)
    return op in ("triangle", "triangular_solve") or (op == "access" and not _whole(builder, node))


def read(
    builder: Builder,
    array: int,
    readers: Sequence[int],
    taken: Sequence[int],
    own: Collection[Index],
    base: int | None = None,
) -> int | None:
    """Where one of the readers, nodes that leave elements of the array out, reads it; None for everywhere.

    It matters where the single conditions ``taken`` hold; elsewhere indices may lie outside. Where the ``base`` holds
    already, it does so besides.
    """
    shape = builder.type(array).shape
    accesses = [node for node in readers if builder.op(node) == "access"]
    if end_to_end(builder, shape, accesses):
        return None
    true = builder.constant(True, typed("bool", shape))
    masks = [in_triangle(builder, node, true) for node in dict.fromkeys(readers) if builder.op(node) != "access"]
    if accesses:
        masks.append(_assembled(builder, array, accesses, taken, own, base))
    elif base is not None:
        masks.append(base)
    found = masks[0]
    for mask in masks[1:]:
        found = builder.apply("or", found, mask)
    return found


# What makes other masks of masks.
_MADE_OF: Final = frozenset({"broadcast", "reshape", "transpose", "access", "tabulate", "any", "and", "or", "assemble"})


def tells_only(data: Data, condition: int) -> bool:
    """Whether a condition says which elements are read and nothing else, so that formulas can do without it."""
    stack, found = [condition], False
    for _ in range(_COMPARED):
        if not stack:
            return found
        entry = data[stack.pop()]
        truths = [operand for operand in entry["operands"] if data[operand]["type"].dtype == "bool"]
        if entry["op"] == "eq":
            if not any(data[operand]["op"] == "triangle" for operand in entry["operands"]):
                return False
            found = True
        elif entry["op"] in _MADE_OF and truths:
            found = found or entry["op"] == "assemble"
            stack += truths
        elif entry["op"] != "const":
            return False
    return False


def _assembled(
    builder: Builder,
    array: int,
    accesses: Sequence[int],
    taken: Sequence[int],
    own: Collection[Index],
    base: int | None,
) -> int:
    """Where the accesses read, in one go however many they are; it repeats along axes of which none leaves any out."""
    type = builder.type(array)
    known = {*type.free, *own}
    full = set(range(type.rank)).intersection(*(_full(builder, node) for node in accesses))
    operands: list[int] = []
    described = []
    reached = builder.constant(True, BOOL)
    for condition in taken:
        reached = condition if builder.value(reached) is True else builder.apply("and", condition, reached)
    for node in accesses:
        items, waiting = builder.data[node]["attrs"]["items"], iter(builder.operands(node)[1:])
        places = [next(waiting) if item is AT else None for item in items]
        axes = [axis for axis in range(len(items)) if axis not in full]
        where = [place for axis in axes if (place := places[axis]) is not None]
        shape = [items[axis][2] for axis in axes if items[axis] is not AT]
        shape += [type.shape[axis] for axis in range(len(items), type.rank) if axis not in full]
        operands += [build.broadcast(builder, reached, shape), *where]
        over = dict.fromkeys(index for place in where for index in builder.type(place).free if index not in known)
        described.append((tuple(items[axis] for axis in axes), tuple(over)))
    whole = tuple(extent for axis, extent in enumerate(type.shape) if axis not in full)
    attrs: dict[str, object] = {"shape": whole, "parts": tuple(described)}
    if any(AT in items for items, _ in described):
        attrs["lenient"] = True
    if base is not None and not full:
        del attrs["shape"]
        return builder.apply("accumulate", base, *operands, attrs=attrs)
    found = builder.apply("assemble", *operands, attrs=attrs)
    found = build.expand(builder, found, sorted(full), type.shape) if full else found
    return found if base is None else builder.apply("or", base, found)


def _full(builder: Nodes, node: int) -> set[int]:
    """The axes along which an access reads everything, whatever it reads along the others."""
    items, waiting = builder.data[node]["attrs"]["items"], iter(builder.operands(node)[1:])
    shape = builder.type(builder.operands(node)[0]).shape
    used = Counter(index for place in builder.operands(node)[1:] for index in builder.type(place).free)
    found = set(range(len(items), len(shape)))
    for axis, (item, interval) in enumerate(zip(items, _intervals(builder, node), strict=True)):
        free = builder.type(next(waiting)).free if item is AT else ()
        if _covers(interval, shape[axis]) and all(used[index] == 1 for index in free):
            found.add(axis)
    return found


Interval = tuple[Dim, Dim]
"""A first place and a number of places."""


def _intervals(builder: Nodes, node: int) -> list[Interval | None]:
    """The places that an access reads along each axis with an item, as far as they are neighbours; else None."""
    items, places = builder.data[node]["attrs"]["items"], iter(builder.operands(node)[1:])
    found: list[Interval | None] = []
    used: set[Index] = set()
    for item in items:
        if item is not AT:
            start, step, count = item
            neighbours: Interval | None = (start, count) if step == 1 else None
            if step == -1:
                neighbours = (start - count + 1, count)
        else:
            place = next(places)
            free = set(builder.type(place).free)
            # A diagonal is no rectangle.
            neighbours = None if used & free else _places(builder, place)
            used |= free
        found.append(neighbours)
    return found


def _places(builder: Nodes, place: int) -> Interval | None:
    """The values of an index that is a number, or runs along a range."""
    fixed = dim_of(builder.data, place)
    if fixed is not None:
        return fixed, 1
    start: Dim = 0
    if builder.op(place) in ("add", "sub"):
        left, right = builder.operands(place)
        if builder.op(place) == "add" and builder.op(right) == "index":
            left, right = right, left
        offset = dim_of(builder.data, right)
        if offset is None:
            return None
        place, start = left, offset if builder.op(place) == "add" else -offset
    if builder.op(place) != "index":
        return None
    extent: Dim = builder.data[place]["attrs"]["index"].extent
    return start, extent


def _covers(interval: Interval | None, extent: Dim) -> bool:
    return interval is not None and interval[0] == 0 and interval[1] == extent


def _whole(builder: Nodes, node: int) -> bool:
    array = builder.operands(node)[0]
    shape = builder.type(array).shape
    # Along such an axis an element of the array is made of all, as in a softmax.
    joined = along(builder, array)
    found = enumerate(zip(_intervals(builder, node), shape, strict=False))
    return all(axis in joined or _covers(interval, extent) for axis, (interval, extent) in found)


def end_to_end(builder: Nodes, shape: Sequence[Dim], accesses: Sequence[int]) -> bool:
    """Whether it is plain that intervals along one axis, which leave no other one out, cover the array together."""
    parts: dict[int, list[Interval]] = {}
    for node in accesses[:_COMPARED]:
        found = _intervals(builder, node)
        short = [axis for axis, each in enumerate(found) if not _covers(each, shape[axis])]
        if len(short) == 1 and (interval := found[short[0]]) is not None:
            parts.setdefault(short[0], []).append(interval)
    return any(_join(intervals, shape[axis]) for axis, intervals in parts.items())


def _join(intervals: list[Interval], extent: Dim) -> bool:
    """Whether the intervals make one from 0 to the extent."""
    reach: Dim = 0
    waiting = intervals
    while not at_least(reach - extent, 0):
        further = [start + count for start, count in waiting if at_least(reach - start, 0)]
        waiting = [(start, count) for start, count in waiting if not at_least(reach - start, 0)]
        grown = reach
        for stop in further:
            if at_least(stop - grown, 0):
                grown = stop
        if grown == reach:
            return False
        reach = grown
    return True
