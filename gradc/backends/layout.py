"""In which order a plan lays out the axes of families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gradc.ir import sizes as extents
from gradc.ir.graph import Graph
from gradc.ir.types import Index, Type


class Layout:
    """A graph whose types list free indices in the order of a plan's axes: the longest last.

    NumPy's inner loops run along the last axis, so a short one there costs a call of a loop for every few elements.
    Everything else is the graph's own.
    """

    def __init__(self, graph: Graph, sizes: Mapping[str, int]) -> None:
        self.written = graph
        self._sizes = sizes
        self._types: dict[int, Type] = {}
        self._lengths: dict[Index, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.written, name)

    def type(self, node: int) -> Type:
        """The type of a node, its free indices in the order of the axes."""
        found = self._types.get(node)
        if found is None:
            found = self.written.type(node)
            if len(found.free) > 1:
                found = replace(found, free=tuple(sorted(found.free, key=self._place)))
            self._types[node] = found
        return found

    def _place(self, index: Index) -> tuple[int, str]:
        length = self._lengths.get(index)
        if length is None:
            length = self._lengths[index] = extents.evaluate(index.extent, self._sizes)
        return length, index.name
