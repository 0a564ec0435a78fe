"""Plans that run often, as straight-line code: the same results, the same diagnostics."""

from typing import Any

import numpy as np
import pytest

import gradc
from gradc.backends.plan import ArrayPlan
from gradc.backends.straight import RUNS

OFTEN = RUNS + 3


def plan_of(model: gradc.Model) -> ArrayPlan:
    """The one plan of a model."""
    (plan,) = [each for key, each in model._cache.items() if key[0] == "plan"]
    assert isinstance(plan, ArrayPlan)
    return plan


@pytest.mark.parametrize(
    ("text", "wrt", "values"),
    [
        ("input X[n, d], y[n], w[d]\nL = sum((X @ w - y)^2) + sum(exp(w))", "w", {"X": (7, 3), "y": (7,), "w": (3,)}),
        ("input x[n]\nL = 0.0\nfor t in 0..n-1 { L = sin(L + x[t]*x[t+1]) }", "x", {"x": (50,)}),
        ("input x[n]\nv = x\nfor t in 1..n { v[t] = v[t-1]*x[t] + 1 }\nL = sum(v)", "x", {"x": (40,)}),
    ],
)
def test_the_results_are_the_same_to_the_bit(text: str, wrt: str, values: dict[str, tuple[int, ...]]) -> None:
    rng = np.random.default_rng(3)
    model = gradc.compile(text).value_and_grad("L", wrt)
    data = {name: rng.normal(size=shape) for name, shape in values.items()}
    first = model(data)
    for _ in range(OFTEN):
        value, gradients = model(data)
        assert value == first[0]
        assert gradients[wrt].tobytes() == first[1][wrt].tobytes()
    assert plan_of(model.model).once.after(OFTEN) is not None


def test_what_has_no_result_is_said_as_before() -> None:
    model = gradc.compile("input x[n], k[m]: int\nL = sum(if x[i] > 0 then x[k[i]] else 0 for i)\noutput L")
    good: dict[str, Any] = {"x": [1.0, -2.0, 3.0], "k": [0, 9, 2]}
    bad: dict[str, Any] = {"x": [1.0, 2.0, 3.0], "k": [0, 9, 2]}
    with pytest.raises(gradc.CallError) as first:
        model(bad)
    for _ in range(OFTEN):
        assert model(good)["L"] == 4
    assert plan_of(model).once.after(OFTEN) is not None
    with pytest.raises(gradc.CallError) as later:
        model(bad)
    assert str(later.value) == str(first.value)
    assert model(good)["L"] == 4


def test_faults_that_are_known_while_planning() -> None:
    model = gradc.compile("input x[n], c\nL = if c > 0 then x[5] else x[0]\noutput L")
    for _ in range(OFTEN):
        assert model(x=[1, 2], c=-1)["L"] == 1
    with pytest.raises(gradc.CallError, match="the index 5 is out of range"):
        model(x=[1, 2], c=1)


def test_memory_that_the_system_refuses_is_told_of_its_line() -> None:
    model = gradc.compile("input x[n]\na = sin(x)\ny = cos(a)\nz = tan(y)\noutput z")
    x = np.zeros(3)
    model(x=x)
    plan = plan_of(model)

    def exhausted(*_: Any) -> Any:
        raise MemoryError

    plan.steps[1].run = exhausted
    plan.once.count = OFTEN
    with pytest.raises(gradc.CallError) as caught:
        model(x=x)
    assert plan.once.after(OFTEN) is not None
    assert caught.value.diagnostics[0].line == 3


def test_an_interruption_leaves_the_plan_as_it_was() -> None:
    model = gradc.compile("input x[n]\ny = sum(sin(x))\noutput y")
    x = np.ones(4)
    expected = model(x=x)["y"]
    plan = plan_of(model)
    kept = plan.steps[0].run
    interrupt = iter([KeyboardInterrupt()])

    def interrupted(*given: Any, **more: Any) -> Any:
        for error in interrupt:
            raise error
        return kept(*given, **more)

    plan.steps[0].run, plan.once.count = interrupted, OFTEN
    with pytest.raises(KeyboardInterrupt):
        model(x=x)
    assert model(x=x)["y"] == expected


def test_numbers_to_the_bit() -> None:
    model = gradc.compile("input x, y\nz = x^2.5/y + sin(y)*exp(x) - max(x, y, 1)\nw = log(x)").value_and_grad("z")
    given = [(1.5, 0.5), (0.25, -0.0), (-1.0, 3.0), (710.0, 2.0), (float("inf"), 1.0), (float("nan"), 1.0)]
    first = [repr(model(x=x, y=y)) for x, y in given]
    for _ in range(OFTEN):
        model(x=1.5, y=0.5)
    assert [repr(model(x=x, y=y)) for x, y in given] == first


def test_integers_that_grow_too_large() -> None:
    model = gradc.compile("input k: int, y\nn = k*k\nz = if y > 0 then float(n) else y")
    for _ in range(OFTEN):
        assert model(k=3, y=1)["z"] == 9
    assert model(k=2**40, y=-1)["z"] == -1
    with pytest.raises(gradc.CallError, match="beyond 64 bits"):
        model(k=2**40, y=1)
