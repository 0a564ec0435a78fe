"""Pictures as DOT text: what a diagram shows, and the one place that knows how it looks.

A ``Picture`` holds boxes, arrows and texts by their roles; ``to_dot`` gives them colours and hands them to the
``graphviz`` package. Whatever stands in a text is escaped here, so a name cannot become an attribute or a tag.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gradc.backends.textwidth import width

FONT: Final = "Helvetica"
INK: Final = "#1e293b"
QUIET: Final = "#64748b"
FAINT: Final = "#94a3b8"
ADJOINT: Final = "#b45309"
# Arrows inside the adjoint part, and those that bring it values from the forward part.
BACKWARD: Final = "#fb923c"
CARRIED: Final = "#cbd5e1"
# One colour a path, in the order of the paths; a shared arrow has all of its colours side by side.
PATHS: Final = ("#be185d", "#0f766e", "#4338ca", "#a16207")

# Fill, border and style of a box.
_BOXES: Final[Mapping[str, tuple[str, str, str]]] = {
    "input": ("#ffffff", "#475569", "rounded,filled,dashed"),
    "param": ("#fef3c7", "#b45309", "rounded,filled"),
    "output": ("#e0e7ff", "#4338ca", "rounded,filled"),
    "name": ("#f8fafc", "#475569", "rounded,filled"),
    "step": ("#ffffff", "#cbd5e1", "rounded,filled"),
    "adjoint": ("#fffbf5", "#fdba74", "rounded,filled"),
    "derivative": ("#ffedd5", "#c2410c", "rounded,filled"),
    # A block of statements has corners.
    "region": ("#f1f5f9", "#475569", "filled"),
    "backwards": ("#fffbf5", "#ea580c", "filled"),
    "more": ("#ffffff", "#ffffff", "rounded,filled"),
    "notice": ("#fefce8", "#eab308", "filled,dashed"),
}
_LEGEND: Final[Mapping[str, str]] = {
    "input": "input",
    "param": "param",
    "name": "named value",
    "step": "unnamed step",
    "region": "loop or branch",
    "output": "output",
    "adjoint": "adjoint step",
    "backwards": "adjoint of a loop or branch",
    "derivative": "derivative",
}
# Border of a frame around a comprehension.
_GROUP: Final = "#94a3b8"
# Background and border of a cluster.
_CLUSTERS: Final[Mapping[str, tuple[str, str]]] = {
    "forward": ("#f8fafc", "#e2e8f0"),
    "adjoint": ("#fff7ed", "#fed7aa"),
}


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text in one style; in ``INK`` it has the colour of its surroundings."""

    text: str
    bold: bool = False
    color: str = INK
    size: float = 11


Line = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """A node of the picture; ``role`` is what it is in the program, ``cluster`` the part that it stands in.

    An ``id`` holds no colon: the graphviz package would take what stands behind it for a port.
    """

    id: str
    lines: tuple[Line, ...]
    role: str
    cluster: str | None = None
    # Whether it holds statements, whose lines begin at the left.
    code: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge of the picture. ``colors`` are those of the paths that run along it, ``dotted`` one that stands for
    others.
    """

    tail: str
    head: str
    lines: tuple[Line, ...] = ()
    colors: tuple[str, ...] = ()
    dotted: bool = False
    # A colour for one that no path runs along.
    tint: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Boxes that stand in a frame, all of them in one ``cluster``, with what it says."""

    boxes: tuple[str, ...]
    lines: tuple[Line, ...]
    cluster: str | None = None


@dataclass(frozen=True)
class Picture:
    """All that a diagram shows: ``title`` above, ``caption`` and a legend of the roles that occur below."""

    name: str
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]
    title: tuple[Line, ...] = ()
    caption: str = ""
    # What the quiet numbers, the coloured texts and the thick arrows mean, each with a sample in its colour.
    keys: tuple[tuple[str, str, str], ...] = ()
    clusters: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[Group] = ()


