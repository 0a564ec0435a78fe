"""Loops and branches as people write them: a head in the notation of the language, and below it the statements of the
body.

A body is a graph of its own whose inputs carry the names of what enters it. What one iteration gives is written as
assignments; where nothing in the body has a name, in an order in which each reads what it is meant to read.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from gradc.ir.graph import Graph, ancestors
from gradc.ir.region import Loop
from gradc.ir.types import TAPE
from gradc.ops import precedence

if TYPE_CHECKING:
    from gradc.backends.expression import Nodes, Piece, Printer

REGIONS: Final = frozenset({"for", "while", "branch"})
"""The operators that hold bodies."""

# Blocks further inside are written as `{ … }`.
_DEEP: Final = 3
# An operand without a name stands in the body by its text if that is short, else by the name that the body has for it.
_OPERAND: Final = 16
# More statements than this are never written.
_MOST: Final = 200
_TAIL: Final = "…"


def called(name: str) -> str:
    """The name of a body's input or output as people write it: ``∂y`` for the adjoint of y."""
    first, *rest = name.split(".")
    for part in rest:
        if part == "adjoint":
            first = f"∂{first}"
        elif part == "tangent":
            first = f"d{first}"
        elif part.isdecimal():
            first += part
    return first


def result_name(data: Mapping[str, Any], place: int) -> str:
    """What the result of a region at a place is called in its body."""
    attrs = data["attrs"]
    outputs = (attrs["then"] if data["op"] == "branch" else attrs["body"]).outputs
    return called(outputs[place][0]) if place < len(outputs) else "iterations"


class _View:
    """A body in which inputs carry the names or texts that the outside has for them."""

    def __init__(self, body: Graph, texts: Mapping[int, str]) -> None:
        given = {node: {**body.data[node], "name": text} for node, text in texts.items()}
        self.data: Mapping[int, Mapping[str, Any]] = ChainMap(given, body.data)  # type: ignore[arg-type]
        self.ops = body.ops
        self.names: Mapping[str, int] = dict.fromkeys(texts.values(), -1)


