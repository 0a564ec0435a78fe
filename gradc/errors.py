"""Diagnostics: values with a code, a span and hints, rendered in one place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gradc.source import Source, Span, width

# Every code with the title that its help page and the documentation's index show. The hundreds are the stage that
# finds the error; a W is a warning.
CODES: dict[str, str] = {
    # Text and syntax
    "E0101": "unexpected text",
    "E0102": "unbalanced bracket",
    "E0103": "malformed number",
    "E0104": "unexpected character",
    "E0105": "not a text in UTF-8",
    # Names
    "E0201": "unknown name",
    "E0202": "defined twice",
    "E0203": "unknown function",
    "E0204": "used before its definition",
    "E0205": "defined in terms of itself",
    "E0206": "keyword used as a name",
    "E0207": "output that is not there",
    "E0208": "a program that computes nothing",
    # Calls and kinds of values
    "E0301": "wrong number of arguments",
    "E0302": "unknown or repeated argument",
    "E0303": "value of the wrong kind",
    "E0304": "recursion",
    "E0305": "wrong number of values",
    "E0306": "chained comparison",
    "E0307": "default that is not a constant",
    "E0308": "unknown type",
    "E0309": "shapes that do not go together",
    "E0310": "malformed subscript",
    "E0311": "malformed comprehension",
    "E0312": "malformed size",
    "E0313": "malformed target",
    # Loops and blocks
    "E0314": "value that changes its kind in a block",
    "E0315": "name that keeps its value",
    # Derivatives
    "E0401": "differentiating what is not a real number",
    "E0402": "derivative by something that has no name",
    "E0403": "malformed derivative of a function",
    "E0404": "function with a derivative that reads other values",
    "E0405": "operator without a derivative",
    "E0406": "derivative that each iteration differentiates again",
    # Files that a program uses
    "E0501": "file to use that cannot be read",
    "E0502": "files that use each other in a cycle",
    "E0503": "file outside the program's folder",
    "E0504": "use without a file",
    "E0505": "statement that a used file cannot have",
    # Values and names given to a program
    "E0601": "value missing",
    "E0602": "no such input",
    "E0603": "value of the wrong kind for an input",
    "E0604": "integer that grows too large",
    "E0605": "integer divided by zero",
    "E0606": "array for a single number",
    "E0607": "rows that do not fit",
    "E0608": "no such name",
    "E0609": "nothing to differentiate",
    "E0610": "there is no such rewrite rule",
    "E0611": "index out of range",
    "E0612": "extreme of nothing",
    "E0613": "matrix without a result",
    "E0614": "value that is no array for an input",
    "E0615": "array of the wrong size",
    "E0616": "sizes that do not go together",
    "E0617": "arrays that do not fit into memory",
    "E0618": "NaN that the program makes",
    # Data from files
    "E0620": "unknown ending of a data file",
    "E0621": "damaged data file",
    "E0622": "malformed JSON data",
    "E0623": "ragged lists",
    "E0624": "malformed row of a table",
    "E0625": "value missing in the data",
    "E0626": "data that are not numbers",
    "E0627": "no such column",
    "E0628": "two columns of one name",
    "E0629": "input that gets data twice",
    "E0630": "data that no input takes",
    "E0631": "data that do not fit into memory",
    "E0632": "package for data files that is not installed",
    "E0633": "data file without columns",
    # Loops
    "E0640": "range that ends before it begins",
    "E0641": "loop that does not end",
    "E0642": "condition that compares a NaN",
    # Sparse derivatives
    "E0643": "package for sparse matrices that is not installed",
    "E0644": "pattern of a derivative that is not sparse",
    # Checks of derivatives
    "E0650": "derivative that is wrong",
    "E0651": "malformed range of a check",
    # Limits
    "E0701": "file too large",
    "E0702": "program too large",
    "E0703": "nested too deeply",
    "E0704": "compiling takes too long",
    "E0705": "too many files",
    "E0706": "recursion that goes too deep",
    # Files and arguments of a call
    "E0801": "file that cannot be read",
    "E0802": "mistaken call",
    "E0803": "output that cannot be written",
    "E0804": "unknown ending of an output file",
    "E0805": "output that is the input",
    "E0806": "a .pdf without Graphviz",
    "E0807": "diagram that cannot be drawn",
    "E0808": "no help on this topic",
    # Textual IR, pickles, passes
    "E0901": "malformed textual IR",
    "E0902": "unknown version of textual IR",
    "E0903": "textual IR breaks an invariant",
    "E0904": "model of another version",
    "E0905": "malformed pipeline of passes",
    "E0906": "a pass returned something that is not a valid graph",
    # Warnings
    "W0101": "unused name",
    "W0102": "derivative that is always zero",
    "W0103": "shadowed constant or function",
}

# Codes that blame the call, not the program or its data: the command line exits with 2 for these. What is wrong with a
# call can be told without looking at the program; an unknown name in `--set` or `--of` cannot.
CALL_CODES: set[str] = {
    "E0620",
    "E0632",
    "E0643",
    "E0801",
    "E0802",
    "E0803",
    "E0804",
    "E0805",
    "E0806",
    "E0807",
    "E0808",
    "E0905",
    "E0906",
}


@dataclass(frozen=True)
class Diagnostic:
    """One finding about a program, its data or the call.

    ``message`` says what is wrong, ``label`` stands beside the carets and says what was found or expected there,
    ``notes`` point at other places, ``hints`` are likely fixes. ``line`` is the source line itself, kept so that the
    diagnostic can be rendered anywhere.
    """

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    hints: tuple[str, ...] = ()
    notes: tuple[tuple[Span, str, str], ...] = ()
    text: str = ""

    @property
    def severity(self) -> str:
        """``error`` or ``warning``, by the code's letter."""
        return "warning" if self.code.startswith("W") else "error"

    @property
    def file(self) -> str | None:
        """The file that the span lies in."""
        return self.span.file if self.span else None

    @property
    def line(self) -> int | None:
        """The line of the span, from 1."""
        return self.span.line if self.span else None

    @property
    def column(self) -> int | None:
        """The first column of the span, from 1."""
        return self.span.column if self.span else None

    @property
    def end(self) -> int | None:
        """The column behind the last one of the span."""
        return self.span.column + self.span.length if self.span else None

    def __str__(self) -> str:
        return render(self)

    def as_dict(self) -> dict[str, Any]:
        """The facts as plain values, for JSON."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "label": self.label,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "end": self.end,
            "hints": list(self.hints),
            "notes": [{"file": s.file, "line": s.line, "column": s.column, "message": m} for s, _, m in self.notes],
        }


class Error(Exception):
    """What a user can cause. ``diagnostics`` holds the findings; ``str()`` is their rendered text."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        found = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        super().__init__(found)
        self.diagnostics: tuple[Diagnostic, ...] = found

    def __str__(self) -> str:
        return "\n\n".join(render(diagnostic) for diagnostic in self.diagnostics)


