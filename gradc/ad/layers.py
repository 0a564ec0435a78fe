"""Which of the derivatives in the body of a region can be expanded now, and which wait for another layer.

A derivative by a name from outside of a body is made of tangents that enter the body, if there are any. The tangents of
these tangents do not enter it; so what is computed from such a derivative cannot be differentiated again by a name from
outside before the body has been built anew, with those of the first layer among its inputs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gradc.ad import dependence
from gradc.ad.dependence import REGIONS
from gradc.ad.flow import active, differentiable
from gradc.ir.graph import Graph
from gradc.ir.region import Loop

REQUESTS = frozenset({"grad", "jvp", "vjp"})

Moving = Mapping[int, Collection[int]]
"""For each input of a body that something in it is differentiated by, the other inputs that depend on it, by number."""


@dataclass
class State:
    """How far the derivatives in a body can be expanded.

    ``tainted`` are the nodes that cannot be differentiated in this layer by names from outside; ``dirty`` are the
    inputs, by number, that carry such values. Requests ``waiting`` need another layer, and so do the regions with such
    in them, which are ``held`` if all in them wait; ``plain`` are the requests by names from outside that nothing else
    from outside has a part in. ``ready`` says whether there is any request that need not wait.
    """

    tainted: dict[int, int]
    dirty: set[int]
    waiting: set[int] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    plain: set[int] = field(default_factory=set)
    ready: bool = False


def shape(data: Mapping[str, Any]) -> tuple[int, Loop | None]:
    """By how much the positions of a region's operands differ from the numbers of its bodies' inputs, and its loop."""
    if data["op"] == "branch":
        return 1, None
    loop = Loop.of(data["attrs"])
    return loop.first - 1, loop


def places(data: Mapping[str, Any]) -> dict[int, int]:
    """The inputs of a region's bodies, by number, that are operands, and the positions of these."""
    first, loop = shape(data)
    return {at - first: at for at in range(1 if loop is None else loop.first, len(data["operands"]))}


def bodies(data: Mapping[str, Any]) -> dict[str, Graph]:
    """The bodies of a region by the attributes that they are."""
    return {key: value for key, value in data["attrs"].items() if isinstance(value, Graph)}


def targets(data: Mapping[str, Any]) -> set[int]:
    """The inputs of a region's bodies, by number, that derivatives in them, or further inside, are taken by."""
    return {place for body in bodies(data).values() for place in _outer_targets(body)}


def _outer_targets(body: Graph) -> set[int]:
    where = {node: place for place, node in enumerate(body.inputs)}
    found: set[int] = set()
    for data in body.data.values():
        operands = data["operands"]
        if data["op"] in REQUESTS and operands[1] in where:
            found.add(where[operands[1]])
        elif data["op"] in REGIONS:
            listed = places(data)
            found |= {where[operands[listed[place]]] for place in targets(data) if operands[listed[place]] in where}
    return found


def reached(graph: Mapping[int, Mapping[str, Any]], sources: Iterable[int]) -> set[int]:
    """The nodes that depend smoothly on one of the sources, these included."""
    found = set(sources)
    results: dict[int, set[int]] = {}
    for node, data in graph.items():
        if node in found:
            continue
        if data["op"] == "get":
            if data["attrs"]["place"] in results.get(data["operands"][0], ()):
                found.add(node)
            continue
        positions = [position for position, operand in differentiable(graph, node) if operand in found]
        if data["op"] in REGIONS:
            results[node] = dependence.reached_results(data, positions) if positions else set()
        elif positions:
            found.add(node)
    return found


def entering(
    graph: Mapping[int, Mapping[str, Any]], data: Mapping[str, Any], known: Mapping[int, Collection[int]]
) -> dict[int, set[int]]:
    """For each target of a region in a graph the inputs of its bodies whose operands depend on that of the target.

    ``known`` has the nodes that are known to depend on a node, for those that are inputs of a body themselves.
    """
    operands, listed = data["operands"], places(data)
    found = {}
    for place in targets(data):
        target = operands[listed[place]]
        depends = reached(graph, {target, *known.get(target, ())})
        found[place] = {other for other, at in listed.items() if operands[at] in depends} - {place}
    return found


