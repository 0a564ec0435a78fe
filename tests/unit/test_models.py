"""What models do: rows, single precision, pickles, threads, warnings, looking."""

from __future__ import annotations

import math
import pickle
import threading
from typing import Any

import numpy
import pytest
from meaning import LEVELS

import gradc

PROGRAM = """
input x = 0.7, n: int = 3, flag: bool = 1 == 1
param w = 1.3, v = -0.4
fn act(t) = t*sigmoid(t)
fn soft(t) = log(1 + exp(t))
derivative soft(t) = sigmoid(t)
a = act(w*x + v) + n
b = if flag and x > 0 then sqrt(x)*log(x) else min(x, v, 0.5)
c = max(a*b, atan2(a, b)) + soft(x)^1.5
L = c + abs(x - 0.5) + hypot(w, v) + erf(x)*gamma(1.5 + x^2) + 7.5 % (2 + x^2)
k = n*n // 2 - n % 2
output L, k
"""


def test_map_is_a_loop_over_rows() -> None:
    rng = numpy.random.default_rng(7)
    xs = numpy.concatenate([rng.normal(size=20), [0.0, -0.0, 0.5, 1.0, -1.0]])
    ns = rng.integers(-5, 5, size=len(xs))
    flags = rng.integers(0, 2, size=len(xs)).astype(bool)
    model = gradc.compile(PROGRAM)
    for each in (model, model.grad("L"), model.grad("L", ["x", "a", "c"])):
        mapped = each.map(x=xs, n=ns, flag=flags, w=0.9)
        looped = [each(x=x, n=n, flag=f, w=0.9) for x, n, f in zip(xs, ns, flags, strict=True)]
        for name in each.outputs:
            assert mapped[name].shape == xs.shape
            rows = numpy.array([row[name] for row in looped])
            numpy.testing.assert_allclose(mapped[name], rows, rtol=2e-15, atol=0)
            assert mapped[name].dtype == rows.dtype


def test_map_equals_the_loop_to_the_bit() -> None:
    # Correctly rounded operations have one result.
    model = gradc.compile("input x, y = 0.3\nparam w = 1.1\nz = sqrt(abs(x*w - y))/(x^2 + w) + max(x, y, 0.1)\n").grad(
        "z", "x,y,w"
    )
    xs = [0.1, 0.2, -3.7, 1e300, -1e-300, math.inf, math.nan, 0.0]
    mapped = model.map(x=xs)
    for at, x in enumerate(xs):
        for name, value in model(x=x).items():
            assert numpy.float64(value).tobytes() == mapped[name][at].tobytes() or value != value, (name, x)


def test_map_of_names_that_no_row_reaches() -> None:
    model = gradc.compile("input x, u = 2\nparam w = 3\nL = x*w\nM = u^2\noutput L, M")
    found = model.map(x=[1, 2, 3])
    assert found["M"].tolist() == [4, 4, 4]
    found["M"][0] = 7
    assert found["M"].tolist() == [7, 4, 4]
    assert model.grad("L", "w,u").map(x=[1, 2, 3])["grad(L, u)"].tolist() == [0, 0, 0]
    value, slopes = model.value_and_grad("L").map(x=[1.0, 2.0])
    assert (value.tolist(), slopes["w"].tolist()) == ([3, 6], [1, 2])
    assert model.map(x=[])["L"].tolist() == []
    with pytest.raises(gradc.CallError):
        gradc.compile("input n: int\ny = n*n").map(n=[1, 2**40])


def test_single_precision() -> None:
    text = "input x = 0.1, n: int = 3\ny = exp(x)*n + 0.1\nb = if x > 0.1 then 1 else 2\noutput y, b"
    model = gradc.compile(text, dtype="f32")
    f = numpy.float32
    due = numpy.exp(f(0.1)) * f(3) + f(0.1)
    for level in LEVELS:
        found = gradc.compile(text, dtype="f32", level=level)()
        assert isinstance(found["y"], float)
        assert abs(found["y"] - due) <= numpy.spacing(due)
        assert found["y"] == f(found["y"])
        assert found["b"] == 2
    mapped = model.map(x=[0.1, 0.2])
    assert mapped["y"].dtype == numpy.float32
    assert [float(v) for v in mapped["y"]] == [model(x=0.1)["y"], model(x=0.2)["y"]]
    slope = model.grad("y", "x")()["grad(y, x)"]
    assert slope == f(slope)
    assert abs(slope - 3 * math.exp(0.1)) < 1e-6
    assert pickle.loads(pickle.dumps(model))() == model()


def test_pickling() -> None:
    model = gradc.compile(PROGRAM)
    for each in (model, model.grad("L"), model.value_and_grad("L", "x").model):
        again = pickle.loads(pickle.dumps(each))
        assert again() == each()
        assert again.ir == each.ir
        assert again.outputs == each.outputs
        assert again.grad(each.outputs[0], "x")() == each.grad(each.outputs[0], "x")()
    fields = list(model.__reduce__())
    with pytest.raises(gradc.CompileError) as caught:
        fields[0]("0.0.0", *fields[1][1:])
    assert caught.value.diagnostics[0].code == "E0904"


def test_threads_share_a_model() -> None:
    model = gradc.compile(PROGRAM)
    due = [model.grad("L")(x=x / 10) for x in range(1, 9)]
    fresh = gradc.compile(PROGRAM)
    start = threading.Barrier(8)
    found: list[Any] = [None] * 8

    def work(at: int) -> None:
        start.wait()
        gradient = fresh.grad("L")
        found[at] = [fresh.value_and_grad("L")(x=0.3)[0], gradient(x=(at + 1) / 10), fresh()["k"]]

    threads = [threading.Thread(target=work, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row[1] for row in found] == due
    assert len({row[0] for row in found}) == 1


def test_warnings_are_never_printed(capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder) -> None:
    text = "input x = 1e300, z = 0\ne = 3\nunused = 2\ny = x*x/z + log(-x)\ng = grad(y, e)\noutput y, g"
    model = gradc.compile(text)
    assert {d.code for d in model.warnings} == {"W0101", "W0102", "W0103"}
    assert all(d.severity == "warning" for d in model.warnings)
    model()
    model.map(x=[1.0, 1e300])
    gradc.compile(text, dtype="f32")()
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    with pytest.raises(gradc.CompileError):
        gradc.compile(text, werror=True)


def test_looking_needs_no_values() -> None:
    model = gradc.compile("input x, y\nL = x*y")
    assert "mul" in model.ir
    assert model.grad().ir
    with pytest.raises(gradc.CallError) as caught:
        model()
    assert [d.code for d in caught.value.diagnostics] == ["E0601", "E0601"]


def test_the_storage_is_networkx() -> None:
    import networkx

    graph = gradc.compile("input x\ny = x*x").graph
    assert isinstance(graph.nx, networkx.DiGraph)
    assert graph.nx.edges[0, 1]["positions"] == (0, 1)
    with pytest.raises(networkx.NetworkXError):
        graph.nx.add_node(99)
    copy = graph.copy()
    copy.add_node(99)
