"""Ties, kinks and zeros of what combines elements: values and derivatives to second order, in both modes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import gradc

INF = math.inf
NONE = np.zeros((3, 3))
UNIT = np.array([0.6, 0.8, 0.0])

# The program, x, and what is due: the value, the gradient, the Hessian.
CASES: list[tuple[str, Any, float, Any, Any]] = [
    # Ties share evenly.
    ("L = max(x)", [2, 1, 2], 2, [1 / 2, 0, 1 / 2], NONE),
    ("L = max(x)", [2, 2, 2], 2, [1 / 3, 1 / 3, 1 / 3], NONE),
    ("L = min(x[i] for i)", [2, 2, 3], 2, [1 / 2, 1 / 2, 0], NONE),
    ("L = max(x[i] for i if i > 0)", [2, 2, 2], 2, [0, 1 / 2, 1 / 2], NONE),
    ("L = max(x[i] for i if x[i] < 2)", [2, 1, 1], 1, [0, 1 / 2, 1 / 2], NONE),
    ("L = sum(max(x, 0))", [1, 0, -2], 1, [1, 1 / 2, 0], NONE),
    ("L = sum(max(x[i], x[j]) for i, j)", [1, 0, -2], 3, [5, 3, 1], NONE),
    ("L = sum(max([[x[0], x[1]], [x[1], x[2]]], axis=1))", [1, 1, 1], 2, [1 / 2, 1, 1 / 2], NONE),
    # Sorting keeps the order of equal elements.
    ("s = sort(x)\nL = s[0] + 10*s[1] + 100*s[2]", [3, 1, 1], 311, [100, 1, 10], NONE),
    # The length has the derivative 0 at 0, and no overflow far out.
    ("L = norm(x)", [0, 0, 0], 0, [0, 0, 0], NONE),
    ("L = norm(x)", [3, 4, 0], 5, UNIT, (np.eye(3) - np.outer(UNIT, UNIT)) / 5),
    ("L = norm(x)", [3e200, 4e200, 0], 5e200, UNIT, (np.eye(3) - np.outer(UNIT, UNIT)) / 5e200),
    ("L = std(x)", [2, 2, 2], 0, [0, 0, 0], NONE),
    ("L = var(x)", [2, 2, 2], 0, [0, 0, 0], 2 / 3 * (np.eye(3) - 1 / 3)),
    # Products with one, two and three zeros.
    ("L = prod(x)", [2, 0, 3], 0, [0, 6, 0], [[0, 3, 0], [3, 0, 2], [0, 2, 0]]),
    ("L = prod(x)", [2, 0, 0], 0, [0, 0, 0], [[0, 0, 0], [0, 0, 2], [0, 2, 0]]),
    ("L = prod(x[i] for i)", [0, 0, 0], 0, [0, 0, 0], NONE),
    ("L = prod(x[i]^2 for i)", [2, 0, 3], 0, [0, 0, 0], [[0, 0, 0], [0, 72, 0], [0, 0, 0]]),
    ("c = cumprod(x)\nL = c[2]", [2, 0, 3], 0, [0, 6, 0], [[0, 3, 0], [3, 0, 2], [0, 2, 0]]),
    ("c = cumprod(x)\nL = c[2]", [2, 0, 0], 0, [0, 0, 0], [[0, 0, 0], [0, 0, 2], [0, 2, 0]]),
    ("L = sum(cumsum(x))", [1, 0, -2], 1, [3, 2, 1], NONE),
    # What acts on elements.
    ("L = sum(abs(x))", [1, 0, -2], 3, [1, 0, -1], NONE),
    ("L = sum(relu(x))", [1, 0, -2], 1, [1, 0, 0], NONE),
    ("L = sum(clip(x, 0, 1))", [1, 0, -2], 1, [1, 1, 0], NONE),
    ("L = sum(x^2)", [1, 0, -2], 5, [2, 0, -4], 2 * np.eye(3)),
    ("L = sum(x^3)", [1, 0, -2], -7, [3, 0, 12], np.diag([6, 0, -12])),
    ("L = sum(x^0)", [1, 0, -2], 3, [0, 0, 0], NONE),
    # Terms that are nothing.
    ("L = logsumexp(x)", [0, -INF, -INF], 0, [1, 0, 0], NONE),
    ("L = logsumexp(x)", [2000, -2000, 0], 2000, [1, 0, 0], NONE),
    ("L = sum(softmax(x)*[1, 2, 3])", [0, -INF, -INF], 1, [0, 0, 0], NONE),
]


@pytest.mark.parametrize("level", [0, 2, 3])
@pytest.mark.parametrize(("source", "x", "value", "gradient", "hessian"), CASES)
def test_kinks(source: str, x: Any, value: float, gradient: Any, hessian: Any, level: int) -> None:
    ask = "\ng = grad(L, x)\nf = jvp(L, x, v)\nH = jacobian(g, x)\nu = jvp(g, x, v)\noutput L, g, f, H, u"
    v = np.array([1.0, 2.0, 3.0])
    found = gradc.compile("input x[n], v[n]\n" + source + ask, level=level, verify=True)(x=x, v=v)
    due = {"L": value, "g": gradient, "f": np.dot(gradient, v), "H": hessian, "u": np.asarray(hessian) @ v}
    for name, expected in due.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-14, err_msg=name)


def test_nan_wins_and_comes_last() -> None:
    source = "input x[n]\na = max(x)\nb = min(x[i] for i)\nc = argmax(x)\ns = sort(x)\nk = argsort(x)"
    found = gradc.compile(source + "\noutput a, b, c, s, k")(x=[2, math.nan, 1, 2])
    np.testing.assert_equal(
        dict(found), {"a": math.nan, "b": math.nan, "c": 1, "s": [1, 2, 2, math.nan], "k": [2, 0, 3, 1]}
    )


@pytest.mark.parametrize(
    "source", ["L = max(x)", "L = min(x[i] for i)", "L = norm(x)", "L = prod(x)", "L = logsumexp(x)"]
)
def test_the_derivative_at_nan_is_nan(source: str) -> None:
    found = gradc.compile(f"input x[n]\n{source}\ng = grad(L, x)\noutput L, g")(x=[math.nan, 2, 1])
    assert math.isnan(found["L"])
    assert np.isnan(found["g"]).any()


def linear(count: int) -> int:
    """The nodes of the gradient by so many single elements."""
    model = gradc.compile("input x[n]\nL = " + " + ".join(f"x[{at}]^2" for at in range(count))).grad("L", "x")
    x = np.arange(count) * 1.0
    np.testing.assert_array_equal(model(x=x)["grad(L, x)"], 2 * x)
    return len(model.optimized())


def test_derivatives_by_single_elements_are_linear_in_their_number() -> None:
    few, many = linear(500), linear(1000)
    assert many <= 2 * few
