"""From text to syntax tree: text to tokens, tokens to nodes.

Lark reads `grammar/grad.lark` and makes the tables; ``Builder`` makes a node at every reduction, so that there is no
tree in between. Nothing here recurses: the parser is a loop over a stack of its own. What explains mistakes is
imported when there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from lark import Token, UnexpectedInput
from lark.lark import PostLex

from gradc import cache
from gradc.errors import CompileError, Diagnostic
from gradc.source import Source, canonical
from gradc.syntax import tree
from gradc.syntax.refused import Refused

if TYPE_CHECKING:
    from lark import Lark

MAX_ERRORS = 20
"""So many syntax errors are reported of one text; what follows them is rarely news."""


MAX_WORDS = 10_000_000
"""More words than this are not read: they would make more nodes than a graph may have, after minutes and gigabytes."""


# Characters that no text may hold, not even in a comment: NUL and halves of surrogate pairs, which other tools stumble
# over, and marks that make a line look different from what it says.
_FORBIDDEN = re.compile("[\0\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _refuse_forbidden(source: Source) -> None:
    text = source.text
    if text.isascii() and "\0" not in text:
        return
    from gradc.syntax.spelling import forbidden

    found = []
    for match in _FORBIDDEN.finditer(text):
        found.append(forbidden(source, match.start()))
        if len(found) == MAX_ERRORS:
            break
    if found:
        raise CompileError(found)


# From tokens to nodes ------------------------------------------------------------------------------------------------


_DEPTH = {"LPAR": 1, "RPAR": -1, "LSQB": 1, "RSQB": -1}


class _LineEnds(PostLex):
    """Drops the line ends inside parentheses and brackets, where they are white space."""

    always_accept = ("_END",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth = 0
        for count, token in enumerate(stream):
            kind = token.type
            if count == MAX_WORDS:
                hints = ("programs of this size are built with `gradc.Builder`, without a text",)
                raise CompileError(Diagnostic("E0702", f"the text has more than {MAX_WORDS:,} words", hints=hints))
            if kind in _DEPTH:
                depth += _DEPTH[kind]
            elif depth > 0 and kind == "_END" and ";" not in token.partition("#")[0]:
                continue
            yield token


@lru_cache(maxsize=4096)
def _name(text: str) -> str:
    """The canonical form of a name that is not plain ASCII; a ValueError says where it holds what is no letter."""
    from gradc.syntax.spelling import no_letter

    place = no_letter(text)
    if place is not None:
        raise ValueError(place)
    return canonical(text)


def _depth(keyword: Token, body: tuple[tree.Statement, ...]) -> int:
    """How deep a block with this body nests; one that nests too deep is refused."""
    depth = 1 + max([each.depth for each in body if isinstance(each, tree.Block)], default=0)
    if depth > tree.MAX_DEPTH:
        assert keyword.start_pos is not None
        raise Refused(keyword.start_pos, "deep")
    return depth


class Builder:
    """Makes nodes as the parser reduces. Every method is named by a terminal, a rule or an alias of the grammar."""

    @staticmethod
    def NUMBER(token: Token) -> tree.Number:  # noqa: N802
        """A literal; one that is too large for a float is refused."""
        assert token.start_pos is not None
        assert token.end_pos is not None
        text = token.replace("_", "")
        value = float(text)
        if value == float("inf"):
            raise Refused(token.start_pos, "too large")
        # int() refuses thousands of digits, but so many that are not leading zeros are too large anyway.
        integer = int(text.lstrip("0") or "0") if text.isdigit() else None
        return tree.Number(token.start_pos, token.end_pos, value, integer)

    @staticmethod
    def NAME(token: Token) -> tree.Name:  # noqa: N802
        """A name, in its canonical form and as written."""
        assert token.start_pos is not None
        assert token.end_pos is not None
        text = str(token)
        if text.isascii():
            return tree.Name(token.start_pos, token.end_pos, text, text)
        try:
            return tree.Name(token.start_pos, token.end_pos, _name(text), text)
        except ValueError as error:
            raise Refused(token.start_pos + error.args[0], "character") from None

    @staticmethod
    def first(parts: list[Any]) -> list[Any]:
        """A list of one."""
        return parts

    @staticmethod
    def later(parts: list[Any]) -> list[Any]:
        """A list with one more."""
        parts[0].append(parts[1])
        result: list[Any] = parts[0]
        return result

    @staticmethod
    def whole(parts: list[Any]) -> list[Any]:
        """The lines of a file, which may be none."""
        return parts[0] or []

    program = gradients = rewrites = whole

    @staticmethod
    def formula(parts: list[Any]) -> Any:
        """An expression on its own."""
        return parts[0]

    @staticmethod
    def declaration(parts: list[Any]) -> tree.Declaration:
        """``input x = 3, y``."""
        keyword, items = parts
        return tree.Declaration(keyword.start_pos, items[-1].end, str(keyword), items)

    @staticmethod
    def declared(parts: list[Any]) -> tree.Declared:
        """``n: int = 3`` or ``X[n, d] = 0``."""
        name, shape, dtype, default = parts
        sizes, close = shape or (None, name.end)
        last = default or dtype
        return tree.Declared(name.start, last.end if last else close, name, dtype, default, sizes)

    @staticmethod
    def shape(parts: list[Any]) -> tuple[list[tree.Expr], int]:
        """``[n, d]`` behind a declared name, and where it ends."""
        sizes, close = parts
        return sizes, close.end_pos

    @staticmethod
    def output(parts: list[Any]) -> tree.Output:
        """``output a, b``."""
        keyword, names = parts
        return tree.Output(keyword.start_pos, names[-1].end, names)

    @staticmethod
    def use(parts: list[Any]) -> tree.Use:
        """``use "path"``."""
        keyword, path = parts
        return tree.Use(keyword.start_pos, path.end_pos, str(path)[1:-1], path.start_pos, path.end_pos)

    @staticmethod
    def assign(parts: list[Any]) -> tree.Assign:
        """``q, r = expr``."""
        targets, value = parts
        return tree.Assign(targets[0].start, value.end, targets, value)

    @staticmethod
    def index_assign(parts: list[Any]) -> tree.IndexAssign:
        """``C[i, j] = expr for i in 0..n if condition``."""
        target, indices, value, ranges = parts
        binders, condition, end = ranges or ([], None, value.end)
        return tree.IndexAssign(target.start, end, target, indices, value, binders, condition)

    @staticmethod
    def for_loop(parts: list[Any]) -> tree.For:
        """``for t in 0..n checkpoint 10 { statements }``."""
        keyword, index, _, first, _, stop, option, (body, end) = parts
        checkpoint, segments = option or (False, None)
        depth = _depth(keyword, body)
        return tree.For(keyword.start_pos, end, index, first, stop, checkpoint, segments, body, depth)

    @staticmethod
    def while_loop(parts: list[Any]) -> tree.While:
        """``while c checkpoint { statements }``."""
        keyword, test, option, (body, end) = parts
        checkpoint, segments = option or (False, None)
        return tree.While(keyword.start_pos, end, test, checkpoint, segments, body, _depth(keyword, body))

    @staticmethod
    def checkpoint(parts: list[Any]) -> tuple[bool, tree.Expr | None]:
        """That a loop is checkpointed, and how many of its steps are kept if that is said."""
        return True, parts[1]

    @staticmethod
    def if_block(parts: list[Any]) -> tree.IfBlock:
        """``if c { statements } else { statements }``."""
        keyword, test, (then, end), otherwise = parts
        other, end = otherwise or ((), end)
        return tree.IfBlock(keyword.start_pos, end, test, then, other, _depth(keyword, then + other))

    @staticmethod
    def other_block(parts: list[Any]) -> tuple[tuple[tree.Statement, ...], int]:
        """``else { statements }``."""
        result: tuple[tuple[tree.Statement, ...], int] = parts[1]
        return result

    @staticmethod
    def other_if(parts: list[Any]) -> tuple[tuple[tree.Statement, ...], int]:
        """``else if c { statements }``."""
        return (parts[1],), parts[1].end

    @staticmethod
    def block(parts: list[Any]) -> tuple[tuple[tree.Statement, ...], int]:
        """The statements in braces, and where these end."""
        opened, body, close = parts
        if not body:
            raise Refused(opened.start_pos, "empty")
        return tuple(body), close.end_pos

    @staticmethod
    def short_function(parts: list[Any]) -> tree.FunctionDef:
        """``fn f(x) = expr``."""
        keyword, name, parameters, value = parts
        return tree.FunctionDef(keyword.start_pos, value.end, name, parameters or [], [], [value])

    @staticmethod
    def function(parts: list[Any]) -> tree.FunctionDef:
        """``fn f(x) { statements; return results }``."""
        keyword, name, parameters, body, _, results, close = parts
        return tree.FunctionDef(keyword.start_pos, close.end_pos, name, parameters or [], body or [], results)

    @staticmethod
    def parameter(parts: list[Any]) -> tree.Parameter:
        """``sigma = 1``."""
        name, default = parts
        return tree.Parameter(name.start, (default or name).end, name, default)

    @staticmethod
    def derivative(parts: list[Any]) -> tree.DerivativeDef:
        """``derivative f(x, y) = partials``."""
        keyword, name, parameters, partials = parts
        return tree.DerivativeDef(keyword.start_pos, partials[-1].end, name, parameters or [], partials)

    @staticmethod
    def conditional(parts: list[Any]) -> tree.Conditional:
        """``if test then a else b``."""
        keyword, test, _, then, _, other = parts
        return tree.Conditional(keyword.start_pos, other.end, test, then, other)

    @staticmethod
    def unary(parts: list[Any]) -> tree.Unary:
        """``-x``, ``+x``, ``not x``."""
        sign, operand = parts
        return tree.Unary(sign.start_pos, operand.end, str(sign), operand)

    @staticmethod
    def binary(parts: list[Any]) -> tree.Binary:
        """``a + b`` and its kin."""
        left, op, right = parts
        return tree.Binary(left.start, right.end, "^" if op == "**" else str(op), left, right, op.start_pos)

    @staticmethod
    def chained(parts: list[Any]) -> tree.Binary:
        """``a < b < c``, which is refused."""
        raise Refused(parts[3].start_pos, "chained")

    @staticmethod
    def call(parts: list[Any]) -> tree.Call:
        """``f(a, b = c)``."""
        name, arguments, close = parts
        return tree.Call(name.start, close.end_pos, name, arguments or [])

    @staticmethod
    def argument(parts: list[Any]) -> tree.Argument:
        """An argument given by its place."""
        value = parts[0]
        return tree.Argument(value.start, value.end, None, value)

    @staticmethod
    def keyword_argument(parts: list[Any]) -> tree.Argument:
        """An argument given by its name."""
        name, value = parts
        return tree.Argument(name.start, value.end, name, value)

    @staticmethod
    def reduction(parts: list[Any]) -> tree.Call:
        """``f(body for i)``."""
        name, body, (binders, condition, end), close = parts
        value = tree.Comprehension(body.start, end, body, binders, condition)
        return tree.Call(name.start, close.end_pos, name, [tree.Argument(body.start, end, None, value)])

    @staticmethod
    def array(parts: list[Any]) -> tree.ArrayLiteral:
        """``[a, b, c]``."""
        opened, items, close = parts
        return tree.ArrayLiteral(opened.start_pos, close.end_pos, items)

    @staticmethod
    def comprehension(parts: list[Any]) -> tree.Comprehension:
        """``[body for i]``; that it starts before its body tells it from the one of a call."""
        opened, body, (binders, condition, _), close = parts
        return tree.Comprehension(opened.start_pos, close.end_pos, body, binders, condition)

    @staticmethod
    def ranges(parts: list[Any]) -> tuple[list[tree.Binder], tree.Expr | None, int]:
        """``for i, j in 0..n if condition``: indices, condition, and where they end."""
        _, binders, _, condition = parts
        return binders, condition, (condition or binders[-1]).end

    @staticmethod
    def binder(parts: list[Any]) -> tree.Binder:
        """``i`` or ``i in 0..n``."""
        name, _, lower, _, upper = parts
        return tree.Binder(name.start, (upper or name).end, name, lower, upper)

    @staticmethod
    def subscript(parts: list[Any]) -> tree.Subscript:
        """``x[i, 1:]``."""
        value, items, close = parts
        if isinstance(value, tree.Number):
            raise Refused(value.end, "elements")
        return tree.Subscript(value.start, close.end_pos, value, items)

    @staticmethod
    def slice(parts: list[Any]) -> tree.Slice:
        """``lower:upper:step``, each part optional."""
        lower, colon, upper, second, step = parts
        start = colon.start_pos if lower is None else lower.start
        last = step or (None if second else upper)
        end = last.end if last else (second or colon).end_pos
        return tree.Slice(start, end, lower, upper, step)

    @staticmethod
    def attribute(parts: list[Any]) -> tree.Attribute:
        """``X.T``."""
        value, point, name = parts
        if isinstance(value, tree.Number):
            raise Refused(point.start_pos, "parts")
        return tree.Attribute(value.start, name.end, value, name)

    @staticmethod
    def parenthesised(parts: list[Any]) -> tree.Node:
        """``(expr)``: the expression, which from now on reaches over its parentheses."""
        opened, inner, close = parts
        node: tree.Node = inner
        node.start = opened.start_pos
        node.end = close.end_pos
        return node

    @staticmethod
    def gradient(parts: list[Any]) -> tree.GradientRule:
        """``d pattern = partials``."""
        letter, pattern, partials = parts
        if letter.id != "d":
            raise Refused(letter.start, "gradient")
        return tree.GradientRule(letter.start, partials[-1].end, pattern, partials)

    @staticmethod
    def rewrite(parts: list[Any]) -> tree.RewriteRule:
        """``[name] pattern => replacement if guard``."""
        label, pattern, replacement, _, guard = parts
        start = pattern.start if label is None else label.start_pos
        name = "" if label is None else str(label)[1:-1].strip()
        return tree.RewriteRule(start, (guard or replacement).end, name, pattern, replacement, guard)


# Parsing -------------------------------------------------------------------------------------------------------------

_STARTS = ["program", "formula", "gradients", "rewrites"]
_lock = Lock()
_made: list[Lark] = []


def _parser() -> Lark:
    """The parser, made or read from the cache when it is first needed. It keeps no state between calls."""
    if not _made:
        with _lock:
            if not _made:
                _made.append(cache.lark("grad.lark", start=_STARTS, transformer=Builder(), postlex=_LineEnds()))
    return _made[0]


def _parse(source: Source, start: str) -> Any:
    _refuse_forbidden(source)
    parser = _parser()
    try:
        return parser.parse(source.text, start=start)
    except (UnexpectedInput, Refused) as error:
        first = error
    raise CompileError(_errors(source, start, first))


def _errors(source: Source, start: str, error: UnexpectedInput | Refused) -> list[Diagnostic]:
    """All the mistakes that can be told apart: after each one the parser starts again behind its statement."""
    from gradc.syntax.recovery import Recovery

    recovery = Recovery(source, start)
    found: list[Diagnostic] = []
    failure: UnexpectedInput | Refused | None = error
    while failure is not None:
        found.append(recovery.explain(failure))
        if len(found) == MAX_ERRORS or not recovery.rest:
            break
        try:
            failure = None
            _parser().parse(recovery.rest, start=start)
        except (UnexpectedInput, Refused) as next_error:
            failure = next_error
    return found


def parse_program(source: Source) -> tree.Program:
    """The program's statements, or a CompileError with every syntax error that can be told apart."""
    return tree.Program(_parse(source, "program"))


def parse_expression(source: Source) -> tree.Expr:
    """The one expression that the text is."""
    result: tree.Expr = _parse(source, "formula")
    return result


def parse_gradients(source: Source) -> list[tree.GradientRule]:
    """The rules of a file of local gradients."""
    result: list[tree.GradientRule] = _parse(source, "gradients")
    return result


def parse_rewrites(source: Source) -> list[tree.RewriteRule]:
    """The rules of a file of rewrites."""
    result: list[tree.RewriteRule] = _parse(source, "rewrites")
    return result
