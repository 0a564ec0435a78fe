"""Expands derivative requests and calls: the graph as written becomes one that can be run.

Requests are expanded in order of creation, so inner ones come first and an outer one differentiates what the inner one
has become. Those that ask for derivatives of one value share a sweep. A request means «make v an input and
differentiate what lies between», so names stay nodes of their own until all requests are expanded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

from gradc.ad import layers
from gradc.ad.bodies import settle
from gradc.ad.dependence import REGIONS
from gradc.ad.forward import Tangents, tangent, tangents
from gradc.ad.layers import State
from gradc.ad.nested import Directions, layer
from gradc.ad.reverse import adjoints
from gradc.errors import CompileError, Diagnostic
from gradc.ir.builder import Builder, NodeLimit, Simplifier, replay, transfer
from gradc.ir.graph import Graph, ancestors, bodies_of, graphs
from gradc.ir.prune import over_bodies, prune
from gradc.ir.sizes import Dim
from gradc.ir.types import Type, typed
from gradc.limits import DEFAULT, Limits, too_many_nodes
from gradc.ops import build
from gradc.rules.gradients import LocalGradients, Template

REQUESTS = ("grad", "jvp", "vjp")

# Fewer values that are differentiated by one number are left to reverse mode.
_MANY = 8


def has_requests(graph: Graph) -> bool:
    """Whether the graph, or a body in it, holds derivative requests that are not yet expanded."""
    return _holds(graph, REQUESTS)


def _holds(graph: Graph, ops: Collection[str]) -> bool:
    return any(data["op"] in ops for each in graphs(graph) for data in each.data.values())


class Expander:
    """Streams one graph into a builder and expands what it meets."""

    def __init__(
        self,
        graph: Graph,
        builder: Builder,
        templates: Templates,
        number: Mapping[int, int] = MappingProxyType({}),
        env: Mapping[int, Directions] = MappingProxyType({}),
        state: State | None = None,
    ) -> None:
        """Of a body, ``number`` has the inputs, ``env`` the tangents along those by which it differentiates, and
        ``state`` says which requests are left for another layer.
        """
        self.graph = graph
        self.builder = builder
        self.templates = templates
        self.local = LocalGradients(builder, templates.partials)
        self.number: dict[int, int] = dict(number)
        self.env = env
        self.state = state
        self.plain = state.plain if state is not None else set()
        # Where the results of a region are that has been given further ones.
        self.places: dict[int, dict[int, int]] = {}
        self.swept: dict[tuple[int, int | None], dict[int, int]] = {}
        # How often the values that are derivatives have been differentiated.
        self.orders: dict[int, int] = {}
        # Who asks for derivatives of what: y, and the cotangent of a vjp, to the nodes v.
        self.wanted: dict[tuple[int, int | None], list[int]] = defaultdict(list)
        for data in graph.data.values():
            if data["op"] in ("grad", "vjp"):
                y, v, *seed = data["operands"]
                self.wanted[y, seed[0] if seed else None].append(v)
        self.forward = self._forward()
        self.tangents: dict[int, Tangents] = {}

    def _forward(self) -> set[int]:
        """The single numbers by which so many values are differentiated that forward mode is cheaper.

        Reverse mode takes a sweep for each value that is differentiated, forward mode one for each such number.
        """
        values: dict[int, set[int]] = defaultdict(set)
        for (y, seed), targets in self.wanted.items():
            for v in targets if seed is None else ():
                values[v].add(y)
        several = {v for v, ys in values.items() if len(ys) >= _MANY and self.graph.type(v).scalar}
        # One more target of a value needs its reverse sweep anyway.
        alone = {v for v in several if all(several.issuperset(self.wanted[y, None]) for y in values[v])}
        most = {v: max(len(set(self.wanted[y, None])) for y in values[v]) for v in alone}
        return {v for v in alone if len(values[v]) > 2 * most[v]}

    def inside(
        self,
        graph: Graph,
        builder: Builder,
        number: Mapping[int, int],
        env: Mapping[int, Directions],
        state: State,
    ) -> Expander:
        """The same for a body."""
        return Expander(graph, builder, self.templates, number, env, state)

    def run(self) -> dict[int, int]:
        """Stream the graph; the map from its nodes to the builder's."""
        number, builder = self.number, self.builder
        for node, data in self.graph.data.items():
            if node in number:
                continue
            op = data["op"]
            if self.state is not None and node in self.state.held:
                number[node] = replay(self.graph, node, builder, number)
            elif op in REQUESTS and number[data["operands"][1]] in self.env and node not in self.plain:
                builder.span = data.get("span")
                number[node] = self.carried(node, *data["operands"])
            elif op in ("grad", "vjp"):
                number[node] = self.reverse(node, *data["operands"])
            elif op == "jvp":
                y, v, direction = (number[operand] for operand in data["operands"])
                builder.span = data.get("span")
                made = tangent(builder, self.local, y, {v: direction})
                number[node] = self.zero(data["type"]) if made is None else made
            elif op in REGIONS:
                number[node] = self.region(node, data)
            elif op == "get" and data["operands"][0] in self.places:
                builder.span = data.get("span")
                place = self.places[data["operands"][0]][data["attrs"]["place"]]
                number[node] = builder.apply("get", number[data["operands"][0]], attrs={"place": place})
            else:
                number[node] = replay(self.graph, node, builder, number)
                if op == "name" and (order := self.orders.get(number[data["operands"][0]])):
                    self.orders[number[node]] = order
        builder.span = builder.adjoint_of = None
        return number

    def region(self, node: int, data: Mapping[str, Any]) -> int:
        """A region with the requests in its bodies expanded: all of them, or one layer where others wait outside."""
        made = replay(self.graph, node, self.builder, self.number)
        entering: set[int] = set()
        if self.state is not None:
            operands = data["operands"]
            entering = {at for at, position in layers.places(data).items() if operands[position] in self.state.tainted}
        while any(map(has_requests, bodies_of(self.builder.data[made]))):
            made, places = layer(self, made, entering)
            before = self.places.get(node)
            self.places[node] = places if before is None else {old: places[new] for old, new in before.items()}
            if self.state is not None:
                break
        return made

    def carried(self, node: int, y: int, v: int, seed: int | None = None) -> int:
        """The derivative of y by a name from outside the body: from the tangents along each of its elements."""
        number, builder = self.number, self.builder
        directions = self.env[number[v]]
        found = tangents(builder, self.local, [number[y]], directions.of, directions.live).get(number[y])
        if found is None:
            return self.zero(self.graph.type(node))
        op, indices = self.graph.op(node), directions.indices
        if op == "grad":
            return build.tabulate(builder, found, indices)
        assert seed is not None
        weight = number[seed]
        if op == "jvp":
            at = [build.index(builder, index) for index in indices]
            part = build.access(builder, weight, (None,) * len(at), at) if at else weight
            part = build.broadcast(builder, part, builder.type(found).shape)
            return build.total(builder, builder.apply("mul", found, part), indices)
        product = builder.apply("mul", found, weight)
        total = build.total(builder, product, (), range(builder.type(found).rank))
        return build.tabulate(builder, total, indices)

    def reverse(self, node: int, y: int, v: int, seed: int | None = None) -> int:
        """The derivative of y by v, from the sweep that all requests for y share."""
        number, builder = self.number, self.builder
        key = (y, seed)
        if seed is None and v in self.forward:
            if v not in self.tangents:
                self.tangents[v] = Tangents(builder, self.local, number[v])
            made = self.tangents[v].of(number[y])
        else:
            made = self._swept(key).get(number[v])
        if made is None:
            made = self.zero(builder.type(number[v]))
        if seed is None and builder.value(made) is None:
            # A derivative of a derivative is one order up.
            order = 1 + self.orders.get(number[y], 0)
            builder.adjoints.setdefault((number[y], number[v], order), made)
            self.orders[made] = max(order, self.orders.get(made, 0))
        return made

    def _swept(self, key: tuple[int, int | None]) -> dict[int, int]:
        """The adjoints of one reverse sweep, from the value and the cotangent in ``key``."""
        number, builder = self.number, self.builder
        y, seed = key
        if key not in self.swept:
            targets = list(dict.fromkeys(number[w] for w in self.wanted[key] if w in number))
            found = adjoints(builder, self.local, number[y], targets, None if seed is None else number[seed])
            self.swept[key] = dict(found)
        return self.swept[key]

    def zero(self, type: Type) -> int:
        """The derivative of what does not depend on the target."""
        return self.builder.constant(0.0, type)


