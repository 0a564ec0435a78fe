"""Rows of the reductions that take logarithms: of sums and means of exponentials, of products; softmax and its kin."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir.op import Convention, Site
from gradc.ops import build
from gradc.ops.reduce import (
    Found,
    along_real,
    attrs_of,
    expanded,
    operand_of,
    own_axis,
    real,
    reduction,
    short,
    weighted,
)

if TYPE_CHECKING:
    from gradc.ir.builder import Builder

# Derivatives ---------------------------------------------------------------------------------------------------------


def _softmax_of(builder: Builder, node: int) -> int:
    return builder.apply("softmax", operand_of(builder, node), attrs={"axes": attrs_of(builder, node)["axes"]})


def _to_exponents(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    return {0: builder.apply("mul", expanded(builder, node, adjoint), _softmax_of(builder, node))}


def _deviations(builder: Builder, node: int, shares: int, vector: int) -> int:
    """The elements less their mean by shares.

    A share near 1 makes the mean nearly as large as its own element, and what is left of that is mostly the mean's
    error, which all elements have: it is the mean of what is left, since that should be 0. Taken away, it leaves
    digits only where there are some (the second step of Gram and Schmidt, as in Parlett, The Symmetric Eigenvalue
    Problem, section 6.9).
    """
    axes = attrs_of(builder, node)["axes"]
    left = build.broadcast(builder, vector, builder.type(shares).shape)
    for _ in range(2):
        mean = build.total(builder, builder.apply("mul", left, shares), axes=axes)
        left = builder.apply("sub", left, expanded(builder, node, mean))
    return left


def _softmax_map(builder: Builder, node: int, vector: int) -> int:
    # The Jacobian diag(s) - s s^T is symmetric, so both modes are one map.
    return builder.apply("mul", node, _deviations(builder, node, node, vector))


def _log_softmax_back(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    # The adjoint less the share of its sum, twice: as in `_deviations`, what is left sums to nothing but its error.
    shares, axes = _softmax_of(builder, node), attrs_of(builder, node)["axes"]
    left = build.broadcast(builder, adjoint, builder.type(node).shape)
    for _ in range(2):
        total = expanded(builder, node, build.total(builder, left, axes=axes))
        left = builder.apply("sub", left, builder.apply("mul", shares, total))
    return {0: left}


def _log_softmax_forward(builder: Builder, node: int, tangents: Mapping[int, int]) -> int:
    return _deviations(builder, node, _softmax_of(builder, node), tangents[0])


def _reciprocals(builder: Builder, node: int) -> int:
    x = operand_of(builder, node)
    return builder.apply("div", build.filled(builder, 1.0, builder.type(x)), x)


def _to_logarithms(builder: Builder, node: int, adjoint: int, positions: Collection[int]) -> Found:
    return {0: builder.apply("div", expanded(builder, node, adjoint), operand_of(builder, node))}


# Evaluation ----------------------------------------------------------------------------------------------------------

# Elements of such an array that are looked at in one go.
_BLOCK = 1 << 14


def _mend(logs: Any, powers: Any, total: Any, axes: tuple[int, ...]) -> None:
    """Compute logarithms of sums near 1 again: beside the largest term, 1, the others are known to all digits."""
    # From 9/8 on the rounding of the sum costs a few units of its logarithm, and this would cost time.
    near = np.flatnonzero((total >= 1) & (total < 1.125))
    if not near.size:
        return
    kept = [axis for axis in range(powers.ndim) if axis not in axes and axis - powers.ndim not in axes]
    terms = powers.transpose(*(axis for axis in range(powers.ndim) if axis not in kept), *kept)
    others = np.take(terms.reshape(-1, total.size), near, axis=1)
    np.copyto(others, 0, where=others == 1)
    logs.reshape(-1)[near] = np.log1p(np.add.reduce(others, 0))


def exponentials(wanted: Sequence[str], axes: tuple[int, ...]) -> Callable[..., tuple[Any, ...]]:
    """A function of an array that gives what is ``wanted`` of its exponentials over axes, computed once.

    ``wanted`` names some of the operators logsumexp, softmax and log_softmax. Arrays for the results that
    have the operand's shape may be given too.
    """

    wide = [name for name in wanted if name != "logsumexp"]

    def along(x: Any, axes: tuple[int, ...], into: Sequence[Any] = ()) -> list[Any]:
        given = dict(zip(wide, into, strict=False))
        top = np.maximum.reduce(x, axes, keepdims=True)
        if not np.isfinite(top).all():
            # Of infinite terms the largest decides; inf - inf would be NaN.
            top = np.where(np.isfinite(top), top, np.where(np.isnan(top), top, 0.0)).astype(x.dtype)
        # Of a single number NumPy leaves no array to write into.
        shifted = np.asarray(np.subtract(x, top, out=given.get("log_softmax", given.get("softmax"))))
        powers = np.exp(shifted, out=given.get("softmax") if "log_softmax" in wanted else shifted)
        total = np.add.reduce(powers, axes, keepdims=True)
        logs: Any = None
        if len(wide) < len(wanted) or "log_softmax" in wanted:
            logs = np.asarray(np.log(total))
            _mend(logs, powers, total, axes)
        found = []
        for name in wanted:
            if name == "logsumexp":
                found.append((logs + top).squeeze(axes))
            elif name == "softmax":
                found.append(np.divide(powers, total, out=powers))
            else:
                found.append(np.subtract(shifted, logs, out=shifted))
        return found

    def run(x: Any, *into: Any) -> tuple[Any, ...]:
        if 0 in x.shape:
            empty = np.log(np.zeros_like(x.sum(axis=axes)))
            return tuple(empty if name == "logsumexp" else x.copy() for name in wanted)
        if not short(axes, x) or not all(each.flags.c_contiguous for each in (x, *into)):
            return tuple(along(x, axes, into))
        # Short rows become columns, a few at a time: what is small stays in the cache, and costs no new pages.
        kept = x.shape[: x.ndim - len(axes)]
        rows = x.reshape(math.prod(kept), -1)
        given = dict(zip(wide, (each.reshape(rows.shape) for each in into), strict=False))
        results = [
            given[name] if name in given else np.empty(rows.shape[: 1 if name == "logsumexp" else 2], x.dtype)
            for name in wanted
        ]
        step = max(1, _BLOCK // rows.shape[1])
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            for result, found in zip(results, along(np.ascontiguousarray(rows[part].T), (0,)), strict=True):
                result[part] = found.T
        shapes = (kept if name == "logsumexp" else x.shape for name in wanted)
        return tuple(result.reshape(shape) for result, shape in zip(results, shapes, strict=True))

    return run


def _plan_exponentials(name: str) -> Callable[[Site], Any]:
    def plan(site: Site) -> Any:
        run = exponentials([name], tuple(own_axis(site, axis) for axis in site.attrs["axes"]))
        return lambda x: run(x)[0]

    return plan


def _plan_mean(site: Site) -> Any:
    axes = site.axes

    def run(x: Any) -> Any:
        count = math.prod(x.shape[axis] for axis in axes)
        if not x.size or not count:
            return np.full_like(x.sum(axis=axes), nan)
        top = np.maximum.reduce(x, axes, keepdims=True)
        # Relative to an infinity, inf - inf would be NaN.
        top = np.where(np.isinf(top), 0, top).astype(x.dtype)
        # What each lacks of the largest has one sign, so that nothing cancels in the mean.
        mean = np.add.reduce(np.expm1(x - top), axes) / x.dtype.type(count)
        return np.log1p(mean) + top.reshape(mean.shape)

    return run


# Of so many factors in [1/2, 1) the product is a normal number, also in single precision.
_FACTORS = 64


def _plan_product(site: Site) -> Any:
    axes = site.axes

    def run(x: Any) -> Any:
        kept = [axis for axis in range(x.ndim) if axis - x.ndim not in axes]
        count = math.prod(x.shape[axis] for axis in axes)
        shape = tuple(x.shape[axis] for axis in kept)
        parts, powers = np.frexp(x.transpose(*kept, *axes).reshape(*shape, count))
        power = powers.sum(axis=-1, dtype=np.int64)
        while True:
            missing = -parts.shape[-1] % _FACTORS or _FACTORS * (not parts.shape[-1])
            ones = np.ones((*shape, missing), x.dtype)
            parts = np.concatenate([parts, ones], axis=-1).reshape(*shape, -1, _FACTORS).prod(axis=-1)
            parts, powers = np.frexp(parts)
            power = power + powers.sum(axis=-1, dtype=np.int64)
            if parts.shape[-1] == 1:
                break
        part = parts[..., 0]
        # Around 1, so that the two terms have one sign.
        low = np.abs(part) < math.sqrt(0.5)
        part, power = np.where(low, 2 * part, part), power - low
        return (np.log(part) + power * x.dtype.type(math.log(2))).astype(x.dtype)[()]

    return run


ROWS = (
    reduction(
        "logsumexp",
        "log(sum(exp(x))) over axes without overflow; of nothing it is -inf. Its derivative is the softmax.",
        real,
        _plan_exponentials("logsumexp"),
        pullback=_to_exponents,
        pushforward=weighted(_softmax_of),
        reference="Blanchard, Higham and Higham 2021, Accurately computing the log-sum-exp and softmax functions",
        sparsity="reduced",
        conventions=(
            Convention(((),), "of nothing it is the logarithm of 0"),
            Convention(((0.0, -inf),), "a term that is 0 has no share"),
            Convention(((-inf, -inf),), "the logarithm of 0; 0/0 is each one's share"),
            Convention(((inf, 0.0),), "the infinite term's share is inf/inf"),
            Convention(((nan, 0.0),), "NaN spreads"),
        ),
    ),
    reduction(
        "softmax",
        "exp(x)/sum(exp(x)) over axes without overflow; the result has the operand's shape.",
        along_real,
        _plan_exponentials("softmax"),
        pullback=lambda builder, node, adjoint, positions: {0: _softmax_map(builder, node, adjoint)},
        pushforward=lambda builder, node, tangents: _softmax_map(builder, node, tangents[0]),
        reference="Blanchard, Higham and Higham 2021, Accurately computing the log-sum-exp and softmax functions",
        sparsity="along",
        conventions=(
            Convention(((0.0, -inf),), "a term that is 0 has no share"),
            Convention(((-inf, -inf),), "no term is left to share: 0/0"),
            Convention(((inf, 0.0),), "the infinite term's share is inf/inf"),
            Convention(((nan, 0.0),), "NaN spreads"),
        ),
    ),
    reduction(
        "log_softmax",
        "The logarithm of the softmax over axes, which keeps its digits where that is near 0 or 1.",
        along_real,
        _plan_exponentials("log_softmax"),
        pullback=_log_softmax_back,
        pushforward=_log_softmax_forward,
        reference="Blanchard, Higham and Higham 2021, Accurately computing the log-sum-exp and softmax functions",
        sparsity="along",
        conventions=(
            Convention(((0.0, -inf),), "a term that is 0 has no share, the logarithm of 0"),
            Convention(((-inf, -inf),), "no term is left to share"),
            Convention(((inf, 0.0),), "the infinite term's share is inf/inf"),
            Convention(((nan, 0.0),), "NaN spreads"),
        ),
    ),
    reduction(
        "logmeanexp",
        "log(mean(exp(x))) over axes without overflow, and to full accuracy where all elements are near 0; of nothing "
        "it is NaN. Its derivative is the softmax.",
        real,
        _plan_mean,
        pullback=_to_exponents,
        pushforward=weighted(_softmax_of),
        reference="Blanchard, Higham and Higham 2021, Accurately computing the log-sum-exp and softmax functions",
        sparsity="reduced",
        conventions=(
            Convention(((),), "of nothing it is the logarithm of 0/0"),
            Convention(((0.0, 0.0),), "equal elements are their own mean"),
            Convention(((-inf, -inf),), "the logarithm of 0; 0/0 is each one's share"),
            Convention(((inf, 0.0),), "the infinite term's share is inf/inf"),
            Convention(((nan, 0.0),), "NaN spreads"),
        ),
    ),
    reduction(
        "logprod",
        "log(prod(x)) over axes, also where the product overflows or underflows; of nothing it is 0, and NaN where the "
        "product is negative. The product is taken of the binary significands, the exponents are added up.",
        real,
        _plan_product,
        pullback=_to_logarithms,
        pushforward=weighted(_reciprocals),
        reference="C99, 7.12.6.4",
        sparsity="reduced",
        conventions=(
            Convention(((),), "of nothing it is the logarithm of 1"),
            Convention(((0.0,),), "a pole of the logarithm"),
            Convention(((-1.0, 2.0),), "not in the domain; the derivative is 1/x on both sides of 0"),
            Convention(((-1.0, -2.0),), "the product is positive"),
            Convention(((inf, 2.0),), "the limits"),
            Convention(((nan,),), "NaN spreads"),
        ),
    ),
)
