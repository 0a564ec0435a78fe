"""Values that go into and come out of a compiled program: what a caller may pass, and what comes back."""

from __future__ import annotations

import numbers
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy

from gradc.arguments import DTYPES, as_array, convert, described, gaps, written
from gradc.errors import CallError, Diagnostic, suggestion
from gradc.ir.graph import Graph
from gradc.ir.sizes import evaluate, named
from gradc.ir.types import Type, typed
from gradc.shapes import Filled, Shapes
from gradc.source import Source, canonical


class Values(dict[str, Any]):
    """Results by name, as written; a name is found in any of its spellings (``w₁`` is ``w1``)."""

    def __missing__(self, name: str) -> Any:
        wanted = canonical(name)
        for key in self:
            if canonical(key) == wanted:
                return self[key]
        raise KeyError(name)


def _fail(code: str, message: str, *hints: str) -> CallError:
    return CallError(Diagnostic(code, message, hints=hints))


_EXACT = {name: numpy.dtype(dtype) for name, dtype in DTYPES.items()}


class Inputs:
    """The inputs of a graph, and how a caller's values become the list that a plan takes."""

    def __init__(self, graph: Graph, sources: Sequence[Source] = (), sizes: Mapping[str, int] | None = None) -> None:
        self.shown: list[str] = []
        self.dtypes: list[str] = []
        self.defaults: list[Any] = []
        self.index: dict[str, int] = {}
        self.nodes = graph.inputs
        for node in graph.inputs:
            name = graph.name(node) or ""
            self.index[canonical(name)] = len(self.shown)
            self.shown.append(name)
            self.dtypes.append(graph.type(node).dtype)
            self.defaults.append(graph.attrs(node).get("default"))
        self.types = [graph.type(node) for node in graph.inputs]
        # The arrays that an input takes as they are, by dtype and rank; a number has no rank here.
        self.exact = [(_EXACT[type.dtype], type.rank or None) for type in self.types]
        self.shapes = Shapes(graph, sources, sizes)
        self.spans = [graph.span(node) for node in graph.inputs]
        self.texts = {source.name: source for source in sources}
        self.known = list(graph.names)

    def given(self, mapping: Mapping[str, Any] | None, values: Mapping[str, Any]) -> list[Any]:
        """The caller's values in the order of the inputs, None where there is none; unknown names are an error."""
        found: list[Any] = [None] * len(self.shown)
        seen: set[int] = set()
        if mapping is None:
            mapping = {}
        elif not isinstance(mapping, Mapping):
            raise _fail("E0603", f"values are passed by name, not as {described(mapping)}", "write `model(x=3)`")
        for name, value in chain(mapping.items(), values.items()):
            at = self.index.get(canonical(name)) if isinstance(name, str) else None
            if at is None:
                raise self._unknown(name)
            if at in seen:
                raise _fail("E0602", f"`{self.shown[at]}` is given twice")
            seen.add(at)
            found[at] = self.converted(at, value) if value is None else value
        return found

    def converted(self, at: int, value: Any) -> Any:
        """A caller's value as the number or the array that an input takes."""
        # What needs no conversion is told from the rest at once.
        if value.__class__ is numpy.ndarray and self.exact[at] == (value.dtype, value.ndim):
            return value
        type = self.types[at]
        if type.shape:
            return self._array(at, value, type)
        return convert(self.shown[at], value, self.dtypes[at])

    def _array(self, at: int, value: Any, type: Type) -> numpy.ndarray[Any, Any]:
        span = self.spans[at]
        text = self.texts[span.file].line(span.line) if span and span.file in self.texts else ""
        return as_array(self.shown[at], value, type, span, text)

    def bound(self, found: list[Any]) -> dict[str, int]:
        """The sizes of a call, whose arrays that are left out are filled with their defaults."""
        if not self.shapes.arrays:
            return {}
        given = [
            value if value.__class__ is numpy.ndarray else self._sized(at, value) for at, value in enumerate(found)
        ]
        sizes = self.shapes.solve(given)
        for at, value in enumerate(given):
            if isinstance(value, Filled):
                shape = tuple(evaluate(dim, sizes) for dim in self.types[at].shape)
                found[at] = numpy.broadcast_to(numpy.asarray(value.value, DTYPES[self.dtypes[at]]), shape)
            else:
                found[at] = value
        return sizes

    def _sized(self, at: int, value: Any) -> Any:
        if self.types[at].shape and not isinstance(value, numpy.ndarray):
            if isinstance(value, tuple):
                return numpy.asarray(value, DTYPES[self.dtypes[at]])
            return Filled(value)
        return value

    def _unknown(self, name: object) -> CallError:
        if isinstance(name, str) and canonical(name) in self.known:
            return _fail("E0602", f"`{name}` is computed by the program, so it cannot be set")
        hints = suggestion(str(name), self.shown)
        if not hints:
            listed = ", ".join(f"`{shown}`" for shown in self.shown[:12]) + (", …" if len(self.shown) > 12 else "")
            hints = (f"the inputs are {listed}",) if self.shown else ("the program has no inputs",)
        return _fail("E0602", f"there is no input `{name}`", *hints)

    def missing(self, absent: Sequence[int]) -> CallError:
        """The diagnostic for inputs that have neither a value nor a default, one for each."""
        found = []
        for at in absent:
            span = self.spans[at]
            name = self.shown[at]
            text = self.texts[span.file].line(span.line) if span and span.file in self.texts else ""
            python, shell = ("True", "true") if self.dtypes[at] == "bool" else ("1", "1")
            how = f"pass it, as in `{name}={python}` (on the command line `--set {name}={shell}`)"
            if self.types[at].shape:
                how = f"pass an array {written(self.types[at].shape)} (on the command line `--data FILE`)"
            hints = (f"{how}, or give it a default",)
            found.append(
                Diagnostic("E0601", f"`{name}` has no value", span, "declared here, with no default", hints, text=text)
            )
        return CallError(found)

    def numbers(self, mapping: Mapping[str, Any] | None, values: Mapping[str, Any]) -> list[float | int | bool]:
        """One number an input, defaults filled in."""
        found = self.given(mapping, values)
        absent = []
        for at, value in enumerate(found):
            if value is None:
                found[at] = self.defaults[at]
                if found[at] is None:
                    absent.append(at)
            elif type(value) is not float or self.dtypes[at] not in ("f64", "f32") or self.types[at].shape:
                found[at] = self.converted(at, value)
        if absent:
            raise self.missing(absent)
        return found

    def where_known(self, mapping: Mapping[str, Any] | None, needed: Collection[int]) -> list[Any] | None:
        """One number an input, defaults filled in; None where one of the ``needed`` nodes has neither.

        For pictures and explanations, which show formulas alone then. What is not needed may be any number.
        """
        found = self.given(mapping, {})
        for at, value in enumerate(found):
            if value is not None:
                found[at] = self.converted(at, value)
            elif self.defaults[at] is not None:
                found[at] = self.defaults[at]
            elif self.nodes[at] in needed:
                return None
            else:
                found[at] = 1
        return found

    def rows(self, mapping: Mapping[str, Any] | None, values: Mapping[str, Any]) -> tuple[list[Any], list[int]]:
        """One value or one array of rows an input, and which inputs have rows, by their places."""
        found = self.given(mapping, values)
        first: int | None = None
        mapped: list[int] = []
        absent = []
        for at, value in enumerate(found):
            name = self.shown[at]
            if value is None:
                found[at] = self.defaults[at]
                if found[at] is None:
                    absent.append(at)
                continue
            column = self._column(at, value)
            if column is None:
                found[at] = self.converted(at, value)
                continue
            if at in self.shapes.counts:
                hint = "write a loop of calls, each with its own"
                raise _fail("E0607", f"`{name}` is the size of arrays: it is the same in all rows", hint)
            if first is not None and len(column) != len(found[first]):
                message = f"`{name}` has {len(column)} rows, and `{self.shown[first]}` has {len(found[first])}"
                raise _fail("E0607", message)
            first = at if first is None else first
            mapped.append(at)
            found[at] = column
        if absent:
            raise self.missing(absent)
        if not mapped:
            raise _fail(
                "E0607", "`map` needs an array of rows for at least one input", "for single values call the model"
            )
        return found, mapped

    def _column(self, at: int, value: Any) -> numpy.ndarray[Any, Any] | None:
        """The rows that a caller passed for an input; None for one value."""
        type = self.types[at]
        if not type.shape:
            return _column(self.shown[at], value, type.dtype)
        try:
            dims = numpy.ndim(value)
        except Exception:  # what makes no array is refused as one row is
            dims = type.rank
        if dims != type.rank + 1:
            return None
        return self._array(at, value, typed(type.dtype, (named("rows"), *type.shape)))


