"""From the text of a program, and the files it uses, to one graph."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from gradc.errors import CompileError, Diagnostic, located, suggestion
from gradc.ir.builder import Builder, NodeLimit
from gradc.ir.graph import Graph
from gradc.ir.op import OpTable
from gradc.ir.sizes import TooLarge
from gradc.ir.types import INT, SCALARS, Type, typed
from gradc.limits import DEFAULT, Clock, Limits, too_many_nodes
from gradc.ops.evaluate import evaluate_constants
from gradc.source import Source
from gradc.syntax import blocks, tree
from gradc.syntax.arrays import FUNCTIONS
from gradc.syntax.code import DIFFERENTIATORS
from gradc.syntax.declare import Declarations, array_default
from gradc.syntax.derivative import register
from gradc.syntax.extents import not_negative
from gradc.syntax.independence import independent_requests
from gradc.syntax.lower import Enough, Lowering, Program
from gradc.syntax.outlook import FileOutlook
from gradc.syntax.parse import parse_program
from gradc.syntax.recursion import overgrown
from gradc.syntax.scope import CONSTANTS, POISON, Binding, Closure, Poison, Scope, Weak

Opener = Callable[[Source, tree.Use], Source]
"""Reads the file that a ``use`` statement of a source names; raises ``CompileError`` at the statement."""


# Errors that may be due to the made-up arguments of a function that is never called, which are single numbers.
_KNOWN_BY_CALL = frozenset({"E0303", "E0309", "E0310", "E0311", "E0401", "E0404"})

# A function that is never called is tried out on a graph of at most this size.
_TRIAL = 20_000


@dataclass(frozen=True)
class Lowered:
    """A lowered program: its graph as written, what is likely a mistake in it, and the texts it was read from."""

    graph: Graph
    warnings: tuple[Diagnostic, ...]
    sources: tuple[Source, ...]


@dataclass(eq=False)
class Module:
    """A file and what it defines."""

    source: Source
    program: tree.Program
    scope: Scope = field(init=False)
    uses: list[tuple[tree.Use, Source]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scope = Scope(self.source)


def lower(
    source: Source,
    ops: OpTable,
    opener: Opener,
    *,
    dtype: str = "f64",
    sizes: Mapping[str, int] = MappingProxyType({}),
    limits: Limits = DEFAULT,
) -> Lowered:
    """Lower a program and everything it uses; raises ``CompileError`` with all errors that can be told apart."""
    clock = Clock(limits)
    modules = _load(source, opener, limits)
    program = Program(ops, SCALARS[dtype], clock, sizes=sizes)
    builder = Builder(ops, max_nodes=limits.nodes)
    builder.functions = program.functions
    lowering: Lowering | None = None
    try:
        outputs = []
        for module in modules.values():
            file = ModuleLowering(program, builder, module, modules, source)
            lowering = file.lowering
            outputs = file.lower()
    except NodeLimit:
        raise (too_many_nodes(limits.nodes) if lowering is None else overgrown(lowering)) from None
    except Enough:
        raise CompileError(_ordered(program.errors)) from None
    except TooLarge as problem:
        span = builder.span
        lines = [m.source.line(span.line) for m in modules.values() if span and m.source.name == span.file]
        program.errors.append(Diagnostic("E0312", str(problem), span, text="".join(lines[:1])))
        raise CompileError(_ordered(program.errors)) from None
    if program.errors:
        raise CompileError(_ordered(program.errors))
    builder.span = None
    # Functions know the scope they stand in, and that knows them.
    for module in modules.values():
        module.scope.functions.clear()
    not_negative(builder)
    graph = builder.finish(outputs)
    warnings = [*program.warnings, *independent_requests(graph, [m.source for m in modules.values()])]
    return Lowered(graph, tuple(_ordered(warnings)), tuple(module.source for module in modules.values()))


def _ordered(found: list[Diagnostic]) -> list[Diagnostic]:
    """Findings in the order of the text, each once: an inlined function repeats its own."""
    unique = {(d.code, d.span): d for d in reversed(found)}
    return sorted(unique.values(), key=lambda d: (d.span is None, d.span or ()))


def _load(source: Source, opener: Opener, limits: Limits) -> dict[str, Module]:
    """Every file that is used, each before what uses it; the program itself comes last."""
    modules: dict[str, Module] = {}
    order: dict[str, Module] = {}
    # Each entry: a module that is being loaded, how many of its uses have been followed, and the statement that led
    # here.
    stack: list[tuple[Module, int]] = []

    def enter(opened: Source) -> None:
        module = Module(opened, parse_program(opened))
        modules[opened.name] = module
        stack.append((module, 0))
        if len(modules) > limits.files:
            raise CompileError(Diagnostic("E0705", f"the program uses more than {limits.files:,} files"))

    enter(source)
    while stack:
        module, followed = stack.pop()
        statements = [s for s in module.program.statements if isinstance(s, tree.Use)]
        if followed == len(statements):
            order[module.source.name] = module
            continue
        stack.append((module, followed + 1))
        use = statements[followed]
        opened = opener(module.source, use)
        module.uses.append((use, opened))
        if opened.name in order:
            continue
        if opened.name in modules:
            names = [m.source.name for m, _ in stack]
            cycle = " → ".join([*names[names.index(opened.name) :], opened.name])
            raise CompileError(
                located(
                    "E0502",
                    f"files use each other in a cycle: {cycle}",
                    module.source,
                    use.start,
                    use.end,
                    "closes the cycle",
                )
            )
        enter(opened)
    return order


class ModuleLowering:
    """Lowers the statements of one file."""

    def __init__(
        self, program: Program, builder: Builder, module: Module, modules: dict[str, Module], main: Source
    ) -> None:
        self.program = program
        self.builder = builder
        self.module = module
        self.modules = modules
        self.source = module.source
        self.scope = module.scope
        self.main = module.source is main
        self.lowering = Lowering(program, builder)
        self.outputs: list[tree.Name] = []
        self.used: list[Module] = []
        self.closures: list[Closure] = []
        self.declarations = Declarations(self.lowering, self.scope)

    def lower(self) -> list[tuple[str, int]]:
        """Lower every statement and return the outputs by name."""
        self.lowering.outlook = outlook = FileOutlook(self.module.program)
        uses = iter(self.module.uses)
        self.declarations.begin(self.module.program, self.program.sizes if self.main else {})
        steps: dict[type, Callable[..., None]] = {
            tree.Declaration: self._declaration,
            tree.Assign: self._assign,
            tree.IndexAssign: self._index_assign,
            tree.FunctionDef: self._function,
            tree.DerivativeDef: self._derivative,
            tree.Output: self._output,
            tree.For: self._block,
            tree.While: self._block,
            tree.IfBlock: self._block,
        }
        for statement in self.module.program.statements:
            outlook.begin(statement)
            if isinstance(statement, tree.Use):
                self._use(statement, self.modules[next(uses)[1].name])
            else:
                steps[type(statement)](statement)
        self._check_uncalled()
        results = self._results() if self.main else []
        self.lowering.release()
        return results

    # Statements ----------------------------------------------------------------------------------------------------

    def _forbidden(self, statement: tree.Node, what: str) -> bool:
        if self.main:
            return False
        self.lowering.error(
            "E0505",
            f"a file that is used cannot have {what}",
            self.source,
            statement,
            "not here",
            ("a used file gives functions and constants; move this into the program",),
        )
        return True

    def _declaration(self, statement: tree.Declaration) -> None:
        if self._forbidden(statement, "inputs and params"):
            return
        for item in statement.items:
            known = self.scope.values.get(item.name.id)
            if known is not None:
                self.lowering.redefined(item.name, known, self.source)
                continue
            type = self.declarations.type(item)
            if type is None:
                self.scope.bind(item.name, POISON, self.builder)
                continue
            default = None if item.default is None else self._default(item, type)
            self._shadowing(item.name)
            self.builder.span = self.source.span(item.name.start, item.name.end)
            node = self.builder.input(item.name.shown, type, kind=statement.kind, default=default)
            binding = self.scope.bind(item.name, self.declarations.value(item, node, type), self.builder)
            binding.fixed = "a param" if statement.kind == "param" else "an input"

    def _default(self, item: tree.Declared, type: Type) -> Any:
        """What a default stands for: a number, which fills an array, or the nested tuples of an array."""
        assert item.default is not None
        place = item.default
        if type.shape and isinstance(place, tree.ArrayLiteral):
            return array_default(
                self.lowering, self.source, item, place, type, partial(self._constant, item, type=type)
            )
        return self._constant(item, place, typed(type.dtype))

    def _constant(self, item: tree.Declared, place: tree.Expr, type: Type) -> float | int | bool | None:
        """The value of an expression of literals and constants."""
        type = typed(type.dtype)
        if isinstance(place, tree.Number) and type.real:
            # Nearly every default is a literal.
            return place.value
        scratch = Builder(self.program.ops, max_nodes=10_000)
        lowering = Lowering(self.program, scratch)
        lowering.default_of = item.name.shown
        outlook = self.lowering.outlook
        names: list[Any] = [self.scope.values, self.scope.functions, outlook.values, outlook.functions]
        # Looked up where they stand: a copy for every default would be quadratic.
        lowering.not_in_default = ChainMap(*names)
        before = len(self.program.errors)
        value = lowering.single(self.source, place, lowering.evaluate(place, Scope(self.source)))
        lowering.release()
        if isinstance(value, Poison) or len(self.program.errors) > before:
            return None
        if isinstance(value, Weak) and type is INT:
            return value.exact
        node = lowering.applier.any_node(value)
        if scratch.type(node) is not type and not (scratch.type(node) is INT and type.real):
            wanted = {"int": "an integer", "bool": "a truth value"}.get(type.dtype, "a number")
            self.lowering.error("E0303", f"the default of `{item.name.shown}` must be {wanted}", self.source, place)
            return None
        found = evaluate_constants(scratch.data, self.program.ops, node)
        return float(found) if type.real and found is not None else found

    def _assign(self, statement: tree.Assign) -> None:
        value = self.lowering.evaluate(statement.value, self.scope)
        for target in statement.targets:
            if target.id not in self.scope.values:
                self._shadowing(target)
        place = statement.value if len(statement.targets) == 1 else statement
        self.lowering.bind_results(place, statement.targets, value, self.scope, lambda _: True)

    def _index_assign(self, statement: tree.IndexAssign) -> None:
        value = self.lowering.run([statement], self.scope)
        if statement.target.id not in self.scope.values:
            self._shadowing(statement.target)
        self.lowering.bind_results(statement.value, [statement.target], value, self.scope, lambda _: True)

    def _shadowing(self, name: tree.Name) -> None:
        if name.id in CONSTANTS and self.main:
            self.lowering.warn(
                "W0103",
                f"`{name.shown}` hides the constant of that name",
                self.source,
                name.start,
                name.end,
                f"the constant is {CONSTANTS[name.id]:.6g}",
            )

    def _block(self, statement: tree.Block) -> None:
        blocks.lower(self.lowering, statement, self.scope)

    def _function(self, statement: tree.FunctionDef) -> None:
        name = statement.name
        known = self.scope.functions.get(name.id)
        if known is not None:
            first = known[0].definition.name
            self.lowering.error(
                "E0202",
                f"the function `{name.shown}` is defined twice",
                self.source,
                name,
                "defined again here",
                (),
                [(known[0].source, first.start, first.end, "first defined here")],
            )
            return
        if name.id in self.program.ops.functions or name.id in FUNCTIONS or name.id in DIFFERENTIATORS:
            self.lowering.warn(
                "W0103", f"`{name.shown}` hides the built-in function of that name", self.source, name.start, name.end
            )
        self.closures.append(self.lowering.define(statement, self.scope))

    def _derivative(self, statement: tree.DerivativeDef) -> None:
        register(self.lowering, statement, self.scope)

    def _output(self, statement: tree.Output) -> None:
        if not self._forbidden(statement, "outputs"):
            self.outputs += statement.names

    def _use(self, statement: tree.Use, used: Module) -> None:
        """Bring a file's functions and constants into scope, once; what it uses itself stays its own."""
        if used in self.used:
            return
        self.used.append(used)
        place = tree.Name(statement.start, statement.end, "", "")
        for name, (closure, _) in used.scope.functions.items():
            if closure.scope is not used.scope:
                continue
            if name in self.scope.functions:
                place.shown = name
                first = self.scope.functions[name][0]
                where = first.definition.name
                self.lowering.error(
                    "E0202",
                    f"`{statement.path}` defines the function `{name}`, which exists already",
                    self.source,
                    statement,
                    "defined again here",
                    (),
                    [(first.source, where.start, where.end, "first defined here")],
                )
                continue
            self.scope.order += 1
            self.scope.functions[name] = (closure, self.scope.order)
        for name, binding in used.scope.values.items():
            known = self.scope.values.get(name)
            if binding.source is not used.source:
                continue
            if known is not None:
                self.lowering.redefined(
                    tree.Name(statement.start, statement.end, name, binding.shown), known, self.source
                )
                continue
            self.scope.order += 1
            self.scope.values[name] = Binding(
                binding.value,
                binding.source,
                binding.start,
                binding.end,
                self.scope.order,
                binding.shown,
                binding.home,
                True,
            )

    # The end of a file ---------------------------------------------------------------------------------------------

    def _check_uncalled(self) -> None:
        """Find the errors in functions that nothing calls, as far as they do not hang on the arguments' types."""
        # What a function does not see although the file defines it is defined behind it.
        outlook = FileOutlook(self.module.program)
        for closure in self.closures:
            if closure.code is not None or closure.registered is not None:
                continue
            trial = Program(self.program.ops, self.program.real, self.program.clock)
            scratch = Lowering(trial, Builder(self.program.ops, max_nodes=_TRIAL))
            scratch.outlook = outlook
            with suppress(Enough, TooLarge):
                scratch.call_blindly(closure)
            closure.code = None
            for found in trial.errors:
                if found.code not in _KNOWN_BY_CALL:
                    self.program.report(found)

    def _results(self) -> list[tuple[str, int]]:
        """The outputs: those named, or else the values that nothing uses."""
        lowering = self.lowering
        found: dict[str, tuple[str, int]] = {}
        for name in self.outputs:
            binding = self.scope.values.get(name.id)
            if binding is None:
                lowering.error(
                    "E0207",
                    f"the output `{name.shown}` is not defined",
                    self.source,
                    name,
                    "no value of this name",
                    suggestion(name.id, self.scope.values),
                )
            elif name.id in found:
                lowering.error(
                    "E0207", f"the output `{name.shown}` is named twice", self.source, name, "named again here"
                )
            else:
                binding.used = True
                found[name.id] = (binding.shown, self._node(binding))
        if self.program.errors:
            return []
        own = [(n, b) for n, b in self.scope.values.items() if b.source is self.source]
        if not self.outputs:
            for key, binding in own:
                if not binding.used and self.builder.op(self._node(binding)) == "name":
                    binding.used = True
                    found[key] = (binding.shown, self._node(binding))
        if not found:
            self.program.report(
                Diagnostic(
                    "E0208",
                    f"`{self.source.name}` computes nothing",
                    hints=("give a value a name, as in `L = (yhat - y)^2`",),
                )
            )
        for key, binding in self.scope.values.items():
            self.builder.names[key] = self._node(binding)
        for _, binding in own:
            # What a block gives a name that was there before, its next step uses.
            if not binding.used and binding.previous is None:
                lowering.warn(
                    "W0101",
                    f"`{binding.shown}` is never used",
                    self.source,
                    binding.start,
                    binding.end,
                    "nothing reads it, and it is not an output",
                )
        return list(found.values())

    def _node(self, binding: Binding) -> int:
        value = binding.value
        if isinstance(value, Weak):
            assert value.node is not None
            return value.node
        return value if isinstance(value, int) else 0
