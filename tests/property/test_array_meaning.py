"""Programs over arrays mean what their text says: each is also run by a naive evaluator of the syntax tree."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import gradc
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.parse import parse_expression

DATA: dict[str, Any] = {
    "x": np.array([0.5, -1.0, 2.0, 1.5]),
    "y": np.array([1.0, 3.0, -2.0, 0.25]),
    "u": np.array([2.0, -0.5, 1.0]),
    "A": np.arange(12.0).reshape(4, 3) / 4 - 1,
    "B": np.cos(np.arange(12.0)).reshape(3, 4),
    "S": np.sin(np.arange(16.0)).reshape(4, 4),
    "p": np.array([3, 0, 0, 2, 1]),
    "c": 0.75,
}
SIZES = {"n": 4, "m": 3, "k": 5}
HEAD = "input x[n], y[n], u[m], A[n, m], B[m, n], S[n, n], p[k]: int, c\n"
# Arrays by the sizes of their axes.
ARRAYS = {"x": "n", "y": "n", "u": "m", "A": "nm", "B": "mn", "S": "nn"}


class Program:
    """Makes random expressions that fit; ``free`` are the indices that are bound where one stands, with their sizes."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)
        self.names = iter("ijlsthvwbdefg")

    def scalar(self, depth: int, free: dict[str, str]) -> str:
        r = self.r
        if depth <= 0:
            return self.leaf(free)
        kind = r.randrange(11)
        if kind < 3:
            return f"({self.scalar(depth - 1, free)} {r.choice('+-*')} {self.scalar(depth - 1, free)})"
        if kind == 3:
            then, other = self.scalar(depth - 1, free), self.scalar(depth - 1, free)
            return f"(if {self.condition(depth - 1, free)} then {then} else {other})"
        if kind < 7:
            return self.reduction(depth, free)
        if kind == 7:
            return f"{r.choice(['sum', 'max', 'mean', 'min'])}({self.vector(depth - 1, free)[0]})"
        if kind == 8:
            left, size = self.vector(depth - 1, free)
            return f"({left} @ {self.sized(depth - 1, free, size)})"
        if kind == 9:
            return f"{r.choice(['sin', 'abs', 'relu'])}({self.scalar(depth - 1, free)})"
        vector, size = self.vector(depth - 1, free)
        return f"{vector}[{r.choice(['0', '-1', '1', f'{size} - 2'])}]"

    def condition(self, depth: int, free: dict[str, str]) -> str:
        r = self.r
        if free and r.random() < 0.5:
            i = r.choice(list(free))
            return f"{i} {r.choice(['<', '>', '==', '!='])} {r.choice(['0', '1', *free])}"
        return f"{self.scalar(depth - 1, free)} {r.choice(['<', '>='])} {self.scalar(depth - 1, free)}"

    def leaf(self, free: dict[str, str]) -> str:
        r = self.r
        choices = ["c", r.choice(["2", "0.5", "-1.5"]), r.choice(list(SIZES))]
        for name, axes in ARRAYS.items():
            bound = [[i for i, size in free.items() if size == axis] for axis in axes]
            if all(bound):
                choices += [f"{name}[{', '.join(r.choice(each) for each in bound)}]"] * 2
        choices += list(free)
        for i, size in free.items():
            if size == "k":
                choices += [f"x[p[{i}]]", f"A[p[{i}], {r.choice(['0', '-1'])}]"] * 2
            if size == "n":
                choices += [f"x[n - 1 - {i}]", f"(if {i} > 0 then y[{i} - 1] else 0)", f"A[{i}, 1]", f"B.T[{i}, 2]"]
            if size == "m":
                choices += [f"x[{i} + 1]", f"S[{i}, {i} + 1]"]
        return r.choice(choices)

    def reduction(self, depth: int, free: dict[str, str]) -> str:
        r = self.r
        count = r.choice([1, 1, 2])
        inner, clauses = dict(free), []
        for _ in range(count):
            i = next(self.names, None)
            if i is None:
                return self.leaf(free)
            size = r.choice(list(SIZES))
            triangle = [j for j, other in inner.items() if other == size]
            if triangle and r.random() < 0.5:
                j = r.choice(triangle)
                clauses.append(f"{i} in {r.choice([f'0..{j}', f'{j} + 1..{size}', f'{j}..{size}'])}")
            else:
                clauses.append(f"{i} in 0..{size}")
            inner[i] = size
        body = self.scalar(depth - 1, inner)
        condition = f" if {self.condition(depth - 1, inner)}" if r.random() < 0.3 else ""
        # A product of integers would soon leave 64 bits.
        head = r.choice(["sum(", "sum(", "prod(1.0*"])
        return f"{head}{body} for {', '.join(clauses)}{condition})"

    def vector(self, depth: int, free: dict[str, str]) -> tuple[str, str]:
        size = self.r.choice(["n", "m"])
        return self.sized(depth, free, size), size

    def sized(self, depth: int, free: dict[str, str], size: str) -> str:
        r = self.r
        if depth <= 0 or r.random() < 0.2:
            own = [name for name, axes in ARRAYS.items() if axes == size]
            matrices = [name for name, axes in ARRAYS.items() if axes[1:] == size]
            columns = [name for name, axes in ARRAYS.items() if len(axes) == 2 and axes[0] == size]
            row = f"{r.choice(matrices)}[{r.choice(['0', '-1', '1'])}]"
            return r.choice([*own, *own, row, f"{r.choice(columns)}[:, 1]"])
        kind = r.randrange(6)
        if kind == 0:
            return f"({self.sized(depth - 1, free, size)} {r.choice('+-*')} {self.sized(depth - 1, free, size)})"
        if kind == 1:
            return f"({self.scalar(depth - 1, free)} * {self.sized(depth - 1, free, size)})"
        if kind == 2:
            return f"{self.sized(depth - 1, free, size)}[::-1]"
        if kind == 3:
            other = r.choice(["n", "m"])
            matrix = {"nm": "A", "mn": "B", "nn": "S", "mm": "(B @ A)"}[size + other]
            return f"({matrix} @ {self.sized(depth - 1, free, other)})"
        if kind == 4:
            return f"{r.choice(['cumsum', 'softmax', 'sort'])}({self.sized(depth - 1, free, size)})"
        i = next(self.names, None)
        if i is None:
            return self.sized(0, free, size)
        return f"[{self.scalar(depth - 1, {**free, i: size})} for {i} in 0..{size}]"


