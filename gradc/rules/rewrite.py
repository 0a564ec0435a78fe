"""The matcher: rewrite rules, compiled to flat steps, tried on every node that an optimising builder is about to make.

A rule is compiled once for every order of the operands of its commutative operators, so that matching itself never
searches. Rules are found by the operators of the node *and of its operands*; for most nodes no rule is left after that
one look-up, which keeps the cost of a node that no rule fits to about a microsecond.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from gradc.ir.builder import Builder, Simplifier
from gradc.ir.op import Op, OpTable
from gradc.ir.types import F64, Type, TypeMismatch
from gradc.ops.evaluate import evaluator
from gradc.rules import arrays as array_rules
from gradc.rules import load, structural
from gradc.rules.arrays import ArrayRule
from gradc.rules.terms import Rule, Term, evaluate, ground, is_constant, operators, size
from gradc.source import Span

CLASSES = ("exact", "stable", "late", "real", "finite")

# A replacement may fire further rules. Their costs fall, so this ends, but two long chains that factor step by step
# would nest as deep as they are long; beyond this depth nodes are made as they are.
_NESTING = 40

# Steps of a compiled pattern. Registers hold nodes: first the operands of the root, then those of inner nodes.
_EXPAND, _SAME, _CONSTANT, _LITERAL, _OPPOSITE = range(5)

# Marks the key of a node whose two operands are one node: no operator has this name.
_TWINS = "="


class Firing(NamedTuple):
    """A rule that fired on a node about to be made in a builder, ``op`` on ``operands``, and the node taken instead.

    ``span`` is the place of the former in the program, ``derived`` whether differentiation made it, ``matched`` the
    nodes below it that the rule's pattern looked into.
    """

    rule: str
    kind: str
    span: Span | None
    node: int
    op: str
    operands: tuple[int, ...]
    matched: tuple[int, ...]
    derived: bool
    builder: Builder


class Variant(NamedTuple):
    """A rule with a fixed order of operands, ready to be matched."""

    rule: Rule
    # The operator that each operand of the root must have; None where anything matches.
    heads: tuple[str | None, ...]
    steps: tuple[tuple[int, int, Any], ...]
    # A register that must hold a real scalar, or -1 for rules about truth values and choices.
    typed: int
    # The registers of inner nodes, and how many nodes the replacement may make: see `_pays`.
    inner: tuple[int, ...]
    makes: int
    # The replacement with registers for variables: ("node", register), ("fold", term of constants), (op, …).
    plan: Term
    # The names of the constants with their registers.
    constants: tuple[tuple[str, int], ...]


# Operators whose operands need not be numbers: a rule that has only these holds for every type.
_UNTYPED = frozenset({"select", "and", "or", "not"})


def _orders(term: Term, table: OpTable) -> Iterator[Term]:
    """The term with the operands of its commutative operators in every order."""
    if term[0] in ("var", "const"):
        yield term
        return
    for operands in product(*(tuple(_orders(operand, table)) for operand in term[1:])):
        yield (term[0], *operands)
        if table[term[0]].commutative and len(operands) == 2 and operands[0] != operands[1]:
            yield (term[0], operands[1], operands[0])


def compile_rule(rule: Rule, table: OpTable) -> list[Variant]:
    """The variants of a rule, without those that match the same nodes in the same way."""
    found: dict[object, Variant] = {}
    for pattern in _orders(rule.pattern, table):
        variant = _compile(rule, pattern)
        # Variables are known by their registers here, so orders that differ only in the variables' names are one.
        key = (variant.heads, variant.steps, repr(variant.plan), variant.constants)
        found.setdefault(key, variant)
    return list(found.values())


def _plan(term: Term, registers: Mapping[str, int]) -> Term:
    if term[0] == "var":
        return ("node", registers[term[1]])
    # Constants are folded even where folding is off: a rule does not leave work behind.
    if ground(term):
        return ("fold", term)
    return (term[0], *(_plan(operand, registers) for operand in term[1:]))


def _compile(rule: Rule, pattern: Term) -> Variant:
    steps: list[tuple[int, int, Any]] = []
    registers: dict[str, int] = {}
    typed = -1
    queue: list[tuple[Term, str]] = [(operand, pattern[0]) for operand in pattern[1:]]
    heads: list[str | None] = []
    plain = _plain(pattern)
    opposites: list[tuple[int, str]] = []
    for register, (term, user) in enumerate(_growing(queue)):
        if typed < 0 and user not in _UNTYPED:
            typed = register
        head: str | None = None
        if term[0] == "var":
            if is_constant(term[1]):
                head = "const"
                steps.append((_CONSTANT, register, None))
            if term[1] in registers:
                steps.append((_SAME, register, registers[term[1]]))
            registers.setdefault(term[1], register)
        elif term[0] == "const":
            head = "const"
            steps.append((_LITERAL, register, term[1]))
        elif term[0] == "neg" and term[1][0] == "var" and term[1][1] in plain:
            # That is also how (-2)*y stands to 2*y, which are made of -(2*y) before this rule is tried.
            opposites.append((register, term[1][1]))
        else:
            head = term[0]
            steps.append((_EXPAND, register, (term[0], len(term) - 1)))
            queue += [(operand, term[0]) for operand in term[1:]]
        if register < len(pattern) - 1:
            heads.append(head)
    steps += [(_OPPOSITE, register, registers[name]) for register, name in opposites]
    inner = tuple(register for code, register, _ in steps if code == _EXPAND)
    constants = tuple((name, register) for name, register in registers.items() if is_constant(name))
    plan = _plan(rule.replacement, registers)
    return Variant(rule, tuple(heads), tuple(steps), typed, inner, operators(rule.replacement), plan, constants)


def _plain(term: Term) -> frozenset[str]:
    """The variables of a term that stand somewhere without a minus right before them."""
    if term[0] == "var":
        return frozenset() if is_constant(term[1]) else frozenset({term[1]})
    if term[0] == "const" or (term[0] == "neg" and term[1][0] == "var"):
        return frozenset()
    return frozenset().union(*map(_plain, term[1:]))


def _opposite(data: Mapping[int, Mapping[str, Any]], one: int, other: int) -> bool:
    """Whether a node is minus another one by the way both are written."""
    first, second = data[one], data[other]
    if first["op"] == "neg" and first["operands"] == (other,):
        return True
    if second["op"] == "neg" and second["operands"] == (one,):
        return True
    if first["op"] == "const" and second["op"] == "const":
        return bool(first["attrs"]["value"] == -second["attrs"]["value"]) and first["type"] == second["type"]
    if first["op"] != second["op"] or first["op"] not in ("mul", "div"):
        return False
    # Rules bring a minus into a constant factor or divisor.
    for place in (0, 1):
        factor, opposite = data[first["operands"][place]], data[second["operands"][place]]
        same = first["operands"][1 - place] == second["operands"][1 - place]
        if same and factor["op"] == "const" and opposite["op"] == "const":
            return bool(factor["attrs"]["value"] == -opposite["attrs"]["value"])
    return False


def _growing(queue: list[tuple[Term, str]]) -> Iterator[tuple[Term, str]]:
    """The items of a list that grows while it is read."""
    at = 0
    while at < len(queue):
        yield queue[at]
        at += 1


def match(variant: Variant, data: Mapping[int, Mapping[str, Any]], operands: tuple[int, ...]) -> list[int] | None:
    """The registers, if the operands of a node of the root's operator fit; guard and type are not looked at."""
    registers = list(operands)
    for code, register, wanted in variant.steps:
        node = registers[register]
        if code == _SAME:
            if node != registers[wanted]:
                return None
            continue
        if code == _OPPOSITE:
            if not _opposite(data, node, registers[wanted]):
                return None
            continue
        found = data[node]
        if code == _EXPAND:
            inner = found["operands"]
            if found["op"] != wanted[0] or len(inner) != wanted[1] or found.get("attrs"):
                return None
            registers += inner
        elif found["op"] != "const":
            return None
        elif code == _LITERAL:
            value = found["attrs"]["value"]
            # 0.0 and -0.0 are different constants; a NaN in a pattern is matched by none.
            if value != wanted or (wanted == 0 and math.copysign(1.0, value) != math.copysign(1.0, wanted)):
                return None
    return registers