class Block:
    """One region of the graph that ``printer`` prints, in its style."""

    def __init__(self, printer: Printer, node: int, depth: int = 0) -> None:
        self.printer = printer.another()
        self.node = node
        self.depth = depth
        self.entry = self.printer.data[node]
        self.op: str = self.entry["op"]
        self.attrs: Mapping[str, Any] = self.entry["attrs"]
        self.operands: tuple[int, ...] = self.entry["operands"]
        self.pretty = printer.pretty

    # Heads ---------------------------------------------------------------------------------------------------------

    def head(self, limit: int) -> str:
        """``for t in 0..n``, ``while x > 1`` or ``if x > 1``."""
        if self.op == "branch":
            return f"if {self.printer.text(self.operands[0], limit=limit)}"
        loop = Loop.of(self.attrs)
        if loop.test is None:
            if loop.backwards and self.printer.data[self.operands[1]]["op"] == "get":
                # Those of a `while`, however many there were.
                return "for each iteration, backwards"
            start, stop = (self._bound(operand, limit) for operand in self.operands[:2])
            back = ", backwards" if loop.backwards else ""
            return f"for {called(loop.body.name(loop.body.inputs[0]) or 't')} in {start}..{stop}{back}"
        printer = self._inside(loop.test)
        return f"while {printer.text(loop.test.outputs[0][1], limit=limit)}"

    def _bound(self, node: int, limit: int) -> str:
        text = self.printer.text(node, limit=limit)
        return text if text.replace("_", "").isalnum() else f"({text})"

    def count(self) -> str:
        """The number of iterations as far as the text says it; empty where nothing does."""
        if self.op != "for":
            return ""
        start, stop = self.operands[:2]
        first, last = (self._integer(node) for node in (start, stop))
        if first is not None and last is not None:
            return str(max(0, last - first))
        if first == 0:
            return self.printer.text(stop, limit=_OPERAND)
        text = f"{self.printer.text(stop, limit=_OPERAND)} - {self._bound(start, _OPERAND)}"
        return "" if _TAIL in text else text

    def _integer(self, node: int) -> int | None:
        entry = self.printer.data[self.printer.behind(node, ())]
        return entry["attrs"]["value"] if entry["op"] == "const" else None

    # Statements ----------------------------------------------------------------------------------------------------

    def lines(self, limit: int, most: int = _MOST) -> list[str]:
        """The head and the statements below it, each at most so many characters; what is inside stands further in."""
        found: list[str] = []
        for depth, text in self._listed(limit):
            if len(found) >= most:
                found[-1] = f"{'  ' * max(1, depth)}{_TAIL}"
                break
            found.append("  " * depth + text)
        return found

    def line(self, limit: int) -> str:
        """All of it in one line, with braces."""
        text = ""
        open_braces, fresh = 0, True
        for depth, each in self._listed(limit):
            while open_braces > depth:
                text += " }"
                open_braces -= 1
                fresh = False
            if depth > open_braces:
                text += " { "
                open_braces += 1
            elif not fresh:
                text += " " if each.startswith("else") else "; "
            text += each
            fresh = False
            if len(text) > limit:
                return text[: max(0, limit - 1)].rstrip() + _TAIL
        return text + " }" * open_braces

    def _listed(self, limit: int) -> Iterable[tuple[int, str]]:
        """The lines with how far in they stand."""
        yield 0, self.head(limit)
        if self.op == "branch":
            yield from self._indented(self._statements(self.attrs["then"], limit))
            other = list(self._statements(self.attrs["other"], limit))
            if other and other[0][1].startswith("if ") and self._one_branch(other):
                yield 0, f"else {other[0][1]}"
                yield from other[1:]
            elif other:
                yield 0, "else"
                yield from self._indented(other)
            return
        yield from self._indented(self._statements(self.attrs["body"], limit))

    @staticmethod
    def _indented(lines: Iterable[tuple[int, str]]) -> Iterable[tuple[int, str]]:
        return ((depth + 1, text) for depth, text in lines)

    @staticmethod
    def _one_branch(lines: Sequence[tuple[int, str]]) -> bool:
        """Whether the lines are one block `if` and nothing else."""
        return all(depth > 0 or text.startswith("else") for depth, text in lines[1:])

    def _inside(self, body: Graph, shown: Collection[int] = ()) -> Printer:
        """A printer of a body, which stops at the nodes ``shown``."""
        texts = {node: self._input(body, place) for place, node in enumerate(body.inputs)}
        return self.printer.another(_View(body, texts), {*shown, *body.inputs})

    def _input(self, body: Graph, place: int) -> str:
        """What an input of a body is called in it."""
        name = called(body.name(body.inputs[place]) or "x")
        if self.op == "branch":
            operand = self.operands[1 + place]
        else:
            loop = Loop.of(self.attrs)
            if place <= loop.carried + loop.scanned:
                return name
            operand = self.operands[loop.first + place - 1]
        data = self.printer.data[operand]
        if data.get("name") or operand in self.printer.atoms or data["op"] == "get":
            return name
        text = self.printer.text(operand, limit=_OPERAND)
        if text.endswith(_TAIL):
            return name
        return text if text.replace("_", "").replace(".", "").isalnum() else f"({text})"

    def _statements(self, body: Graph, limit: int) -> Iterable[tuple[int, str]]:
        """The assignments of a body in an order in which they can be read one after the other."""
        if self.depth >= _DEEP:
            yield 0, _TAIL
            return
        results = self._results(body)
        needed = ancestors(body.data, [node for _, node, _ in results])
        derived = any("." in name for name, _ in body.outputs) or any("." in (body.name(n) or "") for n in body.inputs)
        # A derivative's body computes the iteration once more: only what comes of it is told.
        named = [n for n in sorted(needed) if body.op(n) == "name" and not derived]
        printer = self._inside(body, named)
        told = {(printer.data[node]["name"], node) for node in named}
        pending = [each for each in results if (each[0], each[1]) not in told]
        regions = [node for node in sorted(needed) if body.op(node) in REGIONS]
        for node in sorted([*named, *regions]):
            if node in regions:
                yield from Block(printer, node, self.depth + 1)._listed(limit)
                continue
            name = str(printer.data[node]["name"])
            value = body.operands(node)[0]
            if not self._given(printer, value, name):
                yield 0, self._assigned(printer, name, node, (node,), limit)
        yield from self._pending(printer, body, pending, limit)

    def _results(self, body: Graph) -> list[tuple[str, int, str]]:
        """What comes out of a body: its name, its node and the left side of its assignment; no tapes."""
        outputs = body.outputs
        if self.op == "branch":
            return [(called(name), node, called(name)) for name, node in outputs]
        loop = Loop.of(self.attrs)
        variable = called(body.name(body.inputs[0]) or "t")
        found = []
        for place, (name, node) in enumerate(outputs[: loop.carried + loop.collected]):
            own = called(name)
            found.append((own, node, own) if place < loop.carried else ("", node, f"{own}[{variable}]"))
        return found

    def _pending(
        self, printer: Printer, body: Graph, pending: Sequence[tuple[str, int, str]], limit: int
    ) -> Iterable[tuple[int, str]]:
        """Assignments of what has no name in the body, each before what it reads is given another value."""
        waiting = []
        for name, node, left in pending:
            entry = printer.data[node]
            same = entry["op"] == "input" and entry["name"] == name
            if not same and not (name and self._given(printer, node, name)):
                reads = {printer.data[n]["name"] for n in ancestors(body.data, [node]) if body.op(n) == "input"}
                waiting.append((name, node, left, reads))
        while waiting:
            free = next((w for w in waiting if not any(w[0] in o[3] for o in waiting if o is not w)), None)
            if free is None:
                # They read each other: all at once.
                texts = [printer.text(node, through=(node,), limit=limit) for _, node, _, _ in waiting]
                sign = self._sign(waiting[0][0])
                yield 0, f"{', '.join(w[2] for w in waiting)} {sign} {', '.join(texts)}"
                return
            waiting.remove(free)
            name, node, left, _ = free
            yield 0, self._assigned(printer, left, node, (), limit, bool(name))

    def _sign(self, name: str) -> str:
        """An arrow where a name that is there gets another value."""
        return "←" if self.pretty and name and self.op != "branch" else "="

    def _given(self, printer: Printer, node: int, name: str) -> bool:
        """Whether a value is the result of that name of a block in the body, so that it is told already."""
        entry = printer.data[node]
        if entry["op"] == "select":
            # A derivative is 0 where nothing of it comes from a branch, which says the same.
            condition, node, other = entry["operands"]
            entry = printer.data[node]
            if entry["op"] != "get" or printer.data[entry["operands"][0]]["operands"][:1] != (condition,):
                return False
            below = printer.data[entry["operands"][0]]["attrs"].get("other")
            nothing = None if below is None else below.constant(below.outputs[entry["attrs"]["place"]][1])
            zero = printer.data[other]
            if nothing != 0 or zero["op"] != "const" or zero["attrs"]["value"] != 0:
                return False
        if entry["op"] != "get":
            return False
        return result_name(printer.data[entry["operands"][0]], entry["attrs"]["place"]) == name

    def _assigned(
        self, printer: Printer, left: str, node: int, through: Collection[int], limit: int, carried: bool = True
    ) -> str:
        """One assignment; elements that are set or added to stand on its left side."""
        carried = carried and (self.op == "branch" or any(left == self._input(*each) for each in self._carried()))
        inner = printer.behind(node, through)
        entry = printer.data[inner]
        if entry["op"] in ("put", "accumulate"):
            from gradc.backends.notation import updated

            found = updated(printer, inner, left, "←" if self.pretty else "=", limit)
            if found is not None:
                return found
        text = printer.text(node, through=through, limit=limit)
        if entry["op"] == "input" and text.startswith("("):
            text = text[1:-1]
        return f"{left} {self._sign(left if carried else '')} {text}"

    def _carried(self) -> Iterable[tuple[Graph, int]]:
        loop = Loop.of(self.attrs)
        return ((loop.body, 1 + place) for place in range(loop.carried))


