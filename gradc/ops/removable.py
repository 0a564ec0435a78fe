"""Functions with a removable point at 0, and differences that cancel there: sin(x)/x, (e^x - 1)/x, log(1+x) - x.

The derivatives of the two quotients are integrals over t from 0 to 1, of ``t^n e^(xt)`` and ``t^n cos(xt + n pi/2)``,
which are finite everywhere. Integrated by parts they give recurrences in n. These are followed towards larger n where x
is the larger number, else towards smaller n from far beyond (DLMF 3.6): either way errors shrink.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from math import inf, nan
from typing import Any, Final

from gradc.ops import ieee
from gradc.ops.continuation import expm1 as continued_expm1
from gradc.ops.continuation import log1p as continued_log1p

MOST: Final = 100
"""The largest order of derivatives."""

# Of e^x the half of x, which is exact, is taken twice from here on: the product may be a number where e^x is not.
_LARGE: Final = 700.0


def sinc_unnormalised(x: float) -> float:
    """``sin(x)/x``, and 1 at 0."""
    if x == 0:
        return 1.0
    return 0.0 if math.isinf(x) else math.sin(x) / x


def sinc_derivative(n: int, x: float) -> float:
    """The n-th derivative of ``sin(x)/x``. NaN for n < 0 and for n > 100."""
    if x != x or not 0 <= n <= MOST:
        return nan
    if n == 0:
        return sinc_unnormalised(x)
    if math.isinf(x):
        return 0.0
    # + 0.0: of either zero it is the positive one.
    return float(_turned(n, *_waves(n, x, math.sin, math.cos))) + 0.0


def _turned(n: int, even: Any, odd: Any) -> Any:
    """The integral with the cosine shifted by n quarters of its period."""
    return (even, -odd, -even, odd)[n % 4]


def _waves(n: int, x: Any, sin: Callable[[Any], Any], cos: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The integrals of ``t^n cos(xt)`` and ``t^n sin(xt)`` for x that is not 0 or n that is not."""
    s, c = sin(x), cos(x)
    if abs(x) > n + 1:
        even, odd = s / x, 2 * sin(x / 2) * (sin(x / 2) / x)
        for k in range(1, n + 1):
            even, odd = (s - k * odd) / x, (k * even - c) / x
        return even, odd
    last = n + 40 + 3 * int(abs(x))
    even, odd = 1 / (last + 1), x / (last + 2)
    for k in range(last, n, -1):
        even, odd = (c + x * odd) / k, (s - x * even) / k
    return even, odd


def exprel(x: float) -> float:
    """``(e^x - 1)/x``, and 1 at 0."""
    if x == 0:
        return 1.0
    if x > _LARGE:
        half = ieee.exp(x / 2)
        return half * (half / x) if half < inf else inf
    return ieee.expm1(x) / x


def exprel_derivative(n: int, x: float) -> float:
    """The n-th derivative of ``(e^x - 1)/x``, which is positive. NaN for n < 0 and for n > 100."""
    if x != x or not 0 <= n <= MOST:
        return nan
    if n == 0:
        return exprel(x)
    if math.isinf(x):
        return inf if x > 0 else 0.0
    if x > 2 * n + 2:
        # Divided by e^x, so that nothing overflows before the result does.
        value = -math.expm1(-x) / x
        for k in range(1, n + 1):
            value = (1 - k * value) / x
        half = ieee.exp(x / 2)
        return value * math.exp(x) if x < _LARGE else half * (half * value)
    if x >= 0:
        # All terms of the power series are positive.
        value = 0.0
        for k in range(30 + 3 * int(x), -1, -1):
            value = 1 / (n + k + 1) + x / (k + 1) * value if k else 1 / (n + 1) + x * value
        return value
    if x < -2 * n - 10:
        value = math.expm1(x) / x
        for k in range(1, n + 1):
            value = (k * value - math.exp(x)) / -x
        return value
    power = math.exp(x)
    last = n + 40 + 3 * int(-x)
    value = power / (last + 1)
    for k in range(last, n, -1):
        value = (power - x * value) / k
    return value


def log1pmx(x: float) -> float:
    """``log(1 + x) - x`` without cancellation; -inf at -1 and inf, NaN below -1.

    Near 0 with r = x/(2 + x): log(1 + x) is 2*atanh(r) (DLMF 4.6.4), and 2*r - x is -x*r.
    """
    if -0.6 < x < 1.2:
        r = x / (2 + x)
        square = r * r
        series = 0.0
        for k in range(22, -1, -1):
            series = 1 / (2 * k + 3) + square * series
        # + 0.0: of either zero it is the positive one.
        return r * (2 * square * series - x) + 0.0
    return -inf if x == inf else ieee.log1p(x) - x


