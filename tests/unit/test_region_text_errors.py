"""Textual IR whose regions are wrong: the exact diagnostic for each mistake."""

from __future__ import annotations

import random
import re
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from region_programs import PROGRAMS
from strategies import TABLE

import gradc
from gradc.errors import CompileError
from gradc.ir import diff, text
from gradc.ir.graph import Graph
from gradc.source import Source

WHOLE = """\
gradc-ir 1
region 0 {
  %0 = operand "t" : int
  %1 = operand "y" : f64
  %2 = operand "w" : f64
  %3 = mul %1, %2 : f64
  output "y" = %3
}
%0 = param "w" : f64
%1 = const 0 : int
%2 = const 3 : int
%3 = for %1, %2, %0, %0 {body = region 0, carried = 1} : tuple
%4 = get %3 {place = 0} : f64
output "y" = %4
"""


def load(written: str) -> Graph:
    return text.load(Source("test.gir", written), TABLE)


# What is replaced, by what; code, line, column and length; message and label.
# fmt: off
WRONG = {
    "unknown region": (
        "region 0,", "region 1,",
        "E0901", 12, 33, 8, "unknown region 1",
        "expected one defined above",
    ),
    "huge number": (
        "region 0,", "region 99999999999999999999,",
        "E0901", 12, 33, 27, "unknown region 999999999999",
        "expected one defined above",
    ),
    "order of regions": (
        "region 0 {", "region 1 {",
        "E0901", 2, 8, 1, "regions are not numbered in order",
        "expected 0",
    ),
    "no number": (
        "region 0 {", "region {",
        "E0901", 2, 8, 1, "unexpected `{` in textual IR",
        "expected a whole number",
    ),
    "region without an end": (
        "  output \"y\" = %3\n}", "  output \"y\" = %3",
        "E0901", 13, 16, 1, "unexpected end of the text in textual IR",
        "expected `}`",
    ),
    "missing operand": (
        "%0, %0 {", "%0 {",
        "E0903", 12, 18, 2, "the graph breaks invariant I4",
        "`%3` (for) does not take its operand 3: expected 4 operands",
    ),
    "no operands": (
        "for %1, %2, %0, %0 {", "for {",
        "E0903", 12, 1, 2, "the graph breaks invariant I2",
        "`%3` has 0 operands, which 'for' does not take",
    ),
    "operand type": (
        "%2, %0, %0 {", "%2, %0, %1 {",
        "E0903", 12, 22, 2, "the graph breaks invariant I4",
        "`%3` (for) does not take its operand 4: expected a value of type f64",
    ),
    "bound of the range": (
        "for %1, %2", "for %0, %2",
        "E0903", 12, 10, 2, "the graph breaks invariant I4",
        "`%3` (for) does not take its operand 1: expected an integer",
    ),
    "missing body": (
        "body = region 0, ", "",
        "E0903", 12, 1, 2, "the graph breaks invariant I5",
        "`%3` lacks the attribute 'body'",
    ),
    "missing carried": (
        ", carried = 1", "",
        "E0903", 12, 1, 2, "the graph breaks invariant I5",
        "`%3` lacks the attribute 'carried'",
    ),
    "more carried than operands": (
        "carried = 1", "carried = 5",
        "E0903", 12, 22, 2, "the graph breaks invariant I4",
        "`%3` (for) does not take its operand 4: expected 4 operands",
    ),
    "negative count": (
        "carried = 1", "carried = -1",
        "E0903", 12, 43, 7, "the graph breaks invariant I5",
        "`%3` has the attribute 'carried' = -1, not a count",
    ),
    "count in quotes": (
        "carried = 1", "carried = \"1\"",
        "E0903", 12, 43, 7, "the graph breaks invariant I5",
        "`%3` has the attribute 'carried' = '1', not of type int",
    ),
    "region for a count": (
        "carried = 1", "carried = region 0",
        "E0903", 12, 43, 7, "the graph breaks invariant I5",
        "`%3` has the attribute 'carried' = <graph of 4 nodes>, not of type int",
    ),
    "number for a body": (
        "region 0,", "3,",
        "E0903", 12, 26, 4, "the graph breaks invariant I5",
        "`%3` has the attribute 'body' = 3, not of type Graph",
    ),
    "body in a list": (
        "region 0,", "[region 0],",
        "E0903", 12, 26, 4, "the graph breaks invariant I5",
        "`%3` has the attribute 'body' = (<graph of 4 nodes>,), not of type Graph",
    ),
    "more tapes than outputs": (
        "carried = 1", "carried = 1, tapes = 3",
        "E0903", 12, 22, 2, "the graph breaks invariant I4",
        "`%3` (for) does not take its operand 4: expected 4 operands",
    ),
    "scanned number": (
        "carried = 1", "carried = 1, scanned = 1",
        "E0903", 12, 22, 2, "the graph breaks invariant I4",
        "`%3` (for) does not take its operand 4: expected an array of values of type f64, one for each iteration",
    ),
    "collected without extent": (
        "carried = 1", "carried = 0",
        "E0903", 12, 10, 2, "the graph breaks invariant I4",
        "`%3` (for) does not take its operand 1: expected a number of iterations that is known, to collect arrays",
    ),
    "extent in quotes": (
        "carried = 1", "carried = 1, extent = \"n\"",
        "E0903", 12, 56, 6, "the graph breaks invariant I5",
        "`%3` has the attribute 'extent' = 'n', not an extent",
    ),
    "direction": (
        "carried = 1", "carried = 1, backwards = 1",
        "E0903", 12, 56, 9, "the graph breaks invariant I5",
        "`%3` has the attribute 'backwards' = 1, not of type bool",
    ),
    "for with a test": (
        "carried = 1", "carried = 1, test = region 0",
        "E0903", 12, 56, 4, "the graph breaks invariant I5",
        "`%3` has the attribute 'test', which 'for' does not know",
    ),
    "while without a test": (
        "for %1, %2, %0, %0 {", "while %0, %0 {",
        "E0903", 12, 1, 2, "the graph breaks invariant I5",
        "`%3` lacks the attribute 'test'",
    ),
    "test of another type": (
        "for %1, %2, %0, %0 {", "while %0, %0 {test = region 0, ",
        "E0903", 12, 12, 2, "the graph breaks invariant I4",
        "`%3` (while) does not take its operand 1: expected a test with one truth value for the inputs of the body",
    ),
    "branch on a number": (
        "for %1, %2, %0, %0 {body = region 0, carried = 1", "branch %0, %1, %0, %0 {then = region 0, other = region 0",
        "E0903", 12, 13, 2, "the graph breaks invariant I4",
        "`%3` (branch) does not take its operand 1: expected a truth value",
    ),
    "place that is not there": (
        "place = 0", "place = 1",
        "E0903", 13, 10, 2, "the graph breaks invariant I4",
        "`%4` (get) does not take its operand 1: expected the results of a region with more than 1 of them",
    ),
    "negative place": (
        "place = 0", "place = -1",
        "E0903", 13, 14, 5, "the graph breaks invariant I5",
        "`%4` has the attribute 'place' = -1, not a count",
    ),
    "get without a place": (
        " {place = 0}", "",
        "E0903", 13, 1, 2, "the graph breaks invariant I5",
        "`%4` lacks the attribute 'place'",
    ),
    "get of a number": (
        "get %3", "get %0",
        "E0903", 13, 10, 2, "the graph breaks invariant I4",
        "`%4` (get) does not take its operand 1: expected the results of a region with more than 0 of them",
    ),
    "tuple as a number": (
        "get %3 {place = 0}", "neg %3",
        "E0903", 13, 10, 2, "the graph breaks invariant I12",
        "`%4` reads `%3`, a tuple, which 'neg' does not take",
    ),
    "named tuple": (
        "%4 = get %3 {place = 0} : f64", "%4 = name \"r\" %3 : tuple",
        "E0903", 13, 15, 2, "the graph breaks invariant I12",
        "`%4` reads `%3`, a tuple, which 'name' does not take",
    ),
    "tuple as an output": (
        "output \"y\" = %4", "output \"y\" = %3",
        "E0903", 12, 1, 2, "the graph breaks invariant I12",
        "`%3` is the output 'y' and no value: (f64)",
    ),
    "type of a result": (
        "place = 0} : f64", "place = 0} : int",
        "E0903", 13, 27, 3, "the graph breaks invariant I4",
        "`%4` (get) has type int, but its operands give f64",
    ),
    "tuple shape": (
        ": tuple", ": tuple[3]",
        "E0901", 12, 64, 1, "a tuple has no shape or index of its own",
        "expected `: tuple` alone",
    ),
    "tuple free": (
        ": tuple", ": tuple{i: n}",
        "E0901", 12, 64, 4, "a tuple has no shape or index of its own",
        "expected `: tuple` alone",
    ),
    "number type for a tuple": (
        ": tuple", ": f64",
        "E0903", 12, 58, 3, "the graph breaks invariant I4",
        "`%3` (for) has type f64, but its operands give (f64)",
    ),
    "tuple for a number type": (
        "get %3 {place = 0} : f64", "sin %0 : tuple",
        "E0903", 13, 1, 2, "the graph breaks invariant I12",
        "`%4` is a tuple, which 'sin' does not give",
    ),
    "tape of nothing": (
        ": tuple", ": tape",
        "E0901", 12, 58, 4, "a tape has values of a number type",
        "expected a type such as `tape f64`",
    ),
    "tape of tuples": (
        ": tuple", ": tape tuple",
        "E0901", 12, 63, 5, "unknown number type `tuple`",
        "expected f64, f32, int or bool",
    ),
    "tape for a tuple": (
        ": tuple", ": tape f64",
        "E0903", 13, 10, 2, "the graph breaks invariant I12",
        "`%4` reads `%3`, a tape, which 'get' does not take",
    ),
    "tuple as an input": (
        "param \"w\" : f64", "param \"w\" : tuple",
        "E0903", 9, 1, 2, "the graph breaks invariant I12",
        "`%0` is a tuple, which 'input' does not give",
    ),
    "tape as an input": (
        "param \"w\" : f64", "param \"w\" : tape f64",
        "E0903", 9, 1, 2, "the graph breaks invariant I12",
        "`%0` is a tape, which 'input' does not give",
    ),
    "constant tape": (
        "const 3 : int", "const 3 : tape f64",
        "E0903", 11, 1, 2, "the graph breaks invariant I12",
        "`%2` is a tape, which 'const' does not give",
    ),
    "operand of a program": (
        "param \"w\"", "operand \"w\"",
        "E0903", 9, 1, 2, "the graph breaks invariant I12",
        "`%0` is an operand, which only the body of a region has",
    ),
    "param of a body": (
        "operand \"w\" : f64", "param \"w\" : f64",
        "E0903", 5, 3, 2, "the graph breaks invariant I12",
        "`%2` has the kind 'param', but what enters a body is an operand",
    ),
    "operand with a default": (
        "operand \"w\" : f64", "operand \"w\" default 3 : f64",
        "E0901", 5, 20, 7, "unexpected `default` in textual IR",
        "expected a type such as `: f64`",
    ),
    "operand with the attribute default": (
        "operand \"w\" : f64", "operand \"w\" {default = 3.0} : f64",
        "E0903", 5, 3, 2, "the graph breaks invariant I5",
        "`%2` is an operand and has a default",
    ),
    "operand of a kind": (
        "operand \"w\" : f64", "operand \"w\" {kind = \"param\"} : f64",
        "E0901", 5, 21, 4, "attribute `kind` is given twice",
        "the second one",
    ),
    "extent of a real operand": (
        "operand \"w\" : f64", "operand \"w\" {extent = n} : f64",
        "E0903", 5, 3, 2, "the graph breaks invariant I5",
        "`%2` is always Size(n), which is not an extent for an operand of type int",
    ),
    "extent that is none": (
        "operand \"t\" : int", "operand \"t\" {extent = \"n\"} : int",
        "E0903", 3, 3, 2, "the graph breaks invariant I5",
        "`%0` is always 'n', which is not an extent for an operand of type int",
    ),
    "param with an extent": (
        "param \"w\" : f64", "param \"w\" {extent = n} : f64",
        "E0903", 9, 17, 6, "the graph breaks invariant I5",
        "`%0` has the attribute 'extent', which only an operand has",
    ),
    "local operand": (
        "operand \"w\" : f64", "operand \"w\" : f64 local",
        "E0901", 5, 26, 5, "an operand is marked `local`",
        "expected no mark",
    ),
    "operands of one name": (
        "operand \"w\"", "operand \"y\"",
        "E0903", 5, 3, 2, "the graph breaks invariant I7",
        "`%2` is a second input of the name 'y'",
    ),
    "node of the program in a body": (
        "mul %1, %2", "mul %1, %4",
        "E0901", 6, 16, 2, "unknown node `%4`",
        "expected a node of this graph",
    ),
    "unknown node in a body": (
        "mul %1, %2", "mul %1, %w",
        "E0901", 6, 16, 2, "unknown node `%w`",
        "expected a node of this graph",
    ),
    "carried name that changes its type": (
        "output \"y\" = %3\n}", "output \"y\" = %0\n}",
        "E0903", 12, 18, 2, "the graph breaks invariant I4",
        "`%3` (for) does not take its operand 3: expected a body that keeps the type of what is carried as int",
    ),
    "family as a result of a body": (
        "%3 = mul %1, %2 : f64\n  output \"y\" = %3",
        "%3 = index {index = i: n} : int{i: n}\n"
        "  %4 = float %3 : f64{i: n}\n  output \"y\" = %4",
        "E0903", 7, 3, 2, "the graph breaks invariant I10",
        "`%4` is the output 'y' and has free indices: f64{i: n}",
    ),
    "equal loops": (
        "%4 = get", "%5 = for %1, %2, %0, %0 {body = region 0, carried = 1} : tuple\n%4 = get",
        "E0903", 13, 1, 2, "the graph breaks invariant I6",
        "`%5` equals `%3`",
    ),
    "region at a constant": (
        "const 3 : int", "const 3 {body = region 0} : int",
        "E0903", 11, 15, 4, "the graph breaks invariant I5",
        "`%2` has the attribute 'body', which 'const' does not know",
    ),
    "region as a default": (
        "param \"w\" : f64", "param \"w\" default region 0 : f64",
        "E0901", 9, 24, 6, "unexpected `region` in textual IR",
        "expected a number, `true` or `false`",
    ),
    "region behind the nodes": (
        "output \"y\" = %4", "output \"y\" = %4\nregion 1 {\n}",
        "E0901", 15, 1, 6, "unexpected `region` in textual IR",
        "expected a node such as `%3 = …` or `output`",
    ),
}
# fmt: on


