"""Values in few characters: numbers with the digits that matter, small arrays whole, large ones by range and mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from gradc.backends.expression import number

# An array of more elements than the first, unless it is a matrix of no more rows and columns than the second, is large.
FEW: Final = 6
SIDE: Final = 3
_DIGITS: Final = 5
# An element of an array has company, so it gets fewer.
_ELEMENT: Final = 4


def short(value: Any, digits: int = _DIGITS) -> str:
    """A number as a diagram shows it: five digits, integers in full; an array in one line."""
    if isinstance(value, np.ndarray):
        return line(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) < 10**9):
        return number(value, "int")
    value = float(value)
    if value != value or math.isinf(value):
        return number(value).replace("inf", "∞")
    if value == int(value) and abs(value) < 1e9:
        return number(value)
    return number(float(f"{value:.{digits}g}"))


def small(value: np.ndarray[Any, Any]) -> bool:
    """Whether an array is shown whole."""
    if value.ndim > 2 or not value.size:
        return value.ndim == 0
    return value.size <= FEW or (value.ndim == 2 and max(value.shape) <= SIDE)


def rows(value: Any) -> list[str]:
    """A value in lines: a small matrix row by row."""
    if isinstance(value, np.ndarray) and value.ndim == 2 and small(value) and len(value) > 1:
        texts = [[short(each, _ELEMENT) for each in row] for row in value]
        return [f"[{', '.join(row)}]" for row in texts]
    return [short(value)]


def line(value: np.ndarray[Any, Any]) -> str:
    """An array in one line: whole where it is small, else its range, its mean and its shape."""
    if small(value):
        return _nested(value.tolist())
    shown = f"[{', '.join(map(str, value.shape))}]"
    if not value.size:
        return f"empty, {shown}"
    return f"{_range(value)}, {shown}"


def family(value: Any) -> str:
    """The values of a family, one for each choice of its indices, in one line; those of one index whole if few."""
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        return short(value)
    if value.ndim == 1 and small(value):
        return line(value)
    return _range(value) if value.size else "empty"


def _nested(value: Any) -> str:
    # At most two axes deep.
    return f"[{', '.join(map(_nested, value))}]" if isinstance(value, list) else short(value, _ELEMENT)


def _range(value: np.ndarray[Any, Any]) -> str:
    if value.dtype == np.bool_:
        return f"{int(value.sum())} of {value.size} true"
    flat = value.ravel()
    missing = np.isnan(flat) if value.dtype.kind == "f" else np.zeros(flat.shape, np.bool_)
    count = int(missing.sum())
    if count == flat.size:
        return "all nan"
    # The widest type, so that the mean of very many singles is one of them.
    known = flat[~missing].astype(np.float64) if count else flat.astype(np.float64)
    low, high = (short(each, _ELEMENT) for each in (flat[~missing].min(), flat[~missing].max()))
    with np.errstate(all="ignore"):
        mean = short(float(known.mean()), _ELEMENT)
    text = f"all {low}" if low == high else f"{low} … {high}, mean {mean}"
    return f"{text}, {count} nan" if count else text


def facts(value: Any, most: int = 1000) -> Any:
    """A value for JSON: lists for an array, a summary of one with more than ``most`` elements."""
    if not isinstance(value, np.ndarray):
        return value.item() if isinstance(value, np.generic) else value
    if value.size <= most:
        return value.tolist()
    with np.errstate(all="ignore"):
        found: dict[str, Any] = {"shape": list(value.shape)}
        if value.dtype == np.bool_:
            return found | {"true": int(value.sum())}
        finite = value[~np.isnan(value)] if value.dtype.kind == "f" else value
        if finite.size:
            found |= {"min": finite.min().item(), "max": finite.max().item(), "mean": float(finite.mean())}
        return found | {"nan": int(value.size - finite.size)}


def joined(shape: Sequence[Any]) -> str:
    """A shape in brackets."""
    return f"[{', '.join(map(str, shape))}]"


__all__ = ["facts", "family", "joined", "line", "rows", "short", "small"]
