"""What the messages about mistakes say, as far as it stands in tables; and the builder's own refusals."""

from __future__ import annotations

import re

from gradc.errors import Diagnostic, located
from gradc.source import Source
from gradc.syntax.tree import MAX_DEPTH
from gradc.syntax.words import word_at

# The terminals that an expression may begin with.
EXPRESSION = {"NUMBER", "NAME", "LPAR", "LSQB", "SIGN", "IF", "NOT"}

# What other terminals are called, in the order in which they are named.
NAMED = {
    "_EQUALS": "`=`", "ARROW": "`=>`", "COLON": "`:`", "THEN": "`then`", "ELSE": "`else`", "RETURN": "`return`",
    "STRING": "a file name in quotes", "COMMA": "`,`", "LPAR": "`(`", "RPAR": "`)`",
    "RSQB": "`]`", "LBRACE": "`{`", "RBRACE": "`}`", "DOTS": "`..`", "FOR": "`for`", "IN": "`in`",
    "LABEL": "a name in brackets", "_END": "the end of the statement", "$END": "the end of the text",
}  # fmt: skip

BINARY = frozenset(["+", "-", "*", "/", "//", "%", "@", "^", "**", "<", ">", "<=", ">=", "==", "!=", "and", "or"])

# Operators of other languages.
FOREIGN = {
    "&&": "write `and`", "&": "write `and`", "||": "write `or`", "===": "write `==`", "<>": "write `!=`",
    "~": "write `not`", "=<": "write `<=`", "=>": "write `>=`", "->": "a function is written `fn f(x) = …`",
    "/*": "a comment starts with `#`",
    "\\": "inside parentheses a statement may go on in the next line", "?": "write `if c then a else b`",
    "'": "text stands in double quotes; a derivative is written `grad(y, x)`", "|": "write `abs(x)`, or `or`",
    "$": "the language has no such sign", "`": "the language has no such sign", "**=": "", "...": "write all of it",
}  # fmt: skip

SLICE = "a slice `a:b` stands in the brackets of a subscript"

# First words of statements of other languages.
USE = 'another file is brought in by `use "file.grad"`'
STATEMENTS = {
    "def": "a function is written `fn f(x) = …`", "function": "a function is written `fn f(x) = …`",
    "func": "a function is written `fn f(x) = …`", "fun": "a function is written `fn f(x) = …`",
    "let": "a value is named without a keyword: `y = …`", "var": "a value is named without a keyword: `y = …`",
    "const": "a value is named without a keyword: `y = …`", "val": "a value is named without a keyword: `y = …`",
    "auto": "a value is named without a keyword: `y = …`", "double": "a value is named without its type: `y = …`",
    "float": "a value is named without its type: `y = …`", "int": "a value is named without its type: `y = …`",
    "import": USE, "from": USE, "include": USE, "print": "results are shown by `output name`",
    "class": "the language has functions and values only", "elif": "write `if c then a else if d then b else c`",
    "parameter": "write `param`", "lambda": "a function is written `fn f(x) = …`",
}  # fmt: skip


def chained(source: Source, at: int) -> Diagnostic:
    """``a < b < c``; ``at`` is the second comparison."""
    text = source.text
    message = "comparisons do not chain"
    hint = "write `a < b and b < c`"
    line = text[max(0, at - 80, text.rfind("\n", 0, at) + 1) : at]
    simple = re.search(r"([\w.]+)[ \t]*([<>=!]=|<|>)[ \t]*([\w.]+)[ \t]*$", line)
    after = re.match(r"([<>=!]=|<|>)[ \t]*([\w.]+)", text[at : at + 80])
    if simple and after and len(simple.group()) < 60:
        left, first, middle = simple.groups()
        hint = f"write `{left} {first} {middle} and {middle} {after.group(1)} {after.group(2)}`"
    end = word_at(text, at).end
    return located("E0306", message, source, at, end, "a second comparison of the same value", [hint])


def not_a_gradient(source: Source, at: int) -> Diagnostic:
    """A line of a gradients file that begins with another name than ``d``."""
    end = word_at(source.text, at).end
    hint = "a line of this file reads `d f(x) = …`"
    return located("E0101", f"expected `d`, found `{source.text[at:end]}`", source, at, end, "", [hint])


def no_elements(source: Source, at: int) -> Diagnostic:
    """``2[i]``; ``at`` is behind the number."""
    bracket = word_at(source.text, at)
    return located("E0101", "a number has no elements", source, bracket.start, bracket.end, "subscript of a number")


def no_parts(source: Source, at: int) -> Diagnostic:
    """``2.5.T``; ``at`` is the point behind the number."""
    end = word_at(source.text, at + 1).end
    return located("E0101", "a number has no attributes", source, at, end, "attribute of a number")


def too_deep(source: Source, at: int) -> Diagnostic:
    """A block with too many blocks in each other; ``at`` is its first word."""
    word = word_at(source.text, at)
    hints = ["make the inner blocks a function"]
    return located("E0703", f"blocks nest more than {MAX_DEPTH} deep", source, at, word.end, "holds them all", hints)


def empty_block(source: Source, at: int) -> Diagnostic:
    """``{ }`` behind the head of a loop, an ``if`` or an ``else``."""
    end = word_at(source.text, at + 1)
    while end.kind == "end" and end.text:
        end = word_at(source.text, end.end)
    hints = ["give a name a value in it, or leave the statement out"]
    return located("E0101", "an empty block does nothing", source, at, end.end, "no statement", hints)