def test_what_is_changed_below_is_right() -> None:
    assert load(WHOLE).outputs == (("y", 4),)


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_region_is_a_diagnostic_at_the_exact_place(case: str) -> None:
    old, new, code, line, column, length, message, label = WRONG[case]
    assert old in WHOLE
    with pytest.raises(CompileError) as caught:
        load(WHOLE.replace(old, new, 1))
    (found,) = caught.value.diagnostics
    assert found.span is not None
    place = (found.code, found.span.line, found.span.column, found.span.length)
    assert (place, found.message, found.label) == ((code, line, column, length), message, label)


def chain(depth: int) -> str:
    """Loops in each other."""
    written = ["gradc-ir 1"]
    for number in range(depth):
        inner = [
            f"%4 = for %2, %3, %1 {{body = region {number - 1}, carried = 1}} : tuple",
            "%5 = get %4 {place = 0} : f64",
        ]
        written += [
            f"region {number} {{",
            '%0 = operand "t" : int',
            '%1 = operand "y" : f64',
            "%2 = const 0 : int",
            "%3 = const 2 : int",
            *(inner if number else ["%5 = sin %1 : f64"]),
            'output "y" = %5',
            "}",
        ]
    loop = f"%3 = for %1, %2, %0 {{body = region {depth - 1}, carried = 1}} : tuple"
    last = ['%0 = param "w" : f64', "%1 = const 0 : int", "%2 = const 1 : int", loop, "%4 = get %3 {place = 0} : f64"]
    return "\n".join([*written, *last, 'output "y" = %4', ""])


