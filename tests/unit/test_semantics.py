"""What programs mean: names as identities, functions, requests inside programs, own derivatives, numbers, spellings."""

from __future__ import annotations

import math
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

import gradc

LEVELS = (0, 1, 2, 3)


def same(a: Any, b: Any) -> bool:
    """Equal up to rounding, NaN equal to NaN, infinities to themselves."""
    return a == b or (a != a and b != b) or math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-300)


def check(text: str, expected: dict[str, float], level: int | None = None, /, **values: Any) -> None:
    """The outputs of a program at every level."""
    model = gradc.compile(text)
    for each in LEVELS if level is None else (level,):
        found = gradc.compile(text, level=each, verify=True)(values)
        assert list(found) == list(expected) == list(model.outputs)
        wrong = {name: (found[name], value) for name, value in expected.items() if not same(found[name], value)}
        assert not wrong, f"-O{each}: found and expected {wrong}"


def errors(text: str, *codes: str, **options: Any) -> gradc.CompileError:
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile(text, **options)
    assert [d.code for d in caught.value.diagnostics] == list(codes), str(caught.value)
    return caught.value


def warnings(text: str) -> list[str]:
    return [d.code for d in gradc.compile(text).warnings]


# A name is an identity -----------------------------------------------------------------------------------------------


def test_two_names_of_one_value() -> None:
    text = "input x = 2, y = 5\na = x*y\nb = x*y\nf = 3*a + b\n"
    check(text + "da = grad(f, a)\ndb = grad(f, b)\ndx = grad(f, x)\noutput da, db, dx", {"da": 3, "db": 1, "dx": 20})
    model = gradc.compile(text)
    for level in LEVELS:
        again = gradc.compile(text, level=level)
        assert dict(again.grad("f", "a,b,x,y")()) == {
            "grad(f, a)": 3,
            "grad(f, b)": 1,
            "grad(f, x)": 20,
            "grad(f, y)": 8,
        }
    assert model.graph.names["a"] != model.graph.names["b"]


def test_the_local_gradient_is_made_of_names_and_of_the_anonymous_result() -> None:
    # The derivative of tanh is no function of its named result, that of b^2 is one of its named operand.
    for f in ("tanh", "exp", "sqrt", "sigmoid", "tan"):
        check(f"input x = 0.3\nt = {f}(x)\ng = grad(t, x)\nz = grad(g, t)\noutput z", {"z": 0})
    check("input a = 3\nb = 2*a\nc = b^2\ng = grad(c, a)\nd = grad(g, b)\noutput g, d", {"g": 24, "d": 4})
    check("input x = 2, y = 7\na = x*y\nf = a*a\ng = grad(f, a)\nh = grad(g, a)\noutput g, h", {"g": 28, "h": 2})


def test_aliases_are_names_of_their_own() -> None:
    check(
        "input x = 2\na = x\nb = x\nf = a*b\np = grad(f, a)\nq = grad(f, x)\nr = grad(a, b)\ns = grad(a, a)\n"
        "t = grad(a, x)\noutput p, q, r, s, t",
        {"p": 2, "q": 4, "r": 0, "s": 1, "t": 1},
    )
    check(
        "input x = 2\na = x\nb = a\nc = b\ny = c*c*a\np = grad(y, a)\nq = grad(y, b)\nr = grad(y, c)\noutput p, q, r",
        {"p": 12, "q": 8, "r": 8},
    )


def test_only_what_flows_through_a_name_counts() -> None:
    text = "input x = 3\nb = 2*x\nc = b*x\nd = c + b^2\n"
    check(text + "p = grad(d, b)\nq = grad(d, c)\nr = grad(d, x)\noutput p, q, r", {"p": 15, "q": 1, "r": 36})


def test_a_name_that_rewriting_would_erase_stays_a_name() -> None:
    check(
        "input x = 3\na = exp(x)\nL = log(a)\np = grad(L, a)\nq = grad(L, x)\noutput p, q", {"p": math.exp(-3), "q": 1}
    )
    check(
        "input x = 3\na = x*1\nb = -(-a)\nL = b^2\np = grad(L, a)\nq = grad(L, b)\nr = grad(b, a)\ns = grad(a, b)\n"
        "output p, q, r, s",
        {"p": 6, "q": 6, "r": 1, "s": 0},
    )
    check("input x = 3\na = x^2\nL = sqrt(a)\np = grad(L, a)\nq = grad(L, x)\noutput p, q", {"p": 1 / 6, "q": 1})


def test_a_constant_can_have_a_name_and_be_differentiated_by() -> None:
    check("input x = 3\nk = 2\nL = k*x + k^2\nd = grad(L, k)\ne2 = grad(d, k)\noutput d, e2", {"d": 7, "e2": 2})
    # The exponent is not a constant while one differentiates by it.
    check("input x = 3\nk = 2\nL = x^k\nd = grad(L, k)\ng = grad(L, x)\noutput d, g", {"d": 9 * math.log(3), "g": 6})
    check("input x = 0\nk = 2\nL = x^k\ng = grad(L, x)\nh = grad(g, x)\noutput g, h", {"g": 0, "h": 2})
    check("input x = -2\nk = 1 + 2\nj = k\nL = x^j\ng = grad(L, x)\nh = grad(g, x)\noutput g, h", {"g": 12, "h": -12})


def test_a_derivative_by_what_comes_later_or_elsewhere_is_zero_and_warned_of() -> None:
    text = "input x = 2, y = 3\na = x^2\nb = a*y\ng = grad(a, b)\nh = grad(a, y)\noutput g, h"
    check(text, {"g": 0, "h": 0})
    assert warnings(text) == ["W0102", "W0102"]


def test_the_graph_as_written_stays() -> None:
    model = gradc.compile("input x = 2\ny = x\nz = y + y\nw = z*1\noutput w")
    assert [model.graph.op(n) for n in model.graph] == ["input", "name", "add", "name", "const", "mul", "name"]
    for level in LEVELS:
        model.optimized(level)
    assert dict(model.grad("w", ["x", "y", "z"])()) == {"grad(w, x)": 2, "grad(w, y)": 2, "grad(w, z)": 1}
    # Equal expressions share a node, names never do.
    shared = gradc.compile("input x\na = sin(x)\nb = sin(x)\nc = a*b")
    assert [shared.graph.op(n) for n in shared.graph] == ["input", "sin", "name", "name", "mul", "name"]


# Requests ------------------------------------------------------------------------------------------------------------


