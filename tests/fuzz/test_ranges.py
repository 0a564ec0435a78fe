"""Ranges that may be empty, triangular or filtered, with reads that may lie outside, against nested loops in Python.

What no combination of indices gets to is not read: neither the value nor a derivative may complain. What one does get
to must fail where it lies outside. A seed that fails is reproduced by ``range_texts.program(seed)``.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from range_texts import REAL, Cell, Outside, Program, environment, plain, point, program, slope

import gradc

SIZES = [(0, 2, 1), (3, 0, 0), (2, 3, 0), (0, 0, 3), (1, 2, 2), (3, 3, 1)]
REQUESTS = {
    **{f"d{name}": f"grad(L, {name})" for name in REAL},
    "H": "hessian(L, x)",
    "mixed": "jacobian(grad(L, x), v)",
    "along": "jvp(L, x, x)",
    "bend": "hvp(L, A, A)",
    "back": "vjp(L, y, 2)",
}
# A range beginning behind its end, the mean of no elements, and an index that is always outside.
REFUSED = {"E0310", "E0311"}


def cells(values: dict[str, Any], name: str) -> list[Cell]:
    return [(name, place) for place in np.ndindex(*np.shape(values[name]))]


def along(made: Program, values: dict[str, Any], *directions: Cell) -> float:
    return slope(made.meaning(environment(values, *directions)), len(directions))


def table(made: Program, values: dict[str, Any], *names: str) -> Any:
    """All derivatives by the elements of these inputs."""
    listed = [cells(values, name) for name in names]
    shape = tuple(itertools.chain.from_iterable(np.shape(values[name]) for name in names))
    return np.array([along(made, values, *each) for each in itertools.product(*listed)], float).reshape(shape)


def derivatives(made: Program, values: dict[str, Any]) -> dict[str, Any]:
    """What the requests are, by numbers with derivatives."""
    found = {f"d{name}": table(made, values, name) for name in REAL}
    found["H"] = table(made, values, "x", "x")
    found["mixed"] = table(made, values, "x", "v")
    found["along"] = np.sum(found["dx"] * values["x"])
    found["bend"] = np.einsum("ijkl,kl", table(made, values, "A", "A"), values["A"])
    found["back"] = 2 * found["dy"]
    return found


def same(found: Any, due: Any) -> bool:
    found, due = np.asarray(found, float), np.asarray(due, float)
    return found.shape == due.shape and bool(np.allclose(found, due, rtol=1e-6, atol=1e-6))


def outcome(model: gradc.Model, values: dict[str, Any]) -> Any:
    """The results, or the code of what a call says instead."""
    try:
        return model(values)
    except gradc.CallError as error:
        return error.diagnostics[0].code


def refused(made: Program, code: str) -> Iterator[str]:
    """An index is refused only if it lies outside whenever it is asked for, and that is for some sizes."""
    if code not in REFUSED:
        yield code
    if code != "E0310":
        return
    for sizes in itertools.product((0, 1, 2, 3, 6), repeat=3):
        try:
            made.meaning(environment(point(random.Random(1), sizes, False)), strict=True)
        except Outside:
            return
    yield "E0310 for what is never read outside"


def differences(seed: int, steep: bool, levels: tuple[int, ...]) -> Iterator[str]:
    made = program(seed, steep)
    requests = "".join(f"{name} = {text}\n" for name, text in REQUESTS.items())
    try:
        models = {level: gradc.compile(made.source + "output L\n", level=level) for level in levels}
    except gradc.CompileError as error:
        yield from refused(made, error.diagnostics[0].code)
        return
    text = f"{made.source}{requests}output {', '.join(REQUESTS)}\n"
    slopes = {level: gradc.compile(text, level=level) for level in levels}
    r = random.Random(seed)
    for sizes in r.sample(SIZES, 4):
        values = point(r, sizes, steep)
        try:
            value = plain(made.meaning(environment(values)))
        except Outside:
            for level in levels:
                if (found := outcome(models[level], values)) not in ("E0611", "E0612"):
                    yield f"-O{level}: {found} for what lies outside: {values}"
            continue
        due = derivatives(made, values) if np.isfinite(value) else {}
        for level in levels:
            where = f"-O{level} at {values}"
            found = outcome(models[level], values)
            if isinstance(found, str) or (due and not same(found["L"], value)):
                yield f"L is {found}, by hand {value}: {where}"
            # Of derivatives that are no numbers more than one may be right.
            if not all(np.isfinite(each).all() for each in due.values()) or not due:
                continue
            found = outcome(slopes[level], values)
            if isinstance(found, str):
                yield f"derivatives: {found}: {where}"
                continue
            yield from (
                f"{name} is {found[name]}, by hand {each}: {where}"
                for name, each in due.items()
                if not same(found[name], each)
            )
            rows = slopes[level].map({**values, "w": np.array([values["w"], values["w"]])})
            yield from (
                f"{name} in map is {rows[name]}, by hand {each}: {where}"
                for name, each in due.items()
                if not same(rows[name], [each, each])
            )


@pytest.mark.parametrize("block", range(8))
@pytest.mark.parametrize("steep", [False, True])
def test_random_ranges(block: int, steep: bool) -> None:
    for seed in range(5 * block, 5 * block + 5):
        found = list(differences(seed, steep, (0, 2)))
        assert not found, f"seed {seed}:\n{program(seed, steep).source}{found[0]}"


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_many_random_ranges(block: int) -> None:
    for seed in range(1000 + 10 * block, 1010 + 10 * block):
        found = list(differences(seed, seed % 3 == 0, (0, 1, 2, 3)))
        assert not found, f"seed {seed}:\n{program(seed, seed % 3 == 0).source}{found[0]}"
