"""Loops as ``.grad`` text, and the same written by hand in Python and NumPy, to be measured by ``bench.loops``.

By hand, a gradient keeps what its way back needs in a list and walks it backwards, with formulas simplified on paper
and invariants taken out: what somebody writes who knows Python and NumPy and wants speed, but not another algorithm.
"""

# Parameters have the names of the formulas.
# ruff: noqa: N803

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = Any
Gradients = tuple[Array, ...]
Found = tuple[float, Sequence[Array]]


@dataclass(frozen=True)
class Case:
    """A program with its data for so many iterations; by hand, its value and its value with gradients."""

    text: str
    make: Callable[[int], dict[str, Any]]
    iterations: int
    value: Callable[..., float]
    gradient: Callable[..., Found]


# Numbers -------------------------------------------------------------------------------------------------------------

PENDULUM = """
input n: int, h = 0.001
param a, b
y = a
for t in 0..n { y = y + h*(b - sin(y)) }
L = y^2
output L
"""


def pendulum(n: int, h: float, a: float, b: float) -> float:
    y = a
    for _ in range(n):
        y = y + h * (b - math.sin(y))
    return y * y


def pendulum_gradient(n: int, h: float, a: float, b: float) -> Found:
    y, states = a, []
    for _ in range(n):
        states.append(y)
        y = y + h * (b - math.sin(y))
    adjoint, by_b = 2 * y, 0.0
    for state in reversed(states):
        by_b += adjoint * h
        adjoint -= adjoint * h * math.cos(state)
    return y * y, (adjoint, by_b)


DECAY = """
input n: int
param a, r
y = a; steps = 0
while y > exp(-1.0e-5*n) { y = y - 1.0e-5*y*(1 + r*y); steps = steps + 1 }
L = y
output L
"""


def decay(n: int, a: float, r: float) -> float:
    y, steps, least = a, 0, math.exp(-1e-5 * n)
    while y > least:
        y = y - 1e-5 * y * (1 + r * y)
        steps += 1
    return y


def decay_gradient(n: int, a: float, r: float) -> Found:
    y, states, least = a, [], math.exp(-1e-5 * n)
    while y > least:
        states.append(y)
        y = y - 1e-5 * y * (1 + r * y)
    adjoint, by_r = 1.0, 0.0
    for state in reversed(states):
        by_r -= adjoint * 1e-5 * state * state
        adjoint -= adjoint * 1e-5 * (1 + 2 * r * state)
    return y, (adjoint, by_r)


RECURRENCE = """
input u[n]
param w, s
x = zeros(n)
for t in 1..n { x[t] = w*x[t - 1] + s*u[t] }
L = sum(x[i]^2 for i)/2
output L
"""


def recurrence(u: Array, w: float, s: float) -> float:
    x, given = [0.0] * len(u), u.tolist()
    for t in range(1, len(u)):
        x[t] = w * x[t - 1] + s * given[t]
    return math.fsum(each * each for each in x) / 2


def recurrence_gradient(u: Array, w: float, s: float) -> Found:
    x, given = [0.0] * len(u), u.tolist()
    for t in range(1, len(u)):
        x[t] = w * x[t - 1] + s * given[t]
    adjoint = by_w = by_s = 0.0
    for t in range(len(u) - 1, 0, -1):
        adjoint = w * adjoint + x[t]
        by_w += adjoint * x[t - 1]
        by_s += adjoint * given[t]
    return math.fsum(each * each for each in x) / 2, (by_w, by_s)


# Arrays --------------------------------------------------------------------------------------------------------------

EULER = """
input n: int, h = 0.01
param y0[m], k[m]
y = y0
for t in 0..n { y = y + h*(k - sin(y)) }
L = sum(y^2)
output L
"""


def euler(n: int, h: float, y0: Array, k: Array) -> float:
    y = y0
    for _ in range(n):
        y = y + h * (k - np.sin(y))
    return float(y @ y)


def euler_gradient(n: int, h: float, y0: Array, k: Array) -> Found:
    y, states = y0, []
    for _ in range(n):
        states.append(y)
        y = y + h * (k - np.sin(y))
    adjoint, total = 2 * y, np.zeros_like(y)
    for state in reversed(states):
        total += adjoint
        adjoint = adjoint - h * adjoint * np.cos(state)
    return float(y @ y), (adjoint, h * total)


