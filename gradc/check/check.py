"""``model.check()``: whether derivatives are right, with a verdict for each that neither noise nor luck decides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.check.accuracy import accuracy
from gradc.check.budget import Budget, Told
from gradc.check.compare import compared, forward, orders
from gradc.check.faults import faults
from gradc.check.judge import Judge
from gradc.check.problem import Problem, Programs
from gradc.check.report import Accuracy, Check, Entry, Point
from gradc.errors import CallError, Diagnostic, suggestion
from gradc.limits import CHECK_SECONDS
from gradc.source import canonical

if TYPE_CHECKING:
    from gradc.model import Model

Ranges = Mapping[str, tuple[float, float]]


def check(
    model: Model,
    values: Mapping[str, Any] | None = None,
    *,
    of: Any = None,
    wrt: Any = None,
    samples: int = 0,
    ranges: Ranges | None = None,
    precision: int | None = None,
    ulps: bool = False,
    seed: int = 0,
    seconds: float = CHECK_SECONDS,
    told: Told | None = None,
) -> Check:
    """Check derivatives at a point, and at ``samples`` more: each with the inputs in ``ranges`` drawn between bounds.

    With ``precision`` the references are computed in so many digits; ``ulps`` adds how accurate every result is.
    ``seed`` fixes what is drawn. So many ``seconds`` of computing are for each point, and as many again with ``ulps``:
    what there is no time for is not checked, and the report says so. ``told`` is called with what is done next. Raises
    ``CallError`` as a call and ``model.grad`` do.
    """
    if samples and not ranges:
        hint = "say from where to where inputs go: `--range x=0:1`, in Python `ranges={'x': (0, 1)}`"
        raise CallError(Diagnostic("E0651", "there are samples to take, and no range to take them from", hints=(hint,)))
    targets = list(dict.fromkeys(model._targets(of, arrays=True)))
    variables = list(dict.fromkeys(model.variables(wrt)))
    inputs = model._inputs.numbers(values, {})
    sizes = model._inputs.bound(inputs)
    drawn = _ranges(model, ranges or {})
    programs = Programs(model, targets, variables, sizes, seed)
    points: list[Point] = []
    found: list[Diagnostic] = []
    random = np.random.default_rng(seed)
    for number, at in enumerate(_points(model, inputs, drawn, samples, random), start=1):
        budget = Budget(seconds, _at_point(told, number, samples + 1))
        point, wrong = _at(Problem(programs, at, sizes, budget), precision, ulps)
        points.append(point)
        known = {_gist(fault) for fault in found}
        found += [fault for fault in wrong if _gist(fault) not in known]
    name = model.sources[0].name if model.sources else "the program"
    return Check(name, targets, variables, points, tuple(found))


def _at_point(told: Told | None, number: int, points: int) -> Told | None:
    if told is None or points == 1:
        return told
    return lambda what: told(f"point {number} of {points}: {what}")


def _gist(fault: Diagnostic) -> tuple[object, ...]:
    """What a fault says apart from the values at which it shows."""
    return fault.message.partition(":")[0], fault.span


def _ranges(model: Model, ranges: Ranges) -> dict[int, tuple[float, float]]:
    found = {}
    for name, (low, high) in ranges.items():
        at = model._inputs.index.get(canonical(name))
        if at is None:
            raise CallError(
                Diagnostic("E0602", f"there is no input `{name}`", hints=suggestion(name, model._inputs.shown))
            )
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise CallError(Diagnostic("E0651", f"the range of `{name}` goes from {low:g} to {high:g}"))
        if model._inputs.dtypes[at] == "bool" or at in model._inputs.shapes.counts:
            kind = "a truth value" if model._inputs.dtypes[at] == "bool" else "the size of arrays"
            raise CallError(Diagnostic("E0651", f"`{name}` is {kind}, which has no range"))
        found[at] = (float(low), float(high))
    return found


def _points(
    model: Model, inputs: Sequence[Any], ranges: Mapping[int, tuple[float, float]], samples: int, random: Any
) -> Iterator[list[Any]]:
    yield list(inputs)
    for _ in range(samples):
        found = list(inputs)
        for at, (low, high) in ranges.items():
            shape = np.shape(found[at])
            if model._inputs.dtypes[at] == "int":
                drawn = random.integers(math.ceil(low), math.floor(high) + 1, shape)
                found[at] = drawn if shape else int(drawn)
            else:
                drawn = random.uniform(low, high, shape)
                found[at] = drawn if shape else float(drawn)
        yield found


def _at(problem: Problem, precision: int | None, ulps: bool) -> tuple[Point, list[Diagnostic]]:
    """What there is to say about a point, and which local gradients are at fault."""
    programs, model, budget = problem.programs, problem.model, problem.budget
    shown = {name: value for name, value in zip(model.inputs, problem.inputs, strict=False) if not np.ndim(value)}
    budget.tell("running the program")
    values = dict(zip([target.label for target in programs.targets], problem.found[0], strict=True))
    notes: list[str] = []
    for target, value in zip(programs.targets, problem.found[0], strict=True):
        if not math.isfinite(value):
            notes.append(f"{target.label} is {value} here, so there is nothing to compare its derivatives with")
    with np.errstate(all="ignore"):
        budget.stage("numerical derivatives", 0.9)
        judge = Judge(problem, precision)
        entries, checked = judge.entries()
        budget.stage("Taylor remainder", 0.93)
        remainders = orders(problem)
        budget.stage("forward mode", 0.96)
        comparisons = forward(problem)
        budget.stage("levels and backends", 1.0)
        comparisons += compared(problem)
        accurate: list[Accuracy] = []
        if ulps:
            budget.stage("accuracy", 2.0)
            accurate, why = accuracy(problem)
            notes += [why] if why else []
        budget.tell("looking for what is at fault")
        wrong = faults(problem, any(entry.verdict == "wrong" for entry in entries))
    if not wrong:
        wrong = _unlocated(problem, entries)
    notes += judge.notes
    return Point(shown, values, entries, remainders, comparisons, accurate, notes, checked), wrong


def _unlocated(problem: Problem, entries: Sequence[Entry]) -> list[Diagnostic]:
    """A diagnostic for each pair of names whose derivative is wrong while every local gradient is right."""
    found: dict[str, Diagnostic] = {}
    model = problem.model
    texts = {source.name: source for source in model.sources}
    for entry in entries:
        if entry.verdict != "wrong" or entry.of in found:
            continue
        target = next(each for each in problem.programs.targets if each.label == entry.of)
        span = model.graph.span(target.node)
        text = texts[span.file].line(span.line) if span and span.file in texts else ""
        given = f"is {entry.value:.6g}, and {entry.reference:.6g} is right"
        message = f"the derivative of `{target.name}` by `{entry.wrt}` {given}"
        hint = "every local gradient that could be checked is right; please report this program"
        if not math.isfinite(entry.value):
            hint = "a local gradient on the way is infinite, and the chain rule makes inf*0 or inf - inf of it"
        found[entry.of] = Diagnostic("E0650", message, span, "differentiated here", (hint,), text=text)
    return list(found.values())
