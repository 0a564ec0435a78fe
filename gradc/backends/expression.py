"""Prints the value of a node as an expression over names, in the language (``source``) or as people write it.

A graph shares values and a text cannot: written out, a short program may be longer than any disk. So every expression
is written from left to right, without recursion, and cut with ``…`` at a limit of characters.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Protocol

import numpy

from gradc.backends import blocks, notation
from gradc.ir.op import Op, OpTable
from gradc.ir.types import Index
from gradc.ops import precedence

ELLIPSIS: Final = "…"
LIMIT: Final = 4_000
"""Characters after which an expression is cut, unless told otherwise."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# The largest exponent that is written above the line.
_RAISED = 99
# How far a product is followed to the left to see how it begins; beyond that it is put in parentheses.
_SPINE = 64
_CONSTANTS = (("pi", "π", math.pi), ("e", "e", math.e))
_PRODUCTS = ("mul", "div")


class Nodes(Protocol):
    """What is printed: a graph, or a builder at work."""

    @property
    def data(self) -> Mapping[int, Mapping[str, Any]]:
        """Node number to attributes."""

    @property
    def ops(self) -> OpTable:
        """The table of operators."""

    @property
    def names(self) -> Mapping[str, int]:
        """The names of the program."""


def expression(
    graph: Nodes,
    node: int,
    *,
    pretty: bool = False,
    through: Collection[int] = (),
    atoms: Collection[int] | None = None,
    limit: int = LIMIT,
) -> str:
    """The value of ``node`` as an expression over the names of the program.

    ``atoms`` are the name nodes at which it stops, by default those in the table of names; ``through`` are atoms that
    are written out nevertheless. ``pretty`` writes for people: ``2·(yhat - y)``, ``x²``, ``√(x)``; otherwise the text
    is valid source of the same value. Beyond ``limit`` characters the text ends in ``…``.
    """
    return Printer(graph, pretty=pretty, atoms=atoms).text(node, through=through, limit=limit)


def definition(graph: Nodes, node: int, *, pretty: bool = False, limit: int = LIMIT) -> str:
    """What stands behind the name ``node``: the expression of its value; for any other node, its own expression."""
    return Printer(graph, pretty=pretty).text(node, through=(node,), limit=limit)


