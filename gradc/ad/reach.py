"""Which elements of an input every element of an array can depend on: rows of a sparse matrix, and who has which.

What moves elements moves only the numbers of their rows, so that an access, a broadcast or an elementwise function of
one operand costs no matrix. Everything else is proportional to the non-zeros that it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from gradc.errors import CallError, Diagnostic

Array = Any
"""A NumPy array."""
Matrix = Any
"""A sparse matrix of truth values, in rows (csr)."""

# What has more non-zeros is not sparse: 8 bytes each, and a few times that while it is made.
_LIMIT = 1 << 28


def library() -> Any:
    """The package for sparse matrices; raises ``CallError`` where it is missing."""
    try:
        import scipy.sparse
    except ImportError:
        message = "sparse derivatives need the package scipy, which is not installed"
        raise CallError(Diagnostic("E0643", message, hints=('install it: pip install "gradc[sparse]"',))) from None
    return scipy.sparse


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """``ids`` holds, for every element, the number of its row in ``rows``.

    An axis of ``ids`` of extent 1 is the same all along. The last row is empty, so that -1 is that of an element which
    depends on nothing.
    """

    rows: Matrix
    ids: Array

    def moved(self, ids: Array) -> Reach:
        """The same rows under other elements."""
        return Reach(self.rows, ids)


def identity(shape: Sequence[int]) -> Reach:
    """Every element of the input itself."""
    count = prod(shape)
    rows = matrix(np.ones(count, bool), np.arange(count), np.arange(count), (count + 1, count))
    return Reach(rows, np.arange(count).reshape(shape))


def matrix(data: Array, at: Array, column: Array, shape: tuple[int, int]) -> Matrix:
    """The matrix with these entries, of which those in one place are one."""
    made = library().csr_array((data, (at, column)), shape=shape, dtype=bool)
    made.sum_duplicates()
    return made


def closed(rows: Matrix) -> Matrix:
    """The rows with an empty one behind them."""
    end = np.append(rows.indptr, rows.indptr[-1:])
    return library().csr_array((rows.data, rows.indices, end), shape=(rows.shape[0] + 1, rows.shape[1]))


def check(count: float) -> None:
    """Raise ``CallError`` for so many non-zeros that a pattern makes no sense."""
    if count > _LIMIT:
        message = f"the pattern of this derivative would have more than {_LIMIT} non-zeros"
        hints = ("it is not sparse; `model.jvp` and `model.hvp` compute products with it",)
        raise CallError(Diagnostic("E0644", message, hints=hints))


def taken(reach: Reach, shape: Sequence[int]) -> Matrix:
    """The row of every element of an array of the shape, in order."""
    ids = np.broadcast_to(reach.ids, shape).ravel()
    lengths = np.diff(reach.rows.indptr)
    check(float(lengths[ids].sum()))
    ids = np.where(ids < 0, reach.rows.shape[0] - 1, ids)
    return reach.rows[ids]


def united(parts: Sequence[Reach]) -> Reach:
    """What depends on elements of several arrays that stand in one place; their axes are the same."""
    found = parts[0]
    for part in parts[1:]:
        found = _pair(found, part)
    return found


def _pair(left: Reach, right: Reach) -> Reach:
    if left is right or (left.rows is right.rows and _equal(left.ids, right.ids)):
        return left
    shape = np.broadcast_shapes(left.ids.shape, right.ids.shape)
    first, second = taken(left, shape), taken(right, shape)
    both = first + second
    both.sort_indices()
    # What holds the other already is kept: equal rows are found to be equal without a look later on.
    if both.nnz == first.nnz:
        return left.moved(np.broadcast_to(left.ids, shape))
    if both.nnz == second.nnz:
        return right.moved(np.broadcast_to(right.ids, shape))
    return Reach(closed(both), np.arange(prod(shape)).reshape(shape))


def _equal(left: Array, right: Array) -> bool:
    return left is right or (left.shape == right.shape and np.array_equal(left, right))


def along(reach: Reach, axes: Sequence[int]) -> Reach:
    """The union of the elements along axes, of which each is left with extent 1."""
    ids = reach.ids
    axes = [axis for axis in axes if ids.shape[axis] != 1]
    if not axes:
        return reach
    kept = tuple(1 if axis in axes else extent for axis, extent in enumerate(ids.shape))
    if not ids.size:
        return reach.moved(np.full(kept, -1))
    others = [axis for axis in range(ids.ndim) if axis not in axes]
    flat = ids.transpose((*others, *axes)).reshape(prod(kept), -1)
    count, width = flat.shape
    return summed(reach.rows, np.repeat(np.arange(count), width), flat.ravel(), kept)


def summed(rows: Matrix, targets: Array, sources: Array, shape: Sequence[int]) -> Reach:
    """An array of the shape in which element ``targets[k]`` depends on what row ``sources[k]`` does."""
    count = prod(shape)
    held = sources >= 0
    targets, sources = targets[held], sources[held]
    lengths = np.diff(rows.indptr)
    check(float(lengths[sources].sum()))
    if len(targets) <= count and (not len(targets) or np.bincount(targets, minlength=count).max() <= 1):
        ids = np.full(count, -1)
        ids[targets] = sources
        return Reach(rows, ids.reshape(shape))
    gathering = matrix(np.ones(len(targets), bool), targets, sources, (count, rows.shape[0]))
    found = gathering @ rows
    found.sort_indices()
    return Reach(closed(found), np.arange(count).reshape(shape))


def stacked(parts: Sequence[Reach]) -> tuple[Matrix, list[Array]]:
    """The rows of several arrays in one matrix, and the numbers of each array's elements there."""
    if all(part.rows is parts[0].rows for part in parts):
        return parts[0].rows, [part.ids for part in parts]
    rows = library().vstack([part.rows for part in parts], format="csr")
    offsets = np.cumsum([0, *(part.rows.shape[0] for part in parts)])
    ids = [np.where(part.ids < 0, -1, part.ids + at) for part, at in zip(parts, offsets, strict=False)]
    return rows, ids


def compact(reach: Reach) -> Reach:
    """The same without rows that no element has, where these are many."""
    ids, rows = reach.ids, reach.rows
    if rows.shape[0] <= 2 * ids.size + 16:
        return reach
    return Reach(closed(taken(reach, ids.shape)), np.arange(ids.size).reshape(ids.shape))
