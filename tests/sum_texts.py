"""Random sums over arrays: ranges that hang on other indices, conditions, gathers, rows, columns, matrix products.

Each program has one number for its value, and the derivatives of it.
"""

from __future__ import annotations

import random

DATA = """input x[n] = [0.5, -1, 2, 1.5], y[n] = [1, 3, -2, 0.25], u[m] = [2, -0.5, 1], c = 0.75
input A[n, m] = [[-1, -0.75, -0.5], [-0.25, 0, 0.25], [0.5, 0.75, 1], [1.25, 1.5, 1.75]]
input B[m, n] = [[1, 0.54, -0.42, -0.99], [-0.65, 0.28, 0.96, 0.75], [-0.15, -0.91, -0.84, 0]]
input S[n, n] = [[0, 0.84, 0.91, 0.14], [-0.76, -0.96, -0.28, 0.66], [0.99, 0.41, -0.54, -1], [-0.54, 0.42, 1, 0.65]]
input p[k]: int = [3, 0, 0, 2, 1]
"""
SIZES = ("n", "m", "k")
# Arrays by the sizes of their axes.
ARRAYS = {"x": "n", "y": "n", "u": "m", "A": "nm", "B": "mn", "S": "nn"}


class Sums:
    """Makes random expressions that fit; ``free`` are the indices that are bound where one stands, with their sizes."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
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


def program(r: random.Random) -> str:
    """A program with its point, and derivatives among its outputs."""
    made = Sums(r)
    requests = [f"D{at} = grad(L, {name})" for at, name in enumerate(("x", "A", "c"))]
    requests += ["D3 = jvp(L, S, B.T @ B)", f"D4 = hessian(L, {r.choice('xyuc')})"]
    return "\n".join([f"{DATA}L = {made.scalar(4, {})}", *requests, "output L, D0, D1, D2, D3, D4", ""])