def test_nested_derivatives() -> None:
    text = "input x = 2\nf = x^5\n" + "".join(
        f"d{i} = grad({'f' if i == 1 else f'd{i - 1}'}, x)\n" for i in range(1, 8)
    )
    check(
        text + "output d1, d2, d3, d4, d5, d6, d7",
        {f"d{i + 1}": v for i, v in enumerate([80, 160, 240, 240, 120, 0, 0])},
    )
    check("input x = 2\ny = grad(grad(grad(x^5, x), x), x)", {"y": 240})
    check("input x = 2\ny = grad(x*grad(x^3, x)^2, x)", {"y": 9 * 5 * 16})


def test_a_derivative_with_respect_to_a_name_of_a_derivative() -> None:
    # u is made of a derivative, and differentiated by.
    check("input x = 2\nu = grad(x^3, x)\nv = u^2\np = grad(v, u)\nq = grad(v, x)\noutput p, q", {"p": 24, "q": 288})


def test_hessian_and_its_mixed_block() -> None:
    text = "input a = 2, b = 3\nf = a^2*b^3\n"
    check(
        text + "p = hessian(f, a)\nq = hessian(f, a, b)\nr = hessian(f, b, a)\ns = hessian(f, b)\noutput p, q, r, s",
        {"p": 54, "q": 108, "r": 108, "s": 72},
    )
    check("input a = 2, b = 3\nf = sin(a*b)/b\np = hessian(f, a, b) - hessian(f, b, a)\noutput p", {"p": 0}, 0)
    # With respect to an intermediate and what it is made of: first by the one, then by the other.
    check("input x = 2\nu = x^2\nf = u*x\np = hessian(f, u, x)\nq = hessian(f, x, u)\noutput p, q", {"p": 1, "q": 1})


def test_jvp_and_vjp_operands_are_differentiated() -> None:
    text = "input x = 2, v = 5\ny = x^3\n"
    check(
        text + "j = jvp(y, x, v)\nw = vjp(y, x, v)\na = grad(j, v)\nb = grad(w, v)\nc = grad(j, x)\nd = grad(w, x)\n"
        "output j, w, a, b, c, d",
        {"j": 60, "w": 60, "a": 12, "b": 12, "c": 60, "d": 60},
    )
    # A direction that itself depends on the target.
    check(
        "input x = 2\ny = x^3\nj = jvp(y, x, x^2)\ng = grad(j, x)\nw = vjp(y, x, y)\nh = grad(w, x)\noutput j, g, w, h",
        {"j": 48, "g": 96, "w": 96, "h": 240},
    )
    check(
        "input x = 2\ny = x^3\nj = jvp(jvp(y, x, 1), x, 1)\nw = vjp(jvp(y, x, 2), x, 3)\noutput j, w",
        {"j": 12, "w": 72},
    )
    check("input x = 2, n: int = 3\nj = jvp(x^2, x, n)\nw = vjp(x^2, x, 7)\noutput j, w", {"j": 12, "w": 28})


def test_requests_with_different_cotangents_do_not_share() -> None:
    check(
        "input x = 2\ny = x^2\na = vjp(y, x, 1)\nb = vjp(y, x, 10)\nc = grad(y, x)\noutput a, b, c",
        {"a": 4, "b": 40, "c": 4},
    )


def test_stop_gradient_at_every_order() -> None:
    check("input x = 3\ny = stop_gradient(x^2)*x\np = grad(y, x)\nq = grad(p, x)\noutput p, q", {"p": 9, "q": 0})
    # What is cut in a derivative's operand stays cut in its derivative.
    check(
        "input x = 3\ns = stop_gradient(x)\ny = s*x^2\np = grad(y, x)\nq = hessian(y, x)\nr = grad(y, s)\n"
        "t = jvp(y, x, 1)\n"
        "output p, q, r, t",
        {"p": 18, "q": 6, "r": 9, "t": 18},
    )
    check("input x = 3\ny = stop_gradient(grad(x^3, x))*x\ng = grad(y, x)\noutput g", {"g": 27})
    check("input x = 3\ng = grad(stop_gradient(x), x)", {"g": 0})
    check(
        "input x = 0.5\ny = log(stop_gradient(exp(x)))\nz = stop_gradient(x) - x\ng = grad(y, x)\nh = grad(z, x)\n"
        "output g, h",
        {"g": 0, "h": -1},
    )


def test_what_cannot_be_differentiated() -> None:
    errors("input x\ny = grad(x^2, 2*x)", "E0402")
    errors("input x\ny = grad(x^2, 3)", "E0402")
    errors("input x\ny = grad(pi*x, pi)", "E0402")
    errors("input x, n: int\ny = grad(x*n, n)", "E0401")
    errors("input x, b: bool\ny = grad(where(b, x, 0), b)", "E0401")
    errors("input x, n: int\ny = grad(n*2, x)", "E0401")
    errors("input x\ny = grad(x > 0, x)", "E0401")
    errors("input x\ny = grad(x^2)", "E0301")
    errors("input x\ny = hessian(x^2, x, x, x)", "E0301")
    errors("input x\ny = grad(y=x^2, x=x)", "E0302")
    errors("input x\ny = jvp(x^2, x, x > 0)", "E0401")


# Functions -----------------------------------------------------------------------------------------------------------


def test_parameters_are_fresh_names() -> None:
    check("input a = 7\nfn h(p, q) = grad(p*q, p)\nr = h(a, a)\noutput r", {"r": 7})
    check("input a = 7\nfn h(p, q) = grad(p*q, p)\nr = grad(h(a, a), a)\noutput r", {"r": 1})
    check("input a = 7\nfn d(p) = grad(p^3, p)\nr = d(d(a))\noutput r", {"r": 3 * 147**2})
    check("fn d(p) = grad(p^3, p)\nr = d(2) + d(2.0)\noutput r", {"r": 24})
    # The parameter of one inlining is not that of another.
    check(
        "input a = 2\nfn g(p) = p^2\nfn h(q) { u = g(q)\nreturn grad(u, q) }\ny = h(a) + h(a)\n"
        "z = grad(y, a)\noutput y, z",
        {"y": 8, "z": 4},
    )


