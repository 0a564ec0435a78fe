"""The builder: makes the nodes of a graph one by one, each once, and freezes them.

A pass streams a graph into a new builder; ``replay`` and ``transfer`` are its steps.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from gradc.ir.dag import Dag, freeze
from gradc.ir.graph import Constraint, Graph, graphs
from gradc.ir.op import OpTable
from gradc.ir.region import Function
from gradc.ir.sizes import Dim
from gradc.ir.structure import structure
from gradc.ir.types import F32, F64, Index, Type, typed
from gradc.source import Span

_NO_ATTRS: Mapping[str, Any] = MappingProxyType({})
# How many further places one shared node remembers.
MAX_SPANS = 8


def bits(value: float | int | bool, dtype: str) -> object:
    """A key that tells constants apart as the machine does: 0.0 is not -0.0. There is one NaN, whatever its payload."""
    if dtype == "f64" or dtype == "f32":
        return struct.pack("<d", value) if value == value else "nan"
    return value


class NodeLimit(Exception):
    """A builder was asked for more nodes than it may make."""


def node_key(op: str, operands: tuple[int, ...], attrs: Mapping[str, Any] | None) -> Any:
    """What nodes that are one have in common."""
    if not attrs:
        return (op, operands)
    items = sorted(attrs.items())
    if Graph in map(type, attrs.values()):
        items = [(key, structure(value) if isinstance(value, Graph) else value) for key, value in items]
    return (op, operands, tuple(items))


def _constant_key(value: float | int | bool, type: Type) -> Any:
    return ("const", bits(value, type.dtype), type.dtype, type.shape) if type.shape else _scalar_key(value, type.dtype)


def _scalar_key(value: float | int | bool, dtype: str) -> Any:
    return "const", bits(value, dtype), dtype


def _default(value: Any, type: Type) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple([_default(item, type) for item in value])
    return float(value) if type.real else value


Simplifier: TypeAlias = Callable[["Builder", str, tuple[int, ...], "Mapping[str, Any] | None"], "int | None"]
"""Given the node about to be made, a node that stands for it, or None to make it."""


class Builder:
    """Appends nodes, hash-consing them, and finishes as a frozen ``Graph``.

    With a ``simplifier`` it is the optimising builder, which folds and rewrites as a node is made; without one the
    graph is the program as written. ``span`` and ``adjoint_of`` mark the nodes made from now on. A constant is keyed by
    type and bits; an input and a name are never merged with another.
    """

    def __init__(self, ops: OpTable, simplifier: Simplifier | None = None, max_nodes: int | None = None) -> None:
        self.ops = ops
        self.simplifier = simplifier
        self.span: Span | None = None
        self.adjoint_of: int | None = None
        self.dag = Dag()
        self.data: Mapping[int, Mapping[str, Any]] = self.dag._node
        self.inputs: list[int] = []
        self.names: dict[str, int] = {}
        self.adjoints: dict[tuple[int, int, int], int] = {}
        self.spans: dict[int, tuple[Span, ...]] = {}
        self.functions: dict[str, Function] = {}
        # In order, each once.
        self.constraints: dict[Constraint, None] = {}
        self._made: dict[Any, int] = {}
        # No index that this builder knows of has this number or a larger one in its name.
        self._unused = 0
        self._reserved: dict[int, Graph] = {}
        self._max = math.inf if max_nodes is None else max_nodes
        self._finished = False

    @classmethod
    def continuing(cls, graph: Graph, max_nodes: int | None = None) -> Builder:
        """A builder that has made what is in ``graph`` already, under the same numbers."""
        builder = cls(graph.ops, max_nodes=max_nodes)
        builder.dag = graph.nx.branch()
        builder.data = builder.dag._node
        builder.inputs += graph.inputs
        builder.names.update(graph.names)
        builder.adjoints.update(graph.adjoints)
        builder.spans.update(graph.spans)
        builder.functions.update(graph.functions)
        builder.constraints.update(dict.fromkeys(graph.constraints))
        for node, data in graph.data.items():
            op = data["op"]
            if op == "index":
                builder._reserve(data["attrs"]["index"])
            if op == "const":
                builder._made.setdefault(_constant_key(data["attrs"]["value"], data["type"]), node)
            elif op != "input" and op != "name":
                builder._made.setdefault(node_key(op, data["operands"], data.get("attrs")), node)
        return builder

    # Making nodes --------------------------------------------------------------------------------------------------

    def input(self, name: str, type: Type = F64, *, kind: str = "input", default: Any = None) -> int:
        """Declare an input (``kind`` "input" or "param"); a ``default`` is what a call may leave out.

        That of an array is one number for all its elements, or nested sequences of them, which are kept as tuples.
        """
        attrs: dict[str, Any] = {"kind": kind}
        if default is not None:
            attrs["default"] = _default(default, type)
        node = self._append("input", (), type, attrs, name)
        self.inputs.append(node)
        return node

    def operand(self, name: str, type: Type, size: Dim | None = None) -> int:
        """An input of a body, which an operand of its region is; ``size`` is the extent that it is for every call."""
        attrs: dict[str, Any] = {"kind": "operand"}
        if size is not None:
            attrs["extent"] = size
        node = self._append("input", (), type, attrs, name)
        self.inputs.append(node)
        return node

    def room(self) -> int | None:
        """How many further nodes may be made; None for any number."""
        return None if self._max == math.inf else int(self._max) - len(self.data)

    def declare(self, data: Mapping[str, Any]) -> int:
        """Declare what is an input of another graph: without operands, what it says can be shared."""
        node = self._number()
        self.dag.append(node, data)
        self.inputs.append(node)
        return node

    def constant(self, value: float | int | bool, type: Type = F64) -> int:
        """The constant of that type and those bits; of an array type, an array filled with it."""
        if type.free:
            type = typed(type.dtype, type.shape)
        if type.real:
            value = float(value)
        key = _constant_key(value, type)
        node = self._made.get(key)
        if node is None:
            node = self._made[key] = self._append("const", (), type, {"value": value}, None)
        else:
            self._note(node)
        return node

    def name(self, name: str, operand: int) -> int:
        """A name for a value: an identity node, never merged, with respect to which one may differentiate."""
        return self._append("name", (operand,), self.data[operand]["type"], None, name)

    def apply(self, op: str, *operands: int, attrs: Mapping[str, Any] | None = None) -> int:
        """The node ``op(operands)``: an existing equal one, what the simplifier makes of it, or a new one.

        Raises ``TypeMismatch`` where the op's type rule refuses the operands.
        """
        if self.simplifier is not None:
            found = self.simplifier(self, op, operands, attrs)
            if found is not None:
                return found
        return self.make(op, operands, attrs)

    def make(self, op: str, operands: tuple[int, ...], attrs: Mapping[str, Any] | None = None) -> int:
        """The node as asked for, hash-consed but not simplified."""
        key = node_key(op, operands, attrs)
        node = self._made.get(key)
        if node is not None:
            self._note(node)
            return node
        node = self._made[key] = self._append(op, operands, self.infer(op, operands, attrs), attrs, None)
        return node

    def fresh(self, name: str, extent: Dim) -> Index:
        """A free index that nothing else in this graph is called, nor in those that are replayed into it."""
        number = max(len(self.data), self._unused)
        self._unused = number + 1
        return Index(f"{name}.{number}", extent)

    def reserve(self, source: Graph) -> None:
        """Keep the names of the indices of ``source``, whose nodes are to be made here, apart from fresh ones."""
        if id(source) not in self._reserved:
            self._reserved[id(source)] = source
            for data in source.data.values():
                if data["op"] == "index":
                    self._reserve(data["attrs"]["index"])

    def _reserve(self, index: Index) -> None:
        number = index.name.rpartition(".")[2]
        if number.isdecimal() and len(number) <= 12:
            self._unused = max(self._unused, int(number) + 1)

    def known(self, op: str, *operands: int) -> int | None:
        """The node ``op(operands)`` if it exists already."""
        return self._made.get((op, operands))

    def infer(self, op: str, operands: tuple[int, ...], attrs: Mapping[str, Any] | None = None) -> Type:
        """The type that ``op`` gives on these operands; raises ``TypeMismatch``."""
        row = self.ops[op]
        data = self.data
        if row.uniform:
            first: Type = data[operands[0]]["type"]
            if first is F64 or first is F32:
                for operand in operands:
                    if data[operand]["type"] is not first:
                        break
                else:
                    return first
        return row.type_rule([data[operand]["type"] for operand in operands], attrs or _NO_ATTRS)

    def _number(self) -> int:
        """The number of the next node."""
        node = len(self.data)
        if node >= self._max:
            raise NodeLimit(node)
        return node

    def _append(
        self, op: str, operands: tuple[int, ...], type: Type, attrs: Mapping[str, Any] | None, name: str | None
    ) -> int:
        node = self._number()
        data: dict[str, Any] = {"op": op, "operands": operands, "type": type}
        if attrs:
            data["attrs"] = dict(attrs)
        if name is not None:
            data["name"] = name
        if self.span is not None:
            data["span"] = self.span
        if self.adjoint_of is not None:
            data["adjoint_of"] = self.adjoint_of
        if op == "index" and attrs:
            self._reserve(attrs["index"])
        self.dag.append(node, data)
        return node

    def _note(self, node: int) -> None:
        """Remember that a shared node stands at the current place too."""
        span = self.span
        if span is None or self.adjoint_of is not None:
            return
        first = self.data[node].get("span")
        if first is None or first == span:
            return
        others = self.spans.get(node, ())
        if len(others) < MAX_SPANS and span not in others:
            self.spans[node] = (*others, span)

    # Reading what has been made ------------------------------------------------------------------------------------

    def op(self, node: int) -> str:
        """The name of the node's operator."""
        name: str = self.data[node]["op"]
        return name

    def operands(self, node: int) -> tuple[int, ...]:
        """The operand nodes, in order."""
        operands: tuple[int, ...] = self.data[node]["operands"]
        return operands

    def type(self, node: int) -> Type:
        """The type of the node's value."""
        found: Type = self.data[node]["type"]
        return found

    def value(self, node: int) -> float | int | bool | None:
        """The value of a constant node; None for any other node."""
        data = self.data[node]
        return data["attrs"]["value"] if data["op"] == "const" else None

    # Finishing -----------------------------------------------------------------------------------------------------

    def finish(self, outputs: Iterable[tuple[str, int]]) -> Graph:
        """Freeze what has been built. The builder cannot be used afterwards."""
        if self._finished:
            raise RuntimeError("the builder has finished")
        self._finished = True
        self._made = {}
        dag = freeze(self.dag)
        tables = (self.names, self.spans, self.adjoints, self.functions, tuple(self.constraints))
        return Graph(dag, self.ops, self.inputs, list(outputs), *tables)


