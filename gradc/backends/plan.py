"""Plans a graph with arrays for concrete sizes: a list of NumPy calls.

A node with free indices is one array with an axis for each index in front of its own axes. What does not depend on an
index, or is the same along an axis, is computed once: an array has extent 1 there, or lacks leading axes, and NumPy
repeats it where it meets another. Sums of products become contractions, which build no array of the products. What
depends on sizes alone is computed while planning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from typing import Any, Final

import numpy as np

from gradc.backends import faults
from gradc.backends.contract import contraction
from gradc.backends.faults import Faults
from gradc.errors import CallError, Diagnostic
from gradc.ir import sizes as extents
from gradc.ir.graph import Graph, ancestors
from gradc.ir.op import Op, Site
from gradc.ir.types import Index, Type
from gradc.ops.evaluate import evaluator
from gradc.source import Source

DTYPES: Final[Mapping[str, Any]] = {"f64": np.float64, "f32": np.float32, "int": np.int64, "bool": np.bool_}

# What depends on sizes alone is kept with the plan up to so many elements.
_KEPT: Final = 1 << 24

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """Where a node's value stands during a run.

    ``rep`` is the shape that the array has: it broadcasts to the node's full shape (batch axes, then own), and None is
    a number. ``root`` is the slot of the array that it is a view of, or its own; ``known`` says that it is in the plan.
    """

    slot: int
    rep: Shape | None
    root: int
    known: bool = False


@dataclass(slots=True)
class Step:
    """One call: a function of the values in ``operands``, whose result goes to ``target``."""

    run: Callable[..., Any]
    target: int
    operands: tuple[int, ...]
    node: int
    free: tuple[int, ...] = ()


class Planner:
    """Makes the steps of one plan."""

    def __init__(self, graph: Graph, sizes: Mapping[str, int], results: Sequence[int]) -> None:
        self.graph = graph
        self.sizes = sizes
        self.results = results
        self.order = sorted(ancestors(graph.data, results) | set(graph.inputs))
        # The first place holds the faults of a run.
        self.base: list[Any] = [None]
        self.steps: list[Step] = []
        self.values: dict[int, Value] = {}
        self.constant_faults = Faults()
        # Slots whose array nobody else holds: it may be overwritten when it is read for the last time.
        self.fresh: set[int] = set()
        self.views: dict[int, int] = {}
        self.reps: dict[int, Shape | None] = {}
        self.dtypes: dict[int, str] = {}
        self.inlined = self._inlined()
        self.current = -1

    # Shapes --------------------------------------------------------------------------------------------------------

    def concrete(self, dims: Iterable[extents.Dim]) -> Shape:
        """Extents as numbers."""
        return tuple([d if isinstance(d, int) else extents.evaluate(d, self.sizes) for d in dims])

    def batch(self, free: Iterable[Index]) -> Shape:
        """The extents of free indices."""
        return self.concrete(index.extent for index in free)

    def full(self, node: int) -> Shape:
        """The extents of a node's batch axes and its own."""
        type = self.graph.type(node)
        return self.batch(type.free) + self.concrete(type.shape)

    # Emitting ------------------------------------------------------------------------------------------------------

    def keep(self, value: Any, rep: Shape | None) -> Value:
        """A value that is in the plan."""
        self.base.append(value)
        slot = len(self.base) - 1
        return Value(slot, rep, slot, True)

    def emit(
        self, run: Callable[..., Any], operands: Sequence[Value], rep: Shape | None, *, view: bool = False
    ) -> Value:
        """A step; what can be computed now is."""
        if all(operand.known for operand in operands) and (rep is None or np.prod(rep, dtype=float) <= _KEPT):
            with np.errstate(all="ignore"):
                found = run(*[self.base[operand.slot] for operand in operands])
            return self.keep(found, rep)
        self.base.append(None)
        slot = len(self.base) - 1
        self.steps.append(Step(run, slot, tuple(operand.slot for operand in operands), self.current))
        self.reps[slot] = rep
        if view:
            self.views[slot] = operands[0].slot
            return Value(slot, rep, operands[0].root)
        if rep is not None:
            self.fresh.add(slot)
            self.dtypes[slot] = self.graph.type(self.current).dtype
        return Value(slot, rep, slot)

    def failing(self, run: Callable[..., Any], operands: Sequence[Value], rep: Shape | None) -> Value:
        """A step whose function takes the run's faults first, to which it may add."""
        if all(operand.known for operand in operands):
            with np.errstate(all="ignore"):
                count = len(self.constant_faults)
                found = run(self.constant_faults, *[self.base[operand.slot] for operand in operands])
            for fault in self.constant_faults[count:]:
                fault.node = self.current
            return self.keep(found, rep)
        self.base.append(None)
        slot = len(self.base) - 1
        self.steps.append(Step(run, slot, (0, *(operand.slot for operand in operands)), self.current))
        return Value(slot, rep, slot)

    def view(self, value: Value, index: tuple[Any, ...], rep: Shape) -> Value:
        """A basic index into an array."""
        return self.emit(itemgetter(index), [value], rep, view=True)

    # Alignment -----------------------------------------------------------------------------------------------------

    def align(self, value: Value, own: int, free: Sequence[Index], target: Sequence[Index]) -> Value:
        """The value with axes of extent 1 for the indices of ``target`` that it lacks, where others stand before."""
        if value.rep is None or len(free) == len(target):
            return value
        places = [at for at, index in enumerate(target) if index in free]
        rank = len(value.rep)
        present = rank - own
        if present <= 0:
            return value
        first = places[len(places) - present]
        index: list[Any] = []
        rep: list[int] = []
        axes = iter(value.rep)
        for at in range(first, len(target)):
            if at in places:
                index.append(slice(None))
                rep.append(next(axes))
            else:
                index.append(None)
                rep.append(1)
        rest = list(axes)
        if None not in index:
            return value
        return self.view(value, tuple(index), tuple(rep + rest))

    def padded(self, node: int, value: Value | None = None) -> Value:
        """The value of a node with an axis for each of its indices and axes; some may have extent 1."""
        value = self.values[node] if value is None else value
        rank = len(self.full(node))
        if value.rep is None:
            dtype = DTYPES[self.graph.type(node).dtype]
            return self.emit(lambda x: np.asarray(x, dtype).reshape((1,) * rank), [value], (1,) * rank)
        if len(value.rep) == rank:
            return value
        missing = rank - len(value.rep)
        return self.view(value, (None,) * missing + (...,), (1,) * missing + value.rep)

    def whole(self, node: int, free: Sequence[Index]) -> Value:
        """The value with all own axes at their full extent, and batch axes, perhaps of extent 1, for ``free``."""
        type = self.graph.type(node)
        own = self.concrete(type.shape)
        count = len(own)
        value = self.padded(node)
        assert value.rep is not None
        if value.rep[len(value.rep) - count :] != own:
            shape = value.rep[: len(value.rep) - count] + own
            value = self.emit(lambda x: np.broadcast_to(x, shape), [value], shape, view=True)
        value = self.align(value, count, type.free, free)
        assert value.rep is not None
        missing = len(free) + count - len(value.rep)
        if missing:
            value = self.view(value, (None,) * missing + (...,), (1,) * missing + value.rep)
        return value

    # Nodes ---------------------------------------------------------------------------------------------------------

    def plan(self) -> None:
        """Make the steps of all nodes that the results need."""
        from gradc.backends.assembling import assemble
        from gradc.backends.reading import access

        special: dict[str, Callable[[int], Value]] = {
            "const": self._const,
            "input": self._input,
            "index": self._index,
            "size": self._size,
            "sum": self._sum,
            "matmul": self._matmul,
            "tabulate": self._tabulate,
            "broadcast": self._broadcast,
            "access": partial(access, self),
            "assemble": partial(assemble, self),
        }
        for node in self.order:
            if node in self.inlined:
                continue
            self.current = node
            entry = self.graph.data[node]
            op = entry["op"]
            if op in ("name", "stop_gradient"):
                self.values[node] = self.values[entry["operands"][0]]
                continue
            make = special.get(op)
            if make is None:
                row = self.graph.ops[op]
                make = self._elementwise if row.elementwise else self._structural
            self.values[node] = make(node)

    def _const(self, node: int) -> Value:
        entry = self.graph.data[node]
        dtype = entry["type"].dtype
        value = entry["attrs"]["value"]
        with np.errstate(over="ignore"):
            return self.keep(np.float32(value) if dtype == "f32" else value, None)

    def _input(self, node: int) -> Value:
        self.base.append(None)
        slot = len(self.base) - 1
        type = self.graph.type(node)
        return Value(slot, self.concrete(type.shape) if type.shape else None, slot)

    def _index(self, node: int) -> Value:
        (extent,) = self.full(node)
        return self.keep(np.arange(extent), (extent,))

    def _size(self, node: int) -> Value:
        return self.keep(extents.evaluate(self.graph.attrs(node)["size"], self.sizes), None)

    def _operands(self, node: int) -> tuple[list[Value], list[Type]]:
        """The operands of an elementwise node, aligned."""
        graph = self.graph
        type = graph.type(node)
        types = [graph.type(operand) for operand in graph.operands(node)]
        found = [
            self.align(self.values[operand], type.rank, own.free, type.free)
            for operand, own in zip(graph.operands(node), types, strict=True)
        ]
        return found, types

    def _elementwise(self, node: int) -> Value:
        graph = self.graph
        row = graph.ops[graph.op(node)]
        operands, types = self._operands(node)
        dtype = graph.type(node).dtype
        attrs = graph.attrs(node)
        if all(operand.rep is None for operand in operands):
            return self._number(node, row, operands, types, attrs)
        rep = np.broadcast_shapes(*[operand.rep or () for operand in operands])
        if dtype == "int" and row.name in faults.INTEGER:
            return self.failing(faults.INTEGER[row.name], operands, rep)
        run = self._array_function(row, dtype, attrs)
        if row.name == "pow" and operands[1].known and operands[1].rep is None and dtype != "int":
            exponent = self.base[operands[1].slot]
            if exponent == 2:
                return self.emit(np.square, operands[:1], rep)
            if exponent != 0.5:
                run = np.power
        return self.emit(run, operands, rep)

    @staticmethod
    def _array_function(row: Op, dtype: str, attrs: Mapping[str, Any]) -> Callable[..., Any]:
        run = row.array
        if run is None:
            scalar = row.scalar
            if scalar is None:
                raise TypeError(f"the operator {row.name!r} cannot be evaluated: its row has no `scalar`")
            lifted = np.frompyfunc(lambda *x: scalar(*x, **attrs), row.arity[0], 1)
            kind = DTYPES[dtype]
            return lambda *operands: np.asarray(lifted(*operands)).astype(kind)
        if attrs:
            array = run
            return lambda *operands: array(*operands, **attrs)
        return run

    def _number(
        self, node: int, row: Op, operands: list[Value], types: Sequence[Type], attrs: Mapping[str, Any]
    ) -> Value:
        dtype = self.graph.type(node).dtype
        compute = evaluator(row, dtype, tuple(type.dtype for type in types), attrs)
        if row.kind in ("request", "region"):
            hints = ("put `expand` into the pipeline; without it a program can be looked at, not run",)
            raise CallError(Diagnostic("E0905", "the pipeline leaves derivatives that are not expanded", hints=hints))
        if compute is None:
            raise TypeError(f"the operator {row.name!r} cannot be evaluated: its row has no `scalar`")
        if dtype == "int" and row.integer is not None:
            return self.failing(faults.single(compute), operands, None)
        return self.emit(compute, operands, None)

    def site(self, node: int) -> Site:
        """What an evaluation of a structural node is planned from."""
        graph = self.graph
        type = graph.type(node)
        types = [graph.type(operand) for operand in graph.operands(node)]
        attrs = {key: self._plain(value) for key, value in graph.attrs(node).items()}
        rank = types[0].rank if types else 0
        axes = tuple(axis - rank for axis in attrs.get("axes", ()))
        shapes = tuple(self.concrete(own.shape) for own in types)
        return Site(shapes, self.concrete(type.shape), type.dtype, attrs, self.batch(type.free), axes)

    def _plain(self, value: Any) -> Any:
        """An attribute with numbers in the place of sizes."""
        if isinstance(value, extents.Size):
            return extents.evaluate(value, self.sizes)
        if isinstance(value, tuple):
            return tuple(self._plain(each) for each in value)
        return value

    def _structural(self, node: int) -> Value:
        graph = self.graph
        row = graph.ops[graph.op(node)]
        if row.plan is None:
            return self._number(node, row, [], [], {})
        free = graph.type(node).free
        operands = [self.whole(operand, free) for operand in graph.operands(node)]
        return self._planned(node, row, operands, self.site(node))

    def _planned(self, node: int, row: Op, operands: Sequence[Value], site: Site) -> Value:
        assert row.plan is not None
        run = row.plan(site)
        count = len(site.batch)
        batch = np.broadcast_shapes(*[(operand.rep or ())[:count] for operand in operands]) if count else ()
        rep: Shape | None = batch + site.shape
        if not rep:
            rep = None
            run = _unboxed(run, site.dtype)
        view = row.name in ("reshape", "transpose", "demand")
        if row.name not in ("reshape", "transpose"):
            return self.failing(faults.guarded(run, rep, DTYPES[site.dtype]), operands, rep)
        return self.emit(run, operands, rep, view=view)

    def _tabulate(self, node: int) -> Value:
        graph = self.graph
        (operand,) = graph.operands(node)
        own, indices = graph.type(operand), graph.attrs(node)["indices"]
        value = self.padded(operand)
        assert value.rep is not None
        kept = [at for at, index in enumerate(own.free) if index not in indices]
        moved = [own.free.index(index) if index in own.free else None for index in indices]
        rest = range(len(own.free), len(value.rep))
        order = [*kept, *(at for at in moved if at is not None), *rest]
        rep = tuple(value.rep[at] for at in order)
        if order != list(range(len(order))):
            value = self.emit(lambda x: x.transpose(order), [value], rep, view=True)
        if None in moved:
            # Values that do not depend on an index are the same along its axis.
            index = (slice(None),) * len(kept) + tuple(None if at is None else slice(None) for at in moved)
            at = len(kept)
            shape = list(rep)
            for place, source in enumerate(moved):
                if source is None:
                    shape.insert(at + place, 1)
            rep = tuple(shape)
            value = self.view(value, index, rep)
        return value

    def _broadcast(self, node: int) -> Value:
        graph = self.graph
        (operand,) = graph.operands(node)
        value, own, type = self.values[operand], graph.type(operand), graph.type(node)
        missing = type.rank - own.rank
        if value.rep is None or not missing or len(value.rep) <= own.rank:
            return value
        batch = len(value.rep) - own.rank
        index = (slice(None),) * batch + (None,) * missing + (...,)
        return self.view(value, index, value.rep[:batch] + (1,) * missing + value.rep[batch:])

    # Sums of products ----------------------------------------------------------------------------------------------

    def _inlined(self) -> set[int]:
        """Products that only a sum reads: they become factors of a contraction and are never computed."""
        graph = self.graph
        data = graph.data
        users: dict[int, int] = {}
        for node in self.order:
            for operand in data[node]["operands"]:
                users[operand] = users.get(operand, 0) + 1
        found: set[int] = set()
        results = set(self.results)
        for node in reversed(self.order):
            op = data[node]["op"]
            if (op != "sum" and node not in found) or not data[node]["type"].real:
                continue
            for operand in dict.fromkeys(data[node]["operands"]):
                inner = data[operand]
                if users[operand] != 1 or operand in results or inner["type"].scalar:
                    continue
                square = inner["op"] == "pow" and self._number_of(inner["operands"][1]) == 2
                if inner["op"] in ("mul", "neg") or square:
                    found.add(operand)
        return found

    def _number_of(self, node: int) -> Any:
        """The number that a constant is; None for another node."""
        data = self.graph.data[node]
        return data["attrs"]["value"] if data["op"] == "const" else None

    def _factors(self, node: int, labels: Mapping[Index, int], own: Sequence[int]) -> tuple[list[Any], float]:
        """The factors of a node as (value, label of each axis), and a number that multiplies them."""
        graph = self.graph
        found: list[Any] = []
        scale = 1.0
        stack = [node]
        while stack:
            current = stack.pop()
            if current in self.inlined:
                op, operands = graph.op(current), graph.operands(current)
                if op == "neg":
                    scale = -scale
                    stack.append(operands[0])
                elif op == "pow":
                    stack += [operands[0], operands[0]]
                else:
                    stack += [operands[1], operands[0]]
                continue
            type = graph.type(current)
            places = (*(labels[index] for index in type.free), *own[len(own) - type.rank :])
            found.append(self._factor(self.values[current], places, self.full(current)))
        return found, scale

    def _factor(self, value: Value, labels: Sequence[int], full: Shape) -> tuple[Value, tuple[int, ...]]:
        """A value without the axes along which it is repeated, and the labels of the others."""
        if value.rep is None:
            return value, ()
        missing = len(full) - len(value.rep)
        index: list[Any] = []
        kept: list[int] = []
        for axis, extent in enumerate(value.rep):
            repeated = extent != full[missing + axis]
            index.append(0 if repeated else slice(None))
            if not repeated:
                kept.append(axis)
        if len(kept) < len(index):
            value = self.view(value, tuple(index), tuple(value.rep[axis] for axis in kept))
        return value, tuple(labels[missing + axis] for axis in kept)

    def contract(
        self, node: int, factors: Sequence[Any], lengths: Mapping[int, int], out: Sequence[int], scale: float
    ) -> Value:
        """The sum of the product of factors over the labels that are not in ``out``."""
        dtype = self.graph.type(node).dtype
        listed = [(value, labels) for value, labels in factors if labels]
        numbers = [value for value, labels in factors if not labels]
        present = {label for _, labels in listed for label in labels}
        for label, length in lengths.items():
            if label not in present and label not in out:
                scale *= length
        kept = tuple(label for label in out if label in present)
        rep: Shape | None = tuple(lengths[label] if label in present else 1 for label in out)
        if listed:
            run = contraction([labels for _, labels in listed], lengths, kept)
            summed = any(label not in kept for label in present)
            value = self.emit(run, [value for value, _ in listed], tuple(lengths[label] for label in kept))
            if len(listed) == 1 and not summed:
                # It may be a view of its factor.
                self.fresh.discard(value.slot)
                if not value.known:
                    self.views[value.slot] = listed[0][0].slot
                    value = replace(value, root=listed[0][0].root)
        else:
            value = self.keep(DTYPES[dtype](1.0), None)
        if not out:
            rep = None
            if listed:
                value = self.emit(_item if dtype == "f64" else _same, [value], None)
        if scale != 1.0:
            numbers.append(self.keep(DTYPES[dtype](scale) if dtype == "f32" else scale, None))
        for number in numbers:
            value = self.emit(np.multiply if value.rep is not None else _times, [value, number], value.rep)
        if rep is not None and len(rep) != len(kept):
            if value.rep is None:
                value = self.emit(lambda x: np.asarray(x).reshape(rep), [value], rep)
            else:
                index = tuple(slice(None) if label in present else None for label in out)
                value = self.view(value, index, rep)
        return value

    def _sum(self, node: int) -> Value:
        graph = self.graph
        (operand,) = graph.operands(node)
        own, type = graph.type(operand), graph.type(node)
        attrs = graph.attrs(node)
        axes, over = attrs.get("axes", ()), attrs.get("over", ())
        if not type.real:
            return self._whole_sum(node, operand, own, axes, over)
        listed = (*dict.fromkeys((*own.free, *over)),)
        labels = {index: at for at, index in enumerate(listed)}
        places = range(len(listed), len(listed) + own.rank)
        lengths = dict(zip((*labels.values(), *places), self.batch(listed) + self.concrete(own.shape), strict=True))
        factors, scale = self._factors(operand, labels, places)
        out = [labels[index] for index in type.free]
        out += [place for axis, place in enumerate(places) if axis not in axes]
        return self.contract(node, factors, lengths, out, scale)

    def _whole_sum(self, node: int, operand: int, own: Type, axes: Sequence[int], over: Sequence[Index]) -> Value:
        """A sum of integers, which has to notice when it grows too large."""
        type = self.graph.type(node)
        free = tuple(sorted({*own.free, *over}, key=lambda index: (index in over, index.name)))
        site = self.site(node)
        row = self.graph.ops["sum"]
        value = self.whole(operand, own.free)
        shape = self.batch(own.free) + self.concrete(own.shape)
        wide = self.emit(lambda x: np.broadcast_to(x, shape), [value], shape, view=True)
        removed = [at for at, index in enumerate(own.free) if index in over]
        removed += [len(own.free) + axis for axis in axes]
        places = tuple(axis - len(shape) for axis in removed)
        times = 1
        for index in free:
            if index not in own.free:
                times *= self.batch([index])[0]
        run = row.plan(replace(site, axes=places, batch=())) if row.plan else None
        rep: Shape | None = self.full(node)
        assert run is not None
        summed = run
        if times != 1:
            summed = _multiplied(run, times)
        if not rep:
            rep = None
            summed = _unboxed(summed, type.dtype)
        return self.failing(faults.guarded(summed, rep, DTYPES[type.dtype]), [wide], rep)

    def _matmul(self, node: int) -> Value:
        graph = self.graph
        left, right = graph.operands(node)
        a, b, type = graph.type(left), graph.type(right), graph.type(node)
        listed = type.free
        labels = {index: at for at, index in enumerate(listed)}
        inner, rows, columns = len(listed), len(listed) + 1, len(listed) + 2
        front = range(columns + 1, columns + 1 + type.rank)
        first = (*front[: a.rank - 2], rows, inner) if a.rank > 1 else (inner,)
        second = (*front[: b.rank - 2], inner, columns) if b.rank > 1 else (inner,)
        lengths = dict(zip(labels.values(), self.batch(listed), strict=True))
        lengths.update(zip(first, self.concrete(a.shape), strict=True))
        lengths.update(zip(second, self.concrete(b.shape), strict=True))
        out = [labels[index] for index in listed]
        out += front[: max(a.rank, b.rank) - 2] if max(a.rank, b.rank) > 2 else ()
        out += [rows] * (a.rank > 1) + [columns] * (b.rank > 1)
        factors = []
        for operand, own, places in ((left, a, first), (right, b, second)):
            marks = (*(labels[index] for index in own.free), *places)
            factors.append(self._factor(self.values[operand], marks, self.full(operand)))
        return self.contract(node, factors, lengths, out, 1.0)


