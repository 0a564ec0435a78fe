"""Which values are 0 whatever the inputs are: adjoints of elements that nothing reads, and what is made of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import numpy as np

from gradc.ad import through
from gradc.ad.dependence import REGIONS
from gradc.ad.reach import Array, Reach, empty, identity
from gradc.ad.spread import Spread
from gradc.ir.graph import Graph
from gradc.ir.region import Loop

if TYPE_CHECKING:
    from gradc.ad.sparsity import Outline

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
        if graph.op(node) == "get":
            operands = asked(graph, graph.operands(node)[0], [graph.attrs(node)["place"]])
        elif gentle(graph, node):
            operands = [operand for operand in graph.operands(node) if graph.type(operand).real]
        else:
            continue
        new = [operand for operand in operands if operand not in seen]
        seen.update(new)
        stack += new
    return sorted(seen)


def factors(graph: Graph, nodes: Iterable[int]) -> list[int]:
    """Where it matters to the nodes that something is 0: what is multiplied or divided, in regions too."""
    found: list[int] = []
    for node in nodes:
        op = graph.op(node)
        if op in (PRODUCT, QUOTIENT):
            found += graph.operands(node)
        elif op in REGIONS:
            found += asked(graph, node, None)
    return found


def asked(graph: Graph, node: int, places: Collection[int] | None) -> list[int]:
    """The operands of a region that can be 0 to some effect on results, or (None) on what its bodies multiply."""
    operands, attrs = graph.operands(node), graph.attrs(node)
    if graph.op(node) == "branch":
        found = _inside(attrs["then"], places, 0) | _inside(attrs["other"], places, 0)
        return [operands[1 + place] for place in sorted(found) if graph.type(operands[1 + place]).real]
    loop = Loop.of(attrs)
    listed = [operands[loop.first + place - 1] for place in sorted(_inside(loop.body, places, loop.carried)) if place]
    return [operand for operand in listed if graph.type(operand).real]


# By the identity of a body, which never changes.
_kept: WeakKeyDictionary[Graph, dict[Any, set[int]]] = WeakKeyDictionary()


def _inside(body: Graph, places: Collection[int] | None, carried: int) -> set[int]:
    known = _kept.setdefault(body, {})
    key = (None if places is None else frozenset(places), carried)
    if key not in known:
        nodes = factors(body, body.data) if places is None else [body.outputs[place][1] for place in places]
        cone = set(handed(body, nodes, carried))
        known[key] = {place for place, node in enumerate(body.inputs) if node in cone}
        known[key] |= {1 + place for place in places or () if place < carried}
    return known[key]


def handed(body: Graph, nodes: Iterable[int], carried: int) -> list[int]:
    """The nodes of a body, and what decides where they are 0 in this iteration or by way of earlier ones."""
    found: list[int] = []
    wanted = set(nodes)
    while True:
        found = below(body, wanted)
        cone = set(found)
        more = {body.outputs[place][1] for place in range(carried) if body.inputs[1 + place] in cone} - cone
        if not more:
            return found
        wanted |= more


def fertile(graph: Graph, nodes: Iterable[int]) -> bool:
    """Whether there can be a 0 among the nodes at all."""
    return any(
        graph.op(node) == "get"
        or (graph.op(node) == "const" and not graph.constant(node))
        or graph.ops[graph.op(node)].sparsity in ("assemble", "triangle")
        for node in nodes
    )


class Zeros(Spread):
    """Which elements of some nodes of a graph are 0: numbers of rows, -1 for a 0 and 0 for any other number."""

    def __init__(self, outline: Outline, values: Mapping[int, Array]) -> None:
        super().__init__(outline.graph, outline.setting.sizes, values, empty(1))
        self.outline = outline
        self.zeros: dict[int, Array] = {}

    def find(self, given: Mapping[int, Array]) -> dict[int, Array]:
        """Those of the nodes of the outline that have zeros; ``given`` has those of some of the inputs."""
        graph = self.graph
        if not given and not self.outline.fertile:
            return {}
        regions: dict[int, Mapping[int, Array]] = {}
        for node in self.outline.gentle:
            ids = given.get(node)
            if graph.op(node) == "get":
                (region,) = graph.operands(node)
                if region not in regions:
                    regions[region] = through.zeros(self, region)
                ids = regions[region].get(graph.attrs(node)["place"])
            elif gentle(graph, node) or graph.op(node) == "const":
                ids = self._made(node)
            if ids is not None and np.any(ids < 0):
                self.zeros[node] = ids
        return self.zeros

    def _made(self, node: int) -> Array:
        graph = self.graph
        if graph.op(node) == "const":
            return np.full((1,) * len(self.full(node)), 0 if graph.constant(node) else -1)
        operands = graph.operands(node)
        positions = [at for at, operand in enumerate(operands) if graph.type(operand).real]
        if graph.op(node) == PRODUCT:
            free = graph.type(node).free
            parts = [self.aligned(self._of(operands[at]), graph.type(operands[at]).free, free) for at in positions]
            return np.minimum(*parts)
        rows = identity((1,)).rows
        sources = {at: self._of(operands[at]) for at in positions[: 1 if graph.op(node) == QUOTIENT else None]}
        made = self.step(node, {at: Reach(rows, ids) for at, ids in sources.items() if np.any(ids >= 0)})
        return np.where(made.rows.lengths[made.ids] > 0, 0, -1)

    def _of(self, node: int) -> Array:
        ids = self.zeros.get(node)
        return np.zeros((1,) * len(self.full(node)), int) if ids is None else ids
