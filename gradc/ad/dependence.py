"""What the results of a region depend on, as far as derivatives are concerned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

from gradc.ad.flow import Data, Nodes, differentiable
from gradc.ad.reads import end_to_end, leaves_out
from gradc.ir import sizes
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.region import Loop
from gradc.ir.types import INT

REGIONS: Final = frozenset({"for", "while", "branch"})
"""The operators that have bodies which differentiation looks into."""

# By the identity of a body, which never changes.
_known: WeakKeyDictionary[Graph, tuple[int, ...]] = WeakKeyDictionary()
_sure: WeakKeyDictionary[Graph, tuple[int, ...]] = WeakKeyDictionary()
_whole: WeakKeyDictionary[Graph, tuple[int, ...]] = WeakKeyDictionary()


def dependence(body: Graph) -> tuple[int, ...]:
    """For each output of a body the inputs that it depends on smoothly: bit k stands for the input of that number."""
    found = _known.get(body)
    if found is None:
        found = _known[body] = _masks(body, _through, _union)
    return found


def certain(body: Graph, whole: bool = False) -> tuple[int, ...]:
    """For each output of a body the inputs that it depends on smoothly whatever conditions in it turn out to be.

    Of arrays that are to be read as a ``whole``, an input of which only elements are read does not count.
    """
    known = _whole if whole else _sure
    found = known.get(body)
    if found is None:
        found = known[body] = _masks(body, partial(_surely_through, whole=whole), _intersection, whole)
    return found


def wholly(body: Graph, places: Collection[int]) -> bool:
    """Whether each output that depends on one of these inputs always does so, and on all of its elements."""
    wanted = sum(1 << place for place in places)
    return all(not (may ^ must) & wanted for may, must in zip(dependence(body), certain(body, True), strict=True))


def _masks(
    body: Graph,
    through: Callable[[dict[int, int], int, Graph], tuple[int, ...]],
    choice: Callable[[int, int], int],
    whole: bool = False,
) -> tuple[int, ...]:
    masks: dict[int, int] = {node: 1 << place for place, node in enumerate(body.inputs)}
    inner: dict[int, tuple[int, ...]] = {}
    # Of the inputs what reads some of their elements, each with a bit of its own behind those of the inputs.
    parts: dict[int, list[int]] = {}
    bits: dict[int, int] = {}
    for node, data in body.data.items():
        if node in masks:
            continue
        op = data["op"]
        if op in REGIONS:
            inner[node] = through(masks, node, body)
            masks[node] = 0
        elif op == "get":
            masks[node] = inner[data["operands"][0]][data["attrs"]["place"]]
        elif op == "select":
            _, then, other = data["operands"]
            masks[node] = choice(masks[then], masks[other]) if data["type"].smooth else 0
        else:
            mask = 0
            for position, operand in differentiable(body.data, node):
                if not (whole and leaves_out(body, node, position)):
                    mask |= masks[operand]
                elif body.op(node) == "access" and (array := body.through_names(operand)) in body.inputs:
                    parts.setdefault(array, []).append(node)
                    bits[node] = len(body.inputs) + len(bits)
                    mask |= 1 << bits[node]
            masks[node] = mask
    found = [masks[node] for _, node in body.outputs]
    for array, readers in parts.items():
        for at, mask in enumerate(found):
            # Together they may read all of it.
            listed = [node for node in readers if mask >> bits[node] & 1]
            if listed and end_to_end(body, body.type(array).shape, listed):
                found[at] |= 1 << body.inputs.index(array)
    every = (1 << len(body.inputs)) - 1
    return tuple(mask & every for mask in found)


def _union(first: int, second: int) -> int:
    return first | second


def _intersection(first: int, second: int) -> int:
    return first & second


def _given(masks: dict[int, int], node: int, graph: Graph) -> list[int]:
    """The masks of a region's operands, 0 where no derivative flows."""
    return [masks[operand] if graph.type(operand).smooth else 0 for operand in graph.operands(node)]


def _through(masks: dict[int, int], node: int, graph: Graph) -> tuple[int, ...]:
    """The masks of the results of a region in a body."""
    data = graph.data[node]
    given, attrs = _given(masks, node, graph), data["attrs"]
    if data["op"] == "branch":
        return tuple(
            _joined(given[1:], first | second)
            for first, second in zip(dependence(attrs["then"]), dependence(attrs["other"]), strict=True)
        )
    loop = Loop.of(attrs)
    below = closed(loop)
    entering = [0, *given[loop.first :]]
    found = [
        _joined(entering, mask) | (entering[1 + place] if place < loop.carried else 0)
        for place, mask in enumerate(below)
    ]
    return (*found, 0) if loop.test is not None else tuple(found)


