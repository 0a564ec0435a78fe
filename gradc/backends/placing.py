"""Writes parts of arrays to the places that indices and slices name, as families over indices that may be summed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor
from operator import is_
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.backends import scatter
from gradc.backends.faults import Faults, OutOfRange
from gradc.backends.reading import Even, _slice, checked, constant, even, inside
from gradc.ir.types import Index

if TYPE_CHECKING:
    from gradc.backends.emitting import Value
    from gradc.backends.planner import Planner

# Parts are looked at for overlap in arrays of up to so many indexed elements.
_MAPPED = 1 << 22


Write = Callable[[Any, Any, Sequence[Any]], None]
"""Writes a part: the array with its batch axes in front, the operator, and the part's operands."""


class Occupied:
    """Which elements of the array parts have written, as far as that is worth knowing."""

    def __init__(self, shape: tuple[int, ...] | None, only: bool = False) -> None:
        self.only = only
        known = shape is not None and np.prod(shape, dtype=float) <= _MAPPED
        self.map = np.zeros(shape, bool) if known and shape is not None else None
        self.disjoint = self.map is not None

    def add(self, place: Callable[[Any], Any] | None) -> None:
        """A part goes to a view, which is made of an array of own axes; None for one of which that is not known."""
        if self.map is None or place is None:
            self.disjoint = False
            return
        view = place(self.map)
        if view.any():
            self.disjoint = False
        view[...] = True

    def covered(self) -> bool:
        """Whether every element is written."""
        return self.map is not None and bool(self.map.all())


def part(
    planner: Planner,
    node: int,
    operand: int,
    items: Sequence[Any],
    over: Sequence[Index],
    places: Sequence[int],
    occupied: Occupied,
    replaces: bool = False,
) -> tuple[Write, list[Value]]:
    """How an operand is written as a part of the array at a node, summed ``over`` indices; the values that takes."""
    graph = planner.graph
    free = graph.type(node).free
    full = planner.full(node)
    batch = len(free)
    extents = full[batch : batch + len(items)]
    own = graph.type(operand)
    # The part as a family over the result's indices and those it is summed over.
    family = (*free, *over)
    value = _spread(planner, operand, family)
    given = iter(places)
    indices = [next(given) if item is None else None for item in items]
    indexed = [place for place in indices if place is not None]
    steps = [None if place is None else even(planner, place) for place in indices]
    safe = all(place is None or inside(planner, place, e) for place, e in zip(indices, extents, strict=True))
    moving: list[dict[Index, int]] = [
        {} if found is None else {index: step for index, step in found.steps.items() if step} for found in steps
    ]
    used = {index for place in indexed for index in graph.type(place).free}
    # Indices that no place depends on are summed before anything is written.
    idle = [index for index in over if index not in used]
    lengths = dict(zip(family, planner.batch(family), strict=True))
    if idle:
        value = _summed(planner, value, family, idle, lengths, len(own.shape))
        family = tuple(index for index in family if index not in idle)
    if not safe and graph.attrs(node).get("lenient"):
        vet(planner, value, family, indices, extents)
        trimmed = None
        if all(place is None or found is not None for place, found in zip(indices, steps, strict=True)):
            trimmed = _trimmed(planner, value, family, free, steps, extents, lengths)
        if trimmed is not None:
            value, steps, safe = *trimmed, True
    if any(place is not None and extent == 0 for place, extent in zip(indices, extents, strict=True)):
        return _nowhere(planner, indices, extents)
    regular = safe and all(place is None or found is not None for place, found in zip(indices, steps, strict=True))
    carried = regular and not any(index in free for each in moving for index in each)
    if carried:
        return _regular(planner, value, family, free, items, steps, moving, lengths, occupied, len(own.shape))
    occupied.add(None)
    return _irregular(planner, value, family, free, items, indices, extents, lengths, occupied.only, replaces)


