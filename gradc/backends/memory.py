"""The memory of a run: what its arrays take at once, asked about before they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Final

import numpy as np

from gradc.errors import CallError, Diagnostic
from gradc.ir.graph import Graph
from gradc.memory import available, shown
from gradc.source import Source

if TYPE_CHECKING:
    from gradc.backends.planner import Planner

# Every machine has this; asking the system takes longer than a small program.
_SMALL: Final = 1 << 26
_BYTES: Final = {"f64": 8, "f32": 4, "int": 8, "bool": 1}


class Room:
    """How many bytes the arrays of a program may take: ``limit``, or most of what the machine has left.

    The arrays that the caller passes are there already and do not count.
    """

    def __init__(self, graph: Graph, limit: int | None, sources: Mapping[str, Source]) -> None:
        self.graph = graph
        self.limit = limit
        self.sources = sources
        # The most that arrays take at once, and the node and the shape of the one that is made then.
        self.peak = 0
        self.worst: tuple[int, tuple[int, ...]] = (-1, ())

    def allowed(self) -> int:
        """The bytes that may be taken now."""
        if self.limit is not None:
            return self.limit
        free = available()
        # What is left is for the rest of the machine, and for what an estimate does not see.
        return free // 10 * 9 if free is not None else 1 << 62

    def claim(self, node: int, shape: Sequence[int]) -> None:
        """Raise ``CallError`` if a single array is too large."""
        size = prod(shape) * _BYTES.get(self.graph.type(node).dtype, 8)
        if not shape or (size <= _SMALL and self.limit is None):
            return
        if size > (allowed := self.allowed()):
            listed = ", ".join(map(str, shape))
            message = f"an array [{listed}] needs {shown(size)} of memory, and {shown(allowed)} may be used"
            raise self._refusal(node, message, "this array")

    def count(self, planner: Planner, root: Sequence[int], kept: int, copied: Sequence[int]) -> None:
        """Find the peak of a plan whose steps say what they free.

        ``root`` is the slot of the array that each slot is a view of, ``kept`` how many bytes of buffers there are in
        any case, and the ``copied`` nodes are copied for the caller.
        """
        live = self.peak = kept
        sizes: dict[int, int] = {}
        for step in planner.steps:
            shape = planner.reps.get(step.target)
            if step.reuses:
                # What is written over an operand takes its place.
                sizes[step.target] = sizes.pop(root[step.reuses], 0)
            elif shape and step.target not in planner.views and step.out < 0:
                sizes[step.target] = prod(shape) * _BYTES.get(self.graph.type(step.node).dtype, 8)
                live += sizes[step.target]
            if live + step.work > self.peak or self.worst[0] < 0:
                self.peak, self.worst = live + step.work, (step.node, shape or ())
            live -= sum(sizes.pop(owner, 0) for owner in {root[slot] for slot in step.free} - {root[step.target]})
        for node in copied:
            shape = planner.full(node)
            live += prod(shape) * _BYTES.get(self.graph.type(node).dtype, 8) if shape else 0
            if live > self.peak:
                self.peak, self.worst = live, (node, shape)
        if self.limit is not None:
            # What depends on sizes alone has been computed: it is not to come, but it counts.
            self.peak += sum(each.nbytes for each in planner.base if isinstance(each, np.ndarray) and each.base is None)

    @property
    def large(self) -> bool:
        """Whether what is left has to be looked at before each run."""
        return self.limit is None and self.peak > _SMALL

    def check(self) -> None:
        """Raise ``CallError`` if the arrays of a run do not fit together."""
        if self.peak <= (allowed := self.allowed()):
            return
        node, shape = self.worst
        label = f"an array [{', '.join(map(str, shape))}] is made here" if shape else "the most at this point"
        message = f"the arrays of a run need {shown(self.peak)} of memory, and {shown(allowed)} may be used"
        raise self._refusal(node, message, label)

    def exhausted(self, node: int) -> CallError:
        """What is said where the system refuses memory all the same, at a node or before the first (-1)."""
        return self._refusal(
            node if node >= 0 else self.worst[0], "there is not enough memory for an array", "this array"
        )

    def _refusal(self, node: int, message: str, label: str) -> CallError:
        span = self.graph.span(node) if node in self.graph.data else None
        text = self.sources[span.file].line(span.line) if span and span.file in self.sources else ""
        hint = "`max_memory=` in Python, `--max-memory` on the command line say how much may be used"
        hints = (hint,) if self.limit is not None else ()
        return CallError(Diagnostic("E0617", message, span, label, hints, text=text))