def _surely_through(masks: dict[int, int], node: int, graph: Graph, whole: bool) -> tuple[int, ...]:
    """What the results of a region in a body depend on whatever conditions turn out to be."""
    data = graph.data[node]
    given, attrs = _given(masks, node, graph), data["attrs"]
    if data["op"] == "branch":
        return tuple(
            _joined(given[1:], first) & _joined(given[1:], second)
            for first, second in zip(certain(attrs["then"], whole), certain(attrs["other"], whole), strict=True)
        )
    loop = Loop.of(attrs)
    some = runs(graph.data, node)
    entering = [0, *given[loop.first :]]
    found = []
    for place in range(len(loop.body.outputs)):
        live = backwards(loop, {place}, {place}, whole)
        sure = {at for at in range(1, len(entering)) if at in live.always or (some and at in live.first)}
        mask = 0
        for at in sure:
            mask |= entering[at]
        found.append(mask)
    return (*found, 0) if loop.test is not None else tuple(found)


def runs(data: Data, node: int) -> bool | None:
    """Whether a loop has an iteration, as far as that is known: its bounds may be constants."""
    loop = Loop.of(data[node]["attrs"])
    if loop.extent is not None and sizes.at_least(loop.extent, 1):
        return True
    if loop.test is not None:
        return None
    start, stop = (_value(data, bound) for bound in data[node]["operands"][:2])
    return None if start is None or stop is None else stop > start


def if_any(builder: Builder, node: int) -> int | None:
    """The condition under which a loop has an iteration; None where it is known to have one."""
    if runs(builder.data, node):
        return None
    loop, operands = Loop.of(builder.data[node]["attrs"]), builder.operands(node)
    if loop.test is None:
        return builder.apply("gt", operands[1], operands[0])
    count = builder.apply("get", node, attrs={"place": loop.results - 1})
    return builder.apply("gt", count, builder.constant(0, INT))


def _value(data: Data, node: int) -> float | int | bool | None:
    """The value of a constant, under names too."""
    while data[node]["op"] == "name":
        (node,) = data[node]["operands"]
    found: float | int | bool | None = data[node]["attrs"]["value"] if data[node]["op"] == "const" else None
    return found


@dataclass(frozen=True)
class Liveness:
    """In which iterations places of a loop's body have an influence, or are reached by one.

    Those in ``always`` are in every iteration and at both ends, those in ``sometimes`` at least in some, depending on
    the iteration or on conditions: these are carried. Of the others, inputs or results as it may be, those in ``first``
    certainly are in the first iteration, and those in ``each`` in every one.
    """

    always: frozenset[int]
    sometimes: frozenset[int]
    first: frozenset[int]
    each: frozenset[int]


def backwards(loop: Loop, sure: Collection[int], maybe: Collection[int], whole: bool = False) -> Liveness:
    """Which inputs of a loop's body have an influence on its results: on those in ``sure``, and on those in ``maybe``,
    which has the others, under a condition; if they are read as a ``whole`` where they have to be arrays.
    """
    carried = range(1, 1 + loop.carried)
    may, must = dependence(loop.body), certain(loop.body, whole)
    count = len(loop.body.inputs)

    def before(masks: Sequence[int], results: Iterable[int]) -> set[int]:
        mask = 0
        for result in results:
            mask |= masks[result]
        return {place for place in range(1, count) if mask >> place & 1}

    fixed = {result for result in sure if result >= loop.carried}
    start = {1 + result for result in sure if result < loop.carried}

    def step(places: Iterable[int]) -> set[int]:
        return before(must, fixed | {place - 1 for place in places})

    always = _kept(start, step)
    reach = set(maybe)
    while True:
        found = before(may, reach)
        more = {place - 1 for place in found if place in carried} - reach
        if not more:
            break
        reach |= more
    found |= {1 + result for result in reach if result < loop.carried}
    return Liveness(frozenset(always), frozenset(found - always), frozenset(step(start)), frozenset(step(always)))


def forwards(loop: Loop, sure: Collection[int], maybe: Collection[int]) -> Liveness:
    """Which carried inputs of a loop's body the inputs in ``sure`` reach, and those in ``maybe`` under a condition."""
    may, must = dependence(loop.body), certain(loop.body)
    carried = range(1, 1 + loop.carried)
    fixed = {place for place in sure if place not in carried}

    def step(places: Iterable[int]) -> set[int]:
        sources = fixed.union(places)
        return {place for place in carried if _meets(must[place - 1], sources)}

    always = _kept({place for place in sure if place in carried}, step)
    found = set(maybe)
    while more := {place for place in carried if place not in found and _meets(may[place - 1], found)}:
        found |= more
    first, each = (
        frozenset(place for place, mask in enumerate(must) if _meets(mask, fixed | reached))
        for reached in (fixed.union(sure), always)
    )
    return Liveness(frozenset(always), frozenset(found.intersection(carried) - always), first, each)


