"""Programs over arrays that once gave a wrong value, a wrong derivative, a wrong diagnostic or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradc
from gradc.errors import CallError, CompileError

LEVELS = (0, 1, 2, 3)


def same(source: str, due: dict[str, Any], wrt: str = "", **values: Any) -> None:
    """The outputs, or with ``wrt`` the derivatives of L by it, at every level."""
    for level in LEVELS:
        model = gradc.compile(source, level=level)
        found = (model.with_gradients("L", wrt) if wrt else model)(values)
        for name, value in due.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-12, err_msg=f"{name} at -O{level}")


def fails(source: str, code: str, wrt: str = "", **values: Any) -> str:
    """The message of the diagnostic, which every level gives."""
    messages = set()
    for level in LEVELS:
        model = gradc.compile(source, level=level)
        with pytest.raises(CallError) as caught:
            (model.grad("L", wrt) if wrt else model)(values)
        assert caught.value.diagnostics[0].code == code
        messages.add(str(caught.value))
    assert len(messages) == 1
    return messages.pop()


def test_a_sum_over_no_values_is_zero_whatever_is_summed() -> None:
    same("input x[n], c\nL = sum(c for i in 0..n)", {"L": 0.0, "grad(L, c)": 0.0}, "c", x=[], c=np.inf)
    same("input x[n], c\nL = sum(c*x[i] for i)", {"L": 0.0}, x=[], c=np.nan)
    same("input x[n], A[m, m], c\nL = sum(sum(log(c)*A[i, j] for j) for i, k in 0..n)", {"L": 0.0}, x=[], A=[[1]], c=0)


def test_what_no_value_of_an_index_reads_may_fail() -> None:
    same("input x[n], k: int\nL = sum(x[i]*float(1//k) for i)", {"L": 0.0}, x=[], k=0)
    same("input x[n], y[m]\nL = sum(max(y[j] for j) for i in 0..n)", {"L": 0.0}, x=[], y=[])


def test_an_index_out_of_range_is_noticed_by_a_derivative_alone() -> None:
    linear = "input x[n], k[m]: int\nL = sum(x[k[i]] for i)"
    assert "`k[1]` is 5" in fails(linear, "E0611", "x", x=[1, 2, 3], k=[0, 5])
    fails(linear, "E0611", "x", x=[], k=[0])
    text = fails("input x[n]\nL = 2*x[0] + x[5]", "E0611", "x", x=[1, 2, 3])
    assert "2:14" in text
    many = "input x[n]\nL = " + " + ".join(f"x[{i}]" for i in range(12))
    assert "index 3" in fails(many, "E0611", "x", x=[1, 2, 3])
    fails("input A[n, m], k[p]: int\nL = sum(A[k[i], j] for i, j)", "E0611", "A", A=np.ones((2, 2)), k=[0, -1])


def test_derivatives_of_elements_that_do_not_exist_and_are_not_selected() -> None:
    masked = "input x[n], k[m]: int\nL = sum(if k[i] < n then x[k[i]]^2 else 1 for i)"
    same(masked, {"L": 2.0, "grad(L, x)": [2, 0, 0]}, "x", x=[1, 2, 3], k=[0, 5])
    same(masked, {"L": 2.0, "grad(L, x)": []}, "x", x=[], k=[0, 5])
    same("input x[n]\nL = if n > 0 then x[0] else 1", {"L": 1.0, "grad(L, x)": []}, "x", x=[])
    same("input x[n], c\nL = if c > 0 then x[5] else x[0]", {"grad(L, x)": [1, 0]}, "x", x=[1, 2], c=-1)


def test_places_in_an_array_without_elements_are_out_of_range() -> None:
    fails("input v[m], k[m]: int, x[n]\nL = scatter_add(k, v, n)", "E0611", v=[1, 2], k=[0, 1], x=[])


def test_an_output_is_needed_though_what_reads_it_is_not_taken() -> None:
    fails(
        "input a: int, b: int, x[n]\ny = a//b\nz = if b != 0 then y else 0\nL = sum(x)\noutput y, z, L",
        "E0605",
        a=1,
        b=0,
        x=[1],
    )


def test_the_largest_of_none_matters_where_it_is_selected() -> None:
    triangle = "input x[n]\nz[j] = if j > 0 then max(x[i] for i in 0..j) else -1 for j in 0..n"
    same(triangle, {"z": [-1, 5, 5]}, x=[5, 2, 7])
    fails("input x[n]\nz[j] = max(x[i] for i in 0..j) for j in 0..n", "E0612", x=[5, 2, 7])
    same("input x[n]\nL = sum(sum(max(x[k] for k in 0..j) for i in 0..j) for j in 0..n)", {"L": 15.0}, x=[5, 2, 7])


def test_a_sum_to_a_single_number_may_be_written_over() -> None:
    same("input x[n]\nz = sin([0.5 for j in 0..n, k in 0..n] @ x)", {"z": np.sin([1.5, 1.5])}, x=[1, 2])


def test_products_of_nothing_have_derivatives() -> None:
    for source in ("L = prod(x)", "L = 1 + sum(cumprod(x))"):
        for sizes in ({}, {"n": 0}):
            model = gradc.compile(f"input x[n]\n{source}\nH = hessian(L, x)\noutput L, H", sizes=sizes, verify=True)
            found = model(x=np.zeros(0))
            assert found["L"] == 1
            assert found["H"].shape == (0, 0)


# What is not selected, one way or another, in programs and in those of the branches that are taken.
NAMED = [
    # Arrays that are named outside of the branch that reads them.
    ("h = [log(x[i]) for i]\nL = sum(if x[i] > 0 then h[i] else 3 for i)", "L = log(x[1]) + 6"),
    ("h = sqrt(x)\nL = sum(h[i]*log(h[i]) for i if x[i] > 0)", "L = sqrt(x[1])*log(sqrt(x[1]))"),
    ("h = log(x)\nc[i] = x[i] > 0\nL = sum(where(c, h, 0)[::-1])", "L = log(x[1])"),
    ("h = log(x)\nL = sum(where(reshape(x, n, 1) > 0, reshape(h, n, 1), 1))", "L = log(x[1]) + 2"),
    ("h = log(x)\nL = sum(if k == 1 then h[2*k - 1]*x[k] else x[k] for k in 0..n)", "L = x[0] + x[2] + log(x[1])*x[1]"),
    (
        "h[i, j] = log(x[i] - x[j])\nL = sum(h[i, j] for i, j if x[i] > x[j] + 1)",
        "L = log(x[1] - x[2]) + log(x[1] - x[0])",
    ),
    (
        "r[i, j] = sqrt((x[i] - x[j])^2)\nL = sum(1/r[i, j] for i in 0..n, j in 0..i)",
        "L = sum(1/abs(x[i] - x[j]) for i, j in 0..n if i > j)",
    ),
    # What does not depend on an index that the condition decides by, or is not selected at all.
    ("L = sum(if x[i] > 0 and x[j] > 0 then log(x[i])*x[j] else 0 for i, j)", "L = log(x[1])*x[1]"),
    ("s = sqrt(x[0])\nL = x[1] + sum(s*x[i] for i if x[i] > 7)", "L = x[1]"),
    (
        "h = [log(x[i] + j) for i, j in 0..2]\nL = sum(where(x > 0, sum(h, axis=1), 1))",
        "L = log(x[1]) + log(x[1] + 1) + 2",
    ),
    # What combines elements, of which some count.
    ("A = [x[i]/x[0] for i, j in 0..2]\nL = sum(where(x > 7, prod(A, axis=1), x))", "L = sum(x)"),
    ("A = [1/x[i] for i, j in 0..2]\nL = sum(where(x > 1, norm(A, axis=1), 0))", "L = sqrt(2)/x[1]"),
    ("A = [log(x[i]) for i, j in 0..2]\nL = sum(where(x > 1, logsumexp(A, axis=1), 0))", "L = log(2*x[1])"),
    ("A = [log(x[i]) for i, j in 0..2]\nS = softmax(A, axis=1)\nL = sum(S[i, 0]*x[i] for i if i == 1)", "L = x[1]/2"),
    # One condition for whole arrays.
    ("L = sum(if x[0] > 0 then log(x) else 2*x)", "L = sum(2*x)"),
    ("A = zeros(n, n)\nL = sum(if x[0] > 0 then solve(A, log(x)) else 2*x)", "L = sum(2*x)"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "taken"), NAMED)
def test_what_is_not_selected_does_not_poison(source: str, taken: str) -> None:
    ask = "\ng = grad(L, x)\nH = jacobian(g, x)\nf = jvp(L, x, v)\nu = jvp(g, x, v)\nb = grad(f, x)"
    ask += "\noutput L, g, H, f, u, b"
    values = {"x": [0.0, 2.0, -1.0], "v": [1.0, 2.0, 3.0], "at": [1, 1]}
    head = "input x[n], v[n], at[m]: int\n"
    due = gradc.compile(head + taken + ask, level=0)(values)
    for level in (0, 2, 3):
        found = gradc.compile(head + source + ask, level=level, verify=True)(values)
        for name in due:
            np.testing.assert_allclose(found[name], due[name], rtol=1e-9, atol=1e-12, err_msg=f"{name} at -O{level}")


# Elements that nothing reads, and programs that do without them, for x = [0, 2, -1] and at = [1, 1].
UNREAD = [
    ("h = log(x)\nL = h[1]", "L = log(x[1])"),
    ("h = sqrt(x)\nL = sum(h[1:2])*x[0]", "L = sqrt(x[1])*x[0]"),
    ("h = log(x)\nL = sum(h[at]*x[at])", "L = 2*log(x[1])*x[1]"),
    ("h = 1/x\nL = sum(h[::-1][:-1])", "L = 1/x[2] + 1/x[1]"),
    ("h = 1/x\nL = h[1]*h[2] + h[1]", "L = 1/x[1]/x[2] + 1/x[1]"),
    ("h = 1/x\nL = sum(h[i + 1]*h[2*i + 1] for i in 0..n-2)", "L = 1/x[1]^2"),
    ("h = 1/x\nL = h[2] + sum(h[i]*x[i] for i if x[i] > 0)", "L = 1/x[2] + 1"),
    ("h = 1/x\nL = if x[1] > 0 then h[1] else h[0]", "L = 1/x[1]"),
    ("h = 1/x\nL = if x[1] < 0 then h[7] else sum(h[1:])", "L = 1/x[1] + 1/x[2]"),
    ("c = x[0]\nh = [sqrt(c)*x[i] for i]\nL = sum(x) + sum(h[2:n-1])", "L = sum(x)"),
    ("c = x[0]\nh[i] = if i == 0 then sqrt(c) else c for i in 0..n\nL = sum(h[i] for i in 1..n)", "L = 2*x[0]"),
    ("A = [1/(x[i] - x[j]) for i, j]\nL = sum(tril(A, -1))", "L = sum(1/(x[i] - x[j]) for i in 0..n, j in 0..i)"),
    ("A = [1/x[j] for i in 0..2, j]\nL = sum(A[:, 1])", "L = 2/x[1]"),
    ("A = [1/x[j] for i in 0..2, j]\nL = A[at[0], at[1]]", "L = 1/x[1]"),
    ("A = [1/x[j] for i in 0..n, j]\nL = A[1, 1]*trace(A[1:, 1:])", "L = 1/x[1]*(1/x[1] + 1/x[2])"),
    ("A = [log(x[i]*j) for i, j in 1..3]\nL = sum(logsumexp(A, axis=1)[1:2])", "L = log(3*x[1])"),
    ("A = [log(x[i]*j) for i, j in 1..3]\nS = softmax(A, axis=1)\nL = S[1, 0]*x[1]", "L = x[1]/3"),
    ("L = sum(sort(log(x^2))[1:])", "L = log(x[1]^2) + log(x[2]^2)"),
    ("L = cumsum(1/x[::-1])[1]", "L = 1/x[1] + 1/x[2]"),
    (
        "A = [if i < j then log(x[0]) else 1 + i - j for i in 0..2, j in 0..2]\nL = sum(solve_lower(A, x[1:]))",
        "L = x[2] - x[1]",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("source", "read"), UNREAD)
def test_what_nothing_reads_does_not_poison(source: str, read: str) -> None:
    test_what_is_not_selected_does_not_poison(source, read)


def test_single_elements_of_a_computed_array_stay_linear() -> None:
    for count in (200, 400):
        source = "input x[n]\nh = log(x)\nL = " + " + ".join(f"h[{2 * i}]" for i in range(count))
        model = gradc.compile(source).grad("L")
        assert len(model.optimized().data) < 12 * count
    due = np.where(np.arange(900) % 2 | (np.arange(900) >= 800), 0, 1 / np.maximum(np.arange(900), 1e-300))
    due[0] = np.inf
    np.testing.assert_allclose(model(x=np.arange(900.0))["grad(L, x)"], due)


def test_small_arrays_turned_and_empty() -> None:
    same("input x[n]\ny = tanh([x[j]*i for i in 0..n, j].T)\nz = -y", {"z": np.zeros((0, 0))}, x=[])


def test_an_index_that_fails_matters_where_something_is_added() -> None:
    twice = "input k[n]: int, x[n]\nL = sum(if k[i] < n then (if k[k[i]] < n then x[k[k[i]]] else 5) else 7 for i)"
    same(twice, {"L": 13.0, "grad(L, x)": [1, 0, 0]}, "x", k=[0, 7, 1], x=[1, 2, 3])
    fails("input k[n]: int, x[n]\nL = sum(x[k[k[i]]] for i)", "E0611", "x", k=[0, 7, 1], x=[1, 2, 3])
    divided = "input k[n]: int, x[n]\nL = sum(x[6//k[i]] for i if k[i] != 0)"
    same(divided, {"L": 5.0, "grad(L, x)": [0, 1, 1]}, "x", k=[0, 3, 6], x=[1, 2, 3])
    fails(divided.replace(" if k[i] != 0", ""), "E0605", "x", k=[0, 3, 6], x=[1, 2, 3])


def test_a_matrix_of_a_family_fails_by_itself() -> None:
    family = "input T[k, n, n], b[n], c[k]\nL = sum(if c[i] > 0 then {} else c[i] for i)"
    values = {"T": [np.zeros((2, 2)), np.eye(2), np.zeros((2, 2))], "b": [1, 2], "c": [-1, 1, -2]}
    same(family.format("sum(solve(T[i], b))"), {"L": 0.0}, "T", **values)
    same(family.format("logdet(T[i])"), {"L": -3.0}, "T", **values)
    same(family.format("sum(cholesky(T[i]))"), {"L": -1.0}, "T", **values)
    fails("input T[k, n, n], b[n]\nL = sum(sum(solve(T[i], b)) for i)", "E0613", T=values["T"], b=[1, 2])


BIG = 2**62
# Programs over whole numbers, what they give, or the code of what is wrong.
WHOLE: list[tuple[str, list[int], Any]] = [
    ("L = sum(k)", [BIG, BIG], "E0604"),
    ("L = sum(k[i] for i)", [BIG, BIG], "E0604"),
    ("L = sum(k[i] for i if k[i] < 5)", [BIG, BIG, 3], 3),
    ("L = sum(k[i] for i)", [BIG, BIG, -BIG], BIG),
    ("L = sum(if k[i] < 5 then k[i]*k[i] else 1 for i)", [BIG, BIG, 3], 11),
    ("L = sum(k*k)", [BIG, 3], "E0604"),
    ("L = sum(where(k < 5, k*k, 1))", [BIG, BIG, 3], 11),
    ("L = prod(k)", [BIG, 4], "E0604"),
    ("L = prod(k[i] for i if k[i] < 5)", [BIG, 4, 3], 12),
    ("L = sum(10//k[i] for i)", [0, 2, 3], "E0605"),
    ("L = sum(10//k[i] for i if k[i] > 0)", [0, 2, 3], 8),
    ("L = sum(mod(10, k[i]) for i if k[i] != 0)", [0, 2, 3], 1),
    ("L = sum(if k[i] != 0 and 10//k[i] > 3 then 1 else 0 for i)", [0, 2, 3], 1),
    ("L = sum(if k[i] == 0 or 10//k[i] > 3 then 1 else 0 for i)", [0, 2, 3], 2),
    ("L = sum(if 10//k[i] > 3 and k[i] != 0 then 1 else 0 for i)", [0, 2, 3], "E0605"),
    ("L = cumsum(k)", [BIG, BIG], "E0604"),
    ("L = cumsum(k)", [BIG, -BIG, 3], [BIG, 0, 3]),
    ("L = max(k[i] for i if k[i] > 5)", [0, 2, 3], "E0612"),
    ("L = sum(if k[i] > 2 then max(k[j] for j if k[j] < k[i]) else 0 for i)", [0, 2, 3], 2),
]


@pytest.mark.parametrize(("source", "k", "due"), WHOLE)
def test_whole_numbers(source: str, k: list[int], due: Any) -> None:
    text = f"input k[n]: int\n{source}"
    if isinstance(due, str):
        fails(text, due, k=k)
    else:
        same(text, {"L": due}, k=k)


def test_a_condition_that_multiplies_stands_for_its_numbers() -> None:
    text = (
        "input x[n]\nc = where(x > 0, 1, 0)\nq = c*c\nr = 3*c\ns = c + c\nt = c*x\nu = sum(c*x*x)\noutput q, r, s, t, u"
    )
    for dtype in ("f64", "f32"):
        found = gradc.compile(text, dtype=dtype)(x=[1.0, -2.0, 3.0])
        assert found["q"].tolist() == [1, 0, 1]
        assert found["r"].tolist() == [3, 0, 3]
        assert found["s"].tolist() == [2, 0, 2]
        assert found["t"].tolist() == [1, 0, 3]
        assert found["u"] == 10
        assert found["r"].dtype == {"f64": np.float64, "f32": np.float32}[dtype]


def test_sizes_of_a_graph_that_is_compiled_already(tmp_path: Path) -> None:
    source = (
        "input X[n, d], v[n//d], k: int = 1\nparam w[d]\nL = sum((X @ w)^2)/n + sum(X[i + k, 0] for i in 0..n-k) + d"
    )
    source += "\ng = grad(L, w)\ns = sum(X[3:]) + sum(v)\noutput L, g, s"
    model = gradc.compile(source)
    path = tmp_path / "model.gir"
    model.save(path)
    values = {"X": np.arange(14.0).reshape(7, 2), "w": [1, 2], "v": [1, 2, 3]}
    due = model(values)
    for sizes in ({"n": 7}, {"d": 2}, {"k": 1}, {"n": 7, "d": 2, "k": 1}):
        found = gradc.load(path, sizes=sizes, verify=True)
        for name, value in found(values).items():
            np.testing.assert_allclose(value, due[name])
        assert str(found._inputs.types[0].shape[0]) == str(sizes.get("n", "n"))
    for sizes, text in (
        ({"n": 2}, "`n >= 3` does not hold"),
        ({"m": 2}, "the program has no size `m`"),
        ({"d": 0}, "divided by zero"),
        ({"n": 2**70}, "63 bits"),
    ):
        with pytest.raises(CompileError, match=text) as caught:
            gradc.load(path, sizes=sizes)
        assert caught.value.diagnostics[0].code == "E0312"
    with pytest.raises(CallError, match="k must be 2, and is 1"):
        gradc.load(path, sizes={"k": 2})(values)
    with pytest.raises(CallError, match="compiled for n = 6"):
        gradc.load(path, sizes={"n": 6})(values)


def test_sizes_that_become_equal_make_equal_nodes(tmp_path: Path) -> None:
    model = gradc.compile("input x[n], y[m]\nL = sum(x)/n + sum(y)/m")
    path = tmp_path / "model.gir"
    model.save(path)
    assert gradc.load(path, sizes={"n": 2, "m": 2}, verify=True)(x=[1, 2], y=[3, 5]) == {"L": 5.5}


def test_explanations_keep_to_the_memory_that_they_may_take() -> None:
    model = gradc.compile("input x[n] = 1\nparam w = 2\nL = sum(w*exp(x[i] + x[j]) for i, j)", max_memory=10_000)
    with pytest.raises(CallError) as caught:
        model.explain("L", "w", {"x": np.ones(1000)})
    assert caught.value.diagnostics[0].code == fails_memory(model)


def fails_memory(model: gradc.Model) -> str:
    """The code of a run that would take too much memory."""
    with pytest.raises(CallError) as caught:
        model(x=np.ones(1000))
    return caught.value.diagnostics[0].code


def test_formulas_do_without_what_only_says_what_is_read() -> None:
    model = gradc.compile("param x[n] = [0, 1, 4]\nh = sqrt(x)\nL = sum(h[1:])")
    found = model.explain("L", "x")
    assert found.formula == "pad(ones(n - 1), 1, 0)/(2·√(x))"
    assert found.agrees
    np.testing.assert_array_equal(found.sum, [0, 0.5, 0.25])


def test_a_diagram_shows_the_derivative_by_an_element() -> None:
    source = "input X[n, d] = [[1, 2], [3, 4]], y[n] = [1, 2]\nparam W[d, d] = [[1, 2], [3, 4]]\n"
    source += "L = sum(((X @ W)[:, 0] - y)^2)"
    model = gradc.compile(source)
    element = model.grad("L")()["grad(L, W)"][1, 0]
    for asked, shown in (("W[1, 0]", f"∂L/∂W[1, 0] = {element:.4g}"), ("W[1]", f"∂L/∂W[1] = [{element:.4g}, 0]")):
        assert shown in str(model.dot(wrt=asked)), asked
    assert "∂L/∂W[1, 0]<" in str(gradc.compile(source.replace(" = [[1, 2], [3, 4]], y", ", y")).dot(wrt="W[1, 0]"))
    for asked, code in (("W[2, 0]", "E0611"), ("W[0, 0, 0]", "E0611"), ("Q[0]", "E0608")):
        with pytest.raises(CallError) as caught:
            model.dot(wrt=asked)
        assert caught.value.diagnostics[0].code == code
