"""What functions mean: parameters, defaults, several results, hygiene, recursion, derivatives of one's own."""

from __future__ import annotations

import math

from meaning import check, errors

import gradc

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
