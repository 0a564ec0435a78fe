"""Rows of the comparisons and of the operators on truth values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import inf, nan
from typing import Any

import numpy as np

from gradc.ir.op import Convention, Op
from gradc.ops import precedence, typerules


def _comparison(name: str, symbol: str, sign: str, text: str, compare: Callable[..., Any], array: Any) -> Op:
    """A row of the six: they differ in little but their relation."""
    return Op(
        name=name,
        doc=(
            f"Whether x {text} y, for two numbers or two integers. 0.0 equals -0.0; any comparison with NaN is "
            f"{'true' if name == 'ne' else 'false'}. It has no derivative."
        ),
        arity=(2, 2),
        type_rule=typerules.comparison,
        scalar=compare,
        array=array,
        # A continuation follows the branch that the real program takes.
        complex=lambda x, y: compare(x.real, y.real),
        precise=lambda mp, x, y: compare(x, y),
        # Operands of lt and gt change places only together with the operator.
        commutative=name in ("eq", "ne"),
        dependence=("none", "none"),
        domain=((-5, 5), (-5, 5)),
        conventions=(
            Convention((0.0, -0.0), "zeros are equal"),
            Convention((inf, inf), "infinities of one sign are equal"),
            Convention((nan, nan), "NaN is neither less than, nor equal to, nor greater than anything"),
        ),
        reference="IEEE 754-2019, 5.11",
        symbol=symbol,
        precedence=precedence.COMPARISON,
        label=f"{{0}} {sign} {{1}}",
        emit={"python": f"({{0}} {symbol} {{1}})", "c": f"({{0}} {symbol} {{1}})"},
    )


ROWS = (
    _comparison("lt", "<", "<", "is less than", operator.lt, np.less),
    _comparison("le", "<=", "≤", "is at most", operator.le, np.less_equal),
    _comparison("gt", ">", ">", "is greater than", operator.gt, np.greater),
    _comparison("ge", ">=", "≥", "is at least", operator.ge, np.greater_equal),
    _comparison("eq", "==", "=", "equals", operator.eq, np.equal),
    _comparison("ne", "!=", "≠", "differs from", operator.ne, np.not_equal),
    # Not commutative: what the first operand decides, the second may have no result for.
    Op(
        name="and",
        doc="Whether both truth values hold. Both are computed: values have no side effects.",
        arity=(2, 2),
        type_rule=typerules.boolean,
        scalar=operator.and_,
        array=np.logical_and,
        complex=operator.and_,
        precise=lambda mp, a, b: a and b,
        dependence=("none", "none"),
        domain=((0, 1), (0, 1)),
        reference="Boolean algebra",
        symbol="and",
        precedence=precedence.AND,
        label="{0} and {1}",
        emit={"python": "np.logical_and({0}, {1})", "c": "({0} && {1})"},
    ),
    Op(
        name="or",
        doc="Whether one truth value or both hold. Both are computed: values have no side effects.",
        arity=(2, 2),
        type_rule=typerules.boolean,
        scalar=operator.or_,
        array=np.logical_or,
        complex=operator.or_,
        precise=lambda mp, a, b: a or b,
        dependence=("none", "none"),
        domain=((0, 1), (0, 1)),
        reference="Boolean algebra",
        symbol="or",
        precedence=precedence.OR,
        label="{0} or {1}",
        emit={"python": "np.logical_or({0}, {1})", "c": "({0} || {1})"},
    ),
    Op(
        name="not",
        doc="Whether the truth value does not hold.",
        type_rule=typerules.boolean,
        scalar=operator.not_,
        array=np.logical_not,
        complex=operator.not_,
        precise=lambda mp, a: not a,
        dependence=("none",),
        domain=((0, 1),),
        reference="Boolean algebra",
        symbol="not",
        precedence=precedence.NOT,
        label="not {0}",
        emit={"python": "np.logical_not({0})", "c": "(!{0})"},
    ),
)
