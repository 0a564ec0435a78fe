"""The builder and the frozen graph."""

from __future__ import annotations

import math
import pickle
import struct

import networkx
import pytest
from hypothesis import given
from strategies import array_graphs

from gradc.ir import diff
from gradc.ir.builder import MAX_SPANS, Builder, NodeLimit, replay, transfer
from gradc.ir.graph import Graph, ancestors
from gradc.ir.sizes import named
from gradc.ir.types import BOOL, F32, F64, INT, Index, Type, TypeMismatch, typed
from gradc.ir.verify import InvalidGraph, verify
from gradc.ops import TABLE
from gradc.source import Span


@pytest.fixture
def builder() -> Builder:
    return Builder(TABLE)


def chain() -> Graph:
    """``b = 2*a; c = b^2`` with the names b and c."""
    builder = Builder(TABLE)
    builder.names["a"] = a = builder.input("a")
    builder.span = Span("chain.grad", 2, 5, 3)
    builder.names["b"] = b = builder.name("b", builder.apply("mul", builder.constant(2.0), a))
    builder.names["c"] = c = builder.name("c", builder.apply("pow", b, builder.constant(2.0)))
    return builder.finish([("c", c)])


def test_equal_operations_are_one_node(builder: Builder) -> None:
    x, y = builder.input("x"), builder.input("y")
    assert builder.apply("mul", x, y) == builder.apply("mul", x, y)
    # Order is canonicalised by no one before derivatives are expanded.
    assert builder.apply("mul", x, y) != builder.apply("mul", y, x)
    assert builder.known("mul", x, y) == builder.apply("mul", x, y)
    assert builder.known("add", x, y) is None


def test_attributes_tell_operations_apart(builder: Builder) -> None:
    n = builder.input("n", INT)
    wide, narrow = builder.apply("float", n), builder.apply("float", n, attrs={"dtype": "f32"})
    assert wide != narrow
    assert builder.apply("float", n, attrs={"dtype": "f32"}) == narrow


def test_constants_are_keyed_by_type_and_bits(builder: Builder) -> None:
    made = [
        builder.constant(0.0),
        builder.constant(-0.0),
        builder.constant(1.0),
        builder.constant(1, INT),
        builder.constant(True, BOOL),
        builder.constant(1.0, F32),
        builder.constant(math.nan),
        builder.constant(math.inf),
    ]
    assert len(set(made)) == len(made)
    assert str(builder.value(made[1])) == "-0.0"
    assert builder.constant(1) == made[2], "a whole number among reals is a real"
    assert type(builder.value(made[2])) is float
    verify(builder.finish([("z", made[0])]))


def test_there_is_one_nan(builder: Builder) -> None:
    quiet = builder.constant(math.nan)
    assert builder.constant(-math.nan) == quiet
    assert builder.constant(struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_1234))[0]) == quiet


def test_names_and_inputs_are_never_merged(builder: Builder) -> None:
    x = builder.input("x")
    assert builder.name("a", x) != builder.name("a", x)
    product = builder.apply("mul", x, x)
    a, b = builder.name("a", product), builder.name("b", product)
    assert a != b
    assert builder.operands(a) == builder.operands(b) == (product,)


def test_a_square_is_one_edge_with_two_positions(builder: Builder) -> None:
    x, y = builder.input("x"), builder.input("y")
    square, mixed = builder.apply("mul", x, x), builder.apply("max", x, y, x)
    graph = builder.finish([("s", square), ("m", mixed)])
    assert graph.nx.number_of_edges(x, square) == 1
    assert graph.nx.edges[x, square]["positions"] == (0, 1)
    assert graph.nx.edges[x, mixed]["positions"] == (0, 2)
    assert graph.nx.edges[y, mixed]["positions"] == (1,)
    assert graph.users(x) == [square, mixed]


def test_the_finished_graph_refuses_changes() -> None:
    graph = chain()
    assert networkx.is_frozen(graph.nx)
    with pytest.raises(networkx.NetworkXError):
        graph.nx.add_node(99)
    with pytest.raises(networkx.NetworkXError):
        graph.nx.remove_edge(0, 2)
    with pytest.raises(networkx.NetworkXError):
        graph.nx.append(99, {"operands": ()})
    for table in (graph.names, graph.spans, graph.adjoints, graph.functions):
        with pytest.raises(TypeError):
            table["a"] = 1  # type: ignore[index]
    with pytest.raises(TypeError):
        graph.nx.edges[0, 2]["positions"] = ()


def test_the_builder_ends_with_its_graph(builder: Builder) -> None:
    x = builder.input("x")
    builder.finish([("x", x)])
    with pytest.raises(RuntimeError):
        builder.finish([("x", x)])
    with pytest.raises(networkx.NetworkXError):
        builder.apply("sin", x)


