"""Rows of the elementary functions of one real: exponentials, roots, circular and hyperbolic functions."""

from __future__ import annotations

import cmath
import math
from math import inf, nan
from typing import Any, Final

import numpy as np

from gradc.ir.op import Convention, Op
from gradc.ops import arrays, continuation, ieee, precedence, special, typerules


def function(name: str, *others: str, **fields: Any) -> Op:
    """The row of a function of reals: what most have in common, where ``fields`` do not say otherwise."""
    count = fields.setdefault("arity", (1, 1))[0]
    fields.setdefault("type_rule", typerules.real)
    fields.setdefault("uniform", True)
    fields.setdefault("functions", (name, *others))
    fields.setdefault("precedence", precedence.ATOM)
    if count > 1:
        fields.setdefault("dependence", ("smooth",) * count)
    operands = ", ".join(f"{{{i}}}" for i in range(count))
    fields.setdefault("emit", {"python": f"np.{name}({operands})", "c": f"{name}({operands})"})
    return Op(name=name, **fields)


def own(name: str, count: int = 1) -> dict[str, str]:
    """Spellings of a function that neither NumPy nor C has: each emitter brings a definition along."""
    call = f"gradc_{name}({', '.join(f'{{{i}}}' for i in range(count))})"
    return {"python": call, "c": call}


# Exponentials and logarithms -----------------------------------------------------------------------------------------

EXPONENTIALS: Final = (
    function(
        "exp",
        doc="e^x. Overflows to inf beyond 709.78; 0 at -inf.",
        scalar=ieee.exp,
        array=np.exp,
        complex=cmath.exp,
        precise=lambda mp, x: mp.exp(x),
        domain=((-5, 5),),
        conventions=(
            Convention((710.0,), "beyond 709.78 the result is above the largest number"),
            Convention((-746.0,), "below -745.13 the result is nearer to 0 than to any other number"),
        ),
        reference="DLMF 4.2.19",
    ),
    function(
        "expm1",
        doc="e^x - 1 without cancellation near 0. ±0 at ±0, -1 at -inf; overflows to inf.",
        scalar=ieee.expm1,
        array=np.expm1,
        complex=continuation.expm1,
        precise=lambda mp, x: mp.expm1(x),
        domain=((-3, 3),),
        conventions=(Convention((-inf,), "the limit"),),
        reference="C99, F.9.3.3",
    ),
    function(
        "exp2",
        doc="2^x, exact at whole x. Overflows to inf from 1024 on; 0 at -inf.",
        scalar=ieee.exp2,
        array=np.exp2,
        complex=continuation.exp2,
        precise=lambda mp, x: mp.power(2, x),
        domain=((-5, 5),),
        conventions=(Convention((1024.0,), "from 1024 on the result is above the largest number"),),
        reference="C99, F.9.3.2",
    ),
    function(
        "log",
        "ln",
        doc="The natural logarithm. -inf at ±0, NaN below, inf at inf.",
        scalar=ieee.log,
        array=np.log,
        complex=cmath.log,
        precise=lambda mp, x: mp.log(x),
        domain=((0.05, 10),),
        conventions=(
            Convention((0.0,), "the limits from the right"),
            Convention((-0.0,), "log(-0) is log(0) (C99), and 1/-0 is -inf"),
            Convention((-1.0,), "not in the domain; the derivative is 1/x on both sides of 0"),
        ),
        reference="DLMF 4.2.2",
    ),
    function(
        "log1p",
        doc="log(1 + x) without cancellation near 0. ±0 at ±0, -inf at -1, NaN below, inf at inf.",
        scalar=ieee.log1p,
        array=np.log1p,
        complex=continuation.log1p,
        precise=lambda mp, x: mp.log1p(x),
        domain=((-0.8, 5),),
        conventions=(
            Convention((-1.0,), "the limits from the right"),
            Convention((-2.0,), "not in the domain; the derivative is the same formula on all sides"),
        ),
        reference="C99, F.9.3.9",
    ),
    function(
        "log2",
        doc="The logarithm to the base 2, exact at powers of two. -inf at ±0, NaN below, inf at inf.",
        scalar=ieee.log2,
        array=np.log2,
        complex=continuation.log2,
        precise=lambda mp, x: mp.log(x) / mp.log(2),
        domain=((0.05, 10),),
        conventions=(
            Convention((0.0,), "the limits from the right"),
            Convention((-0.0,), "log(-0) is log(0) (C99), and 1/-0 is -inf"),
            Convention((-1.0,), "not in the domain; the derivative is the same formula on all sides"),
        ),
        reference="C99, F.9.3.10",
    ),
    function(
        "log10",
        doc="The logarithm to the base 10. -inf at ±0, NaN below, inf at inf.",
        scalar=ieee.log10,
        array=np.log10,
        complex=continuation.log10,
        precise=lambda mp, x: mp.log10(x),
        domain=((0.05, 10),),
        conventions=(
            Convention((0.0,), "the limits from the right"),
            Convention((-0.0,), "log(-0) is log(0) (C99), and 1/-0 is -inf"),
            Convention((-1.0,), "not in the domain; the derivative is the same formula on all sides"),
        ),
        reference="C99, F.9.3.8",
    ),
)

