"""Passes on random graphs: the same values, valid graphs, nothing left to do the second time."""

from __future__ import annotations

import math
import random
import struct
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import floats, graphs

from gradc.ad.expand import expand
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.types import BOOL, F32, F64, INT
from gradc.ir.verify import verify
from gradc.ops import TABLE
from gradc.passes.dce import dce
from gradc.passes.manager import PASSES, parse_pipeline, run
from gradc.passes.simplify import simplify
from gradc.rules.rewrite import compute, rules_of

# What these promise is the same bits.
EXACT = [
    "fold",
    "dedupe",
    "dissolve",
    "dce",
    "rewrite(exact)",
    "simplify",
    "simplify(exact)",
    "simplify(exact, fixpoint)",
]
ARITHMETIC = ("add", "sub", "mul", "neg", "abs", "min", "max", "select", "lt", "ge", "eq", "not", "and", "or", "sign")


def evaluate(graph: Graph, values: dict[str, Any]) -> dict[str, Any]:
    """The outputs, each node computed by its op's own evaluation; None where an integer has no value."""
    made: dict[int, Any] = {}
    for node, data in graph.data.items():
        operands = data["operands"]
        if data["op"] == "const":
            made[node] = data["attrs"]["value"]
        elif data["op"] == "input":
            made[node] = values[data["name"]]
        elif any(made[operand] is None for operand in operands):
            made[node] = None
        else:
            dtypes = tuple(graph.type(operand).dtype for operand in operands)
            numbers = [made[operand] for operand in operands]
            made[node] = compute(TABLE[data["op"]], data["type"].dtype, dtypes, numbers, data.get("attrs"))
    return {name: made[node] for name, node in graph.outputs}


def inputs(graph: Graph, draw: Any) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    for node in graph.inputs:
        type = graph.type(node)
        if type is F32:
            drawn[graph.name(node)] = float(numpy.float32(draw(st.floats(width=32))))
        else:
            strategy = {F64: floats, INT: st.integers(-9, 9), BOOL: st.booleans()}[type]
            drawn[graph.name(node)] = draw(strategy)
    return drawn


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return (a != a and b != b) or struct.pack("<d", a) == struct.pack("<d", b)
    return a is None or (type(a) is type(b) and a == b)


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.parametrize("pipeline", EXACT)
def test_exact_passes_keep_every_bit(pipeline: str, data: Any) -> None:
    graph = data.draw(graphs(types=(F64, INT, BOOL)))
    optimised = run(graph, parse_pipeline(pipeline, PASSES), check=True).graph
    values = inputs(graph, data.draw)
    before, after = evaluate(graph, values), evaluate(optimised, values)
    assert before.keys() == after.keys()
    assert all(same(before[name], after[name]) for name in before), (before, after)
    assert [graph.name(node) for node in graph.inputs] == [optimised.name(node) for node in optimised.inputs]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_all_rules_are_exact_on_small_integers(data: Any) -> None:
    graph = data.draw(graphs(only=ARITHMETIC, types=(F64, BOOL), max_nodes=12))
    if any(
        d["op"] == "const"
        and isinstance(v := d["attrs"]["value"], float)
        and not (v == v and abs(v) <= 9 and v == int(v))
        for d in graph.data.values()
    ):
        return
    optimised = run(graph, parse_pipeline("simplify(exact, stable, real, finite, fixpoint)", PASSES), check=True).graph
    whole = st.integers(-5, 5).map(float)
    values = {graph.name(n): data.draw(whole if graph.type(n).real else st.booleans()) for n in graph.inputs}
    before, after = evaluate(graph, values), evaluate(optimised, values)
    assert all(before[name] == after[name] or abs(before[name]) > 2**50 for name in before), (before, after)


@settings(max_examples=60, deadline=None)
@given(graphs())
@pytest.mark.parametrize("pipeline", ["fold", "dedupe", "dissolve", "dce", "simplify(exact, stable, real, fixpoint)"])
def test_passes_are_idempotent(pipeline: str, graph: Graph) -> None:
    steps = parse_pipeline(pipeline, PASSES)
    once = run(graph, steps).graph
    assert run(once, steps).graph is once


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_the_map_leads_from_names_to_names(graph: Graph) -> None:
    report = run(graph, parse_pipeline("simplify(exact, stable, real), dce", PASSES), check=True)
    for name, node in report.graph.names.items():
        assert report.number[graph.names[name]] == node
    for (_, old), (_, new) in zip(graph.outputs, report.graph.outputs, strict=True):
        assert report.number[old] == new


# Size ----------------------------------------------------------------------------------------------------------------


def _chain(length: int) -> Graph:
    builder = Builder(TABLE)
    x = y = builder.input("x")
    for i in range(length):
        y = builder.apply(("neg", "sin", "exp", "sqrt")[i % 4], y)
        y = builder.name(f"n{i}", builder.apply("mul", y, builder.constant(1.0 + i % 3)))
    return builder.finish([("y", y), ("g", builder.make("grad", (y, x)))])


def test_a_long_chain_needs_no_recursion() -> None:
    graph = _chain(50_000)
    rules = rules_of(TABLE, ("exact", "stable", "real"))
    first, _ = simplify(graph, rules, dissolve=True)
    expanded, _ = expand(first)
    simplified, _ = simplify(expanded, rules, fold=True, commute=True, dissolve=True)
    smaller, _ = dce(simplified)
    assert len(verify(smaller)) > 100_000


def test_rules_that_feed_each_other_stop_at_a_depth() -> None:
    # Two products with the same factors: each step of factoring makes the next one possible, all the way down.
    builder = Builder(TABLE)
    left, right = builder.input("a"), builder.input("b")
    for i in range(5_000):
        factor = builder.input(f"x{i}")
        left, right = builder.apply("mul", factor, left), builder.apply("mul", factor, right)
    graph = builder.finish([("y", builder.apply("add", left, right))])
    simplified, _ = simplify(graph, rules_of(TABLE, ("finite",)))
    values = {graph.name(node): 1.0 for node in graph.inputs}
    assert evaluate(simplified, values) == {"y": 2.0}


def test_equal_programs_give_equal_graphs() -> None:
    generator = random.Random(7)
    builder = Builder(TABLE)
    nodes = [builder.input(name) for name in "xyz"]
    for _ in range(300):
        op = generator.choice(["add", "mul", "sub", "div", "neg", "exp"])
        nodes.append(builder.apply(op, *(generator.choice(nodes) for _ in range(TABLE[op].arity[0]))))
    graph = builder.finish([("y", nodes[-1])])
    rules = rules_of(TABLE, ("exact", "stable", "real"))
    first, second = (simplify(graph, rules, fold=True, commute=True)[0] for _ in range(2))
    assert [(d["op"], d["operands"]) for d in first.data.values()] == [
        (d["op"], d["operands"]) for d in second.data.values()
    ]
    assert math.isfinite(len(first))
