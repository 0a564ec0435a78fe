"""How a node is computed on single numbers: which of a row's evaluations applies, and constants folded by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy

from gradc.ir.graph import ancestors
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


def evaluate_constants(data: Mapping[int, dict[str, Any]], ops: OpTable, node: int) -> float | int | bool | None:
    """The value of a node that is computed from constants alone; None if anything else, or no number, is in it."""
    values: dict[int, Any] = {}
    for current in sorted(ancestors(data, [node])):
        entry = data[current]
        if entry["op"] == "const":
            values[current] = entry["attrs"]["value"]
            continue
        operands = entry["operands"]
        if entry["op"] == "name":
            values[current] = values[operands[0]]
            continue
        dtypes = tuple(data[operand]["type"].dtype for operand in operands)
        row = ops[entry["op"]]
        compute = evaluator(row, entry["type"].dtype, dtypes, entry.get("attrs")) if operands else None
        if compute is None:
            return None
        try:
            values[current] = compute(*[values[operand] for operand in operands])
        except (OverflowError, ZeroDivisionError):
            return None
    result: float | int | bool = values[node]
    return result
