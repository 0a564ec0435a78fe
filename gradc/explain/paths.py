"""The local gradients of a graph as written, the paths between two names, and what flows along them.

At level ``ops`` every node of the graph is a node here and every operand edge an edge, its local gradient the
operator's partial. At level ``names`` only named values are nodes. An edge is then one place in a statement where a
name stands as an operand; its local gradient is the derivative of the statement by that operand, all others held fixed,
so that routes which part only at an unnamed step inside are one edge.

Paths are counted, added up and ranked without being listed: `y = y + y` sixty times has 2^60 of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from gradc.ad.dependence import REGIONS
from gradc.ad.expand import Expander, Templates
from gradc.ad.flow import active, differentiable
from gradc.ad.guards import Beyond, beyond
from gradc.ad.reverse import adjoints
from gradc.explain.pulling import Edge, Kind, Locals, ever
from gradc.explain.ranking import Ranking, Weight, weight
from gradc.ir.builder import Builder, NodeLimit, transfer
from gradc.ir.graph import Graph
from gradc.ir.types import TAPE, TUPLE
from gradc.limits import DEFAULT, Limits, too_many_nodes
from gradc.ops import build
from gradc.rules.gradients import LocalGradients

Level = Literal["names", "ops"]


class Network:
    """Nodes and edges on the ways from the nodes ``wrt`` to the nodes ``of``, with their local gradients.

    ``graph`` is the program with its derivative requests expanded (calls of functions with a derivative of their own
    are still calls), and with the nodes of the local gradients appended; ``number`` maps the nodes of the graph as
    written to it. ``nodes`` are in order of creation, edges in the order of their target and of its operands. ``atoms``
    are the nodes at which an expression stops: names, and the ``standins`` for them inside local gradients, which carry
    the same names. What is ``beyond`` a step says which conditions it has to tell of.
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
        symbols: Collection[int] = (),
        beyond: Beyond | None = None,
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
        self.symbols = frozenset(symbols)
        self.beyond = beyond or Beyond(frozenset(), frozenset())

    @cached_property
    def atoms(self) -> frozenset[int]:
        """Where expressions stop."""
        return self.names | frozenset(self.standins) | self.symbols

    @cached_property
    def arrays(self) -> bool:
        """Whether there are arrays, or families of values, on the way."""
        return any(not self.graph.type(node).scalar for node in self.nodes)

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
        return Ranking(self, of, weights).paths(wrt, count)


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
    if any(builder.op(node) in REGIONS for node in found.order):
        nodes = found.connected(nodes)
    finished = transfer(graph, builder, number)
    tables = (found.edges, names, found.standins, templates, gradients, found.arrays.symbols, found.arrays.beyond)
    return Network(finished, number, tops, bottoms, nodes, *tables)


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
        self.tops, self.bottoms = of, wrt
        self.local = local
        members: set[int] = set()
        for y in of:
            members.update(active(builder.data, [y], wrt))
        self.order = sorted(members)
        self.arrays = Locals(builder, local, beyond(builder, self.order))
        self.members = members
        self.named = {*names, *of, *wrt}
        self.edges: list[Edge] = []
        # The regions that a step of the statement at hand leads through.
        self.via: dict[int, tuple[int, ...]] = {}
        # Stand-in to the name that it stands for.
        self.standins: dict[int, int] = {}

    def inside(self, node: int) -> list[tuple[int, int]]:
        """The operands through which a way goes, as (position, operand)."""
        return [(p, operand) for p, operand in differentiable(self.builder.data, node) if operand in self.members]

    def one(self, node: int) -> int:
        return self.arrays.ones(node)

    def _kind(self, node: int) -> Kind:
        return "factor" if self.builder.type(node).scalar else "elements"

    def _called(self, node: int) -> str | None:
        name: str | None = self.builder.data[node].get("name") or self.called.get(node)
        return name

    def behind(self, operand: int) -> int:
        """What a region is entered by: a name that no table has is another name for its value."""
        data = self.builder.data
        while data[operand]["op"] == "name" and operand not in self.named:
            operand = data[operand]["operands"][0]
        return operand

    def connected(self, nodes: Sequence[int]) -> list[int]:
        """The nodes on a way of edges, of which only those are kept.

        Not every result of a region depends on all that enters it, regions are no nodes, and names may be passed by.
        """
        behind = set(self.tops)
        for edge in reversed(self.edges):
            if edge.target in behind:
                behind.add(edge.source)
        before = set(self.bottoms)
        for edge in self.edges:
            if edge.source in before:
                before.add(edge.target)
        on_ways = behind & before
        self.edges = [edge for edge in self.edges if edge.source in on_ways and edge.target in on_ways]
        return [node for node in nodes if node in on_ways]

    def operations(self) -> None:
        """An edge for every operand."""
        builder = self.builder
        for node in self.order:
            edges = self.inside(node)
            if not edges:
                continue
            op, operands = builder.op(node), builder.operands(node)
            if builder.type(node).dtype in (TUPLE, TAPE):
                # The operands of a region lead to its results, also where these come by way of another region.
                continue
            if op == "get":
                self._through(node, node, *self._entered(node))
            elif op == "name":
                self.edges.append(Edge(operands[0], node, self.one(node), kind=self._kind(node), position=0))
            elif op == "select":
                one, zero = self.one(node), build.filled(builder, 0.0, builder.type(node))
                single = builder.type(operands[0]).scalar
                for position, operand in edges:
                    taken = position == 1
                    gradient = builder.make("select", (operands[0], one, zero) if taken else (operands[0], zero, one))
                    live = operands[0] if taken else builder.apply("not", operands[0])
                    live = ever(builder, live)
                    kind: Kind = "factor" if single else "elements"
                    self.edges.append(Edge(operand, node, gradient, live, kind, position=position))
            elif not self.arrays.plain(node, [operand for _, operand in edges]):
                made = self.arrays.operation(
                    node, [position for position, _ in edges], self.members, self._called(node)
                )
                for position, operand in edges:
                    whole, form, called = made[position]
                    self.edges.append(Edge(operand, node, whole, None, form, called, None, position))
            elif builder.ops[op].pullback is not None:
                # A sum over an index that its term lacks.
                self._through(node, node, {node}, [(node, position) for position, _ in edges])
            else:
                partials = self.local.of(node, [position for position, _ in edges], self.members)
                for position, operand in edges:
                    self.edges.append(Edge(operand, node, partials.get(position), position=position))

    def statements(self) -> None:
        """An edge for every operand of a statement that is a name."""
        for node in self.order:
            if node in self.named:
                self._statement(node)

    def _statement(self, node: int) -> None:
        builder = self.builder
        if builder.op(node) == "name":
            root = builder.operands(node)[0]
            if root in self.named:
                if root in self.members:
                    self.edges.append(Edge(root, node, self.one(node), kind=self._kind(node)))
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
            if builder.op(step) in REGIONS:
                operand = self.behind(operand)
            if operand in self.named:
                places.append((step, position))
            elif operand not in steps:
                steps.add(operand)
                stack += [(operand, inner, below) for inner, below in reversed(self.inside(operand))]
        self._through(node, root, steps, places)

    def _entered(self, node: int) -> tuple[set[int], list[tuple[int, int]]]:
        """The steps that the result of a region consists of, and the places in them where values enter."""
        builder = self.builder
        steps = {node}
        places: list[tuple[int, int]] = []
        stack = [node]
        while stack:
            step = stack.pop()
            for position, operand in self.inside(step):
                operand = self.behind(operand)
                if builder.type(operand).dtype not in (TUPLE, TAPE):
                    places.append((step, position))
                elif operand not in steps:
                    steps.add(operand)
                    stack.append(operand)
        return steps, places

    def _through(self, node: int, root: int, steps: set[int], places: list[tuple[int, int]]) -> None:
        """The edges of a statement whose value is at ``root``, from the names at ``places`` in its ``steps``.

        A name that enters a loop or a branch at several places does so by one edge.
        """
        if not places:
            return
        builder, data = self.builder, self.builder.data
        # The statement once more, each name where it stands as an operand held apart from all others.
        held: dict[tuple[int, int], int] = {}
        groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for step, position in places:
            entering = builder.op(step) in REGIONS
            operand = data[step]["operands"][position]
            operand = self.behind(operand) if entering else operand
            group = groups.setdefault((step, operand if entering else -1 - position), [])
            if not group:
                standin = builder.name(self._called(operand) or "…", operand)
                self.standins[standin] = operand
            else:
                standin = held[group[0]]
            held[step, position] = standin
            group.append((step, position))
        entries = list(groups.values())
        self.via = self._regions_above(steps)
        copy: dict[int, int] = {}
        for step in sorted(steps):
            entry = data[step]
            below = map(self.behind, entry["operands"]) if entry["op"] in REGIONS else entry["operands"]
            operands = [held.get((step, p)) or copy.get(o, o) for p, o in enumerate(below)]
            # A function's parameter is a name for nothing but its argument here.
            parameter = entry["op"] == "name"
            copy[step] = operands[0] if parameter else builder.make(entry["op"], tuple(operands), entry.get("attrs"))
        top = copy[root]
        standins = [held[group[0]] for group in entries]
        if not all(builder.type(step).scalar for step in (*copy.values(), *standins)):
            self._over_arrays(node, top, standins, entries)
            return
        if len(steps) == 1 and data[root]["op"] != "select" and builder.ops[data[root]["op"]].pullback is None:
            # Most statements of a long program are one operation: its partials are all there is to find.
            partials = self.local.of(top, [position for _, position in places], {top, *standins})
            for (_, position), standin in zip(places, standins, strict=True):
                gradient = partials.get(position)
                self.edges.append(Edge(self.standins[standin], node, gradient, place=(top, standin)))
            return
        made = self.arrays.influences(top, {each: self.standins[each] for each in standins})
        for standin in standins:
            adjoint, live = (found.adjoint, found.live) if (found := made.get(standin)) else (None, None)
            self.edges.append(Edge(self.standins[standin], node, adjoint, live, place=(top, standin)))

    def _regions_above(self, steps: Collection[int]) -> dict[int, tuple[int, ...]]:
        """The regions on the ways from each step of a statement to its value, the step itself included."""
        data = self.builder.data
        found: dict[int, frozenset[int]] = {}
        if not any(data[step]["op"] in REGIONS for step in steps):
            return {}
        for step in sorted(steps, reverse=True):
            region = data[step]["op"] in REGIONS
            own = found.setdefault(step, frozenset())
            if region:
                own = found[step] = own | {step}
            for operand in data[step]["operands"]:
                below = self.behind(operand) if region else operand
                if below in steps:
                    found[below] = found.get(below, frozenset()) | own
        return {step: tuple(sorted(regions)) for step, regions in found.items()}

    def _over_arrays(
        self, node: int, top: int, standins: Sequence[int], entries: Sequence[Sequence[tuple[int, int]]]
    ) -> None:
        """The edges of a statement in which there are arrays."""
        made = self.arrays.statement(top, {each: self.standins[each] for each in standins}, self._called(node))
        for standin, (gradient, live, kind, called), places in zip(standins, made, entries, strict=True):
            if gradient is None and self.builder.op(places[0][0]) in REGIONS:
                # Another result of the region depends on it.
                continue
            if kind == "factor" and self.builder.type(top).free:
                # One number for each member of the family.
                kind = "elements"
            via = self.via.get(places[0][0], ())
            edge = Edge(self.standins[standin], node, gradient, live, kind, called, (top, standin), via=via)
            self.edges.append(edge)


__all__ = ["Edge", "Level", "Network", "Weight", "network", "weight"]
