"""Where the derivatives of an array by an array can be other than 0, from the structure of the graph alone.

Every element is followed through the graph for concrete sizes: forwards, with the set of the elements of v that it can
depend on (index domains; Griewank and Walther, Evaluating Derivatives, 2nd ed., section 7.1). How an operator spreads
them is said by its row: by ``dependence``, and by ``sparsity``, which names a class below. Indices are followed where
they are made of sizes, other indices and integers of the call; an index that depends on real numbers can be any.

The pattern of a Hessian is that of the Jacobian of the gradient, which is a graph like any other. It is no larger than
that of the non-linear interactions (A. Walther, "Computing sparse Hessians with automatic differentiation", ACM TOMS
34, 2008), since a local gradient that is constant in pieces carries nothing here. The Hessian is symmetric, so what
only one of its halves can have is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np

from gradc.ad.flow import active, differentiable
from gradc.ad.reach import Array, Matrix, Reach, along, identity, library, stacked, summed, taken, united
from gradc.ir import sizes as extents
from gradc.ir.builder import Builder, replay
from gradc.ir.graph import Graph, ancestors
from gradc.ir.types import Index
from gradc.ops.structure import parts as parts_of

Evaluate = Callable[[Graph], Sequence[Array]]
"""Gives the outputs of a graph over integers, each with an axis for a free index in front of its own."""


def pattern(graph: Graph, y: int, v: int, sizes: Mapping[str, int], evaluate: Evaluate) -> Matrix:
    """The elements of y, as rows, by those of v, as columns: a sparse matrix of truth values in rows.

    The graph has no requests; y and v have no free indices. Time and memory are proportional to the non-zeros of what
    lies between.
    """
    order = active(graph.data, y, [v])
    shape = tuple(extents.evaluate(dim, sizes) for dim in graph.type(v).shape)
    rows = prod(extents.evaluate(dim, sizes) for dim in graph.type(y).shape)
    if not order:
        return library().csr_array((rows, prod(shape)), dtype=bool)
    found = _Spread(graph, order, sizes, evaluate).run(y, v, identity(shape))
    return found


def symmetric(found: Matrix) -> Matrix:
    """What both halves of the pattern of a symmetric matrix have."""
    both = found.multiply(found.T).tocsr()
    both.sort_indices()
    return both


# Indices -------------------------------------------------------------------------------------------------------------


def _known(graph: Graph) -> set[int]:
    """The nodes that are computed from sizes, indices and integers of the call alone."""
    found: set[int] = set()
    for node, data in graph.data.items():
        leaf = data["op"] in ("index", "size", "const") or (data["op"] == "input" and data["type"].dtype == "int")
        if leaf or (data["operands"] and found.issuperset(data["operands"])):
            found.add(node)
    return found


def index_graph(graph: Graph, nodes: Sequence[int]) -> Graph:
    """The graph of these nodes alone. What an index that is out of range reads is any element: nothing needs it."""
    builder = Builder(graph.ops)
    number: dict[int, int] = {}
    for node in sorted(ancestors(graph.data, nodes)):
        data = graph.data[node]
        if data["op"] == "access" and len(data["operands"]) > 1:
            attrs = {**data["attrs"], "lenient": True}
            number[node] = builder.apply("access", *[number[each] for each in data["operands"]], attrs=attrs)
        else:
            number[node] = replay(graph, node, builder, number)
    return builder.finish([(str(node), number[node]) for node in nodes])


# The pass ------------------------------------------------------------------------------------------------------------


class _Spread:
    """One pass over the active nodes of a graph."""

    def __init__(self, graph: Graph, order: Sequence[int], sizes: Mapping[str, int], evaluate: Evaluate) -> None:
        self.graph = graph
        self.order = order
        self.sizes = sizes
        self.found: dict[int, Reach] = {}
        known = _known(graph)
        wanted: dict[int, None] = {}
        for node in order:
            operands = graph.operands(node)
            op = graph.op(node)
            if op == "select":
                wanted.update({operands[0]: None} if operands[0] in known else {})
            elif op in ("access", "assemble"):
                wanted.update(dict.fromkeys(each for each in operands if each in known))
        listed = list(wanted)
        self.values: dict[int, Array] = {}
        if listed:
            self.values = dict(zip(listed, map(np.asarray, evaluate(index_graph(graph, listed))), strict=True))

    def run(self, y: int, v: int, start: Reach) -> Matrix:
        """The rows of y."""
        uses: dict[int, int] = {}
        members = set(self.order)
        for node in self.order:
            for _, operand in differentiable(self.graph.data, node):
                uses[operand] = uses.get(operand, 0) + 1
        for node in self.order:
            edges = [(p, operand) for p, operand in differentiable(self.graph.data, node) if operand in members]
            self.found[node] = start if node == v else self.step(node)
            for _, operand in edges:
                # Large arrays of numbers are not kept longer than they are read.
                uses[operand] -= 1
                if not uses[operand] and operand not in (y, v):
                    self.found.pop(operand, None)
        return taken(self.found[y], self.full(y))

    def step(self, node: int) -> Reach:
        """What the elements of a node depend on."""
        graph = self.graph
        row = graph.ops[graph.op(node)]
        sources: dict[int, Reach] = {}
        for position, operand in differentiable(graph.data, node):
            how = row.dependence[min(position, len(row.dependence) - 1)] if row.dependence else "smooth"
            if operand in self.found and how != "none":
                sources[position] = self.found[operand]
        if not sources:
            return self.nothing(node)
        if row.elementwise:
            return _each(self, node, sources)
        return CLASSES[row.sparsity](self, node, sources)

    # Shapes ------------------------------------------------------------------------------------------------------

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
        columns = next(iter(self.found.values())).rows.shape[1]
        return Reach(library().csr_array((1, columns), dtype=bool), np.full((1,) * len(self.full(node)), -1))

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


# Classes -------------------------------------------------------------------------------------------------------------

Sources = Mapping[int, Reach]


def _each(spread: _Spread, node: int, sources: Sources) -> Reach:
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
        parts.append(reach.moved(ids))
    return united(parts)


def _reduced(spread: _Spread, node: int, sources: Sources) -> Reach:
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


def _along(spread: _Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on all along the axes."""
    (reach,) = sources.values()
    attrs = spread.graph.attrs(node)
    count = len(spread.graph.type(node).free)
    return along(reach, [count + axis for axis in attrs.get("axes", (attrs.get("axis", 0),))])