# Roots ---------------------------------------------------------------------------------------------------------------

ROOTS: Final = (
    function(
        "sqrt",
        doc="The square root, correctly rounded. -0 at -0, NaN below, inf at inf; its derivative at 0 is inf.",
        scalar=ieee.sqrt,
        array=np.sqrt,
        complex=cmath.sqrt,
        precise=lambda mp, x: mp.sqrt(x),
        domain=((0.05, 10),),
        conventions=(
            Convention((0.0,), "a vertical tangent: the limits from the right"),
            Convention((-0.0,), "-0 (IEEE 754, 5.4.1), and 0.5/sqrt(x) keeps its sign"),
            Convention((-1.0,), "not in the domain"),
        ),
        reference="IEEE 754-2019, 5.4.1",
        label="√({0})",
    ),
    function(
        "sqrt1pm1",
        doc=(
            "sqrt(1 + x) - 1 as x/(1 + sqrt(1 + x)), which does not cancel near 0. ±0 at ±0, -1 at -1, NaN below, inf "
            "at inf; its derivative at -1 is inf."
        ),
        scalar=special.sqrt1pm1,
        array=arrays.sqrt1pm1,
        complex=lambda z: z / (1 + cmath.sqrt(1 + z)),
        precise=lambda mp, x: x / (1 + mp.sqrt(1 + x)),
        domain=((-0.9, 10),),
        conventions=(Convention((-1.0,), "a vertical tangent: the limits from the right"),),
        reference="Higham, Accuracy and Stability of Numerical Algorithms (2002), 1.7",
        emit=own("sqrt1pm1"),
    ),
    function(
        "cbrt",
        doc="The cube root, of negative numbers too. ±0 at ±0, ±inf at ±inf; its derivative at 0 is inf.",
        scalar=math.cbrt,
        array=np.cbrt,
        complex=continuation.cbrt,
        precise=lambda mp, x: mp.sign(x) * mp.cbrt(abs(x)),
        domain=((0.05, 10),),
        conventions=(
            Convention((0.0,), "a vertical tangent; the second derivative has the sign of the side"),
            Convention((-0.0,), "a vertical tangent; the second derivative has the sign of the side"),
        ),
        reference="C99, F.9.4.1",
        label="∛({0})",
    ),
)

# Circular functions --------------------------------------------------------------------------------------------------

