"""Declarations: the types of inputs and params, their sizes, and what makes an input an integer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gradc.errors import Diagnostic, suggestion
from gradc.ir import sizes
from gradc.ir.sizes import Dim
from gradc.ir.types import INT, Type, typed
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import code, tree
from gradc.syntax.apply import describe
from gradc.syntax.extents import differ, dim_of, require, written
from gradc.syntax.lower import Lowering
from gradc.syntax.scope import CONSTANTS, Poison, Scope

MAX_RANK = 32
"""NumPy's limit is 64; indices of a comprehension take axes of their own."""


class Declarations:
    """The declarations of one file."""

    def __init__(self, lowering: Lowering, scope: Scope) -> None:
        self.lowering = lowering
        self.scope = scope
        self.whole: frozenset[str] = frozenset()
        # What is declared by name, the sizes (in order, each once) and those that are numbers.
        self.declared: Mapping[str, tree.Name] = {}
        self.sizes: dict[str, str] = {}
        self.given: Mapping[str, int] = {}

    def begin(self, program: tree.Program, given: Mapping[str, int]) -> None:
        """Look through the file for the sizes that its declarations name and for what its indices are; ``given`` are
        sizes that are numbers in this compilation.
        """
        self.whole = used_as_index(program.statements)
        self.given = given
        declared = [item for s in program.statements if isinstance(s, tree.Declaration) for item in s.items]
        self.declared = {item.name.id: item.name for item in reversed(declared)}
        for item in declared:
            for extent in item.shape or ():
                if isinstance(extent, tree.Name) and extent.id not in self.declared:
                    if extent.id not in self.scope.values:
                        self._bind(extent)
                    self.sizes.setdefault(extent.id, extent.id)
        for item in declared:
            if item.shape is None and item.name.id in given:
                # An int input that is used as a size is one.
                self.sizes.setdefault(item.name.id, item.name.id)
        self._check_given()

    def _check_given(self) -> None:
        """Report sizes that the caller gives and that are none."""
        for name in self.given:
            shown = name if len(name) <= 40 else f"{name[:40]}…"
            if name not in self.sizes:
                hints = suggestion(name, self.sizes)
                if not hints and self.sizes:
                    hints = (f"the sizes are {', '.join(f'`{size}`' for size in list(self.sizes)[:10])}",)
                self.lowering.program.report(Diagnostic("E0312", f"the program has no size `{shown}`", hints=hints))

    def _bind(self, name: tree.Name) -> None:
        """A size is an integer of the program, visible from its start."""
        lowering = self.lowering
        number = self._number(name.id)
        if number is None:
            value = build.extent(lowering.builder, sizes.named(name.id))
        else:
            value = lowering.builder.constant(number, INT)
        if name.id in CONSTANTS:
            message, label = (
                f"`{name.shown}` hides the constant of that name",
                f"the constant is {CONSTANTS[name.id]:.6g}",
            )
            lowering.warn("W0103", message, self.scope.source, name.start, name.end, label)
        binding = self.scope.bind(name, value, lowering.builder)
        binding.used, binding.fixed = True, "a size"

    def _number(self, name: str) -> int | None:
        """The number that a size is in this compilation."""
        return self.given.get(name)

    def value(self, item: tree.Declared, node: int, type: Type) -> int:
        """What the name of an input stands for: the number itself for an int input that is one in this compilation."""
        number = self._number(item.name.id) if type is INT else None
        if number is None:
            return node
        builder = self.lowering.builder
        require(builder, "==", sizes.named(item.name.shown), number, builder.span)
        return builder.constant(number, INT)

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
                self._unknown(node)
                return None
        value = lowering.single(source, place, lowering.evaluate(place, self.scope))
        if isinstance(value, Poison):
            return None
        found = dim_of(lowering.builder.data, value)
        if found is None or sizes.at_least(found, 0) is False:
            hints: tuple[str, ...] = ("an extent is made of whole numbers, sizes and int inputs, as in `x[n + 1]`",)
            if found is None:
                type = lowering.applier.type(value)
                label = "known only when the program runs" if type.dtype == "int" else f"this is {describe(type)}"
                if isinstance(place, tree.Name) and type.real and place.id in self.declared:
                    hints = (f"declare it as an integer: `input {place.shown}: int`",)
            else:
                label, hints = f"this is {found}, less than 0", ()
            lowering.error("E0312", "this is no extent of an array", source, place, label, hints)
            return None
        require(lowering.builder, ">=", found, 0, source.span(place.start, place.end))
        return sizes.substitute(found, {name: number for name in sizes.names(found) if (number := self._number(name))})

    def _unknown(self, node: tree.Name) -> None:
        """Report a name in a shape that nothing gives a value."""
        lowering, source = self.lowering, self.scope.source
        declared = self.declared.get(node.id)
        if declared is not None:
            message, label = f"`{node.shown}` is used before it is declared", "not yet declared here"
            notes = [(source, declared.start, declared.end, "declared here")]
            hint = f"declare it first: `input {node.shown}: int`"
            lowering.error("E0312", message, source, node, label, (hint,), notes)
        elif node.id in lowering.outlook.values:
            place = lowering.outlook.values[node.id]
            message, label = f"`{node.shown}` is no size", "computed further down"
            notes = [(source, place.start, place.end, "defined here")]
            hint = "a size is a name of its own, which the arrays of a call give a value"
            lowering.error("E0312", message, source, node, label, (hint,), notes)
        elif node.id in CONSTANTS:
            label = "this is a real number"
            lowering.error("E0312", f"the constant `{node.shown}` is no extent", source, node, label)
        else:
            hints = (*suggestion(node.id, self.sizes), f"a size stands alone in a shape, as in `input x[{node.shown}]`")
            lowering.error("E0312", f"nothing gives the size `{node.shown}`", source, node, "unknown", hints)


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
    message = f"the default of `{item.name.shown}` must be an array {written(type.shape)}"
    if shape is None:
        lowering.error("E0309", message, source, literal, "its rows differ in length")
        return None
    fits = len(shape) == type.rank
    sized: dict[Dim, int] = {}
    for extent, due in zip(shape, type.shape, strict=False):
        fits = fits and not differ(extent, due) and sized.setdefault(due, extent) == extent
    if not fits:
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
                local |= {name.id for name in code.assigned_in(inner)}
            stack += [(inner, hidden | local) for inner in statement.body]
            expressions, hidden = list(statement.results), hidden | local
        else:
            expressions = code.expressions_in(statement)
        if isinstance(statement, tree.For):
            found |= {n.id for n in (statement.first, statement.stop) if isinstance(n, tree.Name)} - hidden
            hidden = hidden | {statement.index.id}
        stack += [(inner, hidden) for inner in code.within(statement)]
        if isinstance(statement, tree.IndexAssign):
            hidden = hidden | {n.id for n in statement.indices if isinstance(n, tree.Name)}
            found |= {n.id for b in statement.binders for n in (b.lower, b.upper) if isinstance(n, tree.Name)} - hidden
        for expression in expressions:
            nodes = list(code.walk(expression))
            bound = {b.name.id for node in nodes if isinstance(node, tree.Comprehension) for b in node.binders}
            for node in nodes:
                if isinstance(node, tree.Subscript):
                    indices: list[tree.Expr] = [p for item in node.items for p in code.parts(item)]
                elif isinstance(node, tree.Comprehension):
                    indices = [n for b in node.binders for n in (b.lower, b.upper) if n is not None]
                else:
                    continue
                for place in indices:
                    while isinstance(place, tree.Subscript):
                        place = place.value
                    if isinstance(place, tree.Name) and place.id not in hidden and place.id not in bound:
                        found.add(place.id)
    return frozenset(found)
