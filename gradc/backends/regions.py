"""Plans regions in programs over arrays: the plan of a body is that of a graph of its own.

A family of loops with one number of iterations is one loop over families. Where each member of a family goes its own
way, as with the condition of a ``while``, the members are run one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.backends import loops
from gradc.backends.checkpoints import Tape
from gradc.backends.faults import Faults
from gradc.backends.loops import DTYPES
from gradc.errors import CallError
from gradc.ir.builder import Builder, replay
from gradc.ir.graph import Graph
from gradc.ir.region import Loop
from gradc.ir.types import TAPE, Index, Type, typed
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.backends.emitting import Shape, Value
    from gradc.backends.planner import Planner


def get(planner: Planner, node: int) -> Value:
    """One of the results of a region."""
    graph = planner.graph
    (operand,) = graph.operands(node)
    value = planner.values[operand]
    type = graph.type(node)
    rep = None if type.scalar or type.parts else planner.full(node)
    take = itemgetter(graph.attrs(node)["place"])
    if value.known:
        return planner.keep(take(planner.base[value.slot]), rep)
    return planner.emit(take, [value], rep, view=True)


def add_tapes(planner: Planner, node: int) -> Value:
    """The sum of tapes, and over members of a family."""
    graph = planner.graph
    places = graph.operands(node)
    operands = [planner.values[operand] for operand in places]
    over = graph.attrs(node).get("over", ())
    free = [graph.type(operand).free for operand in places]
    if not over:
        return planner.emit(_adder(planner, node, free), operands, None)
    axes = [tuple(at for at, index in enumerate(own) if index in over) for own in free]
    # What does not depend on an index is there once for each of its values.
    times = [math.prod(planner.batch(index for index in over if index not in own)) for own in free]
    single = not graph.type(node).free and not graph.type(node).parts[0].shape

    def run(*tapes: Any) -> Any:
        found = loops.add_tapes(*[_summed(*each) for each in zip(tapes, axes, times, strict=True)])
        return [float(x) for x in found] if single else found

    return planner.emit(run, operands, None)


def _adder(planner: Planner, node: int, free: Sequence[Sequence[Index]]) -> Callable[..., Any]:
    """The sum of tapes, whose members it adds one by one where these are of different lengths."""
    type = planner.graph.type(node)
    batch, scalar = planner.batch(type.free), not type.parts[0].shape
    axes = [[at for at, index in enumerate(type.free) if index in own] for own in free]

    def run(*tapes: Any) -> Any:
        if not any(isinstance(tape, Lanes) for tape in tapes):
            blank = next((tape for tape in tapes if isinstance(tape, _BlankTape)), None)
            return loops.add_tapes(*tapes) if blank is None else blank
        found = Lanes()
        for place in np.ndindex(*batch):
            parts = zip(tapes, axes, strict=True)
            members = [_member(tape, tuple(place[at] for at in own), scalar) if own else tape for tape, own in parts]
            found[place] = run(*members)
        return found

    return run


def _summed(tape: Any, axes: tuple[int, ...], times: int) -> Any:
    """A tape summed over some of the axes of its family, in each iteration."""
    if isinstance(tape, Lanes):
        places = sorted(tape)
        kept: dict[tuple[int, ...], list[Any]] = {}
        for place in places:
            kept.setdefault(tuple(k for at, k in enumerate(place) if at not in axes), []).append(tape[place])
        sums = {place: loops.add_tapes(*listed) for place, listed in kept.items()}
        return sums[()] if list(sums) == [()] else Lanes(sums)
    return [np.asarray(x).sum(axis=axes) * times for x in tape]


def region(planner: Planner, node: int) -> Value:
    """A loop or branch: a step that gives the tuple of its results."""
    graph = planner.graph
    free = graph.type(node).free
    batch = planner.batch(free)
    operands: list[Value] = []
    lanes: list[bool] = []
    for operand in graph.operands(node):
        type = graph.type(operand)
        if type.parts and type.free and not _apart(planner, node):
            operands.append(_aligned(planner, operand, free, batch))
            lanes.append(True)
            continue
        if type.parts or (type.scalar and planner.values[operand].rep is None):
            operands.append(planner.values[operand])
            lanes.append(bool(type.free))
            continue
        value = planner.whole(operand, free if type.free else ())
        if type.free:
            shape = batch + planner.concrete(type.shape)
            if value.rep != shape:
                value = planner.emit(_broadcast(shape), [value], shape, view=True, repeats=True)
        operands.append(value)
        lanes.append(bool(type.free))
    run = _single(planner, node) if not free else _family(planner, node, lanes, batch)
    blank = [_blank(planner, part, batch) for part in graph.type(node).parts]

    def guarded(found: Faults, *values: Any) -> Any:
        try:
            return run(*values)
        except CallError as problem:
            # It matters only if the results are selected.
            found.note(problem, True)
            return tuple(make() for make in blank)

    return planner.failing(guarded, operands, None)


def _apart(planner: Planner, node: int) -> bool:
    """Whether the members of a family of regions are run one by one: where each goes its own way."""
    graph = planner.graph
    op = graph.op(node)
    heads = graph.operands(node)[: {"for": 2, "branch": 1}.get(op, 0)]
    return op == "while" or any(graph.type(head).free for head in heads)


def _aligned(planner: Planner, operand: int, free: Sequence[Index], batch: Shape) -> Value:
    """A tape of a family whose values have an axis for each of the indices ``free``."""
    type = planner.graph.type(operand)
    index = (*(slice(None) if each in type.free else None for each in free), ...)
    shape = batch + planner.concrete(type.parts[0].shape)
    own = planner.batch(type.free)

    def run(tape: Any) -> Any:
        if isinstance(tape, _BlankTape):
            return _BlankTape(np.broadcast_to(np.asarray(tape.value)[index], shape) if own else tape.value)
        if isinstance(tape, Lanes):
            tape = tape.together(own)
        return [np.broadcast_to(np.asarray(x)[index], shape) for x in tape]

    return planner.emit(run, [planner.values[operand]], None)


def _broadcast(shape: Shape) -> Callable[[Any], Any]:
    return lambda x: np.broadcast_to(x, shape)


class _BlankTape:
    """In place of a tape: as many values as are asked for."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __getitem__(self, at: Any) -> Any:
        return self.value


