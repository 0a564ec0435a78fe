"""Rewrite rules as terms: nested tuples, cheap to keep in a cache and to walk.

A term is ``("var", name)``, ``("const", value)`` or ``(op, term, …)`` with the name of an operator. The variables
called ``c``, ``c1``, ``c2``… stand for constants. Rules are small and our own, so these functions may recurse.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from gradc.ir.op import OpTable
from gradc.syntax import tree

Term: TypeAlias = tuple[Any, ...]

_CONSTANT = re.compile(r"c\d*")
_NUMBERS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
# What guards may ask of constants beyond the operators of the table.
GUARDS = frozenset({"integer", "even", "odd", "power_of_two", "finite", "normal"})


class RuleError(Exception):
    """A rule file says what no rule can say; the message names file and rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a rule file. ``kind`` is its class: "exact", "stable", "late", "real" or "finite"."""

    name: str
    kind: str
    pattern: Term
    replacement: Term
    guard: Term | None = None


def is_constant(name: str) -> bool:
    """Whether a variable of that name stands for constants only."""
    return _CONSTANT.fullmatch(name) is not None


def variables(term: Term) -> Iterator[str]:
    """The variables of a term, from left to right, with repetition."""
    if term[0] == "var":
        yield term[1]
    elif term[0] != "const":
        for operand in term[1:]:
            yield from variables(operand)


def size(term: Term) -> int:
    """The number of leaves and operators."""
    return 1 if term[0] in ("var", "const") else 1 + sum(size(operand) for operand in term[1:])


def operators(term: Term) -> int:
    """The number of operators that are left when constants are folded."""
    return 0 if term[0] == "var" or ground(term) else 1 + sum(operators(operand) for operand in term[1:])


def ground(term: Term) -> bool:
    """Whether the term is made of constants alone, so that its value is known where the rule fires."""
    return all(is_constant(name) for name in variables(term))


class Reader:
    """Turns syntax trees of rule files into terms over the operators of a table."""

    def __init__(self, table: OpTable) -> None:
        self.table = table
        self._unary: dict[str, str] = {}
        self._binary: dict[str, str] = {}
        for row in table.values():
            if row.symbol:
                (self._unary if row.arity == (1, 1) else self._binary).setdefault(row.symbol, row.name)

    def rule(self, parsed: tree.RewriteRule, kind: str) -> Rule:
        """The rule that a line says; raises ``RuleError``."""
        where = f"{kind}.grad: [{parsed.name}]"
        try:
            pattern = self.term(parsed.pattern)
            replacement = self.term(parsed.replacement)
            guard = None if parsed.guard is None else self.term(parsed.guard, guard=True)
        except RuleError as error:
            raise RuleError(f"{where} {error}") from None
        bound = set(variables(pattern))
        for name in (*variables(replacement), *(variables(guard) if guard else ())):
            if name not in bound:
                raise RuleError(f"{where} the pattern does not bind {name}")
        if guard is not None and not ground(guard):
            raise RuleError(f"{where} the guard asks about more than constants")
        if pattern[0] in ("var", "const"):
            raise RuleError(f"{where} the pattern is a single leaf")
        return Rule(parsed.name, kind, pattern, replacement, guard)

    def term(self, expr: tree.Expr, *, guard: bool = False) -> Term:
        """The term that an expression denotes; raises ``RuleError``."""
        if isinstance(expr, tree.Number):
            return ("const", expr.value)
        if isinstance(expr, tree.Name):
            return ("const", _NUMBERS[expr.id]) if expr.id in _NUMBERS else ("var", expr.id)
        if isinstance(expr, tree.Unary):
            operand = self.term(expr.operand, guard=guard)
            if expr.op == "-" and operand[0] == "const":
                return ("const", -operand[1])
            if expr.op == "+":
                return operand
            return (self._symbol(self._unary, expr.op), operand)
        if isinstance(expr, tree.Binary):
            symbol = self._symbol(self._binary, expr.op)
            return (symbol, self.term(expr.left, guard=guard), self.term(expr.right, guard=guard))
        if isinstance(expr, tree.Conditional):
            parts = (expr.test, expr.then, expr.other)
            return ("select", *(self.term(part, guard=guard) for part in parts))
        if not isinstance(expr, tree.Call):
            raise RuleError("a rule is about single numbers")
        function = expr.function.id
        operands = tuple(self.term(argument.value, guard=guard) for argument in expr.arguments)
        if guard and function in GUARDS:
            return (function, *operands)
        op = self.table.functions.get(function)
        if op is None or not self.table[op].accepts(len(operands)):
            raise RuleError(f"there is no function {function} of {len(operands)} operands")
        return (op, *operands)

    @staticmethod
    def _symbol(known: Mapping[str, str], symbol: str) -> str:
        if symbol not in known:
            raise RuleError(f"there is no operator {symbol}")
        return known[symbol]


# Cost ----------------------------------------------------------------------------------------------------------------

# A linear interpretation: the cost of a node is a weight plus a factor times the cost of each operand. It grows
# strictly with every operand, so a rule that lowers the cost of what it matches lowers that of the whole program, and
# rewriting ends. Weights are preferences, not times: a product is to win over a sum of equals, a square over a product
# of equals. Looking through a negation or a constant factor is free (factor 1), which lets rules move both outwards,
# where they meet others. Sums have the larger factor because they cancel: a rule may spend operators to get rid of one.
_COSTS: dict[str, tuple[int, int]] = {
    "neg": (1, 5),
    "not": (1, 3),
    "abs": (1, 1),
    "add": (10, 6),
    "sub": (10, 5),
    "mul": (2, 4),
    "div": (2, 6),
    "pow": (2, 3),
    "sqrt": (2, 2),
}
_COST = (2, 10)
# The weight of `c*x`, to which the cost of c is added.
_SCALE = 4


def cost_of_constant(value: float) -> int:
    """The cost of a constant leaf; a sign has its price, so that `x + -1` becomes `x - 1`."""
    return 3 if math.copysign(1.0, value) < 0 else 1


def cost(term: Term, values: Mapping[str, float]) -> dict[str, int]:
    """The cost as a linear form: the coefficient of every variable and, under "", the constant part.

    ``values`` gives the constants that ``c``, ``c1``… stand for.
    """
    if term[0] == "const":
        return {"": cost_of_constant(term[1])}
    if term[0] == "var":
        return {"": cost_of_constant(values[term[1]])} if is_constant(term[1]) else {"": 0, term[1]: 1}
    factor, weight = _COSTS.get(term[0], _COST)
    operands = term[1:]
    if term[0] == "mul" and (ground(operands[0]) or ground(operands[1])):
        factor, weight = 1, _SCALE
    total = {"": weight}
    for operand in operands:
        for name, amount in cost(operand, values).items():
            total[name] = total.get(name, 0) + factor * amount
    return total


def cheaper(new: Mapping[str, int], old: Mapping[str, int]) -> bool:
    """Whether ``new`` is the smaller cost whatever the variables stand for (they cost at least 1)."""
    if any(amount > old.get(name, 0) for name, amount in new.items() if name):
        return False
    return sum(old.values()) > sum(new.values())


# Values --------------------------------------------------------------------------------------------------------------


def _smallest_normal(dtype: str) -> float:
    return 2.0**-126 if dtype == "f32" else 2.0**-1022


def guard_function(name: str, value: float, dtype: str) -> bool:
    """What the guard ``name`` says of a constant of type ``dtype``."""
    if not math.isfinite(value):
        return False
    if name == "finite":
        return True
    if name == "normal":
        return abs(value) >= _smallest_normal(dtype)
    if name == "power_of_two":
        return abs(math.frexp(value)[0]) == 0.5
    if name == "integer":
        return value == math.floor(value)
    # Beyond 2^53 every float is even, and so is the exponent c - 1 of the derivative: such powers are left alone.
    return abs(value) < 2.0**53 and math.fmod(value, 2.0) in ((0.0,) if name == "even" else (1.0, -1.0))


def evaluate(term: Term, values: Mapping[str, Any], apply: Callable[[str, tuple[Any, ...]], Any], dtype: str) -> Any:
    """The value of a term of constants; ``apply`` evaluates an operator of the table."""
    if term[0] == "const":
        return term[1]
    if term[0] == "var":
        return values[term[1]]
    operands = tuple(evaluate(operand, values, apply, dtype) for operand in term[1:])
    if term[0] in GUARDS:
        return guard_function(term[0], operands[0], dtype)
    return apply(term[0], operands)
