"""Other ways to the same results, which must agree: the remainder of Taylor's formula, forward mode, every backend."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradc.check import backends
from gradc.check.judge import close, dot
from gradc.check.numbers import Unsuitable
from gradc.check.problem import Problem
from gradc.check.report import Comparison
from gradc.errors import CallError


def orders(problem: Problem) -> dict[str, float | None]:
    """How fast the remainder |f(x + hv) - f(x) - h g·v| goes to 0 with h: its slope beside h, on logarithmic scales.

    None where all of it is rounding; nothing where there is no time to say.
    """
    found: dict[str, float | None] = {}
    try:
        direction = problem.anywhere(np.random.default_rng(3))
        if not problem.slopes.types:
            return found
        moving = problem.moving(direction)
        length = problem.slopes.scale(moving)
        base = problem.slopes.base
        steps = [length * 0.1 * 0.5**k for k in (range(3, 9) if problem.slopes.slow else range(16))]
        rows = [problem.slopes.value(moving, step) for step in steps]
        rounding = problem.noise[0]
    except Unsuitable:
        return found
    for y, target in enumerate(problem.programs.targets):
        slope = dot(problem.found[1][y], direction)
        if not math.isfinite(base[y]) or not math.isfinite(slope):
            continue
        floor = 30 * max(rounding[y] / 100, math.ulp(base[y]))
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


def forward(problem: Problem) -> list[Comparison]:
    """Forward mode along a direction against the gradient times it."""
    model = problem.programs.directional
    shapes = problem.programs.shapes
    try:
        problem.budget.need(problem.cost)
        direction = problem.anywhere(np.random.default_rng(3))
        # It is to overflow no sooner than the derivative itself.
        longest = max((float(np.max(np.abs(x), initial=0.0)) for x in direction), default=1.0)
        if longest > 1:
            direction = [x / 2.0 ** math.ceil(math.log2(longest)) for x in direction]
        given = [*problem.inputs, *(np.asarray(x) if s else x for x, s in zip(direction, shapes, strict=True))]
        along = [float(x) for x in problem.run(model, given)]
        noise = problem.noise[1]
    except Unsuitable:
        return [_untried("forward mode")]
    except CallError as error:
        return [Comparison("forward mode", "differs", math.inf, error.diagnostics[0].message)]
    worst, differs = 0.0, False
    for y in range(problem.count):
        slope = dot(problem.found[1][y], direction)
        if not math.isfinite(slope) or not math.isfinite(problem.found[0][y]):
            continue
        bound = dot(noise[y], direction, True)
        gap = abs(along[y] - slope)
        worst = max(worst, gap) if math.isfinite(gap) else math.inf
        differs |= not close(along[y], slope, bound)
    return [Comparison("forward mode", "differs" if differs else "agrees", worst)]


def compared(problem: Problem) -> list[Comparison]:
    """Every backend against the interpreter at -O0."""
    try:
        noise, plain = problem.noise, problem.plain
    except Unsuitable:
        return [_untried(backend.name) for backend in backends.BACKENDS]
    found = [Comparison("-O0", "agrees")]
    bounds = [*(np.asarray(x) for x in noise[0]), *(x for row in noise[1] for x in row)]
    due = [*(np.asarray(x) for x in plain[0]), *(x for row in plain[1] for x in row)]
    for backend in backends.BACKENDS:
        try:
            problem.budget.need(problem.cost)
            with problem.budget.running():
                results = backend.run(problem.programs.gradients, problem.inputs, problem.sizes)
        except Unsuitable:
            found.append(_untried(backend.name))
            continue
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


def _untried(name: str) -> Comparison:
    return Comparison(name, "unavailable", note="not tried, for it takes too long")


def _gaps(x: Any, y: Any) -> tuple[Any, bool]:
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    better = np.isfinite(x) & ~np.isfinite(y)
    gap = np.abs(x - y)
    gap = np.where(same | better, 0.0, np.where(np.isfinite(gap), gap, np.inf))
    return gap, bool(np.any(better))
