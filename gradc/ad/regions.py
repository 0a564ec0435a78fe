"""Differentiates regions.

The reverse of a loop is a loop in the other direction. An iteration of it computes the iteration that it undoes once
more, from what was carried into that, and then the adjoints. What was carried into each iteration is on tapes, which
the forward loop is given as further results; those that turn out not to be needed are dropped again (``prune``). So a
sum over a loop saves nothing, and a nested loop is kept for one iteration of the outer one at a time. (Griewank and
Walther, Evaluating Derivatives, 2nd ed., chapters 4 and 12.)

The tangent of a loop is a loop that carries tangents beside the values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gradc.ad import dependence
from gradc.ir.builder import Builder, replay, transfer
from gradc.ir.graph import Graph, ancestors
from gradc.ir.region import Loop
from gradc.ir.sizes import Dim
from gradc.ir.types import BOOL, INT, TAPE, Type
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.rules.gradients import LocalGradients


def pull(
    local: LocalGradients, node: int, adjoints: Mapping[int, int], positions: Sequence[int], members: Collection[int]
) -> dict[int, int]:
    """The contributions of a region to the adjoints of its operands at ``positions``, given those of its results."""
    if local.builder.op(node) == "branch":
        return _branch_back(local, node, adjoints, positions, members)
    return _loop_back(local, node, adjoints, positions, members)


class Body:
    """A body under construction, with its inputs in groups."""

    def __init__(self, builder: Builder) -> None:
        self.builder = Builder(builder.ops)
        self.builder.functions = builder.functions
        self.operands: list[int] = []
        self._names: set[str] = set()

    def input(self, name: str, type: Type, operand: int | None = None, size: Dim | None = None) -> int:
        """A further input, and the operand of the region that it is to be."""
        own, count = name, 1
        while own in self._names:
            own, count = f"{name}.{count}", count + 1
        self._names.add(own)
        if operand is not None:
            self.operands.append(operand)
        return self.builder.operand(own, type, size)

    def replay(self, body: Graph, number: dict[int, int]) -> dict[int, int]:
        """Another body's nodes, whose inputs are in ``number``, here again."""
        for node in body.data:
            if node not in number:
                number[node] = replay(body, node, self.builder, number)
        self.builder.span = self.builder.adjoint_of = None
        return number


def _name(body: Graph, place: int) -> str:
    return body.name(body.inputs[place]) or "x"


def _adjoint_name(name: str) -> str:
    return f"{name}.adjoint"


def _known(local: LocalGradients, operand: int, members: Collection[int]) -> int | None:
    """The operand if it is a constant that nobody differentiates by."""
    if operand in members or local.constants.value(operand) is None or local.builder.type(operand).shape:
        return None
    return operand


def taped(local: LocalGradients, node: int) -> tuple[int, Loop]:
    """The loop at a node with what each iteration starts from on tapes: that node, and what it is.

    All derivatives of a loop share it.
    """
    builder = local.builder
    data = builder.data[node]
    loop = Loop.of(data["attrs"])
    body = local.bodies.get(loop.body)
    if body is None:
        body = local.bodies[loop.body] = _with_tapes(builder, loop)
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


def _with_tapes(builder: Builder, loop: Loop) -> Graph:
    """The body of a loop with all that is carried into an iteration among its outputs."""
    body = loop.body
    known = {node for _, node in body.outputs[loop.carried + loop.collected :]}
    missing = [place for place in range(1, 1 + loop.carried) if body.inputs[place] not in known]
    if not missing:
        return body
    made = Body(builder)
    number = {old: made.input(_name(body, place), body.type(old)) for place, old in enumerate(body.inputs)}
    made.replay(body, number)
    outputs = [(name, number[old]) for name, old in body.outputs]
    outputs += [(f"{_name(body, place)}.tape", number[body.inputs[place]]) for place in missing]
    return made.builder.finish(_unique(outputs))


def tapes_of(loop: Loop) -> dict[int, int]:
    """The number of the result that is the tape of each carried input, by the place of that."""
    first = loop.carried + loop.collected
    outputs = [node for _, node in loop.body.outputs]
    found = {}
    for place in range(1, 1 + loop.carried):
        found[place] = outputs.index(loop.body.inputs[place], first)
    return found


