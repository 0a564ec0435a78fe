"""Expands the derivatives that a body takes with respect to names from outside of it.

A loop means its unrolling: ``grad(y, w)`` in the body of a loop is the derivative through all iterations so far. So the
region is given the tangents of its operands along each element of w, carries those of what it carries, and inside of it
the derivative is a tangent. With respect to a carried name, what the name meant when the last iteration gave it its
value, the tangents that count are those of what that iteration computed from it.

Derivatives of derivatives are expanded layer by layer: each layer carries the tangents of what the one before carried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from gradc.ad import dependence
from gradc.ad.bodies import Body, finish
from gradc.ad.dependence import REGIONS
from gradc.ad.forward import tangents
from gradc.errors import CompileError, Diagnostic
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph, ancestors, bodies_of
from gradc.ir.prune import prune
from gradc.ir.region import Loop
from gradc.ir.types import Index, Type, typed
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.ad.expand import Expander

REQUESTS = frozenset({"grad", "jvp", "vjp"})


@dataclass(frozen=True)
class Directions:
    """The tangents of values along each element of a target, as families over the indices of that."""

    indices: tuple[Index, ...]
    of: Mapping[int, int]


def along(builder: Builder, target: int) -> Directions:
    """The directions of a target by itself: one for each of its elements."""
    type = builder.type(target)
    indices = tuple(builder.fresh("e", extent) for extent in type.shape)
    one = builder.constant(1.0, typed(type.dtype))
    if indices:
        places = [build.index(builder, index) for index in indices]
        attrs: dict[str, object] = {"shape": type.shape, "parts": (((None,) * len(indices), ()),)}
        one = builder.apply("assemble", one, *places, attrs=attrs)
    return Directions(indices, {target: one})


def outer_targets(body: Graph, loop: Loop | None) -> set[int]:
    """The inputs of a body, by number, that derivatives in it, or further inside, are taken with respect to.

    Derivatives that lie within one iteration do not count.
    """
    where = {node: place for place, node in enumerate(body.inputs)}
    alone = within_iteration(body, loop)
    found: set[int] = set()
    for node, data in body.data.items():
        operands = data["operands"]
        if data["op"] in REQUESTS and operands[1] in where and node not in alone:
            found.add(where[operands[1]])
        elif data["op"] in REGIONS:
            for place in _targets(data):
                operand = operands[place + _shape(data)[0]]
                if operand in where:
                    found.add(where[operand])
    return found


def _first(data: Mapping[str, Any]) -> Graph:
    graph: Graph = data["attrs"]["then"] if data["op"] == "branch" else data["attrs"]["body"]
    return graph


def _targets(data: Mapping[str, Any]) -> set[int]:
    loop = _shape(data)[1]
    return {place for body in bodies_of(data) for place in outer_targets(body, loop)}


def within_iteration(body: Graph, loop: Loop | None) -> set[int]:
    """The derivatives by a carried name, with respect to the value that an iteration begins with, that nothing else
    hangs on which the iteration before computed from it: ``w = w - h*grad((w - 3)^2, w)``.
    """
    carried = range(1, 1 + loop.carried) if loop is not None and loop.body is body else range(0)
    place = {body.inputs[at]: at for at in carried}
    found = set()
    for node, data in body.data.items():
        if data["op"] not in REQUESTS or data["operands"][1] not in place:
            continue
        y, target = data["operands"][:2]
        given = body.outputs[place[target] - 1][1]
        cone = ancestors(body.data, [y])
        others = [at for at in carried if body.inputs[at] != target and body.inputs[at] in cone]
        if not any(given in ancestors(body.data, [body.outputs[at - 1][1]]) for at in others):
            found.add(node)
    return found


@dataclass
class State:
    """How far the derivatives in a body can be expanded.

    ``tainted`` are the nodes that are computed from derivatives by outer names, or from what is; ``dirty`` are the
    inputs, by number, that carry such values. Derivatives of them, and regions in which there are only such, are
    ``waiting`` for another layer; ``ready`` says whether there are any others.
    """

    tainted: set[int]
    dirty: set[int]
    waiting: set[int]
    ready: bool


def inspect(body: Graph, loop: Loop | None, entering: Collection[int]) -> State:
    """The state of a body of which the inputs ``entering``, by number, are tainted."""
    dirty = set(entering)
    alone = within_iteration(body, loop)
    while True:
        state = _inspect(body, dirty, alone)
        carried = range(loop.carried if loop is not None else 0)
        more = {1 + place for place in carried if body.outputs[place][1] in state.tainted} - dirty
        if not more:
            return state
        dirty |= more


def examine(data: Mapping[str, Any], entering: Collection[int]) -> dict[str, State]:
    """The states of a region's bodies, by the attributes that these are."""
    _, loop = _shape(data)
    bodies = {key: value for key, value in data["attrs"].items() if isinstance(value, Graph)}
    if loop is None:
        return {key: inspect(body, None, entering) for key, body in bodies.items()}
    state = inspect(loop.body, loop, entering)
    # What the body carries is what the test looks at.
    return {key: state if key == "body" else inspect(body, None, state.dirty) for key, body in bodies.items()}


