"""Where the derivatives of an array by an array can be other than 0, from the structure of the graph alone.

Every element is followed through the graph for concrete sizes: forwards, with the set of the elements of v that it can
depend on (index domains; Griewank and Walther, Evaluating Derivatives, 2nd ed., section 7.1). How an operator spreads
them is said by its row: by ``dependence``, and by ``sparsity``, which names a class in ``gradc.ad.spread``; loops and
blocks of which one is run are followed in ``gradc.ad.through``. Indices are followed where they are made of sizes,
other indices and integers of the call; one that depends on real numbers can be any. What is multiplied by a 0 that
stands in the graph carries nothing.

The pattern of a Hessian is that of the Jacobian of the gradient, which is a graph like any other. It is no larger than
that of the non-linear interactions (A. Walther, "Computing sparse Hessians with automatic differentiation", ACM TOMS
34, 2008). There a pair of elements interacts in an operator that is not linear in what depends on them. Here the
adjoint of such an operator's operand depends on the one, and flows to the other; linear operators multiply adjoints by
constants alone, which carry nothing, and so do local gradients that are constant in pieces. An adjoint that is 0, since
nothing reads its value, carries nothing either, which interactions do not see. Neither sees that terms cancel, as they
do in `sum((x - mean(x))*x[0])`. The Hessian is symmetric, so what only one of its halves can have is none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from gradc.ad import iterations, through
from gradc.ad.dependence import REGIONS
from gradc.ad.flow import active, differentiable
from gradc.ad.indices import Indices, Plan, known, read
from gradc.ad.reach import Array, Matrix, Reach, empty, identity, library, taken
from gradc.ad.spread import Spread
from gradc.ad.zeros import PRODUCT, QUOTIENT, Zeros, factors, fertile, handed
from gradc.ir import sizes as extents
from gradc.ir.graph import Graph

_NONE: Mapping[int, Array] = MappingProxyType({})

Given = Callable[[Sequence[int]], Sequence[Any]]
"""The values of inputs, which are integers."""


def pattern(
    graph: Graph, ys: Sequence[int], vs: Sequence[int], sizes: Mapping[str, int], given: Given, plan: Plan
) -> Matrix:
    """The elements of all ys, as rows, by those of all vs, as columns: a sparse matrix of truth values in rows.

    The graph has no requests; ys and vs have no free indices. ``given`` gives the integers of the call. Time and memory
    are proportional to the non-zeros of what lies between.
    """
    setting = Setting(sizes, plan)
    # One after the other: a name may be computed from another one.
    found = [_columns(graph, ys, v, given, setting) for v in vs]
    return found[0] if len(found) == 1 else library().hstack(found, format="csr")


def _columns(graph: Graph, ys: Sequence[int], v: int, given: Given, setting: Setting) -> Matrix:
    integers = {node for node in graph.inputs if graph.type(node).dtype == "int"}
    outline = Outline(graph, ys, [v], integers, setting)
    indices = outline.indices
    values = indices.values(dict(zip(indices.inputs, given(indices.inputs), strict=True)))
    shape = tuple(extents.evaluate(dim, setting.sizes) for dim in graph.type(v).shape)
    frame = Pass(outline, values, prod(shape))
    found = frame.run({v: identity(shape)}) if outline.order else {}
    rows = [taken(found.get(y, frame.nothing(y)), frame.full(y)) for y in ys]
    return rows[0] if len(rows) == 1 else library().vstack(rows, format="csr")


def symmetric(found: Matrix) -> Matrix:
    """What both halves of the pattern of a symmetric matrix have."""
    both = found.multiply(found.T).tocsr()
    both.sort_indices()
    return both


class Setting:
    """What the passes over a program and the bodies in it have in common: sizes, and how much work is left."""

    def __init__(self, sizes: Mapping[str, int], plan: Plan) -> None:
        self.sizes = sizes
        self.plan = plan
        self.work = iterations.WORK
        self.kept: dict[Any, Any] = {}
        self._fresh = 0

    def fresh(self) -> str:
        """The name of an index that is none in the program, behind all before it in the order of names."""
        self._fresh += 1
        return f"~{self._fresh:09}"


class Outline:
    """What a pass over a graph meets on its way from the nodes ``starts`` to the nodes ``ends``.

    The values of the inputs ``given`` will be known, and those of the nodes ``extra`` are wanted; of the nodes
    ``vanishing`` it is wanted where they are 0. As the body of a loop, a graph hands ``carried`` of its outputs on.
    """

    def __init__(
        self,
        graph: Graph,
        ends: Collection[int],
        starts: Collection[int],
        given: Collection[int],
        setting: Setting,
        extra: Sequence[int] = (),
        vanishing: Sequence[int] = (),
        carried: int = 0,
    ) -> None:
        self.graph, self.setting = graph, setting
        self.ends = frozenset(ends)
        self.order = active(graph.data, self.ends, starts)
        self.edges = {node: [] if node in starts else _edges(graph, node) for node in self.order}
        self.uses: dict[int, int] = {}
        # The results of regions that are read.
        self.places: dict[int, set[int]] = {}
        for node in self.order:
            for _, operand in self.edges[node]:
                self.uses[operand] = self.uses.get(operand, 0) + 1
            if graph.op(node) == "get":
                self.places.setdefault(graph.operands(node)[0], set()).add(graph.attrs(node)["place"])
        self.gentle = handed(graph, [*factors(graph, self.order), *vanishing], carried)
        self.fertile = fertile(graph, self.gentle)
        self.known = known(graph, given)
        self.indices = Indices(graph, [*self._wanted(), *extra], setting.plan)

    def _wanted(self) -> list[int]:
        graph = self.graph
        wanted = [each for node in sorted({*self.order, *self.gentle}) for each in read(graph, node)]
        return [each for each in wanted if each in self.known]

    @property
    def cost(self) -> float:
        """The number of nodes, of which those with many elements count more."""
        spread = Spread(self.graph, self.setting.sizes, {}, empty(0))
        return sum(1 + prod(spread.full(node)) / 4096 for node in self.order if not self.graph.type(node).parts)

    def widest(self) -> int:
        """The number of elements of the largest node, with the members of a family."""
        spread = Spread(self.graph, self.setting.sizes, {}, empty(0))
        return max((prod(spread.full(node)) for node in self.order if not self.graph.type(node).parts), default=0)


def _edges(graph: Graph, node: int) -> list[tuple[int, int]]:
    """The operands on which the node depends with a derivative, by their positions."""
    op = graph.op(node)
    how = graph.ops[op].dependence
    return [
        (at, operand)
        for at, operand in differentiable(graph.data, node)
        if not how or how[min(at, len(how) - 1)] != "none"
    ]


class Pass(Spread):
    """Passes over a graph, for the values of indices, towards rows with so many columns."""

    def __init__(
        self, outline: Outline, values: Mapping[int, Array], columns: int, zeros: Mapping[int, Array] = _NONE
    ) -> None:
        super().__init__(outline.graph, outline.setting.sizes, values, empty(columns))
        self.outline = outline
        self.zeros = Zeros(outline, values).find(zeros)

    def run(self, starts: Mapping[int, Reach]) -> dict[int, Reach]:
        """What the ends depend on, from what some nodes do; an end that is missing depends on nothing."""
        outline = self.outline
        found = dict(starts)
        regions: dict[int, Mapping[int, Reach]] = {}
        uses = dict(outline.uses)
        for node in outline.order:
            if node in starts:
                continue
            edges = outline.edges[node]
            op = self.graph.op(node)
            if op in REGIONS:
                sources = {at: found[operand] for at, operand in edges if operand in found}
                if sources:
                    regions[node] = through.results(self, node, sources, outline.places[node])
            elif op == "get":
                result = regions.get(edges[0][1], {}).get(self.graph.attrs(node)["place"])
                if result is not None:
                    found[node] = result
            else:
                sources = {at: found[operand] for at, operand in edges if operand in found}
                if sources:
                    found[node] = self.step(node, sources)
            for _, operand in edges:
                # Large arrays of numbers are not kept longer than they are read.
                uses[operand] -= 1
                if not uses[operand] and operand not in outline.ends:
                    found.pop(operand, None)
                    regions.pop(operand, None)
        return {node: found[node] for node in outline.ends if node in found}

    def masked(self, node: int, position: int, ids: Array) -> Array:
        """Without the elements that are multiplied by 0, or by which 0 is divided."""
        graph = self.graph
        if graph.op(node) not in (PRODUCT, QUOTIENT):
            return ids
        for at, other in enumerate(graph.operands(node)):
            if at != position and other in self.zeros and (graph.op(node) == PRODUCT or at == 0):
                zeros = self.aligned(self.zeros[other], graph.type(other).free, graph.type(node).free)
                ids = np.where(zeros < 0, -1, ids)
        return ids
