"""Rules before differentiation: through all names but those that the request at hand differentiates by."""

from __future__ import annotations

import math

import pytest

from gradc.driver import Options, front, optimise
from gradc.ops import TABLE
from gradc.source import Source


def outputs(text: str, level: int = 2, **values: float) -> dict[str, float]:
    graph = optimise(front(Source("t", text), Options()).graph, Options(level=level, verify=True)).graph
    made: dict[int, float] = {}
    for node, data in graph.data.items():
        if data["op"] in ("const", "input"):
            made[node] = data["attrs"]["value"] if data["op"] == "const" else values[data["name"]]
        else:
            made[node] = TABLE[data["op"]].scalar(*[made[operand] for operand in data["operands"]])
    return {name: made[node] for name, node in graph.outputs}


def test_the_adjoint_of_softplus_does_not_overflow() -> None:
    text = "input x\nt = 1 + exp(x)\nf = log(t)\ng = grad(f, x)\noutput g"
    assert outputs(text, x=1000.0) == {"g": 1.0}
    assert math.isnan(outputs(text, level=0, x=1000.0)["g"])


def test_a_target_holds_back_only_its_own_derivative() -> None:
    text = "input x\nt = 1 + exp(x)\nf = log(t)\ng = grad(f, x)\nh = grad(f, t)\noutput f, g, h"
    assert outputs(text, x=1000.0) == {"f": 1000.0, "g": 1.0, "h": 0.0}
    assert outputs(text, x=0.0) == {"f": math.log(2), "g": 0.5, "h": 0.5}


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_nested_requests_keep_the_targets_of_inner_ones(level: int) -> None:
    # d/dx (df/dt) and d/dt (df/dx) differ: the first sees t as a function of x, the second x as no function of t.
    text = "input x\nt = 1 + exp(x)\nf = log(t)\na = grad(grad(f, t), x)\nb = grad(grad(f, x), x)\noutput a, b"
    found = outputs(text, level=level, x=0.3)
    e = math.exp(0.3)
    assert found["a"] == pytest.approx(-e / (1 + e) ** 2)
    assert found["b"] == pytest.approx(e / (1 + e) ** 2)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_a_name_is_an_identity_of_its_own(level: int) -> None:
    text = "input x, y\na = x*y\nb = x*y\nf = 3*a + b\ng = grad(f, a)\nh = grad(f, b)\nd = grad(f, x)\noutput g, h, d"
    assert outputs(text, level=level, x=2.0, y=5.0) == {"g": 3.0, "h": 1.0, "d": 20.0}
