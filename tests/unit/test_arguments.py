"""What a caller may pass for an array, what comes back, and what a model keeps from one call to the next."""

from __future__ import annotations

import pickle
import threading
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradc
from tests.array_texts import Text, array_texts, random_inputs

VECTOR = gradc.compile("input x[n]\nz = x + 0\noutput z, x")
MATRIX = gradc.compile("input A[n, m]\nB = A.T\noutput B")
SINGLE = gradc.compile("input x[n]\nz = 2*x\ns = sum(x)\noutput z, s", dtype="f32")
INTEGERS = gradc.compile("input k[n]: int\nj = k + 0\noutput j")
TRUTHS = gradc.compile("input m[n]: bool\nc = [if m[i] then 1 else 0 for i]\noutput c, m")


def fails(call: Any, code: str = "E0614") -> str:
    with pytest.raises(gradc.CallError) as caught:
        call()
    assert {each.code for each in caught.value.diagnostics} == {code}, str(caught.value)
    return str(caught.value)


class Foreign:
    """An array of somebody else's, which NumPy gets by `__array__`."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return self.values if dtype is None else self.values.astype(dtype)


class Exchanged:
    """An array of somebody else's, which hands itself over by DLPack alone."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


class Sub(np.ndarray[Any, Any]):
    """A subclass of NumPy's arrays that calculates otherwise."""

    def __add__(self, other: Any) -> Any:
        raise AssertionError("never asked")


ONE_TWO = [
    [1, 2],
    (1.0, 2),
    range(1, 3),
    [Fraction(1), Decimal(2)],
    [np.float32(1), 2],
    [np.array(1.0), np.array(2)],
    memoryview(np.array([1.0, 2.0])),
    np.array([1, 2], np.int8),
    np.array([1, 2], np.uint64),
    np.array([1, 2], np.float16),
    np.array([1, 2], np.longdouble),
    np.array([1, 2], ">f8"),
    np.array([1, 2], ">i4"),
    np.array([1, 2], object),
    np.array([2.0, 0, 1.0, 0])[2::-2],
    np.broadcast_to(np.array([[1.0, 2.0]]), (3, 2))[1],
    np.array([1.0, 2.0]).view(Sub),
    np.ma.array([1.0, 2.0]),
    np.ma.array([1.0, 2.0], mask=[False, False]),
    np.rec.fromarrays([[1.0, 2.0]], names="a")["a"],
    Foreign([1.0, 2.0]),
    Foreign([1, 2]),
    Exchanged([1.0, 2.0]),
]


@pytest.mark.parametrize("value", ONE_TWO, ids=lambda value: type(value).__name__)
def test_vectors(value: Any) -> None:
    for found in VECTOR(x=value).values():
        assert type(found) is np.ndarray
        assert found.dtype == np.float64
        assert found.tolist() == [1, 2]
        assert found.flags.writeable
        assert not np.shares_memory(found, np.asarray(value) if not isinstance(value, Exchanged) else value.values)
    if not isinstance(value, Exchanged):
        assert MATRIX(A=[value, value])["B"].tolist() == [[1, 1], [2, 2]]


def test_matrices() -> None:
    for value in (
        [[1, 2], [3, 4]],
        [np.array([1, 2]), [3.0, 4.0]],
        np.array([[1, 2], [3, 4]]).view(np.matrix),
        np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]),
        np.arange(1.0, 9.0).reshape(4, 2)[::2] - [[0, 0], [2, 2]],
        np.array([[1.0, 3.0], [2.0, 4.0]]).T,
    ):
        found = MATRIX(A=value)["B"]
        assert type(found) is np.ndarray
        assert found.tolist() == [[1, 3], [2, 4]]
    assert MATRIX(A=np.zeros((0, 3)))["B"].shape == (3, 0)
    assert MATRIX(A=np.zeros((3, 0), np.float32))["B"].shape == (0, 3)
    assert MATRIX(A=[[], []])["B"].shape == (0, 2)


