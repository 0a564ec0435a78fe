"""Differentiates regions in reverse mode.

The reverse of a loop is a loop in the other direction. An iteration of it computes the iteration that it undoes once
more, from what was carried into that, and then the adjoints. What was carried into each iteration is on tapes, which
the forward loop is given as further results; those that turn out not to be needed are dropped again (``prune``). So a
sum over a loop saves nothing, and a nested loop is kept for one iteration of the outer one at a time. (Griewank and
Walther, Evaluating Derivatives, 2nd ed., chapters 4 and 12.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from gradc.ad import dependence, elements
from gradc.ad.bodies import (
    Body,
    adjoint_name,
    all_of,
    each_row,
    either,
    finish,
    fixed_value,
    get,
    live_name,
    name_of,
    nothing,
)
from gradc.ad.needs import some
from gradc.ad.tapes import changes, foreseen, overwritten, place_of, restore, taped, tapes_of
from gradc.ir.graph import ancestors
from gradc.ir.region import Loop
from gradc.ir.types import BOOL, INT, TAPE, typed
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.ir.builder import Builder
    from gradc.rules.gradients import LocalGradients


@dataclass(frozen=True, slots=True)
class Seed:
    """The adjoint of a result, and the ``condition`` under which there is one, or None where there always is.

    Of an array the condition may be an array with one for each element, of a collected one with one for each iteration.
    Of a tape one of the ``tapes`` of conditions has to hold besides, if there are any.
    """

    adjoint: int
    condition: int | None = None
    tapes: tuple[int, ...] = ()


Contribution: TypeAlias = "tuple[int, int | None, bool]"
"""A contribution to an adjoint, the condition under which there is one, or None, and whether that has to hold or not.

