"""The evaluator of graphs in any number system against the interpreter: values and derivatives, arrays and loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradc
from gradc.check.evaluate import Evaluator
from gradc.check.numbers import ComplexNumbers, Numbers, PreciseNumbers, Unsuitable

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "golden" / "loops").glob("*.grad"))

TEXTS = {
    "scalars": "param x = 0.7, y = -2\nL = sin(x)*y + x^3 - x^-2 + atan2(y, x) + max(x, y) + clip(y, -1, 1)"
    " + xlogy(x, 2)",
    "choices": "param x = -1, y = 2\nL = (if x > 0 then log(x) else y^2) + (if x < 0 and not (y < 0) then x else 0)",
    "integers": "input n: int = 7\nparam x = 2\nL = x^n + n // 2 + n % 3 + floor(x/3)",
    "index notation": "param A[2, 3] = [[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]], x[3] = [1.0, 0.5, -2.0]\n"
    "y[i] = sum(A[i, j]*x[j] for j)\nd[j] = if j > 0 then x[j] - x[j-1] else x[j]\nL = sum(y[i]^2 for i) + sum(d^3)",
    "gathers": "input p[3]: int = [2, 0, 2]\nparam x[3] = [1.0, 0.5, -2.0]\n"
    "y[k] = x[p[k]]*k\nL = sum(y^2) + x[1]*x[-1] + sum(x[1:])",
    "reductions": "param x[2, 2] = [[0.3, 2.0], [-1.0, 0.7]]\n"
    "L = sum(prod(x, axis=0)) + max(x) + min(x) + norm(x) + sum(logsumexp(x, axis=1)) + sum(softmax(x, axis=1)*x)"
    " + sum(log_softmax(x, axis=0)) + sum(cumsum(x, axis=1)^2) + sum(sort(x, axis=0)*x) + argmax(x[0])",
    "matrices": "param A[3, 3] = [[2.0, 1.0, 0.1], [0.5, 3.0, 0.2], [0.3, 0.1, 1.0]], b[3] = [1.0, -1.0, 2.0]\n"
    "S = A @ A.T\nL = sum(solve(A, b)) + det(A) + logdet(A) + sum(inv(A)) + sum(cholesky(S)*A)",
    "spectra": "param A[2, 2] = [[2.0, 1.0], [1.0, 3.0]]\nL = sum(eigvalsh(A)^2) + 2*svdvals(A)[0]",
    "loops": "param w = 0.3\nx = 1.0\nfor t in 0..4 { x = x*w + sin(x); trace[t] = x }\nL = sum(trace^2)\noutput L",
    "while": "param a = 2\nx = a\nwhile abs(x*x - a) > 1e-12 { x = (x + a/x)/2 }\nL = x\noutput L",
    "block": "param w = 0.3\ny = w\nif w > 0 { y = w^3 } else { y = -w }\nL = y\noutput L",
    "second": "param w[2] = [1.0, 2.0]\nf = sum(w^3) + w[0]*w[1]\n"
    "L = sum(hessian(f, w)*[[1.0, 2.0], [3.0, 4.0]])\noutput L",
}  # fmt: skip

SYSTEMS = (lambda: Numbers(), lambda: ComplexNumbers(), lambda: PreciseNumbers(30))


def numbers(system: Numbers, value: Any) -> Any:
    def plain(x: Any) -> Any:
        return x if isinstance(x, (bool, int)) else float(system.real(x))

    if isinstance(value, np.ndarray):
        return np.array([plain(x) for x in value.ravel().tolist()]).reshape(value.shape)
    return plain(value)


def compared(model: gradc.Model, system: Numbers) -> None:
    derived = model.with_gradients()
    inputs = derived._inputs.numbers(None, {})
    sizes = derived._inputs.bound(inputs)
    found = Evaluator(system, sizes).run(derived.optimized(0), inputs)
    for (name, due), value in zip(derived().items(), found, strict=True):
        np.testing.assert_allclose(numbers(system, value), due, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("system", SYSTEMS, ids=("floats", "complex", "mpmath"))
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_values_and_gradients(text: str, system: Any) -> None:
    if "eigvalsh" in text and system().__class__ is ComplexNumbers:
        with pytest.raises(Unsuitable):
            compared(gradc.compile(text), system())
        return
    compared(gradc.compile(text), system())


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_loops_that_once_went_wrong(path: Path) -> None:
    model = gradc.load(path)
    inputs = model._inputs.numbers(None, {})
    sizes = model._inputs.bound(inputs)
    system = Numbers()
    found = Evaluator(system, sizes).run(model.optimized(0), inputs)
    for (name, due), value in zip(model().items(), found, strict=True):
        np.testing.assert_allclose(numbers(system, value), due, rtol=1e-9, atol=1e-9, err_msg=name)


def test_many_digits() -> None:
    system = PreciseNumbers(50)
    graph = gradc.compile("param x = 2\ny = sqrt(x)").optimized(0)
    (found,) = Evaluator(system, {}).run(graph, [2.0])
    assert system.mp.nstr(found, 40) == "1.41421356237309504880168872420969807857"


def test_blurred_runs_differ_by_rounding() -> None:
    graph = gradc.compile("param x = 0.3\ny = (1 + x) - 1\nz = x*x").optimized(0)
    runs = [Evaluator(Numbers(2.0**-53, seed), {}).run(graph, [0.3]) for seed in range(20)]
    ys, zs = zip(*runs, strict=True)
    assert 1e-17 < max(ys) - min(ys) < 1e-15
    assert 0 < max(zs) - min(zs) < 1e-16
    assert runs == [Evaluator(Numbers(2.0**-53, seed), {}).run(graph, [0.3]) for seed in range(20)]


def test_only_what_was_rounded_is_moved() -> None:
    graph = gradc.compile("param x = 3, t = 0.1\na = x*x + x - 1\nb = x + t\nc = x*0.5\nd = t*t\n").optimized(0)
    for unit, moving in ((2.0**-53, "bd"), (2.0**-24, "bd")):
        runs = [Evaluator(Numbers(unit, seed, strict=True), {}).run(graph, [3.0, 0.1]) for seed in range(5)]
        names = [name for name, _ in graph.outputs]
        values = dict(zip(names, zip(*runs, strict=True), strict=True))
        assert "".join(name for name in names if len(set(values[name])) > 1) == moving
    # A sum that doubles hold may be too long for single precision.
    sums = gradc.compile("param x = 3, t = 1\ny = x + t").optimized(0)
    for unit, count in ((2.0**-53, 1), (2.0**-24, 5)):
        runs = [Evaluator(Numbers(unit, seed, strict=True), {}).run(sums, [2.0**30, 1.0]) for seed in range(5)]
        assert len({run[0] for run in runs}) == count


def test_time_and_size_have_limits() -> None:
    graph = gradc.compile("param x = 0.3\ny = x\nfor t in 0..100000 { y = sin(y) }\noutput y").optimized(0)
    with pytest.raises(Unsuitable, match="time"):
        Evaluator(Numbers(), {}, seconds=0.05).run(graph, [0.3])
    large = gradc.compile("param x = 0.3\ny = sum(x*i*j for i in 0..3000, j in 0..3000)").optimized(0)
    with pytest.raises(Unsuitable, match="size"):
        Evaluator(Numbers(), {}).run(large, [0.3])
