"""The array examples in JAX (jit), PyTorch (eager, CPU) and HIPS autograd, for ``bench.arrays``.

Each is written once, as one would write its value there, over the little that differs between the libraries. Numbers
are float64, data are converted before the clock starts, results are awaited, and libraries are told to use one thread.
"""

# Parameters have the names of the formulas.
# ruff: noqa: N803

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = Any
Run = Callable[[], tuple[float, Sequence[Array]]]


class Library:
    """What the programs below need of a library that looks like NumPy; ``numpy`` is its module of that kind."""

    def __init__(self, numpy: Any) -> None:
        self.numpy = numpy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.numpy, name)

    def constant(self, value: Array) -> Array:
        return self.numpy.array(value)

    def softplus(self, x: Array) -> Array:
        return self.numpy.logaddexp(0.0, x)

    def relu(self, x: Array) -> Array:
        return self.numpy.maximum(x, 0.0)

    def swap(self, x: Array) -> Array:
        return self.numpy.swapaxes(x, -1, -2)

    def logsumexp(self, x: Array, axis: int) -> Array:
        top = self.numpy.max(x, axis=axis, keepdims=True)
        total = self.numpy.log(self.numpy.sum(self.numpy.exp(x - top), axis=axis, keepdims=True))
        return self.numpy.squeeze(total + top, axis=axis)

    def softmax(self, x: Array) -> Array:
        e = self.numpy.exp(x - self.numpy.max(x, axis=-1, keepdims=True))
        return e / self.numpy.sum(e, axis=-1, keepdims=True)

    def solve_lower(self, L: Array, b: Array) -> Array:
        return self.numpy.linalg.solve(L, b)

    def correlate(self, x: Array, k: Array) -> Array:
        (r, s), (h, w) = k.shape, x.shape
        terms = [k[p, q] * x[p : p + h - r + 1, q : q + w - s + 1] for p in range(r) for q in range(s)]
        return sum(terms)


class Jax(Library):
    """JAX's own functions where it has them."""

    def __init__(self, jax: Any) -> None:
        super().__init__(jax.numpy)
        self.jax = jax

    def softplus(self, x: Array) -> Array:
        return self.jax.nn.softplus(x)

    def logsumexp(self, x: Array, axis: int) -> Array:
        return self.jax.nn.logsumexp(x, axis=axis)

    def softmax(self, x: Array) -> Array:
        return self.jax.nn.softmax(x, axis=-1)

    def solve_lower(self, L: Array, b: Array) -> Array:
        return self.jax.scipy.linalg.solve_triangular(L, b, lower=True)

    def correlate(self, x: Array, k: Array) -> Array:
        return self.jax.lax.conv(x[None, None], k[None, None], (1, 1), "VALID")[0, 0]


class Torch(Library):
    """PyTorch under the names that the programs use."""

    def constant(self, value: Array) -> Array:
        return self.numpy.as_tensor(value)

    def softplus(self, x: Array) -> Array:
        return -self.numpy.nn.functional.logsigmoid(-x)

    def relu(self, x: Array) -> Array:
        return self.numpy.relu(x)

    def logsumexp(self, x: Array, axis: int) -> Array:
        return self.numpy.logsumexp(x, axis)

    def softmax(self, x: Array) -> Array:
        return self.numpy.softmax(x, -1)

    def solve_lower(self, L: Array, b: Array) -> Array:
        return self.numpy.linalg.solve_triangular(L, b[:, None], upper=False)[:, 0]

    def correlate(self, x: Array, k: Array) -> Array:
        return self.numpy.nn.functional.conv2d(x[None, None], k[None, None])[0, 0]


# Programs ------------------------------------------------------------------------------------------------------------


def least_squares(m: Any, X: Array, y: Array, w: Array, b: Array) -> Array:
    r = X @ w + b - y
    return r @ r / (2 * len(y))


def logistic_regression(m: Any, X: Array, t: Array, w: Array, b: Array) -> Array:
    z = X @ w + b
    return m.mean(m.softplus(z) - t * z) + 0.005 * (w @ w)


def softmax_classifier(m: Any, X: Array, labels: Array, W: Array, b: Array) -> Array:
    z = X @ W + b
    return m.mean(m.logsumexp(z, 1) - z[np.arange(len(labels)), labels])


