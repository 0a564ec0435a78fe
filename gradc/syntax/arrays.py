"""Lowers the built-in functions of arrays: reductions, products, shapes, and arrays made from sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gradc.ir import sizes
from gradc.ir.sizes import Dim
from gradc.ir.types import Index, Type, typed
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.extents import Misfit, common, dim_of, fit, meet, require, written
from gradc.syntax.scope import POISON, Poison, Value, Weak

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering

Shape = tuple[Dim, ...]


class Refusal(Exception):
    """A call that cannot be lowered: what is wrong, at which argument (None for the whole call), with hints."""

    def __init__(self, message: str, at: int | None = None, label: str = "", *hints: str, code: str = "E0303") -> None:
        super().__init__(message)
        self.message, self.at, self.label, self.hints, self.code = message, at, label, hints, code


@dataclass
class Site:
    """A call that is being lowered: its arguments as nodes or weak integers, and constants given by keyword."""

    lowering: Lowering
    name: str
    values: Sequence[int | Weak]
    options: Mapping[str, Any]

    @property
    def builder(self) -> Any:
        """The builder of the graph."""
        return self.lowering.builder

    def type(self, at: int) -> Type:
        """The type of an argument."""
        return self.lowering.applier.type(self.values[at])

    def array(self, at: int, rank: int | None = None, *, real: bool = True) -> int:
        """The node of an argument that is an array, of ``rank`` axes if that is given."""
        applier = self.lowering.applier
        node = applier.real_node(self.values[at]) if real else applier.any_node(self.values[at])
        type = self.builder.type(node)
        if real and not type.real:
            raise Refusal(f"`{self.name}` takes numbers", at, "these are truth values")
        if not type.shape or (rank is not None and type.rank != rank):
            due = {1: "a vector", 2: "a matrix"}.get(rank or 0, "an array")
            found = f"an array {written(type.shape)}" if type.shape else "a single number"
            raise Refusal(f"`{self.name}` takes {due}", at, f"this is {found}", code="E0309")
        return node

    def square(self, at: int) -> int:
        """The node of an argument that is a square matrix, or a stack of them."""
        node = self.array(at)
        shape = self.builder.type(node).shape
        if len(shape) < 2 or not require(self.builder, "==", shape[-2], shape[-1], self.builder.span):
            raise Refusal(f"`{self.name}` takes a square matrix", at, f"this is {written(shape)}", code="E0309")
        return meet(self.builder, node, (*shape[:-1], shape[-2]), self.builder.span)

    def extent(self, at: int) -> Dim:
        """An argument that says an extent."""
        value = self.values[at]
        found = dim_of(self.builder.data, value)
        if found is None:
            hint = "an extent is made of numbers and sizes, so that shapes are known before the program runs"
            raise Refusal(f"`{self.name}` takes an extent here", at, "known only when the program runs", hint)
        if sizes.at_least(found, 0) is False:
            raise Refusal(f"`{self.name}` takes an extent here", at, "less than 0")
        require(self.builder, ">=", found, 0, self.builder.span)
        return found

    def axes(self, rank: int) -> tuple[int, ...]:
        """The axes that the option ``axis`` names, all if it is left out."""
        axis = self.options.get("axis")
        if axis is None:
            return tuple(range(rank))
        found = []
        for each in axis if isinstance(axis, list) else [axis]:
            if not isinstance(each, int) or not -rank <= each < rank:
                label = f"the array has {rank} ax{'is' if rank == 1 else 'es'}"
                raise Refusal(f"`{self.name}` has no axis {each} here", None, label, code="E0310")
            found.append(each % rank)
        if len(set(found)) < len(found):
            raise Refusal(f"`{self.name}` names an axis twice", None, code="E0310")
        return tuple(sorted(found))

    def axis(self, rank: int, default: int | None = None) -> int:
        """The one axis that the option ``axis`` names."""
        if "axis" not in self.options and default is None and rank > 1:
            raise Refusal(f"`{self.name}` of an array of {rank} axes runs along one of them", None, "", "add `axis=0`")
        if "axis" not in self.options:
            return 0 if default is None else default
        found = self.axes(rank)
        if len(found) != 1:
            raise Refusal(f"`{self.name}` runs along one axis", None)
        return found[0]

    def apply(self, op: str, *nodes: int, **attrs: Any) -> int:
        """A node."""
        found: int = self.builder.apply(op, *nodes, attrs=attrs or None)
        return found

    def shaped(self, nodes: Sequence[int]) -> list[int]:
        """The nodes broadcast to one shape."""
        try:
            shape = common([self.builder.type(node) for node in nodes])
        except Misfit as misfit:
            found = self.builder.type(nodes[misfit.position]).shape
            message = f"the shapes of `{self.name}` do not go together"
            raise Refusal(message, misfit.position, f"this is {written(found)}", code="E0309") from None
        return [fit(self.builder, node, shape, self.builder.span) for node in nodes]

    def count(self, dims: Sequence[Dim], like: Type) -> int:
        """A number of elements as a real scalar."""
        number = sizes.product(dims)
        if isinstance(number, int):
            return self.constant(float(number), like)
        return self.lowering.applier.real_node(build.extent(self.builder, number))

    def constant(self, value: float, like: Type) -> int:
        """A real number."""
        found: int = self.builder.constant(value, typed(like.dtype))
        return found

    def indices(self, *dims: Dim) -> tuple[list[Index], list[int]]:
        """Fresh indices with their values."""
        found = [self.lowering.new_index("k", dim) for dim in dims]
        return found, [build.index(self.builder, index) for index in found]

    def binary(self, op: str, left: int, right: int) -> int:
        """An elementwise operator on nodes of which one may be a single number."""
        shape = self.builder.type(left).shape or self.builder.type(right).shape
        return self.apply(op, build.broadcast(self.builder, left, shape), build.broadcast(self.builder, right, shape))


# Reductions ----------------------------------------------------------------------------------------------------------


def _reduce(op: str, *, truth: bool = False, real: bool = False) -> Callable[[Site], int]:
    def lower(site: Site) -> int:
        node = site.array(0, real=real)
        type = site.builder.type(node)
        if (type.dtype == "bool") != truth:
            due, found = ("truth values", "numbers") if truth else ("numbers", "truth values")
            hints = () if truth else ("count them with `sum(1 for i if m[i])` or `sum(float(m))`",)
            raise Refusal(f"`{site.name}` takes {due}", 0, f"these are {found}", *hints)
        axes = site.axes(type.rank)
        return site.apply(op, node, axes=axes, over=()) if op == "sum" else site.apply(op, node, axes=axes)

    return lower


def _mean_of(site: Site, node: int, axes: Sequence[int]) -> int:
    type = site.builder.type(node)
    total = site.apply("sum", node, axes=tuple(axes), over=())
    return site.binary("div", total, site.count([type.shape[axis] for axis in axes], type))


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
    def lower(site: Site) -> int:
        node = site.array(0, real=False)
        return site.apply(op, node, axis=site.axis(site.builder.type(node).rank))

    return lower


def _softmax(site: Site) -> int:
    node = site.array(0)
    rank = site.builder.type(node).rank
    axes = site.axes(rank) if "axis" in site.options or rank == 1 else (site.axis(rank),)
    return site.apply("softmax", node, axes=axes)


def _log_softmax(site: Site) -> int:
    node = site.array(0)
    type = site.builder.type(node)
    axes = site.axes(type.rank) if "axis" in site.options or type.rank == 1 else (site.axis(type.rank),)
    total = site.apply("logsumexp", node, axes=axes)
    return site.apply("sub", node, build.expand(site.builder, total, axes, type.shape))


def _running(op: str) -> Callable[[Site], int]:
    def lower(site: Site) -> int:
        node = site.array(0)
        return site.apply(op, node, axis=site.axis(site.builder.type(node).rank), reverse=False)

    return lower


def _sorted(op: str) -> Callable[[Site], int]:
    def lower(site: Site) -> int:
        node = site.array(0)
        rank = site.builder.type(node).rank
        return site.apply(op, node, axis=site.axis(rank, rank - 1))

    return lower


# Products and matrices -----------------------------------------------------------------------------------------------


def _dot(site: Site) -> int:
    left, right = site.shaped([site.array(0, 1), site.array(1, 1)])
    return build.matmul(site.builder, left, right)


def _matmul(site: Site) -> int:
    left, right = site.array(0), site.array(1)
    own, other = site.builder.type(left).shape, site.builder.type(right).shape
    inner = other[-2] if len(other) > 1 else other[0]
    if not require(site.builder, "==", own[-1], inner, site.builder.span):
        raise Refusal("the matrices do not go together", 1, f"{inner} rows for {own[-1]} columns", code="E0309")
    due = (*other[:-2], own[-1], other[-1]) if len(other) > 1 else (own[-1],)
    return build.matmul(site.builder, left, meet(site.builder, right, due, site.builder.span))


def _outer(site: Site) -> int:
    left, right = site.array(0, 1), site.array(1, 1)
    (rows,), (columns,) = site.builder.type(left).shape, site.builder.type(right).shape
    column = build.broadcast(site.builder, build.reshape(site.builder, left, (rows, 1)), (rows, columns))
    return site.apply("mul", column, build.broadcast(site.builder, right, (rows, columns)))


def _transpose(site: Site) -> int:
    node = site.array(0, real=False)
    rank = site.builder.type(node).rank
    return build.transpose(site.builder, node, tuple(reversed(range(rank))))


def _diagonal(site: Site, node: int) -> tuple[list[Index], int]:
    indices, (place,) = site.indices(site.builder.type(node).shape[0])
    return indices, build.access(site.builder, node, (None, None), [place, place])


def _diag(site: Site) -> int:
    node = site.array(0, real=False)
    type = site.builder.type(node)
    if type.rank == 1:
        indices, (row, column) = site.indices(type.shape[0], type.shape[0])
        element = build.access(site.builder, node, (None,), [row])
        zero = site.builder.constant(0.0 if type.real else 0, typed(type.dtype))
        chosen = site.apply("select", site.apply("eq", row, column), element, zero)
        return build.tabulate(site.builder, chosen, indices)
    indices, element = _diagonal(site, site.square(0))
    return build.tabulate(site.builder, element, indices)


def _trace(site: Site) -> int:
    indices, element = _diagonal(site, site.square(0))
    return build.total(site.builder, element, indices)


def _eye(site: Site) -> int:
    extent = site.extent(0)
    indices, (row, column) = site.indices(extent, extent)
    real = site.lowering.program.real
    one, zero = site.constant(1.0, real), site.constant(0.0, real)
    return build.tabulate(site.builder, site.apply("select", site.apply("eq", row, column), one, zero), indices)


# Shapes --------------------------------------------------------------------------------------------------------------


def _reshape(site: Site) -> int:
    node = site.array(0, real=False)
    type = site.builder.type(node)
    shape = tuple(site.extent(at) for at in range(1, len(site.values)))
    before, after = sizes.product(type.shape), sizes.product(shape)
    if not require(site.builder, "==", before, after, site.builder.span):
        raise Refusal(f"{before} elements do not fill the shape {written(shape)}", None, f"{after}", code="E0309")
    return build.reshape(site.builder, node, shape)


def _flatten(site: Site) -> int:
    node = site.array(0, real=False)
    return build.reshape(site.builder, node, (sizes.product(site.builder.type(node).shape),))


def _parts(site: Site) -> list[int]:
    """The arguments as real arrays, or as integers or truth values if all are."""
    applier = site.lowering.applier
    types = [site.type(at) for at in range(len(site.values))]
    if all(type.dtype == "int" for type in types) or all(type.dtype == "bool" for type in types):
        return [applier.any_node(value) for value in site.values]
    for at, type in enumerate(types):
        if type.dtype == "bool":
            raise Refusal(f"`{site.name}` takes numbers or truth values, not both", at, "truth values")
    return [applier.real_node(value) for value in site.values]


def joined(builder: Any, nodes: Sequence[int], axis: int) -> int:
    """Arrays that differ in one axis at most, one behind the other along it."""
    type = builder.type(nodes[0])
    whole = [(0, 1, extent) for extent in type.shape[:axis]]
    described, start = [], sizes.product(())
    start = 0
    for node in nodes:
        extent = builder.type(node).shape[axis]
        described.append(((*whole, (start, 1, extent)), ()))
        start = extent + start
    shape = (*type.shape[:axis], start, *type.shape[axis + 1 :])
    found: int = builder.apply("assemble", *nodes, attrs={"shape": shape, "parts": tuple(described)})
    return found


def stacked(builder: Any, nodes: Sequence[int]) -> int:
    """Values of one shape as the rows of an array."""
    operands: list[int] = []
    for at, node in enumerate(nodes):
        operands += [node, build.extent(builder, at)]
    shape = (len(nodes), *builder.type(nodes[0]).shape)
    attrs = {"shape": shape, "parts": (((None,), ()),) * len(nodes)}
    found: int = builder.apply("assemble", *operands, attrs=attrs)
    return found


def _concat(site: Site) -> int:
    nodes = _parts(site)
    types = [site.builder.type(node) for node in nodes]
    rank = types[0].rank
    for at, type in enumerate(types):
        if not type.rank or type.rank != rank:
            label = f"this has {type.rank} axes, and the first has {rank}" if type.rank else "this is a single number"
            raise Refusal(f"`{site.name}` joins arrays of equally many axes", at, label, code="E0309")
    axis = site.axis(rank, 0)
    for at, type in enumerate(types[1:], start=1):
        due = tuple(type.shape[k] if k == axis else types[0].shape[k] for k in range(rank))
        for k in range(rank):
            if not require(site.builder, "==", due[k], type.shape[k], site.builder.span):
                label = f"{type.shape[k]} along axis {k}, where the first has {due[k]}"
                raise Refusal(f"`{site.name}` joins arrays that agree in the other axes", at, label, code="E0309")
        nodes[at] = meet(site.builder, nodes[at], due, site.builder.span)
    return joined(site.builder, nodes, axis)


def _stack(site: Site) -> int:
    nodes = site.shaped(_parts(site))
    rank = site.builder.type(nodes[0]).rank + 1
    found = stacked(site.builder, nodes)
    axis = site.axis(rank, 0)
    order = list(range(1, rank))
    order.insert(axis, 0)
    return build.transpose(site.builder, found, order)


def _pad(site: Site) -> int:
    node = site.array(0, real=False)
    type = site.builder.type(node)
    before, after = site.extent(1), site.extent(len(site.values) - 1)
    axes = site.axes(type.rank)
    items, shape = [], []
    for axis, extent in enumerate(type.shape):
        items.append((before, 1, extent) if axis in axes else (0, 1, extent))
        shape.append(before + extent + after if axis in axes else extent)
    return site.apply("assemble", node, shape=tuple(shape), parts=((tuple(items), ()),))


def _repeat(site: Site) -> int:
    node = site.array(0, real=False)
    type = site.builder.type(node)
    times = site.extent(1)
    axis = site.axis(type.rank)
    head, tail = type.shape[: axis + 1], type.shape[axis + 1 :]
    wide = build.reshape(site.builder, node, (*head, 1, *tail))
    wide = build.broadcast(site.builder, wide, (*head, times, *tail))
    return build.reshape(site.builder, wide, (*head[:-1], head[-1] * times, *tail))


def _filled(value: float) -> Callable[[Site], int]:
    def lower(site: Site) -> int:
        shape = tuple(site.extent(at) for at in range(len(site.values)))
        found: int = site.builder.constant(value, typed(site.lowering.program.real.dtype, shape))
        return found

    return lower


def _full(site: Site) -> int:
    shape = tuple(site.extent(at) for at in range(1, len(site.values)))
    return build.broadcast(site.builder, site.lowering.applier.real_node(site.values[0]), shape)


def _arange(site: Site) -> int:
    first: Dim = site.extent(0) if len(site.values) > 1 else 0
    last = site.extent(len(site.values) - 1)
    if not require(site.builder, ">=", last, first, site.builder.span):
        raise Refusal("`arange` counts upwards", 1, "less than the start")
    indices, (value,) = site.indices(last - first)
    if first != 0:
        value = site.apply("add", value, build.extent(site.builder, first))
    return build.tabulate(site.builder, value, indices)


def _linspace(site: Site) -> int:
    applier = site.lowering.applier
    start, stop = (applier.real_node(value) for value in site.values[:2])
    extent = site.extent(2)
    indices, (place,) = site.indices(extent)
    steps = site.count([extent - 1], site.builder.type(start))
    share = site.apply("div", applier.real_node(place), steps)
    width = site.apply("mul", share, site.apply("sub", stop, start))
    # The last value is the end itself, whatever the rounding.
    last = site.apply("eq", place, build.extent(site.builder, extent - 1))
    value = site.apply("select", last, stop, site.apply("add", start, width))
    return build.tabulate(site.builder, value, indices)


def _scatter_add(site: Site) -> int:
    places, extent = site.lowering.applier.int_node(site.values[0]), site.extent(2)
    values = site.array(1)
    type, own = site.builder.type(places), site.builder.type(values)
    if type.dtype != "int" or type.rank != 1:
        raise Refusal("`scatter_add` takes a vector of integers first: the places", 0, "these are not", code="E0310")
    if not own.rank or not require(site.builder, "==", type.shape[0], own.shape[0], site.builder.span):
        raise Refusal("`scatter_add` takes as many values as places", 1, f"this is {written(own.shape)}", code="E0309")
    values = meet(site.builder, values, (type.shape[0], *own.shape[1:]), site.builder.span)
    indices, (place,) = site.indices(type.shape[0])
    value = build.access(site.builder, values, (None,), [place])
    target = build.access(site.builder, places, (None,), [place])
    return site.apply("assemble", value, target, shape=(extent, *own.shape[1:]), parts=(((None,), tuple(indices)),))


@dataclass(frozen=True)
class Function:
    """A built-in function of arrays: how it is written, how many arguments it takes, and what it becomes."""

    form: str
    arity: tuple[int, int | None]
    lower: Callable[[Site], int]
    options: tuple[str, ...] = ()


_AXIS: Final = ("axis",)

FUNCTIONS: Final[Mapping[str, Function]] = {
    "sum": Function("sum(x, axis=0)", (1, 1), _reduce("sum"), _AXIS),
    "prod": Function("prod(x, axis=0)", (1, 1), _reduce("prod"), _AXIS),
    "mean": Function("mean(x, axis=0)", (1, 1), _mean, _AXIS),
    "max": Function("max(x, axis=0)", (1, 1), _reduce("amax"), _AXIS),
    "min": Function("min(x, axis=0)", (1, 1), _reduce("amin"), _AXIS),
    "any": Function("any(m, axis=0)", (1, 1), _reduce("any", truth=True), _AXIS),
    "all": Function("all(m, axis=0)", (1, 1), _reduce("all", truth=True), _AXIS),
    "argmax": Function("argmax(x, axis=0)", (1, 1), _place("argmax"), _AXIS),
    "argmin": Function("argmin(x, axis=0)", (1, 1), _place("argmin"), _AXIS),
    "var": Function("var(x, axis=0)", (1, 1), _variance, _AXIS),
    "std": Function("std(x, axis=0)", (1, 1), _deviation, _AXIS),
    "norm": Function("norm(x, axis=0)", (1, 1), _reduce("norm", real=True), _AXIS),
    "logsumexp": Function("logsumexp(x, axis=0)", (1, 1), _reduce("logsumexp", real=True), _AXIS),
    "softmax": Function("softmax(x, axis=0)", (1, 1), _softmax, _AXIS),
    "log_softmax": Function("log_softmax(x, axis=0)", (1, 1), _log_softmax, _AXIS),
    "cumsum": Function("cumsum(x, axis=0)", (1, 1), _running("cumsum"), _AXIS),
    "sort": Function("sort(x, axis=0)", (1, 1), _sorted("sort"), _AXIS),
    "argsort": Function("argsort(x, axis=0)", (1, 1), _sorted("argsort"), _AXIS),
    "dot": Function("dot(x, y)", (2, 2), _dot),
    "matmul": Function("matmul(A, B)", (2, 2), _matmul),
    "outer": Function("outer(x, y)", (2, 2), _outer),
    "transpose": Function("transpose(A)", (1, 1), _transpose),
    "trace": Function("trace(A)", (1, 1), _trace),
    "diag": Function("diag(x)", (1, 1), _diag),
    "reshape": Function("reshape(x, n, m)", (2, None), _reshape),
    "flatten": Function("flatten(x)", (1, 1), _flatten),
    "concat": Function("concat(x, y, axis=0)", (1, None), _concat, _AXIS),
    "stack": Function("stack(x, y, axis=0)", (1, None), _stack, _AXIS),
    "pad": Function("pad(x, before, after, axis=0)", (2, 3), _pad, _AXIS),
    "repeat": Function("repeat(x, times, axis=0)", (2, 2), _repeat, _AXIS),
    "zeros": Function("zeros(n, m)", (1, None), _filled(0.0)),
    "ones": Function("ones(n, m)", (1, None), _filled(1.0)),
    "full": Function("full(value, n, m)", (2, None), _full),
    "eye": Function("eye(n)", (1, 1), _eye),
    "arange": Function("arange(n)` or `arange(start, stop)", (1, 2), _arange),
    "linspace": Function("linspace(start, stop, n)", (3, 3), _linspace),
    "scatter_add": Function("scatter_add(places, values, n)", (3, 3), _scatter_add),
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


def lower(
    lowering: Lowering, function: Function, node: tree.Call, values: Sequence[Value], source: Source
) -> Value:
    """The value of a call of a built-in function of arrays, or poison after a report."""
    name = node.function.id
    options: dict[str, Any] = {}
    positional: list[int | Weak] = []
    places: list[tree.Node] = []
    for argument, value in zip(node.arguments, values, strict=True):
        if argument.keyword is None:
            if isinstance(value, Poison):
                return POISON
            positional.append(value)
            places.append(argument.value)
            continue
        keyword = argument.keyword
        given = literal(argument.value)
        if keyword.id not in function.options or keyword.id in options or given is None:
            what = "a whole number is needed here" if keyword.id in function.options else "not an option of it"
            hint = f"write `{function.form}`"
            lowering.error("E0302", f"`{name}` does not take `{keyword.shown}` so", source, argument, what, (hint,))
            return POISON
        options[keyword.id] = given
    low, high = function.arity
    if len(positional) < low or (high is not None and len(positional) > high):
        lowering.calls.argument_count(node, source, low, high)
        return POISON
    try:
        return function.lower(Site(lowering, node.function.shown, positional, options))
    except Refusal as refusal:
        place = node if refusal.at is None or refusal.at >= len(places) else places[refusal.at]
        lowering.error(refusal.code, refusal.message, source, place, refusal.label, refusal.hints)
        return POISON
