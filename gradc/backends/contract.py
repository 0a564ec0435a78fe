"""Sums of products as matrix products: ``sum_k a[i, k] * b[k, j]`` goes to BLAS and no product array is built.

A contraction is planned once for concrete sizes. Labels that one factor alone has are summed out of it first; then
factors meet in pairs, in the order with the least estimated time (all orders for few factors, the best next pair while
there are many). ``pairs`` has what a pair can do.

The plan takes factors to be laid out in the order of their labels, as new arrays are. Any other strides give the same
values, perhaps through a copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from itertools import combinations, groupby
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np

from gradc.backends.pairs import CALL, COPY, MOVE, Labels, Meeting, Pair, Sizes, Unary, transposed

# Up to so many factors every order of meeting is looked at: 301 pairs of subsets for six.
_EXHAUSTIVE: Final = 6
# Beyond these, the next pair is sought among so many: planning takes time linear in the factors.
_WINDOW: Final = 24
# A longer sum is a product with ones piece by piece.
_ONES: Final = 1 << 16
# Elements of windows that are copied at a time: 256 kB stay in the cache.
_PIECE: Final = 1 << 15


class _Step(NamedTuple):
    """One line of a plan; ``right`` is -1 where only one value takes part."""

    run: Callable[..., Any]
    left: int
    right: int
    flops: int
    memory: int  # elements that exist meanwhile, beside the operands and the result
    result: int  # elements of the result that are new memory


class _Plan(NamedTuple):
    steps: list[_Step]
    finish: Unary | None  # from the last value to the axes of the output
    shape: tuple[int, ...]
    empty: bool  # whether an axis is empty, so that every sum is over nothing
    factors: int
    order: Labels = ()  # of the last value


def contraction(labels: Sequence[Labels], sizes: Sizes, output: Labels) -> Callable[..., Any]:
    """A function of the factors that sums their product over all labels that are not in ``output``.

    ``labels`` has one tuple a factor and one label an axis; an axis is ``sizes[label]`` long, always. A label that
    stands twice in a factor takes its diagonal; a factor with no labels is a number. Factors are float64 or all
    float32, of any strides; they are not changed. Labels of ``output`` are distinct and each stands in some factor.

    The result has the axes ``output`` and the dtype of the factors; for the output ``()`` it is a NumPy scalar. It
    need not be contiguous. It shares no memory with a factor, except where there is one factor and nothing is summed:
    then it may be a view. NaN and infinities spread as they do in the products and sums written out, up to the
    distributive law; a sum over an empty axis is zero. NumPy's floating-point warnings are those of the caller.

    Raises ValueError where labels contradict each other.
    """
    return arranged(labels, sizes, output)[0]


def arranged(labels: Sequence[Labels], sizes: Sizes, output: Labels) -> tuple[Callable[..., Any], Labels]:
    """The same, and the output in the order of the memory of the result; labels of length one are left out."""
    plan = _plan(labels, sizes, output)
    if plan.empty:
        return partial(_zeros, plan.shape), output
    if len(plan.steps) == 1:
        (step,) = plan.steps
        if (step.left, step.right) == ((0, 1) if plan.factors == 2 else (0, -1)):
            return step.run if plan.finish is None else _then(step.run, plan.finish), plan.order
    return _runner(plan), plan.order


def blockwise(labels: Sequence[Labels], sizes: Sizes, output: Labels, place: int) -> Callable[..., Any]:
    """The same, for a factor at ``place`` that is much larger than its memory, as windows over an array are.

    What BLAS wants copied of it is copied piece by piece along its longest axis, so that no more than a small part
    exists at a time; that is no slower than one copy, which would leave the cache.
    """
    longest, step = _pieces(labels, sizes, place)
    length = sizes[longest]
    if step >= length:
        return contraction(labels, sizes, output)
    piece = contraction(labels, {**sizes, longest: step}, output)
    rest = contraction(labels, {**sizes, longest: length % step}, output) if length % step else piece
    cuts = [tuple(slice(None) if label != longest else None for label in each) for each in labels]
    at = output.index(longest) if longest in output else None
    shape = tuple(sizes[label] for label in output)

    def cut(x: Any, places: tuple[slice | None, ...], part: slice) -> Any:
        return x[tuple(part if each is None else each for each in places)] if None in places else x

    def run(*factors: Any) -> Any:
        result: Any = None
        for start in range(0, length, step):
            part = slice(start, min(start + step, length))
            function = piece if part.stop - start == step else rest
            found = function(*[cut(x, places, part) for x, places in zip(factors, cuts, strict=True)])
            if at is None:
                result = found if result is None else result + found
            else:
                result = np.empty(shape, found.dtype) if result is None else result
                result[(*(slice(None),) * at, part)] = found
        return result

    return run


def blockwise_peak(labels: Sequence[Labels], sizes: Sizes, output: Labels, place: int) -> int:
    """Elements of the largest intermediate array of ``blockwise``, the copy of a piece included."""
    longest, step = _pieces(labels, sizes, place)
    step = min(step, sizes[longest])
    smaller = {**sizes, longest: step}
    return max(peak(labels, smaller, output), prod(smaller[label] for label in labels[place]))


def _pieces(labels: Sequence[Labels], sizes: Sizes, place: int) -> tuple[int, int]:
    """The longest axis of a factor, and how much of it makes a piece that fits into the cache."""
    longest = max(labels[place], key=sizes.__getitem__)
    return longest, max(1, _PIECE // max(1, prod(sizes[label] for label in labels[place] if label != longest)))


def flops(labels: Sequence[Labels], sizes: Sizes, output: Labels) -> int:
    """Multiplications and additions of the plan; a multiply-add counts as two."""
    plan = _plan(labels, sizes, output)
    return sum(step.flops for step in plan.steps)


def peak(labels: Sequence[Labels], sizes: Sizes, output: Labels) -> int:
    """Elements of the largest intermediate array, copies against the order of memory included.

    Factors and the result do not count. Copies are those of contiguous factors.
    """
    plan = _plan(labels, sizes, output)
    results = [step.result for step in plan.steps[:-1]]
    return max([step.memory for step in plan.steps] + results, default=0)


# Running a plan


def _zeros(shape: tuple[int, ...], *factors: Any) -> Any:
    dtype = np.result_type(*factors)
    return np.zeros(shape, dtype if dtype.kind == "f" else np.float64)[()]


def _then(function: Callable[..., Any], finish: Unary) -> Callable[..., Any]:
    return lambda *factors: finish(function(*factors))


def _runner(plan: _Plan) -> Callable[..., Any]:
    steps = [(step.run, step.left, step.right) for step in plan.steps]
    finish = plan.finish

    def run(*factors: Any) -> Any:
        values = list(factors)
        result = values[-1] if values else 1.0
        for function, left, right in steps:
            # What a step has used is needed no more: its memory is free for the next one.
            if right < 0:
                result = function(values[left])
            else:
                result = function(values[left], values[right])
                values[right] = None
            values[left] = None
            values.append(result)
        return result if finish is None else finish(result)

    return run


# Planning


class _Planner:
    """Collects the steps of one plan; values are numbered as they come, the factors first."""

    def __init__(self, labels: Sequence[Labels], sizes: Sizes, output: Labels) -> None:
        self.sizes = sizes
        self.steps: list[_Step] = []
        self.count = len(labels)
        # Axes of length one take no part; they come back at the end.
        self.output = tuple(label for label in output if sizes[label] != 1)

    def add(self, run: Callable[..., Any], left: int, right: int, flops: int, memory: int, result: int) -> int:
        self.steps.append(_Step(run, left, right, flops, memory, result))
        self.count += 1
        return self.count - 1

    def size(self, labels: Iterable[int]) -> int:
        return prod(self.sizes[label] for label in labels)

    def alone(self, place: int, labels: Labels, others: set[int]) -> tuple[int, Labels]:
        """Take diagonals of a factor, drop its axes of length one and sum over what nobody else has."""
        view, plain = _diagonal(labels, self.sizes)
        if view is not None:
            place = self.add(view, place, -1, 0, 0, 0)
        while not others.issuperset(plain):
            # Neighbours are summed as one; if they are apart, the longest leave least to the next.
            kept = tuple(label for label in plain if label in others)
            if kept:
                runs = [list(run) for summed, run in groupby(plain, lambda label: label not in others) if summed]
                longest = max(runs, key=self.size)
                kept = tuple(label for label in plain if label not in longest)
            run, ones = _summed(plain, kept, self.sizes)
            place = self.add(run, place, -1, self.size(plain), ones, self.size(kept))
            plain = kept
        return place, plain

    def scale(self, values: list[tuple[int, Labels]]) -> list[tuple[int, Labels]]:
        """Multiply the numbers among the factors into one, and this into the smallest factor."""
        numbers = [place for place, labels in values if not labels]
        arrays = [value for value in values if value[1]]
        if not numbers:
            return arrays
        number = numbers[0]
        for other in numbers[1:]:
            number = self.add(np.multiply, number, other, 1, 0, 1)
        if not arrays:
            return [(number, ())]
        smallest = min(range(len(arrays)), key=lambda k: self.size(arrays[k][1]))
        place, labels = arrays[smallest]
        if len(arrays) > 1 and self.size(self.output) <= self.size(labels):
            return [*arrays, (number, ())]
        size = self.size(labels)
        arrays[smallest] = (self.add(np.multiply, place, number, size, 0, size), labels)
        return arrays

    def meet(self, values: list[tuple[int, Labels]]) -> tuple[int, Labels]:
        """Contract all values, pair by pair, to one."""
        arrays = [value for value in values if value[1]]
        pending = [value for value in values if not value[1]]
        cache: dict[tuple[int, int], Meeting] = {}
        uses = Counter(label for _, labels in arrays for label in labels)
        while len(arrays) > _EXHAUSTIVE:
            best, choice = None, (0, 1)
            for i, j in combinations(range(min(len(arrays), _WINDOW)), 2):
                (x, left), (y, right) = arrays[i], arrays[j]
                if (x, y) not in cache:
                    together = Counter((*left, *right))
                    kept = {label for label in together if label in self.output or uses[label] > together[label]}
                    cache[x, y] = self.pair(left, right, kept, None)
                meeting = cache[x, y]
                # A pair that shrinks what is left is worth more than one that is merely quick.
                growth = self.size(meeting.labels) - self.size(left) - self.size(right)
                score = meeting.cost + growth * COPY
                if best is None or score < best[0]:
                    best, choice = (score, meeting), (i, j)
            assert best is not None
            place = self.join(best[1], arrays[choice[0]][0], arrays[choice[1]][0])
            for k in choice:
                uses.subtract(arrays[k][1])
            uses.update(best[1].labels)
            arrays = [value for k, value in enumerate(arrays) if k not in choice]
            arrays.append((place, best[1].labels))
        value = self.exhaust(arrays) if arrays else pending.pop()
        for number, _ in pending:
            size = self.size(value[1])
            value = (self.add(np.multiply, value[0], number, size, 0, size), value[1])
        return value

    def exhaust(self, values: list[tuple[int, Labels]]) -> tuple[int, Labels]:
        """The order of least cost, by dynamic programming over the subsets of the values."""
        full = (1 << len(values)) - 1
        # Of a subset: its cost, its labels, the last meeting and the two subsets that meet there.
        best: dict[int, tuple[float, Labels, Meeting | None, int, int]] = {
            1 << k: (0.0, labels, None, 0, 0) for k, (_, labels) in enumerate(values)
        }
        for subset in sorted(range(1, full + 1), key=int.bit_count):
            if subset in best:
                continue
            kept = self.kept(values, [k for k in range(len(values)) if subset >> k & 1])
            target = self.output if subset == full else None
            lowest = subset & -subset
            part = (subset - 1) & subset
            while part:
                # Each split once: the part with the first value stands left.
                if part & lowest:
                    left, right = best[part], best[subset ^ part]
                    if subset in best and left[0] + right[0] >= best[subset][0]:
                        part = (part - 1) & subset
                        continue
                    meeting = self.pair(left[1], right[1], kept, target)
                    cost = left[0] + right[0] + meeting.cost
                    if subset not in best or cost < best[subset][0]:
                        best[subset] = (cost, meeting.labels, meeting, part, subset ^ part)
                part = (part - 1) & subset
        # The tree has as many levels as values at most, and these are few.
        places = {1 << k: place for k, (place, _) in enumerate(values)}
        order = [full]
        for subset in order:
            if best[subset][2] is not None:
                order.extend(best[subset][3:])
        for subset in reversed(order):
            _, _, last_meeting, part, rest = best[subset]
            if last_meeting is not None:
                places[subset] = self.join(last_meeting, places[part], places[rest])
        return places[full], best[full][1]

    def join(self, meeting: Meeting, left: int, right: int) -> int:
        return self.add(meeting.build(), left, right, meeting.flops, meeting.memory, self.size(meeting.labels))

    def kept(self, values: list[tuple[int, Labels]], chosen: Collection[int]) -> set[int]:
        """Labels that are needed after the chosen values have met."""
        kept = set(self.output)
        for k, (_, labels) in enumerate(values):
            if k not in chosen:
                kept.update(labels)
        return kept

    def pair(self, left: Labels, right: Labels, kept: Collection[int], target: Labels | None) -> Meeting:
        if not left or not right:
            labels = left or right
            size = self.size(labels)
            return Meeting(labels, CALL + size * MOVE, size, 0, lambda: np.multiply)
        return Pair(left, right, kept, target, self.sizes).best()


def _plan(labels: Sequence[Labels], sizes: Sizes, output: Labels) -> _Plan:
    known = {label for factor in labels for label in factor}
    if len(set(output)) != len(output) or not known.issuperset(output):
        raise ValueError(f"the output {output} repeats a label or has one that no factor of {list(labels)} has")
    shape = tuple(sizes[label] for label in output)
    if any(sizes[label] == 0 for label in known):
        return _Plan([], None, shape, True, len(labels))
    planner = _Planner(labels, sizes, output)
    stands: dict[int, int] = {}
    for factor in labels:
        for label in set(factor):
            stands[label] = stands.get(label, 0) + 1
    values = []
    for place, factor in enumerate(labels):
        others = {label for label in factor if stands[label] > 1 or label in output}
        values.append(planner.alone(place, factor, others))
    if len(values) > 1:
        place, order = planner.meet(planner.scale(values))
    else:
        place, order = values[0] if values else (-1, ())
    # Where one factor is summed over axes of length one alone, its own memory would come out.
    shared = len(labels) == 1 and set(output) != known and not any(step.result for step in planner.steps)
    if shared and shape:
        planner.add(np.array, place, -1, 0, 0, planner.size(order))
    return _Plan(planner.steps, _finish(order, planner.output, shape), shape, False, len(labels), order)


def _finish(order: Labels, squeezed: Labels, shape: tuple[int, ...]) -> Unary | None:
    """The last value in the axes of the output; None where it has them already."""
    if not shape:
        return _number
    permutation = tuple(order.index(label) for label in squeezed)
    if len(squeezed) != len(shape):
        return lambda x: np.transpose(x, permutation).reshape(shape)
    if permutation == tuple(range(len(shape))):
        return None
    return transposed if permutation == (1, 0) else lambda x: x.transpose(permutation)


def _number(x: Any) -> Any:
    if isinstance(x, np.floating):
        return x
    x = np.asarray(x)[()]
    return x if x.dtype.kind == "f" else np.float64(x)


# One factor


def _diagonal(labels: Labels, sizes: Sizes) -> tuple[Unary | None, Labels]:
    """A view without axes of length one and with each label once, and its labels; None where that is the factor."""
    single = tuple(axis for axis, label in enumerate(labels) if sizes[label] == 1)
    plain = [label for label in labels if sizes[label] != 1]
    diagonals = []
    for label in dict.fromkeys(plain):
        while plain.count(label) > 1:
            first = plain.index(label)
            second = plain.index(label, first + 1)
            diagonals.append((first, second))
            # NumPy puts the diagonal last.
            plain = [*(other for k, other in enumerate(plain) if k not in (first, second)), label]
    if not diagonals:
        return ((lambda x: np.squeeze(x, single)) if single else None), tuple(plain)

    def view(x: Any) -> Any:
        x = x.squeeze(single)
        for first, second in diagonals:
            x = x.diagonal(0, first, second)
        return x

    return view, tuple(plain)


def _summed(labels: Labels, kept: Labels, sizes: Sizes) -> tuple[Unary, int]:
    """The sum of a factor over the labels that are not kept, and how many ones it needs.

    A product with ones is up to twenty times faster than NumPy's sum along short rows, and keeps more digits than its
    running sum along the first axis.
    """
    axes = tuple(axis for axis, label in enumerate(labels) if label not in kept)
    plain = partial(np.add.reduce, axis=axes if kept else None)
    # Where any are kept, those that are not are neighbours.
    first, last = axes[0], axes[-1] + 1
    before, after = (prod(sizes[label] for label in group) for group in (labels[:first], labels[last:]))
    length = prod(sizes[labels[axis]] for axis in axes)
    if not kept or before * after * length < 512:
        return plain, 0
    shape = tuple(sizes[label] for label in kept)
    matrix = {1: (length, after)}.get(before, (before, length) if after == 1 else (before, length, after))

    def run(x: Any) -> Any:
        # Of anything else BLAS would want a copy.
        if not x.flags.c_contiguous:
            return plain(x)
        x = x.reshape(matrix)
        ones = np.ones(min(length, _ONES), x.dtype)
        result = None
        for start in range(0, length, _ONES):
            part = x if length <= _ONES else x[start : start + _ONES] if before == 1 else x[:, start : start + _ONES]
            factor = ones[: length - start]
            piece = part.dot(factor) if after == 1 else np.matmul(factor, part)
            result = piece if result is None else result + piece
        assert result is not None
        return result.reshape(shape)

    return run, min(length, _ONES)
