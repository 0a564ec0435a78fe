"""Plans changes of one element or row at a place that is a single number: the common case in loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.backends.faults import Faults, OutOfRange
from gradc.backends.reading import inside

if TYPE_CHECKING:
    from gradc.backends.emitting import Value
    from gradc.backends.planner import Planner

Write = Callable[[Any, bool, Sequence[Any]], None]


def at_one_place(
    planner: Planner, node: int, operand: int, items: Sequence[Any], places: Sequence[int]
) -> tuple[Write, list[Value]] | None:
    """How a part is written, and the values that takes; None for one that does not go to a single place."""
    graph = planner.graph
    if graph.type(node).free or graph.type(operand).free or any(item is not None for item in items):
        return None
    indices = [planner.values[place] for place in places]
    if not items or any(index.rep is not None for index in indices):
        return None
    value = planner.values[operand]
    extents = planner.full(node)[: len(items)]
    if all(inside(planner, place, extent) for place, extent in zip(places, extents, strict=True)):
        return _write, [value, *indices]
    lenient = bool(graph.attrs(node).get("lenient"))
    one = len(extents) == 1

    def vet(found: Faults, x: Any, *given: Any) -> bool:
        if one and 0 <= given[0] < extents[0]:
            return True
        sound = True
        for index, extent, place in zip(given, extents, places, strict=True):
            if not 0 <= index < extent:
                sound = False
                # Where an element was not selected, 0 is added, wherever.
                if not lenient or np.any(x):
                    found.note(OutOfRange(index, extent, place), True)
        return sound

    sound = planner.failing(vet, [value, *indices], None)
    return _write_sound, [sound, value, *indices]


def _write(out: Any, replaces: bool, given: Sequence[Any]) -> None:
    x, *places = given
    where = places[0] if len(places) == 1 else tuple(places)
    if replaces:
        out[where] = x
    else:
        out[where] += x


def _write_sound(out: Any, replaces: bool, given: Sequence[Any]) -> None:
    if given[0]:
        _write(out, replaces, given[1:])