def test_derivatives_inside_functions() -> None:
    # By a parameter, a local, a global.
    check(
        "input x = 3, w = 2\nfn f(p) { t = p*w\nu = t^2\nreturn grad(u, t), grad(u, p), grad(u, w) }\n"
        "a, b, c = f(x)\noutput a, b, c",
        {"a": 12, "b": 24, "c": 36},
    )
    # The argument depends on the global as well, and the parameter is an identity of its own in between.
    check("input w = 2\nfn f(p) = grad(p*w, w)\ny = f(w)\nz = f(3*w)\noutput y, z", {"y": 4, "z": 12})
    check("input w = 2\nfn f(p) { q = p\nreturn grad(q*q, p) }\ny = f(w)", {"y": 4})
    # In a nested function by a parameter of the outer one.
    check("input x = 3\nfn f(p) { fn g(q) = grad(q*p, p)\nreturn g(p^2) }\ny = f(x)", {"y": 27})
    check("input x = 3\nfn f(p) { fn g(q) = grad(q*p, q)\nreturn g(p^2) }\ny = f(x)", {"y": 3})


def test_the_classics_of_perturbation_confusion() -> None:
    # Siskind and Pearlmutter 2005: d/dx (x * d/dy (x + y) at y = 1) at x = 1 is 1.
    check(
        "input x = 1\nfn inner(x, y) = grad(x + y, y)\nfn outer(x) = x*inner(x, 1)\n"
        "fn d(x) = grad(outer(x), x)\nr = d(x)",
        {"r": 1},
    )
    # d/dx (x * d/dy (x*y) at y = 2) = d/dx x^2 = 2x.
    check("input x = 1\nfn inner(x, y) = grad(x*y, y)\nfn outer(x) = grad(x*inner(x, 2), x)\nr = outer(x)", {"r": 2})
    # The same name at both levels.
    check("input x = 3\nfn f(x) { fn g(x) = grad(x^2, x)\nreturn grad(x*g(2*x), x) }\nr = f(x)", {"r": 24})
    # Manzyuk et al. 2019: a derivative whose value is differentiated by another variable of the same name.
    check(
        "input x = 2\nfn d1(t) = grad(sin(t), t)\nfn f(t) = t*d1(t^2)\nfn df(t) = grad(f(t), t)\nr = df(x)",
        {"r": math.cos(4) - 2 * 4 * math.sin(4)},
    )
    # Forward in forward, forward in reverse, reverse in forward.
    for inner in ("grad(x*y, y)", "jvp(x*y, y, 1)", "vjp(x*y, y, 1)"):
        for outer in ("grad(x*i(x, x), x)", "jvp(x*i(x, x), x, 1)", "vjp(x*i(x, x), x, 1)"):
            check(f"input x = 3\nfn i(x, y) = {inner}\nfn o(x) = {outer}\nr = o(x)", {"r": 6})


def test_equal_calls_may_share_what_they_make() -> None:
    text = "fn f(t) { u = t*2\nreturn grad(u*u, u), u }\n"
    body = "p, q = f(x)\nr, s = f(x)\nz = q*s\n"
    due = {"a": 6, "b": 6, "c": 24}
    check(text + "input x = 3\n" + body + "a = grad(z, q)\nb = grad(z, s)\nc = grad(z, x)\noutput a, b, c", due)
    check(
        text
        + f"fn g(x) {{ {body}return grad(z, q), grad(z, s), grad(z, x) }}\n"
        + "input x = 3\na, b, c = g(x)\noutput a, b, c",
        due,
    )
    # Equal numbers of different names, kinds and signs are not equal arguments.
    check(
        "input x = 1\nfn f(n) = n*x\nk = 1\nj = 1\na = f(k)\nb = f(j)\nc = grad(a + 10*b, k)\nd = grad(a + 10*b, j)\n"
        "output c, d",
        {"c": 1, "d": 10},
    )
    check(
        "fn f(t) = 1/t\na = f(0.0)\nb = f(-0.0)\nc = f(0)\nd = f(-0)\noutput a, b, c, d",
        {"a": math.inf, "b": -math.inf, "c": math.inf, "d": -math.inf},
    )
    errors("input x = 1\nfn f(n, t) = polygamma(n, t)\na = f(1, x)\nb = f(1.0, x)", "E0303")
    check(
        "input x = 3\nfn o(k) { fn i(t) = t*k\nreturn i(2) }\nfn f(a, b) = a - b\n"
        "y = o(x) + 10*o(x^2)\nz = f(x, 1) + 10*f(1, x) + 100*f(b = 1, a = x)\noutput y, z",
        {"y": 186, "z": 182},
    )
    # A short text that stands for 2^200 calls.
    text = "fn f0(t) = sin(t)\n" + "".join(f"fn f{k + 1}(t) = f{k}(t) + f{k}(t)\n" for k in range(200))
    check(text + "input x = 1\ny = f200(x)", {"y": 2.0**200 * math.sin(1)})


def test_a_function_sees_what_was_bound_before_it() -> None:
    check("k = 2\nfn f(x) = k*x\nfn g(k) = f(k)\ninput x = 5\ny = g(x)", {"y": 10})
    errors("fn f(x) = k*x\nk = 2\ny = f(3)", "E0204")
    # A local that comes later does not shadow for the function written before it.
    check("t = 1\nfn f(x) { fn g() = t\nt = 10\nreturn g() + t*x }\ny = f(2)", {"y": 21})
    # The scope of the definition holds, not that of the call.
    check("t = 1\nfn g() = t\nfn f(t) = g() + t\ny = f(5)", {"y": 6})
    check("t = 1\nfn g() = t\nfn f(x) { t = 100*x\nreturn g() }\ny = f(5)", {"y": 1})
    # The same for functions.
    check("fn s(x) = x + 1\nfn f(x) = s(x)\nfn g(x) { fn s(x) = x + 100\nreturn f(x) + s(x) }\ny = g(0)", {"y": 101})
    errors("fn f(x) = g(x)\nfn g(x) = x\ny = f(1)", "E0204")


def test_hygiene() -> None:
    # Locals and parameters called like globals, constants and functions.
    check("input x = 2, y = 3\nfn f(y) { x = y + 1\nreturn x*y }\nz = f(x) + x + y", {"z": 11})
    check("fn f(e, pi) = e + 10*pi\nz = f(1, 2) + 0*e", {"z": 21})
    check("fn f(sin) = sin(sin) + sin\nz = f(0.5)", {"z": math.sin(0.5) + 0.5})
    check("input f = 4\nfn f(f) = f^2\nz = f(f) + f\noutput z", {"z": 20})
    check("input gamma = 3\nz = gamma*gamma(gamma)", {"z": 6})
    check("fn grad(x, y) = x + y\nz = grad(1, 2)", {"z": 3})
    check(
        "fn sin(x) = cos(x)\nfn g(x) = sin(x)\ninput x = 0.3\nz = g(x)\nd = grad(z, x)\noutput z, d",
        {"z": math.cos(0.3), "d": -math.sin(0.3)},
    )
    # A user's function does not change what derivatives of others are made of.
    check("fn cos(x) = 1000*x\ninput x = 0.3\nd = grad(sin(x), x)", {"d": math.cos(0.3)})
    check("pi = 3\nfn f(x) = pi*x\ny = f(2)", {"y": 6})
    check(
        "input x = 2\nfn f(a) { a2 = a*x\nx2 = a2 + x\nreturn x2 }\nx2 = f(x)\na2 = f(x2)\noutput x2, a2",
        {"x2": 6, "a2": 14},
    )


