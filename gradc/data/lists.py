"""JSON: an object of names with numbers, truth values or nested lists, or a list of objects with the same names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy

from gradc.data.column import Array, Columns, Reader, fail
from gradc.errors import CallError, located
from gradc.source import Source

# As gradc itself writes them, since JSON has no such numbers.
_SPECIAL = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
# NumPy has no more axes.
_RANK = 64


def read(source: Source) -> Columns:
    """The columns of a JSON file; raises ``CallError`` for a text that is no JSON or holds something else."""
    value = _parsed(source)
    what = f"`{source.name}`"
    readers: dict[str, Reader]
    if isinstance(value, dict):
        readers = {name: partial(array, each, f"`{name}`", what) for name, each in value.items()}
    elif isinstance(value, list) and all(isinstance(each, dict) for each in value):
        names = dict.fromkeys(name for record in value for name in record)
        readers = {name: partial(_of_records, value, name, what) for name in names}
    else:
        raise fail(
            "E0622",
            f"{what} holds {_kind(value)}, not names with values",
            'write an object, as in {"x": [1, 2, 3]}, or a list of objects with the same names',
        )
    return Columns(readers)


def _parsed(source: Source) -> Any:
    try:
        return json.loads(source.text, object_pairs_hook=_distinct(source))
    except json.JSONDecodeError as problem:
        at = min(problem.pos, max(len(source.text) - 1, 0))
        if not source.text.strip():
            raise fail("E0633", f"`{source.name}` is empty", 'write an object, as in {"x": [1, 2, 3]}') from None
        message = (problem.msg[:1].lower() + problem.msg[1:]).removesuffix(" starting at")
        found = located("E0622", f"`{source.name}` is not JSON: {message}", source, at, at + 1, "here")
        raise CallError(found) from None
    except RecursionError:
        raise fail("E0622", f"`{source.name}` nests too deeply") from None
    except ValueError as problem:
        # Python refuses to read integers of thousands of digits.
        raise fail("E0622", f"`{source.name}` cannot be read: {str(problem).partition(':')[0].lower()}") from None


def _distinct(source: Source) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise fail("E0628", f"`{source.name}` gives `{twice}` twice in one object")
        return found

    return hook


def _of_records(records: Sequence[Mapping[str, Any]], name: str, file: str) -> Array:
    for at, record in enumerate(records):
        if name not in record:
            raise fail("E0625", f"record {at + 1} of {file} has no `{name}`", *_ADVICE)
    return array([record[name] for record in records], f"`{name}`", file)


_ADVICE = ('leave the record out, or fill in a number; "nan" is one',)


def array(value: Any, name: str, file: str) -> Array:
    """The array that nested lists stand for; ``name`` and ``file`` are what messages call them.

    Raises ``CallError`` where the lists are ragged or hold no numbers.
    """
    shape: list[int] = []
    level: list[Any] = [value]
    # One axis a round, so that nesting costs no recursion.
    while level and isinstance(level[0], list):
        length = len(level[0])
        for at, each in enumerate(level):
            if not isinstance(each, list) or len(each) != length:
                raise _ragged(name, file, shape, at, each, length)
        shape.append(length)
        if len(shape) > _RANK:
            raise fail("E0623", f"{name} in {file} has more than {_RANK} axes")
        level = [item for each in level for item in each]
    return _flat(level, shape, name, file).reshape(shape)


def _ragged(name: str, file: str, shape: Sequence[int], at: int, found: Any, length: int) -> CallError:
    here, first = _place(shape, at), _place(shape, 0)
    entries = "1 entry" if length == 1 else f"{length} entries"
    other = f"has {len(found)}" if isinstance(found, list) else f"is {_kind(found)}"
    message = f"{name} in {file} is ragged: {name.strip('`')}{first} has {entries}, {name.strip('`')}{here} {other}"
    return fail("E0623", message, "the lists of an axis have the same length")


def _place(shape: Sequence[int], at: int) -> str:
    """The index of the element with that number in an array of that shape, in brackets."""
    if not shape:
        return ""
    index = []
    for extent in reversed(shape):
        at, here = divmod(at, extent)
        index.append(str(here))
    return f"[{', '.join(reversed(index))}]"


def _flat(items: list[Any], shape: Sequence[int], name: str, file: str) -> Array:
    kinds = set(map(type, items))
    if str in kinds:
        items = [_SPECIAL.get(item, item) if type(item) is str else item for item in items]
        kinds = set(map(type, items))
    if not items:
        return numpy.zeros(0)
    if kinds == {bool}:
        return numpy.array(items, dtype=bool)
    if kinds == {int}:
        try:
            return numpy.array(items, dtype=numpy.int64)
        except OverflowError:
            kinds = {int, float}
    if kinds <= {int, float}:
        try:
            return numpy.array(items, dtype=numpy.float64)
        except OverflowError:
            at = next(i for i, item in enumerate(items) if type(item) is int and abs(item) >= 2**1023)
            raise fail("E0626", f"{name.strip('`')}{_place(shape, at)} in {file} is larger than any number") from None
    at = next(i for i, item in enumerate(items) if type(item) not in (int, float))
    if kinds <= {int, float, bool}:
        raise fail("E0626", f"{name} in {file} mixes numbers and truth values", "write 1 and 0 for true and false")
    at = next(i for i, item in enumerate(items) if type(item) not in (int, float, bool))
    where = f"`{name.strip('`')}{_place(shape, at)}` in {file}"
    if items[at] is None:
        raise fail("E0625", f"{where} is null", 'leave it out, or fill in a number; "nan" is one')
    raise fail("E0626", f"{where} is {_kind(items[at])}, not a number")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, str):
        return f'the text "{value if len(value) <= 40 else value[:39] + "…"}"'
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "a number"
