"""Two factors of a contraction: the ways to multiply and sum them, and which of these is the fastest.

The labels of a pair fall into four classes, and these with the sizes decide how it is computed:

====  =============  ==================
      in the result  stands in
====  =============  ==================
B     yes            both factors
K     no, summed     both factors
M     yes            the left one only
N     yes            the right one only
====  =============  ==================

Factors are taken to be laid out in the order of their labels, as new arrays are. Any other strides give the same
values, perhaps through a copy. Times are of a laptop-class core with OpenBLAS; only their ratios matter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from math import isqrt, prod
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np

Labels = tuple[int, ...]
Sizes = Mapping[int, int]
Unary = Callable[[Any], Any]
Binary = Callable[[Any, Any], Any]

# Estimated nanoseconds: of any call into NumPy, of an element read or written, of one copied against its order, and
# of a multiply-add in a matrix product, a product with a vector, and einsum.
CALL, MOVE, COPY, _GEMM, _GEMV, _EINSUM = 1000.0, 0.5, 1.0, 0.04, 0.08, 0.25
# What NumPy pays, beside the arithmetic, each time an inner loop starts, and for each matrix of a stack.
_LOOP, _SMALL_GEMV, _SMALL_GEMM = 4.0, 20.0, 50.0
# Inner loops shorter than this spend most of their time on starting.
_SHORT: Final = 16
# A sum with a single accumulator loses digits with its length; longer ones are cut into blocks.
_RUNNING: Final = 1024
# Elements of a product that are held at a time where one is needed: they stay in the cache, and BLAS starts no threads.
_CHUNK: Final = 8192
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Meeting(NamedTuple):
    """How two factors become one."""

    labels: Labels  # of the result, in the order of its memory
    cost: float
    flops: int
    memory: int  # elements that exist meanwhile, beside both factors and the result
    build: Callable[[], Binary]


def transposed(x: Any) -> Any:
    """The transpose, as a view."""
    return x.T


def _adjacent(labels: Labels, group: Labels) -> bool:
    """Whether the group stands in the labels as one piece, so that its axes are one."""
    if not group:
        return True
    start = labels.index(group[0])
    return labels[start : start + len(group)] == group


def _arranged(labels: Labels, order: Labels, shape: tuple[int, ...], sizes: Sizes) -> Unary | None:
    """Axes in an order, then as a shape; None where nothing changes."""
    permutation = tuple(labels.index(label) for label in order)
    reshaped = shape != tuple(sizes[label] for label in order)
    if permutation == tuple(range(len(labels))):
        return (lambda x: x.reshape(shape)) if reshaped else None
    if reshaped:
        return lambda x: x.transpose(permutation).reshape(shape)
    return transposed if permutation == (1, 0) else lambda x: x.transpose(permutation)


def _applied(function: Binary, left: Unary | None, right: Unary | None, finish: Unary | None, flip: bool) -> Binary:
    """``finish(function(left(x), right(y)))``, or with the operands exchanged; without the parts that are None."""
    if flip:
        left, right = right, left
    if finish is not None:
        plain = _applied(function, left, right, None, False)
        return (lambda x, y: finish(plain(y, x))) if flip else lambda x, y: finish(plain(x, y))
    if left is None and right is None:
        return (lambda x, y: function(y, x)) if flip else function
    if left is None:
        assert right is not None
        return (lambda x, y: function(y, right(x))) if flip else lambda x, y: function(x, right(y))
    if right is None:
        return (lambda x, y: function(left(y), x)) if flip else lambda x, y: function(left(x), y)
    return (lambda x, y: function(left(y), right(x))) if flip else lambda x, y: function(left(x), right(y))


def _stacked(x: Any, y: Any) -> Any:
    """The matrix products of two stacks; BLAS wants one axis of each matrix contiguous, or it is not used at all."""
    if x.strides[-1] != x.itemsize and x.strides[-2] != x.itemsize:
        x = np.ascontiguousarray(x)
    if y.strides[-1] != y.itemsize and y.strides[-2] != y.itemsize:
        y = np.ascontiguousarray(y)
    return np.matmul(x, y)


class Pair:
    """Two factors that have labels: the ways to contract them, and the one that is estimated to be the fastest."""

    def __init__(self, left: Labels, right: Labels, kept: Collection[int], target: Labels | None, sizes: Sizes) -> None:
        self.left, self.right, self.target, self.sizes = left, right, target, sizes
        self.batch = tuple(label for label in left if label in right and label in kept)
        self.only_left = tuple(label for label in left if label not in right)
        self.only_right = tuple(label for label in right if label not in left)
        # The summed labels in the order of the left factor, and of the right one.
        self.inner = tuple(label for label in left if label in right and label not in kept)
        self.other_inner = tuple(label for label in right if label in self.inner)
        self.total = self.size(left) * self.size(self.only_right)

    def size(self, labels: Iterable[int]) -> int:
        """Elements of an array with the labels."""
        return prod(self.sizes[label] for label in labels)

    def lengths(self, labels: Labels) -> tuple[int, ...]:
        """The shape of an array with the labels."""
        return tuple(self.sizes[label] for label in labels)

    def best(self) -> Meeting:
        """The way with the least estimated time; the first of equals."""
        if not self.inner:
            return self.multiply()
        ways = self.products()
        if not self.only_left and not self.only_right:
            ways += self.dots()
        if self.batch:
            ways += self.across()
        return min(ways, key=attrgetter("cost"))

    def multiply(self) -> Meeting:
        """Nothing is summed: a product of arrays, each spread over the axes it lacks."""
        left, right = self.left, self.right
        if not self.only_right or not self.only_left:
            order = right if self.only_right else left
        else:
            # An outer product, which may lie in memory as is best: with a long axis innermost.
            order = self.target or left + self.only_right
            longest = max(order, key=self.sizes.__getitem__)
            if self.sizes[order[-1]] < _SHORT and self.sizes[longest] > 4 * self.sizes[order[-1]]:
                order = (*(label for label in order if label != longest), longest)
        loops = self.total // self.sizes[order[-1]] if left != right else 1
        cost = CALL + self.total * MOVE + loops * _LOOP
        for labels in (left, right):
            if labels != tuple(label for label in order if label in labels):
                cost += self.total * COPY

        def spread(labels: Labels) -> Unary | None:
            present = tuple(label for label in order if label in labels)
            shape = tuple(self.sizes[label] if label in labels else 1 for label in order)
            shape = shape[order.index(present[0]) :]
            return _arranged(labels, present, shape, self.sizes)

        return Meeting(
            order, cost, self.total, 0, lambda: _applied(np.multiply, spread(left), spread(right), None, False)
        )

    def products(self) -> list[Meeting]:
        """Matrix products: one, or a stack of them along the batch and along what cannot be an axis of a matrix."""
        ways = []
        inners = [self.inner] if self.inner == self.other_inner else [self.inner, self.other_inner]
        for inner in inners:
            ways.append(self.product((), (), inner))
            # Where the labels of a factor alternate, a copy in order is one way out, and its first labels as a further
            # stack another.
            for labels, only, side in ((self.left, self.only_left, 0), (self.right, self.only_right, 1)):
                if not self.views(labels, only, inner):
                    for count in range(1, len(only) + 1):
                        if self.views(labels, only[count:], inner):
                            first = only[:count]
                            ways.append(self.product((), first, inner) if side else self.product(first, (), inner))
                            break
        return ways

    def views(self, labels: Labels, only: Labels, inner: Labels) -> bool:
        """Whether a contiguous factor is a stack of matrices as it lies, with an axis of each contiguous."""
        return _adjacent(labels, only) and _adjacent(labels, inner) and (labels[-1] in only or labels[-1] in inner)

    def product(self, first_left: Labels, first_right: Labels, inner: Labels) -> Meeting:
        """Matrix products in a stack along the batch and the first labels given; ``inner`` is summed in that order."""
        rows = self.only_left[len(first_left) :]
        columns = self.only_right[len(first_right) :]
        stack = self.batch + first_left + first_right
        height, width, count = map(self.size, (rows, columns, stack))
        copied = 0
        if not self.views(self.left, rows, inner):
            copied += self.size(self.left)
        if not self.views(self.right, columns, inner):
            copied += self.size(self.right)
        vector = height == 1 or width == 1
        cost = CALL + self.total * (_GEMV if vector else _GEMM) + copied * COPY
        if stack:
            cost += count * (_SMALL_GEMV if vector else _SMALL_GEMM)
        # The result may have its rows or its columns innermost: as the output does, else the longer ones.
        flip = height > width
        if vector and rows + columns and inner:
            # A matrix and a vector: the matrix in its own order, as it may have strides of which a copy is made.
            own = self.left if rows else self.right
            flip = (own.index(inner[0]) < own.index((rows or columns)[0])) == bool(rows)
        if self.target is not None:
            stack = tuple(sorted(stack, key=self.target.index))
            if not vector and self.target[-1:] and self.target[-1] not in stack:
                flip = self.target[-1] in rows
                # What is computed from a result with short rows is slow.
                last, first = (height, width) if flip else (width, height)
                if not stack and last < _SHORT and first > 4 * last:
                    flip = not flip
        labels = stack + columns + rows if flip else stack + rows + columns

        def build() -> Binary:
            left_stack = tuple(label for label in stack if label in self.left)
            right_stack = tuple(label for label in stack if label in self.right)

            def operand(labels: Labels, first: Labels, second: Labels, piled: Labels) -> Unary | None:
                # Stacks meet axis by axis, so who lacks a label has an axis of length one, or none if it has no stack.
                heap = tuple(self.sizes[label] if label in piled else 1 for label in stack) if piled else ()
                # Without a stack there are matrices and vectors; np.dot takes both.
                groups = (first, second) if stack else tuple(group for group in (first, second) if group)
                order = piled + first + second
                return _arranged(labels, order, heap + tuple(self.size(group) for group in groups), self.sizes)

            if flip:
                left = operand(self.left, inner, rows, left_stack)
                right = operand(self.right, columns, inner, right_stack)
            else:
                left = operand(self.left, rows, inner, left_stack)
                right = operand(self.right, inner, columns, right_stack)
            groups = (columns, rows) if flip else (rows, columns)
            present = tuple(self.size(group) for group in groups if group or stack)
            shape = self.lengths(labels)
            finish = (lambda x: x.reshape(shape)) if self.lengths(stack) + present != shape else None
            return _applied(_stacked if stack else np.dot, left, right, finish, flip)

        return Meeting(labels, cost, 2 * self.total, copied, build)

    def dots(self) -> list[Meeting]:
        """Every label of one factor is one of the other: sums of elementwise products."""
        left, right, inner, batch = self.left, self.right, self.inner, self.batch
        ways = []
        if not batch and inner != self.other_inner:
            # The trace of a product. One factor is against the order of memory: copied, which a product does, or read
            # with strides.
            along = inner[len(inner) - self.common() :]
            each = _GEMV
            if self.size(along) < _SHORT:
                along, each = (max(inner, key=self.sizes.__getitem__),), 0.7
            rest = tuple(label for label in inner if label not in along)
            rows = self.size(rest)
            cost = 2 * CALL + self.total * each + rows * _LOOP
            ways.append(Meeting((), cost, 2 * self.total, rows, lambda: self.rows(rest, along)))
        if batch:
            depth = self.size(inner)
            count = self.size(batch)
            trailing = left[-len(inner) :] == inner == right[-len(inner) :]
            if trailing or len(inner) == 1:
                # A dot product a row; with strides it reads as many cache lines as there are elements.
                each = _GEMV if trailing else 0.2 * min(5, self.sizes[left[-1]])
                cost = CALL + count * (_LOOP + depth * each)
                ways.append(Meeting(batch, cost, 2 * self.total, 0, lambda: self.rows(batch, inner)))
            if left == right and (trailing or left[: len(inner)] == inner):
                width = depth if trailing else count
                chunk = min(max(_CHUNK, width), self.total)
                if width <= _SHORT:
                    cost = CALL + self.total * (MOVE + _GEMV) + self.total / chunk * 2 * CALL
                    ways.append(Meeting(batch, cost, 2 * self.total, chunk, lambda: self.chunked(trailing)))
            if len(left) < len(_LETTERS):
                cost = CALL + self.total * _EINSUM + self.total // self.sizes[left[-1]] * _LOOP
                if left[-1] != right[-1]:
                    cost += self.total * COPY
                blocks = self.blocks() * count
                ways.append(Meeting(batch, cost, 2 * self.total, blocks, self.blocked))
        return ways

    def common(self) -> int:
        """How many of the last labels both factors have in common."""
        pairs = zip(reversed(self.left), reversed(self.right), strict=False)
        return next((count for count, (x, y) in enumerate(pairs) if x != y), len(self.left))

    def rows(self, rows: Labels, inner: Labels) -> Binary:
        """A dot product along ``inner`` for each of the rows; these are summed if they are no axes of the result."""
        shape = (*self.lengths(rows), self.size(inner))
        left = _arranged(self.left, rows + inner, shape, self.sizes)
        right = _arranged(self.right, rows + inner, shape, self.sizes)
        return _applied(np.vecdot, left, right, None if self.batch else partial(np.add.reduce, axis=None), False)

    def chunked(self, trailing: bool) -> Binary:
        """Products of flat pieces, summed by a product with ones: rows are too short to be inner loops.

        For 100000 rows of three, summed along the rows: 0.14 ms; einsum 0.39, vecdot 0.46, multiply and sum 1.2 ms.
        """
        depth, count = self.size(self.inner), self.size(self.batch)
        shape = (count, depth) if trailing else (depth, count)
        lengths = self.lengths(self.batch)
        length, width = shape
        step = max(1, _CHUNK // width)

        def run(x: Any, y: Any) -> Any:
            x, y = x.reshape(shape), y.reshape(shape)
            product = np.empty((min(step, length), width), x.dtype)
            ones = np.ones(width if trailing else len(product), x.dtype)
            result = np.zeros(count, x.dtype)
            for start in range(0, length, step):
                stop = min(start + step, length)
                part = product[: stop - start]
                np.multiply(x[start:stop], y[start:stop], out=part)
                if trailing:
                    np.dot(part, ones, out=result[start:stop])
                else:
                    result += np.dot(ones[: stop - start], part)
            return result.reshape(lengths)

        return run

    def blocks(self) -> int:
        """In how many blocks a long sum is cut, 0 for none; at most as many as its longest axis has elements."""
        depth = self.size(self.inner)
        return 0 if depth <= _RUNNING else min(max(self.lengths(self.inner)), isqrt(depth))

    def blocked(self) -> Binary:
        """einsum with one accumulator an element of the result and block, so that long sums keep their digits."""
        letters = dict(zip(self.left, _LETTERS, strict=False))
        left, right, batch = ("".join(map(letters.__getitem__, group)) for group in (self.left, self.right, self.batch))
        whole = partial(np.einsum, f"{left},{right}->{batch}")
        blocks = self.blocks()
        if not blocks:
            return whole
        longest = max(self.inner, key=self.sizes.__getitem__)
        length = self.sizes[longest] // blocks
        cut = blocks * length
        letter, extra = letters[longest], _LETTERS[-1]
        left, right = (text.replace(letter, extra + letter) for text in (left, right))
        pieces = partial(np.einsum, f"{left},{right}->{extra}{batch}")

        def parts(labels: Labels) -> tuple[Unary, Unary]:
            axis = labels.index(longest)
            lengths = self.lengths(labels)
            shape = (*lengths[:axis], blocks, length, *lengths[axis + 1 :])
            before = (slice(None),) * axis
            # An axis can always be split in place, whatever its stride.
            return (lambda x: x[(*before, slice(cut))].reshape(shape)), lambda x: x[(*before, slice(cut, None))]

        (left_blocks, left_rest), (right_blocks, right_rest) = parts(self.left), parts(self.right)
        exact = cut == self.sizes[longest]

        def run(x: Any, y: Any) -> Any:
            result = np.add.reduce(pieces(left_blocks(x), right_blocks(y)), axis=0)
            return result if exact else result + whole(left_rest(x), right_rest(y))

        return run

    def across(self) -> list[Meeting]:
        """Many tiny matrices: einsum along the batch, with the batch innermost.

        10000 products of 3x3 matrices take 0.55 ms as a stack, 1.1 ms with einsum as they lie, and 0.14 ms thus,
        copies included.
        """
        matrix = self.size(self.only_left) * self.size(self.only_right) * self.size(self.inner)
        if matrix > 128 or len(self.left) + len(self.only_right) > len(_LETTERS):
            return []
        size = len(self.batch)
        batch = self.right[-size:] if set(self.right[-size:]) == set(self.batch) else self.batch
        orders = self.only_left + self.inner + batch, self.inner + self.only_right + batch
        copied = 0
        for labels, order in zip((self.left, self.right), orders, strict=True):
            if labels[-size:] != batch:
                copied += self.size(order)
        labels = self.only_left + self.only_right + batch
        cost = 2 * CALL + self.total * _EINSUM + matrix * _LOOP + copied * COPY

        def build() -> Binary:
            letters = dict(zip(self.only_left + self.only_right + self.inner + batch, _LETTERS, strict=False))
            left, right, result = ("".join(letters[label] for label in group) for group in (*orders, labels))
            compute = partial(np.einsum, f"{left},{right}->{result}")

            def innermost(labels: Labels, order: Labels) -> Unary | None:
                if labels[-size:] == batch:
                    return _arranged(labels, order, self.lengths(order), self.sizes)
                permutation = tuple(labels.index(label) for label in order)
                return lambda x: np.ascontiguousarray(x.transpose(permutation))

            return _applied(compute, innermost(self.left, orders[0]), innermost(self.right, orders[1]), None, False)

        return [Meeting(labels, cost, 2 * self.total, copied, build)]
