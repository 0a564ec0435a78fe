"""How operators spread what their operands depend on: a function for each class that a row of the table can name.

Indices are followed where their values are known; one that can be any reaches all elements along its axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np

from gradc.ad import filling
from gradc.ad.reach import Array, Reach, Rows, along, axis_of, summed, united
from gradc.ir import sizes as extents
from gradc.ir.graph import Graph
from gradc.ir.types import Index

Sources = Mapping[int, Reach]
"""What operands depend on, by their positions."""


class Spread:
    """A graph for concrete sizes, with the values of the indices that are known."""

    def __init__(self, graph: Graph, sizes: Mapping[str, int], values: Mapping[int, Array], empty: Rows) -> None:
        self.graph = graph
        self.sizes = sizes
        self.values = values
        # Rows for what depends on nothing.
        self.empty = empty

    def concrete(self, value: Any) -> Any:
        """A size, or a tuple of what may be sizes, as numbers."""
        if isinstance(value, tuple):
            return tuple(self.concrete(each) for each in value)
        return extents.evaluate(value, self.sizes) if isinstance(value, extents.Size) else value

    def own(self, node: int) -> tuple[int, ...]:
        """The extents of a node's own axes."""
        return tuple(extents.evaluate(dim, self.sizes) for dim in self.graph.type(node).shape)

    def extent(self, index: Index) -> int:
        """How many values an index has."""
        return extents.evaluate(index.extent, self.sizes)

    def full(self, node: int) -> tuple[int, ...]:
        """The extents of a node's free indices, then of its own axes."""
        return (*map(self.extent, self.graph.type(node).free), *self.own(node))

    def nothing(self, node: int) -> Reach:
        """A node that depends on nothing in question."""
        return Reach(self.empty, np.full((1,) * len(self.full(node)), -1))

    def aligned(self, ids: Array, free: Sequence[Index], target: Sequence[Index]) -> Array:
        """The numbers of a family over ``free`` with an axis for each index of ``target``, of extent 1 if it is new."""
        if len(free) == len(target):
            return ids
        axes = iter(ids.shape)
        shape = [next(axes) if index in free else 1 for index in target]
        return ids.reshape((*shape, *axes))

    def place(self, node: int, target: Sequence[Index], behind: int) -> Array | None:
        """The values of an index as an array over ``target`` and so many axes behind; None if they are not known."""
        if node not in self.values:
            return None
        found = self.aligned(self.values[node], self.graph.type(node).free, target)
        return found.reshape(found.shape + (1,) * behind)

    def masked(self, node: int, position: int, ids: Array) -> Array:
        """The numbers of an operand's rows, aligned with an elementwise node, without those that count for nothing."""
        return ids

    def step(self, node: int, sources: Sources) -> Reach:
        """What the elements of a node depend on, from what those of some of its operands do."""
        row = self.graph.ops[self.graph.op(node)]
        if not sources:
            return self.nothing(node)
        return _each(self, node, sources) if row.elementwise else CLASSES[row.sparsity](self, node, sources)


# Classes -------------------------------------------------------------------------------------------------------------


