"""Bodies that are graphs of their own, closed: every outer value enters as an operand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradc.ir.sizes import Dim

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


@dataclass(frozen=True, slots=True)
class Loop:
    """How the operands, the body and the results of a loop belong together; ``for`` and ``while`` are nodes of it.

    The body has the inputs: number of the iteration, ``carried``, ``scanned``, then whatever is the same in all
    iterations. Its outputs: the new values of what is carried, one element for each of the ``collected`` arrays, one
    value for each of the ``tapes``. The results of the node: what is carried at the end, the arrays, the tapes, and for
    a ``while`` how many iterations there were. A ``for`` has the bounds of its range as operands in front.

    ``extent`` is the number of iterations as an extent, where there is one: arrays are scanned and collected along a
    first axis of it. A loop that runs ``backwards`` starts with the last iteration.

    With a ``checkpoint`` the tapes keep what is carried at so many of the iterations, or at a number that suits the
    loop if it is 0, and compute the rest again when it is read. Tapes of what is not carried keep all of it.
    """

    body: Graph
    test: Graph | None
    carried: int
    scanned: int = 0
    tapes: int = 0
    extent: Dim | None = None
    backwards: bool = False
    checkpoint: int | None = None

    @classmethod
    def of(cls, attrs: Mapping[str, Any]) -> Loop:
        """The loop that a node with these attributes is."""
        return cls(
            attrs["body"],
            attrs.get("test"),
            attrs["carried"],
            attrs.get("scanned", 0),
            attrs.get("tapes", 0),
            attrs.get("extent"),
            attrs.get("backwards", False),
            attrs.get("checkpoint"),
        )

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of its node."""
        found: dict[str, Any] = {"body": self.body, "carried": self.carried}
        if self.test is not None:
            found["test"] = self.test
        if self.scanned:
            found["scanned"] = self.scanned
        if self.tapes:
            found["tapes"] = self.tapes
        if self.extent is not None:
            found["extent"] = self.extent
        if self.backwards:
            found["backwards"] = True
        if self.checkpoint is not None:
            found["checkpoint"] = self.checkpoint
        return found

    @property
    def op(self) -> str:
        """The operator of its node."""
        return "for" if self.test is None else "while"

    @property
    def first(self) -> int:
        """The position of the first operand that is an input of the body."""
        return 2 if self.test is None else 0

    @property
    def collected(self) -> int:
        """How many arrays are collected."""
        return len(self.body.outputs) - self.carried - self.tapes

    @property
    def operands(self) -> int:
        """How many operands the node has."""
        return self.first + len(self.body.inputs) - 1

    @property
    def results(self) -> int:
        """How many results the node has."""
        return len(self.body.outputs) + (self.test is not None)

    def input(self, position: int) -> int:
        """The body's input that the operand at a position is, by its number among the inputs."""
        return position - self.first + 1


def distinct(outputs: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The outputs of a body, each with a name of its own."""
    found: dict[str, int] = {}
    for name, node in outputs:
        own, count = name, 1
        while own in found:
            own, count = f"{name}.{count}", count + 1
        found[own] = node
    return list(found.items())
