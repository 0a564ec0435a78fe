"""Rewrites of arrays: what they make, that they keep values and derivatives, and where they stay away."""

import numpy as np
import pytest
from array_rule_cases import MATRICES, TEXTS, model, reference

import gradc
from gradc.ir.verify import verify
from gradc.rules.arrays import RULES

EXTREMES = ([1000.0, 1001.0, -5.0], [-1000.0, -1002.0, -1001.0], [0.0, 0.0, 0.0], [1e-300, 3.0, -2.0])


def ops(model: gradc.Model, level: int = 2) -> list[str]:
    graph = verify(model.optimized(level))
    return [data["op"] for data in graph.data.values()]


def test_transposes_cancel() -> None:
    model = gradc.compile("input X[n, d]\ny = X.T.T*2")
    assert "transpose" not in ops(model)
    assert "transpose" in ops(model, 0)


def test_shapes_in_a_row_are_the_last_one() -> None:
    model = gradc.compile("input x[6]\ny = reshape(reshape(reshape(x, 2, 3), 3, 2), 6) + 1")
    assert "reshape" not in ops(model)


def test_a_table_of_an_array_is_the_array() -> None:
    assert ops(gradc.compile("input X[n, d]\nY[i, j] = X[i, j]")) == ["input", "index", "index", "access"][:1]
    assert "transpose" in ops(gradc.compile("input X[n, d]\nY[j, i] = X[i, j]"))


def test_a_table_of_part_of_an_array_stays() -> None:
    assert "tabulate" in ops(gradc.compile("input x[n]\ny[i] = x[i] for i in 0..n-1"))
    assert "tabulate" in ops(gradc.compile("input X[n, n]\ny[i] = X[i, i]"))


def test_elementwise_rules_hold_over_arrays() -> None:
    assert ops(gradc.compile("input x[n]\ny = -(-x)*1")) == ["input"]
    assert "softplus" in ops(gradc.compile("input x[n]\ny = log(1 + exp(x))"))


def test_every_rule_has_a_text() -> None:
    assert {rule.name for rule in RULES} == TEXTS.keys()


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in MATRICES])
@pytest.mark.parametrize("x", EXTREMES)
def test_a_stable_rule_is_right_where_its_left_side_overflows(name: str, x: list[float]) -> None:
    found = model(name)(x=x)
    value, jacobian = reference(name, x)
    np.testing.assert_allclose(found["y"], [float(v) for v in value], rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(found["J"], [[float(v) for v in row] for row in jacobian], rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("name", TEXTS)
def test_a_rule_over_arrays_can_be_switched_off(name: str) -> None:
    text = TEXTS[name]
    x = [[0.5, 1.5], [2.0, -0.25]] if name in MATRICES else [0.5, 1.5, -2.0]
    plain = gradc.compile(text, no_rewrite=[name])
    model = gradc.compile(text)
    assert ops(plain) != ops(model)
    np.testing.assert_allclose(plain(x=x)["y"], model(x=x)["y"], rtol=1e-15)


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in MATRICES])
def test_a_rule_over_arrays_keeps_the_kind_of_its_result(name: str) -> None:
    text = TEXTS[name]
    plain, model = gradc.compile(text, level=0), gradc.compile(text)
    for x in ([np.nan, 1.0], [-np.inf, 1.0], [-np.inf, -np.inf], [np.inf, 1.0], [np.inf, np.inf]):
        left, right = plain(x=x)["y"], model(x=x)["y"]
        finite = np.isfinite(left)
        np.testing.assert_allclose(right[finite], left[finite], rtol=1e-15)
        assert np.array_equal(np.isnan(left), np.isnan(right)), (x, left, right)


def test_a_softmax_over_other_axes_is_none() -> None:
    text = "input X[n, m]\nE = exp(X)\nY = E/sum(E)\nZ = E/[[sum(E[i]) for j in 0..m] for i]"
    assert "softmax" not in ops(gradc.compile("input X[n, n]\nE = exp(X)\nY = E/sum(E, axis=1)"))
    assert gradc.compile(text)(X=[[1.0, 2.0], [3.0, 4.0]])["Y"].sum() == pytest.approx(1.0)


def test_the_sum_of_a_comprehension_is_recognised() -> None:
    model = gradc.compile("input X[n, k]\ny[i] = log(sum(exp(X[i, j]) for j))")
    assert "logsumexp" in ops(model)
    np.testing.assert_allclose(model(X=[[1000.0, 1000.0], [0.0, 0.0]])["y"], [1000 + np.log(2), np.log(2)])
