"""What has no result for some elements: an index outside its axis, an integer that grows too large, a singular matrix.

It is an error where the element is selected, and nothing where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gradc.backends import straight
from gradc.errors import CallError, Diagnostic
from gradc.ir import sizes as extents
from gradc.ir.graph import Graph
from gradc.ir.op import bound
from gradc.ir.types import Index
from gradc.ops.integers import LEAST, MOST
from gradc.ops.reduce import EmptyReduction
from gradc.ops.structure import parts
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
    """An index outside its axis: all ``values`` of the index node ``place``, on an axis of ``extent`` elements."""

    def __init__(self, values: Any, extent: int, place: int) -> None:
        super().__init__(extent, place)
        self.values = values
        self.extent = extent
        self.place = place


# Integers ------------------------------------------------------------------------------------------------------------


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
        _overflow(found, np.asarray((exact < LEAST) | (exact > MOST), bool))
    return result


def _neg(found: Faults, x: Any) -> Any:
    _overflow(found, x == LEAST)
    return np.negative(x)


def _abs(found: Faults, x: Any) -> Any:
    _overflow(found, x == LEAST)
    return np.abs(x)


def _divided(divide: Callable[..., Any]) -> Callable[..., Any]:
    def run(found: Faults, x: Any, y: Any) -> Any:
        zero = np.equal(y, 0)
        if np.any(zero):
            found.note(ZeroDivisionError(), zero)
            y = np.where(zero, 1, y)
        if divide is np.floor_divide:
            _overflow(found, np.equal(x, LEAST) & np.equal(y, -1))
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


class Single:
    """An integer operator on single numbers."""

    def __init__(self, compute: Callable[..., Any]) -> None:
        self.compute = compute

    def __call__(self, found: Faults, *operands: Any) -> Any:
        """The result; 0 where there is none."""
        try:
            return self.compute(*[int(x) if isinstance(x, np.integer) else x for x in operands])
        except (OverflowError, ZeroDivisionError) as problem:
            found.note(problem, True)
            return 0

    def spelled(self, target: str, operands: Sequence[str]) -> list[str] | None:
        """As source, which leaves NumPy's integers alone."""
        statements = straight.spell(self.compute, target, operands[1:])
        return statements and [*statements, f"if {target}.__class__ is not int: raise Left"]


def guarded(compute: Callable[..., Any], rep: tuple[int, ...] | None, dtype: Any, batch: int = 0) -> Callable[..., Any]:
    """An operator that fails as a whole; of arrays with batch axes, each by itself."""
    blank = dtype(np.nan) if np.issubdtype(dtype, np.floating) else dtype(0)

    def run(found: Faults, *operands: Any) -> Any:
        try:
            return compute(*operands)
        except (ArithmeticError, np.linalg.LinAlgError) as problem:
            if rep is None or not batch:
                found.note(problem, True)
                return blank.item() if rep is None else np.full(rep, blank)
        result = np.full(rep, blank)
        for place in np.ndindex(*rep[:batch]):
            try:
                one = compute(*(x[_at(place, x.shape)] for x in operands))
                result[place] = one.reshape(rep[batch:])
            except (ArithmeticError, np.linalg.LinAlgError) as problem:
                mask = np.zeros(rep[:batch] + (1,) * (len(rep) - batch), bool)
                mask[place] = True
                found.note(problem, mask)
        return result

    return run


def total(axes: tuple[int, ...], single: bool) -> Callable[..., Any]:
    """A sum of integers over axes, of which elements may grow too large; ``single`` is the sum over all of them."""

    def run(found: Faults, x: Any) -> Any:
        result = x.sum(axis=axes)
        if x.size and max(-float(x.min()), float(x.max())) * x.size >= 2.0**63:
            exact = np.asarray(x.astype(object).sum(axis=axes), object)
            _overflow(found, np.asarray((exact < LEAST) | (exact > MOST), bool))
        return int(result) if single else result

    return run


def _at(place: Sequence[int], shape: Sequence[int]) -> tuple[slice, ...]:
    """A part of an array that keeps its batch axes, some of which may have extent 1 already."""
    return tuple(slice(k, k + 1) if n > 1 else slice(None) for k, n in zip(place, shape, strict=False))


# Which faults matter -------------------------------------------------------------------------------------------------


