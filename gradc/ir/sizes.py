"""Extents of axes: integers, or integer polynomials in the names of sizes, in a normal form by which they compare.

``n + 1`` is ``1 + n`` and ``2*n//2`` is ``n``; a floor division that leaves a remainder is an opaque atom of its own,
so ``(n + 1)//2`` equals itself and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias, Union

Dim: TypeAlias = "int | Size"
"""An extent: a number, or a polynomial that is not one."""


class Quotient(NamedTuple):
    """``upper // lower``, rounded down, where the division does not come out even."""

    upper: Dim
    lower: Dim

    def __str__(self) -> str:
        lower = f"({self.lower})" if isinstance(self.lower, Size) and not self.lower.atomic else str(self.lower)
        upper = f"({self.upper})" if isinstance(self.upper, Size) and not self.upper.atomic else str(self.upper)
        return f"{upper}//{lower}"


Atom: TypeAlias = Union[str, Quotient]  # noqa: UP007
# Each atom once, with its power; the empty product is the constant term.
Monomial: TypeAlias = tuple[tuple[Atom, int], ...]


def _rank(monomial: Monomial) -> tuple[int, list[tuple[str, int]]]:
    return -sum(power for _, power in monomial), [(str(atom), -power) for atom, power in monomial]


class Size:
    """A polynomial with at least one size in it. Immutable; equal ones hash alike. ``+``, ``-``, ``*`` and ``//``
    with each other and with integers give a ``Dim``.
    """

    __slots__ = ("_hash", "terms")

    terms: tuple[tuple[Monomial, int], ...]

    def __init__(self, terms: Iterable[tuple[Monomial, int]]) -> None:
        self.terms = tuple(terms)
        self._hash = hash(self.terms)

    @property
    def atomic(self) -> bool:
        """Whether it prints as one name."""
        return len(self.terms) == 1 and self.terms[0][1] == 1 and self.terms[0][0] == ((self.terms[0][0][0][0], 1),)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Size) and self.terms == other.terms)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Size], tuple[object]]:
        return Size, (self.terms,)

    def __add__(self, other: Dim) -> Dim:
        return _sum(self, other, 1)

    def __radd__(self, other: int) -> Dim:
        return _sum(self, other, 1)

    def __sub__(self, other: Dim) -> Dim:
        return _sum(self, other, -1)

    def __rsub__(self, other: int) -> Dim:
        return _sum(-1 * self, other, 1)

    def __neg__(self) -> Dim:
        return -1 * self

    def __mul__(self, other: Dim) -> Dim:
        found: dict[Monomial, int] = {}
        for left, first in self.terms:
            for right, second in _terms(other):
                powers: dict[Atom, int] = {}
                for atom, power in (*left, *right):
                    powers[atom] = powers.get(atom, 0) + power
                monomial = tuple(sorted(powers.items(), key=lambda item: str(item[0])))
                found[monomial] = found.get(monomial, 0) + first * second
        return _normal(found)

    __rmul__ = __mul__

    def __floordiv__(self, other: Dim) -> Dim:
        return divide(self, other)

    def __rfloordiv__(self, other: int) -> Dim:
        return divide(other, self)

    def __str__(self) -> str:
        parts: list[str] = []
        for monomial, count in self.terms:
            factors = []
            for atom, power in monomial:
                text = str(atom) if isinstance(atom, str) or (not parts and len(monomial) == 1) else f"({atom})"
                if isinstance(atom, Quotient) and (power > 1 or abs(count) > 1):
                    text = f"({atom})"
                factors.append(text if power == 1 else f"{text}^{power}")
            if abs(count) != 1 or not factors:
                factors.insert(0, str(abs(count)))
            sign = ("-" if count < 0 else "") if not parts else (" - " if count < 0 else " + ")
            parts.append(sign + "*".join(factors))
        return "".join(parts)

    def __repr__(self) -> str:
        return f"Size({self})"


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(dim, Size):
        return dim.terms
    return (((), dim),) if dim else ()


def _normal(found: Mapping[Monomial, int]) -> Dim:
    kept = sorted(((monomial, count) for monomial, count in found.items() if count), key=lambda item: _rank(item[0]))
    if not kept:
        return 0
    if len(kept) == 1 and kept[0][0] == ():
        return kept[0][1]
    return Size(kept)


def _sum(left: Dim, right: Dim, sign: int) -> Dim:
    found = dict(_terms(left))
    for monomial, count in _terms(right):
        found[monomial] = found.get(monomial, 0) + sign * count
    return _normal(found)


def named(name: str) -> Size:
    """The size of that name."""
    return Size([(((name, 1),), 1)])


