"""How arrays that are filled with parts, or changed in places, depend on these."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ad.reach import Array, Reach, axis_of, stacked, summed, united
from gradc.ir.types import Index
from gradc.ops.structure import parts as parts_of

if TYPE_CHECKING:
    from gradc.ad.spread import Sources, Spread


def assemble(spread: Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on all parts that add to it."""
    return _filled(spread, node, sources, graph_parts(spread, node), 0)


def graph_parts(spread: Spread, node: int) -> tuple[Any, ...]:
    """The parts of a node that is filled with some, with numbers in the place of sizes."""
    found: tuple[Any, ...] = spread.concrete(spread.graph.attrs(node)["parts"])
    return found


def accumulate(spread: Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on that of the array and on all parts that add to it."""
    return _onto(spread, node, sources, graph_parts(spread, node))


def put(spread: Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on that of the array, or on the value that replaces it; on both if that is not known."""
    graph = spread.graph
    parts = ((spread.concrete(graph.attrs(node)["items"]), ()),)
    if 0 in sources and (counts := written(spread, node, parts)) is not None:
        base = sources[0]
        ids = spread.aligned(base.ids, graph.type(graph.operands(node)[0]).free, graph.type(node).free)
        masked = base.moved(np.where(counts > 0, -1, ids))
        added = {at: each for at, each in sources.items() if at}
        return united([masked, *([_filled(spread, node, added, parts, 1)] if added else [])])
    return _onto(spread, node, sources, parts)


def written(spread: Spread, node: int, parts: tuple[Any, ...]) -> Array | None:
    """How often each element of an array is written by the parts of a node behind it; None where is not known."""
    graph = spread.graph
    operands = graph.operands(node)
    places = [operands[1 + place] for _, _, _, at in parts_of({"parts": parts}) for place in at]
    if any(place not in spread.values for place in places):
        return None
    found = []
    for at, items, over, each in parts_of({"parts": parts}):
        ids = np.zeros(spread.full(operands[at + 1]), int)
        listed = [(at + 1, items, over, [place + 1 for place in each], ids)]
        found.append(_targets(spread, node, listed))
    full = np.broadcast_shapes(*[shape for _, _, shape in found])
    if any(shape != full for _, _, shape in found):
        return None
    counts = np.bincount(np.concatenate([targets for targets, _, _ in found]), minlength=prod(full))
    return counts.reshape(full)


def _onto(spread: Spread, node: int, sources: Sources, parts: tuple[Any, ...]) -> Reach:
    graph = spread.graph
    base = []
    if 0 in sources:
        own = graph.type(graph.operands(node)[0]).free
        base.append(sources[0].moved(spread.aligned(sources[0].ids, own, graph.type(node).free)))
    added = {at: each for at, each in sources.items() if at}
    return united([*base, *([_filled(spread, node, added, parts, 1)] if added else [])])


def _filled(spread: Spread, node: int, sources: Sources, parts: tuple[Any, ...], first: int) -> Reach:
    """An array made of parts, of which the first is the operand at the position ``first``."""
    listed = [
        (at + first, items, over, [place + first for place in places])
        for at, items, over, places in parts_of({"parts": parts})
        if at + first in sources
    ]
    rows, numbers = stacked([sources[part[0]] for part in listed])
    found = [(*part, ids) for part, ids in zip(listed, numbers, strict=True)]
    targets, origins, full = _targets(spread, node, found)
    return summed(rows, targets, origins, full)


def _targets(spread: Spread, node: int, listed: Sequence[Any]) -> tuple[Array, Array, tuple[int, ...]]:
    """What parts write: the numbers of elements, what is written there, and the extents of the array."""
    graph = spread.graph
    operands, free = graph.operands(node), graph.type(node).free
    shape = spread.own(node)
    written = [
        _part(spread, operands, position, items, over, places, ids, free, shape)
        for position, items, over, places, ids in listed
        if all(spread.extent(index) for index in over)
    ]
    if not written:
        return np.zeros(0, int), np.zeros(0, int), (*(1 for _ in free), *shape)
    # An index that no part depends on is an axis along which all is the same.
    batch = [1] * len(free)
    for where, _ in written:
        for at in range(len(free)):
            batch[at] = max(batch[at], where[at].shape[at])
    batch = [extent if extent == 1 else spread.extent(index) for extent, index in zip(batch, free, strict=True)]
    full = (*batch, *shape)
    targets, origins = [], []
    for where, ids in written:
        inside: Array = np.True_
        target: Array = np.zeros((), int)
        for at, extent in enumerate(full):
            place = where[at]
            if at < len(free):
                place = axis_of(extent, at, place.ndim)
            inside = inside & (place >= 0) & (place < extent)
            target = target * extent + place
        target, origin, held = np.broadcast_arrays(target, ids, inside)
        targets.append(target[held])
        origins.append(origin[held])
    return np.concatenate(targets), np.concatenate(origins), full


def _part(
    spread: Spread,
    operands: Sequence[int],
    position: int,
    items: Sequence[Any],
    over: Sequence[Index],
    places: Sequence[int],
    ids: Array,
    free: Sequence[Index],
    shape: Sequence[int],
) -> tuple[list[Array], Array]:
    """Where the elements of a part go, a coordinate for each axis of the result, and the numbers of their rows.

    Both are arrays over the result's free indices, those that are summed over, and the part's own axes; behind these
    stands an axis for every place that is not known.
    """
    graph = spread.graph
    joint = [*free, *(index for index in over if index not in free)]
    own = graph.type(operands[position]).free
    joint += [index for at in places for index in graph.type(operands[at]).free if index not in joint]
    joint += [index for index in own if index not in joint]
    items = [*items, *((0, 1, extent) for extent in shape[len(items) :])]
    behind = sum(item is not None for item in items)
    given = [operands[at] for at in places]
    unknown = sum(each not in spread.values for each in given)
    rank = len(joint) + behind + unknown
    # The axes of a family stand in the order of its own indices.
    order = [own.index(index) for index in joint if index in own]
    ids = ids.transpose((*order, *range(len(own), ids.ndim)))
    axes = iter(ids.shape)
    front = [next(axes) if index in own else 1 for index in joint]
    ids = ids.reshape((*front, *axes, *(1,) * unknown))
    where: list[Array] = [
        np.zeros([ids.shape[at] if at == axis else 1 for axis in range(rank)], int) for at in range(len(free))
    ]
    slot, loose = len(joint), len(joint) + behind
    waiting = iter(given)
    for item, extent in zip(items, shape, strict=True):
        if item is not None:
            start, step, number = item
            where.append(axis_of(number, slot, rank, start, step))
            slot += 1
            continue
        place = next(waiting)
        if place not in spread.values:
            where.append(axis_of(extent, loose, rank))
            loose += 1
            continue
        frees = graph.type(place).free
        value = spread.values[place]
        value = value.transpose([frees.index(index) for index in joint if index in frees])
        axes = iter(value.shape)
        value = value.reshape([next(axes) if index in frees else 1 for index in joint] + [1] * (rank - len(joint)))
        where.append(value)
        for at in range(len(free)):
            if value.shape[at] > where[at].shape[at]:
                where[at] = axis_of(value.shape[at], at, rank)
    return where, ids
