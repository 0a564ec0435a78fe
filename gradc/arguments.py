"""What a caller passes, as the types of the inputs want it: numbers, truth values and arrays."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from gradc.errors import CallError, Diagnostic
from gradc.ir.types import Type
from gradc.source import Span

Array = np.ndarray[Any, Any]

DTYPES: Final[Mapping[str, Any]] = {"f64": np.float64, "f32": np.float32, "int": np.int64, "bool": np.bool_}


def _fail(code: str, message: str, *hints: str) -> CallError:
    return CallError(Diagnostic(code, message, hints=hints))


# Single numbers ------------------------------------------------------------------------------------------------------

_INT64 = range(-(2**63), 2**63)


def convert(name: str, value: Any, dtype: str) -> float | int | bool:
    """A caller's value as the number that an input of that type takes; raises ``CallError``."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "__array__") and not isinstance(value, np.generic):
        value = _single(value)
    truth = isinstance(value, (bool, np.bool_))
    if dtype == "bool":
        if truth:
            return bool(value)
        raise _fail("E0603", f"`{name}` takes a truth value, not {described(value)}", "pass True or False")
    if truth:
        raise _fail("E0603", f"`{name}` takes a number, not a truth value", f"pass {int(value)} instead")
    if isinstance(value, numbers.Real) or _single_float(value):
        if isinstance(value, (np.complexfloating,)):
            raise _fail("E0603", f"`{name}` takes a real number, not {value!r}")
        try:
            number = value if isinstance(value, float) and type(value) is float else float(value)
        except Exception:  # too large, not a number, or whatever the value's own `__float__` does
            raise _fail("E0603", f"`{name}` takes a number that fits 64 bits, not {described(value)}") from None
        if dtype != "int":
            return number
        whole = _whole(value, number)
        if whole is None:
            plain = value.item() if isinstance(value, np.generic) else value
            raise _fail("E0603", f"`{name}` takes an integer, not {plain!r}")
        if whole not in _INT64:
            raise _fail("E0603", f"`{name}` takes an integer of 64 bits, and {whole} is larger")
        return whole
    if isinstance(value, np.ndarray) or (isinstance(value, Iterable) and not isinstance(value, (str, bytes))):
        raise _fail(
            "E0606",
            f"`{name}` takes one number, not an array",
            "to run the program over rows, write `model.map(…)` in place of `model(…)`",
        )
    raise _fail("E0603", f"`{name}` takes a number, not {described(value)}")


def _single_float(value: Any) -> bool:
    """Whether a value makes one number: by `__float__`, which arrays have as well."""
    if isinstance(value, (str, bytes)):
        return False
    return hasattr(value, "__float__") and (not hasattr(value, "__len__") or getattr(value, "ndim", None) == 0)


def _single(value: Any) -> Any:
    """The number in an array without axes, of NumPy or of somebody else; the value itself where NumPy gets none."""
    try:
        return np.asarray(value)[()]
    except Exception:  # whatever the value's own `__array__` does
        return value


def _whole(value: Any, number: float) -> int | None:
    """The integer that a number is, exactly; ``number`` is it as a float. None if it is none."""
    if not isinstance(value, numbers.Integral) and not number.is_integer():
        return None
    try:
        whole = int(value)
    except TypeError:
        return int(number)
    # Fractions and decimals have more digits than a float.
    return whole if whole == value else None


def described(value: Any) -> str:
    """A value as a message shows it: cut short, with its type."""
    if value is None:
        return "None"
    kind = value.__class__.__name__
    try:
        shown = repr(value)
    except Exception:  # an integer of too many digits, or a class that fails to show its values
        return f"a value of type {kind}"
    # Where an object stands in memory says nothing, and is different every time.
    if " at 0x" in shown:
        return f"a value of type {kind}"
    return f"{shown if len(shown) <= 40 else shown[:37] + '…'} ({kind})"


# Arrays --------------------------------------------------------------------------------------------------------------

