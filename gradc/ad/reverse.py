"""Reverse mode: appends the adjoint subgraph of a value to the builder that holds it.

The DAG is walked backwards from y. Each operand edge multiplies the incoming adjoint by the edge's local gradient;
where paths converge, the contributions are added. Zeros are symbolic: a node that no derivative reaches has no adjoint,
and no product with a zero is made. (Griewank and Walther, Evaluating Derivatives, 2nd ed., section 3.2.)

Over arrays an adjoint has the shape and the free indices of its node. What a comprehension reads at an index comes back
to the array at that index; what does not depend on an index receives the sum over it.

A branch that is not taken must not poison the derivative: inside a branch adjoints are computed as if it were taken,
and where a contribution leaves it, for a node that is shared with the outside, it is selected by the condition.
Selecting only where the adjoint enters the branch would multiply 0 by what may be infinite in there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gradc.ad import regions
from gradc.ad.dependence import collects
from gradc.ad.flow import active, differentiable
from gradc.ad.guards import ALWAYS, Guard, Guards, Walk, conditions
from gradc.ir.builder import Builder
from gradc.ir.op import Scatter
from gradc.ir.types import BOOL, TAPE, TUPLE, Index, Type, family
from gradc.ops import build
from gradc.rules.gradients import LocalGradients
from gradc.source import Span


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


@dataclass(frozen=True, slots=True)
class _Part:
    """A contribution to elements of an array, summed over the indices ``over``."""

    what: Scatter
    over: tuple[Index, ...]
    span: Span | None


@dataclass(frozen=True, slots=True)
class _Result:
    """A contribution to one of the results of a region."""

    place: int
    value: int
    # Of a tape, the tapes of conditions of which one says that there is an adjoint of it in an iteration.
    live: tuple[int, ...] = ()


Term = int | _Part | _Result


@dataclass(slots=True, eq=False)
class _Branch:
    """What has come out of the inside of a branch, on its way outwards."""

    outer: _Branch | None
    condition: int
    taken: bool
    depth: int
    terms: list[Term] = field(default_factory=list)
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
    """One reverse sweep: the adjoints of every node on a way from ``wrt`` to one of those that have ``seeds``.

    ``bases`` are values to which the adjoints of their nodes are added: in a loop, what earlier iterations gave. A root
    in ``live`` has an adjoint at all only where that condition holds; its seed is 0 elsewhere. Behind targets that are
    ``apart`` it matters which of their elements have an adjoint.
    """

    def __init__(
        self,
        builder: Builder,
        local: LocalGradients,
        seeds: Sequence[tuple[int, int | None]],
        wrt: Sequence[int],
        own: Iterable[Index] = (),
        bases: Mapping[int, int] | None = None,
        live: Mapping[int, int] | None = None,
        apart: Collection[int] = (),
    ) -> None:
        self.builder = builder
        self.local = local
        roots = list(dict.fromkeys(y for y, _ in seeds))
        self.order = active(builder.data, roots, wrt)
        # A derivative of a family is a family: these indices are summed over nowhere.
        self.own = tuple(own)
        self.made = Guards(builder, self.own)
        starts = dict.fromkeys(roots, ALWAYS)
        for y, condition in (live or {}).items():
            starts[y] = self.made.within(ALWAYS, condition, True)
        self.walk = Walk(self.made, self.order, starts, apart)
        self.guards = self.walk.found
        # The next region, which the guards behind it wait for.
        self.ahead = self.walk.go()
        # Of tapes, the tapes of conditions under which contributions to their adjoints are any; None for always.
        self.live: dict[int, list[int | None]] = {}
        # Contributions to a node, each with the guard under which it arose; the last user comes first.
        self.incoming: dict[int, list[tuple[Term, Guard]]] = {}
        members = set(self.order)
        # Whether single elements are added to what is there already, and not to an array of zeros.
        self.accumulates = bases is not None
        for node, base in (bases or {}).items():
            if node in members:
                self.incoming[node] = [(base, ALWAYS)]
        # Contributions that are 0 already where their guard does not hold.
        self.clean: set[tuple[int, Guard]] = set()
        for y, seed in reversed(seeds):
            if y in members:
                start = builder.constant(1.0, builder.type(y)) if seed is None else seed
                self.incoming.setdefault(y, []).append((start, starts[y]))
                self.clean.add((start, starts[y]))

    def run(self, wrt: Sequence[int]) -> dict[int, int]:
        """The adjoints of ``wrt``; one that is missing is zero everywhere."""
        builder, data = self.builder, self.builder.data
        members = set(self.order)
        wanted = set(wrt)
        found: dict[int, int] = {}
        for node in reversed(self.order):
            contributions = self.incoming.pop(node, None)
            if contributions is None:
                if node == self.ahead:
                    self.pass_on(node)
                continue
            builder.span = data[node].get("span")
            type = builder.type(node)
            if type.dtype == TUPLE:
                self.enter(node, contributions, members)
                continue
            adjoint = self.gather(self.guards.get(node, ALWAYS), type, contributions)
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
        if op == "get":
            ((_, region),) = edges
            place = builder.data[node]["attrs"]["place"]
            flags = self.live.get(node, [None])
            live = () if None in flags else tuple(dict.fromkeys([flag for flag in flags if flag is not None]))
            self.incoming.setdefault(region, []).append((_Result(place, adjoint, live), guard))
            return
        if op in ("name", "select", "add_tapes"):
            for position, operand in edges:
                self._leave(node, position, operand, adjoint, self.made.edge(node, guard, position))
                if builder.type(operand).dtype == TAPE:
                    self._tape(node, operand, self.live.get(node, [None]))
            return
        positions = [position for position, _ in edges]
        pullback = builder.ops[op].pullback
        if pullback is not None:
            # Sums over elements: whatever tells these apart is selected before.
            inner = {position: self.made.passing(node, guard, operand, position) for position, operand in edges}
            adjoint = self._settle(guard, adjoint, *inner.values())
            found = pullback(builder, node, adjoint, positions)
            if op == "put" and (adjoint, guard) in self.clean and isinstance(rest := found.get(0), int):
                self.clean.add((rest, inner[0]))
            for position, operand in reversed(edges):
                if position in found:
                    self._deliver(node, operand, found[position], inner[position])
            return
        partials = self.local.of(node, positions, members)
        for position, operand in reversed(edges):
            partial = partials.get(position)
            if partial is not None:
                self._leave(node, position, operand, times(builder, adjoint, partial), guard)

    def enter(self, node: int, contributions: list[tuple[Term, Guard]], members: Collection[int]) -> None:
        """Differentiate a region whose results have these contributions."""
        builder = self.builder
        parts = builder.type(node).parts
        listed: dict[int, list[tuple[_Result, Guard]]] = {}
        for term, guard in contributions:
            assert isinstance(term, _Result)
            listed.setdefault(term.place, []).append((term, guard))
        free = builder.type(node).free
        reached = {place: self.made.union([guard for _, guard in terms]) for place, terms in sorted(listed.items())}
        edges = [(p, operand) for p, operand in differentiable(builder.data, node) if operand in members]
        # What all results have in common; the rest is left to the bodies. Of a tape nothing can be selected, and others
        # may add to it where these conditions do not hold: then all of them are left to the bodies.
        taped = any(builder.type(operand).dtype == TAPE for _, operand in edges)
        own = ALWAYS if taped else self.made.common(reached.values())
        seeds = {}
        for place, terms in sorted(listed.items()):
            # Each iteration gives one row of a collected array.
            axes = 1 if collects(builder, node, place) else parts[place].rank
            live = self.made.holds(reached[place], own, axes)
            values: list[tuple[Term, Guard]] = [(result.value, guard) for result, guard in terms]
            seed = self.gather(own, family(parts[place], free), values)
            known = all(result.live for result, _ in terms)
            tapes = tuple(flag for result, _ in terms for flag in result.live) if known else ()
            seeds[place] = regions.Seed(seed, live, tapes)
        apart = [position for position, operand in edges if operand in self.made.separate]
        found = regions.pull(self.local, node, seeds, [position for position, _ in edges], members, apart)
        under: dict[int, tuple[int | None, bool]] = {}
        for position, operand in reversed(edges):
            if position in found:
                value, condition, taken = found[position]
                # Where it has no influence it is 0 already, so nothing has to be selected.
                self._leave(node, position, operand, value, own)
                tape = builder.type(operand).dtype == TAPE
                under[position] = (None, True) if tape else (condition, taken)
                if tape:
                    self._tape(node, operand, [condition])
        self.pass_on(node, under, own)

    def _tape(self, node: int, operand: int, flags: Sequence[int | None]) -> None:
        """Keep the conditions of a contribution to a tape; sums of them always count."""
        summed = set(self.builder.type(node).free).difference(self.builder.type(operand).free, self.own)
        self.live.setdefault(operand, []).extend([None] if summed else flags)

    def pass_on(
        self, node: int, under: Mapping[int, tuple[int | None, bool]] | None = None, own: Guard | None = None
    ) -> None:
        """Let the guards of the nodes behind a region be found, given the conditions of its operands, by position."""
        self.walk.through(node, under, own)
        self.ahead = self.walk.go()

    def reach(self, node: int) -> int:
        """The condition under which a target that is computed from nothing else has any influence."""
        guard = self.walk.reach(node)
        condition = None if guard is None else self.made.holds(guard)
        return self.builder.constant(guard is not None, BOOL) if condition is None else condition

    def elements(self, node: int, base: int | None = None) -> int:
        """The same for each element of an array, or else the ``base``."""
        return self.walk.elements(node, base)

    def _settle(self, guard: Guard, value: int, *kept: Guard) -> int:
        """The value selected by the conditions of a guard that are not kept for all operands."""
        if (value, guard) in self.clean:
            return value
        if any(each is not guard for each in kept):
            known = set.intersection(*(set(conditions(each)) for each in kept))
            for condition, taken in conditions(guard):
                if (condition, taken) not in known:
                    value = self._choose(condition, taken, value)
        return value

    def _choose(self, condition: int, taken: bool, value: int) -> int:
        if self.builder.type(value).parts:
            # What a tape holds is selected where it is read.
            return value
        zero = build.filled(self.builder, 0.0, self.builder.type(value))
        return build.choose(self.builder, condition, *((value, zero) if taken else (zero, value)))

    def _leave(self, node: int, position: int, operand: int, found: int, guard: Guard) -> None:
        """Keep a contribution that arose under a guard of the node, of which the operand can have a part."""
        kept = self.made.passing(node, guard, operand, position)
        self._deliver(node, operand, self._settle(guard, found, kept), kept)

    def _deliver(self, node: int, operand: int, found: int | Scatter, guard: Guard) -> None:
        """Keep a contribution to the operand's adjoint, summed over the indices that the operand lacks."""
        builder = self.builder
        type = builder.type(node)
        term: Term
        missing: tuple[Index, ...] = ()
        if type.free:
            kept = (*builder.type(operand).free, *self.own)
            missing = tuple([index for index in type.free if index not in kept])
        term = (
            _Part(found, missing, builder.data[node].get("span"))
            if isinstance(found, Scatter)
            else build.total(builder, found, missing)
        )
        self.incoming.setdefault(operand, []).append((term, guard))

    def gather(self, goal: Guard, type: Type, contributions: list[tuple[Term, Guard]]) -> int:
        """The sum of the contributions to what is of that type, as seen from where ``goal`` holds, in the order of the
        users; those from inside a branch are selected first.
        """
        contributions.reverse()
        if type.dtype == TAPE or all(guard is goal for _, guard in contributions):
            return self._add(type, [term for term, _ in contributions])
        found = self._merge(type, contributions, goal)
        known = set(conditions(goal))
        if all((term, guard) in self.clean or known.isdisjoint(conditions(guard)) for term, guard in contributions):
            self.clean.add((found, goal))
        return found

    def _add(self, type: Type, terms: Sequence[Term]) -> int:
        """The sum of contributions to an adjoint; those to elements are assembled, all in one go."""
        builder = self.builder
        if type.dtype == TAPE:
            tapes = [term for term in terms if isinstance(term, int)]
            return builder.apply("add_tapes", *tapes) if len(tapes) > 1 else tapes[0]
        shape = type.shape
        whole: list[int] = []
        parts: list[_Part] = []
        for term in terms:
            if isinstance(term, int):
                whole.append(term)
                continue
            assert isinstance(term, _Part)
            table = self._tabulated(term, shape)
            if table is None:
                parts.append(term)
            else:
                whole.append(table)
        if parts:
            operands = [operand for part in parts for operand in (part.what.value, *part.what.indices)]
            described = tuple((part.what.items, part.over) for part in parts)
            attrs: dict[str, object] = {"shape": shape, "parts": described}
            if any(part.what.indices for part in parts):
                # Where an index was out of range, the element was not selected, and its contribution is 0.
                attrs["lenient"] = True
            # One that does lie outside is a mistake where the element is read.
            span, builder.span = builder.span, next((part.span for part in parts if part.what.indices), builder.span)
            if self.accumulates and whole:
                # In a loop an array of zeros for every few elements would be made in each iteration.
                del attrs["shape"]
                whole = [builder.apply("accumulate", balanced_sum(builder, whole), *operands, attrs=attrs)]
            else:
                whole.append(builder.apply("assemble", *operands, attrs=attrs))
            builder.span = span
        return balanced_sum(builder, whole)

    def _tabulated(self, part: _Part, shape: tuple[object, ...]) -> int | None:
        """A contribution to each element once, as a table; None where some elements have none or several."""
        builder, items = self.builder, part.what.items
        if any(item is not None for item in items):
            return None
        indices = []
        for place, extent in zip(part.what.indices, shape, strict=False):
            index = builder.data[place]["attrs"]["index"] if builder.op(place) == "index" else None
            if index is None or index in indices or index not in part.over or index.extent != extent:
                return None
            indices.append(index)
        value = build.total(builder, part.what.value, [index for index in part.over if index not in indices])
        return build.tabulate(builder, value, indices)

    def _merge(self, type: Type, contributions: list[tuple[Term, Guard]], goal: Guard) -> int:
        """Add what arose under the same guard, leave the innermost branch, and so on outwards.

        Each branch is left once for all that comes out of it, so a long chain of ``else if`` stays linear; the two
        branches of one ``if`` leave as one selection.
        """
        builder = self.builder
        root = _Branch(None, -1, True, 0)
        places: dict[Guard, _Branch] = {ALWAYS: root}
        known = set(conditions(goal))
        for term, guard in contributions:
            if isinstance(term, int) and (term, guard) in self.clean:
                guard = ALWAYS
            elif isinstance(term, _Part) and self.accumulates and guard.plain:
                # In a loop a few elements are selected, and not an array of them.
                for condition, taken in conditions(guard):
                    if (condition, taken) not in known:
                        value = self._choose(condition, taken, term.what.value)
                        term = replace(term, what=replace(term.what, value=value))
                guard = ALWAYS
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
                inside = self._add(type, branch.terms)
                other = build.filled(builder, 0.0, builder.type(inside))
                if opposite is not None and opposite.terms:
                    other = self._add(type, opposite.terms)
                if opposite is not None:
                    opposite.terms = []
                choices = (inside, other) if branch.taken else (other, inside)
                outer.terms.append(build.choose(builder, branch.condition, *choices))
        return self._add(type, root.terms)

    def leave(self, adjoint: int, guard: Guard) -> int:
        """The adjoint as seen from outside all branches."""
        for condition, taken in conditions(guard):
            adjoint = self._choose(condition, taken, adjoint)
        return adjoint


def adjoints(
    builder: Builder,
    local: LocalGradients,
    y: int,
    wrt: Sequence[int],
    seed: int | None = None,
    *,
    each: bool = True,
) -> Mapping[int, int]:
    """Append the adjoints of ``wrt`` with respect to y, each times ``seed`` (1 if none is given), and return them.

    Of a family y the derivatives are a family, or with ``each=False`` their sum: then y is a step on the way to one
    number, and the seed its adjoint. A node that is missing in the result has derivative zero. What is made is marked
    ``adjoint_of`` y.
    """
    own: tuple[Index, ...] = builder.type(y).free if each else ()
    if seed is not None and each:
        own = (*own, *builder.type(seed).free)
    marked = builder.adjoint_of
    builder.adjoint_of = y
    try:
        return Sweep(builder, local, [(y, seed)], wrt, own).run(wrt)
    finally:
        builder.adjoint_of = marked
