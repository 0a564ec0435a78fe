"""Forward mode: appends the tangent of a value to the builder that holds it.

The same local gradients as in reverse mode, in the order of the graph: a node's tangent is the sum over its operands of
local gradient times the operand's tangent. (Griewank and Walther, Evaluating Derivatives, 2nd ed., section 3.1.)

What is chosen by an ``if`` may depend on the target in one of its branches only. Where the other one is taken there is
no tangent, which is not the same as a tangent of 0: that times an infinite local gradient is NaN. So the tangent is
carried on as if the branch were taken, together with the condition for it, and selected where it meets others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from gradc.ad import region_tangents
from gradc.ad.dependence import REGIONS
from gradc.ad.flow import active, differentiable
from gradc.ad.needs import for_one, some
from gradc.ad.region_tangents import Guarded
from gradc.ad.reverse import balanced_sum, times
from gradc.ir.builder import Builder
from gradc.ir.types import Index
from gradc.ops import build
from gradc.rules.gradients import LocalGradients


def tangent(builder: Builder, local: LocalGradients, y: int, directions: Mapping[int, int]) -> int | None:
    """Append the tangent of y along ``directions`` (node to tangent); None if y does not depend on any of them.

    A selection picks the tangent of the branch that is taken, so what the other one would give is never multiplied into
    the result. What is made is marked ``adjoint_of`` y.
    """
    marked = builder.adjoint_of
    builder.adjoint_of = y
    try:
        return tangents(builder, local, [y], directions).get(y)
    finally:
        builder.adjoint_of = marked


def tangents(
    builder: Builder,
    local: LocalGradients,
    roots: Sequence[int],
    directions: Mapping[int, int],
    live: Mapping[int, int] = MappingProxyType({}),
) -> dict[int, int]:
    """Append the tangents of the roots; one that is missing is zero everywhere.

    A node in ``live`` has its tangent only where that condition holds; elsewhere that is 0.
    """
    return {y: value for y, (value, _) in guarded_tangents(builder, local, roots, directions, live).items()}


def guarded_tangents(
    builder: Builder,
    local: LocalGradients,
    roots: Sequence[int],
    directions: Mapping[int, int],
    live: Mapping[int, int] = MappingProxyType({}),
) -> dict[int, Guarded]:
    """The same, of each root with the condition under which it has a tangent; elsewhere it is 0."""
    data = builder.data
    order = active(data, roots, directions)
    sweep = _Sweep(builder, local, set(order))
    try:
        for node in order:
            builder.span = data[node].get("span")
            if node in directions:
                sweep.found[node] = directions[node], live.get(node)
                sweep.clean.add(sweep.found[node])
                continue
            made = sweep.step(node)
            if made is not None:
                sweep.found[node] = made
        return {y: (sweep.settled(sweep.found[y], None), sweep.found[y][1]) for y in roots if y in sweep.found}
    finally:
        builder.span = None


class Tangents:
    """The derivatives of any number of values by a single number v, from one sweep that goes on with each of them."""

    def __init__(self, builder: Builder, local: LocalGradients, v: int) -> None:
        self.builder = builder
        self.v = v
        self.seen = {v}
        self.sweep = _Sweep(builder, local)
        self.sweep.found[v] = builder.constant(1.0, builder.type(v)), None

    def of(self, y: int) -> int | None:
        """Append the derivative of y; None if it does not depend on v. What is new is marked ``adjoint_of`` y."""
        builder, sweep = self.builder, self.sweep
        marked = builder.adjoint_of
        builder.adjoint_of = y
        try:
            for node in self._unseen(y):
                builder.span = builder.data[node].get("span")
                made = sweep.step(node)
                if made is not None:
                    sweep.found[node] = made
            return sweep.settled(sweep.found[y], None) if y in sweep.found else None
        finally:
            builder.adjoint_of = marked
            builder.span = None

    def _unseen(self, y: int) -> list[int]:
        """What y is computed from and has not been looked at, in order of creation; nothing before v depends on it."""
        found = []
        stack = [y]
        while stack:
            node = stack.pop()
            if node > self.v and node not in self.seen:
                self.seen.add(node)
                found.append(node)
                stack += [operand for _, operand in differentiable(self.builder.data, node)]
        return sorted(found)


# What has elements of its first operand for its own, and depends smoothly on no other.
_MOVES = frozenset({"access", "tabulate", "reshape", "transpose", "broadcast"})


class _Sweep:
    def __init__(self, builder: Builder, local: LocalGradients, members: Collection[int] | None = None) -> None:
        self.builder = builder
        self.local = local
        self.found: dict[int, Guarded] = {}
        # Of each region the results that are on the way, by place; all of them if the way is not known.
        self.wanted: dict[int, set[int]] | None = None if members is None else defaultdict(set)
        if self.wanted is not None and members is not None:
            for data in map(builder.data.__getitem__, members):
                if data["op"] == "get":
                    self.wanted[data["operands"][0]].add(data["attrs"]["place"])
        # Of the regions that have been gone through, the tangents of their results.
        self.results: dict[int, Mapping[int, Guarded]] = {}
        # Tangents that are 0 already where their condition does not hold.
        self.clean: set[Guarded] = set()
        # What is on a way from a target; as far as it is known if not all is known.
        self.members = self.found.keys() if members is None else members

    def step(self, node: int) -> Guarded | None:
        """The tangent of a node whose operands have theirs."""
        builder = self.builder
        op = builder.op(node)
        if op == "get":
            (region,) = builder.operands(node)
            return self.results.get(region, {}).get(builder.data[node]["attrs"]["place"])
        edges = [(p, operand) for p, operand in differentiable(builder.data, node) if operand in self.found]
        if not edges:
            return None
        if op in REGIONS:
            entering = {
                position: (self.settled(self.found[operand], None), self.found[operand][1])
                for position, operand in edges
            }
            wanted = range(len(builder.type(node).parts)) if self.wanted is None else self.wanted[node]
            found = self.results[node] = region_tangents.push(self.local, node, entering, wanted)
            self.clean.update(found.values())
            return None
        if op == "add_tapes":
            tapes = [self.found[operand][0] for _, operand in edges]
            return builder.apply(op, *tapes, attrs=builder.data[node].get("attrs")), None
        if op == "name":
            return self.found[edges[0][1]]
        if op == "select":
            return self.choice(*builder.operands(node))
        if builder.ops[op].pullback is not None:
            return self.structural(node, edges)
        partials = self.local.of(node, [position for position, _ in edges], self.members)
        terms = [
            (times(builder, self.found[operand][0], partials[position]), self.found[operand][1])
            for position, operand in edges
            if position in partials
        ]
        return self.sum(terms) if terms else None

    def structural(self, node: int, edges: Sequence[tuple[int, int]]) -> Guarded | None:
        """The tangent of a node that moves or combines elements."""
        builder = self.builder
        row, operands = builder.ops[builder.op(node)], builder.operands(node)
        bound = {index for _, operand in edges for index in builder.type(operand).free}
        bound.difference_update(builder.type(node).free)
        guard: int | None = None
        for at, (_, operand) in enumerate(edges):
            own = self._single(self.found[operand][1], bound)
            guard = own if at == 0 else self.either(guard, own)
        if guard is None and row.name in _MOVES and (along := self.moved(node, operands)) is not None:
            return along
        tangents = {position: self.settled(self.found[operand], guard) for position, operand in edges}
        made = self.combined(node, tangents)
        if made is None or guard is not None:
            return None if made is None else (made, guard)
        # Conditions on single elements: they have been selected, and one of them has to hold.
        entering = [self.combined_guard(node, operand, bound) for _, operand in edges]
        guard = entering[0]
        for other in entering[1:]:
            guard = self.either(guard, other)
        if guard is not None and row.name == "sum":
            self.clean.add((made, guard))
        return made, guard

    def combined(self, node: int, tangents: Mapping[int, int]) -> int | None:
        """The tangent of a node that combines elements of operands with these tangents, by position."""
        builder = self.builder
        row, operands = builder.ops[builder.op(node)], builder.operands(node)
        attrs = builder.data[node].get("attrs")
        if row.linear == "joint":
            moved = [
                tangents.get(position, build.filled(builder, 0.0, builder.type(operand)))
                if builder.type(operand).real
                else operand
                for position, operand in enumerate(operands)
            ]
            return builder.apply(row.name, *moved, attrs=attrs)
        if row.linear == "each":
            terms = [
                builder.apply(row.name, *operands[:position], tangent, *operands[position + 1 :], attrs=attrs)
                for position, tangent in tangents.items()
            ]
            return balanced_sum(builder, terms)
        assert row.pushforward is not None
        return row.pushforward(builder, node, tangents)

    def combined_guard(self, node: int, operand: int, bound: Collection[Index]) -> int | None:
        """The condition that one of the elements of an operand that a node combines has a tangent."""
        builder, guard = self.builder, self.found[operand][1]
        if guard is None:
            return None
        type = builder.type(guard)
        axes = builder.data[node].get("attrs", {}).get("axes", ())
        if axes and builder.type(node).rank == type.rank - len(axes):
            guard = builder.apply("any", guard, attrs={"axes": tuple(axes)})
        else:
            guard = some(builder, guard)
        return for_one(builder, guard, [index for index in type.free if index in bound])

    def moved(self, node: int, operands: Sequence[int]) -> Guarded | None:
        """The tangent of what only moves elements, under conditions on these, which move along; None without such.

        It is selected before: what has no result where it is not asked for must be under its own condition.
        """
        builder = self.builder
        guard = self.found[operands[0]][1]
        if guard is None:
            return None
        value = self.settled(self.found[operands[0]], None)
        op, attrs = builder.op(node), builder.data[node].get("attrs")
        each = build.broadcast(builder, guard, builder.type(value).shape)
        made, condition = (builder.apply(op, one, *operands[1:], attrs=attrs) for one in (value, each))
        self.clean.add((made, condition))
        return made, condition

    def _single(self, guard: int | None, bound: Collection[Index]) -> int | None:
        """The guard if it is one condition for all elements that a node combines; None to select before."""
        if guard is None:
            return None
        type = self.builder.type(guard)
        return None if type.shape or not set(bound).isdisjoint(type.free) else guard

    def sum(self, terms: Sequence[Guarded]) -> Guarded:
        """The sum of tangents, each selected by its condition unless all have the same."""
        guard = terms[0][1]
        for _, other in terms[1:]:
            guard = self.either(guard, other)
        return balanced_sum(self.builder, [self.settled(term, guard) for term in terms]), guard

    def choice(self, condition: int, then: int, other: int) -> Guarded:
        """The tangent of ``if condition then … else …``."""
        builder, found = self.builder, self.found
        if other not in found:
            return found[then][0], self.both(found[then][1], condition)
        if then not in found:
            return found[other][0], self.both(found[other][1], self.opposite(condition))
        (first, by), (second, otherwise) = found[then], found[other]
        guard = by
        if by != otherwise:
            guard = self.either(self.both(by, condition), self.both(otherwise, self.opposite(condition)))
        return build.choose(builder, condition, first, second), guard

    def settled(self, term: Guarded, known: int | None) -> int:
        """The tangent as a value wherever the condition ``known`` holds: 0 where there is none."""
        value, guard = term
        if guard is None or guard == known or term in self.clean or self.builder.type(value).parts:
            return value
        zero = build.filled(self.builder, 0.0, self.builder.type(value))
        return build.choose(self.builder, guard, value, zero)

    # Conditions ----------------------------------------------------------------------------------------------------

    def opposite(self, condition: int) -> int:
        """The node of ``not condition``."""
        if self.builder.op(condition) == "not":
            return self.builder.operands(condition)[0]
        return self.builder.apply("not", condition)

    def both(self, guard: int | None, condition: int) -> int:
        """The condition that both hold. The guard stands behind: where the condition fails it may have no value."""
        if guard is None or guard == condition:
            return condition
        return build.connect(self.builder, "and", condition, guard)

    def either(self, guard: int | None, other: int | None) -> int | None:
        """The condition that one of them holds."""
        if guard is None or other is None:
            return None
        if guard == other:
            return guard
        return None if self.opposite(guard) == other else build.connect(self.builder, "or", guard, other)
