"""Reductions, and what runs along an axis, on arrays of objects of a number system."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from gradc.check.numbers import Numbers

Line = list[Any]


def _reduced(combine: Callable[[Numbers, Line], Any]) -> Callable[[Numbers, Any, tuple[int, ...]], Any]:
    """A reduction over axes from one of a list of elements."""

    def run(numbers: Numbers, x: Any, axes: tuple[int, ...]) -> Any:
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        moved = x.transpose(*kept, *axes)
        shape = moved.shape[: len(kept)]
        found = np.empty(shape, object)
        for place in np.ndindex(*shape):
            found[place] = combine(numbers, moved[place].ravel().tolist())
        return found

    return run


def _spread(combine: Callable[[Numbers, Line], Line]) -> Callable[[Numbers, Any, tuple[int, ...]], Any]:
    """What gives as many elements as it takes."""

    def run(numbers: Numbers, x: Any, axes: tuple[int, ...]) -> Any:
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        order = (*kept, *axes)
        moved = x.transpose(*order)
        found = np.empty(moved.shape, object)
        for place in np.ndindex(*moved.shape[: len(kept)]):
            part = moved[place]
            filled = np.empty(part.size, object)
            filled[:] = combine(numbers, part.ravel().tolist())
            found[place] = filled.reshape(part.shape)
        return found.transpose(*np.argsort(order))

    return run


def _prod(numbers: Numbers, line: Line) -> Any:
    found = line[0] if line else numbers.one
    for value in line[1:]:
        found = found * value
    return found


def _extreme(choose: Callable[..., Any]) -> Callable[[Numbers, Line], Any]:
    def run(numbers: Numbers, line: Line) -> Any:
        if isinstance(line[0], int):
            return choose(line)
        real = [numbers.real(value) for value in line]
        broken = next((value for value, part in zip(line, real, strict=True) if part != part), None)
        if broken is not None:
            return broken
        top = choose(real)
        tied = [value for value, part in zip(line, real, strict=True) if part == top]
        # Ties share the derivative evenly.
        total = tied[0]
        for value in tied[1:]:
            total = total + value
        return total / len(tied) if len(tied) > 1 else total

    return run


def _place(choose: Callable[..., Any]) -> Callable[[Numbers, Line], Any]:
    def run(numbers: Numbers, line: Line) -> int:
        real = [value if isinstance(value, int) else numbers.real(value) for value in line]
        broken = next((at for at, part in enumerate(real) if part != part), None)
        return real.index(choose(real)) if broken is None else broken

    return run


def _exponentials(numbers: Numbers, line: Line) -> tuple[Any, Line]:
    """The logarithm of the sum of the exponentials, and the elements less that."""
    real = [numbers.real(value) for value in line]
    top = max(real, default=-np.inf)
    if not numbers.finite(numbers.given(top)):
        total = numbers.given(top)
    else:
        powers = numbers.zero
        for value in line:
            powers = powers + numbers.exp(value - numbers.given(top))
        total = numbers.given(top) + numbers.log(powers)
    return total, [value - total for value in line]


def _log_mean(numbers: Numbers, line: Line) -> Any:
    return _exponentials(numbers, line)[0] - numbers.log(numbers.given(float(len(line))))


def _log_product(numbers: Numbers, line: Line) -> Any:
    # Of two negative factors the logarithm of each has an imaginary part, which that of their product has not.
    real = [numbers.real(value) for value in line]
    if any(not numbers.finite(value) or value == 0 for value in line) or sum(part < 0 for part in real) % 2:
        return numbers.log(_prod(numbers, line))
    total = numbers.zero
    for value, part in zip(line, real, strict=True):
        total = total + numbers.log(value if part > 0 else -value)
    return total


def _norm(numbers: Numbers, line: Line) -> Any:
    top = max((abs(numbers.real(value)) for value in line), default=0)
    if not top > 0:
        # Where it has no derivative, that is 0.
        return numbers.given(top)
    scale = numbers.given(top)
    total = numbers.zero
    for value in line:
        total = total + (value / scale) * (value / scale)
    return numbers.sqrt(total) * scale


def _sorted(numbers: Numbers, line: Line) -> list[int]:
    real = [value if isinstance(value, int) else numbers.real(value) for value in line]
    return sorted(range(len(line)), key=lambda at: (real[at] != real[at], real[at], at))


REDUCTIONS: Final[Mapping[str, Callable[[Numbers, Any, tuple[int, ...]], Any]]] = {
    "prod": _reduced(_prod),
    "amax": _reduced(_extreme(max)),
    "amin": _reduced(_extreme(min)),
    "any": _reduced(lambda numbers, line: any(line)),
    "all": _reduced(lambda numbers, line: all(line)),
    "argmax": _reduced(_place(max)),
    "argmin": _reduced(_place(min)),
    "norm": _reduced(_norm),
    "logsumexp": _reduced(lambda numbers, line: _exponentials(numbers, line)[0]),
    "logmeanexp": _reduced(_log_mean),
    "logprod": _reduced(_log_product),
    "softmax": _spread(lambda numbers, line: [numbers.exp(x) for x in _exponentials(numbers, line)[1]]),
    "log_softmax": _spread(lambda numbers, line: _exponentials(numbers, line)[1]),
    "sort": _spread(lambda numbers, line: [line[at] for at in _sorted(numbers, line)]),
    "argsort": _spread(_sorted),
}
"""The operators that take axes, each as a function of a number system, an array and these."""


def _cumsum(numbers: Numbers, rows: Any) -> Any:
    found = rows.copy()
    for at in range(1, len(found)):
        found[at] = found[at - 1] + rows[at]
    return found


def _product_before(numbers: Numbers, rows: Any) -> Any:
    found = np.full(rows.shape, numbers.one, object)
    for at in range(1, len(found)):
        found[at] = found[at - 1] * rows[at - 1]
    return found


def _product_others(numbers: Numbers, rows: Any, *along: Any) -> Any:
    before = _products(numbers, rows, along)
    after = _products(numbers, rows[::-1], [each[::-1] for each in along])
    return sum(left * right[::-1] for left, right in zip(before, reversed(after), strict=True))


def _products(numbers: Numbers, rows: Any, along: Sequence[Any]) -> list[Any]:
    """The products of the elements before each one, with those of a set of directions in the place of some."""
    found = [np.full(rows.shape, numbers.zero, object) for _ in range(1 << len(along))]
    found[0][:1] = numbers.one
    for at in range(1, len(rows)):
        for chosen, values in enumerate(found):
            values[at] = values[at - 1] * rows[at - 1]
            for number, direction in enumerate(along):
                if chosen >> number & 1:
                    values[at] = values[at] + found[chosen ^ 1 << number][at - 1] * direction[at - 1]
    return found


def _recurrence(numbers: Numbers, factors: Any, terms: Any) -> Any:
    found = terms.copy()
    for at in range(1, len(found)):
        found[at] = factors[at] * found[at - 1] + terms[at]
    return found


_ALONG: Final[Mapping[str, Callable[..., Any]]] = {
    "cumsum": _cumsum,
    "product_before": _product_before,
    "product_others": _product_others,
    "recurrence": _recurrence,
}


def along(op: str) -> Callable[..., Any] | None:
    """The operator along an axis, in one direction or the other: a function of a number system and of arrays."""
    compute = _ALONG.get(op)
    if compute is None:
        return None

    def run(numbers: Numbers, axis: int, reverse: bool, *arrays: Any) -> Any:
        rows = [np.moveaxis(each, axis, 0)[:: -1 if reverse else 1] for each in arrays]
        return np.moveaxis(compute(numbers, *rows)[:: -1 if reverse else 1], 0, axis)

    return run
