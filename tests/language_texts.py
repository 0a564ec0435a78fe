"""Random programs that reach the whole language: every built-in function within its domain, functions with defaults,
keywords, recursion and derivatives of their own, slices, truth values, linear algebra, checkpoints, blocks.

What is written is smooth at its point but for kinks that chance would have to meet, so that differences tell.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from program_text import ProgramText

from gradc import TABLE

# Functions with a derivative of their own: parameters, body and partials, each in terms of `$` for the function.
_OWN = [
    ("a", "sin(a)*a", "cos(a)*a + sin(a)"),
    ("a", "exp(tanh(a))", "$(a)/cosh(a)^2"),
    ("a, b", "a*tanh(b)", "tanh(b), a/cosh(b)^2"),
    ("a, b", "sqrt(a^2 + b^2 + 1)", "a/$(a, b), b/$(a, b)"),
    ("a, b", "if a > b then a^2 - b else b", "if a > b then 2*a else 0, if a > b then -1 else 1"),
]
# Recursions that end by an int: body of f(x, n) for the function `$`.
_RECURSIONS = [
    "if n == 0 then 1 else x*$(x, n - 1)",
    "if n == 0 then sin(x) else tanh($(x, n - 1)) + x",
    "if n < 1 then x else if n % 2 == 0 then $(x*x, n//2)/(1 + x^2) else x - 0.5*$(x, n - 1)",
    "if n == 0 then sin(2*x) else grad($(x, n - 1), x)",
]
# An int where a function takes one, by the place of that argument.
_INT_FIRST = ("polygamma", "ierfcx")
_SKIPPED = ("where", "stop_gradient")


class Language(ProgramText):
    """Makes one program."""

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
        row = self.r.choice([row for row in TABLE.values() if row.functions and row.functions[0] not in _SKIPPED])
        name = self.r.choice(row.functions)
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
        if how < 0.2:
            return self.elementary(lambda: self.real(depth - 1))
        if how < 0.35:
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
        forms = [f"{name}({v})" for name in ("sum", "mean", "prod", "max", "min", "var", "std", "norm", "logsumexp")]
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

    # Functions -----------------------------------------------------------------------------------------------------

    @contextmanager
    def inside(self, *parameters: str) -> Iterator[None]:
        """The body of a function with these parameters, which sees what stands above it."""
        saved = self.reals, self.carried, self.truths
        self.reals, self.carried = [*parameters, *self.reals], []
        yield
        self.reals, self.carried, self.truths = saved

    def function(self) -> None:
        self.r.choice([self.short, self.short, self.defaults, self.nothing, self.own, self.own, self.recursion,
                       self.long, self.long, self.several, self.of_arrays])()  # fmt: skip

    def short(self) -> None:
        name = self.name("f")
        with self.inside("p", "q"):
            body = self.real(2)
            forms = [body, f"grad(({body})*p^2, p)", f"jvp(p*({body}), p, q)", f"hessian(({body})*p, p, q)"]
            self.add(f"fn {name}(p, q) = {self.r.choice(forms)}")
        self.functions.append(lambda depth: f"{name}({self.real(depth)}, {self.real(0)})")

    def defaults(self) -> None:
        name = self.name("f")
        with self.inside("p", "q"):
            self.add(f"fn {name}(p, q=0.5, s=2*q) = s*({self.real(2)})")

        def call(depth: int) -> str:
            a, b = self.real(depth), self.real(0)
            forms = [f"{name}({a})", f"{name}({a}, s={b})", f"{name}(q={b}, p={a})", f"{name}({a}, {b})"]
            return self.r.choice(forms)

        self.functions.append(call)

    def nothing(self) -> None:
        name = self.name("f")
        with self.inside():
            if self.chance(0.5):
                self.add(f"fn {name}() = {self.real(1)}")
            elif self.chance(0.5):
                self.add(f"fn {name}() {{")
                self.add(f"  a = {self.real(1)}")
                self.add("  return a*a")
                self.add("}")
            else:
                self.add(f"fn {name}() {{ return {self.real(1)} }}")
        self.functions.append(lambda depth: f"{name}()")

    def own(self) -> None:
        """A function with a derivative of its own, which is right."""
        name = self.name("f")
        parameters, body, partials = self.r.choice(_OWN)
        if self.chance(0.3):
            self.add(f"fn {name}({parameters}) {{")
            self.add(f"  b0 = {body}")
            self.add("  return b0")
            self.add("}")
        else:
            self.add(f"fn {name}({parameters}) = {body}")
        renamed = partials if self.chance(0.5) else partials.replace("$", name)
        self.add(f"derivative {name}({parameters}) = {renamed.replace('$', name)}")
        count = parameters.count(",") + 1
        self.functions += [lambda depth: f"{name}({', '.join(self.real(depth - at) for at in range(count))})"] * 2
        if count == 1:
            self.functions.append(lambda depth: f"sum({name}({self.vector('n', depth)}))")

    def recursion(self) -> None:
        name = self.name("f")
        self.add(f"fn {name}(x, n) = {self.r.choice(_RECURSIONS).replace('$', name)}")
        self.functions.append(lambda depth: f"{name}({self.real(depth)}, {self.r.randrange(4)})")

    def long(self) -> None:
        """A block with local names, a function of its own, a loop or a choice."""
        name, inner = self.name("f"), self.name("h")
        functions = list(self.functions)
        self.add(f"fn {name}(p, q) {{")
        self.indent += 1
        with self.inside("p", "q"):
            a, b = self.name("a"), self.name("b")
            self.add(f"{a} = p*{self.real(1)}")
            self.reals.append(a)
            if self.chance(0.5):
                self.add(f"fn {inner}(u) = u*{self.real(1)} + {a}")
                self.functions.append(lambda depth: f"{inner}({self.real(depth)})")
            self.add(f"{b} = {self.real(1)}")
            self.reals.append(b)
            self.carried = [a, b]
            if self.chance(0.7):
                self.r.choice([self.loop, self.repeat, self.choice])(1)
            self.add(f"return {self.r.choice([f'{a}*{b}', f'grad({b}*q + p, p) + {a}', f'{a} + {self.real(1)}'])}")
        self.indent -= 1
        self.add("}")
        self.functions = functions
        self.functions += [lambda depth: f"{name}({self.real(depth)}, {self.real(0)})"] * 2

    def several(self) -> None:
        name = self.name("f")
        with self.inside("p", "q"):
            self.add(f"fn {name}(p, q) {{")
            if self.chance(0.5):
                self.add(f"  a = {self.real(1)}")
                self.reals.insert(0, "a")
            self.add(f"  return {self.real(1)}, {self.real(1)}")
            self.add("}")
        self.pairs.append(name)

    def of_arrays(self) -> None:
        """A function that takes an array."""
        name, arrays = self.name("f"), dict(self.arrays)
        with self.inside("p"):
            self.arrays = {"v": ("n",), **arrays}
            self.add(f"fn {name}(v, p) = {self.across(2)}")
        self.arrays = arrays
        self.functions.append(lambda depth: f"{name}({self.vector('n', depth)}, {self.real(0)})")

    # Statements ----------------------------------------------------------------------------------------------------

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        saved = list(self.reals), list(self.ints), dict(self.arrays)
        self.add(head + " {")
        self.indent += 1
        yield
        self.indent -= 1
        self.add("}")
        self.reals, self.ints, self.arrays = saved

    def scalar(self) -> None:
        name = self.name("u")
        self.add(f"{name} = {self.real(3)}")
        self.reals.append(name)

    def array(self) -> None:
        name = self.name("V")
        if self.chance(0.3):
            axes: tuple[str, ...] = (self.r.choice("nm"), self.r.choice("nm"))
            self.add(f"{name} = {self.matrix(*axes, 2)}")
        elif self.chance(0.3):
            axes = (self.r.choice("nm"),)
            i = self.name("i")
            self.add(f"{name}[{i}] = {self.real(1)} + ({self.vector(axes[0], 1)})[{i}] for {i} in 0..{axes[0]}")
        else:
            axes = (self.r.choice("nm"),)
            self.add(f"{name} = {self.vector(axes[0], 2)}")
        self.arrays[name] = axes

    def take(self) -> None:
        """The two results of a function."""
        if not self.pairs:
            self.scalar()
            return
        first, second = self.name("u"), self.name("u")
        self.add(f"{first}, {second} = {self.r.choice(self.pairs)}({self.real(1)}, {self.real(1)})")
        self.reals += [first, second]

    def update(self) -> None:
        """Another value for a name that was there before the block, mostly made of its own."""
        names = [name for name in self.carried if name in self.reals]
        arrays = [name for name in self.carried if name in self.arrays]
        if arrays and (not names or self.chance(0.3)):
            name = self.r.choice(arrays)
            size = self.arrays[name][0]
            at = self.r.choice(["0", f"{size} - 1", *(i for i in self.ints if i.startswith(f"t{size}"))])
            value = self.real(1)
            i = self.name("i")
            forms = [f"{name}[{at}] = {value}", f"{name} = 0.5*{name} + {self.vector(size, 1)}"]
            self.add(self.r.choice([*forms, f"{name}[{i}] = {value}*{name}[{i}] for {i} in 0..{size}"]))
        elif names:
            name, value = self.r.choice(names), self.real(1)
            self.add(f"{name} = {self.r.choice([f'tanh({value})', f'{name} + 0.5*({value})', f'{name}*{value}'])}")
        else:
            self.scalar()

    def body(self, depth: int) -> None:
        for _ in range(self.r.choice([1, 1, 2, 3])):
            how = self.r.random()
            if depth > 0 and how < 0.3:
                self.r.choice([self.loop, self.repeat, self.choice])(depth - 1)
            elif how < 0.45:
                self.scalar()
            else:
                self.update()

    def checkpoint(self) -> str:
        return self.r.choice(["", "", " checkpoint", " checkpoint 2"])

    def loop(self, depth: int) -> None:
        size = self.r.choice("nm")
        t, traced = self.name(f"t{size}"), self.name("C")
        collects = not self.indent and self.chance(0.5)
        with self.block(f"for {t} in 0..{size}{self.checkpoint()}"):
            self.ints.append(t)
            self.body(depth)
            if collects:
                self.add(f"{traced}[{t}] = {self.real(1)}")
        if collects:
            self.arrays[traced] = (size,)

    def repeat(self, depth: int) -> None:
        count = self.name("d")
        self.add(f"{count} = 0.0")
        with self.block(f"while {count} < {self.r.choice('23')}{self.checkpoint()}"):
            self.body(depth)
            self.add(f"{count} = {count} + 1")
        self.reals.append(count)

    def choice(self, depth: int) -> None:
        with self.block(f"if {self.truth()}"):
            self.body(depth)
        for _ in range(self.r.choice([0, 0, 1])):
            head = self.lines.pop() + f" else if {self.truth()} {{"
            with self.block(""):
                self.lines[-1] = head
                self.body(depth)
        if self.chance(0.5):
            head = self.lines.pop() + " else {"
            with self.block(""):
                self.lines[-1] = head
                self.body(depth)

    # Programs ------------------------------------------------------------------------------------------------------

    def value(self, *shape: int) -> str:
        if not shape:
            return f"{self.r.uniform(-1.5, 2):.3f}"
        return f"[{', '.join(self.value(*shape[1:]) for _ in range(shape[0]))}]"

    def inputs(self) -> None:
        n, m, r = self.sizes["n"], self.sizes["m"], self.r
        self.add(f"input x = {self.value()}, v[n] = {self.value(n)}, A[n, m] = {self.value(n, m)}")
        self.add(f"param w = {self.value()}, b[m] = {self.value(m)}")
        self.add(f"input M[n, n] = {self.value(n, n)}, k: int = {r.randrange(4)}")
        mask = ", ".join(f"1 {r.choice('<>')} 2" for _ in range(n))
        self.add(f"input on: bool = 1 {r.choice('<>')} 2, mask[n]: bool = [{mask}]")
        self.reals, self.ints, self.truths = ["x", "w"], ["k", "n"], ["on", "mask[0]"]
        self.arrays = {"v": ("n",), "A": ("n", "m"), "b": ("m",), "M": ("n", "n")}

    def program(self) -> str:
        r = self.r
        self.inputs()
        given = [*self.reals, *self.arrays]
        for _ in range(r.choice([1, 2, 2, 3])):
            self.function()
        for _ in range(r.choice([1, 2, 2])):
            r.choice([self.scalar, self.array, self.take])()
        if self.chance(0.7):
            for start in ("w", "0.5*x"):
                name = self.name("s")
                self.add(f"{name} = {start}")
                self.reals.append(name)
                self.carried.append(name)
            name = self.name("S")
            self.add(f"{name} = {r.choice(['v', 'zeros(n)', 'v*x'])}")
            self.arrays[name] = ("n",)
            self.carried.append(name)
            self.left = max(self.left, 20)
            r.choice([self.loop, self.repeat, self.choice])(1)
        self.left = max(self.left, 15)
        r.choice([self.scalar, self.array, self.take])()
        made = [name for name in (*self.reals, *self.arrays) if name not in given]
        parts = [name if name in self.reals else f"sum({name})" for name in made if self.chance(0.8)]
        self.add(f"L = {' + '.join([*parts, self.real(2)])}")
        self.requests(made)
        return "\n".join(self.lines) + "\n"

    def requests(self, made: list[str]) -> None:
        """Derivatives of what has been made, as outputs."""
        r = self.r
        by = ["x", "w", "v", "b", "A", "M"]
        asked = [f"grad(L, {name})" for name in r.sample(by, 3)]
        asked += [f"hessian(L, {r.choice(by)})", f"hessian(L, {r.choice(by)}, {r.choice(by)})"]
        asked += [f"hvp(L, {name}, {name})" for name in r.sample(by, 1)] + ["grad(L, v[0])"]
        vectors = [name for name in made if len(self.arrays.get(name, ())) == 1]
        for name in vectors[:1]:
            asked += [f"jacobian({name}, {r.choice(by)})", f"vjp({name}, {r.choice(by)}, {name})"]
            asked += [f"jvp({name}, {target}, {target})" for target in r.sample(by, 1)]
        asked += [f"grad(L, {name})" for name in made[-1:]]
        for at, request in enumerate(asked):
            self.add(f"D{at} = {request}")
        self.add("output " + ", ".join(["L", *made[-2:], *(f"D{at}" for at in range(len(asked)))]))


def program(r: random.Random) -> str:
    """A program with its point, and derivatives among its outputs."""
    return Language(r).program()
