"""The tail of the error function: scaled so that it does not underflow, its logarithm, and its derivatives.

Sources: the NIST Digital Library of Mathematical Functions (DLMF), chapter 7; Gautschi, Efficient computation of the
complex error function (1970), for the backward recurrence.
"""

from __future__ import annotations

import cmath
import math
from math import inf, nan
from typing import Any

from gradc.ops import ieee
from gradc.ops.continuation import erfc as continued_erfc
from gradc.ops.continuation import log1p

_TWO_BY_ROOT_PI = 2 / math.sqrt(math.pi)
# From here on nine terms of the asymptotic series reach double precision, and erfc is not yet subnormal.
_FAR = 25.0
# Splits a double into two halves whose products are exact.
_SPLIT = 2.0**27 + 1

MOST = 100
"""The largest order of ``ierfcx``."""


def erfcx(x: float) -> float:
    """``exp(x^2)*erfc(x)``: inf below -26.64, ``1/(x*sqrt(pi))`` for large x.

    DLMF 7.12.1 from 25 on. Before that the product, with what the square of x loses in rounding.
    """
    if x < _FAR:
        square = x * x
        if square > 710:
            return inf
        part = _SPLIT * x
        high = part - (part - x)
        low = x - high
        lost = ((high * high - square) + 2 * high * low) + low * low
        power = ieee.exp(square)
        return math.erfc(x) * (power + power * lost)
    if x != x:
        return x
    small = 0.5 / x / x
    series = 1.0
    for k in range(9, 0, -1):
        series = 1 - (2 * k - 1) * small * series
    return 0.5 * _TWO_BY_ROOT_PI * series / x


def ierfcx(n: int, x: float) -> float:
    """``2^n * n! * exp(x^2)`` times the n-th repeated integral of erfc (DLMF 7.18.2), which is positive and falling.

    By DLMF 7.18.7, forwards where all terms are positive and else backwards. NaN for n < 0 and for n > 100.
    """
    if x != x or not 0 <= n <= MOST:
        return nan
    if n == 0:
        return erfcx(x)
    if x <= 0:
        if x < -_FAR - 2:
            return inf
        before, value = erfcx(x), _TWO_BY_ROOT_PI - 2 * x * erfcx(x)
        for k in range(1, n):
            before, value = value, 2 * k * before - 2 * x * value
        return value
    if x >= 1:
        return 0.0 if x == inf else float(_family(n, x)[n])
    # The derivative of one member is minus the next, so the Taylor series to the left has positive terms.
    step = 1 - x
    members = _family(n + 60, 1.0)
    total = 0.0
    for k in range(60, 0, -1):
        total = (total + members[n + k]) * step / k
    return total + float(members[n])


def _family(n: int, x: Any) -> list[Any]:
    """``ierfcx`` of the orders 0 to n at x >= 1, by ratios of neighbours from far beyond n downwards."""
    # How far that is follows from how fast the fraction forgets where it began; near the axis it helps to begin well.
    near = abs(x) < 20
    last = 10 + (int((math.sqrt(2 * n) + 16 / abs(x)) ** 2 / 2) if near else n)
    ratio = (x * x + 2 * last) ** 0.5 - x if near else 0.0
    ratios = []
    for k in range(last, 0, -1):
        ratio = 2 * k / (2 * x + ratio)
        if k <= n:
            ratios.append(ratio)
    members = [_TWO_BY_ROOT_PI / (2 * x + ratio)]
    for each in reversed(ratios):
        members.append(members[-1] * each)
    return members


def logerfc(x: float) -> float:
    """``log(erfc(x))``, also where erfc underflows."""
    if x >= 1:
        return ieee.log(erfcx(x)) - x * x
    return math.log1p(-math.erf(x)) if abs(x) < 0.5 else ieee.log(math.erfc(x))


# Analytic continuations, for x near the real axis --------------------------------------------------------------------


def complex_erfcx(z: complex) -> complex:
    """``exp(z^2)*erfc(z)``."""
    return _family(0, z)[0] if z.real >= 2 else cmath.exp(z * z) * continued_erfc(z)


def complex_ierfcx(n: complex, z: complex) -> complex:
    """The members of the family of a whole order n."""
    order = round(n.real)
    if z.real >= 0.5:
        found: complex = _family(order, z)[order]
        return found
    before, value = complex(_TWO_BY_ROOT_PI), complex_erfcx(z)
    for k in range(order):
        before, value = value, (2 * k * before if k else before) - 2 * z * value
    return value


def complex_logerfc(z: complex) -> complex:
    """``log(erfc(z))``."""
    if z.real >= 1:
        return cmath.log(complex_erfcx(z)) - z * z
    return log1p(continued_erfc(z) - 1)


# To any precision ----------------------------------------------------------------------------------------------------


def precise_erfc(mp: Any, x: Any) -> Any:
    """``erfc(x)``, of numbers too that are beyond what mpmath takes."""
    return mp.exp(-x * x) * precise_erfcx(mp, x) if x > 1000 else mp.erfc(x)


def precise_erfcx(mp: Any, x: Any) -> Any:
    """``exp(x^2)*erfc(x)``; DLMF 7.12.1 for large x, where erfc would have to be known to exp(-x^2)."""
    if not x > 1000:
        return mp.exp(x * x) * mp.erfc(x)
    term = total = mp.mpf(1)
    k = 0
    while abs(term) > mp.eps / 8:
        k += 1
        term *= -(2 * k - 1) / (2 * x * x)
        total += term
    return total / (x * mp.sqrt(mp.pi))


def precise_ierfcx(mp: Any, n: Any, x: Any) -> Any:
    """DLMF 7.18.7 forwards, with as many more digits as it loses."""
    order = int(n)
    with mp.extraprec(60 + 8 * order * (2 + abs(int(mp.log(2 + abs(x), 2))))):
        before, value = 2 / mp.sqrt(mp.pi), precise_erfcx(mp, mp.mpf(x))
        for k in range(order):
            before, value = value, (2 * k * before if k else before) - 2 * x * value
    return +value


def precise_logerfc(mp: Any, x: Any) -> Any:
    """``log(erfc(x))``."""
    return mp.log(precise_erfcx(mp, x)) - x * x if x > 1000 else mp.log(mp.erfc(x))
