"""Runs a program for many rows at once: some inputs get an axis in front, and so do all outputs.

The rows are a free index. Whatever is computed from a mapped input is a family over it, and the index notation does the
rest: no operator needs to know of rows.
"""

from __future__ import annotations

from collections.abc import Collection

from gradc.ir.builder import Builder, replay, transfer
from gradc.ir.graph import Graph
from gradc.ir.sizes import named, names
from gradc.ir.types import typed
from gradc.ops import build


def rows_of(graph: Graph) -> str:
    """The name of the size that counts the rows: one that the graph has no other use for."""
    taken = {name for node in graph.inputs for dim in graph.type(node).shape for name in names(dim)}
    taken |= {graph.name(node) or "" for node in graph.inputs}
    name, count = "rows", 1
    while name in taken:
        name, count = f"rows_{count}", count + 1
    return name


def batch(graph: Graph, mapped: Collection[int]) -> tuple[Graph, dict[int, int]]:
    """The graph that computes every row, and the map from the old nodes to the new.

    ``mapped`` are the inputs that have one value a row; the size ``rows_of(graph)`` counts the rows. Derivative
    requests are expanded before: a derivative of a row by what all rows share is one row's share.
    """
    builder = Builder(graph.ops)
    builder.reserve(graph)
    size = named(rows_of(graph))
    row = builder.fresh("row", size)
    number: dict[int, int] = {}
    for node, data in graph.data.items():
        if node not in mapped:
            number[node] = replay(graph, node, builder, number)
            continue
        builder.span, builder.adjoint_of = data.get("span"), None
        type = data["type"]
        whole = builder.input(data["name"], typed(type.dtype, (size, *type.shape)), kind=data["attrs"]["kind"])
        number[node] = build.access(builder, whole, (None,), [build.index(builder, row)])
    inputs = builder.inputs
    builder.inputs = [inputs[place] for place in _places(graph)]
    builder.span = builder.adjoint_of = None
    for node in {node for _, node in graph.outputs}:
        number[node] = build.tabulate(builder, number[node], [row])
    return transfer(graph, builder, number), number


def _places(graph: Graph) -> list[int]:
    """Where each input, in the order of the declaration, stands in the order of the nodes."""
    order = sorted(graph.inputs)
    return [order.index(node) for node in graph.inputs]