def expm1mx(x: float) -> float:
    """``e^x - 1 - x`` without cancellation; inf at ±inf."""
    if abs(x) < 1:
        return x * x * (exprel(x) - exprel_derivative(1, x))
    return inf if x == inf else ieee.expm1(x) - x


# Of complex numbers --------------------------------------------------------------------------------------------------


def complex_sinc(z: complex) -> complex:
    """``sin(z)/z``, and 1 at 0."""
    return cmath.sin(z) / z if z else 1 + 0j


def complex_sinc_derivative(n: complex, z: complex) -> complex:
    """The n-th derivative of ``sin(z)/z``."""
    order = int(n.real)
    return complex(_turned(order, *_waves(order, z, cmath.sin, cmath.cos)))


def complex_exprel(z: complex) -> complex:
    """``(e^z - 1)/z``, and 1 at 0."""
    return continued_expm1(z) / z if z else 1 + 0j


def complex_exprel_derivative(n: complex, z: complex) -> complex:
    """The n-th derivative of ``(e^z - 1)/z``."""
    order = int(n.real)
    power = cmath.exp(z)
    if abs(z) > 2 * order + 2:
        value = complex_exprel(z)
        for k in range(1, order + 1):
            value = (power - k * value) / z
        return value
    last = order + 40 + 3 * int(abs(z))
    value = power / (last + 1)
    for k in range(last, order, -1):
        value = (power - z * value) / k
    return value


def complex_log1pmx(z: complex) -> complex:
    """``log(1 + z) - z`` without cancellation."""
    if abs(z) > 0.6:
        return continued_log1p(z) - z
    r = z / (2 + z)
    square = r * r
    series = 0j
    for k in range(22, -1, -1):
        series = 1 / (2 * k + 3) + square * series
    return r * (2 * square * series - z)


def complex_expm1mx(z: complex) -> complex:
    """``e^z - 1 - z`` without cancellation."""
    if abs(z) > 1:
        return continued_expm1(z) - z
    return z * z * (complex_exprel(z) - complex_exprel_derivative(1, z))


# To any precision ----------------------------------------------------------------------------------------------------


def precise_exprel_derivative(mp: Any, n: Any, x: Any) -> Any:
    """The integral of ``t^n e^(xt)`` over t from 0 to 1."""
    order = int(n)
    if not abs(x) > 2 * order + 20:
        with mp.extraprec(80 + 3 * int(abs(x)) if x == x else 0):
            return +_series(mp, order, mp.mpf(x))
    # No step loses more than a few bits so far out.
    with mp.extraprec(100 + 2 * order):
        power = mp.exp(x)
        value = (power - 1) / x
        for k in range(1, order + 1):
            value = (power - k * value) / x
    return +value


def _series(mp: Any, order: int, x: Any) -> Any:
    term = mp.mpf(1)
    total = term / (order + 1)
    k = 0
    # The terms grow before they fall.
    while k < abs(x) or abs(term) > abs(total) * mp.eps / 8:
        k += 1
        term = term * x / k
        total += term / (order + k + 1)
        if term != term:
            return term
    return total


def precise_sinc_derivative(mp: Any, n: Any, x: Any) -> Any:
    """The integral of ``t^n cos(xt + n pi/2)`` over t from 0 to 1."""
    order = int(n)
    if abs(x) > 2 * order + 20:
        with mp.extraprec(100 + 2 * order):
            s, c = mp.sin(x), mp.cos(x)
            even, odd = s / x, (1 - c) / x
            for k in range(1, order + 1):
                even, odd = (s - k * odd) / x, (k * even - c) / x
            result = _turned(order, even, odd)
        return +result
    with mp.extraprec(80 + 3 * int(abs(x)) if x == x else 0):
        # An even function's derivatives of odd order have a factor x: every other term of a power series.
        first = order % 2
        term = mp.mpf(x) if first else mp.mpf(1)
        total = term / (order + first + 1)
        k = first
        while term == term and (k < abs(x) or abs(term) > abs(total) * mp.eps / 8):
            term = -term * x * x / ((k + 1) * (k + 2))
            k += 2
            total += term / (order + k + 1)
        result = _turned(order, total, total)
    return +result


def precise_log1pmx(mp: Any, x: Any) -> Any:
    """``log(1 + x) - x``."""
    with mp.extraprec(_lost(mp, x)):
        result = mp.log1p(x) - x
    return +result


def precise_expm1mx(mp: Any, x: Any) -> Any:
    """``e^x - 1 - x``."""
    with mp.extraprec(_lost(mp, x)):
        result = mp.expm1(x) - x
    return +result


def _lost(mp: Any, x: Any) -> int:
    """The bits that cancel where a function is x and a little."""
    return 20 + max(0, -2 * int(mp.log(abs(x), 2))) if 0 < abs(x) < 1 else 20
