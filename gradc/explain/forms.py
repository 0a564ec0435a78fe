"""Formulas as sums of products, and how they become a graph again that one would write down so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Protocol

from gradc.ir.builder import Builder
from gradc.ir.sizes import Dim
from gradc.ir.types import SCALARS, Type
from gradc.ops import build

Monomial = tuple[tuple[int, int], ...]
"""A product: factors by their number, each with its exponent, in the order of the numbers."""

Form = dict[Monomial, Fraction]
"""A sum of multiples of products, in the order in which it was written."""

ONE: Final[Monomial] = ()


@dataclass(frozen=True, slots=True)
class Factor:
    """What stands in a product: a name or number (``node``), a function of forms (``op``), or a sum (``form``).

    In a product numbers and names stand before sums, sums before functions.
    """

    order: tuple[int, int, int]
    size: int
    node: int = -1
    op: str = ""
    operands: tuple[Form, ...] = ()
    form: Form | None = None


class Algebra(Protocol):
    """Where the factors of forms are known by their numbers."""

    expand: bool
    factors: list[Factor]

    @property
    def data(self) -> Mapping[int, Mapping[str, Any]]:
        """The nodes that factors stand for."""

    def product_of(self, form: Form) -> tuple[Fraction, Monomial]:
        """A form as one product."""


class Writer:
    """Turns forms into nodes of a builder, as one would write them down."""

    def __init__(self, algebra: Algebra, builder: Builder) -> None:
        self.algebra = algebra
        self.builder = builder
        self.made: dict[int, int] = {}
        # Sums that are factors, as they were first written and with the opposite sign.
        self.sums: dict[int, tuple[int, int]] = {}

    def value(self, form: Form, type: Type) -> int:
        """The node of a form; unless things are to be multiplied out, common factors stand before the whole."""
        if type.real and form and not self.algebra.expand:
            coefficient, monomial = self.algebra.product_of(form)
            form = {monomial: coefficient}
        for number in self._needed(form):
            self._make(number, type)
        return self.sum(form, type)

    def _needed(self, form: Form) -> list[int]:
        """The factors that a form is made of, each behind those that it is made of."""
        needed: set[int] = set()
        stack = [factor for monomial in form for factor, _ in monomial]
        while stack:
            number = stack.pop()
            if number not in needed:
                needed.add(number)
                factor = self.algebra.factors[number]
                inner = factor.operands if factor.form is None else (factor.form,)
                stack += [below for each in inner for monomial in each for below, _ in monomial]
        return sorted(needed)

    def _make(self, number: int, type: Type) -> None:
        builder, data = self.builder, self.algebra.data
        factor = self.algebra.factors[number]
        if factor.form is not None:
            opposite = {monomial: -value for monomial, value in factor.form.items()}
            self.sums[number] = self.sum(factor.form, type), self.sum(opposite, type)
            return
        entry = data[factor.node]
        if factor.op:
            types = [data[operand]["type"] for operand in entry["operands"]]
            operands = tuple(
                self.fitted(self.sum(form, type), type.shape) for form, type in zip(factor.operands, types, strict=True)
            )
            self.made[number] = builder.make(factor.op, operands, entry.get("attrs"))
        elif entry["op"] == "const":
            self.made[number] = builder.constant(entry["attrs"]["value"], SCALARS[entry["type"].dtype])
        elif entry["op"] in ("index", "size"):
            self.made[number] = builder.make(entry["op"], (), entry["attrs"])
        else:
            self.made[number] = builder.input(entry.get("name", ""), entry["type"])

    def sum(self, form: Form, type: Type) -> int:
        """The terms one after the other, the first positive one in front and a number at the end."""
        if not type.real:
            ((monomial, _),) = form.items()
            return self.made[monomial[0][0]]
        type = SCALARS[type.dtype]
        products = [self.product(monomial, value, type) for monomial, value in form.items() if monomial != ONE]
        if ONE in form:
            products.append(self.product(ONE, form[ONE], type))
        if not products:
            return self.builder.constant(0.0, type)
        lead = next((i for i, product in enumerate(products) if not product.negative), 0)
        products.insert(0, products.pop(lead))
        total = self.join(products[0], type)
        for product in products[1:]:
            op = "sub" if product.negative else "add"
            total = self.connect(op, total, self.join(replace(product, negative=False), type))
        return total

    def connect(self, op: str, left: int, right: int) -> int:
        """Two numbers or arrays put together; a single number stands for every element."""
        first, second = (self.builder.type(node).shape for node in (left, right))
        shape = first or second
        return self.builder.apply(op, build.broadcast(self.builder, left, shape), self.fitted(right, shape))

    def fitted(self, node: int, shape: tuple[Dim, ...]) -> int:
        """A single number where an array is due."""
        return node if self.builder.type(node).shape else build.broadcast(self.builder, node, shape)

    def product(self, monomial: Monomial, value: Fraction, type: Type) -> _Product:
        """A product: its sign, its number, what stands above the line and what below."""
        factors = self.algebra.factors
        negative = value < 0
        powers = sorted(monomial, key=lambda power: (factors[power[0]].order, power[0]))
        turned: set[int] = set()
        for number, power in powers:
            form = factors[number].form
            # An odd power of a difference takes the sign in: -2*(y - x) is 2*(x - y).
            if negative and form is not None and power % 2 and min(form.values()) < 0:
                turned.add(number)
                negative = False
        above: list[int] = []
        below: list[int] = []
        for number, power in powers:
            node = self.sums[number][number in turned] if number in self.sums else self.made[number]
            if abs(power) != 1:
                node = self.connect("pow", node, self.builder.constant(float(abs(power)), SCALARS[type.dtype]))
            (above if power > 0 else below).append(node)
        return _Product(negative, abs(value), above, below)

    def join(self, product: _Product, type: Type) -> int:
        """The node of a product, its sign included."""
        builder = self.builder
        top, bottom = product.value, Fraction(1)
        if top.denominator != 1 and not _decimal(top, bool(product.above)):
            top, bottom = Fraction(top.numerator), Fraction(top.denominator)
        negative = product.negative
        above, below = list(product.above), list(product.below)
        if top != 1 or not above:
            above.insert(0, builder.constant(float(-top if negative else top), type))
            negative = False
        if bottom != 1:
            below.insert(0, builder.constant(float(bottom), type))
        node = self._chain(above)
        if below:
            node = self.connect("div", node, self._chain(below))
        return builder.make("neg", (node,)) if negative else node

    def _chain(self, nodes: list[int]) -> int:
        total = nodes[0]
        for node in nodes[1:]:
            total = self.connect("mul", total, node)
        return total


@dataclass(frozen=True, slots=True)
class _Product:
    """A product on its way to paper."""

    negative: bool
    value: Fraction
    above: list[int]
    below: list[int]


def _decimal(value: Fraction, halves: bool) -> bool:
    """Whether a fraction is written with a point: 0.1 and 1.5 are; 1/3 is not, nor is x/2 where there is an x."""
    if halves and value.numerator == 1 and value.denominator & (value.denominator - 1) == 0:
        return False
    text = repr(float(value))
    return len(text) <= 10 and Fraction(Decimal(text)) == value


__all__ = ["ONE", "Factor", "Form", "Monomial", "Writer"]