def pieces(printer: Printer, node: int, whole: bool, limit: int) -> tuple[list[Piece], int]:
    """A region, or one of its results, in an expression: written out where it is all there is, else in words."""
    entry = printer.data[node]
    if entry["op"] != "get":
        return [Block(printer, node).line(limit)], precedence.CONDITIONAL
    region = entry["operands"][0]
    if whole:
        return [Block(printer, region).line(limit)], precedence.CONDITIONAL
    name = result_name(printer.data[region], entry["attrs"]["place"])
    return [f"{name} of the {'block' if printer.data[region]['op'] == 'branch' else 'loop'}"], precedence.CONDITIONAL


def regions(graph: Nodes, node: int, atoms: Collection[int]) -> list[int]:
    """The regions that the value of a node is computed through, as far as the atoms, in order of creation."""
    found, seen, stack = [], {node}, [node]
    while stack:
        current = stack.pop()
        entry = graph.data[current]
        if entry["op"] in REGIONS:
            found.append(current)
        for operand in entry["operands"]:
            if operand not in seen and operand not in atoms:
                seen.add(operand)
                stack.append(operand)
    return sorted(found)


def is_tape(data: Mapping[int, Mapping[str, Any]], node: int) -> bool:
    """Whether a node is a value for every iteration of a loop, which nobody looks at."""
    return bool(data[node]["type"].dtype == TAPE)


__all__ = ["REGIONS", "Block", "called", "is_tape", "pieces", "regions", "result_name"]
