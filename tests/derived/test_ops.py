"""Loops over the table of operators: each row is whole, and its evaluations mean the same."""

import itertools
import math
import random
import struct

import mpmath
import numpy as np
import pytest

from gradc.ir.builder import Builder
from gradc.ir.types import BOOL, F32, F64, INT, TypeMismatch
from gradc.ops import TABLE, gaps, gradient_lines, typerules

EVALUATED = [row for row in TABLE.values() if row.scalar is not None]
REAL = [row for row in EVALUATED if row.type_rule in (typerules.real, typerules.arithmetic, typerules.order)]
NASTY = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -3.0, 40.0, 1e-300, 5e-324, -5e-324, 800.0, -800.0, 1e200, -1e200)
NASTY += (1.7976931348623157e308, math.inf, -math.inf, math.nan)

# Errors of the scalar evaluation in ulps, on the sample domain; 1 where nothing is said.
ULPS = {
    "sigmoid": 3,
    "softplus": 3,
    "log1p": 2,
    "tan": 2,
    "asinh": 2,
    "acosh": 3,
    "atanh": 2,
    "cosh": 2,
    "sinh": 2,
    "tanh": 2,
    "log2": 2,
    "log10": 2,
    "cbrt": 4,
    # Python documents ten.
    "gamma": 10,
    "lgamma": 10,
    "digamma": 8,
    "polygamma": 8,
    "erfc": 3,
    "erfcx": 4,
    "ierfcx": 12,
    "logerfc": 2,
    "log1mexp": 2,
    "sqrt1pm1": 3,
    "sinc_unnormalised": 2,
    "sinc_derivative": 8,
    "exprel": 2,
    "exprel_derivative": 6,
    "log1pmx": 4,
    "expm1mx": 6,
    "logexpm1": 3,
    "xlogy": 2,
    "pow": 1,
    "mod": 0,
}
# Arrays go through NumPy's own vector functions, which keep within 4 ulps; these are the same to the bit everywhere.
SAME = {"add", "sub", "mul", "div", "neg", "floordiv", "mod", "sqrt", "name", "stop_gradient"}
SAME |= {"abs", "sign", "floor", "ceil", "round", "min", "max", "clip", "relu"}
SAME |= {"erf", "erfc", "erfcx", "ierfcx", "logerfc", "gamma", "lgamma", "digamma", "polygamma"}
SAME |= {"sinc_derivative", "exprel_derivative", "log1pmx", "expm1mx"}


def ids(rows):
    return [row.name for row in rows]


def samples(row, count, seed=1):
    """Operand tuples from the row's domain."""
    draw = random.Random(f"{row.name} {seed}")
    for _ in range(count):
        point = [draw.uniform(low, high) for low, high in row.domain]
        if row.type_rule is typerules.order:
            point[0] = round(point[0])
        yield tuple(point)


def bits(x):
    return struct.pack("<d", x) if x == x else "nan"


def ulps(found, exact):
    return float(abs(mpmath.mpf(found) - exact) / mpmath.mpf(math.ulp(float(exact))))


@pytest.mark.parametrize("row", list(TABLE.values()), ids=list(TABLE))
def test_rows_are_whole(row):
    assert gaps(row) == []


def test_gaps_are_found():
    row = TABLE["exp"]
    bare = type(row)(name="bare", doc="", type_rule=typerules.real)
    assert gaps(bare) == [
        *["doc", "reference", "scalar", "array", "complex", "precise", "emit"],
        *["functions or symbol", "domain", "gradient or partials"],
    ]


def test_gradient_lines():
    rows = list(TABLE.values())
    text = "# notes\n\nd exp(x) = exp(x)  # itself\nd x ^ 2 = 2*x\nd x ^ c = c*x^(c - 1)\nd -x = -1\nd x // y = 0, 0\n"
    assert gradient_lines(text, rows) == {
        "exp": ["d exp(x) = exp(x)"],
        "pow": ["d x ^ 2 = 2*x", "d x ^ c = c*x^(c - 1)"],
        "neg": ["d -x = -1"],
        "floordiv": ["d x // y = 0, 0"],
    }
    for wrong in ("d exq(x) = 1", "exp(x) = 1", "d x <> y = 1"):
        with pytest.raises(ValueError, match="line 1"):
            gradient_lines(wrong, rows)


@pytest.mark.parametrize("row", REAL, ids=ids(REAL))
def test_scalar_is_accurate(row):
    with mpmath.workdps(50):
        for point in samples(row, 300):
            exact = row.precise(mpmath.mp, *map(mpmath.mpf, point))
            assert ulps(row.scalar(*point), exact) <= ULPS.get(row.name, 1), point


