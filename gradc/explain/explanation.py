"""What an explanation says: values, local gradients, paths, their sum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gradc.explain.summary import facts

Order = Literal["largest", "estimated", "first"]
"""Which of many paths are listed: the largest, those estimated to be so, or the first ones in the order of the text."""
DIGITS: Final = 1_000
"""A number of paths with more digits is given as a text, such as 2^100000."""


@dataclass(frozen=True)
class Row:
    """A value on the way: its name, the statement that defines it, and its number or array where it is known."""

    name: str
    formula: str
    value: Any
    shape: tuple[str, ...] = ()


@dataclass(frozen=True)
class LocalGradient:
    """The local gradient of one operand edge, from ``wrt`` into ``of``.

    ``expression`` is source text in the names of the statement and ``formula`` the same as people write it;
    ``expression_in_wrt`` and ``formula_in_wrt`` are in terms of what is differentiated by, the names on the way written
    out. Where it is not ``live``, nothing flows along it; ``idle`` says why.

    Over arrays ``kind`` is "elements" where there is one number for each element of ``wrt``, "moved" where elements go
    on as they are, and "map" for any other linear map: its formula is what becomes of the adjoint ``∂of``. ``shape`` is
    that of the numbers, or of the Jacobian of a map. What flows ``through`` a loop or a branch has no formula of one
    line: it is told in words.
    """

    of: str
    wrt: str
    expression: str
    formula: str
    expression_in_wrt: str
    formula_in_wrt: str
    value: Any
    live: bool = True
    idle: str = ""
    kind: str = "factor"
    shape: tuple[str, ...] = ()
    through: str = ""


@dataclass(frozen=True)
class Path:
    """A path by its names; its factors and product where values are known, else the factors as source and formulas.

    Over arrays the product is one of linear maps: its one formula is what the path contributes as a whole. Where a path
    is not ``live``, nothing flows along one of its edges and its product is 0, whatever the other factors are.
    """

    nodes: tuple[str, ...]
    factors: tuple[float, ...] | None
    expressions: tuple[str, ...]
    formulas: tuple[str, ...]
    product: Any
    live: bool = True


@dataclass(frozen=True)
class Explanation:
    """How the derivative of ``of`` with respect to ``wrt`` comes about; ``str()`` is the page for people.

    ``sum`` is over all ``path_count`` paths, whether they are listed or not; ``adjoint`` is what the compiled program
    computes, and ``agrees`` says whether the two are equal within rounding (None where values are missing). They may
    differ where rewrite rules keep the accuracy that the formulas as written lose.
    """

    of: str
    wrt: str
    level: str
    inputs: Mapping[str, Any]
    values: Mapping[str, Any]
    value: Any
    sum: Any
    adjoint: Any
    agrees: bool | None
    expression: str
    formula: str
    path_count: int
    paths: tuple[Path, ...]
    forward: tuple[Row, ...]
    local_gradients: tuple[LocalGradient, ...]
    step: Mapping[str, Any] | None
    # How many rows are left out of ``forward`` and ``local_gradients``.
    omitted: tuple[int, int] = field(default=(0, 0))
    # The shape of the derivative, and which paths are listed.
    shape: tuple[str, ...] = ()
    order: Order = "largest"
    # Whether the compiled program differs from the sum for no other reason than rewrite rules.
    rewritten: bool = False

    @property
    def best(self) -> Any:
        """The derivative, as the compiled program computes it where rewrite rules keep accuracy."""
        return self.adjoint if self.rewritten else self.sum

    @property
    def many(self) -> str:
        """The number of paths in few characters, for one that is too long to be read; powers of two are exact."""
        if self.path_count & (self.path_count - 1) == 0:
            return f"2^{self.path_count.bit_length() - 1}"
        return f"about 10^{math.log10(self.path_count):.0f}"

    def to_dict(self) -> dict[str, Any]:
        """The facts as plain values, for JSON; numbers that are not known are None."""
        return {
            "of": self.of,
            "wrt": self.wrt,
            "values": {name: facts(value) for name, value in self.values.items()},
            "value": self.value,
            "gradient": facts(self.best),
            "adjoint": facts(self.adjoint),
            "expression": self.expression,
            # JSON readers, Python's among them, refuse integers of thousands of digits.
            "path_count": self.path_count if self.path_count < 10**DIGITS else self.many,
            "paths_shown": len(self.paths),
            "paths": [
                {
                    "nodes": list(path.nodes),
                    "factors": list(path.expressions if path.factors is None else path.factors),
                    "product": facts(path.product),
                    **({} if path.live else {"live": False}),
                }
                for path in self.paths
            ],
            "sum": facts(self.sum),
            "local_gradients": [
                {
                    "of": each.of,
                    "wrt": each.wrt,
                    "expression": each.expression,
                    "in_terms_of_wrt": each.expression_in_wrt,
                    "value": facts(each.value),
                    **({} if each.live else {"live": False}),
                    **({"through": each.through} if each.through else {}),
                    **(
                        {}
                        if each.kind == "factor"
                        else {"kind": each.kind, "shape": [int(dim) if dim.isdecimal() else dim for dim in each.shape]}
                    ),
                }
                for each in self.local_gradients
            ],
            "step": None if self.step is None else {name: facts(value) for name, value in self.step.items()},
        }

    def text(self) -> str:
        """The page for people."""
        from gradc.explain.text import page

        return page(self)

    def __str__(self) -> str:
        return self.text()


__all__ = ["Explanation", "LocalGradient", "Order", "Path", "Row"]
