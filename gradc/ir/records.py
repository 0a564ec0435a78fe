"""From the textual form of a graph to records of its lines: the grammar's side of reading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from gradc.errors import CompileError, Diagnostic, located
from gradc.ir.text import VERSION
from gradc.source import Source

# Digits of a version, a line, an extent: no honest one is longer, and int() is slow on millions of them.
MAX_DIGITS = 12


class Raw(NamedTuple):
    """A terminal as the parser found it: its kind, its text and where that starts."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset behind the last character."""
        return self.start + len(self.text)


class Line(NamedTuple):
    """A node's line; ``head`` is its op, or what stands behind that: a name, a constant.

    ``items`` are the array that a line reads and its items, ``parts`` are those of a line that fills one: each a value,
    its items and the indices that it is summed over. Then ``references`` holds all nodes in them, in their order.
    """

    kind: str
    definition: Raw
    head: Any
    references: str | None
    default: Any
    attributes: list[tuple[Raw, Any]] | None
    dtype: str
    shape: Sequence[Raw] | None
    free: Sequence[Raw] | None
    marks: tuple[bool, Sequence[Raw], str | None, str | None] | None
    items: list[Raw] | None = None
    parts: list[tuple[Raw, list[Raw], list[Raw]]] | None = None

    def pieces(self) -> Iterator[Raw]:
        """The references in items or parts, where they stand."""
        for value, items, _ in self.parts or ():
            yield value
            yield from (item for item in items if item.kind == "REFERENCES")
        yield from (item for item in self.items or () if item.kind == "REFERENCES")


class Block(NamedTuple):
    """The lines of one graph."""

    nodes: list[Line]
    outputs: list[tuple[Raw, Raw]]
    inputs: list[Raw]
    derivatives: list[tuple[Raw, Raw, Raw, Raw | None]]
    constraints: list[tuple[Raw, Raw, Raw, Raw | None]]


class Region(NamedTuple):
    """A body of a region."""

    number: Raw
    block: Block


class Defined(NamedTuple):
    """A function that has a derivative of its own."""

    name: Raw
    params: list[Raw]
    body: Block
    partials: Block


def _raw(token: Token) -> Raw:
    return Raw(token.type, str(token), token.start_pos or 0)