def _get(builder: Builder, node: int, place: int) -> int:
    return builder.apply("get", node, attrs={"place": place})


def _or(builder: Builder, conditions: Sequence[int]) -> int:
    """Whether one of the conditions holds; none does of none."""
    if not conditions:
        return builder.constant(False, BOOL)
    found, *others = conditions
    for other in others:
        found = builder.apply("or", found, other)
    return found


def _zero(builder: Builder, type: Type) -> int:
    return build.filled(builder, 0.0, type)


def _loop_back(
    local: LocalGradients, node: int, adjoints: Mapping[int, int], positions: Sequence[int], members: Collection[int]
) -> dict[int, int]:
    from gradc.ad.reverse import Sweep

    builder = local.builder
    forward, loop = taped(local, node)
    graph, operands = loop.body, builder.operands(node)
    wanted = dependence.active(loop, [loop.input(position) for position in positions])
    wanted &= dependence.useful(loop, adjoints)
    carried = [place for place in sorted(wanted) if place <= loop.carried]
    scanned = [place for place in sorted(wanted) if loop.carried < place <= loop.carried + loop.scanned]
    shared = [place for place in sorted(wanted) if place > loop.carried + loop.scanned]
    operand = {place: operands[loop.first + place - 1] for place in range(1, len(graph.inputs))}

    made = Body(builder)
    inner = made.builder
    number = {graph.inputs[0]: made.input(_name(graph, 0), INT)}
    types = {place: graph.type(graph.inputs[place]) for place in range(len(graph.inputs))}
    # Carried: the adjoints of what the forward loop carries, and sums over the iterations.
    incoming = {}
    masks = dependence.dependence(graph)
    for place in carried:
        start = adjoints.get(place - 1)
        start = _zero(builder, types[place]) if start is None else start
        incoming[place] = made.input(_adjoint_name(_name(graph, place)), types[place], start)
    for place in shared:
        zero = _zero(builder, types[place])
        incoming[place] = made.input(_adjoint_name(_name(graph, place)), types[place], zero)
    # Where a carried value has no influence in some iterations, its adjoint there is none, which is not the same as 0.
    roots = {place: {1 + k for k, mask in enumerate(masks) if mask >> place & 1} for place in carried}
    always = {1 + k for k in adjoints if k >= loop.carried}
    flagged = sorted(dependence.sometimes(roots, {1 + k for k in adjoints if k < loop.carried}, always) & set(carried))
    flags = {}
    for place in flagged:
        start = builder.constant(place - 1 in adjoints, BOOL)
        flags[place] = made.input(f"{_name(graph, place)}.live", BOOL, start)
    # Scanned: adjoints of what was collected, what was carried, and what the forward loop scans.
    seeds: list[tuple[int, int]] = []
    collected = []
    for place in sorted(adjoints):
        if place >= loop.carried:
            output = graph.outputs[place][1]
            seed = made.input(_adjoint_name(graph.outputs[place][0]), graph.type(output), adjoints[place])
            collected.append((output, seed))
    for place, tape in tapes_of(loop).items():
        number[graph.inputs[place]] = made.input(_name(graph, place), types[place], _get(builder, forward, tape))
    for place in range(1 + loop.carried, 1 + loop.carried + loop.scanned):
        number[graph.inputs[place]] = made.input(_name(graph, place), types[place], operand[place])
    count = len(made.operands) - len(carried) - len(shared) - len(flagged)
    for place in range(1 + loop.carried + loop.scanned, len(graph.inputs)):
        fixed = _known(local, operand[place], members)
        if fixed is not None:
            value = local.constants.value(fixed)
            assert value is not None
            number[graph.inputs[place]] = inner.constant(value, types[place])
        else:
            number[graph.inputs[place]] = made.input(_name(graph, place), types[place], operand[place])

    made.replay(graph, number)
    seeds = [(number[graph.outputs[place - 1][1]], incoming[place]) for place in carried]
    seeds += [(number[output], seed) for output, seed in collected]
    targets = {place: number[graph.inputs[place]] for place in (*carried, *scanned, *shared)}
    inner_local = local.inside(inner)
    bases = {targets[place]: incoming[place] for place in shared}
    inner.adjoint_of = seeds[0][0] if seeds else None
    listed = list(dict.fromkeys(targets.values()))
    live: dict[int, int] = {}
    for place in carried:
        output = number[graph.outputs[place - 1][1]]
        if place in flags:
            live[output] = _or(inner, [live[output], flags[place]]) if output in live else flags[place]
    # One node may be several results, of which one always counts.
    for output, seed in seeds:
        if seed not in [incoming[place] for place in flagged]:
            live.pop(output, None)
    found = Sweep(inner, inner_local, seeds, listed, (), bases, live).run(listed)
    outputs: list[tuple[str, int]] = []
    for place in (*carried, *shared):
        new = found.get(targets[place])
        if new is None:
            new = _zero(inner, types[place]) if place in carried else incoming[place]
        outputs.append((_adjoint_name(_name(graph, place)), new))
    for place in flagged:
        sources = roots[place] & (set(carried) | always)
        certain = any(source in always or source not in flags for source in sources)
        new = inner.constant(True, BOOL) if certain else _or(inner, [flags[source] for source in sorted(sources)])
        outputs.append((f"{_name(graph, place)}.live", new))
    arrays = [place for place in scanned if builder.type(operand[place]).dtype != TAPE]
    tapes = [place for place in scanned if place not in arrays]
    for place in (*arrays, *tapes):
        new = found.get(targets[place])
        outputs.append((_adjoint_name(_name(graph, place)), _zero(inner, types[place]) if new is None else new))
    body = finish(inner, inner_local, outputs)
    back = Loop(
        body,
        None,
        len(carried) + len(shared) + len(flagged),
        count,
        len(tapes),
        loop.extent,
        not loop.backwards,
    )
    if loop.test is None:
        bounds = operands[:2]
    else:
        bounds = (builder.constant(0, INT), _get(builder, forward, loop.results - 1))
    result = builder.make("for", (*bounds, *made.operands), back.attrs)
    places = [*carried, *shared, *(None for _ in flagged), *arrays, *tapes]
    return {loop.first + place - 1: _get(builder, result, at) for at, place in enumerate(places) if place is not None}


