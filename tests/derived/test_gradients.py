"""The local gradients of every operator through the whole compiler, to third order, in both modes.

The true derivatives are taken by mpmath, numerically in 60 digits, from the row's ``precise`` function.
"""

import itertools
import math
import random
from math import inf, nan, pi, sqrt

import mpmath
import numpy as np
import pytest

import gradc
from gradc.ops import TABLE, typerules

DIFFERENTIABLE = [
    row
    for row in TABLE.values()
    if row.kind == "elementwise"
    and row.type_rule in (typerules.real, typerules.arithmetic, typerules.order)
    and row.name not in ("name", "stop_gradient")
]
ORDERS = (1, 2, 3)
# Third derivatives of a function of three operands have 27 entries; its partials are constants.
DEEPEST = {"clip": 2}


def spelled(row, operands):
    if row.functions:
        return f"{row.functions[0]}({', '.join(operands)})"
    return f"{operands[0]} {row.symbol} {operands[1]}" if len(operands) == 2 else f"{row.symbol}{operands[0]}"


def derivatives(expression, operands, deepest=3, mode="grad", **options):
    """A model with f and an output for each sequence of operands to differentiate by, named like `d_x_y`.

    Every derivative is taken of a name: the next one has the graph of the last one to go through.
    """
    lines = [f"input {', '.join(operands)}", f"f = {expression}"]
    names = {(): "f"}
    for order in range(1, deepest + 1):
        for path in itertools.product(operands, repeat=order):
            names[path] = "d_" + "_".join(path)
            if mode == "grad":
                right = f"grad({names[path[:-1]]}, {path[-1]})"
            else:
                right = f"jvp({names[path[:-1]]}, {path[-1]}, 1)"
            lines.append(f"{names[path]} = {right}")
    lines.append(f"output {', '.join(names.values())}")
    return gradc.compile("\n".join(lines), **options), names


def close(found, exact, scale, rel=1e-12):
    if mpmath.isnan(exact):
        return math.isnan(found)
    return abs(found - exact) <= rel * max(abs(exact), scale)


def samples(row, count):
    draw = random.Random(f"gradients of {row.name}")
    for _ in range(count):
        point = [draw.uniform(low, high) for low, high in row.domain]
        if row.type_rule is typerules.order:
            point[0] = round(point[0])
        yield point


@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=lambda row: row.name)
def test_rows_to_third_order(row):
    count = len(row.domain)
    operands = [f"x{i}" for i in range(count)]
    deepest = DEEPEST.get(row.name, 3)
    fixed = row.type_rule is typerules.order
    for point in samples(row, 6):
        written = [str(point[0]), "x1"] if fixed else operands
        active = operands[1:] if fixed else operands
        values = dict(zip(operands, point, strict=True))
        if fixed:
            del values["x0"]
        reverse, names = derivatives(spelled(row, written), active, deepest)
        forward, _ = derivatives(spelled(row, written), active, deepest, "jvp")
        found, other = reverse(values), forward(values)
        with mpmath.workdps(60):

            def precise(*free, fixed=fixed, point=point):
                return row.precise(mpmath.mp, *([point[0]] if fixed else []), *free)

            place = [mpmath.mpf(values[name]) for name in active]
            for path, name in names.items():
                orders = tuple(path.count(operand) for operand in active)
                exact = mpmath.diff(precise, place, orders) if path else precise(*place)
                # Sums within a derivative cancel by chance; they are measured against the size of their terms.
                scale = max(1, abs(found["f"])) if len(path) > 1 else 1e-3
                assert close(found[name], exact, scale), (name, point, found[name], mpmath.nstr(exact, 17))
                assert close(other[name], exact, scale), ("forward", name, point, other[name], mpmath.nstr(exact, 17))


CONSTANT_POWERS = [0, 1, 2, 3, 4, -1, -2, 0.5, 1.5, 2.5, -0.5]


@pytest.mark.parametrize("exponent", CONSTANT_POWERS)
def test_powers_with_a_constant_exponent(exponent):
    model, names = derivatives(f"x^{exponent}", ["x"])
    with mpmath.workdps(60):
        for x in [0.3, 1.0, 2.7] + ([-0.4, -2.0] if exponent == int(exponent) else []):
            found = model(x=x)
            for path, name in names.items():
                factor = math.prod(exponent - k for k in range(len(path)))
                exact = factor * mpmath.power(x, exponent - len(path)) if factor else 0
                assert close(found[name], exact, 0), (x, name)


