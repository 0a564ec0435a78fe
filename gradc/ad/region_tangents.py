"""Differentiates regions in forward mode: the tangent of a loop is a loop that carries tangents beside the values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from gradc.ad import dependence
from gradc.ad.bodies import Body, finish, get, live_name, name_of, nothing, tangent_name
from gradc.ir.graph import Graph
from gradc.ir.region import Loop
from gradc.ir.types import BOOL, INT
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.ir.builder import Builder
    from gradc.rules.gradients import LocalGradients


Guarded: TypeAlias = "tuple[int, int | None]"
"""A tangent and the node of the condition under which there is one; None where there always is."""


def push(
    local: LocalGradients, node: int, tangents: Mapping[int, Guarded], wanted: Collection[int]
) -> dict[int, Guarded]:
    """The tangents of a region's results ``wanted``, by their place, given those of its operands by position.

    Those of operands are 0 where there are none.
    """
    if local.builder.op(node) == "branch":
        return _branch_forth(local, node, tangents, wanted)
    return _loop_forth(local, node, tangents, wanted)


def _loop_forth(
    local: LocalGradients, node: int, tangents: Mapping[int, Guarded], wanted: Collection[int]
) -> dict[int, Guarded]:
    from gradc.ad.forward import guarded_tangents

    builder = local.builder
    data = builder.data[node]
    loop, operands = Loop.of(data["attrs"]), data["operands"]
    graph, count = loop.body, len(loop.body.inputs)
    given = {loop.input(position): tangent for position, (tangent, _) in tangents.items()}
    moving = sorted(dependence.active(loop, given) & dependence.useful(loop, wanted))
    # Under a condition that concerns several values, a tangent is 0 where there is none.
    under = {
        loop.input(position): guard
        for position, (_, guard) in tangents.items()
        if guard is not None and builder.type(guard).scalar
    }
    types = [graph.type(old) for old in graph.inputs]
    carried, scanned = loop.carried, loop.scanned

    made, tested = Body(builder), Body(builder)
    number = {graph.inputs[0]: made.input(name_of(graph, 0), INT)}
    directions: dict[int, int] = {}

    def moved(places: Sequence[int]) -> None:
        """Inputs as they are, then their tangents."""
        for place in places:
            operand = operands[loop.first + place - 1]
            number[graph.inputs[place]] = made.input(name_of(graph, place), types[place], operand)
        for place in places:
            if place in moving:
                start = given.get(place)
                start = nothing(builder, types[place]) if start is None else start
                tangent = made.input(tangent_name(name_of(graph, place)), types[place], start)
                directions[number[graph.inputs[place]]] = tangent

    moved(range(1, 1 + carried))
    # Where nothing has moved yet there is no tangent, which is not the same as 0.
    liveness = dependence.forwards(loop, given.keys() - under.keys(), given)
    flagged = [place for place in moving if place in liveness.sometimes]
    flags = {
        place: made.input(
            live_name(name_of(graph, place)),
            BOOL,
            under[place] if place in under else builder.constant(place in given, BOOL),
        )
        for place in flagged
    }
    moved(range(1 + carried, 1 + carried + scanned))
    moved(range(1 + carried + scanned, count))
    for place in moving:
        if place > carried and place in under:
            flags[place] = made.input(live_name(name_of(graph, place)), BOOL, under[place])
    made.replay(graph, number)
    inner_local = local.inside(made.builder)
    results = [number[output] for _, output in graph.outputs]
    made.builder.adjoint_of = results[0] if results else None
    live = {number[graph.inputs[place]]: flag for place, flag in flags.items()}
    roots = {place for place in range(len(results)) if (1 + place in moving if place < carried else place in wanted)}
    nodes = list(dict.fromkeys(results[place] for place in sorted(roots)))
    found = guarded_tangents(made.builder, inner_local, nodes, directions, live)

    outputs: list[tuple[str, int]] = []
    places: dict[int, int] = {}
    tangent_places: dict[int, int] = {}
    flag_places: dict[int, int] = {}

    def listed(group: Sequence[int]) -> None:
        """Outputs as they are, then their tangents."""
        for place in group:
            places[place] = len(outputs)
            outputs.append((graph.outputs[place][0], results[place]))
        for place in group:
            tangent = settled(made.builder, found.get(results[place])) if place in roots else None
            if place < carried and 1 + place in moving:
                tangent = nothing(made.builder, types[1 + place]) if tangent is None else tangent
            if tangent is not None:
                tangent_places[place] = len(outputs)
                outputs.append((tangent_name(graph.outputs[place][0]), tangent))

    listed(range(carried))
    for place in flagged:
        flag_places[place] = len(outputs)
        outputs.append((live_name(name_of(graph, place)), condition(made.builder, found.get(results[place - 1]))))
    wide = len(outputs)
    listed(range(carried, carried + loop.collected))
    before = len(outputs)
    listed(range(carried + loop.collected, len(graph.outputs)))
    test = loop.test
    body = finish(made.builder, inner_local, outputs)
    if test is not None:
        again = {}
        for old, place in zip(body.inputs, range(len(body.inputs)), strict=True):
            again[place] = tested.input(body.name(old) or "x", body.type(old))
        which = {number[old]: place for place, old in enumerate(graph.inputs)}
        order = {which[old]: place for place, old in enumerate(made.builder.inputs) if old in which}
        at = {test.inputs[place]: again[order[place]] for place in range(count)}
        tested.replay(test, at)
        test = tested.builder.finish([(test.outputs[0][0], at[test.outputs[0][1]])])
    extended = Loop(
        body,
        test,
        wide,
        scanned + sum(carried < place <= carried + scanned for place in moving),
        len(outputs) - before,
        loop.extent,
        loop.backwards,
        loop.checkpoint,
    )
    result = builder.make(extended.op, (*operands[: loop.first], *made.operands), extended.attrs)
    if test is not None:
        places[loop.results - 1] = extended.results - 1
    _supersede(local, node, result, places)
    reached = {place - 1: get(builder, result, at) for place, at in flag_places.items()}
    return {place: (get(builder, result, at), reached.get(place)) for place, at in tangent_places.items()}


def _branch_forth(
    local: LocalGradients, node: int, tangents: Mapping[int, Guarded], wanted: Collection[int]
) -> dict[int, Guarded]:
    from gradc.ad.forward import guarded_tangents

    builder = local.builder
    data = builder.data[node]
    operands, attrs = data["operands"], data["attrs"]
    bodies = {key: attrs[key] for key in ("then", "other")}
    moving = sorted(position for position in tangents)
    under = {position: guard for position, (_, guard) in tangents.items() if guard is not None}
    under = {position: guard for position, guard in under.items() if builder.type(guard).scalar}
    # In which of the bodies a result depends on what moves, and in which it does whatever the conditions are.
    may, must = {}, {}
    for key, graph in bodies.items():
        may[key] = _reached(dependence.dependence(graph), moving) & set(wanted)
        must[key] = _reached(dependence.certain(graph), tangents.keys() - under.keys()) & set(wanted)
    live = sorted(may["then"] | may["other"])
    flagged = [place for place in live if any((place in may[key]) != (place in must[key]) for key in bodies)]
    made_bodies: dict[str, Graph] = {}
    given: list[int] = []
    count = len(bodies["then"].outputs)
    for key, graph in bodies.items():
        made = Body(builder)
        number = {
            old: made.input(name_of(graph, place), graph.type(old), operands[1 + place])
            for place, old in enumerate(graph.inputs)
        }
        directions = {}
        for position in moving:
            old = graph.inputs[position - 1]
            name = tangent_name(name_of(graph, position - 1))
            directions[number[old]] = made.input(name, graph.type(old), tangents[position][0])
        flags = {
            number[graph.inputs[position - 1]]: made.input(live_name(name_of(graph, position - 1)), BOOL, guard)
            for position, guard in sorted(under.items())
        }
        made.replay(graph, number)
        inner_local = local.inside(made.builder)
        results = [number[output] for _, output in graph.outputs]
        made.builder.adjoint_of = results[0] if results else None
        roots = list(dict.fromkeys(results[place] for place in live))
        found = guarded_tangents(made.builder, inner_local, roots, directions, flags)
        outputs = [(name, results[place]) for place, (name, _) in enumerate(graph.outputs)]
        for place in live:
            tangent = settled(made.builder, found.get(results[place]))
            if tangent is None:
                tangent = nothing(made.builder, graph.type(graph.outputs[place][1]))
            outputs.append((tangent_name(graph.outputs[place][0]), tangent))
        for place in flagged:
            flag = condition(made.builder, found.get(results[place]))
            outputs.append((live_name(graph.outputs[place][0]), flag))
        made_bodies[key] = finish(made.builder, inner_local, outputs)
        given = made.operands
    result = builder.make("branch", (operands[0], *given), made_bodies)
    _supersede(local, node, result, {place: place for place in range(count)})
    conditions: dict[int, int | None] = {}
    for at, place in enumerate(flagged, count + len(live)):
        conditions[place] = get(builder, result, at)
    for place in live:
        if place not in conditions and place not in may["then"]:
            conditions[place] = builder.apply("not", operands[0])
        elif place not in conditions and place not in may["other"]:
            conditions[place] = operands[0]
    return {place: (get(builder, result, count + at), conditions.get(place)) for at, place in enumerate(live)}


def _reached(masks: Sequence[int], positions: Iterable[int]) -> set[int]:
    """The results of a branch, by place, that depend on operands at some positions."""
    mask = sum(1 << position - 1 for position in positions)
    return {place for place, each in enumerate(masks) if each & mask}


def settled(builder: Builder, term: Guarded | None, known: int | None = None) -> int | None:
    """The tangent as a value wherever the condition ``known`` holds: 0 where there is none."""
    if term is None:
        return None
    value, guard = term
    if guard is None or guard == known or builder.type(value).parts:
        return value
    return build.choose(builder, guard, value, nothing(builder, builder.type(value)))


def condition(builder: Builder, term: Guarded | None) -> int:
    """The single condition under which there is a tangent, of one of the elements at least."""
    if term is None or term[1] is None:
        return builder.constant(term is not None, BOOL)
    shape = builder.type(term[1]).shape
    return builder.apply("any", term[1], attrs={"axes": tuple(range(len(shape)))}) if shape else term[1]


def _supersede(local: LocalGradients, node: int, result: int, places: Mapping[int, int]) -> None:
    """Have the results of a region read from its tangent, which gives them too; a family of that gives them often."""
    builder = local.builder
    if builder.type(result).free == builder.type(node).free:
        local.superseded.setdefault(node, (result, places))
