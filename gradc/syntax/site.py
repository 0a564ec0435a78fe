"""A call of a built-in function of arrays while it is lowered: its arguments, what they may be, and refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradc.ir import sizes
from gradc.ir.builder import Builder
from gradc.ir.sizes import Dim
from gradc.ir.types import Index, Type, typed
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.extents import dim_of, meet, require, written
from gradc.syntax.scope import Value, Weak

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering

KINDS = {"f64": "a real number", "f32": "a real number", "int": "an integer", "bool": "a truth value"}


class Refusal(Exception):
    """A call that cannot be lowered: what is wrong, with hints; ``at`` is the argument at fault, by place or keyword,
    None for the whole call.
    """

    def __init__(
        self, message: str, at: int | str | None = None, label: str = "", *hints: str, code: str = "E0303"
    ) -> None:
        super().__init__(message)
        self.message, self.at, self.label, self.hints, self.code = message, at, label, hints, code


@dataclass
class Site:
    """A call that is being lowered: its arguments as nodes or weak integers, and constants given by keyword."""

    lowering: Lowering
    node: tree.Call
    source: Source
    form: str
    values: Sequence[int | Weak]
    places: Sequence[tree.Node]
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The function as the program calls it."""
        return self.node.function.shown

    @property
    def builder(self) -> Builder:
        """The builder of the graph."""
        return self.lowering.builder

    def type(self, at: int) -> Type:
        """The type of an argument."""
        return self.lowering.applier.type(self.values[at])

    # Arguments -----------------------------------------------------------------------------------------------------

    def any_array(self, at: int, rank: int | None = None) -> int:
        """The node of an argument that is an array of whatever kind, of ``rank`` axes if that is given."""
        node = self.lowering.applier.any_node(self.values[at])
        type = self.builder.type(node)
        if not type.shape or (rank is not None and type.rank != rank):
            due = {1: "a vector", 2: "a matrix"}.get(rank or 0, "an array")
            found = f"an array {written(type.shape)}" if type.shape else "a single number"
            hints = []
            if not type.shape and self.name in ("max", "min"):
                hints.append(f"of several numbers: `{self.name}(x, y)`")
            if not type.shape and type.free and "axis" in self.form:
                index = type.free[0].name.partition(".")[0]
                hints.append(f"over an index: `{self.name}(… for {index})`")
            if not type.shape and self.lowering.closed is not None:
                hints.append("a function with a derivative of its own acts on single numbers, element by element")
            raise Refusal(f"`{self.name}` takes {due}", at, f"this is {found}", *hints, code="E0309")
        return node

    def numbers(self, at: int, rank: int | None = None) -> int:
        """The node of an argument that is an array of numbers; one of integers stays one."""
        node = self.any_array(at, rank)
        if self.builder.type(node).dtype == "bool":
            hint = "count them with `sum(float(m))`" if self.name == "sum" else "make numbers of them: `float(m)`"
            raise Refusal(f"`{self.name}` takes numbers", at, "these are truth values", hint)
        return node

    def array(self, at: int, rank: int | None = None) -> int:
        """The node of an argument that is an array of numbers, as reals."""
        return self.lowering.applier.real_node(self.numbers(at, rank))

    def scalar(self, at: int) -> int:
        """The node of an argument that is a single real number."""
        node = self.lowering.applier.real_node(self.values[at])
        type = self.builder.type(node)
        if type.shape:
            label = f"this is an array {written(type.shape)}"
            raise Refusal(f"`{self.name}` takes a single number here", at, label, code="E0309")
        if not type.real:
            raise Refusal(f"`{self.name}` takes a number here", at, "this is a truth value")
        return node

    def square(self, at: int, rank: int | None = None) -> int:
        """The node of an argument that is a square matrix, or a stack of them."""
        node = self.numbers(at, rank)
        shape = self.builder.type(node).shape
        if len(shape) < 2 or not require(self.builder, "==", shape[-2], shape[-1], self.builder.span):
            raise Refusal(f"`{self.name}` takes a square matrix", at, f"this is {written(shape)}", code="E0309")
        return meet(self.builder, node, (*shape[:-1], shape[-2]), self.builder.span)

    def extent(self, at: int) -> Dim:
        """An argument that says an extent."""
        value = self.values[at]
        message = f"`{self.name}` takes an extent here"
        found = dim_of(self.builder.data, value)
        if found is None:
            type = self.type(at)
            if type.shape:
                raise Refusal(message, at, "this is an array", f"extents stand one by one: `{self.form}`")
            if type.dtype != "int":
                hint = "an extent is made of whole numbers and sizes, as `3` and `n - 1`"
                raise Refusal(message, at, f"this is {KINDS[type.dtype]}", hint)
            hint = "an extent is made of numbers and sizes, so that shapes are known before the program runs"
            raise Refusal(message, at, "known only when the program runs", hint)
        if sizes.at_least(found, 0) is False:
            hints = ("no extent is found by itself: write each",) if self.name == "reshape" else ()
            raise Refusal(message, at, "less than 0", *hints)
        require(self.builder, ">=", found, 0, self.builder.span)
        return found

    # Options -------------------------------------------------------------------------------------------------------

    def axes(self, rank: int) -> tuple[int, ...]:
        """The axes that the option ``axis`` names, all if it is left out."""
        axis = self.options.get("axis")
        if axis is None:
            return tuple(range(rank))
        found = []
        for each in axis if isinstance(axis, list) else [axis]:
            if not -rank <= each < rank:
                label = f"the array has {rank} ax{'is' if rank == 1 else 'es'}"
                hint = "axes count from 0" if each == rank else ""
                raise Refusal(f"there is no axis {each}", "axis", label, *([hint] if hint else []), code="E0310")
            found.append(each % rank)
        if len(set(found)) < len(found):
            raise Refusal(f"`{self.name}` names an axis twice", "axis", "twice", code="E0310")
        return tuple(sorted(found))

    def axis(self, rank: int, default: int | None = None) -> int:
        """The one axis that the option ``axis`` names."""
        if "axis" not in self.options:
            if default is None and rank > 1:
                message = f"`{self.name}` of an array of {rank} axes needs to know along which"
                raise Refusal(message, None, "no `axis` given", f"write `{self.form}`", code="E0310")
            return default or 0
        found = self.axes(rank)
        if len(found) != 1:
            raise Refusal(f"`{self.name}` runs along one axis", "axis", "several", code="E0310")
        return found[0]

    # Making nodes --------------------------------------------------------------------------------------------------

    def apply(self, op: str, *nodes: int, **attrs: Any) -> int:
        """A node."""
        return self.builder.apply(op, *nodes, attrs=attrs or None)

    def product(self, left: int, right: int) -> Value:
        """The matrix product of the first two arguments, or poison after a report."""
        return self.lowering.applier.product(
            self.source, self.name, (left, right), self.places, self.node.start, self.node.end
        )

    def count(self, dims: Sequence[Dim], like: Type) -> int:
        """A number of elements as a real scalar."""
        number = sizes.product(dims)
        if isinstance(number, int):
            return self.constant(float(number), like)
        return self.lowering.applier.real_node(build.extent(self.builder, number))

    def constant(self, value: float, like: Type) -> int:
        """A number of the kind of another."""
        kind = {"bool": bool, "int": int}.get(like.dtype, float)
        return self.builder.constant(kind(value), typed(like.dtype))

    def indices(self, *dims: Dim) -> tuple[list[Index], list[int]]:
        """Fresh indices with their values."""
        found = [self.lowering.new_index("k", dim) for dim in dims]
        return found, [build.index(self.builder, index) for index in found]

    def binary(self, op: str, left: int, right: int) -> int:
        """An elementwise operator on nodes of which one may be a single number."""
        shape = self.builder.type(left).shape or self.builder.type(right).shape
        return self.apply(op, build.broadcast(self.builder, left, shape), build.broadcast(self.builder, right, shape))