# A chain of pendulums: the second derivatives of their angles by those of their neighbours, on a ring.
KUTTA = """
input n: int, h = 0.01
param x0[m], v0[m], k
fn force(x) = -sin(x) + k*([x[(i + 1) % m] for i in 0..m] - 2*x + [x[(i + m - 1) % m] for i in 0..m])
fn step(x, v, h) {
    a1 = force(x)
    a2 = force(x + h/2*v)
    a3 = force(x + h/2*v + h^2/4*a1)
    a4 = force(x + h*v + h^2/2*a2)
    return x + h*v + h^2/6*(a1 + a2 + a3), v + h/6*(a1 + 2*a2 + 2*a3 + a4)
}
x = x0; v = v0
for t in 0..n { x, v = step(x, v, h) }
L = sum(x^2)
output L
"""


def _force(x: Array, k: float) -> Array:
    return -np.sin(x) + k * (np.roll(x, -1) - 2 * x + np.roll(x, 1))


def _pull(x: Array, k: float, adjoint: Array) -> tuple[Array, float]:
    """The adjoints of the force, which is symmetric."""
    ring = np.roll(x, -1) - 2 * x + np.roll(x, 1)
    back = k * (np.roll(adjoint, -1) - 2 * adjoint + np.roll(adjoint, 1))
    return back - np.cos(x) * adjoint, float(ring @ adjoint)


def _step(x: Array, v: Array, h: float, k: float) -> tuple[Array, ...]:
    a1 = _force(x, k)
    x2 = x + h / 2 * v
    a2 = _force(x2, k)
    x3 = x2 + h * h / 4 * a1
    a3 = _force(x3, k)
    x4 = x + h * v + h * h / 2 * a2
    a4 = _force(x4, k)
    return x + h * v + h * h / 6 * (a1 + a2 + a3), v + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4), x2, x3, x4


def kutta(n: int, h: float, x0: Array, v0: Array, k: float) -> float:
    x, v = x0, v0
    for _ in range(n):
        x, v, *_ = _step(x, v, h, k)
    return float(x @ x)


def kutta_gradient(n: int, h: float, x0: Array, v0: Array, k: float) -> Found:
    x, v, states = x0, v0, []
    for _ in range(n):
        new, w, x2, x3, x4 = _step(x, v, h, k)
        states.append((x, x2, x3, x4))
        x, v = new, w
    value = float(x @ x)
    ax, av, ak = 2 * x, np.zeros_like(x), 0.0
    for x1, x2, x3, x4 in reversed(states):
        sixth, share = h * h / 6 * ax, h / 6 * av
        b4, k4 = _pull(x4, k, share)
        b3, k3 = _pull(x3, k, sixth + 2 * share)
        b2, k2 = _pull(x2, k, sixth + 2 * share + h * h / 2 * b4)
        b1, k1 = _pull(x1, k, sixth + share + h * h / 4 * b3)
        ak += k1 + k2 + k3 + k4
        av = av + h * (ax + b4) + h / 2 * (b2 + b3)
        ax = ax + b1 + b2 + b3 + b4
    return value, (ax, av, ak)


GRU = (Path(__file__).parents[2] / "examples" / "gru.grad").read_text("utf-8")


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def gru(
    x: Array, target: Array, W: Array, W_z: Array, W_r: Array, U: Array, U_z: Array, U_r: Array, *rest: Array
) -> float:
    b, b_z, b_r, V, c = rest
    given, given_z, given_r = x @ W.T + b, x @ W_z.T + b_z, x @ W_r.T + b_r
    state, states = np.zeros(len(b)), np.empty((len(x), len(b)))
    for t in range(len(x)):
        z = _sigmoid(given_z[t] + U_z @ state)
        new = np.tanh(given[t] + U @ (_sigmoid(given_r[t] + U_r @ state) * state))
        state = states[t] = z * state + (1 - z) * new
    miss = states @ V.T + c - target
    return float(np.sum(miss * miss)) / (2 * len(x))


