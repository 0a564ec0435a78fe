"""The textual form of graphs: lossless, readable, and safe to read whoever wrote it."""

from __future__ import annotations

import math
import random
import struct
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import TABLE, array_graphs, floats, graphs

from gradc.ir import diff, text
from gradc.ir.builder import Builder
from gradc.ir.graph import Constraint, Graph
from gradc.ir.op import OpTable
from gradc.ir.region import Function
from gradc.ir.sizes import divide, named
from gradc.ir.types import BOOL, F32, F64, INT, Index, Type
from gradc.source import Source, Span


def load(written: str, ops: OpTable = TABLE) -> Graph:
    return text.load(Source("test.gir", written), ops)


def lines(*body: str) -> str:
    return "\n".join(("gradc-ir 1", *body, ""))


def said(data: Mapping[str, Any]) -> str:
    """All that a node says, whatever the order of its attributes."""
    return repr(sorted((key, sorted(value.items()) if key == "attrs" else value) for key, value in data.items()))


def same(a: Graph, b: Graph) -> bool:
    """Whether nothing at all differs, numbers included."""
    # Attributes are compared as text: NaN is not equal to itself, and 1 is to True.
    return (
        list(map(said, a.data.values())) == list(map(said, b.data.values()))
        and (a.inputs, a.outputs, a.names, a.spans) == (b.inputs, b.outputs, b.names, b.spans)
        and a.constraints == b.constraints
        and list(a.adjoints.items()) == list(b.adjoints.items())
        and a.functions.keys() == b.functions.keys()
        and all(
            f.params == g.params and f.name == g.name and same(f.body, g.body) and same(f.partials, g.partials)
            for f, g in ((f, b.functions[name]) for name, f in a.functions.items())
        )
    )


# What it looks like --------------------------------------------------------------------------------------------------

TWO_PATHS = """\
gradc-ir 1
file 0 "two_paths.grad"
%0 = input "x" default 3.0 : f64        @2:7+1
%1 = param "w1" default 6.0 : f64       @3:7+2
%2 = param "w2" default 2.0 : f64       @3:15+2
%3 = mul %0, %2 : f64                   @4:8+6
%4 = name "a" %3 : f64                  @4:1+1
%5 = add %1, %4 : f64                   @5:8+6
%6 = add %5, %2 : f64                   @5:8+11 @6:9+11
%7 = name "L" %6 : f64                  @5:1+1
%8 = const 1.0 : f64 adjoint %7
%9 = add %0, %8 : f64 adjoint %7
output "L" = %7
output "grad(L, w2)" = %9
derivative %8 = d %7 / d %1
derivative %9 = d %7 / d %2
"""


def test_a_graph_as_text() -> None:
    builder = Builder(TABLE)

    def at(line: int, column: int, length: int) -> None:
        builder.span = Span("two_paths.grad", line, column, length)

    at(2, 7, 1)
    builder.names["x"] = x = builder.input("x", default=3)
    at(3, 7, 2)
    builder.names["w1"] = w1 = builder.input("w1", kind="param", default=6)
    at(3, 15, 2)
    builder.names["w2"] = w2 = builder.input("w2", kind="param", default=2)
    at(4, 8, 6)
    product = builder.apply("mul", x, w2)
    at(4, 1, 1)
    builder.names["a"] = a = builder.name("a", product)
    at(5, 8, 6)
    first = builder.apply("add", w1, a)
    at(5, 8, 11)
    total = builder.apply("add", first, w2)
    at(6, 9, 11)
    builder.apply("add", first, w2)
    at(5, 1, 1)
    builder.names["L"] = loss = builder.name("L", total)
    builder.span, builder.adjoint_of = None, loss
    one = builder.constant(1.0)
    slope = builder.apply("add", x, one)
    builder.adjoints.update({(loss, w1, 1): one, (loss, w2, 1): slope})
    graph = builder.finish([("L", loss), ("grad(L, w2)", slope)])
    assert text.dump(graph) == TWO_PATHS
    assert same(load(TWO_PATHS), graph)


def test_a_hand_written_text() -> None:
    graph = load(
        lines(
            "# the sigmoid of x, with labels as people like them",
            "",
            '  %x   = param "x" : f64   # no place',
            "%minus=neg %x:f64",
            "%7 = exp %minus : f64 @-",
            "%one = const 1 : f64",
            "\t%d.1 = add %one ,%7 : f64",
            '%ŷ = div %one, %d.1 : f64 as "y", "z"',
            'output "y" = %ŷ',
        )
    )
    assert text.dump(graph) == lines(
        '%0 = param "x" : f64',
        "%1 = neg %0 : f64",
        "%2 = exp %1 : f64",
        "%3 = const 1.0 : f64",
        "%4 = add %3, %2 : f64",
        '%5 = div %3, %4 : f64 as "y", "z"',
        'output "y" = %5',
    )
    assert graph.names == {"x": 0, "y": 5, "z": 5}


