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
"""A SciPy matrix of truth values, in rows (csr)."""

# What has more non-zeros is not sparse: 8 bytes each, and a few times that while it is made.
_LIMIT = 1 << 28
# So many are sorted in less time than SciPy needs to begin a product of matrices.
_FEW = 1 << 12


def library() -> Any:
    """The package for sparse matrices; raises ``CallError`` where it is missing."""
    try:
        import scipy.sparse
    except ImportError:
        message = "sparse derivatives need the package scipy, which is not installed"
        raise CallError(Diagnostic("E0643", message, hints=('install it: pip install "gradc[sparse]"',))) from None
    return scipy.sparse


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The columns of every row, ascending, behind one another; ``indptr`` says where each row begins, as in a csr.

    SciPy's own arrays cost more to make than most that is done with rows in the body of a loop.
    """

    indptr: Array
    indices: Array
    columns: int

    @classmethod
    def of(cls, found: Matrix) -> Rows:
        """The rows of a matrix."""
        if not found.has_sorted_indices:
            found.sort_indices()
        return cls(found.indptr.astype(np.int64), found.indices, found.shape[1])

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.indptr) - 1

    @property
    def lengths(self) -> Array:
        """How many columns each row has."""
        return self.indptr[1:] - self.indptr[:-1]

    def matrix(self) -> Matrix:
        """As a sparse matrix."""
        data = np.ones(len(self.indices), bool)
        made = library().csr_array((data, self.indices, self.indptr), shape=(self.count, self.columns))
        made.has_sorted_indices = True
        return made

    def picked(self, numbers: Array) -> Rows:
        """Some of the rows, in any order."""
        starts = self.indptr[numbers]
        lengths = self.indptr[numbers + 1] - starts
        ends = np.zeros(len(numbers) + 1, np.int64)
        np.cumsum(lengths, out=ends[1:])
        check(int(ends[-1]))
        at = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)
        return Rows(ends, self.indices[at], self.columns)

    def closed(self) -> Rows:
        """The rows with an empty one behind them."""
        return Rows(np.append(self.indptr, self.indptr[-1]), self.indices, self.columns)


def empty(columns: int) -> Rows:
    """One row of what depends on nothing."""
    return Rows(np.zeros(2, np.int64), np.zeros(0, np.int32), columns)


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """``ids`` holds, for every element, the number of its row in ``rows``.

    An axis of ``ids`` of extent 1 is the same all along. The last row is empty, so that -1 is that of an element which
    depends on nothing.
    """

    rows: Rows
    ids: Array

    def moved(self, ids: Array) -> Reach:
        """The same rows under other elements."""
        return Reach(self.rows, ids)


def identity(shape: Sequence[int]) -> Reach:
    """Every element of the input itself."""
    count = prod(shape)
    ends = np.append(np.arange(count + 1), count)
    return Reach(Rows(ends, np.arange(count, dtype=np.int32), count), np.arange(count).reshape(shape))


def check(count: float) -> None:
    """Raise ``CallError`` for so many non-zeros that a pattern makes no sense."""
    if count > _LIMIT:
        message = f"the pattern of this derivative would have more than {_LIMIT} non-zeros"
        hints = ("it is not sparse; `model.jvp` and `model.hvp` compute products with it",)
        raise CallError(Diagnostic("E0644", message, hints=hints))


def _all(reach: Reach, shape: Sequence[int]) -> Rows:
    ids = np.broadcast_to(reach.ids, shape).ravel()
    return reach.rows.picked(np.where(ids < 0, reach.rows.count - 1, ids))


def taken(reach: Reach, shape: Sequence[int]) -> Matrix:
    """The row of every element of an array of the shape, in order."""
    return _all(reach, shape).matrix()


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
    count = prod(shape)
    if _size(left, shape) + _size(right, shape) > _FEW:
        both = Reach(Rows.of(taken(left, shape) + taken(right, shape)).closed(), np.arange(count).reshape(shape))
    else:
        rows, numbers = stacked([left, right])
        sources = np.concatenate([np.broadcast_to(ids, shape).ravel() for ids in numbers])
        both = summed(rows, np.tile(np.arange(count), 2), sources, shape)
    # What holds the other already is kept: equal rows are found to be equal without a look later on.
    total = _size(both, shape)
    for each in (left, right):
        if _size(each, shape) == total:
            return each.moved(np.broadcast_to(each.ids, shape))
    return both


def _size(reach: Reach, shape: Sequence[int]) -> int:
    ids = reach.ids
    repeats: int = prod(shape) // max(ids.size, 1)
    return int(reach.rows.lengths[ids].sum()) * repeats


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


def summed(rows: Rows, targets: Array, sources: Array, shape: Sequence[int]) -> Reach:
    """An array of the shape in which element ``targets[k]`` depends on what row ``sources[k]`` does."""
    count = prod(shape)
    held = sources >= 0
    targets, sources = targets[held], sources[held]
    total = int(rows.lengths[sources].sum())
    check(total)
    if len(targets) <= count and (not len(targets) or np.bincount(targets, minlength=count).max() <= 1):
        ids = np.full(count, -1)
        ids[targets] = sources
        return Reach(rows, ids.reshape(shape))
    if total <= _FEW:
        parts = rows.picked(sources)
        keys = np.unique(np.repeat(targets, parts.lengths) * rows.columns + parts.indices)
        ends = np.searchsorted(keys, np.arange(count + 1) * rows.columns)
        found = Rows(ends, (keys % max(rows.columns, 1)).astype(np.int32), rows.columns)
    else:
        entries = (np.ones(len(targets), bool), (targets, sources))
        gathering = library().csr_array(entries, shape=(count, rows.count), dtype=bool)
        gathering.sum_duplicates()
        found = Rows.of(gathering @ rows.matrix())
    return Reach(found.closed(), np.arange(count).reshape(shape))


def stacked(parts: Sequence[Reach]) -> tuple[Rows, list[Array]]:
    """The rows of several arrays in one table, and the numbers of each array's elements there."""
    if all(part.rows is parts[0].rows for part in parts):
        return parts[0].rows, [part.ids for part in parts]
    offsets = np.cumsum([0, *(part.rows.count for part in parts)])
    starts = np.cumsum([0, *(len(part.rows.indices) for part in parts)])
    ends = [part.rows.indptr[1:] + start for part, start in zip(parts, starts, strict=False)]
    rows = Rows(
        np.concatenate([starts[:1], *ends]),
        np.concatenate([part.rows.indices for part in parts]),
        parts[0].rows.columns,
    )
    ids = [np.where(part.ids < 0, -1, part.ids + at) for part, at in zip(parts, offsets, strict=False)]
    return rows, ids


def compact(reach: Reach) -> Reach:
    """The same without rows that no element has, where these are many."""
    ids = reach.ids
    if reach.rows.count <= 2 * ids.size + 16:
        return reach
    return Reach(_all(reach, ids.shape).closed(), np.arange(ids.size).reshape(ids.shape))


def axis_of(count: int, at: int, rank: int, start: int = 0, step: int = 1) -> Array:
    """Places along an axis, as an array that varies along that axis of so many."""
    shape = [1] * rank
    shape[at] = count
    return (start + step * np.arange(count)).reshape(shape)
