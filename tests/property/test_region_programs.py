"""Random programs with blocks: their graphs are valid, printed and read without loss, and keep their results."""

from __future__ import annotations

import math
import pickle

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import TABLE

import gradc
from gradc.ir import diff, text
from gradc.ir.graph import Graph, bodies
from gradc.ir.structure import structure
from gradc.ir.verify import verify
from gradc.source import Source

NAMES = ("a", "b", "c")
_EXPRESSIONS = ("sin({0}) + w", "{0}*w - {1}", "tanh({0}*{1})", "0.5*{0} + 0.25*{1}", "w*w", "step({0}, w)", "x[1]*{0}")


class Writer:
    """Draws the statements of a program."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.loops = 0

    def expression(self, index: str | None) -> str:
        parts = [self.draw(st.sampled_from(NAMES)) for _ in range(2)]
        forms = (*_EXPRESSIONS, "x[{2}] + {0}", "{0} + w*{2}") if index is not None else _EXPRESSIONS
        return self.draw(st.sampled_from(forms)).format(*parts, index)

    def block(self, depth: int, index: str | None, indent: str) -> list[str]:
        lines = []
        for _ in range(self.draw(st.integers(1, 3))):
            kind = self.draw(st.sampled_from(["set", "set", "put", "for", "while", "if"] if depth else ["set", "put"]))
            if kind == "set":
                lines.append(f"{indent}{self.draw(st.sampled_from(NAMES))} = {self.expression(index)}")
            elif kind == "put":
                at = self.draw(st.sampled_from(["0", "2", "k[1]"] if index is None else ["0", index, f"k[{index}]"]))
                lines.append(f"{indent}v[{at}] = v[{at}] + {self.expression(index)}")
            else:
                lines += self.nested(kind, depth, index, indent)
        return lines

    def nested(self, kind: str, depth: int, index: str | None, indent: str) -> list[str]:
        inner = "  " + indent
        if kind == "for":
            variable = f"t{self.loops}"
            self.loops += 1
            stop = self.draw(st.sampled_from(["2", "n", "3"]))
            return [f"{indent}for {variable} in 0..{stop} {{", *self.block(depth - 1, variable, inner), f"{indent}}}"]
        if kind == "while":
            # The number of iterations is one more of what is carried.
            count = f"{inner}s = s + 1"
            body = [f"{indent}while s < 2 {{", *self.block(depth - 1, index, inner), count, f"{indent}}}"]
            return [f"{indent}s = 0", *body]
        test = f"{self.draw(st.sampled_from(NAMES))} > {self.draw(st.sampled_from(['0', 'w', '0.3']))}"
        lines = [f"{indent}if {test} {{", *self.block(depth - 1, index, inner)]
        if self.draw(st.booleans()):
            lines += [f"{indent}}} else {{", *self.block(depth - 1, index, inner)]
        return [*lines, f"{indent}}}"]


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A program with blocks in blocks, an array that they change, and one that a loop collects."""
    writer = Writer(draw)
    head = [
        "param w = 0.7",
        "input x[n] = [0.1, -0.4, 0.9], k[n]: int = [2, 0, 1]",
        "fn step(p, q) {\n  z = p\n  for u in 0..2 { z = tanh(z + q*u) }\n  return z\n}",
        *(f"{name} = {value}" for name, value in zip(NAMES, ("w", "0.5", "x[0]"), strict=True)),
        "s = 0",
        "v = zeros(n)",
    ]
    # A name gets another value only within a block.
    first = ["for q in 0..2 {", *writer.block(2, "q", "  "), "}"]
    collecting = ["for i in 0..n {", *writer.block(1, "i", "  "), "  trace[i] = a + v[i]", "}"]
    last = ["r = [step(trace[j], a) for j]", "L = sum(r) + a + b*c + sum(v)", "output L"]
    return "\n".join([*head, *first, *collecting, *last, ""])


@given(programs())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_programs_with_blocks(written: str) -> None:
    model = gradc.compile(written, name="p.grad")
    value, slopes = model.value_and_grad("L")()
    for each, due in ((model, value), (model.grad("L", wrt=["w"]), slopes["w"])):
        for graph in (each.graph, *map(each.optimized, range(4))):
            verify(graph)
            shown = text.dump(graph)
            again = text.load(Source("t.gir", shown), TABLE)
            pickled = pickle.loads(pickle.dumps(graph))
            for other in (again, pickled, Graph.from_nx(graph.copy())):
                assert text.dump(other) == shown
                assert diff.diff(graph, other, spans=True) == ""
            assert list(map(structure, bodies(again))) == list(map(structure, bodies(graph)))
            found = gradc.Model(again, model.options)()
            (result,) = found.values()
            assert math.isclose(result, due, rel_tol=1e-9, abs_tol=1e-12)