CIRCULAR: Final = (
    function(
        "sin",
        doc="The sine of x in radians. ±0 at ±0, NaN at ±inf.",
        scalar=ieee.sin,
        array=np.sin,
        complex=cmath.sin,
        precise=lambda mp, x: mp.sin(x),
        domain=((-6, 6),),
        conventions=(
            Convention((inf,), "no limit"),
            Convention((-inf,), "no limit"),
        ),
        reference="DLMF 4.14.1",
    ),
    function(
        "cos",
        doc="The cosine of x in radians. NaN at ±inf.",
        scalar=ieee.cos,
        array=np.cos,
        complex=cmath.cos,
        precise=lambda mp, x: mp.cos(x),
        domain=((-6, 6),),
        conventions=(
            Convention((inf,), "no limit"),
            Convention((-inf,), "no limit"),
        ),
        reference="DLMF 4.14.2",
    ),
    function(
        "tan",
        doc="The tangent of x in radians. ±0 at ±0, NaN at ±inf; finite everywhere else, as no float is a pole.",
        scalar=ieee.tan,
        array=np.tan,
        complex=cmath.tan,
        precise=lambda mp, x: mp.tan(x),
        domain=((-1.3, 1.3),),
        conventions=(
            Convention((inf,), "no limit"),
            Convention((-inf,), "no limit"),
        ),
        reference="DLMF 4.14.4",
    ),
    function(
        "asin",
        "arcsin",
        doc="The angle in [-pi/2, pi/2] whose sine is x, in radians. ±0 at ±0, NaN beyond ±1; derivative inf at both.",
        scalar=ieee.asin,
        array=np.arcsin,
        complex=cmath.asin,
        precise=lambda mp, x: mp.asin(x),
        domain=((-0.9, 0.9),),
        conventions=(
            Convention((1.0,), "a vertical tangent; the second derivative holds inf - inf"),
            Convention((-1.0,), "a vertical tangent; the second derivative holds inf - inf"),
            Convention((1.5,), "not in the domain"),
            Convention((-1.5,), "not in the domain"),
        ),
        reference="DLMF 4.23.1",
        emit={"python": "np.arcsin({0})", "c": "asin({0})"},
    ),
    function(
        "acos",
        "arccos",
        doc="The angle in [0, pi] whose cosine is x, in radians. NaN beyond ±1; derivative -inf at both.",
        scalar=ieee.acos,
        array=np.arccos,
        complex=cmath.acos,
        precise=lambda mp, x: mp.acos(x),
        domain=((-0.9, 0.9),),
        conventions=(
            Convention((1.0,), "a vertical tangent; the second derivative holds inf - inf"),
            Convention((-1.0,), "a vertical tangent; the second derivative holds inf - inf"),
            Convention((1.5,), "not in the domain"),
            Convention((-1.5,), "not in the domain"),
        ),
        reference="DLMF 4.23.2",
        emit={"python": "np.arccos({0})", "c": "acos({0})"},
    ),
    function(
        "atan",
        "arctan",
        doc="The angle in [-pi/2, pi/2] whose tangent is x, in radians. ±0 at ±0, ±pi/2 at ±inf.",
        scalar=math.atan,
        array=np.arctan,
        complex=cmath.atan,
        precise=lambda mp, x: mp.atan(x),
        domain=((-4, 4),),
        conventions=(
            Convention((inf,), "the limits; the second derivative is a product 0·inf"),
            Convention((-inf,), "the limits; the second derivative is a product 0·inf"),
        ),
        reference="DLMF 4.23.3",
        emit={"python": "np.arctan({0})", "c": "atan({0})"},
    ),
    function(
        "atan2",
        "arctan2",
        doc=(
            "atan2(y, x): the angle of the point (x, y) in (-pi, pi], in radians; on the negative x axis the sign of a "
            "zero y chooses pi or -pi, and the origin has the angles of its signed zeros. Its derivative at the origin "
            "is NaN."
        ),
        arity=(2, 2),
        scalar=math.atan2,
        array=np.arctan2,
        complex=continuation.atan2,
        precise=lambda mp, y, x: mp.atan2(y, x),
        domain=((-3, 3), (0.2, 3)),
        conventions=(
            Convention((0.0, -0.5), "on the cut the sign of a zero y chooses the side (C99): from above"),
            Convention((-0.0, -0.5), "on the cut the sign of a zero y chooses the side (C99): from below"),
            Convention((0.0, 0.0), "the signs of the zeros say which angle (C99); no slope has a limit"),
            Convention((0.0, -0.0), "the signs of the zeros say which angle (C99); no slope has a limit"),
            Convention((-0.0, 0.0), "the signs of the zeros say which angle (C99); no slope has a limit"),
            Convention((-0.0, -0.0), "the signs of the zeros say which angle (C99); no slope has a limit"),
            Convention((0.5, inf), "by y it is x/length^2, inf/inf"),
            Convention((0.5, -inf), "by y it is x/length^2, inf/inf"),
            Convention((inf, 0.5), "by x it is y/length^2, inf/inf"),
            Convention((-inf, 0.5), "by x it is y/length^2, inf/inf"),
            Convention((inf, inf), "the diagonal (C99)"),
            Convention((inf, -inf), "the diagonal (C99)"),
            Convention((-inf, inf), "the diagonal (C99)"),
            Convention((-inf, -inf), "the diagonal (C99)"),
        ),
        reference="C99, F.9.1.4",
        emit={"python": "np.arctan2({0}, {1})", "c": "atan2({0}, {1})"},
    ),
)

