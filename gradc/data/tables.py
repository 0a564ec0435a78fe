"""Tables in text: a line of names, then a line a row, with commas, semicolons or tabs between the fields."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy

from gradc.data.column import Array, Columns, Reader
from gradc.errors import CallError, Diagnostic, located
from gradc.source import Source

if TYPE_CHECKING:
    from _csv import Reader as Rows

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}

# Rows that are converted at once: enough to make a row cheap, and few enough not to hold the table twice as text.
_ROWS = 1 << 15
# Mistakes of one kind that are worth showing.
_SHOWN = 5

_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)", re.ASCII | re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
# What programs write where there is no value; NaN is not among them, because it is a number.
_MISSING = frozenset(("", "na", "n/a", "null", "none", "?", "-", "."))
_TRUTH = {"true": True, "false": False}


def read(source: Source) -> Columns:
    """The columns of a table.

    Raises ``CallError`` for what is wrong with the table as a whole: no header, two columns of one name, rows with too
    few or too many fields. What a column holds is its own affair, and told when it is asked for.
    """
    table = _Table(source)
    found = [_Column(table, at, name) for at, name in enumerate(table.names)]
    table.fill(found)
    # A column without a name (an index that was written along) cannot be asked for.
    readers: dict[str, Reader] = {column.name: column.array for column in found if column.name}
    return Columns(readers)


class _Table:
    """The rows of a table, and where in the text their fields stand."""

    def __init__(self, source: Source) -> None:
        self.source = source
        first = _first_line(source)
        if first is None:
            raise CallError(
                Diagnostic("E0633", f"`{source.name}` is empty", hints=("its first line names the columns",))
            )
        number, line = first
        self.separator = _separator(line)
        reader = self._reader()
        header = next(self._rows(reader))
        self.names = [name.strip() for name in header]
        # numpy.savetxt makes the header a comment.
        if len(self.names[0]) > 1 and self.names[0].startswith("#"):
            self.names[0] = self.names[0][1:].lstrip()
        self._distinct(number)

    def _distinct(self, line: int) -> None:
        seen: dict[str, int] = {}
        for at, name in enumerate(self.names):
            if name and name in seen:
                first, last = self.field(line, at)
                raise CallError(
                    located("E0628", f"two columns are named `{name}`", self.source, first, last, "again here")
                )
            seen[name] = at

    def _reader(self) -> Rows:
        lines = _lines(self.source.text)
        return csv.reader(lines, delimiter=self.separator, strict=True, skipinitialspace=self.separator != "\t")

    def _rows(self, reader: Rows) -> Iterator[list[str]]:
        """The rows that are not empty lines, the header first."""
        line = 0
        try:
            for row in reader:
                line = reader.line_num
                if len(row) > 1 or (row and (row[0].strip() or self._one_field(line))):
                    yield row
        except csv.Error:
            raise self._unreadable(line + 1) from None

    def _one_field(self, line: int) -> bool:
        """Whether a field that is blank stands in quotes, which makes it a row of a table of one column."""
        return '"' in self.source.line(line)

    def _unreadable(self, line: int) -> CallError:
        start, end = self._line(line)
        quote = self.source.text.find('"', start, end)
        first = quote if quote >= 0 else start
        label = "text in quotes that does not end where the field ends"
        hint = "a quote inside a quoted field is written twice"
        return CallError(located("E0624", f"line {line} cannot be taken apart", self.source, first, end, label, [hint]))

    def _line(self, line: int) -> tuple[int, int]:
        start = self.source.starts[line - 1]
        return start, start + len(self.source.line(line))

    def fill(self, columns: Sequence[_Column]) -> None:
        """Give every column its fields, row after row."""
        rows = self._rows(self._reader())
        next(rows)
        first = 0
        wide = len(columns)
        while chunk := list(islice(rows, _ROWS)):
            if any(len(row) != wide for row in chunk):
                self._uneven()
            for column, texts in zip(columns, zip(*chunk, strict=True), strict=True):
                column.add(texts, first)
            first += len(chunk)

    def _uneven(self) -> None:
        found = []
        wide = len(self.names)
        reader = self._reader()
        before = 0
        for row in self._rows(reader):
            line, before = before + 1, reader.line_num
            if len(row) == wide:
                continue
            # Empty lines that were left out stand before the row.
            while not self.source.line(line).strip():
                line += 1
            fields = "1 field" if len(row) == 1 else f"{len(row)} fields"
            start, end = self._line(line)
            message = f"line {line} has {fields}, and the table has {_columns(wide)}"
            hints = []
            if self.separator == "," and len(row) == 2 * wide:
                hints = ["decimal commas: write points, or separate the fields by semicolons"]
            elif len(row) > wide:
                hints = [f"a field that holds a {SEPARATORS[self.separator]} stands in quotes"]
            found.append(located("E0624", message, self.source, start, end, hints=hints))
            if len(found) == _SHOWN:
                break
        raise CallError(found)

    def place(self, row: int) -> int:
        """The number of the line in which a row begins, from 1; rows count from 0 behind the header."""
        reader = self._reader()
        before = 0
        for at, _ in enumerate(self._rows(reader)):
            if at == row + 1:
                break
            before = reader.line_num
        line = before + 1
        while not self.source.line(line).strip():
            line += 1
        return line

    def field(self, line: int, column: int) -> tuple[int, int]:
        """Where a field of the row that begins in a line stands in the text."""
        text = self.source.text
        at = self.source.starts[line - 1]
        while True:
            while text.startswith(" ", at):
                at += 1
            first = at
            if text.startswith('"', at):
                at = text.find('"', at + 1)
                while at >= 0 and text.startswith('"', at + 1):
                    at = text.find('"', at + 2)
                at = len(text) if at < 0 else at + 1
            while at < len(text) and text[at] not in (self.separator, "\n"):
                at += 1
            if column == 0 or not text.startswith(self.separator, at):
                last = first + len(text[first:at].rstrip())
                return first, max(last, first)
            column -= 1
            at += 1


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _first_line(source: Source) -> tuple[int, str] | None:
    """The first line that is not empty, and its number."""
    for number, line in enumerate(_lines(source.text), 1):
        if line.strip():
            return number, line
    return None


def _separator(line: str) -> str:
    """The separator that stands most often in the header, outside quotes."""
    bare = "".join(line.split('"')[::2])
    return max(SEPARATORS, key=bare.count)


def _lines(text: str) -> Iterator[str]:
    """The lines with their ends; a copy in io.StringIO would take four bytes a character."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


