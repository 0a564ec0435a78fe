"""The examples with arrays: values and gradients against plain loops in 40 digits, several sizes with one model.

The references below know neither NumPy nor gradc. Their gradients are differences in 40 digits; formulas for them are
in ``bench.by_hand``, which is compared with gradc as well.
"""

# Parameters have the names of the formulas.
# ruff: noqa: N803

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from bench.arrays import CASES, Case, contestants

import gradc

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

mp = mpmath.mp.clone()
mp.dps = 40

Number = Any
Vector = list[Any]
Matrix = list[Vector]


def exact(value: Any) -> Any:
    """Arrays as lists of numbers of many digits; whole numbers as they are."""
    if isinstance(value, np.ndarray):
        return [exact(each) for each in value]
    return int(value) if isinstance(value, (int, np.integer)) else mp.mpf(float(value))


def dot(x: Vector, y: Vector) -> Number:
    return mp.fsum(a * b for a, b in zip(x, y, strict=True))


def log_sum(x: Vector) -> Number:
    return mp.log(mp.fsum(map(mp.exp, x)))


def affine(X: Matrix, W: Matrix, b: Vector) -> Matrix:
    columns = list(zip(*W, strict=True))
    return [[dot(row, list(column)) + c for column, c in zip(columns, b, strict=True)] for row in X]


# References ----------------------------------------------------------------------------------------------------------


def least_squares(X: Matrix, y: Vector, w: Vector, b: Number) -> Number:
    return mp.fsum((dot(row, w) + b - target) ** 2 for row, target in zip(X, y, strict=True)) / (2 * len(y))


def logistic_regression(X: Matrix, t: Vector, w: Vector, b: Number, λ: Number = 0.01) -> Number:
    total = mp.mpf(0)
    for row, label in zip(X, t, strict=True):
        p = 1 / (1 + mp.exp(-dot(row, w) - b))
        total -= mp.log(p if label else 1 - p)
    return total / len(t) + mp.mpf(λ) / 2 * dot(w, w)


def softmax_classifier(X: Matrix, labels: list[int], W: Matrix, b: Vector) -> Number:
    scores = affine(X, W, b)
    return mp.fsum(log_sum(z) - z[label] for z, label in zip(scores, labels, strict=True)) / len(X)


def two_layer_network(X: Matrix, labels: list[int], W1: Matrix, b1: Vector, W2: Matrix, b2: Vector) -> Number:
    hidden = [[max(h, mp.mpf(0)) for h in row] for row in affine(X, W1, b1)]
    return softmax_classifier(hidden, labels, W2, b2)


def gaussian_mixture(x: Matrix, α: Vector, μ: Matrix, icf: Matrix, γ: Number = 1, m: int = 0) -> Number:
    """As ADBench publishes it, point after point; the lower triangle is filled column by column."""
    n, d, k = len(x), len(x[0]), len(α)
    factors = []
    for packed in icf:
        Q = mp.zeros(d)
        below = iter(packed[d:])
        for column in range(d):
            Q[column, column] = mp.exp(packed[column])
            for row in range(column + 1, d):
                Q[row, column] = next(below)
        factors.append(Q)
    total = -mp.mpf(n * d) / 2 * mp.log(2 * mp.pi) - n * log_sum(α)
    for point in x:
        terms = []
        for c in range(k):
            z = factors[c] * mp.matrix([a - b for a, b in zip(point, μ[c], strict=True)])
            terms.append(α[c] + mp.fsum(icf[c][:d]) - mp.fsum(a * a for a in z) / 2)
        total += log_sum(terms)
    ν = d + m + 1
    log_gamma = mp.mpf(d * (d - 1)) / 4 * mp.log(mp.pi) + mp.fsum(
        mp.loggamma(mp.mpf(ν + 1 - j) / 2) for j in range(1, d + 1)
    )
    for Q, packed in zip(factors, icf, strict=True):
        total += mp.mpf(γ) ** 2 / 2 * mp.fsum(a * a for a in Q) - m * mp.fsum(packed[:d])
        total -= ν * d * (mp.log(γ) - mp.log(2) / 2) - log_gamma
    return total


