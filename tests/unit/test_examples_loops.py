"""The examples with loops: values and gradients against loops in 40 digits that know neither NumPy nor gradc.

Gradients of the references are differences; where an example has published results, these are compared as well.
"""

# Parameters have the names of the formulas.
# ruff: noqa: N803

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import gradc

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

mp = mpmath.mp.clone()
mp.dps = 40

Number = Any
Data = dict[str, Any]


def exact(value: Any) -> Any:
    """Numbers and arrays of numbers with many digits."""
    if isinstance(value, np.ndarray):
        return mp.matrix(value.tolist()) if value.ndim == 2 else [exact(each) for each in value]
    return mp.mpf(float(value))


# References ----------------------------------------------------------------------------------------------------------

PELTS = [
    (30.0, 4.0), (47.2, 6.1), (70.2, 9.8), (77.4, 35.2), (36.3, 59.4), (20.6, 41.7), (18.1, 19.0), (21.4, 13.0),
    (22.0, 8.3), (25.4, 9.1), (27.1, 7.4), (40.3, 8.0), (57.0, 12.3), (76.6, 19.5), (52.3, 45.7), (19.5, 51.1),
    (11.2, 29.7), (7.6, 15.8), (14.6, 9.7), (16.2, 10.1), (24.7, 8.6),
]  # fmt: skip


def predator_prey(rates: Sequence[Number]) -> Number:
    a, b, c, d = rates

    def change(h: Number, l: Number) -> tuple[Number, Number]:  # noqa: E741
        return a * h - b * h * l, d * h * l - c * l

    h, l = mp.mpf(34), mp.mpf(6)  # noqa: E741
    step = mp.mpf(1) / 10
    total = mp.mpf(0)
    for hares, lynxes in PELTS:
        total += (mp.log(hares) - mp.log(h)) ** 2 + (mp.log(lynxes) - mp.log(l)) ** 2
        for _ in range(10):
            h1, l1 = change(h, l)
            h2, l2 = change(h + step / 2 * h1, l + step / 2 * l1)
            h3, l3 = change(h + step / 2 * h2, l + step / 2 * l2)
            h4, l4 = change(h + step * h3, l + step * l3)
            h, l = h + step / 6 * (h1 + 2 * h2 + 2 * h3 + h4), l + step / 6 * (l1 + 2 * l2 + 2 * l3 + l4)  # noqa: E741
    return total / 2


def gru(x: Any, target: Any, W: Any, W_z: Any, W_r: Any, U: Any, U_z: Any, U_r: Any, *rest: Any) -> Number:
    """Unit after unit."""
    b, b_z, b_r, V, c = rest
    T, d, h = x.rows, x.cols, len(b)

    def affine(A: Any, v: Any, B: Any, state: Any, b: Any, i: int) -> Number:
        return mp.fsum(A[i, j] * v[j] for j in range(d)) + mp.fsum(B[i, j] * state[j] for j in range(h)) + b[i]

    state = [mp.mpf(0)] * h
    total = mp.mpf(0)
    for t in range(T):
        v = [x[t, j] for j in range(d)]
        z = [1 / (1 + mp.exp(-affine(W_z, v, U_z, state, b_z, i))) for i in range(h)]
        gated = [s / (1 + mp.exp(-affine(W_r, v, U_r, state, b_r, i))) for i, s in enumerate(state)]
        new = [mp.tanh(affine(W, v, U, gated, b, i)) for i in range(h)]
        state = [a * s + (1 - a) * n for a, s, n in zip(z, state, new, strict=True)]
        for k in range(d):
            total += (mp.fsum(V[k, i] * state[i] for i in range(h)) + c[k] - target[t, k]) ** 2
    return total / (2 * T)


