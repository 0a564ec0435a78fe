"""Linear algebra on arrays of objects, for numbers that LAPACK does not know; a matrix is the last two axes.

Nothing is conjugated, so what these compute of complex numbers is the analytic continuation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from gradc.check.numbers import Numbers, Unsuitable


def stacked(run: Callable[..., Any], *arrays: Any) -> Any:
    """A function of single matrices on stacks of them, whose axes in front broadcast."""
    front = np.broadcast_shapes(*(each.shape[:-2] for each in arrays))
    whole = [np.broadcast_to(each, front + each.shape[-2:]) for each in arrays]
    if not front:
        return run(*whole)
    cells = [run(*[each[place] for each in whole]) for place in np.ndindex(*front)]
    if not cells:
        raise Unsuitable("no matrices")
    first = cells[0]
    found = np.empty((len(cells), *np.shape(first)), object)
    for at, cell in enumerate(cells):
        found[at] = cell
    return found.reshape(front + np.shape(first))


def _identity(numbers: Numbers, count: int) -> Any:
    found = np.full((count, count), numbers.zero, object)
    found[np.arange(count), np.arange(count)] = numbers.one
    return found


def triangular(x: Any, lower: bool, offset: int, zero: Any) -> Any:
    """What stands on one side of a diagonal; the rest is 0."""
    rows, columns = np.ogrid[: x.shape[-2], : x.shape[-1]]
    apart = columns - rows
    kept = apart <= offset if lower else apart >= offset
    return np.where(np.broadcast_to(kept, x.shape), x, zero)


def _eliminated(numbers: Numbers, a: Any, b: Any) -> tuple[Any, Any, int]:
    """An upper triangle and the right-hand sides after elimination with row exchanges, and the sign of those."""
    a, b = a.copy(), b.copy()
    count, sign = len(a), 1
    for k in range(count):
        pivot = max(range(k, count), key=lambda row: abs(a[row, k]))
        if pivot != k:
            a[[k, pivot]], b[[k, pivot]] = a[[pivot, k]], b[[pivot, k]]
            sign = -sign
        if a[k, k] == 0:
            continue
        for row in range(k + 1, count):
            if a[row, k] != 0:
                factor = a[row, k] / a[k, k]
                a[row, k:] = a[row, k:] - factor * a[k, k:]
                b[row] = b[row] - factor * b[k]
    return a, b, sign


def solve(numbers: Numbers, a: Any, b: Any) -> Any:
    """The solution x of a @ x = b."""
    upper, right, _ = _eliminated(numbers, a, b)
    for row in reversed(range(len(upper))):
        if upper[row, row] == 0:
            raise Unsuitable("a singular matrix")
        for other in range(row + 1, len(upper)):
            right[row] = right[row] - upper[row, other] * right[other]
        right[row] = right[row] / upper[row, row]
    return right


def _inv(numbers: Numbers, x: Any) -> Any:
    return solve(numbers, x, _identity(numbers, len(x)))


def _pivots(numbers: Numbers, x: Any) -> tuple[list[Any], int]:
    upper, _, sign = _eliminated(numbers, x, np.empty((len(x), 0), object))
    return [upper[k, k] for k in range(len(x))], sign


def _det(numbers: Numbers, x: Any) -> Any:
    pivots, sign = _pivots(numbers, x)
    found = numbers.one * sign
    for pivot in pivots:
        found = found * pivot
    return found


def _logdet(numbers: Numbers, x: Any) -> Any:
    found = numbers.zero
    for pivot in _pivots(numbers, x)[0]:
        found = found + numbers.log(-pivot if numbers.real(pivot) < 0 else pivot)
    return found


# Larger matrices have their cofactors from the inverse, which a singular one lacks.
_MINORS: Final = 6


def _cofactor(numbers: Numbers, x: Any) -> Any:
    count = len(x)
    if count > _MINORS:
        return _inv(numbers, x).T * _det(numbers, x)
    found = np.empty((count, count), object)
    for row, column in np.ndindex(count, count):
        minor = np.delete(np.delete(x, row, 0), column, 1)
        found[row, column] = _det(numbers, minor) * (-1) ** (row + column)
    return found


def _cofactor_along(numbers: Numbers, x: Any, h: Any) -> Any:
    turned = _inv(numbers, x).T
    along = np.trace(turned.T @ h)
    return (turned * along - turned @ h.T @ turned) * _det(numbers, x)


def _cholesky(numbers: Numbers, x: Any) -> Any:
    count = len(x)
    found = np.full((count, count), numbers.zero, object)
    for j in range(count):
        for i in range(j, count):
            rest = x[i, j]
            for k in range(j):
                rest = rest - found[i, k] * found[j, k]
            if i > j:
                found[i, j] = rest / found[j, j]
                continue
            if not numbers.real(rest) > 0:
                raise Unsuitable("a matrix that is not positive definite")
            found[j, j] = numbers.sqrt(rest)
    return found


def _cholesky_adjoint(numbers: Numbers, factor: Any, adjoint: Any) -> Any:
    zero = numbers.zero
    factor, adjoint = triangular(factor, True, 0, zero), triangular(adjoint, True, 0, zero)

    def halved(x: Any) -> Any:
        found = triangular(x, True, 0, zero).copy()
        places = np.arange(len(found))
        found[places, places] = found[places, places] / 2
        return found

    inverse = _inv(numbers, factor)
    found = inverse.T @ halved(factor.T @ adjoint) @ inverse
    return halved(found + found.T)


def _mirrored(numbers: Numbers, x: Any) -> Any:
    lower = triangular(x, True, -1, numbers.zero)
    return triangular(x, True, 0, numbers.zero) + lower.T


def _eigvalsh(numbers: Numbers, x: Any) -> Any:
    return numbers.eigen(_mirrored(numbers, x))[0]


def _eigvecs(numbers: Numbers, x: Any) -> Any:
    return numbers.eigen(_mirrored(numbers, x))[1]


def _svdvals(numbers: Numbers, x: Any) -> Any:
    return numbers.singular(x)[1]


def _svdvecs(numbers: Numbers, x: Any) -> Any:
    left, _, right = numbers.singular(x)
    return np.concatenate([left, right])


OF_MATRICES: Final[Mapping[str, Callable[..., Any]]] = {
    "inv": _inv, "det": _det, "logdet": _logdet, "cofactor": _cofactor, "cofactor_along": _cofactor_along,
    "cholesky": _cholesky, "cholesky_adjoint": _cholesky_adjoint, "eigvalsh": _eigvalsh, "eigvecs": _eigvecs,
    "svdvals": _svdvals, "svdvecs": _svdvecs,
}  # fmt: skip
"""The operators whose operands are matrices, each as a function of a number system and of single matrices."""


def lifted(array: Any, batch: int, front: int, matrix: bool, row: bool) -> Any:
    """An operand of a product or a system with ``front`` axes behind its batch axes, and a vector as a matrix."""
    if not matrix:
        array = array[..., None, :] if row else array[..., :, None]
    missing = front - (array.ndim - batch - 2)
    return array.reshape(array.shape[:batch] + (1,) * missing + array.shape[batch:])


def product(numbers: Numbers, batch: int, ranks: Sequence[int], a: Any, b: Any) -> Any:
    """The matrix product of operands with so many batch axes in front of their own ones."""
    front = max(*ranks, 2) - 2
    left = lifted(a, batch, front, ranks[0] > 1, True)
    right = lifted(b, batch, front, ranks[1] > 1, False)
    if left.shape[-1] == 0:
        shape = (*np.broadcast_shapes(left.shape[:-2], right.shape[:-2]), left.shape[-2], right.shape[-1])
        found = np.full(shape, numbers.zero, object)
    else:
        found = np.matmul(numbers.moved_all(left), right)
    if ranks[1] == 1:
        found = found[..., 0]
    if ranks[0] == 1:
        found = found[..., 0, :] if ranks[1] > 1 else found[..., 0]
    return found


def system(numbers: Numbers, attrs: Mapping[str, Any], batch: int, ranks: Sequence[int], a: Any, b: Any) -> Any:
    """The solution of linear systems, as ``solve`` and ``triangular_solve`` take their operands."""
    front = max(*ranks, 2) - 2
    left = lifted(a, batch, front, True, False)
    right = lifted(b, batch, front, ranks[1] > 1, False)
    if "lower" in attrs:
        left = triangular(left, attrs["lower"], 0, numbers.zero)
    if attrs["transposed"]:
        left = left.swapaxes(-1, -2)
    found = stacked(lambda x, y: solve(numbers, x, y), numbers.moved_all(left), right)
    return found[..., 0] if ranks[1] == 1 else found