def bundle_adjustment(cam: list[int], pt: list[int], feat: Matrix, cams: Matrix, X: Matrix, w: Vector) -> Number:
    """Observation after observation; points are rotated by Rodrigues' formula for a vector, not by a matrix."""
    total = mp.mpf(0)
    for j, i, seen, weight in zip(cam, pt, feat, w, strict=True):
        rotation, centre, (f, u, v, k1, k2) = cams[j][:3], cams[j][3:6], cams[j][6:]
        point = [a - b for a, b in zip(X[i], centre, strict=True)]
        angle = mp.sqrt(dot(rotation, rotation))
        axis = [r / angle for r in rotation] if angle else rotation
        across = [axis[a - 2] * point[a - 1] - axis[a - 1] * point[a - 2] for a in range(3)]
        sine = mp.sin(angle) if angle else 1
        along = dot(axis, point) * (1 - mp.cos(angle))
        at = [mp.cos(angle) * p + sine * c + a * along for p, c, a in zip(point, across, axis, strict=True)]
        flat = [at[0] / at[2], at[1] / at[2]]
        r2 = dot(flat, flat)
        bend = f * (1 + k1 * r2 + k2 * r2**2)
        miss = [weight * (bend * flat[0] + u - seen[0]), weight * (bend * flat[1] + v - seen[1])]
        total += dot(miss, miss) + (1 - weight**2) ** 2
    return total / 2


def gaussian_process(X: Matrix, y: Vector, log_ℓ: Vector, log_σ_f: Number, log_σ_n: Number) -> Number:
    """The logarithm of the normal density of y, with determinant and inverse."""
    n = len(y)
    K = mp.zeros(n)
    for i in range(n):
        for j in range(n):
            r2 = mp.fsum(((a - b) / mp.exp(s)) ** 2 for a, b, s in zip(X[i], X[j], log_ℓ, strict=True))
            K[i, j] = mp.exp(2 * log_σ_f - r2 / 2) + (mp.exp(2 * log_σ_n) if i == j else 0)
    observed = mp.matrix(y)
    square = (observed.T * mp.lu_solve(K, observed))[0]
    return -(square + mp.log(mp.det(K)) + n * mp.log(2 * mp.pi)) / 2


def attention(x: Matrix, target: Matrix, W_q: Matrix, W_k: Matrix, W_v: Matrix) -> Number:
    q, k, v = (affine(x, W, [mp.mpf(0)] * len(W[0])) for W in (W_q, W_k, W_v))
    total = mp.mpf(0)
    for query, wanted in zip(q, target, strict=True):
        weights = [mp.exp(dot(query, key) / mp.sqrt(len(query))) for key in k]
        for e, each in enumerate(wanted):
            answer = dot(weights, [value[e] for value in v]) / mp.fsum(weights)
            total += (answer - each) ** 2
    return total / (len(target) * len(target[0]))


def convolution(x: Matrix, target: Matrix, k: Matrix, b: Number = 0) -> Number:
    total = mp.mpf(0)
    for i, row in enumerate(target):
        for j, wanted in enumerate(row):
            terms = [k[p][q] * x[i + p][j + q] for p in range(len(k)) for q in range(len(k[0]))]
            total += (mp.fsum(terms) + b - wanted) ** 2
    return total / (2 * len(target) * len(target[0]))


def lennard_jones(x: Matrix, ε: Number = 1, σ: Number = 1) -> Number:
    total = mp.mpf(0)
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            r = mp.sqrt(mp.fsum((a - b) ** 2 for a, b in zip(x[i], x[j], strict=True)))
            total += 4 * ε * ((σ / r) ** 12 - (σ / r) ** 6)
    return total


def determinant(A: Matrix) -> Number:
    """By elimination, in 40 digits."""
    return mp.det(mp.matrix(A))


REFERENCES: dict[str, Callable[..., Number]] = {
    "attention": attention,
    "bundle_adjustment": bundle_adjustment,
    "convolution": convolution,
    "determinant": determinant,
    "gaussian_mixture": gaussian_mixture,
    "gaussian_process": gaussian_process,
    "least_squares": least_squares,
    "lennard_jones": lennard_jones,
    "logistic_regression": logistic_regression,
    "softmax_classifier": softmax_classifier,
    "two_layer_network": two_layer_network,
}
# Sizes in the order of the case's; none equal, so that no two axes can be mistaken for each other, and some of them 1.
SIZES: dict[str, list[tuple[int, ...]]] = {
    "attention": [(4, 3, 2), (1, 2, 3), (3, 1, 1)],
    "bundle_adjustment": [(2, 3, 4), (1, 1, 1), (3, 2, 5)],
    "convolution": [(5, 4, 3, 2), (3, 4, 3, 4), (2, 6, 1, 5)],
    "determinant": [(7,)],
    "gaussian_mixture": [(3, 2, 4), (1, 3, 2), (4, 1, 3)],
    "gaussian_process": [(5, 2), (1, 1), (4, 3)],
    "least_squares": [(5, 3), (1, 2), (4, 1)],
    "lennard_jones": [(4,), (1,), (3,)],
    "logistic_regression": [(5, 3), (1, 2), (4, 1)],
    "softmax_classifier": [(5, 3, 4), (1, 2, 3), (4, 3, 1)],
    "two_layer_network": [(4, 3, 2, 5), (1, 2, 3, 2), (3, 1, 4, 1)],
}
BY_EXAMPLE = {case.example: case for case in CASES.values()}


