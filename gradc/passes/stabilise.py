"""Stabilises a program before derivatives are taken: exact and stable rules, through the names of values.

A derivative with respect to a name treats the name as an input, so no rule may look through it; but only that
derivative. With ``t = 1 + exp(x); f = log(t)`` the derivative of f by t is 1/t, while the one by x is that of softplus,
which does not overflow. A graph that asks for both holds both forms of f.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from gradc.ir.builder import Builder, replay, transfer
from gradc.ir.graph import Graph, ancestors
from gradc.passes.simplify import REQUESTS, simplify, targets
from gradc.rules.rewrite import Firing, Rules, simplifier

# Beyond that many sets of names the program is not copied for each of them; names then hold the rules back.
MAX_COPIES: Final = 8


def stabilise(
    graph: Graph, rules: Rules, fired: list[Firing] | None = None, waiting: bool = False
) -> tuple[Graph, dict[int, int]]:
    """The graph with the rules applied, and the map from the old nodes to the new; names that are no request's target
    dissolve. The graph itself where nothing changes. Of a body ``waiting`` says whether derivatives are still to be
    made.
    """
    data = graph.data
    named = [node for node in targets(graph) if data[node]["op"] == "name"]
    record: list[Firing] = []
    result = simplify(graph, rules, dissolve=True, fired=record, waiting=waiting)
    groups = _groups(graph) if named else {}
    if 1 < len(groups) <= MAX_COPIES and _more(graph, rules, len(record)):
        record = []
        result = _copied(graph, rules, groups, record)
    if fired is not None:
        fired += record
    return result


def _groups(graph: Graph) -> dict[frozenset[int], list[int]]:
    """The requests by the names that must stay in what they differentiate: their own target and those of inner ones."""
    nothing: frozenset[int] = frozenset()
    below: dict[int, frozenset[int]] = {}
    groups: dict[frozenset[int], list[int]] = {}
    for node, data in graph.data.items():
        found = nothing
        for operand in data["operands"]:
            inner = below[operand]
            if inner is not found:
                found = found | inner if found else inner
        if data["op"] in REQUESTS:
            target = data["operands"][1]
            if graph.data[target]["op"] == "name":
                found |= {target}
            groups.setdefault(found, []).append(node)
        below[node] = found
    return groups


def _more(graph: Graph, rules: Rules, count: int) -> bool:
    """Whether more rules fire where no name holds them back."""
    record: list[Firing] = []
    builder = Builder(graph.ops, simplifier(rules, graph.ops, fold=False, commute=False, fired=record))
    _stream(graph, graph, builder, (), {}, {})
    return len(record) > count


def _copied(
    graph: Graph, rules: Rules, groups: Mapping[frozenset[int], list[int]], fired: list[Firing]
) -> tuple[Graph, dict[int, int]]:
    """Each group's part of the graph with its own names kept; what is equal in several is shared.

    Names by which bodies of regions differentiate stay everywhere.
    """
    inside = targets(graph).difference(data["operands"][1] for data in graph.data.values() if data["op"] in REQUESTS)
    builder = Builder(graph.ops, simplifier(rules, graph.ops, fold=False, commute=False, fired=fired))
    nothing: dict[int, int] = {}
    inputs = {node: replay(graph, node, builder, nothing) for node in sorted(graph.inputs)}
    made: dict[int, int] = {}
    for kept, requests in groups.items():
        # Inner requests are made anew within the part of an outer one, which differentiates them.
        number = _stream(graph, sorted(ancestors(graph.data, requests)), builder, kept | inside, inputs, nothing)
        made.update((request, number[request]) for request in requests)
    number = _stream(graph, graph, builder, inside, inputs, made)
    return transfer(graph, builder, number), number


def _stream(
    graph: Graph,
    nodes: Iterable[int],
    builder: Builder,
    kept: Collection[int],
    inputs: Mapping[int, int],
    made: Mapping[int, int],
) -> dict[int, int]:
    """Make the nodes again, names but those ``kept`` dissolved; ``inputs`` and ``made`` exist already."""
    number: dict[int, int] = {}
    for node in nodes:
        data = graph.data[node]
        if node in made:
            number[node] = made[node]
        elif node in inputs:
            number[node] = inputs[node]
        elif data["op"] == "name" and node not in kept:
            number[node] = number[data["operands"][0]]
        else:
            number[node] = replay(graph, node, builder, number)
    return number