def test_a_node_keeps_attributes_of_its_own(builder: Builder) -> None:
    n = builder.input("n", INT)
    attrs = {"dtype": "f32"}
    node = builder.apply("float", n, attrs=attrs)
    attrs["dtype"] = "f64"
    assert builder.finish([("y", node)]).attrs(node) == {"dtype": "f32"}


def test_defaults_take_the_type_of_their_input(builder: Builder) -> None:
    x = builder.input("x", default=3)
    graph = builder.finish([("x", x)])
    assert type(graph.attrs(x)["default"]) is float


def test_a_type_rule_refuses(builder: Builder) -> None:
    x, p = builder.input("x"), builder.input("p", BOOL)
    with pytest.raises(TypeMismatch) as caught:
        builder.apply("mul", x, p)
    assert caught.value.position == 1


def test_reading() -> None:
    graph = chain()
    assert [graph.op(node) for node in graph] == ["input", "const", "mul", "name", "pow", "name"]
    assert graph.constant(1) == 2.0
    assert graph.constant(0) is None
    assert graph.through_names(5) == 4
    assert graph.output("c") == 5
    with pytest.raises(KeyError):
        graph.output("b")
    assert graph.live() == set(range(6)) == ancestors(graph.data, [5])
    assert graph.name(3) == "b"
    assert graph.name(4) is None
    assert graph.span(2) == Span("chain.grad", 2, 5, 3)


def test_a_shared_node_remembers_some_of_its_places(builder: Builder) -> None:
    x = builder.input("x")
    for line in range(1, 100):
        builder.span = Span("f.grad", line, 1, 3)
        square = builder.apply("mul", x, x)
        two = builder.constant(2.0)
        builder.apply("mul", x, x)
    graph = builder.finish([("s", square)])
    for node in (square, two):
        assert graph.span(node) == Span("f.grad", 1, 1, 3)
        assert graph.spans[node] == tuple(Span("f.grad", line, 1, 3) for line in range(2, 2 + MAX_SPANS))


def test_a_limit_of_nodes() -> None:
    builder = Builder(TABLE, max_nodes=2)
    x = builder.input("x")
    builder.apply("sin", x)
    with pytest.raises(NodeLimit):
        builder.apply("cos", x)


def test_a_copy_is_free_to_change() -> None:
    graph = chain()
    copy = graph.copy()
    copy.add_node(17, op="exp", operands=(2,), type=F64)
    copy.nodes[3]["operands"] = (17,)
    copy.nodes[3]["name"] = "renamed"
    changed = Graph.from_nx(copy)
    assert len(graph) == 6
    assert graph.name(3) == "b"
    assert list(changed) == list(range(7))
    assert changed.op(changed.operands(changed.names["b"])[0]) == "exp"
    assert changed.nx.has_edge(*changed.operands(changed.names["b"]), changed.names["b"]), "edges follow operands"


def test_an_unchanged_copy_comes_back_whole() -> None:
    graph = chain()
    assert diff.diff(graph, Graph.from_nx(graph.copy()), spans=True) == ""


def test_side_tables_survive_a_copy(builder: Builder) -> None:
    x = builder.input("x")
    builder.span = Span("f.grad", 1, 1, 1)
    y = builder.apply("sin", x)
    builder.span = Span("f.grad", 2, 1, 1)
    builder.apply("sin", x)
    builder.adjoint_of = y
    slope = builder.apply("cos", x)
    builder.adjoints[y, x, 1] = slope
    graph = Graph.from_nx(builder.finish([("y", y)]).copy())
    assert graph.adjoints == {(y, x, 1): slope}
    assert graph.spans == {y: (Span("f.grad", 2, 1, 1),)}
    assert graph.adjoint_of(slope) == y


def test_renumbering_keeps_adjoint_marks(builder: Builder) -> None:
    x = builder.input("x")
    y = builder.apply("sin", x)
    builder.adjoint_of = y
    builder.apply("cos", x)
    copy = builder.finish([("y", y)]).copy()
    # y now waits for a node that a caller has added, so that its adjoint is numbered before it.
    copy.add_node(10, op="exp", operands=(x,), type=F64)
    copy.nodes[y]["operands"] = (10,)
    graph = Graph.from_nx(copy)
    assert [graph.op(node) for node in graph] == ["input", "cos", "exp", "sin"]
    assert graph.adjoint_of(1) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda dag: dag.nodes[2].update(operands=(1, 77)), "node 2 has operand 77, which does not exist"),
        (lambda dag: dag.nodes[2].update(operands=(1, 5)), "the graph has a cycle"),
        (lambda dag: dag.add_node(9), "node 9 lacks 'op' or 'type'"),
        (lambda dag: dag.graph.update(outputs=[("z", 88)]), "the output node 88 does not exist"),
        (lambda dag: dag.nodes[2].update(type=INT), "I4: node 2 (mul) has type int, but its operands give f64"),
    ],
)
def test_from_nx_refuses(change: object, message: str) -> None:
    copy = chain().copy()
    change(copy)  # type: ignore[operator]
    with pytest.raises(InvalidGraph) as caught:
        Graph.from_nx(copy)
    assert str(caught.value) == message


