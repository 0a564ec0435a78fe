"""The operators on complex numbers beside the real axis: analytic continuations, for derivatives by complex steps.

An imaginary part of any smallness comes through with full relative accuracy, so that ``f(x + ih).imag / h`` is the
derivative of f at x. Operators that are not analytic go by the real part, which chooses among analytic pieces.
"""

from __future__ import annotations

import cmath
import math

from gradc.ops import ieee
from gradc.ops.special import BERNOULLI

_LN2 = math.log(2.0)
_LN10 = math.log(10.0)
# Python multiplies for whole exponents up to this.
_FACTORS = 100


# Arithmetic ----------------------------------------------------------------------------------------------------------


def power(x: complex, y: complex) -> complex:
    """``x^y``; whole exponents of negative numbers are no matter of logarithms."""
    if y == 0:
        return 1 + 0j
    if x == 0:
        return 0j
    whole = y.imag == 0 and y.real == math.floor(y.real)
    if whole and abs(y.real) <= _FACTORS:
        # Products keep more digits than logarithms.
        return complex(x) ** int(y.real)
    if x.real < 0 and whole:
        result = cmath.exp(y * cmath.log(-x))
        return result if y.real % 2 == 0 else -result
    return cmath.exp(y * cmath.log(x))


def mod(x: complex, y: complex) -> complex:
    """``x - q*y`` with q of the real parts."""
    return x - ieee.floordiv(x.real, y.real) * y


def floordiv(x: complex, y: complex) -> complex:
    """The quotient of the real parts, rounded down."""
    return complex(ieee.floordiv(x.real, y.real))


# Exponentials and logarithms -----------------------------------------------------------------------------------------


def exp2(z: complex) -> complex:
    """``2^z``."""
    return cmath.exp(z * _LN2)


def expm1(z: complex) -> complex:
    """``exp(z) - 1``."""
    half = math.sin(z.imag / 2)
    real = math.expm1(z.real) * math.cos(z.imag) - 2 * half * half
    return complex(real, math.exp(z.real) * math.sin(z.imag))


def log1p(z: complex) -> complex:
    """``log(1 + z)``."""
    return complex(0.5 * math.log1p(z.real * (2 + z.real) + z.imag * z.imag), math.atan2(z.imag, 1 + z.real))


def log2(z: complex) -> complex:
    """The logarithm to the base 2."""
    return cmath.log(z) / _LN2


def log10(z: complex) -> complex:
    """The logarithm to the base 10."""
    return cmath.log(z) / _LN10


def sigmoid(z: complex) -> complex:
    """``1/(1 + exp(-z))``."""
    if z.real < 0:
        e = cmath.exp(z)
        return e / (1 + e)
    return 1 / (1 + cmath.exp(-z))


def softplus(z: complex) -> complex:
    """``log(1 + exp(z))``."""
    return z + log1p(cmath.exp(-z)) if z.real > 0 else log1p(cmath.exp(z))


def log1mexp(z: complex) -> complex:
    """``log(1 - exp(z))``."""
    return log1p(-cmath.exp(z)) if z.real < -1 else cmath.log(-expm1(z))


def logexpm1(z: complex) -> complex:
    """``log(exp(z) - 1)``."""
    return z + log1mexp(-z) if z.real > 1 else cmath.log(expm1(z))


def logaddexp(x: complex, y: complex) -> complex:
    """``log(exp(x) + exp(y))``, for what does not overflow."""
    return y + softplus(x - y)


def xlogy(x: complex, y: complex) -> complex:
    """``x*log(y)``, 0 for x = 0."""
    return 0j if x == 0 else x * cmath.log(y)


# Roots and angles ----------------------------------------------------------------------------------------------------


def cbrt(z: complex) -> complex:
    """The cube root that is real on the real axis."""
    if z == 0:
        return 0j
    return -cbrt(-z) if z.real < 0 else cmath.exp(cmath.log(z) / 3)


def hypot(x: complex, y: complex) -> complex:
    """``sqrt(x^2 + y^2)``."""
    return cmath.sqrt(x * x + y * y)


def atan2(y: complex, x: complex) -> complex:
    """The angle of (x, y): the arctangent of whichever quotient is small, turned into its quadrant."""
    if abs(y.real) <= abs(x.real):
        turn = 0.0 if x.real > 0 else math.copysign(math.pi, y.real)
        return turn + cmath.atan(y / x)
    return math.copysign(math.pi / 2, y.real) - cmath.atan(x / y)


# The error function and gamma ----------------------------------------------------------------------------------------


