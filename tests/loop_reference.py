"""What loops mean, spelled out: a naive evaluator of the syntax tree that also writes the program down step by step.

``Steps(text)`` runs a program at its defaults with Python numbers. Whatever it does it writes down as a program of
assignments alone: loops unrolled, of branches the one taken, functions put in place of their calls, every name new.
"A loop means its steps, written one below the other" says that both programs have equal values and derivatives.

Nothing here is shared with lowering, differentiation or the backends.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from step_terms import (
    CONSTANTS,
    DERIVATIVES,
    FUNCTIONS,
    KINKS,
    REDUCTIONS,
    UNKNOWN,
    WHOLE,
    Term,
    Unknown,
    Weak,
    chosen,
    nested,
    number,
    op,
    reduced,
    settled,
    stacked,
    term,
    whole,
    written,
)  # fmt: skip

from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.parse import parse_program


class Undecidable(Exception):
    """A condition or index hangs on a derivative, or there are too many steps to write down."""


Env = dict[str, Term]


@dataclass
class Closure:
    """A function with what it sees."""

    definition: tree.FunctionDef
    env: Env
    functions: dict[str, Closure]


MOST = 300
"""So many names a program of steps has at most."""


@dataclass
class Steps:
    """A program, run at its defaults: ``values`` of its outputs, and ``text``, its steps.

    ``changes`` gives scalar inputs other values; ``smooth`` says whether no kink was met on the way, ``finite`` whether
    nothing but numbers was.
    """

    source: str
    changes: dict[str, float] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    smooth: bool = True
    finite: bool = True

    def __post_init__(self) -> None:
        self.count = self.work = 0
        self.functions: dict[str, Closure] = {}
        self.collected: dict[str, dict[tuple[int, ...], Term]] = {}
        env: Env = {}
        outputs: list[str] = []
        with np.errstate(all="ignore"):
            for statement in parse_program(Source("steps", self.source)).statements:
                if isinstance(statement, tree.Declaration):
                    self.declare(statement, env)
                elif isinstance(statement, tree.FunctionDef):
                    self.functions[statement.name.id] = Closure(statement, dict(env), dict(self.functions))
                elif isinstance(statement, tree.Output):
                    outputs += [name.id for name in statement.names]
                else:
                    self.run([statement], env, self.functions)
        for name in outputs:
            self.values[name] = env[name].value
            self.lines.append(f"{name}.out = {env[name].text}".replace(".out", "_out"))
        self.lines.append("output " + ", ".join(f"{name}_out" for name in outputs))

    @property
    def text(self) -> str:
        """The program of steps, whose outputs have ``_out`` behind their names."""
        return "\n".join(self.lines) + "\n"

    def declare(self, statement: tree.Declaration, env: Env) -> None:
        for item in statement.items:
            assert item.default is not None
            name = item.name.id
            default = self.changes.get(name, self.evaluate(item.default, {}, {}).value)
            if item.dtype is not None and item.dtype.id == "int":
                value = np.array(default, int) if item.shape else int(default)
                env[name] = Term(value, name) if item.shape else term(value)
                if not item.shape:
                    continue
            elif item.shape:
                value = np.array(default, float)
                env[name] = Term(value, name)
            else:
                value = float(default)
                env[name] = Term(value, name)
            for extent, found in zip(item.shape or (), np.shape(value), strict=True):
                if isinstance(extent, tree.Name):
                    assert env.setdefault(extent.id, term(found)).value == found
            shape = "[" + ", ".join(map(str, np.shape(value))) + "]" if item.shape else ""
            dtype = ": int" if item.dtype is not None else ""
            self.lines.append(f"{statement.kind} {name}{shape}{dtype} = {written(value)}")

    # Statements ----------------------------------------------------------------------------------------------------

    def fresh(self, name: str, found: Term) -> Term:
        """The value under a new name; ints need none."""
        if whole(found.value) and not isinstance(found.value, Weak):
            return term(found.value)
        self.finite &= isinstance(found.value, Unknown) or bool(np.all(np.isfinite(found.value)))
        self.count += 1
        if self.count > MOST:
            raise Undecidable
        own = f"{name}_{self.count}"
        self.lines.append(f"{own} = {found.text}")
        return Term(found.value, own)

    def run(self, statements: Sequence[tree.Statement], env: Env, functions: dict[str, Closure]) -> None:
        for statement in statements:
            if isinstance(statement, tree.Assign):
                found = self.results(statement.value, env, functions)
                for target, one in zip(statement.targets, found, strict=True):
                    env[target.id] = self.fresh(target.id, one)
            elif isinstance(statement, tree.IndexAssign):
                self.elements(statement, env, functions)
            elif isinstance(statement, tree.FunctionDef):
                functions[statement.name.id] = Closure(statement, dict(env), dict(functions))
            elif isinstance(statement, tree.IfBlock):
                self.choose(statement, env, functions)
            else:
                assert isinstance(statement, (tree.For, tree.While))
                self.loop(statement, env, functions)

    def choose(self, statement: tree.IfBlock, env: Env, functions: dict[str, Closure]) -> None:
        before = dict(env)
        taken = statement.then if self.truth(statement.test, env, functions) else statement.other
        self.run(taken, env, functions)
        both = [{name.id for each in side for name in assigned(each)} for side in (statement.then, statement.other)]
        for name in both[0] | both[1]:
            if name in before or name in both[0] & both[1]:
                found = env[name]
                # What is one of two values is a number.
                found = Term(float(found.value), found.text) if isinstance(found.value, Weak) else found
                env[name] = self.fresh(name, found)
            else:
                env.pop(name, None)

    def loop(self, statement: tree.For | tree.While, env: Env, functions: dict[str, Closure]) -> None:
        names = {name.id for name in assigned(statement)}
        carried = [name for name in names if name in env]
        for name in carried:
            if isinstance(env[name].value, Weak):
                env[name] = Term(float(env[name].value), env[name].text)
        if isinstance(statement, tree.For):
            first, stop = (self.index(bound, env, functions) for bound in (statement.first, statement.stop))
            steps: Iterator[int] = iter(range(first, stop))
        else:
            steps = itertools.count()
        for step in steps:
            if isinstance(statement, tree.While) and not self.truth(statement.test, env, functions):
                break
            own = dict(env)
            if isinstance(statement, tree.For):
                own[statement.index.id] = term(step)
            self.run(statement.body, own, functions)
            for name in carried:
                env[name] = own[name]
        for name in carried:
            env[name] = self.fresh(name, env[name])
        if isinstance(statement, tree.For):
            self.gather(statement, env, functions)

    # Elements ------------------------------------------------------------------------------------------------------

    def elements(self, statement: tree.IndexAssign, env: Env, functions: dict[str, Closure]) -> None:
        """``C[i, j] = value``: of an array that is there, elements; else what loops collect, or a whole array."""
        name = statement.target.id
        new = [i for i in statement.indices if isinstance(i, tree.Name) and i.id not in env]
        ranges = {}
        for at, index in enumerate(statement.indices):
            if index in new:
                assert isinstance(index, tree.Name)
                ranges[index.id] = self.range_of(index.id, statement.binders, [statement.value], env, functions)
                if name in env and not any(binder.name.id == index.id for binder in statement.binders):
                    ranges[index.id] = range(env[name].value.shape[at])
        found: dict[tuple[int, ...], Term] = {}
        for values in itertools.product(*ranges.values()):
            own = env | dict(zip(ranges, map(term, values), strict=True))
            place = tuple(self.index(index, own, functions) for index in statement.indices)
            found[place] = self.evaluate(statement.value, own, functions)
        if name in env:
            old = env[name]
            if any(isinstance(one.value, Unknown) for one in found.values()) or isinstance(old.value, Unknown):
                raise Undecidable
            array, shape = np.array(old.value), old.value.shape
            texts = {place: f"{old.text}[{', '.join(map(str, place))}]" for place in np.ndindex(*shape)}
            for place, one in found.items():
                array[place] = one.value
                rest = shape[len(place) :]
                for inner in np.ndindex(*rest):
                    element = f"{one.text}[{', '.join(map(str, inner))}]" if inner and np.shape(one.value) else one.text
                    texts[place + inner] = element
            env[name] = self.fresh(name, Term(array, nested(texts, shape)))
        elif len(new) == len(statement.indices):
            # A row is taken apart once it has a name.
            shape = tuple(map(len, ranges.values()))
            env[name] = self.fresh(name, stacked(found, shape))
        else:
            self.collected.setdefault(name, {}).update({place: self.fresh(name, one) for place, one in found.items()})

    def gather(self, statement: tree.For, env: Env, functions: dict[str, Closure]) -> None:
        """Give arrays that this loop has filled their names."""
        own_index = statement.index.id
        for path, found in collections(statement):
            name = found.target.id
            variables = {loop.index.id: loop for loop in path}
            outer = [i.id for i in found.indices if isinstance(i, tree.Name) and i.id in env]
            if name in env or outer or not any(isinstance(i, tree.Name) and i.id == own_index for i in found.indices):
                continue
            shape = []
            own = env | {loop.index.id: term(0) for loop in path}
            for index in found.indices:
                assert isinstance(index, tree.Name)
                if index.id in variables:
                    shape.append(self.index(variables[index.id].stop, own, functions))
                else:
                    shape.append(len(self.range_of(index.id, found.binders, [found.value], own, functions)))
            rows = self.collected.pop(name, {})
            if rows or 0 in shape:
                # Else the block has an array of that name, which it changed.
                env[name] = self.fresh(name, stacked(rows, tuple(shape)))

    def range_of(
        self,
        index: str,
        binders: Sequence[tree.Binder],
        places: Sequence[tree.Node],
        env: Env,
        functions: dict[str, Closure],
    ) -> range:
        """The range of an index: given, or that of an axis that it stands on alone."""
        for binder in binders:
            if binder.name.id == index and binder.lower is not None and binder.upper is not None:
                return range(self.index(binder.lower, env, functions), self.index(binder.upper, env, functions))
        stack = list(places)
        while stack:
            node = stack.pop()
            if isinstance(node, tree.Subscript):
                for at, item in enumerate(node.items):
                    if isinstance(item, tree.Name) and item.id == index:
                        assert isinstance(node.value, tree.Name)
                        return range(np.shape(env[node.value.id].value)[at])
            stack += below(node)
        raise AssertionError(f"no range for {index}")

    # Expressions ---------------------------------------------------------------------------------------------------

    def index(self, place: tree.Expr | tree.Slice, env: Env, functions: dict[str, Closure]) -> int:
        assert not isinstance(place, tree.Slice)
        value = self.evaluate(place, env, functions).value
        if isinstance(value, Unknown):
            raise Undecidable
        assert whole(value), value
        return int(value)

    def truth(self, place: tree.Expr, env: Env, functions: dict[str, Closure]) -> bool:
        value = self.evaluate(place, env, functions).value
        if isinstance(value, Unknown):
            raise Undecidable
        return bool(value)

    def results(self, place: tree.Expr, env: Env, functions: dict[str, Closure]) -> list[Term]:
        if isinstance(place, tree.Call) and place.function.id in functions:
            return self.call(place, env, functions)
        return [self.evaluate(place, env, functions)]

    def evaluate(self, node: tree.Node, env: Env, functions: dict[str, Closure]) -> Term:
        self.work += 1
        if self.work > 100 * MOST:
            raise Undecidable
        if isinstance(node, tree.Number):
            return term(node.value if node.integer is None else Weak(node.integer))
        if isinstance(node, tree.Name):
            return env[node.id] if node.id in env else term(CONSTANTS[node.id])
        if isinstance(node, tree.Unary):
            inner = self.evaluate(node.operand, env, functions)
            if node.op == "not":
                return Term(not self.truth(node.operand, env, functions), "")
            return settled(op(node.op + "u", inner.value), f"({node.op}{inner.text})", inner.value)
        if isinstance(node, tree.Binary):
            if node.op in ("and", "or"):
                left = self.truth(node.left, env, functions)
                short = left == (node.op == "or")
                return Term(left if short else self.truth(node.right, env, functions), "")
            left_term, right = (self.evaluate(each, env, functions) for each in (node.left, node.right))
            values = left_term.value, right.value
            return settled(op(node.op, *values), f"({left_term.text} {node.op} {right.text})", *values)
        if isinstance(node, tree.Conditional):
            taken = node.then if self.truth(node.test, env, functions) else node.other
            return self.evaluate(taken, env, functions)
        if isinstance(node, tree.ArrayLiteral):
            items = [self.evaluate(item, env, functions) for item in node.items]
            return stacked({(at,): item for at, item in enumerate(items)}, (len(items),))
        if isinstance(node, tree.Attribute):
            array = self.evaluate(node.value, env, functions)
            return Term(UNKNOWN if isinstance(array.value, Unknown) else array.value.T, f"{array.text}.T")
        if isinstance(node, tree.Subscript) and any(isinstance(item, tree.Slice) for item in node.items):
            return self.sliced(node, env, functions)
        if isinstance(node, tree.Subscript):
            array = self.evaluate(node.value, env, functions)
            places = [self.index(item, env, functions) for item in node.items]
            shown = f"{array.text}[{', '.join(map(str, places))}]"
            if isinstance(array.value, Unknown):
                return Term(UNKNOWN, shown)
            for item, at, extent in zip(node.items, places, np.shape(array.value), strict=False):
                # A number that is written may count from the end.
                assert (-extent if isinstance(item, tree.Unary) else 0) <= at < extent, shown
            return settled(number(array.value[tuple(places)]), shown)
        if isinstance(node, tree.Comprehension):
            found, shape = self.listed(node, env, functions)
            return stacked(found, shape)
        assert isinstance(node, tree.Call), node
        if node.function.id in functions:
            return self.call(node, env, functions)[0]
        return self.built_in(node, env, functions)

    def sliced(self, node: tree.Subscript, env: Env, functions: dict[str, Closure]) -> Term:
        """Part of an array, along some axis."""
        array = self.evaluate(node.value, env, functions)
        items: list[Any] = []
        texts = []
        for item in node.items:
            if isinstance(item, tree.Slice):
                parts = (item.lower, item.upper, item.step)
                found = [None if part is None else self.index(part, env, functions) for part in parts]
                items.append(slice(*found))
                shown = ":".join("" if part is None else str(part) for part in found)
                texts.append(shown.removesuffix(":") if found[2] is None else shown)
            else:
                items.append(self.index(item, env, functions))
                texts.append(str(items[-1]))
        value = UNKNOWN if isinstance(array.value, Unknown) else number(array.value[tuple(items)])
        return Term(value, f"{array.text}[{', '.join(texts)}]")

    def listed(
        self, node: tree.Comprehension, env: Env, functions: dict[str, Closure]
    ) -> tuple[dict[tuple[int, ...], Term], tuple[int, ...]]:
        """What a comprehension lists, by place, and its shape."""
        found: dict[tuple[int, ...], Term] = {}
        shape: list[int] = []
        envs: list[tuple[tuple[int, ...], Env]] = [((), env)]
        for binder in node.binders:
            wider = []
            for place, own in envs:
                values = self.range_of(binder.name.id, [binder], [node.body], own, functions)
                wider += [((*place, at), own | {binder.name.id: term(value)}) for at, value in enumerate(values)]
            shape.append(
                len(self.range_of(binder.name.id, [binder], [node.body], envs[0][1], functions)) if envs else 0
            )
            envs = wider
        for place, own in envs:
            if node.condition is None or self.truth(node.condition, own, functions):
                found[place] = self.evaluate(node.body, own, functions)
        return found, tuple(shape)

    def built_in(self, node: tree.Call, env: Env, functions: dict[str, Closure]) -> Term:
        name = node.function.id
        if any(argument.keyword for argument in node.arguments):
            # Along single axes.
            raise Undecidable
        places = [argument.value for argument in node.arguments]
        if name in DERIVATIVES:
            return Term(UNKNOWN, f"{name}({', '.join(self.evaluate(place, env, functions).text for place in places)})")
        if name in ("any", "all"):
            decide = any if name == "any" else all
            if isinstance(places[0], tree.Comprehension):
                found = self.listed(places[0], env, functions)[0].values()
                return Term(decide(one.value for one in found), "")
            return Term(decide(np.ravel(self.evaluate(places[0], env, functions).value)), "")
        if name == "where" and np.ndim(self.evaluate(places[0], env, functions).value):
            return chosen(*(self.evaluate(place, env, functions) for place in places))
        if name == "where":
            return self.evaluate(places[1 if self.truth(places[0], env, functions) else 2], env, functions)
        if len(places) == 1 and isinstance(places[0], tree.Comprehension) and name in REDUCTIONS:
            self.smooth &= name not in KINKS
            items = list(self.listed(places[0], env, functions)[0].values())
            return reduced(name, items)
        given = [self.evaluate(place, env, functions) for place in places]
        shown = f"{name}({', '.join(each.text for each in given)})"
        if any(isinstance(each.value, Unknown) for each in given):
            return Term(UNKNOWN, shown)
        self.smooth &= name not in KINKS
        values = [each.value for each in given]
        if name == "zeros":
            return Term(np.zeros([int(value) for value in values]), shown)
        if name == "float":
            return term(float(values[0]))
        if name == "ones":
            return Term(np.ones([int(value) for value in values]), shown)
        if len(values) == 1 and name in WHOLE and np.ndim(values[0]):
            self.smooth &= name not in KINKS
            return Term(number(WHOLE[name](np.asarray(values[0], float))), shown)
        if len(values) == 2 or name in ("max", "min"):
            found = values[0]
            for value in values[1:]:
                found = FUNCTIONS[name](found, value)
            return settled(number(found), shown, *values)
        keeps = name in ("abs", "sign") and whole(values[0])
        return settled(number(FUNCTIONS[name](values[0] if keeps else np.asarray(values[0], float))), shown, *values)

    def call(self, node: tree.Call, env: Env, functions: dict[str, Closure]) -> list[Term]:
        closure = functions[node.function.id]
        own = dict(closure.env)
        parameters = closure.definition.parameters
        for parameter, argument in zip(parameters, node.arguments, strict=True):
            given = self.evaluate(argument.value, env, functions)
            own[parameter.name.id] = given if whole(given.value) else self.fresh(parameter.name.id, given)
        seen = dict(closure.functions)
        self.run(closure.definition.body, own, seen)
        return [
            one if whole(one.value) else self.fresh("r", one)
            for one in (self.evaluate(result, own, seen) for result in closure.definition.results)
        ]


# Helpers -------------------------------------------------------------------------------------------------------------


def assigned(statement: tree.Statement) -> list[tree.Name]:
    """The names that a statement gives values to."""
    if isinstance(statement, tree.Assign):
        return list(statement.targets)
    if isinstance(statement, tree.IndexAssign):
        return [statement.target]
    inner: Sequence[tree.Statement] = ()
    if isinstance(statement, tree.IfBlock):
        inner = statement.then + statement.other
    elif isinstance(statement, (tree.For, tree.While)):
        inner = statement.body
    return [name for each in inner for name in assigned(each)]


def collections(loop: tree.For) -> list[tuple[list[tree.For], tree.IndexAssign]]:
    """The statements with indexed targets in a loop, each with the loops around it."""
    found = []
    for statement in loop.body:
        if isinstance(statement, tree.IndexAssign):
            found.append(([loop], statement))
        elif isinstance(statement, tree.For):
            found += [([loop, *path], inner) for path, inner in collections(statement)]
    return found


def below(node: tree.Node) -> list[tree.Node]:
    """The expressions in an expression."""
    found: list[tree.Node] = []
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        values = value if isinstance(value, list) else [value]
        for each in values:
            if isinstance(each, tree.Argument):
                found.append(each.value)
            elif isinstance(each, tree.Node):
                found.append(each)
    return found
