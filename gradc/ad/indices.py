"""Where programs read and write: the values of the indices that sizes, other indices and integers of a call give."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gradc.ad.dependence import REGIONS
from gradc.ad.reach import Array
from gradc.errors import CallError
from gradc.ir.builder import Builder, replay
from gradc.ir.graph import Graph, ancestors
from gradc.ir.region import Loop
from gradc.ir.types import typed
from gradc.ops import build

Run = Callable[[Sequence[Any]], Sequence[Array]]
"""The inputs of a graph over integers to its outputs, each with an axis for a free index in front of its own."""
Plan = Callable[[Graph], Run]
"""Makes ready to run a graph over integers."""


def known(graph: Graph, given: Collection[int]) -> set[int]:
    """The nodes that are computed from sizes, indices and the inputs ``given`` alone."""
    found: set[int] = set()
    for node, data in graph.data.items():
        leaf = data["op"] in ("index", "size", "const") or node in given
        if leaf or (data["operands"] and found.issuperset(data["operands"])):
            found.add(node)
    return found


# Operators that read or write at indices.
_INDEXED = frozenset({"access", "assemble", "put", "accumulate"})

# By the identity of a body, which never changes.
_read: WeakKeyDictionary[Graph, frozenset[int]] = WeakKeyDictionary()


def read(graph: Graph, node: int) -> list[int]:
    """The operands of a node whose values may say which elements it reads or writes, or which operands count."""
    operands, op = graph.operands(node), graph.op(node)
    if op == "select":
        return list(operands[:1])
    if op in _INDEXED:
        return [operand for operand in operands if not graph.type(operand).real]
    if op not in REGIONS:
        return []
    attrs = graph.attrs(node)
    if op == "branch":
        listed = sorted(_inside(attrs["then"]) | _inside(attrs["other"]))
        return [operands[0], *(operands[1 + place] for place in listed)]
    loop = Loop.of(attrs)
    places = set(_inside(loop.body))
    if loop.test is not None:
        places |= _below(loop.test, [loop.test.outputs[0][1]])
    # What is carried is what an iteration before has made of it.
    waiting = list(places)
    while waiting:
        place = waiting.pop()
        if 1 <= place <= loop.carried:
            more = _below(loop.body, [loop.body.outputs[place - 1][1]]) - places
            places |= more
            waiting += more
    return [*operands[: loop.first], *(operands[loop.first + place - 1] for place in sorted(places) if place)]


def _inside(body: Graph) -> frozenset[int]:
    """The inputs of a body, by number, of which indices and conditions in it are made."""
    found = _read.get(body)
    if found is None:
        nodes = [each for node in body.data for each in read(body, node)]
        found = _read[body] = frozenset(_below(body, nodes))
    return found


def _below(body: Graph, nodes: Sequence[int]) -> set[int]:
    cone = ancestors(body.data, nodes)
    return {place for place, node in enumerate(body.inputs) if node in cone}


class Indices:
    """Some nodes of a graph, ready to be computed from what is given for its inputs."""

    def __init__(self, graph: Graph, nodes: Sequence[int], plan: Plan) -> None:
        self.nodes = list(dict.fromkeys(nodes))
        self.inputs = [node for node in sorted(ancestors(graph.data, self.nodes)) if graph.op(node) == "input"]
        self._run = plan(_alone(graph, self.nodes)) if self.nodes else None
        self._singly = cache(lambda: [Indices(graph, [node], plan) for node in self.nodes])

    def values(self, given: Mapping[int, Any]) -> dict[int, Array]:
        """The values of the nodes, without those that are an error: these may stand where nothing asks for them."""
        if self._run is None:
            return {}
        try:
            found = self._run([given[node] for node in self.inputs])
        except CallError:
            apart = self._singly() if len(self.nodes) > 1 else []
            return {node: value for single in apart for node, value in single.values(given).items()}
        return dict(zip(self.nodes, map(np.asarray, found), strict=True))


def _alone(graph: Graph, nodes: Sequence[int]) -> Graph:
    """The graph of these nodes alone. What an index that is out of range reads is any element: nothing needs it.

    An input that is a family is given as an array, with an axis for each of its indices in front.
    """
    builder = Builder(graph.ops)
    number: dict[int, int] = {}
    for node in sorted(ancestors(graph.data, nodes)):
        data = graph.data[node]
        if data["op"] == "access" and len(data["operands"]) > 1:
            attrs = {**data["attrs"], "lenient": True}
            number[node] = builder.apply("access", *[number[each] for each in data["operands"]], attrs=attrs)
        elif data["op"] == "input" and data["type"].free:
            type = data["type"]
            whole = typed(type.dtype, (*(index.extent for index in type.free), *type.shape))
            places = [build.index(builder, index) for index in type.free]
            array = builder.operand(data["name"], whole)
            number[node] = build.access(builder, array, (None,) * len(places), places)
        else:
            number[node] = replay(graph, node, builder, number)
    return builder.finish([(str(node), number[node]) for node in nodes])