def _trimmed(
    planner: Planner,
    value: Value,
    family: Sequence[Index],
    free: Sequence[Index],
    steps: Sequence[Even | None],
    extents: Sequence[int],
    lengths: dict[Index, int],
) -> tuple[Value, list[Even | None]] | None:
    """A part without the elements whose places lie outside, which are 0, where that is a range of each index.

    ``lengths`` changes with it. None where places outside depend on several indices, or on one of ``free``.
    """
    assert value.rep is not None
    ranges = {index: (0, lengths[index]) for index in family}
    for found, extent in zip(steps, extents, strict=True):
        if found is None:
            continue
        ways = [step * (lengths[index] - 1) for index, step in found.steps.items()]
        least, most = (found.start + sum(extreme(way, 0) for way in ways) for extreme in (min, max))
        if least >= 0 and most < extent:
            continue
        moving = [(index, step) for index, step in found.steps.items() if step]
        if len(moving) != 1 or moving[0][0] in free:
            return None
        ((index, step),) = moving
        # The first and the last of the numbers from which on, and up to which, the place lies inside.
        bounds = sorted((-found.start / step, (extent - 1 - found.start) / step))
        first, stop = ranges[index]
        ranges[index] = max(first, ceil(bounds[0])), min(stop, floor(bounds[1]) + 1)
    if any(first >= stop for first, stop in ranges.values()):
        return None
    parts = tuple(
        slice(None) if length == 1 else slice(*ranges[index]) for index, length in zip(family, value.rep, strict=False)
    )
    rep = tuple(len(range(length)[part]) for part, length in zip(parts, value.rep, strict=False))
    value = planner.view(value, (*parts, ...), rep + value.rep[len(parts) :])
    moved: list[Even | None] = [
        found and Even(found.start + sum(step * ranges[index][0] for index, step in found.steps.items()), found.steps)
        for found in steps
    ]
    lengths.update({index: stop - first for index, (first, stop) in ranges.items()})
    return value, moved


def _nowhere(planner: Planner, indices: Sequence[int | None], extents: Sequence[int]) -> tuple[Write, list[Value]]:
    """A part that goes to an axis without elements: whatever index there is lies outside."""
    for place, extent in zip(indices, extents, strict=True):
        if place is not None and not extent and 0 not in planner.full(place):
            checked(planner, place, extent)

    def write(out: Any, disjoint: bool, given: Sequence[Any]) -> None:
        pass

    return write, []


def vet(
    planner: Planner,
    value: Value,
    family: Sequence[Index],
    indices: Sequence[int | None],
    extents: Sequence[int],
) -> None:
    """Note what would go to places outside, unless it is 0, as it is where the element was not selected."""
    graph = planner.graph
    found = [
        (place, extent)
        for place, extent in zip(indices, extents, strict=True)
        if place is not None and not inside(planner, place, extent)
    ]
    owns = [graph.type(place).free for place, _ in found]
    where = [_placed(planner, planner.values[place], own, family) for (place, _), own in zip(found, owns, strict=True)]
    count = len(family)
    plain = [planner.values[place] for place, _ in found]
    moved = [checked(planner, place, extent) for place, extent in found]

    kinds = len(found)
    limits = [extent for _, extent in found]
    possible = all(limits)

    def run(faults: Faults, x: Any, *given: Any) -> int:
        # What lies inside has been left as it was; nothing lies inside an empty axis.
        if possible and all(map(is_, given[kinds : 2 * kinds], given[2 * kinds :])):
            return 0
        placed, plain = given[:kinds], given[kinds : 2 * kinds]
        if any(np.size(k) and (np.min(k) < 0 or np.max(k) >= n) for k, n in zip(placed, limits, strict=True)):
            masks = [np.less(k, 0) | np.greater_equal(k, n) for k, n in zip(placed, limits, strict=True)]
            weighs = np.not_equal(x, 0).any(axis=tuple(range(count, x.ndim)))
            for (place, extent), own, mask, values in zip(found, owns, masks, plain, strict=True):
                both: Any = np.broadcast_to(np.logical_and(weighs, mask), np.broadcast_shapes(weighs.shape, mask.shape))
                if both.any():
                    both = both.any(axis=tuple(at for at, index in enumerate(family) if index not in own))
                    kept = [index for index in family if index in own]
                    faults.note(OutOfRange(values, extent, place), both.transpose([kept.index(each) for each in own]))
        return 0

    planner.failing(run, [value, *where, *plain, *moved], None)


