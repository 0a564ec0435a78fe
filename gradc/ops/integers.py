"""Arithmetic on 64-bit integers: exact, or an OverflowError. Division by zero raises ZeroDivisionError."""

from __future__ import annotations

LEAST = -(2**63)
MOST = 2**63 - 1


def checked(value: int) -> int:
    """``value`` if 64 bits hold it; raises OverflowError otherwise."""
    if LEAST <= value <= MOST:
        return value
    raise OverflowError("the result does not fit a 64-bit integer")


def add(x: int, y: int) -> int:
    """``x + y``."""
    return checked(x + y)


def sub(x: int, y: int) -> int:
    """``x - y``."""
    return checked(x - y)


def mul(x: int, y: int) -> int:
    """``x * y``."""
    return checked(x * y)


def neg(x: int) -> int:
    """``-x``; the least integer has no opposite."""
    return checked(-x)


def floordiv(x: int, y: int) -> int:
    """The quotient rounded down."""
    return checked(x // y)


def mod(x: int, y: int) -> int:
    """The remainder with the sign of y."""
    return x % y


def absolute(x: int) -> int:
    """``|x|``; the least integer has none."""
    return checked(abs(x))


def sign(x: int) -> int:
    """-1, 0 or 1."""
    return (x > 0) - (x < 0)


def clip(x: int, lo: int, hi: int) -> int:
    """``min(max(x, lo), hi)``."""
    return min(max(x, lo), hi)
