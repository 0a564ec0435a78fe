"""What went wrong, in words."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from lark import UnexpectedInput

from gradc.errors import Diagnostic, located
from gradc.source import Source


class Refused(Exception):
    """The builder's own finding."""

    def __init__(self, at: int, explain: Callable[[Source, int], Diagnostic]) -> None:
        super().__init__(at)
        self.at = at
        self.explain = explain


def too_large(source: Source, at: int) -> Diagnostic:
    return located("E0103", "the number is too large", source, at, at + 1)


def forbidden(source: Source, at: int) -> Diagnostic:
    return located("E0105", "forbidden character", source, at, at + 1)


def bad_character(source: Source, at: int) -> Diagnostic:
    return located("E0104", "unexpected character", source, at, at + 1)


def chained(source: Source, at: int) -> Diagnostic:
    return located("E0306", "comparisons do not chain", source, at, at + 1)


def not_a_gradient(source: Source, at: int) -> Diagnostic:
    return located("E0101", "expected `d`", source, at, at + 1)


def no_letter(text: str) -> int | None:
    """The place of the first character that a name cannot hold."""
    for place in range(len(text)):
        char = text[place]
        if char.isascii() or unicodedata.category(char)[0] in "LM" or char in "₀₁₂₃₄₅₆₇₈₉" or char.isdecimal():
            continue
        return place
    return None


class Recovery:
    def __init__(self, source: Source, start: str) -> None:
        self.source = source
        self.start = start
        self.rest = ""

    def explain(self, error: UnexpectedInput | Refused) -> Diagnostic:
        if isinstance(error, Refused):
            return error.explain(self.source, error.at)
        at = error.pos_in_stream or 0
        return located("E0101", "unexpected text", self.source, at, at + 1)
