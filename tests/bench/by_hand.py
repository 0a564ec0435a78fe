"""Value and gradient of the array examples as one writes them by hand in NumPy, to be measured beside gradc.

Every function takes the inputs of the example of its name and gives the value and its derivatives by the params, in
the order of their declaration. Formulas are derived by hand and simplified, temporaries are reused in place where that
is natural, and sums of products go to BLAS: what somebody writes who knows NumPy and wants speed, but not another
algorithm than the example's. Of two ways to write something, the one that measured faster at the sizes of
``bench.arrays`` stands here.
"""

# Parameters have the names of the formulas.
# ruff: noqa: N803

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = Any
Gradients = tuple[Array, ...]


def least_squares(X: Array, y: Array, w: Array, b: float) -> tuple[float, Gradients]:
    n = len(y)
    r = X @ w
    r += b
    r -= y
    return float(r @ r) / (2 * n), (r @ X / n, float(r.sum()) / n)


def logistic_regression(X: Array, t: Array, w: Array, b: float, λ: float = 0.01) -> tuple[float, Gradients]:
    n = len(t)
    z = X @ w
    z += b
    e = np.exp(-np.abs(z))
    loss = float(np.maximum(z, 0).sum() - t @ z + np.log1p(e).sum()) / n + λ / 2 * float(w @ w)
    # The probability of class 1 without overflow, from the exponential that the loss has needed.
    r = np.where(z >= 0, 1.0, e)
    e += 1
    r /= e
    r -= t
    r /= n
    return loss, (r @ X + λ * w, float(r.sum()))


def _cross_entropy(z: Array, labels: Array) -> tuple[float, Array]:
    """The mean loss for scores with a column for each observation, and its gradient, written over the scores.

    Reductions along the short axis are several times faster where that is the first one.
    """
    columns = np.arange(len(labels))
    z -= z.max(axis=0)
    picked = z[labels, columns]
    np.exp(z, out=z)
    total = z.sum(axis=0)
    z /= total
    z[labels, columns] -= 1
    z /= len(labels)
    return float(np.log(total).sum() - picked.sum()) / len(labels), z


def softmax_classifier(X: Array, labels: Array, W: Array, b: Array) -> tuple[float, Gradients]:
    z = W.T @ X.T
    z += b[:, None]
    loss, z = _cross_entropy(z, labels)
    return loss, ((z @ X).T, z.sum(axis=1))


