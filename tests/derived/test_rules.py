"""Every rewrite rule, held against the law of its class over a grid of nasty floats."""

from __future__ import annotations

import itertools

import pytest
from rule_cases import APPLY, CONSTANTS, RULES, breach, cases, instances, truth_values

from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.types import BOOL, F64
from gradc.ops import TABLE
from gradc.passes.simplify import simplify
from gradc.rules.rewrite import CLASSES, Firing, Rules, rules_of
from gradc.rules.terms import Rule, Term, cheaper, cost, evaluate, ground, is_constant, variables

every_rule = pytest.mark.parametrize("rule", RULES, ids=[f"{rule.kind}-{rule.name}" for rule in RULES])


@every_rule
def test_rule_keeps_the_law_of_its_class(rule: Rule) -> None:
    checked = 0
    for values in cases(rule):
        found = breach(rule, values)
        assert found is None, found
        checked += 1
    assert checked > 3


# Firing --------------------------------------------------------------------------------------------------------------


def _make(builder: Builder, term: Term, places: dict[str, int], wrap: bool = False) -> int:
    """A term as nodes; with ``wrap`` the operands of its root are hidden under names."""
    if term[0] == "const":
        return builder.constant(term[1])
    if term[0] == "var":
        return places[term[1]]
    operands = [_make(builder, operand, places) for operand in term[1:]]
    if wrap:
        operands = [builder.name(f"n{i}", operand) for i, operand in enumerate(operands)]
    return builder.apply(term[0], *operands)


def _graph(rule: Rule, term: Term, constants: dict[str, float], *, wrap: bool = False, distinct: bool = False) -> Graph:
    builder = Builder(TABLE)
    truths = truth_values(rule)
    places: dict[str, int] = {}
    count = itertools.count()

    def fresh(name: str) -> int:
        return builder.input(f"{name}{next(count)}", BOOL if name in truths else F64)

    names = [name for name in dict.fromkeys(variables(rule.pattern)) if not is_constant(name)]
    for name in names:
        places[name] = fresh(name)
    places.update((name, builder.constant(value)) for name, value in constants.items())

    def separate(term: Term) -> Term:
        if term[0] == "var" and not is_constant(term[1]):
            other = f"{term[1]}'{next(count)}"
            places[other] = fresh(term[1])
            return ("var", other)
        return term if term[0] in ("var", "const") else (term[0], *map(separate, term[1:]))

    root = _make(builder, separate(term) if distinct else term, places, wrap)
    return builder.finish([("y", root)])


def fires(rule: Rule, graph: Graph) -> bool:
    record: list[Firing] = []
    simplify(graph, Rules(TABLE, [rule]), fired=record)
    return bool(record)


@every_rule
def test_rule_fires_on_its_pattern_and_not_beside_it(rule: Rule) -> None:
    constants = instances(rule)[0]
    assert fires(rule, _graph(rule, rule.pattern, constants))
    # A name stands between the root and its operands; a name is never looked through.
    inner = any(operand[0] != "var" or is_constant(operand[1]) for operand in rule.pattern[1:])
    if inner:
        assert not fires(rule, _graph(rule, rule.pattern, constants, wrap=True))
    names = [name for name in variables(rule.pattern) if not is_constant(name)]
    if len(set(names)) < len(names):
        # What must be one value is two.
        assert not fires(rule, _graph(rule, rule.pattern, constants, distinct=True))
    assert inner or len(set(names)) < len(names)


@pytest.mark.parametrize("rule", [r for r in RULES if r.guard], ids=[f"{r.kind}-{r.name}" for r in RULES if r.guard])
def test_guard_holds_the_rule_back(rule: Rule) -> None:
    names = sorted({name for name in variables(rule.pattern) if is_constant(name)})
    refused = [
        values
        for chosen in itertools.product(CONSTANTS, repeat=len(names))
        if evaluate(rule.guard, values := dict(zip(names, chosen, strict=True)), APPLY, "f64") is not True
    ]
    assert refused
    assert not any(fires(rule, _graph(rule, rule.pattern, values)) for values in refused[:5])


# Rules that spend operations to be accurate. That they do not go on forever is tested by itself.
SPENDING = {"log_exp_multiple", "log_exp_fraction", "log_cosh", "log_half_erfc", "difference_of_squares"}
SPENDING |= {"one_minus_square", "square_minus_one", "sqrt_difference", "atan_difference"}
SPENDING |= {"log_exp_product", "log_exp_quotient"}


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.name in SPENDING], ids=lambda rule: rule.name)
def test_what_a_spending_rule_makes_is_final(rule: Rule) -> None:
    every = rules_of(TABLE, CLASSES)
    # Where the constant is 1, a smaller pattern fits what is left when it is gone.
    for constants in [values for values in instances(rule) if 1.0 not in values.values()][:10] or [{}]:
        record: list[Firing] = []
        once, _ = simplify(_graph(rule, rule.pattern, constants), every, fold=True, commute=True, fired=record)
        # Where the constant is a power of two, a rule about its reciprocal fires.
        assert record
        assert [firing.rule for firing in record].count(rule.name) <= 1
        again: list[Firing] = []
        for _ in range(3):
            once, _ = simplify(once, every, fold=True, commute=True, fired=again)
        assert rule.name not in [firing.rule for firing in again]
        assert simplify(once, every, fold=True, commute=True)[0] is once


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.name not in SPENDING], ids=lambda rule: rule.name)
def test_rule_lowers_the_cost(rule: Rule) -> None:
    for constants in instances(rule):
        before, after = cost(_folded(rule.pattern, constants), {}), cost(_folded(rule.replacement, constants), {})
        assert cheaper(after, before), f"{constants}: {before} became {after}"


def _folded(term: Term, constants: dict[str, float]) -> Term:
    """The term with constants for their variables; what is made of constants alone is one constant."""
    if term[0] == "const" or (term[0] == "var" and not is_constant(term[1])):
        return term
    if ground(term):
        return ("const", evaluate(term, constants, APPLY, "f64"))
    return (term[0], *(_folded(operand, constants) for operand in term[1:]))


@every_rule
def test_rule_keeps_the_type(rule: Rule) -> None:
    constants = instances(rule)[0]
    left, right = (_graph(rule, term, constants) for term in (rule.pattern, rule.replacement))
    assert left.type(left.output("y")) == right.type(right.output("y"))


def test_names_of_rules_are_unique_and_classes_are_known() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert {rule.kind for rule in RULES} == set(CLASSES)
