"""Rows of the reductions and of what runs along an axis. NaN wins in every maximum and minimum, also of one element."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir.op import Convention, Op, Scatter, Site
from gradc.ir.types import Type, TypeMismatch, typed
from gradc.ops import build
from gradc.ops.integers import checked
from gradc.ops.typerules import NUMBER, TRUTH, Attrs

if TYPE_CHECKING:
    from gradc.ir.builder import Builder

Found = Mapping[int, "int | Scatter"]


class EmptyReduction(ArithmeticError):
    """The largest or the smallest of no elements."""


# Type rules ----------------------------------------------------------------------------------------------------------


def _reduced(type: Type, attrs: Attrs) -> Type:
    axes, over = attrs.get("axes", ()), attrs.get("over", ())
    if any(not 0 <= axis < type.rank for axis in axes) or len(set(axes)) != len(axes):
        raise TypeMismatch("an array with these axes", 0)
    shape = tuple(extent for axis, extent in enumerate(type.shape) if axis not in axes)
    return typed(type.dtype, shape, tuple(index for index in type.free if index not in over))


def _number(types: Sequence[Type], attrs: Attrs) -> Type:
    (type,) = types
    if type.dtype == "bool":
        raise TypeMismatch(NUMBER, 0)
    return _reduced(type, attrs)


def real(types: Sequence[Type], attrs: Attrs) -> Type:
    """The type of a real array without the axes that are reduced."""
    (type,) = types
    if not type.real:
        raise TypeMismatch(NUMBER, 0)
    return _reduced(type, attrs)


def _truth(types: Sequence[Type], attrs: Attrs) -> Type:
    (type,) = types
    if type.dtype != "bool":
        raise TypeMismatch(TRUTH, 0)
    return _reduced(type, attrs)


def _place(types: Sequence[Type], attrs: Attrs) -> Type:
    found = _number(types, {"axes": (attrs["axis"],)})
    return typed("int", found.shape, found.free)


def along(types: Sequence[Type], attrs: Attrs) -> Type:
    """The type of the operand, an array that has the axis or axes."""
    (type,) = types
    if type.dtype == "bool":
        raise TypeMismatch(NUMBER, 0)
    _reduced(type, {"axes": attrs.get("axes", (attrs["axis"],) if "axis" in attrs else ())})
    return type


def along_real(types: Sequence[Type], attrs: Attrs) -> Type:
    """The type of the operand, a real array that has the axis or axes."""
    if not types[0].real:
        raise TypeMismatch(NUMBER, 0)
    return along(types, attrs)


# Derivatives ---------------------------------------------------------------------------------------------------------


def attrs_of(builder: Builder, node: int) -> Mapping[str, Any]:
    """The attributes of a node."""
    found: Mapping[str, Any] = builder.data[node].get("attrs", {})
    return found


def operand_of(builder: Builder, node: int) -> int:
    """The operand of a node that has one."""
    return builder.operands(node)[0]


def _repeat(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    x = operand_of(builder, node)
    type, attrs = builder.type(x), attrs_of(builder, node)
    lacking = [index for index in attrs.get("over", ()) if index not in type.free]
    spread = build.expand(builder, adjoint, attrs.get("axes", ()), type.shape)
    return {0: build.total(builder, spread, lacking)}


def expanded(builder: Builder, node: int, reduced: int) -> int:
    """A value of the reduction's type repeated to the shape of its operand."""
    return build.expand(
        builder, reduced, attrs_of(builder, node)["axes"], builder.type(operand_of(builder, node)).shape
    )


def _shares(builder: Builder, node: int) -> int:
    """1/k for each of the k elements that equal the extreme, 0 for the others; NaN where it is NaN."""
    x = operand_of(builder, node)
    type = builder.type(x)
    one, zero = build.filled(builder, 1.0, type), build.filled(builder, 0.0, type)
    chosen = builder.apply("select", builder.apply("eq", x, expanded(builder, node, node)), one, zero)
    count = build.total(builder, chosen, axes=attrs_of(builder, node)["axes"])
    return builder.apply("div", chosen, expanded(builder, node, count))


