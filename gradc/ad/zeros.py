"""Which values are 0 whatever the inputs are: adjoints of elements that nothing reads, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from gradc.ad.reach import Array, Reach, library, matrix
from gradc.ad.spread import Spread
from gradc.ir.graph import Graph

PRODUCT: Final = "mul"
"""What is 0 where one of its operands is."""
QUOTIENT: Final = "div"
"""What is 0 where its first operand is."""

# Operators whose result is 0 where all their real operands are.
_ALL = frozenset({"name", "stop_gradient", "neg", "add", "sub", "select"})


def gentle(graph: Graph, node: int) -> bool:
    """Whether a node is 0 wherever its real operands are."""
    row = graph.ops[graph.op(node)]
    if row.kind == "region":
        return False
    one = sum(graph.type(operand).real for operand in graph.operands(node)) == 1 and row.linear == "each"
    return row.name in _ALL or row.name in (PRODUCT, QUOTIENT) or row.linear == "joint" or one


def below(graph: Graph, nodes: Iterable[int]) -> list[int]:
    """The nodes, and what decides where they are 0, in order of creation."""
    seen = set(nodes)
    stack = list(seen)
    while stack:
        node = stack.pop()
        if not gentle(graph, node):
            continue
        for operand in graph.operands(node):
            if operand not in seen and graph.type(operand).real:
                seen.add(operand)
                stack.append(operand)
    return sorted(seen)


class Zeros(Spread):
    """Which elements of some nodes are 0."""

    def __init__(self, graph: Graph, sizes: Mapping[str, int], values: Mapping[int, Array]) -> None:
        super().__init__(graph, sizes, values, library().csr_array((1, 1), dtype=bool))

    def find(self, nodes: Sequence[int], given: Mapping[int, Array]) -> dict[int, Array]:
        """Numbers of rows, -1 for a 0 and 0 for any other number, of the nodes that have zeros.

        ``given`` has those of some of the inputs.
        """
        graph = self.graph
        found: dict[int, Reach] = {}
        rows = matrix(np.ones(1, bool), np.zeros(1, int), np.zeros(1, int), (2, 1))
        for node in nodes:
            anything = Reach(rows, np.zeros((1,) * len(self.full(node)), int))
            if node in given:
                found[node] = Reach(rows, given[node])
                continue
            if graph.op(node) == "const":
                found[node] = anything if graph.constant(node) else self.nothing(node)
                continue
            if not gentle(graph, node):
                found[node] = anything
                continue
            positions = [at for at, operand in enumerate(graph.operands(node)) if graph.type(operand).real]
            sources = {
                at: found[graph.operands(node)[at]] for at in positions[: 1 if graph.op(node) == QUOTIENT else None]
            }
            if graph.op(node) == PRODUCT:
                free = graph.type(node).free
                parts = [
                    self.aligned(sources[at].ids, graph.type(graph.operands(node)[at]).free, free) for at in positions
                ]
                made = Reach(rows, np.minimum(*parts))
            else:
                made = self.step(node, {at: each for at, each in sources.items() if np.any(each.ids >= 0)})
            ids = np.where(np.diff(made.rows.indptr)[made.ids] > 0, 0, -1)
            found[node] = anything if np.all(ids == 0) else Reach(rows, ids)
        return {node: each.ids for node, each in found.items() if np.any(each.ids < 0)}
