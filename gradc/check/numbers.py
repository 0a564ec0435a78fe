"""Number systems in which a graph can be evaluated beside the one that it is compiled for.

Each evaluates an operator by the row's own function for it: ``complex`` for complex steps, ``precise`` for mpmath,
``scalar`` for Python's floats. Floats can be blurred: every rounded result is moved by a random part of a unit in the
last place, so that runs differ by as much as rounding errors can matter. (D. S. Parker, "Monte Carlo Arithmetic:
exploiting randomness in floating-point arithmetic", UCLA CSD-970002, 1997.)
"""

from __future__ import annotations

import cmath
import math
import random
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from gradc.ir.op import Op
from gradc.ops.evaluate import evaluator

clock = time.thread_time
"""Seconds of computing: a busy machine makes no program slow."""


class Unsuitable(Exception):
    """A graph has no value in a number system: an operator has no continuation, or it would take too long."""


def why(reason: Unsuitable) -> str:
    """Why something is not computed, in words."""
    word = str(reason)
    said = {"time": "it takes too long", "size": "it needs too much memory", "values": "it has no value there"}
    return said.get(word, f"there is no `{word}` in so many digits")


# What these give is no rounded result: a copy, a choice, an exact operation.
_EXACT: Final = frozenset(
    {"name", "neg", "select", "abs", "sign", "floor", "ceil", "round", "min", "max", "clip", "relu", "stop_gradient"}
)


def _whole_sum(x: float, y: float, found: float) -> bool:
    """Whether a sum is exact: its rounding error is a number that can be computed. (O. Møller, BIT 5, 1965.)"""
    part = found - x
    return (x - (found - part)) + (y - part) == 0


def _whole_product(x: float, y: float, found: float) -> bool:
    """Whether a product is exact; of fractions only one by a power of two is known to be."""
    return (found.is_integer() and x.is_integer() and y.is_integer()) or abs(math.frexp(y)[0]) == 0.5


_UNROUNDED: Final[Mapping[str, Callable[[float, float, float], bool]]] = {
    "add": _whole_sum,
    "sub": lambda x, y, found: _whole_sum(x, -y, found),
    "mul": lambda x, y, found: _whole_product(x, y, found) or _whole_product(y, x, found),
}
_NORMAL: Final = sys.float_info.min
_TINY: Final = math.ulp(0.0)
# Beyond it, mpmath would write out results with more digits than there is room for.
_LARGE: Final = 1e7
_GROWING: Final = frozenset({"exp", "exp2", "expm1", "sinh", "cosh", "softplus", "sigmoid", "gamma", "lgamma", "tanh"})


