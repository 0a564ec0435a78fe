"""A program at a point: its compiled derivatives, how uncertain rounding makes them, and what they are held against."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gradc.ad.expand import expand
from gradc.check import backends
from gradc.check.budget import Budget
from gradc.check.evaluate import Evaluator
from gradc.check.numbers import Numbers, PreciseNumbers, Unsuitable, clock
from gradc.check.slopes import Slopes
from gradc.errors import CallError
from gradc.ir import sizes as extents
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.types import Type, typed
from gradc.ops import build

if TYPE_CHECKING:
    from gradc.model import Model

# Runs with other roundings, and how many times their spread an error may be.
_RUNS: Final = 4
_SAFETY: Final = 100.0
_FEW: Final = 40.0
# Seconds from which on a run is repeated as seldom as possible.
_HEAVY: Final = 0.5
# This part of the time is for runs with other roundings, which inputs that are a little off can take the place of.
_ATTEMPT: Final = 0.15
# Units in the last place by which library functions may differ in any case.
_ULPS: Final = 64.0


@dataclass(frozen=True)
class Target:
    """A value that is differentiated; of an array, the sum of its elements times ``weights``."""

    name: str
    node: int
    weights: Any = None

    @property
    def label(self) -> str:
        """What derivatives are said to be of."""
        return self.name if self.weights is None else f"(c·{self.name})"


class Programs:
    """The models that a check runs, for all points: outputs and gradients, and the directional derivatives."""

    def __init__(
        self, model: Model, of: Sequence[str], wrt: Sequence[str], sizes: Mapping[str, int], seed: int
    ) -> None:
        self.model = model
        self.wrt = wrt
        self.nodes = [model.node(name) for name in wrt]
        self.random = np.random.default_rng(seed)
        graph = model.graph
        self.targets = []
        for name in of:
            node = model.node(name)
            shape = _shape(graph.type(node), sizes)
            weights = self.random.uniform(0.5, 1.5, shape) * self.random.choice([-1.0, 1.0], shape) if shape else None
            self.targets.append(Target(name, node, weights))
        self.weights = [target.weights for target in self.targets if target.weights is not None]
        self.shapes = [_shape(graph.type(node), sizes) for node in self.nodes]
        self.single = model.options.dtype == "f32"

    @cached_property
    def values(self) -> Model:
        """The targets, as numbers."""
        return self._made([])

    @cached_property
    def gradients(self) -> Model:
        """The targets, then their derivatives by each of the names."""
        return self._made([(y, v) for y in range(len(self.targets)) for v in range(len(self.nodes))])

    @cached_property
    def directional(self) -> Model:
        """The derivatives of the targets along a direction, in forward mode; the directions are further inputs."""
        return self._made([], forward=True)

    def _made(self, pairs: Sequence[tuple[int, int]], forward: bool = False) -> Model:
        model, graph = self.model, self.model.graph
        builder = Builder.continuing(graph, model.options.limits.expanded_nodes)
        numbers = []
        for target in self.targets:
            node = target.node
            if target.weights is not None:
                kind = graph.type(node)
                weights = builder.input(f"weights of {target.name}", typed(kind.dtype, kind.shape))
                product = builder.apply("mul", weights, node)
                node = build.total(builder, product, (), range(kind.rank))
            numbers.append(node)
        outputs = [] if forward else [(target.name, node) for target, node in zip(self.targets, numbers, strict=True)]
        outputs += [
            (f"grad({self.targets[y].name}, {self.wrt[v]})", builder.make("grad", (numbers[y], self.nodes[v])))
            for y, v in pairs
        ]
        if forward:
            tangents = []
            for name, node in zip(self.wrt, self.nodes, strict=True):
                kind = graph.type(node)
                tangents.append(builder.input(f"direction of {name}", typed(kind.dtype, kind.shape)))
            for target, y in zip(self.targets, numbers, strict=True):
                terms = [builder.make("jvp", (y, v, t)) for v, t in zip(self.nodes, tangents, strict=True)]
                total = terms[0]
                for term in terms[1:]:
                    total = builder.apply("add", total, term)
                outputs.append((f"along({target.name})", total))
        return type(model)(builder.finish(outputs), model.options, (), model.sources)

    def expanded(self) -> tuple[Graph, list[int]]:
        """The graph of the targets without requests, and the nodes that move; -1 for one that nothing depends on."""
        graph, number = expand(self.values.graph, None, self.model.options.limits)
        return graph, [number.get(node, -1) for node in self.nodes]


class Problem:
    """The programs at one point."""

    def __init__(self, programs: Programs, inputs: Sequence[Any], sizes: Mapping[str, int], budget: Budget) -> None:
        self.programs = programs
        self.model = programs.model
        self.inputs = [*inputs, *programs.weights]
        self.sizes = sizes
        self.budget = budget
        self.count = len(programs.targets)
        self.cost = 0.0

    # What the compiled program gives -------------------------------------------------------------------------------

    @cached_property
    def found(self) -> tuple[list[float], list[list[Any]]]:
        """The targets, and for each its derivatives by each name, as the caller's program computes them."""
        model, given = self.programs.gradients, list(self.inputs)
        plan = model._plan(model._inputs.bound(given))
        start = clock()
        results = plan.run(given)
        self.cost = clock() - start
        return self._parted(results)

    @cached_property
    def plain(self) -> tuple[list[float], list[list[Any]]]:
        """The same at -O0."""
        self.budget.need(self.cost)
        with self.budget.running():
            return self._parted(backends.reference(self.programs.gradients, self.inputs, self.sizes))

    def run(self, model: Model, inputs: Sequence[Any]) -> list[Any]:
        """The outputs of one of the programs, while there is time."""
        given = list(inputs)
        with self.budget.running():
            return list(model._plan(model._inputs.bound(given)).run(given))

    def _parted(self, results: Sequence[Any]) -> tuple[list[float], list[list[Any]]]:
        count, width = self.count, len(self.programs.nodes)
        values = [float(x) for x in results[:count]]
        slopes = [
            [np.asarray(x, float) for x in results[count + y * width : count + (y + 1) * width]] for y in range(count)
        ]
        return values, slopes

    @property
    def heavy(self) -> bool:
        """Whether a run takes so long that there is no time for many."""
        return bool(self.found) and self.cost > _HEAVY

    # Rounding ------------------------------------------------------------------------------------------------------

    @property
    def unit(self) -> float:
        """Half a unit in the last place, relative to 1."""
        return 2.0**-24 if self.programs.single else 2.0**-53

    @cached_property
    def noise(self) -> tuple[list[float], list[list[Any]]]:
        """By how much rounding errors may change the targets and the derivatives. Takes two runs at the least."""
        self.budget.need(2 * self.cost)
        values, slopes = self.plain
        # What is no number at -O0 may be one for the caller.
        most = [abs(value) * self.unit if math.isfinite(value) else 0.0 for value in values]
        slopes = [[np.where(np.isfinite(x), x, 0.0) for x in row] for row in slopes]
        each = [[np.abs(x) * self.unit for x in row] for row in slopes]
        for run in range(1 if self.heavy else _RUNS):
            # Two say less than four, and more than none.
            if run > 1 and self._taken > self.budget.attempt(_ATTEMPT):
                break
            moved = self._blurred(run)
            if moved is None:
                continue
            for y in range(self.count):
                most[y] = max(most[y], _apart(moved[0][y], values[y]))
                each[y] = [
                    np.maximum(a, _apart_all(b, c)) for a, b, c in zip(each[y], moved[1][y], slopes[y], strict=True)
                ]
        # One run says less than several, and programs that take long have many roundings.
        safety, floor = _SAFETY, _ULPS * self.unit
        if self.heavy:
            safety, floor = _FEW * safety, _FEW * floor
        bounds = [
            [safety * a + floor * np.abs(x) for a, x in zip(*pair, strict=True)]
            for pair in zip(each, slopes, strict=True)
        ]
        values = [x if math.isfinite(x) else 0.0 for x in values]
        return [safety * a + floor * abs(x) for a, x in zip(most, values, strict=True)], bounds

    def _blurred(self, run: int) -> tuple[list[float], list[list[Any]]] | None:
        """The results with other rounding errors; of programs that take long, with inputs that are a little off."""
        model = self.programs.gradients
        if not self._slow and not self.heavy:
            try:
                return self._evaluated(self._blurring, run)
            except (Unsuitable, np.linalg.LinAlgError):
                self._slow = True
        random = np.random.default_rng(run)

        def moved(x: Any) -> Any:
            array = np.asarray(x)
            if array.dtype.kind != "f":
                return x
            off = array * (1 + 4 * self.unit * random.choice([-1.0, 1.0], array.shape))
            return off if array.shape else float(off)

        try:
            return self._parted(self.run(model, [moved(x) for x in self.inputs]))
        except CallError:
            return None

    def _evaluated(self, evaluator: Evaluator, run: int) -> tuple[list[float], list[list[Any]]]:
        """The results with the roundings of a run."""
        start = clock()
        evaluator.within(self.budget.attempt(_ATTEMPT))
        evaluator.restart(run)
        results = evaluator.run(self.programs.gradients.optimized(0), self.inputs)
        self._taken = clock() - start
        return self._parted([_real_array(x) for x in results])

    @cached_property
    def _blurring(self) -> Evaluator:
        # Loops are counted and conditions compared in the forward part.
        return Evaluator(Numbers(self.unit), self.sizes, forward=Numbers(self.unit, strict=True))

    # Whether runs with other roundings take too long, and how long the last one took.
    _slow = False
    _taken = 0.0

    @cached_property
    def gross(self) -> list[list[Any]]:
        """The sizes of what adds up to each derivative, as far as the sums have rounding errors that tell of it."""
        _, slopes = self.plain
        found = [[np.zeros_like(x) for x in row] for row in slopes]
        evaluator = Evaluator(Numbers(self.unit), self.sizes, forward=Numbers())
        for run in range(2):
            if self._slow or self.heavy or self._taken > self.budget.attempt(_ATTEMPT):
                break
            try:
                _, others = self._evaluated(evaluator, run)
            except (Unsuitable, np.linalg.LinAlgError):
                break
            for row, other, here in zip(found, others, slopes, strict=True):
                for at, x in enumerate(other):
                    row[at] = np.maximum(row[at], _apart_all(x, here[at]) / self.unit)
        return found

    @cached_property
    def scale(self) -> list[list[Any]]:
        """How large each derivative is here and near here: beside it an error counts."""
        _, slopes = self.found
        found = [[np.where(np.isfinite(x), np.abs(x), 0.0) for x in row] for row in slopes]
        random = np.random.default_rng(7)
        for _ in range(0 if self.heavy else 2):
            near = [self._near(x, random) for x in self.inputs]
            try:
                _, others = self._parted(self.run(self.programs.gradients, near))
            except CallError:
                continue
            for row, other in zip(found, others, strict=True):
                for at, x in enumerate(other):
                    row[at] = np.maximum(row[at], np.where(np.isfinite(x), np.abs(x), 0.0))
        parts = zip(found, self.gross, strict=True)
        return [[np.maximum(a, b) for a, b in zip(*pair, strict=True)] for pair in parts]

    def _near(self, x: Any, random: Any) -> Any:
        array = np.asarray(x)
        if array.dtype.kind != "f":
            return x
        off = array + 0.01 * np.where(array == 0, 1.0, array) * random.uniform(-1, 1, array.shape)
        return off if array.shape else float(off)

    # References ----------------------------------------------------------------------------------------------------

    @cached_property
    def slopes(self) -> Slopes:
        """The numerical derivatives."""
        noise = self.noise[0]
        graph, moved = self.programs.expanded()
        there = [node for node in moved if node >= 0]
        self._moved = [at for at, node in enumerate(moved) if node >= 0]
        limits = self.model.options.limits
        found = Slopes(graph, self.inputs, self.sizes, there, limits=limits, budget=self.budget)
        found.noise = [each / _SAFETY for each in noise]
        return found

    def moving(self, direction: Sequence[Any]) -> list[Any]:
        """A direction for ``slopes``: of the names on which something depends."""
        assert self.slopes is not None
        return [direction[at] for at in self._moved]

    def anywhere(self, random: Any) -> list[Any]:
        """A random direction, in which everything moves by a part of its own size."""
        lengths: list[Any] = [1.0] * len(self.programs.nodes)
        # Where there is no time for any run, nothing will be done along it.
        with suppress(Unsuitable):
            there = self.slopes.sizes_there
            for at, length in zip(self._moved, there, strict=True):
                lengths[at] = length
        found = []
        for shape, length in zip(self.programs.shapes, lengths, strict=True):
            part = random.uniform(0.5, 1.5, shape) * random.choice([-1.0, 1.0], shape) * length
            found.append(part if shape else float(part))
        return found

    def exactly(self, digits: int) -> tuple[list[Any], list[list[Any]]]:
        """Targets and derivatives by the compiled formulas in so many digits: objects of mpmath."""
        numbers = PreciseNumbers(digits)
        evaluator = Evaluator(numbers, self.sizes, seconds=self.budget.left)
        results = evaluator.run(self.programs.gradients.optimized(0), self.inputs)
        count, width = self.count, len(self.programs.nodes)
        values = [numbers.given(x) for x in results[:count]]
        return values, [list(results[count + y * width : count + (y + 1) * width]) for y in range(count)]


def _shape(type: Type, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(extents.evaluate(dim, sizes) for dim in type.shape)


def _real_array(x: Any) -> Any:
    return np.asarray(x, float) if isinstance(x, np.ndarray) else x


def _apart(x: float, y: float) -> float:
    return 0.0 if x == y else abs(x - y) if math.isfinite(x) and math.isfinite(y) else 0.0


def _apart_all(x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        gap = np.abs(x - y)
    return np.where(np.isfinite(gap), gap, 0.0)
