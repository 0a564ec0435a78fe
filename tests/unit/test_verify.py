"""Each invariant, broken by hand, is named."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from strategies import array_graphs

from gradc.ir.builder import Builder
from gradc.ir.dag import Dag
from gradc.ir.graph import Constraint, Graph
from gradc.ir.op import Op, OpTable
from gradc.ir.region import Function
from gradc.ir.sizes import named
from gradc.ir.types import BOOL, F64, INT, Index, Type, tape_of, tuple_of
from gradc.ir.verify import InvalidGraph, verify
from gradc.ops import TABLE

X = {"op": "input", "operands": (), "type": F64, "attrs": {"kind": "input"}, "name": "x"}


N, M = named("n"), named("m")
P, Q = Index("i", N), Index("j", M)
V, A = Type("f64", (N,)), Type("f64", (N, M))


def graph(*nodes: dict[str, Any], numbers: list[int] | None = None, ops: OpTable = TABLE, **tables: Any) -> Graph:
    """A graph of these nodes, whatever is wrong with them."""
    dag = Dag()
    for number, data in zip(numbers or range(len(nodes)), nodes, strict=True):
        dag.add_node(number, **data)
        for operand in dict.fromkeys(data["operands"]):
            places = tuple(i for i, other in enumerate(data["operands"]) if other == operand)
            dag.add_edge(operand, number, positions=places)
    given = {"inputs": [n for n, data in dag.nodes(data=True) if data.get("op") == "input"], "outputs": [], "names": {}}
    return Graph(dag, ops, **(given | tables))


def node(op: str, *operands: int, type: Any = F64, **data: Any) -> dict[str, Any]:
    return {"op": op, "operands": operands, "type": type, **data}


def const(value: Any, type: Any = F64) -> dict[str, Any]:
    return node("const", type=type, attrs={"value": value})


def square(params: tuple[str, ...] = ("x",), results: int = 1) -> Function:
    body = Builder(TABLE)
    x = body.input("x")
    partials = Builder(TABLE)
    slope = partials.apply("mul", partials.constant(2.0), partials.input("x"))
    y = body.finish([(f"y{i}", body.apply("mul", x, x)) for i in range(results)])
    return Function("square", params, y, partials.finish([("x", slope)]))


def without_edge() -> Graph:
    made = graph(X, node("sin", 0))
    made.nx.remove_edge(0, 1)
    return made


def with_edge() -> Graph:
    made = graph(X, node("sin", 0), node("cos", 0))
    made.nx.add_edge(1, 2, positions=(1,))
    return made


def misplaced() -> Graph:
    made = graph(X, node("mul", 0, 0))
    made.nx.edges[0, 1]["positions"] = (0,)
    return made


def array(type: Any = V, **attrs: Any) -> dict[str, Any]:
    return {**X, "type": type, "attrs": {"kind": "input", **attrs}}


def index(which: Any = P, type: Any = None) -> dict[str, Any]:
    return node("index", type=type or Type("int", (), (which,)), attrs={"index": which})


def reading(items: Any, *operands: int, type: Any = F64) -> Graph:
    """An access to a matrix with these items, beside an integer."""
    return graph(array(A), const(0, INT), node("access", 0, *operands, type=type, attrs={"items": items}))


def filling(parts: Any, shape: Any = (N,), *operands: int) -> Graph:
    made = node("assemble", *(operands or (0,)), type=V, attrs={"shape": shape, "parts": parts})
    return graph(array(V), index(), made)


def summing(**attrs: Any) -> Graph:
    return graph(array(A), node("sum", 0, attrs={"axes": (0, 1), "over": (), **attrs}))


def shaped(op: str, **attrs: Any) -> Graph:
    return graph(array(A), node(op, 0, type=A, attrs=attrs))


def bad_rule(types: Any, attrs: Any) -> Type:
    raise ZeroDivisionError("what?")


BAD = TABLE.extend(Op(name="bad", doc="", kind="structural", type_rule=bad_rule))

Y = {"op": "input", "operands": (), "type": F64, "attrs": {"kind": "operand"}, "name": "y"}
AT = {**Y, "type": INT, "name": "t"}


def body(*nodes: dict[str, Any], inputs: tuple[dict[str, Any], ...] = (AT, Y), result: int | None = None) -> Graph:
    """The body of a loop that carries one number: its last node, or that of the number ``result``."""
    return graph(*inputs, *nodes, outputs=[("y", len(inputs) + len(nodes) - 1 if result is None else result)])


SINE = node("sin", 1)
PAIR = tuple_of([F64])


def looping(
    *more: dict[str, Any], inner: Graph | None = None, type: Any = PAIR, outputs: tuple[Any, ...] = (), **attrs: Any
) -> Graph:
    """A loop in a program, at node 3, and further nodes."""
    given = {"body": inner or body(SINE), "carried": 1, **attrs}
    loop = node("for", 1, 2, 0, type=type, attrs={key: value for key, value in given.items() if value is not None})
    return graph(X, const(0, INT), const(2, INT), loop, *more, outputs=outputs)


def turning(**attrs: Any) -> Graph:
    """A `while` in a program."""
    test = body(node("lt", 1, 1, type=BOOL))
    given = {"body": body(SINE), "test": test, "carried": 1, **attrs}
    return graph(X, node("while", 0, type=tuple_of([F64, INT]), attrs=given))


def get(place: Any, of: int = 3, type: Any = F64) -> dict[str, Any]:
    return node("get", of, type=type, attrs={"place": place})


CALL = node("call", 0, attrs={"function": "square"})

BROKEN: list[tuple[str, Callable[[], Graph], str]] = [
    ("I1", lambda: graph(X, node("sin", 0), numbers=[0, 5]), "node 5 stands where 1 is due"),
    ("I1", lambda: graph(X, node("sin", 2), node("cos", 0), numbers=[0, 1, 2]), "node 1 reads 2, which is not an"),
    ("I1", lambda: graph(X, node("sin", 1)), "node 1 reads 1, which is not an earlier node"),
    ("I2", lambda: graph(X, node("sine", 0)), "node 1 has the unknown op 'sine'"),
    ("I2", lambda: graph(X, node("mul", 0)), "node 1 has 1 operands, which 'mul' does not take"),
    ("I3", without_edge, "node 1 has edges {}, but its operands call for {0: (0,)}"),
    ("I3", with_edge, "node 2 has edges {0: (0,), 1: (1,)}, but its operands call for {0: (0,)}"),
    ("I3", misplaced, "node 1 has edges {0: (0,)}, but its operands call for {0: (0, 1)}"),
    ("I4", lambda: graph(X, node("sin", 0, type=INT)), "node 1 (sin) has type int, but its operands give f64"),
    ("I4", lambda: graph(const(True, BOOL), node("sin", 0)), "node 1 (sin) does not take its operand 1: expected"),
    ("I4", lambda: graph(X, node("sin", 0, type="f64")), "node 1 has 'f64' for a type"),
    (
        "I5",
        lambda: graph(X, node("sin", 0, attrs={"axis": 0})),
        "node 1 has the attribute 'axis', which 'sin' does not",
    ),
    ("I5", lambda: graph(const(2, INT), node("float", 0, attrs={"dtype": 3})), "node 1 has the attribute 'dtype' = 3,"),
    ("I5", lambda: graph(node("const")), "node 0 is a constant without a value"),
    ("I5", lambda: graph(const(1)), "node 0 has the value 1, which is not of type f64"),
    ("I5", lambda: graph(const(True, INT)), "node 0 has the value True, which is not of type int"),
    ("I5", lambda: graph({**X, "attrs": {}}), "node 0 has the kind None, not one of input, param"),
    ("I5", lambda: graph({**X, "attrs": {"kind": "input", "default": 2}}), "node 0 has the value 2, which is not of"),
    ("I5", lambda: graph(X, node("name", 0)), "node 1 has a name exactly if it is an input or a name node"),
    ("I5", lambda: graph(X, node("sin", 0, name="s")), "node 1 has a name exactly if it is an input or a name node"),
    ("I6", lambda: graph(X, node("sin", 0), node("sin", 0)), "node 2 equals node 1"),
    ("I6", lambda: graph(const(2.0), const(2.0)), "node 1 equals node 0"),
    ("I7", lambda: graph(X, inputs=[]), "the inputs are [], but the graph has [0]"),
    ("I7", lambda: graph(X, X), "node 1 is a second input of the name 'x'"),
    ("I7", lambda: graph(X, outputs=[("y", 0), ("y", 0)]), "two outputs have one name"),
    ("I7", lambda: graph(X, outputs=[("y", 4)]), "'y' is node 4, which does not exist"),
    ("I7", lambda: graph(X, names={"z": 4}), "'z' is node 4, which does not exist"),
    ("I7", lambda: graph(X, adjoints={(0, 0, 1): 4}), "the adjoint (0, 0, 1) -> 4 is not one of existing nodes"),
    ("I7", lambda: graph(X, adjoints={(0, 0, 0): 0}), "the adjoint (0, 0, 0) -> 0 is not one of existing nodes"),
    ("I8", lambda: graph(X, node("sin", 0, adjoint_of=9)), "node 1 is an adjoint of 9, which does not exist"),
    (
        "I9",
        lambda: graph(X, functions={"f": square(("x", "y"))}),
        "the parts of the function 'square' do not fit its 2",
    ),
    ("I9", lambda: graph(X, functions={"f": square(results=2)}), "the parts of the function 'square' do not fit its 1"),
    (
        "I9",
        lambda: graph(X, node("call", 0, 0, attrs={"function": "square"}), functions={"square": square()}),
        "node 1 calls 'square' with 2 operands, not 1",
    ),
    # Arrays: types.
    ("I4", lambda: graph(array(Type("f64", (-1,)))), "node 0 has the shape (-1,), not a tuple of extents"),
    ("I4", lambda: graph(array(Type("f64", (True,)))), "node 0 has the shape (True,), not a tuple of extents"),
    ("I4", lambda: graph(array(Type("f64", ("n",)))), "node 0 has the shape ('n',), not a tuple of extents"),  # type: ignore[arg-type]
    ("I4", lambda: graph(array(Type("f64", [2]))), "node 0 has the shape [2], not a tuple of extents"),  # type: ignore[arg-type]
    ("I4", lambda: graph(array(Type("f16", (2,)))), "node 0 has the unknown number type 'f16'"),
    ("I4", lambda: graph(array(Type("f64", (), ("i",)))), "node 0 has the free indices ('i',), not different"),  # type: ignore[arg-type]
    ("I4", lambda: graph(array(Type("f64", (), (Q, P)))), "node 0 has the free indices (Index(name='j'"),
    ("I4", lambda: graph(array(Type("f64", (), (P, P)))), "node 0 has the free indices (Index(name='i'"),
    ("I4", lambda: graph(array(Type("f64", (), (Index("i.x", N),)))), "node 0 has the free indices (Index(name='i.x'"),
    ("I4", lambda: graph(array(), const(2.0), node("add", 0, 1)), "node 2 (add) does not take its operand 2: expected"),
    ("I4", lambda: graph(index(), node("float", 0)), "node 1 (float) has type f64, but its operands give f64{i: n}"),
    ("I4", lambda: reading((None, None), 1, 1, type=V), "node 2 (access) has type f64[n], but its operands give f64"),
    ("I4", lambda: reading((None, None), 1), "node 2 (access) does not take its operand 1: expected an array of 2"),
    ("I4", lambda: reading((None,) * 3, 1, 1, 1), "node 2 (access) does not take its operand 1: expected an array of"),
    ("I4", lambda: reading((None,), 0), "node 2 (access) does not take its operand 2: expected an integer"),
    ("I4", lambda: filling(()), "node 2 (assemble) does not take its operand 1: expected as many operands as"),
    ("I4", lambda: filling((((None,), ()),)), "node 2 (assemble) does not take its operand 1: expected as many"),
    ("I4", lambda: filling(((((0, 1, 2),), ()),)), "node 2 (assemble) does not take its operand 1: expected a part of"),
    ("I4", lambda: summing(axes=(0, 2)), "node 1 (sum) does not take its operand 1: expected an array with these axes"),
    ("I4", lambda: shaped("transpose", order=(0,)), "node 1 (transpose) does not take its operand 1: expected an"),
    ("I4", lambda: shaped("broadcast", shape=(N,)), "node 1 (broadcast) does not take its operand 1: expected what"),
    # Arrays: attributes.
    ("I5", lambda: reading([None], 1), "node 2 has the attribute 'items' = [None], not of type tuple"),
    ("I5", lambda: reading((0,), 1), "node 2 has the attribute 'items' = (0,), not a tuple of None and slices"),
    ("I5", lambda: reading(((0, 1),)), "node 2 has the attribute 'items' = ((0, 1),), not a tuple of None and slices"),
    ("I5", lambda: reading(((0, 0, 1),)), "node 2 has the attribute 'items' = ((0, 0, 1),), not a tuple of None and"),
    ("I5", lambda: reading(((0, 1, -1),)), "node 2 has the attribute 'items' = ((0, 1, -1),), not a tuple of None"),
    ("I5", lambda: reading((("n", 1, N),)), "node 2 has the attribute 'items' = (('n', 1, Size(n)),), not a tuple"),
    ("I5", lambda: graph(array(), node("access", 0)), "node 1 lacks the attribute 'items'"),
    ("I5", lambda: filling(3), "node 2 has the attribute 'parts' = 3, not of type tuple"),
    ("I5", lambda: filling((3,)), "node 2 has the attribute 'parts' = (3,), not a tuple of items with indices"),
    ("I5", lambda: filling((((None,), (P, P)),), (N,), 0, 1), "node 2 has the attribute 'parts' = (((None,), (Index("),
    ("I5", lambda: filling((((), ()),), ("n",)), "node 2 has the attribute 'shape' = ('n',), not a tuple of extents"),
    ("I5", lambda: summing(axes=("0",)), "node 1 has the attribute 'axes' = ('0',), not a tuple of different axes"),
    ("I5", lambda: summing(axes=(True,)), "node 1 has the attribute 'axes' = (True,), not a tuple of different axes"),
    ("I5", lambda: summing(axes=(0, 0)), "node 1 has the attribute 'axes' = (0, 0), not a tuple of different axes"),
    ("I5", lambda: summing(axes=(-1,)), "node 1 has the attribute 'axes' = (-1,), not a tuple of different axes"),
    ("I5", lambda: summing(over=("i",)), "node 1 has the attribute 'over' = ('i',), not a tuple of different indices"),
    ("I5", lambda: summing(over=(P, P)), "node 1 has the attribute 'over' = (Index(name='i', extent=Size(n)), Index"),
    ("I5", lambda: graph(array(), node("sum", 0, attrs={"axes": (0,)})), "node 1 lacks the attribute 'over'"),
    ("I5", lambda: shaped("tabulate", indices=("i",)), "node 1 has the attribute 'indices' = ('i',), not a tuple of"),
    ("I5", lambda: shaped("transpose", order=(1, 1)), "node 1 has the attribute 'order' = (1, 1), not a tuple of"),
    ("I5", lambda: shaped("reshape", shape=(-1,)), "node 1 has the attribute 'shape' = (-1,), not a tuple of extents"),
    ("I5", lambda: graph(array(), node("cumsum", 0, attrs={"axis": True, "reverse": False})), "node 1 has the attri"),
    (
        "I5",
        lambda: graph(array(), node("cumsum", 0, type=V, attrs={"reverse": False})),
        "node 1 lacks the attribute 'axis'",
    ),
    ("I5", lambda: graph(index("i", INT)), "node 0 has the attribute 'index' = 'i', not of type Index"),
    ("I5", lambda: graph(index(Index("i", -1), INT)), "node 0 has the attribute 'index' = Index(name='i', extent=-1)"),
    ("I5", lambda: graph(X, node("bad", 0), ops=BAD), "node 1 (bad) has attributes {}, of which its type rule makes"),
    # Arrays: constants and defaults.
    ("I5", lambda: graph(const((1.0, 2.0), V)), "node 0 has the value (1.0, 2.0), which is not of type f64[n]"),
    ("I5", lambda: graph(const(1, V)), "node 0 has the value 1, which is not of type f64[n]"),
    ("I5", lambda: graph(array(A, default=(1.0,))), "node 0 has a default whose axis 1 is not one of f64[n, m]"),
    ("I5", lambda: graph(array(A, default=((1.0,), (1.0, 2.0)))), "node 0 has a default whose axis 1 is not one of"),
    ("I5", lambda: graph(array(V, default=((1.0,),))), "node 0 has the value (1.0,) in its default, which is not of"),
    ("I5", lambda: graph(array(V, default=(1.0, 2))), "node 0 has the value 2 in its default, which is not of type"),
    ("I5", lambda: graph(array(F64, default=(1.0,))), "node 0 has the value (1.0,) in its default, which is not of"),
    ("I5", lambda: graph(array(Type("f64", (3,)), default=(1.0,))), "node 0 has a default whose axis 0 is not one of"),
    ("I6", lambda: graph(const(2.0, V), const(2.0, V)), "node 1 equals node 0"),
    ("I6", lambda: graph(index(), index()), "node 1 equals node 0"),
    # Arrays: free indices and constraints.
    ("I10", lambda: graph(array(Type("f64", (), (P,)))), "node 0 has free indices: f64{i: n}"),
    ("I10", lambda: graph(const(1.0, Type("f64", (), (P,)))), "node 0 has free indices: f64{i: n}"),
    ("I10", lambda: graph(index(), outputs=[("y", 0)]), "node 0 is the output 'y' and has free indices: int{i: n}"),
    ("I10", lambda: graph(index(), index(Index("i", M))), "node 1 has the index i: m, but i runs to n elsewhere"),
    ("I10", lambda: graph(index(), array(), node("sum", 1, attrs={"axes": (0,), "over": (Index("i", 3),)})), "node 2"),
    ("I11", lambda: graph(X, constraints=[Constraint("<", N, M)]), "the constraint Constraint(relation='<', left="),
    ("I11", lambda: graph(X, constraints=[Constraint("==", N, "m")]), "the constraint Constraint(relation='==', "),  # type: ignore[arg-type]
    # Regions.
    ("I4", lambda: looping(get(1)), "node 4 (get) does not take its operand 1: expected the results of a region with"),
    ("I4", lambda: looping(get(0, type=INT)), "node 4 (get) has type int, but its operands give f64"),
    ("I4", lambda: looping(get(0, of=0)), "node 4 (get) does not take its operand 1: expected the results of a region"),
    ("I4", lambda: looping(carried=0), "node 3 (for) does not take its operand 1: expected a number of iterations"),
    ("I4", lambda: looping(inner=body(result=0)), "node 3 (for) does not take its operand 3: expected a body that"),
    ("I4", lambda: looping(tapes=2), "node 3 (for) does not take its operand 3: expected 3 operands"),
    ("I4", lambda: looping(carried=2), "node 3 (for) does not take its operand 3: expected 3 operands"),
    (
        "I4",
        lambda: looping(inner=body(SINE, node("cos", 1), result=2), carried=0, tapes=1, scanned=3, extent=2),
        "node 3 (for) does not take its operand 1: expected a body with 4 inputs or more",
    ),
    ("I4", lambda: looping(type=F64), "node 3 (for) has type f64, but its operands give (f64)"),
    ("I4", lambda: looping(type=tape_of(F64)), "node 3 (for) has type tape f64, but its operands give (f64)"),
    ("I4", lambda: looping(type=tuple_of([PAIR])), "node 3 has the type ((f64)), whose part (f64) cannot be one"),
    ("I4", lambda: looping(type=Type("tape")), "node 3 has the type Type(dtype='tape', shape=(), free=(), parts=()),"),
    ("I5", lambda: looping(body=3), "node 3 has the attribute 'body' = 3, not of type Graph"),
    ("I5", lambda: looping(body=None), "node 3 lacks the attribute 'body'"),
    ("I5", lambda: looping(carried=None), "node 3 lacks the attribute 'carried'"),
    ("I5", lambda: looping(carried=True), "node 3 has the attribute 'carried' = True, not of type int"),
    ("I5", lambda: looping(scanned=-1), "node 3 has the attribute 'scanned' = -1, not a count"),
    ("I5", lambda: looping(extent=-1), "node 3 has the attribute 'extent' = -1, not an extent"),
    ("I5", lambda: looping(backwards=1), "node 3 has the attribute 'backwards' = 1, not of type bool"),
    ("I5", lambda: looping(test=body(SINE)), "node 3 has the attribute 'test', which 'for' does not know"),
    ("I5", lambda: looping(get(-1)), "node 4 has the attribute 'place' = -1, not a count"),
    ("I5", lambda: graph({**X, "attrs": {"kind": "param", "extent": N}}), "node 0 has the attribute 'extent', which"),
    ("I6", lambda: looping(node("for", 1, 2, 0, type=PAIR, attrs={"body": body(SINE), "carried": 1})), "node 4 equals"),
    ("I12", lambda: graph(Y), "node 0 is an operand, which only the body of a region has"),
    ("I12", lambda: looping(inner=body(inputs=(AT, X))), "node 3 has a body in which I12: node 1 has the kind 'input'"),
    ("I12", lambda: looping(inner=body(node("sin", 7))), "node 3 has a body in which I1: node 2 reads 7, which is not"),
    ("I12", lambda: looping(inner=body(node("sin", 1, type=INT))), "node 3 has a body in which I4: node 2 (sin) has"),
    (
        "I12",
        lambda: looping(inner=body(inputs=(AT, {**Y, "attrs": {"kind": "operand", "default": 1.0}}))),
        "node 3 has a body in which I5: node 1 is an operand and has a default",
    ),
    (
        "I12",
        lambda: looping(inner=body(inputs=(AT, {**Y, "attrs": {"kind": "operand", "extent": N}}))),
        "node 3 has a body in which I5: node 1 is always Size(n), which is not an extent for an operand of type int",
    ),
    (
        "I12",
        lambda: looping(inner=body(node("for", 0, 0, 1, type=PAIR, attrs={"body": body(X), "carried": 1}), result=1)),
        "node 3 has a body in which I12: node 2 has the kind 'input', but what enters a body is an operand",
    ),
    ("I12", lambda: looping(node("name", 3, type=PAIR, name="r")), "node 4 reads node 3, a tuple, which 'name' does"),
    ("I12", lambda: looping(outputs=(("y", 3),)), "node 3 is the output 'y' and no value: (f64)"),
    ("I12", lambda: graph({**X, "type": PAIR}), "node 0 is a tuple, which 'input' does not give"),
    ("I12", lambda: graph(const(0.0, tape_of(F64))), "node 0 is a tape, which 'const' does not give"),
    (
        "I12",
        lambda: looping(get(0, type=tape_of(F64)), node("sin", 4), carried=0, tapes=1, type=tuple_of([tape_of(F64)])),
        "node 5 reads node 4, a tape, which 'sin' does not take",
    ),
    ("I12", lambda: turning(scanned=1), "node 1 does not know how often it runs, so that it scans nothing and has one"),
    ("I12", lambda: turning(backwards=True), "node 1 does not know how often it runs, so that it scans nothing and"),
    ("I12", lambda: turning(extent=N), "node 1 does not know how often it runs, so that it scans nothing and has one"),
    ("I11", lambda: graph(X, constraints=[Constraint("==", N, M, 3)]), "the constraint Constraint(relation='==', "),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("rule", "make", "message"), BROKEN, ids=[f"{rule}-{text[:40]}" for rule, _, text in BROKEN])
def test_a_broken_invariant_is_named(rule: str, make: Callable[[], Graph], message: str) -> None:
    with pytest.raises(InvalidGraph) as caught:
        verify(make())
    assert caught.value.rule == rule
    assert str(caught.value).startswith(f"{rule}: {message}")


def test_every_invariant_is_broken_once() -> None:
    numbered = [line.split()[1] for line in (verify.__doc__ or "").splitlines() if line.strip().startswith("- I")]
    assert sorted({rule for rule, _, _ in BROKEN}, key=lambda rule: int(rule[1:])) == numbered


def test_what_may_stand_twice() -> None:
    verify(graph(X, node("name", 0, name="a"), node("name", 0, name="a"), const(0.0), const(-0.0), const(0, INT)))


def test_regions() -> None:
    verify(looping(get(0), outputs=(("y", 4),)))
    verify(turning())
    # A body by itself, and again as one that has been verified.
    inner = verify(body(SINE), body=True)
    verify(looping(inner=inner), known=[inner])
    assert verify(Graph.from_nx(inner.copy(), body=True), body=True).inputs == inner.inputs
    with pytest.raises(InvalidGraph, match="I12: node 0 is an operand"):
        Graph.from_nx(inner.copy())
    with pytest.raises(InvalidGraph, match="I12: node 0 has the kind 'input'"):
        verify(graph(X), body=True)


def test_calls() -> None:
    verify(graph(X, CALL, functions={"square": square()}))
    # The body of a function that calls another: the program's table resolves that.
    verify(graph(X, CALL))


def test_arrays() -> None:
    filled = (((None,), (P,)), (((0, 2, 1),), ()))
    verify(
        graph(
            array(A, default=((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))),
            index(),
            index(Q),
            node("access", 0, 1, 2, type=Type("f64", (), (P, Q)), attrs={"items": (None, None)}),
            node("sum", 3, type=Type("f64", (), (P,)), attrs={"axes": (), "over": (Q,)}),
            node("tabulate", 4, type=V, attrs={"indices": (P,)}),
            node("access", 5, type=Type("f64", (1,)), attrs={"items": ((N - 1, -1, 1),)}),
            node("assemble", 4, 1, 6, type=V, attrs={"shape": (N,), "parts": filled}),
            const(1.0, V),
            outputs=[("y", 7)],
            constraints=[Constraint(">=", N - 1, 0), Constraint("==", N, 2 * M)],
        )
    )


@given(array_graphs())
def test_whatever_a_builder_makes_of_arrays(made: Graph) -> None:
    verify(made)
    assert verify(pickle.loads(pickle.dumps(made))) is not made
    assert verify(Graph.from_nx(made.copy())).constraints == made.constraints


def test_random_arrays_have_every_structural_operator_of_their_steps() -> None:
    missing = {"index", "size", "access", "assemble", "tabulate", "broadcast", "reshape", "transpose", "sum", "matmul"}
    missing |= {"prod", "amax", "amin", "logsumexp", "norm", "softmax", "cumsum", "product_before", "sort"}

    @settings(max_examples=400, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(array_graphs())
    def collect(made: Graph) -> None:
        missing.difference_update(made.op(n) for n in made)

    collect()
    assert not missing


def test_what_a_type_rule_did_not_foresee_is_kept_as_the_cause() -> None:
    with pytest.raises(InvalidGraph) as caught:
        verify(graph(X, node("bad", 0), ops=BAD))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
