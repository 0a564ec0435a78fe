"""Local gradients over arrays, and what they do to an adjoint on its way back.

Where one number comes out, or each element by itself, a local gradient is an array of numbers, one an element. Anything
else is a linear map; it is told by what becomes of the adjoint, as in ``X.T @ ∂r`` for ``r = X @ w``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gradc.ad.flow import active
from gradc.ad.guards import Beyond
from gradc.ad.needs import for_one, some
from gradc.ad.reverse import Influence, influences
from gradc.ir.builder import Builder
from gradc.ir.op import Scatter
from gradc.ir.types import typed
from gradc.ops import build
from gradc.rules.gradients import LocalGradients

Kind = Literal["factor", "elements", "moved", "map"]

# Every element of these is one of their operand, or a sum of such.
MOVING: Final = frozenset(
    ("sum", "reshape", "transpose", "tabulate", "broadcast", "access", "assemble", "demand", "name")
)
# Every element of the operand enters one element of these: the partial derivative by it is all there is to say.
REDUCING: Final = frozenset(
    ("sum", "prod", "amax", "amin", "logsumexp", "logmeanexp", "logprod", "norm", "reshape", "transpose", "name")
)


@dataclass(frozen=True, slots=True)
class Edge:
    """One operand edge from ``source`` to ``target``.

    ``gradient`` is the node that computes its local gradient, None where that is zero everywhere. Something flows along
    the edge only where the node ``live`` is true: a branch may not be taken, a loop not come by, a masked sum be empty.
    None is for always.

    Over arrays ``kind`` says what the gradient is: a "factor" is one number, "elements" one for each element, "moved"
    is 1 for each element that goes on, and the gradient of a "map" is what it makes of an adjoint that is called
    ``symbol``. ``place`` is where the adjoint is pulled back: the value of a copy of the target, and what stands for
    the source in it; or nothing where the target is the source under a name. At level ops it is the operand's position.
    """

    source: int
    target: int
    gradient: int | None
    live: int | None = None
    kind: Kind = "factor"
    symbol: str = ""
    place: tuple[int, int] | None = None
    position: int = -1
    # The loops and branches of the statement that it leads through, the first one first.
    via: tuple[int, ...] = ()


def symbol(name: str | None) -> str:
    """What the adjoint of a value is called where its local gradients are told."""
    return f"∂{name or ''}"


def ever(builder: Builder, condition: int) -> int:
    """Whether a condition holds for any element and any member of a family."""
    found = some(builder, condition)
    return for_one(builder, found, builder.type(found).free)


class Locals:
    """Makes the local gradients of steps over arrays."""

    def __init__(self, builder: Builder, local: LocalGradients, beyond: Beyond) -> None:
        self.builder = builder
        self.local = local
        self.beyond = beyond
        # The nodes that stand for adjoints.
        self.symbols: set[int] = set()

    def plain(self, node: int, operands: Collection[int]) -> bool:
        """Whether single numbers make a single number."""
        types = self.builder.type
        return types(node).scalar and all(types(operand).scalar for operand in operands)

    def ones(self, node: int) -> int:
        """Ones in the shape of a node."""
        return build.filled(self.builder, 1.0, self.builder.type(node))

    def adjoint(self, name: str, node: int) -> int:
        """What stands for the adjoint of a node: a name of its type."""
        found = self.builder.name(name, node)
        self.symbols.add(found)
        return found

    def statement(
        self, top: int, standins: Mapping[int, int], name: str | None
    ) -> list[tuple[int | None, int | None, Kind, str]]:
        """The local gradients of a statement by the names that ``standins`` stand for in it.

        For each there are its node, that of the condition under which it has any influence, its kind, and its symbol.
        """
        builder = self.builder
        if builder.type(top).scalar:
            made = self.influences(top, standins)
            return [(*self._told(made.get(each)), self._size(each), "") for each in standins]
        single = {each: source for each, source in standins.items() if self._elementwise(top, each)}
        others = {each: source for each, source in standins.items() if each not in single}
        found: dict[int, tuple[int | None, int | None, Kind, str]] = {}
        if single:
            made = self.influences(top, single, self.ones(top))
            found |= {each: (*self._told(made.get(each)), "elements", "") for each in single}
        if others:
            called = symbol(name)
            made = self.influences(top, others, self.adjoint(called, top))
            found |= {each: (*self._told(made.get(each)), "map", called) for each in others}
        return [found[each] for each in standins]

    def influences(self, top: int, standins: Mapping[int, int], seed: int | None = None) -> Mapping[int, Influence]:
        """The adjoints of what stands for other nodes, and the conditions under which these have any influence."""
        beyond = self.beyond.standing(standins)
        return influences(self.builder, self.local, top, list(standins), seed, beyond=beyond)

    def _told(self, found: Influence | None) -> tuple[int | None, int | None]:
        """An adjoint and one condition for all that it is made of."""
        if found is None:
            return None, None
        return found.adjoint, None if found.live is None else ever(self.builder, found.live)

    def _size(self, node: int) -> Kind:
        return "factor" if self.builder.type(node).scalar else "elements"

    def _elementwise(self, top: int, standin: int) -> bool:
        """Whether every element of the operand enters one element of the value."""
        builder = self.builder
        for node in active(builder.data, [top], [standin]):
            if node == standin:
                continue
            row = builder.ops[builder.op(node)]
            if builder.type(node).free or not (row.elementwise or row.name in REDUCING):
                return False
        return True

    def operation(
        self, node: int, positions: Sequence[int], members: Collection[int], name: str | None
    ) -> Mapping[int, tuple[int | None, Kind, str]]:
        """The same for one operation, by the positions of its operands."""
        builder = self.builder
        op = builder.op(node)
        row = builder.ops[op]
        if op in MOVING:
            one = builder.constant(1.0, typed(builder.type(node).dtype))
            return dict.fromkeys(positions, (one, "moved", ""))
        if row.pullback is None:
            partials = self.local.of(node, positions, members)
            return {position: (partials.get(position), "elements", "") for position in positions}
        reducing = op in REDUCING or builder.type(node).scalar
        called = "" if reducing else symbol(name)
        seed = self.ones(node) if reducing else self.adjoint(called, node)
        made = row.pullback(builder, node, seed, positions)
        found: dict[int, tuple[int | None, Kind, str]] = {}
        for position in positions:
            part = made.get(position)
            whole = None if isinstance(part, Scatter) else part
            found[position] = (whole, "elements" if reducing else "map", called)
        return found


class Pull:
    """Takes adjoints back along edges."""

    def __init__(self, builder: Builder, local: LocalGradients, beyond: Beyond) -> None:
        self.builder = builder
        self.local = local
        self.beyond = beyond

    def back(self, edges: Sequence[Edge], seed: Influence) -> list[Influence | None]:
        """What an adjoint of the target of edges into one place contributes to their sources; None for nothing."""
        first = edges[0]
        if first.position >= 0:
            return [self._operation(edge, seed) for edge in edges]
        if first.place is None:
            return [seed for _ in edges]
        standins = {edge.place[1]: edge.source for edge in edges if edge.place is not None}
        made = self._made(first.place[0], standins, seed, each=not self.builder.type(first.place[0]).free)
        return [made.get(standin) for standin in standins]

    def _operation(self, edge: Edge, seed: Influence) -> Influence | None:
        """Back through one operation, in a copy whose operand is held apart."""
        builder = self.builder
        entry = builder.data[edge.target]
        if entry["op"] == "name":
            return seed
        held = builder.name(ELSEWHERE, edge.source)
        operands = list(entry["operands"])
        operands[edge.position] = held
        copy = builder.make(entry["op"], tuple(operands), entry.get("attrs"))
        return self._made(copy, {held: edge.source}, seed, each=False).get(held)

    def _made(self, top: int, standins: Mapping[int, int], seed: Influence, *, each: bool) -> Mapping[int, Influence]:
        beyond = self.beyond.standing(standins)
        order = list(standins)
        return influences(self.builder, self.local, top, order, seed.adjoint, each=each, live=seed.live, beyond=beyond)


# The name of an operand that is held apart; no program can use it.
ELSEWHERE: Final = "·"


__all__ = ["ELSEWHERE", "Edge", "Kind", "Locals", "Pull", "ever", "symbol"]
