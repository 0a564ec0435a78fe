"""The meaning of graphs with arrays, spelled out: every node element by element, with Python numbers and plain loops.

Nothing here is shared with the backends, and nothing is clever. An element without a result (an index outside its
axis, an integer that does not fit, the largest of none) is a ``Fault``; what is computed from a fault is that fault,
unless a choice, an ``and`` or an ``or`` does not take it. What moves or combines elements needs all of its operands.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradc.ir import sizes as extents
from gradc.ir.graph import Graph, ancestors
from gradc.ir.types import Index
from gradc.ops.evaluate import evaluator

DTYPES = {"f64": np.float64, "f32": np.float32, "int": np.int64, "bool": np.bool_}
LEAST, MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Fault:
    """An element that has no result, with the code of the diagnostic that says why."""

    code: str


Env = dict[Index, int]


def cells(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The places of the elements of an array."""
    return itertools.product(*map(range, shape))


def filled(shape: Sequence[int], make: Callable[[tuple[int, ...]], Any]) -> Any:
    """An array of objects, one a place."""
    found = np.empty(tuple(shape), object)
    for place in cells(shape):
        found[place] = make(place)
    return found


def constant(shape: Sequence[int], value: Any) -> Any:
    """An array filled with one object."""
    return filled(shape, lambda place: value)


