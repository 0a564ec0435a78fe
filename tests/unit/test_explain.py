"""Explanations: the textbook's numbers, paths counted and ranked without listing them, sums that equal the adjoint."""

from __future__ import annotations

import itertools
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradc

EXAMPLES = Path(__file__).parents[2] / "examples"
GOLDEN = Path(__file__).parents[1] / "golden"


def facts(
    model: gradc.Model, of: str, wrt: str, values: dict[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    return model.explain(of, wrt, values, **options).to_dict()


@pytest.fixture(scope="module")
def two_paths() -> gradc.Model:
    return gradc.load(EXAMPLES / "two_paths.grad")


@pytest.fixture(scope="module")
def chain() -> gradc.Model:
    return gradc.load(EXAMPLES / "chain.grad")


def test_the_page_of_two_paths(two_paths: gradc.Model) -> None:
    assert two_paths.explain("L", "w2", lr=0.01).text() == (
        "∂L/∂w2 = -24        at x = 3, y = 17, w1 = 6, w2 = 2\n"
        "\n"
        "forward                         local gradients\n"
        "  a    = x·w2            6        ∂a/∂w2    = x                3\n"
        "  yhat = w1 + a + w2    14        ∂yhat/∂a  = 1                1\n"
        "  L    = (yhat - y)²     9        ∂yhat/∂w2 = 1                1\n"
        "                                  ∂L/∂yhat  = 2·(yhat - y)    -6\n"
        "\n"
        "2 paths from w2 to L\n"
        "  w2 → a → yhat → L      3 · 1 · (-6)  =  -18\n"
        "  w2 → yhat → L              1 · (-6)  =   -6\n"
        "                                  sum  =  -24    the compiled adjoint agrees\n"
        "\n"
        "simplified              ∂L/∂w2 = 2·(x + 1)·(yhat - y)\n"
        "one step, lr = 0.01     w2: 2 → 2.24\n"
    )


def test_the_five_local_gradients_of_two_paths_and_no_others(two_paths: gradc.Model) -> None:
    found = {}
    for wrt in ("w1", "w2"):
        for each in facts(two_paths, "L", wrt)["local_gradients"]:
            found[each["of"], each["wrt"]] = (each["expression"], each["value"])
    assert found == {
        ("a", "w2"): ("x", 3.0),
        ("yhat", "a"): ("1", 1.0),
        ("yhat", "w1"): ("1", 1.0),
        ("yhat", "w2"): ("1", 1.0),
        ("L", "yhat"): ("2*(yhat - y)", -6.0),
    }


def test_the_facts_of_two_paths(two_paths: gradc.Model) -> None:
    found = facts(two_paths, "L", "w2", lr=0.01)
    keys = "of wrt values value gradient adjoint expression path_count paths_shown paths sum local_gradients step"
    assert list(found) == keys.split()
    assert found["values"] == {"x": 3.0, "y": 17.0, "w1": 6.0, "w2": 2.0, "a": 6.0, "yhat": 14.0, "L": 9.0}
    assert (found["value"], found["gradient"], found["adjoint"], found["sum"]) == (9.0, -24.0, -24.0, -24.0)
    assert found["expression"] == "2*(x + 1)*(yhat - y)"
    assert found["paths"] == [
        {"nodes": ["w2", "a", "yhat", "L"], "factors": [3.0, 1.0, -6.0], "product": -18.0},
        {"nodes": ["w2", "yhat", "L"], "factors": [1.0, -6.0], "product": -6.0},
    ]
    assert found["step"] == {"before": 2.0, "lr": 0.01, "after": 2.24}


def test_chain_without_values(chain: gradc.Model) -> None:
    found = facts(chain, "c", "a", lr=0.1)
    assert found["expression"] == "8*a"
    assert [each["expression"] for each in found["local_gradients"]] == ["2", "2*b"]
    assert [each["in_terms_of_wrt"] for each in found["local_gradients"]] == ["2", "4*a"]
    assert found["paths"] == [{"nodes": ["a", "b", "c"], "factors": ["2", "2*b"], "product": None}]
    assert (found["value"], found["gradient"], found["sum"], found["adjoint"], found["step"]) == (None,) * 5
    assert "∂c/∂a = 8·a" in str(chain.explain("c", "a"))
    assert facts(chain, "c", "a", {"a": 3})["gradient"] == 24.0


def test_any_two_names(two_paths: gradc.Model) -> None:
    assert facts(two_paths, "yhat", "a")["sum"] == 1.0
    assert facts(two_paths, "L", "a")["sum"] == -6.0
    same = facts(two_paths, "L", "L")
    assert (same["path_count"], same["sum"], same["adjoint"], same["expression"]) == (1, 1.0, 1.0, "1")
    nothing = facts(two_paths, "a", "y")
    assert (nothing["path_count"], nothing["sum"], nothing["adjoint"], nothing["expression"]) == (0, 0.0, 0.0, "0")
    assert "no path leads from y to a" in str(two_paths.explain("a", "y"))
    with pytest.raises(gradc.CallError):
        two_paths.explain("L", "w3")


def test_what_goes_past_an_intermediate_name_does_not_count() -> None:
    model = gradc.compile("input x = 2\nu = x^2\ny = u * x\n")
    assert facts(model, "y", "u")["sum"] == 2.0
    assert facts(model, "y", "x")["sum"] == 12.0
    assert facts(model, "y", "x")["path_count"] == 2


def test_each_place_where_a_name_enters_a_statement_is_an_edge() -> None:
    model = gradc.compile("input y = 1.5\na = y + y\nb = sin(y) + y\nc = sin(y) * sin(y)\n")
    assert facts(model, "a", "y")["path_count"] == 2
    assert facts(model, "b", "y")["path_count"] == 2
    # The routes part only at the unnamed sin(y), so they are one.
    assert facts(model, "c", "y")["path_count"] == 1
    assert facts(model, "c", "y", level="ops")["path_count"] == 2
    for name in "abc":
        assert math.isclose(facts(model, name, "y")["sum"], facts(model, name, "y", level="ops")["sum"])


def test_many_paths_are_counted_at_once() -> None:
    lines = ["param x = 1", "y0 = x + x", *(f"y{i} = y{i - 1} + y{i - 1}" for i in range(1, 60))]
    model = gradc.compile("\n".join(lines))
    started = time.perf_counter()
    found = facts(model, "y59", "x", paths=3)
    assert time.perf_counter() - started < 10
    assert found["path_count"] == 2**60
    assert found["paths_shown"] == len(found["paths"]) == 3
    assert found["sum"] == found["adjoint"] == 2.0**60
    assert "1\N{NO-BREAK SPACE}152\N{NO-BREAK SPACE}921" in str(model.explain("y59", "x", paths=1))


def test_a_long_chain() -> None:
    count = 20_000
    lines = ["input x = 0.5", "a0 = x", *(f"a{i} = sin(a{i - 1}) + x" for i in range(1, count))]
    found = gradc.compile("\n".join(lines)).explain(f"a{count - 1}", "x", paths=2)
    assert found.agrees
    assert found.path_count == count
    assert len(str(found)) < 20_000


def test_the_largest_paths_come_first() -> None:
    text = "input x = 1\n" + "\n".join(f"a{i} = {w}*x" for i, w in enumerate((3, -7, 0.5, 2)))
    text += "\n" + "\n".join(f"b{i} = {w}*a0 + a{i}*2" for i, w in enumerate((1, -4, 5, 0.1)))
    model = gradc.compile(text + "\ny = b0*b1 + b2 - b3\n")
    every = facts(model, "y", "x", paths=1000)
    products = [path["product"] for path in every["paths"]]
    assert len(products) == every["path_count"]
    assert [abs(p) for p in products] == sorted((abs(p) for p in products), reverse=True)
    assert math.isclose(math.fsum(products), every["sum"], rel_tol=1e-12)
    for count in (0, 1, 3):
        assert [p["product"] for p in facts(model, "y", "x", paths=count)["paths"]] == products[:count]


def test_a_branch_that_is_not_taken_carries_nothing() -> None:
    model = gradc.compile("input x = -1\nu = log(x)\ny = if x > 0 then u * sqrt(x) else x^2\n")
    found = model.explain("y", "x")
    assert (found.sum, found.adjoint, found.agrees) == (-2.0, -2.0, True)
    assert "branch not taken" in str(found)


def test_where_a_loop_does_not_come_by_there_is_no_influence() -> None:
    model = gradc.load(GOLDEN / "loops" / "if_in_for_in_if.grad")
    found = model.explain("u", "w")
    assert (found.sum, found.adjoint, found.agrees) == (3.0, 3.0, True)
    lines = str(found).splitlines()
    assert "through the block `if`  (no influence)    0" in lines[3]
    assert lines[8:11] == [
        "2 paths from w to u",
        "  w → z → u             3 · 1  =  3",
        "  w → y → u      no influence  =  0",
    ]
    told = found.to_dict()
    assert [path.get("live", True) for path in told["paths"]] == [True, False]
    assert told["paths"][1]["factors"] == [0.0, math.inf]
    assert [each["of"] for each in told["local_gradients"] if not each.get("live", True)] == ["y"]


def test_rewrite_rules_that_save_a_derivative() -> None:
    found = gradc.compile("param x = 1000\nu = exp(x)\ny = log(u + 1)\n").explain("y", "x", lr=0.5)
    assert math.isnan(found.sum)
    assert (found.adjoint, found.agrees, found.rewritten, found.best) == (1.0, False, True, 1.0)
    lines = str(found).splitlines()
    assert lines[0] == "∂y/∂x = 1        at x = 1000"
    assert lines[-4] == "                 gradient  =  nan    as written; the compiled adjoint, by rewrite rules, is 1"
    assert lines[-1] == "one step, lr = 0.5      x: 1000 → 999.5"
    # Without the rules there is nothing else.
    plain = gradc.compile("param x = 1000\ny = log(exp(x) + 1)\n", level=0).explain("y", "x")
    assert (plain.agrees, plain.rewritten) == (True, False)


def test_a_masked_sum_of_nothing_has_no_influence() -> None:
    model = gradc.compile("input x = 0\nr = sqrt(x)\ny = x + sum(r*i for i in 0..3 if i > 5)\n")
    found = model.explain("y", "x")
    assert (found.sum, found.adjoint, found.agrees) == (1.0, 1.0, True)
    assert "(no influence)" in str(found)
    assert [path.product for path in found.paths] == [1.0, 0.0]


def test_a_sum_over_an_index_that_its_term_lacks() -> None:
    model = gradc.compile("input n: int = 3\nparam c = 2\ny = sum(c for i in 0..n)\n")
    for level in ("names", "ops"):
        found = model.explain("y", "c", level=level)
        assert (found.sum, found.adjoint) == (3.0, 3.0)
    assert found.paths[0].factors == (3.0, 1.0)


def test_what_nobody_asks_for_is_not_shown() -> None:
    model = gradc.load(GOLDEN / "programs" / "unasked_between.grad")
    for level in ("names", "ops"):
        found = model.explain("y", "w", level=level)
        assert (found.sum, found.adjoint, found.agrees) == (2.0, 2.0, True)
        assert found.values["b"] is None
        assert {each.value for each in found.local_gradients if each.of == "b" and not each.live} <= {None}
    # Where it is asked for, it is an error.
    with pytest.raises(gradc.CallError, match="the index 1 is out of range"):
        model.explain("y", "w", {"w": 2})


def test_an_optimised_graph_keeps_its_names(two_paths: gradc.Model, tmp_path: Path) -> None:
    two_paths.save(tmp_path / "two_paths.gir")
    model = gradc.load(tmp_path / "two_paths.gir")
    assert model.names == two_paths.names
    found = facts(model, "L", "w2")
    assert found["expression"] == "2*(x + 1)*(yhat - y)"
    assert [path["nodes"] for path in found["paths"]] == [["w2", "a", "yhat", "L"], ["w2", "yhat", "L"]]
    assert (found["sum"], found["adjoint"]) == (-24.0, -24.0)


def test_derivatives_and_functions_inside_the_program() -> None:
    text = "fn s(x) = x/(1 + abs(x))\nderivative s(x) = 1/(1 + abs(x))^2\n"
    model = gradc.compile(text + "input x = 2\nw = s(3*x)\ny = w^2\ng = grad(y, x)\n")
    for of in ("y", "g"):
        found = model.explain(of, "x")
        assert found.agrees, str(found)
        assert found.path_count > 0


def test_wrong_values_are_refused_and_missing_ones_are_not(two_paths: gradc.Model) -> None:
    with pytest.raises(gradc.CallError):
        two_paths.explain("L", "w2", {"w3": 1})
    with pytest.raises(gradc.CallError):
        two_paths.explain("L", "w2", {"w2": "much"})
    model = gradc.compile("input a, b\nc = 2*a\nd = c + b\n")
    assert facts(model, "c", "a", {"a": 1})["sum"] == 2.0
    assert facts(model, "d", "a", {"a": 1})["sum"] is None


OPERATORS = (
    "{a} + {b}",
    "{a} * {b}",
    "{a} - {b}",
    "sin({a}) * {b}",
    "{a} / (2 + {b}^2)",
    "exp(-{a}^2) + {b}",
    "{a} * {a}",
)


@st.composite
def programs(draw: st.DrawFn) -> str:
    names = ["x", "w"]
    lines = [f"input x = {draw(st.floats(-2, 2))!r}, w = {draw(st.floats(-2, 2))!r}"]
    for number in range(draw(st.integers(1, 7))):
        pick = st.sampled_from(names)
        lines.append(f"v{number} = " + draw(st.sampled_from(OPERATORS)).format(a=draw(pick), b=draw(pick)))
        names.append(f"v{number}")
    return "\n".join(lines) + f"\noutput {names[-1]}\n"


@settings(max_examples=40, deadline=None)
@given(programs())
def test_the_sum_over_the_paths_is_the_compiled_adjoint(text: str) -> None:
    model = gradc.compile(text)
    of = model.outputs[0]
    for wrt, level in itertools.product(("x", "w"), ("names", "ops")):
        found = model.explain(of, wrt, level=level, paths=10_000)
        assert found.agrees, f"{text}\n{found}"
        if found.path_count <= 10_000:
            assert len(found.paths) == found.path_count
            products = [path.product or 0.0 for path in found.paths]
            scale = math.fsum(abs(p) for p in products)
            assert abs(math.fsum(products) - (found.sum or 0.0)) <= 1e-9 * scale + 1e-300


def test_numbers_of_paths_beyond_all_digits() -> None:
    lines = ["param x = 1", "y0 = x + x", *(f"y{i} = y{i - 1} + y{i - 1}" for i in range(1, 5_000))]
    found = gradc.compile("\n".join(lines)).explain("y4999", "x", paths=2)
    assert found.path_count == 2**5000
    assert found.to_dict()["path_count"] == "2^5000"
    assert "2^5000 paths from x to y4999" in str(found)
    json.dumps(found.to_dict())


def test_a_local_gradient_that_is_not_finite_is_written_out() -> None:
    model = gradc.compile("input x\ny = sqrt(x)^2\n")
    assert facts(model, "y", "x", {"x": 4})["local_gradients"][0]["expression"] == "1"
    found = facts(model, "y", "x", {"x": 0})
    assert math.isnan(found["sum"])
    # Here one sees where it comes from.
    assert found["local_gradients"][0]["expression"] == "2*sqrt(x)*(0.5/sqrt(x))"
    assert model.explain("y", "x", {"x": 0}).agrees


def test_single_precision() -> None:
    model = gradc.compile("input x = 0.1, n: int = 3\ny = if n > 2 then x^2*n else 1/x\nz = y/3\n", dtype="f32")
    found = model.explain("z", "x", lr=0.1)
    assert found.agrees
    assert math.isclose(found.sum or 0.0, 0.2, rel_tol=1e-6)
    assert found.to_dict()["values"]["n"] == 3


def test_a_derivative_in_the_program_is_shown_as_it_is_written() -> None:
    model = gradc.compile("input x = 3\nparam w = 2\nL = (w*x - 1)^2\ng = grad(L, w)\nh = 2*g^2\n")
    found = model.explain("h", "w")
    assert [(row.name, row.formula) for row in found.forward] == [("g", "grad(L, w)"), ("h", "2·g²")]
    assert [each.expression for each in found.local_gradients] == ["2*x^2", "4*g"]
