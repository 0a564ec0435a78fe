"""Where the derivatives of an array by an array can be other than 0, from the structure of the graph alone.

Every element is followed through the graph for concrete sizes: forwards, with the set of the elements of v that it can
depend on (index domains; Griewank and Walther, Evaluating Derivatives, 2nd ed., section 7.1). How an operator spreads
them is said by its row: by ``dependence``, and by ``sparsity``, which names a class in ``gradc.ad.spread``. Indices are
followed where they are made of sizes, other indices and integers of the call; one that depends on real numbers can be
any. What is multiplied by a 0 that stands in the graph carries nothing.

The pattern of a Hessian is that of the Jacobian of the gradient, which is a graph like any other. It is no larger than
that of the non-linear interactions (A. Walther, "Computing sparse Hessians with automatic differentiation", ACM TOMS
34, 2008), since a local gradient that is constant in pieces carries nothing here. The Hessian is symmetric, so what
only one of its halves can have is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod

import numpy as np

from gradc.ad.dependence import REGIONS, operands_of
from gradc.ad.flow import active, differentiable
from gradc.ad.reach import Array, Matrix, Reach, identity, library, matrix, taken
from gradc.ad.spread import Spread
from gradc.ir import sizes as extents
from gradc.ir.builder import Builder, replay
from gradc.ir.graph import Graph, ancestors

Evaluate = Callable[[Graph], Sequence[Array]]
"""Gives the outputs of a graph over integers, each with an axis for a free index in front of its own."""


def pattern(graph: Graph, y: int, v: int, sizes: Mapping[str, int], evaluate: Evaluate) -> Matrix:
    """The elements of y, as rows, by those of v, as columns: a sparse matrix of truth values in rows.

    The graph has no requests; y and v have no free indices. Time and memory are proportional to the non-zeros of what
    lies between.
    """
    order = active(graph.data, [y], [v])
    shape = tuple(extents.evaluate(dim, sizes) for dim in graph.type(v).shape)
    rows = prod(extents.evaluate(dim, sizes) for dim in graph.type(y).shape)
    if not order:
        return library().csr_array((rows, prod(shape)), dtype=bool)
    return _Pass(graph, order, sizes, evaluate, prod(shape)).run(y, v, identity(shape))


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


# Zeros ---------------------------------------------------------------------------------------------------------------

# Operators whose result is 0 where all their real operands are, or (a product) one of them, or the first is.
_ALL, _ONE, _FIRST = frozenset({"name", "stop_gradient", "neg", "add", "sub", "select"}), "mul", "div"


def _gentle(graph: Graph, node: int) -> bool:
    """Whether a node is 0 wherever its real operands are."""
    row = graph.ops[graph.op(node)]
    one = sum(graph.type(operand).real for operand in graph.operands(node)) == 1 and row.linear == "each"
    return row.name in _ALL or row.name in (_ONE, _FIRST) or row.linear == "joint" or one


class _Zeros(Spread):
    """Which elements of some nodes are 0 whatever the inputs are: adjoints of elements that nothing reads."""

    def find(self, nodes: Iterable[int]) -> dict[int, Array]:
        """Numbers of rows, -1 for a 0 and 0 for any other number, of the nodes that have zeros."""
        graph = self.graph
        found: dict[int, Reach] = {}
        rows = matrix(np.ones(1, bool), np.zeros(1, int), np.zeros(1, int), (2, 1))
        for node in nodes:
            anything = Reach(rows, np.zeros((1,) * len(self.full(node)), int))
            if graph.op(node) == "const":
                found[node] = anything if graph.constant(node) else self.nothing(node)
                continue
            if not _gentle(graph, node):
                found[node] = anything
                continue
            positions = [at for at, operand in enumerate(graph.operands(node)) if graph.type(operand).real]
            sources = {
                at: found[graph.operands(node)[at]] for at in positions[: 1 if graph.op(node) == _FIRST else None]
            }
            if graph.op(node) == _ONE:
                free = graph.type(node).free
                parts = [
                    self.aligned(sources[at].ids, graph.type(graph.operands(node)[at]).free, free) for at in positions
                ]
                made = Reach(rows, np.minimum(*parts))
            else:
                made = self.step(node, {at: each for at, each in sources.items() if np.any(each.ids >= 0)})
            ids = np.where(np.diff(made.rows.indptr)[made.ids] > 0, 0, -1)
            found[node] = anything if np.all(ids == 0) else Reach(rows, ids)
        return {node: each.ids for node, each in found.items() if np.any(each.ids < 0)}


# The pass ------------------------------------------------------------------------------------------------------------


class _Pass(Spread):
    """One pass over the active nodes of a graph."""

    def __init__(
        self, graph: Graph, order: Sequence[int], sizes: Mapping[str, int], evaluate: Evaluate, columns: int
    ) -> None:
        super().__init__(graph, sizes, {}, library().csr_array((1, columns), dtype=bool))
        self.order = order
        members = set(order)
        factors = [operand for node in order if graph.op(node) in (_ONE, _FIRST) for operand in graph.operands(node)]
        gentle = _below(graph, factors)
        known = _known(graph)
        wanted: dict[int, None] = {}
        for node in sorted(members.union(gentle)):
            operands = graph.operands(node)
            if graph.op(node) == "select":
                operands = operands[:1]
            elif graph.op(node) not in ("access", "assemble", "put", "accumulate"):
                continue
            wanted.update(dict.fromkeys(each for each in operands if each in known and not graph.type(each).real))
        listed = list(wanted)
        if listed:
            self.values = dict(zip(listed, map(np.asarray, evaluate(index_graph(graph, listed))), strict=True))
        empty = library().csr_array((1, 1), dtype=bool)
        self.zeros = _Zeros(graph, sizes, self.values, empty).find(gentle)

    def run(self, y: int, v: int, start: Reach) -> Matrix:
        """The rows of y."""
        found: dict[int, Reach] = {}
        uses: dict[int, int] = {}
        edges = {node: [] if self.graph.op(node) in REGIONS else self._edges(node) for node in self.order}
        for node in self.order:
            for _, operand in edges[node]:
                uses[operand] = uses.get(operand, 0) + 1
        for node in self.order:
            if node == v:
                found[node] = start
                continue
            found[node] = self.step(node, {at: found[operand] for at, operand in edges[node] if operand in found})
            for _, operand in edges[node]:
                # Large arrays of numbers are not kept longer than they are read.
                uses[operand] -= 1
                if not uses[operand] and operand not in (y, v):
                    found.pop(operand, None)
        return taken(found[y], self.full(y))

    def _edges(self, node: int) -> list[tuple[int, int]]:
        """The operands on which the node depends with a derivative, by their positions."""
        op = self.graph.op(node)
        if op == "get":
            # What a region gives is that of its operands, for each result its own.
            (region,) = self.graph.operands(node)
            given = self.graph.operands(region)
            return [(at, given[at]) for at in operands_of(self.graph, region, self.graph.attrs(node)["place"])]
        how = self.graph.ops[op].dependence
        return [
            (at, operand)
            for at, operand in differentiable(self.graph.data, node)
            if not how or how[min(at, len(how) - 1)] != "none"
        ]

    def masked(self, node: int, position: int, ids: Array) -> Array:
        """Without the elements that are multiplied by 0, or by which 0 is divided."""
        graph = self.graph
        if graph.op(node) not in (_ONE, _FIRST):
            return ids
        for at, other in enumerate(graph.operands(node)):
            if at != position and other in self.zeros and (graph.op(node) == _ONE or at == 0):
                zeros = self.aligned(self.zeros[other], graph.type(other).free, graph.type(node).free)
                ids = np.where(zeros < 0, -1, ids)
        return ids


def _below(graph: Graph, nodes: Iterable[int]) -> list[int]:
    """The nodes, and what decides where they are 0, in order of creation."""
    seen = set(nodes)
    stack = list(seen)
    while stack:
        node = stack.pop()
        if not _gentle(graph, node):
            continue
        for operand in graph.operands(node):
            if operand not in seen and graph.type(operand).real:
                seen.add(operand)
                stack.append(operand)
    return sorted(seen)
