"""Rows of the further functions: error function and gamma family, steps, extremes, lengths."""

from __future__ import annotations

import math
from math import inf, nan
from typing import Final

import numpy as np

from gradc.ir.op import Convention
from gradc.ops import arrays, continuation, ieee, integers, special, tails, ties, typerules
from gradc.ops.elementary import function, own

# The error function and the gamma family -----------------------------------------------------------------------------

GAMMA: Final = (
    function(
        "erf",
        doc="The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x. ±0 at ±0, ±1 at ±inf.",
        scalar=math.erf,
        array=arrays.erf,
        complex=continuation.erf,
        precise=lambda mp, x: mp.erf(x),
        domain=((-3, 3),),
        conventions=(
            Convention((inf,), "the limits; the second derivative is a product 0·inf"),
            Convention((-inf,), "the limits; the second derivative is a product 0·inf"),
        ),
        reference="DLMF 7.2.1",
        emit={"python": "gradc_erf({0})", "c": "erf({0})"},
    ),
    function(
        "erfc",
        doc="1 - erf(x) without cancellation for large x. 2 at -inf, 0 at inf; underflows to 0 beyond 27.2.",
        scalar=math.erfc,
        array=arrays.erfc,
        complex=continuation.erfc,
        precise=tails.precise_erfc,
        domain=((-3, 5),),
        conventions=(
            Convention((inf,), "the limits; the second derivative is a product 0·inf"),
            Convention((-inf,), "the limits; the second derivative is a product 0·inf"),
        ),
        reference="DLMF 7.2.2",
        emit={"python": "gradc_erfc({0})", "c": "erfc({0})"},
    ),
    function(
        "erfcx",
        doc=(
            "exp(x^2)*erfc(x), which does not underflow for large x, where it goes to 0 as 1/(x*sqrt(pi)). Overflows "
            "to inf below -26.64."
        ),
        scalar=tails.erfcx,
        array=arrays.erfcx,
        complex=tails.complex_erfcx,
        precise=tails.precise_erfcx,
        domain=((-2, 30),),
        reference="DLMF 7.2.2, 7.12.1",
        emit=own("erfcx"),
    ),
    function(
        "ierfcx",
        doc=(
            "ierfcx(n, x): the n-th derivative of erfcx times (-1)^n, which is 2^n*n!*exp(x^2) times the n-th repeated "
            "integral of erfc; n an integer from 0 to 100, NaN for any other. inf at -inf, 0 at inf."
        ),
        arity=(2, 2),
        type_rule=typerules.order,
        uniform=False,
        scalar=tails.ierfcx,
        array=arrays.ierfcx,
        complex=tails.complex_ierfcx,
        precise=tails.precise_ierfcx,
        dependence=("none", "smooth"),
        domain=((0, 4), (-1, 6)),
        reference="DLMF 7.18.4",
        emit=own("ierfcx", 2),
    ),
    function(
        "logerfc",
        doc="log(erfc(x)), also where erfc underflows: about -x^2 for large x. log(2) at -inf, -inf at inf.",
        scalar=tails.logerfc,
        array=arrays.logerfc,
        complex=tails.complex_logerfc,
        precise=tails.precise_logerfc,
        domain=((-3, 30),),
        reference="DLMF 7.2.2",
        emit=own("logerfc"),
    ),
    function(
        "gamma",
        doc=(
            "The gamma function, (x - 1)! at whole x. ±inf at ±0, NaN at negative integers and -inf; inf beyond 171.62."
        ),
        scalar=ieee.gamma,
        array=arrays.gamma,
        complex=continuation.gamma,
        precise=lambda mp, x: mp.gamma(x),
        domain=((0.3, 6),),
        conventions=(
            Convention((0.0,), "a pole from above"),
            Convention((-0.0,), "a pole from below"),
            Convention((-1.0,), "a pole with a different sign on each side"),
            Convention((inf,), "grows beyond every number; the second derivative holds inf·0"),
            Convention((-inf,), "poles without end"),
            Convention((172.0,), "beyond 171.62 the result is above the largest number"),
        ),
        reference="DLMF 5.2.1",
        label="Γ({0})",
        emit={"python": "gradc_gamma({0})", "c": "tgamma({0})"},
    ),
    function(
        "lgamma",
        "loggamma",
        doc=(
            "The logarithm of |gamma(x)|, accurate where its value is not near 0 (at 1 and 2). inf at its poles 0, -1, "
            "-2… and at ±inf. Its derivative is digamma."
        ),
        scalar=ieee.lgamma,
        array=arrays.lgamma,
        complex=continuation.lgamma,
        precise=lambda mp, x: mp.log(abs(mp.gamma(x))),
        domain=((3.5, 30),),
        conventions=(
            Convention((0.0,), "a pole from above"),
            Convention((-0.0,), "a pole from below"),
            Convention((-1.0,), "a pole, of one sign; its slope has two"),
            Convention((-inf,), "poles without end; inf is C99's"),
        ),
        reference="DLMF 5.2.1",
        label="log Γ({0})",
        emit={"python": "gradc_lgamma({0})", "c": "lgamma({0})"},
    ),
    function(
        "digamma",
        doc=(
            "The derivative of log(gamma(x)). An infinity of the opposite sign at ±0, NaN at negative integers and "
            "-inf, inf at inf. A few ulps, absolute near its zeros (1.4616… and one between each two poles)."
        ),
        scalar=special.digamma,
        array=arrays.digamma,
        complex=continuation.digamma,
        precise=lambda mp, x: mp.digamma(x),
        domain=((2, 20),),
        conventions=(
            Convention((0.0,), "a pole from above"),
            Convention((-0.0,), "a pole from below"),
            Convention((-1.0,), "a pole with a different sign on each side; its slope has one"),
            Convention((-inf,), "poles without end"),
        ),
        reference="DLMF 5.2.2",
        label="ψ({0})",
        emit=own("digamma"),
    ),
    function(
        "polygamma",
        doc=(
            "polygamma(n, x): the n-th derivative of digamma, n an integer; polygamma(0, x) is digamma. NaN for n < 0. "
            "At 0, -1, -2… inf for odd n; for even n NaN, but at ±0 an infinity of the opposite sign. 0 at inf, NaN at "
            "-inf."
        ),
        arity=(2, 2),
        type_rule=typerules.order,
        uniform=False,
        scalar=special.polygamma,
        array=arrays.polygamma,
        complex=continuation.polygamma,
        precise=lambda mp, n, x: mp.polygamma(int(n), x),
        dependence=("none", "smooth"),
        domain=((0, 4), (2, 20)),
        conventions=(
            Convention((0, 0.0), "digamma"),
            Convention((1, 0.0), "a pole of one sign; its slope has two"),
            Convention((1, -0.0), "a pole of one sign; its slope has two"),
            Convention((1, -1.0), "a pole of one sign; its slope has two"),
            Convention((2, -1.0), "a pole with a different sign on each side; its slope has one"),
            Convention((2, 0.0), "a pole from above"),
            Convention((2, -0.0), "a pole from below"),
            Convention((1, -inf), "poles without end"),
            Convention((-1, 0.5), "there is no such order; the derivative is digamma, of the next one"),
        ),
        reference="DLMF 5.15",
        label="ψ[{0}]({1})",
        emit=own("polygamma", 2),
    ),
    function(
        "xlogy",
        doc=(
            "x*log(y), and 0 for x = 0 whatever number y is. At (0, 0) its derivative is -inf for x (it is log(y)) and "
            "taken as 0 for y."
        ),
        arity=(2, 2),
        scalar=special.xlogy,
        array=arrays.xlogy,
        complex=continuation.xlogy,
        precise=lambda mp, x, y: mp.mpf(0) if x == 0 else x * mp.log(y),
        dependence=("linear", "smooth"),
        domain=((0.1, 5), (0.1, 5)),
        conventions=(
            Convention((0.0, 0.0), "0, the limit of x*log(x); by x it is log(0), by y it is 0 on the line x = 0"),
            Convention((0.0, -0.5), "0, whatever number y is; by x it is log(y)"),
            Convention((0.0, inf), "0, whatever number y is; by x it is log(y)"),
            Convention((0.0, nan), "a NaN is no number"),
            Convention((0.5, 0.0), "a pole of the logarithm"),
            Convention((0.5, -0.0), "a pole of the logarithm; 1/-0 is -inf"),
            Convention((0.5, -0.5), "not in the domain"),
            Convention((inf, 0.0), "a pole of the logarithm"),
        ),
        reference="the limit of x*log(x) at 0, DLMF 4.4.18",
        emit=own("xlogy", 2),
    ),
)

