"""Measures what stabilising rules gain: errors of both sides, in ulps of the true value, of values and derivatives.

``python -m tests.rule_accuracy`` writes the figures that ``gradc help RULE`` shows; a test measures them again.
"""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path
from typing import Any

import mpmath

sys.path.insert(0, str(Path(__file__).parent))
import array_rule_cases
from rule_cases import RULES, ULP, build, exact, instances, number, precise, run

import gradc
from gradc.rules.terms import Rule, is_constant, variables

MEASURED = [rule for rule in RULES if rule.kind in ("stable", "late")]
FILE = Path(gradc.__file__).parent / "rules" / "accuracy.json"
POINTS = 120
_PRECISION = 800


def draw(generator: random.Random) -> float:
    """A number of any magnitude that matters, or near 0 or 1: where functions vary, and where they cancel."""
    sign = generator.choice((-1, 1))
    how = generator.random()
    if how < 0.3:
        return sign * 10 ** generator.uniform(-12, 3)
    if how < 0.4:
        return sign * 10 ** generator.uniform(-300, 300)
    if how < 0.6:
        return sign * (1 + generator.choice((-1, 1)) * 10 ** generator.uniform(-12, -1))
    return generator.uniform(-8, 8)


def constants_of(rule: Rule, generator: random.Random) -> dict[str, float]:
    plain = [v for v in instances(rule) if all(0.01 < abs(c) < 100 and abs(c) != 1 for c in v.values())]
    return generator.choice(plain or instances(rule))


def points(rule: Rule, constants: dict[str, float], generator: random.Random) -> list[tuple[dict[str, float], Any]]:
    """Points at which the left side has a value over the reals that is a normal float, and that value."""
    names = [name for name in dict.fromkeys(variables(rule.pattern)) if not is_constant(name)]
    found: list[tuple[dict[str, float], Any]] = []
    for _ in range(POINTS * 20):
        values = {name: draw(generator) for name in names}
        if len(names) > 1 and generator.random() < 0.5:
            values[names[1]] = values[names[0]] * (1 + generator.choice((-1, 1)) * 10 ** generator.uniform(-12, -1))
        everything = {**constants, **values}
        if exact(rule.pattern, everything, _PRECISION) is None:
            continue
        # The right side does not cancel, so that these digits suffice; that both are equal is tested elsewhere.
        true = exact(rule.replacement, everything, _PRECISION)
        if true is None or not 1e-300 < abs(true) < 1e300:
            continue
        found.append((values, true))
        if len(found) == POINTS:
            break
    return found


def ulps(value: float, true: Any) -> float:
    """The error in ulps of the true value; infinite where there is no number."""
    return float(abs(mpmath.mpf(value) - true) / (abs(true) * ULP)) if math.isfinite(value) else math.inf


def summary(errors: list[float]) -> list[float]:
    """The median and the worst of the errors that are finite, and the share of those that are not."""
    numbers = sorted(error for error in errors if error < math.inf)
    share = 1 - len(numbers) / len(errors)
    if not numbers:
        return [math.inf, math.inf, 1.0]
    return [float(f"{x:.2g}") for x in (numbers[len(numbers) // 2], numbers[-1], share)]


Errors = dict[str, tuple[list[float], list[float]]]
"""Of ``value`` and, for rules that run before differentiation, ``derivative``: the left side's and the right side's."""


def errors(name: str) -> Errors:
    """The errors of both sides of a rule at the same points."""
    known = {rule.name: rule for rule in MEASURED}
    return _errors(known[name]) if name in known else _errors_of_arrays(name)


def _errors(rule: Rule) -> Errors:
    generator = random.Random(rule.name)
    constants = constants_of(rule, generator)
    places = points(rule, constants, generator)
    left, right = (
        [ulps(number(term, {**constants, **values}), true) for values, true in places]
        for term in (rule.pattern, rule.replacement)
    )
    found: Errors = {"value": (left, right)}
    if rule.kind == "late":
        return found
    graph = build(rule, constants, 1)
    slopes: tuple[list[float], list[float]] = ([], [])
    for values, _ in places:
        results = run(graph, values)
        for output in results:
            side, _, name = output.partition(" ")
            true = precise(graph, f"right {name}", values, _PRECISION) if side == "left" else None
            if true is not None and 1e-300 < abs(true) < 1e300:
                slopes[0].append(ulps(results[output], true))
                slopes[1].append(ulps(results[f"right {name}"], true))
    return {**found, "derivative": slopes} if slopes[0] else found


def _errors_of_arrays(name: str) -> Errors:
    """Elements count one by one."""
    generator = random.Random(name)
    plain, model = array_rule_cases.model(name, no_rewrite=[name]), array_rule_cases.model(name)
    found: Errors = {"value": ([], []), "derivative": ([], [])}
    for _ in range(POINTS):
        x = array_rule_cases.draw(name, generator)
        values, slopes = array_rule_cases.reference(name, x)
        for side, result in enumerate((plain(x=x), model(x=x))):
            whole = [("value", result["y"], values), ("derivative", result["J"], [v for row in slopes for v in row])]
            for what, array, trues in whole:
                for value, true in zip(array.ravel().tolist(), trues, strict=True):
                    if 1e-300 < abs(true) < 1e300:
                        found[what][side].append(ulps(value, true))
    return found


def measured(name: str) -> dict[str, list[list[float]]]:
    """The figures of a rule: the left side's summary, then the right side's."""
    return {what: [summary(left), summary(right)] for what, (left, right) in errors(name).items()}


NAMES = [*(rule.name for rule in MEASURED), *array_rule_cases.TEXTS]


def main() -> None:
    lines = [f"{json.dumps(name)}: {json.dumps(measured(name))}" for name in NAMES]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
