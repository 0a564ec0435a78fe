"""What ``gradc explain --rewrites`` and ``model.rewrites()`` tell: rules, formulas and places."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gradc
from gradc.cli import main, topics
from gradc.ops import TABLE
from gradc.rules.arrays import RULES
from gradc.rules.load import rules

PROGRAM = """\
input x = 3, y = 2
t = 1 + exp(x*y)
f = log(t)
s = sqrt(x^2 + y^2)
L = f + s
output L
"""


def told(model: gradc.Model) -> list[tuple[str, str, str]]:
    return [(each.rule, each.before, each.after) for each in model.rewrites()]


def test_formulas_look_through_names_that_rules_look_through() -> None:
    found = gradc.compile(PROGRAM).rewrites()
    assert [(each.rule, each.kind, each.before, each.after, str(each.span)) for each in found] == [
        ("softplus", "stable", "log(1 + exp(x·y))", "softplus(x·y)", "<text>:3:5"),
        ("hypot", "stable", "√(x² + y²)", "hypot(x, y)", "<text>:4:5"),
    ]
    assert str(found) == (
        "<text>:3:5    stable    softplus    log(1 + exp(x·y)) → softplus(x·y)\n"
        "<text>:4:5    stable    hypot       √(x² + y²) → hypot(x, y)\n"
    )


def test_names_that_are_no_part_of_the_pattern_are_kept() -> None:
    model = gradc.compile("input x\nz = sin(x)*2\ny = log(1 + z)*z")
    assert told(model) == [("log1p", "log(1 + z)", "log1p(z)")]


def test_what_differentiation_made_is_marked() -> None:
    model = gradc.compile("input x\ny = x - sin(x)").grad("y", "x")
    assert ("versine", "1 - cos(x)", "2·sin(0.5·x)²") in told(model)
    assert str(model.rewrites()).count("in a derivative") == len(model.rewrites())
    assert all(each.derivative for each in model.rewrites())


def test_rules_over_arrays_are_told_too() -> None:
    model = gradc.compile("input x[n]\ns = sum(exp(x))\ny = log(s)")
    assert told(model) == [("log_sum_exp", "log(sum(exp(x)))", "logsumexp(x)")]
    model = gradc.compile("input A[n, k]\nS = A @ A.T + 0.5*eye(n)\ny = log(det(S))")
    assert told(model) == [("log_det", "log(det(S))", "logdet(S)")]


def test_rules_fire_in_loops() -> None:
    model = gradc.compile("input x\ny = 0\nfor t in 0..3 { y = y + log(1 + x*y) }\noutput y")
    assert ("log1p", "log(1 + x·y)", "log1p(x·y)") in told(model)


def test_what_fires_depends_on_the_level_and_on_what_is_left_out() -> None:
    assert told(gradc.compile(PROGRAM, level=0)) == []
    assert str(gradc.compile(PROGRAM, level=0).rewrites()) == "no rewrite rule fired\n"
    assert [rule for rule, _, _ in told(gradc.compile(PROGRAM, no_rewrite=["hypot", "softplus_log1p"]))] == ["softplus"]


def test_equal_ones_are_counted() -> None:
    model = gradc.compile("fn f(a) = a*1\ninput x, y\nz = f(f(x))")
    (found,) = model.rewrites()
    assert (found.rule, found.times) == ("mul_one", 2)


class Program:
    """A program in a file, and what commands about it print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def run(self, *options: str) -> str:
        assert main(["explain", "--rewrites", "p.grad", *options]) == 0
        return self.capsys.readouterr().out


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    monkeypatch.chdir(tmp_path)
    Path("p.grad").write_text(PROGRAM, "utf-8")
    return Program(capsys)


def test_the_command_lists_them(program: Program) -> None:
    assert program.run() == (
        "# p.grad, optimised at -O2\n\n"
        "p.grad:3:5    stable    softplus    log(1 + exp(x·y)) → softplus(x·y)\n"
        "p.grad:4:5    stable    hypot       √(x² + y²) → hypot(x, y)\n"
    )
    assert "hypot" not in program.run("--no-rewrite", "hypot")
    Path("p.grad").write_text("input x\ny = x - sin(x)\noutput y", "utf-8")
    assert program.run().endswith("no rewrite rule fired\n")
    assert program.run("--wrt", "x").count("in a derivative") == 3


def test_the_command_gives_json(program: Program) -> None:
    assert json.loads(program.run("--json"))["rewrites"][0] == {
        "rule": "softplus",
        "class": "stable",
        "before": "log(1 + exp(x·y))",
        "after": "softplus(x·y)",
        "derivative": False,
        "times": 1,
        "file": "p.grad",
        "line": 3,
        "column": 5,
        "end": 11,
    }


# Help ----------------------------------------------------------------------------------------------------------------


def test_the_page_of_a_rule_says_what_it_gains() -> None:
    text = topics.page("square_minus_one")
    assert text is not None
    head, _, rest = text.partition("    error in ulps")
    assert head == (
        "# square_minus_one: rewrite rule\n\n    x^2 - 1 => (x - 1)*(x + 1)\n\n"
        "Of the class *late*. It never loses accuracy or domain of the value, and runs at -O2 and above when\n"
        "all derivatives are taken.\n\n"
    )
    first, before, after, *_ = rest.splitlines()
    assert first.split() == ["median", "worst", "no", "number"]
    assert before.split()[:2] == ["value,", "before"]
    assert after.split()[:2] == ["value,", "after"]
    assert text.endswith("\n\n`--no-rewrite square_minus_one` leaves it out.\n")


def test_a_rule_with_the_name_of_a_function_stands_below_it() -> None:
    text = topics.page("log1p")
    assert text is not None
    assert text.startswith("# log1p: function\n")
    assert "\n# log1p: rewrite rule\n\n    log(1 + x) => log1p(x)\n" in text


@pytest.mark.parametrize("name", [rule.name for rule in [*rules(TABLE), *RULES] if rule.kind in ("stable", "late")])
def test_every_stabilising_rule_has_a_page_with_figures(name: str) -> None:
    text = topics.page(name)
    assert text is not None
    assert "error in ulps" in text
    assert name in topics.index().split()


def test_a_comment_above_a_rule_is_its_reason() -> None:
    text = topics.page("sqrt_difference")
    assert text is not None
    assert "For a huge c x + c overflows where x does not." in text
