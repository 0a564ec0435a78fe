"""Applies operators to lowered values: weak integers decide, ints become real where needed, types are checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gradc.errors import Diagnostic, located
from gradc.ir.builder import Builder
from gradc.ir.op import Op
from gradc.ir.sizes import Dim
from gradc.ir.types import INT, Type, TypeMismatch
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.extents import Misfit, common, fit, meet, require, written
from gradc.syntax.scope import POISON, Poison, Value, Weak

ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div", "^": "pow", "//": "floordiv", "%": "mod"}
COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
BOOLEANS = {"and": "and", "or": "or", "not": "not"}
OPERATORS = ARITHMETIC | COMPARISONS | BOOLEANS


_KINDS = {"f64": "a number", "f32": "a number", "int": "an integer", "bool": "a truth value"}


_PLURALS = {"f64": "numbers", "f32": "numbers", "int": "integers", "bool": "truth values"}


def describe(type: Type) -> str:
    """A type in words."""
    if type.shape:
        return f"an array {written(type.shape)} of {_PLURALS[type.dtype]}"
    return _KINDS[type.dtype]


def _axis(shape: Sequence[Dim], name: str) -> str:
    return name if len(shape) > 1 else "elements"


def _counted(extent: Dim, shape: Sequence[Dim], name: str) -> str:
    word = name if len(shape) > 1 else "element"
    return f"{extent} {word}" + ("s" if extent != 1 else "")


def _transposed(left: Sequence[Dim], right: Sequence[Dim], places: Sequence[tree.Node]) -> tuple[str, ...]:
    """A hint at the transpose that would make a product fit, for operands that are names."""
    first, second = places
    if not isinstance(first, tree.Name) or not isinstance(second, tree.Name):
        return ()
    if len(left) == 2 and left[0] == (right[-2] if len(right) > 1 else right[0]):
        return (f"`{first.shown}.T` would fit",)
    if len(right) == 2 and left[-1] == right[1]:
        return (f"`{second.shown}.T` would fit",)
    return ()


class Applier:
    """Makes nodes for the operators and functions of the language on one builder; reports what does not fit."""

    def __init__(self, builder: Builder, real: Type, report: Callable[[Diagnostic], None]) -> None:
        self.builder = builder
        self.real = real
        self.report = report
        # Literal arrays of whole numbers, which are real unless an integer is asked for: node to the node as integers.
        self.whole: dict[int, int] = {}

    # Values to nodes -----------------------------------------------------------------------------------------------

    def real_node(self, value: int | Weak) -> int:
        """The node of a value as a real number (of a bool: the node as it is)."""
        builder = self.builder
        if isinstance(value, Weak):
            if value.node is None:
                value.node = builder.constant(value.real, self.real)
            return value.node
        if builder.type(value).dtype == "int":
            return builder.apply("float", value, attrs=self._cast)
        return value

    @property
    def _cast(self) -> dict[str, str] | None:
        return {"dtype": "f32"} if self.real.dtype == "f32" else None

    def any_node(self, value: int | Weak) -> int:
        """The node of a value, a weak integer taken as real."""
        return self.real_node(value) if isinstance(value, Weak) else value

    def int_node(self, value: int | Weak) -> int:
        """The node of a value as an integer where it can be one: a literal array of whole numbers, too."""
        if isinstance(value, Weak):
            return self.builder.constant(value.exact, INT)
        return self.whole.get(value, value)

    def weak(self, value: int | Weak) -> bool:
        """Whether a value is made of literals of whole numbers, which are integers where these are asked for."""
        return isinstance(value, Weak) or value in self.whole

    def alike(self, values: Sequence[int | Weak]) -> list[int]:
        """The nodes of values that stand beside each other: integers if they can all be and one is, else reals."""
        dtypes = [self.type(value).dtype for value in values]
        whole = "int" in dtypes and all(
            dtype == "int" or self.weak(value) for value, dtype in zip(values, dtypes, strict=True)
        )
        return [self.int_node(value) if whole else self.real_node(value) for value in values]

    def type(self, value: int | Weak) -> Type:
        """The type of a value, a weak integer taken as real."""
        return self.real if isinstance(value, Weak) else self.builder.type(value)

    # Applying ------------------------------------------------------------------------------------------------------

    def binary(self, source: Source, node: tree.Binary, left: Value, right: Value) -> Value:
        """The value of ``left op right``."""
        if isinstance(left, Poison) or isinstance(right, Poison):
            return POISON
        if node.op == "@":
            return self.matmul(source, node, left, right)
        op = OPERATORS[node.op]
        self.builder.span = source.span(node.start, node.end)
        return self.apply(source, op, node.op, (left, right), (node.left, node.right))

    def unary(self, source: Source, node: tree.Unary, operand: Value) -> Value:
        """The value of ``-x``, ``+x`` or ``not x``."""
        if isinstance(operand, Poison):
            return POISON
        self.builder.span = source.span(node.start, node.end)
        if node.op == "not":
            return self.apply(source, "not", "not", (operand,), (node.operand,))
        if node.op == "-" and isinstance(node.operand, tree.Number):
            # A negative literal is a constant, so that x^-2 has a constant exponent.
            if isinstance(operand, Weak):
                return Weak(-operand.exact, -operand.real)
            return self.builder.constant(-node.operand.value, self.real)
        if node.op == "+":
            if self.type(operand).dtype == "bool":
                return self.apply(source, "neg", "+", (operand,), (node.operand,))
            return operand
        return self.apply(source, "neg", "-", (operand,), (node.operand,))

    def apply(
        self,
        source: Source,
        op: str,
        shown: str,
        values: Sequence[int | Weak],
        places: Sequence[tree.Node],
    ) -> Value:
        """``op`` on the values, ints and weak ints converted as the op wants them; reports what cannot be."""
        row = self.builder.ops[op]
        types = [self.type(value) for value in values]
        if row.kind == "structural":
            return self._refuse_array(source, shown, places)
        # Integers among themselves stay integers where the op can; a comparison of integers is exact.
        whole = row.integer is not None or op in COMPARISONS.values() or op == "select"
        first = 1 if op == "select" else 0
        operands = list(values[first:])
        if (
            whole
            and any(type.dtype == "int" for type in types[first:])
            and all(t.dtype == "int" or self.weak(v) for v, t in zip(operands, types[first:], strict=True))
        ) or op == "float":
            nodes = [self.int_node(value) for value in operands]
        else:
            nodes = [self.real_node(value) for value in operands]
        nodes = [self.any_node(value) for value in values[:first]] + nodes
        if any(type.shape for type in types):
            found = self.fitted(source, shown, nodes, places)
            if found is None:
                return POISON
            nodes = found
        retried: set[int] = set()
        while True:
            try:
                made = self.builder.apply(op, *nodes, attrs=self._cast if op == "float" else None)
                return self._weakly(row, values, made)
            except TypeMismatch as mismatch:
                at = mismatch.position
                value = values[at]
                if (
                    at not in retried
                    and mismatch.expected == "an integer"
                    and (self.weak(value) or types[at].dtype == "int")
                ):
                    retried.add(at)
                    shape = self.builder.type(nodes[at]).shape
                    nodes[at] = build.broadcast(self.builder, self.int_node(value), shape)
                    continue
                self._mismatch(source, shown, mismatch, types[at], places[at])
                return POISON

    # Shapes --------------------------------------------------------------------------------------------------------

    def fitted(self, source: Source, shown: str, nodes: Sequence[int], places: Sequence[tree.Node]) -> list[int] | None:
        """The nodes broadcast to one shape; None after a report."""
        types = [self.builder.type(node) for node in nodes]
        try:
            shape = common(types)
        except Misfit as misfit:
            self._misfit(source, shown, types, misfit.position, places)
            return None
        return [fit(self.builder, node, shape, self.builder.span) for node in nodes]

    def _misfit(
        self, source: Source, shown: str, types: Sequence[Type], position: int, places: Sequence[tree.Node]
    ) -> None:
        # The widest of those before it: its axes are those that this one does not fit.
        first = max(range(position), key=lambda at: types[at].rank)
        place, other = places[position], places[first]
        shapes = f"{written(types[first].shape)} and {written(types[position].shape)}"
        hints = ["shapes align at the right; only a missing axis, or an extent that is written 1, repeats"]
        found, due = types[position].shape, types[first].shape
        if len(found) == 1 < len(due) and found[0] == due[-2] and isinstance(place, tree.Name):
            hints.append(f"a number for every row: `[{place.shown}[i] … for i, j]`")
        elif found == due[::-1] and isinstance(place, tree.Name):
            hints.append(f"its transpose would fit: `{place.shown}.T`")
        self.report(
            located(
                "E0309",
                f"the shapes {shapes} do not go together under `{shown}`",
                source,
                place.start,
                place.end,
                f"this is {describe(types[position])}",
                hints,
                [(source, other.start, other.end, f"and this {describe(types[first])}")],
            )
        )

    def matmul(self, source: Source, node: tree.Binary, left: int | Weak, right: int | Weak) -> Value:
        """The matrix product ``left @ right``."""
        nodes = self.real_node(left), self.real_node(right)
        return self.product(source, "@", nodes, (node.left, node.right), node.start, node.end)

    def product(
        self, source: Source, shown: str, nodes: tuple[int, int], places: Sequence[tree.Node], start: int, end: int
    ) -> Value:
        """The matrix product of two nodes, or poison after a report."""
        builder = self.builder
        types = [builder.type(operand) for operand in nodes]
        for type, place in zip(types, places, strict=True):
            if not type.rank or not type.real:
                message = f"`{shown}` multiplies matrices and vectors"
                hints = ("write `*` to multiply numbers",) if not type.rank else ("make numbers of them: `float(m)`",)
                label = f"this is {describe(type)}"
                self.report(located("E0303", message, source, place.start, place.end, label, hints))
                return POISON
        builder.span = span = source.span(start, end)
        left, right = (type.shape for type in types)
        columns, rows = left[-1], right[-2] if len(right) > 1 else right[0]
        if not require(builder, "==", columns, rows, span):
            compared = [_counted(columns, left, "column"), _counted(rows, right, "row")]
            hint = (
                f"the {_axis(left, 'columns')} on the left must be as many as the {_axis(right, 'rows')} on the right"
            )
            self._no_product(source, shown, (left, right), places, compared, (hint, *_transposed(left, right, places)))
            return POISON
        front, back = left[:-2], right[:-2]
        fits = not (front and back) or len(front) == len(back)
        if front and back and fits:
            fits = all(require(builder, "==", a, b, span) for a, b in zip(front, back, strict=True))
        if not fits:
            compared = [f"matrices numbered {written(axes)}" for axes in (front, back)]
            hint = "the axes before the last two number matrices: they are the same, or one operand has none"
            self._no_product(source, shown, (left, right), places, compared, (hint,))
            return POISON
        due = (*(back and (front or back)), columns, right[-1]) if len(right) > 1 else (columns,)
        return builder.apply("matmul", nodes[0], meet(builder, nodes[1], due, span))

    def _no_product(
        self,
        source: Source,
        shown: str,
        shapes: Sequence[Sequence[Dim]],
        places: Sequence[tree.Node],
        compared: Sequence[str],
        hints: Sequence[str],
    ) -> None:
        message = f"the shapes {written(shapes[0])} and {written(shapes[1])} do not go together under `{shown}`"
        note = [(source, places[0].start, places[0].end, compared[0])]
        self.report(located("E0309", message, source, places[1].start, places[1].end, compared[1], hints, note))

    def _refuse_array(self, source: Source, shown: str, places: Sequence[tree.Node]) -> Value:
        self.report(located("E0303", f"`{shown}` takes no operands", source, places[0].start, places[-1].end))
        return POISON

    @staticmethod
    def _weakly(row: Op, values: Sequence[int | Weak], node: int) -> int | Weak:
        """The node; with its exact value where it is made of weak integers by an op that keeps integers."""
        if row.integer is None or row.name == "float" or not all(isinstance(value, Weak) for value in values):
            return node
        try:
            exact = row.integer(*[value.exact for value in values if isinstance(value, Weak)])
        except (OverflowError, ZeroDivisionError):
            return node
        return Weak(exact, float(exact), node)

    def _mismatch(self, source: Source, shown: str, mismatch: TypeMismatch, found: Type, place: tree.Node) -> None:
        hints: tuple[str, ...] = ()
        if found.dtype == "bool":
            hints = ("a truth value becomes a number by `where(c, 1, 0)` or `float(c)`",)
        elif "truth value" in mismatch.expected:
            hints = ("compare it to make a truth value, as in `x != 0`",)
        elif mismatch.expected == "an integer":
            hints = ("write a whole number, or declare the name as an integer: `input n: int`",)
        self.report(
            located(
                "E0303",
                f"`{shown}` takes {mismatch.expected} here",
                source,
                place.start,
                place.end,
                f"this is {describe(found)}",
                hints,
            )
        )
