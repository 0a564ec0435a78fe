"""Random programs with loops and branches over arrays: patterns hold whatever is not 0, however loops are followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradc
from gradc.ad import iterations

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large]
N = 5

Draw = Callable[[st.SearchStrategy[Any]], Any]


class Text:
    """A program under construction: ``u``, ``v`` are arrays and ``s`` a number that blocks may change."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.indices: list[str] = []
        self.lines: list[str] = []
        self.fresh = 0
        # Collected arrays, with what ranges they have.
        self.collected: list[str] = []

    def choose(self, *options: str) -> str:
        return str(self.draw(st.sampled_from(options)))

    def place(self) -> str:
        if not self.indices:
            return self.choose("0", "2", "idx[1]", "k")
        t = self.choose(*self.indices)
        return self.choose(t, t, f"mod({t} + 1, n)", f"mod(2*{t}, n)", f"idx[mod({t}, 4)]", f"n - 1 - mod({t}, n)", "1")

    def element(self) -> str:
        name = self.choose("x", "u", "v")
        return f"{name}[{self.place()}]"

    def scalar(self, depth: int = 2) -> str:
        if not depth or self.draw(st.booleans()):
            return self.choose("s", "w", self.element(), self.element(), "0.5")
        a, b = self.scalar(depth - 1), self.scalar(depth - 1)
        condition = self.choose(f"{a} > 0.2", f"{self.place()} > 1")
        return self.choose(
            f"{a}*{b}",
            f"({a} + {b})",
            f"sin({a})",
            f"(if {condition} then {a} else {b})",
            f"{a}*0",
            f"sum({self.array(0)})",
        )

    def array(self, depth: int = 2) -> str:
        if not depth or self.draw(st.booleans()):
            return self.choose("x", "u", "v", "zeros(n)", "0.5*x")
        a, b = self.array(depth - 1), self.array(depth - 1)
        return self.choose(
            f"{a}*{b}",
            f"({a} + {b})",
            f"sin({a})",
            f"({a})[::-1]",
            f"pad(({a})[1:]*({b})[:-1], 1, 0)",
            f"({a})*{self.scalar(1)}",
            f"cumsum({a})",
            f"where(x > 0.1, {a}, {b})",
            f"[{self.choose('x', 'u')}[idx[mod(i, 4)]]*w for i in 0..n]",
        )

    def range(self) -> str:
        inner = [f"0..mod({t}, 3) + 1" for t in self.indices]
        return self.choose("0..n", "1..n", "0..2", "0..k", "0..0", *inner)

    def block(self, pad: str, depth: int, count: int) -> None:
        for _ in range(count):
            self.statement(pad, depth)

    def statement(self, pad: str, depth: int) -> None:
        kinds = ["u[]", "u", "v", "s", "s+"] if pad else []
        if depth:
            kinds += ["for", "for", "if", "while", "counted"]
        kind = self.choose(*kinds)
        add = self.lines.append
        if kind == "u[]":
            add(f"{pad}{self.choose('u', 'v')}[{self.place()}] = {self.scalar()}")
        elif kind in ("u", "v"):
            add(f"{pad}{kind} = {self.array()}")
        elif kind == "s":
            add(f"{pad}s = sin({self.scalar()})")
        elif kind == "s+":
            add(f"{pad}s = s + {self.scalar()}")
        elif kind == "if":
            condition = self.choose(f"{self.scalar(1)} > 0.2", f"{self.place()} > 1")
            add(f"{pad}if {condition} {{")
            self.block(pad + "  ", depth - 1, 1)
            add(f"{pad}}} else {{")
            self.block(pad + "  ", depth - 1, 1)
            add(f"{pad}}}")
        else:
            self.fresh += 1
            name = f"t{self.fresh}"
            if kind == "for":
                top = not pad and self.draw(st.booleans())
                span = self.choose("0..n", "0..4") if top else self.range()
                mark = self.choose("", "", " checkpoint")
                add(f"{pad}for {name} in {span}{mark} {{")
                self.indices.append(name)
                self.block(pad + "  ", depth - 1, 2 if depth > 1 else 1)
                if top:
                    add(f"{pad}  c{self.fresh}[{name}] = {self.scalar()}")
                    self.collected.append(f"c{self.fresh}")
                self.indices.pop()
                add(f"{pad}}}")
            elif kind == "while":
                add(f"{pad}r{name} = w")
                add(f"{pad}while r{name} < 3 {{")
                self.block(pad + "  ", depth - 1, 1)
                add(f"{pad}  r{name} = r{name}*2 + 0.1\n{pad}}}")
            else:
                add(f"{pad}q{name} = k*0")
                add(f"{pad}while q{name} < 3 {{")
                self.indices.append(f"q{name}")
                self.block(pad + "  ", depth - 1, 1)
                self.indices.pop()
                add(f"{pad}  q{name} = q{name} + 1\n{pad}}}")

    def source(self) -> str:
        self.lines = ["param x[n], w = 0.7", "input idx[4]: int, k: int = 2", "u = x", "v = zeros(n)", "s = w"]
        if self.draw(st.booleans()):
            self.function()
        self.block("", 2, self.draw(st.integers(1, 3)))
        self.lines.append(f"y = concat(u, v*u, [s], {', '.join([*self.collected, '[0]'])})")
        self.lines.append("f = sum(sin(y)*y)\noutput y, f")
        return "\n".join(self.lines) + "\n"

    def function(self) -> None:
        """A family of loops, of which the members may go their own way."""
        loop = self.choose("for t in 0..3", "for t in 0..b", "if a > 0.2", "while abs(z) < 2")
        step = "z*(1.5 + a^2)" if loop.startswith("while") else self.choose("z*a", "z*1.7 + a*x[b]", "z*2")
        self.lines.insert(2, f"fn g(a, b) {{\n  z = a + 0.1\n  {loop} {{ z = {step} }}")
        self.lines[2] += " else { z = 2*a }\n  return z\n}" if loop.startswith("if") else "\n  return z\n}"
        self.lines[-1] = "s = w"
        self.lines[self.lines.index("v = zeros(n)")] = "v = [g(x[i], i)*w for i in 0..n]"