def _multiplied(run: Callable[..., Any], times: int) -> Callable[..., Any]:
    return lambda x: run(x) * times


def _times(x: Any, y: Any) -> Any:
    return x * y


def _same(x: Any) -> Any:
    return x


def _item(x: Any) -> Any:
    return x.item()


def _unboxed(run: Callable[..., Any], dtype: str) -> Callable[..., Any]:
    """The function with a Python number for a result, which is what single numbers are computed with."""
    if dtype == "f32":
        return lambda *operands: run(*operands)[()]
    return lambda *operands: run(*operands).item()


class ArrayPlan:
    """A graph planned for concrete sizes. ``run`` takes the inputs, arrays and numbers, and gives the results."""

    def __init__(
        self,
        graph: Graph,
        sizes: Mapping[str, int],
        *,
        nodes: Sequence[int] | None = None,
        sources: Sequence[Source] = (),
    ) -> None:
        results = [node for _, node in graph.outputs] if nodes is None else list(nodes)
        planner = Planner(graph, sizes, results)
        planner.plan()
        self.graph = graph
        self.texts = {source.name: source for source in sources}
        self.base = planner.base
        self.inputs = [planner.values[node].slot for node in graph.inputs]
        self.dtypes = [graph.type(node).dtype for node in graph.inputs]
        self.results = [planner.values[node] for node in results]
        self.shapes = [planner.full(node) for node in results]
        self.kinds = [graph.type(node) for node in results]
        self.planner_values = planner.values
        self.order = planner.order
        self.sizes = dict(sizes)
        self.constant_faults = tuple(planner.constant_faults)
        # A fault is looked into when the run has ended: conditions must still be there then.
        failing = any(0 in step.operands for step in planner.steps) or bool(self.constant_faults)
        kept = {value.root for value in self.results} | {self.base_slot(node) for node in graph.inputs}
        if failing:
            kept |= {value.root for node, value in planner.values.items() if graph.type(node).dtype == "bool"}
        self.steps = _reused(planner, kept)

    def base_slot(self, node: int) -> int:
        """The slot of an input."""
        return self.inputs[self.graph.inputs.index(node)]

    def run(self, values: Sequence[Any]) -> list[Any]:
        """The results for the inputs, in their orders. Raises ``CallError`` where there is none."""
        v = self.base.copy()
        found = v[0] = Faults(self.constant_faults)
        for at, value, dtype in zip(self.inputs, values, self.dtypes, strict=True):
            v[at] = np.float32(value) if dtype == "f32" and not isinstance(value, np.ndarray) else value
        with np.errstate(all="ignore"):
            for step in self.steps:
                operands = step.operands
                count = len(found)
                if len(operands) == 2:
                    v[step.target] = step.run(v[operands[0]], v[operands[1]])
                elif len(operands) == 1:
                    v[step.target] = step.run(v[operands[0]])
                else:
                    v[step.target] = step.run(*[v[at] for at in operands])
                if len(found) > count:
                    for fault in found[count:]:
                        fault.node = step.node
                for at in step.free:
                    v[at] = None
            if found:
                self._judge(found, v)
            return [
                _result(v[value.slot], shape, type)
                for value, shape, type in zip(self.results, self.shapes, self.kinds, strict=True)
            ]

    def _judge(self, found: Faults, v: list[Any]) -> None:
        """Raise the first fault of an element that is selected."""
        needs = faults.needs(self.graph, self.order, self._read(v), self.full)
        for fault in found:
            if faults.matters(fault, needs):
                raise CallError(faults.diagnostic(self.graph, fault, self.texts))

    def _read(self, v: list[Any]) -> Callable[[int], Any]:
        return lambda node: v[self.planner_values[node].slot] if node in self.planner_values else None

    def full(self, node: int) -> Shape:
        """The extents of a node's batch axes and its own."""
        type = self.graph.type(node)
        dims = (*(index.extent for index in type.free), *type.shape)
        return tuple(extents.evaluate(dim, self.sizes) for dim in dims)