@pytest.mark.parametrize(
    ("exponent", "expected"),
    [
        (0, (1, 0, 0, 0)),
        (1, (0, 1, 0, 0)),
        (2, (0, 0, 2, 0)),
        (3, (0, 0, 0, 6)),
        (4, (0, 0, 0, 0)),
        (1.5, (0, 0, inf, -inf)),
    ],
)
def test_powers_at_zero(exponent, expected):
    for text in (f"x^{exponent}", f"pow(x, {exponent})"):
        model, names = derivatives(text, ["x"])
        found = model(x=0.0)
        assert tuple(found[name] for name in names.values()) == expected


def test_powers_with_a_variable_exponent():
    model, names = derivatives("x^y", ["x", "y"])
    for exponent, expected in [(2.0, (0, 0, 2, 0)), (3.0, (0, 0, 0, 6)), (1.0, (0, 1, 0, 0)), (0.0, (1, 0, 0, 0))]:
        found = model(x=0.0, y=exponent)
        assert tuple(found[names[("x",) * k]] for k in range(4)) == expected
    found = model(x=0.0, y=2.5)
    assert [found[names[path]] for path in (("y",), ("y", "y"), ("x", "y"), ("y", "x"))] == [0, 0, 0, 0]
    # Of a whole power of a negative number the derivative by the number exists, that by the exponent does not.
    found = model(x=-2.0, y=3.0)
    assert (found["d_x"], found["d_x_x"], found["d_x_x_x"]) == (12, -12, 6)
    assert math.isnan(found["d_y"])


@pytest.mark.parametrize("base", [2, 0.5, 10])
def test_powers_with_a_constant_base(base):
    model, names = derivatives(f"{base}^x", ["x"])
    found = model(x=1.7)
    for path, name in names.items():
        assert found[name] == pytest.approx(base**1.7 * math.log(base) ** len(path), rel=1e-14)
    model, names = derivatives("0^x", ["x"])
    assert [model(x=2.0)[name] for name in names.values()] == [0, 0, 0, 0]


