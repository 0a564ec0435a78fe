"""Diagrams of programs over arrays: shapes at the arrows, values in few characters, comprehensions, local gradients."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradc
from gradc.backends.render import render
from gradc.errors import CallError
from gradc.explain.draw import Diagram, draw
from gradc.explain.summary import facts, family, line, rows, short

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "diagrams"
SQUARES = gradc.compile("input X[n, d], y[n]\nparam w[d]\nr = X @ w - y\nL = mean(r^2)\n")
PRODUCT = gradc.compile("input A[n, m], B[m, p]\nC[i, j] = sum(A[i, k]*B[k, j] for k)\ns = sum(C)\n")
NETWORK = gradc.load(ROOT / "examples" / "two_layer_network.grad")
CONVOLUTION = gradc.compile(
    "input im[h, w], k[p, q]\n"
    "Y[i, j] = sum(im[i + a, j + b]*k[a, b] for a, b) for i in 0..h-p+1, j in 0..w-q+1\n"
    "L = sum(Y^2)\n"
)
DATA = {"X": [[1, 2], [3, 4], [5, 7]], "y": [1, -1, 2], "w": [0.5, -1]}
FACTORS = {"A": [[1, 2, 3], [0, 1, 0]], "B": [[1, 0], [2, 1], [-1, 1]]}

DIAGRAMS: dict[str, Callable[[], Diagram]] = {
    "squares_names": lambda: draw(SQUARES, level="names", wrt="w", values=DATA),
    "squares_grad": lambda: draw(SQUARES, grad=True, values=DATA),
    "product_ops": lambda: draw(PRODUCT, wrt="A", values=FACTORS),
    "network_names": lambda: draw(NETWORK, level="names", of="L", wrt="W1"),
    "convolution_names": lambda: draw(CONVOLUTION, level="names", wrt="k"),
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


def test_picture_of_the_network_is_current(update_golden: bool) -> None:
    """examples/two_layer_network.svg is what the library draws; `pytest --update-golden` writes it anew."""
    svg = render(str(DIAGRAMS["network_names"]()), "svg", engine="graphviz-pure")
    file = ROOT / "examples" / "two_layer_network.svg"
    if update_golden:
        file.write_bytes(svg)
    assert svg == file.read_bytes()


def parts(diagram: Diagram) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """The texts of the boxes by their names, and the arrows with theirs."""
    boxes: dict[str, str] = {}
    arrows = []
    for each in str(diagram).splitlines():
        statement = each.strip()
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
    cells = re.sub(r"</td></tr>(?=<tr>|</table>)", "|", found[1])
    return html.unescape(re.sub(r"\|+", "|", re.sub(r"<[^<>]*>", "", cells))).strip("|").replace("|", " | ")


def everything(diagram: Diagram) -> str:
    return html.unescape(re.sub(r"<[^<>]*>", "", str(diagram)))


# What stands in a diagram --------------------------------------------------------------------------------------------


def test_names_with_values() -> None:
    boxes, arrows = parts(draw(SQUARES, level="names", wrt="w", values=DATA))
    assert boxes == {
        "X": "X | [1, 2] | [3, 4] | [5, 7]",
        "y": "y | [1, -1, 2]",
        "w": "w | [0.5, -1] | ∂L = [-26.33, -37.67]",
        "r": "r = X @ w - y | [-2.5, -1.5, -6.5] | ∂L = [-1.667, -1, -4.333]",
        "L": "L = sum(r²)/n | 16.917",
    }
    assert sorted(arrows) == [
        ("X", "r", "[3, 2]"),
        ("r", "L", "2·r/n | [3]"),
        ("w", "r", "Xᵀ· | [2]"),
        ("y", "r", "[3]"),
    ]
    assert "∂L/∂w = [-26.33, -37.67]  =  Xᵀ @ (2·r/n)" in everything(draw(SQUARES, level="names", wrt="w", values=DATA))


def test_adjoints_against_differences() -> None:
    """What stands in the boxes is the derivative by what they hold."""
    found = SQUARES.explain("L", "w", DATA)
    assert short(np.asarray(found.sum)) == "[-26.33, -37.67]"
    for at in range(2):
        ends = []
        for step in (1e-6, -1e-6):
            moved = np.array(DATA["w"], float)
            moved[at] += step
            ends.append(SQUARES({**DATA, "w": moved})["L"])
        assert found.sum[at] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


def test_without_values_there_are_shapes() -> None:
    boxes, arrows = parts(draw(SQUARES, level="names"))
    assert boxes == {"X": "X | [n, d]", "y": "y | [n]", "w": "w | [d]", "r": "r = X @ w - y", "L": "L = sum(r²)/n"}
    assert ("r", "L", "2·r/n | [n]") in arrows
    # A default that fits any size is no value.
    filled = gradc.compile("input x[n] = 1\ny = 2*x\n")
    assert parts(draw(filled, level="names"))[0] == {"x": "x | [n]", "y": "y = 2·x | [n]"}
    assert parts(draw(filled, level="names", values={"x": [1, 2]}))[0]["y"] == "y = 2·x | [2, 4]"


def test_a_comprehension_is_one_box_or_a_frame() -> None:
    boxes, arrows = parts(draw(PRODUCT, level="names"))
    assert boxes["C"] == "C[i, j] = ∑ₖ A[i, k]·B[k, j]"
    assert ("A", "C", "[∑ⱼ B[k, j]·∂C[i, j] for i, k] | [n, m]") in arrows
    assert "subgraph cluster_group" not in str(draw(PRODUCT, level="names"))
    text = str(draw(PRODUCT, values=FACTORS))
    assert text.count("subgraph cluster_group") == 1
    assert "for each i < 2, j < 2, k < 3" in everything(Diagram(text))
    # In the frame: two elements that are read, their product and its sum.
    frame = text[text.index("subgraph cluster_group") :]
    assert sum("[label=" in each for each in frame[: frame.index("\t}\n")].splitlines()) == 4
    assert "for each i < n, j < p, k < m" in everything(draw(PRODUCT))


def test_indices_and_sizes_have_no_boxes() -> None:
    model = gradc.compile("input x[n]\ns = sum(x[i + 1]*n/2 for i in 0..n - 1 if i > 2)\n")
    boxes, _ = parts(draw(model))
    assert not any(text in ("n", "i", "i + 1", "i > 2") for text in boxes.values())


@pytest.mark.parametrize("level", ["names", "ops"])
def test_paths_are_coloured(level: str) -> None:
    diagram = draw(NETWORK, level=level, of="L", wrt="W1")
    assert sum("penwidth=2" in each for each in str(diagram).splitlines()) > 3
    assert "the sum over 2 paths" in everything(diagram)
    through = draw(NETWORK, level=level, of="L", path="W1,hidden,z,L")
    assert sum("penwidth=2" in each for each in str(through).splitlines()) > 3
    with pytest.raises(CallError):
        draw(NETWORK, level=level, of="L", path="W2,hidden")


def test_an_element_is_drawn() -> None:
    boxes, _ = parts(draw(SQUARES, level="names", of="r[-1]", wrt="w", values=DATA))
    assert boxes["w"] == "w | [0.5, -1] | ∂r[-1] = [5, 7]"
    assert set(parts(draw(SQUARES, level="names", of="r"))[0]) == {"X", "w", "y", "r"}


def test_wrong_data_is_told() -> None:
    with pytest.raises(CallError) as caught:
        draw(SQUARES, values={**DATA, "y": [1, 2]})
    assert caught.value.diagnostics[0].code == "E0615"
    # An index out of range is no reason not to draw.
    model = gradc.compile("input x[n], k: int\ny = x[k]\n")
    assert "y = x[k]" in parts(draw(model, level="names", values={"x": [1, 2], "k": 7}))[0].values()


def test_large_families_are_not_computed() -> None:
    """The product array of a sum of products would not fit."""
    model = gradc.compile("input A[n, n]\nC[i, j] = sum(A[i, k]*A[k, j] for k)\ns = sum(C)\n")
    boxes, _ = parts(draw(model, values={"A": np.ones((600, 600))}))
    (product,) = (text for text in boxes.values() if text.startswith("A[i, k]·A[k, j]"))
    assert product in ("A[i, k]·A[k, j]", "A[i, k]·A[k, j] | ∂s = all 1")
    assert boxes["s"] == "s = sum(C) | 216000000"


@pytest.mark.parametrize("options", [{}, {"grad": True}, {"optimize": 2}, {"grad": True, "optimize": 2}])
@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.grad")), ids=lambda file: file.stem)
def test_every_example(file: Path, options: dict[str, Any]) -> None:
    model = gradc.load(file)
    if not any(type.real and not type.shape for type in (model.graph.type(node) for _, node in model.graph.outputs)):
        # Of arrays alone there is no gradient to draw.
        options = {}
    for level in ("names", "ops"):
        assert str(draw(model, level=level, max_nodes=60, **options)).startswith("digraph")


# Values in few characters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1.0, 2.5], "[1, 2.5]"),
        ([[1.0, 2.0], [3.0, 4.0]], "[[1, 2], [3, 4]]"),
        (np.eye(3), "[[1, 0, 0], [0, 1, 0], [0, 0, 1]]"),
        (np.arange(7.0), "0 … 6, mean 3, [7]"),
        (np.ones((4, 5)), "all 1, [4, 5]"),
        (np.zeros((0, 3)), "empty, [0, 3]"),
        ([1.0, np.nan, np.inf], "[1, nan, ∞]"),
        ([np.nan, *range(9)], "0 … 8, mean 4, 1 nan, [10]"),
        ([np.nan] * 9, "all nan, [9]"),
        ([np.inf, *range(9)], "0 … ∞, mean ∞, [10]"),
        (np.arange(10) > 6, "3 of 10 true, [10]"),
        ([True, False], "[true, false]"),
        (np.arange(8), "0 … 7, mean 3.5, [8]"),
        (np.zeros((2, 2, 2)), "all 0, [2, 2, 2]"),
        (np.float64(0.123456789), "0.12346"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_summaries(value: Any, text: str) -> None:
    array = np.asarray(value)
    assert short(array if array.ndim else value) == text
    assert family(array) == (text.rsplit(", [", 1)[0] if "mean" in text or "all" in text else family(array))


def test_rows_and_facts() -> None:
    assert rows(np.array([[1.0, 2.0], [3.0, 4.5]])) == ["[1, 2]", "[3, 4.5]"]
    assert rows(np.array([1.0, 2.0])) == ["[1, 2]"]
    assert rows(3.0) == ["3"]
    assert line(np.array([1.0])) == "[1]"
    assert facts(np.array([[1.0]])) == [[1.0]]
    assert facts(np.arange(2000.0)) == {"shape": [2000], "min": 0.0, "max": 1999.0, "mean": 999.5, "nan": 0}
    assert facts(np.full(2000, np.nan)) == {"shape": [2000], "nan": 2000}
    assert facts(np.arange(2000) < 5) == {"shape": [2000], "true": 5}
