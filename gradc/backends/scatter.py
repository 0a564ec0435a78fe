"""Adds at places that only a run knows, where several elements may go to one place."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

# Fewer elements are added one by one; of sorted ones those of one place are summed in one piece, if so many or more
# meet there on average.
_FEW: Final = 512
_TOGETHER: Final = 16
# Up to so many columns are added one after the other.
_COLUMNS: Final = 64


class Places(NamedTuple):
    """Where elements go: a flat index for each, and, where equal ones stand together, at which each run starts."""

    flat: Any
    starts: Any
    heads: tuple[int, ...]


def places(shape: Sequence[int], heads: tuple[int, ...], rows: Sequence[Any]) -> Callable[..., Places]:
    """A function of indices that are spread over ``shape``; ``rows`` are further ones in front, known already.

    ``heads`` are the extents of the axes that all of these are indices of.
    """

    def run(*given: Any) -> Places:
        where = (*rows, *given)
        if len(where) == 1:
            flat = np.broadcast_to(where[0], shape).ravel()
        else:
            flat = np.broadcast_to(np.ravel_multi_index(np.broadcast_arrays(*where), heads), shape).ravel()
        starts = None
        if len(flat) >= _FEW and (flat[1:] >= flat[:-1]).all():
            cuts = np.flatnonzero(flat[1:] != flat[:-1])
            if len(cuts) * _TOGETHER < len(flat):
                starts = np.concatenate(([0], cuts + 1))
        return Places(flat, starts, heads)

    return run


def add_at(view: Any, where: Places, x: Any, tail: tuple[int, ...]) -> None:
    """``view[where] += x``, with elements that occur several times added as often; ``tail`` are the axes behind."""
    if not x.size:
        return
    flat, starts, heads = where
    width = math.prod(tail)
    columns = x.reshape(len(flat), width)
    if starts is not None:
        # NumPy's sums along contiguous memory are ten times faster than counting where each place waits for the last.
        summed = np.add.reduceat(columns, starts, axis=0)
        view[np.unravel_index(flat[starts], heads)] += summed.reshape(len(starts), *tail)
    elif x.dtype != np.float64 or width > _COLUMNS:
        np.add.at(view, np.unravel_index(flat, heads), columns.reshape(len(flat), *tail))
    else:
        # Counting with weights is several times faster than adding element by element.
        size = math.prod(heads)
        for column, place in enumerate(np.ndindex(*tail)):
            view[(..., *place)] += np.bincount(flat, columns[:, column], size).reshape(heads)