def needs(
    graph: Graph,
    order: Sequence[int],
    results: Iterable[int],
    sizes: Mapping[str, int],
    read: Callable[[int], Any],
    full: Callable[[int], tuple[int, ...]],
) -> dict[int, Any]:
    """For each node which of its elements are selected: a mask over its batch axes and own, or True for all.

    Conditions and truth values decide: the branch of a choice that is not taken is not needed, nor the second operand
    of an ``and`` whose first is false. Through what moves elements every own element counts as needed. Where an index
    has no values, nothing is.
    """
    found: dict[int, Any] = dict.fromkeys(order, False)
    found.update(dict.fromkeys(results, True))
    for node in reversed(order):
        if 0 in full(node)[: len(graph.type(node).free)]:
            found[node] = False
        mine = found[node]
        op, operands = graph.op(node), graph.operands(node)
        never, weighed = _never(graph, node, sizes), masked_indices(graph, node)
        for position, operand in enumerate(operands):
            need = False if position in never else mine
            if op == "select" and position:
                condition = _wide(graph, operands[0], node, read, full)
                need = np.logical_and(mine, condition if position == 1 else np.logical_not(condition))
            elif op == "select" and indifferent(graph, node):
                need = np.logical_and(mine, _differ(graph, node, read, full))
            elif op in ("and", "or") and position:
                first = _wide(graph, operands[0], node, read, full)
                need = np.logical_and(mine, first if op == "and" else np.logical_not(first))
            if position in weighed:
                # An index is asked where something is added.
                moved: Any = np.any(need) and _weighs(graph, operands[weighed[position]], operand, read, full)
            else:
                moved = _onto(graph, node, operand, need, full)
            found[operand] = np.logical_or(found[operand], moved)
    return found


def decisive(graph: Graph, order: Iterable[int]) -> set[int]:
    """The conditions that ``needs`` reads."""
    return {graph.operands(node)[0] for node in order if graph.op(node) in ("select", "and", "or")}


def masked_indices(graph: Graph, node: int) -> dict[int, int]:
    """Of what adds to elements, perhaps 0 to some that do not exist: the positions of indices, with that of the value.

    It is a derivative; where an element was not selected its index may not exist either.
    """
    attrs = graph.attrs(node)
    if graph.op(node) not in ("assemble", "accumulate") or not attrs.get("lenient"):
        return {}
    shift = graph.op(node) == "accumulate"
    return {place + shift: start + shift for start, _, _, places in parts(attrs) for place in places}


def indifferent(graph: Graph, node: int) -> bool:
    """Whether a choice has no need of its condition where both of its branches are equal.

    It is one of a derivative: what flows into it was selected by the conditions around its own, and is 0 where they do
    not hold; then its own may have no value.
    """
    return graph.op(node) == "select" and graph.data[node].get("adjoint_of") is not None


def _differ(graph: Graph, node: int, read: Callable[[int], Any], full: Callable[[int], tuple[int, ...]]) -> Any:
    """Where the branches of a choice are not equal."""
    branches = graph.operands(node)[1:]
    if any(read(branch) is None for branch in branches):
        return True
    then, other = (_wide(graph, branch, node, read, full) for branch in branches)
    return np.not_equal(then, other)


def _weighs(
    graph: Graph, value: int, place: int, read: Callable[[int], Any], full: Callable[[int], tuple[int, ...]]
) -> Any:
    """Where an index is that of a value other than 0, over the axes of the index."""
    array = read(value)
    if array is None:
        return True
    free, own = graph.type(value).free, graph.type(place).free
    mask = _padded(np.not_equal(array, 0), len(full(value)))
    lacking = tuple(at for at, index in enumerate(free) if index not in own)
    mask = mask.any(axis=(*lacking, *range(len(free), mask.ndim)))
    return mask[tuple(slice(None) if index in free else None for index in own)]


def _never(graph: Graph, node: int, sizes: Mapping[str, int]) -> set[int]:
    """The positions of operands that a node reads for no value of an index that it binds, since there is none."""
    attrs = graph.attrs(node)

    def empty(indices: Iterable[Index]) -> bool:
        return any(extents.evaluate(index.extent, sizes) == 0 for index in indices)

    if graph.op(node) in ("assemble", "accumulate"):
        shift = graph.op(node) == "accumulate"
        return {at + shift for start, _, over, places in parts(attrs) if empty(over) for at in (start, *places)}
    return set(range(len(graph.operands(node)))) if empty(bound(attrs)) else set()


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


def judged(
    graph: Graph,
    found: Faults,
    order: Sequence[int],
    results: Iterable[int],
    sizes: Mapping[str, int],
    read: Callable[[int], Any],
    full: Callable[[int], tuple[int, ...]],
    sources: Mapping[str, Source],
) -> Diagnostic | None:
    """What the first fault of an element that is selected says; None where no such element is."""
    needed = needs(graph, order, results, sizes, read, full)
    # Steps may run in another order than the program's.
    for fault in sorted(found, key=lambda each: each.node):
        where = _first(graph, fault, needed.get(fault.node, True), full)
        if where is not None:
            return _diagnostic(graph, fault, where, read, sources)
    return None