# The naive evaluator -------------------------------------------------------------------------------------------------

FUNCTIONS = {
    "sum": np.sum,
    "max": np.max,
    "min": np.min,
    "mean": np.mean,
    "prod": np.prod,
    "sin": np.sin,
    "abs": np.abs,
    "relu": lambda x: np.maximum(x, 0),
    "cumsum": np.cumsum,
    "softmax": lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(),
    "sort": np.sort,
}
BINARY = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "@": np.matmul,
    "<": np.less,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def run(node: Any, names: dict[str, Any]) -> Any:
    """The value of an expression, one element at a time and only where it is asked for."""
    if isinstance(node, tree.Number):
        return node.value if node.integer is None else node.integer
    if isinstance(node, tree.Name):
        return names[node.id]
    if isinstance(node, tree.Unary):
        return -run(node.operand, names)
    if isinstance(node, tree.Binary):
        return BINARY[node.op](run(node.left, names), run(node.right, names))
    if isinstance(node, tree.Conditional):
        return run(node.then if run(node.test, names) else node.other, names)
    if isinstance(node, tree.Attribute):
        return run(node.value, names).T
    if isinstance(node, tree.Subscript):
        return run(node.value, names)[tuple(item_of(item, names) for item in node.items)]
    if isinstance(node, tree.Comprehension):
        return np.array([run(node.body, each) for each in elements(node, names)])
    assert isinstance(node, tree.Call)
    argument = node.arguments[0].value
    if isinstance(argument, tree.Comprehension):
        values = [run(argument.body, each) for each in elements(argument, names)]
        return FUNCTIONS[node.function.id](np.array(values, float))
    return FUNCTIONS[node.function.id](run(argument, names))


def item_of(item: Any, names: dict[str, Any]) -> Any:
    if not isinstance(item, tree.Slice):
        return run(item, names)
    return slice(*[None if part is None else run(part, names) for part in (item.lower, item.upper, item.step)])


def elements(node: tree.Comprehension, names: dict[str, Any]) -> list[dict[str, Any]]:
    found = [names]
    for binder in node.binders:
        found = [
            {**each, binder.name.id: i}
            for each in found
            for i in range(run(binder.lower, each), run(binder.upper, each))
        ]
    return [each for each in found if node.condition is None or run(node.condition, each)]


@pytest.mark.parametrize("seed", range(150))
def test_a_program_has_the_value_that_its_text_says(seed: int) -> None:
    text = Program(seed).scalar(4, {})
    expected = run(parse_expression(Source("test", text)), {**DATA, **SIZES})
    found = gradc.compile(f"{HEAD}result = {text}")(DATA)["result"]
    assert found == pytest.approx(float(expected), rel=1e-9, abs=1e-9), text
