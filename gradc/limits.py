"""Bounds on what a program may ask for, so that no input hangs or exhausts the machine."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from gradc.errors import CompileError, Diagnostic


@dataclass(frozen=True)
class Limits:
    """The bounds of one compilation; each one that is met is a diagnostic.

    ``source_bytes`` and ``files`` bound what is read, ``nodes`` the graph that a program is lowered to (functions are
    inlined, so a short text can ask for 2^100 of them), ``expanded_nodes`` the one with its derivatives,
    ``inline_depth`` how deep calls of functions nest, ``seconds`` the whole way from text to graph. Of a run,
    ``iterations`` bounds each loop, and ``run_seconds`` how long it takes.
    """

    source_bytes: int = 64 * 2**20
    files: int = 1_000
    nodes: int = 1_000_000
    expanded_nodes: int = 5_000_000
    inline_depth: int = 10_000
    seconds: float = 60.0
    iterations: int = 10_000_000
    run_seconds: float = 3600.0


DEFAULT = Limits()

CHECK_SECONDS: Final = 10.0
"""How much computing ``gradc check`` does for a point, unless it is told otherwise."""


@dataclass
class Clock:
    """Counts down the seconds of one compilation."""

    limits: Limits = DEFAULT
    started: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Raise a diagnostic once the time is over."""
        if time.monotonic() - self.started > self.limits.seconds:
            raise CompileError(
                Diagnostic(
                    "E0704",
                    f"compiling takes longer than {self.limits.seconds:g} seconds",
                    hints=("a function that calls others many times grows fast when inlined; see `gradc help E0704`",),
                )
            )


def too_many_nodes(limit: int) -> CompileError:
    """The diagnostic for a graph that outgrows its bound."""
    return CompileError(
        Diagnostic(
            "E0702",
            f"the program needs more than {limit:,} operations",
            hints=("functions are inlined: one that calls another twice, which calls another twice…, grows fast",),
        )
    )
