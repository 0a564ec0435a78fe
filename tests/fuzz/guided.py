"""Fuzzing guided by coverage: ``python -m tests.fuzz.guided parser|reader [--minutes N]``, with the extra ``fuzz``.

Inputs that reach new code are kept in a folder, which the next run goes on from; one that fails is left there as well.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

MISSING = "this needs atheris: pip install gradc[fuzz]"


def main(arguments: list[str] | None = None) -> int:
    """Run a target for some time; does not come back where that works."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    parser.add_argument("target", choices=("parser", "reader"))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-corpus"))
    options = parser.parse_args(arguments)
    try:
        import atheris
    except ImportError:
        print(MISSING, file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["gradc", "lark"]):
        from fuzz.targets import TARGETS, corpus
    folder = options.keep / options.target
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus(options.target)):
        (folder / f"seed-{number:03}").write_bytes(data)
    flags = [f"-max_total_time={60 * options.minutes:.0f}", f"-seed={options.seed}", "-max_len=4096", "-timeout=60"]
    flags += [f"-artifact_prefix={folder}/", "-rss_limit_mb=4096"]
    atheris.Setup([sys.argv[0], *flags, str(folder)], TARGETS[options.target])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
