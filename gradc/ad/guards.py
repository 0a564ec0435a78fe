"""Under which conditions a node has any influence at all: what keeps branches that are not taken from poisoning.

A value that is used in a branch of an ``if`` and nowhere else matters only where that branch is taken; elsewhere its
local gradients may be infinite or NaN, and not even a zero adjoint may be multiplied by them. A guard says when a node
matters. Where it is used in several branches, it matters if one of them is taken. The elements of an array that nothing
reads do not matter either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from gradc.ad import elements
from gradc.ad.dependence import REGIONS, reached
from gradc.ad.flow import differentiable
from gradc.ad.needs import GENTLE, for_one, needed, some
from gradc.ad.reads import leaves_out, read
from gradc.ir.builder import Builder
from gradc.ir.types import Index, typed
from gradc.ops import build


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """``condition`` is ``taken``, and so is what ``outer`` says; the guard that always holds has no outer one.

    A ``plain`` guard is made of single conditions, which say the same of every element.
    """

    condition: int
    taken: bool
    outer: Guard | None
    depth: int
    plain: bool = True


ALWAYS = Guard(-1, True, None, 0)

# How far up a guard is searched for a condition that it may name already; naming one twice costs a selection, no more.
_SEARCHED = 64


def conditions(guard: Guard) -> Iterable[tuple[int, bool]]:
    """The conditions that a guard names, the innermost first."""
    step = guard
    while step.outer is not None:
        yield step.condition, step.taken
        step = step.outer


class Guards:
    """Makes the guards of one sweep, each once; conditions that it has to combine become nodes of the builder."""

    def __init__(self, builder: Builder, own: Iterable[Index] = ()) -> None:
        self.builder = builder
        # The free indices that every derivative of the sweep may have.
        self.own = frozenset(own)
        self._made: dict[tuple[Guard, int, bool], Guard] = {}
        # Nodes behind which an adjoint is multiplied by local gradients, as far as they are known.
        self.steep: set[int] = set()
        # Those of them where it can be told of operands which elements enter which.
        self.separate: set[int] = set()
        # What can be said of a guard's conditions as they are, and the rest of them as one condition.
        self._passed: dict[tuple[Guard, object, tuple[Index, ...], bool], tuple[Guard, int | None]] = {}
        self._needed: dict[tuple[int, int, int], int] = {}

    def within(self, outer: Guard, condition: int, taken: bool) -> Guard:
        """``outer`` and the condition; ``outer`` itself where it says so already."""
        for named in islice(conditions(outer), _SEARCHED):
            if named == (condition, taken):
                return outer
        key = (outer, condition, taken)
        made = self._made.get(key)
        if made is None:
            plain = outer.plain and self.builder.type(condition).scalar
            made = self._made[key] = Guard(condition, taken, outer, outer.depth + 1, plain)
        return made

    def edge(self, node: int, guard: Guard, position: int) -> Guard:
        """The guard of what flows from a node with ``guard`` towards its operand at ``position``."""
        entry = self.builder.data[node]
        if entry["op"] in REGIONS:
            for condition, taken in reached(self.builder, node, position):
                guard = self.within(guard, condition, taken)
            return guard
        if entry["op"] != "select":
            return guard
        condition = entry["operands"][0]
        # One condition for a whole array holds for everything that the array is made of.
        while self.builder.op(condition) == "broadcast" and not self.builder.type(self._below(condition)).shape:
            condition = self._below(condition)
        return self.within(guard, condition, position == 1)

    def _below(self, node: int) -> int:
        return self.builder.operands(node)[0]

    def passing(self, node: int, guard: Guard, operand: int, position: int) -> Guard:
        """What of a guard can be said of the operand: conditions on its own elements and indices.

        A condition on others becomes one on those of its elements that enter an element of the node which it selects.
        It has to be selected before the contributions of the node's elements are summed, too.
        """
        kept, left = self.divided(node, guard, operand)
        if left is None:
            return kept
        key = (node, position, left)
        if key not in self._needed:
            self._needed[key] = needed(self.builder, node, position, operand, left, self.own)
        return self.within(kept, self._needed[key], True)

    def of(self, order: Sequence[int], roots: Mapping[int, Guard]) -> dict[int, Guard]:
        """The guards of the active nodes; empty where nothing is selected or left out among them, the common case.

        A node that sends no derivative any further needs none of its own.
        """
        walk = Walk(self, order, roots)
        while (region := walk.go()) is not None:
            walk.through(region)
        return walk.found

    def prepare(self, order: Sequence[int], known: Collection[int] = ()) -> bool:
        """Find out where adjoints are multiplied, and whether anything is selected or left out on the way.

        Behind those that are ``known`` they are, element by element, though not among these nodes.
        """
        data = self.builder.data
        members = set(order)
        self.steep.update(known)
        self.separate = elements.separate(self.builder, order, known)
        selects = False
        for node in order:
            op = data[node]["op"]
            below = [operand for _, operand in differentiable(data, node) if operand in members]
            if below and (op not in GENTLE or not self.steep.isdisjoint(below)):
                self.steep.add(node)
            selects = selects or op == "select" or op in REGIONS or (bool(below) and self.leaves_out(node, 0))
        return selects

    def leaves_out(self, node: int, position: int) -> bool:
        """Whether elements of the operand are not read, and a multiplication by their local gradients follows."""
        return self.builder.operands(node)[position] in self.separate and leaves_out(self.builder, node, position)

    def divided(self, node: int, guard: Guard, operand: int) -> tuple[Guard, int | None]:
        """What of a guard can be said of the operand as it is, and the rest as one condition on the node's elements."""
        if guard.plain:
            return guard, None
        type = self.builder.type(operand)
        op = self.builder.op(node)
        elementwise = self.builder.ops[op].elementwise
        shape = type.shape if elementwise else None
        known = self.own.union(type.free)
        # What is selected after a multiplication needs no protection from it.
        steep = operand in self.steep or not (elementwise or op in GENTLE)
        way: list[Guard] = []
        step = guard
        while not step.plain and (step, shape, type.free, steep) not in self._passed:
            way.append(step)
            assert step.outer is not None
            step = step.outer
        kept, left = (step, None) if step.plain else self._passed[step, shape, type.free, steep]
        for step in reversed(way):
            found = self.builder.type(step.condition)
            if known.issuperset(found.free) and found.shape in ((), shape):
                kept = self.within(kept, step.condition, step.taken)
            elif steep:
                # Behind those around it: where one of them fails it may have no value.
                own = self._own(step)
                left = own if left is None else build.connect(self.builder, "and", left, own)
            self._passed[step, shape, type.free, steep] = kept, left
        return kept, left

    def read(self, node: int, known: Sequence[Guard], readers: Mapping[Guard, Sequence[int]]) -> list[Guard]:
        """The guards of a node that is read in part."""
        found = []
        for guard, listed in readers.items():
            if ALWAYS in known:
                break
            mask = None
            if guard not in known:
                mask = read(self.builder, node, listed, self._taken(guard), self.own)
            found.append(guard if mask is None else self.within(guard, mask, True))
        return found

    def _taken(self, guard: Guard) -> list[int]:
        return [named if holds else self.builder.apply("not", named) for named, holds in conditions(guard)]

    def elements(
        self, node: int, known: Sequence[Guard], readers: Mapping[Guard, Sequence[int]], base: int | None = None
    ) -> int:
        """The condition for each element of an array that is used under the guards ``known`` and read in part by the
        readers that one of them holds, or else the ``base``.
        """
        builder, type = self.builder, self.builder.type(node)
        found = base
        for guard in known:
            condition = self.holds(guard, ALWAYS, type.rank)
            if condition is None:
                return builder.constant(True, typed("bool", type.shape, type.free))
            each = build.broadcast(builder, condition, type.shape)
            found = each if found is None else builder.apply("or", found, each)
        for guard, listed in readers.items():
            mask = read(builder, node, listed, self._taken(guard), self.own, found)
            if mask is None:
                return self.elements(
                    node, [*known, guard], {at: some for at, some in readers.items() if at is not guard}
                )
            found = mask
        return builder.constant(False, typed("bool", type.shape)) if found is None else found

    def common(self, guards: Iterable[Guard]) -> Guard:
        """The guard that all of the given ones go on from, without conditions on single elements."""
        found: Guard | None = None
        for guard in guards:
            step: Guard | None = guard
            while step is not None and step.outer is not None:
                guard = step.outer if self.builder.type(step.condition).rank else guard
                step = step.outer
            found = found or guard
            while found is not guard:
                lower, upper = (found, guard) if found.depth >= guard.depth else (guard, found)
                assert lower.outer is not None
                found, guard = lower.outer, upper
        return found or ALWAYS

    def holds(self, guard: Guard, known: Guard = ALWAYS, kept: int = 0) -> int | None:
        """One condition for all that a guard says beyond what is ``known``; None where that is nothing.

        Of conditions on single elements it is that one of the elements fulfils them, along all but the ``kept`` first
        axes.
        """
        outside = set(conditions(known))
        found: int | None = None
        for condition, taken in conditions(guard):
            if (condition, taken) not in outside:
                found = self._both(Guard(condition, taken, ALWAYS, 1), found)
        return None if found is None else some(self.builder, found, kept)

    def union(self, guards: Sequence[Guard]) -> Guard:
        """The guard that holds where one of the given ones does.

        What all of them have in common stays a chain of conditions, so that one branch is left at a time; below that
        they become one condition. Both branches of an ``if`` together are no condition at all.
        """
        # By depth: what must hold besides a guard for one of the given ones to hold; None for nothing.
        levels: dict[int, dict[Guard, int | None]] = {}
        for guard in guards:
            if guard is ALWAYS:
                return ALWAYS
            levels.setdefault(guard.depth, {})[guard] = None
        depth = max(levels)
        while True:
            deepest = levels.pop(depth)
            if not levels and len(deepest) == 1:
                ((shared, need),) = deepest.items()
                return shared if need is None else self.within(shared, need, True)
            above = levels.setdefault(depth - 1, {})
            for guard, need in deepest.items():
                outer = guard.outer
                assert outer is not None
                above[outer] = self._either(above[outer], guard, need) if outer in above else self._both(guard, need)
            depth -= 1

    def _own(self, guard: Guard) -> int:
        """The guard's own condition."""
        return guard.condition if guard.taken else self.builder.apply("not", guard.condition)

    def _both(self, guard: Guard, need: int | None) -> int:
        """The guard's own condition and, behind it, what is needed besides."""
        condition = self._own(guard)
        return condition if need is None else build.connect(self.builder, "and", condition, need)

    def _either(self, known: int | None, guard: Guard, need: int | None) -> int | None:
        """What is known to suffice, or else the guard's own condition and what is needed besides."""
        if known is None:
            return None
        if self._opposite(known, guard):
            # c, or else (not c) and what is needed: that is c or what is needed.
            return None if need is None else build.connect(self.builder, "or", known, need)
        return build.connect(self.builder, "or", known, self._both(guard, need))

    def _opposite(self, known: int, guard: Guard) -> bool:
        if guard.taken:
            return self.builder.op(known) == "not" and self.builder.operands(known) == (guard.condition,)
        return known == guard.condition


