"""Exact and stable rules run before differentiation: each keeps or improves first and second derivatives."""

from __future__ import annotations

import itertools
import random

import pytest
from rule_cases import LEAST, RULES, TINY, build, instances, refutation, truth_values

from gradc.rules.terms import Rule, is_constant, variables

# Rules about truth values have nothing to differentiate.
EARLY = [rule for rule in RULES if rule.kind in ("exact", "stable") and rule.pattern[0] not in ("not", "and", "or")]
MAGNITUDES = [0.0, LEAST, TINY, 1e-200, 1e-20, 1e-8, 0.1, 0.5, 1.0, 1.5, 3.0, 40.0, 300.0, 745.0, 1e16, 1e160, 1e300]
GRID = [sign * x for x in MAGNITUDES for sign in (1.0, -1.0)]
COARSE = [sign * x for x in (0.0, 1e-200, 0.1, 1.5, 40.0, 745.0, 1e160) for sign in (1.0, -1.0)]


# At x = 0 the left sides have a kink on the way, whose convention hides that they are smooth: abs(x)^2 is x^2. The
# right sides have the derivative itself there.
SMOOTHED = {"abs_even_power", "abs_to_even_power", "hypot_abs"}


def _cases(rule: Rule) -> list[tuple[dict[str, float], list[dict[str, float]]]]:
    truths = truth_values(rule)
    names = [name for name in dict.fromkeys(variables(rule.pattern)) if not is_constant(name)]
    grid = GRID if len(names) == 1 else COARSE
    points = [
        dict(zip(names, chosen, strict=True))
        for chosen in itertools.product(*[[True, False] if name in truths else grid for name in names])
    ]
    generator = random.Random(rule.name)
    for _ in range(24 if len(names) == 1 else 8):
        draws = [generator.choice((-1, 1)) * 10 ** generator.uniform(-20, 2.5) for _ in names]
        points.append({n: d > 0 if n in truths else d for n, d in zip(names, draws, strict=True)})
    moderate = [c for c in instances(rule) if all(1e-30 < abs(v) < 1e30 for v in c.values())]
    return [(constants, points) for constants in moderate[:8] or [{}]]


@pytest.mark.parametrize("rule", EARLY, ids=[f"{rule.kind}-{rule.name}" for rule in EARLY])
def test_derivatives_are_kept(rule: Rule) -> None:
    for constants, points in _cases(rule):
        graph = build(rule, constants)
        for values in points:
            if rule.name in SMOOTHED and values["x"] == 0:
                continue
            found = refutation(rule, constants, values, graph)
            assert found is None, f"{constants} {found}"