class Numbers:
    """Real numbers as Python floats; the other systems differ in what is overridden.

    With ``blur``, the size of half a unit in the last place relative to a number, results are moved at random; with
    ``strict`` only those that were rounded, so that counters and grids stay what they are.
    """

    name = "floats"
    exact = False

    def __init__(self, blur: float = 0.0, seed: int = 0, *, strict: bool = False) -> None:
        self.blur = blur
        self.strict = strict
        self.restart(seed)

    def restart(self, seed: int) -> None:
        """Draw other roundings from now on."""
        self.random = np.random.default_rng(seed)
        # One number at a time, Python's own is faster.
        self.draw = random.Random(seed).random

    zero: Any = 0.0
    one: Any = 1.0

    def given(self, value: Any) -> Any:
        """A real number of this system."""
        return float(value)

    def real(self, value: Any) -> Any:
        """The part of a number by which it is compared."""
        return value

    def finite(self, value: Any) -> bool:
        """Whether it is neither infinite nor NaN."""
        return math.isfinite(value)

    def moved(self, value: Any) -> Any:
        """A rounded result as another rounding could have left it."""
        if abs(value) < _NORMAL:
            # The last numbers before 0 have fewer digits.
            return value + _TINY * (int(3 * self.draw()) - 1)
        return value * (1.0 + self.blur * (2.0 * self.draw() - 1.0))

    def moved_all(self, values: Any) -> Any:
        """The same for an array."""
        if not self.blur or (self.strict and all(map(float.is_integer, values.ravel().tolist()))):
            return values
        return values * (1.0 + self.blur * (2.0 * self.random.random(values.shape) - 1.0)).astype(object)

    def function(self, row: Op, dtype: str, dtypes: tuple[str, ...], attrs: Mapping[str, Any]) -> Callable[..., Any]:
        """The operator on numbers of this system; integers and truth values are those of Python."""
        if dtype == "int" or (dtype == "bool" and not any(each.startswith("f") for each in dtypes)):
            return _whole(row, dtype, dtypes, attrs)
        compute = self._function(row, attrs)
        if not self.blur or dtype == "bool" or row.name in _EXACT:
            return compute
        if self.strict and row.name in _UNROUNDED:
            unrounded = _UNROUNDED[row.name]

            def run(x: float, y: float) -> float:
                found: float = compute(x, y)
                return found if unrounded(x, y, found) and self._fits(found) else self.moved(found)

            return run
        return lambda *operands: self.moved(compute(*operands))

    def _fits(self, value: float) -> bool:
        """Whether a number is one of the precision that roundings have."""
        return self.blur < 1e-12 or float(np.float32(value)) == value

    def _function(self, row: Op, attrs: Mapping[str, Any]) -> Callable[..., Any]:
        if row.scalar is None:
            raise Unsuitable(row.name)
        return partial(row.scalar, **attrs) if attrs else row.scalar

    def exp(self, x: Any) -> Any:
        """e^x."""
        try:
            return math.exp(x)
        except OverflowError:
            return math.inf

    def log(self, x: Any) -> Any:
        """The natural logarithm."""
        return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan

    def sqrt(self, x: Any) -> Any:
        """The square root."""
        return math.sqrt(x) if x >= 0 else math.nan

    def eigen(self, matrix: Any) -> tuple[Any, Any]:
        """The eigenvalues of a symmetric matrix in ascending order, and the eigenvectors as columns."""
        values, vectors = np.linalg.eigh(np.asarray(matrix, float))
        return values.astype(object), vectors.astype(object)

    def singular(self, matrix: Any) -> tuple[Any, Any, Any]:
        """The left singular vectors as columns, the singular values in descending order, the right vectors likewise."""
        left, values, right = np.linalg.svd(np.asarray(matrix, float), full_matrices=False)
        return left.astype(object), values.astype(object), right.T.astype(object)


class ComplexNumbers(Numbers):
    """Complex numbers beside the real axis, for derivatives by complex steps."""

    name = "complex numbers"
    zero = 0j
    one = 1 + 0j

    def given(self, value: Any) -> Any:
        """A number of this system."""
        return complex(value)

    def real(self, value: Any) -> Any:
        """The part of a number by which it is compared."""
        return value.real

    def finite(self, value: Any) -> bool:
        """Whether it is neither infinite nor NaN."""
        return cmath.isfinite(value)

    def _function(self, row: Op, attrs: Mapping[str, Any]) -> Callable[..., Any]:
        if row.complex is None:
            raise Unsuitable(row.name)
        compute = partial(row.complex, **attrs) if attrs else row.complex

        def run(*operands: Any) -> Any:
            try:
                return compute(*operands)
            except (ArithmeticError, ValueError):
                # Poles and overflow: whether it matters, the rest of the program decides.
                return complex(math.nan, math.nan)

        return run

    def exp(self, x: Any) -> Any:
        """e^x."""
        try:
            return cmath.exp(x)
        except OverflowError:
            return complex(math.nan, math.nan)

    def log(self, x: Any) -> Any:
        """The natural logarithm."""
        return cmath.log(x) if x != 0 else complex(math.nan, math.nan)

    def sqrt(self, x: Any) -> Any:
        """The square root."""
        return cmath.sqrt(x)

    def eigen(self, matrix: Any) -> tuple[Any, Any]:
        """The eigenvalues and eigenvectors of a symmetric matrix."""
        # What LAPACK computes of complex matrices is not analytic, and its rounding errors hide the step.
        raise Unsuitable("eigvalsh")

    def singular(self, matrix: Any) -> tuple[Any, Any, Any]:
        """The singular values and vectors of a matrix."""
        raise Unsuitable("svdvals")


