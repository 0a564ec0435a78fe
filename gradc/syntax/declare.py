"""Declarations: the types of inputs and params, their sizes, and what makes an input an integer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gradc.ir import sizes
from gradc.ir.sizes import Dim
from gradc.ir.types import INT, Type, typed
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import code, tree
from gradc.syntax.extents import dim_of, require, written
from gradc.syntax.lower import Lowering
from gradc.syntax.scope import Poison, Scope

MAX_RANK = 32
"""NumPy's limit is 64; indices of a comprehension take axes of their own."""


class Declarations:
    """The declarations of one file."""

    def __init__(self, lowering: Lowering, scope: Scope) -> None:
        self.lowering = lowering
        self.scope = scope
        self.whole: frozenset[str] = frozenset()

    def begin(self, program: tree.Program) -> None:
        """Look through the file for the sizes that its declarations name and for what its indices are."""
        self.whole = used_as_index(program.statements)
        declared = [item for s in program.statements if isinstance(s, tree.Declaration) for item in s.items]
        taken = {item.name.id for item in declared}
        lowering = self.lowering
        for item in declared:
            for extent in item.shape or ():
                if isinstance(extent, tree.Name) and extent.id not in taken and extent.id not in self.scope.values:
                    self._bind(extent)
        given = lowering.program.sizes
        known = {n.id for d in declared for e in d.shape or () for n in code.walk(e) if isinstance(n, tree.Name)}
        for name in given:
            if name not in known:
                hints = ("a size is a name in the shape of a declaration, as n in `input x[n]`",)
                place = declared[0] if declared else tree.Node(0, 0)
                lowering.error("E0312", f"the program has no size `{name}`", self.scope.source, place, "", hints)

    def _bind(self, name: tree.Name) -> None:
        """A size is an integer of the program, visible from its start."""
        lowering = self.lowering
        number = lowering.program.sizes.get(name.id)
        builder = lowering.builder
        # An integer like any size, also where it is an output.
        value = build.extent(builder, sizes.named(name.id)) if number is None else builder.constant(number, INT)
        self.scope.bind(name, value, lowering.builder).used = True

    def type(self, item: tree.Declared) -> Type | None:
        """The type of a declared name; None after a report."""
        lowering, source = self.lowering, self.scope.source
        real = lowering.program.real
        dtype = real.dtype
        if item.dtype is not None:
            types = {"int": "int", "bool": "bool", "real": real.dtype, real.dtype: real.dtype}
            found = types.get(item.dtype.id)
            if found is None:
                lowering.error(
                    "E0308",
                    f"unknown type `{item.dtype.shown}`",
                    source,
                    item.dtype,
                    "not a type",
                    ("the types are `real` (what a name is without one), `int` and `bool`",),
                )
                return None
            dtype = found
        elif item.name.id in self.whole:
            dtype = "int"
        if item.shape is None:
            return typed(dtype)
        if len(item.shape) > MAX_RANK:
            lowering.error("E0312", f"an array has at most {MAX_RANK} axes", source, item.shape[MAX_RANK], "too many")
            return None
        shape = [self._extent(extent) for extent in item.shape]
        return None if None in shape else typed(dtype, tuple(extent for extent in shape if extent is not None))

    def _extent(self, place: tree.Expr) -> Dim | None:
        lowering, source = self.lowering, self.scope.source
        for node in code.walk(place):
            if isinstance(node, tree.Name) and self.scope.value(node.id) is None:
                hints = (f"a size stands alone in some declaration, as in `input x[{node.shown}]`",)
                lowering.error("E0312", f"nothing gives the size `{node.shown}`", source, node, "unknown", hints)
                return None
        value = lowering.single(source, place, lowering.evaluate(place, self.scope))
        if isinstance(value, Poison):
            return None
        found = dim_of(lowering.builder.data, value)
        if found is None or sizes.at_least(found, 0) is False:
            label = "less than 0" if found is not None else "no number, size or integer input"
            lowering.error("E0312", "this is no extent of an array", source, place, label)
            return None
        require(lowering.builder, ">=", found, 0, source.span(place.start, place.end))
        return found


def array_default(
    lowering: Lowering,
    source: Source,
    item: tree.Declared,
    literal: tree.ArrayLiteral,
    type: Type,
    constant: Callable[[tree.Expr], Any],
) -> Any:
    """The default of an array as nested tuples; None after a report."""
    shape = _literal_shape(literal)
    if shape is None or len(shape) != type.rank:
        found = "ragged" if shape is None else f"this is {written(shape)}"
        message = f"the default of `{item.name.shown}` must be an array {written(type.shape)}"
        lowering.error("E0309", message, source, literal, found)
        return None
    for extent, due in zip(shape, type.shape, strict=True):
        if isinstance(due, int) and due != extent:
            message = f"the default of `{item.name.shown}` must be an array {written(type.shape)}"
            lowering.error("E0309", message, source, literal, f"this is {written(shape)}")
            return None
    failed = False

    def build_up(node: tree.Expr) -> Any:
        nonlocal failed
        if isinstance(node, tree.ArrayLiteral):
            return tuple([build_up(each) for each in node.items])
        value = constant(node)
        failed = failed or value is None
        return value

    found_values = build_up(literal)
    return None if failed else found_values


def _literal_shape(node: tree.Expr, depth: int = 0) -> tuple[int, ...] | None:
    """The shape of a literal; None for a ragged one."""
    if not isinstance(node, tree.ArrayLiteral):
        return ()
    if depth > MAX_RANK:
        return None
    inner = {_literal_shape(item, depth + 1) for item in node.items}
    if len(inner) != 1 or None in inner:
        return None
    (below,) = inner
    return None if below is None else (len(node.items), *below)


def used_as_index(statements: Iterable[tree.Statement]) -> frozenset[str]:
    """The names that stand as an index or bound a range, but for those to which a function gives another meaning."""
    found: set[str] = set()
    stack: list[tuple[tree.Statement, frozenset[str]]] = [(statement, frozenset()) for statement in statements]
    while stack:
        statement, hidden = stack.pop()
        expressions: list[tree.Expr] = []
        if isinstance(statement, tree.FunctionDef):
            local = {parameter.name.id for parameter in statement.parameters}
            for inner in statement.body:
                local |= {name.id for name in getattr(inner, "targets", ())}
            stack += [(inner, hidden | local) for inner in statement.body]
            expressions, hidden = list(statement.results), hidden | local
        elif isinstance(statement, tree.Assign):
            expressions = [statement.value]
        elif isinstance(statement, tree.IndexAssign):
            expressions = [statement.value, *code.inside(statement.binders, statement.condition)]
            found |= {n.id for b in statement.binders for n in (b.lower, b.upper) if isinstance(n, tree.Name)} - hidden
        for expression in expressions:
            for node in code.walk(expression):
                if isinstance(node, tree.Subscript):
                    indices: list[tree.Expr] = [p for item in node.items for p in code.parts(item)]
                elif isinstance(node, tree.Comprehension):
                    indices = [n for b in node.binders for n in (b.lower, b.upper) if n is not None]
                else:
                    continue
                for index in indices:
                    while isinstance(index, tree.Subscript):
                        index = index.value
                    if isinstance(index, tree.Name) and index.id not in hidden:
                        found.add(index.id)
    return frozenset(found)
