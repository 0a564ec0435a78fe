"""What random programs reach: every rule of the grammar, in every part, and every built-in function."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from fuzz.kinds import program
from fuzz.reduce import walk
from fuzz.writing import outline, restyled
from lark import Lark
from step_terms import DERIVATIVES

from gradc import TABLE, resources
from gradc.source import Source
from gradc.syntax import arrays, parse, tree

COUNT = 250
EXCEPTIONS = {
    "use": "a program that is compiled as a text has no folder",
    "statement with use": "the same",
    "comparison, chained": "it is refused in words",
    "_chain": "the same",
    "program without statements": "there is nothing to compare",
    "block without steps": "it is refused in words",
    "declared without _EQUALS": "the point stands in the defaults",
    "declared without expression": "the same",
    "derivative without names": "a function without parameters has no derivative",
}
"""What no program has, and why. Functions: kinks and breaks stand in programs of their own kinds."""


@pytest.fixture(scope="module")
def programs() -> dict[str, tree.Program]:
    """Programs in many ways of writing, with their trees."""
    found = {}
    for seed in range(COUNT):
        source = program("language", seed)
        again = restyled(source, random.Random(seed))
        found[again] = parse.parse_program(Source("again", again))
        assert outline(found[again]) == outline(parse.parse_program(Source("case", source))), again
    return found


def parts(rule: Any) -> frozenset[str]:
    """The symbols of one way to write a rule, numbered where there are several of a kind."""
    seen: Counter[str] = Counter()
    found = set()
    for symbol in rule.expansion:
        seen[symbol.name] += 1
        found.add(symbol.name if seen[symbol.name] == 1 else f"{symbol.name} {seen[symbol.name]}")
    return frozenset(found)


def unreached(found: dict[str, list[frozenset[str]]], all_ways: dict[str, list[frozenset[str]]]) -> Iterator[str]:
    """The rules that no program uses, and the parts that are always there, or never, though they need not be."""
    for name, ways in all_ways.items():
        if name not in found:
            yield name
            continue
        yield from (f"{name} with {part}" for part in frozenset().union(*ways) - frozenset().union(*found[name]))
        always = frozenset.intersection(*found[name]) - frozenset.intersection(*ways)
        yield from (f"{name} without {part}" for part in always)


def test_programs_reach_the_whole_grammar(programs: dict[str, tree.Program]) -> None:
    postlex = parse._LineEnds()
    lark = Lark(resources.grammar("grad.lark").read_text("utf-8"), parser="lalr", start="program", postlex=postlex)
    used = set()
    callbacks = lark.parser.parser.parser.callbacks  # type: ignore[attr-defined]
    for rule, callback in list(callbacks.items()):
        callbacks[rule] = lambda children, rule=rule, callback=callback: used.add(rule) or callback(children)
    for text in programs:
        lark.parse(text)
    found: dict[str, list[frozenset[str]]] = {}
    ways: dict[str, list[frozenset[str]]] = {}
    for rule in callbacks:
        name = ", ".join(map(str, filter(None, (rule.origin.name, rule.alias))))
        ways.setdefault(name, []).append(parts(rule))
        if rule in used:
            found.setdefault(name, []).append(parts(rule))
    assert set(unreached(found, ways)) == set(EXCEPTIONS)


def test_programs_call_every_function(programs: dict[str, tree.Program]) -> None:
    called = set()
    operators = set()
    for each in programs.values():
        for _, node in walk(each, ()):
            if isinstance(node, tree.Call):
                called.add(node.function.id)
            elif isinstance(node, (tree.Binary, tree.Unary)):
                operators.add((type(node).__name__, node.op))
    built_in = {name for row in TABLE.values() for name in row.functions} | set(arrays.FUNCTIONS) | set(DERIVATIVES)
    # Differences do not tell its derivative: it stands in the programs of kind `nasty`.
    assert built_in - called == {"stop_gradient"}
    assert {op for kind, op in operators if kind == "Binary"} == {
        *("+", "-", "*", "/", "//", "%", "@", "^", "<", "<=", ">", ">=", "==", "!=", "and", "or")
    }
    assert {op for kind, op in operators if kind == "Unary"} == {"+", "-", "not"}
