"""Evaluates a graph in any number system: every node in full, arrays of objects, no plan.

It is slow and simple, shares nothing with the backends but the rows of the operators, and is what they are checked
against. An element that the program does not select may be any number: whoever evaluates has run the program before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from gradc.check.matrices import OF_MATRICES, product, stacked, system, triangular
from gradc.check.numbers import Numbers, Unsuitable
from gradc.check.reductions import REDUCTIONS, along
from gradc.ir import sizes as extents
from gradc.ir.graph import Graph, ancestors
from gradc.ir.region import Function, Loop
from gradc.ir.types import TAPE, TUPLE, Index, Type

MOST: Final = 1 << 22
"""Elements of one value that are kept."""

Observer = Callable[[Graph, int, Sequence[Any], Any], None]
"""Called with each node that is computed, in a graph or a body, its operands and its value."""


_Step = tuple[int, "Callable[..., Any] | None", tuple[int, ...]]


class Evaluator:
    """Runs graphs without derivative requests in a number system, for given sizes.

    ``functions`` are those that ``call`` nodes name; the values that ``stops`` holds, in their order, are taken for
    those behind ``stop_gradient``, which a first run notes in ``stopped``. Raises ``Unsuitable`` where an operator has
    no evaluation in the system, a value is too large, or ``seconds`` are over. What is not marked as adjoint in a graph
    can have a system of its own, ``forward``, whose numbers must be of the same kind.
    """

    def __init__(
        self,
        numbers: Numbers,
        sizes: Mapping[str, int],
        *,
        functions: Mapping[str, Function] | None = None,
        seconds: float | None = None,
        stops: Sequence[Any] | None = None,
        observe: Observer | None = None,
        forward: Numbers | None = None,
    ) -> None:
        self.numbers = numbers
        # What adjoints are computed with, where the forward part has another system.
        self.adjoint = numbers
        self.forward = forward or numbers
        self.sizes = sizes
        self.functions = functions or {}
        self.end: float | None = None
        self.within(seconds)
        self.stops = stops
        self.stopped: list[Any] = []
        self.observe = observe
        self._steps: dict[tuple[int, tuple[int, ...]], list[_Step]] = {}
        self._computed: dict[Any, Callable[..., Any]] = {}
        # Graphs whose steps are kept must outlive them.
        self._graphs: list[Graph] = []

    def within(self, seconds: float | None) -> None:
        """Stop so many seconds from now."""
        self.end = None if seconds is None else time.monotonic() + seconds

    def run(self, graph: Graph, inputs: Sequence[Any], nodes: Sequence[int] | None = None) -> list[Any]:
        """The outputs of a graph, or the values of nodes, for numbers and arrays of any system."""
        self.stopped = []
        given = [self._given(graph.type(node), value) for node, value in zip(graph.inputs, inputs, strict=True)]
        try:
            return self.inner(graph, given, [node for _, node in graph.outputs] if nodes is None else nodes)
        except (ArithmeticError, LookupError, ValueError) as problem:
            # Of what is not selected any number is taken, with which loops or matrices may have no result.
            raise Unsuitable("values") from problem

    def _given(self, type: Type, value: Any) -> Any:
        convert = self.numbers.given if type.real else int if type.dtype == "int" else bool
        if not type.shape:
            return convert(value)
        array = np.asarray(value)
        found = np.empty(array.shape, object)
        found.ravel()[:] = [convert(each) for each in array.ravel().tolist()]
        return found

    def inner(self, graph: Graph, inputs: Sequence[Any], nodes: Sequence[int]) -> list[Any]:
        """The values of nodes for inputs in this system."""
        key = (id(graph), tuple(nodes))
        steps = self._steps.get(key)
        if steps is None:
            steps = self._steps[key] = self._planned(graph, nodes)
        if self.end is not None and time.monotonic() > self.end:
            raise Unsuitable("time")
        values: dict[int, Any] = dict(zip(graph.inputs, inputs, strict=True))
        for node, compute, operands in steps:
            if compute is None:
                values[node] = self._node(graph, node, values)
            else:
                values[node] = compute(*[values[operand] for operand in operands])
                if self.observe is not None:
                    self.observe(graph, node, [values[operand] for operand in operands], values[node])
        return [values[node] for node in nodes]

    def _planned(self, graph: Graph, nodes: Sequence[int]) -> list[_Step]:
        """What is computed for some nodes, in order; single numbers by a function, the rest as it comes."""
        self._graphs.append(graph)
        given = set(graph.inputs)
        steps: list[_Step] = []
        for node in sorted(ancestors(graph.data, nodes) - given):
            op, type, operands = graph.op(node), graph.type(node), graph.operands(node)
            self._choose(graph, node)
            compute = None
            if type.scalar and op not in ("name", "stop_gradient") and graph.ops[op].elementwise:
                dtypes = tuple([graph.type(operand).dtype for operand in operands])
                compute = self._computing(graph, node, op, type.dtype, dtypes)
            steps.append((node, compute, operands))
        return steps

    def _node(self, graph: Graph, node: int, values: Mapping[int, Any]) -> Any:
        op, type = graph.op(node), graph.type(node)
        self._choose(graph, node)
        operands = graph.operands(node)
        row = graph.ops[op]
        attrs = graph.attrs(node)
        if row.elementwise:
            found = self._elementwise(graph, node, [values[operand] for operand in operands])
        elif op == "const":
            value = attrs["value"]
            one = self.numbers.given(value) if type.real else value
            found = np.full(self.shape(type.shape), one, object) if type.shape else one
        elif op == "size":
            found = extents.evaluate(attrs["size"], self.sizes)
        elif op == "index":
            found = np.arange(extents.evaluate(type.free[0].extent, self.sizes)).astype(object)
        elif op == "call":
            found = self._call(graph, node, [values[operand] for operand in operands])
        elif row.kind == "region":
            found = self._region(graph, node, values)
        elif row.kind == "structural":
            found = getattr(self, f"_{op}", self._by_table)(_Site(self, graph, node, values))
        else:
            raise Unsuitable(op)
        if self.observe is not None:
            self.observe(graph, node, [values[operand] for operand in operands], found)
        return found

    def _choose(self, graph: Graph, node: int) -> None:
        self.numbers = self.adjoint if graph.adjoint_of(node) is not None else self.forward

    def shape(self, dims: Any) -> tuple[int, ...]:
        """Extents as numbers."""
        return tuple(extents.evaluate(dim, self.sizes) for dim in dims)

    def batch(self, indices: Sequence[Index]) -> tuple[int, ...]:
        """The extents of free indices."""
        return self.shape(index.extent for index in indices)

    def room(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape, if there is room for so many objects."""
        count = 1
        for extent in shape:
            count *= extent
        if count > MOST:
            raise Unsuitable("size")
        return tuple(shape)

    # Elements ------------------------------------------------------------------------------------------------------

    def _elementwise(self, graph: Graph, node: int, given: list[Any]) -> Any:
        type, op = graph.type(node), graph.op(node)
        if op == "name":
            return given[0]
        if op == "stop_gradient":
            return self._stop(given[0])
        dtypes = tuple([graph.type(operand).dtype for operand in graph.operands(node)])
        compute = self._computing(graph, node, op, type.dtype, dtypes)
        aligned = [
            _aligned(value, graph.type(operand).free, type.free)
            for value, operand in zip(given, graph.operands(node), strict=True)
        ]
        shape = self.room((*self.batch(type.free), *self.shape(type.shape)))
        if 0 in shape:
            return np.empty(shape, object)
        with np.errstate(all="ignore"):
            found = np.frompyfunc(compute, len(given), 1)(*aligned)
        return whole(found, shape)

    def _computing(self, graph: Graph, node: int, op: str, dtype: str, dtypes: tuple[str, ...]) -> Callable[..., Any]:
        attrs = graph.attrs(node)
        key = (id(self.numbers), id(graph.ops), op, dtype, dtypes, tuple(sorted(attrs.items())) if attrs else ())
        if key not in self._computed:
            self._computed[key] = self.numbers.function(graph.ops[op], dtype, dtypes, attrs)
        return self._computed[key]

    def _stop(self, value: Any) -> Any:
        if self.stops is not None:
            at = len(self.stopped)
            if at >= len(self.stops) or np.shape(self.stops[at]) != np.shape(value):
                raise Unsuitable("another course of the program")
            value = self.stops[at]
        real = self.numbers.real
        if isinstance(value, np.ndarray):
            first = value.ravel()[0] if value.size else 0
            if not isinstance(first, (int, bool)):
                value = np.frompyfunc(lambda x: self.numbers.given(real(x)), 1, 1)(value)
        elif not isinstance(value, (int, bool)):
            value = self.numbers.given(real(value))
        self.stopped.append(value)
        return value

    def _call(self, graph: Graph, node: int, given: list[Any]) -> Any:
        function = self.functions[graph.attrs(node)["function"]]
        type = graph.type(node)
        body = function.body
        if type.scalar:
            return self.inner(body, given, [body.outputs[0][1]])[0]
        shape = (*self.batch(type.free), *self.shape(type.shape))
        aligned = [
            np.broadcast_to(_aligned(value, graph.type(operand).free, type.free), shape)
            for value, operand in zip(given, graph.operands(node), strict=True)
        ]
        # Called on arrays, a function acts on each element.
        found = np.empty(shape, object)
        for place in np.ndindex(*shape):
            found[place] = self.inner(body, [each[place] for each in aligned], [body.outputs[0][1]])[0]
        return found

    # Moving elements -----------------------------------------------------------------------------------------------

    def _access(self, site: _Site) -> Any:
        type = site.type
        shape = self.room((*self.batch(type.free), *self.shape(type.shape)))
        array = site.operand(0, type.free)
        indices = [site.operand(at, type.free) for at in range(1, len(site.operands))]
        if 0 in shape:
            return np.empty(shape, object)
        if array.size == 0:
            return np.full(shape, self.numbers.zero, object)
        mesh = self._mesh(type.free, array.shape, site.attrs["items"], indices, len(shape))
        return scalar(whole(array[mesh], shape))

    def _mesh(
        self, batch: Sequence[Index], array: tuple[int, ...], items: Any, indices: Sequence[Any], rank: int
    ) -> tuple[Any, ...]:
        """What a part of an array is read or written with, one array of integers an axis; they broadcast.

        The part has ``rank`` axes: those of the batch, one for each slice, and the array's further ones.
        """
        axes: list[Any] = []
        for at, extent in enumerate(array[: len(batch)]):
            axes.append(_along(np.arange(extent), at, rank))
        own = array[len(batch) :]
        at, waiting = len(batch), iter(indices)
        for axis, extent in enumerate(own):
            item = items[axis] if axis < len(items) else (0, 1, extent)
            if item is None:
                index = np.asarray(next(waiting)).astype(int)
                # Where no element is selected, any will do.
                index = np.clip(index, 0, extent - 1)
                axes.append(index.reshape(index.shape + (1,) * (rank - index.ndim)))
                continue
            start, step, count = (extents.evaluate(part, self.sizes) for part in item)
            axes.append(_along(start + step * np.arange(count), at, rank))
            at += 1
        return tuple(axes)

    def _assemble(self, site: _Site) -> Any:
        type = site.type
        zero = self.numbers.zero if type.real else 0 if type.dtype == "int" else False
        shape = self.room((*self.batch(type.free), *self.shape(type.shape)))
        return self._added(site, np.full(shape, zero, object), 0)

    def _accumulate(self, site: _Site) -> Any:
        type = site.type
        shape = self.room((*self.batch(type.free), *self.shape(type.shape)))
        return self._added(site, np.array(np.broadcast_to(site.operand(0, type.free), shape)), 1)

    def _added(self, site: _Site, found: Any, at: int) -> Any:
        """The array with the parts of an ``assemble`` added, whose operands begin at a position."""
        free = site.type.free
        for items, over in site.attrs["parts"]:
            count = sum(item is None for item in items)
            inner = (*free, *over)
            value = site.operand(at, inner)
            indices = [site.operand(place, inner) for place in range(at + 1, at + 1 + count)]
            own = self.shape(site.types[at].shape)
            at += 1 + count
            part = self.room((*self.batch(inner), *own))
            if 0 in part or found.size == 0:
                continue
            value = np.broadcast_to(value, part)
            # The indices over which parts are summed are no axes of the array: they only repeat what is added.
            mesh = self._targets(len(free), len(over), found.shape, items, indices, len(part))
            kept = np.full(part, True)
            for index, extent in zip(indices, self._indexed(items, found.shape[len(free) :]), strict=True):
                number = np.asarray(index).astype(int)
                number = number.reshape(number.shape + (1,) * (len(part) - number.ndim))
                kept = kept & (number >= 0) & (number < extent)
            places = tuple(np.broadcast_to(each, part)[kept] for each in mesh)
            if site.type.dtype == "bool":
                found[places] = value[kept]
            else:
                np.add.at(found, places, value[kept])
        return scalar(found)

    def _indexed(self, items: Any, own: Sequence[int]) -> list[int]:
        return [extent for item, extent in zip(items, own, strict=False) if item is None]

    def _targets(
        self, free: int, over: int, array: tuple[int, ...], items: Any, indices: Sequence[Any], rank: int
    ) -> tuple[Any, ...]:
        axes = [_along(np.arange(extent), at, rank) for at, extent in enumerate(array[:free])]
        at, waiting = free + over, iter(indices)
        for axis, extent in enumerate(array[free:]):
            item = items[axis] if axis < len(items) else (0, 1, extent)
            if item is None:
                index = np.asarray(next(waiting)).astype(int)
                axes.append(np.clip(index, 0, extent - 1).reshape(index.shape + (1,) * (rank - index.ndim)))
                continue
            start, step, count = (extents.evaluate(part, self.sizes) for part in item)
            axes.append(_along(start + step * np.arange(count), at, rank))
            at += 1
        return tuple(axes)

    def _put(self, site: _Site) -> Any:
        free = site.type.free
        shape = self.room((*self.batch(free), *self.shape(site.type.shape)))
        found = np.array(np.broadcast_to(site.operand(0, free), shape))
        value = site.operand(1, free)
        indices = [site.operand(at, free) for at in range(2, len(site.operands))]
        part = (*self.batch(free), *self.shape(site.types[1].shape))
        if 0 not in part and found.size:
            mesh = self._targets(len(free), 0, shape, site.attrs["items"], indices, len(part))
            found[tuple(np.broadcast_to(each, part) for each in mesh)] = np.broadcast_to(value, part)
        return found

    def _tabulate(self, site: _Site) -> Any:
        indices = site.attrs["indices"]
        own = self.shape(site.types[0].shape)
        value = site.operand(0, (*site.type.free, *indices))
        shape = self.room((*self.batch((*site.type.free, *indices)), *own))
        return whole(value, shape)

    def _sum(self, site: _Site) -> Any:
        over, free = site.attrs.get("over", ()), site.type.free
        own = self.shape(site.types[0].shape)
        value = site.operand(0, (*free, *over))
        # A value that lacks an index counts as often as the index has values.
        value = whole(value, self.room((*self.batch((*free, *over)), *own)))
        first = len(free) + len(over)
        axes = (*range(len(free), first), *(first + axis for axis in site.attrs.get("axes", ())))
        zero = self.numbers.zero if site.type.real else 0
        if value.size == 0:
            shape = tuple(extent for axis, extent in enumerate(value.shape) if axis not in axes)
            return scalar(np.full(shape, zero, object))
        if site.type.real:
            value = self.numbers.moved_all(value)
        return scalar(np.add.reduce(value, axis=axes))

    def _broadcast(self, site: _Site) -> Any:
        free = site.type.free
        batch, shape = self.batch(free), self.shape(site.type.shape)
        value = site.operand(0, free)
        missing = len(shape) - len(site.types[0].shape)
        value = value.reshape(value.shape[: len(free)] + (1,) * missing + value.shape[len(free) :])
        return whole(value, self.room((*batch, *shape)))

    def _reshape(self, site: _Site) -> Any:
        return scalar(site.operand(0).reshape((*self.batch(site.type.free), *self.shape(site.type.shape))))

    def _transpose(self, site: _Site) -> Any:
        count = len(site.type.free)
        return site.operand(0).transpose(*range(count), *(count + axis for axis in site.attrs["order"]))

    def _demand(self, site: _Site) -> Any:
        shape = (*self.batch(site.type.free), *self.shape(site.type.shape))
        return scalar(whole(site.operand(0, site.type.free), shape))

    def _triangle(self, site: _Site) -> Any:
        return triangular(site.operand(0), site.attrs["lower"], site.attrs["offset"], self.numbers.zero)

    def _matmul(self, site: _Site) -> Any:
        free = site.type.free
        ranks = [len(type.shape) for type in site.types]
        found = product(self.numbers, len(free), ranks, site.operand(0, free), site.operand(1, free))
        return scalar(whole(found, (*self.batch(free), *self.shape(site.type.shape))))

    def _solve(self, site: _Site) -> Any:
        free = site.type.free
        ranks = [len(type.shape) for type in site.types]
        found = system(self.numbers, site.attrs, len(free), ranks, site.operand(0, free), site.operand(1, free))
        return whole(found, (*self.batch(free), *self.shape(site.type.shape)))

    _triangular_solve = _solve

    def _by_table(self, site: _Site) -> Any:
        """What acts along axes, and what acts on matrices."""
        op, free = site.op, site.type.free
        shape = (*self.batch(free), *self.shape(site.type.shape))
        if op in OF_MATRICES:
            numbers = self.numbers
            given = [numbers.moved_all(site.operand(at, free)) for at in range(len(site.operands))]
            return scalar(whole(stacked(lambda *x: OF_MATRICES[op](numbers, *x), *given), shape))
        own = len(site.types[0].shape)
        first = len(free)
        if op in REDUCTIONS:
            axes = site.attrs.get("axes", (site.attrs["axis"],) if "axis" in site.attrs else ())
            given = whole(site.operand(0, free), (*self.batch(free), *self.shape(site.types[0].shape)))
            return scalar(REDUCTIONS[op](self.numbers, given, tuple(first + axis for axis in axes)))
        found = along(op)
        if found is None or not own:
            raise Unsuitable(op)
        given = [
            whole(site.operand(at, free), (*self.batch(free), *self.shape(site.types[at].shape)))
            for at in range(len(site.operands))
        ]
        return found(self.numbers, first + site.attrs["axis"], site.attrs.get("reverse", False), *given)

    # Regions -------------------------------------------------------------------------------------------------------

    def _region(self, graph: Graph, node: int, values: Mapping[int, Any]) -> Any:
        type, op = graph.type(node), graph.op(node)
        operands = graph.operands(node)
        if op == "get":
            return self._part(graph, node, values[operands[0]])
        if op == "add_tapes":
            return self._add_tapes(graph, node, [values[operand] for operand in operands])
        run = self._branch if op == "branch" else self._loop
        if not type.free:
            return run(graph, node, [values[operand] for operand in operands])
        found = np.empty(self.batch(type.free), object)
        for place in np.ndindex(*found.shape):
            env = dict(zip(type.free, place, strict=True))
            found[place] = run(graph, node, [_chosen(graph.type(o), values[o], env) for o in operands])
        return found

    def _part(self, graph: Graph, node: int, tuples: Any) -> Any:
        place, type = graph.attrs(node)["place"], graph.type(node)
        if not type.free:
            return tuples[place]
        if type.dtype in (TAPE, TUPLE):
            found = np.empty(tuples.shape, object)
            for cell in np.ndindex(*tuples.shape):
                found[cell] = tuples[cell][place]
            return found
        found = np.empty((*tuples.shape, *self.shape(type.shape)), object)
        for cell in np.ndindex(*tuples.shape):
            found[cell] = tuples[cell][place]
        return found

    def _add_tapes(self, graph: Graph, node: int, given: list[Any]) -> Any:
        type = graph.type(node)
        over = graph.attrs(node).get("over", ())
        types = [graph.type(operand) for operand in graph.operands(node)]

        def total(env: Mapping[Index, int]) -> list[Any]:
            found: list[Any] | None = None
            for value, kind in zip(given, types, strict=True):
                for choice in np.ndindex(*self.batch(over)):
                    tape = _chosen(kind, value, {**env, **dict(zip(over, choice, strict=True))})
                    found = list(tape) if found is None else [x + y for x, y in zip(found, tape, strict=True)]
            return found or []

        if not type.free:
            return total({})
        found = np.empty(self.batch(type.free), object)
        for place in np.ndindex(*found.shape):
            found[place] = total(dict(zip(type.free, place, strict=True)))
        return found

    def _branch(self, graph: Graph, node: int, operands: list[Any]) -> tuple[Any, ...]:
        body = graph.attrs(node)["then" if operands[0] else "other"]
        return tuple(self.inner(body, operands[1:], [each for _, each in body.outputs]))

    def _loop(self, graph: Graph, node: int, operands: list[Any]) -> tuple[Any, ...]:
        loop = Loop.of(graph.attrs(node))
        body, carried = loop.body, loop.carried
        results = [each for _, each in body.outputs]
        state = operands[loop.first : loop.first + carried]
        scanned = operands[loop.first + carried : loop.first + carried + loop.scanned]
        rest = operands[loop.first + carried + loop.scanned :]
        if loop.test is not None:
            tapes: list[list[Any]] = [[] for _ in range(loop.tapes)]
            count = 0
            while self.inner(loop.test, [count, *state, *rest], [loop.test.outputs[0][1]])[0]:
                found = self.inner(body, [count, *state, *rest], results)
                state = found[:carried]
                for tape, value in zip(tapes, found[carried:], strict=True):
                    tape.append(value)
                count += 1
            return (*state, *tapes, count)
        start, stop = operands[:2]
        count = max(stop - start, 0)
        kept: list[list[Any]] = [[None] * count for _ in range(loop.collected + loop.tapes)]
        for at in reversed(range(count)) if loop.backwards else range(count):
            rows = [each[at] for each in scanned]
            found = self.inner(body, [start + at, *state, *rows, *rest], results)
            state = found[:carried]
            for item, value in zip(kept, found[carried:], strict=True):
                item[at] = value
        arrays = []
        for at in range(loop.collected):
            own = self.shape(body.type(results[carried + at]).shape)
            array = np.empty((count, *own), object)
            for place, value in enumerate(kept[at]):
                array[place] = value
            arrays.append(array)
        return (*state, *arrays, *kept[loop.collected :])


