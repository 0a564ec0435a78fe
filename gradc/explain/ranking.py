"""The paths that contribute most, found without listing all: `y = y + y` sixty times has 2^60 of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import heappop, heappush, nsmallest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gradc.explain.paths import Network

Weight = tuple[int, int]
"""How much an edge contributes: its class and the logarithm of its size, in ``_UNIT``. Weights add up along a path.

They are whole numbers, so that sums of them are exact: products neither overflow nor underflow, and those of equal size
are found to be equal, in whatever order they are made.
"""

_CLASS: Final = 1 << 40
# A logarithm of 1, to the base 2.
_UNIT: Final = 1 << 40
# So many units may lie between products that are equal but for rounding: 3 times 5, and 15.
_ROUNDING: Final = 64


def weight(factor: float, cut: bool) -> Weight:
    """The weight of an edge, by which products rank by size: NaN first, then infinities, sizes, zeros, cut edges."""
    if cut:
        return -(_CLASS**3), 0
    if factor != factor:
        return _CLASS**2, 0
    if math.isinf(factor):
        return _CLASS, 0
    if factor == 0:
        return -1, 0
    mantissa, exponent = math.frexp(abs(factor))
    return 0, exponent * _UNIT + round(math.log2(mantissa) * _UNIT)


# In the order of the text, a path that goes on as the best way does stands between those that leave it for an earlier
# edge and those that leave it for a later one; among the latter the one that leaves it last is first.
_END: Final = (1,)

# Edges that ranked paths may have in all, so that asking for very many very long ones ends.
MAX_RANKED: Final = 3_000_000


class Ranking:
    """Finds the heaviest paths: the best one from every node is known, others leave it at some point.

    A path is known by the edges at which it leaves the best way on. Once a path is found, those that share its way up
    to some point behind its last deviation and leave it there are the next candidates; each has one parent, so none
    comes up twice. (Hoffman and Pavley, A Method for the Solution of the Nth Best Path Problem, 1959.)
    """

    def __init__(self, network: Network, of: int, weights: Sequence[Weight] | None) -> None:
        self.network = network
        self.of = of
        self.weights = weights
        # From every node: the weight of the best way on, the edge that it takes, and the rank of that edge.
        self.ahead: dict[int, Weight] = {of: (0, 0)}
        self.chosen: dict[int, tuple[int, int]] = {}
        for node in reversed(network.nodes):
            if node != of:
                self._choose(node)

    def _through(self, index: int) -> Weight | None:
        """The weight of the best way that begins with this edge."""
        rest = self.ahead.get(self.network.edges[index].target)
        if rest is None or self.weights is None:
            return rest
        own = self.weights[index]
        return own[0] + rest[0], own[1] + rest[1]

    def _loss(self, node: int, found: Weight) -> Weight:
        """How much less than the best way on from ``node``; what is within rounding is nothing."""
        best = self.ahead[node]
        lost = best[1] - found[1]
        if best[0] == found[0] and abs(lost) <= _ROUNDING:
            return 0, 0
        return best[0] - found[0], lost

    def _choose(self, node: int) -> None:
        for rank, index in enumerate(self.network.outgoing.get(node, ())):
            found = self._through(index)
            if found is None:
                continue
            # An equal one that stands later in the text does not take the place of the first.
            if node not in self.ahead or self._loss(node, found) < (0, 0):
                self.ahead[node] = found
                self.chosen[node] = (index, rank)

    def _follow(self, path: list[int], node: int) -> list[int]:
        while node != self.of:
            index = self.chosen[node][0]
            path.append(index)
            node = self.network.edges[index].target
        return path

    def paths(self, wrt: int, count: int) -> list[list[int]]:
        """The ``count`` heaviest ones, each as the numbers of its edges."""
        network = self.network
        edges = network.edges
        found: list[list[int]] = []
        # (loss, order of the text, parent, where it leaves the parent, by which edge)
        heap: list[tuple[Weight, tuple[tuple[int, ...], ...], int, int, int]] = [((0, 0), (_END,), -1, -1, -1)]
        total = 0
        while heap and len(found) < count and total <= MAX_RANKED:
            loss, order, parent, at, by = heappop(heap)
            if parent < 0:
                path = self._follow([], wrt)
            else:
                path = self._follow([*found[parent][:at], by], edges[by].target)
            found.append(path)
            total += len(path) + 1
            if len(found) == count:
                break
            candidates = []
            for position in range(at + 1, len(path)):
                node = edges[path[position]].source
                leaving = network.outgoing[node]
                if len(leaving) == 1:
                    continue
                best = self.chosen[node][1]
                for rank, index in enumerate(leaving):
                    other = None if rank == best else self._through(index)
                    if other is not None:
                        less = self._loss(node, other)
                        sign = (0, position, rank) if rank < best else (2, -position, rank)
                        key = (loss[0] + less[0], loss[1] + less[1])
                        candidates.append((key, (*order[:-1], sign, _END), len(found) - 1, position, index))
            for candidate in nsmallest(count - len(found), candidates):
                heappush(heap, candidate)
        return found


__all__ = ["Ranking", "Weight", "weight"]
