"""Every example of numbers runs, and says what closed forms in 50 digits say."""

from __future__ import annotations

import ast
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mpmath
import pytest

import gradc
from gradc.source import canonical

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LOOP = re.compile(r"^\s*(for|while)\b", re.M)
# Those without arrays and loops; the others are in test_examples_arrays and test_examples_loops.
TEXTS = {path: path.read_text("utf-8") for path in EXAMPLES.glob("*.grad")}
PROGRAMS = sorted(path for path, text in TEXTS.items() if "[" not in text and not LOOP.search(text))

mp = mpmath.mp.clone()
mp.dps = 50

Closed = Callable[[Mapping[str, Any]], dict[str, Any]]


def chain(v: Mapping[str, Any]) -> dict[str, Any]:
    return {"c": (2 * v["a"]) ** 2}


def two_paths(v: Mapping[str, Any]) -> dict[str, Any]:
    return {"L": (v["w1"] + v["x"] * v["w2"] + v["w2"] - v["y"]) ** 2}


def logistic_neuron(v: Mapping[str, Any]) -> dict[str, Any]:
    p = 1 / (1 + mp.exp(-(v["w1"] * v["x1"] + v["w2"] * v["x2"] + v["b"])))
    return {"loss": -(v["target"] * mp.log(p) + (1 - v["target"]) * mp.log(1 - p)), "ŷ": p}


def rosenbrock(v: Mapping[str, Any]) -> dict[str, Any]:
    a, b, x, y = v["a"], v["b"], v["x"], v["y"]
    gradient = mp.matrix([-2 * (a - x) - 4 * b * x * (y - x**2), 2 * b * (y - x**2)])
    hessian = mp.matrix([[2 - 4 * b * (y - 3 * x**2), -4 * b * x], [-4 * b * x, 2 * b]])
    step = mp.lu_solve(hessian, gradient)
    return {"f": (a - x) ** 2 + b * (y - x**2) ** 2, "x_newton": x - step[0], "y_newton": y - step[1]}


def gravitation(v: Mapping[str, Any]) -> dict[str, Any]:
    r2 = v["x"] ** 2 + v["y"] ** 2 + v["z"] ** 2
    r = mp.sqrt(r2)
    pull = v["G"] * v["M"] / r2
    return {
        "U": -pull * v["m"] * r,
        "F": pull * v["m"],
        "stretch": pull / r * (3 * v["x"] ** 2 / r2 - 1),
        "squeeze": pull / r * (3 * v["y"] ** 2 / r2 - 1),
        "laplace": 0,
    }


def black_scholes(v: Mapping[str, Any]) -> dict[str, Any]:
    S, σ, r, T, K = (v[name] for name in ("S", "σ", "r", "T", "K"))
    root = σ * mp.sqrt(T)
    d1 = (mp.log(S / K) + (r + σ**2 / 2) * T) / root
    d2 = d1 - root
    discounted = K * mp.exp(-r * T)
    n1 = mp.npdf(d1)
    return {
        "price": S * mp.ncdf(d1) - discounted * mp.ncdf(d2),
        "delta": mp.ncdf(d1),
        "gamma": n1 / (S * root),
        "vega": S * n1 * mp.sqrt(T),
        "theta": -S * n1 * σ / (2 * mp.sqrt(T)) - r * discounted * mp.ncdf(d2),
        "rho": T * discounted * mp.ncdf(d2),
        "vanna": -n1 * d2 / σ,
    }


def pendulum(v: Mapping[str, Any]) -> dict[str, Any]:
    m, length, g, angle, p = (v[name] for name in ("m", "l", "g", "θ", "p"))
    return {
        "H": p**2 / (2 * m * length**2) + m * g * length * (1 - mp.cos(angle)),
        "θ_dot": p / (m * length**2),
        "p_dot": -m * g * length * mp.sin(angle),
        "H_dot": 0,
        "ω": mp.sqrt(g / length),
    }


def kepler(v: Mapping[str, Any]) -> dict[str, Any]:
    a, ε = v["a"], v["ε"]
    mean = 2 * mp.pi * v["t"] / v["period"]
    E = mp.findroot(lambda x: x - ε * mp.sin(x) - mean, mean)
    rate = 2 * mp.pi / v["period"]
    return {
        "x": a * (mp.cos(E) - ε),
        "y": a * mp.sqrt(1 - ε**2) * mp.sin(E),
        "r": a * (1 - ε * mp.cos(E)),
        # The law of vis viva, and the area of the ellipse over the period.
        "speed": rate * a * mp.sqrt(2 / (1 - ε * mp.cos(E)) - 1),
        "area": mp.pi * a**2 * mp.sqrt(1 - ε**2) / v["period"],
        "residual": 0,
    }


DOSES = ("1.6907", "1.7242", "1.7552", "1.7842", "1.8113", "1.8369", "1.8610", "1.8839")
GROUPS = (59, 60, 62, 56, 63, 59, 62, 60)
KILLED = (6, 13, 18, 28, None, 53, 61, 60)


