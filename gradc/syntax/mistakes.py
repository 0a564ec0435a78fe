"""What went wrong, in words: from the place where the parser stopped to a diagnostic.

The parser gives the offset and the terminals that it would have accepted there. The rest is read off the words around
the place, from the most telling finding to the plain `expected …, found …`. Nothing here shows a terminal's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise, takewhile

from gradc.errors import Diagnostic, located, nearest
from gradc.ops import TABLE
from gradc.source import Source
from gradc.syntax import mistakes_arrays, mistakes_blocks
from gradc.syntax.phrases import BINARY, EXPRESSION, FOREIGN, NAMED, SLICE, STATEMENTS
from gradc.syntax.spelling import bad_character, bad_number, no_letter
from gradc.syntax.words import BLOCKS, CLOSING, KEYWORDS, OPENING, Place, Word, word_at


class Situation:
    """The place of one failure: the unexpected word ``here``, what stands before it, what would be ``accepted``."""

    def __init__(self, source: Source, place: Place, accepted: frozenset[str]) -> None:
        self.source = source
        self.place = place
        self.here = place.here
        self.before = place.before
        self.words = place.words
        self.first = place.words[0].text if place.words else ""
        self.top = place.open[-1][0].text if place.open else ""  # the innermost open bracket
        self.accepted = accepted
        self.value = "NUMBER" in accepted  # an expression may begin here
        self.ended = self.here.kind == "end"
        self.operator = not self.value and self._value_ended()
        self.resume: int | None = None  # the line where a new statement begins, if that is known
        self.whole = False  # whether the rest of the outermost statement cannot be read

    def _value_ended(self) -> bool:
        """Whether the word before ends a value, so that an operator might follow.

        The terminals do not tell: before the parser finds out that a word is wrong it may have closed the expression.
        """
        before = self.before
        if before is None or (before.kind not in ("name", "number") and before.text not in (")", "]")):
            return False
        if self.accepted & {"TIMES", "POWER", "COMPARE", "AND", "OR", "THEN", "ELSE"}:
            return True
        if self.first in ("output", "use") or "INPUT" in self.accepted or "IN" in self.accepted:
            return False
        if self.first in ("input", "param") and "_EQUALS" in self.accepted:
            return False
        if "NAME" in self.accepted:
            return False
        return self.top == "[" or any(word.text in ("=", "=>", "return", "if") for word in self.words)

    def explain(self) -> Diagnostic:
        """The most telling diagnostic."""
        arrays, blocks = partial(mistakes_arrays.explain, self), partial(mistakes_blocks.explain, self)
        for look in (
            self._letters,
            blocks,
            arrays,
            self._spelling,
            self._brackets,
            self._keywords,
            self._statement,
            self._missing,
            self._behind,
        ):
            found = look()
            if found is not None:
                return found
        return self.say(self.expected(), self.found())

    def say(
        self,
        message: str,
        label: str = "",
        hint: str = "",
        *,
        at: Word | None = None,
        to: Word | None = None,
        code: str = "E0101",
        notes: Sequence[tuple[Source, int, int, str]] = (),
    ) -> Diagnostic:
        """A diagnostic about ``here``, or about the words ``at`` to ``to``."""
        word = at or self.here
        start, end = word.start, (to or word).end
        if word.kind == "end" and self.before is not None:
            # What is missing at the end of a line is missed behind its last word.
            start, end = self.before.end, self.before.end + 1
        elif word.kind == "end":
            start = end = min(start, max(0, len(self.source.text.rstrip()) - 1))
        return located(code, message, self.source, start, end, label, [hint] if hint else [], notes)

    def expected(self) -> str:
        """What was accepted, in words."""
        accepted = set(self.accepted)
        parts: list[str] = []
        if self.value:
            parts.append("an expression")
            accepted -= EXPRESSION
        elif "INPUT" in accepted:
            return "expected a statement"
        elif "NAME" in accepted:
            parts.append("a name")
        if self.operator:
            parts.append("an operator")
            accepted -= {"LPAR", "LSQB", "DOT", "FOR"} | ({"ARROW"} if "_END" in accepted else set())
            if self.top in ("(", "["):
                closing = "RPAR" if self.top == "(" else "RSQB"
                accepted = (accepted - {"_END", "$END", "THEN", "ELSE", "COLON"}) | {closing}
        parts += [words for terminal, words in NAMED.items() if terminal in accepted]
        if "_END" in accepted and "$END" in accepted:
            parts.remove(NAMED["$END"])
        if not parts:
            return "unexpected text"
        return "expected " + (" or ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0])

    def found(self) -> str:
        """What stands here, in words."""
        here = self.here
        if here.kind == "end":
            return "the text ends here" if not here.text else "found `;`" if here.text == ";" else "the line ends here"
        kind = {"keyword": "the keyword ", "number": "the number ", "name": "the name "}.get(here.kind, "")
        text = here.text if len(here.text) <= 40 else here.text[:37] + "…"
        return f"found {kind}`{text}`"

    # Spelling: what is wrong with the word itself -------------------------------------------------------------------

    def _letters(self) -> Diagnostic | None:
        here = self.here
        if here.kind == "name" and not here.text.isascii():
            place = no_letter(here.text)
            if place is not None:
                return bad_character(self.source, here.start + place)
        return None

    def _spelling(self) -> Diagnostic | None:
        here, before = self.here, self.before
        joined = here.kind in ("name", "number", "keyword") or here.text == "."
        if joined and before is not None and before.kind == "number" and before.end == here.start:
            return bad_number(self.source, before.start, here.start)
        if here.kind in ("name", "number") and before is not None and before.text == "." and len(self.words) > 1:
            return None
        if here.kind == "string":
            if len(here.text) == 1 or not here.text.endswith('"'):
                return self.say(
                    "text in quotes is not closed", 'no `"` before the end of the line', 'close it with `"`'
                )
            if "STRING" not in self.accepted and self.first not in STATEMENTS:
                return self.say(self.expected(), "found text in quotes", 'text stands only in `use "file.grad"`')
        if here.kind == "operator" and len(here.text) == 1 and not here.text.isprintable():
            return bad_character(self.source, here.start)
        return self._foreign()

    def _foreign(self) -> Diagnostic | None:
        here, before = self.here, self.before
        if here.text == ">" and before is not None and before.text == "<":
            return self.say("unknown operator `<>`", "", "write `!=`", at=before, to=here)
        if here.text == "<" and before is not None and before.text == "=":
            return self.say("unknown operator `=<`", "", "write `<=`", at=before, to=here)
        if here.text == "!" or (here.text.startswith("!") and not self.operator):
            if self.value or self.before is None:
                return self.say("unknown operator `!`", "", "write `not`")
            name = before.text if before is not None and before.kind in ("name", "number") else "n"
            return self.say("unknown operator `!`", "", f"the factorial is `gamma({name} + 1)`; negation is `not`")
        if here.text == "*" and before is not None and before.text == "/" and before.end == here.start:
            return self.say("unknown notation `/*`", "", "a comment starts with `#`", at=before, to=here)
        if before is not None and before.text == "/*":
            return self.say("unknown notation `/*`", "", "a comment starts with `#`", at=before)
        if FOREIGN.get(here.text):
            what = "operator" if here.text in ("&&", "&", "||", "===", "<>", "~", "=<", "|") else "notation"
            return self.say(f"unknown {what} `{here.text}`", "", FOREIGN[here.text])
        return None

    # Brackets --------------------------------------------------------------------------------------------------------

    def _brackets(self) -> Diagnostic | None:
        here, place = self.here, self.place
        top = place.open[-1][0] if place.open else None
        if top is not None and (not here.text or (top.text in ("(", "[") and here.text != OPENING[top.text])):
            line = place.new_line(self.source)
            if not here.text or line is not None:
                self.resume = line
                self.whole = top.text == "{"
                return self.unclosed(top)
        returns = top is not None and top.text == "{" and self.place.head not in BLOCKS
        if here.text == "}" and returns and self.first != "return" and not self.value:
            self.whole = True
            return self.say(
                "the block returns nothing", "expected `return` before this", "a block ends with `return …`"
            )
        if here.text in CLOSING:
            if top is None:
                return self.say(f"`{here.text}` closes nothing", "no bracket is open here", code="E0102")
            if top.text != CLOSING[here.text]:
                message = f"`{here.text}` does not close `{top.text}`"
                note = (self.source, top.start, top.end, f"opened here, closed by `{OPENING[top.text]}`")
                return self.say(message, f"expected `{OPENING[top.text]}`", code="E0102", notes=[note])
        if here.text == ";" and top is not None and top.text == "(":
            return self.unclosed(top)
        return None

    def unclosed(self, top: Word) -> Diagnostic:
        """The bracket ``top`` is not closed before ``here``."""
        closing = OPENING[top.text]
        end = self.here
        notes = []
        if end.text:
            notes = [(self.source, end.start, end.end, f"`{closing}` was expected before this")]
        return self.say(
            f"`{top.text}` is not closed", f"no `{closing}` for this bracket", at=top, code="E0102", notes=notes
        )

    # Keywords --------------------------------------------------------------------------------------------------------

    def _name_wanted(self) -> bool:
        return "NAME" in self.accepted and not self.value and "INPUT" not in self.accepted and bool(self.words)

    def _named_next(self) -> bool:
        """Whether what stands here is given a value: `if = 3`."""
        return not self.words and word_at(self.source.text, self.here.end).text == "="

    def _keywords(self) -> Diagnostic | None:
        here, before = self.here, self.before
        if before is not None and before.kind == "keyword" and len(self.words) == 1 and here.text == "=":
            return self._keyword_name(before)
        if here.kind != "keyword":
            return None
        if self._named_next() or self._name_wanted():
            return self._keyword_name(here)
        if self.value and here.text in ("input", "param", "output", "fn", "use", "derivative", "in", "return"):
            return self._keyword_name(here)
        return None

    def _keyword_name(self, word: Word) -> Diagnostic:
        message = f"the keyword `{word.text}` cannot be a name"
        return self.say(message, "", f"choose another name, such as `{word.text}_`", at=word, code="E0206")

    # Statements ------------------------------------------------------------------------------------------------------

    def _statement(self) -> Diagnostic | None:
        if not self.words:
            return self._begins()
        if len(self.words) == 1 and self.words[0].kind == "name" and {"_EQUALS", "COMMA"} <= self.accepted:
            return self._after_name(self.words[0])
        if self.first in ("input", "param"):
            return self._in_declaration()
        if self.first == "output":
            return self._in_output()
        if self.first in ("fn", "derivative"):
            return self._in_function()
        if self.first == "use" and not self.ended and "STRING" in self.accepted:
            return self.say("expected a file name in quotes", self.found(), f'write `use "{self.here.text}.grad"`')
        return None

    def assigned(self) -> bool:
        """Whether a `=` follows in this line outside of brackets."""
        depth = 0
        for word in self.place.following():
            depth += (word.text in OPENING) - (word.text in CLOSING)
            if word.text == "=" and depth == 0:
                return True
        return False

    def _begins(self) -> Diagnostic | None:
        """A statement cannot begin with this."""
        here, top = self.here, self.place.open[-1][0] if self.place.open else None
        if top is not None and top.text == "{":
            if "RBRACE" in self.accepted and self.place.head not in BLOCKS:
                self.whole = True
                if self.place.outdented():
                    self.resume = self.source.text.rfind("\n", 0, here.start) + 1
                    return self.unclosed(top)
                note = (self.source, top.start, top.end, "the block that it ends begins here")
                hint = "`return` is the last statement of a block"
                return self.say("expected `}` behind `return`", self.found(), hint, notes=[note])
            if here.kind == "keyword" and here.text in ("input", "param", "output", "use", "derivative"):
                return self.say(f"`{here.text}` cannot stand in a block", "", "move it out of the function")
        if here.text == "//":
            return self.say("expected a statement", self.found(), "a comment starts with `#`")
        if here.text == "return":
            return self.say("`return` outside of a block", "", "results of a program are named by `output`")
        if here.kind in ("number", "string") or here.text in ("(", "[", "-", "+", "not", "{"):
            return self.no_name(here)
        return None

    def no_name(self, first: Word) -> Diagnostic:
        """An expression where a statement was expected."""
        if self.assigned():
            message = "only a name can be given a value"
            return self.say(message, "this is not a name", "write `name = expression`", at=first)
        words = list(takewhile(lambda word: word.text != "}", self.place.following(12)))
        last = words[-1] if words else self.before or first
        shown = self.source.text[first.start : last.end]
        shown = shown if len(words) < 12 and len(shown) <= 40 and '"' not in shown and "{" not in shown else "…"
        message = "an expression alone is not a statement"
        return self.say(message, "its value has no name", f"name its value: `y = {shown}`", at=first)

    def _after_name(self, name: Word) -> Diagnostic | None:
        """Something other than `=` behind the first name of a statement."""
        here = self.here
        word_after = word_at(self.source.text, here.end)
        if (name.text in STATEMENTS and here.kind in ("name", "string", "keyword", "number")) or name.text == "print":
            return self.say(f"unknown statement `{name.text}`", "", STATEMENTS[name.text], at=name)
        if here.text in ("==", ":=", "<-") or (here.text == "<" and word_after.text == "-"):
            return self.say(f"expected `=`, found `{here.text}`", "", f"a value is named with `=`: `{name.text} = …`")
        if here.text in ("++", "--") or (
            here.kind == "operator" and here.text[-1:] == "=" and here.text[0] in "+-*/%^"
        ):
            sign = here.text[0]
            rest = "1" if here.text in ("++", "--") else "…"
            hint = f"a name is given its value once; use a new one: `{name.text}2 = {name.text} {sign} {rest}`"
            return self.say(f"unknown operator `{here.text}`", "values do not change", hint)
        if here.text == "(":
            if self.assigned():
                hint = f"a function is written `fn {name.text}(…) = …`"
                return self.say("only a name can be given a value", "this is a call", hint, at=name)
            return self.no_name(name)
        if here.text == ":":
            hint = "only inputs and params are declared with a type: `input n: int`"
            return self.say(self.expected(), self.found(), hint)
        if here.text == "{":
            return self.say(self.expected(), self.found(), f"a function is written `fn {name.text}(x) {{ … }}`")
        if self.ended or here.text in BINARY or here.text in CLOSING or here.kind in ("number", "name", "keyword"):
            if here.kind in ("name", "number"):
                close = nearest(name.text, KEYWORDS)
                if close:
                    return self.say(f"unknown statement `{name.text}`", "", f"did you mean `{close[0]}`?", at=name)
                if word_after.text in ("=", "("):
                    return self.say(self.expected(), self.found(), "a name cannot hold a space")
            return self.no_name(name)
        return None

    def _in_declaration(self) -> Diagnostic | None:
        here, before = self.here, self.before
        if self.ended and before is not None and before.text in (",", self.first):
            return self.say(f"expected a name behind `{before.text}`", self.found())
        if "COLON" in self.accepted:
            if here.kind == "number" and before is not None:
                return self.say(self.expected(), self.found(), f"write `{before.text} = {here.text}`")
            if here.kind == "name" and before is not None:
                return self.say("expected `,` between two names", self.found(), f"write `{before.text}, {here.text}`")
        if here.text == "(" and "NAME" in self.accepted:
            return self.say(self.expected(), self.found(), f"names stand behind `{self.first}` without parentheses")
        return None

    def _in_output(self) -> Diagnostic | None:
        here, before = self.here, self.before
        if self.ended and before is not None:
            return self.say(f"expected a name behind `{before.text}`", self.found())
        if here.kind == "name" and before is not None and before.kind == "name":
            return self.say("expected `,` between two names", self.found(), f"write `{before.text}, {here.text}`")
        if here.kind in ("number", "operator") and here.text not in CLOSING:
            return self.say("`output` takes names", self.found(), "name the value first: `y = …`, then `output y`")
        return None

    def _in_function(self) -> Diagnostic | None:
        here, before = self.here, self.before
        if self.ended and self.accepted & {"LBRACE", "_EQUALS"} and not self.value and before and before.text == ")":
            hint = "the body begins in the same line: `= expression`"
            hint += " or `{ …; return expression }`" if self.first == "fn" else ""
            return self.say(f"this `{self.first}` has no body", self.found(), hint)
        if here.text == "{" and self.first == "derivative":
            return self.say("a `derivative` has no block", "", "write `derivative f(x) = expression`")
        if here.text in ("->", "return", ":") and "_EQUALS" in self.accepted and before and before.text == ")":
            return self.say(self.expected(), self.found(), f"write `{self.first} f(x) = expression`")
        if self.accepted == {"LPAR"} and before is not None:
            hint = f"a function has parentheses, also without parameters: `{self.first} {before.text}() = …`"
            return self.say("expected `(`", self.found(), hint)
        if here.text == "," and self.operator and not self.place.open and self.first == "fn":
            hint = "several results need a block: `{ return a, b }`"
            return self.say("a short function has one result", "found a second one", hint)
        return None

    # What is missing before this -------------------------------------------------------------------------------------

    def _missing(self) -> Diagnostic | None:
        """An expression was expected."""
        if not self.value or self.before is None:
            return None
        here, before = self.here, self.before
        if here.kind == "keyword" and here.text in ("if", "not"):
            shown = "`(if c then a else b)`" if here.text == "if" else "`(not a)`"
            return self.say(f"`{here.text}` cannot stand behind `{before.text}`", "", f"put it in parentheses: {shown}")
        found = self.found()
        if before.text == "=" and self.ended:
            return self.say("expected an expression behind `=`", found)
        if here.text == "{":
            hint = "" if self.first in BLOCKS else "an array is written `[1, 2]`"
            return self.say(f"expected an expression behind `{before.text}`", found, hint)
        if before.text == "=" and here.text == "=":
            return self.say("expected an expression, found `=`", "", "`==` compares, without a space")
        if here.text == ")" and before.text == "(":
            return self.say("expected an expression between the parentheses", "", at=before, to=here)
        if before.text in ("++", "--"):
            return self.say(
                f"unknown operator `{before.text}`", "values do not change", f"write `… {before.text[0]} 1`", at=before
            )
        if self.ended and not self.place.open and (before.text in BINARY or before.text == ","):
            hint = "a statement ends with its line; inside parentheses it may go on in the next one"
            return self.say(f"expected an expression behind `{before.text}`", found, hint)
        if before.text in BINARY | KEYWORDS or before.text in (",", "="):
            return self.say(f"expected an expression behind `{before.text}`", found)
        return self.say("expected an expression", found)

    # What cannot follow a value --------------------------------------------------------------------------------------

    def _behind(self) -> Diagnostic | None:
        """A value has ended and cannot go on like this."""
        if not self.operator or self.before is None:
            return None
        here, found = self.here, self.found()
        conditional = "write `if c then a else b`"
        if here.text == "=":
            return self._equals()
        if "THEN" in self.accepted:
            return self.say("expected `then` behind the condition", found, conditional)
        if "ELSE" in self.accepted and (self.ended or here.text in (")", "]", ",", "}", ":", "else", "for")):
            return self.say("expected `else`", found, f"every `if` has both branches: {conditional}")
        if here.text == "if":
            return self.say(self.expected(), found, "the condition comes first: `if c then a else b`")
        if here.text in ("then", "else"):
            return self.say(f"`{here.text}` without `if`", "", conditional)
        if here.text == ",":
            return self._comma()
        if here.text == ":":
            return self.say(self.expected(), found, conditional if "if" in self.first else SLICE)
        if here.text == "not":
            return self.say(self.expected(), found, "write `a and not b`, or `a != b`")
        if here.kind in ("number", "name") or here.text == "(":
            return self._two_values()
        return None

    def _equals(self) -> Diagnostic:
        """A second `=` in a statement, or one in an expression."""
        words = self.words
        if self.top in ("(", "[") or self.accepted & {"THEN", "ELSE"}:
            return self.say("unexpected `=`", "an expression gives no names", "`==` compares")
        line = [w for w in words if w.text == "="]
        if line and words[-1].kind == "name" and words[-2].text == "=":
            hint = "write one statement a name, or `==` to compare"
            return self.say("a statement has one `=`", "this is a second one", hint)
        return self.say(
            "unexpected `=`", "an expression gives no names", "`==` compares; a new statement needs a new line"
        )

    def _comma(self) -> Diagnostic | None:
        if self.top == "(":
            return self.say("parentheses hold one expression", "found a second one")
        if any(word.text == "=" for word in self.words) and self.first not in KEYWORDS:
            return self.say("a statement gives one value", "found a second one", "write one statement a value")
        return None

    def _two_values(self) -> Diagnostic:
        """Two values with nothing between them."""
        here, before = self.here, self.before
        assert before is not None
        second = word_at(self.source.text, here.end)
        if before.text == "lambda":
            return self.say("unknown notation `lambda`", "", STATEMENTS["lambda"], at=before)
        for left, right in pairwise(self.words):
            if left.kind in ("name", "number") and right.text == "//" and before.kind == "name":
                return self.say(self.expected(), self.found(), "a comment starts with `#`; `//` divides")
        if here.kind == "name" and second.text == "=" and not self.place.open:
            hint = "statements are separated by a line end or `;`"
            return self.say("expected the end of the statement", self.found(), hint)
        if before.text in TABLE.functions and here.kind in ("name", "number") and len(here.text) <= 20:
            hint = f"write `{before.text}({here.text})`: a function's arguments stand in parentheses"
        elif len(before.text) > 20 or len(here.text) > 20 or before.text in CLOSING or here.text == "(":
            hint = "write `*` for a product"
        else:
            hint = f"write `{before.text}*{here.text}` for a product"
        if self.top == "[" and len(before.text) <= 20 and len(here.text) <= 20 and before.text not in CLOSING:
            hint = f"write `{before.text}, {here.text}` for two items, `{before.text}*{here.text}` for a product"
        if self.top == "[" or self.place.called:
            return self.say("expected `,` or an operator", self.found(), hint)
        return self.say("expected an operator", self.found(), hint)
