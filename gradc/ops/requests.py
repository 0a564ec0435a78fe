"""Requests for whole matrices of derivatives, made of ``grad`` and ``jvp``: all columns, or all rows, in one sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gradc.ir import sizes
from gradc.ir.sizes import Dim
from gradc.ir.types import Index, typed
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.ir.builder import Builder

Fresh = Callable[[str, Dim], Index]
"""Makes a free index of a name and an extent that no other is called like."""


def fewer(columns: Sequence[Dim], rows: Sequence[Dim]) -> bool:
    """Whether an array with the extents ``columns`` has fewer elements than one with ``rows``.

    Where that depends on sizes the one of a lower degree counts as smaller: a number of fixed extents is less than n.
    """
    try:
        first, second = sizes.product(columns), sizes.product(rows)
        difference = second - first
    except sizes.TooLarge:
        return False
    if difference == 0:
        return False
    if sizes.at_least(difference, 0) is not None:
        return bool(sizes.at_least(difference, 0))
    if sizes.at_least(-difference, 0) is not None:
        return not sizes.at_least(-difference, 0)
    return sizes.degree(first) < sizes.degree(second)


def rows(builder: Builder, y: int, v: int, fresh: Fresh, part: Callable[[int], int] | None = None) -> int:
    """The derivatives of all elements of y by v, an adjoint for each element of y; ``part`` chooses among them."""
    indices = [fresh("r", extent) for extent in builder.type(y).shape]
    if indices:
        y = build.access(builder, y, (None,) * len(indices), [build.index(builder, index) for index in indices])
    found = builder.make("grad", (y, v))
    if part is not None:
        found = part(found)
    return build.tabulate(builder, found, indices)


def columns(builder: Builder, y: int, v: int, fresh: Fresh) -> int:
    """The derivatives of y by all elements of v, a tangent for each element of v."""
    type = builder.type(v)
    indices = [fresh("c", extent) for extent in type.shape]
    one = builder.constant(1.0, typed(type.dtype))
    direction = one
    if indices:
        places = [build.index(builder, index) for index in indices]
        attrs = {"shape": type.shape, "parts": (((None,) * len(indices), ()),)}
        direction = builder.apply("assemble", one, *places, attrs=attrs)
    found = builder.make("jvp", (y, v, direction))
    table = build.tabulate(builder, found, indices)
    rank = builder.type(y).rank
    return build.transpose(builder, table, (*range(len(indices), len(indices) + rank), *range(len(indices))))


def jacobian(builder: Builder, y: int, v: int, fresh: Fresh) -> int:
    """The derivatives of all elements of y by all elements of v, the axes of y in front of those of v.

    Forward mode where v has fewer elements than y, reverse mode otherwise.
    """
    if _may_go_forward(builder, y, v) and fewer(builder.type(v).shape, builder.type(y).shape):
        return columns(builder, y, v, fresh)
    return rows(builder, y, v, fresh)


def hessian(builder: Builder, y: int, v: int, w: int, fresh: Fresh) -> int:
    """The second derivatives of a single number by all elements of v and of w: forward mode over reverse mode."""
    slope = builder.make("grad", (y, v))
    if _may_go_forward(builder, slope, w) and not fewer(builder.type(v).shape, builder.type(w).shape):
        return columns(builder, slope, w, fresh)
    return rows(builder, slope, w, fresh)


def hvp(builder: Builder, y: int, v: int, direction: int) -> int:
    """The second derivatives of a single number times a direction: the tangent of its gradient."""
    return builder.make("jvp", (builder.make("grad", (y, v)), v, direction))


def _may_go_forward(builder: Builder, y: int, v: int) -> bool:
    """Whether one direction moves one array: of a family, all members would move at once."""
    return not builder.type(v).free and bool(builder.type(y).shape)
