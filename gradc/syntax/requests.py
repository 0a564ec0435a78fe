"""Lowers ``grad``, ``jacobian``, ``hessian``, ``jvp`` and ``vjp`` to request nodes, which are expanded later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradc.ir.types import BOOL, INT
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.scope import POISON, Poison, Scope, Value, Weak

if TYPE_CHECKING:
    from gradc.syntax.calls import Calls

# Fewest and most arguments, and how the call is written.
_FORMS = {
    "grad": (2, 2, "grad(y, x)"),
    "jacobian": (2, 2, "jacobian(y, x)"),
    "hessian": (2, 3, "hessian(y, x)` or `hessian(y, a, b)"),
    "jvp": (3, 3, "jvp(y, x, v)"),
    "vjp": (3, 3, "vjp(y, x, u)"),
}


class Requests:
    """Makes the request nodes of one lowering."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.lowering = calls.lowering

    def lower(self, node: tree.Call, values: Sequence[Value], scope: Scope) -> Value:
        """The node that asks for the derivative, or poison after a report."""
        lowering, source = self.lowering, scope.source
        name = node.function.id
        low, high, form = _FORMS[name]
        for argument in node.arguments:
            if argument.keyword is not None:
                lowering.error(
                    "E0302",
                    f"`{name}` takes no keyword arguments",
                    source,
                    argument.keyword,
                    "an unknown keyword",
                    (f"write `{form}`",),
                )
                return POISON
        if not low <= len(values) <= high:
            self.calls.argument_count(node, source, low, high)
            return POISON
        if any(isinstance(value, Poison) for value in values):
            return POISON
        sound = [value for value in values if not isinstance(value, Poison)]
        places = [argument.value for argument in node.arguments]
        y = self._real(name, sound[0], places[0], source, "differentiates")
        if y is None:
            return POISON
        span = source.span(node.start, node.end)
        if name in ("jvp", "vjp"):
            v = self._target(name, sound[1], places[1], source)
            direction = self._real(name, sound[2], places[2], source, "takes for a direction")
            if v is None or direction is None:
                return POISON
            lowering.builder.span = span
            return lowering.builder.make(name, (y, v, direction))
        targets = list(zip(sound[1:], places[1:], strict=True))
        if name == "hessian" and len(targets) == 1:
            targets *= 2
        for value, place in targets:
            v = self._target(name, value, place, source)
            if v is None:
                return POISON
            lowering.builder.span = span
            y = lowering.builder.make("grad", (y, v))
        return y

    def _real(self, name: str, value: int | Weak, place: tree.Node, source: Source, verb: str) -> int | None:
        lowering = self.lowering
        type = lowering.applier.type(value)
        if isinstance(value, Weak) or type.real:
            return lowering.applier.real_node(value)
        if name in ("jvp", "vjp") and type is INT and verb != "differentiates":
            return lowering.applier.real_node(value)
        found = "a truth value" if type is BOOL else "an integer"
        lowering.error("E0401", f"`{name}` {verb} real scalars only", source, place, f"this is {found}")
        return None

    def _target(self, name: str, value: int | Weak, place: tree.Node, source: Source) -> int | None:
        """The node with respect to which one differentiates: that of a name with an identity of its own."""
        lowering = self.lowering
        builder = lowering.builder
        if not isinstance(place, tree.Name):
            lowering.error(
                "E0402",
                f"the second argument of `{name}` must be a name",
                source,
                place,
                "this is an expression",
                ("give the value a name first, and write the rest in terms of that name",),
            )
            return None
        v = value.node if isinstance(value, Weak) else value
        if v is not None and builder.type(v).real and builder.op(v) in ("name", "input"):
            return v
        if v is not None and not builder.type(v).real:
            found = "a truth value" if builder.type(v) is BOOL else "an integer"
            lowering.error(
                "E0401", f"`{name}` differentiates with respect to real scalars only", source, place, f"this is {found}"
            )
            return None
        lowering.error(
            "E0402",
            f"`{name}` cannot differentiate with respect to `{place.shown}`",
            source,
            place,
            "this is a constant",
            ("declare it as an input or a param",),
        )
        return None