def load(example: str, **options: Any) -> gradc.Model:
    return gradc.load(EXAMPLES / f"{example}.grad", **options)


def data_of(case: Case, sizes: Sequence[int]) -> dict[str, Any]:
    return case.make(np.random.default_rng(sum(sizes)), *sizes)


def slope(example: str, data: dict[str, Any], name: str) -> Any:
    """The derivative of the reference by an input, element by element."""
    reference = REFERENCES[example]
    whole = np.asarray(data[name], float)
    found = np.empty(whole.shape)
    for place in np.ndindex(whole.shape):
        values = []
        for sign in (1, -1):
            moved = {key: exact(value) for key, value in data.items()}
            step = sign * mp.mpf("1e-13")
            if not place:
                moved[name] += step
            else:
                inner = moved[name]
                for at in place[:-1]:
                    inner = inner[at]
                inner[place[-1]] += step
            values.append(reference(*moved.values()))
        found[place] = float((values[0] - values[1]) / mp.mpf("2e-13"))
    return found


def close(found: Any, expected: Any, scale: float = 0.0) -> None:
    largest = max(float(np.max(np.abs(expected), initial=0.0)), scale)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * largest + 1e-14)


# Tests ---------------------------------------------------------------------------------------------------------------


def test_every_example_has_a_reference() -> None:
    # Those with loops are in test_examples_loops.
    paths = [
        path for path in EXAMPLES.glob("*.grad") if not re.search(r"^\s*(for|while)\b", path.read_text("utf-8"), re.M)
    ]
    models = {path.stem: gradc.load(path).graph for path in paths}
    with_arrays = {name for name, graph in models.items() if any(graph.type(node).shape for node in graph.inputs)}
    assert with_arrays == set(REFERENCES) == set(SIZES) == set(BY_EXAMPLE)


@pytest.mark.parametrize("example", REFERENCES)
@pytest.mark.parametrize("level", [0, 2])
def test_values_and_gradients(example: str, level: int) -> None:
    model = load(example, level=level)
    assert model.warnings == ()
    case = BY_EXAMPLE[example]
    gradient = model.value_and_grad(case.of)
    for sizes in SIZES[example]:
        data = data_of(case, sizes)
        value, gradients = gradient(data)
        expected = float(REFERENCES[example](*map(exact, data.values())))
        assert value == pytest.approx(expected, rel=1e-11, abs=1e-14)
        assert tuple(gradients) == model.params
        for name, found in gradients.items():
            assert np.shape(found) == np.shape(data[name])
            close(found, slope(example, data, name), abs(expected))


@pytest.mark.parametrize("name", CASES)
def test_by_hand(name: str) -> None:
    """The functions that the measurements compare with give the same."""
    case = CASES[name]
    found = contestants(case, case.data("small"))
    ours, hand = found["gradc"], found["by hand"]
    assert not isinstance(ours, str)
    assert not isinstance(hand, str)
    (value, gradients), (expected, formulas) = ours(), hand()
    assert value == pytest.approx(expected, rel=1e-12)
    for one, other in zip(gradients, formulas, strict=True):
        close(one, other, abs(expected))


def test_inputs_do_not_change() -> None:
    for case in CASES.values():
        data = case.data("small")
        before = {name: np.copy(value) for name, value in data.items()}
        load(case.example).value_and_grad(case.of)(data)
        for name, value in data.items():
            np.testing.assert_array_equal(value, before[name])


def test_the_derivatives_of_a_determinant_are_its_cofactors() -> None:
    model = load("determinant")
    for seed in range(3):
        A = np.random.default_rng(seed).normal(size=(7, 7))
        found = model(A=A)
        assert found["D"] == pytest.approx(np.linalg.det(A), rel=1e-11)
        close(found["C"], np.linalg.det(A) * np.linalg.inv(A).T)
    # A singular matrix has no inverse, but minors all the same: those of one of rank 6 form a matrix of rank 1.
    A[6] = A[0] + A[1]
    found = model(A=A)
    assert abs(found["D"]) < 1e-12
    assert np.linalg.matrix_rank(found["C"], tol=1e-9) == 1


def test_least_squares_fits_in_one_step() -> None:
    data = data_of(BY_EXAMPLE["least_squares"], (12, 4))
    found = load("least_squares")(data)["w_fit"]
    best, *_ = np.linalg.lstsq(data["X"], data["y"] - data["b"], rcond=None)
    np.testing.assert_allclose(found, best, rtol=1e-10)


