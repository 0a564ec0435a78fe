"""The builder's refusal of what the grammar lets pass. It stands alone so that a good program imports no more."""

from __future__ import annotations


class Refused(Exception):
    """A finding of the builder at offset ``at``; ``kind`` names the function that explains it in ``recovery``."""

    def __init__(self, at: int, kind: str) -> None:
        super().__init__(at, kind)
        self.at = at
        self.kind = kind
