"""School algebra for formulas that people read: like terms are collected and common factors pulled out.

What comes out is shown, never run: it equals the original over the real numbers wherever that is defined, but rounds
differently and may be defined where the original is not (x/x is 1). Numbers are exact fractions here, so that 0.1 + 0.2
is 0.3. Effort and result are bounded: a formula that would become too long to read is given up.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final

from gradc.ad.reads import tells_only
from gradc.backends.expression import Nodes, expression
from gradc.explain.forms import ONE, Factor, Form, Monomial, Writer
from gradc.ir.builder import Builder
from gradc.ir.op import bound
from gradc.ir.types import Index
from gradc.ops.evaluate import evaluator

# Nodes that are looked at, terms of a sum, symbols of a formula, bits of a number: beyond these it is given up.
MAX_NODES: Final = 4_000
MAX_TERMS: Final = 40
MAX_SIZE: Final = 300
MAX_BITS: Final = 900
# Terms that multiplying out may give.
MAX_PRODUCT: Final = 16
_MAX_EXPONENT: Final = 64
# Bits of a number that is calculated with; one with more digits stays as it is, like a name.
_EXACT: Final = 36


class TooLarge(Exception):
    """The formula is longer than anybody would read, or holds what school algebra does not know."""


def normalise(
    graph: Nodes,
    node: int,
    atoms: Collection[int],
    *,
    same: Mapping[int, int] | None = None,
    expand: bool = False,
) -> tuple[Builder, int]:
    """The simplified value of ``node``, in a graph of its own in which the ``atoms`` that it needs are inputs.

    ``same`` maps atoms to those that they stand for. With ``expand`` products of sums are multiplied out where that
    stays short. Raises ``TooLarge``.
    """
    algebra = _Algebra(graph, atoms, same or {}, expand)
    form = algebra.form_of(node)
    builder = Builder(graph.ops)
    return builder, Writer(algebra, builder).value(form, graph.data[node]["type"])


def shortest(
    graph: Nodes, node: int, atoms: Collection[int], *, same: Mapping[int, int] | None = None, limit: int
) -> tuple[str, str] | None:
    """The simplified value in source form and as people write it: factored, unless multiplied out it is much shorter.

    None where it would be longer than ``limit`` characters.
    """
    best: tuple[str, str] | None = None
    for expand in (False, True):
        try:
            builder, made = normalise(graph, node, atoms, same=same, expand=expand)
        except TooLarge:
            # Multiplied out it would be longer still.
            break
        text = expression(builder, made, limit=limit)
        if len(text) <= limit and not text.endswith("…") and (best is None or len(text) < 0.75 * len(best[0])):
            best = text, expression(builder, made, pretty=True, limit=limit)
    return best


def _exact(value: float) -> Fraction | None:
    """A number as the fraction that its shortest spelling says; None where that is unwieldy."""
    fraction = Fraction(Decimal(repr(value)))
    small = fraction.numerator.bit_length() <= _EXACT and fraction.denominator.bit_length() <= _EXACT
    return fraction if small else None


class _Algebra:
    """Turns the nodes of a graph into forms."""

    def __init__(self, graph: Nodes, atoms: Collection[int], same: Mapping[int, int], expand: bool) -> None:
        self.graph = graph
        self.data = graph.data
        self.atoms = atoms
        self.same = same
        self.expand = expand
        self.factors: list[Factor] = []
        self._number: dict[object, int] = {}

    # Walking the graph -----------------------------------------------------------------------------------------------

    def form_of(self, node: int) -> Form:
        """The form of a node's value."""
        data = self.data
        seen, stack = {node}, [node]
        while stack:
            current = stack.pop()
            if self._stops(current):
                continue
            for operand in data[current]["operands"]:
                if operand not in seen:
                    seen.add(operand)
                    stack.append(operand)
            if len(seen) > MAX_NODES:
                raise TooLarge
        forms: dict[int, Form] = {}
        for current in sorted(seen):
            form = forms[current] = self._step(current, forms)
            if len(form) > MAX_TERMS or self.size(form) > MAX_SIZE:
                raise TooLarge
        return forms[node]

    def _stops(self, node: int) -> bool:
        return node in self.atoms or self.data[node]["op"] == "input"

    def _step(self, node: int, forms: Mapping[int, Form]) -> Form:
        entry = self.data[node]
        op = entry["op"]
        if self._stops(node):
            return self.single(self.atom(self.same.get(node, node)))
        operands = [forms[operand] for operand in entry["operands"]]
        if op in ("name", "stop_gradient"):
            return operands[0]
        if not entry["type"].real:
            return self.opaque(node, operands)
        if op == "const":
            return self.constant(node, entry["attrs"]["value"], entry["type"].dtype)
        if op == "add":
            return self.add(operands[0], operands[1])
        if op == "sub":
            return self.add(operands[0], self.scale(operands[1], Fraction(-1)))
        if op == "neg":
            return self.scale(operands[0], Fraction(-1))
        if op == "mul":
            return self.multiply(operands[0], operands[1])
        if op == "div" and any(operands[1].values()):
            return self.multiply(operands[0], self.power(operands[1], -1))
        if op == "pow" and (exponent := self._whole(operands[1])) is not None:
            if exponent >= 0 or any(operands[0].values()):
                return self.power(operands[0], exponent)
        elif op == "select" and (operands[1] == operands[2] or tells_only(self.data, entry["operands"][0])):
            return operands[1]
        elif op == "broadcast" and not self._extended(entry["operands"][0]):
            # A single number stands for every element.
            return operands[0]
        elif op == "reshape" and not self.data[entry["operands"][0]]["type"].shape:
            return operands[0]
        elif op == "access":
            return self.elements(node, operands)
        return self.opaque(node, operands)

    def _extended(self, node: int) -> bool:
        """Whether it has an extent other than 1."""
        return any(dim != 1 for dim in self.data[node]["type"].shape)

    def elements(self, node: int, operands: list[Form]) -> Form:
        """What an access reads: a sum of products of what it reads from each factor."""
        total: Form = {}
        for monomial, value in operands[0].items():
            product: Form = {ONE: value}
            for number, power in monomial:
                product = self.multiply(product, self.power(self._element(node, number, operands), power))
            total = self.add(total, product)
        return total

    def substituted(self, form: Form, by: Mapping[Index, Form]) -> Form | None:
        """A form with other forms in the place of indices; None where an index in them would get another meaning."""
        total: Form = {}
        for monomial, value in form.items():
            product: Form = {ONE: value}
            for number, power in monomial:
                found = self._replaced(number, by)
                if found is None:
                    return None
                product = self.multiply(product, self.power(found, power))
            total = self.add(total, product)
        return total

    def _replaced(self, number: int, by: Mapping[Index, Form]) -> Form | None:
        factor = self.factors[number]
        if factor.form is not None:
            return self.substituted(factor.form, by)
        entry = self.data[factor.node]
        attrs = entry.get("attrs") or {}
        if entry["op"] == "index":
            return by.get(attrs["index"], self.single(number))
        if not factor.op:
            return self.single(number)
        names = {index.name for index in bound(attrs)}
        if names and any(names & self._indices(form) for form in by.values()):
            return None
        operands = [self.substituted(form, by) for form in factor.operands]
        if any(operand is None for operand in operands):
            return None
        return self.opaque(factor.node, [operand for operand in operands if operand is not None])

    def _indices(self, form: Form) -> set[str]:
        """The names of the indices in a form."""
        found: set[str] = set()
        for monomial in form:
            for number, _ in monomial:
                factor = self.factors[number]
                if factor.form is not None:
                    found |= self._indices(factor.form)
                else:
                    found |= {index.name for index in self.data[factor.node]["type"].free}
        return found

    def _element(self, node: int, number: int, operands: list[Form]) -> Form:
        factor = self.factors[number]
        if factor.form is not None:
            return self.elements(node, [factor.form, *operands[1:]])
        entry = self.data[factor.node]
        if not entry["type"].shape:
            return self.single(number)
        if factor.op == "tabulate" and len(operands) == len(entry["attrs"]["indices"]) + 1:
            found = self.substituted(
                factor.operands[0], dict(zip(entry["attrs"]["indices"], operands[1:], strict=True))
            )
            if found is not None:
                return found
        return self.opaque(node, [self.single(number), *operands[1:]])

    @staticmethod
    def _whole(form: Form) -> int | None:
        value = _number_in(form)
        if value is None or value.denominator != 1 or abs(value) > _MAX_EXPONENT:
            return None
        return int(value)

    # Factors ---------------------------------------------------------------------------------------------------------

    def _factor(self, key: object, factor: Factor) -> int:
        number = self._number.get(key)
        if number is None:
            number = self._number[key] = len(self.factors)
            self.factors.append(factor)
        return number

    def single(self, factor: int) -> Form:
        """A form of one factor."""
        return {((factor, 1),): Fraction(1)}

    def atom(self, node: int) -> int:
        """A name or a number that stays as it is."""
        constant = self.data[node]["op"] == "const"
        return self._factor(("atom", node), Factor((0, -1 if constant else node, node), 1, node=node))

    def constant(self, node: int, value: float, dtype: str) -> Form:
        """A number, exact where it can be written shortly."""
        if not math.isfinite(value):
            raise TooLarge
        if value in (math.pi, math.e):
            return self.single(self.atom(node))
        if dtype == "f32":
            from numpy import float32

            value = float(str(float32(value)))
        exact = _exact(value)
        return self.single(self.atom(node)) if exact is None else ({ONE: exact} if exact else {})

    def opaque(self, node: int, operands: list[Form]) -> Form:
        """A function of forms, about which nothing more is known; its value where that is a whole number."""
        entry = self.data[node]
        op = entry["op"]
        if op == "const":
            return self.single(self.atom(node))
        values = [_number_in(form) for form in operands]
        if entry["type"].real and self.graph.ops[op].elementwise and all(value is not None for value in values):
            folded = self._fold(node, [float(value or 0) for value in values])
            if folded is not None:
                return {ONE: folded} if folded else {}
        # What a form of numbers alone is an array of, the text of a number does not say.
        types = tuple(self.data[operand]["type"].shape for operand in entry["operands"])
        attrs = tuple(sorted((entry.get("attrs") or {}).items()))
        key = (op, attrs, types, tuple(_key(form) for form in operands))
        size = 1 + sum(self.size(form) for form in operands)
        first = min((self.first(form) for form in operands), default=node)
        return self.single(self._factor(key, Factor((2, first, node), size, node, op, tuple(operands))))

    def _fold(self, node: int, values: list[float]) -> Fraction | None:
        entry = self.data[node]
        types = tuple(self.data[operand]["type"] for operand in entry["operands"])
        if not all(type.real for type in types):
            return None
        compute = evaluator(self.graph.ops[entry["op"]], "f64", tuple("f64" for _ in types), None)
        value = compute(*values) if compute is not None else math.nan
        return Fraction(int(value)) if math.isfinite(value) and value == int(value) and abs(value) < 1e6 else None

    def first(self, form: Form) -> int:
        """The first name in a form, by which forms stand in order."""
        return min((self.factors[factor].order[1] for monomial in form for factor, _ in monomial), default=1 << 60)

    def size(self, form: Form) -> int:
        """How many symbols it takes to write a form."""
        return sum(1 + sum(self.factors[factor].size for factor, _ in monomial) for monomial in form)

    # Arithmetic ------------------------------------------------------------------------------------------------------

    def scale(self, form: Form, by: Fraction) -> Form:
        """A multiple of a form."""
        return {monomial: self._bounded(by * value) for monomial, value in form.items()} if by else {}

    @staticmethod
    def _bounded(value: Fraction) -> Fraction:
        if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
            raise TooLarge
        return value

    def add(self, a: Form, b: Form) -> Form:
        """The sum, like terms collected."""
        # x*s + s is x*s + 1*s where s is a sum, and so has a common factor.
        a, b = self._alike(a, b), self._alike(b, a)
        total = dict(a)
        for monomial, value in b.items():
            added = total.get(monomial, Fraction(0)) + value
            if added:
                total[monomial] = self._bounded(added)
            else:
                total.pop(monomial, None)
        return total

    def _alike(self, form: Form, other: Form) -> Form:
        if len(form) < 2 or not other:
            return form
        coefficient, monomial = self.product_of(form)
        used = {factor for term in other for factor, _ in term}
        if any(factor in used and self.factors[factor].form is not None for factor, _ in monomial):
            return {monomial: coefficient}
        return form

    def product_of(self, form: Form) -> tuple[Fraction, Monomial]:
        """A form as one product: its common factors and, where more than one term is left, their sum as a factor."""
        if not form:
            return Fraction(0), ONE
        if len(form) == 1:
            ((monomial, value),) = form.items()
            return value, monomial
        common = dict(next(iter(form)))
        for monomial in form:
            powers = dict(monomial)
            for factor in list(common):
                power = powers.get(factor, 0)
                # Only what all have above or all have below the line is common to them.
                low, high = min(common[factor], power), max(common[factor], power)
                common[factor] = low if low > 0 else high if high < 0 else 0
                if not common[factor]:
                    del common[factor]
        shared = tuple(sorted(common.items()))
        inverse = tuple((factor, -power) for factor, power in shared)
        content = _content(form.values())
        rest = {_times(monomial, inverse): value / content for monomial, value in form.items()}
        # x - y and y - x are one factor, written as it was first written, with one sign or the other before it.
        key = frozenset(rest.items())
        opposite = self._number.get(("sum", frozenset((monomial, -value) for monomial, value in key)))
        if opposite is not None:
            return -content, _times(shared, ((opposite, 1),))
        order = (1, self.first(rest), len(self.factors))
        number = self._factor(("sum", key), Factor(order, self.size(rest), form=rest))
        return content, _times(shared, ((number, 1),))

    def multiply(self, a: Form, b: Form) -> Form:
        """The product; sums in it stay factors, unless they are to be multiplied out."""
        if self.expand and len(a) * len(b) <= MAX_PRODUCT:
            total: Form = {}
            for left, x in a.items():
                for right, y in b.items():
                    total = self.add(total, {_times(left, right): self._bounded(x * y)})
            return total
        for one, other in ((a, b), (b, a)):
            value = _number_in(one)
            if value is not None and (abs(value) == 1 or not value):
                return self.scale(other, value)
        (x, left), (y, right) = self.product_of(a), self.product_of(b)
        return {_times(left, right): self._bounded(x * y)} if x and y else {}

    def power(self, form: Form, exponent: int) -> Form:
        """A whole power."""
        if exponent == 1:
            return form
        if self.expand and exponent > 0 and len(form) ** exponent <= MAX_PRODUCT:
            result: Form = {ONE: Fraction(1)}
            for _ in range(exponent):
                result = self.multiply(result, form)
            return result
        value, monomial = self.product_of(form)
        if max(value.numerator.bit_length(), value.denominator.bit_length()) * abs(exponent) > MAX_BITS:
            raise TooLarge
        powers = tuple((factor, power * exponent) for factor, power in monomial) if exponent else ONE
        result_value = value**exponent
        return {powers: result_value} if result_value else {}


def _number_in(form: Form) -> Fraction | None:
    """The number that a form is; None if there is more in it."""
    if not form:
        return Fraction(0)
    return form[ONE] if len(form) == 1 and ONE in form else None


def _key(form: Form) -> frozenset[tuple[Monomial, Fraction]]:
    return frozenset(form.items())


def _times(a: Monomial, b: Monomial) -> Monomial:
    if not a or not b:
        return a or b
    powers = dict(a)
    for factor, power in b:
        powers[factor] = powers.get(factor, 0) + power
    return tuple(sorted((factor, power) for factor, power in powers.items() if power))


def _content(values: Collection[Fraction]) -> Fraction:
    """The number that is taken out of a sum: the greatest that leaves whole numbers whole, or what all terms share."""
    sizes = {abs(value) for value in values}
    if all(size.denominator == 1 for size in sizes):
        content = Fraction(math.gcd(*(size.numerator for size in sizes)))
    else:
        content = sizes.pop() if len(sizes) == 1 else Fraction(1)
    return -content if all(value < 0 for value in values) else content


__all__ = ["TooLarge", "normalise", "shortest"]
