"""The IR: a typed face on a ``networkx.DiGraph``, and the builder that makes one.

A node's attributes are ``op``, ``operands`` and ``type``, and, where set, ``attrs``, ``name``, ``span`` and
``adjoint_of``; see ``gradc.ir.dag`` for how they are stored.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import networkx

from gradc.ir.dag import Dag, freeze
from gradc.ir.op import OpTable
from gradc.ir.region import Function
from gradc.ir.sizes import Dim
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


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the sizes of a call must meet: ``left == right`` or ``left >= right``; what stands at ``span`` asks it."""

    relation: str
    left: Dim
    right: Dim
    span: Span | None = None


class Graph:
    """A finished program: frozen, shared between threads, pickled.

    ``inputs`` are the input and param nodes in the order of their declaration, ``outputs`` the results by name,
    ``names`` every name of the program with its node, ``spans`` the further places where a shared node was written,
    ``adjoints`` maps (y, v, order) to the node that is the derivative of y with respect to v. ``ops`` is the table that
    the nodes' op names refer to, ``functions`` holds the functions that ``call`` nodes name, ``constraints`` what the
    sizes of a call have to meet beside the shapes of the inputs.
    """

    __slots__ = (
        "__weakref__",
        "adjoints",
        "constraints",
        "functions",
        "inputs",
        "names",
        "nx",
        "ops",
        "outputs",
        "spans",
    )

    nx: networkx.DiGraph
    ops: OpTable
    inputs: tuple[int, ...]
    outputs: tuple[tuple[str, int], ...]
    names: Mapping[str, int]
    spans: Mapping[int, tuple[Span, ...]]
    adjoints: Mapping[tuple[int, int, int], int]
    functions: Mapping[str, Function]
    constraints: tuple[Constraint, ...]

    def __init__(
        self,
        dag: networkx.DiGraph,
        ops: OpTable,
        inputs: Sequence[int],
        outputs: Sequence[tuple[str, int]],
        names: Mapping[str, int],
        spans: Mapping[int, tuple[Span, ...]] = _NO_ATTRS,  # type: ignore[assignment]
        adjoints: Mapping[tuple[int, int, int], int] = _NO_ATTRS,  # type: ignore[assignment]
        functions: Mapping[str, Function] = _NO_ATTRS,
        constraints: Sequence[Constraint] = (),
    ) -> None:
        keep = super().__setattr__
        keep("nx", dag)
        keep("ops", ops)
        keep("inputs", tuple(inputs))
        keep("outputs", tuple(outputs))
        keep("names", MappingProxyType(dict(names)))
        keep("spans", MappingProxyType(dict(spans)))
        keep("adjoints", MappingProxyType(dict(adjoints)))
        keep("functions", MappingProxyType(dict(functions)))
        keep("constraints", tuple(constraints))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a graph does not change: `{name}` cannot be set; `copy` and `from_nx` make another one")

    # Reading -------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.nx)

    def __iter__(self) -> Iterator[int]:
        return iter(self.nx)

    @property
    def data(self) -> Mapping[int, Mapping[str, Any]]:
        """Node number to attributes."""
        nodes: Mapping[int, Mapping[str, Any]] = self.nx._node
        return nodes

    def op(self, node: int) -> str:
        """The name of the node's operator."""
        name: str = self.data[node]["op"]
        return name

    def operands(self, node: int) -> tuple[int, ...]:
        """The operand nodes, in order, with repetition."""
        operands: tuple[int, ...] = self.data[node]["operands"]
        return operands

    def type(self, node: int) -> Type:
        """The type of the node's value."""
        found: Type = self.data[node]["type"]
        return found

    def attrs(self, node: int) -> Mapping[str, Any]:
        """The operator's attributes: a constant's value, an input's kind and default…"""
        attrs: Mapping[str, Any] = self.data[node].get("attrs", _NO_ATTRS)
        return attrs

    def name(self, node: int) -> str | None:
        """The name of an input, a param or a name node."""
        return self.data[node].get("name")

    def span(self, node: int) -> Span | None:
        """Where the node was first written."""
        return self.data[node].get("span")

    def adjoint_of(self, node: int) -> int | None:
        """The node that was differentiated when this node was first made; None for the forward part."""
        return self.data[node].get("adjoint_of")

    def users(self, node: int) -> list[int]:
        """The nodes that read this one, in order of creation."""
        return list(self.nx.succ[node])

    def constant(self, node: int) -> float | int | bool | None:
        """The value of a constant node; None for any other node."""
        data = self.data[node]
        return data["attrs"]["value"] if data["op"] == "const" else None

    def through_names(self, node: int) -> int:
        """The node whose value ``node`` carries: itself, or what lies under a chain of name nodes."""
        data = self.data
        while data[node]["op"] == "name":
            node = data[node]["operands"][0]
        return node

    def output(self, name: str) -> int:
        """The node of the output ``name``; KeyError if there is none."""
        return dict(self.outputs)[name]

    def live(self) -> set[int]:
        """The nodes that inputs and outputs keep alive."""
        return ancestors(self.data, [node for _, node in self.outputs]) | set(self.inputs)

    # Making others -------------------------------------------------------------------------------------------------

    def copy(self) -> networkx.DiGraph:
        """The graph as a DiGraph of the caller's own, free to change; see ``from_nx``."""
        mutable = networkx.DiGraph()
        mutable.add_nodes_from((node, _opened(data)) for node, data in self.data.items())
        mutable.add_edges_from((a, b, dict(places)) for a, b, places in self.nx.edges(data=True))
        mutable.graph.update(
            ops=self.ops,
            inputs=self.inputs,
            outputs=self.outputs,
            names=dict(self.names),
            spans=dict(self.spans),
            adjoints=dict(self.adjoints),
            functions=dict(self.functions),
            constraints=self.constraints,
        )
        return mutable

    @classmethod
    def from_nx(
        cls,
        dag: networkx.DiGraph,
        *,
        outputs: Iterable[tuple[str, int]] | None = None,
        ops: OpTable | None = None,
    ) -> Graph:
        """A graph from a DiGraph that a caller has changed: renumbered in topological order, typed and verified.

        What the ``operands`` tuples say holds; edges are derived from it. ``outputs`` and ``ops`` default to what
        ``copy`` left in ``dag.graph``. Raises ``InvalidGraph``.
        """
        from gradc.ir.verify import InvalidGraph, verify

        ops = ops if ops is not None else dag.graph.get("ops")
        if ops is None:
            raise TypeError("from_nx needs the table of operators: pass ops=…")
        wanted = list(outputs if outputs is not None else dag.graph.get("outputs", ()))
        order = networkx.DiGraph()
        order.add_nodes_from(dag)
        for node, data in dag.nodes(data=True):
            for operand in data.get("operands", ()):
                if operand not in dag:
                    raise InvalidGraph(f"node {node} has operand {operand}, which does not exist")
                order.add_edge(operand, node)
        if not networkx.is_directed_acyclic_graph(order):
            raise InvalidGraph("the graph has a cycle")
        fresh, number = Dag(), {}
        for new, old in enumerate(networkx.lexicographical_topological_sort(order)):
            number[old] = new
            data = _opened(dag.nodes[old])
            if "op" not in data or "type" not in data:
                raise InvalidGraph(f"node {old} lacks 'op' or 'type'")
            data["operands"] = tuple(number[operand] for operand in data.get("operands", ()))
            fresh.append(new, data)
        for new, data in fresh.nodes(data=True):
            # A node may be numbered before the one it is an adjoint of; one whose y is gone still is an adjoint.
            if data.get("adjoint_of") is not None:
                data["adjoint_of"] = number.get(data["adjoint_of"], new)
        names = {name: number[node] for name, node in dag.graph.get("names", {}).items() if node in number}
        spans = {number[node]: places for node, places in dag.graph.get("spans", {}).items() if node in number}
        adjoints = {
            (number[y], number[v], order): number[node]
            for (y, v, order), node in dag.graph.get("adjoints", {}).items()
            if y in number and v in number and node in number
        }
        functions = dag.graph.get("functions", {})
        declared = dict.fromkeys(number[n] for n in dag.graph.get("inputs", ()) if n in number)
        declared.update(dict.fromkeys(fresh))
        inputs = [n for n in declared if fresh.nodes[n]["op"] == "input"]
        try:
            results = [(name, number[node]) for name, node in wanted]
        except KeyError as missing:
            raise InvalidGraph(f"the output node {missing} does not exist") from None
        constraints = dag.graph.get("constraints", ())
        graph = cls(freeze(fresh), ops, inputs, results, names, spans, adjoints, functions, constraints)
        verify(graph)
        return graph

    def __reduce__(self) -> tuple[Any, ...]:
        nodes = tuple(tuple(_opened(data).items()) for data in self.data.values())
        tables = (
            self.inputs,
            self.outputs,
            dict(self.names),
            dict(self.spans),
            dict(self.adjoints),
            dict(self.functions),
            self.constraints,
        )
        return _restore, (nodes, self.ops, *tables)


