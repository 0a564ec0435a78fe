"""What ``gradc run`` on a small file costs over importing numpy, networkx and lark, and which imports cost most.

Run it in the folder ``tests``::

    python -m bench.startup                                  # 15 runs of each, interleaved
    python -m bench.startup --runs 41 --imports 25

Runs of the commands alternate, so that a busy machine slows all of them; the medians are compared. Bytecode is written
and the caches of grammar and rules are filled before the first run that counts; ``PYTHONDONTWRITEBYTECODE`` is taken
out of the environment.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import measure

_EXAMPLE = Path(__file__).parents[2] / "examples" / "two_paths.grad"
_COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import numpy, networkx, lark": ["-c", "import numpy, networkx, lark"],
    "gradc run two_paths.grad": ["-m", "gradc", "run", str(_EXAMPLE)],
    "gradc grad two_paths.grad": ["-m", "gradc", "grad", str(_EXAMPLE)],
}
_BASE = "import numpy, networkx, lark"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _run(arguments: list[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], env=_environment(), capture_output=True, text=True)
    spent = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stderr)
    return spent


def imports(most: int) -> list[tuple[str, float, float]]:
    """The modules that ``gradc run`` imports, the slowest first: name, own and cumulative seconds."""
    command = [sys.executable, "-X", "importtime", *_COMMANDS["gradc run two_paths.grad"]]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=True)
    found = []
    for line in done.stderr.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        total, _, name = rest.partition("|")
        if own.strip().isdigit():
            found.append((name.strip(), int(own) / 1e6, int(total) / 1e6))
    return sorted(found, key=lambda row: -row[2])[:most]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--imports", type=int, default=15)
    chosen = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    for command in _COMMANDS.values():
        _run(command)
    for _ in range(chosen.runs):
        for name, command in _COMMANDS.items():
            times[name].append(_run(command))
    medians = {name: statistics.median(found) for name, found in times.items()}
    rows = [
        [
            name,
            measure.duration(median),
            measure.duration(min(times[name])),
            f"{(median - medians[_BASE]) * 1e3:+.0f} ms",
        ]
        for name, median in medians.items()
    ]
    print(measure.table(["command", "median", "least", "over the imports"], rows))
    print()
    rows = [[name, measure.duration(own), measure.duration(total)] for name, own, total in imports(chosen.imports)]
    print(measure.table(["import", "own", "with what it imports"], rows))


if __name__ == "__main__":
    main()
