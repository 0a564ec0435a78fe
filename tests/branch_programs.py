"""Random programs with conditions, each beside the same program in which the branches that are not taken are cut out.

What is taken is finite and smooth at the point, whatever is not taken may be anything: infinite, NaN, outside of every
domain, out of range, a loop that overflows. Conditions compare inputs, indices and sums of inputs, so that the point
decides them exactly.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

POINTS = [0.0, -1.0, 0.5, 1.0, 2.0, -0.5, -2.0]
COUNT = 3
Env = dict[str, int]


@dataclass(frozen=True)
class Part:
    """An expression: as it is written, and cut for certain values of the indices."""

    text: str
    cut: Callable[[Env], str]


@dataclass(frozen=True)
class Test:
    """A condition, and whether it holds for certain values of the indices."""

    text: str
    holds: Callable[[Env], bool]


@dataclass(frozen=True)
class Atom:
    """An input or an element of one: its text, that for certain values of the indices, and its value."""

    text: str
    cut: Callable[[Env], str]
    value: Callable[[Env], float]


@dataclass
class Program:
    """Both programs and the point. ``scalars`` and ``arrays`` are names that may be differentiated."""

    written: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    scalars: list[str] = field(default_factory=list)
    arrays: list[str] = field(default_factory=list)
    # Names of values that only a branch that is not taken may read.
    bad: list[str] = field(default_factory=list)
    functions: list[tuple[str, Callable[[Atom], Part]]] = field(default_factory=list)
    # Whether all that is computed are single numbers, so that both programs do the same in the same order.
    single: bool = True

    @property
    def source(self) -> str:
        """The program as it is written with its point, and derivatives among its outputs."""
        point = ", ".join(f"{name} = {self.values[name]}" for name in "xz")
        first = f"input {point}, w[{COUNT}] = {self.values['w']}, k: int = {self.values['k']}"
        requests = ["grad(y, x)", "grad(y, w)", "hessian(y, x, z)"]
        lines = [first, *self.written[1:], *(f"D{at} = {request}" for at, request in enumerate(requests))]
        return "\n".join([*lines, f"output y, {', '.join(f'D{at}' for at in range(len(requests)))}", ""])


def indented(lines: list[str]) -> str:
    """Lines of a block."""
    return "\n".join(f"  {line}" for line in lines)


def plain(text: str) -> Part:
    """The same in both programs."""
    return Part(text, lambda env: text)


def put(form: str, text: str) -> str:
    """``form`` with the text in the place of its `$`."""
    return form.replace("$", text)


def of(form: str, part: Part) -> Part:
    """``form`` with the part in the place of its `$`."""
    return Part(put(form, f"({part.text})"), lambda env: put(form, f"({part.cut(env)})"))


def call(form: str, *parts: Part) -> Part:
    """``form`` with the parts in the place of its `{}`."""
    return Part(
        form.format(*(part.text for part in parts)), lambda env: form.format(*(part.cut(env) for part in parts))
    )


# A condition on a, and what has a value and derivatives where it holds.
GUARDED: list[tuple[str, Callable[[float], bool], list[str]]] = [
    ("$ > 0", lambda a: a > 0, ["log($)", "sqrt($)*log($)", "$^0.5", "$^$", "digamma($)", "1/$", "cbrt($)"]),
    ("$ != 0", lambda a: a != 0, ["1/$", "sin($)/$", "abs($)/$", "cbrt($)", "log(abs($))", "sqrt($*$)"]),
    ("abs($) < 1", lambda a: abs(a) < 1, ["atanh($)", "asin($)*$", "1/(1 - $^2)", "acos($)", "log1p($)"]),
    ("$ >= 1.5", lambda a: a >= 1.5, ["acosh($)", "log(log($))", "sqrt($ - 1)", "1/($ - 1)", "log($ - 1)*2"]),
    ("$ <= 0", lambda a: a <= 0, ["sqrt(1 - $)", "log(1 - $)", "1/($ - 0.25)", "lgamma(1 - $)"]),
]
# What has no value or no derivative at many points.
BAD = [
    *("log($)", "sqrt($)", "1/$", "$^(-1)", "$^$", "atanh($)", "acosh($)", "asin(2*$)", "gamma($)", "log(-$^2)"),
    *("$/$", "exp(exp(9*$))", "cbrt($)", "hypot($, $)/$", "atan2($, $)", "$ % 0", "xlogy($, $)", "1/0*$"),
    *("sqrt($)^2", "nan*$", "exp(1/$)", "log(abs($))*$", "sqrt($*$)"),
]
SMOOTH = ["sin($)", "cos($)", "tanh($)", "sigmoid($)", "$^2", "1/(2 + sin($))", "atan($)", "exp(-$^2)", "sqrt(1 + $^2)"]


class Growing:
    """A program as it is made."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.program = Program()
        self.count = 0
        program = self.program
        program.values = {
            "x": r.choice(POINTS),
            "z": r.choice(POINTS),
            "w": [r.choice(POINTS) for _ in range(COUNT)],
            "k": r.randint(-5, 5),
        }
        for lines in (program.written, program.cut):
            lines.append(f"input x, z, w[{COUNT}], k: int")

    def one(self, options: Any) -> Any:
        return self.r.choice(list(options))

    def chance(self) -> bool:
        return self.r.random() < 0.5

    def fresh(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    # Leaves --------------------------------------------------------------------------------------------------------

    def atom(self, indices: tuple[str, ...] = ()) -> Atom:
        values = self.program.values
        if indices and self.chance():
            index = self.one(indices)
            return Atom(f"w[{index}]", lambda env: f"w[{env[index]}]", lambda env: values["w"][env[index]])
        name = self.one(["x", "z", "w"])
        if name == "w":
            at = self.r.randint(0, COUNT - 1)
            return Atom(f"w[{at}]", lambda env: f"w[{at}]", lambda env: values["w"][at])
        return Atom(name, lambda env: name, lambda env: values[name])

    def leaf(self, indices: tuple[str, ...] = ()) -> Part:
        how = self.r.randint(0, 4)
        if how == 0:
            return plain(self.one(["1", "0.5", "2", "(-3)"]))
        if how == 1 and self.program.scalars:
            return plain(self.one(self.program.scalars))
        if how == 2 and indices and self.program.arrays:
            name, index = self.one(self.program.arrays), self.one(indices)
            return Part(f"{name}[{index}]", lambda env: f"{name}[{env[index]}]")
        if how == 3 and indices and self.chance():
            index = self.one(indices)
            return Part(f"float({index})", lambda env: f"{env[index]}.0")
        atom = self.atom(indices)
        return Part(atom.text, atom.cut)

    def test(self, indices: tuple[str, ...] = ()) -> Test:
        """A condition that says nothing about what stands under it."""
        values = self.program.values
        how = self.r.randint(0, 6)
        limit = self.one([0.0, 0.5, -0.75, 1.0])
        if how == 0 and indices:
            index, at = self.one(indices), self.r.randint(0, COUNT)
            return Test(f"{index} < {at}", lambda env: env[index] < at)
        if how == 1:
            return Test(f"sum(w) > {limit}", lambda env: sum(values["w"]) > limit)
        if how == 2:
            return Test(f"any(w[q] > {limit} for q)", lambda env: any(w > limit for w in values["w"]))
        if how == 3:
            return Test(f"max(w) <= {limit}", lambda env: max(values["w"]) <= limit)
        if how == 4:
            inner, other = self.test(indices), self.test(indices)
            word = self.one(["and", "or"])
            decide = all if word == "and" else any
            return Test(f"({inner.text} {word} {other.text})", lambda env: decide((inner.holds(env), other.holds(env))))
        if how == 5:
            inner = self.test(indices)
            return Test(f"not ({inner.text})", lambda env: not inner.holds(env))
        atom = self.atom(indices)
        return Test(f"{atom.text} > {limit}", lambda env: atom.value(env) > limit)

    # Expressions ---------------------------------------------------------------------------------------------------

    def bad(self, indices: tuple[str, ...] = (), depth: int = 2) -> Part:
        """Anything: nobody reads it."""
        how = self.r.randint(0, 7 if depth else 3)
        if how == 0 and self.program.bad:
            return plain(self.one(self.program.bad))
        if how == 1:
            # Out of range for most k, and for some indices.
            return plain(self.one(["w[k]", "w[k + 1]*x", *(f"w[{index} + 1]" for index in indices)]))
        if how <= 3:
            return of(self.one(BAD), self.leaf(indices))
        if how == 4:
            return call("{}*{}", self.bad(indices, depth - 1), self.good(indices, depth - 1))
        if how == 5:
            return of(self.one(BAD), self.bad(indices, depth - 1))
        if how == 6:
            test, a, b = self.test(indices), self.bad(indices, depth - 1), self.bad(indices, depth - 1)
            return Part(f"(if {test.text} then {a.text} else {b.text})", a.cut)
        index = self.fresh("i")
        return plain(f"sum({self.bad((*indices, index), depth - 1).text}*w[{index}] for {index} in 0..{COUNT})")

    def choice(self, test: Test, then: Part, other: Part) -> Part:
        form = self.one(["(if {} then {} else {})", "where({}, {}, {})"])
        return Part(
            form.format(test.text, then.text, other.text),
            lambda env: then.cut(env) if test.holds(env) else other.cut(env),
        )

    def guarded(self, a: Atom, indices: tuple[str, ...], depth: int) -> Part:
        """A choice by a, of what is right where its condition holds."""
        condition, holds, inside = self.one(GUARDED)
        arg = Part(a.text, a.cut)
        then = of(self.one(inside), arg)
        if depth and self.chance():
            then = call("({}*{})", then, self.good(indices, depth - 1))
        other = self.good(indices, depth - 1) if depth else plain("0.5")
        test = Test(put(condition, a.text), lambda env: holds(a.value(env)))
        if self.chance():
            return self.choice(Test(f"not ({test.text})", lambda env: not test.holds(env)), other, then)
        return self.choice(test, then, other)

    def good(self, indices: tuple[str, ...] = (), depth: int = 2) -> Part:
        """What is finite and smooth in what of it is taken."""
        how = self.r.randint(0, 10 if depth else 0)
        if how <= 1:
            return self.leaf(indices)
        if how <= 3:
            return call(f"({{}} {self.one('+-*')} {{}})", self.good(indices, depth - 1), self.good(indices, depth - 1))
        if how == 4:
            return of(self.one(SMOOTH), self.good(indices, depth - 1))
        if how == 5 and self.program.functions:
            name, body = self.one(self.program.functions)
            atom = self.atom(indices)
            return Part(f"{name}({atom.text})", body(atom).cut)
        if how == 6 and not indices:
            test, good, bad = self.test(), self.good((), depth - 1), self.bad((), depth - 1)
            return self.choice(test, good, bad) if test.holds({}) else self.choice(test, bad, good)
        if how == 7:
            return self.reduced(indices, depth - 1)
        if how == 8 and indices:
            return self.neighbour(indices, depth)
        return self.guarded(self.atom(indices), indices, depth)

    def neighbour(self, indices: tuple[str, ...], depth: int) -> Part:
        """The element beside, where there is one."""
        index, step = self.one(indices), self.one([-1, 1])
        test = Test(
            f"{index} > 0" if step < 0 else f"{index} + 1 < {COUNT}", lambda env: 0 <= env[index] + step < COUNT
        )
        array = self.one(["w", *self.program.arrays])
        beside = Part(f"{array}[{index} {'+' if step > 0 else '-'} 1]", lambda env: f"{array}[{env[index] + step}]")
        other = self.good(indices, depth - 1)
        return Part(
            f"(if {test.text} then {beside.text} else {other.text})",
            lambda env: beside.cut(env) if test.holds(env) else other.cut(env),
        )

    def reduced(self, indices: tuple[str, ...], depth: int) -> Part:
        """A sum or product over an index, with a condition or without."""
        self.program.single = False
        index = self.fresh("i")
        inside = (*indices, index)
        name, symbol, nothing = self.one([("sum", " + ", "0"), ("sum", " + ", "0"), ("prod", "*", "1")])
        if self.chance():
            body = self.good(inside, depth)
            return Part(
                f"{name}({body.text} for {index} in 0..{COUNT})",
                lambda env: f"({symbol.join(body.cut({**env, index: at}) for at in range(COUNT))})",
            )
        # The condition keeps what it guards among the terms.
        atom = Atom(f"w[{index}]", lambda env: f"w[{env[index]}]", lambda env: self.program.values["w"][env[index]])
        condition, holds, forms = self.one(GUARDED)
        body = call("({})*{}", self.good(inside, depth), of(self.one(forms), Part(atom.text, atom.cut)))

        def cut(env: Env) -> str:
            places = [at for at in range(COUNT) if holds(atom.value({**env, index: at}))]
            return f"({symbol.join(body.cut({**env, index: at}) for at in places) or nothing})"

        return Part(f"{name}({body.text} for {index} in 0..{COUNT} if {put(condition, atom.text)})", cut)

    # Statements ----------------------------------------------------------------------------------------------------

    def add(self, written: str, cut: str) -> None:
        self.program.written.append(written)
        self.program.cut.append(cut)

    def scalar(self) -> None:
        part = self.good(depth=3)
        name = self.fresh("v")
        self.add(f"{name} = {part.text}", f"{name} = {part.cut({})}")
        self.program.scalars.append(name)

    def spoilt(self) -> None:
        """A value that is bad under a name of its own."""
        name = self.fresh("b")
        form, atom = self.one(BAD), self.atom()
        self.program.written.append(f"{name} = {put(form, atom.text)}")
        self.program.bad.append(name)

    def array(self) -> None:
        self.program.single = False
        index, name = self.fresh("i"), self.fresh("u")
        body = self.good((index,), 2)
        form = self.one(["{name} = [{body} for {index}]", "{name}[{index}] = {body}"])
        written = form.format(name=name, body=body.text, index=index)
        if form.startswith("{name}["):
            written += f" for {index} in 0..{COUNT}"
        else:
            written = written.replace(f" for {index}]", f" for {index} in 0..{COUNT}]")
        cut = f"{name} = [{', '.join(body.cut({index: at}) for at in range(COUNT))}]"
        self.add(written, cut)
        self.program.arrays.append(name)

    def whole(self) -> None:
        """A choice by the elements of whole arrays."""
        self.program.single = False
        name = self.fresh("u")
        condition, holds, forms = self.one(GUARDED)
        form, source = self.one(forms), self.one(["w", *self.program.arrays])
        smooth = self.one(SMOOTH)
        written = f"{name} = where({put(condition, 'w')}, {put(form, 'w')}, {put(smooth, source)})*{source}"
        pieces = [
            put(form, f"w[{at}]") if holds(value) else put(smooth, f"{source}[{at}]")
            for at, value in enumerate(self.program.values["w"])
        ]
        self.add(written, f"{name} = [{', '.join(f'({piece})*{source}[{at}]' for at, piece in enumerate(pieces))}]")
        self.program.arrays.append(name)

    def total(self) -> None:
        """A number made of a whole array."""
        self.program.single = False
        source = self.one(["w", *self.program.arrays])
        form = self.one(["sum($^2)", "logsumexp($)", "prod($)", "$[1]", "mean(sin($))", "norm($ + 5)", "$ @ $"])
        name = self.fresh("v")
        self.add(f"{name} = {put(form, source)}", f"{name} = {put(form, source)}")
        self.program.scalars.append(name)

    def function(self) -> None:
        """A function with a choice by its parameter, as an expression or as a block."""
        name = self.fresh("f")
        condition, holds, forms = self.one(GUARDED)
        form, smooth = self.one(forms), self.one(SMOOTH)
        if self.chance():
            text = f"fn {name}(a) = if {put(condition, 'a')} then {put(form, 'a')} else {put(smooth, 'a')}"
        else:
            bad = put(self.one(BAD), "a")
            text = (
                f"fn {name}(a) {{\n  b = {bad}\n  r = a\n"
                f"  if {put(condition, 'a')} {{ r = {put(form, 'a')} }} else {{ r = {put(smooth, 'a')} }}\n"
                f"  return if {put(condition, 'a')} or a == a then r else b\n}}"
            )

        def body(atom: Atom) -> Part:
            return Part("", lambda env: f"({put(form if holds(atom.value(env)) else smooth, atom.cut(env))})")

        self.program.written.append(text)
        self.program.functions.append((name, body))

    def block(self) -> None:
        """A block of `if`, one side of which is bad: expressions, and a loop that goes wrong."""
        name, test = self.fresh("q"), self.test()
        start, good = self.good(depth=1), self.good(depth=2)
        bad = self.bad()
        taken = f"{name} = {good.text}*{name}"
        spoilt = f"{name} = {bad.text}*{name}"
        if self.chance():
            spoilt += f"\n  for t in 0..4 {{ {name} = {name}/x + {put(self.one(BAD), name)} }}"
        holds = test.holds({})
        first, second = (taken, spoilt) if holds else (spoilt, taken)
        self.program.written.append(f"{name} = {start.text}\nif {test.text} {{\n  {first}\n}} else {{\n  {second}\n}}")
        self.program.cut.append(f"{name} = ({good.cut({})})*({start.cut({})})")
        self.program.scalars.append(name)

    def loop(self) -> None:
        """A loop with choices in it, and the same steps one by one."""
        name, step, trace = self.fresh("q"), self.fresh("t"), self.fresh("u")
        collects = self.chance()
        start, lines, cut = self.step(name, step)
        if collects:
            self.program.single = False
            lines.append(f"{trace}[{step}] = {name}")
        self.program.written.append(f"{name} = {start.text}\nfor {step} in 0..{COUNT} {{\n{indented(lines)}\n}}")
        kept = self.steps(name, start, cut, [{step: at} for at in range(COUNT)])
        if collects:
            self.program.cut.append(f"{trace} = [{', '.join(kept)}]")
            self.program.arrays.append(trace)
        self.program.scalars.append(name)

    def repeat(self) -> None:
        """The same with a condition in front, that hangs on a number which is counted, and on nothing else that is
        looked at; what would be looked at behind may be bad.
        """
        name, step, count = self.fresh("q"), self.fresh("t"), self.r.randint(1, COUNT)
        start, lines, cut = self.step(name, step)
        bad = put(self.one(BAD), self.one([name, "x", "w[0]"]))
        head = self.one(
            [
                f"{step} < {count}",
                f"{step} < {count} and ({step} < {COUNT} or {bad} > 0)",
                f"not ({step} >= {count} or {step} > {COUNT} and {bad} < 1)",
                f"(if {step} <= {COUNT} then float({step}) else {bad}) < {count}",
            ]
        )
        if self.chance():
            # What goes wrong behind the last step, whatever enters it.
            lines.append(f"if {step} >= {COUNT} {{ {name} = {self.bad().text} + {name} }}")
        if self.chance():
            # A loop in the loop, which goes round not at all or in a branch that is not taken.
            inner = self.fresh("t")
            turns = f"while {inner} < 3 {{ {name} = {put(self.one(BAD), name)}; {inner} = {inner} + 1 }}"
            lines += [f"{inner} = {self.one(['9', '3.0'])}", turns]
        lines.append(f"{step} = {step} + 1")
        # An int, with which places are counted.
        self.program.written.append(f"{name} = {start.text}\n{step} = k - k\nwhile {head} {{\n{indented(lines)}\n}}")
        self.steps(name, start, cut, [{step: at} for at in range(count)])
        self.program.scalars.append(name)

    def idle(self) -> None:
        """Loops that never go round: in front of a condition that does not hold, over nothing."""
        name, index = self.fresh("q"), self.fresh("t")
        atom, start = self.atom(), self.good(depth=1)
        never = self.one([f"{atom.text} > 9", f"{atom.text} != {atom.text}", "1 > 2", f"max(w) < {min(POINTS) - 1}"])
        bad = f"{name} = {self.bad().text} + {put(self.one(BAD), name)}"
        heads = [f"while {never}", f"for {index} in 0..0", f"for {index} in 2..2", f"if {never}"]
        self.program.written.append(f"{name} = {start.text}\n{self.one(heads)} {{ {bad} }}")
        self.program.cut.append(f"{name} = {start.cut({})}")
        self.program.scalars.append(name)

    def step(self, name: str, step: str) -> tuple[Part, list[str], Callable[[str, Env], str]]:
        """What a carried name starts with, the statements of one step, and what a step makes of it once it is cut."""
        start = self.good(depth=1)
        inner = self.guarded(self.atom((step,)), (step,), 1)
        test = self.test((step,))
        good = self.good((step,), 1)
        atom = self.atom((step,))
        condition, holds, forms = self.one(GUARDED)
        form, smooth = self.one(forms), self.one(SMOOTH)
        spoilt, bad = self.fresh("b"), put(self.one(BAD), self.one([atom.text, name]))
        lines = [
            f"{name} = 0.5*{name} + {inner.text}",
            f"if {test.text} {{ {name} = {name} + {good.text} }}",
            f"if {put(condition, atom.text)} {{ {name} = sin({name})*{put(form, atom.text)} }}"
            f" else {{ {name} = {name} + {put(smooth, atom.text)} }}",
        ]
        if self.chance():
            # It is computed in every step, and read in none.
            lines[1:1] = [f"{spoilt} = {bad}", f"if {step} > {COUNT} {{ {name} = {spoilt}*{name} }}"]

        def cut(current: str, env: Env) -> str:
            expression = f"(0.5*{current} + {inner.cut(env)})"
            if test.holds(env):
                expression = f"({expression} + {good.cut(env)})"
            if holds(atom.value(env)):
                return f"sin({expression})*{put(form, atom.cut(env))}"
            return f"{expression} + {put(smooth, atom.cut(env))}"

        return start, lines, cut

    def steps(self, name: str, start: Part, cut: Callable[[str, Env], str], envs: list[Env]) -> list[str]:
        """Write the steps down one below the other; what they give, in order."""
        current = f"{name}s"
        lines = [f"{current} = {start.cut({})}"]
        kept = []
        for at, env in enumerate(envs):
            expression = cut(current, env)
            current = name if env is envs[-1] else f"{name}s{at}"
            lines.append(f"{current} = {expression}")
            kept.append(current)
        self.program.cut.append("\n".join(lines))
        return kept

    def derivative(self) -> None:
        """A derivative among the values."""
        if not self.program.scalars:
            return
        name, of = self.fresh("v"), self.one(self.program.scalars)
        text = self.one(["grad({}, x)", "jvp({}, z, 1)", "grad({}, w)[1]", "jvp({}, w, [1, 2, -1])"])
        self.add(f"{name} = {text.format(of)}", f"{name} = {text.format(of)}")
        self.program.scalars.append(name)

    def finish(self) -> Program:
        part = self.good(depth=2)
        names = [*self.program.scalars, *(f"sum({name})" for name in self.program.arrays)]
        rest = "".join(f" + sin({name})" for name in names[-4:])
        self.add(f"y = {part.text}{rest}", f"y = {part.cut({})}{rest}")
        return self.program


def branch_program(r: random.Random, statements: int = 5) -> Program:
    """A program with conditions and its cut, at a point."""
    growing = Growing(r)
    steps = [growing.scalar, growing.spoilt, growing.array, growing.whole, growing.total, growing.function]
    steps += [growing.block, growing.loop, growing.repeat, growing.idle, growing.derivative]
    for _ in range(r.randint(1, statements)):
        r.choice(steps)()
    return growing.finish()
