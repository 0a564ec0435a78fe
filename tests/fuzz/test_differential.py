"""Random programs of all kinds, and those that once went wrong, through all checks of the differential harness.

``python -m pytest -m slow tests/fuzz`` runs many more, ``python -m tests.fuzz --minutes N`` as many as there is
time for.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from fuzz import checks
from fuzz.cases import Case, NotAProgram
from fuzz.checks import CHECKS, findings
from fuzz.kinds import KINDS, program, programs
from fuzz.writing import outline, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loop_reference import Steps

from gradc.source import Source
from gradc.syntax.parse import parse_program

TOP = Path(__file__).parents[2]
GOLDEN = sorted((TOP / "tests" / "golden" / "programs").glob("*.grad"))


def wrong(source: str, checks: tuple[str, ...] = tuple(CHECKS)) -> list[str]:
    """What the checks find, each with its name."""
    return [f"{check}: {each}" for check in checks for each in findings(check, source)]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_what_once_went_wrong(path: Path) -> None:
    source = path.read_text("utf-8")
    assert not isinstance(Case(source).due, str)
    assert wrong(source) == []


def test_orders_of_products_are_no_matter_of_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "input v[n] = [1, 2]\nb = [0, 1]\nV = outer(v, b)\nL = sum(V)\noutput L\n"
    infinite = source.replace("[1, 2]", "[inf, 2]")
    assert findings("special", infinite) == []
    # As plans order them, they are told apart.
    monkeypatch.setattr(checks, "as_written", nullcontext)
    assert [each.split(":")[0] for each in findings("special", infinite)][:1] == ["-O1 at special values, f64"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("loops", "still", "inner")])
@pytest.mark.parametrize("seed", range(2))
def test_random_programs(kind: str, seed: int) -> None:
    source = program(kind, seed)
    assert wrong(source) == [], source


@pytest.mark.parametrize("kind", ["sums", "branches"])
@pytest.mark.parametrize("block", range(8))
def test_programs_have_the_values_that_their_texts_say(kind: str, block: int) -> None:
    for seed in range(10 * block, 10 * block + 10):
        source = program(kind, seed)
        # Of what the naive evaluator does not know the check would say nothing.
        Steps(source)
        assert wrong(source, ("steps",)) == [], source


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(programs("mixed"), programs("scalars")))
def test_any_program_means_the_same_at_all_levels(source: str) -> None:
    try:
        assert wrong(source, ("steps", "levels")) == []
    except NotAProgram:
        # What Hypothesis makes small may be none.
        return


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", range(20))
def test_many_random_programs(kind: str, block: int) -> None:
    for seed in range(1000 + 5 * block, 1005 + 5 * block):
        source = program(kind, seed)
        try:
            assert wrong(source) == [], source
        except NotAProgram:
            continue


@pytest.mark.parametrize("kind", KINDS)
def test_programs_are_printed_as_they_are_read(kind: str) -> None:
    for seed in range(20):
        tree = parse_program(Source("case.grad", program(kind, seed)))
        shown = written(tree)
        again = parse_program(Source("case.grad", shown))
        assert outline(again) == outline(tree)
        assert written(again) == shown


@pytest.mark.parametrize("path", sorted((TOP / "examples").glob("*.grad")), ids=lambda path: path.stem)
def test_examples_are_printed_as_they_are_read(path: Path) -> None:
    tree = parse_program(Source("case.grad", path.read_text("utf-8")))
    assert outline(parse_program(Source("case.grad", written(tree)))) == outline(tree)