class _Records:
    """Makes records of what the parser reduces; each method is named by a rule of the grammar.

    It keeps no state and refuses nothing: the parser is shared by threads, and references are looked up when all lines
    are known. Records hold plain strings, since a token is several times as large.
    """

    @staticmethod
    def files(parts: list[Any]) -> list[Any]:
        return parts

    @staticmethod
    def rest(parts: list[Any]) -> list[Raw]:
        return [_raw(token) for token in parts]

    strings = shape = free = items = aliases = file = rest

    definitions = parts = files

    @staticmethod
    def region(parts: list[Any]) -> Region:
        number, block = parts
        return Region(_raw(number), block)

    @staticmethod
    def function(parts: list[Any]) -> Defined:
        name, params, body, partials = parts
        return Defined(_raw(name), params or [], body, partials)

    @staticmethod
    def array(parts: list[Any]) -> list[Any]:
        return [_raw(value) if isinstance(value, Token) else value for value in parts]

    @staticmethod
    def attribute(parts: list[Any]) -> tuple[Raw, Any]:
        key, value = parts
        return _raw(key), _raw(value) if isinstance(value, Token) else value

    attributes = files

    @staticmethod
    def default(parts: list[Any]) -> Any:
        return _raw(parts[0]) if isinstance(parts[0], Token) else parts[0]

    @staticmethod
    def part(parts: list[Any]) -> tuple[Raw, list[Raw], list[Raw]]:
        value, items, over = parts
        return _raw(value), items, over or []

    @staticmethod
    def marks(parts: list[Any]) -> tuple[bool, Sequence[Raw], str | None, str | None] | None:
        local, aliases, adjoint, places = parts
        if local is None and aliases is None and adjoint is None and places is None:
            return None
        return local is not None, aliases or (), adjoint and str(adjoint), places and str(places)

    @staticmethod
    def apply(parts: list[Any]) -> Line:
        definition, word, references, attributes, dtype, shape, free, marks = parts
        references = references and str(references)
        return Line("apply", _raw(definition), str(word), references, None, attributes, str(dtype), shape, free, marks)

    @staticmethod
    def reading(parts: list[Any]) -> Line:
        definition, word, array, items, attributes, dtype, shape, free, marks = parts
        array = _raw(array)
        references = ", ".join([raw.text for raw in (array, *items) if raw.kind == "REFERENCES"])
        base = _Records.apply([definition, word, references, attributes, dtype, shape, free, marks])
        return base._replace(items=[array, *items])

    @staticmethod
    def filling(parts: list[Any]) -> Line:
        definition, word, filled, attributes, dtype, shape, free, marks = parts
        base = _Records.apply([definition, word, None, attributes, dtype, shape, free, marks])
        line = base._replace(parts=filled)
        return line._replace(references=", ".join([raw.text for raw in line.pieces()]))

    @staticmethod
    def const(parts: list[Any]) -> Line:
        definition, value, attributes, dtype, shape, free, marks = parts
        return Line("const", _raw(definition), _raw(value), None, None, attributes, str(dtype), shape, free, marks)

    @staticmethod
    def input(parts: list[Any], kind: str = "input") -> Line:
        definition, name, default, attributes, dtype, shape, free, marks = parts
        return Line(kind, _raw(definition), _raw(name), None, default, attributes, str(dtype), shape, free, marks)

    @staticmethod
    def param(parts: list[Any]) -> Line:
        return _Records.input(parts, "param")

    @staticmethod
    def operand(parts: list[Any]) -> Line:
        definition, name, attributes, dtype, shape, free, marks = parts
        return _Records.input([definition, name, None, attributes, dtype, shape, free, marks], "operand")

    @staticmethod
    def name(parts: list[Any], kind: str = "name") -> Line:
        definition, name, references, attributes, dtype, shape, free, marks = parts
        references = references and str(references)
        return Line(kind, _raw(definition), _raw(name), references, None, attributes, str(dtype), shape, free, marks)

    @staticmethod
    def call(parts: list[Any]) -> Line:
        return _Records.name(parts, "call")

    @staticmethod
    def output(parts: list[Any]) -> tuple[str, Any]:
        return "output", (_raw(parts[0]), _raw(parts[1]))

    @staticmethod
    def inputs(parts: list[Any]) -> tuple[str, Any]:
        return "inputs", _raw(parts[0])

    @staticmethod
    def derivative(parts: list[Any]) -> tuple[str, Any]:
        node, y, v, order = parts
        return "derivative", (_raw(node), _raw(y), _raw(v), order and _raw(order))

    @staticmethod
    def require(parts: list[Any]) -> tuple[str, Any]:
        left, relation, right, places = parts
        return "require", (_raw(left), _raw(relation), _raw(right), places and _raw(places))

    @staticmethod
    def block(parts: list[Any]) -> Block:
        tables: dict[str, list[Any]] = {"output": [], "inputs": [], "derivative": [], "require": []}
        nodes = []
        for part in parts:
            if part.__class__ is Line:
                nodes.append(part)
            else:
                tables[part[0]].append(part[1])
        return Block(nodes, *tables.values())

    @staticmethod
    def graph(parts: list[Any]) -> list[Any]:
        return parts[1:]


@cache
def _parser() -> Lark:
    from gradc import cache as disk

    return disk.lark("ir.lark", start=["graph"], transformer=_Records())


def parse(source: Source) -> tuple[list[list[Raw]], list[Region | Defined], Block]:
    """The files, the bodies and functions and the block that a text holds.

    Raises ``CompileError`` if it is not of the format.
    """
    _check_version(source)
    text = source.text if source.text.endswith("\n") else source.text + "\n"
    try:
        found: Any = _parser().parse(text)
    except UnexpectedInput as error:
        raise CompileError(_syntax_error(source, error)) from None
    files, definitions, block = found
    return files, definitions, block