def _branch_back(
    local: LocalGradients, node: int, adjoints: Mapping[int, int], positions: Sequence[int], members: Collection[int]
) -> dict[int, int]:
    from gradc.ad.reverse import Sweep

    builder = local.builder
    data = builder.data[node]
    operands, attrs = data["operands"], data["attrs"]
    bodies = {key: attrs[key] for key in ("then", "other")}
    mask = 0
    for graph in bodies.values():
        masks = dependence.dependence(graph)
        for place in adjoints:
            mask |= masks[place]
    wanted = [position for position in positions if mask >> position - 1 & 1]
    made_bodies = {}
    given: list[int] = []
    for key, graph in bodies.items():
        made = Body(builder)
        number: dict[int, int] = {}
        for place, old in enumerate(graph.inputs):
            number[old] = made.input(_name(graph, place), graph.type(old), operands[1 + place])
        fixed = {}
        for place, old in enumerate(graph.inputs):
            known = _known(local, operands[1 + place], members)
            if known is not None:
                value = local.constants.value(known)
                assert value is not None
                fixed[old] = made.builder.constant(value, graph.type(old))
        seeds = [
            (
                graph.outputs[place][1],
                made.input(
                    _adjoint_name(graph.outputs[place][0]), graph.type(graph.outputs[place][1]), adjoints[place]
                ),
            )
            for place in sorted(adjoints)
        ]
        number |= fixed
        made.replay(graph, number)
        inner_local = local.inside(made.builder)
        targets = {position: number[graph.inputs[position - 1]] for position in wanted}
        made.builder.adjoint_of = number[seeds[0][0]] if seeds else None
        listed = list(dict.fromkeys(targets.values()))
        found = Sweep(
            made.builder, inner_local, [(number[output], seed) for output, seed in seeds], listed, (), {}
        ).run(listed)
        outputs = []
        for position in wanted:
            new = found.get(targets[position])
            if new is None:
                new = _zero(made.builder, graph.type(graph.inputs[position - 1]))
            outputs.append((_adjoint_name(_name(graph, position - 1)), new))
        made_bodies[key] = finish(made.builder, inner_local, outputs)
        given = made.operands
    if not wanted:
        return {}
    result = builder.make("branch", (operands[0], *given), made_bodies)
    return {position: _get(builder, result, at) for at, position in enumerate(wanted)}


