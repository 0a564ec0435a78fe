"""Derivatives by arrays that are read where one index moves several axes, or several one axis: diagonals, windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc

PROGRAMS = [
    "param A[n, n]\nL = sum(A[i, i]^3 for i)",
    "param A[n, n]\nM = cholesky(A)\nL = sum(log(M[i, i]) for i)",
    "param A[n, n, n]\nL = sum(A[i, i, i]^3 for i)",
    "param A[n, n, n]\nL = sum(A[i, j, i]^3 for i, j)",
    "param A[n, n, n]\nL = sum(sum(A[i, i])^3 for i)",
    "param A[n, n, n]\nL = sum(sum(A[i, :, i]^2)^2 for i)",
    "param A[n, n, n]\nB[j, i] = A[j, i, i]^2\nL = sum(B^2)",
    "param A[n, m]\nL = sum(A[i, i + j]^3 for i in 0..3, j in 0..2)",
    "param A[n, m]\nL = sum(A[i + j, i + j]^3*(i + 2*j) for i in 0..2, j in 0..3)",
    "param A[n, m]\nL = sum(A[i + j, j]^3*(i + 2*j) for i in 0..2, j in 0..3)",
    "param A[n, m]\nL = sum(A[i + j, 3 - j]^3*(i + 2*j) for i in 0..2, j in 0..3)",
    "param A[n, m]\nL = sum(A[3 - 2*i, i + j]^3*(i + j) for i in 0..2, j in 0..3)",
    "param A[n, m]\nL = sum(sum(A[i + j, i + k]^2*(k + j) for i in 0..2)^2 for j in 0..3, k in 0..2)",
    "param x[n]\nL = sum(x[i]*x[2*i + j]^2*(i + j) for i in 0..2, j in 0..2)",
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_against_differences(text: str) -> None:
    model = gradc.compile(text)
    (name,) = model.inputs
    rank = text.splitlines()[0].count(",") + 1
    at: Any = np.random.default_rng(1).normal(size=(4,) * rank)
    if "cholesky" in text:
        at = at @ at.T + 4 * np.eye(4)
    _, found = model.value_and_grad("L")({name: at})
    expected = np.empty_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = 1e-5
        expected[place] = (model({name: at + step})["L"] - model({name: at - step})["L"]) / 2e-5
    np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-8)
