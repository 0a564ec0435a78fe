"""Softmax and its kin keep relative accuracy where one share is near 1: values, first and second derivatives.

A share of e^-k is known to k half ulps, because the difference of exponents is rounded. Held against mpmath.
"""

from __future__ import annotations

import random
from typing import Any

import mpmath
import numpy as np
import pytest

import gradc

ULP = 2.0**-52
REVERSE = "J = jacobian(y, x)\nH = jacobian(J, x)"
FORWARD = """J0 = [jvp(y, x, eye(n)[i]) for i]
J = J0.T
H0 = [jvp(J, x, eye(n)[i]) for i]
H = [H0[k, i, j] for i, j, k]"""


def _references(name: str, x: list[float]) -> dict[str, Any]:
    """The value, Jacobian and its Jacobian of the operator; and the size of what is added up to the last."""
    n = range(len(x))
    powers = [mpmath.exp(mpmath.mpf(v)) for v in x]
    total = mpmath.fsum(powers)
    s = [v / total for v in powers]
    # 1 - s, without what cancels in it.
    lacks = [mpmath.fsum(powers[j] for j in n if j != i) / total for i in n]
    off = [[lacks[i] if i == j else -s[j] for j in n] for i in n]
    slopes = [[s[i] * off[i][j] for j in n] for i in n]
    if name == "logsumexp":
        return {"y": [mpmath.log(total)], "J": [s], "H": [slopes], "size": [slopes]}
    if name == "log_softmax":
        second = [[[-slopes[j][k] for k in n] for j in n] for _ in n]
        return {"y": [mpmath.log1p(-lack) for lack in lacks], "J": off, "H": second, "size": second}
    second = [[[slopes[i][k] * off[i][j] - s[i] * slopes[j][k] for k in n] for j in n] for i in n]
    size = [[[abs(slopes[i][k] * off[i][j]) + abs(s[i] * slopes[j][k]) for k in n] for j in n] for i in n]
    return {"y": s, "J": slopes, "H": second, "size": size}


@pytest.mark.parametrize("mode", [REVERSE, FORWARD], ids=["reverse", "forward"])
@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
def test_shares_near_one(name: str, mode: str) -> None:
    left = f"[{name}(x)]" if name == "logsumexp" else f"{name}(x)"
    model = gradc.compile(f"input x[n]\ny = {left}\n{mode}\noutput y, J, H")
    generator = random.Random(name)
    with mpmath.workdps(60):
        for _ in range(100):
            scale = 10 ** generator.uniform(-1, 1.8)
            x = [generator.uniform(-1, 1) * scale for _ in range(4)]
            found, due = model(x=x), _references(name, x)
            for what in ("y", "J", "H"):
                trues = np.array(due[what], object).ravel()
                sizes = np.array(due["size" if what == "H" else what], object).ravel()
                for value, true, size in zip(found[what].ravel().tolist(), trues, sizes, strict=True):
                    allowed = (4 + 4 * scale) * ULP * abs(size)
                    # A logarithm near 0 is a sum of the largest element and a little.
                    if what == "y" and name == "logsumexp":
                        allowed += 2 * ULP * scale
                    assert abs(value - true) <= allowed, (what, x, value, mpmath.nstr(true, 17))


@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_the_loss_of_a_confident_prediction(dtype: str) -> None:
    text = "input x[n]\nL = -log_softmax(x)[0]\nM = logsumexp(x)\ng = grad(L, x)\noutput L, M, g"
    found = gradc.compile(text, dtype=dtype)(x=[0.0, -80.0])
    small, rel = float(np.exp(-80.0)), 1e-14 if dtype == "f64" else 1e-5
    assert found["L"] == pytest.approx(small, rel=rel, abs=0)
    assert found["M"] == pytest.approx(small, rel=rel, abs=0)
    assert found["g"].tolist() == pytest.approx([-small, small], rel=rel, abs=0)
