"""Finds the local gradients that are at fault: each operation by itself, at the values that the program gives it.

Functions with a derivative of their own are held against their bodies in any case; the operators only where a
derivative of the program is wrong. Bodies of loops and branches are looked into with the values of some iterations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gradc.ad.expand import Templates, expand, has_calls
from gradc.backends.interp import Plan
from gradc.backends.plan import ArrayPlan, has_arrays
from gradc.check.evaluate import Evaluator
from gradc.check.numbers import Numbers, Unsuitable, clock
from gradc.check.slopes import Slopes
from gradc.errors import CallError, Diagnostic
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.region import Function
from gradc.ir.types import SCALARS, Type, typed
from gradc.ops import TABLE, build
from gradc.passes.specialise import specialise
from gradc.source import Source, Span

if TYPE_CHECKING:
    from gradc.check.problem import Problem

# So many values of an operation's operands are tried, and so long.
_TRIED: Final = 8
_SECONDS: Final = 10.0
_DIGITS: Final = 40
# So long the program is watched.
_WATCHED: Final = 3.0
# Larger arrays are not passed through an operation for the sake of its derivative.
_LARGE: Final = 4096


@dataclass
class _Seen:
    """An operation of the program, and values that its operands have had."""

    graph: Graph
    node: int
    values: list[tuple[Any, ...]] = field(default_factory=list)


def faults(problem: Problem, wrong: bool) -> list[Diagnostic]:
    """A diagnostic for each local gradient that is wrong; of operators only if the program is ``wrong``."""
    graph = problem.programs.values.graph
    if not wrong and not has_calls(graph):
        return []
    limits = problem.model.options.limits
    templates = Templates(graph, limits)
    functions = {name: replace(each, body=templates.bodies[name]) for name, each in graph.functions.items()}
    streamed, _ = templates.stream(graph, Builder(graph.ops, max_nodes=limits.expanded_nodes))
    if problem.sizes:
        streamed = specialise(streamed, problem.sizes)
    seen = _observed(streamed, problem, functions)
    end = clock() + _SECONDS
    found: list[Diagnostic] = []
    known: set[tuple[str, int, Span | None]] = set()
    for each in sorted(seen, key=lambda one: _priority(one, graph)):
        if clock() > end or (not wrong and each.graph.op(each.node) != "call"):
            break
        # The operators of gradc are tested: what is known to be wrong explains more than they do.
        if found and _priority(each, graph)[0] == 2:
            break
        try:
            for position, values, slope, right in _Local(each, functions, problem).wrong():
                fault = _said(each, position, values, slope, right, functions, problem.model.sources)
                key = (fault.message.partition(":")[0], position, fault.span)
                if key not in known:
                    known.add(key)
                    found.append(fault)
        except (Unsuitable, CallError):
            continue
    return found


def _priority(seen: _Seen, graph: Graph) -> tuple[int, int]:
    op = seen.graph.op(seen.node)
    own = TABLE.get(op) is not seen.graph.ops[op]
    return (0 if op == "call" else 1 if own else 2), seen.node


def _observed(graph: Graph, problem: Problem, functions: Mapping[str, Function]) -> list[_Seen]:
    """The operations that the program runs through, with values of their operands."""
    found: dict[tuple[int, int], _Seen] = {}
    random = np.random.default_rng(5)

    def observe(where: Graph, node: int, operands: Sequence[Any], value: Any) -> None:
        row = where.ops[where.op(node)]
        if where.op(node) in ("name", "stop_gradient") or not where.type(node).real or not operands:
            return
        if row.kind not in ("elementwise", "structural") and where.op(node) != "call":
            return
        seen = found.setdefault((id(where), node), _Seen(where, node))
        if len(seen.values) >= _TRIED:
            # Later iterations take the place of earlier ones now and then.
            if random.random() < 0.05:
                seen.values.pop(int(random.integers(_TRIED)))
            else:
                return
        if row.kind == "structural":
            seen.values.append(tuple(operands))
            return
        for _ in range(1 if where.type(node).scalar else _TRIED):
            picked = _element(where, node, operands, value, random)
            if picked is not None and picked not in seen.values:
                seen.values.append(picked)

    evaluator = Evaluator(Numbers(), problem.sizes, functions=functions, seconds=_WATCHED, observe=observe)
    # What has been seen until time is over is better than nothing.
    with suppress(Unsuitable):
        evaluator.run(graph, problem.inputs)
    return [seen for seen in found.values() if seen.values]


def _element(graph: Graph, node: int, operands: Sequence[Any], value: Any, random: Any) -> tuple[Any, ...] | None:
    """The operands of one element of an elementwise operation."""
    shape = np.shape(value)
    if not shape:
        return tuple(operands)
    if 0 in shape:
        return None
    place = tuple(int(random.integers(extent)) for extent in shape)
    free = graph.type(node).free
    env = dict(zip(free, place, strict=False))
    own = place[len(free) :]
    picked = []
    for operand, each in zip(graph.operands(node), operands, strict=True):
        type = graph.type(operand)
        at = (*(env[index] for index in type.free), *(own if type.shape else ()))
        picked.append(each[at] if at else each)
    return tuple(picked)


class _Local:
    """One operation as a program of its own: its value and its derivative by each operand that is no constant."""

    def __init__(self, seen: _Seen, functions: Mapping[str, Function], problem: Problem) -> None:
        self.seen, self.functions, self.problem = seen, functions, problem
        self.limits = problem.model.options.limits
        graph, node = seen.graph, seen.node
        self.structural = graph.ops[graph.op(node)].kind == "structural"
        self.weights: Any = None
        if self.structural:
            extents = _whole(graph.type(node)).shape
            shape = [extent for extent in extents if isinstance(extent, int)]
            if len(shape) < len(extents):
                raise Unsuitable("size")
            self.weights = np.random.default_rng(9).uniform(0.5, 1.5, shape)
        derived, self.positions = self._built(True)
        self.derived = expand(derived, None, self.limits)[0]
        self.plain, number = expand(self._built(False)[0], None, self.limits)
        self.moved = [number[node] for node in self._real(self._built(False)[0])]

    def _real(self, graph: Graph) -> list[int]:
        return [node for node in graph.inputs if graph.type(node).real and graph.name(node) != "weights"]

    def _built(self, derived: bool) -> tuple[Graph, list[int]]:
        graph, node = self.seen.graph, self.seen.node
        builder = Builder(graph.ops)
        builder.functions.update(self.problem.programs.values.graph.functions)
        operands, real = [], []
        arrays: dict[int, int] = {}
        for position, operand in enumerate(graph.operands(node)):
            type = graph.type(operand)
            value = graph.constant(graph.through_names(operand))
            own = _whole(type) if self.structural else SCALARS[type.dtype]
            if value is not None:
                operands.append(builder.constant(value, own))
                continue
            arrays[position] = operand = builder.input(f"x{position}", own)
            if own.real:
                real.append(position)
            if self.structural and type.free:
                # A family is read from an array that has its indices as axes.
                indices = [build.index(builder, index) for index in type.free]
                operand = build.access(builder, operand, (None,) * len(indices), indices)
            operands.append(operand)
        made = builder.apply(graph.op(node), *operands, attrs=graph.attrs(node) or None)
        if self.structural:
            if (free := builder.type(made).free) != ():
                made = build.tabulate(builder, made, free)
            type = builder.type(made)
            weights = builder.input("weights", Type(type.dtype, type.shape) if type.shape else SCALARS[type.dtype])
            made = build.total(builder, builder.apply("mul", weights, made), (), range(type.rank))
        outputs = [("value", made)]
        if derived:
            outputs += [(f"d{position}", builder.make("grad", (made, arrays[position]))) for position in real]
        return builder.finish(outputs), real

    def wrong(self) -> list[tuple[int, tuple[Any, ...], float, float]]:
        """The positions whose local gradient is wrong, each with operands, what it gives, and what is right."""
        found: dict[int, tuple[int, tuple[Any, ...], float, float]] = {}
        for values in [*self.seen.values, *self._near()]:
            for position, slope, right in self._wrong_at(values):
                found.setdefault(position, (position, values, slope, right))
        return list(found.values())

    def _near(self) -> list[tuple[Any, ...]]:
        """Values beside those of the program: a rule that holds at one point alone has wrong derivatives of its own."""
        if self.seen.graph.op(self.seen.node) != "call":
            return []
        random = np.random.default_rng(19)

        def moved(value: Any) -> Any:
            return value + 0.01 * (abs(value) or 1.0) * random.uniform(-1, 1) if isinstance(value, float) else value

        return [tuple(map(moved, values)) for values in self.seen.values]

    def _wrong_at(self, values: tuple[Any, ...]) -> list[tuple[int, float, float]]:
        graph, node = self.seen.graph, self.seen.node
        given = [
            np.asarray(value, float) if np.ndim(value) and graph.type(operand).real else value
            for operand, value in zip(graph.operands(node), values, strict=True)
            if graph.constant(graph.through_names(operand)) is None
        ]
        given = [np.asarray(value.tolist()) if isinstance(value, np.ndarray) else value for value in given]
        if sum(np.size(value) for value in given) > _LARGE:
            return []
        if self.weights is not None:
            given.append(self.weights if self.weights.shape else float(self.weights))
        plan = ArrayPlan(self.derived, {}) if has_arrays(self.derived) else Plan(self.derived)
        value, *slopes = plan.run(given)
        if not math.isfinite(float(value)):
            return []
        spread = self._spread(given, slopes)
        numerical = Slopes(self.plain, given, {}, self.moved, limits=self.limits)
        found = []
        random = np.random.default_rng(13)
        for at, position in enumerate(self.positions):
            along = numerical.nothing()
            shape = numerical.shapes[at]
            along[at] = random.uniform(0.5, 1.5, shape) if shape else 1.0
            slope = float(np.sum(np.asarray(slopes[at]) * along[at]))
            right = _right(numerical, along, slope, spread[at])
            if right is not None:
                found.append((position, slope, right))
        return found

    def _spread(self, given: Sequence[Any], slopes: Sequence[Any]) -> list[float]:
        most = [0.0] * len(slopes)
        evaluator = Evaluator(Numbers(2.0**-53), {})
        for run in range(3):
            evaluator.within(2.0)
            evaluator.restart(run)
            for at, x in enumerate(evaluator.run(self.derived, given)[1:]):
                gap = np.sum(np.abs(np.asarray(x, float) - np.asarray(slopes[at], float)))
                most[at] = max(most[at], float(gap) if math.isfinite(gap) else 0.0)
        return [200 * each + 1e-13 * float(np.sum(np.abs(x))) for each, x in zip(most, slopes, strict=True)]


def _whole(type: Type) -> Type:
    """The type of a family as an array."""
    return typed(type.dtype, (*(index.extent for index in type.free), *type.shape))


def _right(numerical: Slopes, along: Sequence[Any], slope: float, slack: float) -> float | None:
    """The right derivative where ``slope`` is not; None where it is, or where nobody can say."""
    found = numerical.slope(along)
    right = found.values[0]
    slack += 10 * found.bounds[0]
    if slope == right or abs(slope - right) <= slack or not math.isfinite(right):
        return None
    kink = numerical.sides(along)[0]
    if kink is not None and (kink.kind == "jump" or kink.covers(slope, slack)):
        return None
    if kink is not None and kink.kind == "kink":
        return right
    try:
        arbiter = numerical.arbiters(along, _DIGITS)[0]
    except Unsuitable:
        return right if abs(slope - right) > max(slack, 1e-9 * abs(right)) else None
    length = 0.1 * numerical.scale(along)
    around = [abs(numerical.value(along, step)[0] - numerical.base[0]) / length for step in (length, -length)]
    near = max(filter(math.isfinite, around), default=0.0)
    return arbiter.slope if arbiter.verdict(slope, slack, near) == "wrong" else None


# What is said --------------------------------------------------------------------------------------------------------

_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth")


def _said(
    seen: _Seen,
    position: int,
    values: Sequence[Any],
    slope: float,
    right: float,
    functions: Mapping[str, Function],
    sources: Sequence[Source],
) -> Diagnostic:
    graph, node = seen.graph, seen.node
    texts = {source.name: source for source in sources}

    def line(span: Span | None) -> str:
        return texts[span.file].line(span.line) if span and span.file in texts else ""

    span = graph.span(node)
    op = graph.op(node)
    given = f"it is {slope:.10g}, and {right:.10g} is right"
    if op == "call":
        function = functions[graph.attrs(node)["function"]]
        name = function.params[position]
        at = ", ".join(f"{each} = {value:.6g}" for each, value in zip(function.params, values, strict=True))
        message = f"the derivative of `{function.name}` by `{name}` is wrong: at {at} {given}"
        rule = function.partials.span(function.partials.outputs[position][1]) or span
        notes = ((span, line(span), "called here"),) if span and rule != span else ()
        return Diagnostic(
            "E0650",
            message,
            rule,
            f"not the derivative of the function's body by `{name}`",
            ("correct the line, or leave `derivative` out: gradc differentiates the body itself",),
            notes,
            line(rule),
        )
    row = graph.ops[op]
    word = row.functions[0] if row.functions else row.symbol or row.name
    which = _ORDINALS[position] if position < len(_ORDINALS) else f"{position + 1}th"
    operand = "its operand" if len(values) == 1 else f"its {which} operand"
    if not any(np.ndim(value) for value in values):
        shown = ", ".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values)
        given = f"at {shown} {given}"
    return Diagnostic(
        "E0650",
        f"the local gradient of `{word}` by {operand} is wrong: {given}",
        span,
        f"the edge from {operand}",
        ("the row of the operator gives its derivative: `gradient`, `partials` or `pullback`",),
        text=line(span),
    )
