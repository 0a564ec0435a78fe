"""Loops and block ``if``, which are read and not yet lowered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.syntax import tree
from gradc.syntax.code import assigned_in
from gradc.syntax.scope import POISON, Scope

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering


def lower(lowering: Lowering, statement: tree.Block, scope: Scope) -> None:
    """Refuse a block, once, and go on as if its names had values."""
    word = "for" if isinstance(statement, tree.For) else "while" if isinstance(statement, tree.While) else "if"
    what = "an `if` with braces is" if word == "if" else "loops are"
    keyword = tree.Node(statement.start, statement.start + len(word))
    hint = "a choice of values is written `y = if c then a else b`" if word == "if" else "write the steps out"
    lowering.error("E0106", f"{what} not built yet", scope.source, keyword, "cannot be compiled", (hint,))
    for name in assigned_in(statement):
        if name.id not in scope.values:
            scope.bind(name, POISON, lowering.builder).used = True
