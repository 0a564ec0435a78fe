"""Programs of one operator on arrays, evaluated node by node, apart from the interpreter."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradc.ad.forward import tangent
from gradc.ad.reverse import adjoints
from gradc.ir.builder import Builder
from gradc.ir.op import Site
from gradc.ir.types import Type
from gradc.ops import TABLE
from gradc.rules.gradients import LocalGradients

Array = Any


def shape_of(data: Mapping[str, Any]) -> tuple[int, ...]:
    """The concrete shape of a node."""
    return tuple(data["type"].shape)


def sliced(items: Sequence[Any]) -> tuple[slice, ...]:
    """Items of an access that are all slices, as NumPy's."""
    return tuple(slice(start, start + step * count, step) for start, step, count in items)


DTYPES = {"f64": np.float64, "f32": np.float32, "bool": np.bool_, "int": np.int64}


def evaluate(builder: Builder, node: int, values: Mapping[int, Array]) -> Array:
    """The value of a node of concrete shape and without free indices."""
    found = dict(values)
    for at in range(node + 1):
        data = builder.data[at]
        if at in found:
            continue
        operands = [found.get(operand) for operand in data["operands"]]
        if data["op"] == "input" or any(operand is None for operand in operands):
            continue
        found[at] = step(builder, data, operands)
        assert np.shape(found[at]) == shape_of(data), data["op"]
        assert found[at].dtype == DTYPES[data["type"].dtype]
    return found[node]


def step(builder: Builder, data: Mapping[str, Any], operands: list[Array]) -> Array:
    """The value of one node."""
    op, attrs, shape = data["op"], data.get("attrs", {}), shape_of(data)
    if op == "const":
        return np.full(shape, attrs["value"], DTYPES[data["type"].dtype])
    if op == "broadcast":
        return np.broadcast_to(operands[0], shape)
    if op == "access":
        return operands[0][sliced(attrs["items"])]
    if op == "assemble":
        whole = np.zeros(shape, operands[0].dtype)
        for (items, _), part in zip(attrs["parts"], operands, strict=True):
            whole[sliced(items)] += part
        return whole
    row = TABLE[op]
    with np.errstate(all="ignore"):
        return row.plan(site(builder, data))(*operands) if row.plan else row.array(*operands)  # type: ignore[misc]


def site(builder: Builder, data: Mapping[str, Any], batch: tuple[int, ...] = ()) -> Site:
    """What a node's evaluation is planned from."""
    shapes = tuple(shape_of(builder.data[operand]) for operand in data["operands"])
    attrs = data.get("attrs", {})
    axes = tuple(axis - len(shapes[0]) for axis in attrs.get("axes", ()))
    return Site(shapes, shape_of(data), data["type"].dtype, attrs, batch, axes)


def inputs(builder: Builder, values: Sequence[Array], prefix: str = "x") -> tuple[list[int], dict[int, Array]]:
    """Inputs for the values, and the values by input."""
    dtypes = {"float64": "f64", "float32": "f32"}
    nodes = [
        builder.input(f"{prefix}{k}", Type(dtypes[str(value.dtype)], tuple(value.shape)))
        for k, value in enumerate(values)
    ]
    return nodes, dict(zip(nodes, values, strict=True))


def value_of(op: str, *values: Array, **attrs: Any) -> Array:
    """The operator's value on arrays."""
    builder = Builder(TABLE)
    nodes, given = inputs(builder, values)
    return evaluate(builder, builder.apply(op, *nodes, attrs=attrs), given)


@dataclass
class Program:
    """One operator on inputs, with what differentiates it."""

    op: str
    values: Sequence[Array]
    attrs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.builder = Builder(TABLE)
        self.local = LocalGradients(self.builder, {})
        self.nodes, self.given = inputs(self.builder, self.values)
        self.result = self.builder.apply(self.op, *self.nodes, attrs=self.attrs)

    def add(self, values: Sequence[Array], prefix: str) -> list[int]:
        """More inputs, with their values."""
        nodes, given = inputs(self.builder, values, prefix)
        self.given.update(given)
        return nodes

    def forward(self, node: int, directions: Sequence[Array], prefix: str) -> int:
        """The tangent of a node along directions of the operands."""
        nodes = self.add(directions, prefix)
        found = tangent(self.builder, self.local, node, dict(zip(self.nodes, nodes, strict=True)))
        assert found is not None
        return found

    def reverse(self, node: int, weight: Array, prefix: str) -> list[int]:
        """The adjoints of the operands for a weight of a node; of one that it does not depend on, zeros."""
        (seed,) = self.add([weight], prefix)
        found = adjoints(self.builder, self.local, node, self.nodes, seed)
        types = [self.builder.type(operand) for operand in self.nodes]
        zeros = [self.builder.constant(0.0, type) for type in types]
        made = [found.get(operand, zero) for operand, zero in zip(self.nodes, zeros, strict=True)]
        assert [self.builder.type(node) for node in made] == types
        return made

    def value(self, node: int) -> Array:
        """A node's value on these inputs."""
        return evaluate(self.builder, node, self.given)


# Operators of linear algebra on two matrices and on one, with attributes.
SYSTEMS: list[tuple[str, dict[str, Any]]] = [
    ("matmul", {}),
    *(("solve", {"transposed": transposed}) for transposed in (False, True)),
    *(
        ("triangular_solve", {"lower": lower, "transposed": transposed})
        for lower, transposed in itertools.product((False, True), repeat=2)
    ),
]
UNARY: list[tuple[str, dict[str, Any]]] = [
    ("triangle", {"lower": True, "offset": 0}),
    ("triangle", {"lower": False, "offset": 1}),
    *((op, {}) for op in ("inv", "cholesky", "det", "cofactor", "logdet", "eigvalsh", "eigvecs", "svdvals", "svdvecs")),
]
# Operators on two square matrices of one shape.
PAIRS: list[tuple[str, dict[str, Any]]] = [("cofactor_along", {}), ("cholesky_adjoint", {})]
