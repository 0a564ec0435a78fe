"""Plans reads of arrays at indices: as strided views where the indices advance evenly, else as gathers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gradc.backends import kernels
from gradc.backends.faults import Faults, OutOfRange
from gradc.backends.loops import DTYPES
from gradc.ir.types import Index

if TYPE_CHECKING:
    from gradc.backends.emitting import Value
    from gradc.backends.planner import Planner

# A shorter row is copied faster than NumPy is told to take it.
_SHORT: Final = 1 << 11


@dataclass(frozen=True)
class Even:
    """An index that advances evenly: ``start`` plus ``step[index]`` for each step of a free index."""

    start: int
    steps: dict[Index, int]


def even(planner: Planner, node: int) -> Even | None:
    """The steps of an index that is known while planning; None for one that is not, or does not advance evenly."""
    value = planner.values[node]
    if not value.known:
        return None
    found = planner.base[value.slot]
    free = planner.graph.type(node).free
    if value.rep is None:
        return Even(int(found), {})
    array = found.reshape((1,) * (len(free) - found.ndim) + found.shape)
    if not array.size:
        return None
    origin = (0,) * array.ndim
    start = int(array[origin])
    expected = np.full((1,) * array.ndim, start)
    steps: dict[Index, int] = {}
    for axis, index in enumerate(free):
        length = array.shape[axis]
        if length < 2:
            continue
        place = (*origin[:axis], 1, *origin[axis + 1 :])
        step = int(array[place]) - start
        steps[index] = step
        shape = [1] * array.ndim
        shape[axis] = length
        expected = expected + (step * np.arange(length)).reshape(shape)
    return Even(start, steps) if np.array_equal(np.broadcast_to(expected, array.shape), array) else None


def inside(planner: Planner, node: int, extent: int) -> bool | None:
    """Whether an index lies within its axis for all values; None where only the run can tell."""
    value = planner.values[node]
    if not value.known:
        return None
    found = np.asarray(planner.base[value.slot])
    return not found.size or bool(found.min() >= 0 and found.max() < extent)


def constant(planner: Planner, node: int | None, extent: int) -> int | None:
    """The number that an index is, where it is known while planning and lies within its axis."""
    if node is None or planner.values[node].rep is not None or not inside(planner, node, extent):
        return None
    return int(planner.base[planner.values[node].slot])


def _beyond(index: Any, extent: int) -> bool:
    """Whether any of the indices lies outside an axis. Negative ones are the largest without their sign."""
    return bool(index.size and index.view(np.uint64).max() >= extent)


def checked(planner: Planner, node: int, extent: int) -> Value:
    """An index of which the elements that lie outside the axis are noted and moved inside.

    Where none does, the result of a run is the very array that the index is.
    """
    value = planner.values[node]
    if inside(planner, node, extent):
        return value
    last = max(extent - 1, 0)
    # Whoever has looked at the same array before has found what there is to find.
    known = planner.vetted.get((value.slot, extent)) if value.rep is not None else None
    lenient = planner.graph.attrs(planner.current).get("lenient")
    if lenient and known is not None:
        return known
    if lenient and value.rep is None:
        return planner.emit(Clipped(last), [value], None)

    def clipped(index: Any) -> Any:
        return np.clip(index, 0, last) if _beyond(index, extent) else index

    def array(found: Faults, index: Any, same: Any = None) -> Any:
        if same is not index and _beyond(index, extent):
            found.note(OutOfRange(index, extent, node), (index < 0) | (index >= extent))
            return np.clip(index, 0, last)
        return index

    if lenient:
        made = planner.emit(clipped, [value], value.rep)
    elif value.rep is None:
        made = planner.failing(Inside(extent, node), [value], None)
    else:
        made = planner.failing(array, [value] if known is None else [value, known], value.rep)
    if not made.known:
        planner.fresh.discard(made.slot)
        planner.views[made.slot] = value.slot
        made = replace(made, root=value.root)
    if extent and value.rep is not None and not made.known:
        planner.vetted[value.slot, extent] = made
    return made


class Inside:
    """An index that is a single number, if it lies inside an axis."""

    def __init__(self, extent: int, node: int) -> None:
        self.extent = extent
        self.node = node

    def __call__(self, found: Faults, index: Any) -> Any:
        """The index; 0 for one that does not."""
        if 0 <= index < self.extent:
            return index
        found.note(OutOfRange(index, self.extent, self.node), True)
        return 0

    def spelled(self, target: str, operands: Sequence[str]) -> list[str]:
        """As source."""
        return [f"if not 0 <= {operands[1]} < {self.extent}: raise Left", f"{target} = {operands[1]}"]


class Clipped:
    """An index that is a single number, moved inside an axis."""

    def __init__(self, last: int) -> None:
        self.last = last

    def __call__(self, index: Any) -> Any:
        """The nearest index that there is."""
        return min(max(index, 0), self.last)

    def spelled(self, target: str, operands: Sequence[str]) -> list[str]:
        """As source."""
        (index,) = operands
        return [f"{target} = 0 if {index} < 0 else {index} if {index} < {self.last} else {self.last}"]


# Access --------------------------------------------------------------------------------------------------------------


def access(planner: Planner, node: int) -> Value:
    """The elements that an ``access`` node reads."""
    graph = planner.graph
    array, *places = graph.operands(node)
    own = graph.type(array)
    free = graph.type(node).free
    items = list(planner._plain(graph.attrs(node)["items"]))
    items += [(0, 1, extent) for extent in planner.concrete(own.shape[len(items) :])]
    extents = planner.concrete(own.shape)
    value = planner.padded(array)
    assert value.rep is not None
    count = len(own.free)
    if any(extent == 0 for item, extent in zip(items, extents, strict=True) if item is None):
        # Nothing can be read of an empty axis: every element that is selected is outside.
        return _nothing(planner, node, places, extents, items)
    given = iter(places)
    indices = [next(given) if item is None else None for item in items]
    evens = [None if place is None else even(planner, place) for place in indices]
    safe = all(place is None or inside(planner, place, e) for place, e in zip(indices, extents, strict=True))
    if safe and all(place is None or found is not None for place, found in zip(indices, evens, strict=True)):
        plain = _plain_view(planner, value, own.free, free, items, evens, extents)
        if plain is not None:
            return plain
        return _strided(planner, value, own.free, free, items, evens)
    return _gather(planner, node, value, count, items, indices, extents)


def _nothing(planner: Planner, node: int, places: Sequence[int], extents: Sequence[int], items: Sequence[Any]) -> Value:
    type = planner.graph.type(node)
    shape = planner.full(node)
    for place, extent in zip(places, [e for e, i in zip(extents, items, strict=True) if i is None], strict=True):
        if extent == 0 and np.prod(shape) > 0:
            planner.failing(partial(_outside, place), [planner.values[place]], None)
    return planner.keep(np.zeros(shape, DTYPES[type.dtype]) if shape else DTYPES[type.dtype](0), shape or None)


def _outside(place: int, found: Faults, index: Any) -> Any:
    found.note(OutOfRange(index, 0, place), True)
    return 0


def _plain_view(
    planner: Planner,
    value: Value,
    before: Sequence[Index],
    free: Sequence[Index],
    items: Sequence[Any],
    evens: Sequence[Even | None],
    extents: Sequence[int],
) -> Value | None:
    """A basic index and an order of axes, where each index stands on one axis alone."""
    assert value.rep is not None
    count = len(before)
    basic: list[Any] = [slice(None)] * count
    # What each remaining axis is: a free index, or None for a slice.
    axes: list[Index | None] = list(before)
    rep = list(value.rep[:count])
    for axis, (item, found) in enumerate(zip(items, evens, strict=True)):
        length = value.rep[count + axis]
        repeated = length != extents[axis]
        if item is not None:
            start, step, number = item
            basic.append(slice(None) if repeated else _part(start, step, number, length))
            axes.append(None)
            rep.append(1 if repeated else number)
            continue
        assert found is not None
        moving = {index: step for index, step in found.steps.items() if step}
        if repeated or not moving:
            basic.append(0 if repeated else found.start)
            continue
        if len(moving) > 1 or next(iter(moving)) in axes:
            return None
        ((index, step),) = moving.items()
        (number,) = planner.batch([index])
        basic.append(_part(found.start, step, number, length))
        axes.append(index)
        rep.append(number)
    order = [axes.index(index) for index in free if index in axes]
    order += [at for at, index in enumerate(axes) if index is None]
    shape = tuple(rep)
    if any(part != slice(None) for part in basic):
        value = planner.view(value, tuple(basic), shape) if basic else value
        if not shape:
            return _number(planner, value)
    if order != list(range(len(order))):
        value = planner.turn(value, order)
        shape = value.rep or ()
    lacking = [index for index in free if index not in axes]
    if lacking:
        # An index of one value, or of an axis along which all is the same.
        spread = tuple(None if index in lacking else slice(None) for index in free)
        sizes = iter(shape)
        full = [1 if index in lacking else next(sizes) for index in free]
        value = planner.view(value, (*spread, ...), (*full, *sizes))
    return value


def _number(planner: Planner, value: Value) -> Value:
    """A single element as a Python number, unless it is single precision."""
    return planner.emit(lambda x: x if isinstance(x, np.float32) else x.item(), [replace(value, rep=())], None)


def _slice(start: int, step: int, number: int) -> slice:
    if number == 0:
        return slice(0, 0)
    stop = start + step * (number - 1) + (1 if step > 0 else -1)
    return slice(start, None if stop < 0 else stop, step)


def _part(start: int, step: int, number: int, length: int) -> slice:
    """A slice of an axis; one of the whole axis, in its order, leaves it alone."""
    return slice(None) if (start, step, number) == (0, 1, length) else _slice(start, step, number)


def _strided(
    planner: Planner,
    value: Value,
    before: Sequence[Index],
    free: Sequence[Index],
    items: Sequence[Any],
    evens: Sequence[Even | None],
) -> Value:
    """A view whose strides are sums: windows ``x[i + j]``, diagonals ``A[i, i]``."""
    assert value.rep is not None
    count = len(before)
    origin: list[Any] = [slice(None)] * count
    moves: list[tuple[int, dict[Index, int]]] = []
    sliced: list[tuple[int, int]] = []
    at = count
    for axis, (item, found) in enumerate(zip(items, evens, strict=True)):
        length = value.rep[count + axis]
        if item is not None:
            origin.append(_slice(*item) if length > 1 else slice(None))
            sliced.append((at, min(length, item[2]) if length > 1 else item[2] and 1))
        else:
            assert found is not None
            origin.append(slice(found.start if length > 1 else 0, None))
            moves.append((at, found.steps if length > 1 else {}))
        at += 1
    origin_index = tuple(origin)
    shape = (*planner.batch(free), *(number for _, number in sliced))
    own = list(before)

    def run(x: Any) -> Any:
        base = x[origin_index]
        strides = []
        for index in free:
            stride = base.strides[own.index(index)] if index in own and base.shape[own.index(index)] > 1 else 0
            for axis, steps in moves:
                stride += steps.get(index, 0) * base.strides[axis]
            strides.append(stride)
        strides += [base.strides[axis] for axis, _ in sliced]
        return np.lib.stride_tricks.as_strided(base, shape, strides, writeable=False)

    return planner.emit(run, [value], shape, view=True, repeats=True)


def _gather(
    planner: Planner,
    node: int,
    value: Value,
    count: int,
    items: Sequence[Any],
    indices: Sequence[int | None],
    extents: Sequence[int],
) -> Value:
    """The elements at indices that are known only as the program runs, or that advance unevenly."""
    assert value.rep is not None
    graph = planner.graph
    free = graph.type(node).free
    before = graph.type(graph.operands(node)[0]).free
    # Slices and numbers first; then the axes that are indexed stand in front, behind those of free indices.
    basic: list[Any] = [slice(None)] * count
    shape = list(value.rep[:count])
    picked, rest = list(range(count)), []
    numbers = [constant(planner, place, extent) for place, extent in zip(indices, extents, strict=True)]
    varied = [place if number is None else None for place, number in zip(indices, numbers, strict=True)]
    if not any(place is not None for place in varied):
        varied = list(indices)
    lengths: dict[int, int] = {}
    for axis, (item, number, extent) in enumerate(zip(items, numbers, extents, strict=True)):
        length = value.rep[count + axis]
        if item is None and varied[axis] is None:
            basic.append(number if length == extent else 0)
        elif item is None:
            lengths[axis] = length
            basic.append(slice(None))
            picked.append(len(shape))
            shape.append(length)
        else:
            repeated = length != extent
            start, step, number = item
            basic.append(slice(None) if repeated else _part(start, step, number, length))
            rest.append(len(shape))
            shape.append(1 if repeated else number)
    if any(part != slice(None) for part in basic):
        value = planner.view(value, tuple(basic), tuple(shape))
    order = [*picked, *rest]
    tail = tuple(shape[axis] for axis in rest)
    if order != list(range(len(order))):
        value = planner.turn(value, order)
    places: list[Value] = []
    for axis, index in enumerate(before):
        length = shape[axis]
        position = free.index(index)
        steps = np.arange(length).reshape((length,) + (1,) * (len(free) - position - 1))
        places.append(planner.keep(steps if length != 1 else np.zeros((1,) * (len(free) - position), int), steps.shape))
    for axis, place in enumerate(varied):
        if place is None:
            continue
        found = checked(planner, place, extents[axis])
        if lengths[axis] != extents[axis]:
            # All elements along the axis are the same one; the index only says where it is outside.
            found = planner.emit(lambda k: k * 0, [found], found.rep)
        places.append(planner.align(found, 0, graph.type(place).free, free))
    rep = np.broadcast_shapes(*[place.rep or () for place in places])
    # Leading axes of extent 1 are missing in all indices.
    final = (1,) * (len(free) - len(rep)) + rep + tail
    if not final:
        return planner.emit(Element(graph.type(node).dtype), [value, *places], None)
    run: Callable[..., Any] = kernels.take if len(places) == 1 else _pick
    if len(places) == 1 and not rep and prod(tail) < _SHORT:
        run = _Row()
    made = planner.emit(run, [value, *places], rep + tail)
    if len(final) > len(rep + tail):
        made = planner.view(made, (None,) * (len(free) - len(rep)) + (...,), final)
    return made


class Element:
    """The element of an array at indices that are single numbers, and lie inside."""

    def __init__(self, dtype: str) -> None:
        # Single precision exists in NumPy only.
        self.text = "{0}[{1}]" if dtype == "f32" else "{0}.item({1})"
        self.single = dtype == "f32"

    def __call__(self, array: Any, *indices: Any) -> Any:
        """The element, as a Python number unless it is single precision."""
        return array[indices] if self.single else array.item(*indices)

    def spelled(self, target: str, operands: Sequence[str]) -> list[str]:
        """As source."""
        return [f"{target} = {self.text.format(operands[0], ', '.join(operands[1:]))}"]


class _Row:
    """The row of an array at an index that is a single number, and lies inside."""

    def __call__(self, array: Any, index: Any) -> Any:
        return array[index].copy()

    def spelled(self, target: str, operands: Sequence[str]) -> list[str]:
        """As source."""
        array, index = operands
        return [f"{target} = {array}[{index}].copy()"]


def _pick(array: Any, *indices: Any) -> Any:
    return array[indices]