def _inspect(body: Graph, dirty: Collection[int], alone: Collection[int]) -> State:
    outer = set(body.inputs)
    state = State({body.inputs[place] for place in dirty}, set(dirty), set(), False)
    tainted = state.tainted
    results: dict[int, set[int]] = {}
    for node, data in body.data.items():
        op, operands = data["op"], data["operands"]
        if op == "get":
            if data["attrs"]["place"] in results.get(operands[0], ()):
                tainted.add(node)
        elif op in REGIONS:
            results[node] = set()
            first, _ = _shape(data)
            entering = {at - first for at in range(len(operands)) if operands[at] in tainted and at >= first}
            inner = list(zip(bodies_of(data), examine(data, entering).values(), strict=True))
            for each, below in inner:
                results[node] |= {k for k, (_, output) in enumerate(each.outputs) if output in below.tainted}
            if any(below.ready for _, below in inner):
                state.ready = True
            elif _targets(data):
                state.waiting.add(node)
        elif any(operand in tainted for operand in operands):
            tainted.add(node)
            if op in REQUESTS and node not in alone:
                state.waiting.add(node)
        elif op in REQUESTS and operands[1] in outer and node not in alone:
            tainted.add(node)
            state.ready = True
    return state


def _shape(data: Mapping[str, Any]) -> tuple[int, Loop | None]:
    """By how much the positions of a region's operands differ from the numbers of its bodies' inputs, and its loop."""
    if data["op"] == "branch":
        return 1, None
    loop = Loop.of(data["attrs"])
    return loop.first - 1, loop


