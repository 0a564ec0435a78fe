"""Dead code elimination: drops the nodes that no output needs. Inputs stay, they are the program's signature."""

from __future__ import annotations

from gradc.ir.dag import Dag, freeze
from gradc.ir.graph import Graph


def dce(graph: Graph) -> tuple[Graph, dict[int, int]]:
    """The graph without dead nodes, and the map from the nodes that live to the new ones; the graph itself if all live.

    A name, an adjoint or a further place of a dead node is forgotten with it.
    """
    live = graph.live()
    if len(live) == len(graph):
        return graph, {node: node for node in graph}
    number: dict[int, int] = {}
    dag = Dag()
    for node, data in graph.data.items():
        if node not in live:
            continue
        new = number[node] = len(number)
        if data["op"] == "input":
            dag.append(new, data)
            continue
        fresh = dict(data)
        fresh["operands"] = tuple([number[operand] for operand in data["operands"]])
        marked = data.get("adjoint_of")
        if marked is not None:
            # What differentiation made stays in its cluster when the node that it belongs to is gone.
            fresh["adjoint_of"] = number.get(marked, new)
        dag.append(new, fresh)
    adjoints = {
        (number[y], number[v], order): number[node]
        for (y, v, order), node in graph.adjoints.items()
        if y in number and v in number and node in number
    }
    shrunk = Graph(
        freeze(dag),
        graph.ops,
        [number[node] for node in graph.inputs],
        [(name, number[node]) for name, node in graph.outputs],
        {name: number[node] for name, node in graph.names.items() if node in number},
        {number[node]: spans for node, spans in graph.spans.items() if node in number},
        adjoints,
        graph.functions,
        graph.constraints,
    )
    return shrunk, number
