"""Numbers, truth values and arrays in programs that reach the whole language: all functions in their domains."""

from __future__ import annotations

import random
from collections.abc import Callable

from program_text import ProgramText

from gradc import TABLE

# An int where a function takes one, by the place of that argument.
_INT_FIRST = ("polygamma", "ierfcx")
_SKIPPED = ("where", "stop_gradient")
_REDUCTIONS = ("sum", "mean", "prod", "max", "min", "var", "std", "norm", "logsumexp", "logmeanexp")


class Everything(ProgramText):
    """Writes expressions of the names that it knows."""

    def __init__(self, r: random.Random) -> None:
        super().__init__(r)
        self.sizes = {"n": r.choice([1, 2, 3, 3, 4]), "m": r.choice([1, 2, 3])}
        self.reals: list[str] = []
        self.ints: list[str] = []
        self.truths: list[str] = []
        # Arrays with the sizes of their axes.
        self.arrays: dict[str, tuple[str, ...]] = {}
        # What blocks may give another value.
        self.carried: list[str] = []
        # Calls of functions of the program, as what makes one of a depth, and the names of those with two results.
        self.functions: list[Callable[[int], str]] = []
        self.pairs: list[str] = []
        self.left = 70

    # Numbers -------------------------------------------------------------------------------------------------------

    def within(self, low: float, high: float, text: str) -> str:
        """The text bent into an interval."""
        middle, half = (low + high) / 2, (high - low) / 2
        return f"({middle:g} + {0.98 * half:.4g}*tanh({text}))"

    def elementary(self, make: Callable[[], str]) -> str:
        """A call of a built-in function, of what is made for its arguments, within the domain of the table."""
        known = [(row, name) for row in TABLE.values() for name in row.functions if name not in _SKIPPED]
        row, name = self.r.choice(known)
        arguments = [self.within(low, high, make()) for low, high in row.domain]
        if name in _INT_FIRST:
            arguments[0] = str(self.r.randrange(3))
        if name == "float":
            return f"float({self.truth()})"
        if name in ("min", "max") and self.chance(0.3):
            arguments.append(make())
        return f"{name}({', '.join(arguments)})"

    def real(self, depth: int) -> str:
        r = self.r
        self.left -= 1
        if depth <= 0 or self.left < 0 or self.chance(0.1):
            choices = [r.choice(self.reals)] * 4 + [r.choice(["0.5", "1", "2.", ".25", "-1", "1e-1", "pi/3", "1_0.5"])]
            if self.arrays:
                choices.append(self.element())
            if self.ints:
                choices.append(f"0.5*{self.whole()}")
            return r.choice(choices)
        how = r.random()
        if how < 0.25:
            return self.elementary(lambda: self.real(depth - 1))
        if how < 0.4:
            return self.across(depth - 1)
        if how < 0.5 and self.functions:
            return r.choice(self.functions)(depth - 1)
        a, b = self.real(depth - 1), self.real(depth - 1)
        if how < 0.6:
            test = self.truth()
            return r.choice([f"(if {test} then {a} else {b})", f"where({test}, {a}, {b})"])
        if how < 0.65:
            by = r.choice(self.reals)
            inside = f"{a}*sin({by})"
            forms = [f"grad({inside}, {by})", f"jvp({inside}, {by}, 0.5)", f"hessian({inside}, {by})"]
            return r.choice([*forms, f"vjp({inside}, {by}, {b})", f"hvp({inside}, {by}, 0.5)"])
        forms = [f"({a} + {b})", f"({a} - {b})", f"{a}*{b}", f"({a})/(1 + ({b})^2)", f"(-{a})", f"(+{a})"]
        forms += [f"({a})^2", f"tanh({a})^3", f"(2 + sin({a}))^-1"]
        return r.choice(forms)

    def truth(self) -> str:
        r = self.r
        forms = [f"{r.choice(self.reals)} {r.choice(['<', '>', '<=', '>=', '!='])} {r.choice(self.reals)}"] * 2
        forms.append(f"{r.choice(self.reals)} > 0.3")
        if self.ints:
            forms.append(f"{self.whole()} {r.choice(['==', '<', '>='])} {self.whole()}")
        if self.truths:
            forms += [r.choice(self.truths)] * 2
        if self.vectors("n"):
            forms += [f"{r.choice(['any', 'all'])}({r.choice(self.vectors('n'))} > 0.1)"]
        test = r.choice(forms)
        if self.chance(0.3):
            other = r.choice(forms)
            return r.choice([f"({test} and {other})", f"({test} or {other})", f"not ({test})"])
        return test

    def whole(self) -> str:
        """An int."""
        r, i = self.r, self.r.choice(self.ints)
        return r.choice([i, i, f"({i} + 1)", f"({i}//2)", f"({i} % 2)", f"abs({i} - 2)", f"min({i}, 1)"])

    # Arrays --------------------------------------------------------------------------------------------------------

    def vectors(self, size: str) -> list[str]:
        return [name for name, axes in self.arrays.items() if axes == (size,)]

    def element(self) -> str:
        """An element that every size has."""
        name = self.r.choice(list(self.arrays))
        places = [self.r.choice(["0", "-1", f"{size} - 1"]) for size in self.arrays[name]]
        if len(places) == 2 and self.chance(0.3):
            return f"{name}[{places[0]}][{places[1]}]"
        return f"{name}[{', '.join(places)}]"

    def across(self, depth: int) -> str:
        """A number made of arrays."""
        r, size = self.r, self.r.choice("nm")
        v = self.vector(size, depth)
        i = self.name("i")
        forms = [f"{name}({v})" for name in _REDUCTIONS]
        forms.append(f"logprod(exp({v}))")
        forms += [f"dot({v}, {self.vector(size, 0)})", f"({v} @ {self.vector(size, 0)})", f"({v})[0]"]
        forms += [f"({v})[argmax({v})]", f"({v})[argmin({v})]", f"sum(({v})[{i}]^2 for {i} in 0..{size})"]
        a = self.matrix(size, size, depth - 1)
        forms += [f"trace({a})", f"det({self.regular(size)})", f"logdet({self.regular(size)})", f"sum({a})"]
        forms += [f"eigvalsh({self.apart(size)})[0]", f"svdvals({self.apart(size)})[-1]", f"mean({a}, axis=[0, 1])"]
        j = self.name("j")
        forms.append(f"sum(({a})[{i}, {j}] for {i} in 0..{size}, {j} in 0..{i} if {i} != {j} + 2)")
        if len(self.vectors(size)) > 1:
            u, w = r.sample(self.vectors(size), 2)
            forms.append(f"{r.choice(['sum', 'max', 'mean'])}({u}[{i}]*{w}[{i}] for {i})")
        return r.choice(forms)

    def vector(self, size: str, depth: int) -> str:
        """An array of one axis."""
        r = self.r
        self.left -= 1
        own = self.vectors(size)
        if own and (depth <= 0 or self.left < 0 or self.chance(0.2)):
            return r.choice(own)
        if depth <= 0 or self.left < 0:
            return f"full({self.real(0)}, {size})"
        other = "m" if size == "n" else "n"
        a, i = self.vector(size, depth - 1), self.name("i")
        forms = [f"{name}({a})" for name in ("cumsum", "cumprod", "softmax", "log_softmax", "sort", "flatten")]
        forms += [f"({a})[::-1]", f"({a})[argsort({a})]", f"({a} {r.choice('+-*')} {self.vector(size, 0)})"]
        forms += [f"{self.real(depth - 1)}*{a}", f"linspace({self.real(0)}, {self.real(0)}, {size})"]
        forms += [f"concat({a}[1:], [{self.real(0)}])", f"concat({a}[:-1], {a}[:1])", f"pad({a}[1:], 1)[:{size}]"]
        forms += [f"pad({a}, 1, 2)[1:{size} + 1]", f"repeat({a}, 2)[::2]", f"repeat({a}, 2)[0:{size}:1]"]
        forms += [f"concat({a}, {a})[{size}:]", f"concat({a}, {a})[1:2*{size}:2]", f"{a}[:{size}:]", f"{a}[0::]"]
        forms += [f"{a}[::]", f"{a}[0::1]", f"{a}[0:{size}:]", f"{a}[:{size}:1]", f"{a}[:]"]
        forms += [f"({self.matrix(size, other, depth - 1)} @ {self.vector(other, 0)})"]
        forms += [f"solve({self.regular(size)}, {a})", f"solve_lower(tril({self.regular(size)}), {a})"]
        forms += [f"solve_upper({self.regular(size)}, {a})", f"diag({self.matrix(size, size, depth - 1)})"]
        forms += [f"where({a} > {self.real(0)}, {a}, 0.5)", f"[({a})[{i}]*{i} for {i} in 0..{size}]"]
        forms += [f"reshape({self.matrix(size, other, depth - 1)}, {size}*{other})[:{size}]", f"0.5*arange({size})"]
        forms += [f"({self.matrix(size, other, depth - 1)})[:, 0]", f"({self.matrix(other, size, depth - 1)})[-1]"]
        forms += [f"{r.choice(['sum', 'prod', 'var'])}({self.matrix(other, size, depth - 1)}, axis=0)", f"ones({size})"]
        forms += [f"cumsum({self.matrix(size, other, depth - 1)}, axis=-1)[:, -1]", f"arange(1, {size} + 1)/{size}"]
        # Places within their axes, several of which may be one.
        forms += [
            f"{a}[[0, 0]][0] + {a}",
            f"scatter_add({self.places(size)}, {a}, {size})",
            f"{a}[{self.places(size)}]",
        ]
        forms.append(self.elementary(lambda: self.vector(size, depth - 1)))
        return r.choice(forms)

    def places(self, size: str) -> str:
        return f"[{', '.join(str(self.r.randrange(self.sizes[size])) for _ in range(self.sizes[size]))}]"

    def matrix(self, rows: str, columns: str, depth: int) -> str:
        r = self.r
        self.left -= 1
        own = [name for name, axes in self.arrays.items() if axes == (rows, columns)]
        turned = [f"{name}.T" for name, axes in self.arrays.items() if axes == (columns, rows)]
        if (own or turned) and (depth <= 0 or self.left < 0 or self.chance(0.3)):
            return r.choice([*own, *turned])
        u, v = self.vector(rows, min(depth, 1) - 1), self.vector(columns, min(depth, 1) - 1)
        forms = [f"outer({u}, {v})"]
        if depth > 0 and self.left > 0:
            a = self.matrix(rows, columns, depth - 1)
            i, j = self.name("i"), self.name("j")
            forms += [f"[{u}[{i}]*{v}[{j}] for {i}, {j}]"] if u.isidentifier() and v.isidentifier() else []
            forms += [f"({a} + {v})", f"tanh({a})", f"{a}*{self.real(0)}", f"softmax({a}, axis={r.choice('01')})"]
            forms += [
                f"transpose({self.matrix(columns, rows, depth - 1)})",
                f"zeros({rows}, {columns})",
                f"{a}[:, ::-1]",
            ]
            forms += [
                f"matmul({self.matrix(rows, 'n', 0)}, {self.matrix('n', columns, 0)})",
                f"full(0.5, {rows}, {columns})",
            ]
            forms += [
                f"reshape({a}, {columns}, {rows}).T",
                f"stack({a}, {a})[0]",
                f"concat({a}, {a}, axis=1)[:, :{columns}]",
            ]
            forms += [
                f"repeat({v}, {rows})[:{columns}] + zeros({rows}, 1)",
                f"cumprod({a}, axis=0)",
                f"sort({a}, axis=0)",
            ]
            if rows == columns:
                forms += [f"tril({a})", f"triu({a}, 1)", f"inv({self.regular(rows)})", f"eye({rows})", f"diag({u})"]
                forms += [f"cholesky({self.definite(rows)})", f"({a} @ {a})", f"tril({a}, -1)", f"triu({a})"]
        return r.choice(forms)

    def regular(self, size: str) -> str:
        """A matrix that can be inverted: its diagonal is larger than the rest."""
        return f"(2*eye({size}) + 0.1*tanh({self.matrix(size, size, 0)}))"

    def definite(self, size: str) -> str:
        a = self.matrix(size, size, 0)
        return f"(2*eye({size}) + 0.1*tanh({a} + {a}.T))"

    def apart(self, size: str) -> str:
        """A symmetric matrix whose eigenvalues lie apart."""
        a = self.matrix(size, size, 0)
        return f"(diag(1.0*arange(1, {size} + 1)) + 0.05*tanh({a} + {a}.T))"
