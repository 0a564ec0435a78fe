"""What a plan is made of: values in slots and steps that compute them, and arrays brought into line with each other.

A value may have extent 1 along an axis, or lack leading axes, where it is the same along them: NumPy repeats it where
it meets another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from operator import itemgetter
from typing import Any, Final

import numpy as np

from gradc.backends import kernels, orders
from gradc.backends.faults import Faults
from gradc.backends.layout import Layout
from gradc.backends.loops import DTYPES
from gradc.backends.memory import Room
from gradc.backends.orders import Order
from gradc.ir import sizes as extents
from gradc.ir.graph import Graph
from gradc.ir.types import Index

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


class Emitter:
    """Emits the steps of one plan."""

    def __init__(self, graph: Graph, sizes: Mapping[str, int], room: Room | None = None) -> None:
        self.graph = Layout(graph, sizes)
        self.room = room or Room(graph, None, {})
        self.sizes = sizes
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
        self.reps: dict[int, Shape | None] = {}
        self.dtypes: dict[int, str] = {}
        self.current = -1

    # Shapes -----------------------------------------------------------------------------------------------------------

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

    # Emitting ---------------------------------------------------------------------------------------------------------

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

    def multiplied(self, left: Value, right: Value, rep: Shape) -> Value:
        """The product of two values, of which one is an array."""
        return self.emit(np.multiply, [self._compact(left, rep), self._compact(right, rep)], rep)

    # Order of axes ----------------------------------------------------------------------------------------------------

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

    def _compact(self, value: Value, rep: Shape) -> Value:
        """A value in the order of its axes, if that costs little: a small one sets the order of a large result."""
        if value.slot not in self.turned or value.rep is None or 2 * prod(value.rep) >= prod(rep):
            return value
        made = self._compacted.get(value.slot)
        if made is None:
            made = self._compacted[value.slot] = self.emit(np.ascontiguousarray, [value], value.rep)
        return made

    # Alignment --------------------------------------------------------------------------------------------------------

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

    # What is known ----------------------------------------------------------------------------------------------------

    def same(self, slot: int, other: int) -> bool:
        """Whether two arrays have one shape and one dtype."""
        return self.reps.get(slot) == self.reps.get(other) and self.dtypes.get(slot) == self.dtypes.get(other)

    def real(self, slot: int) -> bool:
        """Whether the array in a slot holds real numbers."""
        return self.dtypes.get(slot) in ("f64", "f32")

    def whole_numbers(self, slot: int) -> bool:
        """Whether the array in a slot holds integers."""
        return self.dtypes.get(slot) == "int"

    def kind(self, slot: int) -> Any:
        """The dtype of the array in a slot."""
        return DTYPES[self.dtypes[slot]]
