"""How loops spread what their operands depend on.

A body is followed like any graph, in one of three ways. Iterations that need nothing of each other but sums are a
family, over an index that numbers them, and are followed all at once. Otherwise a loop whose number of iterations
follows from sizes and indices is followed from one iteration to the next, until nothing changes any more. What is too
long for that, or as long as real numbers say, is followed as if any iteration could be followed by any: what its body
spreads once, closed under repetition (the reflexive and transitive closure of a relation, by squaring).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ad import dependence, sums
from gradc.ad.entered import Entered, Region, lifted, replayed, where
from gradc.ad.indices import known
from gradc.ad.reach import Array, Matrix, Reach, Rows, along, compact, identity, library, stacked, taken, united
from gradc.ad.spread import Sources
from gradc.ir import sizes as extents
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.region import Loop
from gradc.ir.types import Index

if TYPE_CHECKING:
    from gradc.ad.sparsity import Pass
    from gradc.ad.zeros import Zeros


WORK = 20_000.0
"""How many nodes of bodies are followed, in all loops together, before the others are taken as any number of times."""

# Families of iterations with more elements than this in one value are followed one by one.
WIDEST = 1 << 22
# Where something is 0 in all iterations is looked for in so many of them.
_ROUNDS = 64
# A closure that needs more operations than this is not sparse.
_CLOSURE = 1 << 25


class Iterations(Region):
    """A loop."""

    def __init__(self, frame: Pass | Zeros, node: int, sources: Sources, places: Collection[int]) -> None:
        self.loop = loop = Loop.of(frame.graph.attrs(node))
        super().__init__(frame, node, sources, places, loop.first, 1)
        self.body = loop.body
        self.carries = loop.carried
        active = dependence.active(loop, self.sources) & dependence.useful(loop, places)
        self.sources = {place: reach for place, reach in self.sources.items() if place in active}
        self.carried = sorted(place for place in active if place <= loop.carried)
        self.scanned = range(1 + loop.carried, 1 + loop.carried + loop.scanned)
        self.outputs = {place - 1 for place in self.carried} | {place for place in places if place >= loop.carried}
        self.active = active
        # Integers and truth values that iterations hand on are known where what they start from is.
        self.counted = self._counted()
        self.fixed = {p: value for p, value in self.values.items() if p > loop.carried and p not in self.scanned}

    def results(self) -> Mapping[int, Reach]:
        """What some results depend on, by place."""
        found = None
        if self.loop.test is None and self._bounds is not None:
            if not self._most:
                found = {place - 1: self._start(place) for place in self.carried}
            else:
                found = self._together()
        if found is None:
            found = self._one_by_one()
        if found is None:
            found = self._closed()
        return {place: reach for place, reach in found.items() if place in self.places}

    def zeros(self) -> Mapping[int, Array]:
        """What is 0 however many iterations there are."""
        entered = self.enter("zeros", self.body, (), (), self.fixed, vanishing=self.places, make=self._closing)
        nought = self._never()
        found = entered.zeros(entered.frame(self.fixed, 1, nought))
        carried, axis = self.loop.carried, len(self.free)
        result = {place - 1: ids for place, ids in nought.items() if place <= carried}
        return result | {place: np.expand_dims(ids, axis) for place, ids in found.items() if place >= carried}

    def _never(self) -> dict[int, Array]:
        """Where inputs of the body are 0 in all iterations, in whatever order these are."""
        carried = self.loop.carried
        entered = self.enter("zeros", self.body, (), (), self.fixed, vanishing=self.places, make=self._closing)
        given = {place: ids for place, ids in self.zero.items() if place > carried}
        for place in self.scanned:
            if place in given:
                given[place] = given[place].max(axis=len(self.own[place]), initial=-1)
        state = {place: self.aligned(place, ids) for place, ids in self.zero.items() if 0 < place <= carried}
        for _ in range(_ROUNDS):
            if not state:
                break
            found = entered.zeros(entered.frame(self.fixed, 1, {**given, **state}))
            after = {p: np.maximum(ids, found[p - 1]) for p, ids in state.items() if p - 1 in found}
            after = {place: ids for place, ids in after.items() if np.any(ids < 0)}
            if _alike(state, after):
                return {**given, **state}
            state = after
        return given

    def _start(self, place: int) -> Reach:
        """What is carried into the first iteration."""
        if place not in self.sources:
            return self.nothing(self.body.type(self.body.inputs[place]).rank)
        reach = self.sources[place]
        return reach.moved(self.aligned(place, reach.ids))

    # The range ---------------------------------------------------------------------------------------------------

    @cached_property
    def _bounds(self) -> tuple[Array, Array] | None:
        """The first number and the number of iterations, with an axis for each index of the family, if known."""
        values = [self.frame.values.get(operand) for operand in self.operands[:2]]
        if values[0] is None or values[1] is None:
            return None
        start, stop = (self.aligned(at - 1, np.asarray(value)) for at, value in enumerate(values))
        return start, np.maximum(stop - start, 0)

    @cached_property
    def _most(self) -> int:
        assert self._bounds is not None
        return int(self._bounds[1].max(initial=0))

    @cached_property
    def _even(self) -> bool:
        """Whether all members of the family have as many iterations."""
        assert self._bounds is not None
        return bool(np.all(self._bounds[1] == self._most))

    def _counted(self) -> set[int]:
        loop, body = self.loop, self.body
        found = {
            place
            for place in range(1, 1 + loop.carried)
            if place in self.values and not body.type(body.inputs[place]).smooth
        }
        fixed = {place for place in self.values if place > loop.carried}
        while found:
            inside = known(body, {body.inputs[place] for place in (0, *found, *fixed)})
            kept = {place for place in found if body.outputs[place - 1][1] in inside}
            if kept == found:
                break
            found = kept
        return found

    # All at once -------------------------------------------------------------------------------------------------

    def _together(self) -> dict[int, Reach] | None:
        """The iterations as a family; None if one needs more of another than a sum."""
        loop, body = self.loop, self.body
        chains = self._chains()
        if chains is None or not self._even:
            return None
        assert self._bounds is not None
        setting = self.frame.outline.setting

        def make(names: Mapping[Index, Index]) -> Graph:
            number = Index(setting.fresh(), self._most)
            frees = self._frees(names)
            for place in (0, *self.scanned):
                frees[place] += (number,)
            builder = Builder(body.ops)
            made = replayed(builder, body, frees)
            outputs = [made[node] for _, node in body.outputs]
            for place, chain in chains.items():
                outputs[place - 1] = sums.summed(builder, made, body, place, chain, number)
            return builder.finish([(name, node) for (name, _), node in zip(body.outputs, outputs, strict=True)])

        given = {0, *self.fixed, *(place for place in self.scanned if place in self.values)}
        entered = self.enter(("together", self._most), body, self.outputs, self.active, given, make=make)
        if entered.outline.widest() > WIDEST:
            return None
        start = self._bounds[0]
        values = {**self.values, 0: start[..., None] + np.arange(self._most)}
        nought = {place: ids for place, ids in self.zero.items() if place > loop.carried}
        frame = entered.frame({place: values[place] for place in given}, self.columns, nought)
        number = entered.graph.type(entered.graph.inputs[0]).free[-1]
        starts = {place: x for place, x in self.sources.items() if place > loop.carried}
        starts |= {place: self._start(place) for place in self.carried}
        for place, chain in chains.items():
            if any(body.op(each) == "put" for each in chain):
                counts = sums.writes(frame, entered.graph.outputs[place - 1][1])
                # Of several values for one element the last one counts.
                if counts is None or np.any(counts > 1):
                    return None
                starts[place] = starts[place].moved(np.where(counts, -1, starts[place].ids))
        found = entered.run(frame, starts, [number])
        count = len(self.free)
        return {
            # A sum lacks the index that numbers the iterations.
            place: reach.moved(reach.ids.squeeze(count)) if place < loop.carried else reach
            for place, reach in found.items()
        }

    def _frees(self, names: Mapping[Index, Index]) -> list[tuple[Index, ...]]:
        """As the operands are families; what is carried, and the number of an iteration, are over all indices."""
        whole = tuple(names.values())
        listed = [()] + [tuple(names[index] for index in self.own[p]) for p in range(1, len(self.body.inputs))]
        for place in range(1 + self.loop.carried):
            listed[place] = whole
        return listed

    def _chains(self) -> dict[int, list[int]] | None:
        """For each carried input that counts the nodes that add to it, the last one first; None if one is no sum."""
        outline = self._plain.outline
        found = sums.chains(self.body, outline.order, self.carried, self.outputs)
        # What is not known of an iteration that is not the first would be wanted.
        return None if self._plain.reads() & self.counted else found

    @cached_property
    def _plain(self) -> Entered:
        """The body of one iteration, for what it needs to know."""
        return self.enter("plain", self.body, self.outputs, self.active, self._given, make=lambda names: self.body)

    @cached_property
    def _given(self) -> set[int]:
        return {0, *self.fixed, *self.counted, *(place for place in self.scanned if place in self.values)}

    # One by one --------------------------------------------------------------------------------------------------

    def _one_by_one(self) -> dict[int, Reach] | None:
        """The iterations one after the other; None if their number is not known, or too large."""
        loop = self.loop
        if loop.test is not None and (self.free or not self._tested):
            return None
        if loop.test is None and self._bounds is None:
            return None
        ragged = loop.test is None and not self._even
        reads = self._plain.reads()
        counted = self.counted if reads & self.counted or loop.test is not None else set()
        given = self._given - (self.counted - counted)

        def make(names: Mapping[Index, Index]) -> Graph:
            frees = self._frees(names)
            if ragged:
                for place in self.scanned:
                    frees[place] = frees[0]
            return lifted(self.body, frees)

        extra = [place - 1 for place in counted]
        entered = self.enter(("one by one", ragged), self.body, self.outputs, self.active, given, extra, make=make)
        setting = self.frame.outline.setting
        cost = entered.outline.cost
        # Iterations that read other elements than those before them never come to rest.
        moving = bool(counted or reads & {0, *self.scanned} or ragged or any(p in self.scanned for p in self.sources))
        if moving and loop.test is None and cost * self._most > setting.work:
            return None
        state = {place: self._start(place) for place in self.carried}
        fixed = {place: reach for place, reach in self.sources.items() if place > loop.carried}
        numbers = {place: self.aligned(place, self.values[place]) for place in counted}
        nought = {place: self.aligned(place, ids) for place, ids in self.zero.items() if place <= loop.carried}
        rows: dict[int, list[Reach]] = {place: [] for place in self.outputs if place >= loop.carried}
        at = 0
        frame = None
        steady = False
        while True:
            if loop.test is None:
                assert self._bounds is not None
                if at == self._most:
                    break
            elif (goes_on := self._test(at, numbers)) is None:
                return None
            elif not goes_on:
                break
            setting.work -= cost
            if setting.work < 0:
                return None
            values, starts, zero = self._iteration(at, ragged, fixed)
            if frame is None or not steady:
                held = {place: value for place, value in {**values, **numbers}.items() if place in given}
                frame = entered.frame(held, self.columns, {**zero, **nought})
                left = {at + 1: ids for at, ids in entered.zeros(frame).items() if at < loop.carried}
                if ragged:
                    left = {place: np.maximum(ids, nought[place]) for place, ids in left.items() if place in nought}
                steady = not moving and _alike(nought, left)
                nought = left
            found = entered.run(frame, {**starts, **state})
            if counted:
                results = [entered.value(frame, place - 1) for place in sorted(counted)]
                if any(each is None for each in results):
                    return None
                numbers = dict(zip(sorted(counted), results, strict=True))
            for place, listed in rows.items():
                rank = self.body.type(self.body.outputs[place][1]).rank
                listed.append(compact(found.get(place, self.nothing(rank))))
            after = {p: found.get(p - 1, self.nothing(self.body.type(self.body.inputs[p]).rank)) for p in state}
            if ragged:
                assert self._bounds is not None
                runs = at < self._bounds[1]
                after = {p: united([where(x, runs), where(state[p], ~runs)]) for p, x in after.items()}
            after = {place: compact(reach) for place, reach in after.items()}
            at += 1
            if steady and loop.test is None and all(_same(state[p], x, self._whole(p)) for p, x in after.items()):
                for listed in rows.values():
                    listed += listed[-1:] * (self._most - at)
                state = after
                break
            state = after
        results_: dict[int, Reach] = {place - 1: reach for place, reach in state.items()}
        for place, listed in rows.items():
            if listed:
                results_[place] = _piled(listed[::-1] if loop.backwards else listed, len(self.free))
        return results_

    def _whole(self, place: int) -> tuple[int, ...]:
        """The extents of something carried, those of the family in front."""
        frame = self.frame
        shape = self.body.type(self.body.inputs[place]).shape
        return (*map(frame.extent, self.free), *(extents.evaluate(dim, frame.sizes) for dim in shape))

    def _iteration(
        self, at: int, ragged: bool, fixed: Mapping[int, Reach]
    ) -> tuple[dict[int, Any], dict[int, Reach], dict[int, Array]]:
        """What is known in an iteration; what inputs depend on, and where they are 0, but those that are carried."""
        loop = self.loop
        values: dict[int, Any] = dict(self.values)
        nought = {place: ids for place, ids in self.zero.items() if place > loop.carried}
        if loop.test is not None:
            values[0] = at
            return values, dict(fixed), nought
        assert self._bounds is not None
        start, count = self._bounds
        number: Any = count - 1 - at if loop.backwards else np.full_like(count, at)
        values[0] = start + number
        where = number if ragged else int(number.flat[0])

        def row(place: int, array: Array) -> Array:
            if place not in self.scanned:
                return array
            whole = self.aligned(place, array) if ragged else array
            return _row(whole, where, len(self.free) if ragged else len(self.own[place]))

        values |= {place: row(place, values[place]) for place in self.scanned if place in values}
        starts = {place: reach.moved(row(place, reach.ids)) for place, reach in fixed.items()}
        return values, starts, {place: row(place, ids) for place, ids in nought.items()}

    @property
    def _length(self) -> int:
        """The number of elements of all that is carried and counts."""
        return sum(prod(self._whole(place)) for place in self.carried)

    @cached_property
    def _tested(self) -> bool:
        """Whether the test of a ``while`` follows from what is known."""
        test = self.loop.test
        assert test is not None
        given = {test.inputs[place] for place in (0, *self.fixed, *self.counted)}
        return test.outputs[0][1] in known(test, given)

    def _test(self, at: int, numbers: Mapping[int, Any]) -> bool | None:
        test = self.loop.test
        assert test is not None
        given = {0, *self.fixed, *self.counted}
        entered = self.enter("test", test, (), (), given, [0], make=lambda names: test)
        frame = entered.frame({**self.fixed, **numbers, 0: at}, 1, {})
        found = frame.values.get(test.outputs[0][1])
        return None if found is None else bool(found)

    # Any number of times -----------------------------------------------------------------------------------------

    def _closed(self) -> dict[int, Reach]:
        """As if iterations could follow one another in any order, any number of times."""
        loop = self.loop
        entered = self.enter("closed", self.body, self.outputs, self.active, self.fixed, make=self._closing)
        fixed: dict[int, Reach] = {}
        for place, reach in self.sources.items():
            if place in self.scanned:
                axis = len(self.own[place])
                reach = along(reach, [axis])
                reach = reach.moved(reach.ids.squeeze(axis))
            if place > loop.carried:
                fixed[place] = reach
        self.frame.outline.setting.work -= entered.outline.cost
        nought = self._never()
        frame = entered.frame(self.fixed, self.columns, nought)
        state: dict[int, Reach] = {}
        if self.carried:
            found = self._closure(entered, frame, entered.frame(self.fixed, self._length, nought), fixed)
            if found is None:
                return self._coarse()
            state = found
        found = entered.run(frame, {**fixed, **state})
        results_ = {place - 1: reach for place, reach in state.items()}
        axis = len(self.free)
        for place, reach in found.items():
            if place >= loop.carried:
                results_[place] = reach.moved(np.expand_dims(reach.ids, axis))
        return results_

    def _closing(self, names: Mapping[Index, Index]) -> Graph:
        frees = self._frees(names)
        return lifted(self.body, frees)

    def _closure(
        self, entered: Entered, frame: Pass, within: Pass, fixed: Mapping[int, Reach]
    ) -> dict[int, Reach] | None:
        """What is carried into any iteration or out of the last; None if it is not sparse."""
        shapes = {place: self._whole(place) for place in self.carried}
        ends = np.cumsum([0, *(prod(shapes[place]) for place in self.carried)]).tolist()
        first = dict(zip(self.carried, ends, strict=False))
        count = ends[-1]
        rows = identity((count,))
        starts = {
            place: rows.moved(first[place] + np.arange(prod(shapes[place])).reshape(shapes[place]))
            for place in self.carried
        }
        found = entered.run(within, starts)
        step = self._rows(found, shapes, count)
        if step is None:
            return None
        closure = step + library().eye_array(count, dtype=bool, format="csr")
        while True:
            if float(np.diff(closure.indptr)[closure.indices].sum()) > _CLOSURE:
                return None
            more = closure @ closure
            if more.nnz == closure.nnz:
                break
            closure = more
        begun = self._rows({p - 1: self._start(p) for p in self.carried}, shapes, self.columns)
        added = self._rows(entered.run(frame, fixed) if fixed else {}, shapes, self.columns)
        if begun is None or added is None:
            return None
        begun = begun + added
        if float(np.diff(begun.indptr)[closure.indices].sum()) > _CLOSURE:
            return None
        total = closure @ begun
        whole = Rows.of(total).closed()
        return {
            place: Reach(whole, first[place] + np.arange(prod(shapes[place])).reshape(shapes[place]))
            for place in self.carried
        }

    def _rows(self, found: Mapping[int, Reach], shapes: Mapping[int, Any], columns: int) -> Matrix | None:
        """The rows of all that is carried, one below the other; None if they are too many."""
        listed = []
        size = 0.0
        for place in self.carried:
            if place - 1 in found:
                reach = found[place - 1]
                lengths = reach.rows.lengths[reach.ids]
                size += float(lengths.mean() if lengths.size else 0) * prod(shapes[place])
                if size > _CLOSURE:
                    return None
                listed.append(taken(reach, shapes[place]))
            else:
                listed.append(library().csr_array((prod(shapes[place]), columns), dtype=bool))
        return library().vstack(listed, format="csr")

    def _coarse(self) -> dict[int, Reach]:
        """Every element of a result depends on all elements of the operands that reach it."""
        found: dict[int, Reach] = {}
        loop, graph = self.loop, self.frame.graph
        for place in self.places:
            parts = []
            for at in dependence.operands_of(graph, self.node, place):
                if (source := loop.input(at)) in self.sources:
                    reach = self.sources[source]
                    own = len(self.own[source])
                    whole = along(reach, range(own, reach.ids.ndim))
                    ids = self.aligned(source, whole.ids.reshape(whole.ids.shape[:own]))
                    rank = self.body.type(self.body.outputs[place][1]).rank + (place >= loop.carried)
                    parts.append(whole.moved(ids.reshape(ids.shape + (1,) * rank)))
            if parts:
                found[place] = united(parts)
        return found


def _row(array: Array, at: Any, axis: int) -> Array:
    """What stands at a place of an axis, which may be another one for each member of a family."""
    length = array.shape[axis]
    if length == 1:
        return array.squeeze(axis)
    if isinstance(at, int):
        return array.take(at, axis)
    at = np.clip(at, 0, length - 1)
    picks = []
    for each in range(axis):
        shape = [1] * axis
        shape[each] = array.shape[each]
        picks.append(np.arange(array.shape[each]).reshape(shape))
    return array[(*picks, at)]


def _alike(left: Mapping[int, Array], right: Mapping[int, Array]) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(ids, right[place]) for place, ids in left.items())


def _same(left: Reach, right: Reach, shape: Sequence[int]) -> bool:
    """Whether all elements depend on the same."""
    if left is right or (left.rows is right.rows and left.ids is right.ids):
        return True
    first, second = taken(left, shape), taken(right, shape)
    return np.array_equal(first.indptr, second.indptr) and np.array_equal(first.indices, second.indices)


def _piled(listed: Sequence[Reach], axis: int) -> Reach:
    """Values of all iterations along an axis."""
    rows, ids = stacked(listed)
    return Reach(rows, np.stack(np.broadcast_arrays(*ids), axis))
