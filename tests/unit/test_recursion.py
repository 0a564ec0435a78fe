"""Functions that call themselves where that ends at compile time: values, derivatives, sharing, limits."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import gradc
from gradc.limits import Limits

MINORS = """
fn minor(A, n, row, columns) = if row == n then 1 else expand(A, n, row, columns, 0, 1, 1)
fn expand(A, n, row, columns, j, bit, sign) = (
  if j == n then 0
  else if columns//bit % 2 == 0 then expand(A, n, row, columns, j + 1, 2*bit, sign)
  else sign*A[row, j]*minor(A, n, row + 1, columns - bit) + expand(A, n, row, columns, j + 1, 2*bit, -sign)
)
fn whole(n) = if n == 0 then 0 else 2*whole(n - 1) + 1
fn determinant(A, n) = minor(A, n, 0, whole(n))
"""
BY_INDEX = """
fn determinant(A, n) = if n == 1 then A[0, 0] else sum(
  (-1)^j*A[0, j]*determinant([A[i + 1, if k < j then k else k + 1] for i in 0..n-1, k in 0..n-1], n - 1)
  for j in 0..n)
"""
BY_SLICES = """
fn determinant(A, n) = if n == 1 then A[0, 0] else row(A, n, 0)
fn row(A, n, j) = (
  if j == n then 0
  else (-1)^j*A[0, j]*determinant(concat(A[1:, :j], A[1:, j+1:], axis=1), n - 1) + row(A, n, j + 1)
)
"""
FIBONACCI = "fn fib(n) = if n < 2 then n else fib(n - 1) + fib(n - 2)\n"
FACTORIAL = "fn factorial(n) = if n == 0 then 1 else n*factorial(n - 1)\n"
POWER = """
fn power(x, n) = if n == 0 then 1 else if n % 2 == 0 then power(x*x, n//2) else x*power(x, n - 1)
"""


def run(text: str, options: dict[str, Any] | None = None, /, **values: Any) -> dict[str, Any]:
    """The outputs, the same at -O0 and -O2."""
    found = [gradc.compile(text, level=level, verify=True, **(options or {}))(values) for level in (0, 2)]
    for name, value in found[0].items():
        np.testing.assert_allclose(value, found[1][name], rtol=1e-12, atol=1e-14)
    return found[1]


def size(text: str, **options: Any) -> int:
    """How many nodes a program is."""
    return len(gradc.compile(text, **options).graph.nx)


def errors(text: str, *codes: str, **options: Any) -> tuple[gradc.Diagnostic, ...]:
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile(text, **options)
    assert [found.code for found in caught.value.diagnostics] == list(codes), str(caught.value)
    return caught.value.diagnostics


# What is known at compile time ---------------------------------------------------------------------------------------


def test_numbers_constants_and_sizes_end_a_recursion() -> None:
    assert run(FACTORIAL + "y = factorial(5)") == {"y": 120}
    assert run(FACTORIAL + "n = 5\ny = factorial(n + 1)") == {"y": 720}
    assert run(FACTORIAL + "input x[4]\ny = factorial(4)*sum(x)", x=[1, 0, 0, 0]) == {"y": 24}
    assert run(FACTORIAL + "input x[n]\ny = factorial(n)*sum(x)", {"sizes": {"n": 4}}, x=[1, 0, 0, 0]) == {"y": 24}
    assert run(FACTORIAL + "input k: int\ny = factorial(k)", {"sizes": {"k": 6}}, k=6) == {"y": 720}
    # Real constants, and booleans of them.
    assert run("fn halves(x) = if x < 0.1 or not x > -pi then 0 else 1 + halves(x/2)\ny = halves(3.5)") == {"y": 6}
    assert run("fn f(go, n) = if go and n < 9 then f(n < 3, n + 1) else n\ny = f(1 < 2, 0)") == {"y": 4}


def test_one_side_may_be_enough() -> None:
    text = "fn f(x, n) = if n == 0 or x > 9 and n < 0 then x else f(2*x, n - 1)\ninput x\ny = f(x, 3)"
    assert run(text, x=1) == {"y": 8}
    # For all sizes alike.
    assert run("fn f(x, n, m) = if n > m then x else f(x + 1, n + 1, m)\ninput z[k]\ny = f(0*sum(z), k, k)", z=[1]) == {
        "y": 1
    }
    assert run(
        "fn f(x, n) = if n < 0 then 1/0 else if n + 1 != n then x else f(x, n)\ninput z[k]\ny = f(z[0], k)", z=[5]
    ) == {"y": 5}
    # An int input may be negative, whatever it is called.
    assert run("input k: int\ny = if k >= 0 then 1 else 2", k=-1) == {"y": 2}


def test_branches_that_only_a_call_decides_may_hold_recursions_that_end() -> None:
    text = """
    fn simpson(a, b) = (b - a)/6*(exp(a) + 4*exp((a + b)/2) + exp(b))
    fn adaptive(a, b, whole, depth) {
      m = (a + b)/2
      left = simpson(a, m)
      right = simpson(m, b)
      fine = left + right
      return (if abs(fine - whole) < 1e-9 then fine
        else if depth == 0 then fine
        else adaptive(a, m, left, depth - 1) + adaptive(m, b, right, depth - 1))
    }
    input a = 0, b = 2
    y = adaptive(a, b, simpson(a, b), 5)
    g = grad(y, b)
    output y, g
    """
    found = run(text)
    assert found["y"] == pytest.approx(math.exp(2) - 1, rel=1e-7)
    assert found["g"] == pytest.approx(math.exp(2), rel=1e-6)


@pytest.mark.parametrize(
    "body",
    [
        "if n == 0 then x else [2*f(x, n - 1)[i] for i]",
        "[if n == 0 then x[i] else 2*f(x, n - 1)[i] for i]",
        "[if n > 0 then 2*f(x, n - 1)[i] else x[i] for i]",
    ],
)
def test_in_a_comprehension(body: str) -> None:
    found = run(f"fn f(x, n) = {body}\ninput x[m]\ny = f(x, 3)\ng = grad(sum(y), x)\noutput y, g", x=[1, 2])
    np.testing.assert_array_equal(found["y"], [8, 16])
    np.testing.assert_array_equal(found["g"], [8, 8])


def test_results_are_what_the_branch_is() -> None:
    # Whole numbers serve as indices and extents, several results are taken apart.
    assert run(FACTORIAL + "x = [0, 1, 2, 3, 4, 5, 6]\ny = x[factorial(3)]") == {"y": 6}
    assert run("fn two(n) = if n == 0 then 1 else 2*two(n - 1)\ny = sum(ones(two(4)))") == {"y": 16}
    text = "fn pair(n) { return n, n^2 }\nfn last(n) { q, r = if n == 0 then pair(7) else last(n - 1)\nreturn q, r }\n"
    assert run(text + "q, r = last(3)\noutput q, r") == {"q": 7, "r": 49}
    assert run("fn f(v, n) = if n == 0 then v else f(concat(v, v), n - 1)\nx = f([1, 2], 3)\ny = sum(x)") == {"y": 24}
    assert run("fn f(x, n = 3) = if n == 0 then x else f(x*x, n = n - 1)\ny = f(2)") == {"y": 256}


def test_the_other_branch_need_not_fit() -> None:
    assert run("fn f(x, n) = if n > 2 then x[n] else x[0]\ny = f([4, 5], 2)") == {"y": 4}
    assert run("y = if 1 < 2 then 3 else [1, 2] @ [1, 2, 3]") == {"y": 3}
    assert run("y = if 1 > 2 then sin([1]) else if 2 > 1 then 5 else 6") == {"y": 5}
    # What stands there only is used, and what nothing defines is not.
    assert gradc.compile("input x = 1, z = 2\ny = if 1 < 2 then x else z").warnings == ()
    errors("y = if 1 < 2 then 3 else tpyo", "E0201")
    errors("y = if 1 > 2 then sun(3) else 1", "E0203")
    errors("fn f(n) = if n == 0 then 1 else if n < 0 then g(n) + h else f(n - 1)\ny = f(20)", "E0203", "E0201")
    assert run("input x[3]\ny = if 1 < 2 then x[0] else sum(x[i] for i) + grad(x[1], x)[0]", x=[7, 8, 9]) == {"y": 7}


def test_functions_may_call_each_other() -> None:
    text = "fn even(n) = if n == 0 then 1 else odd(n - 1)\nfn odd(n) = if n == 0 then 0 else even(n - 1)\n"
    assert run(text + "y = even(8) + 10*even(3) + 100*odd(3)") == {"y": 101}
    # In a block, and by way of a third.
    text = """
    fn f(n) {
      fn a(k) = if k == 0 then 1 else 2*b(k)
      fn b(k) = c(k)
      fn c(k) = 3*a(k - 1)
      return a(n)
    }
    y = f(3)
    """
    assert run(text) == {"y": 216}
    # Only what is in a cycle may stand in any order; and a built-in function stays what it was.
    errors("fn f(x) = g(x)\nfn g(x) = x\ny = f(1)", "E0204")
    errors("fn f(n) = if n == 0 then 1 else g(n)\ny = f(2)\nfn g(n) = f(n - 1)", "E0204")
    model = gradc.compile("fn f(x) = sin(x)\nfn sin(x) = f(x) + 1\ny = sin(0)")
    assert model() == {"y": 1}


def test_in_a_file_that_is_used(tmp_path: Path) -> None:
    (tmp_path / "lib.grad").write_text(
        "fn even(n) = if n == 0 then 1 else odd(n - 1)\nfn odd(n) = if n == 0 then 0 else even(n - 1)\n", "utf-8"
    )
    (tmp_path / "main.grad").write_text('use "lib.grad"\ny = even(6)\n', "utf-8")
    assert gradc.load(tmp_path / "main.grad")() == {"y": 1}


def test_what_is_never_called_is_looked_through_all_the_same() -> None:
    assert run("fn f(x, n) = if n == 0 then x else f(x, n - 1)\ny = 1") == {"y": 1}
    assert run(MINORS + BY_INDEX.replace("determinant", "other") + "y = 1") == {"y": 1}
    errors("fn f(x, n) = if n == 0 then tpyo else f(x, n - 1)\ny = 1", "E0201")
    errors("fn f(x) = 2*f(x)\ny = 1", "E0304")


# Derivatives ---------------------------------------------------------------------------------------------------------


def test_powers() -> None:
    model = gradc.compile(POWER + "input x\ny = power(x, 13)\ng = grad(y, x)\nh = hessian(y, x)\noutput y, g, h")
    for x in (-1.5, 0.0, 0.7):
        found = model(x=x)
        assert found["y"] == pytest.approx(x**13, rel=1e-13)
        assert found["g"] == pytest.approx(13 * x**12, rel=1e-13)
        assert found["h"] == pytest.approx(156 * x**11, rel=1e-13)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 20])
def test_orthogonal_polynomials(n: int) -> None:
    text = f"""
    fn chebyshev(n, x) = if n == 0 then 1 else if n == 1 then x else 2*x*chebyshev(n-1, x) - chebyshev(n-2, x)
    fn legendre(n, x) = (
      if n == 0 then 1
      else if n == 1 then x
      else ((2*n - 1)*x*legendre(n - 1, x) - (n - 1)*legendre(n - 2, x))/n
    )
    input x
    T = chebyshev({n}, x) + 0*x
    P = legendre({n}, x) + 0*x
    dT = grad(T, x)
    dP = grad(P, x)
    ddP = grad(dP, x)
    output T, P, dT, dP, ddP
    """
    model = gradc.compile(text)
    with mpmath.workdps(30):
        for x in (-0.9, 0.25, 0.6):
            found = model(x=x)
            assert found["T"] == pytest.approx(float(mpmath.chebyt(n, x)), rel=1e-11, abs=1e-13)
            assert found["P"] == pytest.approx(float(mpmath.legendre(n, x)), rel=1e-11, abs=1e-13)
            slope = n * mpmath.chebyu(n - 1, x) if n else mpmath.mpf(0)
            assert found["dT"] == pytest.approx(float(slope), rel=1e-11, abs=1e-12)
            # (1 - x²) P' = n (P(n-1) - x P), and Legendre's equation.
            before = mpmath.legendre(n - 1, x) if n else mpmath.mpf(0)
            first = n * (before - x * mpmath.legendre(n, x)) / (1 - mpmath.mpf(x) ** 2)
            second = (2 * x * first - n * (n + 1) * mpmath.legendre(n, x)) / (1 - mpmath.mpf(x) ** 2)
            assert found["dP"] == pytest.approx(float(first), rel=1e-11, abs=1e-12)
            assert found["ddP"] == pytest.approx(float(second), rel=1e-10, abs=1e-11)


def test_derivatives_inside() -> None:
    """A derivative of a derivative, as deep as the recursion is."""
    text = "fn nth(x, n) = if n == 0 then sin(2*x)*exp(x) else grad(nth(x, n - 1), x)\ninput x = 0.3\n"
    found = run(text + "y = nth(x, 5)\ng = grad(y, x)\noutput y, g")
    with mpmath.workdps(30):
        exact = [mpmath.diff(lambda x: mpmath.sin(2 * x) * mpmath.exp(x), mpmath.mpf("0.3"), n) for n in (5, 6)]
    assert found["y"] == pytest.approx(float(exact[0]), rel=1e-12)
    assert found["g"] == pytest.approx(float(exact[1]), rel=1e-12)
    # By the parameter at each depth: x^4 has the slopes 4x³, 3x², … if each sees its own x alone.
    text = (
        "fn f(x, n) = if n == 0 then 1 else x*f(x, n - 1) + 0*grad(x^2, x)\ninput x = 2\ny = f(x, 4)\ng = grad(y, x)\n"
    )
    assert run(text + "output y, g") == {"y": 16, "g": 32}


def test_newton_in_steps() -> None:
    text = """
    fn step(a, y) = y - (y^2 - a)/(2*y)
    fn root(a, y, n) = if n == 0 then y else root(a, step(a, y), n - 1)
    input a = 3
    y = root(a, 1, 8)
    g = grad(y, a)
    h = grad(g, a)
    output y, g, h
    """
    found = run(text)
    assert found["y"] == pytest.approx(math.sqrt(3), rel=1e-15)
    assert found["g"] == pytest.approx(0.5 / math.sqrt(3), rel=1e-14)
    assert found["h"] == pytest.approx(-0.25 / 3**1.5, rel=1e-13)


def test_a_named_number_stays_what_one_differentiates_by() -> None:
    """Equal calls are shared however the arguments came about, but a name among them is not lost."""
    assert run(FACTORIAL + "n = 5\ny = factorial(n)\ng = grad(y, n)\noutput y, g") == {
        "y": 120,
        "g": pytest.approx(120 * (1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5)),
    }
    assert run(FIBONACCI + "n = 12\nm = 12\ny = fib(n)\ng = grad(y + fib(m), n)\noutput y, g") == {
        "y": 144,
        # fib(12) is 144 times fib(1) and 89 times fib(0), which are n - 11 and n - 12.
        "g": 144 + 89,
    }


def test_a_derivative_of_its_own_above_a_recursion() -> None:
    text = POWER + "fn f(x) = power(x, 6)\nderivative f(x) = 10*power(x, 5)\ninput x = 2\ny = f(x)\ng = grad(y, x)\n"
    assert run(text + "output y, g") == {"y": 64, "g": 320}
    text = "fn f(x, n) = if n == 0 then x else g(f(x, n - 1))\nfn g(x) = x^2\nderivative g(x) = 7\n"
    errors(text + "y = f(2, 2)", "E0204")
    text = "fn g(x) = x^2\nderivative g(x) = 7\nfn f(x, n) = if n == 0 then x else g(f(x, n - 1))\ninput x = 2\n"
    assert run(text + "y = f(x, 2)\ns = grad(y, x)\noutput y, s") == {"y": 16, "s": 49}
    # Its default may not call it either.
    errors("fn f(x, a = f(1)) = x\nderivative f(x, a) = 1, 1\ny = f(2)", "E0304")


@pytest.mark.parametrize("text", [MINORS, BY_INDEX, BY_SLICES], ids=["sets", "index", "slices"])
@pytest.mark.parametrize("n", [1, 2, 4, 5])
def test_determinants(text: str, n: int) -> None:
    A = np.random.default_rng(n).normal(size=(n, n))
    text += "param A[n, n]\nD = determinant(A, n)\nL = log(abs(D))\nC = grad(D, A)\nK = grad(L, A)\noutput D, C, K"
    found = gradc.compile(text, sizes={"n": n})(A=A)
    inverse = np.linalg.inv(A)
    assert found["D"] == pytest.approx(np.linalg.det(A), rel=1e-11)
    np.testing.assert_allclose(found["C"], np.linalg.det(A) * inverse.T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["K"], inverse.T, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("text", [MINORS, BY_INDEX, BY_SLICES], ids=["sets", "index", "slices"])
def test_second_derivatives_of_a_determinant(text: str) -> None:
    """∂²D/∂a∂b is D (A⁻ᵀ ⊗ A⁻ᵀ - …): Jacobi's formula differentiated once more."""
    A = np.random.default_rng(3).normal(size=(3, 3))
    found = gradc.compile(text + "param A[3, 3]\nH = hessian(determinant(A, 3), A)")(A=A)["H"]
    B = np.linalg.inv(A)
    expected = np.linalg.det(A) * (np.einsum("ji,lk->ijkl", B, B) - np.einsum("jk,li->ijkl", B, B))
    np.testing.assert_allclose(found, expected, atol=1e-12)


# Sharing -------------------------------------------------------------------------------------------------------------


def test_equal_calls_are_one() -> None:
    assert run(FIBONACCI + "y = fib(90)") == {"y": 2880067194370816120.0}
    # In what follows a name and a size, too: linear, whatever the way to an argument.
    for program, options in (
        ("y = fib({n})", {}),
        ("k = {n}\ny = fib(k)", {}),
        ("input x[k]\ny = fib(k)", {"sizes": True}),
        ("y = fib({n} - 1) + fib({n} - 2)", {}),
    ):
        sizes = [
            size(FIBONACCI + program.format(n=n), **({"sizes": {"k": n}} if options else {})) for n in (20, 40, 80)
        ]
        assert sizes[2] - sizes[1] <= 2 * (sizes[1] - sizes[0]) + 8
        assert sizes[2] < 1000
    # The program that is run holds no trace of the counting.
    model = gradc.compile("fn f(x, n) = if n == 0 then x else sin(f(x, n - 1))\ninput x\ny = f(x, 50)")
    assert sum(data["op"] == "sin" for data in model.optimized().data.values()) == 50
    assert len(model.optimized().data) == 51


def test_minors_are_as_many_as_sets_of_columns() -> None:
    counts = [size(MINORS + f"input A[{n}, {n}]\nD = determinant(A, {n})") for n in (4, 5, 6, 7, 8)]
    for n, (fewer, more) in enumerate(pairwise(counts), start=4):
        assert more / fewer < 2.2 * (n + 1) / n
    model = gradc.compile(MINORS + "input A[7, 7]\nD = determinant(A, 7)")
    products = sum(data["op"] == "mul" for data in model.optimized().data.values())
    # 7·2⁶ products of an element and a minor, less those with the empty minor, and the signs.
    assert products <= 7 * 2**6


# Limits --------------------------------------------------------------------------------------------------------------


def test_a_deep_recursion_does_not_recurse_in_python() -> None:
    model = gradc.compile(
        "fn f(x, n) = if n == 0 then x else f(x, n - 1) + 1/n\ninput x = 0\ny = f(x, 9000)\ng = grad(y, x)"
    )
    found = model()
    assert found["g"] == 1
    # By `else if` and through arguments.
    text = "fn f(n) = if n < 0 then 1 else if n == 0 then 0 else f(n - 1)\ny = " + "f(" * 50 + "3" + ")" * 50
    assert gradc.compile(text)() == {"y": 0}


def test_what_does_not_end_is_stopped() -> None:
    (found,) = errors("fn f(n) = if n == 0 then 1 else f(n + 1)\ny = 2*f(1)", "E0706")
    assert (found.line, found.column, found.end) == (1, 33, 41)
    assert [(place.line, place.column) for place, _, _ in found.notes] == [(2, 7)]
    errors("fn f(n) = if n == 0 then 1 else f(n + 1) + f(n + 2)\ny = f(1)", "E0706")
    limits = Limits(inline_depth=50)
    errors(FACTORIAL + "y = factorial(60)", "E0706", limits=limits)
    assert gradc.compile(FACTORIAL + "y = factorial(40)", limits=limits)()["y"] == pytest.approx(math.factorial(40))


def test_what_grows_too_large_is_stopped() -> None:
    text = "fn f(x, n) = if n == 0 then x else f(sin(x), n - 1) + f(cos(x), n - 1)\ninput x\ny = f(x, 40)"
    (found,) = errors(text, "E0702", limits=Limits(nodes=5_000))
    assert found.line == 1
    assert "`f`" in found.message
    assert [place.line for place, _, _ in found.notes] == [3]
    errors(text, "E0704", limits=Limits(seconds=0.2))
    # Nested comprehensions are bounded, too.
    text = "input x[3]\nfn f(x, n) = if n == 0 then 1 else sum(x[i]*f(x*i, n - 1) for i)\ny = f(x, {n})"
    errors(text.replace("{n}", "60"), "E0703")
    assert len(gradc.compile(text.replace("{n}", "9")).graph.nx) < 200


def test_mistakes_in_a_recursion_are_told_once() -> None:
    errors("fn f(x, n) = if n == 0 then x else f(x @ x, n - 1)\ninput x[3]\ny = f(x, 5)", "E0303")
    errors("fn f(x, n) = if n == 0 then x else f(x, n - 1, 3)\ny = f(1, 5)", "E0301")
    errors("fn f(n) = if n then f(n - 1) else 1\ny = f(4)", "E0303")
    errors("fn f(n) = if n == 0 then 1 else f(m - 1)\ny = f(4)", "E0201")


@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_kinds_of_numbers(dtype: str) -> None:
    found = gradc.compile(POWER + "input x = 2\ny = power(x, 10)\ng = grad(y, x)\noutput y, g", dtype=dtype)()
    assert found == {"y": 1024, "g": 5120}
