"""Derivatives of whole programs: reverse against forward mode, complex steps, differences and 50 digits; large and deep
programs; problems of the literature.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradc
from gradc.ir.graph import Graph
from gradc.limits import Limits
from gradc.ops import TABLE

EPS = 2.0**-52


def evaluate(
    graph: Graph, values: dict[str, Any], compute: Callable[..., Any], constant: Callable[[Any], Any]
) -> dict[str, Any]:
    """The outputs of a graph, with ``compute(row, *operands)`` for each operator."""
    found: dict[int, Any] = {}
    for node, data in graph.data.items():
        if data["op"] == "const":
            value = data["attrs"]["value"]
            found[node] = constant(value) if data["type"].real else value
        elif data["op"] == "input":
            found[node] = values[data["name"]]
        else:
            found[node] = compute(graph.ops[data["op"]], *[found[operand] for operand in data["operands"]])
    return {name: found[node] for name, node in graph.outputs}


def in_complex(graph: Graph, values: dict[str, complex]) -> dict[str, complex]:
    return evaluate(graph, values, lambda row, *a: (row.complex or row.scalar)(*a), complex)


def precisely(graph: Graph, values: dict[str, Any]) -> dict[str, Any]:
    return evaluate(graph, values, lambda row, *a: row.precise(mpmath.mp, *a), mpmath.mpf)


# Random programs -----------------------------------------------------------------------------------------------------

PIECEWISE = {"abs", "min", "max", "clip", "relu", "mod", "sign", "floor", "ceil", "round", "floordiv"}


def _smooth(name: str) -> bool:
    row = TABLE[name]
    return (
        row.kind == "elementwise"
        and bool(row.functions or row.symbol)
        and name not in ("select", "float", "stop_gradient", "not", "and", "or", "polygamma")
        and all(how != "none" for how in row.dependence)
        and bool(row.gradient or row.partials)
    )


SMOOTH = sorted(name for name in TABLE if _smooth(name))
ANALYTIC = [name for name in SMOOTH if name not in PIECEWISE]


@st.composite
def programs(draw: st.DrawFn, ops: Sequence[str] = tuple(ANALYTIC)) -> tuple[str, dict[str, float]]:
    """A smooth program of x, z and w with functions and names, and a point; operands stay in their domains."""
    values = {name: draw(st.integers(-40, 40)) / 16 + 0.03 for name in "xzw"}
    lines = ["input x, z, w"]
    atoms = ["x", "z", "w"]
    functions: list[str] = []

    def number() -> str:
        return draw(st.sampled_from(["1", "2", "0.5", "1.7", "-3"]))

    def fitted(text: str, low: float, high: float) -> str:
        # Smooth, and well inside the interval.
        return f"({(low + high) / 2:.6g} + {(high - low) * 0.4:.6g}*sin({text}))"

    def term(names: list[str], depth: int) -> str:
        form = draw(st.integers(0, 6 if depth else 1))
        if form <= 1:
            return draw(st.sampled_from(names)) if form == 0 or depth else number()
        if form == 2 and functions:
            f = draw(st.sampled_from(functions))
            return f"{f}({term(names, depth - 1)}, {term(names, depth - 1)})"
        if form == 3:
            return f"({term(names, depth - 1)} {draw(st.sampled_from('+-*'))} {term(names, depth - 1)})"
        if form == 4:
            exponent = draw(st.sampled_from(["2", "3", "(-1)", "0.5", "1.5", "4"]))
            return f"{fitted(term(names, depth - 1), 0.3, 2)}^{exponent}"
        row = TABLE[draw(st.sampled_from(list(ops)))]
        count = max(row.arity[0], 1)
        domain = [row.domain[min(i, len(row.domain) - 1)] for i in range(count)]
        operands = [fitted(term(names, depth - 1), *domain[i]) for i in range(count)]
        if row.functions:
            return f"{row.functions[0]}({', '.join(operands)})"
        return f"(-{operands[0]})" if count == 1 else f"({operands[0]} {row.symbol} {operands[1]})"

    for k in range(draw(st.integers(0, 2))):
        local = term(["a", "b", *atoms], 2)
        lines.append(f"fn f{k}(a, b) {{ t = {local}; return {term(['a', 'b', 't'], 2)} }}")
        functions.append(f"f{k}")
        if draw(st.booleans()):
            lines.append(f"m{k} = {term(atoms, 2)}")
            atoms.append(f"m{k}")
    lines.append(f"u = {term(atoms, 3)}")
    atoms.append("u")
    lines.append(f"y = {term(atoms, 3)} + u*sin(x)")
    return "\n".join(lines), values


def near(a: float, b: float, scale: float = 0.0, tol: float = 1e-9) -> bool:
    return math.isfinite(a) and abs(a - b) <= tol * max(abs(a), abs(b), scale, 1.0)


DERIVATIVES = """
gx = grad(y, x); gz = grad(y, z); gu = grad(y, u)
jx = jvp(y, x, 1); jz = jvp(y, z, 1); ju = jvp(y, u, 1)
hxz = hessian(y, x, z); hzx = hessian(y, z, x); hxx = hessian(y, x)
jj = jvp(jx, z, 1); rj = grad(jx, z); jr = jvp(gx, x, 1)
output y, gx, gz, gu, jx, jz, ju, hxz, hzx, hxx, jj, rj, jr
"""


def settings_of(count: int) -> Any:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@settings_of(200)
@given(programs(SMOOTH))
def test_both_modes_agree(case: tuple[str, dict[str, float]]) -> None:
    text, values = case
    for level in (0, 2):
        v = gradc.compile(text + DERIVATIVES, level=level)(values)
        for a, b in (
            ("gx", "jx"),
            ("gz", "jz"),
            ("gu", "ju"),
            ("hxz", "hzx"),
            ("hxz", "jj"),
            ("hxz", "rj"),
            ("hxx", "jr"),
        ):
            assert near(v[a], v[b]), f"-O{level}: {a} is {v[a]}, {b} is {v[b]} at {values}\n{text}"


@settings_of(100)
@given(programs())
def test_complex_steps(case: tuple[str, dict[str, float]]) -> None:
    text, values = case
    step = 1e-30
    plain = gradc.compile(text + "\noutput y")
    slopes = gradc.compile(text + "\noutput y").grad("y", ["x", "z"])
    found = slopes(values)
    gradient = slopes.optimized(0)
    for name in ("x", "z"):
        point = {n: complex(v, step if n == name else 0) for n, v in values.items()}
        due = in_complex(plain.graph, point)["y"].imag / step
        assert near(found[f"grad(y, {name})"], due), f"by {name} at {values}\n{text}"
        # The graph of the gradient once more gives a column of the Hessian.
        column = in_complex(gradient, point)
        for other in ("x", "z"):
            second = gradc.compile(text + f"\nh = hessian(y, {name}, {other})\noutput h")(values)["h"]
            assert near(second, column[f"grad(y, {other})"].imag / step), f"by {name}, {other} at {values}\n{text}"


@settings_of(40)
@given(programs())
def test_fifty_digits(case: tuple[str, dict[str, float]]) -> None:
    text, values = case
    model = gradc.compile(
        text + "\ngx = grad(y, x); gz = grad(y, z); hxx = hessian(y, x); hxz = hessian(y, x, z)\n"
        "output y, gx, gz, hxx, hxz"
    )
    graph = gradc.compile(text + "\noutput y").graph
    with mpmath.workdps(50):

        def y(x: Any, z: Any) -> Any:
            return precisely(graph, {"x": x, "z": z, "w": mpmath.mpf(values["w"])})["y"]

        at = (mpmath.mpf(values["x"]), mpmath.mpf(values["z"]))
        due = {"y": y(*at)}
        for name, orders in (("gx", (1, 0)), ("gz", (0, 1)), ("hxx", (2, 0)), ("hxz", (1, 1))):
            due[name] = mpmath.diff(y, at, orders)
        found = model(values)
        for name, exact in due.items():
            assert near(found[name], float(exact), tol=1e-10), (
                f"{name}: {found[name]}, {float(exact)} at {values}\n{text}"
            )


@settings_of(100)
@given(programs())
def test_central_differences(case: tuple[str, dict[str, float]]) -> None:
    text, values = case
    model = gradc.compile(text + "\ng = grad(y, x)\nh = hessian(y, x)\noutput y, g, h")

    def y(x: float) -> float:
        return float(model({**values, "x": x})["y"])

    x = values["x"]
    # Richardson's extrapolation of central differences to order h^6.
    rows = [(y(x + h) - y(x - h)) / (2 * h) for h in (0.004, 0.002, 0.001)]
    first = [(4 * b - a) / 3 for a, b in itertools.pairwise(rows)]
    due = (16 * first[1] - first[0]) / 15
    found = model(values)
    size = max(abs(y(x + k * 0.004)) for k in (-1, 0, 1))
    # Only where the differences themselves have settled: some programs wiggle faster than the step.
    if abs(first[1] - first[0]) < 1e-5 * max(1, abs(due)):
        assert near(found["g"], due, size, 1e-6), f"{found['g']}, {due} at {values}\n{text}"


@settings_of(80)
@given(programs(SMOOTH), st.lists(st.integers(-8, 8).map(lambda k: k / 4), min_size=5, max_size=5))
def test_the_dot_test(case: tuple[str, dict[str, float]], numbers: list[float]) -> None:
    text, values = case
    u1, u2, vx, vz, vw = numbers
    text += f"""
    y2 = sin(y)*u + z
    p = (jvp(y, x, {vx}) + jvp(y, z, {vz}) + jvp(y, w, {vw}))*({u1})
    q = (jvp(y2, x, {vx}) + jvp(y2, z, {vz}) + jvp(y2, w, {vw}))*({u2})
    a = (vjp(y, x, {u1}) + vjp(y2, x, {u2}))*({vx})
    b = (vjp(y, z, {u1}) + vjp(y2, z, {u2}))*({vz})
    c = (vjp(y, w, {u1}) + vjp(y2, w, {u2}))*({vw})
    left = p + q; right = a + b + c; size = abs(p) + abs(q) + abs(a) + abs(b) + abs(c)
    output left, right, size
    """
    found = gradc.compile(text)(values)
    assert near(found["left"], found["right"], found["size"], 1e-12), f"{dict(found)} at {values}\n{text}"


# Many paths, long and deep programs ----------------------------------------------------------------------------------


def test_many_paths_and_few_nodes() -> None:
    for count in (30, 60):
        text = "input x = 3\ny0 = x\n" + "".join(f"y{k + 1} = y{k} + y{k}\n" for k in range(count)) + f"output y{count}"
        model = gradc.compile(text).grad()
        forward = gradc.compile(text + f"\nd = jvp(y{count}, x, 1)\noutput d", level=0)
        for level in (0, 1, 2, 3):
            graph = gradc.compile(text, level=level).grad().optimized()
            assert sum(graph.adjoint_of(n) is not None for n in graph) <= count + 2
            assert gradc.compile(text, level=level).grad()() == {f"grad(y{count}, x)": 2.0**count}
        assert len(model.graph) <= 2 * count + 4
        assert forward()["d"] == 2.0**count
    # Products: y = y*y, 2^6 paths and a power of x.
    text = "input x = 1.5\ny0 = x\n" + "".join(f"y{k + 1} = y{k}*y{k}\n" for k in range(6)) + "output y6"
    assert math.isclose(gradc.compile(text).grad()()["grad(y6, x)"], 64 * 1.5**63, rel_tol=1e-13)


BIG = 100_000


def _timed(text: str, seconds: float, **values: float) -> dict[str, float]:
    limit = sys.getrecursionlimit()
    start = time.perf_counter()
    model = gradc.compile(text)
    found = {**model(values), **model.grad()(values)}
    took = time.perf_counter() - start
    assert sys.getrecursionlimit() == limit
    assert took < seconds, f"{took:.1f} s"
    return found


def test_a_long_chain() -> None:
    count = BIG // 2
    text = "input x\nv0 = x\n" + "".join(f"v{k + 1} = sin(v{k})\n" for k in range(count)) + f"y = v{count}\noutput y"
    found = _timed(text, 60, x=0.5)
    value, slope = 0.5, 1.0
    for _ in range(count):
        slope *= math.cos(value)
        value = math.sin(value)
    assert found["y"] == value
    assert math.isclose(found["grad(y, x)"], slope, rel_tol=1e-9)


def test_a_long_sum() -> None:
    count = BIG // 2
    terms = " + ".join(f"x*{k % 7 + 1}" for k in range(count))
    found = _timed(f"input x\ny = {terms}\noutput y", 60, x=2.0)
    due = sum(k % 7 + 1 for k in range(count))
    assert found == {"y": 2 * due, "grad(y, x)": due}


@pytest.mark.slow
@pytest.mark.parametrize("count", [100_000, 300_000])
def test_the_largest_programs(count: int) -> None:
    chain = "input x\nv0 = x\n" + "".join(f"v{k + 1} = v{k}*1.0000001 + x\n" for k in range(count)) + f"output v{count}"
    assert _timed(chain, 180, x=1.0)[f"v{count}"] > count
    total = "input x\ny = " + " + ".join(["x"] * count) + "\noutput y"
    assert _timed(total, 180, x=1.0) == {"y": count, "grad(y, x)": count}


DEEP = 10_000


@pytest.mark.parametrize(
    ("text", "value", "slope"),
    [
        ("(" * DEEP + "x" + ")" * DEEP, 0.5, 1.0),
        ("-" * DEEP + "x", 0.5, 1.0),
        ("+" * DEEP + "x", 0.5, 1.0),
        ("atan(tan(" * (DEEP // 2) + "x" + "))" * (DEEP // 2), 0.5, 1.0),
        ("(1 + " * DEEP + "x" + ")" * DEEP, DEEP + 0.5, 1.0),
        ("x^(" * DEEP + "1" + ")" * DEEP, None, None),
        ("1^" * DEEP + "x", 1.0, 0.0),
        ("f(" * (DEEP - 1) + "x" + ")" * (DEEP - 1), 0.5 + DEEP - 1, 1.0),
        ("where(x > 2, x^2, " * DEEP + "x" + ")" * DEEP, 0.5, 1.0),
        ("if x > 2 then x^2 else " * DEEP + "x", 0.5, 1.0),
    ],
    ids=lambda value: str(value)[:12],
)
def test_deep_expressions(text: str, value: float | None, slope: float | None) -> None:
    found = _timed(f"fn f(t) = t + 1\ninput x\ny = {text}\noutput y", 30, x=0.5)
    if value is not None and slope is not None:
        assert math.isclose(found["y"], value, rel_tol=1e-10)
        assert math.isclose(found["grad(y, x)"], slope, rel_tol=1e-10)
    else:
        assert math.isfinite(found["y"])
        assert math.isfinite(found["grad(y, x)"])


def test_functions_that_nest_deeply() -> None:
    count = 3000
    text = "fn f0(t) = sin(t)\n" + "".join(f"fn f{k + 1}(t) = f{k}(t) + t\n" for k in range(count))
    found = _timed(text + f"input x\ny = f{count}(x)\noutput y", 30, x=0.5)
    assert math.isclose(found["grad(y, x)"], math.cos(0.5) + count, rel_tol=1e-12)
    # Deeper than the limit is a diagnostic.
    text = "fn f0(t) = sin(t)\n" + "".join(f"fn f{k + 1}(t) = f{k}(t) + t\n" for k in range(10_010))
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile(text + "input x\ny = f10010(x)\noutput y")
    assert {d.code for d in caught.value.diagnostics} == {"E0703"}
    # So is a short text that stands for a huge graph.
    text = "fn f0(t) = sin(t)\n" + "".join(f"fn f{k + 1}(t) = f{k}(f{k}(t))\n" for k in range(40))
    limits = Limits(nodes=50_000)
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile(text + "input x\ny = f40(x)\noutput y", limits=limits)
    assert [d.code for d in caught.value.diagnostics] == ["E0702"]


def test_chains_of_constants_and_of_exponents_are_linear() -> None:
    count = 5000
    text = "input x = 1.0001, w = 1.1\nn0 = 1\n" + "".join(f"n{k + 1} = n{k} + 1\n" for k in range(count))
    text += "c0 = x\n" + "".join(f"c{k + 1} = sin(c{k}) + 1\n" for k in range(count))
    text += (
        "y0 = x\n" + "".join(f"y{k + 1} = y{k} + x^n{k} + w^c{k}\n" for k in range(count)) + f"y = y{count}\noutput y"
    )
    start = time.perf_counter()
    assert math.isfinite(gradc.compile(text).grad("y", "x,w")()["grad(y, w)"])
    assert time.perf_counter() - start < 40


def test_many_requests() -> None:
    # Requests for one value share a sweep: a gradient by many names is one.
    count = 300
    names = [f"x{k}" for k in range(count)]
    text = f"input {', '.join(names)}\ny = {' * '.join(names)}\n"
    text += (
        "".join(f"g{k} = grad(y, x{k})\n" for k in range(count)) + "output " + ", ".join(f"g{k}" for k in range(count))
    )
    assert len(gradc.compile(text, level=0).optimized()) < 8 * count
    found = gradc.compile(text)(dict.fromkeys(names, 1.01))
    assert all(math.isclose(value, 1.01 ** (count - 1), rel_tol=1e-12) for value in found.values())


def test_many_values_by_one_name_share_a_forward_sweep() -> None:
    count = 400
    text = "param x = 0.3\na0 = x\n"
    text += "".join(f"a{k + 1} = sin(a{k}) + (if a{k} > 0 then x*a{k} else log(x))\n" for k in range(count))
    text += "".join(f"g{k} = grad(a{k}, x)\n" for k in range(1, count + 1))
    model = gradc.compile(text + "output " + ", ".join(f"g{k}" for k in range(1, count + 1)), level=0)
    # A reverse sweep for each of them would make of the order of count^2 nodes.
    assert len(model.optimized()) < 40 * count
    found = model()
    for k in (1, 7, count):
        alone = gradc.compile(text.partition("g1")[0] + f"g = grad(a{k}, x)\noutput g")()["g"]
        assert math.isclose(found[f"g{k}"], alone, rel_tol=1e-12)


SCRIPT = """
import gradc
text = '''input x = 0.3, z = 0.7
fn f(t, s = 2) = if t > 0 then log(t)*s else max(t, s, x)
derivative_free = f(x) + f(z, s = x) + f(x*z)
fn own(a, b) = a*b
derivative own(a, b) = b, a
u = own(x, z) + hypot(x, z) + derivative_free
y = u^2 + x*u + (if u > 1 and z > 0 then x*z else min(u, x))
g = grad(y, x); h = hessian(y, x, z); j = jvp(y, u, x)
output y, g, h, j'''
for level in (0, 2):
    model = gradc.compile(text, level=level)
    print(model.ir, model.grad("y", "x,z,u").ir, model(), sep="\\n")
