"""What the attributes of structural operators are made of: one meaning a name, whichever operator has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from gradc.ir.sizes import Size, is_name
from gradc.ir.types import Index


def is_extent(value: object) -> bool:
    """Whether an axis or an index can have this extent."""
    return value.__class__ is Size or (value.__class__ is int and value >= 0)


def is_offset(value: object) -> bool:
    """Whether it is an integer or made of sizes, of whatever sign."""
    return value.__class__ is Size or value.__class__ is int


# What `Builder.fresh` appends to a name is a dot and a number.
_INDEX_NAME = re.compile(r"([^.]+)((?:\.[0-9]{1,12})*)")


def is_index_name(text: object) -> bool:
    """Whether an index may be called so: a name, and numbers behind it that tell it from others of that name."""
    found = _INDEX_NAME.fullmatch(text) if isinstance(text, str) else None
    return found is not None and is_name(found[1])


def is_index(value: object) -> bool:
    """Whether it is a free index with an extent."""
    return value.__class__ is Index and is_index_name(value.name) and is_extent(value.extent)


def is_shape(value: object) -> bool:
    """Whether it is a tuple of extents."""
    return value.__class__ is tuple and all(map(is_extent, value))


def is_axis(value: object) -> bool:
    """Whether it is an integer from 0 on; a negative one counts from no end here."""
    return value.__class__ is int and value >= 0


def is_axes(value: object) -> bool:
    """Whether it is a tuple of integers, each once."""
    return isinstance(value, tuple) and all(map(is_axis, value)) and len(set(value)) == len(value)


def is_indices(value: object) -> bool:
    """Whether it is a tuple of free indices, no two of a name."""
    return isinstance(value, tuple) and all(map(is_index, value)) and len({index.name for index in value}) == len(value)


def is_items(value: object) -> bool:
    """Whether it says what an access reads: None for an index, or a slice (start, step, count) whose step is not 0."""
    return isinstance(value, tuple) and all(
        item is None
        or (
            isinstance(item, tuple)
            and len(item) == 3
            and is_offset(item[0])
            and is_offset(item[1])
            and item[1] != 0
            and is_extent(item[2])
        )
        for item in value
    )


def is_parts(value: object) -> bool:
    """Whether it says what an assemble fills: items and the indices that are summed over, for each part."""
    return isinstance(value, tuple) and all(
        isinstance(part, tuple) and len(part) == 2 and is_items(part[0]) and is_indices(part[1]) for part in value
    )


MEANINGS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "shape": (is_shape, "a tuple of extents"),
    "axes": (is_axes, "a tuple of different axes"),
    "axis": (is_axis, "an axis"),
    "order": (is_axes, "a tuple of different axes"),
    "over": (is_indices, "a tuple of different indices"),
    "indices": (is_indices, "a tuple of different indices"),
    "index": (is_index, "an index with an extent"),
    "size": (is_offset, "an extent"),
    "items": (is_items, "a tuple of None and slices"),
    "parts": (is_parts, "a tuple of items with indices"),
}
"""What an attribute has to be, and that in words, by its name."""
