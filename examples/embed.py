"""gradc inside a Python program: look into the graph with NetworkX, add an operator, add a pass.

Run it from anywhere: python examples/embed.py
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import networkx
import numpy

import gradc

HERE = Path(__file__).parent


def walk() -> None:
    """The graph of a program is a NetworkX graph: its algorithms answer questions about the program."""
    model = gradc.load(HERE / "two_paths.grad")
    graph = model.graph
    names = {node: name for name, node in graph.names.items()}
    start, end = graph.names["w2"], graph.names["L"]

    print("values and gradient ", model.value_and_grad("L")(w1=6, w2=2))
    for path in networkx.all_simple_paths(graph.nx, start, end):
        print("path from w2 to L   ", " → ".join(names[node] for node in path if node in names))
    needed = networkx.ancestors(graph.nx, graph.names["a"])
    print("a depends on        ", ", ".join(sorted(names[node] for node in needed if node in names)))
    print("longest chain       ", networkx.dag_longest_path_length(graph.nx, weight=None), "operations")


def own_operator() -> None:
    """An operator is one row: how it is evaluated, and its derivative in the notation of a textbook."""

    def softsign(x: float) -> float:
        return x / (1 + abs(x)) if not math.isinf(x) else math.copysign(1.0, x)

    row = gradc.Op(
        name="softsign",
        doc="x / (1 + |x|): a sigmoid without exponentials.",
        functions=("softsign",),
        type_rule=gradc.TABLE["tanh"].type_rule,
        uniform=True,
        scalar=softsign,
        array=lambda x: x / (1 + numpy.abs(x)),
        gradient="d softsign(x) = 1/(1 + abs(x))^2",
    )
    model = gradc.compile("param w = 3\ny = softsign(w)^2", ops=gradc.TABLE.extend(row))
    value, gradient = model.value_and_grad("y")()
    print("softsign(3)^2       ", value, gradient)


def own_pass() -> None:
    """A pass is a function from graph to graph. This one squares by multiplying; edges follow the operands."""

    def square(graph: gradc.Graph) -> gradc.Graph:
        dag = graph.copy()
        for _, data in dag.nodes(data=True):
            if data["op"] == "pow" and graph.constant(data["operands"][1]) == 2.0:
                base = data["operands"][0]
                data.update(op="mul", operands=(base, base))
        return gradc.Graph.from_nx(dag)

    model = gradc.load(HERE / "rosenbrock.grad", passes=[square])
    operators = Counter(model.optimized().op(node) for node in model.optimized())
    print("powers, products    ", operators["pow"], operators["mul"])
    print("f                   ", model()["f"])


if __name__ == "__main__":
    walk()
    own_operator()
    own_pass()
