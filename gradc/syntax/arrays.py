"""The built-in functions of arrays: how they are called, what they mean, and how they are lowered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gradc.ops import build
from gradc.source import Source
from gradc.syntax import matrices, shaping, tree
from gradc.syntax.scope import POISON, Poison, Value, Weak
from gradc.syntax.site import Refusal, Site

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering


# Reductions ----------------------------------------------------------------------------------------------------------


def _reduce(op: str) -> Callable[[Site], int]:
    def make(site: Site) -> int:
        node = site.numbers(0)
        return site.apply(op, node, axes=site.axes(site.builder.type(node).rank))

    return make


def _real(op: str) -> Callable[[Site], int]:
    def make(site: Site) -> int:
        node = site.array(0)
        return site.apply(op, node, axes=site.axes(site.builder.type(node).rank))

    return make


def _truth(op: str) -> Callable[[Site], int]:
    def make(site: Site) -> int:
        node = site.any_array(0)
        type = site.builder.type(node)
        if type.dtype != "bool":
            hint = f"compare them: `{site.name}(x > 0)`"
            raise Refusal(f"`{site.name}` takes truth values", 0, "these are numbers", hint)
        return site.apply(op, node, axes=site.axes(type.rank))

    return make


def _sum(site: Site) -> int:
    node = site.numbers(0)
    return build.total(site.builder, node, axes=site.axes(site.builder.type(node).rank))


def _mean_of(site: Site, node: int, axes: Sequence[int]) -> int:
    type = site.builder.type(node)
    extents = [type.shape[axis] for axis in axes]
    if 0 in extents:
        raise Refusal(f"`{site.name}` of no elements is no number", 0, "0 elements", code="E0309")
    total = build.total(site.builder, node, axes=axes)
    return site.binary("div", total, build.some(site.builder, site.count(extents, type), extents))


def _mean(site: Site) -> int:
    node = site.array(0)
    return _mean_of(site, node, site.axes(site.builder.type(node).rank))


def _deviations(site: Site) -> tuple[int, tuple[int, ...]]:
    node = site.array(0)
    type = site.builder.type(node)
    axes = site.axes(type.rank)
    mean = build.expand(site.builder, _mean_of(site, node, axes), axes, type.shape)
    return site.apply("sub", node, mean), axes


def _variance(site: Site) -> int:
    centred, axes = _deviations(site)
    two = build.filled(site.builder, 2.0, site.builder.type(centred))
    return _mean_of(site, site.apply("pow", centred, two), axes)


def _deviation(site: Site) -> int:
    # By the length, which has a derivative of 0 where all elements are equal; the root of the variance has none.
    centred, axes = _deviations(site)
    type = site.builder.type(centred)
    count = site.count([type.shape[axis] for axis in axes], type)
    return site.binary("div", site.apply("norm", centred, axes=axes), site.apply("sqrt", count))


def _place(op: str) -> Callable[[Site], int]:
    def make(site: Site) -> int:
        node = site.numbers(0)
        return site.apply(op, node, axis=site.axis(site.builder.type(node).rank))

    return make


def _shares(site: Site, rank: int) -> tuple[int, ...]:
    """The axes of a softmax: those named, or the one there is."""
    return site.axes(rank) if "axis" in site.options else (site.axis(rank),)


def _softmax(op: str) -> Callable[[Site], int]:
    def make(site: Site) -> int:
        node = site.array(0)
        return site.apply(op, node, axes=_shares(site, site.builder.type(node).rank))

    return make


def _running_sum(site: Site) -> int:
    node = site.numbers(0)
    return site.apply("cumsum", node, axis=site.axis(site.builder.type(node).rank), reverse=False)


def _running_product(site: Site) -> int:
    # The operator multiplies what stands before an element, without the element itself.
    node = site.array(0)
    before = site.apply("product_before", node, axis=site.axis(site.builder.type(node).rank), reverse=False)
    return site.apply("mul", before, node)


def _sorted(op: str) -> Callable[[Site], int]:
    def make(site: Site) -> int:
        node = site.array(0)
        rank = site.builder.type(node).rank
        return site.apply(op, node, axis=site.axis(rank, rank - 1))

    return make


# The functions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    """A built-in function of arrays: how it is written, how many arguments it takes, its value, and how it is made."""

    form: str
    arity: tuple[int, int | None]
    doc: str
    lower: Callable[[Site], Value]
    options: tuple[str, ...] = ()


_AXIS: Final = ("axis",)
_F = Function

FUNCTIONS: Final[Mapping[str, Function]] = {
    "sum": _F("sum(x, axis=0)", (1, 1), "the sum of the elements", _sum, _AXIS),
    "prod": _F("prod(x, axis=0)", (1, 1), "the product of the elements", _reduce("prod"), _AXIS),
    "mean": _F("mean(x, axis=0)", (1, 1), "the mean of the elements", _mean, _AXIS),
    "max": _F("max(x, axis=0)", (1, 1), "the largest element", _reduce("amax"), _AXIS),
    "min": _F("min(x, axis=0)", (1, 1), "the smallest element", _reduce("amin"), _AXIS),
    "any": _F("any(m, axis=0)", (1, 1), "whether an element is true", _truth("any"), _AXIS),
    "all": _F("all(m, axis=0)", (1, 1), "whether all elements are true", _truth("all"), _AXIS),
    "argmax": _F("argmax(x, axis=0)", (1, 1), "the place of the largest element, an int", _place("argmax"), _AXIS),
    "argmin": _F("argmin(x, axis=0)", (1, 1), "the place of the smallest element, an int", _place("argmin"), _AXIS),
    "var": _F("var(x, axis=0)", (1, 1), "the mean of the squared deviations from the mean", _variance, _AXIS),
    "std": _F("std(x, axis=0)", (1, 1), "the square root of `var`", _deviation, _AXIS),
    "norm": _F("norm(x, axis=0)", (1, 1), "the square root of the sum of squares", _real("norm"), _AXIS),
    "logsumexp": _F("logsumexp(x, axis=0)", (1, 1), "log(sum(exp(x))), without overflow", _real("logsumexp"), _AXIS),
    "logmeanexp": _F(
        "logmeanexp(x, axis=0)", (1, 1), "log(mean(exp(x))), without overflow", _real("logmeanexp"), _AXIS
    ),
    "logprod": _F("logprod(x, axis=0)", (1, 1), "log(prod(x)), without overflow", _real("logprod"), _AXIS),
    "softmax": _F("softmax(x, axis=0)", (1, 1), "exp(x)/sum(exp(x)), without overflow", _softmax("softmax"), _AXIS),
    "log_softmax": _F(
        "log_softmax(x, axis=0)", (1, 1), "log(softmax(x)), without underflow", _softmax("log_softmax"), _AXIS
    ),
    "cumsum": _F("cumsum(x, axis=0)", (1, 1), "the sums of the elements up to each", _running_sum, _AXIS),
    "cumprod": _F("cumprod(x, axis=0)", (1, 1), "the products of the elements up to each", _running_product, _AXIS),
    "sort": _F("sort(x, axis=0)", (1, 1), "the elements in ascending order, `nan` last", _sorted("sort"), _AXIS),
    "argsort": _F(
        "argsort(x, axis=0)", (1, 1), "the places of the elements in ascending order, ints", _sorted("argsort"), _AXIS
    ),
    "dot": _F("dot(x, y)", (2, 2), "the sum of the products of two vectors' elements", matrices.dot),
    "matmul": _F("matmul(A, B)", (2, 2), "`A @ B`", matrices.matmul),
    "outer": _F("outer(x, y)", (2, 2), "the matrix of all products x[i]*y[j]", matrices.outer),
    "transpose": _F("transpose(A)", (1, 1), "`A.T`: the axes in reverse", matrices.transpose),
    "trace": _F("trace(A)", (1, 1), "the sum of the diagonal of a square matrix", matrices.trace),
    "diag": _F("diag(x)", (1, 1), "the diagonal of a matrix; of a vector the matrix with it", matrices.diag),
    "tril": _F("tril(A)", (1, 2), "the lower triangle, 0 above it", matrices.triangle(lower=True)),
    "triu": _F("triu(A)", (1, 2), "the upper triangle, 0 below it", matrices.triangle(lower=False)),
    "solve": _F("solve(A, b)", (2, 2), "the x with A @ x = b", matrices.system("solve", transposed=False)),
    "solve_lower": _F(
        "solve_lower(L, b)",
        (2, 2),
        "the x with L @ x = b, for a lower triangular L: what stands above its diagonal is not read",
        matrices.system("triangular_solve", lower=True, transposed=False),
    ),
    "solve_upper": _F(
        "solve_upper(U, b)",
        (2, 2),
        "the x with U @ x = b, for an upper triangular U: what stands below its diagonal is not read",
        matrices.system("triangular_solve", lower=False, transposed=False),
    ),
    "inv": _F("inv(A)", (1, 1), "the inverse; `solve` is faster and more accurate", matrices.inverse),
    "det": _F("det(A)", (1, 1), "the determinant", matrices.determinant),
    "logdet": _F("logdet(A)", (1, 1), "the log of the absolute value of det(A)", matrices.logdet),
    "cholesky": _F(
        "cholesky(A)", (1, 1), "the lower triangular L with L @ L.T = A, for symmetric A", matrices.cholesky
    ),
    "eigvalsh": _F(
        "eigvalsh(A)",
        (1, 1),
        "the eigenvalues of a symmetric matrix, ascending",
        matrices.eigenvalues,
    ),
    "svdvals": _F("svdvals(A)", (1, 1), "the singular values, descending", matrices.singular_values),
    "reshape": _F("reshape(x, n, m)", (2, None), "the elements in their order, rows first, as [n, m]", shaping.reshape),
    "flatten": _F("flatten(x)", (1, 1), "the elements in their order as a vector", shaping.flatten),
    "concat": _F("concat(x, y, axis=0)", (2, None), "arrays one behind the other", shaping.concat, _AXIS),
    "stack": _F("stack(x, y, axis=0)", (2, None), "arrays along a new axis", shaping.stack, _AXIS),
    "pad": _F("pad(x, before, after, axis=0)", (2, 3), "the array with zeros before and after it", shaping.pad, _AXIS),
    "repeat": _F(
        "repeat(x, times, axis=0)", (2, 2), "the array with every element several times", shaping.repeat, _AXIS
    ),
    "zeros": _F("zeros(n, m)", (1, None), "an array of zeros", shaping.filled(0.0)),
    "ones": _F("ones(n, m)", (1, None), "an array of ones", shaping.filled(1.0)),
    "full": _F("full(value, n, m)", (2, None), "an array of one value", shaping.full),
    "eye": _F("eye(n)", (1, 1), "the matrix with ones on the diagonal, else zeros", matrices.eye),
    "arange": _F("arange(start, stop)", (1, 2), "the ints from start up to, but without, stop", shaping.arange),
    "linspace": _F(
        "linspace(start, stop, n)", (3, 3), "n numbers at equal distances, with both ends", shaping.linspace
    ),
    "scatter_add": _F(
        "scatter_add(places, values, n)", (3, 3), "n sums: each value added at its place", shaping.scatter_add
    ),
}
"""The built-in functions of arrays by name. ``max`` and ``min`` of several values are operators."""


def literal(expression: tree.Expr) -> Any:
    """A whole number, or a list of them, as written in an option such as ``axis=[0, 1]``; None for anything else."""
    if isinstance(expression, tree.Number):
        return expression.integer
    if isinstance(expression, tree.Unary) and expression.op == "-" and isinstance(expression.operand, tree.Number):
        return None if expression.operand.integer is None else -expression.operand.integer
    if isinstance(expression, tree.ArrayLiteral):
        found = [literal(item) if not isinstance(item, tree.ArrayLiteral) else None for item in expression.items]
        return None if None in found else found
    return None


def lower(lowering: Lowering, node: tree.Call, values: Sequence[Value], source: Source) -> Value:
    """The value of a call of a built-in function of arrays, or poison after a report."""
    name = node.function.id
    function = FUNCTIONS[name]
    if any(isinstance(value, Poison) for value in values):
        return POISON
    options: dict[str, Any] = {}
    positional: list[int | Weak] = []
    places: list[tree.Node] = []
    named: dict[str, tree.Node] = {}
    for argument, value in zip(node.arguments, values, strict=True):
        if argument.keyword is None:
            assert not isinstance(value, Poison)
            positional.append(value)
            places.append(argument.value)
            continue
        keyword = argument.keyword
        hint = f"write `{function.form}`"
        if keyword.id not in function.options or keyword.id in options:
            what = "unknown keyword" if keyword.id not in function.options else "second value for the option"
            label = "not an option of it" if keyword.id not in function.options else "already given"
            message = f"{what} `{keyword.shown}` in a call of `{name}`"
            lowering.error("E0302", message, source, keyword, label, (hint,))
            return POISON
        given = literal(argument.value)
        if given is None:
            message = f"`{keyword.shown}` takes whole numbers as they are written"
            hints = (f"write `{keyword.shown}=0`, or `{keyword.shown}=[0, 1]` for several",)
            lowering.error("E0302", message, source, argument.value, "this is not one", hints)
            return POISON
        options[keyword.id] = given
        named[keyword.id] = argument
    low, high = function.arity
    if len(positional) < low or (high is not None and len(positional) > high):
        hints = (f"write `{function.form}`",)
        lowering.calls.argument_count(node, source, low, high, len(positional), hints)
        return POISON
    site = Site(lowering, node, source, function.form, positional, places, options)
    try:
        return function.lower(site)
    except Refusal as refusal:
        at = refusal.at
        place = node if at is None else named[at] if isinstance(at, str) else places[min(at, len(places) - 1)]
        lowering.error(refusal.code, refusal.message, source, place, refusal.label, refusal.hints)
        return POISON
