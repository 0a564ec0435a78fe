"""Plans changes of one element or row at a place that is a single number: the common case in loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gradc.backends.faults import Faults, OutOfRange
from gradc.backends.reading import inside

if TYPE_CHECKING:
    from gradc.backends.emitting import Value
    from gradc.backends.planner import Planner


def at_one_place(
    planner: Planner, node: int, operand: int, items: Sequence[Any], places: Sequence[int]
) -> tuple[OnePlace, list[Value]] | None:
    """How a part is written, and the values that takes; None for one that does not go to a single place."""
    graph = planner.graph
    if graph.type(node).free or graph.type(operand).free or any(item is not None for item in items):
        return None
    indices = [planner.values[place] for place in places]
    if not items or any(index.rep is not None for index in indices):
        return None
    value = planner.values[operand]
    full = planner.full(node)
    extents = full[: len(items)]
    single = value.rep is None and len(items) == len(full)
    element = _ADDED.get(graph.type(node).dtype, "") if single else ""
    if all(inside(planner, place, extent) for place, extent in zip(places, extents, strict=True)):
        return OnePlace(element), [value, *indices]
    sound = Sound(extents, places, bool(graph.attrs(node).get("lenient")))
    return OnePlace(element, True), [planner.failing(sound, [value, *indices], None), value, *indices]


_ADDED: Final = {"f64": "+", "bool": "or"}


class Sound:
    """Whether a part goes to a place inside the array."""

    def __init__(self, extents: Sequence[int], places: Sequence[int], lenient: bool) -> None:
        self.extents = extents
        self.places = places
        self.lenient = lenient

    def __call__(self, found: Faults, x: Any, *given: Any) -> bool:
        """Whether the indices ``given`` lie inside, for the part ``x``."""
        sound = True
        for index, extent, place in zip(given, self.extents, self.places, strict=True):
            if not 0 <= index < extent:
                sound = False
                # Where an element was not selected, 0 is added, wherever.
                if not self.lenient or np.any(x):
                    found.note(OutOfRange(index, extent, place), True)
        return sound

    def spelled(self, target: str, operands: Sequence[str]) -> list[str]:
        """As source."""
        _, _, *given = operands
        tests = [
            f"if not 0 <= {index} < {extent}: raise Left" for index, extent in zip(given, self.extents, strict=True)
        ]
        return [*tests, f"{target} = True"]


class OnePlace:
    """Writes a part to one place; ``asked``, if there is one.

    Of a single ``element`` it says how a number is added to it in Python, which is faster than in NumPy.
    """

    def __init__(self, element: str, asked: bool = False) -> None:
        self.element = element
        self.asked = asked

    def __call__(self, out: Any, replaces: bool, given: Sequence[Any]) -> None:
        """Write it."""
        if self.asked:
            sound, *given = given
            if not sound:
                return
        x, *places = given
        where = places[0] if len(places) == 1 else tuple(places)
        if replaces:
            out[where] = x
        else:
            out[where] += x

    def spelled(self, out: str, replaces: bool, operands: Sequence[str]) -> str:
        """As source, where it is known that the answer is yes."""
        x, *places = operands[self.asked :]
        where = ", ".join(places)
        if replaces:
            return f"{out}[{where}] = {x}"
        return f"{out}[{where}] = {out}.item({where}) {self.element} {x}" if self.element else f"{out}[{where}] += {x}"
