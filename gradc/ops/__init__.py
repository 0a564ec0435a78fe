"""The table of operators: everything that the compiler knows about each, in one row, by families.

Local gradients stand in ``gradients.grad``, in the notation of the language; a row holds its lines of that file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from gradc.ir.op import Op, OpTable
from gradc.ops import (
    along,
    arith,
    cancelling,
    compare,
    control,
    decompose,
    elementary,
    functions,
    linalg,
    logarithmic,
    precedence,
    reduce,
    regions,
    spectra,
    structure,
    update,
)
from gradc.resources import package_file

GRADIENTS: Final = "ops/gradients.grad"
"""The file of local gradients, as ``gradc.resources.package_file`` finds it."""

PRECEDENCE: Final[Mapping[str, int]] = {
    name.lower(): value for name, value in vars(precedence).items() if name.isupper()
}
"""How tightly a kind of expression binds, loosest first: conditional, or, and, not, comparison, sum… atom."""

_CALL = re.compile(r"(\w+)\s*\(")
_BINARY = re.compile(r"\w+\s*([^\w\s(]+)\s*\w+$")


def gradient_lines(text: str, rows: Sequence[Op]) -> dict[str, list[str]]:
    """The lines of a file of local gradients by the name of their operator, comments left out.

    A line starts with `d` and a pattern: `f(…)`, `x + y` or `-x`. Raises ValueError for one that does not, or whose
    function or symbol no row has.
    """
    calls = {name: row.name for row in rows for name in row.functions}
    symbols = {(row.symbol, row.arity[0]): row.name for row in rows if row.symbol}
    lines: dict[str, list[str]] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        mark, _, rest = line.partition(" ")
        pattern = rest.partition("=")[0].strip()
        if call := _CALL.match(pattern):
            name = calls.get(call[1])
        elif binary := _BINARY.match(pattern):
            name = symbols.get((binary[1], 2))
        else:
            name = symbols.get((pattern[:1], 1))
        if mark != "d" or name is None:
            raise ValueError(f"line {number} of the local gradients is about no operator: {line!r}")
        lines.setdefault(name, []).append(line)
    return lines


def _with_gradients(rows: Sequence[Op], text: str) -> list[Op]:
    lines = gradient_lines(text, rows)
    return [replace(row, gradient="\n".join(lines[row.name])) if row.name in lines else row for row in rows]


# Whose derivative is a matter of structure: differentiation goes through them by itself.
STRUCTURAL: Final = frozenset({"name", "select"})


def gaps(row: Op) -> list[str]:
    """What a row lacks to be whole: field names, with the reason where it is not plain. Empty for a complete one."""
    missing = [field for field in ("doc", "reference") if not getattr(row, field)]
    if row.kind != "elementwise":
        return missing
    missing += [field for field in ("scalar", "array", "complex", "precise", "emit") if not getattr(row, field)]
    if row.symbol is None and not row.functions and row.name != "name":
        missing.append("functions or symbol")
    low = row.arity[0]
    missing += [field for field in ("domain", "dependence") if len(getattr(row, field)) < (1 if low == 0 else low)]
    for point in row.conventions:
        if not row.accepts(len(point.operands)):
            missing.append("conventions: wrong number of operands")
    flat = all(how == "none" for how in row.dependence)
    if not (flat or row.gradient or row.partials or row.name in STRUCTURAL):
        missing.append("gradient or partials")
    return missing


_FAMILIES: Final[Mapping[str, Sequence[Op]]] = {
    "Arithmetic": arith.ROWS,
    "Comparisons and truth values": compare.ROWS,
    "Leaves, choices, requests": control.ROWS,
    "Exponentials and logarithms": elementary.EXPONENTIALS,
    "Roots": elementary.ROOTS,
    "Circular functions": elementary.CIRCULAR,
    "Hyperbolic functions": elementary.HYPERBOLIC,
    "Removable points and small differences": cancelling.ROWS,
    "Neural networks": elementary.NETWORKS,
    "Error function and gamma family": functions.GAMMA,
    "Steps": functions.STEPS,
    "Extremes and lengths": functions.EXTREMES,
    "Structure of arrays": (*structure.ROWS, *update.ROWS),
    "Reductions": (*reduce.ROWS, *logarithmic.ROWS),
    "Along an axis": along.ROWS,
    "Linear algebra": (*linalg.ROWS, *decompose.ROWS, *spectra.ROWS),
    "Loops and branches": regions.ROWS,
}

FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    title: tuple(row.name for row in rows) for title, rows in _FAMILIES.items()
}
"""The names of the operators by families, in the order of the table."""

TABLE: Final = OpTable(
    _with_gradients(
        [row for rows in _FAMILIES.values() for row in rows],
        package_file(GRADIENTS).read_text(encoding="utf-8"),
    ),
    home="gradc.ops:TABLE",
)
"""The operators of the language. An immutable value: extend a copy and hand that to ``gradc.compile``."""