def test_no_newline_at_the_end() -> None:
    assert len(load('gradc-ir 1\n%0 = input "x" : f64\noutput "x" = %0')) == 1
    assert len(load("gradc-ir 1")) == 0


# Without loss --------------------------------------------------------------------------------------------------------


@given(graphs())
def test_round_trip(graph: Graph) -> None:
    written = text.dump(graph)
    again = load(written)
    assert same(again, graph)
    assert text.dump(again) == written
    assert written.isprintable() or written.replace("\n", "").isprintable()
    assert diff.diff(graph, again, spans=True) == ""


@given(array_graphs())
def test_round_trip_of_arrays(graph: Graph) -> None:
    written = text.dump(graph)
    again = load(written)
    assert same(again, graph)
    assert text.dump(again) == written
    assert diff.diff(graph, again, spans=True) == ""


@given(st.data())
def test_round_trip_with_functions(data: st.DataObject) -> None:
    params = ("x", "ŷ")
    functions: dict[str, Function] = {}
    for name in ("f", "g h", "é"):
        # Each may call those before it.
        parts = []
        for results in (["r"], list(params)):
            builder = Builder(TABLE)
            nodes = [builder.input(param) for param in params]
            nodes.append(builder.apply(data.draw(st.sampled_from(["mul", "hypot", "atan2"])), *nodes))
            for callee in functions:
                nodes.append(builder.apply("call", nodes[-1], nodes[0], attrs={"function": callee}))
            parts.append(builder.finish([(result, nodes[-1]) for result in results]))
        functions[name] = Function(name, params, *parts)
    graph = data.draw(graphs(functions=functions, types=(F64,), max_nodes=10))
    again = load(text.dump(graph))
    assert same(again, graph)
    assert text.dump(again) == text.dump(graph)


def test_functions_look_so() -> None:
    written = lines(
        'file 0 "f.grad"',
        'function "square" ("x") {',
        "  body {",
        '    %0 = input "x" : f64 local              @1:4+1',
        "    %1 = mul %0, %0 : f64                   @1:9+3",
        '    output "square" = %1',
        "  }",
        "  partials {",
        '    %0 = input "x" : f64 local',
        "    %1 = const 2.0 : f64",
        "    %2 = mul %1, %0 : f64",
        '    output "x" = %2',
        "  }",
        "}",
        '%0 = input "a" : f64',
        '%1 = call "square" (%0) : f64',
        '%2 = call "square" (%1) : f64',
        'output "y" = %2',
    )
    graph = load(written)
    assert text.dump(graph) == written
    assert graph.functions["square"].params == ("x",)
    assert written.count("function") == 1, "two calls, one function"


@given(floats)
def test_floats_are_exact_to_the_bit(value: float) -> None:
    builder = Builder(TABLE)
    graph = builder.finish([("c", builder.constant(value))])
    again = load(text.dump(graph)).constant(0)
    assert isinstance(again, float)
    if math.isnan(value):
        assert math.isnan(again)
    else:
        assert struct.pack("<d", again) == struct.pack("<d", value)


def test_constants_of_every_type() -> None:
    builder = Builder(TABLE)
    nodes = [builder.constant(v, t) for v, t in ((-0.0, F64), (0.1, F32), (-(2**63), INT), (1, INT), (True, BOOL))]
    nodes += [builder.constant(value) for value in (math.nan, math.inf, -math.inf)]
    written = text.dump(builder.finish([("c", nodes[0])]))
    shown = [line.split("const ")[1] for line in written.splitlines() if "const" in line]
    assert shown == [
        "-0.0 : f64",
        "0.1 : f32",
        "-9223372036854775808 : int",
        "1 : int",
        "true : bool",
        "nan : f64",
        "inf : f64",
        "-inf : f64",
    ]
    assert text.dump(load(written)) == written


