"""Reads the textual form of a graph. Its text may come from anybody: whatever is wrong with it is a diagnostic."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gradc.errors import suggestion
from gradc.ir.dag import Dag, freeze
from gradc.ir.graph import Constraint, Graph, bodies
from gradc.ir.records import Block, Defined, Line, Raw, Region, parse
from gradc.ir.region import Function
from gradc.ir.terms import UNKNOWN_TUPLE, Terms
from gradc.ir.types import TUPLE, Type
from gradc.ir.verify import InvalidGraph, verify
from gradc.memory import collector_paused
from gradc.source import Source, Span

if TYPE_CHECKING:
    from gradc.ir.op import OpTable

# Deeper than blocks stand in each other in a program, whose functions may have blocks too.
_MAX_DEPTH = 200
_NO_FUNCTIONS: Mapping[str, Function] = MappingProxyType({})


def read(source: Source, ops: OpTable) -> Graph:
    """The graph that ``source`` stands for; see ``gradc.ir.text.load``."""
    with collector_paused():
        return _Reader(source, ops).program(*parse(source))


class _Reader(Terms):
    """Makes graphs of records, collecting what is wrong with them."""

    def __init__(self, source: Source, ops: OpTable) -> None:
        super().__init__(source, ops)
        self.functions: dict[str, Function] = {}
        self.params: dict[str, int] = {}
        # How deep regions stand in a body, itself included; all of these are verified.
        self.depths: dict[Graph, int] = {}

    def program(self, files: list[list[Raw]], definitions: Sequence[Region | Defined], block: Block) -> Graph:
        for number, name in files:
            if self.integer(number) != len(self.files):
                due = f"expected {len(self.files)}"
                self.problem("files are not numbered in order", number.start, number.end, due)
            self.files.append(self.string(name))
        for defined in definitions:
            if isinstance(defined, Defined):
                key = self.string(defined.name)
                if key in self.params:
                    start, end = defined.name.start, defined.name.end
                    self.problem(f"function `{key}` is defined twice", start, end, "the second definition")
                self.params[key] = len(defined.params)
        for defined in definitions:
            if isinstance(defined, Defined):
                self.function(defined)
            else:
                self.body(defined)
        return self.graph(block, self.functions)

    def function(self, defined: Defined) -> None:
        """Make a function of its record."""
        name, params = defined.name, defined.params
        key = self.string(name)
        parts = self.graph(defined.body), self.graph(defined.partials)
        self.functions[key] = Function(key, tuple(map(self.string, params)), *parts)
        found = [len(parts[0].inputs), len(parts[1].inputs), len(parts[1].outputs)]
        if found != [len(params)] * 3 or len(parts[0].outputs) != 1:
            label = f"expected inputs and partials for {_count(len(params), 'parameter')}, and one output of the body"
            self.problem(f"function `{key}` breaks invariant I9", name.start, name.end, label, (), "E0903")

    def body(self, region: Region) -> None:
        """Make the body of a region of its record."""
        number = region.number
        if self.integer(number) != len(self.regions):
            due = f"expected {len(self.regions)}"
            self.problem("regions are not numbered in order", number.start, number.end, due)
        graph = self.graph(region.block, body=True)
        depth = self.depths[graph] = 1 + max([self.depths[inner] for inner in bodies(graph)], default=0)
        if depth > _MAX_DEPTH:
            label = f"more than {_MAX_DEPTH} deep"
            self.problem("regions stand too deep in each other", number.start, number.end, label)
            self.stop()
        self.regions.append(graph)

    def graph(self, block: Block, functions: Mapping[str, Function] = _NO_FUNCTIONS, *, body: bool = False) -> Graph:
        lines = block.nodes
        dag, labels, names = Dag(), dict[str, int](), dict[str, int]()
        spans: dict[int, tuple[Span, ...]] = {}
        marked: list[tuple[dict[str, Any], Line, str]] = []
        for node, line in enumerate(lines):
            label = line.definition.text[:-1].rstrip()
            operands: tuple[int, ...] = ()
            if line.references is not None:
                try:
                    operands = tuple([labels[reference] for reference in line.references.split(", ")])
                except KeyError:
                    operands = self.operands(line, labels, lines)
            if label in labels:
                start = line.definition.start
                self.problem(f"node `{label}` is defined twice", start, start + len(label), "the second definition")
            labels[label] = node
            data = self.node(line, operands)
            if data["type"] is UNKNOWN_TUPLE:
                data["type"] = self.inferred(data, dag)
            if line.marks is not None:
                local, aliases, adjoint, places = line.marks
                self.listed(line, data, local, aliases, names, node)
                if places is not None:
                    first, *others = [*self.spans(line.definition, places)] or [None]
                    if first is not None:
                        data["span"] = first
                    if others:
                        spans[node] = tuple(span for span in others if span is not None)
                if adjoint is not None:
                    marked.append((data, line, adjoint[len("adjoint") :].lstrip()))
            elif "name" in data and line.kind != "operand":
                self.listed(line, data, False, (), names, node)
            dag.append(node, data)
        for data, line, reference in marked:
            if reference in labels:
                data["adjoint_of"] = labels[reference]
            else:
                self.unknown(reference, *self.place(line.definition, reference), labels)
        tables = self.tables(block, dag, labels)
        if self.problems:
            self.stop()
        graph = Graph(freeze(dag), self.ops, *tables[:2], names, spans, tables[2], functions, tables[3])
        try:
            return verify(graph, body=body, known=self.depths)
        except InvalidGraph as error:
            self.invalid(error, block, list(labels))
            self.stop()

    def inferred(self, data: Mapping[str, Any], dag: Dag) -> Type:
        """The type of a node that is a tuple, as its operator tells; what is wrong with it, verify finds again."""
        row = self.ops.get(data["op"])
        if row is None:
            return UNKNOWN_TUPLE
        try:
            operands = [dag.nodes[operand]["type"] for operand in data["operands"]]
            found = row.type_rule(operands, data.get("attrs", {}))
        except Exception:
            return UNKNOWN_TUPLE
        return found if found.dtype == TUPLE else UNKNOWN_TUPLE

    def node(self, line: Line, operands: tuple[int, ...]) -> dict[str, Any]:
        """The attributes of the line's node, but for those that its marks tell."""
        kind, head = line.kind, line.head
        type = self.type(line)
        attrs: dict[str, Any] = {}
        name = None
        op = _OPS.get(kind, kind)
        if kind == "apply":
            row = self.ops.get(head)
            if row is None:
                hints = suggestion(head, self.ops)
                self.problem(f"unknown operator `{head[:80]}`", *self.place(line.definition, head), "", hints, "E0903")
            # The table's own string: a million nodes share it.
            op = head if row is None else row.name
        elif kind == "const":
            attrs["value"] = self.literal(head, type.dtype)
        elif kind == "call":
            attrs["function"] = key = self.string(head)
            if key not in self.params:
                hints = suggestion(key, self.params)
                self.problem(f"unknown function `{key}`", head.start, head.end, "expected one defined above", hints)
            elif self.params[key] != len(operands):
                message = f"function `{key}` is called with {_count(len(operands), 'operand')}"
                label = f"it has {_count(self.params[key], 'parameter')}"
                self.problem(message, head.start, head.end, label, (), "E0903")
        else:
            name = self.string(head)
            if kind != "name":
                attrs["kind"] = kind
            if line.default is not None:
                attrs["default"] = self.default(line.default, type.dtype)
        if line.items is not None or line.parts is not None:
            attrs.update(self.located(line))
        for word, value in line.attributes or ():
            if word.text in attrs:
                self.problem(f"attribute `{word.text}` is given twice", word.start, word.end, "the second one")
            attrs[word.text] = self.value(value)
        data: dict[str, Any] = {"op": op, "operands": operands, "type": type}
        if attrs:
            data["attrs"] = attrs
        if name is not None:
            data["name"] = name
        return data

    def listed(
        self, line: Line, data: dict[str, Any], local: bool, aliases: Sequence[Raw], names: dict[str, int], node: int
    ) -> None:
        """Enter the node in the table of names."""
        own = None if line.kind == "operand" else data.get("name")
        found = [(self.string(alias), alias) for alias in aliases]
        if own is not None and not local:
            found.insert(0, (own, line.head))
        elif local and own is None:
            which = "an operand" if line.kind == "operand" else "a node without a name"
            self.problem(f"{which} is marked `local`", *self.place(line.definition, "local"), "expected no mark")
        for name, raw in found:
            if name in names:
                hint = "mark the nodes that the table of names does not list as `local`"
                self.problem(f"name `{name}` is listed twice", raw.start, raw.end, "the second node", (hint,))
            names[name] = node

    def references(self, line: Line) -> list[Raw]:
        """The operands where they stand."""
        pieces = list(line.pieces())
        if not pieces and line.references is not None:
            pieces = [Raw("", line.references, self.place(line.definition, line.references)[0])]
        return [Raw("", m[0], p.start + m.start()) for p in pieces for m in re.finditer(r"%[\w.]+", p.text)]

    def operands(self, line: Line, labels: dict[str, int], lines: list[Line]) -> tuple[int, ...]:
        """The operands, taken apart with care: blanks are free, and a label may be unknown."""
        found = []
        for raw in self.references(line):
            if raw.text in labels:
                found.append(labels[raw.text])
            elif any(other.definition.text[:-1].rstrip() == raw.text for other in lines):
                message = f"node `{raw.text}` is read before it is made"
                self.problem(message, raw.start, raw.end, "expected an earlier node")
            else:
                self.unknown(raw.text, raw.start, raw.end, labels)
        return tuple(found)

    def unknown(self, reference: str, start: int, end: int, labels: dict[str, int]) -> None:
        # Among numbers everything is similar to everything.
        hints = () if reference[1:].isdigit() else suggestion(reference, labels)
        self.problem(f"unknown node `{reference}`", start, end, "expected a node of this graph", hints)

    def one(self, raw: Raw, labels: dict[str, int]) -> int:
        """The one node that a line of a table refers to."""
        if raw.text in labels:
            return labels[raw.text]
        if "," in raw.text:
            self.problem("one node is due here", raw.start, raw.end, "expected one node")
        else:
            self.unknown(raw.text, raw.start, raw.end, labels)
        return 0

    def tables(
        self, block: Block, dag: Dag, labels: dict[str, int]
    ) -> tuple[list[int], list[tuple[str, int]], dict[tuple[int, int, int], int], list[Constraint]]:
        """Inputs, outputs, derivatives and what sizes must meet."""
        outputs: dict[str, int] = {}
        for name, raw in block.outputs:
            key = self.string(name)
            if key in outputs:
                self.problem(f"output `{key}` is given twice", name.start, name.end, "the second one", (), "E0903")
            outputs[key] = self.one(raw, labels)
        inputs = [node for node, data in dag.nodes(data=True) if data["op"] == "input"]
        for count, raw in enumerate(block.inputs):
            references = [Raw("", m[0], raw.start + m.start()) for m in re.finditer(r"%[\w.]+", raw.text)]
            order = [self.one(reference, labels) for reference in references]
            if count or sorted(order) != inputs:
                due = "expected every input once" if not count else "expected one such line"
                self.problem("the order of inputs is not one of the inputs", raw.start, raw.end, due, (), "E0903")
            else:
                inputs = order
        adjoints: dict[tuple[int, int, int], int] = {}
        for node, y, v, raw_order in block.derivatives:
            key3 = (self.one(y, labels), self.one(v, labels), 1 if raw_order is None else self.integer(raw_order))
            if key3 in adjoints:
                self.problem("a derivative is given twice", node.start, v.end, "the second one")
            if raw_order is not None and key3[2] < 1:
                self.problem("a derivative has no order", raw_order.start, raw_order.end, "expected 1 or more")
            adjoints[key3] = self.one(node, labels)
        constraints = []
        for left, relation, right, places in block.constraints:
            span = next(self.spans(right, places.text), None) if places is not None else None
            constraints.append(Constraint(relation.text, self.extent(left), self.extent(right), span))
        return inputs, list(outputs.items()), adjoints, constraints

    def invalid(self, error: InvalidGraph, block: Block, labels: list[str]) -> None:
        """A broken invariant, at the line of its node, whose number is spelt as the text spells it."""
        detail = re.sub(r"\bnode ([0-9]+)", lambda match: f"`{labels[int(match[1])]}`", error.detail)
        start, end = 0, len(self.source.line(1))
        if error.node is not None:
            line = block.nodes[error.node]
            start = line.definition.start
            end = start + len(labels[error.node])
            references = self.references(line)
            if error.operand is not None and error.operand < len(references):
                reference = references[error.operand]
                start, end = reference.start, reference.end
            elif error.rule == "I4":
                start, end = self.place(line.definition, line.dtype[1:].lstrip())
            elif attribute := re.search(r" has the attribute '(\w+)'", error.detail):
                for word, _ in line.attributes or ():
                    if word.text == attribute[1]:
                        start, end = word.start, word.end
        self.problem(f"the graph breaks invariant {error.rule}", start, end, detail, (), "E0903")


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


_OPS = {"param": "input", "operand": "input"}
