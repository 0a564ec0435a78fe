"""What stabilising rules gain, measured: no side effect on accuracy, and the figures that the help pages show."""

from __future__ import annotations

import json
import math

import pytest
from array_rule_cases import MATRICES
from rule_accuracy import FILE, NAMES, errors, summary

from gradc.rules.arrays import RULES as ARRAY_RULES

RECORDED = json.loads(FILE.read_text("utf-8"))
# Shares of e^-k: the difference of exponents is rounded, k half ulps of the share.
SHARES = {"logaddexp", "log_sum_exp", "log_mean_exp", "softmax"}
# These have one rounding less, or one function less, and are as accurate as what they replace.
CHEAPER = {"exp_reciprocal", "sigmoid_neg", "odds", "tan", "atanh_log1p", "pow_reciprocal"}
CHEAPER |= {"scale_scale", "scale_quotient", "quotient_quotient", "constant_over_scale", "constant_over_fraction"}
CHEAPER |= {"scale_over_divisor", "scale_of_fraction", "sub_sub", "add_sub", "sub_add", "minus_add", "minus_sub"}
CHEAPER |= {"constant_minus_sub", "constant_minus_minus", "det_cholesky", "logdet_cholesky"}


def test_every_stabilising_rule_is_measured() -> None:
    assert list(RECORDED) == NAMES
    assert {rule.name for rule in ARRAY_RULES} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_loses_nothing(name: str) -> None:
    for what, (left, right) in errors(name).items():
        assert len(left) > 20
        numbers = [(before, after) for before, after in zip(left, right, strict=True) if before < math.inf]
        worst = max(before for before, _ in numbers)
        # Beside a zero of the logarithm of a determinant errors are a matter of chance.
        bound = max(800.0 if name in SHARES else 8.0, (4 if name in MATRICES else 2) * worst)
        assert max(after for _, after in numbers) <= bound, what
        # Where the left side has a number, or a true value exists at all, so has the right side.
        assert max(right) < math.inf, what
        recorded = RECORDED[name][what]
        for found, known in zip((summary(left), summary(right)), recorded, strict=True):
            # Another library's functions may differ by an ulp.
            assert found == pytest.approx(known, rel=0.5, abs=1), (what, found, known)


def test_every_other_rule_gains_something() -> None:
    gains = {
        name
        for name, figures in RECORDED.items()
        if any(left[1] > 4 * max(right[1], 0.5) or left[2] > right[2] for left, right in figures.values())
    }
    assert set(NAMES) - gains == CHEAPER
