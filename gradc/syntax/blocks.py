"""Lowers loops and block ``if`` to regions: nodes with bodies that are graphs of their own.

The statements of a block are lowered by a lowering of their own into the builder of the body. A value from outside
enters as an operand when it is first read; a name that exists before a loop and is assigned in it is carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gradc.ir.builder import Builder
from gradc.ir.region import Loop
from gradc.ir.sizes import Dim
from gradc.ir.types import BOOL, INT, Type, single, typed
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import code, tree
from gradc.syntax.apply import describe
from gradc.syntax.extents import dim_of, require
from gradc.syntax.scope import POISON, Binding, Frame, Poison, Scope, Value, Weak

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering


@dataclass(eq=False)
class Collected:
    """An array that loops fill: its elements so far as one value of the innermost loop that is done with it.

    ``waiting`` are the variables of the loops that are still to collect it, the innermost last; ``axes`` says for each
    axis that is there already which of the target's axes it is.
    """

    target: tree.Name
    value: int
    waiting: list[str]
    axes: list[int]
    indices: list[str | None]


class Region:
    """A region under construction: its bodies, and what enters them from outside.

    All bodies have the same inputs.
    """

    def __init__(self, outer: Lowering, bodies: int, variable: tree.Name | None = None) -> None:
        from gradc.syntax.lower import Lowering

        self.outer = outer
        self.variable = variable
        # Whether statements in it are reached once in each iteration of the loop around it.
        self.always = variable is not None
        self.inner = [
            Lowering(outer.program, Builder(outer.builder.ops, max_nodes=outer.builder.room()), outer.closed)
            for _ in range(bodies)
        ]
        for each in self.inner:
            each.builder.functions = outer.builder.functions
            each.region, each.outlook, each.trial = self, outer.outlook, outer.trial
        self.operands: list[int] = []
        self.collected: dict[str, Collected] = {}
        self._places: dict[int, int] = {}
        self._names: set[str] = set()

    def input(self, name: str, type: Type, size: Dim | None = None) -> int:
        """A further input of all bodies; its number among them."""
        own, count = name, 1
        while own in self._names:
            own, count = f"{name}.{count}", count + 1
        self._names.add(own)
        for each in self.inner:
            each.builder.operand(own, type, size)
        return len(self.inner[0].builder.inputs) - 1

    def enter(self, inner: Lowering, node: tree.Name, binding: Binding, frame: Frame) -> Value:
        """The value of a name from outside, in a body."""
        outer = self.outer
        value = binding.value if binding.home is outer.builder else outer.imported(node, binding, frame)
        if isinstance(value, Poison):
            return POISON
        if isinstance(value, Weak):
            return Weak(value.exact, value.real, None if value.node is None else self.node(inner, value.node))
        found = self.node(inner, value)
        if value in outer.applier.whole:
            inner.applier.whole[found] = self.node(inner, outer.applier.whole[value])
        return found

    def node(self, inner: Lowering, value: int) -> int:
        """A node of the outside, in a body: a constant or size as one, any other as an input."""
        data = self.outer.builder.data
        entry = data[value]
        span, inner.builder.span = inner.builder.span, None
        try:
            if entry["op"] == "const":
                return inner.builder.constant(entry["attrs"]["value"], entry["type"])
            if entry["op"] == "size":
                return build.extent(inner.builder, entry["attrs"]["size"])
            place = self._places.get(value)
            if place is None:
                name = entry.get("name") or "x"
                place = self._places[value] = self.input(name, single(entry["type"]), dim_of(data, value))
                self.operands.append(value)
            return inner.builder.inputs[place]
        finally:
            inner.builder.span = span

    def finish(self) -> None:
        """Hand what the sizes of a call must meet on to the outside, and undo the knots between lowerings."""
        for each in self.inner:
            self.outer.builder.constraints.update(each.builder.constraints)
            each.release()


@dataclass
class Block:
    """The statements between braces that are being lowered: where, and which names they may give new values."""

    lowering: Lowering
    scope: Scope
    region: Region
    # The types that names keep which are carried; those of an `if` may change, as far as it is concerned.
    carried: dict[str, Type | None] = field(default_factory=dict)
    prefix: str = ""
    # In a function, the names that it differentiates by: only these need an identity of their own.
    targets: frozenset[str] | None = None

    def run(self, statements: Sequence[tree.Statement]) -> None:
        """Lower the statements in order."""
        for statement in statements:
            if isinstance(statement, tree.Assign):
                self._assign(statement)
            elif isinstance(statement, tree.IndexAssign):
                self._index_assign(statement)
            else:
                assert isinstance(statement, tree.Block)
                lower(self.lowering, statement, self.scope, self)

    # Names ---------------------------------------------------------------------------------------------------------

    def _assign(self, statement: tree.Assign) -> None:
        lowering, source = self.lowering, self.scope.source
        value = lowering.evaluate(statement.value, self.scope)
        place = statement.value if len(statement.targets) == 1 else statement
        values = lowering.apart(place, statement.targets, value, source)
        for target, result in zip(statement.targets, values, strict=True):
            self.bind(target, result, place)

    def bind(self, target: tree.Name, value: Value, place: tree.Node) -> None:
        """Give a name a value."""
        lowering, source = self.lowering, self.scope.source
        known = self.scope.values.get(target.id)
        if known is not None and target.id not in self.carried:
            lowering.redefined(target, known, source)
            return
        type = self.carried.get(target.id)
        if type is not None and not isinstance(value, Poison):
            value = kept(lowering, target, value, type, place, source)
        if not isinstance(value, Poison) and (self.targets is None or target.id in self.targets):
            lowering.builder.span = source.span(target.start, target.end)
            value = lowering.identify(self.prefix + target.shown, value)
        binding = self.scope.rebind(target, value, lowering.builder)
        binding.used = True

    # Elements ------------------------------------------------------------------------------------------------------

    def _index_assign(self, statement: tree.IndexAssign) -> None:
        target, source = statement.target, self.scope.source
        known = self.scope.value(target.id)
        if known is not None and target.id in self.carried:
            self._update(statement)
            return
        variables = self._variables()
        indices = [index.id if isinstance(index, tree.Name) and index.id in variables else None
                   for index in statement.indices]
        own = [index for index in indices if index is not None]
        if not own:
            value = self.lowering.run([statement], self.scope)
            self.bind(target, self.lowering.single(source, statement.value, value), statement.value)
            return
        self._collect(statement, indices, own)

    def _variables(self) -> list[str]:
        """The variables of the loops around this place, the innermost last."""
        found: list[str] = []
        region: Region | None = self.region
        while region is not None:
            if region.variable is not None:
                found.append(region.variable.id)
            region = region.outer.region
        return found[::-1]

    def _refuse(self, message: str, place: tree.Node, label: str, *hints: str) -> None:
        self.lowering.error("E0313", message, self.scope.source, place, label, hints)

    def _collect(self, statement: tree.IndexAssign, indices: list[str | None], own: list[str]) -> None:
        lowering, source, target = self.lowering, self.scope.source, statement.target
        self.region.collected.setdefault(target.id, Collected(target, -1, [], [], []))
        name = target.shown
        if len(set(own)) < len(own):
            hint = f"for a diagonal, begin with `{name} = zeros(n, n)` before the loop"
            self._refuse("the variable of a loop stands on two axes", statement, "collected twice", hint)
            return
        region: Region | None = self.region
        waiting = []
        while region is not None and set(own) - set(waiting):
            variable = None if region.variable is None else region.variable.id
            if variable not in own:
                what = "an `if`" if not isinstance(region, _LoopRegion) else "a loop whose variable is none of its"
                what = f"{what} indices" if isinstance(region, _LoopRegion) else what
                hint = f"begin with `{name} = zeros(…)` before the loop to set elements one by one"
                self._refuse(f"`{name}` is collected within {what}", target, "may be given several values or none", hint)
                return
            waiting.append(variable)
            region = region.outer.region
        if target.id in self.region.collected and self.region.collected[target.id].indices:
            hint = "each element of a collected array is given once in an iteration"
            self._refuse(f"`{name}` is collected twice", target, "collected again here", hint)
            return
        if not all(isinstance(index, tree.Name) for index in statement.indices):
            bad = next(index for index in statement.indices if not isinstance(index, tree.Name))
            hint = f"begin with `{name} = zeros(…)` before the loop to set elements one by one"
            self._refuse("the indices of what a loop collects are its variable and new names", bad, "not one", hint)
            return
        rest = [index for index, variable in zip(statement.indices, indices, strict=True) if variable is None]
        if rest:
            inner = tree.IndexAssign(
                statement.start, statement.end, target, rest, statement.value, statement.binders, statement.condition
            )
            value = lowering.run([inner], self.scope)
        elif statement.binders or statement.condition is not None:
            place = statement.binders[0] if statement.binders else statement.condition
            assert place is not None
            self._refuse("every index of the target is the variable of a loop", place, "no other index is due")
            return
        else:
            value = lowering.evaluate(statement.value, self.scope)
        one = lowering.single(source, statement.value, value)
        if isinstance(one, Poison):
            return
        node = lowering.applier.any_node(one)
        axes = [at for at, variable in enumerate(indices) if variable is None]
        axes += [-1] * (lowering.builder.type(node).rank - len(axes))
        self.region.collected[target.id] = Collected(target, node, waiting[::-1], axes, indices)

    def _update(self, statement: tree.IndexAssign) -> None:
        """``x[i] = value`` for an array that is there: the array with another element."""
        lowering, source, target = self.lowering, self.scope.source, statement.target
        builder = lowering.builder
        array = lowering.evaluate(target, self.scope)
        if isinstance(array, (Poison, tuple)):
            return
        node = lowering.applier.any_node(array)
        type = builder.type(node)
        if len(statement.indices) > type.rank:
            label = f"`{target.shown}` is {describe(type)}"
            lowering.error("E0310", f"{len(statement.indices)} indices are too many", source, statement, label)
            self.bind(target, POISON, statement)
            return
        binders = [index for index in statement.indices if self._binds(index)]
        if binders:
            inner = tree.IndexAssign(
                statement.start, statement.end, target, list(binders), statement.value, statement.binders,
                statement.condition,
            )
            value = lowering.single(source, statement.value, lowering.run([inner], self.scope))
        else:
            value = lowering.single(source, statement.value, lowering.evaluate(statement.value, self.scope))
        place = tree.Subscript(statement.start, statement.end, target, list(statement.indices))
        items: list[object] = []
        indices: list[int] = []
        sound = not isinstance(value, Poison)
        for axis, index in enumerate(statement.indices):
            extent = type.shape[axis]
            if index in binders:
                items.append((0, 1, extent))
                continue
            found = lowering.single(source, index, lowering.evaluate(index, self.scope))
            at = None if isinstance(found, Poison) else lowering.subscripts.index(place, index, found, extent, source)
            if at is None or builder.type(at).shape:
                if at is not None:
                    self._refuse("elements are set one place at a time", index, "an array of places")
                sound = False
                continue
            items.append(None)
            indices.append(at)
        if not sound or isinstance(value, Poison):
            self.bind(target, POISON, statement)
            return
        builder.span = source.span(statement.start, statement.end)
        shape = tuple(item[2] for item in items if isinstance(item, tuple)) + type.shape[len(items) :]
        new = lowering.applier.real_node(value) if type.real else lowering.applier.int_node(value)
        found_type = builder.type(new)
        if found_type.shape == () and shape:
            new = build.broadcast(builder, new, shape)
        fits = len(found_type.shape) in (0, len(shape)) and all(
            require(builder, "==", own, due, builder.span)
            for own, due in zip(found_type.shape, shape, strict=False)
        )
        if found_type.dtype != type.dtype or not fits:
            due = describe(typed(type.dtype, shape))
            label = f"this is {describe(found_type)}"
            lowering.error("E0314", f"an element of `{target.shown}` is {due}", source, statement.value, label)
            self.bind(target, POISON, statement)
            return
        made = builder.apply("put", node, new, *indices, attrs={"items": tuple(items)})
        self.bind(target, made, statement)

    def _binds(self, index: tree.Expr) -> bool:
        """Whether an index of a target is a new name, which runs along the axis."""
        return isinstance(index, tree.Name) and self.scope.value(index.id) is None


class _LoopRegion(Region):
    """A loop under construction."""


def kept(
    lowering: Lowering, target: tree.Name, value: int | Weak, type: Type, place: tree.Node, source: Source
) -> Value:
    """The value as one of the type that a carried name keeps; poison after a report."""
    node = lowering.applier.real_node(value) if type.real else lowering.applier.int_node(value)
    found = lowering.builder.type(node)
    if found.dtype == type.dtype and len(found.shape) == len(type.shape):
        span = source.span(place.start, place.end)
        if all(require(lowering.builder, "==", a, b, span) for a, b in zip(found.shape, type.shape, strict=True)):
            if found.shape != type.shape:
                # Equal for every call, though written in other sizes.
                node = build.reshape(lowering.builder, node, type.shape)
            return node
    hints = []
    if found.shape and not type.shape and found.dtype == type.dtype:
        extents = ", ".join(map(str, found.shape))
        hints.append(f"start it with an array: `{target.shown} = zeros({extents})`")
    if type.dtype == "int" and found.real:
        hints.append(f"start it with a real number: `{target.shown} = {target.shown}0 + 0.0`")
    lowering.error(
        "E0314",
        f"`{target.shown}` is {describe(type)} before the block, and cannot become another kind of value in it",
        source,
        place,
        f"this is {describe(found)}",
        hints,
    )
    return POISON


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
                shown = name.shown
                hint = f"write `y = {shown}` before the block, and go on with `y`"
                message = f"`{shown}` is {binding.fixed}, which keeps its value"
                self._error("E0315", message, name, "given a new value here", hint)
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
        region = _LoopRegion(
            lowering, 1 if isinstance(statement, tree.For) else 2,
            statement.index if isinstance(statement, tree.For) else None,
        )
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
            binding.used, binding.fixed = True, "the variable of a loop"
        else:
            test = self._test(statement, region, known, list(carried))
        block.run(statement.body)
        region.finish()
        if len(program.errors) > errors:
            return
        outputs: list[tuple[str, int]] = []
        for key in carried:
            value = block.scope.values[key].value
            assert not isinstance(value, Poison)
            outputs.append((known[key][0].shown, self._as(body, value, carried[key])))
        for found_array in region.collected.values():
            outputs.append((found_array.target.shown, found_array.value))
        graph = body.builder.finish(_distinct(outputs))
        tested = None
        if test is not None:
            tested = region.inner[1].builder.finish([("test", test)])
        if region.collected:
            if not self._collects(statement, bounds, extent, region):
                return
        described = Loop(graph, tested, len(carried), extent=extent if region.collected else None)
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
                hints = ()
                if type.real and not type.shape and isinstance(place, tree.Name):
                    hints = (f"declare it as an integer: `input {place.shown}: int`",)
                elif type.real and isinstance(place, tree.Number):
                    hints = ("write it without a point",)
                self._error("E0303", "the bounds of a loop are integers", place, f"this is {describe(type)}", *hints)
                return None
            found.append(node)
            dims.append(dim_of(builder.data, value))
        first, stop = dims
        extent = None if first is None or stop is None else stop - first
        if extent is not None:
            builder.span = self.source.span(statement.first.start, statement.stop.end)
            if not require(builder, ">=", stop, first, builder.span):
                place = tree.Node(statement.first.start, statement.stop.end)
                hint = "a range runs upwards, up to, but without, its end"
                self._error("E0311", f"the range {first}..{stop} runs backwards", place, "no values", hint)
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
            self._error("E0303", "the condition of a loop is a truth value", statement.test,
                        f"this is {describe(type)}", *hints)
            return None
        return node

    def _collects(self, statement: tree.For | tree.While, bounds: list[int], extent: Dim | None, region: Region) -> bool:
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
            self.block.bind(name, value, name)
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
            self._error("E0303", "the condition of an `if` is a truth value", statement.test,
                        f"this is {describe(type)}", *hints)
            return
        known = self._known()
        region = Region(lowering, 2)
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
            inner.builder.finish(_distinct(listed)) for inner, listed in zip(region.inner, outputs, strict=True)
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


def _distinct(outputs: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Outputs whose names occur once each."""
    found: dict[str, int] = {}
    for name, node in outputs:
        own, count = name, 1
        while own in found:
            own, count = f"{name}.{count}", count + 1
        found[own] = node
    return list(found.items())
