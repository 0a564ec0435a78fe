"""Puts a diagram together: which boxes and arrows there are, what stands in them, and which paths are coloured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from gradc.backends.blocks import REGIONS
from gradc.backends.dot import (
    ADJOINT,
    BACKWARD,
    CARRIED,
    FAINT,
    INK,
    PATHS,
    QUIET,
    Arrow,
    Box,
    Group,
    Line,
    Picture,
    Run,
)
from gradc.backends.expression import ELLIPSIS
from gradc.backends.sketch import Sketch
from gradc.errors import CallError, Diagnostic
from gradc.explain import regions
from gradc.explain.annotate import STEP, Notes
from gradc.explain.flow import Flow, factor
from gradc.explain.known import known
from gradc.explain.summary import family, rows, short

if TYPE_CHECKING:
    from gradc.explain.draw import Subject

# An input with more arrows than this is drawn at each of its uses, as its arrows would cross the whole picture.
USES: Final = 6
# A derivative with a longer text is written row by row if it is a matrix.
WRAPPED: Final = 44
# A title with a longer sum of products says only how many there are.
WIDEST: Final = 110


class Composer:
    """Puts a picture together."""

    def __init__(
        self,
        subject: Subject,
        level: str,
        values: Mapping[str, Any] | None,
        focus: str | None,
        depth: int | None,
        limit: int,
    ) -> None:
        self.subject = subject
        self.graph = subject.graph
        self.sketch = sketch = Sketch(subject.graph, level, subject.roots)
        if focus is None:
            self.boxes = sketch.nearest(limit)
        else:
            at = sketch.home(subject.node(subject.model.variables(focus)[0]))
            self.boxes = sketch.around(at, depth, limit)
        self.cut = len(self.boxes) < sketch.total
        self.full = len(self.boxes) >= limit
        self.visible = set(self.boxes)
        self.focused = focus is not None
        self.hubs = self._hubs()
        of = subject.find(subject.of[0]) if len(subject.of) == 1 else None
        of = of if of in sketch.live else None
        wrt = [node for name in subject.wrt if (node := subject.find(name)) is not None and node in sketch.live]
        # A graph may have lost none of the inputs, so they are in the order of the model's.
        needed = {
            node for node, at in zip(subject.model.graph.inputs, self.graph.inputs, strict=True) if at in sketch.live
        }
        inputs = known(subject.model, values, needed)
        self.notes = Notes(sketch, self.boxes, of, wrt, inputs, subject.model.options.limits)
        # Colours by the number of an edge of the network, and what stands above the picture.
        self.colors: dict[int, list[str]] = {}
        self.title: list[Line] = []
        self.keys: list[tuple[str, str, str]] = []
        self.ids: dict[int, str] = {}
        self.steps = 0
        # The outputs that a box is.
        self.results: dict[int, list[str]] = {}
        for name, node in subject.graph.outputs:
            self.results.setdefault(sketch.home(node), []).append(name)

    def _hubs(self) -> set[int]:
        """The inputs that are drawn at each of their uses."""
        uses: dict[int, int] = {}
        for box in self.boxes:
            for home, _ in self.sketch.tails(box):
                if self.graph.op(home) == "input":
                    uses[home] = uses.get(home, 0) + 1
        return {box for box, count in uses.items() if count > USES}

    # Paths ---------------------------------------------------------------------------------------------------------

    def highlight(self, name: str, count: int | None) -> None:
        """Colour the ways from a name: each path in its own colour where they are few."""
        notes, node = self.notes, self.subject.find(name)
        of = self.subject.of[0] if len(self.subject.of) == 1 else None
        if node is None or of is None or notes.of is None or not notes.whole:
            return
        total = notes.count(node)
        part = self.subject.parts.get(name)
        name = name if part is None else part.text
        head = [Run(f"∂{of}/∂{name}", bold=True)]
        if total == 0:
            self.title.append((Run(f"{of} does not depend on {name}"),))
            return
        value = notes.adjoint(node) if node != notes.of else 1.0
        if part is not None and value is not None:
            value = part.of(value, {} if notes.inputs is None else notes.inputs.sizes)
        if value is not None:
            head = [Run(f"∂{of}/∂{name} = {short(value)}", bold=True)]
        few = total <= len(PATHS)
        for rank, path in enumerate(notes.best(node, count or len(PATHS)) if few or count else ()):
            for index in path:
                self.colors.setdefault(index, []).append(PATHS[rank])
        if few and count is None:
            paths = notes.best(node, total)
            if part is None:
                self.title.append(self._sum_of_maps(head, paths) if notes.net.arrays else self._sum(head, paths))
            else:
                self.title.append((*head, Run(f"  the sum over {_many(total)} paths")) if total > 1 else tuple(head))
            return
        if count is None:
            edges, _ = notes.on_ways([node, notes.of])
            self.colors = {index: [PATHS[0]] for index in edges}
        self.title.append((*head, Run(f"  {'the largest of' if count else 'the sum over'} {_many(total)} paths")))

    def _sum_of_maps(self, head: list[Run], paths: list[list[int]]) -> Line:
        """The derivative over arrays as the sum over its paths, where it is short."""
        line, length = list(head), 0
        for rank, path in enumerate(paths):
            text = self.notes.contribution(path, WIDEST)
            length += len(text or "") + 5
            if text is None or length > WIDEST:
                return (*head, Run(f"  the sum over {len(paths)} paths")) if len(paths) > 1 else tuple(head)
            line += [Run("  =  " if rank == 0 else "  +  "), Run(text, color=PATHS[rank])]
        return tuple(line)

    def _sum(self, head: list[Run], paths: list[list[int]]) -> Line:
        """The derivative as the sum over its paths, each in its colour."""
        known = bool(self.notes.factors)
        line = list(head)
        products: list[str] = []
        length = 0
        for rank, path in enumerate(paths):
            flows = [self.notes.flow(index) for index in path if index not in self.notes.inner]
            terms = [self._term(flow) for flow in flows]
            live = not any(flow.cut for flow in flows)
            if not live and not all(math.isfinite(flow.value or 0.0) for flow in flows):
                # As a product it would be 0 times infinity.
                terms = ["0"]
            line.append(Run("  =  " if rank == 0 else "  +  "))
            line.append(Run(" · ".join(terms) or "1", color=PATHS[rank]))
            length += sum(map(len, terms)) + 3 * len(terms)
            products.append(short(math.prod(flow.value or 0.0 for flow in flows) if live else 0.0))
        if length > WIDEST:
            return (*head, Run(f"  the sum over {len(paths)} paths")) if len(paths) > 1 else tuple(head)
        if known and len(paths) == 1 and len(paths[0]) <= 1:
            return tuple(head)
        if known and len(paths) > 1:
            text = products[0] + "".join(f" - {p[1:]}" if p.startswith("-") else f" + {p}" for p in products[1:])
            line.append(Run(f"  =  {text}"))
        return tuple(line)

    @staticmethod
    def _term(flow: Flow) -> str:
        if flow.cut:
            return "0"
        return factor(flow.text if flow.value is None else short(flow.value))

    def highlight_path(self, stations: Sequence[str]) -> None:
        """Colour the ways through the given names, in their order."""
        nodes = [self.subject.node(name) for name in stations]
        named = dict(zip(nodes, stations, strict=True))
        hidden = [name for node, name in named.items() if node not in self.notes.at]
        if hidden:
            raise self._no_path(f"`{hidden[0]}` is not shown")
        edges, gap = self.notes.on_ways(nodes)
        if gap is not None:
            raise self._no_path(f"no way leads from `{named[gap[0]]}` to `{named[gap[1]]}`")
        self.colors = {index: [PATHS[0]] for index in edges}
        self.keys.append(("—", PATHS[0], " → ".join(stations)))

    @staticmethod
    def _no_path(why: str) -> CallError:
        return CallError(Diagnostic("E0802", f"this path cannot be highlighted: {why}"))

    # The picture ---------------------------------------------------------------------------------------------------

    def picture(self, title: str | None) -> Picture:
        """All of it."""
        name = "gradc"
        boxes = [self._box(box) for box in self.boxes]
        arrows: list[Arrow] = []
        for box in self.boxes:
            arrows += self._arrows(box, boxes)
        if self.cut:
            boxes.insert(0, self._notice())
        titles = {"forward": "forward", "adjoint": f"adjoint of {', '.join(self.subject.of)}"}
        clusters = {key: text for key, text in titles.items() if any(box.cluster == key for box in boxes)}
        shown = [(Run(title, bold=True),)] if title else []
        if any(run.color == ADJOINT for box in boxes for line in box.lines for run in line):
            of = self.subject.of[0]
            self.keys.insert(0, (f"∂{of}", ADJOINT, f"derivative of {of}"))
        for hub in sorted(self.hubs & self.visible):
            self.keys.append((self._called(hub)[0], QUIET, "drawn at each of its uses"))
        caption = self.subject.caption
        groups = self._groups()
        return Picture(name, boxes, arrows, tuple(shown + self.title), caption, tuple(self.keys), clusters, groups)

    def _groups(self) -> tuple[Group, ...]:
        """The comprehensions of which more than one box is shown."""
        if self.sketch.level != "ops":
            return ()
        found = []
        for boxes in self.sketch.families.values():
            parts: dict[str | None, list[int]] = {}
            for box in boxes:
                if box in self.visible:
                    parts.setdefault(self._cluster(box), []).append(box)
            for cluster, members in parts.items():
                if len(members) > 1:
                    indices = {index for box in members for index in self.graph.type(box).free}
                    text = self.notes.ranges(sorted(indices, key=lambda index: index.name))
                    ids = tuple(self._id(box) for box in members)
                    found.append(Group(ids, ((Run(text, color=QUIET, size=9),),), cluster))
        return tuple(found)

    def _notice(self) -> Box:
        total = f"{self.sketch.total:,}".replace(",", "\N{NO-BREAK SPACE}")
        lines: tuple[Line, ...] = ((Run(f"showing {len(self.boxes)} of {total} nodes", size=10),),)
        if self.full:
            lines += ((Run("use --focus NAME --depth N", color=QUIET, size=9),),)
        return Box("notice", lines, "notice")

    def _id(self, box: int) -> str:
        """The name of the box in the DOT text, or its number in the graph."""
        found = self.ids.get(box)
        if found is None:
            name = self.notes.names.get(box) or self.graph.name(box) or ""
            if not name.isidentifier() or name == "notice" or name in self.ids.values():
                name = f"%{box}"
            found = self.ids[box] = name
        return found

    def _fresh(self) -> str:
        """v1, v2…, as far as the program has no such name."""
        while True:
            self.steps += 1
            name = f"v{self.steps}"
            if name not in self.graph.names:
                return name

    def _role(self, box: int) -> str:
        graph, core = self.graph, self.sketch.core(box)
        entry = graph.data[box]
        if entry["op"] == "input":
            return "param" if entry["attrs"]["kind"] == "param" else "input"
        if entry["op"] in REGIONS:
            return "backwards" if graph.adjoint_of(box) is not None and regions.derived(graph, box) else "region"
        names = self.results.get(box, [])
        if any(name in self.subject.shown for name in names):
            return "derivative"
        if names:
            return "output"
        if graph.adjoint_of(core) is not None:
            return "adjoint"
        return "name" if box in self.sketch.named else "step"

    def _called(self, box: int) -> list[str]:
        """What the box is called: its names, or the derivatives that it is."""
        graph = self.graph
        nodes = {box, self.sketch.core(box)} if self.sketch.home(self.sketch.core(box)) == box else {box}
        found = [label for node in sorted(nodes) for label in self.notes.derivatives.get(node, ())]
        found += [self.subject.shown[name] for name in self.results.get(box, ()) if name in self.subject.shown]
        if not found:
            if graph.name(box) and box in self.sketch.named:
                found.append(graph.name(box) or "")
            else:
                found += [name for node in sorted(nodes) for name in self.notes.all_names.get(node, ())]
        return list(dict.fromkeys(found))

    def _box(self, box: int) -> Box:
        notes = self.notes
        for home, _ in self.sketch.tails(box):
            hidden = home not in self.visible and self.graph.op(home) not in REGIONS
            if hidden and not self._called(home) and home in notes.at:
                notes.call(home, ELLIPSIS)
        role = self._role(box)
        if role in ("region", "backwards"):
            block = regions.code(notes, box)
            return Box(self._id(box), (*block, *regions.course(notes, box)), role, self._cluster(box), True)
        called = self._called(box)
        left, text = notes.statement(box)
        if not called and text is not None and len(text) > STEP and role in ("step", "adjoint"):
            name = self._fresh()
            notes.call(box, name)
            called = [name]
        label = ", ".join(called[:3]) + (", …" if len(called) > 3 else "")
        bold = role in ("param", "output", "derivative")
        runs = [Run(label, bold=bold)] if label else []
        if text is not None:
            if left and not label:
                # A table that has no name of its own.
                left, text = "", notes.text(box, table=True) or ""
            runs.append(Run(f"{left} = {text}" if label else text))
        if not runs:
            # A result of a loop that has no name.
            runs.append(Run(notes.statements.text(self.sketch.core(box), through=())))
        lines: list[Line] = [tuple(runs)]
        value = notes.value(box)
        free = bool(self.graph.type(box).free)
        if value is not None and short(value) != text:
            lines += [(Run(each, color=QUIET, size=10),) for each in ([family(value)] if free else rows(value))]
        elif value is None and role in ("input", "param", "output") and (dims := notes.shape(box)):
            lines.append((Run(dims, color=QUIET, size=10),))
        adjoint = None if self.subject.grad else notes.adjoint(box)
        if adjoint is not None:
            name = f"∂{self.subject.of[0]} = "
            one = family(adjoint) if free else short(adjoint)
            shown = [name + one] if len(one) <= WRAPPED else [name.rstrip(), *rows(adjoint)]
            lines += [(Run(each, color=ADJOINT, size=10),) for each in shown]
        return Box(self._id(box), tuple(lines), role, self._cluster(box))

    def _arrows(self, box: int, boxes: list[Box]) -> list[Arrow]:
        """The arrows into a box; one stands for all that come from boxes which are not shown."""
        here = self._id(box)
        found: list[Arrow] = []
        hidden = 0
        for home, node in self.sketch.tails(box):
            if home not in self.visible:
                hidden += 1
                continue
            tail = self._copy(home, here, boxes) if home in self.hubs else self._id(home)
            tint = self._tint(home, box)
            if self.graph.op(home) in REGIONS:
                found.append(self._out_of(home, node, box, tint))
                continue
            flows = self.notes.flows(node, box)
            dims = self.notes.shape(home)
            note: tuple[Line, ...] = ((Run(dims, color=QUIET, size=9),),) if dims else ()
            found += [self._arrow(tail, here, flow, tint, note) for flow in flows] or [
                Arrow(tail, here, note, tint=tint)
            ]
        if hidden:
            boxes.append(self._more(f"{here}‹", hidden, box))
            found.append(Arrow(f"{here}‹", here, dotted=True))
        if self.focused and box not in self.hubs:
            behind = sum(head not in self.visible for head in self.sketch.heads(box))
            if behind:
                boxes.append(self._more(f"{here}›", behind, box))
                found.append(Arrow(here, f"{here}›", dotted=True))
        return found

    def _out_of(self, region: int, node: int, box: int, tint: str) -> Arrow:
        """The arrow from a loop or a branch to what reads a result of it."""
        notes = self.notes
        named = bool(self._called(box)) and self.graph.op(self.sketch.core(box)) == "get"
        nodes = self.sketch.reads(box, region) if node == region else [node]
        texts = regions.reading(notes, nodes, named)
        flows = [] if node == region else notes.flows(node, box)
        lines = [text for flow in flows for text in flow.lines if text and not named]
        shown = tuple((Run(text, size=10),) for text in lines)
        shown += tuple((Run(text, color=QUIET, size=9),) for text in texts)
        passing = [*notes.passing(region, box), *(flow.index for flow in flows)]
        colors = dict.fromkeys(color for index in passing for color in self.colors.get(index, ()))
        return Arrow(self._id(region), self._id(box), shown, tuple(colors), False, tint)

    def _more(self, id: str, count: int, box: int) -> Box:
        return Box(id, ((Run(f"… {count} more", color=FAINT, size=9),),), "more", self._cluster(box))

    def _copy(self, hub: int, user: str, boxes: list[Box]) -> str:
        """A small box for an input that very many boxes use, beside one of these."""
        name = self._called(hub)[0]
        id = f"{self._id(hub)} {user}"
        boxes.append(Box(id, ((Run(name, size=10),),), self._role(hub), self._cluster(hub)))
        return id

    def _tint(self, tail: int, head: int) -> str:
        if self._cluster(head) != "adjoint":
            return ""
        return BACKWARD if self._cluster(tail) == "adjoint" else CARRIED

    def _cluster(self, box: int) -> str | None:
        return (
            ("adjoint" if self._role(box) in ("adjoint", "derivative", "backwards") else "forward")
            if self.subject.grad
            else None
        )

    def _arrow(self, tail: str, head: str, flow: Flow, tint: str, note: tuple[Line, ...]) -> Arrow:
        color = FAINT if flow.cut else INK
        lines = tuple((Run(text, color=color, size=10),) for text in flow.lines if text)
        return Arrow(tail, head, lines + note, tuple(self.colors.get(flow.index, ())), flow.cut, tint)


def _many(count: int) -> str:
    """A number of paths, which may be very large."""
    if count < 10**9:
        return f"{count:,}".replace(",", "\N{NO-BREAK SPACE}")
    return f"about 10^{len(str(count)) - 1}" if count >= 10**15 else f"{count:.3g}"
