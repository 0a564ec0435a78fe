"""From the terminals of the textual form of a graph to values: numbers, strings, extents, types, places."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from gradc.errors import CompileError, Diagnostic, located
from gradc.ir import sizes
from gradc.ir.attributes import is_index_name
from gradc.ir.graph import Graph
from gradc.ir.records import MAX_DIGITS, Line, Raw
from gradc.ir.sizes import Dim
from gradc.ir.text import MAX_NESTING
from gradc.ir.types import DTYPES, SCALARS, TAPE, TUPLE, Index, Type, tape_of, tuple_of, typed
from gradc.source import Source, Span

if TYPE_CHECKING:
    from gradc.ir.op import OpTable

# More findings in one text than anybody reads.
_MAX_PROBLEMS = 20
_MAX_NUMBER = 400
_INT64 = range(-(2**63), 2**63)

UNKNOWN_TUPLE = tuple_of(())
"""The type of a tuple until its operator has told what is in it; known by its identity."""


class Terms:
    """Makes values of terminals, collecting what is wrong with them."""

    def __init__(self, source: Source, ops: OpTable) -> None:
        self.source = source
        self.ops = ops
        self.files: list[str] = []
        self.regions: list[Graph] = []
        self.problems: list[Diagnostic] = []
        # Many lines say the same.
        self.types: dict[Any, Type] = {}
        self.extents: dict[str, Dim] = {}

    # Findings ------------------------------------------------------------------------------------------------------

    def problem(
        self, message: str, start: int, end: int, label: str, hints: Sequence[str] = (), code: str = "E0901"
    ) -> None:
        """Note what is wrong between two offsets; too much of it ends the reading."""
        self.problems.append(located(code, message, self.source, start, end, label, hints))
        if len(self.problems) >= _MAX_PROBLEMS:
            self.stop()

    def stop(self) -> NoReturn:
        """Raise what has been found, in the order of the text."""
        self.problems.sort(key=lambda found: found.span or Span("", 0, 0, 0))
        raise CompileError(self.problems)

    def place(self, first: Raw, part: str) -> tuple[int, int]:
        """Where ``part`` stands in the line, behind its first terminal."""
        found = re.compile(rf"(?<![\w.]){re.escape(part)}(?![\w.])").search(self.source.text, first.end)
        return found.span() if found else (first.start, first.end)

    # Values --------------------------------------------------------------------------------------------------------

    def integer(self, raw: Raw) -> int:
        """A number, such as that of a file or a line."""
        if len(raw.text) <= MAX_DIGITS:
            return int(raw.text)
        self.problem("a number is too large", raw.start, raw.end, f"expected at most {MAX_DIGITS} digits")
        return 0

    def string(self, raw: Raw) -> str:
        """What a string in quotes means."""
        inner = raw.text[1:-1]
        if "\\" not in inner:
            return inner
        parts, at = [], 0
        for found in re.finditer(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|(.))", inner):
            parts.append(inner[at : found.start()])
            at = found.end()
            if found[1] is not None and int(found[1], 16) <= 0x10FFFF:
                parts.append(chr(int(found[1], 16)))
            elif found[2] in _UNESCAPES:
                parts.append(_UNESCAPES[found[2]])
            else:
                start = raw.start + 1 + found.start()
                due = 'expected \\" \\\\ \\n \\t \\r or \\u{…}'
                self.problem("unknown escape in a string", start, raw.start + 1 + at, due)
        return "".join((*parts, inner[at:]))

    def literal(self, raw: Raw, dtype: str | None) -> Any:
        """A number or truth value, as the number type wants it, or as it is written where that is None."""
        kind, text, start = raw
        if kind == "NUMBER" and len(text) > _MAX_NUMBER:
            self.problem("a number is too long", start, raw.end, f"expected at most {_MAX_NUMBER} characters")
        elif (kind == "NUMBER") == (dtype == "bool") and dtype is not None:
            due = "`true` or `false`" if dtype == "bool" else "a number"
            self.problem(f"a constant is not of type {dtype}", start, raw.end, f"expected {due}")
        elif kind != "NUMBER":
            return kind == "TRUE"
        elif dtype in ("f64", "f32"):
            return float(text)
        elif text.lstrip("-").isdigit():
            value = int(text)
            if value in _INT64:
                return value
            self.problem("an integer is out of range", start, raw.end, "expected a signed 64-bit integer")
        elif dtype == "int":
            self.problem("a constant is not of type int", start, raw.end, "expected a whole number")
        else:
            return float(text)
        return 0

    def value(self, raw: Any, depth: int = 0) -> Any:
        """The value of an attribute: whatever can stand there, and lists of that."""
        if isinstance(raw, list):
            return self.values(raw, depth, self.value)
        if raw.kind == "STRING":
            return self.string(raw)
        text = raw.text.rstrip()
        if text in _WORDS:
            return _WORDS[text]
        if _NUMBER.fullmatch(text):
            return self.literal(Raw("NUMBER", text, raw.start), None)
        if found := _REGION.fullmatch(text):
            return self.region(raw, found[1])
        return self.index(raw) if ":" in text else self.extent(raw)

    def region(self, raw: Raw, number: str) -> Graph | None:
        """The body that an attribute refers to."""
        if len(number) <= MAX_DIGITS and int(number) < len(self.regions):
            return self.regions[int(number)]
        end = raw.start + len(raw.text.rstrip())
        self.problem(f"unknown region {number[:MAX_DIGITS]}", raw.start, end, "expected one defined above")
        return None

    def values(self, raws: list[Any], depth: int, read: Callable[[Any, int], Any]) -> tuple[Any, ...]:
        """A list, with what reads each of its items."""
        if depth >= MAX_NESTING:
            first: Any = raws
            while isinstance(first, list) and first:
                first = first[0]
            if isinstance(first, Raw):
                self.problem(
                    "lists stand too deep in each other", first.start, first.end, f"more than {MAX_NESTING} deep"
                )
            return ()
        return tuple([read(raw, depth + 1) for raw in raws])

    def default(self, raw: Any, dtype: str, depth: int = 0) -> Any:
        """The default of an input: a number, or rows of them."""
        if isinstance(raw, list):
            return self.values(raw, depth, lambda inner, below: self.default(inner, dtype, below))
        text = raw.text.rstrip()
        if raw.kind == "VALUE":
            kind = "NUMBER" if _NUMBER.fullmatch(text) else {"true": "TRUE", "false": "FALSE"}.get(text, "")
            raw = Raw(kind, text, raw.start)
        if raw.kind not in ("NUMBER", "TRUE", "FALSE"):
            due = "expected `true` or `false`" if dtype == "bool" else "expected a number"
            self.problem(f"a constant is not of type {dtype}", raw.start, raw.end, due)
            return 0
        return self.literal(raw, dtype)

    def extent(self, raw: Raw) -> Dim:
        """A number, or a polynomial in the names of sizes."""
        text = raw.text.rstrip()
        found = self.extents.get(text)
        if found is None:
            try:
                found = sizes.parse(text)
            except ValueError as error:
                due = str(error) if isinstance(error, sizes.TooLarge) else "expected an extent such as `n + 1`"
                self.problem("malformed extent", raw.start, raw.start + len(text), due)
                return 0
            self.extents[text] = found
        return found

    def index(self, raw: Raw) -> Index:
        """A free index with its extent."""
        name, sign, extent = raw.text.rstrip().partition(":")
        if not sign or not is_index_name(name.rstrip()):
            self.problem("malformed index", raw.start, raw.end, "expected an index such as `i: n`")
            return Index("", 0)
        shift = len(name) + 1 + len(extent) - len(extent.lstrip())
        return Index(name.rstrip(), self.extent(Raw("EXTENT", extent.strip(), raw.start + shift)))

    def items(self, raws: Sequence[Raw]) -> tuple[Any, ...]:
        """The items of an access: None for each of the nodes, and slices."""
        found: list[Any] = []
        for raw in raws:
            if raw.kind == "REFERENCES":
                found += [None] * (raw.text.count(",") + 1)
                continue
            at = raw.start
            ends: list[Dim] = []
            for part in raw.text.split(":"):
                inner = len(part) - len(part.lstrip())
                ends.append(self.extent(Raw("EXTENT", part.strip(), at + inner)))
                at += len(part) + 1
            step = ends.pop() if len(ends) == 3 else 1
            if len(ends) != 2 or not isinstance(step, int) or step == 0:
                self.problem("malformed slice", raw.start, raw.end, "expected a slice such as `0:n` or `0:n:2`")
                continue
            try:
                # As Python counts; exact where the end was made of a count.
                count = sizes.divide(ends[1] - ends[0] + (step - 1 if step > 0 else step + 1), step)
            except sizes.TooLarge as error:
                self.problem("malformed slice", raw.start, raw.end, str(error))
                continue
            found.append((ends[0], step, count))
        return tuple(found)

    def located(self, line: Line) -> Iterator[tuple[str, Any]]:
        """The attributes that the items or the parts of a line are."""
        if line.items is not None:
            self.single(line.items[0])
            yield "items", self.items(line.items[1:])
        if line.parts is not None:
            for value, _, _ in line.parts:
                self.single(value)
            yield "parts", tuple([(self.items(items), tuple(map(self.index, over))) for _, items, over in line.parts])

    def single(self, raw: Raw) -> None:
        """Refuse several nodes where one is due."""
        if "," in raw.text:
            self.problem("one node is due here", raw.start, raw.end, "expected one node")

    def type(self, line: Line) -> Type:
        """The type of the line's node; what is in a tuple is not known here."""
        tape, dtype = _TYPE_WORDS.match(line.dtype).groups()  # type: ignore[union-attr]
        if dtype == TUPLE and not tape:
            for raw in (*(line.shape or ()), *(line.free or ())):
                self.problem("a tuple has no shape or index of its own", raw.start, raw.end, "expected `: tuple` alone")
            return UNKNOWN_TUPLE
        if dtype not in DTYPES:
            due = f"expected {', '.join(DTYPES[:-1])} or {DTYPES[-1]}"
            message = f"unknown number type `{dtype[:40]}`"
            if dtype == TAPE and not tape:
                message, due = "a tape has values of a number type", "expected a type such as `tape f64`"
            self.problem(message, *self.place(line.definition, dtype), due)
            return SCALARS["f64"]
        if line.shape is None and line.free is None and not tape:
            return SCALARS[dtype]
        shape, free = line.shape or (), line.free or ()
        key = (tape, dtype, *[raw.text for raw in shape], None, *[raw.text for raw in free])
        found = self.types.get(key)
        if found is None:
            extents, indices = tuple(map(self.extent, shape)), [*map(self.index, free)]
            found = tape_of(typed(dtype, extents), indices) if tape else typed(dtype, extents, indices)
            self.types[key] = found
        return found

    def spans(self, first: Raw, text: str) -> Iterator[Span | None]:
        """The places in a mark; None for an unknown one."""
        for part in text.split():
            if part == "@-":
                yield None
                continue
            found = _PLACE.fullmatch(part)
            if found is None:
                due = "expected `@line:column+length`, or `@file:line:column+length`"
                self.problem("malformed place", *self.place(first, part), due)
                continue
            number = int(found[1] or 0)
            if number >= len(self.files):
                self.problem(
                    f"file {number} is not declared", *self.place(first, part), f'expected `file {number} "…"`'
                )
                continue
            yield Span(self.files[number], int(found[2]), int(found[3]), int(found[4]))


_WORDS = {"true": True, "false": False, "none": None}
_NUMBER = re.compile(r"-?(?:inf|nan|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_REGION = re.compile(r"region[ \t]+([0-9]+)")
_TYPE_WORDS = re.compile(r":[ \t]*(tape[ \t]+)?(\w+)")
_UNESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}
_PLACE = re.compile(r"@(?:([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{1,9})\+([0-9]{1,9})")
