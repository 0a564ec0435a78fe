"""Loops mean their steps: random programs, and those that once went wrong, against the same program unrolled.

``python -m pytest -m slow tests/fuzz/test_loops.py`` runs many more programs. A seed that fails is reproduced by
``loop_texts.program(seed)``, and made small by ``fuzz.reduce.reduced``.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from fuzz.cases import CLOSE, LEVELS, same
from fuzz.reduce import reduced
from loop_reference import Steps, Undecidable, Unknown
from loop_texts import program

import gradc
from gradc import TABLE
from gradc.ir.diff import equal
from gradc.ir.text import dump, load
from gradc.source import Source

GOLDEN = sorted((Path(__file__).parent.parent / "golden" / "loops").glob("*.grad"))


def known(seed: int, **kind: bool) -> str:
    """The first program from a seed on whose steps can be written down, at its values."""
    while True:
        text = program(seed, **kind)
        try:
            Steps(text)
        except Undecidable:
            seed += 10_000
        else:
            return text


def differences(text: str, levels: tuple[int, ...] = LEVELS) -> list[str]:
    """The outputs of a program, at each level, that are not those of the naive evaluator and of its steps."""
    steps = Steps(text)
    unrolled = gradc.compile(steps.text, level=0)()
    wrong = []
    for level in levels:
        for name, value in gradc.compile(text, level=level)().items():
            known = steps.values[name]
            if not isinstance(known, Unknown) and not same(value, known, CLOSE[level]):
                wrong.append(f"-O{level}: {name} is {value}, by hand {known}")
            elif not same(value, unrolled[f"{name}_out"], CLOSE[level]):
                wrong.append(f"-O{level}: {name} is {value}, unrolled {unrolled[f'{name}_out']}")
    return wrong


def check(seed: int, levels: tuple[int, ...] = LEVELS, **kind: bool) -> None:
    """Fail with a small program if that of a seed has differences."""
    text = program(seed, **kind)
    try:
        wrong = differences(text, levels)
    except Undecidable:
        # Too many steps to write them down.
        return
    except gradc.CompileError as error:
        # The derivative of all derivatives before is not taken.
        if kind.get("inner") and {found.code for found in error.diagnostics} <= {"E0406"}:
            return
        raise
    if not wrong:
        return

    def fails(smaller: str) -> bool:
        try:
            return bool(differences(smaller, levels))
        except Exception:
            # It is no program any more.
            return False

    pytest.fail(f"seed {seed}:\n{reduced(text, fails, 60.0)}\n" + "\n".join(wrong))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_what_once_went_wrong(path: Path) -> None:
    assert differences(path.read_text("utf-8")) == []


@pytest.mark.parametrize("block", range(8))
def test_random_programs_are_their_steps(block: int) -> None:
    for seed in range(5 * block, 5 * block + 5):
        check(seed, (0, 2))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_many_random_programs_are_their_steps(block: int) -> None:
    for seed in range(1000 + 10 * block, 1010 + 10 * block):
        check(seed)


@pytest.mark.parametrize("block", range(8))
def test_what_has_no_influence_is_no_zero(block: int) -> None:
    for seed in range(2000 + 5 * block, 2005 + 5 * block):
        check(seed, (0, 2), still=True)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(50))
def test_many_programs_have_infinite_slopes_without_influence(block: int) -> None:
    for seed in range(3000 + 10 * block, 3010 + 10 * block):
        check(seed, (0, 2), still=True, inner=seed % 5 == 0)


@pytest.mark.parametrize("seed", range(100, 130))
def test_values_at_kinks_and_outside_of_domains(seed: int) -> None:
    text = known(seed, nasty=True)
    text = (
        "\n".join(line for line in text.splitlines() if not line.startswith(("D", "output"))) + "\noutput L, y, z, X\n"
    )
    try:
        wrong = differences(text)
    except gradc.CallError as error:
        # A condition that compares a NaN.
        wrong = [found.code for found in error.diagnostics if found.code != "E0642"]
    assert wrong == []


# 512 is `unread_derivatives`.
@pytest.mark.parametrize("seed", [*range(500, 512), *range(513, 520)])
def test_derivatives_in_bodies_are_those_of_the_steps(seed: int) -> None:
    check(seed, (0, 2), inner=True)


@pytest.mark.parametrize("seed", range(200, 212))
def test_derivatives_are_differences_where_programs_are_smooth(seed: int) -> None:
    text = known(seed)
    names = ("w", "v")
    requests = "".join(f"d{name} = grad(L, {name})\n" for name in names)
    program_text = text[: text.index("D0 = ")] + requests + "output L, dw, dv\n"
    found = gradc.compile(program_text)()
    steps = Steps(program_text)
    for name in names:
        step = 1e-5
        at = float(Steps(f"{text.splitlines()[0]}\noutput {name}\n").values[name])
        sides = [Steps(program_text, {name: at + sign * step}) for sign in (1, -1)]
        paths = {side.text.split("\n", 1)[1] for side in (steps, *sides)}
        if len(paths) > 1 or not steps.smooth:
            # Another branch is taken beside the point.
            continue
        slope = (sides[0].values["L"] - sides[1].values["L"]) / (2 * step)
        assert slope == pytest.approx(found[f"d{name}"], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("seed", range(300, 310))
def test_rows_are_calls_one_by_one(seed: int) -> None:
    model = gradc.compile(program(seed))
    rows = np.random.default_rng(seed).uniform(-1.5, 2, 4)
    found = model.map(w=rows)
    for at, w in enumerate(rows):
        for name, value in model(w=w).items():
            assert same(found[name][at], value, 1e-9), (seed, name)


@pytest.mark.parametrize("seed", range(400, 405))
def test_models_with_loops_are_pickled(seed: int) -> None:
    model = gradc.compile(program(seed))
    again = pickle.loads(pickle.dumps(model))
    for name, value in again().items():
        assert np.array_equal(value, model()[name], equal_nan=True), (seed, name)


@pytest.mark.parametrize("seed", range(600, 606))
@pytest.mark.parametrize("level", [0, 2])
def test_the_text_of_graphs_with_loops_reads_back(seed: int, level: int) -> None:
    graph = gradc.compile(program(seed), level=level).optimized()
    again = load(Source("loops.gir", dump(graph)), TABLE)
    assert equal(again, graph)
    assert dump(again) == dump(graph)
