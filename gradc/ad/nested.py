"""Expands the derivatives that a body takes with respect to names from outside of it.

A loop means its unrolling: ``grad(y, w)`` in the body of a loop is the derivative through all iterations so far. So the
region is given the tangents of its operands along each element of w, carries those of what it carries, and inside of it
the derivative is a tangent. With respect to a carried name, what the name meant when the last iteration gave it its
value, the tangents that count are those of what that iteration computed from it.

Derivatives of derivatives are expanded layer by layer: each layer carries the tangents of what the one before carried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from gradc.ad import dependence, layers
from gradc.ad.bodies import Body, finish, live_name
from gradc.ad.forward import guarded_tangents
from gradc.ad.layers import State
from gradc.ad.needs import some
from gradc.ad.region_tangents import Guarded
from gradc.errors import CompileError, Diagnostic
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.prune import prune
from gradc.ir.region import Loop
from gradc.ir.types import BOOL, Index, Type, typed
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.ad.expand import Expander


@dataclass(frozen=True)
class Directions:
    """The tangents of values along each element of a target, as families over the indices of that.

    A value in ``live`` has them only where that condition holds, and zeros elsewhere.
    """

    indices: tuple[Index, ...]
    of: Mapping[int, int]
    live: Mapping[int, int] = field(default_factory=dict)


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


def layer(expander: Expander, node: int, entering_tainted: Collection[int] = ()) -> tuple[int, dict[int, int]]:
    """The region at a node with the requests in it expanded that need not wait, and where its results stand now.

    The inputs ``entering_tainted``, by number, are computed from derivatives that wait.
    """
    builder = expander.builder
    data = builder.data[node]
    bodies = layers.bodies(data)
    first, loop = layers.shape(data)
    operands = data["operands"]
    main: Graph = data["attrs"]["then" if loop is None else "body"]
    types = [main.type(old) for old in main.inputs]
    smooth = [place for place in range(len(types)) if types[place].smooth and (loop is None or place)]
    known = {target: directions.of for target, directions in expander.env.items()}
    depends = layers.movement(data, layers.entering(builder.data, data, known))
    states = layers.examine(data, depends, entering_tainted)
    dirty = set().union(*(state.dirty for state in states.values()))
    if not any(state.ready for state in states.values()):
        _refuse(data, states)
    # By a name on which nothing else depends that the body reads, derivatives in the body are those of any value.
    targets = sorted(place for place, others in depends.items() if others)

    # Along each target: the tangents of the operands, as arrays.
    entering: dict[int, dict[int, Guarded]] = {}
    moving: dict[int, list[int]] = {}
    for place in targets:
        target = operands[first + place]
        directions = expander.env.get(target) or along(builder, target)
        others = [p for p in smooth if p in depends[place] and p not in dirty]
        roots = _each(operands[first + p] for p in others)
        found = guarded_tangents(builder, expander.local, roots, directions.of, directions.live)
        entering[place] = {
            p: _whole(builder, found[operands[first + p]], directions.indices)
            for p in others
            if operands[first + p] in found
        }
        moving[place] = others
    doubtful = {target: _doubtful(loop, target, moving[target], entering[target]) for target in targets}

    made: dict[str, Graph] = {}
    further: list[int] = []
    for key in ("body", "test", "then", "other"):
        if key not in bodies:
            continue
        graph = bodies[key]
        body = Body(builder)
        inputs: dict[int, int] = {}
        extra: dict[tuple[int, int], int] = {}
        flags: dict[tuple[int, int], int] = {}
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

        def enter_tangents(
            carried: bool,
            body: Body = body,
            extra: dict[tuple[int, int], int] = extra,
            flags: dict[tuple[int, int], int] = flags,
        ) -> None:
            for target in targets:
                shape = types[target].shape
                for place in moving[target]:
                    if _varies(loop, target, place) != carried:
                        continue
                    type = typed(types[place].dtype, (*shape, *types[place].shape))
                    start, _ = entering[target].get(place, (None, None))
                    start = build.filled(builder, 0.0, type) if start is None else start
                    extra[target, place] = body.input(_name(main, place, target), type, start)
            for target in targets:
                for place in doubtful[target]:
                    if _varies(loop, target, place) != carried:
                        continue
                    known = entering[target].get(place)
                    flag = known[1] if known is not None else None
                    flag = builder.constant(known is not None, BOOL) if flag is None else flag
                    flags[target, place] = body.input(live_name(_name(main, place, target)), BOOL, flag)

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
            live = {inputs[graph.inputs[place]]: flags[target, place] for place in doubtful[target]}
            env[inputs[graph.inputs[target]]] = Directions(own.indices, of, live)
        nested = expander.inside(graph, inner, inputs, env, states[key])
        number = nested.run()
        outputs = [(name, number[old]) for name, old in graph.outputs]
        if key == "body" and loop is not None:
            outputs[loop.carried : loop.carried] = _carried(nested, loop, graph, moving, doubtful, types, env, inputs)
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


def _name(body: Graph, place: int, target: int) -> str:
    """What the tangents of an input of a body along a target are called."""
    return f"{body.name(body.inputs[place])}.by.{body.name(body.inputs[target])}"


def _whole(builder: Builder, term: Guarded, indices: Sequence[Index]) -> Guarded:
    """Tangents along each element of a target as an array, and the single condition under which there are any."""
    value, guard = term
    if guard is not None:
        own = [index for index in indices if index in builder.type(guard).free]
        guard = some(builder, build.tabulate(builder, guard, own))
    return build.tabulate(builder, value, indices), guard


def _doubtful(loop: Loop | None, target: int, moving: Sequence[int], entering: Mapping[int, Guarded]) -> list[int]:
    """The inputs whose tangents along a target are not there in each iteration."""
    sure = {place for place, (_, guard) in entering.items() if guard is None}
    if loop is not None:
        # Along a name that is carried there are the tangents of what the last iteration computed from it.
        carried = 1 <= target <= loop.carried
        kept = set() if carried else dependence.forwards(loop, sure | {target}, moving).always
        sure = {place for place in sure if not _varies(loop, target, place)} | kept
    return [place for place in moving if place not in sure]


def _varies(loop: Loop | None, target: int, place: int) -> bool:
    """Whether the tangents of an input along a target change from iteration to iteration."""
    return loop is not None and (1 <= target <= loop.carried or 1 <= place <= loop.carried)


def _carried(
    nested: Expander,
    loop: Loop,
    graph: Graph,
    moving: Mapping[int, Sequence[int]],
    doubtful: Mapping[int, Sequence[int]],
    types: Sequence[Type],
    env: Mapping[int, Directions],
    inputs: Mapping[int, int],
) -> list[tuple[str, int]]:
    """The new tangents of what is carried, in the order of the inputs that carry them, and whether there are any."""
    inner, number = nested.builder, nested.number
    outputs: list[tuple[str, int]] = []
    flags: list[tuple[str, int]] = []
    for target, others in moving.items():
        listed = [place for place in others if _varies(loop, target, place)]
        directions = env[inputs[graph.inputs[target]]]
        if 1 <= target <= loop.carried:
            directions = along(inner, number[graph.outputs[target - 1][1]])
        # What is not carried does not depend on what an iteration computes.
        new = [
            number[graph.outputs[place - 1][1]] if place <= loop.carried else inputs[graph.inputs[place]]
            for place in listed
        ]
        found = guarded_tangents(inner, nested.local, _each(new), directions.of, directions.live)
        for place, node in zip(listed, new, strict=True):
            type = typed(types[place].dtype, (*types[target].shape, *types[place].shape))
            known = found.get(node)
            tangent, guard = (None, None) if known is None else _whole(inner, known, directions.indices)
            made = build.filled(inner, 0.0, type) if tangent is None else tangent
            outputs.append((_name(graph, place, target), made))
            if place in doubtful[target]:
                flag = inner.constant(known is not None, BOOL) if guard is None else guard
                flags.append((live_name(_name(graph, place, target)), flag))
    return outputs + flags


def _refuse(data: Mapping[str, Any], states: Mapping[str, State]) -> NoReturn:
    """Say that derivatives would have to be differentiated once more in each iteration."""
    bodies = layers.bodies(data)
    spans = [bodies[key].span(node) for key, state in states.items() for node in sorted(state.waiting)]
    raise CompileError(
        Diagnostic(
            "E0406",
            "this derivative is carried, and differentiated again in the next iteration",
            next((span for span in spans if span is not None), None),
            "its order grows with every iteration",
            ("differentiate after the loop, or what the loop carries without derivatives",),
        )
    )
