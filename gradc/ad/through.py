"""How loops, and blocks of which one is run, spread what their operands depend on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from gradc.ad.entered import Branch
from gradc.ad.iterations import Iterations
from gradc.ad.reach import Array, Reach
from gradc.ad.spread import Sources

if TYPE_CHECKING:
    from gradc.ad.sparsity import Pass
    from gradc.ad.zeros import Zeros


def results(frame: Pass, node: int, sources: Sources, places: Collection[int]) -> Mapping[int, Reach]:
    """What some results of a region, by place, depend on; one that is missing depends on nothing."""
    if frame.graph.op(node) == "branch":
        return Branch(frame, node, sources, places).results()
    return Iterations(frame, node, sources, places).results()


def zeros(frame: Zeros, node: int) -> Mapping[int, Array]:
    """Where results of a region, by place, are 0 whatever the inputs are; one that is missing is any number."""
    graph = frame.graph
    read = [each for each in frame.outline.gentle if graph.op(each) == "get" and graph.operands(each) == (node,)]
    places = [graph.attrs(each)["place"] for each in read]
    region = Branch(frame, node, {}, places) if graph.op(node) == "branch" else Iterations(frame, node, {}, places)
    return region.zeros()