class CompileError(Error):
    """The program is at fault."""


class CallError(Error):
    """The values, names or options given to a compiled program are at fault."""


def located(
    code: str,
    message: str,
    source: Source,
    start: int,
    end: int,
    label: str = "",
    hints: Sequence[str] = (),
    notes: Sequence[tuple[Source, int, int, str]] = (),
) -> Diagnostic:
    """A diagnostic about the characters ``start`` to ``end`` of ``source``; a note names such a stretch too."""
    span = source.span(start, end)
    places = []
    for other, first, last, text in notes:
        place = other.span(first, last)
        places.append((place, other.line(place.line), text))
    return Diagnostic(code, message, span, label, tuple(hints), tuple(places), source.line(span.line))


# A line longer than this is shown as a window around the span.
_WINDOW = 110


def _excerpt(span: Span, text: str) -> tuple[str, int, int]:
    """The line as shown, the columns before the carets and the number of carets."""
    line = text.expandtabs(4) if "\t" in text else text
    before = text[: span.column - 1].expandtabs(4) if "\t" in text else text[: span.column - 1]
    marked = text[span.column - 1 : span.column - 1 + span.length]
    if len(line) > _WINDOW:
        first = max(0, len(before) - _WINDOW // 2)
        last = first + _WINDOW
        line = ("…" if first else "") + line[first:last] + ("…" if last < len(line) else "")
        before = ("…" if first else "") + before[first:]
        marked = marked[: max(1, last - first - (len(before) - (1 if first else 0)))]
    return _printable(line), width(before), max(1, width(marked.expandtabs(4)))


def _frame(span: Span, text: str, label: str, mark: str, gutter: int) -> list[str]:
    line, before, length = _excerpt(span, text)
    pad = " " * gutter
    return [
        f"{pad} |",
        f"{span.line:>{gutter}} | {line}",
        f"{pad} | {' ' * before}{mark * length}{' ' + label if label else ''}",
    ]


# A message may quote a name, and a name may be as long as a program.
_LONGEST = 400


def _cut(text: str) -> str:
    return _printable(text if len(text) <= _LONGEST else f"{text[: _LONGEST * 2 // 3]}…{text[-_LONGEST // 3 :]}")


def _printable(text: str) -> str:
    """The text without what a terminal would obey rather than show."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def render(diagnostic: Diagnostic) -> str:
    """The diagnostic as text: message, place, source line with carets under the exact span, notes and hints."""
    rows = [f"{diagnostic.severity}[{diagnostic.code}]: {_cut(diagnostic.message)}"]
    span = diagnostic.span
    numbers = [s.line for s, _, _ in diagnostic.notes] + ([span.line] if span else [])
    gutter = len(str(max(numbers))) if numbers else 1
    pad = " " * gutter
    if span is not None:
        rows.append(f"{pad}--> {_printable(str(span))}")
        if diagnostic.text:
            rows += _frame(span, diagnostic.text, _cut(diagnostic.label), "^", gutter)
    for place, text, message in diagnostic.notes:
        rows.append(f"{pad}::: {_printable(str(place))}")
        rows += _frame(place, text, _cut(message), "-", gutter)
    rows += [f"{pad} = help: {_cut(hint)}" for hint in diagnostic.hints]
    return "\n".join(rows)


# Among more names than these a search takes long, and finds names that have nothing to do with each other.
_MAX_NAMES = 4000


def nearest(name: str, names: Iterable[str], count: int = 1) -> list[str]:
    """The candidates that ``name`` is most likely a misspelling of, best first; none where there are very many."""
    candidates = sorted(set(names))
    if not 0 < len(candidates) <= _MAX_NAMES or len(name) > 200:
        return []
    folded = {candidate.casefold(): candidate for candidate in reversed(candidates)}
    if name.casefold() in folded:
        return [folded[name.casefold()]]
    swapped = [c for c in candidates if sorted(c) == sorted(name) and len(name) > 2]
    close = difflib.get_close_matches(name, candidates, n=count + 2, cutoff=0.7)
    return list(dict.fromkeys(swapped + close))[:count]


def suggestion(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """A hint that names what ``name`` may be a misspelling of, or none."""
    close = nearest(name, names, 2)
    if not close:
        return ()
    if len(close) == 1:
        return (f"a similar name exists: `{close[0]}`",)
    return (f"similar names exist: {', '.join(f'`{c}`' for c in close)}",)
