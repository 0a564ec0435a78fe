"""NumPy functions for elementwise operators: those that can write over an operand, and powers as products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from gradc.ir.op import Op
from gradc.ops import arrays

# Beyond that a chain of products rounds more often than the power function.
_PRODUCTS: Final = 8


def function(row: Op, dtype: Any, attrs: Mapping[str, Any]) -> Callable[..., Any]:
    """The function that computes an operator on arrays."""
    run = row.array
    if row.name == "select":
        return _choose
    if run is None:
        scalar = row.scalar
        if scalar is None:
            raise TypeError(f"the operator {row.name!r} cannot be evaluated: its row has no `scalar`")
        lifted = np.frompyfunc(lambda *x: scalar(*x, **attrs), row.arity[0], 1)
        return lambda *operands: np.asarray(lifted(*operands)).astype(dtype)
    if not attrs and (isinstance(run, np.ufunc) or run in arrays.TAKE_OUT):
        return run
    array = run

    def compute(*operands: Any) -> Any:
        found = array(*operands, **attrs)
        # Who reads an operand for the last time may overwrite it.
        return found.copy() if any(found is operand for operand in operands) else found

    return compute


def _choose(condition: Any, x: Any, y: Any, out: Any = None) -> Any:
    if out is None:
        return np.where(condition, x, y)
    np.copyto(out, y)
    np.copyto(out, x, where=condition)
    return out


def _choose_over_first(condition: Any, x: Any, y: Any) -> Any:
    np.copyto(x, y, where=np.logical_not(condition))
    return x


def _choose_over_second(condition: Any, x: Any, y: Any) -> Any:
    np.copyto(y, x, where=condition)
    return y


class Update:
    """Gives an array with other elements, or more in elements: a copy that is changed.

    ``writes`` are functions of the array, whether what is written ``replaces`` what is there, and some of the operands
    behind the array: those from one number up to another.
    """

    def __init__(self, writes: Sequence[tuple[Callable[..., None], int, int]], replaces: bool) -> None:
        self.writes = writes
        self.replaces = replaces

    def __call__(self, array: Any, *given: Any) -> Any:
        """The changed copy."""
        return self.within(np.array(array), *given)

    def within(self, array: Any, *given: Any) -> Any:
        """The array itself, changed."""
        for write, start, stop in self.writes:
            write(array, self.replaces, given[start:stop])
        return array

    def spelled(self, target: str, operands: Sequence[str], copy: str = ".copy('K')") -> list[str] | None:
        """As source, where all is written to single places."""
        first, *given = operands
        found = [f"{target} = {first}{copy}"]
        for write, start, stop in self.writes:
            spelled = getattr(write, "spelled", None)
            if spelled is None:
                return None
            found.append(spelled(target, self.replaces, given[start:stop]))
        return found


class Within:
    """An update that changes the array itself."""

    def __init__(self, update: Update) -> None:
        self.update = update

    def __call__(self, array: Any, *given: Any) -> Any:
        """The array."""
        return self.update.within(array, *given)

    def spelled(self, target: str, operands: Sequence[str]) -> list[str] | None:
        """As source."""
        return self.update.spelled(target, operands, "")


def over(run: Callable[..., Any], position: int) -> Callable[..., Any] | None:
    """The function writing its result over the operand at ``position``; None for one that cannot."""
    if isinstance(run, Update):
        return Within(run) if position == 0 else None
    if run is _choose:
        return {1: _choose_over_first, 2: _choose_over_second}.get(position)
    if isinstance(run, Logistic):
        return lambda *operands: run(*operands, out=operands[position])
    if not isinstance(run, np.ufunc) or run.nout != 1:
        return None
    ufunc = run
    if position == 0:
        return lambda x, *more: ufunc(x, *more, out=x)
    return lambda x, y: ufunc(x, y, out=y)


class Placed:
    """A function that can write its result into an array that it is given as ``out``, wherever its operands lie."""


class Into(Placed):
    """Such a function, made of one that takes ``out``."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self.run = run

    def __call__(self, *operands: Any, out: Any = None) -> Any:
        """The result, in ``out`` if that is given."""
        return self.run(*operands, out=out)


class Logistic:
    """A sigmoid or softplus of an array or its negative, from what several of them share."""

    def __init__(self, op: str, negative: bool) -> None:
        self.compute: Callable[..., Any] = arrays.sigmoid_of if op == "sigmoid" else arrays.softplus_of
        self.negative = negative

    def __call__(self, x: Any, *shared: Any, out: Any = None) -> Any:
        """``shared`` is ``decay(x)`` and 1 more for a sigmoid, ``log1p`` of it for a softplus."""
        return self.compute(x, *shared, self.negative, out)


class Blank:
    """An array that another step fills."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype

    def __call__(self, x: Any, out: Any = None) -> Any:
        """The array, or the one that is there; what it is to hold is computed from ``x``."""
        if out is not None:
            return out
        return np.empty_like(x, self.dtype) if x.shape == self.shape else np.empty(self.shape, self.dtype)


def take(array: Any, index: Any, out: Any = None) -> Any:
    """The rows at indices that lie inside."""
    # "clip" spares a buffer.
    return array.take(index, axis=0, mode="clip", out=out)


def takes_out(run: Callable[..., Any]) -> bool:
    """Whether the function can write its result into an array that it is given as ``out``."""
    return (
        run in (_choose, take)
        or run in arrays.TAKE_OUT
        or isinstance(run, (_Power, Blank, Logistic, Placed))
        or (isinstance(run, np.ufunc) and run.nout == 1)
    )


def elementwise(run: Callable[..., Any]) -> bool:
    """Whether the result lies in memory as the operands of its shape do."""
    return takes_out(run) and run is not take and not isinstance(run, Placed)


def power(exponent: float) -> Callable[..., Any] | None:
    """The power with a small whole exponent as a few products; None for another, which the power function computes.

    A negative one starts from the reciprocal, so that nothing overflows where the power does not.
    """
    if exponent != int(exponent) or not 1 <= abs(exponent) <= _PRODUCTS:
        return None
    bits = bin(int(abs(exponent)))[3:]
    if exponent > 0:
        return np.square if bits == "0" else _Power(bits)
    return _Power(bits, True)


class _Power:
    """The power whose exponent has these binary digits behind the first, by squaring and multiplying from the left."""

    def __init__(self, bits: str, inverse: bool = False) -> None:
        self.bits = bits
        self.inverse = inverse

    def __call__(self, x: Any, out: Any = None) -> Any:
        base = np.divide(1.0, x, dtype=x.dtype) if self.inverse else x
        if not self.bits:
            return np.positive(base, out=out)
        out = np.square(base, out=out)
        for at, bit in enumerate(self.bits):
            if at:
                np.square(out, out=out)
            if bit == "1":
                np.multiply(out, base, out=out)
        return out