Where there is none, the contribution is 0, which is not the same: that times an infinite local gradient is NaN. Of an
array the condition may be one for each element, of a tape it is a tape of conditions.
"""


def pull(
    local: LocalGradients,
    node: int,
    seeds: Mapping[int, Seed],
    positions: Sequence[int],
    members: Collection[int],
    apart: Collection[int],
) -> dict[int, Contribution]:
    """The contributions of a region to the adjoints of its operands at ``positions``, given those of its results.

    Of the operands at the positions ``apart`` it matters which elements have an influence.
    """
    back = _branch_back if local.builder.op(node) == "branch" else _loop_back
    return back(local, node, seeds, positions, members, apart)


def _loop_back(
    local: LocalGradients,
    node: int,
    entering: Mapping[int, Seed],
    positions: Sequence[int],
    members: Collection[int],
    outside: Collection[int],
) -> dict[int, Contribution]:
    from gradc.ad.reverse import Sweep

    builder = local.builder
    loop = Loop.of(builder.data[node]["attrs"])
    if dependence.runs(builder.data, node) is False:
        # What is carried is what it was at the start.
        return {
            position: (entering[place].adjoint, entering[place].condition, True)
            for place, position in enumerate(range(loop.first, loop.first + loop.carried))
            if place in entering and position in positions
        }
    forward, loop = taped(local, node)
    graph, operands = loop.body, builder.operands(node)
    adjoints = {place: seed.adjoint for place, seed in entering.items()}
    under = {place for place, seed in entering.items() if seed.condition is not None or seed.tapes}
    wanted = dependence.active(loop, [loop.input(position) for position in positions])
    wanted &= dependence.useful(loop, adjoints)
    carried = [place for place in sorted(wanted) if place <= loop.carried]
    scanned = [place for place in sorted(wanted) if loop.carried < place <= loop.carried + loop.scanned]
    shared = [place for place in sorted(wanted) if place > loop.carried + loop.scanned]
    operand = {place: operands[loop.first + place - 1] for place in range(1, len(graph.inputs))}

    made = Body(builder)
    inner = made.builder
    number = {graph.inputs[0]: made.input(name_of(graph, 0), INT)}
    types = {place: graph.type(graph.inputs[place]) for place in range(len(graph.inputs))}
    # Carried: the adjoints of what the forward loop carries, and sums over the iterations.
    incoming = {}
    for place in carried:
        start = adjoints.get(place - 1)
        start = nothing(builder, types[place]) if start is None else start
        incoming[place] = made.input(adjoint_name(name_of(graph, place)), types[place], start)
    for place in shared:
        name = adjoint_name(name_of(graph, place))
        incoming[place] = made.input(name, types[place], nothing(builder, types[place]))
    # Where a value has no influence in some iterations, its adjoint there is none, which is not the same as 0.
    liveness = dependence.backwards(loop, adjoints.keys() - under, adjoints)
    apart = _apart(builder, node, entering, wanted, {loop.input(position) for position in outside})
    flagged = [place for place in carried if place in liveness.sometimes or place in apart]
    summed = [place for place in shared if place not in liveness.first or place in apart]
    flags = {}
    for place in (*flagged, *summed):
        start = entering[place - 1].condition if place in flagged and place - 1 in under else None
        if start is None:
            start = builder.constant(place in flagged and place - 1 in adjoints, BOOL)
        type = typed("bool", types[place].shape if place in apart else ())
        start = build.broadcast(builder, start, type.shape) if type.shape else some(builder, start)
        flags[place] = made.input(live_name(name_of(graph, place)), type, start)
    changed = changes(loop)
    ends = {}
    for place in changed:
        # An array that iterations change in places is carried back from its end.
        ends[place] = made.input(name_of(graph, place), types[place], get(builder, forward, place - 1))
    own = len(made.operands)
    # Scanned: adjoints of what was collected, what was carried, and what the forward loop scans.
    seeds: list[tuple[int, int]] = []
    collected = []
    for place in sorted(adjoints):
        if place >= loop.carried:
            output = graph.outputs[place][1]
            seed = made.input(adjoint_name(graph.outputs[place][0]), graph.type(output), adjoints[place])
            collected.append((place, seed))
    # Of what was collected, all that has to hold for there to be an adjoint.
    needed: dict[int, list[int]] = {place: [] for place, _ in collected if place in under}
    for place, named in needed.items():
        known, name = entering[place], live_name(graph.outputs[place][0])
        if known.condition is not None and builder.type(known.condition).rank:
            named.append(made.input(name, BOOL, known.condition))
        if known.tapes:
            named.append(either(inner, [made.input(name, BOOL, tape) for tape in known.tapes]))
    for place, tape in tapes_of(loop, changed).items():
        number[graph.inputs[place]] = made.input(name_of(graph, place), types[place], get(builder, forward, tape))
    kept: dict[int, int] = {}

    def keep(node: int, name: str) -> int:
        """What the forward loop keeps of a node in each iteration."""
        if node not in kept:
            kept[node] = made.input(name, graph.type(node), get(builder, forward, place_of(loop, node)))
        return kept[node]

    waiting: list[int] = []
    before: dict[int, list[int]] = {}
    for place, made_changes in changed.items():
        name = name_of(graph, place)
        before[place] = [keep(overwritten(loop, change), f"{name}.before") for change in made_changes]
        for index in [index for change in made_changes for index in change.indices]:
            if foreseen(graph, index, changed):
                waiting.append(index)
            else:
                keep(index, f"{name}.place")
    for place in range(1 + loop.carried, 1 + loop.carried + loop.scanned):
        number[graph.inputs[place]] = made.input(name_of(graph, place), types[place], operand[place])
    count = len(made.operands) - own
    for place in range(1 + loop.carried + loop.scanned, len(graph.inputs)):
        fixed = fixed_value(local, operand[place], members)
        if fixed is not None:
            value = local.constants.value(fixed)
            assert value is not None
            number[graph.inputs[place]] = inner.constant(value, types[place])
        else:
            number[graph.inputs[place]] = made.input(name_of(graph, place), types[place], operand[place])
    lives = {}
    for place, named in needed.items():
        condition = entering[place].condition
        if condition is not None and not builder.type(condition).rank:
            named.append(made.input(live_name(graph.outputs[place][0]), BOOL, condition))
        lives[place] = all_of(inner, named)

    made.replay(graph, number, sorted(ancestors(graph.data, waiting)))
    for place, made_changes in changed.items():
        where = [[kept.get(i, number.get(i, -1)) for i in change.indices] for change in made_changes]
        number[graph.inputs[place]] = restore(inner, ends[place], made_changes, before[place], where)
    made.replay(graph, number)
    ended = [
        *((number[graph.outputs[place - 1][1]], incoming[place], flags.get(place)) for place in carried),
        *((number[graph.outputs[place][1]], seed, lives.get(place)) for place, seed in collected),
    ]
    seeds = [(output, seed) for output, seed, _ in ended]
    targets = {place: number[graph.inputs[place]] for place in (*carried, *scanned, *shared)}
    inner_local = local.inside(inner)
    bases = {targets[place]: incoming[place] for place in shared}
    inner.adjoint_of = seeds[0][0] if seeds else None
    listed = list(dict.fromkeys(targets.values()))
    told = [targets[place] for place in apart if place in targets]
    sweep = Sweep(inner, inner_local, seeds, listed, (), bases, _live_roots(inner, ended), told)
    found = sweep.run(listed)
    outputs: list[tuple[str, int]] = []
    for place in (*carried, *shared):
        new = found.get(targets[place])
        if new is None:
            new = nothing(inner, types[place]) if place in carried else incoming[place]
        outputs.append((adjoint_name(name_of(graph, place)), new))
    for place in (*flagged, *summed):
        if place in apart:
            new = sweep.elements(targets[place], flags[place] if place in summed else None)
        else:
            new = sweep.reach(targets[place])
            new = inner.apply("or", flags[place], new) if place in summed else new
        outputs.append((live_name(name_of(graph, place)), new))
    outputs += [(name_of(graph, place), number[graph.inputs[place]]) for place in changed]
    arrays = [place for place in scanned if builder.type(operand[place]).dtype != TAPE]
    tapes = [place for place in scanned if place not in arrays]
    standing = [*carried, *shared, *(None for _ in (*flagged, *summed, *changed))]
    standing_flags = dict(enumerate((*flagged, *summed), len(carried) + len(shared)))
    for group in (arrays, tapes):
        for place in group:
            new = found.get(targets[place])
            outputs.append((adjoint_name(name_of(graph, place)), nothing(inner, types[place]) if new is None else new))
        standing += group
        for place in group:
            if place not in liveness.each:
                standing_flags[len(standing)] = place
                standing.append(None)
                outputs.append((live_name(name_of(graph, place)), sweep.reach(targets[place])))
    body = finish(inner, inner_local, outputs)
    kept_tapes = sum(place in tapes for place in (*standing, *standing_flags.values()))
    back = Loop(body, None, own, count, kept_tapes, loop.extent, not loop.backwards)
    if loop.test is None:
        bounds = operands[:2]
    else:
        bounds = (builder.constant(0, INT), get(builder, forward, loop.results - 1))
    result = builder.make("for", (*bounds, *made.operands), back.attrs)
    conditions: dict[int, tuple[int | None, bool]] = {}
    for place in shared:
        conditions[place] = dependence.if_any(builder, node), True
    for at, place in standing_flags.items():
        condition = get(builder, result, at)
        if place in arrays:
            condition = each_row(builder, condition, builder.type(operand[place]).shape)
        conditions[place] = condition, True
    return {
        loop.first + place - 1: (get(builder, result, at), *conditions.get(place, (None, True)))
        for at, place in enumerate(standing)
        if place is not None
    }


def _by_element(builder: Builder, seed: Seed) -> bool:
    return seed.condition is not None and builder.type(seed.condition).rank > 0


def _apart(
    builder: Builder, node: int, entering: Mapping[int, Seed], wanted: Collection[int], outside: Collection[int]
) -> set[int]:
    """The inputs of a loop's body, by place, of which some elements may have an influence while others have none.

    It matters for those behind which it does ``outside`` of the loop, and for those where it does inside of it.
    """
    loop = Loop.of(builder.data[node]["attrs"])
    body = loop.body
    inner, inputs = elements.within(loop, wanted, outside)
    told = any(_by_element(builder, seed) for place, seed in entering.items() if place < loop.carried)
    if not told and (not elements.in_part(body, inner) or dependence.wholly(body, inputs.intersection(wanted))):
        return set()
    sure = {place for place, seed in entering.items() if seed.condition is None and not seed.tapes}
    whole = dependence.backwards(loop, sure, entering, whole=True)
    known = {place for place in wanted if place in (whole.always if place <= loop.carried else whole.first)}
    scanned = range(loop.carried + 1, loop.carried + loop.scanned + 1)
    found = inputs.intersection(wanted).difference(known, scanned)
    alike = {
        place
        for place, seed in ((result + 1, seed) for result, seed in entering.items() if result < loop.carried)
        if place not in outside
        and seed.condition is not None
        and elements.handed_on(builder, node, place, seed.condition)
    }
    return {place for place in found - alike if body.type(body.inputs[place]).rank}


def _branch_back(
    local: LocalGradients,
    node: int,
    entering: Mapping[int, Seed],
    positions: Sequence[int],
    members: Collection[int],
    outside: Collection[int],
) -> dict[int, Contribution]:
    from gradc.ad.reverse import Sweep

    builder = local.builder
    data = builder.data[node]
    operands, attrs = data["operands"], data["attrs"]
    bodies = {key: attrs[key] for key in ("then", "other")}
    under = {place: seed.condition for place, seed in entering.items() if seed.condition is not None}
    # Which operands have an influence in each body, and which have it whatever the conditions are.
    may, must = {}, {}
    for key, graph in bodies.items():
        may[key] = _joined(dependence.dependence(graph), entering)
        must[key] = _joined(dependence.certain(graph), entering.keys() - under.keys())
    wanted = [position for position in positions if (may["then"] | may["other"]) >> position - 1 & 1]
    if not wanted:
        return {}
    inputs = [position - 1 for position in wanted]
    told = [elements.within_branch(graph, inputs, [position - 1 for position in outside]) for graph in bodies.values()]
    # Of these results it matters which elements have an adjoint, and of these operands which ones have an influence.
    results = {
        place
        for place in under
        if any(graph.outputs[place][1] in found for graph, found in zip(bodies.values(), told, strict=True))
    }
    apart: set[int] = set()
    if any(_by_element(builder, entering[place]) for place in results) or any(
        elements.in_part(graph, found) for graph, found in zip(bodies.values(), told, strict=True)
    ):
        apart = {position for position in wanted if position in outside and builder.type(operands[position]).rank}
    conditions: dict[int, tuple[int | None, bool]] = {}
    flagged = []
    for position in wanted:
        sure = {key: bool(must[key] >> position - 1 & 1) for key in bodies}
        maybe = {key: bool(may[key] >> position - 1 & 1) for key in bodies}
        if sure != maybe or position in apart:
            flagged.append(position)
        else:
            conditions[position] = (None if sure["then"] == sure["other"] else operands[0]), sure["then"]
    made_bodies = {}
    given: list[int] = []
    for key, graph in bodies.items():
        made = Body(builder)
        number: dict[int, int] = {}
        for place, old in enumerate(graph.inputs):
            number[old] = made.input(name_of(graph, place), graph.type(old), operands[1 + place])
        fixed = {}
        for place, old in enumerate(graph.inputs):
            known = fixed_value(local, operands[1 + place], members)
            if known is not None:
                value = local.constants.value(known)
                assert value is not None
                fixed[old] = made.builder.constant(value, graph.type(old))
        seeds = {}
        for place, seed in sorted(entering.items()):
            name, output = graph.outputs[place]
            seeds[place] = made.input(adjoint_name(name), graph.type(output), seed.adjoint)
        flags = {}
        for place, condition in sorted(under.items()):
            condition = condition if place in results else some(builder, condition)
            type = typed("bool", builder.type(condition).shape)
            flags[place] = made.input(live_name(graph.outputs[place][0]), type, condition)
        number |= fixed
        made.replay(graph, number)
        inner_local = local.inside(made.builder)
        targets = {position: number[graph.inputs[position - 1]] for position in wanted}
        ended = [(number[graph.outputs[place][1]], seed, flags.get(place)) for place, seed in seeds.items()]
        made.builder.adjoint_of = ended[0][0] if ended else None
        listed = list(dict.fromkeys(targets.values()))
        sweep = Sweep(
            made.builder,
            inner_local,
            [(output, seed) for output, seed, _ in ended],
            listed,
            (),
            {},
            _live_roots(made.builder, ended),
            [targets[position] for position in apart],
        )
        found = sweep.run(listed)
        outputs = []
        for position in wanted:
            new = found.get(targets[position])
            if new is None:
                new = nothing(made.builder, graph.type(graph.inputs[position - 1]))
            outputs.append((adjoint_name(name_of(graph, position - 1)), new))
        for position in flagged:
            reach = sweep.elements if position in apart else sweep.reach
            outputs.append((live_name(name_of(graph, position - 1)), reach(targets[position])))
        made_bodies[key] = finish(made.builder, inner_local, outputs)
        given = made.operands
    result = builder.make("branch", (operands[0], *given), made_bodies)
    for at, position in enumerate(flagged, len(wanted)):
        conditions[position] = get(builder, result, at), True
    return {position: (get(builder, result, at), *conditions[position]) for at, position in enumerate(wanted)}


def _joined(masks: Sequence[int], places: Iterable[int]) -> int:
    found = 0
    for place in places:
        found |= masks[place]
    return found


def _live_roots(builder: Builder, ended: Iterable[tuple[int, int, int | None]]) -> dict[int, int]:
    """The conditions under which outputs have an adjoint, of outputs with their adjoint and its condition.

    One node may be several outputs, of which one may always count.
    """
    flags: dict[int, list[int | None]] = {}
    for output, _, flag in ended:
        flags.setdefault(output, []).append(flag)
    found = {}
    for output, listed in flags.items():
        known = [flag for flag in listed if flag is not None]
        if len(known) == len(listed):
            found[output] = either(builder, list(dict.fromkeys(known)))
    return found
