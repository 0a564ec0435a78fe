"""What holds of every graph, as numbered invariants."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NoReturn

from gradc.ir.attributes import MEANINGS, is_extent, is_index, is_offset, is_shape
from gradc.ir.graph import Graph
from gradc.ir.op import Op, bound
from gradc.ir.region import Function
from gradc.ir.sizes import Dim
from gradc.ir.structure import structure
from gradc.ir.types import INT, SCALARS, TAPE, TUPLE, Index, Type, TypeMismatch, union
from gradc.source import Span


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


def verify(graph: Graph, *, body: bool = False, known: Collection[Graph] = ()) -> Graph:
    """Check the invariants and return the graph; raises ``InvalidGraph``. Linear in the graph.

    ``body`` says that it is not a program but the body of a region, and ``known`` are bodies that need no check.

    - I1 nodes are numbered 0, 1, 2… in creation order, and operands have smaller numbers than their users;
    - I2 every op stands in the table and takes that many operands;
    - I3 edges and ``positions`` say what the operand tuples say;
    - I4 every type is what the op's type rule gives; extents are integers from 0 on or sizes;
    - I5 every node has the attributes that its op calls for, of the right make, and no others;
    - I6 no two nodes but names and inputs are equal;
    - I7 inputs, outputs, names and adjoints refer to existing nodes, input and output names occur once;
    - I8 what differentiation made refers to a node that exists;
    - I9 functions and their calls agree: body and partials take the parameters, the body gives one value, the partials
      one a parameter, and a call has as many operands;
    - I10 no input, constant or output has free indices, and indices of one name have one extent;
    - I11 constraints compare extents, by `==` or `>=`;
    - I12 the bodies of regions are such graphs themselves, and all that enters one is an operand of its region; only a
      region gives a tuple, and only `get` reads it; a tape is read by regions and added up, and is no result.

    The bodies of functions are graphs of their own, to be verified by who makes them; a call in one is resolved by the
    table of the program that it belongs to.
    """
    functions = graph.functions
    for inner, holder in reversed(_with_bodies(graph, known)):
        if inner is graph:
            _verify(graph, functions, body)
            continue
        try:
            _verify(inner, functions, True)
        except InvalidGraph as problem:
            raise InvalidGraph(f"node {holder} has a body in which {problem}", "I12", holder) from None
    return graph


def _with_bodies(graph: Graph, known: Collection[Graph]) -> list[tuple[Graph, int]]:
    """The graph and all bodies in it, each behind what it is in, with the node of the graph that holds it."""
    found = [(graph, -1)]
    seen = {graph}
    for each, holder in found:
        for node, data in each.data.items():
            for value in data["attrs"].values() if "attrs" in data else ():
                if isinstance(value, Graph) and value not in seen and value not in known:
                    seen.add(value)
                    found.append((value, node if holder < 0 else holder))
    return found


def _verify(graph: Graph, functions: Mapping[str, Function], body: bool) -> None:
    seen: dict[object, int] = {}
    types = _Types()
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
        if attrs or row.attrs:
            _verify_attributes(node, row, attrs, types)
        type = data["type"]
        if id(type) not in types.checked:
            types.check(node, type)
        if type.dtype not in SCALARS:
            _verify_several(graph, node, row)
        if op in ("const", "input"):
            _verify_leaf(node, op, type, attrs, body)
        elif op == "call":
            _verify_type(graph, node, row)
            function = functions.get(attrs.get("function", ""))
            if function is not None and len(function.params) != len(operands):
                _fail("I9", node, f"calls {function.name!r} with {len(operands)} operands, not {len(function.params)}")
        else:
            _verify_type(graph, node, row)
        if (op in ("input", "name")) != isinstance(data.get("name"), str):
            _fail("I5", node, "has a name exactly if it is an input or a name node")
        if op not in ("input", "name"):
            shown = [(k, structure(v) if isinstance(v, Graph) else repr(v)) for k, v in attrs.items()] if attrs else []
            key = (op, operands, type.dtype, type.shape, tuple(sorted(shown)))
            if key in seen:
                _fail("I6", node, f"equals node {seen[key]}")
            seen[key] = node
        marked = data.get("adjoint_of")
        if marked is not None and marked not in graph.data:
            _fail("I8", node, f"is an adjoint of {marked}, which does not exist")
    _verify_tables(graph)


class _Types:
    """The types and indices of a graph, of which there are few, each checked once."""

    def __init__(self) -> None:
        # By identity; the values keep what they belong to alive.
        self.checked: dict[int, object] = {id(type): type for type in SCALARS.values()}
        self.extents: dict[str, Dim] = {}

    def check(self, node: int, type: Any) -> None:
        if id(type) in self.checked:
            return
        if not isinstance(type, Type):
            _fail("I4", node, f"has {type!r} for a type")
        if type.dtype in (TUPLE, TAPE):
            self.several(node, type)
        elif type.dtype not in SCALARS:
            _fail("I4", node, f"has the unknown number type {type.dtype!r}")
        elif type.parts:
            _fail("I4", node, f"has the type {type}, a number type with parts")
        if not is_shape(type.shape):
            _fail("I4", node, f"has the shape {type.shape!r}, not {MEANINGS['shape'][1]}")
        if type.free.__class__ is not tuple or not all(map(is_index, type.free)) or union(type.free) != type.free:
            _fail("I4", node, f"has the free indices {type.free!r}, not different indices in their order")
        self.indices(node, type.free)
        self.checked[id(type)] = type

    def several(self, node: int, type: Type) -> None:
        """The type of results of a region, or of what a loop keeps of its iterations."""
        if type.shape or (type.dtype == TAPE) != (len(type.parts) == 1 and type.dtype == TAPE):
            _fail("I4", node, f"has the type {type!r}, which is not one of parts alone")
        for part in type.parts:
            self.check(node, part)
            if part.free or part.dtype == TUPLE or (type.dtype == TAPE and part.dtype == TAPE):
                _fail("I4", node, f"has the type {type}, whose part {part} cannot be one")

    def indices(self, node: int, indices: Iterable[Index]) -> None:
        for index in indices:
            known = self.extents.setdefault(index.name, index.extent)
            if known != index.extent:
                _fail("I10", node, f"has the index {index}, but {index.name} runs to {known} elsewhere")


def _verify_attributes(node: int, row: Op, attrs: Mapping[str, Any], types: _Types) -> None:
    for key, value in attrs.items():
        if key not in row.attrs:
            _fail("I5", node, f"has the attribute {key!r}, which {row.name!r} does not know")
        wanted = row.attrs[key]
        # An exact test where True is not meant, though it is an int to Python.
        if not isinstance(value, wanted) or (wanted is int and value.__class__ is bool):
            _fail("I5", node, f"has the attribute {key!r} = {value!r}, not of type {wanted.__name__}")
    if row.kind == "region":
        _verify_region(node, row, attrs)
    if row.kind != "structural" and row.kind != "leaf":
        return
    for key, (check, due) in MEANINGS.items():
        if key not in row.attrs:
            continue
        if key not in attrs:
            _fail("I5", node, f"lacks the attribute {key!r}")
        if not check(attrs[key]):
            _fail("I5", node, f"has the attribute {key!r} = {attrs[key]!r}, not {due}")
    if "index" in attrs:
        types.indices(node, [attrs["index"]])
    types.indices(node, bound(attrs))
    for _, over in attrs.get("parts", ()):
        types.indices(node, over)


_COUNTS = ("carried", "scanned", "tapes", "place")
# What a region may leave out.
_OPTIONAL = ("scanned", "tapes", "extent", "backwards", "checkpoint", "over")


def _verify_region(node: int, row: Op, attrs: Mapping[str, Any]) -> None:
    for key in row.attrs:
        if key not in attrs and key not in _OPTIONAL:
            _fail("I5", node, f"lacks the attribute {key!r}")
    for key in _COUNTS:
        if attrs.get(key, 0) < 0:
            _fail("I5", node, f"has the attribute {key!r} = {attrs[key]!r}, not a count")
    if "extent" in attrs and not is_extent(attrs["extent"]):
        _fail("I5", node, f"has the attribute 'extent' = {attrs['extent']!r}, not an extent")
    if "test" in attrs and (attrs.get("scanned") or attrs.get("backwards") or "extent" in attrs):
        _fail("I12", node, "does not know how often it runs, so that it scans nothing and has one direction")


_READERS: Mapping[str, tuple[str, ...]] = {TUPLE: ("get",), TAPE: ("for", "while", "branch", "add_tapes")}


def _verify_several(graph: Graph, node: int, row: Op) -> None:
    """What may be a tuple or a tape, and what may read it."""
    dtype = graph.type(node).dtype
    if row.kind != "region":
        _fail("I12", node, f"is a {dtype}, which {row.name!r} does not give")
    for user in graph.nx.succ[node]:
        if graph.op(user) not in _READERS[dtype]:
            text = f"node {user} reads node {node}, a {dtype}, which {graph.op(user)!r} does not take"
            raise InvalidGraph(text, "I12", user, graph.operands(user).index(node))


def _verify_edges(graph: Graph, node: int, operands: tuple[int, ...]) -> None:
    places: dict[int, list[int]] = {}
    for position, operand in enumerate(operands):
        places.setdefault(operand, []).append(position)
    expected = {operand: tuple(taken) for operand, taken in places.items()}
    found = {operand: data.get("positions") for operand, data in graph.nx.pred[node].items()}
    if found != expected:
        _fail("I3", node, f"has edges {found}, but its operands call for {expected}")


def _verify_type(graph: Graph, node: int, row: Op) -> None:
    nodes = graph.data
    data = nodes[node]
    op, attrs = row.name, data.get("attrs", {})
    try:
        due = row.type_rule([nodes[operand]["type"] for operand in data["operands"]], attrs)
    except TypeMismatch as mismatch:
        text = f"node {node} ({op}) does not take its operand {mismatch.position + 1}: expected {mismatch}"
        raise InvalidGraph(text, "I4", node, mismatch.position) from None
    except Exception as error:
        # A type rule foresees operands, not attributes that say anything; those of callers' operators neither.
        missing = [key for key in row.attrs if key not in attrs]
        if isinstance(error, KeyError) and missing:
            text = f"node {node} lacks the attribute {missing[0]!r}"
        else:
            text = f"node {node} ({op}) has attributes {dict(attrs)!r}, of which its type rule makes nothing: {error}"
        raise InvalidGraph(text, "I5", node) from error
    if due != data["type"]:
        _fail("I4", node, f"({op}) has type {data['type']}, but its operands give {due}")


_RELATIONS = ("==", ">=")
_KINDS = ("input", "param")
_PYTHON_TYPES = {"f64": float, "f32": float, "int": int, "bool": bool}


def _verify_operand(node: int, type: Type, attrs: Mapping[str, Any]) -> None:
    """An input of a body."""
    if attrs.get("kind") != "operand":
        _fail("I12", node, f"has the kind {attrs.get('kind')!r}, but what enters a body is an operand")
    if "default" in attrs:
        _fail("I5", node, "is an operand and has a default")
    if "extent" in attrs and (type != INT or not is_offset(attrs["extent"])):
        _fail("I5", node, f"is always {attrs['extent']!r}, which is not an extent for an operand of type int")


def _verify_leaf(node: int, op: str, type: Type, attrs: Mapping[str, Any], body: bool) -> None:
    if type.free:
        _fail("I10", node, f"has free indices: {type}")
    if op == "input":
        if body:
            _verify_operand(node, type, attrs)
            return
        if attrs.get("kind") == "operand":
            _fail("I12", node, "is an operand, which only the body of a region has")
        if attrs.get("kind") not in _KINDS:
            _fail("I5", node, f"has the kind {attrs.get('kind')!r}, not one of {', '.join(_KINDS)}")
        if "extent" in attrs:
            _fail("I5", node, "has the attribute 'extent', which only an operand has")
        if attrs.get("default") is None:
            return
        value = attrs["default"]
        if isinstance(value, tuple):
            _verify_rows(node, type, value)
            return
    elif "value" in attrs:
        value = attrs["value"]
    else:
        _fail("I5", node, "is a constant without a value")
    # An exact test, since True is an int to Python.
    if value.__class__ is not _PYTHON_TYPES[type.dtype]:
        _fail("I5", node, f"has the value {value!r}, which is not of type {type}")


def _verify_rows(node: int, type: Type, rows: tuple[Any, ...]) -> None:
    """Whether nested tuples are an array of the type, axis by axis from the outermost."""
    level: list[Any] = [rows]
    for axis, extent in enumerate(type.shape):
        counts = {len(row) if row.__class__ is tuple else None for row in level}
        if None in counts or len(counts) > 1 or (isinstance(extent, int) and not counts <= {extent}):
            _fail("I5", node, f"has a default whose axis {axis} is not one of {type}")
        level = [item for row in level for item in row]
    wanted = _PYTHON_TYPES[type.dtype]
    for value in level:
        if value.__class__ is not wanted:
            _fail("I5", node, f"has the value {value!r} in its default, which is not of type {type.dtype}")


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
    for name, node in graph.outputs:
        if graph.type(node).dtype not in SCALARS:
            _fail("I12", node, f"is the output {name!r} and no value: {graph.type(node)}")
        if graph.type(node).free:
            _fail("I10", node, f"is the output {name!r} and has free indices: {graph.type(node)}")
    for constraint in graph.constraints:
        sides = (constraint.left, constraint.right)
        if constraint.relation not in _RELATIONS or not all(map(is_offset, sides)):
            raise InvalidGraph(f"the constraint {constraint} does not compare extents", "I11")
        if not isinstance(constraint.span, Span | None):
            raise InvalidGraph(f"the constraint {constraint} has no place for a span", "I11")
    for (y, v, order), node in graph.adjoints.items():
        if not {y, v, node} <= graph.data.keys() or order < 1:
            raise InvalidGraph(f"the adjoint {(y, v, order)} -> {node} is not one of existing nodes", "I7")
