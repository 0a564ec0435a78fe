"""Columns of a data file: looked at when they are asked for, so that a file may hold what no program needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy

from gradc.errors import CallError, CompileError, Diagnostic

Array = numpy.ndarray[Any, Any]
Reader = Callable[[], Array]


def fail(code: str, message: str, *hints: str) -> CallError:
    """A diagnostic about data, as an exception."""
    return CallError(Diagnostic(code, message, hints=hints))


class Columns(Mapping[str, Array]):
    """Columns by name in the order of the file, each read the first time it is asked for.

    Reading one may raise ``CallError``: a column of text in a table is no array of numbers.
    """

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._readers = dict(readers)
        self._read: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        found = self._read.get(name)
        if found is None:
            try:
                found = self._read[name] = self._readers[name]()
            except CompileError as problem:
                # Reading files is the same work for programs, whose mistakes these would be.
                raise CallError(problem.diagnostics) from None
            except MemoryError:
                raise fail("E0631", f"`{name}` needs more memory than there is") from None
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)

    def __contains__(self, name: object) -> bool:
        return name in self._readers


@dataclass(frozen=True)
class Data:
    """What a file holds: columns by name, or a single array that has none.

    The arrays have the shape and type that they have in the file. ``column`` gives those that hold numbers.
    """

    path: str
    columns: Mapping[str, Array]
    single: Array | None = None

    def column(self, name: str) -> Array:
        """An array of real numbers, integers or truth values; raises ``CallError`` if the column holds others."""
        return numeric(self.columns[name], f"the column `{name}` of `{self.path}`")

    def array(self) -> Array:
        """The array that has no name, checked likewise."""
        assert self.single is not None
        return numeric(self.single, f"`{self.path}`")


_KINDS = {
    "c": "complex numbers",
    "O": "Python objects",
    "U": "text",
    "S": "bytes",
    "T": "text",
    "M": "dates",
    "m": "durations",
    "V": "records",
}
_ADVICE = {
    "c": "a program calculates with real numbers: give real and imaginary part as two columns",
    "U": "number the texts, and give the numbers",
    "M": "give a number, such as the seconds since a date",
    "m": "give a number of seconds",
    "V": "save each field as an array of its own",
}


def numeric(array: Array, what: str) -> Array:
    """The array, if it holds what a program can calculate with."""
    kind = array.dtype.kind
    if kind in "biuf":
        return array
    hints = (_ADVICE["U" if kind in "ST" else kind],) if kind != "O" else ()
    raise fail("E0626", f"{what} holds {_KINDS.get(kind, 'values')} ({array.dtype}), not numbers", *hints)
