"""Runs regions: loops over the plan of their body, and the one of two bodies that a condition chooses.

A region is a function of its operands that gives the tuple of its results. What its body does in one iteration is a
plan of its own, made once for all iterations. A tape is a list with the value of each iteration in its place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import isnan
from typing import Any, Final, Protocol

import numpy as np

from gradc.backends.checkpoints import UNKNOWN, Recomputed, Tape, snapshots_for
from gradc.errors import CallError, Diagnostic
from gradc.ir.graph import Graph
from gradc.ir.region import Loop
from gradc.ir.types import Type
from gradc.limits import Limits
from gradc.source import Source, Span


class Stepper(Protocol):
    """A plan at work on one iteration after the other, which keeps what does not change between them."""

    def set(self, first: int, values: Iterable[Any]) -> None:
        """Give the inputs from number ``first`` on their values."""

    def step(self, number: int) -> Sequence[Any]:
        """The results for the number of an iteration, which is the first input, and the others as they are set."""

    def close(self) -> None:
        """Give back what the plan lends."""


class Body(Protocol):
    """A planned body.

    The arrays of the ``owned`` inputs, by number, may be written over: they must be nobody else's.
    """

    owned: frozenset[int]

    def run(self, values: Sequence[Any]) -> Sequence[Any]:
        """The inputs to the outputs."""

    def stepper(self) -> Stepper:
        """The body at work."""


class Planned(Protocol):
    """Plans the outputs of a graph, or the values of some of its nodes, for a loop that carries so many."""

    def __call__(self, body: Graph, nodes: Sequence[int] | None, carried: int = 0) -> Body:
        """The plan."""


DTYPES: Final[Mapping[str, Any]] = {"f64": np.float64, "f32": np.float32, "int": np.int64, "bool": np.bool_}

# So many iterations pass between two looks at the clock.
_LOOK: Final = 1 << 10


class Place:
    """Where a region stands, for what is said about it."""

    def __init__(self, graph: Graph, node: int, sources: Mapping[str, Source], limits: Limits) -> None:
        self.span: Span | None = graph.span(node)
        self.sources = sources
        self.limits = limits

    def refuse(self, code: str, message: str, label: str = "", *hints: str) -> CallError:
        """What is wrong, at the region."""
        span = self.span
        text = self.sources[span.file].line(span.line) if span and span.file in self.sources else ""
        return CallError(Diagnostic(code, message, span, label, hints, text=text))


class _Running(threading.local):
    """When the outermost loop that runs in a thread has to have ended."""

    end: float | None = None


_running = _Running()


class Watch:
    """Looks at the clock now and then. A loop within another one has the time that is left to that."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.outermost = _running.end is None
        if _running.end is None:
            _running.end = time.monotonic() + place.limits.run_seconds
        self.end = _running.end

    def look(self) -> None:
        """Raise a diagnostic once the time is over."""
        if time.monotonic() > self.end:
            seconds = self.place.limits.run_seconds
            raise self.place.refuse("E0641", f"this loop runs for more than {seconds:g} seconds", "still running")

    def close(self) -> None:
        """The loop has ended."""
        if self.outermost:
            _running.end = None


def loop(data: Mapping[str, Any], place: Place, planned: Planned, shape: Callable[[Type], Any]) -> Callable[..., Any]:
    """The function that a ``for`` or ``while`` node is; ``shape`` gives the extents of a type."""
    described = Loop.of(data["attrs"])
    body = planned(described.body, None, described.carried)
    if described.test is None:
        return _for(described, place, body, shape)
    return _while(described, place, body, planned)


def _own(operands: Sequence[Any], body: Body) -> list[Any]:
    """What a loop starts from, copied where the body writes over it."""
    return [np.array(x) if at in body.owned else x for at, x in enumerate(operands, start=1)]


def _rows(operand: Any) -> Any:
    """What an iteration reads of a scanned operand, by its number."""
    return operand.tolist() if isinstance(operand, np.ndarray) and operand.ndim == 1 else operand


