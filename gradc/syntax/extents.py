"""Extents at compile time: which size an integer value is, which shapes go together, what a call has to meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradc.ir import sizes
from gradc.ir.builder import Builder
from gradc.ir.graph import Constraint
from gradc.ir.sizes import Dim
from gradc.ir.types import INT, Index, Type
from gradc.ops import build
from gradc.source import Span
from gradc.syntax.scope import Weak

# Arithmetic on sizes deeper than this is not looked through; no program that people write nests it so deep.
_DEPTH = 100

Data = Mapping[int, Mapping[str, Any]]


def dim_of(data: Data, value: int | Weak, depth: int = _DEPTH) -> Dim | None:
    """The extent that an integer value is for every call; None for a value that is not made of sizes."""
    if isinstance(value, Weak):
        return value.exact
    entry = data[value]
    op, operands = entry["op"], entry["operands"]
    if entry["type"].dtype != "int" or entry["type"].shape or not depth:
        return None
    if op == "const":
        found: int = entry["attrs"]["value"]
        return found
    if op == "size":
        size: Dim = entry["attrs"]["size"]
        return size
    if op == "input" and entry["attrs"]["kind"] == "operand":
        known: Dim | None = entry["attrs"].get("extent")
        return known
    if op == "input":
        return sizes.named(entry["name"])
    if op == "name":
        return dim_of(data, operands[0], depth - 1)
    if op not in ("add", "sub", "mul", "neg", "floordiv"):
        return None
    parts = [dim_of(data, operand, depth - 1) for operand in operands]
    if any(part is None for part in parts):
        return None
    left, right = parts[0], parts[-1]
    assert left is not None
    assert right is not None
    if op == "neg":
        return -left
    if op == "floordiv":
        return None if right == 0 else sizes.divide(left, right)
    return left + right if op == "add" else left - right if op == "sub" else left * right


def affine(data: Data, node: int, depth: int = _DEPTH) -> tuple[Dim, dict[Index, Dim]] | None:
    """An integer value as an extent plus multiples of free indices; None where it is more than that."""
    entry = data[node]
    op, operands = entry["op"], entry["operands"]
    if op == "index":
        return 0, {entry["attrs"]["index"]: 1}
    if not entry["type"].free or not depth:
        constant = dim_of(data, node)
        return None if constant is None else (constant, {})
    if op == "name":
        return affine(data, operands[0], depth - 1)
    if op not in ("add", "sub", "mul", "neg"):
        return None
    parts = [affine(data, operand, depth - 1) for operand in operands]
    if any(part is None for part in parts):
        return None
    (constant, factors), *others = [part for part in parts if part is not None]
    if op == "neg":
        return -constant, {index: -factor for index, factor in factors.items()}
    ((second, more),) = others
    if op == "mul":
        if factors and more:
            return None
        by, scaled = (constant, more) if more else (second, factors)
        return constant * second, {index: by * factor for index, factor in scaled.items()}
    sign = 1 if op == "add" else -1
    found = dict(factors)
    for index, factor in more.items():
        found[index] = found.get(index, 0) + sign * factor
    return constant + sign * second, found


def hull(form: tuple[Dim, dict[Index, Dim]]) -> tuple[Dim, Dim] | None:
    """The least and the greatest value over all values of the indices; None where a factor has no known sign."""
    low = high = form[0]
    for index, factor in form[1].items():
        if not isinstance(factor, int):
            return None
        reach = factor * (index.extent - 1)
        if factor < 0:
            low = low + reach
        else:
            high = high + reach
    return low, high


def differ(left: Dim, right: Dim) -> bool:
    """Whether two extents are different for every call."""
    gap = left - right
    return gap != 0 if isinstance(gap, int) else bool(sizes.at_least(gap, 1) or sizes.at_least(-gap, 1))


def require(builder: Builder, relation: str, left: Dim, right: Dim, span: Span | None) -> bool:
    """Note what the sizes of a call have to meet, unless it always holds; False if it never does."""
    gap = left - right
    if isinstance(gap, int):
        return gap == 0 if relation == "==" else gap >= 0
    if relation == "==":
        if differ(left, right):
            return False
    elif (known := sizes.at_least(gap, 0)) is not None:
        return known
    builder.constraints.setdefault(Constraint(relation, left, right, span))
    return True


def not_negative(builder: Builder) -> None:
    """Have calls give nothing below 0 for the integer inputs that extents are made of, as nothing else is."""
    inputs = {str(builder.data[node]["name"]): node for node in builder.inputs if builder.type(node) is INT}
    if not inputs:
        return
    used: set[str] = set()
    for constraint in builder.constraints:
        used |= sizes.names(constraint.left) | sizes.names(constraint.right)
    for entry in builder.data.values():
        type = entry["type"]
        if type.shape or type.free:
            used |= {name for dim in (*type.shape, *(index.extent for index in type.free)) for name in sizes.names(dim)}
    for name, node in inputs.items():
        if name in used:
            builder.constraints.setdefault(Constraint(">=", sizes.named(name), 0, builder.data[node].get("span")))


def meet(builder: Builder, node: int, shape: Sequence[Dim], span: Span | None) -> int:
    """The node under a shape whose extents are those of its own for every valid call."""
    own = builder.type(node).shape
    for found, due in zip(own, shape, strict=True):
        require(builder, "==", due, found, span)
    return build.reshape(builder, node, shape)


class Misfit(Exception):
    """Two shapes do not go together; ``position`` is the operand at fault."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def common(types: Sequence[Type]) -> tuple[Dim, ...]:
    """The shape to which operands of these types are broadcast; raises ``Misfit``.

    Shapes align at the right. Only an extent that is written 1 repeats; of two names of sizes the first stands for
    both, and the call has to meet that.
    """
    rank = max(type.rank for type in types)
    found: list[Dim] = [1] * rank
    for position, type in enumerate(types):
        for place, extent in enumerate(type.shape, start=rank - type.rank):
            if found[place] == 1:
                found[place] = extent
            elif extent != 1 and differ(found[place], extent):
                raise Misfit(position)
    return tuple(found)


def fit(builder: Builder, node: int, shape: Sequence[Dim], span: Span | None) -> int:
    """The node broadcast to a shape that ``common`` found."""
    own = builder.type(node).shape
    if own == tuple(shape):
        return node
    missing = len(shape) - len(own)
    due = [extent if extent == 1 else shape[missing + at] for at, extent in enumerate(own)]
    return build.broadcast(builder, meet(builder, node, due, span), shape)


def written(shape: Sequence[Dim]) -> str:
    """A shape in words for a diagnostic."""
    return f"[{', '.join(map(str, shape))}]" if shape else "a single number"
