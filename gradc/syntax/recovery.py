"""Going on behind a mistake, so that one run reports as many as can be told apart."""

from __future__ import annotations

import re
from collections.abc import Callable

from lark import UnexpectedInput, UnexpectedToken

from gradc.errors import Diagnostic
from gradc.source import Source
from gradc.syntax.mistakes import Situation
from gradc.syntax.phrases import chained, empty_block, no_elements, no_parts, not_a_gradient, too_deep
from gradc.syntax.refused import Refused
from gradc.syntax.spelling import bad_character, too_large
from gradc.syntax.words import Place, word_at

_REFUSALS: dict[str, Callable[[Source, int], Diagnostic]] = {
    "character": bad_character,
    "chained": chained,
    "deep": too_deep,
    "elements": no_elements,
    "empty": empty_block,
    "gradient": not_a_gradient,
    "parts": no_parts,
    "too large": too_large,
}


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
        at = self._base + (error.at if isinstance(error, Refused) else error.pos_in_stream or 0)
        if isinstance(error, UnexpectedToken) and error.token.type == "$END":
            at = len(self._text)
        place = Place(self._text, self._base, at)
        if isinstance(error, Refused):
            found = _REFUSALS[error.kind](self.source, at)
            self._leave_out(place, None, False)
        else:
            parser = error.interactive_parser
            accepted = parser.accepts() if parser else ()  # type: ignore[no-untyped-call]
            situation = Situation(self.source, place, frozenset(accepted))
            found = situation.explain()
            self._leave_out(place, situation.resume, situation.whole)
        return found

    def _leave_out(self, place: Place, line: int | None, whole: bool) -> None:
        """Go on behind the statement of ``place``: at ``line``, or else where it ends.

        In a block only the statement is made blank, so that the lines behind it are still read as the block's. The
        parser starts again at the function's beginning each time, so this is for functions of a sensible size, and not
        if it leads nowhere.
        """
        distance = place.here.start - self._base
        inner = place.braces > 0 and bool(place.words) and place.words[0].text != "return"
        inner = inner and not whole and self._last < distance < 20_000
        self._last = distance if inner else -1
        begin = place.begin
        end = line if line is not None else self._end(place, place.braces if inner else 0)
        if inner and "   " not in re.sub(r"[^\n]", " ", self._text[begin:end]):
            # There is no room for what stands in for the statement.
            inner = False
            end = self._end(Place(self._text, self._base, place.here.start), 0)
        if inner:
            blank = re.sub(r"[^\n]", " ", self._text[begin:end])
            # A block of nothing but mistakes is not an empty one.
            blank = blank.replace("   ", "_=0", 1)
            self._text = self._text[:begin] + blank + self._text[end:]
        else:
            self._base = end
        self.rest = self._text[self._base :]

    def _end(self, place: Place, depth: int) -> int:
        """Where the statement of ``place`` ends that stands in ``depth`` braces."""
        word = place.here
        announced = False
        while word.text:
            top = place.open[-1][0].text if place.open else ""
            if word.text == "}" and 0 < depth == place.braces:
                break
            if word.text == "\n" and top in ("(", "[") and place.starts_statement(word.end):
                break
            if word.kind == "end" and place.braces <= depth and top in ("", "{"):
                # A line that is indented more, or that a backslash announces, belongs to the mistake.
                if word.text == ";" or not (announced or place.continues(word.end)):
                    break
            else:
                announced = word.text == "\\"
                place.pass_by(word)
            word = word_at(self._text, word.end)
        return word.start
