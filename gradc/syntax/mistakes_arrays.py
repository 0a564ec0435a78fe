"""What went wrong in the notation of arrays, in words: brackets, indices and their ranges, slices, attributes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gradc.errors import Diagnostic
from gradc.ops import TABLE
from gradc.syntax.arrays import FUNCTIONS
from gradc.syntax.words import CLOSING, OPENING, Word, word_at

if TYPE_CHECKING:
    from gradc.syntax.mistakes import Situation

_LIBRARIES = frozenset(["np", "numpy", "jnp", "math", "torch", "tf", "scipy", "special", "linalg"])

# What people write where a condition on indices begins, and between an index and its range.
_CONDITIONS = frozenset(["where", "when", "with", "and", "or", "not", "|", "<", ">", "<=", ">=", "==", "!=", "&&"])
_RANGES = frozenset(["=", "from", "over", "of", "<-", ":=", "=="])
_STEPS = frozenset(["step", "by", "..", ":"])

_CONDITION = "a condition stands behind `if`: `for i, j if i < j`"
_INDEX = "write `for i`, or `for i in 0..n` with its range"
HALF_OPEN = "write `a..b`: from a up to, but without, b"
_FIRST = "what is computed comes first: `[x[i] for i]`"
_STEP = "an index runs in steps of 1; `x[2*i]` is every second element"


def explain(s: Situation) -> Diagnostic | None:
    """The most telling diagnostic, if this is about arrays."""
    unfinished = s.top in ("(", "[") and (not s.here.text or s.place.new_line(s.source) is not None)
    if unfinished or (s.here.text in CLOSING and s.top != CLOSING[s.here.text]):
        return None
    for look in (_clause, _for, _in, _range, _condition_first, _empty, _rows, _target, _slice, _declared, _attribute):
        found = look(s)
        if found is not None:
            return found
    return None


def _shown(s: Situation, start: int, end: int) -> str:
    """A stretch of the text, as far as it is short."""
    text = s.source.text[start:end]
    return text if len(text) <= 30 and "\n" not in text else "…"


def _rest(s: Situation) -> tuple[list[Word], int]:
    """The words from here to where the innermost bracket closes, without those in deeper brackets; and their end."""
    found: list[Word] = []
    depth, end = 0, s.here.start
    for word in s.place.following():
        depth -= word.text in CLOSING
        if depth < 0:
            break
        found += [word] * (depth == 0)
        depth += word.text in OPENING
        end = word.end
    return found, end


# Indices and their ranges --------------------------------------------------------------------------------------------


def _clause(s: Situation) -> Diagnostic | None:
    """Behind `for`."""
    level = s.place.level()
    starts = [at for at, word in enumerate(level) if word.text == "for"]
    if not starts or (s.first == "for" and starts == [0]):
        return None
    here, clause = s.here, level[starts[-1] + 1 :]
    if here.text == "for" and not s.value:
        return s.say("the indices stand behind one `for`", "this is a second one", "write `for i, j`")
    if any(word.text == "if" for word in clause):
        if here.text in ("then", "else") and here.text.upper() not in s.accepted:
            hint = "it selects; to choose between two values write `[if c then a else b for i]`"
            return s.say("an `if` behind `for` has no branches", "", hint)
        return None
    commas = [at for at, word in enumerate(clause) if word.text == ","]
    binder = clause[commas[-1] + 1 :] if commas else clause
    if not binder:
        return _no_index(s)
    if len(binder) == 1:
        return _behind_index(s, binder[0], first=not commas)
    return _in_range(s, binder[0], binder[2:]) if binder[1].text == "in" else None


def _no_index(s: Situation) -> Diagnostic | None:
    """The name of an index was expected."""
    here, before = s.here, s.before
    assert before is not None
    if here.kind == "keyword" and here.text not in ("in", "if", "for"):
        return None
    message = f"expected the name of an index behind `{before.text}`"
    if here.text == "if":
        return s.say(message, s.found(), "no comma stands before the condition") if before.text == "," else None
    if here.text == "(":
        return s.say(message, s.found(), "indices stand without parentheses: `for i, j`")
    return s.say(message, s.found(), _INDEX)


def _behind_index(s: Situation, name: Word, *, first: bool) -> Diagnostic | None:
    """Neither `in` nor what may follow an index without a range."""
    here = s.here
    if here.text == "=" and s.place.called and not first:
        return _only_argument(s)
    if here.text in _RANGES:
        return s.say("expected `in` behind the index", s.found(), f"write `{name.text} in 0..n`")
    if here.text in _CONDITIONS or (not first and here.text in ("[", "(", ".")):
        return s.say("expected `if` before the condition", s.found(), _CONDITION)
    if here.kind == "name":
        return s.say("expected `,` between two indices", s.found(), f"write `{name.text}, {here.text}`")
    if here.kind in ("number", "operator") and here.text not in CLOSING and here.text not in ("'", "{"):
        return s.say("expected `in`, `,` or `if` behind the index", s.found(), f"write `{name.text} in 0..n`")
    return None


def _in_range(s: Situation, name: Word, words: list[Word]) -> Diagnostic | None:
    """Behind `in`: ``words`` are what stands there."""
    here = s.here
    dots = [at for at, word in enumerate(words) if word.text == ".."]
    if not words and here.text in ("..", "..."):
        return s.say("a range has a start", f"expected an expression before `{here.text}`", "write `0..n`")
    if words and not dots and not s.value and here.text in ("...", ":"):
        return s.say("expected `..` in a range", s.found(), HALF_OPEN)
    if words and not dots and not s.value:
        if here.kind in ("name", "number") and here.text not in _CONDITIONS:
            return s.say("expected `..` in a range", s.found(), HALF_OPEN)
        if here.text in _CONDITIONS or here.text in CLOSING or here.text in (",", "if") or s.ended:
            return no_range(s, words)
    if dots and dots[-1] == len(words) - 1:
        if here.text == "=" and here.start == words[-1].end:
            return s.say(
                "unknown notation `..=`", "", "a range stops before its end: write `0..n+1`", at=words[-1], to=here
            )
        if here.text in CLOSING or here.text in (",", "if") or s.ended:
            hint = f"a range is given whole: `{name.text} in 0..n`"
            return s.say("expected the end of the range behind `..`", s.found(), hint)
    if dots and not s.value:
        if here.text in _STEPS:
            return s.say("a range has no step", s.found(), _STEP)
        if here.text in _CONDITIONS:
            return s.say("expected `if` before the condition", s.found(), _CONDITION)
    return None


def no_range(s: Situation, words: list[Word]) -> Diagnostic:
    """``for i in 5``, ``for i in range(n)``, ``for i in x``."""
    start, end = words[0].start, words[-1].end
    text = s.source.text[start:end]
    hint = f"write `0..{text}`" if re.fullmatch(r"\w{1,20}", text) and text != "0" else "write `a..b`"
    call = re.fullmatch(r"range\(([^()\[\],]{1,20})(?:,([^()\[\],]{1,20}))?\)", text)
    if call:
        lower, upper = ("0", call[1]) if call[2] is None else (call[1], call[2])
        hint = f"write `{lower.strip()}..{upper.strip()}`"
    return s.say("expected a range behind `in`", "not a range", hint, at=words[0], to=words[-1])


def _only_argument(s: Situation) -> Diagnostic:
    name = s.place.open[-1][1]
    called = name.text if name is not None and len(name.text) <= 20 else "f"
    hint = f"give the call an array: `{called}([… for i], …)`"
    return s.say("a comprehension without brackets is the only argument of its call", s.found(), hint)


def _for(s: Situation) -> Diagnostic | None:
    """A `for` where none may stand."""
    if s.here.text != "for" or not s.words or (len(s.words) == 1 and s.words[0].kind == "keyword"):
        return None
    role, before = s.place.role, s.before
    if "THEN" in s.accepted or "ELSE" in s.accepted or before is None:
        return None
    if s.value:
        return s.say(f"expected an expression behind `{before.text}`", s.found(), _FIRST)
    if not s.operator:
        return None
    if role == "group":
        hint = "write `[… for i]` for an array, `sum(… for i)` for a sum"
        return s.say("an array is not written in parentheses", s.found(), hint)
    if role == "call":
        return _only_argument(s)
    if role == "array":
        return s.say("a comprehension has one expression", "found several", "write `[[a, b] for i]`")
    if role in ("subscript", "shape", "target"):
        hint = "an array is written `[x[i] for i]`, a sum `sum(x[i] for i)`"
        return s.say("`for` cannot stand in a subscript", "", hint)
    after = word_at(s.source.text, s.here.end)
    index = after.text if after.kind == "name" and len(after.text) <= 20 else "i"
    if len(s.words) > 2 and s.words[0].kind == "name" and s.words[1].text == "=" and len(s.first) <= 20:
        hint = f"an array is written `{s.first}[{index}] = …`, or in brackets: `[… for {index}]`"
    else:
        hint = f"an array is written in brackets: `[… for {index}]`"
    return s.say(s.expected(), s.found(), hint)


def _in(s: Situation) -> Diagnostic | None:
    """An `in` that no `for` stands before."""
    if s.here.text != "in" or not s.operator:
        return None
    target = s.words[0].text if s.words and len(s.first) <= 20 else "C"
    if s.place.role == "target":
        hint = f"ranges stand behind the value: `{target}[i] = … for i in 0..n`"
    else:
        hint = "write `… for i in 0..n`"
    return s.say("`in` without `for`", "", hint)


def _range(s: Situation) -> Diagnostic | None:
    """A range where none may stand."""
    here, before = s.here, s.before
    behind = before is not None and (before.kind in ("number", "name") or before.text in (")", "]"))
    if here.text == "..." and s.place.role == "subscript":
        return s.say("unknown notation `...`", "", "`:` is a whole axis, and so is every axis that is not written")
    if here.text != ".." or not behind:
        return None
    if s.place.role == "subscript":
        hint = "a slice is written `a:b`"
    elif s.place.role == "array":
        hint = "write `[i for i in a..b]`"
    else:
        hint = "a range is where an index runs: `sum(x[i] for i in 0..n)`"
    return s.say("a range stands behind `in`", s.found(), hint)


def _condition_first(s: Situation) -> Diagnostic | None:
    """``[x[i] if c for i]``."""
    if s.here.text != "if" or not s.operator or s.place.role not in ("array", "call"):
        return None
    rest, end = _rest(s)
    at = next((at for at, word in enumerate(rest) if word.text == "for"), None)
    if at is None or any(word.text in ("then", "else") for word in rest[:at]):
        return None
    body = _shown(s, s.place.open[-1][0].end, s.here.start).strip()
    condition = _shown(s, s.here.end, rest[at].start).strip()
    clause = _shown(s, rest[at].start, end)
    hint = f"write `{body} {clause} if {condition}`"
    return s.say("the condition comes last", "found before `for`", hint)


# Brackets ------------------------------------------------------------------------------------------------------------


def _empty(s: Situation) -> Diagnostic | None:
    """Brackets with nothing between them."""
    here, before = s.here, s.before
    if here.text != "]" or before is None or before.text != "[":
        return None
    name = s.place.open[-1][1]
    shown = name.text if name is not None and name.kind == "name" and len(name.text) <= 20 else "x"
    role = s.place.role
    if role == "shape":
        hint = f"a single number is declared without brackets: `{s.first} {shown}`"
        return s.say("a shape needs at least one size", "", hint, at=before, to=here)
    if role == "target":
        return s.say("an index target needs at least one index", "", f"write `{shown}[i] = …`", at=before, to=here)
    if role == "subscript":
        hint = f"`{shown}[0]` is the first element or row, `{shown}[:]` all of them"
        return s.say("a subscript needs at least one item", "", hint, at=before, to=here)
    return s.say("an array literal needs at least one item", "", at=before, to=here)


def _rows(s: Situation) -> Diagnostic | None:
    """A `;` between brackets."""
    if s.here.text != ";" or s.top != "[":
        return None
    word, depth = word_at(s.source.text, s.here.end), 0
    while word.text not in ("", "\n", "=") and depth >= 0:
        depth += (word.text == "[") - (word.text == "]")
        word = word_at(s.source.text, word.end)
    if depth >= 0:
        return s.unclosed(s.place.open[-1][0])
    if any(word.text == "for" for word in s.place.level()):
        return s.say("a `;` ends a statement", "expected `,`", "write `for i, j`")
    if s.place.role == "array":
        return s.say("a `;` ends a statement", "expected `,`", "each row is an array: `[[1, 2], [3, 4]]`")
    return s.say("a `;` ends a statement", "expected `,`", "write `x[i, j]`")


def _target(s: Situation) -> Diagnostic | None:
    """``C[i, j]`` at the beginning of a statement."""
    here, words = s.here, s.words
    role = s.place.role
    if role in ("shape", "target") and here.text == "=" and not any(w.text == "]" for w in s.place.following()):
        return s.unclosed(s.place.open[-1][0])
    if role == "target":
        if here.text in (":", ".."):
            hint = f"every index is a name: `{words[0].text}[i] = x[i]`" if len(s.first) <= 20 else ""
            return s.say("expected the name of an index", s.found(), hint)
        return None
    if len(words) == 1 and words[0].kind == "name" and here.text == ".":
        return s.say("only a name can be given a value", "", at=here) if s.assigned() else s.no_name(words[0])
    if "_EQUALS" not in s.accepted or len(words) < 2 or words[0].kind != "name":
        return None
    if words[-1].text == "]" and words[1].text == "[":
        return _behind_target(s, _shown(s, words[0].start, words[-1].end))
    if here.text == "[" and words[-1].kind == "name":
        hint = "name the results first, and read their elements in a statement of its own"
        return s.say("several results are given names alone", s.found(), hint)
    return None


def _behind_target(s: Situation, target: str) -> Diagnostic | None:
    here, words = s.here, s.words
    if here.text in ("==", ":=", "<-"):
        return s.say(
            f"expected `=`, found `{here.text}`", "", f"elements are given their values with `=`: `{target} = …`"
        )
    if here.text in ("++", "--") or (here.kind == "operator" and here.text[-1:] == "=" and here.text[0] in "+-*/%^"):
        hint = f"an array is given its elements once; use a new name: `{words[0].text}2[…] = {target} {here.text[0]} …`"
        return s.say(f"unknown operator `{here.text}`", "values do not change", hint)
    if here.text == "[":
        return s.say(
            "expected `=`", s.found(), f"all indices stand in one pair of brackets: `{words[0].text}[i, j] = …`"
        )
    if here.text == ",":
        return s.say("an index target stands alone", "expected `=`", "write one statement an array")
    return s.no_name(words[0])


def _slice(s: Situation) -> Diagnostic | None:
    """A third `:` in a slice, or slices where none may stand."""
    if s.here.text != ":" or s.top != "[" or "COLON" in s.accepted:
        return None
    role = s.place.role
    if role == "shape":
        return s.say("expected a size", s.found(), "a shape is written with sizes: `x[n]`, `X[n, 3]`")
    if role == "subscript" and not s.value:
        return s.say("a slice has three parts at most", "found a fourth one", "write `start:stop:step`")
    return (
        s.say(s.expected(), s.found(), "a slice `a:b` stands in the brackets of a subscript")
        if role == "array"
        else None
    )


def _declared(s: Situation) -> Diagnostic | None:
    """The shape of an input or param, at the wrong place or in the wrong brackets; the shape of a parameter."""
    here, before = s.here, s.before
    if s.first in ("fn", "derivative") and s.place.role == "call" and here.text == "[" and not (s.value or s.operator):
        return s.say(s.expected(), s.found(), "a parameter has the shape of what it is called with")
    if s.first not in ("input", "param") or before is None or s.place.open:
        return None
    level = s.place.level()
    # From the last comma outside of brackets on, or from the keyword.
    starts = [at for at, word in enumerate(level) if word.text in (",", s.first)]
    item = level[starts[-1] + 1 :]
    if not item or any(word.text == "=" for word in item):
        return None
    name = item[0].text if len(item[0].text) <= 20 else "x"
    if here.text == "(" and len(item) == 1:
        return s.say(s.expected(), s.found(), f"a shape stands in brackets: `{name}[n]`")
    if here.text == "[" and before.text == "]":
        return s.say(s.expected(), s.found(), f"all sizes stand in one pair of brackets: `{name}[n, m]`")
    if here.text == "[" and any(word.text == ":" for word in item):
        dtype = f": {item[2].text}" if len(item) > 2 and len(item[2].text) <= 20 else ""
        return s.say(s.expected(), s.found(), f"the shape stands behind the name: `{name}[n]{dtype}`")
    if here.kind == "name" and before.text == "]":
        return s.say(
            "expected `,` between two names", s.found(), f"write `{_shown(s, item[0].start, before.end)}, {here.text}`"
        )
    return None


# Attributes ----------------------------------------------------------------------------------------------------------


def _attribute(s: Situation) -> Diagnostic | None:
    """``X'``, ``X.``, ``x.sum()``, ``np.sin(x)``."""
    here, before = s.here, s.before
    if before is None:
        return None
    if (
        here.text == "'"
        and before.end == here.start
        and before.kind in ("name", "operator")
        and not (s.value and before.text != ".")
    ):
        name = before.text if before.kind == "name" and len(before.text) <= 20 else "X"
        hint = f"the transpose is `{name}.T`; a derivative is written `grad(y, x)`"
        return s.say("unknown notation `'`", "", hint)
    if before.text == "." and s.accepted == {"NAME"}:
        return s.say("expected a name behind `.`", s.found(), "the transpose is `X.T`")
    if here.text == "(" and len(s.words) > 2 and s.words[-2].text == "." and before.kind == "name":
        owner, point = s.words[-3], s.words[-2]
        hint = ""
        if before.text in TABLE.functions or before.text in FUNCTIONS:
            called = (
                owner.text if owner.kind == "name" and owner.text not in _LIBRARIES and len(owner.text) <= 20 else "…"
            )
            hint = f"functions stand before their arguments: write `{before.text}({called})`"
            if owner.text in _LIBRARIES:
                hint = f"functions are built in: write `{before.text}(…)`"
        return s.say("an attribute is not a function", "cannot be called", hint, at=point, to=before)
    return None
