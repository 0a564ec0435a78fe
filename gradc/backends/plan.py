"""A graph with arrays, planned for concrete sizes and run: the interpreter's way with arrays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any, Final, cast

import numpy as np

from gradc.backends import buffers, faults, nans
from gradc.backends.buffers import Pool, arrange
from gradc.backends.emitting import Shape
from gradc.backends.faults import Faults
from gradc.backends.interp import Plan
from gradc.backends.loops import DTYPES
from gradc.backends.memory import Room
from gradc.backends.planner import Planner
from gradc.backends.straight import RUNS, Call, Once, Routine, Worth
from gradc.errors import CallError
from gradc.ir import sizes as extents
from gradc.ir.graph import Graph, graphs
from gradc.ir.types import TAPE, Index, Type
from gradc.limits import DEFAULT, Limits
from gradc.source import Source

# Smaller arrays may be there until the next iteration.
_WORTH_FREEING: Final = 1 << 9


class ArrayPlan:
    """A graph planned for concrete sizes. ``run`` takes the inputs, arrays and numbers, and gives the results.

    ``max_memory`` is how many bytes the arrays of a run may take (None: most of what is left). A plan that is
    ``watched`` keeps the value of every node, and makes the first NaN that comes of numbers an error. The arrays of the
    ``owned`` inputs, by number, are the plan's own: it may write over them.
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
        limits: Limits = DEFAULT,
        owned: Collection[int] = (),
    ) -> None:
        results = [node for _, node in graph.outputs] if nodes is None else list(nodes)
        self.texts = {source.name: source for source in sources}
        self.room = Room(graph, max_memory, self.texts)
        planner = Planner(graph, sizes, results, self.room)
        planner.limits = limits
        planner.owned = {graph.inputs[at] for at in owned}
        if watched:
            planner.inlined = planner.masks = set()
        try:
            planner.plan()
            self.shapes = []
            for planner.current in results:
                self.shapes.append(planner.full(planner.current))
        except MemoryError:
            raise self.room.exhausted(planner.current) from None
        except ZeroDivisionError:
            raise CallError(faults.undefined(graph, planner.current, self.texts)) from None
        # To those who read it, a graph like any other.
        self.graph = cast("Graph", planner.graph)
        self.base = planner.base
        self.inputs = [planner.values[node].slot for node in graph.inputs]
        self.dtypes = [graph.type(node).dtype for node in graph.inputs]
        self.asked = results
        self.results = [planner.values[node] for node in results]
        self.kinds = [self.graph.type(node) for node in results]
        self.free = [graph.type(node).free for node in results]
        self.planner_values = planner.values
        self.order = planner.order
        self.sizes = dict(sizes)
        self.constant_faults = tuple(planner.constant_faults)
        # A fault is looked into when the run has ended: conditions must still be there then.
        failing = any(0 in step.operands for step in planner.steps) or bool(self.constant_faults)
        self.owned = frozenset(owned)
        kept = {value.root for value in self.results}
        kept |= {slot for at, slot in enumerate(self.inputs) if at not in self.owned}
        if failing:
            kept |= {planner.values[node].root for node in faults.decisive(graph, planner.order)}
            kept |= {planner.values[node].root for node in _weights(planner)}
        self.watched = watched
        self.steps = planner.steps
        self.pool = Pool((), ()) if watched else arrange(planner, kept)
        # A result that nothing else can change is handed out as it is.
        roots = [value.root for value in self.results]
        self.own = [
            value.root in planner.fresh
            and value.slot not in planner.repeating
            and roots.count(value.root) == 1
            and np.prod(value.rep or ()) == np.prod(planner.reps[value.root] or ())
            for value in self.results
        ]
        # What has to be repeated before it is as large as it is said to be.
        self.short = [
            (at, shape)
            for at, (value, shape) in enumerate(zip(self.results, self.shapes, strict=True))
            if not self.kinds[at].scalar and not self.kinds[at].parts and value.rep != shape
        ]
        self.reps = planner.reps
        self.views = frozenset(planner.views)
        self.roots = buffers.roots(planner)
        # Arrays that steps write over, and those that results lie in.
        self.written = frozenset(self.roots[step.reuses] for step in self.steps if step.reuses)
        self.handed = frozenset(self.roots[value.slot] for value in self.results if value.rep is not None)
        self.once: Worth[Once] = Worth(self._once)
        copied = [node for node, own in zip(results, self.own, strict=True) if not own]
        self.room.count(planner, self.roots, sum(self.pool.sizes), copied)
        if max_memory is not None:
            self.room.check()

    def run(self, values: Sequence[Any]) -> list[Any]:
        """The results for the inputs, in their orders. Raises ``CallError`` where there is none."""
        if self.room.large:
            self.room.check()
        stepper = ArrayStepper(self)
        try:
            stepper.set(0, values)
            with np.errstate(all="ignore"):
                v = stepper.compute()
                return [
                    v[value.slot] if type.scalar else _result(v[value.slot], shape, type, own, free)
                    for value, shape, type, own, free in zip(
                        self.results, self.shapes, self.kinds, self.own, self.free, strict=True
                    )
                ]
        finally:
            stepper.close()

    def routine(self) -> Routine | None:
        """The plan as an iteration of a loop; None for one that has faults whatever it is given."""
        if self.constant_faults:
            return None
        singles = [
            dtype == "f32" and not self.graph.type(node).shape
            for dtype, node in zip(self.dtypes, self.graph.inputs, strict=True)
        ]
        calls = []
        for step in self.steps:
            shape = self.reps.get(step.target)
            steady = shape is None or step.target in self.views or (step.out < 0 and step.target not in self.written)
            steady = steady and 0 not in step.operands and self.roots[step.target] not in self.handed
            free = tuple(slot for slot in step.free if prod(self.reps.get(slot) or ()) >= _WORTH_FREEING)
            calls.append(Call(step.run, step.target, step.operands, step.out, free, steady, step.node))
        finish = {at: partial(_wide, shape, DTYPES[self.kinds[at].dtype]) for at, shape in self.short}
        return Routine(self.base, self.inputs, singles, calls, [value.slot for value in self.results], finish)

    def _once(self) -> Once | None:
        routine = None if self.watched else self.routine()
        return None if routine is None or routine.long else Once(replace(routine, finish={}))

    def stepper(self) -> ArrayStepper:
        """The plan at work on the iterations of a loop."""
        return ArrayStepper(self)

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


