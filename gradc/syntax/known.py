"""What is known of values at compile time: numbers, truth values, and which arguments are the same."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, Final

from gradc.ir import sizes
from gradc.ir.builder import Builder
from gradc.ir.sizes import Dim, TooLarge
from gradc.ops.evaluate import Constants
from gradc.syntax.apply import COMPARISONS
from gradc.syntax.scope import Poison, Value, Weak

# Sums of more names than this are compared as the nodes that they are.
_MOST_TERMS: Final = 16

_SIZED: Final = frozenset({"add", "sub", "mul", "neg", "floordiv"})
_COMPARED: Final = frozenset(COMPARISONS.values())

Terms = tuple[tuple[int, float], ...]
"""Nodes with names, in their order, each with its factor: a value is their sum plus a number."""


class Known:
    """What is known of the values of one builder. Each node is looked at once, however often it is asked about."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.constants = Constants(builder.data, builder.ops)
        self._truths: dict[int, bool | None] = {}
        self._dims: dict[int, Dim | None] = {}
        self._terms: dict[int, Terms] = {}

    def truth(self, value: Value | tuple[Value, ...]) -> bool | None:
        """What a condition is whatever the data of a call; None where that decides, or where it is no condition."""
        if not isinstance(value, int):
            return None
        type = self.builder.type(value)
        if type.dtype != "bool" or type.shape:
            return None
        known = self._truths
        for node in self._unseen(value, known, lambda entry: entry["op"] in ("and", "or", "not", "name")):
            known[node] = self._truth(node)
        return known[value]

    def _truth(self, node: int) -> bool | None:
        entry = self.builder.data[node]
        op, operands = entry["op"], entry["operands"]
        if op in ("and", "or"):
            found = [self._truths[operand] for operand in operands]
            ends = op == "or"
            return ends if ends in found else None if None in found else not ends
        if op == "not":
            inner = self._truths[operands[0]]
            return None if inner is None else not inner
        if op == "name":
            return self._truths[operands[0]]
        constant = self.constants.value(node)
        if constant is None and op in _COMPARED:
            return self._compared(op, *operands)
        return None if constant is None else bool(constant)

    def _compared(self, op: str, left: int, right: int) -> bool | None:
        """A comparison of sizes that has the same result for all of them."""
        first, second = self._dim(left), self._dim(right)
        if first is None or second is None:
            return None
        try:
            more, less = first - second, second - first
        except TooLarge:
            return None
        if op in ("gt", "lt"):
            return sizes.at_least(more if op == "gt" else less, 1)
        if op in ("ge", "le"):
            return sizes.at_least(more if op == "ge" else less, 0)
        same = True if more == 0 else False if sizes.at_least(more, 1) or sizes.at_least(less, 1) else None
        return same if op == "eq" or same is None else not same

    def _dim(self, node: int) -> Dim | None:
        """The extent that an integer made of sizes is. An int input is none: it may be less than 0."""
        known = self._dims
        for each in self._unseen(node, known, lambda entry: entry["op"] in _SIZED or entry["op"] == "name"):
            known[each] = self._dim_of(each)
        return known[node]

    def _dim_of(self, node: int) -> Dim | None:
        entry = self.builder.data[node]
        op = entry["op"]
        if entry["type"].dtype != "int" or entry["type"].shape:
            return None
        if op == "size":
            size: Dim = entry["attrs"]["size"]
            return size
        constant = self.constants.value(node)
        if constant is not None:
            return int(constant)
        if op not in _SIZED and op != "name":
            return None
        parts = [self._dims[operand] for operand in entry["operands"]]
        sound = [part for part in parts if part is not None]
        if len(sound) < len(parts):
            return None
        left, right = sound[0], sound[-1]
        try:
            if op == "floordiv":
                return None if right == 0 else sizes.divide(left, right)
            if op == "add" or op == "sub":
                return left + right if op == "add" else left - right
            return left * right if op == "mul" else -left if op == "neg" else left
        except TooLarge:
            return None

    def _unseen(self, node: int, known: dict[int, Any], enters: Any) -> Sequence[int]:
        """The nodes that are to be found out about, operands first; those of a node are looked at if it ``enters``."""
        order: list[int] = []
        stack = [node]
        begun: set[int] = set()
        while stack:
            current = stack.pop()
            if current < 0:
                order.append(~current)
            elif current not in known and current not in begun:
                begun.add(current)
                stack.append(~current)
                entry = self.builder.data[current]
                if enters(entry):
                    stack += entry["operands"]
        return order

    # Arguments -----------------------------------------------------------------------------------------------------

    def key(self, value: Value | None) -> Hashable:
        """What equal arguments have in common, however they were computed: ``n - 1 - 1`` is ``n - 2``.

        That of a whole number hangs on the names in it, too, for a derivative by these may be asked for.
        """
        if isinstance(value, Weak):
            return value.exact, math.copysign(1.0, value.real), self._named(value)
        if isinstance(value, int) and self.builder.type(value).dtype == "int":
            dim = self._dim(value)
            return value if dim is None else ("extent", dim)
        return value if value is None or isinstance(value, int) else "in error"

    def plain(self, value: Value) -> Value:
        """The value without the way in which it was computed from numbers, if nothing else is in it."""
        if isinstance(value, Poison):
            return value
        if isinstance(value, Weak):
            return value if self._named(value) else Weak(value.exact, value.real)
        type = self.builder.type(value)
        if type.shape or type.real:
            return value
        constant = self.constants.value(value)
        return value if constant is None else self.builder.constant(constant, type)

    def _named(self, value: Weak) -> Terms:
        if value.node is None:
            return ()
        known = self._terms
        for node in self._unseen(value.node, known, lambda entry: entry["op"] != "name"):
            known[node] = self._terms_of(node)
        return known[value.node]

    def _terms_of(self, node: int) -> Terms:
        entry = self.builder.data[node]
        op, operands = entry["op"], entry["operands"]
        parts = [() if op == "name" else self._terms[operand] for operand in operands]
        if op != "name" and not any(parts):
            return ()
        found: dict[int, float] = {node: 1.0}
        if op in ("add", "sub", "neg"):
            signs = (-1,) if op == "neg" else (1, 1 if op == "add" else -1)
            found = {}
            for sign, part in zip(signs, parts, strict=True):
                for each, factor in part:
                    found[each] = found.get(each, 0) + sign * factor
        elif op == "mul" and not all(parts):
            by = self.constants.value(operands[0 if parts[1] else 1])
            if by is not None:
                found = {each: factor * by for each, factor in parts[0] or parts[1]}
        terms = tuple(sorted((each, factor) for each, factor in found.items() if factor))
        return terms if len(terms) <= _MOST_TERMS else ((node, 1.0),)
