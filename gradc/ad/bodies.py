"""Bodies of regions under construction, and what their derivatives have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gradc.ir.builder import Builder, replay, transfer
from gradc.ir.graph import Graph, ancestors
from gradc.ir.region import distinct
from gradc.ir.sizes import Dim
from gradc.ir.types import BOOL, Type
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.rules.gradients import LocalGradients


class Body:
    """A body under construction, with its inputs in groups."""

    def __init__(self, builder: Builder) -> None:
        self.builder = Builder(builder.ops)
        self.builder.functions = builder.functions
        self.operands: list[int] = []
        self._names: set[str] = set()

    def input(self, name: str, type: Type, operand: int | None = None, size: Dim | None = None) -> int:
        """A further input, and the operand of the region that it is to be."""
        own, count = name, 1
        while own in self._names:
            own, count = f"{name}.{count}", count + 1
        self._names.add(own)
        if operand is not None:
            self.operands.append(operand)
        return self.builder.operand(own, type, size)

    def replay(self, body: Graph, number: dict[int, int], nodes: Iterable[int] | None = None) -> dict[int, int]:
        """Another body's nodes, or some of them in their order, whose inputs are in ``number``, here again."""
        for node in body.data if nodes is None else nodes:
            if node not in number:
                number[node] = replay(body, node, self.builder, number)
        self.builder.span = self.builder.adjoint_of = None
        return number


def name_of(body: Graph, place: int) -> str:
    """The name of an input of a body, by its number."""
    return body.name(body.inputs[place]) or "x"


def adjoint_name(name: str) -> str:
    """What the adjoint of a value is called."""
    return f"{name}.adjoint"


def tangent_name(name: str) -> str:
    """What the tangent of a value is called."""
    return f"{name}.tangent"


def live_name(name: str) -> str:
    """What the condition is called under which a value has a derivative at all."""
    return f"{name}.live"


def fixed_value(local: LocalGradients, operand: int, members: Collection[int]) -> int | None:
    """The operand if it is a constant that nobody differentiates by."""
    if operand in members or local.constants.value(operand) is None or local.builder.type(operand).shape:
        return None
    return operand


def get(builder: Builder, node: int, place: int) -> int:
    """One of the results of a region."""
    return builder.apply("get", node, attrs={"place": place})


def either(builder: Builder, conditions: Sequence[int]) -> int:
    """Whether one of the conditions holds; none does of none.

    Beside conditions for each element a single one is that of all elements.
    """
    if not conditions:
        return builder.constant(False, BOOL)
    shape = max((builder.type(condition).shape for condition in conditions), key=len)
    found, *others = [build.broadcast(builder, condition, shape) for condition in conditions]
    for other in others:
        found = builder.apply("or", found, other)
    return found


def all_of(builder: Builder, conditions: Sequence[int]) -> int:
    """Whether all of the conditions hold; there is at least one."""
    found, *others = conditions
    for other in others:
        found = builder.apply("and", found, other)
    return found


def each_row(builder: Builder, condition: int, shape: Sequence[Dim]) -> int:
    """A condition for each row of an array of that shape as one for each of its elements."""
    rows = build.reshape(builder, condition, (shape[0], *(1 for _ in shape[1:])))
    return build.broadcast(builder, rows, shape)


def nothing(builder: Builder, type: Type) -> int:
    """A derivative that is zero."""
    return build.filled(builder, 0.0, type)


def finish(builder: Builder, local: LocalGradients, outputs: Sequence[tuple[str, int]]) -> Graph:
    """The body that has been built, without what differentiation has superseded in it."""
    builder.span = builder.adjoint_of = None
    graph = builder.finish(distinct(outputs))
    return settle(graph, local.superseded)[0]


def settle(graph: Graph, superseded: Mapping[int, tuple[int, Mapping[int, int]]]) -> tuple[Graph, Mapping[int, int]]:
    """The graph in which results of regions are read from those that supersede them, and the map to its nodes.

    What supersedes a region gives its results, and more; it is made later, with what is there already. A region whose
    successor is computed from its own results stays.
    """
    later = {old: new for old, new in superseded.items() if old not in ancestors(graph.data, [new[0]])}
    if not later:
        return graph, {node: node for node in graph}
    builder = Builder(graph.ops)
    builder.reserve(graph)
    number: dict[int, int] = {node: replay(graph, node, builder, {}) for node in graph.inputs}
    for root in graph:
        stack = [root]
        while stack:
            node = stack[-1]
            data = graph.data[node]
            step = later.get(data["operands"][0]) if data["op"] == "get" else None
            place = -1
            operands = data["operands"]
            if step is not None:
                place = step[1][data["attrs"]["place"]]
                operands = (step[0],)
            waiting = [operand for operand in operands if operand not in number]
            if node in number or waiting:
                stack += waiting if node not in number else []
                if node in number:
                    stack.pop()
                continue
            stack.pop()
            if step is None:
                number[node] = replay(graph, node, builder, number)
            else:
                builder.span, builder.adjoint_of = data.get("span"), None
                number[node] = builder.apply("get", number[step[0]], attrs={"place": place})
    return transfer(graph, builder, number), number