def _to_extremes(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    return {0: builder.apply("mul", expanded(builder, node, adjoint), _shares(builder, node))}


def weighted(
    weights: Callable[[Builder, int], int],
) -> Callable[[Builder, int, Mapping[int, int]], int]:
    """The tangent of a reduction: the operand's tangents by weight."""

    def push(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
        product = builder.apply("mul", tangents[0], weights(builder, node))
        return build.total(builder, product, axes=attrs_of(builder, node)["axes"])

    return push


def _directions(builder: Builder, node: int) -> int:
    """The unit vector along the operand; 0 where the norm is 0, which has no derivative there."""
    x = operand_of(builder, node)
    type = builder.type(x)
    length = expanded(builder, node, node)
    zero = build.filled(builder, 0.0, type)
    return builder.apply("select", builder.apply("eq", length, zero), zero, builder.apply("div", x, length))


def _along_directions(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    return {0: builder.apply("mul", expanded(builder, node, adjoint), _directions(builder, node))}


def _others(builder: Builder, node: int) -> int:
    """For each element the product of all others: without a division, so that it holds where elements are 0."""
    x = operand_of(builder, node)
    type, axes = builder.type(x), attrs_of(builder, node)["axes"]
    flat, places = x, axes
    if len(axes) != 1:
        # One axis holds all elements that are multiplied; it comes last.
        kept = [axis for axis in range(type.rank) if axis not in axes]
        turned = build.transpose(builder, x, (*kept, *axes))
        count: Any = 1
        for axis in axes:
            count = type.shape[axis] * count
        flat = build.reshape(builder, turned, (*(type.shape[axis] for axis in kept), count))
        places = (len(kept),)
    product = builder.apply("product_others", flat, attrs={"axis": places[0]})
    if len(axes) == 1:
        return product
    product = build.reshape(builder, product, builder.type(turned).shape)
    return build.transpose(builder, product, tuple(int(axis) for axis in np.argsort((*kept, *axes))))


def _to_factors(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    return {0: builder.apply("mul", expanded(builder, node, adjoint), _others(builder, node))}


# Evaluation ----------------------------------------------------------------------------------------------------------


def _plan_sum(site: Site) -> Any:
    axes = site.axes
    if site.dtype != "int":
        return lambda x: x.sum(axis=axes)

    def run(x: Any) -> Any:
        found = x.sum(axis=axes)
        if x.size and float(np.abs(x).max()) * x.size >= 2.0**63:
            # NumPy's integers wrap around without a word.
            exact = x.astype(object).sum(axis=axes)
            for value in np.ravel(exact):
                checked(int(value))
        return found

    return run


def _plan_prod(site: Site) -> Any:
    axes = site.axes
    if site.dtype != "int":
        return lambda x: x.prod(axis=axes)

    def run(x: Any) -> Any:
        exact = np.asarray(x.astype(object).prod(axis=axes), dtype=object)
        for value in exact.ravel():
            checked(int(value))
        return exact.astype(np.int64)[()]

    return run


# Along an axis shorter than that NumPy's reductions are slow; they are quick across it, if it is the first.
_SHORT = 64
_WORTH = 2048


def short(axes: tuple[int, ...], x: Any) -> bool:
    """Whether the reduced axes are the last ones and short, and the array is worth moving them to the front."""
    count = len(axes)
    return axes == tuple(range(-count, 0)) and x.size >= _WORTH and math.prod(x.shape[-count:]) <= _SHORT


def _fronted(axes: tuple[int, ...], x: Any) -> tuple[Any, tuple[int, ...]]:
    """The array with short reduced axes in front, and where they are now."""
    if not short(axes, x):
        return x, axes
    front = tuple(range(len(axes)))
    return np.ascontiguousarray(np.moveaxis(x, axes, front)), front


def _plan_extreme(name: str) -> Callable[[Site], Any]:
    ufunc = getattr(np, name)

    def plan(site: Site) -> Any:
        axes = site.axes
        shape = site.shapes[0]
        if any(shape[axis] == 0 for axis in axes):

            def fail(x: Any) -> Any:
                raise EmptyReduction

            return fail

        def run(x: Any) -> Any:
            return ufunc.reduce(*_fronted(axes, x))

        return run

    return plan


def _plan_method(name: str) -> Callable[[Site], Any]:
    def plan(site: Site) -> Any:
        axes = site.axes
        return lambda x: getattr(x, name)(axis=axes)

    return plan


def own_axis(site: Site, axis: int) -> int:
    """An axis of the operand counted from the right."""
    return axis - len(site.shapes[0])


def _plan_place(name: str) -> Callable[[Site], Any]:
    search = getattr(np, name)

    def plan(site: Site) -> Any:
        axis = own_axis(site, site.attrs["axis"])
        if site.shapes[0][axis] == 0:

            def fail(x: Any) -> Any:
                raise EmptyReduction

            return fail
        return lambda x: search(x, axis=axis)

    return plan


def _plan_norm(site: Site) -> Any:
    axes = site.axes
    # Within these the squares neither overflow nor lose digits.
    low, high = (1e-140, 1e150) if site.dtype == "f64" else (1e-16, 1e18)

    def run(x: Any) -> Any:
        length = np.sqrt(np.square(x).sum(axis=axes))
        if x.size and not (low < np.min(length) and np.max(length) < high):
            top = np.abs(x).max(axis=axes, keepdims=True)
            scale = np.where(np.isfinite(top) & (top > 0), top, 1.0).astype(x.dtype)
            length = np.sqrt(np.square(x / scale).sum(axis=axes)) * scale.reshape(np.shape(length))
        return length

    return run


def _demand(types: Sequence[Type], attrs: Attrs) -> Type:
    value, condition = types
    if condition.dtype != "bool" or condition.shape:
        raise TypeMismatch(TRUTH, 1)
    return typed(value.dtype, value.shape, (*value.free, *condition.free))


def _plan_demand(site: Site) -> Any:
    def run(x: Any, condition: Any) -> Any:
        if not np.all(condition):
            raise EmptyReduction
        return x

    return run


_AXES = {"axes": tuple}
_AXIS = {"axis": int}


def reduction(name: str, doc: str, rule: Any, plan: Any, **fields: Any) -> Op:
    """A row of the many that have one operand and axes."""
    fields = {"attrs": _AXES, "dependence": ("smooth",), "reference": "NumPy, ufunc.reduce", **fields}
    return Op(name=name, doc=doc, kind="structural", type_rule=rule, plan=plan, **fields)


ROWS = (
    Op(
        name="demand",
        doc="x where the condition holds; where it does not, the program stops: no elements have no largest one.",
        kind="structural",
        arity=(2, 2),
        type_rule=_demand,
        plan=_plan_demand,
        pullback=lambda builder, node, adjoint, positions: {0: adjoint},
        linear="each",
        dependence=("linear", "none"),
        reference="gradc.syntax.comprehend",
        sparsity="each",
    ),
    reduction(
        "sum",
        "The sum over own axes (attribute axes) and free indices (attribute over). Over nothing it is 0; a value that "
        "lacks an index counts as often as the index has values.",
        _number,
        _plan_sum,
        attrs={"axes": tuple, "over": tuple},
        pullback=_repeat,
        linear="each",
        dependence=("linear",),
        sparsity="reduced",
        conventions=(
            Convention(((),), "of nothing it is 0"),
            Convention(((inf, -inf),), "the difference of two infinities has no limit"),
            Convention(((nan, 1.0),), "NaN spreads"),
        ),
    ),
    reduction(
        "prod",
        "The product over axes; over nothing it is 1. Its derivative does not divide, so it holds where factors are 0.",
        _number,
        _plan_prod,
        pullback=_to_factors,
        pushforward=weighted(_others),
        sparsity="reduced",
        conventions=(
            Convention(((),), "of nothing it is 1"),
            Convention(((2.0, 0.0, 3.0),), "each by the product of the others, without a division"),
            Convention(((0.0, 0.0, 3.0),), "each by the product of the others, without a division"),
            Convention(((inf, 2.0, 3.0),), "each by the product of the others, which the infinity is not one of"),
            Convention(((inf, 0.0),), "no limit of inf·0, but each has a slope"),
            Convention(((nan, 2.0),), "NaN spreads, but not to its own derivative"),
        ),
    ),
    reduction(
        "amax",
        "The largest element over axes; a NaN wins. Ties share the derivative evenly.",
        _number,
        _plan_extreme("maximum"),
        pullback=_to_extremes,
        pushforward=weighted(_shares),
        sparsity="reduced",
        conventions=(
            Convention(((1.0, 1.0),), "a tie shares evenly"),
            Convention(((2.0, 1.0, 2.0),), "those that tie share evenly, others get nothing"),
            Convention(((nan, 1.0),), "NaN wins, and has no share to give"),
            Convention(((inf, inf),), "a tie shares evenly"),
            Convention(((-inf, -inf),), "a tie shares evenly"),
            Convention(((),), "nothing has no extreme"),
        ),
    ),
    reduction(
        "amin",
        "The smallest element over axes; a NaN wins. Ties share the derivative evenly.",
        _number,
        _plan_extreme("minimum"),
        pullback=_to_extremes,
        pushforward=weighted(_shares),
        sparsity="reduced",
        conventions=(
            Convention(((1.0, 1.0),), "a tie shares evenly"),
            Convention(((1.0, 2.0, 1.0),), "those that tie share evenly, others get nothing"),
            Convention(((nan, 1.0),), "NaN wins, and has no share to give"),
            Convention(((inf, inf),), "a tie shares evenly"),
            Convention(((-inf, -inf),), "a tie shares evenly"),
            Convention(((),), "nothing has no extreme"),
        ),
    ),
    reduction(
        "any",
        "Whether one of the truth values holds; of none it is false.",
        _truth,
        _plan_method("any"),
        dependence=("none",),
        conventions=(Convention(((),), "of none it is false"),),
    ),
    reduction(
        "all",
        "Whether all of the truth values hold; of none it is true.",
        _truth,
        _plan_method("all"),
        dependence=("none",),
        conventions=(Convention(((),), "of none it is true"),),
    ),
    reduction(
        "argmax",
        "Where along the axis the largest element stands, the first of equal ones; a NaN wins.",
        _place,
        _plan_place("argmax"),
        attrs=_AXIS,
        dependence=("none",),
        conventions=(
            Convention(((1.0, 1.0),), "the first of equal ones"),
            Convention(((1.0, nan),), "NaN wins"),
            Convention(((0.0, -0.0),), "zeros are equal"),
            Convention(((),), "nothing has no extreme"),
        ),
    ),
    reduction(
        "argmin",
        "Where along the axis the smallest element stands, the first of equal ones; a NaN wins.",
        _place,
        _plan_place("argmin"),
        attrs=_AXIS,
        dependence=("none",),
        conventions=(
            Convention(((1.0, 1.0),), "the first of equal ones"),
            Convention(((1.0, nan),), "NaN wins"),
            Convention(((0.0, -0.0),), "zeros are equal"),
            Convention(((),), "nothing has no extreme"),
        ),
    ),
    reduction(
        "norm",
        "The Euclidean length over axes, without overflow. At 0, where it has no derivative, the derivative is 0.",
        real,
        _plan_norm,
        pullback=_along_directions,
        pushforward=weighted(_directions),
        reference="Blue 1978, A portable Fortran program to find the Euclidean norm of a vector",
        sparsity="reduced",
        conventions=(
            Convention(((),), "of nothing it is 0"),
            Convention(((0.0, 0.0),), "a cone's tip: 0 is the middle of all slopes"),
            Convention(((-0.0, 3.0),), "the direction"),
            Convention(((inf, 1.0),), "by the infinite element it is inf/inf"),
            Convention(((nan, 1.0),), "NaN spreads"),
        ),
    ),
)
