"""Makes a program that shows a mistake small, by cutting at its syntax tree as long as it still shows it.

Statements are dropped in groups and one by one, blocks are replaced by what they hold, expressions by their operands or
by a number, names by what they stand for; sizes, defaults and numbers shrink. (Zeller and Hildebrandt, Simplifying and
Isolating Failure-Inducing Input, 2002, for the order: large parts first.)
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from fuzz.writing import children, written

from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.parse import parse_program

Path = tuple[tuple[str, int | None], ...]
_EXPRESSIONS = (
    tree.Number, tree.Name, tree.Unary, tree.Binary, tree.Conditional, tree.Call, tree.ArrayLiteral, tree.Subscript,
    tree.Attribute, tree.Comprehension,
)  # fmt: skip
# Fields in which only a name may stand.
_NAMING = frozenset({"name", "names", "targets", "target", "function", "keyword", "dtype", "index", "parameters"})
_BODIES = ("statements", "body", "then", "other")


def reduced(text: str, fails: Callable[[str], bool], seconds: float = 120.0) -> str:
    """The smallest program found in some time of which ``fails`` is true; it is true of ``text``.

    ``fails`` is called with texts that may be no programs at all, and answers false for these.
    """
    end = time.monotonic() + seconds
    program = _parsed(text)
    best = written(program)
    if not fails(best):
        return text
    tried = {best}
    progress = True
    bold = True
    while progress or bold:
        # Statements first, as long as any can go; then whatever else.
        bold = bold and progress
        progress = False
        # What lies before the place of the last cut has been tried a moment ago: go on from there.
        at = 0
        found = list(statements(program) if bold else candidates(program))
        while at < len(found):
            smaller = found[at]()
            at += 1
            if smaller is None:
                continue
            shown = written(smaller)
            if shown in tried or (_size(smaller), len(shown)) >= (_size(program), len(best)):
                continue
            if time.monotonic() > end:
                return best
            tried.add(shown)
            if fails(shown):
                # Offsets tell comprehensions in brackets from others: a tree is read from its text.
                program, best, progress = _parsed(shown), shown, True
                found = list(statements(program) if bold else candidates(program))
                at = min(at - 1, len(found))
    return best


def _parsed(text: str) -> tree.Program:
    return parse_program(Source("reduced", text))


def _size(node: Any) -> int:
    return 1 + sum(map(_size, _below(node)))


def _below(node: Any) -> list[Any]:
    if isinstance(node, tree.Program):
        return list(node.statements)
    return children(node)


Way = Callable[[], tree.Program | None]


def candidates(program: tree.Program) -> Iterator[Way]:
    """Ways to make a program smaller, the bold ones first."""
    yield from statements(program)
    yield from parts(program)


def statements(program: tree.Program) -> Iterator[Way]:
    """Programs without some statements, outputs, inputs, sizes."""
    places = list(walk(program, ()))
    for path, node in places:
        for name in _BODIES:
            listed = getattr(node, name, None)
            if isinstance(listed, (list, tuple)) and listed:
                for kept in _fewer(listed, 0 if name in ("statements", "other") else 1):
                    yield lambda path=path, name=name, kept=kept, listed=listed: put(
                        program, (*path, (name, None)), type(listed)(kept)
                    )
    for path, node in places:
        if isinstance(node, tree.Output):
            for name in node.names if len(node.names) > 1 else ():
                yield lambda path=path, node=node, name=name: put(program, path, replace(node, names=[name]))
            for kept in _fewer(node.names, 1):
                yield lambda path=path, node=node, kept=kept: put(program, path, replace(node, names=kept))
        elif isinstance(node, (tree.For, tree.While, tree.IfBlock)):
            for inner in unwrapped(node):
                yield lambda path=path, inner=inner: splice(program, path, inner)
    for name in _sizes(program):
        yield lambda name=name: _resized(program, name)
    for path, node in places:
        if isinstance(node, tree.Declaration):
            for kept in _fewer(node.items, 1):
                yield lambda path=path, node=node, kept=kept: put(program, path, replace(node, items=kept))


def parts(program: tree.Program) -> Iterator[Way]:
    """Programs with less in some expression."""
    places = list(walk(program, ()))
    for path, node in places:
        if isinstance(node, tree.Assign) and len(node.targets) == 1:
            yield lambda path=path, node=node: _inlined(program, path, node.targets[0].id, node.value)
        for field in ("condition", "default"):
            if getattr(node, field, None) is not None:
                yield lambda path=path, field=field: put(program, (*path, (field, None)), None)
    names = _scalars(program)
    for path, node in sorted(places, key=lambda place: -_size(place[1])):
        if isinstance(node, _EXPRESSIONS):
            for simpler in _simpler(node, names):
                yield lambda path=path, simpler=simpler, node=node: put(
                    program, path, replace(simpler, start=node.start, end=node.end)
                )


def walk(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """All nodes with the way to them from the top."""
    yield path, node
    for field in fields(node):
        value = getattr(node, field.name)
        if field.name in _NAMING:
            continue
        if isinstance(value, (list, tuple)):
            for at, each in enumerate(value):
                if isinstance(each, tree.Node):
                    yield from walk(each, (*path, (field.name, at)))
        elif isinstance(value, tree.Node):
            yield from walk(value, (*path, (field.name, None)))


def put(node: Any, path: Path, value: Any) -> Any:
    """The tree with another value at a place."""
    if not path:
        return value
    (name, at), *rest = path
    inner = getattr(node, name)
    if at is None:
        return replace(node, **{name: put(inner, tuple(rest), value)})
    listed = list(inner)
    listed[at] = put(listed[at], tuple(rest), value)
    return replace(node, **{name: type(inner)(listed)})


def splice(program: tree.Program, path: Path, statements: Sequence[tree.Statement]) -> tree.Program:
    """The program with statements in the place of one."""
    *front, (name, at) = path
    assert at is not None
    listed = program
    for each, index in front:
        listed = getattr(listed, each) if index is None else getattr(listed, each)[index]
    inner = getattr(listed, name)
    return put(program, (*front, (name, None)), type(inner)([*inner[:at], *statements, *inner[at + 1 :]]))


def _fewer(listed: Sequence[Any], least: int) -> Iterator[list[Any]]:
    """A list without half of it, without a quarter, and so on to one."""
    count = len(listed)
    size = count
    while size:
        for first in range(count - size, -1, -size):
            kept = [*listed[:first], *listed[first + size :]]
            if len(kept) >= least:
                yield kept
        size //= 2


def unwrapped(node: tree.Block) -> Iterator[Sequence[tree.Statement]]:
    """What may stand in the place of a block: its statements, with its index at the lower bound."""
    if isinstance(node, tree.IfBlock):
        yield node.then
        yield node.other
    elif isinstance(node, tree.While):
        yield node.body
    else:
        yield [_named(each, node.index.id, node.first) for each in node.body]


def _named(node: Any, name: str, value: tree.Expr) -> Any:
    """A tree with an expression in the place of a name."""
    if isinstance(node, tree.Name):
        return replace(value, start=node.start, end=node.end) if node.id == name else node
    changes: dict[str, Any] = {}
    for field in fields(node):
        inner = getattr(node, field.name)
        if field.name in _NAMING and not isinstance(value, tree.Name):
            continue
        if isinstance(inner, (list, tuple)):
            changes[field.name] = type(inner)(
                _named(each, name, value) if isinstance(each, tree.Node) else each for each in inner
            )
        elif isinstance(inner, tree.Node):
            changes[field.name] = _named(inner, name, value)
    return replace(node, **changes)


def _inlined(program: tree.Program, path: Path, name: str, value: tree.Expr) -> tree.Program:
    """The program without an assignment, whose value stands where its name stood."""
    without = splice(program, path, ())
    return replace(without, statements=[_named(each, name, value) for each in without.statements])


def _simpler(node: Any, names: Sequence[tree.Name]) -> Iterator[Any]:
    """What may stand in the place of an expression."""
    if isinstance(node, tree.Number):
        shown = repr(node.value) if node.integer is None else str(node.integer)
        for each in ("0", "1", "2", "0.5", f"{node.value:.1f}", f"{node.value:.0f}"):
            if len(each) < len(shown):
                yield _number(each, node)
        return
    yield from (_number(each, node) for each in ("1", "0", "0.5"))
    yield from names
    if isinstance(node, tree.Call) and len(node.arguments) == 1:
        inner = node.arguments[0].value
        if isinstance(inner, tree.Comprehension) and all(binder.lower for binder in inner.binders):
            body: Any = inner.body
            for binder in reversed(inner.binders):
                assert binder.lower is not None
                body = _named(body, binder.name.id, binder.lower)
            yield body
    seen = [node]
    for _ in range(2):
        seen = [each for parent in seen for each in children(parent)]
        for each in seen:
            if isinstance(each, _EXPRESSIONS):
                yield each
    if isinstance(node, tree.Comprehension) and len(node.binders) > 1:
        for at in range(len(node.binders)):
            yield replace(node, binders=[*node.binders[:at], *node.binders[at + 1 :]])
    if isinstance(node, tree.ArrayLiteral):
        for kept in _fewer(node.items, 1):
            yield replace(node, items=kept)
    if isinstance(node, (tree.Binary, tree.Conditional)):
        for field in ("left", "right", "then", "other"):
            if hasattr(node, field) and not isinstance(getattr(node, field), tree.Number):
                yield replace(node, **{field: _number("1", node)})


def _number(text: str, at: Any) -> tree.Number:
    return tree.Number(at.start, at.end, float(text), int(text) if "." not in text else None)


def _scalars(program: tree.Program) -> list[tree.Name]:
    """A real input or two that are single numbers."""
    items = [item for each in program.statements if isinstance(each, tree.Declaration) for item in each.items]
    return [item.name for item in items if item.shape is None and item.dtype is None][:2]


def damages(text: str, count: int) -> Iterator[str]:
    """Programs with some mistakes: parts are missing, or stand in the place of others; the same for the same text."""
    r = random.Random(zlib.crc32(text.encode()))
    program = _parsed(text)
    ways = list(candidates(program))
    places = [place for place in walk(program, ()) if isinstance(place[1], _EXPRESSIONS)]
    for _ in range(count):
        made: Any = None
        if r.random() < 0.4:
            made = r.choice(ways)()
        else:
            (path, node), (_, other) = r.choice(places), r.choice(places)
            if r.random() < 0.2:
                other = tree.Name(0, 0, "unknown", "unknown")
            made = put(program, path, replace(other, start=node.start, end=node.end))
        if made is not None:
            yield written(made)


# Sizes ---------------------------------------------------------------------------------------------------------------


def _declarations(program: tree.Program) -> list[tree.Declared]:
    return [item for each in program.statements if isinstance(each, tree.Declaration) for item in each.items]


def _sizes(program: tree.Program) -> dict[str, int]:
    """The sizes that stand bare in a declaration, at the defaults."""
    found: dict[str, int] = {}
    for item in _declarations(program):
        default: Any = item.default
        for extent in item.shape or ():
            if not isinstance(default, tree.ArrayLiteral):
                break
            if isinstance(extent, tree.Name):
                found.setdefault(extent.id, len(default.items))
            default = default.items[0]
    return found


def _resized(program: tree.Program, name: str) -> tree.Program | None:
    """The program at defaults for which a size is smaller by one."""
    sizes = _sizes(program)
    if sizes[name] < 2:
        return None
    sizes[name] -= 1

    def cut(default: Any, shape: Sequence[Any]) -> Any:
        if not shape or not isinstance(default, tree.ArrayLiteral):
            return default
        count = _extent(shape[0], sizes)
        return replace(default, items=[cut(item, shape[1:]) for item in default.items[:count]])

    statements = []
    for each in program.statements:
        if isinstance(each, tree.Declaration):
            items = [
                replace(item, default=cut(item.default, item.shape)) if item.shape else item for item in each.items
            ]
            each = replace(each, items=items)
        statements.append(each)
    return tree.Program(statements)


def _extent(node: Any, sizes: dict[str, int]) -> int:
    if isinstance(node, tree.Number):
        return int(node.value)
    if isinstance(node, tree.Name):
        return sizes.get(node.id, 1)
    if isinstance(node, tree.Binary):
        left, right = _extent(node.left, sizes), _extent(node.right, sizes)
        return {"+": left + right, "-": left - right, "*": left * right, "//": left // max(right, 1)}.get(node.op, left)
    return 1
