"""What the tests of rewrite rules share: nasty floats, instances of rules, and the laws of the classes."""

from __future__ import annotations

import itertools
import math
import random
import struct
from math import inf, nan

import mpmath

from gradc.ad.expand import expand
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.types import BOOL, F64
from gradc.ops import TABLE
from gradc.rules import load
from gradc.rules.rewrite import evaluate_with
from gradc.rules.terms import Rule, Term, evaluate, ground, is_constant, variables

RULES = load.rules(TABLE)
APPLY = evaluate_with(TABLE, "f64")

TINY, LEAST, HUGE = 2.2250738585072014e-308, 5e-324, 1.7976931348623157e308
MAGNITUDES = [0.0, LEAST, 1e-310, TINY, 1e-200, 1e-20, 1e-8, 0.1, 0.5, 1.0, 1 + 2**-52, 1.5, 2.0, 3.0, 7.3, 40.0]
MAGNITUDES += [709.5, 745.0, 1e4, 1e16, 1e154, 1e200, HUGE / 2, HUGE, inf]
GRID = [sign * x for x in MAGNITUDES for sign in (1.0, -1.0)] + [nan]
# For rules with one variable: where functions turn, where exponentials and erfc overflow, underflow or reach 1.
CRITICAL = [s * x for x in (1 - 2**-53, 1 + 2**-30, 1 - 2**-30, 0.25, math.log(2), 1.2) for s in (1.0, -1.0)]
CRITICAL += [s * x for x in (math.pi / 2, math.pi, 5.9, 26.6, 36.7, 354.9, 708.4, 710.4) for s in (1.0, -1.0)]
# For rules with three variables.
COARSE = [s * x for x in (0.0, LEAST, 1e-200, 0.1, 1.0, 3.0, 1e16, 1e200, HUGE, inf) for s in (1.0, -1.0)] + [nan]
CONSTANTS = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, 6.0, -6.0, 0.5, -0.5, 0.25, 0.1, -0.1, 1.5, 10.0, -7.0]
CONSTANTS += [1e-20, 1e20, -1e20, 1e200, 1e-200, 2.0**1000, 2.0**-1000, -(2.0**-1060), TINY, LEAST, HUGE, inf, -inf]
# Beyond every double: what an infinite operand stands for where the left side takes a detour over infinity.
BEYOND = mpmath.mpf(10) ** 800
ULP = 2.0**-52


def number(
    term: Term, values: dict[str, float], seen: list[float] | None = None, summed: list[float] | None = None
) -> float:
    """The value of a term by the operators' own scalar evaluation; ``seen`` collects the numbers on the way, ``summed``
    those that are terms of sums.
    """
    if term[0] == "const":
        result = term[1]
    elif term[0] == "var":
        result = values[term[1]]
    elif ground(term):
        # A replacement's constants are folded, so what happens inside them is not computed by the program.
        result = evaluate(term, values, APPLY, "f64")
    else:
        operands = [number(operand, values, seen, summed) for operand in term[1:]]
        if summed is not None and term[0] in ("add", "sub"):
            summed += operands
        result = TABLE[term[0]].scalar(*operands)
    if seen is not None:
        seen.append(result)
    return result


def exact(term: Term, values: dict[str, float], precision: int = 2600) -> object:
    """The value of a term over the reals, to hundreds of digits; None where there is none."""

    def leaf(value: float | bool) -> object:
        if isinstance(value, bool):
            return value
        return math.copysign(1, value) * BEYOND if math.isinf(value) else mpmath.mpf(value)

    def walk(term: Term) -> object:
        if term[0] == "const":
            return leaf(term[1])
        if term[0] == "var":
            return leaf(values[term[1]])
        return TABLE[term[0]].precise(mpmath, *[walk(operand) for operand in term[1:]])

    with mpmath.workprec(precision):
        try:
            result = walk(term)
        except (ArithmeticError, ValueError, TypeError, mpmath.libmp.NoConvergence):
            return None
        if isinstance(result, bool):
            return result
        if not isinstance(result, mpmath.mpf) or mpmath.isnan(result):
            return None
        return result


