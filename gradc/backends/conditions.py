"""Whether the condition of a loop hangs on a comparison with a NaN, which is false for all that anybody knows."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any, Final

from gradc.ir.graph import Graph

_CONNECTIVES: Final = frozenset({"and", "or", "not", "select"})


class Condition:
    """The condition of a ``while``, with the nodes of its graph whose values tell at its end what it hung on.

    ``listed`` are its parts, where it is made of several, and the real numbers that these compare.
    """

    def __init__(self, test: Graph) -> None:
        self._test = test
        self.node = test.outputs[0][1]
        # What connects parts, and for each part the numbers that it compares.
        self._joined: set[int] = set()
        self._parts: dict[int, list[int]] = {}
        tested: set[int] = set()
        stack = [self.node]
        while stack:
            node = stack.pop()
            if test.op(node) in _CONNECTIVES and not test.type(node).shape:
                self._joined.add(node)
                stack += test.operands(node)
            else:
                self._parts[node] = _compared(test, node, tested)
        numbers = {number: None for part in self._parts.values() for number in part if number not in tested}
        self.listed = [*(self._parts if self._joined else ()), *numbers]

    def undecided(self, values: Sequence[Any]) -> bool:
        """Whether comparisons with NaN decide the condition; ``values`` are those of ``listed``."""
        if not any(map(isnan, values)):
            return False
        known = dict(zip(self.listed, values, strict=True))
        nans = {node for node, value in known.items() if isnan(value)}
        # None where it would be another for another number.
        truth: dict[int, bool | None] = {}
        for node, numbers in self._parts.items():
            truth[node] = None if nans.intersection(numbers) else bool(known.get(node))
        for node in sorted(self._joined):
            truth[node] = _joined(self._test.op(node), [truth[operand] for operand in self._test.operands(node)])
        return truth[self.node] is None


def _joined(op: str, values: Sequence[bool | None]) -> bool | None:
    """What three-valued logic says. (Kleene, On notation for ordinal numbers, 1938.)"""
    if op == "not":
        return None if values[0] is None else not values[0]
    if op == "select":
        test, then, other = values
        return (then if then == other else None) if test is None else then if test else other
    decides = op == "or"
    return decides if decides in values else None if None in values else not decides


def _compared(test: Graph, part: int, tested: set[int]) -> list[int]:
    """The real numbers that are compared in a part; those tested for NaN, as in ``x == x``, are added to ``tested``."""
    found: list[int] = []
    stack = [part]
    while stack:
        node = stack.pop()
        operands = test.operands(node)
        if test.op(node) in ("eq", "ne") and operands[0] == operands[1]:
            tested.add(operands[0])
            continue
        for operand in operands:
            type = test.type(operand)
            if type.dtype == "bool":
                stack.append(operand)
            elif type.real and type.scalar and test.type(node).dtype == "bool":
                found.append(operand)
    return found
