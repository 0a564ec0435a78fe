"""What a file defines further down, for messages about names that are used too early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gradc.syntax import tree
from gradc.syntax.code import assigned_in, inside, walk


class Outlook:
    """What a file defines further down, and which of it needs what is being defined now."""

    values: Mapping[str, tree.Name] = MappingProxyType({})
    functions: Mapping[str, tree.Name] = MappingProxyType({})

    def cycle(self, name: str) -> list[str]:
        """The names from what is being defined by way of ``name`` back to it; empty if there is no way."""
        return []

    def expressions(self) -> Sequence[tree.Expr]:
        """What is evaluated in the statement that is being lowered."""
        return ()


NOTHING = Outlook()


def _defined_by(statement: tree.Statement) -> list[tree.Name]:
    if isinstance(statement, tree.Declaration):
        return [item.name for item in statement.items]
    return assigned_in(statement)


class FileOutlook(Outlook):
    """What a file defines: a name of it that is not visible where it is used is defined further down."""

    def __init__(self, program: tree.Program) -> None:
        self._statements = program.statements
        self._current: list[tree.Name] = []
        self._statement: tree.Statement | None = None
        self.values: dict[str, tree.Name] = {}
        self.functions: dict[str, tree.Name] = {}
        for statement in program.statements:
            for name in _defined_by(statement):
                self.values.setdefault(name.id, name)
            if isinstance(statement, tree.FunctionDef):
                self.functions.setdefault(statement.name.id, statement.name)

    def begin(self, statement: tree.Statement) -> None:
        """``statement`` is about to be lowered."""
        self._current = _defined_by(statement)
        self._statement = statement

    def expressions(self) -> Sequence[tree.Expr]:
        """What is evaluated in the statement that is being lowered."""
        current = self._statement
        if isinstance(current, tree.Assign):
            return (current.value,)
        return (current.value, *inside(current.binders, None)) if isinstance(current, tree.IndexAssign) else ()

    def cycle(self, name: str) -> list[str]:
        """The names from what is being defined by way of ``name`` back to it; empty if there is no way."""
        written = {
            target.id: statement.value
            for statement in reversed(self._statements)
            if isinstance(statement, tree.Assign)
            for target in statement.targets
        } | {
            statement.target.id: statement.value
            for statement in reversed(self._statements)
            if isinstance(statement, tree.IndexAssign)
        }
        goals = {target.id for target in self._current}
        came_from: dict[str, str | None] = {name: None}
        stack = [name]
        while stack:
            current = stack.pop()
            if current in goals:
                way: list[str] = []
                step: str | None = current
                while step is not None:
                    way.append(step)
                    step = came_from[step]
                return [current, *reversed(way)]
            if current in written:
                for node in walk(written[current]):
                    if isinstance(node, tree.Name) and node.id not in came_from:
                        came_from[node.id] = current
                        stack.append(node.id)
        return []