def push(local: LocalGradients, node: int, tangents: Mapping[int, int], members: Collection[int]) -> dict[int, int]:
    """The tangents of a region's results, by their place, given those of its operands by position."""
    if local.builder.op(node) == "branch":
        return _branch_forth(local, node, tangents, members)
    return _loop_forth(local, node, tangents, members)


def _tangent_name(name: str) -> str:
    return f"{name}.tangent"


def _loop_forth(
    local: LocalGradients, node: int, tangents: Mapping[int, int], members: Collection[int]
) -> dict[int, int]:
    from gradc.ad.forward import tangents as forward

    builder = local.builder
    data = builder.data[node]
    loop, operands = Loop.of(data["attrs"]), data["operands"]
    graph, count = loop.body, len(loop.body.inputs)
    given = {loop.input(position): tangent for position, tangent in tangents.items()}
    moving = sorted(dependence.active(loop, given))
    types = [graph.type(old) for old in graph.inputs]
    carried, scanned = loop.carried, loop.scanned

    made, tested = Body(builder), Body(builder)
    number = {graph.inputs[0]: made.input(_name(graph, 0), INT)}
    directions: dict[int, int] = {}

    def moved(places: Sequence[int]) -> None:
        """Inputs as they are, then their tangents."""
        for place in places:
            operand = operands[loop.first + place - 1]
            number[graph.inputs[place]] = made.input(_name(graph, place), types[place], operand)
        for place in places:
            if place in moving:
                start = given.get(place)
                start = _zero(builder, types[place]) if start is None else start
                tangent = made.input(_tangent_name(_name(graph, place)), types[place], start)
                directions[number[graph.inputs[place]]] = tangent

    moved(range(1, 1 + carried))
    # Where nothing has moved yet there is no tangent, which is not the same as 0.
    masks = dependence.dependence(graph)
    kept = [place for place in moving if place <= carried]
    sources = {place: {p for p in moving if masks[place - 1] >> p & 1} for place in kept}
    fixed = {place for place in moving if place > carried}
    flagged = sorted(dependence.sometimes(sources, [place for place in kept if place in given], fixed))
    flags = {
        place: made.input(f"{_name(graph, place)}.live", BOOL, builder.constant(place in given, BOOL))
        for place in flagged
    }
    moved(range(1 + carried, 1 + carried + scanned))
    moved(range(1 + carried + scanned, count))
    made.replay(graph, number)
    inner_local = local.inside(made.builder)
    results = [number[output] for _, output in graph.outputs]
    made.builder.adjoint_of = results[0] if results else None
    live = {number[graph.inputs[place]]: flag for place, flag in flags.items()}
    found = forward(made.builder, inner_local, list(dict.fromkeys(results)), directions, live)

    outputs: list[tuple[str, int]] = []
    places: dict[int, int] = {}
    tangent_places: dict[int, int] = {}

    def listed(group: Sequence[int]) -> None:
        """Outputs as they are, then their tangents."""
        for place in group:
            places[place] = len(outputs)
            outputs.append((graph.outputs[place][0], results[place]))
        for place in group:
            tangent = found.get(results[place])
            if place < carried and 1 + place in moving:
                tangent = _zero(made.builder, types[1 + place]) if tangent is None else tangent
            if tangent is not None:
                tangent_places[place] = len(outputs)
                outputs.append((_tangent_name(graph.outputs[place][0]), tangent))

    listed(range(carried))
    for place in flagged:
        certain = any(source in fixed or source not in flags for source in sources[place])
        new = (
            made.builder.constant(True, BOOL)
            if certain
            else _or(made.builder, [flags[source] for source in sorted(sources[place])])
        )
        outputs.append((f"{_name(graph, place)}.live", new))
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
    return {place: _get(builder, result, at) for place, at in tangent_places.items()}