@pytest.mark.parametrize("name", ["digamma", "polygamma", "gamma", "lgamma"])
def test_gamma_family_left_of_zero(name):
    row = TABLE[name]
    draw = random.Random(3)
    with mpmath.workdps(50):
        for _ in range(200):
            x = draw.uniform(-8, 1)
            for point in [(n, x) for n in (1, 2, 3, 7, 30, 45)] if name == "polygamma" else [(x,)]:
                exact = row.precise(mpmath.mp, *map(mpmath.mpf, point))
                # Near a zero of the function only the absolute error is small, measured by the function's slope.
                scale = abs(mpmath.polygamma(point[0] + 1, x) * x) * 1e-15 if name == "polygamma" else 1e-14
                assert abs(row.scalar(*point) - exact) <= max(40 * math.ulp(float(exact)), scale), point


def test_polygamma_of_high_order_and_far_out():
    with mpmath.workdps(50):
        for n, x in [(1, 1e-8), (1, 1e6), (2, 1e9), (20, 0.3), (20, 25.0), (60, 5.0), (120, 80.0), (169, 200.0)]:
            assert ulps(TABLE["polygamma"].scalar(n, x), mpmath.polygamma(n, mpmath.mpf(x))) < 300, (n, x)
        assert TABLE["polygamma"].scalar(400, 900.0) == pytest.approx(float(mpmath.polygamma(400, 900)), rel=1e-11)


def grid(row):
    count = max(row.arity[0], 1)
    if row.type_rule is typerules.order:
        return [(n, x) for n in (0, 1, 2, 5) for x in NASTY]
    values = NASTY if count < 3 else NASTY[::3]
    return list(itertools.product(values, repeat=count)) + list(samples(row, 100))


@pytest.mark.parametrize("row", REAL, ids=ids(REAL))
def test_arrays_mean_what_scalars_mean(row):
    points = grid(row)
    columns = [np.array(column) for column in zip(*points, strict=True)]
    with np.errstate(all="ignore"):
        results = row.array(*columns)
    assert results.dtype == np.float64
    for point, found in zip(points, results.tolist(), strict=True):
        due = row.scalar(*point)
        if row.name in ("min", "max", "clip") and due == 0:
            assert found == 0, point
        elif row.name in SAME or not math.isfinite(due) or due == 0:
            assert bits(found) == bits(due), (point, found, due)
        else:
            assert abs(found - due) <= 4 * math.ulp(due), (point, found, due)


@pytest.mark.parametrize("row", REAL, ids=ids(REAL))
def test_arrays_mix_with_numbers(row):
    points = list(samples(row, 8))
    point = points[0]
    for position in range(len(point)):
        mixed = list(point)
        mixed[position] = np.array([p[position] for p in points])
        found = row.array(*mixed)
        for i, p in enumerate(points):
            single = list(point)
            single[position] = p[position]
            assert found[i] == pytest.approx(row.scalar(*single), rel=1e-14)
    assert np.ndim(row.array(*point)) == 0


@pytest.mark.parametrize("exponent", [0.5, np.array(0.5), np.array([0.5]), np.array([0.5] * 3)])
def test_power_one_half_is_no_root(exponent):
    with np.errstate(all="ignore"):
        found = TABLE["pow"].array(np.array([-0.0, -np.inf, 4.0]), exponent)
    assert [bits(x) for x in found.tolist()] == [bits(x) for x in (0.0, math.inf, 2.0)]


@pytest.mark.parametrize("row", REAL, ids=ids(REAL))
def test_single_precision_stays_single(row):
    points = list(samples(row, 20))
    whole = row.type_rule is typerules.order
    columns = [np.array(c, dtype=np.float32) for c in zip(*points, strict=True)]
    if whole:
        columns[0] = np.array([p[0] for p in points])
    found = row.array(*columns)
    assert found.dtype == np.float32
    exact = row.array(*[c.astype(np.float64) if c.dtype == np.float32 else c for c in columns])
    assert found == pytest.approx(exact.astype(np.float32), rel=1e-5, abs=1e-6)
    single = row.array(*[column[0] for column in columns])
    assert np.asarray(single).dtype == np.float32


@pytest.mark.parametrize("row", REAL, ids=ids(REAL))
def test_complex_steps_measure_the_derivative(row):
    tiny, step = 1e-30, 2**-17
    for point in samples(row, 20):
        for position in range(len(point)):
            if row.type_rule is typerules.order and position == 0:
                continue
            moved = [complex(x) for x in point]
            moved[position] += tiny * 1j
            found = row.complex(*moved)
            ahead, behind = list(point), list(point)
            ahead[position] += step
            behind[position] -= step
            slope = (row.scalar(*ahead) - row.scalar(*behind)) / (2 * step)
            assert found.real == pytest.approx(row.scalar(*point), rel=1e-12, abs=1e-13)
            if row.name != "stop_gradient":
                assert found.imag / tiny == pytest.approx(slope, rel=2e-8, abs=1e-8), (point, position)


