"""Plans a graph with arrays for concrete sizes: a list of NumPy calls.

A node with free indices is one array with an axis for each index in front of its own axes. What does not depend on an
index, or is the same along an axis, is computed once: an array has extent 1 there, or lacks leading axes, and NumPy
repeats it where it meets another. Sums of products become contractions, which build no array of the products. What
depends on sizes alone is computed while planning.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final

import numpy as np

from gradc.backends import faults, kernels, products
from gradc.backends.emitting import Emitter, Shape, Value
from gradc.backends.faults import Faults
from gradc.backends.loops import DTYPES, Body
from gradc.backends.memory import Room
from gradc.errors import CallError, Diagnostic
from gradc.ir import sizes as extents
from gradc.ir.graph import Graph, ancestors
from gradc.ir.op import Op, Site
from gradc.ir.types import Type
from gradc.limits import DEFAULT
from gradc.ops import arrays
from gradc.ops.evaluate import evaluator
from gradc.ops.logarithmic import exponentials
from gradc.ops.reduce import EmptyReduction

_CHANGES: Final = ("put", "accumulate")
# A read is put before a write if so many nodes at most go with it.
_NEAR: Final = 64


class Planner(Emitter):
    """Makes the steps of one plan."""

    def __init__(
        self, graph: Graph, sizes: Mapping[str, int], results: Sequence[int], room: Room | None = None
    ) -> None:
        super().__init__(graph, sizes, room)
        self.results = results
        self.order = sorted(ancestors(graph.data, results) | set(graph.inputs))
        # Indices that have been looked at, by their slot and the extent of the axis.
        self.vetted: dict[tuple[int, int], Value] = {}
        # What is known of places that elements are added at.
        self.scattered: dict[object, Value] = {}
        self.groups = self._groups()
        self.logistic = self._logistics()
        self.order = self._read_first(self._postponed())
        # The exponentials that logistic functions share, and their logarithms.
        self.decays: dict[tuple[int, str], Value] = {}
        # Values that were computed with others, until their node's turn.
        self.shared: dict[int, Value] = {}
        self.inlined = products.inlined(graph, self.order, results)
        self.masks = products.masks(graph, self.order, results, self.inlined)
        self.limits = DEFAULT
        # Inputs whose arrays nobody else holds.
        self.owned: set[int] = set()

    def nested(self, body: Graph, nodes: Sequence[int] | None, carried: int = 0) -> Body:
        """The plan of a region's body."""
        from gradc.backends.plan import body_plan

        return body_plan(self, body, nodes, carried)

    # Nodes ---------------------------------------------------------------------------------------------------------

    def plan(self) -> None:
        """Make the steps of all nodes that the results need."""
        from gradc.backends import regions
        from gradc.backends.assembling import accumulate, assemble, put
        from gradc.backends.reading import access

        special: dict[str, Callable[[int], Value]] = {
            "const": self._const,
            "input": self._input,
            "index": self._index,
            "size": self._size,
            "sum": partial(products.total, self),
            "matmul": partial(products.matmul, self),
            "tabulate": self._tabulate,
            "broadcast": self._broadcast,
            "access": partial(access, self),
            "assemble": partial(assemble, self),
            "put": partial(put, self),
            "accumulate": partial(accumulate, self),
            "for": partial(regions.region, self),
            "while": partial(regions.region, self),
            "branch": partial(regions.region, self),
            "get": partial(regions.get, self),
            "add_tapes": partial(regions.add_tapes, self),
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
        self._drop_views()

    def _drop_views(self) -> None:
        """Leave out views that nobody reads, as those that were turned back."""
        read = {self.values[node].slot for node in self.results}
        # A condition is looked at when something has failed.
        read |= {value.slot for node, value in self.values.items() if not self.graph.type(node).real}
        kept = []
        for step in reversed(self.steps):
            if step.target not in self.views or step.target in read or 0 in step.operands:
                read.update(step.operands)
                kept.append(step)
        self.steps = kept[::-1]

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
        rep = self.concrete(type.shape) if type.shape else None
        if node in self.owned:
            self.fresh.add(slot)
            self.reps[slot], self.dtypes[slot] = rep, type.dtype
        return Value(slot, rep, slot)

    def _index(self, node: int) -> Value:
        (extent,) = self.full(node)
        self.room.claim(node, (extent,))
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
        if graph.op(node) == "mul" and any(operand in self.inlined for operand in graph.operands(node)):
            return products.product(self, node)
        row = graph.ops[graph.op(node)]
        if node in self.shared:
            return self.shared.pop(node)
        if node in self.logistic and self.values[self.logistic[node][0]].rep is not None:
            return self._logistic(*self.logistic[node])
        operands, types = self._operands(node)
        if node in self.masks and operands[0].rep is not None:
            if graph.attrs(graph.operands(node)[1])["value"] == 1:
                return operands[0]
            opposite = self.emit(np.logical_not, operands[:1], operands[0].rep)
            self.dtypes[opposite.slot] = "bool"
            return opposite
        dtype = graph.type(node).dtype
        attrs = graph.attrs(node)
        if all(operand.rep is None for operand in operands):
            return self._number(node, row, operands, types, attrs)
        rep = np.broadcast_shapes(*[operand.rep or () for operand in operands])
        if dtype == "int" and row.name in faults.INTEGER:
            return self.failing(faults.INTEGER[row.name], operands, rep)
        if row.name == "pow" and operands[1].known and operands[1].rep is None:
            exponent = float(self.base[operands[1].slot])
            repeated = kernels.power(exponent)
            if repeated is not None:
                return self.emit(repeated, operands[:1], rep)
            if exponent != 0.5:
                return self.emit(np.power, operands, rep)
        if row.name == "select" and operands[0].rep is None and {operands[1].rep, operands[2].rep} == {None, rep}:
            return self._alternative(operands, rep, DTYPES[dtype])
        run = kernels.function(row, DTYPES[dtype], attrs)
        return self.emit(run, [self._compact(operand, rep) for operand in operands], rep)

    def _alternative(self, operands: Sequence[Value], rep: Shape, dtype: Any) -> Value:
        """An array, or an array of one number in its place: a single condition decides, and nothing is copied."""
        condition, then, other = operands
        if other.rep is None:
            return self.emit(
                lambda x, holds, y: x if holds else np.full(rep, y, dtype), [then, condition, other], rep, view=True
            )
        return self.emit(
            lambda y, holds, x: np.full(rep, x, dtype) if holds else y, [other, condition, then], rep, view=True
        )

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
            return self.failing(faults.Single(compute), operands, None)
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
        if node in self.shared:
            return self.shared.pop(node)
        if row.plan is None:
            return self._number(node, row, [], [], {})
        if node in self.groups:
            return self._exponentials(node, self.groups[node])
        free = graph.type(node).free
        if row.name == "demand":
            given, test = graph.operands(node)
            condition = self.values[test]
            if condition.known and np.all(self.base[condition.slot]) and graph.type(given).free == free:
                return self.values[given]
        operands = [self.whole(operand, free) for operand in graph.operands(node)]
        if row.name == "demand":
            return self._demand(node, operands)
        return self._planned(node, row, operands, self.site(node))

    def _demand(self, node: int, operands: Sequence[Value]) -> Value:
        """The value itself; where the condition does not hold, the elements have no result."""
        value, condition = operands
        site = self.site(node)
        count, rank = len(site.batch), len(site.shape)

        def run(found: Faults, holds: Any) -> Any:
            missing = np.logical_not(holds)
            if missing.any():
                found.note(EmptyReduction(), missing.reshape(missing.shape + (1,) * rank))
            return 0

        self.failing(run, [condition], None)
        first, second = (operand.rep or () for operand in operands)
        rep = np.broadcast_shapes(first[:count], second[:count]) + site.shape
        if not rep:
            return self.emit(unboxed(np.asarray, site.dtype), [value], None)
        if rep != first:
            value = self.emit(lambda x: np.broadcast_to(x, rep), [value], rep, view=True)
        return value

    def _exponentials(self, node: int, group: Sequence[int]) -> Value:
        """What several nodes want of the same exponentials, which are computed once."""
        graph = self.graph
        site = self.site(node)
        (operand,) = graph.operands(node)
        axes = tuple(axis - len(site.shapes[0]) for axis in site.attrs["axes"])
        run = exponentials([graph.op(each) for each in group], axes)
        value = self.whole(operand, graph.type(node).free)
        # What is as large as the operand is written into arrays that are there.
        for each in group:
            if graph.op(each) != "logsumexp" and value.rep:
                self.shared[each] = self.emit(kernels.Blank(value.rep, DTYPES[site.dtype]), [value], value.rep)
        both = self.emit(run, [value, *(self.shared[each] for each in group if each in self.shared)], None)
        for at, each in enumerate(group):
            if each in self.shared:
                continue
            rep: Shape | None = (value.rep or ())[: len(site.batch)] + self.concrete(graph.type(each).shape)
            take: Callable[..., Any] = itemgetter(at)
            if not rep:
                rep, take = None, unboxed(take, site.dtype)
            self.shared[each] = self.emit(take, [both], rep)
        return self.shared.pop(node)

    def _logistic(self, base: int, op: str, negative: bool) -> Value:
        """A sigmoid or softplus from the exponential that others want too."""
        value = self.values[base]

        def shared(name: str, run: Callable[..., Any], *operands: Value) -> Value:
            if (base, name) not in self.decays:
                self.decays[base, name] = self.emit(run, operands, value.rep)
            return self.decays[base, name]

        e = shared("decay", arrays.decay, value)
        if op == "softplus":
            parts = [shared("log1p", np.log1p, e)]
        else:
            parts = [e, shared("above", np.add, self.keep(1.0, None), e)]
        return self.emit(kernels.Logistic(op, negative), [value, *parts], value.rep)

    def _logistics(self) -> dict[int, tuple[int, str, bool]]:
        """Nodes that want a sigmoid or softplus of one array or its negative, as others do: that array, and what."""
        graph = self.graph
        found: dict[int, list[tuple[int, str, bool]]] = {}
        for node in self.order:
            op = graph.op(node)
            if op in ("sigmoid", "softplus") and not graph.type(node).scalar:
                (base,) = graph.operands(node)
                negative = graph.op(base) == "neg"
                base = graph.operands(base)[0] if negative else base
                found.setdefault(base, []).append((node, op, negative))
        return {
            node: (base, op, negative)
            for base, group in found.items()
            if len(group) > 1
            for node, op, negative in group
        }

    def _postponed(self) -> list[int]:
        """The order of the nodes, where what is made of shared parts is not made before it is read."""
        order: list[int] = []
        waiting: set[int] = set()
        for node in self.order:
            operands = self.graph.operands(node)
            if node in self.logistic and node not in self.results and waiting.isdisjoint(operands):
                waiting.add(node)
                continue
            due = [operand for operand in dict.fromkeys(operands) if operand in waiting]
            waiting.difference_update(due)
            order += [*due, node]
        return order + sorted(waiting)

    def _read_first(self, order: Sequence[int]) -> list[int]:
        """The order of the nodes, where an array is read before elements of it change, which then needs no copy."""
        graph = self.graph
        changes = {node: graph.through_names(graph.operands(node)[0]) for node in order if graph.op(node) in _CHANGES}
        if not changes:
            return list(order)
        place = {node: at for at, node in enumerate(order)}
        users: dict[int, list[int]] = {}
        for node in order:
            for operand in dict.fromkeys(graph.operands(node)):
                users.setdefault(graph.through_names(operand), []).append(node)
        found: dict[int, None] = {}
        for node in order:
            if node in changes:
                for reader in users[changes[node]]:
                    if place[reader] > place[node] and changes.get(reader) != changes[node]:
                        found.update(dict.fromkeys(self._before(reader, node, found)))
            found[node] = None
        return list(found)

    def _before(self, node: int, other: int, done: Collection[int]) -> list[int]:
        """What is to be computed for a node, and the node, if nothing of it needs the other one; else nothing."""
        needed: set[int] = set()
        stack = [node]
        while stack:
            current = stack.pop()
            if current == other or len(needed) > _NEAR:
                return []
            if current not in needed and current not in done:
                needed.add(current)
                stack += self.graph.operands(current)
        return sorted(needed)

    def _groups(self) -> dict[int, list[int]]:
        """Nodes that want the exponentials of one array over the same axes, each with all of them."""
        graph = self.graph
        found: dict[object, list[int]] = {}
        for node in self.order:
            if graph.op(node) in ("logsumexp", "softmax", "log_softmax"):
                found.setdefault((graph.operands(node), graph.attrs(node)["axes"]), []).append(node)
        return {node: group for group in found.values() for node in group}

    def _planned(self, node: int, row: Op, operands: Sequence[Value], site: Site) -> Value:
        assert row.plan is not None
        count = len(site.batch)
        if row.name == "transpose":
            return self.turn(operands[0], (*range(count), *(count + axis for axis in site.attrs["order"])))
        run = row.plan(site)
        batch = np.broadcast_shapes(*[(operand.rep or ())[:count] for operand in operands]) if count else ()
        rep: Shape | None = batch + site.shape
        if not rep:
            rep = None
            run = unboxed(run, site.dtype)
        if row.name == "reshape":
            return self.emit(run, operands, rep, view=True)
        if row.name == "triangle":
            return self.emit(kernels.Into(run), operands, rep)
        return self.failing(faults.guarded(run, rep, DTYPES[site.dtype], count), operands, rep)

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
        value = self.turn(value, order)
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


def unboxed(run: Callable[..., Any], dtype: str) -> Callable[..., Any]:
    """The function with a Python number for a result, which is what single numbers are computed with."""
    if dtype == "f32":
        return lambda *operands: run(*operands)[()]
    return lambda *operands: run(*operands).item()