def limit(term: Term, values: dict[str, float]) -> object:
    """What a term goes to over the reals as the variables that are 0 do, from all sides; None where there is no limit.

    That is the value at a removable point.
    """
    names = [name for name, value in values.items() if value == 0 and not is_constant(name)]
    found: list[mpmath.mpf] = []
    for signs in itertools.product((1, -1), repeat=len(names)):
        for power in (1, 2):
            steps = [sign * mpmath.mpf(2) ** (-600 * (power if at else 1)) for at, sign in enumerate(signs)]
            moved = dict(zip(names, steps, strict=True))
            value = exact(term, {**values, **moved}, 6000)
            if not isinstance(value, mpmath.mpf) or not mpmath.isfinite(value):
                return None
            found.append(value)
    near = names and all(abs(value - found[0]) <= abs(found[0]) * mpmath.mpf(2) ** -500 for value in found)
    small = names and all(abs(value) <= mpmath.mpf(2) ** -500 for value in found)
    return found[0] if near else mpmath.mpf(0) if small else None


def kind(value: float | bool) -> str:
    if isinstance(value, bool):
        return str(value)
    return "nan" if value != value else "finite" if math.isfinite(value) else "+inf" if value > 0 else "-inf"


def kind_of_exact(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value)
    # What rounds to an infinity.
    limit = mpmath.mpf(HUGE) * (1 + mpmath.mpf(2) ** -54)
    return "+inf" if value > limit else "-inf" if value < -limit else "finite"


def same_bits(a: float | bool, b: float | bool) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return (a != a and b != b) or struct.pack("<d", a) == struct.pack("<d", b)


def instances(rule: Rule) -> list[dict[str, float]]:
    """Constants that the rule's guard lets pass."""
    names = sorted({name for name in variables(rule.pattern) if is_constant(name)})
    found = []
    for chosen in itertools.product(CONSTANTS, repeat=len(names)):
        values = dict(zip(names, chosen, strict=True))
        if rule.guard is None or evaluate(rule.guard, values, APPLY, "f64") is True:
            found.append(values)
    generator = random.Random(rule.name)
    return found if len(found) <= 40 else generator.sample(found, 40)


def truth_values(rule: Rule) -> set[str]:
    """The variables that stand for truth values."""
    found = set()

    def walk(term: Term) -> None:
        for position, operand in enumerate(term[1:] if term[0] not in ("var", "const") else ()):
            if operand[0] == "var" and (term[0] in ("and", "or", "not") or (term[0] == "select" and position == 0)):
                found.add(operand[1])
            walk(operand)

    walk(rule.pattern)
    return found


def points(rule: Rule) -> list[dict[str, float]]:
    """Values for the rule's variables: the grid, crossed, and random floats of every size."""
    names = sorted({name for name in variables(rule.pattern) if not is_constant(name)})
    truths = truth_values(rule)
    grid = COARSE if len(names) > 2 else GRID if len(names) > 1 else GRID + CRITICAL
    axes = [[True, False] if name in truths else grid for name in names]
    found = [dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*axes)]
    generator = random.Random(rule.name)
    for _ in range(300):
        wide = generator.random() < 0.5
        drawn = [
            generator.choice((-1, 1)) * (10 ** generator.uniform(-320, 308) if wide else generator.uniform(0, 20))
            for _ in names
        ]
        found.append({n: d > 0 if n in truths else d for n, d in zip(names, drawn, strict=True)})
    if len(instances(rule)) > 5:
        found = (
            found[: len(found) - 300] + generator.sample(found[-300:], 60)
            if len(names) < 2
            else generator.sample(found, min(len(found), 600))
        )
    return found


def cases(rule: Rule) -> list[dict[str, float]]:
    return [{**constants, **values} for constants in instances(rule) for values in points(rule)]


def error(value: float, true: object, scale: float = 0.0) -> float:
    """The error in units of the last place of the true value (or of ``scale``, if that is larger)."""
    unit = max(mpmath.mpf(2) ** -1074, abs(true) * mpmath.mpf(ULP), mpmath.mpf(scale) * mpmath.mpf(ULP))
    return float(abs(mpmath.mpf(value) - true) / unit)


# What a chain of a few library functions may be off by.
ROUNDING = 6.0


