"""Loops and branches in explanations and diagrams: one edge, one box, and words where a formula has no single line."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from loop_programs import LOOPS

import gradc
from gradc.backends.blocks import REGIONS, Block
from gradc.backends.expression import Printer, expression
from gradc.backends.render import render
from gradc.explain.draw import Diagram, draw

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "diagrams"


def program(name: str) -> gradc.Model:
    return gradc.compile(LOOPS[name])


DIAGRAMS: dict[str, Callable[[], Diagram]] = {
    "loops_newton_names": lambda: draw(program("newton"), level="names", wrt="a"),
    "loops_euler_names": lambda: draw(program("euler"), level="names", wrt="w"),
    "loops_euler_grad": lambda: draw(program("euler"), grad=True, wrt="w"),
    "loops_chosen_names": lambda: draw(program("chosen"), level="names", of="L", wrt="x"),
}


@pytest.mark.parametrize("name", DIAGRAMS)
def test_golden(name: str, update_golden: bool) -> None:
    text = str(DIAGRAMS[name]())
    file = GOLDEN / f"{name}.dot"
    if update_golden:
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")
    assert b"<svg" in render(text, "svg", engine="graphviz-pure")


# Texts ---------------------------------------------------------------------------------------------------------------


def blocks(name: str, level: int | None = None) -> list[list[str]]:
    """The lines of the regions of a program that stand in its own graph."""
    model = program(name)
    graph = model.graph if level is None else model.optimized(level)
    printer = Printer(graph, pretty=True)
    return [Block(printer, node).lines(60) for node in graph if graph.op(node) in REGIONS]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("newton", ["while |x·x - a| > 1e-12", "  x ← (x + a/x)/2"]),
        ("euler", ["for t in 0..n", "  y ← y + h·w·y", "  trace[t] = y"]),
        ("set", ["for t in 1..n", "  u[t] ← u[t - 1]·w + x[t]"]),
        (
            "chosen",
            ["if x > 2", "  y = x - 1", "  n = 1", "else if x < -2", "  y = x + 1", "  n = -1", "else", "  y = 0"],
        ),
        ("nested", ["for i in 0..3", "  p ← 1", "  for j in 0..i", "    p ← p·w + i", "  s ← s + p", "  A[i] = s"]),
        ("loop_in_choice", ["if w > 0", "  while y < 10", "    y ← y·2 + w", "else", "  y = -w"]),
        ("cyclic", ["for t in 0..5", "  c = a", "  a ← b", "  b ← c·w"]),
        ("matrix", ["for k in 0..6", "  x ← A @ x + b"]),
        # What enters without a name stands in the body by its text.
        ("function", ["for t in 0..4", "  k ← k·((y + (p·q)/y)/2)", "  y ← (y + (p·q)/y)/2"]),
    ],
)
def test_blocks_are_written_as_the_program_has_them(name: str, lines: list[str]) -> None:
    assert blocks(name)[0] == lines


def test_assignments_that_read_each_other_stand_in_one_line() -> None:
    """After optimisation nothing in a body has a name, so `a ← b` before `b ← a·w` would say another thing."""
    assert blocks("cyclic", 2) == [["for t in 0..5", "  a, b ← b, a·w"]]


def test_one_line_has_braces() -> None:
    model = program("chosen")
    whole = "if x > 2 { y = x - 1; n = 1 } else if x < -2 { y = x + 1; n = -1 } else { y = 0 }"
    (value,) = model.graph.operands(model.graph.names["y"])
    assert expression(model.graph, value) == whole
    assert expression(model.graph, value, limit=30) == "if x > 2 { y = x - 1; n = 1 }…"
    assert expression(model.graph, model.graph.names["L"], through=model.graph.names.values()) == "(y of the block)^2"


def test_the_derivative_of_a_loop_is_written_by_what_comes_of_it() -> None:
    model = program("euler").grad("L", "w")
    graph = model.optimized(0)
    found = [Block(Printer(graph, pretty=True), node).lines(60) for node in graph if graph.op(node) in REGIONS]
    assert found[-1] == [
        "for t in 0..n, backwards",
        "  ∂w ← (∂y + ∂trace)·y·h + ∂w",
        "  ∂y ← (∂y + ∂trace)·(h·w) + (∂y + ∂trace)",
    ]


# Explanations --------------------------------------------------------------------------------------------------------


def test_explanation_of_newtons_square_root() -> None:
    assert (
        str(program("newton").explain("x", "a"))
        == """\
∂x/∂a = 0.35355        at a = 2

forward                                                          local gradients
  x = while |x·x - a| > 1e-12 { x ← (x + a/x)/2 }    1.4142        ∂x/∂a   through the loop, 5 iterations    0.35355

1 path from a to x
  a → x       0.35355  =  0.35355
             gradient  =  0.35355    the compiled adjoint agrees

simplified              ∂x/∂a = through the loop, 5 iterations
"""
    )


def test_explanation_goes_through_a_loop() -> None:
    assert (
        str(program("steps").explain("L", "a"))
        == """\
∂L/∂a = 2        at a = 2

