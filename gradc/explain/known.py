"""What is known of a program's inputs where it is only looked at: numbers, arrays and sizes, or nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ad.expand import expand
from gradc.backends.blocks import REGIONS
from gradc.backends.interp import Plan
from gradc.backends.plan import ArrayPlan
from gradc.errors import CallError
from gradc.ir import sizes as extents
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.types import TAPE, TUPLE
from gradc.limits import Limits
from gradc.source import Source, canonical

if TYPE_CHECKING:
    from gradc.model import Model

# A family of values or an array with more elements than that is not computed only to be shown.
MOST = 1 << 22
# Why a value does not exist: where a program asks for it nowhere, as in a branch that is not taken, nothing is wrong.
_UNASKED = frozenset(("E0604", "E0605", "E0611", "E0612", "E0613", "E0640", "E0642"))


@dataclass(frozen=True)
class Known:
    """The inputs of a graph, in their order, and the sizes that they give."""

    inputs: Sequence[Any]
    sizes: Mapping[str, int]
    arrays: bool
    sources: Sequence[Source] = ()
    max_memory: int | None = None

    def modest(self, graph: Graph, node: int, most: int = MOST) -> bool:
        """Whether a node's value is small enough to be computed for its own sake."""
        type = graph.type(node)
        count = 1
        for dim in (*(index.extent for index in type.free), *type.shape):
            count *= extents.evaluate(dim, self.sizes)
        return count <= most

    def run(self, graph: Graph, nodes: Sequence[int], due: Collection[int] | None = None) -> list[Any]:
        """The values of nodes; raises ``CallError`` where one that is ``due`` has none, and gives None for another.

        All are due unless they are told. A family has an axis for each index, in front of its own.
        """
        try:
            return self._run(graph, nodes)
        except CallError as problem:
            if due is None or problem.diagnostics[0].code not in _UNASKED:
                raise
        asked = [node for node in nodes if node in due]
        found = dict(zip(asked, self._run(graph, asked), strict=True)) if asked else {}
        stack = [[node for node in nodes if node not in due]]
        while stack:
            group = stack.pop()
            try:
                found.update(zip(group, self._run(graph, group), strict=True))
            except CallError:
                half = len(group) // 2
                stack += [group[:half], group[half:]] if half else []
        return [found.get(node) for node in nodes]

    def _run(self, graph: Graph, nodes: Sequence[int]) -> list[Any]:
        if not self.arrays:
            return [_plain(value) for value in Plan(graph, nodes=nodes, sources=self.sources).run(self.inputs)]
        plan = ArrayPlan(graph, self.sizes, nodes=nodes, sources=self.sources, max_memory=self.max_memory)
        return [_plain(value) for value in plan.run(self.inputs)]

    def values(
        self, graph: Graph, nodes: Sequence[int], limits: Limits, due: Collection[int] | None = None
    ) -> list[Any]:
        """The values of nodes of a graph that may hold requests for derivatives; raises ``CallError`` likewise.

        Of a loop or a branch the tuple of its results, without what it keeps for derivatives. Where loops are
        differentiated they give way to others, so what is wanted of them is wanted as an output.
        """
        if not any(data["op"] in REGIONS for data in graph.data.values()):
            expanded, to = expand(graph, None, limits)
            return self.run(expanded, [to[node] for node in nodes], None if due is None else {to[node] for node in due})
        builder = Builder.continuing(graph, limits.expanded_nodes)
        parts: list[list[int | None]] = []
        for node in nodes:
            type = graph.type(node)
            if type.dtype != TUPLE:
                parts.append([node])
                continue
            places = enumerate(type.parts)
            parts.append(
                [None if p.dtype == TAPE else builder.apply("get", node, attrs={"place": k}) for k, p in places]
            )
        flat = [node for each in parts for node in each if node is not None]
        expanded, _ = expand(builder.finish([(f"·{k}", node) for k, node in enumerate(flat)]), None, limits)
        made_of = [node for _, node in expanded.outputs]
        asked = None if due is None else {to for node, to in zip(flat, made_of, strict=True) if node in due}
        found = iter(self.run(expanded, made_of, asked))
        made = [[None if node is None else next(found) for node in each] for each in parts]
        return [
            each[0] if graph.type(node).dtype != TUPLE else tuple(each) if any(v is not None for v in each) else None
            for node, each in zip(nodes, made, strict=True)
        ]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def known(model: Model, values: Mapping[str, Any] | None, needed: Collection[int]) -> Known | None:
    """What is known when ``values`` are given and the ``needed`` nodes matter; None where one of them has no value.

    Raises ``CallError`` for values that a call would refuse.
    """
    given = model._inputs.given(values, {})
    found = model._inputs.where_known(values, needed)
    if found is None:
        return None
    shapes = model._inputs.shapes
    if not shapes.arrays:
        return Known(found, {}, False, model.sources)
    types = model._inputs.types
    measured = {model._inputs.shown[at] for at, value in enumerate(given) if value is not None}
    names: set[str] = set()
    for at, type in enumerate(types):
        whole = isinstance(found[at], (np.ndarray, tuple))
        if type.shape and whole:
            names |= {name for dim in type.shape for name in extents.names(dim)}
        elif not type.shape and type.dtype == "int":
            names.add(canonical(model._inputs.shown[at]))
    guessed = False
    for at, type in enumerate(types):
        if not type.shape or isinstance(found[at], (np.ndarray, tuple)):
            continue
        missing = {name for dim in type.shape for name in extents.names(dim)} - names
        if not missing:
            continue
        if model._inputs.nodes[at] in needed:
            # A default that fits any size, and nothing says which.
            return None
        # It does not matter, whatever it is.
        names |= missing
        guessed = True
        shape = tuple(extents.evaluate(extents.substitute(dim, dict.fromkeys(missing, 1)), {}) for dim in type.shape)
        found[at] = np.ones(shape)
    try:
        sizes = model._inputs.bound(found)
    except CallError:
        if guessed or not measured:
            return None
        raise
    return Known(found, sizes, True, model.sources, model.options.max_memory)


__all__ = ["Known", "known"]
