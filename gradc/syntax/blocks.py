"""Lowers loops and block ``if`` to regions: nodes with bodies that are graphs of their own.

The statements of a block are lowered by a lowering of their own into the builder of the body. A value from outside
enters as an operand when it is first read; a name that exists before a loop and is assigned in it is carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradc.ir.region import Loop, distinct
from gradc.ir.sizes import Dim
from gradc.ir.types import BOOL, INT, Type, single
from gradc.ops import build
from gradc.syntax import code, tree
from gradc.syntax.apply import describe
from gradc.syntax.enclosed import Collected, LoopRegion, Region
from gradc.syntax.extents import dim_of, require
from gradc.syntax.scope import POISON, Frame, Poison, Scope, Value, Weak
from gradc.syntax.statements import LOOP_VARIABLE, Block, keeps

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering


def lower(lowering: Lowering, statement: tree.Block, scope: Scope, block: Block | None = None) -> None:
    """Lower a block and bind the names that it gives values."""
    before = len(lowering.program.errors)
    made = _Lowerer(lowering, statement, scope, block)
    if isinstance(statement, tree.IfBlock):
        made.choice(statement)
    else:
        made.loop(statement)
    if len(lowering.program.errors) > before:
        made.spoil()


class _Lowerer:
    """Lowers one block in its surroundings."""

    def __init__(self, lowering: Lowering, statement: tree.Block, scope: Scope, block: Block | None) -> None:
        self.lowering = lowering
        self.statement = statement
        self.scope = scope
        self.block = block
        self.source = scope.source
        frame = next((f for f in reversed(lowering.frames) if f.closure is not None), None)
        closure = frame.closure if frame is not None else None
        self.prefix = block.prefix if block else f"{closure.definition.name.shown}." if closure else ""
        self.targets = block.targets if block else closure.targets if closure else None
        self.names: dict[str, tree.Name] = {}
        for name in code.assigned_in(statement):
            self.names.setdefault(name.id, name)

    def spoil(self) -> None:
        """After an error: what the block assigns has no value, and nobody is told again."""
        for name in self.names.values():
            if self.block is None or name.id in self.block.carried or name.id not in self.scope.values:
                self.scope.rebind(name, POISON, self.lowering.builder).used = True

    def _error(self, code: str, message: str, place: tree.Node, label: str = "", *hints: str) -> None:
        self.lowering.error(code, message, self.source, place, label, hints)

    def _known(self) -> dict[str, tuple[tree.Name, Value]]:
        """The names that exist before the block and get new values in it."""
        found = {}
        for key, name in self.names.items():
            binding = self.scope.value(key)
            if binding is None:
                continue
            frame = Frame((), self.scope)
            value = binding.value
            if binding.home is not self.lowering.builder:
                value = self.lowering.imported(name, binding, frame)
            binding.used = True
            if binding.fixed:
                keeps(self.lowering, name, binding, self.source)
                continue
            found[key] = name, value
        return found

    def _block(self, region: Region, inner: Lowering, carried: dict[str, Type | None]) -> Block:
        scope = Scope(self.source, self.scope, self.scope.order)
        return Block(inner, scope, region, carried, self.prefix, self.targets)

    # Loops ---------------------------------------------------------------------------------------------------------

    def loop(self, statement: tree.For | tree.While) -> None:
        lowering, program = self.lowering, self.lowering.program
        builder = lowering.builder
        span = self.source.span(statement.start, statement.end)
        errors = len(program.errors)
        bounds: list[int] = []
        extent: Dim | None = None
        if isinstance(statement, tree.For):
            found = self._bounds(statement)
            if found is None:
                return
            bounds, extent = found
        known = self._known()
        region = LoopRegion(
            lowering,
            1 if isinstance(statement, tree.For) else 2,
            statement.index if isinstance(statement, tree.For) else None,
        )
        region.names = self.names
        body = region.inner[0]
        region.input(statement.index.shown if isinstance(statement, tree.For) else "iteration", INT)
        carried: dict[str, Type | None] = {}
        starts = []
        for key, (name, value) in known.items():
            if isinstance(value, Poison):
                continue
            start = lowering.applier.any_node(value)
            starts.append(start)
            carried[key] = single(builder.type(start))
            region.input(name.shown, single(builder.type(start)))
        block = self._block(region, body, carried)
        for at, key in enumerate(carried):
            block.scope.bind(known[key][0], body.builder.inputs[1 + at], body.builder).used = True
        test = None
        if isinstance(statement, tree.For):
            binding = block.scope.bind(statement.index, body.builder.inputs[0], body.builder)
            binding.used, binding.fixed = True, LOOP_VARIABLE
        else:
            test = self._test(statement, region, known, list(carried))
        block.run(statement.body)
        region.finish()
        # What is wrong with a value may have been reported where that came from, before the loop.
        unfinished = any(array.value < 0 for array in region.collected.values())
        if len(program.errors) > errors or unfinished or (test is None and isinstance(statement, tree.While)):
            return
        outputs: list[tuple[str, int]] = []
        for key in carried:
            value = block.scope.values[key].value
            if isinstance(value, Poison):
                return
            outputs.append((known[key][0].shown, self._as(body, value, carried[key])))
        for found_array in region.collected.values():
            outputs.append((found_array.target.shown, found_array.value))
        graph = body.builder.finish(distinct(outputs))
        tested = None
        if test is not None:
            tested = region.inner[1].builder.finish([("test", test)])
        if region.collected and not self._collects(statement, bounds, extent, region):
            return
        checkpoint = self._checkpoint(statement)
        described = Loop(
            graph, tested, len(carried), extent=extent if region.collected else None, checkpoint=checkpoint
        )
        if len(program.errors) > errors:
            return
        builder.span = span
        node = builder.apply(described.op, *bounds, *starts, *region.operands, attrs=described.attrs)
        for at, key in enumerate(carried):
            self._bind(known[key][0], builder.apply("get", node, attrs={"place": at}))
        for at, each in enumerate(region.collected.values()):
            builder.span = self.source.span(each.target.start, each.target.end)
            self._gathered(each, builder.apply("get", node, attrs={"place": len(carried) + at}))

    def _as(self, lowering: Lowering, value: int | Weak, type: Type | None) -> int:
        applier = lowering.applier
        return applier.int_node(value) if type is not None and type.dtype == "int" else applier.any_node(value)

    def _checkpoint(self, statement: tree.For | tree.While) -> int | None:
        """How many iterations a loop keeps for its derivatives: 0 for a number that suits it, None for all."""
        if not statement.checkpoint:
            return None
        if statement.segments is None:
            return 0
        place, lowering = statement.segments, self.lowering
        value = lowering.single(self.source, place, lowering.evaluate(place, self.scope))
        if isinstance(value, Poison):
            return None
        number = dim_of(lowering.builder.data, value)
        if not isinstance(number, int) or number < 1:
            hint = "without a number, one that suits the loop is chosen"
            self._error("E0315", "a checkpoint keeps a whole number of iterations, 1 or more", place, "not one", hint)
            return None
        return number

    def _bounds(self, statement: tree.For) -> tuple[list[int], Dim | None] | None:
        """The nodes of the bounds, and the number of iterations as an extent where it is one; None after a report."""
        lowering = self.lowering
        builder, found, dims = lowering.builder, [], []
        for place in (statement.first, statement.stop):
            value = lowering.single(self.source, place, lowering.evaluate(place, self.scope))
            if isinstance(value, Poison):
                return None
            node = lowering.applier.int_node(value)
            type = builder.type(node)
            if type.dtype != "int" or type.shape:
                hints: tuple[str, ...] = ()
                if type.real and not type.shape and isinstance(place, tree.Name):
                    hints = (f"declare it as an integer: `input {place.shown}: int`",)
                elif type.real and isinstance(place, tree.Number):
                    hints = ("write a whole number",)
                self._error("E0303", "the bounds of a loop are integers", place, f"this is {describe(type)}", *hints)
                return None
            found.append(node)
            dims.append(dim_of(builder.data, value))
        first, stop = dims
        extent = None
        if first is not None and stop is not None:
            extent = stop - first
            builder.span = self.source.span(statement.first.start, statement.stop.end)
            if not require(builder, ">=", stop, first, builder.span):
                whole = tree.Node(statement.first.start, statement.stop.end)
                hint = "a range runs upwards, up to, but without, its end"
                self._error("E0311", f"the range {first}..{stop} runs backwards", whole, "no values", hint)
                return None
        return found, extent

    def _test(
        self, statement: tree.While, region: Region, known: dict[str, tuple[tree.Name, Value]], carried: list[str]
    ) -> int | None:
        """The node of a loop's condition, in its own body."""
        lowering = region.inner[1]
        scope = Scope(self.source, self.scope, self.scope.order)
        for at, key in enumerate(carried):
            scope.bind(known[key][0], lowering.builder.inputs[1 + at], lowering.builder).used = True
        value = lowering.single(self.source, statement.test, lowering.evaluate(statement.test, scope))
        if isinstance(value, Poison):
            return None
        node = lowering.applier.any_node(value)
        type = lowering.builder.type(node)
        if type is not BOOL:
            hint = "write `x != 0`" if type.real and not type.shape else ""
            hints = (hint,) if hint else ()
            self._error(
                "E0303", "the condition of a loop is a truth value", statement.test, f"this is {describe(type)}", *hints
            )
            return None
        return node

    def _collects(
        self, statement: tree.For | tree.While, bounds: list[int], extent: Dim | None, region: Region
    ) -> bool:
        """Whether arrays can be collected in a loop: its range begins at 0 and has a known length."""
        place = next(iter(region.collected.values())).target
        if not isinstance(statement, tree.For):
            return True
        first = dim_of(self.lowering.builder.data, bounds[0])
        if first != 0:
            hint = f"let it run from 0, as in `for {statement.index.shown} in 0..n`"
            self._error("E0313", f"`{place.shown}` is collected by a loop that does not begin at 0", place, "", hint)
            return False
        if extent is None:
            hint = "its bounds are sizes, whole numbers and int inputs; or begin with zeros(n) and set elements"
            label = "how long is it?"
            self._error("E0313", f"`{place.shown}` is collected by a loop whose length is computed", place, label, hint)
            return False
        return True

    def _gathered(self, found: Collected, node: int) -> None:
        """Hand a collected array on to the loop around this one, or bind it."""
        assert self.statement.__class__ is tree.For
        variable = found.waiting.pop()
        axes = [found.indices.index(variable), *found.axes]
        if found.waiting:
            assert self.block is not None
            self.block.region.collected[found.target.id] = Collected(
                found.target, node, found.waiting, axes, found.indices
            )
            return
        written_axes = len(found.indices)
        order = [axes.index(at) for at in range(written_axes)]
        order += [at for at, axis in enumerate(axes) if axis < 0]
        self._bind(found.target, build.transpose(self.lowering.builder, node, order))

    def _bind(self, name: tree.Name, value: Value) -> None:
        """Give a name the value that it has after the block."""
        if self.block is not None:
            self.block.bind(name, value, name, again=True)
            return
        lowering = self.lowering
        if not isinstance(value, Poison) and (self.targets is None or name.id in self.targets):
            lowering.builder.span = self.source.span(name.start, name.end)
            value = lowering.identify(self.prefix + name.shown, value)
        binding = self.scope.rebind(name, value, lowering.builder)
        if self.targets is not None:
            binding.used = True

    # Choices -------------------------------------------------------------------------------------------------------

    def choice(self, statement: tree.IfBlock) -> None:
        lowering, program = self.lowering, self.lowering.program
        builder = lowering.builder
        span = self.source.span(statement.start, statement.end)
        errors = len(program.errors)
        test = lowering.single(self.source, statement.test, lowering.evaluate(statement.test, self.scope))
        if isinstance(test, Poison):
            return
        condition = lowering.applier.any_node(test)
        type = builder.type(condition)
        if type.dtype != "bool" or type.shape:
            hints = ("write `x != 0`",) if type.real and not type.shape else ()
            if type.dtype == "bool":
                hints = ("choose element by element: `y = if c then a else b`",)
            self._error(
                "E0303",
                "the condition of an `if` is a truth value",
                statement.test,
                f"this is {describe(type)}",
                *hints,
            )
            return
        known = self._known()
        region = Region(lowering, 2)
        region.names = self.names
        sides: list[dict[str, Value]] = []
        for inner, statements in zip(region.inner, (statement.then, statement.other), strict=True):
            block = self._block(region, inner, dict.fromkeys(known))
            block.run(statements)
            sides.append({key: binding.value for key, binding in block.scope.values.items()})
        region.finish()
        if len(program.errors) > errors:
            return
        outputs: list[list[tuple[str, int]]] = [[], []]
        results: list[tree.Name] = []
        for key, name in self.names.items():
            values: list[int | Weak] = []
            for inner, side in zip(region.inner, sides, strict=True):
                value = side.get(key)
                if value is None and key in known:
                    before = known[key][1]
                    value = self._inside(region, inner, before)
                if value is not None and not isinstance(value, Poison):
                    values.append(value)
            if len(values) == 2:
                nodes = self._alike(region, values, name)
                if nodes is None:
                    continue
                results.append(name)
                for at, node in enumerate(nodes):
                    outputs[at].append((name.shown, node))
        if len(program.errors) > errors or not results:
            return
        then, other = (
            inner.builder.finish(distinct(listed)) for inner, listed in zip(region.inner, outputs, strict=True)
        )
        builder.span = span
        node = builder.apply("branch", condition, *region.operands, attrs={"then": then, "other": other})
        for at, name in enumerate(results):
            self._bind(name, builder.apply("get", node, attrs={"place": at}))

    def _inside(self, region: Region, inner: Lowering, value: Value) -> Value:
        if isinstance(value, int):
            return region.node(inner, value)
        if isinstance(value, Weak):
            return Weak(value.exact, value.real, None if value.node is None else region.node(inner, value.node))
        return value

    def _alike(self, region: Region, values: Sequence[int | Weak], name: tree.Name) -> list[int] | None:
        """The nodes of what both sides give a name, of one type; None after a report."""
        first, second = region.inner
        types = [each.applier.type(value) for each, value in zip(region.inner, values, strict=True)]
        whole = all(
            type.dtype == "int" or each.applier.weak(value)
            for each, value, type in zip(region.inner, values, types, strict=True)
        ) and any(type.dtype == "int" for type in types)
        nodes = [
            each.applier.int_node(value) if whole else each.applier.real_node(value)
            for each, value in zip(region.inner, values, strict=True)
        ]
        found = [each.builder.type(node) for each, node in zip((first, second), nodes, strict=True)]
        if found[0] == found[1]:
            return nodes
        alike = found[0].dtype == found[1].dtype and len(found[0].shape) == len(found[1].shape)
        if alike and all(
            require(self.lowering.builder, "==", a, b, self.source.span(name.start, name.end))
            for a, b in zip(found[0].shape, found[1].shape, strict=True)
        ):
            nodes[1] = build.reshape(second.builder, nodes[1], found[0].shape)
            return nodes
        label = f"{describe(found[0])} or {describe(found[1])}"
        self._error("E0314", f"`{name.shown}` is of another kind in each branch", name, label)
        return None
