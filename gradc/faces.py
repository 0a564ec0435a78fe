"""Models of derivatives: what ``model.jacobian``, ``hessian``, ``jvp``, ``vjp`` and ``hvp`` return.

Each is the program as written with requests for derivatives added, so it can be differentiated, drawn and optimised
like any other. Outputs are named as the language would write them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from gradc.driver import Request
from gradc.ir.builder import Builder
from gradc.ir.types import typed
from gradc.ops import requests
from gradc.source import canonical

if TYPE_CHECKING:
    from gradc.model import Model, Names

Product = Literal["jvp", "vjp", "hvp"]


def gradient(y: int, v: int) -> Request:
    """Makes the derivative of a number."""
    return lambda builder: builder.make("grad", (y, v))


def jacobian(model: Model, of: Names, wrt: Names) -> Model:
    """The model of all derivatives of all elements."""
    targets, variables = model._targets(of, arrays=True), model.variables(wrt)
    found: list[tuple[str, Request]] = []
    for y, v in _pairs(targets, variables):
        found.append((f"jacobian({y}, {v})", _jacobian(model.node(y), model.node(v))))
    return model._derived(found, targets, variables if wrt is not None else ())


def _jacobian(y: int, v: int) -> Request:
    return lambda builder: requests.jacobian(builder, y, v, builder.fresh)


def hessian(model: Model, of: Names, wrt: Names, wrt2: Names) -> Model:
    """The model of second derivatives, with ``wrt2`` of mixed ones."""
    targets, variables = model._targets(of, what="a Hessian"), model.variables(wrt)
    others = None if wrt2 is None else list(dict.fromkeys(model.variables(wrt2)))
    found: list[tuple[str, Request]] = []
    for y, v in _pairs(targets, variables):
        for w in [v] if others is None else others:
            name = f"hessian({y}, {v})" if others is None else f"hessian({y}, {v}, {w})"
            found.append((name, _hessian(model.node(y), model.node(v), model.node(w))))
    return model._derived(found, targets, [*(variables if wrt is not None else ()), *(others or ())])


def _hessian(y: int, v: int, w: int) -> Request:
    return lambda builder: requests.hessian(builder, y, v, w, builder.fresh)


def products(kind: Product, model: Model, of: Names, wrt: Names) -> Model:
    """The model of products of derivatives with directions, which are inputs."""
    targets, variables = model._targets(of, kind != "hvp", "a Hessian"), model.variables(wrt)
    directions = _Directions(model, "cotangent" if kind == "vjp" else "tangent")
    found: list[tuple[str, Request]] = []
    for y, v in _pairs(targets, variables):
        moved = y if kind == "vjp" else v
        name = f"{kind}({y}, {v}, {directions.name(moved)})"
        found.append((name, _product(kind, model.node(y), model.node(v), directions, moved)))
    return model._derived(found, targets, variables if wrt is not None else ())


def _product(kind: Product, y: int, v: int, directions: _Directions, moved: str) -> Request:
    def request(builder: Builder) -> int:
        direction = directions.declare(builder, moved)
        return requests.hvp(builder, y, v, direction) if kind == "hvp" else builder.make(kind, (y, v, direction))

    return request


class _Directions:
    """The inputs that hold directions, one for each name that moves, called like nothing else in the program."""

    def __init__(self, model: Model, prefix: str) -> None:
        self.model = model
        self.prefix = prefix
        self.names: dict[str, str] = {}
        self.made: dict[str, int] = {}

    def name(self, moved: str) -> str:
        """What the direction of a name is called."""
        if moved not in self.names:
            taken = {*self.model.graph.names, *map(canonical, self.names.values())}
            # The name of a derivative, as in jvp(grad(L, w), w), makes no good part of another.
            stem = f"{self.prefix}_{moved}" if moved.isidentifier() else self.prefix
            name, count = stem, 1
            while canonical(name) in taken:
                name, count = f"{stem}_{count + 1}", count + 1
            self.names[moved] = name
        return self.names[moved]

    def declare(self, builder: Builder, moved: str) -> int:
        """The input that is the direction of a name."""
        if moved not in self.made:
            name, type = self.name(moved), self.model.graph.type(self.model.node(moved))
            node = self.made[moved] = builder.input(name, typed(type.dtype, type.shape))
            builder.names[canonical(name)] = node
        return self.made[moved]


def _pairs(targets: Sequence[str], variables: Sequence[str]) -> list[tuple[str, str]]:
    return [(y, v) for y in dict.fromkeys(targets) for v in dict.fromkeys(variables)]
