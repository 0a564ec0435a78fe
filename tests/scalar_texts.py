"""Random programs of single numbers as text, with functions, conditions and derivatives of several orders."""

from __future__ import annotations

import random

_UNARY = (
    "sin", "cos", "tanh", "exp", "sqrt", "sigmoid", "softplus", "atan", "erf", "cosh", "log1p", "expm1", "cbrt",
    "asinh",
)  # fmt: skip


class Scalars:
    """Makes one program."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.names = ["x", "y", "w"]
        self.functions: list[str] = []

    def expression(self, depth: int) -> str:
        r = self.r
        if depth <= 0 or r.random() < 0.1:
            return r.choice([*self.names, r.choice(["0", "1", "2", "0.5", "-1", "pi"])])
        a, b = self.expression(depth - 1), self.expression(depth - 1)
        how = r.random()
        if how < 0.3:
            return f"({a} {r.choice('+-*')} {b})"
        if how < 0.5:
            name = r.choice(_UNARY)
            # Within the domain, and within the numbers.
            inside = {"sqrt": f"1 + ({a})^2", "log1p": f"({a})^2", "exp": f"tanh({a})", "expm1": f"tanh({a})"}
            return f"{name}({inside.get(name, f'tanh({a})' if name == 'cosh' else a)})"
        if how < 0.6:
            return f"({a})/(1 + ({b})^2)"
        if how < 0.7:
            return f"({a})^{r.choice(['2', '3', '2', '0', '1'])}"
        if how < 0.8:
            test = f"{a} {r.choice(['<', '>', '<=', '>='])} {b}"
            return f"(if {test} then {self.expression(depth - 1)} else {self.expression(depth - 1)})"
        if how < 0.9 and self.functions:
            return f"{r.choice(self.functions)}({a}, {b})"
        return r.choice(
            [f"hypot({a}, 1 + ({b})^2)", f"atan2({a}, 1 + ({b})^2)", f"(2 + tanh({a}))^({b})", f"log(2 + tanh({a}))"]
        )

    def function(self, number: int) -> str:
        outside, self.names = self.names, ["p", "q"]
        body = self.expression(3)
        if self.r.random() < 0.3:
            body = f"grad({body}, p)"
        self.names = outside
        self.functions.append(f"f{number}")
        return f"fn f{number}(p, q) = {body}"

    def program(self) -> str:
        r = self.r
        point = [f"{name} = {r.uniform(-1.5, 2):.3f}" for name in ("x", "y")]
        lines = [f"input {', '.join(point)}", f"param w = {r.uniform(0.2, 1.8):.3f}"]
        lines += [self.function(number) for number in range(r.choice([0, 1, 2]))]
        for number in range(r.randint(1, 4)):
            lines.append(f"u{number} = {self.expression(3)}")
            self.names.append(f"u{number}")
        middle = r.choice(self.names[3:])
        lines += [f"L = {self.expression(3)} + {middle}", "g = grad(L, x)"]
        requests = [
            "grad(L, w)",
            f"grad(L, {middle})",
            "hessian(L, w)",
            "hessian(L, x, y)",
            "grad(g, x)",
            "jvp(L, y, 0.5)",
        ]
        requests += [f"grad(g^2, {r.choice(['x', 'w', middle])})", "hvp(L, x, w)"]
        lines += [f"D{at} = {request}" for at, request in enumerate(requests)]
        return "\n".join([*lines, "output L, g, " + ", ".join(f"D{at}" for at in range(len(requests))), ""])


def scalar_program(r: random.Random) -> str:
    """A program with its point, and derivatives among its outputs."""
    return Scalars(r).program()
