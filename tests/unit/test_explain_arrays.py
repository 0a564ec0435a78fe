"""Explanations over arrays: what each path contributes to an element, and that all of them are the gradient."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradc

EXAMPLES = Path(__file__).parents[2] / "examples"
LEAST_SQUARES = gradc.compile("input X[n, d], y[n]\nparam w[d]\nr = X @ w - y\nL = mean(r^2)\n")
NETWORK = gradc.compile(
    """input X[n, d], y[n]: int
param W1[d, h], b1[h], W2[h, c], b2[c]
H = tanh(X @ W1 + b1)
Z = H @ W2 + b2
loss = mean(logsumexp(Z[i]) - Z[i, y[i]] for i)
"""
)
STENCIL = gradc.compile(
    """input x[n]
d = x[1:] - x[:-1]
s = sum(d[i]^2*(x[i + 1] - 2*x[i]) for i in 0..n - 1)
e = sum(x[::2])
L = s + e
"""
)
GUARDED = gradc.compile(
    """input x[n]
u = [if x[i] > 0 then sqrt(x[i]) else 0 for i]
v = [if x[i] > 0 then log(x[i]) else x[i] for i]
L = sum(u*v) + sum(x)
"""
)
RNG = np.random.default_rng(3)
DATA: dict[str, dict[str, Any]] = {
    "squares": {"X": [[1, 2], [3, 4], [5, 7]], "y": [1, -1, 2], "w": [0.5, -1]},
    "network": {
        "X": RNG.normal(size=(6, 3)),
        "y": RNG.integers(0, 2, size=6),
        "W1": RNG.normal(size=(3, 4)),
        "b1": RNG.normal(size=4),
        "W2": RNG.normal(size=(4, 2)),
        "b2": [0.1, -0.2],
    },
    "stencil": {"x": np.arange(6.0) ** 2},
    "guarded": {"x": [-1.0, 0.0, 2.0, 3.0]},
}
MODELS = {"squares": LEAST_SQUARES, "network": NETWORK, "stencil": STENCIL, "guarded": GUARDED}


def numeric(run: Callable[[Any], float], at: Any, step: float = 1e-6) -> np.ndarray[Any, Any]:
    """The gradient by central differences, element by element."""
    array = np.array(at, float)
    found = np.zeros(array.shape)
    for place in itertools.product(*map(range, array.shape)):
        up, down = array.copy(), array.copy()
        up[place] += step
        down[place] -= step
        found[place] = (run(up) - run(down)) / (2 * step)
    return found


PAIRS = [
    ("squares", "L", "w"),
    ("squares", "L", "X"),
    ("network", "loss", "W1"),
    ("network", "loss", "b1"),
    ("network", "loss", "W2"),
    ("network", "loss", "b2"),
    ("network", "loss", "X"),
    ("stencil", "L", "x"),
]


@pytest.mark.parametrize("level", ["names", "ops"])
@pytest.mark.parametrize(("which", "of", "wrt"), PAIRS)
def test_every_element_against_differences(which: str, of: str, wrt: str, level: str) -> None:
    model, data = MODELS[which], DATA[which]
    due = numeric(lambda value: model({**data, wrt: value})[of], data[wrt])
    whole = model.explain(of, wrt, data, level=level)
    assert whole.agrees
    np.testing.assert_allclose(whole.sum, due, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(sum(path.product for path in whole.paths), due, rtol=1e-6, atol=1e-7)
    for place in list(itertools.product(*map(range, due.shape)))[:6]:
        name = f"{wrt}[{', '.join(map(str, place))}]"
        one = model.explain(of, name, data, level=level)
        assert one.wrt == name
        assert one.agrees
        assert one.path_count == whole.path_count
        assert type(one.sum) is float
        assert one.sum == pytest.approx(due[place], rel=1e-6, abs=1e-7)
        # All paths are listed, so that what they contribute is the whole.
        assert sum(path.product for path in one.paths) == pytest.approx(one.sum, rel=1e-12, abs=1e-12)


def test_paths_by_enumeration() -> None:
    """The chain of Jacobians, multiplied out."""
    data = DATA["squares"]
    X, y, w = (np.array(data[name], float) for name in ("X", "y", "w"))
    r = X @ w - y
    found = LEAST_SQUARES.explain("L", "w[1]", data)
    (path,) = found.paths
    assert path.nodes == ("w", "r", "L")
    assert path.product == pytest.approx((2 * r / 3) @ X[:, 1])
    assert [(each.of, each.wrt, each.kind, each.shape) for each in found.local_gradients] == [
        ("r", "w", "map", ("3", "2")),
        ("L", "r", "elements", ("3",)),
    ]
    np.testing.assert_allclose(found.local_gradients[1].value, 2 * r / 3)


def test_largest_contributions_come_first() -> None:
    found = STENCIL.explain("L", "x[2]", DATA["stencil"])
    products = [path.product for path in found.paths]
    assert products == [-50, 12, -10, 9, 1]
    assert found.sum == found.adjoint == -38
    assert "5 paths from x[2] to L\n" in str(found)
    assert "5 paths from x[2] to L, the largest 2\n" in str(STENCIL.explain("L", "x[2]", DATA["stencil"], paths=2))


def test_a_branch_not_taken_never_poisons() -> None:
    found = GUARDED.explain("L", "x", DATA["guarded"])
    assert found.agrees
    x = np.array([2.0, 3.0])
    due = [1, 1, *(np.log(x) / (2 * np.sqrt(x)) + 1 / np.sqrt(x) + 1)]
    np.testing.assert_allclose(found.sum, due)


@pytest.mark.filterwarnings("error")
def test_nan_is_not_waved_through() -> None:
    data = {**DATA["squares"], "y": [1, float("nan"), 2]}
    found = LEAST_SQUARES.explain("L", "w[0]", data)
    assert np.isnan(found.sum)
    assert np.isnan(found.adjoint)
    assert found.agrees
    assert "nan" in str(found)
    assert LEAST_SQUARES.explain("r[0]", "w[0]", data).sum == 1


def test_an_element_of_an_array_as_the_value() -> None:
    data = DATA["squares"]
    assert LEAST_SQUARES.explain("r[-1]", "w[1]", data).sum == 7
    assert LEAST_SQUARES.explain("r[0:1]", "w[0]", data).sum == 1
    np.testing.assert_array_equal(LEAST_SQUARES.explain("r[n - 1]", "w", data).sum, [5, 7])
    np.testing.assert_array_equal(LEAST_SQUARES.explain("L", "w[1:]", data).shape, ("1",))
    assert NETWORK.explain("H[0, 2]", "b1[2]", DATA["network"]).agrees


def test_formulas_alone() -> None:
    """Without values, and whatever the sizes."""
    assert str(LEAST_SQUARES.explain("L", "w[1]")) == (
        "∂L/∂w[1] = (Xᵀ @ (2·r/n))[1]        for any X, y, w\n"
        "\n"
        "forward                     local gradients\n"
        "  r = X @ w - y    [n]        ∂r/∂w = Xᵀ·      [n, d]\n"
        "  L = sum(r²)/n               ∂L/∂r = 2·r/n    [n]\n"
        "\n"
        "1 path from w[1] to L\n"
        "  w → r → L      (Xᵀ @ (2·r/n))[1]\n"
    )
    found = LEAST_SQUARES.explain("L", "w").to_dict()
    assert (found["value"], found["gradient"], found["sum"], found["adjoint"]) == (None,) * 4
    assert found["expression"] == "X.T @ (2*r/float(n))"


def test_the_page_of_an_element() -> None:
    assert LEAST_SQUARES.explain("L", "w[1]", DATA["squares"], lr=0.1).text() == (
        "∂L/∂w[1] = -37.667        at X = [[1, 2], [3, 4], [5, 7]], y = [1, -1, 2], w = [0.5, -1]\n"
        "\n"
        "forward                                    local gradients\n"
        "  r = X @ w - y    [-2.5, -1.5, -6.5]        ∂r/∂w = Xᵀ·      [3, 2]\n"
        "  L = sum(r²)/n    16.917                    ∂L/∂r = 2·r/n    [-1.667, -1, -4.333]\n"
        "\n"
        "1 path from w[1] to L\n"
        "  w → r → L      (Xᵀ @ (2·r/n))[1]  =  -37.667\n"
        "                          gradient  =  -37.667    the compiled adjoint agrees\n"
        "\n"
        "simplified              ∂L/∂w[1] = (Xᵀ @ (2·r/n))[1]\n"
        "one step, lr = 0.1      w[1]: -1 → 2.7667\n"
    )


def test_large_arrays_are_summarised() -> None:
    data = {"X": np.ones((100, 20)), "y": np.zeros(100), "w": np.arange(20.0)}
    text = str(LEAST_SQUARES.explain("L", "w", data))
    assert text.startswith("∂L/∂w = all 380, [20]        at X [100, 20], y [100], w [20]\n")
    assert "r = X @ w - y    all 190, [100]" in text
    found = LEAST_SQUARES.explain("L", "X", data).to_dict()
    assert found["gradient"]["shape"] == [100, 20]
    json.dumps(LEAST_SQUARES.explain("L", "w", DATA["squares"], lr=1).to_dict())


def test_comprehensions_in_formulas() -> None:
    model = gradc.compile("input A[n, m], B[m, p]\nC[i, j] = sum(A[i, k]*B[k, j] for k)\ns = sum(C^2)\n")
    found = model.explain("s", "A")
    assert [row.formula for row in found.forward] == ["[∑ₖ A[i, k]·B[k, j] for i, j]", "sum(C²)"]
    assert [each.formula for each in found.local_gradients] == ["[∑ⱼ B[k, j]·∂C[i, j] for i, k]", "2·C"]
    assert found.formula == "[∑ⱼ 2·B[k, j]·C[i, j] for i, k]"


def test_formulas_take_ranges_to_have_values() -> None:
    model = gradc.compile("input x[n], s\nL = sum((x[i]*exp(s))^2 for i)\noutput L")
    found = model.explain("L", "s")
    assert [each.formula for each in found.local_gradients] == ["∑ᵢ(2·x[i]²·exp(s))·exp(s)"]
    assert found.formula == "∑ᵢ(2·x[i]²·exp(s))·exp(s)"
    # What the program asks itself stays.
    model = gradc.compile("input x[n], s\nL = if n > 0 then s^2 else s\noutput L")
    assert model.explain("L", "s").formula == "if n > 0 then 2·s else 1"


def test_numbers_between_which_there_are_arrays() -> None:
    model = gradc.compile("input x[n]\nparam a = 2\nv = a*x\ns = sum(v^2)\n")
    found = model.explain("s", "a", {"x": [1, 2, 3]}, lr=0.5)
    assert found.sum == found.adjoint == 56
    assert found.agrees
    assert found.step == {"before": 2.0, "lr": 0.5, "after": -26.0}
    # Between single numbers the factors multiply as ever.
    scalar = gradc.compile("input x[n]\ns = sum(x)\nt = s^2\nu = 3*t\n").explain("u", "s", {"x": [1, 2]})
    assert scalar.paths[0].factors == (6.0, 3.0)


def test_the_largest_of_many_paths() -> None:
    """Of 256 paths, which are multiples of one array: the gains of their edges say exactly what they contribute."""
    factors = [(3, 1), (0.5, 5), (2, 0.3), (7, 2), (0.25, 6), (1.5, 0.7), (4, 0.9), (0.1, 3)]
    lines = ["input x[n] = [1, 2, 3]", "y0 = x^2"]
    lines += [f"y{i} = {a}*y{i - 1} - {b}*y{i - 1}" for i, (a, b) in enumerate(factors, 1)]
    model = gradc.compile("\n".join([*lines, "s = sum(y8)"]))
    due = sorted((float(np.prod(each)) for each in itertools.product(*factors)), reverse=True)
    found = model.explain("s", "x[1]", paths=12)
    assert (found.path_count, found.order) == (256, "estimated")
    np.testing.assert_allclose([abs(path.product) for path in found.paths], 4 * np.array(due[:12]), rtol=1e-9)
    assert "256 paths from x[1] to s, 12 of the largest" in str(found)
    # Without values there is no size.
    assert "256 paths from x to s, the first 3" in str(
        gradc.compile("\n".join(["input x[n]", *lines[1:], "s = sum(y8)"])).explain("s", "x", paths=3)
    )


def test_a_branch_that_some_members_of_a_family_take_has_an_influence() -> None:
    lines = ["input x[n] = [1, -2, 3]", "param w = 2", "u = [if x[i] > 0 then sqrt(x[i])*w else 0 for i]", "L = sum(u)"]
    found = gradc.compile("\n".join(lines)).explain("L", "w", level="ops")
    assert found.agrees
    assert all(each.live for each in found.local_gradients)
    assert [path.live for path in found.paths] == [True]
    found = gradc.compile("\n".join(lines).replace("> 0", "> 5")).explain("L", "w", level="ops")
    assert (found.sum, found.adjoint) == (0.0, 0.0)
    assert [each.idle for each in found.local_gradients if not each.live] == ["no influence"]
    assert [(path.live, path.product) for path in found.paths] == [(False, 0.0)]


def test_an_element_that_is_not_read_has_no_influence() -> None:
    model = gradc.load(Path(__file__).parents[1] / "golden" / "loops" / "unread_row.grad")
    found = model.explain("z", "w")
    assert (found.sum, found.adjoint, found.agrees) == (0.0, 0.0, True)


def test_many_paths() -> None:
    lines = ["input x[n]", "y0 = x + x", *(f"y{i} = y{i - 1} + y{i - 1}" for i in range(1, 40)), "s = sum(y39)"]
    found = gradc.compile("\n".join(lines)).explain("s", "x[1]", {"x": [1.0, 2.0]})
    assert found.path_count == 2**40
    assert found.sum == found.adjoint == 2.0**40
    assert len(found.paths) == 10
    assert "10 of the largest" in str(found)


@pytest.mark.parametrize(
    ("of", "wrt", "code", "message"),
    [
        ("r", "w", "E0609", "`r` is an array [n], not one number"),
        ("L", "w[5]", "E0611", "there is no `w[5]`: the axis has 2 elements"),
        ("L", "w[0, 0]", "E0611", "there is no `w[0, 0]`: `w` has 1 axis"),
        ("L", "L[0]", "E0611", "there is no `L[0]`: `L` is a single number"),
        ("L", "w[a]", "E0611", "`w[a]` names no elements"),
        ("L", "w[]", "E0611", "`w[]` names no elements"),
        ("L", "w[::0]", "E0611", "`w[::0]` names no elements"),
        ("L", "v[0]", "E0608", "the program has no name `v`"),
        ("r[0:2]", "w", "E0609", "`r[0:2]` is an array [2], not one number"),
    ],
)
def test_mistakes(of: str, wrt: str, code: str, message: str) -> None:
    with pytest.raises(gradc.CallError) as caught:
        LEAST_SQUARES.explain(of, wrt, DATA["squares"])
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == (code, message)


def test_every_example_without_values() -> None:
    for file in sorted(EXAMPLES.glob("*.grad")):
        model = gradc.load(file)
        inputs = model.graph.inputs
        if not any(model.graph.type(node).shape for node in inputs):
            continue
        known = all("default" in model.graph.attrs(node) for node in inputs)
        types = {name: model.graph.type(node) for name, node in model.graph.outputs}
        numbers = [name for name, type in types.items() if type.real and type.scalar]
        for of in numbers:
            for wrt in model.variables(None):
                for level in ("names", "ops"):
                    found = model.explain(of, wrt, level=level)
                    assert known or "any" in str(found) or found.path_count == 0
                    json.dumps(found.to_dict())


_BY_INDICES = """input X[n, d], y[n]
param w[d], b
r[i] = sum(X[i, j]*w[j] for j) + b - y[i]
L = sum(r[i]^2 for i)/(2*n)
"""
FORMULAS = [
    ("input X[n, d], y[n]\nparam w[d]\nr = X @ w - y\nL = mean(r^2)\n", "w"),
    (_BY_INDICES, "w"),
    (_BY_INDICES, "b"),
    ("input X[n, d]\nC[i, j] = sum(X[i, k]*X[j, k] for k)\nL = sum(C^2)\n", "X"),
    ("input X[n, d]\nL = sum(logsumexp(X[i]) for i)\n", "X"),
    ("input X[n, d]\nZ = softmax(X, axis=1)\nL = sum(Z^3)\n", "X"),
    ("input X[n, d], w[d]\nL = sum(sigmoid(X @ w)*2 + 1)\n", "w"),
    ("input y[n]\nu = [y[i]^2 for i]\nL = sum(sum(u[i]*u[k] for k)*y[i] for i)\n", "y"),
    ("input y[n]\nL = sum(1/(1 + abs(y[i] - y[j])) for i, j if i < j)\n", "y"),
    ("input X[n, d], y[n]\nL = dot(y, solve(X @ X.T + 5*eye(n), y))\n", "y"),
    ("input X[n, d]\nL = max(sum(X^2, axis=1))*norm(X)\n", "X"),
]


@pytest.mark.parametrize(
    ("text", "wrt"), FORMULAS, ids=[f"{text.split('L = ')[1].strip()} by {wrt}" for text, wrt in FORMULAS]
)
def test_the_formula_is_the_gradient(text: str, wrt: str) -> None:
    """What is shown as simplified compiles, and gives the values of the compiled gradient."""
    model = gradc.compile(text)
    found = model.explain("L", wrt)
    assert not found.expression.endswith("…")
    again = gradc.compile(
        f"{text}by_formula = {found.expression}\nby_rule = grad(L, {wrt})\noutput by_formula, by_rule"
    )
    rng = np.random.default_rng(8)
    shapes = {"X": (4, 3), "y": (4,), "w": (3,), "b": ()}
    values = {name: rng.normal(size=shapes[name]) for name in again.inputs}
    results = again({name: value if value.shape else float(value) for name, value in values.items()})
    np.testing.assert_allclose(*np.broadcast_arrays(results["by_formula"], results["by_rule"]), rtol=1e-9, atol=1e-12)