def test_regions_nest_as_deep_as_programs_may() -> None:
    found = load(chain(200))
    assert text.dump(load(text.dump(found))) == text.dump(found)
    with pytest.raises(CompileError, match="regions stand too deep in each other"):
        load(chain(201))


def test_very_many_regions_are_refused_or_read_in_linear_time() -> None:
    with pytest.raises(CompileError, match="regions stand too deep in each other"):
        load(chain(20_000))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Programs and their gradients as text, as written and optimised."""
    found = []
    for written in PROGRAMS.values():
        model = gradc.compile(textwrap.dedent(written))
        (output,) = model()
        for each in (model, model.grad(output, wrt=["w"])):
            found += map(text.dump, (each.graph, each.optimized()))
    return found


_WORD = re.compile(r'%?\w+|"[^"]*"|\s+|.')


def damaged(written: str, chance: random.Random) -> str:
    """The text with a line or a word in it replaced, dropped, doubled or brought elsewhere."""
    lines = written.split("\n")
    at = chance.randrange(1, len(lines))
    how = chance.randrange(8)
    if how == 0:
        lines.pop(at)
    elif how == 1:
        lines.insert(at, chance.choice(lines))
    elif how == 2:
        other = chance.randrange(1, len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    else:
        words = _WORD.findall(lines[at]) or [""]
        place = chance.randrange(len(words))
        others = _WORD.findall(chance.choice(lines)) or [""]
        words[place : place + chance.randrange(2)] = [
            chance.choice([*others, "", "%1", "0", "region 0", "tape ", "-1"])
        ]
        lines[at] = "".join(words)
    return "\n".join(lines)


@given(chance=st.randoms(use_true_random=False), times=st.integers(1, 3))
@settings(deadline=None)
def test_a_damaged_text_is_read_or_refused(texts: list[str], chance: random.Random, times: int) -> None:
    written = chance.choice(texts)
    for _ in range(times):
        written = damaged(written, chance)
    try:
        found = load(written)
    except CompileError:
        return
    assert diff.diff(load(text.dump(found)), found, spans=True) == ""
