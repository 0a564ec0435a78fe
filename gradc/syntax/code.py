"""Expressions as linear code: what a stack machine runs in order, so that no depth of nesting needs recursion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.scope import Value
from gradc.syntax.tree import Node

DIFFERENTIATORS = frozenset({"grad", "jacobian", "hessian", "jvp", "vjp", "hvp"})
"""The calls whose second argument is a name with respect to which one differentiates."""

REDUCERS = frozenset({"sum", "prod", "mean", "max", "min", "any", "all"})
"""The functions that reduce what a comprehension lists, without an array of it."""


@dataclass(slots=True, eq=False)
class Bind(Node):
    """Bind the value on the stack to the names of a statement."""

    targets: list[tree.Name]


@dataclass(slots=True, eq=False)
class BindParameter(Node):
    """Bind the default on the stack to a parameter that the call left out."""

    parameter: tree.Parameter


@dataclass(slots=True, eq=False)
class BindArgument(Node):
    """Bind an argument to a parameter that stands behind one whose default is used, and is not visible in that."""

    parameter: tree.Parameter
    value: Value


@dataclass(slots=True, eq=False)
class CallRegistered(Node):
    """Call a function that has a derivative of its own on its parameters, once the defaults are bound."""

    call: tree.Call
    source: Source


@dataclass(slots=True, eq=False)
class Define(Node):
    """Define a function in the current scope."""

    definition: tree.FunctionDef


@dataclass(slots=True, eq=False)
class Decide(Node):
    """Choose a branch by the condition on the stack if it is known; ``skip`` leads to the second one."""

    conditional: tree.Conditional
    skip: int = 0


@dataclass(slots=True, eq=False)
class Otherwise(Node):
    """Between two branches; ``skip`` leads behind the second one."""

    skip: int = 0


@dataclass(slots=True, eq=False)
class Known(Node):
    """A value that has been computed before."""

    value: Value


@dataclass(slots=True, eq=False)
class Return(Node):
    """Gather the results of a function and leave it."""

    count: int


def children(node: Node) -> list[tree.Expr]:
    """The operands of an expression, in the order in which they are evaluated."""
    kind = type(node)
    if kind is tree.Binary:
        return [node.left, node.right]  # type: ignore[attr-defined]
    if kind is tree.Unary:
        return [node.operand]  # type: ignore[attr-defined]
    if isinstance(node, tree.Call):
        # What reduces a comprehension lowers it itself, with its indices bound.
        return [] if reduces(node) else [argument.value for argument in node.arguments]
    if isinstance(node, tree.Conditional):
        return [node.test, node.then, node.other]
    if isinstance(node, tree.Subscript):
        return [node.value, *(part for item in node.items for part in parts(item))]
    if isinstance(node, tree.ArrayLiteral):
        return node.items
    if isinstance(node, tree.Attribute):
        return [node.value]
    # A comprehension binds the indices of its body: that is no operand of it.
    return []


def reduces(node: tree.Call) -> bool:
    """Whether a call is a reduction of a comprehension, like ``sum(x[i] for i)``."""
    return (
        node.function.id in REDUCERS
        and len(node.arguments) == 1
        and isinstance(node.arguments[0].value, tree.Comprehension)
    )


def parts(item: tree.Expr | tree.Slice) -> list[tree.Expr]:
    """The expressions of an item of a subscript."""
    if isinstance(item, tree.Slice):
        return [part for part in (item.lower, item.upper, item.step) if part is not None]
    return [item]


def inside(binders: list[tree.Binder], condition: tree.Expr | None) -> list[tree.Expr]:
    """The expressions in the clauses of a comprehension."""
    bounds = [bound for binder in binders for bound in (binder.lower, binder.upper) if bound is not None]
    return bounds if condition is None else [*bounds, condition]


def walk(expression: tree.Expr) -> Iterator[Node]:
    """Every node of an expression, the bodies of comprehensions included, in no particular order."""
    stack: list[Node] = [expression]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, tree.Comprehension):
            stack += [node.body, *inside(node.binders, node.condition)]
        elif isinstance(node, tree.Call):
            stack += [argument.value for argument in node.arguments]
        else:
            stack += children(node)


def surely(expressions: Iterable[tree.Expr], wanted: Node) -> bool:
    """Whether one of the expressions holds the node at a place where it is evaluated for every element."""
    stack: list[tuple[Node, bool]] = [(expression, True) for expression in expressions]
    while stack:
        node, sure = stack.pop()
        if node is wanted:
            return sure
        if isinstance(node, tree.Conditional):
            stack += [(node.test, sure), (node.then, False), (node.other, False)]
        elif isinstance(node, tree.Binary) and node.op in ("and", "or"):
            stack += [(node.left, sure), (node.right, False)]
        elif isinstance(node, tree.Comprehension):
            stack += [(bound, sure) for bound in inside(node.binders, None)]
            if node.condition is not None:
                stack.append((node.condition, sure))
            stack.append((node.body, sure and node.condition is None))
        elif isinstance(node, tree.Call):
            chooses = node.function.id == "where"
            stack += [(each.value, sure and not (chooses and at)) for at, each in enumerate(node.arguments)]
        else:
            stack += [(child, sure) for child in children(node)]
    return False


def postorder(expression: tree.Expr, known: Mapping[Node, Value] = MappingProxyType({})) -> list[Node]:
    """The nodes of an expression, operands before what uses them, left before right; for a node whose value is
    ``known`` already, that value.
    """
    stack: list[Node] = [expression]
    out: list[Node] = []
    branches = False
    while stack:
        node = stack.pop()
        if known and node in known:
            out.append(Known(node.start, node.end, known[node]))
            continue
        out.append(node)
        kind = type(node)
        if kind is tree.Binary:
            stack.append(node.left)  # type: ignore[attr-defined]
            stack.append(node.right)  # type: ignore[attr-defined]
        elif isinstance(node, tree.Conditional):
            branches = True
            between = Otherwise(node.then.end, node.other.start)
            stack += [node.test, Decide(node.start, node.end, node), node.then, between, node.other]
        elif kind is not tree.Name and kind is not tree.Number:
            stack.extend(children(node))
    out.reverse()
    if branches:
        _measure(out)
    return out


def _measure(code: list[Node]) -> None:
    """Have each choice between branches know how far it is to what it leaps to."""
    waiting: list[tuple[int, Decide | Otherwise]] = []
    for at, item in enumerate(code):
        if isinstance(item, Decide):
            waiting.append((at, item))
        elif isinstance(item, (Otherwise, tree.Conditional)):
            start, leaps = waiting.pop()
            leaps.skip = at - start
            if isinstance(item, Otherwise):
                waiting.append((at, item))


def within(statement: tree.Statement) -> tuple[tree.Statement, ...]:
    """The statements in the braces of a block; none of another statement."""
    if isinstance(statement, tree.IfBlock):
        return statement.then + statement.other
    return statement.body if isinstance(statement, tree.For | tree.While) else ()


def expressions_in(statement: tree.Statement) -> list[tree.Expr]:
    """The expressions of an assignment or of the head of a block."""
    if isinstance(statement, tree.Assign):
        return [statement.value]
    if isinstance(statement, tree.IndexAssign):
        return [statement.value, *inside(statement.binders, statement.condition)]
    if isinstance(statement, tree.IfBlock):
        return [statement.test]
    found: list[tree.Expr | None] = []
    if isinstance(statement, tree.For):
        found = [statement.first, statement.stop, statement.segments]
    elif isinstance(statement, tree.While):
        found = [statement.test, statement.segments]
    return [each for each in found if each is not None]


def assigned_in(statement: tree.Statement) -> list[tree.Name]:
    """The names that a statement gives values to, those in blocks included, in the order of the text."""
    found: list[tree.Name] = []
    stack = [statement]
    while stack:
        current = stack.pop()
        if isinstance(current, tree.Assign):
            found += current.targets
        elif isinstance(current, tree.IndexAssign):
            found.append(current.target)
        stack += reversed(within(current))
    return found


def body_code(definition: tree.FunctionDef) -> list[Node]:
    """The code of a function's body, without that of its parameters."""
    code: list[Node] = []
    for statement in definition.body:
        if isinstance(statement, tree.Assign):
            code += postorder(statement.value)
            code.append(Bind(statement.start, statement.end, statement.targets))
        elif isinstance(statement, tree.IndexAssign):
            code += [statement, Bind(statement.start, statement.end, [statement.target])]
        elif isinstance(statement, tree.FunctionDef):
            code.append(Define(statement.start, statement.end, statement))
        elif isinstance(statement, tree.Block):
            code.append(statement)
    for result in definition.results:
        code += postorder(result)
    code.append(Return(definition.start, definition.end, len(definition.results)))
    return code


