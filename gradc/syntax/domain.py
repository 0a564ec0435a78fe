"""The combinations of indices that a comprehension runs through, and how far a sum of indices gets over them.

What a range says is kept as sums that are 0 or more: ``j in 0..i`` as j >= 0 and i - 1 - j >= 0. To see how far a sum
gets, the indices are eliminated one by one, the innermost first (Fourier and Motzkin). Over the integers that is exact
where of every two bounds of an index one is a bound of the index itself and not of a multiple of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from gradc.ir import sizes
from gradc.ir.sizes import Dim
from gradc.ir.types import Index

# Bounds that elimination may make; no comprehension that people write comes near.
_MOST = 100

Sum = tuple[Dim, Mapping[Index, Dim]]
"""An extent plus multiples of indices."""
_Bound = tuple[Dim, dict[Index | None, int]]
"""A sum that is 0 or more; None stands for the value that is sought."""


class Domain:
    """The indices in scope with what their ranges say of them."""

    def __init__(self) -> None:
        self._indices: list[Index] = []
        self._bounds: list[_Bound] = []
        # Whether ranges are still to come that may leave out more.
        self._partial = False

    @contextmanager
    def within(self) -> Iterator[None]:
        """What is added within goes out of scope behind it."""
        indices, bounds, partial = len(self._indices), len(self._bounds), self._partial
        try:
            yield
        finally:
            del self._indices[indices:], self._bounds[bounds:]
            self._partial = partial

    def add(self, index: Index, *limits: Sum) -> None:
        """Take up an index, whose values are those for which the sums are 0 or more."""
        self._indices.append(index)
        for constant, given in limits:
            factors: dict[Index | None, int] = {}
            for each, factor in given.items():
                assert isinstance(factor, int)
                if factor:
                    factors[each] = factor
            self._bounds.append((constant, factors))

    @contextmanager
    def unfinished(self) -> Iterator[None]:
        """Nothing is known of combinations within, where not all ranges are in scope."""
        before, self._partial = self._partial, True
        try:
            yield
        finally:
            self._partial = before

    def empty(self) -> bool:
        """Whether there is no combination, whatever the sizes."""
        bounds = self._eliminated(self._bounds, self._indices)
        return bounds is not None and any(sizes.at_least(-constant, 1) for constant, _ in bounds)

    def least(self, form: Sum) -> list[Dim] | None:
        """The least value of a sum is the greatest of these; as in ``greatest``."""
        negative = {index: -factor for index, factor in form[1].items()}
        found = self.greatest((-form[0], negative))
        return None if found is None else [-bound for bound in found]

    def greatest(self, form: Sum) -> list[Dim] | None:
        """The greatest value of a sum over all combinations is the least of these, as long as there are any: of some
        sizes there may be none. None where nothing exact is known.
        """
        sought: dict[Index | None, int] = {None: -1}
        for index, factor in form[1].items():
            if not isinstance(factor, int) or index not in self._indices:
                return None
            if factor:
                sought[index] = factor
        # What other indices are has a say only where they hang together with those of the sum.
        joined, bounds = set(sought), [(form[0], sought)]
        waiting = self._bounds
        while touching := [bound for bound in waiting if not joined.isdisjoint(bound[1])]:
            waiting = [bound for bound in waiting if joined.isdisjoint(bound[1])]
            bounds += touching
            joined.update(*(factors for _, factors in touching))
        found: list[Dim] = []
        left = self._eliminated(bounds, [index for index in self._indices if index in joined])
        if left is None:
            return None
        for constant, factors in left:
            if factors:
                bound = sizes.divide(constant, -factors[None])
                if not any(sizes.at_least(bound - known, 0) for known in found):
                    found = [*(known for known in found if not sizes.at_least(known - bound, 0)), bound]
        return found

    def _eliminated(self, bounds: list[_Bound], indices: Sequence[Index]) -> list[_Bound] | None:
        """What bounds say without these indices; None where that is not known."""
        if self._partial:
            return None
        try:
            for index in reversed(indices):
                left = _without(index, bounds)
                if left is None:
                    return None
                bounds = left
        except sizes.TooLarge:
            return None
        return bounds


def _without(index: Index, bounds: list[_Bound]) -> list[_Bound] | None:
    """What the bounds say of all else; None where that is not exact, or too much."""
    lower = [bound for bound in bounds if bound[1].get(index, 0) > 0]
    upper = [bound for bound in bounds if bound[1].get(index, 0) < 0]
    found = [bound for bound in bounds if index not in bound[1]]
    for constant, factors in lower:
        for other, more in upper:
            one, two = factors[index], -more[index]
            if min(one, two) > 1:
                return None
            joined = {
                each: value
                for each in {**factors, **more}
                if (value := two * factors.get(each, 0) + one * more.get(each, 0))
            }
            found.append((two * constant + one * other, joined))
    return found if len(found) <= _MOST else None
