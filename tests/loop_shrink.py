"""Shrinks a program that shows a mistake, as long as it still does."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

_PAIRS = {"(": ")", "[": "]"}


def shrink(text: str, fails: Callable[[str], bool], seconds: float = 60.0) -> str:
    """The shortest text found in some time of which ``fails`` is true; it is true of ``text``."""
    end = time.monotonic() + seconds
    progress = True
    while progress:
        progress = False
        for smaller in candidates(text):
            if time.monotonic() > end:
                return text
            if len(smaller) < len(text) and fails(smaller):
                text, progress = smaller, True
                break
    return text


def candidates(text: str) -> Iterator[str]:
    """Smaller texts, the much smaller ones first."""
    lines = text.split("\n")
    listed = re.search(r"^output (.*)$", text, re.MULTILINE)
    if listed:
        # One output, and only what stands before it.
        names = listed[1].split(", ")
        for name in names if len(names) > 1 else ():
            kept = [line for line in lines if not re.match(r"D\d+ = ", line) or line.startswith(f"{name} = ")]
            yield re.sub(r"^output .*$", f"output {name}", "\n".join(kept), flags=re.MULTILINE)
    spans = sorted(blocks(lines), key=lambda span: span[0] - span[1])
    for first, last in spans:
        yield "\n".join(lines[:first] + lines[last + 1 :])
        yield "\n".join(lines[:first] + lines[first + 1 : last] + lines[last + 1 :])
    for at, line in enumerate(lines):
        if "{" not in line and "}" not in line:
            yield "\n".join(lines[:at] + lines[at + 1 :])
    for at, line in enumerate(lines):
        for shorter in simpler(line):
            yield "\n".join([*lines[:at], shorter, *lines[at + 1 :]])


def blocks(lines: list[str]) -> Iterator[tuple[int, int]]:
    """The first and the last line of each block; an ``else`` ends one and begins another."""
    stack: list[int] = []
    for at, line in enumerate(lines):
        if "}" in line and stack:
            first = stack.pop()
            if line.strip() == "}":
                yield first, at
        if line.endswith("{"):
            stack.append(at)


def simpler(line: str) -> Iterator[str]:
    """A line with less in it."""
    match = re.match(r"\s*output (.*)$", line)
    if match or re.match(r"\s*input ", line):
        indent, _, rest = line.partition("put ")
        parts = re.split(r", (?=[A-Za-z])", rest)
        for at in range(len(parts)):
            if len(parts) > 1:
                yield f"{indent}put {', '.join(parts[:at] + parts[at + 1 :])}"
    opened: list[int] = []
    for at, char in enumerate(line):
        if char in _PAIRS:
            opened.append(at)
        elif char in _PAIRS.values() and opened:
            first = opened.pop()
            inside = line[first + 1 : at]
            if char == ")":
                head = re.search(r"[\w.]*$", line[:first])
                assert head
                start = head.start()
                for new in (*inside.split(", "), inside, "w", "0.5", f"({inside})"):
                    yield line[:start] + new + line[at + 1 :]
            elif first and re.match(r"\w", line[first - 1]):
                yield line[:first] + line[at + 1 :]
                head = re.search(r"\w+$", line[:first])
                assert head
                yield line[: head.start()] + "w" + line[at + 1 :]
    for match in re.finditer(r" [-+*/] |\*", line):
        tail = re.match(r"[\w.]+(\[[^\]]*\])?", line[match.end() :])
        if tail:
            yield line[: match.start()] + line[match.end() + tail.end() :]
        head = re.search(r"[\w.]+(\[[^\]]*\])?$", line[: match.start()])
        if head:
            yield line[: head.start()] + line[match.end() :]
    for match in re.finditer(r"-?\d+\.\d+", line):
        for new in ("0.5", "1", "0"):
            yield line[: match.start()] + new + line[match.end() :]
    match = re.match(r"(\s*\w+ = )(.*)$", line)
    if match:
        for new in ("w", "0.5"):
            yield match[1] + new
    for clause in (" if ", " and ", " or ", " else if "):
        first = line.rfind(clause)
        if first > 0:
            rest = " {" if line.endswith("{") else ")" if line.endswith(")") else ""
            yield line[:first] + rest
