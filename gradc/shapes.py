"""The sizes of a call: what the shapes of its arrays say they are, and whether they go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradc.arguments import written
from gradc.errors import CallError, Diagnostic
from gradc.ir import sizes as extents
from gradc.ir.graph import Constraint, Graph, graphs
from gradc.ir.sizes import Dim, Size
from gradc.ir.types import Index
from gradc.source import Source, Span, canonical

# Of very many sizes that do not go together, so many are told.
_TOLD = 8
# The sizes of so many combinations of shapes are known without a look.
_REMEMBERED = 64


@dataclass(frozen=True)
class Filled:
    """The default of an array that is one number: it takes the shape that the other inputs give."""

    value: Any


@dataclass(frozen=True)
class _Origin:
    """Where a size comes from: the shape of an input's array, or an integer input."""

    value: int
    at: int
    shape: tuple[int, ...] = ()
    axis: int = 0


class Shapes:
    """The sizes of a graph, and how the shapes of a call give them.

    ``given`` are the sizes that were given numbers when the program was compiled: its shapes hold these numbers.
    """

    def __init__(self, graph: Graph, sources: Sequence[Source] = (), given: Mapping[str, int] | None = None) -> None:
        self.types = [graph.type(node) for node in graph.inputs]
        self.shown = [graph.name(node) or "" for node in graph.inputs]
        # What is asked twice is told once, at the first place.
        self.constraints = {(each.relation, each.left, each.right): each for each in reversed(graph.constraints)}
        self.solved: dict[Any, dict[str, int]] = {}
        self.given = dict(given or {})
        self.texts = {source.name: source for source in sources}
        self.spans = [graph.span(node) for node in graph.inputs]
        self.arrays = any(
            data["type"].shape
            or data["type"].free
            or graph.ops[data["op"]].kind == "structural"
            or data["op"] == "size"
            for each in graphs(graph)
            for data in each.data.values()
        )
        # An integer input is a size only where some extent is made of it: each value of a size has its own plan.
        self.names = names = _sizes(graph) if self.arrays else frozenset()
        self.counts = [
            at
            for at, type in enumerate(self.types)
            if not type.shape and type.dtype == "int" and canonical(self.shown[at]) in names
        ]

    def solve(self, values: Sequence[Any]) -> dict[str, int]:
        """The sizes for one value an input, in the order of their names.

        Raises ``CallError`` where shapes do not go together.
        """
        key = tuple([value.shape if value.__class__ is np.ndarray else value.__class__ for value in values])
        if self.counts:
            key = (key, *[values[at] for at in self.counts])
        sizes = self.solved.get(key)
        if sizes is None:
            sizes = self._solve(values)
            if len(self.solved) < _REMEMBERED:
                self.solved[key] = sizes
        return sizes

    def _solve(self, values: Sequence[Any]) -> dict[str, int]:
        found: dict[str, _Origin] = {}
        problems: list[Diagnostic] = []
        for at in self.counts:
            found[canonical(self.shown[at])] = _Origin(int(values[at]), at)
        derived: list[tuple[int, int, Dim]] = []
        unsized: list[tuple[int, str]] = []
        for at, (type, value) in enumerate(zip(self.types, values, strict=True)):
            if isinstance(value, Filled):
                unsized += [(at, name) for dim in type.shape for name in sorted(extents.names(dim))]
                derived += [(at, axis, dim) for axis, dim in enumerate(type.shape)]
                continue
            for axis, dim in enumerate(type.shape):
                name = _bare(dim)
                if not name:
                    derived.append((at, axis, dim))
                    continue
                origin = found.setdefault(name, _Origin(value.shape[axis], at, value.shape, axis))
                if origin.value != value.shape[axis]:
                    problems.append(self._clash(name, origin, at, axis, value.shape))
        sizes = {name: found[name].value for name in sorted(found)}
        for at, name in dict.fromkeys(unsized):
            if name not in sizes:
                hints = (f"pass `{self.shown[at]}`, or an array whose shape gives {name}",)
                message = f"nothing gives the size `{name}`"
                problems.append(self._diagnostic("E0615", message, self.spans[at], "its default fits any size", hints))
        if not problems:
            # A program's text is refused before; textual IR may ask for anything.
            hints = ("no input has it in its shape; `--size`, in Python `sizes=`, gives it a number",)
            for name in sorted(self.names - sizes.keys()):
                problems.append(self._diagnostic("E0615", f"nothing gives the size `{name}`", None, "", hints))
        if problems:
            raise CallError(problems[:_TOLD])
        for at, axis, dim in derived:
            try:
                due = extents.evaluate(dim, sizes)
            except ZeroDivisionError:
                origins = [(name, found[name]) for name in sorted(extents.names(dim))]
                message = f"a size is divided by zero in the shape of `{self.shown[at]}`"
                problems.append(self._diagnostic("E0616", message, self.spans[at], "declared here", (), origins))
                continue
            if not isinstance(values[at], Filled) and due != values[at].shape[axis]:
                problems.append(self._wrong(at, axis, dim, due, values[at].shape, found))
        for relation in (">=", "=="):
            # Where a size is too small for a slice, what is made of the slice is no news.
            for constraint in reversed(self.constraints.values()):
                broken = self._broken(constraint, sizes, found) if constraint.relation == relation else None
                problems += [broken] if broken is not None else []
            if problems:
                raise CallError(problems[:_TOLD])
        return sizes

    # What is wrong -------------------------------------------------------------------------------------------------

    def _text(self, span: Span | None) -> str:
        return self.texts[span.file].line(span.line) if span and span.file in self.texts else ""

    def _diagnostic(
        self,
        code: str,
        message: str,
        span: Span | None,
        label: str,
        hints: Sequence[str] = (),
        origins: Iterable[tuple[str, _Origin]] = (),
    ) -> Diagnostic:
        """A diagnostic with a note at the declaration that each of the sizes comes from."""
        notes: list[tuple[Span, str, str]] = []
        spare = list(hints)
        for name, origin in origins:
            place = self.spans[origin.at]
            says = self._says(name, origin)
            text = self._text(place)
            if place == span:
                continue
            if place is None or not text:
                spare.append(says)
            else:
                notes.append((place, text, says))
        return Diagnostic(code, message, span, label, tuple(spare), tuple(notes), self._text(span))

    def _says(self, name: str, origin: _Origin) -> str:
        if not origin.shape:
            return f"{name} is {origin.value}"
        return f"{name} is {origin.value}: `{self.shown[origin.at]}` has the shape {written(origin.shape)}"

    def _clash(self, name: str, known: _Origin, at: int, axis: int, shape: tuple[int, ...]) -> Diagnostic:
        ends = f"`{self.shown[known.at]}`", f"`{self.shown[at]}`"
        if known.at == at:
            ends = f"axis {known.axis} of {ends[0]}", f"axis {axis}"
        message = f"the size {name} is {known.value} from {ends[0]}, and {shape[axis]} from {ends[1]}"
        label = self._says(name, _Origin(shape[axis], at, shape))
        if known.at == at:
            label = f"`{self.shown[at]}` has the shape {written(shape)}"
        origins = [(name, known)] if known.at != at else []
        return self._diagnostic("E0615", message, self.spans[at], label, (), origins)

    def _wrong(
        self, at: int, axis: int, dim: Dim, due: int, shape: tuple[int, ...], found: Mapping[str, _Origin]
    ) -> Diagnostic:
        what = f"{dim} = {due}" if isinstance(dim, Size) else str(due)
        message = f"`{self.shown[at]}` has {shape[axis]} elements along axis {axis}, where {what} are due"
        label = f"`{self.shown[at]}` has the shape {written(shape)}"
        given = [name for name, number in self.given.items() if number == due] if isinstance(dim, int) else []
        hints = [f"the program was compiled for {name} = {due}" for name in given]
        origins = [(name, found[name]) for name in sorted(extents.names(dim))]
        return self._diagnostic("E0615", message, self.spans[at], label, hints, origins)

    def _broken(
        self, constraint: Constraint, sizes: Mapping[str, int], found: Mapping[str, _Origin]
    ) -> Diagnostic | None:
        """What is said of a constraint that does not hold; None where it does."""
        left, right = constraint.left, constraint.right
        names = sorted(extents.names(left) | extents.names(right))
        origins = [(name, found[name]) for name in names if name in found]
        try:
            first, second = extents.evaluate(left, sizes), extents.evaluate(right, sizes)
        except ZeroDivisionError:
            return self._diagnostic("E0616", "a size is divided by zero", constraint.span, "needed here", (), origins)
        if first == second or (constraint.relation == ">=" and first > second):
            return None
        if constraint.relation == ">=":
            # A bound that is made of sizes itself is shown with its value.
            bound = str(right) if isinstance(right, int) else f"{right} = {second}"
            message = f"{left} must be at least {bound}, and is {first}"
        elif isinstance(right, int) or isinstance(left, int):
            size, value, number = (left, first, second) if isinstance(right, int) else (right, second, first)
            message = f"{size} must be {number}, and is {value}"
        else:
            message = f"{left} and {right} must be equal, and are {first} and {second}"
        return self._diagnostic("E0616", message, constraint.span, "needed here", (), origins)


def _bare(dim: Dim) -> str:
    """The name that an extent is; empty for a number, and for an extent that is computed."""
    if isinstance(dim, Size) and dim.atomic:
        atom = dim.terms[0][0][0][0]
        return atom if isinstance(atom, str) else ""
    return ""


def _sizes(graph: Graph) -> frozenset[str]:
    """The names of all sizes in a graph: in types, attributes and constraints."""
    found: set[str] = set()
    for data in [data for each in graphs(graph) for data in each.data.values()]:
        attrs = data.get("attrs", {})
        if data["op"] == "input":
            # An operand of a body that is a size need not be known while planning.
            attrs = {}
        for dim in _dims((data["type"].shape, data["type"].free, tuple(attrs.values()))):
            found |= extents.names(dim)
    for constraint in graph.constraints:
        found |= extents.names(constraint.left) | extents.names(constraint.right)
    return frozenset(found)


def _dims(value: Any) -> Iterator[Size]:
    """The sizes in tuples of tuples."""
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, Size):
            yield each
        elif isinstance(each, Index):
            stack.append(each.extent)
        elif isinstance(each, tuple):
            stack.extend(each)


__all__ = ["Filled", "Shapes"]