def _directed(spread: _Spread, node: int, sources: Sources, strict: bool) -> Reach:
    """Every element depends on those before it along an axis, and on that in its own place unless ``strict``."""
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
    if attrs["reverse"]:
        ids = ids[..., ::-1]
    later, earlier = np.tril_indices(length, -1 if strict else 0)
    flat = ids.reshape(-1, length)
    targets = (np.arange(len(flat))[:, None] * length + later).ravel()
    found = summed(reach.rows, targets, flat[:, earlier].ravel(), ids.shape)
    moved = found.ids[..., ::-1] if attrs["reverse"] else found.ids
    return found.moved(np.moveaxis(moved, -1, axis))


def _upto(spread: _Spread, node: int, sources: Sources) -> Reach:
    return _directed(spread, node, sources, False)


def _before(spread: _Spread, node: int, sources: Sources) -> Reach:
    return _directed(spread, node, sources, True)


def _matrices(spread: _Spread, node: int, position: int, reach: Reach, columns: bool) -> Reach:
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


def _product(spread: _Spread, node: int, sources: Sources) -> Reach:
    """A product of matrices: every element depends on a row of the left and a column of the right."""
    parts = []
    for position, reach in sources.items():
        whole = _matrices(spread, node, position, reach, position == 1)
        parts.append(along(whole, [whole.ids.ndim - (2 if position == 1 else 1)]))
    found = united(parts)
    left, right = (len(spread.own(operand)) for operand in spread.graph.operands(node))
    gone = [found.ids.ndim - 2] * (left == 1) + [found.ids.ndim - 1] * (right == 1)
    return found.moved(found.ids.squeeze(tuple(gone)))


