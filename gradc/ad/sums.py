"""Loops that add to what they carry, or write its elements, and read nothing of it: sums over a family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import numpy as np

from gradc.ad.filling import graph_parts, written
from gradc.ad.reach import Array
from gradc.ad.spread import Spread
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.types import Index
from gradc.ops import build
from gradc.ops.structure import parts as parts_of


def chains(
    body: Graph, order: Sequence[int], carried: Iterable[int], outputs: Iterable[int]
) -> dict[int, list[int]] | None:
    """For each carried input of a body the nodes that add to it, the last one first; None if one is read elsewhere.

    ``order`` has the nodes of the body that count, ``outputs`` its outputs that do, by place.
    """
    uses: dict[int, int] = {}
    read = [operand for node in order for operand in body.operands(node)]
    for each in [*read, *(body.outputs[place][1] for place in outputs)]:
        uses[each] = uses.get(each, 0) + 1
    found: dict[int, list[int]] = {}
    for place in carried:
        node, target = body.outputs[place - 1][1], body.inputs[place]
        within = {target}
        for each in order:
            if body.op(each) in ("name", "add", "accumulate", "put") and any(o in within for o in body.operands(each)):
                within.add(each)
        chain: list[int] = []
        while node != target:
            below = [operand for operand in body.operands(node) if operand in within]
            if node not in within or uses.get(node) != 1 or len(below) != 1:
                return None
            if body.op(node) in ("accumulate", "put") and body.operands(node)[0] != below[0]:
                return None
            chain.append(node)
            node = below[0]
        kinds = {body.op(each) for each in chain} - {"name"}
        if uses.get(target) != 1 or ("put" in kinds and len(kinds) > 1):
            return None
        found[place] = chain
    return found


def summed(
    builder: Builder, made: Mapping[int, int], body: Graph, place: int, chain: Sequence[int], number: Index
) -> int:
    """What is carried at the end of all iterations: what it was at the start and what each has added."""
    node = made[body.inputs[place]]
    before = body.inputs[place]
    for each in reversed(chain):
        operands, op = body.operands(each), body.op(each)
        if op == "add":
            (other,) = [operand for operand in operands if operand != before]
            node = builder.apply("add", node, build.total(builder, made[other], [number]))
        elif op in ("accumulate", "put"):
            attrs = dict(body.attrs(each)) if op == "accumulate" else {"parts": ((body.attrs(each)["items"], ()),)}
            given = [made[operand] for operand in operands[1:]]
            listed = []
            for at, items, over, places in parts_of(attrs):
                free = [index for which in (at, *places) for index in builder.type(given[which]).free]
                listed.append((items, (*over, number) if number in free else over))
            node = builder.apply("accumulate", node, *given, attrs={**attrs, "parts": tuple(listed)})
        before = each
    return node


def writes(frame: Spread, node: int) -> Array | None:
    """How often each element of what is carried is written by a chain of changes; None where is not known."""
    found: list[Array] = []
    while frame.graph.op(node) == "accumulate":
        counts = written(frame, node, graph_parts(frame, node))
        if counts is None:
            return None
        found.append(counts)
        node = frame.graph.operands(node)[0]
    return reduce(np.add, found)
