"""In which order the axes of arrays stand in memory, as far as a plan knows: outermost first.

NumPy's inner loops run along the innermost axis, so an array with a short last axis is better laid out with a long axis
there; what is computed from it follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Order = tuple[int, ...]


def plain(rank: int) -> Order:
    """The order of new arrays."""
    return tuple(range(rank))


def sorted_axes(strides: Sequence[int], shape: Sequence[int]) -> Order:
    """The order that strides give; an axis of one element stands where it changes least."""
    keys: list[int] = []
    for stride, extent in zip(reversed(strides), reversed(shape), strict=True):
        keys.insert(0, abs(stride) if extent > 1 else keys[0] if keys else 0)
    return tuple(sorted(range(len(shape)), key=lambda axis: (-keys[axis], axis)))


def followed(run: Callable[[Any], Any], shape: Sequence[int], order: Order) -> Order:
    """The order of the view that ``run`` makes of an array with that shape and order."""
    strides = [0] * len(shape)
    step = 8
    for axis in reversed(order):
        strides[axis] = step
        step *= max(shape[axis], 1)
    # Only strides are looked at, never an element.
    made = run(np.lib.stride_tricks.as_strided(np.zeros(1), shape, strides, writeable=False))
    return sorted_axes(made.strides, made.shape)


def inverse(order: Order) -> Order:
    """The axes of a view in plain order of an array that is laid out as its memory is."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))
