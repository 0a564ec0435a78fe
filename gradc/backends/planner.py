"""Plans a graph with arrays for concrete sizes: a list of NumPy calls.

A node with free indices is one array with an axis for each index in front of its own axes. What does not depend on an
index, or is the same along an axis, is computed once: an array has extent 1 there, or lacks leading axes, and NumPy
repeats it where it meets another. Sums of products become contractions, which build no array of the products. What
depends on sizes alone is computed while planning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from operator import itemgetter
from typing import Any, Final

import numpy as np

from gradc.backends import faults, kernels, orders, products
from gradc.backends.faults import Faults
from gradc.backends.layout import Layout
from gradc.backends.loops import Body
from gradc.backends.memory import Room
from gradc.backends.orders import Order
from gradc.errors import CallError, Diagnostic
from gradc.ir import sizes as extents
from gradc.ir.graph import Graph, ancestors
from gradc.ir.op import Op, Site
from gradc.ir.types import Index, Type
from gradc.limits import DEFAULT
from gradc.ops import arrays
from gradc.ops.evaluate import evaluator
from gradc.ops.reduce import EmptyReduction, exponentials

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
    # The slot whose array is written over, and the bytes that exist meanwhile.
    reuses: int = 0
    # Which of the pool's views the result is written into; -1 for an array of its own.
    out: int = -1
    work: int = 0


class Planner:
    """Makes the steps of one plan."""

    def __init__(
        self, graph: Graph, sizes: Mapping[str, int], results: Sequence[int], room: Room | None = None
    ) -> None:
        self.graph = Layout(graph, sizes)
        self.room = room or Room(graph, None, {})
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
        # Views with what they are views of; of those that repeat elements none may be written to.
        self.views: dict[int, int] = {}
        self.repeating: set[int] = set()
        # Views whose axes stand in another order than their memory, and copies of some in order.
        self.turned: set[int] = set()
        # What a view with turned axes is a view of, and the axes of that.
        self.turns: dict[int, tuple[Value, tuple[int, ...]]] = {}
        self._compacted: dict[int, Value] = {}
        # The order of their axes in memory, where it is known, and the one that arrays of a shape have had.
        self.orders: dict[int, Order] = {}
        self.habits: dict[Shape, Order] = {}
        # Indices that have been looked at, by their slot and the extent of the axis.
        self.vetted: dict[tuple[int, int], Value] = {}
        # What is known of places that elements are added at.
        self.scattered: dict[object, Value] = {}
        self.reps: dict[int, Shape | None] = {}
        self.dtypes: dict[int, str] = {}
        self.groups = self._groups()
        self.logistic = self._logistics()
        self.order = self._postponed()
        # The exponentials that logistic functions share, and their logarithms.
        self.decays: dict[tuple[int, str], Value] = {}
        # Values that were computed with others, until their node's turn.
        self.shared: dict[int, Value] = {}
        self.inlined = products.inlined(graph, self.order, results)
        self.masks = products.masks(graph, self.order, results, self.inlined)
        self.current = -1
        self.limits = DEFAULT
        # Inputs whose arrays nobody else holds.
        self.owned: set[int] = set()

    def nested(self, body: Graph, nodes: Sequence[int] | None, carried: int = 0) -> Body:
        """The plan of a region's body."""
        from gradc.backends.plan import body_plan

        return body_plan(self, body, nodes, carried)

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
        self,
        run: Callable[..., Any],
        operands: Sequence[Value],
        rep: Shape | None,
        *,
        view: bool = False,
        repeats: bool = False,
    ) -> Value:
        """A step; what can be computed now is. A ``view`` that ``repeats`` shows elements in several places."""
        if rep is not None and not view:
            self.room.claim(self.current, rep)
        if all(operand.known for operand in operands) and (rep is None or prod(rep) <= _KEPT):
            with np.errstate(all="ignore"):
                found = run(*[self.base[operand.slot] for operand in operands])
            return self.keep(found, rep)
        self.base.append(None)
        slot = len(self.base) - 1
        self.steps.append(Step(run, slot, tuple(operand.slot for operand in operands), self.current))
        self.reps[slot] = rep
        self.dtypes[slot] = self.graph.type(self.current).dtype
        if view:
            source = operands[0]
            self.views[slot] = source.slot
            self.dtypes[slot] = self.dtypes.get(source.slot, self.dtypes[slot])
            if source.slot in self.turned:
                self.turned.add(slot)
            if repeats or source.slot in self.repeating:
                self.repeating.add(slot)
            return Value(slot, rep, source.root)
        if rep is not None:
            self.fresh.add(slot)
            if kernels.elementwise(run):
                alike = {
                    self.orders.get(each.slot) if each.slot in self.turned else None
                    for each in operands
                    if self.reps.get(each.slot) == rep
                }
                if len(alike) == 1:
                    self.ordered(slot, alike.pop())
        return Value(slot, rep, slot)

    def ordered(self, slot: int, order: Order | None) -> None:
        """Note the order of the axes of an array in memory; None for one that is not known, or plain."""
        rep = self.reps.get(slot)
        if order is None or rep is None:
            return
        if order == orders.plain(len(order)):
            self.turned.discard(slot)
            return
        self.turned.add(slot)
        self.orders[slot] = order
        if slot in self.fresh:
            self.habits[rep] = order

    def _follow(self, source: Value, made: Value) -> Value:
        """Note the order of a view, of the last step, from that of its source."""
        order = self.orders.get(source.slot) if source.slot in self.turned else orders.plain(len(source.rep or ()))
        if order is None or made.known:
            return made
        self.ordered(made.slot, orders.followed(self.steps[-1].run, source.rep or (), order))
        return made

    def failing(self, run: Callable[..., Any], operands: Sequence[Value], rep: Shape | None) -> Value:
        """A step whose function takes the run's faults first, to which it may add."""
        if rep is not None:
            self.room.claim(self.current, rep)
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
        self.reps[slot] = rep
        return Value(slot, rep, slot)

    def view(self, value: Value, index: tuple[Any, ...], rep: Shape) -> Value:
        """A basic index into an array."""
        made = self.emit(itemgetter(index), [value], rep, view=True)
        return self._follow(value, made) if value.slot in self.turned else made

    def same(self, slot: int, other: int) -> bool:
        """Whether two arrays have one shape and one dtype."""
        return self.reps.get(slot) == self.reps.get(other) and self.dtypes.get(slot) == self.dtypes.get(other)

    def real(self, slot: int) -> bool:
        """Whether the array in a slot holds real numbers."""
        return self.dtypes.get(slot) in ("f64", "f32")

    def kind(self, slot: int) -> Any:
        """The dtype of the array in a slot."""
        return DTYPES[self.dtypes[slot]]

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
            value = self.emit(lambda x: np.broadcast_to(x, shape), [value], shape, view=True, repeats=True)
        value = self.align(value, count, type.free, free)
        assert value.rep is not None
        missing = len(free) + count - len(value.rep)
        if missing:
            value = self.view(value, (None,) * missing + (...,), (1,) * missing + value.rep)
        return value

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

    def multiplied(self, left: Value, right: Value, rep: Shape) -> Value:
        """The product of two values, of which one is an array."""
        return self.emit(np.multiply, [self._compact(left, rep), self._compact(right, rep)], rep)

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
        run = kernels.function(row, DTYPES[dtype], attrs)
        return self.emit(run, [self._compact(operand, rep) for operand in operands], rep)

    def _compact(self, value: Value, rep: Shape) -> Value:
        """A value in the order of its axes, if that costs little: a small one sets the order of a large result."""
        if value.slot not in self.turned or value.rep is None or 2 * prod(value.rep) >= prod(rep):
            return value
        made = self._compacted.get(value.slot)
        if made is None:
            made = self._compacted[value.slot] = self.emit(np.ascontiguousarray, [value], value.rep)
        return made

    def turn(self, value: Value, order: Sequence[int]) -> Value:
        """The axes of a value in another order."""
        places = tuple(order)
        source, done = self.turns.get(value.slot, (value, tuple(range(len(places)))))
        return self._turned(source, tuple(done[at] for at in places))

    def _turned(self, value: Value, places: tuple[int, ...]) -> Value:
        assert value.rep is not None
        if places == tuple(range(len(places))):
            return value
        rep = tuple(value.rep[at] for at in places)
        made = self.emit(lambda x: x.transpose(places), [value], rep, view=True)
        self.turned.add(made.slot)
        self.turns[made.slot] = value, places
        return self._follow(value, made)

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
