"""What derivatives of loops keep: checkpoints change no bit and bound memory, changes of elements keep what they write
over, and a loop writes over the arrays that it carries without being seen to.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

import gradc
from gradc.ir.graph import graphs
from gradc.ir.region import Loop

ODE = """
param k = 0.3, x0 = 1.0, v0 = 0.5
input n: int
x = x0
v = v0
for t in 0..n CHECKPOINT { a = -k*x - 0.1*v*abs(v); x = x + 0.01*v; v = v + 0.01*a }
L = x^2 + v
output L
"""

DECAY = """
param k = 0.3, y0[m] = [1, 2, 3]
y = y0
while sum(y^2) > 0.001 CHECKPOINT { y = y - 0.05*k*y*sqrt(sum(y^2) + 1) }
L = sum(y^2)*k
H = hessian(L, k)
g = grad(L, y0)
output L, H, g
"""


def peak(run: Callable[[], object]) -> int:
    """The bytes that a call takes at once."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("checkpoint", ["checkpoint", "checkpoint 1", "checkpoint 3", "checkpoint 1000"])
@pytest.mark.parametrize("n", [0, 1, 2, 100])
def test_a_checkpoint_changes_no_bit(checkpoint: str, n: int) -> None:
    plain = gradc.compile(ODE.replace("CHECKPOINT", "")).value_and_grad("L")(n=n)
    assert gradc.compile(ODE.replace("CHECKPOINT", checkpoint)).value_and_grad("L")(n=n) == plain


@pytest.mark.parametrize("checkpoint", ["checkpoint", "checkpoint 1", "checkpoint 4"])
def test_a_checkpoint_of_unknown_length_and_second_derivatives(checkpoint: str) -> None:
    plain = gradc.compile(DECAY.replace("CHECKPOINT", ""))()
    found = gradc.compile(DECAY.replace("CHECKPOINT", checkpoint))()
    assert found["L"] == plain["L"]
    assert found["H"] == plain["H"]
    assert np.array_equal(found["g"], plain["g"])


@pytest.mark.parametrize("steps", [0, 2])
def test_a_checkpoint_for_all_loops(steps: int) -> None:
    text = ODE.replace("CHECKPOINT", "")
    model = gradc.compile(text, checkpoint=steps)
    assert model.value_and_grad("L")(n=50) == gradc.compile(text).value_and_grad("L")(n=50)
    loops = [
        Loop.of(data["attrs"])
        for graph in graphs(model.grad("L").optimized())
        for data in graph.data.values()
        if data["op"] == "for"
    ]
    assert any(loop.checkpoint == steps and loop.tapes for loop in loops)


def test_a_checkpoint_bounds_memory() -> None:
    runs = {
        word: gradc.compile(ODE.replace("CHECKPOINT", word)).value_and_grad("L")
        for word in ("", "checkpoint", "checkpoint 5")
    }
    for run in runs.values():
        run(n=300)
    kept, some, five = (peak(lambda run=run: run(n=2_000)) for run in runs.values())
    assert some < kept / 8
    assert five <= some


@pytest.mark.slow
def test_a_million_steps_fit_into_little_memory() -> None:
    run = gradc.compile(ODE.replace("CHECKPOINT", "checkpoint")).value_and_grad("L")
    run(n=3)
    found = []
    assert peak(lambda: found.append(run(n=1_000_000))) < 2**20
    value, gradient = found[0]
    plain = gradc.compile(ODE.replace("CHECKPOINT", ""))
    assert value == plain(n=1_000_000)["L"]
    step = 1e-6
    difference = (plain(n=1_000_000, k=0.3 + step)["L"] - plain(n=1_000_000, k=0.3 - step)["L"]) / (2 * step)
    assert gradient["k"] == pytest.approx(difference, rel=1e-4)


UPDATES = """
param x[n]
y = x
for t in 1..n { y[t] = sin(y[t-1]) + y[t]*x[t] }
L = sum(y^2)
output L
"""


def test_changed_elements_keep_what_they_write_over() -> None:
    run = gradc.compile(UPDATES).value_and_grad("L")
    run(x=np.ones(3))
    small, large = (peak(lambda n=n: run(x=np.linspace(0, 1, n))) for n in (500, 4_000))
    # A copy of the array for each step would be 64 times as much.
    assert large < 12 * small
    x = np.linspace(0, 1, 40)
    _, gradient = run(x=x)
    model, step = gradc.compile(UPDATES), 1e-6
    for at in range(40):
        high, low = x.copy(), x.copy()
        high[at] += step
        low[at] -= step
        assert gradient["x"][at] == pytest.approx(
            (model(x=high)["L"] - model(x=low)["L"]) / (2 * step), rel=1e-6, abs=1e-8
        )