def _system(spread: _Spread, node: int, sources: Sources) -> Reach:
    """A solution of linear systems: a column depends on the whole matrix, and on that column of the right side."""
    parts = []
    for position, reach in sources.items():
        whole = _matrices(spread, node, position, reach, True)
        last = whole.ids.ndim - 1
        parts.append(along(whole, [last - 1, last] if position == 0 else [last - 1]))
    found = united(parts)
    vector = len(spread.own(spread.graph.operands(node)[1])) == 1
    return found.moved(found.ids.squeeze(-1)) if vector else found


def _matrix(spread: _Spread, node: int, sources: Sources) -> Reach:
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


def _all(spread: _Spread, node: int, sources: Sources) -> Reach:
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


def _triangle(spread: _Spread, node: int, sources: Sources) -> Reach:
    """What stands on the other side of a diagonal is 0."""
    (reach,) = sources.values()
    attrs = spread.graph.attrs(node)
    rows, columns = spread.own(node)[-2:]
    offset = spread.concrete(attrs["offset"])
    lower = np.tri(rows, columns, offset if attrs["lower"] else offset - 1, dtype=bool)
    return reach.moved(np.where(lower if attrs["lower"] else ~lower, reach.ids, -1))


# Moving elements -----------------------------------------------------------------------------------------------------


def _broadcast(spread: _Spread, node: int, sources: Sources) -> Reach:
    (reach,) = sources.values()
    operand = spread.graph.operands(node)[0]
    batch = len(spread.graph.type(node).free)
    missing = len(spread.own(node)) - len(spread.own(operand))
    shape = reach.ids.shape
    return reach.moved(reach.ids.reshape((*shape[:batch], *(1,) * missing, *shape[batch:])))


def _reshape(spread: _Spread, node: int, sources: Sources) -> Reach:
    (reach,) = sources.values()
    batch = reach.ids.shape[: len(spread.graph.type(node).free)]
    before, after = spread.own(spread.graph.operands(node)[0]), spread.own(node)
    if all(extent == 1 for extent in reach.ids.shape[len(batch) :]):
        return reach.moved(reach.ids.reshape(batch + (1,) * len(after)))
    return reach.moved(np.broadcast_to(reach.ids, batch + before).reshape(batch + after))


def _transpose(spread: _Spread, node: int, sources: Sources) -> Reach:
    (reach,) = sources.values()
    batch = len(spread.graph.type(node).free)
    order = [batch + axis for axis in spread.graph.attrs(node)["order"]]
    return reach.moved(reach.ids.transpose((*range(batch), *order)))


def _tabulate(spread: _Spread, node: int, sources: Sources) -> Reach:
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


def _access(spread: _Spread, node: int, sources: Sources) -> Reach:
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
        picks.append(_axis(reach.ids.shape[at], free.index(index), rank))
    inside: Array = np.True_
    slot = len(free)
    for axis, (item, extent) in enumerate(zip(items, shape, strict=True)):
        length = reach.ids.shape[len(before) + axis]
        place = found[axis]
        if item is not None:
            start, step, number = item
            picks.append(_axis(number if length > 1 or not number else 1, slot, rank, start if length > 1 else 0, step))
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


def _axis(count: int, at: int, rank: int, start: int = 0, step: int = 1) -> Array:
    """Places along an axis, as an array that varies along that axis of so many."""
    shape = [1] * rank
    shape[at] = count
    return (start + step * np.arange(count)).reshape(shape)


