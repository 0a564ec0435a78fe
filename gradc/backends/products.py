"""Plans sums of products as contractions: matrix products without an array of all the products."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gradc.backends import faults, orders
from gradc.backends.contract import arranged, blockwise, blockwise_peak, peak
from gradc.ir.graph import Graph
from gradc.ir.types import Index, Type
from gradc.ops import integers

if TYPE_CHECKING:
    from gradc.backends.emitting import Shape, Value
    from gradc.backends.planner import Planner

# What contractions of smaller factors take meanwhile is not counted: it would be planned a second time.
_LARGE: Final = 1 << 20

Factor = tuple["Value", tuple[int, ...]]
"""A value and the label of each of its axes."""


# More factors than that are not gathered into one contraction: the best order would take long to find.
_FACTORS: Final = 8


def inlined(graph: Graph, order: Sequence[int], results: Sequence[int]) -> set[int]:
    """Products and sums that only a sum reads, and products that only a product reads.

    They become factors of a contraction, or of a product that starts with its small factors, and are never computed.
    """
    data = graph.data
    users: dict[int, int] = {}
    for node in order:
        for operand in data[node]["operands"]:
            users[operand] = users.get(operand, 0) + 1
    found: set[int] = set()
    kept = set(results)
    # Of those that are inlined: whether into a sum, and how many factors their root has so far.
    counts: dict[int, list[int]] = {}
    for node in reversed(order):
        entry = data[node]
        op = entry["op"]
        summed = op == "sum" if node not in found else node in counts
        if not entry["type"].real or not (op in ("sum", "mul") or (node in found and op == "neg")):
            continue
        if op == "mul" and node not in found and entry["type"].scalar:
            continue
        count = counts.setdefault(node, [1]) if summed else None
        for operand in dict.fromkeys(entry["operands"]):
            inner = data[operand]
            if users[operand] != 1 or operand in kept or inner["type"].scalar or not inner["type"].real:
                continue
            square = inner["op"] == "pow" and _number(graph, inner["operands"][1]) == 2
            if inner["op"] not in ("mul", "neg") and not (summed and (square or inner["op"] == "sum")):
                continue
            if count is not None:
                if inner["op"] in ("mul", "pow"):
                    if count[0] >= _FACTORS:
                        continue
                    count[0] += 1
                counts[operand] = count
            found.add(operand)
    return found


def masks(graph: Graph, order: Sequence[int], results: Sequence[int], inlined: Collection[int]) -> set[int]:
    """Choices of 1 where a condition holds and 0 elsewhere that only multiply: the condition itself will do.

    NumPy multiplies numbers by truth values, so the numbers need not be written out. Factors of a contraction must be.
    """
    data = graph.data
    found = {
        node
        for node in order
        if data[node]["op"] == "select"
        and data[node]["type"].real
        and not data[node]["type"].scalar
        and [_number(graph, operand) for operand in data[node]["operands"][1:]] == [1, 0]
        and node not in results
    }
    for node in order:
        operands = data[node]["operands"]
        alike = [operand for operand in operands if operand in found]
        if alike and (data[node]["op"] != "mul" or node in inlined or len(alike) > 1):
            found.difference_update(alike)
    return found


def _number(graph: Graph, node: int) -> Any:
    """The number that a constant is; None for another node."""
    data = graph.data[node]
    return data["attrs"]["value"] if data["op"] == "const" else None


def total(planner: Planner, node: int) -> Value:
    """The sum of a ``sum`` node."""
    graph = planner.graph
    (operand,) = graph.operands(node)
    own, type = graph.type(operand), graph.type(node)
    attrs = graph.attrs(node)
    axes, over = attrs.get("axes", ()), attrs.get("over", ())
    if not type.real:
        return _whole(planner, node, operand, own, axes, over)
    listed = tuple(dict.fromkeys((*own.free, *over)))
    labels = {index: at for at, index in enumerate(listed)}
    places = range(len(listed), len(listed) + own.rank)
    lengths = dict(zip((*labels.values(), *places), planner.batch(listed) + planner.concrete(own.shape), strict=True))
    factors, scale = _factors(planner, operand, labels, places, lengths)
    out = [labels[index] for index in type.free]
    out += [place for axis, place in enumerate(places) if axis not in axes]
    return contract(planner, node, factors, lengths, out, scale)


def matmul(planner: Planner, node: int) -> Value:
    """The product of a ``matmul`` node."""
    graph = planner.graph
    left, right = graph.operands(node)
    a, b, type = graph.type(left), graph.type(right), graph.type(node)
    listed = type.free
    labels = {index: at for at, index in enumerate(listed)}
    inner, rows, columns = range(len(listed), len(listed) + 3)
    front = range(columns + 1, columns + 1 + max(a.rank, b.rank) - 2)
    first = (*front[: a.rank - 2], rows, inner) if a.rank > 1 else (inner,)
    second = (*front[: b.rank - 2], inner, columns) if b.rank > 1 else (inner,)
    lengths = dict(zip(labels.values(), planner.batch(listed), strict=True))
    lengths.update(zip(first, planner.concrete(a.shape), strict=True))
    lengths.update(zip(second, planner.concrete(b.shape), strict=True))
    out = [*labels.values(), *front, *[rows] * (a.rank > 1), *[columns] * (b.rank > 1)]
    factors = []
    for operand, own, places in ((left, a, first), (right, b, second)):
        marks = (*(labels[index] for index in own.free), *places)
        factors.append(_factor(planner, planner.values[operand], marks, planner.full(operand)))
    return contract(planner, node, factors, lengths, out, 1.0)


# Factors -------------------------------------------------------------------------------------------------------------


def _factors(
    planner: Planner, node: int, labels: Mapping[Index, int], own: Sequence[int], lengths: dict[int, int]
) -> tuple[list[Factor], float]:
    """The factors of a node, and a number that multiplies them; sums among them add labels to ``lengths``."""
    graph = planner.graph
    found: list[Factor] = []
    scale = 1.0
    stack: list[tuple[int, Mapping[Index, int], Sequence[int]]] = [(node, labels, own)]
    while stack:
        current, labels, own = stack.pop()
        op, operands = graph.op(current), graph.operands(current)
        if current not in planner.inlined:
            type = graph.type(current)
            places = (*(labels[index] for index in type.free), *own[len(own) - type.rank :])
            found.append(_factor(planner, planner.values[current], places, planner.full(current)))
        elif op == "neg":
            scale = -scale
            stack.append((operands[0], labels, own))
        elif op == "pow":
            stack += [(operands[0], labels, own)] * 2
        elif op == "sum":
            stack.append((operands[0], *_opened(planner, current, labels, own, lengths)))
        else:
            stack += [(operands[1], labels, own), (operands[0], labels, own)]
    return found, scale


def _opened(
    planner: Planner, node: int, labels: Mapping[Index, int], own: Sequence[int], lengths: dict[int, int]
) -> tuple[Mapping[Index, int], Sequence[int]]:
    """The labels of what an inlined sum adds up: new ones where it sums."""
    graph = planner.graph
    (operand,) = graph.operands(node)
    attrs = graph.attrs(node)
    over = attrs.get("over", ())
    inner = dict(labels)
    for index, length in zip(over, planner.batch(over), strict=True):
        inner[index] = len(lengths)
        lengths[len(lengths)] = length
    rest = iter(own[len(own) - graph.type(node).rank :])
    places = []
    for axis, length in enumerate(planner.concrete(graph.type(operand).shape)):
        if axis in attrs.get("axes", ()):
            places.append(len(lengths))
            lengths[len(lengths)] = length
        else:
            places.append(next(rest))
    return inner, places


def product(planner: Planner, node: int) -> Value:
    """The product of a ``mul`` node with the factors of those that only it reads: the small ones first."""
    graph = planner.graph
    type = graph.type(node)
    found: list[Value] = []
    negative = False
    stack = [node]
    while stack:
        current = stack.pop()
        if current != node and current not in planner.inlined:
            own = graph.type(current)
            found.append(planner.align(planner.values[current], type.rank, own.free, type.free))
        elif graph.op(current) == "neg":
            negative = not negative
            stack.append(graph.operands(current)[0])
        else:
            stack += reversed(graph.operands(current))
    found.sort(key=lambda value: 0 if value.rep is None else prod(value.rep) + 1)
    first, *rest = found
    if negative:
        first = planner.emit(operator.neg if first.rep is None else np.negative, [first], first.rep)
    for value in rest:
        if value.rep is None and first.rep is None:
            first = planner.emit(_times, [first, value], None)
        else:
            rep = np.broadcast_shapes(first.rep or (), value.rep or ())
            first = planner.multiplied(first, value, rep)
    return first


def _factor(planner: Planner, value: Value, labels: Sequence[int], full: Shape) -> Factor:
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
        value = planner.view(value, tuple(index), tuple(value.rep[axis] for axis in kept))
    marks = tuple(labels[missing + axis] for axis in kept)
    order = planner.orders.get(value.slot) if value.slot in planner.turned else None
    if order is None:
        return value, marks
    return planner.turn(value, order), tuple(marks[axis] for axis in order)


def contract(
    planner: Planner,
    node: int,
    factors: Sequence[Factor],
    lengths: Mapping[int, int],
    out: Sequence[int],
    scale: float,
) -> Value:
    """The sum of the product of factors over the labels that are not in ``out``."""
    dtype = planner.graph.type(node).dtype
    if any(length == 0 and label not in out for label, length in lengths.items()):
        # Of nothing the sum is 0, also where a factor that does not depend on the index is infinite.
        return planner.keep(np.float32(0.0) if dtype == "f32" else 0.0, None)
    arrays = [(value, labels) for value, labels in factors if labels]
    numbers = [value for value, labels in factors if not labels]
    present = {label for _, labels in arrays for label in labels}
    for label, length in lengths.items():
        if label not in present and label not in out:
            scale *= length
    kept = tuple(label for label in out if label in present)
    rep: Shape | None = tuple(lengths[label] if label in present else 1 for label in out)
    value = _contracted(planner, arrays, lengths, kept, dtype)
    if not kept and arrays:
        value = planner.emit(_item if dtype == "f64" else _same, [value], None)
    if not out:
        rep = None
    if scale != 1.0:
        numbers.append(planner.keep(np.float32(scale) if dtype == "f32" else scale, None))
    for number in numbers:
        value = planner.emit(np.multiply if value.rep is not None else _times, [value, number], value.rep)
    if rep is not None and len(rep) != len(kept):
        if value.rep is None:
            value = planner.emit(lambda x: np.asarray(x).reshape(rep), [value], rep)
        else:
            value = planner.view(value, tuple(slice(None) if label in present else None for label in out), rep)
    return value


def _contracted(
    planner: Planner, arrays: Sequence[Factor], lengths: Mapping[int, int], kept: tuple[int, ...], dtype: str
) -> Value:
    """The contraction of the factors that are arrays, with the axes ``kept``."""
    if not arrays:
        return planner.keep(np.float32(1.0) if dtype == "f32" else 1.0, None)
    labels = [each for _, each in arrays]
    windows = next((at for at, (value, _) in enumerate(arrays) if value.slot in planner.repeating), None)
    if windows is None:
        run, order = arranged(labels, lengths, kept)
    else:
        run, order = blockwise(labels, lengths, kept, windows), kept
    shape = tuple(lengths[label] for label in kept)
    value = planner.emit(run, [value for value, _ in arrays], shape)
    if not value.known:
        strides = [len(order) - order.index(label) if label in order else 0 for label in kept]
        planner.ordered(value.slot, orders.sorted_axes(strides, shape))
    if not value.known and any(prod(lengths[label] for label in each) > _LARGE for each in labels):
        elements = peak(labels, lengths, kept) if windows is None else blockwise_peak(labels, lengths, kept, windows)
        planner.steps[-1].work = elements * (4 if dtype == "f32" else 8)
    summed = any(label not in kept for _, labels in arrays for label in labels)
    if len(arrays) > 1 or summed or value.known:
        return value
    # It may be a view of its one factor.
    planner.fresh.discard(value.slot)
    planner.views[value.slot] = arrays[0][0].slot
    return replace(value, root=arrays[0][0].root)


# Integers ------------------------------------------------------------------------------------------------------------


def _whole(planner: Planner, node: int, operand: int, own: Type, axes: Sequence[int], over: Sequence[Index]) -> Value:
    """A sum of integers, which has to notice when it grows too large."""
    shape = planner.full(operand)
    wide = planner.emit(
        lambda x: np.broadcast_to(x, shape), [planner.whole(operand, own.free)], shape, view=True, repeats=True
    )
    removed = [at for at, index in enumerate(own.free) if index in over]
    removed += [len(own.free) + axis for axis in axes]
    times = 1
    for index in over:
        if index not in own.free:
            times *= planner.batch([index])[0]
    places = tuple(axis - len(shape) for axis in removed)
    rep: Shape | None = planner.full(node) or None
    summed = planner.failing(faults.total(places, rep is None), [wide], rep)
    if times == 1:
        return summed
    number = planner.keep(times, None)
    if rep is None:
        return planner.failing(faults.Single(integers.mul), [summed, number], None)
    return planner.failing(faults.INTEGER["mul"], [summed, number], rep)


def _times(x: Any, y: Any) -> Any:
    return x * y


def _same(x: Any) -> Any:
    return x


def _item(x: Any) -> Any:
    return x.item()
