"""Snapshots of a loop: every state comes back, no more are kept than allowed, and the work is close to the optimum."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradc.backends.checkpoints import Recomputed, snapshots_for


@cache
def least(length: int, snapshots: int) -> int:
    """The fewest steps forward with which a range can be undone, by trying all places of the next snapshot."""
    if length <= 1:
        return 0
    if snapshots == 1:
        return length * (length - 1) // 2
    return min(m + least(length - m, snapshots - 1) + least(m, snapshots) for m in range(1, length))


def undo(count: int, snapshots: int, known: bool) -> tuple[int, int]:
    """Run a loop whose state is its number, and undo it: the steps computed again, and the most snapshots at once."""
    steps = 0

    def advance(number: int, state: object) -> int:
        nonlocal steps
        assert state == number
        steps += 1
        return number + 1

    states = Recomputed(advance, snapshots, count if known else None)
    most = 0
    for number in range(count):
        states.note(number, number)
        most = max(most, len(states.kept))
    for number in reversed(range(count)):
        assert states.at(number) == number
        most = max(most, len(states.kept))
    return steps, most


@given(st.integers(1, 400), st.integers(1, 40), st.booleans())
def test_every_state_comes_back_within_the_snapshots(count: int, snapshots: int, known: bool) -> None:
    _, most = undo(count, snapshots, known)
    assert most <= snapshots


@pytest.mark.parametrize(
    ("count", "snapshots"), [(10, 1), (10, 2), (10, 3), (56, 3), (100, 5), (150, 10), (200, 4), (50, 50), (20, 3)]
)
def test_the_work_is_close_to_the_least(count: int, snapshots: int) -> None:
    steps, _ = undo(count, snapshots, True)
    # The first sweep is the run of the loop itself, whose last step nobody has to compute again.
    assert steps <= 1.15 * (least(count, snapshots) - (count - 1)) + count / 5 + 2


@pytest.mark.parametrize("count", [1, 2, 10, 1_000, 100_000])
def test_four_computations_each_are_enough_by_default(count: int) -> None:
    snapshots = snapshots_for(count)
    assert snapshots <= max(2, 2 * round(count ** (1 / 3)) + 1)
    steps, _ = undo(count, snapshots, True)
    assert steps <= 3 * count


def test_a_state_can_be_asked_for_again() -> None:
    states = Recomputed(lambda number, state: number + 1, 3, 20)
    for number in range(20):
        states.note(number, number)
    assert [states.at(7), states.at(7), states.at(3), states.at(3)] == [7, 7, 3, 3]


@pytest.mark.parametrize("known", [True, False])
def test_reading_forwards_goes_on_from_the_state_before(known: bool) -> None:
    steps = 0

    def advance(number: int, state: object) -> int:
        nonlocal steps
        steps += 1
        return number + 1

    count = 2_000
    states = Recomputed(advance, 10, count if known else None)
    for number in range(count):
        states.note(number, number)
    for _ in range(2):
        steps = 0
        assert [states.at(number) for number in range(count)] == list(range(count))
        assert steps <= count
        assert [states.at(number) for number in reversed(range(count))] == list(reversed(range(count)))
