"""The text of the diagnostics that a run of a program over arrays may end with, and a request for its derivatives."""

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
LARGEST = compiled("input x[n], c = 0\na = max(x)\nb = min(x[i] for i if x[i] > c)\noutput a, b")
PLACE = compiled("input x[n]\na = argmin(x)")
MATRIX = compiled("input A[n, n], b[n]\nx = solve(A, b)\noutput x")
STACK = compiled("input S[m, d, d], b[d], on[m]\nx = [if on[k] > 0 then solve(S[k], b)[0] else 0 for k]")
SUMS = compiled("input X[n, m]: int, on[n]\ns = [if on[i] > 0 then sum(X[i]) else 0 for i]")
ROOT = compiled("input A[n, n]\nR = cholesky(A)")
WHOLE = compiled("input a[n]: int, b[n]: int\nc = a*b\nd = a // b\noutput c, d")
PAIRS = compiled("input x[n]\nK = [sin(x[i]*x[j]) for i, j]\noutput K", max_memory=1_000_000)
TWICE = compiled("input x[n]\na = sin(x)\nb = cos(x)\nc = tan(x)\noutput a, b, c", max_memory=20_000)
LOGS = compiled("input x[n]\ny = sum(log(x[i]) for i)\noutput y", debug_nans=True)
RATIO = compiled("input a, b\nc = a - b\nd = c / c\noutput d", debug_nans=True)
LATE = compiled("input A[n, n]\nB[i, j] = A[i, j] / A[j, i] for i in 0..n, j in 1..n\noutput B", debug_nans=True)
BEND = compiled("input x[n]\ny = sum(sqrt(x)*0)\noutput y", debug_nans=True, level=0)
MIXED = compiled("input X[n, 2]\nr = X @ [1.0, -1.0]\noutput r", debug_nans=True)

I3 = np.eye(3)


