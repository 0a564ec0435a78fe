"""Exact and stable rules run before differentiation: each keeps or improves first and second derivatives."""

from __future__ import annotations

import itertools
import math

import mpmath
import pytest
from rule_cases import LEAST, RULES, TINY, ULP, exact, instances, truth_values

from gradc.ad.expand import expand
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.types import BOOL, F64
from gradc.ops import TABLE
from gradc.rules.terms import Rule, Term, is_constant, variables

# Rules about truth values have nothing to differentiate.
EARLY = [rule for rule in RULES if rule.kind in ("exact", "stable") and rule.pattern[0] not in ("not", "and", "or")]
MAGNITUDES = [0.0, LEAST, TINY, 1e-200, 1e-20, 1e-8, 0.1, 0.5, 1.0, 1.5, 3.0, 40.0, 300.0, 745.0, 1e16, 1e160, 1e300]
GRID = [sign * x for x in MAGNITUDES for sign in (1.0, -1.0)]
COARSE = [sign * x for x in (0.0, 1e-200, 0.1, 1.5, 40.0, 745.0, 1e160) for sign in (1.0, -1.0)]


# At x = 0 the left sides have a kink on the way, whose convention hides that they are smooth: abs(x)^2 is x^2. The
# right sides have the derivative itself there.
SMOOTHED = {"abs_even_power", "abs_to_even_power", "hypot_abs"}


def build(rule: Rule, constants: dict[str, float]) -> Graph:
    """Both sides of a rule with their first and second derivatives by every variable, as written and expanded."""
    builder = Builder(TABLE)
    truths = truth_values(rule)
    places = {
        name: builder.input(name, BOOL if name in truths else F64)
        for name in dict.fromkeys(variables(rule.pattern))
        if not is_constant(name)
    }
    places.update((name, builder.constant(value)) for name, value in constants.items())

    def make(term: Term) -> int:
        if term[0] == "const":
            return builder.constant(term[1])
        return places[term[1]] if term[0] == "var" else builder.apply(term[0], *map(make, term[1:]))

    outputs = []
    reals = [name for name in places if name not in truths and name not in constants]
    for side, term in (("left", rule.pattern), ("right", rule.replacement)):
        value = make(term)
        for first in reals:
            slope = builder.make("grad", (value, places[first]))
            outputs.append((f"{side} {first}", slope))
            for second in reals:
                outputs.append((f"{side} {first} {second}", builder.make("grad", (slope, places[second]))))
    return expand(builder.finish(outputs))[0]


def run(graph: Graph, values: dict[str, float]) -> dict[str, float]:
    """The outputs by the operators' own scalar evaluation."""
    made: dict[int, float] = {}
    for node, data in graph.data.items():
        if data["op"] == "const":
            made[node] = data["attrs"]["value"]
        elif data["op"] == "input":
            made[node] = values[data["name"]]
        else:
            made[node] = TABLE[data["op"]].scalar(*[made[operand] for operand in data["operands"]])
    return {name: made[node] for name, node in graph.outputs}


def precise(graph: Graph, output: str, values: dict[str, float]) -> mpmath.mpf | None:
    """One output over the reals; None where it has no value there."""
    made: dict[int, object] = {}
    with mpmath.workprec(6000):
        try:
            for node, data in graph.data.items():
                if data["op"] in ("const", "input"):
                    value = data["attrs"]["value"] if data["op"] == "const" else values[data["name"]]
                    made[node] = value if isinstance(value, bool) else mpmath.mpf(value)
                else:
                    compute = TABLE[data["op"]].precise
                    try:
                        made[node] = compute(mpmath, *[made[operand] for operand in data["operands"]])
                    except (ArithmeticError, ValueError, TypeError, mpmath.libmp.NoConvergence):
                        made[node] = mpmath.nan
            result = made[graph.output(output)]
        except (ArithmeticError, TypeError):
            return None
    return result if isinstance(result, mpmath.mpf) and mpmath.isfinite(result) else None


def off(value: float, true: mpmath.mpf) -> float:
    """The error of a derivative in ulps."""
    return float(abs(value - true) / max(abs(true) * mpmath.mpf(ULP), mpmath.mpf(TINY)))


def around(graph: Graph, name: str, values: dict[str, float], steps: int) -> float:
    """What an output is off by at a point nearby."""
    near = {key: x if isinstance(x, bool) else x * (1 + steps * 2.0**-40) for key, x in values.items()}
    true = precise(graph, name, near)
    found = run(graph, near)[name]
    return off(found, true) if true is not None and math.isfinite(found) else 0.0


def breach(graph: Graph, values: dict[str, float]) -> str | None:
    """Where a derivative of the right side is worse than that of the left; None if nowhere."""
    results = run(graph, values)
    for name, left in results.items():
        side, _, by = name.partition(" ")
        right = results[f"right {by}"]
        if side != "left" or left == right or (left != left and right != right):
            continue
        told = f"d/d({by}) at {values}: {left!r} became {right!r}"
        if math.isfinite(left) and math.isfinite(right):
            if abs(left - right) <= 16 * ULP * abs(left) or abs(left - right) <= 64 * TINY:
                continue
            true = precise(graph, name, values)
            if true is None:
                return told
            after, before = off(right, true), off(left, true)
            if after > max(64.0, 4 * before):
                # A constant of the left side's may be rounded (c - 1), and the left side may have been lucky here.
                same = precise(graph, f"right {by}", values)
                if same is not None and abs(same - true) <= abs(true) * 1e-9:
                    after = min(after, off(right, same))
                before = max(before, *(around(graph, name, values, by) for by in (-3, -2, -1, 1, 2, 3)))
            if after > max(64.0, 4 * before):
                return f"{told}, off by {after:.3g} ulp, not {before:.3g}"
        elif math.isfinite(left):
            true = precise(graph, name, values)
            # A finite number that came out of an overflow is no loss.
            if true is None or abs(true) < 1e300:
                return f"{told}, not {true}"
        elif right != right and left == left:
            true = precise(graph, name, values)
            if true is not None:
                return f"{told}, not {true}"
    return None


def _cases(rule: Rule) -> list[tuple[dict[str, float], list[dict[str, float]]]]:
    truths = truth_values(rule)
    names = [name for name in dict.fromkeys(variables(rule.pattern)) if not is_constant(name)]
    grid = GRID if len(names) == 1 else COARSE
    points = [
        dict(zip(names, chosen, strict=True))
        for chosen in itertools.product(*[[True, False] if name in truths else grid for name in names])
    ]
    moderate = [c for c in instances(rule) if all(1e-30 < abs(v) < 1e30 for v in c.values())]
    return [(constants, points) for constants in moderate[:8] or [{}]]


@pytest.mark.parametrize("rule", EARLY, ids=[f"{rule.kind}-{rule.name}" for rule in EARLY])
def test_derivatives_are_kept(rule: Rule) -> None:
    for constants, points in _cases(rule):
        graph = build(rule, constants)
        for values in points:
            if rule.name in SMOOTHED and values["x"] == 0:
                continue
            if exact(rule.pattern, {**constants, **values}, 6000) is None:
                # What has no value has no derivative, though the formulas may go on.
                continue
            found = breach(graph, values)
            assert found is None, f"{constants} {found}"
