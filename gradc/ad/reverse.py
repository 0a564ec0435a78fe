"""Reverse mode: appends the adjoint subgraph of a value to the builder that holds it.

The DAG is walked backwards from y. Each operand edge multiplies the incoming adjoint by the edge's local gradient;
where paths converge, the contributions are added. Zeros are symbolic: a node that no derivative reaches has no adjoint,
and no product with a zero is made. (Griewank and Walther, Evaluating Derivatives, 2nd ed., section 3.2.)

A branch that is not taken must not poison the derivative: inside a branch adjoints are computed as if it were taken,
and where a contribution leaves it, for a node that is shared with the outside, it is selected by the condition.
Selecting only where the adjoint enters the branch would multiply 0 by what may be infinite in there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gradc.ad.flow import active, differentiable
from gradc.ad.guards import ALWAYS, Guard, Guards, conditions
from gradc.ir.graph import Builder
from gradc.rules.gradients import LocalGradients


def balanced_sum(builder: Builder, terms: Sequence[int]) -> int:
    """The sum of the terms as a balanced tree in their order: its depth, and its rounding error, grow with the
    logarithm.
    """
    level = list(terms)
    while len(level) > 1:
        level = [
            builder.apply("add", level[i], level[i + 1]) if i + 1 < len(level) else level[i]
            for i in range(0, len(level), 2)
        ]
    return level[0]


def times(builder: Builder, adjoint: int, partial: int) -> int:
    """``adjoint * partial``, without a multiplication by one or minus one."""
    by = builder.value(partial)
    if by == 1:
        return adjoint
    if by == -1:
        return builder.apply("neg", adjoint)
    if builder.value(adjoint) == 1:
        return partial
    return builder.apply("mul", adjoint, partial)


@dataclass(slots=True, eq=False)
class _Branch:
    """What has come out of the inside of a branch, on its way outwards."""

    outer: _Branch | None
    condition: int
    taken: bool
    depth: int
    terms: list[int] = field(default_factory=list)
    branches: dict[tuple[int, bool], _Branch] = field(default_factory=dict)


def _branch(places: dict[Guard, _Branch], known: set[tuple[int, bool]], guard: Guard) -> _Branch:
    """The branch that a guard stands for, where the conditions that are ``known`` need no selection."""
    way = []
    step: Guard | None = guard
    while step is not None and step not in places:
        way.append(step)
        step = step.outer
    assert step is not None
    branch = places[step]
    for inner in reversed(way):
        key = (inner.condition, inner.taken)
        if key not in known:
            below = branch.branches.get(key)
            if below is None:
                below = branch.branches[key] = _Branch(branch, *key, branch.depth + 1)
            branch = below
        places[inner] = branch
    return branch


class Sweep:
    """One reverse sweep from y: the adjoints of every node on a way from ``wrt`` to it."""

    def __init__(self, builder: Builder, local: LocalGradients, y: int, wrt: Sequence[int], seed: int | None) -> None:
        self.builder = builder
        self.local = local
        self.y = y
        self.order = active(builder.data, y, wrt)
        self.made = Guards(builder)
        self.guards = self.made.of(self.order, y)
        # Contributions to a node, each with the guard under which it arose; the last user comes first.
        self.incoming: dict[int, list[tuple[int, Guard]]] = {}
        if self.order:
            start = seed if seed is not None else builder.constant(1.0, builder.type(y))
            self.incoming[y] = [(start, ALWAYS)]

    def run(self, wrt: Sequence[int]) -> dict[int, int]:
        """The adjoints of ``wrt``; one that is missing is zero everywhere."""
        builder, data = self.builder, self.builder.data
        members = set(self.order)
        wanted = set(wrt)
        found: dict[int, int] = {}
        for node in reversed(self.order):
            contributions = self.incoming.pop(node, None)
            if contributions is None:
                continue
            builder.span = data[node].get("span")
            adjoint = self.gather(node, contributions)
            if node in wanted:
                found[node] = self.leave(adjoint, self.guards.get(node, ALWAYS))
            edges = [(p, operand) for p, operand in differentiable(data, node) if operand in members]
            if edges:
                self.send(node, adjoint, edges, members)
        builder.span = None
        return found

    def send(self, node: int, adjoint: int, edges: list[tuple[int, int]], members: set[int]) -> None:
        """Pass a node's adjoint on to its operands."""
        builder = self.builder
        op = builder.op(node)
        guard = self.guards.get(node, ALWAYS)
        if op in ("name", "select"):
            for position, operand in edges:
                inner = self.made.edge(node, guard, position)
                self.incoming.setdefault(operand, []).append((adjoint, inner))
            return
        partials = self.local.of(node, [position for position, _ in edges], members)
        for position, operand in reversed(edges):
            partial = partials.get(position)
            if partial is not None:
                self.incoming.setdefault(operand, []).append((times(builder, adjoint, partial), guard))

    def gather(self, node: int, contributions: list[tuple[int, Guard]]) -> int:
        """The sum of the contributions, in the order of the users; those from inside a branch are selected first."""
        contributions.reverse()
        goal = self.guards.get(node, ALWAYS)
        if all(guard is goal for _, guard in contributions):
            return balanced_sum(self.builder, [term for term, _ in contributions])
        return self._merge(contributions, goal)

    def _merge(self, contributions: list[tuple[int, Guard]], goal: Guard) -> int:
        """Add what arose under the same guard, leave the innermost branch, and so on outwards.

        Each branch is left once for all that comes out of it, so a long chain of ``else if`` stays linear; the two
        branches of one ``if`` leave as one selection.
        """
        builder = self.builder
        root = _Branch(None, -1, True, 0)
        places: dict[Guard, _Branch] = {ALWAYS: root}
        known = set(conditions(goal))
        for term, guard in contributions:
            _branch(places, known, guard).terms.append(term)
        levels: dict[int, list[_Branch]] = {}
        for branch in {id(branch): branch for branch in places.values()}.values():
            levels.setdefault(branch.depth, []).append(branch)
        for depth in range(max(levels), 0, -1):
            for branch in levels.get(depth, ()):
                outer = branch.outer
                if outer is None or not branch.terms:
                    continue
                opposite = outer.branches.get((branch.condition, not branch.taken))
                inside = balanced_sum(builder, branch.terms)
                other = balanced_sum(builder, opposite.terms) if opposite and opposite.terms else self._zero()
                if opposite is not None:
                    opposite.terms = []
                choices = (inside, other) if branch.taken else (other, inside)
                outer.terms.append(builder.apply("select", branch.condition, *choices))
        return balanced_sum(builder, root.terms)

    def _zero(self) -> int:
        return self.builder.constant(0.0, self.builder.type(self.y))

    def leave(self, adjoint: int, guard: Guard) -> int:
        """The adjoint as seen from outside all branches."""
        for condition, taken in conditions(guard):
            branches = (adjoint, self._zero()) if taken else (self._zero(), adjoint)
            adjoint = self.builder.apply("select", condition, *branches)
        return adjoint


def adjoints(
    builder: Builder, local: LocalGradients, y: int, wrt: Sequence[int], seed: int | None = None
) -> Mapping[int, int]:
    """Append the adjoints of ``wrt`` with respect to y, each times ``seed`` (1 if none is given), and return them.

    A node that is missing in the result has derivative zero. What is made is marked ``adjoint_of`` y.
    """
    marked = builder.adjoint_of
    builder.adjoint_of = y
    try:
        return Sweep(builder, local, y, wrt, seed).run(wrt)
    finally:
        builder.adjoint_of = marked
