"""Going on behind a mistake, so that one run reports as many as can be told apart."""

from __future__ import annotations

import re
from collections.abc import Callable

from lark import UnexpectedInput

from gradc.errors import Diagnostic
from gradc.source import Source
from gradc.syntax.mistakes import Situation
from gradc.syntax.words import Place, word_at


class Refused(Exception):  # noqa: N818 - it is caught where the errors are made
    """The builder's refusal of what the grammar lets pass; ``explain`` makes the diagnostic."""

    def __init__(self, at: int, explain: Callable[[Source, int], Diagnostic]) -> None:
        super().__init__(at)
        self.at = at
        self.explain = explain


class Recovery:
    """Explains one failure after the other and says each time where the parser is to go on."""

    def __init__(self, source: Source, start: str) -> None:
        self.source = source
        self.rest = source.text
        self._start = start
        self._base = 0  # the offset in the source of the first character of `rest`
        self._text = source.text  # the source with statements that were dealt with made blank
        self._last = -1

    def explain(self, error: UnexpectedInput | Refused) -> Diagnostic:
        """The diagnostic of a failure to parse ``rest``, which becomes what is left to parse."""
        if isinstance(error, Refused):
            at = self._base + error.at
        else:
            token = getattr(error, "token", None)
            at = self._base + (error.pos_in_stream or 0)
            if token is not None and token.type == "$END":
                at = len(self._text)
        place = Place(self._text, self._base, at)
        if isinstance(error, Refused):
            found = error.explain(self.source, at)
            unclosed = None
        else:
            parser = getattr(error, "interactive_parser", None)
            situation = Situation(self.source, place, frozenset(parser.accepts()) if parser else frozenset())
            found = situation.explain()
            unclosed = situation.resume
        self._resume(place, unclosed)
        return found

    def _resume(self, place: Place, line: int | None) -> None:
        """Leave out the statement of ``place``: up to ``line``, or else to where it ends."""
        here = place.here
        inner = any(bracket.text == "{" for bracket, _ in place.open)
        first = place.words[0].text if place.words else here.text
        # Inside a block only the statement is made blank, so that the lines behind it are still read as the block's.
        # Each time the function is parsed again from its beginning, so this is for functions of a sensible size.
        again = inner and self._last < here.start - self._base < 100_000 and first != "return" and here.text
        self._last = here.start - self._base
        begin = place.begin
        word = here
        if line is None:
            depth = len(place.open)
            while word.text:
                top = place.open[-1][0].text if place.open else ""
                if word.kind == "end" and (not place.open or (again and top == "{" and len(place.open) <= depth)):
                    break
                if word.text == "}" and again and top == "{":
                    break
                if word.text == "\n" and place.starts_statement(word.end):
                    if not again:
                        place.open.clear()
                    break
                if word.kind == "end" and top == "{":
                    depth = min(depth, len(place.open))
                place.pass_by(word)
                word = word_at(self._text, word.end)
            line = word.start
        if again and first != "}":
            blank = re.sub(r"[^\n]", " ", self._text[begin:line])
            self._text = self._text[:begin] + blank + self._text[line:]
        else:
            self._base = line
            self._last = -1
        self.rest = self._text[self._base :]
