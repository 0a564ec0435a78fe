"""One program, compiled in the ways in which checks want it; what its calls give, and whether two outcomes agree."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

import numpy as np

import gradc
from gradc.backends import interp, loops, plan, products, straight
from gradc.errors import CallError, CompileError

LEVELS: Final = (0, 1, 2, 3)
CLOSE: Final = {0: 1e-9, 1: 1e-9, 2: 1e-7, 3: 1e-7}
"""So much may differ for each level: sums are added in another order, and -O2 computes by other formulas."""
STEPS: Final = 10_000
"""So many steps a loop may make."""


class NotAProgram(Exception):
    """The compiler refuses the text, or it has no point to be run at."""


class Case:
    """A program, compiled once for each of the ways in which the checks want it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._models: dict[Any, gradc.Model] = {}
        try:
            self.graph = self.model(0).graph
            self.model(0).optimized()
        except CompileError as error:
            raise NotAProgram(error.diagnostics[0].code) from None
        if any(self.graph.attrs(node).get("default") is None for node in self.graph.inputs):
            raise NotAProgram("no values")

    def model(self, level: int = 2, **options: Any) -> gradc.Model:
        key = (level, *sorted((name, str(value)) for name, value in options.items()))
        if key not in self._models:
            # What a reducer or a damage makes may not end.
            self._models[key] = self.fresh(level, **options)
        return self._models[key]

    def fresh(self, level: int, **options: Any) -> gradc.Model:
        """The program compiled once more, with nothing planned yet."""
        return gradc.compile(self.source, name="case.grad", level=level, max_iterations=STEPS, **options)

    @cached_property
    def values(self) -> dict[str, Any]:
        """The point."""
        found = {}
        for node in self.graph.inputs:
            dtype = {"int": np.int64, "bool": np.bool_}.get(self.graph.type(node).dtype, np.float64)
            found[self.graph.name(node) or ""] = np.array(self.graph.attrs(node)["default"], dtype)
        return {name: value if value.ndim else value.item() for name, value in found.items()}

    @cached_property
    def due(self) -> Any:
        """What comes out at -O0."""
        return outcome(lambda: self.model(0)())

    def real(self, inputs: bool, most: int = 4) -> list[str]:
        """Some real inputs or outputs; of what are derivatives already, one."""
        if inputs:
            names = [(self.graph.name(node) or "", self.graph.type(node)) for node in self.graph.inputs]
        else:
            names = [(name, self.graph.type(node)) for name, node in self.graph.outputs]
            derived = [pair for pair in names if pair[0][0] == "D"]
            names = [pair for pair in names if pair[0][0] != "D"] + derived[:1]
        return [name for name, type in names if type.real][:most]

    def random(self, name: str, shape: Sequence[int] = ()) -> Any:
        """Numbers of moderate size that belong to a name."""
        found = np.round(np.random.default_rng(zlib.crc32(name.encode())).uniform(-1, 1, tuple(shape)), 3)
        return found if shape else float(found)


# Outcomes ------------------------------------------------------------------------------------------------------------


def outcome(run: Callable[[], Any]) -> Any:
    """What a call gives, or the code of the diagnostic that it ends in."""
    try:
        return dict(run())
    except CallError as error:
        return error.diagnostics[0].code


def bits(value: Any) -> Any:
    """A value as what tells it from any other, to the bit; one NaN is as good as another."""
    if isinstance(value, dict):
        return {name: bits(each) for name, each in value.items()}
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.nan, array)
    return type(value).__name__, str(array.dtype), array.shape, array.tobytes()


def same(found: Any, due: Any, close: float) -> bool:
    """Whether numbers agree: NaN with NaN, infinities with infinities, the others up to a fraction of the largest."""
    found, due = np.asarray(found, float), np.asarray(due, float)
    if found.shape != due.shape:
        # Of rows that no step gives, the naive evaluator does not know the length.
        return not found.size and not due.size
    with np.errstate(all="ignore"):
        scale = np.maximum(1, np.maximum(abs(found), abs(due)))
        finite = scale[np.isfinite(scale)]
        # What cancels in one element is as large as the others are.
        scale = np.maximum(scale, 1e-3 * np.max(finite, initial=0.0))
        alike = (found == due) | (np.isnan(found) & np.isnan(due)) | (abs(found - due) <= close * scale)
        # Where nearly everything overflows, which sum does first is a matter of order.
        alike |= (abs(found) > 1e12) & (abs(due) > 1e12)
    return bool(alike.all())


def unlike(what: str, found: Any, due: Any, close: float) -> Iterator[str]:
    """The outputs of two outcomes that do not agree."""
    if isinstance(found, str) or isinstance(due, str):
        if found != due:
            yield f"{what}: {brief(found)}, not {brief(due)}"
        return
    for name, value in found.items():
        if not same(value, due[name], close):
            yield f"{what}: {name} is {brief(value)}, not {brief(due[name])}"


def brief(value: Any) -> str:
    if isinstance(value, dict):
        return "a result"
    shown = " ".join(str(value).split())
    return shown if len(shown) < 200 else shown[:200] + "…"


def unlike_in_kind(what: str, found: Any, due: Any, level: int) -> Iterator[str]:
    """Outputs that are not of the same kind: a number, infinite, NaN. -O2 may have another sign of a zero, and hence of
    an infinity (LANGUAGE.md, Numbers)."""
    if isinstance(found, str) or isinstance(due, str):
        yield from unlike(what, found, due, 0.0)
        return
    for name, value in due.items():
        left, right = (np.asarray(each, float) for each in (found[name], value))
        alike = (np.isnan(left) == np.isnan(right)) & (np.isinf(left) == np.isinf(right))
        if level < 2:
            alike &= ~np.isinf(left) | (left == right)
        if not alike.all():
            yield f"{what}: {name} is {brief(found[name])}, not {brief(value)}"


# Ways to run a program ----------------------------------------------------------------------------------------------


@contextmanager
def worth(iterations: int, runs: int) -> Iterator[None]:
    """Loops and plans become functions after so many iterations and runs."""
    places = [(loops, "_WORTH", iterations)]
    # Those that read it have it under a name of their own.
    places += [(module, "RUNS", runs) for module in (straight, interp, plan)]
    before = [getattr(module, name) for module, name, _ in places]
    try:
        for module, name, count in places:
            setattr(module, name, count)
        yield
    finally:
        for (module, name, _), count in zip(places, before, strict=True):
            setattr(module, name, count)


@contextmanager
def as_written() -> Iterator[None]:
    """Products and their sums are computed as they stand, whatever work another order would save.

    Which partial product overflows first, and whether an infinity meets a zero before a sum is taken or behind it, is a
    matter of that order, which belongs to plans and to no level.
    """
    before = products.inlined
    try:
        products.inlined = lambda *_: set()
        yield
    finally:
        products.inlined = before
