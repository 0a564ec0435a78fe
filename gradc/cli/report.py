"""Diagnostics on standard error: as text while they are found, or as one JSON value at the end."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

from gradc.errors import Diagnostic, render
from gradc.plain import plain


class Reporter:
    """Collects what a call has to say about its program and itself."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self._found: list[Diagnostic] = []
        self._printed = False

    def report(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Print the diagnostics, or keep them for ``close`` if they are to be JSON."""
        if self.json:
            self._found += diagnostics
            return
        # What is already printed belongs above what went wrong afterwards.
        sys.stdout.flush()
        color = coloured(sys.stderr)
        for diagnostic in diagnostics:
            text = render(diagnostic)
            print(("\n" if self._printed else "") + (_tinted(text) if color else text), file=sys.stderr)
            self._printed = True

    def close(self) -> None:
        """Print what was kept."""
        if self._found:
            sys.stdout.flush()
            print(as_json({"diagnostics": [each.as_dict() for each in self._found]}, sys.stderr), file=sys.stderr)
            self._found = []


# What is done sooner needs no word on the way.
_PATIENCE = 2.0


class Progress:
    """Says on a terminal what is being done, in one line that is gone in the end; nothing of what is done soon."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream if stream.isatty() else None
        self._started = time.monotonic()
        self._shown = False

    def tell(self, what: str) -> None:
        """Say what is done next."""
        seconds = time.monotonic() - self._started
        if self._stream is not None and seconds >= _PATIENCE:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"{what}, {seconds:.0f} s"[:width])
            self._shown = True

    def _write(self, text: str) -> None:
        assert self._stream is not None
        # Back to the start of the line, and what was there is cleared.
        self._stream.write(f"\r\x1b[K{text}")
        self._stream.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._write("")


def coloured(stream: Any) -> bool:
    """Whether a person with a terminal that shows colours reads the stream."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(stream.isatty())


def _tinted(text: str) -> str:
    """The rendered diagnostic with its head and carets in colour."""
    head, _, rest = text.partition("\n")
    tint = "\x1b[1;33m" if head.startswith("warning") else "\x1b[1;31m"
    kind, _, message = head.partition(": ")
    rows = [f"{tint}{kind}\x1b[0m\x1b[1m: {message}\x1b[0m"]
    for row in rest.splitlines():
        rows.append(re.sub(r"^(\s*\| \s*)(\^+.*)$", rf"\1{tint}\2" + "\x1b[0m", row))
    return "\n".join(rows)


def as_json(value: Any, stream: Any) -> str:
    """JSON as the stream can hold it; numbers that JSON does not have are the strings "nan", "inf" and "-inf"."""
    import json

    from gradc.cli.streams import encodes

    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False)
    return text if encodes(text, stream) else json.dumps(plain(value), allow_nan=False)
