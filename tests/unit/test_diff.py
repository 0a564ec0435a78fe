"""Equality of graphs up to numbering, and the account of what differs."""

from __future__ import annotations

import random
import time

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import TABLE, array_graphs, graphs

from gradc.ir import diff, text
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.source import Source


def load(*lines: str) -> Graph:
    return text.load(Source("test.gir", "\n".join(("gradc-ir 1", *lines, ""))), TABLE)


BASE = (
    '%x = input "x" : f64',
    "%c = const 2.0 : f64",
    "%m = mul %c, %x : f64",
    "%s = sin %m : f64",
    '%n = name "L" %s : f64',
    "%e = exp %n : f64",
    'output "L" = %e',
)


def changed(*changes: tuple[str, str]) -> Graph:
    """The base graph with some texts replaced."""
    written = "\n".join(BASE)
    for old, new in changes:
        assert old in written
        written = written.replace(old, new)
    return load(*written.splitlines())


def test_numbers_do_not_count() -> None:
    other = load(BASE[1], BASE[0], *BASE[2:])
    assert list(other.data.values()) != list(load(*BASE).data.values())
    assert diff.equal(load(*BASE), other)
    assert diff.diff(load(*BASE), other) == ""


@given(graphs() | array_graphs(), st.randoms(use_true_random=False))
def test_any_other_order_is_equal(graph: Graph, chance: random.Random) -> None:
    """Renumber along another topological order."""
    number = list(range(len(graph)))
    chance.shuffle(number)
    copy = graph.copy()
    # from_nx orders by number among what is ready, so that shuffled numbers give another order.
    relabelled = networkx.relabel_nodes(copy, dict(enumerate(number)))
    for data in relabelled.nodes.values():
        data["operands"] = tuple(number[operand] for operand in data["operands"])
        if "adjoint_of" in data:
            data["adjoint_of"] = number[data["adjoint_of"]]
    relabelled.graph.update(
        inputs=[number[n] for n in graph.inputs],
        outputs=[(name, number[n]) for name, n in graph.outputs],
        names={name: number[n] for name, n in graph.names.items()},
        spans={number[n]: places for n, places in graph.spans.items()},
        adjoints={(number[y], number[v], k): number[n] for (y, v, k), n in graph.adjoints.items()},
    )
    other = Graph.from_nx(relabelled)
    assert diff.equal(graph, other, spans=True)
    assert diff.diff(graph, other, spans=True) == ""


@given(array_graphs())
def test_an_array_graph_that_is_read_back_is_equal(graph: Graph) -> None:
    again = text.load(Source("test.gir", text.dump(graph)), TABLE)
    assert diff.equal(graph, again, spans=True)
    assert diff.diff(graph, again, spans=True) == ""


@given(array_graphs(max_steps=4), array_graphs(max_steps=4))
def test_the_account_of_arrays_is_empty_exactly_for_equal_graphs(a: Graph, b: Graph) -> None:
    for spans in (False, True):
        assert (diff.diff(a, b, spans=spans) == "") == diff.equal(a, b, spans=spans)


PAIRS = (
    '%x = input "x" : f64[n]',
    "%i = index {index = i: n} : int{i: n}",
    "%j = index {index = i.7: n} : int{i.7: n}",
    "%a = access %x[%i] : f64{i: n}",
    "%b = access %x[%j] : f64{i.7: n}",
    "%m = mul %a, %b : f64{i: n, i.7: n}",
    "%s = sum %m {axes = [], over = [i: n, i.7: n]} : f64",
    'output "y" = %s',
    "require n >= 2 @1:1+1",
    "require n >= m",
)


def pairs(*changes: tuple[str, str], end: str = "") -> Graph:
    written = "\n".join(('file 0 "f"', *PAIRS, end))
    for old, new in changes:
        assert old in written
        written = written.replace(old, new)
    return load(*written.splitlines())


def test_numbers_in_the_names_of_indices_do_not_count() -> None:
    base = pairs()
    for other in ([("i.7", "i.9")], [("i.7", "i.9"), ("i: n", "i.2: n")]):
        assert diff.equal(base, pairs(*other))
        assert diff.diff(base, pairs(*other)) == ""
    for other in ([("i.7", "j")], [("over = [i: n, i.7: n]", "over = [i.7: n, i: n]")]):
        assert not diff.equal(base, pairs(*other))
        assert diff.diff(base, pairs(*other)) != ""


