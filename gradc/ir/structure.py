"""What tells one body of a region from another: equal bodies, wherever they were written, have equal digests."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any
from weakref import WeakKeyDictionary

from gradc.ir.graph import Graph, bodies
from gradc.ir.types import Index, Type, single

_KNOWN: WeakKeyDictionary[Graph, bytes] = WeakKeyDictionary()


def structure(graph: Graph) -> bytes:
    """A digest of all that a body computes and gives a name to.

    What its operands and outputs are called does not count, nor do the numbers in the names of indices, places in the
    source and the marks of differentiation. Linear in the graph and the bodies in it, once.
    """
    stack = [graph]
    while stack:
        current = stack[-1]
        waiting = [] if current in _KNOWN else [body for body in bodies(current) if body not in _KNOWN]
        if waiting:
            stack += waiting
            continue
        stack.pop()
        if current not in _KNOWN:
            _KNOWN[current] = _digest(current)
    return _KNOWN[graph]


def _digest(graph: Graph) -> bytes:
    indices: dict[str, int] = {}

    def called(index: Index) -> tuple[int, str]:
        return indices.setdefault(index.name, len(indices)), str(index.extent)

    found = blake2b(digest_size=16)
    for data in graph.data.values():
        attrs = [(key, _exact(value, called)) for key, value in sorted(data.get("attrs", {}).items())]
        name = data.get("name") if data["op"] == "name" else None
        known = (data["op"], data["operands"], attrs, _type(data["type"], called), name)
        found.update(repr(known).encode())
    required = [(each.relation, each.left, each.right) for each in graph.constraints]
    tables = (graph.inputs, [node for _, node in graph.outputs], sorted(graph.names.items()), required)
    found.update(repr(tables).encode())
    return found.digest()


def _type(type: Type, called: Callable[[Index], Any]) -> Any:
    return (str(single(type)), sorted(map(called, type.free))) if type.free else str(type)


def _exact(value: Any, called: Callable[[Index], Any]) -> Any:
    """A key of an attribute's value that tells 0.0 from -0.0 and 1 from True."""
    if isinstance(value, Graph):
        return "body", _KNOWN[value]
    if isinstance(value, Index):
        return "index", called(value)
    if isinstance(value, tuple):
        return [_exact(item, called) for item in value]
    return value.__class__.__name__, repr(value)
