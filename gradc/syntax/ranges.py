"""Finds the ranges of a comprehension's indices, which are read off the axes that they stand on or written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradc.ir import sizes
from gradc.ir.sizes import Dim
from gradc.ir.types import INT, Index
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import code, tree
from gradc.syntax.apply import describe
from gradc.syntax.domain import Sum
from gradc.syntax.extents import affine, dim_of, hull, require
from gradc.syntax.scope import CONSTANTS, POISON, Poison, Scope, Value, Weak

if TYPE_CHECKING:
    from gradc.syntax.comprehend import Comprehensions


@dataclass
class Bound:
    """A body with its indices bound: its value, as it is and as a node, and the condition under which it counts."""

    indices: list[Index]
    raw: int | Weak
    value: int
    condition: int | None


@dataclass(frozen=True)
class Reading:
    """Where the range of an index was read: at ``place``, in the text of the body from ``start`` to ``end``."""

    source: Source
    place: tree.Node
    extent: Dim
    start: int
    end: int

    def covers(self, place: tree.Node, source: Source) -> bool:
        """Whether a place lies in that body."""
        return self.source is source and self.start <= place.start < self.end


@dataclass(frozen=True)
class Reach:
    """A bound of a range as a node and a sum of outer indices, with its least and its greatest value."""

    node: int
    form: Sum
    low: Dim
    high: Dim

    @property
    def varies(self) -> bool:
        """Whether it hangs on outer indices."""
        return bool(self.form[1])


class Ranges:
    """The indices of one comprehension while their ranges are found and its body is lowered."""

    def __init__(
        self,
        home: Comprehensions,
        body: tree.Expr,
        binders: Sequence[tree.Binder],
        condition: tree.Expr | None,
        outer: Scope,
    ) -> None:
        self.home = home
        self.lowering = home.lowering
        self.builder = home.builder
        self.body = body
        self.binders = binders
        self.condition = condition
        self.outer = outer
        self.source = outer.source
        self.scope = Scope(outer.source, outer, outer.order)
        self.indices: dict[str, Index] = {}
        self.conditions: list[int] = []
        # Where an index stands alone in a subscript: the axis of what is subscripted, in the order of the text.
        self.places: dict[str, list[tuple[tree.Subscript, int, tree.Name]]] = {binder.name.id: [] for binder in binders}

    def bind(self) -> Bound | None:
        """Lower the body; None after a report."""
        if not self._names():
            self._spoiled()
            return None
        self._find_places()
        waiting = list(self.binders)
        while waiting:
            later = []
            for binder in waiting:
                found = self._read(binder) if binder.lower is None else self._given(binder)
                if found is None:
                    self._spoiled()
                    return None
                if not found:
                    later.append(binder)
            if len(later) == len(waiting):
                self._unreadable(later[0])
                return None
            waiting = later
        if self.condition is not None:
            test = self._condition(self.condition)
            if test is None:
                self._spoiled(self.body)
                return None
            self.conditions.append(test)
        value = self.home.run(self.body, self.scope)
        if isinstance(value, Poison):
            return None
        masks = self.conditions
        test_node = masks[0] if masks else None
        for each in masks[1:]:
            test_node = self.builder.apply("and", test_node or 0, each)
        ordered = [self.indices[binder.name.id] for binder in self.binders]
        return Bound(ordered, value, self.lowering.applier.any_node(value), test_node)

    def _names(self) -> bool:
        """Whether the indices have names that nothing else has; reports the first that has not."""
        seen: set[str] = set()
        for binder in self.binders:
            name = binder.name
            known = self.outer.value(name.id)
            if known is not None or name.id in seen:
                notes = [(known.source, known.start, known.end, "it is this")] if known else []
                message = f"the index `{name.shown}` has the name of another value"
                if known is None:
                    message = f"the index `{name.shown}` is bound twice"
                hint = "an index is a new name: choose another letter"
                self.lowering.error("E0311", message, self.source, name, "already taken", (hint,), notes)
                return False
            seen.add(name.id)
        return True

    def _find_places(self) -> None:
        for expression in (self.body,) if self.condition is None else (self.body, self.condition):
            for node in code.walk(expression):
                if isinstance(node, tree.Subscript):
                    for axis, item in enumerate(node.items):
                        if isinstance(item, tree.Name) and item.id in self.places:
                            self.places[item.id].append((node, axis, item))
        for places in self.places.values():
            # What is called is read last: it may be a recursion, which the `if` that ends it does not guard here.
            places.sort(key=lambda place: (_calls(place[0].value), place[2].start))

    def _text(self) -> tuple[int, int]:
        """Where the body and the condition stand."""
        parts = [self.body] if self.condition is None else [self.body, self.condition]
        return min(part.start for part in parts), max(part.end for part in parts)

    def _condition(self, place: tree.Expr) -> int | None:
        value = self.home.run(place, self.scope)
        if isinstance(value, Poison):
            return None
        node = self.lowering.applier.any_node(value)
        type = self.builder.type(node)
        if type.dtype == "bool" and not type.shape:
            return node
        hint = "compare it to make a truth value, as in `x[i] != 0`"
        if type.dtype == "bool":
            hint = "it is asked of each element, as in `x[i] > 0`"
        hints = (hint,)
        message = "a condition is a single truth value"
        self.lowering.error("E0303", message, self.source, place, f"this is {describe(type)}", hints)
        return None

    def _spoiled(self, *places: tree.Expr) -> None:
        """Look for errors in what cannot be lowered, its indices standing for nothing."""
        for binder in self.binders:
            if binder.name.id not in self.indices:
                self.scope.bind(binder.name, POISON, self.builder).used = True
        bounds = [bound for binder in self.binders for bound in (binder.lower, binder.upper) if bound is not None]
        every = [*bounds, *([] if self.condition is None else [self.condition]), self.body]
        for place in places or every:
            self.home.run(place, self.scope)

    # Ranges --------------------------------------------------------------------------------------------------------

    def _define(self, binder: tree.Binder, low: Dim, extent: Dim) -> int:
        """Bind the name of an index in the scope; the index itself starts at 0."""
        builder = self.builder
        index = self.indices[binder.name.id] = self.lowering.new_index(binder.name.shown, extent)
        builder.span = self.source.span(binder.name.start, binder.name.end)
        value = build.index(builder, index)
        if low != 0:
            value = builder.apply("add", value, build.extent(builder, low))
        binding = self.scope.bind(binder.name, value, builder)
        binding.used, binding.fixed = True, "an index"
        return value

    def _open(self, expression: tree.Expr) -> bool:
        """Whether an expression has names in it that are not bound yet, or further inside."""
        own: set[str] = set()
        names: set[str] = set()
        for node in code.walk(expression):
            if isinstance(node, tree.Comprehension):
                own |= {binder.name.id for binder in node.binders}
            elif isinstance(node, tree.Name):
                names.add(node.id)
        return any(self._unbound(name) for name in names - own)

    def _unbound(self, name: str) -> bool:
        waits = name in self.places and name not in self.indices
        return waits or (self.scope.value(name) is None and name not in CONSTANTS)

    def _given(self, binder: tree.Binder) -> bool | None:
        """Bind an index whose range is written, ``i in lower..upper``: false if a bound has indices in it that are
        not bound yet, None after a report.
        """
        builder, source = self.builder, self.source
        assert binder.lower is not None
        assert binder.upper is not None
        waiting = self.places.keys() - self.indices.keys()
        for place in (binder.lower, binder.upper):
            if any(isinstance(node, tree.Name) and node.id in waiting for node in code.walk(place)):
                return False
        lower, upper = self._bound(binder.lower), self._bound(binder.upper)
        if lower is None or upper is None:
            return None
        low, high = lower.low, upper.high
        if lower.varies or upper.varies:
            # Where it is empty for all outer indices its end may lie below its beginning. What the range takes in too
            # many, the condition takes out again.
            missing = _missing(high - low)
            if upper.varies:
                high = high + missing
            else:
                low = low - missing
        builder.span = source.span(binder.lower.start, binder.upper.end)
        if not require(builder, ">=", high, low, builder.span):
            message = f"the range {low}..{high} runs backwards"
            self.lowering.error("E0311", message, source, binder, "no values", ("write the smaller bound first",))
            return None
        value = self._define(binder, low, high - low)
        index = self.indices[binder.name.id]
        self.home.domain.add(index, _less(lower.form, (low, {index: 1})), _less((low + 1, {index: 1}), upper.form))
        if lower.varies:
            self.conditions.append(builder.apply("ge", value, lower.node))
        if upper.varies:
            self.conditions.append(builder.apply("lt", value, upper.node))
        return True

    def _bound(self, place: tree.Expr) -> Reach | None:
        """A bound of a range; None after a report."""
        builder = self.builder
        value = self.home.run(place, self.scope)
        if isinstance(value, Poison):
            return None
        dim = dim_of(builder.data, value)
        node = self.lowering.applier.int_node(value)
        if dim is not None:
            return Reach(node, (dim, {}), dim, dim)
        type = builder.type(node)
        if type.dtype == "int" and type.free and not type.shape:
            form = affine(builder.data, node)
            reach = hull(form) if form is not None else None
            if form is not None and reach is not None:
                return Reach(node, form, *reach)
        label = "known only when the program runs" if type == INT else f"this is {describe(type)}"
        if type.dtype == "int" and type.free and not type.shape:
            label = "no sum of outer indices"
        hints = ["the bounds of a range are sizes, whole numbers and outer indices, as in `0..n-1` or `0..i`"]
        if type.dtype == "int" and not type.shape:
            hints.append("what the data decide stands in a condition: `for i if i < k`")
        self.lowering.error("E0311", "this is no bound of a range", self.source, place, label, hints)
        return None

    def _read(self, binder: tree.Binder) -> bool | None:
        """Bind an index to the axis that it stands on alone: false if none is known yet, None if one is in error.

        That all such axes agree is checked when the subscripts are lowered.
        """
        for node, axis, item in self.places[binder.name.id]:
            shape = self._shape(node.value)
            if isinstance(shape, Poison):
                return None
            if shape is not None and axis < len(shape):
                self._define(binder, 0, shape[axis])
                index = self.indices[binder.name.id]
                self.home.domain.add(index, (0, {index: 1}), (index.extent - 1, {index: -1}))
                self.home.was_read(index, Reading(self.source, item, shape[axis], *self._text()))
                return True
        return False

    def _shape(self, expression: tree.Expr) -> tuple[Dim, ...] | Poison | None:
        """The shape of what is indexed; None where it hangs on indices that are not known yet."""
        trail: list[tree.Subscript | tree.Attribute] = []
        inner: tree.Expr = expression
        while self._open(inner):
            if not isinstance(inner, (tree.Subscript, tree.Attribute)):
                return None
            trail.append(inner)
            inner = inner.value
        value = self._known(inner)
        if isinstance(value, Poison):
            return POISON
        shape = self.lowering.applier.type(value).shape
        for step in reversed(trail):
            if isinstance(step, tree.Attribute):
                shape = shape[::-1]
                continue
            left = self._left(step, shape)
            if left is None or isinstance(left, Poison):
                return left
            shape = left
        return shape

    def _left(self, step: tree.Subscript, shape: tuple[Dim, ...]) -> tuple[Dim, ...] | Poison | None:
        """The shape that a subscript leaves of another, in which an index that is not known yet takes an axis away."""
        if len(step.items) > len(shape):
            return None
        kept: list[Dim] = []
        for item, extent in zip(step.items, shape, strict=False):
            if any(self._open(part) for part in code.parts(item)):
                if isinstance(item, tree.Slice):
                    return None
                continue
            values = [self._known(part) for part in code.parts(item)]
            sound = [value for value in values if not isinstance(value, Poison)]
            if len(sound) < len(values):
                return POISON
            if isinstance(item, tree.Slice):
                given = iter(sound)
                parts = [None if part is None else next(given) for part in (item.lower, item.upper, item.step)]
                described = self.lowering.subscripts.slice(item, (parts[0], parts[1], parts[2]), extent, self.source)
                if described is None:
                    return POISON
                kept.append(described[2])
            elif self.lowering.applier.type(sound[0]).shape:
                return None
        return (*kept, *shape[len(step.items) :])

    def _known(self, expression: tree.Expr) -> Value:
        """The value of an expression without open names: it is lowered here, and not again in the body."""
        if isinstance(expression, (tree.Name, tree.Number)):
            return self.home.run(expression, self.scope)
        if expression not in self.home.known:
            waits = any(each.lower is not None and each.name.id not in self.indices for each in self.binders)
            with self.home.domain.unfinished() if waits else nullcontext():
                self.home.known[expression] = self.home.run(expression, self.scope)
        return self.home.known[expression]

    def _unreadable(self, binder: tree.Binder) -> None:
        """Report that a range cannot be read, unless the body has an error that may be the reason."""
        errors = self.lowering.program.errors
        before = len(errors)
        self._spoiled()
        if len(errors) > before:
            return
        name = binder.name.shown
        inside = [self.body, *code.inside(list(self.binders), self.condition)]
        used = any(isinstance(n, tree.Name) and n.id == binder.name.id for each in inside for n in code.walk(each))
        label = "stands alone on no axis" if used else "does not occur in the body"
        if binder.lower is not None:
            message, label = "these ranges hang on each other", "which comes first?"
            self.lowering.error("E0311", message, self.source, binder, label)
            return
        message = f"the range of the index `{name}` cannot be read off"
        self.lowering.error("E0311", message, self.source, binder, label, (f"give the range: `for {name} in 0..n`",))


def _missing(gap: Dim) -> Dim:
    """What has to be added so that an extent is 0 or more for all sizes; 0 where that is not so plain."""
    kept = sizes.positive(gap)
    return kept - gap if sizes.at_least(kept, 0) and sizes.at_least(kept - gap, 0) else 0


def _less(left: Sum, right: Sum) -> Sum:
    """``right - left``."""
    factors = dict(right[1])
    for index, factor in left[1].items():
        factors[index] = factors.get(index, 0) - factor
    return right[0] - left[0], factors


def _calls(expression: tree.Expr) -> bool:
    return any(isinstance(node, tree.Call) for node in code.walk(expression))