# Steps ---------------------------------------------------------------------------------------------------------------

STEPS: Final = (
    function(
        "abs",
        "fabs",
        doc=(
            "|x|; +0 at both zeros. The least integer has no absolute value: an error. Its derivative is sign(x), 0 at "
            "0."
        ),
        type_rule=typerules.arithmetic,
        scalar=abs,
        integer=integers.absolute,
        array=np.abs,
        complex=continuation.absolute,
        precise=lambda mp, x: abs(x),
        domain=((-3, 3),),
        conventions=(
            Convention((0.0,), "a kink: 0 is the middle of the slopes -1 and 1"),
            Convention((-0.0,), "+0, and the same kink"),
        ),
        reference="IEEE 754-2019, 5.5.1",
        label="|{0}|",
        emit={"python": "np.abs({0})", "c": "fabs({0})"},
    ),
    function(
        "sign",
        "sgn",
        doc="1 for x > 0 and -1 for x < 0; ±0 and NaN stay what they are. Its derivative is 0 everywhere.",
        type_rule=typerules.arithmetic,
        scalar=ieee.sign,
        integer=integers.sign,
        array=arrays.sign,
        complex=continuation.sign,
        precise=lambda mp, x: mp.sign(x),
        dependence=("none",),
        domain=((-3, 3),),
        conventions=(
            Convention((0.0,), "a jump; the derivative is 0 on both sides"),
            Convention((-0.0,), "a zero stays what it is; a jump"),
            Convention((nan,), "NaN stays; the derivative is 0 everywhere"),
        ),
        reference="DLMF, Notation: sign",
        emit=own("sign"),
    ),
    function(
        "floor",
        doc="The largest whole number not above x. -0 at -0, ±inf at ±inf. Its derivative is 0 everywhere.",
        scalar=ieee.floor,
        array=np.floor,
        complex=continuation.floor,
        precise=lambda mp, x: mp.floor(x),
        dependence=("none",),
        domain=((2.1, 2.9),),
        conventions=(
            Convention((1.0,), "a jump; the derivative is 0 on both sides"),
            Convention((0.0,), "a jump; the derivative is 0 on both sides"),
            Convention((-0.0,), "a zero keeps its sign (IEEE 754, 5.9)"),
            Convention((nan,), "NaN stays; the derivative is 0 everywhere"),
        ),
        reference="IEEE 754-2019, 5.9",
        label="⌊{0}⌋",
    ),
    function(
        "ceil",
        doc="The smallest whole number not below x. -0 for -1 < x <= -0, ±inf at ±inf. Its derivative is 0 everywhere.",
        scalar=ieee.ceil,
        array=np.ceil,
        complex=continuation.ceil,
        precise=lambda mp, x: mp.ceil(x),
        dependence=("none",),
        domain=((2.1, 2.9),),
        conventions=(
            Convention((1.0,), "a jump; the derivative is 0 on both sides"),
            Convention((0.0,), "a jump; the derivative is 0 on both sides"),
            Convention((-0.0,), "a zero keeps its sign (IEEE 754, 5.9)"),
            Convention((-0.5,), "a zero has the sign of x (IEEE 754, 5.9)"),
            Convention((nan,), "NaN stays; the derivative is 0 everywhere"),
        ),
        reference="IEEE 754-2019, 5.9",
        label="⌈{0}⌉",
    ),
    function(
        "round",
        doc=(
            "The nearest whole number, of two equally near ones the even one: round(2.5) is 2. A zero result has the "
            "sign of x. Its derivative is 0 everywhere."
        ),
        scalar=ieee.round_,
        array=np.rint,
        complex=continuation.round_,
        precise=lambda mp, x: mp.nint(x),
        dependence=("none",),
        domain=((1.6, 2.4),),
        conventions=(
            Convention((0.5,), "a jump, and a half: to the even neighbour"),
            Convention((2.5,), "a jump, and a half: to the even neighbour"),
            Convention((1.5,), "a jump, and a half: to the even neighbour"),
            Convention((-0.5,), "a zero has the sign of x (IEEE 754, 5.9)"),
            Convention((nan,), "NaN stays; the derivative is 0 everywhere"),
        ),
        reference="IEEE 754-2019, 5.9: roundToIntegralTiesToEven",
        emit={"python": "np.rint({0})", "c": "rint({0})"},
    ),
)

