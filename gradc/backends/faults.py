"""What has no result for some elements: an index outside its axis, an integer that grows too large, a singular matrix.

It is an error where the element is selected, and nothing where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gradc.errors import Diagnostic
from gradc.ir.graph import Graph
from gradc.ops.reduce import EmptyReduction
from gradc.source import Source


@dataclass(slots=True)
class Fault:
    """Elements of a node that have no result: ``mask`` broadcasts to its batch axes and own; ``problem`` says why."""

    problem: Exception
    mask: Any
    node: int = -1


class Faults(list[Fault]):
    """The faults of one run."""

    def note(self, problem: Exception, mask: Any) -> None:
        """Add one, of the node that is being computed."""
        self.append(Fault(problem, mask))


class OutOfRange(Exception):
    """An index outside its axis."""

    def __init__(self, index: int, extent: int) -> None:
        super().__init__(index, extent)
        self.index = index
        self.extent = extent


# Integers ------------------------------------------------------------------------------------------------------------

_LEAST, _MOST = -(2**63), 2**63 - 1


def _overflow(found: Faults, mask: Any) -> None:
    if np.any(mask):
        found.note(OverflowError(), mask)


def _add(found: Faults, x: Any, y: Any) -> Any:
    result = np.add(x, y)
    _overflow(found, ((x ^ result) & (y ^ result)) < 0)
    return result


def _sub(found: Faults, x: Any, y: Any) -> Any:
    result = np.subtract(x, y)
    _overflow(found, ((x ^ y) & (x ^ result)) < 0)
    return result


def _mul(found: Faults, x: Any, y: Any) -> Any:
    result = np.multiply(x, y)
    # A double holds the product to 53 bits: enough to see whether it is near the edge of 64.
    rough = np.multiply(x, y, dtype=np.float64)
    if np.any(np.abs(rough) > 2.0**62):
        exact = np.multiply(np.asarray(x, object), np.asarray(y, object))
        _overflow(found, np.asarray((exact < _LEAST) | (exact > _MOST), bool))
    return result


def _neg(found: Faults, x: Any) -> Any:
    _overflow(found, x == _LEAST)
    return np.negative(x)


def _abs(found: Faults, x: Any) -> Any:
    _overflow(found, x == _LEAST)
    return np.abs(x)


def _divided(divide: Callable[..., Any]) -> Callable[..., Any]:
    def run(found: Faults, x: Any, y: Any) -> Any:
        zero = np.equal(y, 0)
        if np.any(zero):
            found.note(ZeroDivisionError(), zero)
            y = np.where(zero, 1, y)
        if divide is np.floor_divide:
            _overflow(found, np.equal(x, _LEAST) & np.equal(y, -1))
        return divide(x, y)

    return run


INTEGER: Final[Mapping[str, Callable[..., Any]]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "neg": _neg,
    "abs": _abs,
    "floordiv": _divided(np.floor_divide),
    "mod": _divided(np.remainder),
}
"""Integer operators on arrays that can fail, by name: they take the run's faults first."""


def single(compute: Callable[..., Any]) -> Callable[..., Any]:
    """An integer operator on single numbers."""

    def run(found: Faults, *operands: Any) -> Any:
        try:
            return compute(*[int(x) if isinstance(x, np.integer) else x for x in operands])
        except (OverflowError, ZeroDivisionError) as problem:
            found.note(problem, True)
            return 0

    return run


def guarded(compute: Callable[..., Any], rep: tuple[int, ...] | None, dtype: Any) -> Callable[..., Any]:
    """An operator that fails as a whole."""

    def run(found: Faults, *operands: Any) -> Any:
        try:
            return compute(*operands)
        except (ArithmeticError, np.linalg.LinAlgError) as problem:
            found.note(problem, True)
            blank = dtype(np.nan) if np.issubdtype(dtype, np.floating) else dtype(0)
            return blank.item() if rep is None else np.full(rep, blank)

    return run


# Which faults matter -------------------------------------------------------------------------------------------------


