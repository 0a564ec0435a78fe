"""Which nodes a derivative flows through, and under which conditions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Data = Mapping[int, dict[str, Any]]


def differentiable(data: Data, node: int) -> list[tuple[int, int]]:
    """The operands through which a derivative can flow, as (position, operand)."""
    entry = data[node]
    op = entry["op"]
    if op == "stop_gradient":
        return []
    return [(i, operand) for i, operand in enumerate(entry["operands"]) if data[operand]["type"].real]


def active(data: Data, y: int, wrt: Collection[int]) -> list[int]:
    """The nodes on a way from one of ``wrt`` to ``y``, both included, in order of creation; linear in the cone of y."""
    seen = {y}
    stack = [y]
    lowest = min(wrt, default=y)
    while stack:
        for _, operand in differentiable(data, stack.pop()):
            # Nothing older than the oldest target can depend on one.
            if operand >= lowest and operand not in seen:
                seen.add(operand)
                stack.append(operand)
    reached = {node for node in wrt if node in seen}
    order = sorted(seen)
    for node in order:
        if node not in reached and any(operand in reached for _, operand in differentiable(data, node)):
            reached.add(node)
    return [node for node in order if node in reached]


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """A condition under which a value matters at all: ``condition`` is ``taken``, and so is what ``outer`` says.

    Values in the branch of an ``if`` matter only where that branch is taken. The root guard, which always holds, has no
    outer one.
    """

    condition: int
    taken: bool
    outer: Guard | None
    depth: int


ALWAYS = Guard(-1, True, None, 0)


class Guards:
    """Makes guards, each once, and finds what two of them have in common."""

    def __init__(self) -> None:
        self._made: dict[tuple[Guard, int, bool], Guard] = {}
        self._common: dict[tuple[Guard, Guard], Guard] = {}

    def within(self, outer: Guard, condition: int, taken: bool) -> Guard:
        """``outer`` and the condition; ``outer`` itself where it says so already."""
        step: Guard | None = outer
        while step is not None and step.outer is not None:
            if step.condition == condition and step.taken == taken:
                return outer
            step = step.outer
        key = (outer, condition, taken)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = Guard(condition, taken, outer, outer.depth + 1)
        return made

    def common(self, a: Guard, b: Guard) -> Guard:
        """The conditions that both guards name, in whatever order they were nested."""
        if a is b:
            return a
        if a is ALWAYS or b is ALWAYS:
            return ALWAYS
        found = self._common.get((a, b))
        if found is None:
            found = self._common[a, b] = self._intersect(a, b)
        return found

    def _intersect(self, a: Guard, b: Guard) -> Guard:
        left, right = a, b
        ours: list[Guard] = []
        theirs: set[tuple[int, bool]] = set()
        while left is not right:
            if left.depth >= right.depth:
                ours.append(left)
                assert left.outer is not None
                left = left.outer
            else:
                theirs.add((right.condition, right.taken))
                assert right.outer is not None
                right = right.outer
        result = left
        for guard in reversed(ours):
            if (guard.condition, guard.taken) in theirs:
                result = self.within(result, guard.condition, guard.taken)
        return result


def guards_of(data: Data, order: Sequence[int], y: int) -> dict[int, Guard]:
    """The guard of every active node: the conditions that hold wherever the node has any influence on y.

    Empty where the nodes hold no selection at all, which is the common case.
    """
    if not any(data[node]["op"] == "select" for node in order):
        return {}
    made = Guards()
    found: dict[int, Guard] = {y: ALWAYS}
    members = set(order)
    for node in reversed(order):
        guard = found[node]
        for position, operand in differentiable(data, node):
            if operand not in members:
                continue
            edge = edge_guard(made, data, node, guard, position)
            known = found.get(operand)
            found[operand] = edge if known is None else made.common(known, edge)
    return found


def edge_guard(made: Guards, data: Data, node: int, guard: Guard, position: int) -> Guard:
    """The guard of what flows to the operand at ``position``."""
    entry = data[node]
    if entry["op"] != "select" or position == 0:
        return guard
    return made.within(guard, entry["operands"][0], position == 1)


def conditions(guard: Guard) -> Iterable[tuple[int, bool]]:
    """The conditions that a guard names, the innermost first."""
    step = guard
    while step.outer is not None:
        yield step.condition, step.taken
        step = step.outer
