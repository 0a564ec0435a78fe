"""What plans over arrays do for speed: they add at sorted indices in runs, and follow the order of axes in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
from gradc.backends import orders, scatter
from gradc.backends.contract import arranged


def added(index: Any, x: Any, count: int) -> Any:
    found = np.zeros((count, *x.shape[1:]), x.dtype)
    np.add.at(found, index, x)
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("width", [(), (3,), (2, 2), (70,)])
@pytest.mark.parametrize("runs", [True, False])
def test_elements_are_added_at_their_places(dtype: type, width: tuple[int, ...], runs: bool) -> None:
    rng = np.random.default_rng(3)
    index = rng.integers(7, size=2000)
    index[index == 4] = 5
    if runs:
        index.sort()
    x = rng.normal(size=(2000, *width)).astype(dtype)
    where = scatter.places((2000,), (7,), ())(index)
    assert (where.starts is not None) == runs
    found = np.zeros((7, *width), dtype)
    scatter.add_at(found, where, x, width)
    np.testing.assert_allclose(found, added(index, x, 7), rtol=1e-12 if dtype is np.float64 else 2e-3, atol=1e-3)
    assert not found[4].any()


def test_the_places_of_two_indices_in_order() -> None:
    first, second = np.repeat([0, 2], 600), np.tile(np.repeat([1, 3], 300), 2)
    where = scatter.places((1200,), (3, 4), ())(first, second)
    found = np.zeros((3, 4))
    scatter.add_at(found, where, np.ones(1200), ())
    assert where.starts is not None
    np.testing.assert_array_equal(found, [[0, 300, 0, 300], [0, 0, 0, 0], [0, 300, 0, 300]])


@pytest.mark.parametrize("order", ["sorted", "random"])
def test_the_adjoint_of_a_gather_sums_over_equal_indices(order: str) -> None:
    rng = np.random.default_rng(4)
    k = rng.integers(5, size=3000)
    if order == "sorted":
        k.sort()
    w, x = rng.normal(size=(3000, 3)), rng.normal(size=(5, 4))
    text = "input k[p]: int, w[p, 3]\nparam x[n, 4]\nL = sum(w[o, j]*x[k[o], j + 1] for o, j) + sum(x[k[o], 0]^2 for o)"
    value, found = gradc.compile(text).value_and_grad("L")(k=k, w=w, x=x)
    expected = np.hstack([2 * np.bincount(k, minlength=5)[:, None] * x[:, :1], added(k, w, 5)])
    np.testing.assert_allclose(found["x"], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(value, np.sum(w * x[k, 1:]) + np.sum(x[k, 0] ** 2))


def test_indices_are_looked_at_again_in_each_call() -> None:
    model = gradc.compile("input k[p]: int\nparam x[n]\nL = sum(x[k[i]]^2 for i)").value_and_grad("L")
    for k in ([0, 1, 2], [2, 2, 0]):
        np.testing.assert_array_equal(model(x=[1, 2, 3], k=k)[1]["x"], 2 * np.bincount(k, minlength=3) * [1, 2, 3])
    with pytest.raises(gradc.Error) as caught:
        model(x=[1, 2, 3], k=[0, 1, 3])
    assert "`k[2]` is 3" in str(caught.value)
    np.testing.assert_array_equal(model(x=[1, 2, 3], k=[1, 1, 1])[1]["x"], [0, 12, 0])


@pytest.mark.parametrize("shape", [(2, 3), (4, 1, 5), (2, 3, 4)])
def test_the_order_of_a_view_is_that_of_its_strides(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape)
    rank = len(shape)
    turned = x.transpose(range(rank)[::-1])
    assert orders.followed(lambda x: x.T, shape, orders.plain(rank)) == orders.sorted_axes(turned.strides, turned.shape)
    assert orders.followed(lambda x: x.T, turned.shape, tuple(range(rank))[::-1]) == orders.plain(rank)
    assert orders.followed(lambda x: x[None, ..., None], shape, orders.plain(rank)) == orders.plain(rank + 2)


def test_a_product_with_short_rows_has_long_columns() -> None:
    run, order = arranged([(0, 1), (1, 2)], {0: 500, 1: 20, 2: 4}, (0, 2))
    a, b = np.ones((500, 20)), np.ones((20, 4))
    found = run(a, b)
    assert order == (2, 0)
    assert found.flags.f_contiguous
    np.testing.assert_array_equal(found, a @ b)


def test_what_is_computed_from_short_rows_is_laid_out_as_they_are() -> None:
    rng = np.random.default_rng(5)
    X, W, Y = rng.normal(size=(4000, 20)), rng.normal(size=(20, 5)), rng.normal(size=(4000, 5))
    text = "input X[n, d], Y[n, k]\nparam W[d, k]\nZ = softmax(X @ W, axis=1)\nE = Z - Y\nL = sum(E*E)/2\noutput L, E"
    found = gradc.compile(text)(X=X, W=W, Y=Y)
    powers = np.exp(X @ W)
    Z = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found["E"], Z - Y, rtol=1e-12, atol=1e-12)
    back = Z * ((Z - Y) - (Z * (Z - Y)).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(gradc.compile(text).value_and_grad("L")(X=X, W=W, Y=Y)[1]["W"], X.T @ back, rtol=1e-9)


def test_a_matrix_and_its_transpose_are_added() -> None:
    A = np.random.default_rng(6).normal(size=(80, 80))
    found = gradc.compile("input A[n, n]\nB = exp(A)\nC = B + B.T\noutput C")(A=A)
    np.testing.assert_array_equal(found["C"], np.exp(A) + np.exp(A).T)


def test_the_softmax_of_a_single_element_is_one() -> None:
    model = gradc.compile("input x[n]\nL = sum(3*softmax([x[i]])[0]*x[i] for i)").value_and_grad("L")
    value, found = model(x=[2.0, 5.0])
    np.testing.assert_allclose(value, 21)
    np.testing.assert_allclose(found["x"], [3, 3])


def test_an_element_that_a_loop_sets_is_replaced() -> None:
    text = "input x[n], k[m]: int\nparam c\ny = c*x\nfor t in 0..m { y[k[t]] = 2*y[k[t]] + c }\nL = sum(y)\noutput L, y"
    values = {"x": [1.0, 2.0, 3.0], "k": [0, 2, 0], "c": 2.0}
    np.testing.assert_allclose(gradc.compile(text)(values)["y"], [14, 4, 14])
    np.testing.assert_allclose(gradc.compile(text).value_and_grad("L")(values)[1]["c"], 16)


@pytest.mark.parametrize("level", [0, 2])
def test_a_family_of_nothing_reads_nothing(level: int) -> None:
    text = """
input x[n], A[n, m], w, f[1]
fn g(p) {
  a = p*w
  for t in 0..n { a = tanh(sum(if w >= 0 then f[i] else x[1] for i in 0..m)) }
  return a
}
T[k] = g(k) for k in 0..0
D = hessian(sum(T), f, x)
output D
"""
    for n in (0, 1, 5):
        found = gradc.compile(text, level=level)(x=np.zeros(n), A=np.zeros((n, n)), w=0.0, f=[0.0])
        assert found["D"].shape == (1, n)
        assert not found["D"].any()