CASES: list[tuple[Callable[[], Any], str]] = [
    # Indices
    (
        lambda: READ(x=[1.0, 2.0], A=np.ones((2, 2)), idx=[0, 1, 7]),
        """error[E0611]: the index 7 is out of range
 --> m.grad:2:9
  |
2 | s = sum(x[idx[p]] for p)
  |         ^^^^^^^^^ `x` has 2 elements, 0 to 1; `idx[2]` is 7""",
    ),
    (
        lambda: READ(x=[1.0, 2.0], A=np.ones((2, 2)), idx=[0, -1]),
        """error[E0611]: the index -1 is out of range
 --> m.grad:2:9
  |
2 | s = sum(x[idx[p]] for p)
  |         ^^^^^^^^^ `x` has 2 elements, 0 to 1; `idx[1]` is -1
  = help: an index that is computed or data does not count from the end; only a written one does, as in `x[-1]`""",
    ),
    (
        lambda: READ(x=[], A=np.ones((0, 2)), idx=[]),
        """error[E0611]: the index 1 is out of range
 --> m.grad:3:5
  |
3 | t = A[1, k] + x[k + 1]
  |     ^^^^^^^ axis 0 of `A` has no elements""",
    ),
    (
        lambda: READ(x=[1.0, 2.0], A=np.ones((2, 2)), idx=[0], k=2),
        """error[E0611]: the index 2 is out of range
 --> m.grad:3:5
  |
3 | t = A[1, k] + x[k + 1]
  |     ^^^^^^^ axis 1 of `A` has 2 elements, 0 to 1; `k` is 2""",
    ),
    (
        lambda: READ(x=[1.0, 2.0], A=np.ones((2, 2)), idx=[0], k=1),
        """error[E0611]: the index 2 is out of range
 --> m.grad:3:15
  |
3 | t = A[1, k] + x[k + 1]
  |               ^^^^^^^^ `x` has 2 elements, 0 to 1""",
    ),
    # Nothing there
    (
        lambda: LARGEST(x=[]),
        """error[E0612]: the maximum of no elements is asked for
 --> m.grad:2:5
  |
2 | a = max(x)
  |     ^^^^^^ no elements here
  = help: say what holds then, as in `if n > 0 then max(x) else 0`""",
    ),
    (
        lambda: LARGEST(x=[-1.0]),
        """error[E0612]: the maximum, minimum or mean of no elements is asked for
 --> m.grad:3:5
  |
3 | b = min(x[i] for i if x[i] > c)
  |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^ no elements here
  = help: say what holds then, as in `if n > 0 then max(x) else 0`""",
    ),
    (
        lambda: PLACE(x=[]),
        """error[E0612]: the place of the minimum of no elements is asked for
 --> m.grad:2:5
  |
2 | a = argmin(x)
  |     ^^^^^^^^^ no elements here
  = help: say what holds then, as in `if n > 0 then max(x) else 0`""",
    ),
    # Matrices and integers
    (
        lambda: MATRIX(A=[[1, 2], [2, 4]], b=[1, 1]),
        """error[E0613]: the matrix is singular
 --> m.grad:2:5
  |
2 | x = solve(A, b)
  |     ^^^^^^^^^^^ no result here""",
    ),
    (
        lambda: ROOT(A=[[1, 2], [2, 1]]),
        """error[E0613]: the matrix is not positive definite
 --> m.grad:2:5
  |
2 | R = cholesky(A)
  |     ^^^^^^^^^^^ no result here
  = help: a covariance with noise on its diagonal is safe: `A + 1e-8*eye(n)`""",
    ),
    (
        lambda: STACK(S=[I3, I3 * 0], b=[1, 2, 3], on=[1, 1]),
        """error[E0613]: the matrix is singular
 --> m.grad:2:24
  |
2 | x = [if on[k] > 0 then solve(S[k], b)[0] else 0 for k]
  |                        ^^^^^^^^^^^^^^ no result for k = 1""",
    ),
    (
        lambda: SUMS(X=[[1, 2], [2**62, 2**62]], on=[0, 1]),
        """error[E0604]: an integer grows beyond 64 bits
 --> m.grad:2:24
  |
2 | s = [if on[i] > 0 then sum(X[i]) else 0 for i]
  |                        ^^^^^^^^^ the result does not fit for i = 1
  = help: write one of the numbers with a point, as in `2.0`, to calculate with real numbers""",
    ),
    (
        lambda: WHOLE(a=[1, 2**62], b=[1, 2]),
        """error[E0604]: an integer grows beyond 64 bits
 --> m.grad:2:5
  |
2 | c = a*b
  |     ^^^ the result does not fit at [1]
  = help: write one of the numbers with a point, as in `2.0`, to calculate with real numbers""",
    ),
    (
        lambda: WHOLE(a=[1, 2], b=[1, 0]),
        """error[E0605]: an integer is divided by zero
 --> m.grad:3:5
  |
3 | d = a // b
  |     ^^^^^^ the divisor is 0 at [1]""",
    ),
    # Memory
    (
        lambda: PAIRS(x=np.ones(1000)),
        """error[E0617]: an array [1000, 1000] needs 8 MB of memory, and 1 MB may be used
 --> m.grad:2:10
  |
2 | K = [sin(x[i]*x[j]) for i, j]
  |          ^^^^^^^^^ this array
  = help: `max_memory=` in Python, `--max-memory` on the command line say how much may be used""",
    ),
    (
        lambda: TWICE(x=np.ones(1000)),
        """error[E0617]: the arrays of a run need 24 kB of memory, and 20 kB may be used
 --> m.grad:4:5
  |
4 | c = tan(x)
  |     ^^^^^^ an array [1000] is made here
  = help: `max_memory=` in Python, `--max-memory` on the command line say how much may be used""",
    ),
    # NaN
    (
        lambda: LOGS(x=[1.0, -2.0, -3.0]),
        """error[E0618]: an operation makes NaN of numbers
 --> m.grad:2:9
  |
2 | y = sum(log(x[i]) for i)
  |         ^^^^^^^^^ log(-2.0) is NaN for i = 1
  = help: an `if` keeps it out, of derivatives too: `if x > 0 then log(x) else 0`""",
    ),
    (
        lambda: RATIO(a=1, b=1),
        """error[E0618]: an operation makes NaN of numbers
 --> m.grad:3:5
  |
3 | d = c / c
  |     ^^^^^ 0.0 / 0.0 is NaN
  = help: an `if` keeps it out, of derivatives too: `if x > 0 then log(x) else 0`""",
    ),
    (
        lambda: LATE(A=[[1, 2], [3, 0]]),
        """error[E0618]: an operation makes NaN of numbers
 --> m.grad:2:11
  |
2 | B[i, j] = A[i, j] / A[j, i] for i in 0..n, j in 1..n
  |           ^^^^^^^^^^^^^^^^^ 0.0 / 0.0 is NaN for i = 1, j = 1
  = help: an `if` keeps it out, of derivatives too: `if x > 0 then log(x) else 0`""",
    ),
    (
        lambda: BEND.grad("y")(x=[1.0, 0.0]),
        """error[E0618]: an operation makes NaN of numbers, in the derivative of `y`
 --> m.grad:2:9
  |
2 | y = sum(sqrt(x)*0)
  |         ^^^^^^^ 0.0 * inf is NaN at [1]
  = help: an `if` keeps it out, of derivatives too: `if x > 0 then log(x) else 0`""",
    ),
    (
        lambda: MIXED(X=[[1, 2], [np.inf, np.inf]]),
        """error[E0618]: an operation makes NaN of numbers
 --> m.grad:2:5
  |
2 | r = X @ [1.0, -1.0]
  |     ^^^^^^^^^^^^^^^ this is NaN at [1]""",
    ),
    # Derivatives
    (
        lambda: FIT.grad("r", "w"),
        """error[E0609]: `r` is an array [n]; a gradient is that of a number
  = help: name a number in the program, as in `L = sum(y^2)`; `jacobian(y, x)` there has all derivatives""",
    ),
    (
        lambda: FIT.value_and_grad("r"),
        """error[E0609]: `r` is an array [n]; a gradient is that of a number
  = help: name a number in the program, as in `L = sum(y^2)`; `jacobian(y, x)` there has all derivatives""",
    ),
    (
        lambda: compiled("input x[n]\ny = 2*x").grad(),
        """error[E0609]: all real outputs of the program are arrays; a gradient is that of a number
  = help: name a number in the program, as in `L = sum(y^2)`; `jacobian(y, x)` there has all derivatives""",
    ),
    (
        lambda: FIT.grad("L", "W"),
        """error[E0608]: the program has no name `W`
  = help: a similar name exists: `w`""",
    ),
    (
        lambda: READ.grad("s", "idx"),
        "error[E0609]: `idx` is an integer, which cannot be differentiated by",
    ),
]


@pytest.mark.parametrize(("call", "text"), CASES)
def test_text(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(Error) as caught:
        call()
    assert str(caught.value) == text
