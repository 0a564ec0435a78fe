"""What the form of a value says about its size holds at every float, and decides where the log of a product splits."""

from __future__ import annotations

import itertools
import math

import pytest

import gradc
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ops import TABLE
from gradc.rules.bounds import at_least_one, at_least_zero, at_most_one

NASTY = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-300, -5e-324, 800.0, -800.0, 1e200, -1e200, math.inf, -math.inf, math.nan)

# Forms, and what is known of them: no less than 0, no less than 1, between 0 and 1.
KNOWN = {
    "x": (False, False, False),
    "x*y": (False, False, False),
    "-x": (False, False, False),
    "2": (True, True, False),
    "0.5": (True, False, True),
    "-1": (False, False, False),
    "x*x": (True, False, False),
    "x^2": (True, False, False),
    "x^3": (False, False, False),
    "abs(x)/2": (True, False, False),
    "abs(x)/y^2": (False, False, False),
    "1/sqrt(x)": (False, False, False),
    "1 + x^2": (True, True, False),
    "x^2 + y^2 + 1": (True, True, False),
    "1 + x": (False, False, False),
    "x^2 - y^2": (False, False, False),
    "cosh(x)*cosh(y)": (True, True, False),
    "sqrt(1 + x^2)": (True, True, False),
    "(1 + x^2)^1.5": (True, True, False),
    "(1 + x^2)^(-1)": (False, False, False),
    "exp(x)": (True, False, False),
    "exp(x^2)": (True, True, False),
    "exp(-(x^2))": (True, False, True),
    "exp(-0.5*x^2 - abs(y))": (True, False, True),
    "exp(x^2/(-2))": (True, False, True),
    "exp(-(x^3))": (True, False, False),
    "sigmoid(x)": (True, False, True),
    "sqrt(sigmoid(x))^3": (True, False, True),
    "sigmoid(x)/cosh(y)": (True, False, True),
    "cosh(x)/sigmoid(y)": (False, True, False),
    "sigmoid(x)*y": (False, False, False),
    "max(x, 1)": (False, False, False),
}


def _graph(text: str) -> Graph:
    return gradc.compile(f"input x, y\nz = {text}\nw = x + y\noutput z", level=0).graph


def _builder(graph: Graph) -> tuple[Builder, int]:
    """The graph in a builder once more, and its output without the name."""
    builder = Builder(TABLE)
    made: dict[int, int] = {}
    for node, data in graph.data.items():
        if data["op"] == "const":
            made[node] = builder.constant(data["attrs"]["value"], data["type"])
        elif data["op"] == "input":
            made[node] = builder.input(data["name"], data["type"])
        elif data["op"] == "name":
            made[node] = made[data["operands"][0]]
        else:
            made[node] = builder.apply(data["op"], *[made[operand] for operand in data["operands"]])
    return builder, made[graph.output("z")]


@pytest.mark.parametrize("text", KNOWN)
def test_what_is_known_is_known_and_true(text: str) -> None:
    builder, node = _builder(_graph(text))
    found = at_least_zero(builder, node), at_least_one(builder, node), at_most_one(builder, node)
    assert found == KNOWN[text]
    model = gradc.compile(f"input x, y\nz = {text}\nw = x + y\noutput z", level=0)
    for x, y in itertools.product(NASTY, repeat=2):
        value = model(x=x, y=y)["z"]
        if value == value:
            assert not found[0] or value >= 0, (x, y)
            assert not found[1] or value >= 1, (x, y)
            assert not found[2] or 0 <= value <= 1, (x, y)


def _rules(text: str) -> list[str]:
    return [each.rule for each in gradc.compile(f"input x, y\nz = {text}").rewrites()]


SPLIT = ["sigmoid(x)*sigmoid(y)", "cosh(x)*cosh(y)", "exp(-(x^2))*sigmoid(y)", "exp(-abs(x))/(1 + y^2)"]
WHOLE = ["x*y", "exp(x)*y", "sigmoid(x)*cosh(y)", "sigmoid(x)/sigmoid(y)", "cosh(x)/cosh(y)", "sigmoid(x) + sigmoid(y)"]


@pytest.mark.parametrize("text", SPLIT)
def test_a_product_is_split_where_nothing_cancels(text: str) -> None:
    assert "log_product" in _rules(f"log({text})")
    left = gradc.compile(f"input x, y\nz = log({text})", no_rewrite=["log_product"])
    right = gradc.compile(f"input x, y\nz = log({text})")
    for x, y in itertools.product((-3.0, 0.25, 7.0), repeat=2):
        assert right(x=x, y=y)["z"] == pytest.approx(left(x=x, y=y)["z"], rel=1e-12)
    # Where the product is a number, or neither factor is one, the kinds are the same.
    for x, y in itertools.product(NASTY, repeat=2):
        before, after = left(x=x, y=y)["z"], right(x=x, y=y)["z"]
        if math.isfinite(before) or (before != before and (x != x or y != y)):
            assert math.isfinite(before) == math.isfinite(after), (x, y, before, after)


@pytest.mark.parametrize("text", WHOLE)
def test_a_product_stays_whole_where_logarithms_may_cancel(text: str) -> None:
    assert "log_product" not in _rules(f"log({text})")
