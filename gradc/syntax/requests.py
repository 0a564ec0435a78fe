"""Lowers ``grad``, ``jacobian``, ``hessian`` and the products with them to request nodes, which are expanded later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradc.ir.types import Type
from gradc.ops import requests
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.apply import describe
from gradc.syntax.extents import Misfit, common, fit, written
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
    "hvp": (3, 3, "hvp(y, x, v)"),
}


@dataclass
class Target:
    """What is differentiated with respect to, and which part of the derivative is asked for."""

    node: int
    part: Callable[[int], int] | None = None


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
        builder = lowering.builder
        span = source.span(node.start, node.end)
        shape = builder.type(y).shape
        if shape and name in ("grad", "hessian", "hvp"):
            hint = {
                "grad": "the derivative of an array is its `jacobian(y, x)`; of one element: `grad(y[0], x)`",
                "hessian": "choose one element: `hessian(y[0], x)`",
                "hvp": "choose one element: `hvp(y[0], x, v)`",
            }[name]
            label = f"this is an array {written(shape)}"
            lowering.error("E0401", f"`{name}` differentiates a single number", source, places[0], label, (hint,))
            return POISON
        if name in ("jvp", "vjp", "hvp"):
            v = self._target(name, sound[1], places[1], scope)
            direction = self._real(name, sound[2], places[2], source, "takes for a direction")
            if v is None or direction is None:
                return POISON
            builder.span = span
            due = builder.type(y if name == "vjp" else v.node).shape
            try:
                if common([Type("f64", due), builder.type(direction)]) != due:
                    raise Misfit(0)
            except Misfit:
                label = f"this is {written(builder.type(direction).shape)}"
                lowering.error("E0309", f"this direction has not the shape {written(due)}", source, places[2], label)
                return POISON
            direction = fit(builder, direction, due, span)
            if name == "hvp":
                return requests.hvp(builder, y, v.node, direction)
            made = builder.make(name, (y, v.node, direction))
            return made if v.part is None else v.part(made)
        targets = []
        for value, place in zip(sound[1:], places[1:], strict=True):
            v = self._target(name, value, place, scope)
            if v is None:
                return POISON
            targets.append(v)
        builder.span = span
        return self._matrix(name, y, targets if name != "hessian" or len(targets) == 2 else targets * 2)

    def _matrix(self, name: str, y: int, targets: Sequence[Target]) -> int:
        """The derivatives of all elements of y by one target after the other, the axes of y in front of theirs."""
        builder, fresh = self.lowering.builder, self.lowering.new_index
        if all(v.part is None for v in targets):
            if name == "hessian":
                return requests.hessian(builder, y, targets[0].node, targets[1].node, fresh)
            return requests.jacobian(builder, y, targets[0].node, fresh)
        # Elements of an array are chosen from the derivatives by the whole of it, as soon as there are any.
        for v in targets:
            y = requests.rows(builder, y, v.node, fresh, v.part)
        return y

    def _real(self, name: str, value: int | Weak, place: tree.Node, source: Source, verb: str) -> int | None:
        lowering = self.lowering
        type = lowering.applier.type(value)
        if isinstance(value, Weak) or type.real:
            return lowering.applier.real_node(value)
        if name in ("jvp", "vjp", "hvp") and type.dtype == "int" and verb != "differentiates":
            return lowering.applier.real_node(value)
        lowering.error("E0401", f"`{name}` {verb} real numbers only", source, place, f"this is {describe(type)}")
        return None

    def _target(self, name: str, value: int | Weak, place: tree.Node, scope: Scope) -> Target | None:
        """The node with respect to which one differentiates: that of a name with an identity of its own."""
        lowering, source = self.lowering, scope.source
        builder = lowering.builder
        if isinstance(place, tree.Subscript) and isinstance(place.value, tree.Name):
            # The elements of an array: those of the derivative by the whole array.
            whole = lowering.quietly(place.value, scope)
            inner = None if whole is None else self._target(name, whole, place.value, scope)
            if inner is None or name in ("jvp", "hvp"):
                if inner is not None:
                    hint = "a direction of the whole array may be 0 in the elements that do not move"
                    lowering.error("E0402", f"`{name}` takes a name", source, place, "elements of an array", (hint,))
                return None
            return Target(inner.node, lambda found: lowering.elements(place, found, scope))
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
            return Target(v)
        if v is not None and not builder.type(v).real:
            found = describe(builder.type(v))
            message = f"`{name}` differentiates with respect to real numbers only"
            lowering.error("E0401", message, source, place, f"this is {found}")
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
