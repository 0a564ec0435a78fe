"""Elementary functions on Python floats with IEEE 754 results where ``math`` would raise.

The functions that never raise (``math.atan``, ``math.tanh``, ``math.cbrt``…) need no wrapper: the table holds
them as they are. Every other one is a single ``try`` around the call, so that the ordinary case costs no test of its
operand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from math import copysign, inf, nan
from typing import Final

# From here on every float is an integer.
_WHOLE = 2.0**52


# Arithmetic ----------------------------------------------------------------------------------------------------------


def div(x: float, y: float) -> float:
    """``x/y``; a zero divisor gives an infinity with the sign of the quotient, or NaN for 0/0."""
    try:
        return x / y
    except ZeroDivisionError:
        return nan if x == 0 or x != x else copysign(inf, x) * copysign(1.0, y)


def power(x: float, y: float) -> float:
    """``x^y`` as C99 Annex F defines ``pow``: 1 for an exponent 0 or a base 1, NaN included."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return -inf if x < 0 and _odd(y) else inf
    except ValueError:
        if x == 0:
            return copysign(inf, x) if _odd(y) else inf
        return nan


def _odd(y: float) -> bool:
    return math.fmod(y, 2.0) in (1.0, -1.0)


def mod(x: float, y: float) -> float:
    """``x - y*floor(x/y)`` with the sign of y; NaN for y = 0 and for infinite x."""
    try:
        return x % y
    except ZeroDivisionError:
        return nan


def floordiv(x: float, y: float) -> float:
    """The whole q with ``x = q*y + mod(x, y)``; like ``x/y`` for y = 0, NaN for infinite x and finite y."""
    try:
        return x // y
    except ZeroDivisionError:
        return div(x, y)


# Exponentials and logarithms -----------------------------------------------------------------------------------------


def _overflowing(function: Callable[[float], float]) -> Callable[[float], float]:
    """``function`` with +inf where it overflows."""

    def call(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return inf

    call.__name__ = call.__qualname__ = function.__name__
    return call


exp = _overflowing(math.exp)
exp2 = _overflowing(math.exp2)
expm1 = _overflowing(math.expm1)
cosh = _overflowing(math.cosh)


def sinh(x: float) -> float:
    """Hyperbolic sine; overflows to an infinity of the sign of x."""
    try:
        return math.sinh(x)
    except OverflowError:
        return copysign(inf, x)


def _logarithm(function: Callable[[float], float], pole: float) -> Callable[[float], float]:
    """``function`` with -inf at its pole and NaN below it."""

    def call(x: float) -> float:
        try:
            return function(x)
        except ValueError:
            return -inf if x == pole else nan

    call.__name__ = call.__qualname__ = function.__name__
    return call


log = _logarithm(math.log, 0.0)
log2 = _logarithm(math.log2, 0.0)
log10 = _logarithm(math.log10, 0.0)
log1p = _logarithm(math.log1p, -1.0)


# Functions with a bounded domain -------------------------------------------------------------------------------------


def _partial(function: Callable[[float], float]) -> Callable[[float], float]:
    """``function`` with NaN outside its domain."""

    def call(x: float) -> float:
        try:
            return function(x)
        except ValueError:
            return nan

    call.__name__ = call.__qualname__ = function.__name__
    return call


sqrt = _partial(math.sqrt)
sin = _partial(math.sin)
cos = _partial(math.cos)
tan = _partial(math.tan)
asin = _partial(math.asin)
acos = _partial(math.acos)
acosh = _partial(math.acosh)


def atanh(x: float) -> float:
    """Inverse hyperbolic tangent; an infinity at -1 and 1, NaN beyond."""
    try:
        return math.atanh(x)
    except ValueError:
        return copysign(inf, x) if x in (1.0, -1.0) else nan


# Gamma ---------------------------------------------------------------------------------------------------------------


def gamma(x: float) -> float:
    """The gamma function; at ±0 an infinity of the sign of the zero, NaN at negative integers and -inf."""
    try:
        return math.gamma(x)
    except OverflowError:
        return copysign(inf, x)
    except ValueError:
        return copysign(inf, x) if x == 0 else nan


def lgamma(x: float) -> float:
    """The logarithm of the absolute value of the gamma function; +inf at its poles and at ±inf."""
    try:
        return math.lgamma(x)
    except (OverflowError, ValueError):
        return inf


# Steps and choices ---------------------------------------------------------------------------------------------------


def sign(x: float) -> float:
    """1 or -1; a zero keeps its sign and a NaN stays one."""
    return 1.0 if x > 0 else -1.0 if x < 0 else x


def floor(x: float) -> float:
    """The largest whole number not above x; -0.0 stays -0.0."""
    # The integer is made back into a float only where that is short work: floor(1e300) has 300 digits.
    return copysign(float(math.floor(x)), x) if -_WHOLE < x < _WHOLE else x


def ceil(x: float) -> float:
    """The smallest whole number not below x; -0.0 for -1 < x <= -0.0."""
    return copysign(float(math.ceil(x)), x) if -_WHOLE < x < _WHOLE else x


def round_(x: float) -> float:
    """The nearest whole number, the even one of two; a zero result has the sign of x."""
    return copysign((abs(x) + _WHOLE) - _WHOLE, x) if -_WHOLE < x < _WHOLE else x


def relu(x: float) -> float:
    """``max(x, 0)``; a NaN stays one."""
    return 0.0 if x <= 0 else x


def minimum(x: float, y: float, *others: float) -> float:
    """The smallest operand; a NaN among them wins."""
    least = y if y < x or y != y else x
    for other in others:
        if other < least or other != other:
            least = other
    return least


def maximum(x: float, y: float, *others: float) -> float:
    """The largest operand; a NaN among them wins."""
    most = y if y > x or y != y else x
    for other in others:
        if other > most or other != other:
            most = other
    return most


def clip(x: float, lo: float, hi: float) -> float:
    """``min(max(x, lo), hi)``."""
    return minimum(maximum(x, lo), hi)


UNGUARDED: Final[Mapping[Callable[..., float], Callable[..., float]]] = {
    power: math.pow,
    exp: math.exp,
    exp2: math.exp2,
    expm1: math.expm1,
    cosh: math.cosh,
    sinh: math.sinh,
    log: math.log,
    log2: math.log2,
    log10: math.log10,
    log1p: math.log1p,
    sqrt: math.sqrt,
    sin: math.sin,
    cos: math.cos,
    tan: math.tan,
    asin: math.asin,
    acos: math.acos,
    acosh: math.acosh,
    atanh: math.atanh,
    gamma: math.gamma,
    lgamma: math.lgamma,
}
"""The functions of ``math`` that have the same values wherever they do not raise."""
