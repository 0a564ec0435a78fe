"""What a value is: its number type, its shape and its free indices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gradc.ir.sizes import Dim

DTYPES: Final = ("f64", "f32", "int", "bool")


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

    A value with free indices is a family of values, one for every choice of the indices.
    """

    dtype: str
    shape: tuple[Dim, ...] = ()
    free: tuple[Index, ...] = ()

    @property
    def real(self) -> bool:
        """Whether values are floating point, hence whether derivatives exist."""
        return self.dtype == "f64" or self.dtype == "f32"

    @property
    def scalar(self) -> bool:
        """Whether there is one value, not an array or an indexed family of them."""
        return not self.shape and not self.free

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __str__(self) -> str:
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


def typed(dtype: str, shape: tuple[Dim, ...] = (), free: Iterable[Index] = ()) -> Type:
    """The type of these parts, the shared one for a scalar; the free indices in any order, also repeated."""
    indices = free if isinstance(free, tuple) and len(free) < 2 else union(free)
    return SCALARS[dtype] if not shape and not indices else Type(dtype, shape, indices)


def union(indices: Iterable[Index]) -> tuple[Index, ...]:
    """Indices in canonical order, each once."""
    return tuple(sorted(set(indices), key=lambda index: (index.name, str(index.extent))))


class TypeMismatch(Exception):
    """A type rule refuses its operands. ``expected`` says what it takes, ``position`` which operand is at fault."""

    def __init__(self, expected: str, position: int) -> None:
        super().__init__(expected)
        self.expected = expected
        self.position = position
