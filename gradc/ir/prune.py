"""Drops what regions compute for nobody: results that are not read, what is carried for them alone, unused operands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradc.ir.builder import Builder, replay, transfer
from gradc.ir.graph import Graph, ancestors
from gradc.ir.region import Loop

REGIONS = frozenset({"for", "while", "branch"})


@dataclass(frozen=True)
class _Smaller:
    """A region without what nobody needs: its attributes, its operands by position, and where its results stand now."""

    attrs: Mapping[str, Any]
    positions: tuple[int, ...]
    places: Mapping[int, int]


def prune(graph: Graph) -> tuple[Graph, Mapping[int, int]]:
    """The graph with smaller regions, without dead nodes, and the map to its nodes; itself where all is needed."""
    if not any(data["op"] in REGIONS for data in graph.data.values()):
        return graph, {node: node for node in graph}
    needed = {node for _, node in graph.outputs} | set(graph.inputs)
    places: dict[int, set[int]] = {}
    smaller: dict[int, _Smaller] = {}
    same = True
    for node in reversed(list(graph)):
        if node not in needed:
            same = False
            continue
        data = graph.data[node]
        operands = data["operands"]
        if data["op"] == "get":
            places.setdefault(operands[0], set()).add(data["attrs"]["place"])
        if data["op"] in REGIONS:
            found = _smaller(data, places.get(node, set()))
            if found is not None:
                same = False
                smaller[node] = found
                operands = [operands[position] for position in found.positions]
        needed.update(operands)
    if same:
        return graph, {node: node for node in graph}
    builder = Builder(graph.ops)
    number: dict[int, int] = {}
    for node, data in graph.data.items():
        if node not in needed:
            continue
        if node in smaller:
            _marks(graph, node, builder, number)
            reduced = smaller[node]
            operands = [number[data["operands"][position]] for position in reduced.positions]
            number[node] = builder.apply(data["op"], *operands, attrs=reduced.attrs)
        elif data["op"] == "get" and data["operands"][0] in smaller:
            _marks(graph, node, builder, number)
            place = smaller[data["operands"][0]].places[data["attrs"]["place"]]
            number[node] = builder.apply("get", number[data["operands"][0]], attrs={"place": place})
        else:
            number[node] = replay(graph, node, builder, number)
    return transfer(graph, builder, number), number


def _marks(graph: Graph, node: int, builder: Builder, number: Mapping[int, int]) -> None:
    marked = graph.adjoint_of(node)
    builder.reserve(graph)
    builder.span = graph.span(node)
    builder.adjoint_of = None if marked is None else number.get(marked)


def _smaller(data: Mapping[str, Any], live: set[int]) -> _Smaller | None:
    """The region for the results that are read; None where nothing can be left out."""
    return _branch(data, live) if data["op"] == "branch" else _loop(data, live)


def restricted(body: Graph, outputs: Sequence[int], inputs: Collection[int]) -> Graph:
    """The body with some of its outputs and inputs, by their numbers, and what the outputs need, pruned itself."""
    listed = [body.outputs[place] for place in outputs]
    needed = ancestors(body.data, [node for _, node in listed])
    builder = Builder(body.ops)
    builder.functions.update(body.functions)
    number: dict[int, int] = {}
    kept = set(inputs)
    for place, node in enumerate(body.inputs):
        if place in kept:
            number[node] = replay(body, node, builder, {})
    for node in body.data:
        if node in needed and node not in number:
            number[node] = replay(body, node, builder, number)
    names = {name: number[node] for name, node in body.names.items() if node in number}
    builder.names.update(names)
    builder.span = builder.adjoint_of = None
    return prune(builder.finish([(name, number[node]) for name, node in listed]))[0]


def _used(body: Graph, outputs: Sequence[int]) -> set[int]:
    """The inputs, by their numbers, that some outputs are computed from."""
    needed = ancestors(body.data, [body.outputs[place][1] for place in outputs])
    return {place for place, node in enumerate(body.inputs) if node in needed}


def _loop(data: Mapping[str, Any], live: set[int]) -> _Smaller | None:
    loop = Loop.of(data["attrs"])
    count = len(loop.body.outputs)
    body, test = loop.body, loop.test
    everything = range(len(body.inputs))
    kept, used = _closure(loop, body, test, live)
    # A region inside may read less once its own unused results are gone.
    while True:
        outputs = sorted(kept)
        slim = restricted(body, outputs, everything)
        kept, used = _settled(loop, slim, test, live, {place: at for at, place in enumerate(outputs)})
        if len(kept) == len(outputs):
            break
    inputs = sorted({0} | used | {1 + place for place in outputs if place < loop.carried})
    final = restricted(slim, range(len(outputs)), inputs)
    carried = sum(place < loop.carried for place in outputs)
    arrays = loop.carried + loop.collected
    scanned = sum(loop.carried < place <= loop.carried + loop.scanned for place in inputs)
    tapes = sum(place >= arrays for place in outputs)
    if len(outputs) == count and len(inputs) == len(body.inputs) and len(final) == len(body):
        return None
    new_test = None if test is None else restricted(test, [0], inputs)
    smaller = replace(loop, body=final, test=new_test, carried=carried, scanned=scanned, tapes=tapes)
    places = {place: at for at, place in enumerate(outputs)}
    if test is not None:
        places[loop.results - 1] = smaller.results - 1
    bounds = range(loop.first)
    return _Smaller(smaller.attrs, (*bounds, *(loop.first + place - 1 for place in inputs if place)), places)


def _closure(loop: Loop, body: Graph, test: Graph | None, live: set[int]) -> tuple[set[int], set[int]]:
    return _settled(loop, body, test, live, {place: place for place in range(len(loop.body.outputs))})


def _settled(
    loop: Loop, body: Graph, test: Graph | None, live: set[int], standing: Mapping[int, int]
) -> tuple[set[int], set[int]]:
    """The outputs of the body that are needed, and the inputs; ``standing`` is where the body has each output."""
    kept = {place for place in live if place < len(loop.body.outputs)}
    tested = set() if test is None else _used(test, [0])
    kept |= {place - 1 for place in tested if 1 <= place <= loop.carried}
    while True:
        used = tested | _used(body, [standing[place] for place in kept])
        more = {place - 1 for place in used if 1 <= place <= loop.carried} - kept
        if not more:
            return kept, used
        kept |= more


def _branch(data: Mapping[str, Any], live: set[int]) -> _Smaller | None:
    bodies: dict[str, Graph] = {key: data["attrs"][key] for key in ("then", "other")}
    outputs = sorted(live)
    everything = range(len(bodies["then"].inputs))
    slim = {key: restricted(body, outputs, everything) for key, body in bodies.items()}
    used: set[int] = set()
    for body in slim.values():
        used |= _used(body, range(len(outputs)))
    whole = len(outputs) == len(bodies["then"].outputs) and len(used) == len(everything)
    if whole and all(len(slim[key]) == len(body) for key, body in bodies.items()):
        return None
    inputs = sorted(used)
    attrs = {key: restricted(body, range(len(outputs)), inputs) for key, body in slim.items()}
    return _Smaller(attrs, (0, *(1 + place for place in inputs)), {place: at for at, place in enumerate(outputs)})


def over_bodies(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """The graph with every body changed; a body that comes back as it was is left alone, and so is the graph."""
    made: dict[Graph, Graph] = {}
    changed: dict[int, dict[str, Any]] = {}
    for node, data in graph.data.items():
        if data["op"] not in REGIONS:
            continue
        attrs = dict(data["attrs"])
        for key, value in data["attrs"].items():
            if isinstance(value, Graph):
                if value not in made:
                    made[value] = change(value)
                attrs[key] = made[value]
        if any(attrs[key] is not value for key, value in data["attrs"].items()):
            changed[node] = attrs
    return graph.with_attrs(changed) if changed else graph
