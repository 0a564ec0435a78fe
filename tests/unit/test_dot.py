"""Diagrams: their DOT text, what stands in them, what is left out, and that no name can break out of its label."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gradc
from gradc.backends.dot import Arrow, Box, Picture, Run, escape, to_dot
from gradc.backends.render import render
from gradc.errors import CallError, CompileError
from gradc.explain.draw import Diagram, draw

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "diagrams"
TWO_PATHS = gradc.load(ROOT / "examples" / "two_paths.grad")
CHAIN = gradc.load(ROOT / "examples" / "chain.grad")
BRANCHES = gradc.compile(
    """fn huber(r, delta=1) = if abs(r) <= delta then r^2/2 else delta*(abs(r) - delta/2)
input x = 2, y = 1
param w = 3
loss = huber(w*x - y)
"""
)
UNICODE = gradc.compile("param w₁ = 2, 偏差 = 1\ninput σ₀ = 3\nŷ = σ₀*w₁ + 偏差\n")

DIAGRAMS: dict[str, Callable[[], Diagram]] = {
    "two_paths_names": lambda: draw(TWO_PATHS, level="names", wrt="w2"),
    "two_paths_ops": lambda: draw(TWO_PATHS, wrt="w2"),
    "two_paths_grad": lambda: draw(TWO_PATHS, grad=True),
    "two_paths_grad_O2": lambda: draw(TWO_PATHS, grad=True, optimize=2),
    "two_paths_one_path": lambda: draw(TWO_PATHS, level="names", path="w2,yhat,L"),
    "chain_names": lambda: draw(CHAIN, level="names", wrt="a"),
    "branches": lambda: draw(BRANCHES, wrt="w"),
    "unicode": lambda: draw(UNICODE, level="names"),
    "around_a_name": lambda: draw(TWO_PATHS, level="names", focus="a", depth=1),
}


@pytest.mark.parametrize("name", DIAGRAMS)
def test_golden(name: str, update_golden: bool) -> None:
    text = str(DIAGRAMS[name]())
    file = GOLDEN / f"{name}.dot"
    if update_golden:
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")
    assert str(DIAGRAMS[name]()) == text
    assert b"<svg" in render(text, "svg", engine="graphviz-pure")


def test_picture_of_the_readme_is_current(update_golden: bool) -> None:
    """examples/two_paths.svg is what the library draws; `pytest --update-golden` writes it anew."""
    svg = render(str(draw(TWO_PATHS, level="names", of="L", wrt="w2")), "svg", engine="graphviz-pure")
    file = ROOT / "examples" / "two_paths.svg"
    if update_golden:
        file.write_bytes(svg)
    assert svg == file.read_bytes()


# What stands in a diagram --------------------------------------------------------------------------------------------


def parts(diagram: Diagram) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """The texts of the boxes by their names, and the arrows with theirs."""
    boxes: dict[str, str] = {}
    arrows = []
    for line in str(diagram).splitlines():
        statement = line.strip()
        if match := re.match(r'("[^"]*"|\w+) -> ("[^"]*"|\w+)', statement):
            arrows.append((match[1].strip('"'), match[2].strip('"'), texts(statement)))
        elif match := re.match(r'("[^"]*"|\w+) \[label=<', statement):
            boxes[match[1].strip('"')] = texts(statement)
    return boxes, arrows


def texts(statement: str) -> str:
    """The lines of a label, with | between them."""
    found = re.search(r"label=<(.*)>(?: \w+=.*)?\]", statement)
    if found is None:
        return ""
    rows = re.sub(r"</td></tr>(?=<tr>|</table>)", "|", found[1])
    return html.unescape(re.sub(r"\|+", "|", re.sub(r"<[^<>]*>", "", rows))).strip("|").replace("|", " | ")


def all_text(diagram: Diagram) -> str:
    return html.unescape(re.sub(r"<[^<>]*>", "", str(diagram)))


def test_names_level_is_the_textbook() -> None:
    boxes, arrows = parts(draw(TWO_PATHS, level="names", wrt="w2"))
    assert boxes == {
        "x": "x | 3",
        "y": "y | 17",
        "w1": "w1 | 6 | ∂L = -6",
        "w2": "w2 | 2 | ∂L = -24",
        "a": "a = x·w2 | 6 | ∂L = -6",
        "yhat": "yhat = w1 + a + w2 | 14 | ∂L = -6",
        "L": "L = (yhat - y)² | 9",
    }
    assert sorted(arrows) == [
        ("a", "yhat", "1"),
        ("w1", "yhat", "1"),
        ("w2", "a", "x = 3"),
        ("w2", "yhat", "1"),
        ("x", "a", ""),
        ("y", "L", ""),
        ("yhat", "L", "2·(yhat - y) = -6"),
    ]


def test_title_multiplies_along_paths_and_adds() -> None:
    assert "∂L/∂w2 = -24  =  3 · 1 · (-6)  +  1 · (-6)  =  -18 - 6" in all_text(
        draw(TWO_PATHS, level="names", wrt="w2")
    )
    assert "∂c/∂a  =  2 · (2·b)" in all_text(draw(CHAIN, level="names", wrt="a"))
    assert "∂c/∂a = 24  =  2 · 12" in all_text(draw(CHAIN, level="names", wrt="a", values={"a": 3}))
    assert "y does not depend on b" in all_text(draw(gradc.compile("input a = 1, b = 2\ny = a"), wrt="b"))


def test_without_values_there_are_formulas() -> None:
    boxes, arrows = parts(draw(CHAIN, level="names"))
    assert boxes == {"a": "a", "b": "b = 2·a", "c": "c = b²"}
    assert arrows == [("a", "b", "2"), ("b", "c", "2·b")]
    assert parts(draw(CHAIN, level="names", values={"a": 3}))[0]["c"] == "c = b² | 36"


def test_names_stand_in_the_box_of_the_value_that_they_alone_name() -> None:
    boxes, arrows = parts(draw(gradc.compile("input x\na = x*x\nb = x*x\nf = a + sin(x)")))
    assert boxes["a"] == "a = x·x"
    shared, arrows = parts(draw(gradc.compile("input x\na = x*x\nb = x*x\nf = a + b + x*x")))
    assert shared["%1"] == "x·x"
    assert ("%1", "a", "1") in arrows
    assert ("%1", "b", "1") in arrows


def test_one_arrow_an_operand() -> None:
    arrows = parts(draw(gradc.compile("input x = 3\ny = x*x")))[1]
    assert arrows == [("x", "y", "x = 3")] * 2


def test_branch_that_is_not_taken() -> None:
    arrows = parts(draw(BRANCHES, wrt="w"))[1]
    assert [text for _, head, text in arrows if head == "loss"] == ["", "not taken", "1"]


def test_long_steps_have_short_names_and_long_gradients_symbols() -> None:
    model = gradc.compile("input x = 1, yes = 2\ny = sin(exp(x*yes + 1)^3 - 2)*cos(exp(x*yes + 1)^3 - 2)")
    boxes, _ = parts(draw(model))
    assert any(text.startswith("v1 = ") for text in boxes.values())
    assert any(text.startswith("∂y/∂x = ") for _, _, text in parts(draw(model, level="names"))[1])


def test_adjoint_part() -> None:
    text = str(draw(TWO_PATHS, grad=True))
    assert "subgraph cluster_forward" in text
    assert "subgraph cluster_adjoint" in text
    boxes, arrows = parts(draw(TWO_PATHS, grad=True))
    assert boxes["L"] == "L = (yhat - y)² | 9"
    assert "∂L/∂yhat, ∂L/∂a, ∂L/∂w1 = 2·(yhat - y) | -6" in boxes.values()
    assert "∂L/∂w2 = ∂L/∂yhat·x + ∂L/∂yhat | -24" in boxes.values()
    assert ("w2", "a", "x = 3") in arrows


def test_derivative_that_is_a_constant() -> None:
    boxes, _ = parts(draw(gradc.compile("param w\ny = 2*w + 1"), grad=True, optimize=2))
    assert "∂y/∂w = 2" in boxes.values()


@pytest.mark.parametrize(
    ("options", "caption"),
    [
        ({}, "as written"),
        ({"optimize": 2}, "optimised at -O2"),
        ({"grad": True}, "with its adjoint part, at -O0"),
        ({"grad": True, "optimize": 1}, "with its adjoint part, at -O1"),
    ],
)
def test_caption_says_which_graph_it_is(options: dict[str, Any], caption: str) -> None:
    assert caption in all_text(draw(TWO_PATHS, **options))


def test_legend_has_what_occurs() -> None:
    assert "inputnamed valueoutputas written" in all_text(draw(CHAIN, level="names"))


def test_title_of_the_caller() -> None:
    assert "<b>Two &amp; more paths</b>" in str(draw(TWO_PATHS, title="Two & more paths"))


def test_every_example_at_every_level() -> None:
    for file in sorted((ROOT / "examples").glob("*.grad")):
        model = gradc.load(file)
        every = [{"level": "names"}, {"level": "ops"}, {"grad": True}, {"grad": True, "optimize": 2}]
        # Of arrays alone there is no gradient to draw.
        numbers = any(model.graph.type(node).real and model.graph.type(node).scalar for _, node in model.graph.outputs)
        for options in every if numbers else every[:2]:
            text = str(draw(model, **options))  # type: ignore[arg-type]
            assert text.startswith("digraph")


# Paths ---------------------------------------------------------------------------------------------------------------


def colored(diagram: Diagram) -> int:
    return sum("penwidth=2" in line for line in str(diagram).splitlines())


def test_paths() -> None:
    assert colored(draw(TWO_PATHS, level="names")) == 0
    assert colored(draw(TWO_PATHS, level="names", wrt="w2")) == 4
    assert colored(draw(TWO_PATHS, level="names", wrt="w2", paths="none")) == 0
    assert colored(draw(TWO_PATHS, level="names", wrt="w2", paths="one")) == 3
    assert colored(draw(TWO_PATHS, level="names", path="w2,a,L")) == 3
    assert colored(draw(TWO_PATHS, level="ops", path=["a", "yhat"])) == 2
    assert '"#be185d:#0f766e"' in str(draw(TWO_PATHS, level="names", wrt="w2"))


def test_very_many_paths() -> None:
    model = gradc.compile("param x = 1\ny0 = x\n" + "".join(f"y{i + 1} = y{i} + y{i}\n" for i in range(60)))
    diagram = draw(model, level="names", wrt="x")
    assert "the sum over about 10^18 paths" in all_text(diagram)
    assert colored(diagram) == 121


def test_path_that_does_not_exist() -> None:
    with pytest.raises(CallError) as caught:
        draw(TWO_PATHS, path="w1,a")
    assert str(caught.value) == "error[E0802]: this path cannot be highlighted: no way leads from `w1` to `a`"
    with pytest.raises(CallError) as caught:
        draw(TWO_PATHS, path="w1,yhta")
    assert caught.value.diagnostics[0].code == "E0608"


# Large graphs --------------------------------------------------------------------------------------------------------


def test_focus() -> None:
    assert set(parts(draw(TWO_PATHS, level="names", focus="a", depth=0))[0]) >= {"a", "notice"}
    boxes, _ = parts(draw(TWO_PATHS, level="names", focus="a", depth=1))
    assert {name for name in boxes if name.isidentifier()} == {"x", "w2", "a", "yhat", "notice"}
    assert boxes["notice"] == "showing 4 of 7 nodes"
    assert boxes["yhat‹"] == "… 1 more"
    assert boxes["yhat›"] == "… 1 more"
    # The derivatives are those of the whole program.
    assert boxes["a"] == "a = x·w2 | 6 | ∂L = -6"


def test_limit_has_a_notice() -> None:
    boxes, _ = parts(draw(TWO_PATHS, max_nodes=3))
    assert boxes["notice"] == "showing 3 of 9 nodes | use --focus NAME --depth N"
    assert {"L", "yhat"} <= set(boxes)
    assert "notice" not in parts(draw(TWO_PATHS, max_nodes=9))[0]


def large(count: int) -> gradc.Model:
    lines = "".join(f"h{i + 1} = sin(h{i}*w) + h{i}\n" for i in range(count))
    return gradc.compile(f"input x = 1\nparam w = 0.5\nh0 = x\n{lines}")


def test_large_graph() -> None:
    model = large(20_000)
    start = time.perf_counter()
    boxes, arrows = parts(draw(model, level="names", focus="h9999", depth=1))
    assert time.perf_counter() - start < 5
    assert boxes["notice"] == "showing 4 of 20\N{NO-BREAK SPACE}003 nodes"
    assert ("h9998", "h9999", "1") in arrows
    assert any(tail == "w" and text.startswith("cos(h9998·w)·h9998") for tail, _, text in arrows)
    text = str(draw(model))
    assert time.perf_counter() - start < 10
    assert "showing 150 of 60\N{NO-BREAK SPACE}003 nodes" in all_text(Diagram(text))
    # A param that everything uses is drawn where it is used.
    assert "drawn at each of its uses" in all_text(Diagram(text))


def test_deep_statement() -> None:
    text = "x" + " + sin(x)" * 20_000
    boxes, _ = parts(draw(gradc.compile(f"input x = 1\ny = {text}"), level="names"))
    assert len(boxes["y"]) < 80


# Nothing breaks out of a label ---------------------------------------------------------------------------------------

NASTY = [
    "<b>",
    "&amp;",
    '"]; evil [label="x',
    "a\\nb\\N\\G",
    "%s %d %1",
    "</td></tr></table>>]",
    "\0\x1b[31m\u202e",
    "]]>",
]


@pytest.mark.parametrize("text", NASTY)
def test_escaping(text: str) -> None:
    picture = Picture(
        "picture",
        [
            Box("a", ((Run(text),), (Run(text, bold=True),), (Run("∂" + text),)), "param"),
            Box("b", ((Run("b"),),), "name"),
        ],
        [Arrow("a", "b", ((Run(text),),))],
        title=((Run(text, bold=True),),),
        caption=text,
        keys=((text, "#000000", text),),
    )
    svg = render(to_dot(picture), "svg", engine="graphviz-pure").decode()
    assert svg.count('class="node"') == 2
    assert svg.count('class="edge"') == 1
    shown = re.sub(r"[\x00-\x1f\u202e]", "\N{REPLACEMENT CHARACTER}", text)
    found = [html.unescape(run).replace("\N{NO-BREAK SPACE}", " ") for run in re.findall(r">([^<>]+)</text>", svg)]
    # Twice in the box, once each at the arrow, in the title, the caption and twice in the legend.
    assert found.count(shown) == 7
    assert found.count("∂" + shown) == 1


def test_escape() -> None:
    assert escape('<&>"\\n') == "&lt;&amp;&gt;&quot;\\\\n"
    assert escape("a\0b\ud800") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"


def test_keywords_of_dot_as_names() -> None:
    model = gradc.compile("input node = 1, edge = 2\ngraph = node + edge\nstrict = graph*2\nsubgraph = strict")
    assert draw(model, level="names").svg().count('class="node"') == 5


# Files ---------------------------------------------------------------------------------------------------------------


def test_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADC_GRAPHVIZ", "graphviz-pure")
    diagram = TWO_PATHS.dot(level="names")
    for ending, start in (("dot", b"digraph"), ("gv", b"digraph"), ("svg", b"<?xml"), ("png", b"\x89PNG\r\n\x1a\n")):
        diagram.save(tmp_path / f"a.{ending}")
        assert (tmp_path / f"a.{ending}").read_bytes().startswith(start)
    assert diagram.png().startswith(b"\x89PNG")
    assert diagram._repr_svg_() == diagram.svg() == (tmp_path / "a.svg").read_text("utf-8")
    for name, code in (("a.pdf", "E0806"), ("a.jpg", "E0804"), ("none/a.svg", "E0803")):
        with pytest.raises(CompileError) as caught:
            diagram.save(tmp_path / name)
        assert [found.code for found in caught.value.diagnostics] == [code]
        assert not (tmp_path / name).exists()


def test_mistaken_options() -> None:
    with pytest.raises(ValueError, match="level"):
        draw(TWO_PATHS, level="all")
    with pytest.raises(ValueError, match="paths"):
        draw(TWO_PATHS, paths="two")
    with pytest.raises(CallError) as caught:
        draw(TWO_PATHS, focus="nothing")
    assert caught.value.diagnostics[0].code == "E0608"