class PreciseNumbers(Numbers):
    """Real numbers of so many decimal digits, by mpmath."""

    name = "mpmath"
    exact = True

    def __init__(self, digits: int) -> None:
        super().__init__()
        import mpmath

        self.mp = mpmath.mp.clone()
        self.mp.dps = digits
        self.zero, self.one = self.mp.mpf(0), self.mp.mpf(1)

    def given(self, value: Any) -> Any:
        """A number of this system."""
        return self.mp.mpf(value)

    def finite(self, value: Any) -> bool:
        """Whether it is neither infinite nor NaN."""
        return bool(self.mp.isfinite(value))

    def _function(self, row: Op, attrs: Mapping[str, Any]) -> Callable[..., Any]:
        if row.precise is None:
            raise Unsuitable(row.name)
        mp, compute = self.mp, partial(row.precise, self.mp)
        nan = mp.nan
        growing = row.name in _GROWING
        power = row.name == "pow"

        def plain(*operands: Any) -> Any:
            """The result of floats, for what is infinite, or as good as that."""
            if row.scalar is None:
                return nan
            values = [float(x) if isinstance(x, mp.mpf) else x for x in operands]
            return mp.mpf(row.scalar(*values, **attrs))

        def run(*operands: Any) -> Any:
            for x in operands:
                if isinstance(x, mp.mpf) and not mp.isfinite(x):
                    return operands[1 if operands[0] else 2] if row.name == "select" else _answer(row, plain, operands)
            if growing and abs(operands[0]) > _LARGE:
                return plain(*operands)
            if power and abs(operands[1]) > 1 and operands[0] and abs(operands[1] * mp.log(abs(operands[0]))) > _LARGE:
                return plain(*operands)
            try:
                found = compute(*operands)
            except (ArithmeticError, ValueError):
                return plain(*operands)
            return nan if isinstance(found, mp.mpc) else found

        return run

    def exp(self, x: Any) -> Any:
        """e^x."""
        return self.mp.exp(x) if abs(x) < _LARGE else self.mp.mpf(0 if x < 0 else "inf")

    def log(self, x: Any) -> Any:
        """The natural logarithm."""
        return self.mp.log(x) if x > 0 else -self.mp.inf if x == 0 else self.mp.nan

    def sqrt(self, x: Any) -> Any:
        """The square root."""
        return self.mp.sqrt(x) if x >= 0 else self.mp.nan

    def eigen(self, matrix: Any) -> tuple[Any, Any]:
        """The eigenvalues and eigenvectors of a symmetric matrix."""
        values, vectors = self.mp.eigsy(self.mp.matrix(matrix.tolist()))
        order = sorted(range(len(values)), key=lambda at: values[at])
        found = np.empty(matrix.shape, object)
        for to, at in enumerate(order):
            found[:, to] = [vectors[row, at] for row in range(len(matrix))]
        return _objects([values[at] for at in order]), found

    def singular(self, matrix: Any) -> tuple[Any, Any, Any]:
        """The singular values and vectors of a matrix."""
        left, values, right = self.mp.svd_r(self.mp.matrix(matrix.tolist()))
        rows, columns = matrix.shape
        u = _objects([left[i, j] for i in range(rows) for j in range(columns)]).reshape(rows, columns)
        v = _objects([right[j, i] for i in range(columns) for j in range(columns)]).reshape(columns, columns)
        return u, _objects(list(values)), v


def _answer(row: Op, plain: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
    """What an infinite or NaN operand gives: a truth value stays one."""
    found = plain(*operands)
    return bool(found) if row.name in ("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not") else found


def _whole(row: Op, dtype: str, dtypes: tuple[str, ...], attrs: Mapping[str, Any]) -> Callable[..., Any]:
    """An operator on integers and truth values; what has no result is not asked for, and any number will do."""
    compute = evaluator(row, dtype, dtypes, attrs)
    if compute is None:
        raise Unsuitable(row.name)

    def run(*operands: Any) -> Any:
        try:
            return compute(*operands)
        except (ArithmeticError, ValueError):
            return False if dtype == "bool" else 0

    return run


def _objects(values: list[Any]) -> Any:
    found = np.empty(len(values), object)
    found[:] = values
    return found
