"""What went wrong in loops and `if` blocks, in words: their heads, their braces, what stands in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gradc.errors import Diagnostic, nearest
from gradc.syntax.mistakes_arrays import HALF_OPEN, no_range
from gradc.syntax.words import BLOCKS, Word, word_at

if TYPE_CHECKING:
    from gradc.syntax.mistakes import Situation

_BRACES = "a block has braces"
_ENDS = "a block ends with `}`"
_BREAK = "a loop that stops by a condition is written `while c { … }`"

# First words of the loops and blocks of other languages.
_FOREIGN = {
    "break": _BREAK, "continue": "put what is left out into `if c { … }`", "pass": "a block holds a statement or more",
    "end": _ENDS, "endfor": _ENDS, "endif": _ENDS, "endwhile": _ENDS, "done": _ENDS, "fi": _ENDS, "od": _ENDS,
    "do": "a loop is written `for t in 0..n { … }` or `while c { … }`", "begin": "a block begins with `{`",
    "loop": "a loop is written `for t in 0..n { … }` or `while c { … }`",
    "repeat": "a loop is written `for t in 0..n { … }`", "foreach": "a loop is written `for t in 0..n { … }`",
    "until": "write `while not c { … }`", "unless": "write `if not c { … }`",
    "elif": "write `else if c { … }` behind a `}`", "elseif": "write `else if c { … }` behind a `}`",
    "elsif": "write `else if c { … }` behind a `}`",
}  # fmt: skip

_CONDITIONS = frozenset(["if", "where", "when", "with", "and", "or"])
# Other operators behind a head have explanations of their own.
_BEHIND = frozenset([":", ",", "}", ".", ".."])
_STEPS = frozenset(["step", "by", "stride", ".."])

# What cannot stand in a block, and what to do about it.
_OUTSIDE = {
    "fn": "define the function before it", "use": "move it to the beginning of the file",
    "derivative": "move it behind its function", "input": "move it before the block",
    "param": "move it before the block", "output": "move it behind the block: outputs are known when all is computed",
    "return": "give a name its value here, and return that behind the block",
}  # fmt: skip


def explain(s: Situation) -> Diagnostic | None:
    """The most telling diagnostic, if this is about blocks."""
    if s.top in ("(", "[") or s.here.text in (")", "]"):
        return None
    for look in (_begins, _foreign, _changed, _head):
        found = look(s)
        if found is not None:
            return found
    return None


def _rest(s: Situation) -> str:
    """The rest of the statement, as far as it is short."""
    words = []
    for word in s.place.following(30):
        if word.text == "}":
            break
        words.append(word)
    text = s.source.text[words[0].end : words[-1].end].strip() if words else ""
    return text if 0 < len(text) <= 30 else "…"


def _shown(s: Situation, words: list[Word]) -> str:
    """The words before here as they are written, if they are few."""
    text = s.source.text[words[0].start : words[-1].end] if words else ""
    return text if len(text) <= 30 and "\n" not in text else f"{words[0].text} …"


# Statements in blocks ------------------------------------------------------------------------------------------------


def _begins(s: Situation) -> Diagnostic | None:
    """What cannot begin a statement of a block, or of a program because it belongs to a block."""
    here = s.here
    if s.words or "FOR" not in s.accepted or word_at(s.source.text, here.end).text == "=":
        return None
    if here.text == "else":
        return s.say("`else` without `if`", "", "it stands directly behind the `}` of its `if`")
    head = s.place.head
    if head in BLOCKS and here.text in _OUTSIDE:
        if s.place.outdented():
            s.whole = True
            s.resume = s.source.text.rfind("\n", 0, here.start) + 1 if s.place.braces == 1 else None
            return s.unclosed(s.place.open[-1][0])
        what = "a loop" if head in ("for", "while") else "an `if` block"
        return s.say(f"`{here.text}` cannot stand in {what}", "", _OUTSIDE[here.text])
    return None


def _foreign(s: Situation) -> Diagnostic | None:
    """`break`, `end`, `do {`, …: names here, so only where a statement with that name makes no sense."""
    here, words = s.here, s.words
    if len(words) != 1 or words[0].kind != "name" or "_EQUALS" not in s.accepted or words[0].text not in _FOREIGN:
        return None
    name = words[0]
    if s.ended or here.kind in ("name", "number", "keyword") or here.text in ("}", "{", ":", "(", "!"):
        return s.say(f"unknown statement `{name.text}`", "", _FOREIGN[name.text], at=name)
    return None


def _changed(s: Situation) -> Diagnostic | None:
    """`y += 1` in a block, where a name may be given a new value."""
    here, words = s.here, s.words
    if not s.place.in_block or not words or words[0].kind != "name" or "_EQUALS" not in s.accepted:
        return None
    if not re.fullmatch(r"\+\+|--|(?:[+\-*/%^]|\*\*|//)=", here.text):
        return None
    target, sign = _shown(s, words), here.text[:-1]
    rest = "1" if here.text in ("++", "--") else _rest(s)
    if sign != "+" and not re.fullmatch(r"[\w.]+|…", rest):
        rest = f"({rest})"
    return s.say(f"unknown operator `{here.text}`", "", f"write `{target} = {target} {sign} {rest}`")


# Heads ---------------------------------------------------------------------------------------------------------------


def _head(s: Situation) -> Diagnostic | None:
    """In the head of a block, or behind it."""
    if s.first not in BLOCKS or (len(s.words) == 1 and s.here.text == "="):
        return None
    closed = [at for at, word in enumerate(s.words) if word.text == "}"]
    tail = s.words[closed[-1] + 1 :] if closed else s.words
    if not tail:
        return _behind(s)
    if tail[0].text == "else":
        if len(tail) == 1:
            return _brace(s, tail, "`else`", "else")
        tail = tail[1:]
    if tail[0].text == "for":
        return _for(s, tail)
    return _test(s, tail) if tail[0].text in ("while", "if") else None


def _behind(s: Situation) -> Diagnostic | None:
    """Behind the `}` of a block."""
    here = s.here
    if here.text in ("elif", "elseif", "elsif"):
        return s.say(f"unknown notation `{here.text}`", "", "write `else if c { … }`")
    if here.text == "else":
        loop = s.first in ("for", "while")
        hint = "a loop has no `else`" if loop else "`else` is the last part of an `if`; before it stands `else if c`"
        return s.say("`else` without `if`", "", hint)
    if here.kind == "end" or here.text == "}":
        return None
    return s.say("expected the end of the statement", s.found(), "statements are separated by a line end or `;`")


def _brace(s: Situation, words: list[Word], what: str, head: str) -> Diagnostic | None:
    """A `{` was expected behind the ``words``."""
    here = s.here
    if "LBRACE" not in s.accepted and what != "`else`":
        return None
    if here.kind == "string" or (here.kind == "operator" and here.text not in _BEHIND):
        return None
    joined = s.before is not None and s.before.kind == "number" and s.before.end == here.start
    if joined and here.kind in ("name", "number", "keyword"):
        return None
    hint = f"{_BRACES}: `{head} {{ … }}`"
    if s.ended and here.text != ";":
        after = here
        while after.kind == "end" and after.text:
            after = word_at(s.source.text, after.end)
        if after.text == "{":
            hint = f"it stands in the same line: `{head} {{`"
    return s.say(f"expected `{{` behind {what}", s.found(), hint)


def _test(s: Situation, words: list[Word]) -> Diagnostic | None:
    """Behind `while` or `if`."""
    here, first = s.here, words[0].text
    if len(words) == 1 and (s.ended or here.text in ("{", ":", "then", "do")):
        return s.say(f"expected a condition behind `{first}`", s.found(), f"write `{first} c {{ … }}`")
    if "LBRACE" not in s.accepted:
        return None
    if here.text == "=":
        return s.say("unexpected `=`", "a condition gives no names", "`==` compares")
    if here.text == "then" and first == "if":
        hint = "name its value: `y = if c then a else b`; or write a block: `if c { … } else { … }`"
        return s.say("an `if` with `then` is an expression, not a statement", "", hint)
    found = _near_checkpoint(s)
    return found or _brace(s, words, _what(words, "the condition"), _shown(s, words))


def _for(s: Situation, words: list[Word]) -> Diagnostic | None:
    """Behind `for`."""
    here, index = s.here, words[1].text if len(words) > 1 else ""
    if not index:
        if here.kind == "keyword" and here.text != "in":
            return None
        message = "expected the name of an index behind `for`"
        return s.say(message, s.found(), "a loop is written `for t in 0..n { … }`")
    index = index if len(index) <= 20 else "t"
    if len(words) == 2:
        if here.text == ",":
            return _second_index(s, index)
        return s.say("expected `in` behind the index", s.found(), f"a loop is written `for {index} in 0..n {{ … }}`")
    inside = words[3:]
    dots = [at for at, word in enumerate(inside) if word.text == ".."]
    if not dots:
        return _no_range(s, inside)
    if dots[-1] == len(inside) - 1:
        if here.text == "=" and here.start == inside[-1].end:
            hint = "a range stops before its end: write `0..n+1`"
            return s.say("unknown notation `..=`", "", hint, at=inside[-1], to=here)
        if s.ended or here.text in ("{", ":", ","):
            hint = f"a range is given whole: `for {index} in 0..n`"
            return s.say("expected the end of the range behind `..`", s.found(), hint)
    if "LBRACE" not in s.accepted:
        return None
    if here.text == "," and words[-1].text != "checkpoint":
        return _second_index(s, index)
    if here.text in _STEPS:
        return s.say("a range has no step", s.found(), f"an index runs in steps of 1; count with `2*{index}`")
    if here.text in _CONDITIONS:
        return s.say("a loop has no condition behind its range", s.found(), "put `if c { … }` into its block")
    found = _near_checkpoint(s)
    return found or _brace(s, words, _what(words, "the range"), _shown(s, words))


def _second_index(s: Situation, index: str) -> Diagnostic:
    hint = f"write a loop in a loop: `for {index} in 0..n {{ for … {{ … }} }}`"
    return s.say("a loop has one index", "found a second one", hint)


def _no_range(s: Situation, words: list[Word]) -> Diagnostic | None:
    """What stands behind `in` has no `..` yet."""
    here = s.here
    if not words:
        if here.text in ("..", "..."):
            return s.say("a range has a start", f"expected an expression before `{here.text}`", "write `0..n`")
        if s.ended or here.text in ("{", ":"):
            return s.say("expected a range behind `in`", s.found(), "write `0..n`")
        return None
    if s.value:
        return None
    following = word_at(s.source.text, here.end)
    ends = s.ended or here.text in ("{", "do", "checkpoint", "if") or (here.text == ":" and following.kind == "end")
    if not ends:
        return s.say("expected `..` in a range", s.found(), HALF_OPEN)
    return no_range(s, words)


def _what(words: list[Word], plain: str) -> str:
    return "`checkpoint`" if words[-1].text == "checkpoint" and len(words) > 2 else plain


def _near_checkpoint(s: Situation) -> Diagnostic | None:
    """A word behind the head of a loop that is nearly `checkpoint`."""
    if "CHECKPOINT" in s.accepted and s.here.kind == "name" and nearest(s.here.text, ["checkpoint"]):
        return s.say(f"unknown option `{s.here.text}`", "", "did you mean `checkpoint`?")
    return None