def _first(graph: Graph, fault: Fault, need: Any, full: Callable[[int], tuple[int, ...]]) -> tuple[int, ...] | None:
    """The first element of the node that has no result and is selected, by its batch axes and own; None for none."""
    mask = fault.mask
    if isinstance(fault.problem, OutOfRange):
        mask = _spread(graph, fault.problem.place, fault.node, mask)
    both = np.logical_and(mask, need)
    if not both.any():
        return None
    place = np.unravel_index(int(np.argmax(both)), both.shape)
    front = (0,) * (len(full(fault.node)) - both.ndim)
    return (*front, *(int(each) for each in place))


def _spread(graph: Graph, place: int, node: int, mask: Any) -> Any:
    """A mask over the elements of an index, over the axes of the node that reads at it."""
    if np.ndim(mask) == 0:
        return mask
    own, type = graph.type(place).free, graph.type(node)
    mask = _padded(mask, len(own))
    # What adds to an array at indices it binds has no axes for these.
    bound = tuple(at for at, index in enumerate(own) if index not in type.free)
    mask = mask.any(axis=bound)
    kept = tuple(slice(None) if index in own else None for index in type.free)
    return mask[kept][(..., *(None,) * type.rank)]


# What they say -------------------------------------------------------------------------------------------------------

_EMPTY: Final = {
    "amax": "the maximum of no elements",
    "amin": "the minimum of no elements",
    "argmax": "the place of the maximum of no elements",
    "argmin": "the place of the minimum of no elements",
}
_MATRIX: Final[Mapping[str, tuple[str, ...]]] = {
    "cholesky": ("a covariance with noise on its diagonal is safe: `A + 1e-8*eye(n)`",),
}


def _diagnostic(
    graph: Graph, fault: Fault, where: tuple[int, ...], read: Callable[[int], Any], sources: Mapping[str, Source]
) -> Diagnostic:
    node, problem = fault.node, fault.problem
    if isinstance(problem, CallError):
        # In the body of a region.
        return problem.diagnostics[0]
    span = graph.span(node)
    if isinstance(problem, OutOfRange) and graph.op(node) in ("assemble", "accumulate"):
        # Which of the parts it is, the index tells.
        span = graph.span(problem.place) or span
    text = sources[span.file].line(span.line) if span and span.file in sources else ""
    if isinstance(problem, OutOfRange):
        index, label = _outside(graph, node, problem, fault.mask, where, read)
        counted = (
            "an index that is computed or data does not count from the end; only a written one does, as in `x[-1]`"
        )
        hints = (counted,) if index < 0 else ()
        return Diagnostic("E0611", f"the index {index} is out of range", span, label, hints, text=text)
    # What fails as a whole has no place of its own, and a matrix that fails none in the result.
    count = len(graph.type(node).free)
    alone = np.ndim(fault.mask) and max(np.shape(fault.mask)[count:], default=1) > 1
    place = element(graph, node, where if alone else where[:count], read) if np.ndim(fault.mask) else ""
    here = place or " here"
    if isinstance(problem, EmptyReduction):
        what = _EMPTY.get(graph.op(node), "the maximum, minimum or mean of no elements")
        hints = ("say what holds then, as in `if n > 0 then max(x) else 0`",)
        return Diagnostic("E0612", f"{what} is asked for", span, f"no elements{here}", hints, text=text)
    if isinstance(problem, ZeroDivisionError):
        return Diagnostic("E0605", "an integer is divided by zero", span, f"the divisor is 0{here}", text=text)
    if isinstance(problem, OverflowError):
        return Diagnostic(
            "E0604",
            "an integer grows beyond 64 bits",
            span,
            f"the result does not fit{place}",
            ("write one of the numbers with a point, as in `2.0`, to calculate with real numbers",),
            text=text,
        )
    why = str(problem) or type(problem).__name__
    return Diagnostic("E0613", why, span, f"no result{here}", _MATRIX.get(graph.op(node), ()), text=text)


def element(graph: Graph, node: int, where: Sequence[int], read: Callable[[int], Any]) -> str:
    """Which element of a node is meant, as in ``for i = 3 at [0]``; empty for a node that has one value."""
    type = graph.type(node)
    count = len(type.free)
    found = sorted(_index(graph, index, at, read) for index, at in zip(type.free, where, strict=False))
    text = f" for {', '.join(found)}" if found else ""
    return text + (f" at [{', '.join(map(str, where[count:]))}]" if len(where) > count else "")


