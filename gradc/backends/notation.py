"""How nodes over arrays and indices are written: elements and slices, sums over indices, tables, joined arrays.

Shapes are explicit in the graph and implicit on paper: a ``broadcast`` between operands that meet element by element is
not written, but one whose shape matters, as in ``sum(ones(n))``, is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from gradc.backends import recognise
from gradc.backends.writing import CALLS, SEARCHED, Writer, adjoint_map, extent, shape
from gradc.ir import sizes
from gradc.ir.sizes import Dim
from gradc.ir.types import Index
from gradc.ops import precedence
from gradc.ops.structure import parts

if TYPE_CHECKING:
    from gradc.backends.expression import Piece, Printer

Pieces = tuple["list[Piece]", int]

# What an index looks like below a sum sign.
_SUBSCRIPTS: Final = dict(zip("aehijklmnoprstuvx0123456789", "ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ₀₁₂₃₄₅₆₇₈₉", strict=True))
# An index that close to the end is written as one that counts from there.
_NEAR: Final = 9


def structural(printer: Printer, node: int, least: int, through: Collection[int]) -> Pieces:
    """What to print for a structural node where what binds less than ``least`` has to stand in brackets."""
    entry = printer.data[node]
    write = _WRITERS.get(entry["op"])
    if write is not None:
        return write(_Writer(printer, node, through), least)
    return _Writer(printer, node, through).call(), precedence.ATOM


def dim_pieces(printer: Printer, dim: Dim) -> Pieces:
    """An extent as a value."""
    text = extent(dim, printer.pretty)
    if isinstance(dim, int):
        return [text], precedence.NEGATION if dim < 0 else precedence.ATOM
    if dim.atomic:
        return [text], precedence.ATOM
    return [text], precedence.SUM if len(dim.terms) > 1 else precedence.PRODUCT


class _Writer(Writer):
    """Writes one node."""

    # Ranges --------------------------------------------------------------------------------------------------------

    def readable(self, index: Index, body: int) -> bool:
        """Whether the range of an index can be read from an axis on which it stands alone."""
        seen, stack = {body}, [body]
        while stack and len(seen) < SEARCHED:
            node = stack.pop()
            entry = self.data[node]
            if self.pretty and node in self.printer.atoms and index in entry["type"].free:
                # Where a family has a name, its definition says what it ranges over.
                return True
            if entry["op"] == "access":
                array, *rest = entry["operands"]
                places = iter(rest)
                for item, dim in zip(entry["attrs"]["items"], self.data[array]["type"].shape, strict=False):
                    if item is None and self.index_of(next(places)) == index and dim == index.extent:
                        return True
            for operand in entry["operands"]:
                if operand not in seen and index in self.data[operand]["type"].free:
                    seen.add(operand)
                    stack.append(operand)
        return False

    def clause(self, indices: Sequence[Index], body: int, condition: int | None = None) -> list[Piece]:
        """``for i, j in 0..n if …``, with the ranges that cannot be read."""
        listed = []
        for index in indices:
            name = self.printer.index(index)
            known = self.readable(index, body) or (condition is not None and self.readable(index, condition))
            listed.append(name if known else f"{name} in 0..{self._bound(index.extent)}")
        pieces: list[Piece] = [f" for {', '.join(listed)}"]
        if condition is not None:
            pieces += [" if ", (condition, precedence.CONDITIONAL + 1, False)]
        return pieces

    def _bound(self, dim: Dim) -> str:
        return self.dim(dim)

    # Sums and tables -----------------------------------------------------------------------------------------------

    def sum(self, least: int) -> Pieces:
        """A sum over axes, or over indices with its domain."""
        over: tuple[Index, ...] = self.attrs.get("over", ())
        (body,) = self.operands
        if not over:
            return self.reduction(least)
        if self.attrs.get("axes"):
            # Over axes first: these are sums of their own.
            inner = self.call("sum") if self.data[body]["type"].shape else [(body, precedence.CONDITIONAL, False)]
            return ["∑(" if self.pretty else "sum(", *inner, *self.clause(over, body), ")", *over], precedence.ATOM
        if self.constant(body) == 1 and not self.data[body]["type"].shape:
            dim = sizes.product(index.extent for index in over)
            pieces, binds = dim_pieces(self.printer, dim)
            if self.pretty:
                return pieces, binds
            return ["float(", *pieces, ")"], precedence.ATOM
        return self._total(over, body, least)

    def _total(self, over: tuple[Index, ...], body: int, least: int) -> Pieces:
        inner, condition = self.behind(body), None
        if self.is_op(inner, "select"):
            test, then, other = self.data[inner]["operands"]
            free = self.data[test]["type"].free
            if self.constant(other) == 0 and any(index in free for index in over):
                inner, condition = then, test
        if self.pretty and condition is None and all(self.readable(index, inner) for index in over):
            names = [self.printer.index(index) for index in over]
            if all(char in _SUBSCRIPTS for name in names for char in name):
                sign = "∑" + ",".join("".join(_SUBSCRIPTS[char] for char in name) for name in names)
                if least <= precedence.CONDITIONAL:
                    return [f"{sign} ", (inner, precedence.PRODUCT, True), *over], precedence.CONDITIONAL
                # Its brackets are not those of a call: the square of it is no sum of squares.
                return [f"{sign}(", (inner, precedence.CONDITIONAL, False), ")", *over], precedence.NEGATION
        clause = self.clause(over, inner, condition)
        start = "∑(" if self.pretty else "sum("
        return [start, (inner, precedence.CONDITIONAL, False), *clause, ")", *over], precedence.ATOM

    def reduction(self, least: int) -> Pieces:
        """A reduction of own axes; of a table just made, one over its indices."""
        (operand,) = self.operands[:1]
        inner = self.behind(operand)
        axes = self.attrs.get("axes", ())
        if self.is_op(inner, "tabulate"):
            indices = self.data[inner]["attrs"]["indices"]
            (body,) = self.data[inner]["operands"]
            if axes == tuple(range(len(indices))) and not self.data[body]["type"].shape:
                name = CALLS.get(self.op, self.op)
                clause = self.clause(indices, body)
                return [f"{name}(", (body, precedence.CONDITIONAL, False), *clause, ")", *indices], precedence.ATOM
        return self.call(), precedence.ATOM

    def tabulate(self, least: int) -> Pieces:
        """A table: what integer arrays name, a diagonal, or a comprehension."""
        (body,) = self.operands
        indices = self.attrs["indices"]
        found = self._gathered(self.behind(body), indices) or self._jacobian(self.behind(body), indices)
        if found is not None:
            return found, precedence.ATOM
        clause = self.clause(indices, body)
        return ["[", (body, precedence.CONDITIONAL, False), *clause, "]", *indices], precedence.ATOM

    def _jacobian(self, body: int, indices: tuple[Index, ...]) -> list[Piece] | None:
        """The derivatives of all elements that a program asks for."""
        if not self.is_op(body, "grad"):
            return None
        element, by = self.data[body]["operands"]
        element = self.behind(element)
        if not self.is_op(element, "access"):
            return None
        array, *places = self.data[element]["operands"]
        if tuple(map(self.index_of, places)) != indices or any(self.data[element]["attrs"]["items"]):
            return None
        inner = self.behind(array)
        if not self.is_op(inner, "grad"):
            return ["jacobian(", *self.operand(array), ", ", *self.operand(by), ")"]
        y, first = self.data[inner]["operands"]
        second: list[Piece] = [] if first == by else [", ", *self.operand(by)]
        return ["hessian(", *self.operand(y), ", ", *self.operand(first), *second, ")"]

    def _gathered(self, body: int, indices: tuple[Index, ...]) -> list[Piece] | None:
        if not self.is_op(body, "access"):
            return None
        array, *places = self.data[body]["operands"]
        items = self.data[body]["attrs"]["items"]
        if any(index in self.data[array]["type"].free for index in indices):
            return None
        plain = [self.index_of(place) for place in places]
        if len(indices) == 1 and items == (None, None) and plain == [*indices, *indices]:
            return ["diag(", (array, precedence.CONDITIONAL, False), ")"]
        shown: list[list[Piece]] = []
        tables = 0
        for place in places:
            if not any(index in self.data[place]["type"].free for index in indices):
                shown.append(self.place(place))
                continue
            inner = self.behind(place)
            if not self.is_op(inner, "access"):
                return None
            table, *inside = self.data[inner]["operands"]
            if tuple(map(self.index_of, inside)) != indices or any(self.data[inner]["attrs"]["items"]):
                return None
            if self.data[table]["type"].rank != len(indices) or self.data[table]["type"].free:
                return None
            shown.append([(table, precedence.CONDITIONAL, False)])
            tables += 1
        return self._subscript(array, items, shown) if tables else None

    # Elements ------------------------------------------------------------------------------------------------------

    def access(self, least: int) -> Pieces:
        """Elements, rows and slices."""
        array, *places = self.operands
        return self._subscript(array, self.attrs["items"], [self.place(place) for place in places]), precedence.ATOM

    def place(self, node: int, dim: Dim | None = None) -> list[Piece]:
        """An index."""
        return [(node, precedence.CONDITIONAL, False)]

    def _subscript(self, array: int, items: Sequence[Any], places: Sequence[list[Piece]]) -> list[Piece]:
        dims = self.data[array]["type"].shape
        return [*self.operand(array, precedence.ATOM), "[", *self._items(items, places, dims), "]"]

    def _items(self, items: Sequence[Any], places: Sequence[list[Piece]], dims: Sequence[Dim]) -> list[Piece]:
        pieces: list[Piece] = []
        rest = iter(places)
        for axis, item in enumerate(items):
            if axis:
                pieces.append(", ")
            if item is not None:
                pieces.append(self._slice(item, dims[axis]))
                continue
            place = next(rest)
            if len(place) == 1 and isinstance(place[0], tuple):
                entry = self.data[self.behind(place[0][0])]
                if entry["op"] == "size":
                    place = [self._near(entry["attrs"]["size"], dims[axis])]
            pieces += place
        return pieces

    def _near(self, at: Dim, end: Dim) -> str:
        """A place on an axis, counted from its end where that is near."""
        if isinstance(end, int):
            return self.dim(at)
        left = at - end
        return str(left) if isinstance(left, int) and -_NEAR <= left < 0 else self.dim(at)

    def _slice(self, item: Any, end: Dim) -> str:
        bounds = recognise.bounds(item[0], item[1], item[2], end)
        if bounds is None:
            return f"{self.dim(item[0])}:…:{self.dim(item[1])}"
        first, last, step = bounds
        start = "" if first is None else self._near(first, end)
        stop = "" if last is None else self._near(last, end)
        return f"{start}:{stop}" if step == 1 else f"{start}:{stop}:{step}"

    # Putting together ----------------------------------------------------------------------------------------------

    def assemble(self, least: int) -> Pieces:
        """Arrays that are joined, stacked or padded; else parts with the places that they add to."""
        dims: tuple[Dim, ...] = self.attrs["shape"]
        listed = parts(self.attrs)
        values = [self.operands[position] for position, *_ in listed]
        items = [each for _, each, _, _ in listed]
        if all(not over for _, _, over, _ in listed):
            if self._stacked(items, dims):
                return self._stack(values), precedence.ATOM
            axis = recognise.joined(items, dims)
            if axis is not None:
                return self._joining(values, axis, len(dims)), precedence.ATOM
            around = recognise.padded(items, dims)
            if around is not None:
                before, after, axes = around
                option = "" if len(axes) == len(dims) else f", axis={axes[0] if len(axes) == 1 else axes}"
                text = f", {self.dim(before)}, {self.dim(after)}{option})"
                return ["pad(", *self.operand(values[0]), text], precedence.ATOM
        pieces: list[Piece] = ["scatter("]
        for number, (position, each, over, places) in enumerate(listed):
            value = self.operands[position]
            at = [self.place(self.operands[place]) for place in places]
            pieces += [", "] if number else []
            pieces += [*self.operand(value), " at [", *self._items(each, at, dims), "]"]
            if over:
                names = ", ".join(self.printer.index(index) for index in over)
                pieces += [f" for {names}", *over]
        return [*pieces, ")"], precedence.ATOM

    def put(self, least: int) -> Pieces:
        """An array with other elements at some place."""
        array, value, *places = self.operands
        return [
            *["put("],
            *self.operand(array),
            *[", "],
            *self.operand(value),
            *[" at ", *self.subscript(array, places), ")"],
        ], precedence.ATOM

    def accumulate(self, least: int) -> Pieces:
        """An array to which parts are added."""
        base = self.operands[0]
        pieces: list[Piece] = [*self.operand(base, precedence.SUM)]
        for position, each, over, places in parts(self.attrs):
            at = [self.place(self.operands[place + 1]) for place in places]
            dims = self.data[base]["type"].shape
            pieces += [" + scatter(", *self.operand(self.operands[position + 1])]
            pieces += [" at [", *self._items(each, at, dims), "]", *self._over(over), ")"]
        return pieces, precedence.SUM

    def _over(self, over: Sequence[Index]) -> list[Piece]:
        if not over:
            return []
        return [f" for {', '.join(self.printer.index(index) for index in over)}", *over]

    def subscript(self, array: int, places: Sequence[int]) -> list[Piece]:
        """The items of an update in brackets."""
        shown = [self.place(place) for place in places]
        return ["[", *self._items(self.attrs["items"], shown, self.data[array]["type"].shape), "]"]

    def update(self, left: str, sign: str) -> list[Piece] | None:
        """``x[i] ← v`` or ``x[i] += v`` for an array that goes by the name on the left before it, too."""
        base, value, *places = self.operands
        entry = self.data[self.behind(base)]
        if entry.get("name") != left:
            return None
        if self.op == "put":
            return [left, *self.subscript(base, places), f" {sign} ", *self.operand(value)]
        listed = list(parts(self.attrs))
        if len(listed) != 1:
            return None
        position, each, over, at = listed[0]
        shown = [self.place(self.operands[place + 1]) for place in at]
        added = self.operand(self.operands[position + 1])
        dims = self.data[base]["type"].shape
        return [left, "[", *self._items(each, shown, dims), "] += ", *added, *self._over(over)]

    def _stacked(self, items: Sequence[Any], dims: Sequence[Dim]) -> bool:
        if any(each != (None,) for each in items) or dims[0] != len(items):
            return False
        places = [self.constant(self.operands[2 * number + 1]) for number in range(len(items))]
        return places == list(range(len(items)))

    def _stack(self, values: Sequence[int]) -> list[Piece]:
        inner = [self.behind(value) for value in values]
        rows = all(
            not self.data[value]["type"].shape
            or (self.is_op(value, "assemble") and _Writer(self.printer, value, self.through)._is_stack())
            for value in inner
        )
        pieces: list[Piece] = ["[" if rows else "stack("]
        for number, value in enumerate(values):
            pieces += [", "] if number else []
            pieces += self.operand(value)
        return [*pieces, "]" if rows else ")"]

    def _is_stack(self) -> bool:
        listed = parts(self.attrs)
        return all(not over for _, _, over, _ in listed) and self._stacked(
            [items for _, items, _, _ in listed], self.attrs["shape"]
        )

    def _joining(self, values: Sequence[int], axis: int, rank: int) -> list[Piece]:
        pieces: list[Piece] = ["concat("]
        for number, value in enumerate(values):
            pieces += [", "] if number else []
            pieces += self.operand(value)
        return [*pieces, f", axis={axis})" if axis else ")"]

    # Other shapes --------------------------------------------------------------------------------------------------

    def broadcast(self, least: int) -> Pieces:
        """What is repeated; the operands that it meets give the shape."""
        return self.printer.pieces(self.behind(self.operands[0]), self.through, least)

    def reshape(self, least: int) -> Pieces:
        """The operand and its new shape; a single number is one under any shape."""
        if not self.data[self.operands[0]]["type"].shape:
            return self.broadcast(least)
        return [
            *["reshape("],
            *self.operand(self.operands[0]),
            f", {self.listed(self.attrs['shape'])})",
        ], precedence.ATOM

    def transpose(self, least: int) -> Pieces:
        """Xᵀ, or the order of the axes."""
        order = self.attrs["order"]
        if order == tuple(reversed(range(len(order)))):
            base = self.operand(self.operands[0], precedence.ATOM)
            return [*base, "ᵀ" if self.pretty else ".T"], precedence.ATOM
        listed = ", ".join(map(str, order))
        return ["transpose(", *self.operand(self.operands[0]), f", [{listed}])"], precedence.ATOM

    def matmul(self, least: int) -> Pieces:
        """The matrix product; that of two vectors is a function."""
        left, right = self.operands
        if all(self.data[operand]["type"].rank == 1 for operand in self.operands):
            return self.call("dot"), precedence.ATOM
        column, row = self._column(left), self._row(right)
        if column is not None and row is not None:
            return ["outer(", *column, ", ", *row, ")"], precedence.ATOM
        pieces = [*self.operand(left, precedence.PRODUCT), " @ ", *self.operand(right, precedence.PRODUCT + 1)]
        return pieces, precedence.PRODUCT

    def _row(self, node: int) -> list[Piece] | None:
        """The vector that a matrix of one row holds."""
        inner = self.behind(node)
        if self.is_op(inner, "transpose"):
            return self._column(self.data[inner]["operands"][0])
        return None

    def _column(self, node: int) -> list[Piece] | None:
        """The vector that a matrix of one column holds."""
        inner = self.behind(node)
        if inner in self.printer.atoms:
            return None
        entry = self.data[inner]
        if entry["op"] == "reshape":
            (vector,) = entry["operands"]
            rank, dims = self.data[vector]["type"].rank, entry["attrs"]["shape"]
            return self.operand(vector) if rank == 1 and len(dims) == 2 and dims[1] == 1 else None
        if entry["op"] == "neg":
            found = self._column(entry["operands"][0])
            return None if found is None else ["-", *found]
        if entry["op"] in ("solve", "triangular_solve"):
            right = self._column(entry["operands"][1])
            return None if right is None else _Writer(self.printer, inner, self.through)._system(right)
        return None

    def triangle(self, least: int) -> Pieces:
        """One side of a diagonal."""
        offset = self.attrs["offset"]
        return self.call("tril" if self.attrs["lower"] else "triu", [str(offset)] if offset else []), precedence.ATOM

    def solve(self, least: int) -> Pieces:
        """The solution of a system."""
        return self._system(self.operand(self.operands[1])), precedence.ATOM

    def _system(self, right: list[Piece]) -> list[Piece]:
        name = "solve"
        if self.op == "triangular_solve":
            name = "solve_lower" if self.attrs["lower"] else "solve_upper"
        matrix: list[Piece] = self.operand(self.operands[0])
        if self.attrs["transposed"]:
            if self.op == "triangular_solve":
                name = "solve_upper" if self.attrs["lower"] else "solve_lower"
            matrix = [*self.operand(self.operands[0], precedence.ATOM), "ᵀ" if self.pretty else ".T"]
        return [f"{name}(", *matrix, ", ", *right, ")"]

    def demand(self, least: int) -> Pieces:
        """The value that is demanded."""
        return self.printer.pieces(self.behind(self.operands[0]), self.through, least)


def updated(printer: Printer, node: int, left: str, sign: str, limit: int) -> str | None:
    """The assignment that gives an array other elements; None where it does not have that form."""
    pieces = _Writer(printer, node, ()).update(left, sign)
    return None if pieces is None else printer.joined(pieces, limit)


_WRITERS: Final[Mapping[str, Callable[[_Writer, int], Pieces]]] = {
    "sum": _Writer.sum,
    "prod": _Writer.reduction,
    "amax": _Writer.reduction,
    "amin": _Writer.reduction,
    "any": _Writer.reduction,
    "all": _Writer.reduction,
    "logsumexp": _Writer.reduction,
    "logmeanexp": _Writer.reduction,
    "logprod": _Writer.reduction,
    "norm": _Writer.reduction,
    "tabulate": _Writer.tabulate,
    "access": _Writer.access,
    "assemble": _Writer.assemble,
    "put": _Writer.put,
    "accumulate": _Writer.accumulate,
    "broadcast": _Writer.broadcast,
    "reshape": _Writer.reshape,
    "transpose": _Writer.transpose,
    "matmul": _Writer.matmul,
    "triangle": _Writer.triangle,
    "solve": _Writer.solve,
    "triangular_solve": _Writer.solve,
    "demand": _Writer.demand,
}


__all__ = ["adjoint_map", "dim_pieces", "extent", "shape", "structural", "updated"]
