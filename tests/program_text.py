"""What the writers of random programs share: lines that are added, names that are new, and chance."""

from __future__ import annotations

import random


class ProgramText:
    """The lines of a program that is being written, with the random numbers that decide about it."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.lines: list[str] = []
        self.indent = 0
        self.count = 0

    def add(self, line: str) -> None:
        self.lines.append("  " * self.indent + line)

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def chance(self, probability: float) -> bool:
        return self.r.random() < probability
