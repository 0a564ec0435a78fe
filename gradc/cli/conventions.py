"""The published table of conventions: what operators give at zeros, infinities, NaN, kinks and ends of their domains.

Nothing here is typed in but the points and the reasons, which stand in the rows: each row is compiled as a program of
its own, and run.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, Final

from gradc.ir.op import Convention, Op, OpTable
from gradc.ops.conventions import operand_types, points

if TYPE_CHECKING:
    from gradc.ir.types import Type
    from gradc.model import Model

REFUSED: Final = "error"
_WIDTH: Final = 100
# What is left for reasons, at least; else entries stand one below the other.
_REASON: Final = 24
_NAMES: Final = ("x", "y", "z")


@dataclass(frozen=True)
class Entry:
    """A point, and what the operator gives there: value, derivatives, second derivatives; None where there are none.

    ``first`` holds one derivative a real operand that is no constant, ``second`` one for each pair of them, those of
    arrays as arrays. ``REFUSED`` stands in the place of what the operator refuses.
    """

    point: Convention
    value: Any
    first: tuple[Any, ...]
    second: tuple[Any, ...]


class _Program:
    """An operator as a program, for operands of given shapes of which some are constants."""

    def __init__(self, row: Op, ops: OpTable, point: Convention) -> None:
        from gradc.driver import Options
        from gradc.ir.builder import Builder
        from gradc.ir.types import typed
        from gradc.model import Model

        builder = Builder(ops)
        operands = []
        self.inputs = [at for at in range(len(point.operands)) if at not in point.constant]
        dtype = "bool" if row.name in _OF_TRUTHS else "f64"
        types = [typed(dtype, _shape(value)) for value in point.operands]
        if row.kind == "elementwise":
            own = operand_types(row)
            types = [own[min(at, len(own) - 1)] for at in range(len(types))]
        for at, (value, type) in enumerate(zip(point.operands, types, strict=True)):
            if at in self.inputs:
                operands.append(builder.input(f"x{at}", type))
                builder.names[f"x{at}"] = operands[at]
            else:
                operands.append(builder.constant(value, type))
        self.rank = max(type.rank for type in types)
        attrs = {name: _ATTRS[name] for name in row.attrs if name in _ATTRS}
        result = builder.names["f"] = builder.name("f", builder.apply(row.name, *operands, attrs=attrs or None))
        self.type: Type = builder.type(result)
        self.wrt = [f"x{at}" for at in self.inputs if types[at].real]
        # As written: no rule may speak in an operator's place.
        self.model = Model(builder.finish([("f", result)]), Options(ops=ops, level=0))

    @cached_property
    def _first(self) -> list[Model]:
        return [self.model.jacobian("f", name) for name in self.wrt] if self.type.real else []

    @cached_property
    def _second(self) -> list[Model]:
        # Of matrices these are too many to show.
        if not self.type.real or self.type.shape or self.rank > 1:
            return []
        return [self.model.hessian("f", *pair) for pair in combinations_with_replacement(self.wrt, 2)]

    def entry(self, point: Convention) -> Entry:
        values = {f"x{at}": point.operands[at] for at in self.inputs}
        value = _value(self.model, values)
        if value is REFUSED:
            return Entry(point, value, (), ())
        return Entry(
            point,
            value,
            tuple(_value(model, values) for model in self._first),
            tuple(_value(model, values) for model in self._second),
        )


_ATTRS: Final = {"axes": (0,), "axis": 0, "reverse": False, "transposed": False, "lower": True, "offset": 0}


# Reductions of truth values.
_OF_TRUTHS: Final = frozenset({"any", "all"})


def _value(model: Model, values: dict[str, Any]) -> Any:
    from gradc.errors import CallError

    try:
        (found,) = model(values).values()
    except CallError:
        return REFUSED
    return found


def _shape(value: Any) -> tuple[int, ...]:
    return (len(value), *(_shape(value[0]) if value else ())) if isinstance(value, tuple) else ()


def entries(row: Op, ops: OpTable) -> Iterator[Entry]:
    """What an operator gives at each of its points."""
    programs: dict[Any, _Program] = {}
    for point in points(row) if row.kind == "elementwise" or row.conventions else ():
        constants = tuple(repr(point.operands[at]) for at in point.constant)
        key = constants, point.constant, tuple(map(_shape, point.operands))
        if key not in programs:
            programs[key] = _Program(row, ops, point)
        yield programs[key].entry(point)


# As text -------------------------------------------------------------------------------------------------------------


def page(ops: OpTable, families: Mapping[str, Sequence[str]]) -> str:
    """The whole table, a section a family."""
    rows = []
    for title, names in families.items():
        found = [text for name in names if (text := table(ops[name], ops))]
        if found:
            rows += [f"## {title}", "", *found]
    return "\n".join(rows)


def table(row: Op, ops: OpTable) -> str:
    """What an operator gives at its points, as a table; empty for one of which there is nothing to say."""
    # A name is the value itself.
    if row.name == "name":
        return ""
    blocks: dict[tuple[tuple[int, ...], int], list[Entry]] = {}
    for entry in entries(row, ops):
        blocks.setdefault((entry.point.constant, len(entry.point.operands)), []).append(entry)
    return "\n".join(_block(_names(row, count, constant), row, found) for (constant, count), found in blocks.items())


def _names(row: Op, count: int, constant: tuple[int, ...]) -> list[str]:
    names = list(_NAMES[:count])
    # As its derivative is written: `d atan2(y, x) = …`.
    line = (row.gradient or "").splitlines()[-1:]
    if line and (call := re.match(r"d \w+\(([^)]*)\) *=", line[0])):
        names = call[1].split(", ")
    elif row.name == "select":
        names = ["c", "x", "y"]
    return ["c" if at in constant else name for at, name in enumerate(names)]


def _call(row: Op, names: Sequence[str]) -> str:
    if row.functions or not row.symbol:
        if row.symbol and len(names) == 2:
            return f"{names[0]} {row.symbol} {names[1]}"
        return f"{row.functions[0] if row.functions else row.name}({', '.join(names)})"
    return f"{names[0]} {row.symbol} {names[1]}" if len(names) == 2 else f"{row.symbol}{names[0]}"


def _block(names: Sequence[str], row: Op, found: Sequence[Entry]) -> str:
    head = [", ".join(names), "value", "derivative", "second", "why"]
    lines = [
        [
            ", ".join(map(_text, entry.point.operands)),
            _text(entry.value),
            # The sign of a zero is no promise of a derivative.
            ", ".join(_text(each, signed=False) for each in entry.first),
            ", ".join(_text(each, signed=False) for each in entry.second),
            entry.point.reason,
        ]
        for entry in found
    ]
    kept = [at for at in range(5) if any(line[at] for line in lines)]
    widths = [max(len(line[at]) for line in [head, *lines]) for at in range(4)]
    left = sum(widths[at] + 2 for at in kept if at < 4) + 4
    title = _call(row, names) + (", c a constant" if "c" in names and row.name != "select" else "")
    rows = [title, ""]
    if left + _REASON > _WIDTH:
        return "\n".join([*rows, *_stacked(head, lines)]) + "\n"
    for line in [head, *lines]:
        reasons = textwrap.wrap(line[4], _WIDTH - left, break_on_hyphens=False) if 4 in kept else []
        cells = [line[at].ljust(widths[at]) for at in kept if at < 4]
        rows.append(("    " + "  ".join([*cells, *reasons[:1]])).rstrip())
        rows += [" " * left + more for more in reasons[1:]]
    return "\n".join(rows) + "\n"


def _stacked(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """The entries one below the other, for arrays that are too long to stand side by side."""
    widest = max(map(len, head[1:]))
    for number, line in enumerate(lines):
        if number:
            yield ""
        for at, (title, cell) in enumerate(zip(head, line, strict=True)):
            indent = " " * 4 if not at else f"{'':8}{title:{widest}}  "
            for part in textwrap.wrap(cell, _WIDTH - len(indent), break_on_hyphens=False):
                yield indent + part
                indent = " " * len(indent)


def _text(value: Any, signed: bool = True) -> str:
    """A number in few digits, an array as it is written in programs."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_text(each, signed) for each in value)}]"
    if hasattr(value, "tolist"):
        return _text(value.tolist(), signed)
    return f"{value if signed else value + 0.0:.6g}"