class _Site:
    """A structural node on its way to a value."""

    def __init__(self, evaluator: Evaluator, graph: Graph, node: int, values: Mapping[int, Any]) -> None:
        self.op, self.type, self.attrs = graph.op(node), graph.type(node), graph.attrs(node)
        self.operands = graph.operands(node)
        self.types = [graph.type(operand) for operand in self.operands]
        self.values = [values[operand] for operand in self.operands]

    def operand(self, position: int, free: Sequence[Index] | None = None) -> Any:
        """An operand as an array with an axis for each of the indices, 1 where it lacks one, by default for its own."""
        own = self.types[position].free
        return _aligned(self.values[position], own, own if free is None else free)


def _aligned(value: Any, own: Sequence[Index], free: Sequence[Index]) -> Any:
    """An array with an axis for each of the indices ``free``, of extent 1 for those that it lacks."""
    array = boxed(value)
    if tuple(own) == tuple(free):
        return array
    kept = [own.index(index) for index in free if index in own]
    array = array.transpose(*kept, *range(len(own), array.ndim))
    return array[(*(slice(None) if index in own else None for index in free), ...)]


def _chosen(type: Type, value: Any, env: Mapping[Index, int]) -> Any:
    """One value of a family."""
    return value[tuple(env[index] for index in type.free)] if type.free else value


def _along(values: Any, axis: int, rank: int) -> Any:
    shape = [1] * rank
    shape[axis] = len(values)
    return values.reshape(shape)


def boxed(value: Any) -> Any:
    """A value as an array, perhaps one without axes."""
    if isinstance(value, np.ndarray):
        return value
    found = np.empty((), object)
    found[()] = value
    return found


def whole(value: Any, shape: Sequence[int]) -> Any:
    """An array repeated to its full shape."""
    array = boxed(value)
    return array if array.shape == tuple(shape) else np.broadcast_to(array, tuple(shape))


def scalar(value: Any) -> Any:
    """What stands in an array without axes, and others as they are."""
    return value[()] if isinstance(value, np.ndarray) and not value.ndim else value