@pytest.mark.parametrize(
    "value",
    [
        None,
        3.0,
        np.array(3.0),
        "12",
        b"12",
        bytearray(b"12"),
        {1, 2},
        {"a": 1},
        iter([1.0]),
        (x for x in [1.0]),
        object(),
        len,
        float,
        ...,
        [None],
        ["1"],
        [b"1"],
        [1j],
        [True],
        [1, "2"],
        [[1], [1, 2]],
        [1, [2]],
        [{}],
        [object()],
        [10**400],
        [Decimal("sNaN")],
        np.array(["1"]),
        np.array([b"1"]),
        np.array([1 + 0j]),
        np.array([True]),
        np.array(["2020-01-01"], "datetime64[D]"),
        np.array([3], "timedelta64[s]"),
        np.zeros(2, [("a", float)]),
        np.ma.array([1.0], mask=[True]),
        np.zeros((1, 2)).view(np.matrix),
        np.zeros((2, 2)),
        Foreign([1j]),
        Exchanged([[1.0]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_vector(value: Any) -> None:
    assert "`x" in fails(lambda: VECTOR(x=value))


def test_values_that_fail_to_show_themselves() -> None:
    class Silent:
        def __repr__(self) -> str:
            raise ValueError("no")

    assert "Silent" in fails(lambda: VECTOR(x=[Silent()]))
    assert "list_iterator" in fails(lambda: VECTOR(x=iter([])))
    assert " at 0x" not in fails(lambda: VECTOR(x=[object()]))
    huge = 10**10_000
    fails(lambda: VECTOR(x=[huge]))
    fails(lambda: gradc.compile("input x\ny = x")(x=huge), "E0603")


def test_a_list_that_holds_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)
    fails(lambda: VECTOR(x=loop))
    loop.append([1.0])
    fails(lambda: VECTOR(x=loop))


def test_nan_and_infinities_are_numbers() -> None:
    found = VECTOR(x=[np.nan, np.inf, -np.inf, -0.0])["z"]
    np.testing.assert_array_equal(found, [np.nan, np.inf, -np.inf, 0.0])
    assert np.signbit(VECTOR(x=[-0.0])["x"]).all()
    with np.errstate(all="raise"):
        assert VECTOR(x=np.array([1e308, 1e308]) * 1)["z"].tolist() == [1e308, 1e308]
        assert SINGLE(x=[1e300, -1e300, 1e-300])["z"].tolist() == [np.inf, -np.inf, 0.0]


def test_single_precision() -> None:
    found = SINGLE(x=np.array([0.1, 0.2]))
    assert found["z"].dtype == np.float32
    assert found["z"].tolist() == (2 * np.array([0.1, 0.2], np.float32)).tolist()
    assert type(found["s"]) is float
    assert found["s"] == float(np.float32(0.1) + np.float32(0.2))
    assert SINGLE(x=np.array([1, 2], np.int16))["z"].dtype == np.float32
    given = np.array([1.0, 2.0], np.float32)
    assert not np.shares_memory(SINGLE(x=given)["z"], given)


def test_integers() -> None:
    for value in (
        [1, 2],
        [1.0, 2.0],
        np.array([1, 2], np.uint8),
        np.array([1.0, 2.0], np.float16),
        [Fraction(2, 2), 2],
    ):
        found = INTEGERS(k=value)["j"]
        assert found.dtype == np.int64
        assert found.tolist() == [1, 2]
    assert INTEGERS(k=[2**63 - 1, -(2**63)])["j"].tolist() == [2**63 - 1, -(2**63)]
    assert INTEGERS(k=np.array([2**63 - 1], np.uint64))["j"].tolist() == [2**63 - 1]
    assert INTEGERS(k=[])["j"].dtype == np.int64
    for wrong in (
        [0.5],
        [np.nan],
        [np.inf],
        [1e19],
        [-1e19],
        [2**63],
        [True],
        [1j],
        ["1"],
        np.array([2**63], np.uint64),
    ):
        fails(lambda: INTEGERS(k=wrong))  # noqa: B023


def test_truth_values() -> None:
    assert TRUTHS(m=[True, False])["c"].tolist() == [1, 0]
    assert TRUTHS(m=np.array([True, False], object))["m"].dtype == np.bool_
    assert TRUTHS(m=[])["m"].dtype == np.bool_
    for wrong in ([1, 0], [1.0], ["true"], [None], np.array([1], np.uint8)):
        fails(lambda: TRUTHS(m=wrong))  # noqa: B023


class Zero:
    """An array of somebody else's without axes, of which NumPy may not get the number."""

    ndim = 0

    def __init__(self, value: Any, problem: Exception | None = None) -> None:
        self.value, self.problem = value, problem

    def __len__(self) -> int:
        raise TypeError("no axes")

    def __float__(self) -> float:
        return float(self.value)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray[Any, Any]:
        if self.problem is not None:
            raise self.problem
        return np.asarray(self.value)


def test_arrays_without_axes_are_numbers() -> None:
    model = gradc.compile("input x = 1, k: int = 1, b: bool = 1 < 2\ny = if b then x*k else 0")
    assert model(x=Zero(2.5))["y"] == model(x=Zero(2.5, RuntimeError("needs gradients")))["y"] == 2.5
    assert model(k=Zero(2))["y"] == 2
    assert model(b=Zero(False))["y"] == 0
    assert "truth value" in fails(lambda: model(x=Zero(True)), "E0603")
    assert "not 2.5" in fails(lambda: model(k=Zero(2.5)), "E0603")


def test_numbers_and_arrays_are_not_mixed_up() -> None:
    model = gradc.compile("input x[n], c, k: int = 1\ny = sum(x)*c*k\noutput y")
    assert model(x=[1, 2], c=np.array(2.0), k=np.array(3))["y"] == 18
    assert type(model(x=[1, 2], c=np.float64(2))["y"]) is float
    assert "model.map" in fails(lambda: model(x=[1, 2], c=[2.0]), "E0606")
    assert "not a single number" in fails(lambda: model(x=2.0, c=2.0))
    assert "model.map" in fails(lambda: model(x=[[1.0, 2.0], [3.0, 4.0]], c=2.0))
    assert "reshape(2)" in fails(lambda: model(x=[[1.0], [2.0]], c=2.0))
    assert "`x` is computed" not in fails(lambda: model(x=[1], c=1, y=1), "E0602")


# Columns of data frames ----------------------------------------------------------------------------------------------


def test_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": [1.0, 2.0], "c": ["u", "v"], "d": [1.0, None]})
    assert VECTOR(x=frame["a"])["z"].tolist() == [1, 2]
    assert VECTOR(x=frame["b"][::-1])["z"].tolist() == [2, 1]
    assert MATRIX(A=frame[["a", "b"]])["B"].tolist() == [[1, 2], [1, 2]]
    assert VECTOR(x=pandas.Index([1.0, 2.0]))["z"].tolist() == [1, 2]
    assert VECTOR(x=pandas.Series([1, 2], dtype="Int64"))["z"].tolist() == [1, 2]
    assert INTEGERS(k=pandas.Series([1.0, 2.0]))["j"].tolist() == [1, 2]
    # What pandas itself stores as NaN is a number.
    assert np.isnan(VECTOR(x=frame["d"])["z"]).tolist() == [False, True]
    assert "[1] is missing" in fails(lambda: VECTOR(x=pandas.Series([1, None, 2], dtype="Int64")))
    fails(lambda: VECTOR(x=frame["c"]))
    fails(lambda: VECTOR(x=frame))
    assert VECTOR.map(x=frame[["a", "b"]])["z"].tolist() == [[1, 1], [2, 2]]


def test_polars() -> None:
    polars = pytest.importorskip("polars")
    assert VECTOR(x=polars.Series([1, 2]))["z"].tolist() == [1, 2]
    assert MATRIX(A=polars.DataFrame({"a": [1, 2], "b": [3.0, 4.0]}))["B"].tolist() == [[1, 2], [3, 4]]
    assert "null" in fails(lambda: VECTOR(x=polars.Series([1.0, None])))
    assert "2 of its elements" in fails(lambda: VECTOR(x=polars.Series([None, 1, None])))
    fails(lambda: VECTOR(x=polars.Series(["a"])))


def test_pyarrow() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    assert VECTOR(x=pyarrow.array([1.0, 2.0]))["z"].tolist() == [1, 2]
    assert VECTOR(x=pyarrow.chunked_array([[1], [2]]))["z"].tolist() == [1, 2]
    assert "null" in fails(lambda: VECTOR(x=pyarrow.array([1.0, None])))


def test_rows_without_gaps() -> None:
    model = gradc.compile("input x\ny = 2*x")
    assert model.map(x=np.ma.array([1.0, 2.0]))["y"].tolist() == [2, 4]
    assert "masked" in fails(lambda: model.map(x=np.ma.array([1.0, 2.0], mask=[0, 1])), "E0603")
    assert "masked" in fails(lambda: VECTOR.map(x=np.ma.array([[1.0, 2.0]], mask=[[0, 1]])))
    fails(lambda: VECTOR.map(x=[[1.0], [1.0, 2.0]]))


def test_rows_of_arrays() -> None:
    model = gradc.compile(
        "input x[n], k[m]: int, c, q: int = 1\ny = sum(x)*c + q\nz = x[k[0]]\nw = [1.0 for i in 0..n//q]"
    )
    found = model.map(x=[[1, 2], [3, 4], [5, 6]], k=[0, 1], c=[1, 10, 100])
    assert found["y"].tolist() == [4, 71, 1101]
    assert found["z"].tolist() == [1, 3, 5]
    assert "`k[0]` is 2, in row 1" in fails(lambda: model.map(x=[[1, 2]] * 2, k=[[0, 1], [2, 0]], c=1), "E0611")
    assert "has 3 rows" in fails(lambda: model.map(x=[[1, 2]] * 2, k=[0, 1], c=[1, 2, 3]), "E0607")
    assert "the same in all rows" in fails(lambda: model.map(x=[1, 2], k=[0, 1], c=[1, 2], q=[1, 2]), "E0607")
    clash = gradc.compile("input x[n], k[n]\ny = x @ k")
    assert "the size n is 2" in fails(lambda: clash.map(x=[[1, 2]] * 2, k=[0, 1, 0]), "E0615")
    value, gradients = gradc.compile("input x[n], c\nL = sum(x^2)*c").value_and_grad("L").map(x=[[1, 2], [3, 4]], c=2)
    assert value.tolist() == [10, 50]
    assert gradients["x"].tolist() == [[4, 8], [12, 16]]
    assert gradients["c"].tolist() == [5, 25]


# What comes back -----------------------------------------------------------------------------------------------------


def test_results_are_the_callers_own() -> None:
    model = gradc.compile("input x[n], A[n, n]\ny = x\nz = A.T\nI = eye(n)\nJ = I\nk = [3, 4]\noutput x, y, z, I, J, k")
    x, a = np.arange(2.0), np.ones((2, 2))
    first = model(x=x, A=a)
    for name, value in first.items():
        assert not np.shares_memory(value, x), name
        assert not np.shares_memory(value, a), name
        assert not any(np.shares_memory(value, other) for key, other in first.items() if key != name), name
        assert value.flags.writeable
        value[...] = 99
    second = model(x=x, A=a)
    assert x.tolist() == [0, 1]
    assert second["x"].tolist() == second["y"].tolist() == [0, 1]
    assert second["I"].tolist() == second["J"].tolist() == [[1, 0], [0, 1]]
    assert second["k"].tolist() == [3, 4]


def test_single_numbers_are_pythons() -> None:
    model = gradc.compile(
        "input x[n], k[n]: int\ns = sum(x)\nc = x[0] > 0\nj = k[0]\na = argmax(x)\nm = n\ndot_ = x @ x"
    )
    found = model(x=[1.0, 2.0], k=[3, 4])
    assert [type(found[name]) for name in ("s", "c", "j", "a", "m", "dot_")] == [float, bool, int, int, int, float]
    gradient = model.grad("s", "x")(x=[1.0, 2.0], k=[3, 4])["grad(s, x)"]
    assert gradient.dtype == np.float64
    assert gradient.tolist() == [1, 1]
    value, gradients = model.value_and_grad("dot_", ["x"])(x=[1.0, 2.0], k=[3, 4])
    assert type(value) is float
    assert (value, gradients["x"].tolist()) == (5, [2, 4])


@settings(max_examples=60, deadline=None)
@given(array_texts(), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32))
def test_inputs_are_never_changed(text: Text, n: int, m: int, seed: int) -> None:
    values = {name: value for name, value in random_inputs(n, m, seed).items() if name not in ("n", "m")}
    before = {name: np.copy(value) for name, value in values.items()}
    for value in values.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    model = gradc.compile(text.source)
    for each in (model, model.grad("s0", "w") if "s0" in model.outputs else model):
        try:
            first = each(values)
        except gradc.CallError:
            continue
        for result in first.values():
            assert not any(np.shares_memory(result, value) for value in values.values())
        kept = {name: np.copy(result) for name, result in first.items()}
        for result in first.values():
            if isinstance(result, np.ndarray):
                result[...] = 77
        for name, value in values.items():
            np.testing.assert_array_equal(value, before[name])
        again = each(values)
        for name, result in kept.items():
            np.testing.assert_array_equal(again[name], result)
            # What one call gave is not touched by the next.
            assert not isinstance(first[name], np.ndarray) or (first[name] == 77).all()


# Sizes ---------------------------------------------------------------------------------------------------------------


def test_sizes_that_are_given() -> None:
    text = "input x[n], y[m]\nz = n*sum(x) + m*sum(y)\noutput z"
    model = gradc.compile(text, sizes={"n": 2})
    assert model(x=[1, 1], y=[1])["z"] == gradc.compile(text)(x=[1, 1], y=[1])["z"] == 5
    assert repr(model) == "<gradc.Model x[2], y[m] -> z>"
    assert "compiled for n = 2" in fails(lambda: model(x=[1], y=[1]), "E0615")
    assert gradc.compile(text, sizes={"n": np.int64(2)}).options.sizes == {"n": 2}
    assert gradc.compile("input x[n₁]\ny = n₁", sizes={"n₁": 3})(x=[1, 2, 3])["y"] == 3
    for wrong in (2.0, "2", True, None):
        with pytest.raises(TypeError):
            gradc.compile(text, sizes={"n": wrong})
    with pytest.raises(ValueError, match="0 or more"):
        gradc.compile(text, sizes={"n": -1})
    with pytest.raises(gradc.CompileError, match="no size"):
        gradc.compile(text, sizes={"q": 1})
    whole = gradc.compile("input n: int\ny = [1.0 for i in 0..n]", sizes={"n": 3})
    assert whole(n=3)["y"].tolist() == [1, 1, 1]
    fails(lambda: whole(n=4), "E0616")


def test_a_default_that_fits_any_size() -> None:
    model = gradc.compile("input a[n] = 1, b[m] = 2, c[n, m] = 3\ns = sum(a) + 10*sum(b) + 100*n + 1000*m\noutput s, a")
    # Whichever array gives a size, the plan is that of the sizes and not of the order in which they were found.
    assert model(a=[1, 1, 1], b=[1, 1])["s"] == 3 + 20 + 300 + 2000
    assert model(c=np.ones((2, 3)))["s"] == 2 + 60 + 200 + 3000
    assert model(b=[1, 1, 1], c=np.ones((2, 3)))["s"] == 2 + 30 + 200 + 3000
    found = model(c=np.ones((2, 3)))["a"]
    assert found.tolist() == [1, 1]
    found[0] = 5
    assert model(c=np.ones((2, 3)))["a"].tolist() == [1, 1]
    assert "nothing gives the size `m`" in fails(lambda: model(a=[1]), "E0615")


def test_a_size_of_textual_ir_that_no_input_has(tmp_path: Path) -> None:
    path = tmp_path / "sizes.gir"
    path.write_text(
        """gradc-ir 1
file 0 "<text>"
%0 = input "x" : f64[n]
%1 = index {index = i: m} : int{i: m}
%2 = float %1 : f64{i: m}
%3 = sum %2 {axes = [], over = [i: m]} : f64
output "y" = %3
"""
    )
    assert "nothing gives the size `m`" in fails(lambda: gradc.load(path)(x=[1, 2]), "E0615")
    assert gradc.load(path, sizes={"m": 4})(x=[1, 2])["y"] == 6


# Models --------------------------------------------------------------------------------------------------------------

LAYER = "input A[n, m], b[m]\nparam c = 2\nz = A @ b*c\nL = sum(z^2)\noutput L, z"


def check(model: Any, n: int, m: int, seed: int) -> None:
    """A value and its gradients for arrays of these sizes."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, m)), rng.normal(size=m)
    value, found = model(A=a, b=b)
    z = 2 * a @ b
    np.testing.assert_allclose(value, z @ z, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found["A"], np.outer(4 * z, b), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found["b"], 4 * a.T @ z, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found["c"], z @ z, rtol=1e-12, atol=1e-12)


def test_threads_share_a_model() -> None:
    model = gradc.compile(LAYER).value_and_grad("L", ["A", "b", "c"])
    problems: list[BaseException] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(40):
                n, m = rng.integers(0, 7, 2)
                check(model, int(n), int(m), seed)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_plans_are_kept_for_some_sizes_only() -> None:
    model = gradc.compile("input x[n], k: int\ny = sum(x)*k")
    for n in range(40):
        assert model(x=np.ones(n), k=2)["y"] == 2 * n
    plans = [key for key in model._cache if key[0] == "plan"]
    assert len(plans) <= 16
    # An integer that is no size has no plan of its own.
    before = len(model._cache)
    for k in range(10):
        assert model(x=np.ones(39), k=k)["y"] == 39 * k
    assert len(model._cache) == before


def test_pickles_hold_models_of_arrays() -> None:
    model = gradc.compile(LAYER, sizes={"m": 3}, max_memory=10**9, debug_nans=True)
    copy = pickle.loads(pickle.dumps(model))
    assert repr(copy) == repr(model) == "<gradc.Model A[n, 3], b[3], c -> L, z[n]>"
    assert copy.options == model.options
    assert copy(A=np.ones((2, 3)), b=np.ones(3))["z"].tolist() == [6, 6]
    check(pickle.loads(pickle.dumps(gradc.compile(LAYER).value_and_grad("L", ["A", "b", "c"]))), 2, 3, 0)


def test_names_and_shapes() -> None:
    model = gradc.compile(LAYER)
    assert repr(model) == "<gradc.Model A[n, m], b[m], c -> L, z[n]>"
    assert repr(model.grad("L", "A")) == "<gradc.Model A[n, m], b[m], c -> grad(L, A)[n, m]>"
    assert model.inputs == ("A", "b", "c")
    # Without names, outputs that are arrays are left out.
    assert model.grad().outputs == ("grad(L, c)",)
    assert "jacobian" in fails(lambda: model.grad("z"), "E0609")
    assert "jacobian" in fails(lambda: model.grad(["L", "z"], "b"), "E0609")
    assert "jacobian" in fails(lambda: gradc.compile("input x[n]\ny = 2*x").grad(), "E0609")
    assert "`b`" in fails(lambda: model.grad("L", "B"), "E0608")
    assert "`A`" in fails(lambda: model.value_and_grad("L", "a"), "E0608")