def divide(upper: Dim, lower: Dim) -> Dim:
    """``upper // lower``; raises ZeroDivisionError for a divisor of 0."""
    if isinstance(lower, int):
        if lower == 0:
            raise ZeroDivisionError("a size is divided by zero")
        if isinstance(upper, int):
            return upper // lower
        if lower == 1:
            return upper
        # What divides evenly leaves the quotient: (2*n + 3)//2 is n + 3//2 + …, since 2*n is a multiple of 2.
        even = {monomial: count // lower for monomial, count in upper.terms if count % lower == 0 and monomial}
        rest = {monomial: count for monomial, count in upper.terms if count % lower or not monomial}
        left = _normal(rest)
        if isinstance(left, int):
            return _sum(_normal(even), left // lower, 1)
        return _sum(_normal(even), Size([(((Quotient(left, lower), 1),), 1)]), 1)
    if upper == lower:
        return 1
    if upper == 0:
        return 0
    return Size([(((Quotient(upper, lower), 1),), 1)])


def evaluate(dim: Dim, values: Mapping[str, int]) -> int:
    """The extent for given sizes; raises KeyError with the name of a size that is missing."""
    if isinstance(dim, int):
        return dim
    total = 0
    for monomial, count in dim.terms:
        for atom, power in monomial:
            if isinstance(atom, str):
                value = values[atom]
            else:
                value = evaluate(atom.upper, values) // evaluate(atom.lower, values)
            count *= value**power
        total += count
    return total


def substitute(dim: Dim, values: Mapping[str, Dim]) -> Dim:
    """The extent with some of its sizes replaced by others or by numbers."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for monomial, count in dim.terms:
        product: Dim = count
        for atom, power in monomial:
            factor: Dim
            if isinstance(atom, str):
                factor = values.get(atom, named(atom))
            else:
                factor = divide(substitute(atom.upper, values), substitute(atom.lower, values))
            for _ in range(power):
                product = factor * product
        total = total + product
    return total


def names(dim: Dim) -> frozenset[str]:
    """The names of the sizes in an extent."""
    found: set[str] = set()
    if isinstance(dim, Size):
        for monomial, _ in dim.terms:
            for atom, _ in monomial:
                found |= {atom} if isinstance(atom, str) else names(atom.upper) | names(atom.lower)
    return frozenset(found)


def product(dims: Iterable[Dim]) -> Dim:
    """The number of elements of an array with these extents."""
    total: Dim = 1
    for dim in dims:
        total = total * dim
    return total


def at_least(dim: Dim, bound: int) -> bool | None:
    """Whether an extent is at least ``bound`` for all sizes (which are never negative): true, false, or not known."""
    if isinstance(dim, int):
        return dim >= bound
    low, high = _bounds(dim)
    if low is not None and low >= bound:
        return True
    return False if high is not None and high < bound else None


def _bounds(dim: Size) -> tuple[int | None, int | None]:
    low: int | None = 0
    high: int | None = 0
    for monomial, count in dim.terms:
        if not monomial:
            low = None if low is None else low + count
            high = None if high is None else high + count
        elif count > 0 and all(isinstance(atom, str) for atom, _ in monomial):
            high = None
        elif count < 0 and all(isinstance(atom, str) for atom, _ in monomial):
            low = None
        else:
            low = high = None
    return low, high


_TOKEN = re.compile(r"\s*(?:(\d+)|([^\W\d]\w*)|(//|[-+*^()]))")


def parse(text: str) -> Dim:
    """The extent that ``str`` printed; raises ValueError for another text."""
    tokens: list[str] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"no extent: {text!r}")
        tokens.append(found[0].strip())
        at = found.end()
    # Operator precedence with two stacks, so that no depth of parentheses recurses.
    values: list[Dim] = []
    waiting: list[str] = []
    rank = {"(": 0, "+": 1, "-": 1, "*": 2, "//": 2, "~": 2, "^": 3}

    def reduce(least: int) -> None:
        while waiting and waiting[-1] != "(" and rank[waiting[-1]] >= least:
            op = waiting.pop()
            right = values.pop()
            if op == "~":
                values.append(-right)
                continue
            left = values.pop()
            if op == "^":
                if not isinstance(right, int):
                    raise ValueError("a power of a size is a number")
                power: Dim = 1
                for _ in range(right):
                    power = left * power
                values.append(power)
            elif op == "//":
                values.append(divide(left, right))
            else:
                values.append(left + right if op == "+" else left - right if op == "-" else left * right)

    operand = True
    try:
        for token in tokens:
            if operand:
                if token == "-":
                    waiting.append("~")
                elif token == "(":
                    waiting.append(token)
                elif token.isdecimal():
                    values.append(int(token))
                    operand = False
                elif token in rank or token == ")":
                    raise ValueError(f"no extent: {text!r}")
                else:
                    values.append(named(token))
                    operand = False
            elif token == ")":
                reduce(1)
                if waiting.pop() != "(":
                    raise ValueError(f"no extent: {text!r}")
            else:
                reduce(rank[token])
                waiting.append(token)
                operand = True
        if operand:
            raise ValueError(f"no extent: {text!r}")
        reduce(1)
    except (IndexError, KeyError):
        raise ValueError(f"no extent: {text!r}") from None
    if len(values) != 1 or waiting:
        raise ValueError(f"no extent: {text!r}")
    return values[0]
