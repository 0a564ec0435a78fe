"""Which functions may call themselves, and what is said of those that do not come to an end at compile time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from gradc.errors import CompileError, located
from gradc.ir import sizes
from gradc.limits import too_many_nodes
from gradc.source import Source
from gradc.syntax import code, tree
from gradc.syntax.scope import POISON, Choice, Closure, Frame, Poison, Scope, Weak

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering

# A condition is looked through so far for what it depends on, and so many names of that are told.
_SEARCHED = 10_000
_TOLD = 3

_BASE = "an `if` whose condition is known at compile time ends a recursion: `if n == 0 then … else …`"


def function_in_cycle(scope: Scope, name: str, caller: Closure) -> Closure | None:
    """The function ``name`` that stands behind ``caller`` in the same scope, if it calls that in turn: in a cycle there
    is no order in which each would see the next.
    """
    home = caller.scope.functions
    visible: Scope | None = scope
    while visible is not None and visible is not caller.scope:
        visible = visible.parent
    if name not in home or visible is None:
        return None
    seen = {name}
    stack = [home[name][0]]
    while stack:
        current = stack.pop()
        if current is caller:
            return home[name][0]
        called = {each for each in code.called_in(current.definition) if each in home} - seen
        seen |= called
        stack += [home[each][0] for each in sorted(called)]
    return None


def is_recursive(lowering: Lowering, closure: Closure) -> bool:
    """Whether a call of a function stands inside another call of it."""
    if closure is lowering.closed:
        # The derivative that the function is given calls it by its name, and not as what is being inlined.
        return closure.registered is None or closure.active > 1
    return closure.active > 0


def _inner(lowering: Lowering, closure: Closure) -> Iterator[Frame]:
    """What has been begun since the last call of a function, the innermost first."""
    for frame in reversed(lowering.frames):
        yield frame
        if frame.closure is closure:
            return


def admitted(lowering: Lowering, node: tree.Call, closure: Closure, source: Source) -> bool:
    """Whether a recursive call may end at compile time, as it stands in a branch that has been chosen; reports it if
    not.
    """
    shown = closure.definition.name.shown
    if closure is lowering.closed:
        message = f"the function `{shown}` has a derivative of its own, so it cannot call itself"
        hint = "leave the recursion to another function, which this one calls"
        _report(lowering, node, closure, source, message, "recursion", (hint,))
        return False
    choices = [choice for frame in _inner(lowering, closure) for choice in reversed(frame.choices)]
    if any(choice.taken is not None for choice in choices) or (choices and lowering.trial):
        return True
    if not choices:
        message = f"the function `{shown}` calls itself, and no `if` stands around that: {_cycle(lowering, closure)}"
        _report(lowering, node, closure, source, message, "recursion that does not end", (_BASE,))
        return False
    _undecided(lowering, node, closure, source, choices)
    return False


def _undecided(
    lowering: Lowering, node: tree.Call, closure: Closure, source: Source, choices: Sequence[Choice]
) -> None:
    """Report a recursion that a condition guards which only a call decides."""
    choice = choices[0]
    test, place = choice.test, choice.conditional.test
    if isinstance(test, (tuple, Poison)):
        return
    if isinstance(test, Weak) or lowering.builder.type(test).dtype != "bool":
        # As for any other `if`: what depends on it is the lesser mistake.
        lowering.applier.apply(choice.source, "select", "if", (test, Weak(0, 0.0), Weak(0, 0.0)), (place,) * 3)
        return
    names, given = _depends(lowering, test)
    label, hints = "whether it goes on is not known at compile time", [_BASE]
    if names:
        verb = "is" if len(names) == 1 else "are"
        listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        label = f"whether it goes on depends on {listed}, which {verb} known at the call only"
    if given:
        sized = " ".join(f"--size {name}=7" for name in given)
        python = ", ".join(f'"{name}": 7' for name in given)
        hints = [f"compile it for one size: `{sized}`, in Python `sizes={{{python}}}`"]
    shown = closure.definition.name.shown
    message = f"the recursion of `{shown}` does not end at compile time: {_cycle(lowering, closure)}"
    note = (choice.source, place.start, place.end, "the condition")
    _report(lowering, node, closure, source, message, label, hints, [note])


def _depends(lowering: Lowering, test: int) -> tuple[list[str], list[str]]:
    """What a condition depends on, in words, and which of it a size is that may be given a number."""
    data = lowering.builder.data
    words: dict[int, list[str]] = {}
    given: set[str] = set()
    seen = {test}
    stack = [test]
    while stack and len(seen) < _SEARCHED:
        node = stack.pop()
        entry = data[node]
        if entry["op"] == "input":
            words[node] = [f"`{entry['name']}`"]
            if entry["type"].dtype == "int" and not entry["type"].shape and lowering.closed is None:
                given.add(entry["name"])
        elif entry["op"] == "size":
            names = sorted(sizes.names(entry["attrs"]["size"]))
            words[node] = [f"the size `{name}`" for name in names]
            given |= set(names)
        elif entry["op"] == "index":
            words[node] = [f"the index `{entry['attrs']['index'].name.partition('.')[0]}`"]
        fresh = [operand for operand in entry["operands"] if operand not in seen]
        seen.update(fresh)
        stack += fresh
    told = dict.fromkeys(word for node in sorted(words) for word in words[node])
    return list(islice(told, _TOLD)), sorted(given)[:_TOLD]


def endless(lowering: Lowering, node: tree.Call, closure: Closure, source: Source) -> Poison:
    """Report a call of a function inside a call of it with the same arguments."""
    message = f"the function `{closure.definition.name.shown}` calls itself with the arguments that it was called with"
    hint = "every call should come closer to the branch that has none"
    _report(lowering, node, closure, source, message, "the same call again", (hint,))
    return POISON


def too_deep(lowering: Lowering, node: tree.Call, closure: Closure, source: Source) -> None:
    """Report a recursion that goes on and on, and give up: what is left of it may be as deep, many times over."""
    limit = lowering.program.clock.limits.inline_depth
    message = f"the recursion of `{closure.definition.name.shown}` goes deeper than {limit:,} calls"
    hint = "every call should come closer to the branch that has none"
    _report(lowering, node, closure, source, message, "one call too many", (hint,), code="E0706")
    lowering.program.give_up()


def overgrown(lowering: Lowering) -> CompileError:
    """The diagnostic for a graph that outgrows its bound, at the recursion that is to blame if there is one."""
    limit = lowering.program.clock.limits.nodes
    for frame in reversed(lowering.frames):
        closure = frame.closure
        if closure is not None and frame.call is not None and closure.active > 1:
            source, node = frame.call
            message = f"the program needs more than {limit:,} operations, most of them for the recursion of"
            hint = "calls with equal arguments are shared: have the recursion make few different ones"
            name = closure.definition.name.shown
            notes = [_first(lowering, closure)]
            return CompileError(
                located("E0702", f"{message} `{name}`", source, node.start, node.end, "in this call", (hint,), notes)
            )
    return too_many_nodes(limit)


def _cycle(lowering: Lowering, closure: Closure) -> str:
    """The functions from one call of a function to the next."""
    between = [frame.closure for frame in _inner(lowering, closure) if frame.closure is not None]
    names = [each.definition.name.shown for each in reversed(between)]
    return " → ".join([*names[:8], closure.definition.name.shown])


def _first(lowering: Lowering, closure: Closure) -> tuple[Source, int, int, str]:
    """Where the first of the functions in a cycle was called, or where this one stands if that is in no call."""
    cycle = {frame.closure for frame in _inner(lowering, closure)}
    for frame in lowering.frames:
        if frame.closure in cycle and frame.call is not None:
            source, node = frame.call
            return source, node.start, node.end, "first called here"
    name = closure.definition.name
    return closure.source, name.start, name.end, "the function"


def _report(
    lowering: Lowering,
    node: tree.Call,
    closure: Closure,
    source: Source,
    message: str,
    label: str,
    hints: Sequence[str],
    notes: Sequence[tuple[Source, int, int, str]] = (),
    code: str = "E0304",
) -> None:
    lowering.error(code, message, source, node, label, hints, [*notes, _first(lowering, closure)])
