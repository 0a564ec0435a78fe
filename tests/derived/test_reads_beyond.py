"""Reads whose condition leaves out what lies beyond an axis: no other element's contribution may be lost by them."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import gradc


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize(("step", "start"), [*product((-2, -1, 1, 2, 3), (-3, -1, 0, 2, 4))])
def test_a_line(step: int, start: int, level: int) -> None:
    place = f"{step}*i + {start}" if start >= 0 else f"{step}*i - {-start}"
    text = f"""input w[m]
param x[n]
y[i] = if {place} >= 0 and {place} < n then x[{place}]*w[i] else w[i] for i in 0..m
f = sum(y^2)
output f"""
    text = text.replace("1*i", "i")
    model = gradc.compile(text, level=level)
    value, hessian, jacobian = model.value_and_grad("f", "x"), model.hessian("f", "x"), model.jacobian("y", "x")
    for n, m in ((1, 1), (3, 3), (4, 6), (6, 4)):
        x, w = np.arange(1.0, n + 1), np.arange(2.0, m + 2)
        slope, bend, rows, total = np.zeros(n), np.zeros(n), np.zeros((m, n)), 0.0
        for i in range(m):
            at = step * i + start
            if 0 <= at < n:
                slope[at] += 2 * x[at] * w[i] ** 2
                bend[at] += 2 * w[i] ** 2
                rows[i, at] = w[i]
                total += (x[at] * w[i]) ** 2
            else:
                total += w[i] ** 2
        found, gradients = value(x=x, w=w)
        close(found, total)
        close(gradients["x"], slope)
        close(hessian(x=x, w=w)["hessian(f, x)"], np.diag(bend))
        close(jacobian(x=x, w=w)["jacobian(y, x)"], rows)


@pytest.mark.parametrize("down", [-1, 0, 1])
@pytest.mark.parametrize("right", [-2, 0, 1])
def test_a_plane(down: int, right: int) -> None:
    row, column = f"i + ({down})", f"j + ({right})"
    text = f"""input w[h, k]
param x[h, k]
f = sum(if {row} >= 0 and {row} < h and {column} >= 0 and {column} < k then x[{row}, {column}]^2*w[i, j] else 1
        for i in 0..h, j in 0..k)
output f"""
    value = gradc.compile(text).value_and_grad("f", "x")
    for h, k in ((1, 1), (2, 3), (4, 4)):
        x, w = np.arange(1.0, h * k + 1).reshape(h, k), np.arange(3.0, h * k + 3).reshape(h, k)
        slope = np.zeros((h, k))
        for i, j in product(range(h), range(k)):
            if 0 <= i + down < h and 0 <= j + right < k:
                slope[i + down, j + right] += 2 * x[i + down, j + right] * w[i, j]
        close(value(x=x, w=w)[1]["x"], slope)


def test_two_indices_on_one_axis() -> None:
    text = """input w[h, k]
param x[n]
f = sum(if i + j > 0 and i + j <= n then x[i + j - 1]^2*w[i, j] else 1 for i in 0..h, j in 0..k)
output f"""
    value = gradc.compile(text).value_and_grad("f", "x")
    for n, h, k in ((1, 2, 2), (3, 4, 2), (5, 3, 3)):
        x, w = np.arange(1.0, n + 1), np.arange(2.0, h * k + 2).reshape(h, k)
        slope = np.zeros(n)
        for i, j in product(range(h), range(k)):
            if 0 < i + j <= n:
                slope[i + j - 1] += 2 * x[i + j - 1] * w[i, j]
        close(value(x=x, w=w)[1]["x"], slope)


def test_rows_and_indices_through_arrays() -> None:
    text = """input k[m]: int, w[m, d]
param X[n, d]
f = sum(if k[i] + i >= 0 and k[i] + i < n then dot(X[k[i] + i], w[i]) else 1 for i in 0..m)
g = sum(if i > 0 then dot(X[i - 1]^2, w[i]) else 1 for i in 0..m)
L = f + g
output L"""
    value = gradc.compile(text).value_and_grad("L", "X")
    n, m, d = 3, 4, 2
    X, w, k = np.arange(1.0, 7).reshape(n, d), np.arange(2.0, 10).reshape(m, d), np.array([2, 1, -3, -2])
    slope = np.zeros((n, d))
    for i in range(m):
        if 0 <= k[i] + i < n:
            slope[k[i] + i] += w[i]
        if i > 0:
            slope[i - 1] += 2 * X[i - 1] * w[i]
    close(value(X=X, w=w, k=k)[1]["X"], slope)


@pytest.mark.parametrize("level", [0, 2])
def test_neighbours_by_name_at_every_order(level: int) -> None:
    text = """param x[n]
left[i] = if i > 0 then x[i - 1] else 0 for i in 0..n
right[i] = if i < n - 1 then x[i + 1] else 0 for i in 0..n
r = (3 - 2*x)*x - left - 2*right
f = sum(r^2)
output f, r"""
    model = gradc.compile(text, level=level)
    n, x, v = 4, np.array([1.0, -2, 3, 0.5]), np.array([2.0, 1, -1, 3])
    J = np.diag(3 - 4 * x) - np.eye(n, k=-1) - 2 * np.eye(n, k=1)
    r = model(x=x)["r"]
    H = 2 * J.T @ J - 8 * np.diag(r)
    close(model.jacobian("r", "x")(x=x)["jacobian(r, x)"], J)
    close(model.grad("f", "x")(x=x)["grad(f, x)"], 2 * J.T @ r)
    close(model.hessian("f", "x")(x=x)["hessian(f, x)"], H)
    close(model.hvp("f", "x")(x=x, tangent_x=v)["hvp(f, x, tangent_x)"], H @ v)
    close(model.jvp("r", "x")(x=x, tangent_x=v)["jvp(r, x, tangent_x)"], J @ v)
    close(model.vjp("r", "x")(x=x, cotangent_r=v)["vjp(r, x, cotangent_r)"], J.T @ v)
    third = gradc.compile(text.replace("output f, r", "g = sum(grad(f, x)*x)\noutput g"), level=level)
    # f is a polynomial of degree 4 in x: the direction of x gives x . H x, and so on.
    T = [
        (
            model.hessian("f", "x")(x=x + 1e-4 * e)["hessian(f, x)"]
            - model.hessian("f", "x")(x=x - 1e-4 * e)["hessian(f, x)"]
        )
        / 2e-4
        for e in np.eye(n)
    ]
    found = third.hessian("g", "x")(x=x)["hessian(g, x)"]
    np.testing.assert_allclose(found, 2 * H + np.einsum("kij,k->ij", T, x), rtol=1e-6, atol=1e-6)


def test_what_is_selected_beyond_is_an_error_still() -> None:
    value = gradc.compile("param x[n]\nf = sum(if i >= 0 then x[i + 1]^2 else 0 for i in 0..n)\noutput f")
    with pytest.raises(gradc.CallError, match="the index 3 is out of range"):
        value.value_and_grad("f", "x")(x=[1, 2, 3])
