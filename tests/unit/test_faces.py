"""Jacobians, Hessians and products as models, and as commands."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradc
from gradc.cli import main
from gradc.errors import CallError, CompileError
from gradc.ir.sizes import named
from gradc.ops.requests import fewer

TEXT = """param x[n] = [1, 2, 3], s = 2
f = sum(100*(x[i+1] - x[i]^2)^2 + (1 - x[i])^2 for i in 0..n-1)*s
y = [x[i]^3*s for i]
output f, y
"""
X = np.array([1.0, 2.0, 3.0])


@pytest.fixture(scope="module")
def model() -> gradc.Model:
    return gradc.compile(TEXT, verify=True)


def test_jacobian(model: gradc.Model) -> None:
    found = model.jacobian()()
    assert list(found) == ["jacobian(f, x)", "jacobian(f, s)", "jacobian(y, x)", "jacobian(y, s)"]
    assert found["jacobian(f, x)"].tolist() == [-800, 2004, -400]
    assert found["jacobian(y, x)"].tolist() == np.diag(6 * X**2).tolist()
    assert found["jacobian(y, s)"].tolist() == [1, 8, 27]


def test_hessian(model: gradc.Model) -> None:
    found = model.hessian("f", "x")()["hessian(f, x)"]
    assert found.tolist() == [[804, -800, 0], [-800, 7604, -1600], [0, -1600, 400]]
    mixed = model.hessian("f", "x", ["s", "x"])()
    assert list(mixed) == ["hessian(f, x, s)", "hessian(f, x, x)"]
    assert mixed["hessian(f, x, s)"].tolist() == [-400, 1002, -200]
    assert np.array_equal(mixed["hessian(f, x, x)"], found)


def test_products(model: gradc.Model) -> None:
    jacobian, hessian = np.diag(6 * X**2), model.hessian("f", "x")()["hessian(f, x)"]
    v = np.array([1.0, -1.0, 2.0])
    forward = model.jvp("y", "x")
    assert forward.inputs == ("x", "s", "tangent_x")
    assert np.array_equal(forward(tangent_x=v)["jvp(y, x, tangent_x)"], jacobian @ v)
    reverse = model.vjp("y", "x, s")(cotangent_y=v)
    assert np.array_equal(reverse["vjp(y, x, cotangent_y)"], v @ jacobian)
    assert reverse["vjp(y, s, cotangent_y)"] == v @ X**3
    second = model.hvp("f", "x")
    assert np.array_equal(second(tangent_x=v)["hvp(f, x, tangent_x)"], hessian @ v)
    # All directions in one sweep.
    assert np.array_equal(second.map(tangent_x=np.eye(3))["hvp(f, x, tangent_x)"], hessian)


def test_what_they_return_are_models(model: gradc.Model) -> None:
    third = model.hessian("f", "x").jacobian("hessian(f, x)", "x")
    assert third()["jacobian(hessian(f, x), x)"].shape == (3, 3, 3)
    again = pickle.loads(pickle.dumps(model.hvp("f", "x")))
    assert again.outputs == ("hvp(f, x, tangent_x)",)
    twice = model.jvp("f", "x").jvp(wrt="x")
    assert twice.inputs == ("x", "s", "tangent_x", "tangent_x_2")
    assert twice.outputs == ("jvp(jvp(f, x, tangent_x), x, tangent_x_2)",)
    assert "assemble" not in model.jacobian("y", "s").ir


def test_directions_are_called_like_nothing_else() -> None:
    model = gradc.compile("param x, tangent_x = 3\ny = x^2*tangent_x")
    found = model.jvp("y")
    assert found.inputs == ("x", "tangent_x", "tangent_x_2", "tangent_tangent_x")
    assert found(x=2, tangent_x_2=1, tangent_tangent_x=1) == {
        "jvp(y, x, tangent_x_2)": 12.0,
        "jvp(y, tangent_x, tangent_tangent_x)": 4.0,
    }


def test_the_mode_is_chosen_by_shape() -> None:
    n, m = named("n"), named("m")
    assert fewer((2,), (3,))
    assert not fewer((3,), (3,))
    assert not fewer((), ())
    assert fewer((n,), (n, 2))
    assert not fewer((n, 2), (n,))
    # Where sizes decide, fixed extents count as few.
    assert fewer((6,), (n,))
    assert fewer((n,), (n, m))
    assert not fewer((n,), (6,))
    assert not fewer((n,), (m,))
    assert not fewer((n,), (n,))


@pytest.mark.parametrize(
    ("definition", "mode"),
    [
        ("z = jacobian(outer(x, y), x)", "f"),
        ("z = jacobian([x[0], x[1]*y[0]], x)", "r"),
        ("z = jacobian(x*exp(x), x)", "r"),
        ("z = hessian(sum(sin(x)*x), x)", "f"),
        ("z = hessian(sum(x)*sum(y)^2*t, x, t)", ""),
    ],
)
def test_columns_go_forward_and_rows_in_reverse(definition: str, mode: str) -> None:
    text = f"input x[n], y[n], t = 3\n{definition}\noutput z"
    graph = gradc.compile(text, level=0).graph
    kinds = {graph.attrs(node)["index"].name[0] for node in graph if graph.op(node) == "index"}
    assert {"c": "f", "r": "r"}.get("".join(kinds & {"c", "r"}), "") == mode
    # Either way all derivatives are those by each element alone.
    given = {"x": np.array([0.3, -1.2, 2.0]), "y": np.array([1.0, 0.5, -2.0])}
    assert np.all(np.isfinite(gradc.compile(text)(given)["z"]))


def test_hvp_in_the_language() -> None:
    text = "param x[n]\ninput v[n]\nf = sum(x[i]^2*x[i+1] for i in 0..n-1)\n"
    text += "h = hvp(f, x, v)\nH = hessian(f, x)\noutput h, H"
    found = gradc.compile(text)(x=[1, 2, 3], v=[1, 0, -1])
    assert np.allclose(found["h"], found["H"] @ [1, 0, -1])
    scalar = gradc.compile("input x = 2\nfn g(t) = hvp(t^3, t, 5)\ny = g(x)\nz = hvp(exp(x), x, 1)\noutput y, z")()
    assert scalar == {"y": 60.0, "z": pytest.approx(np.exp(2))}


@pytest.mark.parametrize(
    ("call", "code"),
    [("hvp(f, x)", "E0301"), ("hvp(x, x, x)", "E0401"), ("hvp(f, x[0], 1)", "E0402"), ("hvp(f, x, [1, 2])", "E0309")],
)
def test_mistakes_in_the_language(call: str, code: str) -> None:
    with pytest.raises(CompileError) as caught:
        gradc.compile(f"param x[3]\nf = sum(x^2)\nh = {call}")
    assert [each.code for each in caught.value.diagnostics] == [code]


def test_forward_and_reverse_agree_at_kinks() -> None:
    text = "param x[n], t = 0\ny = [abs(x[i])*max(t, x[i]) + relu(t) for i]\nz = max(x)\noutput y, z"
    model = gradc.compile(text)
    x = np.array([0.0, -1.0, 2.0, 0.0])
    forward = model.jacobian("y", "t")(x=x)["jacobian(y, t)"]
    rows = [model.vjp("y", "t")(x=x, cotangent_y=row)["vjp(y, t, cotangent_y)"] for row in np.eye(4)]
    assert np.array_equal(forward, rows)


def test_mistakes(model: gradc.Model) -> None:
    for call, message in (
        (lambda: model.hessian("y"), "`y` is an array [n]; a Hessian is that of a number"),
        (lambda: model.hvp("y", "x"), "`y` is an array [n]; a Hessian is that of a number"),
        (lambda: model.jacobian("z"), "the program has no name `z`"),
        (lambda: model.jvp("f", "x")(), "`tangent_x` has no value"),
        (lambda: model.jvp("f", "x")(tangent_x=[1, 2]), "the size n is 3 from `x`, and 2 from `tangent_x`"),
        (lambda: model.vjp("y", "x")(cotangent_y=1), "`cotangent_y` takes an array [n]"),
    ):
        with pytest.raises(CallError, match=re.escape(message)):
            call()
    warned = model.jacobian("x", "s")
    assert [each.code for each in warned.warnings] == ["W0102"]
    assert warned()["jacobian(x, s)"].tolist() == [0, 0, 0]


# The command line -----------------------------------------------------------------------------------------------------


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    file = tmp_path / "model.grad"
    file.write_text(TEXT, "utf-8")

    def run(command: str, *arguments: str) -> tuple[int, str, str]:
        code = main([command, str(file), *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_commands(call: Any) -> None:
    assert call("jacobian", "--of", "y", "--wrt", "s") == (0, "  jacobian(y, s)    [1, 8, 27]\n", "")
    hessian = "  hessian(f, x)    [[ 804,  -800,     0],\n                    [-800,  7604, -1600],\n"
    assert call("hessian", "--of", "f", "--wrt", "x")[1].startswith(hessian)
    assert call("hessian", "--of", "f", "--wrt", "x", "--wrt2", "s")[1] == "  hessian(f, x, s)    [-400, 1002, -200]\n"
    given = ("--set", "tangent_x=[1, 0, 1]")
    assert call("hvp", "--wrt", "x", *given)[1] == "  hvp(f, x, tangent_x)    [804, -2400, 400]\n"
    found = json.loads(call("jvp", "--of", "y,f", "--wrt", "x", *given, "--json")[1])
    assert found == {"outputs": {"jvp(y, x, tangent_x)": [6, 0, 54], "jvp(f, x, tangent_x)": -1200}}
    assert call("vjp", "--of", "y", "--wrt", "s", "--set", "cotangent_y=[1, 1, 0]")[1].split()[-1] == "9"


def test_commands_take_data_and_write_results(call: Any, tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text('{"tangent_x": [0, 1, 0]}')
    out = tmp_path / "out.npz"
    assert call("hvp", "--of", "f", "--wrt", "x", "--data", str(tmp_path / "v.json"), "--out", str(out))[0] == 0
    assert np.load(out)["hvp(f, x, tangent_x)"].tolist() == [-800, 7604, -1600]


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("jacobian", "--of", "q"), 1, "E0608"),
        (("hessian", "--of", "y"), 1, "E0609"),
        (("hvp", "--of", "f", "--wrt", "x"), 1, "E0601"),
        (("hvp", "--of", "f", "--wrt", "x", "--set", "tangent_x=[1]"), 1, "E0615"),
        (("jvp", "--wrt2", "x"), 2, "E0802"),
        (("explain", "--order", "2"), 2, "E0802"),
        (("explain", "--sparsity", "--lr", "1"), 2, "E0802"),
        (("explain", "--sparsity", "--order", "2"), 1, "E0609"),
    ],
)
def test_commands_that_fail(call: Any, arguments: tuple[str, ...], code: int, error: str) -> None:
    found, out, err = call(*arguments)
    assert (found, out) == (code, "")
    assert f"error[{error}]" in err


def test_sparsity_as_a_command(call: Any) -> None:
    code, out, err = call("explain", "--sparsity", "--of", "f", "--wrt", "x")
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == [
        "hessian(f, x): 3 × 3, 7 non-zeros (77.8 %)",
        "2 colours: 2, 1 columns share a sweep of forward over reverse mode",
        "",
        "  0 1 ·",
        "  0 1 0",
        "  · 1 0",
    ]
    found = json.loads(call("explain", "--sparsity", "--of", "f", "--wrt", "x", "--order", "1", "--json")[1])
    assert (found["name"], found["shape"], found["mode"]) == ("jacobian(f, x)", [1, 3], "rows")
    found = json.loads(call("explain", "--sparsity", "--of", "y,f", "--wrt", "x,s", "--json")[1])
    assert (found["name"], found["shape"]) == ("jacobian([y, f], [x, s])", [4, 4])
