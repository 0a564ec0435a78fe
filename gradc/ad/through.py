"""How loops, and blocks of which one is run, spread what their operands depend on.

A body is followed like any graph, in one of three ways. Iterations that need nothing of each other but sums are a
family, over an index that numbers them, and are followed all at once. Otherwise a loop whose number of iterations
follows from sizes and indices is followed from one iteration to the next, until nothing changes any more. What is too
long for that, or as long as real numbers say, is followed as if any iteration could be followed by any: what its body
spreads once, closed under repetition (the reflexive and transitive closure of a relation, by squaring).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ad import dependence
from gradc.ad.indices import known
from gradc.ad.reach import Array, Matrix, Reach, Rows, along, compact, identity, library, stacked, taken, united
from gradc.ad.spread import Sources, graph_parts, written
from gradc.ir import sizes as extents
from gradc.ir.builder import Builder, replay
from gradc.ir.graph import Graph
from gradc.ir.region import Loop
from gradc.ir.types import Index, family
from gradc.ops import build
from gradc.ops.structure import parts as parts_of

if TYPE_CHECKING:
    from gradc.ad.sparsity import Outline, Pass
    from gradc.ad.zeros import Zeros

WORK = 20_000.0
"""How many nodes of bodies are followed, in all loops together, before the others are taken as any number of times."""

# Families of iterations with more elements than this in one value are followed one by one.
WIDEST = 1 << 22
# Where something is 0 in all iterations is looked for in so many of them.
_ROUNDS = 64
# A closure that needs more operations than this is not sparse.
_CLOSURE = 1 << 25


def results(frame: Pass, node: int, sources: Sources, places: Collection[int]) -> Mapping[int, Reach]:
    """What some results of a region, by place, depend on; one that is missing depends on nothing."""
    if frame.graph.op(node) == "branch":
        return _Branch(frame, node, sources, places).results()
    return _Loop(frame, node, sources, places).results()


def zeros(frame: Zeros, node: int) -> Mapping[int, Array]:
    """Where results of a region, by place, are 0 whatever the inputs are; one that is missing is any number."""
    graph = frame.graph
    read = [each for each in frame.outline.gentle if graph.op(each) == "get" and graph.operands(each) == (node,)]
    places = [graph.attrs(each)["place"] for each in read]
    region = _Branch(frame, node, {}, places) if graph.op(node) == "branch" else _Loop(frame, node, {}, places)
    return region.zeros()


# Bodies --------------------------------------------------------------------------------------------------------------


def lifted(body: Graph, frees: Sequence[tuple[Index, ...]]) -> Graph:
    """A body whose inputs are families over these indices."""
    if not any(frees):
        return body
    builder = Builder(body.ops)
    number = replayed(builder, body, frees)
    return builder.finish([(name, number[node]) for name, node in body.outputs])


def replayed(builder: Builder, body: Graph, frees: Sequence[tuple[Index, ...]]) -> dict[int, int]:
    """A body made again, with inputs that are families, and the numbers of its nodes there."""
    number = {
        node: builder.operand(body.name(node) or "x", family(body.type(node), free))
        for node, free in zip(body.inputs, frees, strict=True)
    }
    for node in body.data:
        if node not in number:
            number[node] = replay(body, node, builder, number)
    return number


@dataclass(frozen=True)
class _Entered:
    """A body, ready for passes; the free indices of its region have names of their own in it."""

    graph: Graph
    outline: Outline
    names: Mapping[Index, Index]

    def frame(self, given: Mapping[int, Any], columns: int, zeros: Mapping[int, Array]) -> Pass:
        """A pass for values of some of the inputs, and for zeros in some, by place."""
        from gradc.ad.sparsity import Pass

        inputs = self.graph.inputs
        values = self.outline.indices.attempt({inputs[place]: value for place, value in given.items()})
        return Pass(self.outline, values, columns, {inputs[place]: ids for place, ids in zeros.items()})

    def zeros(self, frame: Pass) -> dict[int, Array]:
        """Where outputs, by place, are 0, with an axis for each index of the family."""
        graph = self.graph
        target = tuple(self.names.values())
        return {
            place: frame.aligned(frame.zeros[node], graph.type(node).free, target)
            for place, (_, node) in enumerate(graph.outputs)
            if node in frame.zeros
        }

    def run(self, frame: Pass, starts: Mapping[int, Reach], more: Sequence[Index] = ()) -> dict[int, Reach]:
        """What the outputs depend on, by place, from what the inputs do, with an axis for each index of the family."""
        graph = self.graph
        found = frame.run({graph.inputs[place]: reach for place, reach in starts.items()})
        target = (*self.names.values(), *more)
        return {
            place: found[node].moved(frame.aligned(found[node].ids, graph.type(node).free, target))
            for place, (_, node) in enumerate(graph.outputs)
            if node in found
        }

    def reads(self) -> set[int]:
        """The inputs, by place, whose values are needed."""
        return {place for place, node in enumerate(self.graph.inputs) if node in self.outline.indices.inputs}


class _Region:
    """A region within a pass."""

    carries = 0

    def __init__(
        self, frame: Pass | Zeros, node: int, sources: Sources, places: Collection[int], first: int, entered: int
    ) -> None:
        graph = frame.graph
        self.places = places
        self.frame, self.node = frame, node
        self.free = graph.type(node).free
        self.attrs = graph.attrs(node)
        self.operands = graph.operands(node)
        # By the number of the body's input that an operand is.
        self.sources = {at - first + entered: reach for at, reach in sources.items()}
        self.own = {at - first + entered: graph.type(each).free for at, each in enumerate(self.operands)}
        self.values = {
            at - first + entered: frame.values[operand]
            for at, operand in enumerate(self.operands)
            if at >= first and operand in frame.values
        }
        self.zero = {
            at - first + entered: frame.zeros[each] for at, each in enumerate(self.operands) if each in frame.zeros
        }

    def enter(
        self,
        way: Any,
        body: Graph,
        outputs: Collection[int],
        starts: Collection[int],
        given: Collection[int],
        extra: Collection[int] = (),
        vanishing: Collection[int] = (),
        make: Callable[[Mapping[Index, Index]], Graph] | None = None,
    ) -> _Entered:
        """A body with outputs that are wanted and inputs that depend on something or have values; made once."""
        from gradc.ad.sparsity import Outline

        frame = self.frame
        setting = frame.outline.setting
        # The graph is in the key, so that its identity stays its own.
        key = (frame.graph, self.node, way, body, *map(frozenset, (outputs, starts, given, extra, vanishing)))
        found = setting.kept.get(key)
        if found is None:
            names = {index: Index(setting.fresh(), frame.extent(index)) for index in self.free}
            graph = lifted(body, self.frees(body, names)) if make is None else make(names)
            outline = Outline(
                graph,
                [graph.outputs[place][1] for place in sorted(outputs)],
                [graph.inputs[place] for place in sorted(starts)],
                [graph.inputs[place] for place in sorted(given)],
                setting,
                [graph.outputs[place][1] for place in sorted(extra)],
                [graph.outputs[place][1] for place in sorted(vanishing)],
                self.carries,
            )
            found = setting.kept[key] = _Entered(graph, outline, names)
        return found

    def frees(self, body: Graph, names: Mapping[Index, Index]) -> list[tuple[Index, ...]]:
        """The indices over which the inputs of the body are families, as the operands are."""
        return [tuple(names[index] for index in self.own[place]) for place in range(len(body.inputs))]

    def nothing(self, rank: int) -> Reach:
        """A result, with so many axes beside those of the family, that depends on nothing."""
        return Reach(self.frame.empty, np.full((1,) * (len(self.free) + rank), -1))

    def aligned(self, place: int, array: Array) -> Array:
        """An operand's numbers, with an axis for each index of the family."""
        return self.frame.aligned(array, self.own[place], self.free)

    @property
    def columns(self) -> int:
        """The number of columns."""
        count: int = self.frame.empty.columns
        return count