class ArrayStepper:
    """A plan at work, on one call or one iteration after the other, with buffers that nobody else uses meanwhile."""

    def __init__(self, plan: ArrayPlan) -> None:
        self.plan = plan
        try:
            self.views = plan.pool.take()
        except MemoryError:
            raise plan.room.exhausted(-1) from None
        self.values = plan.base.copy()

    def set(self, first: int, values: Iterable[Any]) -> None:
        """Give the inputs from number ``first`` on their values."""
        v, inputs, dtypes = self.values, self.plan.inputs, self.plan.dtypes
        for at, value in enumerate(values, start=first):
            single = dtypes[at] == "f32" and not isinstance(value, np.ndarray)
            v[inputs[at]] = np.float32(value) if single else value

    def compute(self, first: int = 0) -> list[Any]:
        """Run the steps, from number ``first`` on; the values of all slots. Raises ``CallError`` where there is no
        result.
        """
        plan, v, views = self.plan, self.values, self.views
        if not first:
            v[0] = Faults(plan.constant_faults)
            plan.once.count += 1
            once = plan.once.after(RUNS)
            if once is not None:
                left = once.made(v, views, v[0])
                if left is None:
                    return v
                first = once.left(v, *left)
                if first < len(plan.steps):
                    plan.once.left()
        found = v[0]
        node = -1
        try:
            for step in plan.steps[first:] if first else plan.steps:
                operands = step.operands
                count = len(found)
                node = step.node
                if step.out >= 0:
                    v[step.target] = step.run(*[v[at] for at in operands], out=views[step.out])
                elif len(operands) == 2:
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
                plan._judge(found, v)
            if plan.watched:
                plan._watch(v)
        except MemoryError:
            raise plan.room.exhausted(node) from None
        return v

    def step(self, number: int) -> list[Any]:
        """The results of an iteration. What they are views of is not written to again."""
        return self.resume(number, {}, 0)

    def resume(self, number: int, values: Mapping[int, Any], first: int) -> list[Any]:
        """The results of an iteration whose steps up to number ``first`` have given values."""
        plan = self.plan
        v = self.values
        v[plan.inputs[0]] = number
        for at, value in values.items():
            v[at] = value
        self.compute(first)
        results = [v[value.slot] for value in plan.results]
        for at, shape in plan.short:
            results[at] = _wide(shape, DTYPES[plan.kinds[at].dtype], results[at])
        return results

    def close(self) -> None:
        """Give the buffers back."""
        if self.views:
            self.plan.pool.leave(self.views)


