"""The record of one operator: everything that the compiler knows about it. The rows stand in ``gradc.ops``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from gradc.ir.types import Index, Type

if TYPE_CHECKING:
    from gradc.ir.builder import Builder

TypeRule = Callable[[Sequence[Type], Mapping[str, Any]], Type]
"""Operand types and attributes to the result's type; raises ``TypeMismatch``."""

PartialRule = Callable[["Builder", int], Sequence[int | None]]
"""A builder and a node in it to the node's partials, one an operand; None for a partial that is zero everywhere."""

Kind = Literal["leaf", "elementwise", "structural", "request", "region"]


@dataclass(frozen=True, slots=True)
class Site:
    """A structural node for concrete sizes: what an evaluation on NumPy arrays is planned from.

    The arrays' leading axes are batch axes, one for a free index; they have extent 1 where an operand lacks the index.
    An op's own axes come last, so that it addresses them from the right. ``axes`` are those that a reduction removes,
    counted from the right and with the indices that it binds among them; ``attrs`` holds numbers in the place of sizes.
    """

    shapes: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    dtype: str
    attrs: Mapping[str, Any]
    batch: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scatter:
    """A contribution to some elements of an array: ``value`` adds to what ``access`` reads with the same items and
    indices. Those to one array meet in a single node, however many there are.
    """

    value: int
    items: tuple[Any, ...]
    indices: tuple[int, ...]


Planner = Callable[[Site], Callable[..., Any]]
"""A site to a function of the operands' arrays."""

Pullback = Callable[["Builder", int, int, Collection[int]], Mapping[int, "int | Scatter"]]
"""A builder, a node in it, the node's adjoint and the positions of operands: contributions to these operands' adjoints.

The adjoint is linear in it. A contribution is a family over the node's free and bound indices; whoever asked sums it
over those that the operand lacks. A position that is left out has none.
"""

Pushforward = Callable[["Builder", int, Mapping[int, int]], "int | None"]
"""A builder, a node in it and the tangents of operands by position: the node's tangent; None for zero."""


