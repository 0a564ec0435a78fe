"""What is not smooth at a point, told by the slopes on both sides of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Kink:
    """Slopes that differ on both sides; or values that do: then there is a jump. ``distance`` is how near it is."""

    kind: str
    left: float
    right: float
    distance: float = 0.0

    def seen(self, left: float, right: float) -> bool:
        """Whether the slopes half as far away are those of the same kink; of a jump they are twice as large."""
        if self.kind == "near":
            return True
        factor = 2.0 if self.kind == "jump" else 1.0
        gap, again = factor * (self.right - self.left), right - left
        return abs(again - gap) <= 0.2 * abs(gap)

    def covers(self, slope: float, slack: float) -> bool:
        """Whether a slope lies between those of both sides."""
        low, high = sorted((self.left, self.right))
        slack += 1e-3 * (abs(low) + abs(high))
        return self.kind == "kink" and low - slack <= slope <= high + slack


def kink(rows: Sequence[tuple[float, float, float]], noise: float) -> Kink | None:
    """What the slopes on both sides tell, at steps that become smaller, if values are off by ``noise``."""
    apart = [abs(right - left) for _, left, right in rows]
    size = max(max(abs(left), abs(right)) for _, left, right in rows)
    if not math.isfinite(size):
        return None
    _, left, right = rows[-1]
    seen = [gap > 500 * noise / each[0] + 1e-3 * size for gap, each in zip(apart, rows, strict=True)]
    if seen[-1]:
        # Of a smooth function both sides come together as fast as the step becomes smaller.
        if apart[-1] > 5 * apart[-2] and seen[-2]:
            return Kink("jump", left, right)
        if apart[-1] > 0.5 * apart[-2]:
            return Kink("kink", left, right)
        return None
    # Where the slopes vanish as well, the function is flat, and has no kink.
    if seen[0] and apart[1] < 0.03 * apart[0] and max(abs(left), abs(right)) > 1e-3 * size:
        return Kink("near", rows[0][1], rows[0][2], rows[0][0])
    return None


@dataclass(frozen=True)
class Arbiter:
    """The slope across a point in so many digits, ``again`` in half as many, and those on its left and its right."""

    digits: int
    slope: float
    again: float
    left: float
    right: float

    def verdict(self, value: float, slack: float, near: float) -> Literal["right", "wrong", "noise", "undefined"]:
        """Whether a value is the derivative, up to ``slack``; ``near`` is how large derivatives near here are."""
        if not math.isfinite(self.slope):
            # Outside of the domain there is nothing on one of the sides.
            sides = [side for side in (self.left, self.right) if math.isfinite(side)]
            found = any(abs(value - side) <= slack + 1e-6 * abs(side) for side in sides)
            return "right" if found else "undefined"
        near = near if math.isfinite(near) else 0.0
        # What differences leave out is of the order of their step, or less.
        least, most = near * 10.0 ** (3 - self.digits), near * 10.0 ** (3 - self.digits // 2)
        if abs(self.slope) > 1.5 * abs(self.again) or not self._same(self.slope, self.again, most):
            # It grows without an end as the step becomes smaller, or varies more than steps can tell.
            return "noise" if math.isfinite(value) else "undefined"
        if not math.isfinite(value):
            return "wrong" if self._same(self.left, self.right, most) else "undefined"
        # At a kink, any slope between those on both sides will do.
        slack += least
        low, high = sorted((self.left, self.right))
        return "right" if abs(value - self.slope) <= slack or low - slack <= value <= high + slack else "wrong"

    def kink(self, near: float) -> Kink | None:
        """The kink that makes the slopes differ."""
        apart = abs(self.right - self.left)
        large = apart > 1e-6 * max(near, abs(self.left), abs(self.right))
        return Kink("kink", self.left, self.right) if large else None

    def _same(self, x: float, y: float, slack: float) -> bool:
        return abs(x - y) <= slack + 1e-6 * max(abs(x), abs(y))
