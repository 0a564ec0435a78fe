"""Elements and slices of a program's arrays as a caller names them: ``W[2, 0]``, ``x[-1]``, ``X[1:, 0]``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from gradc.errors import CallError, Diagnostic
from gradc.ir import sizes as extents
from gradc.ir.builder import Builder
from gradc.ir.sizes import Dim
from gradc.ops import build
from gradc.source import canonical

if TYPE_CHECKING:
    from gradc.model import Model

Item: TypeAlias = "Dim | tuple[Dim | None, Dim | None, int]"

_ELEMENT = re.compile(r"\s*(?P<name>[^\[\]]+?)\s*\[(?P<items>[^\[\]]*)\]\s*", re.DOTALL)


@dataclass(frozen=True)
class Element:
    """A part of the array ``name``: for each of its first axes an index, or start, stop and step of a slice."""

    text: str
    name: str
    items: tuple[Item, ...]

    def described(self, shape: Sequence[Dim]) -> list[Any]:
        """The items as an access has them, for an array of that shape; an index is an extent.

        Raises ``CallError`` for more items than axes, and for what is out of range as far as that is known.
        """
        if len(self.items) > len(shape):
            axes = f"{len(shape)} ax{'is' if len(shape) == 1 else 'es'}"
            what = f"`{self.name}` has {axes}" if shape else f"`{self.name}` is a single number"
            raise _fail(f"there is no `{self.text}`: {what}")
        found: list[Any] = []
        for item, end in zip(self.items, shape, strict=False):
            if isinstance(item, tuple):
                found.append(self._slice(item, end))
                continue
            at = end + item if isinstance(item, int) and item < 0 else item
            self._within(extents.at_least(at, 0), f"{item}", end)
            self._within(extents.at_least(end - at, 1), f"{item}", end)
            found.append(at)
        return found

    def _slice(self, item: tuple[Dim | None, Dim | None, int], end: Dim) -> tuple[Dim, int, Dim]:
        start, stop, step = item
        first = self._bound(start, end, 0 if step > 0 else end - 1)
        last = self._bound(stop, end, end if step > 0 else -1)
        low, high = (first, last) if step > 0 else (last + 1, first + 1)
        for inside in (extents.at_least(low, 0), extents.at_least(end - high, 0), extents.at_least(high - low, 0)):
            self._within(inside, ":", end)
        return first, step, extents.divide(high - low + abs(step) - 1, abs(step))

    @staticmethod
    def _bound(value: Dim | None, end: Dim, default: Dim) -> Dim:
        if value is None:
            return default
        return end + value if isinstance(value, int) and value < 0 else value

    def _within(self, inside: bool | None, what: str, end: Dim) -> None:
        if inside is False:
            raise _fail(f"there is no `{self.text}`: the axis has {end} elements")

    def shape(self, shape: Sequence[Dim]) -> tuple[Dim, ...]:
        """The shape of the part."""
        items = self.described(shape)
        return (*(item[2] for item in items if isinstance(item, tuple)), *shape[len(items) :])

    def of(self, value: Any, sizes: Mapping[str, int]) -> Any:
        """The part of an array; raises ``CallError`` where there is none."""
        at: list[Any] = []
        for item in Element(self.text, self.name, tuple(_known(each, sizes) for each in self.items)).described(
            value.shape
        ):
            if isinstance(item, tuple):
                start, step, count = item
                stop = start + step * count
                at.append(slice(start, None if stop < 0 else stop, step))
            else:
                at.append(item)
        found = value[tuple(at)]
        return found if found.shape else found.item()

    def read(self, builder: Builder, node: int) -> int:
        """The node of the part, in a builder that holds the array."""
        items = self.described(builder.type(node).shape)
        described = tuple(item if isinstance(item, tuple) else None for item in items)
        indices = [build.extent(builder, item) for item in items if not isinstance(item, tuple)]
        made = build.access(builder, node, described, indices)
        shape = builder.type(made).shape
        return build.reshape(builder, made, ()) if extents.product(shape) == 1 else made


def _known(item: Item, sizes: Mapping[str, int]) -> Item:
    if isinstance(item, tuple):
        start, stop, step = item
        return _value(start, sizes), _value(stop, sizes), step
    return extents.evaluate(item, sizes)


def _value(dim: Dim | None, sizes: Mapping[str, int]) -> Dim | None:
    return None if dim is None else extents.evaluate(dim, sizes)


def _fail(message: str, *hints: str) -> CallError:
    return CallError(Diagnostic("E0611", message, hints=hints))


def element(model: Model, text: str) -> Element | None:
    """The part of an array that a text names; None for a text without brackets.

    Raises ``CallError`` for what is no index.
    """
    found = _ELEMENT.fullmatch(text)
    if found is None:
        return None
    items: list[Item] = []
    try:
        for part in found["items"].split(","):
            if ":" not in part:
                items.append(_dim(model, part))
                continue
            start, stop, *rest = part.split(":")
            step = _dim(model, rest[0]) if rest and rest[0].strip() else 1
            if len(rest) > 1 or not isinstance(step, int) or step == 0:
                raise ValueError
            bounds = (None if not each.strip() else _dim(model, each) for each in (start, stop))
            items.append((*bounds, step))  # type: ignore[arg-type]
    except ValueError:
        hint = "the items are whole numbers, sizes and slices, as in `W[2, 0]` and `W[1:, n - 1]`"
        raise _fail(f"`{text}` names no elements", hint) from None
    shown = model._shown(found["name"])
    return Element(text.strip(), shown, tuple(items))


def _dim(model: Model, text: str) -> Dim:
    stripped = text.strip()
    negative = stripped.startswith("-") and stripped[1:].strip().isdecimal()
    dim = -int(stripped[1:]) if negative else extents.parse(stripped)
    types = model._inputs.types
    if not extents.names(dim) <= {name for type in types for due in type.shape for name in extents.names(due)}:
        raise ValueError(text)
    return dim


# The name of a derivative holds commas of its own, and so do the items of an element.
_COMMA = re.compile(r",(?![^(\[]*[)\]])")


def split(names: str | Sequence[str]) -> list[str]:
    """The names in a text, or those of a sequence."""
    parts = _COMMA.split(names) if isinstance(names, str) else names
    return [part.strip() for part in parts if part.strip()]


def named(model: Model, text: str) -> tuple[Model, str]:
    """A model in which what the text names has a name, and that name: an element of an array is given one.

    Raises ``CallError`` for an unknown name and for what is out of range.
    """
    if canonical(text) in model.graph.names or text in dict(model.graph.outputs):
        return model, model._shown(text)
    part = element(model, text)
    if part is None:
        model.node(text)
        return model, text
    (base,) = model.variables([part.name])
    graph = model.graph
    builder = Builder.continuing(graph)
    builder.names[canonical(part.text)] = builder.name(part.text, part.read(builder, model.node(base)))
    return type(model)(builder.finish(graph.outputs), model.options, model.warnings, model.sources), part.text


__all__ = ["Element", "element", "named", "split"]
