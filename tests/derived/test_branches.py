"""A branch that is not taken never poisons: values and derivatives of a program with conditions are those of the same
program with every condition replaced by the branch that is taken, to third order, in both modes.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradc

LEVELS = (0, 2)


def close(a: float, b: float, rel: float = 1e-9) -> bool:
    return (a != a and b != b) or a == b or math.isclose(a, b, rel_tol=rel, abs_tol=1e-12)


# Value and derivatives of y by x, in every combination of modes up to third order.
FACES = """
r1 = grad(y, x)
f1 = jvp(y, x, 1)
rr = grad(r1, x)
rf = jvp(r1, x, 1)
fr = grad(f1, x)
ff = jvp(f1, x, 1)
rrr = grad(rr, x)
frf = grad(jvp(grad(y, x), x, 1), x)
fff = jvp(ff, x, 1)
v2 = vjp(y, x, 2)/2
output y, r1, f1, v2, rr, rf, fr, ff, rrr, frf, fff
"""


def faces(program: str, **values: float) -> dict[str, float]:
    """Value and derivatives of y at every level tried, which must agree."""
    found: dict[str, float] = {}
    for level in LEVELS:
        got = dict(gradc.compile(program + FACES, level=level, verify=True)(values))
        for name, value in got.items():
            assert close(value, found.setdefault(name, value)), f"{name} differs at -O{level}: {value}, {found[name]}"
    return found


def agree(program: str, taken: str, **values: float) -> None:
    """``program`` and the program of the branches that are taken have the same value and derivatives."""
    found, due = faces(program, **values), faces(taken, **values)
    wrong = {name: (found[name], due[name]) for name in due if not close(found[name], due[name])}
    assert not wrong, f"{program}\nat {values}: found and expected {wrong}"


# By hand -------------------------------------------------------------------------------------------------------------

# What is not defined, infinite or without derivative at x, and an x where that is so.
BAD = [
    ("log(x)", 0.0),
    ("log(x)", -1.0),
    ("log(-x^2)", 0.5),
    ("sqrt(x)", 0.0),
    ("sqrt(x)", -1.0),
    ("x^0.5", 0.0),
    ("x^0.5", -2.0),
    ("x^(-1)", 0.0),
    ("x^x", 0.0),
    ("x^x", -0.5),
    ("1/x", 0.0),
    ("x/x", 0.0),
    ("atanh(x)", 1.0),
    ("atanh(x)", 2.0),
    ("acosh(x)", 1.0),
    ("asin(x)", -1.0),
    ("acos(x)", 1.5),
    ("log1p(x)", -1.0),
    ("cbrt(x)", 0.0),
    ("gamma(x)", -1.0),
    ("lgamma(x)", 0.0),
    ("digamma(x)", -2.0),
    ("exp(exp(x))", 10.0),
    ("exp(1/x)", 0.0),
    ("tan(x)*inf", 0.0),
    ("x*inf", 0.0),
    ("x % 0", 1.0),
    ("x % x", 0.0),
    ("hypot(x, 0)/x", 0.0),
    ("atan2(x, x)", 0.0),
    ("xlogy(x, x)", 0.0),
    ("xlogy(x, x)", -1.0),
    ("sqrt(x)*log(x)", 0.0),
    ("sqrt(x)^2", 0.0),
    ("sqrt(x*x)/x", 0.0),
    ("log(abs(x))", 0.0),
    ("x*sin(1/x)", 0.0),
    ("sqrt(1 - x)*log(x - 1)", 1.0),
]


@pytest.mark.parametrize(("bad", "at"), BAD)
def test_an_undefined_branch(bad: str, at: float) -> None:
    good = "x*cos(x) + x^3"
    for condition, flip in (("x == x", False), ("x != x", True)):
        branches = (bad, good) if flip else (good, bad)
        agree(f"input x\ny = if {condition} then {branches[0]} else {branches[1]}", f"input x\ny = {good}", x=at)
        agree(f"input x\ny = where({condition}, {branches[0]}, {branches[1]})", f"input x\ny = {good}", x=at)
    # With the bad value under a name outside, and used in what is done with the result.
    agree(
        f"input x\nb = {bad}\nc = if x != x then b*x else x^2\ny = c*sin(c) + x",
        "input x\nc = x^2\ny = c*sin(c) + x",
        x=at,
    )
    # Twice in a function, nested, with the condition repeated.
    agree(
        f"input x\nfn f(t, x) {{ u = {bad}\nreturn if t then u else x^2 }}\ny = f(x != x, x) + x*f(x != x, x)",
        "input x\ny = x^2 + x*x^2",
        x=at,
    )
    agree(
        f"input x\nb = {bad}\ny = if x == x then (if x != x then b else x^2) else (if x == x then b^2 else 1/b)",
        "input x\ny = x^2",
        x=at,
    )


@pytest.mark.parametrize("at", [0.0, -1.0, 2.0])
def test_the_examples_of_the_reference(at: float) -> None:
    agree("input x\ny = if x > 0 then log(x) else 0", "input x\ny = " + ("log(x)" if at > 0 else "0*x"), x=at)
    agree(
        "input x\ny = if x > 0 then sqrt(x)*log(x) else x",
        "input x\ny = " + ("sqrt(x)*log(x)" if at > 0 else "x"),
        x=at,
    )


def test_a_zero_cotangent_does_not_annihilate() -> None:
    found = gradc.compile(
        "input x = 0\ny = sqrt(x)^2\ng = grad(y, x)\nz = 0*log(x)\nh = grad(z, x)\noutput g, h", level=0
    )()
    assert all(value != value for value in found.values())


SHARED = "input x, w = 2\ns = sqrt(x)\nl = log(x)*s\n"


@pytest.mark.parametrize("at", [4.0, 0.0, -1.0])
def test_values_shared_by_branches_of_different_conditions(at: float) -> None:
    # The shared value matters where one of the conditions holds.
    text = "p = if x > 0 then l else x\nq = if x > 3 then l*s else x^2\ny = p*q\n"
    taken = {4.0: "y = l*(l*s)", 0.0: "y = x*x^2", -1.0: "y = x*x^2"}[at]
    agree(SHARED + text, SHARED + taken, x=at)
    # One inside the other, and once more beside it.
    text = "p = if x > 0 then (if w > 1 then l else s) else 3*x\nq = if w < 1 then 1/s else x\ny = p + q*p\n"
    taken = {4.0: "y = l + x*l", 0.0: "y = 3*x + x*(3*x)", -1.0: "y = 3*x + x*(3*x)"}[at]
    agree(SHARED + text, SHARED + taken, x=at)
    # In both branches of one condition, and outside in a third.
    text = "p = if w > 1 then x*s else s\nq = if x > 0 then p else x\ny = q^2\n"
    taken = {4.0: "y = (x*s)^2", 0.0: "y = x^2", -1.0: "y = x^2"}[at]
    agree(SHARED + text, SHARED + taken, x=at)
    # Conditions that are combined.
    text = (
        "ok = x > 0 and w > 0\np = if ok then l else x\nq = if not ok then x else s\n"
        "r = if x <= 0 then 0 else 1/x\ny = p + q + r"
    )
    taken = {4.0: "y = l + s + 1/x", 0.0: "y = x + x + 0", -1.0: "y = x + x + 0"}[at]
    agree(SHARED + text, SHARED + taken, x=at)


@pytest.mark.parametrize(
    "inside", ["min(l, x)", "max(l, x, s)", "abs(l)", "relu(s) + relu(-s)", "clip(l, -1, 1)", "hypot(s, l)"]
)
@pytest.mark.parametrize("at", [0.0, -1.0])
def test_kinks_inside_branches(inside: str, at: float) -> None:
    agree(SHARED + f"y = x^2 + (if x > 0 then {inside} else x)", "input x\ny = x^2 + x", x=at)


@pytest.mark.parametrize("at", [-2.0, 0.0, 0.5])
def test_the_branch_inside_a_function_called_in_both_branches(at: float) -> None:
    text = "fn safe(t) = if t > 0 then log(t) else t\nfn twice(t) = safe(safe(t))\ninput x\n"
    once = f"{'log(x)' if at > 0 else 'x'}"
    agree(
        text + "y = if x > 0.25 then safe(x) else twice(x)*x",
        f"input x\ny = {once if at > 0.25 else once + '*x'}",
        x=at,
    )
    # With one of its arguments bad and the other good.
    text = "fn pick(c, a, b) = where(c, a, b)\ninput x\n"
    agree(
        text + "y = pick(x > 0, pick(x > 1, x, sqrt(x)), pick(x < 0, x^2, 3*x))",
        {-2.0: "input x\ny = x^2", 0.0: "input x\ny = 3*x", 0.5: "input x\ny = sqrt(x)"}[at][:] + "\n",
        x=at,
    )


def test_a_derivative_inside_a_branch() -> None:
    for at in (0.0, -1.0):
        agree("input x\nl = log(x)\ny = if x > 0 then grad(l*x, x) else x^3", "input x\ny = x^3", x=at)
    # By an intermediate that exists only in the branch, and a branch in the derivative's operand.
    text = "input x\ns = sqrt(x)\nl = log(s)*s\nc = if x > 0 then l else x*x\n"
    for at, (ds, dl) in {4.0: (math.log(2) + 1, 1.0), 0.0: (0.0, 0.0), -3.0: (0.0, 0.0)}.items():
        found = gradc.compile(text + "a = grad(c, s)\nb = grad(c, l)\nd = jvp(c, s, 3)/3\noutput a, b, d")(x=at)
        assert all(close(a, b) for a, b in zip(found.values(), (ds, dl, ds), strict=True)), (at, found)


def test_own_derivatives_in_branches() -> None:
    text = "fn f(t) = log(t)\nderivative f(t) = 1/t\ninput x\ny = x^2 + (if x > 0 then f(x)*sqrt(x) else x)\n"
    for at in (0.0, -1.0):
        agree(text, "input x\ny = x^2 + x", x=at)
    agree(text, "input x\ny = x^2 + log(x)*sqrt(x)", x=2.0)


@pytest.mark.parametrize(
    "outside", ["sqrt(c)", "log(c)", "c^0.5*x", "1/c + x", "sqrt(c)*sin(x)", "hypot(c, 0)", "atan2(c, c)"]
)
def test_a_branch_that_does_not_depend_on_the_target(outside: str) -> None:
    # What is infinite at the constant is never multiplied by a tangent or an adjoint that is not there.
    agree(f"input x\nc = if x > 0 then x else 0\ny = {outside}", f"input x\nc = 0\ny = {outside}", x=-1.0)
    agree(f"input x\nc = if x <= 0 then 0 else x\ny = {outside}", f"input x\nc = 0\ny = {outside}", x=-1.0)
    agree(f"input x\nc = if x > 0 then x else 0\ny = {outside}", f"input x\nc = x\ny = {outside}", x=1.5)
    two = "c = (if x > 0 then x else 0)*(if x > -2 then 1 else x)\n"
    agree(f"input x\n{two}y = {outside}", f"input x\nc = 0*1\ny = {outside}", x=-1.0)


def test_several_targets() -> None:
    text = "input x, z\nr = sqrt(x*z)\nl = log(r)\ny = (if x*z > 0 then l*r else x + z^2) + x*z\n"
    model = gradc.compile(text)
    for x, z, due in ((0.0, 3.0, (4.0, 6.0)), (-1.0, 2.0, (3.0, 3.0)), (0.0, 0.0, (1.0, 0.0))):
        assert tuple(model.grad("y", ["x", "z"])(x=x, z=z).values()) == due
        hessian = [
            gradc.compile(text + f"h = hessian(y, {a}, {b})\noutput h")(x=x, z=z)["h"] for a in "xz" for b in "xz"
        ]
        assert hessian == [0, 1, 1, 2]


# At random -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Condition:
    """A condition in the text and its truth at the point."""

    text: str
    holds: bool


UNARY = ["log", "sqrt", "asin", "atanh", "exp", "sin", "abs", "relu", "cbrt", "log1p", "acosh", "tanh", "erf", "floor"]
POINTS = [0.0, 1.0, -1.0, 0.5, 2.0, -0.0]


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, str, dict[str, float]]:
    """A program with conditions, the same with the branches that are taken in their place, and the point."""
    values = {"x": draw(st.sampled_from(POINTS)), "z": draw(st.sampled_from(POINTS))}
    written = ["input x, z"]
    taken = ["input x, z"]
    atoms = ["x", "z", "1", "0.5"]
    tests: list[Condition] = []
    for _ in range(draw(st.integers(1, 3))):
        name, other = draw(st.sampled_from(["x", "z"])), draw(st.sampled_from(["0", "1", "0.7", "z"]))
        sign = draw(st.sampled_from(["<", ">", "<=", ">=", "==", "!="]))
        left, right = values[name], values[other] if other in values else float(other)
        truth = {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right, "==": left == right}
        tests.append(Condition(f"{name} {sign} {other}", truth.get(sign, left != right)))

    def condition() -> Condition:
        first = draw(st.sampled_from(tests))
        form = draw(st.integers(0, 4))
        second = draw(st.sampled_from(tests))
        if form == 0:
            return Condition(f"not ({first.text})", not first.holds)
        if form == 1:
            return Condition(f"{first.text} and {second.text}", first.holds and second.holds)
        if form == 2:
            return Condition(f"{first.text} or {second.text}", first.holds or second.holds)
        return first

    def operand(depth: int) -> tuple[str, str]:
        form = draw(st.integers(0, 7 if depth else 1))
        if form <= 1:
            return (draw(st.sampled_from(atoms)),) * 2
        if form <= 3:
            a, b = operand(depth - 1), operand(depth - 1)
            op = draw(st.sampled_from(["+", "-", "*", "/"]))
            return f"({a[0]} {op} {b[0]})", f"({a[1]} {op} {b[1]})"
        if form == 4:
            f, a = draw(st.sampled_from(UNARY)), operand(depth - 1)
            return f"{f}({a[0]})", f"{f}({a[1]})"
        if form == 5:
            f, a, b = (
                draw(st.sampled_from(["min", "max", "hypot", "atan2", "pow"])),
                operand(depth - 1),
                operand(depth - 1),
            )
            return f"{f}({a[0]}, {b[0]})", f"{f}({a[1]}, {b[1]})"
        test, a, b = condition(), operand(depth - 1), operand(depth - 1)
        return f"(if {test.text} then {a[0]} else {b[0]})", a[1] if test.holds else b[1]

    for at in range(draw(st.integers(2, 6))):
        with_tests, without = operand(3)
        written.append(f"v{at} = {with_tests}")
        taken.append(f"v{at} = {without}")
        atoms.append(f"v{at}")
    test, (a, a1), (b, b1) = condition(), operand(2), operand(2)
    written.append(f"y = (if {test.text} then {a} else {b}) + v{at}")
    taken.append(f"y = {a1 if test.holds else b1} + v{at}")
    return "\n".join(written), "\n".join(taken), values


RANDOM = """
gx = grad(y, x)
gz = grad(y, z)
jx = jvp(y, x, 1)
hxx = grad(gx, x)
hxz = grad(gx, z)
hzx = grad(gz, x)
jj = jvp(jx, x, 1)
jr = grad(jx, z)
output y, gx, gz, jx, hxx, hxz, hzx, jj, jr
"""


def numbers(program: str, values: dict[str, float], level: int) -> dict[str, Any]:
    return dict(gradc.compile(program + RANDOM, level=level)(values))


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_random_programs_equal_their_taken_branches(case: tuple[str, str, dict[str, float]]) -> None:
    program, taken, values = case
    due = numbers(taken, values, 0)
    for level in LEVELS:
        found = numbers(program, values, level)
        wrong = {name: (found[name], value) for name, value in due.items() if not close(found[name], value, 1e-6)}
        assert not wrong, f"-O{level}: found and expected {wrong} at {values}\n{program}\n{taken}"


# Deep and long -------------------------------------------------------------------------------------------------------


def test_a_long_chain_of_else_if() -> None:
    count = 1000
    text = (
        "input x\nl = log(x - 0.5)\nchain = "
        + "".join(f"if x < {k} then {k}*l*x + l else " for k in range(count))
        + "x^2\ny = chain*x\ng = grad(y, x)\nh = hessian(y, x)\noutput g, h"
    )
    start = time.perf_counter()
    model = gradc.compile(text)
    found = model(x=2000)
    assert (found["g"], found["h"]) == (3 * 2000.0**2, 6 * 2000.0)
    due = gradc.compile("input x\nl = log(x - 0.5)\ny = (3*l*x + l)*x\ng = grad(y, x)\nh = hessian(y, x)\noutput g, h")(
        x=2.5
    )
    got = model(x=2.5)
    assert close(got["g"], due["g"])
    assert close(got["h"], due["h"])
    assert model(x=-1)["g"] != model(x=-1)["g"]
    assert time.perf_counter() - start < 30


def test_many_guards_in_forward_mode() -> None:
    count = 1000
    text = "input x\nl = log(x - 0.5)\nchain = "
    text += "".join(f"if x < {k} then {f'{k}*l*x' if k % 2 else k} else " for k in range(count))
    text += "x^2\np0 = x\n" + "".join(
        f"p{k + 1} = p{k}*1.001 + sqrt(if x > {k} then x - {k} else 0)\n" for k in range(count)
    )
    text += f"y = chain\nj = jvp(y, x, 1)\nh = jvp(j, x, 1)\ng = grad(j, x)\nq = jvp(p{count}, x, 1)\n"
    text += f"r = grad(p{count}, x)\n"
    start = time.perf_counter()
    model = gradc.compile(text + "output j, h, g, q, r")
    found = model(x=2000)
    assert (found["j"], found["h"], found["g"]) == (4000, 2, 2)
    found = model(x=3.5)
    assert (found["j"], found["h"], found["g"]) == (0, 0, 0)
    assert close(found["q"], found["r"])
    assert math.isfinite(found["q"])
    assert close(model(x=-1)["q"], 1.001**count)
    assert time.perf_counter() - start < 40


def test_deep_nesting() -> None:
    depth = 200
    # The bad value stands in every level; the innermost branch is good.
    text = "input x\nb = 1/x\n" + "y = x + " + "".join(f"(if x < {k + 1} then sin(x)*" for k in range(depth))
    text += (
        "x"
        + "".join(f" else b*{k})" for k in range(depth))
        + "\ng = grad(y, x)\nj = jvp(y, x, 1)\nh = hessian(y, x)\noutput g, j, h"
    )
    start = time.perf_counter()
    assert dict(gradc.compile(text)(x=0)) == {"g": 1, "j": 1, "h": 0}
    # Statements that nest by names.
    text = "input x\nv0 = sqrt(x)\n" + "".join(f"v{k + 1} = if x > {k} then v{k}*1.01 else x\n" for k in range(depth))
    model = gradc.compile(text + f"y = v{depth}\ng = grad(y, x)\nh = hessian(y, x)\noutput g, h")
    assert dict(model(x=0)) == {"g": 1, "h": 0}
    assert close(model(x=1e6)["g"], 1.01**depth * 0.5 / 1e3)
    assert time.perf_counter() - start < 30


def test_many_conditions_on_one_shared_value() -> None:
    count = 300
    text = "input x\ns = sqrt(x)\n" + "".join(f"p{k} = if x > {k} then s*{k + 1} else x\n" for k in range(count))
    text += "y = " + " + ".join(f"p{k}" for k in range(count)) + "\ng = grad(y, x)\nh = hessian(y, x)\noutput g, h"
    start = time.perf_counter()
    model = gradc.compile(text)
    assert dict(model(x=0)) == {"g": count, "h": 0}
    assert close(model(x=4)["g"], (1 + 2 + 3 + 4) * 0.25 + count - 4)
    assert time.perf_counter() - start < 30