def _blank(planner: Planner, type: Type, batch: Shape) -> Callable[[], Any]:
    """What stands for a result where there is none."""
    if type.dtype == TAPE:
        inner = _blank(planner, type.parts[0], batch)
        return lambda: _BlankTape(inner())
    shape = batch + planner.concrete(type.shape)
    nothing = np.nan if type.real else 0
    if not shape:
        return lambda: nothing if type.real else type.dtype == "bool" if type.dtype == "bool" else 0
    return lambda: np.full(shape, nothing, DTYPES[type.dtype])


def _shape(planner: Planner) -> Callable[[Type], Shape]:
    return lambda type: planner.concrete(type.shape)


def _function(planner: Planner, node: int, attrs: dict[str, Any]) -> Callable[..., Any]:
    """The region with these attributes as a function of its operands."""
    op = planner.graph.op(node)
    data = {"op": op, "attrs": attrs}
    if op == "branch":
        return loops.branch(data, planner.nested)
    place = loops.Place(planner.graph.written, node, planner.room.sources, planner.limits)
    return loops.loop(data, place, planner.nested, _shape(planner))


def _single(planner: Planner, node: int) -> Callable[..., Any]:
    return _function(planner, node, dict(planner.graph.attrs(node)))


def _family(planner: Planner, node: int, lanes: Sequence[bool], batch: Shape) -> Callable[..., Any]:
    """The function of a family of regions; ``lanes`` says which operands are families."""
    graph = planner.graph
    attrs = dict(graph.attrs(node))
    op = graph.op(node)
    if _apart(planner, node):
        return _one_by_one(planner, node, lanes, batch)
    if op == "branch":
        for key in ("then", "other"):
            attrs[key] = batched(attrs[key], batch, {at for at, lane in enumerate(lanes[1:]) if lane})
        return _function(planner, node, attrs)
    loop = Loop.of(attrs)
    carried, scanned = loop.carried, loop.scanned
    mapped = {at for at, lane in enumerate(lanes[2:], start=1) if lane} | set(range(1, 1 + carried))
    attrs["body"] = batched(loop.body, batch, mapped)
    run = _function(planner, node, attrs)
    count = len(batch)
    first = {2 + at for at in range(carried) if not lanes[2 + at]}
    rows = {2 + carried + at for at in range(scanned) if lanes[2 + carried + at]}
    arrays = range(carried, carried + loop.collected)
    starts = {at: batch + planner.concrete(loop.body.type(loop.body.inputs[at - 1]).shape) for at in first}

    def whole(*operands: Any) -> tuple[Any, ...]:
        given = list(operands)
        for at in first:
            given[at] = np.broadcast_to(given[at], starts[at])
        for at in rows:
            if isinstance(given[at], np.ndarray):
                given[at] = np.moveaxis(given[at], count, 0)
        found = list(run(*given))
        for at in arrays:
            found[at] = np.moveaxis(found[at], 0, count)
        return tuple(found)

    return whole