def test_which_index_is_which_counts() -> None:
    base = pairs()
    squared = pairs(("%m = mul %a, %b : f64{i: n, i.7: n}", "%m = mul %a, %a : f64{i: n}"))
    assert not diff.equal(base, squared)
    dead = "%d = sin %b : f64{i.7: n}"
    assert diff.equal(pairs(end=dead), pairs(("i.7", "i.9"), end=dead.replace("i.7", "i.9")))
    assert not diff.equal(pairs(end=dead), pairs(end="%d = sin %a : f64{i: n}"))
    unused = "%k = index {index = i.8: n} : int{i.8: n}"
    assert diff.equal(pairs(end=unused), pairs(end=unused.replace("i.8", "i.3")))
    assert not diff.equal(pairs(end=unused), pairs(end=unused.replace("i.8", "i.3").replace(": n", ": m")))


def test_constraints_count() -> None:
    base = pairs()
    assert diff.equal(base, pairs(("require n >= 2 @1:1+1\nrequire n >= m", "require n >= m\nrequire n >= 2")))
    assert not diff.equal(base, pairs((" @1:1+1", "")), spans=True)
    assert "-require n >= 2 @1:1+1\n+require n >= 2\n" in diff.diff(base, pairs((" @1:1+1", "")), spans=True)
    assert "-require n >= m\n+require n == m\n" in diff.diff(base, pairs((">= m", "== m")))
    assert diff.equal(base, pairs(end="require n >= 2 @1:1+1"))


def test_the_account_of_arrays() -> None:
    squared = pairs(("%b = access %x[%j] : f64{i.7: n}\n", ""), ("%a, %b : f64{i: n, i.7: n}", "%a, %a : f64{i: n}"))
    found = diff.diff(pairs(), squared)
    assert found.startswith('output "y" differs at %5: `mul …, …` in the first, `mul …, …` in the second\n')
    assert "-%4 = access %0[%2] : f64{i.7: n}\n" in found
    assert "-%5 = mul %3, %4 : f64{i: n, i.7: n}\n+%5 = mul %3, %3 : f64{i: n}\n" in found


@given(graphs(), graphs())
def test_the_account_is_empty_exactly_for_equal_graphs(a: Graph, b: Graph) -> None:
    assert (diff.diff(a, b) == "") == diff.equal(a, b)
    assert diff.equal(a, a)


@pytest.mark.parametrize(
    "change",
    [
        [("mul %c, %x", "mul %x, %c")],
        [("const 2.0", "const 3.0")],
        [("const 2.0", "const -2.0")],
        [('%x = input "x"', '%x = param "x"')],
        [('input "x"', 'input "x" default 0.0')],
        [('input "x"', 'input "y"')],
        [('name "L"', 'name "M"')],
        [("%s : f64\n%e", "%s : f64 local\n%e")],
        [('output "L" = %e', 'output "K" = %e')],
        [('output "L" = %e', 'output "L" = %n')],
        [('output "L" = %e', 'output "L" = %e\noutput "m" = %m')],
        [("%e = exp %n : f64", "%e = exp %n : f64 adjoint %n")],
        [('output "L" = %e', 'output "L" = %e\nderivative %c = d %m / d %x')],
        [("%e = exp %n : f64", "%d = cos %n : f64\n%e = exp %n : f64")],
    ],
)
def test_what_counts(change: list[tuple[str, str]]) -> None:
    base, other = load(*BASE), changed(*change)
    assert not diff.equal(base, other)
    rows = diff.diff(base, other).split("--- first\n+++ second\n")[1].splitlines()
    assert any(row[0] in "+-" for row in rows)


def test_zeros_are_told_apart() -> None:
    zero, minus = (changed(("const 2.0", f"const {value}")) for value in ("0.0", "-0.0"))
    assert not diff.equal(zero, minus)
    nan = changed(("const 2.0", "const nan"))
    assert diff.equal(nan, changed(("const 2.0", "const nan")))


def test_places_count_on_request() -> None:
    a = load('file 0 "f"', BASE[0] + " @1:1+1", 'output "x" = %x')
    b = load('file 0 "f"', BASE[0] + " @1:2+1", 'output "x" = %x')
    assert diff.equal(a, b)
    assert not diff.equal(a, b, spans=True)
    assert '-%0 = input "x" : f64 @1:1+1\n+%0 = input "x" : f64 @1:2+1\n' in diff.diff(a, b, spans=True)