def _branch_forth(
    local: LocalGradients, node: int, tangents: Mapping[int, int], members: Collection[int]
) -> dict[int, int]:
    from gradc.ad.forward import tangents as forward

    builder = local.builder
    data = builder.data[node]
    operands, attrs = data["operands"], data["attrs"]
    bodies = {key: attrs[key] for key in ("then", "other")}
    moving = sorted(position for position in tangents)
    live: set[int] = set()
    for graph in bodies.values():
        for place, mask in enumerate(dependence.dependence(graph)):
            if any(mask >> position - 1 & 1 for position in moving):
                live.add(place)
    made_bodies: dict[str, Graph] = {}
    given: list[int] = []
    count = len(bodies["then"].outputs)
    for key, graph in bodies.items():
        made = Body(builder)
        number = {
            old: made.input(_name(graph, place), graph.type(old), operands[1 + place])
            for place, old in enumerate(graph.inputs)
        }
        directions = {}
        for position in moving:
            old = graph.inputs[position - 1]
            name = _tangent_name(_name(graph, position - 1))
            directions[number[old]] = made.input(name, graph.type(old), tangents[position])
        made.replay(graph, number)
        inner_local = local.inside(made.builder)
        results = [number[output] for _, output in graph.outputs]
        made.builder.adjoint_of = results[0] if results else None
        found = forward(made.builder, inner_local, list(dict.fromkeys(results)), directions)
        outputs = [(name, results[place]) for place, (name, _) in enumerate(graph.outputs)]
        for place in sorted(live):
            tangent = found.get(results[place])
            if tangent is None:
                tangent = _zero(made.builder, graph.type(graph.outputs[place][1]))
            outputs.append((_tangent_name(graph.outputs[place][0]), tangent))
        made_bodies[key] = finish(made.builder, inner_local, outputs)
        given = made.operands
    result = builder.make("branch", (operands[0], *given), made_bodies)
    _supersede(local, node, result, {place: place for place in range(count)})
    return {place: _get(builder, result, count + at) for at, place in enumerate(sorted(live))}


def finish(builder: Builder, local: LocalGradients, outputs: Sequence[tuple[str, int]]) -> Graph:
    """The body that has been built, without what differentiation has superseded in it."""
    builder.span = builder.adjoint_of = None
    graph = builder.finish(_unique(outputs))
    return settle(graph, local.superseded)[0]


def _unique(outputs: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """The outputs, each with a name of its own."""
    found: dict[str, int] = {}
    for name, node in outputs:
        own, count = name, 1
        while own in found:
            own, count = f"{name}.{count}", count + 1
        found[own] = node
    return list(found.items())


def _supersede(local: LocalGradients, node: int, result: int, places: Mapping[int, int]) -> None:
    """Let a region with tangents stand for the one without, unless it is one for each of several directions."""
    if local.builder.type(result).free == local.builder.type(node).free:
        local.superseded.setdefault(node, (result, places))


def settle(graph: Graph, superseded: Mapping[int, tuple[int, Mapping[int, int]]]) -> tuple[Graph, Mapping[int, int]]:
    """The graph in which results of regions are read from those that supersede them, and the map to its nodes.

    What supersedes a region gives its results, and more; it is made later, with what is there already. A region whose
    successor is computed from its own results stays.
    """
    later = {old: new for old, new in superseded.items() if old not in ancestors(graph.data, [new[0]])}
    if not later:
        return graph, {node: node for node in graph}
    builder = Builder(graph.ops)
    builder.reserve(graph)
    number: dict[int, int] = {node: replay(graph, node, builder, {}) for node in graph.inputs}
    for root in graph:
        stack = [root]
        while stack:
            node = stack[-1]
            data = graph.data[node]
            step = later.get(data["operands"][0]) if data["op"] == "get" else None
            place = -1
            operands = data["operands"]
            if step is not None:
                place = step[1][data["attrs"]["place"]]
                operands = (step[0],)
            waiting = [operand for operand in operands if operand not in number]
            if node in number or waiting:
                stack += waiting if node not in number else []
                if node in number:
                    stack.pop()
                continue
            stack.pop()
            if step is None:
                number[node] = replay(graph, node, builder, number)
            else:
                builder.span, builder.adjoint_of = data.get("span"), None
                number[node] = builder.apply("get", number[step[0]], attrs={"place": place})
    return transfer(graph, builder, number), number