# Hyperbolic functions ------------------------------------------------------------------------------------------------

HYPERBOLIC: Final = (
    function(
        "sinh",
        doc="The hyperbolic sine. ±0 at ±0; overflows to ±inf beyond ±710.47.",
        scalar=ieee.sinh,
        array=np.sinh,
        complex=cmath.sinh,
        precise=lambda mp, x: mp.sinh(x),
        domain=((-4, 4),),
        conventions=(Convention((711.0,), "beyond 710.47 the result is above the largest number"),),
        reference="DLMF 4.28.1",
    ),
    function(
        "cosh",
        doc="The hyperbolic cosine. Overflows to inf beyond ±710.47.",
        scalar=ieee.cosh,
        array=np.cosh,
        complex=cmath.cosh,
        precise=lambda mp, x: mp.cosh(x),
        domain=((-4, 4),),
        conventions=(Convention((711.0,), "beyond 710.47 the result is above the largest number"),),
        reference="DLMF 4.28.2",
    ),
    function(
        "tanh",
        doc="The hyperbolic tangent. ±0 at ±0, ±1 at ±inf.",
        scalar=math.tanh,
        array=np.tanh,
        complex=cmath.tanh,
        precise=lambda mp, x: mp.tanh(x),
        domain=((-4, 4),),
        conventions=(
            Convention((inf,), "the limits"),
            Convention((-inf,), "the limits"),
        ),
        reference="DLMF 4.28.4",
    ),
    function(
        "asinh",
        "arcsinh",
        doc="The inverse of sinh. ±0 at ±0, ±inf at ±inf; no overflow on the way to huge x.",
        scalar=math.asinh,
        array=np.arcsinh,
        complex=cmath.asinh,
        precise=lambda mp, x: mp.asinh(x),
        domain=((-5, 5),),
        conventions=(
            Convention((inf,), "the limits; the second derivative is a product with inf/inf"),
            Convention((-inf,), "the limits; the second derivative is a product with inf/inf"),
        ),
        reference="DLMF 4.37.1",
        emit={"python": "np.arcsinh({0})", "c": "asinh({0})"},
    ),
    function(
        "acosh",
        "arccosh",
        doc="The inverse of cosh on [1, inf): 0 at 1, NaN below 1, inf at inf. Its derivative at 1 is inf.",
        scalar=ieee.acosh,
        array=np.arccosh,
        complex=cmath.acosh,
        precise=lambda mp, x: mp.acosh(x),
        domain=((1.2, 6),),
        conventions=(
            Convention((1.0,), "a vertical tangent: the limits from the right"),
            Convention((0.5,), "not in the domain"),
            Convention((inf,), "the limits"),
        ),
        reference="DLMF 4.37.2",
        emit={"python": "np.arccosh({0})", "c": "acosh({0})"},
    ),
    function(
        "atanh",
        "arctanh",
        doc="The inverse of tanh. ±0 at ±0, ±inf at ±1, NaN beyond.",
        scalar=ieee.atanh,
        array=np.arctanh,
        complex=cmath.atanh,
        precise=lambda mp, x: mp.atanh(x),
        domain=((-0.9, 0.9),),
        conventions=(
            Convention((1.0,), "the limits from inside"),
            Convention((-1.0,), "the limits from inside"),
            Convention((1.5,), "not in the domain; the derivative is the same formula on all sides"),
            Convention((-1.5,), "not in the domain; the derivative is the same formula on all sides"),
        ),
        reference="DLMF 4.37.3",
        emit={"python": "np.arctanh({0})", "c": "atanh({0})"},
    ),
)

