"""Tapes that keep a loop's state at some of its iterations and compute the others again.

A reverse sweep reads a tape from its end. Between two snapshots the states are computed once more, and snapshots that
are not needed any longer are placed anew on the way, where a binomial schedule wants them: with s snapshots and at most
r computations of each iteration, C(s + r, s) iterations can be undone, and no schedule undoes more. (A. Griewank and
A. Walther, "Algorithm 799: revolve", ACM Transactions on Mathematical Software 26, 2000.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import comb
from typing import Any, Final

State = Sequence[Any]

# How often iterations are computed again, at the most, where the number of snapshots is not given.
_REPETITIONS: Final = 3
# The snapshots of a loop whose length is not known: as many are kept at equal distances, which double.
UNKNOWN: Final = 256


def snapshots_for(count: int) -> int:
    """The fewest snapshots with which so many iterations are each computed at most four times."""
    low, high = 1, max(count, 1)
    while low < high:
        middle = (low + high) // 2
        if comb(middle + _REPETITIONS, middle) >= count:
            high = middle
        else:
            low = middle + 1
    return low


def distance(length: int, free: int) -> int:
    """How many iterations lie between a snapshot and the next, of ``length`` that are to be undone from the first one.

    Besides that one, ``free`` snapshots can be kept, at least one. There are two iterations or more.
    """
    repetitions = 0
    while comb(free + 1 + repetitions, repetitions) < length:
        repetitions += 1
    # What lies behind the next snapshot has that and one free snapshot less. What lies before it is computed once more
    # often, so the least of what is optimal is best.
    behind = comb(free + repetitions, repetitions)
    before = comb(free + repetitions - 1, repetitions - 2) if repetitions > 1 else 0
    return min(max(1, length - behind, before), length - 1)


class Recomputed:
    """The states of a loop before each of its iterations, of which snapshots are kept.

    ``advance`` computes the state after an iteration from the one before it; iterations count from 0 in the order in
    which the loop runs. Snapshots are placed while the loop runs forward (``note``), and when states are read.
    """

    def __init__(self, advance: Callable[[int, State], State], snapshots: int, count: int | None) -> None:
        self.advance = advance
        self.most = max(1, snapshots)
        self.kept: list[tuple[int, State]] = []
        # Of a loop whose length is known the place of the next snapshot, else the distance between two.
        self.count = count
        self.next = 0
        self.stride = 1
        self.last: tuple[int, State] | None = None

    def note(self, number: int, state: State) -> None:
        """A state on the way forward: kept if a snapshot is due."""
        if self.count is None:
            if number % self.stride:
                return
            if len(self.kept) == self.most:
                self.kept = self.kept[::2]
                self.stride *= 2
                if number % self.stride:
                    return
            self.kept.append((number, state))
            return
        if number != self.next:
            return
        self.kept.append((number, state))
        free, left = self.most - len(self.kept), self.count - number
        self.next = number + distance(left, free) if free and left > 1 else -1

    def at(self, number: int) -> State:
        """The state before an iteration."""
        if self.last is not None and self.last[0] == number:
            return self.last[1]
        kept = self.kept
        while len(kept) > 1 and kept[-1][0] > number:
            kept.pop()
        place, state = kept[-1]
        if self.last is not None and place < self.last[0] < number:
            # Read forwards, as the derivative of a derivative does, it goes on from the state before.
            place, state = self.last
        while place < number:
            # From a state that is no snapshot there is none to come back to.
            free = self.most - len(kept) if place == kept[-1][0] else 0
            goal = place + distance(number - place + 1, free) if free > 0 else number
            while place < goal:
                state = self.advance(place, state)
                place += 1
            if free > 0 and place < number:
                kept.append((place, state))
        self.last = (number, state)
        return state


class Tape(Sequence[Any]):
    """A value for each iteration of a loop, which ``value`` computes when it is read, by the count of the iteration.

    ``backwards`` says that the loop runs from its last iteration to its first: elements are in the order of the range.
    """

    def __init__(self, value: Callable[[int], Any], length: int, backwards: bool) -> None:
        self.value = value
        self.length = length
        self.backwards = backwards

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, at: Any) -> Any:
        return self.value(self.length - 1 - at if self.backwards else at)

    def __iter__(self) -> Iterator[Any]:
        return (self[at] for at in range(self.length))
