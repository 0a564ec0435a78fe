"""Rules over arrays, with names and classes like those of the rule files: what they compare are axes and shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gradc.ir import sizes
from gradc.ops import build
from gradc.rules.bounds import at_least_one, at_most_one

if TYPE_CHECKING:
    from gradc.ir.builder import Builder


@dataclass(frozen=True)
class ArrayRule:
    """A rule over arrays: its name and class as those of the rule files, how people write it, what applies it and why.

    ``apply`` is given a node of the operator ``op`` that is about to be made, and returns the one to take instead.
    ``inside`` are the operators of which the matched part is made.
    """

    name: str
    kind: str
    text: str
    op: str
    apply: Callable[[Builder, tuple[int, ...]], int | None]
    inside: frozenset[str]
    why: str


_SPREADING = ("broadcast", "reshape")
# How deep a matrix is looked into for what makes it positive semidefinite.
_DEEP = 8


def _behind(builder: Builder, node: int) -> int:
    """What is repeated along axes."""
    while builder.op(node) in _SPREADING:
        (node,) = builder.operands(node)
    return node


def _table(builder: Builder, total: int, x: int) -> tuple[int, tuple[int, ...]]:
    """The array of what a sum is over, and the axes that it removes."""
    attrs = builder.data[total]["attrs"]
    over, axes = attrs.get("over", ()), attrs.get("axes", ())
    return build.tabulate(builder, x, over), (*range(len(over)), *(axis + len(over) for axis in axes))


def _log_sum_exp(builder: Builder, operands: tuple[int, ...]) -> int | None:
    (total,) = operands
    if builder.op(total) != "sum":
        return None
    (inner,) = builder.operands(total)
    if builder.op(inner) != "exp":
        return None
    table, axes = _table(builder, total, builder.operands(inner)[0])
    return builder.apply("logsumexp", table, attrs={"axes": axes})


def _softmax(builder: Builder, operands: tuple[int, ...]) -> int | None:
    above, below = operands
    if builder.op(above) != "exp":
        return None
    total = _behind(builder, below)
    data = builder.data[total]
    if data["op"] != "sum" or data["operands"] != (above,) or data["attrs"].get("over"):
        return None
    axes = data["attrs"]["axes"]
    (x,) = builder.operands(above)
    if build.expand(builder, total, axes, builder.type(x).shape) != below:
        return None
    return builder.apply("softmax", x, attrs={"axes": axes})


def _log_softmax(builder: Builder, operands: tuple[int, ...]) -> int | None:
    (shares,) = operands
    if builder.op(shares) != "softmax":
        return None
    (x,) = builder.operands(shares)
    return builder.apply("log_softmax", x, attrs={"axes": builder.data[shares]["attrs"]["axes"]})


def _log_softmax_difference(builder: Builder, operands: tuple[int, ...]) -> int | None:
    x, repeated = operands
    total = _behind(builder, repeated)
    if builder.op(total) != "logsumexp" or builder.operands(total) != (x,):
        return None
    axes = builder.data[total]["attrs"]["axes"]
    if build.expand(builder, total, axes, builder.type(x).shape) != repeated:
        return None
    return builder.apply("log_softmax", x, attrs={"axes": axes})


def _norm(builder: Builder, operands: tuple[int, ...]) -> int | None:
    (total,) = operands
    op, inside = builder.op(total), builder.operands(total)
    if op == "matmul":
        # Of a vector with itself.
        if inside[0] != inside[1] or builder.type(inside[0]).rank != 1:
            return None
        return builder.apply("norm", inside[0], attrs={"axes": (0,)})
    if op != "sum":
        return None
    (square,) = inside
    what, factors = builder.op(square), builder.operands(square)
    if not ((what == "pow" and builder.value(factors[1]) == 2) or (what == "mul" and factors[0] == factors[1])):
        return None
    table, axes = _table(builder, total, factors[0])
    return builder.apply("norm", table, attrs={"axes": axes})


def _log_mean_exp(builder: Builder, operands: tuple[int, ...]) -> int | None:
    (mean,) = operands
    op, inside = builder.op(mean), builder.operands(mean)
    if op == "div":
        total, count = inside[0], _behind(builder, inside[1])
    elif op == "mul" and builder.value(inside[0]) is not None:
        # Division by a power of two has become this.
        count, total = inside
    else:
        return None
    if builder.op(total) != "sum":
        return None
    (powers,) = builder.operands(total)
    if builder.op(powers) != "exp":
        return None
    condition = None
    if builder.op(count) == "demand":
        count, condition = builder.operands(count)
    if not _counts(builder, total, count, op == "mul"):
        return None
    table, axes = _table(builder, total, builder.operands(powers)[0])
    found = builder.apply("logmeanexp", table, attrs={"axes": axes})
    return found if condition is None else builder.apply("demand", found, condition)


def _counts(builder: Builder, total: int, count: int, inverse: bool) -> bool:
    """Whether a node is the number of elements that a sum adds up, or (``inverse``) 1 by that."""
    attrs = builder.data[total]["attrs"]
    over, axes = attrs.get("over", ()), attrs.get("axes", ())
    shape = builder.type(builder.operands(total)[0]).shape
    number = sizes.product([*(index.extent for index in over), *(shape[axis] for axis in axes)])
    value = builder.value(count)
    if value is not None:
        return isinstance(number, int) and number > 0 and bool(value == (1 / number if inverse else number))
    if builder.op(count) == "float":
        (whole,) = builder.operands(count)
        return builder.op(whole) == "size" and bool(builder.data[whole]["attrs"]["size"] == number)
    # A sum of ones, of a mean over indices.
    ones = builder.op(count) == "sum" and builder.value(builder.operands(count)[0]) == 1
    return ones and not axes and builder.data[count]["attrs"] == attrs


def _log_prod(builder: Builder, operands: tuple[int, ...]) -> int | None:
    (product,) = operands
    if builder.op(product) != "prod":
        return None
    return builder.apply("logprod", *builder.operands(product), attrs={"axes": builder.data[product]["attrs"]["axes"]})


def _log_product(builder: Builder, operands: tuple[int, ...]) -> int | None:
    (product,) = operands
    op, factors = builder.op(product), builder.operands(product)
    if op not in ("mul", "div"):
        return None
    first, second = factors
    # The logarithms then have one sign.
    sides = (at_least_one, at_most_one) if op == "mul" else (at_most_one, at_least_one)
    if not any(
        left(builder, first) and right(builder, second)
        for left, right in zip((at_least_one, at_most_one), sides, strict=True)
    ):
        return None
    left, right = (builder.apply("log", factor) for factor in factors)
    return builder.apply("add" if op == "mul" else "sub", left, right)


def _log_abs_prod(builder: Builder, operands: tuple[int, ...]) -> int | None:
    (size,) = operands
    if builder.op(size) != "abs":
        return None
    (product,) = builder.operands(size)
    if builder.op(product) != "prod":
        return None
    sizes_of = builder.apply("abs", *builder.operands(product))
    return builder.apply("logprod", sizes_of, attrs={"axes": builder.data[product]["attrs"]["axes"]})


def _factor(builder: Builder, matrix: int) -> int | None:
    """The Cholesky factor that a matrix is, perhaps transposed."""
    if builder.type(matrix).rank != 2:
        return None
    if builder.op(matrix) == "transpose":
        (matrix,) = builder.operands(matrix)
    return matrix if builder.op(matrix) == "cholesky" else None


def _gram_factor(builder: Builder, matrix: int) -> int | None:
    """The Cholesky factor of which a matrix is the product with its own transpose, on either side."""
    if builder.op(matrix) != "matmul" or not _transposes(builder, *builder.operands(matrix)):
        return None
    return _factor(builder, builder.operands(matrix)[0])


def _diagonal(builder: Builder, matrix: int) -> int:
    index = builder.fresh("k", builder.type(matrix).shape[0])
    place = build.index(builder, index)
    return build.tabulate(builder, build.access(builder, matrix, (None, None), [place, place]), [index])


def _det_cholesky(builder: Builder, operands: tuple[int, ...]) -> int | None:
    factor = _factor(builder, operands[0])
    if factor is not None:
        return builder.apply("prod", _diagonal(builder, factor), attrs={"axes": (0,)})
    factor = _gram_factor(builder, operands[0])
    if factor is None:
        return None
    product = builder.apply("prod", _diagonal(builder, factor), attrs={"axes": (0,)})
    return builder.apply("pow", product, build.filled(builder, 2.0, builder.type(product)))


def _logdet_cholesky(builder: Builder, operands: tuple[int, ...]) -> int | None:
    factor, gram = _factor(builder, operands[0]), _gram_factor(builder, operands[0])
    found = gram if factor is None else factor
    if found is None:
        return None
    logarithm = builder.apply("logprod", _diagonal(builder, found), attrs={"axes": (0,)})
    return (
        logarithm
        if gram is None
        else builder.apply("mul", build.filled(builder, 2.0, builder.type(logarithm)), logarithm)
    )


def _log_abs_det(builder: Builder, operands: tuple[int, ...]) -> int | None:
    (size,) = operands
    if builder.op(size) != "abs":
        return None
    (det,) = builder.operands(size)
    return builder.apply("logdet", *builder.operands(det)) if builder.op(det) == "det" else None


def _log_det(builder: Builder, operands: tuple[int, ...]) -> int | None:
    (det,) = operands
    if builder.op(det) != "det":
        return None
    (matrix,) = builder.operands(det)
    return builder.apply("logdet", matrix) if _semidefinite(builder, matrix) else None


def _semidefinite(builder: Builder, matrix: int) -> bool:
    """Whether a matrix is by its form positive semidefinite: a Gram matrix, the identity, sums and multiples."""
    waiting = [(matrix, 0)]
    while waiting:
        node, depth = waiting.pop()
        op, operands = builder.op(node), builder.operands(node)
        if depth > _DEEP:
            return False
        if op == "add":
            waiting += [(operand, depth + 1) for operand in operands]
        elif op == "mul" and _positive(builder, operands[0]):
            waiting.append((operands[1], depth + 1))
        elif op in ("mul", "div") and _positive(builder, operands[1]):
            waiting.append((operands[0], depth + 1))
        elif not (op == "matmul" and _transposes(builder, *operands)) and not _identity(builder, node):
            return False
    return True


def _positive(builder: Builder, node: int) -> bool:
    """Whether the node is one positive number for all elements."""
    node = _behind(builder, node)
    if builder.type(node).rank != 0 and builder.op(node) != "const":
        return False
    if builder.op(node) == "float":
        return builder.op(builder.operands(node)[0]) == "size"
    value = builder.value(node)
    return value is not None and value > 0


def _transposes(builder: Builder, one: int, other: int) -> bool:
    if builder.type(one).rank != 2 or builder.type(other).rank != 2:
        return False
    turned = (builder.op(one) == "transpose" and builder.operands(one) == (other,)) or (
        builder.op(other) == "transpose" and builder.operands(other) == (one,)
    )
    return turned


def _identity(builder: Builder, node: int) -> bool:
    """A table of a positive number on the diagonal and 0 beside it."""
    data = builder.data[node]
    if data["op"] != "tabulate" or len(data["attrs"]["indices"]) != 2:
        return False
    (element,) = data["operands"]
    if builder.op(element) != "select":
        return False
    test, then, other = builder.operands(element)
    if builder.op(test) != "eq" or builder.value(other) != 0 or not _positive(builder, then):
        return False
    places = [builder.data[place] for place in builder.operands(test)]
    found: list[Any] = [place["attrs"]["index"] for place in places if place["op"] == "index"]
    return sorted(found, key=str) == sorted(data["attrs"]["indices"], key=str)


def _rule(name: str, text: str, op: str, inside: str, apply: Callable[..., int | None], why: str) -> ArrayRule:
    return ArrayRule(name, "stable", text, op, apply, frozenset((*inside.split(), *_SPREADING)), why)


RULES: Final = (
    _rule(
        "log_sum_exp",
        "log(sum(exp(x))) => logsumexp(x)",
        "log",
        "sum exp",
        _log_sum_exp,
        "The exponentials overflow from x = 710 on, or are all 0 below x = -745; the logarithm of their sum is finite. "
        "Its derivative, a share of e^-k, is known to k half ulps.",
    ),
    _rule(
        "log_softmax",
        "log(softmax(x)) => log_softmax(x)",
        "log",
        "softmax",
        _log_softmax,
        "Small shares underflow to 0, whose logarithm is -inf.",
    ),
    _rule(
        "log_softmax_difference",
        "x - logsumexp(x) => log_softmax(x)",
        "sub",
        "logsumexp",
        _log_softmax_difference,
        "Of a huge x the difference loses the logarithm.",
    ),
    _rule(
        "softmax",
        "exp(x)/sum(exp(x)) => softmax(x)",
        "div",
        "exp sum",
        _softmax,
        "The exponentials overflow from x = 710 on, which makes the quotient NaN. A share of e^-k is known to k half "
        "ulps.",
    ),
    _rule(
        "norm",
        "sqrt(sum(x^2)) => norm(x)",
        "sqrt",
        "sum pow mul matmul",
        _norm,
        "The squares overflow from x = 1e154 on and underflow below 1e-162. The derivative at 0 is 0 instead of NaN. "
        "Also of sqrt(sum(x*x)) and sqrt(x @ x).",
    ),
    _rule(
        "log_abs_det",
        "log(abs(det(A))) => logdet(A)",
        "log",
        "abs det",
        _log_abs_det,
        "The determinant of a large matrix overflows or underflows, its logarithm does not.",
    ),
    _rule(
        "log_det",
        "log(det(A)) => logdet(A)",
        "log",
        "det",
        _log_det,
        "Where A is positive semidefinite by its form: B @ B.T or B.T @ B, the identity, positive multiples and sums "
        "of these. Of any other matrix the determinant may be negative, which logdet does not tell.",
    ),
    _rule(
        "log_mean_exp",
        "log(mean(exp(x))) => logmeanexp(x)",
        "log",
        "div mul sum exp demand float",
        _log_mean_exp,
        "The exponentials overflow from x = 710 on, or are all 0 below x = -745. Near x = 0 the mean is rounded "
        "beside 1. Also of sum(exp(x))/n, where n is the number of elements. The derivative is that of log_sum_exp.",
    ),
    _rule(
        "log_prod",
        "log(prod(x)) => logprod(x)",
        "log",
        "prod",
        _log_prod,
        "The product of many factors overflows or underflows, and its derivatives with it. Of factors of any sign: "
        "where the product is negative the logarithm stays NaN.",
    ),
    _rule(
        "log_product",
        "log(x*y) => log(x) + log(y)",
        "log",
        "mul div",
        _log_product,
        "Where both factors are by their form at least 1 (cosh, 1 + x^2, exp of what is at least 0), or both lie "
        "between 0 and 1 (sigmoid, softmax, exp of what is at most 0): the logarithms have one sign then, and nothing "
        "cancels, where the product may overflow or underflow. Of a quotient, one such factor by one of the other "
        "kind. Other positive factors may have a product near 1, of which the sum of the logarithms loses the digits.",
    ),
    _rule(
        "log_abs_prod",
        "log(abs(prod(x))) => logprod(abs(x))",
        "log",
        "abs prod",
        _log_abs_prod,
        "The product of many factors overflows or underflows, and its derivatives with it.",
    ),
    _rule(
        "det_cholesky",
        "det(L) => prod(diag(L))",
        "det",
        "transpose matmul cholesky",
        _det_cholesky,
        "Where L is cholesky(A), or L.T; of L @ L.T and L.T @ L it is the square of that. The diagonal is all that a "
        "triangle's determinant depends on, and of a Cholesky factor it holds every NaN. That of the product would be "
        "found by factoring it again, with the square of the condition number.",
    ),
    _rule(
        "logdet_cholesky",
        "logdet(L) => logprod(diag(L))",
        "logdet",
        "transpose matmul cholesky",
        _logdet_cholesky,
        "Where L is cholesky(A), or L.T; of L @ L.T and L.T @ L it is twice that. With log_det, which goes first, the "
        "logarithm of a determinant goes through the factor that the program has made. No factor is made for it: a "
        "matrix that rounding leaves a little indefinite has a determinant, but none.",
    ),
)
"""The rules over arrays, each before those that match less."""
