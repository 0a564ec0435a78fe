"""What numbers mean: weak integers, checked ones, truth values, and mistakes in what is not selected."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest
from meaning import LEVELS, check, errors, warnings

import gradc

# Numbers -------------------------------------------------------------------------------------------------------------


def test_weak_integers() -> None:
    check(
        "y = 7/2\nz = 7//2\nw = 7 % 4\nv = -7//2\nu = -7 % 4\noutput y, z, w, v, u",
        {"y": 3.5, "z": 3, "w": 3, "v": -4, "u": 1},
    )
    check("y = 9^9^9^9", {"y": math.inf})
    check("y = 2^-1\nz = 2^3^2\nw = -2^2\noutput y, z, w", {"y": 0.5, "z": 512, "w": -4})
    check(
        "input n: int = 7\na = n/2\nb = n//2\nc = n*2 + 1\nd = n + 0.5\ne2 = n^2\noutput a, b, c, d, e2",
        {"a": 3.5, "b": 3, "c": 15, "d": 7.5, "e2": 49},
    )
    model = gradc.compile("input n: int = 7\nk = 2\nc = n*k + 1\nd = c % 4\noutput c, d")
    assert [type(v) for v in model().values()] == [int, int]
    # Through a name and a function's parameter an integer stays weak.
    check(
        "order = 1\nfn f(n, x) = polygamma(n, x)\ninput x = 1\ny = f(order, x)\nz = f(2 - 1, x)\noutput y, z",
        {"y": math.pi**2 / 6, "z": math.pi**2 / 6},
    )
    errors("input x = 1\ny = polygamma(1.0, x)", "E0303")
    # Real arithmetic beyond 53 bits, exact integers where they meet one.
    check("input n: int = 0\na = n + 9007199254740993\noutput a", {"a": 9007199254740993})
    assert gradc.compile("input n: int = 0\na = n + 9007199254740993")()["a"] == 9007199254740993
    assert gradc.compile("input n: int = 0\na = n + (9007199254740992 + 1)")()["a"] == 9007199254740993
    check("a = 9223372036854775808\nb = -9223372036854775808\noutput a, b", {"a": 2.0**63, "b": -(2.0**63)})


@pytest.mark.parametrize("level", LEVELS)
def test_integers_are_checked(level: int) -> None:
    def code(text: str, **values: Any) -> str:
        with pytest.raises(gradc.CallError) as caught:
            gradc.compile(text, level=level)(values)
        (found,) = caught.value.diagnostics
        assert found.span is not None
        assert found.text
        return found.code

    big = 2**63 - 1
    assert code("input n: int\ny = n + 1", n=big) == "E0604"
    assert code("input n: int\ny = n - 2", n=-big) == "E0604"
    assert code("input n: int\ny = n*n", n=2**32) == "E0604"
    assert code("input n: int\ny = -n", n=-big - 1) == "E0604"
    assert code("input n: int\ny = abs(n)", n=-big - 1) == "E0604"
    assert code("input n: int\nm = -1 + 0*n\ny = n // m\noutput y", n=-big - 1) == "E0604"
    assert code("input n: int\ny = 5 // n", n=0) == "E0605"
    assert code("input n: int\ny = n % (n - n)", n=3) == "E0605"
    assert code("input n: int\ny = n + 9223372036854775807 + n", n=1) == "E0604"
    # Where the literals alone overflow they are real.
    assert gradc.compile("input n: int = 1\ny = n + 9223372036854775807*2", level=level)() == {"y": 2.0**64}
    assert gradc.compile("input n: int = -5\ny = n + -(-9223372036854775807 - 1)", level=level)() == {"y": 2.0**63}
    assert gradc.compile("input n: int = 1\ny = 1//0 + n", level=level)()["y"] == math.inf
    # A mistake that no result needs.
    assert gradc.compile("input n: int = 0\nm = 1 // n\ny = n + 2\noutput y", level=level)() == {"y": 2}


INTEGERS = "input n: int, m: int = 3, x = 2\nfn f(a) = 5 // a + a % m - min(a, m, 7)\n"
INTEGERS += (
    "k = f(n)*m + clip(n, -2, m) - (if x > 1 then abs(n) else sign(n))\nj = m*m - 1\ny = k*x + j\noutput k, j, y"
)


@pytest.mark.parametrize("level", LEVELS)
def test_integers_of_rows_and_of_single_precision(level: int) -> None:
    model = gradc.compile(INTEGERS, level=level)
    single = gradc.compile(INTEGERS, level=level, dtype="f32")
    rows = [1, -2, 9, 2**40]
    for each in (model, single):
        mapped = each.map(n=rows)
        assert mapped["k"].dtype == mapped["j"].dtype == numpy.int64
        for at, n in enumerate(rows):
            found = each(n=n)
            assert [type(found[name]) for name in ("k", "j", "y")] == [int, int, float]
            assert found == {name: mapped[name][at] for name in mapped}
        for n, code in ((0, "E0605"), (-(2**62), "E0604"), (-(2**63), "E0604")):
            for call in (lambda: each(n=n), lambda: each.map(n=[1, n]), lambda: each.map(n=n, x=[1.0, 2.0])):  # noqa: B023
                with pytest.raises(gradc.CallError) as caught:
                    call()
                assert caught.value.diagnostics[0].code == code


def test_real_division_by_zero_is_ieee() -> None:
    check(
        "input x = 0\na = 1/x\nb = -1/x\nc = x/x\nd = 1//x\nf = 1 % x\noutput a, b, c, d, f",
        {"a": math.inf, "b": -math.inf, "c": math.nan, "d": math.inf, "f": math.nan},
    )


def test_truth_values() -> None:
    check(
        "input x = 3\ny = where(x > 2 and not (x > 5 or x == 4), 1, 0)\nz = float(x > 2)\noutput y, z", {"y": 1, "z": 1}
    )
    check("input b: bool = 1 == 1, x = 2\ny = if b then x else -x\ng = grad(y, x)\noutput y, g", {"y": 2, "g": 1})
    errors("input x\ny = (x > 2) + 1", "E0303")
    errors("input x\ny = if x then 1 else 2", "E0303")
    errors("input x\ny = x and x > 1", "E0303")
    errors("input x\ny = 1 < x < 2", "E0306")
    errors("input x\ny = -(x > 1)", "E0303")
    errors("input x\ny = if x > 1 then x else x > 2", "E0303")
    model = gradc.compile("input x = 3, n: int = 2\nb = x > n\nc = n == 2\noutput b, c")
    assert [type(v) for v in model().values()] == [bool, bool]
    assert warnings("input x\ny = grad(where(x > 0, 1, 2), x)") == ["W0102"]


def test_comparisons_of_integers_are_exact() -> None:
    check(
        "input n: int = 9007199254740993\ny = where(n == 9007199254740992, 1, 0)\n"
        "z = where(n > 9007199254740992, 1, 0)\n"
        "output y, z",
        {"y": 0, "z": 1},
    )


# Integer operations without a result: what is not selected does not count. -----------------------------------------


def test_an_integer_mistake_in_a_branch_not_taken_is_none() -> None:
    model = gradc.compile("input n: int\ny = if n == 0 then 0 else 10 // n\nz = n != 0 and 10 // n > 2\n")
    assert model(n=0) == {"y": 0, "z": False}
    assert model(n=3) == {"y": 3, "z": True}
    rows = model.map(n=[0, 1, 5])
    assert rows["y"].tolist() == [0, 10, 2]
    assert rows["z"].tolist() == [False, True, False]


def test_an_integer_mistake_that_reaches_a_result_is_one() -> None:
    model = gradc.compile("input n: int, x = 2\ny = x * (10 // n)\n")
    for call in (lambda: model(n=0), lambda: model.map(n=[1, 0]), lambda: model.grad("y", "x")(n=0)):
        with pytest.raises(gradc.CallError) as caught:
            call()
        assert [d.code for d in caught.value.diagnostics] == ["E0605"]


def test_weak_integers_stay_weak_through_what_keeps_integers() -> None:
    model = gradc.compile("input n: int = 5, x = 1.5\ny = n // max(1, 2)\nz = polygamma(min(1, 3), x)\n")
    assert model()["y"] == 2
    assert type(model()["y"]) is int
