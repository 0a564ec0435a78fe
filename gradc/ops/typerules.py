"""Type rules of elementwise operators: from the types of the operands to the type of the result.

Operands have one shape (lowering inserts ``broadcast`` where the language allows another); free indices of the result
are those of all operands. The texts of a ``TypeMismatch`` are shown to users: "`sin` takes a number here".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gradc.ir.types import BOOL, F64, INT, Type, TypeMismatch, typed

NUMBER: Final = "a number"
INTEGER: Final = "an integer"
TRUTH: Final = "a truth value"

Attrs = Mapping[str, Any]


def _alike(types: Sequence[Type], first: int = 0) -> Type:
    """The one type of the operands from ``first`` on, with the free indices of all operands."""
    due = types[first]
    for position in range(len(types)):
        found = types[position]
        if found is due:
            continue
        if position >= first and found.dtype != due.dtype:
            raise TypeMismatch(_kind(due), position)
        if found.shape != due.shape:
            raise TypeMismatch(f"a value of shape {_shape(due)}", position)
    if any(found.free != due.free for found in types):
        return typed(due.dtype, due.shape, [index for found in types for index in found.free])
    return due


def _shape(due: Type) -> str:
    return f"[{', '.join(map(str, due.shape))}]" if due.shape else "of a single number"


def _kind(due: Type) -> str:
    return {"bool": TRUTH, "int": INTEGER, "f64": NUMBER}.get(due.dtype, f"a number of type {due.dtype}")


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
    return BOOL if due.scalar else typed("bool", due.shape, due.free)


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
    return _alike(types, 1)


def convert(types: Sequence[Type], attrs: Attrs) -> Type:
    """An integer or a truth value gives a real of the type that the attribute ``dtype`` names."""
    (type,) = types
    if type.real:
        raise TypeMismatch("an integer or a truth value", 0)
    return typed(attrs.get("dtype", "f64"), type.shape, type.free)


def order(types: Sequence[Type], attrs: Attrs) -> Type:
    """An integer and a real give the real's type."""
    if types[0].dtype != "int":
        raise TypeMismatch(INTEGER, 0)
    if not types[1].real:
        raise TypeMismatch(NUMBER, 1)
    return _alike(types, 1)


def first(types: Sequence[Type], attrs: Attrs) -> Type:
    """The type of the first operand."""
    return types[0]


def derivative(types: Sequence[Type], attrs: Attrs) -> Type:
    """The derivative of a real scalar by a target has the target's shape, and the free indices of both."""
    y, v = types
    if not y.real or y.shape:
        raise TypeMismatch(NUMBER, 0)
    if not v.real:
        raise TypeMismatch(NUMBER, 1)
    return typed(v.dtype, v.shape, (*y.free, *v.free))


def forward_product(types: Sequence[Type], attrs: Attrs) -> Type:
    """A derivative times a tangent, which has the target's shape, has the type of what is differentiated."""
    y, v, direction = _products(types)
    if direction.shape != v.shape:
        raise TypeMismatch(f"a direction of shape {_shape(v)}", 2)
    return typed(y.dtype, y.shape, (*y.free, *v.free, *direction.free))


def reverse_product(types: Sequence[Type], attrs: Attrs) -> Type:
    """A cotangent, which has the shape of what is differentiated, times a derivative has the type of the target."""
    y, v, weight = _products(types)
    if weight.shape != y.shape:
        raise TypeMismatch(f"weights of shape {_shape(y)}", 2)
    return typed(v.dtype, v.shape, (*y.free, *v.free, *weight.free))


def _products(types: Sequence[Type]) -> Sequence[Type]:
    for position, type in enumerate(types):
        if not type.real:
            raise TypeMismatch(NUMBER, position)
    return types
