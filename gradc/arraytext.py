"""Arrays as a person likes to read them: small ones whole, large ones as their range and mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Array = Any
Number = Callable[[Any], str]

# Up to so many entries an axis, and in all, are shown one by one.
_EXTENT = 8
_ENTRIES = 64

_DTYPES = {"float64": "f64", "float32": "f32", "int64": "int", "bool": "bool"}


def is_small(array: Array) -> bool:
    """Whether an array is shown whole; one of no entries has none to show."""
    return 0 < array.size <= _ENTRIES and max(array.shape, default=0) <= _EXTENT


def signature(array: Array) -> str:
    """Type and shape, as declarations write them: ``f64[1000, 50]``."""
    name = _DTYPES.get(array.dtype.name, array.dtype.name)
    return f"{name}[{', '.join(map(str, array.shape))}]" if array.ndim else name


def summary(array: Array) -> str:
    """One line on what an array holds: ``f64[1000, 50]: -3.2 … 4.1, mean 0.01``.

    NaN and infinities are counted, and stand outside of range and mean.
    """
    import numpy

    head = signature(array)
    if array.size == 0:
        return f"{head}: empty"
    if array.dtype.kind == "b":
        true = int(array.sum())
        return f"{head}: {true:,} true, {array.size - true:,} false"
    facts = []
    finite = numpy.isfinite(array)
    count = int(finite.sum())
    chosen = array if count == array.size else array[finite]
    if count:
        low, high = chosen.min(), chosen.max()
        if low == high:
            facts.append(f"{'all ' if count == array.size else ''}{_short(low)}")
        else:
            facts += [f"{_short(low)} … {_short(high)}", f"mean {_short(_mean(chosen))}"]
    for some, what in ((numpy.isnan(array), "NaN"), (numpy.isinf(array), "infinite")):
        if found := int(some.sum()):
            facts.append(f"{'all' if found == array.size else f'{found:,}'} {what}")
    return f"{head}: {', '.join(facts)}"


def _mean(array: Array) -> float:
    import numpy

    with numpy.errstate(all="ignore"):
        mean = float(array.mean(dtype=numpy.float64))
        # A sum may be too large where the mean is not.
        return mean if abs(mean) < float("inf") else float((array / array.size).sum(dtype=numpy.float64))


def _short(value: Any) -> str:
    import numpy

    if isinstance(value, (int, numpy.integer)):
        return str(value)
    text = f"{float(value):.4g}"
    return "0" if text == "-0" else text


def whole(array: Array, number: Number, line: Callable[[Sequence[str]], Sequence[str]] = list) -> list[str]:
    """All entries, a line a row, in brackets as NumPy sets them; ``line`` pads the texts of a column to one width."""
    texts = [number(entry) for entry in array.ravel().tolist()]
    if array.ndim == 0:
        return texts
    wide = array.shape[-1]
    columns = [line(texts[at::wide]) for at in range(wide)]
    rows = [", ".join(column[at] for column in columns) for at in range(len(texts) // wide)]
    lines = []
    for at, row in enumerate(rows):
        opened, closed = _brackets(at, array.shape[:-1])
        comma = "," if at + 1 < len(rows) else ""
        lines.append(f"{' ' * (array.ndim - 1 - opened)}{'[' * opened}[{row}]{']' * closed}{comma}")
        if closed and comma:
            lines += [""] * closed
    return lines


def _brackets(row: int, outer: Sequence[int]) -> tuple[int, int]:
    """How many of the outer brackets open before a row and close behind it."""
    return _trailing(row, outer), _trailing(row + 1, outer)


def _trailing(row: int, outer: Sequence[int]) -> int:
    """How many of the inner axes a number of rows fills to the last entry."""
    count = 0
    for extent in reversed(outer):
        row, rest = divmod(row, extent)
        if rest:
            break
        count += 1
    return count
