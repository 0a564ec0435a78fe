"""Places of arrays in random programs, at their edges above all, and the conditions under which they lie inside.

A place is an integer expression of the indices in scope. Its values are known to the generator, which counts through
all choices of the indices; where some lie beyond the axis, a condition leaves these out, or the place is bent back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from program_text import ProgramText

Env = dict[str, int]
MOST = 250
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


class Beyond(Exception):
    """A constant place that no axis has."""


class Places(ProgramText):
    """Writes integers, and comparisons of these."""

    def __init__(self, r: random.Random) -> None:
        super().__init__(r)
        self.n, self.m = Extent("n", r.choice([1, 2, 3, 3, 4])), Extent("m", r.choice([1, 2, 2, 3]))
        # Arrays of integers: their length, and their values.
        self.tables: dict[str, tuple[Extent, list[int]]] = {}

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


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
}
