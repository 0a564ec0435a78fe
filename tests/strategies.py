"""Hypothesis strategies that several tests share: floats that break things, names, random graphs."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from gradc.ir.graph import Builder, Graph
from gradc.ir.op import OpTable
from gradc.ir.region import Function
from gradc.ir.sizes import Dim, TooLarge, divide, named
from gradc.ir.types import BOOL, F32, F64, INT, Type, TypeMismatch
from gradc.ops import TABLE
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
