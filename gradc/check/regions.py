"""Branches and loops, as functions of a node and its operands' values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from gradc.check.site import Site, chosen
from gradc.ir.region import Loop
from gradc.ir.types import TAPE, TUPLE, Index


def _each(make: Callable[[Site], Callable[..., Any]]) -> Callable[[Site], Callable[..., Any]]:
    """A region that is a family, one run for each of its elements."""

    def built(site: Site) -> Callable[..., Any]:
        run = make(site)
        free = site.type.free
        if not free:
            return run

        def family(*operands: Any) -> Any:
            found = np.empty(site.batch(free), object)
            for place in np.ndindex(*found.shape):
                env = dict(zip(free, place, strict=True))
                found[place] = run(
                    *[chosen(type, value, env) for type, value in zip(site.types, operands, strict=True)]
                )
            return found

        return family

    return built


def _get(site: Site) -> Callable[..., Any]:
    place, type = site.attrs["place"], site.type
    own = () if type.dtype in (TAPE, TUPLE) else type.shape

    def run(tuples: Any) -> Any:
        if not type.free:
            return tuples[place]
        found = np.empty((*tuples.shape, *site.evaluator.shape(own)), object)
        for cell in np.ndindex(*tuples.shape):
            found[cell] = tuples[cell][place]
        return found

    return run


def _add_tapes(site: Site) -> Callable[..., Any]:
    over, free = site.attrs.get("over", ()), site.type.free

    def total(given: Sequence[Any], env: Mapping[Index, int]) -> list[Any]:
        found: list[Any] | None = None
        for value, kind in zip(given, site.types, strict=True):
            for choice in np.ndindex(*site.batch(over)):
                tape = chosen(kind, value, {**env, **dict(zip(over, choice, strict=True))})
                found = list(tape) if found is None else [x + y for x, y in zip(found, tape, strict=True)]
        return found or []

    def run(*given: Any) -> Any:
        if not free:
            return total(given, {})
        found = np.empty(site.batch(free), object)
        for place in np.ndindex(*found.shape):
            found[place] = total(given, dict(zip(free, place, strict=True)))
        return found

    return run


def _branch(site: Site) -> Callable[..., Any]:
    bodies = [(site.attrs[each], [node for _, node in site.attrs[each].outputs]) for each in ("other", "then")]

    def run(condition: Any, *operands: Any) -> tuple[Any, ...]:
        return tuple(site.evaluator.body(*bodies[bool(condition)])(operands))

    return run


def _loop(site: Site) -> Callable[..., Any]:
    loop = Loop.of(site.attrs)
    results = [each for _, each in loop.body.outputs]
    first, carried = loop.first, loop.carried
    second = first + carried + loop.scanned

    def repeated(*operands: Any) -> tuple[Any, ...]:
        assert loop.test is not None
        test = site.evaluator.body(loop.test, [loop.test.outputs[0][1]])
        body = site.evaluator.body(loop.body, results)
        state: Sequence[Any] = operands[first : first + carried]
        rest = operands[second:]
        tapes: list[list[Any]] = [[] for _ in range(loop.tapes)]
        count = 0
        while test([count, *state, *rest])[0]:
            found = body([count, *state, *rest])
            state = found[:carried]
            for tape, value in zip(tapes, found[carried:], strict=True):
                tape.append(value)
            count += 1
        return (*state, *tapes, count)

    def counted(start: int, stop: int, *others: Any) -> tuple[Any, ...]:
        body = site.evaluator.body(loop.body, results)
        operands = (start, stop, *others)
        state: Sequence[Any] = operands[first : first + carried]
        scanned, rest = operands[first + carried : second], operands[second:]
        count = max(stop - start, 0)
        kept: list[list[Any]] = [[None] * count for _ in range(loop.collected + loop.tapes)]
        for at in reversed(range(count)) if loop.backwards else range(count):
            found = body([start + at, *state, *[each[at] for each in scanned], *rest])
            state = found[:carried]
            for item, value in zip(kept, found[carried:], strict=True):
                item[at] = value
        arrays = []
        for at in range(loop.collected):
            own = site.evaluator.shape(loop.body.type(results[carried + at]).shape)
            array = np.empty((count, *own), object)
            for place, value in enumerate(kept[at]):
                array[place] = value
            arrays.append(array)
        return (*state, *arrays, *kept[loop.collected :])

    return counted if loop.test is None else repeated


REGIONS: Final[Mapping[str, Callable[[Site], Callable[..., Any]]]] = {
    "get": _get, "add_tapes": _add_tapes, "branch": _each(_branch), "for": _each(_loop), "while": _each(_loop),
}  # fmt: skip
"""The operators of regions, each as a function from a node to the function of its operands."""
