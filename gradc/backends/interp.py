"""The interpreter of programs over single numbers: the reference that every other backend is tested against.

A graph is planned once: what outputs need becomes a list of steps, each a function and the places of its operands. A
call runs the steps and nothing else. Python numbers are computed with ``math`` and IEEE results, numbers of an f32
program with NumPy. Programs over arrays are the business of ``plan``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy

from gradc.backends import loops
from gradc.backends.straight import RUNS, Call, Once, Routine, Worth
from gradc.errors import CallError, Diagnostic
from gradc.ir.graph import Graph, ancestors
from gradc.limits import DEFAULT, Limits
from gradc.ops.evaluate import evaluator
from gradc.source import Source, Span

REGIONS: Final = frozenset({"for", "while", "branch", "get", "add_tapes"})
"""The operators that run bodies, and those that read or join what these give."""

Step = tuple[Callable[..., Any], int, int, "int | tuple[int, ...] | None"]


class Plan:
    """What a call does: inputs to their places, the steps in order, outputs from their places."""

    def __init__(
        self,
        graph: Graph,
        *,
        nodes: Sequence[int] | None = None,
        sources: Sequence[Source] = (),
        limits: Limits = DEFAULT,
    ) -> None:
        """Plan the outputs of a graph, or the values of ``nodes``."""
        results = [node for _, node in graph.outputs] if nodes is None else nodes
        self.graph = graph
        self.sources = sources
        self.limits = limits
        self.texts = {source.name: source for source in sources}
        data = graph.data
        # Single precision exists in NumPy only.
        self.single = any(entry["type"].dtype == "f32" for entry in data.values())
        order = sorted(ancestors(data, results) | set(graph.inputs))
        place: dict[int, int] = {}
        self.base: list[Any] = []
        self.steps: list[Step] = []
        self.nodes: list[int] = []
        for node in order:
            entry = data[node]
            op, operands = entry["op"], entry["operands"]
            # A name, and what only marks a value, are the value itself.
            if op in ("name", "stop_gradient"):
                place[node] = place[operands[0]]
                continue
            place[node] = len(self.base)
            self.base.append(None)
            if op == "const":
                self.base[-1] = self.number(entry["attrs"]["value"], entry["type"].dtype)
            elif op != "input":
                at = tuple(place[operand] for operand in operands)
                self.steps.append(self._step(node, place[node], at))
                self.nodes.append(node)
        self.inputs = [place[node] for node in graph.inputs]
        self.dtypes = [data[node]["type"].dtype for node in graph.inputs]
        self.results = [place[node] for node in results]
        self.once: Worth[Once] = Worth(self._once)

    def number(self, value: Any, dtype: str) -> Any:
        """A number as the plan calculates with it."""
        if dtype != "f32":
            return value
        # What single precision cannot hold is infinite, without a warning.
        with numpy.errstate(over="ignore"):
            return numpy.float32(value)

    def _step(self, node: int, target: int, operands: tuple[int, ...]) -> Step:
        graph = self.graph
        row = graph.ops[graph.op(node)]
        dtype = graph.type(node).dtype
        if row.name in REGIONS:
            return self._region(node, target, operands)
        if row.kind in ("request", "region"):
            hints = ("put `expand` into the pipeline; without it a program can be looked at, not run",)
            raise CallError(Diagnostic("E0905", "the pipeline leaves derivatives that are not expanded", hints=hints))
        dtypes = tuple(graph.type(operand).dtype for operand in graph.operands(node))
        compute = evaluator(row, dtype, dtypes, graph.attrs(node))
        if "f32" in (dtype, *dtypes) and row.array is not None:
            # The caller's errstate is set once, for all steps.
            compute = partial(row.array, **attrs) if (attrs := graph.attrs(node)) else row.array
        if compute is None:
            raise TypeError(f"the operator {row.name!r} cannot be evaluated: its row has no `scalar`")
        if len(operands) == 1:
            return compute, target, operands[0], None
        if len(operands) == 2:
            return compute, target, operands[0], operands[1]
        return compute, target, operands[0], operands

    def _region(self, node: int, target: int, operands: tuple[int, ...]) -> Step:
        data = self.graph.data[node]
        if data["op"] == "get":
            return itemgetter(data["attrs"]["place"]), target, operands[0], None
        compute: Callable[..., Any] = loops.add_tapes
        if data["op"] == "branch":
            compute = loops.branch(data, self._planned)
        elif data["op"] != "add_tapes":
            place = loops.Place(self.graph, node, self.texts, self.limits)
            compute = loops.loop(data, place, self._planned, lambda _: ())
        return compute, target, -1, operands

    # No array is among single numbers.
    owned: frozenset[int] = frozenset()

    def _planned(self, body: Graph, nodes: Sequence[int] | None, carried: int = 0) -> Plan:
        return Plan(body, nodes=nodes, sources=self.sources, limits=self.limits)

    def routine(self) -> Routine:
        """The plan as an iteration of a loop."""
        calls = []
        for (compute, target, first, second), node in zip(self.steps, self.nodes, strict=True):
            places = (first,) if second is None else (first, second) if isinstance(second, int) else second
            op = self.graph.op(node)
            calls.append(Call(compute, target, places, steady=op == "get" or op not in REGIONS))
        return Routine(self.base, self.inputs, [dtype == "f32" for dtype in self.dtypes], calls, self.results)

    def stepper(self) -> PlanStepper:
        """The plan at work on the iterations of a loop."""
        return PlanStepper(self)

    def run(self, values: Sequence[Any]) -> list[Any]:
        """The results for the inputs, in their orders. Raises ``CallError`` where integer arithmetic fails."""
        v = self.base.copy()
        for at, value in zip(self.inputs, values, strict=True):
            v[at] = value
        try:
            if self.single:
                for at, dtype in zip(self.inputs, self.dtypes, strict=True):
                    v[at] = self.number(v[at], dtype)
                with numpy.errstate(all="ignore"):
                    self._run(v)
            else:
                self._run(v)
        except (OverflowError, ZeroDivisionError):
            return self._run_carefully(values)
        return [v[at] for at in self.results]

    def _once(self) -> Once | None:
        routine = self.routine()
        return None if routine.long else Once(routine)

    def _run(self, v: list[Any]) -> None:
        self.once.count += 1
        once = self.once.after(RUNS)
        if once is not None:
            if once.made(v, (), None) is None:
                return
            self.once.left()
        for compute, target, first, second in self.steps:
            if second is None:
                v[target] = compute(v[first])
            elif second.__class__ is int:
                v[target] = compute(v[first], v[second])
            else:
                v[target] = compute(*[v[at] for at in second])  # type: ignore[union-attr]

    def _run_carefully(self, values: Sequence[Any]) -> list[Any]:
        """The results where an integer operation has none: that matters only if a result is computed from it."""
        v = self.base.copy()
        for at, value, dtype in zip(self.inputs, values, self.dtypes, strict=True):
            v[at] = self.number(value, dtype)
        with numpy.errstate(all="ignore"):
            for (compute, target, first, second), node in zip(self.steps, self.nodes, strict=True):
                places = (first,) if second is None else (first, second) if isinstance(second, int) else second
                v[target] = _careful(self.graph.op(node), compute, [v[at] for at in places], node)
        for at in self.results:
            if isinstance(v[at], Fault):
                raise CallError(failure(self.graph, v[at].node, v[at].problem, self.texts))
        return [v[at] for at in self.results]


class PlanStepper:
    """A plan at work on one iteration after the other."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.values = plan.base.copy()
        self.inputs = plan.inputs
        self.results = plan.results
        self.convert = plan.number if plan.single else None
        self.views: Sequence[Any] = ()

    def set(self, first: int, values: Iterable[Any]) -> None:
        """Give the inputs from number ``first`` on their values."""
        v, inputs = self.values, self.inputs
        if self.convert is not None:
            values = [self.convert(x, dtype) for x, dtype in zip(values, self.plan.dtypes[first:], strict=False)]
        for at, value in enumerate(values, start=first):
            v[inputs[at]] = value

    def step(self, number: int) -> list[Any]:
        """The results of an iteration."""
        v = self.values
        v[self.inputs[0]] = number
        try:
            self.plan._run(v)
        except (OverflowError, ZeroDivisionError):
            return self.plan._run_carefully([v[at] for at in self.inputs])
        return [v[at] for at in self.results]

    def resume(self, number: int, values: Mapping[int, Any], first: int) -> list[Any]:
        """The results of an iteration, of which some slots are given: all is computed again, from whatever step."""
        for at, value in values.items():
            self.values[at] = value
        return self.step(number)

    def close(self) -> None:
        """Nothing has been lent."""


