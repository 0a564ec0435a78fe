"""The syntax tree: what the parser makes of a text and ``lower`` turns into a graph.

Every node knows the offsets ``start`` and ``end`` of the text that it was read from. Trees may be deep (a sum of 10^5
terms leans 10^5 to the left), so nothing that reads them recurses.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Node:
    """A stretch of the source text."""

    start: int
    end: int


# Expressions ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Number(Node):
    """A literal. ``integer`` is its exact value where it is written without point or exponent."""

    value: float
    integer: int | None


@dataclass(slots=True, eq=False)
class Name(Node):
    """A name; ``id`` is its canonical form, by which it is compared, ``shown`` the form written."""

    id: str
    shown: str


@dataclass(slots=True, eq=False)
class Unary(Node):
    """``op`` is ``-``, ``+`` or ``not``."""

    op: str
    operand: Expr


@dataclass(slots=True, eq=False)
class Binary(Node):
    """``op`` is an arithmetic, comparison or boolean operator; ``**`` is read as ``^``. ``at`` is the operator's
    offset.
    """

    op: str
    left: Expr
    right: Expr
    at: int


@dataclass(slots=True, eq=False)
class Conditional(Node):
    """``if test then then else other``."""

    test: Expr
    then: Expr
    other: Expr


@dataclass(slots=True, eq=False)
class Argument(Node):
    """An argument of a call, with the keyword it was given by."""

    keyword: Name | None
    value: Expr


@dataclass(slots=True, eq=False)
class Call(Node):
    """``function(arguments)``; also ``grad``, ``where`` and their kin, which lowering tells apart."""

    function: Name
    arguments: list[Argument]


Expr = Number | Name | Unary | Binary | Conditional | Call


# Statements ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Declared(Node):
    """One item of a declaration: ``x``, ``x = 3`` or ``n: int = 3``."""

    name: Name
    dtype: Name | None
    default: Expr | None


@dataclass(slots=True, eq=False)
class Declaration(Node):
    """``input …`` or ``param …``."""

    kind: str
    items: list[Declared]


@dataclass(slots=True, eq=False)
class Assign(Node):
    """``a = expr`` or ``q, r = expr``."""

    targets: list[Name]
    value: Expr


@dataclass(slots=True, eq=False)
class Output(Node):
    """``output a, b``."""

    names: list[Name]


@dataclass(slots=True, eq=False)
class Parameter(Node):
    """A parameter of a function, with its default."""

    name: Name
    default: Expr | None


@dataclass(slots=True, eq=False)
class FunctionDef(Node):
    """``fn name(parameters) = results`` (an empty body) or ``fn name(parameters) { body; return results }``."""

    name: Name
    parameters: list[Parameter]
    body: list[Statement]
    results: list[Expr]


@dataclass(slots=True, eq=False)
class DerivativeDef(Node):
    """``derivative name(parameters) = partials``, one expression a parameter."""

    name: Name
    parameters: list[Name]
    partials: list[Expr]


@dataclass(slots=True, eq=False)
class Use(Node):
    """``use "path"``; ``path`` is the text between the quotes, ``start`` and ``end`` are the whole statement's."""

    path: str
    path_start: int
    path_end: int


Statement = Declaration | Assign | Output | FunctionDef | DerivativeDef | Use


@dataclass(slots=True, eq=False)
class Program:
    """The statements of a file."""

    statements: list[Statement] = field(default_factory=list)


# Rule files ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class GradientRule(Node):
    """``d pattern = partials``: the local gradients of an operator, one an operand."""

    pattern: Expr
    partials: list[Expr]


@dataclass(slots=True, eq=False)
class RewriteRule(Node):
    """``pattern => replacement`` or ``pattern => replacement if guard``; ``name`` from a ``[name]`` before it."""

    name: str
    pattern: Expr
    replacement: Expr
    guard: Expr | None