class Templates:
    """The functions of a program that have derivatives of their own, without requests.

    A function is registered when both its graphs are built, so each calls only functions that come before it in the
    table, and its partials besides that only the function itself.
    """

    def __init__(self, graph: Graph, limits: Limits = DEFAULT) -> None:
        self.limits = limits
        self.partials: dict[str, Template] = {}
        self.bodies: dict[str, Graph] = {}
        self._made: dict[Graph, Graph] = {}
        for name, function in graph.functions.items():
            self.partials[name] = Template(self.expanded(function.partials))
            self.bodies[name] = self.expanded(function.body)

    def expanded(self, graph: Graph) -> Graph:
        """A graph, or a region's body, with its requests expanded; calls stay. Each graph once."""
        if not has_requests(graph):
            return graph
        if graph not in self._made:
            self._made[graph] = self.stream(graph, Builder(graph.ops, max_nodes=self.limits.expanded_nodes))[0]
        return self._made[graph]

    def stream(self, graph: Graph, builder: Builder) -> tuple[Graph, dict[int, int]]:
        """The graph with its requests expanded, made in a builder, and the map to its nodes."""
        expander = Expander(graph, builder, self)
        number = expander.run()
        found = transfer(graph, builder, number)
        superseded = expander.local.superseded
        if superseded:
            found, further = settle(found, superseded)
            number = {old: further[new] for old, new in number.items() if new in further}
        found, further = prune(found)
        return found, {old: further[new] for old, new in number.items() if new in further}


