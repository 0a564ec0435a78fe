"""Lowers comprehensions: arrays, sums and other reductions of a body over its indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradc.ir.builder import Builder
from gradc.ir.types import Index, typed
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import code, tree
from gradc.syntax.domain import Domain
from gradc.syntax.ranges import Bound, Ranges, Reading
from gradc.syntax.scope import POISON, Scope, Value

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering

# A comprehension's body is lowered within the lowering of what surrounds it.
_NESTING = 40

# What stands for an element that does not count.
_NEUTRAL = {"sum": 0, "mean": 0, "prod": 1, "max": -float("inf"), "min": float("inf"), "any": False, "all": True}


class Comprehensions:
    """Makes what comprehensions stand for in one lowering."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.builder: Builder = lowering.builder
        self.depth = 0
        # What has been lowered to read ranges off it; it is not lowered again in the body that it stands in.
        self.known: dict[tree.Node, Value] = {}
        self._read: dict[Index, Reading] = {}
        # The indices in scope, with what their ranges say of them.
        self.domain = Domain()

    # The three uses ------------------------------------------------------------------------------------------------

    def table(self, node: tree.Comprehension, scope: Scope) -> Value:
        """``[body for i]``: an array."""
        bound = self.bind(node.body, node.binders, node.condition, scope)
        if bound is None:
            return POISON
        if bound.condition is not None:
            message = "an array of the elements that meet a condition has no fixed shape"
            label = "decides how many there are"
            hint = "choose within the element: `[if c then x[i] else 0 for i]`"
            place: tree.Node = node.condition or node
            if node.condition is None:
                message = "an array has rows of one length"
                place, label = _varying(node.binders), "a range that hangs on another index"
                hint = "fill it up: `[if j < i then x[j] else 0 for i, j in 0..n]`"
            self.lowering.error("E0311", message, scope.source, place, label, (hint,))
            return POISON
        self._place(node, scope.source)
        return self._tabulated(bound)

    def _tabulated(self, bound: Bound) -> int:
        builder, applier = self.builder, self.lowering.applier
        found = build.tabulate(builder, bound.value, bound.indices)
        if applier.weak(bound.raw):
            applier.whole[found] = build.tabulate(builder, applier.int_node(bound.raw), bound.indices)
        return found

    def target(self, statement: tree.IndexAssign, scope: Scope) -> Value:
        """``C[i, j] = value``: an array, its axes in the order of the target's indices."""
        lowering, source = self.lowering, scope.source
        given: dict[str, tree.Binder] = {}
        for binder in statement.binders:
            if given.setdefault(binder.name.id, binder) is not binder:
                message = f"the index `{binder.name.shown}` has two ranges"
                lowering.error("E0313", message, source, binder, "named again here")
                return POISON
        ordered: dict[str, tree.Binder] = {}
        for index in statement.indices:
            if not isinstance(index, tree.Name):
                name = statement.target.shown
                hint = f"`{name}[i] = …` gives all elements at once; a range stands behind: `for i in 1..n`"
                if isinstance(index, tree.Number):
                    hint = f"an array is given its elements at once: `{name} = [a, b, c]`, or `{name}[i] = …`"
                lowering.error("E0313", "the index of a target is a name", source, index, "not a name", (hint,))
                return POISON
            if index.id in ordered:
                hint = f"each axis has an index of its own: `{statement.target.shown}[i, j] = if i == j then … else 0`"
                message = f"the index `{index.shown}` stands on two axes"
                lowering.error("E0313", message, source, index, "the same index again", (hint,))
                return POISON
            read = tree.Binder(index.start, index.end, index, None, None)
            ordered[index.id] = given.pop(index.id, read)
        for binder in given.values():
            message, label = f"`{binder.name.shown}` is not an index of the target", "no axis is its own"
            hint = f"sum over it, or write `{statement.target.shown}[…, {binder.name.shown}] = …`"
            lowering.error("E0313", message, source, binder, label, (hint,))
            return POISON
        binders = list(ordered.values())
        bound = self.bind(statement.value, binders, statement.condition, scope)
        if bound is None:
            return POISON
        if bound.condition is not None:
            indices = ", ".join(binder.name.shown for binder in binders)
            hint = f"choose within the element: `{statement.target.shown}[{indices}] = if c then … else 0`"
            place = statement.condition or _varying(binders)
            label = "leaves some out" if statement.condition else "a range that hangs on another index"
            lowering.error("E0313", "a target has all its elements", source, place, label, (hint,))
            return POISON
        self._place(statement, source)
        return self._tabulated(bound)

    def reduce(self, name: str, place: tree.Node, node: tree.Comprehension, scope: Scope) -> Value:
        """``sum(body for i if condition)`` and its kin."""
        bound = self.bind(node.body, node.binders, node.condition, scope)
        if bound is None:
            return POISON
        applier, builder, source = self.lowering.applier, self.builder, scope.source
        self._place(place, source)
        value = applier.real_node(bound.value) if name == "mean" else bound.value
        type = builder.type(value)
        truth = name in ("any", "all")
        if (type.dtype == "bool") != truth:
            due, found = ("truth values", "numbers") if truth else ("numbers", "truth values")
            hint = f"compare them, as in `{name}(x[i] > 0 for i)`" if truth else "count them: `sum(1 for i if m[i])`"
            hints = (hint,) if truth or name == "sum" else ()
            self.lowering.error("E0303", f"`{name}` takes {due} here", source, node.body, f"these are {found}", hints)
            return POISON
        neutral = _NEUTRAL[name]
        if type.dtype == "int" and name in ("max", "min"):
            neutral = -(2**63) if name == "max" else 2**63 - 1
        chosen = self._chosen(bound, value, neutral)
        if name == "sum":
            return build.total(builder, chosen, bound.indices)
        if name == "mean":
            extents = [index.extent for index in bound.indices]
            if 0 in extents:
                self.lowering.error("E0311", "the mean of no elements is no number", source, node, "0 elements")
                return POISON
            total = build.total(builder, chosen, bound.indices)
            one = builder.constant(1.0, typed(type.dtype))
            count = self._some(bound, build.total(builder, self._chosen(bound, one, 0.0), bound.indices))
            if bound.condition is None:
                count = build.some(builder, count, extents)
            return builder.apply("div", total, build.broadcast(builder, count, builder.type(total).shape))
        table = build.tabulate(builder, chosen, bound.indices)
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

    def reading(self, node: int, place: tree.Node, source: Source) -> Reading | None:
        """Where the range of an index was read that stands alone at ``place``, in the body of its comprehension."""
        if self.builder.op(node) != "index" or not isinstance(place, tree.Name):
            return None
        found = self._read.get(self.builder.data[node]["attrs"]["index"])
        return found if found is not None and found.covers(place, source) else None

    def is_read(self, index: Index) -> bool:
        """Whether the range of an index was read off an axis."""
        return index in self._read

    def was_read(self, index: Index, reading: Reading) -> None:
        """Note where the range of an index was read."""
        self._read[index] = reading

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
        known = len(self.known)
        try:
            with self.domain.within():
                return Ranges(self, body, binders, condition, scope).bind()
        finally:
            self.depth -= 1
            while len(self.known) > known:
                self.known.popitem()

    def run(self, expression: tree.Expr, scope: Scope) -> Value:
        """The value of an expression of which parts may have been lowered already."""
        value = self.lowering.run(code.postorder(expression, self.known), scope)
        return self.lowering.single(scope.source, expression, value)


def _varying(binders: Sequence[tree.Binder]) -> tree.Node:
    """The range that hangs on another index."""
    names = {binder.name.id for binder in binders}
    for binder in binders:
        for bound in (binder.lower, binder.upper):
            if bound is not None and any(isinstance(n, tree.Name) and n.id in names for n in code.walk(bound)):
                return binder
    return binders[-1]
