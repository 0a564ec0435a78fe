"""Extents of axes: integers, or integer polynomials in the names of sizes, in a normal form by which they compare.

``n + 1`` is ``1 + n`` and ``(2*n + 3)//2`` is ``n + 1``. What a floor division leaves over is an opaque atom of its
own: ``n*m//n`` is ``m`` and ``n//2//2`` is ``n//4``, but whatever takes more than that to see is not seen.

All that is made here is bounded, so that no text makes it take long or much: what goes beyond raises ``TooLarge``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import gcd
from typing import Final, NamedTuple, NoReturn, TypeAlias, Union

Dim: TypeAlias = "int | Size"
"""An extent: a number, or a polynomial that is not one."""

MAX_TERMS: Final = 1024
"""How many terms there may be, those inside of quotients included."""
MAX_DEGREE: Final = 64
MAX_DEPTH: Final = 32
"""How deep quotients may stand in each other. Equality, hashes and texts recurse that deep, and no deeper."""
MAX_COUNT: Final = 2**63
MAX_TEXT: Final = 20_000


class TooLarge(ValueError):
    """An extent of more terms, powers, digits or nested divisions than anybody writes."""


class Quotient(NamedTuple):
    """``upper // lower``, rounded down, where the division does not come out even."""

    upper: Dim
    lower: Dim

    def __str__(self) -> str:
        return f"{_operand(self.upper)}//{_operand(self.lower)}"


def _operand(dim: Dim) -> str:
    plain = dim.atomic if isinstance(dim, Size) else dim >= 0
    return str(dim) if plain else f"({dim})"


Atom: TypeAlias = Union[str, Quotient]  # noqa: UP007
# Each atom once, with its power, in the order of their texts; the empty product is the constant term.
Monomial: TypeAlias = tuple[tuple[Atom, int], ...]


@lru_cache(maxsize=4096)
def _rank(monomial: Monomial) -> tuple[int, list[tuple[str, int]]]:
    """The place of a term: higher degrees first, then by the atoms (graded lexicographic order)."""
    return -sum(power for _, power in monomial), [(str(atom), -power) for atom, power in monomial]


class Size:
    """A polynomial with at least one size in it. Immutable; equal ones hash alike. ``+``, ``-``, ``*`` and ``//``
    with each other and with integers give a ``Dim``; ``named``, these and ``parse`` make all there are.
    """

    __slots__ = ("_hash", "_text", "depth", "terms", "weight")

    terms: tuple[tuple[Monomial, int], ...]
    # How deep quotients stand in each other, and the number of terms with those inside of quotients.
    depth: int
    weight: int

    def __init__(self, terms: Iterable[tuple[Monomial, int]]) -> None:
        self.terms = tuple(terms)
        self._hash = hash(self.terms)
        self._text = ""
        self.depth, self.weight = 0, len(self.terms)
        for monomial, _ in self.terms:
            for atom, _ in monomial:
                if not isinstance(atom, str):
                    inner = [dim for dim in atom if isinstance(dim, Size)]
                    self.depth = max(self.depth, 1 + max(dim.depth for dim in inner))
                    self.weight += sum(dim.weight for dim in inner)
        if self.weight > MAX_TERMS:
            _refuse(f"{MAX_TERMS} terms")
        if self.depth > MAX_DEPTH:
            _refuse(f"{MAX_DEPTH} divisions inside each other")

    @property
    def atomic(self) -> bool:
        """Whether it is a name by itself."""
        monomial, count = self.terms[0]
        return len(self.terms) == 1 and count == 1 and monomial == ((monomial[0][0], 1),) and not self.depth

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Size) and self._hash == other._hash and self.terms == other.terms)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Size], tuple[object]]:
        return Size, (self.terms,)

    def __add__(self, other: Dim) -> Dim:
        return _sum(self, other, 1) if isinstance(other, (int, Size)) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Dim) -> Dim:
        return _sum(self, other, -1) if isinstance(other, (int, Size)) else NotImplemented

    def __rsub__(self, other: int) -> Dim:
        return -self + other

    def __neg__(self) -> Dim:
        return Size([(monomial, -count) for monomial, count in self.terms])

    def __mul__(self, other: Dim) -> Dim:
        if not isinstance(other, (int, Size)):
            return NotImplemented
        right = _terms(other)
        if len(self.terms) * len(right) > MAX_TERMS:
            _refuse(f"{MAX_TERMS} terms")
        found: dict[Monomial, int] = {}
        for monomial, count in self.terms:
            for factor, times in right:
                product = _times(monomial, factor)
                found[product] = found.get(product, 0) + count * times
        return _normal(found)

    __rmul__ = __mul__

    def __floordiv__(self, other: Dim) -> Dim:
        return divide(self, other) if isinstance(other, (int, Size)) else NotImplemented

    def __rfloordiv__(self, other: int) -> Dim:
        return divide(other, self) if isinstance(other, (int, Size)) else NotImplemented

    def __str__(self) -> str:
        if not self._text:
            parts: list[str] = []
            # n - m rather than -m + n.
            first = next((term for term in self.terms if term[1] > 0), self.terms[0])
            for monomial, count in (first, *(term for term in self.terms if term is not first)):
                # A quotient needs no parentheses where nothing but a sum is around it; -a//b would be (-a)//b.
                bare = len(monomial) == 1 and monomial[0][1] == 1 and (count == 1 or (count == -1 and bool(parts)))
                factors = [_factor(atom, power, bare) for atom, power in monomial]
                if abs(count) != 1 or not factors:
                    factors.insert(0, str(abs(count)))
                sign = ("-" if count < 0 else "") if not parts else (" - " if count < 0 else " + ")
                parts.append(sign + "*".join(factors))
            self._text = "".join(parts)
        return self._text

    def __repr__(self) -> str:
        return f"Size({self})"


