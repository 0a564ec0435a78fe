"""How arrays are written: in the language, so that the text compiles to the same values, and as people write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
from gradc.backends.expression import Printer
from gradc.backends.notation import adjoint_map, extent, shape
from gradc.ir.sizes import parse

HEAD = """input x[n], y[n], X[n, m], A[n, n], idx[q]: int, place[n]: int
input a, b
"""

# What is written, how the language writes it back, and how people would; None where nothing changes.
WRITTEN: list[tuple[str, str | None, str | None]] = [
    ("X[0, 1]", None, None),
    ("x[-1]", None, None),
    ("x[n - 2]", None, None),
    ("x[1:]", None, None),
    ("x[:-1]", None, None),
    ("x[1:n - 1]", "x[1:-1]", "x[1:-1]"),
    ("x[::2]", None, None),
    ("x[::-1]", None, None),
    ("x[3:0:-1]", None, None),
    ("x[0:4:2]", "x[:3:2]", "x[:3:2]"),
    ("X[1:, 0]", None, None),
    ("X[:, 1]", None, None),
    ("X[1]", None, None),
    ("(x + y)[1]", None, None),
    ("x[idx]", None, None),
    ("X[idx]", None, None),
    ("X.T", None, "Xᵀ"),
    ("(X.T @ X) @ X.T", "X.T @ X @ X.T", "Xᵀ @ X @ Xᵀ"),
    ("A @ (A @ x)", None, None),
    ("A @ x + y*2", None, "A @ x + y·2"),
    ("dot(x, y)", None, None),
    ("outer(x, y)", "reshape(x, n, 1)*y", "reshape(x, n, 1)·y"),
    ("sum(X)", None, None),
    ("sum(X, axis=0)", None, None),
    ("max(X, axis=1)", None, None),
    ("min(x)", None, None),
    ("mean(x)", "sum(x)/float(n)", "sum(x)/n"),
    ("softmax(X, axis=1)", None, None),
    ("softmax(x)", None, None),
    ("logsumexp(X, axis=[0, 1])", "logsumexp(X)", "logsumexp(X)"),
    ("cumsum(X, axis=1)", None, None),
    ("sort(x)", None, None),
    ("norm(x - y)", None, None),
    ("reshape(X, m, n)", None, None),
    ("concat(x, y)", None, None),
    ("concat(X, X, axis=1)", None, None),
    ("stack(x, y)", None, None),
    ("[a, b, 2]", None, None),
    ("[[a, b], [1, 2]]", None, None),
    ("pad(x, 1, 2)", None, None),
    ("tril(A)", None, None),
    ("triu(A, 1)", None, None),
    ("diag(A)", None, None),
    ("inv(A)", None, None),
    ("solve(A, x)", None, None),
    ("solve_lower(A, x)", None, None),
    ("cholesky(A)", None, None),
    ("logdet(A)", None, None),
    ("sum(ones(n))", None, None),
    ("sum(full(a + 1, n, m))", None, None),
    ("sum(x[i]*y[i] for i)", None, "∑ᵢ x[i]·y[i]"),
    ("sum(x[i] + y[i] for i)", None, "∑ᵢ (x[i] + y[i])"),
    ("sum(x[i] for i) + a", None, "∑ᵢ(x[i]) + a"),
    ("sum(X[i, j] for i, j if i < j)", None, "∑(X[i, j] for i, j if i < j)"),
    ("sum(x[i + 1] - x[i] for i in 0..n - 1)", None, "∑(x[i + 1] - x[i] for i in 0..n - 1)"),
    ("sum(sum(X[i, j] for j)^2 for i)", None, "∑ᵢ (∑ⱼ(X[i, j]))²"),
    ("sum(x[i] for i)*sum(y[i] for i)", None, "∑ᵢ(x[i])·∑ᵢ(y[i])"),
    ("sum(x[q1] for q1)", None, "∑(x[q1] for q1)"),
    ("max(x[i]*2 for i)", None, "max(x[i]·2 for i)"),
    ("prod(1 + x[i] for i)", None, None),
    ("[x[i]*y[j] for i, j]", None, "[x[i]·y[j] for i, j]"),
    ("[sum(A[i, k]*X[k, j] for k) for i, j]", None, "[∑ₖ A[i, k]·X[k, j] for i, j]"),
    ("[X[i, place[i] - place[i]] for i]", None, None),
    ("jacobian(x, x)", "jacobian(x, x)", "jacobian(x, x)"),
]


def values() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    n, m = 5, 3
    found: dict[str, Any] = {name: rng.uniform(0.5, 2.0, size=n) for name in "xy"}
    found |= {"X": rng.normal(size=(n, m)), "A": rng.normal(size=(n, n)) + 5 * np.eye(n), "idx": [2, 0, 4]}
    return found | {"place": rng.integers(0, n, size=n), "a": 1.5, "b": -0.5}


def compiled(text: str) -> gradc.Model:
    return gradc.compile(f"{HEAD}r = {text}\noutput r")


@pytest.mark.parametrize(("text", "source", "pretty"), WRITTEN, ids=[text for text, _, _ in WRITTEN])
def test_written_back(text: str, source: str | None, pretty: str | None) -> None:
    model = compiled(text)
    node = model.node("r")
    texts = [Printer(model.graph, pretty=each).text(node, through=(node,)) for each in (False, True)]
    assert texts == [source or text, pretty or source or text]
    found = compiled(texts[0])(values())["r"]
    np.testing.assert_array_equal(found, model(values())["r"])


def test_a_table_is_told_by_its_elements() -> None:
    model = gradc.compile("input A[n, m], B[m, p], q[p]: int\nC[i, j] = sum(A[i, k]*B[k, j] for k)\nD = A[q]\n")
    found = {}
    for name in "CD":
        node = model.node(name)
        found[name] = Printer(model.graph, pretty=True).statement(name, node, through=(node,))
    assert found["C"][0] == "C[i, j]"
    assert found["D"] == ("D", "A[q]")


def test_indices_with_names_of_the_program() -> None:
    """An index that a derivative makes is not called as something else is."""
    model = gradc.compile("input x[n]\nk = sum(sort(x)^2)\ng = grad(k, x)\noutput g")
    graph = model.optimized(0)
    text = Printer(graph, atoms=set(graph.inputs)).text(dict(graph.outputs)["g"])
    assert "for k2" in text


def test_a_limit_cuts_long_texts() -> None:
    model = gradc.compile("input x[n]\n" + "y = " + " + ".join(["sum(x[i]*x[i] for i)"] * 500))
    node = model.node("y")
    text = Printer(model.graph, pretty=True).text(node, through=(node,), limit=50)
    assert len(text) == 50
    assert text.endswith("…")


def test_extents() -> None:
    assert extent(parse("2*n^2 + 1"), pretty=True) == "2·n² + 1"
    assert extent(parse("2*n + 1"), pretty=False) == "2*n + 1"
    assert shape([parse("n + 1"), 3]) == "[n + 1, 3]"
    assert shape([parse("n + 1"), parse("m")], {"n": 4}) == "[5, m]"


def test_maps_as_factors() -> None:
    assert adjoint_map("Xᵀ @ ∂r", "r") == "Xᵀ·"
    assert adjoint_map("∂r @ wᵀ", "r") == "·wᵀ"
    assert adjoint_map("sum(∂r, axis=0)", "r") == "sum(∂r, axis=0)"
    assert adjoint_map("∂r @ ∂r", "r") == "∂r @ ∂r"
