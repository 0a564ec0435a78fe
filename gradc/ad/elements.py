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
from gradc.ops.structure import AT
from gradc.syntax.extents import dim_of

if TYPE_CHECKING:
    from gradc.ir.builder import Builder
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


def handed_on(builder: Builder, node: int, place: int, condition: int) -> bool:
    """Whether each element that a ``for`` changes has an influence, given the condition for those at the end: that
    of a recurrence, in which an iteration always reads what the one before it has written, when its last one has.
    """
    loop = Loop.of(builder.data[node]["attrs"])
    body, array = loop.body, loop.body.inputs[place]
    change = body.through_names(body.outputs[place - 1][1])
    if loop.test is not None or body.op(change) != "put" or body.attrs(change)["items"] != (AT,):
        return False
    before, value, index = body.operands(change)
    written = _behind(body, index)
    if written is None or body.through_names(before) != array:
        return False
    reads = (each for each in _always(body, value) if body.op(each) == "access" and body.attrs(each)["items"] == (AT,))
    found = (body.operands(each) for each in reads)
    if not any(body.through_names(read) == array and _behind(body, at) == written - 1 for read, at in found):
        return False
    asked = builder.data[condition]
    if asked["op"] != "assemble" or asked["attrs"]["parts"] != (((AT,), ()),):
        return False
    holds, at = asked["operands"]
    last, stop = dim_of(builder.data, at), dim_of(builder.data, builder.operands(node)[1])
    return builder.value(holds) is True and last is not None and stop is not None and last - stop == written - 1


def _behind(body: Graph, index: int) -> int | None:
    """By how much an index is greater than the number of the iteration; None if that is not a known number."""
    index = body.through_names(index)
    if index == body.inputs[0]:
        return 0
    if body.op(index) not in ("add", "sub"):
        return None
    left, right = map(body.through_names, body.operands(index))
    if body.op(index) == "add" and right == body.inputs[0]:
        left, right = right, left
    number = body.constant(right)
    if left != body.inputs[0] or number is None:
        return None
    return int(number) if body.op(index) == "add" else -int(number)


def _always(body: Graph, value: int) -> set[int]:
    """What a value depends on smoothly whatever conditions turn out to be, as far as no region is on the way."""
    found: set[int] = set()
    stack = [value]
    while stack:
        node = stack.pop()
        if node not in found and body.op(node) != "select" and body.op(node) not in REGIONS:
            found.add(node)
            stack += [operand for _, operand in differentiable(body.data, node)]
    return found