def _restore(nodes: tuple[Any, ...], ops: OpTable, *tables: Any) -> Graph:
    dag = Dag()
    for number, items in enumerate(nodes):
        dag.append(number, dict(items))
    return Graph(freeze(dag), ops, *tables)


def _opened(data: Mapping[str, Any]) -> dict[str, Any]:
    """A node's attributes as a dictionary that shares nothing that can be changed."""
    opened = dict(data)
    if "attrs" in opened:
        opened["attrs"] = dict(opened["attrs"])
    return opened


def ancestors(data: Mapping[int, Mapping[str, Any]], roots: Iterable[int]) -> set[int]:
    """The nodes that the roots are computed from, the roots included."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for operand in data[stack.pop()]["operands"]:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return seen


class NodeLimit(Exception):
    """A builder was asked for more nodes than it may make."""


def _key(op: str, operands: tuple[int, ...], attrs: Mapping[str, Any] | None) -> Any:
    """What nodes that are one have in common."""
    return (op, operands, tuple(sorted(attrs.items()))) if attrs else (op, operands)


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
                builder._made.setdefault(_key(op, data["operands"], data.get("attrs")), node)
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
        key = _key(op, operands, attrs)
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
    builder.adjoint_of = None if marked is None else number.get(marked)
    if op == "const":
        new = builder.constant(data["attrs"]["value"], data["type"])
    elif op == "input":
        new = builder.declare(data)
    elif op == "name":
        new = builder.name(data["name"], number[data["operands"][0]])
    else:
        new = builder.apply(op, *[number[operand] for operand in data["operands"]], attrs=data.get("attrs"))
    return new


def transfer(source: Graph, builder: Builder, number: Mapping[int, int]) -> Graph:
    """Finish ``builder`` with the outputs and side tables of ``source``, their nodes as ``number`` maps them."""
    builder.span = builder.adjoint_of = None
    if source.functions and any(data["op"] == "call" for data in builder.data.values()):
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
