"""Lowers ``if``: where the condition is known at compile time, only the branch that it chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.syntax import arrays, code, tree
from gradc.syntax.known import Known
from gradc.syntax.scope import CONSTANTS, Choice, Frame, Scope
from gradc.syntax.unknown import unknown_name

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering


class Branches:
    """Chooses between the branches of conditionals in one lowering."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.known = Known(lowering.builder)
        # Branches that are not taken, in which names have been looked up.
        self._resolved: set[tree.Node] = set()

    def decide(self, item: code.Decide, frame: Frame) -> None:
        """The condition is on the stack: where it is known it is taken off, and one branch runs."""
        stack, node = self.lowering.stack, item.conditional
        taken = self.known.truth(stack[-1])
        frame.choices.append(Choice(node, frame.scope.source, stack[-1], taken))
        if taken is None:
            return
        stack.pop()
        if not taken:
            frame.at += item.skip
        self._resolve(node.other if taken else node.then, frame.scope)

    def otherwise(self, item: code.Otherwise, frame: Frame) -> None:
        """The first branch has been run: the second one is left out where the condition chose the first."""
        if frame.choices[-1].taken:
            frame.choices.pop()
            frame.at += item.skip

    def _resolve(self, branch: tree.Expr, scope: Scope) -> None:
        """Report the names in a branch that nothing has, though it is not lowered: they are mistakes all the same."""
        if branch in self._resolved:
            return
        self._resolved.add(branch)
        nodes = list(code.walk(branch))
        own = {b.name.id for node in nodes if isinstance(node, tree.Comprehension) for b in node.binders}
        for node in sorted(nodes, key=lambda node: node.start):
            if isinstance(node, tree.Name) and node.id not in own:
                binding = scope.value(node.id)
                if binding is not None:
                    binding.used = True
                elif node.id not in CONSTANTS:
                    unknown_name(self.lowering, node, scope)
            elif isinstance(node, tree.Call):
                self._resolve_function(node, scope)

    def _resolve_function(self, node: tree.Call, scope: Scope) -> None:
        calls, name = self.lowering.calls, node.function.id
        built_in = name in self.lowering.program.ops.functions or name in arrays.FUNCTIONS
        if (
            not built_in
            and name not in code.DIFFERENTIATORS
            and name != "where"
            and calls.function(name, scope) is None
        ):
            calls.unknown_function(node, scope)
