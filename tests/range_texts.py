"""Random programs over ranges that may be empty, triangular or filtered, with reads that may lie outside of their axes.

Each has its meaning in Python beside its text: nested loops over numbers that carry a derivative. A read outside raises
``Outside`` where the loops get to it, and nothing where they do not.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from program_text import ProgramText


class Outside(Exception):
    """A read outside of its axis, or the largest of no elements."""


@dataclass(frozen=True)
class Dual:
    """A number with its derivative along one direction; either may have a derivative again."""

    value: Any
    slope: Any

    def __add__(self, other: Any) -> Dual:
        other = lifted(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other: Any) -> Dual:
        other = lifted(other)
        return Dual(self.value * other.value, self.value * other.slope + self.slope * other.value)

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.slope)

    def __sub__(self, other: Any) -> Dual:
        return self + -lifted(other)

    def __rsub__(self, other: Any) -> Dual:
        return lifted(other) - self

    __radd__ = __add__
    __rmul__ = __mul__


def lifted(value: Any) -> Dual:
    """A number as one that does not move."""
    return value if isinstance(value, Dual) else Dual(value, 0.0)


def plain(value: Any) -> float:
    """The number itself."""
    while isinstance(value, Dual):
        value = value.value
    return float(value)


def _applied(function: Callable[[float], float], slope: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        if isinstance(x, Dual):
            return Dual(run(x.value), slope(x.value) * x.slope)
        try:
            return function(x)
        except (ValueError, OverflowError, ZeroDivisionError):
            return math.nan

    return run


sin: Callable[[Any], Any] = _applied(math.sin, lambda x: cos(x))
cos: Callable[[Any], Any] = _applied(math.cos, lambda x: -sin(x))
exp: Callable[[Any], Any] = _applied(math.exp, lambda x: exp(x))
inverse: Callable[[Any], Any] = _applied(lambda x: 1 / x, lambda x: -(inverse(x) * inverse(x)))
log: Callable[[Any], Any] = _applied(math.log, lambda x: inverse(x))
root: Callable[[Any], Any] = _applied(math.sqrt, lambda x: inverse(2 * root(x)))
FUNCTIONS: Final = {"sin": sin, "cos": cos, "exp": exp, "log": log, "sqrt": root}
STEEP: Final = ("log", "sqrt")

Env = dict[str, Any]


@dataclass(frozen=True)
class Term:
    """A piece of text, and what it means for values of the names in it."""

    text: str
    at: Callable[[Env], Any]


def product(items: Sequence[Any]) -> Any:
    """The product, of none 1."""
    found: Any = 1.0
    for item in items:
        found = found * item
    return found


def extreme(items: Sequence[Any], sign: int) -> Any:
    """The largest or the smallest, of equal ones their mean; of none there is none."""
    if not items:
        raise Outside
    if any(math.isnan(plain(item)) for item in items):
        return math.nan
    best = max(sign * plain(item) for item in items)
    tied = [item for item in items if sign * plain(item) == best]
    return sum(tied, 0.0) * (1 / len(tied))


def first(items: Sequence[Any], sign: int) -> int:
    """Where the largest or the smallest stands first."""
    if not items:
        raise Outside
    return max(range(len(items)), key=lambda at: (sign * plain(items[at]), -at))


REDUCTIONS: Final[dict[str, Callable[[Sequence[Any]], Any]]] = {
    "sum": lambda items: sum(items, 0.0),
    "prod": product,
    "max": lambda items: extreme(items, 1),
    "min": lambda items: extreme(items, -1),
    "mean": lambda items: sum(items, 0.0) * (1 / len(items)) if items else extreme(items, 1),
}
SHAPES: Final = {"x": ("n",), "y": ("m",), "A": ("n", "m"), "v": ("3",)}


@dataclass
class Program:
    """A program: its text, and the value of ``L`` for values of its inputs."""

    source: str
    meaning: Callable[..., Any]


@dataclass
class RangeText(ProgramText):
    """Writes one random program; a ``steep`` one has functions whose derivatives are infinite somewhere."""

    r: random.Random
    steep: bool = False
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.r)
        self.shapes = dict(SHAPES)
        self.named: list[tuple[str, Callable[[Env], Any]]] = []

    # Integers ------------------------------------------------------------------------------------------------------

    def bounds(self, indices: Sequence[str], varying: bool = True) -> tuple[Term, Term]:
        """The bounds of a range."""
        how = self.r.randrange(10 if indices and varying else 5)
        zero = Term("0", lambda env: 0)
        if how <= 2:
            return zero, whole(self.r.choice(["n", "m", "k", "n", "m", "k", "3"]))
        if how == 3:
            at = self.r.randrange(3)
            return whole(str(at)), whole(str(at + self.r.choice([0, 0, 1, 2])))
        if how == 4:
            name = self.r.choice(["n", "m", "k"])
            return whole(name), whole(f"{name}+{self.r.randrange(3)}" if self.chance(0.7) else name)
        index = self.r.choice(indices)
        if how <= 6:
            return zero, whole(self.r.choice([index, index, f"{index}+1", f"{index}-1", f"2*{index}", f"n-{index}"]))
        if how == 7:
            return whole(self.r.choice([index, f"{index}+1", f"{index}-1"])), whole(self.r.choice(["n", "m", "k"]))
        if how == 8:
            return whole(self.r.choice(["m", "k", "1", "2"])), whole(self.r.choice([index, f"{index}+1", f"n-{index}"]))
        other = self.r.choice(indices)
        return whole(self.r.choice([index, f"{index}-1"])), whole(self.r.choice([f"{other}+1", f"{other}+2", other]))

    def place(self, indices: Sequence[str], depth: int = 0) -> Term:
        """Where an array is read."""
        if depth > 0 and self.chance(0.1):
            name, sign = self.r.choice([("argmax", 1), ("argmin", -1)])
            text, items = self.boxed(indices, 1)
            return Term(f"{name}({text})", lambda env: first(items(env), sign))
        if not indices or self.chance(0.1):
            return whole(self.r.choice(["0", "1", "2", "n-1", "k", "m-1", "0-k"]))
        index, other = self.r.choice(indices), self.r.choice(indices)
        forms = [
            *[f"{index}+0"] * 3, f"{index}-1", f"{index}+1", f"0-{index}", f"n-1-{index}", f"{index}-2", f"2*{index}",
            f"{index}-{other}", f"{index}+{other}", f"{index}-{other}-1", f"{index}+k-1", f"k-{index}",
        ]  # fmt: skip
        return whole(self.r.choice(forms))

    def condition(self, indices: Sequence[str], depth: int) -> Term:
        how = self.r.randrange(6)
        if how == 0 and depth:
            first, second = self.condition(indices, depth - 1), self.condition(indices, depth - 1)
            if self.chance(0.5):
                return Term(f"({first.text} and {second.text})", lambda env: first.at(env) and second.at(env))
            return Term(f"({first.text} or {second.text})", lambda env: first.at(env) or second.at(env))
        if how == 5 and depth:
            name, combine = self.r.choice([("any", any), ("all", all)])
            text, own, choices = self.clauses(indices)
            inner = self.condition([*indices, *own], 0)
            # All of them are looked at.
            return Term(f"{name}({inner.text} {text})", lambda env: combine([inner.at(each) for each in choices(env)]))
        if how <= 3 and indices:
            left, right = self.place(indices), self.place(indices[:1])
            op = self.r.choice(["<", "<=", ">", ">=", "==", "!="])
            return compared(left, op, right)
        if how == 4:
            return compared(whole(self.r.choice(["k", "n", "m"])), self.r.choice([">", "<"]), whole("1"))
        return compared(self.read(indices), self.r.choice(["<", ">"]), Term("0.1", lambda env: 0.1))

    # Numbers -------------------------------------------------------------------------------------------------------

    def read(self, indices: Sequence[str], depth: int = 0) -> Term:
        name = self.r.choice(list(self.shapes))
        places = [self.place(indices, depth) for _ in self.shapes[name]]

        def at(env: Env) -> Any:
            found = env[name](env) if callable(env[name]) else env[name]
            for place in places:
                where = place.at(env)
                if not 0 <= where < len(found):
                    raise Outside
                found = found[where]
            return found

        return Term(f"{name}[{', '.join(place.text for place in places)}]", at)

    def number(self, indices: Sequence[str], depth: int) -> Term:
        """A single number."""
        how = self.r.randrange(13) if depth > 0 else self.r.randrange(4)
        if how == 0:
            return Term("w", lambda env: env["w"])
        if how <= 3:
            return self.read(indices, depth)
        if how <= 6:
            op = self.r.choice("+-*")
            left, right = self.number(indices, depth - 1), self.number(indices, depth - 1)
            return Term(f"({left.text}{op}{right.text})", lambda env: binary(op, left.at(env), right.at(env)))
        if how == 7:
            name = self.r.choice(["sin", "cos", "exp", *(STEEP if self.steep else ())])
            inner = self.number(indices, depth - 1)
            return Term(f"{name}({inner.text})", lambda env: FUNCTIONS[name](inner.at(env)))
        if how == 8:
            inner = self.number(indices, depth - 1)
            return Term(f"{inner.text}^2", lambda env: inner.at(env) * inner.at(env))
        if how == 9:
            test = self.condition(indices, 1)
            then, other = self.number(indices, depth - 1), self.number(indices, depth - 1)
            # Of two branches that are one formula only that is left, without its condition.
            text = f"(if {test.text} then {then.text} else {other.text}+1)"
            return Term(text, lambda env: then.at(env) if test.at(env) else other.at(env) + 1.0)
        if how == 10:
            name = self.r.choice(["sum", "prod", "max", "min"])
            text, items = self.boxed(indices, depth)
            return Term(f"{name}({text})", lambda env: REDUCTIONS[name](items(env)))
        return self.reduction(indices, depth)

    def boxed(self, indices: Sequence[str], depth: int) -> tuple[str, Callable[[Env], list[Any]]]:
        """An array in brackets: its text, and its elements."""
        name = self.name("i")
        low, high = self.bounds(indices, False)
        body = self.number([*indices, name], depth - 1)
        text = f"[{body.text} for {name} in {low.text}..{high.text}]"
        return text, lambda env: [body.at(env | {name: at}) for at in range(low.at(env), high.at(env))]

    def clauses(self, indices: Sequence[str]) -> tuple[str, list[str], Callable[[Env], Iterator[Env]]]:
        """What stands behind ``for``: its text, the indices, and the choices of them."""
        own: list[str] = []
        ranges: list[tuple[str, Term, Term]] = []
        for _ in range(self.r.choice([1, 1, 2, 2, 2, 3])):
            name = self.name("i")
            low, high = self.bounds([*indices, *own])
            ranges.append((name, low, high))
            own.append(name)
        test = self.condition([*indices, *own], 1) if self.chance(0.25) else None
        text = ", ".join(f"{name} in {low.text}..{high.text}" for name, low, high in ranges)

        def choices(env: Env, at: int = 0) -> Iterator[Env]:
            if at == len(ranges):
                if test is None or test.at(env):
                    yield env
                return
            name, low, high = ranges[at]
            for value in range(low.at(env), high.at(env)):
                yield from choices(env | {name: value}, at + 1)

        return f"for {text}" + (f" if {test.text}" if test else ""), own, choices

    def reduction(self, indices: Sequence[str], depth: int) -> Term:
        text, own, choices = self.clauses(indices)
        body = self.number([*indices, *own], depth - 1)
        name = self.r.choice(["sum", "sum", "sum", "prod", "max", "min", "mean"])
        combine = REDUCTIONS[name]
        return Term(f"{name}({body.text} {text})", lambda env: combine([body.at(each) for each in choices(env)]))

    def array(self) -> None:
        """A named array; it is evaluated as a whole, if it is read at all."""
        name, index = self.name("T"), self.name("i")
        low, high = self.bounds([], False)
        body = self.number([index], 2)
        if self.chance(0.5):
            self.add(f"{name}[{index}] = {body.text} for {index} in {low.text}..{high.text}")
        else:
            self.add(f"{name} = [{body.text} for {index} in {low.text}..{high.text}]")
        self.named.append((name, lambda env: [body.at(env | {index: at}) for at in range(low.at(env), high.at(env))]))
        self.shapes[name] = (f"{high.text} - {low.text}",)

    def program(self) -> Program:
        self.add("input w, x[n], y[m], A[n, m], v[3], k: int")
        while self.chance(0.3):
            self.array()
        if self.chance(0.2):
            index, (low, high) = self.name("t"), (whole("0"), whole(self.r.choice(["n", "k", "2"])))
            # The range of a comprehension in a loop does not hang on the loop's index, its reads may.
            body = self.reduction([], 2)
            inner = self.read([index])
            first, second = self.number([], 0), self.r.choice("+*")
            self.add(f"L = {first.text}")
            self.add(f"for {index} in {low.text}..{high.text} {{ L = L + ({body.text}){second}{inner.text} }}")

            def value(env: Env) -> Any:
                found = first.at(env)
                for at in range(low.at(env), high.at(env)):
                    found = found + binary(second, body.at(env), inner.at(env | {index: at}))
                return found
        else:
            term = self.reduction([], 3)
            if self.chance(0.4):
                other = self.reduction([], 2)
                term = Term(f"{term.text} + {other.text}", lambda env, one=term: one.at(env) + other.at(env))
            self.add(f"L = {term.text}")
            value = term.at
        named = self.named
        # What a loop uses is computed before it, however often it runs.
        early = [name for name, _ in named if "for t" in self.lines[-1] and f"{name}[" in self.lines[-1]]

        def meaning(env: Env, strict: bool = False) -> Any:
            env = dict(env)
            for name, make in named:
                env[name] = Lazy(make)
            for name, _ in named:
                if strict or name in early:
                    env[name](env)
            return value(env)

        return Program("\n".join(self.lines) + "\n", meaning)


class Lazy:
    """An array that is computed when it is first read."""

    def __init__(self, make: Callable[[Env], Any]) -> None:
        self.make = make
        self.known: Any = None

    def __call__(self, env: Env) -> Any:
        if self.known is None:
            self.known = self.make(env)
        return self.known


def whole(text: str) -> Term:
    """An integer expression: Python reads it as it stands."""
    code = compile(text, "range", "eval")
    return Term(text, lambda env: eval(code, {}, env))


def compared(left: Term, op: str, right: Term) -> Term:
    code = compile(f"a {op} b", "condition", "eval")
    return Term(
        f"{left.text} {op} {right.text}",
        lambda env: eval(code, {}, {"a": plain(left.at(env)), "b": plain(right.at(env))}),
    )


def binary(op: str, left: Any, right: Any) -> Any:
    return left + right if op == "+" else left - right if op == "-" else left * right


def program(seed: int, steep: bool = False) -> Program:
    """The program of a seed."""
    return RangeText(random.Random(f"ranges {seed}"), steep).program()


REAL: Final = ("w", "x", "y", "A", "v")
Cell = tuple[str, tuple[int, ...]]
"""An element of an input."""


def point(r: random.Random, sizes: tuple[int, int, int], steep: bool) -> dict[str, Any]:
    """Values of the inputs; for a ``steep`` program many are 0."""
    n, m, k = sizes

    def some(*shape: int) -> Any:
        numbers = [0.0 if steep and r.random() < 0.5 else r.uniform(-1.5, 2) for _ in range(math.prod(shape))]
        return np.array(numbers).reshape(shape)

    return {"w": r.uniform(-1, 1.5), "x": some(n), "y": some(m), "A": some(n, m), "v": some(3), "k": k}


def environment(values: dict[str, Any], *along: Cell) -> Env:
    """The names at a point; the elements ``along`` move, each by a derivative of its own order."""
    env: Env = {"n": len(values["x"]), "m": len(values["y"]), "k": values["k"]}

    def number(cell: Cell, value: float) -> Any:
        found: Any = value
        for depth, moving in enumerate(along):
            slope: Any = float(moving == cell)
            for _ in range(depth):
                slope = Dual(slope, 0.0)
            found = Dual(found, slope)
        return found

    for name in REAL:
        array = np.asarray(values[name])
        made = np.empty(array.shape, object)
        for place in np.ndindex(*array.shape):
            made[place] = number((name, place), float(array[place]))
        env[name] = made.tolist()
    return env


def slope(found: Any, order: int) -> float:
    """The derivative of a value along as many elements as ``order`` says."""
    for _ in range(order):
        found = found.slope if isinstance(found, Dual) else 0.0
    return plain(found)
