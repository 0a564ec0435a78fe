"""Scalar programs of any size, as ``.grad`` text and as the same function for other libraries.

Sizes count operations: one is an arithmetic operator or a function call in the text. Every value stays in a range in
which neither it nor a derivative overflows at the sizes that are measured.

A family gives the text of about ``size`` operations, and ``evaluate(size, inputs, functions)``, which computes the
same from Python floats or from the symbols, tracers and tensors of another library: ``functions`` holds its ``sin``,
``cos``, ``exp``, ``sinh`` and ``atan``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

SIZES = (1_000, 10_000, 100_000, 300_000)

# The random programs are the same in every run and on every machine.
SEED = 20_240_229


@dataclass(frozen=True)
class Functions:
    """The elementary functions of a library."""

    sin: Callable[[Any], Any] = math.sin
    cos: Callable[[Any], Any] = math.cos
    exp: Callable[[Any], Any] = math.exp
    sinh: Callable[[Any], Any] = math.sinh
    atan: Callable[[Any], Any] = math.atan


@dataclass(frozen=True)
class Family:
    """Programs of one kind; ``values`` are those of the inputs ``x0``, ``x1``… at which they are evaluated."""

    name: str
    text: Callable[[int], str]
    evaluate: Callable[[int, Sequence[Any], Functions], Any]
    values: Callable[[int], list[float]]
    operations: Callable[[int], int]


def _declared(values: Sequence[float]) -> Iterator[str]:
    return (f"input x{i} = {value!r}" for i, value in enumerate(values))


# A long chain --------------------------------------------------------------------------------------------------------

# Each link is one statement with one operation. Once round they take y to about y - y^3/4: however long the chain, its
# value and derivative shrink slowly, and no algebra shortens it.
_LINKS = ("sin({})", "{} * 1.25", "sinh({})", "{} / 1.25", "atan({})")


def _chain_text(size: int) -> str:
    lines = ["input x0 = 0.5"]
    before = "x0"
    for i in range(size):
        lines.append(f"y{i} = " + _LINKS[i % len(_LINKS)].format(before))
        before = f"y{i}"
    return "\n".join([*lines, f"f = {before}", "output f", ""])


def _chain(size: int, x: Sequence[Any], m: Functions) -> Any:
    links: tuple[Callable[[Any], Any], ...] = (m.sin, lambda y: y * 1.25, m.sinh, lambda y: y / 1.25, m.atan)
    y = x[0]
    for i in range(size):
        y = links[i % len(links)](y)
    return y


# Speelpenning's product ----------------------------------------------------------------------------------------------


def _factors(size: int) -> list[float]:
    return [1.0 + 0.25 * (-1) ** i / (i + 2) for i in range(size + 1)]


def _product_text(size: int) -> str:
    values = _factors(size)
    names = [f"x{i}" for i in range(len(values))]
    return "\n".join([*_declared(values), "f = " + " * ".join(names), "output f", ""])


def _product(size: int, x: Sequence[Any], m: Functions) -> Any:
    y = x[0]
    for i in range(1, size + 1):
        y = y * x[i]
    return y


# Rosenbrock's function in n dimensions -------------------------------------------------------------------------------

# Two differences, three squares, a product and a sum in each term; a further sum adds it to the others.
_PER_TERM = 7


def _terms(size: int) -> int:
    return max(1, round((size + 1) / (_PER_TERM + 1)))


def _rosenbrock_point(size: int) -> list[float]:
    return [1.0 + 0.5 * math.sin(i) for i in range(_terms(size) + 1)]


def _rosenbrock_text(size: int) -> str:
    terms = [f"100 * (x{i + 1} - x{i}^2)^2 + (1 - x{i})^2" for i in range(_terms(size))]
    return "\n".join([*_declared(_rosenbrock_point(size)), "f = (" + "\n  + ".join(terms) + ")", "output f", ""])


def _rosenbrock(size: int, x: Sequence[Any], m: Functions) -> Any:
    y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    for i in range(1, _terms(size)):
        y = y + 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return y


# A random DAG with much reuse ----------------------------------------------------------------------------------------

# Each form with its number of operations. On operands in [-1, 1] all of them give results in [-1, 1].
_FORMS = (
    ("sin({a})", 1),
    ("cos({a})", 1),
    ("{a} * {b}", 1),
    ("0.5 * ({a} + {b})", 2),
    ("0.75 * {a} - 0.25 * {b}", 3),
    ("{a} * exp({b}) / 3", 3),
)
_DAG_INPUTS = 10
# The first operand is one of the latest values, which makes the graph deep; the second is any, which shares them.
_RECENT = 30


class _Step(NamedTuple):
    form: int
    a: int
    b: int


@cache
def _dag_plan(size: int) -> tuple[tuple[_Step, ...], tuple[int, ...], int]:
    """The steps, the values that nothing reads, which are added up, and the number of operations."""
    chance = random.Random(SEED)
    steps: list[_Step] = []
    unread = dict.fromkeys(range(_DAG_INPUTS))
    operations = 0
    while operations + len(unread) - 1 < size:
        made = _DAG_INPUTS + len(steps)
        recent = chance.randrange(max(0, made - _RECENT), made)
        step = _Step(chance.randrange(len(_FORMS)), recent, chance.randrange(made))
        operations += _FORMS[step.form][1]
        unread.pop(step.a, None)
        if "{b}" in _FORMS[step.form][0]:
            unread.pop(step.b, None)
        unread[made] = None
        steps.append(step)
    return tuple(steps), tuple(unread), operations + len(unread) - 1


def _dag_text(size: int) -> str:
    steps, unread, _ = _dag_plan(size)
    names = [f"x{i}" for i in range(_DAG_INPUTS)] + [f"v{i}" for i in range(len(steps))]
    lines = list(_declared(_dag_point(size)))
    for i, (form, a, b) in enumerate(steps):
        lines.append(f"v{i} = " + _FORMS[form][0].format(a=names[a], b=names[b]))
    return "\n".join([*lines, "f = " + " + ".join(names[i] for i in unread), "output f", ""])


def _dag_point(size: int) -> list[float]:
    return [math.cos(i + 1.0) for i in range(_DAG_INPUTS)]


def _dag(size: int, x: Sequence[Any], m: Functions) -> Any:
    forms: tuple[Callable[[Any, Any], Any], ...] = (
        lambda a, b: m.sin(a),
        lambda a, b: m.cos(a),
        lambda a, b: a * b,
        lambda a, b: 0.5 * (a + b),
        lambda a, b: 0.75 * a - 0.25 * b,
        lambda a, b: a * m.exp(b) / 3,
    )
    steps, unread, _ = _dag_plan(size)
    values = list(x)
    for form, a, b in steps:
        values.append(forms[form](values[a], values[b]))
    total = values[unread[0]]
    for i in unread[1:]:
        total = total + values[i]
    return total


FAMILIES = {
    family.name: family
    for family in (
        Family("chain", _chain_text, _chain, lambda size: [0.5], lambda size: size),
        Family("product", _product_text, _product, _factors, lambda size: size),
        Family(
            "rosenbrock",
            _rosenbrock_text,
            _rosenbrock,
            _rosenbrock_point,
            lambda size: _PER_TERM * _terms(size) + _terms(size) - 1,
        ),
        Family("dag", _dag_text, _dag, _dag_point, lambda size: _dag_plan(size)[2]),
    )
}