def test_functions_and_values_have_name_spaces_of_their_own() -> None:
    check("fn f(x) = 2*x\nf = f(3)\ng = f + f(f)\noutput f, g", {"f": 6, "g": 18})
    errors("fn f(x) = x\ny = f + 1", "E0201")
    errors("input a\ny = a(2)", "E0203")


def test_defaults_and_keywords() -> None:
    text = "k = 10\nfn f(a, b = a + 1, c = a*b + k) = a + 100*b + 10000*c\n"
    check(text + "y = f(1)", {"y": 1 + 200 + 120000})
    check(text + "y = f(1, c = 7)", {"y": 1 + 200 + 70000})
    check(text + "y = f(b = 5, a = 1)", {"y": 1 + 500 + 150000})
    check(text + "y = f(1, 2, 3)", {"y": 30201})
    # A default sees the parameters before it and no others, whatever the call gives.
    check("b = 7\nfn f(a = b, b = 1) = a\ny = f(b = 5)\nz = f()\noutput y, z", {"y": 7, "z": 7})
    errors("fn f(a = b, b = 1) = a\ny = f(b = 5)", "E0201")
    # It belongs to the function's place, not to the caller's.
    check("k = 1\nfn f(x, s = k) = x*s\nfn g(k) = f(k)\ny = g(5)", {"y": 5})
    # It can be differentiated by.
    check("input x = 3\nfn f(a, b = a^2) = grad(a*b, b)\ny = f(x)\nz = f(x, x)\noutput y, z", {"y": 3, "z": 3})
    check("input x = 3\nfn f(a, b = a^2) = grad(a*b, a)\ny = f(x)\nz = f(x, x)\noutput y, z", {"y": 27, "z": 3})
    errors("fn f(a, b = 1) = a\ny = f(1, 2, 3)", "E0301")
    errors("fn f(a, b = 1) = a\ny = f(b = 2)", "E0301")
    errors("fn f(a, b = 1) = a\ny = f(1, a = 2)", "E0302")
    errors("fn f(a, beta = 1) = a\ny = f(1, bta = 2)", "E0302")


def test_several_results() -> None:
    check(
        "fn f(a, b) { s = a + b\nd = a - b\nreturn s, d, s*d }\np, q, r = f(5, 3)\noutput p, q, r",
        {"p": 8, "q": 2, "r": 16},
    )
    check("fn f(a) { return a, a }\np, q = f(5)\ng = grad(p*q, p)\noutput g", {"g": 5})
    check("input x = 3\nfn sw(a, b) { return b, a }\np, q = sw(x, x^2)\nu, v = sw(p, q)\noutput u, v", {"u": 3, "v": 9})
    errors("fn f(a) { return a, a }\ny = f(1) + 1", "E0305")
    errors("fn f(a) { return a, a }\np, q, r = f(1)", "E0305")
    errors("p, q = 1", "E0305")
    errors("fn f(a) { return a, a }\nfn g(a) = a\ny = g(f(1))", "E0305")


def test_recursion_and_cycles() -> None:
    errors("fn f(x) = f(x - 1)\ny = f(3)", "E0304")
    errors("fn f(x) { fn g(y) = f(y)\nreturn g(x) }\ny = f(3)", "E0304")
    errors("a = b\nb = a", "E0205")
    errors("a = a + 1", "E0205")
    # Twice the same function is no recursion.
    check("fn f(x) = x + 1\ny = f(f(f(1)))", {"y": 4})
    # Nor is a call in the argument or the default of another call.
    check("fn f(x) = x + 1\nfn g(a, b = f(a)) = f(a*b)\ny = f(g(f(1)))", {"y": 8})


def test_uncalled_functions_are_checked_and_leave_no_trace() -> None:
    errors("fn f(x) = y + x\nz = 1", "E0201")
    text = "input x = 1\n" + "fn f0(x) = sin(x)\n"
    text += "".join(f"fn f{i}(x) = f{i - 1}(sin(x)) + f{i - 1}(cos(x))\n" for i in range(1, 17))
    # The trial of f16 meets its limit in the middle of the others; those are as usable as before.
    more = text + "fn g(x) = f16(x)\nfn h(x, y = g(x)) = y\nfn k(x) = f2(x)\nz = f1(x)"
    assert gradc.compile(more)()["z"] == math.sin(math.sin(1)) + math.sin(math.cos(1))


def test_grad_names_and_order() -> None:
    model = gradc.compile("input x = 2\nparam w₁ = 3, v = 4\nL = w₁*x + v^2\nM = v\noutput L, M")
    assert model.grad().outputs == ("grad(L, w₁)", "grad(L, v)", "grad(M, w₁)", "grad(M, v)")
    assert dict(model.grad("L", ["v", "w1"])()) == {"grad(L, v)": 8, "grad(L, w₁)": 2}
    assert model.grad("L", "x,v")()["grad(L, x)"] == 3
    assert gradc.compile("input x = 2, y = 3\nL = x*y").grad().outputs == ("grad(L, x)", "grad(L, y)")
    # A model of derivatives is a model like any other.
    twice = model.grad("L", "v").grad("grad(L, v)", "v")
    assert dict(twice()) == {"grad(grad(L, v), v)": 2}
    value, slopes = model.value_and_grad("L")(x=1)
    assert (value, slopes) == (19, {"w₁": 1, "v": 8})
    assert slopes["w1"] == 1
    value, slopes = gradc.compile(
        "input x = 3, y = 17\nparam w1 = 6, w2 = 2\na = x*w2\nyhat = w1 + a + w2\nL = (yhat - y)^2\noutput L"
    ).value_and_grad("L")()
    assert (value, slopes) == (9.0, {"w1": -6.0, "w2": -24.0})


