"""Arrays that a caller passes: as the types of the inputs want them, with the sizes that their shapes give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gradc.errors import CallError, Diagnostic
from gradc.ir import sizes as extents
from gradc.ir.graph import Constraint, Graph
from gradc.ir.sizes import Dim, Size
from gradc.ir.types import Type
from gradc.source import Source, Span

DTYPES: Final[Mapping[str, Any]] = {"f64": np.float64, "f32": np.float32, "int": np.int64, "bool": np.bool_}
_KINDS: Final = {"f64": "fiu", "f32": "fiu", "int": "iu", "bool": "b"}
_WANTED: Final = {"f64": "numbers", "f32": "numbers", "int": "integers", "bool": "truth values"}


def _fail(code: str, message: str, *hints: str) -> CallError:
    return CallError(Diagnostic(code, message, hints=hints))


def as_array(name: str, value: Any, type: Type) -> np.ndarray[Any, Any]:
    """A caller's value as an array of the input's dtype and rank. It may be the caller's own, which nobody changes.

    Takes anything that NumPy makes an array of: lists, columns of data frames, ``__array__``, DLPack. Raises
    ``CallError`` for ragged lists, for objects, text and complex numbers, and for another rank.
    """
    if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
        value = np.from_dlpack(value)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as problem:
        ragged = isinstance(value, (list, tuple))
        what = "lists of different lengths" if ragged else f"a value of type {value.__class__.__name__}"
        raise _fail("E0614", f"`{name}` takes an array, and {what} make none", str(problem)[:200]) from None
    if array.ndim != type.rank:
        due, found = _shape(type.shape), _shape(array.shape)
        hints: tuple[str, ...] = ()
        if array.ndim == type.rank + 1:
            hints = ("to run the program over rows, write `model.map(…)` in place of `model(…)`",)
        raise _fail("E0614", f"`{name}` takes an array {due}, not {found}", *hints)
    if array.size and array.dtype.kind not in _KINDS[type.dtype]:
        if type.dtype == "int" and array.dtype.kind == "f":
            return _whole(name, array)
        raise _fail("E0614", f"`{name}` takes {_WANTED[type.dtype]}, not values of type {array.dtype}")
    if type.dtype == "int" and array.dtype.kind == "u" and array.size and int(array.max()) >= 2**63:
        raise _fail("E0614", f"`{name}` takes integers of 64 bits, and {array.max()} is larger")
    with np.errstate(over="ignore"):
        return np.asarray(array, DTYPES[type.dtype])


def _whole(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Whole numbers that are stored as floating point, as a file or a data frame with gaps may have them."""
    with np.errstate(invalid="ignore"):
        whole = array.astype(np.int64)
    wrong = (whole != array) | (np.abs(array) >= 2.0**63)
    if wrong.any():
        raise _fail("E0614", f"`{name}` takes integers, and {array[wrong].flat[0]} is none")
    return whole


def _shape(shape: Sequence[Any]) -> str:
    return f"[{', '.join(map(str, shape))}]" if shape else "a single number"


@dataclass(frozen=True)
class Filled:
    """The default of an array that is one number: it takes the shape that the other inputs give."""

    value: Any


@dataclass
class _Origin:
    """Where a size comes from: an axis of an input, or an integer input."""

    value: int
    name: str
    axis: int | None

    def __str__(self) -> str:
        return f"{self.value} from `{self.name}`"