ARRAYS = """\
gradc-ir 1
file 0 "arrays.grad"
%0 = input "X" : f64[n, 2*d + 1]        @1:7+1
%1 = input "idx" default [1, 0, 2] : int[3]
%2 = param "w" default 0.5 : f64[d, n//(m + 1)]
%3 = input "A" default [[1.0, inf], [-0.0, nan]] : f64[2, n]
%4 = const -0.0 : f64[n - 1]
%5 = index {index = i: n} : int{i: n}
%6 = index {index = k.12: 2*d + 1} : int{k.12: 2*d + 1}
%7 = size {size = n^2 - m} : int
%8 = access %0[%5, %6] : f64{i: n, k.12: 2*d + 1} @2:10+9
%9 = access %0[%5] : f64[2*d + 1]{i: n}
%10 = access %0[1:n, %6] : f64[n - 1]{k.12: 2*d + 1}
%11 = access %0[n - 1:-1:-1] : f64[n, 2*d + 1]
%12 = access %0[0:2*((n + 1)//2):2, 0:2*d] : f64[(n + 1)//2, 2*d]
%13 = access %0 {items = [[0, m, n]]} : f64[n, 2*d + 1]
%14 = access %0[] : f64[n, 2*d + 1]
%15 = sum %8 {axes = [], over = [k.12: 2*d + 1]} : f64{i: n}
%16 = tabulate %15 {indices = [i: n]} : f64[n]
%17 = access %16[0:n - 1] : f64[n - 1]
%18 = assemble %15 at [%5] over {i: n}, %17 at [1:n] {shape = [n]} : f64[n]
%19 = assemble %8 at [%5, %6] over {i: n, k.12: 2*d + 1} {shape = [n, 2*d + 1]} : f64[n, 2*d + 1]
%20 = reshape %0 {shape = [2*d*n + n]} : f64[2*d*n + n]
output "y" = %16
output "z" = %19
require n >= 1                          @2:7+2
require n == 2*d + 1                    @1:2:3+4
require n - m >= -3
"""


def test_arrays_look_so() -> None:
    written = ARRAYS.replace('arrays.grad"\n', 'arrays.grad"\nfile 1 "other.grad"\n')
    graph = load(written)
    assert text.dump(graph) == written
    n, d, m = map(named, "ndm")
    assert graph.type(0) == Type("f64", (n, 2 * d + 1))
    assert graph.type(8).free == (Index("i", n), Index("k.12", 2 * d + 1))
    assert graph.attrs(2)["default"] == 0.5
    assert graph.attrs(1)["default"] == (1, 0, 2)
    assert graph.operands(8) == (0, 5, 6)
    assert graph.attrs(8)["items"] == (None, None)
    assert graph.attrs(11)["items"] == ((n - 1, -1, n),)
    assert graph.attrs(12)["items"] == ((0, 2, divide(n + 1, 2)), (0, 1, 2 * d))
    assert graph.attrs(13)["items"] == ((0, m, n),)
    assert graph.operands(18) == (15, 5, 17)
    assert graph.attrs(18) == {"shape": (n,), "parts": (((None,), (Index("i", n),)), (((1, 1, n - 1),), ()))}
    assert graph.constraints == (
        Constraint(">=", n, 1, Span("arrays.grad", 2, 7, 2)),
        Constraint("==", n, 2 * d + 1, Span("other.grad", 2, 3, 4)),
        Constraint(">=", n - m, -3),
    )


def test_what_stands_at_the_operands_can_be_an_attribute() -> None:
    short = lines(
        '%0 = input "x" : f64[n]',
        "%1 = index {index = i: n} : int{i: n}",
        "%2 = access %0[%1] : f64{i: n}",
        "%3 = access %0[1:n] : f64[n - 1]",
        "%4 = assemble %2 at [%1] over {i: n}, %3 at [0:n - 1] {shape = [n]} : f64[n]",
    )
    long = lines(
        '%0 = input "x" : f64[ n ]',
        "%1 = index {index = i :n} : int{i:n}",
        "%2 = access %0, %1 {items = [none]} : f64{i: n}",
        "%3 = access %0 {items = [[1, 1, n - 1]]} : f64[-1 + n]",
        "%4 = assemble %2, %1, %3 {parts = [[[none], [i: n]], [[[0, 1, n - 1]], []]], shape = [n]} : f64[n]",
    )
    assert text.dump(load(long)) == short
    assert same(load(long), load(short))


def test_slices_are_counted_as_in_python() -> None:
    for start, end, step in ((0, 7, 2), (0, 8, 2), (1, 8, 3), (7, -1, -2), (6, -1, -2), (2, 2, 1), (5, 0, -1)):
        count = len(range(start, end, step))
        graph = load(lines('%0 = input "x" : f64[9]', f"%1 = access %0[{start}:{end}:{step}] : f64[{count}]"))
        assert graph.attrs(1)["items"] == ((start, step, count),)