def test_an_output_that_is_an_input() -> None:
    check("input x = 2\nparam w = 3\noutput x, w", {"x": 2, "w": 3})
    assert dict(gradc.compile("input x = 2\noutput x").grad()()) == {"grad(x, x)": 1}
    assert gradc.compile("input x = 2, y = 1\na = x\noutput x").grad("x", ["y", "a"])() == {
        "grad(x, y)": 0,
        "grad(x, a)": 0,
    }


def test_outputs_without_a_statement_are_what_nothing_uses() -> None:
    model = gradc.compile("input x = 2, unused = 1\na = x*2\nb = a + 1\nc = a + 2")
    assert model.outputs == ("b", "c")
    errors("input x", "E0208")


# Derivatives of one's own --------------------------------------------------------------------------------------------


def test_an_own_derivative_is_used_even_if_it_is_wrong() -> None:
    text = "fn f(x) = x^2\nderivative f(x) = 100\ninput x = 3\n"
    check(
        text + "y = f(x)\ng = grad(y, x)\nj = jvp(y, x, 2)\nh = hessian(y, x)\noutput y, g, j, h",
        {"y": 9, "g": 100, "j": 200, "h": 0},
    )
    model = gradc.compile(text + "y = f(2*x)\noutput y")
    assert dict(model.grad("y", "x")()) == {"grad(y, x)": 200}
    # Its expressions are differentiated like any others, and its own call in them once more by it.
    check(
        "fn f(x) = exp(x)\nderivative f(x) = 2*f(x)\ninput x = 1\ny = f(x)\na = grad(y, x)\n"
        "b = grad(a, x)\nc = grad(b, x)\n"
        "output a, b, c",
        {"a": 2 * math.e, "b": 4 * math.e, "c": 8 * math.e},
    )
    check(
        "fn f(x) = x\nderivative f(t) = 3*t^2\ninput x = 2\na = grad(f(x), x)\nb = hessian(f(x), x)\noutput a, b",
        {"a": 12, "b": 12},
    )


def test_an_own_derivative_with_several_parameters() -> None:
    text = "fn f(x, y) = x*y\nderivative f(a, b) = 10*a, 1000*b\ninput x = 2, y = 3\nz = f(x, y)\n"
    check(
        text + "p = grad(z, x)\nq = grad(z, y)\nr = hessian(z, x, y)\ns = hessian(z, x)\noutput p, q, r, s",
        {"p": 20, "q": 3000, "r": 0, "s": 10},
    )
    # One node for both arguments, keywords, and weak and int arguments.
    check(
        "fn f(x, y) = x*y\nderivative f(a, b) = 10, 1000\ninput x = 2, n: int = 3\np = grad(f(x, x), x)\n"
        "q = grad(f(y=2, x=x), x)\n"
        "r = grad(f(n, x), x)\noutput p, q, r",
        {"p": 1010, "q": 10, "r": 1000},
    )
    # Defaults.
    text = "fn f(x, k = 2, l = x) = k*x*l\nderivative f(x, k, l) = 100, 1, 5\ninput x = 1\n"
    check(
        text + "p = grad(f(x), x)\nq = grad(f(x, 2), x)\nr = grad(f(x, l = 2), x)\ns = f(x)\noutput p, q, r, s",
        {"p": 105, "q": 105, "r": 100, "s": 2},
    )


def test_an_own_derivative_reads_constants_and_nothing_else() -> None:
    check(
        "k = 3\nm = sin(k)\nfn f(x) = m*x\nderivative f(x) = m + k\ninput x = 2\ny = f(x)\ng = grad(y, x)\noutput y, g",
        {"y": 2 * math.sin(3), "g": math.sin(3) + 3},
    )
    errors("input w = 3\nfn f(x) = w*x\nderivative f(x) = 1\ny = f(2)", "E0404")
    errors("input w = 3\nfn f(x) = x\nderivative f(x) = w\ny = f(2)", "E0404")
    errors("input w = 3\nfn g(x) = w*x\nfn f(x) = g(x)\nderivative f(x) = 1\ny = f(2)", "E0404")
    errors("input w = 3\nv = w\nfn f(x) = v*x\nderivative f(x) = 1\ny = f(2)", "E0404")
    # In a function that differentiates inside.
    check(
        "fn f(x) = grad(x^3, x)\nderivative f(x) = 7\ninput x = 2\ny = f(x)\ng = grad(y, x)\noutput y, g",
        {"y": 12, "g": 7},
    )
    check(
        "fn f(x) = x\nderivative f(x) = grad(x^3, x)\ninput x = 2\ng = grad(f(x), x)\n"
        "h = hessian(f(x), x)\noutput g, h",
        {"g": 12, "h": 12},
    )


def test_own_derivatives_of_functions_that_call_each_other() -> None:
    text = "fn f(x) = x^2\nderivative f(x) = 10\nfn g(x) = f(x)*x\n"
    check(text + "input x = 3\ny = g(x)\nd = grad(y, x)\noutput y, d", {"y": 27, "d": 39})
    check(
        text + "derivative g(x) = 5*f(x)\ninput x = 3\ny = g(x)\nd = grad(y, x)\nh = hessian(y, x)\noutput y, d, h",
        {"y": 27, "d": 45, "h": 50},
    )
    # Through parameters of a plain function, in branches, under names.
    check(
        "fn f(x) = x^2\nderivative f(x) = 10\nfn h(p) { q = f(p)\nreturn grad(q^2, p) }\ninput x = 3\ny = h(x)",
        {"y": 180},
    )
    check(
        "fn f(x) = log(x)\nderivative f(x) = 1/x\ninput x = -1\ny = if x > 0 then f(x) else x\nd = grad(y, x)\n"
        "h = hessian(y, x)\noutput d, h",
        {"d": 1, "h": 0},
    )


def test_mistakes_in_own_derivatives() -> None:
    errors("fn f(x) = x\nderivative f(x) = grad(f(x), x)\ny = f(1)", "E0403")
    errors("fn f(x) = x\nderivative f(x) = jvp(x*f(x^2), x, 1)\ny = f(1)", "E0403")
    check("fn f(x) = x\nderivative f(x) = grad(x*stop_gradient(f(x)), x)\ninput x = 1\ng = grad(f(x), x)", {"g": 1})
    errors("fn f(x) = x\nderivative f(x) = 1, 2\ny = f(1)", "E0403")
    errors("fn f(x, y) = x\nderivative f(x) = 1\ny = f(1, 2)", "E0403")
    errors("derivative f(x) = 1\ny = 1", "E0403")
    errors("fn f(x) = x\nderivative f(x) = 1\nderivative f(x) = 2\ny = f(1)", "E0403")
    errors("fn f(x) = x\ny = f(1)\nderivative f(x) = 1", "E0403")
    errors("fn f(x) = x > 0\nderivative f(x) = 1\ny = where(f(1), 1, 2)", "E0403")
    errors("fn f(x) = x\nderivative f(x) = 1\ny = f(1 > 0)", "E0303")


