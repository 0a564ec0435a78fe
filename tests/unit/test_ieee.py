"""The scalar functions at the points where ``math`` raises or means something else."""

import math
from math import copysign, inf, nan

import pytest

from gradc.ops import ieee, integers, special

TINY = 5e-324
HUGE = 1.7976931348623157e308


def same(a: float, b: float) -> bool:
    """Equal as IEEE data: NaN is NaN, and zeros differ by sign."""
    return (a != a and b != b) or (a == b and copysign(1, a) == copysign(1, b))


CASES = [
    (ieee.div, (1.0, 0.0), inf),
    (ieee.div, (1.0, -0.0), -inf),
    (ieee.div, (-1.0, 0.0), -inf),
    (ieee.div, (-1.0, -0.0), inf),
    (ieee.div, (inf, -0.0), -inf),
    (ieee.div, (0.0, 0.0), nan),
    (ieee.div, (0.0, -0.0), nan),
    (ieee.div, (nan, 0.0), nan),
    (ieee.div, (inf, inf), nan),
    (ieee.div, (-1.0, inf), -0.0),
    (ieee.div, (1.0, TINY), inf),
    # C99, F.9.4.4, line by line.
    (ieee.power, (0.0, -3.0), inf),
    (ieee.power, (-0.0, -3.0), -inf),
    (ieee.power, (-0.0, -2.0), inf),
    (ieee.power, (-0.0, -2.5), inf),
    (ieee.power, (0.0, -inf), inf),
    (ieee.power, (-0.0, 3.0), -0.0),
    (ieee.power, (-0.0, 2.0), 0.0),
    (ieee.power, (-0.0, 0.5), 0.0),
    (ieee.power, (-1.0, inf), 1.0),
    (ieee.power, (-1.0, -inf), 1.0),
    (ieee.power, (1.0, nan), 1.0),
    (ieee.power, (nan, 0.0), 1.0),
    (ieee.power, (nan, 1.0), nan),
    (ieee.power, (0.5, -inf), inf),
    (ieee.power, (-2.0, -inf), 0.0),
    (ieee.power, (-inf, -3.0), -0.0),
    (ieee.power, (-inf, 3.0), -inf),
    (ieee.power, (-inf, 2.0), inf),
    (ieee.power, (-inf, 0.5), inf),
    (ieee.power, (-8.0, 1 / 3), nan),
    (ieee.power, (-2.0, 1025.0), -inf),
    (ieee.power, (-2.0, 1024.0), inf),
    (ieee.power, (HUGE, 2.0), inf),
    (ieee.power, (-HUGE, 3.0), -inf),
    (ieee.power, (10.0, -400.0), 0.0),
    (ieee.mod, (5.0, 3.0), 2.0),
    (ieee.mod, (-5.0, 3.0), 1.0),
    (ieee.mod, (5.0, -3.0), -1.0),
    (ieee.mod, (-5.0, -3.0), -2.0),
    (ieee.mod, (6.0, -3.0), -0.0),
    (ieee.mod, (-6.0, 3.0), 0.0),
    (ieee.mod, (1.0, 0.0), nan),
    (ieee.mod, (inf, 2.0), nan),
    (ieee.mod, (1.0, inf), 1.0),
    (ieee.mod, (-1.0, inf), inf),
    (ieee.floordiv, (-5.0, 3.0), -2.0),
    (ieee.floordiv, (1.0, 0.1), 9.0),
    (ieee.floordiv, (1.0, 0.0), inf),
    (ieee.floordiv, (1.0, -0.0), -inf),
    (ieee.floordiv, (0.0, 0.0), nan),
    (ieee.floordiv, (inf, 2.0), nan),
    (ieee.floordiv, (-1.0, inf), -1.0),
    (ieee.exp, (1000.0,), inf),
    (ieee.exp, (-1000.0,), 0.0),
    (ieee.exp, (-inf,), 0.0),
    (ieee.exp2, (1024.0,), inf),
    (ieee.exp2, (10.0,), 1024.0),
    (ieee.expm1, (1000.0,), inf),
    (ieee.expm1, (-inf,), -1.0),
    (ieee.expm1, (-0.0,), -0.0),
    (ieee.cosh, (-1000.0,), inf),
    (ieee.sinh, (-1000.0,), -inf),
    (ieee.sinh, (1000.0,), inf),
    (ieee.log, (0.0,), -inf),
    (ieee.log, (-0.0,), -inf),
    (ieee.log, (-1.0,), nan),
    (ieee.log, (-inf,), nan),
    (ieee.log, (nan,), nan),
    (ieee.log2, (0.0,), -inf),
    (ieee.log10, (-0.0,), -inf),
    (ieee.log10, (-TINY,), nan),
    (ieee.log1p, (-1.0,), -inf),
    (ieee.log1p, (-2.0,), nan),
    (ieee.log1p, (-0.0,), -0.0),
    (ieee.sqrt, (-0.0,), -0.0),
    (ieee.sqrt, (-TINY,), nan),
    (ieee.sin, (inf,), nan),
    (ieee.cos, (-inf,), nan),
    (ieee.tan, (inf,), nan),
    (ieee.asin, (1.5,), nan),
    (ieee.acos, (-inf,), nan),
    (ieee.acosh, (0.5,), nan),
    (ieee.atanh, (1.0,), inf),
    (ieee.atanh, (-1.0,), -inf),
    (ieee.atanh, (2.0,), nan),
    (ieee.gamma, (0.0,), inf),
    (ieee.gamma, (-0.0,), -inf),
    (ieee.gamma, (-3.0,), nan),
    (ieee.gamma, (-inf,), nan),
    (ieee.gamma, (172.0,), inf),
    (ieee.gamma, (-1e-310,), -inf),
    (ieee.lgamma, (0.0,), inf),
    (ieee.lgamma, (-3.0,), inf),
    (ieee.lgamma, (-inf,), inf),
    (ieee.lgamma, (1e308,), inf),
    (ieee.sign, (-0.0,), -0.0),
    (ieee.sign, (nan,), nan),
    (ieee.sign, (-TINY,), -1.0),
    (ieee.floor, (-0.0,), -0.0),
    (ieee.floor, (-0.5,), -1.0),
    (ieee.floor, (0.5,), 0.0),
    (ieee.floor, (-inf,), -inf),
    (ieee.floor, (nan,), nan),
    (ieee.floor, (1e300,), 1e300),
    (ieee.ceil, (-0.5,), -0.0),
    (ieee.ceil, (4503599627370495.5,), 4503599627370496.0),
    (ieee.round_, (0.5,), 0.0),
    (ieee.round_, (-0.5,), -0.0),
    (ieee.round_, (1.5,), 2.0),
    (ieee.round_, (2.5,), 2.0),
    (ieee.round_, (-2.5,), -2.0),
    (ieee.round_, (0.49999999999999994,), 0.0),
    (ieee.round_, (4503599627370495.5,), 4503599627370496.0),
    (ieee.round_, (-0.0,), -0.0),
    (ieee.round_, (inf,), inf),
    (ieee.round_, (nan,), nan),
    (ieee.relu, (-0.0,), 0.0),
    (ieee.relu, (nan,), nan),
    (ieee.relu, (-inf,), 0.0),
    (ieee.minimum, (1.0, nan), nan),
    (ieee.minimum, (nan, 1.0), nan),
    (ieee.minimum, (nan, 1.0, -inf), nan),
    (ieee.minimum, (3.0, 1.0, 2.0), 1.0),
    (ieee.maximum, (1.0, nan), nan),
    (ieee.maximum, (nan, inf), nan),
    (ieee.maximum, (1.0, 2.0, nan, 5.0), nan),
    (ieee.maximum, (1.0, 2.0, 5.0, 3.0), 5.0),
    (ieee.clip, (nan, 0.0, 1.0), nan),
    (ieee.clip, (0.5, nan, 1.0), nan),
    (ieee.clip, (-3.0, 0.0, 1.0), 0.0),
    (ieee.clip, (0.5, 2.0, 1.0), 1.0),
    (special.sigmoid, (-1000.0,), 0.0),
    (special.sigmoid, (1000.0,), 1.0),
    (special.sigmoid, (-inf,), 0.0),
    (special.sigmoid, (nan,), nan),
    (special.softplus, (-inf,), 0.0),
    (special.softplus, (inf,), inf),
    (special.softplus, (1000.0,), 1000.0),
    (special.softplus, (nan,), nan),
    (special.xlogy, (0.0, 0.0), 0.0),
    (special.xlogy, (0.0, inf), 0.0),
    (special.xlogy, (0.0, nan), nan),
    (special.xlogy, (2.0, 0.0), -inf),
    (special.digamma, (0.0,), -inf),
    (special.digamma, (-0.0,), inf),
    (special.digamma, (-2.0,), nan),
    (special.digamma, (inf,), inf),
    (special.digamma, (-inf,), nan),
    (special.digamma, (nan,), nan),
    (special.digamma, (TINY,), -inf),
    (special.digamma, (HUGE,), math.log(HUGE)),
    (special.polygamma, (1, 0.0), inf),
    (special.polygamma, (1, -2.0), inf),
    (special.polygamma, (2, 0.0), -inf),
    (special.polygamma, (2, -0.0), inf),
    (special.polygamma, (2, -2.0), nan),
    (special.polygamma, (1, inf), 0.0),
    (special.polygamma, (2, inf), -0.0),
    (special.polygamma, (1, -inf), nan),
    (special.polygamma, (3, nan), nan),
    (special.polygamma, (-1, 2.0), nan),
    (special.polygamma, (1, 1e-200), inf),
    (special.polygamma, (1, 1e300), 1e-300),
    (special.polygamma, (2**62, 2.0), -inf),
    (special.polygamma, (2**62, -2.5), nan),
]


@pytest.mark.parametrize(("function", "operands", "expected"), CASES)
def test_values(function, operands, expected):
    assert same(function(*operands), expected), function(*operands)


@pytest.mark.parametrize(
    ("function", "operands"),
    [
        (integers.add, (2**63 - 1, 1)),
        (integers.sub, (-(2**63), 1)),
        (integers.mul, (2**62, 2)),
        (integers.neg, (-(2**63),)),
        (integers.absolute, (-(2**63),)),
        (integers.floordiv, (-(2**63), -1)),
    ],
)
def test_integers_are_checked(function, operands):
    with pytest.raises(OverflowError):
        function(*operands)


def test_integers():
    assert integers.add(2**63 - 2, 1) == 2**63 - 1
    assert integers.floordiv(-7, 2) == -4
    assert integers.mod(-7, 2) == 1
    assert integers.mod(7, -2) == -1
    assert [integers.sign(x) for x in (-5, 0, 5)] == [-1, 0, 1]
    assert [integers.clip(x, 0, 9) for x in (-5, 5, 15)] == [0, 5, 9]
    for function in (integers.floordiv, integers.mod):
        with pytest.raises(ZeroDivisionError):
            function(1, 0)
