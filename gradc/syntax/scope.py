"""What names mean where: bindings, scopes and functions with the scope they were written in."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gradc.ir.builder import Builder
from gradc.source import Source
from gradc.syntax import tree

CONSTANTS: Final[dict[str, float]] = {
    "pi": 3.141592653589793,
    "e": 2.718281828459045,
    "inf": float("inf"),
    "nan": float("nan"),
}
"""The constants of the language; a program may use their names for its own values."""


class Poison:
    """The value of an expression in which an error has been reported: it makes no further ones."""


POISON: Final = Poison()


@dataclass(slots=True)
class Weak:
    """An integer constant that has not yet decided to be int or real.

    ``exact`` is its value as an int; ``node`` the node that holds it as a real once one has been asked for.
    """

    exact: int
    real: float
    node: int | None = None


Value = int | Weak | Poison
"""A node, a weak integer, or nothing because of an error."""


@dataclass(slots=True, eq=False)
class Closure:
    """A function together with the scope that it was written in."""

    definition: tree.FunctionDef
    source: Source
    scope: Scope
    # What was bound before it; later names of that scope are invisible to it.
    limit: int
    # Names that the function differentiates with respect to; only these need an identity of their own when inlined.
    targets: frozenset[str]
    # The function's entry in the graph's table, if it has a derivative of its own.
    registered: str | None = None
    code: list[tree.Node] | None = None
    # How many calls of it are being inlined right now, one inside the other.
    active: int = 0


@dataclass(slots=True, eq=False)
class Binding:
    """A name with its value and the place where it was bound."""

    value: Value
    source: Source
    start: int
    end: int
    order: int
    shown: str
    # The builder whose nodes ``value`` counts: a function with a derivative is built apart from the program.
    home: Builder
    used: bool = False
    # What it is, of a name that keeps its value, whatever a loop says: an input, an index.
    fixed: str = ""
    # What the name meant before a loop gave it another value.
    previous: Binding | None = None


@dataclass(slots=True, eq=False)
class Scope:
    """Names visible at a place: its own, then the parent's that were bound before ``limit``."""

    source: Source
    parent: Scope | None = None
    limit: int = 0
    values: dict[str, Binding] = field(default_factory=dict)
    functions: dict[str, tuple[Closure, int]] = field(default_factory=dict)
    order: int = 0

    def bind(self, name: tree.Name, value: Value, home: Builder) -> Binding:
        """Bind ``name`` here, to a value of the builder ``home``."""
        self.order += 1
        binding = Binding(value, self.source, name.start, name.end, self.order, name.shown, home)
        self.values[name.id] = binding
        return binding

    def rebind(self, name: tree.Name, value: Value, home: Builder) -> Binding:
        """Give ``name`` a new value here; what was written before still sees the old one."""
        previous = self.values.get(name.id)
        binding = self.bind(name, value, home)
        binding.previous = previous
        return binding

    def define(self, name: str, closure: Closure) -> None:
        """Define the function ``name`` here. It sees itself, so that recursion can be told from an unknown name."""
        self.order += 1
        closure.limit = self.order
        self.functions[name] = (closure, self.order)

    def value(self, name: str) -> Binding | None:
        """The binding of ``name`` that is visible here."""
        scope: Scope | None = self
        limit: int | None = None
        while scope is not None:
            found = scope.values.get(name)
            while found is not None and limit is not None and found.order > limit:
                found = found.previous
            if found is not None:
                return found
            limit, scope = scope.limit, scope.parent
        return None

    def function(self, name: str) -> Closure | None:
        """The function ``name`` that is visible here."""
        scope: Scope | None = self
        limit: int | None = None
        while scope is not None:
            found = scope.functions.get(name)
            if found is not None and (limit is None or found[1] <= limit):
                return found[0]
            limit, scope = scope.limit, scope.parent
        return None

    def visible(self) -> tuple[list[str], list[str]]:
        """The names of the values and of the functions that can be used here, for suggestions."""
        values: list[str] = []
        functions: list[str] = []
        scope: Scope | None = self
        limit: int | None = None
        while scope is not None:
            values += [name for name, found in scope.values.items() if limit is None or found.order <= limit]
            functions += [name for name, found in scope.functions.items() if limit is None or found[1] <= limit]
            limit, scope = scope.limit, scope.parent
        return values, functions


@dataclass(frozen=True, slots=True)
class Choice:
    """A conditional of which a branch is being run: ``taken`` is its condition's value if that is known."""

    conditional: tree.Conditional
    source: Source
    test: Value | tuple[Value, ...]
    taken: bool | None


@dataclass(slots=True, eq=False)
class Frame:
    """A piece of code that is being run."""

    code: Sequence[tree.Node]
    scope: Scope
    # The function that is being inlined; None for a statement of the program.
    closure: Closure | None = None
    # By which the result is remembered for equal calls.
    key: Hashable | None = None
    at: int = 0
    # The conditionals around what is being run, the innermost last.
    choices: list[Choice] = field(default_factory=list)
    # The call that is being inlined, and the text that it stands in.
    call: tuple[Source, tree.Call] | None = None
