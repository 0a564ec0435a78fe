"""Prints a digest of all that programs are turned into, a line for each: equal input has to give equal lines.

``python tests/fingerprints.py [names]`` takes programs by name, and all of them without.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from loop_programs import LOOPS
from mixed_texts import program
from region_programs import PROGRAMS

import gradc
from gradc.ir import text

EXAMPLES = Path(__file__).parent.parent / "examples"


def programs() -> dict[str, str]:
    """Examples, small programs with all kinds of blocks, random ones."""
    found = {path.stem: path.read_text("utf-8") for path in sorted(EXAMPLES.glob("*.grad"))}
    found |= {f"loop {name}": source for name, source in LOOPS.items()}
    found |= {f"region {name}": source for name, source in PROGRAMS.items()}
    return found | {f"random {seed}": program(random.Random(seed)) for seed in range(6)}


def pieces(source: str) -> Iterator[tuple[str, Any]]:
    """What becomes of a program, by name: text or bytes."""
    model = gradc.compile(source, name="case.grad", allow=[str(EXAMPLES)])
    yield "as written", text.dump(model.graph)
    yield "warnings", "\n".join(map(str, model.warnings))
    derived = [model]
    targets = [name for name, node in model.graph.outputs if model.graph.type(node).real]
    numbers = [name for name in targets if not model.graph.type(model.graph.names[name]).shape]
    variables = model.variables(None) if targets and (model.params or model.inputs) else []
    if numbers and variables:
        derived += [model.grad(numbers[0], variables[0]), model.jvp(numbers[0], variables[0])]
    for at, each in enumerate(derived):
        for level in (0, 1, 2, 3):
            yield f"{at} at -O{level}", text.dump(each.optimized(level))
        yield f"{at} pickled", pickle.dumps(each.optimized(2))
    for level in ("names", "ops"):
        yield f"diagram of {level}", str(model.dot(level=level))
    bound = all(model.graph.attrs(node).get("default") is not None for node in model.graph.inputs)
    if numbers and variables:
        yield "diagram with derivatives", str(model.dot(wrt=variables[:1]))
        found = model.explain(numbers[0], variables[0])
        yield "explained", str(found)
        yield "explained as data", json.dumps(found.to_dict())
    if bound:
        for at, each in enumerate(derived[:2]):
            for name, value in each().items():
                yield f"{at} {name}", np.asarray(value).tobytes()


def main(names: list[str]) -> None:
    """Print the lines."""
    for name, source in programs().items():
        if names and name not in names:
            continue
        for what, piece in pieces(source):
            data = piece if isinstance(piece, bytes) else str(piece).encode()
            print(f"{name}, {what}: {hashlib.sha256(data).hexdigest()[:16]}")


if __name__ == "__main__":
    main(sys.argv[1:])
