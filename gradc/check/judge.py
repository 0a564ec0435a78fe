"""The verdict on each derivative at a point: right, wrong, lost in rounding, undefined, or not checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from gradc.check.kinks import Kink
from gradc.check.numbers import Unsuitable, clock, why
from gradc.check.problem import Problem
from gradc.check.report import Entry, Verdict
from gradc.check.slopes import Slope

# So many elements are checked one by one, if there is time for that; of more, so many random combinations are.
_SINGLE: Final = 64
_COMBINATIONS: Final = 4
_REST: Final = 0.3
# So many wrong elements are looked for.
_LOCATED: Final = 8
# A bound that is no smaller beside the derivative says nothing.
_TELLING: Final = 1e-3
_DIGITS: Final = 40


class Judge:
    """Compares the derivatives at a point with numerical ones."""

    def __init__(self, problem: Problem, precision: int | None) -> None:
        self.problem = problem
        self.precision = precision
        self.notes: list[str] = []
        self.programs = problem.programs
        self.exact: tuple[list[Any], list[list[Any]]] | None = None
        # Of the last direction, along which there may be several targets.
        self.kinks: tuple[Any, list[Kink | None]] | None = None
        # Whether there was no time to look for kinks.
        self.blind = False
        if precision is not None:
            try:
                self.exact = problem.exactly(precision)
                problem.slopes.precise(problem.slopes.nothing(), precision)
            except Unsuitable as reason:
                self.exact = self.precision = None
                self.notes.append(f"the program cannot be evaluated in {precision} digits: {why(reason)}")

    def entries(self) -> tuple[list[Entry], int]:
        """The entries, and how many derivatives they stand for."""
        programs = self.programs
        places = [(v, place) for v, shape in enumerate(programs.shapes) for place in np.ndindex(*shape)]
        if not places:
            return [], 0
        if len(places) > _SINGLE:
            return self.combined(places)
        start = clock()
        found = self.one(*places[0])
        each = clock() - start
        if each * (len(places) - 1) > self.problem.budget.left and len(places) > 2:
            # Of all together there is something to say, where there is no time for each.
            return self.combined(places)
        for v, place in places[1:]:
            found += self.one(v, place)
        order = {target.label: at for at, target in enumerate(programs.targets)}
        return sorted(found, key=lambda entry: order[entry.of]), len(found)

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

    def unchecked(self, reason: Unsuitable) -> None:
        """Note why something is not checked."""
        note = f"not checked: {why(reason)}"
        if str(reason) == "time":
            cost, seconds = self.problem.cost, self.problem.budget.seconds
            note = f"not checked: there is no time for it in {seconds:g} s, and a run takes {cost:.2g} s"
            note += "; `--seconds N` gives more time"
        if note not in self.notes:
            self.notes.append(note)

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
        problem = self.problem
        try:
            # They are part of every verdict.
            noise, scales = problem.noise[1], problem.scale
            reference = self.reference(direction)
        except Unsuitable as reason:
            self.unchecked(reason)
            return [
                Entry(target.label, label, dot(problem.found[1][y], direction), math.nan, math.nan, "unchecked", "")
                for y, target in enumerate(self.programs.targets)
            ]
        found = []
        for y, target in enumerate(self.programs.targets):
            value = dot(problem.found[1][y], direction)
            bound = dot(noise[y], direction, True) + 10 * reference.bounds[y]
            scale = dot(scales[y], direction, True)
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
            if math.isfinite(exact) or not math.isfinite(value):
                return self.exactly(y, direction, value, exact, slope, bound, scale, method)
            # The formula loses it where the program as it is optimised does not.
        if close(value, slope, bound):
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
        if not math.isfinite(bound):
            bound = dot(self.problem.noise[1][y], direction, True)
        elif math.isfinite(value) and bound > _TELLING * max(scale, abs(value), abs(slope)):
            return "noise", slope, bound, method, note
        try:
            arbiter = self.problem.slopes.arbiters(self.problem.moving(direction), _DIGITS)[y]
        except Unsuitable as reason:
            if str(reason) == "time" or self.blind:
                self.unchecked(Unsuitable("time"))
                return "unchecked", slope, bound, method, note
            # Without a judge, what differs by little may be an error of the numerical derivative.
            little = close(value, slope, 1e-9 * max(abs(value), abs(slope)))
            unsure = little or not math.isfinite(value) or not math.isfinite(slope)
            return "noise" if unsure else "wrong", slope, bound, method, note
        return arbiter.verdict(value, bound, scale), arbiter.slope, bound, f"mpmath, {_DIGITS} digits", note

    def exactly(
        self,
        y: int,
        direction: Sequence[Any],
        value: float,
        exact: float,
        slope: float,
        bound: float,
        scale: float,
        method: str,
    ) -> tuple[Verdict, float, float, str, str]:
        """The verdict where the formula of the derivative is known in many digits, so that rounding excuses nothing."""
        assert self.precision is not None
        # What rounding does in so many digits.
        slack = 1e-12 * max(filter(math.isfinite, (abs(exact), abs(slope))), default=0.0)
        if math.isfinite(bound):
            slack += bound * 10.0 ** (1 - self.precision) / self.problem.unit
        note = ""
        verdict: Verdict = "right"
        if not close(exact, slope, slack):
            try:
                arbiter = self.problem.slopes.arbiters(self.problem.moving(direction), self.precision)[y]
            except Unsuitable:
                return "noise", slope, bound, method, ""
            verdict = arbiter.verdict(exact, slack, scale)
            note = _kinked(arbiter.kink(scale)) if verdict == "right" else ""
            slack += scale * 10.0 ** (3 - self.precision)
            kink = self.kink(y, direction) if verdict == "noise" else None
            if kink is not None and kink.kind == "jump":
                return "undefined", slope, bound, method, _kinked(kink)
        if verdict == "right" and not note and not close(value, slope, max(_TELLING * abs(slope), slack)):
            note = "its rounding errors are large"
        return verdict, slope, bound, method, note

    def kink(self, y: int, direction: Sequence[Any]) -> Kink | None:
        """What is not smooth along a direction."""
        key = tuple(np.asarray(each).tobytes() for each in direction)
        if not self.problem.slopes.types:
            return None
        if self.kinks is None or self.kinks[0] != key:
            try:
                self.kinks = key, self.problem.slopes.sides(self.problem.moving(direction))
            except Unsuitable:
                self.blind = True
                return None
        return self.kinks[1][y]

    # Many elements -------------------------------------------------------------------------------------------------

    def combined(self, places: Sequence[tuple[int, tuple[int, ...]]]) -> tuple[list[Entry], int]:
        """Random combinations of all elements, as many as there is time for; what is wrong is looked for by halves."""
        entries: list[Entry] = []
        random = np.random.default_rng(11)
        budget = self.problem.budget
        longest = 0.0
        for run in range(_COMBINATIONS):
            # One says most; what comes behind is worth more than further ones.
            if run and 1.5 * longest > budget.left - _REST * budget.seconds:
                break
            start = clock()
            direction = self.problem.anywhere(random)
            label = f"{', '.join(self.programs.wrt)}, combination {run + 1}"
            made = self.compared(direction, label)
            longest = max(longest, clock() - start)
            if any(entry.verdict == "wrong" for entry in made):
                entries += self.located(direction, places)
                break
            if run and any(entry.verdict == "unchecked" for entry in made):
                break
            entries += made
        unchecked = all(entry.verdict == "unchecked" for entry in entries)
        return entries, 0 if unchecked else len(places) * self.problem.count

    def located(self, direction: Sequence[Any], places: Sequence[tuple[int, tuple[int, ...]]]) -> list[Entry]:
        """The single elements that are wrong, or at least some of them."""
        found: list[Entry] = []
        waiting = [list(places)]
        while waiting and len(found) < _LOCATED and self.problem.budget.left:
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
                if any(entry.verdict == "wrong" for entry in self.compared(part, "some")):
                    waiting.append(half)
        return found or self.compared(direction, "a combination of all")


def dot(parts: Sequence[Any], direction: Sequence[Any], absolute: bool = False) -> float:
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


def close(x: float, y: float, bound: float) -> bool:
    """Whether two numbers are no further apart than a bound."""
    return x == y or (math.isfinite(x) and math.isfinite(y) and abs(x - y) <= bound)


def _kinked(kink: Kink | None) -> str:
    if kink is None:
        return ""
    if kink.kind == "jump":
        return "the value jumps here"
    slopes = f"slopes {kink.left:.4g} and {kink.right:.4g}"
    if kink.kind == "kink":
        return f"a kink, with {slopes}"
    return f"a kink within {kink.distance:.0e}, with {slopes}".replace("e-0", "e-")
