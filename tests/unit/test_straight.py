"""A loop that has become a function of its own gives what its plan gives, to the bit, and is left where that is due."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from loop_texts import program

import gradc
from gradc.backends import loops, straight
from gradc.limits import Limits

NEVER = 10**9


@pytest.fixture
def worth(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets after how many iterations a loop becomes a function."""
    return lambda count: monkeypatch.setattr(loops, "_WORTH", count)


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The iterations that functions have been left in."""
    found: list[int] = []
    leave = loops._left

    def noted(*given: Any) -> Any:
        result = leave(*given)
        found.append(result[0])
        return result

    monkeypatch.setattr(loops, "_left", noted)
    return found


def bits(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: bits(each) for name, each in value.items()}
    array = np.asarray(value)
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.nan, array)
    return type(value), array.dtype, array.shape, array.tobytes()


def outcome(run: Callable[[], Any]) -> Any:
    try:
        return bits(dict(run()))
    except gradc.Error as problem:
        return str(problem)


def both(text: str, worth: Callable[[int], None], values: dict[str, Any], **options: Any) -> list[Any]:
    """Values and gradients as the plan and as the function gives them."""
    found = []
    for count in (NEVER, 0):
        worth(count)
        model = gradc.compile(text, **options)
        found.append((outcome(lambda model=model: model(values)), outcome(lambda model=model: model.grad()(values))))
    return found


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_random_programs_to_the_bit(seed: int, dtype: str, worth: Callable[[int], None]) -> None:
    plan, function = both(program(seed), worth, {}, dtype=dtype)
    assert function == plan


CASES = {
    "numbers": ("param a, n: int\ny = a\nfor t in 0..n { y = y + 0.1*(t - sin(y))*y^2 }\nL = y", {"a": 0.5, "n": 9}),
    "divided by zero": (
        "param a\ninput n: int\ny = a\ns = 0\nfor t in 0..n { s = s + 1/(t - 4)*a; y = y + atan(s) }\nL = y",
        {"a": 0.5, "n": 9},
    ),
    "an overflow": ("param a\ny = a\nfor t in 0..9 { y = exp(y)*a }\nL = y\nz = exp(-y)", {"a": 2.0}),
    "outside the domain": ("param a\ny = a\nfor t in 0..9 { y = y - 0.2; z[t] = log(y) }\nL = sum(z)", {"a": 1.0}),
    "a power": ("param a\ny = a\nfor t in 0..9 { y = (y - 0.2)^a }\nL = y", {"a": 1.5}),
    "extremes": (
        "param a\ny = a\nfor t in 0..9 { y = max(min(y, 2), relu(y) - t) + abs(y) - sign(y) }\nL = y",
        {"a": -1.5},
    ),
    "a while": (
        "param a\ny = a; k = 0\nwhile y > 0.1 and k < 50 { y = y - 0.01*y^2; k = k + 1 }\nL = y*k",
        {"a": 1.5},
    ),
    "a while that compares a NaN": ("param a\ny = a\nwhile y > 0 { y = sqrt(y - 0.3) }\nL = y", {"a": 1.5}),
    "an index": (
        "param x[m]\ninput n: int\ny = zeros(m)\nfor t in 1..n { y[t] = sin(y[t-1]) + x[t]*x[m-t] }\nL = sum(y)",
        {"x": np.linspace(0, 1, 9), "n": 9},
    ),
    "an index beyond the end": (
        "param x[m]\ninput n: int\ny = zeros(m)\nfor t in 0..n { y[t] = x[t]*x[t] }\nL = sum(y)",
        {"x": np.linspace(0, 1, 9), "n": 12},
    ),
    "a negative index": (
        "param x[m]\ninput n: int\ny = 0\nfor t in 0..n { y = y + x[5 - t] }\nL = y",
        {"x": np.linspace(0, 1, 9), "n": 9},
    ),
    "an index that is not selected": (
        "param x[m]\ny = 0\nfor t in 0..m { y = y*x[t] + (if t > 0 then x[t-1] else 0.5) }\nL = y",
        {"x": np.linspace(0, 1, 9)},
    ),
    "an integer beyond 64 bits": (
        "param a\nk = 3\ny = a\nfor t in 0..9 { k = k*k*k; y = y + sin(k*1.0) }\nL = y",
        {"a": 1.5},
    ),
    "integers": (
        "input j: int\nparam a\nk = j\ny = a\nfor t in 0..20 { k = (k*5 + t) % 17; y = y + sin(k//3*y) }\nL = y",
        {"j": 3, "a": 1.5},
    ),
    "rows": (
        "param W[d, d], X[n, d]\nh = zeros(d)\nfor t in 0..n { h = tanh(W@h + X[t]); H[t] = h }\nL = sum(H^2)",
        {"W": np.arange(9.0).reshape(3, 3) / 9, "X": np.arange(12.0).reshape(4, 3) / 12},
    ),
    "a condition": (
        "param a\ny = a\nfor t in 0..9 { if y > 1 { y = y/2; } else { y = y*a; } }\nL = y",
        {"a": 1.7},
    ),
    "a loop in a loop": (
        "param a\ny = a\nfor t in 0..5 { z = 0; for s in 0..t { z = z + sin(y*s)/(s - 2) }; y = y + atan(z) }\nL = y",
        {"a": 1.7},
    ),
    "a ring": (
        "param x0[m], k\nx = x0\n"
        "for t in 0..5 { x = x + k*([x[(i + 1) % m] for i in 0..m] - 2*x + [x[(i + m - 1) % m] for i in 0..m]) }\n"
        "L = sum(x^3)",
        {"x0": np.linspace(0, 1, 7), "k": 0.1},
    ),
    "nothing": ("param a\ny = a\nfor t in 0..5 { y = y }\nL = y", {"a": 1.0}),
    "no iteration": ("param a\ny = a\nfor t in 0..0 { y = y/0 }\nL = y", {"a": 1.0}),
}


@pytest.mark.parametrize("name", CASES)
def test_cases_to_the_bit(name: str, worth: Callable[[int], None]) -> None:
    text, values = CASES[name]
    for level in (0, 2):
        plan, function = both(text, worth, values, level=level)
        assert function == plan
    plan, function = both(text, worth, values, dtype="f32")
    assert function == plan


def test_a_function_is_left_only_where_that_is_due(worth: Callable[[int], None], left: list[int]) -> None:
    worth(0)
    for name in ("numbers", "a while", "an index", "integers", "rows", "a ring", "extremes"):
        text, values = CASES[name]
        gradc.compile(text)(values)
        gradc.compile(text).grad()(values)
        assert not left, name
    text, values = CASES["divided by zero"]
    gradc.compile(text)(values)
    assert left == [4]


def test_a_function_that_is_left_all_the_time_is_given_up(worth: Callable[[int], None], left: list[int]) -> None:
    worth(0)
    text = "param a\ninput n: int\ny = a\nfor t in 0..n { y = y + exp(-1/(y*0)^2) }\nL = y"
    assert gradc.compile(text)(a=1.5, n=1_000)["L"] == 1.5
    assert 20 <= len(left) < 30


def test_what_does_not_change_is_computed_once(monkeypatch: pytest.MonkeyPatch, worth: Callable[[int], None]) -> None:
    sources: list[str] = []
    compiled = compile
    monkeypatch.setattr(
        straight, "compile", lambda text, *more: sources.append(text) or compiled(text, *more), raising=False
    )
    worth(0)
    found = gradc.compile("param a, w\ny = a\nfor t in 0..9 { y = y + sin(w)*exp(w) }\nL = y")(a=0.5, w=0.25)
    (text,) = sources
    before, _, turn = text.partition("for at in numbers")
    assert before.count("(v") == 3
    assert "sin" not in turn
    assert turn.count("*") == 0
    assert found["L"] == pytest.approx(0.5 + 9 * math.sin(0.25) * math.exp(0.25))


def test_limits_hold(worth: Callable[[int], None]) -> None:
    worth(0)
    text = "param a\ny = a\nwhile y > 0 { y = y + 1 }\nL = y"
    with pytest.raises(gradc.CallError, match="has not ended after 5,000 iterations"):
        gradc.compile(text, limits=Limits(iterations=5_000))(a=1.0)
    with pytest.raises(gradc.CallError, match="this loop runs for more than"):
        gradc.compile(text, limits=Limits(iterations=10**12, run_seconds=0.05))(a=1.0)
    text = "param a\ninput n: int\ny = a\nfor t in 0..n { y = sin(y) }\nL = y"
    with pytest.raises(gradc.CallError, match="this loop runs for more than"):
        gradc.compile(text, limits=Limits(iterations=10**12, run_seconds=0.05))(a=1.0, n=10**9)


def test_the_step_that_fails_is_named(worth: Callable[[int], None]) -> None:
    worth(0)
    text = "input x[m], n: int\ny = 0\nfor t in 0..n { y = y + x[2*t] }\nL = y"
    with pytest.raises(gradc.CallError, match="the index 10 is out of range") as problem:
        gradc.compile(text)(x=np.zeros(9), n=9)
    assert (problem.value.diagnostics[0].line, problem.value.diagnostics[0].column) == (3, 25)
