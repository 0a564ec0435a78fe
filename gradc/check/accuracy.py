"""How accurate results are: errors in units in the last place, beside what rounding the inputs would do alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from gradc.check.evaluate import Evaluator
from gradc.check.numbers import Numbers, PreciseNumbers, Unsuitable, why
from gradc.check.report import Accuracy
from gradc.ir.graph import Graph, ancestors

if TYPE_CHECKING:
    from gradc.check.problem import Problem

# Digits that are right are 50; what cancels on the way comes on top.
_DIGITS: Final = 50
_WORKING: Final = 90
# Of more inputs, random signs stand for all of them.
_INPUTS: Final = 24
_SAMPLES: Final = 4
_LISTED: Final = 64
# An error of so many units is as good as one can ask for.
_ACCURATE: Final = 4.0
# So many times the errors of its operands an operation has to add before it is named.
_LOSS: Final = 64.0


def accuracy(problem: Problem) -> tuple[list[Accuracy], str]:
    """The accuracy of the targets and of each of their derivatives; or nothing, and why."""
    numbers = PreciseNumbers(_WORKING)
    graph = problem.programs.gradients.optimized(0)
    evaluator = Evaluator(numbers, problem.sizes, seconds=problem.budget.left)
    try:
        exact = _flat(evaluator.run(graph, problem.inputs))
    except Unsuitable as reason:
        return [], f"how accurate results are is not checked: {why(reason)}"
    change: list[Any] = [None] * len(exact)
    # Without it, there are errors, and nothing to hold them against.
    with suppress(Unsuitable):
        change = _change(evaluator, numbers, graph, problem, exact)
    found = []
    names = _names(problem)
    values = [*problem.found[0], *(float(x) for row in problem.found[1] for part in row for x in np.ravel(part))]
    unit = 2 * problem.unit
    most = max(_ACCURATE, 2 * math.sqrt(len(problem.programs.gradients.optimized())))
    for name, value, due, moved in list(zip(names, values, exact, change, strict=True))[:_LISTED]:
        found.append(_judged(numbers, name, value, due, moved, unit, most))
    if any(each.verdict == "loses digits" for each in found):
        losses = _Losses(problem, numbers)
        places = {output: losses.place(output) for output in set(_outputs(problem)[: len(found)])}
        pairs = zip(found, _outputs(problem), strict=False)
        found = [
            replace(each, place=places[output]) if each.verdict == "loses digits" else each for each, output in pairs
        ]
    return found, ""


def _outputs(problem: Problem) -> list[int]:
    """The number of the output that each result is an element of."""
    programs = problem.programs
    found = list(range(problem.count))
    for _ in programs.targets:
        for shape in programs.shapes:
            at = found[-1] + 1
            found += [at] * max(math.prod(shape), 1)
    return found


def _judged(
    numbers: PreciseNumbers, name: str, value: float, due: Any, moved: Any, unit: float, most: float
) -> Accuracy:
    mp = numbers.mp
    shown = mp.nstr(due, 20, strip_zeros=True)
    if not math.isfinite(value) or not mp.isfinite(due):
        agree = not mp.isfinite(due) and str(value) == str(float(due))
        ulps = 0.0 if agree else math.inf
        return Accuracy(name, value, shown, ulps, math.nan, "accurate" if agree else "unknown")
    error = abs(mp.mpf(value) - due)
    last = mp.mpf(math.ulp(float(due)) if unit < 1e-10 else float(np.spacing(np.float32(abs(float(due))))))
    ulps = float(error / last)
    if moved is None:
        return Accuracy(name, value, shown, ulps, math.nan, "accurate" if ulps <= most else "unknown")
    condition = float(moved / abs(due)) if due else 0.0 if not moved else math.inf
    # Each input is off by half a unit at the most, and each operation adds as much.
    verdict: Literal["accurate", "ill-conditioned", "loses digits"]
    if ulps <= most:
        verdict = "accurate"
    elif error <= 8 * (moved * unit + last):
        verdict = "ill-conditioned"
    else:
        verdict = "loses digits"
    return Accuracy(name, value, shown, ulps, condition, verdict)


def _flat(results: Sequence[Any]) -> list[Any]:
    return [x for result in results for x in (result.ravel().tolist() if isinstance(result, np.ndarray) else [result])]


def _names(problem: Problem) -> list[str]:
    programs = problem.programs
    found = [target.label for target in programs.targets]
    for target in programs.targets:
        for name, shape in zip(programs.wrt, programs.shapes, strict=True):
            for place in np.ndindex(*shape):
                element = f"[{', '.join(map(str, place))}]" if place else ""
                found.append(f"∂{target.label}/∂{name}{element}")
    return found


def _change(
    evaluator: Evaluator, numbers: PreciseNumbers, graph: Graph, problem: Problem, exact: Sequence[Any]
) -> list[Any]:
    """How much each result changes, at the most, beside a relative change of the program's inputs."""
    mp = numbers.mp
    step = mp.mpf(10) ** (-_WORKING // 3)
    count = len(problem.model.inputs)
    real = [at for at in range(count) if np.asarray(problem.inputs[at]).dtype.kind == "f"]
    places = [(at, place) for at in real for place in np.ndindex(*np.shape(problem.inputs[at]))]

    def moved(signs: Mapping[tuple[int, tuple[int, ...]], int]) -> list[Any]:
        given = list(problem.inputs)
        for at in real:
            array = np.asarray(problem.inputs[at])
            found = np.empty(array.shape, object)
            for place in np.ndindex(*array.shape):
                found[place] = numbers.given(array[place].item()) * (1 + step * signs.get((at, place), 0))
            given[at] = found if array.shape else found[()]
        results = _flat(evaluator.run(graph, given))
        return [abs(a - b) / step for a, b in zip(results, exact, strict=True)]

    total = [mp.mpf(0)] * len(exact)
    if len(places) <= _INPUTS:
        for place in places:
            total = [a + b for a, b in zip(total, moved({place: 1}), strict=True)]
        return total
    random = np.random.default_rng(17)
    for _ in range(_SAMPLES):
        signs = dict(zip(places, random.choice([-1, 1], len(places)).tolist(), strict=True))
        total = [max(a, b) for a, b in zip(total, moved(signs), strict=True)]
    return [a * mp.sqrt(len(places)) for a in total]


class _Losses:
    """How much of their digits the operations of the compiled program lose."""

    def __init__(self, problem: Problem, numbers: PreciseNumbers) -> None:
        self.problem = problem
        self.graph = graph = problem.programs.gradients.optimized()
        self.gains: dict[int, float] = {}
        floats: dict[int, Any] = {}
        exact: dict[int, Any] = {}
        for system, kept in ((Numbers(), floats), (numbers, exact)):

            def observe(where: Graph, node: int, operands: Sequence[Any], value: Any, kept: Any = kept) -> None:
                if where is graph and where.type(node).real:
                    kept[node] = value

            try:
                seconds = problem.budget.left
                Evaluator(system, problem.sizes, seconds=seconds, observe=observe).run(graph, problem.inputs)
            except Unsuitable:
                return
        errors: dict[int, float] = {}
        for node, value in exact.items():
            errors[node] = _worst(numbers, floats.get(node), value) / (2 * problem.unit)
            before = max((errors.get(operand, 0.0) for operand in graph.operands(node)), default=0.0)
            self.gains[node] = errors[node] / max(before, 1.0)

    def place(self, output: int) -> str:
        """The operation that loses most of an output's digits, where it stands and how many those are."""
        graph = self.graph
        within = ancestors(graph.data, [graph.outputs[output][1]]) & self.gains.keys()
        where = max(sorted(within), key=lambda node: self.gains[node], default=None)
        if where is None or self.gains[where] < _LOSS or (span := graph.span(where)) is None:
            return ""
        texts = {source.name: source for source in self.problem.model.sources}
        line = texts[span.file].line(span.line) if span.file in texts else ""
        text = line[span.column - 1 :][: span.length] or graph.op(where)
        lost = f"{math.log10(self.gains[where]):.0f} digits"
        if graph.adjoint_of(where) is None:
            return f"{span}: `{text}` loses {lost}"
        if graph.op(where) in ("add", "sub", "sum"):
            return f"{span}: contributions to the derivative that meet at `{text}` cancel, and lose {lost}"
        return f"{span}: the derivative of `{text}` loses {lost}"


def _worst(numbers: PreciseNumbers, value: Any, exact: Any) -> float:
    """The largest relative error of an array's elements."""
    worst = 0.0
    pairs = zip(np.ravel(np.asarray(value, object)).tolist(), np.ravel(np.asarray(exact, object)).tolist(), strict=True)
    for x, due in pairs:
        if due and numbers.finite(due) and math.isfinite(x):
            worst = max(worst, float(abs(numbers.given(x) - due) / abs(due)))
    return worst
