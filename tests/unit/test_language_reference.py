"""The language reference: every example runs and gives what stands beneath it, every table is whole and true.

A block of ```grad is a program with lines of ``#>`` that hold all of its outputs in order, at the defaults or ``at``
other values. One of ```grad error CODE is refused, on compiling or on running; ```grad file=NAME lies beside the
programs.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import pytest

import gradc
from gradc import resources
from gradc.cli import topics
from gradc.errors import CODES
from gradc.syntax.arrays import FUNCTIONS as ARRAY_FUNCTIONS
from gradc.syntax.words import KEYWORDS

TEXT = resources.grammar("LANGUAGE.md").read_text("utf-8")


@dataclass
class Example:
    """One fenced block: its heading, the info string of its fence, and what it says comes out."""

    title: str
    info: str
    program: str
    expected: list[tuple[dict[str, Any], dict[str, str]]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def pairs(text: str) -> dict[str, str]:
    """``a = 1, b = [2, 3]`` as a mapping."""
    parts = re.split(r",\s*(?=[^\s,\[\]]+ = )", text)
    return dict(re.split(r"\s*=\s*", part.strip(), maxsplit=1) for part in parts)  # type: ignore[misc]


def given_value(text: str) -> Any:
    return json.loads(text) if text.startswith("[") else float(text)


def examples() -> list[Example]:
    found = []
    for match in re.finditer(r"^```grad([^\n]*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        headings = re.findall(r"^##+ (.*)$", TEXT[: match.start()], re.MULTILINE)
        example = Example(headings[-1], match[1].strip(), match[2])
        for line in re.findall(r"^#> (.*)$", match[2], re.MULTILINE):
            if line.startswith("error "):
                continue
            if line.startswith("warning "):
                example.warnings.append(line.removeprefix("warning "))
                continue
            values, _, outputs = line.removeprefix("at ").rpartition(": ") if line.startswith("at ") else ("", "", line)
            given = {name: given_value(text) for name, text in pairs(values).items()} if values else {}
            example.expected.append((dict(given), pairs(outputs)))
        found.append(example)
    return found


EXAMPLES = examples()


def shown(value: Any) -> str:
    if isinstance(value, (numpy.ndarray, list)):
        return f"[{', '.join(map(shown, list(value)))}]"
    return str(bool(value)).lower() if isinstance(value, (bool, numpy.bool_)) else f"{value:.6g}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the examples use."""
    program = tmp_path / "program"
    program.mkdir()
    for example in EXAMPLES:
        if example.info.startswith("file="):
            (program / example.info.removeprefix("file=")).write_text(example.program, "utf-8")
    (tmp_path / "elsewhere.grad").write_text("k = 1\n", "utf-8")
    return program


def name_of(example: Example) -> str:
    return f"{example.title}: {example.program.splitlines()[0]}"


@pytest.mark.parametrize("example", [e for e in EXAMPLES if not e.info.startswith("file=")], ids=name_of)
def test_example(example: Example, folder: Path) -> None:
    path = folder / "example.grad"
    path.write_text(example.program, "utf-8")
    if example.info:
        code = example.info.removeprefix("error ")
        with pytest.raises(gradc.Error) as caught:
            gradc.load(path)()
        assert [found.code for found in caught.value.diagnostics] == [code]
        # What a reader sees of it where the head of the block is not shown.
        assert example.program.endswith(f"\n#> error {code}\n")
        return
    model = gradc.load(path)
    assert [found.code for found in model.warnings] == example.warnings
    assert example.expected
    for given, outputs in example.expected:
        assert {name: shown(value) for name, value in model(given).items()} == outputs
        assert list(model.outputs) == list(outputs)


def test_every_block_is_of_a_known_kind() -> None:
    assert TEXT.count("```") == 2 * len(EXAMPLES)
    assert {re.sub(r"E\d{4}$|=.*$", "", example.info) for example in EXAMPLES} == {"", "error ", "file"}


# Tables --------------------------------------------------------------------------------------------------------------