def two_layer_network(m: Any, X: Array, labels: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    return softmax_classifier(m, m.relu(X @ W1 + b1), labels, W2, b2)


def gaussian_mixture(m: Any, x: Array, α: Array, μ: Array, icf: Array) -> Array:
    (n, d), k = x.shape, len(α)
    columns, rows = np.triu_indices(d, 1)
    place = np.zeros((d, d), int)
    place[rows, columns] = np.arange(d, icf.shape[1])
    q = icf[:, :d]
    Q = icf[:, place] * m.constant((place > 0).astype(float)) + m.exp(q)[:, :, None] * m.constant(np.eye(d))
    z = (x - μ[:, None]) @ m.swap(Q)
    score = (α + m.sum(q, 1))[:, None] - 0.5 * m.sum(z * z, 2)
    likelihood = -n * d / 2 * math.log(2 * math.pi) + m.sum(m.logsumexp(score, 0)) - n * m.logsumexp(α, 0)
    gamma = d * (d - 1) / 4 * math.log(math.pi) + sum(math.lgamma((d + 1 - j) / 2) for j in range(d))
    return likelihood + 0.5 * m.sum(Q * Q) + k * ((d + 1) * d * math.log(2) / 2 + gamma)


def bundle_adjustment(m: Any, cam: Array, pt: Array, feat: Array, cams: Array, X: Array, w: Array) -> Array:
    generators = np.zeros((3, 3, 3))
    for a in range(3):
        generators[a, a - 2, a - 1], generators[a, a - 1, a - 2] = -1, 1
    r = cams[:, :3]
    θ = m.sqrt(m.sum(r * r, 1))[:, None, None]
    cross = m.einsum("ja,abc->jbc", r, m.constant(generators))
    R = m.cos(θ) * m.constant(np.eye(3)) + m.sin(θ) / θ * cross + (1 - m.cos(θ)) / θ**2 * r[:, :, None] * r[:, None]
    camera = cams[cam]
    at = (R[cam] @ (X[pt] - camera[:, 3:6])[:, :, None])[:, :, 0]
    flat = at[:, :2] / at[:, 2:]
    r2 = m.sum(flat * flat, 1)[:, None]
    seen = camera[:, 6:7] * (1 + camera[:, 9:10] * r2 + camera[:, 10:] * r2**2) * flat + camera[:, 7:9]
    return (m.sum((w[:, None] * (seen - feat)) ** 2) + m.sum((1 - w**2) ** 2)) / 2


def gaussian_process(m: Any, X: Array, y: Array, log_ℓ: Array, log_σ_f: Array, log_σ_n: Array) -> Array:
    n = len(y)
    z = X / m.exp(log_ℓ)
    r2 = m.sum((z[:, None] - z) ** 2, 2)
    K = m.exp(2 * log_σ_f - r2 / 2) + m.exp(2 * log_σ_n) * m.constant(np.eye(n))
    L = m.linalg.cholesky(K)
    v = m.solve_lower(L, y)
    return -v @ v / 2 - m.sum(m.log(L[np.arange(n), np.arange(n)])) - n / 2 * math.log(2 * math.pi)


def attention(m: Any, x: Array, target: Array, W_q: Array, W_k: Array, W_v: Array) -> Array:
    q, k, v = x @ W_q, x @ W_k, x @ W_v
    return m.mean((m.softmax(q @ m.swap(k) / math.sqrt(W_q.shape[1])) @ v - target) ** 2)


def convolution(m: Any, x: Array, target: Array, k: Array, b: Array) -> Array:
    return m.mean((m.correlate(x, k) + b - target) ** 2) / 2


def lennard_jones(m: Any, x: Array) -> Array:
    n = len(x)
    # Ones on the diagonal, which the triangle leaves out.
    r2 = m.sum((x[:, None] - x) ** 2, 2) + m.constant(np.eye(n))
    s6 = (1 / r2) ** 3
    return m.sum(m.constant(np.tri(n, k=-1)) * (4 * (s6 * s6 - s6)))


def determinant(m: Any, A: Array) -> Array:
    n = len(A)
    minors: list[Any] = [1.0]
    for columns in range(1, 2**n):
        chosen = [j for j in range(n) if columns >> j & 1]
        row = A[n - len(chosen)]
        minors.append(sum((-1) ** at * row[j] * minors[columns - 2**j] for at, j in enumerate(chosen)))
    return minors[-1]


# The libraries -------------------------------------------------------------------------------------------------------


def _jax(example: str, data: dict[str, Array], places: Sequence[int]) -> Run:
    import jax

    jax.config.update("jax_enable_x64", True)
    library, program = Jax(jax), globals()[example]
    gradient = jax.jit(jax.value_and_grad(lambda *given: program(library, *given), tuple(places)))
    given = [jax.numpy.asarray(value) for value in data.values()]
    return lambda: jax.block_until_ready(gradient(*given))


def _autograd(example: str, data: dict[str, Array], places: Sequence[int]) -> Run:
    import autograd
    import autograd.numpy

    library, program = Library(autograd.numpy), globals()[example]
    given = list(data.values())

    def value(chosen: tuple[Array, ...]) -> Array:
        filled = list(given)
        for place, each in zip(places, chosen, strict=True):
            filled[place] = each
        return program(library, *filled)

    gradient = autograd.value_and_grad(value)
    return lambda: gradient(tuple(given[place] for place in places))


def _torch(example: str, data: dict[str, Array], places: Sequence[int]) -> Run:
    import torch

    torch.set_num_threads(1)
    library, program = Torch(torch), globals()[example]
    # Of a Python number PyTorch would make one of single precision.
    given = [torch.as_tensor(np.asarray(value)) for value in data.values()]
    chosen = [given[place].requires_grad_() for place in places]

    def run() -> tuple[float, Sequence[Array]]:
        value = program(library, *given)
        return value.item(), [each.numpy() for each in torch.autograd.grad(value, chosen)]

    return run


_PEERS = {"jax": _jax, "torch": _torch, "autograd": _autograd}
PEERS = tuple(_PEERS)


def prepare(peer: str, example: str, data: dict[str, Array], wrt: Sequence[str]) -> Run:
    """Value and gradient of an example by a library; raises ImportError where that is missing."""
    listed = list(data)
    return _PEERS[peer](example, data, [listed.index(name) for name in wrt])
