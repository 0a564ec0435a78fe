"""A value with a mistake in it is reported where it is made, and not again where a loop or a branch uses it."""

from __future__ import annotations

import pytest

import gradc

USES = [
    "while X {\n  s = 1\n}",
    "while X > 0 {\n  s = 1\n}",
    "y = 0\nwhile X > 0 {\n  y = y + 1\n}",
    "y = 0\nwhile y < 3 {\n  y = y + X\n}",
    "y = 0\nfor t in 0..3 {\n  y = y + X\n}",
    "for t in 0..X {\n  s = 1\n}",
    "y = 0\nif X {\n  y = 1\n}",
    "y = 0\nif y > 0 {\n  y = X\n}",
    "for t in 0..3 {\n  C[t] = X\n}",
    "y = zeros(3)\nfor t in 0..3 {\n  y[t] = X\n}",
    "y = zeros(3)\nfor t in 0..3 {\n  y[X] = t\n}",
]


@pytest.mark.parametrize("use", USES)
def test_a_mistake_before_a_block_is_reported_once(use: str) -> None:
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile(f"X = x\n{use}\noutput X\n")
    (found,) = caught.value.diagnostics
    assert (found.code, found.span and found.span.line) == ("E0201", 1)
