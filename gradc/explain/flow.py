"""What stands at an arrow along which a derivative flows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gradc.explain.summary import short

# A longer local gradient has its number in a line of its own.
_WRAPPED: Final = 20


def factor(text: str) -> str:
    """A number or an expression as one factor of a product."""
    simple = text.replace(".", "").replace("_", "").isalnum() or (text.endswith(")") and text[:1].isalpha())
    return text if simple else f"({text})"


@dataclass(frozen=True, slots=True)
class Flow:
    """An arrow along which a derivative flows: its local gradient as text and as number."""

    index: int
    text: str
    value: float | None
    # Where it has no influence nothing flows, as in a branch that is not taken.
    cut: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands at the arrow, long ones in two lines."""
        if self.value is None:
            return (self.text,)
        shown = short(self.value)
        if self.text in (shown, ""):
            return (shown,)
        return (self.text, f"= {shown}") if len(self.text) > _WRAPPED else (f"{self.text} = {shown}",)


__all__ = ["Flow", "factor"]
