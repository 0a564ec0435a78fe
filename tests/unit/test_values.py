"""What a caller may pass, and what each thing that is wrong says."""

from __future__ import annotations

import math
from collections import OrderedDict, UserDict
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import gradc

REAL = gradc.compile("input x\ny = x*1\noutput y")
INT = gradc.compile("input n: int\ny = n + 0\noutput y")
BOOL = gradc.compile("input b: bool\ny = where(b, 1, 0)\noutput y")


class Floats:
    """A number of somebody else's."""

    def __float__(self) -> float:
        return 2.5


class Broken:
    def __float__(self) -> float:
        raise ValueError("no")


class MyFloat(float):
    pass


class MyInt(int):
    pass


def fails(call: Any, *codes: str) -> gradc.CallError:
    with pytest.raises(gradc.CallError) as caught:
        call()
    assert [d.code for d in caught.value.diagnostics] == list(codes), str(caught.value)
    assert str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("value", "due"),
    [
        (2, 2.0),
        (2.5, 2.5),
        (-0.0, -0.0),
        (math.inf, math.inf),
        (MyFloat(2.5), 2.5),
        (MyInt(3), 3.0),
        (np.float64(2.5), 2.5),
        (np.float32(2.5), 2.5),
        (np.float16(2.5), 2.5),
        (np.longdouble(2.5), 2.5),
        (np.int8(-3), -3.0),
        (np.uint64(2**63), 2.0**63),
        (np.array(2.5), 2.5),
        (np.array(3), 3.0),
        (np.array(3, dtype=object), 3.0),
        (Decimal("0.1"), 0.1),
        (Fraction(1, 4), 0.25),
        (2**1000, 2.0**1000),
        (Floats(), 2.5),
    ],
)
def test_real_numbers(value: Any, due: float) -> None:
    found = REAL(x=value)["y"]
    assert type(found) is float
    assert (found, math.copysign(1, found)) == (due, math.copysign(1, due))


def test_nan_passes() -> None:
    assert math.isnan(REAL(x=math.nan)["y"])
    assert math.isnan(REAL(x=Decimal("nan"))["y"])


@pytest.mark.parametrize(
    "value",
    [
        "3",
        "",
        b"3",
        bytearray(b"3"),
        None,
        1j,
        complex(3, 0),
        np.complex128(3),
        np.complex64(3),
        np.array(3 + 0j),
        True,
        False,
        np.True_,
        np.array(True),
        np.str_("3"),
        np.bytes_(b"3"),
        object,
        float,
        10**400,
        -(10**400),
        pytest.param(Broken(), id="broken"),
        Decimal("sNaN"),
        Fraction(10**400),
        ...,
        NotImplemented,
        len,
        np.datetime64("2020-01-01"),
        np.timedelta64(3, "s"),
    ],
    ids=repr,
)
def test_what_is_no_real_number(value: Any) -> None:
    code = "E0606" if isinstance(value, bytearray) else "E0603"
    fails(lambda: REAL(x=value), code)
    assert "`x`" in str(fails(lambda: REAL({"x": value}), code))


@pytest.mark.parametrize(
    ("value", "due"),
    [
        (7, 7),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
        (3.0, 3),
        (MyInt(3), 3),
        (np.int32(3), 3),
        (np.uint8(3), 3),
        (np.float64(3.0), 3),
        (np.array(3), 3),
        (Decimal(3), 3),
        (Fraction(6, 2), 3),
        (Decimal(2**53 + 1), 2**53 + 1),
        (Fraction(2**53 + 1), 2**53 + 1),
    ],
)
def test_integers(value: Any, due: int) -> None:
    found = INT(n=value)["y"]
    assert type(found) is int
    assert found == due


@pytest.mark.parametrize(
    "value",
    [
        "3",
        None,
        1j,
        True,
        np.False_,
        2**63,
        -(2**63) - 1,
        10**400,
        2.5,
        np.float32(0.1),
        math.inf,
        -math.inf,
        math.nan,
        Fraction(1, 3),
        Decimal("0.5"),
        np.uint64(2**63),
        1e19,
        np.complex128(3),
        Decimal(2**53 + 1) + Decimal("0.5"),
    ],
    ids=repr,
)
def test_what_is_no_integer(value: Any) -> None:
    fails(lambda: INT(n=value), "E0603")


