"""Programs of the command line that Ctrl-C ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

QUIET = (130, b"", b"interrupted\n")
"""How a run ends that is interrupted: its exit status, and what it has written to the output and beside it."""


def interrupted(*arguments: str, text: bytes | None = None) -> tuple[int, bytes, bytes]:
    """How ``gradc`` with these arguments ends when it is interrupted; its input is ``text``, or has no end.

    On a busy machine the first signals may come while Python itself is starting. Who started the tests may ignore them.
    """
    ended = (0, b"", b"")
    for seconds in (1.0, 3.0, 9.0):
        process = subprocess.Popen(
            [sys.executable, "-m", "gradc", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        if text is not None:
            assert process.stdin is not None
            process.stdin.write(text)
            process.stdin.close()
            process.stdin = None
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        ended = process.returncode, out, err
        if ended == QUIET:
            break
    return ended
