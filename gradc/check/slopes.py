"""Numerical derivatives along directions: by complex steps, by extrapolated differences, by those in many digits."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from gradc.backends.interp import Plan
from gradc.backends.plan import ArrayPlan, has_arrays
from gradc.check.budget import Budget
from gradc.check.evaluate import Evaluator
from gradc.check.kinks import Arbiter, Kink, kink
from gradc.check.numbers import ComplexNumbers, Numbers, PreciseNumbers, Unsuitable, clock
from gradc.errors import CallError
from gradc.ir import sizes as extents
from gradc.ir.builder import Builder, replay, transfer
from gradc.ir.graph import Graph, graphs
from gradc.ir.region import Function
from gradc.ir.types import typed
from gradc.limits import DEFAULT, Limits

Direction = Sequence[Any]
"""How far each of the values moves, in their order: numbers and arrays, 0 for what stays."""

# Small enough that its square is nothing beside 1, and large enough that products of steps do not vanish.
_STEP: Final = 2.0**-200
# Differences halve their step so often; those of programs that take longer than so many seconds less often.
_TABLEAU: Final = 12
_SHORT: Final = 6
_LEAST: Final = 2
# Steps are parts of the sizes of what moves, and those are no smaller: a millionth of it is a number, too.
_SHORTEST: Final = 1e-250
_SLOW: Final = 0.2
# This part of the time is for a complex step, which differences can take the place of.
_ATTEMPT: Final = 0.2
# So many times as long as a run a complex step takes, at the least.
_FACTOR: Final = 6.0


@dataclass(frozen=True)
class Slope:
    """A numerical derivative of each result, how far off it may be, and how it was found."""

    values: list[float]
    bounds: list[float]
    method: str


class Slopes:
    """The numerical derivatives of a graph's outputs, which are single numbers, at a point.

    ``moved`` are the nodes that move; what lies between a node that moves and the outputs is what counts. The values
    behind ``stop_gradient`` stay. ``graph`` has no derivative requests.
    """

    def __init__(
        self,
        graph: Graph,
        inputs: Sequence[Any],
        sizes: Mapping[str, int],
        moved: Sequence[int],
        *,
        functions: Mapping[str, Function] | None = None,
        limits: Limits = DEFAULT,
        budget: Budget | None = None,
    ) -> None:
        self.inputs = list(inputs)
        self.sizes = sizes
        self.functions = functions
        self.limits = limits
        self.budget = budget or Budget()
        self.original = graph
        self.moved = list(moved)
        self.graph = _shifted(graph, moved)
        # By how much rounding errors change the results, if that is known.
        self.noise: Sequence[float] | None = None
        self.types = [graph.type(node) for node in moved]
        self._stops: list[Any] = []
        self._plan: Plan | ArrayPlan | None = None
        self._evaluator: Evaluator | None = None
        self._complex: Evaluator | None = None
        self._hindered: Unsuitable | None = None
        self.quickest = math.inf
        # Whether complex steps are worth a try.
        self.analytic = True
        self._precise: dict[int, tuple[Evaluator, list[Any]]] = {}
        self.shapes = self._shapes()

    def _shapes(self) -> list[tuple[int, ...]]:
        return [tuple(extents.evaluate(dim, self.sizes) for dim in type.shape) for type in self.types]

    @property
    def slow(self) -> bool:
        """Whether a run takes so long that there is no time for many."""
        return _SLOW < self.quickest < math.inf

    def nothing(self) -> list[Any]:
        """The direction in which nothing moves."""
        return [np.zeros(shape) if shape else 0.0 for shape in self.shapes]

    # Values --------------------------------------------------------------------------------------------------------

    def value(self, direction: Direction, step: float = 1.0) -> list[float]:
        """The results at a distance along a direction, as the interpreter computes them; NaN where there are none."""
        if self.quickest < math.inf:
            self.budget.need(self.quickest)
        moved = [np.asarray(each) * step if np.ndim(each) else float(each * step) for each in direction]
        try:
            with self.budget.running():
                if self._plan is None and self._evaluator is None:
                    self._stopped()
                start = clock()
                found = [float(x) for x in self._run([*self.inputs, *moved])]
        except CallError:
            return [math.nan] * len(self.graph.outputs)
        self.quickest = min(self.quickest, max(clock() - start, 1e-9))
        return found

    @cached_property
    def base(self) -> list[float]:
        """The results at the point."""
        return self.value(self.nothing())

    def _run(self, inputs: Sequence[Any]) -> list[Any]:
        if self._plan is not None:
            return self._plan.run([*inputs, *self._stops])
        # The values behind `stop_gradient` in a body differ from one iteration to the next.
        assert self._evaluator is not None
        self._evaluator.within(self.budget.left)
        return self._evaluator.run(self.graph, inputs)

    def _stopped(self) -> None:
        """Plan the graph with inputs in the place of ``stop_gradient``, for which the values here are kept."""
        graph, still = self.graph, [*self.inputs, *self.nothing()]
        found = [node for node in graph if graph.op(node) == "stop_gradient"]
        bodies = [each for each in graphs(graph) if each is not graph]
        inner = any(data["op"] == "stop_gradient" for body in bodies for data in body.data.values())
        if inner or any(graph.type(node).free for node in found):
            evaluator = Evaluator(Numbers(), self.sizes, functions=self.functions, seconds=self.budget.left)
            evaluator.run(graph, still)
            if evaluator.stopped:
                self._stops = evaluator.stops = evaluator.stopped
                self._evaluator = evaluator
                return
        if found:
            self._stops = self._planned(graph, found).run(still)
            graph = _replaced(graph, found)
        self._plan = self._planned(graph, None)

    def _planned(self, graph: Graph, nodes: Sequence[int] | None) -> Plan | ArrayPlan:
        if has_arrays(graph):
            return ArrayPlan(graph, self.sizes, nodes=nodes, limits=self.limits)
        return Plan(graph, nodes=nodes, limits=self.limits)

    # Slopes --------------------------------------------------------------------------------------------------------

    def slope(self, direction: Direction) -> Slope:
        """The derivatives along a direction: by a complex step where the program is analytic, else by differences."""
        if self.analytic and self.quickest == math.inf:
            # A program that takes long as it is would not get there in the time for an attempt.
            self.analytic = bool(self.base) and _FACTOR * self.quickest < self.budget.attempt(_ATTEMPT)
        if self.analytic and self._off(direction) > 0:
            try:
                found = self.complex(direction)
                if all(map(math.isfinite, found.values)):
                    return found
            except Unsuitable:
                self.analytic = False
        return self.differences(direction)

    def complex(self, direction: Direction) -> Slope:
        """By a step off the real axis, which has no rounding error of its own."""
        step = self._off(direction)
        moved = [
            np.asarray(each) * complex(0, step) if np.ndim(each) else each * complex(0, step) for each in direction
        ]
        if self._complex is None:
            self._complex = Evaluator(ComplexNumbers(), self.sizes, functions=self.functions)
        self._complex.within(self.budget.attempt(_ATTEMPT))
        found = self._complex.run(self.graph, [*self.inputs, *moved])
        values = [x.imag / step if math.isfinite(x.real) else math.nan for x in found]
        return Slope(values, [0.0] * len(values), "complex step")

    def _off(self, direction: Direction) -> float:
        """The length of a complex step; 0 where it is too small for a number."""
        # Powers of two add no rounding of their own.
        step = math.ldexp(_STEP, math.frexp(self.scale(direction))[1])
        return step if step > sys.float_info.min / _STEP else 0.0

    @cached_property
    def sizes_there(self) -> list[Any]:
        """The sizes of what moves, 1 for a 0: lengths on which the program may change."""
        try:
            values = self._planned(self.original, self.moved).run(self.inputs)
        except CallError:
            values = [np.ones(shape) for shape in self.shapes]
        found = [np.abs(np.asarray(value, float)) for value in values]
        return [np.where((each > 0) & np.isfinite(each), np.maximum(each, _SHORTEST), 1.0) for each in found]

    def scale(self, direction: Direction) -> float:
        """How far along a direction everything changes by as much as itself at the most."""
        least = math.inf
        for length, each in zip(self.sizes_there, direction, strict=True):
            weights = np.abs(np.broadcast_to(np.asarray(each, float), length.shape))
            if np.any(weights > 0):
                least = min(least, float(np.min(length[weights > 0] / weights[weights > 0])))
        return least if math.isfinite(least) else 1.0

    def differences(self, direction: Direction) -> Slope:
        """By central differences, extrapolated to a step of 0. (C. J. F. Ridders, "Accurate computation of F'(x) and
        F'(x) F''(x)", Advances in Engineering Software 4, 1982.)

        The bound is the change in the last extrapolation, or what rounding errors can do, whichever is more.
        """
        start = 0.1 * self.scale(direction)
        base = self.base
        columns: list[list[Any]] = []
        count = min(_TABLEAU, int(self.budget.left / (2 * self.quickest)))
        short = self.slow or count < _TABLEAU
        # Those of a slow program start with a smaller one.
        steps = [start * 0.5**k for k in (range(4, 4 + max(min(count, _SHORT), _LEAST)) if short else range(_TABLEAU))]
        self.budget.need(2 * len(steps) * self.quickest)
        for step in steps:
            above, below = self.value(direction, step), self.value(direction, -step)
            columns.append([(a - b) / (2 * step) for a, b in zip(above, below, strict=True)])
        values, bounds = [], []
        for at in range(len(base)):
            value, bound = _extrapolated([row[at] for row in columns], steps, self._noise(at, base[at]))
            values.append(value)
            bounds.append(bound)
        return Slope(values, bounds, "central differences")

    def precise(self, direction: Direction, digits: int) -> Slope:
        """By central differences in three times as many digits."""
        around = self._around(direction, digits)
        values = [(above - below) / (2 * around.step) for below, _, above in around.values]
        # What is left of the values' last digits, divided by the step.
        last = around.numbers.mp.mpf(10) ** (3 - 3 * digits) / around.step
        bounds = [float((abs(above) + abs(below)) * last) for below, _, above in around.values]
        return Slope(values, bounds, f"mpmath, {digits} digits")

    def arbiters(self, direction: Direction, digits: int) -> list[Arbiter]:
        """What many digits say of the derivative of each result, from steps of two sizes."""
        close, far = (self._around(direction, each) for each in (digits, digits // 2))
        found = []
        for here, there in zip(close.values, far.values, strict=True):
            below, at, above = here
            left, right = float((at - below) / close.step), float((above - at) / close.step)
            slope = float((above - below) / (2 * close.step))
            again = float((there[2] - there[0]) / (2 * far.step))
            found.append(Arbiter(digits, slope, again, left, right))
        return found

    def _around(self, direction: Direction, digits: int) -> _Around:
        evaluator, base = self._base(digits)
        numbers = evaluator.numbers
        assert isinstance(numbers, PreciseNumbers)
        step = numbers.mp.mpf(10) ** -digits * numbers.mp.mpf(self.scale(direction))
        sides = []
        for sign in (-1, 1):
            moved = [_times(each, numbers, sign * step) for each in direction]
            evaluator.within(self.budget.left)
            sides.append(evaluator.run(self.graph, [*self.inputs, *moved]))
        return _Around(numbers, step, list(zip(sides[0], base, sides[1], strict=True)))

    def _base(self, digits: int) -> tuple[Evaluator, list[Any]]:
        """What evaluates in three times as many digits, and the results at the point."""
        if self._hindered is not None:
            raise self._hindered
        if digits not in self._precise:
            evaluator = Evaluator(PreciseNumbers(3 * digits), self.sizes, functions=self.functions)
            evaluator.within(self.budget.left)
            try:
                base = evaluator.run(self.graph, [*self.inputs, *self.nothing()])
            except Unsuitable as reason:
                self._hindered = reason
                raise
            evaluator.stops = evaluator.stopped
            self._precise[digits] = evaluator, base
        return self._precise[digits]

    # Kinks ---------------------------------------------------------------------------------------------------------

    def sides(self, direction: Direction) -> list[Kink | None]:
        """What is not smooth at the point along a direction, for each result: None where nothing is seen."""
        base = self.base
        length = self.scale(direction)
        rows = []
        for step in (1e-3 * length, 1e-4 * length, 1e-5 * length):
            above, below = self.value(direction, step), self.value(direction, -step)
            rows.append([(step, (x - a) / step, (b - x) / step) for a, x, b in zip(below, base, above, strict=True)])
        found = [kink([row[at] for row in rows], self._noise(at, base[at])) for at in range(len(base))]
        if not any(found):
            return found
        # The same again half as far away: rounding errors that are larger than was thought are not the same twice.
        half = step / 2
        above, below = self.value(direction, half), self.value(direction, -half)
        again = [((x - a) / half, (b - x) / half) for a, x, b in zip(below, base, above, strict=True)]
        return [each if each is None or each.seen(*sides) else None for each, sides in zip(found, again, strict=True)]

    def _noise(self, at: int, value: float) -> float:
        """What rounding errors may change of a result."""
        own = _ulp(value)
        return max(own, self.noise[at]) if self.noise is not None else own


@dataclass(frozen=True)
class _Around:
    """Results in many digits at a step below the point, at it, and at a step above it."""

    numbers: PreciseNumbers
    step: Any
    values: list[tuple[Any, Any, Any]]


def _times(each: Any, numbers: PreciseNumbers, step: Any) -> Any:
    if not np.ndim(each):
        return numbers.given(float(each)) * step
    array = np.asarray(each)
    found = np.empty(array.shape, object)
    found.ravel()[:] = [numbers.given(x) * step for x in array.ravel().tolist()]
    return found


def _ulp(value: float) -> float:
    return math.ulp(value) if math.isfinite(value) else math.nan


def _extrapolated(first: Sequence[float], steps: Sequence[float], noise: float) -> tuple[float, float]:
    """The best entry of the triangle of extrapolations, and how far off it may be."""
    best, least = math.nan, math.inf
    before: list[float] = []
    for row, (value, step) in enumerate(zip(first, steps, strict=True)):
        current = [value]
        for column in range(1, row + 1):
            factor = 4.0**column
            current.append((factor * current[-1] - before[column - 1]) / (factor - 1))
            error = max(abs(current[-1] - current[-2]), abs(current[-1] - before[column - 1])) + 4 * noise / step
            if error < least:
                best, least = current[-1], error
        before = current
    return best, least


def _shifted(graph: Graph, moved: Sequence[int]) -> Graph:
    """The graph in which some nodes have an input added to them, in their order behind the graph's own inputs."""
    builder = Builder(graph.ops)
    builder.reserve(graph)
    number: dict[int, int] = {}
    shifts: dict[int, int] = {}
    for node in graph:
        made = replay(graph, node, builder, number)
        if node in moved:
            builder.span = builder.adjoint_of = None
            type = graph.type(node)
            shifts[node] = builder.input(f"shift {len(shifts)}", typed(type.dtype, type.shape))
            made = builder.apply("add", made, shifts[node])
        number[node] = made
    inputs = [_under(builder, number[node]) for node in graph.inputs]
    builder.inputs = inputs + [shifts[node] for node in moved]
    return transfer(graph, builder, number)


def _under(builder: Builder, node: int) -> int:
    """The input that a shifted one is the sum of."""
    return node if builder.op(node) == "input" else builder.operands(node)[0]


def _replaced(graph: Graph, nodes: Sequence[int]) -> Graph:
    """The graph with inputs in the place of nodes."""
    builder = Builder(graph.ops)
    builder.reserve(graph)
    number: dict[int, int] = {}
    for node in graph:
        if node in nodes:
            type = graph.type(node)
            number[node] = builder.input(f"stop {node}", typed(type.dtype, type.shape))
        else:
            number[node] = replay(graph, node, builder, number)
    builder.inputs = [number[node] for node in graph.inputs] + [number[node] for node in nodes]
    return transfer(graph, builder, number)
