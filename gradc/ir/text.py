"""The textual form of a graph: printed here, read back without loss. ``grammar/ir.lark`` describes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gradc.ir.graph import Graph
from gradc.ir.op import OpTable
from gradc.ir.region import Function
from gradc.ir.types import Type
from gradc.source import Source, Span

VERSION = 1
# Where the places of nodes stand, so that they do not ruffle the left side; a longer line pushes its own out.
_COLUMN = 40

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
    files: dict[str, int] = {}
    lines: list[str] = []
    for key, function in _functions(graph).items():
        params = ", ".join(map(quote, function.params))
        lines.append(f"function {quote(key)} ({params}) {{")
        for part, body in (("body", function.body), ("partials", function.partials)):
            lines += [f"  {part} {{", *("    " + line for line in _block(body, files)), "  }"]
        lines.append("}")
    lines += _block(graph, files)
    head = [f"gradc-ir {VERSION}", *(f"file {number} {quote(name)}" for name, number in files.items())]
    return "\n".join([*head, *lines, ""])


def _functions(graph: Graph) -> dict[str, Function]:
    """The functions of the program, and those that only a body's own table knows."""
    found = dict(graph.functions)
    waiting = list(found.values())
    while waiting:
        function = waiting.pop()
        for body in (function.body, function.partials):
            for key, other in body.functions.items():
                if key not in found:
                    found[key] = other
                    waiting.append(other)
    return found


def _block(graph: Graph, files: dict[str, int]) -> list[str]:
    """The lines of one graph: its nodes and its tables."""
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
        line = f"%{node} = {what(data)} : {shown}"
        own = data.get("name")
        if own is not None or node in names:
            line += _names(own, names.get(node, ()))
        marked = data.get("adjoint_of")
        if marked is not None:
            line += f" adjoint %{marked}"
        span = data.get("span")
        if span is not None:
            line = f"{line:<{_COLUMN}}@{_place(span, files)}"
        if node in further:
            line = line if span is not None else f"{line:<{_COLUMN}}@-"
            line += "".join(f" @{_place(other, files)}" for other in further[node])
        lines.append(line)
    if list(graph.inputs) != sorted(graph.inputs):
        lines.append(f"inputs {_references(graph.inputs)}")
    lines += [f"output {quote(name)} = %{node}" for name, node in graph.outputs]
    for (y, v, order), node in graph.adjoints.items():
        lines.append(f"derivative %{node} = d %{y} / d %{v}" + (f" order {order}" if order != 1 else ""))
    return lines


def what(data: Mapping[str, Any]) -> str:
    """Operator, operands and attributes: what stands between a node's label and its type."""
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
            text = f"{op} {_references(operands)}" if operands else str(op)
    if attrs:
        text += f" {{{', '.join(f'{key} = {_value(value)}' for key, value in sorted(attrs.items()))}}}"
    return text


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
    """A constant of that type: the shortest text that reads back to the same bits."""
    if type.real:
        return repr(float(value))
    return _value(bool(value) if type.dtype == "bool" else int(value))


def _value(value: Any) -> str:
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
    if isinstance(value, tuple) and not any(isinstance(item, tuple) for item in value):
        return f"[{', '.join(map(_value, value))}]"
    raise TypeError(f"an attribute of type {value.__class__.__name__} has no textual form")


def show_type(type: Type) -> str:
    """The type as text: ``f64[n, 3]{i}``, with quotes where a size is no plain name."""
    text = type.dtype
    if type.shape:
        text += f"[{', '.join(d if isinstance(d, str) and d.isidentifier() else _value(d) for d in type.shape)}]"
    if type.free:
        text += f"{{{', '.join(type.free)}}}"
    return text


def quote(text: str) -> str:
    """The string in quotes, with what does not show, or would change how the line shows, escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text) + '"'
