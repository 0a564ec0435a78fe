"""Lowers arrays that are written out, and attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gradc.ops import build
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.arrays import FUNCTIONS
from gradc.syntax.extents import written
from gradc.syntax.scope import POISON, Poison, Value
from gradc.syntax.shaping import stacked, uniform

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering

_EXTENT: Final = "an extent is the name that the declaration gives it: `n` after `input {name}[n]`"
_ATTRIBUTES: Final = {
    "shape": _EXTENT,
    "size": _EXTENT,
    "len": _EXTENT,
    "length": _EXTENT,
    "t": "the transpose is written `{name}.T`",
    "mT": "the transpose is written `{name}.T`",
    "H": "numbers are real: the transpose `{name}.T` is all there is",
    "ndim": "the number of axes is known from the declaration",
    "dtype": "a kind of number is declared: `input {name}[n]: int`",
}


def array(lowering: Lowering, node: tree.ArrayLiteral, values: Sequence[Value], source: Source) -> Value:
    """``[a, b, c]``: the values as the rows of an array, or poison after a report."""
    applier, builder = lowering.applier, lowering.builder
    sound = [value for value in values if not isinstance(value, Poison)]
    if len(sound) < len(values):
        return POISON
    types = [applier.type(value) for value in sound]
    for type, place in zip(types, node.items, strict=True):
        if (type.dtype == "bool") != (types[0].dtype == "bool"):
            found = "a truth value" if type.dtype == "bool" else "a number"
            message = "an array holds numbers or truth values, not both"
            first = node.items[0]
            note = [(source, first.start, first.end, "the first is " + _other(found))]
            lowering.error("E0303", message, source, place, f"this is {found}", (), note)
            return POISON
    builder.span = source.span(node.start, node.end)
    rows = uniform(builder, applier.alike(sound))
    if isinstance(rows, int):
        first, place = node.items[0], node.items[rows]
        note = [(source, first.start, first.end, f"this is {written(types[0].shape)}")]
        label = f"this is {written(types[rows].shape)}"
        lowering.error("E0309", "the rows of an array have one shape", source, place, label, (), note)
        return POISON
    found_node = stacked(builder, rows)
    if all(applier.weak(value) for value in sound):
        applier.whole[found_node] = stacked(builder, [applier.int_node(value) for value in sound])
    return found_node


def _other(found: str) -> str:
    return "a number" if found == "a truth value" else "a truth value"


def attribute(lowering: Lowering, node: tree.Attribute, value: Value, source: Source) -> Value:
    """``X.T``, the transpose, or poison after a report."""
    name = node.name.id
    if isinstance(value, Poison):
        return POISON
    if name != "T":
        shown = node.value.shown if isinstance(node.value, tree.Name) and len(node.value.shown) <= 20 else "x"
        if name in FUNCTIONS or name in lowering.program.ops.functions:
            hint = f"functions stand before their arguments: `{name}({shown})`"
        else:
            hint = _ATTRIBUTES.get(name, "the one attribute is the transpose: `{name}.T`").format(name=shown)
        lowering.error("E0310", f"there is no attribute `{node.name.shown}`", source, node.name, "unknown", (hint,))
        return POISON
    rank = lowering.applier.type(value).rank
    if not rank:
        message = "only an array can be transposed"
        lowering.error("E0310", message, source, node.value, "this is a single number")
        return POISON
    lowering.builder.span = source.span(node.start, node.end)
    return build.transpose(lowering.builder, lowering.applier.any_node(value), tuple(reversed(range(rank))))
