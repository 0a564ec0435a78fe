"""What each path contributes to a derivative over arrays, and what all of them together do.

The product along a path is a product of linear maps here. It is never multiplied out: the adjoint of the result, which
is 1, is taken back along the path, one statement after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradc.ad.flow import active
from gradc.ad.guards import ALWAYS, Guard, Guards, conditions
from gradc.explain.paths import Network
from gradc.explain.pulling import Edge, Pull
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.types import typed
from gradc.limits import Limits
from gradc.ops import build
from gradc.rules.gradients import LocalGradients


class Contributions:
    """Appends adjoints to the graph of a network; ``finish`` gives the graph that holds them."""

    def __init__(self, net: Network, top: int, bottom: int, limits: Limits) -> None:
        self.net = net
        self.top, self.bottom = top, bottom
        self.builder = Builder.continuing(net.graph, limits.expanded_nodes)
        self.pull = Pull(self.builder, LocalGradients(self.builder, net.templates.partials))
        type = net.graph.type(top)
        self.one = self.builder.constant(1.0, typed(type.dtype))
        self.guards: Mapping[int, Guard] = Guards(self.builder).of(
            active(self.builder.data, [top], [bottom]), {top: ALWAYS}
        )
        self._tails: dict[tuple[int, ...], int | None] = {(): self.one}

    def finish(self) -> Graph:
        """The graph with all that was asked for."""
        return self.builder.finish(self.net.graph.outputs)

    def flow(self) -> dict[int, int]:
        """The adjoints of the nodes on the way, each the sum over all paths; one that is missing is 0."""
        net, builder = self.net, self.builder
        found = {self.top: self.one}
        for node in reversed(net.nodes):
            seed = found.get(node)
            if seed is None:
                continue
            groups: dict[object, list[Edge]] = {}
            for index in net.incoming.get(node, ()):
                edge = net.edges[index]
                if edge.gradient is not None or edge.kind == "map":
                    groups.setdefault(edge.place[0] if edge.place else (edge.position, index), []).append(edge)
            for edges in groups.values():
                for edge, term in zip(edges, self.pull.back(edges, seed), strict=True):
                    if term is None:
                        continue
                    term = self._selected(edge, term)
                    before = found.get(edge.source)
                    found[edge.source] = term if before is None else builder.apply("add", before, term)
        return found

    def path(self, edges: Sequence[int]) -> int | None:
        """What the path of these edges contributes to the adjoint of its first node; None for nothing."""
        for start in range(len(edges), -1, -1):
            tail = tuple(edges[start:])
            if tail in self._tails:
                continue
            seed, edge = self._tails[tail[1:]], self.net.edges[tail[0]]
            term = None if seed is None else self.pull.back([edge], seed)[0]
            self._tails[tail] = None if term is None else self._selected(edge, term)
        return self._tails[tuple(edges)]

    def _selected(self, edge: Edge, term: int) -> int:
        """The term as it leaves the branches of its statement: where these are not taken, nothing flows.

        Not even the NaN that zero times infinity would be.
        """
        guard = self.guards.get(edge.target, ALWAYS)
        if guard is ALWAYS:
            return term
        builder = self.builder
        outside = set(conditions(self.guards.get(edge.source, ALWAYS)))
        type = builder.type(term)
        for condition, taken in conditions(guard):
            own = builder.type(condition)
            if (condition, taken) in outside or own.shape not in ((), type.shape) or not {*own.free} <= {*type.free}:
                continue
            zero = build.filled(builder, 0.0, type)
            term = build.choose(builder, condition, *((term, zero) if taken else (zero, term)))
        return term


__all__ = ["Contributions"]
