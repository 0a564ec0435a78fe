"""Runs regions: loops over the plan of their body, and the one of two bodies that a condition chooses.

A region is a function of its operands that gives the tuple of its results. What its body does in one iteration is a
plan of its own, made once for all iterations. A tape is a list with the value of each iteration in its place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol

import numpy as np

from gradc.backends.checkpoints import UNKNOWN, Recomputed, Tape, snapshots_for
from gradc.backends.conditions import Condition
from gradc.backends.faults import Faults
from gradc.backends.straight import Routine, Turns, Worth
from gradc.errors import CallError, Diagnostic
from gradc.ir.graph import Graph
from gradc.ir.region import Loop
from gradc.ir.types import Type
from gradc.limits import Limits
from gradc.source import Source, Span


class Stepper(Protocol):
    """A plan at work on one iteration after the other, which keeps what does not change between them."""

    @property
    def views(self) -> Sequence[Any]:
        """What steps write into."""

    def set(self, first: int, values: Iterable[Any]) -> None:
        """Give the inputs from number ``first`` on their values."""

    def step(self, number: int) -> Sequence[Any]:
        """The results for the number of an iteration, which is the first input, and the others as they are set."""

    def resume(self, number: int, values: Mapping[int, Any], first: int) -> Sequence[Any]:
        """The results of an iteration of which the steps up to number ``first`` have given values, by their slots."""

    def close(self) -> None:
        """Give back what the plan lends."""


class Body(Protocol):
    """A planned body.

    The arrays of the ``owned`` inputs, by number, may be written over: they must be nobody else's.
    """

    owned: frozenset[int]

    def run(self, values: Sequence[Any]) -> Sequence[Any]:
        """The inputs to the outputs."""

    def routine(self) -> Routine | None:
        """The body as source can be made of it."""

    def stepper(self) -> Stepper:
        """The body at work."""


class Planned(Protocol):
    """Plans the outputs of a graph, or the values of some of its nodes, for a loop that carries so many."""

    def __call__(self, body: Graph, nodes: Sequence[int] | None, carried: int = 0) -> Body:
        """The plan."""


DTYPES: Final[Mapping[str, Any]] = {"f64": np.float64, "f32": np.float32, "int": np.int64, "bool": np.bool_}

# After so many iterations a loop is worth a function of its own.
_WORTH: Final = 100
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


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The loops that run in this thread have to end so many seconds from now; those that do not raise E0641."""
    before, _running.end = _running.end, time.monotonic() + seconds
    try:
        yield
    finally:
        _running.end = before


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
    kept_of_each = [carried + at for at in range(collected + described.tapes) if at - collected not in snapped]
    made = Worth(partial(_turns, body, carried, scanned, dict.fromkeys(kept_of_each, False), None))

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
        written = [(which, items[which - carried]) for which in kept_of_each]
        lists = [item for _, item in written]
        done = 0
        stepper = body.stepper()
        watch = Watch(place)
        try:
            stepper.set(1 + carried + scanned, rest)
            while done < count:
                at = count - 1 - done if backwards else done
                found: Sequence[Any] | None = None
                turns = made.after(_WORTH) if kept is None else None
                if turns is not None:
                    last = min(done + _LOOK, count)
                    numbers = range(at, count - 1 - last, -1) if backwards else range(at, last)
                    views = stepper.views, ()
                    then, line, left = turns.made(numbers, start, *views, Faults(), None, rows, lists, state, rest)
                    if then is not None:
                        state, done = then, last
                        made.count += len(numbers)
                        watch.look()
                        continue
                    at, state, found = _left(made, turns, at, line, left, stepper, start)
                    done = count - 1 - at if backwards else at
                if found is None:
                    if kept is not None:
                        kept.note(done, state)
                    stepper.set(1, state)
                    if rows:
                        stepper.set(1 + carried, [row[at] for row in rows])
                    found = stepper.step(start + at)
                    made.count += 1
                state = found[:carried]
                for which, item in written:
                    item[at] = found[which]
                if not done & (_LOOK - 1):
                    watch.look()
                done += 1
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
    condition = Condition(described.test)
    test = planned(described.test, [condition.node, *condition.listed])
    most = place.limits.iterations
    snapped = _snapped(described)
    kept_of_each = [carried + at for at in range(tapes) if at not in snapped]
    made = Worth(partial(_turns, body, carried, 0, dict.fromkeys(kept_of_each, True), test))

    def run(*operands: Any) -> tuple[Any, ...]:
        state: Sequence[Any] = _own(operands[:carried], body)
        rest = operands[carried:]
        items: list[list[Any]] = [[] for _ in range(tapes)]
        written = [(which, items[which - carried].append) for which in kept_of_each]
        lists = [append for _, append in written]
        kept = _Kept(described, body, rest, lambda number: (number, []), None) if snapped else None
        count = 0
        stepper, tester = body.stepper(), test.stepper()
        watch = Watch(place)
        try:
            for each in (stepper, tester):
                each.set(1 + carried, rest)
            while True:
                found: Sequence[Any] | None = None
                turns = made.after(_WORTH) if kept is None and count < most else None
                if turns is not None:
                    last = min(count + _LOOK, most)
                    both = stepper.views, tester.views, Faults(), Faults()
                    then, line, left = turns.made(range(count, last), 0, *both, (), lists, state, rest)
                    if then is not None:
                        state, ended = then, left is not None
                        made.count += (left if ended else last) - count
                        count = left if ended else last
                        watch.look()
                        if ended:
                            numbers = line
                            break
                        continue
                    count, state, found = _left(made, turns, count, line, left, stepper, 0)
                if found is None:
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
                    made.count += 1
                state = found[:carried]
                for which, append in written:
                    append(found[which])
                count += 1
                if not count & (_LOOK - 1):
                    watch.look()
        finally:
            stepper.close()
            tester.close()
            watch.close()
        if condition.undecided(numbers):
            hint = "find what makes it with `--debug-nans`, or test for it: x == x is false for a NaN"
            message = f"the condition of this loop compares a NaN after {count} iterations"
            raise place.refuse("E0642", message, "a comparison with NaN is false", hint)
        results: list[Any] = list(items)
        for at, place_of in snapped.items():
            assert kept is not None
            results[at] = kept.tape(place_of, count)
        return (*state, *results, count)

    return run


def _left(
    made: Worth[Turns], turns: Turns, at: int, line: int, variables: Mapping[str, Any], stepper: Stepper, start: int
) -> tuple[int, Sequence[Any], Sequence[Any] | None]:
    """Which iteration a function was left in, what was carried into it, and its results if it had begun."""
    begun = at
    if variables["at"] is not None:
        at = variables["at"]
    made.count += abs(at - begun) + 1
    made.left()
    state = [variables[name] for name in turns.state]
    step = turns.steps[line]
    return at, state, None if step < 0 else stepper.resume(start + at, turns.values(variables), step)


def _turns(body: Body, carried: int, scanned: int, kept: Mapping[int, bool], test: Body | None) -> Turns | None:
    routine = body.routine()
    tested = None if test is None else test.routine()
    if routine is None or routine.long or (test is not None and (tested is None or tested.long)):
        return None
    return Turns(routine, carried, scanned, kept, tested)


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
