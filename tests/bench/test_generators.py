"""The programs of the measurements at tiny sizes: that they say what they claim."""

from __future__ import annotations

import math

import pytest
from bench.programs import FAMILIES, Functions
from bench.scaling import measured_operations

import gradc


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [7, 60])
def test_text_and_function_agree(name: str, size: int) -> None:
    family = FAMILIES[name]
    value = gradc.compile(family.text(size))()["f"]
    assert value == pytest.approx(family.evaluate(size, family.values(size), Functions()), rel=1e-13)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [7, 60, 1_000])
def test_operations_are_counted_right(name: str, size: int) -> None:
    family = FAMILIES[name]
    assert measured_operations(family.text(size)) == family.operations(size)
    assert family.operations(size) == pytest.approx(size, rel=0.6 if size == 7 else 0.1)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_derivative_vanishes_or_overflows(name: str) -> None:
    model = gradc.compile(FAMILIES[name].text(1_000))
    _, gradients = model.value_and_grad("f", list(model.inputs))()
    assert all(math.isfinite(partial) for partial in gradients.values())
    assert any(1e-6 < abs(partial) < 1e6 for partial in gradients.values())


@pytest.mark.parametrize("name", FAMILIES)
def test_text_is_the_same_every_time(name: str) -> None:
    assert FAMILIES[name].text(100) == FAMILIES[name].text(100)
