"""Bodies of regions as passes over graphs enter them, and blocks of which one is run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ad.reach import Array, Reach, united
from gradc.ad.spread import Sources
from gradc.ir.builder import Builder, replay
from gradc.ir.graph import Graph
from gradc.ir.sizes import evaluate
from gradc.ir.types import Index, family

if TYPE_CHECKING:
    from gradc.ad.sparsity import Outline, Pass
    from gradc.ad.zeros import Zeros


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
class Entered:
    """A body, ready for passes; the free indices of its region have names of their own in it."""

    graph: Graph
    outline: Outline
    names: Mapping[Index, Index]

    def frame(self, given: Mapping[int, Any], columns: int, zeros: Mapping[int, Array]) -> Pass:
        """A pass for values of some of the inputs, and for zeros in some, by place."""
        from gradc.ad.sparsity import Pass

        inputs = self.graph.inputs
        values = self.outline.indices.values({inputs[at]: self._whole(at, value) for at, value in given.items()})
        return Pass(self.outline, values, columns, {inputs[place]: ids for place, ids in zeros.items()})

    def _whole(self, place: int, value: Any) -> Any:
        """A value of an input over all values of its indices, along some of which it may be the same."""
        free = self.graph.type(self.graph.inputs[place]).free
        extents = [evaluate(index.extent, self.outline.setting.sizes) for index in free]
        return np.broadcast_to(value, (*extents, *np.shape(value)[len(free) :])) if free else value

    def value(self, frame: Pass, place: int) -> Array | None:
        """The value of an output, if it is known, with an axis for each index of the family."""
        node = self.graph.outputs[place][1]
        found = frame.values.get(node)
        return None if found is None else frame.aligned(found, self.graph.type(node).free, tuple(self.names.values()))

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


class Region:
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
    ) -> Entered:
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
            found = setting.kept[key] = Entered(graph, outline, names)
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


class Branch(Region):
    """A block of which one of two bodies is run."""

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
                    found.setdefault(place, []).append(where(reach, self.aligned(-1, condition) == truth))
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


def where(reach: Reach, chosen: Array) -> Reach:
    """The members of a family that are chosen; the others depend on nothing."""
    if np.all(chosen):
        return reach
    return reach.moved(np.where(chosen.reshape(chosen.shape + (1,) * (reach.ids.ndim - chosen.ndim)), reach.ids, -1))
