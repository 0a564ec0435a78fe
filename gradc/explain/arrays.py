"""Explanations in which there are arrays: by one element or by all of them.

A local gradient is a linear map there, and what a path contributes is what becomes of 1 on its way back along it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from gradc.backends.blocks import is_tape
from gradc.backends.expression import Printer
from gradc.backends.notation import shape
from gradc.explain import algebra
from gradc.explain.contributions import Contributions
from gradc.explain.elements import Element
from gradc.explain.explainer import Explainer
from gradc.explain.explanation import LocalGradient, Order, Path, Row
from gradc.explain.gains import gains, length
from gradc.explain.known import Known
from gradc.explain.paths import Edge, Level, Weight
from gradc.explain.through import summed
from gradc.ir.builder import NodeLimit
from gradc.ir.graph import Graph
from gradc.ir.sizes import Dim
from gradc.limits import too_many_nodes

if TYPE_CHECKING:
    from gradc.model import Model

# Of so many paths the contributions are computed, to list the largest ones; and the steps that they may have together.
_RANKED: Final = 64
_STEPS: Final = 4_000
_FORMULA: Final = 200


class _Traced(NamedTuple):
    """The graph with contributions, the adjoints of the nodes on the way, and what each path contributes."""

    graph: Graph
    flow: Mapping[int, int]
    paths: Mapping[tuple[int, ...], int | None]


class ArrayExplainer(Explainer):
    """Explains the derivative by an array, or by the ``part`` of it; also by a number, where there are arrays between
    it and the value.
    """

    def __init__(self, model: Model, of: str, wrt: str, level: Level, part: Element | None) -> None:
        super().__init__(model, of, wrt, level)
        self.part = part
        self.sizes: Mapping[str, int] = {}
        # By what paths rank that are too many to compute what each contributes.
        self.weights: list[Weight] | None = None
        type = model.graph.type(self.v)
        if part is not None:
            part.shape(type.shape)
        # Where all is single numbers, the products along the paths are those of numbers.
        self.arrays = self.net.arrays or bool(type.shape)

    @cached_property
    def ways(self) -> list[tuple[int, ...]]:
        """The paths whose contributions are computed: all, or those that are estimated to contribute most."""
        return [tuple(way) for way in self.net.best(self.top, self.bottom, _RANKED, self.weights)]

    @property
    def called_wrt(self) -> str:
        """What is differentiated by, as the caller names it."""
        return self.wrt if self.part is None else self.part.text

    # Numbers -------------------------------------------------------------------------------------------------------

    @cached_property
    def traced(self) -> _Traced:
        """What flows back along the paths."""
        limits = self.model.options.limits
        try:
            made = Contributions(self.net, self.top, self.bottom, limits)
            flow = made.flow()
            paths = {}
            steps = 0
            for way in self.ways:
                steps += len(way)
                if steps <= _STEPS:
                    paths[way] = made.path(way)
        except NodeLimit:
            raise too_many_nodes(limits.expanded_nodes) from None
        return _Traced(made.finish(), flow, paths)

    def _evaluate(self, inputs: Known) -> None:
        if not self.arrays:
            super()._evaluate(inputs)
            return
        self.sizes = inputs.sizes
        if self.net.count(self.top, self.bottom) > _RANKED:
            limits = self.model.options.limits
            self.weights = gains(self.net, self.top, self.bottom, inputs, limits, self._chosen)
        traced = self.traced
        skipped = {edge.gradient for edge in self.net.edges if edge.kind in ("map", "moved")}
        skipped |= {node for node in traced.graph if is_tape(traced.graph.data, node)}
        wanted = {node for node in self._wanted() if node not in skipped and inputs.modest(traced.graph, node)}
        wanted |= {node for node in traced.paths.values() if node is not None}
        wanted |= {node for name, node in traced.flow.items() if name in self.net.names}
        due = {self.top}
        if self.bottom in traced.flow:
            due.add(traced.flow[self.bottom])
        order = sorted(wanted | due)
        found = inputs.values(traced.graph, order, self.model.options.limits, due)
        self.numbers = {node: value for node, value in zip(order, found, strict=True) if value is not None}

    def _wanted(self) -> list[int]:
        # What has free indices is shown by its formula alone.
        return [node for node in super()._wanted() if not self.net.graph.type(node).free]

    def _whole(self, node: int | None) -> Any:
        """A contribution as an array or a number; 0 for none."""
        if node is None:
            type = self.model.graph.type(self.v)
            dims = [_number(dim, self.sizes) for dim in type.shape]
            return np.zeros(dims) if dims else 0.0
        return self.numbers.get(node)

    def _chosen(self, value: Any) -> Any:
        if self.part is None or value is None or not isinstance(value, np.ndarray):
            return value
        return self.part.of(value, self.sizes)

    def _sum(self) -> Any:
        if not self.arrays:
            return super()._sum()
        return self._chosen(self._whole(self.traced.flow.get(self.bottom))) if self.numbers else None

    def _before(self) -> Any:
        return self._chosen(super()._before())

    def _shape(self) -> tuple[str, ...]:
        dims = self.model.graph.type(self.v).shape
        return self._dims(dims if self.part is None else self.part.shape(dims))

    def _dims(self, dims: Sequence[Dim]) -> tuple[str, ...]:
        return tuple(str(_number(dim, self.sizes)) for dim in dims)

    def _scale(self, found: Any, gradient: Any) -> float:
        if not self.arrays:
            return super()._scale(found, gradient)
        # Adjoints by the values that they meet.
        adjoints = [_largest(self.numbers.get(node)) for node in self.traced.flow.values()]
        meeting = [
            _largest(self.numbers.get(self.net.number[n])) for n in self.model.graph.names.values() if n in self.cone
        ]
        return max(_largest(gradient), _largest(found), max(adjoints, default=0.0) * max([1.0, *meeting]))

    # Texts ---------------------------------------------------------------------------------------------------------

    def _row(self, node: int) -> Row:
        row = super()._row(node)
        return Row(row.name, row.formula, row.value, self._dims(self.net.graph.type(node).shape))

    def _listed(self, total: int, count: int) -> tuple[list[Path], Order]:
        if not self.arrays:
            return super()._listed(total, count)
        if not self.numbers or (total > len(self.ways) and self.weights is None):
            return [self._contribution(way) for way in self.ways[:count]], "first"
        products = {way: self._product(way) for way in self.ways}
        # NaN comes first, as it decides the sum; what is not computed comes last.
        ways = sorted(products, key=lambda way: 1.0 if products[way] is None else -length(products[way]))
        exact = total == len(ways) and all(product is not None for product in products.values())
        return [self._contribution(way) for way in ways[:count]], "largest" if exact else "estimated"

    def _product(self, way: tuple[int, ...]) -> Any:
        """What a path contributes, where that is computed."""
        traced = self.traced
        return self._chosen(self._whole(traced.paths[way])) if self.numbers and way in traced.paths else None

    def _contribution(self, way: tuple[int, ...]) -> Path:
        edges = self.net.edges
        names = tuple(self._name(node) for node in (self.bottom, *(edges[index].target for index in way)))
        traced = self.traced
        if way not in traced.paths:
            return Path(names, None, (), (), None)
        node, product = traced.paths[way], self._product(way)
        if any(self.through.edge(edges[index]) for index in way):
            texts = [[self._factor(edges[index])[at] for index in way] for at in (0, 1)]
            source, shown = self._parted((summed([texts[0]], 1), summed([texts[1]], 1)))
            if any(self.net.graph.type(edges[index].target).free for index in way):
                # Summed over indices on the way, which factors do not say.
                regions = [index for index in way if self.through.edge(edges[index])]
                source = shown = self.through.words(edges[regions[-1]].target, {})
        else:
            source, shown = self._along(node)
        return Path(names, None, (source,), (shown,), product, self.cut.isdisjoint(way))

    def _along(self, node: int | None) -> tuple[str, str]:
        """What a path contributes, as source and for people."""
        if node is None:
            return "0", "0"
        graph, net = self.traced.graph, self.net
        found = algebra.shortest(graph, node, net.atoms, same=net.standins, limit=_FORMULA)
        if found is None:
            plain, pretty = (Printer(graph, pretty=each, atoms=net.atoms) for each in (False, True))
            found = plain.text(node, limit=_FORMULA), pretty.text(node, limit=_FORMULA)
        return self._parted(found)

    def _parted(self, texts: tuple[str, str]) -> tuple[str, str]:
        """The texts of the part that is asked for."""
        if self.part is None or texts[0] in ("0", "1"):
            return texts
        items = self.part.text[self.part.text.index("[") :]
        plain, pretty = (text if _simple(text) else f"({text})" for text in texts)
        return plain + items, pretty + items

    def _gradient(self) -> tuple[str, str]:
        return self._parted(super()._gradient())

    def _local(self, index: int, edge: Edge) -> LocalGradient:
        if edge.kind == "factor":
            return super()._local(index, edge)
        net = self.net
        through = self.through.words(edge.target, self.numbers) if self.through.edge(edge) else ""
        source, shown = (through, through) if through else self._texts(edge.gradient, net.atoms)
        dims = self._dims(net.graph.type(edge.source).shape)
        value = None
        if edge.kind == "map":
            dims = (*self._dims(net.graph.type(edge.target).shape), *dims)
        elif edge.kind == "elements" and edge.gradient is not None:
            value = self.numbers.get(edge.gradient)
        elif edge.kind == "moved":
            dims = ()
        names = self._name(edge.target), self._name(edge.source)
        idle = self._idle(index)
        return LocalGradient(*names, source, shown, source, shown, value, not idle, idle, edge.kind, dims, through)

    @cached_property
    def factors(self) -> list[float]:
        """The local gradients that are single numbers; NaN stands for others, and for one that has no value."""
        return [
            0.0
            if edge.gradient is None
            else float(self.numbers.get(edge.gradient, "nan"))
            if edge.kind == "factor"
            else float("nan")
            for edge in self.net.edges
        ]


def _number(dim: Dim, sizes: Mapping[str, int]) -> Any:
    text = shape([dim], sizes)
    return int(text[1:-1]) if text[1:-1].isdecimal() else text[1:-1]


def _largest(value: Any) -> float:
    """The largest finite size in a value."""
    if value is None:
        return 0.0
    sizes = np.abs(np.asarray(value, np.float64)).ravel()
    sizes = sizes[np.isfinite(sizes)]
    return float(sizes.max()) if sizes.size else 0.0


def _simple(text: str) -> bool:
    """Whether an index can stand behind a text as it is: it is a name, a table or a call."""
    if text.replace("_", "").isalnum():
        return True
    depth = 0
    for at, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if depth == 0 and at < len(text) - 1 and not (char.isalnum() or char in "_."):
            return False
    return text[-1:] in (")", "]")


__all__ = ["ArrayExplainer"]
