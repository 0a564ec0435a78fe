"""Random programs that mix everything: arrays read through all kinds of places, at their edges above all, functions,
blocks, collected and updated arrays, derivatives in derivatives. The point at which they run stands in the defaults.

A place is an integer expression of the indices in scope. Its values are known to the generator, which counts through
all choices of the indices; where some lie beyond the axis, a condition leaves these out, or the place is bent back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from program_text import ProgramText

Env = dict[str, int]
_MOST = 250
"""So many choices of the indices are in scope at most."""


@dataclass(frozen=True)
class Extent:
    """The length of an axis: as it is written, and at the program's point."""

    text: str
    value: int


@dataclass(frozen=True)
class Whole:
    """An integer expression: its text, and its value for a choice of the indices."""

    text: str
    at: Callable[[Env], int]


@dataclass(frozen=True)
class Scope:
    """The indices that are bound, all choices of them that get here, and places that a condition speaks of."""

    indices: tuple[str, ...] = ()
    choices: tuple[Env, ...] = ({},)
    known: tuple[Whole, ...] = ()

    def bind(self, index: str, values: Callable[[Env], range]) -> Scope:
        choices = tuple({**env, index: value} for env in self.choices for value in values(env))
        return replace(self, indices=(*self.indices, index), choices=choices)

    def where(self, test: Callable[[Env], bool], *known: Whole) -> Scope:
        return replace(self, choices=tuple(filter(test, self.choices)), known=(*self.known, *known))


@dataclass
class Names:
    """What has a name here, and what may be given a new value."""

    reals: list[str] = field(default_factory=list)
    arrays: dict[str, tuple[Extent, ...]] = field(default_factory=dict)
    carried: list[str] = field(default_factory=list)
    # Named in this very block.
    new: list[str] = field(default_factory=list)