def erf(z: complex) -> complex:
    """DLMF 7.6.2 where |Re z| < 4, else by the continued fraction of erfc."""
    if z.real < 0:
        return -erf(-z)
    if z.real >= 4:
        return 1 - erfc(z)
    term = total = complex(z)
    k = 0
    while abs(term) > 1e-18 * abs(total):
        k += 1
        term *= 2 * z * z / (2 * k + 1)
        total += term
    return 2 / math.sqrt(math.pi) * cmath.exp(-z * z) * total


def erfc(z: complex) -> complex:
    """DLMF 7.9.1 where Re z >= 2, else from erf."""
    if z.real < 2:
        return 1 - erf(z)
    fraction = z + 0j
    for k in range(80, 0, -1):
        fraction = z + k / 2 / fraction
    return cmath.exp(-z * z) / (math.sqrt(math.pi) * fraction)


# Here the asymptotic series reach double precision with twelve terms.
_FAR = 12.0


def lgamma(z: complex) -> complex:
    """The continuation of ``log|gamma(x)|``: DLMF 5.5.1, 5.5.3 and 5.11.1."""
    if z.real <= 0:
        sine = cmath.sin(cmath.pi * z)
        return cmath.log(math.pi / (sine if sine.real > 0 else -sine)) - lgamma(1 - z)
    result = 0j
    while z.real < _FAR:
        result -= cmath.log(z)
        z += 1
    result += (z - 0.5) * cmath.log(z) - z + 0.5 * math.log(2 * math.pi)
    for k, bernoulli in enumerate(BERNOULLI, start=1):
        result += bernoulli / (2 * k * (2 * k - 1)) / z ** (2 * k - 1)
    return result


def gamma(z: complex) -> complex:
    """The gamma function."""
    if z.real <= 0:
        return math.pi / (cmath.sin(cmath.pi * z) * gamma(1 - z))
    return cmath.exp(lgamma(z))


def digamma(z: complex) -> complex:
    """DLMF 5.5.2, 5.5.4 and 5.11.2."""
    if z.real <= 0:
        return digamma(1 - z) - math.pi / cmath.tan(cmath.pi * z)
    result = 0j
    while z.real < _FAR:
        result -= 1 / z
        z += 1
    result += cmath.log(z) - 0.5 / z
    for k, bernoulli in enumerate(BERNOULLI, start=1):
        result -= bernoulli / (2 * k) / z ** (2 * k)
    return result


def polygamma(n: complex, z: complex) -> complex:
    """DLMF 5.15.5 and 5.15.9, for z right of the imaginary axis or near to it; n is a whole number."""
    order = round(n.real)
    if order == 0:
        return digamma(z)
    scale = math.gamma(order + 1)
    total = 0j
    while z.real < _FAR + order:
        total += scale / z ** (order + 1)
        z += 1
    total += scale / order / z**order + scale / (2 * z ** (order + 1))
    factor = scale / order / z**order
    for k, bernoulli in enumerate(BERNOULLI, start=1):
        factor *= (order + 2 * k - 2) * (order + 2 * k - 1) / ((2 * k - 1) * (2 * k)) / (z * z)
        total += bernoulli * factor
    return total if order % 2 == 1 else -total


# Pieces --------------------------------------------------------------------------------------------------------------


def absolute(z: complex) -> complex:
    """z or -z by the sign of the real part; 0 at 0."""
    return z + 0j if z.real > 0 else -z + 0j if z.real < 0 else 0j


def relu(z: complex) -> complex:
    """z where its real part is positive, else 0."""
    return z + 0j if z.real > 0 else 0j


def sign(z: complex) -> complex:
    """The sign of the real part."""
    return complex(ieee.sign(z.real))


def floor(z: complex) -> complex:
    """The real part rounded down."""
    return complex(ieee.floor(z.real))


def ceil(z: complex) -> complex:
    """The real part rounded up."""
    return complex(ieee.ceil(z.real))


def round_(z: complex) -> complex:
    """The real part rounded to the nearest whole number."""
    return complex(ieee.round_(z.real))


def minimum(*operands: complex) -> complex:
    """The operand of the smallest real part; the mean of several."""
    return _chosen(ieee.minimum(*(z.real for z in operands)), operands)


def maximum(*operands: complex) -> complex:
    """The operand of the largest real part; the mean of several."""
    return _chosen(ieee.maximum(*(z.real for z in operands)), operands)


def _chosen(value: float, operands: tuple[complex, ...]) -> complex:
    tied = [z for z in operands if z.real == value]
    return sum(tied, 0j) / len(tied) if tied else complex(math.nan)


def clip(x: complex, lo: complex, hi: complex) -> complex:
    """x, or the bound that its real part lies beyond."""
    if x.real > hi.real or lo.real > hi.real:
        return hi + 0j
    return lo + 0j if x.real < lo.real else x + 0j
