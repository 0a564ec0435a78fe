"""Hypothesis strategies that several tests share: floats that break things, names, random graphs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from gradc.ir import sizes
from gradc.ir.builder import Builder
from gradc.ir.graph import Constraint, Graph
from gradc.ir.op import OpTable
from gradc.ir.region import Function
from gradc.ir.sizes import Dim, TooLarge, divide, named
from gradc.ir.types import BOOL, F32, F64, INT, Index, Type, TypeMismatch, typed
from gradc.ops import TABLE, build, structure
from gradc.ops.structure import AT
from gradc.source import Span

NASTY = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 5e-324, -2.2e-308, 1.7976931348623157e308, 0.1, 1e16, 2.0]
"""Floats at which careless arithmetic goes wrong."""

floats = st.sampled_from(NASTY) | st.floats()
int64 = st.integers(-(2**63), 2**63 - 1)
names = st.text(min_size=1, max_size=6) | st.sampled_from(
    ["x", "ŷ", "w₁", "grad(L, w1)", 'q"\\', "\u202e", "\ud800", "\n"]
)
spans = st.builds(
    Span,
    st.sampled_from(["a.grad", "lib/b.grad", 'odd "name"\n.grad']),
    st.integers(1, 99_999),
    st.integers(1, 200),
    st.integers(1, 200),
)

_SIZES = ("n", "m", "d")


def _combined(inner: st.SearchStrategy[Dim]) -> st.SearchStrategy[Dim]:
    return st.tuples(st.sampled_from("+-*/"), inner, inner).map(_combine)


def _combine(parts: tuple[str, Dim, Dim]) -> Dim:
    operator, left, right = parts
    try:
        if operator == "/":
            return divide(left, right) if right != 0 else left
        return left + right if operator == "+" else left - right if operator == "-" else left * right
    except TooLarge:
        return left


def dims() -> st.SearchStrategy[Dim]:
    """Extents: numbers, and polynomials in the sizes n, m and d with divisions in them."""
    return st.recursive(st.sampled_from(_SIZES).map(named) | st.integers(-4, 6), _combined, max_leaves=6)


_CONSTANTS: list[tuple[Type, st.SearchStrategy[Any]]] = [
    (F64, floats),
    (F32, floats),
    (INT, int64),
    (BOOL, st.booleans()),
]


@st.composite
def graphs(
    draw: st.DrawFn,
    ops: OpTable = TABLE,
    *,
    only: tuple[str, ...] | None = None,
    types: tuple[Type, ...] = (F64, F32, INT, BOOL),
    marks: bool = True,
    max_nodes: int = 25,
    functions: dict[str, Function] | None = None,
) -> Graph:
    """A valid graph of scalars: inputs, constants, names and the elementwise operators of ``ops`` (or ``only`` some).

    ``types`` bounds the types of leaves. With ``marks`` it has places, adjoint marks and tables too, which say nothing
    true about the program. ``functions`` are what ``call`` nodes may name.
    """
    builder = Builder(ops)
    declared = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    for name in declared:
        type = draw(st.sampled_from(types))
        default = draw(st.none() | dict(_CONSTANTS)[type])
        node = builder.input(name, type, kind=draw(st.sampled_from(["input", "param"])), default=default)
        if draw(st.booleans()):
            builder.names[name] = node
    usable = [
        name for name in only or ops if ops[name].kind == "elementwise" and name not in ("name", "const", "input")
    ]
    for _ in range(draw(st.integers(0, max_nodes))):
        if marks:
            builder.span = draw(st.none() | spans)
            builder.adjoint_of = draw(st.none() | st.integers(0, len(builder.data) - 1))
        pick = st.integers(0, len(builder.data) - 1)
        what = draw(st.integers(0, 9))
        if what == 0:
            type = draw(st.sampled_from(types))
            builder.constant(draw(dict(_CONSTANTS)[type]), type)
        elif what == 1:
            name = draw(names)
            node = builder.name(name, draw(pick))
            if draw(st.booleans()):
                builder.names[name] = node
        elif what == 2 and functions:
            name = draw(st.sampled_from(sorted(functions)))
            operands = [draw(pick) for _ in functions[name].params]
            _try(builder, "call", operands, {"function": name})
        else:
            op = draw(st.sampled_from(usable))
            low, high = ops[op].arity
            count = low if high == low else draw(st.integers(low, low + 3 if high is None else high))
            attrs = {"dtype": "f32"} if op == "float" and draw(st.booleans()) else None
            _try(builder, op, [draw(pick) for _ in range(count)], attrs)
    anywhere = st.integers(0, len(builder.data) - 1)
    if marks:
        key = st.tuples(anywhere, anywhere, st.integers(1, 3))
        builder.adjoints.update(draw(st.dictionaries(key, anywhere, max_size=3)))
        builder.names.update(draw(st.dictionaries(names, anywhere, max_size=3)))
    builder.functions.update(functions or {})
    results = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    return builder.finish([(name, draw(anywhere)) for name in results])


def _try(builder: Builder, op: str, operands: list[int], attrs: dict[str, Any] | None) -> None:
    try:
        builder.apply(op, *operands, attrs=attrs)
    except TypeMismatch:
        return


# Arrays --------------------------------------------------------------------------------------------------------------

EXTENTS: tuple[Dim, ...] = (named("n"), named("m"), 1, 2, 3, named("n") + 1)
"""Extents that random arrays have; the sizes n and m may be 0, but for gathers."""
_MAX_RANK, _MAX_FREE, _MAX_ELEMENTS = 4, 3, 3000
_UNARY = ("neg", "sin", "cos", "tanh", "sigmoid", "softplus")
_BINARY = ("add", "sub", "mul", "hypot", "atan2")
_REDUCTIONS = ("sum", "sum", "sum", "prod", "logsumexp", "norm", "amax", "amin")
_ALONG = ("cumsum", "product_before", "softmax", "sort")


class Growing:
    """A random array graph as it is made: each method appends what it is called after, to a node of the pool or new.

    Whatever the sizes, from 0 on, every index that is read lies within its axis, unless ``gather`` asks for indices
    through the integer inputs: then n and m must be at least 1.
    """

    def __init__(self, draw: st.DrawFn, ops: OpTable, gather: bool, rough: bool) -> None:
        self.draw = draw
        self.builder = Builder(ops)
        self.gather = gather
        # Whether there may be kinks: maxima, norms, sorting.
        self.rough = rough
        self.pool: list[int] = []
        self.tables: list[int] = []
        self.indices: list[Index] = []

    # Picking -------------------------------------------------------------------------------------------------------

    def chance(self) -> bool:
        return self.draw(st.booleans())

    def one(self, options: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(options))

    def some(self, options: Sequence[Any], least: int = 0) -> list[Any]:
        """Some of the options, each once, in any order."""
        if not options:
            return []
        places = st.lists(st.integers(0, len(options) - 1), min_size=least, max_size=len(options), unique=True)
        return [options[place] for place in self.draw(places)]

    def pick(self, least_rank: int = 0) -> int:
        """A real node, one of the last rather than one of the first."""
        options = [node for node in self.pool if self.type(node).rank >= least_rank]
        return self.one(options[::-1]) if options else self.spread(self.pick(), self.one(EXTENTS))

    def type(self, node: int) -> Type:
        return self.builder.type(node)

    def apply(self, op: str, *operands: int, **attrs: Any) -> int:
        return self.builder.apply(op, *operands, attrs=attrs or None)

    def fits(self, type: Type) -> bool:
        """Whether the arrays stay small where the sizes do."""
        total = sizes.product([*type.shape, *(index.extent for index in type.free)])
        count = sizes.evaluate(total, {"n": 3, "m": 3})
        return type.rank <= _MAX_RANK and len(type.free) <= _MAX_FREE and count <= _MAX_ELEMENTS

    # Parts ---------------------------------------------------------------------------------------------------------

    def input(self, shape: tuple[Dim, ...] | None = None) -> None:
        if shape is None:
            shape = tuple(self.one(EXTENTS) for _ in range(self.draw(st.integers(0, 3))))
        number = len(self.builder.inputs)
        default: Any = self.draw(st.none() | st.floats(-2, 2))
        if self.chance():
            default = self.rows(shape, st.floats(-2, 2))
        kind = self.one(["input", "param"])
        node = self.builder.input(f"x{number}", typed("f64", shape), kind=kind, default=default)
        self.builder.names[f"x{number}"] = node
        self.pool.append(node)

    def rows(self, shape: tuple[Dim, ...], numbers: st.SearchStrategy[float]) -> Any:
        """A default of that shape, of two elements along the axes that say n or m and three along n + 1."""
        if not shape:
            return self.draw(numbers)
        return tuple(self.rows(shape[1:], numbers) for _ in range(sizes.evaluate(shape[0], {"n": 2, "m": 2})))

    def table(self) -> None:
        """An array of integers to read through."""
        number = len(self.builder.inputs)
        self.tables.append(self.builder.input(f"t{number}", typed("int", (self.one(EXTENTS[:2]),))))

    def index(self, extent: Dim) -> int:
        """The value of an index over that extent, one of those that there are, or a new one."""
        known = [index for index in self.indices if index.extent == extent]
        if known and self.chance():
            return build.index(self.builder, self.one(known))
        fresh = self.builder.fresh(self.one(["i", "j", "ŷ"]), extent)
        self.indices.append(fresh)
        return build.index(self.builder, fresh)

    def place(self, extent: Dim) -> int:
        """An integer, or a family of them, from 0 to the extent less 1."""
        how = self.draw(st.integers(0, 4))
        if how == 0 and sizes.at_least(extent, 1):
            return self.builder.constant(0, INT)
        value = self.index(extent)
        if how == 1:
            last = self.apply("sub", build.extent(self.builder, extent), self.builder.constant(1, INT))
            return self.apply("sub", last, value)
        if how == 2 and self.tables:
            table = self.one(self.tables)
            found = self.apply("access", table, self.index(self.type(table).shape[0]), items=(AT,))
            return self.apply("mod", found, build.extent(self.builder, extent))
        return value

    def slice(self, extent: Dim) -> tuple[Dim, Dim, Dim]:
        options: list[tuple[Dim, Dim, Dim]] = [(0, 1, extent), (extent - 1, -1, extent), (0, 2, divide(extent + 1, 2))]
        if sizes.at_least(extent, 1):
            options += [(1, 1, extent - 1), (0, 1, extent - 1)]
        return self.one(options)

    def items(self, shape: tuple[Dim, ...], least: int = 0) -> tuple[tuple[Any, ...], list[int]]:
        """Items for the first axes of that shape, and the nodes of the indices among them."""
        items: list[Any] = []
        places: list[int] = []
        for extent in shape[: self.draw(st.integers(min(least, len(shape)), len(shape)))]:
            if self.chance():
                items.append(AT)
                places.append(self.place(extent))
            else:
                items.append(self.slice(extent))
        return tuple(items), places

    def shaped(self, node: int, shape: tuple[Dim, ...]) -> int:
        """The node, or what is made of it, under that shape."""
        own = self.type(node).shape
        if own == shape:
            return node
        missing = len(shape) - len(own)
        if missing < 0 or any(e not in (1, due) for e, due in zip(own, shape[missing:], strict=True)):
            node = build.total(self.builder, node, axes=range(len(own)))
        return build.broadcast(self.builder, node, shape)

    # Steps ---------------------------------------------------------------------------------------------------------

    def unary(self) -> int:
        return self.apply(self.one(_UNARY), self.pick())

    def binary(self) -> int:
        x, y = self.pick(), self.pick()
        return self.apply(self.one(_BINARY), x, self.shaped(y, self.type(x).shape))

    def choice(self) -> int:
        x, y = self.pick(), self.pick()
        y = self.shaped(y, self.type(x).shape)
        return self.apply("select", self.apply(self.one(["gt", "le"]), x, y), x, self.apply("sin", y))

    def constant(self) -> int:
        shape = self.type(self.pick()).shape
        return self.builder.constant(self.draw(st.floats(-2, 2)), typed("f64", shape))

    def name(self) -> int:
        node = self.pick()
        name = f"v{len(self.builder.data)}"
        self.builder.names[name] = made = self.builder.name(name, node)
        return made

    def count(self) -> int:
        return self.apply("float", self.index(self.one(EXTENTS)))

    def spread(self, node: int, extent: Dim) -> int:
        return self.apply("broadcast", node, shape=(extent, *self.type(node).shape))

    def broadcast(self) -> int:
        x = self.pick()
        shape = tuple(self.one(EXTENTS) if extent == 1 else extent for extent in self.type(x).shape)
        front = [self.one(EXTENTS) for _ in range(self.draw(st.integers(0, 2)))]
        return self.apply("broadcast", x, shape=(*front, *shape))

    def reshape(self) -> int:
        x = self.pick()
        shape = self.type(x).shape
        flat = (sizes.product(shape),)
        return self.apply("reshape", x, shape=self.one([flat, (1, *shape), (*shape, 1), shape[::-1], (*flat, 1)]))

    def transpose(self) -> int:
        x = self.pick(2)
        return self.apply("transpose", x, order=tuple(self.draw(st.permutations(range(self.type(x).rank)))))

    def access(self) -> int:
        x = self.pick(1)
        items, places = self.items(self.type(x).shape)
        return self.apply("access", x, *places, items=items)

    def assemble(self) -> int:
        x = self.pick()
        shape = self.type(x).shape
        target = (self.one(EXTENTS), *shape)[:_MAX_RANK]
        operands: list[int] = []
        parts: list[Any] = []
        summed: dict[Index, bool] = {}
        for _ in range(self.draw(st.integers(1, 3))):
            whole, places = self.items(target, 1)
            value = self.shaped(self.pick() if parts else x, structure.indexed(target, whole))
            inside = {*self.type(value).free, *(index for place in places for index in self.type(place).free)}
            operands += [value, *places]
            # What one part sums over is no free index of the whole.
            over = [index for index in sorted(inside, key=str) if summed.setdefault(index, self.chance())]
            parts.append((whole, tuple(over)))
        return self.apply("assemble", *operands, shape=target, parts=tuple(parts))

    def tabulate(self) -> int:
        x = self.pick()
        if not self.type(x).free:
            x = self.apply("mul", x, self.shaped(self.count(), self.type(x).shape))
        return self.apply("tabulate", x, indices=tuple(self.some(self.type(x).free, 1)))

    def reduce(self) -> int:
        x = self.pick()
        type = self.type(x)
        op = self.one(_REDUCTIONS)
        axes = self.some(range(type.rank))
        if op in ("amax", "amin"):
            axes = [axis for axis in axes if sizes.at_least(type.shape[axis], 1)]
        if op in ("amax", "amin", "norm") and not self.rough:
            op = "sum"
        if op != "sum":
            return self.apply(op, x, axes=tuple(axes))
        # A sum may run over an index that the value lacks.
        return self.apply(
            "sum", x, axes=tuple(axes), over=tuple(self.some(list(dict.fromkeys([*type.free, *self.indices[:1]]))[:2]))
        )

    def along(self) -> int:
        x = self.pick(1)
        op = self.one(_ALONG if self.rough else _ALONG[:-1])
        axis = self.draw(st.integers(0, self.type(x).rank - 1))
        if op == "softmax":
            return self.apply(op, x, axes=(axis,))
        return self.apply(op, x, axis=axis, **({} if op == "sort" else {"reverse": self.chance()}))

    def matmul(self) -> int:
        x = self.pick(1)
        other = x if self.type(x).rank == 1 else build.transpose(self.builder, x)
        if self.type(x).rank == 2 and self.chance():
            other = self.shaped(self.pick(), (self.type(x).shape[1],))
        elif self.chance():
            other = self.apply("tanh", other)
        return self.apply("matmul", x, other)

    def closed(self, node: int) -> int:
        """The node without its free indices: summed over some, the others as axes."""
        free = self.type(node).free
        summed = self.some(free)
        node = build.total(self.builder, node, summed)
        return build.tabulate(self.builder, node, [index for index in free if index not in summed])


STEPS = (
    "unary", "binary", "choice", "constant", "name", "count", "broadcast", "reshape", "transpose", "access", "access",
    "assemble", "tabulate", "reduce", "reduce", "along", "matmul",
)  # fmt: skip
"""What a random array graph is made of; each step that moves or reduces elements makes the operator of its name."""


@st.composite
def array_graphs(
    draw: st.DrawFn,
    ops: OpTable = TABLE,
    *,
    steps: Sequence[str] = STEPS,
    max_steps: int = 12,
    marks: bool = True,
    gather: bool = True,
    rough: bool = True,
    sized: bool = False,
) -> Graph:
    """A valid graph of arrays over the sizes n and m, whose values are finite and of moderate size for moderate inputs.

    Inputs x0, x1… are real, of rank 0 to 3 with extents out of ``EXTENTS``; with ``gather`` there are integer inputs
    t3… of shape [n] or [m], any elements of which will do, but then n and m must be at least 1. Without them all sizes
    from 0 on will. With ``rough`` there are kinks (largest elements, norms, sorting; ``choice`` among the ``steps`` has
    some too). With ``sized`` an input x0 gives both sizes, so that shapes of arrays fix them. ``marks`` are places,
    constraints (which always hold) and tables that say nothing true.
    """
    growing = Growing(draw, ops, gather, rough)
    builder = growing.builder
    if sized:
        growing.input((named("n"), named("m")))
    for _ in range(draw(st.integers(1, 3))):
        growing.input()
    if gather:
        growing.table()
    for _ in range(draw(st.integers(1, max_steps))):
        if marks:
            builder.span = draw(st.none() | spans)
            builder.adjoint_of = draw(st.none() | st.integers(0, len(builder.data) - 1))
        made = getattr(growing, draw(st.sampled_from(steps)))()
        while not growing.fits(builder.type(made)):
            free = builder.type(made).free
            made = build.total(builder, made, free[:1], range(min(2, builder.type(made).rank)))
        growing.pool.append(made)
    builder.span = builder.adjoint_of = None
    outputs = [(f"y{number}", growing.closed(growing.pick())) for number in range(draw(st.integers(1, 3)))]
    if marks:
        n = named("n")
        for constraint in (Constraint(">=", n + 1, 1, draw(st.none() | spans)), Constraint("==", 2 * n // 2, n)):
            if draw(st.booleans()):
                builder.constraints[constraint] = None
        anywhere = st.integers(0, len(builder.data) - 1)
        builder.adjoints.update(draw(st.dictionaries(st.tuples(anywhere, anywhere, st.integers(1, 3)), anywhere)))
    return builder.finish(outputs)
