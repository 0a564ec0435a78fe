"""The points of the published table of conventions: those that rows state, and those that every real operand has."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import inf, nan
from typing import Any, Final

from gradc.ir.op import Convention, Op
from gradc.ir.types import BOOL, F64, INT, Type, TypeMismatch

SPECIAL: Final = (0.0, -0.0, inf, -inf, nan)
"""What each real operand is in turn, beside ordinary others."""

# Of these the first one inside of an operand's domain is its ordinary value.
_ORDINARY: Final = (0.5, 2.0, 1.5, -1.5, 5.5, 2.25)


def operand_types(row: Op) -> tuple[Type, ...]:
    """The types of operands that an elementwise row takes: reals, where it does not ask for others."""
    types = [F64] * max(row.arity[0], 1)
    for other in (INT, BOOL):
        for _ in range(len(types) + 1):
            try:
                row.type_rule(types, {})
            except TypeMismatch as mismatch:
                types[mismatch.position] = other
            else:
                return tuple(types)
    raise ValueError(f"no operands of numbers and truth values fit the operator {row.name!r}")


def points(row: Op) -> tuple[Convention, ...]:
    """What the table has to say something about: for each real operand ±0, ±inf and NaN, then the row's own points.

    An own point that is one of the others takes its place and gives it a reason. A structural row has its own alone.
    """
    found = {_bits(own.operands, own.constant): own for own in row.conventions}
    if row.kind == "elementwise":
        types = operand_types(row)
        ordinary = [_ordinary(type, row.domain[at]) for at, type in enumerate(types)]
        special = {}
        for at, type in enumerate(types):
            for value in SPECIAL if type.real else ():
                point = Convention((*ordinary[:at], value, *ordinary[at + 1 :]), "")
                key = _bits(point.operands, ())
                special[key] = found.pop(key, point)
        found = {**special, **found}
    return tuple(found.values())


def _ordinary(type: Type, domain: tuple[float, float]) -> Any:
    if not type.real:
        return True if type == BOOL else 1
    low, high = domain
    return next((value for value in _ORDINARY if low < value < high), (low + high) / 2)


def _bits(operands: Sequence[Any], constant: tuple[int, ...]) -> Any:
    """What tells points apart: 0 is not -0, and NaN is NaN."""
    return tuple(struct.pack("<d", x) if isinstance(x, float) else x for x in operands), constant