class Mixed(ProgramText):
    """Makes one program; ``nasty`` ones run at kinks and at the corners of domains."""

    def __init__(self, r: random.Random, nasty: bool = False) -> None:
        super().__init__(r)
        self.nasty = nasty
        self.names = Names()
        self.tables: dict[str, tuple[Extent, list[int]]] = {}
        self.functions: dict[str, int] = {}
        self.collected: list[str] = []
        # Loops that can collect, outermost first; None within what cannot.
        self.loops: list[tuple[str, Extent]] | None = []
        self.n, self.m = Extent("n", r.choice([1, 2, 3, 3, 4])), Extent("m", r.choice([1, 2, 2, 3]))
        # How much may be written yet, so that programs of steps stay short.
        self.left = 60

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

    # Integers ------------------------------------------------------------------------------------------------------

    def extent(self) -> Extent:
        n, m = self.n, self.m
        options = [n, n, n, m, m, Extent("n + 1", n.value + 1), Extent("n + m - 1", n.value + m.value - 1)]
        options += [Extent("2*m", 2 * m.value), Extent("2", 2), Extent("n - 1", n.value - 1)]
        return self.r.choice([each for each in options if each.value > 0])

    def whole(self, scope: Scope, axis: Extent) -> Whole:
        """An integer, mostly near the places of an axis."""
        r = self.r
        if scope.known and self.chance(0.4):
            return r.choice(scope.known)
        c = r.randrange(3)
        if not scope.indices or self.chance(0.05):
            return r.choice([Whole(str(c), lambda _: c), Whole(f"{axis.text} - 1", lambda _: axis.value - 1)])
        i, j = r.choice(scope.indices), r.choice(scope.indices)
        forms = [
            Whole(i, lambda env: env[i]),
            Whole(i, lambda env: env[i]),
            Whole(f"{i} + {c}", lambda env: env[i] + c),
            Whole(f"{i} - {c}", lambda env: env[i] - c),
            Whole(f"{i} - {c}", lambda env: env[i] - c),
            Whole(f"{axis.text} - 1 - {i}", lambda env: axis.value - 1 - env[i]),
            Whole(f"{c} - {i}", lambda env: c - env[i]),
            Whole(f"2*{i} - {c}", lambda env: 2 * env[i] - c),
            Whole(f"2*{i} + {c}", lambda env: 2 * env[i] + c),
            Whole(f"{axis.text} - 2*{i}", lambda env: axis.value - 2 * env[i]),
            Whole(f"3*{i} - {c}", lambda env: 3 * env[i] - c),
            Whole(f"{i}//2", lambda env: env[i] // 2),
            Whole(f"({i} - 1)//2", lambda env: (env[i] - 1) // 2),
            Whole(f"({i} + {c}) % {axis.text}", lambda env: (env[i] + c) % axis.value),
            Whole(f"max({i} - {c}, 0)", lambda env: max(env[i] - c, 0)),
            Whole(f"min({i} + {c}, {axis.text} - 1)", lambda env: min(env[i] + c, axis.value - 1)),
            Whole(f"(if {i} > {c} then {i} - {c} else 0)", lambda env: env[i] - c if env[i] > c else 0),
        ]
        if i != j:
            forms += [
                Whole(f"{i} + {j}", lambda env: env[i] + env[j]),
                Whole(f"{i} + {j} - {c}", lambda env: env[i] + env[j] - c),
                Whole(f"{i} - {j}", lambda env: env[i] - env[j]),
                Whole(f"{i} - {j} + {c}", lambda env: env[i] - env[j] + c),
                Whole(f"{i} + 2*{j} - {c}", lambda env: env[i] + 2 * env[j] - c),
                Whole(f"abs({i} - {j})", lambda env: abs(env[i] - env[j])),
                Whole(f"{i}*{self.m.text} + {j}", lambda env: env[i] * self.m.value + env[j]),
                Whole(f"({i} + {j})//2", lambda env: (env[i] + env[j]) // 2),
            ] * 2
        for table, (length, values) in self.tables.items():
            if scope.choices and all(0 <= env[i] < length.value for env in scope.choices):
                forms += [
                    Whole(f"{table}[{i}]", lambda env, values=values: values[env[i]]),
                    Whole(f"{table}[{i}] + {i}", lambda env, values=values: values[env[i]] + env[i]),
                    Whole(f"{table}[{i}] - {c}", lambda env, values=values: values[env[i]] - c),
                    Whole(f"{table}[{length.text} - 1 - {i}]", lambda env, values=values: values[-1 - env[i]]),
                ]
        return r.choice(forms)

    def below(self, place: Whole) -> str:
        """A condition that says that a place is not before its axis."""
        e = place.text
        return self.r.choice([f"{e} >= 0", f"{e} > -1", f"0 <= {e}", f"not ({e} < 0)"])

    def above(self, place: Whole, axis: Extent) -> str:
        e, n = place.text, axis.text
        return self.r.choice([f"{e} < {n}", f"{e} <= {n} - 1", f"{n} > {e}", f"not {e} >= {n}"])

    def simple(self, scope: Scope) -> tuple[str, Callable[[Env], bool]]:
        """A comparison of an index with a number or with another index."""
        r = self.r
        i = r.choice(scope.indices)
        op = r.choice([">", "<", "!=", ">=", "<=", "=="])
        other = r.choice([Whole(str(c), lambda _, c=c: c) for c in range(3)] + [self.whole(scope, self.n)])
        return f"{i} {op} {other.text}", lambda env: _COMPARE[op](env[i], other.at(env))

    def inside(self, place: Whole, axis: Extent, scope: Scope) -> tuple[list[str], Scope]:
        """Conditions under which a place lies on its axis, and what is left under these."""
        values = [place.at(env) for env in scope.choices]
        if not values and place.text != "0":
            raise Beyond
        if place.text.lstrip("-").isdigit() and not 0 <= int(place.text) < axis.value:
            raise Beyond
        tests: list[str] = []
        inner = scope.where(lambda env: 0 <= place.at(env) < axis.value)
        if min(values, default=0) >= 0 and max(values, default=0) < axis.value and self.chance(0.9):
            return [], scope
        if scope.indices and self.chance(0.35):
            # Comparisons of indices that happen to imply it.
            for _ in range(4):
                text, test = self.simple(scope)
                chosen = scope.where(test)
                if chosen.choices and all(0 <= place.at(env) < axis.value for env in chosen.choices):
                    return [text], chosen
        if min(values, default=0) < 0 or self.chance(0.2):
            tests.append(self.below(place))
        if max(values, default=0) >= axis.value or self.chance(0.2):
            tests.append(self.above(place, axis))
        self.r.shuffle(tests)
        return tests, inner

    def places(self, axes: Sequence[Extent], scope: Scope) -> tuple[list[str], list[str], Scope]:
        """A place on each axis, and the conditions for them."""
        texts, tests = [], []
        for axis in axes:
            for _ in range(6):
                place = self.whole(scope, axis)
                try:
                    own, inner = self.inside(place, axis, scope)
                except Beyond:
                    continue
                break
            else:
                place, own, inner = Whole("0", lambda _: 0), [], scope
            texts.append(place.text)
            tests += own
            scope = inner
        return texts, tests, scope

    # Numbers -------------------------------------------------------------------------------------------------------

    def leaf(self, scope: Scope) -> str:
        r = self.r
        how = r.random()
        if how < 0.15:
            return r.choice(["0.5", "1", "2", "0.25", "-1", "1.5"])
        if how < 0.25 and scope.indices:
            return f"0.5*{r.choice(scope.indices)}"
        if how < 0.5 and self.names.reals:
            return r.choice(self.names.reals)
        return self.read(scope, 0)

    def read(self, scope: Scope, depth: int) -> str:
        """An element of an array, where it has one."""
        r = self.r
        name = r.choice(list(self.names.arrays))
        axes = self.names.arrays[name]
        texts, tests, inner = self.places(axes, scope)
        element = f"{name}[{', '.join(texts)}]"
        if len(axes) == 2 and self.chance(0.1):
            element = f"sum({name}[{texts[0]}])"
        if not tests:
            return element
        taken = element
        if depth > 0 and inner.choices:
            taken = r.choice([element, f"{element}*{self.real(inner, depth - 1)}", f"tanh({element})"])
        other = r.choice(["0", "0", "1", self.leaf(scope)])
        if self.chance(0.15):
            tests.append(self.condition(scope, 0))
            if self.chance(0.5):
                tests = tests[-1:] + tests[:-1]
        if self.chance(0.15) and len(tests) > 1:
            return (
                f"(if {tests[0]} then (if {' and '.join(tests[1:])} then {taken} else {other}) else {self.leaf(scope)})"
            )
        if self.chance(0.2):
            turned = " or ".join(f"not ({test})" for test in tests)
            return f"(if {turned} then {other} else {taken})"
        return f"(if {' and '.join(tests)} then {taken} else {other})"

    def condition(self, scope: Scope, depth: int) -> str:
        r = self.r
        if scope.indices and self.chance(0.4):
            return self.simple(scope)[0]
        a = self.leaf(scope)
        test = f"{a} {r.choice(['<', '>', '<=', '>='])} {r.choice(['0', '0.3', '1', self.leaf(scope)])}"
        return f"{test} {r.choice(['and', 'or'])} {self.condition(scope, 0)}" if depth and self.chance(0.2) else test

    def real(self, scope: Scope, depth: int) -> str:
        r = self.r
        self.left -= 1
        if depth <= 0 or self.left < 0 or self.chance(0.1):
            return self.leaf(scope)
        how = r.random()
        if how < 0.2:
            return self.read(scope, depth)
        if how < 0.38:
            return self.reduced(scope, depth)
        if how < 0.48:
            return self.across(scope, depth)
        if how < 0.56 and self.functions:
            single = [name for name, results in self.functions.items() if results == 1]
            if single:
                return f"{r.choice(single)}({self.real(scope, depth - 1)}, {self.leaf(scope)})"
        a = self.real(scope, depth - 1)
        if how < 0.7:
            forms = [f"sin({a})", f"tanh({a})", f"({a})^2", f"exp(-({a})^2)", f"cos({a})", f"sigmoid({a})", f"(-({a}))"]
            if self.nasty:
                forms += [f"abs({a})", f"relu({a})", f"sqrt({a})", f"log({a})", f"cbrt({a})", f"stop_gradient({a})"]
            return r.choice(forms)
        b = self.real(scope, depth - 1)
        forms = [f"({a} + {b})", f"({a} - {b})", f"({a})*({b})", f"({a})/(1 + ({b})^2)"]
        if self.nasty:
            forms += [f"max({a}, {b})", f"min({a}, {b})", f"({a})/({b})"]
        if self.chance(0.3):
            test = self.condition(scope, 1)
            forms = [f"(if {test} then {a} else {b})", f"where({test}, {a}, {b})"]
        return r.choice(forms)

    def binders(self, scope: Scope, most: int = 2) -> tuple[list[str], Scope]:
        """Clauses for one or two new indices."""
        r = self.r
        clauses: list[str] = []
        for _ in range(r.choice([1, 1, 2][: most + 1])):
            i, size = self.name("i"), self.extent()
            options: list[tuple[str, str, Callable[[Env], range]]] = [
                ("0", size.text, lambda _, s=size: range(s.value))
            ] * 5
            if size.value > 1:
                options += [
                    ("1", size.text, lambda _, s=size: range(1, s.value)),
                    ("0", f"{size.text} - 1", lambda _, s=size: range(s.value - 1)),
                ]
            options.append(("0", f"{size.text} + 1", lambda _, s=size: range(s.value + 1)))
            # The variables of loops bound no ranges.
            for j in (index for index in scope.indices if index[0] != "t"):
                if all(env[j] >= 0 for env in scope.choices):
                    options.append(("0", j, lambda env, j=j: range(env[j])))
                    options.append(("0", f"{j} + 1", lambda env, j=j: range(env[j] + 1)))
                    if all(env[j] <= size.value for env in scope.choices):
                        options.append((j, size.text, lambda env, j=j, s=size: range(env[j], s.value)))
            low, high, values = r.choice(options)
            wider = scope.bind(i, values)
            if len(wider.choices) > _MOST:
                break
            scope = wider
            clauses.append(f"{i} in {low}..{high}")
        return clauses, scope

    def reduced(self, scope: Scope, depth: int) -> str:
        r = self.r
        clauses, inner = self.binders(scope)
        if not clauses:
            return self.leaf(scope)
        test = ""
        if self.chance(0.45):
            how = r.random()
            if how < 0.5:
                axis = r.choice(list(self.names.arrays.values()))[0]
                place = self.whole(inner, axis)
                try:
                    tests, left = self.inside(place, axis, inner)
                except Beyond:
                    tests, left = [], inner
                if tests:
                    test, inner = " and ".join(tests), replace(left, known=(*left.known, place))
            elif how < 0.8:
                test, chosen = self.simple(inner)
                inner = inner.where(chosen)
            else:
                test = self.condition(inner, 1)
        body = self.real(inner, depth - 1)
        kinds = ["sum"] * 6 + ["prod"]
        if self.nasty and not test and len(inner.choices) and _covers(inner, scope):
            kinds += ["max", "min"]
        kind = r.choice(kinds)
        return f"{kind}({body} for {', '.join(clauses)}{f' if {test}' if test else ''})"

    def across(self, scope: Scope, depth: int) -> str:
        """A number made of whole arrays."""
        r = self.r
        size = self.extent()
        a = self.vector(size, scope, depth - 1)
        kinds = [
            f"sum({a})",
            f"sum({a})",
            f"({a} @ {self.vector(size, scope, depth - 1)})",
            f"mean({a})",
            f"logsumexp({a})",
        ]
        if self.nasty:
            kinds += [f"max({a})", f"min({a})", f"norm({a})", f"prod({a})"]
        return r.choice(kinds)

    def vector(self, size: Extent, scope: Scope, depth: int) -> str:
        """An array of one axis."""
        r = self.r
        self.left -= 1
        own = [name for name, axes in self.names.arrays.items() if [axis.text for axis in axes] == [size.text]]
        rows = [name for name, axes in self.names.arrays.items() if len(axes) == 2 and axes[1].text == size.text]
        columns = [name for name, axes in self.names.arrays.items() if len(axes) == 2 and axes[0].text == size.text]
        longer = [name for name, axes in self.names.arrays.items() if len(axes) == 1 and axes[0].value > size.value]
        longer = [name for name in longer if size.text == "n" and self.names.arrays[name][0].text == "n + 1"]
        how = r.random()
        if own and (how < 0.35 or depth <= 0 or self.left < 0):
            return r.choice(own)
        if how < 0.5 and depth > 0:
            a = self.vector(size, scope, depth - 1)
            forms = [f"tanh({a})", f"{a}[::-1]" if a.isidentifier() else f"({a})^2", f"softmax({a})", f"cumsum({a})"]
            return r.choice(forms)
        if how < 0.62 and depth > 0:
            a = self.vector(size, scope, depth - 1)
            other = r.choice([self.vector(size, scope, depth - 1), self.leaf(scope)])
            return f"({a} {r.choice('+-*')} {other})"
        if how < 0.8 and (rows or columns or longer):
            forms = []
            for name in rows:
                texts, tests, _ = self.places(self.names.arrays[name][:1], scope)
                forms.append(f"{name}[{texts[0] if not tests else 0}]")
                left = self.names.arrays[name][0]
                vectors = [v for v, axes in self.names.arrays.items() if axes == (left,)]
                if vectors:
                    forms.append(f"({r.choice(vectors)} @ {name})")
            for name in columns:
                forms.append(f"{name}[:, 0]")
                vectors = [v for v, axes in self.names.arrays.items() if axes == (self.names.arrays[name][1],)]
                if vectors:
                    forms.append(f"({name} @ {r.choice(vectors)})")
            for name in longer:
                forms += [f"{name}[1:]", f"{name}[:-1]"]
            return r.choice(forms)
        i = self.name("i")
        inner = scope.bind(i, lambda _: range(size.value))
        if len(inner.choices) > _MOST:
            return f"({self.leaf(scope)}*ones({size.text}))"
        return f"[{self.real(inner, depth - 1)} for {i} in 0..{size.text}]"

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
        if len(wider.choices) > _MOST or size.value < low:
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


class Beyond(Exception):
    """A constant place that no axis has."""


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
}


def _covers(inner: Scope, outer: Scope) -> bool:
    """Whether every choice of the outer indices has one of the inner ones."""
    seen = {tuple(env[index] for index in outer.indices) for env in inner.choices}
    return all(tuple(env[index] for index in outer.indices) in seen for env in outer.choices)


def program(r: random.Random, nasty: bool = False) -> str:
    """A program with its point, and derivatives among its outputs."""
    return Mixed(r, nasty).program()
