"""Syntax trees as text: what is written reads back as the same tree. And texts written in other ways."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from gradc.syntax import parse, tree

# How tightly operators bind; what binds less tightly stands in parentheses.
_BINARY = {
    "or": 1, "and": 2, "<": 4, ">": 4, "<=": 4, ">=": 4, "==": 4, "!=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "//": 6,
    "%": 6, "@": 6, "^": 8,
}  # fmt: skip
_ATOM = 9


def written(program: tree.Program) -> str:
    """The text of a program."""
    return "\n".join(_lines(program.statements, 0)) + "\n"


def expression(node: tree.Node, least: int = 0) -> str:
    """The text of an expression that stands where only what binds as tightly as ``least`` may."""
    text, binds = _expression(node)
    return text if binds >= least else f"({text})"


def _expression(node: tree.Node) -> tuple[str, int]:
    if isinstance(node, tree.Number):
        return (str(node.integer) if node.integer is not None else repr(node.value)), _ATOM
    if isinstance(node, tree.Name):
        return node.shown, _ATOM
    if isinstance(node, tree.Unary):
        if node.op == "not":
            return f"not {expression(node.operand, 3)}", 3
        return f"{node.op}{expression(node.operand, 7)}", 7
    if isinstance(node, tree.Binary):
        own = _BINARY[node.op]
        # A power leans to the right and takes an atom on its left; comparisons do not chain.
        left, right = (_ATOM, 7) if node.op == "^" else (own + 1, own + 1) if own == 4 else (own, own + 1)
        return f"{expression(node.left, left)} {node.op} {expression(node.right, right)}", own
    if isinstance(node, tree.Conditional):
        parts = [expression(part, least) for part, least in ((node.test, 1), (node.then, 1), (node.other, 0))]
        return "if {} then {} else {}".format(*parts), 0
    if isinstance(node, tree.Call):
        return f"{node.function.shown}({', '.join(map(_argument, node.arguments))})", _ATOM
    if isinstance(node, tree.ArrayLiteral):
        return f"[{_list(node.items)}]", _ATOM
    if isinstance(node, tree.Subscript):
        return f"{expression(node.value, _ATOM)}[{', '.join(map(_item, node.items))}]", _ATOM
    if isinstance(node, tree.Attribute):
        return f"{expression(node.value, _ATOM)}.{node.name.shown}", _ATOM
    assert isinstance(node, tree.Comprehension), node
    return f"[{comprehended(node)}]", _ATOM


def comprehended(node: tree.Comprehension) -> str:
    """A comprehension without its brackets."""
    return expression(node.body) + _clauses(node.binders, node.condition)


def _argument(argument: tree.Argument) -> str:
    keyword = f"{argument.keyword.shown}=" if argument.keyword else ""
    if isinstance(argument.value, tree.Comprehension) and not _bracketed(argument.value):
        return keyword + comprehended(argument.value)
    return keyword + expression(argument.value)


def _bracketed(node: tree.Comprehension) -> bool:
    """Whether brackets stand around it: then it begins before its body."""
    return node.start < node.body.start


def _clauses(binders: Sequence[tree.Binder], condition: tree.Expr | None) -> str:
    texts = []
    for binder in binders:
        between = (
            f" in {expression(binder.lower, 5)}..{expression(binder.upper, 5)}" if binder.lower and binder.upper else ""
        )
        texts.append(binder.name.shown + between)
    return (f" for {', '.join(texts)}" if texts else "") + (f" if {expression(condition)}" if condition else "")


def _item(item: tree.Node) -> str:
    if not isinstance(item, tree.Slice):
        return expression(item)
    lower, upper, step = (expression(part, 5) if part else "" for part in (item.lower, item.upper, item.step))
    return f"{lower}:{upper}" + (f":{step}" if item.step else "")


def _list(nodes: Sequence[tree.Node]) -> str:
    return ", ".join(map(expression, nodes))


def _lines(statements: Sequence[tree.Statement], depth: int) -> Iterator[str]:
    for statement in statements:
        for line in _statement(statement):
            yield "  " * depth + line


def _statement(node: tree.Statement) -> Iterator[str]:
    if isinstance(node, tree.Declaration):
        yield f"{node.kind} {', '.join(map(_declared, node.items))}"
    elif isinstance(node, tree.Assign):
        yield f"{', '.join(name.shown for name in node.targets)} = {expression(node.value)}"
    elif isinstance(node, tree.IndexAssign):
        clauses = _clauses(node.binders, node.condition)
        yield f"{node.target.shown}[{_list(node.indices)}] = {expression(node.value)}{clauses}"
    elif isinstance(node, tree.Output):
        yield f"output {', '.join(name.shown for name in node.names)}"
    elif isinstance(node, tree.FunctionDef):
        given = ", ".join(
            each.name.shown + (f" = {expression(each.default)}" if each.default else "") for each in node.parameters
        )
        head = f"fn {node.name.shown}({given})"
        if not node.body and len(node.results) == 1:
            yield f"{head} = {expression(node.results[0])}"
            return
        yield f"{head} {{"
        yield from _lines(node.body, 1)
        yield f"  return {_list(node.results)}"
        yield "}"
    elif isinstance(node, tree.DerivativeDef):
        given = ", ".join(name.shown for name in node.parameters)
        yield f"derivative {node.name.shown}({given}) = {_list(node.partials)}"
    elif isinstance(node, tree.Use):
        yield f'use "{node.path}"'
    elif isinstance(node, tree.IfBlock):
        yield from _branches(node)
    else:
        if isinstance(node, tree.For):
            head = f"for {node.index.shown} in {expression(node.first, 5)}..{expression(node.stop, 5)}"
        else:
            head = f"while {expression(node.test)}"
        segments = f" {expression(node.segments)}" if node.segments else ""
        yield f"{head}{f' checkpoint{segments}' if node.checkpoint else ''} {{"
        yield from _lines(node.body, 1)
        yield "}"


def _branches(node: tree.IfBlock) -> Iterator[str]:
    yield f"if {expression(node.test)} {{"
    yield from _lines(node.then, 1)
    if len(node.other) == 1 and isinstance(node.other[0], tree.IfBlock):
        first, *rest = _branches(node.other[0])
        yield f"}} else {first}"
        yield from rest
        return
    if node.other:
        yield "} else {"
        yield from _lines(node.other, 1)
    yield "}"


def _declared(item: tree.Declared) -> str:
    shape = f"[{_list(item.shape)}]" if item.shape is not None else ""
    dtype = f": {item.dtype.shown}" if item.dtype else ""
    return f"{item.name.shown}{shape}{dtype}" + (f" = {expression(item.default)}" if item.default else "")


def children(node: Any) -> list[Any]:
    """The nodes right below one."""
    found: list[Any] = []
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        found += [
            each for each in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(each, tree.Node)
        ]
    return found


def outline(node: Any) -> Any:
    """What a tree says, without where it stands in its text."""
    if isinstance(node, (list, tuple)):
        return [outline(each) for each in node]
    if not hasattr(node, "__dataclass_fields__"):
        return repr(node)
    skipped = ("start", "end", "at", "path_start", "path_end", "depth")
    return [
        type(node).__name__,
        *(outline(getattr(node, name)) for name in node.__dataclass_fields__ if name not in skipped),
    ]


def restyled(text: str, r: random.Random) -> str:
    """The same program with commas, line ends, braces and spaces wherever they may stand."""
    tokens = list(parse._parser().parse_interactive(text, start="program").iter_parse())
    kinds = ["", *(token.type for token in tokens), ""]
    pieces = [r.choice(["", "\n", "# a program\n"])]
    # The brackets that are open: what stands before them, and whether a comma may stand at the end.
    opened: list[tuple[str, bool]] = []
    closed = ""
    for before, token, behind in zip(kinds, tokens, kinds[2:], strict=False):
        kind, piece = token.type, str(token)
        if kind in ("LPAR", "LSQB"):
            heads = {kinds[at] for at in range(max(len(pieces) - 2, 0), len(pieces))}
            head = "FN" if "FN" in heads else "NAME" if before == "NAME" or kind == "LSQB" else ""
            opened.append((head, head != "" and behind not in ("RPAR", "RSQB")))
        elif kind == "FOR" and opened:
            opened[-1] = (opened[-1][0], False)
        elif kind in ("RPAR", "RSQB"):
            closed, comma = opened.pop()
            piece = r.choice(["", ","]) + piece if comma else piece
        elif kind == "POWER":
            piece = r.choice(["^", "**"])
        elif kind == "LBRACE" and before == "RPAR" and closed == "FN":
            piece = r.choice(["{", "= {"])
        elif kind == "_END":
            ends = ["\n", "\n", "; ", "\n\n# there\n"]
            piece = r.choice([*ends, " ", " "] if before == "LBRACE" or behind in ("RBRACE", "") else ends)
        elif kind == "ELSE_BLOCK":
            piece = r.choice([" else ", "\nelse ", "\n# or\n  else "])
        pieces.append(piece)
    return " ".join(pieces)