class _Collected:
    """An array that a loop fills, one element an iteration."""

    def __init__(self, type: Type, count: int, shape: tuple[int, ...]) -> None:
        self.scalar = not shape
        self.dtype = DTYPES[type.dtype]
        self.items: Any = [0] * count if self.scalar else np.empty((count, *shape), self.dtype)

    def array(self) -> Any:
        return np.array(self.items, self.dtype) if self.scalar else self.items


def _for(described: Loop, place: Place, body: Body, shape: Callable[[Type], Any]) -> Callable[..., Any]:
    carried, scanned, collected = described.carried, described.scanned, described.collected
    graph = described.body
    kinds = [graph.type(node) for _, node in graph.outputs[carried : carried + collected]]
    single = [not shape(graph.type(node)) for node in graph.inputs[1 + carried : 1 + carried + scanned]]
    backwards = described.backwards
    snapped = _snapped(described)

    def run(start: int, stop: int, *operands: Any) -> tuple[Any, ...]:
        count = stop - start
        if count < 0:
            hint = "a range runs upwards, up to, but without, its end; it may be empty, as 0..0"
            raise place.refuse("E0640", f"the range {start}..{stop} ends before it begins", "this loop", hint)
        if count > place.limits.iterations:
            raise _too_many(place, f"this loop makes {count:,} steps, and {place.limits.iterations:,} are allowed")
        state: Sequence[Any] = _own(operands[:carried], body)
        rows = [_rows(x) if one else x for x, one in zip(operands[carried : carried + scanned], single, strict=True)]
        rest = operands[carried + scanned :]
        arrays = [_Collected(type, count, shape(type)) for type in kinds]
        items = [each.items for each in arrays]
        kept = None
        if snapped:

            def read(number: int) -> tuple[int, list[Any]]:
                at = count - 1 - number if backwards else number
                return start + at, [row[at] for row in rows]

            kept = _Kept(described, body, rest, read, count)
        items += [[None] * (0 if at in snapped else count) for at in range(described.tapes)]
        written = [(carried + at, item) for at, item in enumerate(items) if at - collected not in snapped]
        stepper = body.stepper()
        watch = Watch(place)
        try:
            stepper.set(1 + carried + scanned, rest)
            for at in reversed(range(count)) if backwards else range(count):
                if kept is not None:
                    kept.note(count - 1 - at if backwards else at, state)
                stepper.set(1, state)
                if rows:
                    stepper.set(1 + carried, [row[at] for row in rows])
                found = stepper.step(start + at)
                state = found[:carried]
                for which, item in written:
                    item[at] = found[which]
                if not at & (_LOOK - 1):
                    watch.look()
        finally:
            stepper.close()
            watch.close()
        tapes = items[collected:]
        for at, place_of in snapped.items():
            assert kept is not None
            tapes[at] = kept.tape(place_of, count)
        return (*state, *[each.array() for each in arrays], *tapes)

    return run


def _while(described: Loop, place: Place, body: Body, planned: Planned) -> Callable[..., Any]:
    carried, tapes = described.carried, described.tapes
    assert described.test is not None
    compared = _compared(described.test)
    test = planned(described.test, [described.test.outputs[0][1], *compared])
    most = place.limits.iterations
    snapped = _snapped(described)

    def run(*operands: Any) -> tuple[Any, ...]:
        state: Sequence[Any] = _own(operands[:carried], body)
        rest = operands[carried:]
        items: list[list[Any]] = [[] for _ in range(tapes)]
        kept = _Kept(described, body, rest, lambda number: (number, []), None) if snapped else None
        count = 0
        stepper, tester = body.stepper(), test.stepper()
        watch = Watch(place)
        try:
            for each in (stepper, tester):
                each.set(1 + carried, rest)
            while True:
                tester.set(1, state)
                goes_on, *numbers = tester.step(count)
                if not goes_on:
                    break
                if count == most:
                    raise _too_many(place, f"this loop has not ended after {most:,} iterations")
                if kept is not None:
                    kept.note(count, state)
                stepper.set(1, state)
                found = stepper.step(count)
                state = found[:carried]
                for at, (item, value) in enumerate(zip(items, found[carried:], strict=True)):
                    if at not in snapped:
                        item.append(value)
                count += 1
                if not count & (_LOOK - 1):
                    watch.look()
        finally:
            stepper.close()
            tester.close()
            watch.close()
        if any(isnan(x) for x in numbers):
            hint = "find what makes it with `--debug-nans`, or test for it: x == x is false for a NaN"
            message = f"the condition of this loop compares a NaN after {count} iterations"
            raise place.refuse("E0642", message, "a comparison with NaN is false", hint)
        results: list[Any] = list(items)
        for at, place_of in snapped.items():
            assert kept is not None
            results[at] = kept.tape(place_of, count)
        return (*state, *results, count)

    return run


