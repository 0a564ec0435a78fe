"""Finds derivative requests that are zero because the one thing cannot depend on the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gradc.errors import Diagnostic
from gradc.ir.graph import Graph
from gradc.source import Source

# The check walks the graph once for each value that is differentiated, and stops looking beyond this many steps.
_BUDGET = 5_000_000


def independent_requests(graph: Graph, sources: Sequence[Source]) -> list[Diagnostic]:
    """A warning for each request whose first operand cannot depend on its second."""
    requests = [n for n, data in graph.data.items() if data["op"] in ("grad", "jvp", "vjp")]
    cones: dict[int, set[int]] = {}
    texts = {source.name: source for source in sources}
    found = []
    steps = 0
    for node in requests:
        y, v = graph.operands(node)[:2]
        if y not in cones:
            if steps > _BUDGET:
                break
            cones[y] = smooth_ancestors(graph, [y])
            steps += len(cones[y])
        if v in cones[y]:
            continue
        span = graph.span(node)
        name = graph.name(v)
        text = texts[span.file].line(span.line) if span and span.file in texts else ""
        found.append(
            Diagnostic(
                "W0102",
                f"this derivative is zero: its first argument does not depend on `{name}`",
                span,
                "always 0",
                text=text,
            )
        )
    return found


def smooth_ancestors(graph: Graph, nodes: Iterable[int]) -> set[int]:
    """The nodes on which one of ``nodes`` depends in a way that has a derivative."""
    data = graph.data
    seen = set(nodes)
    stack = list(seen)
    while stack:
        current = data[stack.pop()]
        if current["op"] == "stop_gradient":
            continue
        for operand in current["operands"]:
            type = data[operand]["type"]
            # What a loop or branch gives may depend on all that enters it.
            if operand not in seen and (type.real or type.parts):
                seen.add(operand)
                stack.append(operand)
    return seen
