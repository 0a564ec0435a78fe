"""The textual form of a graph: printed here, read back without loss. ``grammar/ir.lark`` describes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gradc.ir.attributes import is_items, is_parts
from gradc.ir.graph import Constraint, Graph, bodies, graphs, is_operand
from gradc.ir.op import OpTable
from gradc.ir.region import Function
from gradc.ir.sizes import Size, TooLarge
from gradc.ir.types import TUPLE, Index, Type
from gradc.source import Source, Span

VERSION = 1
# Before the places of nodes, so that they do not ruffle the left side; a longer line pushes its own out.
_COLUMN = 39

# How deep lists stand in each other, here and in texts that are read.
MAX_NESTING = 32
# What a size may be called, but reads as something else where any value may stand.
_WORDS = frozenset({"inf", "-inf", "nan", "-nan", "true", "false", "none"})

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def load(source: Source, ops: OpTable) -> Graph:
    """The graph that a text stands for, verified; ``ops`` is the table that its op names refer to.

    Raises ``CompileError``: E0902 for another version of the format, E0901 for a text that is not of the format, E0903
    for a graph that breaks an invariant.
    """
    # Only who reads pays for the parser.
    from gradc.ir.reader import read

    return read(source, ops)


def dump(graph: Graph) -> str:
    """The graph as text. Equal graphs give equal texts, to the byte; linear in the graph."""
    printed = _Printed()
    for key, function in _functions(graph).items():
        printed.function(key, function)
    printed.regions_of(graph)
    printed.lines += printed.block(graph)
    head = [f"gradc-ir {VERSION}", *(f"file {number} {quote(name)}" for name, number in printed.files.items())]
    return "\n".join([*head, *printed.lines, ""])


class _Printed:
    """A text under construction: its lines, and the numbers of the files and of the bodies that stand in them."""

    def __init__(self) -> None:
        self.files: dict[str, int] = {}
        self.lines: list[str] = []
        self.regions: dict[Graph, int] = {}
        self._texts: dict[tuple[str, ...], int] = {}

    def function(self, key: str, function: Function) -> None:
        parts = (("body", function.body), ("partials", function.partials))
        for _, body in parts:
            self.regions_of(body)
        self.lines.append(f"function {quote(key)} ({', '.join(map(quote, function.params))}) {{")
        for part, body in parts:
            self.lines += [f"  {part} {{", *("    " + line for line in self.block(body)), "  }"]
        self.lines.append("}")

    def regions_of(self, graph: Graph) -> None:
        """The bodies of regions in a graph that do not stand here yet; those in a body before it."""
        stack = [graph]
        while stack:
            current = stack[-1]
            waiting = [body for body in bodies(current) if body not in self.regions]
            stack += reversed(waiting)
            if waiting:
                continue
            stack.pop()
            if current is graph or current in self.regions:
                continue
            block = tuple(self.block(current))
            # Bodies that read the same are one, whether or not they are one object.
            if block not in self._texts:
                self._texts[block] = len(self._texts)
                self.lines += [f"region {self._texts[block]} {{", *("  " + line for line in block), "}"]
            self.regions[current] = self._texts[block]

    def block(self, graph: Graph) -> list[str]:
        """The lines of one graph: its nodes and its tables."""
        return _block(graph, self.files, self.regions)


def _functions(graph: Graph) -> dict[str, Function]:
    """The functions of the program, and those that a body calls and only its own table knows."""
    found: dict[str, Function] = {}
    waiting = [graph]
    while waiting:
        for each in graphs(waiting.pop()):
            # The table of a body is that of the program as it was when the body was made.
            called = each is graph or any(data["op"] == "call" for data in each.data.values())
            for key, function in each.functions.items() if called else ():
                if key not in found:
                    found[key] = function
                    waiting += (function.body, function.partials)
    return found


def _block(graph: Graph, files: dict[str, int], regions: Mapping[Graph, int]) -> list[str]:
    lines: list[str] = []
    names: dict[int, list[str]] = {}
    for name, node in graph.names.items():
        names.setdefault(node, []).append(name)
    types: dict[Type, str] = {}
    further = graph.spans
    for node, data in graph.data.items():
        type = data["type"]
        shown = types.get(type)
        if shown is None:
            shown = types[type] = show_type(type)
        line = f"%{node} = {what(data, regions)} : {shown}"
        own = data.get("name")
        if own is not None or node in names:
            # What enters a body is hardly ever in its table of names.
            own = None if is_operand(data) else own
            line += _names(own, names.get(node, ()))
        marked = data.get("adjoint_of")
        if marked is not None:
            line += f" adjoint %{marked}"
        span = data.get("span")
        if span is not None:
            line = f"{line:<{_COLUMN}} @{_place(span, files)}"
        if node in further:
            line = line if span is not None else f"{line:<{_COLUMN}} @-"
            line += "".join(f" @{_place(other, files)}" for other in further[node])
        lines.append(line)
    if list(graph.inputs) != sorted(graph.inputs):
        lines.append(f"inputs {_references(graph.inputs)}")
    lines += [f"output {quote(name)} = %{node}" for name, node in graph.outputs]
    for (y, v, order), node in graph.adjoints.items():
        lines.append(f"derivative %{node} = d %{y} / d %{v}" + (f" order {order}" if order != 1 else ""))
    for constraint in graph.constraints:
        line = requirement(constraint)
        if constraint.span is not None:
            line = f"{line:<{_COLUMN}} @{_place(constraint.span, files)}"
        lines.append(line)
    return lines


def requirement(constraint: Constraint) -> str:
    """What the sizes of a call must meet, as text."""
    return f"require {constraint.left} {constraint.relation} {constraint.right}"


def what(data: Mapping[str, Any], regions: Mapping[Graph, Any]) -> str:
    """Operator, operands and attributes: what stands between a node's label and its type.

    ``regions`` are the numbers of bodies, which attributes refer to.
    """
    op, operands, attrs = data["op"], data["operands"], data.get("attrs")
    if op == "name":
        text = f"name {quote(data['name'])} %{operands[0]}"
    elif not attrs:
        return f"{op} {_references(operands)}" if operands else str(op)
    else:
        attrs = dict(attrs)
        if op == "const":
            text = f"const {literal(attrs.pop('value'), data['type'])}"
        elif op == "input":
            text = f"{attrs.pop('kind')} {quote(data['name'])}"
            if "default" in attrs:
                text += f" default {literal(attrs.pop('default'), data['type'])}"
        elif op == "call":
            text = f"call {quote(attrs.pop('function'))} ({_references(operands)})"
        else:
            text = f"{op} {_located(operands, attrs)}" if operands else str(op)
    if attrs:
        text += f" {{{', '.join(f'{key} = {_attribute(value, regions)}' for key, value in sorted(attrs.items()))}}}"
    return text


def _located(operands: Sequence[Any], attrs: dict[str, Any]) -> str:
    """The operands; among them, and taken out of ``attrs``, the items or parts that say where in arrays they belong."""
    for key, check in (("items", is_items), ("parts", is_parts)):
        described = attrs.get(key)
        if described is None or not check(described):
            continue
        parts = [(described, ())] if key == "items" else described
        # A value a part, and a node an index.
        if len(operands) != len(parts) + sum(items.count(None) for items, _ in parts) or not parts:
            continue
        waiting = iter(operands)
        shown = []
        for items, over in parts:
            text = f"%{next(waiting)}" + (" at " if key == "parts" else "")
            listed = [_item(item, waiting) for item in items]
            if not all(listed):
                break
            text += f"[{', '.join(listed)}]"
            shown.append(text + (f" over {{{', '.join(map(str, over))}}}" if over else ""))
        else:
            del attrs[key]
            return ", ".join(shown)
    return _references(operands)


def _item(item: Any, waiting: Iterator[Any]) -> str:
    """An item of an access; nothing for a slice that no range says."""
    if item is None:
        return f"%{next(waiting)}"
    start, step, count = item
    try:
        # With a step of some other size, the count could not be told from the end.
        return f"{start}:{start + step * count}" + (f":{step}" if step != 1 else "") if isinstance(step, int) else ""
    except TooLarge:
        return ""


def _names(own: str | None, listed: Iterable[str]) -> str:
    """The marks that tell what the table of names says about a node whose own name is ``own``."""
    others = [name for name in listed if name != own]
    text = "" if own is None or own in listed else " local"
    return text + (f" as {', '.join(map(quote, others))}" if others else "")


def _references(nodes: Iterable[int]) -> str:
    return ", ".join([f"%{node}" for node in nodes])


def _place(span: Span, files: dict[str, int]) -> str:
    number = files.setdefault(span.file, len(files))
    place = f"{span.line}:{span.column}+{span.length}"
    return f"{number}:{place}" if number else place


def literal(value: Any, type: Type) -> str:
    """A constant of that type, or rows of them: the shortest text that reads back to the same bits."""
    if isinstance(value, tuple):
        return f"[{', '.join([literal(item, type) for item in value])}]"
    if type.real:
        return repr(float(value))
    return _value(bool(value) if type.dtype == "bool" else int(value))


def _attribute(value: Any, regions: Mapping[Graph, Any]) -> str:
    return f"region {regions[value]}" if isinstance(value, Graph) else _value(value)


def _value(value: Any, depth: int = 0) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, Size):
        text = str(value)
        return f"({text})" if text in _WORDS else text
    if isinstance(value, Index):
        return str(value)
    if isinstance(value, tuple) and depth < MAX_NESTING:
        return f"[{', '.join([_value(item, depth + 1) for item in value])}]"
    raise TypeError(f"an attribute of type {value.__class__.__name__} has no textual form")


def show_type(type: Type) -> str:
    """The type as text: ``f64[n, 2*n + 1]{i: n}``; what is in a tuple, the operator and its operands say."""
    return type.dtype if type.dtype == TUPLE else str(type)


def quote(text: str) -> str:
    """The string in quotes, with what does not show, or would change how the line shows, escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text) + '"'
