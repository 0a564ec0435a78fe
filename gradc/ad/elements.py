"""For which arrays it matters which of their elements have any influence.

An element without influence has an adjoint of 0 that must not meet infinite local gradients. That matters only where
such gradients follow, and only where it can be told of operands which elements enter which: behind a product of
matrices all elements are made of all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from gradc.ad import dependence
from gradc.ad.dependence import REGIONS, collects
from gradc.ad.flow import Nodes, active, differentiable
from gradc.ad.needs import GENTLE
from gradc.ad.reads import leaves_out, single
from gradc.ir.region import Loop

if TYPE_CHECKING:
    from gradc.ir.graph import Graph


def separate(graph: Nodes, order: Sequence[int], known: Collection[int] = ()) -> set[int]:
    """The nodes behind which an adjoint is multiplied by local gradients, element by element, those ``known`` included.

    ``order`` has the nodes on the way of a derivative, operands first.
    """
    data, members = graph.data, set(order)
    found = set(known)
    places: dict[int, set[int]] = {}
    for node in order:
        op = graph.op(node)
        below = [operand for _, operand in differentiable(data, node) if operand in members]
        if op in REGIONS:
            places[node] = _results(graph, node, members, found)
        elif below and op == "get":
            place = graph.data[node]["attrs"]["place"]
            # Of an array that a loop collects one iteration makes each row.
            if place in places[below[0]] or collects(graph, below[0], place):
                found.add(node)
        elif below and single(graph, node) and (op not in GENTLE or not found.isdisjoint(below)):
            found.add(node)
    return found


def _results(graph: Nodes, node: int, members: Collection[int], known: Collection[int]) -> set[int]:
    """The results of a region, by place, that are arrays of which that can be said."""
    data = graph.data[node]
    operands, attrs = data["operands"], data["attrs"]
    if data["op"] == "branch":
        entering = {at - 1 for at in range(1, len(operands)) if operands[at] in members}
        before = {at - 1 for at in range(1, len(operands)) if operands[at] in known}
        found: set[int] = set()
        for body in (attrs["then"], attrs["other"]):
            inner = within_branch(body, entering, before)
            found |= {place for place, (_, output) in enumerate(body.outputs) if output in inner}
        return found
    loop = Loop.of(attrs)
    wanted = {loop.input(at) for at in range(loop.first, len(operands)) if operands[at] in members}
    before = {loop.input(at) for at in range(loop.first, len(operands)) if operands[at] in known}
    inner, _ = within(loop, wanted, before)
    return {place for place in range(loop.carried) if loop.body.outputs[place][1] in inner}


def within_branch(body: Graph, wanted: Collection[int], known: Collection[int]) -> set[int]:
    """The nodes of a body that runs once of which that can be said, given the inputs, by place."""
    return separate(body, _order(body, wanted), [body.inputs[place] for place in known if place in wanted])


def within(loop: Loop, wanted: Collection[int], known: Collection[int]) -> tuple[set[int], set[int]]:
    """The nodes of a loop's body of which that can be said, and its inputs: by place, those ``known`` included.

    The inputs ``wanted`` are those that something is differentiated by; what depends on them is carried on.
    """
    body = loop.body
    order = _order(body, dependence.active(loop, wanted))
    inputs = set(known)
    while True:
        found = separate(body, order, [body.inputs[place] for place in inputs])
        more = {1 + at for at in range(loop.carried) if body.outputs[at][1] in found} - inputs
        if not more:
            return found, inputs
        inputs |= more


def _order(body: Graph, entering: Collection[int]) -> list[int]:
    outputs = [output for _, output in body.outputs if body.type(output).smooth]
    return active(
        body.data, outputs, [body.inputs[place] for place in entering if body.type(body.inputs[place]).smooth]
    )


def in_part(body: Graph, known: Collection[int]) -> bool:
    """Whether a body, or one inside it, reads such an array in part; ``known`` has the nodes that are such."""
    for node, data in body.data.items():
        if data["op"] in REGIONS:
            if any(operand in known for operand in data["operands"]):
                # What is read in there has names of its own; it is taken for read in part if any array is.
                bodies = [data["attrs"][key] for key in ("body", "then", "other") if key in data["attrs"]]
                if any(in_part(inner, inner.data) for inner in bodies):
                    return True
        elif data["operands"] and data["operands"][0] in known and leaves_out(body, node, 0):
            return True
    return False
