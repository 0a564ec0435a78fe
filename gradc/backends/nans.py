"""Where a NaN comes from: the first operation that makes one of numbers, and the element at which it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradc.backends import faults
from gradc.errors import Diagnostic
from gradc.ir.graph import Graph, ancestors
from gradc.source import Source

Read = Callable[[int], Any]
"""The value of a node; None for one that has none."""

Full = Callable[[int], tuple[int, ...]]
"""The extents of a node's free indices and its axes."""


def first(
    graph: Graph,
    order: Sequence[int],
    results: Sequence[int],
    sizes: Mapping[str, int],
    read: Read,
    full: Full,
    sources: Mapping[str, Source],
) -> Diagnostic | None:
    """What is said of the first operation that makes a NaN of operands without one; None where none does.

    Elements that are not selected do not count. The values of the program come before those of its derivatives.
    """
    needed: dict[int, Any] | None = None
    found: tuple[int, tuple[int, ...]] | None = None
    for node in order:
        if not graph.type(node).real or graph.op(node) in ("input", "name", "stop_gradient"):
            continue
        value = read(node)
        if value is None or not (mask := np.isnan(value)).any():
            continue
        if found is not None and (graph.adjoint_of(node) is not None or graph.adjoint_of(found[0]) is None):
            continue
        mask = _fresh(graph, node, _padded(mask, full(node)), read, full)
        if not mask.any():
            continue
        if needed is None:
            needed = faults.needs(graph, order, results, sizes, read, full)
        mask = np.logical_and(mask, needed.get(node, True))
        if mask.any():
            where = np.unravel_index(int(np.argmax(mask)), mask.shape)
            found = node, tuple(int(each) for each in where)
    return None if found is None else _diagnostic(graph, *found, read, full, sources)


def _padded(value: Any, shape: tuple[int, ...]) -> Any:
    """A value with an axis for each extent of its node; those in front may be missing."""
    return np.reshape(value, (1,) * (len(shape) - np.ndim(value)) + np.shape(value))


def _over(graph: Graph, operand: int, node: int, read: Read, full: Full) -> Any:
    """The value of an operand of an elementwise node, over the axes of that; None where there is none."""
    value = read(operand)
    if value is None:
        return None
    own, due = graph.type(operand), graph.type(node)
    index = tuple(slice(None) if each in own.free else None for each in due.free)
    return _padded(value, full(operand))[index] if due.free or due.shape else np.asarray(value)


def _fresh(graph: Graph, node: int, mask: Any, read: Read, full: Full) -> Any:
    """Of the elements that are NaN, those that no NaN went into, as far as that can be told."""
    elementwise = graph.ops[graph.op(node)].elementwise
    for operand in graph.operands(node):
        if not graph.type(operand).real:
            continue
        if elementwise:
            value = _over(graph, operand, node, read, full)
            mask = mask if value is None else np.logical_and(mask, ~np.isnan(value))
        elif (value := read(operand)) is not None and np.isnan(value).any():
            return np.False_
    return mask


def _diagnostic(
    graph: Graph, node: int, where: tuple[int, ...], read: Read, full: Full, sources: Mapping[str, Source]
) -> Diagnostic:
    span = graph.span(node)
    text = sources[span.file].line(span.line) if span and span.file in sources else ""
    target = graph.adjoint_of(node)
    message = "an operation makes NaN of numbers"
    if target is not None:
        name = faults.name_of(graph, target)
        if name is None:
            # Its value is not computed: only its derivative is asked for.
            name = next((each for each, result in graph.outputs if node in ancestors(graph.data, [result])), None)
            message += f", in `{name}`" if name else ", in a derivative"
        else:
            message += f", in the derivative of `{name}`"
    shape = full(node)
    where = (0,) * (len(shape) - len(where)) + where
    computed = _computed(graph, node, where, read, full)
    label = f"{computed or 'this'} is NaN{faults.element(graph, node, where, read)}"
    hints = ("an `if` keeps it out, of derivatives too: `if x > 0 then log(x) else 0`",) if computed else ()
    return Diagnostic("E0618", message, span, label, hints, text=text)


def _computed(graph: Graph, node: int, where: tuple[int, ...], read: Read, full: Full) -> str:
    """The operation with the numbers that went in, as in ``log(-1.0)``; empty for one on whole arrays."""
    row = graph.ops[graph.op(node)]
    if not row.elementwise or not graph.operands(node):
        return ""
    numbers = []
    for operand in graph.operands(node):
        value = _over(graph, operand, node, read, full)
        if value is None:
            return ""
        at = where[len(where) - value.ndim :]
        item = value[tuple(min(k, n - 1) for k, n in zip(at, value.shape, strict=True))].item()
        numbers.append(str(item).lower() if isinstance(item, bool) else repr(item))
    if row.symbol and len(numbers) == 2:
        return f"{numbers[0]} {row.symbol} {numbers[1]}"
    return f"{row.functions[0] if row.functions else row.name}({', '.join(numbers)})"
