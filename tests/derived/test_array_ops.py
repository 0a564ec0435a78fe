"""Every structural row of the table: values against the reference, derivatives to second order in both modes, batching.

A row without a program here fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from array_reference import Reference, agree, reference

from gradc.driver import Options
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.sizes import named
from gradc.ir.types import typed
from gradc.model import Model
from gradc.ops import TABLE, build
from gradc.ops.structure import AT

N = named("n")


@dataclass
class Program:
    """One operator on inputs of these shapes; ``make`` puts it there, by default with the attributes."""

    op: str
    shapes: list[tuple[int, ...]]
    attrs: dict[str, Any] = field(default_factory=dict)
    make: Callable[..., int] | None = None
    # From random numbers to numbers of the operator's domain.
    prepare: Callable[[Any], Any] = lambda x: x
    # Whether the derivatives are made of what the reference can evaluate: it has no eigenvectors.
    known: bool = True

    def __str__(self) -> str:
        return f"{self.op}{self.shapes}{self.attrs}"

    def apply(self, builder: Builder, *nodes: int) -> int:
        if self.make is not None:
            return self.make(builder, *nodes)
        return builder.apply(self.op, *nodes, attrs=self.attrs or None)


def positive(x: Any) -> Any:
    """Symmetric positive definite, or away from singular."""
    return x @ np.swapaxes(x, -1, -2) + 2 * np.eye(x.shape[-1]) if x.ndim > 1 and x.shape[-1] == x.shape[-2] else x


def apart(x: Any) -> Any:
    """Square matrices that are no less than 1 from singular; others as they are."""
    return x + 3 * np.eye(x.shape[-1]) if x.ndim > 1 and x.shape[-1] == x.shape[-2] else x


def element(builder: Builder, x: int) -> int:
    """An element at an index that varies: x[2 - i], summed so that no index is left."""
    extent = builder.type(x).shape[0]
    index = builder.fresh("i", extent)
    last = builder.apply("sub", build.extent(builder, extent - 1), build.index(builder, index))
    return build.tabulate(builder, build.access(builder, x, (AT,), [last]), [index])


def rows(builder: Builder, x: int) -> int:
    """A row and a slice."""
    return build.access(builder, x, (AT, (2, -2, 2)), [build.extent(builder, 1)])


def diagonal(builder: Builder, x: int) -> int:
    index = builder.fresh("i", builder.type(x).shape[0])
    place = build.index(builder, index)
    return build.tabulate(builder, build.access(builder, x, (AT, AT), [place, place]), [index])


def scattered(builder: Builder, x: int) -> int:
    """Elements 0, 1, 2 added to the places 0, 0, 1 of an array of four."""
    index = builder.fresh("i", builder.type(x).shape[0])
    place = build.index(builder, index)
    half = builder.apply("floordiv", place, build.extent(builder, 2))
    value = build.access(builder, x, (AT,), [place])
    return builder.apply("assemble", value, half, attrs={"shape": (4,), "parts": (((AT,), (index,)),)})


def joined(builder: Builder, x: int, y: int) -> int:
    """Two parts that overlap."""
    parts = ((((0, 1, 3),), ()), (((1, 1, 3),), ()))
    return builder.apply("assemble", x, y, attrs={"shape": (4,), "parts": parts})


def changed(builder: Builder, x: int, y: int) -> int:
    """A row of x replaced by y, in every copy of a family at another place, and of that an element by another."""
    index = builder.fresh("i", builder.type(x).shape[0])
    place = build.index(builder, index)
    row = builder.apply("put", x, y, place, attrs={"items": (AT,)})
    one = build.access(builder, y, (AT,), [place])
    items = (AT, AT)
    return build.tabulate(
        builder, builder.apply("put", row, one, place, build.extent(builder, 0), attrs={"items": items}), [index]
    )


def replaced(builder: Builder, x: int, y: int) -> int:
    """A slice of x replaced by y."""
    return builder.apply("put", x, y, attrs={"items": ((2, -2, 2),)})


def added_to(builder: Builder, x: int, y: int) -> int:
    """Elements of y added to x, at places of which several are one, and a slice."""
    index = builder.fresh("i", builder.type(y).shape[0])
    place = build.index(builder, index)
    half = builder.apply("floordiv", place, build.extent(builder, 2))
    value = build.access(builder, y, (AT,), [place])
    parts = (((AT,), (index,)), (((0, 1, 3),), ()))
    return builder.apply("accumulate", x, value, half, y, attrs={"parts": parts})


def demanded(builder: Builder, x: int) -> int:
    return builder.apply("demand", x, builder.constant(True, typed("bool")))


def summed(builder: Builder, x: int) -> int:
    """Over an index, and over one that the value lacks."""
    index, other = builder.fresh("i", builder.type(x).shape[0]), builder.fresh("j", 3)
    row = build.access(builder, x, (AT,), [build.index(builder, index)])
    return build.total(builder, builder.apply("mul", row, row), [index, other])


def weighted(builder: Builder, x: int) -> int:
    """An index as a number."""
    index = builder.fresh("i", builder.type(x).shape[0])
    place = build.index(builder, index)
    value = build.access(builder, x, (AT,), [place])
    return build.total(builder, builder.apply("mul", value, builder.apply("float", place)), [index])


def counted(builder: Builder, x: int) -> int:
    """A size as a number."""
    number = builder.apply("float", build.extent(builder, N))
    return builder.apply("mul", x, build.broadcast(builder, number, builder.type(x).shape))


def placed(op: str) -> Callable[[Builder, int], int]:
    """What gives places has no derivative: it multiplies."""

    def make(builder: Builder, x: int) -> int:
        found = builder.apply("float", builder.apply(op, x, attrs={"axis": 0}))
        if op == "argsort":
            return builder.apply("mul", found, x)
        return builder.apply("mul", build.broadcast(builder, found, builder.type(x).shape), x)

    return make


def chosen(op: str) -> Callable[[Builder, int], int]:
    """What gives truth values has no derivative: it chooses."""

    def make(builder: Builder, x: int) -> int:
        zero = build.filled(builder, 0.0, builder.type(x))
        condition = builder.apply(op, builder.apply("gt", x, zero), attrs={"axes": (0,)})
        return build.choose(builder, condition, builder.apply("sin", x), x)

    return make


PROGRAMS = [
    Program("index", [(3,)], make=weighted),
    Program("size", [(3,)], make=counted),
    Program("access", [(3,)], make=element),
    Program("access", [(3, 3)], make=rows),
    Program("access", [(3, 3)], make=diagonal),
    Program("assemble", [(3,)], make=scattered),
    Program("put", [(3, 3), (3,)], make=changed),
    Program("put", [(3,), (2,)], make=replaced),
    Program("accumulate", [(4,), (3,)], make=added_to),
    Program("assemble", [(3,), (3,)], make=joined),
    Program("tabulate", [(3,)], make=element),
    Program("broadcast", [(3, 1)], {"shape": (2, 3, 2)}),
    Program("reshape", [(2, 3)], {"shape": (3, 2)}),
    Program("transpose", [(2, 3, 1)], {"order": (1, 2, 0)}),
    Program("demand", [(3,)], make=demanded),
    Program("sum", [(2, 3)], {"axes": (0,), "over": ()}),
    Program("sum", [(2, 3)], make=summed),
    *(
        Program(op, [(2, 3)], {"axes": axes})
        for op in ("prod", "amax", "amin", "logsumexp", "logmeanexp", "softmax", "log_softmax", "norm")
        for axes in ((0,), (1,), (0, 1))
    ),
    *(Program("logprod", [(2, 3)], {"axes": axes}, prepare=lambda x: x * x + 0.5) for axes in ((0,), (1,), (0, 1))),
    *(Program(op, [(3,)], make=chosen(op)) for op in ("any", "all")),
    *(Program(op, [(4,)], make=placed(op)) for op in ("argmax", "argmin", "argsort")),
    *(
        Program(op, [(2, 3)], {"axis": axis, "reverse": reverse})
        for op in ("cumsum", "product_before")
        for axis in (0, 1)
        for reverse in (False, True)
    ),
    *(Program("product_others", [(3, 2)] * count, {"axis": axis}) for count in (1, 2, 3) for axis in (0, 1)),
    *(Program("recurrence", [(3, 2), (3, 2)], {"axis": 0, "reverse": reverse}) for reverse in (False, True)),
    *(Program("sort", [(2, 4)], {"axis": axis}) for axis in (0, 1)),
    *(
        Program("matmul", shapes)
        for shapes in ([(2, 3), (3, 2)], [(3,), (3, 2)], [(2, 3), (3,)], [(3,), (3,)], [(2, 2, 3), (3,)])
    ),
    Program("triangle", [(3, 2)], {"lower": True, "offset": 0}),
    Program("triangle", [(2, 3)], {"lower": False, "offset": 1}),
    *(Program("solve", [(3, 3), (3,)], {"transposed": turned}, prepare=apart) for turned in (False, True)),
    *(
        Program("triangular_solve", [(3, 3), (3, 2)], {"lower": lower, "transposed": lower}, prepare=apart)
        for lower in (False, True)
    ),
    Program("inv", [(3, 3)], prepare=apart),
    Program("cholesky", [(3, 3)], prepare=positive),
    Program("det", [(3, 3)], known=False),
    Program("cofactor", [(3, 3)], prepare=apart, known=False),
    Program("cholesky_adjoint", [(3, 3), (3, 3)], prepare=apart),
    Program("cofactor_along", [(3, 3), (3, 3)], prepare=apart, known=False),
    Program("logdet", [(3, 3)], prepare=apart),
    Program("eigvalsh", [(3, 3)], prepare=lambda x: positive(x) + np.diag([0, 2, 5]), known=False),
    Program("eigvecs", [(3, 3)], prepare=lambda x: positive(x) + np.diag([0, 2, 5]), known=False),
    Program("svdvals", [(4, 3)], prepare=lambda x: x + np.eye(4, 3) * [1, 4, 9], known=False),
    Program("svdvecs", [(4, 3)], prepare=lambda x: x + np.eye(4, 3) * [1, 4, 9], known=False),
]


def test_every_structural_row_has_a_program() -> None:
    assert {op for op, row in TABLE.items() if row.kind == "structural"} <= {program.op for program in PROGRAMS}


def graph(program: Program, batch: int = 0, derivatives: bool = True) -> Graph:
    """The program with its derivatives: y, what becomes of directions v and weights u, and of those again."""
    builder = Builder(TABLE)
    # A size that only a further input has.
    builder.input("sized", typed("f64", (N,)), default=0.0)
    front = (batch,) if batch else ()
    inputs = [builder.input(f"x{at}", typed("f64", front + shape)) for at, shape in enumerate(program.shapes)]
    if batch:
        index = builder.fresh("b", batch)
        each = [build.access(builder, node, (AT,), [build.index(builder, index)]) for node in inputs]
        y = build.tabulate(builder, program.apply(builder, *each), [index])
    else:
        y = program.apply(builder, *inputs)
    u = builder.input("u", builder.type(y))
    outputs = [("y", y)]
    for at, x in enumerate(inputs if derivatives else ()):
        v = builder.input(f"v{at}", builder.type(x))
        gradient = builder.make("vjp", (y, x, u))
        outputs += [(f"f{at}", builder.make("jvp", (y, x, v))), (f"r{at}", gradient)]
        outputs += [
            (f"fr{at}", builder.make("jvp", (gradient, x, v))),
            (f"rr{at}", builder.make("vjp", (gradient, x, v))),
        ]
    return builder.finish(outputs)


def values(graph: Graph, program: Program, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {"sized": np.zeros(2)}
    for node in graph.inputs[1:]:
        name = graph.name(node) or ""
        drawn = rng.normal(size=graph.type(node).shape)
        found[name] = program.prepare(drawn) if name.startswith("x") else drawn
    return found


def moved(given: dict[str, Any], at: int, by: float) -> dict[str, Any]:
    return given | {f"x{at}": given[f"x{at}"] + by * given[f"v{at}"]}


def central(model: Model, given: dict[str, Any], at: int, name: str) -> Any:
    """The derivative along v by differences of fourth order."""
    h = 1e-3
    steps = {by: np.asarray(model(moved(given, at, by * h))[name]) for by in (-2, -1, 1, 2)}
    return (8 * (steps[1] - steps[-1]) - (steps[2] - steps[-2])) / (12 * h)


def dot(x: Any, y: Any) -> float:
    return float(np.sum(np.asarray(x) * np.asarray(y)))


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_values_and_derivatives(program: Program) -> None:
    whole = graph(program)
    models = [Model(whole, Options(level=level, verify=True)) for level in (0, 2)]
    given = values(whole, program, 5)
    found = models[0](given)
    for name, value in models[1](given).items():
        assert agree(value, found[name], 1e-9, 1e-9), name
    if hasattr(Reference, program.op):
        due = reference(models[0].optimized() if program.known else graph(program, derivatives=False), given, {"n": 2})
        assert all(agree(found[name], due[name], 1e-9, 1e-9) for name in due), program
    for at in range(len(program.shapes)):
        np.testing.assert_allclose(found[f"f{at}"], central(models[0], given, at, "y"), rtol=1e-6, atol=1e-6)
        forward, backward = dot(given["u"], found[f"f{at}"]), dot(given[f"v{at}"], found[f"r{at}"])
        assert forward == pytest.approx(backward, rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(found[f"fr{at}"], central(models[0], given, at, f"r{at}"), rtol=1e-6, atol=1e-6)
        # The second derivative is symmetric.
        np.testing.assert_allclose(found[f"fr{at}"], found[f"rr{at}"], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_a_family_is_a_value_for_each_choice(program: Program) -> None:
    single, many = Model(graph(program), Options()), Model(graph(program, batch=3), Options())
    given: Sequence[dict[str, Any]] = [values(single.graph, program, seed) for seed in range(3)]
    together = {name: np.stack([each[name] for each in given]) for name in given[0]} | {"sized": np.zeros(2)}
    found = many(together)
    for name, value in found.items():
        due = np.stack([single(each)[name] for each in given])
        np.testing.assert_allclose(value, due, rtol=1e-9, atol=1e-9, err_msg=name)
