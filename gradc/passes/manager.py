"""Passes by name: the registry, pipelines in text, and running them with checks, clocks and dumps."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gradc.errors import CompileError, Diagnostic, located, suggestion
from gradc.ir.graph import Graph
from gradc.ir.prune import over_bodies, prune
from gradc.ir.verify import InvalidGraph, verify
from gradc.passes.dce import dce
from gradc.passes.simplify import pending, simplify
from gradc.passes.stabilise import stabilise
from gradc.rules.rewrite import CLASSES, Firing, rules_of
from gradc.source import Source

if TYPE_CHECKING:
    from gradc.rules.rewrite import Rules

Outcome: TypeAlias = tuple[Graph, Mapping[int, int]]
"""What a pass gives: the new graph, or the one it was given, and the map from old nodes to new."""


@dataclass
class Context:
    """What all passes of one run share: rules that are switched off, and the list in which firings are recorded."""

    disabled: frozenset[str] = frozenset()
    fired: list[Firing] | None = None
    # Whether derivatives of what is at hand are still to be made.
    waiting: bool = False


Runner: TypeAlias = Callable[[Graph, tuple[str, ...], Context], Outcome]


@dataclass(frozen=True)
class Pass:
    """A pass that pipelines can name. ``options`` are the words that may stand behind it in parentheses; None: any."""

    name: str
    summary: str
    run: Runner
    options: tuple[str, ...] | None = ()
    # Whether `simplify` alone stands for `simplify` with these.
    default: tuple[str, ...] = ()


class Passes(Mapping[str, Pass]):
    """An immutable set of passes. Extend a copy and hand that to whoever reads a pipeline."""

    def __init__(self, passes: Sequence[Pass]) -> None:
        self._passes = {each.name: each for each in passes}

    def __getitem__(self, name: str) -> Pass:
        return self._passes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._passes)

    def __len__(self) -> int:
        return len(self._passes)

    def extend(self, *passes: Pass) -> Passes:
        """A set with ``passes`` added; one of an existing name replaces it."""
        names = {each.name for each in passes}
        return Passes([each for each in self._passes.values() if each.name not in names] + list(passes))


# The passes ----------------------------------------------------------------------------------------------------------


def _rules(graph: Graph, options: tuple[str, ...], context: Context) -> Rules | None:
    classes = [option for option in options if option in CLASSES]
    return rules_of(graph.ops, classes, context.disabled) if classes else None


def _deep(run: Runner) -> Runner:
    """The pass run on the bodies of regions first, the innermost before those around it."""

    def wrapped(graph: Graph, options: tuple[str, ...], context: Context) -> Outcome:
        if not context.waiting and pending(graph):
            # A derivative of the loop asks its body for names and for what stops derivatives.
            context = replace(context, waiting=True)
        changed, number = over_bodies(graph, lambda body: wrapped(body, options, context)[0])
        result, further = run(changed, options, context)
        return result, further if changed is graph else compose(number, further)

    return wrapped


def _dce(graph: Graph, options: tuple[str, ...], context: Context) -> Outcome:
    living, number = dce(graph)
    pruned, further = prune(living)
    return pruned, number if pruned is living else compose(number, further)


def _simplify(graph: Graph, options: tuple[str, ...], context: Context) -> Outcome:
    rules = _rules(graph, options, context)
    rounds = _ROUNDS if "fixpoint" in options else 1
    number: Mapping[int, int] = {node: node for node in graph}
    for _ in range(rounds):
        fired, waiting = context.fired, context.waiting
        smaller, step = simplify(graph, rules, fold=True, commute=True, dissolve=True, fired=fired, waiting=waiting)
        if rounds > 1:
            smaller, further = dce(smaller)
            step = compose(step, further)
        if smaller is graph:
            break
        graph, number = smaller, compose(number, step)
    return graph, number


# One round leaves little to the next; this is a bound, not an expectation.
_ROUNDS: Final = 8


def _stabilise(graph: Graph, options: tuple[str, ...], context: Context) -> Outcome:
    rules = rules_of(graph.ops, ("exact", "stable"), context.disabled)
    return stabilise(graph, rules, context.fired, context.waiting)


def _rewrite(graph: Graph, options: tuple[str, ...], context: Context) -> Outcome:
    return simplify(graph, _rules(graph, options or CLASSES[:4], context), fired=context.fired)


PASSES: Final = Passes(
    [
        Pass(
            "simplify",
            "fold, rewrite, dedupe and dissolve in one walk, and bring operands into one order",
            _deep(_simplify),
            (*CLASSES, "fixpoint"),
        ),
        Pass("stabilise", "rewrite with the exact and stable rules before derivatives are taken", _deep(_stabilise)),
        Pass("rewrite", "apply the rewrite rules of the classes named", _deep(_rewrite), CLASSES, CLASSES[:4]),
        Pass("fold", "compute what depends on constants alone", _deep(lambda g, _, __: simplify(g, fold=True))),
        Pass("dedupe", "merge equal nodes", _deep(lambda g, _, __: simplify(g))),
        Pass(
            "dissolve",
            "put values in the place of their names, but for the names in parentheses",
            _deep(lambda g, keep, context: simplify(g, dissolve=True, keep=keep, waiting=context.waiting)),
            None,
        ),
        Pass("dce", "drop what no output needs, in bodies of regions too", _dce),
    ]
)
"""The passes that need nothing but a graph. Whoever can expand requests and calls adds `expand` and `inline`."""

LEVELS: Final[Mapping[int, str]] = {
    0: "expand",
    1: "expand, simplify(exact), dce",
    2: "stabilise, expand, simplify(exact, stable, late, real), dce",
    3: "stabilise, expand, simplify(exact, stable, late, real, fixpoint), dce",
}
"""What -O0 to -O3 stand for."""


def level(number: int, *, assume_finite: bool = False) -> str:
    """The pipeline of an optimisation level; with ``assume_finite`` the finite rules join the others."""
    text = LEVELS[number]
    if not assume_finite:
        return text
    if number < 2:
        return text.replace("simplify(exact)", "simplify(exact, finite)")
    return text.replace("real", "real, finite")


# Pipelines -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One pass of a pipeline with its options, or a caller's own function from graph to graph."""

    name: str
    run: Callable[[Graph, Context], Any]
    custom: bool = False


