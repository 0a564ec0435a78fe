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


# Arrays --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class ArrayLiteral(Node):
    """``[a, b, c]``, whose items may be arrays again. The text allows no empty one."""

    items: list[Expr]


@dataclass(slots=True, eq=False)
class Slice(Node):
    """``start:stop:step`` inside the brackets of a subscript, each part optional; ``:`` is a whole axis."""

    lower: Expr | None
    upper: Expr | None
    step: Expr | None


@dataclass(slots=True, eq=False)
class Subscript(Node):
    """``value[items]``: elements, rows and slices, one item an axis from the left; axes without one are whole."""

    value: Expr
    items: list[Expr | Slice]


@dataclass(slots=True, eq=False)
class Attribute(Node):
    """``value.name``; the one attribute of the language is ``.T``, the transpose."""

    value: Expr
    name: Name


@dataclass(slots=True, eq=False)
class Binder(Node):
    """``i`` or ``i in lower..upper`` behind ``for``: an index and, where it is given, its half-open range."""

    name: Name
    lower: Expr | None
    upper: Expr | None


@dataclass(slots=True, eq=False)
class Comprehension(Node):
    """``body for i, j in 0..n if condition``, in brackets an array and as a call's one argument a reduction."""

    body: Expr
    binders: list[Binder]
    condition: Expr | None


Expr = Number | Name | Unary | Binary | Conditional | Call | ArrayLiteral | Subscript | Attribute | Comprehension


# Statements ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Declared(Node):
    """One item of a declaration: ``x``, ``x = 3``, ``n: int = 3`` or ``X[n, d]``; ``shape`` is None for a scalar."""

    name: Name
    dtype: Name | None
    default: Expr | None
    shape: list[Expr] | None = None


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
class IndexAssign(Node):
    """``C[i, j] = value`` or ``C[i, j] = value for i in 0..n, j in 0..m if condition``."""

    target: Name
    indices: list[Expr]
    value: Expr
    binders: list[Binder]
    condition: Expr | None


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


# Blocks --------------------------------------------------------------------------------------------------------------

MAX_DEPTH = 100
"""So many blocks may stand in each other, an ``else if`` in the ``if`` before it: recursion over them is safe."""


@dataclass(slots=True, eq=False)
class For(Node):
    """``for index in first..stop { body }``, a half-open range; ``checkpoint`` says that the word stands behind it,
    ``segments`` the number behind that.

    ``depth`` is how many blocks stand in each other here, this one included; at most ``MAX_DEPTH``.
    """

    index: Name
    first: Expr
    stop: Expr
    checkpoint: bool
    segments: Expr | None
    body: tuple[Statement, ...]
    depth: int


@dataclass(slots=True, eq=False)
class While(Node):
    """``while test { body }``, with ``checkpoint`` and ``segments`` as those of ``For``."""

    test: Expr
    checkpoint: bool
    segments: Expr | None
    body: tuple[Statement, ...]
    depth: int


@dataclass(slots=True, eq=False)
class IfBlock(Node):
    """``if test { then } else { other }``. Without an ``else``, ``other`` is empty; of ``else if`` it is that block."""

    test: Expr
    then: tuple[Statement, ...]
    other: tuple[Statement, ...]
    depth: int


Block = For | While | IfBlock
Statement = Declaration | Assign | IndexAssign | Output | FunctionDef | DerivativeDef | Use | Block


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