def two_layer_network(X: Array, labels: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> tuple[float, Gradients]:
    hidden = X @ W1
    hidden += b1
    np.maximum(hidden, 0, out=hidden)
    z = W2.T @ hidden.T
    z += b2[:, None]
    loss, z = _cross_entropy(z, labels)
    back = z.T @ W2.T
    back *= hidden > 0
    return loss, (X.T @ back, back.sum(axis=0), (z @ hidden).T, z.sum(axis=1))


def gaussian_mixture(x: Array, α: Array, μ: Array, icf: Array, γ: float = 1.0, m: int = 0) -> tuple[float, Gradients]:
    (n, d), k = x.shape, len(α)
    columns, rows = np.triu_indices(d, 1)
    diagonal = np.arange(d)
    q = icf[:, :d]
    Q = np.zeros((k, d, d))
    Q[:, diagonal, diagonal] = np.exp(q)
    Q[:, rows, columns] = icf[:, d:]
    # One Gaussian after the other: what belongs to one stays in the cache.
    z, score, centred = np.empty((k, n, d)), np.empty((k, n)), np.empty((n, d))
    for c in range(k):
        np.subtract(x, μ[c], out=centred)
        np.matmul(centred, Q[c].T, out=z[c])
        np.einsum("ia,ia->i", z[c], z[c], out=score[c])
    score *= -0.5
    score += (α + q.sum(axis=1))[:, None]
    top = score.max(axis=0)
    score -= top
    np.exp(score, out=score)
    total = score.sum(axis=0)
    score /= total  # how much each Gaussian is responsible for each point
    shifted = np.exp(α - α.max())
    weights = shifted / shifted.sum()
    likelihood = -n * d / 2 * math.log(2 * math.pi) + float(np.log(total).sum() + top.sum())
    likelihood -= n * (math.log(float(shifted.sum())) + float(α.max()))
    ν = d + m + 1
    gamma = d * (d - 1) / 4 * math.log(math.pi) + sum(math.lgamma((ν - j) / 2) for j in range(d))
    constant = ν * d * (math.log(γ) - math.log(2) / 2) - gamma
    prior = γ**2 / 2 * float(np.vdot(Q, Q)) - m * float(q.sum()) - k * constant

    by_Q, by_μ = np.empty((k, d, d)), np.empty((k, d))
    for c in range(k):
        weighted = z[c]
        weighted *= score[c][:, None]
        np.subtract(x, μ[c], out=centred)
        np.matmul(weighted.T, centred, out=by_Q[c])
        by_μ[c] = weighted.sum(axis=0) @ Q[c]
    np.negative(by_Q, out=by_Q)
    by_Q += γ**2 * Q
    taken = score.sum(axis=1)
    by_icf = np.empty_like(icf)
    by_icf[:, :d] = by_Q[:, diagonal, diagonal] * Q[:, diagonal, diagonal]
    by_icf[:, :d] += (taken - m)[:, None]
    by_icf[:, d:] = by_Q[:, rows, columns]
    return likelihood + prior, (taken - n * weights, by_μ, by_icf)


def _rotations(r: Array) -> tuple[Array, Array]:
    """The rotation matrices of axis-angle vectors, and their derivatives by the three numbers: [j, a, b, component]."""
    eye = np.eye(3)
    # Of rotations about the three axes: generators[a] @ v is the cross product of the axis a and v.
    generators = np.array(
        [[[0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 0]]],
        float,
    )
    θ = np.sqrt(np.einsum("ja,ja->j", r, r))
    safe = np.where(θ > 0, θ, 1)
    # R = cos θ + A [r]× + B r rᵀ with A = sin θ/θ and B = (1 - cos θ)/θ².
    A = np.where(θ > 0, np.sin(θ) / safe, 1)
    B = np.where(θ > 0, (1 - np.cos(θ)) / safe**2, 0.5)
    cross = np.einsum("ja,abc->jbc", r, generators)
    outer = r[:, :, None] * r[:, None]
    R = np.cos(θ)[:, None, None] * eye + A[:, None, None] * cross + B[:, None, None] * outer
    by_A = np.where(θ > 0, (np.cos(θ) - A) / safe**2, 0)
    by_B = np.where(θ > 0, (A - 2 * B) / safe**2, 0)
    along = -A[:, None, None] * eye + by_A[:, None, None] * cross + by_B[:, None, None] * outer
    by_r = along[..., None] * r[:, None, None]
    by_r += A[:, None, None, None] * generators.transpose(1, 2, 0)
    by_r += B[:, None, None, None] * (eye[:, None] * r[:, None, :, None] + r[:, :, None, None] * eye)
    return R, by_r


def bundle_adjustment(cam: Array, pt: Array, feat: Array, cams: Array, X: Array, w: Array) -> tuple[float, Gradients]:
    n, m = len(cams), len(X)
    R, by_r = _rotations(cams[:, :3])
    # A row for each component, so that every operation runs over contiguous observations.
    turn = R.reshape(n, 9).T[:, cam]
    x, y, z, f, u, v, k1, k2 = cams.T[3:, cam]
    offset = X.T[:, pt]
    for own, centre in zip(offset, (x, y, z), strict=True):
        own -= centre
    across, down, depth = (turn[i] * offset[0] + turn[i + 1] * offset[1] + turn[i + 2] * offset[2] for i in (0, 3, 6))
    np.divide(1, depth, out=depth)
    across *= depth
    down *= depth
    r2 = across * across
    r2 += down * down
    bend = k2 * r2
    bend += k1
    bend *= r2
    bend += 1
    scale = f * bend
    miss = across * scale, down * scale
    for own, centre, seen in zip(miss, (u, v), feat.T, strict=True):
        own += centre
        own -= seen
    square = miss[0] * miss[0] + miss[1] * miss[1]
    w2 = w * w
    doubt = 1 - w2
    value = 0.5 * float(w2 @ square + doubt @ doubt)

    square -= 2 * doubt
    square *= w
    by_cams, by_X, by_R = np.empty_like(cams), np.empty_like(X), np.empty((n, 9))
    for column, own in zip((7, 8), miss, strict=True):
        own *= w2
        by_cams[:, column] = np.bincount(cam, own, n)
    along = miss[0] * across
    along += miss[1] * down
    by_cams[:, 6] = np.bincount(cam, along * bend, n)
    along *= f
    by_r2 = k2 * r2
    by_r2 *= 2
    by_r2 += k1
    by_r2 *= along
    by_r2 *= 2
    along *= r2
    by_cams[:, 9] = np.bincount(cam, along, n)
    along *= r2
    by_cams[:, 10] = np.bincount(cam, along, n)
    for own, flat in zip(miss, (across, down), strict=True):
        own *= scale
        own += flat * by_r2
        own *= depth
    by_depth = -(miss[0] * across + miss[1] * down)
    for i, own in enumerate((*miss, by_depth)):
        for j in range(3):
            by_R[:, 3 * i + j] = np.bincount(cam, own * offset[j], n)
    for j in range(3):
        own = turn[j] * miss[0]
        own += turn[j + 3] * miss[1]
        own += turn[j + 6] * by_depth
        by_X[:, j] = np.bincount(pt, own, m)
        by_cams[:, 3 + j] = -np.bincount(cam, own, n)
    by_cams[:, :3] = np.einsum("jk,jkc->jc", by_R, by_r.reshape(n, 9, 3))
    return value, (by_cams, by_X, square)


def gaussian_process(X: Array, y: Array, log_ℓ: Array, log_σ_f: float, log_σ_n: float) -> tuple[float, Gradients]:
    n = len(y)
    z = X / np.exp(log_ℓ)
    square = np.einsum("ia,ia->i", z, z)
    K = z @ z.T
    K *= 2
    K -= square[:, None]
    K -= square
    K *= 0.5
    np.exp(K, out=K)
    K *= math.exp(2 * log_σ_f)
    noise = math.exp(2 * log_σ_n)
    noisy = K.copy()
    noisy.flat[:: n + 1] += noise
    half = np.log(np.linalg.cholesky(noisy).diagonal()).sum()
    inverse = np.linalg.inv(noisy)
    a = inverse @ y
    value = -0.5 * float(y @ a) - float(half) - n / 2 * math.log(2 * math.pi)
    # Rasmussen and Williams, equation 5.9: dL = tr((a aᵀ - K⁻¹) dK)/2.
    inverse *= -0.5
    inverse += 0.5 * a[:, None] * a
    by_noise = 2 * noise * float(np.trace(inverse))
    inverse *= K
    by_signal = 2 * float(inverse.sum())
    by_ℓ = 2 * (inverse.sum(axis=0) @ (z * z) - np.einsum("ia,ia->a", z, inverse @ z))
    return value, (by_ℓ, by_signal, by_noise)


def attention(x: Array, target: Array, W_q: Array, W_k: Array, W_v: Array) -> tuple[float, Gradients]:
    root = math.sqrt(W_q.shape[1])
    q, k, v = x @ W_q, x @ W_k, x @ W_v
    q /= root
    A = q @ k.T
    A -= A.max(axis=1, keepdims=True)
    np.exp(A, out=A)
    A /= A.sum(axis=1, keepdims=True)
    miss = A @ v
    miss -= target
    value = float(np.vdot(miss, miss)) / miss.size
    miss *= 2 / miss.size
    by_v = A.T @ miss
    S = miss @ v.T
    S *= A
    A *= S.sum(axis=1, keepdims=True)
    S -= A
    by_q = S @ k
    by_q /= root
    by_k = S.T @ q
    return value, (x.T @ by_q, x.T @ by_k, x.T @ by_v)


def convolution(x: Array, target: Array, k: Array, b: float = 0.0) -> tuple[float, Gradients]:
    height, width = target.shape
    windows = [(place, x[place[0] : place[0] + height, place[1] : place[1] + width]) for place in np.ndindex(k.shape)]
    miss = np.full(target.shape, b)
    for place, window in windows:
        miss += k[place] * window
    miss -= target
    value = float(np.vdot(miss, miss)) / (2 * miss.size)
    miss /= miss.size
    by_k = np.empty_like(k)
    for place, window in windows:
        by_k[place] = np.einsum("ij,ij->", miss, window)
    return value, (by_k, float(miss.sum()))


def lennard_jones(x: Array, ε: float = 1.0, σ: float = 1.0) -> tuple[float, Gradients]:
    # Every pair twice: whole matrices are several times faster than the places of a triangle.
    n = len(x)
    r2 = np.zeros((n, n))
    for column in x.T:
        apart = np.subtract.outer(column, column)
        apart *= apart
        r2 += apart
    r2.flat[:: n + 1] = np.inf
    inverse = np.divide(σ * σ, r2, out=r2)
    s6 = inverse * inverse
    s6 *= inverse
    value = 2 * ε * float(np.vdot(s6, s6) - s6.sum())
    inverse *= s6
    s6 *= -2
    s6 += 1
    inverse *= s6
    inverse *= 24 * ε / σ**2
    return value, (inverse.sum(axis=1)[:, None] * x - inverse @ x,)


def determinant(A: Array) -> tuple[float, Gradients]:
    # The minor of the last rows for every set of columns, and then how much the determinant changes with each.
    n = len(A)
    rows, everything = A.tolist(), (1 << n) - 1
    minors = [1.0] + [0.0] * everything
    for columns in range(1, everything + 1):
        row = rows[n - columns.bit_count()]
        sign, total = 1.0, 0.0
        for j in range(n):
            if columns >> j & 1:
                total += sign * row[j] * minors[columns - (1 << j)]
                sign = -sign
        minors[columns] = total
    by_A = np.zeros((n, n))
    by_minor = [0.0] * everything + [1.0]
    for columns in range(everything, 0, -1):
        i = n - columns.bit_count()
        change = by_minor[columns]
        for j in range(n):
            if columns >> j & 1:
                rest = columns - (1 << j)
                by_A[i, j] += change * minors[rest]
                by_minor[rest] += change * rows[i][j]
                change = -change
    return minors[everything], (by_A,)