"""


def test_equal_bytes_in_every_process() -> None:
    def run(seed: str) -> bytes:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, check=True).stdout

    first = run("1")
    assert first == run("2")
    assert b"gradc-ir" in first


def test_the_order_of_summation_is_that_of_the_text() -> None:
    # 1e16 + 1 + 1 depends on the order; the same program always gives the same.
    text = "input x = 1\na = x*1e16; b = x*1; c = x*1; d = x*(-1e16)\ny = a + b + c + d\noutput y"
    found = {gradc.compile(text, level=level).grad()()["grad(y, x)"] for level in (0, 0, 0)}
    assert len(found) == 1


# Problems of the literature ------------------------------------------------------------------------------------------

# More, Garbow and Hillstrom 1981, Testing unconstrained optimization software, ACM TOMS 7:1: sums of squares.
PROBLEMS: dict[str, tuple[list[str], list[float]]] = {
    "rosenbrock": (["10*(x2 - x1^2)", "1 - x1"], [-1.2, 1]),
    "freudenstein_roth": (
        ["-13 + x1 + ((5 - x2)*x2 - 2)*x2", "-29 + x1 + ((x2 + 1)*x2 - 14)*x2"],
        [0.5, -2],
    ),
    "powell_badly_scaled": (["10^4*x1*x2 - 1", "exp(-x1) + exp(-x2) - 1.0001"], [0, 1]),
    "brown_badly_scaled": (["x1 - 10^6", "x2 - 2*10^(-6)", "x1*x2 - 2"], [1, 1]),
    "beale": (["1.5 - x1*(1 - x2)", "2.25 - x1*(1 - x2^2)", "2.625 - x1*(1 - x2^3)"], [1, 1]),
    "jennrich_sampson": ([f"2 + 2*{i} - (exp({i}*x1) + exp({i}*x2))" for i in range(1, 11)], [0.3, 0.4]),
    "helical_valley": (
        ["10*(x3 - 10*(atan(x2/x1)/(2*pi) + 0.5))", "10*(sqrt(x1^2 + x2^2) - 1)", "x3"],
        [-1, 0, 0],
    ),
    "box": (
        [f"exp(-0.1*{i}*x1) - exp(-0.1*{i}*x2) - x3*(exp(-0.1*{i}) - exp(-{i}))" for i in range(1, 11)],
        [0, 10, 20],
    ),
    "powell_singular": (
        ["x1 + 10*x2", "sqrt(5)*(x3 - x4)", "(x2 - 2*x3)^2", "sqrt(10)*(x1 - x4)^2"],
        [3, -1, 0, 1],
    ),
    "wood": (
        ["10*(x2 - x1^2)", "1 - x1", "sqrt(90)*(x4 - x3^2)", "1 - x3", "sqrt(10)*(x2 + x4 - 2)", "(x2 - x4)/sqrt(10)"],
        [-3, -1, -3, -1],
    ),
    "biggs_exp6": (
        [
            f"x3*exp(-0.1*{i}*x1) - x4*exp(-0.1*{i}*x2) + x6*exp(-0.1*{i}*x5)"
            f" - (exp(-0.1*{i}) - 5*exp(-{i}) + 3*exp(-0.4*{i}))"
            for i in range(1, 14)
        ],
        [1, 2, 1, 1, 1, 1],
    ),
    # Himmelblau 1972, Applied nonlinear programming.
    "himmelblau": (["x1^2 + x2 - 11", "x1 + x2^2 - 7"], [-1, 1]),
}


def _objective(residuals: Sequence[str]) -> str:
    return " + ".join(f"({r})^2" for r in residuals)


def _in_digits(text: str, count: int) -> Callable[..., Any]:
    """The formula in mpmath: the text of a test, not of a user."""
    names = {f: getattr(mpmath, f) for f in ("exp", "sqrt", "atan", "log")}
    code = compile(text.replace("^", "**"), "formula", "eval")

    def call(*x: Any) -> Any:
        return eval(code, {**names, "pi": mpmath.mpf(math.pi), **{f"x{i + 1}": v for i, v in enumerate(x)}})

    return call


def _compare(text: str, start: Sequence[float], formula: Callable[..., Any], ulps: float) -> None:
    count = len(start)
    names = [f"x{i + 1}" for i in range(count)]
    program = f"input {', '.join(names)}\ny = {text}\n"
    outputs = {"y": ()} | {f"g{i}": (i,) for i in range(count)}
    program += "".join(f"g{i} = grad(y, {names[i]})\n" for i in range(count))
    for i in range(count):
        for j in range(count):
            program += f"h{i}_{j} = hessian(y, {names[i]}, {names[j]})\n"
            outputs[f"h{i}_{j}"] = (i, j)
    program += "output " + ", ".join(outputs)
    with mpmath.workdps(50):
        at = [mpmath.mpf(float(v)) for v in start]
        partials: dict[tuple[int, ...], float] = {}

        def partial(*which: int) -> float:
            key = tuple(sorted(which))
            if key not in partials:
                orders = tuple(key.count(i) for i in range(count))
                partials[key] = float(mpmath.diff(formula, at, orders)) if any(orders) else float(formula(*at))
            return partials[key]

        # The terms that a derivative is a sum of are about as large as those of its absolute condition.
        size = max(1.0, *(abs(v) for v in start))
        for level in (0, 2):
            found = gradc.compile(program, level=level)(dict(zip(names, start, strict=True)))
            for name, which in outputs.items():
                due = partial(*which)
                condition = abs(due) + sum(abs(float(start[i])) * abs(partial(*which, i)) for i in range(count))
                assert abs(found[name] - due) <= ulps * EPS * max(condition, size), (name, found[name], due, level)


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_standard_problems(name: str) -> None:
    residuals, start = PROBLEMS[name]
    text = _objective(residuals)
    # Away from the start too, where nothing cancels by design.
    _compare(text, start, _in_digits(text, len(start)), 64)
    if len(start) < 4:
        shift = random.Random(name)
        _compare(text, [v + shift.uniform(0.1, 0.9) for v in start], _in_digits(text, len(start)), 64)


def test_speelpenning() -> None:
    # Griewank and Walther 2008, section 1.2: the gradient of a product costs a few times the product.
    for count in (5, 50, 500):
        names = [f"x{i}" for i in range(count)]
        point = {name: (i + 1) / (i + 2) for i, name in enumerate(names)}
        model = gradc.compile(f"input {', '.join(names)}\ny = {' * '.join(names)}\noutput y")
        gradient = model.grad("y")
        found = gradient(point)
        for name in names:
            assert math.isclose(found[f"grad(y, {name})"], 1 / (count + 1) / point[name], rel_tol=1e-13)
        for level in (0, 2):
            assert len(gradient.optimized(level)) <= 5 * count + 5
    text = "x1*x2*x3*x4"
    _compare(text, [1.5, -2.25, 3, 0.7], _in_digits(text, 4), 16)
    # One factor is zero, and two are.
    zero = gradc.compile("input a, b, c\ny = a*b*c\noutput y").grad("y")
    assert list(zero(a=0, b=2, c=3).values()) == [6, 0, 0]
    assert list(zero(a=0, b=0, c=3).values()) == [0, 0, 0]


def test_helmholtz_energy() -> None:
    # Griewank and Walther 2008, section 3.1 and exercise: the energy of a mixture of gases in a unit volume.
    count = 3
    b = [0.5 * (i + 1) / 10 for i in range(count)]
    a = [[1 / (i + j + 1) for j in range(count)] for i in range(count)]
    bx = "(" + " + ".join(f"{b[i]!r}*x{i + 1}" for i in range(count)) + ")"
    xax = "(" + " + ".join(f"{a[i][j]!r}*x{i + 1}*x{j + 1}" for i in range(count) for j in range(count)) + ")"
    text = " + ".join(f"x{i + 1}*log(x{i + 1}/(1 - {bx}))" for i in range(count))
    text += f" - {xax}/(sqrt(8)*{bx})*log((1 + (1 + sqrt(2))*{bx})/(1 + (1 - sqrt(2))*{bx}))"
    _compare(text, [0.2, 0.4, 0.6], _in_digits(text, count), 128)
