"""What a diagram says in the box of a loop or a branch: its head, its statements, and how it went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gradc.backends.blocks import Block, result_name
from gradc.backends.dot import INK, QUIET, Line, Run
from gradc.explain.annotate import STATEMENT, Notes
from gradc.explain.summary import family, short
from gradc.ir.graph import Graph
from gradc.ir.region import Loop
from gradc.ir.types import TAPE

# The longest block of statements in a box, and how many of its results have a line.
_LINES: Final = 8
_RESULTS: Final = 4


def derived(graph: Graph, box: int) -> bool:
    """Whether a region is the derivative of another one."""
    attrs = graph.attrs(box)
    bodies = [attrs[key] for key in ("then", "other", "body") if key in attrs]
    return any(name.endswith((".adjoint", ".tangent")) for body in bodies for name, _ in body.outputs)


def code(notes: Notes, box: int) -> list[Line]:
    """The head and the statements, further in by their depth."""
    block = Block(notes.statements, box)
    found: list[Line] = []
    for at, text in enumerate(block.lines(STATEMENT, _LINES)):
        bare = text.lstrip(" ")
        shown = "\N{NO-BREAK SPACE}" * (2 * (len(text) - len(bare))) + bare
        found.append((Run(shown, bold=at == 0, color=INK if at == 0 else "#334155", size=11 if at == 0 else 10),))
    return found


def course(notes: Notes, box: int) -> list[Line]:
    """How many iterations there were, and what became of what is carried and collected; which branch was taken."""
    graph = notes.sketch.graph
    values = notes.value(box)
    if graph.op(box) == "branch":
        taken = notes.values.get(notes.at[graph.operands(box)[0]])
        if taken is None:
            return []
        condition = notes.statements.text(graph.operands(box)[0], limit=STATEMENT)
        return [_line(f"{condition}: {family(taken)}")]
    loop = Loop.of(graph.attrs(box))
    count = notes.through.count(notes.at[box], {**notes.values, **({} if values is None else {notes.at[box]: values})})
    lines = [_line(f"{count} iteration{'' if count == '1' else 's'}")] if count else []
    if values is None:
        return lines
    operands = graph.operands(box)
    shown = 0
    for place in range(loop.carried + loop.collected):
        if shown == _RESULTS:
            lines.append(_line("…"))
            break
        last = values[place]
        if graph.type(box).parts[place].dtype == TAPE or last is None:
            continue
        name = result_name(graph.data[box], place)
        text = short(last)
        if place < loop.carried:
            first = notes.values.get(notes.at[operands[loop.first + place]])
            text = text if first is None else f"{short(first)} → {text}"
        lines.append(_line(f"{name}: {text}"))
        shown += 1
    return lines


def _line(text: str) -> Line:
    return (Run(text, color=QUIET, size=10),)


def reading(notes: Notes, nodes: Sequence[int], named: bool) -> list[str]:
    """What stands at the arrow by which a box reads results of a region: shapes of ``named`` ones, else the names."""
    data = notes.sketch.data
    found: list[str] = []
    for node in nodes:
        if data[node]["op"] != "get":
            # Tapes that meet, and other loops, say nothing of one result.
            continue
        dims = notes.shape(node)
        name = result_name(data[data[node]["operands"][0]], data[node]["attrs"]["place"])
        if data[node]["type"].dtype == TAPE:
            name = f"{name}, each iteration"
        text = dims if named else f"{name} {dims}".rstrip()
        if text:
            found.append(text)
    return list(dict.fromkeys(found))


__all__ = ["code", "course", "derived", "reading"]
