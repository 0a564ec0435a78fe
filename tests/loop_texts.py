"""Random programs with loops and blocks, as text: the point at which they run stands in the defaults."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from program_text import ProgramText

# Where functions have kinks, corners of their domain or infinite slopes.
NASTY = ("0.0", "1.0", "-1.0", "2.0", "0.5")
N = 3
"""The size ``n`` of every program."""


class Maker(ProgramText):
    """Makes one program out of a seed; ``nasty`` ones run at kinks, and leave domains, ``still`` ones meet infinite
    slopes, mostly where these have no influence.
    """

    def __init__(self, seed: int, nasty: bool = False, inner: bool = False, still: bool = False) -> None:
        super().__init__(random.Random(seed))
        self.nasty = nasty
        # Whether derivatives stand in the bodies of loops.
        self.inner = inner
        self.still = still
        # Names that are 0, as nothing enters them, and those that are given what has an infinite slope.
        self.idle: list[str] = []
        self.steep: list[str] = []
        self.at = {"w": "0.0", "v": "0.0"}
        self.reals: list[str] = []
        self.ints: list[str] = []
        self.vectors: list[str] = []
        self.matrices: list[str] = []
        # What may be given a new value, here.
        self.carried: list[str] = []
        self.new: list[str] = []
        # Loop variables that are places of an axis of n, and those of loops that can collect, innermost last.
        self.places: list[str] = []
        self.loops: list[str] = []
        self.functions: dict[str, int] = {}
        self.collected: list[tuple[str, int]] = []
        self.steps = 1

    # Text ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """The statements between braces; what they name first is gone behind them."""
        saved = [list(names) for names in (self.reals, self.ints, self.vectors, self.matrices, self.carried, self.new)]
        # A block goes on with all that exists before it; what a block names itself it names once.
        self.carried, self.new = [*self.carried, *self.new], []
        places, loops, functions = list(self.places), list(self.loops), dict(self.functions)
        self.add(head + " {")
        self.indent += 1
        yield
        self.indent -= 1
        self.add("}")
        self.reals, self.ints, self.vectors, self.matrices, self.carried, self.new = saved
        self.places, self.loops, self.functions = places, loops, functions

    # Expressions ---------------------------------------------------------------------------------------------------

    def index(self) -> str:
        """A place of an axis of n."""
        choices = [str(self.r.randrange(N)), "n - 1"]
        for place in self.places:
            choices += [place, place, f"n - 1 - {place}", f"idx[{place}]"]
        return self.r.choice(choices)

    def real(self, depth: int) -> str:
        r = self.r
        if depth <= 0 or self.chance(0.15):
            choices = [r.choice(self.reals)] * 5
            if self.vectors:
                choices += [f"{r.choice(self.vectors)}[{self.index()}]"] * 2
            if self.matrices:
                choices.append(f"{r.choice(self.matrices)}[{self.index()}, {self.index()}]")
            if self.ints:
                choices.append(f"0.5*{r.choice(self.ints)}")
            choices.append(r.choice(["0.5", "1", "2", "0.25", "-1"]))
            return r.choice(choices)
        a, b = self.real(depth - 1), self.real(depth - 1)
        forms = [f"({a} + {b})", f"({a} - {b})", f"{a}*{b}", f"sin({a})", f"tanh({a})", f"0.5*({a} + {b})"]
        forms += [f"({a})^2", f"exp(-({a})^2)", f"({a})/(1 + ({b})^2)", f"(-{a})" if a[0] != "-" else a]
        if self.nasty and self.chance(0.3):
            forms += [f"abs({a})", f"max({a}, {b})", f"relu({a})", f"min({a}, {b})", f"stop_gradient({a})"]
        if self.nasty:
            forms += [f"sqrt({a})", f"sqrt({a})", f"log({a})", f"({a})/({b})", f"cbrt({a})", f"sqrt(abs({a}))"]
        if self.still and self.chance(0.3):
            forms += [f"(sqrt({r.choice(self.idle)}) + {a})", f"cbrt({r.choice(self.idle)})"] * 3
        if self.still and self.chance(0.1):
            forms += [f"(if {self.never()} then {r.choice(self.steep)} else {a})"] * 4
        if self.chance(0.3):
            forms += [f"(if {self.condition(depth - 1)} then {a} else {b})"] * 2
        if self.chance(0.3):
            forms += [self.summed(depth)] * 2
        if self.functions and self.chance(0.5):
            name = r.choice(list(self.functions))
            if self.functions[name] == 1:
                forms += [f"{name}({a}, {b})"] * 4
        if self.inner and self.indent and self.chance(0.3):
            forms += [f"grad({r.choice(self.reals)}, {r.choice(self.reals)})"] * 6
        return r.choice(forms)

    def summed(self, depth: int) -> str:
        index = self.name("i")
        low, high = self.r.choice([("0", "n"), ("1", "n"), ("0", "2"), ("0", "0")])
        body = self.within(index, depth - 1)
        test = f" if {self.condition(0)}" if self.chance(0.2) else ""
        return f"sum({body} for {index} in {low}..{high}{test})"

    def within(self, index: str, depth: int) -> str:
        """An expression in which an index is bound."""
        self.places.append(index)
        self.ints.append(index)
        found = self.real(depth)
        self.places.remove(index)
        self.ints.remove(index)
        return found

    def condition(self, depth: int) -> str:
        r = self.r
        if self.ints and self.chance(0.3):
            return f"{r.choice(self.ints)} {r.choice(['<', '==', '!=', '>'])} {r.choice(['0', '1', '2'])}"
        a = self.real(min(depth, 1))
        test = f"{a} {r.choice(['<', '>', '<=', '>='])} {r.choice(['0', '0.3', '1', self.real(0)])}"
        return f"{test} {r.choice(['and', 'or'])} {self.condition(0)}" if self.chance(0.15) else test

    def vector(self, depth: int) -> str:
        """An array of n numbers."""
        r = self.r
        if self.chance(0.5):
            index = self.name("i")
            return f"[{self.within(index, depth)} for {index} in 0..n]"
        a, b = r.choice(self.vectors), r.choice(self.vectors)
        forms = [f"{a} + {b}", f"{a}*{b}", f"0.5*{a}", f"tanh({a})", f"{a} - {self.real(0)}"]
        if self.matrices:
            forms += [f"{r.choice(self.matrices)} @ {a}", f"{r.choice(self.matrices)}[{self.index()}]"]
        return r.choice(forms)

    # Statements ----------------------------------------------------------------------------------------------------

    def statements(self, depth: int, least: int = 1, most: int = 3) -> None:
        for _ in range(self.r.randint(least, most)):
            self.statement(depth)

    def statement(self, depth: int) -> None:
        r = self.r
        kinds = ["carry"] * 6 + ["local"] * 2 + ["element"] * 3 + ["whole", "count", "pair"]
        if self.loops:
            kinds += ["collect"] * 2
        if self.still:
            kinds += ["idle"] * 4 + ["steep"] * 3
        if depth > 0:
            kinds += ["loop"] * 3 + ["if"] * 2 + ["while"] * 2
        getattr(self, f"make_{r.choice(kinds)}")(depth)

    def make_carry(self, depth: int) -> None:
        names = [name for name in self.carried if name in self.reals]
        if not names:
            self.make_local(depth)
            return
        name = self.r.choice(names)
        others = [other for other in names if other != name]
        if others and self.chance(0.2):
            # Used by the next iteration only, or handed round.
            self.add(f"{name} = {self.r.choice(others)}")
            return
        value = self.real(2)
        self.add(
            f"{name} = " + self.r.choice([f"tanh({value})", f"{name} + 0.5*({value})", value, f"{value} + {name}"])
        )

    def make_local(self, depth: int) -> None:
        name, value = self.name("u"), self.real(2)
        self.add(f"{name} = {value}")
        self.reals.append(name)
        self.new.append(name)

    def make_element(self, depth: int) -> None:
        names = [name for name in self.carried if name in self.vectors + self.matrices]
        if not names:
            self.make_carry(depth)
            return
        name = self.r.choice(names)
        if name in self.matrices:
            kind = self.r.randrange(3)
            if kind == 0:
                self.add(f"{name}[{self.index()}, {self.index()}] = {self.real(1)}")
            elif kind == 1:
                self.add(f"{name}[{self.index()}] = {self.r.choice(self.vectors)}")
            else:
                index = self.name("j")
                self.add(f"{name}[{self.index()}, {index}] = {self.within(index, 1)} for {index} in 0..n")
        elif self.places and self.chance(0.3):
            place = self.r.choice(self.places)
            with self.block(f"if {place} > 0"):
                self.add(f"{name}[{place}] = {name}[{place} - 1]*{self.real(0)} + {self.real(1)}")
        else:
            at = self.index()
            value = self.real(1)
            self.add(f"{name}[{at}] = " + self.r.choice([value, f"{name}[{at}] + {value}"]))

    def make_whole(self, depth: int) -> None:
        names = [name for name in self.carried if name in self.vectors]
        if names and self.chance(0.7):
            self.add(f"{self.r.choice(names)} = {self.vector(1)}")
            return
        name, value = self.name("V"), self.vector(1)
        self.add(f"{name} = {value}")
        self.vectors.append(name)
        self.new.append(name)

    def make_count(self, depth: int) -> None:
        names = [name for name in self.carried if name in self.ints]
        if names:
            name = self.r.choice(names)
            self.add(f"{name} = {name} + {self.r.choice(['1', '2', name, self.r.choice(self.ints)])}")
        else:
            name = self.name("c")
            self.add(f"{name} = k + {self.r.choice(['0', '1'])}")
            self.ints.append(name)
            self.new.append(name)

    def make_pair(self, depth: int) -> None:
        pairs = [name for name, results in self.functions.items() if results == 2]
        names = [name for name in self.carried if name in self.reals]
        if not pairs or len(names) < 2:
            self.make_carry(depth)
            return
        first, second = self.r.sample(names, 2)
        self.add(f"{first}, {second} = {self.r.choice(pairs)}({self.real(1)}, {self.real(1)})")

    def make_collect(self, depth: int) -> None:
        name = self.name("C")
        levels = self.r.randint(1, len(self.loops))
        indices = self.loops[-levels:]
        self.r.shuffle(indices)
        value = self.real(2)
        rank = levels
        if self.chance(0.15):
            index = self.name("j")
            value = f"{self.within(index, 1)} for {index} in 0..n"
            indices.insert(self.r.randint(0, levels), index)
            rank += 1
        elif self.chance(0.15):
            value = self.r.choice(self.vectors)
            rank += 1
        self.add(f"{name}[{', '.join(indices)}] = {value}")
        if levels == len(self.loops) and self.indent == len(self.loops):
            self.collected.append((name, rank))

    def never(self) -> str:
        """A condition that does not hold, or seldom."""
        choices = ["w > 9", "v < -9", "k > 5", "k == 0", f"{self.r.choice(self.ints)} > 7"]
        return self.r.choice([*choices, *(f"{place} == 1" for place in self.places)])

    def make_idle(self, depth: int) -> None:
        """What might enter a name, but in most programs does not."""
        name, kind = self.r.choice(self.idle), self.r.randrange(5)
        if kind == 0:
            self.add(f"{name} = {self.r.choice([*self.idle, '0.0'])}")
        elif kind == 1:
            self.add(f"{name} = if {self.never()} then {self.real(1)} else {self.r.choice(self.idle)}")
        elif kind == 2:
            with self.block(f"for {self.name('t')} in {self.r.choice(['0..0', '1..1', 'k..k'])}"):
                self.add(f"{name} = {name} + {self.real(1)}")
        else:
            with self.block(f"if {self.never()}"):
                self.add(f"{name} = " + self.r.choice([f"{name} + {self.real(1)}", self.real(1)]))

    def make_steep(self, depth: int) -> None:
        """An infinite slope, written over before it is read, or read seldom."""
        name, by = self.r.choice(self.steep), self.r.choice(["w", "v"])
        slope = f"{self.r.choice(['sqrt', 'cbrt'])}({by} - {self.at[by]})"
        self.add(f"{name} = " + self.r.choice([slope, f"{slope}*{self.real(0)}", f"{slope} + {self.real(1)}"]))
        kind = self.r.randrange(5)
        if kind == 0:
            with self.block(f"for {self.name('t')} in 0..{self.r.choice(['2', 'n', 'k'])}"):
                self.add(f"{name} = {self.real(1)}")
        elif kind == 1:
            names = [other for other in self.carried if other in self.reals]
            if names:
                with self.block(f"if {self.never()}"):
                    self.add(f"{self.r.choice(names)} = {name}")
            self.add(f"{name} = {self.real(0)}")
        else:
            self.add(f"{name} = {self.real(1)}")

    def make_loop(self, depth: int) -> None:
        index = self.name("t")
        ranges = [("0", "n"), ("0", "n"), ("0", "2"), ("1", "n"), ("0", "k"), ("0", "0"), ("1", "1"), ("0", "n - 1")]
        ranges += [("0", self.r.choice(self.places))] if self.places else []
        low, high = self.r.choice(ranges)
        if self.steps >= 9:
            high = low
        before = self.steps
        self.steps *= 3
        with self.block(f"for {index} in {low}..{high}"):
            self.ints.append(index)
            self.places.append(index)
            # A range that hangs on another loop collects nothing.
            fixed = low == "0" and high in ("n", "2", "k", "0", "n - 1")
            self.loops = [*self.loops, index] if fixed else []
            self.statements(depth - 1)
        self.steps = before

    def make_if(self, depth: int) -> None:
        loops, self.loops = self.loops, []
        with self.block(f"if {self.condition(1)}"):
            self.statements(depth - 1)
        for _ in range(self.r.choice([0, 0, 0, 1, 2])):
            self.lines[-1] += f" else if {self.condition(1)} {{"
            head = self.lines.pop()
            with self.block(""):
                self.lines[-1] = head
                self.statements(depth - 1, 1, 2)
        if self.chance(0.5):
            head = self.lines.pop() + " else {"
            with self.block(""):
                self.lines[-1] = head
                self.statements(depth - 1, 1, 2)
        self.loops = loops

    def make_while(self, depth: int) -> None:
        if self.steps >= 9:
            self.make_carry(depth)
            return
        count = self.name("d")
        self.add(f"{count} = {self.r.choice(['0.0', '0', '3', '1.0'])}")
        self.reals.append(count)
        self.new.append(count)
        before = self.steps
        self.steps *= 3
        test = f" and ({self.condition(1)})" if self.chance(0.5) else ""
        with self.block(f"while {count} < 3{test}"):
            self.loops = []
            self.carried.remove(count)
            self.statements(depth - 1)
            self.add(f"{count} = {count} + 1")
        self.steps = before

    # Programs ------------------------------------------------------------------------------------------------------

    def function(self) -> None:
        name, r = self.name("f"), self.r
        outside = (self.reals, self.ints, self.vectors, self.matrices)
        self.reals, self.ints, self.vectors = ["p", "q", *self.reals], ["n"], list(self.vectors)
        self.matrices = list(self.matrices)
        steps, self.steps = self.steps, 3
        with self.block(f"fn {name}(p, q)"):
            self.add("a = p")
            self.add(f"b = {self.real(1)}")
            self.reals += ["a", "b"]
            self.new += ["a", "b"]
            for _ in range(r.randint(1, 2)):
                getattr(self, f"make_{r.choice(['loop', 'while', 'if', 'local', 'whole'])}")(2)
            results = r.choice([1, 1, 2])
            self.add("return a*b" if results == 1 else "return a, b")
        self.reals, self.ints, self.vectors, self.matrices = outside
        self.steps = steps
        self.functions[name] = results

    def value(self) -> str:
        if self.nasty and self.chance(0.7):
            return self.r.choice(NASTY)
        return f"{self.r.uniform(-1.5, 2):.3f}"

    def row(self) -> str:
        return f"[{', '.join(self.value() for _ in range(N))}]"

    def program(self) -> str:
        r = self.r
        self.at = {"w": self.value(), "v": self.value()}
        self.add(f"input x[n] = {self.row()}, w = {self.at['w']}, v = {self.at['v']}")
        self.add(f"input A[n, n] = [{', '.join(self.row() for _ in range(N))}]")
        self.add(f"input k: int = {r.choice([0, 1, 2, 2])}, idx[n]: int = [{r.choice('012')}, 2, 0]")
        self.reals, self.ints, self.vectors, self.matrices = ["w", "v"], ["k", "n"], ["x"], ["A"]
        if self.still:
            self.idle, self.steep = ["e1", "e2"], ["g1", "g2"]
            self.add("e1 = 0.0; e2 = 0.0; g1 = w; g2 = 1")
        for _ in range(r.choice([0, 0, 1, 2])):
            self.function()
        inputs = list(self.reals)
        for name, start in (("y", r.choice(["0.0", "w", "1", "w*v", "0"])), ("z", r.choice(["v", "0.5", "w"]))):
            self.add(f"{name} = {start}")
            self.reals.append(name)
            self.new.append(name)
        self.add(f"X = {r.choice(['x', 'zeros(n)', 'x*w'])}")
        self.vectors.append("X")
        self.new.append("X")
        if self.chance(0.4):
            self.add(f"B = {r.choice(['A', 'zeros(n, n)', 'A*A'])}")
            self.matrices.append("B")
            self.new.append("B")
        for _ in range(r.randint(1, 3)):
            getattr(self, f"make_{r.choice(['loop', 'loop', 'while', 'if'])}")(2)
        parts = ["y", f"0.5*{self.real(1)}"]
        parts += [f"sum({name})" for name, _ in self.collected]
        parts += [name for name in self.reals if name not in inputs and self.chance(0.5)]
        parts += [f"sum({name})" for name in (*self.vectors, *self.matrices) if self.chance(0.4)]
        self.add(f"L = {' + '.join(parts)}")
        outputs = ["L", "y", "z", "X", *(name for name, _ in self.collected)]
        middle = [name for name in (*self.reals, *self.vectors) if name not in ("w", "v", "x", "y0")]
        requests = ["grad(L, w)", "grad(L, v)", "grad(L, x)", "grad(L, A)", f"grad(L, {r.choice(middle)})"]
        requests += ["jvp(L, w, 1)", "jvp(L, x, [1, -0.5, 2])"]
        requests += [
            r.choice(["hessian(L, w)", "hessian(L, w, v)", "hessian(L, v)", "hessian(L, v, x)", "hessian(L, x)"])
        ]
        requests += [f"jvp({r.choice(['y', 'z'])}, v, 1)", "vjp(X, w, [1, 2, -1])"]
        if self.collected:
            requests.append(f"jacobian({r.choice(self.collected)[0]}, {r.choice(['w', 'v'])})")
        for at, request in enumerate(requests):
            self.add(f"D{at} = {request}")
            outputs.append(f"D{at}")
        self.add("output " + ", ".join(outputs))
        return "\n".join(self.lines) + "\n"


def program(seed: int, nasty: bool = False, inner: bool = False, still: bool = False) -> str:
    """The program of a seed; with ``inner`` derivatives stand in its loops."""
    return Maker(seed, nasty, inner, still).program()
