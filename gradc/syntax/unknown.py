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
    elif _given_in_block(lowering, node, source):
        return
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
        if place.start < node.start:
            # What stands above and is not visible was named within a block.
            lowering.error(
                "E0204",
                f"`{node.shown}` is unknown behind the block that gives it a value",
                source,
                node,
                "it has none here",
                ("give it a value before the block, which then goes on with it; or on both sides of an `if`",),
                [(source, place.start, place.end, "given a value here")],
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


def _given_in_block(lowering: Lowering, node: tree.Name, source: Source) -> bool:
    """Report a name that a block around this place gives a value, but not before this place; whether it is one."""
    region = lowering.region
    while region is not None:
        if node.id in region.collected:
            target = region.collected[node.id].target
            lowering.error(
                "E0313",
                f"`{node.shown}` is collected by the loop, and is there behind it only",
                source,
                node,
                "read in the loop",
                (f"begin with `{node.shown} = zeros(…)` before the loop to set and read elements one by one",),
                [(source, target.start, target.end, "collected here")],
            )
            return True
        if node.id in region.names:
            place = region.names[node.id]
            lowering.error(
                "E0204",
                f"`{node.shown}` has no value yet",
                source,
                node,
                "the block gives it one further on",
                (f"give it a value before the block: `{node.shown} = 0`",),
                [(source, place.start, place.end, "given a value here")],
            )
            return True
        region = region.outer.region
    return False


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