_KINDS = {"f64": "fiu", "f32": "fiu", "int": "iu", "bool": "b"}


def _column(name: str, value: Any, dtype: str) -> numpy.ndarray[Any, Any] | None:
    """The rows that a caller passed as an array of the input's type; None for a single number."""
    if isinstance(value, (str, bytes, numbers.Number)):
        return None
    if (missing := gaps(value)) is not None:
        raise _fail("E0603", f"`{name}` takes rows without gaps, and {missing}")
    try:
        array = numpy.asarray(value)
    except Exception:  # whatever the value's own `__array__` does
        raise _fail("E0603", f"`{name}` takes rows of numbers, and these do not make an array") from None
    if array.ndim == 0:
        return None
    if array.ndim > 1:
        raise _fail("E0606", f"`{name}` takes one number a row, and the array has shape {array.shape}")
    if not array.size:
        return numpy.empty(array.shape, DTYPES[dtype])
    if dtype == "int" and array.dtype.kind == "f":
        with numpy.errstate(all="ignore"):
            # As in a call for one row, 3.0 is an integer too.
            whole = array.astype(numpy.int64)
            if numpy.all(numpy.abs(array) < 2.0**63) and numpy.array_equal(whole, array):
                return whole
    if array.dtype.kind not in _KINDS[dtype]:
        wanted = {"int": "integers", "bool": "truth values"}.get(dtype, "numbers")
        raise _fail("E0603", f"`{name}` takes rows of {wanted}, not of {array.dtype}")
    if dtype == "int" and array.dtype.kind == "u" and int(array.max()) >= 2**63:
        raise _fail("E0603", f"`{name}` takes integers of 64 bits, and {array.max()} is larger")
    with numpy.errstate(all="ignore"):
        return array.astype(DTYPES[dtype])
