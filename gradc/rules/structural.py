"""Rewrites of arrays, which cannot be written as patterns: what they compare are axes, extents and indices.

They belong to the operators that move elements, and are exact: they change where elements stand, never their values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from gradc.ir.types import Index
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.ir.builder import Builder

Attrs = Mapping[str, Any]


def _transpose(builder: Builder, x: int, attrs: Attrs) -> int | None:
    """Two permutations are one; the identity is none; an array filled with one number stays so."""
    order = attrs["order"]
    data = builder.data[x]
    if data["op"] == "transpose":
        inner = data["attrs"]["order"]
        return build.transpose(builder, data["operands"][0], tuple(inner[axis] for axis in order))
    if data["op"] == "const":
        return build.filled(builder, data["attrs"]["value"], _turned(data["type"], order))
    return x if order == tuple(range(len(order))) else None


def _turned(type: Any, order: tuple[int, ...]) -> Any:
    return type.__class__(type.dtype, tuple(type.shape[axis] for axis in order))


def _reshape(builder: Builder, x: int, attrs: Attrs) -> int | None:
    """A shape that is given twice is the last one."""
    data = builder.data[x]
    shape = attrs["shape"]
    if data["type"].shape == shape:
        return x
    if data["op"] == "const":
        return build.filled(builder, data["attrs"]["value"], data["type"].__class__(data["type"].dtype, shape))
    if data["op"] == "reshape":
        return build.reshape(builder, data["operands"][0], shape)
    return None


def _broadcast(builder: Builder, x: int, attrs: Attrs) -> int | None:
    """What is repeated twice is repeated once; axes of extent 1 in front need not be there to be repeated."""
    data = builder.data[x]
    shape = attrs["shape"]
    if data["type"].shape == shape:
        return x
    if data["op"] == "const":
        return build.filled(builder, data["attrs"]["value"], data["type"].__class__(data["type"].dtype, shape))
    if data["op"] == "broadcast":
        return build.broadcast(builder, data["operands"][0], shape)
    if data["op"] == "reshape":
        (inner,) = data["operands"]
        own, reshaped = builder.type(inner).shape, data["type"].shape
        if len(reshaped) > len(own) and reshaped == (1,) * (len(reshaped) - len(own)) + own:
            return build.broadcast(builder, inner, shape)
    return None


def _tabulate(builder: Builder, x: int, attrs: Attrs) -> int | None:
    """The table of an array's own elements is the array, perhaps with its axes in another order."""
    data = builder.data[x]
    indices = attrs["indices"]
    if data["op"] != "access" or any(item is not None for item in data["attrs"]["items"]):
        return None
    array, *places = data["operands"]
    own = builder.type(array)
    order: list[int] = []
    read: list[Index] = []
    for place, extent in zip(places, own.shape, strict=False):
        index = builder.data[place]["attrs"]["index"] if builder.op(place) == "index" else None
        if index is None or index not in indices or index in read or index.extent != extent:
            return None
        read.append(index)
    if len(read) != len(indices) or any(index in own.free for index in indices):
        return None
    order = [read.index(index) for index in indices]
    return build.transpose(builder, array, (*order, *range(len(order), own.rank)))


def _access(builder: Builder, x: int, attrs: Attrs, places: tuple[int, ...]) -> int | None:
    """Reading an array filled with one number, or repeating what it holds, reads what it is made of."""
    data = builder.data[x]
    items = attrs["items"]
    if data["op"] == "access" and all(item is None for item in data["attrs"]["items"]):
        inner, *before = data["operands"]
        lenient = bool(attrs.get("lenient")) or bool(data["attrs"].get("lenient"))
        if bool(attrs.get("lenient")) == bool(data["attrs"].get("lenient")):
            return build.access(builder, inner, (None,) * len(before) + items, [*before, *places], lenient)
    return None


def _sum(builder: Builder, x: int, attrs: Attrs) -> int | None:
    """A sum over nothing is none."""
    return x if not attrs.get("axes") and not attrs.get("over") else None


_UNARY: Final[Mapping[str, Callable[[Any, int, Attrs], int | None]]] = {
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast": _broadcast,
    "tabulate": _tabulate,
    "sum": _sum,
}

OPERATORS: Final = frozenset({*_UNARY, "access"})
"""The operators that are looked at here."""


def simplify(builder: Builder, op: str, operands: tuple[int, ...], attrs: Attrs) -> int | None:
    """The node that stands for ``op(operands)``, or None to make it."""
    if op == "access":
        return _access(builder, operands[0], attrs, operands[1:])
    return _UNARY[op](builder, operands[0], attrs)
