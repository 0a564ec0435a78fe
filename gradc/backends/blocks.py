"""Contractions of windows, piece by piece.

A view that shows elements in several places, such as the windows ``x[i + p, j + q]``, is copied where it becomes the
operand of a matrix product, and the copy is many times the array. In pieces that fit the cache the copy costs neither
the memory nor the way to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np

from gradc.backends.contract import contraction

# Elements of a piece: 256 kB of doubles.
_PIECE: Final = 1 << 15

Labels = tuple[int, ...]


def split(labels: Sequence[Labels], lengths: Mapping[int, int], repeating: Sequence[int]) -> tuple[int, int] | None:
    """The label along which to go piece by piece, and how far each piece reaches; None where whole is as well.

    ``repeating`` are the places of the factors that are windows.
    """
    sizes = {at: prod(lengths[label] for label in labels[at]) for at in repeating}
    if not sizes:
        return None
    worst = max(sizes, key=lambda at: (sizes[at], -at))
    if sizes[worst] <= 2 * _PIECE:
        return None
    label = max(labels[worst], key=lambda each: (lengths[each], -each))
    reach = max(1, _PIECE * lengths[label] // sizes[worst])
    return (label, reach) if reach < lengths[label] else None


def contraction_in_pieces(
    labels: Sequence[Labels], lengths: Mapping[int, int], output: Labels, label: int, reach: int
) -> Callable[..., Any]:
    """What ``contraction`` does, in pieces of ``reach`` along a label."""
    length = lengths[label]
    runs = {
        size: contraction(labels, {**lengths, label: size}, output)
        for size in {min(reach, length), length % reach}
        if size
    }
    shape = tuple(lengths[each] for each in output)
    places = [[axis for axis, each in enumerate(own) if each == label] for own in labels]
    target = output.index(label) if label in output else None

    def run(*factors: Any) -> Any:
        result: Any = None
        for start in range(0, length, reach):
            stop = min(start + reach, length)
            pieces = []
            for factor, axes in zip(factors, places, strict=True):
                for axis in axes:
                    factor = factor[(slice(None),) * axis + (slice(start, stop),)]
                pieces.append(factor)
            part = runs[stop - start](*pieces)
            if target is not None:
                if result is None:
                    result = np.empty(shape, part.dtype)
                result[(slice(None),) * target + (slice(start, stop),)] = part
            elif result is None:
                result = np.array(part) if output else part
            else:
                result = result + part if not output else np.add(result, part, out=result)
        return result

    return run
