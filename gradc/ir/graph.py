"""The IR: a typed face on a ``networkx.DiGraph``; ``gradc.ir.builder`` makes one.

A node's attributes are ``op``, ``operands`` and ``type``, and, where set, ``attrs``, ``name``, ``span`` and
``adjoint_of``; see ``gradc.ir.dag`` for how they are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import networkx

from gradc.ir.dag import Dag, freeze
from gradc.ir.op import OpTable
from gradc.ir.region import Function
from gradc.ir.sizes import Dim
from gradc.ir.types import Type
from gradc.source import Span

_NO_ATTRS: Mapping[str, Any] = MappingProxyType({})


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

    def __repr__(self) -> str:
        return f"<graph of {len(self)} nodes>"

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
        """The graph as a DiGraph of the caller's own, free to change; see ``from_nx``.

        The bodies of regions, in the attributes ``body``, ``test``, ``then`` and ``other``, are frozen graphs and stay
        shared. To change one, change a copy of it, make a graph of that by ``from_nx(…, body=True)`` and put it there.
        """
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

    def with_attrs(self, changed: Mapping[int, Mapping[str, Any]]) -> Graph:
        """The same graph, whose nodes keep their types, with other attributes for some of the nodes."""
        dag = Dag()
        for node, data in self.data.items():
            dag.append(node, {**data, "attrs": dict(changed[node])} if node in changed else data)
        tables = (self.names, self.spans, self.adjoints, self.functions, self.constraints)
        return Graph(freeze(dag), self.ops, self.inputs, self.outputs, *tables)

    @classmethod
    def from_nx(
        cls,
        dag: networkx.DiGraph,
        *,
        outputs: Iterable[tuple[str, int]] | None = None,
        ops: OpTable | None = None,
        body: bool = False,
    ) -> Graph:
        """A graph from a DiGraph that a caller has changed: renumbered in topological order, typed and verified.

        What the ``operands`` tuples say holds; edges are derived from it. ``outputs`` and ``ops`` default to what
        ``copy`` left in ``dag.graph``; ``body`` says that it is the body of a region. Raises ``InvalidGraph``.
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
        return verify(graph, body=body)

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


def is_operand(data: Mapping[str, Any]) -> bool:
    """Whether the node with these attributes is an input of a body, which an operand of its region is."""
    return bool(data["op"] == "input" and data.get("attrs", _NO_ATTRS).get("kind") == "operand")


def bodies(graph: Graph) -> Iterator[Graph]:
    """The bodies of the regions in a graph, but not those in bodies, in the order of nodes and attributes."""
    for data in graph.data.values():
        # Nearly every node has no attributes, or none that is a body.
        if "attrs" in data and Graph in map(type, data["attrs"].values()):
            yield from [value for _, value in sorted(data["attrs"].items()) if isinstance(value, Graph)]


def graphs(graph: Graph) -> Iterator[Graph]:
    """The graph and the bodies of regions in it, those in bodies too, each once."""
    seen = {graph}
    waiting = [graph]
    while waiting:
        current = waiting.pop()
        yield current
        for body in bodies(current):
            if body not in seen:
                seen.add(body)
                waiting.append(body)


def bodies_of(data: Mapping[str, Any]) -> list[Graph]:
    """The bodies that a node has."""
    return [value for value in data.get("attrs", _NO_ATTRS).values() if isinstance(value, Graph)]