def movement(data: Mapping[str, Any], given: Moving) -> dict[int, set[int]]:
    """For each target of a region the inputs of its bodies that depend on it, given those whose operands do.

    A carried name is another one after each iteration, on which only depends what is computed from it in the same one.
    """
    _, loop = shape(data)
    found = {place: set(places) for place, places in given.items()}
    if loop is None:
        return found
    body = loop.body
    for place, places in found.items():
        if 1 <= place <= loop.carried:
            depends = reached(body.data, {body.outputs[place - 1][1]})
            places |= {1 + at for at in range(loop.carried) if body.outputs[at][1] in depends}
        else:
            places |= dependence.active(loop, {place, *places})
        places.discard(place)
    return found


def examine(data: Mapping[str, Any], moving: Moving, entering: Collection[int]) -> dict[str, State]:
    """The states of a region's bodies, by the attributes that these are; the inputs ``entering`` are tainted."""
    _, loop = shape(data)
    if loop is None:
        return {key: _inspect(body, moving, entering) for key, body in bodies(data).items()}
    dirty = set(entering)
    while True:
        state = _inspect(loop.body, moving, dirty)
        more = {1 + at for at in range(loop.carried) if loop.body.outputs[at][1] in state.tainted} - dirty
        if not more:
            break
        dirty |= more
    # What the body carries is what the test looks at.
    return {key: state if key == "body" else _inspect(body, moving, dirty) for key, body in bodies(data).items()}


def _inspect(body: Graph, moving: Moving, dirty: Collection[int]) -> State:
    where = {node: place for place, node in enumerate(body.inputs)}
    # Why a node is tainted, as bits: by tangents along a target, or by something that waits.
    waits = 1 << len(body.inputs)
    state = State({}, set(dirty))
    tainted = state.tainted
    for place in dirty:
        mask = sum(1 << target for target, others in moving.items() if place in others)
        if mask:
            tainted[body.inputs[place]] = mask
    depends = {place: reached(body.data, [body.inputs[at] for at in others]) for place, others in moving.items()}
    known = {body.inputs[place]: [body.inputs[at] for at in others] for place, others in moving.items()}
    results: dict[int, dict[int, int]] = {}
    for node, data in body.data.items():
        op, operands = data["op"], data["operands"]
        mask = 0
        for operand in operands:
            mask |= tainted.get(operand, 0)
        if op == "get":
            mask = results.get(operands[0], {}).get(data["attrs"]["place"], mask)
        elif op in REGIONS:
            results[node] = _through(state, body, node, known, where, waits)
            mask = 0
        elif op in REQUESTS:
            y, v = operands[:2]
            if v in where:
                wait = bool(mask)
                if y not in depends[where[v]]:
                    state.plain.add(node)
                else:
                    mask |= 1 << where[v]
            else:
                wait = any(each in state.waiting for each in active(body.data, [y], [v]))
            if wait:
                state.waiting.add(node)
                state.held.add(node)
                mask |= waits
            else:
                state.ready = True
        if mask:
            tainted[node] = mask
    return state


def _through(
    state: State,
    graph: Graph,
    node: int,
    known: Mapping[int, Collection[int]],
    where: Mapping[int, int],
    waits: int,
) -> dict[int, int]:
    """Why the results of a region in a body are tainted."""
    data = graph.data[node]
    operands, listed, inner = data["operands"], places(data), bodies(data)
    foul = {place: state.tainted[operands[at]] for place, at in listed.items() if operands[at] in state.tainted}
    states = examine(data, movement(data, entering(graph.data, data, known)), foul)
    found: dict[int, int] = {}
    ready = any(below.ready for below in states.values())
    state.ready |= ready
    if any(below.waiting for below in states.values()):
        state.waiting.add(node)
        if not ready:
            state.held.add(node)
    # What enters may come out again.
    passed = dependence.reached_results(data, [listed[place] for place in foul])
    entered = 0
    for mask in foul.values():
        entered |= mask
    for key, body in inner.items():
        for at, (_, output) in enumerate(body.outputs):
            mask = states[key].tainted.get(output, 0) if key != "test" else 0
            own = entered if at in passed else 0
            if mask >> len(body.inputs):
                own |= waits
            for place, position in listed.items():
                if mask >> place & 1 and operands[position] in where:
                    own |= 1 << where[operands[position]]
            if own:
                found[at] = found.get(at, 0) | own
    return found
