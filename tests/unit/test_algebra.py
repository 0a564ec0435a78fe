"""School algebra: what formulas come out as, that they keep their value, that effort is bounded."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradc
from gradc.backends.expression import expression
from gradc.backends.interp import Plan
from gradc.explain import algebra
from gradc.explain.paths import network
from gradc.ir.builder import Builder
from gradc.ops import TABLE


def simplified(text, *, derivative=None):
    model = gradc.compile(f"input x, y, z\nr = {text}")
    if derivative is None:
        graph, node = model.graph, model.graph.operands(model.node("r"))[0]
    else:
        net = network(model.graph, [model.node("r")], [model.node(derivative)], whole=True)
        graph, node = net.graph, net.gradients[net.of[0], net.wrt[0]]
    found = algebra.shortest(graph, node, set(graph.inputs), limit=200)
    return found and found[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + x", "2*x"),
        ("2*x*y*3", "6*x*y"),
        ("y*x - x*y", "0"),
        ("x*y + x*z", "x*(y + z)"),
        ("2*(y - z)*x + 2*(y - z)", "2*(x + 1)*(y - z)"),
        ("(x - y)*z - (y - x)", "(x - y)*(z + 1)"),
        ("-2*(x - y)", "2*(y - x)"),
        ("(1 - x)*(1 - y)", "(1 - x)*(1 - y)"),
        ("(x + 1)*(x - 1) - x^2", "-1"),
        ("x*x*x", "x^3"),
        ("x^2*x^-2*y", "y"),
        ("(2*x*y)^2", "4*x^2*y^2"),
        ("x/y/z", "x/(y*z)"),
        ("x/2 + x/3", "5*x/6"),
        ("0.1*x + 0.2*x", "0.3*x"),
        ("0.5*x", "x/2"),
        # Numbers of many digits are not calculated with.
        ("x/2.5066282746310002*3", "3*x/2.5066282746310002"),
        ("0.5/sqrt(x)", "0.5/sqrt(x)"),
        ("-x + 1", "1 - x"),
        ("1 + x", "x + 1"),
        ("sin(x)*y*x", "x*y*sin(x)"),
        ("exp(0)*x", "x"),
        ("2*pi*x*3", "6*pi*x"),
        ("if x > 0 then y + y else 2*y", "2*y"),
        ("if x > 0 then y + y else z", "if x > 0 then 2*y else z"),
        ("x + 0*sin(y)", "x"),
        # Only whole powers are added up: x is defined where this is not.
        ("x^0.5*x^0.5", "(x^0.5)^2"),
        ("3/(x + x)", "1.5/x"),
        ("x - x", "0"),
        ("x/0", "x/0"),
    ],
)
def test_what_comes_out(text, expected):
    assert simplified(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(1 - x)^2 + 100*(y - x^2)^2", "-2*(1 - x + 200*x*(y - x^2))"),
        ("sqrt(x^2 + y^2)", "x/sqrt(x^2 + y^2)"),
        ("exp(-x^2/2)/sqrt(2*pi)", "-x*exp(-x^2/2)/sqrt(2*pi)"),
        ("y*z/x^2", "-2*y*z/x^3"),
        ("(y - x)^3", "-3*(y - x)^2"),
    ],
)
def test_derivatives(text, expected):
    assert simplified(text, derivative="x") == expected


def test_what_grows_too_long_is_given_up():
    builder = Builder(TABLE)
    x = node = builder.input("x")
    for _ in range(20_000):
        node = builder.make("sin", (builder.make("add", (node, x)),))
    assert algebra.shortest(builder, node, [x], limit=100_000) is None
    small = builder.constant(1.5)
    for _ in range(100):
        small = builder.make("mul", (small, small))
    with pytest.raises(algebra.TooLarge):
        algebra.normalise(builder, small, [])
    with pytest.raises(algebra.TooLarge):
        algebra.normalise(builder, builder.make("mul", (x, builder.constant(math.inf))), [x])


@st.composite
def formulas(draw):
    builder = Builder(TABLE)
    made = [builder.input(name) for name in "xyz"]
    for _ in range(draw(st.integers(1, 14))):
        pick = st.sampled_from(made)
        what = draw(st.integers(0, 9))
        if what == 0:
            made.append(builder.constant(draw(st.sampled_from([0.0, 1.0, 2.0, -3.0, 0.5, 0.1, math.pi]))))
        elif what == 1:
            exponent = builder.constant(float(draw(st.integers(-2, 3))))
            made.append(builder.make("pow", (draw(pick), exponent)))
        elif what == 2:
            made.append(builder.make(draw(st.sampled_from(["sin", "neg", "exp", "abs"])), (draw(pick),)))
        elif what == 3:
            condition = builder.make("lt", (draw(pick), draw(pick)))
            made.append(builder.make("select", (condition, draw(pick), draw(pick))))
        else:
            op = draw(st.sampled_from(["add", "sub", "mul", "add", "sub", "mul", "div"]))
            made.append(builder.make(op, (draw(pick), draw(pick))))
    return builder.finish([("r", made[-1])])


@given(formulas(), st.tuples(*[st.sampled_from([0.7, -1.3, 2.1, -0.4, 3.0])] * 3), st.booleans())
@settings(max_examples=400, deadline=None)
def test_the_value_stays(graph, values, expand):
    node = graph.output("r")
    try:
        builder, made = algebra.normalise(graph, node, set(graph.inputs), expand=expand)
    except algebra.TooLarge:
        return
    # Every step of the original must be well away from trouble for the two to be comparable.
    steps = Plan(graph, nodes=list(graph)).run(list(values))
    real = [step for step in steps if isinstance(step, float)]
    if not all(math.isfinite(step) and (step == 0 or 1e-4 < abs(step) < 1e4) for step in real):
        return
    at = dict(zip(graph, steps, strict=True))
    compared = [graph.operands(node) for node in graph if graph.op(node) == "lt"]
    if any(abs(at[a] - at[b]) < 1e-9 for a, b in compared):
        # Rounding may turn it.
        return
    written = builder.finish([("r", made)])
    named = dict(zip("xyz", values, strict=True))
    (found,) = Plan(written).run([named[written.name(n)] for n in written.inputs])
    expected = at[node]
    assert math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-6), expression(written, made)