def body_plan(planner: Planner, body: Graph, nodes: Sequence[int] | None, carried: int = 0) -> Plan | ArrayPlan:
    """What a region's body does in a plan: of single numbers alone it needs no arrays.

    An array among the first ``carried`` results, which are the inputs behind the first one in the next iteration, may
    be written over there if nobody else holds it.
    """
    sources = tuple(planner.room.sources.values())
    if not has_arrays(body):
        return Plan(body, nodes=nodes, sources=sources, limits=planner.limits)
    owned = {1 + at for at in range(carried) if body.type(body.inputs[1 + at]).shape}
    while True:
        plan = ArrayPlan(
            body,
            planner.sizes,
            nodes=nodes,
            sources=sources,
            max_memory=planner.room.limit,
            limits=planner.limits,
            owned=owned,
        )
        # What is repeated at the end of an iteration cannot be written to in the next one.
        repeated = {at for at, _ in plan.short}
        shared = {at for at in owned if not plan.own[at - 1] or at - 1 in repeated}
        if not shared:
            return plan
        owned -= shared


def _wide(shape: Shape, dtype: Any, value: Any) -> Any:
    return np.broadcast_to(np.asarray(value, dtype), shape)


def has_arrays(graph: Graph) -> bool:
    """Whether there is more than single numbers in a graph, or in a body in it."""
    return any(
        data["type"].shape or data["type"].free or each.ops[data["op"]].kind == "structural" or data["op"] == "size"
        for each in graphs(graph)
        for data in each.data.values()
    )


def _weights(planner: Planner) -> set[int]:
    """The values that say whether an index, or the condition of a derivative, that may have no result is asked for."""
    graph = cast("Graph", planner.graph)
    failing = {step.node for step in planner.steps if 0 in step.operands}
    # What fails whatever is given was computed as the plan was made.
    failing |= {fault.node for fault in planner.constant_faults}
    found: set[int] = set()
    for node in planner.order:
        operands = graph.operands(node)
        own = graph.type(node).dtype in ("int", "bool") or graph.ops[graph.op(node)].elementwise
        if own and not failing.isdisjoint(operands):
            failing.add(node)
        weighed = faults.masked_indices(graph, node)
        found |= {operands[value] for place, value in weighed.items() if operands[place] in failing}
        if faults.indifferent(graph, node) and operands[0] in failing:
            found.update(operands[1:])
    return found


def _result(value: Any, shape: Shape, type: Type, own: bool, free: Sequence[Index]) -> Any:
    """An array as the caller gets it: one of its own, in full, a family's axes in the order of ``free``."""
    if type.dtype == TAPE:
        # The plan goes on in its arrays when it is run again.
        return [np.array(each) if isinstance(each, np.ndarray) else each for each in value]
    if not own or value.shape != shape:
        value = np.array(np.broadcast_to(np.asarray(value, DTYPES[type.dtype]), shape))
    if type.free != free:
        order = [type.free.index(index) for index in free]
        value = value.transpose(*order, *range(len(order), value.ndim))
    return value
