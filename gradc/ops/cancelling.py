"""Rows of functions that, as they are usually written, cancel at 0: removable points and small differences."""

from __future__ import annotations

from math import inf
from typing import Final

from gradc.ir.op import Convention
from gradc.ops import arrays, removable, typerules
from gradc.ops.elementary import function, own

ROWS: Final = (
    function(
        "sinc_unnormalised",
        doc=(
            "sin(x)/x with x in radians, and 1 at 0. 0 at ±inf. NumPy's sinc(x), which is normalised, is "
            "sinc_unnormalised(pi*x)."
        ),
        scalar=removable.sinc_unnormalised,
        array=arrays.sinc_unnormalised,
        complex=removable.complex_sinc,
        precise=lambda mp, x: removable.precise_sinc_derivative(mp, 0, x),
        domain=((-9, 9),),
        conventions=(
            Convention((0.0,), "a removable point: the limits"),
            Convention((-0.0,), "a removable point: the limits"),
            Convention((inf,), "the limits"),
            Convention((-inf,), "the limits"),
        ),
        reference="DLMF 10.49.3",
        emit=own("sinc_unnormalised"),
    ),
    function(
        "sinc_derivative",
        doc=(
            "sinc_derivative(n, x): the n-th derivative of sin(x)/x, the integral over t from 0 to 1 of "
            "t^n*cos(x*t + n*pi/2); n an integer from 0 to 100, NaN for any other. 0 at ±inf."
        ),
        arity=(2, 2),
        type_rule=typerules.order,
        uniform=False,
        scalar=removable.sinc_derivative,
        array=arrays.sinc_derivative,
        complex=removable.complex_sinc_derivative,
        precise=removable.precise_sinc_derivative,
        dependence=("none", "smooth"),
        domain=((0, 5), (-1.5, 1.5)),
        conventions=(
            Convention((1, 0.0), "the integral; odd derivatives of an even function are 0"),
            Convention((2, 0.0), "the integral: -1/3"),
            Convention((-1, 0.5), "there is no such order; the derivative is the function itself, of the next one"),
        ),
        reference="DLMF 10.54.1, 3.6",
        emit=own("sinc_derivative", 2),
    ),
    function(
        "exprel",
        doc=(
            "(e^x - 1)/x, and 1 at 0: the relative error exponential. 0 at -inf; overflows to inf beyond 716.35, where "
            "e^x has long done so."
        ),
        scalar=removable.exprel,
        array=arrays.exprel,
        complex=removable.complex_exprel,
        precise=lambda mp, x: removable.precise_exprel_derivative(mp, 0, x),
        domain=((-6, 6),),
        conventions=(
            Convention((0.0,), "a removable point: the limits"),
            Convention((-0.0,), "a removable point: the limits"),
            Convention((inf,), "the limits"),
            Convention((-inf,), "the limits"),
        ),
        reference="DLMF 4.2.19; GNU Scientific Library, exprel",
        emit=own("exprel"),
    ),
    function(
        "exprel_derivative",
        doc=(
            "exprel_derivative(n, x): the n-th derivative of exprel, the integral over t from 0 to 1 of t^n*e^(x*t); n "
            "an integer from 0 to 100, NaN for any other. inf at inf, 0 at -inf."
        ),
        arity=(2, 2),
        type_rule=typerules.order,
        uniform=False,
        scalar=removable.exprel_derivative,
        array=arrays.exprel_derivative,
        complex=removable.complex_exprel_derivative,
        precise=removable.precise_exprel_derivative,
        dependence=("none", "smooth"),
        domain=((0, 5), (-9, 9)),
        conventions=(
            Convention((1, 0.0), "the integral: 1/2"),
            Convention((1, inf), "the limits"),
            Convention((1, -inf), "the limits"),
            Convention((-1, 0.5), "there is no such order; the derivative is the function itself, of the next one"),
        ),
        reference="DLMF 8.2.7, 3.6",
        emit=own("exprel_derivative", 2),
    ),
    function(
        "log1pmx",
        doc="log(1 + x) - x to full relative accuracy, about -x^2/2 near 0. -inf at -1 and at inf, NaN below -1.",
        scalar=removable.log1pmx,
        array=arrays.log1pmx,
        complex=removable.complex_log1pmx,
        precise=removable.precise_log1pmx,
        domain=((-0.9, 4),),
        conventions=(
            Convention((-1.0,), "the limits from the right"),
            Convention((-2.0,), "not in the domain; the derivative is the same formula on all sides"),
            Convention((inf,), "the limits"),
        ),
        reference="DLMF 4.6.4",
        emit=own("log1pmx"),
    ),
    function(
        "expm1mx",
        doc="e^x - 1 - x to full relative accuracy, about x^2/2 near 0. inf at ±inf.",
        scalar=removable.expm1mx,
        array=arrays.expm1mx,
        complex=removable.complex_expm1mx,
        precise=removable.precise_expm1mx,
        domain=((-4, 4),),
        conventions=(
            Convention((inf,), "the limits"),
            Convention((-inf,), "the limits"),
        ),
        reference="DLMF 4.2.19",
        emit=own("expm1mx"),
    ),
)
