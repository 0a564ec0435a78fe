"""Graphs some of whose nodes carry names that a diagram or an explanation gives them."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from typing import Any

from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.op import OpTable
from gradc.ir.types import F64, Type


def atom(name: str, type: Type = F64) -> dict[str, Any]:
    """A node that is a name for nothing but itself."""
    return {"op": "name", "operands": (), "name": name, "type": type}


class Renamed:
    """A graph in which some nodes carry other names."""

    def __init__(self, graph: Graph | Builder, names: MutableMapping[int, dict[str, Any]]) -> None:
        self.data: Mapping[int, dict[str, Any]] = ChainMap(names, graph.data)  # type: ignore[arg-type]
        self.ops: OpTable = graph.ops
        self.names: Mapping[str, int] = graph.names


__all__ = ["Renamed", "atom"]