class _Branch(_Region):
    def __init__(self, frame: Pass | Zeros, node: int, sources: Sources, places: Collection[int]) -> None:
        super().__init__(frame, node, sources, places, 1, 0)

    def results(self) -> Mapping[int, Reach]:
        """Those of the body that is run where that is known, of both otherwise."""
        condition = self.frame.values.get(self.operands[0])
        found: dict[int, list[Reach]] = {}
        for key, truth in (("then", True), ("other", False)):
            if condition is not None and not np.any(condition == truth):
                continue
            entered = self.enter(key, self.attrs[key], self.places, self.sources, self.values)
            frame = entered.frame(self.values, self.columns, self.zero)
            for place, reach in entered.run(frame, self.sources).items():
                if condition is None:
                    found.setdefault(place, []).append(reach)
                else:
                    found.setdefault(place, []).append(_where(reach, self.aligned(-1, condition) == truth))
        return {place: united(parts) for place, parts in found.items()}

    def zeros(self) -> Mapping[int, Array]:
        """What is 0 in both bodies, or in that which is known to be run."""
        condition = self.frame.values.get(self.operands[0])
        listed = []
        for key, truth in (("then", True), ("other", False)):
            if condition is None or np.any(condition == truth):
                entered = self.enter(("zeros", key), self.attrs[key], (), (), self.values, vanishing=self.places)
                listed.append(entered.zeros(entered.frame(self.values, 1, self.zero)))
        return {place: np.maximum(listed[0][place], listed[-1][place]) for place in listed[0] if place in listed[-1]}


