"""What a loop keeps of its iterations for its derivatives.

A tape holds what is carried into each iteration. Of an array that an iteration changes in a few places only what is
written over is kept: going backwards, the array is restored from its last state. (Griewank and Walther, Evaluating
Derivatives, 2nd ed., section 4.3, on overwrites.) What turns out not to be needed is dropped later (``prune``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gradc.ad.bodies import Body, name_of
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph, ancestors
from gradc.ir.region import Loop, distinct
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.rules.gradients import LocalGradients


@dataclass(frozen=True)
class Change:
    """One change of a carried array in an iteration: the ``put`` that makes it, and what it writes over."""

    put: int
    items: tuple[Any, ...]
    indices: tuple[int, ...]
    before: int


def changes(loop: Loop) -> dict[int, list[Change]]:
    """The carried inputs, by number, of which an iteration only changes elements, with the changes in their order."""
    body = loop.body
    found: dict[int, list[Change]] = {}
    if loop.checkpoint is not None:
        # Its tapes are computed again, which needs no memory for every change.
        return found
    for place in range(1, 1 + loop.carried):
        node = body.through_names(body.outputs[place - 1][1])
        listed: list[Change] = []
        while body.op(node) == "put":
            before, _, *indices = body.operands(node)
            listed.append(Change(node, body.attrs(node)["items"], tuple(indices), before))
            node = body.through_names(before)
        if listed and node == body.inputs[place]:
            found[place] = listed[::-1]
    return found


def taped(local: LocalGradients, node: int, whole: bool = False) -> tuple[int, Loop]:
    """The loop at a node with what its derivatives need of each iteration on tapes: that node, and what it is.

    All derivatives of a loop share it. With ``whole`` every carried value is on a tape, however it changes.
    """
    builder = local.builder
    data = builder.data[node]
    loop = Loop.of(data["attrs"])
    body = None if whole else local.bodies.get(loop.body)
    if body is None:
        body = _with_tapes(builder, loop, {} if whole else changes(loop))
        if not whole:
            local.bodies[loop.body] = body
    more = len(body.outputs) - len(loop.body.outputs)
    if not more:
        return node, loop
    augmented = replace(loop, body=body, tapes=loop.tapes + more)
    made = builder.make(augmented.op, data["operands"], augmented.attrs)
    places = {place: place for place in range(len(loop.body.outputs))}
    if loop.test is not None:
        places[loop.results - 1] = augmented.results - 1
    local.superseded[node] = (made, places)
    return made, augmented


def _with_tapes(builder: Builder, loop: Loop, changed: dict[int, list[Change]]) -> Graph:
    """The body of a loop with all that its derivatives may need among its outputs."""
    body = loop.body
    made = Body(builder)
    number = {old: made.input(name_of(body, place), body.type(old)) for place, old in enumerate(body.inputs)}
    made.replay(body, number)
    outputs = [(name, number[old]) for name, old in body.outputs]
    known = {node for _, node in outputs[loop.carried + loop.collected :]}
    wanted: list[tuple[str, int]] = []
    for place in range(1, 1 + loop.carried):
        name = name_of(body, place)
        if place not in changed:
            wanted.append((f"{name}.tape", number[body.inputs[place]]))
            continue
        for change in changed[place]:
            indices = [number[index] for index in change.indices]
            wanted.append((f"{name}.before", build.access(made.builder, number[change.before], change.items, indices)))
            kept = [index for index in change.indices if not foreseen(body, index, changed)]
            wanted += [(f"{name}.place", number[index]) for index in kept]
    for name, node in wanted:
        if node not in known:
            known.add(node)
            outputs.append((name, node))
    return body if len(outputs) == len(body.outputs) else made.builder.finish(distinct(outputs))


def foreseen(body: Graph, node: int, changed: Collection[int]) -> bool:
    """Whether a value in a body can be computed before the arrays that iterations change are restored."""
    cone = ancestors(body.data, [node])
    return not any(body.inputs[place] in cone for place in changed)


def tapes_of(loop: Loop, changed: Collection[int] = ()) -> dict[int, int]:
    """The number of the result that is the tape of each carried input but those ``changed``, by the place of that."""
    first = loop.carried + loop.collected
    outputs = [node for _, node in loop.body.outputs]
    return {
        place: outputs.index(loop.body.inputs[place], first)
        for place in range(1, 1 + loop.carried)
        if place not in changed
    }


def place_of(loop: Loop, node: int) -> int:
    """The number of the result that is the tape of a node in the body."""
    outputs = [output for _, output in loop.body.outputs]
    return outputs.index(node, loop.carried + loop.collected)


def overwritten(loop: Loop, change: Change) -> int:
    """The node in the body of a taped loop that reads what a change writes over."""
    body = loop.body
    wanted = (change.before, *change.indices)
    for _, node in body.outputs[loop.carried + loop.collected :]:
        if body.op(node) == "access" and body.operands(node) == wanted and body.attrs(node)["items"] == change.items:
            return node
    raise LookupError(change.put)


def restore(
    builder: Builder, array: int, listed: Sequence[Change], before: Sequence[int], places: Sequence[Sequence[int]]
) -> int:
    """The array as an iteration found it, from what it left, what it has written over, and where."""
    for change, value, indices in reversed(list(zip(listed, before, places, strict=True))):
        array = builder.apply("put", array, value, *indices, attrs={"items": change.items})
    return array
