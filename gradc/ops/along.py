"""Rows of what runs along an axis: running sums and products, linear recurrences, sorting."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir.op import Convention, Op, Site
from gradc.ir.types import Index, Type, TypeMismatch, typed
from gradc.ops import build
from gradc.ops.integers import checked
from gradc.ops.reduce import Found, along, along_real, attrs_of, operand_of, own_axis, reduction
from gradc.ops.typerules import NUMBER, Attrs

if TYPE_CHECKING:
    from gradc.ir.builder import Builder

# Type rules ----------------------------------------------------------------------------------------------------------


def _order(types: Sequence[Type], attrs: Attrs) -> Type:
    found = along(types, attrs)
    return typed("int", found.shape, found.free)


def _recurrence(types: Sequence[Type], attrs: Attrs) -> Type:
    for position, type in enumerate(types):
        if not type.real or type.shape != types[0].shape or not 0 <= attrs["axis"] < type.rank:
            raise TypeMismatch(NUMBER, position)
    return typed(types[0].dtype, types[0].shape, (*types[0].free, *types[1].free))


def _others(types: Sequence[Type], attrs: Attrs) -> Type:
    for position, type in enumerate(types):
        if not type.real or type.shape != types[0].shape or not 0 <= attrs["axis"] < type.rank:
            raise TypeMismatch(NUMBER, position)
    return typed(types[0].dtype, types[0].shape, tuple(index for type in types for index in type.free))


# Derivatives ---------------------------------------------------------------------------------------------------------


def _shifted(builder: Builder, node: int, axis: int, by: int) -> int:
    """Element t is element t - by, and 0 where there is none; ``by`` is 1 or -1."""
    shape = builder.type(node).shape
    whole = [(0, 1, extent) for extent in shape[:axis]]
    # By way of one element more, so that no extent is below 0 where there are no elements.
    source, target = (0, 1) if by > 0 else (1, 0)
    wide = (*shape[:axis], shape[axis] + 1, *shape[axis + 1 :])
    attrs = {"shape": wide, "parts": (((*whole, (target, 1, shape[axis])), ()),)}
    wider = builder.apply("assemble", node, attrs=attrs)
    return build.access(builder, wider, (*whole, (source, 1, shape[axis])), ())


def _solve_recurrence(builder: Builder, factors: int, terms: int, axis: int, reverse: bool) -> int:
    return builder.apply("recurrence", factors, terms, attrs={"axis": axis, "reverse": reverse})


def _recurrence_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    factors, _ = builder.operands(node)
    axis, reverse = attrs_of(builder, node)["axis"], attrs_of(builder, node)["reverse"]
    step = -1 if reverse else 1
    terms = _solve_recurrence(builder, _shifted(builder, factors, axis, -step), adjoint, axis, not reverse)
    return {0: builder.apply("mul", terms, _shifted(builder, node, axis, step)), 1: terms}


def _recurrence_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    factors, _ = builder.operands(node)
    axis, reverse = attrs_of(builder, node)["axis"], attrs_of(builder, node)["reverse"]
    terms = tangents.get(1)
    if 0 in tangents:
        moved = builder.apply("mul", tangents[0], _shifted(builder, node, axis, -1 if reverse else 1))
        terms = moved if terms is None else builder.apply("add", terms, moved)
    assert terms is not None
    return _solve_recurrence(builder, factors, terms, axis, reverse)


def _before_as_recurrence(builder: Builder, node: int) -> tuple[int, int, int, bool]:
    """The exclusive product y[t] = x[t-1] y[t-1]: its operand, the shifted factors, the axis and the direction."""
    x = operand_of(builder, node)
    axis, reverse = attrs_of(builder, node)["axis"], attrs_of(builder, node)["reverse"]
    return x, _shifted(builder, x, axis, -1 if reverse else 1), axis, reverse


def _before_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    _, factors, axis, reverse = _before_as_recurrence(builder, node)
    step = -1 if reverse else 1
    terms = _solve_recurrence(builder, _shifted(builder, factors, axis, -step), adjoint, axis, not reverse)
    shares = builder.apply("mul", terms, _shifted(builder, node, axis, step))
    return {0: _shifted(builder, shares, axis, -step)}


def _before_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    _, factors, axis, reverse = _before_as_recurrence(builder, node)
    step = -1 if reverse else 1
    moved = builder.apply("mul", _shifted(builder, tangents[0], axis, step), _shifted(builder, node, axis, step))
    return _solve_recurrence(builder, factors, moved, axis, reverse)


# The products of all others are linear in each direction and symmetric in all of them and in the adjoint: what belongs
# to one of these is the same operator with the adjoint in its place.


def _others_along(builder: Builder, node: int, x: int, *directions: int) -> int:
    return builder.apply("product_others", x, *directions, attrs={"axis": attrs_of(builder, node)["axis"]})


def _others_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    x, *directions = builder.operands(node)
    return {
        at: _others_along(builder, node, x, *directions[: max(at - 1, 0)], *directions[at:], adjoint)
        for at in positions
    }


def _others_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    x, *directions = builder.operands(node)
    terms = [
        _others_along(builder, node, x, *directions[: max(at - 1, 0)], *directions[at:], tangent)
        for at, tangent in tangents.items()
    ]
    total = terms[0]
    for term in terms[1:]:
        total = builder.apply("add", total, term)
    return total


def _cumsum_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    attrs = attrs_of(builder, node)
    return {0: builder.apply("cumsum", adjoint, attrs={**attrs, "reverse": not attrs["reverse"]})}


def _places(builder: Builder, node: int) -> tuple[list[Index], list[int], int]:
    """Of a sort: an index for each axis, their values, and where in the operand the sorted element stands."""
    x = operand_of(builder, node)
    axis = attrs_of(builder, node)["axis"]
    order = builder.apply("argsort", x, attrs={"axis": axis})
    indices = [builder.fresh("k", extent) for extent in builder.type(x).shape]
    values = [build.index(builder, index) for index in indices]
    return indices, values, build.access(builder, order, (None,) * len(values), values)


def _sort_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    indices, values, place = _places(builder, node)
    items = (None,) * len(values)
    axis = attrs_of(builder, node)["axis"]
    read = build.access(builder, adjoint, items, values)
    targets = [*values[:axis], place, *values[axis + 1 :]]
    attrs = {"shape": builder.type(node).shape, "parts": ((items, tuple(indices)),)}
    return {0: builder.apply("assemble", read, *targets, attrs=attrs)}


def _sort_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    indices, values, place = _places(builder, node)
    axis = attrs_of(builder, node)["axis"]
    read = build.access(builder, tangents[0], (None,) * len(values), [*values[:axis], place, *values[axis + 1 :]])
    return build.tabulate(builder, read, indices)


# Evaluation ----------------------------------------------------------------------------------------------------------


def _plan_cumsum(site: Site) -> Any:
    axis, reverse = own_axis(site, site.attrs["axis"]), site.attrs["reverse"]

    def run(x: Any) -> Any:
        if reverse:
            return np.flip(np.cumsum(np.flip(x, axis), axis=axis), axis)
        return np.cumsum(x, axis=axis)

    def exact(x: Any) -> Any:
        if x.size and max(float(x.max()), -float(x.min())) * x.shape[axis] >= 2.0**63:
            # NumPy's integers wrap around without a word.
            for value in np.ravel(run(x.astype(object))):
                checked(int(value))
        return run(x)

    return exact if site.dtype == "int" else run


def _plan_before(site: Site) -> Any:
    axis, reverse = own_axis(site, site.attrs["axis"]), site.attrs["reverse"]

    def run(x: Any) -> Any:
        result = np.ones_like(x)
        source, target = np.moveaxis(x, axis, 0), np.moveaxis(result, axis, 0)
        if reverse:
            source, target = source[::-1], target[::-1]
        np.cumprod(source[:-1], axis=0, out=target[1:])
        return result

    return run


def _plan_others(site: Site) -> Any:
    axis = own_axis(site, site.attrs["axis"])

    def run(x: Any, *directions: Any) -> Any:
        factors, *along = (np.moveaxis(each, axis, 0) for each in np.broadcast_arrays(x, *directions))
        before = _products(factors, along)
        after = _products(factors[::-1], [each[::-1] for each in along])
        found = np.zeros_like(factors)
        for (left, taken), (right, also) in zip(before, reversed(after), strict=True):
            found += np.where(taken & also[::-1], left * right[::-1], 0)
        return np.moveaxis(found, 0, axis)

    return run


def _products(factors: Any, along: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Products of the elements before each one, some of these taken from directions: those of each set of directions.

    With each sum of products stands whether there is any. An element at which a direction is 0 is not taken from it:
    nothing is multiplied with that 0, which would make NaN of an infinity.
    """
    found = [(np.zeros_like(factors), np.zeros(factors.shape, bool)) for _ in range(1 << len(along))]
    values, taken = found[0]
    values[:1] = 1
    np.cumprod(factors[:-1], axis=0, out=values[1:])
    taken[...] = True
    for chosen in range(1, len(found)):
        values, taken = found[chosen]
        last = [(h, found[chosen ^ 1 << at]) for at, h in enumerate(along) if chosen >> at & 1]
        for t in range(1, len(factors)):
            values[t] = np.where(taken[t - 1], values[t - 1] * factors[t - 1], 0)
            taken[t] = taken[t - 1]
            for direction, (others, there) in last:
                moves = there[t - 1] & (direction[t - 1] != 0)
                values[t] += np.where(moves, others[t - 1] * direction[t - 1], 0)
                taken[t] |= moves
    return found


