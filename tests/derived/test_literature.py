"""Values, gradients and Hessians of the literature's test functions against mpmath, and the minima published there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from literature import MORE_GARBOW_HILLSTROM, Problem
from literature_later import GLOBAL, IDENTITIES, PHYSICS
from mpmath import mp, mpf
from scipy.optimize import minimize

import gradc

PROBLEMS = (*MORE_GARBOW_HILLSTROM, *GLOBAL, *PHYSICS)
CASES = [
    pytest.param(problem, point, id=f"{problem.name} {at}")
    for problem in PROBLEMS
    for at, point in enumerate((problem.start, *problem.near))
]

# Rounding steps that a value may be off, for each unit of its condition.
STEPS = 32
DIGITS = 120
STEP = mpf(10) ** -30


class Exact:
    """Value, derivatives and what a relative change of every variable by 1 does to them, to tens of digits."""

    def __init__(self, problem: Problem, point: tuple[float, ...]) -> None:
        self.f = problem.exact
        self.x = [mpf(value) for value in point]
        self.known: dict[tuple[int, ...], Any] = {}
        n = len(point)
        self.value = self.at()
        self.gradient = [self.first(i) for i in range(n)]
        self.hessian = [[self.second(i, j) for j in range(n)] for i in range(n)]

    def at(self, *moves: tuple[int, int]) -> Any:
        """f, some variables moved by some steps."""
        moved = [0] * len(self.x)
        for place, count in moves:
            moved[place] += count
        key = tuple(moved)
        if key not in self.known:
            self.known[key] = self.f([x + count * STEP for x, count in zip(self.x, moved, strict=True)])
        return self.known[key]

    def first(self, i: int) -> Any:
        """The central difference: its error is of the order of the square of the step."""
        return (self.at((i, 1)) - self.at((i, -1))) / (2 * STEP)

    def second(self, i: int, j: int) -> Any:
        """The same of it."""
        corners = self.at((i, 1), (j, 1)) - self.at((i, 1), (j, -1)) - self.at((i, -1), (j, 1)) + self.at((i, -1), (j, -1))
        return corners / (4 * STEP**2)

    def third(self, i: int, j: int, k: int) -> Any:
        """The same once more."""
        total = mpf(0)
        for a in (1, -1):
            for b in (1, -1):
                for c in (1, -1):
                    total += a * b * c * self.at((i, a), (j, b), (k, c))
        return total / (8 * STEP**3)


def off(found: float, exact: Any, condition: Any, noise: Any) -> float:
    """How far a value is off, in units of the last place times its condition."""
    if not np.isfinite(found):
        return float("inf")
    # Differences of the exact function have noise of their own, far below.
    error = max(abs(mpf(found) - exact) - noise, mpf(0))
    return float(error / (mpf(2) ** -53 * (abs(exact) + condition) + mpf(5e-324)))


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize(("problem", "point"), CASES)
def test_value_gradient_and_hessian(problem: Problem, point: tuple[float, ...], level: int) -> None:
    model = gradc.compile(problem.text, level=level)
    data = {**problem.data, "x": point}
    with mp.workdps(DIGITS):
        exact = Exact(problem, point)
        places = range(len(point))
        noise = (abs(exact.value) + mpf(10) ** -50) * mpf(10) ** -40
        size = [abs(x) for x in exact.x]
        value = model(data)["f"]
        condition = mp.fsum(size[i] * abs(exact.gradient[i]) for i in places)
        assert off(value, exact.value, condition, noise) < STEPS
        gradient = model.grad("f", "x")(data)["grad(f, x)"]
        hessian = model.hessian("f", "x")(data)["hessian(f, x)"]
        for i in places:
            condition = mp.fsum(size[j] * abs(exact.hessian[i][j]) for j in places)
            assert off(gradient[i], exact.gradient[i], condition, noise) < STEPS, (i, gradient[i], exact.gradient[i])
            for j in places:
                condition = mp.fsum(size[k] * abs(exact.third(i, j, k)) for k in places if size[k])
                assert off(hessian[i][j], exact.hessian[i][j], condition, noise) < STEPS, (i, j, hessian[i][j])


@pytest.mark.parametrize("problem", [each for each in PROBLEMS if each.minimum is not None], ids=lambda each: each.name)
def test_a_descent_reaches_the_published_minimum(problem: Problem) -> None:
    value = gradc.compile(problem.text).value_and_grad("f", "x")
    hessian = gradc.compile(problem.text).hessian("f", "x")

    def f(x: Any) -> Any:
        found, gradients = value(problem.data, x=x)
        return found, gradients["x"]

    def h(x: Any) -> Any:
        return hessian(problem.data, x=x)["hessian(f, x)"]

    start = np.array(problem.start, float)
    found = minimize(f, start, jac=True, hess=h, method="trust-exact", options={"gtol": 1e-9, "maxiter": 2000})
    assert problem.minimum is not None
    assert found.fun == pytest.approx(problem.minimum, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize(("section", "text", "points"), IDENTITIES, ids=[section for section, *_ in IDENTITIES])
def test_identities_of_special_functions(section: str, text: str, points: tuple[float, ...]) -> None:
    model = gradc.compile(f"param x\nf = {text}\noutput f")
    slope, bend = model.grad("f", "x"), model.hessian("f", "x")
    for x in points:
        # Terms of the order of 1 to 100 cancel.
        assert model(x=x)["f"] == pytest.approx(0, abs=2e-13)
        assert slope(x=x)["grad(f, x)"] == pytest.approx(0, abs=1e-12)
        assert bend(x=x)["hessian(f, x)"] == pytest.approx(0, abs=1e-11)
