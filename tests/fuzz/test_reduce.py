"""The reducer on mistakes that are planted: what is left is little more than what shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fuzz.__main__ import main
from fuzz.cases import Case
from fuzz.checks import CHECKS
from fuzz.kinds import program
from fuzz.reduce import reduced

import gradc
from gradc.ir.op import OpTable


def broken(name: str, **changes: Any) -> OpTable:
    """The table with another row for an operator."""
    rows = dict(gradc.TABLE)
    rows[name] = replace(rows[name], **changes)
    return OpTable(rows.values())


def outcome(source: str, ops: OpTable) -> Any:
    try:
        found = gradc.compile(source, ops=ops, max_iterations=1000)()
    except gradc.Error:
        return None
    return {name: np.asarray(value, float) for name, value in found.items()}


def differs(source: str, ops: OpTable) -> bool:
    """Whether a program has other results with the broken table."""
    found, due = outcome(source, ops), outcome(source, gradc.TABLE)
    if found is None or due is None:
        return False
    with np.errstate(all="ignore"):
        return any(bool(np.any(abs(found[name] - due[name]) > 1e-6)) for name in due)


PLANTED = {
    "tanh": {"array": lambda x: np.tanh(x) + 1e-3, "scalar": lambda x: float(np.tanh(x)) + 1e-3},
    "cos": {"array": lambda x: np.cos(x) * 1.01, "scalar": lambda x: float(np.cos(x)) * 1.01},
}


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("kind", ["mixed", "scalars"])
def test_a_planted_mistake_is_made_small(name: str, kind: str) -> None:
    ops = broken(name, **PLANTED[name])
    source = next(text for text in (program(kind, seed) for seed in range(60)) if differs(text, ops))
    small = reduced(source, lambda text: differs(text, ops), 30.0)
    assert differs(small, ops)
    # An input, one call, an output; a derivative may lead to it.
    assert len(small.splitlines()) <= 4, small
    assert len(small) < 120, small


def test_blocks_sizes_and_numbers_shrink() -> None:
    source = """input x[n] = [0.13, 2.5, 1.75], A[n, n] = [[1.5, 2, 3], [4, 5, 6], [7, 8, 9]], w = 0.375
fn f(p, q) {
  s = p
  for t in 0..3 { s = s*q + 1 }
  return s
}
y = w
for t in 0..n {
  if x[t] > 0 { y = y + f(x[t], w) } else { y = y - 1 }
  C[t] = y*A[t, 0]
}
g = grad(y, x)
output y, g, C
"""

    def fails(text: str) -> bool:
        try:
            model = gradc.compile(text, max_iterations=1000)
            return "C" in model.outputs and "for t" in text and not isinstance(model()["C"], str)
        except gradc.Error:
            return False

    small = reduced(source, fails, 60.0)
    assert fails(small)
    lines = small.splitlines()
    assert [line.split("=")[0].strip() for line in lines if "C" in line] == ["C[t]"]
    assert "fn" not in small
    assert "if" not in small
    assert len(small) < 60, small


def test_what_does_not_fail_is_left_alone() -> None:
    assert reduced("y = 1\n", lambda text: False) == "y = 1\n"


def test_a_run_writes_down_what_it_finds(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def planted(case: Case) -> Any:
        if "tanh" in case.source:
            yield "tanh is met"

    monkeypatch.setitem(CHECKS, "levels", planted)
    found = main(
        ["--programs", "6", "--kind", "scalars", "--check", "levels", "--keep", str(tmp_path), "--reduce", "5"]
    )
    assert found == 1
    said = capsys.readouterr().out
    assert "6 programs (6 scalars), seeds 0 to 5" in said
    files = sorted(tmp_path.glob("levels-scalars-*.grad"))
    assert files
    for file in files:
        text = file.read_text("utf-8")
        assert "# tanh is met" in text
        assert len(text) < 200, text
        program_only = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
        assert list(planted(Case(program_only)))
