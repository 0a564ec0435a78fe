"""Bodies that are graphs of their own, closed: every outer value enters as an operand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradc.ir.graph import Graph


@dataclass(frozen=True, eq=False)
class Function:
    """A function that has a derivative of its own, which ``call`` nodes refer to by name.

    ``body`` has one input for each parameter and one output. ``partials`` has the same inputs and one output for each
    parameter: the partial derivative of the result with respect to it. Both may hold calls, of this function too; the
    table ``functions`` of the program's graph resolves them.
    """

    name: str
    params: tuple[str, ...]
    body: Graph
    partials: Graph
