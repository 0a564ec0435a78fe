"""Random programs over arrays as text, each with its meaning in Python: what its lowering is tested against, too.

A ``Term`` is a piece of text and a function of an environment, which holds inputs, sizes and the values of indices.
What is not selected is not evaluated.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

Env = dict[str, Any]


@dataclass(frozen=True)
class Term:
    """An expression: its text, its meaning, its shape as texts of extents, and the axes that indices stand on bare."""

    text: str
    value: Callable[[Env], Any]
    shape: tuple[str, ...] = ()
    bare: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Range:
    """An index: its name, its bounds as texts, and their values."""

    name: str
    low: str
    high: str

    def values(self, env: Env) -> range:
        return range(extent(self.low, env), extent(self.high, env))


def extent(text: str, env: Env) -> int:
    """The number that a text of sizes and indices is: sums of names and numbers, one quotient by 2."""
    if text.endswith("//2"):
        return extent(text[:-3], env) // 2
    total, sign = 0, 1
    for part in text.replace("-", " - ").replace("+", " + ").split():
        if part in "+-":
            sign = 1 if part == "+" else -1
        else:
            total += sign * (int(part) if part.isdigit() else env[part])
    return total


SIZES = ("n", "m")
REAL = {"A": ("n", "m"), "B": ("m", "m"), "x": ("n",), "y": ("m",), "w": ("m",), "c": ()}
WHOLE = {"p": ("n", "n"), "q": ("m", "n")}
"""Vectors of integers, each with the extent of the axis whose places it names."""

UNARY: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "exp": lambda v: np.exp(np.minimum(v, 20.0)),
    "abs": np.abs,
    "relu": lambda v: np.maximum(v, 0.0),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {"+": np.add, "-": np.subtract, "*": np.multiply}


def unary(name: str, term: Term) -> Term:
    run = UNARY[name]
    text = f"exp(min({term.text}, 20))" if name == "exp" else f"{name}({term.text})"
    return Term(text, lambda env: run(term.value(env)), term.shape, term.bare)


class Texts:
    """Makes one random program."""

    def __init__(self, r: random.Random, smooth: bool, poison: bool = False) -> None:
        self.r = r
        self.smooth = smooth
        self.poison = poison
        # Arrays that are not defined where those that they are made of are negative: name, and what of.
        self.bad: dict[str, str] = {}
        self.statements: list[str] = []
        # Names of the program with their shapes.
        self.arrays: dict[str, tuple[str, ...]] = dict(REAL)
        self.meanings: list[tuple[str, Callable[[Env], Any]]] = []
        self.fresh = (f"{letter}{number}" for number in itertools.count(1) for letter in "ijk")

    def one(self, options: Sequence[Any]) -> Any:
        return self.r.choice(options)

    def chance(self, one_in: int = 2) -> bool:
        return self.r.randint(1, one_in) == 1

    # Integers ------------------------------------------------------------------------------------------------------

    def place(self, size: str, ranges: Sequence[Range]) -> Term:
        """An integer from 0 to a size less 1, which is at least 1."""
        whole = [r for r in ranges if r.low == "0" and r.high == size]
        if whole and not self.chance(3):
            r = self.one(whole)
            return Term(r.name, lambda env: env[r.name], (), ((r.name, size),))
        options: list[Term] = [Term("0", lambda env: 0), Term("-1", lambda env: extent(size, env) - 1)]
        for r in ranges:
            if r.low == "0" and r.high == size:
                options.append(Term(f"{size}-1-{r.name}", lambda env, r=r: extent(size, env) - 1 - env[r.name]))
            if r.low == "0" and r.high == f"{size}-1":
                options += [
                    Term(f"{r.name}+1", lambda env, r=r: env[r.name] + 1),
                    Term(f"{size} - {r.name} - 1", lambda env, r=r: extent(size, env) - env[r.name] - 1),
                ]
            if r.low == "1" and r.high == size:
                options.append(Term(f"{r.name}-1", lambda env, r=r: env[r.name] - 1))
            if r.low == "0" and r.high == f"{size}//2":
                options += [
                    Term(f"2*{r.name}", lambda env, r=r: 2 * env[r.name]),
                    Term(f"2*{r.name}+1", lambda env, r=r: 2 * env[r.name] + 1),
                ]
            options.append(Term(f"mod({r.name}+1, {size})", lambda env, r=r: (env[r.name] + 1) % extent(size, env)))
            for name, (length, target) in WHOLE.items():
                if r.low == "0" and r.high == length and target == size:
                    options.append(
                        Term(
                            f"{name}[{r.name}]",
                            lambda env, r=r, name=name: int(env[name][env[r.name]]),
                            (),
                            ((r.name, length),),
                        )
                    )
        return self.one(options[::-1])

    def condition(self, ranges: Sequence[Range], depth: int) -> Term:
        how = self.r.randint(0, 4)
        if ranges and how < 2:
            r, s = self.one(ranges), self.one(ranges)
            if r is s:
                return Term(f"mod({r.name}, 2) == 0", lambda env: env[r.name] % 2 == 0)
            return Term(f"{r.name} <= {s.name}", lambda env: env[r.name] <= env[s.name])
        if how == 4 and depth > 0:
            first, second = self.condition(ranges, depth - 1), self.condition(ranges, depth - 1)
            bare = first.bare + second.bare
            if self.chance():
                return Term(
                    f"({first.text} and {second.text})", lambda env: first.value(env) and second.value(env), (), bare
                )
            return Term(
                f"not ({first.text} or {second.text})",
                lambda env: not (first.value(env) or second.value(env)),
                (),
                bare,
            )
        left, right = self.leaf(ranges), self.leaf(ranges)
        return Term(
            f"{left.text} < {right.text}", lambda env: left.value(env) < right.value(env), (), left.bare + right.bare
        )

    # Numbers -------------------------------------------------------------------------------------------------------

    def leaf(self, ranges: Sequence[Range]) -> Term:
        how = self.r.randint(0, 7)
        if how == 0:
            number = self.r.randint(-4, 4) / 2
            return Term(f"({number})", lambda env: number)
        if how == 1 and ranges:
            r = self.one(ranges)
            return Term(f"{r.name}/4", lambda env: env[r.name] / 4)
        if how == 2:
            size = self.one(SIZES)
            return Term(f"(1.0*{size})", lambda env: float(env[size]))
        name = self.one(list(self.arrays))
        shape = self.arrays[name]
        places = [self.place(size, ranges) for size in shape]
        bare = tuple(each for place in places for each in place.bare)
        if not shape:
            return Term(name, lambda env: env[name])
        if len(places) == 2 and self.chance(4):
            return Term(
                f"{name}[{places[0].text}][{places[1].text}]",
                lambda env: env[name][places[0].value(env)][places[1].value(env)],
                (),
                bare,
            )
        return Term(
            f"{name}[{', '.join(place.text for place in places)}]",
            lambda env: env[name][tuple(place.value(env) for place in places)],
            (),
            bare,
        )

    def guarded(self, ranges: Sequence[Range], depth: int) -> Term:
        """What is defined, or has a derivative, only where a condition holds."""
        other = self.leaf(ranges)
        name = self.one(list(self.bad)) if self.bad and self.chance() else ""
        source = self.bad.get(name, "x")
        place = self.place(self.arrays[source][0], ranges)
        # Of an array of which single elements are read, the others have an adjoint of 0, which does not annihilate.
        if name and place.text not in ("0", "-1"):
            text = f"(if {source}[{place.text}] > 0 then {name}[{place.text}] else {other.text})"

            def read(env: Env) -> Any:
                at = place.value(env)
                return env[name][at] if env[source][at] > 0 else other.value(env)

            return Term(text, read, (), place.bare + other.bare)
        inner = self.number(ranges, depth - 1)
        function, run = self.one([("log", np.log), ("sqrt", np.sqrt), ("1/", lambda x: 1 / x)])
        text = f"(if {inner.text} > 0 then {function}({inner.text}) else {other.text})"

        def choose(env: Env) -> Any:
            value = inner.value(env)
            return run(value) if value > 0 else other.value(env)

        return Term(text, choose, (), inner.bare + other.bare)

    def number(self, ranges: Sequence[Range], depth: int) -> Term:
        """A single number under these indices."""
        if depth <= 0:
            return self.leaf(ranges)
        if self.poison and self.chance(4):
            return self.guarded(ranges, depth)
        how = self.r.randint(0, 9)
        if how <= 1:
            return unary(
                self.one(["sin", "cos", "tanh", "exp"] if self.smooth else list(UNARY)), self.number(ranges, depth - 1)
            )
        if how <= 3:
            op = self.one(list(BINARY))
            left, right = self.number(ranges, depth - 1), self.number(ranges, depth - 1)
            run = BINARY[op]
            return Term(
                f"({left.text} {op} {right.text})",
                lambda env: run(left.value(env), right.value(env)),
                (),
                left.bare + right.bare,
            )
        if how == 4:
            test = self.condition(ranges, 1)
            left, right = self.number(ranges, depth - 1), self.number(ranges, depth - 1)
            return Term(
                f"(if {test.text} then {left.text} else {right.text})",
                lambda env: left.value(env) if test.value(env) else right.value(env),
                (),
                test.bare + left.bare + right.bare,
            )
        if how <= 7:
            return self.reduction(ranges, depth)
        return self.whole(ranges, depth)

    def binders(self, ranges: Sequence[Range], least: int = 1) -> list[Range]:
        made: list[Range] = []
        for _ in range(self.r.randint(least, 2)):
            name, size = next(self.fresh), self.one(SIZES)
            options = [Range(name, "0", size)] * 4
            options += [Range(name, "0", f"{size}-1"), Range(name, "1", size), Range(name, "0", f"{size}//2")]
            for r in (*ranges, *made):
                if r.low == "0" and r.high in SIZES:
                    options += [
                        Range(name, "0", r.name),
                        Range(name, r.name, r.high),
                        Range(name, f"{r.name}+1", r.high),
                    ]
            made.append(self.one(options))
        return made

    def clauses(self, made: Sequence[Range], bare: tuple[tuple[str, str], ...]) -> str:
        """The `for` of a comprehension: a range that can be read off may be left out."""
        texts = []
        for r in made:
            seen = {size for name, size in bare if name == r.name}
            if r.low == "0" and seen == {r.high} and self.chance():
                texts.append(r.name)
            else:
                texts.append(f"{r.name} in {r.low}..{r.high}")
        return ", ".join(texts)

    def reduction(self, ranges: Sequence[Range], depth: int) -> Term:
        made = self.binders(ranges)
        inner = [*ranges, *made]
        body = self.number(inner, depth - 1)
        # A triangular range stands in order after what it depends on.
        test = self.condition(inner, 1) if self.chance(3) else None
        bare = body.bare + (test.bare if test else ())
        kind = self.one(["sum"] * 4 + (["prod"] if self.smooth else ["prod", "max", "min", "mean"]))
        if kind == "mean" and any(r.low != "0" or r.high not in SIZES for r in made):
            # Whether there are elements is checked at the call, whether or not the mean is selected.
            kind = "sum"
        text = f"{kind}({body.text} for {self.clauses(made, bare)}{f' if {test.text}' if test else ''})"

        def value(env: Env) -> Any:
            found = [body.value(each) for each in choices(made, env) if test is None or test.value(each)]
            return combine(kind, found)

        outer = tuple(each for each in bare if each[0] not in {r.name for r in made})
        return Term(text, value, (), outer)

    def whole(self, ranges: Sequence[Range], depth: int) -> Term:
        """A number that is made of a whole array."""
        array = self.array(ranges, depth - 1)
        if not array.shape:
            return array
        kind = self.one(["sum", "sum", "logsumexp", "mean"] if self.smooth else ["sum", "max", "norm", "mean", "min"])
        return Term(f"{kind}({array.text})", lambda env: reduced(kind, array.value(env), None), (), array.bare)

    # Arrays --------------------------------------------------------------------------------------------------------

    def array(self, ranges: Sequence[Range], depth: int) -> Term:
        """An array (or a number, where its axes are used up)."""
        how = self.r.randint(0, 12) if depth > 0 else 12
        if how == 0:
            made = self.binders(ranges)
            made = [r for r in made if r.low == "0" and r.high in SIZES] or [
                Range(next(self.fresh), "0", self.one(SIZES))
            ]
            body = self.number([*ranges, *made], depth - 1)
            text = f"[{body.text} for {self.clauses(made, body.bare)}]"

            def table(env: Env) -> Any:
                shape = [len(r.values(env)) for r in made]
                return np.array([body.value(each) for each in choices(made, env)], float).reshape(shape)

            bare = tuple(each for each in body.bare if each[0] not in {r.name for r in made})
            return Term(text, table, tuple(r.high for r in made), bare)
        inner = self.array(ranges, depth - 1) if depth > 0 else self.named(ranges)
        if not inner.shape:
            return inner
        if how <= 2:
            return unary(self.one(["sin", "cos", "tanh"] if self.smooth else list(UNARY)), inner)
        if how <= 4:
            op = self.one(list(BINARY))
            other = self.fitting(inner.shape, ranges, depth - 1)
            left, right = (inner, other) if self.chance() else (other, inner)
            run = BINARY[op]
            return Term(
                f"({left.text} {op} {right.text})",
                lambda env: run(left.value(env), right.value(env)),
                inner.shape,
                left.bare + right.bare,
            )
        if how == 5 and len(inner.shape) == 2:
            axis = self.r.randint(0, 1)
            kind = self.one(["sum", "mean", "logsumexp", "prod"] if self.smooth else ["sum", "max", "norm", "prod"])
            shape = (inner.shape[1 - axis],)
            return Term(
                f"{kind}({inner.text}, axis={axis})",
                lambda env: reduced(kind, inner.value(env), axis),
                shape,
                inner.bare,
            )
        if how == 6 and len(inner.shape) == 2:
            return Term(f"{inner.text}.T", lambda env: inner.value(env).T, inner.shape[::-1], inner.bare)
        if how == 7:
            axis = self.r.randint(0, len(inner.shape) - 1)
            kind = self.one(["cumsum", "cumprod", "softmax"] + ([] if self.smooth else ["sort"]))
            return Term(
                f"{kind}({inner.text}, axis={axis})",
                lambda env: along(kind, inner.value(env), axis),
                inner.shape,
                inner.bare,
            )
        if how == 8:
            other = self.fitting((inner.shape[-1],), ranges, depth - 1, exact=True)
            return Term(
                f"({inner.text} @ {other.text})",
                lambda env: inner.value(env) @ other.value(env),
                inner.shape[:-1],
                inner.bare + other.bare,
            )
        if how == 9:
            other = self.fitting(inner.shape, ranges, depth - 1, exact=True)
            text = f"where({inner.text} < {other.text}, {inner.text}, sin({other.text}))"

            def choose(env: Env) -> Any:
                left, right = inner.value(env), other.value(env)
                return np.where(left < right, left, np.sin(right))

            return Term(text, choose, inner.shape, inner.bare + other.bare)
        return inner

    def named(self, ranges: Sequence[Range]) -> Term:
        name = self.one([name for name, shape in self.arrays.items() if shape])
        shape = self.arrays[name]
        if len(shape) == 2 and self.chance():
            place = self.place(shape[0], ranges)
            if self.chance():
                return Term(f"{name}[{place.text}]", lambda env: env[name][place.value(env)], shape[1:], place.bare)
            place = self.place(shape[1], ranges)
            return Term(f"{name}[:, {place.text}]", lambda env: env[name][:, place.value(env)], shape[:1], place.bare)
        if self.chance():
            return Term(f"{name}[::-1]", lambda env: env[name][::-1], shape)
        return Term(name, lambda env: env[name], shape)

    def fitting(self, shape: tuple[str, ...], ranges: Sequence[Range], depth: int, exact: bool = False) -> Term:
        """An array that broadcasts to that shape, or has it."""
        suffixes = [shape] if exact else [shape[at:] for at in range(len(shape) + 1)]
        options = [(name, own) for name, own in self.arrays.items() if own in suffixes]
        if options and self.chance(3) is False:
            name, own = self.one(options)
            return Term(name, lambda env: env[name], own)
        own = self.one(suffixes)
        if not own:
            return self.number(ranges, depth)
        made = [Range(next(self.fresh), "0", size) for size in own]
        body = self.number([*ranges, *made], min(depth, 1))
        outer = tuple(each for each in body.bare if each[0] not in {r.name for r in made})
        return Term(
            f"[{body.text} for {self.clauses(made, body.bare)}]",
            lambda env: np.array([body.value(each) for each in choices(made, env)], float).reshape(
                [len(r.values(env)) for r in made]
            ),
            own,
            outer,
        )

    # Statements ----------------------------------------------------------------------------------------------------

    def hidden(self, number: int) -> None:
        """A name for what is not defined everywhere."""
        name, source = f"h{number}", self.one([name for name, shape in self.arrays.items() if len(shape) == 1])
        function, run = self.one([("log", np.log), ("sqrt", np.sqrt), ("1/", lambda x: 1 / x)])
        self.statements.append(f"{name} = {function}({source})")
        self.meanings.append((name, lambda env: run(env[source])))
        self.bad[name] = source

    def statement(self, number: int) -> None:
        name = f"z{number}"
        if self.chance():
            made = [Range(next(self.fresh), "0", self.one(SIZES)) for _ in range(self.r.randint(1, 2))]
            body = self.number(made, 3)
            text = f"{name}[{', '.join(r.name for r in made)}] = {body.text} for {self.clauses(made, body.bare)}"

            def value(env: Env) -> Any:
                shape = [len(r.values(env)) for r in made]
                return np.array([body.value(each) for each in choices(made, env)], float).reshape(shape)

            shape = tuple(r.high for r in made)
        else:
            term = self.array((), 3)
            text, value, shape = f"{name} = {term.text}", term.value, term.shape
        self.statements.append(text)
        self.meanings.append((name, value))
        self.arrays[name] = shape


def choices(made: Sequence[Range], env: Env) -> Any:
    """The environments of all values of the indices, in their order; a range may depend on those before it."""
    if not made:
        yield env
        return
    for value in made[0].values(env):
        yield from choices(made[1:], env | {made[0].name: value})


class Nothing(ArithmeticError):
    """The largest, or the mean, of no elements."""


def combine(kind: str, values: list[Any]) -> Any:
    if kind == "sum":
        return math.fsum(values) if all(map(math.isfinite, values)) else float(sum(values))
    if kind == "prod":
        return float(np.prod(np.array(values, float)))
    if not values:
        raise Nothing
    if kind == "mean":
        return combine("sum", values) / len(values)
    return float(max(values) if kind == "max" else min(values))


def reduced(kind: str, x: Any, axis: int | None) -> Any:
    if kind in ("max", "min", "mean") and (x.size == 0 if axis is None else x.shape[axis] == 0):
        raise Nothing
    if kind == "norm":
        return np.sqrt(np.sum(np.square(x), axis=axis))
    if kind == "logsumexp":
        return np.log(np.sum(np.exp(x), axis=axis))
    return getattr(np, kind)(x, axis=axis)


def along(kind: str, x: Any, axis: int) -> Any:
    if kind == "softmax":
        raised = np.exp(x - (np.max(x, axis=axis, keepdims=True) if x.size else 0.0))
        return raised / np.sum(raised, axis=axis, keepdims=True)
    return getattr(np, kind)(x, axis=axis)


@dataclass
class Text:
    """A program, the meaning of each statement in order, and the shapes of their names."""

    source: str
    meanings: list[tuple[str, Callable[[Env], Any]]]
    shapes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def values(self, inputs: Env) -> Env:
        """The values of the statements; raises ``Nothing``, and IndexError for what is outside."""
        env = dict(inputs)
        with np.errstate(all="ignore"):
            for name, value in self.meanings:
                env[name] = np.asarray(value(env), float)
        return {name: env[name] for name, _ in self.meanings}


DECLARATIONS = """input A[n, m], B[m, m], x[n], y[m], c
input p[n]: int, q[m]: int
param w[m]
"""


def array_text(r: random.Random, *, smooth: bool = False, most: int = 3, poison: bool = False) -> Text:
    """A program over the inputs of ``DECLARATIONS``, for sizes n and m from 1 on; p and q name places of x.

    With ``poison`` branches that are not taken are undefined, or have no derivative.
    """
    made = Texts(r, smooth, poison)
    for number in range(r.randint(1, most)):
        if poison:
            made.hidden(number)
        made.statement(number)
    names = [name for name, _ in made.meanings if name not in made.bad]
    source = DECLARATIONS + "\n".join(made.statements) + f"\noutput {', '.join(names)}\n"
    return Text(source, made.meanings, {name: made.arrays[name] for name in names})


def array_texts(**kind: Any) -> st.SearchStrategy[Text]:
    """The same as a strategy."""
    return st.randoms(use_true_random=False).map(lambda r: array_text(r, **kind))


def random_inputs(n: int, m: int, seed: int) -> Env:
    """Inputs for those sizes, and the sizes themselves."""
    rng = np.random.default_rng(seed)
    shapes = {"A": (n, m), "B": (m, m), "x": (n,), "y": (m,), "w": (m,)}
    values: Env = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    values |= {"c": float(rng.normal()), "p": rng.integers(0, max(n, 1), n), "q": rng.integers(0, max(n, 1), m)}
    return values | {"n": n, "m": m}
