"""The ways in which a program can be run, which must all give the same: a line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gradc.backends.interp import Plan
from gradc.backends.plan import ArrayPlan, has_arrays
from gradc.backends.straight import RUNS

if TYPE_CHECKING:
    from gradc.model import Model

Results = list[Any]


@dataclass(frozen=True)
class Backend:
    """A way to run a model: a function of the model, its inputs in their order and the sizes; None if there is none."""

    name: str
    run: Callable[[Model, Sequence[Any], Mapping[str, int]], Results | None]


def reference(model: Model, inputs: Sequence[Any], sizes: Mapping[str, int]) -> Results:
    """The outputs by the interpreter, at -O0: each operation as it is written."""
    return _at_level(0)(model, inputs, sizes)


def _at_level(level: int) -> Callable[[Model, Sequence[Any], Mapping[str, int]], Results]:
    def run(model: Model, inputs: Sequence[Any], sizes: Mapping[str, int]) -> Results:
        options = model.options
        own = options.level == level and options.pipeline is None and not options.passes
        graph = model.optimized(None if own else level)
        limits = model.options.limits
        if sizes or has_arrays(graph):
            return ArrayPlan(graph, sizes, limits=limits).run(inputs)
        return Plan(graph, limits=limits).run(inputs)

    return run


def _arrays(model: Model, inputs: Sequence[Any], sizes: Mapping[str, int]) -> Results | None:
    graph = model.optimized()
    # Programs over arrays are run by it anyway.
    return None if has_arrays(graph) else ArrayPlan(graph, sizes, limits=model.options.limits).run(inputs)


def _straight(model: Model, inputs: Sequence[Any], sizes: Mapping[str, int]) -> Results:
    plan = ArrayPlan(model.optimized(), sizes, limits=model.options.limits)
    # As after many runs: from now on the steps are code.
    plan.once.count = RUNS
    return plan.run(inputs)


def _map(model: Model, inputs: Sequence[Any], sizes: Mapping[str, int]) -> Results | None:
    values: dict[str, Any] = dict(zip(model.inputs, inputs, strict=True))
    real = [name for name, node in zip(model.inputs, model.graph.inputs, strict=True) if model.graph.type(node).real]
    if not real:
        return None
    values[real[0]] = np.stack([np.asarray(values[real[0]])] * 2)
    return [rows[1] for rows in model.map(values).values()]


BACKENDS: Final = (
    *(Backend(f"-O{level}", _at_level(level)) for level in (1, 2, 3)),
    Backend("arrays", _arrays),
    Backend("straight-line code", _straight),
    Backend("map", _map),
)
"""All of them but the interpreter at -O0, with which they are compared."""