def _spread(planner: Planner, operand: int, family: Sequence[Index]) -> Value:
    """A value with an axis for each index of a family, in that order, of extent 1 where it does not depend on it."""
    own = planner.graph.type(operand)
    value = planner.padded(operand)
    assert value.rep is not None
    present = [index for index in family if index in own.free]
    order = [own.free.index(index) for index in present] + list(range(len(own.free), len(value.rep)))
    rep = tuple(value.rep[at] for at in order)
    if order != list(range(len(order))):
        value = planner.turn(value, order)
    if len(present) < len(family):
        index = tuple(slice(None) if each in present else None for each in family)
        axes = iter(rep)
        front = [next(axes) if each in present else 1 for each in family]
        value = planner.view(value, (*index, ...), (*front, *axes))
    return value


def _summed(
    planner: Planner, value: Value, family: Sequence[Index], idle: Sequence[Index], lengths: dict[Index, int], own: int
) -> Value:
    assert value.rep is not None
    axes = tuple(at for at, index in enumerate(family) if index in idle)
    times = 1
    for at in axes:
        if value.rep[at] != lengths[family[at]]:
            times *= lengths[family[at]]
    rep = tuple(extent for at, extent in enumerate(value.rep) if at not in axes)
    if planner.graph.type(planner.current).dtype == "bool":
        known = all(lengths[family[at]] for at in axes)
        return planner.emit(lambda x: np.asarray(x.any(axis=axes) & known), [value], rep)
    if any(lengths[family[at]] == 0 for at in axes):
        # Of nothing the sum is 0, also where the value is infinite.
        return planner.emit(lambda x: np.zeros(rep, x.dtype), [value], rep)
    return planner.emit(lambda x: x.sum(axis=axes) * times if times != 1 else x.sum(axis=axes), [value], rep)


