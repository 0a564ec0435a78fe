"""How long a check may take, and what is said on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from gradc.backends.loops import within
from gradc.check.numbers import Unsuitable, clock
from gradc.errors import CallError
from gradc.limits import CHECK_SECONDS

# Loops in programs go by the clock on the wall, on which a busy machine takes so much longer.
_BUSY: Final = 2.0

Told = Callable[[str], None]
"""Called with what is done next."""


class Budget:
    """The seconds for the check of a point. Each stage has what those before it left over.

    What there is no time for raises ``Unsuitable``, and is said not to be checked.
    """

    def __init__(self, seconds: float = CHECK_SECONDS, told: Told | None = None) -> None:
        self.seconds = seconds
        self.started = clock()
        self.end = self.started + seconds
        self._told = told

    def stage(self, name: str, part: float) -> None:
        """What is done from now on, until which part of the time is over."""
        self.end = self.started + part * self.seconds
        self.tell(name)

    def tell(self, what: str) -> None:
        """Say what is done next."""
        if self._told is not None:
            self._told(what)

    @property
    def left(self) -> float:
        """The seconds that are left of a stage."""
        return max(self.end - clock(), 0.0)

    def attempt(self, part: float) -> float:
        """The seconds for something that something else can take the place of."""
        return min(self.left, part * self.seconds)

    def need(self, seconds: float) -> None:
        """Raise if there is no time for what takes so long."""
        if seconds > self.left:
            raise Unsuitable("time")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Programs run as long as there is time."""
        seconds = _BUSY * self.left
        end = time.monotonic() + seconds
        try:
            with within(seconds):
                yield
        except CallError as error:
            if error.diagnostics[0].code == "E0641" and time.monotonic() >= end:
                raise Unsuitable("time") from None
            raise
