"""Softmax and its kin over short last axes of large arrays, which are computed a few rows at a time."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import gradc
from gradc.backends import kernels
from gradc.ops import arrays
from gradc.ops.logarithmic import exponentials

NAMES = ["logsumexp", "softmax", "log_softmax"]


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((4000, 10), (-1,)), ((30, 40, 5, 3), (-2, -1)), ((3, 4096), (-1,)), ((2048, 1), (-1,)), ((9, 300), (-2,))],
)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_against_the_definition(shape: tuple[int, ...], axes: tuple[int, ...], turned: bool, dtype: type) -> None:
    x = np.random.default_rng(1).normal(scale=3, size=shape).astype(dtype)
    if turned:
        x = x.transpose(range(x.ndim)[::-1]).copy().transpose(range(x.ndim)[::-1])
    before = x.copy()
    wide = x.astype(np.longdouble)
    total = np.log(np.exp(wide).sum(axis=axes, keepdims=True))
    expected = [total.squeeze(axes), np.exp(wide - total), wide - total]
    rtol = 1e-13 if dtype is np.float64 else 1e-5
    for wanted in (NAMES, *([name] for name in NAMES)):
        for name, found in zip(wanted, exponentials(wanted, axes)(x), strict=True):
            due = expected[NAMES.index(name)]
            assert found.dtype == dtype
            assert found.shape == due.shape
            np.testing.assert_allclose(found, due.astype(dtype), rtol=rtol, atol=rtol)
    np.testing.assert_array_equal(x, before)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_rows_that_are_not_finite() -> None:
    x = np.zeros((1000, 4))
    x[1, 2], x[500, :], x[900, 0], x[901, 3] = np.inf, -np.inf, np.nan, -np.inf
    total, shares, logs = exponentials(NAMES, (-1,))(x)
    assert total[1] == np.inf
    assert total[500] == -np.inf
    assert np.isnan(total[900])
    np.testing.assert_allclose(shares[901], [1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(np.exp(logs[901]), shares[901])
    for row in (1, 500, 900):
        np.testing.assert_array_equal(np.isnan(shares[row]), np.isnan(exponentials(["softmax"], (-1,))(x[row])[0]))
    np.testing.assert_allclose(total[[0, 2, 499, 501, 999]], np.log(4))


def test_little_exists_beside_the_results() -> None:
    x = np.zeros((100_000, 5))
    run = exponentials(["softmax"], (-1,))
    tracemalloc.start()
    run(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * x.nbytes


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
@pytest.mark.parametrize("over", [None, "x", "first", "last", "other"])
def test_logistic_functions_of_one_array_share_an_exponential_to_the_bit(
    name: str, negative: bool, over: str | None
) -> None:
    x = np.array([-np.inf, -1000.0, -1.5, -0.0, 0.0, 0.3, 40.0, 1000.0, np.inf, np.nan])
    with np.errstate(all="ignore"):
        expected = getattr(arrays, name)(-x if negative else x)
        e = arrays.decay(x)
        shared = [e, 1 + e] if name == "sigmoid" else [np.log1p(e)]
        out = {"x": x, "first": shared[0], "last": shared[-1], "other": np.empty_like(x)}.get(over or "")
        found = kernels.Logistic(name, negative)(x, *shared, out=out)
    assert out is None or found is out
    np.testing.assert_array_equal(found.view(np.int64)[:-1], expected.view(np.int64)[:-1])
    assert np.isnan(found[-1])


def test_a_program_with_several_logistic_functions() -> None:
    model = gradc.compile(
        "input z[n]\na = sigmoid(z)\nb = softplus(-z)\nc = sigmoid(-z)\nd = softplus(z) + a*c\noutput a, b, c, d"
    )
    z = np.array([-3.0, 0.0, 2.0])
    found = model(z=z)
    np.testing.assert_allclose(found["a"], 1 / (1 + np.exp(-z)), rtol=1e-15)
    np.testing.assert_allclose(found["c"], 1 / (1 + np.exp(z)), rtol=1e-15)
    np.testing.assert_allclose(found["b"], np.log1p(np.exp(-z)), rtol=1e-15)
    np.testing.assert_allclose(found["d"], np.log1p(np.exp(z)) + found["a"] * found["c"], rtol=1e-15)