def statements_in(definition: tree.FunctionDef) -> list[tree.Expr]:
    """Every expression that stands in a function, those of nested functions included."""
    found: list[tree.Expr] = []
    stack = [definition]
    while stack:
        current = stack.pop()
        found += [parameter.default for parameter in current.parameters if parameter.default is not None]
        statements = list(current.body)
        while statements:
            statement = statements.pop()
            found += expressions_in(statement)
            statements += within(statement)
            if isinstance(statement, tree.FunctionDef):
                stack.append(statement)
        found += current.results
    return found


def targets_of(definition: tree.FunctionDef) -> frozenset[str]:
    """The names with respect to which a function, or one inside it, differentiates."""
    found = set()
    for expression in statements_in(definition):
        for node in walk(expression):
            if isinstance(node, tree.Call) and node.function.id in DIFFERENTIATORS:
                for argument in node.arguments[1:3]:
                    target = argument.value.value if isinstance(argument.value, tree.Subscript) else argument.value
                    if isinstance(target, tree.Name):
                        found.add(target.id)
    return frozenset(found)


def called_in(definition: tree.FunctionDef) -> frozenset[str]:
    """The names of the functions that are called in a function, or in one inside it."""
    nodes = (node for expression in statements_in(definition) for node in walk(expression))
    return frozenset(node.function.id for node in nodes if isinstance(node, tree.Call))
