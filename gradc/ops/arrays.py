"""The operators on NumPy arrays, where no ufunc of NumPy's has the contract of the operator.

Everything keeps float32 in float32, takes Python numbers among the operands, and is silent under the caller's
``np.errstate``. Numbers give numbers: ``[()]`` takes the value out of an array without axes and leaves others alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from gradc.ops import ieee, removable, special, tails

Array = Any
"""A NumPy array, or a number that stands for one."""


def power(x: Array, y: Array) -> Array:
    """C99 ``pow``. NumPy takes a root for an exponent 0.5, which differs at -0.0 and -inf."""
    result = np.power(x, y)
    half = np.equal(y, 0.5)
    if np.any(half):
        # At both of these the power is |x|: 0 and +inf.
        rooted = half & (np.equal(x, 0) | np.isneginf(x))
        result = select(rooted, np.abs(x), result)
    return result


def sign(x: Array) -> Array:
    """The sign, where a zero keeps its own. NumPy's makes it +0."""
    return select(np.equal(x, 0), x, np.sign(x))


def relu(x: Array, out: Array = None) -> Array:
    """``max(x, 0)``, where a zero result is +0."""
    found = _above(x, out)
    # A zero of either sign becomes +0.
    found += 0.0
    return found


def sigmoid(x: Array, out: Array = None) -> Array:
    """``1/(1 + exp(-x))`` without overflow."""
    e = decay(x, out)
    below = 1.0 + e
    # e is at most 1, so this is 1 for x >= 0 and e for others; a NaN stays.
    above: Array = np.maximum(e, np.greater_equal(x, 0), out=out)
    above /= below
    return above


def softplus(x: Array, out: Array = None) -> Array:
    """``log(1 + exp(x))`` without overflow."""
    found: Array = np.log1p(decay(x, out), out=out)
    found += _above(x)
    return found


def _above(x: Array, out: Array = None) -> Array:
    """``max(x, 0)``, a NaN where x is one. NumPy's ``maximum`` has no vector code for a number as an operand."""
    return x.clip(0.0, np.inf, out=out) if isinstance(x, np.ndarray) else np.maximum(x, 0.0, out=out)


def decay(x: Array, out: Array = None) -> Array:
    """``exp(-|x|)``."""
    found: Array = np.abs(x, out=out)
    if isinstance(found, np.ndarray):
        np.negative(found, out=found)
        return np.exp(found, out=found)
    return np.exp(-found)


def sigmoid_of(x: Array, e: Array, above: Array, negative: bool, out: Array = None) -> Array:
    """``sigmoid`` of x or (``negative``) of -x where e is ``decay(x)`` and above ``1 + e``, to the bit; ``out`` may be
    one of them.
    """
    reached = np.less_equal(x, 0) if negative else np.greater_equal(x, 0)
    numerator: Array = np.maximum(e, reached, out=None if out is above else out)
    return np.divide(numerator, above, out=numerator if out is None else out)


def softplus_of(x: Array, logs: Array, negative: bool, out: Array = None) -> Array:
    """``softplus`` of x or (``negative``) of -x where logs is ``log1p(decay(x))``, to the bit; as ``sigmoid_of``."""
    bounds = (-np.inf, 0.0) if negative else (0.0, np.inf)
    part: Array = x.clip(*bounds, out=None if out is logs else out)
    return (np.subtract if negative else np.add)(logs, part, out=part if out is None else out)


TAKE_OUT = frozenset({relu, sigmoid, softplus, decay})
"""The functions that can write into an array that they are given as ``out``, and never return an operand."""


def xlogy(x: Array, y: Array) -> Array:
    """``x*log(y)``, and 0 for x = 0 whatever number y is."""
    return select(np.equal(x, 0) & np.equal(y, y), 0.0, np.multiply(x, np.log(y)))


def log1mexp(x: Array) -> Array:
    """``log(1 - exp(x))`` for x <= 0 to full relative accuracy."""
    far = np.less(x, -math.log(2.0))
    # Each form is computed where it is the accurate one; the other gets an operand that does no harm.
    tail = np.log1p(-np.exp(select(far, x, -1.0)))
    near = np.log(-np.expm1(select(far, -0.5, x)))
    return select(far, tail, near)


