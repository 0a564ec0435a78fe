"""Evaluates a graph in any number system: every node in full, on arrays of objects.

It is simple, shares nothing with the backends but the rows of the operators, and is what they are checked against. An
element that the program does not select may be any number: whoever evaluates has run the program before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradc.check.numbers import Numbers, Unsuitable, clock
from gradc.check.regions import REGIONS
from gradc.check.site import Run, Site, aligned, whole
from gradc.check.structural import structural
from gradc.ir import sizes as extents
from gradc.ir.graph import Graph, ancestors
from gradc.ir.region import Function
from gradc.ir.types import Type

Observer = Callable[[Graph, int, Sequence[Any], Any], None]
"""Called with each node that is computed, in a graph or a body, its operands and its value."""

_Step = tuple[int, Callable[..., Any], tuple[int, ...]]


class Evaluator:
    """Runs graphs without derivative requests in a number system, for given sizes.

    ``functions`` are those that ``call`` nodes name; the values that ``stops`` holds, in their order, are taken for
    those behind ``stop_gradient``, which a first run notes in ``stopped``. Raises ``Unsuitable`` where an operator has
    no evaluation in the system, a value is too large, or ``seconds`` are over. What is not marked as adjoint in a graph
    can have a system of its own, ``forward``, whose numbers must be of the same kind.

    The first run of a graph plans it; further ones take a fraction of the time.
    """

    def __init__(
        self,
        numbers: Numbers,
        sizes: Mapping[str, int],
        *,
        functions: Mapping[str, Function] | None = None,
        seconds: float | None = None,
        stops: Sequence[Any] | None = None,
        observe: Observer | None = None,
        forward: Numbers | None = None,
    ) -> None:
        self.numbers = numbers
        self.forward = forward or numbers
        self.sizes = sizes
        self.functions = functions or {}
        self.end: float | None = None
        self.within(seconds)
        self.stops = stops
        self.stopped: list[Any] = []
        self.observe = observe
        # Graphs that are planned must outlive their plans, which go by identity.
        self._runs: dict[tuple[int, tuple[int, ...]], tuple[Graph, Run]] = {}
        self._computed: dict[Any, Callable[..., Any]] = {}

    def restart(self, seed: int) -> None:
        """Draw other roundings from now on."""
        self.numbers.restart(seed)
        self.forward.restart(seed + 1)

    def within(self, seconds: float | None) -> None:
        """Stop so many seconds from now."""
        self.end = None if seconds is None else clock() + seconds

    def run(self, graph: Graph, inputs: Sequence[Any], nodes: Sequence[int] | None = None) -> list[Any]:
        """The outputs of a graph, or the values of nodes, for numbers and arrays of any system."""
        self.stopped = []
        given = [self._given(graph.type(node), value) for node, value in zip(graph.inputs, inputs, strict=True)]
        try:
            with np.errstate(all="ignore"):
                return self.body(graph, [node for _, node in graph.outputs] if nodes is None else nodes)(given)
        except (ArithmeticError, LookupError, ValueError) as problem:
            # Of what is not selected any number is taken, with which loops or matrices may have no result.
            raise Unsuitable("values") from problem

    def _given(self, type: Type, value: Any) -> Any:
        convert = self.numbers.given if type.real else int if type.dtype == "int" else bool
        if not type.shape:
            return convert(value)
        array = np.asarray(value)
        found = np.empty(array.shape, object)
        found.ravel()[:] = [convert(each) for each in array.ravel().tolist()]
        return found

    def body(self, graph: Graph, nodes: Sequence[int]) -> Run:
        """The function from inputs in this system to the values of nodes."""
        key = (id(graph), tuple(nodes))
        known = self._runs.get(key)
        if known is None:
            known = self._runs[key] = graph, self._planned(graph, list(nodes))
        return known[1]

    def _planned(self, graph: Graph, nodes: list[int]) -> Run:
        """What is computed for some nodes, in order, each by a function of its operands."""
        needed = ancestors(graph.data, nodes)
        given = [(at, node) for at, node in enumerate(graph.inputs) if node in needed]
        self.check()
        steps: list[_Step] = []
        for node in sorted(needed.difference(graph.inputs)):
            steps.append((node, self._computing(graph, node), graph.operands(node)))
            if not len(steps) % 1000:
                self.check()

        def run(inputs: Sequence[Any]) -> list[Any]:
            self.check()
            observe = self.observe
            values: dict[int, Any] = {node: inputs[at] for at, node in given}
            for node, compute, operands in steps:
                values[node] = compute(*[values[operand] for operand in operands])
                if observe is not None:
                    observe(graph, node, [values[operand] for operand in operands], values[node])
            return [values[node] for node in nodes]

        return run

    def check(self) -> None:
        """Stop if the time is over."""
        if self.end is not None and clock() > self.end:
            raise Unsuitable("time")

    def _computing(self, graph: Graph, node: int) -> Callable[..., Any]:
        """The function of its operands that a node is."""
        numbers = self.numbers if graph.adjoint_of(node) is not None else self.forward
        data = graph.data[node]
        op, type = data["op"], data["type"]
        row = graph.ops[op]
        if row.elementwise and op not in ("name", "stop_gradient"):
            dtypes = tuple([graph.type(operand).dtype for operand in data["operands"]])
            compute = self._function(numbers, graph, node, op, type.dtype, dtypes)
            return compute if type.scalar else _elements(Site(self, numbers, graph, node), compute)
        if op == "name":
            return lambda value: value
        if op == "stop_gradient":
            return self._stop
        site = Site(self, numbers, graph, node)
        if op == "const":
            one = numbers.given(site.attrs["value"]) if type.real else site.attrs["value"]
            constant = np.full(self.shape(type.shape), one, object) if type.shape else one
            return lambda: constant
        if op == "size":
            size = extents.evaluate(site.attrs["size"], self.sizes)
            return lambda: size
        if op == "index":
            numbered = np.arange(extents.evaluate(type.free[0].extent, self.sizes)).astype(object)
            return lambda: numbered
        if op == "call":
            return self._call(site)
        if row.kind == "region":
            return REGIONS[op](site)
        if row.kind == "structural":
            return structural(site)
        raise Unsuitable(op)

    def shape(self, dims: Any) -> tuple[int, ...]:
        """Extents as numbers."""
        return tuple([extents.evaluate(dim, self.sizes) for dim in dims])

    def _function(
        self, numbers: Numbers, graph: Graph, node: int, op: str, dtype: str, dtypes: tuple[str, ...]
    ) -> Callable[..., Any]:
        attrs = graph.attrs(node)
        key = (id(numbers), id(graph.ops), op, dtype, dtypes, tuple(sorted(attrs.items())) if attrs else ())
        if key not in self._computed:
            self._computed[key] = numbers.function(graph.ops[op], dtype, dtypes, attrs)
        return self._computed[key]

    def _stop(self, value: Any) -> Any:
        if self.stops is not None:
            at = len(self.stopped)
            if at >= len(self.stops) or np.shape(self.stops[at]) != np.shape(value):
                raise Unsuitable("another course of the program")
            value = self.stops[at]
        real = self.numbers.real
        if isinstance(value, np.ndarray):
            first = value.ravel()[0] if value.size else 0
            if not isinstance(first, (int, bool)):
                value = np.frompyfunc(lambda x: self.numbers.given(real(x)), 1, 1)(value)
        elif not isinstance(value, (int, bool)):
            value = self.numbers.given(real(value))
        self.stopped.append(value)
        return value

    def _call(self, site: Site) -> Callable[..., Any]:
        body = self.functions[site.attrs["function"]].body

        def run(*given: Any) -> Any:
            computed = self.body(body, [body.outputs[0][1]])
            if site.type.scalar:
                return computed(given)[0]
            each = [
                np.broadcast_to(aligned(value, type.free, site.type.free), site.shape)
                for value, type in zip(given, site.types, strict=True)
            ]
            # Called on arrays, a function acts on each element.
            found = np.empty(site.shape, object)
            for place in np.ndindex(*site.shape):
                found[place] = computed([array[place] for array in each])[0]
            return found

        return run


def _elements(site: Site, compute: Callable[..., Any]) -> Callable[..., Any]:
    """An operator on the elements of arrays and of families."""
    function = np.frompyfunc(compute, len(site.types), 1)
    free = site.type.free
    plain = all(type.free == free for type in site.types)

    def run(*given: Any) -> Any:
        shape = site.room(site.shape)
        if 0 in shape:
            return np.empty(shape, object)
        if not plain:
            given = tuple([aligned(value, type.free, free) for value, type in zip(given, site.types, strict=True)])
        return whole(function(*given), shape)

    return run
