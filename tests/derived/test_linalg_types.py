"""Operators of linear algebra: the types they refuse, and the graphs of their derivatives for sizes without numbers."""

from __future__ import annotations

from typing import Any

import pytest
from array_programs import PAIRS, SYSTEMS, UNARY

from gradc.ad.forward import tangent
from gradc.ad.reverse import adjoints
from gradc.ir.builder import Builder
from gradc.ir.sizes import named
from gradc.ir.types import Index, Type, TypeMismatch
from gradc.ir.verify import verify
from gradc.ops import TABLE
from gradc.rules.gradients import LocalGradients

F = "f64"
REFUSED: list[tuple[str, dict[str, Any], tuple[Type, ...], int]] = [
    ("inv", {}, (Type(F, (2, 3)),), 0),
    ("inv", {}, (Type(F, (3,)),), 0),
    ("inv", {}, (Type("int", (3, 3)),), 0),
    ("det", {}, (Type(F),), 0),
    ("cholesky", {}, (Type(F, (named("n"), named("m"))),), 0),
    ("svdvals", {}, (Type(F, (2, 3)),), 0),
    ("svdvals", {}, (Type(F, (named("n"), named("n") + 1)),), 0),
    ("svdvecs", {}, (Type(F, (3,)),), 0),
    ("triangle", {"lower": True, "offset": 0}, (Type("bool", (3, 3)),), 0),
    ("triangle", {"lower": True, "offset": 0}, (Type(F, (3,)),), 0),
    ("solve", {"transposed": False}, (Type(F, (3, 2)), Type(F, (3,))), 0),
    ("solve", {"transposed": False}, (Type(F, (3, 3)), Type(F, (2,))), 1),
    ("solve", {"transposed": False}, (Type(F, (3, 3)), Type(F, (3, 2, 2))), 1),
    ("solve", {"transposed": False}, (Type(F, (3, 3)), Type("f32", (3,))), 1),
    ("solve", {"transposed": False}, (Type(F, (3, 3)), Type(F)), 1),
    ("solve", {"transposed": False}, (Type(F, (2, 3, 3)), Type(F, (4, 3, 1))), 1),
    ("triangular_solve", {"lower": True, "transposed": False}, (Type(F, (3, 3)), Type("int", (3,))), 1),
    *((op, attrs, (Type(F, (3, 3)), Type(F, (2, 2))), 1) for op, attrs in PAIRS),
    ("matmul", {}, (Type(F, (3, 3)), Type(F)), 1),
]


@pytest.mark.parametrize(("op", "attrs", "types", "position"), REFUSED, ids=str)
def test_types_that_are_refused(op: str, attrs: dict[str, Any], types: tuple[Type, ...], position: int) -> None:
    builder = Builder(TABLE)
    nodes = [builder.input(f"x{k}", type) for k, type in enumerate(types)]
    with pytest.raises(TypeMismatch) as caught:
        builder.apply(op, *nodes, attrs=attrs)
    assert caught.value.position == position


@pytest.mark.parametrize(("op", "attrs"), [*SYSTEMS, *UNARY, *PAIRS], ids=str)
@pytest.mark.parametrize("front", [(), (named("p"),)], ids=str)
def test_sizes_without_numbers_and_free_indices(op: str, attrs: dict[str, Any], front: tuple[Any, ...]) -> None:
    """The graphs of both modes are the same for all sizes, and have the types of what they belong to."""
    n, m = named("n"), named("m")
    builder = Builder(TABLE)
    local = LocalGradients(builder, {})
    tall = op.startswith("svd")
    shapes = [(*front, n + 2 if tall else n, n), (*front, n, n if op in dict(PAIRS) else m)]
    types = [Type(F, shape) for shape in shapes[: TABLE[op].arity[0]]]
    nodes = [builder.input(f"x{k}", type) for k, type in enumerate(types)]
    # A family of matrices: each is scaled by its index.
    index = Index("i", named("k"))
    scale = builder.apply("float", builder.apply("index", attrs={"index": index}), attrs={"dtype": F})
    scaled = [
        builder.apply("mul", node, builder.apply("broadcast", scale, attrs={"shape": type.shape}))
        for node, type in zip(nodes, types, strict=True)
    ]
    result = builder.apply(op, *scaled, attrs=attrs)
    assert builder.type(result).free == (index,)
    total = builder.apply("sum", result, attrs={"axes": (), "over": (index,)})
    directions = dict(zip(nodes, [builder.input(f"v{k}", type) for k, type in enumerate(types)], strict=True))
    along = tangent(builder, local, total, directions)
    assert along is not None
    assert builder.type(along) == builder.type(total)
    seed = builder.input("u", builder.type(total))
    back = adjoints(builder, local, total, nodes, seed)
    assert [builder.type(back[node]) for node in nodes] == types
    outputs = [("along", along), *((f"back{k}", back[node]) for k, node in enumerate(nodes))]
    verify(builder.finish(outputs))


@pytest.mark.parametrize(("op", "attrs"), [*SYSTEMS, *PAIRS], ids=str)
def test_only_what_is_asked_for(op: str, attrs: dict[str, Any]) -> None:
    builder = Builder(TABLE)
    nodes = [builder.input(name, Type(F, (3, 3))) for name in "ab"]
    node = builder.apply(op, *nodes, attrs=attrs)
    row = TABLE[op]
    assert row.pullback is not None
    assert list(row.pullback(builder, node, node, (0,))) == [0]
    assert list(row.pullback(builder, node, node, (1,))) == [1]
