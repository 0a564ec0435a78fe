"""Equality of graphs up to the numbers of their nodes, and what differs.

Operands are ordered, so two graphs are matched from their outputs downwards without a search: whatever stands at the
same place has to be the same node. Both functions are linear in the graphs and recurse nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gradc.ir import text
from gradc.ir.graph import Graph, bodies
from gradc.ir.types import Index
from gradc.source import Span

# Lines around a difference.
_CONTEXT = 2


def equal(a: Graph, b: Graph, *, spans: bool = False, marks: bool = True) -> bool:
    """Whether the graphs differ in nothing but the numbers of their nodes, and those in the names of their indices.

    Outputs, inputs, names, derivatives, constraints and functions count, and dead nodes too. ``spans`` says whether the
    places where nodes were written count, ``marks`` whether it does which nodes differentiation made.
    """
    return _Bodies(spans, marks).same(a, b)


class _Bodies:
    """The bodies of regions in the graphs that are compared, each with a number, the same for equal ones."""

    def __init__(self, spans: bool, marks: bool) -> None:
        self.spans = spans
        self.marks = marks
        self.numbers: dict[Graph, int] = {}
        self._distinct: dict[Any, list[Graph]] = {}
        self._count = 0

    def enter(self, graph: Graph) -> None:
        """Number the bodies in a graph, the innermost first."""
        stack = [graph]
        while stack:
            current = stack[-1]
            waiting = [body for body in bodies(current) if body not in self.numbers]
            stack += reversed(waiting)
            if waiting:
                continue
            stack.pop()
            if current is not graph and current not in self.numbers:
                self.numbers[current] = self._number(current)

    def _number(self, body: Graph) -> int:
        known = self._distinct.setdefault((len(body), tuple([name for name, _ in body.outputs])), [])
        for other in known:
            if self._alike(other, body):
                return self.numbers[other]
        known.append(body)
        self._count += 1
        return self._count - 1

    def same(self, a: Graph, b: Graph) -> bool:
        """Whether two graphs are equal."""
        self.enter(a)
        self.enter(b)
        return self._alike(a, b)

    def _alike(self, a: Graph, b: Graph) -> bool:
        if len(a) != len(b) or [name for name, _ in a.outputs] != [name for name, _ in b.outputs]:
            return False
        if [a.name(node) for node in a.inputs] != [
            b.name(node) for node in b.inputs
        ] or a.names.keys() != b.names.keys():
            return False
        # A body refers to the functions of its program.
        if a not in self.numbers and b not in self.numbers and not self._equal_functions(a, b):
            return False
        if _required(a, self.spans) != _required(b, self.spans):
            return False
        table: dict[Any, int] = {}
        kinds_a, kinds_b = _kinds(a, table, self, _stem), _kinds(b, table, self, _stem)
        called: dict[str, str] = {}
        match = _match(a, b, kinds_a, kinds_b, called)
        if match is None:
            return False
        return _rest_equal(a, b, kinds_a, kinds_b, match, called) and (not self.marks or _marks_equal(a, b, match))

    def _equal_functions(self, a: Graph, b: Graph) -> bool:
        # Bodies of functions have no functions of their own, so this nests once.
        return a.functions.keys() == b.functions.keys() and all(
            f is g or (f.params == g.params and self.same(f.body, g.body) and self.same(f.partials, g.partials))
            for f, g in ((f, b.functions[name]) for name, f in a.functions.items())
        )


def diff(a: Graph, b: Graph, *, spans: bool = False, marks: bool = True) -> str:
    """What differs between the graphs, as text; empty if they are equal, which is what ``equal`` says.

    It tells the first output that differs and where, and shows the lines that differ with those around them. A node of
    ``b`` has the number of the node of ``a`` that it corresponds to, or its own with a prime.
    """
    return _diff(a, b, _Bodies(spans, marks), set())


def _diff(a: Graph, b: Graph, known: _Bodies, told: set[tuple[int, int]]) -> str:
    """What differs; ``told`` are the pairs of bodies whose difference has been told."""
    if known.same(a, b):
        return ""
    table: dict[Any, int] = {}
    kinds = _kinds(a, table, known, str), _kinds(b, table, known, str)
    below = _below(a, kinds[0], table), _below(b, kinds[1], table)
    pairs = _pair(a, b, kinds, below)
    labels_a = {node: f"{node}" for node in a}
    labels_b = {node: f"{pairs[node]}" if node in pairs else f"{node}'" for node in b}
    rows = list(_node_rows(a, b, labels_a, labels_b, pairs, known))
    rows += _table_rows(_tables(a, labels_a, known), _tables(b, labels_b, known))
    first = _first_difference(a, b, kinds, below, known)
    shown = list(_excerpt(rows)) or ["the nodes are alike, but not shared between their users in the same way"]
    parts = [*([first] if first else []), "--- first", "+++ second", *shown]
    inner = [
        (f"{key} of %{x}, region {known.numbers[one]} and region {known.numbers[other]}:", one, other)
        for x, y in sorted((x, y) for y, x in pairs.items())
        for key, one, other in _other_bodies(a, b, x, y, known)
    ]
    for name in sorted(a.functions.keys() & b.functions.keys() if a not in known.numbers else ()):
        f, g = a.functions[name], b.functions[name]
        for part, one, other in (("body", f.body, g.body), ("partials", f.partials, g.partials)):
            inner.append((f"function {text.quote(name)}, {part}:", one, other))
    for heading, one, other in inner:
        pair = (known.numbers.get(one, -1), known.numbers.get(other, -1))
        if pair in told:
            continue
        if pair[0] >= 0:
            told.add(pair)
        found = _diff(one, other, known, told)
        if found:
            parts += [heading, *("  " + line for line in found.splitlines())]
    return "\n".join(parts) + "\n"


def _other_bodies(a: Graph, b: Graph, x: int, y: int, known: _Bodies) -> Iterator[tuple[str, Graph, Graph]]:
    """The bodies of two regions that are not equal, by their attributes."""
    for key, one in sorted(a.attrs(x).items()):
        other = b.attrs(y).get(key)
        if isinstance(one, Graph) and isinstance(other, Graph) and known.numbers[one] != known.numbers[other]:
            yield key, one, other


# Matching ------------------------------------------------------------------------------------------------------------


def _exact(value: Any) -> Any:
    """A key that tells 0.0 from -0.0 and 1 from True; NaN equals itself."""
    return (value.__class__, repr(value))


def _stem(name: str) -> str:
    """The name of an index without the number behind it, which is that of a node."""
    return name.partition(".")[0]


def _indices(value: Any) -> Iterator[Index]:
    """The indices in a value of an attribute, in their order."""
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, Index):
            yield value
        elif isinstance(value, tuple):
            stack.extend(reversed(value))


def _kinds(graph: Graph, table: dict[Any, int], known: _Bodies, called: Callable[[str], str]) -> list[int]:
    """For each node a number for what it is, its operands aside; equal in both graphs that share ``table``.

    ``called`` is what counts of the name of an index.
    """
    kinds: list[int] = []

    def exact(value: Any) -> Any:
        return ("body", known.numbers[value]) if isinstance(value, Graph) else _exact(_renamed(value, called))

    types: dict[int, Any] = {}
    for node, data in graph.data.items():
        attrs = data.get("attrs")
        type = data["type"]
        if type.free:
            if id(type) not in types:
                free = sorted((called(index.name), str(index.extent)) for index in type.free)
                types[id(type)] = (type.dtype, type.shape, type.parts, tuple(free))
            type = types[id(type)]
        key: Any = (data["op"], type, data.get("name"), len(data["operands"]))
        if attrs:
            key = (*key, tuple(sorted((name, exact(value)) for name, value in attrs.items())))
        if known.spans:
            key = (*key, "at", data.get("span"), graph.spans.get(node))
        kinds.append(table.setdefault(key, len(table)))
    return kinds


def _renamed(value: Any, called: Callable[[str], str]) -> Any:
    """The value of an attribute with its indices called otherwise; attributes nest as deep as their texts do."""
    if isinstance(value, Index):
        return Index(called(value.name), value.extent)
    return tuple([_renamed(item, called) for item in value]) if isinstance(value, tuple) else value


def _required(graph: Graph, spans: bool) -> frozenset[Any]:
    """What the sizes of a call have to meet."""
    found = [(each.relation, each.left, each.right, each.span if spans else None) for each in graph.constraints]
    return frozenset(found)


def _below(graph: Graph, kinds: list[int], table: dict[Any, int]) -> list[int]:
    """For each node a number for all that it is computed by."""
    below: list[int] = []
    for node, data in graph.data.items():
        key = ("below", kinds[node], *[below[operand] for operand in data["operands"]])
        below.append(table.setdefault(key, len(table)))
    return below


def _roots(a: Graph, b: Graph) -> Iterator[tuple[int, int]]:
    """Nodes that have to correspond: outputs, inputs and names of both graphs by their name."""
    for one, other in (
        (dict(a.outputs), dict(b.outputs)),
        ({str(a.name(node)): node for node in a.inputs}, {str(b.name(node)): node for node in b.inputs}),
        (a.names, b.names),
    ):
        for name, node in one.items():
            if name in other:
                yield node, other[name]


def _match(a: Graph, b: Graph, kinds_a: list[int], kinds_b: list[int], called: dict[str, str]) -> dict[int, int] | None:
    """The only correspondence of all that the roots reach, and in ``called`` that of indices; None if there is none."""
    back: dict[str, str] = {}
    match: dict[int, int] = {}
    taken: dict[int, int] = {}
    stack = list(_roots(a, b))
    while stack:
        x, y = stack.pop()
        if x in match or y in taken:
            if match.get(x) != y:
                return None
            continue
        if kinds_a[x] != kinds_b[y]:
            return None
        if a.data[x].get("attrs"):
            own, other = tuple(a.attrs(x).values()), tuple(map(b.attrs(y).get, a.attrs(x)))
            for i, j in zip(_indices(own), _indices(other), strict=True):
                if called.setdefault(i.name, j.name) != j.name or back.setdefault(j.name, i.name) != i.name:
                    return None
        match[x] = y
        taken[y] = x
        stack.extend(zip(a.operands(x), b.operands(y), strict=True))
    return match


def _rest_equal(
    a: Graph, b: Graph, kinds_a: list[int], kinds_b: list[int], match: Mapping[int, int], called: Mapping[str, str]
) -> bool:
    """Whether what no root reaches is the same in both graphs."""
    if len(match) == len(a):
        return True
    # A dead node hangs on matched ones; below that it is known by its shape.
    table: dict[Any, int] = {}
    counts = []
    sides = (
        (a, kinds_a, {x: x for x in match}, {i: i for i in called}),
        (b, kinds_b, {y: x for x, y in match.items()}, {j: i for i, j in called.items()}),
    )
    for graph, kinds, known, indices in sides:
        number: dict[int, Any] = {}
        for node in graph:
            if node in known:
                number[node] = (known[node],)
            else:
                bound = [indices.get(index.name) for index in _indices(tuple(graph.attrs(node).values()))]
                key = (kinds[node], tuple(bound), *[number[operand] for operand in graph.operands(node)])
                number[node] = table.setdefault(key, len(table))
        counts.append(Counter(number.values()))
    return counts[0] == counts[1]


def _marks_equal(a: Graph, b: Graph, match: Mapping[int, int]) -> bool:
    for x, y in match.items():
        of = a.adjoint_of(x)
        if (b.adjoint_of(y) is None) if of is not None else (b.adjoint_of(y) is not None):
            return False
        if of is not None and of in match and match[of] != b.adjoint_of(y):
            return False
    # An entry about a dead node, which nothing tells from its like, only counts.
    taken = set(match.values())
    found = {(match[y], match[v], k): match[n] for (y, v, k), n in a.adjoints.items() if {y, v, n} <= match.keys()}
    due = {key: node for key, node in b.adjoints.items() if {*key[:2], node} <= taken}
    return found == due and len(a.adjoints) == len(b.adjoints)


# Showing -------------------------------------------------------------------------------------------------------------

Two = tuple[list[int], list[int]]


def _pair(a: Graph, b: Graph, kinds: Two, below: Two) -> dict[int, int]:
    """Nodes of ``b`` with the nodes of ``a`` that they are shown as.

    Nodes that are computed alike correspond. Above a difference nothing is computed alike, so what stands at the same
    place below the same root corresponds too.
    """
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    alike: dict[int, list[int]] = {}
    for node in reversed(range(len(a))):
        alike.setdefault(below[0][node], []).append(node)
    for node in b:
        candidates = alike.get(below[1][node])
        if candidates:
            pairs[node] = candidates.pop()
            taken.add(pairs[node])
    stack = list(_roots(a, b))[::-1]
    seen: set[tuple[int, int]] = set()
    while stack:
        x, y = stack.pop()
        if (x, y) in seen or below[0][x] == below[1][y]:
            continue
        seen.add((x, y))
        if y not in pairs and x not in taken:
            pairs[y] = x
            taken.add(x)
        if pairs.get(y) == x and len(a.operands(x)) == len(b.operands(y)):
            stack.extend(zip(reversed(a.operands(x)), reversed(b.operands(y)), strict=True))
    return pairs


def _line(graph: Graph, node: int, labels: Mapping[int, str], known: _Bodies) -> str:
    data = graph.data[node]
    shown = {**data, "operands": [labels[operand] for operand in data["operands"]]}
    line = f"%{labels[node]} = {text.what(shown, known.numbers)} : {data['type']}"
    if known.marks and data.get("adjoint_of") is not None:
        line += f" adjoint %{labels[data['adjoint_of']]}"
    if known.spans:
        line += "".join(map(_shown, _places(graph, node)))
    return line


def _shown(place: Span) -> str:
    return f" @{place.line}:{place.column}+{place.length}"


def _places(graph: Graph, node: int) -> Iterable[Span]:
    first = graph.span(node)
    return [*([first] if first is not None else []), *graph.spans.get(node, ())]


def _node_rows(
    a: Graph,
    b: Graph,
    labels_a: Mapping[int, str],
    labels_b: Mapping[int, str],
    pairs: Mapping[int, int],
    known: _Bodies,
) -> Iterator[str]:
    """The lines of both graphs in one list, each with the sign that it has in a unified difference."""
    partner = {x: y for y, x in pairs.items()}
    fresh = iter([node for node in b if node not in pairs])
    due = next(fresh, None)
    for x in a:
        y = partner.get(x)
        line = _line(a, x, labels_a, known)
        while due is not None and y is not None and due < y:
            yield "+" + _line(b, due, labels_b, known)
            due = next(fresh, None)
        other = None if y is None else _line(b, y, labels_b, known)
        if line == other:
            yield " " + line
        else:
            yield "-" + line
            if other is not None:
                yield "+" + other
    while due is not None:
        yield "+" + _line(b, due, labels_b, known)
        due = next(fresh, None)


def _tables(graph: Graph, labels: Mapping[int, str], known: _Bodies) -> list[str]:
    inputs = ", ".join(f"{text.quote(graph.name(node) or '')}" for node in graph.inputs)
    lines = [f"inputs {inputs}"]
    lines += [f"output {text.quote(name)} = %{labels[node]}" for name, node in graph.outputs]
    lines += [f"name {text.quote(name)} = %{labels[node]}" for name, node in sorted(graph.names.items())]
    if known.marks:
        for (y, v, order), node in graph.adjoints.items():
            lines.append(f"derivative %{labels[node]} = d %{labels[y]} / d %{labels[v]} order {order}")
    required: dict[str, None] = {}
    for constraint in graph.constraints:
        place = constraint.span if known.spans else None
        required[text.requirement(constraint) + (_shown(place) if place is not None else "")] = None
    lines += sorted(required)
    for name, function in sorted(graph.functions.items()) if graph not in known.numbers else ():
        lines.append(f"function {text.quote(name)} ({', '.join(map(text.quote, function.params))})")
    return lines


def _table_rows(first: list[str], second: list[str]) -> Iterator[str]:
    if sorted(first) == sorted(second):
        # The same lines in another order: outputs, whose order counts.
        if first != second:
            yield from ("-" + line for line in first if line.startswith("output"))
            yield from ("+" + line for line in second if line.startswith("output"))
        return
    only_first, only_second = Counter(first) - Counter(second), Counter(second) - Counter(first)
    yield from ("-" + line for line in first if line in only_first)
    yield from ("+" + line for line in second if line in only_second)


def _excerpt(rows: list[str]) -> Iterator[str]:
    """The rows that differ and those close to them, with `…` for what is left out."""
    shown: set[int] = set()
    for at, row in enumerate(rows):
        if row[0] != " ":
            shown.update(range(max(0, at - _CONTEXT), min(len(rows), at + _CONTEXT + 1)))
    last = -1
    for at in sorted(shown):
        if at > last + 1:
            yield " …"
        yield rows[at]
        last = at
    if shown and last < len(rows) - 1:
        yield " …"


def _first_difference(a: Graph, b: Graph, kinds: Two, below: Two, known: _Bodies) -> str:
    """A sentence about the first output that differs and the place below it where it does."""
    outputs = dict(b.outputs)
    for name, node in a.outputs:
        if name not in outputs:
            return f"output {text.quote(name)} is only in the first graph"
        x, y = node, outputs[name]
        if below[0][x] == below[1][y]:
            continue
        while kinds[0][x] == kinds[1][y]:
            operands = zip(a.operands(x), b.operands(y), strict=True)
            x, y = next((p, q) for p, q in operands if below[0][p] != below[1][q])
        first, second = _brief(a, x, known), _brief(b, y, known)
        return f"output {text.quote(name)} differs at %{x}: {first} in the first, {second} in the second"
    for name, _ in b.outputs:
        if name not in dict(a.outputs):
            return f"output {text.quote(name)} is only in the second graph"
    return ""


def _brief(graph: Graph, node: int, known: _Bodies) -> str:
    """What a node is, without its operands."""
    shown = {**graph.data[node], "operands": ["…"] * len(graph.operands(node))}
    return f"`{text.what(shown, known.numbers).replace('%…', '…')}`"
