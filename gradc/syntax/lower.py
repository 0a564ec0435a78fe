"""Lowers syntax trees to a graph: resolves names, inlines functions, applies operators.

A stack machine runs each expression as linear code; a call of a function pushes a frame, so neither deep expressions
nor deep chains of calls recurse. After an error the value is poison, which makes no further errors, so one run reports
all that can be told apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

from gradc.errors import CompileError, Diagnostic, located
from gradc.ir.builder import Builder, NodeLimit
from gradc.ir.graph import ancestors
from gradc.ir.op import OpTable
from gradc.ir.region import Function
from gradc.ir.sizes import Dim
from gradc.ir.types import F64, Index, Type
from gradc.limits import Clock
from gradc.ops import build
from gradc.source import Source, Span
from gradc.syntax import blocks, code, literals, tree
from gradc.syntax.apply import Applier
from gradc.syntax.branches import Branches
from gradc.syntax.calls import Calls
from gradc.syntax.comprehend import Comprehensions
from gradc.syntax.enclosed import Region
from gradc.syntax.extents import dim_of
from gradc.syntax.outlook import NOTHING, Outlook
from gradc.syntax.scope import CONSTANTS, POISON, Binding, Closure, Frame, Poison, Scope, Value, Weak
from gradc.syntax.subscript import Item, Subscripts
from gradc.syntax.unknown import unknown_name

# More findings than anybody reads; each of them costs a look at all names of the program.
_MAX_ERRORS = 100
# Errors in a function that may lie in what it is called with: kinds and shapes. Of its calls so many are told.
_OF_ARGUMENTS = frozenset({"E0303", "E0309", "E0310", "E0311", "E0312", "E0401"})
_TOLD_CALLS = 3


class Enough(CompileError):
    """So many errors have been found that the search for others is given up."""


@dataclass
class Program:
    """What is shared by everything that is lowered for one program: findings and functions with derivatives."""

    ops: OpTable
    real: Type = F64
    clock: Clock = field(default_factory=Clock)
    errors: list[Diagnostic] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)
    functions: dict[str, Function] = field(default_factory=dict)
    # Sizes that are numbers in this compilation.
    sizes: Mapping[str, int] = field(default_factory=dict)
    # How many indices of each name there are.
    indices: Counter[str] = field(default_factory=Counter)
    _places: set[Span | None] = field(default_factory=set)

    def report(self, found: Diagnostic) -> None:
        """Keep an error; raises ``Enough`` when there are very many, an inlined function's counting once."""
        self.errors.append(found)
        self._places.add(found.span)
        if len(self._places) >= _MAX_ERRORS:
            self.give_up()

    def give_up(self) -> NoReturn:
        """Look for no more errors than those that have been found."""
        raise Enough(self.errors)


