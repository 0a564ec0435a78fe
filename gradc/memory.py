"""Memory: how much of it there is, and a garbage collector that keeps out of the way while graphs are built."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
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


def available() -> int | None:
    """Bytes of memory that can be taken now without swapping; None where the system does not say."""
    found = []
    with suppress(OSError, ValueError):
        found.append(_figures("/proc/meminfo").get("MemAvailable:", 0) * 1024)
    if not any(found):
        found = []
        with suppress(OSError, ValueError, AttributeError):
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    found += _shares(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    return min(found) if found else None


# Of a control group, of version 2 and 1: its limit, its use, and what of that has been read from files.
_GROUP_2 = ("memory.max", "memory.current", "inactive_file")
_GROUP_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _shares(root: Path, listing: Path) -> list[int]:
    """What is left of the shares of the control groups that this process is in.

    A container is ended when it takes more than its share, whatever the machine has. What it has read from files counts
    as used until somebody needs the room.
    """
    found = []
    for group, (limit, use, files) in _groups(root, listing):
        with suppress(OSError, ValueError):
            share = int((group / limit).read_text("ascii"))
            # Without a limit version 2 says "max", and version 1 a number that no machine has.
            if share < 1 << 60:
                used = int((group / use).read_text("ascii"))
                found.append(max(0, share - used + _figures(group / "memory.stat").get(files, 0)))
    return found


@cache
def _groups(root: Path, listing: Path) -> list[tuple[Path, tuple[str, str, str]]]:
    """The control groups whose limits hold for this process: its own and those around it."""
    groups = {(root, _GROUP_2), (root / "memory", _GROUP_1)}
    with suppress(OSError, ValueError):
        for line in listing.read_text("ascii").splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds and "memory" not in kinds.split(","):
                continue
            base, names = (root / "memory", _GROUP_1) if kinds else (root, _GROUP_2)
            inner = base / path.strip("/")
            groups |= {(each, names) for each in (inner, *inner.parents) if each == base or base in each.parents}
    return sorted((group, names) for group, names in groups if (group / names[0]).is_file())


def shown(count: int) -> str:
    """A number of bytes in a unit that suits it."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB" if amount < 1000 else f"{amount:,.0f} TB"


def _figures(path: str | Path) -> dict[str, int]:
    """The first number behind each word that begins a line."""
    rows = [row.split() for row in Path(path).read_text("ascii").splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
