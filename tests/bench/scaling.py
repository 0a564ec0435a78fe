"""From source text to a callable gradient: time and peak memory per operation of the source, stage by stage.

Run it in the folder ``tests``::

    python -m bench.scaling                                  # every family at every size
    python -m bench.scaling --family dag --size 1000,10000

The cost is linear in the program if the columns of one family stay flat down the table. Every measurement runs in a
process of its own, after a tiny program has loaded grammar and rules; memory is the peak above what that one left.
"parse" to "call" are microseconds per operation, "total" is their sum up to and including the first call; "again" is
a later call. "nodes" counts the nodes of the optimised graph with value and gradient.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from bench import measure
from bench.programs import FAMILIES, SIZES

_STAGES = ("parse", "lower", "request", "stabilise", "expand", "simplify", "dce", "plan", "call")


class Stopwatch:
    """Seconds by stage. A stage that runs inside another one is taken out of that one's time."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = [0.0]

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its calls timed."""

        @wraps(function, updated=())
        def run(*arguments: Any, **named: Any) -> Any:
            self._inside.append(0.0)
            started = time.perf_counter()
            result = function(*arguments, **named)
            spent = time.perf_counter() - started
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent - self._inside.pop()
            self._inside[-1] += spent
            return result

        return run


def measured_operations(text: str) -> int:
    """The arithmetic operators and function calls that a text holds; a sign before a number is none."""
    from gradc.source import Source
    from gradc.syntax import tree
    from gradc.syntax.code import postorder
    from gradc.syntax.parse import parse_program

    count = 0
    for statement in parse_program(Source("<count>", text)).statements:
        if isinstance(statement, tree.Assign):
            count += sum(isinstance(node, (tree.Binary, tree.Call, tree.Unary)) for node in postorder(statement.value))
    return count


def measured(name: str, size: int) -> dict[str, Any]:
    """The stages of one program in this process."""
    import gradc
    from gradc import driver, model
    from gradc.syntax import modules

    gradc.compile("input x = 2; f = 3*x + sin(x)^2").value_and_grad("f")()
    family = FAMILIES[name]
    text = family.text(size)
    watch = Stopwatch()
    optimise = driver.optimise

    def optimise_reported(*arguments: Any, **named: Any) -> Any:
        report = optimise(*arguments, **named)
        for stage, seconds in report.seconds:
            watch.seconds[stage.partition("(")[0]] = watch.seconds.get(stage.partition("(")[0], 0.0) + seconds
        return report

    # The ways from stage to stage are module globals, so a stopwatch can be put in between.
    modules.parse_program = watch.timed("parse", modules.parse_program)
    driver.optimise = watch.timed("passes", optimise_reported)
    model.Plan = watch.timed("plan", model.Plan)  # type: ignore[misc, assignment]
    before = measure.peak()
    started = time.perf_counter()
    compiled = watch.timed("lower", gradc.compile)(text)
    gradient = watch.timed("request", compiled.value_and_grad)("f", list(compiled.inputs))
    value, partials = watch.timed("call", gradient)()
    total = time.perf_counter() - started
    memory = measure.peak() - before
    assert value == value
    assert len(partials) == len(family.values(size))
    operations = family.operations(size)
    return {
        "operations": operations,
        "total": total / operations,
        "again": measure.best(gradient) / operations,
        "bytes": memory / operations,
        "nodes": len(gradient.model.optimized()) / operations,
        "stages": {stage: watch.seconds.get(stage, 0.0) / operations for stage in _STAGES},
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--family", default=",".join(FAMILIES))
    parser.add_argument("--size", default=",".join(map(str, SIZES)))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(measured(chosen.child[0], int(chosen.child[1]))))
        return
    rows = []
    for name in chosen.family.split(","):
        for size in map(int, chosen.size.split(",")):
            found = measure.in_process("bench.scaling", name, size)
            if "error" in found:
                rows.append([name, str(size), found["error"], *[""] * (len(_STAGES) + 3)])
            else:
                rows.append(
                    [
                        name,
                        str(found["operations"]),
                        f"{found['total'] * 1e6:.0f}",
                        f"{found['bytes'] / 1000:.1f}",
                        *(f"{found['stages'][stage] * 1e6:.1f}" for stage in _STAGES),
                        f"{found['again'] * 1e6:.2f}",
                        f"{found['nodes']:.1f}",
                    ]
                )
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(measure.table(["per operation", "ops", "total µs", "kB", *_STAGES, "again", "nodes"], rows))


if __name__ == "__main__":
    main()
