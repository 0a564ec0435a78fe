"""Which nodes a derivative flows through."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from gradc.ir.builder import Builder
from gradc.ir.graph import Graph

Data = Mapping[int, Mapping[str, Any]]
Nodes: TypeAlias = Builder | Graph
"""A graph, or one under construction."""


def differentiable(data: Data, node: int) -> list[tuple[int, int]]:
    """The operands through which a derivative can flow, as (position, operand)."""
    entry = data[node]
    op = entry["op"]
    if op == "stop_gradient":
        return []
    return [(i, operand) for i, operand in enumerate(entry["operands"]) if data[operand]["type"].smooth]


def active(data: Data, roots: Collection[int], wrt: Collection[int]) -> list[int]:
    """The nodes on a way from one of ``wrt`` to one of the ``roots``, both included, in order of creation.

    Linear in the cone of the roots.
    """
    seen = set(roots)
    stack = list(seen)
    lowest = min(wrt, default=max(seen, default=0))
    while stack:
        for _, operand in differentiable(data, stack.pop()):
            # Nothing older than the oldest target can depend on one.
            if operand >= lowest and operand not in seen:
                seen.add(operand)
                stack.append(operand)
    reached = {node for node in wrt if node in seen}
    order = sorted(seen)
    for node in order:
        if node not in reached and any(operand in reached for _, operand in differentiable(data, node)):
            reached.add(node)
    return [node for node in order if node in reached]
