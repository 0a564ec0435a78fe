"""How many operations value and gradient together take after -O2, over those of the value alone.

Run it in the folder ``tests``::

    python -m bench.opcount                                  # every example and every generated program

Reverse mode needs a small multiple of the operations of the value, whatever the number of inputs (Griewank and
Walther, Evaluating Derivatives, 2nd ed., section 3.3); this shows that the multiple stays at most ``BOUND``. It is a
count and no time, so ``test_opcount.py`` checks it with the other tests. Operations are the nodes of the optimised
graph that compute something: neither constants nor inputs.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import measure
from bench.programs import FAMILIES

import gradc
from gradc import driver
from gradc.ir.graph import Graph

BOUND = 4.0
EXAMPLES = Path(__file__).parents[2] / "examples"
_SIZES = (1_000, 10_000)
_FREE = frozenset({"const", "input", "name", "stop_gradient"})


class Count(NamedTuple):
    """The operations of one output's value alone, and of its value and gradient together."""

    program: str
    output: str
    inputs: int
    value: int
    both: int

    @property
    def ratio(self) -> float:
        """How many times the operations of the value; one that is copied from an input counts as one operation."""
        return self.both / max(1, self.value)


def operations(graph: Graph) -> int:
    """The nodes that compute something."""
    return sum(data["op"] not in _FREE for data in graph.data.values())


def counts(name: str, model: gradc.Model) -> Iterator[Count]:
    """The counts of every real output on its own, by the params or else the inputs."""
    wrt = model.variables(None)
    for output, node in model.graph.outputs:
        if not model.graph.type(node).real or model.graph.type(node).shape:
            continue
        both = model.value_and_grad(output, wrt).model.optimized()
        alone = driver.optimise(driver.with_requests(model.graph, (), [(output, node)]), model.options).graph
        yield Count(name, output, len(wrt), operations(alone), operations(both))


def examples() -> list[Path]:
    """The example programs without loops: of those a node says nothing about operations."""
    loop = re.compile(r"^\s*(for|while)\b", re.M)
    return sorted(path for path in EXAMPLES.glob("*.grad") if not loop.search(path.read_text("utf-8")))


def main() -> None:
    """Count and print the table."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    found = [count for path in examples() for count in counts(path.name, gradc.load(path))]
    for name, family in FAMILIES.items():
        for size in _SIZES:
            found += counts(f"{name} {size}", gradc.compile(family.text(size)))
    rows = [[c.program, c.output, str(c.inputs), str(c.value), str(c.both), f"{c.ratio:.2f}"] for c in found]
    print(measure.table(["program", "output", "wrt", "value", "value + gradient", "ratio"], rows))
    print(f"largest ratio {max(count.ratio for count in found):.2f}, bound {BOUND:g}")


if __name__ == "__main__":
    main()
