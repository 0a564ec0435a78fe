"""What a region under construction is: its bodies, what enters them from outside, and what loops collect in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradc.ir.builder import Builder
from gradc.ir.sizes import Dim
from gradc.ir.types import Type, single
from gradc.ops import build
from gradc.syntax import tree
from gradc.syntax.extents import dim_of
from gradc.syntax.scope import POISON, Binding, Frame, Poison, Value, Weak

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering


@dataclass(eq=False)
class Collected:
    """An array that loops fill: its elements so far as one value of the innermost loop that is done with it.

    ``waiting`` are the variables of the loops that are still to collect it, the innermost last; ``axes`` says for each
    axis that is there already which of the target's axes it is.
    """

    target: tree.Name
    value: int
    waiting: list[str]
    axes: list[int]
    indices: list[str | None]


class Region:
    """A region under construction: its bodies, and what enters them from outside.

    All bodies have the same inputs.
    """

    def __init__(self, outer: Lowering, bodies: int, variable: tree.Name | None = None) -> None:
        from gradc.syntax.lower import Lowering

        self.outer = outer
        self.variable = variable
        self.inner = [
            Lowering(outer.program, Builder(outer.builder.ops, max_nodes=outer.builder.room()), outer.closed)
            for _ in range(bodies)
        ]
        for each in self.inner:
            each.builder.functions = outer.builder.functions
            each.region, each.outlook, each.trial = self, outer.outlook, outer.trial
        self.operands: list[int] = []
        self.collected: dict[str, Collected] = {}
        # The names that statements in it give values to, where each is first given one.
        self.names: dict[str, tree.Name] = {}
        self._places: dict[int, int] = {}
        self._names: set[str] = set()

    def input(self, name: str, type: Type, size: Dim | None = None) -> int:
        """A further input of all bodies; its number among them."""
        own, count = name, 1
        while own in self._names:
            own, count = f"{name}.{count}", count + 1
        self._names.add(own)
        for each in self.inner:
            each.builder.operand(own, type, size)
        return len(self.inner[0].builder.inputs) - 1

    def enter(self, inner: Lowering, node: tree.Name, binding: Binding, frame: Frame) -> Value:
        """The value of a name from outside, in a body."""
        outer = self.outer
        value = binding.value if binding.home is outer.builder else outer.imported(node, binding, frame)
        if isinstance(value, Poison):
            return POISON
        if isinstance(value, Weak):
            return Weak(value.exact, value.real, None if value.node is None else self.node(inner, value.node))
        found = self.node(inner, value)
        if value in outer.applier.whole:
            inner.applier.whole[found] = self.node(inner, outer.applier.whole[value])
        return found

    def node(self, inner: Lowering, value: int) -> int:
        """A node of the outside, in a body: a constant or size as one, any other as an input."""
        data = self.outer.builder.data
        entry = data[value]
        span, inner.builder.span = inner.builder.span, None
        try:
            if entry["op"] == "const":
                return inner.builder.constant(entry["attrs"]["value"], entry["type"])
            if entry["op"] == "size":
                return build.extent(inner.builder, entry["attrs"]["size"])
            place = self._places.get(value)
            if place is None:
                name = entry.get("name") or "x"
                place = self._places[value] = self.input(name, single(entry["type"]), dim_of(data, value))
                self.operands.append(value)
            return inner.builder.inputs[place]
        finally:
            inner.builder.span = span

    def finish(self) -> None:
        """Hand what the sizes of a call must meet on to the outside, and undo the knots between lowerings."""
        for each in self.inner:
            self.outer.builder.constraints.update(each.builder.constraints)
            each.release()


class LoopRegion(Region):
    """A loop under construction."""
