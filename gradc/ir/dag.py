"""The storage of a graph: a ``networkx.DiGraph`` whose nodes are appended, and then frozen.

A node is an integer, numbered in creation order, which is a topological order. An edge runs from operand to user and
carries ``positions``, the places where the operand stands in the user's tuple of operands.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import networkx

Positions: TypeAlias = Mapping[str, tuple[int, ...]]


def _positions(*places: int) -> Positions:
    return MappingProxyType({"positions": places})


# Edge data are read-only, so edges may share them: the positions of nearly all edges are one of a few tuples.
_FIRST, _SECOND, _BOTH = _positions(0), _positions(1), _positions(0, 1)


class Dag(networkx.DiGraph):  # type: ignore[misc]
    """A DiGraph with a quicker way to append a node together with its incoming edges."""

    def append(self, node: int, data: Mapping[str, Any]) -> None:
        """Add ``node``, a number not yet in the graph, and the edges that ``data['operands']`` calls for."""
        incoming: dict[int, Positions] = {}
        self._node[node] = data
        self._succ[node] = {}
        self._pred[node] = incoming
        operands = data["operands"]
        count = len(operands)
        if count == 1:
            incoming[operands[0]] = self._succ[operands[0]][node] = _FIRST
        elif count == 2:
            first, second = operands
            if first == second:
                incoming[first] = self._succ[first][node] = _BOTH
            else:
                incoming[first] = self._succ[first][node] = _FIRST
                incoming[second] = self._succ[second][node] = _SECOND
        elif count:
            places: dict[int, list[int]] = {}
            for position, operand in enumerate(operands):
                places.setdefault(operand, []).append(position)
            for operand, taken in places.items():
                incoming[operand] = self._succ[operand][node] = _positions(*taken)

    def branch(self) -> Dag:
        """A graph with the same nodes that can grow, made from a frozen one without making the nodes again."""
        grown = Dag()
        grown._node.update(self._node)
        # What a node's operands are does not change; who uses it may.
        grown._pred.update(self._pred)
        grown._succ.update((node, users.copy()) for node, users in self._succ.items())
        return grown


def freeze(dag: Dag) -> Dag:
    """Make every way of changing ``dag`` or what its nodes say an error, and return it.

    networkx freezes nodes and edges and leaves the attributes open; a graph that others share must not change in them.
    """
    nodes = dag._node
    for node, data in nodes.items():
        if data.__class__ is not dict:
            # Shared with the graph that this one was made from.
            continue
        attrs = data.get("attrs")
        if attrs.__class__ is dict:
            data["attrs"] = MappingProxyType(attrs)
        nodes[node] = MappingProxyType(data)
    frozen: Dag = networkx.freeze(dag)
    # networkx has put a function that raises in the place of its own methods.
    frozen.append = frozen.add_node  # type: ignore[method-assign]
    return frozen