def _assemble(spread: _Spread, node: int, sources: Sources) -> Reach:
    """Every element depends on all parts that add to it."""
    graph = spread.graph
    operands, attrs, free = graph.operands(node), graph.attrs(node), graph.type(node).free
    shape = spread.own(node)
    listed = [part for part in parts_of({"parts": spread.concrete(attrs["parts"])}) if part[0] in sources]
    rows, numbers = stacked([sources[part[0]] for part in listed])
    parts = [
        _part(spread, operands, position, items, over, places, ids, free, shape)
        for (position, items, over, places), ids in zip(listed, numbers, strict=True)
        if all(spread.extent(index) for index in over)
    ]
    if not parts:
        return spread.nothing(node)
    # An index that no part depends on is an axis along which all is the same.
    batch = [1] * len(free)
    for where, _ in parts:
        for at in range(len(free)):
            batch[at] = max(batch[at], where[at].shape[at])
    batch = [extent if extent == 1 else spread.extent(index) for extent, index in zip(batch, free, strict=True)]
    full = (*batch, *shape)
    targets, origins = [], []
    for where, ids in parts:
        inside: Array = np.True_
        target: Array = np.zeros((), int)
        for at, extent in enumerate(full):
            place = where[at]
            if at < len(free):
                place = _axis(extent, at, place.ndim)
            inside = inside & (place >= 0) & (place < extent)
            target = target * extent + place
        target, origin, held = np.broadcast_arrays(target, ids, inside)
        targets.append(target[held])
        origins.append(origin[held])
    return summed(rows, np.concatenate(targets), np.concatenate(origins), full)


def _part(
    spread: _Spread,
    operands: Sequence[int],
    position: int,
    items: Sequence[Any],
    over: Sequence[Index],
    places: Sequence[int],
    ids: Array,
    free: Sequence[Index],
    shape: Sequence[int],
) -> tuple[list[Array], Array]:
    """Where the elements of a part go, a coordinate for each axis of the result, and the numbers of their rows.

    Both are arrays over the result's free indices, those that are summed over, and the part's own axes; behind these
    stands an axis for every place that is not known.
    """
    graph = spread.graph
    joint = [*free, *(index for index in over if index not in free)]
    own = graph.type(operands[position]).free
    joint += [index for at in places for index in graph.type(operands[at]).free if index not in joint]
    joint += [index for index in own if index not in joint]
    items = [*items, *((0, 1, extent) for extent in shape[len(items) :])]
    behind = sum(item is not None for item in items)
    given = [operands[at] for at in places]
    unknown = sum(each not in spread.values for each in given)
    rank = len(joint) + behind + unknown
    # The axes of a family stand in the order of its own indices.
    order = [own.index(index) for index in joint if index in own]
    ids = ids.transpose((*order, *range(len(own), ids.ndim)))
    axes = iter(ids.shape)
    front = [next(axes) if index in own else 1 for index in joint]
    ids = ids.reshape((*front, *axes, *(1,) * unknown))
    where: list[Array] = [
        np.zeros([ids.shape[at] if at == axis else 1 for axis in range(rank)], int) for at in range(len(free))
    ]
    slot, loose = len(joint), len(joint) + behind
    waiting = iter(given)
    for item, extent in zip(items, shape, strict=True):
        if item is not None:
            start, step, number = item
            where.append(_axis(number, slot, rank, start, step))
            slot += 1
            continue
        place = next(waiting)
        if place not in spread.values:
            where.append(_axis(extent, loose, rank))
            loose += 1
            continue
        frees = graph.type(place).free
        value = spread.values[place]
        value = value.transpose([frees.index(index) for index in joint if index in frees])
        axes = iter(value.shape)
        value = value.reshape([next(axes) if index in frees else 1 for index in joint] + [1] * (rank - len(joint)))
        where.append(value)
        for at in range(len(free)):
            if value.shape[at] > where[at].shape[at]:
                where[at] = _axis(value.shape[at], at, rank)
    return where, ids


CLASSES: Final[Mapping[str, Callable[[_Spread, int, Sources], Reach]]] = {
    "": _all,
    "each": _each,
    "reduced": _reduced,
    "along": _along,
    "upto": _upto,
    "before": _before,
    "product": _product,
    "system": _system,
    "matrix": _matrix,
    "triangle": _triangle,
    "broadcast": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "tabulate": _tabulate,
    "access": _access,
    "assemble": _assemble,
}
"""How the operators of a class spread what their operands depend on."""
