"""What is odd about single characters and about numbers."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress

from gradc.errors import Diagnostic, located
from gradc.source import Source
from gradc.syntax.words import KEYWORDS, word_at

# Characters ----------------------------------------------------------------------------------------------------------

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"

# What people paste from papers, and what they can write instead.
_WRITE = {
    "−": "-", "–": "-", "—": "-", "·": "*", "⋅": "*", "×": "*", "∗": "*", "÷": "/", "∕": "/", "⁄": "/",
    "≤": "<=", "⩽": "<=", "≥": ">=", "⩾": ">=", "≠": "!=", "≡": "==", "∧": "and", "∨": "or", "¬": "not",
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "∞": "inf", "√": "sqrt(…)", "∛": "cbrt(…)",
    "½": "0.5", "¼": "0.25", "¾": "0.75", "⅓": "1/3", "∂": "grad(y, x)", "∇": "grad(y, x)", "∈": "in",
    "（": "(", "）": ")", "，": ",", "；": ";", "：": ":", "＝": "=", "＋": "+", "－": "-", "＊": "*", "／": "/",
    "→": "=", "←": "=", "⇒": "=", "…": "all of it",
}  # fmt: skip

# Letters and marks of identifiers by Unicode's table that nobody can see, or that look like operators.
_NO_LETTERS = re.compile("[\u00b7\u0387\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]")


def no_letter(name: str) -> int | None:
    """The place of the first character of ``name`` that a name cannot hold."""
    for place, char in enumerate(name):
        # A subscript digit means the plain one, and that cannot begin a name.
        if char.isascii() or (char in _SUBSCRIPTS and place > 0):
            continue
        # A mark is fine behind something; the language's letters are Unicode's.
        if not f"a{char}".isidentifier() or _NO_LETTERS.match(char) or (place == 0 and not char.isidentifier()):
            return place
    return None


def _called(char: str) -> str:
    """A character in words: its code point and its name."""
    return f"U+{ord(char):04X} {unicodedata.name(char, 'without a name')}"


def bad_character(source: Source, at: int) -> Diagnostic:
    """A character that the language has no use for."""
    text = source.text
    char = text[at]
    if char in _SUPERSCRIPTS:
        end = at
        while end < len(text) and text[end] in _SUPERSCRIPTS:
            end += 1
        power = "".join(_SUPERSCRIPTS[c] for c in text[at : min(end, at + 20)])
        power = power if power.lstrip("-").isalnum() else f"({power})"
        begin = at
        while begin > max(0, at - 40) and (text[begin - 1].isalnum() or text[begin - 1] == "_"):
            begin -= 1
        base = text[begin:at]
        shown = f"`{base}^{power}`" if base else f"`^{power}`"
        return located(
            "E0104", "a superscript is not an exponent", source, at, end, "not part of a name", [f"write {shown}"]
        )
    if char in _SUBSCRIPTS:
        return located("E0104", "a name cannot begin with a subscript", source, at, at + 1, "a letter comes first")
    if char.isspace() or unicodedata.category(char) in ("Cf", "Mn", "Lo", "Zs", "Cc"):
        label = "invisible" if not char.isspace() and unicodedata.category(char) != "Cc" else ""
        hint = "replace it by a space" if char.isspace() else "delete it"
        return located("E0104", f"unexpected character {_called(char)}", source, at, at + 1, label, [hint])
    hints = [f"write `{_WRITE[char]}`"] if char in _WRITE and char != "…" else []
    if char in "∑∏":
        hints = ["a sum is written `sum(x[i] for i)`, a product `prod(x[i] for i)`"]
    shown = f"unexpected character `{char}` ({_called(char)})"
    return located("E0104", shown, source, at, at + 1, "not part of the language", hints)


def forbidden(source: Source, at: int) -> Diagnostic:
    """NUL, a half of a surrogate pair, or a mark that changes the direction of writing."""
    char = source.text[at]
    if char == "\0":
        hint = "is this a text file?"
        return located("E0105", "the text holds a NUL character", source, at, at + 1, "U+0000", [hint])
    if "\ud800" <= char <= "\udfff":
        message = "the text holds half of a surrogate pair"
        return located("E0105", message, source, at, at + 1, f"U+{ord(char):04X}")
    message = f"the text holds the bidirectional control character {_called(char)}"
    hints = ["delete it: with it a line does not read as it looks"]
    return located("E0104", message, source, at, at + 1, "invisible", hints)


# Numbers -------------------------------------------------------------------------------------------------------------

_RUN = re.compile(r"[0-9A-Za-z_]*(?:\.(?!\.)[0-9A-Za-z_]*)*")


def too_large(source: Source, at: int) -> Diagnostic:
    """A literal beyond the largest float."""
    word = word_at(source.text, at)
    message = "the number is too large"
    label = "beyond 1.797…e308, the largest 64-bit float"
    return located("E0103", message, source, at, word.end, label, ["write `inf` for infinity"])


def bad_number(source: Source, start: int, at: int) -> Diagnostic:
    """What begins like a number at ``start`` and is none from ``at`` on."""
    text = source.text
    match = _RUN.match(text, start)
    end = max(match.end() if match else at, word_at(text, at).end)
    run = text[start:end]
    hints: list[str] = []
    shown = run if len(run) <= 40 else run[:37] + "…"
    label = ""
    if len(run) > 1000:
        pass
    elif re.fullmatch(r"0[xXbBoO][0-9A-Fa-f_]*", run):
        label = "numbers are decimal"
        with suppress(ValueError):
            hints = [f"write `{int(run, 0)}`"] if len(run) < 20 else []
    elif not run.strip("0123456789._eE") and run[-1] in "eE" and run.lower().count("e") == 1:
        label = "the exponent has no digits"
        hints = [f"write `{run}0`, or `{run[:-1]}*{run[-1]}` for a product with the name `{run[-1]}`"]
    elif not run.strip("0123456789._") and ("__" in run or "_." in run or "._" in run or run[-1] == "_"):
        label = "an underscore stands between two digits"
    elif not run.strip("0123456789._eE") and run[at - start] == "." and run.lower().count("e") < 2:
        label = "an exponent is a whole number" if "e" in run[: at - start].lower() else "a number has one point"
    else:
        number = text[start:at]
        label = "a name cannot begin with a digit"
        if len(run) <= 40 and run[at - start :] not in KEYWORDS:
            hints = [f"write `{number}*{run[at - start :]}` for a product"]
    return located("E0103", f"malformed number `{shown}`", source, start, end, label, hints)