def _each(spread: Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on those in its own place."""
    graph = spread.graph
    operands, free = graph.operands(node), graph.type(node).free
    parts = []
    for position, reach in sources.items():
        ids = spread.aligned(reach.ids, graph.type(operands[position]).free, free)
        if graph.op(node) == "select" and operands[0] in spread.values:
            # Where the condition depends on indices alone, it is known which branch counts.
            chosen = spread.aligned(spread.values[operands[0]], graph.type(operands[0]).free, free)
            ids = np.where(chosen if position == 1 else ~chosen, ids, -1)
        parts.append(reach.moved(spread.masked(node, position, ids)))
    return united(parts)


def _reduced(spread: Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on all along the axes that are reduced, which are gone."""
    (reach,) = sources.values()
    attrs = spread.graph.attrs(node)
    operand = spread.graph.operands(node)[0]
    own = spread.graph.type(operand).free
    over = attrs.get("over", ())
    axes = [own.index(index) for index in over if index in own]
    axes += [len(own) + axis for axis in attrs.get("axes", ())]
    full = spread.full(operand)
    if any(full[axis] == 0 for axis in axes) or any(spread.extent(index) == 0 for index in over):
        return spread.nothing(node)
    found = along(reach, axes)
    return found.moved(found.ids.squeeze(tuple(axes)))


def _along(spread: Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on all along the axes."""
    (reach,) = sources.values()
    attrs = spread.graph.attrs(node)
    count = len(spread.graph.type(node).free)
    return along(reach, [count + axis for axis in attrs.get("axes", (attrs.get("axis", 0),))])


def _paired(spread: Spread, node: int, sources: Sources, depends: Callable[[int], Array]) -> Reach:
    """Every element depends on those along an axis that a matrix of truth values names, of as many rows as elements."""
    graph = spread.graph
    attrs, free = graph.attrs(node), graph.type(node).free
    operands = graph.operands(node)
    parts = [each.moved(spread.aligned(each.ids, graph.type(operands[at]).free, free)) for at, each in sources.items()]
    reach = united(parts)
    axis = len(free) + attrs["axis"]
    length = spread.full(node)[axis]
    ids = np.moveaxis(reach.ids, axis, -1)
    if not length or not ids.size:
        return spread.nothing(node)
    if ids.shape[-1] == 1:
        ids = np.broadcast_to(ids, (*ids.shape[:-1], length))
    reverse = attrs.get("reverse", False)
    if reverse:
        ids = ids[..., ::-1]
    later, earlier = np.nonzero(depends(length))
    flat = ids.reshape(-1, length)
    targets = (np.arange(len(flat))[:, None] * length + later).ravel()
    found = summed(reach.rows, targets, flat[:, earlier].ravel(), ids.shape)
    moved = found.ids[..., ::-1] if reverse else found.ids
    return found.moved(np.moveaxis(moved, -1, axis))


def _upto(spread: Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on those before it along an axis, and on that in its own place."""
    return _paired(spread, node, sources, lambda length: np.tri(length, dtype=bool))


def _before(spread: Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on those before it along an axis alone."""
    return _paired(spread, node, sources, lambda length: np.tri(length, k=-1, dtype=bool))


def _others(spread: Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on all others along an axis."""
    return _paired(spread, node, sources, lambda length: ~np.eye(length, dtype=bool))


def _matrices(spread: Spread, node: int, position: int, reach: Reach, columns: bool) -> Reach:
    """An operand as matrices, a vector as one of a single column or row, over the node's free indices."""
    operand = spread.graph.operands(node)[position]
    ids = spread.aligned(reach.ids, spread.graph.type(operand).free, spread.graph.type(node).free)
    rank = len(spread.own(operand))
    if rank == 1:
        ids = ids[..., None] if columns else ids[..., None, :]
    # Axes in front number matrices; where an operand lacks them, it is the same for all.
    batch = len(spread.graph.type(node).free)
    front = max(len(spread.own(each)) for each in spread.graph.operands(node)) - max(rank, 2)
    ids = ids.reshape((*ids.shape[:batch], *(1,) * max(front, 0), *ids.shape[batch:]))
    return reach.moved(ids)


def _product(spread: Spread, node: int, sources: Sources) -> Reach:
    """A product of matrices: every element depends on a row of the left and a column of the right."""
    parts = []
    for position, reach in sources.items():
        whole = _matrices(spread, node, position, reach, position == 1)
        parts.append(along(whole, [whole.ids.ndim - (2 if position == 1 else 1)]))
    found = united(parts)
    left, right = (len(spread.own(operand)) for operand in spread.graph.operands(node))
    gone = [found.ids.ndim - 2] * (left == 1) + [found.ids.ndim - 1] * (right == 1)
    return found.moved(found.ids.squeeze(tuple(gone)))


def _system(spread: Spread, node: int, sources: Sources) -> Reach:
    """A solution of linear systems: a column depends on the whole matrix, and on that column of the right side."""
    parts = []
    for position, reach in sources.items():
        whole = _matrices(spread, node, position, reach, True)
        last = whole.ids.ndim - 1
        parts.append(along(whole, [last - 1, last] if position == 0 else [last - 1]))
    found = united(parts)
    vector = len(spread.own(spread.graph.operands(node)[1])) == 1
    return found.moved(found.ids.squeeze(-1)) if vector else found


def _matrix(spread: Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on whole matrices, the last two axes of the operands."""
    graph = spread.graph
    free, rank = graph.type(node).free, len(spread.own(node))
    parts = []
    for position, reach in sources.items():
        operand = graph.operands(node)[position]
        front = len(spread.own(operand)) - 2
        whole = along(reach, [reach.ids.ndim - 2, reach.ids.ndim - 1])
        ids = spread.aligned(whole.ids.squeeze((-2, -1)), graph.type(operand).free, free)
        parts.append(whole.moved(ids.reshape(ids.shape + (1,) * (rank - front))))
    return united(parts)


def _all(spread: Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on all elements of the operands: of the same choice of free indices, if there are any."""
    graph = spread.graph
    free, rank = graph.type(node).free, len(spread.own(node))
    parts = []
    for position, reach in sources.items():
        own = graph.type(graph.operands(node)[position]).free
        whole = along(reach, range(len(own), reach.ids.ndim))
        ids = spread.aligned(whole.ids.reshape(whole.ids.shape[: len(own)]), own, free)
        parts.append(whole.moved(ids.reshape(ids.shape + (1,) * rank)))
    return united(parts)


def _tapes(spread: Spread, node: int, sources: Sources) -> Reach:
    """Tapes are added up iteration by iteration, and over indices of their family."""
    graph = spread.graph
    free, over = graph.type(node).free, graph.attrs(node).get("over", ())
    parts = []
    for position, reach in sources.items():
        own = graph.type(graph.operands(node)[position]).free
        if any(spread.extent(index) == 0 for index in over):
            continue
        axes = [own.index(index) for index in over if index in own]
        whole = along(reach, axes)
        left = [index for index in own if index not in over]
        parts.append(whole.moved(spread.aligned(whole.ids.squeeze(tuple(axes)), left, free)))
    return united(parts) if parts else spread.nothing(node)


def _triangle(spread: Spread, node: int, sources: Sources) -> Reach:
    """What stands on the other side of a diagonal is 0."""
    (reach,) = sources.values()
    attrs = spread.graph.attrs(node)
    rows, columns = spread.own(node)[-2:]
    offset = spread.concrete(attrs["offset"])
    lower = np.tri(rows, columns, offset if attrs["lower"] else offset - 1, dtype=bool)
    return reach.moved(np.where(lower if attrs["lower"] else ~lower, reach.ids, -1))


# Moving elements -----------------------------------------------------------------------------------------------------


def _broadcast(spread: Spread, node: int, sources: Sources) -> Reach:
    (reach,) = sources.values()
    operand = spread.graph.operands(node)[0]
    batch = len(spread.graph.type(node).free)
    missing = len(spread.own(node)) - len(spread.own(operand))
    shape = reach.ids.shape
    return reach.moved(reach.ids.reshape((*shape[:batch], *(1,) * missing, *shape[batch:])))


def _reshape(spread: Spread, node: int, sources: Sources) -> Reach:
    (reach,) = sources.values()
    batch = reach.ids.shape[: len(spread.graph.type(node).free)]
    before, after = spread.own(spread.graph.operands(node)[0]), spread.own(node)
    if all(extent == 1 for extent in reach.ids.shape[len(batch) :]):
        return reach.moved(reach.ids.reshape(batch + (1,) * len(after)))
    return reach.moved(np.broadcast_to(reach.ids, batch + before).reshape(batch + after))


def _transpose(spread: Spread, node: int, sources: Sources) -> Reach:
    (reach,) = sources.values()
    batch = len(spread.graph.type(node).free)
    order = [batch + axis for axis in spread.graph.attrs(node)["order"]]
    return reach.moved(reach.ids.transpose((*range(batch), *order)))


def _tabulate(spread: Spread, node: int, sources: Sources) -> Reach:
    (reach,) = sources.values()
    own = spread.graph.type(spread.graph.operands(node)[0]).free
    indices = spread.graph.attrs(node)["indices"]
    kept = [at for at, index in enumerate(own) if index not in indices]
    ids = reach.ids
    # An index that the values do not depend on becomes an axis along which all is the same.
    lacking = [index for index in indices if index not in own]
    ids = ids.reshape(ids.shape + (1,) * len(lacking))
    places = [own.index(each) if each in own else reach.ids.ndim + lacking.index(each) for each in indices]
    return reach.moved(ids.transpose((*kept, *places, *range(len(own), reach.ids.ndim))))


def _access(spread: Spread, node: int, sources: Sources) -> Reach:
    (reach,) = sources.values()
    graph = spread.graph
    array, *places = graph.operands(node)
    before, free = graph.type(array).free, graph.type(node).free
    items = spread.concrete(graph.attrs(node)["items"])
    shape = spread.own(array)
    items += tuple((0, 1, extent) for extent in shape[len(items) :])
    behind = sum(item is not None for item in items)
    if any(item is None and extent == 0 for item, extent in zip(items, shape, strict=True)):
        return spread.nothing(node)
    rank = len(free) + behind
    # An index that can be any is one that reads what all elements along its axis depend on.
    given = iter(places)
    found = [None if item is not None else spread.place(next(given), free, behind) for item in items]
    loose = [axis for axis, item in enumerate(items) if item is None and found[axis] is None]
    reach = along(reach, [len(before) + axis for axis in loose])
    picks: list[Array] = []
    for at, index in enumerate(before):
        picks.append(axis_of(reach.ids.shape[at], free.index(index), rank))
    inside: Array = np.True_
    slot = len(free)
    for axis, (item, extent) in enumerate(zip(items, shape, strict=True)):
        length = reach.ids.shape[len(before) + axis]
        place = found[axis]
        if item is not None:
            start, step, number = item
            picks.append(
                axis_of(number if length > 1 or not number else 1, slot, rank, start if length > 1 else 0, step)
            )
            slot += 1
        elif place is None:
            picks.append(np.zeros((1,) * rank, int))
        else:
            within = (place >= 0) & (place < extent)
            inside = inside & within
            picks.append(np.where(within, place, 0) if length > 1 else np.zeros((1,) * rank, int))
    due = np.broadcast_shapes(*[pick.shape for pick in picks]) if picks else (1,) * rank
    if not prod(due):
        return reach.moved(np.full(due, -1))
    ids = reach.ids[tuple(picks)] if picks else reach.ids.reshape(due)
    return reach.moved(ids if np.all(inside) else np.where(inside, ids, -1))


CLASSES: Final[Mapping[str, Callable[[Spread, int, Sources], Reach]]] = {
    "": _all,
    "each": _each,
    "reduced": _reduced,
    "along": _along,
    "upto": _upto,
    "before": _before,
    "others": _others,
    "product": _product,
    "system": _system,
    "matrix": _matrix,
    "triangle": _triangle,
    "broadcast": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "tabulate": _tabulate,
    "access": _access,
    "assemble": filling.assemble,
    "accumulate": filling.accumulate,
    "put": filling.put,
    "tapes": _tapes,
}
"""How the operators of a class spread what their operands depend on."""
