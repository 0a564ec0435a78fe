"""What is said of local gradients that flow through loops and branches: such a formula has no single line.

It is told in words, `through the loop, 12 iterations`, and stands in the formulas of others as a quotient, `∂y/∂w`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from gradc.backends import blocks
from gradc.backends.expression import Printer
from gradc.explain.paths import Edge, Network
from gradc.explain.summary import family

FEW: Final = 4
"""A sum over more paths is not written out."""
# Nor is a longer one.
_LONGEST: Final = 160


class Through:
    """What is to say about the edges of a network."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self._known: dict[int, tuple[int, ...]] = {}

    @cached_property
    def some(self) -> bool:
        """Whether there are regions at all."""
        return any(data["op"] in blocks.REGIONS for data in self.net.graph.data.values())

    def passes(self, node: int | None, atoms: Collection[int]) -> bool:
        """Whether the formula of a node would hold a loop or a branch."""
        return self.some and node is not None and bool(blocks.regions(self.net.graph, node, atoms))

    def edge(self, edge: Edge) -> bool:
        """Whether a local gradient is told in words."""
        return bool(edge.via) or (self.some and self.passes(edge.gradient, self.net.atoms))

    def symbol(self, edge: Edge) -> str:
        """What such a local gradient is: ∂y/∂w, or ∂y where w has no name; empty where y has none."""
        data = self.net.graph.data
        names = []
        for node in (edge.target, edge.source):
            entry = data[node]
            name = entry.get("name")
            if entry["op"] == "get":
                name = blocks.result_name(data[entry["operands"][0]], entry["attrs"]["place"])
            names.append(name)
        if not names[0]:
            return ""
        return f"∂{names[0]}/∂{names[1]}" if names[1] else f"∂{names[0]}"

    def regions(self, node: int) -> tuple[int, ...]:
        """The regions in the statement of a node."""
        found = self._known.get(node)
        if found is None:
            entry = self.net.graph.data[node]
            if entry["op"] == "get":
                found = (entry["operands"][0],)
            else:
                each = [blocks.regions(self.net.graph, o, self.net.names) for o in entry["operands"]]
                found = tuple(dict.fromkeys(region for regions in each for region in regions))
            self._known[node] = found
        return found

    def wanted(self) -> set[int]:
        """The nodes whose values say how often loops run."""
        found: set[int] = set()
        if not self.some:
            return found
        data = self.net.graph.data
        for edge in self.net.edges:
            for region in self.regions(edge.target):
                if data[region]["op"] == "for":
                    found.update(data[region]["operands"][:2])
                elif data[region]["op"] == "while":
                    found.add(region)
        return found

    def words(self, node: int, numbers: Mapping[int, Any]) -> str:
        """``through the loop, 12 iterations``: what the statement of a node flows through."""
        regions = self.regions(node)
        data = self.net.graph.data
        if len(regions) != 1:
            loops = sum(data[region]["op"] != "branch" for region in regions)
            return "through loops" if loops > 1 else "through a loop" if loops else "through blocks of `if`"
        (region,) = regions
        if data[region]["op"] == "branch":
            return "through the block `if`"
        count = self.count(region, numbers)
        return f"through the loop, {count} iteration{'' if count == '1' else 's'}" if count else "through the loop"

    def count(self, region: int, numbers: Mapping[int, Any]) -> str:
        """The number of iterations, or what the program says about it."""
        data = self.net.graph.data
        if data[region]["op"] == "while":
            return family(numbers[region][-1]) if region in numbers else ""
        start, stop = (numbers.get(node) for node in data[region]["operands"][:2])
        if start is not None and stop is not None:
            return family(np.maximum(0, np.subtract(stop, start))[()])
        return blocks.Block(Printer(self.net.graph, pretty=True, atoms=self.net.atoms), region).count()


_NAMED: Final = re.compile(r"[\w.]+(\[[^\[\]()]*\])?")


def quotient(name: str) -> str:
    """A name as it stands behind ∂."""
    return name if _NAMED.fullmatch(name) else f"({name})"


def multiplied(text: str) -> str:
    """A text as a factor of a product: a sum in parentheses."""
    depth = 0
    for at, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if depth == 0 and (text[at : at + 3] in (" + ", " - ", " @ ") or (at == 0 and char == "-")):
            return f"({text})"
    return f"({text})" if text.startswith(("if ", "∑")) else text


def summed(paths: Sequence[Sequence[str]], total: int) -> str:
    """The sum over paths, each by its factors from the one at the bottom up; in words where it is long."""
    if total == len(paths) <= FEW:
        terms = ["·".join(multiplied(each) for each in reversed(path) if each != "1") or "1" for path in paths]
        text = " + ".join(terms)
        if text.startswith("(through") and text.count("(through") == 1 and text.endswith(")"):
            return text[1:-1]
        if len(text) <= _LONGEST:
            return text
    return f"the sum over {total:,} paths".replace(",", "\N{NO-BREAK SPACE}") if total > 1 else "through the loop"


__all__ = ["FEW", "Through", "multiplied", "quotient", "summed"]