def logexpm1(x: Array) -> Array:
    """``log(exp(x) - 1)`` without overflow."""
    far = np.greater(x, 1.0)
    tail = x + np.log1p(-np.exp(select(far, np.negative(x), -1.0)))
    return select(far, tail, np.log(np.expm1(select(far, 1.0, x))))


def sqrt1pm1(x: Array) -> Array:
    """``sqrt(1 + x) - 1`` without cancellation."""
    return select(np.isposinf(x), x, np.divide(x, 1.0 + np.sqrt(1.0 + x)))


def sinc_unnormalised(x: Array) -> Array:
    """``sin(x)/x``, and 1 at 0."""
    quotient = np.divide(np.sin(x), select(np.equal(x, 0), 1.0, x))
    return select(np.equal(x, 0), 1.0, select(np.isinf(x), 0.0, quotient))


def exprel(x: Array) -> Array:
    """``(e^x - 1)/x``, and 1 at 0, without overflow before the result does."""
    divisor = select(np.equal(x, 0), 1.0, x)
    above: Array = np.expm1(x)
    quotient = np.divide(above, divisor)
    over = np.isposinf(above)
    if np.any(over):
        # Of e^x the half of x is taken twice: the product may be a number where e^x is not.
        half = np.exp(np.multiply(x, 0.5))
        quotient = select(over, half * select(np.isinf(half), half, np.divide(half, divisor)), quotient)
    return select(np.equal(x, 0), 1.0, quotient)


def logaddexp(x: Array, y: Array) -> Array:
    """``log(exp(x) + exp(y))`` without overflow."""
    return np.logaddexp(x, y)


def hypot(x: Array, y: Array) -> Array:
    """``sqrt(x^2 + y^2)`` without overflow; a NaN wins over an infinity."""
    found: Array = np.hypot(x, y)
    if np.isinf(found).any():
        found = select(np.isnan(x) | np.isnan(y), np.nan, found)
    return found


def minimum(*operands: Array) -> Array:
    """The smallest operand; a NaN wins."""
    return reduce(np.minimum, operands)


def maximum(*operands: Array) -> Array:
    """The largest operand; a NaN wins."""
    return reduce(np.maximum, operands)


def clip(x: Array, lo: Array, hi: Array) -> Array:
    """``min(max(x, lo), hi)``. ``np.clip`` promotes where the bounds are numbers of another type."""
    return np.minimum(np.maximum(x, lo), hi)


def select(condition: Array, x: Array, y: Array) -> Array:
    """x where the condition holds, else y."""
    chosen: Any = np.where(condition, x, y)
    return chosen[()]


def convert(x: Array, dtype: str = "f64") -> Array:
    """Integers or truth values as reals."""
    return np.asarray(x).astype(np.float32 if dtype == "f32" else np.float64)[()]


def _lifted(scalar: Callable[..., float], count: int = 1) -> Callable[..., Array]:
    """A function of arrays from one of Python floats, for those that NumPy lacks; the last operand sets the type."""
    ufunc = np.frompyfunc(scalar, count, 1)

    def array(*operands: Array) -> Array:
        kind = np.result_type(operands[-1])
        return np.asarray(ufunc(*operands)).astype(kind if kind.kind == "f" else np.float64)[()]

    array.__name__ = array.__qualname__ = scalar.__name__
    array.__doc__ = scalar.__doc__
    return array


erf = _lifted(math.erf)
erfc = _lifted(math.erfc)
erfcx = _lifted(tails.erfcx)
ierfcx = _lifted(tails.ierfcx, 2)
logerfc = _lifted(tails.logerfc)
sinc_derivative = _lifted(removable.sinc_derivative, 2)
exprel_derivative = _lifted(removable.exprel_derivative, 2)
log1pmx = _lifted(removable.log1pmx)
expm1mx = _lifted(removable.expm1mx)
gamma = _lifted(ieee.gamma)
lgamma = _lifted(ieee.lgamma)
digamma = _lifted(special.digamma)
polygamma = _lifted(special.polygamma, 2)