def _factor(atom: Atom, power: int, bare: bool) -> str:
    text = str(atom) if bare or isinstance(atom, str) else f"({atom})"
    return text if power == 1 else f"{text}^{power}"


def _refuse(limit: str) -> NoReturn:
    raise TooLarge(f"an extent has more than {limit}")


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(dim, Size):
        return dim.terms
    return (((), dim),) if dim else ()


def _times(left: Monomial, right: Monomial) -> Monomial:
    if not left or not right:
        return left or right
    powers: dict[Atom, int] = {}
    for atom, power in (*left, *right):
        powers[atom] = powers.get(atom, 0) + power
    if sum(powers.values()) > MAX_DEGREE:
        _refuse(f"{MAX_DEGREE} factors")
    return tuple(sorted(powers.items(), key=lambda item: str(item[0])))


def _over(upper: Monomial, lower: Monomial) -> Monomial | None:
    """``upper / lower`` where it comes out even."""
    powers = dict(upper)
    for atom, power in lower:
        left = powers.pop(atom, 0) - power
        if left < 0:
            return None
        if left:
            powers[atom] = left
    return tuple(sorted(powers.items(), key=lambda item: str(item[0])))


def _normal(found: Mapping[Monomial, int]) -> Dim:
    kept = sorted(((monomial, count) for monomial, count in found.items() if count), key=lambda item: _rank(item[0]))
    if not kept:
        return 0
    if not all(-MAX_COUNT <= count < MAX_COUNT for _, count in kept):
        _refuse("63 bits in a factor")
    if len(kept) == 1 and kept[0][0] == ():
        return kept[0][1]
    return Size(kept)


def _sum(left: Dim, right: Dim, sign: int) -> Dim:
    found = dict(_terms(left))
    for monomial, count in _terms(right):
        found[monomial] = found.get(monomial, 0) + sign * count
    return _normal(found)


# A name is what the language takes for one: letters, digits and `_`, and what lies beyond ASCII.
_NAME: Final = r"[^\x00-@\[-^`{-\x7f][^\x00-/:-@\[-^`{-\x7f]*"
_IS_NAME = re.compile(_NAME)


def is_name(text: object) -> bool:
    """Whether a size may be called so: only then what ``str`` prints can be read back."""
    return isinstance(text, str) and _IS_NAME.fullmatch(text) is not None and text.isprintable()


def named(name: str) -> Size:
    """The size of that name; raises ValueError for a text that is no name."""
    if not is_name(name):
        raise ValueError(f"no name of a size: {name!r}")
    return _atom(name)


def _atom(atom: Atom) -> Size:
    return Size([(((atom, 1),), 1)])


# Division ------------------------------------------------------------------------------------------------------------