def has_calls(graph: Graph) -> bool:
    """Whether the graph calls functions that have derivatives of their own."""
    return _holds(graph, ("call",))


Call = tuple[str, tuple[int, ...]]
"""A function and the nodes that it is called on."""


class _Body:
    """The body of a function on its way into a builder."""

    def __init__(self, call: Call, body: Graph, shape: tuple[Dim, ...]) -> None:
        self.call = call
        self.body = body
        self.output = body.outputs[0][1]
        self.waiting: Iterator[int] = iter(sorted(ancestors(body.data, [self.output])))
        self.number = dict(zip(body.inputs, call[1], strict=True))
        self.shape = shape


class Inliner:
    """Puts the bodies of functions in the place of their calls, each once for the same operands.

    Functions may call each other deep down, and twice at every step: hence a stack, and a memory.
    """

    def __init__(self, builder: Builder, bodies: Mapping[str, Graph]) -> None:
        self.builder = builder
        self.bodies = bodies
        self._made: dict[Call, int] = {}

    def inline(self, name: str, operands: tuple[int, ...]) -> int:
        """The node that the call stands for."""
        wanted = (name, operands)
        stack: list[_Body] = []
        entered: set[str] = set()
        while wanted not in self._made:
            missing = wanted if not stack else self._run(stack[-1])
            if missing is not None:
                if missing[0] in entered:
                    raise CompileError(Diagnostic("E0304", f"the function `{missing[0]}` calls itself"))
                entered.add(missing[0])
                shape = self.builder.type(missing[1][0]).shape
                stack.append(_Body(missing, self.bodies[missing[0]], shape))
                continue
            done = stack.pop()
            entered.remove(done.call[0])
            self._made[done.call] = done.number[done.output]
        return self._made[wanted]

    def _run(self, body: _Body) -> Call | None:
        """Go on with a body; the call that is to be made before, or None at its end."""
        builder, number, data = self.builder, body.number, body.body.data
        for node in body.waiting:
            if node in number:
                continue
            entry = data[node]
            op = entry["op"]
            operands = tuple([number[operand] for operand in entry["operands"]])
            if op == "call":
                call = (entry["attrs"]["function"], operands)
                if call not in self._made:
                    body.waiting = chain([node], body.waiting)
                    return call
                number[node] = self._made[call]
            elif op == "const":
                # Called on arrays, a function acts on each element.
                type = entry["type"]
                number[node] = builder.constant(entry["attrs"]["value"], typed(type.dtype, type.shape or body.shape))
            elif op == "name":
                number[node] = operands[0]
            else:
                number[node] = builder.apply(op, *operands, attrs=entry.get("attrs"))
        return None


def inlined(graph: Graph, templates: Templates) -> Graph:
    """A body of a region without requests, with the bodies of functions in place of their calls."""
    if not has_calls(graph):
        return graph
    builder = Builder(graph.ops, max_nodes=templates.limits.expanded_nodes)
    made = transfer(graph, builder, inline_into(graph, builder, templates))
    return over_bodies(made, lambda body: inlined(body, templates))[0]


def inline_into(graph: Graph, builder: Builder, templates: Templates) -> dict[int, int]:
    """Stream a graph without requests, with the bodies of functions in place of their calls."""
    inliner = Inliner(builder, templates.bodies)
    number: dict[int, int] = {}
    for node, data in graph.data.items():
        if data["op"] == "call":
            builder.span = data.get("span")
            marked = data.get("adjoint_of")
            builder.adjoint_of = None if marked is None else number.get(marked)
            operands = tuple([number[operand] for operand in data["operands"]])
            number[node] = inliner.inline(data["attrs"]["function"], operands)
        else:
            number[node] = replay(graph, node, builder, number)
    return number


def expand(
    graph: Graph, simplifier: Simplifier | None = None, limits: Limits = DEFAULT
) -> tuple[Graph, dict[int, int]]:
    """The graph with all derivative requests and calls expanded, and the map from its nodes to the new ones.

    With a ``simplifier`` the nodes are folded and rewritten as they are made. The graph itself where there is nothing
    to expand.
    """
    if not has_requests(graph) and not has_calls(graph):
        return graph, {node: node for node in graph}
    try:
        templates = Templates(graph, limits)
        builder = Builder(graph.ops, simplifier, limits.expanded_nodes)
        expanded, number = templates.stream(graph, builder)
        if graph.functions:
            builder = Builder(graph.ops, simplifier, limits.expanded_nodes)
            further = inline_into(expanded, builder, templates)
            expanded = transfer(expanded, builder, further)
            expanded, merged = over_bodies(expanded, lambda body: inlined(body, templates))
            number = {old: merged[further[new]] for old, new in number.items()}
    except NodeLimit:
        raise too_many_nodes(limits.expanded_nodes) from None
    return expanded, number
