"""Checks of what programs mean: values at every level, codes of errors and of warnings."""

from __future__ import annotations

import math
from typing import Any

import pytest

import gradc

LEVELS = (0, 1, 2, 3)


def same(a: Any, b: Any) -> bool:
    """Equal up to rounding, NaN equal to NaN, infinities to themselves."""
    return a == b or (a != a and b != b) or math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-300)


def check(text: str, expected: dict[str, float], level: int | None = None, /, **values: Any) -> None:
    """The outputs of a program at every level."""
    model = gradc.compile(text)
    for each in LEVELS if level is None else (level,):
        found = gradc.compile(text, level=each, verify=True)(values)
        assert list(found) == list(expected) == list(model.outputs)
        wrong = {name: (found[name], value) for name, value in expected.items() if not same(found[name], value)}
        assert not wrong, f"-O{each}: found and expected {wrong}"


def errors(text: str, *codes: str, **options: Any) -> gradc.CompileError:
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile(text, **options)
    assert [d.code for d in caught.value.diagnostics] == list(codes), str(caught.value)
    return caught.value


def warnings(text: str) -> list[str]:
    return [d.code for d in gradc.compile(text).warnings]
