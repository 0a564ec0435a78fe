"""Gives every loop that has none a checkpoint: its derivatives keep some steps and compute the others again."""

from __future__ import annotations

from collections.abc import Mapping

from gradc.ir.graph import Graph
from gradc.ir.prune import over_bodies


def checkpoint(graph: Graph, steps: int) -> tuple[Graph, Mapping[int, int]]:
    """The graph whose loops, those in bodies too, keep so many steps, or a number that suits each for 0, and the map
    to its nodes; the graph itself where no loop is without.
    """
    changed, number = over_bodies(graph, lambda body: checkpoint(body, steps)[0])
    found = {
        node: {**data["attrs"], "checkpoint": steps}
        for node, data in changed.data.items()
        if data["op"] in ("for", "while") and "checkpoint" not in data["attrs"]
    }
    return changed.with_attrs(found) if found else changed, number
