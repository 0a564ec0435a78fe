"""The local gradients of min and max, which take any number of operands and so have no line of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradc.ir.builder import Builder


def shares(builder: Builder, node: int) -> Sequence[int | None]:
    """1/k for each of the k operands that equal the result, 0 for the others; NaN where the result is NaN.

    A NaN equals nothing: no operand has a share, and 0/0 says so.
    """
    type = builder.type(node)
    one, zero = builder.constant(1.0, type), builder.constant(0.0, type)
    chosen = [
        builder.apply("select", builder.apply("eq", operand, node), one, zero) for operand in builder.operands(node)
    ]
    count = chosen[0]
    for other in chosen[1:]:
        count = builder.apply("add", count, other)
    return [builder.apply("div", mark, count) for mark in chosen]