def needs(
    graph: Graph,
    order: Sequence[int],
    read: Callable[[int], Any],
    full: Callable[[int], tuple[int, ...]],
) -> dict[int, Any]:
    """For each node which of its elements are selected: a mask over its batch axes and own, or True for all.

    Conditions and truth values decide: the branch of a choice that is not taken is not needed, nor the second operand
    of an ``and`` whose first is false. Through what moves elements every own element counts as needed.
    """
    found: dict[int, Any] = dict.fromkeys(order, False)
    used = {operand for node in order for operand in graph.operands(node)}
    for node in order:
        if node not in used:
            found[node] = True
    for node in reversed(order):
        mine = found[node]
        op, operands = graph.op(node), graph.operands(node)
        for position, operand in enumerate(operands):
            need = mine
            if op == "select" and position:
                condition = _wide(graph, operands[0], node, read, full)
                need = np.logical_and(mine, condition if position == 1 else np.logical_not(condition))
            elif op in ("and", "or") and position:
                first = _wide(graph, operands[0], node, read, full)
                need = np.logical_and(mine, first if op == "and" else np.logical_not(first))
            found[operand] = np.logical_or(found[operand], _onto(graph, node, operand, need, full))
    return found


def _wide(graph: Graph, node: int, target: int, read: Callable[[int], Any], full: Callable[[int], Any]) -> Any:
    """A condition over the axes of an elementwise node that reads it."""
    value = read(node)
    if value is None:
        return True
    own, due = graph.type(node), graph.type(target)
    array = np.asarray(value)
    shape = full(node)
    array = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    index = tuple(slice(None) if each in own.free else None for each in due.free)
    return array[index] if index else array


def _onto(graph: Graph, node: int, operand: int, need: Any, full: Callable[[int], Any]) -> Any:
    """What is needed of an operand where ``need`` is needed of the node."""
    if isinstance(need, (bool, np.bool_)) or np.ndim(need) == 0:
        return need
    own, due = graph.type(operand), graph.type(node)
    whole: Any = np.broadcast_to(need, full(node))
    count = len(due.free)
    elementwise = graph.ops[graph.op(node)].elementwise
    if not elementwise:
        whole = whole.any(axis=tuple(range(count, whole.ndim)))
    lacking = tuple(at for at, index in enumerate(due.free) if index not in own.free)
    whole = whole.any(axis=lacking)
    kept = [index for index in due.free if index in own.free]
    index = [slice(None) if each in kept else None for each in own.free]
    whole = whole[(*index, ...)] if index else whole
    return whole if elementwise else whole[(..., *(None,) * own.rank)]


def matters(fault: Fault, found: Mapping[int, Any]) -> bool:
    """Whether an element without a result is selected."""
    return bool(np.any(np.logical_and(fault.mask, found.get(fault.node, True))))


def diagnostic(graph: Graph, fault: Fault, sources: Mapping[str, Source]) -> Diagnostic:
    """What a fault says."""
    node, problem = fault.node, fault.problem
    span = graph.span(node)
    text = sources[span.file].line(span.line) if span and span.file in sources else ""
    if isinstance(problem, OutOfRange):
        last = problem.extent - 1
        return Diagnostic(
            "E0611",
            f"the index {problem.index} is out of range",
            span,
            f"the axis has {problem.extent} elements" + (f", 0 to {last}" if problem.extent else ""),
            text=text,
        )
    if isinstance(problem, EmptyReduction):
        return Diagnostic("E0612", "the largest or smallest of no elements is asked for", span, "empty here", text=text)
    if isinstance(problem, ZeroDivisionError):
        return Diagnostic("E0605", "an integer is divided by zero", span, "the divisor is 0 here", text=text)
    if isinstance(problem, OverflowError):
        return Diagnostic(
            "E0604",
            "an integer grows beyond 64 bits",
            span,
            "the result does not fit",
            ("write one of the numbers with a point, as in `2.0`, to calculate with real numbers",),
            text=text,
        )
    return Diagnostic("E0613", str(problem) or type(problem).__name__, span, "no result here", text=text)
