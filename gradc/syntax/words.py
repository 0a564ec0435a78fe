"""The text around a mistake: its words and its brackets."""

from __future__ import annotations

import re
from typing import NamedTuple

from gradc.source import Source

KEYWORDS = frozenset(
    [
        "input",
        "param",
        "output",
        "fn",
        "return",
        "derivative",
        "use",
        "if",
        "then",
        "else",
        "and",
        "or",
        "not",
        "for",
        "while",
        "in",
    ]
)

OPENING = {"(": ")", "{": "}", "[": "]"}
BLOCKS = frozenset(["for", "while", "if", "else"])
"""The first words of statements with braces that are no functions; ``else`` where it begins a line."""

# What belongs to a block of another language that is not understood, where it begins the next line.
_GOES_ON = frozenset(["else", "elif", "elseif", "elsif", "end", "endfor", "endif", "endwhile", "done", "fi", "od", "{"])

CLOSING = {")": "(", "}": "{", "]": "["}


class Word(NamedTuple):
    """A stretch of text that reads as one thing, also where the language has no such thing (``&&``)."""

    kind: str  # "name", "keyword", "number", "string", "operator" or "end"
    text: str
    start: int
    end: int


_WORD = re.compile(
    r"""(?P<space>[ \t]+|\#[^\n]*)
    |(?P<end>[\n;])
    |(?P<number>(?:[0-9]+(?:_[0-9]+)*(?:\.(?!\.)(?:[0-9]+(?:_[0-9]+)*)?)?|\.[0-9]+(?:_[0-9]+)*)(?:[eE][+-]?[0-9]+(?:_[0-9]+)*)?)
    |(?P<name>[^\x00-@\[-^`{-\x7f][^\x00-/:-@\[-^`{-\x7f]*)
    |(?P<string>"[^"\n]*"?)
    |(?P<operator>===|=<|\*\*=?|//|[<>=!:+\-*/^%]=|=>|->|<-|<>|&&|\|\||\+\+|--|/\*|\.\.\.?|.)""",
    re.VERBOSE,
)


def word_at(text: str, at: int) -> Word:
    """The first word that ends behind ``at``; spaces and comments are skipped. An empty ``end`` behind the text."""
    while match := _WORD.match(text, at):
        kind = match.lastgroup or ""
        at = match.end()
        if kind != "space":
            found = match.group()
            return Word("keyword" if found in KEYWORDS else kind, found, match.start(), at)
    return Word("end", "", len(text), len(text))


