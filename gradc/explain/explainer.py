"""Makes explanations: reads the network of local gradients between two names, evaluates it, and writes the formulas."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gradc.backends.expression import Printer
from gradc.explain import algebra
from gradc.explain.explanation import Explanation, LocalGradient, Order, Path, Row
from gradc.explain.known import Known, known
from gradc.explain.paths import Edge, Level, Network, network, weight
from gradc.explain.renamed import Renamed
from gradc.explain.through import FEW, Through, quotient, summed
from gradc.ir.graph import Graph, ancestors
from gradc.ops.precedence import CONDITIONAL

if TYPE_CHECKING:
    from gradc.model import Model

SHOWN: Final = 10
"""How many paths are listed unless told otherwise."""
ROWS: Final = 200
"""How many values and local gradients are listed; those beyond are counted."""
# The longest formula that is written out, in characters, and the longest for the whole derivative.
_FORMULA: Final = 200
_WHOLE: Final = 1_000


class Explainer:
    """Explains the derivative of one number by another."""

    def __init__(self, model: Model, of: str, wrt: str, level: Level) -> None:
        self.model = model
        self.of, self.wrt, self.level = of, wrt, level
        graph = model.graph
        self.y, self.v = model.node(of), model.node(wrt)
        self.net: Network = network(graph, [self.y], [self.v], level, model.options.limits, whole=True)
        self.top, self.bottom = self.net.of[0], self.net.wrt[0]
        self.through = Through(self.net)
        self.data = self.net.graph.data
        self.members = set(self.net.nodes)
        self.cone = ancestors(graph.data, [self.y])
        self.numbers: dict[int, Any] = {}
        # An optimised graph knows names of values that are no name nodes: here they are.
        self.called = {
            at: {"op": "name", "operands": (), "name": name, "type": self.data[at]["type"]}
            for name, node in graph.names.items()
            if self.data[at := self.net.number[node]]["op"] not in ("name", "input")
        }
        self.named = Renamed(self.net.graph, self.called)

    def explain(self, values: Mapping[str, Any] | None, count: int, lr: float | None) -> Explanation:
        """The explanation, with at most ``count`` paths and one step of descent where a rate ``lr`` is given."""
        found = known(self.model, values, self.cone)
        if found is not None:
            self._evaluate(found)
        net = self.net
        total = net.count(self.top, self.bottom)
        gradient = self._sum()
        listed, order = self._listed(total, count)
        adjoint, agrees, rewritten = self._compiled(found, gradient)
        source, shown = self._gradient()
        forward = self._forward()
        before = self._before()
        step = None
        if lr is not None and gradient is not None and before is not None:
            step = {"before": before, "lr": lr, "after": before - lr * (adjoint if rewritten else gradient)}
        return Explanation(
            of=self.of,
            wrt=self.called_wrt,
            level=self.level,
            inputs=self._named(lambda node: self.model.graph.op(node) == "input"),
            values=self._named(lambda node: True),
            value=self.numbers.get(self.top),
            sum=gradient,
            adjoint=adjoint,
            agrees=agrees,
            expression=source,
            formula=shown,
            path_count=total,
            paths=tuple(listed),
            forward=tuple(self._row(node) for node in forward[:ROWS]),
            local_gradients=tuple(self._local(i, edge) for i, edge in enumerate(net.edges[:ROWS])),
            step=step,
            omitted=(max(0, len(forward) - ROWS), max(0, len(net.edges) - ROWS)),
            shape=self._shape(),
            order=order,
            rewritten=rewritten,
        )

    @property
    def called_wrt(self) -> str:
        """What is differentiated by, as the caller names it."""
        return self.wrt

    def _shape(self) -> tuple[str, ...]:
        """The shape of the derivative."""
        return ()

    def _before(self) -> Any:
        """The value of what is differentiated by."""
        return self.numbers.get(self.bottom)

    def _sum(self) -> Any:
        """The sum over all paths."""
        return self._flow(self.factors) if self.numbers else None

    def _listed(self, total: int, count: int) -> tuple[list[Path], Order]:
        """The paths that are listed, and which these are."""
        valued = bool(self.numbers)
        weights = [weight(f, i in self.cut) for i, f in enumerate(self.factors)] if valued else None
        return [
            self._path(path) for path in self.net.best(self.top, self.bottom, count, weights)
        ], "largest" if valued else "first"

    # Numbers -------------------------------------------------------------------------------------------------------

    def _evaluate(self, inputs: Known) -> None:
        wanted = self._wanted()
        found = inputs.values(self.net.graph, wanted, self.model.options.limits, {self.top})
        self.numbers = {node: value for node, value in zip(wanted, found, strict=True) if value is not None}

    def _wanted(self) -> list[int]:
        """The nodes whose values are shown or needed for what is shown."""
        net = self.net
        named = [net.number[node] for node in self.model.graph.names.values() if node in self.cone]
        gradients = [edge.gradient for edge in net.edges if edge.gradient is not None]
        tests = [edge.live for edge in net.edges if edge.live is not None]
        return sorted({self.top, self.bottom, *self.members, *named, *gradients, *tests, *self.through.wanted()})

    @cached_property
    def cut(self) -> frozenset[int]:
        """The edges along which nothing flows: no derivative, or no influence here."""
        return frozenset(
            index
            for index, edge in enumerate(self.net.edges)
            if edge.gradient is None or (edge.live is not None and not self.numbers.get(edge.live, not self.numbers))
        )

    @cached_property
    def factors(self) -> list[float]:
        """The local gradient of every edge, where values are known; NaN for one that has none."""
        return [0.0 if e.gradient is None else float(self.numbers.get(e.gradient, math.nan)) for e in self.net.edges]

    def _flow(self, factors: Sequence[float]) -> float:
        return self.net.flow(self.top, factors, self.cut).get(self.bottom, 0.0)

    def _compiled(self, inputs: Known | None, gradient: Any) -> tuple[Any, bool | None, bool]:
        """The derivative as the compiled program computes it, and whether it is the sum over the paths; if it is not,
        whether that is so because of rewrite rules.
        """
        if inputs is None or gradient is None:
            return None, None, False
        found = self._chosen(self.model.grad([self.of], [self.wrt])._plan(inputs.sizes).run(inputs.inputs)[0])
        found = found.item() if isinstance(found, np.generic) else found
        if self._equal(found, gradient):
            return found, True, False
        node = self.net.gradients.get((self.top, self.bottom))
        if node is None:
            return found, False, False
        (written,) = inputs.values(self.net.graph, [node], self.model.options.limits)
        return found, False, self._equal(self._chosen(written), gradient)

    def _chosen(self, value: Any) -> Any:
        """The part that is asked for."""
        return value

    def _equal(self, found: Any, gradient: Any) -> bool:
        """Whether two derivatives are equal within rounding, NaN and NaN too."""
        first, second = np.asarray(found, np.float64), np.asarray(gradient, np.float64)
        tolerance = (1e-4 if self.model.options.dtype == "f32" else 1e-9) * self._scale(found, gradient)
        with np.errstate(invalid="ignore"):
            near = np.isfinite(first) & np.isfinite(second) & (np.abs(first - second) <= tolerance)
            return bool(((first == second) | (np.isnan(first) & np.isnan(second)) | near).all())

    def _scale(self, found: Any, gradient: Any) -> float:
        """Rounding is relative to what is added, not to what is left of it: the size of that."""
        return max(self._flow([abs(factor) for factor in self.factors]), float(abs(found)))

    # Texts ---------------------------------------------------------------------------------------------------------

    def _named(self, wanted: Any) -> dict[str, Any]:
        graph = self.model.graph
        found = {}
        for node, name in sorted({node: name for name, node in reversed(list(graph.names.items()))}.items()):
            if node in self.cone and wanted(node):
                found[graph.name(node) or name] = self.numbers.get(self.net.number[node])
        return found

    def _name(self, node: int) -> str:
        """What a node is called: its name, or its expression."""
        entry = self.named.data[node]
        if entry["op"] in ("name", "input"):
            return str(entry["name"])
        if entry["op"] == "get":
            return self._result(node)
        return Printer(self.named, pretty=True, atoms=self.net.atoms).text(node, limit=40)

    def _forward(self) -> list[int]:
        """The values on the way that are computed."""
        return [node for node in self.net.nodes if self.data[node]["op"] not in ("input", "const")]

    def _row(self, node: int) -> Row:
        return Row(self._name(node), self._statement(node), self.numbers.get(node))

    def _result(self, node: int) -> str:
        """What the result of a loop or a branch is called."""
        return Printer(self.named, pretty=True, atoms=self.net.atoms).joined([(node, CONDITIONAL, False)])

    def _statement(self, node: int) -> str:
        """What a value is computed by, as it is written; derivatives in it are those that the program asks for."""
        written = self.model.graph
        value = self.data[node]["operands"][0] if self.data[node]["op"] == "name" else node
        if self.data[value]["op"] == "get":
            if self.level == "ops" and value != node:
                return self._name(value)
            # What gives several results is written out for the first of them.
            first = self._told.setdefault(self.data[value]["operands"][0], node)
            if first != node:
                return f"the same {'block' if self.data[self.data[value]['operands'][0]]['op'] == 'branch' else 'loop'}"
        origin = self._origins.get(node)
        if origin is not None:
            return Printer(written, pretty=True).text(origin, through=(origin,), limit=_FORMULA)
        others = {at: entry for at, entry in self.called.items() if at != node} if self.called else {}
        printer = Printer(Renamed(self.net.graph, others), pretty=True, atoms=self.net.atoms)
        return printer.text(node, through=(node,), limit=_FORMULA)

    @cached_property
    def _told(self) -> dict[int, int]:
        """The regions that have been written out, each for which of its results."""
        return {}

    @cached_property
    def _origins(self) -> dict[int, int]:
        """The name nodes of the graph as written by what has become of them."""
        graph = self.model.graph
        return {self.net.number[node]: node for node in graph.names.values() if graph.op(node) == "name"}

    def _path(self, edges: Sequence[int]) -> Path:
        net = self.net
        nodes = (self.bottom, *(net.edges[index].target for index in edges))
        names = tuple(self._name(node) for node in nodes)
        if self.numbers:
            factors = tuple(self.factors[index] for index in edges)
            live = self.cut.isdisjoint(edges)
            return Path(names, factors, (), (), math.prod(factors, start=1.0) if live else 0.0, live)
        texts = [self._factor(net.edges[index]) for index in edges[:ROWS]]
        return Path(names, None, tuple(source for source, _ in texts), tuple(shown for _, shown in texts), None)

    def _factor(self, edge: Edge) -> tuple[str, str]:
        """A local gradient as a factor: one through a loop by what it is the derivative of."""
        if self.through.edge(edge):
            if (edge.source, edge.target) == (self.bottom, self.top):
                text = f"({self.through.words(edge.target, self.numbers)})"
            else:
                text = f"∂{quotient(self._name(edge.target))}/∂{quotient(self._name(edge.source))}"
            return text, text
        return self._texts(edge.gradient, self.net.atoms)

    def _in_words(self, index: int, edge: Edge) -> LocalGradient:
        """A local gradient through a loop or a branch."""
        words = self.through.words(edge.target, self.numbers)
        names = self._name(edge.target), self._name(edge.source)
        value, idle = self._number(edge), self._idle(index)
        return LocalGradient(*names, words, words, words, words, value, not idle, idle, through=words)

    def _number(self, edge: Edge) -> Any:
        """The value of a local gradient; None where it has none."""
        if not self.numbers:
            return None
        return 0.0 if edge.gradient is None else self.numbers.get(edge.gradient)

    def _idle(self, index: int) -> str:
        """Why nothing flows along an edge; empty where something does, or where a formula says so already."""
        edge = self.net.edges[index]
        if edge.live is None or edge.gradient is None or index not in self.cut:
            return ""
        # A condition that is made of single ones is that of a branch.
        stack = [edge.live]
        while stack:
            node = stack.pop()
            if self.data[node]["op"] in ("any", "get"):
                return "no influence"
            if self.data[node]["op"] in ("and", "or", "not"):
                stack += self.data[node]["operands"]
        return "no influence" if edge.via else "branch not taken"

    def _local(self, index: int, edge: Edge) -> LocalGradient:
        net = self.net
        if self.through.edge(edge):
            return self._in_words(index, edge)
        source, shown = self._texts(edge.gradient, net.atoms)
        value, idle = self._number(edge), self._idle(index)
        if edge.gradient is not None and value is not None and not idle and not math.isfinite(value):
            # School algebra would cancel the very quotient that makes it infinite or NaN.
            source, shown = self._written(edge.gradient, net.atoms)
        in_wrt = source, shown
        if not self.through.passes(edge.gradient, self._atoms_in_wrt):
            in_wrt = self._texts(edge.gradient, self._atoms_in_wrt)
        return LocalGradient(
            self._name(edge.target), self._name(edge.source), source, shown, *in_wrt, value, not idle, idle
        )

    @cached_property
    def _atoms_in_wrt(self) -> frozenset[int]:
        """Where formulas in terms of what is differentiated by stop: the names on the way are written out."""
        net = self.net
        fixed = net.names - self.members | {self.bottom}
        return fixed | {standin for standin, name in net.standins.items() if name in fixed}

    def _texts(self, node: int | None, atoms: Collection[int], limit: int = _FORMULA) -> tuple[str, str]:
        """A gradient in source form and as people write it, simplified where that is not too long."""
        if node is None:
            return "0", "0"
        found = algebra.shortest(self._knowing(atoms), node, atoms, same=self.net.standins, limit=limit)
        return self._written(node, atoms, limit) if found is None else found

    def _written(self, node: int, atoms: Collection[int], limit: int = _FORMULA) -> tuple[str, str]:
        """A gradient in the two forms, just as it was made."""
        graph = self._knowing(atoms)
        plain, pretty = (Printer(graph, pretty=each, atoms=atoms) for each in (False, True))
        return plain.text(node, limit=limit), pretty.text(node, limit=limit)

    def _knowing(self, atoms: Collection[int]) -> Renamed | Graph:
        """The graph in which those of ``atoms`` that are no name nodes are called what they are called."""
        called = {at: entry for at, entry in self.called.items() if at in atoms}
        return Renamed(self.net.graph, called) if called else self.net.graph

    def _gradient(self) -> tuple[str, str]:
        """The whole derivative: down to the inputs if that is no longer than in terms of the names."""
        node = self.net.gradients.get((self.top, self.bottom))
        if self.top == self.bottom:
            return "1", "1"
        if node is None:
            return "0", "0"
        if self.through.passes(node, self.net.names):
            # The first paths, each by its local gradients: no formula of one line says it.
            net = self.net
            total = net.count(self.top, self.bottom)
            ways = net.best(self.top, self.bottom, min(total, FEW + 1))
            if any(net.graph.type(net.edges[index].target).free for way in ways for index in way):
                # Summed over indices on the way, which factors do not say.
                return "through the loop", "through the loop"
            factors = [[self._factor(net.edges[index]) for index in way] for way in ways]
            plain, pretty = (summed([[each[at] for each in way] for way in factors], total) for at in (0, 1))
            return plain, pretty
        inputs = {n for n in self.net.names if self.data[n]["op"] == "input"} | {self.bottom}
        full, named = (self._texts(node, atoms, _WHOLE) for atoms in (inputs, self.net.atoms))
        return named if full[0].endswith("…") or len(named[0]) < len(full[0]) else full


__all__ = ["ROWS", "SHOWN", "Explainer"]
