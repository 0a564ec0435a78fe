"""Lowers subscripts: elements, rows, slices, and reading at the places that an integer array names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradc.ir.sizes import Dim, divide
from gradc.ir.types import INT, Index
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.extents import common, dim_of, fit, require, written
from gradc.syntax.scope import POISON, Poison, Value, Weak

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering

Item = Value | tuple[Value | None, Value | None, Value | None]
"""A lowered item of a subscript: an index, or the parts of a slice."""


class Subscripts:
    """Makes what subscripts stand for in one lowering."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.builder = lowering.builder

    def lower(self, node: tree.Subscript, value: Value, items: Sequence[Item], source: Source) -> Value:
        """The elements of ``value`` that the items name, or poison after a report."""
        lowering, builder = self.lowering, self.builder
        if isinstance(value, Poison):
            return POISON
        for item in items:
            if isinstance(item, Poison) or (isinstance(item, tuple) and any(isinstance(p, Poison) for p in item)):
                return POISON
        array = lowering.applier.any_node(value)
        shape = builder.type(array).shape
        if len(items) > len(shape):
            if shape:
                message = f"{len(items)} indices for an array {written(shape)}"
                place: tree.Node = node.items[len(shape)]
                label = f"it has {len(shape)} ax{'is' if len(shape) == 1 else 'es'}"
            else:
                message, place, label = "only an array has elements", node.value, "this is a single number"
            lowering.error("E0310", message, source, place, label)
            return POISON
        builder.span = source.span(node.start, node.end)
        described: list[Any] = []
        tables: list[tuple[int, int]] = []
        for axis, (item, place) in enumerate(zip(items, node.items, strict=True)):
            part: Any
            if isinstance(item, tuple):
                assert isinstance(place, tree.Slice)
                part = self.slice(place, item, shape[axis], source)
            else:
                assert not isinstance(item, Poison)
                part = self.index(place, item, shape[axis], source)
                if isinstance(part, int) and builder.type(part).shape:
                    tables.append((axis, part))
            if part is None:
                return POISON
            described.append(part)
        if tables:
            return self._gather(node, array, described, tables, source)
        return self._read(array, described)

    def _read(self, array: int, described: Sequence[Any]) -> int:
        """The access; reading from what was read itself becomes one access where it can."""
        builder = self.builder
        shape = builder.type(array).shape
        items = tuple(None if isinstance(part, int) else part for part in described)
        indices = [part for part in described if isinstance(part, int)]
        while items and items[-1] == (0, 1, shape[len(items) - 1]):
            items = items[:-1]
        if not items:
            return array
        if builder.op(array) == "access" and all(item is None for item in builder.data[array]["attrs"]["items"]):
            inner, *before = builder.operands(array)
            return build.access(builder, inner, (None,) * len(before) + items, [*before, *indices])
        return build.access(builder, array, items, indices)

    # Indices -------------------------------------------------------------------------------------------------------

    def index(self, place: tree.Node, value: int | Weak, extent: Dim, source: Source) -> int | None:
        """The node of an index, or of an array of indices; a constant negative one counts from the end."""
        lowering, builder = self.lowering, self.builder
        if isinstance(value, Weak):
            known: Dim = value.exact
            if value.exact < 0:
                known = extent + value.exact
            if isinstance(extent, int) and not (isinstance(known, int) and 0 <= known < extent):
                label = f"the axis has {extent} element" + ("s" if extent != 1 else "")
                lowering.error("E0310", f"the index {value.exact} is out of range", source, place, label)
                return None
            return build.extent(builder, known)
        node = lowering.applier.int_node(value)
        type = builder.type(node)
        if type.dtype == "int":
            return node
        hints: tuple[str, ...] = ()
        if type.dtype == "bool" and type.shape:
            hints = ("a mask gives no fixed shape: use it in a condition, as in `sum(x[i] for i if m[i])`",)
        elif type.real:
            hints = ("declare it as an integer: `input k: int` or `input idx[m]: int`",)
        what = "truth values" if type.dtype == "bool" else "real numbers" if type.shape else "a real number"
        lowering.error("E0310", "an index is an integer", source, place, f"this is {what}", hints)
        return None

    def _gather(
        self, node: tree.Subscript, array: int, described: list[Any], tables: Sequence[tuple[int, int]], source: Source
    ) -> Value:
        """The elements at the places that integer arrays name, their axes in the place of the first array's."""
        lowering, builder = self.lowering, self.builder
        shape = common([builder.type(table) for _, table in tables])
        first = tables[0][0]
        if any(isinstance(part, tuple) for part in described[first : tables[-1][0]]) or any(
            isinstance(part, tuple) for part in described[:first]
        ):
            lowering.error(
                "E0310",
                "slices stand behind arrays of indices",
                source,
                node,
                "the order of the axes would not be plain",
                ("write the elements with indices, as in `[x[i, idx[k]] for i, k]`",),
            )
            return POISON
        indices = [lowering.new_index("k", extent) for extent in shape]
        places = [build.index(builder, index) for index in indices]
        for axis, table in tables:
            whole = fit(builder, table, shape, builder.span)
            described[axis] = build.access(builder, whole, (None,) * len(places), places)
        return build.tabulate(builder, self._read(array, described), indices)

    # Slices --------------------------------------------------------------------------------------------------------

    def slice(
        self, place: tree.Slice, parts: tuple[Value | None, Value | None, Value | None], extent: Dim, source: Source
    ) -> tuple[Dim, int, Dim] | None:
        """The start, the step and the count of a slice; one that reaches beyond the end is an error."""
        lowering, builder = self.lowering, self.builder
        step = 1
        if place.step is not None:
            assert parts[2] is not None
            assert not isinstance(parts[2], Poison)
            found = dim_of(builder.data, parts[2])
            if not isinstance(found, int) or found == 0:
                hint = "a step is a whole number other than 0"
                lowering.error("E0310", "this is no step of a slice", source, place.step, "", (hint,))
                return None
            step = found
        start = self._bound(place.lower, parts[0], extent, 0 if step > 0 else extent - 1, source)
        stop = self._bound(place.upper, parts[1], extent, extent if step > 0 else -1, source)
        if start is None or stop is None:
            return None
        span = source.span(place.start, place.end)
        low, high = (start, stop) if step > 0 else (stop + 1, start + 1)
        fits = require(builder, ">=", low, 0, span) and require(builder, ">=", extent, high, span)
        if not (fits and require(builder, ">=", high, low, span)):
            message = f"this slice does not lie within an axis of extent {extent}"
            lowering.error("E0310", message, source, place, f"from {low} to {high}")
            return None
        return start, step, divide(high - low + abs(step) - 1, abs(step))

    def _bound(
        self, place: tree.Expr | None, value: Value | None, extent: Dim, default: Dim, source: Source
    ) -> Dim | None:
        if place is None:
            return default
        assert value is not None
        assert not isinstance(value, Poison)
        if isinstance(value, Weak):
            return extent + value.exact if value.exact < 0 else value.exact
        found = dim_of(self.builder.data, value)
        if found is None:
            type = self.builder.type(value)
            label = "known only when the program runs" if type is INT else "not an integer"
            hint = "the bounds of a slice are numbers and sizes, so that the shape is known"
            self.lowering.error("E0310", "this is no bound of a slice", source, place, label, (hint,))
        return found


def rows(builder: Any, array: int, index: Index) -> int:
    """What the first axis of an array holds at an index."""
    found: int = build.access(builder, array, (None,), [build.index(builder, index)])
    return found
