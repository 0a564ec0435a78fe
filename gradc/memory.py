"""Keeps the cyclic garbage collector out of the way while graphs are built."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_entered = 0
_was_enabled = False


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector inside the block; nested and concurrent blocks pause it until the last one ends.

    A large graph is millions of objects that all stay: a collector that walks them again and again doubles the time of
    a compilation and finds nothing.
    """
    global _entered, _was_enabled
    with _lock:
        if _entered == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _entered += 1
    try:
        yield
    finally:
        with _lock:
            _entered -= 1
            if _entered == 0 and _was_enabled:
                _promote()
                gc.enable()


# So many new objects are worth it; a walk over fewer is no delay that anyone notices.
_MANY = 50_000


def _promote() -> None:
    """Put what has been made with the old objects, as if the collector had looked at it, which would take long."""
    if gc.get_count()[0] >= _MANY and gc.get_freeze_count() == 0:
        # Together these two move every object to the oldest generation, in constant time.
        gc.freeze()
        gc.unfreeze()