def _plan_recurrence(site: Site) -> Any:
    axis, reverse = own_axis(site, site.attrs["axis"]), site.attrs["reverse"]

    def run(factors: Any, terms: Any) -> Any:
        factors, terms = np.broadcast_arrays(factors, terms)
        result = np.array(terms)
        a, y = np.moveaxis(factors, axis, 0), np.moveaxis(result, axis, 0)
        if reverse:
            a, y = a[::-1], y[::-1]
        for t in range(1, len(y)):
            y[t] += a[t] * y[t - 1]
        return result

    return run


def _plan_sorted(name: str) -> Callable[[Site], Any]:
    def plan(site: Site) -> Any:
        axis = own_axis(site, site.attrs["axis"])
        if name == "argsort":
            return lambda x: np.argsort(x, axis=axis, kind="stable")
        return lambda x: np.sort(x, axis=axis)

    return plan


_AXIS = {"axis": int}
_DIRECTED = {"axis": int, "reverse": bool}

ROWS = (
    reduction(
        "cumsum",
        "The sums of the elements up to each one along an axis, or from each one on (attribute reverse).",
        along,
        _plan_cumsum,
        attrs=_DIRECTED,
        pullback=_cumsum_back,
        linear="each",
        dependence=("linear",),
        sparsity="upto",
        conventions=(
            Convention(((inf, 1.0),), "what stands behind an infinity holds it"),
            Convention(((inf, -inf),), "the difference of two infinities has no limit"),
            Convention(((nan, 1.0),), "NaN spreads to what stands behind it"),
        ),
    ),
    reduction(
        "product_before",
        "The product of the elements before each one along an axis, or behind it (attribute reverse); of none it is 1.",
        along_real,
        _plan_before,
        attrs=_DIRECTED,
        pullback=_before_back,
        pushforward=_before_forward,
        sparsity="before",
        conventions=(
            Convention(((2.0, 0.0, 3.0),), "each by the product of the others, without a division"),
            Convention(((0.0, 0.0, 3.0),), "each by the product of the others, without a division"),
            Convention(((inf, 2.0),), "the last element counts for nothing"),
            Convention(((0.0, inf),), "the last element counts for nothing"),
            Convention(((nan, 1.0),), "NaN spreads to what stands behind it"),
        ),
    ),
    Op(
        name="product_others",
        doc=(
            "For each element the product of all others along an axis, without a division: the gradient of prod. With "
            "further operands, each a direction, its derivative along all of these. At an element at which a direction "
            "is 0 nothing moves, so that an infinity there makes no NaN."
        ),
        kind="structural",
        arity=(1, None),
        type_rule=_others,
        plan=_plan_others,
        pullback=_others_back,
        pushforward=_others_forward,
        dependence=("smooth",),
        attrs=_AXIS,
        reference="Blelloch 1990, Prefix sums and their applications",
        sparsity="others",
        conventions=(
            Convention(((2.0, 0.0, 3.0),), "without a division"),
            Convention(((inf, 2.0),), "an element does not count for itself"),
            Convention(((nan, 2.0),), "an element does not count for itself"),
        ),
    ),
    Op(
        name="recurrence",
        doc=(
            "y[t] = a[t]*y[t-1] + b[t] along an axis, from y[-1] = 0; with the attribute reverse from the other end. "
            "The first a counts for nothing. The derivatives of products along an axis are recurrences."
        ),
        kind="structural",
        arity=(2, 2),
        type_rule=_recurrence,
        plan=_plan_recurrence,
        pullback=_recurrence_back,
        pushforward=_recurrence_forward,
        dependence=("smooth", "linear"),
        attrs=_DIRECTED,
        reference="Blelloch 1990, Prefix sums and their applications",
        sparsity="upto",
        conventions=(
            Convention(((5.0, 0.0), (1.0, 2.0)), "a factor of 0 forgets what was before it"),
            Convention(((5.0, inf), (0.0, 2.0)), "no limit of inf·0"),
        ),
    ),
    reduction(
        "sort",
        "The elements along an axis in ascending order, NaN last. Of equal ones the derivative keeps the order.",
        along_real,
        _plan_sorted("sort"),
        attrs=_AXIS,
        pullback=_sort_back,
        pushforward=_sort_forward,
        sparsity="along",
        conventions=(
            Convention(((1.0, 1.0),), "equal elements keep their order"),
            Convention(((nan, 1.0),), "NaN comes last"),
            Convention(((0.0, -0.0),), "zeros are equal, and keep their order"),
        ),
    ),
    reduction(
        "argsort",
        "The places of the elements along an axis in ascending order, equal ones in theirs.",
        _order,
        _plan_sorted("argsort"),
        attrs=_AXIS,
        dependence=("none",),
        conventions=(
            Convention(((1.0, 1.0),), "equal elements keep their order"),
            Convention(((nan, 1.0),), "NaN comes last"),
        ),
    ),
)
