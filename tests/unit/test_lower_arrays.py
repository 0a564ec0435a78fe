"""Lowering of arrays: shapes, what sizes have to meet, ranges, subscripts, weak integers, given sizes, trial runs.

The texts of the diagnostics stand in tests/errors; here it is which programs are refused at all, and with what code.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from types import MappingProxyType

import numpy
import pytest

import gradc
from gradc.ir.graph import Graph
from gradc.ir.verify import verify
from gradc.syntax.arrays import FUNCTIONS

DECLARED = """
input x[n], X[n, m], Y[m, 3], u[3], c, idx[k]: int, mask[n]: bool, s: int
param A[2, 2] = [[1, 2], [3, 4]], w[m]
"""

NO_SIZES: Mapping[str, int] = MappingProxyType({})


def graph(text: str, sizes: Mapping[str, int] = NO_SIZES) -> Graph:
    """The graph as written, which is valid."""
    return verify(gradc.compile(text, sizes=dict(sizes)).graph)


def shape(expression: str) -> str:
    """The type of an expression over what is declared above."""
    found = graph(f"{DECLARED}result = {expression}\noutput result")
    return str(found.type(found.output("result"))).removeprefix("f64")


def needs(text: str) -> set[str]:
    return {f"{c.left} {c.relation} {c.right}" for c in graph(text).constraints}


def codes(text: str, sizes: Mapping[str, int] = NO_SIZES) -> list[str]:
    try:
        graph(text, sizes)
    except gradc.CompileError as error:
        return [each.code for each in error.diagnostics]
    return []


# Shapes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # Operators.
        ("x + 1", "[n]"),
        ("X*w", "[n, m]"),
        ("X + x[0]", "[n, m]"),
        ("X > 0", "bool[n, m]"),
        ("if c > 0 then x else 2*x", "[n]"),
        ("where(mask, x, 0)", "[n]"),
        ("X @ w", "[n]"),
        ("X @ Y", "[n, 3]"),
        ("w @ Y", "[3]"),
        ("w @ w", ""),
        ("X.T", "[m, n]"),
        ("x.T", "[n]"),
        ("idx // 2", "int[k]"),
        ("idx + [1]", "int[k]"),
        ("idx/2", "[k]"),
        ("n + m", "int"),
        ("x*n", "[n]"),
        # Literals.
        ("[1, 2, 3]", "[3]"),
        ("[[1, 2], [3, 4]]", "[2, 2]"),
        ("[x, 2*x]", "[2, n]"),
        ("[s, 1]", "int[2]"),
        ("[s, 1.0]", "[2]"),
        ("[c > 0, c < 1]", "bool[2]"),
        # Subscripts.
        ("x[0]", ""),
        ("x[-1]", ""),
        ("x[s]", ""),
        ("X[0]", "[m]"),
        ("X[0, 1]", ""),
        ("X[:, 0]", "[n]"),
        ("x[1:]", "[n - 1]"),
        ("x[:-1]", "[n - 1]"),
        ("x[-2:]", "[2]"),
        ("x[::2]", "[(n + 1)//2]"),
        ("x[::-1]", "[n]"),
        ("x[n - 1:0:-1]", "[n - 1]"),
        ("u[0:2]", "[2]"),
        ("x[idx]", "[k]"),
        ("X[idx]", "[k, m]"),
        ("X[:, idx]", "[n, k]"),
        ("X[1:, idx]", "[n - 1, k]"),
        ("X[idx, idx]", "[k]"),
        ("X[0, idx]", "[k]"),
        ("X[idx, :]", "[k, m]"),
        ("u[[0, 2]]", "[2]"),
        ("u[[[0, 2], [1, 1]]]", "[2, 2]"),
        ("idx[0]", "int"),
        # Comprehensions.
        ("[x[i]^2 for i]", "[n]"),
        ("[X[i, j] for j, i]", "[m, n]"),
        ("[X[i] for i]", "[n, m]"),
        ("[i for i in 2..n + 2]", "int[n]"),
        ("[x[i] + x[i + 1] for i in 0..n - 1]", "[n - 1]"),
        ("[X.T[i, j] for i, j]", "[m, n]"),
        ("[X[i][j] for i, j]", "[n, m]"),
        ("[X[i, 1:][j] for i, j]", "[n, m - 1]"),
        ("[(2*X)[i, 0]*pi for i]", "[n]"),
        ("[[x[t]^2 for t][j] for j]", "[n]"),
        ("[x[idx[p]] for p]", "[k]"),
        ("[sum(X[i, j]*w[j] for j) for i]", "[n]"),
        ("[X[i, :] @ w for i]", "[n]"),
        ("[mask[i] for i]", "bool[n]"),
        ("sum(x[i] for i)", ""),
        ("sum(X[i] for i)", "[m]"),
        ("sum([x[i] for i])", ""),
        ("max(X[i, j] for i, j if mask[i])", ""),
        ("any(mask[i] for i)", "bool"),
        ("sum(idx[p] for p)", "int"),
        ("sum(x[i]*x[j] for i, j in 0..i)", ""),
        ("sum(1 for i if mask[i])", ""),
        # Functions.
        ("sum(X)", ""),
        ("sum(X, axis=0)", "[m]"),
        ("sum(X, axis=-1)", "[n]"),
        ("sum(X, axis=[0, 1])", ""),
        ("sum(idx)", "int"),
        ("max(idx)", "int"),
        ("max(x, 0)", "[n]"),
        ("any(mask)", "bool"),
        ("argmax(X, axis=1)", "int[n]"),
        ("softmax(X, axis=1)", "[n, m]"),
        ("cumsum(idx)", "int[k]"),
        ("sort(X)", "[n, m]"),
        ("outer(x, w)", "[n, m]"),
        ("diag(w)", "[m, m]"),
        ("diag(A)", "[2]"),
        ("tril(X)", "[n, m]"),
        ("solve(A, [1, 2])", "[2]"),
        ("solve(A, A)", "[2, 2]"),
        ("eigvalsh(A)", "[2]"),
        ("svdvals([[1, 2, 3], [4, 5, 6]])", "[2]"),
        ("reshape(X, m, n)", "[m, n]"),
        ("reshape(X, n*m)", "[m*n]"),
        ("flatten(X)", "[m*n]"),
        ("concat(x, w)", "[m + n]"),
        ("concat(X, X, axis=1)", "[n, 2*m]"),
        ("concat(idx, [1, 2])", "int[k + 2]"),
        ("stack(x, x, axis=1)", "[n, 2]"),
        ("pad(x, 1, 2)", "[n + 3]"),
        ("pad(X, 1, axis=0)", "[n + 2, m]"),
        ("repeat(X, 3, axis=1)", "[n, 3*m]"),
        ("zeros(n, 2*m)", "[n, 2*m]"),
        ("full(c, 2)", "[2]"),
        ("eye(n)", "[n, n]"),
        ("arange(n)", "int[n]"),
        ("arange(1, n + 1)", "int[n]"),
        ("linspace(0, 1, n)", "[n]"),
        ("scatter_add(idx, [1.0, 2.0], n)", "[n]"),
        # Derivatives.
        ("grad(sum(X @ w), w)", "[m]"),
        ("grad(sum(A), A[0])", "[2]"),
        ("grad(sum(w^2), w[1:])", "[m - 1]"),
        ("grad(sum(A), A[s, 1])", ""),
        ("jacobian(X @ w, w)", "[n, m]"),
        ("jacobian(A @ A, A)", "[2, 2, 2, 2]"),
        ("hessian(sum(w^2), w)", "[m, m]"),
        ("hessian(sum(w)*sum(A), w, A)", "[m, 2, 2]"),
        ("hessian(sum(w)*sum(A), w[0], A)", "[2, 2]"),
        ("jvp(X @ w, w, w)", "[n]"),
        ("jvp(X @ w, w, 1)", "[n]"),
        ("vjp(X @ w, w, x)", "[m]"),
    ],
)
def test_shape(expression: str, expected: str) -> None:
    assert shape(expression) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input x[n], y[m]\nz = x + y", {"n == m"}),
        ("input X[n, 3], y[m]\nz = X + y", {"3 == m"}),
        ("input X[n, m], Y[k, l]\nz = X @ Y", {"m == k"}),
        ("input A[n, m]\nz = det(A)", {"n == m"}),
        ("input x[n]\nz = x[1:]", {"n >= 1"}),
        ("input x[n]\nz = x[2:n - 1]", {"n - 1 >= 2"}),
        ("input x[n], k: int\nz = x[:k]", {"n >= k", "k >= 0"}),
        ("input x[n], y[m]\nz = sum(x[i]*y[i] for i)", {"n == m"}),
        ("input x[n], y[m]\nz = sum(x[i]*y[i] for i in 0..n)", set()),
        ("input x[n]\nz = [x[i] + x[i + 1] for i in 0..n - 1]", {"n - 1 >= 0"}),
        ("input x[n]\nz = mean(x)", set()),
        ("input x[n]\nz = jvp(sum(x), x, [1, 2])", {"n == 2"}),
        ("input x[n], y[m]\nz = vjp(2*x, x, y)", {"n == m"}),
        ("input x[n]\nz = sum(x) + prod(x)", set()),
        ("input x[n], y[n + 1]\nz = x + y[1:]", set()),
        ("input x[n], m: int\nz = reshape(x, m, 2)", {"n == 2*m", "m >= 0"}),
        ("input n: int, x[n - 1]\nz = sum(x)", {"n - 1 >= 0", "n >= 0"}),
        # What indices bound by others leave out needs nothing: there may be no elements at all.
        ("input x[n]\nz = sum(x[i]*x[j] for i, j in 0..i)", set()),
        ("input x[n]\nz = sum(x[i]*x[j] for i, j in i + 1..n)", set()),
        ("input x[n]\nz = sum(x[i]*x[j] for i, j in i + 3..n)", set()),
    ],
)
def test_what_sizes_have_to_meet(text: str, expected: set[str]) -> None:
    assert needs(text) == expected


@pytest.mark.parametrize("text", ["0..i", "i + 1..n", "i + 3..n"])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_triangular_ranges(text: str, count: int) -> None:
    x = numpy.arange(1.0, count + 1)
    found = gradc.compile(f"input x[n]\nz = sum(x[i]/x[j] for i, j in {text})")(x=x)["z"]
    bounds = {"0..i": lambda i: range(i), "i + 1..n": lambda i: range(i + 1, count)}
    inner = bounds.get(text, lambda i: range(i + 3, count))
    assert found == pytest.approx(sum(x[i] / x[j] for i in range(count) for j in inner(i)))


# Names and subscripts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "d[i] = if i > 0 then x[i] - x[i - 1] else x[i]",
        "d = [where(i < n - 1, x[i + 1 - 1 + i // n], x[i]) for i]",
        "d = [where(i > 0, x[i - 1], x[i]) for i]",
        "d = sum(x[i + 1] - x[i] for i if i < n - 1)",
        "d = sum(1 for i if i > 0 and x[i - 1] > x[i])",
        "d = sum(x[j]*x[i] for i, j in 0..i)",
        "d = if n > 3 then sum(x[i + 1] - x[i] for i) else 0",
        "d = [x[n - 1 - i] + x[i] for i]",
    ],
)
def test_indices_of_elements_that_are_not_selected_may_leave_their_axis(text: str) -> None:
    assert codes(f"input x[n]\n{text}") == []


@pytest.mark.parametrize(
    "text",
    [
        "[x[i] + x[i + 1] for i]",
        "sum(x[i]*x[i - 1] for i)",
        "x[n]",
        "[x[n - i]*x[i] for i]",
        "[x[i]*x[2*n + 1 - i] for i]",
    ],
)
def test_indices_that_leave_their_axis_surely_are_refused(text: str) -> None:
    assert codes(f"input x[n]\ny = {text}") == ["E0310"]


def test_whole_literals_are_integers_where_these_are_asked_for() -> None:
    model = gradc.compile(
        "input x[n]\nplaces = [2, 0]\na = x[places]\nb = x[[[0, 1], [2, 2]][1]]\nc = x[[1 for i in 0..2]]\n"
        "d = places/4\noutput a, b, c, d"
    )
    found = model(x=[5.0, 6.0, 7.0])
    assert {name: value.tolist() for name, value in found.items()} == {
        "a": [7.0, 5.0],
        "b": [7.0, 7.0],
        "c": [6.0, 6.0],
        "d": [0.5, 0.0],
    }


def test_gathers_put_the_axes_of_the_indices_in_place() -> None:
    data = numpy.arange(24.0).reshape(2, 3, 4)
    model = gradc.compile("input T[a, b, c], p[k], q[k]\nx = T[:, p]\ny = T[:, p, q]\nz = T[1, :, q]\nw = T[p, 1:]")
    p, q = [1, 0, 1], [2, 0, 0]
    found = model(T=data, p=p, q=q)
    assert numpy.array_equal(found["x"], data[:, p])
    assert numpy.array_equal(found["y"], data[:, p, q])
    # NumPy would put the axis of q in front here, since 1 counts as an array of indices too.
    assert numpy.array_equal(found["z"], data[1][:, q])
    assert numpy.array_equal(found["w"], data[p, 1:])


def test_what_is_indexed_is_computed_once() -> None:
    found = graph("input x[n]\ny = [softmax(x)[i]*i for i]\nz = [[x[t]^2 for t][j] for j]")
    assert [found.op(node) for node in found].count("softmax") == 1
    assert [found.op(node) for node in found].count("pow") == 1


def test_ranges_of_nested_arrays_are_read_in_linear_time() -> None:
    text = "[x[i0]^2 for i0]"
    for depth in range(1, 30):
        text = f"[{text}[i{depth}] for i{depth}]"
    assert len(graph(f"input x[n]\ny = {text}")) < 150


# Built-in functions --------------------------------------------------------------------------------------------------

ARGUMENTS = ("c", "2", "-1", "1.5", "n", "s", "x", "X", "A", "u", "idx", "mask", "[1, 2]", "[[1, 2], [3, 4]]", "c > 0")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_refuses_in_words_what_it_does_not_take(name: str) -> None:
    low, high = FUNCTIONS[name].arity
    options = ["", ", axis=0", ", axis=-1", ", axis=[0, 1]"] if FUNCTIONS[name].options else [""]
    accepted = 0
    for count in {low, high or low + 1}:
        every = itertools.product(ARGUMENTS, repeat=count)
        for values in itertools.islice(every, 0, None, 1 if count < 2 else 2 if count < 3 else 13):
            for option in options:
                found = codes(f"{DECLARED}result = {name}({', '.join(values)}{option})")
                assert len(found) <= 1
                accepted += not found
    assert accepted


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_error_in_an_argument_makes_no_other(name: str) -> None:
    low, high = FUNCTIONS[name].arity
    for count in range(max(low, 1), (high or low + 1) + 1):
        for at in range(count):
            arguments = ["unknown" if each == at else "2" for each in range(count)]
            assert codes(f"{DECLARED}result = {name}({', '.join(arguments)})") == ["E0201"]


@pytest.mark.parametrize(
    "text",
    [
        "y = unknown[0]",
        "y = x[unknown]",
        "y = x[unknown:]",
        "y = X[0, unknown]",
        "y = unknown.T",
        "y = unknown @ x",
        "y = x @ unknown",
        "y = [unknown, x, 1]",
        "y = [x[i]*unknown for i]",
        "y = [unknown[i] for i]",
        "y = [unknown[2*i] for i]",
        "y = sum(x[i] for i if unknown)",
        "y = sum(x[i] for i in 0..unknown)",
        "y = sum(sum(unknown[i, j] for j) for i)",
        "y[i] = unknown[i] + x[i]",
        "z = unknown\ny = [z[i] for i]\nv = z[0] + sum(z) + z.T @ z",
        "y = grad(sum(unknown*w), w[0])",
        "y = jacobian(unknown, w)",
    ],
)
def test_an_error_makes_no_other(text: str) -> None:
    assert codes(DECLARED + text) == ["E0201"]


def test_a_declaration_in_error_makes_no_other() -> None:
    assert codes("input x[n + 1], y: strange, z[1.5]\na = sum(x) + x[0] + y[0] + sum(z[i] for i)") == [
        "E0312",
        "E0308",
        "E0312",
    ]


# Functions of the program --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        "fn f(v) = sum(v^2)",
        "fn f(v) = max(v)",
        "fn f(v, k) = v[k:]",
        "fn f(A, b) = A.T @ b",
        "fn f(v) = [v[i]*i for i]",
        "fn f(v, i) = v[i, 0]",
        "fn f(v) = grad(sum(v), v[0])",
        "fn f(v) = jacobian(2*v, v)",
        "fn f(v) { y[i] = v[i]^2 for i in 0..n\nreturn sum(y) }",
        "fn f(v) = reshape(v, n, 1)",
        "fn f(v) = x[1:n] @ v",
        "fn f(v) = zeros(n) + v",
        "fn f(v) = concat(v, x)",
        "fn f(v) = scatter_add(v, x, n)",
    ],
)
def test_a_function_that_nothing_calls_may_take_arrays(function: str) -> None:
    assert codes(f"input x[n]\n{function}\ny = x") == []


def test_errors_of_a_function_that_nothing_calls_are_found_inside_of_comprehensions() -> None:
    assert codes("fn f(v) = sum(v[i]*nothing for i)\ny = 1") == ["E0201"]


def test_calls_with_the_same_array_share_their_nodes() -> None:
    found = graph("fn f(v) = sum(exp(v))\ninput x[n]\ny = f(x) + f(x)\nz = [f(x)*x[i] for i]")
    assert [found.op(node) for node in found].count("exp") == 1


@pytest.mark.parametrize(
    ("function", "value", "slope"),
    [
        ("fn f(t) = t^2 + 3\nderivative f(t) = 5*t", lambda x: x**2 + 3, lambda x: 5 * x),
        ("fn f(t) = t^2 + n\nderivative f(t) = n*t", lambda x: x**2 + len(x), lambda x: len(x) * x),
        ("fn f(t) = sum(t^i for i in 0..3)\nderivative f(t) = t", lambda x: 1 + x + x**2, lambda x: x),
        ("fn f(t) = sum([1, 2]*t)\nderivative f(t) = max([t, 2])", lambda x: 3 * x, lambda x: numpy.maximum(x, 2)),
        ("fn c(t) = t^3\nfn f(t) = t\nderivative f(t) = grad(c(t), t)", lambda x: x, lambda x: 3 * x**2),
    ],
)
def test_functions_with_a_derivative_act_on_elements(function: str, value, slope) -> None:  # type: ignore[no-untyped-def]
    x = numpy.array([1.0, 2.0, 4.0])
    model = gradc.compile(
        f"input x[n], X[2, n]\n{function}\ny = f(x)\ng = grad(sum(f(x)), x)\nY = f(X)\noutput y, g, Y"
    )
    found = model(x=x, X=numpy.array([x, 2 * x]))
    assert numpy.allclose(found["y"], value(x))
    assert numpy.allclose(found["g"], slope(x))
    assert found["Y"].shape == (2, 3)


# Sizes ---------------------------------------------------------------------------------------------------------------


def test_sizes_that_are_given_are_numbers() -> None:
    found = graph("input x[n], y[n + m], z[m]\nr = sum(x)*n\nt = zeros(n + m)\noutput r, t, n", {"n": 4})
    assert [str(found.type(node)) for node in found.inputs] == ["f64[4]", "f64[m + 4]", "f64[m]"]
    assert str(found.type(found.output("t"))) == "f64[m + 4]"
    assert found.constant(found.through_names(found.output("n"))) == 4


def test_an_integer_input_that_is_a_size_can_be_given() -> None:
    text = "input n: int, x[n]\ny = sum(x) + sum(ones(n))*n"
    assert needs(text) == {"n >= 0"}
    model = gradc.compile(text, sizes={"n": 2})
    assert model(n=2, x=[1.0, 2.0]) == {"y": 7.0}
    with pytest.raises(gradc.CallError):
        model(n=3, x=[1.0, 2.0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"m": 3}, "the program has no size `m`"),
        ({"x": 3}, "the program has no size `x`"),
    ],
)
def test_sizes_that_cannot_be(given: Mapping[str, int], message: str) -> None:
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile("input x[n]\ny = sum(x)", sizes=dict(given))
    assert [(each.code, each.message) for each in caught.value.diagnostics] == [("E0312", message)]


def test_a_size_may_be_any_integer_of_python() -> None:
    found = graph("input x[n]\ny = 2*x", {"n": numpy.int64(3)})
    assert str(found.type(found.output("y"))) == "f64[3]"


def test_sizes_are_those_of_the_program_not_of_the_files_it_uses(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "used.grad").write_text("fn f(x) = sum(x)\n")
    (tmp_path / "main.grad").write_text('use "used.grad"\ninput x[n]\ny = f(x)\n')
    assert gradc.load(tmp_path / "main.grad", sizes={"n": 2})(x=[1.0, 2.0]) == {"y": 3.0}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("input x[n], k\ny = x[k]", "int"),
        ("input x[n], k\ny = sum(x[i] for i in 0..k)", "int"),
        ("input x[n], k\ny[i] = x[i] for i in 0..k", "int"),
        ("input x[n], k\nfn f(v) = v[k]\ny = f(x)", "int"),
        ("input x[n], k\nfn f(k) = x[k]\ny = f(0)*k", "f64"),
        ("fn f(v) = sum(v[k] for k)\ninput x[n], k\ny = f(x)*k", "f64"),
        ("fn f(v) { k[i] = 0*i for i in 0..2\nreturn v[k] }\ninput x[n], k\ny = f(x)*k", "f64"),
        ("input x[n], k\ny = x[k + 1 - 1]", "E0310"),
    ],
)
def test_inputs_that_stand_as_an_index_are_integers(text: str, kind: str) -> None:
    if kind.startswith("E"):
        assert codes(text) == [kind]
        return
    found = graph(text)
    assert [found.type(node).dtype for node in found.inputs if found.name(node) == "k"] == [kind]


def test_an_extent_beyond_the_limits_is_refused() -> None:
    factors = ["*".join(f"(a{i} + {k})" for i in range(6)) for k in range(1, 4)]
    text = "input " + ", ".join(f"x{i}[a{i}]" for i in range(6)) + f"\ny = flatten(zeros({', '.join(factors)}))"
    assert codes(text) == ["E0312"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x[n] = [1, 2]", []),
        ("x[n] = 3", []),
        ("x[n, m] = [[1, 2], [3, 4], [5, 6]]", []),
        ("x[2] = [1, 2, 3]", ["E0309"]),
        ("x[n] = [[1, 2]]", ["E0309"]),
        ("x[n, m] = [1, 2]", ["E0309"]),
        ("x[n, n] = [[1, 2]]", ["E0309"]),
        ("x[n, m] = [[1, 2], [3]]", ["E0309"]),
        ("x[n]: int = [1, 2]", []),
        ("x[n]: int = [1, 2.5]", ["E0303"]),
        ("x[n]: bool = [1 < 2, 2 < 1]", []),
        ("x[n] = [1 < 2]", ["E0303"]),
        ("x[n] = [pi, -e, sqrt(2)]", []),
        ("x[n] = [1, n]", ["E0307"]),
        ("x = [1, 2]", ["E0303"]),
    ],
)
def test_defaults_of_arrays(text: str, expected: list[str]) -> None:
    assert codes(f"input {text}\ny = x") == expected


# Anything ------------------------------------------------------------------------------------------------------------

PREAMBLE = """input x[n], X[n, m], k: int, idx[p], m9[n]: bool
param A[2, 2] = [[1, 2], [3, 4]], b = 2
s = sum(x)
fn f(v) = sum(v^2)
fn g(v) = [v[i]*2 for i]
fn h(v) = grad(f(v), v)
fn d(t) = t^2
derivative d(t) = 2*t
"""
LEAVES = ("x", "X", "A", "b", "k", "idx", "m9", "2", "0", "1.5", "n", "-1", "q", "[1, 2]", "[[1, 2], [3, 4]]", "s")


def anything(r: random.Random, depth: int, indices: tuple[str, ...]) -> str:
    """An expression in which nothing need fit."""

    def part(bound: tuple[str, ...] = indices) -> str:
        return anything(r, depth - 1, bound)

    if depth == 0 or r.random() < 0.15:
        return r.choice([*LEAVES, *indices * 4])
    kind = r.randrange(9)
    if kind == 0:
        return f"({part()} {r.choice(['+', '*', '/', '^', '@', '<', '==', 'and', '//', '%'])} {part()})"
    if kind == 1:
        name = r.choice(list(FUNCTIONS))
        option = r.choice(["", "", ", axis=0", ", axis=-1", ", axis=[0, 1]"])
        return f"{name}({', '.join(part() for _ in range(FUNCTIONS[name].arity[0]))}{option})"
    if kind == 2:
        fresh = [name for name in "ijlt" if name not in indices][: r.choice([1, 1, 2])] or ["i"]
        inner = (*indices, *fresh)
        ranges = [r.choice(["", f" in 0..{r.choice(['n', '2', 'n - 1', *inner])}"]) for _ in fresh]
        clause = ", ".join(name + given for name, given in zip(fresh, ranges, strict=True))
        condition = f" if {part(inner)} < {part(inner)}" if r.random() < 0.2 else ""
        body = f"{part(inner)} for {clause}{condition}"
        return r.choice([f"{r.choice(['sum', 'max', 'mean', 'any'])}({body})", f"[{body}]"])
    if kind in (3, 4):
        slices = f"{r.choice(['', '1', '-1', 'k'])}:{r.choice(['', '2', 'n', '-1'])}{r.choice(['', ':2', ':-1'])}"
        items = [r.choice([part(), slices, *indices]) for _ in range(r.choice([1, 1, 2]))]
        return f"{r.choice(['x', 'X', 'A', part()])}[{', '.join(items)}]"
    if kind == 5:
        return f"(if {part()} < {part()} then {part()} else {part()})"
    if kind == 6:
        return f"[{', '.join(part() for _ in range(r.choice([1, 2, 3])))}]"
    if kind == 7:
        return f"{r.choice(['f', 'g', 'h', 'd', 'exp', 'abs', 'float'])}({part()})"
    target = r.choice(["x", "X", "b", "x[0]", "X[k]", "X[:, 0]", "A"])
    return f"{r.choice(['grad', 'jacobian', 'hessian'])}({part()}, {target})"


@pytest.mark.parametrize("seed", range(20))
def test_any_program_is_lowered_or_refused(seed: int) -> None:
    r = random.Random(seed)
    for _ in range(25):
        text = f"{PREAMBLE}{r.choice(['w = ', 'w[i] = ', 'fn w(x, i) = '])}{anything(r, 4, ())}\n"
        sizes = r.choice([NO_SIZES, {"n": 3}])
        if codes(text, sizes):
            continue
        found = graph(text, sizes)
        # Nothing that failed silently: every name has a value of its own.
        assert all(found.op(node) in ("name", "input", "size", "const") for node in found.names.values()), text