def fitted(v: Mapping[str, Any]) -> dict[str, Any]:
    """The fit by iteratively reweighted least squares, from the formulas of generalised linear models."""
    doses = [mp.mpf(text) for text in DOSES]
    killed = [v["killed"] if count is None else mp.mpf(count) for count in KILLED]
    at = mp.matrix([-60, 34])
    for _ in range(12):
        p = [1 / (1 + mp.exp(-(at[0] + at[1] * dose))) for dose in doses]
        weight = [n * q * (1 - q) for n, q in zip(GROUPS, p, strict=True)]
        rest = [k - n * q for k, n, q in zip(killed, GROUPS, p, strict=True)]
        moments = [mp.fsum(w * dose**power for w, dose in zip(weight, doses, strict=True)) for power in range(3)]
        information = mp.matrix([[moments[0], moments[1]], [moments[1], moments[2]]])
        score = mp.matrix([mp.fsum(rest), mp.fsum(r * dose for r, dose in zip(rest, doses, strict=True))])
        at += mp.lu_solve(information, score)
    inverse = information**-1
    # The theorem on implicit functions: the estimate moves by the inverse information times the change of the score.
    moved = inverse * mp.matrix([1, doses[4]])
    return {
        "α": at[0],
        "β": at[1],
        "se_α": mp.sqrt(inverse[0, 0]),
        "se_β": mp.sqrt(inverse[1, 1]),
        "LD50": -at[0] / at[1],
        "influence": -moved[0] / at[1] + at[0] * moved[1] / at[1] ** 2,
    }


CLOSED: dict[str, Closed] = {
    "beetles": fitted,
    "black_scholes": black_scholes,
    "chain": chain,
    "gravitation": gravitation,
    "kepler": kepler,
    "logistic_neuron": logistic_neuron,
    "pendulum": pendulum,
    "rosenbrock": rosenbrock,
    "two_paths": two_paths,
}
GIVEN = {"chain": {"a": 3}}


def values(model: gradc.Model, given: Mapping[str, float]) -> dict[str, Any]:
    """What the program is run with, by canonical names: its defaults, and what is given."""
    graph = model.graph
    found = {graph.name(node) or "": graph.attrs(node).get("default") for node in graph.inputs}
    found.update(given)
    return {canonical(name): mp.mpf(repr(value)) for name, value in found.items()}


def close(found: float, wanted: Any, scale: Any = 0) -> bool:
    return bool(abs(mp.mpf(found) - wanted) <= mp.mpf("1e-11") * max(abs(wanted), abs(scale)) + mp.mpf("1e-13"))


def test_every_example_has_a_closed_form() -> None:
    assert [path.stem for path in PROGRAMS] == sorted(CLOSED)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
@pytest.mark.parametrize("level", [0, 2])
def test_values(path: Path, level: int) -> None:
    model = gradc.load(path, level=level)
    assert model.warnings == ()
    given = GIVEN.get(path.stem, {})
    wanted = CLOSED[path.stem](values(model, given))
    found = model(given)
    assert set(found) == set(wanted)
    for name, value in found.items():
        assert close(value, wanted[name], 1 if wanted[name] == 0 else 0), name


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_gradients(path: Path) -> None:
    """All gradients of all outputs against differences of the closed form in 50 digits."""
    model = gradc.load(path)
    given = GIVEN.get(path.stem, {})
    point = values(model, given)
    outputs, variables = model.targets(None), model.variables(None)
    found = model.grad()(given)
    for v in variables:
        at = point[canonical(v)]
        step = max(abs(at), mp.mpf(1)) * mp.mpf("1e-15")
        after = CLOSED[path.stem]({**point, canonical(v): at + step})
        before = CLOSED[path.stem]({**point, canonical(v): at - step})
        for y in outputs:
            slope = (after[y] - before[y]) / (2 * step)
            # Where a gradient is zero by cancellation, what it is zero to is the size of the value.
            scale = abs(after[y] / at) if at else mp.mpf(1)
            assert close(found[f"grad({y}, {v})"], slope, scale), (y, v)


def test_the_founding_examples() -> None:
    model = gradc.load(EXAMPLES / "two_paths.grad")
    assert model() == {"L": 9.0}
    assert model.value_and_grad("L")() == (9.0, {"w1": -6.0, "w2": -24.0})
    chained = gradc.load(EXAMPLES / "chain.grad")
    for a in (-1.5, 0.0, 3.0):
        assert chained.grad("c", "a")(a=a) == {"grad(c, a)": 8 * a}


def test_published_numbers() -> None:
    """What the books print: Dobson's fit of the beetles, Hull's option, the measured force on the Moon."""
    beetles = gradc.load(EXAMPLES / "beetles.grad")()
    assert [round(beetles[name], 2) for name in ("α", "β", "se_α", "se_β")] == [-60.72, 34.27, 5.18, 2.91]
    # J. C. Hull, "Options, Futures, and Other Derivatives": S = 42, K = 40, r = 0.1, σ = 0.2, T = 0.5 gives 4.76.
    assert (
        round(gradc.load(EXAMPLES / "black_scholes.grad")({"S": 42, "K": 40, "r": 0.1, "σ": 0.2})["price"], 2) == 4.76
    )
    assert math.isclose(gradc.load(EXAMPLES / "gravitation.grad")()["F"], 1.98e20, rel_tol=1e-2)


def test_a_planet_on_a_long_orbit() -> None:
    model = gradc.load(EXAMPLES / "kepler.grad")
    for ε in (0.0, 0.5, 0.9):
        for t in (0.5, 10.0, 43.0, 80.0):
            assert abs(model({"ε": ε, "t": t})["residual"]) < 1e-13


def test_embed() -> None:
    path = EXAMPLES / "embed.py"
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().splitlines() == [
        "values and gradient  (9.0, {'w1': -6.0, 'w2': -24.0})",
        "path from w2 to L    w2 → a → yhat → L",
        "path from w2 to L    w2 → yhat → L",
        "a depends on         w2, x",
        "longest chain        8 operations",
        "softsign(3)^2        0.5625 {'w': 0.09375}",
        "powers, products     0 22",
        "f                    24.199999999999996",
    ]
