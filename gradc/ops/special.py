"""Special functions on Python floats that ``math`` lacks.

Source: the NIST Digital Library of Mathematical Functions (DLMF).
"""

from __future__ import annotations

import math
from functools import lru_cache
from math import copysign, inf, nan

from gradc.ops import ieee

# Sigmoid and its kin -------------------------------------------------------------------------------------------------


def sigmoid(x: float) -> float:
    """``1/(1 + exp(-x))`` without overflow, to full relative accuracy on both sides."""
    # The exponential of a negative number never overflows, whichever side x lies on.
    e = math.exp(-abs(x))
    return (e if x < 0 else 1.0) / (1.0 + e)


def softplus(x: float) -> float:
    """``log(1 + exp(x))`` without overflow."""
    return math.log1p(math.exp(-abs(x))) + ieee.relu(x)


def xlogy(x: float, y: float) -> float:
    """``x*log(y)``, and 0 for x = 0 whatever number y is."""
    return 0.0 if x == 0 and y == y else x * ieee.log(y)


def log1mexp(x: float) -> float:
    """``log(1 - exp(x))`` for x <= 0 to full relative accuracy; -inf at 0, NaN above.

    Source: Maechler, Accurately computing log(1 - exp(-|a|)) (2012).
    """
    # Beyond -log(2) the exponential is the small one of the two, before it what it lacks of 1.
    return math.log1p(-math.exp(x)) if x < -_LN2 else ieee.log(-ieee.expm1(x))


_LN2 = math.log(2.0)


def logexpm1(x: float) -> float:
    """``log(exp(x) - 1)`` without overflow; -inf at 0, NaN below."""
    return x + log1mexp(-x) if x > 1 else ieee.log(ieee.expm1(x))


def sqrt1pm1(x: float) -> float:
    """``sqrt(1 + x) - 1`` without cancellation."""
    return x if x == inf else x / (1.0 + ieee.sqrt(1.0 + x))


def logaddexp(x: float, y: float) -> float:
    """``log(exp(x) + exp(y))`` without overflow; the larger operand where they differ by an infinity."""
    if x == y:
        return x + _LN2
    return (y if x < y else x) + math.log1p(math.exp(-abs(x - y)))


# Digamma and polygamma -----------------------------------------------------------------------------------------------

# Bernoulli numbers B2, B4… (DLMF 24.2).
BERNOULLI = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
    -174611 / 330,
    854513 / 138,
    -236364091 / 2730,
)

# From here on eight terms of the asymptotic series of digamma reach double precision.
_DIGAMMA_FAR = 10.0


def digamma(x: float) -> float:
    """The logarithmic derivative of gamma. At ±0 an infinity of the opposite sign; NaN at negative integers and -inf.

    Recurrence (DLMF 5.5.2) up to x >= 10, then the asymptotic series (DLMF 5.11.2); reflection (DLMF 5.5.4) for x < 0.
    A few ulps, absolute near the zeros.
    """
    if x > 0:
        if x == inf:
            return inf
        terms = []
        while x < _DIGAMMA_FAR:
            terms.append(-1.0 / x)
            x += 1.0
        square = 1.0 / (x * x)
        series = 0.0
        for k in range(8, 0, -1):
            series = (series + BERNOULLI[k - 1] / (2 * k)) * square
        terms += (-series, -0.5 / x, math.log(x))
        return math.fsum(terms)
    if x == 0:
        return -copysign(inf, x)
    if not x > -inf or x == math.floor(x):
        return nan
    # x minus the nearest integer is exact, so the tangent keeps its accuracy beside a pole.
    near = x - ieee.round_(x)
    return digamma(1.0 - x) - math.pi / math.tan(math.pi * near)


def polygamma(n: int, x: float) -> float:
    """The n-th derivative of digamma; NaN for n < 0.

    At ±0 and at negative integers an infinity where both sides agree on its sign (odd n); for even n an infinity of the
    sign of -x at ±0, and NaN at negative integers. 0 at +inf, NaN at -inf.
    """
    if n <= 0:
        return digamma(x) if n == 0 else nan
    odd = n % 2 == 1
    if x > 0:
        size = _polygamma_size(n, x)
        return size if odd else -size
    if x == 0:
        return inf if odd else -copysign(inf, x)
    if not x > -inf:
        return nan
    if x == math.floor(x):
        return inf if odd else nan
    return _polygamma_negative(n, x)


def _scale(n: int, x: float) -> float:
    """``(n-1)!/x^n``, by a product that neither overflows nor underflows before the result does."""
    if n > 170:
        return ieee.exp(math.lgamma(n) - n * math.log(x))
    result = ieee.div(1.0, x)
    for k in range(1, n):
        result *= k / x
    return result


def _polygamma_size(n: int, x: float) -> float:
    """The absolute value for n >= 1 and x > 0.

    Recurrence (DLMF 5.15.5) up to x >= n + 12, then the asymptotic series (DLMF 5.15.9), all relative to (n-1)!/x^n.
    """
    if x == inf:
        return 0.0
    far = x
    heads: list[float] = []
    while far < n + 12:
        term = math.pow(x / far, n + 1)
        if term < 1e-18:
            # What is left of the sum is too small to matter, as it is soon where n is large.
            return _scale(n, x) * (n / x * math.fsum(heads))
        heads.append(term)
        far += 1.0
    square = 1.0 / (far * far)
    tail = 1.0 + 0.5 * n / far
    factor = 1.0
    for k, bernoulli in enumerate(BERNOULLI, start=1):
        factor *= (n + 2 * k - 2) * (n + 2 * k - 1) / ((2 * k - 1) * (2 * k)) * square
        tail += bernoulli * factor
    head = n / x * math.fsum(heads) if heads else 0.0
    return _scale(n, x) * (head + math.pow(x / far, n) * tail)


# Beyond this order the two poles on either side of x are all that counts of the sum over poles.
_MANY = 40


def _polygamma_negative(n: int, x: float) -> float:
    """The value for n >= 1 and x < 0 between the poles: reflection (DLMF 5.15.6)."""
    near = x - ieee.round_(x)
    odd = n % 2 == 1
    if n < _MANY:
        cot = 1.0 / math.tan(math.pi * near)
        derivative = 0.0
        for coefficient in _cotangent(n):
            derivative = derivative * cot + coefficient
        return -(math.pi ** (n + 1)) * derivative - _polygamma_size(n, 1.0 - x)
    # psi_n(x) = (-1)^(n+1) n! sum over k >= 0 of (x + k)^-(n+1) (DLMF 5.15.1).
    total = 0.0
    for pole in (near - 2, near - 1, near, near + 1, near + 2):
        # Poles to the right of 0 do not exist.
        if x - pole < 0.5:
            size = _scale(n, abs(pole)) * (n / abs(pole))
            total += size if odd or pole < 0 else -size
    return total


@lru_cache(maxsize=_MANY)
def _cotangent(n: int) -> tuple[int, ...]:
    """The n-th derivative of cot as a polynomial in cot, highest power first: cot' = -(1 + cot^2), again and again."""
    lowest = [0, 1]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(lowest)][1:]
        lowest = [-(a + b) for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return tuple(reversed(lowest))
