"""What a loop carries and collects in each of its iterations, as a table: the first few and the last few."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gradc.ad.tapes import taped, tapes_of
from gradc.backends.blocks import REGIONS, Block, result_name
from gradc.backends.expression import Printer
from gradc.errors import CallError, Diagnostic
from gradc.explain.known import known
from gradc.explain.summary import facts, short
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph, ancestors
from gradc.ir.region import Loop
from gradc.memory import collector_paused
from gradc.rules.gradients import LocalGradients
from gradc.source import width

if TYPE_CHECKING:
    from gradc.model import Model

FIRST: Final = 6
"""How many iterations are shown at the beginning."""
LAST: Final = 3
"""And at the end."""
_LINE: Final = 100


@dataclass(frozen=True)
class Trace:
    """The course of one loop; ``str()`` is the page for people.

    ``columns`` are the names of what is carried, then of what is collected. ``start`` has what is carried into the
    first iteration. A row is the number of an iteration, as the loop counts, and what it leaves of each column.
    """

    code: tuple[str, ...]
    variable: str
    columns: tuple[str, ...]
    start: tuple[Any, ...]
    rows: tuple[tuple[int, tuple[Any, ...]], ...]
    iterations: int

    def to_dict(self) -> dict[str, Any]:
        """The facts as plain values, for JSON."""
        return {
            "loop": self.code[0],
            "iterations": self.iterations,
            "start": dict(zip(self.columns, map(facts, self.start), strict=False)),
            "rows": [
                {self.variable: number, **dict(zip(self.columns, map(facts, values), strict=True))}
                for number, values in self.rows
            ],
        }

    def text(self) -> str:
        """The page for people."""
        table = [(self.variable, *self.columns)]
        table.append(("", *[short(value) for value in self.start], *[""] * (len(self.columns) - len(self.start))))
        before = None
        for number, values in self.rows:
            if before is not None and number != before + 1:
                table.append(("…", *[""] * len(self.columns)))
            table.append((str(number), *map(short, values)))
            before = number
        wide = [max(width(row[at]) for row in table) for at in range(len(table[0]))]
        lines = ["  " + "    ".join(_pad(cell, w) for cell, w in zip(row, wide, strict=True)).rstrip() for row in table]
        count = f"{self.iterations:,}".replace(",", "\N{NO-BREAK SPACE}")
        head = f"{self.code[0]}        {count} iteration{'' if self.iterations == 1 else 's'}"
        return "\n".join([head, *self.code[1:], "", *lines]) + "\n"

    def __str__(self) -> str:
        return self.text()


def _pad(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


def trace(model: Model, name: str, values: Mapping[str, Any] | None = None) -> Trace:
    """The course of the loop that gives ``name`` its value, for ``values`` of inputs in place of the defaults.

    Raises ``CallError`` for a name to which no loop gives its value, and for an input without a value that it needs.
    """
    with collector_paused():
        graph = model.graph
        node = _loop(graph, model.node(name))
        if node is None:
            given = [shown for shown, each in graph.names.items() if _loop(graph, each) is not None]
            hints = (f"loops give values to {', '.join(f'`{each}`' for each in given[:12])}",) if given else ()
            raise CallError(Diagnostic("E0608", f"no loop gives `{name}` its value", hints=hints))
        needed = ancestors(graph.data, [node])
        inputs = known(model, values, needed)
        if inputs is None:
            raise _missing(model, values, needed)
        builder = Builder.continuing(graph, model.options.limits.expanded_nodes)
        made, loop = taped(LocalGradients(builder, {}), node, whole=True)
        places = tapes_of(loop)
        original = Loop.of(graph.attrs(node))
        wanted = [builder.apply("get", made, attrs={"place": places[1 + place]}) for place in range(loop.carried)]
        ends = range(original.carried + original.collected)
        wanted += [builder.apply("get", made, attrs={"place": place}) for place in ends]
        bounds = list(graph.operands(node)[:2]) if loop.test is None else []
        starts = graph.operands(node)[loop.first : loop.first + loop.carried]
        whole = builder.finish(graph.outputs)
        found = inputs.values(whole, [*wanted, *starts, *bounds], model.options.limits)
        return _told(graph, node, found)


def _missing(model: Model, values: Mapping[str, Any] | None, needed: Collection[int]) -> CallError:
    """What is said of inputs that a loop needs and that have no value; a default for any size gives an array none."""
    described = model._inputs
    absent = [
        at
        for at, value in enumerate(described.given(values, {}))
        if value is None and described.nodes[at] in needed
        if described.defaults[at] is None or described.types[at].shape
    ]
    return described.missing(absent)


def _loop(graph: Graph, node: int) -> int | None:
    """The loop that a value comes out of, perhaps with its axes in another order."""
    while graph.op(node) in ("name", "transpose"):
        node = graph.operands(node)[0]
    if graph.op(node) == "get" and graph.op(graph.operands(node)[0]) in REGIONS - {"branch"}:
        return graph.operands(node)[0]
    return None


def _told(graph: Graph, node: int, found: Sequence[Any]) -> Trace:
    loop = Loop.of(graph.attrs(node))
    carried, collected = loop.carried, loop.collected
    tapes, ends, rest = found[:carried], found[carried : 2 * carried], found[2 * carried :]
    arrays, starts, bounds = rest[:collected], rest[collected : collected + carried], rest[collected + carried :]
    first = int(bounds[0]) if bounds else 1
    count = int(bounds[1]) - first if bounds else len(tapes[0]) if tapes else 0
    at = [k for k in range(count) if k < FIRST or k >= count - LAST or count <= FIRST + LAST + 1]
    rows = []
    for k in at:
        after = [tape[k + 1] if k + 1 < count else end for tape, end in zip(tapes, ends, strict=True)]
        rows.append((first + k, (*after, *(array[k] for array in arrays))))
    names = [result_name(graph.data[node], place) for place in range(carried + collected)]
    variable = (loop.body.name(loop.body.inputs[0]) or "t") if loop.test is None else "iteration"
    columns = [*names[:carried], *(f"{each}[{variable}]" for each in names[carried:])]
    code = Block(Printer(graph, pretty=True), node).lines(_LINE)
    return Trace(tuple(code), variable, tuple(columns), tuple(starts), tuple(rows), count)


__all__ = ["FIRST", "LAST", "Trace", "trace"]
