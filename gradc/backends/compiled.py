"""The steps of a plan that runs often, as one Python function without a loop.

A list of steps costs about a third of a microsecond a step before anything is computed. Straight-line code with local
names costs a tenth of that, and some 10 us a step to compile: it pays from some tens of runs on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gradc.backends.faults import Faults
    from gradc.backends.planner import Step

WORTHWHILE: Final = 32
"""After so many runs of its list of steps a plan is compiled."""


class Straight:
    """Steps as code.

    ``run`` takes the values of all slots, of which it reads those of the ``inputs``, the pool's views, and the faults
    of the run, to which it may add. It leaves the ``results`` in their slots; where there are faults, as only a
    ``failing`` plan has, everything.
    """

    def __init__(
        self, steps: Sequence[Step], base: Sequence[Any], inputs: Iterable[int], results: Iterable[int], failing: bool
    ) -> None:
        made = {step.target for step in steps}
        variable = made.union(inputs)
        names: dict[str, Any] = {"mark": _mark, "keep": _keep}
        lines = ["def run(v, views, found):"]
        # The node that each line of the code belongs to.
        self.nodes = [-1]

        def line(text: str, node: int = -1) -> None:
            lines.append(f" {text}")
            self.nodes.append(node)

        def place(slot: int) -> str:
            """The local name of a slot, or the global one of what is in the plan."""
            if slot == 0:
                return "found"
            if slot in variable:
                return f"s{slot}"
            names[f"c{slot}"] = base[slot]
            return f"c{slot}"

        freed = {slot for step in steps for slot in step.free}
        for slot in dict.fromkeys(inputs):
            line(f"s{slot} = v[{slot}]")
            if slot in freed:
                line(f"v[{slot}] = None")
        for at, step in enumerate(steps):
            names[f"f{at}"] = step.run
            operands = [place(slot) for slot in step.operands]
            if step.out >= 0:
                operands.append(f"out=views[{step.out}]")
            line(f"s{step.target} = f{at}({', '.join(operands)})", step.node)
            if 0 in step.operands:
                line(f"if found: mark(found, {step.node})")
            if free := [f"s{slot} = " for slot in step.free if slot in variable]:
                line(f"{''.join(free)}None")
        if failing:
            line("if found: keep(v, locals())")
        for slot in dict.fromkeys(results):
            if slot in made:
                line(f"v[{slot}] = s{slot}")
        line("return v")
        exec(compile("\n".join(lines), "<plan>", "exec"), names)
        self.run = names["run"]

    def node(self, error: BaseException) -> int:
        """The node whose step has raised an error; -1 if none has."""
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code is not self.run.__code__:
            trace = trace.tb_next
        return self.nodes[trace.tb_lineno - 1] if trace is not None else -1


def _mark(found: Faults, node: int) -> None:
    """Say of what node the new faults are."""
    for fault in reversed(found):
        if fault.node >= 0:
            break
        fault.node = node


def _keep(values: list[Any], local: dict[str, Any]) -> None:
    """Put what there is into its slots."""
    for name, value in local.items():
        if name[0] == "s" and name[1:].isdigit():
            values[int(name[1:])] = value
