"""Formulas as people write them, at removable points and where they cancel: to third order, in both modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import pytest

import gradc

FORMULAS: list[tuple[str, Callable[[Any], Any]]] = [
    ("sin(x)/x", lambda x: mpmath.sinc(x)),
    ("sin(2*x)/(2*x)", lambda x: mpmath.sinc(2 * x)),
    ("sin(x/2)/x", lambda x: mpmath.sinc(x / 2) / 2),
    ("sin(-x)/x", lambda x: -mpmath.sinc(x)),
    ("(1 - cos(x))/x^2", lambda x: mpmath.sinc(x / 2) ** 2 / 2),
    ("(1 - cos(x))/x", lambda x: x * mpmath.sinc(x / 2) ** 2 / 2),
    ("(exp(x) - 1)/x", lambda x: mpmath.expm1(x) / x if x else mpmath.mpf(1)),
    ("(1 - exp(-x))/x", lambda x: -mpmath.expm1(-x) / x if x else mpmath.mpf(1)),
    ("(exp(x/4) - 1)/x", lambda x: mpmath.expm1(x / 4) / x if x else mpmath.mpf(1) / 4),
    ("x - log(1 + x)", lambda x: x - mpmath.log1p(x)),
    ("log(1 + x) - x", lambda x: mpmath.log1p(x) - x),
    ("exp(x) - 1 - x", lambda x: mpmath.expm1(x) - x),
    ("exp(x) - x - 1", lambda x: mpmath.expm1(x) - x),
    ("exp(x) - (1 + x)", lambda x: mpmath.expm1(x) - x),
]
POINTS = (0.0, -0.0, 1e-300, 1e-17, -1e-9, 1e-5, -3e-3, 0.3, -0.7, 2.5)
MODES = {"reverse": "grad({y}, x)", "forward": "jvp({y}, x, 1)"}


def _taylor(function: Callable[[Any], Any], x: float) -> list[Any]:
    """Value and derivatives to third order: by the mean over a circle around x, without differences of neighbours."""
    place, radius, count = mpmath.mpf(x), mpmath.mpf(1) / 8, 128
    turns = [mpmath.expjpi(mpmath.mpf(2 * k) / count) for k in range(count)]
    values = [function(place + radius * turn) for turn in turns]
    found = []
    for order in range(4):
        mean = mpmath.fsum(value / turn**order for value, turn in zip(values, turns, strict=True)) / count
        found.append(mpmath.factorial(order) * mean.real / radius**order)
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("text", "function"), FORMULAS, ids=[text for text, _ in FORMULAS])
def test_to_third_order(text: str, function: Callable[[Any], Any], mode: str) -> None:
    lines = ["input x", f"d0 = {text}"]
    lines += [f"d{order} = {MODES[mode].format(y=f'd{order - 1}')}" for order in (1, 2, 3)]
    model = gradc.compile("\n".join([*lines, "output d0, d1, d2, d3"]))
    with mpmath.workdps(150):
        for x in POINTS:
            found = model(x=x)
            due = _taylor(function, x)
            for order, true in enumerate(due):
                # Beside a zero of an odd derivative only what its slope makes of x is left; that the circle gives too.
                allowed = 64 * 2.0**-53 * abs(true) + mpmath.mpf(10) ** -60
                assert abs(found[f"d{order}"] - true) <= allowed, (x, order, found, mpmath.nstr(true, 17))


@pytest.mark.parametrize("text", [text for text, _ in FORMULAS if "/x" in text.replace("(2*x)", "x")])
def test_as_written_there_is_no_value(text: str) -> None:
    assert (
        gradc.compile(f"input x\ny = {text}", level=0)(x=0.0)["y"] != gradc.compile(f"input x\ny = {text}")(x=0.0)["y"]
    )