class Place:
    """Where in its statement an offset lies: the brackets open there and the words before it."""

    def __init__(self, text: str, start: int, at: int) -> None:
        self.text = text
        self.open: list[tuple[Word, Word | None]] = []  # an opening bracket, and the word before it
        self.words: list[Word] = []  # of the innermost statement, before the offset
        self.begin = start  # where that statement begins
        self.braces = 0  # how many of the open brackets are braces
        self._outer: list[tuple[list[Word], int]] = []
        at = min(at, len(text))
        here = word_at(text, start)
        while here.end <= at and here.text:
            self.pass_by(here)
            here = word_at(text, here.end)
        self.here = here

    def pass_by(self, word: Word) -> None:
        """Go on behind ``word``."""
        top = self.open[-1][0].text if self.open else ""
        if word.kind == "end":
            if top in ("", "{"):
                self.words, self.begin = [], word.end
            return
        if word.text in OPENING:
            self.open.append((word, self.words[-1] if self.words else None))
            if word.text == "{":
                self.braces += 1
                self._outer.append((self.words, self.begin))
                self.words, self.begin = [], word.end
                return
        elif word.text in CLOSING and top == CLOSING[word.text]:
            self.open.pop()
            if word.text == "}":
                self.braces -= 1
                self.words, self.begin = self._outer.pop()
        self.words.append(word)

    @property
    def before(self) -> Word | None:
        """The word before the offset in its statement."""
        return self.words[-1] if self.words else None

    @property
    def head(self) -> str:
        """The first word of the statement in whose braces the offset lies; of ``… } else {`` the first one, too."""
        outer = self._outer[-1][0] if self._outer else []
        return outer[0].text if outer else ""

    @property
    def in_block(self) -> bool:
        """Whether the offset lies in the braces of a loop or of an ``if``, however deep."""
        return any(outer and outer[0].text in BLOCKS for outer, _ in self._outer)

    @property
    def called(self) -> bool:
        """Whether the offset lies in the parentheses of a call."""
        return self.role == "call"

    @property
    def role(self) -> str:
        """What the innermost open bracket is, by the word before it: ``"call"``, ``"group"``, ``"array"``,
        ``"subscript"``, ``"shape"`` of a declaration, ``"target"`` of an assignment, ``"block"``, or ``""`` if none is.
        """
        if not self.open:
            return ""
        bracket, before = self.open[-1]
        if bracket.text == "(":
            return "call" if _names(before) else "group"
        if bracket.text == "{":
            return "block"
        if before is None or (before.kind not in ("name", "number") and before.text not in (")", "]")):
            return "array"
        at = self.words.index(bracket)
        if at == 1 and _names(before):
            return "target"
        outer = self.words[at - 2].text if at > 1 else ""
        alone = self.words[0].text in ("input", "param") and len(self.open) - self.braces == 1
        return "shape" if alone and outer in ("input", "param", ",") else "subscript"

    def level(self) -> list[Word]:
        """The words before the offset that stand in the same brackets; of deeper brackets the closing one alone."""
        found: list[Word] = []
        depth = 0
        for word in reversed(self.words):
            if word.text in CLOSING:
                found += [word] * (depth == 0)
                depth += 1
            elif word.text in OPENING:
                depth -= 1
                if depth < 0:
                    break
            elif depth == 0:
                found.append(word)
        return found[::-1]

    def following(self, count: int = 200) -> list[Word]:
        """Up to ``count`` words from the offset to the end of the line."""
        found: list[Word] = []
        word = self.here
        while word.kind != "end" and len(found) < count:
            found.append(word)
            word = word_at(self.text, word.end)
        return found

    def new_line(self, source: Source) -> int | None:
        """The start of the line of ``here``, where it reads like a new statement and not like the rest of this one."""
        first = self.text.rfind("\n", 0, self.here.start) + 1
        return first if first > self.begin and self.starts_statement(first) else None

    def outdented(self) -> bool:
        """Whether ``here`` stands as far left as the statement whose block it is in."""
        outer, begin = self._outer[-1] if self._outer else ([], 0)
        first = outer[0].start if outer else begin
        return self._column(self.here.start) <= self._column(first) and "\n" in self.text[first : self.here.start]

    def continues(self, line: int) -> bool:
        """Whether the line that begins at offset ``line`` is indented more than this statement, or goes on with it."""
        word = word_at(self.text, line)
        if self.words and self.words[0].text in BLOCKS and word.text in _GOES_ON:
            return True
        return word.kind != "end" and self._column(word.start) > self._column(self._first())

    def _column(self, at: int) -> int:
        return at - (self.text.rfind("\n", 0, at) + 1)

    def _first(self) -> int:
        return self.words[0].start if self.words else self.here.start

    def starts_statement(self, line: int) -> bool:
        """Whether the line that begins at offset ``line`` begins like a statement, as far left as this one."""
        match = _STATEMENT.match(self.text, line)
        return match is not None and len(match.group(1)) <= self._column(self._first())


_NAME = r"[^\x00-@\[-^`{-\x7f][^\x00-/:-@\[-^`{-\x7f]*"
_STATEMENT = re.compile(
    r"([ \t]*)(?:(?:input|param|output|fn|use|derivative|return)\b"
    r"|(?:for|while|if)\b[^\n{]{1,200}\{"
    rf"|{_NAME}(?:(?:[ \t]*,[ \t]*{_NAME}){{0,9}}|[ \t]*\[[^=\n]{{1,100}}\])[ \t]*=(?!=))"
)


def _names(word: Word | None) -> bool:
    return word is not None and word.kind == "name"