class Rules:
    """The rules of some classes over a table, compiled; ``disabled`` names rules that are left out.

    Get it from ``rules_of``, which keeps it with the table.
    """

    def __init__(self, table: OpTable, rules: Iterable[Rule], arrays: Iterable[ArrayRule] = ()) -> None:
        self.table = table
        self.rules = tuple(rules)
        # Rules over arrays, by the operator that they replace.
        self.arrays: dict[str, list[ArrayRule]] = {}
        for each in arrays:
            self.arrays.setdefault(each.op, []).append(each)
        self._by_root: dict[str, list[Rule]] = {}
        for rule in self.rules:
            self._by_root.setdefault(rule.pattern[0], []).append(rule)
        self._compiled: dict[str, list[Variant]] = {}
        # Filled as programs ask: (operator, operators of the operands) to the rules that may fit.
        self._candidates: dict[tuple[str, ...], tuple[Variant, ...]] = {}

    def candidates(self, key: tuple[str, ...]) -> tuple[Variant, ...]:
        """The variants that may match a node with operator ``key[0]`` on operands with the operators ``key[1:]``.

        A last ``=`` says that the two operands are one node; without it they are two.
        """
        found = self._candidates.get(key)
        if found is None:
            found = self._candidates[key] = tuple(v for v in self._variants(key[0]) if _fits(v, key))
        return found

    def _variants(self, op: str) -> list[Variant]:
        variants = self._compiled.get(op)
        if variants is None:
            # The larger pattern first: it knows more about the node (log(1 + exp(x)) before log(1 + x)).
            rules = sorted(self._by_root.get(op, ()), key=lambda rule: -size(rule.pattern))
            variants = self._compiled[op] = [v for rule in rules for v in compile_rule(rule, self.table)]
        return variants


