"""Source text and places in it: lines, columns, tabs, wide characters."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of one source line: where a value was written.

    ``line`` and ``column`` count from 1 and ``column`` and ``length`` count code points, as editors do. A stretch that
    runs over several lines is cut at the end of its first one.
    """

    file: str
    line: int
    column: int
    length: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Source:
    """A named text, decoded and with its line ends made ``\\n``."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def starts(self) -> list[int]:
        """Offset of the first character of every line."""
        starts = [0]
        find = self.text.find
        at = find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = find("\n", at + 1)
        return starts

    def span(self, start: int, end: int) -> Span:
        """The span of the characters from offset ``start`` up to ``end``, at least one column wide."""
        line = bisect_right(self.starts, start)
        first = self.starts[line - 1]
        stop = self.starts[line] - 1 if line < len(self.starts) else len(self.text)
        return Span(self.name, line, start - first + 1, max(1, min(end, stop) - start))

    def line(self, number: int) -> str:
        """The text of line ``number`` (from 1) without its end; empty beyond the last line."""
        if not 1 <= number <= len(self.starts):
            return ""
        known = self._long.get(number)
        if known is not None:
            return known
        first = self.starts[number - 1]
        stop = self.starts[number] - 1 if number < len(self.starts) else len(self.text)
        line = self.text[first:stop]
        if len(line) > 1000:
            self._long[number] = line
        return line

    @cached_property
    def _long(self) -> dict[int, str]:
        """Long lines that have been asked for: many diagnostics about one must not hold a copy each."""
        return {}


def width(text: str) -> int:
    """Columns that ``text`` takes on a terminal: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    total = 0
    for char in text:
        if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Mn", "Me"):
            continue
        total += 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
    return total


_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def canonical(name: str) -> str:
    """The form in which names are compared: NFC, subscript digits made plain."""
    return name if name.isascii() else unicodedata.normalize("NFC", name).translate(_SUBSCRIPTS)