class Lowering:
    """Lowers into one builder. A function with a derivative has a lowering, and a closed graph, of its own."""

    def __init__(self, program: Program, builder: Builder, closed: Closure | None = None) -> None:
        self.program = program
        self.builder = builder
        # The function whose closed body this is, if any: it may read only constants from outside.
        self.closed = closed
        self.applier = Applier(builder, program.real, self.report)
        self.branches = Branches(self)
        self.calls = Calls(self)
        self.comprehensions = Comprehensions(self)
        self.subscripts = Subscripts(self)
        self.stack: list[Value | tuple[Value, ...]] = []
        self.frames: list[Frame] = []
        self._steps = 0
        self._imported: dict[int, int] = {}
        # The region whose body this lowers into, if it is one's.
        self.region: Region | None = None
        # Whether this is a trial run, for errors alone.
        self.trial = False
        # What the calls that have been inlined gave; None for one that is being inlined.
        self.inlined: dict[Hashable, Value | tuple[Value, ...] | None] = {}
        # What the rest of the file defines, for better messages.
        self.outlook: Outlook = NOTHING
        # The input whose default is being evaluated, if that is what this lowering is for.
        self.default_of: str | None = None
        # What the program defines, of which a default can use nothing.
        self.not_in_default: Collection[str] = ()

    def release(self) -> None:
        """Undo the knot between this and what makes calls: with it, the syntax tree would wait for the collector."""
        del self.calls.requests
        del self.branches, self.calls, self.comprehensions, self.subscripts

    # Running code --------------------------------------------------------------------------------------------------

    def evaluate(self, expression: tree.Expr, scope: Scope) -> Value | tuple[Value, ...]:
        """The value of an expression, or the values that a function with several results gives."""
        return self.run(code.postorder(expression), scope)

    def run(self, instructions: Sequence[tree.Node], scope: Scope) -> Value | tuple[Value, ...]:
        """Run code that leaves one value on the stack and return it."""
        return self._run(Frame(instructions, scope))

    def _run(self, first: Frame) -> Value | tuple[Value, ...]:
        frames, stack = self.frames, self.stack
        floor = len(frames)
        frames.append(first)
        handlers = self._handlers
        while len(frames) > floor:
            frame = frames[-1]
            if frame.at == len(frame.code):
                frames.pop()
                if frame.closure is not None:
                    frame.closure.active -= 1
                continue
            item = frame.code[frame.at]
            frame.at += 1
            handlers[type(item)](self, item, frame)
            self._steps += 1
            if not self._steps & 0xFFFF:
                self.program.clock.check()
        return stack.pop()

    def run_function(
        self, instructions: Sequence[tree.Node], scope: Scope, closure: Closure
    ) -> Value | tuple[Value, ...]:
        """Run the code of a function's body, whose parameters ``scope`` binds."""
        closure.active += 1
        return self._run(Frame(instructions, scope, closure))

    def call_blindly(self, closure: Closure) -> None:
        """Inline a function on made-up numbers, for the errors that this finds."""
        self.trial = True
        scope = Scope(closure.source, closure.scope, closure.limit)
        closure.active += 1
        try:
            for parameter in closure.definition.parameters:
                if parameter.default is not None:
                    self.evaluate(parameter.default, scope)
                node = self.builder.input(f"{parameter.name.shown}.{parameter.start}", self.program.real)
                scope.bind(parameter.name, node, self.builder).used = True
            self.run_function(code.body_code(closure.definition), scope, closure)
        except NodeLimit:
            return
        finally:
            # A limit stops in the middle; the function is the program's. In a trial run no other is called.
            closure.active = 0

    def single(self, source: Source, place: tree.Node, value: Value | tuple[Value, ...]) -> Value:
        """The value if it is one; a diagnostic for the several results of a function."""
        if isinstance(value, tuple):
            self.error(
                "E0305",
                f"this function gives {len(value)} values where one is needed",
                source,
                place,
                f"{len(value)} values",
                ("take them apart first: " + ", ".join("abcdefgh"[: len(value)]) + " = …",),
            )
            return POISON
        return value

    def error(
        self,
        name: str,
        message: str,
        source: Source,
        place: tree.Node,
        label: str = "",
        hints: Sequence[str] = (),
        notes: Sequence[tuple[Source, int, int, str]] = (),
    ) -> None:
        """Report an error at the text of ``place``."""
        self.report(located(name, message, source, place.start, place.end, label, hints, notes))

    def report(self, found: Diagnostic) -> None:
        """Keep an error, with the calls by which the function was reached that it lies in, the innermost first."""
        calls = [frame.call for frame in self.frames if frame.call is not None and found.code in _OF_ARGUMENTS]
        notes = [(place := source.span(call.start, call.end), source.line(place.line)) for source, call in calls[::-1]]
        told = {place for place, _, _ in found.notes}
        further = [(place, text, "called here") for place, text in notes[:_TOLD_CALLS] if place not in told]
        self.program.report(replace(found, notes=(*found.notes, *further)) if further else found)

    def warn(
        self, name: str, message: str, source: Source, start: int, end: int, label: str = "", hints: Sequence[str] = ()
    ) -> None:
        """Report a warning at a stretch of text."""
        self.program.warnings.append(located(name, message, source, start, end, label, hints))

    def quietly(self, expression: tree.Expr, scope: Scope) -> int | None:
        """The node of an expression, or None where it has an error, which is not reported here."""
        program = self.program
        errors, places, warnings = list(program.errors), set(program._places), list(program.warnings)
        value = self.evaluate(expression, scope)
        failed = len(program.errors) > len(errors)
        program.errors[:], program.warnings[:], program._places = errors, warnings, places
        return None if failed or isinstance(value, (tuple, Poison)) else self.applier.any_node(value)

    def surely(self, node: tree.Node) -> bool:
        """Whether a node of the statement that is being lowered is evaluated for every element, whatever the data.

        What stands in a function is not looked at: it may be called under a condition.
        """
        return not any(frame.closure for frame in self.frames) and code.surely(self.outlook.expressions(), node)

    def new_index(self, name: str, extent: Dim) -> Index:
        """A free index that no other is called like."""
        count = self.program.indices[name]
        self.program.indices[name] += 1
        return Index(f"{name}.{count}" if count else name, extent)

    # Expressions ---------------------------------------------------------------------------------------------------

    def _number(self, node: tree.Number, frame: Frame) -> None:
        if node.integer is not None and node.integer < 2**63:
            self.stack.append(Weak(node.integer, node.value))
        else:
            self.builder.span = frame.scope.source.span(node.start, node.end)
            self.stack.append(self.builder.constant(node.value, self.program.real))

    def _name(self, node: tree.Name, frame: Frame) -> None:
        binding = frame.scope.value(node.id)
        if binding is not None:
            binding.used = True
            if binding.home is not self.builder:
                self.stack.append(self.imported(node, binding, frame))
            else:
                self.stack.append(binding.value)
            return
        constant = CONSTANTS.get(node.id)
        if constant is not None:
            self.builder.span = frame.scope.source.span(node.start, node.end)
            self.stack.append(self.builder.constant(constant, self.program.real))
            return
        unknown_name(self, node, frame.scope)
        self.stack.append(POISON)

    def imported(self, node: tree.Name, binding: Binding, frame: Frame) -> Value:
        """A value from outside: of a region, or a constant that a function with a derivative of its own reads."""
        if self.region is not None:
            return self.region.enter(self, node, binding, frame)
        value = binding.value
        if isinstance(value, Weak):
            return Weak(value.exact, value.real)
        if isinstance(value, Poison):
            return POISON
        outer = binding.home
        cone = sorted(ancestors(outer.data, [value]))
        if self.closed is None:
            # A trial run, for errors alone: any number of the same type serves, but sizes stay what they are.
            if value not in self._imported:
                dim = dim_of(outer.data, value)
                self._imported[value] = (
                    self.builder.input(f"{binding.shown}_{value}", outer.type(value))
                    if dim is None
                    else build.extent(self.builder, dim)
                )
            return self._imported[value]
        if any(outer.op(n) in ("input", "grad", "jvp", "vjp") for n in cone):
            name = self.closed.definition.name.shown
            self.error(
                "E0404",
                f"`{name}` has a derivative of its own, so it may read only its parameters and constants",
                frame.scope.source,
                node,
                "this is not a constant",
                (f"make `{node.shown}` a parameter of `{name}`",),
            )
            return POISON
        for old in cone:
            if old not in self._imported:
                data = outer.data[old]
                if data["op"] == "const":
                    new = self.builder.constant(data["attrs"]["value"], data["type"])
                elif data["op"] == "name":
                    new = self._imported[data["operands"][0]]
                else:
                    operands = [self._imported[operand] for operand in data["operands"]]
                    new = self.builder.apply(data["op"], *operands, attrs=data.get("attrs"))
                self._imported[old] = new
        return self._imported[value]

    def _unary(self, node: tree.Unary, frame: Frame) -> None:
        source = frame.scope.source
        operand = self.single(source, node.operand, self.stack.pop())
        self.stack.append(self.applier.unary(source, node, operand))

    def _binary(self, node: tree.Binary, frame: Frame) -> None:
        stack, source = self.stack, frame.scope.source
        right, left = stack.pop(), stack.pop()
        if isinstance(left, tuple):
            left = self.single(source, node.left, left)
        if isinstance(right, tuple):
            right = self.single(source, node.right, right)
        stack.append(self.applier.binary(source, node, left, right))

    def _conditional(self, node: tree.Conditional, frame: Frame) -> None:
        if frame.choices.pop().taken is not None:
            return
        source, places = frame.scope.source, (node.test, node.then, node.other)
        values = [self.single(source, p, v) for p, v in zip(places, self.take(3), strict=True)]
        self.builder.span = source.span(node.start, node.end)
        self.stack.append(self.apply("select", "if", values, places, source))

    # Arrays --------------------------------------------------------------------------------------------------------

    def _array_literal(self, node: tree.ArrayLiteral, frame: Frame) -> None:
        source = frame.scope.source
        values = [self.single(source, p, v) for p, v in zip(node.items, self.take(len(node.items)), strict=True)]
        self.stack.append(literals.array(self, node, values, source))

    def _subscript(self, node: tree.Subscript, frame: Frame) -> None:
        source = frame.scope.source
        places = [node.value, *(part for item in node.items for part in code.parts(item))]
        value, *rest = [
            self.single(source, place, found) for place, found in zip(places, self.take(len(places)), strict=True)
        ]
        parts = iter(rest)
        items: list[Item] = []
        for item in node.items:
            if isinstance(item, tree.Slice):
                low, high, step = [None if p is None else next(parts) for p in (item.lower, item.upper, item.step)]
                items.append((low, high, step))
            else:
                items.append(next(parts))
        self.stack.append(self.subscripts.lower(node, value, items, source))

    def elements(self, node: tree.Subscript, array: int, scope: Scope) -> int:
        """The elements of another array that a subscript names, which has been lowered without errors before."""
        items: list[Item] = []
        for item in node.items:
            found = [self.evaluate(part, scope) for part in code.parts(item)]
            values = iter([value for value in found if not isinstance(value, tuple)])
            if isinstance(item, tree.Slice):
                low, high, step = [None if p is None else next(values) for p in (item.lower, item.upper, item.step)]
                items.append((low, high, step))
            else:
                items.append(next(values))
        made = self.subscripts.lower(node, array, items, scope.source)
        assert isinstance(made, int)
        return made

    def _attribute(self, node: tree.Attribute, frame: Frame) -> None:
        source = frame.scope.source
        value = self.single(source, node.value, self.stack.pop())
        self.stack.append(literals.attribute(self, node, value, source))

    def _comprehension(self, node: tree.Comprehension, frame: Frame) -> None:
        self.stack.append(self.comprehensions.table(node, frame.scope))

    def _index_assign(self, node: tree.IndexAssign, frame: Frame) -> None:
        self.stack.append(self.comprehensions.target(node, frame.scope))

    def _block(self, node: tree.Block, frame: Frame) -> None:
        blocks.lower(self, node, frame.scope)

    def take(self, count: int) -> list[Value | tuple[Value, ...]]:
        """The topmost ``count`` values, in the order in which they were pushed."""
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def apply(self, op: str, shown: str, values: Sequence[Value], places: Sequence[tree.Node], source: Source) -> Value:
        """``op`` on values, or poison where one of them is."""
        sound = [value for value in values if not isinstance(value, Poison)]
        if len(sound) < len(values):
            return POISON
        return self.applier.apply(source, op, shown, sound, places)

    def _call(self, node: tree.Call, frame: Frame) -> None:
        source = frame.scope.source
        if code.reduces(node):
            listed = node.arguments[0].value
            assert isinstance(listed, tree.Comprehension)
            if frame.scope.function(node.function.id) is None:
                self.stack.append(self.comprehensions.reduce(node.function.id, node, listed, frame.scope))
                return
            self.stack.append(self.comprehensions.table(listed, frame.scope))
        values = [
            self.single(source, argument.value, value)
            for argument, value in zip(node.arguments, self.take(len(node.arguments)), strict=True)
        ]
        self.builder.span = source.span(node.start, node.end)
        value = self.calls.call(node, values, frame)
        if value is not None:
            self.stack.append(value)

    def _bind_default(self, item: code.BindParameter, frame: Frame) -> None:
        assert frame.closure is not None
        value = self.single(frame.scope.source, item.parameter, self.stack.pop())
        self.calls.bind(item.parameter, value, frame.closure, frame.scope)

    def _bind_argument(self, item: code.BindArgument, frame: Frame) -> None:
        assert frame.closure is not None
        self.calls.bind(item.parameter, item.value, frame.closure, frame.scope)

    def _call_registered(self, item: code.CallRegistered, frame: Frame) -> None:
        self.builder.span = item.source.span(item.start, item.end)
        self.stack.append(self.calls.call_bound(item, frame))

    def identify(self, name: str, value: int | Weak) -> Value:
        """A fresh name node over a value; a weak integer keeps its exactness beside it."""
        if isinstance(value, Weak):
            return Weak(value.exact, value.real, self.builder.name(name, self.applier.real_node(value)))
        named = self.builder.name(name, value)
        if value in self.applier.whole:
            self.applier.whole[named] = self.applier.whole[value]
        return named

    def _return(self, item: code.Return, frame: Frame) -> None:
        values = self.take(item.count)
        assert frame.closure is not None
        results: Sequence[tree.Node] = frame.closure.definition.results
        if len(results) != item.count:
            # The partials of a function with a derivative of its own: one an argument, however many results it has.
            results = [item] * item.count
        single = [self.single(frame.scope.source, r, v) for r, v in zip(results, values, strict=True)]
        result = single[0] if item.count == 1 else tuple(single)
        if frame.key is not None:
            self.inlined[frame.key] = result
        self.stack.append(result)

    # Statements ----------------------------------------------------------------------------------------------------

    def _bind(self, item: code.Bind, frame: Frame) -> None:
        """Bind names inside a function; the names of a program are bound by its module."""
        assert frame.closure is not None
        keep = frame.closure.targets
        self.bind_results(item, item.targets, self.stack.pop(), frame.scope, lambda n: n.id in keep, frame.closure)

    def bind_results(
        self,
        place: tree.Node,
        targets: Sequence[tree.Name],
        value: Value | tuple[Value, ...],
        scope: Scope,
        identify: Callable[[tree.Name], bool],
        closure: Closure | None = None,
    ) -> None:
        """Bind the value of a statement to its names; a name for which ``identify`` holds becomes a node."""
        source = scope.source
        values = self.apart(place, targets, value, source)
        for target, result in zip(targets, values, strict=True):
            known = scope.values.get(target.id)
            if known is not None:
                self.redefined(target, known, source)
                continue
            if not isinstance(result, Poison) and identify(target):
                self.builder.span = source.span(target.start, target.end)
                prefix = f"{closure.definition.name.shown}." if closure else ""
                result = self.identify(prefix + target.shown, result)
            binding = scope.bind(target, result, self.builder)
            binding.used = closure is not None

    def apart(
        self, place: tree.Node, targets: Sequence[tree.Name], value: Value | tuple[Value, ...], source: Source
    ) -> Sequence[Value]:
        """The value of a statement for each of its names; poison after a report."""
        if len(targets) == 1:
            return [self.single(source, place, value)]
        if isinstance(value, tuple) and len(value) == len(targets):
            return value
        if not isinstance(value, Poison):
            found = len(value) if isinstance(value, tuple) else 1
            self.error(
                "E0305",
                f"{len(targets)} names take apart {found} value" + ("s" if found != 1 else ""),
                source,
                place,
                f"{len(targets)} names on the left",
            )
        return [POISON] * len(targets)

    def redefined(self, name: tree.Name, known: Binding, source: Source) -> None:
        """Report a second definition of a name."""
        self.error(
            "E0202",
            f"`{name.shown}` is defined twice",
            source,
            name,
            "defined again here",
            ("each name is assigned once: give the new value a name of its own",),
            [(known.source, known.start, known.end, "first defined here")],
        )

    def _define(self, item: code.Define, frame: Frame) -> None:
        self.define(item.definition, frame.scope)

    def define(self, definition: tree.FunctionDef, scope: Scope) -> Closure:
        """Define a function in a scope."""
        first: dict[str, tree.Name] = {}
        for parameter in definition.parameters:
            if parameter.default is not None:
                # What a default mentions is used, whether or not a call leaves the argument out.
                for node in code.postorder(parameter.default):
                    found = scope.value(node.id) if isinstance(node, tree.Name) and node.id not in first else None
                    if found is not None:
                        found.used = True
            name = parameter.name
            known = first.setdefault(name.id, name)
            if known is not name:
                self.error(
                    "E0202",
                    f"two parameters of `{definition.name.shown}` are called `{name.shown}`",
                    scope.source,
                    name,
                    "the same name again",
                    (),
                    [(scope.source, known.start, known.end, "first used here")],
                )
        closure = Closure(definition, scope.source, scope, 0, code.targets_of(definition))
        scope.define(definition.name.id, closure)
        return closure

    _handlers: dict[type, Callable[[Lowering, object, Frame], None]] = {}  # noqa: RUF012


