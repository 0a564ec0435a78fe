"""What the results of a region depend on, as far as derivatives are concerned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from gradc.ad.flow import differentiable
from gradc.ir import sizes
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.region import Loop
from gradc.ir.types import INT

REGIONS: Final = frozenset({"for", "while", "branch"})
"""The operators that have bodies which differentiation looks into."""

# By the identity of a body, which never changes.
_known: WeakKeyDictionary[Graph, tuple[int, ...]] = WeakKeyDictionary()


def dependence(body: Graph) -> tuple[int, ...]:
    """For each output of a body the inputs that it depends on smoothly: bit k stands for the input of that number."""
    found = _known.get(body)
    if found is None:
        masks: dict[int, int] = {node: 1 << place for place, node in enumerate(body.inputs)}
        inner: dict[int, tuple[int, ...]] = {}
        for node, data in body.data.items():
            if node in masks:
                continue
            op = data["op"]
            if op in REGIONS:
                inner[node] = _through(masks, node, body)
                masks[node] = 0
            elif op == "get":
                masks[node] = inner[data["operands"][0]][data["attrs"]["place"]]
            else:
                mask = 0
                for _, operand in differentiable(body.data, node):
                    mask |= masks[operand]
                masks[node] = mask
        found = _known[body] = tuple(masks[node] for _, node in body.outputs)
    return found


def _through(masks: dict[int, int], node: int, graph: Graph) -> tuple[int, ...]:
    """The masks of the results of a region in a body."""
    data = graph.data[node]
    operands, attrs = data["operands"], data["attrs"]
    smooth = [graph.type(operand).smooth for operand in operands]
    given = [masks[operand] if one else 0 for operand, one in zip(operands, smooth, strict=True)]
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


def sometimes(steps: Mapping[int, Collection[int]], start: Collection[int], fixed: Collection[int]) -> set[int]:
    """The places that are not reached in every iteration, but in some.

    In one iteration a place is reached if one of those in ``steps`` of it was in the iteration before; those in
    ``fixed`` always are, those in ``start`` at the beginning.
    """
    now = frozenset(start)
    seen: list[frozenset[int]] = []
    while now not in seen:
        seen.append(now)
        now = frozenset(place for place, sources in steps.items() if any(s in now or s in fixed for s in sources))
    always = frozenset.intersection(*seen, now)
    return set().union(*seen, now) - always


def _meets(mask: int, places: Iterable[int]) -> bool:
    return any(mask >> place & 1 for place in places)


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
    if position < loop.first + loop.carried:
        return
    if loop.extent is not None and sizes.at_least(loop.extent, 1):
        return
    if loop.test is None:
        yield builder.apply("gt", operands[1], operands[0]), True
    else:
        count = builder.apply("get", node, attrs={"place": loop.results - 1})
        yield builder.apply("gt", count, builder.constant(0, INT)), True