def test_a_model_that_is_very_sure_is_differentiated() -> None:
    """Probabilities too small for a float: the losses grow linearly, and the gradients are those of the labels."""
    sure = load("logistic_regression").value_and_grad("L")
    loss, gradients = sure(X=[[1000.0], [-1000.0]], t=[0.0, 1.0], λ=0.0, w=[1.0], b=0.0)
    assert loss == 1000
    np.testing.assert_array_equal(gradients["w"], [1000.0])
    chosen = {"X": [[1.0]], "class": [1], "W": [[1000.0, 0.0]], "b": [0.0, 0.0]}
    loss, gradients = load("softmax_classifier").value_and_grad("L")(chosen)
    assert loss == 1000
    np.testing.assert_array_equal(gradients["W"], [[1.0, -1.0]])


def test_classes_are_counted() -> None:
    data = data_of(BY_EXAMPLE["softmax_classifier"], (40, 3, 4))
    scores = data["X"] @ data["W"] + data["b"]
    assert load("softmax_classifier")(data)["accuracy"] == np.mean(scores.argmax(axis=1) == data["class"])
    data = data_of(BY_EXAMPLE["two_layer_network"], (40, 3, 8, 4))
    scores = np.maximum(data["X"] @ data["W1"] + data["b1"], 0) @ data["W2"] + data["b2"]
    assert load("two_layer_network")(data)["correct"] == np.sum(scores.argmax(axis=1) == data["class"])


@pytest.mark.parametrize(("γ", "m"), [(1.0, 0), (0.7, 2), (3.0, 5)])
def test_the_prior_of_the_mixture(γ: float, m: int) -> None:
    data = {**data_of(BY_EXAMPLE["gaussian_mixture"], (3, 2, 4)), "γ": γ, "m": m}
    value, gradients = load("gaussian_mixture").value_and_grad("L")(data)
    assert value == pytest.approx(float(gaussian_mixture(*map(exact, data.values()))), rel=1e-12)
    for name, found in gradients.items():
        close(found, slope("gaussian_mixture", data, name), abs(value))


def test_a_mixture_of_one_is_the_normal_density() -> None:
    """With one Gaussian of weight 1 and no prior's share: the sum of the logs of a density that is known."""
    x = np.array([[0.5, -1.0], [2.0, 0.3]])
    found = load("gaussian_mixture", sizes={"k": 1})(x=x, α=[3.0], μ=[[0.0, 0.0]], icf=[[0.0, 0.0, 0.0]])["L"]
    normal = -2 * np.log(2 * np.pi) - 0.5 * np.sum(x**2)
    # The prior for γ = 1, m = 0 and Q = 1: |Q|²/2, and its constant, with the gamma function at 3/2 and at 1.
    prior = 1.0 + 3 * np.log(2) + np.log(np.pi) / 2 + np.log(np.sqrt(np.pi) / 2)
    assert found == pytest.approx(normal + prior, rel=1e-12)


def test_cameras_that_are_not_turned() -> None:
    """At the angle 0 the axis is undefined, the rotation and its derivative are not."""
    data = data_of(BY_EXAMPLE["bundle_adjustment"], (2, 3, 4))
    data["cams"][0, :3] = 0
    model = load("bundle_adjustment")
    value, gradients = model.value_and_grad("L")(data)
    assert value == pytest.approx(float(bundle_adjustment(*map(exact, data.values()))), rel=1e-12)
    for column in range(3):
        values = []
        for step in (1e-5, -1e-5):
            moved = data["cams"].copy()
            moved[0, column] = step
            values.append(model({**data, "cams": moved})["L"])
        slope = (values[0] - values[1]) / 2e-5
        assert gradients["cams"][0, column] == pytest.approx(slope, rel=1e-6, abs=1e-6 * abs(value))


def test_what_nobody_sees_has_no_gradient() -> None:
    data = data_of(BY_EXAMPLE["bundle_adjustment"], (2, 3, 4))
    data["cam"][:], data["pt"][:] = 1, 2
    _, gradients = load("bundle_adjustment").value_and_grad("L")(data)
    np.testing.assert_array_equal(gradients["cams"][0], np.zeros(11))
    np.testing.assert_array_equal(gradients["X"][:2], np.zeros((2, 3)))


