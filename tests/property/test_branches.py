"""Programs with conditions against the same programs with the branches that are not taken cut out: values, gradients,
tangents, Hessians and third derivatives, whatever stands in those branches.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from branch_programs import Program, branch_program

import gradc

DERIVATIVES = """
gx = grad(y, x)
gz = grad(y, z)
gw = grad(y, w)
jx = jvp(y, x, 1)
jw = jvp(y, w, [1, 2, -1])
rr = grad(gx, x)
rf = jvp(gx, x, 1)
fr = grad(jx, z)
ff = jvp(jx, x, 1)
hxw = grad(gx, w)
hw = hessian(y, w)
pw = hvp(y, w, [1, 2, -1])
rrr = grad(rr, x)
frf = grad(rf, z)
fff = jvp(ff, x, 1)
www = grad(sum(hw), w)
output y, gx, gz, gw, jx, jw, rr, rf, fr, ff, hxw, hw, pw, rrr, frf, fff, www
"""


def results(program: Program, lines: list[str], level: int) -> dict[str, Any]:
    """Values and derivatives of one of the two programs, of its last array too."""
    text = "\n".join(lines) + DERIVATIVES
    if program.arrays:
        array = program.arrays[-1]
        text += f"J = jacobian({array}, w)\nj = jvp({array}, x, 1)\nv = vjp({array}, w, [1, 2, -1])\noutput J, j, v\n"
    return dict(gradc.compile(text, level=level)(program.values))


def agree(found: Any, due: Any) -> bool:
    """Whether two results are one but for rounding.

    Sums of arrays are added in another order than those that are written out, and NumPy rounds functions of arrays not
    always as those of numbers. Contributions to a derivative meet where a branch or a step ends, and nowhere in the
    program without: `a*c + b*c` may be `(a + b)*c` there.
    """
    found, due = np.asarray(found), np.asarray(due)
    scale = max(1.0, float(np.abs(due[np.isfinite(due)]).max(initial=0)))
    return bool(np.allclose(found, due, rtol=1e-9, atol=1e-9 * scale, equal_nan=True))


def check(program: Program) -> None:
    text = "\n".join(program.written)
    shown = f"at {program.values}\n{text}\ncut:\n" + "\n".join(program.cut)
    due = results(program, program.cut, 0)
    for level in (0, 2):
        found = results(program, program.written, level)
        wrong = {name: (found[name], value) for name, value in due.items() if not agree(found[name], value)}
        assert not wrong, f"-O{level}: found and due {wrong} {shown}"
        # Single numbers are computed in one order only, as they are written.
        assert level or not program.single or np.array_equal(found["y"], due["y"], equal_nan=True), shown


@pytest.mark.parametrize("block", range(8))
def test_programs_equal_their_taken_branches(block: int) -> None:
    for seed in range(10 * block, 10 * block + 10):
        check(branch_program(random.Random(f"branches {seed}")))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_longer_programs_equal_their_taken_branches(block: int) -> None:
    for seed in range(1000 + 20 * block, 1020 + 20 * block):
        check(branch_program(random.Random(f"branches {seed}"), 8))
