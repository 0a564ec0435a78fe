"""Rows of what holds a body of its own: loops and blocks of which one is run, and what reads their results."""

from __future__ import annotations

from collections.abc import Sequence

from gradc.ir.graph import Graph
from gradc.ir.op import Op
from gradc.ir.region import Loop
from gradc.ir.types import BOOL, INT, TAPE, TUPLE, Index, Type, TypeMismatch, family, single, tape_of, tuple_of, typed
from gradc.ops.typerules import INTEGER, TRUTH, Attrs


def _free(types: Sequence[Type]) -> list[Index]:
    return [index for type in types for index in type.free]


def _enters(graph: Graph, place: int, found: Type, position: int) -> None:
    """Refuse an operand that is not of the type of the body's input at a place."""
    due = graph.type(graph.inputs[place])
    if single(found) != due:
        raise TypeMismatch(f"a value of type {due}", position)


def _outputs(graph: Graph) -> list[Type]:
    return [graph.type(node) for _, node in graph.outputs]


def loop_type(types: Sequence[Type], attrs: Attrs) -> Type:
    """The results of a loop, in a tuple; a family of them where an operand is one."""
    loop = Loop.of(attrs)
    body, carried = loop.body, loop.carried
    if len(types) != loop.operands or loop.collected < 0:
        raise TypeMismatch(f"{loop.operands} operands", max(len(types) - 1, 0))
    if not body.inputs or body.type(body.inputs[0]) != INT:
        raise TypeMismatch("a body whose first input is the number of the iteration", 0)
    if len(body.inputs) <= carried + loop.scanned:
        raise TypeMismatch(f"a body with {1 + carried + loop.scanned} inputs or more", 0)
    for position in range(loop.first):
        if single(types[position]) != INT:
            raise TypeMismatch(INTEGER, position)
    for position in range(loop.first, len(types)):
        place = loop.input(position)
        if carried < place <= carried + loop.scanned:
            _scanned(loop, place, types[position], position)
        else:
            _enters(body, place, types[position], position)
    outputs = _outputs(body)
    for place in range(carried):
        if outputs[place] != body.type(body.inputs[1 + place]):
            raise TypeMismatch(f"a body that keeps the type of what is carried as {outputs[place]}", loop.first + place)
    test = loop.test
    if test is not None and (_outputs(test) != [BOOL] or _inputs(test) != _inputs(body)):
        raise TypeMismatch("a test with one truth value for the inputs of the body", 0)
    if loop.collected and loop.extent is None:
        raise TypeMismatch("a number of iterations that is known, to collect arrays", 0)
    results = outputs[:carried]
    for type in outputs[carried : carried + loop.collected]:
        assert loop.extent is not None
        results.append(typed(type.dtype, (loop.extent, *type.shape)))
    results += [tape_of(type) for type in outputs[carried + loop.collected :]]
    if test is not None:
        results.append(INT)
    return tuple_of(results, _free(types))


def _inputs(graph: Graph) -> list[Type]:
    return [graph.type(node) for node in graph.inputs]


def _scanned(loop: Loop, place: int, found: Type, position: int) -> None:
    due = loop.body.type(loop.body.inputs[place])
    if found.dtype == TAPE:
        if found.parts != (due,):
            raise TypeMismatch(f"a tape of values of type {due}", position)
    elif loop.extent is None or single(found) != typed(due.dtype, (loop.extent, *due.shape)):
        raise TypeMismatch(f"an array of values of type {due}, one for each iteration", position)


def branch_type(types: Sequence[Type], attrs: Attrs) -> Type:
    """The results of the body that is run, in a tuple; both bodies have the same."""
    if single(types[0]) != BOOL:
        raise TypeMismatch(TRUTH, 0)
    then, other = attrs["then"], attrs["other"]
    for body in (then, other):
        if len(body.inputs) != len(types) - 1:
            raise TypeMismatch(f"{len(body.inputs) + 1} operands", len(types) - 1)
        for position in range(1, len(types)):
            _enters(body, position - 1, types[position], position)
    if _outputs(then) != _outputs(other):
        raise TypeMismatch("two bodies with the same results", 0)
    return tuple_of(_outputs(then), _free(types))


def _get_type(types: Sequence[Type], attrs: Attrs) -> Type:
    (whole,) = types
    place = attrs["place"]
    if whole.dtype != TUPLE or not 0 <= place < len(whole.parts):
        raise TypeMismatch(f"the results of a region with more than {place} of them", 0)
    return family(whole.parts[place], whole.free)


def _tapes_type(types: Sequence[Type], attrs: Attrs) -> Type:
    for position, type in enumerate(types):
        if type.dtype != TAPE or type.parts != types[0].parts or not type.smooth:
            raise TypeMismatch("tapes of real values of one type", position)
    over = attrs.get("over", ())
    return tape_of(types[0].parts[0], [index for index in _free(types) if index not in over])


_LOOP = {
    "body": Graph,
    "carried": int,
    "scanned": int,
    "tapes": int,
    "extent": object,
    "backwards": bool,
    "checkpoint": int,
}

ROWS = (
    Op(
        name="for",
        doc=(
            "A loop over a range of integers, from the first operand up to, but without, the second one. Its body "
            "(attribute body) is a graph of its own, closed: what is carried from one iteration to the next, what each "
            "iteration reads of arrays, and what is the same in all of them are its operands."
        ),
        kind="region",
        arity=(2, None),
        type_rule=loop_type,
        dependence=("none", "none", "smooth"),
        attrs=_LOOP,
        reference="gradc.ir.region",
    ),
    Op(
        name="while",
        doc=(
            "A loop that goes on while its test (attribute test), a graph with the inputs of the body, gives true; its "
            "last result is the number of iterations."
        ),
        kind="region",
        arity=(0, None),
        type_rule=loop_type,
        dependence=("smooth",),
        attrs={**_LOOP, "test": Graph},
        reference="gradc.ir.region",
    ),
    Op(
        name="branch",
        doc=(
            "One of two bodies (attributes then and other), closed graphs with the same inputs and results: the first "
            "operand chooses which, and only that one is run."
        ),
        kind="region",
        arity=(1, None),
        type_rule=branch_type,
        dependence=("none", "smooth"),
        attrs={"then": Graph, "other": Graph},
        reference="gradc.ir.region",
    ),
    Op(
        name="get",
        doc="One of the results of a region, by its number (attribute place).",
        kind="region",
        type_rule=_get_type,
        dependence=("linear",),
        attrs={"place": int},
        reference="gradc.ir.region",
    ),
    Op(
        name="add_tapes",
        doc=(
            "Tapes added up, iteration by iteration: where adjoints of a tape meet. Those of a family are summed over "
            "the indices of the attribute over."
        ),
        kind="region",
        arity=(1, None),
        type_rule=_tapes_type,
        attrs={"over": tuple},
        dependence=("linear",),
        sparsity="tapes",
        reference="gradc.ir.region",
    ),
)
