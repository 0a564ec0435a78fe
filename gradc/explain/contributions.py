"""What each path contributes to a derivative over arrays, and what all of them together do.

The product along a path is a product of linear maps here. It is never multiplied out: the adjoint of the result, which
is 1, is taken back along the path, one statement after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.ad.reverse import Influence
from gradc.explain.paths import Network
from gradc.explain.pulling import Pull
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
        self.pull = Pull(self.builder, LocalGradients(self.builder, net.templates.partials), net.beyond)
        self.one = Influence(self.builder.constant(1.0, typed(net.graph.type(top).dtype)), None)
        # What each edge, by its number, makes of the adjoint of its target.
        self.terms: dict[int, int] = {}
        self._tails: dict[tuple[int, ...], Influence | None] = {(): self.one}

    def finish(self) -> Graph:
        """The graph with all that was asked for."""
        return self.builder.finish(self.net.graph.outputs)

    def flow(self) -> dict[int, int]:
        """The adjoints of the nodes on the way, each the sum over all paths; one that is missing is 0."""
        net = self.net
        found = {self.top: self.one}
        for node in reversed(net.nodes):
            seed = found.get(node)
            if seed is None:
                continue
            groups: dict[object, list[int]] = {}
            for index in net.incoming.get(node, ()):
                edge = net.edges[index]
                if edge.gradient is not None or edge.kind == "map":
                    groups.setdefault(edge.place[0] if edge.place else (edge.position, index), []).append(index)
            for group in groups.values():
                edges = [net.edges[index] for index in group]
                for index, edge, term in zip(group, edges, self.pull.back(edges, seed), strict=True):
                    if term is not None:
                        self.terms[index] = term.adjoint
                        before = found.get(edge.source)
                        found[edge.source] = term if before is None else self._both(before, term)
        return {node: influence.adjoint for node, influence in found.items()}

    def _both(self, one: Influence, two: Influence) -> Influence:
        """Two contributions to one adjoint."""
        live = None
        if one.live is not None and two.live is not None:
            live = build.connect(self.builder, "or", one.live, two.live)
        return Influence(self.builder.apply("add", one.adjoint, two.adjoint), live)

    def path(self, edges: Sequence[int]) -> int | None:
        """What the path of these edges contributes to the adjoint of its first node; None for nothing."""
        for start in range(len(edges), -1, -1):
            tail = tuple(edges[start:])
            if tail not in self._tails:
                seed, edge = self._tails[tail[1:]], self.net.edges[tail[0]]
                self._tails[tail] = None if seed is None else self.pull.back([edge], seed)[0]
        found = self._tails[tuple(edges)]
        return None if found is None else found.adjoint


__all__ = ["Contributions"]
