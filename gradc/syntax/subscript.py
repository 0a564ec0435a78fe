"""Lowers subscripts: elements, rows, slices, and reading at the places that an integer array names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradc.ir import sizes
from gradc.ir.sizes import Dim, divide
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.extents import Misfit, affine, common, dim_of, fit, require, written
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
            self._too_many(node, shape, source)
            return POISON
        builder.span = source.span(node.start, node.end)
        described: list[Any] = []
        tables: list[int] = []
        for axis, (item, place) in enumerate(zip(items, node.items, strict=True)):
            part: Any
            if isinstance(item, tuple):
                assert isinstance(place, tree.Slice)
                part = self.slice(place, item, shape[axis], source)
            else:
                assert not isinstance(item, Poison)
                part = self.index(node, place, item, shape[axis], source)
                if isinstance(part, int) and builder.type(part).shape:
                    tables.append(axis)
            if part is None:
                return POISON
            described.append(part)
        if tables:
            return self._gather(node, array, described, tables, source)
        # A literal keeps what it is as integers: `[[0, 1], [2, 3]][0]` may be an index, too.
        found = self._read(array, described)
        whole = lowering.applier.whole.get(array)
        if whole is not None:
            lowering.applier.whole[found] = self._read(whole, described)
        return found

    def _too_many(self, node: tree.Subscript, shape: Sequence[Dim], source: Source) -> None:
        count = len(node.items)
        if shape:
            message = f"{count} indices for an array {written(shape)}"
            place: tree.Node = node.items[len(shape)]
            label = f"it has {len(shape)} ax{'is' if len(shape) == 1 else 'es'}"
        else:
            message, place, label = "only an array has elements", node.value, "this is a single number"
        hints: tuple[str, ...] = ()
        if isinstance(node.value, (tree.ArrayLiteral, tree.Comprehension)):
            hints = ("is a `,` missing before the bracket? rows stand as in `[[1, 2], [3, 4]]`",)
        self.lowering.error("E0310", message, source, place, label, hints)

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

    def index(
        self, node: tree.Subscript, place: tree.Node, value: int | Weak, extent: Dim, source: Source
    ) -> int | None:
        """The node of an index, or of an array of indices; a constant negative one counts from the end."""
        lowering, builder = self.lowering, self.builder
        if isinstance(value, Weak):
            known: Dim = value.exact
            if value.exact < 0:
                known = extent + value.exact
            outside = isinstance(extent, int) and not (isinstance(known, int) and 0 <= known < extent)
            if outside and not lowering.comprehensions.domain.empty():
                label = f"the axis has {extent} element" + ("s" if extent != 1 else "")
                hints = ["indices count from 0"] if known == extent else []
                if isinstance(node.value, (tree.ArrayLiteral, tree.Comprehension)):
                    hints.append("is a `,` missing before the bracket? rows stand as in `[[1, 2], [3, 4]]`")
                lowering.error("E0310", f"the index {value.exact} is out of range", source, place, label, hints)
                return None
            return build.extent(builder, known)
        found = lowering.applier.int_node(value)
        type = builder.type(found)
        if type.dtype == "int":
            return found if type.shape or self._fits(node, place, found, extent, source) else None
        hints = []
        if type.dtype == "bool" and type.shape:
            hints.append("a mask gives no fixed shape: use it in a condition, as in `sum(x[i] for i if m[i])`")
        elif type.real and isinstance(place, tree.Number):
            hints.append("write it without a point")
        elif type.real:
            name = place.shown if isinstance(place, tree.Name) and len(place.shown) <= 20 else "k"
            hints.append(f"declare it as an integer: `input {name}{'[m]' if type.shape else ''}: int`")
        what = "these are" if type.shape else "this is"
        kind = {"bool": "truth value", "f64": "real number", "f32": "real number"}[type.dtype]
        label = f"{what} {kind}s" if type.shape else f"{what} a {kind}"
        lowering.error("E0310", "an index is an integer", source, place, label, hints)
        return None

    def _fits(self, node: tree.Subscript, place: tree.Node, index: int, extent: Dim, source: Source) -> bool:
        """Whether an index may lie within its axis, as far as it can be told before the program runs."""
        lowering, builder = self.lowering, self.builder
        reading = lowering.comprehensions.reading(index, place, source)
        if reading is not None:
            if require(builder, "==", reading.extent, extent, source.span(place.start, place.end)):
                return True
            first = reading.place
            assert isinstance(place, tree.Name)
            lowering.error(
                "E0311",
                f"the index `{place.shown}` has two ranges: 0..{reading.extent} and 0..{extent}",
                source,
                place,
                f"this axis has {_elements(extent)}",
                (f"the arrays should be of one length here; if not, give the range: `for {place.shown} in 0..n`",),
                [(source, first.start, first.end, f"and this one {_elements(reading.extent)}")],
            )
            return False
        form = affine(builder.data, index)
        if form is None:
            return True
        domain = lowering.comprehensions.domain
        highest, lowest = domain.greatest(form), domain.least(form)
        if not highest or not lowest:
            return True
        high, low = highest[0], lowest[0]
        above, below = all(_beyond(each, extent) for each in highest), all(_beyond(-each - 1, 0) for each in lowest)
        # Where there is no combination of the indices nothing is read.
        if not ((above or below) and lowering.surely(node)) or domain.empty():
            return True
        over, under = high - extent + 1, -low
        if len(form[1]) == 0:
            label = f"the axis has {_elements(extent)}, the last is number {extent - 1}"
            hint = "indices count from 0" if over == 1 else ""
            hints = (hint,) if hint else ()
            lowering.error("E0310", f"the index {low} is out of range", source, place, label, hints)
            return False
        reached = f"up to {high}" if above else f"down to {low}"
        hints = ()
        (first_index, factor), *others = form[1].items()
        if not others and factor == 1 and lowering.comprehensions.is_read(first_index):
            name = first_index.name.partition(".")[0]
            start = under if below else 0
            end = first_index.extent - over if above else first_index.extent
            hints = (f"give a range that fits: `for {name} in {start}..{end}`",)
        label = f"the axis has {_elements(extent)}, the last is number {extent - 1}"
        lowering.error("E0310", f"this index runs {reached}, out of its axis", source, place, label, hints)
        return False

    def _gather(
        self, node: tree.Subscript, array: int, described: list[Any], tables: Sequence[int], source: Source
    ) -> Value:
        """The elements at the places that integer arrays name, their axes where the first of these arrays stands."""
        lowering, builder = self.lowering, self.builder
        first = tables[0]
        if any(isinstance(part, tuple) for part in described[first : tables[-1]]):
            message, label = "between arrays of indices stands a slice", "which axis comes where?"
            hint = "write the elements with indices, as in `[x[a[k], i, b[k]] for k, i]`"
            lowering.error("E0310", message, source, node, label, (hint,))
            return POISON
        try:
            shape = common([builder.type(described[axis]) for axis in tables])
        except Misfit as misfit:
            place = node.items[tables[misfit.position]]
            shapes = [written(builder.type(described[axis]).shape) for axis in (first, tables[misfit.position])]
            message = f"arrays of indices have one shape, and these have {shapes[0]} and {shapes[1]}"
            hint = "for all pairs of them write `[X[a[i], b[j]] for i, j]`"
            lowering.error("E0309", message, source, place, f"this is {shapes[1]}", (hint,))
            return POISON
        indices = [lowering.new_index("k", extent) for extent in shape]
        places = [build.index(builder, index) for index in indices]
        for axis in tables:
            whole = fit(builder, described[axis], shape, builder.span)
            described[axis] = build.access(builder, whole, (None,) * len(places), places)
        found = build.tabulate(builder, self._read(array, described), indices)
        # The indices' axes come in front; they belong behind the slices that stand before the first array of indices.
        before = sum(isinstance(part, tuple) for part in described[:first])
        count, rank = len(indices), builder.type(found).rank
        front = range(count, count + before)
        return build.transpose(builder, found, (*front, *range(count), *range(count + before, rank)))

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
            hints: tuple[str, ...]
            if not fits or (place.upper if step > 0 else place.lower) is None:
                message = f"this slice does not lie within an axis of {_elements(extent)}"
                label = f"from {low} up to {high}" if sizes.at_least(high - low, 0) else f"it starts at {start}"
                hints = ("nothing is cut off: a slice lies within its axis",)
            else:
                message, label = "this slice runs backwards", f"from {start} to {stop}"
                hints = ("backwards it takes the step -1: `x[b:a:-1]`",) if step > 0 else ()
            lowering.error("E0310", message, source, place, label, hints)
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
            label = "known only when the program runs" if type.dtype == "int" else "not an integer"
            if type.dtype == "int" and type.free:
                label = "it would be another shape for every index"
            hint = "the bounds of a slice are numbers and sizes, so that the shape is known"
            self.lowering.error("E0310", "this is no bound of a slice", source, place, label, (hint,))
        return found


def _beyond(place: Dim, extent: Dim) -> bool:
    """Whether a place lies behind the end of an axis for all sizes."""
    return bool(sizes.at_least(place - extent, 0))


def _elements(extent: Dim) -> str:
    return f"{extent} element" + ("s" if extent != 1 else "")
