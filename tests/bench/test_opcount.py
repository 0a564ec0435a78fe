"""Value and gradient together take few operations more than the value alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.opcount import BOUND, counts, examples
from bench.programs import FAMILIES

import gradc


@pytest.mark.parametrize("path", examples(), ids=lambda path: path.name)
def test_examples(path: Path) -> None:
    for count in counts(path.name, gradc.load(path)):
        assert count.ratio <= BOUND, count


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [10, 1_000])
def test_generated_programs(name: str, size: int) -> None:
    for count in counts(name, gradc.compile(FAMILIES[name].text(size))):
        assert count.ratio <= BOUND, count


def test_the_ratio_does_not_grow_with_the_number_of_paths() -> None:
    text = "input x = 1\ny0 = sin(x)\n" + "\n".join(f"y{i + 1} = y{i} + y{i}" for i in range(60)) + "\noutput y60"
    (count,) = counts("doubled", gradc.compile(text))
    assert count.ratio <= BOUND, count