class _Column:
    """The fields of a column, converted as they come: integers as long as all are, else reals, or truth values."""

    def __init__(self, table: _Table, at: int, name: str) -> None:
        self.table = table
        self.at = at
        self.name = name
        self.parts: list[Array] = []
        self.missing = 0
        self.first_missing: int | None = None
        self.first_text: int | None = None
        self.rows = 0

    def add(self, texts: Sequence[str], first: int) -> None:
        """Take the fields of the rows from number ``first`` on."""
        self.rows += len(texts)
        if self.first_text is not None:
            # The column cannot be used, so what else it holds need not be kept.
            return
        part = _converted(texts)
        if part is None:
            part = self._with_gaps(texts, first)
        self.parts.append(part)
        if self.first_missing is not None or self.first_text is not None:
            self.parts.clear()

    def _with_gaps(self, texts: Sequence[str], first: int) -> Array:
        """Find out what keeps the fields from being numbers."""
        kind: str | None = None
        for at, text in enumerate(texts):
            if text.strip().casefold() in _MISSING:
                self.missing += 1
                if self.first_missing is None:
                    self.first_missing = first + at
                continue
            found = (
                "number" if _NUMBER.fullmatch(text.strip()) else "truth" if text.strip().casefold() in _TRUTH else ""
            )
            if not found or (kind is not None and found != kind):
                self.first_text = first + at
                break
            kind = found
        return numpy.zeros(0)

    def array(self) -> Array:
        """The column, or a diagnostic that shows the field that is no value."""
        problems = [row for row in (self.first_missing, self.first_text) if row is not None]
        if problems:
            raise CallError([self._problem(row) for row in sorted(problems)])
        if not self.parts:
            return numpy.zeros(0)
        kinds = {part.dtype.kind for part in self.parts}
        if "b" in kinds and len(kinds) > 1:
            raise CallError(self._mixed())
        joined: Array = self.parts[0] if len(self.parts) == 1 else numpy.concatenate(self.parts)
        self.parts = [joined]
        return joined

    def _mixed(self) -> Diagnostic:
        kind = self.parts[0].dtype.kind == "b"
        row = 0
        for part in self.parts:
            if (part.dtype.kind == "b") != kind:
                break
            row += len(part)
        return self._problem(row)

    def _problem(self, row: int) -> Diagnostic:
        source = self.table.source
        line = self.table.place(row)
        start, end = self.table.field(line, self.at)
        text = source.text[start:end]
        if row == self.first_missing:
            some = f" in {self.missing:,} of {self.rows:,} rows" if self.missing > 1 and self.first_text is None else ""
            message = f"the column `{self.name}` has no value{some or f' in line {line}'}"
            hints = ["leave the rows out, or fill in numbers; `nan` is one"]
            return located("E0625", message, source, start, end, "no value", hints)
        first_line = text.partition("\n")[0]
        shown = text if text == first_line and len(text) <= 40 else first_line[:39] + "…"
        bare = text.strip('" ').casefold()
        if bare in _TRUTH or _NUMBER.fullmatch(bare):
            message = f"the column `{self.name}` mixes numbers and truth values, with {_quoted(shown)} in line {line}"
            return located("E0626", message, source, start, end, "the first of another kind")
        hints = []
        if _DECIMAL_COMMA.fullmatch(text.strip()):
            hints = [f"write {text.strip().replace(',', '.')}, with a decimal point"]
        message = f"the column `{self.name}` holds {_quoted(shown)} in line {line}, which is not a number"
        return located("E0626", message, source, start, end, "expected a number", hints)


def _quoted(text: str) -> str:
    return text if text.startswith('"') else f"`{text}`"


def _converted(texts: Sequence[str]) -> Array | None:
    """The fields as integers, else as reals, else as truth values; None if they are none of these."""
    joined = "".join(texts)
    # Python reads 1_000 and the digits of other scripts as numbers, where a table means a text.
    if "_" in joined or not joined.isascii():
        return None
    try:
        return numpy.array(list(map(int, texts)), dtype=numpy.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return numpy.array(list(map(float, texts)))
    except ValueError:
        pass
    truths = [_TRUTH.get(text.strip().casefold()) for text in texts]
    return None if None in truths else numpy.array(truths, dtype=bool)
