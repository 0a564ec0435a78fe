"""What all nodes over arrays are written with: operands whose shape matters, calls with their options."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from gradc.ir import sizes
from gradc.ir.sizes import Dim
from gradc.ir.types import Index
from gradc.ops import precedence

if TYPE_CHECKING:
    from gradc.backends.expression import Piece, Printer

_SUPERSCRIPTS: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# How far an expression is searched for the place that a range is read from, or for what gives it its shape.
SEARCHED: Final = 400

CALLS: Final[Mapping[str, str]] = {
    "amax": "max",
    "amin": "min",
    "eigvecs": "eigenvectors",
    "svdvecs": "singular_vectors",
}
# Their matrix is made symmetric first, which is part of what the function means.
_SYMMETRIC: Final = ("cholesky", "eigvalsh", "eigvecs")


def extent(dim: Dim, pretty: bool) -> str:
    """An extent as text: ``2·n + 1`` for people."""
    text = str(dim)
    if not pretty:
        return text
    shown = []
    for at, part in enumerate(text.split("^")):
        digits = len(part) - len(part.lstrip("0123456789")) if at else 0
        shown.append(part[:digits].translate(_SUPERSCRIPTS) + part[digits:])
    return "".join(shown).replace("*", "·")


def shape(dims: Sequence[Dim], known: Mapping[str, int] | None = None) -> str:
    """A shape as people write it; in numbers where the sizes are known."""
    shown = [dim if known is None else _number(dim, known) for dim in dims]
    return f"[{', '.join(extent(dim, True) for dim in shown)}]"


def _number(dim: Dim, known: Mapping[str, int]) -> Dim:
    try:
        return sizes.evaluate(dim, known)
    except (KeyError, ZeroDivisionError):
        return dim


def adjoint_map(text: str, name: str | None) -> str:
    """What becomes of the adjoint of ``name``, as a factor where it is one: ``Xᵀ·`` for ``Xᵀ @ ∂r``."""
    mark = f"∂{name or ''}"
    for sign in (" @ ", "·"):
        if text.endswith(sign + mark) and text.count("∂") == 1:
            return text.removesuffix(sign + mark) + "·"
        if text.startswith(mark + sign) and text.count("∂") == 1:
            return "·" + text.removeprefix(mark + sign)
    return text


class Writer:
    """Writes one node."""

    def __init__(self, printer: Printer, node: int, through: Collection[int]) -> None:
        self.printer = printer
        self.node = node
        self.data = printer.data
        self.entry = printer.data[node]
        self.op: str = self.entry["op"]
        self.operands: tuple[int, ...] = self.entry["operands"]
        self.attrs: Mapping[str, Any] = self.entry.get("attrs") or {}
        self.pretty = printer.pretty
        self.through = through

    # Looking -------------------------------------------------------------------------------------------------------

    def behind(self, node: int) -> int:
        """The node that is printed for a node."""
        return self.printer.behind(node, self.through)

    def is_op(self, node: int, op: str) -> bool:
        """Whether a node, which is no name, has this op."""
        return node not in self.printer.atoms and bool(self.data[node]["op"] == op)

    def constant(self, node: int) -> Any:
        """The number that a constant is, else None."""
        entry = self.data[self.behind(node)]
        return entry["attrs"]["value"] if entry["op"] == "const" else None

    def index_of(self, node: int) -> Index | None:
        """The index whose value a node is."""
        entry = self.data[self.behind(node)]
        found: Index | None = entry["attrs"]["index"] if entry["op"] == "index" else None
        return found

    # Pieces --------------------------------------------------------------------------------------------------------

    def dim(self, dim: Dim) -> str:
        """An extent."""
        return extent(dim, self.pretty)

    def listed(self, dims: Sequence[Dim]) -> str:
        """Extents with commas between them."""
        return ", ".join(map(self.dim, dims))

    def operand(self, node: int, least: int = precedence.CONDITIONAL) -> list[Piece]:
        """An operand whose shape matters."""
        dims = self.data[node]["type"].shape
        inner = self.behind(node)
        if not dims or not self._thin(inner):
            return [(node, least, False)]
        value = self.constant(inner)
        if value in (0, 1) and not isinstance(value, bool):
            return [f"{'ones' if value else 'zeros'}({self.listed(dims)})"]
        if self._scalars(inner):
            return ["full(", (inner, precedence.CONDITIONAL, False), f", {self.listed(dims)})"]
        if self.pretty:
            return ["broadcast(", (inner, precedence.CONDITIONAL, False), f", {self.listed(dims)})"]
        return ["(", (inner, precedence.SUM, False), f" + zeros({self.listed(dims)}))"]

    def _leaves(self, node: int) -> list[int]:
        """What an elementwise expression is made of; empty where there is too much of it."""
        found, stack, seen = [], [node], {node}
        while stack:
            current = stack.pop()
            entry = self.data[current]
            if current in self.printer.atoms or self._repeats(current):
                found.append(current)
                continue
            if not self.printer.ops[entry["op"]].elementwise:
                found.append(current)
                continue
            for operand in entry["operands"]:
                inner = self.behind(operand)
                if inner not in seen:
                    seen.add(inner)
                    stack.append(inner)
            if len(seen) > SEARCHED:
                return []
        return found

    def _repeats(self, node: int) -> bool:
        """Whether a node is a number, or something else, repeated."""
        entry = self.data[node]
        if entry["op"] == "reshape":
            return not self.data[entry["operands"][0]]["type"].shape
        return entry["op"] in ("broadcast", "const")

    def _thin(self, node: int) -> bool:
        """Whether nothing in the text of an expression would give it its shape."""
        leaves = self._leaves(node)
        thin = [
            leaf not in self.printer.atoms and (self._repeats(leaf) or not self.data[leaf]["type"].shape)
            for leaf in leaves
        ]
        return bool(leaves) and all(thin)

    def _scalars(self, node: int) -> bool:
        """Whether a thin expression is one of single numbers."""
        for leaf in self._leaves(node):
            entry = self.data[leaf]
            if entry["op"] in ("broadcast", "reshape") and self.data[entry["operands"][0]]["type"].shape:
                return False
        return True

    def call(self, name: str | None = None, options: Sequence[str] = ()) -> list[Piece]:
        """A call with the operands, and with what options the op has."""
        pieces: list[Piece] = [name or CALLS.get(self.op, self.op), "("]
        for position, operand in enumerate(self.operands):
            if position:
                pieces.append(", ")
            if self.op in _SYMMETRIC and (matrix := self._symmetrised(operand)) is not None:
                operand = matrix
            pieces += self.operand(operand)
        for option in (*options, *self._options()):
            pieces.append(f", {option}")
        return [*pieces, ")"]

    def _symmetrised(self, node: int) -> int | None:
        """A where the node is (A + A.T)*0.5."""
        inner = self.behind(node)
        if not self.is_op(inner, "mul") or self.constant(self.data[inner]["operands"][1]) != 0.5:
            return None
        total = self.behind(self.data[inner]["operands"][0])
        if not self.is_op(total, "add"):
            return None
        left, right = (self.behind(each) for each in self.data[total]["operands"])
        if not self.is_op(right, "transpose"):
            return None
        other = self.behind(self.data[right]["operands"][0])
        # What stands for a name in one place and in the other are two nodes.
        name = self.data[left].get("name")
        return left if other == left or (name is not None and name == self.data[other].get("name")) else None

    def _options(self) -> list[str]:
        found = []
        rank = self.data[self.operands[0]]["type"].rank
        axes = self.attrs.get("axes")
        if axes is not None and (len(axes) < rank or self.op == "softmax") and not (len(axes) == rank == 1):
            listed = ", ".join(map(str, axes))
            found.append(f"axis={listed}" if len(axes) == 1 else f"axis=[{listed}]")
        if "axis" in self.attrs and rank > 1:
            found.append(f"axis={self.attrs['axis']}")
        if self.attrs.get("reverse"):
            found.append("from the end")
        return found


__all__ = ["CALLS", "SEARCHED", "Writer", "adjoint_map", "extent", "shape"]
