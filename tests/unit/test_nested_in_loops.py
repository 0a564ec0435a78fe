"""Derivatives in the bodies of loops are those of the program with the iterations written one below the other."""

from __future__ import annotations

import re

import numpy as np
import pytest

import gradc

START = "input w = 0.7, c = 1.3\n"
# What stands before the loop, its body, and what is compared behind it: `g[t]` collects.
CASES = {
    "by a name from outside": ("y = w", "y = y + w*y^2 + w*t; g[t] = grad(y, w)"),
    "by what is carried": ("v = w", "g[t] = grad(sin(v)*v, v); v = v + c"),
    "by what is carried, with what depended on it before": ("v = w; q = v^2", "g[t] = grad(q*v, v); v = v + 1"),
    "by what is carried, with what the last iteration made of it": (
        "v = w; q = c",
        "g[t] = grad(q*v^2, v); v = v + c; q = v^3 + w",
    ),
    "by what is carried, with what was made of what was made of it": (
        "v = w; q = c; r = c",
        "g[t] = grad(q*v*r, v); v = v*c; q = sin(v); r = q*w",
    ),
    "what was made before the name got its value does not count": (
        "v = w; q = c",
        "g[t] = grad(q*v, v); q = v^2; v = v + c",
    ),
    "newton": ("v = c", "y = v^3 - w; v = v - y/grad(y, v); g[t] = v"),
    "newton, differentiated in the loop": ("v = c", "y = v^3 - w; v = v - y/grad(y, v); g[t] = grad(v, w)"),
    "halley": ("v = c", "y = v^3 - w; a = grad(y, v); b = hessian(y, v); v = v - 2*y*a/(2*a^2 - y*b); g[t] = v"),
    "two names that are found together": (
        "a = w; b = c",
        "f = (a - b^2)^2 + exp(a*b); p = grad(f, a); q = grad(f, b); a = a - 0.05*p; b = b - 0.05*q; g[t] = f",
    ),
    "a force": (
        "x = w; v = c",
        "u = cos(x)*c; a = -grad(u, x); x = x + 0.1*v; v = v + 0.1*a; g[t] = x + v",
    ),
    "derivatives by both kinds of names": (
        "v = c",
        "y = v^3 - w*v; v = v - 0.1*grad(y, v); g[t] = grad(v*y, w) + grad(v^2*y, v)",
    ),
    "mixed": ("v = c", "y = v^3*w; g[t] = grad(grad(y, v), w); v = v + y/9"),
    "mixed, the other way round": ("v = c", "y = v^3*w; g[t] = grad(grad(y, w), v); v = v + y/9"),
    "of second order": ("y = w", "y = y + w*y^2; g[t] = hessian(y, w)"),
    "forward": ("v = c", "y = v^3 - w; v = v - y/jvp(y, v, 1); g[t] = jvp(v, w, 2)"),
}


def unrolled(before: str, body: str, times: int) -> str:
    """The program without its loop: each value that a name gets has a name of its own."""
    lines = []
    version: dict[str, str] = {}
    steps = [(None, statement) for statement in before.split("; ")]
    steps += [(t, statement) for t in range(times) for statement in body.split("; ")]
    for at, (t, statement) in enumerate(steps):
        target, value = statement.split(" = ", 1)
        now = version if t is None else {**version, "t": str(t)}
        value = re.sub(r"[a-z]\w*", lambda found, now=now: now.get(found[0], found[0]), value)
        own = f"g_{t}" if target == "g[t]" else f"{target}_{at}"
        lines.append(f"{own} = {value}")
        version[target] = own
    whole = ", ".join(f"g_{t}" for t in range(times))
    return START + "\n".join(lines) + f"\ng = [{whole}]\nL = sum(g*[1, 2, 3, 4])\noutput g, L"


def rolled(before: str, body: str, head: str) -> str:
    return START + f"{before}\n{head}\nL = sum(g*[1, 2, 3, 4])\noutput g, L".replace("BODY", body)


@pytest.mark.parametrize("case", CASES)
def test_as_unrolled(case: str) -> None:
    before, body = CASES[case]
    expected = gradc.compile(unrolled(before, body, 4))
    model = gradc.compile(rolled(before, body, "for t in 0..4 { BODY }"))
    np.testing.assert_allclose(model()["g"], expected()["g"], rtol=1e-12)
    slopes, wanted = model.grad("L")(), expected.grad("L")()
    assert set(slopes) == set(wanted)
    for name, slope in slopes.items():
        assert slope == pytest.approx(wanted[name], rel=1e-11, abs=1e-13)


# Behind a choice its names are new ones, on which nothing depends that has been made inside.
MADE_INSIDE = ("what the last iteration made of it", "what was made of what was made of it")


@pytest.mark.parametrize("case", [case for case in CASES if not case.endswith(MADE_INSIDE)])
def test_in_branches(case: str) -> None:
    """The same in one branch of a choice."""
    before, body = CASES[case]
    expected = gradc.compile(unrolled(before, body, 4))
    names = dict.fromkeys(re.findall(r"(\w) = ", before))
    body = body.replace("g[t]", "here")
    kept = "; ".join([*[f"{name} = {name}" for name in names], "here = 0"])
    head = f"for t in 0..4 {{ if c > 0 {{ {body} }} else {{ {kept} }}; g[t] = here }}"
    model = gradc.compile(rolled(before, "", head))
    np.testing.assert_allclose(model()["g"], expected()["g"], rtol=1e-12)
    assert model.grad("L", "w")()["grad(L, w)"] == pytest.approx(expected.grad("L", "w")()["grad(L, w)"], rel=1e-11)


def test_through_a_loop_is_no_warning() -> None:
    text = "input x = 1, z = 2\ny = x\nfor t in 0..2 { y = y*x }\na = grad(y, x)\noutput a"
    assert gradc.compile(text.replace(", z = 2", "")).warnings == ()


def test_arrays_that_descend() -> None:
    """Ten thousand parameters: the gradient in the loop takes one sweep, not one for each of them."""
    text = "input w0[n]\nw = w0\nfor t in 0..5 { L = sum((w - 1)^4); w = w - 0.1*grad(L, w) }\noutput w"
    start = np.linspace(0, 1, 10_000)
    expected = start
    for _ in range(5):
        expected = expected - 0.4 * (expected - 1) ** 3
    np.testing.assert_allclose(gradc.compile(text)(w0=start)["w"], expected, rtol=1e-13)


def test_an_order_that_grows_is_refused() -> None:
    text = "input w = 1\ny = w\nfor t in 0..3 { y = y + grad(y^2, w) }\noutput y"
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile(text)()
    assert [each.code for each in caught.value.diagnostics] == ["E0406"]


def test_rows_whose_loops_make_different_numbers_of_steps_at_third_order() -> None:
    loop = "z = w\nd = 0\nwhile d < 3 and w < 2 {\n  z = 0.5/(1 + z^4)\n  d = d + 1\n}"
    model = gradc.compile(f"input w = 1\n{loop}\nL = z*w\nH = hessian(L, w)\noutput H").grad("H", "w")
    rows = [0.5, 0.6, 3.0]
    found = model.map(w=rows)["grad(H, w)"]
    assert found.tolist() == [model(w=w)["grad(H, w)"] for w in rows]
