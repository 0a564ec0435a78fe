"""Reports names of which no value is visible."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gradc.errors import suggestion
from gradc.source import Source
from gradc.syntax import code, tree
from gradc.syntax.arrays import FUNCTIONS
from gradc.syntax.scope import CONSTANTS, Scope

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering

_SUBSCRIPT = re.compile(r"[\w)\]][ \t]*\[[^\[\]()]*$")


def _is_index(text: str, node: tree.Name) -> bool:
    """Whether a name stands where an index does: alone in the brackets of a subscript, or between its commas."""
    before, after = text[max(0, node.start - 80) : node.start], text[node.end : node.end + 10].lstrip()[:1]
    return before.rstrip()[-1:] in ("[", ",") and after in (",", "]") and _SUBSCRIPT.search(before) is not None


def unknown_name(lowering: Lowering, node: tree.Name, scope: Scope) -> None:
    """Report that no value of that name is visible."""
    source = scope.source
    values, _ = scope.visible()
    if lowering.default_of is not None and node.id in lowering.not_in_default:
        not_constant(lowering, node, source)
    elif node.id in lowering.outlook.values:
        place = lowering.outlook.values[node.id]
        cycle = lowering.outlook.cycle(node.id)
        if cycle and not any(frame.closure for frame in lowering.frames):
            lowering.error(
                "E0205",
                f"`{cycle[0]}` is defined in terms of itself: {' → '.join(cycle)}",
                source,
                node,
                "closes the cycle",
                ("a value can only be computed from values that do not need it",),
            )
            return
        lowering.error(
            "E0204",
            f"`{node.shown}` is used before it is defined",
            source,
            node,
            "not yet defined here",
            ("statements run from top to bottom: move the definition up",),
            [(source, place.start, place.end, "defined here")],
        )
    elif (
        scope.function(node.id)
        or node.id in lowering.program.ops.functions
        or node.id in FUNCTIONS
        or node.id in code.DIFFERENTIATORS
    ):
        lowering.error(
            "E0201",
            f"`{node.shown}` is a function, not a value",
            source,
            node,
            "a function's name without a call",
            (f"call it: `{node.shown}(…)`",),
        )
    else:
        hints = suggestion(node.id, [*values, *CONSTANTS])
        if not hints and node.id in ("true", "false", "True", "False"):
            hints = ("a comparison gives a truth value, as `1 == 1`",)
        if not hints and node.id in ("π", "𝜋"):
            hints = ("the constant is written `pi`",)
        if not hints and node.id in ("np", "numpy", "jnp", "math", "torch"):
            hints = ("functions and constants are built in: write `sum(x)`, `pi`",)
        if not hints and _is_index(source.text, node):
            name = node.shown if len(node.shown) <= 20 else "i"
            hints = (f"an index stands behind `for`: `[… for {name}]`, `sum(… for {name})`",)
        lowering.error("E0201", f"unknown name `{node.shown}`", source, node, "no value of this name is defined", hints)


def not_constant(lowering: Lowering, node: tree.Name, source: Source) -> None:
    """Report that the default of an input is not a constant."""
    lowering.error(
        "E0307",
        f"the default of `{lowering.default_of}` must be a constant",
        source,
        node,
        "known only when the program runs",
        ("use numbers, `pi`, `e` and built-in functions",),
    )
