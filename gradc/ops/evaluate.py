"""How a node is computed on single numbers: which of a row's evaluations applies, and constants folded by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy

from gradc.ir.op import Op, OpTable


def _single(compute: Callable[..., Any]) -> Callable[..., Any]:
    def run(*operands: Any, **attrs: Any) -> Any:
        with numpy.errstate(all="ignore"):
            return compute(*[numpy.float32(x) if isinstance(x, float) else x for x in operands], **attrs)

    return run


def evaluator(
    row: Op, dtype: str, operand_dtypes: tuple[str, ...], attrs: Mapping[str, Any] | None = None
) -> Callable[..., Any] | None:
    """The function that computes a node with a result of ``dtype`` on Python numbers; None for ops that compute
    nothing.

    A number of an f32 program is a ``numpy.float32``. Integer evaluation raises ``OverflowError`` beyond 64 bits and
    ``ZeroDivisionError``; nothing else raises.
    """
    if dtype == "int" and row.integer is not None:
        return row.integer
    compute = row.scalar
    if "f32" in (dtype, *operand_dtypes) and row.array is not None:
        compute = _single(row.array)
    return partial(compute, **attrs) if attrs and compute is not None else compute


class Constants:
    """The values of the nodes of a graph that are computed from constants alone, each found once."""

    def __init__(self, data: Mapping[int, Mapping[str, Any]], ops: OpTable) -> None:
        self.data = data
        self.ops = ops
        self._known: dict[int, float | int | bool | None] = {}

    def value(self, node: int) -> float | int | bool | None:
        """The value of a node; None if anything else than constants, or no number, is in it."""
        known, data = self._known, self.data
        stack = [node]
        while stack:
            current = stack[-1]
            if current in known:
                stack.pop()
                continue
            # What has no value anywhere among the operands settles the node; the others are looked at first, all
            # at once: one by one, a sum of very many would be read as often.
            operands = data[current]["operands"]
            if any(known.get(operand, current) is None for operand in operands):
                known[current] = None
                continue
            waiting = [operand for operand in operands if operand not in known]
            if waiting:
                stack += waiting
                continue
            known[current] = self._compute(data[current])
        return known[node]

    def _compute(self, entry: Mapping[str, Any]) -> Any:
        if entry["op"] == "const":
            return entry["attrs"]["value"]
        operands = entry["operands"]
        values = [self._known[operand] for operand in operands]
        if entry["op"] == "name":
            return values[0]
        dtypes = tuple(self.data[operand]["type"].dtype for operand in operands)
        row = self.ops[entry["op"]]
        compute = evaluator(row, entry["type"].dtype, dtypes, entry.get("attrs")) if operands else None
        if compute is None:
            return None
        try:
            return compute(*values)
        except (OverflowError, ZeroDivisionError):
            return None


def evaluate_constants(data: Mapping[int, Mapping[str, Any]], ops: OpTable, node: int) -> float | int | bool | None:
    """The value of a node that is computed from constants alone; None if anything else, or no number, is in it."""
    return Constants(data, ops).value(node)
