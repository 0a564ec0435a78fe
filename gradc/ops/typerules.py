"""Type rules: from the types of the operands to the type of the result.

The texts of a ``TypeMismatch`` are shown to users: "`sin` takes a number here".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gradc.ir.types import BOOL, F64, INT, SCALARS, Type, TypeMismatch

NUMBER: Final = "a number"
INTEGER: Final = "an integer"
TRUTH: Final = "a truth value"

Attrs = Mapping[str, Any]


def _alike(types: Sequence[Type], first: int = 0) -> Type:
    """The one type of the operands from ``first`` on."""
    due = types[first]
    for position in range(first + 1, len(types)):
        if types[position] != due:
            raise TypeMismatch(_kind(due), position)
    return due


def _kind(due: Type) -> str:
    return {"bool": TRUTH, "int": INTEGER, "f64": NUMBER}.get(due.dtype, f"a number of type {due}")


def leaf(types: Sequence[Type], attrs: Attrs) -> Type:
    """A constant has the type of its value; what else stands at the head of a program is real unless declared."""
    value = attrs.get("value")
    return BOOL if isinstance(value, bool) else INT if isinstance(value, int) else F64


def real(types: Sequence[Type], attrs: Attrs) -> Type:
    """Reals of one type give that type."""
    for position, type in enumerate(types):
        if not type.real:
            raise TypeMismatch(NUMBER, position)
    return _alike(types)


def arithmetic(types: Sequence[Type], attrs: Attrs) -> Type:
    """Reals of one type give that type, and integers give an integer."""
    for position, type in enumerate(types):
        if type.dtype == "bool":
            raise TypeMismatch(NUMBER, position)
    return _alike(types)


def comparison(types: Sequence[Type], attrs: Attrs) -> Type:
    """Two numbers of one type give a truth value."""
    due = arithmetic(types, attrs)
    return Type("bool", due.shape, due.free) if due.shape or due.free else BOOL


def boolean(types: Sequence[Type], attrs: Attrs) -> Type:
    """Truth values give a truth value."""
    for position, type in enumerate(types):
        if type.dtype != "bool":
            raise TypeMismatch(TRUTH, position)
    return _alike(types)


def select(types: Sequence[Type], attrs: Attrs) -> Type:
    """A truth value and two values of one type give that type."""
    if types[0].dtype != "bool":
        raise TypeMismatch(TRUTH, 0)
    due = _alike(types, 1)
    if (types[0].shape, types[0].free) != (due.shape, due.free):
        raise TypeMismatch(TRUTH, 0)
    return due


def convert(types: Sequence[Type], attrs: Attrs) -> Type:
    """An integer or a truth value gives a real of the type that the attribute ``dtype`` names."""
    (type,) = types
    if type.real:
        raise TypeMismatch("an integer or a truth value", 0)
    due = SCALARS[attrs.get("dtype", "f64")]
    return due if type.scalar else Type(due.dtype, type.shape, type.free)


def order(types: Sequence[Type], attrs: Attrs) -> Type:
    """An integer and a real give the real's type."""
    if types[0].dtype != "int":
        raise TypeMismatch(INTEGER, 0)
    if not types[1].real:
        raise TypeMismatch(NUMBER, 1)
    return types[1]


def first(types: Sequence[Type], attrs: Attrs) -> Type:
    """The type of the first operand."""
    return types[0]


def derivative(types: Sequence[Type], attrs: Attrs) -> Type:
    """A derivative of a real has the type of that real."""
    for position, type in enumerate(types):
        if not type.real:
            raise TypeMismatch(NUMBER, position)
    return types[0]