Lowering._handlers = {
    tree.Number: Lowering._number,  # type: ignore[dict-item]
    tree.Name: Lowering._name,  # type: ignore[dict-item]
    tree.Unary: Lowering._unary,  # type: ignore[dict-item]
    tree.Binary: Lowering._binary,  # type: ignore[dict-item]
    tree.Conditional: Lowering._conditional,  # type: ignore[dict-item]
    tree.Call: Lowering._call,  # type: ignore[dict-item]
    tree.ArrayLiteral: Lowering._array_literal,  # type: ignore[dict-item]
    tree.Subscript: Lowering._subscript,  # type: ignore[dict-item]
    tree.Attribute: Lowering._attribute,  # type: ignore[dict-item]
    tree.Comprehension: Lowering._comprehension,  # type: ignore[dict-item]
    tree.IndexAssign: Lowering._index_assign,  # type: ignore[dict-item]
    tree.For: Lowering._block,  # type: ignore[dict-item]
    tree.While: Lowering._block,  # type: ignore[dict-item]
    tree.IfBlock: Lowering._block,  # type: ignore[dict-item]
    code.Bind: Lowering._bind,  # type: ignore[dict-item]
    code.BindParameter: Lowering._bind_default,  # type: ignore[dict-item]
    code.BindArgument: Lowering._bind_argument,  # type: ignore[dict-item]
    code.CallRegistered: Lowering._call_registered,  # type: ignore[dict-item]
    code.Define: Lowering._define,  # type: ignore[dict-item]
    code.Decide: lambda self, item, frame: self.branches.decide(item, frame),  # type: ignore[arg-type]
    code.Otherwise: lambda self, item, frame: self.branches.otherwise(item, frame),  # type: ignore[arg-type]
    code.Known: lambda self, item, _: self.stack.append(item.value),  # type: ignore[attr-defined]
    code.Return: Lowering._return,  # type: ignore[dict-item]
}
