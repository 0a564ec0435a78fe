"""No later pass undoes what a stabilising rule made: left sides through whole pipelines, alone and differentiated."""

from __future__ import annotations

import math
import random

import mpmath
import pytest
from rule_accuracy import MEASURED, constants_of, points, ulps
from rule_cases import build, precise, run

import gradc
from gradc.driver import Options, optimise
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ops import TABLE
from gradc.rules.terms import Rule, Term, is_constant, variables

# The derivative is that of a difference of exponents, whatever the rule does: see test_rule_accuracy.
SHARES = {"logaddexp"}


def left_side(rule: Rule, constants: dict[str, float], differentiated: bool) -> Graph:
    """The left side as an output, and its derivatives as requests."""
    builder = Builder(TABLE)
    names = [name for name in dict.fromkeys(variables(rule.pattern)) if not is_constant(name)]
    places = {name: builder.input(name) for name in names}
    places.update((name, builder.constant(value)) for name, value in constants.items())

    def make(term: Term) -> int:
        if term[0] == "const":
            return builder.constant(term[1])
        return places[term[1]] if term[0] == "var" else builder.apply(term[0], *map(make, term[1:]))

    value = make(rule.pattern)
    outputs = [("value", value)]
    if differentiated:
        outputs += [(name, builder.make("grad", (value, places[name]))) for name in names]
    return builder.finish(outputs)


@pytest.mark.parametrize("level", [2, 3])
@pytest.mark.parametrize("rule", MEASURED, ids=[rule.name for rule in MEASURED])
def test_what_a_rule_gains_reaches_the_end(rule: Rule, level: int) -> None:
    generator = random.Random(rule.name)
    constants = constants_of(rule, generator)
    early = rule.kind == "stable"
    graph = optimise(left_side(rule, constants, early), Options(level=level, verify=True)).graph
    reference = build(rule, constants, 1)
    for values, true in points(rule, constants, generator)[:40]:
        found, right = run(graph, values), run(reference, values)
        assert ulps(found["value"], true) <= 32, values
        for name in found.keys() - {"value"}:
            slope = precise(reference, f"right {name}", values, 800)
            if slope is not None and 1e-300 < abs(slope) < 1e300:
                bound = 800 if rule.name in SHARES else max(64, 4 * ulps(right[f"right {name}"], slope))
                assert ulps(found[name], slope) <= bound, (name, values)


# Programs whose adjoints cancel though they themselves do not, and the derivatives over the reals.
ADJOINTS = [
    ("x - sin(x)", lambda x: 1 - mpmath.cos(x), 1e-9),
    ("exp(x) - x", lambda x: mpmath.expm1(x), 1e-12),
    ("x^3/3 - x", lambda x: (x - 1) * (x + 1), 1 + 1e-10),
    ("x + log(cos(x))", lambda x: 1 - mpmath.tan(x), 0.3),
    ("sinh(x) - x", lambda x: mpmath.cosh(x) - 1, 1e-7),
]


@pytest.mark.parametrize("level", [2, 3])
@pytest.mark.parametrize(("text", "slope", "x"), ADJOINTS)
def test_adjoints_are_stabilised_too(text, slope, x, level) -> None:
    model = gradc.compile(f"input x\ny = {text}\ng = grad(y, x)\noutput g", level=level)
    with mpmath.workdps(60):
        true = slope(mpmath.mpf(x))
        assert abs(model(x=x)["g"] - true) <= 16 * math.ulp(float(true))


@pytest.mark.parametrize("level", [0, 1])
def test_below_level_2_the_program_is_what_is_written(level: int) -> None:
    assert gradc.compile("input x\ny = x - sin(x)\ng = grad(y, x)\noutput g", level=level)(x=1e-9)["g"] == 0.0