def number(value: float | int | bool, dtype: str = "f64") -> str:
    """A number as short as it can be written without loss: 2 for 2.0."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if dtype == "int":
        return str(value)
    if value != value or math.isinf(value):
        return "nan" if value != value else "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e15:
        return f"{value:.0f}"
    text = repr(float(value))
    if dtype == "f32":
        # The shortest text that is this number in single precision; in double precision it would show its rounding.
        text = repr(float(str(numpy.float32(value))))
    mantissa, mark, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if mark else text.removesuffix(".0")


# What is still to be printed: text, or a node with the least precedence that needs no parentheses, and whether one is
# needed when it begins with a minus; or an index whose name is free again from there on.
Piece = str | tuple[int, int, bool] | Index


class Printer:
    """Prints expressions of one graph in one style."""

    def __init__(self, graph: Nodes, *, pretty: bool = False, atoms: Collection[int] | None = None) -> None:
        self.graph = graph
        self.data = graph.data
        self.ops = graph.ops
        self.pretty = pretty
        self.atoms = set(graph.names.values()) if atoms is None else atoms
        # A constant's name that the program uses for a value of its own is not available.
        taken = graph.names
        self.constants = {value: (shown if pretty else name) for name, shown, value in _CONSTANTS if name not in taken}
        self.special = {name for name in ("inf", "nan") if pretty or name not in taken}
        self.taken = taken
        # What the indices in the text at hand are called, and the other way round.
        self._indices: dict[Index, str] = {}
        self._called: dict[str, Index] = {}
        # Whether a loop is written out where it is all there is to write.
        self.whole = True
        # The value that the text at hand is of, and how long it may be.
        self._root: int | None = None
        self._limit = LIMIT

    def another(self, graph: Nodes | None = None, atoms: Collection[int] | None = None) -> Printer:
        """A printer of the same style for a text inside a text: of this graph, or of another one."""
        if graph is None:
            return Printer(self.graph, pretty=self.pretty, atoms=self.atoms)
        return Printer(graph, pretty=self.pretty, atoms=atoms)

    def text(self, node: int, *, through: Collection[int] = (), limit: int = LIMIT) -> str:
        """The expression of ``node``, which is an atom like others unless ``through`` holds it."""
        self._indices.clear()
        self._called.clear()
        return self._text(node, through, limit)

    def statement(self, name: str, node: int, *, through: Collection[int] = (), limit: int = LIMIT) -> tuple[str, str]:
        """What stands to the left and to the right of the sign of equality: a table is written by its elements.

        ``C[i, j]`` and ``∑ₖ A[i, k]·B[k, j]``, or the name and the expression.
        """
        inner = self.behind(node, through)
        table = self.data[inner]
        if table["op"] == "tabulate" and (inner not in self.atoms or inner in through):
            text = self.text(node, through=through, limit=limit)
            # What is written without a comprehension needs no indices.
            if text.startswith("[") and text.endswith(("]", ELLIPSIS)):
                self._indices.clear()
                self._called.clear()
                listed = ", ".join(self.index(index) for index in table["attrs"]["indices"])
                (body,) = table["operands"]
                return f"{name}[{listed}]", self._text(body, through, limit)
            return name, text
        return name, self.text(node, through=through, limit=limit)

    def index(self, index: Index) -> str:
        """What an index is called in the text at hand: its name, with a number where that is taken."""
        found = self._indices.get(index)
        if found is None:
            name = index.name.partition(".")[0]
            found, count = name, 1
            while found in self._called or found in self.taken:
                count += 1
                found = f"{name}{count}"
            self._indices[index] = found
            self._called[found] = index
        return found

    def _text(self, node: int, through: Collection[int], limit: int) -> str:
        self._root, self._limit = self.behind(node, through), limit
        return self._cut([(node, precedence.CONDITIONAL, False)], through, limit)

    def joined(self, pieces: list[Piece], limit: int = LIMIT) -> str:
        """The text of pieces one after the other."""
        self._indices.clear()
        self._called.clear()
        self._root, self._limit = None, limit
        return self._cut(pieces, (), limit)

    def _cut(self, pieces: list[Piece], through: Collection[int], limit: int) -> str:
        parts: list[str] = []
        length = 0
        for token in self._tokens(pieces, through):
            parts.append(token)
            length += len(token)
            if length > limit:
                return "".join(parts)[: max(0, limit - 1)].rstrip() + ELLIPSIS
        return "".join(parts)

    def _tokens(self, pieces: list[Piece], through: Collection[int]) -> Iterator[str]:
        stack: list[Piece] = pieces[::-1]
        while stack:
            piece = stack.pop()
            if isinstance(piece, str):
                yield piece
                continue
            if isinstance(piece, Index):
                self._called.pop(self._indices.pop(piece, ""), None)
                continue
            current, least, closed = piece
            current = self.behind(current, through)
            pieces, binds = self.pieces(current, through, least)
            if binds < least or (closed and self._negative(current, through)):
                pieces = ["(", *pieces, ")"]
            stack += reversed(pieces)

    def behind(self, node: int, through: Collection[int]) -> int:
        """The node that is printed for ``node``: names that are not shown are looked through."""
        data = self.data
        while True:
            entry = data[node]
            op = entry["op"]
            if op == "name" and (node not in self.atoms or node in through):
                node = entry["operands"][0]
            elif self.pretty and op == "float" and data[entry["operands"][0]]["type"].dtype == "int":
                # People write an integer where a number is meant.
                node = entry["operands"][0]
            else:
                return node

    def pieces(
        self, node: int, through: Collection[int], least: int = precedence.CONDITIONAL
    ) -> tuple[list[Piece], int]:
        """What to print for a node where ``least`` is what needs no brackets, and how tightly it binds."""
        entry = self.data[node]
        op: str = entry["op"]
        operands: tuple[int, ...] = entry["operands"]
        if op in ("input", "name"):
            return [entry["name"]], precedence.ATOM
        if op == "const":
            return self._constant(entry["attrs"]["value"], entry["type"].dtype)
        if op == "call":
            return self._call(entry["attrs"]["function"], operands), precedence.ATOM
        if op == "index":
            return [self.index(entry["attrs"]["index"])], precedence.ATOM
        if op == "size":
            return notation.dim_pieces(self, entry["attrs"]["size"])
        row = self.ops[op]
        if row.kind == "region":
            if op == "add_tapes":
                return self._call(op, operands), precedence.ATOM
            return blocks.pieces(self, node, self.whole and node == self._root, self._limit)
        if row.kind == "structural":
            return notation.structural(self, node, least, through)
        if op == "select":
            condition, then, other = ((operand, precedence.CONDITIONAL, False) for operand in operands)
            return ["if ", condition, " then ", then, " else ", other], precedence.CONDITIONAL
        if op == "pow":
            return self._power(operands[0], operands[1], through)
        if row.symbol is not None and len(operands) == 1:
            return self._prefix(row, operands[0], through)
        if row.symbol is not None and len(operands) == 2 and not self._enclosed(row):
            return self._infix(row, *operands), row.precedence
        if self.pretty and row.label and row.label.count("{") == len(operands):
            return self._label(row, operands), precedence.ATOM
        return self._call(row.functions[0] if row.functions else op, operands), precedence.ATOM

    def _constant(self, value: Any, dtype: str) -> tuple[list[Piece], int]:
        if isinstance(value, bool):
            # The language has no literal for it.
            if self.pretty:
                return [number(value)], precedence.ATOM
            return [f"0 {'=' if value else '!'}= 0"], precedence.COMPARISON
        if dtype == "f64" and abs(value) in self.constants:
            known = self.constants[abs(value)]
            return ([known], precedence.ATOM) if value > 0 else ([f"-{known}"], precedence.NEGATION)
        text = number(value, dtype)
        if self.pretty:
            text = text.replace("inf", "∞").replace("nan", "NaN")
        elif value != value and "nan" not in self.special:
            return ["0/0"], precedence.PRODUCT
        elif math.isinf(value) and "inf" not in self.special:
            return ([f"{1 if value > 0 else -1}/0"]), precedence.PRODUCT
        return [text], precedence.NEGATION if text.startswith("-") else precedence.ATOM

    @staticmethod
    def _call(name: str, operands: tuple[int, ...]) -> list[Piece]:
        pieces: list[Piece] = [name, "("]
        for position, operand in enumerate(operands):
            if position:
                pieces.append(", ")
            pieces.append((operand, precedence.CONDITIONAL, False))
        return [*pieces, ")"]

    def _label(self, row: Op, operands: tuple[int, ...]) -> list[Piece]:
        """A row's spelling for people: its own brackets hold the operands, but a fraction in it is one of products."""
        pieces: list[Piece] = []
        rest = row.label
        for position, operand in enumerate(operands):
            before, _, rest = rest.partition(f"{{{position}}}")
            infix = len(operands) > 1 and ("/" in (before[-1:], rest[:1]))
            least = (precedence.POWER if position else precedence.PRODUCT) if infix else precedence.CONDITIONAL
            pieces += [before, (operand, least, infix and position > 0)]
        return [*pieces, rest]

    def _infix(self, row: Op, left: int, right: int) -> list[Piece]:
        own = row.precedence
        if self.pretty:
            between = row.label.removeprefix("{0}").removesuffix("{1}")
        else:
            between = f"{row.symbol}" if own == precedence.PRODUCT else f" {row.symbol} "
        # All associate to the left, and comparisons not at all.
        first = own + 1 if own == precedence.COMPARISON else own
        return [(left, first, False), between, (right, own + 1, own >= precedence.SUM)]

    def _prefix(self, row: Op, operand: int, through: Collection[int]) -> tuple[list[Piece], int]:
        if row.precedence == precedence.NOT:
            return ["not ", (operand, precedence.NOT, False)], precedence.NOT
        # -(a*b/c) is (-a)*b/c to the bit, so it needs no parentheses; then the whole binds as a product does.
        product = self._signable(operand, through)
        least = precedence.PRODUCT if product else precedence.POWER
        return ["-", (operand, least, True)], precedence.PRODUCT if product else precedence.NEGATION

    def _power(self, base: int, exponent: int, through: Collection[int]) -> tuple[list[Piece], int]:
        first: Piece = (base, precedence.ATOM, False)
        raised = self.data[self.behind(exponent, through)]
        if self.pretty and raised["op"] == "const":
            value = raised["attrs"]["value"]
            if value == value and abs(value) <= _RAISED and value == int(value):
                return [first, str(int(value)).translate(_SUPERSCRIPTS)], precedence.POWER
        # The power associates to the right, and a sign may follow it.
        least = precedence.POWER if self.pretty else precedence.NEGATION
        return [first, "^", (exponent, least, self.pretty)], precedence.POWER

    def _signable(self, node: int, through: Collection[int]) -> bool:
        """Whether a minus before this product may be read as one before its first factor."""
        for step in range(_SPINE):
            node = self.behind(node, through)
            entry = self.data[node]
            if entry["op"] in _PRODUCTS and entry["type"].real:
                node = entry["operands"][0]
                continue
            return step > 0 and self._binds(node) != precedence.PRODUCT
        return False

    def _binds(self, node: int) -> int:
        """How tightly the operator of a node binds, whatever its operands are."""
        entry = self.data[node]
        row = self.ops[entry["op"]]
        if entry["op"] == "select" or (row.symbol is not None and not self._enclosed(row)):
            return row.precedence
        return precedence.ATOM

    def _enclosed(self, row: Op) -> bool:
        """Whether the spelling for people of an infix operator brings its own brackets."""
        return self.pretty and row.arity == (2, 2) and not row.label.startswith("{0}")

    def _negative(self, node: int, through: Collection[int]) -> bool:
        """Whether the text of a node begins with a minus."""
        for _ in range(_SPINE):
            node = self.behind(node, through)
            entry = self.data[node]
            op = entry["op"]
            if op == "const":
                pieces, _ = self._constant(entry["attrs"]["value"], entry["type"].dtype)
                return str(pieces[0]).startswith("-")
            row = self.ops[op]
            if op in ("input", "name", "call", "select") or row.symbol is None or op == "pow":
                return False
            if len(entry["operands"]) == 1:
                return row.symbol == "-"
            node = self.behind(entry["operands"][0], through)
            if self._binds(node) < row.precedence:
                return False
        return True


__all__ = ["ELLIPSIS", "LIMIT", "Printer", "definition", "expression", "number"]
