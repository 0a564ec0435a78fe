"""Colours for the columns of a sparse matrix: columns of one colour share a sweep, and every non-zero can be told.

For a Jacobian columns of one colour have no row in common (A. Curtis, M. Powell and J. Reid, "On the estimation of
sparse Jacobian matrices", 1974; T. Coleman and J. Moré, 1983). For a symmetric matrix a star colouring asks less: a
non-zero may be read off either of its two places (A. Gebremedhin, F. Manne and A. Pothen, "What color is your
Jacobian?", SIAM Review 47, 2005; the stars are kept as in Gebremedhin, Tarafdar, Manne and Pothen, "New acyclic and
star coloring algorithms", SIAM J. Sci. Comput. 29, 2007).

Both are greedy. Sets of colours are integers, a bit for a colour, so that the time is proportional to the non-zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

Array = Any
Matrix = Any


def columns(pattern: Matrix) -> Array:
    """A colour for each column; two columns with a non-zero in one row have different ones."""
    by_column = pattern.tocsc()
    counts = np.diff(by_column.indptr)
    least = int(np.diff(pattern.indptr).max(initial=0))
    if least == pattern.shape[1]:
        # Some row has them all.
        return np.arange(pattern.shape[1])
    indptr, indices = by_column.indptr.tolist(), by_column.indices.tolist()
    height = pattern.shape[0]
    return _best(counts, least, lambda order: _distance_one(order, indptr, indices, height))


def _distance_one(order: Sequence[int], indptr: list[int], indices: list[int], height: int) -> list[int]:
    taken = [0] * height
    colours = [0] * len(order)
    for column in order:
        rows = indices[indptr[column] : indptr[column + 1]]
        used = 0
        for row in rows:
            used |= taken[row]
        # The lowest bit that is not set.
        bit = ~used & (used + 1)
        for row in rows:
            taken[row] |= bit
        colours[column] = bit.bit_length() - 1
    return colours


def star(pattern: Matrix) -> Array:
    """A colour for each column of a symmetric pattern, such that any path of four columns has three colours.

    Then of the non-zeros at (i, j) and (j, i) one at least stands alone in its row among the columns of its colour.
    """
    counts = np.diff(pattern.indptr)
    if int(counts.min(initial=0)) == pattern.shape[1]:
        return np.arange(pattern.shape[1])
    indptr, indices = pattern.indptr.tolist(), pattern.indices.tolist()
    return _best(counts, 0, lambda order: _star(order, indptr, indices))


def _star(order: Sequence[int], indptr: list[int], indices: list[int]) -> list[int]:
    count = len(order)
    colours = [-1] * count
    # Of a column: the colours of its neighbours, one neighbour of each of these, and the colours of the hubs of those
    # stars of two colours of which it is an outer end.
    around = [0] * count
    first: list[dict[int, int]] = [{} for _ in range(count)]
    hubs = [0] * count
    for v in order:
        neighbours = [w for w in indices[indptr[v] : indptr[v + 1]] if w != v and colours[w] >= 0]
        used = 0
        seen: dict[int, int] = {}
        for w in neighbours:
            colour = colours[w]
            used |= 1 << colour
            if colour in seen:
                # v is the middle between two columns of one colour: no other neighbour of theirs may have its colour.
                used |= around[seen[colour]] | around[w]
            else:
                seen[colour] = w
                used |= hubs[w]
        own = ~used & (used + 1)
        colour_v = colours[v] = own.bit_length() - 1
        again: set[int] = set()
        seen = {}
        for w in neighbours:
            colour = colours[w]
            bit = 1 << colour
            if around[w] & own:
                # w is the middle between v and others of the colour of v.
                hubs[first[w][colour_v]] |= bit
                hubs[v] |= bit
            else:
                around[w] |= own
                first[w][colour_v] = v
            if colour in seen:
                again.add(colour)
            else:
                seen[colour] = w
            around[v] |= bit
            first[v].setdefault(colour, w)
        if again:
            for w in neighbours:
                if colours[w] in again:
                    hubs[w] |= own
    return colours


def _best(counts: Array, least: int, colour: Callable[[Sequence[int]], list[int]]) -> Array:
    """The better of two orders, as they stand and the fullest first; ``least`` colours cannot be undercut."""
    found = np.array(colour(range(len(counts))), dtype=np.intp)
    if number(found) > least:
        other = np.array(colour(np.argsort(-counts, kind="stable").tolist()), dtype=np.intp)
        if number(other) < number(found):
            return other
    return found


def number(colours: Iterable[int]) -> int:
    """How many colours there are."""
    return int(np.max(np.asarray(colours), initial=-1)) + 1


def seeds(colours: Array, dtype: Any) -> Array:
    """A direction for each colour: 1 in its columns."""
    found = np.zeros((number(colours), len(colours)), dtype)
    found[colours, np.arange(len(colours))] = 1
    return found


def spread(pattern: Matrix, colours: Array, compressed: Array) -> Array:
    """The values of the non-zeros of a pattern, from the products with the seeds, a row for each colour."""
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    return compressed[colours[pattern.indices], rows]


def sources(pattern: Matrix, colours: Array) -> tuple[Array, Array]:
    """Of a symmetric pattern: for each non-zero the colour and the row of the product that it is read from.

    Both places of a non-zero are read from the same, so that the result is symmetric to the bit.
    """
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    others = pattern.indices.astype(np.intp)
    key = rows * np.intp(number(colours)) + colours[others]
    # Where several of a row's non-zeros have one colour, the product has their sum.
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    single = np.ones(len(key), bool)
    same = ordered[1:] == ordered[:-1]
    single[order[1:][same]] = False
    single[order[:-1][same]] = False
    # The non-zeros of the transpose in the order of these: row by row, the columns ascending.
    turned = np.empty(len(key), np.intp)
    turned[np.lexsort((rows, others))] = np.arange(len(key))
    upper = others >= rows
    direct = np.where(upper, single, ~single[turned])
    return np.where(direct, colours[others], colours[rows]), np.where(direct, rows, others)