forward                                                local gradients
  y = for t in 0..4 { y ← (y + a/y)/2 }    1.4142        ∂y/∂a   through the loop, 4 iterations    0.35355
  L = y² + a                                    4        ∂L/∂y = 2·y                                2.8284
                                                         ∂L/∂a = 1                                       1

2 paths from a to L
  a → y → L      0.35355 · 2.8284  =  1
  a → L                         1  =  1
                              sum  =  2    the compiled adjoint agrees

simplified              ∂L/∂a = 2·y·∂y/∂a + 1
"""
    )


def test_explanation_without_values() -> None:
    assert (
        str(program("unbound").explain("L", "w"))
        == """\
∂L/∂w = 2·(y - 2)·∂y/∂w + 1        for any w, n

forward                                  local gradients
  y = for t in 0..n { y ← y + w·y }        ∂y/∂w   through the loop, n iterations
  L = (y - 2)² + w                         ∂L/∂y = 2·(y - 2)
                                           ∂L/∂w = 1

2 paths from w to L
  w → y → L      (∂y/∂w) · (2·(y - 2))
  w → L          1
"""
    )


def test_explanation_of_a_branch() -> None:
    found = program("chosen").explain("L", "x")
    assert [each.through for each in found.local_gradients] == ["through the block `if`", ""]
    assert (found.path_count, found.sum, found.agrees) == (1, 4.0, True)
    # n is a number that x only decides on.
    assert program("chosen").explain("n", "x").path_count == 0


def test_json_says_that_a_local_gradient_has_no_formula() -> None:
    facts = program("steps").explain("L", "a").to_dict()
    first, second, _ = facts["local_gradients"]
    assert first["through"] == first["expression"] == "through the loop, 4 iterations"
    assert first["value"] == pytest.approx(0.3535533906)
    assert "through" not in second


def test_what_enters_at_several_places_is_one_path() -> None:
    """`a` is where x begins, and stands in the body and in the condition."""
    model = program("newton")
    assert model.explain("x", "a").path_count == model.explain("x", "a", level="ops").path_count == 1


# Everything ----------------------------------------------------------------------------------------------------------


def pairs(model: gradc.Model) -> list[tuple[str, str]]:
    try:
        return [(y, v) for y in model.targets(None) for v in model.variables(None)]
    except gradc.Error:
        # A program of constants.
        return []


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("level", ["names", "ops"])
def test_every_program_is_explained(name: str, level: str) -> None:
    model = program(name)
    known = {str(model.graph.name(node)): model.graph.attrs(node).get("default") for node in model.graph.inputs}
    for y, v in pairs(model):
        found = model.explain(y, v, level=level, lr=0.1)
        assert json.loads(json.dumps(found.to_dict()))["sum"] == found.to_dict()["sum"]
        assert found.agrees is (None if None in known.values() else True)
        # The compiler's inner names do not come out.
        assert not re.search(r"get\(|for\(|while\(|branch\(|\.adjoint|\.tape", str(found))


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("level", ["names", "ops"])
def test_every_program_is_drawn(name: str, level: str) -> None:
    model = program(name)
    drawn = [model.dot(level=level), *(model.dot(level=level, optimize=o) for o in range(4))]
    for y, v in pairs(model)[:2]:
        drawn += [model.dot(level=level, of=y, wrt=v, paths=paths) for paths in ("all", "one", "none")]
        drawn += [model.dot(level=level, of=y, wrt=v, grad=True, optimize=o) for o in (0, 2)]
        drawn += [model.dot(level=level, focus=v, depth=2), model.dot(level=level, max_nodes=2)]
        drawn += [model.dot(level=level, of=y, path=[v, y])] if model.explain(y, v).path_count else []
    for diagram in drawn:
        text = html.unescape(str(diagram))
        assert not re.search(r"get\(|\bfor\(|while\(|branch\(|\.adjoint|\.tape", text)
        # The values of tuples and tapes are nobody's business.
        assert "None" not in text


def boxes(diagram: Diagram) -> str:
    return re.sub(r"<[^>]*>", " ", html.unescape(str(diagram)))


def test_a_loop_is_one_box_with_its_course() -> None:
    shown = boxes(draw(program("euler"), level="names", wrt="w"))
    assert shown.count("for t in 0..n") == 1
    for text in ("10 iterations", "y: 1 → 1.6289", "trace: 1.05 … 1.629, mean 1.321, [10]", "∂y/∂w = 1.5513"):
        assert text in shown


def test_a_branch_says_which_way_it_went() -> None:
    model = program("chosen")
    assert "x > 2: true" in boxes(draw(model))
    assert "x > 2: false" in boxes(draw(model, values={"x": 1}))


def test_a_path_can_be_highlighted_through_a_loop() -> None:
    text = str(draw(program("two"), level="names", of="L", path=["w", "y", "z", "L"]))
    arrows = [line.strip() for line in text.splitlines() if "->" in line]
    assert sum("penwidth=2" in arrow for arrow in arrows) >= 5


def test_notebooks_show_loops() -> None:
    assert "<svg" in program("nested").dot()._repr_svg_()