@dataclass(frozen=True, slots=True)
class Convention:
    """A point at which an op's value or one of its derivatives is a matter of convention, and the reason for it.

    ``operands`` are numbers, and nested tuples for arrays; those at ``constant`` are constants of the program, for
    which `gradients.grad` has lines of their own.
    """

    operands: tuple[Any, ...]
    reason: str
    constant: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One row of the operator table.

    ``scalar`` evaluates on Python numbers with IEEE results (never raises for a float), ``array`` on NumPy arrays,
    ``complex`` is the analytic continuation for complex steps, ``precise`` takes the mpmath context and mpmath numbers.
    ``domain`` is one interval an operand from which tests sample; ``conventions`` are the points outside of that, or at
    its ends, that need a word: kinks, jumps, poles. Zeros, infinities and NaN for each real operand in turn need none
    (see ``gradc.ops.conventions``).
    """

    name: str
    doc: str
    kind: Kind = "elementwise"
    # Number of operands: the fewest and the most; None is any number.
    arity: tuple[int, int | None] = (1, 1)
    type_rule: TypeRule
    # Scalar real operands of one type give a result of that type: the builder need not ask the type rule.
    uniform: bool = False

    scalar: Callable[..., Any] | None = None
    # On Python ints, for the ops that keep integers integers; raises OverflowError beyond 64 bits.
    integer: Callable[..., Any] | None = None
    array: Callable[..., Any] | None = None
    complex: Callable[..., Any] | None = None
    precise: Callable[..., Any] | None = None

    # `d f(x) = …` in the notation of gradients.grad; for the table's own ops the file holds it.
    gradient: str | None = None
    # Where a line of text cannot say it (variadic ops).
    partials: PartialRule | None = None

    # Of structural ops: evaluation on arrays, and the derivative as a linear map and its transpose. ``linear`` is
    # "each" for a map that is linear in each of its real operands, "joint" for one linear in all of them together:
    # these need no pushforward.
    plan: Planner | None = None
    pullback: Pullback | None = None
    pushforward: Pushforward | None = None
    linear: Literal["", "each", "joint"] = ""

    commutative: bool = False
    # How the result depends on each operand: "none" (derivative zero wherever it exists), "linear" or "smooth".
    dependence: tuple[str, ...] = ("smooth",)
    batching: str = "elementwise"
    # Which elements of the operands an element of a structural op's result can depend on: the name of a class in
    # ``gradc.ad.spread``. Without one on all of them, of an elementwise op on those in its own place.
    sparsity: str = ""
    # Attributes that a node of this op carries, with the type of each.
    attrs: Mapping[str, type] = field(default_factory=dict)

    domain: tuple[tuple[float, float], ...] = ()
    conventions: tuple[Convention, ...] = ()
    reference: str = ""

    # Names in the language, the canonical one first; an op without one has an operator symbol or no spelling at all.
    functions: tuple[str, ...] = ()
    # `+`, `and`…, and how tightly it binds (see gradc.ops.PRECEDENCE).
    symbol: str | None = None
    precedence: int = 0
    # Spelling for people, in diagrams and explanations; `{0}` is an operand. Empty: symbol or function name.
    label: str = ""
    # Spellings for emitters, by target ("python", "c", "llvm"); `{0}` is an operand.
    emit: Mapping[str, str] = field(default_factory=dict)

    @property
    def elementwise(self) -> bool:
        """Whether the op acts on each element by itself, so that operands and result have one shape."""
        return self.kind == "elementwise"

    def accepts(self, count: int) -> bool:
        """Whether the op takes that many operands."""
        low, high = self.arity
        return count >= low and (high is None or count <= high)


def bound(attrs: Mapping[str, Any] | None) -> tuple[Index, ...]:
    """The free indices of its operands that a node with these attributes binds."""
    if not attrs:
        return ()
    return (*attrs.get("over", ()), *attrs.get("indices", ()))


class OpTable(Mapping[str, Op]):
    """An immutable table of operators. Extend a copy of it and hand that to ``gradc.compile``.

    ``home`` is where a table that a module defines is found again, as ``module:name``: pickles hold that, not its rows.
    The pickle of an extended table holds the rows that were added, whose functions a module must define.
    """

    __slots__ = ("_added", "_base", "_cache", "_functions", "_rows", "home")

    def __init__(self, rows: Sequence[Op], home: str | None = None) -> None:
        self.home = home
        # Of an extended table: what it was made from, which is what a pickle holds.
        self._base: OpTable | None = None
        self._added: tuple[Op, ...] = ()
        self._rows: dict[str, Op] = {}
        self._functions: dict[str, str] = {}
        # Filled by the rule loader: what it has read from the rows' text, by op name.
        self._cache: dict[Any, Any] = {}
        for row in rows:
            if row.name in self._rows:
                raise ValueError(f"operator {row.name!r} stands twice in the table")
            self._rows[row.name] = row
            for name in row.functions:
                if name in self._functions:
                    raise ValueError(f"function name {name!r} of operator {row.name!r} is taken")
                self._functions[name] = row.name

    def __getitem__(self, name: str) -> Op:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __reduce__(self) -> tuple[Any, ...]:
        if self.home is not None:
            return _table, (self.home,)
        if self._base is not None:
            return _extended, (self._base, self._added)
        return OpTable, (list(self._rows.values()),)

    @property
    def functions(self) -> Mapping[str, str]:
        """Function names of the language, aliases included, to op names."""
        return MappingProxyType(self._functions)

    def extend(self, *rows: Op) -> OpTable:
        """A table with ``rows`` added; a row of an existing name replaces it."""
        names = {row.name for row in rows}
        table = OpTable([row for row in self._rows.values() if row.name not in names] + list(rows))
        table._base, table._added = self, rows
        return table


def _extended(base: OpTable, rows: tuple[Op, ...]) -> OpTable:
    return base.extend(*rows)


def _table(home: str) -> OpTable:
    module, name = home.split(":")
    table: OpTable = getattr(import_module(module), name)
    return table