# Numbers -------------------------------------------------------------------------------------------------------------


def test_weak_integers() -> None:
    check(
        "y = 7/2\nz = 7//2\nw = 7 % 4\nv = -7//2\nu = -7 % 4\noutput y, z, w, v, u",
        {"y": 3.5, "z": 3, "w": 3, "v": -4, "u": 1},
    )
    check("y = 9^9^9^9", {"y": math.inf})
    check("y = 2^-1\nz = 2^3^2\nw = -2^2\noutput y, z, w", {"y": 0.5, "z": 512, "w": -4})
    check(
        "input n: int = 7\na = n/2\nb = n//2\nc = n*2 + 1\nd = n + 0.5\ne2 = n^2\noutput a, b, c, d, e2",
        {"a": 3.5, "b": 3, "c": 15, "d": 7.5, "e2": 49},
    )
    model = gradc.compile("input n: int = 7\nk = 2\nc = n*k + 1\nd = c % 4\noutput c, d")
    assert [type(v) for v in model().values()] == [int, int]
    # Through a name and a function's parameter an integer stays weak.
    check(
        "order = 1\nfn f(n, x) = polygamma(n, x)\ninput x = 1\ny = f(order, x)\nz = f(2 - 1, x)\noutput y, z",
        {"y": math.pi**2 / 6, "z": math.pi**2 / 6},
    )
    errors("input x = 1\ny = polygamma(1.0, x)", "E0303")
    # Real arithmetic beyond 53 bits, exact integers where they meet one.
    check("input n: int = 0\na = n + 9007199254740993\noutput a", {"a": 9007199254740993})
    assert gradc.compile("input n: int = 0\na = n + 9007199254740993")()["a"] == 9007199254740993
    assert gradc.compile("input n: int = 0\na = n + (9007199254740992 + 1)")()["a"] == 9007199254740993
    check("a = 9223372036854775808\nb = -9223372036854775808\noutput a, b", {"a": 2.0**63, "b": -(2.0**63)})


@pytest.mark.parametrize("level", LEVELS)
def test_integers_are_checked(level: int) -> None:
    def code(text: str, **values: Any) -> str:
        with pytest.raises(gradc.CallError) as caught:
            gradc.compile(text, level=level)(values)
        (found,) = caught.value.diagnostics
        assert found.span is not None
        assert found.text
        return found.code

    big = 2**63 - 1
    assert code("input n: int\ny = n + 1", n=big) == "E0604"
    assert code("input n: int\ny = n - 2", n=-big) == "E0604"
    assert code("input n: int\ny = n*n", n=2**32) == "E0604"
    assert code("input n: int\ny = -n", n=-big - 1) == "E0604"
    assert code("input n: int\ny = abs(n)", n=-big - 1) == "E0604"
    assert code("input n: int\nm = -1 + 0*n\ny = n // m\noutput y", n=-big - 1) == "E0604"
    assert code("input n: int\ny = 5 // n", n=0) == "E0605"
    assert code("input n: int\ny = n % (n - n)", n=3) == "E0605"
    assert code("input n: int\ny = n + 9223372036854775807 + n", n=1) == "E0604"
    # Where the literals alone overflow they are real.
    assert gradc.compile("input n: int = 1\ny = n + 9223372036854775807*2", level=level)() == {"y": 2.0**64}
    assert gradc.compile("input n: int = -5\ny = n + -(-9223372036854775807 - 1)", level=level)() == {"y": 2.0**63}
    assert gradc.compile("input n: int = 1\ny = 1//0 + n", level=level)()["y"] == math.inf
    # A mistake that no result needs.
    assert gradc.compile("input n: int = 0\nm = 1 // n\ny = n + 2\noutput y", level=level)() == {"y": 2}


INTEGERS = "input n: int, m: int = 3, x = 2\nfn f(a) = 5 // a + a % m - min(a, m, 7)\n"
INTEGERS += (
    "k = f(n)*m + clip(n, -2, m) - (if x > 1 then abs(n) else sign(n))\nj = m*m - 1\ny = k*x + j\noutput k, j, y"
)


@pytest.mark.parametrize("level", LEVELS)
def test_integers_of_rows_and_of_single_precision(level: int) -> None:
    model = gradc.compile(INTEGERS, level=level)
    single = gradc.compile(INTEGERS, level=level, dtype="f32")
    rows = [1, -2, 9, 2**40]
    for each in (model, single):
        mapped = each.map(n=rows)
        assert mapped["k"].dtype == mapped["j"].dtype == numpy.int64
        for at, n in enumerate(rows):
            found = each(n=n)
            assert [type(found[name]) for name in ("k", "j", "y")] == [int, int, float]
            assert found == {name: mapped[name][at] for name in mapped}
        for n, code in ((0, "E0605"), (-(2**62), "E0604"), (-(2**63), "E0604")):
            for call in (lambda: each(n=n), lambda: each.map(n=[1, n]), lambda: each.map(n=n, x=[1.0, 2.0])):  # noqa: B023
                with pytest.raises(gradc.CallError) as caught:
                    call()
                assert caught.value.diagnostics[0].code == code


def test_real_division_by_zero_is_ieee() -> None:
    check(
        "input x = 0\na = 1/x\nb = -1/x\nc = x/x\nd = 1//x\nf = 1 % x\noutput a, b, c, d, f",
        {"a": math.inf, "b": -math.inf, "c": math.nan, "d": math.inf, "f": math.nan},
    )


def test_truth_values() -> None:
    check(
        "input x = 3\ny = where(x > 2 and not (x > 5 or x == 4), 1, 0)\nz = float(x > 2)\noutput y, z", {"y": 1, "z": 1}
    )
    check("input b: bool = 1 == 1, x = 2\ny = if b then x else -x\ng = grad(y, x)\noutput y, g", {"y": 2, "g": 1})
    errors("input x\ny = (x > 2) + 1", "E0303")
    errors("input x\ny = if x then 1 else 2", "E0303")
    errors("input x\ny = x and x > 1", "E0303")
    errors("input x\ny = 1 < x < 2", "E0306")
    errors("input x\ny = -(x > 1)", "E0303")
    errors("input x\ny = if x > 1 then x else x > 2", "E0303")
    model = gradc.compile("input x = 3, n: int = 2\nb = x > n\nc = n == 2\noutput b, c")
    assert [type(v) for v in model().values()] == [bool, bool]
    assert warnings("input x\ny = grad(where(x > 0, 1, 2), x)") == ["W0102"]


