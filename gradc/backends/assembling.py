"""Plans arrays that are made of parts: what concatenates, stacks and pads, and the adjoint of reading at indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.backends import kernels, orders
from gradc.backends.elements import at_one_place
from gradc.backends.kernels import Update
from gradc.backends.loops import DTYPES
from gradc.backends.orders import Order
from gradc.backends.placing import Occupied, Write, part, vet
from gradc.backends.reading import checked, inside
from gradc.ops.structure import parts as parts_of

if TYPE_CHECKING:
    from gradc.backends.emitting import Value
    from gradc.backends.planner import Planner


def assemble(planner: Planner, node: int) -> Value:
    """The array that an ``assemble`` node makes."""
    graph = planner.graph
    type = graph.type(node)
    attrs = graph.attrs(node)
    shape = planner.full(node)
    batch = len(type.free)
    operands = graph.operands(node)
    listed = parts_of({"parts": planner._plain(attrs["parts"])})
    if len(listed) > 8 and shape != (0,) and _elements(planner, listed, operands):
        return _stack(planner, node, listed, operands)
    values: list[Value] = []
    writes: list[tuple[Write, int, int]] = []
    occupied = Occupied(shape[batch:], len(listed) == 1)
    for position, items, over, places in listed:
        write, used = part(planner, node, operands[position], items, over, [operands[at] for at in places], occupied)
        writes.append((write, len(values), len(values) + len(used)))
        values += used
    dtype = DTYPES[type.dtype]
    disjoint, covered = occupied.disjoint, occupied.covered()
    # The array is likely to meet others of its shape.
    order = planner.habits.get(shape, orders.plain(len(shape)))
    made = planner.emit(_Filled(writes, shape, order, dtype, disjoint, covered), values, shape)
    if not made.known:
        planner.ordered(made.slot, order)
    return made


def put(planner: Planner, node: int) -> Value:
    """The array with other elements that a ``put`` node makes."""
    graph = planner.graph
    array, value, *places = graph.operands(node)
    items = planner._plain(graph.attrs(node)["items"])
    base = _base(planner, node, array)
    found = at_one_place(planner, node, value, items, places)
    write, used = found or part(planner, node, value, items, (), places, Occupied(None), True)
    return planner.emit(Update([(write, 0, len(used))], True), [base, *used], planner.full(node))


def accumulate(planner: Planner, node: int) -> Value:
    """The array to which an ``accumulate`` node adds parts."""
    graph = planner.graph
    operands = graph.operands(node)
    base = _base(planner, node, operands[0])
    values: list[Value] = []
    writes: list[tuple[Write, int, int]] = []
    for position, items, over, places in parts_of({"parts": planner._plain(graph.attrs(node)["parts"])}):
        indices = [operands[at + 1] for at in places]
        found = None if over else at_one_place(planner, node, operands[position + 1], items, indices)
        write, used = found or part(planner, node, operands[position + 1], items, over, indices, Occupied(None))
        writes.append((write, len(values), len(values) + len(used)))
        values += used

    return planner.emit(Update(writes, False), [base, *values], planner.full(node))


def _base(planner: Planner, node: int, array: int) -> Value:
    """The array that is changed, in full."""
    shape = planner.full(node)
    value = planner.whole(array, planner.graph.type(node).free)
    if value.rep == shape:
        return value
    return planner.emit(lambda x: np.broadcast_to(x, shape), [value], shape, view=True, repeats=True)


class _Filled(kernels.Placed):
    """Writes parts, each with some of the operands, into an array whose axes stand in memory in some order."""

    def __init__(
        self,
        writes: Sequence[tuple[Write, int, int]],
        shape: tuple[int, ...],
        order: Order,
        dtype: Any,
        disjoint: bool,
        covered: bool,
    ) -> None:
        self.writes = writes
        self.memory, self.axes = tuple(shape[axis] for axis in order), orders.inverse(order)
        self.dtype = dtype
        self.disjoint = disjoint
        self.blank = disjoint and covered

    def __call__(self, *given: Any, out: Any = None) -> Any:
        if out is None:
            new = np.empty if self.blank else np.zeros
            out = new(self.memory, self.dtype).transpose(self.axes)
        elif not self.blank:
            out[...] = 0
        for write, start, stop in self.writes:
            write(out, self.disjoint, given[start:stop])
        return out


def _elements(planner: Planner, listed: Sequence[Any], operands: Sequence[int]) -> bool:
    """Whether all parts are single numbers at single places."""
    graph = planner.graph
    return (
        all(
            not over
            and len(items) == 1
            and items[0] is None
            and graph.type(operands[position]).scalar
            and graph.type(operands[places[0]]).scalar
            for position, items, over, places in listed
        )
        and not graph.type(planner.current).free
        and len(graph.type(planner.current).shape) == 1
    )


def _stack(planner: Planner, node: int, listed: Sequence[Any], operands: Sequence[int]) -> Value:
    """Very many single elements in one go."""
    type = planner.graph.type(node)
    (extent,) = planner.full(node)
    values = [planner.values[operands[position]] for position, _, _, _ in listed]
    if planner.graph.attrs(node).get("lenient"):
        for position, _, _, places in listed:
            if not inside(planner, operands[places[0]], extent):
                vet(planner, planner.padded(operands[position]), (), [operands[places[0]]], [extent])
    indices = [checked(planner, operands[places[0]], extent) for _, _, _, places in listed]
    dtype = DTYPES[type.dtype]
    count = len(values)
    known = all(index.known for index in indices)
    fixed = np.array([planner.base[index.slot] for index in indices]) if known else None
    distinct = fixed is not None and len(np.unique(fixed)) == len(fixed)

    def run(*given: Any) -> Any:
        where = fixed if fixed is not None else np.array(given[count:])
        out = np.zeros(extent, dtype)
        if distinct:
            out[where] = given[:count]
        else:
            np.add.at(out, where, np.array(given[:count], dtype))
        return out

    return planner.emit(run, values if known else [*values, *indices], (extent,))