_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def escape(text: str) -> str:
    """``text`` as the content of an HTML-like label: nothing in it is a tag, an entity or an escape sequence."""
    shown = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    # A backslash begins a sequence such as \N, also where it is written as an entity.
    return html.escape(shown).replace("\\", "\\\\")


def _run(run: Run, size: float, *, mixed: bool = False) -> str:
    content = escape(run.text)
    styles = f' point-size="{run.size:g}"' if run.size != size else ""
    styles += f' color="{run.color}"' if run.color != INK else ""
    if mixed and not run.bold:
        # A piece in one style stands lower than one with another style in it, and so lower than a bold one.
        head, tail = run.text[:1], run.text[1:] or " "
        content = f'<font color="{run.color}">{escape(head)}</font>{escape(tail)}'
        if not head.isascii():
            # The engine would leave a gap behind it, for it does not know how wide it is.
            content = f'{escape(run.text)}<font color="{run.color}"> </font>'
    if styles:
        content = f"<font{styles}>{content}</font>"
    return f"<b>{content}</b>" if run.bold else content


def _cell(line: Line, size: float, fill: int = 0) -> str:
    """One line of text as a cell; with ``fill`` it begins at the left and is as wide as that.

    A line of more than ASCII is a table of its own whose cells state their widths, one for each style: the next one
    would else begin where the engine believes that the one before it ends. The break holds the text to the left of its
    cell, as it would be centred by what the engine believes of its width.
    """
    if not fill and all(run.text.isascii() for run in line):
        return f"<td>{''.join(_run(run, size) for run in line)}</td>"
    cells = []
    wide = 0
    line = _merged(line)
    for at, run in enumerate(line):
        # Rounded down, so that every cell is a little too low for its text and all are treated alike.
        needed, high = math.ceil(width(run.text, run.size, run.bold)), math.floor(run.size * 1.2)
        if at == len(line) - 1:
            needed = max(needed, fill - wide)
        wide += needed
        content = _run(run, size, mixed=any(other.bold for other in line))
        side = ' align="left"' if fill else ""
        cells.append(f'<td{side} width="{needed}" height="{high}">{content}<br align="left"/></td>')
    # It keeps its size where other lines are wider: what is left over would else stand between the pieces.
    high = max(math.floor(run.size * 1.2) for run in line)
    sides = f' width="{wide}" height="{high}"'
    return f"<td>{_table([cells], size=sides)}</td>"


def _merged(line: Line) -> Line:
    """The line with neighbours in one style as one piece."""
    found: list[Run] = []
    for run in line:
        if found and (found[-1].bold, found[-1].color, found[-1].size) == (run.bold, run.color, run.size):
            found[-1] = replace(run, text=found[-1].text + run.text)
        else:
            found.append(run)
    return tuple(found)


def _table(rows: Iterable[Sequence[str]], spacing: int = 0, padding: int = 0, size: str = "") -> str:
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    sides = f'border="0" cellborder="0" cellspacing="{spacing}" cellpadding="{padding}"'
    return f"<table{size} {sides}>{body}</table>"


def label(lines: Iterable[Line], size: float = 11, spacing: int = 0, *, code: bool = False) -> str:
    """Lines of text as a label, each one centred; those of a block of statements begin at the left."""
    lines = list(lines)
    fill = 0
    if code:
        fill = max(sum(math.ceil(width(run.text, run.size, run.bold)) for run in _merged(line)) for line in lines)
    return f"<{_table([[_cell(line, size, fill)] for line in lines], spacing)}>"


