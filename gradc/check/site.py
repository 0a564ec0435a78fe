"""A node on its way to a value, and the arrays of objects that values are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np

from gradc.check.numbers import Numbers, Unsuitable
from gradc.ir.graph import Graph
from gradc.ir.types import Index, Type

MOST: Final = 1 << 22
"""Elements of one value that are kept."""

Run = Callable[[Sequence[Any]], list[Any]]
"""From the inputs of a graph to the values of some of its nodes."""


class Evaluating(Protocol):
    """What a node asks of the evaluator that it belongs to."""

    sizes: Mapping[str, int]

    def body(self, graph: Graph, nodes: Sequence[int]) -> Run:
        """The function from inputs in this system to the values of nodes."""

    def shape(self, dims: Any) -> tuple[int, ...]:
        """Extents as numbers."""


class Site:
    """A node, with what is known of it before its operands have values."""

    def __init__(self, evaluator: Evaluating, numbers: Numbers, graph: Graph, node: int) -> None:
        self.evaluator, self.numbers = evaluator, numbers
        self.op, self.type, self.attrs = graph.op(node), graph.type(node), graph.attrs(node)
        self.types = [graph.type(operand) for operand in graph.operands(node)]

    @cached_property
    def own(self) -> tuple[int, ...]:
        """The extents of one element of the family."""
        return self.evaluator.shape(self.type.shape)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The extents of the free indices, then those of an element."""
        return (*self.batch(self.type.free), *self.own)

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """The extents of an element of each operand."""
        return [self.evaluator.shape(type.shape) for type in self.types]

    def batch(self, indices: Sequence[Index]) -> tuple[int, ...]:
        """The extents of indices."""
        return self.evaluator.shape([index.extent for index in indices])

    def room(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape, if there is room for so many objects."""
        count = 1
        for extent in shape:
            count *= extent
        if count > MOST:
            raise Unsuitable("size")
        return tuple(shape)

    def along(self, position: int, value: Any, free: Sequence[Index] | None = None) -> Any:
        """An operand as an array with an axis for each of the indices, 1 where it lacks one, by default for its own."""
        own = self.types[position].free
        return aligned(value, own, own if free is None else free)


def aligned(value: Any, own: Sequence[Index], free: Sequence[Index]) -> Any:
    """An array with an axis for each of the indices ``free``, of extent 1 for those that it lacks."""
    array = boxed(value)
    if tuple(own) == tuple(free):
        return array
    kept = [own.index(index) for index in free if index in own]
    array = array.transpose(*kept, *range(len(own), array.ndim))
    return array[(*(slice(None) if index in own else None for index in free), ...)]


def boxed(value: Any) -> Any:
    """A value as an array, perhaps one without axes."""
    if isinstance(value, np.ndarray):
        return value
    found = np.empty((), object)
    found[()] = value
    return found


def whole(value: Any, shape: Sequence[int]) -> Any:
    """An array repeated to its full shape."""
    array = boxed(value)
    return array if array.shape == tuple(shape) else np.broadcast_to(array, tuple(shape))


def scalar(value: Any) -> Any:
    """What stands in an array without axes, and others as they are."""
    return value[()] if isinstance(value, np.ndarray) and not value.ndim else value


def chosen(type: Type, value: Any, env: Mapping[Index, int]) -> Any:
    """One value of a family."""
    return value[tuple([env[index] for index in type.free])] if type.free else value
