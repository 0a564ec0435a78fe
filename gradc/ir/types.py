"""What a value is: its number type, its shape and its free indices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gradc.ir.sizes import Dim

DTYPES: Final = ("f64", "f32", "int", "bool")

TUPLE: Final = "tuple"
"""In the place of a number type: the several results of a region, which ``get`` tells apart."""
TAPE: Final = "tape"
"""In the place of a number type: one value for every iteration of a loop, as many as there turn out to be."""


@dataclass(frozen=True, slots=True)
class Index:
    """A free index of a comprehension, which runs from 0 to ``extent - 1``; a range that starts elsewhere is shifted.

    What binds it binds no other of that name, so a name tells indices apart within a graph.
    """

    name: str
    extent: Dim

    def __str__(self) -> str:
        return f"{self.name}: {self.extent}"


@dataclass(frozen=True, slots=True)
class Type:
    """The type of a node: number type, shape (one extent an axis) and free indices, in the order of their names.

    A value with free indices is a family of values, one for every choice of the indices. The types in a tuple, or the
    one of all values on a tape, are its ``parts``, which have no free indices of their own.
    """

    dtype: str
    shape: tuple[Dim, ...] = ()
    free: tuple[Index, ...] = ()
    parts: tuple[Type, ...] = ()

    @property
    def real(self) -> bool:
        """Whether values are floating point, hence whether derivatives exist."""
        return self.dtype == "f64" or self.dtype == "f32"

    @property
    def smooth(self) -> bool:
        """Whether derivatives flow through it: a real value, or a tuple or tape with real values in it."""
        return self.dtype == "f64" or self.dtype == "f32" or any(part.smooth for part in self.parts)

    @property
    def scalar(self) -> bool:
        """Whether there is one value, not an array, an indexed family or several values."""
        return not self.shape and not self.free and not self.parts

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self.dtype, self.shape, self.free, self.parts)

    def __str__(self) -> str:
        if self.dtype == TAPE:
            text = f"tape {self.parts[0]}"
        elif self.dtype == TUPLE:
            text = f"({', '.join(map(str, self.parts))})"
        else:
            text = self.dtype
        if self.shape:
            text += f"[{', '.join(map(str, self.shape))}]"
        if self.free:
            text += f"{{{', '.join(map(str, self.free))}}}"
        return text


# Scalars are shared objects: builders compare them by identity first.
F64: Final = Type("f64")
F32: Final = Type("f32")
INT: Final = Type("int")
BOOL: Final = Type("bool")
SCALARS: Final = {"f64": F64, "f32": F32, "int": INT, "bool": BOOL}


def _restored(dtype: str, shape: tuple[Dim, ...], free: tuple[Index, ...], parts: tuple[Type, ...]) -> Type:
    """The type that a pickle holds: of a scalar, the shared one."""
    found = Type(dtype, shape, free, parts)
    return SCALARS.get(dtype, found) if found.scalar else found


def typed(dtype: str, shape: tuple[Dim, ...] = (), free: Iterable[Index] = ()) -> Type:
    """The type of these parts, the shared one for a scalar; the free indices in any order, also repeated."""
    indices = free if isinstance(free, tuple) and len(free) < 2 else union(free)
    return SCALARS[dtype] if not shape and not indices else Type(dtype, shape, indices)


def family(type: Type, free: Iterable[Index]) -> Type:
    """A value of that type for every choice of further free indices."""
    indices = union((*type.free, *free))
    if indices == type.free:
        return type
    return Type(type.dtype, type.shape, indices, type.parts)


def single(type: Type) -> Type:
    """The type of one value of a family."""
    return (
        type
        if not type.free
        else Type(type.dtype, type.shape, (), type.parts)
        if type.dtype not in SCALARS
        else typed(type.dtype, type.shape)
    )


def tuple_of(parts: Iterable[Type], free: Iterable[Index] = ()) -> Type:
    """The type of several results; none of the parts is a family."""
    return Type(TUPLE, (), union(free), tuple(parts))


def tape_of(part: Type, free: Iterable[Index] = ()) -> Type:
    """The type of a value for each iteration of a loop; the part is no family."""
    return Type(TAPE, (), union(free), (part,))


def union(indices: Iterable[Index]) -> tuple[Index, ...]:
    """Indices in canonical order, each once."""
    return tuple(sorted(set(indices), key=lambda index: (index.name, str(index.extent))))


class TypeMismatch(Exception):
    """A type rule refuses its operands. ``expected`` says what it takes, ``position`` which operand is at fault."""

    def __init__(self, expected: str, position: int) -> None:
        super().__init__(expected)
        self.expected = expected
        self.position = position
