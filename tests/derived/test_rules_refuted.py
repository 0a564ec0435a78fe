"""The tests of the laws find what breaks them: rules that were refused, with the counterexamples beside the rule files,
and rules made up to be wrong.
"""

from __future__ import annotations

import re

import pytest
from rule_cases import breach, build, cases, number, refutation

from gradc import resources
from gradc.ops import TABLE
from gradc.rules import load
from gradc.rules.terms import Rule, is_constant

_MARGIN = re.compile(r"#     (?P<rule>\S.*=>.*?\S)\s+at (?P<point>\w+ = [^:]*): .+")


def refused() -> list[tuple[str, str, dict[str, float]]]:
    """Class, rule and counterexample of each line in the margins."""
    found = []
    for kind in load.FILES:
        for line in resources.package_file(f"rules/{kind}.grad").read_text("utf-8").splitlines():
            if line.startswith("#     ") and "=>" in line:
                match = _MARGIN.fullmatch(line)
                if match is not None:
                    pairs = (part.split(" = ") for part in match["point"].split(", "))
                    found.append((kind, match["rule"], {name: float(value) for name, value in pairs}))
                else:
                    assert line.startswith("#     [name]"), line
    return found


REFUSED = refused()


def parsed(kind: str, text: str) -> Rule:
    (rule,) = load.parse(TABLE, [(kind, f"[refused] {text}")])
    return rule


def broken(rule: Rule, values: dict[str, float]) -> str | None:
    """How the rule breaks the law of its class at a point, by its value or by a derivative."""
    found = breach(rule, values)
    if found is None and rule.kind in ("exact", "stable"):
        constants = {name: value for name, value in values.items() if is_constant(name)}
        free = {name: value for name, value in values.items() if name not in constants}
        found = refutation(rule, constants, free, build(rule, constants))
    return found


def test_every_file_has_counterexamples() -> None:
    assert {kind for kind, _, _ in REFUSED} == set(load.FILES)


@pytest.mark.parametrize(("kind", "text", "point"), REFUSED, ids=[text for _, text, _ in REFUSED])
def test_a_counterexample_refutes(kind: str, text: str, point: dict[str, float]) -> None:
    rule = parsed(kind, text)
    number(rule.pattern, point)
    assert broken(rule, point) is not None


UNSOUND = [
    ("exact", "x + 0 => x"),
    ("exact", "exp(-abs(x)) => exp(abs(-x))"),
    ("stable", "log(x*y) => log(x) + log(y)"),
    ("stable", "exp(x) - 1 => expm1(x) + 1e-300"),
    ("stable", "log(1 + x) => x - x^2/2"),
    ("stable", "sin(x) => cos(x - 1.5707963267948966)"),
    ("stable", "1/x => if abs(x) < 1e300 then 1/x else 0"),
    ("late", "sqrt(x + c) - sqrt(x) => c/(2*sqrt(x))"),
    ("real", "x - x => 0"),
    ("real", "sqrt(x)^2 => x"),
    ("finite", "abs(x) => x"),
    ("finite", "sin(2*x) => 2*sin(x)"),
]


@pytest.mark.parametrize(("kind", "text"), UNSOUND)
def test_an_unsound_rule_is_found_by_its_values(kind: str, text: str) -> None:
    rule = parsed(kind, text)
    assert any(breach(rule, values) for values in cases(rule))


SPOILING = ["abs(x) => sqrt(x^2)", "x^2 - y^2 => (x - y)*(x + y)", "sigmoid(x) => 1/(1 + exp(-x))"]


@pytest.mark.parametrize("text", SPOILING)
def test_a_rule_that_spoils_derivatives_is_found(text: str) -> None:
    rule = parsed("stable", text)
    graph = build(rule, {})
    points = [{"x": x, "y": y} for x in (0.0, 1e-200, 1.5, 40.0, -800.0) for y in (0.1, 1e160)]
    assert any(refutation(rule, {}, values, graph) for values in points)