def _regular(
    planner: Planner,
    value: Value,
    family: Sequence[Index],
    free: Sequence[Index],
    items: Sequence[Any],
    steps: Sequence[Any],
    moving: Sequence[dict[Index, int]],
    lengths: dict[Index, int],
    occupied: Occupied,
    own: int,
) -> tuple[Write, list[Value]]:
    """A part that goes to slices: each index on an axis of its own is one; what else moves a slice is looped over."""
    assert value.rep is not None
    # On every axis the index with most values is a slice; an index is one on a single axis. An index that moves an
    # earlier axis too is looped over, or two of its values could stand for one place.
    kept: dict[int, Index] = {}
    for axis, each in enumerate(moving):
        earlier = {index for before in kept for index in moving[before]}
        candidates = [index for index in each if index not in earlier]
        if candidates:
            kept[axis] = max(candidates, key=lambda index: (lengths[index], index.name))
    # Such as the diagonal `A[i, i]`, where one index moves two axes.
    slanted = any(
        index in kept.values() and index != kept.get(axis) for axis, each in enumerate(moving) for index in each
    )
    looped = [index for index in family if index not in free and index not in kept.values()]
    batch = len(free)
    # Axes of the value: looped ones first, then batch, then those of the array in its order.
    targets: list[int] = []
    slices = 0
    for axis, item in enumerate(items):
        if item is None:
            if axis in kept:
                targets.append(family.index(kept[axis]))
        else:
            targets.append(len(family) + slices)
            slices += 1
    targets += range(len(family) + slices, len(value.rep))
    order = [family.index(index) for index in looped] + list(range(batch)) + targets
    counts = [lengths[index] for index in looped]
    reps = [value.rep[family.index(index)] for index in looped]

    def region(offsets: Sequence[int], batch: int) -> tuple[Any, ...]:
        where: list[Any] = [slice(None)] * batch
        for axis, item in enumerate(items):
            if item is not None:
                where.append(_slice(*item))
                continue
            start = steps[axis].start
            for index, offset in zip(looped, offsets, strict=True):
                start += moving[axis].get(index, 0) * offset
            if axis in kept and not slanted:
                index = kept[axis]
                where.append(_slice(start, moving[axis][index], lengths[index]))
            else:
                where.append(start)
        # The dots keep a single element a view.
        return (*where, ...)

    def place(array: Any, where: tuple[Any, ...], batch: int) -> Any:
        view = array[where]
        if not slanted:
            return view
        axes = [(view.shape[axis], view.strides[axis]) for axis in range(batch)]
        sliced = iter(range(batch, view.ndim))
        for axis, item in enumerate(items):
            if item is not None:
                own = next(sliced)
                axes.append((view.shape[own], view.strides[own]))
            elif axis in kept:
                index = kept[axis]
                strides = (each.get(index, 0) * array.strides[batch + at] for at, each in enumerate(moving))
                axes.append((lengths[index], sum(strides)))
        axes += [(view.shape[own], view.strides[own]) for own in sliced]
        return np.lib.stride_tricks.as_strided(view, [n for n, _ in axes], [stride for _, stride in axes])

    places = list(np.ndindex(*counts))
    regions = [(region(offsets, batch), offsets) for offsets in places]
    occupied.add((lambda own: place(own, region(places[0], 0), 0)) if len(places) == 1 else None)

    def write(out: Any, disjoint: bool, given: Sequence[Any]) -> None:
        (x,) = given
        x = x.transpose(order)
        for where, offsets in regions:
            piece = x[tuple(0 if length == 1 else at for at, length in zip(offsets, reps, strict=True))]
            view = place(out, where, batch)
            if disjoint:
                view[...] = piece
            elif out.dtype == bool:
                view |= piece
            else:
                view += piece

    return write, [value]