def _result(value: Any, shape: Shape, type: Type) -> Any:
    """A result as the caller gets it: an array of its own, or a number."""
    if not type.shape:
        return value
    if isinstance(value, np.ndarray) and value.shape == shape and value.base is None and value.flags.owndata:
        return value
    return np.array(np.broadcast_to(np.asarray(value, DTYPES[type.dtype]), shape))


def _reused(planner: Planner, kept: set[int]) -> list[Step]:
    """The steps with what is freed after each, writing into an array that is read for the last time where they can."""
    count = len(planner.base)
    root = list(range(count))
    for value in planner.values.values():
        root[value.slot] = value.root
    for step in planner.steps:
        if step.target in planner.views:
            root[step.target] = root[planner.views[step.target]]
    # A view of a view has the root of the first.
    for at in range(count):
        while root[root[at]] != root[at]:
            root[at] = root[root[at]]
    last: dict[int, int] = {}
    for number, step in enumerate(planner.steps):
        for at in (step.target, *step.operands):
            last[root[at]] = number
    holders: dict[int, list[int]] = {}
    for at in range(count):
        holders.setdefault(root[at], []).append(at)
    known = {at for at in range(count) if planner.base[at] is not None}
    for number, step in enumerate(planner.steps):
        dying = []
        for at in dict.fromkeys(step.operands):
            owner = root[at]
            if at == 0 or owner in kept or owner in known or last[owner] != number:
                continue
            dying.append(at)
        free = {each for at in dying for each in holders[root[at]] if each != step.target}
        if root[step.target] in {root[at] for at in dying}:
            free = set()
        step.free = tuple(sorted(free))
        reps = planner.reps
        if isinstance(step.run, np.ufunc) and step.target in planner.fresh:
            for at in dying:
                if (
                    at in planner.fresh
                    and reps.get(at) == reps.get(step.target)
                    and planner.dtypes.get(at) == planner.dtypes.get(step.target)
                ):
                    step.run = _into(step.run, step.operands.index(at))
                    break
    return planner.steps


def _into(ufunc: Any, position: int) -> Callable[..., Any]:
    """The function writing over its operand at ``position``."""
    if position == 0:
        return lambda x, *more: ufunc(x, *more, out=x)
    return lambda x, y: ufunc(x, y, out=y)