E = math.exp(-1)
# Where the outcome is no matter of course: expression, point, value and three derivatives; None is not looked at.
FAR = [
    *[("tanh(x)", x, (math.copysign(1, x), 0, 0, 0)) for x in (800.0, -800.0, 1e200, inf)],
    ("tanh(x)", 200.0, (1, 4 * math.exp(-400), -8 * math.exp(-400), 16 * math.exp(-400))),
    ("tanh(x)", 0.0, (0, 1, 0, -2)),
    *[("sigmoid(x)", x, (float(x > 0), 0, 0, 0)) for x in (800.0, -800.0, inf, -inf)],
    ("sigmoid(x)", -700.0, (math.exp(-700),) * 4),
    ("sigmoid(x)", 0.0, (0.5, 0.25, 0, -0.125)),
    ("softplus(x)", 800.0, (800, 1, 0, 0)),
    ("softplus(x)", -800.0, (0, 0, 0, 0)),
    ("softplus(x)", 0.0, (math.log(2), 0.5, 0.25, 0)),
    ("erf(x)", 30.0, (1, 0, 0, 0)),
    ("erf(x)", 1e200, (1, 0, 0, 0)),
    ("erf(x)", 0.0, (0, 2 / sqrt(pi), 0, -4 / sqrt(pi))),
    ("erfc(x)", 30.0, (0, 0, 0, 0)),
    ("log1mexp(x)", -800.0, (0, 0, 0, 0)),
    ("log1mexp(x)", 0.0, (-inf, None, None, None)),
    ("logexpm1(x)", 800.0, (800, 1, 0, 0)),
    ("logaddexp(x, 0)", 800.0, (800, 1, 0, 0)),
    ("logaddexp(x, x)", -800.0, (-800 + math.log(2), 1, 0, 0)),
    ("sqrt1pm1(x)", 0.0, (0, 0.5, -0.25, 0.375)),
    ("sqrt1pm1(x)", 1e200, (1e100, 0.5e-100, -0.25e-300, 0)),
    ("sqrt1pm1(x)", -1.0, (-1, inf, -inf, inf)),
    ("erfcx(x)", 1e100, (1e-100 / sqrt(pi), -1e-200 / sqrt(pi), 2e-300 / sqrt(pi), 0)),
    ("erfcx(x)", 0.0, (1, -2 / sqrt(pi), 2, -8 / sqrt(pi))),
    ("logerfc(x)", 1e100, (-1e200, -2e100, -2, None)),
    ("logerfc(x)", -800.0, (math.log(2), 0, 0, 0)),
    ("logerfc(x)", 0.0, (0, -2 / sqrt(pi), -4 / pi, None)),
    ("atan(x)", 1e200, (pi / 2, 0, 0, 0)),
    ("atan(x)", 1e100, (pi / 2, 1e-200, None, 0)),
    ("atan(x)", 0.0, (0, 1, 0, -2)),
    ("asinh(x)", 1e200, (math.asinh(1e200), 1e-200, 0, 0)),
    ("asinh(x)", -1e100, (math.asinh(-1e100), 1e-100, 1e-200, 2e-300)),
    ("asinh(x)", 0.0, (0, 1, 0, -1)),
    ("acosh(x)", 1e200, (math.acosh(1e200), 1e-200, 0, 0)),
    ("acosh(x)", 1.0, (0, inf, -inf, inf)),
    ("atanh(x)", 0.0, (0, 1, 0, 2)),
    ("asin(x)", 1.0, (pi / 2, inf, None, None)),
    ("asin(x)", 0.0, (0, 1, 0, 1)),
    ("acos(x)", -1.0, (pi, -inf, None, None)),
    ("tan(x)", 0.0, (0, 1, 0, 2)),
    ("sqrt(x)", 0.0, (0, inf, -inf, inf)),
    ("sqrt(x)", 1e200, (1e100, 0.5e-100, -0.25e-300, 0)),
    ("sqrt(x)", inf, (inf, 0, 0, 0)),
    ("cbrt(x)", 0.0, (0, inf, -inf, inf)),
    ("cbrt(x)", -1e300, (-1e100, 1e-200 / 3, 0, 0)),
    ("cbrt(x)", inf, (inf, 0, 0, 0)),
    ("log(x)", 0.0, (-inf, inf, -inf, inf)),
    ("log(x)", 1e-100, (math.log(1e-100), 1e100, -1e200, 2e300)),
    ("log(x)", 1e200, (math.log(1e200), 1e-200, 0, 0)),
    ("log(x)", inf, (inf, 0, 0, 0)),
    ("log2(x)", 1e200, (math.log2(1e200), 1e-200 / math.log(2), 0, 0)),
    ("log1p(x)", 0.0, (0, 1, -1, 2)),
    ("log1p(x)", -1.0, (-inf, inf, -inf, inf)),
    ("1/x", 1e200, (1e-200, 0, 0, 0)),
    ("1/x", 1e-70, (1e70, -1e140, 2e210, -6e280)),
    ("1/x", inf, (0, 0, 0, 0)),
    ("exp(x)", -800.0, (0, 0, 0, 0)),
    ("exp(x)", 800.0, (inf, inf, inf, inf)),
    ("expm1(x)", -inf, (-1, 0, 0, 0)),
    ("sinh(x)", 800.0, (inf, inf, inf, inf)),
    ("cosh(x)", -800.0, (inf, -inf, inf, -inf)),
    ("hypot(x, 1)", 1e200, (1e200, 1, 0, 0)),
    ("hypot(x, 1e200)", 1e200, (sqrt(2) * 1e200, 1 / sqrt(2), sqrt(2) / 4 * 1e-200, 0)),
    ("hypot(x, 0)", 0.0, (0, 0, 0, 0)),
    ("hypot(x, 0)", 2.0, (2, 1, 0, 0)),
    ("hypot(3e-200, x)", 4e-200, (5e-200, 0.8, 0.072e200, None)),
    ("atan2(x, 1)", 1e200, (pi / 2, 0, 0, 0)),
    ("atan2(1e200, x)", 1e200, (pi / 4, -0.5e-200, 0, 0)),
    ("atan2(1e-200, x)", 1e-200, (pi / 4, -0.5e200, None, None)),
    ("gamma(x)", 1.0, (1, -0.5772156649015329, 1.9781119906559451, -5.444874456485317)),
    ("lgamma(x)", 1e200, (math.lgamma(1e200), math.log(1e200), 1e-200, 0)),
    ("digamma(x)", 1e100, (math.log(1e100), 1e-100, -1e-200, 2e-300)),
    ("xlogy(x, x)", 0.0, (0, -inf, None, None)),
    ("xlogy(x, 2)", 0.0, (0, math.log(2), 0, 0)),
    ("xlogy(0, x)", 0.0, (0, 0, 0, 0)),
    # Conventions at kinks; max and min share evenly.
    ("abs(x)", 0.0, (0, 0, 0, 0)),
    ("abs(x)", -2.0, (2, -1, 0, 0)),
    ("relu(x)", 0.0, (0, 0, 0, 0)),
    ("relu(x)", 2.0, (2, 1, 0, 0)),
    ("relu(x)^2", -1.0, (0, 0, 0, 0)),
    ("max(x, 1)", 1.0, (1, 0.5, 0, 0)),
    ("min(x, 1, x)", 1.0, (1, 2 / 3, 0, 0)),
    ("max(x, 2*x)", 0.0, (0, 1.5, 0, 0)),
    ("max(x^2, 1)", 1.0, (1, 1, 1, 0)),
    ("max(x, 1)", nan, (nan, nan, None, None)),
    ("clip(x, -1, 1)", 1.0, (1, 1, 0, 0)),
    ("clip(x, -1, 1)", -1.0, (-1, 1, 0, 0)),
    ("clip(x, -1, 1)", 1.5, (1, 0, 0, 0)),
    ("clip(0, x, 2*x)", 1.0, (1, 1, 0, 0)),
    ("clip(5, x, 2*x)", 1.0, (2, 2, 0, 0)),
    ("clip(5, x + 3, x)", 1.0, (1, 1, 0, 0)),
    ("sign(x)", 0.0, (0, 0, 0, 0)),
    ("floor(x)", 1.0, (1, 0, 0, 0)),
    ("ceil(x)", 1.0, (1, 0, 0, 0)),
    ("round(x)", 0.5, (0, 0, 0, 0)),
    ("mod(x, 2)", 4.0, (0, 1, 0, 0)),
    ("mod(7, x)", 2.0, (1, -3, 0, 0)),
    ("x // 2", 4.0, (2, 0, 0, 0)),
]