def _irregular(
    planner: Planner,
    value: Value,
    family: Sequence[Index],
    free: Sequence[Index],
    items: Sequence[Any],
    indices: Sequence[int | None],
    extents: Sequence[int],
    lengths: dict[Index, int],
    only: bool,
    replaces: bool,
) -> tuple[Write, list[Value]]:
    """A part that goes to places that only the run knows, or that do not advance evenly: several may be the same."""
    assert value.rep is not None
    graph = planner.graph
    batch = len(free)
    # A number that is known takes its axis out, as long as there is another index.
    fixed = [constant(planner, place, extent) for place, extent in zip(indices, extents, strict=True)]
    if all(place is None or number is not None for place, number in zip(indices, fixed, strict=True)):
        fixed = [None] * len(items)
    basic: tuple[Any, ...] = (slice(None),) * batch
    for item, number in zip(items, fixed, strict=True):
        basic += (_slice(*item) if item is not None else slice(None) if number is None else number,)
    left = [axis for axis, number in enumerate(fixed) if number is None]
    picked = [axis for axis in left if items[axis] is None]
    order = [*range(batch), *(batch + left.index(axis) for axis in picked)]
    rest_items = [batch + at for at, axis in enumerate(left) if items[axis] is not None]
    places: list[Value] = []
    for axis, place in enumerate(indices):
        if place is not None and fixed[axis] is None:
            found = checked(planner, place, extents[axis])
            places.append(_placed(planner, found, graph.type(place).free, family))
    shape = tuple(lengths[index] for index in family)
    # An index that stands on an axis alone tells the places apart: none occurs twice.
    alone = set(free)
    for place, extent in zip(indices, extents, strict=True):
        # What lies outside is moved inside, to where another element may be.
        steps = even(planner, place) if place is not None and inside(planner, place, extent) else None
        moving = [index for index, step in steps.steps.items() if step] if steps is not None else []
        alone.update(moving if len(moving) == 1 else ())
    distinct = all(index in alone or lengths[index] < 2 for index in family)

    heads = (*planner.batch(free), *(extents[axis] for axis in picked))
    rows = [np.arange(lengths[index]).reshape((-1,) + (1,) * (len(family) - at - 1)) for at, index in enumerate(free)]
    reps = [each.shape for each in rows] + [place.rep or () for place in places]
    number = graph.type(planner.current).real
    full = number and distinct and np.broadcast_shapes(*reps) == shape
    counted = not distinct and not replaces and graph.type(planner.current).dtype != "bool"
    inverse = None
    line = len(places) == len(extents) == len(shape) == 1 and not free and value.rep == shape
    if counted and line and places[0].known:
        inverse = _inverse(planner.base[places[0].slot], *shape, *extents)
    if inverse is not None:
        # Each place once: what goes to it is read in order.
        def arrange(out: Any, disjoint: bool, given: Sequence[Any]) -> None:
            if disjoint:
                out[...] = given[0].take(inverse, axis=0)
            else:
                out += given[0].take(inverse, axis=0)

        return arrange, [value]
    if counted:
        # Parts that go to the same places look at these once.
        key = (shape, heads, *(place.slot for place in places))
        if key not in planner.scattered:
            planner.scattered[key] = planner.emit(scatter.places(shape, heads, rows), places, None)
        places = [planner.scattered[key]]

    def write(out: Any, disjoint: bool, given: Sequence[Any]) -> None:
        x, *where = given
        view = out[basic]
        axes = [*order, *rest_items, *range(batch + len(left), view.ndim)]
        view = view.transpose(axes)
        tail = view.shape[batch + len(picked) :]
        if disjoint:
            # Elements that are there are not added to.
            view[tuple([np.broadcast_to(each, shape) for each in (*rows, *where)])] = x
        elif full and only:
            # What is added to 0 is never -0.
            view[(*rows, *where)] = x + 0.0
        elif full:
            view[(*rows, *where)] += x
        elif distinct:
            # Indices that are numbers, or lack leading axes, name as many elements with fewer axes of extent 1.
            view[tuple([np.broadcast_to(each, shape) for each in (*rows, *where)])] += x
        elif counted:
            scatter.add_at(view, where[0], np.broadcast_to(x, shape + tail), tail)
        else:
            _mark(view, (*rows, *where), x, shape)

    return write, [value, *places]


def _inverse(places: Any, count: int, extent: int) -> Any:
    """Which of ``count`` elements goes to each place of an axis; None where some place has none, or several."""
    places = np.broadcast_to(places, count)
    if count != extent or len(np.unique(places)) != count:
        return None
    return np.argsort(places)


def _mark(view: Any, where: tuple[Any, ...], x: Any, shape: tuple[int, ...]) -> None:
    """``view[where] |= x``, several times faster than element by element: it is all the same how often one is true."""
    if x.ndim > len(shape):
        np.logical_or.at(view, where, x)
    else:
        chosen = np.broadcast_to(x, shape)
        view[tuple([np.broadcast_to(each, shape)[chosen] for each in where])] = True


def _placed(planner: Planner, value: Value, own: Sequence[Index], family: Sequence[Index]) -> Value:
    """An index array over the axes of a family."""
    if value.rep is None:
        return value
    rank = len(own)
    if len(value.rep) < rank:
        missing = rank - len(value.rep)
        value = planner.view(value, (None,) * missing + (...,), (1,) * missing + value.rep)
    assert value.rep is not None
    present = [index for index in family if index in own]
    order = [own.index(index) for index in present]
    rep = tuple(value.rep[at] for at in order)
    if order != list(range(len(order))):
        value = planner.turn(value, order)
    if len(present) < len(family):
        axes = iter(rep)
        full = tuple(next(axes) if index in present else 1 for index in family)
        value = planner.view(value, tuple(slice(None) if i in present else None for i in family), full)
    return value
