"""Writes what a plan does in one iteration as Python source, and the iterations of a loop as one function of that.

Each step is a line, each slot a local variable, and what numbers alone go through needs no call: Python's operators
and the functions of ``math`` give what the operators of the table do, or raise. So does an index beyond its axis. A
function that is left so tells the line and its variables, and the plan goes on from there as it always does: the
function is right about the ordinary case, and the plan about every other one. The source holds numbers of slots and
nothing of a program's text.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np

from gradc.ops import control, ieee, integers
from gradc.ops.ieee import UNGUARDED


class Left(Exception):
    """A step has found something that only the plan can judge."""


LEAVES: Final = (ArithmeticError, LookupError, ValueError, TypeError, MemoryError, Left)
"""What a function is left with: `Left`, and what Python raises."""


class Call(NamedTuple):
    """One step: the function of the values in some slots, and the slot of its result.

    A function with a method ``spelled`` is written down: it takes the variable that the value is given to and the texts
    of the operands, and gives statements. What it notes among the faults of a run, which are in slot 0, is of ``node``.

    ``out`` is the number of the view that it writes into, or -1; ``free`` are slots that nobody reads any more. What is
    ``steady`` has the same value in all iterations if its operands have.
    """

    run: Callable[..., Any]
    target: int
    operands: tuple[int, ...]
    out: int = -1
    free: tuple[int, ...] = ()
    steady: bool = True
    node: int = -1


@dataclass(frozen=True)
class Routine:
    """What a plan does in one iteration. ``base`` holds what is known, ``singles`` says which inputs become f32.

    A result has a ``finish`` where it is not handed out as its slot holds it.
    """

    base: Sequence[Any]
    inputs: Sequence[int]
    singles: Sequence[bool]
    calls: Sequence[Call]
    results: Sequence[int]
    finish: Mapping[int, Callable[[Any], Any]] = field(default_factory=dict)

    @property
    def long(self) -> bool:
        """Whether it has more steps than are worth compiling."""
        return len(self.calls) > _MOST


RUNS: Final = 32
"""After so many runs a plan is worth a function."""

# A function is given up if it is left more often than not, and so often.
_PATIENCE: Final = 20
# The compiler takes some time and memory for every step.
_MOST: Final = 20_000

_TEXTS: Final[Mapping[Any, str]] = {
    operator.add: "{0} + {1}",
    operator.sub: "{0} - {1}",
    operator.mul: "{0} * {1}",
    operator.neg: "-{0}",
    operator.lt: "{0} < {1}",
    operator.le: "{0} <= {1}",
    operator.gt: "{0} > {1}",
    operator.ge: "{0} >= {1}",
    operator.eq: "{0} == {1}",
    operator.ne: "{0} != {1}",
    operator.and_: "{0} & {1}",
    operator.or_: "{0} | {1}",
    operator.not_: "not {0}",
    control.choose: "{1} if {0} else {2}",
    control.convert: "float({0})",
    ieee.div: "{0} / {1}",
    ieee.mod: "{0} % {1}",
    ieee.floordiv: "{0} // {1}",
    ieee.relu: "0.0 if {0} <= 0 else {0}",
    integers.mod: "{0} % {1}",
}
_WHOLE: Final[Mapping[Any, str]] = {
    integers.add: "{0} + {1}",
    integers.sub: "{0} - {1}",
    integers.mul: "{0} * {1}",
    integers.neg: "-{0}",
    integers.floordiv: "{0} // {1}",
}
_PAIRS: Final[Mapping[Any, str]] = {
    ieee.minimum: "{1} if {1} < {0} or {1} != {1} else {0}",
    ieee.maximum: "{1} if {1} > {0} or {1} != {1} else {0}",
}


def spell(run: Any, target: str, operands: Sequence[str]) -> list[str] | None:
    """The statements that give a variable the value of a step; None for one whose function is called."""
    spelled = getattr(run, "spelled", None)
    if spelled is not None:
        found: list[str] | None = spelled(target, operands)
        return found
    if not isinstance(run, (FunctionType, BuiltinFunctionType)):
        return None
    text = _TEXTS.get(run) or (_PAIRS.get(run) if len(operands) == 2 else None)
    if text is not None:
        return [f"{target} = {text.format(*operands)}"]
    text = _WHOLE.get(run)
    if text is None:
        return None
    fits = f"if not {integers.LEAST} <= {target} <= {integers.MOST}: raise Left"
    return [f"{target} = {text.format(*operands)}", fits]


class _Writer:
    """Writes the steps of one routine; ``prefix`` tells its variables from those of another one."""

    def __init__(self, routine: Routine, prefix: str, names: dict[int, str], space: dict[str, Any]) -> None:
        self.routine = routine
        self.prefix = prefix
        # The text that stands for each slot, and what texts name that is no variable.
        self.names = names
        self.space = space
        # Lines with the number of their step: those in front of the loop, and those in it.
        self.before: list[_Line] = []
        self.lines: list[_Line] = []
        self._seen: set[str] = set()
        names.setdefault(0, f"{prefix}0")

    def name(self, slot: int) -> str:
        """The text that stands for a slot."""
        found = self.names.get(slot)
        if found is None:
            found = self.names[slot] = self._known(slot)
        return found

    def _known(self, slot: int) -> str:
        value = self.routine.base[slot]
        if isinstance(value, np.generic) and not isinstance(value, np.float32):
            value = value.item()
        if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            return f"({value!r})"
        return self.constant(value)

    def constant(self, value: Any) -> str:
        """A name for a value."""
        found = f"k{len(self.space)}"
        self.space[found] = value
        return found

    def write(self, steady: set[int]) -> list[str]:
        """Write the steps, in front of the loop those that depend on ``steady`` slots alone; the texts of the results.

        What is computed in front of the loop is steady from then on.
        """
        routine = self.routine
        failing = None
        for at, call in enumerate(routine.calls):
            target = self.names[call.target] = f"{self.prefix}{call.target}"
            operands = [self.name(slot) for slot in call.operands]
            if call.steady and steady.issuperset(call.operands):
                steady.add(call.target)
                self.before.append((self._called(call.run, call, target, operands), at))
                continue
            spelled = spell(call.run, target, operands)
            if spelled is not None:
                for text in spelled:
                    # What has been tested holds for the rest of the iteration.
                    if not text.startswith("if ") or text not in self._seen:
                        self._seen.add(text)
                        self.lines.append((text, at))
            else:
                run = UNGUARDED.get(call.run, call.run) if isinstance(call.run, FunctionType) else call.run
                self.lines.append((self._called(run, call, target, operands), at))
                if 0 in call.operands:
                    self.lines.append((f"if {operands[0]}: mark({operands[0]}, {call.node})", at + 1))
                    failing = operands[0]
            # A view that nobody reads has a slot and no step.
            free = [self.names[slot] for slot in call.free if slot in self.names and slot not in steady]
            self.lines += [(f"{name} = None", at + 1) for name in free]
        if failing is not None:
            self.lines.append((f"if {failing}: raise Left", len(routine.calls)))
        results = []
        for number, slot in enumerate(routine.results):
            text = self.name(slot)
            if number in routine.finish:
                finish = self.constant(routine.finish[number])
                self.lines.append((f"{self.prefix}r{number} = {finish}({text})", len(routine.calls)))
                text = f"{self.prefix}r{number}"
            results.append(text)
        return results

    def _called(self, run: Callable[..., Any], call: Call, target: str, operands: Sequence[str]) -> str:
        into = f", out=views{self.prefix}[{call.out}]" if call.out >= 0 else ""
        return f"{target} = {self.constant(run)}({', '.join(operands)}{into})"


class Once:
    """A function that makes one run of a plan.

    ``made`` takes the values of all slots, the views that steps write into, and the faults of the run. It puts the
    results into their slots and gives None or, left, the line and its variables.
    """

    def __init__(self, routine: Routine) -> None:
        space = _space()
        self.names = {slot: f"v{slot}" for slot in routine.inputs}
        freed = {slot for call in routine.calls for slot in call.free}
        head = ["def made(v, viewsv, v0):"]
        for slot, name in self.names.items():
            head += [f"    {name} = v[{slot}]", *([f"    v[{slot}] = None"] if slot in freed else [])]
        writer = _Writer(routine, "v", self.names, space)
        writer.write(set())
        made = {call.target for call in routine.calls}
        text = [*head, "    try:", *(f"        {each}" for each, _ in writer.lines or [("pass", -1)])]
        text += ["    except LEAVES as left:", "        line = left.__traceback__.tb_lineno", "    else:"]
        text += [f"        v[{slot}] = v{slot}" for slot in dict.fromkeys(routine.results) if slot in made]
        text += ["        return None", "    return line, locals()"]
        self._steps = [0] * (2 + len(head)) + [at for _, at in writer.lines]
        exec(compile("\n".join(text), "<plan>", "exec"), space)
        self.made: Callable[..., tuple[int, dict[str, Any]] | None] = space["made"]

    def left(self, values: list[Any], line: int, variables: Mapping[str, Any]) -> int:
        """Put what there is into its slots; the step to go on from."""
        for slot, name in self.names.items():
            if name in variables:
                values[slot] = variables[name]
        return self._steps[line]


class Turns:
    """A function that makes iterations of a loop, one after the other.

    ``made`` takes the numbers of the iterations from the first one on, what the first one counts as, the views that the
    steps of the body and of the test write into, faults for both, the rows and the lists of what is kept, then what is
    carried and what stays the same. It gives what is carried, and None at the end of the numbers or what a test that
    does not hold gives, with the number of that iteration. Left, it gives None, the line, and its variables.
    """

    def __init__(
        self, body: Routine, carried: int, scanned: int, kept: Mapping[int, bool], test: Routine | None = None
    ) -> None:
        """``kept`` are the results that are kept of each iteration: whether at the end of a list, or in a place."""
        space = _space()
        names = {slot: f"v{slot}" for slot in body.inputs}
        inputs = list(names.values())
        state, rows, rest = (
            inputs[1 : 1 + carried],
            inputs[1 + carried : 1 + carried + scanned],
            inputs[1 + carried + scanned :],
        )
        self.names = names
        self.state = state
        writer = _Writer(body, "v", names, space)
        found = writer.write(_steady(body, 1 + carried + scanned))
        before, lines = list(writer.before), []
        tested: list[_Line] = []
        if test is not None:
            inner = _Writer(test, "t", dict(zip(test.inputs, [inputs[0], *state, *rest], strict=True)), space)
            holds, *numbers = inner.write(_steady(test, 1 + carried))
            before += inner.before
            tested = [(text, -1) for text, _ in inner.lines]
            tested.append((f"if not {holds}: return {_tuple(state)}, {_tuple(numbers)}, at", -1))
        singles = [f"{name} = single({name})" for name, one in zip(inputs, body.singles, strict=True) if one]
        first = [text for text in singles if text.split()[0] in rest]
        if any(routine and _reads(routine, routine.inputs[0]) for routine in (body, test)):
            lines.append((f"{inputs[0]} = at + start", -1))
        lines += [(text, -1) for text in singles if text.split()[0] in state]
        lines += tested
        lines += [(f"{name} = r{at}[at]", -1) for at, name in enumerate(rows)]
        lines += [(text, -1) for text in singles if text.split()[0] in rows]
        lines += writer.lines
        ends = len(body.calls)
        for at, (number, appended) in enumerate(kept.items()):
            lines.append((f"w{at}({found[number]})" if appended else f"w{at}[at] = {found[number]}", ends))
        changed = [(name, text) for name, text in zip(state, found, strict=False) if name != text]
        if changed:
            left, right = ", ".join(name for name, _ in changed), ", ".join(text for _, text in changed)
            lines.append((f"{left} = {right}", ends))
        head = [
            "def made(numbers, start, viewsv, viewst, v0, t0, rows, items, state, rest):",
            f"    [{', '.join(state)}] = state",
            f"    [{', '.join(rest)}] = rest",
            f"    [{', '.join(f'r{at}' for at in range(scanned))}] = rows",
            f"    [{', '.join(f'w{at}' for at in range(len(kept)))}] = items",
            *(f"    {text}" for text in first),
            "    at = None",
            "    try:",
        ]
        tail = [
            "    except LEAVES as left:",
            "        line = left.__traceback__.tb_lineno",
            "    else:",
            f"        return {_tuple(state)}, None, None",
            "    return None, line, locals()",
        ]
        text = [*head, *(f"        {each}" for each, _ in before), "        for at in numbers:"]
        text += [*(f"            {each}" for each, _ in lines or [("pass", -1)]), *tail]
        # The step of each line, counted as Python counts lines; -1 where the iteration has to be made from its start.
        self.steps = [-1] * (2 + len(head) + len(before)) + [at for _, at in lines]
        exec(compile("\n".join(text), "<iterations of a loop>", "exec"), space)
        self.made: Callable[..., tuple[Any, Any, Any]] = space["made"]

    def values(self, variables: Mapping[str, Any]) -> dict[int, Any]:
        """The slots of the body that the variables hold."""
        return {slot: variables[name] for slot, name in self.names.items() if name in variables}


_Made = TypeVar("_Made")


class Worth(Generic[_Made]):
    """A function that is made once something has been done so often that it pays, and given up if it is mostly left."""

    def __init__(self, make: Callable[[], _Made | None]) -> None:
        self.make = make
        # How often it has been done, by whatever way, and how often the function has been left.
        self.count = 0
        self._lefts = 0
        self._made: _Made | None = None
        self._over = False

    def after(self, times: int) -> _Made | None:
        """The function, if there is one by then."""
        if self._made is None and self.count >= times and not self._over:
            self._made = self.make()
            self._over = self._made is None
        return self._made

    def left(self) -> None:
        """It has been left."""
        self._lefts += 1
        if self._lefts > _PATIENCE and 2 * self._lefts > self.count:
            # Nearly everything is out of the ordinary.
            self._made, self._over = None, True


_Line = tuple[str, int]


def _space() -> dict[str, Any]:
    return {"Left": Left, "LEAVES": LEAVES, "single": np.float32, "mark": _mark}


def _mark(found: Any, node: int) -> None:
    """Say of what node the new faults are."""
    for fault in reversed(found):
        if fault.node >= 0:
            break
        fault.node = node


def _steady(routine: Routine, changing: int) -> set[int]:
    """The slots that are the same in all iterations, of which the first inputs change."""
    known = {slot for slot, value in enumerate(routine.base) if value is not None}
    return known | set(routine.inputs[changing:])


def _reads(routine: Routine, slot: int) -> bool:
    return slot in routine.results or any(slot in call.operands for call in routine.calls)


def _tuple(texts: Sequence[str]) -> str:
    return f"({', '.join(texts)}{',' * (len(texts) == 1)})"
