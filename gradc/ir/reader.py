"""Reads the textual form of a graph. Its text may come from anybody: whatever is wrong with it is a diagnostic."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from gradc.errors import CompileError, Diagnostic, located, suggestion
from gradc.ir import sizes
from gradc.ir.attributes import is_index_name
from gradc.ir.dag import Dag, freeze
from gradc.ir.graph import Constraint, Graph
from gradc.ir.records import MAX_DIGITS, Block, Line, Raw, parse
from gradc.ir.region import Function
from gradc.ir.sizes import Dim
from gradc.ir.text import MAX_NESTING
from gradc.ir.types import DTYPES, SCALARS, Index, Type, typed
from gradc.ir.verify import InvalidGraph, verify
from gradc.memory import collector_paused
from gradc.source import Source, Span

if TYPE_CHECKING:
    from gradc.ir.op import OpTable

# More findings in one text than anybody reads.
_MAX_PROBLEMS = 20
_MAX_NUMBER = 400
_NO_FUNCTIONS: Mapping[str, Function] = MappingProxyType({})
_INT64 = range(-(2**63), 2**63)


def read(source: Source, ops: OpTable) -> Graph:
    """The graph that ``source`` stands for; see ``gradc.ir.text.load``."""
    with collector_paused():
        return _Reader(source, ops).program(*parse(source))


class _Reader:
    """Makes graphs of records, collecting what is wrong with them."""

    def __init__(self, source: Source, ops: OpTable) -> None:
        self.source = source
        self.ops = ops
        self.files: list[str] = []
        self.functions: dict[str, Function] = {}
        self.params: dict[str, int] = {}
        self.problems: list[Diagnostic] = []
        # Many lines say the same.
        self.types: dict[Any, Type] = {}
        self.extents: dict[str, Dim] = {}

    # Findings ------------------------------------------------------------------------------------------------------

    def problem(
        self, message: str, start: int, end: int, label: str, hints: Sequence[str] = (), code: str = "E0901"
    ) -> None:
        self.problems.append(located(code, message, self.source, start, end, label, hints))
        if len(self.problems) >= _MAX_PROBLEMS:
            self.stop()

    def stop(self) -> NoReturn:
        self.problems.sort(key=lambda found: found.span or Span("", 0, 0, 0))
        raise CompileError(self.problems)

    def place(self, first: Raw, part: str) -> tuple[int, int]:
        """Where ``part`` stands in the line, behind its first terminal."""
        found = re.compile(rf"(?<![\w.]){re.escape(part)}(?![\w.])").search(self.source.text, first.end)
        return found.span() if found else (first.start, first.end)

    # Values --------------------------------------------------------------------------------------------------------

    def integer(self, raw: Raw) -> int:
        if len(raw.text) <= MAX_DIGITS:
            return int(raw.text)
        self.problem("a number is too large", raw.start, raw.end, f"expected at most {MAX_DIGITS} digits")
        return 0

    def string(self, raw: Raw) -> str:
        inner = raw.text[1:-1]
        if "\\" not in inner:
            return inner
        parts, at = [], 0
        for found in re.finditer(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|(.))", inner):
            parts.append(inner[at : found.start()])
            at = found.end()
            if found[1] is not None and int(found[1], 16) <= 0x10FFFF:
                parts.append(chr(int(found[1], 16)))
            elif found[2] in _UNESCAPES:
                parts.append(_UNESCAPES[found[2]])
            else:
                start = raw.start + 1 + found.start()
                due = 'expected \\" \\\\ \\n \\t \\r or \\u{…}'
                self.problem("unknown escape in a string", start, raw.start + 1 + at, due)
        return "".join((*parts, inner[at:]))

    def literal(self, raw: Raw, dtype: str | None) -> Any:
        """A number or truth value, as the number type wants it, or as it is written where that is None."""
        kind, text, start = raw
        if kind == "NUMBER" and len(text) > _MAX_NUMBER:
            self.problem("a number is too long", start, raw.end, f"expected at most {_MAX_NUMBER} characters")
        elif (kind == "NUMBER") == (dtype == "bool") and dtype is not None:
            due = "`true` or `false`" if dtype == "bool" else "a number"
            self.problem(f"a constant is not of type {dtype}", start, raw.end, f"expected {due}")
        elif kind != "NUMBER":
            return kind == "TRUE"
        elif dtype in ("f64", "f32"):
            return float(text)
        elif text.lstrip("-").isdigit():
            value = int(text)
            if value in _INT64:
                return value
            self.problem("an integer is out of range", start, raw.end, "expected a signed 64-bit integer")
        elif dtype == "int":
            self.problem("a constant is not of type int", start, raw.end, "expected a whole number")
        else:
            return float(text)
        return 0

    def value(self, raw: Any, depth: int = 0) -> Any:
        """The value of an attribute: whatever can stand there, and lists of that."""
        if isinstance(raw, list):
            return self.values(raw, depth, self.value)
        if raw.kind == "STRING":
            return self.string(raw)
        text = raw.text.rstrip()
        if text in _WORDS:
            return _WORDS[text]
        if _NUMBER.fullmatch(text):
            return self.literal(Raw("NUMBER", text, raw.start), None)
        return self.index(raw) if ":" in text else self.extent(raw)

    def values(self, raws: list[Any], depth: int, read: Callable[[Any, int], Any]) -> tuple[Any, ...]:
        if depth >= MAX_NESTING:
            first: Any = raws
            while isinstance(first, list) and first:
                first = first[0]
            if isinstance(first, Raw):
                self.problem(
                    "lists stand too deep in each other", first.start, first.end, f"more than {MAX_NESTING} deep"
                )
            return ()
        return tuple([read(raw, depth + 1) for raw in raws])

    def default(self, raw: Any, dtype: str, depth: int = 0) -> Any:
        """The default of an input: a number, or rows of them."""
        if isinstance(raw, list):
            return self.values(raw, depth, lambda inner, below: self.default(inner, dtype, below))
        text = raw.text.rstrip()
        if raw.kind == "VALUE":
            kind = "NUMBER" if _NUMBER.fullmatch(text) else {"true": "TRUE", "false": "FALSE"}.get(text, "")
            raw = Raw(kind, text, raw.start)
        if raw.kind not in ("NUMBER", "TRUE", "FALSE"):
            due = "expected `true` or `false`" if dtype == "bool" else "expected a number"
            self.problem(f"a constant is not of type {dtype}", raw.start, raw.end, due)
            return 0
        return self.literal(raw, dtype)

    def extent(self, raw: Raw) -> Dim:
        text = raw.text.rstrip()
        found = self.extents.get(text)
        if found is None:
            try:
                found = sizes.parse(text)
            except ValueError as error:
                due = str(error) if isinstance(error, sizes.TooLarge) else "expected an extent such as `n + 1`"
                self.problem("malformed extent", raw.start, raw.start + len(text), due)
                return 0
            self.extents[text] = found
        return found

    def index(self, raw: Raw) -> Index:
        name, sign, extent = raw.text.rstrip().partition(":")
        if not sign or not is_index_name(name.rstrip()):
            self.problem("malformed index", raw.start, raw.end, "expected an index such as `i: n`")
            return Index("", 0)
        shift = len(name) + 1 + len(extent) - len(extent.lstrip())
        return Index(name.rstrip(), self.extent(Raw("EXTENT", extent.strip(), raw.start + shift)))

    def items(self, raws: Sequence[Raw]) -> tuple[Any, ...]:
        """The items of an access: None for each of the nodes, and slices."""
        found: list[Any] = []
        for raw in raws:
            if raw.kind == "REFERENCES":
                found += [None] * (raw.text.count(",") + 1)
                continue
            at = raw.start
            ends: list[Dim] = []
            for part in raw.text.split(":"):
                inner = len(part) - len(part.lstrip())
                ends.append(self.extent(Raw("EXTENT", part.strip(), at + inner)))
                at += len(part) + 1
            step = ends.pop() if len(ends) == 3 else 1
            if len(ends) != 2 or not isinstance(step, int) or step == 0:
                self.problem("malformed slice", raw.start, raw.end, "expected a slice such as `0:n` or `0:n:2`")
                continue
            try:
                # As Python counts; exact where the end was made of a count.
                count = sizes.divide(ends[1] - ends[0] + (step - 1 if step > 0 else step + 1), step)
            except sizes.TooLarge as error:
                self.problem("malformed slice", raw.start, raw.end, str(error))
                continue
            found.append((ends[0], step, count))
        return tuple(found)

    def located(self, line: Line) -> Iterator[tuple[str, Any]]:
        """The attributes that the items or the parts of a line are."""
        if line.items is not None:
            self.single(line.items[0])
            yield "items", self.items(line.items[1:])
        if line.parts is not None:
            for value, _, _ in line.parts:
                self.single(value)
            yield "parts", tuple([(self.items(items), tuple(map(self.index, over))) for _, items, over in line.parts])

    def single(self, raw: Raw) -> None:
        if "," in raw.text:
            self.problem("one node is due here", raw.start, raw.end, "expected one node")

    def type(self, line: Line) -> Type:
        dtype = line.dtype[1:].lstrip()
        if dtype not in DTYPES:
            due = f"expected {', '.join(DTYPES[:-1])} or {DTYPES[-1]}"
            self.problem(f"unknown number type `{dtype[:40]}`", *self.place(line.definition, dtype), due)
            return SCALARS["f64"]
        if line.shape is None and line.free is None:
            return SCALARS[dtype]
        shape, free = line.shape or (), line.free or ()
        key = (dtype, *[raw.text for raw in shape], None, *[raw.text for raw in free])
        found = self.types.get(key)
        if found is None:
            found = self.types[key] = typed(dtype, tuple(map(self.extent, shape)), map(self.index, free))
        return found

    def spans(self, first: Raw, text: str) -> Iterator[Span | None]:
        for part in text.split():
            if part == "@-":
                yield None
                continue
            found = _PLACE.fullmatch(part)
            if found is None:
                due = "expected `@line:column+length`, or `@file:line:column+length`"
                self.problem("malformed place", *self.place(first, part), due)
                continue
            number = int(found[1] or 0)
            if number >= len(self.files):
                self.problem(
                    f"file {number} is not declared", *self.place(first, part), f'expected `file {number} "…"`'
                )
                continue
            yield Span(self.files[number], int(found[2]), int(found[3]), int(found[4]))

    # Graphs --------------------------------------------------------------------------------------------------------

    def program(self, files: list[list[Raw]], functions: list[Any], block: Block) -> Graph:
        for number, name in files:
            if self.integer(number) != len(self.files):
                due = f"expected {len(self.files)}"
                self.problem("files are not numbered in order", number.start, number.end, due)
            self.files.append(self.string(name))
        for name, params, _, _ in functions:
            key = self.string(name)
            if key in self.params:
                self.problem(f"function `{key}` is defined twice", name.start, name.end, "the second definition")
            self.params[key] = len(params)
        for name, params, body, partials in functions:
            key = self.string(name)
            parts = self.graph(body), self.graph(partials)
            self.functions[key] = Function(key, tuple(map(self.string, params)), *parts)
            found = [len(parts[0].inputs), len(parts[1].inputs), len(parts[1].outputs)]
            if found != [len(params)] * 3 or len(parts[0].outputs) != 1:
                label = (
                    f"expected inputs and partials for {_count(len(params), 'parameter')}, and one output of the body"
                )
                message = f"function `{key}` breaks invariant I9"
                self.problem(message, name.start, name.end, label, (), "E0903")
        return self.graph(block, self.functions)

    def graph(self, block: Block, functions: Mapping[str, Function] = _NO_FUNCTIONS) -> Graph:
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
            elif "name" in data:
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
            return verify(graph)
        except InvalidGraph as error:
            self.invalid(error, block, list(labels))
            self.stop()

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
        own = data.get("name")
        found = [(self.string(alias), alias) for alias in aliases]
        if own is not None and not local:
            found.insert(0, (own, line.head))
        elif local and own is None:
            self.problem(
                "a node without a name is marked `local`", *self.place(line.definition, "local"), "expected no mark"
            )
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
            if error.operand is not None:
                reference = self.references(line)[error.operand]
                start, end = reference.start, reference.end
            elif error.rule == "I4":
                start, end = self.place(line.definition, line.dtype[1:].lstrip())
        self.problem(f"the graph breaks invariant {error.rule}", start, end, detail, (), "E0903")


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


_WORDS = {"true": True, "false": False, "none": None}
_NUMBER = re.compile(r"-?(?:inf|nan|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_OPS = {"param": "input"}
_UNESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}
_PLACE = re.compile(r"@(?:([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{1,9})\+([0-9]{1,9})")
