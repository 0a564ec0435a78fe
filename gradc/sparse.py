"""Sparse Jacobians and Hessians: the pattern from the graph, columns that share a sweep, values as SciPy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from hashlib import blake2b
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradc import driver
from gradc.ad import colouring
from gradc.ad.expand import expand
from gradc.ad.indices import Run
from gradc.ad.reach import library
from gradc.ad.sparsity import pattern, symmetric
from gradc.backends.plan import ArrayPlan
from gradc.errors import CallError, Diagnostic
from gradc.ir.graph import Graph
from gradc.ir.sizes import evaluate, names
from gradc.source import canonical

if TYPE_CHECKING:
    from gradc.model import Model

Mode = Literal["columns", "rows", "star"]

# The patterns of so many combinations of sizes and indices are kept.
_KEPT = 8

# Pictures: up to so many rows and columns each element is a character, beyond that a dot of one.
_WHOLE = 32
_WIDTH, _HEIGHT = 60, 30
_SYMBOLS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, eq=False)
class Sparsity:
    """Where a Jacobian or a Hessian can have other elements than 0, and which of them share a sweep.

    ``pattern`` is a ``scipy.sparse.csr_array`` of truth values: its rows are the elements of y in their order, its
    columns those of x. ``colours`` holds a number for every column, or row (``mode`` "rows"): those of one number are
    computed together, in forward mode ("columns", "star") or in reverse mode ("rows"). ``row_slices`` and
    ``column_slices`` hold, by name, which rows and columns are the elements of which array.
    """

    name: str
    pattern: Any
    colours: Any
    mode: Mode
    row_slices: Mapping[str, slice] = field(default_factory=dict)
    column_slices: Mapping[str, slice] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        rows, columns = self.pattern.shape
        return int(rows), int(columns)

    @property
    def nonzeros(self) -> int:
        """How many elements can be other than 0."""
        return int(self.pattern.nnz)

    @property
    def count(self) -> int:
        """How many colours there are: as many sweeps give all non-zeros."""
        return colouring.number(self.colours)

    @cached_property
    def sources(self) -> tuple[Any, Any]:
        """The colour and the row of the product that each non-zero is read from; of a Hessian."""
        return colouring.sources(self.pattern, self.colours)

    def to_dict(self) -> dict[str, Any]:
        """The pattern as JSON can hold it: the places of the non-zeros, row by row, and the colours."""
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.pattern.indptr))
        return {
            "name": self.name,
            "shape": list(self.shape),
            "nonzeros": self.nonzeros,
            "mode": self.mode,
            "count": self.count,
            "rows": rows.tolist(),
            "columns": self.pattern.indices.tolist(),
            "colours": self.colours.tolist(),
        }

    def text(self) -> str:
        """The pattern as a picture, with counts above it."""
        rows, columns = self.shape
        share = f" ({100 * self.nonzeros / (rows * columns):.3g} %)" if rows and columns else ""
        lines = [f"{self.name}: {rows} × {columns}, {_many(self.nonzeros, 'non-zero')}{share}"]
        if self.nonzeros:
            how = {
                "columns": "columns share a sweep of forward mode",
                "rows": "rows share a sweep of reverse mode",
                "star": "columns share a sweep of forward over reverse mode",
            }[self.mode]
            sizes = np.sort(np.bincount(self.colours))[::-1]
            listed = ", ".join(map(str, sizes[:12])) + (", …" if len(sizes) > 12 else "")
            lines.append(f"{_many(self.count, 'colour')}: {listed} {how}")
            lines += ["", *self._picture()]
        return "\n".join(lines) + "\n"

    def _picture(self) -> list[str]:
        rows, columns = self.shape
        if max(rows, columns) > _WHOLE:
            return _dots(self.pattern)
        grid = [["·"] * columns for _ in range(rows)]
        for row in range(rows):
            for column in self.pattern.indices[self.pattern.indptr[row] : self.pattern.indptr[row + 1]]:
                grid[row][column] = _SYMBOLS[self.colours[row if self.mode == "rows" else column] % len(_SYMBOLS)]
        return [f"  {' '.join(line)}" for line in grid]

    def __str__(self) -> str:
        return self.text().rstrip("\n")

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"<gradc.Sparsity {self.name}: {rows} × {columns}, {self.nonzeros} non-zeros, {self.count} colours>"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("s" if count != 1 else "")


def _dots(found: Any) -> list[str]:
    """A large pattern in Braille: a dot stands for a block of elements, of which one can be other than 0."""
    rows, columns = found.shape
    scale = max(rows / (4 * _HEIGHT), columns / (2 * _WIDTH), 1.0)
    height, width = -int(-rows // scale), -int(-columns // scale)
    dots = np.zeros((-(-height // 4) * 4, -(-width // 2) * 2), bool)
    at = np.repeat(np.arange(rows), np.diff(found.indptr))
    dots[(at / scale).astype(int), (found.indices / scale).astype(int)] = True
    # The bits of the eight dots of a character, by row and column.
    bits = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
    blocks = dots.reshape(dots.shape[0] // 4, 4, dots.shape[1] // 2, 2)
    codes = (blocks * bits[None, :, None, :]).sum(axis=(1, 3))
    return ["  " + "".join(chr(0x2800 + code) for code in line) for line in codes]


class SparseDerivative:
    """A sparse Jacobian or Hessian as a function of the inputs: its values are ``scipy.sparse.csr_array``.

    Rows are the elements of y in their order, columns those of x; of several names those of one stand behind those of
    the one before (``Sparsity.row_slices`` and ``column_slices`` say where). Whatever can be other than 0 is stored,
    also where it is 0, so that results for the same sizes and indices have one structure. The pattern and its colouring
    are computed once for these.
    """

    def __init__(self, model: Model, name: str, of: Sequence[str], wrt: Sequence[str], is_hessian: bool) -> None:
        library()
        self.name = name
        self.model = model
        self.of, self.wrt = list(of), list(wrt)
        self.is_hessian = is_hessian
        self._columns = model.jvp(of, wrt)
        self._rows: Model | None = None
        self._known: dict[Any, Sparsity] = {}
        self._expanded: tuple[Graph, list[int], list[int]] | None = None

    def __call__(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> Any:
        """The derivatives for the given inputs; what is left out has its default."""
        inputs = self.model._inputs
        given = inputs.numbers(mapping, values)
        sizes = inputs.bound(given)
        known = self._sparsity(given, sizes, ())
        found = known.pattern
        dtype = np.float32 if self.model.options.dtype == "f32" else np.float64
        data = np.zeros(0, dtype)
        if known.nonzeros:
            seeds = colouring.seeds(known.colours, dtype)
            compressed = self._products(known.mode == "rows", given, sizes, seeds)
            if known.mode == "star":
                data = compressed[known.sources]
            elif known.mode == "columns":
                data = colouring.spread(found, known.colours, compressed)
            else:
                rows = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
                data = compressed[known.colours[rows], found.indices]
        return library().csr_array((data, found.indices.copy(), found.indptr.copy()), shape=found.shape)

    def sparsity(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> Sparsity:
        """Pattern and colours for the given inputs, of which only shapes and integers count; others may be missing."""
        inputs = self.model._inputs
        given = inputs.given(mapping, values)
        absent = []
        for at, value in enumerate(given):
            if value is not None:
                given[at] = inputs.converted(at, value)
            elif inputs.defaults[at] is not None:
                given[at] = inputs.defaults[at]
            else:
                absent.append(at)
                given[at] = False if inputs.dtypes[at] == "bool" else 1
        if missing := [at for at in absent if at in inputs.shapes.counts or not self._sized(at, absent)]:
            raise inputs.missing(missing)
        return self._sparsity(given, inputs.bound(given), absent)

    def _sized(self, at: int, absent: Sequence[int]) -> bool:
        """Whether inputs that have values give all sizes in the shape of one that has none."""
        inputs = self.model._inputs
        known = {canonical(inputs.shown[each]) for each in inputs.shapes.counts}
        for each, type in enumerate(inputs.types):
            if each not in absent and not isinstance(inputs.defaults[each], (float, int)):
                known |= {name for dim in type.shape for name in names(dim)}
        return known.issuperset(name for dim in inputs.types[at].shape for name in names(dim))

    def _products(self, rows: bool, given: Sequence[Any], sizes: Mapping[str, int], seeds: Any) -> Any:
        """The products with all seeds, in one batched sweep: a row for each."""
        if rows and self._rows is None:
            self._rows = self.model.vjp(self.of, self.wrt)
        model = self._rows if rows else self._columns
        assert model is not None
        first = len(given)
        moved = [tuple(evaluate(dim, sizes) for dim in type.shape) for type in model._inputs.types[first:]]
        ends = np.cumsum([prod(shape) for shape in moved])[:-1]
        directions = [
            part.reshape(len(seeds), *shape) for part, shape in zip(np.split(seeds, ends, axis=1), moved, strict=True)
        ]
        batched = model._batched(tuple(range(first, first + len(moved))))
        found = [np.asarray(each).reshape(len(seeds), -1) for each in batched._run([*given, *directions]).values()]
        # An output for each pair of names, by ``of`` first: those of all that moves are added up.
        pairs = [found[at : at + len(self.wrt)] for at in range(0, len(found), len(self.wrt))]
        listed = zip(*pairs, strict=True) if rows else pairs
        sums = [reduce(np.add, parts) for parts in listed]
        return sums[0] if len(sums) == 1 else np.concatenate(sums, axis=1)

    def _sparsity(self, given: Sequence[Any], sizes: Mapping[str, int], absent: Sequence[int]) -> Sparsity:
        key = (tuple(sizes.items()), *(_digest(given[at]) for at in self._integers if at not in absent))
        found = self._known.get(key)
        if found is None:
            found = self._analysed(given, sizes, absent)
            if len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)), None)
            self._known[key] = found
        return found

    @cached_property
    def _integers(self) -> list[int]:
        return [at for at, dtype in enumerate(self.model._inputs.dtypes) if dtype == "int"]

    def _analysed(self, given: Sequence[Any], sizes: Mapping[str, int], absent: Sequence[int]) -> Sparsity:
        model = self.model
        if self._expanded is None:
            ends = [(f"{at}", model.node(name)) for at, name in enumerate([*self.of, *self.wrt])]
            graph, _ = expand(driver.with_requests(model.graph, (), ends), None, model.options.limits)
            nodes = [graph.output(name) for name, _ in ends]
            self._expanded = graph, nodes[: len(self.of)], nodes[len(self.of) :]
        graph, ys, vs = self._expanded
        values = dict(zip(graph.inputs, given, strict=True))

        def plan(indices: Graph) -> Run:
            made = ArrayPlan(indices, sizes, sources=model.sources, max_memory=model.options.max_memory)
            return made.run

        def value(nodes: Sequence[int]) -> Any:
            if lacking := [at for at in absent if graph.inputs[at] in nodes]:
                raise model._inputs.missing(lacking)
            return [values[node] for node in nodes]

        try:
            found = pattern(graph, ys, vs, sizes, value, plan)
            slices = _slices(graph, self.of, ys, sizes), _slices(graph, self.wrt, vs, sizes)
            if self.is_hessian:
                found = symmetric(found)
                # The rows are called like what they are a gradient by.
                return Sparsity(self.name, found, colouring.star(found), "star", slices[1], slices[1])
            return Sparsity(self.name, found, *_coloured(found), *slices)
        except MemoryError:
            raise CallError(Diagnostic("E0644", f"the pattern of `{self.name}` does not fit into memory")) from None

    def __repr__(self) -> str:
        return f"<gradc.SparseDerivative {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return SparseDerivative, (self.model, self.name, self.of, self.wrt, self.is_hessian)


def _slices(graph: Graph, names: Sequence[str], nodes: Sequence[int], sizes: Mapping[str, int]) -> dict[str, slice]:
    """Where the elements of each of several arrays stand."""
    counts = [prod(evaluate(dim, sizes) for dim in graph.type(node).shape) for node in nodes]
    ends = np.cumsum([0, *counts]).tolist()
    return {name: slice(at, end) for name, at, end in zip(names, ends, ends[1:], strict=False)}


def _coloured(found: Any) -> tuple[Any, Mode]:
    """Colours of columns, or of rows where these are fewer."""
    columns = colouring.columns(found)
    # The non-zeros of a column are in as many rows, of which no two can have one colour.
    if colouring.number(columns) <= int(np.bincount(found.indices, minlength=1).max()):
        return columns, "columns"
    rows = colouring.columns(found.T.tocsr())
    return (rows, "rows") if colouring.number(rows) < colouring.number(columns) else (columns, "columns")


def _digest(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.shape, blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16).digest()
    return value