def test_comparisons_of_integers_are_exact() -> None:
    check(
        "input n: int = 9007199254740993\ny = where(n == 9007199254740992, 1, 0)\n"
        "z = where(n > 9007199254740992, 1, 0)\n"
        "output y, z",
        {"y": 0, "z": 1},
    )


# Spellings -----------------------------------------------------------------------------------------------------------


def test_spellings_of_names() -> None:
    model = gradc.compile("input x₁ = 2\nparam ŷ = 3\nL = x1*ŷ\noutput L")
    assert model.inputs == ("x₁", "ŷ")
    assert model(x1=5)["L"] == model({"x₁": 5})["L"] == 15
    assert model({"y\u0302": 4})["L"] == 8
    assert model.grad("L", "y\u0302").outputs == ("grad(L, ŷ)",)
    assert model.grad("L", "x1")()["grad(L, x1)"] == 3
    errors("input w₁\nparam w1\ny = w₁", "E0202")
    check("fn f₁(a₁) = a1^2\ny = f1(a1 = 3)", {"y": 9})


def test_the_mapping_argument() -> None:
    model = gradc.compile("input mapping = 1, self = 2\nL = mapping + 10*self")
    assert model({"self": 5})["L"] == 51
    assert model(mapping=3, self=4)["L"] == 43
    assert model({"mapping": 3}, self=4)["L"] == 43
    for call in (lambda: model({"self": 1}, self=1), lambda: gradc.compile("input w₁\ny = w1")({"w1": 1, "w₁": 1})):
        with pytest.raises(gradc.CallError) as caught:
            call()
        assert caught.value.diagnostics[0].code == "E0602"


# Models --------------------------------------------------------------------------------------------------------------

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


# Use -----------------------------------------------------------------------------------------------------------------


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".grad")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def load_errors(path: Path, *codes: str, **options: Any) -> gradc.CompileError:
    with pytest.raises(gradc.CompileError) as caught:
        gradc.load(path, **options)
    assert [d.code for d in caught.value.diagnostics] == list(codes), str(caught.value)
    return caught.value


def test_use_brings_functions_and_constants(tmp_path: Path) -> None:
    write(
        tmp_path,
        main='use "lib/a.grad"\ninput x = 3\nk2 = 5\ny = scale(x) + k\nd = grad(y, x)\nh = grad(own(x), x)\n'
        "j = grad(k*x, k)\noutput y, d, h, j",
        lib__a='use "b.grad"\nk = 2*base\nfn scale(t) = k*t + hidden(t)\nfn own(t) = t\nderivative own(t) = 42',
        lib__b="base = 5\nfn hidden(t) = base*t^2",
    )
    assert dict(gradc.load(tmp_path / "main.grad")()) == {"y": 85, "d": 40, "h": 42, "j": 3}


def test_what_a_used_file_uses_stays_its_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        main='use "a.grad"\ny = f(1) + base\n',
        a='use "b.grad"\nfn f(x) = g(x) + base',
        b="base = 5\nfn g(x) = x",
        main2='use "a.grad"\ny = g(1)\n',
        # Names of its own do not clash with those that stay inside.
        main3='use "a.grad"\nbase = 100\nfn g(x) = 1000*x\ny = f(1) + base + g(1)',
    )
    load_errors(tmp_path / "main.grad", "E0201")
    load_errors(tmp_path / "main2.grad", "E0203")
    assert gradc.load(tmp_path / "main3.grad")()["y"] == 1106


def test_a_used_function_sees_its_own_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        main='k = 1000\nfn s(x) = 0\nuse "a.grad"\ninput x = 2\ny = f(x)',
        a="q = 3\nfn t(x) = x + 1\nfn f(x) = q*t(x)",
    )
    assert gradc.load(tmp_path / "main.grad")()["y"] == 9
    write(tmp_path, main='q = 1000\nuse "a.grad"\ny = f(1)')
    load_errors(tmp_path / "main.grad", "E0202")
    write(tmp_path, main='fn f(x) = 1\nuse "a.grad"\ny = f(1)')
    load_errors(tmp_path / "main.grad", "E0202")
    write(tmp_path, main='use "a.grad"\nq = 1\ny = f(1)')
    load_errors(tmp_path / "main.grad", "E0202")
    # Before the statement nothing is there.
    write(tmp_path, main='y = f(1)\nuse "a.grad"')
    assert load_errors(tmp_path / "main.grad", "E0203")


def test_a_diamond_of_files_is_read_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        main='use "a.grad"\nuse "b.grad"\ninput x = 2\ny = fa(x) + fb(x)\ng = grad(y, x)\noutput y, g',
        a='use "c.grad"\nfn fa(x) = c1*h(x)',
        b='use "c.grad"\nfn fb(x) = h(x)',
        c="c1 = 2\nfn h(x) = x\nderivative h(x) = 10",
    )
    assert dict(gradc.load(tmp_path / "main.grad")()) == {"y": 6, "g": 30}


def test_a_used_file_has_no_inputs_and_no_outputs(tmp_path: Path) -> None:
    write(tmp_path, main='use "a.grad"\ny = 1', a="input x = 1\nparam w = 1\nk = 2\noutput k")
    load_errors(tmp_path / "main.grad", "E0505", "E0505", "E0505")


def test_errors_in_used_files_name_them(tmp_path: Path) -> None:
    write(tmp_path, main='use "a.grad"\ny = f(1)\nz = nope', a="fn f(x) = nope2 + x")
    found = load_errors(tmp_path / "main.grad", "E0201", "E0201").diagnostics
    assert sorted(Path(str(d.file)).name for d in found) == ["a.grad", "main.grad"]


