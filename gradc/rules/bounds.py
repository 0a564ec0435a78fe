"""What is known of values by the form of what computes them: that they are no less than 0 or 1, or no more than 1.

What is said here holds for floats, rounding included, but for NaN, which may be anything.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gradc.ir.builder import Builder

# How deep a form is looked into.
_DEEP: Final = 8
_NOT_NEGATIVE: Final = frozenset(
    ("exp", "exp2", "cosh", "sigmoid", "softplus", "relu", "abs", "sqrt", "hypot", "erfc", "erfcx", "norm", "softmax")
)
_UNIT: Final = frozenset(("sigmoid", "softmax"))
_SPREADING: Final = frozenset(("broadcast", "reshape", "transpose", "access", "tabulate", "name"))


def at_least_zero(builder: Builder, node: int, depth: int = 0) -> bool:
    """Whether a value is 0 or more."""
    if depth > _DEEP:
        return False
    op, operands = builder.op(node), builder.operands(node)
    if op == "const":
        return _value(builder, node) >= 0
    if op in _NOT_NEGATIVE or (op == "pow" and _even(builder, operands[1])):
        return True
    if op == "mul" and operands[0] == operands[1]:
        return True
    if op == "pow":
        return _positive(builder, operands[1]) and at_least_zero(builder, operands[0], depth + 1)
    if op in ("add", "mul"):
        return all(at_least_zero(builder, operand, depth + 1) for operand in operands)
    if op == "div":
        # Beside 0 the sign of a zero would count.
        divisor = operands[1]
        far = _positive(builder, divisor) or at_least_one(builder, divisor, depth + 1)
        return far and at_least_zero(builder, operands[0], depth + 1)
    return op in _SPREADING and at_least_zero(builder, operands[0], depth + 1)


def at_least_one(builder: Builder, node: int, depth: int = 0) -> bool:
    """Whether a value is 1 or more."""
    if depth > _DEEP:
        return False
    op, operands = builder.op(node), builder.operands(node)
    if op == "const":
        return _value(builder, node) >= 1
    if op == "cosh":
        return True
    if op == "exp":
        return at_least_zero(builder, operands[0], depth + 1)
    if op == "add":
        one, other = operands
        return any(
            at_least_one(builder, x, depth + 1) and at_least_zero(builder, y, depth + 1)
            for x, y in ((one, other), (other, one))
        )
    if op == "mul":
        return all(at_least_one(builder, operand, depth + 1) for operand in operands)
    if op == "div":
        return at_least_one(builder, operands[0], depth + 1) and at_most_one(builder, operands[1], depth + 1)
    if op == "pow":
        return _positive(builder, operands[1]) and at_least_one(builder, operands[0], depth + 1)
    return op in ("sqrt", *_SPREADING) and at_least_one(builder, operands[0], depth + 1)


def at_most_one(builder: Builder, node: int, depth: int = 0) -> bool:
    """Whether a value lies between 0 and 1, both included."""
    if depth > _DEEP:
        return False
    op, operands = builder.op(node), builder.operands(node)
    if op == "const":
        return 0 <= _value(builder, node) <= 1
    if op in _UNIT:
        return True
    if op == "exp":
        return _at_most_zero(builder, operands[0], depth + 1)
    if op == "mul":
        return all(at_most_one(builder, operand, depth + 1) for operand in operands)
    if op == "div":
        return at_most_one(builder, operands[0], depth + 1) and at_least_one(builder, operands[1], depth + 1)
    if op == "pow":
        return _positive(builder, operands[1]) and at_most_one(builder, operands[0], depth + 1)
    return op in ("sqrt", *_SPREADING) and at_most_one(builder, operands[0], depth + 1)


def _at_most_zero(builder: Builder, node: int, depth: int) -> bool:
    op, operands = builder.op(node), builder.operands(node)
    if depth > _DEEP or len(operands) > 2:
        return False
    if op == "neg":
        return at_least_zero(builder, operands[0], depth + 1)
    if op == "add":
        return all(_at_most_zero(builder, operand, depth + 1) for operand in operands)
    if op == "sub":
        return _at_most_zero(builder, operands[0], depth + 1) and at_least_zero(builder, operands[1], depth + 1)
    if op not in ("mul", "div"):
        return False
    pairs = (operands, operands[::-1]) if op == "mul" else (operands,)
    return any(_negative(builder, y) and at_least_zero(builder, x, depth + 1) for x, y in pairs)


def _value(builder: Builder, node: int) -> float:
    """The number that a node is; NaN where it is none, which compares with nothing."""
    value = builder.value(node)
    return math.nan if value is None else float(value)


def _even(builder: Builder, node: int) -> bool:
    return _value(builder, node) % 2 == 0


def _positive(builder: Builder, node: int) -> bool:
    return _value(builder, node) > 0


def _negative(builder: Builder, node: int) -> bool:
    return _value(builder, node) < 0
