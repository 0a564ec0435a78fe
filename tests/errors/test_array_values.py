"""The text of the diagnostics about arrays that a caller passes, and their sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
from gradc.errors import Error


def compiled(text: str, **options: Any) -> gradc.Model:
    return gradc.compile(text, name="m.grad", **options)


FIT = compiled("input X[n, d], y[n]\nparam w[d] = 0.5\nr = X @ w - y\nL = sum(r^2)\noutput L, r")
READ = compiled("input x[n], A[n, 2], idx[m]: int, k: int = 0\ns = sum(x[idx[p]] for p)\nt = A[1, k] + x[k + 1]")
MARKED = compiled("input on[n]: bool, x[n] = 1\nc = sum(if on[i] then x[i] else 0 for i)")
ENDS = compiled("input x[n], y[m]\nd = x[1:] - y\ne = x[2:]")
MATRIX = compiled("input A[n, n], b[n]\nx = solve(A, b)\noutput x")
SEVEN = compiled("input x[n], y[n + 1]\nz = x[2]*y[0]", sizes={"n": 7})
COUNT = compiled("input n: int\nz = [1/(i + 1) for i in 0..n]")

I3 = np.eye(3)


class Strange:
    """An array of somebody else's that fails."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise KeyError("gone")


CASES: list[tuple[Callable[[], Any], str]] = [
    # Whose arrays
    (
        lambda: FIT(X=[1.0, 2.0], y=[1.0]),
        """error[E0614]: `X` takes an array [n, d], not [2]
 --> m.grad:1:7
  |
1 | input X[n, d], y[n]
  |       ^ declared here""",
    ),
    (
        lambda: FIT(X=I3, y=[[1.0], [2.0], [3.0]]),
        """error[E0614]: `y` takes an array [n], not [3, 1]
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ declared here
  = help: drop the axes of one element: `y.reshape(3)`""",
    ),
    (
        lambda: FIT(X=I3, y=2.0),
        """error[E0614]: `y` takes an array [n], not a single number
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ declared here""",
    ),
    (
        lambda: FIT(X=np.ones((2, 3, 3)), y=[1.0, 2.0, 3.0]),
        """error[E0614]: `X` takes an array [n, d], not [2, 3, 3]
 --> m.grad:1:7
  |
1 | input X[n, d], y[n]
  |       ^ declared here
  = help: to run the program over rows, write `model.map(…)` in place of `model(…)`""",
    ),
    (
        lambda: FIT(X=[[1, 2], [3]], y=[1]),
        """error[E0614]: `X` takes an array, and lists of different lengths make none
 --> m.grad:1:7
  |
1 | input X[n, d], y[n]
  |       ^ declared here""",
    ),
    (
        lambda: FIT(X=[[1, 2], 3], y=[1]),
        """error[E0614]: `X` takes an array, and lists of different lengths make none
 --> m.grad:1:7
  |
1 | input X[n, d], y[n]
  |       ^ declared here""",
    ),
    (
        lambda: FIT(X="1, 2", y=[1]),
        """error[E0614]: `X` takes an array [n, d], not '1, 2' (str)
 --> m.grad:1:7
  |
1 | input X[n, d], y[n]
  |       ^ declared here""",
    ),
    (
        lambda: FIT(X=I3, y={1.0, 2.0}),
        """error[E0614]: `y` takes an array [n], not {1.0, 2.0} (set)
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ declared here
  = help: a set has no order: pass a list""",
    ),
    (
        lambda: FIT(X=I3, y=iter([1.0])),
        """error[E0614]: `y` takes an array [n], not a value of type list_iterator
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ declared here
  = help: make a list of it""",
    ),
    (
        lambda: FIT(X=I3, y=[1.0, None, 2.0]),
        """error[E0614]: `y[1]` takes a number, not None
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ declared here""",
    ),
    (
        lambda: FIT(X=I3, y=["1", "2", "3"]),
        """error[E0614]: `y` takes numbers, not text
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ declared here""",
    ),
    (
        lambda: FIT(X=I3 + 0j, y=[1, 2, 3]),
        """error[E0614]: `X` takes numbers, not complex numbers
 --> m.grad:1:7
  |
1 | input X[n, d], y[n]
  |       ^ declared here
  = help: pass the real and the imaginary parts as two arrays""",
    ),
    (
        lambda: FIT(X=I3, y=[True, False, True]),
        """error[E0614]: `y` takes numbers, not truth values
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ declared here
  = help: pass `y.astype(float)` to count true as 1""",
    ),
    (
        lambda: FIT(X=I3, y=np.array(["2020-01-01"] * 3, "datetime64[D]")),
        """error[E0614]: `y` takes numbers, not dates
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ declared here""",
    ),
    (
        lambda: FIT(X=I3, y=np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])),
        """error[E0614]: `y` takes an array without gaps, and the element [1] is masked
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ declared here
  = help: fill or drop what is missing""",
    ),
    (
        lambda: FIT(X=I3, y=[1.0, 10**400, 3.0]),
        """error[E0614]: `y[1]` takes a number that fits 64 bits, not 1000000000000000000000000000000000000… (int)
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ declared here""",
    ),
    (
        lambda: FIT(X=I3, y=Strange()),
        """error[E0614]: `y` takes an array, and a value of type Strange makes none
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ declared here
  = help: 'gone'""",
    ),
    (
        lambda: READ(x=[1.0], A=[[1, 2]], idx=[0, 1.5]),
        """error[E0614]: `idx` takes integers, and `idx[1]` is 1.5
 --> m.grad:1:22
  |
1 | input x[n], A[n, 2], idx[m]: int, k: int = 0
  |                      ^^^ declared here""",
    ),
    (
        lambda: READ(x=[1.0], A=[[1, 2]], idx=[0, np.nan]),
        """error[E0614]: `idx` takes integers, and `idx[1]` is nan
 --> m.grad:1:22
  |
1 | input x[n], A[n, 2], idx[m]: int, k: int = 0
  |                      ^^^ declared here""",
    ),
    (
        lambda: READ(x=[1.0], A=[[1, 2]], idx=np.array([0, 2**63], np.uint64)),
        """error[E0614]: `idx` takes integers of 64 bits, and `idx[1]` is 9223372036854775808
 --> m.grad:1:22
  |
1 | input x[n], A[n, 2], idx[m]: int, k: int = 0
  |                      ^^^ declared here""",
    ),
    (
        lambda: READ(x=[1.0], A=[[1, 2]], idx=[True]),
        """error[E0614]: `idx` takes integers, not truth values
 --> m.grad:1:22
  |
1 | input x[n], A[n, 2], idx[m]: int, k: int = 0
  |                      ^^^ declared here
  = help: pass `idx.astype(int)` to count true as 1""",
    ),
    (
        lambda: MARKED(on=[1, 0]),
        """error[E0614]: `on` takes truth values, not numbers
 --> m.grad:1:7
  |
1 | input on[n]: bool, x[n] = 1
  |       ^^ declared here
  = help: pass a comparison, as in `on != 0`""",
    ),
    (
        lambda: FIT(y=[1.0]),
        """error[E0601]: `X` has no value
 --> m.grad:1:7
  |
1 | input X[n, d], y[n]
  |       ^ declared here, with no default
  = help: pass an array [n, d] (on the command line `--data FILE`), or give it a default""",
    ),
    # Sizes
    (
        lambda: FIT(X=np.ones((3, 2)), y=np.ones(4)),
        """error[E0615]: the size n is 3 from `X`, and 4 from `y`
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ n is 4: `y` has the shape [4]
 ::: m.grad:1:7
  |
1 | input X[n, d], y[n]
  |       - n is 3: `X` has the shape [3, 2]""",
    ),
    (
        lambda: FIT(X=np.ones((3, 2)), y=np.ones(4), w=np.ones(5)),
        """error[E0615]: the size n is 3 from `X`, and 4 from `y`
 --> m.grad:1:16
  |
1 | input X[n, d], y[n]
  |                ^ n is 4: `y` has the shape [4]
 ::: m.grad:1:7
  |
1 | input X[n, d], y[n]
  |       - n is 3: `X` has the shape [3, 2]

error[E0615]: the size d is 2 from `X`, and 5 from `w`
 --> m.grad:2:7
  |
2 | param w[d] = 0.5
  |       ^ d is 5: `w` has the shape [5]
 ::: m.grad:1:7
  |
1 | input X[n, d], y[n]
  |       - d is 2: `X` has the shape [3, 2]""",
    ),
    (
        lambda: MATRIX(A=np.ones((2, 3)), b=[1.0, 2.0]),
        """error[E0615]: the size n is 2 from axis 0 of `A`, and 3 from axis 1
 --> m.grad:1:7
  |
1 | input A[n, n], b[n]
  |       ^ `A` has the shape [2, 3]""",
    ),
    (
        lambda: READ(x=[1.0, 2.0], A=np.ones((2, 3)), idx=[0]),
        """error[E0615]: `A` has 3 elements along axis 1, where 2 are due
 --> m.grad:1:13
  |
1 | input x[n], A[n, 2], idx[m]: int, k: int = 0
  |             ^ `A` has the shape [2, 3]""",
    ),
    (
        lambda: SEVEN(x=np.ones(6), y=np.ones(8)),
        """error[E0615]: `x` has 6 elements along axis 0, where 7 are due
 --> m.grad:1:7
  |
1 | input x[n], y[n + 1]
  |       ^ `x` has the shape [6]
  = help: the program was compiled for n = 7""",
    ),
    (
        lambda: compiled("param w[d] = 0.5\ns = sum(w)")(),
        """error[E0615]: nothing gives the size `d`
 --> m.grad:1:7
  |
1 | param w[d] = 0.5
  |       ^ its default fits any size
  = help: pass `w`, or an array whose shape gives d""",
    ),
    (
        lambda: ENDS(x=np.ones(3), y=np.ones(3)),
        """error[E0616]: n - 1 and m must be equal, and are 2 and 3
 --> m.grad:2:5
  |
2 | d = x[1:] - y
  |     ^^^^^^^^^ needed here
 ::: m.grad:1:13
  |
1 | input x[n], y[m]
  |             - m is 3: `y` has the shape [3]
 ::: m.grad:1:7
  |
1 | input x[n], y[m]
  |       - n is 3: `x` has the shape [3]""",
    ),
    (
        lambda: ENDS(x=[], y=[1.0]),
        """error[E0616]: n must be at least 1, and is 0
 --> m.grad:2:7
  |
2 | d = x[1:] - y
  |       ^^ needed here
 ::: m.grad:1:7
  |
1 | input x[n], y[m]
  |       - n is 0: `x` has the shape [0]

error[E0616]: n must be at least 2, and is 0
 --> m.grad:3:7
  |
3 | e = x[2:]
  |       ^^ needed here
 ::: m.grad:1:7
  |
1 | input x[n], y[m]
  |       - n is 0: `x` has the shape [0]""",
    ),
    (
        lambda: COUNT(n=-2),
        """error[E0616]: n must be at least 0, and is -2
 --> m.grad:1:7
  |
1 | input n: int
  |       ^ needed here""",
    ),
]


@pytest.mark.parametrize(("call", "text"), CASES)
def test_text(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(Error) as caught:
        call()
    assert str(caught.value) == text
