"""Values with the text that stands for them in a program of steps: numbers, arrays, operators and functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np


class Unknown:
    """The value of a derivative, which only a compiler knows."""


UNKNOWN = Unknown()


class Weak(int):
    """A literal without a point."""


@dataclass(frozen=True)
class Term:
    """A value, and the text that stands for it in the program of steps: of what is not an int, a name or formula."""

    value: Any
    text: str


def whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def literal(value: Any) -> str:
    """A number as text that reads back as the same bits."""
    if whole(value):
        return str(int(value)) if value >= 0 else f"({int(value)})"
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "(-inf)"
    return f"({value!r})" if math.copysign(1, value) < 0 else repr(float(value))


def term(value: Any) -> Term:
    """A constant."""
    return Term(value, literal(value))


def precisely(name: str) -> Any:
    """A function of mpmath on floats and arrays; NaN where it has no value."""

    def run(x: float) -> float:
        try:
            return float(mpmath.re(getattr(mpmath, name)(x)))
        except (ValueError, OverflowError, ZeroDivisionError):
            return math.nan

    return np.vectorize(run, [float])


FUNCTIONS: dict[str, Any] = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "abs": np.abs,
    "relu": lambda x: np.maximum(x, 0), "sign": np.sign, "max": np.maximum, "min": np.minimum,
    "stop_gradient": lambda x: x, "cbrt": np.cbrt, "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "mod": np.mod,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "log1p": np.log1p, "expm1": np.expm1, "hypot": np.hypot,
    "atan2": np.arctan2, "softplus": lambda x: np.logaddexp(x, 0), "erf": precisely("erf"), "gamma": precisely("gamma"),
    "digamma": precisely("digamma"), "lgamma": precisely("loggamma"),
    "xlogy": lambda x, y: np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log(y)),
}  # fmt: skip
"""Functions of numbers and, element by element, of arrays."""


def logsumexp(x: Any) -> Any:
    most = np.max(x)
    return np.log(np.sum(np.exp(x - most))) + most if np.isfinite(most) else most


WHOLE: dict[str, Any] = {
    "sum": np.sum, "mean": np.mean, "prod": np.prod, "norm": np.linalg.norm, "logsumexp": logsumexp, "max": np.max,
    "min": np.min, "cumsum": np.cumsum, "softmax": lambda x: np.exp(x - logsumexp(x)), "sort": np.sort,
}  # fmt: skip
"""Functions of whole arrays."""
REDUCTIONS = frozenset(WHOLE) - {"cumsum", "softmax", "sort"}

OPERATORS: dict[str, Any] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power, "//": np.floor_divide,
    "%": np.mod, "@": np.matmul, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
    "==": np.equal, "!=": np.not_equal,
}  # fmt: skip

CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
DERIVATIVES = ("grad", "hessian", "jacobian", "jvp", "vjp", "hvp")
KINKS = ("abs", "relu", "sign", "max", "min")


def number(value: Any) -> Any:
    """A Python number or an array."""
    return value.item() if isinstance(value, (np.generic, np.ndarray)) and np.ndim(value) == 0 else value


def op(name: str, *values: Any) -> Any:
    """An operator on numbers and arrays."""
    if any(isinstance(value, Unknown) for value in values):
        return UNKNOWN
    if name == "-u":
        return -values[0]
    if name == "+u":
        return values[0]
    ints = all(map(whole, values))
    if ints and name in ("+", "-", "*", "//", "%"):
        return number(OPERATORS[name](*map(int, values)))
    if name in ("/", "^") or not ints:
        values = tuple(np.asarray(value, float) for value in values)
    return number(OPERATORS[name](*values))


def settled(value: Any, text: str, *operands: Any) -> Term:
    """A term; of an int, the literal, but what is made of literals alone may stand for a number yet."""
    if not whole(value):
        return Term(value, text)
    weak = bool(operands) and all(isinstance(operand, Weak) for operand in operands)
    return Term(Weak(value), text) if weak else term(value)


def reduced(name: str, items: Sequence[Term]) -> Term:
    """The sum, the product or an extreme of terms."""
    values = [item.value for item in items]
    texts = [item.text for item in items]
    unknown = any(isinstance(value, Unknown) for value in values)
    if unknown and name not in ("sum", "prod"):
        return Term(UNKNOWN, f"{name}([{', '.join(texts)}])")
    if name in ("sum", "prod"):
        sign = "+" if name == "sum" else "*"
        total: Any = 0.0 if name == "sum" else 1.0
        for value in values:
            total = op(sign, total, value)
        return Term(UNKNOWN if unknown else total, f"({f' {sign} '.join(texts)})" if texts else literal(total))
    if name not in FUNCTIONS:
        # Of all of them at once.
        value = UNKNOWN if unknown else number(WHOLE[name](np.array(values, float)))
        return Term(value, f"{name}([{', '.join(texts)}])")
    extreme = FUNCTIONS[name]
    found = values[0]
    for value in values[1:]:
        found = extreme(found, value)
    return Term(UNKNOWN if unknown else number(found), f"{name}({', '.join(texts)})" if len(texts) > 1 else texts[0])


def nested(texts: dict[tuple[int, ...], str], shape: tuple[int, ...], place: tuple[int, ...] = ()) -> str:
    """Texts of elements as a literal of rows."""
    if len(place) == len(shape):
        return texts[place]
    if 0 in shape:
        return f"zeros({', '.join(map(str, shape))})"
    return "[" + ", ".join(nested(texts, shape, (*place, at)) for at in range(shape[len(place)])) + "]"


def stacked(found: dict[tuple[int, ...], Term], shape: tuple[int, ...]) -> Term:
    """Elements or rows as an array."""
    text = nested({place: one.text for place, one in found.items()}, shape)
    if any(isinstance(one.value, Unknown) for one in found.values()):
        return Term(UNKNOWN, text)
    listed = [found[place].value for place in np.ndindex(*shape)]
    # An array of literals is one of numbers.
    values = np.array(listed, float if listed and all(isinstance(value, Weak) for value in listed) else None)
    inner = values.shape[1:] if len(values) else ()
    return Term(values.reshape(shape + inner), text)


def chosen(test: Term, then: Term, other: Term) -> Term:
    """An array, each element of which is that of one of two."""
    found = {}
    for place in np.ndindex(*np.shape(test.value)):
        one = then if test.value[place] else other
        whole = np.broadcast_to(one.value, np.shape(test.value))
        shown = f"{one.text}[{', '.join(map(str, place))}]" if np.ndim(one.value) else one.text
        found[place] = Term(number(whole[place]), shown)
    return stacked(found, np.shape(test.value))


def written(value: Any) -> str:
    """A value as the default of an input."""
    if np.ndim(value) == 0:
        return literal(number(value))
    return "[" + ", ".join(map(written, value)) + "]"