class Walk:
    """Gives the nodes on a way their guards, from the roots down; it stops at each region, until it is told how that
    passes its guard on.
    """

    def __init__(
        self, guards: Guards, order: Sequence[int], roots: Mapping[int, Guard], known: Collection[int] = ()
    ) -> None:
        self.guards = guards
        self.members = set(order)
        # The guards found so far; empty where nothing is selected or left out among the nodes.
        self.found: dict[int, Guard] = {}
        self._uses: dict[int, list[Guard]] = {y: [guard] for y, guard in roots.items()}
        # Arrays that nodes read in part, under a guard that says nothing of single elements.
        self._readers: dict[int, dict[Guard, list[int]]] = {}
        self._plain = not guards.prepare(order, known) and all(guard is ALWAYS for guard in roots.values())
        self._waiting = iter(()) if self._plain else reversed(order)

    def go(self) -> int | None:
        """Walk on to the next region, and return it; None at the end."""
        data = self.guards.builder.data
        for node in self._waiting:
            edges = self._edges(node)
            guard = self.reach(node) if edges else None
            # It may send no derivative any further, or a region turned out not to depend on it.
            self.found[node] = guard or ALWAYS
            if guard is None:
                continue
            if data[node]["op"] in REGIONS:
                return node
            for position, operand in edges:
                self._use(node, position, operand, self.guards.edge(node, guard, position))
        return None

    def through(
        self, region: int, under: Mapping[int, tuple[int | None, bool]] | None = None, own: Guard | None = None
    ) -> None:
        """Pass the guard of a region on to its operands: as far as its bodies tell, or with the conditions ``under``
        which they have an influence if ``own`` holds, by position; those that are not in there have none.
        """
        own, guards = own or self.found[region], self.guards
        for position, operand in self._edges(region):
            if under is None:
                self._use(region, position, operand, guards.edge(region, own, position))
            elif position in under:
                guard = guards.passing(region, own, operand, position)
                condition, taken = under[position]
                if condition is not None:
                    guard = guards.within(guard, *self._for_operand(condition, taken, operand))
                self._uses.setdefault(operand, []).append(guard)

    def _for_operand(self, condition: int, taken: bool, operand: int) -> tuple[int, bool]:
        """A condition of a family as one for the operand: that it holds for one of the values of indices it lacks."""
        builder = self.guards.builder
        known = self.guards.own.union(builder.type(operand).free)
        missing = [index for index in builder.type(condition).free if index not in known]
        if not missing:
            return condition, taken
        return for_one(builder, condition if taken else builder.apply("not", condition), missing), True

    def reach(self, node: int) -> Guard | None:
        """The guard that holds where one of the uses of a node has any influence; None where it has no uses.

        It can be asked once, after the walk.
        """
        if self._plain:
            return ALWAYS if node in self.members else None
        known, readers = self._uses.pop(node, []), self._readers.pop(node, {})
        if readers and len(known) == 1 and known[0].outer is ALWAYS and not known[0].plain:
            # Conditions on single elements that others join, in place where that can be.
            return self.guards.within(ALWAYS, self.guards.elements(node, known, readers), True)
        known += self.guards.read(node, known, readers)
        return self.guards.union(known) if known else None

    def elements(self, node: int, base: int | None) -> int:
        """The condition for each element of an array that it has any influence, or else the ``base``.

        It can be asked once, after the walk, instead of ``reach``.
        """
        uses = [ALWAYS] if self._plain and node in self.members else self._uses.pop(node, [])
        return self.guards.elements(node, uses, self._readers.pop(node, {}), base)

    def _edges(self, node: int) -> list[tuple[int, int]]:
        found = differentiable(self.guards.builder.data, node)
        return [(position, operand) for position, operand in found if operand in self.members]

    def _use(self, node: int, position: int, operand: int, inner: Guard) -> None:
        guards = self.guards
        if guards.leaves_out(node, position):
            kept, left = guards.divided(node, inner, operand)
            if left is None:
                self._readers.setdefault(operand, {}).setdefault(kept, []).append(node)
                return
        self._uses.setdefault(operand, []).append(guards.passing(node, inner, operand, position))