# Extremes and lengths ------------------------------------------------------------------------------------------------

EXTREMES: Final = (
    function(
        "min",
        "minimum",
        doc=(
            "The smallest operand; NaN if any is NaN. Which zero a tie of +0 and -0 gives is not said. The derivative "
            "is split evenly among the operands that tie: 1/k each; NaN if the result is NaN."
        ),
        arity=(2, None),
        type_rule=typerules.arithmetic,
        scalar=ieee.minimum,
        integer=min,
        array=arrays.minimum,
        complex=continuation.minimum,
        precise=lambda mp, *operands: min(operands),
        partials=ties.shares,
        commutative=True,
        domain=((-3, 3), (-3, 3)),
        conventions=(
            Convention((1.0, 1.0), "a tie shares evenly"),
            Convention((1.0, 1.0, 1.0), "a tie of three shares evenly"),
            Convention((inf, inf), "a tie shares evenly"),
            Convention((nan, 0.5), "NaN wins (IEEE 754, 9.6), and has no share to give"),
            Convention((0.5, nan), "NaN wins (IEEE 754, 9.6), and has no share to give"),
        ),
        reference="IEEE 754-2019, 9.6: minimum",
        emit={"python": "np.minimum({0}, {1})", "c": "gradc_min({0}, {1})"},
    ),
    function(
        "max",
        "maximum",
        doc=(
            "The largest operand; NaN if any is NaN. Which zero a tie of +0 and -0 gives is not said. The derivative "
            "is split evenly among the operands that tie: 1/k each; NaN if the result is NaN."
        ),
        arity=(2, None),
        type_rule=typerules.arithmetic,
        scalar=ieee.maximum,
        integer=max,
        array=arrays.maximum,
        complex=continuation.maximum,
        precise=lambda mp, *operands: max(operands),
        partials=ties.shares,
        commutative=True,
        domain=((-3, 3), (-3, 3)),
        conventions=(
            Convention((1.0, 1.0), "a tie shares evenly"),
            Convention((1.0, 1.0, 1.0), "a tie of three shares evenly"),
            Convention((inf, inf), "a tie shares evenly"),
            Convention((nan, 0.5), "NaN wins (IEEE 754, 9.6), and has no share to give"),
            Convention((0.5, nan), "NaN wins (IEEE 754, 9.6), and has no share to give"),
        ),
        reference="IEEE 754-2019, 9.6: maximum",
        emit={"python": "np.maximum({0}, {1})", "c": "gradc_max({0}, {1})"},
    ),
    function(
        "hypot",
        doc=(
            "sqrt(x^2 + y^2) without overflow or underflow on the way. NaN if either operand is, also beside an "
            "infinity, where C gives inf. Its derivative at (0, 0) is taken as 0 for both operands."
        ),
        arity=(2, 2),
        scalar=ieee.hypot,
        array=arrays.hypot,
        complex=continuation.hypot,
        precise=lambda mp, x, y: mp.hypot(x, y),
        commutative=True,
        domain=((-3, 3), (0.2, 3)),
        conventions=(
            Convention((0.0, 0.0), "a cone's tip: 0 is the middle of all slopes"),
            Convention((0.0, -0.0), "a cone's tip: 0 is the middle of all slopes"),
            Convention((nan, inf), "NaN, as sqrt(x^2 + y^2) is, which becomes hypot; C99 says inf"),
            Convention((inf, nan), "NaN, as sqrt(x^2 + y^2) is, which becomes hypot; C99 says inf"),
            Convention((inf, 0.5), "by x it is inf/inf"),
            Convention((-inf, 0.5), "by x it is inf/inf"),
            Convention((0.5, inf), "by y it is inf/inf"),
            Convention((0.5, -inf), "by y it is inf/inf"),
            Convention((inf, inf), "inf/inf"),
        ),
        reference="C99, F.9.4.3, but for NaN",
        emit=own("hypot", 2),
    ),
    function(
        "clip",
        doc=(
            "clip(x, lo, hi) = min(max(x, lo), hi), so hi if lo > hi; NaN if any operand is NaN. The derivative goes "
            "to x between the bounds, at them and where it is NaN, else to the bound that holds."
        ),
        arity=(3, 3),
        type_rule=typerules.arithmetic,
        scalar=ieee.clip,
        integer=integers.clip,
        array=arrays.clip,
        complex=continuation.clip,
        precise=lambda mp, x, lo, hi: min(max(x, lo), hi),
        domain=((-3, 3), (-2, -1), (1, 2)),
        conventions=(
            Convention((-1.0, -1.0, 1.0), "at an end the derivative still goes to x"),
            Convention((1.0, -1.0, 1.0), "at an end the derivative still goes to x"),
            Convention((1.0, 1.0, 1.0), "bounds that meet in x: to x"),
            Convention((2.0, 1.0, 1.0), "bounds that meet below x: to the upper one"),
            Convention((0.0, 1.0, 1.0), "bounds that meet above x: to the lower one"),
            Convention((0.0, 1.0, -1.0), "bounds the wrong way round: min comes last, so hi"),
            Convention((nan, -1.5, 1.5), "NaN lies beyond no bound, so it goes to x and does not get lost"),
            Convention((0.5, nan, 1.5), "NaN wins; x lies beyond no bound"),
            Convention((0.5, -1.5, nan), "NaN wins; x lies beyond no bound"),
        ),
        reference="numpy.clip",
        emit=own("clip", 3),
    ),
)
