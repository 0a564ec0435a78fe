"""The sum over the paths of an explanation is the compiled adjoint, whatever has no influence at the point.

Branches that are not taken, loops that do not come by, masked sums of nothing and elements that nobody reads have local
gradients that are infinite or NaN in these programs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from branch_programs import branch_program
from fuzz.kinds import programs
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import gradc

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "golden").rglob("*.grad"))
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def targets(model: gradc.Model) -> list[str]:
    """The real outputs of a model; of an array one element, if it has any."""
    values = model()
    found = []
    for name, node in model.graph.outputs:
        type = model.graph.type(node)
        if type.real and np.size(values[name]):
            found.append(f"{name}[{', '.join('0' for _ in type.shape)}]" if type.shape else name)
    return found


def sources(model: gradc.Model) -> list[str]:
    """The real inputs of a model."""
    return [str(model.graph.name(node)) for node in model.graph.inputs if model.graph.type(node).real]


def pairs(model: gradc.Model) -> Iterator[tuple[str, str, str]]:
    """What is explained, by what, and how: arrays, often second derivatives and long, at the level of names alone."""
    for of in targets(model):
        for wrt in sources(model):
            yield of, wrt, "names"
            if "[" not in of:
                yield of, wrt, "ops"


def agree(model: gradc.Model, of: str, wrt: str, level: str, values: dict[str, Any] | None = None) -> None:
    found = model.explain(of, wrt, values, level=level)
    where = f"∂{of}/∂{wrt} at level {level}: {found.sum} by paths, {found.adjoint} compiled"
    # Where overflow makes the formulas as written worthless, rewrite rules save the compiled program.
    assert found.agrees or (found.rewritten and not np.isfinite(found.sum).all()), where
    assert "BUT" not in str(found), where
    for path in found.paths:
        assert path.live or not np.any(path.product), (where, path)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_programs(path: Path) -> None:
    model = gradc.compile(path.read_text())
    for of, wrt, level in pairs(model):
        agree(model, of, wrt, level)


@pytest.mark.parametrize("seed", range(25))
def test_branches_that_are_not_taken(seed: int) -> None:
    program = branch_program(random.Random(f"explained {seed}"))
    model = gradc.compile("\n".join(program.written) + "\noutput y\n")
    agree(model, "y", "xzw"[seed % 3], ("names", "ops")[seed % 2], program.values)


@pytest.mark.parametrize("kind", ["still", "loops", "mixed", "poison", "kinks", "nasty"])
@settings(max_examples=10, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_random_programs(kind: str, data: st.DataObject) -> None:
    model = gradc.compile(data.draw(programs(kind)))
    try:
        of = data.draw(st.sampled_from(targets(model)))
    except gradc.CallError:
        # The maximum of nothing: there is no value to be explained.
        reject()
    agree(model, of, data.draw(st.sampled_from(sources(model))), data.draw(st.sampled_from(("names", "ops"))))
