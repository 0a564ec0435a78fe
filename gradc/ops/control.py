"""Rows of what a program is made of beside functions: leaves, names, choices, conversions, requests, calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradc.ir.op import Op
from gradc.ops import arrays, precedence, typerules


def _identity(x: Any) -> Any:
    return x


def choose(condition: bool, then: Any, other: Any) -> Any:
    """``then`` if the condition holds, else ``other``."""
    return then if condition else other


def convert(x: int, dtype: str = "f64") -> float:
    """An integer or truth value as the nearest real of ``dtype``."""
    # By way of f64 a large integer would be rounded twice.
    return float(np.int64(x).astype(np.float32)) if dtype == "f32" else float(x)


ROWS = (
    Op(
        name="const",
        doc="A constant, keyed by its type and bits: 0.0 is not -0.0.",
        kind="leaf",
        arity=(0, 0),
        type_rule=typerules.leaf,
        dependence=(),
        attrs={"value": object},
        reference="gradc.ir.graph",
    ),
    Op(
        name="input",
        doc=(
            "A value given by the call: an input or a param (attribute kind), with a default that the call may leave "
            "out. In the body of a region it is an operand of that; the attribute extent is what it always "
            "is, an extent."
        ),
        kind="leaf",
        arity=(0, 0),
        type_rule=typerules.leaf,
        dependence=(),
        attrs={"kind": str, "default": object, "extent": object},
        reference="gradc.ir.graph",
    ),
    Op(
        name="name",
        doc="A named value: an identity for differentiation, never merged with another. It dissolves after that.",
        type_rule=typerules.first,
        uniform=True,
        scalar=_identity,
        integer=_identity,
        array=_identity,
        complex=_identity,
        precise=lambda mp, x: x,
        dependence=("linear",),
        domain=((-5, 5),),
        reference="gradc.ir.graph",
        label="{0}",
        emit={"python": "{0}", "c": "{0}"},
    ),
    Op(
        name="select",
        doc=(
            "`if condition then x else y`, also written where(condition, x, y). Both are computed and one is taken; "
            "the other one poisons neither the value nor a derivative, whatever it is."
        ),
        arity=(3, 3),
        type_rule=typerules.select,
        scalar=choose,
        integer=choose,
        array=arrays.select,
        complex=choose,
        precise=lambda mp, condition, x, y: x if condition else y,
        dependence=("none", "linear", "linear"),
        domain=((0, 1), (-5, 5), (-5, 5)),
        reference="gradc.ad",
        functions=("where",),
        precedence=precedence.CONDITIONAL,
        label="if {0} then {1} else {2}",
        emit={"python": "np.where({0}, {1}, {2})", "c": "({0} ? {1} : {2})"},
    ),
    Op(
        name="float",
        doc=(
            "An integer, rounded to nearest, or a truth value (1 for true) as a real: f64 unless the attribute dtype "
            "says f32. Evaluation takes the attribute as a keyword. It has no derivative."
        ),
        type_rule=typerules.convert,
        scalar=convert,
        array=arrays.convert,
        complex=lambda x, dtype="f64": complex(x.real),
        precise=lambda mp, x: mp.mpf(x),
        dependence=("none",),
        attrs={"dtype": str},
        domain=((-5, 5),),
        reference="IEEE 754-2019, 5.4.1",
        functions=("float",),
        emit={"python": "np.float64({0})", "c": "((double){0})"},
    ),
    Op(
        name="stop_gradient",
        doc="x, of which no derivative is taken: it counts as constant in every derivative.",
        type_rule=typerules.first,
        uniform=True,
        scalar=_identity,
        integer=_identity,
        array=_identity,
        # A complex step would see through it, so the derivative that the step measures is that of the real part.
        complex=lambda x: complex(x.real),
        precise=lambda mp, x: x,
        dependence=("none",),
        domain=((-5, 5),),
        reference="gradc.ad",
        functions=("stop_gradient",),
        emit={"python": "{0}", "c": "{0}"},
    ),
    Op(
        name="grad",
        doc="A request: the derivative of y with respect to the name v. Expanded before anything runs.",
        kind="request",
        arity=(2, 2),
        type_rule=typerules.derivative,
        dependence=("smooth", "smooth"),
        reference="gradc.ad",
    ),
    Op(
        name="jvp",
        doc=(
            "A request: the derivative of y with respect to the name v, times a tangent. Expanded before anything runs."
        ),
        kind="request",
        arity=(3, 3),
        type_rule=typerules.forward_product,
        dependence=("smooth", "smooth", "linear"),
        reference="gradc.ad",
    ),
    Op(
        name="vjp",
        doc=(
            "A request: a cotangent times the derivative of y with respect to the name v. Expanded before anything "
            "runs."
        ),
        kind="request",
        arity=(3, 3),
        type_rule=typerules.reverse_product,
        dependence=("smooth", "smooth", "linear"),
        reference="gradc.ad",
    ),
    Op(
        name="call",
        doc=(
            "A call of a function that has a derivative of its own: the attribute function is its name in the graph's "
            "table of functions. Operands and result are real. Expanded before anything runs."
        ),
        kind="region",
        arity=(1, None),
        type_rule=typerules.real,
        uniform=True,
        attrs={"function": str},
        reference="gradc.ir.region",
    ),
)
