"""Values, gradients and Hessians of the literature's test functions against mpmath, and the minima published there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exact import DIGITS, Exact, off
from literature import MORE_GARBOW_HILLSTROM, Problem
from literature_later import GLOBAL, IDENTITIES, PHYSICS
from mpmath import mp, mpf
from scipy.optimize import minimize

import gradc

PROBLEMS = (*MORE_GARBOW_HILLSTROM, *GLOBAL, *PHYSICS)
CASES = [
    # Third derivatives by eleven variables, for the condition of the second, take half a minute.
    pytest.param(problem, point, id=f"{problem.name} {at}", marks=[pytest.mark.slow] if len(point) > 10 else [])
    for problem in PROBLEMS
    for at, point in enumerate((problem.start, *problem.near))
]

# Rounding steps that a value may be off, for each unit of its condition.
STEPS = 32


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
        condition = mp.fsum(size[i] * abs(exact.gradient[i]) for i in places) + problem.cancels
        for name, numbers in problem.data.items():
            slopes = model.grad("f", name)(data)[f"grad(f, {name})"]
            condition += float(np.sum(np.abs(slopes * np.asarray(numbers))))
        assert off(value, exact.value, condition, noise) < STEPS
        gradient = model.grad("f", "x")(data)["grad(f, x)"]
        hessian = model.hessian("f", "x")(data)["hessian(f, x)"]
        steps = problem.loses * STEPS
        largest = max(abs(entry) for row in exact.hessian for entry in row)
        for i in places:
            condition = mp.fsum(size[j] * abs(exact.hessian[i][j]) for j in places)
            if abs(exact.gradient[i]) + condition < noise:
                # What symmetry makes 0 is compared with its neighbours.
                condition = max(map(abs, exact.gradient))
            assert off(gradient[i], exact.gradient[i], condition, noise) < steps, (i, gradient[i])
            for j in places:
                condition = mp.fsum(size[k] * abs(exact.third(i, j, k)) for k in places if size[k])
                if abs(exact.hessian[i][j]) + condition < noise:
                    condition = largest
                assert off(hessian[i][j], exact.hessian[i][j], condition, noise) < steps, (i, j, hessian[i][j])


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
    found = minimize(f, start, jac=True, hess=h, method="trust-exact", options={"gtol": 1e-8, "maxiter": 2000})
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
