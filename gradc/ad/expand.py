"""Expands derivative requests and calls: the graph as written becomes one that can be run.

Requests are expanded in order of creation, so inner ones come first and an outer one differentiates what the inner one
has become. Those that ask for derivatives of one value share a sweep. A request means «make v an input and
differentiate what lies between», so names stay nodes of their own until all requests are expanded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import chain

from gradc.ad.forward import tangent
from gradc.ad.reverse import adjoints
from gradc.errors import CompileError, Diagnostic
from gradc.ir.builder import Builder, NodeLimit, Simplifier, replay, transfer
from gradc.ir.graph import Graph, ancestors
from gradc.ir.sizes import Dim
from gradc.ir.types import Type, typed
from gradc.limits import DEFAULT, Limits, too_many_nodes
from gradc.rules.gradients import LocalGradients, Template

REQUESTS = ("grad", "jvp", "vjp")


def has_requests(graph: Graph) -> bool:
    """Whether the graph holds derivative requests that are not yet expanded."""
    return any(data["op"] in REQUESTS for data in graph.data.values())


class Expander:
    """Streams one graph into a builder and expands what it meets."""

    def __init__(self, graph: Graph, builder: Builder, templates: Templates) -> None:
        self.graph = graph
        self.builder = builder
        self.local = LocalGradients(builder, templates.partials)
        self.number: dict[int, int] = {}
        self.swept: dict[tuple[int, int | None], dict[int, int]] = {}
        # How often the values that are derivatives have been differentiated.
        self.orders: dict[int, int] = {}
        # Who asks for derivatives of what: y, and the cotangent of a vjp, to the nodes v.
        self.wanted: dict[tuple[int, int | None], list[int]] = defaultdict(list)
        for data in graph.data.values():
            if data["op"] in ("grad", "vjp"):
                y, v, *seed = data["operands"]
                self.wanted[y, seed[0] if seed else None].append(v)

    def run(self) -> dict[int, int]:
        """Stream the graph; the map from its nodes to the builder's."""
        number, builder = self.number, self.builder
        for node, data in self.graph.data.items():
            op = data["op"]
            if op in ("grad", "vjp"):
                number[node] = self.reverse(node, *data["operands"])
            elif op == "jvp":
                y, v, direction = (number[operand] for operand in data["operands"])
                builder.span = data.get("span")
                made = tangent(builder, self.local, y, {v: direction})
                number[node] = self.zero(data["type"]) if made is None else made
            else:
                number[node] = replay(self.graph, node, builder, number)
                if op == "name" and (order := self.orders.get(number[data["operands"][0]])):
                    self.orders[number[node]] = order
        builder.span = builder.adjoint_of = None
        return number

    def reverse(self, node: int, y: int, v: int, seed: int | None = None) -> int:
        """The derivative of y by v, from the sweep that all requests for y share."""
        number, builder = self.number, self.builder
        key = (y, seed)
        if key not in self.swept:
            targets = list(dict.fromkeys(number[w] for w in self.wanted[key] if w in number))
            found = adjoints(builder, self.local, number[y], targets, None if seed is None else number[seed])
            self.swept[key] = dict(found)
        made = self.swept[key].get(number[v])
        if made is None:
            made = self.zero(builder.type(number[v]))
        if seed is None and builder.value(made) is None:
            # A derivative of a derivative is one order up.
            order = 1 + self.orders.get(number[y], 0)
            builder.adjoints.setdefault((number[y], number[v], order), made)
            self.orders[made] = max(order, self.orders.get(made, 0))
        return made

    def zero(self, type: Type) -> int:
        """The derivative of what does not depend on the target."""
        return self.builder.constant(0.0, type)


class Templates:
    """The functions of a program that have derivatives of their own, without requests.

    A function is registered when both its graphs are built, so each calls only functions that come before it in the
    table, and its partials besides that only the function itself.
    """

    def __init__(self, graph: Graph, limits: Limits = DEFAULT) -> None:
        self.partials: dict[str, Template] = {}
        self.bodies: dict[str, Graph] = {}
        for name, function in graph.functions.items():
            self.partials[name] = Template(self._expanded(function.partials, limits))
            self.bodies[name] = self._expanded(function.body, limits)

    def _expanded(self, graph: Graph, limits: Limits) -> Graph:
        if not has_requests(graph):
            return graph
        builder = Builder(graph.ops, max_nodes=limits.expanded_nodes)
        return transfer(graph, builder, Expander(graph, builder, self).run())


def has_calls(graph: Graph) -> bool:
    """Whether the graph calls functions that have derivatives of their own."""
    return any(data["op"] == "call" for data in graph.data.values())


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
        number = Expander(graph, builder, templates).run()
        expanded = transfer(graph, builder, number)
        if graph.functions:
            builder = Builder(graph.ops, simplifier, limits.expanded_nodes)
            further = inline_into(expanded, builder, templates)
            expanded = transfer(expanded, builder, further)
            number = {old: further[new] for old, new in number.items()}
    except NodeLimit:
        raise too_many_nodes(limits.expanded_nodes) from None
    return expanded, number
