"""Random programs that mix everything: arrays read through all kinds of places, functions, blocks, collected and
updated arrays, derivatives in derivatives. The point at which they run stands in the defaults.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mixed_expressions import Expressions, Names
from place_texts import MOST, Env, Extent, Scope


class Mixed(Expressions):
    """Makes one program; ``nasty`` ones run at kinks and at the corners of domains."""

    def __init__(self, r: random.Random, nasty: bool = False) -> None:
        super().__init__(r, nasty)
        self.collected: list[str] = []
        # Loops that can collect, outermost first; None within what cannot.
        self.loops: list[tuple[str, Extent]] | None = []

    # Text ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        before, functions = self.names, dict(self.functions)
        self.names = Names(list(before.reals), dict(before.arrays), [*before.carried, *before.new])
        self.add(head + " {")
        self.indent += 1
        yield
        self.indent -= 1
        self.add("}")
        self.names, self.functions = before, functions

    def define(self, name: str, shape: tuple[Extent, ...] = ()) -> None:
        if shape:
            self.names.arrays[name] = shape
        else:
            self.names.reals.append(name)
        self.names.new.append(name)

    # Statements ----------------------------------------------------------------------------------------------------

    def table(self, scope: Scope) -> None:
        """An array by the formula of its elements."""
        name, axes, indices, inner = self.name("T"), [], [], scope
        for _ in range(self.r.choice([1, 1, 2])):
            i, size = self.name("i"), self.extent()
            axes.append(size)
            indices.append(i)
            inner = inner.bind(i, lambda _, s=size: range(s.value))
        clauses = ", ".join(f"{i} in 0..{size.text}" for i, size in zip(indices, axes, strict=True))
        self.add(f"{name}[{', '.join(indices)}] = {self.real(inner, 3)} for {clauses}")
        self.define(name, tuple(axes))

    def local(self, scope: Scope) -> None:
        if self.chance(0.3):
            size = self.extent()
            name, value = self.name("V"), self.vector(size, scope, 2)
            self.add(f"{name} = {value}")
            self.define(name, (size,))
            return
        name, value = self.name("u"), self.real(scope, 3)
        self.add(f"{name} = {value}")
        self.define(name)

    def carry(self, scope: Scope) -> None:
        names = [name for name in self.names.carried if name in self.names.reals]
        if not names:
            self.local(scope)
            return
        name, value = self.r.choice(names), self.real(scope, 2)
        self.add(f"{name} = {self.r.choice([f'tanh({value})', f'{name} + 0.5*({value})', value])}")

    def element(self, scope: Scope) -> None:
        """Another value for an element, or a row, of an array that is carried."""
        names = [name for name in self.names.carried if name in self.names.arrays]
        if not names:
            self.carry(scope)
            return
        name = self.r.choice(names)
        axes = self.names.arrays[name]
        texts, tests, inner = self.places(axes, scope)
        place = f"{name}[{', '.join(texts)}]"
        if len(axes) == 2 and self.chance(0.3):
            j = self.name("j")
            wider = inner.bind(j, lambda _: range(axes[1].value))
            line = f"{name}[{texts[0]}, {j}] = {self.real(wider, 1)} for {j} in 0..{axes[1].text}"
        else:
            value = self.real(inner, 1)
            line = f"{place} = " + self.r.choice([value, f"{place} + {value}", f"{place}*{value} + 0.1"])
        if tests:
            loops, self.loops = self.loops, None
            with self.block(f"if {' and '.join(tests)}"):
                self.add(line)
            self.loops = loops
        else:
            self.add(line)

    def array(self, scope: Scope) -> None:
        """Another value for a whole array."""
        names = [name for name in self.names.carried if len(self.names.arrays.get(name, ())) == 1]
        if not names:
            self.carry(scope)
            return
        name = self.r.choice(names)
        self.add(f"{name} = {self.vector(self.names.arrays[name][0], scope, 2)}")

    def collect(self, scope: Scope) -> None:
        if not self.loops:
            self.element(scope)
            return
        name, indices = self.name("C"), [index for index, _ in self.loops]
        axes = [size for _, size in self.loops]
        if self.chance(0.3):
            j, size = self.name("j"), self.extent()
            wider = scope.bind(j, lambda _: range(size.value))
            self.add(f"{name}[{', '.join([*indices, j])}] = {self.real(wider, 2)} for {j} in 0..{size.text}")
            axes.append(size)
        else:
            self.r.shuffle(order := list(range(len(indices))))
            self.add(f"{name}[{', '.join(indices[at] for at in order)}] = {self.real(scope, 2)}")
            axes = [axes[at] for at in order]
        if self.indent == len(self.loops):
            self.pending.append((name, tuple(axes)))

    def loop(self, scope: Scope, depth: int) -> None:
        t, size = self.name("t"), self.extent()
        low = self.r.choice([0, 0, 0, 1])
        wider = scope.bind(t, lambda _: range(low, size.value))
        if len(wider.choices) > MOST or size.value < low:
            self.carry(scope)
            return
        loops = self.loops
        with self.block(f"for {t} in {low}..{size.text}"):
            self.loops = [*loops, (t, size)] if loops is not None and low == 0 else None
            self.statements(wider, depth - 1)
        self.loops = loops
        if loops == []:
            for name, axes in self.pending:
                self.define(name, axes)
                self.collected.append(name)
            self.pending = []

    def choose(self, scope: Scope, depth: int) -> None:
        loops, self.loops = self.loops, None
        test: Callable[[Env], bool] | None = None
        if scope.indices and self.chance(0.6):
            head, test = self.simple(scope)
        else:
            head = self.condition(scope, 1)
        with self.block(f"if {head}"):
            self.statements(scope.where(test) if test else scope, depth - 1)
        if self.chance(0.5):
            head = self.lines.pop() + " else {"
            with self.block(""):
                self.lines[-1] = head
                self.statements(scope.where(lambda env: not test(env)) if test else scope, depth - 1)
        self.loops = loops

    def repeat(self, scope: Scope, depth: int) -> None:
        count, loops = self.name("d"), self.loops
        self.add(f"{count} = 0.0")
        self.define(count)
        test = f" and {self.condition(scope, 0)}" if self.chance(0.4) else ""
        with self.block(f"while {count} < {self.r.choice(['2', '3'])}{test}"):
            self.loops = None
            self.names.carried.remove(count)
            self.statements(scope, depth - 1)
            self.add(f"{count} = {count} + 1")
        self.loops = loops

    def slope(self, scope: Scope) -> None:
        """A derivative by a name, as a number of the program."""
        name, targets = self.name("g"), [*self.names.reals, *self.names.arrays]
        by = self.r.choice(targets)
        inside = f"grad({self.real(scope, 2)}, {by})"
        self.add(f"{name} = " + (inside if by in self.names.reals else f"sum({inside})"))
        self.define(name)

    def statements(self, scope: Scope, depth: int) -> None:
        for _ in range(self.r.randint(1, 3)):
            self.statement(scope, depth)

    def statement(self, scope: Scope, depth: int) -> None:
        kinds: list[Callable[..., None]] = [self.carry] * 4 + [self.local] * 2 + [self.element] * 4 + [self.array]
        kinds += [self.collect] * (2 if self.loops else 0) + ([self.slope] if self.chance(0.15) else [])
        if depth > 0 and self.left > 0:
            kinds += [lambda scope: self.loop(scope, depth)] * 3 + [lambda scope: self.choose(scope, depth)] * 2
            kinds.append(lambda scope: self.repeat(scope, depth))
        self.r.choice(kinds)(scope)

    def function(self) -> None:
        name, before = self.name("f"), self.names
        pending, loops = self.pending, self.loops
        self.names = Names(["p", "q", *before.reals], dict(before.arrays))
        self.pending, self.loops = [], []
        if self.chance(0.4):
            value = self.real(Scope(), 2)
            self.add(f"fn {name}(p, q) = " + self.r.choice([value, f"p*({value})", f"grad(({value})*p^2, p)"]))
            results = 1
        else:
            with self.block(f"fn {name}(p, q)"):
                self.names.carried = []
                self.add(f"a = p*{self.leaf(Scope())}")
                self.define("a")
                size = self.extent()
                if self.chance(0.4):
                    self.add(f"b = {self.vector(size, Scope(), 1)}")
                    self.define("b", (size,))
                else:
                    self.add(f"b = {self.real(Scope(), 1)}")
                    self.define("b")
                kind = self.r.choice([self.loop, self.choose, self.repeat])
                self.indent -= 1
                self.lines, lines = [], self.lines
                kind(Scope(), 1)
                self.lines = lines + ["  " + line for line in self.lines]
                self.indent += 1
                shown = "sum(b)" if "b" in self.names.arrays else "b"
                self.add(f"return a*{shown} + q" if self.chance(0.7) else f"return a + {shown}*p")
            results = 1
        self.names, self.pending, self.loops = before, pending, loops
        self.functions[name] = results

    # Programs ------------------------------------------------------------------------------------------------------

    def value(self) -> str:
        if self.nasty and self.chance(0.6):
            return self.r.choice(["0.0", "1.0", "-1.0", "2.0", "0.5"])
        return f"{self.r.uniform(-1.5, 2):.2f}"

    def default(self, shape: Sequence[int]) -> str:
        if not shape:
            return self.value()
        return f"[{', '.join(self.default(shape[1:]) for _ in range(shape[0]))}]"

    def inputs(self) -> None:
        n, m = self.n, self.m
        shapes: dict[str, tuple[Extent, ...]] = {"x": (n,), "A": (n, m), "w": (), "v": ()}
        some = {"y": (m,), "S": (n, n), "z": (Extent("n + 1", n.value + 1),), "B": (m, n)}
        shapes |= {name: shape for name, shape in some.items() if self.chance(0.5)}
        if self.chance(0.3):
            shapes["f"] = (Extent("n*m", n.value * m.value),)
        kind = {"w": "param", "x": self.r.choice(["input", "param"])}
        for name, shape in shapes.items():
            axes = f"[{', '.join(axis.text for axis in shape)}]" if shape else ""
            self.add(f"{kind.get(name, 'input')} {name}{axes} = {self.default([axis.value for axis in shape])}")
            if shape:
                self.names.arrays[name] = shape
            else:
                self.names.reals.append(name)
        self.given = list(shapes)
        for name, size in (("k", n), ("l", m)):
            if self.chance(0.6):
                values = [self.r.randint(-1, n.value) for _ in range(size.value)]
                self.add(f"input {name}[{size.text}]: int = [{', '.join(map(str, values))}]")
                self.tables[name] = (size, values)

    def program(self) -> str:
        r, top = self.r, Scope()
        self.pending: list[tuple[str, tuple[Extent, ...]]] = []
        self.inputs()
        for _ in range(r.choice([0, 1, 1, 2])):
            r.choice([self.table, self.table, self.local])(top)
        for _ in range(r.choice([0, 0, 1, 2])):
            self.function()
        if self.chance(0.6):
            for name, start in (("s", r.choice(["0.0", "w", "0.5"])), ("c", r.choice(["v", "1.0", "w*v"]))):
                self.add(f"{name} = {start}")
                self.define(name)
            name = r.choice(list(self.names.arrays))
            self.add(f"X = {r.choice([name, f'0.5*{name}'])}")
            self.define("X", self.names.arrays[name])
            for _ in range(r.randint(1, 2)):
                r.choice(
                    [
                        lambda: self.loop(top, 2),
                        lambda: self.loop(top, 2),
                        lambda: self.repeat(top, 2),
                        lambda: self.choose(top, 2),
                    ]
                )()
        for _ in range(r.choice([1, 1, 2])):
            r.choice([self.table, self.table, self.local, self.slope])(top)
        self.left = max(self.left, 10)
        made = [name for name in (*self.names.reals, *self.names.arrays) if name not in self.given]
        parts = [name if name in self.names.reals else f"sum({name}^2)" for name in made if self.chance(0.7)]
        self.add(f"L = {' + '.join([*parts, self.real(top, 2)])}")
        self.requests(list(made))
        return "\n".join(self.lines) + "\n"

    def requests(self, made: list[str]) -> None:
        """Derivatives of what has been made, as outputs."""
        r = self.r
        outputs = ["L", *r.sample(made, min(len(made), 3))]
        arrays = [name for name in made if name in self.names.arrays]
        by = [name for name in self.given if name in ("x", "A", "w", *(["z", "f", "S", "B"]))]
        asked = [f"grad(L, {name})" for name in by]
        asked.append(f"hessian(L, {r.choice(by)})")
        asked.append(f"hessian(L, {r.choice(by)}, {r.choice(by)})")
        if made:
            asked.append(f"grad(L, {r.choice(made)})")
        for name in r.sample(arrays, min(len(arrays), 2)):
            asked.append(f"jacobian({name}, {r.choice(by)})")
            target = r.choice(by)
            asked.append(f"jvp({name}, {target}, {target})")
            asked.append(f"vjp({name}, {target}, cos({name}))")
        target = r.choice(by)
        asked.append(f"hvp(L, {target}, {target})")
        if self.chance(0.4):
            name = r.choice(by)
            norm = f"grad(L, {name})^2" if name == "w" else f"sum(grad(L, {name})^2)"
            asked.append(f"grad({norm}, {r.choice(by)})")
        for at, request in enumerate(asked):
            self.add(f"D{at} = {request}")
            outputs.append(f"D{at}")
        self.add("output " + ", ".join(dict.fromkeys(outputs)))


def program(r: random.Random, nasty: bool = False) -> str:
    """A program with its point, and derivatives among its outputs."""
    return Mixed(r, nasty).program()
