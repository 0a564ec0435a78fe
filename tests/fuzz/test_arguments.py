"""Anything at all may be passed for an input: the call gives results or a diagnostic, never another exception."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import gradc

PROGRAMS = [
    gradc.compile("input A[n, m], x[n], k[n]: int, on[m]: bool, c = 1, q: int = 2\n" + body)
    for body in (
        "y = sum(A[i, j]*x[i] for i, j if on[j])*c\nz = [A[k[i], 0] for i]\nL = y\noutput L, z",
        "z = x[1:] - A[:q, 0]\nL = max(A) + mean(x)*c\noutput L, z",
        "B = A[:n, :n]\ns = solve(B + eye(n)*c, x)\nL = sum(s) + (if on[0] then 1/c else 0)\noutput L, s",
        "z = [x[i]*q for i in 0..n//2]\nt = reshape(A, n*m)\nL = sum(z) + logsumexp(t)\noutput L, t",
    )
]


class Faulty:
    """Fails at everything that it is asked."""

    def _fail(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no")

    __array__ = __float__ = __int__ = __len__ = __iter__ = __repr__ = __bool__ = __eq__ = __index__ = _fail
    __hash__ = object.__hash__


KINDS = ["f8", "f4", "f2", "g", "i8", "i1", "u8", "?", "c16", "U2", "S2", "M8[D]", "m8[s]", "O", ">f8", "V4"]


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """An array of any type and of a small shape, perhaps a view, read-only, masked or of another class."""
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    kind = draw(st.sampled_from(KINDS))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    values = rng.integers(-1, 3, shape)
    array = np.zeros(shape, kind) if kind[0] in "VMm" else values.astype(kind)
    how = draw(st.sampled_from(["plain", "readonly", "reversed", "transposed", "masked", "list", "matrix", "nan"]))
    if how == "readonly":
        array.flags.writeable = False
    elif how == "reversed" and array.ndim:
        array = array[::-1]
    elif how == "transposed":
        array = array.T
    elif how == "masked":
        array = np.ma.array(array, mask=rng.random(shape) < 0.3)
    elif how == "list":
        return array.tolist()
    elif how == "matrix" and array.ndim == 2:
        array = array.view(np.matrix)
    elif how == "nan" and array.dtype.kind == "f":
        array = np.where(rng.random(shape) < 0.3, rng.choice([np.nan, np.inf, 1e300]), array)
    return array


ODD: list[Any] = [
    *(None, True, 3, -1, 2.5, 1j, 10**400, 2**63, Decimal("NaN"), Fraction(1, 3), "x", b"x", ..., len, object()),
    *({}, {1}, range(3), memoryview(b"ab"), Faulty(), np.float32(2), np.datetime64("2020-01-01"), np.str_("3")),
    *([[1], [1, 2]], [1, [2]], [None], [np.nan], [[]], [Faulty()], [[], [1]], (), iter([1.0]), np.ma.masked),
]


def anything() -> st.SearchStrategy[Any]:
    """Arrays mostly, and what else Python has."""
    # By their places: Hypothesis shows what it draws from, and some of these fail to.
    odd = st.integers(0, len(ODD) - 1).map(lambda at: ODD[at])
    return st.one_of(arrays(), arrays(), odd, st.lists(st.floats(width=32), max_size=3))


def said(call: Any, values: dict[str, Any]) -> str | None:
    """The text of the diagnostic, if the call ends in one."""
    try:
        call(values)
    except gradc.CallError as problem:
        return str(problem)
    return None


def fitting(n: int, m: int, rng: np.random.Generator) -> dict[str, Any]:
    """Values that go together, so that one that does not is met alone."""
    return {
        "A": rng.normal(size=(n, m)),
        "x": rng.normal(size=n),
        "k": rng.integers(-1, max(n, 1), n),
        "on": rng.random(m) < 0.5,
    }


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_anything(data: st.DataObject) -> None:
    model = data.draw(st.sampled_from(PROGRAMS))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    values: dict[str, Any] = {}
    if data.draw(st.booleans()):
        values = fitting(data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3)), rng)
    for name in data.draw(st.lists(st.sampled_from(["A", "x", "k", "on", "c", "q"]), max_size=2, unique=True)):
        values[name] = data.draw(anything())
    calls = [model, model.map, model.value_and_grad("L", ["A", "x"]), model.value_and_grad("L", "c").map]
    with np.errstate(all="raise"):
        call = data.draw(st.sampled_from(calls))
        assert said(call, values) != ""
