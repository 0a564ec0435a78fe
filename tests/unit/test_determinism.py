"""Equal input gives equal bytes: graphs, pickles, diagrams, explanations and results, in any process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
SOME = [
    "two_paths",
    "bundle_adjustment",
    "kalman_filter",
    "loop set",
    "loop family",
    "region nested",
    "random 0",
    "random 3",
]


def digests(names: list[str], seed: str) -> list[str]:
    """What a process with that seed of hashing makes of programs."""
    command = [sys.executable, str(TESTS / "fingerprints.py"), *names]
    path = os.pathsep.join([str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_processes_agree() -> None:
    first = digests(SOME, "0")
    assert len(first) > 15 * len(SOME)
    assert digests(SOME, "12345") == first


@pytest.mark.slow
def test_processes_agree_about_all_programs() -> None:
    first = digests([], "0")
    assert len(first) > 1500
    for seed in ("1", "77", "random"):
        assert digests([], seed) == first
