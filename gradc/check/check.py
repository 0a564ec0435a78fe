"""``model.check()``: whether derivatives are right, with a verdict for each that neither noise nor luck decides."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gradc.check import backends
from gradc.check.accuracy import accuracy
from gradc.check.faults import faults
from gradc.check.numbers import Unsuitable
from gradc.check.problem import Problem, Programs
from gradc.check.report import Check, Comparison, Entry, Point, Verdict
from gradc.check.slopes import Kink, Slope
from gradc.errors import CallError, Diagnostic, suggestion
from gradc.source import canonical

if TYPE_CHECKING:
    from gradc.model import Model

# So many elements are checked one by one, if that does not take longer than so many seconds.
_SINGLE: Final = 64
_SECONDS: Final = 3.0
# So long backends are tried.
_PATIENCE: Final = 20.0
# Of more, so many random combinations are, and so many wrong elements are looked for.
_COMBINATIONS: Final = 4
_LOCATED: Final = 8
# A bound that is no smaller beside the derivative says nothing.
_TELLING: Final = 1e-3
_DIGITS: Final = 40

Ranges = Mapping[str, tuple[float, float]]


def check(
    model: Model,
    values: Mapping[str, Any] | None = None,
    *,
    of: Any = None,
    wrt: Any = None,
    samples: int = 0,
    ranges: Ranges | None = None,
    precision: int | None = None,
    ulps: bool = False,
    seed: int = 0,
) -> Check:
    """Check derivatives at a point, and at ``samples`` more: each with the inputs in ``ranges`` drawn between bounds.

    With ``precision`` the references are computed in so many digits; ``ulps`` adds how accurate every result is.
    ``seed`` fixes what is drawn. Raises ``CallError`` as a call and ``model.grad`` do.
    """
    if samples and not ranges:
        hint = "say from where to where inputs go: `--range x=0:1`, in Python `ranges={'x': (0, 1)}`"
        raise CallError(Diagnostic("E0651", "there are samples to take, and no range to take them from", hints=(hint,)))
    targets = list(dict.fromkeys(model._targets(of, arrays=True)))
    variables = list(dict.fromkeys(model.variables(wrt)))
    inputs = model._inputs.numbers(values, {})
    sizes = model._inputs.bound(inputs)
    drawn = _ranges(model, ranges or {})
    programs = Programs(model, targets, variables, sizes, seed)
    points: list[Point] = []
    found: list[Diagnostic] = []
    random = np.random.default_rng(seed)
    for at in _points(model, inputs, drawn, samples, random):
        point, wrong = _at(Problem(programs, at, sizes, _SECONDS), precision, ulps)
        points.append(point)
        known = {_gist(fault) for fault in found}
        found += [fault for fault in wrong if _gist(fault) not in known]
    name = model.sources[0].name if model.sources else "the program"
    return Check(name, targets, variables, points, tuple(found))


def _gist(fault: Diagnostic) -> tuple[object, ...]:
    """What a fault says apart from the values at which it shows."""
    return fault.message.partition(":")[0], fault.span


def _ranges(model: Model, ranges: Ranges) -> dict[int, tuple[float, float]]:
    found = {}
    for name, (low, high) in ranges.items():
        at = model._inputs.index.get(canonical(name))
        if at is None:
            raise CallError(
                Diagnostic("E0602", f"there is no input `{name}`", hints=suggestion(name, model._inputs.shown))
            )
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise CallError(Diagnostic("E0651", f"the range of `{name}` goes from {low:g} to {high:g}"))
        if model._inputs.dtypes[at] == "bool" or at in model._inputs.shapes.counts:
            kind = "a truth value" if model._inputs.dtypes[at] == "bool" else "the size of arrays"
            raise CallError(Diagnostic("E0651", f"`{name}` is {kind}, which has no range"))
        found[at] = (float(low), float(high))
    return found


def _points(
    model: Model, inputs: Sequence[Any], ranges: Mapping[int, tuple[float, float]], samples: int, random: Any
) -> Iterator[list[Any]]:
    yield list(inputs)
    for _ in range(samples):
        found = list(inputs)
        for at, (low, high) in ranges.items():
            shape = np.shape(found[at])
            if model._inputs.dtypes[at] == "int":
                drawn = random.integers(math.ceil(low), math.floor(high) + 1, shape)
                found[at] = drawn if shape else int(drawn)
            else:
                drawn = random.uniform(low, high, shape)
                found[at] = drawn if shape else float(drawn)
        yield found


def _at(problem: Problem, precision: int | None, ulps: bool) -> tuple[Point, list[Diagnostic]]:
    """What there is to say about a point, and which local gradients are at fault."""
    programs, model = problem.programs, problem.model
    shown = {name: value for name, value in zip(model.inputs, problem.inputs, strict=False) if not np.ndim(value)}
    values = dict(zip([target.label for target in programs.targets], problem.found[0], strict=True))
    notes: list[str] = []
    for target, value in zip(programs.targets, problem.found[0], strict=True):
        if not math.isfinite(value):
            notes.append(f"{target.label} is {value} here, so there is nothing to compare its derivatives with")
    with np.errstate(all="ignore"):
        judge = _Judge(problem, precision)
        entries, checked = judge.entries()
        orders = _orders(problem)
        comparisons = [*_forward(problem), *_backends(problem)]
        accurate = accuracy(problem) if ulps else []
        wrong = faults(problem, any(entry.verdict == "wrong" for entry in entries))
    if not wrong:
        wrong = _unlocated(problem, entries)
    notes += judge.notes
    return Point(shown, values, entries, orders, comparisons, accurate, notes, checked), wrong


class _Judge:
    """Compares the derivatives at a point with numerical ones."""

    def __init__(self, problem: Problem, precision: int | None) -> None:
        self.problem = problem
        self.precision = precision
        self.notes: list[str] = []
        self.programs = problem.programs
        self.exact: tuple[list[Any], list[list[Any]]] | None = None
        # Of the last direction, along which there may be several targets.
        self.kinks: tuple[Any, list[Kink | None]] | None = None
        if precision is not None:
            try:
                self.exact = problem.exactly(precision)
                problem.slopes.precise(problem.slopes.nothing(), precision)
            except Unsuitable as reason:
                self.precision = None
                self.notes.append(f"the program cannot be evaluated in {precision} digits: {_why(reason)}")

    def entries(self) -> tuple[list[Entry], int]:
        """The entries, and how many derivatives they stand for."""
        programs, problem = self.programs, self.problem
        places = [(v, place) for v, shape in enumerate(programs.shapes) for place in np.ndindex(*shape)]
        if not places:
            return [], 0
        start = time.perf_counter()
        self.reference(self.unit(*places[0]))
        each = time.perf_counter() - start
        if len(places) <= _SINGLE and each * len(places) <= 4 * _SECONDS:
            found = [entry for v, place in places for entry in self.one(v, place)]
            order = {target.label: at for at, target in enumerate(programs.targets)}
            return sorted(found, key=lambda entry: order[entry.of]), len(found)
        return self.combined(places), len(places) * problem.count

    def unit(self, v: int, place: tuple[int, ...]) -> list[Any]:
        """The direction in which one element moves."""
        found: list[Any] = [np.zeros(shape) if shape else 0.0 for shape in self.programs.shapes]
        if place:
            found[v][place] = 1.0
        else:
            found[v] = 1.0
        return found

    def one(self, v: int, place: tuple[int, ...]) -> list[Entry]:
        """The entries for one element, of each target."""
        label = self.programs.wrt[v] + (f"[{', '.join(map(str, place))}]" if place else "")
        return self.compared(self.unit(v, place), label)

    def reference(self, direction: Sequence[Any]) -> Slope:
        """The numerical derivative of each target along a direction."""
        problem = self.problem
        if not problem.slopes.types:
            return Slope([0.0] * problem.count, [0.0] * problem.count, "no dependence")
        moving = problem.moving(direction)
        if self.precision is not None:
            found = problem.slopes.precise(moving, self.precision)
            return Slope([float(x) for x in found.values], found.bounds, found.method)
        return problem.slopes.slope(moving)

    def compared(self, direction: Sequence[Any], label: str) -> list[Entry]:
        """The entries for a direction, with what it is called."""
        reference = self.reference(direction)
        found = []
        for y, target in enumerate(self.programs.targets):
            value = _dot(self.problem.found[1][y], direction)
            bound = _dot(self.problem.noise[1][y], direction, True) + 10 * reference.bounds[y]
            scale = _dot(self.problem.scale[y], direction, True)
            slope = reference.values[y]
            verdict, slope, bound, method, note = self.judged(
                y, direction, value, slope, bound, scale, reference.method
            )
            found.append(Entry(target.label, label, value, slope, bound, verdict, method, note))
        return found

    def judged(
        self, y: int, direction: Sequence[Any], value: float, slope: float, bound: float, scale: float, method: str
    ) -> tuple[Verdict, float, float, str, str]:
        """The verdict on a value beside a numerical derivative, and both as they turn out to be."""
        problem = self.problem
        if not math.isfinite(problem.found[0][y]):
            return "undefined", slope, bound, method, ""
        if self.exact is not None:
            exact = float(_dot_exact(self.exact[1][y], direction))
            if not _close(exact, slope, 1e-12 * max(abs(exact), abs(slope))):
                return "wrong", slope, bound, method, ""
            # The formula is right: what is left is rounding.
            off = "" if _close(value, slope, max(_TELLING * abs(slope), 0.0)) else "its rounding errors are large"
            return "right", slope, bound, method, off
        if _close(value, slope, bound):
            kink = self.kink(y, direction)
            if kink is not None and kink.kind == "jump":
                return "undefined", slope, bound, method, _kinked(kink)
            telling = bound <= _TELLING * max(scale, abs(value), abs(slope)) or value == slope == 0
            return "right" if telling else "noise", slope, bound, method, _kinked(kink)
        return self.doubted(y, direction, value, slope, bound, scale, method)

    def doubted(
        self, y: int, direction: Sequence[Any], value: float, slope: float, bound: float, scale: float, method: str
    ) -> tuple[Verdict, float, float, str, str]:
        """The verdict on what differs: a kink may be the reason, or the numerical derivative may be the wrong one."""
        kink = self.kink(y, direction)
        note = _kinked(kink)
        if kink is not None and kink.kind == "jump":
            return "undefined", slope, bound, method, note
        if kink is not None and kink.kind == "kink":
            return "right" if kink.covers(value, bound) else "wrong", slope, bound, method, note
        if math.isfinite(value) and bound > _TELLING * max(scale, abs(value), abs(slope)):
            return "noise", slope, bound, method, note
        moving = self.problem.moving(direction)
        try:
            precise = self.problem.slopes.precise(moving, _DIGITS)
            slope, method = float(precise.values[y]), precise.method
            bound += precise.bounds[y]
            if not math.isfinite(value):
                # Where the slope grows without an end, fewer digits see less of it.
                again = float(self.problem.slopes.precise(moving, _DIGITS // 2).values[y])
                finite = math.isfinite(slope) and _close(slope, again, 1e-6 * max(abs(slope), abs(again)))
                return "wrong" if finite else "undefined", slope, bound, method, note
        except Unsuitable:
            # Without a judge, what differs by little may be an error of the numerical derivative.
            if not math.isfinite(value) or _close(value, slope, 1e-9 * max(abs(value), abs(slope))):
                return "noise", slope, bound, method, note
        if not math.isfinite(slope):
            return "noise", slope, bound, method, note
        return "right" if _close(value, slope, bound) else "wrong", slope, bound, method, note

    def kink(self, y: int, direction: Sequence[Any]) -> Kink | None:
        """What is not smooth along a direction."""
        key = tuple(np.asarray(each).tobytes() for each in direction)
        if not self.problem.slopes.types or self.problem.slopes.slow:
            return None
        if self.kinks is None or self.kinks[0] != key:
            try:
                self.kinks = key, self.problem.slopes.sides(self.problem.moving(direction))
            except Unsuitable:
                return None
        return self.kinks[1][y]

    # Many elements -------------------------------------------------------------------------------------------------

    def combined(self, places: Sequence[tuple[int, tuple[int, ...]]]) -> list[Entry]:
        """Random combinations of all elements; what is wrong is looked for by halves."""
        entries: list[Entry] = []
        random = np.random.default_rng(11)
        for run in range(1 if self.problem.heavy else _COMBINATIONS):
            direction = self.problem.anywhere(random)
            label = f"{', '.join(self.programs.wrt)}, combination {run + 1}"
            made = self.compared(direction, label)
            if any(entry.verdict == "wrong" for entry in made):
                return [*entries, *self.located(direction, places)]
            entries += made
        return entries

    def located(self, direction: Sequence[Any], places: Sequence[tuple[int, tuple[int, ...]]]) -> list[Entry]:
        """The single elements that are wrong, or at least some of them."""
        found: list[Entry] = []
        waiting = [list(places)]
        while waiting and len(found) < _LOCATED:
            some = waiting.pop()
            if len(some) == 1:
                found += [entry for entry in self.one(*some[0]) if entry.verdict == "wrong"]
                continue
            for half in (some[len(some) // 2 :], some[: len(some) // 2]):
                part: list[Any] = [np.zeros(shape) if shape else 0.0 for shape in self.programs.shapes]
                for v, place in half:
                    if place:
                        part[v][place] = direction[v][place]
                    else:
                        part[v] = direction[v]
                if any(entry.verdict == "wrong" for entry in self.compared(part, "")):
                    waiting.append(half)
        return found or self.compared(direction, "a combination of all")


def _dot(parts: Sequence[Any], direction: Sequence[Any], absolute: bool = False) -> float:
    """The derivative along a direction; with ``absolute`` of bounds. What does not move counts for nothing."""
    total = 0.0
    for part, along in zip(parts, direction, strict=True):
        weights = np.abs(along) if absolute else np.asarray(along)
        total += float(np.sum(np.where(weights != 0, part * weights, 0.0)))
    return total


def _dot_exact(parts: Sequence[Any], direction: Sequence[Any]) -> Any:
    total: Any = 0
    for part, along in zip(parts, direction, strict=True):
        for x, weight in zip(np.ravel(np.asarray(part, object)).tolist(), np.ravel(along).tolist(), strict=True):
            total = total + x * weight if weight else total
    return total


def _close(x: float, y: float, bound: float) -> bool:
    return x == y or (math.isfinite(x) and math.isfinite(y) and abs(x - y) <= bound)


def _why(reason: Unsuitable) -> str:
    word = str(reason)
    said = {"time": "it takes too long", "size": "it needs too much memory", "values": "it has no value there"}
    return said.get(word, f"there is no `{word}` in so many digits")


def _kinked(kink: Kink | None) -> str:
    if kink is None:
        return ""
    if kink.kind == "jump":
        return "the value jumps here"
    slopes = f"slopes {kink.left:.4g} and {kink.right:.4g}"
    if kink.kind == "kink":
        return f"a kink, with {slopes}"
    return f"a kink within {kink.distance:.0e}, with {slopes}".replace("e-0", "e-")


# Orders and comparisons ----------------------------------------------------------------------------------------------


def _orders(problem: Problem) -> dict[str, float | None]:
    """How fast the remainder |f(x + hv) - f(x) - h g·v| goes to 0 with h: its slope beside h, on logarithmic scales.

    None where all of it is rounding.
    """
    found: dict[str, float | None] = {}
    direction = problem.anywhere(np.random.default_rng(3))
    if not problem.slopes.types:
        return found
    moving = problem.moving(direction)
    length = problem.slopes.scale(moving)
    try:
        base = problem.slopes.value(problem.slopes.nothing())
        steps = [length * 0.1 * 0.5**k for k in (range(3, 9) if problem.slopes.slow else range(16))]
        rows = [problem.slopes.value(moving, step) for step in steps]
    except Unsuitable:
        return found
    for y, target in enumerate(problem.programs.targets):
        slope = _dot(problem.found[1][y], direction)
        if not math.isfinite(base[y]) or not math.isfinite(slope):
            continue
        floor = 30 * max(problem.noise[0][y] / 100, math.ulp(base[y]))
        points = []
        for step, row in zip(steps, rows, strict=True):
            rest = abs(row[y] - base[y] - step * slope)
            if math.isfinite(rest) and rest > floor + 30 * math.ulp(step * slope):
                points.append((math.log(step), math.log(rest)))
        # The smallest steps are the least disturbed by what comes behind.
        last = points[-5:]
        found[target.label] = None
        if len(last) >= 3:
            xs, ys = zip(*last, strict=True)
            found[target.label] = float(np.polyfit(xs, ys, 1)[0])
    return found


def _forward(problem: Problem) -> list[Comparison]:
    """Forward mode along a direction against the gradient times it."""
    direction = problem.anywhere(np.random.default_rng(3))
    model = problem.programs.directional
    shapes = problem.programs.shapes
    given = [*problem.inputs, *(np.asarray(x) if s else x for x, s in zip(direction, shapes, strict=True))]
    try:
        along = [float(x) for x in problem._run(model, given)]
    except CallError as error:
        return [Comparison("forward mode", "differs", math.inf, error.diagnostics[0].message)]
    worst, differs = 0.0, False
    for y in range(problem.count):
        slope = _dot(problem.found[1][y], direction)
        if not math.isfinite(slope):
            continue
        bound = _dot(problem.noise[1][y], direction, True)
        gap = abs(along[y] - slope)
        worst = max(worst, gap) if math.isfinite(gap) else math.inf
        differs |= not _close(along[y], slope, bound)
    return [Comparison("forward mode", "differs" if differs else "agrees", worst)]


def _backends(problem: Problem) -> list[Comparison]:
    """Every backend against the interpreter at -O0."""
    found = [Comparison("-O0", "agrees")]
    bounds = [*(np.asarray(x) for x in problem.noise[0]), *(x for row in problem.noise[1] for x in row)]
    due = [*(np.asarray(x) for x in problem.plain[0]), *(x for row in problem.plain[1] for x in row)]
    end = time.monotonic() + _PATIENCE
    for backend in backends.BACKENDS:
        if time.monotonic() > end:
            found.append(Comparison(backend.name, "unavailable", note="not tried, for it takes too long"))
            continue
        try:
            results = backend.run(problem.programs.gradients, problem.inputs, problem.sizes)
        except CallError as error:
            found.append(Comparison(backend.name, "differs", math.inf, error.diagnostics[0].message))
            continue
        except Exception as error:
            # A backend that breaks down is what a check is to find, and nothing to break down of.
            note = f"it fails with {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            found.append(Comparison(backend.name, "differs", math.inf, note))
            continue
        if results is None:
            continue
        worst, better = 0.0, False
        differs = False
        for x, y, bound in zip(results, due, bounds, strict=True):
            gap, part = _gaps(np.asarray(x, float), y)
            # What -O0 cannot compute, other levels may.
            better |= part
            worst = max(worst, float(np.max(gap, initial=0.0)))
            differs |= bool(np.any(gap > bound))
        note = "finite where -O0 is not" if better else ""
        found.append(Comparison(backend.name, "differs" if differs else "agrees", worst, note))
    return found


def _gaps(x: Any, y: Any) -> tuple[Any, bool]:
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    better = np.isfinite(x) & ~np.isfinite(y)
    gap = np.abs(x - y)
    gap = np.where(same | better, 0.0, np.where(np.isfinite(gap), gap, np.inf))
    return gap, bool(np.any(better))


def _unlocated(problem: Problem, entries: Sequence[Entry]) -> list[Diagnostic]:
    """A diagnostic for each pair of names whose derivative is wrong while every local gradient is right."""
    found: dict[str, Diagnostic] = {}
    model = problem.model
    texts = {source.name: source for source in model.sources}
    for entry in entries:
        if entry.verdict != "wrong" or entry.of in found:
            continue
        target = next(each for each in problem.programs.targets if each.label == entry.of)
        span = model.graph.span(target.node)
        text = texts[span.file].line(span.line) if span and span.file in texts else ""
        given = f"is {entry.value:.6g}, and {entry.reference:.6g} is right"
        message = f"the derivative of `{target.name}` by `{entry.wrt}` {given}"
        hint = "every local gradient that could be checked is right; please report this program"
        found[entry.of] = Diagnostic("E0650", message, span, "differentiated here", (hint,), text=text)
    return list(found.values())