def _kept(start: set[int], step: Callable[[Iterable[int]], set[int]]) -> set[int]:
    """The largest part of ``start`` that a step leads to again."""
    kept = start
    while (fewer := kept & step(kept)) != kept:
        kept = fewer
    return kept


def reached_results(data: Mapping[str, Any], positions: Iterable[int]) -> set[int]:
    """The results of a region, by place, that depend on one of the operands at these positions."""
    attrs = data["attrs"]
    if data["op"] == "branch":
        mask = sum(1 << position - 1 for position in positions if position >= 1)
        masks = zip(dependence(attrs["then"]), dependence(attrs["other"]), strict=True)
        return {place for place, (then, other) in enumerate(masks) if (then | other) & mask}
    loop = Loop.of(attrs)
    places = {loop.input(position) for position in positions if position >= loop.first}
    mask = sum(1 << place for place in places)
    return {at for at, each in enumerate(closed(loop)) if each & mask or (at < loop.carried and 1 + at in places)}


def _joined(given: Sequence[int], mask: int) -> int:
    found = 0
    for place, each in enumerate(given):
        if mask >> place & 1:
            found |= each
    return found


def operands_of(graph: Graph, node: int, place: int) -> list[int]:
    """The positions of the operands of a region on which its result of that number depends smoothly."""
    data = graph.data[node]
    operands, attrs = data["operands"], data["attrs"]
    if data["op"] == "branch":
        first, entered = 1, 0
        mask = dependence(attrs["then"])[place] | dependence(attrs["other"])[place]
    else:
        loop = Loop.of(attrs)
        below = closed(loop)
        if place >= len(below):
            return []
        first, entered = loop.first, 1
        # What is carried is what it was at the start if there are no iterations.
        mask = below[place] | (1 << 1 + place if place < loop.carried else 0)
    positions = range(first, len(operands))
    return [at for at in positions if mask >> at - first + entered & 1 and graph.type(operands[at]).smooth]


def closed(loop: Loop) -> list[int]:
    """For each output of a loop's body the inputs that it depends on in this iteration or by way of earlier ones."""
    found = list(dependence(loop.body))
    changed = True
    while changed:
        changed = False
        for place, mask in enumerate(found):
            more = mask
            for carried in range(loop.carried):
                if mask >> (1 + carried) & 1:
                    more |= found[carried]
            if more != mask:
                found[place] = more
                changed = True
    return found


def active(loop: Loop, wanted: Collection[int]) -> set[int]:
    """The inputs of a loop's body that depend on the inputs ``wanted``, in some iteration; they are smooth."""
    body = loop.body
    masks = dependence(body)
    found = {place for place in wanted if body.type(body.inputs[place]).smooth}
    changed = True
    while changed:
        changed = False
        for carried in range(loop.carried):
            place = 1 + carried
            if place not in found and body.type(body.inputs[place]).smooth and _meets(masks[carried], found):
                found.add(place)
                changed = True
    return found


def useful(loop: Loop, wanted: Iterable[int]) -> set[int]:
    """The inputs of a loop's body on which one of the results ``wanted`` depends, in some iteration."""
    masks = dependence(loop.body)
    results = set(wanted)
    found: set[int] = {1 + place for place in results if place < loop.carried}
    while True:
        mask = 0
        for place in results:
            mask |= masks[place]
        more = {place for place in range(len(loop.body.inputs)) if mask >> place & 1} - found
        if not more:
            return found
        found |= more
        results |= {place - 1 for place in found if 1 <= place <= loop.carried}


def _meets(mask: int, places: Iterable[int]) -> bool:
    return any(mask >> place & 1 for place in places)


def collects(builder: Nodes, node: int, place: int) -> bool:
    """Whether a result of a region is an array to which each iteration of a loop gives a row."""
    if builder.op(node) == "branch":
        return False
    loop = Loop.of(builder.data[node]["attrs"])
    return loop.carried <= place < loop.carried + loop.collected


def reached(builder: Builder, node: int, position: int) -> Iterator[tuple[int, bool]]:
    """The conditions under which a region's results depend on the operand at a position at all."""
    data = builder.data[node]
    operands, attrs = data["operands"], data["attrs"]
    if data["op"] == "branch":
        then, other = (any(mask >> position - 1 & 1 for mask in dependence(attrs[key])) for key in ("then", "other"))
        if then != other:
            yield operands[0], then
        return
    loop = Loop.of(attrs)
    if position >= loop.first + loop.carried and (condition := if_any(builder, node)) is not None:
        yield condition, True
