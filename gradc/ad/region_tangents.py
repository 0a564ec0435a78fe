"""Differentiates regions in forward mode: the tangent of a loop is a loop that carries tangents beside the values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from gradc.ad import dependence
from gradc.ad.bodies import Body, each_row, finish, get, live_name, name_of, nothing, tangent_name
from gradc.ad.needs import some
from gradc.ir.graph import Graph
from gradc.ir.region import Loop
from gradc.ir.types import BOOL, INT, TAPE

if TYPE_CHECKING:
    from gradc.ir.builder import Builder
    from gradc.rules.gradients import LocalGradients


Guarded: TypeAlias = "tuple[int, int | None]"
"""A tangent and the node of the condition under which there is one; None where there always is.

Of what a region gives the tangent is 0 where there is none; of a tape the condition is a tape.
"""


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
    types = [graph.type(old) for old in graph.inputs]
    carried, scanned = loop.carried, loop.scanned
    # Under a condition on single elements, a tangent is 0 in those where there is none.
    under = {}
    for position, (_, guard) in tangents.items():
        place = loop.input(position)
        if guard is not None:
            under[place] = some(builder, guard, int(carried < place <= carried + scanned))

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
    entering = len(made.operands)
    moved(range(1 + carried, 1 + carried + scanned))

    def enter_flags(rows: bool) -> None:
        """The conditions that come from outside: one for each iteration, or the same for all."""
        for place in moving:
            if place > carried and place in under and (_each_iteration(builder, under[place]) == rows):
                flags[place] = made.input(live_name(name_of(graph, place)), BOOL, under[place])

    enter_flags(True)
    entering = len(made.operands) - entering
    moved(range(1 + carried + scanned, count))
    enter_flags(False)
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
            tangent = found[results[place]][0] if place in roots and results[place] in found else None
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

    def listed_with_flags(group: Sequence[int]) -> None:
        """Outputs of each iteration, and under which condition they have tangents in it."""
        listed(group)
        for place in group:
            if place in tangent_places and place not in liveness.each:
                flag_places[1 + place] = len(outputs)
                name = live_name(graph.outputs[place][0])
                outputs.append((name, condition(made.builder, found.get(results[place]))))

    listed_with_flags(range(carried, carried + loop.collected))
    before = len(outputs)
    listed_with_flags(range(carried + loop.collected, len(graph.outputs)))
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
        entering,
        len(outputs) - before,
        loop.extent,
        loop.backwards,
        loop.checkpoint,
    )
    result = builder.make(extended.op, (*operands[: loop.first], *made.operands), extended.attrs)
    if test is not None:
        places[loop.results - 1] = extended.results - 1
    _supersede(local, node, result, places)
    made_tangents: dict[int, Guarded] = {}
    for place, standing in tangent_places.items():
        tangent = get(builder, result, standing)
        own: int | None = None
        if 1 + place in flag_places:
            own = get(builder, result, flag_places[1 + place])
            if carried <= place < carried + loop.collected:
                own = each_row(builder, own, builder.type(tangent).shape)
        made_tangents[place] = tangent, own
    return made_tangents


def _each_iteration(builder: Builder, guard: int) -> bool:
    """Whether a condition that enters a loop is one for each iteration."""
    type = builder.type(guard)
    return bool(type.rank) or type.dtype == TAPE


def _branch_forth(
    local: LocalGradients, node: int, tangents: Mapping[int, Guarded], wanted: Collection[int]
) -> dict[int, Guarded]:
    from gradc.ad.forward import guarded_tangents

    builder = local.builder
    data = builder.data[node]
    operands, attrs = data["operands"], data["attrs"]
    bodies = {key: attrs[key] for key in ("then", "other")}
    moving = sorted(position for position in tangents)
    under = {position: some(builder, guard) for position, (_, guard) in tangents.items() if guard is not None}
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
            known = found.get(results[place])
            tangent = nothing(made.builder, graph.type(graph.outputs[place][1])) if known is None else known[0]
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


def condition(builder: Builder, term: Guarded | None) -> int:
    """The single condition under which there is a tangent, of one of the elements at least."""
    if term is None or term[1] is None:
        return builder.constant(term is not None, BOOL)
    return some(builder, term[1])


def _supersede(local: LocalGradients, node: int, result: int, places: Mapping[int, int]) -> None:
    """Have the results of a region read from its tangent, which gives them too; a family of that gives them often."""
    builder = local.builder
    if builder.type(result).free == builder.type(node).free:
        local.superseded.setdefault(node, (result, places))
