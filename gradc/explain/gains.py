"""Which paths over arrays contribute most, where there are too many to compute what each of them contributes.

What an edge makes of an adjoint depends on that adjoint, so a path has no size that its edges would tell. The gain of
an edge is by how much it changes the length of the adjoint that all paths together bring to it; the product of the
gains along a path says about how much this contributes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradc.explain.contributions import Contributions
from gradc.explain.known import Known
from gradc.explain.paths import Network, Weight, weight
from gradc.limits import Limits


def length(value: Any) -> float:
    """The Euclidean length of a contribution, as far as a double holds it; infinite for one with a NaN."""
    sizes = np.abs(np.asarray(value, np.float64)).ravel()
    most = float(sizes.max(initial=0.0))
    if most != most:
        return float("inf")
    if most == 0 or np.isinf(most):
        return most
    with np.errstate(over="ignore"):
        return float(most * np.sqrt(np.square(sizes / most).sum()))


def gains(
    net: Network,
    top: int,
    bottom: int,
    inputs: Known,
    limits: Limits,
    chosen: Callable[[Any], Any] = lambda value: value,
) -> list[Weight] | None:
    """The weight of every edge, by which paths rank by about what they contribute; None where arrays are too large.

    Of what comes to ``bottom`` only the part that is ``chosen`` counts.
    """
    made = Contributions(net, top, bottom, limits)
    flow = made.flow()
    nodes = sorted({*flow.values(), *made.terms.values()})
    graph = made.finish()
    if not all(inputs.modest(graph, node) for node in nodes):
        return None
    values = dict(zip(nodes, inputs.values(graph, nodes, limits, ()), strict=True))
    found = []
    for index, edge in enumerate(net.edges):
        term = values.get(made.terms.get(index, -1))
        if term is None:
            found.append(weight(0.0, True))
            continue
        before, after = length(values[flow[edge.target]]), length(chosen(term) if edge.source == bottom else term)
        found.append(weight(after / before if before else 0.0, False))
    return found


__all__ = ["gains", "length"]
