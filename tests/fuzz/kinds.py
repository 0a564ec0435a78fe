"""All generators of programs, by name: each makes a program with its point out of a ``Random``."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any, Final

import array_texts
import language_texts
import loop_texts
import mixed_texts
import numpy as np
import sum_texts
from branch_programs import branch_program
from hypothesis import strategies as st
from scalar_texts import scalar_program


def _arrays(r: random.Random, **kind: bool) -> str:
    made = array_texts.array_text(r, **kind)
    n, m = r.choice([(2, 3), (1, 1), (3, 1), (4, 2)])
    values = array_texts.random_inputs(n, m, r.randrange(10**6))
    return pointed(made.source, {name: values[name] for name in (*array_texts.REAL, *array_texts.WHOLE)})


def pointed(source: str, values: dict[str, Any]) -> str:
    """The program with these values for the defaults of its inputs."""
    for name, value in values.items():
        shown = re.sub(
            r"\s+", " ", np.array2string(np.asarray(value), separator=", ", floatmode="maxprec", precision=3)
        )
        # In the declarations, which stand in the first lines.
        source = re.sub(
            rf"^((?:input|param) (?:[^\n]*, )?{name}(?:\[[^\]\n]*\])?(?:: int)?)(?=,|$)",
            lambda match, shown=shown: f"{match[1]} = {shown}",
            source,
            count=1,
            flags=re.MULTILINE,
        )
    return source


KINDS: Final[dict[str, Callable[[random.Random], str]]] = {
    "mixed": mixed_texts.program,
    "arrays": lambda r: _arrays(r, smooth=True),
    "kinks": _arrays,
    "poison": lambda r: _arrays(r, smooth=True, poison=True),
    "loops": lambda r: loop_texts.program(r.randrange(10**9)),
    "still": lambda r: loop_texts.program(r.randrange(10**9), still=True),
    "inner": lambda r: loop_texts.program(r.randrange(10**9), inner=True),
    "scalars": scalar_program,
    "sums": sum_texts.program,
    "branches": lambda r: branch_program(r).source,
    "language": language_texts.program,
    "nasty": lambda r: mixed_texts.program(r, nasty=True),
}
"""``nasty`` and ``kinks`` programs run where functions have kinks and leave their domains."""


def program(kind: str, seed: int) -> str:
    """The program of a kind and a seed."""
    return KINDS[kind](random.Random(f"{kind} {seed}"))


def programs(kind: str) -> st.SearchStrategy[str]:
    """The programs of a kind as a strategy."""
    return st.randoms(use_true_random=False).map(KINDS[kind])
