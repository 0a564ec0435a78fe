"""Each invariant, broken by hand, is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gradc.ir.dag import Dag
from gradc.ir.graph import Builder, Graph
from gradc.ir.region import Function
from gradc.ir.types import BOOL, F64, INT
from gradc.ir.verify import InvalidGraph, verify
from gradc.ops import TABLE

X = {"op": "input", "operands": (), "type": F64, "attrs": {"kind": "input"}, "name": "x"}


def graph(*nodes: dict[str, Any], numbers: list[int] | None = None, **tables: Any) -> Graph:
    """A graph of these nodes, whatever is wrong with them."""
    dag = Dag()
    for number, data in zip(numbers or range(len(nodes)), nodes, strict=True):
        dag.add_node(number, **data)
        for operand in dict.fromkeys(data["operands"]):
            places = tuple(i for i, other in enumerate(data["operands"]) if other == operand)
            dag.add_edge(operand, number, positions=places)
    given = {"inputs": [n for n, data in dag.nodes(data=True) if data.get("op") == "input"], "outputs": [], "names": {}}
    return Graph(dag, TABLE, **(given | tables))


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
]


@pytest.mark.parametrize(("rule", "make", "message"), BROKEN, ids=[f"{rule}-{text[:40]}" for rule, _, text in BROKEN])
def test_a_broken_invariant_is_named(rule: str, make: Callable[[], Graph], message: str) -> None:
    with pytest.raises(InvalidGraph) as caught:
        verify(make())
    assert caught.value.rule == rule
    assert str(caught.value).startswith(f"{rule}: {message}")


def test_every_invariant_is_broken_once() -> None:
    numbered = [line.split()[1] for line in (verify.__doc__ or "").splitlines() if line.strip().startswith("- I")]
    assert sorted({rule for rule, _, _ in BROKEN}) == numbered


def test_what_may_stand_twice() -> None:
    verify(graph(X, node("name", 0, name="a"), node("name", 0, name="a"), const(0.0), const(-0.0), const(0, INT)))


def test_calls() -> None:
    verify(graph(X, CALL, functions={"square": square()}))
    # The body of a function that calls another: the program's table resolves that.
    verify(graph(X, CALL))