def parse_pipeline(text: str, passes: Passes, source: str = "<pipeline>") -> tuple[Step, ...]:
    """The steps that a text such as ``expand, simplify(exact, stable), dce`` names; raises ``CompileError`` (E0905)."""
    words = Source(source, text)

    def wrong(message: str, start: int, end: int, label: str, hints: Sequence[str] = ()) -> CompileError:
        return CompileError(located("E0905", message, words, start, end, label, hints))

    tokens = [(found[0], found.start()) for found in re.finditer(r"[^\s,()]+|[,()]", text)]
    steps: list[Step] = []
    at = 0
    while at < len(tokens):
        name, start = tokens[at]
        if name in "(),":
            raise wrong("a pipeline is names of passes with commas between them", start, start + 1, "not a name")
        if name not in passes:
            raise wrong(f"there is no pass `{name}`", start, start + len(name), "unknown", suggestion(name, passes))
        at += 1
        options: list[str] = []
        if at < len(tokens) and tokens[at][0] == "(":
            opened = tokens[at][1]
            at += 1
            while at < len(tokens) and tokens[at][0] != ")":
                option, place = tokens[at]
                allowed = passes[name].options
                if option == "(":
                    raise wrong("options do not nest", place, place + 1, "not a word")
                if option != ",":
                    if allowed is not None and option not in allowed:
                        listed = ", ".join(f"`{each}`" for each in allowed) or "none"
                        hints = (*suggestion(option, allowed), f"the options of `{name}` are: {listed}")
                        raise wrong(
                            f"the pass `{name}` has no option `{option}`", place, place + len(option), "unknown", hints
                        )
                    options.append(option)
                at += 1
            if at == len(tokens):
                raise wrong("this parenthesis is not closed", opened, opened + 1, "opened here")
            at += 1
        if at < len(tokens):
            comma, place = tokens[at]
            if comma != ",":
                raise wrong("a comma is missing between two passes", place, place + len(comma), "expected `,` here")
            at += 1
        steps.append(_step(passes[name], tuple(options)))
    return tuple(steps)


def _step(chosen: Pass, options: tuple[str, ...]) -> Step:
    shown = f"{chosen.name}({', '.join(options)})" if options else chosen.name
    run = chosen.run
    return Step(shown, lambda graph, context: run(graph, options or chosen.default, context))


def custom(function: Callable[[Graph], Graph]) -> Step:
    """A caller's own function from graph to graph as a step."""
    name = getattr(function, "__name__", None) or type(function).__name__
    return Step(name, lambda graph, context: function(graph), custom=True)


@dataclass
class Report:
    """What a run gives: the graph, the map from the nodes of the first graph, and the seconds of each step."""

    graph: Graph
    number: Mapping[int, int]
    seconds: list[tuple[str, float]] = field(default_factory=list)


def run(
    graph: Graph,
    steps: Sequence[Step],
    *,
    context: Context | None = None,
    check: bool = False,
    dump: Callable[[str, Graph], None] | None = None,
) -> Report:
    """Run the steps in order.

    ``check`` verifies the graph after every step; what a caller's own step returns is verified in any case, and raises
    ``CompileError`` (E0906) if it is no valid graph. ``dump`` is called with a step's name and graph after every step.
    """
    context = context or Context()
    report = Report(graph, {node: node for node in graph})
    for step in steps:
        before = report.graph
        started = time.perf_counter()
        result = step.run(before, context)
        if step.custom:
            after, number = _accept(step.name, before, result)
        else:
            after, number = result
            if check and after is not before:
                _check(step.name, after)
        report.seconds.append((step.name, time.perf_counter() - started))
        if after is not before:
            report.graph, report.number = after, compose(report.number, number)
        if dump is not None:
            dump(step.name, after)
    return report


def _accept(name: str, before: Graph, result: object) -> Outcome:
    """The graph that a caller's own pass returned, verified, with the map that names and inputs give."""
    if not isinstance(result, Graph):
        shown = type(result).__name__
        hints = ("a pass takes a gradc.ir.Graph and returns one; Graph.from_nx makes one from a DiGraph",)
        raise CompileError(
            Diagnostic("E0906", f"the pass `{name}` returned a value of type {shown}, not a graph", hints=hints)
        )
    if result is before:
        return before, {node: node for node in before}
    _check(name, result)
    number = {node: result.names[shown] for shown, node in before.names.items() if shown in result.names}
    declared = {result.name(node): node for node in result.inputs}
    number.update((node, declared[before.name(node)]) for node in before.inputs if before.name(node) in declared)
    results = dict(result.outputs)
    for shown, node in before.outputs:
        if shown in results:
            number.setdefault(node, results[shown])
    return result, number


def _check(name: str, graph: Graph) -> None:
    try:
        verify(graph)
    except InvalidGraph as problem:
        raise CompileError(Diagnostic("E0906", f"the pass `{name}` returned an invalid graph: {problem}")) from None


def compose(first: Mapping[int, int], second: Mapping[int, int]) -> dict[int, int]:
    """The map that goes by way of both; what the second drops is dropped."""
    return {old: second[middle] for old, middle in first.items() if middle in second}