@pytest.mark.parametrize("value", [True, np.True_, np.array(True)])
def test_truth_values(value: Any) -> None:
    assert BOOL(b=value)["y"] == 1.0


@pytest.mark.parametrize("value", [1, 0, 1.0, "True", None, np.int8(1), [], 1j, np.array(1)], ids=repr)
def test_what_is_no_truth_value(value: Any) -> None:
    fails(lambda: BOOL(b=value), "E0603")


@pytest.mark.parametrize(
    "value",
    [
        [1.0],
        (1, 2),
        [],
        np.zeros(3),
        np.zeros((1,)),
        np.zeros((2, 2)),
        np.zeros(0),
        range(3),
        {1.0},
        {"a": 1},
        iter([1.0]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_array_for_a_number_names_map(value: Any) -> None:
    for model in (REAL, INT):
        name = model.inputs[0]
        found = fails(lambda: model({name: value}), "E0606")  # noqa: B023
        assert "model.map" in str(found)


def test_a_long_value_is_not_printed_whole() -> None:
    assert len(str(fails(lambda: REAL(x="9" * 100_000), "E0603"))) < 200


# Names ---------------------------------------------------------------------------------------------------------------


def test_unknown_names() -> None:
    model = gradc.compile("input weight = 1, x = 2\nparam w₁ = 3\nloss = weight*x*w₁\noutput loss")
    assert "`weight`" in str(fails(lambda: model(wieght=1), "E0602"))
    assert "computed" in str(fails(lambda: model(loss=1), "E0602"))
    assert "the inputs are" in str(fails(lambda: model(zzz=1), "E0602"))
    fails(lambda: model({3: 1}), "E0602")
    fails(lambda: model({None: 1}), "E0602")
    fails(lambda: model({"": 1}), "E0602")
    fails(lambda: model({"x" * 100_000: 1}), "E0602")
    fails(lambda: model({"x": 1}, x=1), "E0602")
    fails(lambda: model({"w1": 1, "w₁": 1}), "E0602")
    fails(lambda: gradc.compile("y = 1\noutput y")(x=1), "E0602")
    fails(lambda: model.map(wieght=[1.0]), "E0602")
    fails(lambda: model.grad("lss"), "E0608")
    fails(lambda: model.grad("loss", "wieght"), "E0608")
    fails(lambda: model.grad("loss", ["x", "nope"]), "E0608")
    assert "`weight`" in str(fails(lambda: model.value_and_grad("loss", "wieght"), "E0608"))


def test_what_can_be_differentiated() -> None:
    model = gradc.compile("input n: int = 1, b: bool = 1 == 1, x = 2\ny = where(b, x*n, 0)\nk = n*2\noutput y, k")
    assert model.grad().outputs == ("grad(y, x)",)
    for of, wrt in (("k", "x"), ("y", "n"), ("y", "b"), ("b", "x")):
        fails(lambda: model.grad(of, wrt), "E0609")  # noqa: B023
    fails(lambda: gradc.compile("y = 2\noutput y").grad(), "E0609")
    fails(lambda: gradc.compile("input n: int\nk = n + 1").grad(), "E0609")


@pytest.mark.parametrize("kind", [dict, OrderedDict, UserDict, MappingProxyType])
def test_mappings(kind: Any) -> None:
    assert REAL(kind({"x": 3}))["y"] == 3


@pytest.mark.parametrize("value", [3, [3], "x", [("x", 3)], np.zeros(1)], ids=repr)
def test_values_that_have_no_names(value: Any) -> None:
    fails(lambda: REAL(value), "E0603")
    fails(lambda: REAL.map(value), "E0603")


def test_missing_values() -> None:
    model = gradc.compile("input a, b = 2, c\nparam w\ny = a*b*c*w\noutput y")
    found = fails(lambda: model(), "E0601", "E0601", "E0601")
    assert ["`a`" in d.message or "`c`" in d.message or "`w`" in d.message for d in found.diagnostics] == [True] * 3
    assert [(d.line, d.column) for d in found.diagnostics] == [(1, 7), (1, 17), (2, 7)]
    fails(lambda: model(a=1, w=1), "E0601")
    fails(lambda: model.map(a=[1.0], w=1), "E0601")
    assert model(a=1, c=1, w=1)["y"] == 2
    # An input that the result does not need is asked for all the same: it is part of the signature.
    fails(lambda: gradc.compile("input a, b\ny = a\noutput y").grad("y", "a")(), "E0601", "E0601")
    # A bad value comes before a missing one, and None is a bad value, not a missing one.
    fails(lambda: model(a=None, c=1, w=1), "E0603")


def test_results() -> None:
    found = gradc.compile("input x₁ = 2\nŷ = x₁*2\nz = ŷ > 1\noutput ŷ, z, x₁")()
    assert list(found) == ["ŷ", "z", "x₁"]
    assert found["x1"] == found["x₁"] == 2
    assert found["y\u0302"] == 4
    assert found["z"] is True
    with pytest.raises(KeyError):
        found["nope"]
    assert found.get("nope") is None


# Rows ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "due"),
    [
        ([1, 2], [1.0, 2.0]),
        ((1.5, 2), [1.5, 2.0]),
        (range(3), [0.0, 1.0, 2.0]),
        (np.arange(2, dtype=np.uint8), [0.0, 1.0]),
        (np.array([0.5], dtype=np.float16), [0.5]),
        (np.arange(6.0)[::-2], [5.0, 3.0, 1.0]),
        ([], []),
        (np.zeros(0), []),
        ([math.inf, -0.0], [math.inf, -0.0]),
    ],
)
def test_rows(rows: Any, due: list[float]) -> None:
    found = REAL.map(x=rows)["y"]
    assert found.dtype == np.float64
    assert found.tolist() == due


def test_rows_are_not_changed_nor_given_back() -> None:
    rows = np.array([1.0, 2.0])
    model = gradc.compile("input x\noutput x")
    found = model.map(x=rows)["x"]
    found[0] = 99
    assert rows.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (["1", "2"], "E0603"),
        ([1j], "E0603"),
        ([True, False], "E0603"),
        ([None, 1.0], "E0603"),
        ([10**400], "E0603"),
        ([[1.0]], "E0606"),
        (np.zeros((2, 2)), "E0606"),
        ([[1], [1, 2]], "E0603"),
        ("12", "E0603"),
        (b"12", "E0603"),
        (None, "E0603"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "E0603"),
        (object, "E0603"),
    ],
    ids=repr,
)
def test_what_makes_no_rows(rows: Any, code: str) -> None:
    fails(lambda: REAL.map(x=rows), code)


