"""Local gradients: reads the lines of ``gradients.grad`` and puts them into graphs.

A line is lowered once, to a small graph, and then spliced wherever its operator is differentiated. So a local gradient
is a piece of graph like any other: it is shown, simplified and differentiated again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradc.errors import CompileError, Diagnostic
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.op import Op, OpTable
from gradc.ir.sizes import Dim
from gradc.ir.types import SCALARS, Type, typed
from gradc.ops.evaluate import Constants, evaluator
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.apply import OPERATORS
from gradc.syntax.lower import Lowering, Program
from gradc.syntax.parse import parse_gradients
from gradc.syntax.scope import Poison, Scope

Shape = tuple[Dim, ...]


@dataclass(frozen=True)
class Step:
    """One node of a template: its op, where its operands stand, and whether it is made of constants alone."""

    op: str
    operands: tuple[int, ...]
    attrs: Mapping[str, Any] | None
    static: bool


class Template:
    """A graph with inputs, ready to be spliced into a builder one output at a time.

    ``static`` are the inputs that stand for constants; what is computed from them alone is folded on the way.
    """

    def __init__(self, graph: Graph, static: Collection[int] = ()) -> None:
        self.ops = graph.ops
        slot: dict[int, int] = {node: i for i, node in enumerate(graph.inputs)}
        self.arity = len(slot)
        fixed = {graph.inputs[i] for i in static}
        self.constants: dict[int, tuple[Any, Type]] = {}
        steps: dict[int, Step] = {}
        for node, data in graph.data.items():
            op, operands = data["op"], data["operands"]
            if op == "input":
                continue
            if op == "name":
                slot[node] = slot[operands[0]]
                if operands[0] in fixed:
                    fixed.add(node)
                continue
            slot[node] = len(slot) + self.arity
            if op == "const":
                self.constants[slot[node]] = (data["attrs"]["value"], data["type"])
                fixed.add(node)
                continue
            static_step = bool(operands) and all(operand in fixed for operand in operands)
            if static_step:
                fixed.add(node)
            steps[slot[node]] = Step(op, tuple(slot[operand] for operand in operands), data.get("attrs"), static_step)
        self.outputs = [slot[node] for _, node in graph.outputs]
        self.programs = [self._needed(output, steps) for output in self.outputs]

    def _needed(self, output: int, steps: Mapping[int, Step]) -> list[tuple[int, Step]]:
        needed, stack = set(), [output]
        while stack:
            current = stack.pop()
            if current in steps and current not in needed:
                needed.add(current)
                stack += steps[current].operands
        return [(number, steps[number]) for number in sorted(needed)]

    def splice(
        self, builder: Builder, operands: Sequence[int], output: int, values: Mapping[int, Any], shape: Shape = ()
    ) -> int:
        """The node of the output of that number; ``values`` are the numbers of the static inputs.

        Constants become arrays of ``shape``, which is that of the operands.
        """
        target = self.outputs[output]
        if target < self.arity and target not in values:
            return operands[target]
        made: dict[int, int] = dict(enumerate(operands))
        known: dict[int, Any] = dict(values)
        kinds: dict[int, Type] = {i: builder.type(operands[i]) for i in values}
        for number, (value, type) in self.constants.items():
            known[number], kinds[number] = value, (typed(type.dtype, shape) if shape else type)
        for number, step in self.programs[output]:
            if step.static and self._fold(number, step, known, kinds):
                continue
            made[number] = builder.apply(
                step.op, *[self._place(builder, at, made, known, kinds) for at in step.operands], attrs=step.attrs
            )
        return self._place(builder, target, made, known, kinds)

    @staticmethod
    def _place(
        builder: Builder, at: int, made: dict[int, int], known: Mapping[int, Any], kinds: Mapping[int, Type]
    ) -> int:
        if at in known:
            return builder.constant(known[at], kinds[at])
        return made[at]

    def _fold(self, number: int, step: Step, known: dict[int, Any], kinds: dict[int, Type]) -> bool:
        row = self.ops[step.op]
        types = [kinds[at] for at in step.operands]
        type = row.type_rule(types, step.attrs or {})
        compute = evaluator(row, type.dtype, tuple(t.dtype for t in types), step.attrs)
        if compute is None:
            return False
        try:
            known[number] = compute(*[known[at] for at in step.operands])
        except (OverflowError, ZeroDivisionError):
            return False
        kinds[number] = type
        return True


@dataclass(frozen=True)
class Case:
    """One line: what its operands must be, and the partials, each an output of the template or zero."""

    # None for any operand, "c" for a constant one, a number for that constant.
    pattern: tuple[str | float | None, ...]
    template: Template
    # Operand position to output number; a position that is missing has no derivative or a zero one.
    partials: Mapping[int, int]

    @property
    def static(self) -> bool:
        """Whether the line is for constant operands."""
        return any(part is not None for part in self.pattern)


class GradientError(Exception):
    """A line of a gradient table does not fit its operator."""


def cases(ops: OpTable, name: str, dtypes: tuple[str, ...]) -> list[Case]:
    """The lines of the op ``name`` for operands of these number types, in the order in which they are tried."""
    key = ("gradient", name, dtypes)
    found: list[Case] | None = ops._cache.get(key)
    if found is None:
        text = ops[name].gradient
        found = ops._cache[key] = [] if text is None else _read(ops, ops[name], text, dtypes)
    return found


def _read(ops: OpTable, row: Op, text: str, dtypes: tuple[str, ...]) -> list[Case]:
    source = Source(f"the derivative of {row.name}", text)
    rules = parse_gradients(source)
    return [_case(ops, row, source, rule, dtypes) for rule in rules]


def _pattern(ops: OpTable, row: Op, rule: tree.GradientRule) -> list[tree.Expr]:
    pattern = rule.pattern
    if isinstance(pattern, tree.Binary):
        found, parts = OPERATORS.get(pattern.op), [pattern.left, pattern.right]
    elif isinstance(pattern, tree.Unary):
        found, parts = ("neg" if pattern.op == "-" else pattern.op), [pattern.operand]
    elif isinstance(pattern, tree.Call):
        found, parts = ops.functions.get(pattern.function.id), [a.value for a in pattern.arguments]
    else:
        raise GradientError(f"the line for {row.name!r} starts with no operator")
    if found != row.name or not row.accepts(len(parts)):
        raise GradientError(f"the line for {row.name!r} is about something else")
    return list(parts)


def _case(ops: OpTable, row: Op, source: Source, rule: tree.GradientRule, dtypes: tuple[str, ...]) -> Case:
    parts = _pattern(ops, row, rule)
    real = next((dtype for dtype in dtypes if dtype != "int"), "f64")
    program = Program(ops, SCALARS[real])
    builder = Builder(ops)
    lowering = Lowering(program, builder)
    scope = Scope(source)
    pattern: list[str | float | None] = []
    for position, part in enumerate(parts):
        name = part if isinstance(part, tree.Name) else tree.Name(0, 0, f"operand {position}", f"operand {position}")
        scope.bind(name, builder.input(name.shown, SCALARS[dtypes[position]]), builder)
        if isinstance(part, tree.Number):
            pattern.append(part.value)
        else:
            pattern.append("c" if name.id == "c" or (name.id[0] == "c" and name.id[1:].isdecimal()) else None)
    outputs: list[tuple[str, int]] = []
    partials: dict[int, int] = {}
    for position, expression in enumerate(rule.partials):
        if isinstance(expression, tree.Number) and expression.value == 0:
            continue
        if isinstance(expression, tree.Name) and expression.id == "none":
            continue
        value = lowering.single(source, expression, lowering.evaluate(expression, scope))
        if isinstance(value, Poison):
            break
        partials[position] = len(outputs)
        outputs.append((str(position), lowering.applier.real_node(value)))
    if program.errors:
        raise CompileError(program.errors)
    if len(rule.partials) > len(parts):
        raise GradientError(f"the line for {row.name!r} has {len(rule.partials)} partials for {len(parts)} operands")
    static = [i for i, part in enumerate(pattern) if part is not None]
    return Case(tuple(pattern), Template(builder.finish(outputs), static), partials)


class LocalGradients:
    """The partials of the nodes of one builder."""

    def __init__(self, builder: Builder, templates: Mapping[str, Template]) -> None:
        self.builder = builder
        self.ops = builder.ops
        self.constants = Constants(builder.data, builder.ops)
        # Of the functions that have derivatives of their own, by name.
        self.templates = templates
        # Of the bodies of loops, with what their iterations start from among the outputs.
        self.bodies: dict[Graph, Graph] = {}
        # Regions that another one gives the results of, with the place of each there.
        self.superseded: dict[int, tuple[int, Mapping[int, int]]] = {}

    def inside(self, builder: Builder) -> LocalGradients:
        """The same for a builder of a body."""
        found = LocalGradients(builder, self.templates)
        found.bodies = self.bodies
        return found

    def of(self, node: int, positions: Sequence[int], active: Collection[int]) -> dict[int, int]:
        """The partial derivatives of a node by its operands at ``positions``; a position left out is zero.

        ``active`` holds the nodes that are being differentiated with respect to or lie on the way: none of them may be
        taken for a constant, even if its value is one.
        """
        builder = self.builder
        data = builder.data[node]
        op, operands = data["op"], data["operands"]
        if op == "call":
            name = data["attrs"]["function"]
            template = self.templates.get(name)
            if template is None:
                # The function's own derivative is being made, or that of one further down in the table.
                message = f"the derivative of `{name}` is stated in terms of the derivative of `{name}`"
                raise CompileError(Diagnostic("E0403", message))
            shape = data["type"].shape
            return {position: template.splice(builder, operands, position, {}, shape) for position in positions}
        row = self.ops[op]
        if row.gradient is not None:
            return self._from_text(row, node, operands, positions, active)
        if row.partials is not None:
            found = row.partials(builder, node)
            return {p: partial for p in positions if (partial := found[p]) is not None}
        raise CompileError(
            Diagnostic(
                "E0405",
                f"the operator `{op}` has no derivative",
                hints=('give its row a `gradient`, as in gradient="d f(x) = 2*x"',),
            )
        )

    def _from_text(
        self, row: Op, node: int, operands: tuple[int, ...], positions: Sequence[int], active: Collection[int]
    ) -> dict[int, int]:
        builder = self.builder
        data = builder.data
        dtypes = tuple(data[operand]["type"].dtype for operand in operands)
        for case in cases(self.ops, row.name, dtypes):
            values: dict[int, Any] | None = {}
            if case.static:
                values = self._constants(case, operands, active)
                if values is None:
                    continue
            return {
                position: case.template.splice(
                    builder, operands, case.partials[position], values or {}, data[node]["type"].shape
                )
                for position in positions
                if position in case.partials
            }
        raise CompileError(
            Diagnostic("E0405", f"no line of the derivative of `{row.name}` fits operands of {', '.join(dtypes)}")
        )

    def _constants(self, case: Case, operands: tuple[int, ...], active: Collection[int]) -> dict[int, Any] | None:
        """The values of the constant operands that a line asks for; None where it does not fit."""
        values: dict[int, Any] = {}
        for position, part in enumerate(case.pattern):
            if part is None:
                continue
            operand = operands[position]
            if operand in active:
                return None
            value = self.constants.value(operand)
            if value is None or (part != "c" and part != value):
                return None
            values[position] = value
        return values
