"""The text of the diagnostics that the run of a loop may end with."""

from __future__ import annotations

from typing import Any

import pytest

import gradc

COUNTED = "input k: int\ny = 1\nfor t in 0..k { y = 2*y }"
SEARCH = "input a\ny = a\nwhile abs(y^2 - a) > 0 {\n  y = (y + a/y)/2\n}"
LOGS = "input x\ny = x\nwhile y > 2 { y = log(y - 2) }"
PLACES = "input x[n], k: int\ny = zeros(n)\nfor t in 0..n { y[t + k] = x[t] }"
READS = "input x[n], k: int\ny = 0\nfor t in 0..n { y = y + x[t - k] }"
GROWS = "input x[n], m: int\ny = x\nfor t in 0..m { y = concat(y, y) }"
WHOLE = "input k: int\nc = k\nfor t in 0..3 { c = c*c }"

CASES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        COUNTED,
        {},
        {"k": -2},
        """error[E0640]: the range 0..-2 ends before it begins
 --> m.grad:3:1
  |
3 | for t in 0..k { y = 2*y }
  | ^^^^^^^^^^^^^^^^^^^^^^^^^ this loop
  = help: a range runs upwards, up to, but without, its end; it may be empty, as 0..0""",
    ),
    (
        COUNTED,
        {"max_iterations": 100},
        {"k": 101},
        """error[E0641]: this loop has not ended after 100 iterations
 --> m.grad:3:1
  |
3 | for t in 0..k { y = 2*y }
  | ^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: `max_iterations=` in Python, `--max-iterations` on the command line say how many there may be""",
    ),
    (
        SEARCH,
        {"max_iterations": 1000},
        {"a": 5.0},
        "",
    ),
    (
        LOGS,
        {},
        {"x": 2.5},
        "",
    ),
    (PLACES, {}, {"x": [1.0, 2.0], "k": 1}, ""),
    (READS, {}, {"x": [1.0, 2.0], "k": 1}, ""),
    (GROWS, {}, {"x": [1.0, 2.0], "m": 1}, ""),
    (WHOLE, {}, {"k": 100000}, ""),
]