class Fault(NamedTuple):
    """In place of a value: an integer operation that has no result, and why."""

    node: int
    problem: ArithmeticError


def _careful(op: str, compute: Callable[..., Any], operands: list[Any], node: int) -> Any:
    """The value of a step, or the fault of an operand that it needs."""
    if op == "select" and not isinstance(operands[0], Fault):
        return operands[1] if operands[0] else operands[2]
    faults = [operand for operand in operands if isinstance(operand, Fault)]
    if faults:
        # One false operand decides an `and`, one true operand an `or`.
        decided = any(operand == (op == "or") for operand in operands if not isinstance(operand, Fault))
        return op == "or" if op in ("and", "or") and decided else faults[0]
    try:
        return compute(*operands)
    except (OverflowError, ZeroDivisionError) as problem:
        return Fault(node, problem)


def failure(
    graph: Graph, node: int, problem: ArithmeticError, sources: Mapping[str, Source] | None = None
) -> Diagnostic:
    """What an integer operation that has no result says."""
    span: Span | None = graph.span(node)
    text = sources[span.file].line(span.line) if sources and span and span.file in sources else ""
    if isinstance(problem, ZeroDivisionError):
        return Diagnostic("E0605", "an integer is divided by zero", span, "the divisor is 0 here", text=text)
    return Diagnostic(
        "E0604",
        "an integer grows beyond 64 bits",
        span,
        "the result does not fit",
        ("write one of the numbers with a point, as in `2.0`, to calculate with real numbers",),
        text=text,
    )