@pytest.mark.parametrize("row", [r for r in EVALUATED if r.integer is not None], ids=lambda row: row.name)
def test_integers_stay_integers(row):
    count = 3 if row.name == "select" else row.arity[0]
    for point in itertools.product((-7, -2, 1, 3, 2**30), repeat=count):
        found = row.integer(*point)
        assert type(found) is int
        if all(abs(x) < 2**30 for x in point) and row.name not in ("name", "select", "stop_gradient"):
            assert found == row.scalar(*map(float, point))


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge", "eq", "ne"])
def test_comparisons(name):
    row = TABLE[name]
    for x, y in itertools.product(NASTY, repeat=2):
        due = row.scalar(x, y)
        assert type(due) is bool
        assert bool(row.array(np.array([x]), np.array([y]))[0]) is due
        if math.isnan(x) or math.isnan(y):
            assert due is (name == "ne")
    assert row.scalar(2**53 + 1, 2**53) is (name in ("gt", "ge", "ne"))
    assert row.scalar(0.0, -0.0) is (name in ("le", "ge", "eq"))


def test_booleans_and_choices():
    for a, b in itertools.product((True, False), repeat=2):
        assert TABLE["and"].scalar(a, b) is (a and b)
        assert TABLE["or"].scalar(a, b) is (a or b)
        assert TABLE["not"].scalar(a) is (not a)
        assert TABLE["select"].scalar(a, 1.0, 2.0) == TABLE["select"].array(a, 1.0, 2.0) == (1.0 if a else 2.0)


def test_conversion():
    row = TABLE["float"]
    assert row.scalar(3) == 3.0
    assert type(row.scalar(True)) is float
    # Rounded once: by way of a double this would be a tie, rounded down to even.
    assert row.scalar(2**60 + 2**36 + 1, dtype="f32") == 2**60 + 2**37
    assert row.array(np.array([1, 2])).dtype == np.float64
    assert row.array(np.array([True]), dtype="f32").dtype == np.float32


# Types ---------------------------------------------------------------------------------------------------------------


def rule(name, *types, **attrs):
    return TABLE[name].type_rule(types, attrs)


def refusal(name, *types):
    with pytest.raises(TypeMismatch) as caught:
        rule(name, *types)
    return caught.value.expected, caught.value.position


def test_types():
    assert rule("add", F64, F64) is F64
    assert rule("add", INT, INT) is INT
    assert rule("sin", F32) is F32
    assert rule("lt", INT, INT) is BOOL
    assert rule("and", BOOL, BOOL) is BOOL
    assert rule("select", BOOL, INT, INT) is INT
    assert rule("select", BOOL, BOOL, BOOL) is BOOL
    assert rule("float", BOOL) is F64
    assert rule("float", INT, dtype="f32") is F32
    assert rule("polygamma", INT, F32) is F32
    assert rule("max", F64, F64, F64) is F64
    assert rule("name", BOOL) is BOOL
    assert rule("vjp", F64, F64, F64) is F64


def test_types_are_refused_in_words():
    assert refusal("add", F64, BOOL) == ("a number", 1)
    assert refusal("add", INT, F64) == ("an integer", 1)
    assert refusal("sin", INT) == ("a number", 0)
    assert refusal("pow", F64, INT) == ("a number", 1)
    assert refusal("add", F32, F64) == ("a number of type f32", 1)
    assert refusal("eq", BOOL, BOOL) == ("a number", 0)
    assert refusal("not", F64) == ("a truth value", 0)
    assert refusal("or", BOOL, F64) == ("a truth value", 1)
    assert refusal("select", F64, F64, F64) == ("a truth value", 0)
    assert refusal("select", BOOL, F64, BOOL) == ("a number", 2)
    assert refusal("polygamma", F64, F64) == ("an integer", 0)
    assert refusal("float", F64) == ("an integer or a truth value", 0)
    assert refusal("grad", INT, F64) == ("a number", 0)


@pytest.mark.parametrize("row", [r for r in TABLE.values() if r.uniform], ids=lambda row: row.name)
def test_uniform_rows_keep_the_type(row):
    for type in (F64, F32):
        assert row.type_rule([type] * row.arity[0], {}) is type


def shares(name, *values):
    """The partials of min or max, computed as the nodes say."""
    builder = Builder(TABLE)
    node = builder.apply(name, *[builder.constant(value) for value in values])
    results = list(TABLE[name].partials(builder, node))
    value = {}
    for number, data in builder.data.items():
        if data["op"] == "const":
            value[number] = data["attrs"]["value"]
        else:
            value[number] = TABLE[data["op"]].scalar(*[value[operand] for operand in data["operands"]])
    return [value[result] for result in results]


def test_ties_share():
    assert shares("max", 1.0, 2.0) == [0, 1]
    assert shares("max", 2.0, 2.0) == [0.5, 0.5]
    assert shares("min", 1.0, 3.0, 1.0) == [0.5, 0, 0.5]
    assert shares("min", 0.0, -0.0) == [0.5, 0.5]
    assert all(math.isnan(x) for x in shares("max", 1.0, math.nan))


def test_names_lead_to_operators():
    functions = TABLE.functions
    assert functions["ln"] == "log"
    assert functions["arctan2"] == "atan2"
    assert functions["expit"] == "sigmoid"
    assert functions["where"] == "select"
    assert functions["pow"] == "pow"