def breach(rule: Rule, values: dict[str, float]) -> str | None:
    """How the rule breaks the law of its class at a point; None if it keeps it."""
    seen: list[float] = []
    summed: list[float] = []
    left, right = (number(term, values, seen, summed) for term in (rule.pattern, rule.replacement))
    told = f"{values}: {left!r} became {right!r}"
    if same_bits(left, right):
        return None
    if rule.kind == "exact":
        return told
    if rule.kind == "finite":
        if not all(math.isfinite(value) for value in seen):
            return None
    elif kind(left) != kind(right):
        if rule.kind == "real" or any(value != value for value in values.values()):
            return told
        if kind(left) == "finite":
            # At the edge of the range the true value may round to either side.
            true = exact(rule.pattern, values)
            edge = math.isinf(right) and true is not None and abs(true) > HUGE * (1 - mpmath.mpf(2) ** -48)
            return None if edge else told
        true = exact(rule.pattern, values)
        if true is None and left != left:
            true = limit(rule.pattern, values)
        if true is None and kind(right) == "nan":
            # The left side ran into a pole on its way to a place where it has no value at all.
            return None
        if true is not None and mpmath.isinf(true):
            # Hundreds of digits did not tell 1 - exp(-x) from 1; thousands do for moderate x.
            if any(abs(value) > 20000 for value in values.values()):
                return None
            true = exact(rule.pattern, values, 40000)
        if kind_of_exact(true) != kind(right):
            edge = true is not None and abs(abs(true) / mpmath.mpf(HUGE) - 1) < 2.0**-48
            return None if edge else f"{told}, not {mpmath.nstr(true, 17)}"
        if kind(right) == "finite" and error(right, true) > ROUNDING:
            return f"{told}, off by {error(right, true):.3g} ulp"
        return None
    if not isinstance(left, float) or not math.isfinite(left):
        return None if left == right or (left != left and right != right) else told
    if abs(left - right) <= 2 * ULP * abs(left) or abs(left - right) <= 2 * LEAST:
        return None
    true = exact(rule.pattern, values)
    if true is None:
        return f"{told}, which has no value over the reals"
    if rule.kind in ("stable", "late"):
        after, before = error(right, true), error(left, true)
        return None if after <= max(ROUNDING, before) else f"{told}, off by {after:.3g} ulp, not {before:.3g}"
    # Sums may cancel otherwise than before, products have no such excuse where nothing is said to be erased.
    excused = summed if rule.kind == "real" else seen
    scale = max((abs(value) for value in excused if isinstance(value, float)), default=0.0)
    off = error(right, true, scale)
    return None if off <= max(ROUNDING, error(left, true, scale)) else f"{told}, off by {off:.3g} ulp"


# Derivatives ---------------------------------------------------------------------------------------------------------


def build(rule: Rule, constants: dict[str, float], orders: int = 2) -> Graph:
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
            for second in reals if orders > 1 else ():
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


def precise(graph: Graph, output: str, values: dict[str, float], precision: int = 6000) -> mpmath.mpf | None:
    """One output over the reals; None where it has no value there."""
    made: dict[int, object] = {}
    with mpmath.workprec(precision):
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


def allowed(before: float, share: float = 0.0) -> float:
    """What a derivative may be off by in ulps. Where that of the left side cancels too, chance decides by how much."""
    return max(64.0, share, (64 if before > 1000 else 4) * before)


def worsening(graph: Graph, values: dict[str, float], share: float = 0.0) -> str | None:
    """Where a derivative of the right side is worse than that of the left; None if nowhere.

    ``share`` is what the exponent of a share is off by: that of e^-k, as a difference, by k half ulps.
    """
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
            if after > allowed(before, share):
                # A constant of the left side's may be rounded (c - 1), and the left side may have been lucky here.
                same = precise(graph, f"right {by}", values)
                if same is not None and abs(same - true) <= abs(true) * 1e-9:
                    after = min(after, off(right, same))
                before = max(before, *(around(graph, name, values, by) for by in (-3, -2, -1, 1, 2, 3)))
            if after > allowed(before, share):
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


def refutation(rule: Rule, constants: dict[str, float], values: dict[str, float], graph: Graph) -> str | None:
    """How a rule makes a derivative worse at a point; None if it does not, or if there is nothing to differentiate."""
    if exact(rule.pattern, {**constants, **values}, 6000) is None:
        # What has no value has no derivative, though the formulas may go on.
        return None
    share = 2 * abs(values["x"] - values["y"]) if rule.name == "logaddexp" else 0.0
    return worsening(graph, values, share)
