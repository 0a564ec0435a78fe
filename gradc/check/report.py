"""What a check has found: entries with their verdicts, comparisons, faults; and how that reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gradc.errors import Diagnostic

Verdict = Literal["right", "wrong", "noise", "undefined", "unchecked"]

SAID: Final[Mapping[str, str]] = {
    "right": "right",
    "wrong": "WRONG",
    "noise": "noise too high to say",
    "undefined": "no derivative here",
    "unchecked": "not checked",
}
# More entries are not listed one by one.
_LISTED: Final = 40


@dataclass(frozen=True)
class Entry:
    """One derivative at one point: what the compiled program gives and what it should be.

    ``reference`` was found by ``method``; the two may differ by ``bound`` for rounding alone. ``wrt`` names one element
    of an array as in ``w[2, 0]``, or a whole array of which a random combination was checked.
    """

    of: str
    wrt: str
    value: float
    reference: float
    bound: float
    verdict: Verdict
    method: str
    note: str = ""

    @property
    def error(self) -> float:
        """How far the two are apart."""
        return 0.0 if self.value == self.reference else abs(self.value - self.reference)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found = {name: getattr(self, name) for name in ("of", "wrt", "value", "reference", "error", "bound", "verdict")}
        return {**found, "method": self.method, "note": self.note}


@dataclass(frozen=True)
class Comparison:
    """Another way to the same results: forward mode, another level, another backend."""

    name: str
    verdict: Literal["agrees", "differs", "unavailable"]
    worst: float = 0.0
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"name": self.name, "verdict": self.verdict, "worst": self.worst, "note": self.note}


@dataclass(frozen=True)
class Accuracy:
    """How many units in the last place a result is off, and how much of that is the problem's own doing.

    ``condition`` is by how much more than the inputs the result changes, relatively, when these change: an error of so
    many units is what rounding the inputs alone does. ``place`` is where the digits are lost if it is more.
    """

    name: str
    value: float
    exact: str
    ulps: float
    condition: float
    verdict: Literal["accurate", "ill-conditioned", "loses digits", "unknown"]
    place: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        names = ("name", "value", "exact", "ulps", "condition", "verdict", "place")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Point:
    """What was found at one point: ``at`` are the numbers among the inputs."""

    at: Mapping[str, Any]
    values: Mapping[str, float]
    entries: Sequence[Entry]
    orders: Mapping[str, float | None]
    comparisons: Sequence[Comparison]
    accuracy: Sequence[Accuracy] = ()
    notes: Sequence[str] = ()
    checked: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        wrong = any(entry.verdict == "wrong" for entry in self.entries)
        return not wrong and all(each.verdict != "differs" for each in self.comparisons)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found: dict[str, Any] = {
            "at": dict(self.at),
            "values": dict(self.values),
            "entries": [entry.to_dict() for entry in self.entries],
            "taylor_order": dict(self.orders),
            "comparisons": [each.to_dict() for each in self.comparisons],
            "notes": list(self.notes),
        }
        if self.accuracy:
            found["accuracy"] = [each.to_dict() for each in self.accuracy]
        return found


@dataclass(frozen=True)
class Check:
    """The result of ``model.check()``. It prints as the report of ``gradc check``; ``ok`` is whether nothing is wrong.

    ``faults`` are diagnostics: which local gradient is at fault, and where it stands.
    """

    name: str
    of: Sequence[str]
    wrt: Sequence[str]
    points: Sequence[Point]
    faults: Sequence[Diagnostic] = field(default_factory=tuple)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults and all(point.ok for point in self.points)

    @property
    def entries(self) -> list[Entry]:
        """The derivatives of all points."""
        return [entry for point in self.points for entry in point.entries]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "ok": self.ok,
            "of": list(self.of),
            "wrt": list(self.wrt),
            "points": [point.to_dict() for point in self.points],
            "faults": [each.as_dict() for each in self.faults],
        }

    def text(self) -> str:
        """The report, without the faults, which are diagnostics of their own."""
        shown = [point for at, point in enumerate(self.points) if at == 0 or not _plain(point)]
        rows: list[str] = []
        for at, point in enumerate(shown[:8]):
            rows += [*([""] if at else []), *_of_point(point)]
        if len(shown) > 8:
            rows += ["", f"… and {len(shown) - 8} points more of which there is something to say"]
        rows += ["", self.summary()] if rows else [self.summary()]
        return "\n".join(rows)

    def summary(self) -> str:
        """What there is to say in one line."""
        counts = dict.fromkeys(SAID, 0)
        for point in self.points:
            for entry in point.entries:
                counts[entry.verdict] += 1
            # Those of which a combination was checked are more than one.
            counts["right"] += max(point.checked - len(point.entries), 0)
        places = len(self.points)
        words = {**SAID, "wrong": "wrong", "undefined": "undefined"}
        told = [f"{count} {words[verdict]}" for verdict, count in counts.items() if count]
        apart = sum(each.verdict == "differs" for point in self.points for each in point.comparisons)
        if apart:
            told.append(f"{apart} {'comparison differs' if apart == 1 else 'comparisons differ'}")
        where = "at one point" if places == 1 else f"at {places} points"
        return f"{'ok' if self.ok else 'WRONG'}: {', '.join(told) or 'nothing to check'} {where}"

    def __str__(self) -> str:
        from gradc.errors import render

        return "\n\n".join([self.text(), *map(render, self.faults)])


def _plain(point: Point) -> bool:
    """Whether nothing at a point is worth a word, if others are like it."""
    if any(each.verdict == "loses digits" for each in point.accuracy):
        return False
    return point.ok and not point.notes and all(e.verdict == "right" and not e.note for e in point.entries)


def number(value: float, digits: int = 10) -> str:
    """A number in so many digits: what is checked is not told apart by more."""
    if not math.isfinite(value):
        return str(value)
    text = f"{value:.{digits}g}"
    return text.replace("e+", "e") if "e" in text else text


def size(value: float) -> str:
    """An error, which nobody reads to more than two digits."""
    return "0" if value == 0 else f"{value:.2g}".replace("e+", "e").replace("e-0", "e-")


def _of_point(point: Point) -> list[str]:
    rows: list[str] = []
    if point.at:
        listed = ", ".join(
            f"{name} = {number(value) if isinstance(value, float) else value}" for name, value in point.at.items()
        )
        rows.append(f"at {listed}")
    rows += _table([("", "compiled", "numerical", "apart", "verdict"), *map(_row, _chosen(point.entries))])
    left = len(point.entries) - len(_chosen(point.entries))
    if left > 0:
        rows.append(f"  … and {left} more, all right")
    methods = dict.fromkeys(entry.method for entry in point.entries if entry.method)
    facts = [("by", ", ".join(methods))] if methods else []
    for name, order in point.orders.items():
        said = "no remainder above rounding" if order is None else f"of order {order:.2f}"
        facts.append((f"Taylor remainder of {name}" if len(point.orders) > 1 else "Taylor remainder", said))
    agree = [each.name for each in point.comparisons if each.verdict == "agrees"]
    if agree:
        facts.append(("agree", ", ".join(agree)))
    for each in point.comparisons:
        if each.verdict == "differs":
            facts.append(("DIFFERS", f"{each.name}, by {size(each.worst)}{': ' + each.note if each.note else ''}"))
        elif each.note:
            facts.append((each.name, each.note))
    width = max((len(name) for name, _ in facts), default=0)
    if facts:
        rows += ["", *(f"  {name:<{width}}  {text}" for name, text in facts)]
    if point.accuracy:
        rows += ["", *_of_accuracy(point.accuracy)]
    if point.notes:
        rows += ["", *(f"  note: {note}" for note in point.notes)]
    return rows


def _chosen(entries: Sequence[Entry]) -> list[Entry]:
    """Those that are listed: all of a few, else those that are not simply right and some others."""
    if len(entries) <= _LISTED:
        return list(entries)
    told = [at for at, entry in enumerate(entries) if entry.verdict != "right" or entry.note]
    shown = {*told[:_LISTED], *range(max(0, 8 - len(told)))}
    return [entry for at, entry in enumerate(entries) if at in shown]


def _row(entry: Entry) -> tuple[str, ...]:
    said = SAID[entry.verdict] + (f": {entry.note}" if entry.note else "")
    return f"∂{entry.of}/∂{entry.wrt}", number(entry.value), number(entry.reference), size(entry.error), said


def _of_accuracy(found: Sequence[Accuracy]) -> list[str]:
    head = ("", "compiled", "exact", "ulps", "condition", "")
    rows = [(a.name, number(a.value, 17), a.exact, size(a.ulps), size(a.condition), a.verdict) for a in found]
    places = dict.fromkeys(each.place for each in found if each.place)
    return [*_table([head, *rows]), *(f"  {place}" for place in places)]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append("  " + "    ".join([*cells, row[-1]]).rstrip())
    return lines
