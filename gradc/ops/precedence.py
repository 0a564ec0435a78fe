"""How tightly the operators bind where an expression is printed. All associate to the left but the power."""

from __future__ import annotations

from typing import Final

CONDITIONAL: Final = 0
OR: Final = 1
AND: Final = 2
NOT: Final = 3
COMPARISON: Final = 4
SUM: Final = 5
PRODUCT: Final = 6
NEGATION: Final = 7
POWER: Final = 8
ATOM: Final = 9
