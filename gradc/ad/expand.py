"""Expands derivative requests and calls: the graph as written becomes one that can be run.

Requests are expanded in order of creation, so inner ones come first and an outer one differentiates what the inner one
has become. Those that ask for derivatives of one value share a sweep. A request means «make v an input and
differentiate what lies between», so names stay nodes of their own until all requests are expanded.
"""

from __future__ import annotations

from collections import defaultdict

from gradc.ad.forward import tangent
from gradc.ad.reverse import adjoints
from gradc.errors import CompileError, Diagnostic
from gradc.ir.graph import Builder, Graph, NodeLimit, Simplifier, replay, transfer
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
                number[node] = self.zero(y) if made is None else made
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
            made = self.zero(number[y])
        if seed is None and builder.value(made) is None:
            # A derivative of a derivative is one order up.
            order = 1 + self.orders.get(number[y], 0)
            builder.adjoints.setdefault((number[y], number[v], order), made)
            self.orders[made] = max(order, self.orders.get(made, 0))
        return made

    def zero(self, y: int) -> int:
        """The derivative of what does not depend on the target."""
        return self.builder.constant(0.0, self.builder.type(y))


class Templates:
    """The functions of a program that have derivatives of their own, ready to be spliced.

    A function is registered when both its graphs are built, so each calls only functions that come before it in the
    table, and its partials besides that only the function itself.
    """

    def __init__(self, graph: Graph) -> None:
        self.bodies: dict[str, Template] = {}
        self.partials: dict[str, Template] = {}
        for name, function in graph.functions.items():
            try:
                self.partials[name] = Template(self._expanded(function.partials))
                self.bodies[name] = Template(self._inlined(self._expanded(function.body)))
            except KeyError:
                raise CompileError(
                    Diagnostic("E0403", f"the derivative of `{name}` is stated in terms of the derivative of `{name}`")
                ) from None

    def _expanded(self, graph: Graph) -> Graph:
        if not has_requests(graph):
            return graph
        builder = Builder(graph.ops)
        return transfer(graph, builder, Expander(graph, builder, self).run())

    def _inlined(self, graph: Graph) -> Graph:
        if not has_calls(graph):
            return graph
        builder = Builder(graph.ops)
        return transfer(graph, builder, inline_into(graph, builder, self))


def has_calls(graph: Graph) -> bool:
    """Whether the graph calls functions that have derivatives of their own."""
    return any(data["op"] == "call" for data in graph.data.values())


def inline_into(graph: Graph, builder: Builder, templates: Templates) -> dict[int, int]:
    """Stream a graph without requests, with the bodies of functions in place of their calls."""
    number: dict[int, int] = {}
    for node, data in graph.data.items():
        if data["op"] == "call":
            builder.span = data.get("span")
            marked = data.get("adjoint_of")
            builder.adjoint_of = None if marked is None else number.get(marked)
            operands = [number[operand] for operand in data["operands"]]
            number[node] = templates.bodies[data["attrs"]["function"]].splice(builder, operands, 0, {})
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
    templates = Templates(graph)
    try:
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
