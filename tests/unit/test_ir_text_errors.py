"""Textual IR that is wrong: the exact diagnostic for each mistake, and no input that does anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import TABLE

from gradc.errors import CompileError
from gradc.ir import diff, text
from gradc.ir.graph import Graph
from gradc.source import Source


def load(written: str) -> Graph:
    return text.load(Source("test.gir", written), TABLE)


def error(written: str) -> str:
    with pytest.raises(CompileError) as caught:
        load(written)
    return str(caught.value)


def read_or_refuse(written: str) -> Graph | CompileError:
    try:
        return load(written)
    except CompileError as refused:
        return refused


def lines(*body: str) -> str:
    return "\n".join(("gradc-ir 1", *body, ""))


X = '%0 = input "x" : f64'

# fmt: off
WRONG = {
    "empty": (" \n", "E0901", 1, 1, 1, "an empty text is no textual IR", ""),
    "no header": ("%0 = 1", "E0901", 1, 1, 2, "unexpected `%0` in textual IR", "expected `gradc-ir 1`"),
    "version": (
        "# hi\ngradc-ir 2\n!",
        "E0902", 2, 10, 1, "version 2 of the textual IR is not known", "this compiler reads",
    ),
    "long version": (
        f"gradc-ir {'9' * 10_000}",
        "E0902", 1, 10, 10_000, "version 999999999999 of", "this compiler reads",
    ),
    "no operator": (
        lines("%0 =", X),
        "E0901", 2, 5, 1, "unexpected end of the line in textual IR", "expected an operator",
    ),
    "no type": (
        lines(X, "%1 = sin %0"),
        "E0901", 3, 12, 1, "unexpected end of the text", "expected a type such as `: f64`",
    ),
    "no comma": (
        lines(X, "%1 = mul %0 %0 : f64"),
        "E0901", 3, 13, 2, "unexpected `%0` in", "expected a type such as",
    ),
    "half string": (
        lines('%0 = input "x : f64'),
        "E0901", 2, 12, 1, "unexpected string without an end", "expected a string",
    ),
    "bare name": (lines("%0 = input x : f64"), "E0901", 2, 12, 1, "unexpected `x` in", "expected a string in quotes"),
    "rest": (
        lines(X + " huh"),
        "E0901", 2, 22, 3, "unexpected `huh` in textual IR", "expected `local`, `as`, `adjoint",
    ),
    "NUL": (lines(X, "\0"), "E0901", 3, 1, 1, "unexpected character U+0000 in textual IR", "expected a node such as"),
    "closed twice": (lines(X, "}"), "E0901", 3, 1, 1, "unexpected `}` in textual IR", "expected the end of the text"),
    "unknown operator": (lines(X, "%1 = mull %0 : f64"), "E0903", 3, 6, 4, "unknown operator `mull`", ""),
    "unknown node": (
        lines(X, "%1 = mul %0, %7 : f64"),
        "E0901", 3, 14, 2, "unknown node `%7`", "expected a node of this",
    ),
    "forwards": (
        lines("%1 = sin %0 : f64", X),
        "E0901", 2, 10, 2, "node `%0` is read before it is made", "expected an ear",
    ),
    "itself": (
        lines("%1 = sin %1 : f64"),
        "E0901", 2, 10, 2, "node `%1` is read before it is made", "expected an earlier",
    ),
    "twice": (lines(X, "%0 = sin %0 : f64"), "E0901", 3, 1, 2, "node `%0` is defined twice", "the second definition"),
    "unknown output": (
        lines(X, 'output "y" = %1'),
        "E0901", 3, 14, 2, "unknown node `%1`", "expected a node of this graph",
    ),
    "two in one output": (
        lines(X, 'output "y" = %0, %0'),
        "E0901", 3, 14, 6, "one node is due here", "expected one node",
    ),
    "output twice": (
        lines(X, 'output "y" = %0', 'output "y" = %0'),
        "E0903", 4, 8, 3, "output `y` is given twice", "the sec",
    ),
    "unknown mark": (
        lines(X + " adjoint %9"),
        "E0901", 2, 30, 2, "unknown node `%9`", "expected a node of this graph",
    ),
    "unknown file": (lines(X + " @1:2:3+4"), "E0901", 2, 22, 8, "file 1 is not declared", 'expected `file 1 "…"`'),
    "bad place": (lines(X + " @1:2+"), "E0901", 2, 22, 5, "malformed place", "expected `@line:column+length`, or"),
    "huge place": (
        lines(X + f" @{'9' * 5000}:2+1"),
        "E0901", 2, 22, 5005, "malformed place", "expected `@line:column+",
    ),
    "files": (lines('file 1 "f"', X), "E0901", 2, 6, 1, "files are not numbered in order", "expected 0"),
    "number type": (
        lines('%0 = input "x" : f16'),
        "E0901", 2, 18, 3, "unknown number type `f16`", "expected f64, f32, int",
    ),
    "extent": (
        lines(f'%0 = input "x" : f64[{"9" * 9999}]'),
        "E0901", 2, 22, 9999, "malformed extent", "an extent has more than 63 bits in a number",
    ),
    "no extent": (
        lines('%0 = input "x" : f64[3, n +]'),
        "E0901", 2, 25, 3, "malformed extent", "expected an extent such as `n + 1`",
    ),
    "extent missing": (
        lines('%0 = input "x" : f64[3, ]'),
        "E0901", 2, 25, 1, "unexpected `]` in textual IR", "expected an extent such as `n + 1`",
    ),
    "extent below 0": (
        lines('%0 = input "x" : f64[-3]'),
        "E0903", 2, 18, 3, "the graph breaks invariant I4", "`%0` has the shape (-3,), not a tuple of extents",
    ),
    "power": (
        lines('%0 = input "x" : f64[n^1000000]'),
        "E0901", 2, 22, 9, "malformed extent", "an extent has more than 64 factors",
    ),
    "index": (
        lines("%0 = index {index = i j: n} : int{i: n}"),
        "E0901", 2, 21, 6, "malformed index", "expected an index such as `i: n`",
    ),
    "index without extent": (
        lines("%0 = index {index = i: n} : int{i}"),
        "E0901", 2, 33, 1, "malformed index", "expected an index such as `i: n`",
    ),
    "extent of an index": (
        lines("%0 = index {index = i: n} : int{i :  n )}"),
        "E0901", 2, 38, 3, "malformed extent", "expected an extent such as `n + 1`",
    ),
    "two extents": (
        lines("%0 = index {index = i: n} : int{i: n}", "%1 = index {index = i: m} : int{i: m}"),
        "E0903", 3, 1, 2, "the graph breaks invariant I10", "`%1` has the index i: m, but i runs to n elsewhere",
    ),
    "items": (
        lines('%0 = input "x" : f64[n]', "%1 = access %0[%2] : f64"),
        "E0901", 3, 16, 2, "unknown node `%2`", "expected a node of this graph",
    ),
    "item": (
        lines('%0 = input "x" : f64[n]', "%1 = access %0[3] : f64"),
        "E0901", 3, 16, 1, "malformed slice", "expected a slice such as `0:n` or `0:n:2`",
    ),
    "extent of a slice": (
        lines('%0 = input "x" : f64[n]', "%1 = access %0[1: n * ] : f64"),
        "E0901", 3, 19, 3, "malformed extent", "expected an extent such as `n + 1`",
    ),
    "step of a slice": (
        lines('%0 = input "x" : f64[n]', "%1 = access %0[0:n:m] : f64"),
        "E0901", 3, 16, 5, "malformed slice", "expected a slice such as `0:n` or `0:n:2`",
    ),
    "items twice": (
        lines('%0 = input "x" : f64[n]', "%1 = access %0[0:n] {items = []} : f64"),
        "E0901", 3, 22, 5, "attribute `items` is given twice", "the second one",
    ),
    "two arrays": (
        lines('%0 = input "x" : f64[n]', "%1 = access %0, %0[0:n] : f64[n]"),
        "E0901", 3, 13, 6, "one node is due here", "expected one node",
    ),
    "parts": (
        lines('%0 = input "x" : f64[n]', "%1 = assemble %0 at [0:n], %0, %0 at [0:n] {shape = [n]} : f64[n]"),
        "E0901", 3, 28, 6, "one node is due here", "expected one node",
    ),
    "part": (
        lines('%0 = input "x" : f64[n]', "%1 = assemble %0 at [0:n], %0 at [0:2] {shape = [n]} : f64[n]"),
        "E0903", 3, 28, 2, "the graph breaks invariant I4", "`%1` (assemble) does not take its operand 2: expected a",
    ),
    "value": (
        lines("%0 = size {size = n n} : int"),
        "E0901", 2, 19, 3, "malformed extent", "expected an extent such as `n + 1`",
    ),
    "no value": (
        lines("%0 = size {size = } : int"),
        "E0901", 2, 19, 1, "unexpected `}` in textual IR", "expected a string in quotes or a value",
    ),
    "kind of an attribute": (
        lines("%0 = size {size = 3} : int"),
        "E0903", 2, 12, 4, "the graph breaks invariant I5", "`%0` has the attribute 'size' = 3, not of type Size",
    ),
    "default": (
        lines('%0 = input "x" default [1.0, n] : f64[2]'),
        "E0901", 2, 30, 1, "a constant is not of type f64", "expected a number",
    ),
    "ragged default": (
        lines('%0 = input "x" default [[1.0], []] : f64[2, n]'),
        "E0903", 2, 1, 2, "the graph breaks invariant I5", "`%0` has a default whose axis 1 is not one of f64[2, n]",
    ),
    "deep default": (
        lines(f'%0 = input "x" default {"[" * 99}1.0{"]" * 99} : f64[n]'),
        "E0901", 2, 123, 3, "lists stand too deep in each other", "more than 32 deep",
    ),
    "relation": (
        lines(X, "require n > 1"),
        "E0901", 3, 11, 1, "unexpected", "expected `==` or `>=`",
    ),
    "requirement": (
        lines(X, "require n + >= 1"),
        "E0901", 3, 9, 3, "malformed extent", "expected an extent such as `n + 1`",
    ),
    "place of a requirement": (
        lines(X, "require n >= 1 @3:1:1+1"),
        "E0901", 3, 16, 8, "file 3 is not declared", 'expected `file 3 "…"`',
    ),
    "not int": (
        lines("%0 = const 1.5 : int"),
        "E0901", 2, 12, 3, "a constant is not of type int", "expected a whole num",
    ),
    "not bool": (
        lines("%0 = const 1 : bool"),
        "E0901", 2, 12, 1, "a constant is not of type bool", "expected `true` or",
    ),
    "not real": (
        lines("%0 = const true : f64"),
        "E0901", 2, 12, 4, "a constant is not of type f64", "expected a number",
    ),
    "64 bits": (
        lines(f"%0 = const {2**63} : int"),
        "E0901", 2, 12, 19, "an integer is out of range", "expected a signed",
    ),
    "long int": (
        lines(f"%0 = const {'1' * 9999} : int"),
        "E0901", 2, 12, 9999, "a number is too long", "expected at most",
    ),
    "escape": (
        lines('%0 = input "a\\q" : f64'),
        "E0901", 2, 14, 2, "unknown escape in a string", 'expected \\" \\\\ \\n',
    ),
    "no character": (
        lines('%0 = input "\\u{110000}" : f64'),
        "E0901", 2, 13, 10, "unknown escape in a string", "expected",
    ),
    "listed twice": (
        lines(X, '%1 = name "x" %0 : f64'),
        "E0901", 3, 11, 3, "name `x` is listed twice", "the second node",
    ),
    "local node": (
        lines(X, "%1 = sin %0 : f64 local"),
        "E0901", 3, 19, 5, "a node without a name is marked", "expected no",
    ),
    "attribute twice": (
        lines('%0 = input "x" {kind = "a"} : f64'),
        "E0901", 2, 17, 4, "attribute `kind` is given", "the",
    ),
    "unknown attribute": (
        lines('%0 = input "x" {a = 1} : f64'),
        "E0903", 2, 17, 1, "the graph breaks invariant I5", "`%0` has",
    ),
    "unknown function": (
        lines(X, '%1 = call "f" (%0) : f64'),
        "E0901", 3, 11, 3, "unknown function `f`", "expected one",
    ),
    "inputs": (
        lines(X, "inputs %0, %0"),
        "E0903", 3, 8, 6, "the order of inputs is not one of the inputs", "expected every",
    ),
    "no order": (
        lines(X, "derivative %0 = d %0 / d %0 order 0"),
        "E0901", 3, 35, 1, "a derivative has no order", "expected 1",
    ),
    "count": (
        lines(X, "%1 = mul %0 : f64"),
        "E0903", 3, 1, 2, "the graph breaks invariant I2", "`%1` has 1 operands,",
    ),
    "result type": (
        lines(X, "%y = sin %0 : int"),
        "E0903", 3, 15, 3, "the graph breaks invariant I4", "`%y` (sin) has type",
    ),
    "equal nodes": (
        lines(X, "%a = sin %0 : f64", "%b = sin %0 : f64"),
        "E0903", 4, 1, 2, "the graph breaks", "`%b` equals `%a`",
    ),
    "inputs of a name": (
        lines(X, '%1 = input "x" : f64 local'),
        "E0903", 3, 1, 2, "the graph breaks invariant I7", "`%1` is",
    ),
    "operand type": (
        lines(X, '%p = input "p" : bool', "%y = mul %0, %p : f64"),
        "E0903", 4, 14, 2, "the graph breaks invariant I4", "`%y` (mul) does not take its operand 2: expected",
    ),
    "function of nothing": (
        lines('function "f" () {', "body {", X, 'output "f" = %0', "}", "partials {", "}", "}"),
        "E0903", 2, 10, 3, "function `f` breaks invariant I9", "expected inputs and partials for no parameters",
    ),
    "parts of a function": (
        lines('function "f" ("x") {', "body {", X, 'output "f" = %0', "}", "partials {", X, "}", "}"),
        "E0903", 2, 10, 3, "function `f` breaks invariant I9", "expected inputs and partials for 1 parameter",
    ),
}
# fmt: on


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_text_is_a_diagnostic_at_the_exact_place(case: str) -> None:
    written, code, line, column, length, message, label = WRONG[case]
    with pytest.raises(CompileError) as caught:
        load(written)
    found = caught.value.diagnostics[0]
    assert (found.code, found.line, found.column) == (code, line, column)
    assert found.span is not None
    assert found.span.length == length
    assert found.message.startswith(message)
    assert found.label.startswith(label)


def test_a_diagnostic_in_full() -> None:
    assert error(lines(X, "%1 = sinn %0 : f64", 'output "y" = %2')) == (
        "error[E0903]: unknown operator `sinn`\n"
        " --> test.gir:3:6\n"
        "  |\n"
        "3 | %1 = sinn %0 : f64\n"
        "  |      ^^^^\n"
        "  = help: similar names exist: `sin`, `sinh`\n"
        "\n"
        "error[E0901]: unknown node `%2`\n"
        " --> test.gir:4:14\n"
        "  |\n"
        '4 | output "y" = %2\n'
        "  |              ^^ expected a node of this graph"
    )


def test_not_every_problem_of_a_hopeless_text_is_told() -> None:
    with pytest.raises(CompileError) as caught:
        load(lines(*(f"%{i} = what : f64" for i in range(1000))))
    assert len(caught.value.diagnostics) == 20


# Whoever wrote it ----------------------------------------------------------------------------------------------------


WHOLE = lines(
    'file 0 "a.grad"',
    'function "f" ("p") {',
    "  body {",
    '    %0 = input "p" : f64 @1:1+1',
    '    output "f" = %0',
    "  }",
    "  partials {",
    '    %0 = input "p" : f64',
    "    %1 = const 1.0 : f64",
    '    output "p" = %1',
    "  }",
    "}",
    '%0 = param "x" default -2.5 : f64 @2:7+1 @2:9+1',
    '%1 = call "f" (%0) : f64',
    '%2 = name "y" %1 : f64 local as "z"',
    "%3 = const true : bool adjoint %2",
    "%4 = select %3, %2, %0 : f64",
    'output "y" = %4',
    "derivative %4 = d %2 / d %0 order 2",
)


@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_any_text_is_read_or_refused(written: str) -> None:
    for whole in (written, "gradc-ir 1\n" + written, lines(X, "%1 = " + written)):
        assert str(read_or_refuse(whole))


ARRAYS = lines(
    'file 0 "a.grad"',
    '%0 = input "x" default [[1.0, 2.0]] : f64[n, 2*m + 1] @2:7+1',
    "%1 = index {index = i: n} : int{i: n}",
    "%2 = access %0[%1, 0:2*m:2] : f64[m]{i: n}",
    "%3 = sum %2 {axes = [0], over = [i: n]} : f64",
    "%4 = const 1.0 : f64[n//2]",
    "%5 = assemble %2 at [%1, 1:m + 1] over {i: n}, %0 at [0:n] {shape = [n, 2*m + 1]} : f64[n, 2*m + 1]",
    'output "y" = %5',
    "require n >= 2*m + 1 @1:1+1",
)


@given(st.data())
def test_a_damaged_text_is_read_or_refused(data: st.DataObject) -> None:
    written = data.draw(st.sampled_from([WHOLE, ARRAYS]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(written)))
        end = start + data.draw(st.integers(0, 6))
        piece = data.draw(
            st.sampled_from(
                [
                    "",
                    "%",
                    "%3",
                    "0",
                    ":",
                    " f64",
                    '"',
                    "{",
                    "}",
                    "\n",
                    "@",
                    ",",
                    "adjoint",
                    "-",
                    "[",
                    "]",
                    "n",
                    "//",
                    "^9",
                    ">=",
                ]
            )
        )
        written = written[:start] + piece + written[end:]
    found = read_or_refuse(written)
    if isinstance(found, Graph):
        assert diff.diff(load(text.dump(found)), found, spans=True) == ""
    else:
        assert str(found)


@pytest.mark.parametrize(
    "piece", ["{", "[", "(", '"', "\\", "%1, ", "@1:1+1 ", "0", "# ", "d / ", ":", "n, ", "n*", "n//", "(a+b)*"]
)
def test_a_flood_is_read_or_refused(piece: str) -> None:
    starts = ["", "%0 = input ", "%0 = const 1 {a = ", X + " ", X + "[", X + "{i: ", "%0 = sin %0[", "require "]
    for before in starts:
        assert len(str(read_or_refuse(lines(before + piece * 20_000)))) < 100_000