def kalman_filter(y: Any, a0: Any, P0: Any, T: Any, Z: Any, log_q: Any, log_h: Any) -> Number:
    """Without a filter: the density of all observations at once, which are jointly normal."""
    n, p, m = y.rows, y.cols, T.rows
    Q, H = mp.diag([mp.exp(q) for q in log_q]), mp.diag([mp.exp(each) for each in log_h])
    means, covariances = [mp.matrix(a0)], [P0]
    for _ in range(n - 1):
        means.append(T * means[-1])
        covariances.append(T * covariances[-1] * T.T + Q)
    mean, whole = mp.zeros(n * p, 1), mp.zeros(n * p)
    for s in range(n):
        for t in range(s, n):
            block = Z * covariances[s] * (T ** (t - s)).T * Z.T if t > s else Z * covariances[s] * Z.T + H
            for i in range(p):
                for j in range(p):
                    whole[s * p + i, t * p + j] = whole[t * p + j, s * p + i] = block[i, j]
        seen = Z * means[s]
        for i in range(p):
            mean[s * p + i] = y[s, i] - seen[i]
    assert m == len(log_q)
    return -((mean.T * mp.lu_solve(whole, mean))[0] + mp.log(mp.det(whole)) + n * p * mp.log(2 * mp.pi)) / 2


def k_means(points: Any, centres: Any) -> Number:
    return mp.fsum(
        min(mp.fsum((points[i, a] - centres[j, a]) ** 2 for a in range(points.cols)) for j in range(centres.rows))
        for i in range(points.rows)
    )


def van_der_waals(p: Number, T: Number) -> Number:
    """The volume by another method, from the polynomial that it is the greatest root of."""
    R, a, b = mp.mpf("8.314462618"), mp.mpf("0.3640"), mp.mpf("4.267e-5")
    bracket = (0.5 * R * T / p, R * T / p)
    return mp.findroot(lambda v: ((p * v - p * b - R * T) * v + a) * v - a * b, bracket, solver="anderson")


def projectile(speed: Number, angle: Number) -> Number:
    x, y, v, u = mp.mpf(0), mp.mpf(1), speed * mp.cos(angle), speed * mp.sin(angle)
    h = mp.mpf("0.001")
    k = mp.mpf("1.204") * mp.mpf("0.53") * mp.pi * (mp.mpf("0.0667") / 2) ** 2 / (2 * mp.mpf("0.0577"))
    bounces = 0
    while bounces < 2:
        s = mp.sqrt(v * v + u * u)
        a, b = -k * s * v, -mp.mpf("9.81") - k * s * u
        dx, dy = h * v + h * h / 2 * a, h * u + h * h / 2 * b
        share = mp.mpf(1)
        if y + dy < 0:
            share = -y / dy
            bounces += 1
        x, y = x + share * dx, y + share * dy
        v, u = v + share * h * a, u + share * h * b
        if share < 1:
            y, u = mp.mpf(0), -mp.mpf("0.745") * u
    return x


# Data ----------------------------------------------------------------------------------------------------------------


def gru_data(rng: Any, T: int, d: int, h: int) -> Data:
    shapes = {"W": (h, d), "W_z": (h, d), "W_r": (h, d), "U": (h, h), "U_z": (h, h), "U_r": (h, h)}
    shapes |= {"b": (h,), "b_z": (h,), "b_r": (h,), "V": (d, h), "c": (d,)}
    data = {"x": rng.normal(size=(T, d)), "target": rng.normal(size=(T, d))}
    return data | {name: rng.normal(size=shape) / h**0.5 for name, shape in shapes.items()}


def kalman_data(rng: Any, n: int, p: int, m: int) -> Data:
    root = rng.normal(size=(m, m))
    return {
        "y": rng.normal(size=(n, p)),
        "a₀": rng.normal(size=m),
        "P₀": root @ root.T + np.eye(m),
        "T": 0.5 * rng.normal(size=(m, m)),
        "Z": rng.normal(size=(p, m)),
        "log_q": rng.normal(size=m),
        "log_h": rng.normal(size=p),
    }


def k_means_data(rng: Any, n: int, d: int, k: int) -> Data:
    return {"points": rng.normal(size=(n, d)), "centres": rng.normal(size=(k, d))}


def numbers(**given: Any) -> Callable[[Any], Data]:
    return lambda rng: {name: np.array(value) if isinstance(value, list) else value for name, value in given.items()}


