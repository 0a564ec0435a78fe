"""Which rewrite rules fired as a program was compiled, on what, and where that stands in its text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from gradc import driver
from gradc.backends.expression import Printer
from gradc.explain.renamed import Renamed, atom
from gradc.rules.rewrite import Firing
from gradc.source import width

if TYPE_CHECKING:
    from gradc.model import Model
    from gradc.source import Span

_LONGEST: Final = 60
# Stands for the node that was never made.
_GONE: Final = -1


@dataclass(frozen=True)
class Rewrite:
    """A rule that fired: its name and class, the formula before and after, and where the former is written.

    ``span`` is None for what no text made. ``derivative`` says that the formula belongs to an adjoint or a tangent,
    whose span is that of the operation that was differentiated. ``times`` counts equal ones.
    """

    rule: str
    kind: str
    before: str
    after: str
    span: Span | None
    derivative: bool
    times: int = 1

    def to_dict(self) -> dict[str, Any]:
        """The facts as plain values, for JSON."""
        span = self.span
        return {
            "rule": self.rule,
            "class": self.kind,
            "before": self.before,
            "after": self.after,
            "derivative": self.derivative,
            "times": self.times,
            "file": span.file if span else None,
            "line": span.line if span else None,
            "column": span.column if span else None,
            "end": span.column + span.length if span else None,
        }


@dataclass(frozen=True)
class Rewrites(Sequence[Rewrite]):
    """What fired, in the order of the text, then in that of firing; ``str()`` is the page for people."""

    found: tuple[Rewrite, ...]

    def __getitem__(self, at: Any) -> Any:
        return self.found[at]

    def __len__(self) -> int:
        return len(self.found)

    def to_dict(self) -> dict[str, Any]:
        """The facts as plain values, for JSON."""
        return {"rewrites": [each.to_dict() for each in self.found]}

    def text(self) -> str:
        """A line for each rewrite: place, class, name, formulas."""
        if not self.found:
            return "no rewrite rule fired\n"
        rows = []
        for each in self.found:
            notes = ["in a derivative"] * each.derivative + [f"{each.times} times"] * (each.times > 1)
            formulas = f"{each.before} → {each.after}"
            rows.append((str(each.span or ""), each.kind, each.rule, formulas, ", ".join(notes)))
        wide = [max(width(row[at]) for row in rows) for at in range(5)]
        lines = [
            "    ".join(f"{cell}{' ' * (w - width(cell))}" for cell, w in zip(row, wide, strict=True)) for row in rows
        ]
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def __str__(self) -> str:
        return self.text()


def rewrites(model: Model) -> Rewrites:
    """The rules that fire as the model is compiled with its options."""
    record: list[Firing] = []
    driver.optimise(model.graph, model.options, fired=record)
    counted: dict[Rewrite, int] = {}
    for each in map(_told, record):
        counted[each] = counted.get(each, 0) + 1
    files = {source.name: at for at, source in enumerate(model.sources)}

    def place(each: Rewrite) -> tuple[int, int, int]:
        span = each.span
        return (files.get(span.file, len(files)), span.line, span.column) if span else (len(files) + 1, 0, 0)

    found = [replace(each, times=times) for each, times in counted.items()]
    return Rewrites(tuple(sorted(found, key=place)))


def _told(firing: Firing) -> Rewrite:
    builder = firing.builder
    names: dict[int, dict[str, Any]] = {}
    for name, node in builder.names.items():
        # What the pattern looked into is written out, and so is what has no name in formulas anyway.
        if node not in firing.matched and builder.op(node) not in ("input", "const"):
            names.setdefault(node, atom(name, builder.type(node)))
    known = _below(firing)
    if firing.node not in known:
        names.pop(firing.node, None)
    gone = {"op": firing.op, "operands": firing.operands, "type": builder.type(firing.node)}
    printer = Printer(Renamed(builder, {**names, _GONE: gone}), pretty=True, atoms=names)
    before, after = (printer.text(node, limit=_LONGEST) for node in (_GONE, firing.node))
    return Rewrite(firing.rule, firing.kind, before, after, firing.span, firing.derived)


def _below(firing: Firing) -> set[int]:
    """What the pattern's variables stand for: these keep their names on the right side too."""
    builder = firing.builder
    leaves: Iterable[int] = firing.operands
    for node in firing.matched:
        leaves = (*leaves, *builder.operands(node))
    return set(leaves) - set(firing.matched)


__all__ = ["Rewrite", "Rewrites", "rewrites"]