def _index(graph: Graph, index: Index, at: int, read: Callable[[int], Any]) -> str:
    """What an index is, as in ``i = 3``, for the element that is number ``at`` along it."""
    name = index.name.partition(".")[0]
    for node, data in graph.data.items():
        if data["op"] != "add":
            continue
        # A range that starts elsewhere is an index from 0 with its start added, at the same place in the text.
        first = data["operands"][0]
        own = graph.op(first) == "index" and graph.attrs(first)["index"] == index
        if own and graph.span(first) == graph.span(node) and (value := read(node)) is not None:
            return f"{name} = {np.ravel(value)[at]}"
    return f"{name} = {at}"


def undefined(graph: Graph, node: int, sources: Mapping[str, Source]) -> Diagnostic:
    """What is said of a node whose extents are no numbers for the sizes of a call."""
    span = graph.span(node)
    text = sources[span.file].line(span.line) if span and span.file in sources else ""
    return Diagnostic("E0616", "a size is divided by zero", span, "needed here", text=text)


def _outside(
    graph: Graph, node: int, problem: OutOfRange, mask: Any, where: tuple[int, ...], read: Callable[[int], Any]
) -> tuple[int, str]:
    """The index that is outside its axis, and what there is to say about it."""
    place, count = problem.place, problem.extent
    position, index = _meant(graph, node, problem, mask, where)
    array, *places = graph.operands(node)
    what = "the axis"
    if graph.op(node) == "access" and (name := name_of(graph, array)) is not None:
        axes = [axis for axis, item in enumerate(graph.attrs(node)["items"]) if item is None]
        what = f"axis {axes[places.index(place)]} of `{name}`" if graph.type(array).rank > 1 else f"`{name}`"
    elements = (
        "no elements" if not count else "1 element, number 0" if count == 1 else f"{count} elements, 0 to {count - 1}"
    )
    written = _written(graph, place, position, read)
    label = f"{what} has {elements}" + (f"; {written} is {index}" if written else "")
    for each, at in zip(graph.type(node).free, where, strict=False):
        # Where a program runs over rows, its own indices tell nothing of the row.
        if each.name.startswith("row.") and str(each.extent).startswith("rows"):
            label += f", in row {at}"
    return index, label


def _meant(
    graph: Graph, node: int, problem: OutOfRange, mask: Any, where: tuple[int, ...]
) -> tuple[tuple[int, ...], int]:
    """Which value of an index is outside where an element of the node has no result: its position, and the value."""
    own, due = graph.type(problem.place).free, graph.type(node).free
    values, outside = _padded(problem.values, len(own)), _padded(mask, len(own))
    wanted = [where[due.index(index)] if index in due else None for index in own]
    # Along the indices that the node itself binds, the first that is outside.
    part = outside[_clamped(wanted, outside.shape)]
    rest = iter(np.unravel_index(int(np.argmax(part)), part.shape) if part.ndim else ())
    position = tuple(int(next(rest)) if at is None else at for at in wanted)
    return position, int(values[_clamped(position, values.shape)])


def _padded(values: Any, rank: int) -> Any:
    """Values with an axis for each of the indices; those in front may be missing."""
    return np.reshape(values, (1,) * (rank - np.ndim(values)) + np.shape(values))


def _clamped(position: Sequence[int | None], shape: Sequence[int]) -> tuple[Any, ...]:
    """A position as a subscript for an array that may have a single element along an axis; None is all of it."""
    return tuple(slice(None) if at is None else min(at, n - 1) for at, n in zip(position, shape, strict=True))


def _written(graph: Graph, place: int, position: tuple[int, ...], read: Callable[[int], Any]) -> str:
    """How the program reads an index from data, as in ``idx[3]``; empty where it computes it."""
    place = graph.through_names(place)
    if graph.op(place) != "access":
        name = name_of(graph, place)
        return f"`{name}`" if name is not None and not graph.type(place).free else ""
    array, *places = graph.operands(place)
    name = name_of(graph, array)
    if name is None or any(item is not None for item in graph.attrs(place)["items"]):
        return ""
    free = graph.type(place).free
    found = []
    for each in places:
        value = read(each)
        if value is None:
            return ""
        values = _padded(value, len(graph.type(each).free))
        at = [position[free.index(index)] for index in graph.type(each).free]
        found.append(str(int(values[_clamped(at, values.shape)])))
    return f"`{name}[{', '.join(found)}]`"


def name_of(graph: Graph, node: int) -> str | None:
    """What the program calls a value."""
    node = graph.through_names(node)
    found = graph.name(node)
    if found is None:
        found = next((name for name, named in graph.names.items() if graph.through_names(named) == node), None)
    return found
