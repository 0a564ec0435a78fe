"""Values and derivatives of the literature's test functions to tens of digits, by differences of numbers of mpmath."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from literature import Problem
from mpmath import mp, mpf

DIGITS = 120
"""What to calculate with: differences of third order by this step keep thirty of them."""
STEP = mpf(10) ** -30


class Exact:
    """Value, derivatives and what a relative change of every variable by 1 does to them, to tens of digits."""

    def __init__(self, problem: Problem, point: tuple[float, ...]) -> None:
        self.f = problem.exact
        self.x = [mpf(value) for value in point]
        self.known: dict[tuple[int, ...], Any] = {}
        n = len(point)
        self.value = self.at()
        self.gradient = [self.first(i) for i in range(n)]
        self.hessian = [[self.second(i, j) for j in range(n)] for i in range(n)]

    def at(self, *moves: tuple[int, int]) -> Any:
        """f, some variables moved by some steps."""
        moved = [0] * len(self.x)
        for place, count in moves:
            moved[place] += count
        key = tuple(moved)
        if key not in self.known:
            self.known[key] = self.f([x + count * STEP for x, count in zip(self.x, moved, strict=True)])
        return self.known[key]

    def first(self, i: int) -> Any:
        """The central difference: its error is of the order of the square of the step."""
        return (self.at((i, 1)) - self.at((i, -1))) / (2 * STEP)

    def second(self, i: int, j: int) -> Any:
        """The same of it."""
        corners = [a * b * self.at((i, a), (j, b)) for a in (1, -1) for b in (1, -1)]
        return mp.fsum(corners) / (4 * STEP**2)

    def third(self, i: int, j: int, k: int) -> Any:
        """The same once more."""
        signs = product((1, -1), repeat=3)
        return mp.fsum(a * b * c * self.at((i, a), (j, b), (k, c)) for a, b, c in signs) / (8 * STEP**3)


def off(found: float, exact: Any, condition: Any, noise: Any) -> float:
    """How far a value is off, in units of the last place times its condition."""
    if not np.isfinite(found):
        return float("inf")
    # Differences of the exact function have noise of their own, far below.
    error = max(abs(mpf(found) - exact) - noise, mpf(0))
    return float(error / (mpf(2) ** -53 * (abs(exact) + condition) + mpf(5e-324)))
