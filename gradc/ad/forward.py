"""Forward mode: appends the tangent of a value to the builder that holds it.

The same local gradients as in reverse mode, in the order of the graph: a node's tangent is the sum over its operands of
local gradient times the operand's tangent. (Griewank and Walther, Evaluating Derivatives, 2nd ed., section 3.1.)
"""

from __future__ import annotations

from collections.abc import Mapping

from gradc.ad.flow import active, differentiable
from gradc.ad.reverse import balanced_sum, times
from gradc.ir.graph import Builder
from gradc.rules.gradients import LocalGradients


def tangent(builder: Builder, local: LocalGradients, y: int, directions: Mapping[int, int]) -> int | None:
    """Append the tangent of y along ``directions`` (node to tangent); None if y does not depend on any of them.

    A selection picks the tangent of the branch that is taken, so what the other one would give is never multiplied into
    the result. What is made is marked ``adjoint_of`` y.
    """
    data = builder.data
    order = active(data, y, directions)
    members = set(order)
    found: dict[int, int] = {}
    marked = builder.adjoint_of
    builder.adjoint_of = y
    try:
        for node in order:
            builder.span = data[node].get("span")
            if node in directions:
                found[node] = directions[node]
                continue
            made = _step(builder, local, node, found, members)
            if made is not None:
                found[node] = made
    finally:
        builder.adjoint_of = marked
        builder.span = None
    return found.get(y)


def _step(
    builder: Builder, local: LocalGradients, node: int, tangents: Mapping[int, int], members: set[int]
) -> int | None:
    edges = [(p, operand) for p, operand in differentiable(builder.data, node) if operand in tangents]
    if not edges:
        return None
    op = builder.op(node)
    if op == "name":
        return tangents[edges[0][1]]
    if op == "select":
        condition, *branches = builder.operands(node)
        zero = builder.constant(0.0, builder.type(node))
        then, other = (tangents.get(branch, zero) for branch in branches)
        return builder.apply("select", condition, then, other)
    partials = local.of(node, [position for position, _ in edges], members)
    terms = [
        times(builder, tangents[operand], partials[position]) for position, operand in edges if position in partials
    ]
    return balanced_sum(builder, terms) if terms else None
