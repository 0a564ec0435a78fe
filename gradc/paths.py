"""The local gradients of a graph as written, the paths between two names, and what flows along them.

At level ``ops`` every node of the graph is a node here and every operand edge an edge, its local gradient the
operator's partial. At level ``names`` only named values are nodes. An edge is then one place in a statement where a
name stands as an operand; its local gradient is the derivative of the statement by that operand, all others held fixed,
so that routes which part only at an unnamed step inside are one edge.

Paths are counted, added up and ranked without being listed: `y = y + y` sixty times has 2^60 of them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush, nsmallest
from typing import Any, Final, Literal

from gradc.ad.expand import Expander, Templates
from gradc.ad.flow import active, differentiable
from gradc.ad.guards import ALWAYS, Guards, conditions
from gradc.ad.reverse import adjoints
from gradc.ir.graph import Builder, Graph, NodeLimit, transfer
from gradc.limits import DEFAULT, Limits, too_many_nodes
from gradc.rules.gradients import LocalGradients

Level = Literal["names", "ops"]

# Edges that ranked paths may have in all, so that asking for very many very long ones ends.
MAX_RANKED: Final = 3_000_000


@dataclass(frozen=True, slots=True)
class Edge:
    """One operand edge from ``source`` to ``target``.

    ``gradient`` is the node that computes its local gradient, None where that is zero everywhere. The edge lies in the
    branches that ``conditions`` name, each a node and the truth value that it must have for the branch to be taken.
    """

    source: int
    target: int
    gradient: int | None
    conditions: tuple[tuple[int, bool], ...] = ()


class Network:
    """Nodes and edges on the ways from the nodes ``wrt`` to the nodes ``of``, with their local gradients.

    ``graph`` is the program with its derivative requests expanded (calls of functions with a derivative of their own
    are still calls), and with the nodes of the local gradients appended; ``number`` maps the nodes of the graph as
    written to it. ``nodes`` are in order of creation, edges in the order of their target and of its operands. ``atoms``
    are the nodes at which an expression stops: names, and the ``standins`` for them inside local gradients, which carry
    the same names.
    """

    def __init__(
        self,
        graph: Graph,
        number: Mapping[int, int],
        of: Sequence[int],
        wrt: Sequence[int],
        nodes: Sequence[int],
        edges: Sequence[Edge],
        names: Collection[int],
        standins: Mapping[int, int],
        templates: Templates,
        gradients: Mapping[tuple[int, int], int] | None = None,
    ) -> None:
        self.graph = graph
        self.number = number
        self.of = tuple(of)
        self.wrt = tuple(wrt)
        self.nodes = tuple(nodes)
        self.edges = tuple(edges)
        self.names = frozenset(names)
        self.standins = standins
        self.templates = templates
        self.gradients = gradients or {}

    @cached_property
    def atoms(self) -> frozenset[int]:
        """Where expressions stop."""
        return self.names | frozenset(self.standins)

    @cached_property
    def outgoing(self) -> dict[int, list[int]]:
        """The edges that leave a node, by their number, in the order of the text."""
        found: dict[int, list[int]] = {}
        for index, edge in enumerate(self.edges):
            found.setdefault(edge.source, []).append(index)
        return found

    @cached_property
    def incoming(self) -> dict[int, list[int]]:
        """The edges that enter a node, by their number."""
        found: dict[int, list[int]] = {}
        for index, edge in enumerate(self.edges):
            found.setdefault(edge.target, []).append(index)
        return found

    # Counting and adding up ----------------------------------------------------------------------------------------

    def counts(self, of: int) -> dict[int, int]:
        """The number of paths to ``of`` from every node that has any."""
        found = {of: 1}
        for node in reversed(self.nodes):
            count = found.get(node)
            if count:
                for index in self.incoming.get(node, ()):
                    source = self.edges[index].source
                    found[source] = found.get(source, 0) + count
        return found

    def count(self, of: int, wrt: int) -> int:
        """The number of paths from ``wrt`` to ``of``; the empty one counts where they are the same."""
        return self.counts(of).get(wrt, 0)

    def flow(self, of: int, factors: Sequence[Any], cut: Collection[int]) -> dict[int, float]:
        """The derivative of ``of`` by every node: the sum over all paths of the products of their factors.

        Edges in ``cut`` carry nothing, not even the NaN that zero times infinity would be. A node that is missing in
        the result has derivative zero.
        """
        found = {of: 1.0}
        for node in reversed(self.nodes):
            adjoint = found.get(node)
            if adjoint is None:
                continue
            for index in self.incoming.get(node, ()):
                if index not in cut:
                    source = self.edges[index].source
                    term = adjoint * factors[index]
                    found[source] = found[source] + term if source in found else term
        return found

    # Ranking -------------------------------------------------------------------------------------------------------

    def best(self, of: int, wrt: int, count: int, weights: Sequence[Weight] | None = None) -> list[list[int]]:
        """The ``count`` heaviest paths from ``wrt`` to ``of``, each as the numbers of its edges.

        A path weighs what its edges weigh together; equals, and all of them if there are no weights, come in the order
        of the text. Takes about as long as listing the result and walking over the graph once.
        """
        if count < 1 or not self.count(of, wrt):
            return []
        return _Ranking(self, of, weights).paths(wrt, count)


Weight = tuple[int, float]
"""How much an edge contributes: its class and the logarithm of its size. Weights add up along a path."""

_CLASS: Final = 1 << 40


def weight(factor: float, cut: bool) -> Weight:
    """The weight of an edge, by which products rank by size: NaN first, then infinities, sizes, zeros, cut edges."""
    if cut:
        return -(_CLASS**3), 0.0
    if factor != factor:
        return _CLASS**2, 0.0
    if math.isinf(factor):
        return _CLASS, 0.0
    if factor == 0:
        return -1, 0.0
    return 0, math.log2(abs(factor))


class _Ranking:
    """Finds the heaviest paths: the best one from every node is known, others leave it at some point.

    A path is known by the edges at which it leaves the best way on. Once a path is found, those that share its way up
    to some point behind its last deviation and leave it there are the next candidates; each has one parent, so none
    comes up twice. (Hoffman and Pavley, A Method for the Solution of the Nth Best Path Problem, 1959.)
    """

    def __init__(self, network: Network, of: int, weights: Sequence[Weight] | None) -> None:
        self.network = network
        self.of = of
        self.weights = weights
        # From every node: the weight of the best way on, the edge that it takes, and the rank of that edge.
        self.ahead: dict[int, Weight] = {of: (0, 0.0)}
        self.chosen: dict[int, tuple[int, int]] = {}
        for node in reversed(network.nodes):
            if node != of:
                self._choose(node)

    def _through(self, index: int) -> Weight | None:
        """The weight of the best way that begins with this edge."""
        rest = self.ahead.get(self.network.edges[index].target)
        if rest is None or self.weights is None:
            return rest
        own = self.weights[index]
        return own[0] + rest[0], own[1] + rest[1]

    def _loss(self, node: int, found: Weight) -> Weight:
        """How much less than the best way on from ``node``; what is within rounding is nothing."""
        best = self.ahead[node]
        lost = best[1] - found[1]
        if best[0] == found[0] and abs(lost) <= 1e-12 + 4e-15 * abs(best[1]):
            return 0, 0.0
        return best[0] - found[0], lost

    def _choose(self, node: int) -> None:
        for rank, index in enumerate(self.network.outgoing.get(node, ())):
            found = self._through(index)
            if found is None:
                continue
            # An equal one that stands later in the text does not take the place of the first.
            if node not in self.ahead or self._loss(node, found) < (0, 0.0):
                self.ahead[node] = found
                self.chosen[node] = (index, rank)

    def _follow(self, path: list[int], node: int) -> list[int]:
        while node != self.of:
            index = self.chosen[node][0]
            path.append(index)
            node = self.network.edges[index].target
        return path

    def paths(self, wrt: int, count: int) -> list[list[int]]:
        network = self.network
        edges = network.edges
        found: list[list[int]] = []
        # (loss, order of the text, parent, where it leaves the parent, by which edge)
        heap: list[tuple[Weight, tuple[tuple[int, ...], ...], int, int, int]] = [((0, 0.0), (_END,), -1, -1, -1)]
        total = 0
        while heap and len(found) < count and total <= MAX_RANKED:
            loss, order, parent, at, by = heappop(heap)
            if parent < 0:
                path = self._follow([], wrt)
            else:
                path = self._follow([*found[parent][:at], by], edges[by].target)
            found.append(path)
            total += len(path) + 1
            if len(found) == count:
                break
            candidates = []
            for position in range(at + 1, len(path)):
                node = edges[path[position]].source
                leaving = network.outgoing[node]
                if len(leaving) == 1:
                    continue
                best = self.chosen[node][1]
                for rank, index in enumerate(leaving):
                    other = None if rank == best else self._through(index)
                    if other is not None:
                        less = self._loss(node, other)
                        sign = (0, position, rank) if rank < best else (2, -position, rank)
                        key = (loss[0] + less[0], loss[1] + less[1])
                        candidates.append((key, (*order[:-1], sign, _END), len(found) - 1, position, index))
            for candidate in nsmallest(count - len(found), candidates):
                heappush(heap, candidate)
        return found


# In the order of the text, a path that goes on as the best way does stands between those that leave it for an earlier
# edge and those that leave it for a later one; among the latter the one that leaves it last is first.
_END: Final = (1,)


# Building ------------------------------------------------------------------------------------------------------------


def network(
    graph: Graph,
    of: Sequence[int],
    wrt: Sequence[int],
    level: Level = "names",
    limits: Limits = DEFAULT,
    *,
    whole: bool = False,
) -> Network:
    """The network between nodes of a graph as written; raises ``CompileError`` where it would be too large.

    With ``whole`` the graph holds the derivatives of all ``of`` by all ``wrt`` too: ``gradients`` has their nodes, but
    for those that are zero everywhere.
    """
    templates = Templates(graph)
    builder = Builder(graph.ops, None, limits.expanded_nodes)
    try:
        number = Expander(graph, builder, templates).run()
        names = {number[node] for node in graph.names.values()} | {number[node] for node in graph.inputs}
        tops = list(dict.fromkeys(number[node] for node in of))
        bottoms = list(dict.fromkeys(number[node] for node in wrt))
        # An optimised graph knows names of values that are no name nodes.
        called = {number[node]: name for name, node in graph.names.items()}
        found = _Finder(builder, LocalGradients(builder, templates.partials), tops, bottoms, names, called)
        if level == "ops":
            found.operations()
        else:
            found.statements()
        gradients: dict[tuple[int, int], int] = {}
        for y in tops if whole else ():
            made = adjoints(builder, found.local, y, bottoms)
            gradients.update(((y, v), node) for v, node in made.items())
    except NodeLimit:
        raise too_many_nodes(limits.expanded_nodes) from None
    nodes = found.order if level == "ops" else [node for node in found.order if node in found.named]
    finished = transfer(graph, builder, number)
    return Network(finished, number, tops, bottoms, nodes, found.edges, names, found.standins, templates, gradients)


class _Finder:
    """Finds the edges of a network and appends their local gradients to the builder that holds the program."""

    def __init__(
        self,
        builder: Builder,
        local: LocalGradients,
        of: Sequence[int],
        wrt: Sequence[int],
        names: Collection[int],
        called: Mapping[int, str],
    ) -> None:
        self.builder = builder
        self.called = called
        self.local = local
        members: set[int] = set()
        for y in of:
            members.update(active(builder.data, y, wrt))
        self.order = sorted(members)
        self.members = members
        self.named = {*names, *of, *wrt}
        self.edges: list[Edge] = []
        # Stand-in to the name that it stands for.
        self.standins: dict[int, int] = {}

    def inside(self, node: int) -> list[tuple[int, int]]:
        """The operands through which a way goes, as (position, operand)."""
        return [(p, operand) for p, operand in differentiable(self.builder.data, node) if operand in self.members]

    def one(self, node: int) -> int:
        return self.builder.constant(1.0, self.builder.type(node))

    def operations(self) -> None:
        """An edge for every operand."""
        builder = self.builder
        for node in self.order:
            edges = self.inside(node)
            if not edges:
                continue
            op, operands = builder.op(node), builder.operands(node)
            if op == "name":
                self.edges.append(Edge(operands[0], node, self.one(node)))
            elif op == "select":
                one, zero = self.one(node), builder.constant(0.0, builder.type(node))
                for position, operand in edges:
                    taken = position == 1
                    gradient = builder.make("select", (operands[0], one, zero) if taken else (operands[0], zero, one))
                    self.edges.append(Edge(operand, node, gradient, ((operands[0], taken),)))
            else:
                partials = self.local.of(node, [position for position, _ in edges], self.members)
                for position, operand in edges:
                    self.edges.append(Edge(operand, node, partials.get(position)))

    def statements(self) -> None:
        """An edge for every operand of a statement that is a name."""
        for node in self.order:
            if node in self.named:
                self._statement(node)

    def _statement(self, node: int) -> None:
        builder, data = self.builder, self.builder.data
        if builder.op(node) == "name":
            root = builder.operands(node)[0]
            if root in self.named:
                if root in self.members:
                    self.edges.append(Edge(root, node, self.one(node)))
                return
        else:
            root = node
        # The steps without a name that the statement consists of, as far as a derivative flows through them, and the
        # places in them where names stand, in the order of the text.
        steps = {root} & self.members
        places: list[tuple[int, int]] = []
        stack = [(root, position, operand) for position, operand in reversed(self.inside(root))] if steps else []
        while stack:
            step, position, operand = stack.pop()
            if operand in self.named:
                places.append((step, position))
            elif operand not in steps:
                steps.add(operand)
                stack += [(operand, inner, below) for inner, below in reversed(self.inside(operand))]
        if not places:
            return
        # The statement once more, each name where it stands as an operand held apart from all others.
        held: dict[tuple[int, int], int] = {}
        for step, position in places:
            operand = data[step]["operands"][position]
            standin = held[step, position] = builder.name(data[operand].get("name") or self.called[operand], operand)
            self.standins[standin] = operand
        copy: dict[int, int] = {}
        for step in sorted(steps):
            entry = data[step]
            operands = [held.get((step, p)) or copy.get(o, o) for p, o in enumerate(entry["operands"])]
            copy[step] = builder.make(entry["op"], tuple(operands), entry.get("attrs"))
        top = copy[root]
        standins = [held[place] for place in places]
        if len(steps) == 1 and data[root]["op"] != "select":
            # Most statements of a long program are one operation: its partials are all there is to find.
            partials = self.local.of(top, [position for _, position in places], {top, *standins})
            for (_, position), standin in zip(places, standins, strict=True):
                self.edges.append(Edge(self.standins[standin], node, partials.get(position)))
            return
        found = adjoints(builder, self.local, top, standins)
        guards = Guards(builder)
        guarded = guards.of(active(data, top, standins), top)
        for (step, position), standin in zip(places, standins, strict=True):
            guard = guards.edge(copy[step], guarded.get(copy[step], ALWAYS), position)
            within = tuple(sorted(set(conditions(guard))))
            self.edges.append(Edge(self.standins[standin], node, found.get(standin), within))
