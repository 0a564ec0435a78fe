"""The streaming pass: folds, rewrites, merges equal nodes and dissolves names while it copies a graph.

One walk in creation order through an optimising builder. Rules apply to what rules make, so that a second walk rarely
finds more to do. Nodes that are no longer used are left for ``dce``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from gradc.ir.builder import Builder, replay, transfer
from gradc.ir.graph import Graph, graphs
from gradc.rules.rewrite import Firing, Rules, simplifier

REQUESTS: Final = frozenset({"grad", "jvp", "vjp"})


def targets(graph: Graph) -> frozenset[int]:
    """The nodes that derivative requests differentiate with respect to: a name among them is not the value it names."""
    found: set[int] = set()
    for data in graph.data.values():
        if data["op"] in REQUESTS:
            found.add(data["operands"][1])
        for value in data["attrs"].values() if "attrs" in data else ():
            if isinstance(value, Graph):
                found.update(_from_outside(value, data["operands"]))
    return frozenset(found)


def _from_outside(body: Graph, operands: Sequence[int]) -> Iterator[int]:
    """The operands of a region with respect to which its body differentiates. They are the last of its inputs."""
    inner = targets(body)
    for place, node in enumerate(reversed(body.inputs[-len(operands) :] if operands else ()), start=1):
        if node in inner:
            yield operands[-place]


def pending(graph: Graph) -> bool:
    """Whether the graph is not yet one that can be run: derivative requests or calls are to be expanded."""
    return any(data["op"] in REQUESTS or data["op"] == "call" for each in graphs(graph) for data in each.data.values())


def simplify(
    graph: Graph,
    rules: Rules | None = None,
    *,
    fold: bool = False,
    commute: bool = False,
    dissolve: bool = False,
    keep: Collection[str] = (),
    fired: list[Firing] | None = None,
    waiting: bool = False,
) -> tuple[Graph, dict[int, int]]:
    """The simplified graph and the map from the old nodes to the new; the graph itself where nothing changes.

    ``fold`` computes what depends on constants alone, ``commute`` orders the operands of commutative operators,
    ``dissolve`` puts values in the place of their names, but for the names in ``keep``. Equal nodes are merged in any
    case. What fires is appended to ``fired``. Linear in the graph.

    While derivative requests or calls are present, or ``waiting`` says so of the graph around a body, the names that
    requests differentiate with respect to stay, so does every ``stop_gradient``, and operands stay in their order, on
    which the derivative at ties depends.
    """
    waiting = waiting or pending(graph)
    kept = targets(graph) if waiting else frozenset()
    hook = None
    shared: set[int] = set()
    if rules is not None or fold or commute:
        hook = simplifier(rules, graph.ops, fold=fold, commute=commute and not waiting, shared=shared, fired=fired)
    builder = Builder(graph.ops, hook)
    number: dict[int, int] = {}
    made = builder.data
    users = graph.nx._succ
    results = {node for _, node in graph.outputs}
    images: set[int] = set()
    same = True
    for node, data in graph.data.items():
        op = data["op"]
        if dissolve and op == "name":
            identity = node not in kept and data["name"] not in keep
        else:
            identity = dissolve and op == "stop_gradient" and not waiting
        new = number[data["operands"][0]] if identity else replay(graph, node, builder, number)
        number[node] = new
        if len(users[node]) > 1 or new in images or node in results:
            shared.add(new)
        images.add(new)
        if same:
            other = made[new]
            same = new == node and other["op"] == op and other["operands"] == data["operands"]
    if same:
        return graph, number
    return transfer(graph, builder, number), number
