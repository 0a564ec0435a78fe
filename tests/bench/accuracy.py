"""How many units in the last place values and gradients of the literature's test functions are off.

Run it in the folder ``tests``::

    python -m bench.accuracy

"ulps" is the distance from the exact result, in units in its last place; "of condition" is the same in units of what a
relative change of every variable and datum by one unit in the last place does, which is what no way of calculating can
be expected to stay below.
"""

from __future__ import annotations

import numpy as np
from bench import measure
from exact import DIGITS, Exact, off
from literature import MORE_GARBOW_HILLSTROM, Problem
from literature_later import GLOBAL, PHYSICS
from mpmath import mp, mpf

import gradc

ROWS = ("value", "gradient")


def distances(problem: Problem, point: tuple[float, ...], level: int) -> dict[str, list[tuple[float, float]]]:
    """Of the value and of each entry of the gradient: the error in ulps, and in units of the condition."""
    model = gradc.compile(problem.text, level=level)
    data = {**problem.data, "x": point}
    exact = Exact(problem, point)
    places = range(len(point))
    size = [abs(x) for x in exact.x]
    noise = (abs(exact.value) + mpf(10) ** -50) * mpf(10) ** -40
    gradient = model.grad("f", "x")(data)["grad(f, x)"]
    conditions = {
        "value": [mp.fsum(size[i] * abs(exact.gradient[i]) for i in places) + problem.cancels],
        "gradient": [mp.fsum(size[j] * abs(exact.hessian[i][j]) for j in places) for i in places],
    }
    found = {"value": [model(data)["f"]], "gradient": list(gradient)}
    wanted = {"value": [exact.value], "gradient": exact.gradient}
    return {
        name: [
            # In units in the last place, of which a number has between half and one relative unit.
            (off(x, y, mpf(0), noise) / 2, off(x, y, condition, noise) / 2)
            for x, y, condition in zip(found[name], wanted[name], conditions[name], strict=True)
            if abs(y) > noise
        ]
        for name in ROWS
    }


def main() -> None:
    """Print the table."""
    rows = []
    points = [
        (problem, point)
        for problem in (*MORE_GARBOW_HILLSTROM, *GLOBAL, *PHYSICS)
        for point in (problem.start, *problem.near)
    ]
    with mp.workdps(DIGITS):
        for level in (0, 2):
            listed = [distances(problem, point, level) for problem, point in points]
            for name in ROWS:
                ulps = np.array([pair for each in listed for pair in each[name]])
                middle, high, worst = (np.percentile(ulps, part, axis=0) for part in (50, 99, 100))
                columns = [f"{x[at]:.3g}" for at in (0, 1) for x in (middle, high, worst)]
                rows.append([f"{name} at -O{level}", str(len(ulps)), *columns])
    head = ["ulps", "numbers", "median", "99 %", "worst", "of condition: median", "99 %", "worst"]
    print(measure.table(head, rows))


if __name__ == "__main__":
    main()