class Reference:
    """The values of a graph's nodes for given inputs and sizes; ``run`` is the values of the outputs."""

    def __init__(self, graph: Graph, inputs: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        self.graph = graph
        self.sizes = sizes
        # Of each node: an array of objects with an axis for each free index, then its own axes.
        self.values: dict[int, Any] = {}
        for node in sorted(ancestors(graph.data, [node for _, node in graph.outputs])):
            if graph.op(node) == "input":
                self.values[node] = self.given(node, inputs[graph.name(node)])
                continue
            type = graph.type(node)
            own = self.shape(type.shape)
            whole = np.empty((*self.shape(index.extent for index in type.free), *own), object)
            for at in cells(whole.shape[: len(type.free)]):
                env = dict(zip(type.free, at, strict=True))
                found = np.asarray(self.compute(node, env), object)
                assert found.shape == own, (graph.op(node), found.shape, own)
                whole[at] = found if own else found[()]
            self.values[node] = whole

    def run(self) -> dict[str, Any]:
        """The outputs: arrays of their dtype, numbers, or a ``Fault``."""
        found = {}
        for name, node in self.graph.outputs:
            value = self.values[node]
            fault = faulty(value)
            dtype = DTYPES[self.graph.type(node).dtype]
            found[name] = fault if fault else value.astype(dtype) if value.shape else dtype(value[()])
        return found

    def shape(self, dims: Any) -> tuple[int, ...]:
        return tuple(extents.evaluate(dim, self.sizes) for dim in dims)

    def given(self, node: int, value: Any) -> Any:
        type = self.graph.type(node)
        array = np.asarray(value, DTYPES[type.dtype])
        assert array.shape == self.shape(type.shape), (array.shape, type)
        convert = {"f64": float, "f32": np.float32, "int": int, "bool": bool}[type.dtype]
        return filled(array.shape, lambda place: convert(array[place]))

    def read(self, node: int, env: Env) -> Any:
        """The array of a node for one choice of the indices."""
        found = self.values[node][tuple(env[index] for index in self.graph.type(node).free)]
        return found if isinstance(found, np.ndarray) else boxed(found)

    def dim(self, value: Any) -> int:
        return extents.evaluate(value, self.sizes)

    # Nodes ---------------------------------------------------------------------------------------------------------

    def compute(self, node: int, env: Env) -> Any:
        graph = self.graph
        op, operands, type = graph.op(node), graph.operands(node), graph.type(node)
        attrs = graph.attrs(node)
        shape = self.shape(type.shape)
        if op == "const":
            value = np.float32(attrs["value"]) if type.dtype == "f32" else attrs["value"]
            return filled(shape, lambda place: value)
        if op == "index":
            return boxed(env[attrs["index"]])
        if op == "size":
            return boxed(self.dim(attrs["size"]))
        if op == "sum":
            return self.sum(node, env)
        if op in ("assemble", "accumulate"):
            return self.assemble(node, env)
        if op == "put":
            return self.put(node, env)
        if op == "tabulate":
            count = len(attrs["indices"])
            return filled(
                shape,
                lambda place: self.read(operands[0], env | dict(zip(attrs["indices"], place[:count], strict=True)))[
                    place[count:]
                ],
            )
        given = [self.read(operand, env) for operand in operands]
        if graph.ops[op].elementwise:
            return self.elementwise(node, shape, given)
        for value in given:
            if fault := faulty(value):
                return filled(shape, lambda place: fault)
        if op == "access":
            return self.access(node, shape, given)
        try:
            return getattr(self, op)(attrs, shape, *given)
        except ArithmeticError as problem:
            code = {"EmptyReduction": "E0612", "OverflowError": "E0604"}.get(problem.__class__.__name__, "E0613")
            fault = Fault(code)
            return filled(shape, lambda place: fault)

    def elementwise(self, node: int, shape: tuple[int, ...], given: list[Any]) -> Any:
        graph = self.graph
        op, attrs = graph.op(node), graph.attrs(node)
        dtypes = tuple(graph.type(operand).dtype for operand in graph.operands(node))
        compute = evaluator(graph.ops[op], graph.type(node).dtype, dtypes, attrs)
        assert compute is not None, op

        def element(place: tuple[int, ...]) -> Any:
            values = [value[place] for value in given]
            if op == "select" and not isinstance(values[0], Fault):
                return values[1] if values[0] else values[2]
            faults = [value for value in values if isinstance(value, Fault)]
            if faults:
                decided = op in ("and", "or") and any(value == (op == "or") for value in values if value not in faults)
                return op == "or" if decided else faults[0]
            try:
                return compute(*values)
            except ZeroDivisionError:
                return Fault("E0605")
            except OverflowError:
                return Fault("E0604")

        return filled(shape, element)

    def access(self, node: int, shape: tuple[int, ...], given: list[Any]) -> Any:
        array, *indices = given
        attrs = self.graph.attrs(node)
        where = self.places(attrs["items"], [int(index[()]) for index in indices], array.shape, attrs.get("lenient"))
        if where is None:
            fault = Fault("E0611")
            return filled(shape, lambda place: fault)
        return filled(shape, lambda place: array[where(place)])

    def places(self, items: Any, indices: list[int], shape: tuple[int, ...], lenient: Any) -> Any:
        """From a place in what is read to the place in the array; None where an index is outside."""
        steps: list[Any] = []
        waiting = iter(indices)
        for item, extent in zip(items, shape, strict=False):
            if item is not None:
                start, step, _ = (self.dim(part) for part in item)
                steps.append((start, step))
                continue
            index = next(waiting)
            if not 0 <= index < extent:
                if not lenient or not extent:
                    return None
                index = min(max(index, 0), extent - 1)
            steps.append(index)

        def where(place: tuple[int, ...]) -> tuple[int, ...]:
            axes = iter(place)
            fixed = []
            for step, extent in zip(steps, shape, strict=False):
                at = step if isinstance(step, int) else step[0] + step[1] * next(axes)
                assert 0 <= at < extent
                fixed.append(at)
            return (*fixed, *axes)

        return where

    def assemble(self, node: int, env: Env) -> Any:
        graph = self.graph
        attrs, operands = graph.attrs(node), graph.operands(node)
        shape = self.shape(graph.type(node).shape)
        zero = {"f64": 0.0, "f32": np.float32(0), "int": 0, "bool": False}[graph.type(node).dtype]
        found = filled(shape, lambda place: zero)
        at = 0
        if graph.op(node) == "accumulate":
            base = self.read(operands[0], env)
            found = filled(shape, lambda place: base[place])
            at = 1
        for items, over in attrs["parts"]:
            count = sum(item is None for item in items)
            part, indices = operands[at], operands[at + 1 : at + 1 + count]
            at += 1 + count
            for choice in cells(self.shape(index.extent for index in over)):
                inner = env | dict(zip(over, choice, strict=True))
                value = self.read(part, inner)
                which = [self.read(index, inner)[()] for index in indices]
                if fault := faulty(value) or next((each for each in which if isinstance(each, Fault)), None):
                    return constant(shape, fault)
                where = self.places(items, [int(index) for index in which], shape, False)
                if where is None:
                    # A derivative may add 0 to an element that does not exist: there was nothing to differentiate.
                    if not attrs.get("lenient") or any(value[place] != 0 for place in cells(value.shape)):
                        return constant(shape, Fault("E0611"))
                    continue
                for place in cells(value.shape):
                    target = where(place)
                    found[target] = added(found[target], value[place])
        return found

    def put(self, node: int, env: Env) -> Any:
        graph = self.graph
        array, part, *indices = graph.operands(node)
        shape = self.shape(graph.type(node).shape)
        base, value = self.read(array, env), self.read(part, env)
        which = [self.read(index, env)[()] for index in indices]
        if fault := faulty(value) or next((each for each in which if isinstance(each, Fault)), None):
            return constant(shape, fault)
        where = self.places(graph.attrs(node)["items"], [int(index) for index in which], shape, False)
        if where is None:
            return constant(shape, Fault("E0611"))
        found = filled(shape, lambda place: base[place])
        for place in cells(value.shape):
            found[where(place)] = value[place]
        return found

    def sum(self, node: int, env: Env) -> Any:
        graph = self.graph
        attrs = graph.attrs(node)
        over = attrs.get("over", ())
        type = graph.type(node)
        total = filled(self.shape(type.shape), lambda place: ZERO[type.dtype])
        for choice in cells(self.shape(index.extent for index in over)):
            value = self.read(graph.operands(node)[0], env | dict(zip(over, choice, strict=True)))
            for place in cells(value.shape):
                kept = tuple(at for axis, at in enumerate(place) if axis not in attrs.get("axes", ()))
                total[kept] = added(total[kept], value[place])
        return filled(total.shape, lambda place: bounded(total[place]))

    # Structural operators whose operands have no fault ---------------------------------------------------------------

    def broadcast(self, attrs: Any, shape: Any, x: Any) -> Any:
        missing = len(shape) - x.ndim
        return filled(
            shape, lambda place: x[tuple(0 if n == 1 else at for at, n in zip(place[missing:], x.shape, strict=True))]
        )

    def reshape(self, attrs: Any, shape: Any, x: Any) -> Any:
        found = np.empty(shape, object)
        assert found.size == x.size
        for target, source in zip(cells(shape), cells(x.shape), strict=True):
            found[target] = x[source]
        return found

    def transpose(self, attrs: Any, shape: Any, x: Any) -> Any:
        def source(place: tuple[int, ...]) -> tuple[int, ...]:
            back = [0] * x.ndim
            for axis, at in zip(attrs["order"], place, strict=True):
                back[axis] = at
            return tuple(back)

        return filled(shape, lambda place: x[source(place)])

    def groups(self, axes: Sequence[int], shape: Any, x: Any) -> dict[tuple[int, ...], list[Any]]:
        """The elements that a reduction over ``axes`` combines, for each place of its result."""
        found: dict[tuple[int, ...], list[Any]] = {place: [] for place in cells(shape)}
        for place in cells(x.shape):
            found[tuple(at for axis, at in enumerate(place) if axis not in axes)].append(x[place])
        return found

    def reduced(self, attrs: Any, shape: Any, x: Any, combine: Callable[[list[Any]], Any]) -> Any:
        axes = attrs.get("axes", (attrs["axis"],) if "axis" in attrs else ())
        found = self.groups(axes, shape, x)
        return filled(shape, lambda place: combine(found[place]))

    def prod(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.reduced(attrs, shape, x, multiplied)

    def amax(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.reduced(attrs, shape, x, lambda values: extreme(values, max))

    def amin(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.reduced(attrs, shape, x, lambda values: extreme(values, min))

    def any(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.reduced(attrs, shape, x, any)

    def all(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.reduced(attrs, shape, x, all)

    def argmax(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.reduced(attrs, shape, x, lambda values: first(values, extreme(values, max)))

    def argmin(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.reduced(attrs, shape, x, lambda values: first(values, extreme(values, min)))

    def logsumexp(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.reduced(attrs, shape, x, log_sum_exp)

    def logmeanexp(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.reduced(attrs, shape, x, lambda line: log_sum_exp(line) - math.log(len(line)) if line else math.nan)

    def logprod(self, attrs: Any, shape: Any, x: Any) -> Any:
        def run(line: list[Any]) -> float:
            found = multiplied(line)
            return math.log(found) if found > 0 else -math.inf if found == 0 else math.nan

        return self.reduced(attrs, shape, x, run)

    def norm(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.reduced(attrs, shape, x, length)

    def along(self, axis: int, x: Any, run: Callable[[list[Any]], list[Any]]) -> Any:
        """What each line of elements along an axis becomes."""
        found = np.empty(x.shape, object)
        for place in cells((*x.shape[:axis], *x.shape[axis + 1 :])):
            line = [(*place[:axis], at, *place[axis:]) for at in range(x.shape[axis])]
            for target, value in zip(line, run([x[each] for each in line]), strict=True):
                found[target] = value
        return found

    def softmax(self, attrs: Any, shape: Any, x: Any) -> Any:
        total = self.logsumexp(attrs, tuple(n for axis, n in enumerate(shape) if axis not in attrs["axes"]), x)

        def element(place: tuple[int, ...]) -> float:
            whole = total[tuple(at for axis, at in enumerate(place) if axis not in attrs["axes"])]
            return math.exp(x[place] - whole)

        return filled(shape, element)

    def log_softmax(self, attrs: Any, shape: Any, x: Any) -> Any:
        total = self.logsumexp(attrs, tuple(n for axis, n in enumerate(shape) if axis not in attrs["axes"]), x)

        def element(place: tuple[int, ...]) -> float:
            return float(x[place] - total[tuple(at for axis, at in enumerate(place) if axis not in attrs["axes"])])

        return filled(shape, element)

    def cumsum(self, attrs: Any, shape: Any, x: Any) -> Any:
        def run(values: list[Any]) -> list[Any]:
            return [bounded(summed(values[: at + 1])) for at in range(len(values))]

        return self.directed(attrs, x, run)

    def product_before(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.directed(attrs, x, lambda values: [multiplied(values[:at]) for at in range(len(values))])

    def product_others(self, attrs: Any, shape: Any, x: Any, *along: Any) -> Any:
        sets = filled(shape, lambda place: (x[place], *(each[place] for each in along)))

        def run(values: list[Any]) -> list[Any]:
            found = []
            for left_out in range(len(values)):
                rest = [at for at in range(len(values)) if at != left_out]
                terms = [
                    multiplied(
                        [values[at][1 + moved.index(at)] if at in moved else values[at][0] for at in rest],
                    )
                    for moved in itertools.permutations(rest, len(along))
                ]
                found.append(bounded(summed(terms)))
            return found

        return self.along(attrs["axis"], sets, run)

    def directed(self, attrs: Any, x: Any, run: Callable[[list[Any]], list[Any]]) -> Any:
        if attrs["reverse"]:
            return self.along(attrs["axis"], x, lambda values: run(values[::-1])[::-1])
        return self.along(attrs["axis"], x, run)

    def recurrence(self, attrs: Any, shape: Any, a: Any, b: Any) -> Any:
        pairs = filled(shape, lambda place: (a[place], b[place]))

        def run(values: list[Any]) -> list[Any]:
            found: list[Any] = []
            for factor, term in values:
                found.append(factor * found[-1] + term if found else term)
            return found

        return self.directed(attrs, pairs, run)

    def sort(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.along(attrs["axis"], x, lambda values: [values[at] for at in ordered(values)])

    def argsort(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.along(attrs["axis"], x, ordered)

    def demand(self, attrs: Any, shape: Any, x: Any, condition: Any) -> Any:
        if condition[()]:
            return x
        fault = Fault("E0612")
        return filled(shape, lambda place: fault)

    def matmul(self, attrs: Any, shape: Any, a: Any, b: Any) -> Any:
        left = a if a.ndim > 1 else a[None]
        right = b if b.ndim > 1 else b[:, None]
        front = left.shape[:-2] or right.shape[:-2]

        def element(place: tuple[int, ...]) -> Any:
            ahead, rest = place[: len(front)], list(place[len(front) :])
            row = rest.pop(0) if a.ndim > 1 else 0
            column = rest.pop(0) if b.ndim > 1 else 0
            first = left[(*ahead, row)] if left.ndim > 2 else left[row]
            second = right[ahead] if right.ndim > 2 else right
            return summed([first[k] * second[k, column] for k in range(len(first))])

        return filled(shape, element)

    def triangle(self, attrs: Any, shape: Any, x: Any) -> Any:
        def element(place: tuple[int, ...]) -> Any:
            apart = place[-1] - place[-2]
            kept = apart <= attrs["offset"] if attrs["lower"] else apart >= attrs["offset"]
            return x[place] if kept else 0.0

        return filled(shape, element)

    # Linear algebra: by LAPACK, one matrix at a time ------------------------------------------------------------------

    def stacked(self, shape: Any, front: tuple[int, ...], run: Callable[[tuple[int, ...]], Any]) -> Any:
        found = np.empty(shape, object)
        for ahead in cells(front):
            try:
                value = np.asarray(run(ahead), float)
            except np.linalg.LinAlgError:
                raise ArithmeticError from None
            if ahead or not front:
                found[ahead] = value.astype(object) if value.shape else float(value)
        return found

    def matrices(self, shape: Any, x: Any, run: Callable[[Any], Any]) -> Any:
        return self.stacked(shape, x.shape[:-2], lambda ahead: run(np.asarray(x[ahead], float)))

    def system(self, shape: Any, a: Any, b: Any, run: Callable[[Any, Any], Any]) -> Any:
        columns = b if b.ndim > 1 else b[:, None]
        front = a.shape[:-2] or columns.shape[:-2]

        def one(ahead: tuple[int, ...]) -> Any:
            matrix = a[ahead] if a.ndim > 2 else a
            right = columns[ahead] if columns.ndim > 2 else columns
            found = run(np.asarray(matrix, float), np.asarray(right, float))
            return found if b.ndim > 1 else found[:, 0]

        return self.stacked(shape, front, one)

    def solve(self, attrs: Any, shape: Any, a: Any, b: Any) -> Any:
        return self.system(shape, a, b, lambda a, b: np.linalg.solve(a.T if attrs["transposed"] else a, b))

    def triangular_solve(self, attrs: Any, shape: Any, a: Any, b: Any) -> Any:
        read = np.tril if attrs["lower"] else np.triu

        def run(a: Any, b: Any) -> Any:
            matrix = read(a)
            return np.linalg.solve(matrix.T if attrs["transposed"] else matrix, b)

        return self.system(shape, a, b, run)

    def inv(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.matrices(shape, x, np.linalg.inv)

    def cholesky(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.matrices(shape, x, np.linalg.cholesky)

    def cholesky_adjoint(self, attrs: Any, shape: Any, a: Any, b: Any) -> Any:
        def run(a: Any, b: Any) -> Any:
            half = np.tril(np.ones(a.shape)) - 0.5 * np.eye(len(a))
            inverse = np.linalg.inv(np.tril(a))
            found = inverse.T @ (np.tril(a).T @ np.tril(b) * half) @ inverse
            return (found + found.T) * half

        return self.system(shape, a, b, run)

    def det(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.matrices(shape, x, np.linalg.det)

    def logdet(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.matrices(shape, x, lambda m: np.linalg.slogdet(m)[1])

    def cofactor(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.matrices(shape, x, cofactors)

    def eigvalsh(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.matrices(shape, x, np.linalg.eigvalsh)

    def svdvals(self, attrs: Any, shape: Any, x: Any) -> Any:
        return self.matrices(shape, x, lambda m: np.linalg.svd(m, compute_uv=False))


# Elements ------------------------------------------------------------------------------------------------------------

ZERO: Mapping[str, Any] = {"f64": 0.0, "f32": np.float32(0), "int": 0, "bool": False}


def boxed(value: Any) -> Any:
    """A value as an array without axes."""
    found = np.empty((), object)
    found[()] = value
    return found


def faulty(array: Any) -> Fault | None:
    """The first fault among the elements."""
    return next((each for each in array.ravel() if isinstance(each, Fault)), None)


def added(x: Any, y: Any) -> Any:
    """The sum, of truth values whether one holds."""
    if isinstance(x, Fault) or isinstance(y, Fault):
        return x if isinstance(x, Fault) else y
    return x or y if isinstance(x, bool) else x + y


def bounded(value: Any) -> Any:
    """An integer, or a fault where 64 bits do not hold it."""
    return Fault("E0604") if isinstance(value, int) and not LEAST <= value <= MOST else value


def summed(values: list[Any]) -> Any:
    """The sum; rounded once where all terms are finite numbers."""
    if all(isinstance(value, int) for value in values):
        return sum(values) if values else 0.0
    if all(math.isfinite(value) for value in values):
        try:
            return math.fsum(values)
        except OverflowError:
            pass
    return sum(values, 0.0)


def multiplied(values: list[Any]) -> Any:
    """The product of the elements, of none 1."""
    whole = bool(values) and all(isinstance(value, int) for value in values)
    found: Any = 1 if whole else 1.0
    for value in values:
        found = found * value
    if whole and not LEAST <= found <= MOST:
        raise OverflowError
    return found


class EmptyReduction(ArithmeticError):
    """The largest of none."""


def extreme(values: list[Any], choose: Callable[..., Any]) -> Any:
    """The largest or smallest; a NaN wins."""
    if not values:
        raise EmptyReduction
    return next((value for value in values if value != value), choose(values))


def first(values: list[Any], found: Any) -> int:
    """Where a value stands first."""
    return next(at for at, value in enumerate(values) if value == found or (value != value and found != found))


def ordered(values: list[Any]) -> list[int]:
    """The places in ascending order of their elements, NaN last."""
    return sorted(range(len(values)), key=lambda at: (values[at] != values[at], values[at], at))


def log_sum_exp(values: list[float]) -> float:
    """log(sum(exp(x))); the largest term decides whether it is infinite."""
    if any(value != value for value in values):
        return math.nan
    top = max(values, default=-math.inf)
    if math.isinf(top):
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def length(values: list[float]) -> float:
    """The Euclidean length."""
    return math.nan if any(value != value for value in values) else math.hypot(*values)


def cofactors(matrix: Any) -> Any:
    """The derivatives of the determinant, by minors."""
    count = len(matrix)
    found = np.empty((count, count))
    for row, column in cells((count, count)):
        minor = np.delete(np.delete(matrix, row, 0), column, 1)
        found[row, column] = (-1) ** (row + column) * (np.linalg.det(minor) if count > 1 else 1.0)
    return found


def reference(graph: Graph, inputs: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    """The outputs of a graph without requests."""
    return Reference(graph, inputs, sizes).run()


def agree(found: Any, due: Any, rel: float = 1e-9, absolute: float = 1e-9) -> bool:
    """Whether two results are equal within a tolerance, NaN being NaN and infinities of one sign."""
    x, y = np.asarray(found), np.asarray(due)
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if x.dtype.kind != "f":
        return bool(np.array_equal(x, y))
    return bool(np.allclose(x, y, rtol=rel, atol=absolute, equal_nan=True))