@pytest.mark.parametrize(
    ("mode", "level"), [("grad", 0), ("grad", 1), ("grad", 2), ("grad", 3), ("jvp", 0), ("jvp", 2)]
)
@pytest.mark.parametrize(("expression", "x", "expected"), FAR, ids=[f"{e} at {x:g}" for e, x, _ in FAR])
def test_kinks_and_far_away(expression, x, expected, mode, level):
    model, names = derivatives(expression, ["x"], mode=mode, level=level)
    found = model(x=x)
    for name, due in zip(names.values(), expected, strict=True):
        if due is not None:
            assert found[name] == pytest.approx(due, rel=1e-12, abs=1e-320, nan_ok=True), name


def test_kinks_of_two_operands():
    model, names = derivatives("hypot(x, y)", ["x", "y"], 2)
    assert list(model(x=0.0, y=0.0).values()) == [0] * len(names)
    model, _ = derivatives("atan2(y, x)", ["x", "y"], 1)
    found = model(x=0.0, y=0.0)
    assert math.isnan(found["d_x"])
    assert math.isnan(found["d_y"])
    model, _ = derivatives("xlogy(x, y)", ["x", "y"], 1)
    assert tuple(model(x=0.0, y=0.0).values()) == (0, -inf, 0)
    model, _ = derivatives("max(x, y)", ["x", "y"], 2)
    assert tuple(model(x=1.0, y=1.0).values()) == (1, 0.5, 0.5, 0, 0, 0, 0)


SMOOTH_PAIRS = [row for row in DIFFERENTIABLE if len(row.domain) == 2 and row.type_rule is not typerules.order]


@pytest.mark.parametrize("row", SMOOTH_PAIRS, ids=lambda row: row.name)
def test_mixed_partials_are_symmetric(row):
    model, _ = derivatives(spelled(row, ["x", "y"]), ["x", "y"])
    for x, y in samples(row, 20):
        found = model(x=x, y=y)
        for one, other in [("d_x_y", "d_y_x"), ("d_x_x_y", "d_y_x_x"), ("d_x_y_x", "d_y_x_x"), ("d_x_y_y", "d_y_y_x")]:
            assert found[one] == pytest.approx(found[other], rel=1e-11, abs=1e-13), (one, x, y)


@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=lambda row: row.name)
def test_single_precision(row):
    operands = [f"x{i}" for i in range(len(row.domain))]
    fixed = row.type_rule is typerules.order
    (point,) = samples(row, 1)
    values = dict(zip(operands, map(float, map(np.float32, point)), strict=True))
    written = [str(point[0]), "x1"] if fixed else operands
    active = operands[1:] if fixed else operands
    text = f"input {', '.join(active)}\ny = {spelled(row, written)}\noutput y\n"
    text += "".join(f"d{name} = grad(y, {name})\noutput d{name}\n" for name in active)
    values = {name: values[name] for name in active}
    found = gradc.compile(text, dtype="f32")(values)
    due = gradc.compile(text)(values)
    for name, value in found.items():
        assert float(np.float32(value)) == value
        assert value == pytest.approx(due[name], rel=2e-5, abs=2e-6)