class Shapes:
    """The sizes of a graph, and how the shapes of a call give them."""

    def __init__(self, graph: Graph, shown: Sequence[str], sources: Sequence[Source] = ()) -> None:
        self.types = [graph.type(node) for node in graph.inputs]
        self.shown = shown
        self.constraints: tuple[Constraint, ...] = graph.constraints
        self.texts = {source.name: source for source in sources}
        self.spans = [graph.span(node) for node in graph.inputs]
        self.names = sorted({name for type in self.types for dim in type.shape for name in extents.names(dim)})
        self.arrays = any(
            data["type"].shape or data["type"].free or graph.ops[data["op"]].kind == "structural"
            for data in graph.data.values()
        )

    def solve(self, values: Sequence[Any]) -> dict[str, int]:
        """The sizes for one value an input; raises ``CallError`` where shapes do not go together."""
        found: dict[str, _Origin] = {}
        problems: list[Diagnostic] = []
        pending: list[tuple[int, int, Dim, int]] = []
        unsized: list[tuple[int, str]] = []
        for at, (type, value) in enumerate(zip(self.types, values, strict=True)):
            if not type.shape and type.dtype == "int":
                found.setdefault(self.shown[at], _Origin(int(value), self.shown[at], None))
        for at, (type, value) in enumerate(zip(self.types, values, strict=True)):
            if isinstance(value, Filled):
                unsized += [(at, name) for dim in type.shape for name in sorted(extents.names(dim))]
                continue
            for axis, dim in enumerate(type.shape):
                extent = value.shape[axis]
                if isinstance(dim, Size) and dim.atomic and isinstance(dim.terms[0][0][0][0], str):
                    name = dim.terms[0][0][0][0]
                    known = found.get(name)
                    if known is None:
                        found[name] = _Origin(extent, self.shown[at], axis)
                    elif known.value != extent:
                        problems.append(self._clash(name, known, at, axis, extent))
                else:
                    pending.append((at, axis, dim, extent))
        sizes = {name: origin.value for name, origin in found.items()}
        for at, name in unsized:
            if name not in sizes:
                hints = (f"pass `{self.shown[at]}`, or an array whose shape gives {name}",)
                span = self.spans[at]
                message = f"nothing gives the size `{name}`"
                problems.append(
                    Diagnostic("E0615", message, span, "its default fits any size", hints, text=self._text(span))
                )
        if problems:
            raise CallError(problems)
        for at, axis, dim, extent in pending:
            due = extents.evaluate(dim, sizes)
            if due != extent:
                problems.append(self._wrong(at, axis, dim, due, extent, found))
        if problems:
            raise CallError(problems)
        for constraint in self.constraints:
            self._check(constraint, sizes, found)
        return sizes

    def _text(self, span: Span | None) -> str:
        return self.texts[span.file].line(span.line) if span and span.file in self.texts else ""

    def _clash(self, name: str, known: _Origin, at: int, axis: int, extent: int) -> Diagnostic:
        span = self.spans[at]
        shown = self.shown[at]
        message = f"`{shown}` has {extent} elements along axis {axis}, where {name} is {known.value}"
        hints = (f"{name} is {known}, {extent} from `{shown}`",)
        return Diagnostic("E0615", message, span, "declared here", hints, text=self._text(span))

    def _wrong(self, at: int, axis: int, dim: Dim, due: int, extent: int, found: Mapping[str, _Origin]) -> Diagnostic:
        span = self.spans[at]
        what = f"{dim} = {due}" if isinstance(dim, Size) else str(due)
        message = f"`{self.shown[at]}` has {extent} elements along axis {axis}, where {what} are due"
        hints = tuple(f"{name} is {found[name]}" for name in sorted(extents.names(dim)))
        return Diagnostic("E0615", message, span, "declared here", hints, text=self._text(span))

    def _check(self, constraint: Constraint, sizes: Mapping[str, int], found: Mapping[str, _Origin]) -> None:
        try:
            left, right = extents.evaluate(constraint.left, sizes), extents.evaluate(constraint.right, sizes)
        except ZeroDivisionError:
            raise CallError(
                Diagnostic("E0616", "a size is divided by zero", constraint.span, text=self._text(constraint.span))
            ) from None
        if left == right or (constraint.relation == ">=" and left > right):
            return
        sign = "=" if constraint.relation == "==" else "≥"
        names = sorted(extents.names(constraint.left) | extents.names(constraint.right))
        hints = tuple(f"{name} is {found[name]}" for name in names if name in found)
        message = f"the shapes do not go together: {constraint.left} {sign} {constraint.right} does not hold"
        label = f"{left} and {right} here" if constraint.relation == "==" else f"{left} is less than {right} here"
        raise CallError(Diagnostic("E0616", message, constraint.span, label, hints, text=self._text(constraint.span)))