def test_what_a_loop_writes_over_is_its_own() -> None:
    model = gradc.compile(
        "input x[n], m: int = 3\ny = x\nz = x\n"
        "for t in 0..m { z = y; y[0] = y[0] + 1; trace[t] = y; w = y; y[1] = w[0] }\n"
        "output y, z, trace, x"
    )
    x = np.array([1.0, 2.0, 3.0])
    found = model(x=x)
    assert x.tolist() == [1, 2, 3]
    assert found["x"].tolist() == [1, 2, 3]
    assert found["y"].tolist() == [4, 4, 3]
    assert found["z"].tolist() == [3, 3, 3]
    assert found["trace"].tolist() == [[2, 2, 3], [3, 2, 3], [4, 3, 3]]
    again = model(x=x)
    assert found["y"].tolist() == [4, 4, 3]
    assert again["trace"].tolist() == found["trace"].tolist()


FAMILY = """
param x[n] = [0.3, 0.5, 0.9], a = 0.7
fn f(u) { y = u; HEAD { y = sin(y)*u*a + y^2; k = k + 1 }; return y }
k0 = 0
v = [f(x[i])*x[(i + 1) % n] for i]
L = sum(v^2)
H = hessian(L, x)
output L, H
"""


@pytest.mark.parametrize("word", ["", "checkpoint 2"])
@pytest.mark.parametrize("head", ["k = 0; for t in 0..3", "k = 0; while k < 2.5", "k = u; while k < 2.4"])
@pytest.mark.parametrize("level", [0, 2])
def test_second_derivatives_of_a_family_of_loops(head: str, word: str, level: int) -> None:
    model = gradc.compile(FAMILY.replace("HEAD", f"{head} {word}").replace("k0 = 0\n", ""), level=level)
    gradient, step, x = model.grad("L", "x"), 1e-6, np.array([0.3, 0.5, 0.9])
    for at, row in enumerate(np.eye(3)):
        high, low = (gradient(x=x + sign * step * row)["grad(L, x)"] for sign in (1, -1))
        assert model()["H"][at] == pytest.approx((high - low) / (2 * step), rel=1e-5, abs=1e-6)


# From here on arrays lie in buffers that a plan keeps.
LARGE = 5000


def test_what_a_call_gives_is_not_written_to_by_the_next_one() -> None:
    model = gradc.compile("input x[n]; y = 0.1*sin(x) + x; output y")
    x = np.linspace(0, 1, LARGE)
    found = model(x=x)["y"]
    model(x=x + 1)
    np.testing.assert_allclose(found, 0.1 * np.sin(x) + x, rtol=1e-14)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 150])
@pytest.mark.parametrize("size", [5, LARGE])
def test_a_tape_is_not_written_to(size: int, n: int) -> None:
    model = gradc.compile("param y[m]\ninput n: int\nx = 2*y\nfor t in 0..n { x = x + 0.1*sin(x) }\nL = sum(x)")
    y = np.linspace(0.1, 1, size)
    _, found = model.value_and_grad("L")(y=y, n=n)
    due, x = np.full(size, 2.0), 2 * y
    for _ in range(n):
        due, x = due * (1 + 0.1 * np.cos(x)), x + 0.1 * np.sin(x)
    np.testing.assert_allclose(found["y"], due, rtol=1e-12)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("size", [5, LARGE])
def test_what_a_loop_starts_from_is_not_written_to_while_its_results_are_read(size: int, n: int) -> None:
    swaps = "c = a; a = b; b = c*b*sin(c)"
    text = "param y[m]\ns = 2*y\na = s\nb = y\nBLOCK\nz = exp(s)\nL = sum(a*b) + sum(z)\noutput L, a, z"
    y = np.linspace(0.1, 1, size)
    looped = gradc.compile(text.replace("BLOCK", f"for t in 0..{n} {{ {swaps} }}"))
    steps = []
    a, b = "s", "y"
    for k in range(n):
        steps.append(f"a{k} = {b}; b{k} = {a}*{b}*sin({a})")
        a, b = f"a{k}", f"b{k}"
    unrolled = text.replace("a = s\nb = y\nBLOCK", "\n".join([*steps, f"a = {a}", f"b = {b}"]))
    due = gradc.compile(unrolled)
    for name, value in looped(y=y).items():
        np.testing.assert_allclose(value, due(y=y)[name], rtol=1e-13)
    found, expected = (model.grad("L")(y=y)["grad(L, y)"] for model in (looped, due))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
