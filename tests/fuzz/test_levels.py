"""Random smooth programs with derivatives: all levels are equal over the reals."""

from __future__ import annotations

import random

import mpmath
import pytest

from gradc.driver import Options, optimise
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ops import TABLE

OPS = ["add", "sub", "mul", "div", "neg", "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "softplus", "log1p"]
OPS += ["expm1", "abs", "erf", "cosh", "sinh", "pow", "mul", "add", "sub", "mul"]
CONSTANTS = [0.0, 1.0, -1.0, 2.0, 3.0, 0.5, -2.0, 4.0, 0.25]


def program(seed: int) -> Graph:
    """A program of a dozen operations with names, its gradient and a second derivative, also by a name inside."""
    generator = random.Random(seed)
    builder = Builder(TABLE)
    inputs = [builder.input(name) for name in "xy"]
    pool = list(inputs)
    named: list[int] = []
    for i in range(generator.randint(4, 14)):
        op = generator.choice(OPS)
        operands = [generator.choice(pool[-6:]) for _ in range(TABLE[op].arity[0])]
        if len(operands) == 2 and generator.random() < 0.4:
            operands[generator.randrange(2)] = builder.constant(generator.choice(CONSTANTS))
        if op == "pow":
            operands[1] = builder.constant(generator.choice([2.0, 3.0, 1.0, -1.0, 0.0]))
        node = builder.apply(op, *operands)
        if generator.random() < 0.3:
            node = builder.name(f"n{i}", node)
            named.append(node)
        pool.append(node)
    y = pool[-1]
    outputs = [("y", y)]
    for count, v in enumerate([*inputs, *named[:2]]):
        first = builder.make("grad", (y, v))
        outputs += [(f"d{count}", first), (f"dd{count}", builder.make("grad", (first, inputs[0])))]
    return builder.finish(outputs)


def evaluate(graph: Graph, values: dict[str, float]) -> dict[str, mpmath.mpf | None]:
    """The outputs over the reals; None where there is no value."""
    made: dict[int, object] = {}
    for node, data in graph.data.items():
        if data["op"] == "const":
            value = data["attrs"]["value"]
            made[node] = value if isinstance(value, bool) else mpmath.mpf(value)
        elif data["op"] == "input":
            made[node] = mpmath.mpf(values[data["name"]])
        else:
            operands = [made[operand] for operand in data["operands"]]
            try:
                made[node] = None if None in operands else TABLE[data["op"]].precise(mpmath, *operands)
            except (ArithmeticError, ValueError, TypeError, mpmath.libmp.NoConvergence):
                made[node] = None
            if isinstance(made[node], mpmath.mpc) or (
                isinstance(made[node], mpmath.mpf) and not mpmath.isfinite(made[node])
            ):
                made[node] = None
    return {name: made[node] for name, node in graph.outputs}


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("block", range(5))
def test_levels_agree(level: int, block: int) -> None:
    for seed in range(40 * block, 40 * block + 40):
        graph = program(seed)
        plain = optimise(graph, Options(level=0)).graph
        better = optimise(graph, Options(level=level, verify=True)).graph
        generator = random.Random(seed)
        values = {name: generator.uniform(0.2, 1.8) for name in "xy"}
        with mpmath.workdps(50):
            left, right = evaluate(plain, values), evaluate(better, values)
            for name, value in left.items():
                if value is None or abs(value) > 1e100:
                    continue
                assert right[name] is not None, f"seed {seed}: {name} is {value}"
                # Folded constants are rounded to doubles.
                off = abs(right[name] - value)
                assert off <= 1e-9 * max(1, abs(value)), f"seed {seed}: {name} is {value}, became {right[name]}"