# What is differentiated, the reference, its data, and their sizes.
CASES: dict[str, tuple[str, Callable[..., Number], Callable[..., Data], list[tuple[int, ...]]]] = {
    "gru": ("L", gru, gru_data, [(4, 2, 3), (1, 1, 2), (3, 2, 1)]),
    "k_means": ("L", k_means, k_means_data, [(7, 2, 3), (1, 3, 2), (5, 1, 1)]),
    "kalman_filter": ("logL", kalman_filter, kalman_data, [(4, 2, 3), (1, 1, 2), (5, 1, 1)]),
    "predator_prey": (
        "L",
        predator_prey,
        numbers(rates=[0.5, 0.025, 0.8, 0.025]),
        [()],
    ),
    "projectile": ("range", projectile, numbers(speed=30.0, angle=0.6), [()]),
    "van_der_waals": ("v", van_der_waals, numbers(p=2e6, T=300.0), [()]),
}
# Those whose results are published; they have tests of their own.
PUBLISHED = {"charged_particle", "saddle_point"}


def load(example: str, **options: Any) -> gradc.Model:
    return gradc.load(EXAMPLES / f"{example}.grad", **options)


def slope(reference: Callable[..., Number], data: Data, name: str) -> Any:
    """The derivative of the reference by an input, element by element."""
    whole = np.asarray(data[name], float)
    found = np.empty(whole.shape)
    for place in np.ndindex(whole.shape):
        step = mp.mpf("1e-13") * max(1, abs(whole[place]))
        values = []
        for sign in (1, -1):
            moved = {key: exact(value) for key, value in data.items()}
            if place:
                moved[name][place if len(place) == 2 else place[0]] += sign * step
            else:
                moved[name] += sign * step
            values.append(reference(*moved.values()))
        found[place] = float((values[0] - values[1]) / (2 * step))
    return found


def close(found: Any, expected: Any, scale: float = 0.0) -> None:
    largest = max(float(np.max(np.abs(expected), initial=0.0)), scale)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * largest + 1e-16)


# Tests ---------------------------------------------------------------------------------------------------------------


def test_every_example_with_a_loop_has_a_reference() -> None:
    looped = {p.stem for p in EXAMPLES.glob("*.grad") if re.search(r"^\s*(for|while)\b", p.read_text("utf-8"), re.M)}
    assert looped == set(CASES) | PUBLISHED


@pytest.mark.parametrize("example", CASES)
@pytest.mark.parametrize("level", [0, 2])
def test_values_and_gradients(example: str, level: int) -> None:
    of, reference, make, listed = CASES[example]
    model = load(example, level=level)
    assert model.warnings == ()
    gradient = model.value_and_grad(of)
    for sizes in listed:
        data = make(np.random.default_rng(sum(sizes)), *sizes)
        value, gradients = gradient(data)
        expected = float(reference(*map(exact, data.values())))
        assert value == pytest.approx(expected, rel=1e-11, abs=1e-14)
        assert tuple(gradients) == model.params
        for name, found in gradients.items():
            assert np.shape(found) == np.shape(data[name])
            close(found, slope(reference, data, name), 0.0 if example == "van_der_waals" else abs(expected))


def test_the_rates_of_hares_and_lynxes() -> None:
    found = load("predator_prey")()
    # At the least misfit nothing slopes; and no other misfit near by is less.
    assert found["slope"] < 1e-8
    fitted = [mp.mpf(rate) for rate in found["fitted"]]
    least = predator_prey(fitted)
    assert found["L_fitted"] == pytest.approx(float(least), rel=1e-11)
    for at in range(4):
        for factor in (mp.mpf("0.999"), mp.mpf("1.001")):
            assert predator_prey([r * factor if i == at else r for i, r in enumerate(fitted)]) > least
    # The means of Carpenter's posterior are near by.
    np.testing.assert_allclose(found["fitted"], [0.55, 0.028, 0.80, 0.024], rtol=0.03)