def batched(body: Graph, batch: Shape, mapped: set[int]) -> Graph:
    """The body for all members of a family at once: inputs at these places, and all outputs, have axes in front."""
    builder = Builder(body.ops)
    builder.functions.update(body.functions)
    builder.reserve(body)
    indices = [builder.fresh("lane", extent) for extent in batch]
    number: dict[int, int] = {}
    at: list[int] = []
    for place, node in enumerate(body.inputs):
        type = body.type(node)
        if place in mapped:
            type = typed(type.dtype, (*batch, *type.shape))
        number[node] = builder.operand(body.name(node) or "x", type, body.attrs(node).get("extent"))
    at = [build.index(builder, index) for index in indices]
    for place in sorted(mapped):
        node = body.inputs[place]
        number[node] = build.access(builder, number[node], (None,) * len(at), at)
    for node in body.data:
        if node not in number:
            number[node] = replay(body, node, builder, number)
    outputs = [(name, build.tabulate(builder, number[node], indices)) for name, node in body.outputs]
    return builder.finish(outputs)


class Lanes(dict[tuple[int, ...], Any]):
    """The tapes of a family, whose members may be of different lengths, by their indices."""

    def together(self, batch: Shape) -> list[Any]:
        """One tape of arrays, where all members are of one length."""
        places = list(np.ndindex(*batch))
        count = len(self[places[0]]) if places else 0
        columns = [np.array([self[place][at] for place in places]) for at in range(count)]
        return [column.reshape(batch + column.shape[1:]) for column in columns]


def _one_by_one(planner: Planner, node: int, lanes: Sequence[bool], batch: Shape) -> Callable[..., Any]:
    """The function that runs the members of a family one after the other."""
    run = _single(planner, node)
    graph = planner.graph
    parts = graph.type(node).parts
    types = [graph.type(operand) for operand in graph.operands(node)]
    scalar = [not type.shape and not (type.parts and type.parts[0].shape) for type in types]
    free = graph.type(node).free
    # Of a tape the values have axes for its own indices alone.
    own = [[at for at, index in enumerate(free) if index in type.free or not type.parts] for type in types]

    def every(*operands: Any) -> tuple[Any, ...]:
        found: list[Any] = [
            Lanes() if type.dtype == TAPE else np.empty(batch + planner.concrete(type.shape), DTYPES[type.dtype])
            for type in parts
        ]
        for place in np.ndindex(*batch):
            given = [
                x if not lane else _member(x, tuple(place[at] for at in axes), one)
                for x, lane, one, axes in zip(operands, lanes, scalar, own, strict=True)
            ]
            for whole, part in zip(found, run(*given), strict=True):
                whole[place] = part
        return tuple(found)

    return every


def _member(operand: Any, place: tuple[int, ...], scalar: bool) -> Any:
    if isinstance(operand, Lanes):
        return operand[place]
    if isinstance(operand, _BlankTape):
        value = operand.value
        return _BlankTape(_member(value, place, scalar) if isinstance(value, np.ndarray) else value)
    if isinstance(operand, (list, Tape)):
        return [_member(each, place, scalar) for each in operand]
    found = operand[place]
    return found.item() if scalar else found
