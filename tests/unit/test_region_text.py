"""Graphs with loops and branches as text, as pickles and as DiGraphs: nothing is lost, and equal ones are equal."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest
from region_programs import PROGRAMS
from strategies import TABLE

import gradc
from gradc.ir import diff, text
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph, bodies, graphs
from gradc.ir.structure import structure
from gradc.ir.types import INT
from gradc.ir.verify import verify
from gradc.passes.manager import PASSES, Context
from gradc.source import Source, Span


def load(written: str) -> Graph:
    return text.load(Source("test.gir", written), TABLE)


def program(name: str) -> gradc.Model:
    return gradc.compile(textwrap.dedent(PROGRAMS[name]).lstrip(), name="p.grad")


def models(name: str) -> Iterator[gradc.Model]:
    """A program, its gradient and its second derivative."""
    model = program(name)
    for _ in range(3):
        yield model
        (output,) = model()
        model = model.grad(output, wrt=["w"])


def forms(name: str) -> Iterator[Graph]:
    """All that becomes of a program: as written and at every level."""
    for model in models(name):
        yield model.graph
        yield from map(model.optimized, range(4))


# Text ----------------------------------------------------------------------------------------------------------------

GRADIENT = """\
gradc-ir 1
file 0 "p.grad"
region 0 {
  %0 = operand "t" : int
  %1 = operand "y" : f64
  %2 = operand "w" : f64
  %3 = mul %1, %2 : f64                   @3:25+3
  %4 = float %0 : f64                     @3:25+5
  %5 = mul %3, %4 : f64                   @3:25+5
  %6 = add %1, %5 : f64                   @3:21+9
  output "y" = %6
  output "y.tape" = %1
}
region 1 {
  %0 = operand "t" : int
  %1 = operand "y.adjoint" : f64
  %2 = operand "w.adjoint" : f64
  %3 = operand "y" : f64
  %4 = operand "w" : f64
  %5 = float %0 : f64                     @3:25+5
  %6 = mul %1, %5 : f64 adjoint %6        @3:25+5
  %7 = mul %4, %6 : f64 adjoint %7        @3:25+3
  %8 = mul %3, %6 : f64 adjoint %8        @3:25+3
  %9 = add %2, %8 : f64 adjoint %9
  %10 = add %1, %7 : f64 adjoint %10
  output "y.adjoint" = %10
  output "w.adjoint" = %9
}
%0 = param "w" default 0.5 : f64        @1:7+1
%1 = const 1.0 : f64                    @2:1+1
%2 = const 0 : int                      @2:1+1
%3 = const 4 : int                      @2:1+1
%4 = for %2, %3, %1, %0 {body = region 0, carried = 1, tapes = 1} : tuple adjoint %4 @3:1+31
%5 = const 0.0 : f64 adjoint %5         @3:1+31
%6 = get %4 {place = 1} : tape f64 adjoint %6 @3:1+31
%7 = for %2, %3, %1, %5, %6, %0 {backwards = true, body = region 1, carried = 2, scanned = 1} : tuple @3:1+31
%8 = get %7 {place = 1} : f64           @3:1+31
output "grad(y, w)" = %8
"""


def test_the_gradient_of_a_loop_looks_so() -> None:
    graph = program("for").grad("y", wrt=["w"]).optimized()
    assert text.dump(graph) == GRADIENT
    assert diff.diff(load(GRADIENT), graph, spans=True) == ""


@pytest.mark.parametrize("name", PROGRAMS)
def test_round_trip(name: str) -> None:
    for graph in forms(name):
        written = text.dump(graph)
        again = load(written)
        assert text.dump(again) == written
        assert diff.diff(graph, again, spans=True) == ""
        # Not by the account of differences alone.
        assert structure(graph) == structure(again)
        assert list(map(structure, bodies(graph))) == list(map(structure, bodies(again)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_results_after_reading(name: str, tmp_path: Path) -> None:
    model = program(name)
    (output,) = model()
    for level in range(4):
        compiled = gradc.compile(textwrap.dedent(PROGRAMS[name]), level=level)
        path = tmp_path / f"{level}.gir"
        path.write_text(text.dump(compiled.graph))
        again = gradc.load(path, level=level)
        assert again(w=0.4) == compiled(w=0.4)
        assert again.value_and_grad(output)(w=0.4) == compiled.value_and_grad(output)(w=0.4)
        path.write_text(text.dump(compiled.grad(output, wrt=["w"]).optimized()))
        assert gradc.load(path)(w=0.4) == compiled.grad(output, wrt=["w"])(w=0.4)


def test_bodies_that_read_the_same_stand_there_once() -> None:
    def loop(builder: Builder, start: int) -> int:
        inner = Builder(TABLE)
        inner.operand("t", INT)
        y = inner.operand("y", builder.type(start))
        body = inner.finish([("y", inner.apply("sin", y))])
        bounds = builder.constant(0, INT), builder.constant(3, INT)
        made = builder.apply("for", *bounds, start, attrs={"body": body, "carried": 1})
        return builder.apply("get", made, attrs={"place": 0})

    builder = Builder(TABLE)
    x = builder.input("x")
    once = loop(builder, x)
    graph = builder.finish([("y", loop(builder, once))])
    first, second = bodies(graph)
    assert first is not second
    written = text.dump(graph)
    assert written.count("region 0 {") == 1
    assert "region 1" not in written
    first, second = bodies(load(written))
    assert first is second
    assert diff.diff(graph, load(written)) == ""


def test_names_in_a_body_and_what_an_operand_always_is() -> None:
    written = "\n".join(
        [
            "gradc-ir 1",
            "region 0 {",
            '  %0 = operand "n" {extent = n} : int as "n"',
            '  %1 = name "m" %0 : int as "k"',
            '  output "y" = %1',
            "}",
            '%0 = size {size = n} : int as "n"',
            '%1 = input "x" : f64[n]',
            "%2 = const true : bool",
            "%3 = branch %2, %0 {other = region 0, then = region 0} : tuple",
            "%4 = get %3 {place = 0} : int",
            'output "y" = %4',
            "",
        ]
    )
    graph = load(written)
    assert text.dump(graph) == written
    (body, _) = bodies(graph)
    assert body.names == {"n": 0, "m": 1, "k": 1}


SCRIPT = """\
import sys, textwrap
sys.path.insert(0, sys.argv[1])
from region_programs import PROGRAMS
import gradc
from gradc.ir import text
from gradc.ir.structure import structure
for written in PROGRAMS.values():
    model = gradc.compile(textwrap.dedent(written), name="p.grad")
    (output,) = model()
    for each in (model, model.grad(output, wrt=["w"])):
        for graph in (each.graph, each.optimized()):
            print(text.dump(graph), structure(graph))
