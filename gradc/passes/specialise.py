"""Makes sizes of a graph numbers: what ``--size`` does to a program that is compiled already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gradc.errors import CompileError, Diagnostic, suggestion
from gradc.ir import sizes
from gradc.ir.builder import Builder, replay, transfer
from gradc.ir.graph import Constraint, Graph
from gradc.ir.sizes import Dim, Size
from gradc.ir.types import Index, Type, TypeMismatch, typed
from gradc.ops import build
from gradc.source import canonical


def specialise(graph: Graph, given: Mapping[str, int]) -> Graph:
    """The graph for calls of these sizes alone.

    Raises ``CompileError`` (E0312) for a size that the graph does not have, and for numbers that do not go together.
    """
    try:
        return _Specialiser(graph, given).run()
    except sizes.TooLarge as problem:
        raise _fail(str(problem)) from None
    except ZeroDivisionError:
        raise _fail("a size is divided by zero with the sizes given") from None


def _fail(message: str, *hints: str, constraint: Constraint | None = None) -> CompileError:
    span = None if constraint is None else constraint.span
    return CompileError(Diagnostic("E0312", message, span, "needed here", hints))


class _Specialiser:
    """Streams the graph into a builder that makes every type again."""

    def __init__(self, graph: Graph, given: Mapping[str, int], known: set[str] | None = None) -> None:
        self.graph = graph
        self.given = given
        # The sizes that there are; given for the body of a region, whose inputs are no inputs of the program.
        self.whole = known is None
        self.known: set[str] = set() if known is None else known

    def run(self) -> Graph:
        graph = self.graph
        builder = Builder(graph.ops)
        number: dict[int, int] = {}
        wanted: list[Constraint] = []
        constraints = [
            Constraint(each.relation, self.dim(each.left), self.dim(each.right), each.span)
            for each in graph.constraints
        ]
        for old, new in zip(graph.constraints, constraints, strict=True):
            self.check(old, new)
        try:
            for node, data in graph.data.items():
                number[node] = self.node(node, data, builder, number, wanted)
        except TypeMismatch as problem:
            raise _fail(f"the sizes given do not go together: {problem.expected} is due") from None
        if self.whole:
            self.all_known()
        order = sorted(graph.inputs)
        builder.inputs = [builder.inputs[order.index(node)] for node in graph.inputs]
        open_ones = [each for each in (*constraints, *wanted) if not isinstance(each.left - each.right, int)]
        tables = (graph.names, graph.spans, graph.adjoints, graph.functions)
        whole = Graph(graph.nx, graph.ops, graph.inputs, graph.outputs, *tables, open_ones)
        return transfer(whole, builder, number)

    def node(
        self, node: int, data: Mapping[str, Any], builder: Builder, number: Mapping[int, int], wanted: list[Constraint]
    ) -> int:
        op = data["op"]
        attrs = {name: self.value(value) for name, value in data.get("attrs", {}).items()}
        if op == "input":
            builder.span, builder.adjoint_of = data.get("span"), None
            type = self.type(data["type"])
            single = self.whole and type.dtype == "int" and not type.shape
            if single and (name := canonical(data["name"])) in self.given:
                self.known.add(name)
                wanted.append(Constraint("==", sizes.named(name), self.given[name], data.get("span")))
            return builder.declare({**data, "type": type})
        if op == "const" and (type := self.type(data["type"])) != data["type"]:
            builder.span, builder.adjoint_of = data.get("span"), None
            return builder.constant(attrs["value"], type)
        if op == "size" and isinstance(attrs["size"], int):
            builder.span, builder.adjoint_of = data.get("span"), None
            return build.extent(builder, attrs["size"])
        if attrs == data.get("attrs", {}):
            return replay(self.graph, node, builder, number)
        builder.span = data.get("span")
        marked = data.get("adjoint_of")
        builder.adjoint_of = None if marked is None else number.get(marked)
        return builder.apply(op, *[number[operand] for operand in data["operands"]], attrs=attrs)

    def dim(self, dim: Dim) -> Dim:
        self.known |= sizes.names(dim)
        return sizes.substitute(dim, self.given)

    def type(self, type: Type) -> Type:
        if type.parts:
            shape, parts = tuple(map(self.dim, type.shape)), tuple(map(self.type, type.parts))
            return replace(type, shape=shape, free=tuple(map(self.value, type.free)), parts=parts)
        return typed(type.dtype, tuple(map(self.dim, type.shape)), map(self.value, type.free))

    def value(self, value: Any) -> Any:
        """An attribute, of which extents may be any part."""
        if isinstance(value, Size):
            return self.dim(value)
        if isinstance(value, Index):
            return Index(value.name, self.dim(value.extent))
        if isinstance(value, Graph):
            body = _Specialiser(value, self.given, self.known)
            return body.run()
        return tuple(map(self.value, value)) if isinstance(value, tuple) else value

    def check(self, asked: Constraint, found: Constraint) -> None:
        """That a constraint holds, as far as the numbers tell."""
        difference = found.left - found.right
        if isinstance(difference, int) and (difference < 0 or (found.relation == "==" and difference)):
            what = f"{asked.left} {asked.relation} {asked.right}"
            raise _fail(f"the sizes given do not go together: `{what}` does not hold", constraint=asked)

    def all_known(self) -> None:
        for name in self.given:
            if name not in self.known:
                hints = suggestion(name, self.known)
                if not hints and self.known:
                    hints = (f"the sizes are {', '.join(f'`{size}`' for size in sorted(self.known)[:10])}",)
                raise _fail(f"the program has no size `{name[:40]}`", *hints)


__all__ = ["specialise"]