@st.composite
def texts(draw: Draw) -> str:
    return Text(draw).source()


def check(text: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = gradc.compile(text)
    rng = np.random.default_rng(seed)
    values = {"x": rng.normal(size=N), "idx": rng.integers(0, N, 4), "k": int(rng.integers(1, 4))}
    for name, order in (("y", 1), ("f", 2)):
        dense = model.jacobian(name, "x") if order == 1 else model.hessian(name, "x")
        (due,) = dense(values).values()
        due = np.asarray(due).reshape(-1, N)
        counts = []
        for work, widest in ((iterations.WORK, iterations.WIDEST), (iterations.WORK, 0), (0.0, 0)):
            monkeypatch.setattr(iterations, "WORK", work)
            monkeypatch.setattr(iterations, "WIDEST", widest)
            known = model.sparsity(name, "x", values, order)
            away = due[~known.pattern.toarray()]
            assert not np.any(away[np.isfinite(away)]), (text, known, due)
            counts.append(known.nonzeros)
        monkeypatch.undo()
        # What is followed exactly is no larger than what is taken any number of times.
        assert counts[1] <= counts[0] <= counts[2], text


@settings(max_examples=15, deadline=None, suppress_health_check=[*CHECKS, HealthCheck.function_scoped_fixture])
@given(texts(), st.integers(0, 10**6))
def test_patterns_of_random_loops(monkeypatch: pytest.MonkeyPatch, text: str, seed: int) -> None:
    check(text, seed, monkeypatch)


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=[*CHECKS, HealthCheck.function_scoped_fixture])
@given(texts(), st.integers(0, 10**6))
def test_patterns_of_many_random_loops(monkeypatch: pytest.MonkeyPatch, text: str, seed: int) -> None:
    check(text, seed, monkeypatch)
