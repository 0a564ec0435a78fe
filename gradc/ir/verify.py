"""What holds of every graph, as numbered invariants."""

from __future__ import annotations

from typing import Any, NoReturn

from gradc.ir.graph import Graph
from gradc.ir.types import Type, TypeMismatch


class InvalidGraph(Exception):
    """A graph breaks an invariant; the message gives its number.

    ``rule`` is that number, ``detail`` the rest of the message and ``node`` the node at fault, where there is one;
    ``operand`` is the position of the operand that its op refuses.
    """

    def __init__(self, detail: str, rule: str = "", node: int | None = None, operand: int | None = None) -> None:
        super().__init__(f"{rule}: {detail}" if rule else detail)
        self.detail = detail
        self.rule = rule
        self.node = node
        self.operand = operand


def _fail(rule: str, node: int, text: str) -> NoReturn:
    raise InvalidGraph(f"node {node} {text}", rule, node)


def verify(graph: Graph) -> Graph:
    """Check the invariants and return the graph; raises ``InvalidGraph``. Linear in the graph.

    - I1 nodes are numbered 0, 1, 2… in creation order, and operands have smaller numbers than their users;
    - I2 every op stands in the table and takes that many operands;
    - I3 edges and ``positions`` say what the operand tuples say;
    - I4 every type is what the op's type rule gives;
    - I5 every node has the attributes that its op calls for and no others;
    - I6 no two nodes but names and inputs are equal;
    - I7 inputs, outputs, names and adjoints refer to existing nodes, input and output names occur once;
    - I8 what differentiation made refers to a node that exists;
    - I9 functions and their calls agree: body and partials take the parameters, the body gives one value, the partials
      one a parameter, and a call has as many operands.

    The bodies of functions are graphs of their own, to be verified by who makes them; a call in one is resolved by the
    table of the program that it belongs to.
    """
    seen: dict[object, int] = {}
    for expected, (node, data) in enumerate(graph.data.items()):
        if node != expected:
            _fail("I1", node, f"stands where {expected} is due")
        op, operands = data["op"], data["operands"]
        for operand in operands:
            if not (isinstance(operand, int) and 0 <= operand < node):
                _fail("I1", node, f"reads {operand}, which is not an earlier node")
        row = graph.ops.get(op)
        if row is None:
            _fail("I2", node, f"has the unknown op {op!r}")
        if not row.accepts(len(operands)):
            _fail("I2", node, f"has {len(operands)} operands, which {op!r} does not take")
        _verify_edges(graph, node, operands)
        attrs = data.get("attrs", {})
        for key, value in attrs.items():
            if key not in row.attrs:
                _fail("I5", node, f"has the attribute {key!r}, which {op!r} does not know")
            if not isinstance(value, row.attrs[key]):
                _fail("I5", node, f"has the attribute {key!r} = {value!r}, not of type {row.attrs[key].__name__}")
        if op in ("const", "input"):
            _verify_leaf(node, op, data["type"], attrs)
        elif op == "call":
            function = graph.functions.get(attrs.get("function", ""))
            if function is not None and len(function.params) != len(operands):
                _fail("I9", node, f"calls {function.name!r} with {len(operands)} operands, not {len(function.params)}")
        _verify_type(graph, node, [graph.type(operand) for operand in operands])
        if (op in ("input", "name")) != isinstance(data.get("name"), str):
            _fail("I5", node, "has a name exactly if it is an input or a name node")
        if op not in ("input", "name"):
            type = (data["type"].dtype, data["type"].shape)
            key = (op, operands, type, tuple(sorted((k, repr(v)) for k, v in attrs.items())))
            if key in seen:
                _fail("I6", node, f"equals node {seen[key]}")
            seen[key] = node
        marked = data.get("adjoint_of")
        if marked is not None and marked not in graph.data:
            _fail("I8", node, f"is an adjoint of {marked}, which does not exist")
    _verify_tables(graph)
    return graph


def _verify_edges(graph: Graph, node: int, operands: tuple[int, ...]) -> None:
    places: dict[int, list[int]] = {}
    for position, operand in enumerate(operands):
        places.setdefault(operand, []).append(position)
    expected = {operand: tuple(taken) for operand, taken in places.items()}
    found = {operand: data.get("positions") for operand, data in graph.nx.pred[node].items()}
    if found != expected:
        _fail("I3", node, f"has edges {found}, but its operands call for {expected}")


def _verify_type(graph: Graph, node: int, operands: list[Type]) -> None:
    data = graph.data[node]
    if not isinstance(data["type"], Type):
        _fail("I4", node, f"has {data['type']!r} for a type")
    if data["op"] in ("const", "input"):
        return
    try:
        due = graph.ops[data["op"]].type_rule(operands, data.get("attrs", {}))
    except TypeMismatch as mismatch:
        text = f"node {node} ({data['op']}) does not take its operand {mismatch.position + 1}: expected {mismatch}"
        raise InvalidGraph(text, "I4", node, mismatch.position) from None
    if due != data["type"]:
        _fail("I4", node, f"({data['op']}) has type {data['type']}, but its operands give {due}")


_KINDS = ("input", "param")
_PYTHON_TYPES = {"f64": float, "f32": float, "int": int, "bool": bool}


def _verify_leaf(node: int, op: str, type: Any, attrs: Any) -> None:
    if op == "input":
        if attrs.get("kind") not in _KINDS:
            _fail("I5", node, f"has the kind {attrs.get('kind')!r}, not one of {', '.join(_KINDS)}")
        if attrs.get("default") is None:
            return
        value = attrs["default"]
    elif "value" in attrs:
        value = attrs["value"]
    else:
        _fail("I5", node, "is a constant without a value")
    # An exact test, since True is an int to Python.
    if isinstance(type, Type) and value.__class__ is not _PYTHON_TYPES.get(type.dtype):
        _fail("I5", node, f"has the value {value!r}, which is not of type {type}")


def _verify_tables(graph: Graph) -> None:
    for function in graph.functions.values():
        count = len(function.params)
        found = (len(function.body.inputs), len(function.partials.inputs), len(function.partials.outputs))
        if found != (count,) * 3 or len(function.body.outputs) != 1:
            raise InvalidGraph(f"the parts of the function {function.name!r} do not fit its {count} parameters", "I9")
    inputs = [node for node, data in graph.data.items() if data["op"] == "input"]
    if sorted(graph.inputs) != inputs:
        raise InvalidGraph(f"the inputs are {list(graph.inputs)}, but the graph has {inputs}", "I7")
    declared: set[str | None] = set()
    for node in inputs:
        if graph.name(node) in declared:
            _fail("I7", node, f"is a second input of the name {graph.name(node)!r}")
        declared.add(graph.name(node))
    results = [name for name, _ in graph.outputs]
    if len(set(results)) != len(results):
        raise InvalidGraph("two outputs have one name", "I7")
    for name, node in [*graph.outputs, *graph.names.items()]:
        if node not in graph.data:
            raise InvalidGraph(f"{name!r} is node {node}, which does not exist", "I7")
    for (y, v, order), node in graph.adjoints.items():
        if not {y, v, node} <= graph.data.keys() or order < 1:
            raise InvalidGraph(f"the adjoint {(y, v, order)} -> {node} is not one of existing nodes", "I7")