def _fits(variant: Variant, key: tuple[str, ...]) -> bool:
    heads, ops = variant.heads, key[1:]
    if len(ops) == 3 and ops[2] == _TWINS:
        ops = ops[:2]
    elif len(ops) == 2 and (_SAME, 1, 0) in variant.steps:
        return False
    return len(heads) == len(ops) and all(head is None or head == op for head, op in zip(heads, ops, strict=True))


def rules_of(table: OpTable, classes: Iterable[str], disabled: Iterable[str] = ()) -> Rules:
    """The rules of the given classes, read once for each table. Raises KeyError for an unknown class."""
    chosen, without = frozenset(classes), frozenset(disabled)
    for kind in chosen:
        if kind not in CLASSES:
            raise KeyError(kind)
    key = ("rewrite", chosen, without)
    found: Rules | None = table._cache.get(key)
    if found is None:
        every = load.rules(table)
        kept = [rule for rule in every if rule.kind in chosen and rule.name not in without]
        arrays = [rule for rule in array_rules.RULES if rule.kind in chosen and rule.name not in without]
        found = table._cache[key] = Rules(table, kept, arrays)
    return found


# Folding -------------------------------------------------------------------------------------------------------------


def compute(
    row: Op, dtype: str, dtypes: tuple[str, ...], values: Iterable[Any], attrs: Mapping[str, Any] | None = None
) -> Any:
    """The op's own value on constants, which is what the interpreter computes; None where there is none."""
    function = evaluator(row, dtype, dtypes, attrs)
    if function is None:
        return None
    try:
        result = function(*values)
    except Exception:
        # An integer beyond 64 bits, or whatever an operator of a caller's own raises: the program meets it as it runs.
        return None
    return result if isinstance(result, int | float) else result.item()