_KINDS: Final = {"f64": "fiu", "f32": "fiu", "int": "iu", "bool": "b"}
_WANTED: Final = {"f64": "numbers", "f32": "numbers", "int": "integers", "bool": "truth values"}
_FOUND: Final = {
    "b": "truth values",
    "c": "complex numbers",
    "f": "numbers",
    "i": "numbers",
    "u": "numbers",
    "m": "durations",
    "M": "dates",
    "S": "text",
    "T": "text",
    "U": "text",
    "V": "records",
}


class _Refused(Exception):
    """A value that makes no array for an input: what is wrong, and hints."""

    def __init__(self, message: str, *hints: str) -> None:
        super().__init__(message)
        self.message = message
        self.hints = hints


def as_array(name: str, value: Any, type: Type, span: Span | None = None, text: str = "") -> Array:
    """A caller's value as an array of the input's dtype and rank. It may be the caller's own, which nobody changes.

    Takes anything that NumPy makes an array of: lists, columns of data frames, ``__array__``, DLPack. Raises
    ``CallError`` for ragged lists, text, complex numbers, missing values, and another rank; ``span`` is where the input
    is declared.
    """
    try:
        return _converted(name, _opened(name, value, type), type)
    except _Refused as problem:
        label = "declared here" if text else ""
        found = Diagnostic("E0614", problem.message, span, label, problem.hints, text=text)
    raise CallError(found)


def _opened(name: str, value: Any, type: Type) -> Array:
    """A value of anybody's as an array, of whatever type and rank."""
    if value.__class__ is np.ndarray:
        return value
    if isinstance(value, (str, bytes, bytearray, set, frozenset, Mapping)) or value is None:
        unordered = isinstance(value, (set, frozenset))
        hints = ("a set has no order: pass a list",) if unordered else ()
        raise _Refused(f"`{name}` takes an array {written(type.shape)}, not {described(value)}", *hints)
    if (missing := gaps(value)) is not None:
        raise _Refused(f"`{name}` takes an array without gaps, and {missing}", "fill or drop what is missing")
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)
        array = np.asarray(value)
    except Exception as problem:  # whatever the value's own `__array__` does
        if isinstance(value, (list, tuple)) and _ragged(value):
            raise _Refused(f"`{name}` takes an array, and lists of different lengths make none") from None
        hint = str(problem).strip().partition("\n")[0][:200]
        message = f"`{name}` takes an array, and a value of type {value.__class__.__name__} makes none"
        raise _Refused(message, *((hint,) if hint else ())) from None
    if not array.ndim and array.dtype.kind == "O" and not isinstance(array[()], numbers.Number):
        hints = ("make a list of it",) if isinstance(value, Iterable) else ()
        raise _Refused(f"`{name}` takes an array {written(type.shape)}, not {described(value)}", *hints)
    return array


