"""Lowers the statements between the braces of a block: assignments, elements of arrays, blocks inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gradc.ir.types import Type, typed
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.apply import describe
from gradc.syntax.enclosed import Collected, LoopRegion, Region
from gradc.syntax.extents import require
from gradc.syntax.scope import POISON, Binding, Poison, Scope, Value, Weak

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering


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
                from gradc.syntax.blocks import lower

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

    def bind(self, target: tree.Name, value: Value, place: tree.Node, again: bool = False) -> None:
        """Give a name a value; ``again`` if it is what a block within this one makes of the name."""
        lowering, source = self.lowering, self.scope.source
        known = self.scope.values.get(target.id)
        if known is not None and known.fixed:
            keeps(lowering, target, known, source)
            return
        if known is not None and target.id not in self.carried and not again:
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
        indices = [
            index.id if isinstance(index, tree.Name) and index.id in variables else None for index in statement.indices
        ]
        own = [index for index in indices if index is not None]
        bad = next((index for index in statement.indices if not isinstance(index, tree.Name)), None)
        if bad is not None and not own:
            hint = f"begin with `{target.shown} = zeros(…)` before the block to set elements one by one"
            self._refuse(f"there is no `{target.shown}` yet whose elements could be set", bad, "not a new name", hint)
            self.bind(target, POISON, statement)
            return
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
            again = next(i for at, i in enumerate(statement.indices) if indices[at] in indices[:at] and indices[at])
            self._refuse("the variable of a loop stands on two axes", again, "the same variable again", hint)
            return
        region: Region | None = self.region
        waiting: list[str | None] = []
        while region is not None and set(own) - set(waiting):
            variable = None if region.variable is None else region.variable.id
            if variable not in own:
                what = "an `if`" if not isinstance(region, LoopRegion) else "a loop whose variable is none of its"
                what = f"{what} indices" if isinstance(region, LoopRegion) else what
                hint = f"begin with `{name} = zeros(…)` before the loop to set elements one by one"
                self._refuse(
                    f"`{name}` is collected within {what}", target, "may be given several values or none", hint
                )
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
        self.region.collected[target.id] = Collected(
            target, node, [each for each in waiting[::-1] if each is not None], axes, indices
        )

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
            first, last = statement.indices[type.rank], statement.indices[-1]
            label = f"`{target.shown}` is {describe(type)}"
            hint = f"it has {type.rank} {'axis' if type.rank == 1 else 'axes'}" if type.rank else "it has no elements"
            lowering.error("E0310", "more indices than axes", source, tree.Node(first.start, last.end), label, (hint,))
            self.bind(target, POISON, statement)
            return
        binders = [index for index in statement.indices if self._binds(index)]
        if binders:
            inner = tree.IndexAssign(
                statement.start,
                statement.end,
                target,
                list(binders),
                statement.value,
                statement.binders,
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
            require(builder, "==", own, due, builder.span) for own, due in zip(found_type.shape, shape, strict=False)
        )
        if found_type.dtype != type.dtype or not fits:
            due = describe(typed(type.dtype, shape))
            label = f"this is {describe(found_type)}"
            lowering.error("E0314", f"an element of `{target.shown}` is {due}", source, statement.value, label)
            self.bind(target, POISON, statement)
            return
        if builder.type(new).shape != shape:
            # Equal for every call, though written in other sizes.
            new = build.reshape(builder, new, shape)
        made = builder.apply("put", node, new, *indices, attrs={"items": tuple(items)})
        self.bind(target, made, statement)

    def _binds(self, index: tree.Expr) -> bool:
        """Whether an index of a target is a new name, which runs along the axis."""
        return isinstance(index, tree.Name) and self.scope.value(index.id) is None


LOOP_VARIABLE: Final = "the variable of a loop"


def keeps(lowering: Lowering, name: tree.Name, binding: Binding, source: Source) -> None:
    """Report that a block gives a new value to what keeps its own."""
    shown = name.shown
    hint = f"write `y = {shown}` before the block, and go on with `y`"
    if binding.fixed == LOOP_VARIABLE:
        hint = "choose another name"
    message = f"`{shown}` is {binding.fixed}, which keeps its value"
    lowering.error("E0315", message, source, name, "given a new value here", (hint,))


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
