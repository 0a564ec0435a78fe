"""What ``gradc help`` can explain: codes, passes, functions and operators, rewrite rules, the language."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from gradc.errors import CODES, nearest
from gradc.ir.op import Op, OpTable
from gradc.resources import grammar, package_file
from gradc.rules.structural import RULES
from gradc.syntax.arrays import FUNCTIONS

LANGUAGE = "language"
# Pages about more than one thing.
PAGES = {
    LANGUAGE: "the language, from names to derivatives",
    "passes": "what a compilation does with a graph, at -O0 to -O3",
    "rules": "the rewrite rules and their four classes",
    "check": "how derivatives are checked, and what the verdicts mean",
    "data": "values from files, and results into them",
}


def page(topic: str) -> str | None:
    """The text about a topic, or None if there is none of that name."""
    if topic.casefold() == LANGUAGE:
        return _language()
    if topic.casefold() in PAGES:
        return _file(topic.casefold())
    if topic.upper() in CODES:
        return _file(topic.upper()) or f"# {topic.upper()}: {CODES[topic.upper()]}\n"
    # Operators come first: the page about the function `min` is what people look for.
    return _operator(topic) or _pass(topic) or _rule(topic)


def similar(topic: str) -> list[str]:
    """The topics that ``topic`` may be a misspelling of."""
    from gradc.ops import TABLE

    words = {*PAGES, *CODES, *TABLE.functions, *FUNCTIONS, *_passes(), *(rule.name for rule in _rules())}
    return nearest(topic, words, 3)


def index() -> str:
    """All topics, in groups."""
    from gradc.ops import TABLE

    functions = [row.functions[0] for row in TABLE.values() if row.functions]
    symbols = dict.fromkeys(row.symbol for row in TABLE.values() if row.symbol)
    rows = ["Topics of `gradc help TOPIC`:", "", "overviews"]
    rows += [f"    {name:<8}  {summary}" for name, summary in PAGES.items()]
    rows += ["", "codes"]
    rows += [f"    {code}  {title}" for code, title in sorted(CODES.items(), key=_errors_first)]
    rows += ["", "passes"]
    width = max(map(len, _passes()))
    rows += [f"    {name:<{width}}  {summary}" for name, summary in _passes().items()]
    for title, words in (
        ("functions", sorted(functions)),
        ("functions of arrays", sorted(FUNCTIONS)),
        ("operators", [symbol for symbol in symbols if symbol]),
        ("rewrite rules", sorted(rule.name for rule in _rules())),
    ):
        rows += ["", title, _filled(words)]
    return "\n".join(rows) + "\n"


def _errors_first(item: tuple[str, str]) -> tuple[bool, str]:
    return item[0].startswith("W"), item[0]


def _filled(words: Iterable[str], indent: str = "    ") -> str:
    return textwrap.fill("  ".join(words), 96, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _file(name: str) -> str | None:
    try:
        return package_file(f"help/{name}.md").read_text("utf-8")
    except (OSError, ValueError):
        return None


def _language() -> str | None:
    try:
        return grammar("LANGUAGE.md").read_text("utf-8")
    except OSError:
        return None


# Passes --------------------------------------------------------------------------------------------------------------


def _passes() -> Mapping[str, str]:
    from gradc import driver

    return {name: each.summary for name, each in driver.passes(driver.Options()).items()}


def _pass(topic: str) -> str | None:
    known = {name.casefold(): name for name in _passes()}
    name = known.get(topic.casefold())
    if name is None:
        return None
    return _file(name) or f"# {name}: a pass\n\n{_sentence(_passes()[name])}\n"


# Operators -----------------------------------------------------------------------------------------------------------


def _operator(topic: str) -> str | None:
    from gradc.ops import TABLE

    word = topic.removesuffix("()")
    name = TABLE.functions.get(word) or TABLE.functions.get(word.casefold())
    rows = [TABLE[name]] if name else [row for row in TABLE.values() if row.symbol == word]
    if not rows and word in TABLE:
        rows = [TABLE[word]]
    pages = [_of_arrays(word)] if word in FUNCTIONS else []
    return "\n".join([*pages, *(operator(row, TABLE) for row in rows)]) or None


def _of_arrays(name: str) -> str:
    """The page about a built-in function of arrays."""
    function = FUNCTIONS[name]
    rows = [f"# {name}: function of arrays", "", f"    {function.form}", "", _wrapped(_sentence(function.doc))]
    if "axis" in function.options:
        rows += ["", "Of all axes, or along those that `axis` names. See `gradc help language`."]
    return "\n".join(rows) + "\n"


def operator(row: Op, table: OpTable) -> str:
    """The page about an operator, from its row."""
    head = row.functions[0] if row.functions else row.symbol or row.name
    kind = "function" if row.functions else "operator" if row.symbol else f"{row.kind} of the graph"
    rows = [f"# {head}: {kind}", "", _wrapped(row.doc), ""]
    facts: list[tuple[str, str]] = []
    if row.gradient:
        facts += [("derivative", " ".join(line.split())) for line in row.gradient.splitlines()]
    elif row.kind == "elementwise" and all(how == "none" for how in row.dependence):
        facts.append(("derivative", "zero wherever there is one"))
    if row.domain:
        facts.append(("tested on", ", ".join(f"[{low:g}, {high:g}]" for low, high in row.domain)))
    if row.kinks:
        points = [f"({', '.join(f'{at:g}' for at in kink)})" if len(kink) > 1 else f"{kink[0]:g}" for kink in row.kinks]
        facts.append(("special points", ", ".join(points)))
    if len(row.functions) > 1:
        facts.append(("also written", ", ".join(row.functions[1:])))
    if row.reference and not row.reference.startswith("gradc"):
        facts.append(("reference", row.reference))
    last = ""
    for title, text in facts:
        rows.append(f"{title if title != last else '':<16}{text}")
        last = title
    return "\n".join(rows) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, break_on_hyphens=False)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


# Rewrite rules -------------------------------------------------------------------------------------------------------

_CLASSES = {
    "exact": "It holds bit for bit, NaN and signed zeros included, and runs at -O1 and above.",
    "stable": "It never loses accuracy or domain, and runs at -O2 and above.",
    "real": "It may change rounding, never whether a result is finite, and runs at -O2 and above.",
    "finite": "It erases operands that could be NaN or infinite, and runs only with --assume-finite.",
}


class _Line:
    """A rule as it stands in its file."""

    def __init__(self, name: str, kind: str, text: str) -> None:
        self.name = name
        self.kind = kind
        self.text = text


def _rules() -> list[_Line]:
    found = []
    for kind in _CLASSES:
        for line in package_file(f"rules/{kind}.grad").read_text("utf-8").splitlines():
            name, bracket, text = line.partition("]")
            if name.startswith("[") and bracket:
                found.append(_Line(name[1:], kind, " ".join(text.split())))
        found += [_Line(rule.name, kind, rule.text) for rule in RULES if rule.kind == kind]
    return found


def _rule(topic: str) -> str | None:
    for rule in _rules():
        if rule.name == topic:
            return (
                f"# {rule.name}: rewrite rule\n\n    {rule.text}\n\nOf the class *{rule.kind}*. {_CLASSES[rule.kind]}\n"
            )
    return None
