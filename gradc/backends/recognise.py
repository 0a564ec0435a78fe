"""What a reader would call a node that is made of items and parts: a slice, joined arrays, an array that is padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.ir import sizes
from gradc.ir.sizes import Dim


def bounds(start: Dim, step: Dim, count: Dim, end: Dim) -> tuple[Dim | None, Dim | None, int] | None:
    """Start, stop and step of a slice of an axis with the extent ``end``, None for a bound that need not be written.

    None for a step that is no number.
    """
    if not isinstance(step, int):
        return None
    if step < 0:
        stop = start + step * count
        whole = count == sizes.divide(start - step, -step) or (isinstance(stop, int) and stop < 0)
        return (None if start == end - 1 else start), (None if whole else stop), step
    whole = sizes.divide(end - start + step - 1, step) == count
    return (None if start == 0 else start), (None if whole else start + step * (count - 1) + 1), step


def joined(items: Sequence[Any], dims: Sequence[Dim]) -> int | None:
    """The axis along which slices fill an array, one behind the other."""
    if len(items) < 2 or any(len(each) != len(dims) or None in each for each in items):
        return None
    for axis, whole in enumerate(dims):
        start: Dim = 0
        for each in items:
            others = (k == axis or each[k] == (0, 1, dim) for k, dim in enumerate(dims))
            if not all(others) or each[axis][0] != start or each[axis][1] != 1:
                break
            start = start + each[axis][2]
        else:
            if start == whole:
                return axis
    return None


def padded(items: Sequence[Any], dims: Sequence[Dim]) -> tuple[Dim, Dim, list[int]] | None:
    """How many elements stand before and behind the only part, the same along all the axes where there are any."""
    if len(items) != 1 or len(items[0]) != len(dims) or None in items[0]:
        return None
    around: set[tuple[Dim, Dim]] = set()
    axes = []
    for axis, ((start, step, count), dim) in enumerate(zip(items[0], dims, strict=True)):
        if step != 1:
            return None
        if count != dim:
            around.add((start, dim - count - start))
            axes.append(axis)
    if len(around) != 1:
        return None
    ((before, after),) = around
    return before, after, axes


__all__ = ["bounds", "joined", "padded"]