def table(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head; code loses its backticks."""
    section = re.search(rf"^##+ {heading}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert section
    rows = re.findall(r"^\|(.*)\|$", section[1], re.MULTILINE)[2:]
    return [[cell.strip() for cell in row.split("|")] for row in rows]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


FUNCTIONS = table("Built-in functions")
KINKS = table("Derivatives at kinks")


def test_every_function_and_alias_is_listed() -> None:
    listed = [(code(call)[0].partition("(")[0], *code(also)) for call, also, _, _ in FUNCTIONS]
    assert len(listed) == len(set(listed))
    assert set(listed) == {row.functions for row in gradc.TABLE.values() if row.functions}


def test_every_function_of_arrays_is_listed_with_its_meaning() -> None:
    listed = [(code(call)[0], value) for call, value in table("Functions of arrays")]
    assert listed == [(function.form, function.doc) for function in ARRAY_FUNCTIONS.values()]
    assert [form.partition("(")[0] for form, _ in listed] == list(ARRAY_FUNCTIONS)


@pytest.mark.parametrize("name", ARRAY_FUNCTIONS)
def test_every_function_of_arrays_has_a_page(name: str) -> None:
    found = topics.page(name)
    assert found is not None
    assert found.startswith(f"# {name}: function of arrays\n\n    {ARRAY_FUNCTIONS[name].form}\n")


def test_every_function_is_listed_with_its_arguments() -> None:
    for call, *_ in FUNCTIONS:
        name, _, arguments = code(call)[0].rstrip(")").partition("(")
        assert len(arguments.split(", ")) == gradc.TABLE[gradc.TABLE.functions[name]].arity[0]


GRID = (-40.0, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 40.0)


@pytest.mark.parametrize(
    ("call", "domain"),
    [
        pytest.param(code(call)[0], (code(domain) or ["1 == 1"])[0], id=code(call)[0])
        for call, _, _, domain in FUNCTIONS
        if not call.startswith(("`where", "`float"))
    ],
)
def test_domain_is_where_the_value_is_a_number(call: str, domain: str) -> None:
    names = call.rstrip(")").partition("(")[2].split(", ")
    declared = ", ".join(f"{name}: int" if name == "n" else name for name in names)
    model = gradc.compile(f"input {declared}\nvalue = {call}\nnumber = {domain}\noutput value, number")
    points = list(itertools.product(*(range(-2, 5) if name == "n" else GRID for name in names)))
    columns = dict(zip(names, map(numpy.array, zip(*points, strict=True)), strict=True))
    found = model.map(columns)
    wrong = [point for point, v, d in zip(points, found["value"], found["number"], strict=True) if (v == v) != d]
    assert wrong == []


@pytest.mark.parametrize("row", KINKS, ids=lambda row: " at ".join(row[:2]))
@pytest.mark.parametrize("mode", ["grad({y}, {x})", "jvp({y}, {x}, 1)"])
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_derivative_at_kink(row: list[str], mode: str, level: int) -> None:
    (call,), point, expected = code(row[0]), row[1], row[2]
    names = [part.split(" = ")[0] for part in point.split(", ")]
    requests = [f"d{i} = " + mode.format(y="value", x=name) for i, name in enumerate(names)]
    outputs = ", ".join(f"d{i}" for i in range(len(names)))
    program = "\n".join([f"input {point}", f"value = {call}", *requests, f"output {outputs}"])
    found = gradc.compile(program, level=level)()
    assert ", ".join(map(shown, found.values())) == expected


def test_every_listed_kink_is_of_an_operator_with_conventions() -> None:
    for (call,) in {tuple(code(row[0])) for row in KINKS}:
        name = call.partition("(")[0]
        symbols = [row for row in gradc.TABLE.values() if row.symbol and call == f"x {row.symbol} y"]
        (row,) = symbols or [gradc.TABLE[gradc.TABLE.functions[name]]]
        assert row.conventions


def test_every_operator_is_listed() -> None:
    listed = {part for row in table("Operators") for part in code(row[0])}
    symbols = {row.symbol for row in gradc.TABLE.values() if row.symbol}
    assert symbols <= {re.sub(r"^[-+]x$", lambda sign: sign[0][0], part) for part in listed}


def test_precedence_goes_down_the_table() -> None:
    ranks = []
    for row in table("Operators"):
        found = {
            op.precedence
            for part in code(row[0])
            for op in gradc.TABLE.values()
            if op.symbol and (op.symbol, op.arity[0]) == (part.removesuffix("x"), 1 if part.endswith("x") else 2)
        }
        assert len(found) < 2
        ranks += found
    assert ranks == sorted(ranks, reverse=True)


def test_every_keyword_is_listed() -> None:
    paragraph = TEXT[TEXT.index("**Keywords**") : TEXT.index("**Constants**")]
    assert {word for part in code(paragraph) for word in part.split()} == KEYWORDS


def test_every_code_of_the_language_is_listed() -> None:
    mentioned = {word for row in table("Errors") + table("Warnings") for word in re.findall(r"[EW]\d{4}", row[0])}
    assert mentioned == {name for name in CODES if name < "E06" or name.startswith("W")}


def test_lines_are_of_moderate_length() -> None:
    assert max(len(line) for line in TEXT.splitlines()) <= 120


@pytest.mark.parametrize(
    "program",
    [
        "fn f(x, x) = x\ny = f(1, 2)",
        "fn f(x) { fn g(a, b, a) = a\nreturn g(x, x, x) }\ny = f(1)",
    ],
)
def test_parameters_of_one_name_are_refused(program: str) -> None:
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile(program)
    assert [found.code for found in caught.value.diagnostics] == ["E0202"]


def test_a_block_may_follow_an_equals_sign() -> None:
    assert gradc.compile("fn f(x) = { y = x^2; return y + 1 }\nz = f(3)")() == {"z": 10.0}


@pytest.mark.parametrize(("kind", "call", "option"), [("bool", "x=True", "x=true"), ("int", "x=1", "x=1")])
def test_a_missing_value_is_asked_for_in_its_kind(kind: str, call: str, option: str) -> None:
    with pytest.raises(gradc.CallError) as caught:
        gradc.compile(f"input x: {kind}\ny = x")()
    hint = f"pass it, as in `{call}` (on the command line `--set {option}`), or give it a default"
    assert [found.hints for found in caught.value.diagnostics] == [(hint,)]