def _below(picture: Picture) -> str:
    """Legend and caption."""
    cells: list[str] = []
    gap = '<td width="6"></td>'

    def entry(swatch: str, text: str) -> None:
        cells.append(f"{swatch}{_cell((Run(text, color=QUIET, size=9),), 11)}{gap}")

    roles = {box.role for box in picture.boxes}
    for role, text in _LEGEND.items():
        if role in roles:
            fill, border, style = _BOXES[role]
            shape = "rounded,dashed" if "dashed" in style else "rounded"
            entry(
                f'<td><table border="1" cellborder="0" cellspacing="0" cellpadding="0" fixedsize="true" width="15" '
                f'height="9" color="{border}" bgcolor="{fill}" style="{shape}"><tr><td></td></tr></table></td>',
                text,
            )
    for sample, color, text in picture.keys:
        entry(_cell((Run(sample, color=color, size=9),), 11), text)
    if picture.caption:
        cells.append(_cell((Run(picture.caption, color=FAINT, size=9),), 11))
    return f"<{_table([cells], spacing=3)}>" if cells else ""


def to_dot(picture: Picture) -> str:
    """The picture as DOT text; equal pictures give equal text."""
    import graphviz

    below = _below(picture)
    graph = graphviz.Digraph(
        picture.name,
        graph_attr={
            "rankdir": "LR",
            "bgcolor": "white",
            "fontname": FONT,
            "fontsize": "11",
            "fontcolor": INK,
            "nodesep": "0.3",
            "ranksep": "0.6",
            "pad": "0.1",
            "newrank": "true",
            **({"label": below, "labelloc": "b", "labeljust": "c"} if below else {}),
        },
        node_attr={
            "fontname": FONT,
            "fontsize": "11",
            "fontcolor": INK,
            "shape": "box",
            "penwidth": "1.1",
            "margin": "0.12,0.06",
        },
        edge_attr={
            "fontname": FONT,
            "fontsize": "10",
            "fontcolor": "#334155",
            "color": FAINT,
            "arrowsize": "0.7",
        },
    )
    # The title stands above in a frame of its own, so that legend and caption can stand below.
    frame: Any = graphviz.Digraph("cluster_picture") if picture.title else graph
    if picture.title:
        # The engine lets labels of arrows come close to the frame, so there is an empty line between.
        frame.attr(label=label([*picture.title, (Run(" "),)]), labelloc="t", peripheries="0", margin="4")
    parts: dict[str | None, Any] = {None: frame}
    for key, text in picture.clusters.items():
        back, border = _CLUSTERS[key]
        part = parts[key] = graphviz.Digraph(f"cluster_{key}")
        part.attr(
            label=label([(Run(text, color=QUIET, size=10),)]),
            labeljust="l" if key == "forward" else "r",
            labelloc="t" if key == "forward" else "b",
            style="rounded,filled",
            fillcolor=back,
            color=border,
            margin="10",
        )
    frames: dict[str, Any] = {}
    grouped = []
    for number, group in enumerate(picture.groups):
        inner = graphviz.Digraph(f"cluster_group{number}")
        inner.attr(
            label=label(group.lines),
            labeljust="l",
            labelloc="t",
            style="rounded",
            color=_GROUP,
            margin="8",
            peripheries="1",
        )
        frames.update(dict.fromkeys(group.boxes, inner))
        grouped.append((parts[group.cluster], inner))
    for box in picture.boxes:
        fill, border, style = _BOXES[box.role]
        part = frames.get(box.id, parts[box.cluster])
        part.node(box.id, label(box.lines, code=box.code), fillcolor=fill, color=border, style=style)
    for part, inner in grouped:
        part.subgraph(inner)
    for key in picture.clusters:
        frame.subgraph(parts[key])
    for arrow in picture.arrows:
        frame.edge(arrow.tail, arrow.head, **_arrow(arrow))
    if frame is not graph:
        graph.subgraph(frame)
    source: str = graph.source
    return source


def _arrow(arrow: Arrow) -> dict[str, str]:
    attributes: dict[str, str] = {}
    if arrow.lines:
        attributes["label"] = label(arrow.lines, 10, spacing=3)
    if arrow.tint:
        attributes["color"] = arrow.tint
    if arrow.colors:
        attributes |= {"color": ":".join(arrow.colors), "penwidth": "2"}
    if arrow.dotted:
        attributes |= {"style": "dotted", "arrowhead": "none"}
    return attributes