def gru_gradient(
    x: Array, target: Array, W: Array, W_z: Array, W_r: Array, U: Array, U_z: Array, U_r: Array, *rest: Array
) -> Found:
    b, b_z, b_r, V, c = rest
    T, h = len(x), len(b)
    given, given_z, given_r = x @ W.T + b, x @ W_z.T + b_z, x @ W_r.T + b_r
    before, zs, rs, news, states = (np.empty((T, h)) for _ in range(5))
    state = np.zeros(h)
    for t in range(T):
        before[t] = state
        z = zs[t] = _sigmoid(given_z[t] + U_z @ state)
        r = rs[t] = _sigmoid(given_r[t] + U_r @ state)
        new = news[t] = np.tanh(given[t] + U @ (r * state))
        state = states[t] = z * state + (1 - z) * new
    miss = states @ V.T + c - target
    value = float(np.sum(miss * miss)) / (2 * T)
    miss /= T
    seeds = miss @ V
    a, a_z, a_r = (np.empty((T, h)) for _ in range(3))
    adjoint = np.zeros(h)
    for t in range(T - 1, -1, -1):
        adjoint = adjoint + seeds[t]
        z, r, new, state = zs[t], rs[t], news[t], before[t]
        inner = a[t] = adjoint * (1 - z) * (1 - new * new)
        gate = a_z[t] = adjoint * (state - new) * z * (1 - z)
        mixed = U.T @ inner
        reset = a_r[t] = mixed * state * r * (1 - r)
        adjoint = adjoint * z + mixed * r + U_z.T @ gate + U_r.T @ reset
    weights = (a.T @ x, a_z.T @ x, a_r.T @ x, a.T @ (rs * before), a_z.T @ before, a_r.T @ before)
    return value, (*weights, a.sum(0), a_z.sum(0), a_r.sum(0), miss.T @ states, miss.sum(0))


def _gru_data(T: int) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    d, h = 8, 32
    shapes = {"W": (h, d), "W_z": (h, d), "W_r": (h, d), "U": (h, h), "U_z": (h, h), "U_r": (h, h)}
    shapes |= {"b": (h,), "b_z": (h,), "b_r": (h,), "V": (d, h), "c": (d,)}
    data = {"x": rng.normal(size=(T, d)), "target": rng.normal(size=(T, d))}
    return data | {name: rng.normal(size=shape) / h**0.5 for name, shape in shapes.items()}


def _vectors(m: int, *names: str) -> dict[str, Any]:
    return {name: np.random.default_rng(at).normal(size=m) for at, name in enumerate(names)}


CASES: dict[str, Case] = {
    "numbers, for": Case(
        PENDULUM, lambda n: {"n": n, "h": 0.001, "a": 0.5, "b": 0.3}, 100_000, pendulum, pendulum_gradient
    ),
    "numbers, while": Case(DECAY, lambda n: {"n": n, "a": 1.0, "r": 0.1}, 100_000, decay, decay_gradient),
    "elements": Case(
        RECURRENCE,
        lambda n: {"u": np.random.default_rng(1).normal(size=n), "w": 0.9, "s": 0.5},
        20_000,
        recurrence,
        recurrence_gradient,
    ),
    "euler, 10": Case(EULER, lambda n: {"n": n, "h": 0.01, **_vectors(10, "y0", "k")}, 10_000, euler, euler_gradient),
    "euler, 1000": Case(
        EULER, lambda n: {"n": n, "h": 0.01, **_vectors(1000, "y0", "k")}, 2_000, euler, euler_gradient
    ),
    "runge-kutta, 10": Case(
        KUTTA, lambda n: {"n": n, "h": 0.01, **_vectors(10, "x0", "v0"), "k": 0.7}, 2_000, kutta, kutta_gradient
    ),
    "runge-kutta, 1000": Case(
        KUTTA, lambda n: {"n": n, "h": 0.01, **_vectors(1000, "x0", "v0"), "k": 0.7}, 1_000, kutta, kutta_gradient
    ),
    "recurrent network": Case(GRU, _gru_data, 1_000, gru, gru_gradient),
}
