"""What programs mean: names as identities, requests inside programs, spellings."""

from __future__ import annotations

import math

import pytest
from meaning import LEVELS, check, errors, warnings

import gradc

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
