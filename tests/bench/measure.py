"""What the measurements share: a fresh process for each, its clock, its memory, and tables of text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parent.parent


def in_process(module: str, *arguments: object, timeout: float | None = None) -> dict[str, Any]:
    """What ``python -m module --child arguments…`` prints, read as JSON; ``{"error": …}`` if it fails.

    One thread for every library, so that the clock means the same for all.
    """
    environment = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [sys.executable, "-m", module, "--child", *map(str, arguments)]
    try:
        done = subprocess.run(command, cwd=_TESTS, env=environment, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"error": f"> {timeout:g} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"error": lines[-1][:60]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak() -> int:
    """The largest memory that this process has held, in bytes."""
    # `ru_maxrss` of a child starts at that of its parent; the kernel's own figure does not.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


def best(run: Callable[[], object], seconds: float = 0.3, most: int = 2_000) -> float:
    """The shortest of as many runs as fit into about ``seconds``, at least one."""
    found = float("inf")
    finish = time.perf_counter() + seconds
    for _ in range(most):
        started = time.perf_counter()
        run()
        stopped = time.perf_counter()
        found = min(found, stopped - started)
        if stopped > finish:
            break
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in columns: the first flush left, the others flush right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """A time with three digits and its unit."""
    for factor, unit in ((1e6, "µs"), (1e3, "ms")):
        if seconds * factor < 1_000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"