def layer(expander: Expander, node: int, entering_tainted: Collection[int] = ()) -> tuple[int, dict[int, int]]:
    """The region at a node with the requests in it expanded that need not wait, and where its results stand now.

    The inputs ``entering_tainted``, by number, are computed from derivatives that wait.
    """
    builder = expander.builder
    data = builder.data[node]
    bodies = {key: value for key, value in data["attrs"].items() if isinstance(value, Graph)}
    first, loop = _shape(data)
    targets = sorted({place for body in bodies.values() for place in outer_targets(body, loop)})
    operands = data["operands"]
    main = _first(data)
    types = [main.type(old) for old in main.inputs]
    smooth = [place for place in range(len(types)) if types[place].smooth and (loop is None or place)]
    states = examine(data, entering_tainted)
    dirty = set().union(*(state.dirty for state in states.values()))
    if targets and not any(state.ready for state in states.values()):
        _refuse(bodies.values(), states.values())

    # Along each target: the tangents of the operands, as arrays.
    entering: dict[int, dict[int, int]] = {}
    for place in targets:
        target = operands[first + place]
        known = expander.env.get(target) or along(builder, target)
        others = [p for p in smooth if p != place and p not in dirty]
        found = tangents(builder, expander.local, _each(operands[first + p] for p in others), known.of)
        entering[place] = {
            p: build.tabulate(builder, found[operands[first + p]], known.indices)
            for p in others
            if operands[first + p] in found
        }
    moving: dict[int, list[int]] = {}
    for place in targets:
        given = set(entering[place])
        if loop is not None:
            carried = range(1, 1 + loop.carried)
            if place in carried:
                # What the last iteration computed from the value that it gave the name.
                given |= {p for p in carried if p in smooth and p != place}
            else:
                given |= dependence.active(loop, {place, *given}) - {place}
            given -= dirty
        moving[place] = sorted(given)

    made: dict[str, Graph] = {}
    further: list[int] = []
    for key in ("body", "test", "then", "other"):
        if key not in bodies:
            continue
        graph = bodies[key]
        body = Body(builder)
        inputs: dict[int, int] = {}
        extra: dict[tuple[int, int], int] = {}
        count = len(graph.inputs)
        split = 0 if loop is None else 1 + loop.carried

        def enter(
            places: Iterable[int], body: Body = body, graph: Graph = graph, inputs: dict[int, int] = inputs
        ) -> None:
            for place in places:
                old = graph.inputs[place]
                size = graph.attrs(old).get("extent")
                name = graph.name(old) or "x"
                inputs[old] = body.input(
                    name, graph.type(old), None if loop and not place else operands[first + place], size
                )

        def enter_tangents(carried: bool, body: Body = body, extra: dict[tuple[int, int], int] = extra) -> None:
            for target in targets:
                shape = types[target].shape
                for place in moving[target]:
                    if (loop is not None and 1 <= place <= loop.carried) != carried:
                        continue
                    type = typed(types[place].dtype, (*shape, *types[place].shape))
                    start = entering[target].get(place)
                    start = build.filled(builder, 0.0, type) if start is None else start
                    name = f"{main.name(main.inputs[place])}.by.{main.name(main.inputs[target])}"
                    extra[target, place] = body.input(name, type, start)

        enter(range(split))
        enter_tangents(True)
        enter(range(split, count))
        enter_tangents(False)
        further = body.operands
        inner = body.builder
        env: dict[int, Directions] = {}
        for target in targets:
            own = along(inner, inputs[graph.inputs[target]])
            at = [build.index(inner, index) for index in own.indices]
            of = dict(own.of)
            for place in moving[target]:
                read = build.access(inner, extra[target, place], (None,) * len(at), at) if at else extra[target, place]
                of[inputs[graph.inputs[place]]] = read
            env[inputs[graph.inputs[target]]] = Directions(own.indices, of)
        nested = expander.inside(graph, inner, inputs, env, states[key])
        number = nested.run()
        outputs = [(name, number[old]) for name, old in graph.outputs]
        if key == "body" and loop is not None:
            outputs[loop.carried : loop.carried] = _carried(nested, loop, graph, targets, moving, types, env, inputs)
        # What the expanded regions have replaced holds the requests still.
        made[key] = prune(finish(inner, nested.local, outputs))[0]
    attrs = {**data["attrs"], **made}
    if loop is not None:
        added = len(made["body"].outputs) - len(main.outputs)
        attrs = replace(Loop.of(attrs), carried=loop.carried + added).attrs
        places = {p: p if p < loop.carried else p + added for p in range(loop.results)}
    else:
        places = {p: p for p in range(len(main.outputs))}
    bounds = operands[: 1 if loop is None else loop.first]
    return builder.apply(data["op"], *bounds, *further, attrs=attrs), places


def _each(nodes: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(nodes))


def _carried(
    nested: Expander,
    loop: Loop,
    graph: Graph,
    targets: Sequence[int],
    moving: Mapping[int, Sequence[int]],
    types: Sequence[Type],
    env: Mapping[int, Directions],
    inputs: Mapping[int, int],
) -> list[tuple[str, int]]:
    """The new tangents of what is carried, in the order of the inputs that carry them."""
    inner, number = nested.builder, nested.number
    outputs: list[tuple[str, int]] = []
    for target in targets:
        listed = [place for place in moving[target] if 1 <= place <= loop.carried]
        directions = env[inputs[graph.inputs[target]]]
        if 1 <= target <= loop.carried:
            directions = along(inner, number[graph.outputs[target - 1][1]])
        new = [number[graph.outputs[place - 1][1]] for place in listed]
        found = tangents(inner, nested.local, _each(new), directions.of)
        for place, node in zip(listed, new, strict=True):
            type = typed(types[place].dtype, (*types[target].shape, *types[place].shape))
            tangent = found.get(node)
            made = (
                build.filled(inner, 0.0, type)
                if tangent is None
                else build.tabulate(inner, tangent, directions.indices)
            )
            outputs.append((f"{graph.outputs[place - 1][0]}.by.{graph.name(graph.inputs[target])}", made))
    return outputs


def _refuse(bodies: Iterable[Graph], states: Iterable[State]) -> NoReturn:
    """Say that derivatives would have to be differentiated once more in each iteration."""
    places = [body.span(node) for body, state in zip(bodies, states, strict=True) for node in sorted(state.waiting)]
    raise CompileError(
        Diagnostic(
            "E0406",
            "this derivative is carried, and differentiated again in the next iteration",
            next((span for span in places if span is not None), None),
            "its order grows with every iteration",
            ("differentiate after the loop, or what the loop carries without derivatives",),
        )
    )