def divide(upper: Dim, lower: Dim) -> Dim:
    """``upper // lower``, rounded down; raises ZeroDivisionError for a divisor of 0.

    A divisor in which a size stands counts as one that is not 0, whatever the size: ``n*m//n`` is ``m``.
    """
    if lower == 0:
        raise ZeroDivisionError("a size is divided by zero")
    if isinstance(upper, int) and isinstance(lower, int):
        return upper // lower
    if upper == 0:
        return 0
    if _terms(lower)[0][1] < 0:
        upper, lower = -upper, -lower
    if isinstance(lower, Size):
        upper, lower = _reduced(upper, lower)
    if lower == 1:
        return upper
    if isinstance(upper, int) and isinstance(lower, int):
        return upper // lower
    return _by_number(upper, lower) if isinstance(upper, Size) and isinstance(lower, int) else _by_size(upper, lower)


def _reduced(upper: Dim, lower: Dim) -> tuple[Dim, Dim]:
    """Both without the factor, a number times powers, that all their terms share."""
    terms = (*_terms(upper), *_terms(lower))
    number = gcd(*(count for _, count in terms))
    shared = dict(terms[0][0])
    for monomial, _ in terms:
        powers = dict(monomial)
        shared = {atom: min(power, powers[atom]) for atom, power in shared.items() if atom in powers}
    if number == 1 and not shared:
        return upper, lower
    factor = tuple(shared.items())
    first, second = (
        _normal({_over(monomial, factor) or (): count // number for monomial, count in _terms(dim)})
        for dim in (upper, lower)
    )
    return first, second


def _by_number(upper: Size, lower: int) -> Dim:
    # (3*n + 5)//2 is n + 2 + (n + 1)//2: every coefficient leaves its remainder, so that equal ones look alike.
    whole = {monomial: count // lower for monomial, count in upper.terms}
    rest = {monomial: count % lower for monomial, count in upper.terms if count % lower}
    # ⌊(g*p + c)/(g*q)⌋ is ⌊(p + ⌊c/g⌋)/q⌋.
    common = gcd(lower, *(count for monomial, count in rest.items() if monomial))
    left = _normal({monomial: count // common for monomial, count in rest.items()})
    lower //= common
    if isinstance(left, int):
        return _sum(_normal(whole), left // lower, 1)
    alone = [monomial[0][0] for monomial, count in left.terms if count == 1 and len(monomial) == 1 == monomial[0][1]]
    nested = [atom for atom in alone if isinstance(atom, Quotient)]
    if len(nested) == 1 and isinstance(nested[0].lower, int):
        # ⌊(⌊u/a⌋ + p)/b⌋ is ⌊(u + a*p)/(a*b)⌋ for whole a, b above 0.
        first, second = nested[0].upper, nested[0].lower
        others = _sum(left, _atom(nested[0]), -1)
        return _sum(_normal(whole), divide(_sum(first, second * others, 1), second * lower), 1)
    return _sum(_normal(whole), _atom(Quotient(left, lower)), 1)


def _by_size(upper: Dim, lower: Dim) -> Dim:
    lead, times = _terms(lower)[0]
    whole: dict[Monomial, int] = {}
    if len(_terms(lower)) == 1:
        # (n*m + 3)//n is m + 3//n.
        rest: dict[Monomial, int] = {}
        for monomial, count in _terms(upper):
            part = _over(monomial, lead)
            if part is not None and count // times:
                whole[part] = count // times
            left = count if part is None else count % times
            if left:
                rest[monomial] = left
        remainder = _normal(rest)
        # What is left may have a factor in common with the divisor again.
        return _sum(_normal(whole), divide(remainder, lower) if whole else _atom(Quotient(upper, lower)), 1)
    # By a sum only what comes out even: n//(n + 1) is better left as it is than made 1 + (-1)//(n + 1).
    left_over = upper
    for _ in range(MAX_DEGREE):
        if left_over == 0:
            return _normal(whole)
        monomial, count = _terms(left_over)[0]
        part = _over(monomial, lead)
        if part is None or count % times:
            break
        whole[part] = count // times
        left_over = left_over - Size([(part, count // times)]) * lower if part else left_over - count // times * lower
    return _atom(Quotient(upper, lower))


# Values --------------------------------------------------------------------------------------------------------------


def evaluate(dim: Dim, values: Mapping[str, int]) -> int:
    """The extent for given sizes; raises KeyError with the name of a size that is missing, and ZeroDivisionError."""
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


def degree(dim: Dim) -> int:
    """The degree of an extent as a polynomial in the sizes: 0 for a number."""
    return max((sum(power for _, power in monomial) for monomial, _ in _terms(dim)), default=0)


def at_least(dim: Dim, bound: int) -> bool | None:
    """Whether an extent is at least ``bound`` for all sizes (which are never negative): true, false, or not known."""
    terms = dict(_terms(dim))
    constant = terms.pop((), 0)
    # What an atom's divisor is where it is 0 does not matter: then there is no extent.
    known = all(isinstance(a, str) or all(at_least(part, 0) for part in a) for term in terms for a, _ in term)
    if known and constant >= bound and all(count > 0 for count in terms.values()):
        return True
    return False if known and constant < bound and all(count < 0 for count in terms.values()) else None


def positive(dim: Dim) -> Dim:
    """The terms of an extent that are not subtracted."""
    return _normal({monomial: count for monomial, count in _terms(dim) if count > 0})


# Text ----------------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(rf"[ \t]*(?:([0-9]+)|({_NAME})|(//|[-+*^()]))")
# `~` is a minus before its operand.
_PRECEDENCE: Final = {"(": 0, "+": 1, "-": 1, "*": 2, "//": 2, "~": 2, "^": 3}


def parse(text: str) -> Dim:
    """The extent that ``str`` printed, or that another text in that notation says; raises ValueError for what is none.

    ``^`` takes a number on its right and groups from there, the others from the left.
    """
    if len(text) > MAX_TEXT:
        _refuse(f"{MAX_TEXT} characters")
    # Operator precedence with two stacks, so that no depth of parentheses recurses.
    values: list[Dim] = []
    waiting: list[str] = []
    operand = True
    at, end = 0, len(text.rstrip(" \t"))
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            _reject(text)
        at = found.end()
        number, name, sign = found.groups()
        if sign is None:
            if not operand or not (number or is_name(name)):
                _reject(text)
            if number and (len(number) > 19 or int(number) >= MAX_COUNT):
                _refuse("63 bits in a number")
            values.append(int(number) if number else named(name))
            operand = False
        elif operand:
            if sign not in ("-", "("):
                _reject(text)
            waiting.append("~" if sign == "-" else sign)
        elif sign == ")":
            _add_up(values, waiting)
            if not waiting:
                _reject(text)
            waiting.pop()
        elif sign == "(":
            _reject(text)
        else:
            # Sums wait for their end, to be added in one go.
            _apply(values, waiting, 4 if sign == "^" else 2)
            waiting.append(sign)
            operand = True
    if operand:
        _reject(text)
    _add_up(values, waiting)
    if waiting:
        _reject(text)
    return values[0]


def _reject(text: str) -> NoReturn:
    raise ValueError(f"no extent: {text[:80]!r}")


def _apply(values: list[Dim], waiting: list[str], least: int) -> None:
    """Take the operators on top of the stack that bind at least so tightly."""
    while waiting and _PRECEDENCE[waiting[-1]] >= least:
        sign = waiting.pop()
        right = values.pop()
        if sign == "~":
            found = -right
        elif sign == "*":
            found = values.pop() * right
        elif sign == "^":
            found = _power(values.pop(), right)
        elif right == 0:
            raise ValueError("a size is divided by zero")
        else:
            found = divide(values.pop(), right)
        if isinstance(found, int) and not -MAX_COUNT <= found < MAX_COUNT:
            _refuse("63 bits in a number")
        values.append(found)


def _power(base: Dim, power: Dim) -> Dim:
    if not isinstance(power, int) or power < 0:
        raise ValueError("the power of a size is a whole number")
    if power > MAX_DEGREE:
        _refuse(f"{MAX_DEGREE} factors")
    result: Dim = 1
    for _ in range(power):
        result = base * result
    return result


def _add_up(values: list[Dim], waiting: list[str]) -> None:
    """Make one value of the sum since the last parenthesis that is open."""
    _apply(values, waiting, 2)
    if not waiting or waiting[-1] == "(":
        return
    total: dict[Monomial, int] = {}
    while True:
        sign = waiting.pop() if waiting and waiting[-1] != "(" else ""
        for monomial, count in _terms(values.pop()):
            total[monomial] = total.get(monomial, 0) + (-count if sign == "-" else count)
        if not sign:
            values.append(_normal(total))
            return
