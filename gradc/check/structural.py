"""The operators on whole arrays and on families, as functions of a node and its operands' values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from gradc.check.matrices import OF_MATRICES, product, stacked, system, triangular
from gradc.check.numbers import Unsuitable
from gradc.check.reductions import REDUCTIONS, along
from gradc.check.site import Site, boxed, scalar, whole
from gradc.ir import sizes as extents
from gradc.ir.types import Index


def structural(site: Site) -> Callable[..., Any]:
    """The function of its operands that a structural node is."""
    return partial(_STRUCTURAL.get(site.op, _by_table), site)


# Moving elements -----------------------------------------------------------------------------------------------------


def _access(site: Site, *values: Any) -> Any:
    free = site.type.free
    # What has no indices of families is by far the most frequent, and takes a tenth of the time.
    if not free and (part := _part(site, site.attrs["items"], values[0].shape, values[1:])) is not None:
        return values[0][part]
    shape = site.room(site.shape)
    array = site.along(0, values[0], free)
    indices = [site.along(at, values[at], free) for at in range(1, len(values))]
    if 0 in shape:
        return np.empty(shape, object)
    if array.size == 0:
        return np.full(shape, site.numbers.zero, object)
    mesh = _mesh(site, len(free), 0, array.shape, site.attrs["items"], indices, len(shape))
    return scalar(whole(array[mesh], shape))


def _part(site: Site, items: Any, shape: tuple[int, ...], indices: Sequence[int]) -> tuple[Any, ...] | None:
    """What selects the part of one array at single indices; None if an index lies outside or a slice is not simple."""
    found: list[Any] = []
    waiting = iter(indices)
    for item, extent in zip(items, shape, strict=False):
        if item is None:
            index = int(next(waiting))
            if not 0 <= index < extent:
                return None
            found.append(index)
            continue
        start, step, count = (extents.evaluate(part, site.evaluator.sizes) for part in item)
        if start < 0 or step < 1:
            return None
        found.append(slice(start, start + step * count, step))
    return tuple(found)


def _mesh(
    site: Site, free: int, over: int, array: tuple[int, ...], items: Any, indices: Sequence[Any], rank: int
) -> tuple[Any, ...]:
    """What a part of an array is read or written with, one array of integers an axis; they broadcast.

    The part has ``rank`` axes: those of the free indices, those of the indices ``over`` which parts are summed, one for
    each slice, and the array's further ones.
    """
    axes = [_along(np.arange(extent), at, rank) for at, extent in enumerate(array[:free])]
    at, waiting = free + over, iter(indices)
    for axis, extent in enumerate(array[free:]):
        item = items[axis] if axis < len(items) else (0, 1, extent)
        if item is None:
            # Where no element is selected, any will do.
            index = np.clip(np.asarray(next(waiting)).astype(int), 0, extent - 1)
            axes.append(index.reshape(index.shape + (1,) * (rank - index.ndim)))
            continue
        start, step, count = (extents.evaluate(part, site.evaluator.sizes) for part in item)
        axes.append(_along(start + step * np.arange(count), at, rank))
        at += 1
    return tuple(axes)


def _along(values: Any, axis: int, rank: int) -> Any:
    shape = [1] * rank
    shape[axis] = len(values)
    return values.reshape(shape)


def _assemble(site: Site, *values: Any) -> Any:
    type = site.type
    zero = site.numbers.zero if type.real else 0 if type.dtype == "int" else False
    return _added(site, values, np.full(site.room(site.shape), zero, object), 0)


def _accumulate(site: Site, *values: Any) -> Any:
    start = np.broadcast_to(site.along(0, values[0], site.type.free), site.room(site.shape))
    return _added(site, values, np.array(start), 1)


def _added(site: Site, values: Sequence[Any], found: Any, at: int) -> Any:
    """The array with the parts of an ``assemble`` added, whose operands begin at a position."""
    free = site.type.free
    # Truth values that meet are joined by `or`.
    truth = site.type.dtype == "bool"
    for items, over in site.attrs["parts"]:
        count = sum(item is None for item in items)
        if not free and not over:
            place = _part(site, items, found.shape, values[at + 1 : at + 1 + count])
            if place is not None:
                found[place] = found[place] | values[at] if truth else found[place] + values[at]
                at += 1 + count
                continue
        inner: tuple[Index, ...] = (*free, *over)
        value = site.along(at, values[at], inner)
        indices = [site.along(place, values[place], inner) for place in range(at + 1, at + 1 + count)]
        own = site.shapes[at]
        at += 1 + count
        part = site.room((*site.batch(inner), *own))
        if 0 in part or found.size == 0:
            continue
        value = np.broadcast_to(value, part)
        # The indices over which parts are summed are no axes of the array: they only repeat what is added.
        mesh = _mesh(site, len(free), len(over), found.shape, items, indices, len(part))
        kept = np.full(part, True)
        indexed = [extent for item, extent in zip(items, found.shape[len(free) :], strict=False) if item is None]
        for index, extent in zip(indices, indexed, strict=True):
            number = np.asarray(index).astype(int)
            number = number.reshape(number.shape + (1,) * (len(part) - number.ndim))
            kept = kept & (number >= 0) & (number < extent)
        places = tuple(np.broadcast_to(each, part)[kept] for each in mesh)
        if truth:
            np.logical_or.at(found, places, value[kept])
        else:
            np.add.at(found, places, value[kept])
    return scalar(found)


def _put(site: Site, *values: Any) -> Any:
    free = site.type.free
    shape = site.room(site.shape)
    found = np.array(np.broadcast_to(site.along(0, values[0], free), shape))
    if not free and (place := _part(site, site.attrs["items"], shape, values[2:])) is not None:
        found[place] = values[1]
        return found
    value = site.along(1, values[1], free)
    indices = [site.along(at, values[at], free) for at in range(2, len(values))]
    part = (*site.batch(free), *site.shapes[1])
    if 0 not in part and found.size:
        mesh = _mesh(site, len(free), 0, shape, site.attrs["items"], indices, len(part))
        found[tuple(np.broadcast_to(each, part) for each in mesh)] = np.broadcast_to(value, part)
    return found


def _tabulate(site: Site, value: Any) -> Any:
    inner = (*site.type.free, *site.attrs["indices"])
    return whole(site.along(0, value, inner), site.room((*site.batch(inner), *site.shapes[0])))


def _sum(site: Site, value: Any) -> Any:
    over, free = site.attrs.get("over", ()), site.type.free
    inner = (*free, *over)
    # A value that lacks an index counts as often as the index has values.
    value = whole(site.along(0, value, inner), site.room((*site.batch(inner), *site.shapes[0])))
    axes = (*range(len(free), len(inner)), *(len(inner) + axis for axis in site.attrs.get("axes", ())))
    if value.size == 0:
        shape = tuple(extent for axis, extent in enumerate(value.shape) if axis not in axes)
        return scalar(np.full(shape, site.numbers.zero if site.type.real else 0, object))
    if site.type.real:
        value = site.numbers.moved_all(value)
    return scalar(np.add.reduce(value, axis=axes))


def _broadcast(site: Site, value: Any) -> Any:
    front = len(site.type.free)
    value = site.along(0, value, site.type.free)
    missing = len(site.type.shape) - len(site.types[0].shape)
    value = value.reshape(value.shape[:front] + (1,) * missing + value.shape[front:])
    return whole(value, site.room(site.shape))


def _reshape(site: Site, value: Any) -> Any:
    return scalar(boxed(value).reshape(site.shape))


def _transpose(site: Site, value: Any) -> Any:
    count = len(site.type.free)
    return boxed(value).transpose(*range(count), *(count + axis for axis in site.attrs["order"]))


def _demand(site: Site, value: Any, *conditions: Any) -> Any:
    return scalar(whole(site.along(0, value, site.type.free), site.shape))


# Matrices ------------------------------------------------------------------------------------------------------------


def _triangle(site: Site, value: Any) -> Any:
    return triangular(boxed(value), site.attrs["lower"], site.attrs["offset"], site.numbers.zero)


def _matmul(site: Site, a: Any, b: Any) -> Any:
    free = site.type.free
    ranks = [len(type.shape) for type in site.types]
    found = product(site.numbers, len(free), ranks, site.along(0, a, free), site.along(1, b, free))
    return scalar(whole(found, site.shape))


def _solve(site: Site, a: Any, b: Any) -> Any:
    free = site.type.free
    ranks = [len(type.shape) for type in site.types]
    found = system(site.numbers, site.attrs, len(free), ranks, site.along(0, a, free), site.along(1, b, free))
    return whole(found, site.shape)


def _by_table(site: Site, *values: Any) -> Any:
    """What acts along axes, and what acts on matrices."""
    op, free, numbers = site.op, site.type.free, site.numbers
    if op in OF_MATRICES:
        given = [numbers.moved_all(site.along(at, value, free)) for at, value in enumerate(values)]
        return scalar(whole(stacked(lambda *x: OF_MATRICES[op](numbers, *x), *given), site.shape))
    first = len(free)
    given = [
        whole(site.along(at, value, free), (*site.batch(free), *site.shapes[at])) for at, value in enumerate(values)
    ]
    if op in REDUCTIONS:
        axes = site.attrs.get("axes", (site.attrs["axis"],) if "axis" in site.attrs else ())
        return scalar(REDUCTIONS[op](numbers, given[0], tuple(first + axis for axis in axes)))
    found = along(op)
    if found is None or not site.types[0].shape:
        raise Unsuitable(op)
    return found(numbers, first + site.attrs["axis"], site.attrs.get("reverse", False), *given)


_STRUCTURAL: Final[Mapping[str, Callable[..., Any]]] = {
    "access": _access, "assemble": _assemble, "accumulate": _accumulate, "put": _put, "tabulate": _tabulate,
    "sum": _sum, "broadcast": _broadcast, "reshape": _reshape, "transpose": _transpose, "demand": _demand,
    "triangle": _triangle, "matmul": _matmul, "solve": _solve, "triangular_solve": _solve,
}  # fmt: skip
