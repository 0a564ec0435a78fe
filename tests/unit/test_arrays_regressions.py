"""Programs over arrays that once gave a wrong value, a wrong derivative, a wrong diagnostic or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
from gradc.errors import CallError

LEVELS = (0, 1, 2, 3)


def same(source: str, due: dict[str, Any], wrt: str = "", **values: Any) -> None:
    """The outputs, or with ``wrt`` the derivatives of L by it, at every level."""
    for level in LEVELS:
        model = gradc.compile(source, level=level)
        found = (model.with_gradients("L", wrt) if wrt else model)(values)
        for name, value in due.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-12, err_msg=f"{name} at -O{level}")


def fails(source: str, code: str, wrt: str = "", **values: Any) -> str:
    """The message of the diagnostic, which every level gives."""
    messages = set()
    for level in LEVELS:
        model = gradc.compile(source, level=level)
        with pytest.raises(CallError) as caught:
            (model.grad("L", wrt) if wrt else model)(values)
        assert caught.value.diagnostics[0].code == code
        messages.add(str(caught.value))
    assert len(messages) == 1
    return messages.pop()


def test_a_sum_over_no_values_is_zero_whatever_is_summed() -> None:
    same("input x[n], c\nL = sum(c for i in 0..n)", {"L": 0.0, "grad(L, c)": 0.0}, "c", x=[], c=np.inf)
    same("input x[n], c\nL = sum(c*x[i] for i)", {"L": 0.0}, x=[], c=np.nan)
    same("input x[n], A[m, m], c\nL = sum(sum(log(c)*A[i, j] for j) for i, k in 0..n)", {"L": 0.0}, x=[], A=[[1]], c=0)


def test_what_no_value_of_an_index_reads_may_fail() -> None:
    same("input x[n], k: int\nL = sum(x[i]*float(1//k) for i)", {"L": 0.0}, x=[], k=0)
    same("input x[n], y[m]\nL = sum(max(y[j] for j) for i in 0..n)", {"L": 0.0}, x=[], y=[])


def test_an_index_out_of_range_is_noticed_by_a_derivative_alone() -> None:
    linear = "input x[n], k[m]: int\nL = sum(x[k[i]] for i)"
    assert "`k[1]` is 5" in fails(linear, "E0611", "x", x=[1, 2, 3], k=[0, 5])
    fails(linear, "E0611", "x", x=[], k=[0])
    text = fails("input x[n]\nL = 2*x[0] + x[5]", "E0611", "x", x=[1, 2, 3])
    assert "2:14" in text
    many = "input x[n]\nL = " + " + ".join(f"x[{i}]" for i in range(12))
    assert "index 3" in fails(many, "E0611", "x", x=[1, 2, 3])
    fails("input A[n, m], k[p]: int\nL = sum(A[k[i], j] for i, j)", "E0611", "A", A=np.ones((2, 2)), k=[0, -1])


def test_derivatives_of_elements_that_do_not_exist_and_are_not_selected() -> None:
    masked = "input x[n], k[m]: int\nL = sum(if k[i] < n then x[k[i]]^2 else 1 for i)"
    same(masked, {"L": 2.0, "grad(L, x)": [2, 0, 0]}, "x", x=[1, 2, 3], k=[0, 5])
    same(masked, {"L": 2.0, "grad(L, x)": []}, "x", x=[], k=[0, 5])
    same("input x[n]\nL = if n > 0 then x[0] else 1", {"L": 1.0, "grad(L, x)": []}, "x", x=[])
    same("input x[n], c\nL = if c > 0 then x[5] else x[0]", {"grad(L, x)": [1, 0]}, "x", x=[1, 2], c=-1)


def test_places_in_an_array_without_elements_are_out_of_range() -> None:
    fails("input v[m], k[m]: int, x[n]\nL = scatter_add(k, v, n)", "E0611", v=[1, 2], k=[0, 1], x=[])


def test_an_output_is_needed_though_what_reads_it_is_not_taken() -> None:
    fails(
        "input a: int, b: int, x[n]\ny = a//b\nz = if b != 0 then y else 0\nL = sum(x)\noutput y, z, L",
        "E0605",
        a=1,
        b=0,
        x=[1],
    )