def test_rows_of_other_types() -> None:
    assert INT.map(n=np.array([1, 2], dtype=np.uint8))["y"].tolist() == [1, 2]
    assert INT.map(n=np.array([2**63 - 1], dtype=np.uint64))["y"].tolist() == [2**63 - 1]
    fails(lambda: INT.map(n=np.array([1, 2**63], dtype=np.uint64)), "E0603")
    fails(lambda: INT.map(n=[1.5]), "E0603")
    fails(lambda: INT.map(n=[True]), "E0603")
    assert BOOL.map(b=[True, False])["y"].tolist() == [1, 0]
    fails(lambda: BOOL.map(b=[1, 0]), "E0603")


def test_rows_that_do_not_match() -> None:
    model = gradc.compile("input x, z\ny = x*z")
    assert "3 rows" in str(fails(lambda: model.map(x=[1, 2], z=[1, 2, 3]), "E0607"))
    fails(lambda: model.map(x=1, z=2), "E0607")
    # A single row is a row and not a number for all.
    fails(lambda: model.map(x=[1, 2], z=[1]), "E0607")
    assert model.map(x=[1, 2], z=3)["y"].tolist() == [3, 6]
    assert model.map(x=[1, 2], z=np.array(3))["y"].tolist() == [3, 6]


def test_options_of_the_wrong_kind_are_the_callers_mistake() -> None:
    with pytest.raises(TypeError):
        gradc.compile("y = 1", nonsense=1)
    with pytest.raises(ValueError, match="dtype"):
        gradc.compile("y = 1", dtype="f16")
    with pytest.raises(ValueError, match="level"):
        gradc.compile("y = 1", level=7)


def test_a_rule_that_does_not_exist_cannot_be_left_out() -> None:
    with pytest.raises(gradc.CallError) as caught:
        gradc.compile("y = 2", no_rewrite=["sofplus"])
    text = str(caught.value)
    assert text.startswith("error[E0610]: there is no rewrite rule `sofplus`\n")
    assert "`softplus`" in text
    assert gradc.compile("y = log(1 + exp(2))", no_rewrite=["softplus"]).outputs == ("y",)
