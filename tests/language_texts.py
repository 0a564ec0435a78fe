"""Random programs that reach the whole language: every built-in function within its domain, functions with defaults,
keywords, recursion and derivatives of their own, slices, truth values, linear algebra, checkpoints, blocks.

What is written is smooth at its point but for kinks that chance would have to meet, so that differences tell.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from language_expressions import Everything

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


class Language(Everything):
    """Makes one program."""

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
