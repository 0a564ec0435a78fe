"""Small graphs that derivatives of structural operators, and lowering, are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gradc.ir import sizes
from gradc.ir.sizes import Dim
from gradc.ir.types import INT, Index, Type, typed

if TYPE_CHECKING:
    from gradc.ir.builder import Builder


def filled(builder: Builder, value: float, like: Type) -> int:
    """An array of the type's shape filled with one number."""
    return builder.constant(value, typed(like.dtype, like.shape))


def broadcast(builder: Builder, node: int, shape: Sequence[Dim]) -> int:
    """The node repeated to a shape; the node itself where it has it. A constant becomes a constant of that shape."""
    type = builder.type(node)
    if type.shape == tuple(shape):
        return node
    value = builder.value(node)
    if value is not None:
        return builder.constant(value, typed(type.dtype, tuple(shape)))
    return builder.apply("broadcast", node, attrs={"shape": tuple(shape)})


def reshape(builder: Builder, node: int, shape: Sequence[Dim]) -> int:
    """The elements in their order under another shape."""
    if builder.type(node).shape == tuple(shape):
        return node
    return builder.apply("reshape", node, attrs={"shape": tuple(shape)})


def transpose(builder: Builder, node: int, order: Sequence[int] | None = None) -> int:
    """The axes in another order, by default the last two exchanged."""
    rank = builder.type(node).rank
    if order is None:
        order = (*range(rank - 2), rank - 1, rank - 2)
    if tuple(order) == tuple(range(rank)):
        return node
    return builder.apply("transpose", node, attrs={"order": tuple(order)})


def choose(builder: Builder, condition: int, then: int, other: int) -> int:
    """``then`` where the condition holds, else ``other``; a single condition decides for whole arrays."""
    return builder.apply("select", broadcast(builder, condition, builder.type(then).shape), then, other)


def connect(builder: Builder, op: str, left: int, right: int) -> int:
    """Two conditions, of which one may be single, joined by ``and`` or ``or``."""
    first, second = builder.type(left).shape, builder.type(right).shape
    return builder.apply(op, broadcast(builder, left, first or second), broadcast(builder, right, second or first))


def expand(builder: Builder, node: int, axes: Iterable[int], shape: Sequence[Dim]) -> int:
    """The node with the axes that a reduction removed put back: repeated along them to ``shape``."""
    dims = list(shape)
    for axis in axes:
        dims[axis] = 1
    return broadcast(builder, reshape(builder, node, dims), shape)


def total(builder: Builder, node: int, over: Iterable[Index] = (), axes: Iterable[int] = ()) -> int:
    """The sum over free indices, which the node may lack, and over its own axes."""
    over, axes = tuple(over), tuple(axes)
    if not over and not axes:
        return node
    if builder.type(node).parts:
        return builder.apply("add_tapes", node, attrs={"over": over})
    if not over and builder.op(node) == "assemble" and (found := _sum_of_elements(builder, node, axes)) is not None:
        return found
    return builder.apply("sum", node, attrs={"axes": axes, "over": over})


def _sum_of_elements(builder: Builder, node: int, axes: Sequence[int]) -> int | None:
    """The sum over axes of an array of single elements that an index each has: the array without these axes."""
    attrs, (value, *places) = builder.data[node]["attrs"], builder.operands(node)
    shape = builder.type(node).shape
    ((items, over), *more) = attrs["parts"]
    if more or any(item is not None for item in items) or len(items) != len(shape) or builder.type(node).free:
        return None
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    where = [places[axis] for axis in kept]
    used = dict.fromkeys(each for place in where for each in builder.type(place).free)
    idle = [each for each in over if each not in used]
    if not kept or not set(idle).isdisjoint(builder.type(value).free):
        return None
    if idle:
        value = builder.apply("sum", value, attrs={"axes": (), "over": tuple(idle)})
    indices = [builder.data[place]["attrs"]["index"] if builder.op(place) == "index" else None for place in where]
    found = [each for each, axis in zip(indices, kept, strict=True) if each is not None and each.extent == shape[axis]]
    if len(set(found)) == len(kept):
        return tabulate(builder, value, found)
    made = {**attrs, "shape": tuple(shape[axis] for axis in kept), "parts": (((None,) * len(kept), tuple(used)),)}
    return builder.apply("assemble", value, *where, attrs=made)


def matmul(builder: Builder, left: int, right: int) -> int:
    """The matrix product."""
    return builder.apply("matmul", left, right)


def index(builder: Builder, which: Index) -> int:
    """The value of a free index."""
    return builder.apply("index", attrs={"index": which})


def extent(builder: Builder, dim: Dim) -> int:
    """An extent as an integer."""
    if isinstance(dim, int):
        return builder.constant(dim, INT)
    return builder.apply("size", attrs={"size": dim})


def some(builder: Builder, value: int, extents: Iterable[Dim]) -> int:
    """The value, or a failure at the call where one of the extents is 0: a mean of nothing is no number."""
    number = sizes.product(extents)
    if sizes.at_least(number, 1):
        return value
    positive = builder.apply("gt", extent(builder, number), builder.constant(0, INT))
    return builder.apply("demand", value, positive)


def access(
    builder: Builder, array: int, items: tuple[object, ...], indices: Sequence[int], lenient: bool = False
) -> int:
    """The elements, rows or slices that the items and indices name."""
    attrs: dict[str, object] = {"items": items}
    if lenient and indices:
        attrs["lenient"] = True
    return builder.apply("access", array, *indices, attrs=attrs)


def tabulate(builder: Builder, node: int, indices: Sequence[Index]) -> int:
    """The family as an array, its free ``indices`` in front as axes."""
    return builder.apply("tabulate", node, attrs={"indices": tuple(indices)}) if indices else node
