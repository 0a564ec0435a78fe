"""Numbers and arrays in random programs that mix everything: elements, sums, choices, calls, each at some place."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from place_texts import MOST, Beyond, Env, Extent, Places, Scope


@dataclass
class Names:
    """What has a name here, and what may be given a new value."""

    reals: list[str] = field(default_factory=list)
    arrays: dict[str, tuple[Extent, ...]] = field(default_factory=dict)
    carried: list[str] = field(default_factory=list)
    # Named in this very block.
    new: list[str] = field(default_factory=list)


class Expressions(Places):
    """Writes numbers and arrays; ``nasty`` ones have kinks, and leave their domains."""

    def __init__(self, r: random.Random, nasty: bool = False) -> None:
        super().__init__(r)
        self.nasty = nasty
        self.names = Names()
        # Functions of the program by the number of their results.
        self.functions: dict[str, int] = {}
        # How much may be written yet, so that programs of steps stay short.
        self.left = 60

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
            if len(wider.choices) > MOST:
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
        if len(inner.choices) > MOST:
            return f"({self.leaf(scope)}*ones({size.text}))"
        return f"[{self.real(inner, depth - 1)} for {i} in 0..{size.text}]"


def _covers(inner: Scope, outer: Scope) -> bool:
    """Whether every choice of the outer indices has one of the inner ones."""
    seen = {tuple(env[index] for index in outer.indices) for env in inner.choices}
    return all(tuple(env[index] for index in outer.indices) in seen for env in outer.choices)