def replay(source: Graph, node: int, builder: Builder, number: Mapping[int, int]) -> int:
    """Make ``node`` of ``source`` again in ``builder``, with its operands as ``number`` maps them.

    The step of every pass that streams a graph into a new builder. Names and inputs stay what they are; the node's
    marks (place, adjoint) go with it.
    """
    builder.reserve(source)
    data = source.data[node]
    op = data["op"]
    builder.span = data.get("span")
    marked = data.get("adjoint_of")
    builder.adjoint_of = None if marked is None else number.get(marked, len(builder.data))
    if op == "const":
        new = builder.constant(data["attrs"]["value"], data["type"])
    elif op == "input":
        new = builder.declare(data)
    elif op == "name":
        new = builder.name(data["name"], number[data["operands"][0]])
    else:
        new = builder.apply(op, *[number[operand] for operand in data["operands"]], attrs=data.get("attrs"))
    return new


def _calls(builder: Builder) -> bool:
    """Whether functions are called, in bodies of regions too."""
    for data in builder.data.values():
        if data["op"] == "call":
            return True
        for body in data["attrs"].values() if "attrs" in data else ():
            if isinstance(body, Graph) and any(d["op"] == "call" for each in graphs(body) for d in each.data.values()):
                return True
    return False


def transfer(source: Graph, builder: Builder, number: Mapping[int, int]) -> Graph:
    """Finish ``builder`` with the outputs and side tables of ``source``, their nodes as ``number`` maps them."""
    builder.span = builder.adjoint_of = None
    if source.functions and _calls(builder):
        builder.functions.update(source.functions)
    builder.constraints.update(dict.fromkeys(source.constraints))
    builder.names.update((name, number[node]) for name, node in source.names.items() if node in number)
    for (y, v, order), node in source.adjoints.items():
        if y in number and v in number and node in number:
            builder.adjoints.setdefault((number[y], number[v], order), number[node])
    for node, spans in source.spans.items():
        if node in number:
            builder.spans.setdefault(number[node], spans)
    return builder.finish([(name, number[node]) for name, node in source.outputs])