def _fold(builder: Builder, op: str, operands: tuple[int, ...], attrs: Mapping[str, Any] | None) -> int | None:
    """The constant that the op gives on constant operands."""
    row = builder.ops[op]
    data = builder.data
    nodes = [data[operand] for operand in operands]
    try:
        type = builder.infer(op, operands, attrs)
    except TypeMismatch:
        return None
    dtypes = tuple(node["type"].dtype for node in nodes)
    value = compute(row, type.dtype, dtypes, [node["attrs"]["value"] for node in nodes], attrs)
    if value is None:
        return None
    if type.dtype == "bool":
        value = bool(value)
    return builder.constant(value, type)


# The hook of the optimising builder ----------------------------------------------------------------------------------


def simplifier(
    rules: Rules | None,
    table: OpTable,
    *,
    fold: bool,
    commute: bool,
    shared: Container[int] = (),
    fired: list[Firing] | None = None,
) -> Simplifier:
    """What an optimising builder does with a node before it makes it: fold, order the operands, rewrite.

    ``commute`` brings the operands of commutative operators into one order: a constant factor first, any other
    constant last (``2*x + 1``), the rest by number. ``shared`` are nodes that have other users than the one about to be
    made; rules that only save work spare them. What fires is appended to ``fired``.
    """
    folds = frozenset(row.name for row in table.values() if row.elementwise and row.scalar is not None)
    if not fold:
        folds = frozenset()
    folds -= {"const", "input", "name", "stop_gradient"}
    swaps = frozenset(row.name for row in table.values() if row.commutative) if commute else frozenset()
    if rules is None or not any(rule.kind == "real" for rule in rules.rules):
        # Of 0.0 and -0.0 these give the first.
        swaps -= {"min", "max"}
    known: dict[tuple[str, ...], tuple[Variant, ...]] = {} if rules is None else rules._candidates
    arrays: dict[str, list[ArrayRule]] = {} if rules is None else rules.arrays
    nesting = 0

    def simplify(builder: Builder, op: str, operands: tuple[int, ...], attrs: Mapping[str, Any] | None) -> int | None:
        nonlocal nesting
        data = builder.data
        if op in structural.OPERATORS:
            return None if rules is None or attrs is None else structural.simplify(builder, op, operands, attrs)
        key: tuple[str, ...]
        asked = operands
        if len(operands) == 2:
            a, b = operands
            first, second = data[a]["op"], data[b]["op"]
            key = (op, first, second) if a != b else (op, first, second, _TWINS)
            if first == "const" and second == "const" and op in folds:
                found = _fold(builder, op, operands, attrs)
                if found is not None:
                    return found
            if op in swaps and a != b:
                if first == "const":
                    flip = op != "mul" and second != "const"
                elif second == "const":
                    flip = op == "mul"
                else:
                    flip = a > b
                if flip:
                    operands = (b, a)
                    key = (op, second, first)
        else:
            key = (op, *[data[operand]["op"] for operand in operands])
            if op in folds and key.count("const") == len(operands):
                found = _fold(builder, op, operands, attrs)
                if found is not None:
                    return found
            if op == "select" and fold and key[1] == "const":
                return operands[1] if data[operands[0]]["attrs"]["value"] else operands[2]
            if op in swaps:
                operands = tuple(sorted(operands))
                key = (op, *[data[operand]["op"] for operand in operands])
        if rules is not None and not attrs:
            if op in arrays:
                for each in arrays[op]:
                    found = each.apply(builder, operands)
                    if found is not None:
                        if fired is not None:
                            matched = _within(builder, operands, each.inside)
                            fired.append(_firing(each, builder, found, op, operands, matched))
                        return found
            candidates = known.get(key)
            if candidates is None:
                candidates = rules.candidates(key)
            if candidates and nesting < _NESTING and builder.known(op, *operands) is None:
                nesting += 1
                try:
                    for variant in candidates:
                        registers = match(variant, data, operands)
                        if registers is None or not _pays(variant, registers, shared):
                            continue
                        found = _replace(variant, registers, builder)
                        if found is not None:
                            if fired is not None:
                                matched = tuple(registers[register] for register in variant.inner)
                                fired.append(_firing(variant.rule, builder, found, op, operands, matched))
                            return found
                finally:
                    nesting -= 1
        return None if operands is asked else builder.make(op, operands, attrs)

    return simplify