def test_cycles_of_files(tmp_path: Path) -> None:
    write(tmp_path, a='use "b.grad"\ny = 1', b='use "sub/c.grad"', sub__c='use "../b.grad"')
    load_errors(tmp_path / "a.grad", "E0502")
    write(tmp_path, me='use "me.grad"\ny = 1')
    load_errors(tmp_path / "me.grad", "E0502")
    # Another spelling of the same file.
    write(tmp_path, me='use "sub/../me.grad"\ny = 1')
    load_errors(tmp_path / "me.grad", "E0502")


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    write(tmp_path, prog__main='use "../outside.grad"\ny = f(1)', outside="fn f(x) = x + 1")
    main = tmp_path / "prog" / "main.grad"
    load_errors(main, "E0503")
    assert gradc.load(main, allow=[str(tmp_path)])()["y"] == 2
    write(tmp_path, prog__main=f'use "{tmp_path}/outside.grad"\ny = f(1)')
    load_errors(main, "E0503")
    write(tmp_path, prog__main='use "missing.grad"\ny = f(1)')
    load_errors(main, "E0501")
    write(tmp_path, prog__main='use ""\ny = 1')
    load_errors(main, "E0501")
    write(tmp_path, prog__main='use "../prog/near.grad"\ny = f(1)', prog__near="fn f(x) = x")
    assert gradc.load(main)()["y"] == 1
    write(tmp_path, prog__main='use "."\ny = 1')
    load_errors(main, "E0501")
    # A mistake in the used file is shown where it is.
    write(tmp_path, prog__main='use "near.grad"\ny = f(1)', prog__near="fn f(x) = (x")
    assert Path(str(load_errors(main, "E0102").diagnostics[0].file)).name == "near.grad"


def test_used_from_a_relative_path_and_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        prog__main='use "lib/a.grad"\ny = f(1)',
        prog__lib__a='use "b.grad"\nfn f(x) = g(x)',
        prog__lib__b="fn g(x) = x + 1",
    )
    monkeypatch.chdir(tmp_path)
    assert gradc.load("prog/main.grad")()["y"] == 2
    monkeypatch.chdir(tmp_path / "prog")
    assert gradc.load("main.grad")()["y"] == 2
    monkeypatch.chdir(tmp_path / "prog" / "lib")
    assert gradc.load("../main.grad")()["y"] == 2
    # The program's folder bounds it, not the current one.
    write(tmp_path, prog__lib__up='use "../top.grad"\ny = f(1)', prog__top="fn f(x) = x")
    load_errors(Path("up.grad"), "E0503")


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="links need rights on Windows")
def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, prog__main='use "link.grad"\ny = f(1)', outside="fn f(x) = x", prog__real="fn f(x) = x")
    main = tmp_path / "prog" / "main.grad"
    os.symlink(tmp_path / "outside.grad", tmp_path / "prog" / "link.grad")
    load_errors(main, "E0503")
    (tmp_path / "prog" / "link.grad").unlink()
    os.symlink(tmp_path / "prog" / "real.grad", tmp_path / "prog" / "link.grad")
    load_errors(main, "E0503")
    (tmp_path / "away").mkdir()
    write(tmp_path, away__a="fn f(x) = x", prog__main='use "dir/a.grad"\ny = f(1)')
    os.symlink(tmp_path / "away", tmp_path / "prog" / "dir")
    load_errors(main, "E0503")
    # A program that is itself reached through a link.
    write(tmp_path, prog__main='use "real.grad"\ny = f(1)')
    os.symlink(tmp_path / "prog", tmp_path / "alias")
    assert gradc.load(tmp_path / "alias" / "main.grad")()["y"] == 1


def test_a_text_can_use_only_what_is_allowed(tmp_path: Path) -> None:
    write(tmp_path, a="fn f(x) = x + 1")
    errors('use "a.grad"\ny = f(1)', "E0504")
    assert gradc.compile('use "a.grad"\ny = f(1)', allow=[str(tmp_path)])()["y"] == 2
    errors('use "../a.grad"\ny = f(1)', "E0503", allow=[str(tmp_path)])


# Integer operations without a result: what is not selected does not count. -----------------------------------------


def test_an_integer_mistake_in_a_branch_not_taken_is_none() -> None:
    model = gradc.compile("input n: int\ny = if n == 0 then 0 else 10 // n\nz = n != 0 and 10 // n > 2\n")
    assert model(n=0) == {"y": 0, "z": False}
    assert model(n=3) == {"y": 3, "z": True}
    rows = model.map(n=[0, 1, 5])
    assert rows["y"].tolist() == [0, 10, 2]
    assert rows["z"].tolist() == [False, True, False]


def test_an_integer_mistake_that_reaches_a_result_is_one() -> None:
    model = gradc.compile("input n: int, x = 2\ny = x * (10 // n)\n")
    for call in (lambda: model(n=0), lambda: model.map(n=[1, 0]), lambda: model.grad("y", "x")(n=0)):
        with pytest.raises(gradc.CallError) as caught:
            call()
        assert [d.code for d in caught.value.diagnostics] == ["E0605"]


def test_weak_integers_stay_weak_through_what_keeps_integers() -> None:
    model = gradc.compile("input n: int = 5, x = 1.5\ny = n // max(1, 2)\nz = polygamma(min(1, 3), x)\n")
    assert model()["y"] == 2
    assert type(model()["y"]) is int


def test_a_file_used_twice_is_used_once(tmp_path: Path) -> None:
    (tmp_path / "a.grad").write_text("k = 3\nfn f(x) = k*x\n")
    (tmp_path / "main.grad").write_text('use "a.grad"\nuse "a.grad"\ny = f(2)\n')
    assert gradc.load(tmp_path / "main.grad")() == {"y": 6.0}


def test_asking_for_a_derivative_that_is_zero_is_a_warning() -> None:
    model = gradc.compile("input x = 3, y = 17\nparam w = 2\na = x*w\nb = y\n")
    assert [d.code for d in model.grad("a", "x,y").warnings] == ["W0102"]
    assert model.grad("a").warnings == ()
    assert model.grad(wrt="y").warnings == ()
    assert model.grad("a", "y")() == {"grad(a, y)": 0.0}


def test_what_a_loop_gives_depends_on_what_enters_it() -> None:
    assert warnings("input w\ny = 0\nfor t in 0..3 { y = y + w*t }\ng = grad(y, w)\noutput g") == []
    assert warnings("input w, v\ny = 0\nfor t in 0..3 { y = y + w*t }\ng = grad(y, v)\noutput y, g") == ["W0102"]


def test_the_next_step_of_a_loop_uses_what_is_carried() -> None:
    text = "input w\ny = 0\nfor t in 0..3 {\n  y = y + w\n  s[t] = y\n}\noutput s"
    assert warnings(text) == []