class _Kept:
    """The states of a loop with a checkpoint, of which most are computed again when its tapes are read.

    ``read`` gives the number of an iteration, counted as the loop runs, as the body counts it, and what it scans.
    """

    def __init__(
        self,
        described: Loop,
        body: Body,
        rest: Sequence[Any],
        read: Callable[[int], tuple[int, list[Any]]],
        count: int | None,
    ) -> None:
        self.described = described
        carried = described.carried
        stepper: Stepper | None = None

        def advance(number: int, state: Sequence[Any]) -> Sequence[Any]:
            nonlocal stepper
            if stepper is None:
                stepper = body.stepper()
                stepper.set(1 + carried + described.scanned, rest)
            index, rows = read(number)
            stepper.set(1, state)
            if rows:
                stepper.set(1 + carried, rows)
            return stepper.step(index)[:carried]

        most = described.checkpoint or (UNKNOWN if count is None else snapshots_for(count))
        self._states = Recomputed(advance, most, count)

    def note(self, number: int, state: Sequence[Any]) -> None:
        """The state before an iteration, on the way forward."""
        self._states.note(number, state)

    def tape(self, which: int, count: int) -> Tape:
        """The tape of something carried, once the loop's length is known."""
        return Tape(partial(_part, self._states.at, which), count, self.described.backwards)


def _snapped(described: Loop) -> dict[int, int]:
    """The tapes of a loop that are computed again, by number, and what carried value each is of."""
    if described.checkpoint is None:
        return {}
    graph = described.body
    carried = {graph.inputs[1 + at]: at for at in range(described.carried)}
    tapes = [node for _, node in graph.outputs[described.carried + described.collected :]]
    return {at: carried[node] for at, node in enumerate(tapes) if node in carried}


def _part(states: Callable[[int], Sequence[Any]], which: int, number: int) -> Any:
    return states(number)[which]


def _compared(test: Graph) -> list[int]:
    """The real numbers that the comparisons of a test compare, without those that it tests for NaN: `x == x`."""
    found: list[int] = []
    tested: set[int] = set()
    stack = [test.outputs[0][1]]
    while stack:
        node = stack.pop()
        operands = test.operands(node)
        if test.op(node) in ("eq", "ne") and operands[0] == operands[1]:
            tested.add(operands[0])
            continue
        for operand in operands:
            type = test.type(operand)
            if type.dtype == "bool":
                stack.append(operand)
            elif type.real and type.scalar and test.type(node).dtype == "bool":
                found.append(operand)
    return [operand for operand in dict.fromkeys(found) if operand not in tested]


def _too_many(place: Place, message: str) -> CallError:
    hint = "`max_iterations=` in Python, `--max-iterations` on the command line say how many there may be"
    return place.refuse("E0641", message, "", hint)


def branch(data: Mapping[str, Any], planned: Planned) -> Callable[..., Any]:
    """The function that a ``branch`` node is: only the body that is chosen runs."""
    attrs = data["attrs"]
    then, other = planned(attrs["then"], None), planned(attrs["other"], None)

    def run(condition: Any, *operands: Any) -> tuple[Any, ...]:
        return tuple(then.run(operands) if condition else other.run(operands))

    return run


def add_tapes(*tapes: Any) -> Any:
    """Tapes added up, in order."""
    first, *others = tapes
    for other in others:
        first = [x + y for x, y in zip(first, other, strict=True)]
    return first
