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

from gradc.ad import layers
from gradc.ad.bodies import Body, finish
from gradc.ad.forward import tangents
from gradc.ad.layers import State
from gradc.errors import CompileError, Diagnostic
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.prune import prune
from gradc.ir.region import Loop
from gradc.ir.types import Index, Type, typed
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.ad.expand import Expander


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
    entering: dict[int, dict[int, int]] = {}
    moving: dict[int, list[int]] = {}
    for place in targets:
        target = operands[first + place]
        directions = expander.env.get(target) or along(builder, target)
        others = [p for p in smooth if p in depends[place] and p not in dirty]
        found = tangents(builder, expander.local, _each(operands[first + p] for p in others), directions.of)
        entering[place] = {
            p: build.tabulate(builder, found[operands[first + p]], directions.indices)
            for p in others
            if operands[first + p] in found
        }
        moving[place] = others

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
                    if _varies(loop, target, place) != carried:
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


def _varies(loop: Loop | None, target: int, place: int) -> bool:
    """Whether the tangents of an input along a target change from iteration to iteration."""
    return loop is not None and (1 <= target <= loop.carried or 1 <= place <= loop.carried)


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
        listed = [place for place in moving[target] if _varies(loop, target, place)]
        directions = env[inputs[graph.inputs[target]]]
        if 1 <= target <= loop.carried:
            directions = along(inner, number[graph.outputs[target - 1][1]])
        # What is not carried does not depend on what an iteration computes.
        new = [
            number[graph.outputs[place - 1][1]] if place <= loop.carried else inputs[graph.inputs[place]]
            for place in listed
        ]
        found = tangents(inner, nested.local, _each(new), directions.of)
        for place, node in zip(listed, new, strict=True):
            type = typed(types[place].dtype, (*types[target].shape, *types[place].shape))
            tangent = found.get(node)
            made = (
                build.filled(inner, 0.0, type)
                if tangent is None
                else build.tabulate(inner, tangent, directions.indices)
            )
            outputs.append((f"{graph.name(graph.inputs[place])}.by.{graph.name(graph.inputs[target])}", made))
    return outputs


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
