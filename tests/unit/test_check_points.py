"""Verdicts where they are hard to give: kinks, jumps, ends of domains, numbers that are very large or very small, and
derivatives that are wrong by a little, wherever they stand.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradc
from gradc.check.report import Check
from gradc.ir.builder import Builder
from gradc.ir.types import Type

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "golden" / "loops").glob("still_*.grad"))


def check(text: str, values: dict[str, Any] | None = None, ops: gradc.OpTable = gradc.TABLE, **options: Any) -> Check:
    return gradc.compile(text, name="m.grad", ops=ops).check(values, **options)


def verdicts(found: Check) -> set[str]:
    return {entry.verdict for entry in found.entries}


# Points ---------------------------------------------------------------------------------------------------------------

# The verdicts that may be given, by differences and complex steps, and in 30 digits.
RIGHT, NONE, UNSURE = {"right"}, {"undefined"}, {"noise"}
POINTS: list[tuple[str, set[str], set[str]]] = [
    ("param x = 0\ny = abs(x)*3 + x", RIGHT, RIGHT),
    ("param x = 0, z = 0\ny = max(x, z)^2", RIGHT, RIGHT),
    ("param x = 1\ny = clip(x, -1, 1)", RIGHT, RIGHT),
    ("param x = 0\ny = relu(x)^2", RIGHT, RIGHT),
    ("param x = 0\ny = if x > 0 then x^2 else -x^2", RIGHT, RIGHT),
    ("param x = 0\ny = sqrt(x^2)", RIGHT, RIGHT),
    ("param x[3] = [1.0, 1.0, 0.5]\ny = sort(x)[2]", RIGHT, RIGHT),
    ("param x[2] = [0.0, 0.0]\ny = norm(x)", RIGHT, RIGHT),
    ("param x = 1\ny = log(x)^3", RIGHT, RIGHT),
    ("param x = 1\ny = (x - 1)^10", RIGHT, RIGHT),
    ("param x = 0\ny = cbrt(x)", NONE, NONE),
    ("param x = 0\ny = exp(-cbrt(x)^2)", NONE, NONE),
    ("param x = 0\ny = x^1.5", NONE, NONE),
    ("param x = 1\ny = acos(x)", NONE, NONE),
    ("param x = 0\ny = sqrt(x)*x", NONE, NONE),
    ("param x = 0, z = 0\ny = atan2(x, z)", NONE, NONE),
    ("param x = 2\ny = floor(x)*x", NONE, NONE),
    ("param x = 1e154\ny = x^2", RIGHT, RIGHT),
    ("param x = 1e308\ny = x*1.5", RIGHT, RIGHT),
    ("param x = 1e300\ny = sqrt(x^2 + 1)", NONE, NONE),
    ("param x = 1e-320\ny = 3*x", RIGHT, RIGHT),
    ("param x = 1e-300\ny = x^2", RIGHT | UNSURE, RIGHT),
    ("param x = 709.7\ny = exp(x)/exp(x-1)", RIGHT | UNSURE, RIGHT),
    ("param x = 1e-9\ny = (1 - cos(x))/x^2", UNSURE, RIGHT),
    ("param x = 0.1\ny = x\nfor t in 0..200 { y = 4*y*(1 - y) }\noutput y", UNSURE, UNSURE),
    ("param x = 2, w = 1\nz = x\nk = 0\nwhile k < 3 { z = z*w*x\nk = k + 1 }\ng = grad(z, x)\noutput g", RIGHT, RIGHT),
]  # fmt: skip


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point[0].replace("\n", "; "))
def test_hard_points(point: tuple[str, set[str], set[str]]) -> None:
    text, plain, precise = point
    for found, due in ((check(text), plain), (check(text, precision=30), precise)):
        assert verdicts(found) <= due, str(found)
        assert found.ok, str(found)


def test_rounding_errors_are_no_jumps() -> None:
    rows = "[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.000001]]"
    found = check(f"param A[3, 3] = {rows}\ny = logdet(A @ A.T)")
    assert found.ok
    assert "jumps" not in str(found)


def test_a_zero_in_many_digits_is_one() -> None:
    # Two contributions cancel, and leave what they have in the last of the digits.
    found = check("param x = 0.3\ny = sin(x)*2 - 2*sin(x) + x*(1/3 - 1/3)", precision=25)
    assert verdicts(found) == RIGHT


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_what_stands_still_in_loops(path: Path) -> None:
    found = gradc.load(path).check()
    assert found.ok, str(found)
    assert "noise" not in verdicts(found), str(found)


def test_an_infinite_local_gradient_is_told() -> None:
    found = check("param w = 1\nu = w*2\nL = cbrt(u - u) + w")
    assert verdicts(found) == {"wrong"}
    assert found.faults[0].hints == (
        "a local gradient on the way is infinite, and the chain rule makes inf*0 or inf - inf of it",
    )


# Derivatives that are wrong -------------------------------------------------------------------------------------------

HEAD = "fn f(x) = sin(x)*x\nderivative f(x) = {}\n"
PLACES = {
    "alone": "param w = 1.3\ny = f(w)*w",
    "loop": "param w = 1.3\ny = w\nfor t in 0..5 { y = f(y) + 0.1 }\noutput y",
    "while": "param w = 1.3\ny = w\nk = 0\nwhile k < 4 { y = f(y)*w\nk = k + 1 }\noutput y",
    "branch": "param w = 1.3\ny = w\nif w > 1 { y = f(w) } else { y = w }\noutput y",
    "array": "param w[3] = [1.3, 0.4, -2.0]\ny = sum(f(w))",
    "family": "param w[3] = [1.3, 0.4, -2.0]\ny = sum(f(w[i])*w[i] for i)",
    "functions": "fn g(a) = f(a^2) + a\nfn h(a) = g(a)*2\nparam w = 1.3\ny = h(w)",
    "loops of a family": "param w[3] = [1.3, 0.4, 0.7]\n"
    "fn g(a) {\n s = a\n for t in 0..3 { s = f(s) + a }\n return s\n}\ny = sum(g(w[i]) for i)",
}
RIGHT_TEXT = "cos(x)*x + sin(x)"
WRONG = {"factor": f"({RIGHT_TEXT})*(1 + 1e-6)", "sign": f"-({RIGHT_TEXT})", "term": "sin(x)"}
OPTIONS: list[dict[str, Any]] = [{}, {"samples": 1, "ranges": {"w": (1.0, 1.5)}}, {"precision": 20}]


@pytest.mark.parametrize(("place", "wrong"), list(itertools.product(PLACES, WRONG)))
def test_a_wrong_derivative_is_wrong_and_named(place: str, wrong: str) -> None:
    text = HEAD.format(WRONG[wrong]) + PLACES[place]
    for options in OPTIONS if wrong == "factor" else OPTIONS[:1]:
        found = check(text, **options)
        assert "wrong" in verdicts(found), str(found)
        (fault,) = found.faults
        assert fault.message.startswith("the derivative of `f` by `x` is wrong: at x = ")
        assert fault.span is not None
        assert (fault.span.line, fault.span.column) == (2, 19)


@pytest.mark.parametrize("place", PLACES)
def test_a_right_derivative_is_right(place: str) -> None:
    for options in OPTIONS:
        found = check(HEAD.format(RIGHT_TEXT) + PLACES[place], **options)
        assert verdicts(found) == RIGHT, str(found)
        assert found.ok


def _off(name: str) -> gradc.OpTable:
    """The table with an operator whose adjoint is a hundredth too large."""
    row = gradc.TABLE[name]
    right = row.pullback
    assert right is not None

    def pullback(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Mapping[int, Any]:
        made = right(builder, node, adjoint, positions)
        return {
            at: builder.apply("mul", each, builder.constant(1.01, Type("f64", builder.type(each).shape)))
            if isinstance(each, int)
            else each
            for at, each in made.items()
        }

    return gradc.TABLE.extend(dataclasses.replace(row, pullback=pullback))


A = "param A[2, 3] = [[1.3, 0.4, -2.0], [1.0, 2.0, 0.3]]\n"


@pytest.mark.parametrize(
    ("op", "text", "column", "length"),
    [
        ("norm", "y = sum(norm(A[i])^2 for i)", 9, 10),
        ("cumsum", "b[i] = sum(cumsum(A[i])^2)\ny = sum(b)", 12, 12),
        ("logsumexp", "y = sum(logsumexp(A[i]) for i)", 9, 15),
        ("matmul", "y = sum((A @ A[i])[0] for i in 0..2)", 9, 10),
    ],
)
def test_operations_on_families_are_located(op: str, text: str, column: int, length: int) -> None:
    found = check(A + text, ops=_off(op))
    assert verdicts(found) == {"wrong"}
    word = gradc.TABLE[op].symbol or op
    for fault in found.faults:
        assert fault.message.startswith(f"the local gradient of `{word}` by its ")
        assert fault.span is not None
        assert (fault.span.line, fault.span.column, fault.span.length) == (2, column, length)
    assert found.faults


def test_what_binds_indices_is_located() -> None:
    found = check(A + "b[i] = sum(A[i, j]*A[i, 0] for j)\ny = sum(b^2)", ops=_off("sum"))
    assert verdicts(found) == {"wrong"}
    # Nothing else is blamed for it.
    assert {fault.message.partition(" is wrong")[0] for fault in found.faults} == {
        "the local gradient of `sum` by its operand"
    }
    assert {fault.span.line for fault in found.faults if fault.span} == {2, 3}


def test_many_elements_in_an_array() -> None:
    text = HEAD.format(WRONG["factor"]) + "param w[200]\ny = sum(f(w[i]) for i)"
    found = check(text, {"w": np.linspace(0.2, 2, 200)})
    assert "wrong" in verdicts(found)
    assert len(found.faults) == 1
