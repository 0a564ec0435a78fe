"""Rules over arrays: programs that are their left sides, and what these are over the reals."""

from __future__ import annotations

import random
from typing import Any

import mpmath

import gradc

TEXTS = {
    "log_sum_exp": "input x[n]\ny = [log(sum(exp(x)))]",
    "softmax": "input x[n]\ny = exp(x)/sum(exp(x))",
    "log_softmax": "input x[n]\ny = log(softmax(x))",
    "log_softmax_difference": "input x[n]\ny = x - logsumexp(x)",
    "norm": "input x[n]\ny = [sqrt(sum(x^2))]",
    "log_abs_det": "input x[n, n]\ny = [log(abs(det(x)))]",
    "log_det": "input x[n, n]\ny = [log(det(x @ x.T + 0.5*eye(n)))]",
    "log_mean_exp": "input x[n]\ny = [log(mean(exp(x)))]",
    "log_prod": "input x[n]\ny = [log(prod(x))]",
    "log_product": "input x[n]\ny = log(sigmoid(x)*exp(-(x^2)))",
    "log_abs_prod": "input x[n]\ny = [log(abs(prod(x)))]",
    "det_cholesky": "input x[n, n]\ny = [det(cholesky(x @ x.T + 0.5*eye(n)))]",
    "logdet_cholesky": "input x[n, n]\nL = cholesky(x @ x.T + 0.5*eye(n))\ny = [logdet(L @ L.T)]",
}
"""The left side of each rule: y, a vector, of x."""

MATRICES = {name for name, text in TEXTS.items() if "x[n, n]" in text}
"""The rules whose x is a square matrix."""


def reference(name: str, x: Any) -> tuple[list[Any], list[list[Any]]]:
    """The value of y and its Jacobian by x, whose elements stand in one row, with more digits than a share may lack."""
    with mpmath.workdps(50 if name in MATRICES else 400):
        if name in MATRICES:
            return _determinant(name, mpmath.matrix(x))
        n = range(len(x))
        if name == "norm":
            length = mpmath.sqrt(sum(mpmath.mpf(v) ** 2 for v in x))
            return [length], [[v / length if length else mpmath.mpf(0) for v in x]]
        if name in ("log_prod", "log_abs_prod"):
            return _product(name, x)
        if name == "log_product":
            values = [-mpmath.log1p(mpmath.exp(-mpmath.mpf(v))) - mpmath.mpf(v) ** 2 for v in x]
            slopes = [1 / (1 + mpmath.exp(mpmath.mpf(v))) - 2 * mpmath.mpf(v) for v in x]
            return values, [[slopes[i] * (i == j) for j in n] for i in n]
        e = [mpmath.exp(v) for v in x]
        total = sum(e)
        share = [v / total for v in e]
        if name in ("log_sum_exp", "log_mean_exp"):
            return [mpmath.log(total / (len(x) if name == "log_mean_exp" else 1))], [share]
        if name == "softmax":
            return share, [[share[i] * ((i == j) - share[j]) for j in n] for i in n]
        return [mpmath.log(v) for v in share], [[(i == j) - share[j] for j in n] for i in n]


def _product(name: str, x: Any) -> tuple[list[Any], list[list[Any]]]:
    factors = [abs(mpmath.mpf(v)) if name == "log_abs_prod" else mpmath.mpf(v) for v in x]
    # Where a factor is 0, the slope of its absolute value is 0.
    at_pole = mpmath.nan if name == "log_abs_prod" else mpmath.inf
    slopes = [1 / mpmath.mpf(v) if v else at_pole for v in x]
    product = mpmath.fprod(factors)
    return [mpmath.nan if product < 0 else mpmath.log(product) if product else -mpmath.inf], [slopes]


def _determinant(name: str, x: Any) -> tuple[list[Any], list[list[Any]]]:
    n = range(x.rows)
    if name == "log_abs_det":
        inverse = mpmath.inverse(x)
        return [mpmath.log(abs(mpmath.det(x)))], [[inverse[j, i] for i in n for j in n]]
    gram = x * x.T + mpmath.mpf(0.5) * mpmath.eye(x.rows)
    slope = 2 * mpmath.inverse(gram) * x
    if name == "det_cholesky":
        value = mpmath.sqrt(mpmath.det(gram))
        return [value], [[value * slope[i, j] / 2 for i in n for j in n]]
    return [mpmath.log(mpmath.det(gram))], [[slope[i, j] for i in n for j in n]]


def draw(name: str, generator: random.Random) -> Any:
    """An array of the size of everyday numbers, or of one at which the left side fails."""
    scale = 10 ** generator.uniform(-1, 2) * (100 if generator.random() < 0.2 else 1)
    if name == "norm":
        scale = 10 ** generator.uniform(-200, 200)
    if name in ("log_prod", "log_abs_prod"):
        size = generator.choice((0.1, 100, 300))
        signs = (1,) if name == "log_prod" else (1, -1)
        return [generator.choice(signs) * 10 ** generator.uniform(-size, size) for _ in range(4)]
    if name in ("det_cholesky", "logdet_cholesky"):
        n, scale = 4, 10 ** generator.uniform(-1, 1)
        return [[generator.uniform(-1, 1) * scale for _ in range(n)] for _ in range(n)]
    if name in MATRICES:
        n, scale = (3, 10 ** generator.uniform(-1, 1)) if generator.random() < 0.8 else (6, 1e60)
        return [[generator.uniform(-1, 1) * scale for _ in range(n)] for _ in range(n)]
    return [generator.uniform(-1, 1) * scale for _ in range(4)]


def model(name: str, **options: Any) -> gradc.Model:
    """The program of a rule with its Jacobian, as the output J."""
    return gradc.compile(f"{TEXTS[name]}\nJ = jacobian(y, x)\noutput y, J", **options)