def test_the_errors_of_a_bundle_are_those_of_its_loss() -> None:
    data = data_of(BY_EXAMPLE["bundle_adjustment"], (2, 3, 4))
    found = load("bundle_adjustment")(data)
    assert found["error"].shape == (4, 2)
    np.testing.assert_allclose(found["weight_error"], 1 - data["w"] ** 2)
    assert found["L"] == pytest.approx((np.sum(found["error"] ** 2) + np.sum(found["weight_error"] ** 2)) / 2)


def test_atoms_at_rest_and_the_third_law() -> None:
    model = load("lennard_jones")
    # Two atoms at the bottom of the well, which is ε deep, at the sixth root of two times σ.
    found = model(x=[[0.0, 0.0, 0.0], [0.0, 0.0, 2 ** (1 / 6) * 3.0]], ε=2.0, σ=3.0)
    assert found["E"] == pytest.approx(-2.0, rel=1e-14)
    np.testing.assert_allclose(found["force"], np.zeros((2, 3)), atol=1e-13)
    data = data_of(BY_EXAMPLE["lennard_jones"], (9,))
    np.testing.assert_allclose(model(data)["force"].sum(axis=0), np.zeros(3), atol=1e-10)


def test_a_kernel_of_one_is_a_product() -> None:
    x = np.arange(12.0).reshape(3, 4)
    model = load("convolution")
    value, gradients = model.value_and_grad("L")(x=x, target=np.zeros((3, 4)), k=[[2.0]], b=1.0)
    assert value == pytest.approx(np.mean((2 * x + 1) ** 2) / 2)
    assert gradients["k"][0, 0] == pytest.approx(np.mean((2 * x + 1) * x))


def test_attention_with_equal_keys_is_the_mean() -> None:
    x = np.random.default_rng(2).normal(size=(5, 3))
    given = {"x": x, "W_q": np.ones((3, 2)), "W_k": np.zeros((3, 2)), "W_v": np.eye(3)}
    assert load("attention")({**given, "target": np.tile(x.mean(axis=0), (5, 1))})["L"] == pytest.approx(0, abs=1e-28)


def test_a_gradient_is_that_of_a_number() -> None:
    model = load("least_squares")
    assert model.targets(None) == ["L"]
    with pytest.raises(gradc.CallError, match="`w_fit` is an array") as caught:
        model.grad("w_fit")
    assert caught.value.diagnostics[0].code == "E0609"
    with pytest.raises(gradc.CallError, match="are arrays; a gradient is that of a number"):
        gradc.compile("param x[n]\ny = 2*x").grad()


# Digits --------------------------------------------------------------------------------------------------------------


def digits(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the script; ``before`` is Python that runs first in the same process."""
    path = EXAMPLES / "digits.py"
    given = [str(path), *arguments]
    lines = ["import runpy, sys", before, f"sys.argv = {given!r}", f"runpy.run_path({given[0]!r}, run_name='__main__')"]
    code = "\n".join(lines)
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=environment, check=False
    )


def share(done: subprocess.CompletedProcess[str]) -> float:
    """The percentage of held-out digits that the script has read right."""
    assert done.returncode == 0, done.stderr
    assert "1438 digits to learn from, 359 held out" in done.stdout
    found = re.search(r"([\d.]+) % of the held-out digits are read right \((\d+) of 359\)", done.stdout)
    assert found is not None, done.stdout
    assert float(found[1]) == pytest.approx(int(found[2]) / 3.59, abs=0.06)
    return float(found[1])


def test_digits_are_learnt(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    picture = tmp_path / "loss.svg"
    done = digits("--epochs", "4", "--plot", str(picture))
    assert share(done) > 85
    assert "4/4 epochs" in done.stdout
    lines = [
        each.attrib["points"].split() for each in ElementTree.parse(picture).iter() if each.tag.endswith("polyline")
    ]
    assert [len(points) for points in lines] == [4, 4]
    for points in lines:
        heights = [float(point.split(",")[1]) for point in points]
        # Downwards in the picture: smaller losses.
        assert heights == sorted(heights)
    # The same seed gives the same digits and steps.
    assert share(digits("--epochs", "4")) == share(done)


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_digits_are_read(seed: str) -> None:
    assert share(digits("--seed", seed)) >= 97


def test_digits_say_what_is_missing(tmp_path: Path) -> None:
    done = digits(before="sys.modules['sklearn'] = sys.modules['sklearn.datasets'] = None")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "the digits come with scikit-learn, which is missing: python -m pip install scikit-learn"
    )
    for wrong, said in {"loss.png": "ends in .svg, not loss.png", "no/loss.svg": "there is no folder"}.items():
        done = digits("--plot", str(tmp_path / wrong))
        assert done.returncode == 2
        assert said in done.stderr
        assert not done.stdout
    assert "are at least 1" in digits("--epochs", "0").stderr
