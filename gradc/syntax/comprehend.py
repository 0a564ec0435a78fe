"""Lowers comprehensions: binds indices, reads their ranges, and makes arrays, sums and other reductions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradc.ir.graph import Builder
from gradc.ir.sizes import Dim
from gradc.ir.types import INT, Index, typed
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import code, tree
from gradc.syntax.extents import affine, differ, dim_of, hull, require, written
from gradc.syntax.scope import POISON, Poison, Scope, Value, Weak

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering

# A comprehension's body is lowered within the lowering of what surrounds it.
_NESTING = 40


@dataclass
class Bound:
    """A body with its indices bound: their values, and the condition under which an element counts."""

    indices: list[Index]
    value: int
    condition: int | None


class Comprehensions:
    """Makes what comprehensions stand for in one lowering."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.builder: Builder = lowering.builder
        self.depth = 0

    # The three uses ------------------------------------------------------------------------------------------------

    def table(self, node: tree.Comprehension, scope: Scope) -> Value:
        """``[body for i]``: an array."""
        bound = self.bind(node.body, node.binders, node.condition, scope)
        if bound is None:
            return POISON
        if bound.condition is not None:
            self.lowering.error(
                "E0311",
                "an array of the elements that meet a condition has no fixed shape",
                scope.source,
                node.condition or node,
                "decides how many there are",
                ("choose within the element: `[if c then x[i] else 0 for i]`",),
            )
            return POISON
        self._place(node, scope.source)
        return build.tabulate(self.builder, bound.value, bound.indices)

    def target(self, statement: tree.IndexAssign, scope: Scope) -> Value:
        """``C[i, j] = value``: an array, its axes in the order of the target's indices."""
        lowering, source = self.lowering, scope.source
        binders: dict[str, tree.Binder] = {binder.name.id: binder for binder in statement.binders}
        ordered: list[tree.Binder] = []
        for index in statement.indices:
            if not isinstance(index, tree.Name):
                hint = "write `C[i] = …` for all elements at once; other ranges stand behind: `for i in 1..n`"
                lowering.error("E0313", "the index of a target is a name", source, index, "not a name", (hint,))
                return POISON
            given = tree.Binder(index.start, index.end, index, None, None)
            ordered.append(binders.pop(index.id, given))
        for binder in binders.values():
            label = "no index of the target"
            lowering.error("E0313", f"`{binder.name.shown}` is not an index of the target", source, binder, label)
            return POISON
        bound = self.bind(statement.value, ordered, statement.condition, scope)
        if bound is None:
            return POISON
        if statement.condition is not None:
            hint = "choose within the element: `C[i] = if c then x[i] else 0`"
            place = statement.condition
            lowering.error("E0313", "a target has all its elements", source, place, "leaves some out", (hint,))
            return POISON
        self._place(statement, source)
        return build.tabulate(self.builder, bound.value, bound.indices)

    def reduce(self, name: str, place: tree.Node, node: tree.Comprehension, scope: Scope) -> Value:
        """``sum(body for i if condition)`` and its kin."""
        bound = self.bind(node.body, node.binders, node.condition, scope)
        if bound is None:
            return POISON
        applier, builder, source = self.lowering.applier, self.builder, scope.source
        self._place(place, source)
        value = bound.value
        type = builder.type(value)
        wanted = "bool" if name in ("any", "all") else None
        if (type.dtype == "bool") != (wanted == "bool"):
            due = "truth values" if wanted else "numbers"
            found = "truth values" if type.dtype == "bool" else "numbers"
            self.lowering.error("E0303", f"`{name}` takes {due} here", source, node.body, f"these are {found}")
            return POISON
        if name in ("mean", "max", "min"):
            value = applier.real_node(value) if name == "mean" else value
            type = builder.type(value)
        if name == "sum":
            return build.total(builder, self._chosen(bound, value, 0), bound.indices)
        if name == "mean":
            total = build.total(builder, self._chosen(bound, value, 0.0), bound.indices)
            one = builder.constant(1.0, typed(type.dtype))
            count = build.total(builder, self._chosen(bound, one, 0.0), bound.indices)
            count = self._some(bound, count)
            return builder.apply("div", total, build.broadcast(builder, count, builder.type(total).shape))
        neutral = {"prod": 1, "max": -float("inf"), "min": float("inf"), "any": False, "all": True}[name]
        if type.dtype == "int" and name in ("max", "min"):
            neutral = -(2**63) if name == "max" else 2**63 - 1
        table = build.tabulate(builder, self._chosen(bound, value, neutral), bound.indices)
        op = {"max": "amax", "min": "amin"}.get(name, name)
        reduced = builder.apply(op, table, attrs={"axes": tuple(range(len(bound.indices)))})
        return self._some(bound, reduced) if name in ("max", "min") else reduced

    def _chosen(self, bound: Bound, value: int, neutral: float) -> int:
        if bound.condition is None:
            return value
        type = self.builder.type(value)
        other = build.filled(self.builder, float(neutral) if type.real else neutral, type)
        return build.choose(self.builder, bound.condition, value, other)

    def _some(self, bound: Bound, value: int) -> int:
        """The value, or a failure where the condition holds for no element."""
        if bound.condition is None:
            return value
        table = build.tabulate(self.builder, bound.condition, bound.indices)
        some = self.builder.apply("any", table, attrs={"axes": tuple(range(len(bound.indices)))})
        return self.builder.apply("demand", value, some)

    def _place(self, node: tree.Node, source: Source) -> None:
        self.builder.span = source.span(node.start, node.end)

    # Binding -------------------------------------------------------------------------------------------------------

    def bind(
        self, body: tree.Expr, binders: Sequence[tree.Binder], condition: tree.Expr | None, scope: Scope
    ) -> Bound | None:
        """Lower a body with its indices bound; None after a report."""
        lowering, source = self.lowering, scope.source
        if self.depth >= _NESTING:
            lowering.error("E0703", "comprehensions nest too deeply", source, binders[0], "one too many")
            return None
        self.depth += 1
        try:
            return self._bind(body, binders, condition, scope)
        finally:
            self.depth -= 1

    def _bind(
        self, body: tree.Expr, binders: Sequence[tree.Binder], condition: tree.Expr | None, outer: Scope
    ) -> Bound | None:
        lowering, builder, source = self.lowering, self.builder, outer.source
        scope = Scope(source, outer, outer.order)
        indices: dict[str, Index] = {}
        conditions: list[int] = []
        waiting = list(binders)
        seen: set[str] = set()
        before = len(lowering.program.errors)
        for binder in binders:
            known = outer.value(binder.name.id)
            if known is not None or binder.name.id in seen:
                notes = [(known.source, known.start, known.end, "it is this")] if known else []
                lowering.error(
                    "E0311",
                    f"the index `{binder.name.shown}` has the name of another value",
                    source,
                    binder.name,
                    "already taken",
                    ("an index is a new name: choose another letter",),
                    notes,
                )
                return None
            seen.add(binder.name.id)
        while waiting:
            ready = []
            for binder in waiting:
                if binder.lower is None:
                    found = self._read(binder, waiting, body, condition, scope, indices)
                else:
                    found = self._given(binder, waiting, scope, indices, conditions)
                if found:
                    ready.append(binder)
            if not ready:
                if len(lowering.program.errors) == before:
                    self._unreadable(waiting[0], body, source)
                return None
            waiting = [binder for binder in waiting if binder not in ready]
        if condition is not None:
            test = lowering.single(source, condition, lowering.run(code.postorder(condition), scope))
            if isinstance(test, Poison):
                return None
            node = lowering.applier.any_node(test)
            if builder.type(node).dtype != "bool" or builder.type(node).shape:
                lowering.error("E0303", "a condition is a truth value", source, condition, "this is not one")
                return None
            conditions.append(node)
        value = lowering.single(source, body, lowering.run(code.postorder(body), scope))
        if isinstance(value, Poison):
            return None
        test_node: int | None = None
        for each in conditions:
            test_node = each if test_node is None else builder.apply("and", test_node, each)
        ordered = [indices[binder.name.id] for binder in binders]
        return Bound(ordered, lowering.applier.any_node(value), test_node)

    def _define(
        self, binder: tree.Binder, low: Dim, extent: Dim, scope: Scope, indices: dict[str, Index], free: Iterable[Index]
    ) -> int:
        """Bind the name of an index in the scope; the index itself starts at 0."""
        lowering, builder = self.lowering, self.builder
        index = indices[binder.name.id] = lowering.new_index(binder.name.shown, extent)
        builder.span = scope.source.span(binder.name.start, binder.name.end)
        value = build.index(builder, index)
        if low != 0:
            value = builder.apply("add", value, build.extent(builder, low))
        scope.bind(binder.name, value, builder).used = True
        return value

    def _given(
        self,
        binder: tree.Binder,
        waiting: Sequence[tree.Binder],
        scope: Scope,
        indices: dict[str, Index],
        conditions: list[int],
    ) -> bool:
        """Bind an index whose range is written: ``i in lower..upper``; a bound may depend on indices that are bound."""
        lowering, builder, source = self.lowering, self.builder, scope.source
        assert binder.lower is not None
        assert binder.upper is not None
        unknown = {other.name.id for other in waiting} - indices.keys()
        for place in (binder.lower, binder.upper):
            if any(isinstance(node, tree.Name) and node.id in unknown for node in code.walk(place)):
                return False
        ends: list[tuple[int, Dim, Dim, bool]] = []
        for place in (binder.lower, binder.upper):
            value = lowering.single(source, place, lowering.run(code.postorder(place), scope))
            if isinstance(value, Poison):
                return False
            node = lowering.applier.int_node(value)
            dim = dim_of(builder.data, value)
            form = None if dim is not None or builder.type(node) == INT else affine(builder.data, node)
            reach = (dim, dim) if dim is not None else hull(form) if form is not None else None
            if reach is None:
                hint = "a range has sizes, whole numbers and outer indices for bounds, as in `0..n-1` or `0..i`"
                label = "known only when the program runs" if builder.type(node).dtype == "int" else "not an integer"
                lowering.error("E0311", "this is no bound of a range", source, place, label, (hint,))
                return False
            ends.append((node, *reach, dim is None))
        low, high = ends[0][1], ends[1][2]
        span = source.span(binder.lower.start, binder.upper.end)
        if not require(builder, ">=", high, low, span):
            message = f"the range {low}..{high} runs backwards"
            lowering.error("E0311", message, source, binder, "no values", ("write the smaller bound first",))
            return False
        value = self._define(binder, low, high - low, scope, indices, ())
        if ends[0][3]:
            conditions.append(builder.apply("ge", value, ends[0][0]))
        if ends[1][3]:
            conditions.append(builder.apply("lt", value, ends[1][0]))
        return True

    # Reading ranges ------------------------------------------------------------------------------------------------

    def _read(
        self,
        binder: tree.Binder,
        waiting: Sequence[tree.Binder],
        body: tree.Expr,
        condition: tree.Expr | None,
        scope: Scope,
        indices: dict[str, Index],
    ) -> bool:
        """Bind an index to the axes that it stands on alone, if they are known by now."""
        lowering, builder, source = self.lowering, self.builder, scope.source
        unknown = {other.name.id for other in waiting}
        found: list[tuple[Dim, tree.Node]] = []
        for expression in (body,) if condition is None else (body, condition):
            for node in code.walk(expression):
                if not isinstance(node, tree.Subscript):
                    continue
                for axis, item in enumerate(node.items):
                    if isinstance(item, tree.Name) and item.id == binder.name.id:
                        shape = self._shape(node.value, unknown, scope)
                        if shape is not None and axis < len(shape):
                            found.append((shape[axis], item))
        if not found:
            return False
        extent, first = found[0]
        for other, place in found[1:]:
            if differ(extent, other):
                lowering.error(
                    "E0311",
                    f"the index `{binder.name.shown}` has two ranges: 0..{extent} and 0..{other}",
                    source,
                    place,
                    f"{other} elements here",
                    ("give the range: `for i in 0..n`",),
                    [(source, first.start, first.end, f"{extent} elements here")],
                )
                return False
            require(builder, "==", extent, other, source.span(place.start, place.end))
        self._define(binder, 0, extent, scope, indices, ())
        return True

    def _shape(self, expression: tree.Expr, unknown: set[str], scope: Scope) -> tuple[Dim, ...] | None:
        """The shape of what is indexed, before its own indices are known; None where it cannot be told."""
        trail: list[tree.Subscript | tree.Attribute] = []
        inner: tree.Expr = expression
        while isinstance(inner, (tree.Subscript, tree.Attribute)):
            trail.append(inner)
            inner = inner.value
        if any(isinstance(n, tree.Name) and (n.id in unknown or scope.value(n.id) is None) for n in code.walk(inner)):
            return None
        value = self.lowering.quietly(inner, scope)
        if value is None:
            return None
        shape = self.builder.type(value).shape
        for step in reversed(trail):
            if isinstance(step, tree.Attribute):
                shape = shape[::-1] if step.name.id == "T" and len(shape) == 2 else shape
            elif any(isinstance(item, tree.Slice) for item in step.items):
                sliced = self.lowering.quietly(step, scope) if not self._mentions(step, unknown, scope) else None
                if sliced is None:
                    return None
                shape = self.builder.type(sliced).shape
            else:
                shape = shape[len(step.items) :]
        return shape

    @staticmethod
    def _mentions(expression: tree.Expr, unknown: set[str], scope: Scope) -> bool:
        return any(
            isinstance(node, tree.Name) and (node.id in unknown or scope.value(node.id) is None)
            for node in code.walk(expression)
        )

    def _unreadable(self, binder: tree.Binder, body: tree.Expr, source: Source) -> None:
        name = binder.name.shown
        used = [n for n in code.walk(body) if isinstance(n, tree.Name) and n.id == binder.name.id]
        label = "stands on no axis alone" if used else "does not occur in the body"
        self.lowering.error(
            "E0311",
            f"the range of the index `{name}` cannot be read off",
            source,
            binder,
            label,
            (f"give the range: `for {name} in 0..n`",),
        )


def shown(builder: Builder, value: int | Weak) -> str:
    """The shape of a value in words."""
    return written(builder.type(value).shape) if isinstance(value, int) else "a single number"