def _firing(
    rule: Rule | ArrayRule, builder: Builder, found: int, op: str, operands: tuple[int, ...], matched: tuple[int, ...]
) -> Firing:
    derived = builder.adjoint_of is not None
    return Firing(rule.name, rule.kind, builder.span, found, op, operands, matched, derived, builder)


def _within(builder: Builder, operands: tuple[int, ...], inside: frozenset[str]) -> tuple[int, ...]:
    """The nodes at and below the operands that are reached through operators of ``inside`` alone."""
    found: dict[int, None] = {}
    waiting = list(operands)
    while waiting:
        node = waiting.pop()
        if node not in found and builder.op(node) in inside:
            found[node] = None
            waiting += builder.operands(node)
    return tuple(found)


def _pays(variant: Variant, registers: list[int], shared: Container[int]) -> bool:
    """Whether a rule that is not about accuracy makes no more nodes than it sets free.

    ``x*y + x*z`` becomes ``x*(y + z)`` to save a product; if both products are needed elsewhere it saves nothing.
    """
    if variant.rule.kind in ("exact", "stable", "late"):
        return True
    return variant.makes <= 1 + sum(registers[register] not in shared for register in variant.inner)


def _replace(variant: Variant, registers: list[int], builder: Builder) -> int | None:
    """What the rule makes of the matched nodes, or None if guard or type forbid it."""
    data = builder.data
    type = F64
    if variant.typed >= 0:
        type = data[registers[variant.typed]]["type"]
        if not type.real:
            return None
    rule = variant.rule
    values = {name: data[registers[register]]["attrs"]["value"] for name, register in variant.constants}
    apply = evaluate_with(builder.ops, type.dtype)
    if rule.guard is not None and evaluate(rule.guard, values, apply, type.dtype) is not True:
        return None
    return _build(variant.plan, registers, builder, type, values, apply)


def _build(
    plan: Term,
    registers: list[int],
    builder: Builder,
    type: Type,
    values: Mapping[str, Any],
    apply: Callable[[str, tuple[Any, ...]], Any],
) -> int | None:
    what = plan[0]
    if what == "node":
        node: int = registers[plan[1]]
        return node
    if what == "fold":
        value = evaluate(plan[1], values, apply, type.dtype)
        return None if value is None else builder.constant(value, type)
    operands = []
    for operand in plan[1:]:
        made = _build(operand, registers, builder, type, values, apply)
        if made is None:
            return None
        operands.append(made)
    return builder.apply(what, *operands)


def evaluate_with(table: OpTable, dtype: str) -> Callable[[str, tuple[Any, ...]], Any]:
    """Evaluates operators on constants of a type; gives None where one, or an operand, has no value."""

    def apply(op: str, values: tuple[Any, ...]) -> Any:
        if any(value is None for value in values):
            return None
        dtypes = tuple("bool" if isinstance(value, bool) else dtype for value in values)
        return compute(table[op], "bool" if op in _TRUTHS else dtype, dtypes, values)

    return apply


_TRUTHS = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"})

__all__ = ["CLASSES", "Firing", "Rules", "compile_rule", "compute", "evaluate_with", "match", "rules_of", "simplifier"]
