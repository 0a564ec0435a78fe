"""How wide a text is in Helvetica, Arial or a metric twin of them, in points.

A layout engine that is not linked with a font library knows the widths of ASCII characters alone and takes every other
one for two to four blanks. Diagrams are full of others, so they state the width of each line themselves.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

# Advance widths of the characters from blank to tilde in thousandths of the font size (Adobe's Helvetica metrics).
_REGULAR: Final = (
    *(278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556,) * 10,
    *(278, 278, 584, 584, 584, 556, 1015),
    *(667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833),
    *(722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611),
    *(278, 278, 278, 469, 556, 333),
    *(556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833),
    *(556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500),
    *(334, 260, 334, 584),
)
_BOLD: Final = (
    *(278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556,) * 10,
    *(333, 333, 584, 584, 584, 611, 975),
    *(722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833),
    *(722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611),
    *(333, 278, 333, 584, 556, 333),
    *(556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889),
    *(611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500),
    *(389, 280, 389, 584),
)
# The signs of mathematics that diagrams use.
_SIGNS: Final = {
    **dict.fromkeys("·²³¹₀₁₂₃₄₅₆₇₈₉⁰⁴⁵⁶⁷⁸⁹⁺⁻", 333),
    **dict.fromkeys("∂", 494),
    **dict.fromkeys("≤≥≠√≈", 549),
    **dict.fromkeys("×÷±−", 584),
    **dict.fromkeys("→←…—", 1000),
    **dict.fromkeys("⌊⌋⌈⌉", 333),
    **dict.fromkeys("∞", 713),
    **dict.fromkeys("\N{NO-BREAK SPACE}", 278),
    **dict.fromkeys("ωφψΦΨΩ", 760),
    **dict.fromkeys("πΔ", 680),
}
# What a character of no other entry takes: most alphabets have letters of about this width.
_USUAL: Final = 600
_WIDE: Final = 1000


@lru_cache(maxsize=4096)
def _advance(char: str, bold: bool) -> int:
    code = ord(char)
    if 32 <= code < 127:
        return (_BOLD if bold else _REGULAR)[code - 32]
    if char in _SIGNS:
        return _SIGNS[char]
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    base = unicodedata.normalize("NFD", char)[0]
    if 32 <= ord(base) < 127:
        return (_BOLD if bold else _REGULAR)[ord(base) - 32]
    if unicodedata.east_asian_width(char) in ("W", "F"):
        return _WIDE
    return _USUAL + 40 if bold else _USUAL


def width(text: str, size: float, bold: bool = False) -> float:
    """The width of ``text`` in points at a font size of ``size`` points."""
    return sum(_advance(char, bold) for char in text) * size / 1000
