"""A graph with arrays, planned for concrete sizes and run: the interpreter's way with arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradc.backends import faults, nans
from gradc.backends.faults import Faults
from gradc.backends.memory import Room
from gradc.backends.planner import DTYPES, Planner, Shape, Step
from gradc.errors import CallError
from gradc.ir import sizes as extents
from gradc.ir.graph import Graph
from gradc.ir.types import Type
from gradc.source import Source


class ArrayPlan:
    """A graph planned for concrete sizes. ``run`` takes the inputs, arrays and numbers, and gives the results.

    ``max_memory`` is how many bytes the arrays of a run may take (None: most of what is left). A plan that is
    ``watched`` keeps the value of every node, and makes the first NaN that comes of numbers an error.
    """

    def __init__(
        self,
        graph: Graph,
        sizes: Mapping[str, int],
        *,
        nodes: Sequence[int] | None = None,
        sources: Sequence[Source] = (),
        max_memory: int | None = None,
        watched: bool = False,
    ) -> None:
        results = [node for _, node in graph.outputs] if nodes is None else list(nodes)
        self.graph = graph
        self.texts = {source.name: source for source in sources}
        self.room = Room(graph, max_memory, self.texts)
        planner = Planner(graph, sizes, results, self.room)
        if watched:
            planner.inlined = set()
        try:
            planner.plan()
        except MemoryError:
            raise self.room.exhausted(planner.current) from None
        self.base = planner.base
        self.inputs = [planner.values[node].slot for node in graph.inputs]
        self.dtypes = [graph.type(node).dtype for node in graph.inputs]
        self.asked = results
        self.results = [planner.values[node] for node in results]
        self.shapes = [planner.full(node) for node in results]
        self.kinds = [graph.type(node) for node in results]
        self.planner_values = planner.values
        self.order = planner.order
        self.sizes = dict(sizes)
        self.constant_faults = tuple(planner.constant_faults)
        # A fault is looked into when the run has ended: conditions must still be there then.
        failing = any(0 in step.operands for step in planner.steps) or bool(self.constant_faults)
        kept = {value.root for value in self.results} | set(self.inputs)
        if failing:
            kept |= {value.root for node, value in planner.values.items() if graph.type(node).dtype == "bool"}
        self.watched = watched
        self.steps = planner.steps if watched else _reused(planner, kept)
        # A result that nothing else can change is handed out as it is.
        roots = [value.root for value in self.results]
        self.own = [
            value.root in planner.fresh
            and value.slot not in planner.repeating
            and roots.count(value.root) == 1
            and np.prod(value.rep or ()) == np.prod(planner.reps[value.root] or ())
            for value in self.results
        ]
        self.room.count(planner, [node for node, own in zip(results, self.own, strict=True) if not own])
        if max_memory is not None:
            self.room.check()

    def run(self, values: Sequence[Any]) -> list[Any]:
        """The results for the inputs, in their orders. Raises ``CallError`` where there is none."""
        if self.room.large:
            self.room.check()
        v = self.base.copy()
        found = v[0] = Faults(self.constant_faults)
        for at, value, dtype in zip(self.inputs, values, self.dtypes, strict=True):
            v[at] = np.float32(value) if dtype == "f32" and not isinstance(value, np.ndarray) else value
        node = -1
        try:
            with np.errstate(all="ignore"):
                for step in self.steps:
                    operands = step.operands
                    count = len(found)
                    node = step.node
                    if len(operands) == 2:
                        v[step.target] = step.run(v[operands[0]], v[operands[1]])
                    elif len(operands) == 1:
                        v[step.target] = step.run(v[operands[0]])
                    else:
                        v[step.target] = step.run(*[v[at] for at in operands])
                    if len(found) > count:
                        for fault in found[count:]:
                            fault.node = node
                    for at in step.free:
                        v[at] = None
                if found:
                    self._judge(found, v)
                if self.watched:
                    self._watch(v)
                return [
                    v[value.slot] if not type.shape else _result(v[value.slot], shape, type, own)
                    for value, shape, type, own in zip(self.results, self.shapes, self.kinds, self.own, strict=True)
                ]
        except MemoryError:
            raise self.room.exhausted(node) from None

    def _judge(self, found: Faults, v: list[Any]) -> None:
        """Raise the first fault of an element that is selected."""
        read = self._read(v)
        problem = faults.judged(self.graph, found, self.order, self.asked, self.sizes, read, self.full, self.texts)
        if problem is not None:
            raise CallError(problem)

    def _watch(self, v: list[Any]) -> None:
        """Raise the first operation that makes a NaN of numbers."""
        problem = nans.first(self.graph, self.order, self.asked, self.sizes, self._read(v), self.full, self.texts)
        if problem is not None:
            raise CallError(problem)

    def _read(self, v: list[Any]) -> Callable[[int], Any]:
        return lambda node: v[self.planner_values[node].slot] if node in self.planner_values else None

    def full(self, node: int) -> Shape:
        """The extents of a node's batch axes and its own."""
        type = self.graph.type(node)
        dims = (*(index.extent for index in type.free), *type.shape)
        return tuple(extents.evaluate(dim, self.sizes) for dim in dims)


def _result(value: Any, shape: Shape, type: Type, own: bool) -> Any:
    """An array as the caller gets it: one of its own, in full."""
    if own and value.shape == shape:
        return value
    return np.array(np.broadcast_to(np.asarray(value, DTYPES[type.dtype]), shape))


def _reused(planner: Planner, kept: set[int]) -> list[Step]:
    """The steps with what is freed after each, writing into an array that is read for the last time where they can."""
    count = len(planner.base)
    root = list(range(count))
    # Views come behind what they are views of.
    for slot, source in sorted(planner.views.items()):
        root[slot] = root[source]
    holders: dict[int, list[int]] = {}
    for slot, owner in enumerate(root):
        holders.setdefault(owner, []).append(slot)
    last: dict[int, int] = {}
    for number, step in enumerate(planner.steps):
        for slot in (step.target, *step.operands):
            last[root[slot]] = number
    for number, step in enumerate(planner.steps):
        dying = [
            slot
            for slot in dict.fromkeys(step.operands)
            if slot
            and last[root[slot]] == number
            and root[slot] not in kept
            and planner.base[root[slot]] is None
            and root[slot] != root[step.target]
        ]
        step.free = tuple(sorted({each for slot in dying for each in holders[root[slot]]}))
        if isinstance(step.run, np.ufunc) and step.target in planner.fresh:
            for slot in dying:
                usable = root[slot] in planner.fresh and slot not in planner.repeating
                if usable and planner.same(slot, step.target):
                    step.run = _into(step.run, step.operands.index(slot))
                    step.reuses = slot
                    break
    return planner.steps


def _into(ufunc: Any, position: int) -> Callable[..., Any]:
    """The function writing over its operand at ``position``."""
    if position == 0:
        return lambda x, *more: ufunc(x, *more, out=x)
    return lambda x, y: ufunc(x, y, out=y)