# Of neural networks --------------------------------------------------------------------------------------------------

NETWORKS: Final = (
    function(
        "sigmoid",
        "logistic",
        "expit",
        doc="1/(1 + exp(-x)), without overflow and to full relative accuracy on both sides. 0 at -inf, 1 at inf.",
        scalar=special.sigmoid,
        array=arrays.sigmoid,
        complex=continuation.sigmoid,
        precise=lambda mp, x: 1 / (1 + mp.exp(-x)),
        domain=((-6, 6),),
        conventions=(
            Convention((inf,), "the limits"),
            Convention((-inf,), "the limits"),
        ),
        reference="the logistic function",
        label="σ({0})",
        emit=own("sigmoid"),
    ),
    function(
        "softplus",
        doc="log(1 + exp(x)) as log1p(exp(-|x|)) + max(x, 0), which does not overflow. 0 at -inf, inf at inf.",
        scalar=special.softplus,
        array=arrays.softplus,
        complex=continuation.softplus,
        precise=lambda mp, x: mp.log1p(mp.exp(x)),
        domain=((-6, 6),),
        conventions=(
            Convention((inf,), "the limits"),
            Convention((-inf,), "the limits"),
        ),
        reference="Dugas et al., Incorporating second-order functional knowledge (2001)",
        emit=own("softplus"),
    ),
    function(
        "logaddexp",
        doc=(
            "log(exp(x) + exp(y)) as max(x, y) + log1p(exp(-|x - y|)), which does not overflow. inf if an operand is "
            "inf, -inf if both are -inf."
        ),
        arity=(2, 2),
        scalar=special.logaddexp,
        array=arrays.logaddexp,
        complex=continuation.logaddexp,
        precise=lambda mp, x, y: mp.log(mp.exp(x) + mp.exp(y)),
        commutative=True,
        domain=((0.1, 6), (0.1, 6)),
        reference="numpy.logaddexp",
        emit={"python": "np.logaddexp({0}, {1})", "c": "gradc_logaddexp({0}, {1})"},
    ),
    function(
        "log1mexp",
        doc="log(1 - exp(x)) to full relative accuracy. 0 at -inf, -inf at ±0, NaN above.",
        scalar=special.log1mexp,
        array=arrays.log1mexp,
        complex=continuation.log1mexp,
        precise=lambda mp, x: mp.log(-mp.expm1(x)),
        domain=((-5, -0.1),),
        reference="Maechler, Accurately computing log(1 - exp(-|a|)) (2012)",
        emit=own("log1mexp"),
    ),
    function(
        "logexpm1",
        doc=(
            "log(exp(x) - 1), the inverse of softplus, without overflow and to full relative accuracy for small x; "
            "absolute near its zero log(2). -inf at ±0, NaN below, inf at inf."
        ),
        scalar=special.logexpm1,
        array=arrays.logexpm1,
        complex=continuation.logexpm1,
        precise=lambda mp, x: mp.log(mp.expm1(x)),
        domain=((0.9, 6),),
        reference="the inverse of the softplus function",
        emit=own("logexpm1"),
    ),
    function(
        "relu",
        doc="max(x, 0), +0 at both zeros; NaN stays NaN. Its derivative is 0 at 0, and 1 at NaN.",
        scalar=ieee.relu,
        array=arrays.relu,
        complex=continuation.relu,
        precise=lambda mp, x: max(x, mp.mpf(0)),
        domain=((-3, 3),),
        conventions=(
            Convention((0.0,), "a kink: the piece 0 goes up to and with 0"),
            Convention((-0.0,), "+0, and the piece 0"),
            Convention((nan,), "NaN is not at most 0, so it is taken for x and does not get lost"),
        ),
        reference="Nair and Hinton (2010)",
        emit=own("relu"),
    ),
)