def test_free_indices_in_any_order() -> None:
    body = "%i = index {index = i: n} : int{i: n}", "%j = index {index = j: m} : int{j: m}"
    graph = load(lines(*body, "%k = add %j, %i : int{j: m, i: n}"))
    assert graph.type(2).free == (Index("i", named("n")), Index("j", named("m")))


def test_sizes_that_are_called_like_numbers() -> None:
    names = ("inf", "nan", "true", "false", "none", "at", "over", "local", "d", "e5", "ŷ₁")
    builder = Builder(TABLE)
    builder.input("x", Type("f64", tuple(map(named, names))))
    for name in names:
        builder.apply("size", attrs={"size": named(name)})
        builder.apply("size", attrs={"size": -named(name)})
        builder.apply("index", attrs={"index": Index(name, named(name) + 1)})
    graph = builder.finish([("x", 0)])
    written = text.dump(graph)
    assert "size {size = (inf)}" in written
    assert "size {size = (-nan)}" in written
    assert same(load(written), graph)


def test_long_lines_keep_a_blank_before_their_places() -> None:
    assert " : f64{i: n, k.12: 2*d + 1} @2:10+9\n" in ARRAYS


def test_attributes_of_every_kind() -> None:
    attrs: dict[str, Any] = {
        "axis": -1,
        "eps": 1.0,
        "flag": True,
        "kind": 'a "b"',
        "none": None,
        "perm": (1, 0.0, False),
        "sizes": (named("n"), (named("n") + 1, (), (None, "a, b]"))),
        "which": Index("i", named("n")),
    }
    row = replace(TABLE["sin"], name="exotic", functions=(), attrs=dict.fromkeys(attrs, object))
    builder = Builder(TABLE.extend(row))
    graph = builder.finish([("y", builder.apply("exotic", builder.input("x"), attrs=attrs))])
    written = text.dump(graph)
    assert (
        '%1 = exotic %0 {axis = -1, eps = 1.0, flag = true, kind = "a \\"b\\"", none = none, perm = [1, 0.0, false], '
        'sizes = [n, [n + 1, [], [none, "a, b]"]]], which = i: n}' in (written)
    )
    assert same(load(written, builder.ops), graph)


def test_what_has_no_textual_form_is_refused() -> None:
    row = replace(TABLE["sin"], name="exotic", functions=(), attrs={"what": object})
    builder = Builder(TABLE.extend(row))
    nested: Any = ()
    for _ in range(100):
        nested = (nested,)
    for what, kind in (({1: 2}, "dict"), (b"x", "bytes"), (nested, "tuple")):
        builder = Builder(builder.ops)
        builder.make("exotic", (builder.input("x"),))
        copy = builder.finish([]).copy()
        copy.nodes[1]["attrs"] = {"what": what}
        with pytest.raises(TypeError, match=f"an attribute of type {kind} has no textual form"):
            text.dump(Graph.from_nx(copy))


# Large ones ----------------------------------------------------------------------------------------------------------


def test_an_attribute_may_be_anything_that_prints() -> None:
    # What is called like the attributes of structural operators, but is none, in a caller's own operator.
    row = replace(TABLE["sin"], name="exotic", functions=(), attrs={"items": object, "parts": object})
    for attrs in ({"items": (1, 2)}, {"items": "x"}, {"parts": ((1, 2),)}, {"parts": 3}, {"items": (None,)}):
        builder = Builder(TABLE.extend(row))
        graph = builder.finish([("y", builder.apply("exotic", builder.input("x"), attrs=attrs))])
        assert same(load(text.dump(graph), builder.ops), graph)


def test_large_graphs_are_printed_and_read_in_linear_time() -> None:
    chance = random.Random(20)
    builder = Builder(TABLE)
    builder.input("x")
    for line in range(20_000):
        builder.span = Span("big.grad", line + 1, 1, 9)
        size = len(builder.data)
        if line % 3:
            builder.apply("mul", chance.randrange(size), chance.randrange(size))
        else:
            builder.names[f"a{line}"] = builder.name(f"a{line}", size - 1)
    graph = builder.finish([("y", len(builder.data) - 1)])
    started = time.perf_counter()
    written = text.dump(graph)
    printed = time.perf_counter()
    again = load(written)
    read = time.perf_counter()
    assert same(graph, again)
    # Many times what it takes, since the machine may be busy: only a quadratic algorithm fails this.
    assert printed - started < 2
    assert read - printed < 20