def _where(reach: Reach, chosen: Array) -> Reach:
    """The members of a family that are chosen; the others depend on nothing."""
    if np.all(chosen):
        return reach
    return reach.moved(np.where(chosen.reshape(chosen.shape + (1,) * (reach.ids.ndim - chosen.ndim)), reach.ids, -1))


# Loops ---------------------------------------------------------------------------------------------------------------


class _Loop(_Region):
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
        sums = self._sums()
        if sums is None or not self._even:
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
            for place, chain in sums.items():
                outputs[place - 1] = _summed(builder, made, body, place, chain, number)
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
        for place, chain in sums.items():
            if any(body.op(each) == "put" for each in chain):
                counts = _writes(frame, entered.graph.outputs[place - 1][1])
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

    def _sums(self) -> dict[int, list[int]] | None:
        """For each carried input that counts the nodes that add to it, the last one first; None if one is no sum."""
        body = self.body
        if self.loop.test is not None:
            return None
        order = self._plain.outline.order
        uses: dict[int, int] = {}
        read = [operand for node in order for operand in body.operands(node)]
        for each in [*read, *(body.outputs[place][1] for place in self.outputs)]:
            uses[each] = uses.get(each, 0) + 1
        found: dict[int, list[int]] = {}
        for place in self.carried:
            node, target = body.outputs[place - 1][1], body.inputs[place]
            within = {target}
            for each in order:
                if body.op(each) in ("name", "add", "accumulate", "put") and any(
                    o in within for o in body.operands(each)
                ):
                    within.add(each)
            chain: list[int] = []
            while node != target:
                below = [operand for operand in body.operands(node) if operand in within]
                if node not in within or uses.get(node) != 1 or len(below) != 1:
                    return None
                if body.op(node) in ("accumulate", "put") and body.operands(node)[0] != below[0]:
                    return None
                chain.append(node)
                node = below[0]
            kinds = {body.op(each) for each in chain} - {"name"}
            if uses.get(target) != 1 or ("put" in kinds and len(kinds) > 1):
                return None
            found[place] = chain
        # What is not known of an iteration that is not the first would be wanted.
        return None if self._plain.reads() & self.counted else found

    @cached_property
    def _plain(self) -> _Entered:
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
        numbers = {place: self.values[place] for place in counted}
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
                results = [frame.values.get(entered.graph.outputs[place - 1][1]) for place in sorted(counted)]
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
                after = {p: united([_where(x, runs), _where(state[p], ~runs)]) for p, x in after.items()}
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
        self, entered: _Entered, frame: Pass, within: Pass, fixed: Mapping[int, Reach]
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


def _summed(
    builder: Builder, made: Mapping[int, int], body: Graph, place: int, chain: Sequence[int], number: Index
) -> int:
    """What is carried at the end of all iterations: what it was at the start and what each has added."""
    node = made[body.inputs[place]]
    before = body.inputs[place]
    for each in reversed(chain):
        operands, op = body.operands(each), body.op(each)
        if op == "add":
            (other,) = [operand for operand in operands if operand != before]
            node = builder.apply("add", node, build.total(builder, made[other], [number]))
        elif op in ("accumulate", "put"):
            attrs = dict(body.attrs(each)) if op == "accumulate" else {"parts": ((body.attrs(each)["items"], ()),)}
            given = [made[operand] for operand in operands[1:]]
            listed = []
            for at, items, over, places in parts_of(attrs):
                free = [index for which in (at, *places) for index in builder.type(given[which]).free]
                listed.append((items, (*over, number) if number in free else over))
            node = builder.apply("accumulate", node, *given, attrs={**attrs, "parts": tuple(listed)})
        before = each
    return node


def _writes(frame: Pass, node: int) -> Array | None:
    """How often each element of what is carried is written by a chain of changes; None where is not known."""
    found: list[Array] = []
    while frame.graph.op(node) == "accumulate":
        counts = written(frame, node, graph_parts(frame, node))
        if counts is None:
            return None
        found.append(counts)
        node = frame.graph.operands(node)[0]
    return reduce(np.add, found)


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
