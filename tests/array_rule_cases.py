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
}
"""The left side of each rule: y, a vector, of x."""


def reference(name: str, x: Any) -> tuple[list[Any], list[list[Any]]]:
    """The value of y and its Jacobian by x, whose elements stand in one row, with 50 digits."""
    with mpmath.workdps(50):
        if name in ("log_abs_det", "log_det"):
            return _determinant(name, mpmath.matrix(x))
        n = range(len(x))
        if name == "norm":
            length = mpmath.sqrt(sum(mpmath.mpf(v) ** 2 for v in x))
            return [length], [[v / length if length else mpmath.mpf(0) for v in x]]
        e = [mpmath.exp(v) for v in x]
        total = sum(e)
        share = [v / total for v in e]
        if name == "log_sum_exp":
            return [mpmath.log(total)], [share]
        if name == "softmax":
            return share, [[share[i] * ((i == j) - share[j]) for j in n] for i in n]
        return [mpmath.log(v) for v in share], [[(i == j) - share[j] for j in n] for i in n]


def _determinant(name: str, x: Any) -> tuple[list[Any], list[list[Any]]]:
    n = range(x.rows)
    if name == "log_abs_det":
        inverse = mpmath.inverse(x)
        return [mpmath.log(abs(mpmath.det(x)))], [[inverse[j, i] for i in n for j in n]]
    gram = x * x.T + mpmath.mpf(0.5) * mpmath.eye(x.rows)
    slope = 2 * mpmath.inverse(gram) * x
    return [mpmath.log(mpmath.det(gram))], [[slope[i, j] for i in n for j in n]]


def draw(name: str, generator: random.Random) -> Any:
    """An array of the size of everyday numbers, or of one at which the left side fails."""
    scale = 10 ** generator.uniform(-1, 2) * (100 if generator.random() < 0.2 else 1)
    if name == "norm":
        scale = 10 ** generator.uniform(-200, 200)
    if name in ("log_abs_det", "log_det"):
        n, scale = (3, 10 ** generator.uniform(-1, 1)) if generator.random() < 0.8 else (6, 1e60)
        return [[generator.uniform(-1, 1) * scale for _ in range(n)] for _ in range(n)]
    return [generator.uniform(-1, 1) * scale for _ in range(4)]


def model(name: str, **options: Any) -> gradc.Model:
    """The program of a rule with its Jacobian, as the output J."""
    return gradc.compile(f"{TEXTS[name]}\nJ = jacobian(y, x)\noutput y, J", **options)
