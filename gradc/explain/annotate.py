"""What a diagram says about a graph: statements, values, local gradients, derivatives and paths.

All of it comes from the network of local gradients that explanations are made from. Of a graph that is much larger than
what is shown, only the part that is shown is differentiated: what it takes from the rest stands for inputs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from gradc.ad.reverse import adjoints
from gradc.backends import notation
from gradc.backends.blocks import REGIONS
from gradc.backends.expression import ELLIPSIS, Printer
from gradc.backends.sketch import Sketch
from gradc.errors import CallError
from gradc.explain import algebra
from gradc.explain.contributions import Contributions
from gradc.explain.flow import Flow
from gradc.explain.gains import gains
from gradc.explain.known import Known
from gradc.explain.paths import Edge, Network, Weight, network, weight
from gradc.explain.renamed import Renamed, atom
from gradc.explain.through import Through, summed
from gradc.ir.builder import Builder, replay
from gradc.ir.graph import Graph
from gradc.ir.types import TAPE, TUPLE, Index
from gradc.limits import Limits
from gradc.passes.simplify import simplify
from gradc.rules.gradients import LocalGradients
from gradc.rules.rewrite import rules_of

# A graph with more nodes is differentiated only as far as it is shown.
WHOLE: Final = 4_000
# What is shown may still hold very much, as a sum of 100 000 terms is one box. With more nodes it is not differentiated
# at all.
HEAVY: Final = 20_000
# The longest statement and the longest local gradient that is written out, in characters.
STATEMENT: Final = 44
GRADIENT: Final = 34
# Of an array with more elements, and of such a family of values, no picture shows the values.
SHOWN: Final = 1 << 20
# An unnamed step with a longer text is called v1, v2… in the text of others.
STEP: Final = 16


class Notes:
    """What there is to say about the boxes ``shown`` of a sketch; ``of`` is the value that is differentiated.

    ``wrt`` are nodes with respect to which it is; ``inputs`` the values of the graph's inputs, None where they are not
    known.
    """

    def __init__(
        self,
        sketch: Sketch,
        shown: Sequence[int],
        of: int | None,
        wrt: Sequence[int],
        inputs: Known | None,
        limits: Limits,
    ) -> None:
        self.sketch = sketch
        self.limits = limits
        self.shown = set(shown)
        self.order = shown
        self.inputs = inputs
        graph, at = sketch.graph, {node: node for node in sketch.live}
        self.whole = len(graph) <= WHOLE
        if not self.whole:
            graph, at = self._part()
            of = of if of in at else None
            # All arrows between what is shown, and none from the rest.
            wrt = [node for node in shown if sketch.graph.type(node).real]
        self.of = of
        ends = [of] if of is not None else [] if self.whole else self._ends(at)
        if len(graph) > HEAVY:
            ends = []
        net = network(graph, [at[n] for n in ends], [at[n] for n in wrt if n in at], self._level, limits)
        self.net: Network = net
        self.through = Through(net)
        # From the nodes of the sketch's graph to those of the network's.
        self.at = {node: net.number[there] for node, there in at.items()}
        self.top = None if of is None else self.at[of]
        # What flows back over arrays: a graph that holds it, and the adjoint of each node in it.
        self._back: tuple[Graph, Mapping[int, int]] | None = None
        self._printers()
        self._evaluate()

    @property
    def _level(self) -> Any:
        return self.sketch.level

    def _ends(self, at: Mapping[int, int]) -> list[int]:
        """The real values that nothing shown is computed from: towards these there are local gradients at least."""
        sketch = self.sketch
        used = {home for box in self.order for home, _ in sketch.tails(box)}
        return [box for box in self.order if box not in used and box in at and sketch.graph.type(box).real]

    def _part(self) -> tuple[Graph, dict[int, int]]:
        """The part of the graph that is shown, with inputs for what it is computed from."""
        sketch = self.sketch
        data = sketch.data
        needed: set[int] = set()
        borders: set[int] = set()
        stack = list(self.order)
        while stack:
            node = stack.pop()
            if node in needed or node in borders:
                continue
            home = sketch.home(node)
            if sketch.is_box(home) and home not in self.shown and not data[node]["type"].free:
                borders.add(node)
                continue
            needed.add(node)
            stack += data[node]["operands"]
        builder = Builder(sketch.graph.ops)
        at: dict[int, int] = {}
        for node in sorted(needed | borders):
            if node in needed:
                at[node] = replay(sketch.graph, node, builder, at)
            else:
                at[node] = builder.input(data[node].get("name") or ELLIPSIS, data[node]["type"])
        part = builder.finish([])
        names = {name: at[node] for name, node in sketch.graph.names.items() if node in at}
        functions = sketch.graph.functions
        return Graph(part.nx, part.ops, part.inputs, (), names, functions=functions), at

    # Values --------------------------------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        """Compute what is shown, if the inputs are known."""
        self.values: dict[int, Any] = {}
        net = self.net
        inputs = self.inputs
        if inputs is None:
            return
        if not self.whole:
            # The numbers that come from the part that is not shown.
            borders = sorted((there, node) for node, there in self.at.items() if net.graph.data[there]["op"] == "input")
            found = self._run(self.sketch.graph, [node for _, node in borders], inputs)
            if found is None:
                return
            inputs = replace(inputs, inputs=found)
        gradients = [edge.gradient for edge in net.edges if edge.gradient is not None and edge.kind == "factor"]
        tests = [edge.live for edge in net.edges if edge.live is not None]
        wanted = {self.at[box] for box in self.order if inputs.modest(net.graph, self.at[box], SHOWN)}
        wanted |= {*gradients, *tests, *self._entering()}
        graph = net.graph
        if self.top is not None and self.whole and self._arrays:
            graph, adjoints = self._traced()
            wanted |= {node for there, node in adjoints.items() if inputs.modest(graph, node, SHOWN)}
        order = sorted(node for node in wanted if not self._unseen(graph, node))
        numbers = self._run(graph, order, inputs)
        if numbers is not None:
            self.values = {node: value for node, value in zip(order, numbers, strict=True) if value is not None}

    @property
    def _arrays(self) -> bool:
        """Whether the derivatives that are shown are made of arrays."""
        return self.net.arrays and self.top is not None and self.net.graph.type(self.top).scalar

    def _traced(self) -> tuple[Graph, Mapping[int, int]]:
        """The graph with the adjoints of all nodes on a way to ``of``."""
        if self._back is None:
            assert self.top is not None
            builder = Builder.continuing(self.net.graph, self.limits.expanded_nodes)
            local = LocalGradients(builder, self.net.templates.partials)
            made = adjoints(builder, local, self.top, self.net.nodes)
            self._back = builder.finish(self.net.graph.outputs), made
        return self._back

    def _entering(self) -> set[int]:
        """What the loops and branches that are shown begin with."""
        data = self.net.graph.data
        shown = [self.at[box] for box in self.order if data[self.at[box]]["op"] in REGIONS]
        return {node for region in shown for node in data[region]["operands"]}

    @staticmethod
    def _unseen(graph: Graph, node: int) -> bool:
        """Whether no picture shows the value of a node: one for each iteration, or several families."""
        type = graph.type(node)
        return type.dtype == TAPE or (type.dtype == TUPLE and bool(type.free))

    def _run(self, graph: Graph, nodes: Sequence[int], inputs: Known) -> list[Any] | None:
        try:
            return inputs.values(graph, nodes, self.limits, ())
        except CallError:
            # A loop that does not end, arrays that do not fit into memory: the picture is drawn all the same.
            return None

    def value(self, box: int) -> Any:
        """The number of a box, None where it is not known."""
        return self.values.get(self.at[box])

    @cached_property
    def cut(self) -> frozenset[int]:
        """The edges that carry nothing: no derivative, or no influence here."""
        return frozenset(
            index
            for index, edge in enumerate(self.net.edges)
            if edge.gradient is None or (edge.live is not None and not self.values.get(edge.live, not self.values))
        )

    @cached_property
    def factors(self) -> list[float]:
        """The local gradient of every edge of the network; empty where they are not known."""
        if not self.values:
            return []
        return [
            0.0
            if edge.gradient is None
            else float(self.values.get(edge.gradient, "nan"))
            if edge.kind == "factor"
            else math.nan
            for edge in self.net.edges
        ]

    @cached_property
    def _adjoints(self) -> Mapping[int, Any]:
        if self.top is None or not self.values or not self.whole:
            return {}
        if self.net.arrays:
            made = self._traced()[1] if self._arrays else {}
            return {node: self.values[there] for node, there in made.items() if there in self.values}
        return self.net.flow(self.top, self.factors, self.cut)

    def adjoint(self, box: int) -> Any:
        """The derivative of ``of`` by a box on a way to it, None where it is not known or there is no way."""
        if box == self.of or (self.at[box] not in self._ways):
            return None
        return self._adjoints.get(self.at[box])

    @cached_property
    def _ways(self) -> set[int]:
        return set(self.net.nodes)

    # Texts ---------------------------------------------------------------------------------------------------------

    def _printers(self) -> None:
        """Printers that know the names which the diagram gives: one of the graph, one of the local gradients."""
        graph, data, net = self.sketch.graph, self.sketch.data, self.net
        self._given: dict[int, dict[str, Any]] = {}
        for name, node in graph.names.items():
            if data[node]["op"] not in ("name", "input", "size"):
                self._given[node] = atom(name, data[node]["type"])
        self._atoms = set(self.sketch.named)
        # A local gradient is simplified and written out, also where it is a derivative that has a name.
        simple, self._simple = net.graph, {node: node for node in net.graph}
        if net.edges and not net.arrays:
            simple, self._simple = simplify(net.graph, rules_of(net.graph.ops, ("exact", "real")), fold=True)
        there = {self._simple[self.at[node]]: entry for node, entry in self._given.items() if node in self.at}
        self._given_there = there
        self._atoms_there = {self._simple[node] for node in net.atoms} | set(there)
        self._gradients = Printer(Renamed(simple, there), pretty=True, atoms=self._atoms_there)
        for (y, v, order), node in sorted(graph.adjoints.items(), reverse=True):
            if order == 1 and node not in self._given:
                self._quotient(node, y, v)
        for node in self.sketch.live:
            if data[node]["op"] == "grad":
                self._quotient(node, *data[node]["operands"])
        self.statements = Printer(Renamed(graph, self._given), pretty=True, atoms=self._atoms)
        # Loops have boxes of their own.
        self.statements.whole = False

    def _quotient(self, node: int, y: int, v: int) -> None:
        """Let texts write the node as ∂y/∂v, in parentheses where a quotient needs them."""
        above, below = self.names.get(y), self.names.get(v)
        if above is not None and below is not None:
            first = -2 * len(self._given) - 1
            self._given[first], self._given[first - 1] = atom(f"∂{above}"), atom(f"∂{below}")
            self._atoms |= {first, first - 1}
            self._given[node] = {**self.sketch.data[node], "op": "div", "operands": (first, first - 1)}

    def derivative(self, y: int, v: int, order: int = 1) -> str | None:
        """∂y/∂v, if both have names."""
        above, below = self.names.get(y), self.names.get(v)
        if above is None or below is None:
            return None
        return f"∂{above}/∂{below}" if order == 1 else f"∂{above}/∂{below} ({order})"

    @cached_property
    def derivatives(self) -> dict[int, list[str]]:
        """The derivatives that nodes are, those by what stands last in the program first."""
        found: dict[int, list[str]] = {}
        for (y, v, order), node in sorted(self.sketch.graph.adjoints.items(), reverse=True):
            if (label := self.derivative(y, v, order)) is not None:
                found.setdefault(node, []).append(label)
        return found

    @cached_property
    def all_names(self) -> dict[int, list[str]]:
        """The names of nodes, as values and as outputs."""
        found: dict[int, list[str]] = {}
        graph = self.sketch.graph
        for name, node in [*graph.names.items(), *graph.outputs]:
            found.setdefault(node, []).append(graph.name(node) or name)
        return found

    @cached_property
    def names(self) -> dict[int, str]:
        """The names of nodes as written; of several for one node the first."""
        return {node: names[0] for node, names in self.all_names.items()}

    def shape(self, node: int) -> str:
        """The shape of an array, in numbers where they are known; empty for a single number."""
        dims = self.sketch.graph.type(node).shape
        return notation.shape(dims, {} if self.inputs is None else self.inputs.sizes) if dims else ""

    def statement(self, box: int) -> tuple[str, str | None]:
        """What stands behind the box's name, as in ``C[i, j]``, and what it is computed by; None for an input."""
        self._left = ""
        text = self.text(box)
        return self._left, text

    def ranges(self, indices: Sequence[Index]) -> str:
        """``for i < n, j < m``: the indices of a comprehension with their extents."""
        sizes = {} if self.inputs is None else self.inputs.sizes
        shown = [f"{index.name.partition('.')[0]} < {notation.shape([index.extent], sizes)[1:-1]}" for index in indices]
        return f"for each {', '.join(dict.fromkeys(shown))}"

    def text(self, box: int, *, table: bool = False) -> str | None:
        """What the box is computed by; None for an input. A table is told by its elements, or whole."""
        core = self.sketch.core(box)
        entry = self.sketch.data[core]
        if entry["op"] == "input" or (entry["op"] == "get" and self.sketch.is_box(entry["operands"][0])):
            return None
        if core != box and self.sketch.is_box(core):
            return self.statements.text(core, limit=STATEMENT)
        # What it is called is not what it is computed by; a request is computed by nothing else.
        aside = self._given.pop(core, None) if entry["op"] != "grad" else None
        if table:
            text = self.statements.text(core, through=(core,), limit=STATEMENT)
        else:
            self._left, text = self.statements.statement("", core, through=(core,), limit=STATEMENT)
        if aside is not None:
            self._given[core] = aside
        return text

    def call(self, box: int, name: str) -> None:
        """Let texts from now on say ``name`` for the box."""
        made = atom(name, self.sketch.graph.type(box))
        self._given[box] = made
        self._atoms.add(box)
        there = self._simple[self.at[box]]
        self._given_there[there] = made
        self._atoms_there.add(there)

    def flows(self, tail: int, box: int) -> list[Flow]:
        """The arrows along which a derivative flows from a node to a box, in the order of the text."""
        source = self.at[tail]
        if self.sketch.data[box]["op"] in REGIONS:
            return [self.flow(index) for index in self._into.get((source, self.at[box]), ())]
        target = self.at[box if self.sketch.level == "names" else self.sketch.core(box)]
        found = self._between.get((source, target), ())
        return [self.flow(index) for index in found if self._first(self.net.edges[index]) is None]

    def _first(self, edge: Edge) -> int | None:
        """The first region that an edge leads through; those of a derivative that is asked for are not drawn."""
        return next((region for region in edge.via if region in self._regions), None)

    @cached_property
    def _regions(self) -> set[int]:
        return {self.at[node] for node in self.at if self.sketch.data[node]["op"] in REGIONS}

    def passing(self, region: int, box: int) -> list[int]:
        """The edges that come out of a region into a box, or into another region of the same statement."""
        at, there = self.at[region], self.at[box]
        found = [index for index, edge in enumerate(self.net.edges) if at in edge.via]
        if self.sketch.data[box]["op"] in REGIONS:
            return [index for index in found if there in self.net.edges[index].via]
        ends = {there, self.at[self.sketch.core(box)]}
        return [index for index in found if self.net.edges[index].target in ends]

    @cached_property
    def _into(self) -> dict[tuple[int, int], list[int]]:
        """The edges by their source and the first region that they lead through."""
        found: dict[tuple[int, int], list[int]] = {}
        for index, edge in enumerate(self.net.edges):
            first = self._first(edge)
            if first is not None:
                found.setdefault((edge.source, first), []).append(index)
        return found

    @cached_property
    def _between(self) -> dict[tuple[int, int], list[int]]:
        found: dict[tuple[int, int], list[int]] = {}
        for index, edge in enumerate(self.net.edges):
            found.setdefault((edge.source, edge.target), []).append(index)
        return found

    def flow(self, index: int) -> Flow:
        """One edge of the network."""
        edge = self.net.edges[index]
        if edge.gradient is None:
            return Flow(index, "0", None, cut=True)
        cut = index in self.cut
        if self.through.edge(edge):
            text = self.through.symbol(edge)
        elif self.net.graph.data[edge.target]["op"] == "select" and edge.live is not None:
            # Its local gradient is 1 or 0.
            text = "not taken" if cut else "1" if self.factors else "then" if edge.position == 1 else "else"
        else:
            text = self._gradient_text(edge)
            if text.endswith(ELLIPSIS):
                text = self._symbol(edge.source, edge.target) or text
        known = self.factors and not cut and edge.kind == "factor"
        return Flow(index, text, self.factors[index] if known else None, cut)

    def _gradient_text(self, edge: Edge) -> str:
        assert edge.gradient is not None
        if not self.net.arrays:
            return self._gradients.text(self._simple[edge.gradient], limit=GRADIENT)
        graph = Renamed(self.net.graph, self._given_there)
        atoms = self._atoms_there
        found = algebra.shortest(graph, edge.gradient, atoms, same=self.net.standins, limit=4 * GRADIENT)
        text = self._gradients.text(edge.gradient, limit=4 * GRADIENT) if found is None else found[1]
        text = notation.adjoint_map(text, edge.symbol.removeprefix("∂")) if edge.kind == "map" else text
        return text if len(text) <= GRADIENT else text[: GRADIENT - 1].rstrip() + ELLIPSIS

    def contribution(self, path: Sequence[int], limit: int) -> str | None:
        """What a path over arrays contributes, if that can be said in so many characters."""
        if self.top is None or not self._arrays or not path:
            return None
        if any(self.through.edge(self.net.edges[index]) for index in path):
            if any(self.net.graph.type(self.net.edges[index].target).free for index in path):
                return None
            text = summed([[self._term(index) for index in path if index not in self.inner]], 1)
            return text if len(text) <= limit else None
        made = Contributions(self.net, self.top, self.net.edges[path[0]].source, self.limits)
        node = made.path(path)
        if node is None:
            return "0"
        found = algebra.shortest(made.finish(), node, self.net.atoms, same=self.net.standins, limit=limit)
        return None if found is None else found[1]

    def _term(self, index: int) -> str:
        edge = self.net.edges[index]
        return "1" if edge.kind == "moved" else self.flow(index).text

    def _symbol(self, source: int, target: int) -> str | None:
        """∂target/∂source for a local gradient that is too long, if both have names."""
        data = self.net.graph.data
        above, below = (data[node].get("name") for node in (target, source))
        return f"∂{above}/∂{below}" if above and below else None

    @cached_property
    def inner(self) -> frozenset[int]:
        """The edges inside boxes: from a value to the name that stands in its box."""
        homes: dict[int, int] = {}
        for node, there in self.at.items():
            homes.setdefault(there, self.sketch.home(node))
        return frozenset(
            index
            for index, edge in enumerate(self.net.edges)
            if edge.source in homes and homes[edge.source] == homes.get(edge.target)
        )

    # Paths ---------------------------------------------------------------------------------------------------------

    def count(self, wrt: int) -> int:
        """The number of paths from a node to ``of``."""
        if self.top is None or wrt not in self.at:
            return 0
        return self.net.count(self.top, self.at[wrt])

    def best(self, wrt: int, count: int) -> list[list[int]]:
        """The paths with the largest products, in the order of the text where the values are not known."""
        if self.top is None:
            return []
        weights = [weight(self.factors[i], i in self.cut) for i in range(len(self.factors))] or None
        if self.net.arrays:
            weights = self._gains(self.at[wrt]) if count < self.count(wrt) else None
        return self.net.best(self.top, self.at[wrt], count, weights)

    def _gains(self, bottom: int) -> list[Weight] | None:
        """The weights of the edges where there are arrays and their values are known."""
        if self.top is None or self.inputs is None or not self.values or not self.whole or not self._arrays:
            return None
        try:
            return gains(self.net, self.top, bottom, self.inputs, self.limits)
        except CallError:
            return None

    def on_ways(self, nodes: Sequence[int]) -> tuple[set[int], tuple[int, int] | None]:
        """The edges on ways through ``nodes`` in their order, or the first two between which there is no way."""
        edges = self.net.edges
        found: set[int] = set()
        for first, last in pairwise(nodes):
            below = self._reach(self.at[first], forwards=True)
            above = self._reach(self.at[last], forwards=False)
            between = {i for i in below if i in above}
            if not between or not any(edges[i].target == self.at[last] for i in between):
                return found, (first, last)
            found |= between
        return found, None

    def _reach(self, node: int, *, forwards: bool) -> Collection[int]:
        near = self.net.outgoing if forwards else self.net.incoming
        edges = self.net.edges
        found: set[int] = set()
        stack, seen = [node], {node}
        while stack:
            for index in near.get(stack.pop(), ()):
                found.add(index)
                other = edges[index].target if forwards else edges[index].source
                if other not in seen:
                    seen.add(other)
                    stack.append(other)
        return found


__all__ = ["Notes"]