def _check_version(source: Source) -> None:
    found = re.match(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*gradc-ir[ \t]+([0-9]+)", source.text)
    # A text that does not start so is left to the parser, which says what is due.
    if found and (len(found[1]) > MAX_DIGITS or int(found[1]) != VERSION):
        hint = "a file of another version has to be compiled again from its source"
        message = f"version {found[1][:MAX_DIGITS]} of the textual IR is not known"
        label = f"this compiler reads version {VERSION}"
        raise CompileError(located("E0902", message, source, *found.span(1), label, (hint,)))


# What a terminal is called in a diagnostic, in the order in which a line has them. The first group is what a line
# cannot do without: where one of these is due, the others would only hide it.
_DUE = {
    "_MAGIC": "`gradc-ir 1`",
    "DEFINITION": "a node such as `%3 = …`",
    "OUTPUT": "`output`",
    "WORD": "a name",
    "REFERENCES": "nodes such as `%0, %1`",
    "TYPE": "a type such as `: f64`",
    "STRING": "a string in quotes",
    "EXTENT": "an extent such as `n + 1`",
    "INDEX": "an index such as `i: n`",
    "SLICE": "a slice such as `0:n`",
    "VALUE": "a value",
    "NUMBER": "a number",
    "TRUE": "`true`",
    "FALSE": "`false`",
    "INT": "a whole number",
    "EQUAL": "`=`",
    "RELATION": "`==` or `>=`",
    "RPAR": "`)`",
    "LPAR": "`(`",
    "RSQB": "`]`",
    "RBRACE": "`}`",
}
_OPTIONAL = {
    "COMMA": "`,`",
    "AT": "`at`",
    "OVER": "`over`",
    "LOCAL": "`local`",
    "AS": "`as`",
    "ADJOINT": "`adjoint %…`",
    "PLACES": "a place such as `@2:7+1`",
    "_NL": "the end of the line",
    "LBRACE": "`{`",
}


def _syntax_error(source: Source, error: UnexpectedInput) -> Diagnostic:
    text = source.text
    if not text.strip():
        return located("E0901", "an empty text is no textual IR", source, 0, 0, "", ("its first line is `gradc-ir 1`",))
    start: int
    if isinstance(error, UnexpectedToken):
        token: Token = error.token
        start = len(text) if token.type == "$END" else int(token.start_pos or 0)
        end = start + (0 if token.type == "$END" else len(token.rstrip() if token.type != "_NL" else ""))
        expected = set(error.accepts or error.expected)
    else:
        assert isinstance(error, UnexpectedCharacters)
        start = error.pos_in_stream or 0
        word = re.compile(r"[%@]?[\w.]+").match(text, start)
        end = word.end() if word else start + 1
        expected = set(error.allowed)
    due = [shown for kind, shown in _DUE.items() if kind in expected]
    if "CONST" in expected:
        due = ["an operator"]
    elif "DEFINITION" in expected or "TYPE" in expected:
        # The parser's tables share states, so that a bracket may seem to be due that none was opened for.
        due = [shown for shown in due if shown not in ("`]`", "`}`")]
    due = due or [shown for kind, shown in _OPTIONAL.items() if kind in expected]
    due = due or sorted(f"`{kind.lower()}`" for kind in expected if kind.isalpha()) or ["the end of the text"]
    label = "expected " + (f"{', '.join(due[:-1])} or {due[-1]}" if len(due) > 1 else due[0])
    if start >= len(text.rstrip("\n")):
        found = "end of the text"
        start = end = len(text.rstrip("\n"))
    elif text[start] == "\n" or end == start:
        found = "end of the line"
    elif text[start] == '"':
        found = "string" if end - start > 1 else "string without an end"
    else:
        shown = text[start : min(end, start + 40)]
        found = f"`{shown}`" if shown.isprintable() else f"character U+{ord(shown[0]):04X}"
    return located("E0901", f"unexpected {found} in textual IR", source, start, end, label)
