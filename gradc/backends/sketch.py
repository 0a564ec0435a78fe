"""What a diagram shows of a graph: which nodes become boxes, what each is drawn with, and what is left out of a large
one.

At level ``ops`` every operation is a box, at level ``names`` every named value. A name and the value that it alone
names are one box; constants stand in the text of their users, and the names of a function's parameters in nobody's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from gradc.backends.blocks import REGIONS
from gradc.ir.graph import Graph, ancestors

LEVELS: Final = ("names", "ops")


class Sketch:
    """The boxes of one graph at one level, each a node of the graph; ``roots`` are the results that are looked at."""

    def __init__(self, graph: Graph, level: str, roots: Sequence[int]) -> None:
        self.graph = graph
        self.level = level
        self.data: Mapping[int, Mapping[str, Any]] = graph.data
        self.named = set(graph.names.values()) | set(graph.inputs)
        self.results = {node for _, node in graph.outputs} | set(roots)
        self.kept = self.named | self.results | set(graph.adjoints.values())
        self._tails: dict[int, list[tuple[int, int]]] = {}
        # The results of a loop or branch by which a box reads it.
        self._reads: dict[tuple[int, int], list[int]] = {}
        self.domain = self._domain()
        self.live = ancestors(self.data, roots)
        self.roots = list(dict.fromkeys(self.home(node) for node in roots))

    # From nodes to boxes -------------------------------------------------------------------------------------------

    def is_box(self, node: int) -> bool:
        """Whether the node is drawn as a box of its own."""
        if node in self.domain:
            return node in self.results
        if self.data[node]["op"] in REGIONS:
            return True
        if node in self.kept:
            return self._namer(node) is None
        if self.level != "ops" or self.data[node]["op"] == "const" or self._seen_through(node):
            return False
        return self._namer(node) is None

    def _seen_through(self, node: int) -> bool:
        """Whether a node is drawn as the value that it has: another name, or an array in which it is repeated."""
        entry = self.data[node]
        single = entry["op"] == "reshape" and not self.data[entry["operands"][0]]["type"].shape
        return single or entry["op"] in ("name", "broadcast", "get")

    def _domain(self) -> frozenset[int]:
        """Sizes, indices and what is made of these and of numbers: it stands in the text of its users."""
        found: set[int] = set()
        for node, entry in self.data.items():
            op, operands = entry["op"], entry["operands"]
            if op in ("index", "size"):
                found.add(node)
            elif op == "sum" and self.data[operands[0]]["op"] == "const" and not entry["type"].shape:
                # The number of values of an index.
                found.add(node)
            elif op in REGIONS or op == "get":
                continue
            elif operands and node not in self.named and (not entry["type"].real or op in ("float", "demand")):
                inside = [operand in found for operand in operands]
                constants = [self.data[operand]["op"] == "const" for operand in operands]
                if any(inside) and all(a or b for a, b in zip(inside, constants, strict=True)):
                    found.add(node)
        return frozenset(found)

    @cached_property
    def families(self) -> dict[int, list[int]]:
        """The boxes of values with free indices, those of one comprehension together, by the first of them."""
        leader: dict[int, int] = {}

        def first(node: int) -> int:
            while leader[node] != node:
                leader[node] = leader[leader[node]]
                node = leader[node]
            return node

        for node in sorted(self.live):
            entry = self.data[node]
            if not entry["type"].free or node in self.domain:
                continue
            leader[node] = node
            for operand in entry["operands"]:
                if operand in leader:
                    one, other = sorted((first(operand), first(node)))
                    leader[other] = one
        found: dict[int, list[int]] = {}
        for node in sorted(leader):
            if self.is_box(node):
                found.setdefault(first(node), []).append(node)
        return found

    def _namer(self, node: int) -> int | None:
        """The name in whose box the node stands: its only user, if nothing else is known about the node."""
        if node in self.results or self.data[node]["op"] in ("input", "name"):
            return None
        users = self.graph.nx._succ[node]
        if len(users) == 1:
            (user,) = users
            if user in self.named and self.data[user]["op"] == "name":
                return int(user)
        return None

    def home(self, node: int) -> int:
        """The box that the node's value is drawn as; the node itself where it has none."""
        while not self.is_box(node):
            namer = self._namer(node)
            if namer is not None:
                return namer
            if not self._seen_through(node):
                return node
            node = self.data[node]["operands"][0]
        return node

    def core(self, box: int) -> int:
        """The operation that the box shows: that of the value which a name stands for."""
        entry = self.data[box]
        if entry["op"] == "name":
            operand: int = entry["operands"][0]
            if self.level == "names" or self._namer(operand) == box:
                return operand
        return box

    # Between boxes -------------------------------------------------------------------------------------------------

    def tails(self, box: int) -> list[tuple[int, int]]:
        """What the box is computed from: boxes, each with the node that stands for it among the operands."""
        known = self._tails.get(box)
        if known is None:
            known = self._tails[box] = self._find_tails(box)
        return known

    def _find_tails(self, box: int) -> list[tuple[int, int]]:
        core = self.core(box)
        found: dict[int, int] = {}
        if core != box and self.is_box(core):
            return [(core, core)]
        stack = [core]
        seen = {core}
        region = self.data[core]["op"] in REGIONS
        while stack:
            node = stack.pop()
            if self.data[node]["op"] == "get":
                self._reads.setdefault((box, self.data[node]["operands"][0]), []).append(node)
            if region and self.data[node]["op"] == "const":
                # It stands in the text, whatever else it is.
                continue
            if node != core:
                home = self.home(node)
                if self.is_box(home):
                    found[self._entering(node) if region else node if self.level == "ops" else home] = home
                    continue
            for operand in reversed(self.data[node]["operands"]):
                if operand not in seen:
                    seen.add(operand)
                    stack.append(operand)
        return [(home, node) for node, home in found.items()]

    def _entering(self, node: int) -> int:
        """What a region is entered by: the names that no table has are other names for a value."""
        while self.data[node]["op"] == "name" and node not in self.named:
            node = self.data[node]["operands"][0]
        return self.home(node) if self.level == "names" else node

    def reads(self, box: int, region: int) -> list[int]:
        """The results of a region that a box is computed from, in order of creation."""
        self.tails(box)
        return sorted(self._reads.get((box, region), ()))

    def heads(self, box: int) -> list[int]:
        """The boxes that are computed from this one."""
        found: set[int] = set()
        stack = [box]
        seen = set(stack)
        while stack:
            for user in self.graph.nx._succ[stack.pop()]:
                if user not in self.live or user in seen:
                    continue
                seen.add(user)
                home = self.home(user)
                if home != box and self.is_box(home):
                    found.add(home)
                else:
                    stack.append(user)
        return sorted(found)

    # Choosing ------------------------------------------------------------------------------------------------------

    @cached_property
    def total(self) -> int:
        """The number of boxes of the whole graph."""
        return sum(map(self.is_box, self.live))

    def nearest(self, limit: int) -> list[int]:
        """At most so many boxes, those with the fewest steps to a result, in the order of the program."""
        return self._take(self._steps(self.roots, None, lambda at: [tail for tail, _ in self.tails(at)]), limit)

    def around(self, box: int, depth: int | None, limit: int) -> list[int]:
        """At most so many boxes that lie within so many steps before or behind ``box``, in the order of the program.

        Not what lies beside it: a param that everything uses would bring everything.
        """
        before = self._steps([box], depth, lambda at: [tail for tail, _ in self.tails(at)])
        behind = self._steps([box], depth, self.heads)
        return self._take(roundrobin(before, behind), limit)

    def _steps(self, start: Iterable[int], depth: int | None, near: Callable[[int], list[int]]) -> Iterator[int]:
        """The boxes that are reached, those with the fewest steps first."""
        distance = dict.fromkeys(start, 0)
        queue = deque(distance)
        while queue:
            box = queue.popleft()
            yield box
            if depth is None or distance[box] < depth:
                for other in near(box):
                    if other not in distance:
                        distance[other] = distance[box] + 1
                        queue.append(other)

    @staticmethod
    def _take(boxes: Iterable[int], limit: int) -> list[int]:
        found: set[int] = set()
        for box in boxes:
            if len(found) >= limit:
                break
            found.add(box)
        return sorted(found)


def roundrobin(*sources: Iterator[int]) -> Iterator[int]:
    """One of each in turn until all are empty."""
    waiting = deque(sources)
    while waiting:
        source = waiting.popleft()
        for item in source:
            yield item
            waiting.append(source)
            break
