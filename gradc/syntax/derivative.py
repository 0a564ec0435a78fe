"""Functions with derivatives of their own: closed graphs for the body and for the partial derivatives."""

from __future__ import annotations

from collections.abc import Sequence

from gradc.errors import suggestion
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.region import Function
from gradc.syntax import code, tree
from gradc.syntax.independence import smooth_ancestors
from gradc.syntax.lower import Lowering
from gradc.syntax.scope import Closure, Poison, Scope, Value


def register(lowering: Lowering, statement: tree.DerivativeDef, scope: Scope) -> None:
    """Give the function that ``statement`` names the derivative that it states."""
    source, name = scope.source, statement.name
    entry = scope.functions.get(name.id)
    if entry is None:
        lowering.error(
            "E0403",
            f"there is no function `{name.shown}` to give a derivative to",
            source,
            name,
            "not a function defined above",
            suggestion(name.id, scope.functions),
        )
        return
    closure = entry[0]
    definition = closure.definition
    note = [(closure.source, definition.name.start, definition.name.end, "the function")]

    def refuse(message: str, place: tree.Node, label: str = "", hints: Sequence[str] = ()) -> None:
        lowering.error("E0403", message, source, place, label, hints, note)

    if closure.registered is not None:
        refuse(f"`{name.shown}` has a derivative already", name, "a second one")
    elif closure.source is not source:
        refuse(f"the derivative of `{name.shown}` must stand in the file that defines it", name)
    elif closure.code is not None:
        refuse(
            f"`{name.shown}` is called before its derivative is given",
            name,
            "too late",
            ("move it up, behind the function",),
        )
    elif not definition.parameters:
        refuse(f"`{name.shown}` has no parameters, so it has no derivative", name)
    elif len(definition.results) != 1:
        refuse(
            f"`{name.shown}` gives {len(definition.results)} values; only a function of one can have a derivative", name
        )
    elif len(statement.parameters) != len(definition.parameters):
        refuse(
            f"`{name.shown}` has {len(definition.parameters)} parameters, and here are {len(statement.parameters)}",
            name,
        )
    elif len(statement.partials) != len(definition.parameters):
        found, due = len(statement.partials), len(definition.parameters)
        refuse(
            f"the derivative of `{name.shown}` needs {due} expression{'s' if due != 1 else ''}, one for each parameter",
            statement,
            f"{found} given",
        )
    elif len({parameter.id for parameter in statement.parameters}) < len(statement.parameters):
        refuse(f"two parameters of the derivative of `{name.shown}` have one name", statement)
    else:
        _build(lowering, statement, closure, scope)


def _build(lowering: Lowering, statement: tree.DerivativeDef, closure: Closure, scope: Scope) -> None:
    program = lowering.program
    definition = closure.definition
    before = len(program.errors)
    shown = tuple(parameter.name.shown for parameter in definition.parameters)
    body = _closed(
        lowering,
        closure,
        [p.name for p in definition.parameters],
        code.body_code(definition),
        closure.scope,
        closure.limit,
    )
    unique = name = statement.name.shown
    count = 1
    while unique in program.functions:
        count += 1
        unique = f"{name}.{count}"
    closure.registered = unique
    instructions: list[tree.Node] = []
    for partial in statement.partials:
        instructions += code.postorder(partial)
    instructions.append(code.Return(statement.start, statement.end, len(statement.partials)))
    partials = _closed(lowering, closure, statement.parameters, instructions, scope, scope.order, statement.partials)
    if partials is not None and _circular(partials, unique):
        lowering.error(
            "E0403",
            f"the derivative of `{name}` is stated in terms of the derivative of `{name}`",
            scope.source,
            statement,
            "needs what it defines",
            (f"write out the derivative; `{name}(…)` itself may stand in it",),
        )
    if body is not None and partials is not None and len(program.errors) == before:
        program.functions[unique] = Function(unique, shown, body, partials)
    else:
        # Calls are inlined then, so that the mistake makes no others.
        closure.registered = None


def _circular(partials: Graph, function: str) -> bool:
    """Whether a derivative is taken through a call of the function whose derivative is being stated."""
    data = partials.data
    calls = [n for n, entry in data.items() if entry["op"] == "call" and entry["attrs"]["function"] == function]
    for entry in data.values():
        if calls and entry["op"] in ("grad", "jvp", "vjp"):
            y, v = entry["operands"][:2]
            reached = smooth_ancestors(partials, [y])
            if any(call in reached and v in smooth_ancestors(partials, [call]) for call in calls):
                return True
    return False


def _closed(
    lowering: Lowering,
    closure: Closure,
    parameters: Sequence[tree.Name],
    instructions: Sequence[tree.Node],
    scope: Scope,
    limit: int,
    results: Sequence[tree.Expr] | None = None,
) -> Graph | None:
    """A graph with one input a parameter and the code's results for outputs; None after an error."""
    program = lowering.program
    builder = Builder(program.ops, max_nodes=program.clock.limits.nodes)
    inner = Lowering(program, builder, closure)
    local = Scope(scope.source, scope, limit)
    for parameter in parameters:
        builder.span = scope.source.span(parameter.start, parameter.end)
        local.bind(parameter, builder.input(parameter.shown, program.real), builder).used = True
    found = inner.run_function(instructions, local, closure)
    values: tuple[Value, ...] = found if isinstance(found, tuple) else (found,)
    places = results if results is not None else closure.definition.results
    outputs = []
    for number, (value, place) in enumerate(zip(values, places, strict=True)):
        if isinstance(value, Poison):
            return None
        node = inner.applier.real_node(value)
        if not builder.type(node).real:
            lowering.error(
                "E0403",
                f"`{closure.definition.name.shown}` has a derivative, so its value must be a number",
                scope.source,
                place,
                "this is a truth value",
            )
            return None
        outputs.append((str(number), node))
    return builder.finish(outputs)
