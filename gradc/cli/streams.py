"""Standard output and error as they are met: encodings without ∂, closed pipes, full disks."""

from __future__ import annotations

import codecs
import errno
import os
import sys
import unicodedata
from typing import TextIO

# What stands for a character that a terminal cannot show.
_SPELLED = {
    "∂": "d",
    "·": "*",
    "×": "*",
    "→": "->",
    "←": "<-",
    "…": "...",
    "²": "^2",
    "³": "^3",
    "−": "-",
    "–": "-",
    "—": "-",
    "─": "-",
    "│": "|",
    "∞": "inf",
    "π": "pi",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "«": '"',
    "»": '"',
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
}


def spell(text: str, encoding: str) -> str:
    """The text in characters that the encoding has: ∂ as d, ŷ as y, what has no likeness as a question mark."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_likeness(char, encoding) for char in text)
    return text


def _likeness(char: str, encoding: str) -> str:
    # A combining mark goes with its letter; the letter is what remains.
    stripped = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    for candidate in (char, _SPELLED.get(char, stripped)):
        try:
            candidate.encode(encoding)
        except UnicodeEncodeError:
            continue
        return candidate
    return "?"


def _replace(problem: UnicodeError) -> tuple[str, int]:
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    text = problem.object[problem.start : problem.end]
    return "".join(_likeness(char, problem.encoding) for char in text), problem.end


def prepare() -> None:
    """Make the standard streams take every character; a stream that is closed swallows what is written."""
    codecs.register_error("gradc", _replace)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # It lives as long as the process.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="gradc")


def encodes(text: str, stream: TextIO) -> bool:
    """Whether the stream's encoding has every character of the text."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def silence(stream: TextIO) -> None:
    """Send what is still to be written to nowhere, so that the end of the process does not complain about it."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def is_closed_pipe(problem: OSError) -> bool:
    """Whether whoever read our output has gone; Windows reports that as an invalid argument."""
    return isinstance(problem, BrokenPipeError) or (sys.platform == "win32" and problem.errno == errno.EINVAL)