def test_a_gas_and_the_theorem_on_implicit_functions() -> None:
    found = load("van_der_waals")()
    R, a, b, p, T = 8.314462618, 0.3640, 4.267e-5, 2e6, 300.0
    v = found["v"]
    by_volume = p - a / v**2 + 2 * a * b / v**3
    assert found["compressibility"] == pytest.approx((v - b) / by_volume / v, rel=1e-11)
    assert found["expansion"] == pytest.approx(R / by_volume / v, rel=1e-11)
    # Derivatives of these derivatives go through the steps as well.
    slopes = load("van_der_waals").grad("expansion")()
    step = mp.mpf("1e-8")

    def expansion(p: Number, T: Number) -> Number:
        return (van_der_waals(p, T + step) - van_der_waals(p, T - step)) / (2 * step) / van_der_waals(p, T)

    wide = mp.mpf("1e-4")
    expected = (expansion(mp.mpf(p), T + wide) - expansion(mp.mpf(p), T - wide)) / (2 * wide)
    assert slopes["grad(expansion, T)"] == pytest.approx(float(expected), rel=1e-6)


def test_means_of_clusters() -> None:
    rng = np.random.default_rng(4)
    points, centres = rng.normal(size=(40, 2)), rng.normal(size=(3, 2))
    found = load("k_means")(points=points, centres=centres)
    nearest = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_allclose(found["diagonal"], np.repeat(2.0 * np.bincount(nearest, minlength=3)[:, None], 2, 1))
    for _ in range(5):
        nearest = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        centres = np.array([points[nearest == j].mean(axis=0) for j in range(3)])
    np.testing.assert_allclose(found["c"], centres, rtol=1e-12)


def test_a_ball_in_a_vacuum() -> None:
    """Without air and from the ground: two parabolas."""
    found = load("projectile")(height=0, density=0, h=1e-4)
    once = 30.0**2 * math.sin(1.2) / 9.81
    assert found["range"] == pytest.approx(once * 1.745, rel=1e-5)
    assert found["top"] == pytest.approx((30 * math.sin(0.6)) ** 2 / (2 * 9.81), rel=1e-5)


def test_the_saddle() -> None:
    """As published, and as every program of that suite finds it."""
    found = load("saddle_point")()
    for name in ("x", "y"):
        np.testing.assert_allclose(found[name], [8.246324826140356e-06] * 2, rtol=1e-9)


def miss(w: Number, h: Number) -> Number:
    """The particle, step by step, with the formula for the force."""
    x, y, v, u = mp.mpf(0), mp.mpf(8), mp.mpf("0.75"), mp.mpf(0)
    while y + h * u >= 0:
        a = b = mp.mpf(0)
        for height in (10 - w, mp.mpf(0)):
            r3 = mp.sqrt((x - 10) ** 2 + (y - height) ** 2) ** 3
            a, b = a + (x - 10) / r3, b + (y - height) / r3
        x, y, v, u = x + h * v, y + h * u, v + h * a, u + h * b
    return (x - y / u * v) ** 2


def test_the_charged_particle() -> None:
    """As published; 0.207191874648612 in all digits but the last."""
    found = load("charged_particle")()
    assert found["w"] == pytest.approx(0.20719187464861194, rel=1e-12)
    assert found["E"] == pytest.approx(float(miss(mp.mpf(found["w"]), mp.mpf("0.1"))), rel=1e-6)


def test_the_slope_of_a_particle() -> None:
    """The derivative through the path, with those of the potential in each step, and again."""
    text = (EXAMPLES / "charged_particle.grad").read_text("utf-8")
    text = text.partition("# Descent")[0] + "w = w₀\nE = miss(w, h)\ng = grad(E, w)\nc = hessian(E, w)\noutput E, g, c"
    w, h, step = mp.mpf("0.25"), mp.mpf("0.1"), mp.mpf("1e-12")
    left, middle, right = (miss(w + k * step, h) for k in (-1, 0, 1))
    found = gradc.compile(text)({"w₀": 0.25})
    assert found["E"] == pytest.approx(float(middle), rel=1e-11)
    assert found["g"] == pytest.approx(float((right - left) / (2 * step)), rel=1e-10)
    assert found["c"] == pytest.approx(float((right - 2 * middle + left) / step**2), rel=1e-9)