def gaps(value: Any) -> str | None:
    """Where a masked array or a column of a data frame has no value; None where it has all."""
    if isinstance(value, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(value)
        if mask.any():
            return f"the element {_place(mask)} is masked"
        return None
    count = getattr(value, "null_count", None)
    if count is not None:
        count = count() if callable(count) else count
        if isinstance(count, int) and count:
            return f"{count} of its elements are null" if count > 1 else "one of its elements is null"
        return None
    # Of pandas: NaN is a number there, NA is none.
    absent = getattr(getattr(value, "dtype", None), "na_value", None)
    if absent.__class__.__name__ == "NAType" and np.any(value.isna()):
        return f"the element {_place(np.asarray(value.isna(), bool))} is missing"
    return None


def _ragged(value: Sequence[Any]) -> bool:
    """Whether lists are in the way: two of different lengths, or a list beside a number."""
    layer = list(value)
    # NumPy has no more axes than this.
    for _ in range(64):
        lists = [
            each for each in layer if isinstance(each, (list, tuple)) or (isinstance(each, np.ndarray) and each.ndim)
        ]
        if not lists:
            return False
        if len(lists) < len(layer) or len({len(each) for each in lists}) > 1:
            return True
        layer = [inner for each in lists for inner in each]
    return False


def _axes(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim > 0


def _converted(name: str, array: Array, type: Type) -> Array:
    """An array of the input's type; raises for another rank, and for elements that are no such numbers."""
    if array.ndim != type.rank:
        raise _rank(name, array, type)
    dtype = DTYPES[type.dtype]
    kind = array.dtype.kind
    if not array.size:
        return np.empty(array.shape, dtype)
    if kind == "V" and array.dtype.type is not np.void:
        # A type of numbers that somebody has added to NumPy, such as bfloat16.
        array, kind = array.astype(np.float64), "f"
    if kind == "O":
        return _elements(name, array, type.dtype)
    if kind not in _KINDS[type.dtype]:
        if type.dtype == "int" and kind == "f":
            return _integers(name, array)
        found = _FOUND.get(kind, f"values of type {array.dtype}")
        raise _Refused(f"`{name}` takes {_WANTED[type.dtype]}, not {found}", *_advice(name, kind, type.dtype))
    if kind == "u" and type.dtype == "int" and int(array.max()) >= 2**63:
        wrong = array >= np.uint64(2**63)
        raise _Refused(f"`{name}` takes integers of 64 bits, and `{name}{_place(wrong)}` is {array[wrong].flat[0]}")
    with np.errstate(all="ignore"):
        return np.asarray(array, dtype)


def _advice(name: str, kind: str, dtype: str) -> tuple[str, ...]:
    if kind == "b":
        return (f"pass `{name}.astype({'int' if dtype == 'int' else 'float'})` to count true as 1",)
    if dtype == "bool" and kind in "fiu":
        return (f"pass a comparison, as in `{name} != 0`",)
    if kind == "c":
        return ("pass the real and the imaginary parts as two arrays",)
    return ()


def _rank(name: str, array: Array, type: Type) -> _Refused:
    found = written(array.shape) if array.ndim else "a single number"
    message = f"`{name}` takes an array {written(type.shape)}, not {found}"
    if 1 < array.ndim == type.rank + array.shape.count(1):
        kept = tuple(extent for extent in array.shape if extent != 1)
        return _Refused(message, f"drop the axes of one element: `{name}.reshape({', '.join(map(str, kept))})`")
    if array.ndim == type.rank + 1:
        return _Refused(message, "to run the program over rows, write `model.map(…)` in place of `model(…)`")
    return _Refused(message)


def _integers(name: str, array: Array) -> Array:
    """Whole numbers that are stored as floating point, as a file or a data frame with gaps may have them."""
    with np.errstate(all="ignore"):
        whole = array.astype(np.int64)
        wrong = (whole != array) | (np.abs(array) >= 2.0**63)
    if wrong.any():
        raise _Refused(f"`{name}` takes integers, and `{name}{_place(wrong)}` is {array[wrong].flat[0]}")
    return whole


def _elements(name: str, array: Array, dtype: str) -> Array:
    """An array of Python objects, each of which has to be a number: integers beyond 64 bits, fractions, decimals."""
    found = np.empty(array.shape, DTYPES[dtype])
    for at, value in enumerate(array.flat):
        place = f"{name}[{', '.join(map(str, np.unravel_index(at, array.shape)))}]"
        try:
            with np.errstate(all="ignore"):
                found.flat[at] = convert(place, value, dtype)
        except CallError as problem:
            (first,) = problem.diagnostics
            if first.code == "E0603":
                raise _Refused(first.message, *first.hints) from None
            raise _Refused(f"`{place}` takes one number, not {described(value)}") from None
    return found


def _place(mask: Array) -> str:
    """The first element that is true, as a subscript."""
    return f"[{', '.join(map(str, np.unravel_index(int(np.argmax(mask)), mask.shape)))}]"


def written(shape: Sequence[Any]) -> str:
    """A shape as programs write it."""
    return f"[{', '.join(map(str, shape))}]"
