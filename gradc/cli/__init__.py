"""The command line: arguments in, results on standard output, diagnostics on standard error, an exit code.

0 is done, 1 the program or its data is at fault, 2 the call is. Everything else is imported inside ``main``, so that an
interrupt during the imports ends as quietly as one later.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with the arguments given, or the process's own; returns the exit code."""
    try:
        from gradc.cli.outcome import run

        return run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        with suppress(OSError):
            print("interrupted", file=sys.stderr)
        return INTERRUPTED
