"""What a value is: its number type, its shape and its free indices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Dim = int | str
"""An extent of an axis: an integer, or the name of a size that the call fixes."""

DTYPES: Final = ("f64", "f32", "int", "bool")


@dataclass(frozen=True, slots=True)
class Type:
    """The type of a node: number type, shape (one extent an axis) and the free indices of a comprehension's body."""

    dtype: str
    shape: tuple[Dim, ...] = ()
    free: tuple[str, ...] = ()

    @property
    def real(self) -> bool:
        """Whether values are floating point, hence whether derivatives exist."""
        return self.dtype == "f64" or self.dtype == "f32"

    @property
    def scalar(self) -> bool:
        """Whether there is one value, not an array or an indexed family of them."""
        return not self.shape and not self.free

    def __str__(self) -> str:
        text = self.dtype
        if self.shape:
            text += f"[{', '.join(map(str, self.shape))}]"
        if self.free:
            text += f"{{{', '.join(self.free)}}}"
        return text


# Scalars are shared objects: builders compare them by identity first.
F64: Final = Type("f64")
F32: Final = Type("f32")
INT: Final = Type("int")
BOOL: Final = Type("bool")
SCALARS: Final = {"f64": F64, "f32": F32, "int": INT, "bool": BOOL}


class TypeMismatch(Exception):
    """A type rule refuses its operands. ``expected`` says what it takes, ``position`` which operand is at fault."""

    def __init__(self, expected: str, position: int) -> None:
        super().__init__(expected)
        self.expected = expected
        self.position = position