def test_marks_count_unless_told() -> None:
    marked = changed(("%e = exp %n : f64", "%e = exp %n : f64 adjoint %n"))
    assert not diff.equal(load(*BASE), marked)
    assert diff.equal(load(*BASE), marked, marks=False)


def test_names_are_matched_one_to_one() -> None:
    head = ('%x = input "x" : f64', '%a = name "p" %x : f64 local', '%b = name "p" %x : f64 local')
    apart = load(*head, "%m = mul %a, %b : f64", 'output "L" = %m')
    swapped = load(*head, "%m = mul %b, %a : f64", 'output "L" = %m')
    together = load(*head, "%m = mul %a, %a : f64", 'output "L" = %m')
    assert diff.equal(apart, swapped)
    assert not diff.equal(apart, together)
    assert diff.diff(apart, together).endswith("-%3 = mul %1, %2 : f64\n+%3 = mul %1, %1 : f64\n")


def test_functions_are_compared() -> None:
    def program(op: str) -> Graph:
        return load(
            'function "f" ("p") {',
            "body {",
            '%p = input "p" : f64',
            f"%y = {op} %p : f64",
            'output "f" = %y',
            "}",
            "partials {",
            '%p = input "p" : f64',
            'output "p" = %p',
            "}",
            "}",
            '%x = input "x" : f64',
            '%y = call "f" (%x) : f64',
            'output "y" = %y',
        )

    assert diff.equal(program("sin"), program("sin"))
    assert not diff.equal(program("sin"), program("cos"))
    found = diff.diff(program("sin"), program("cos"))
    assert 'function "f", body:\n  output "f" differs at %1: `sin …` in the first, `cos …` in the second\n' in found


def test_the_account() -> None:
    other = changed(
        ("%s = sin %m", "%k = cos %m : f64\n%s = sin %k"), ('output "L" = %e', 'output "L" = %e\noutput "k" = %k')
    )
    assert diff.diff(load(*BASE), other) == (
        'output "L" differs at %2: `mul …, …` in the first, `cos …` in the second\n'
        "--- first\n"
        "+++ second\n"
        " …\n"
        " %1 = const 2.0 : f64\n"
        " %2 = mul %1, %0 : f64\n"
        "+%3' = cos %2 : f64\n"
        "-%3 = sin %2 : f64\n"
        "+%3 = sin %3' : f64\n"
        ' %4 = name "L" %3 : f64\n'
        " %5 = exp %4 : f64\n"
        '+output "k" = %3\'\n'
    )


def test_a_change_far_down_is_one_line() -> None:
    found = diff.diff(load(*BASE), changed(("mul %c", "add %c")))
    assert [line for line in found.splitlines() if line[0] in "+-" and line[1] == "%"] == [
        "-%2 = mul %1, %0 : f64",
        "+%2 = add %1, %0 : f64",
    ]


def test_outputs_in_another_order() -> None:
    a = load('%x = input "x" : f64', 'output "a" = %x', 'output "b" = %x')
    b = load('%x = input "x" : f64', 'output "b" = %x', 'output "a" = %x')
    assert '-output "a" = %0\n-output "b" = %0\n+output "b" = %0\n+output "a" = %0\n' in diff.diff(a, b)


def test_long_and_shared_graphs_take_linear_time() -> None:
    def tower(first: str) -> Graph:
        builder = Builder(TABLE)
        node = builder.apply(first, builder.input("x"))
        for _ in range(20_000):
            node = builder.apply("add", node, node)
        return builder.finish([("y", node)])

    started = time.perf_counter()
    assert diff.equal(tower("sin"), tower("sin"))
    assert diff.diff(tower("sin"), tower("cos")) == (
        'output "y" differs at %1: `sin …` in the first, `cos …` in the second\n'
        "--- first\n"
        "+++ second\n"
        ' %0 = input "x" : f64\n'
        "-%1 = sin %0 : f64\n"
        "+%1 = cos %0 : f64\n"
        " %2 = add %1, %1 : f64\n"
        " %3 = add %2, %2 : f64\n"
        " …\n"
    )
    assert time.perf_counter() - started < 10