"""


def test_the_same_bytes_in_every_process() -> None:
    found = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"}
        command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent.parent)]
        found.add(subprocess.run(command, capture_output=True, env=environment, check=True, timeout=120).stdout)
    assert len(found) == 1
    assert b"region 0 {" in found.pop()


# Other forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_pickles_and_copies(name: str) -> None:
    for graph in forms(name):
        pickled = pickle.loads(pickle.dumps(graph))
        copied = Graph.from_nx(graph.copy())
        for other in (pickled, copied):
            assert text.dump(verify(other)) == text.dump(graph)
            assert diff.diff(graph, other, spans=True) == ""


def test_a_body_can_be_changed_through_a_copy() -> None:
    graph = program("for").optimized()
    copy = graph.copy()
    (loop,) = [node for node, data in copy.nodes(data=True) if data["op"] == "for"]
    body = copy.nodes[loop]["attrs"]["body"].copy()
    for data in body.nodes.values():
        if data["op"] == "add":
            data["op"] = "sub"
    copy.nodes[loop]["attrs"]["body"] = Graph.from_nx(body, body=True)
    changed = Graph.from_nx(copy)
    assert " = sub %1, " in text.dump(changed)
    assert " = sub %1, " not in text.dump(graph)


# Differences ---------------------------------------------------------------------------------------------------------

SUM = """\
gradc-ir 1
region 0 {
  %0 = operand "t" : int
  %1 = operand "y" : f64
  %2 = float %0 : f64
  %3 = sin %2 : f64
  %4 = add %1, %3 : f64
  output "y" = %4
}
%0 = param "w" : f64
%1 = const 0 : int
%2 = const 3 : int
%3 = for %1, %2, %0 {body = region 0, carried = 1} : tuple
%4 = get %3 {place = 0} : f64
output "y" = %4
"""


def test_a_difference_in_a_body_is_shown_there() -> None:
    first, second = load(SUM), load(SUM.replace("sin", "cos"))
    assert diff.diff(first, second) == (
        'output "y" differs at %3: `for …, …, … {body = region 0, carried = 1}` in the first, '
        "`for …, …, … {body = region 1, carried = 1}` in the second\n"
        "--- first\n"
        "+++ second\n"
        " …\n"
        " %1 = const 0 : int\n"
        " %2 = const 3 : int\n"
        "-%3 = for %1, %2, %0 {body = region 0, carried = 1} : (f64)\n"
        "+%3 = for %1, %2, %0 {body = region 1, carried = 1} : (f64)\n"
        " %4 = get %3 {place = 0} : f64\n"
        "body of %3, region 0 and region 1:\n"
        '  output "y" differs at %3: `sin …` in the first, `cos …` in the second\n'
        "  --- first\n"
        "  +++ second\n"
        "   …\n"
        '   %1 = operand "y" : f64\n'
        "   %2 = float %0 : f64\n"
        "  -%3 = sin %2 : f64\n"
        "  +%3 = cos %2 : f64\n"
        "   %4 = add %1, %3 : f64\n"
    )


def test_the_numbers_of_nodes_in_bodies_do_not_count() -> None:
    lines = SUM.splitlines()
    lines[3], lines[4] = '  %1 = operand "y" : f64', "  %2 = float %0 : f64"
    swapped = load("\n".join([*lines[:3], lines[4], lines[3], *lines[5:], ""]))
    assert text.dump(swapped) != text.dump(load(SUM))
    assert diff.diff(swapped, load(SUM)) == ""
    assert not diff.equal(load(SUM), load(SUM.replace("%1, %3 : f64", "%3, %1 : f64")))


def test_places_and_marks_in_bodies_count_if_asked_for() -> None:
    placed = load(
        SUM.replace("gradc-ir 1\n", 'gradc-ir 1\nfile 0 "p"\n').replace("sin %2 : f64", "sin %2 : f64 @1:2+3")
    )
    assert diff.equal(load(SUM), placed)
    assert not diff.equal(load(SUM), placed, spans=True)
    assert "+%3 = sin %2 : f64 @1:2+3" in diff.diff(load(SUM), placed, spans=True)
    marked = load(SUM.replace("sin %2 : f64", "sin %2 : f64 adjoint %4"))
    assert diff.equal(load(SUM), marked, marks=False)
    assert "+%3 = sin %2 : f64 adjoint %4" in diff.diff(load(SUM), marked)


def test_a_difference_deep_down_is_told_once() -> None:
    first = program("nested").graph
    second = load(text.dump(first).replace("const 5.0", "const 6.0"))
    told = diff.diff(first, second)
    assert told.count("+%2 = const 6.0 : f64") == 1
    assert diff.diff(second, second) == ""


# Equal regions are one -----------------------------------------------------------------------------------------------


def test_equal_loops_are_one_node() -> None:
    model = gradc.compile(
        "param w = 0.5\n"
        "y = w\n"
        "fn f(a) {\n  z = a\n  for t in 0..3 { z = z*a + t }\n  return z\n}\n"
        "L = f(w) + 2*f(w) + f(y)\n"
        "output L\n"
    )
    written, optimised = model.graph, model.optimized()
    # As written, y is not w; once names have dissolved, it is.
    assert [written.op(node) for node in written].count("for") == 2
    assert [optimised.op(node) for node in optimised].count("for") == 1
    z = 0.5
    for t in range(3):
        z = z * 0.5 + t
    assert model() == {"L": 4 * z}
    # The gradient of both in one sweep.
    slopes = model.grad("L", wrt=["w"]).optimized()
    assert [slopes.op(node) for node in slopes].count("for") == 2


def test_loops_that_become_equal_are_merged_by_any_pass() -> None:
    body = SUM[SUM.index("region 0") : SUM.index("%0 = param")]
    other = body.replace("region 0", "region 1").replace("  %4 = add", "  %5 = cos %2 : f64\n  %4 = add")
    end = SUM[SUM.index("%0 = param") :].replace(
        'output "y" = %4',
        "%5 = for %1, %2, %0 {body = region 1, carried = 1} : tuple\n"
        "%6 = get %5 {place = 0} : f64\n"
        '%7 = sub %4, %6 : f64\noutput "y" = %7',
    )
    graph = load("gradc-ir 1\n" + body + other + end)
    assert [graph.op(node) for node in graph].count("for") == 2
    for name in ("dce", "simplify", "dedupe"):
        number = {node: node for node in graph}
        smaller = graph
        for each in ("dce", "dedupe", name):
            smaller, step = PASSES[each].run(verify(smaller), (), Context())
            number = {old: step[new] for old, new in number.items() if new in step}
        assert [verify(smaller).op(node) for node in smaller].count("for") == 1, name
        assert number[3] == number[5]


def test_what_tells_bodies_apart() -> None:
    (body,) = bodies(load(SUM))
    for old, new in [
        ("sin", "cos"),
        ("%1, %3", "%3, %1"),
        ('output "y" = %4\n}', 'output "y" = %3\n}'),
    ]:
        assert old in SUM
        (other,) = bodies(load(SUM.replace(old, new, 1)))
        assert structure(other) != structure(body)
    # What enters it and what it gives may be called otherwise.
    (again,) = bodies(load(SUM.replace('"y"', '"z"').replace('"t"', '"s"')))
    assert again is not body
    assert structure(again) == structure(body)


def test_the_numbers_in_the_names_of_indices_tell_nothing_apart() -> None:
    def made(shift: int) -> Graph:
        builder = Builder(TABLE)
        for _ in range(shift):
            builder.fresh("i", 3)
        builder.span = Span("p.grad", 1 + shift, 1, 1)
        builder.operand("t", INT)
        index = builder.fresh("i", 3)
        at = builder.apply("float", builder.apply("index", attrs={"index": index}))
        return builder.finish([("y", builder.apply("sum", at, attrs={"axes": (), "over": (index,)}))])

    assert structure(made(0)) == structure(made(100))


def test_graphs_without_regions_are_not_looked_at_twice() -> None:
    builder = Builder(TABLE)
    node = builder.input("x")
    for _ in range(1000):
        node = builder.apply("sin", node)
    graph = builder.finish([("y", node)])
    assert list(bodies(graph)) == []
    assert list(graphs(graph)) == [graph]
    assert isinstance(graph.nx, networkx.DiGraph)