def test_from_nx_needs_a_table() -> None:
    with pytest.raises(TypeError, match="pass ops"):
        Graph.from_nx(networkx.DiGraph())


def test_pickling() -> None:
    graph = chain()
    again = pickle.loads(pickle.dumps(graph))
    assert diff.diff(graph, again, spans=True) == ""
    assert networkx.is_frozen(again.nx)
    verify(again)


@given(array_graphs())
def test_arrays_survive_pickling_and_copying(graph: Graph) -> None:
    for again in (pickle.loads(pickle.dumps(graph)), Graph.from_nx(graph.copy())):
        assert diff.diff(graph, again, spans=True) == ""
        assert again.constraints == graph.constraints
        assert [again.type(node) for node in again] == [graph.type(node) for node in graph]


def test_fresh_indices_are_fresh(builder: Builder) -> None:
    # Before a node is made of the first, too.
    made = [builder.fresh("k", 3), builder.fresh("k", 4), builder.fresh("i", 3)]
    assert len({index.name for index in made}) == 3
    for index in made:
        builder.apply("index", attrs={"index": index})
    assert builder.fresh("k", 5) not in made


def test_fresh_indices_are_none_of_those_of_a_larger_graph() -> None:
    builder = Builder(TABLE)
    last = builder.apply("index", attrs={"index": Index("k.5", 3)})
    graph = builder.finish([("y", builder.apply("sum", last, attrs={"axes": (), "over": (Index("k.5", 3),)}))])
    again = Builder.continuing(graph)
    streamed = Builder(TABLE)
    number = {0: replay(graph, 0, streamed, {})}
    streamed.reserve(graph)
    late = Builder(TABLE)
    late.reserve(graph)
    for other in (again, streamed, late):
        assert {other.fresh("k", 3).name for _ in range(9)}.isdisjoint({"k.5"})
    assert number == {0: 0}


def test_array_constants_are_keyed_by_shape(builder: Builder) -> None:
    n = named("n")
    made = [builder.constant(1.0, typed("f64", shape)) for shape in ((), (n,), (n + 1,), (2,), (n, 2))]
    assert len(set(made)) == len(made)
    assert builder.constant(1, typed("f64", (1 + n,))) == made[2]
    assert builder.constant(1.0, Type("f64", (n,), (Index("i", n),))) == made[1], "a constant has no free indices"
    assert builder.type(made[3]) == Type("f64", (2,))


def test_defaults_of_arrays(builder: Builder) -> None:
    x = builder.input("x", typed("f64", (2, named("n"))), default=[[1, 2], (3, True)])
    k = builder.input("k", typed("int", (2,)), default=(1, 2))
    graph = verify(builder.finish([("x", x), ("k", k)]))
    assert repr(graph.attrs(x)["default"]) == "((1.0, 2.0), (3.0, 1.0))"
    assert graph.attrs(k)["default"] == (1, 2)


def test_a_long_chain_needs_no_stack(builder: Builder) -> None:
    node = builder.input("x")
    for _ in range(100_000):
        node = builder.apply("sin", node)
    graph = builder.finish([("y", node)])
    verify(graph)
    assert len(graph.live()) == 100_001
    again = pickle.loads(pickle.dumps(graph))
    assert diff.equal(graph, again)


def test_a_pass_that_changes_nothing() -> None:
    graph = chain()
    builder = Builder(TABLE)
    number: dict[int, int] = {}
    for node in graph:
        number[node] = replay(graph, node, builder, number)
    assert diff.diff(graph, transfer(graph, builder, number), spans=True) == ""


def test_a_builder_that_continues_a_graph_leaves_it_as_it_was() -> None:
    graph = chain()
    users = {node: graph.users(node) for node in graph}
    builder = Builder.continuing(graph)
    a, b = graph.names["a"], graph.names["b"]
    assert builder.apply("mul", builder.constant(2.0), a) == graph.operands(b)[0]
    further = builder.apply("add", a, b)
    grown = builder.finish([*graph.outputs, ("further", further)])
    verify(grown)
    assert {node: graph.users(node) for node in graph} == users
    assert [grown.data[node] for node in graph] == [graph.data[node] for node in graph]
    assert (grown.inputs, grown.names, grown.users(a)) == (graph.inputs, graph.names, [*users[a], further])
    with pytest.raises(networkx.NetworkXError):
        grown.nx.add_edge(a, further)


def test_a_builder_that_continues_a_graph_keeps_to_its_limit() -> None:
    builder = Builder.continuing(chain(), max_nodes=len(chain()))
    with pytest.raises(NodeLimit):
        builder.apply("sin", builder.inputs[0])
