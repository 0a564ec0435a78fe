"""Memory of a plan: what is freed after each step, what is written over, what later steps and runs use again.

New memory costs more than arithmetic: the system hands out pages one by one, at their first use. So a step writes over
an array that it reads for the last time, where it can, and otherwise into a buffer that an earlier step has left. The
buffers of a run are kept for the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gradc.backends import kernels, orders
from gradc.backends.orders import Order

if TYPE_CHECKING:
    from gradc.backends.emitting import Step
    from gradc.backends.planner import Planner

# Smaller arrays come from memory that the process has at hand; of larger ones no more than this is kept.
_LEAST: Final = 1 << 14
_MOST: Final = 1 << 28
# Fewer elements are made anew faster than NumPy is told to write over others.
_SHORT: Final = 1 << 9
# A buffer serves arrays down to this part of its size.
_FIT: Final = 2


# The number of a buffer, the shape that it has in memory, and the axes of the view in terms of that.
_View = tuple[int, tuple[int, ...], Any, Order]


class Pool:
    """Buffers of runs that have ended, each set with a view for every step that writes into one."""

    def __init__(self, sizes: Sequence[int], views: Sequence[_View]) -> None:
        self.sizes = sizes
        self.views = views
        # Appending and popping need no lock: two runs at once make two sets.
        self._idle: list[list[Any]] = []

    def take(self) -> list[Any]:
        """A set of views that nobody else uses."""
        try:
            return self._idle.pop()
        except IndexError:
            buffers = [np.empty(size, np.uint8) for size in self.sizes]
            return [np.ndarray(shape, dtype, buffers[at]).transpose(axes) for at, shape, dtype, axes in self.views]

    def leave(self, views: list[Any]) -> None:
        """Keep a set for another run."""
        if not self._idle and self.views:
            self._idle.append(views)

    def __reduce__(self) -> tuple[Any, ...]:
        return Pool, (self.sizes, self.views)


def roots(planner: Planner) -> list[int]:
    """For every slot the slot of the array that it is a view of, or itself."""
    found = list(range(len(planner.base)))
    # Views come behind what they are views of.
    for slot, source in sorted(planner.views.items()):
        found[slot] = found[source]
    return found


def arrange(planner: Planner, kept: set[int]) -> Pool:
    """Say for each step of a plan what is freed behind it and where its result goes; ``kept`` are roots that stay."""
    root = roots(planner)
    _drop(planner, kept, root)
    holders: dict[int, list[int]] = {}
    for slot, owner in enumerate(root):
        holders.setdefault(owner, []).append(slot)
    last: dict[int, int] = {}
    for number, step in enumerate(planner.steps):
        for slot in (step.target, *step.operands):
            last[root[slot]] = number
    kept = _held(planner, kept, root, last)
    ends: dict[int, list[int]] = {}
    for owner, number in last.items():
        ends.setdefault(number, []).append(owner)
    pool = _Allocation()
    for number, step in enumerate(planner.steps):
        dying = [
            slot
            for slot in dict.fromkeys(step.operands)
            if slot
            and last[root[slot]] == number
            and root[slot] not in kept
            and planner.base[root[slot]] is None
            and root[slot] != root[step.target]
        ]
        over = {owner for owner in ends.get(number, ()) if owner and owner not in kept and owner != root[step.target]}
        step.free = tuple(sorted(each for owner in over if planner.base[owner] is None for each in holders[owner]))
        if step.target in planner.fresh:
            if step.target in kept:
                # What is handed out must not lie in a buffer, which the next run writes into.
                dying = [slot for slot in dying if root[slot] not in pool]
            _write_over(planner, step, dying, root)
            if step.reuses:
                pool.hand_on(root[step.reuses], step.target)
            elif step.target not in kept and last[step.target] > number:
                _place(planner, step, pool)
        for owner in over - {root[step.reuses]}:
            pool.free(owner)
    return pool.finish(planner.steps)


def _held(planner: Planner, kept: set[int], root: Sequence[int], last: dict[int, int]) -> set[int]:
    """The roots that stay, where the results of regions and tapes are kept as arrays of their own operands may be.

    A loop that makes no iteration gives back what it starts from, and a tape holds that. So ``last``, the last step
    that reads a root, is set to the last one that reads such a result.
    """
    kept = set(kept)
    for step in reversed(planner.steps):
        if planner.graph.op(step.node) in ("for", "while", "branch", "add_tapes"):
            target = root[step.target]
            for owner in {root[slot] for slot in step.operands if slot}:
                last[owner] = max(last[owner], last[target])
                if target in kept:
                    kept.add(owner)
    return kept


def _drop(planner: Planner, kept: set[int], root: Sequence[int]) -> None:
    """Leave out steps whose results nobody reads."""
    read = set(kept)
    live: list[Step] = []
    for step in reversed(planner.steps):
        # What can fail says so, whoever reads it; what makes no array of its own may fill one that is there.
        array = planner.reps.get(step.target) is not None
        if 0 in step.operands or not array or root[step.target] in read:
            read.update(root[slot] for slot in step.operands)
            live.append(step)
    planner.steps[:] = reversed(live)


def _write_over(planner: Planner, step: Step, dying: Sequence[int], root: Sequence[int]) -> None:
    shape = planner.reps.get(step.target)
    if shape is not None and prod(shape) < _SHORT and not isinstance(step.run, kernels.Update):
        return
    for slot in dying:
        # Integers may be looked at after the run, to say which index was wrong.
        usable = root[slot] in planner.fresh and slot not in planner.repeating and not planner.whole_numbers(slot)
        run = kernels.over(step.run, step.operands.index(slot)) if usable else None
        order = planner.orders.get(slot)
        alike = planner.same(slot, step.target) and order == planner.orders.get(step.target)
        # NumPy would copy an array that is read with its axes in another order while it is written to.
        crossed = [other for other in step.operands if root[other] == root[slot] and planner.orders.get(other) != order]
        alike = alike and not crossed
        if run is not None and alike:
            step.run, step.reuses = run, slot
            return


def _place(planner: Planner, step: Step, pool: _Allocation) -> None:
    """Find a buffer for a result, if the function can write into one and keeps the order of the axes."""
    shape = planner.reps[step.target]
    if shape is None or not kernels.takes_out(step.run) or not planner.real(step.target):
        return
    # NumPy would give the result the order of its operands, which is faster than changing it.
    alike = [slot for slot in step.operands if planner.reps.get(slot) == shape]
    order = planner.orders.get(step.target)
    if order is None and alike and all(slot in planner.turned for slot in alike):
        return
    dtype = planner.kind(step.target)
    size = prod(shape) * np.dtype(dtype).itemsize
    if _LEAST <= size <= _MOST:
        step.out = pool.place(step.target, size, shape, dtype, order or orders.plain(len(shape)))


class _Allocation:
    """Which buffer each array has; buffers that are free serve later arrays."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.views: list[_View] = []
        self._of: dict[int, int] = {}
        self._idle: list[int] = []

    def place(self, slot: int, size: int, shape: tuple[int, ...], dtype: Any, order: Order) -> int:
        """The number of the view that the array in ``slot`` is."""
        fitting = [at for at in self._idle if size <= self.sizes[at] <= _FIT * size]
        if fitting:
            at = min(fitting, key=lambda each: (self.sizes[each], each))
            self._idle.remove(at)
        else:
            at = len(self.sizes)
            self.sizes.append(size)
        self._of[slot] = at
        self.views.append((at, tuple(shape[axis] for axis in order), dtype, orders.inverse(order)))
        return len(self.views) - 1

    def __contains__(self, owner: int) -> bool:
        return owner in self._of

    def hand_on(self, owner: int, slot: int) -> None:
        """The array in ``slot`` is written over that of ``owner``."""
        if owner in self._of:
            self._of[slot] = self._of.pop(owner)

    def free(self, owner: int) -> None:
        """Nothing reads the array any more."""
        at = self._of.pop(owner, None)
        if at is not None:
            self._idle.append(at)

    def finish(self, steps: Sequence[Step]) -> Pool:
        """The pool; an empty one where too much would be kept."""
        if sum(self.sizes) > _MOST:
            for step in steps:
                step.out = -1
            return Pool((), ())
        return Pool(tuple(self.sizes), tuple(self.views))
