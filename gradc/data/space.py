"""Room for data: asked about before anything large is read."""

from __future__ import annotations

from gradc.data.column import fail
from gradc.memory import available, shown


def check_space(needed: int, what: str, memory: int | None) -> None:
    """Raise ``CallError`` if so many bytes may not be taken: more than ``memory``, or else than there are."""
    # Asking the system costs more than reading a small file.
    if memory is None and needed < 1 << 24:
        return
    limit = available() if memory is None else memory
    if limit is not None and needed > limit:
        raise fail("E0631", f"{what} needs {shown(needed)} of memory, and {shown(limit)} may be used")
