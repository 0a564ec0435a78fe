"""Results as JSON can hold them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def plain(value: Any) -> Any:
    """The value with arrays as nested lists, and every number that JSON lacks as "nan", "inf" or "-inf"."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if value - value == 0.0 else ("nan" if value != value else "inf" if value > 0 else "-inf")
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    return [plain(each) for each in value]
