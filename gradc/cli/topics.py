"""What ``gradc help`` can explain: codes, passes, functions and operators, rewrite rules, the language."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gradc.cli import conventions
from gradc.errors import CODES, nearest
from gradc.ir.op import Op, OpTable
from gradc.resources import grammar, package_file
from gradc.rules.arrays import RULES
from gradc.syntax.arrays import FUNCTIONS

LANGUAGE = "language"
CONVENTIONS = "conventions"
# Pages about more than one thing.
PAGES = {
    LANGUAGE: "the language, from names to derivatives",
    "passes": "what a compilation does with a graph, at -O0 to -O3",
    "rules": "the rewrite rules and their four classes",
    CONVENTIONS: "what every operator gives at zeros, infinities, NaN and kinks",
    "check": "how derivatives are checked, and what the verdicts mean",
    "data": "values from files, and results into them",
}


def page(topic: str) -> str | None:
    """The text about a topic, or None if there is none of that name."""
    if topic.casefold() == LANGUAGE:
        return _language()
    if topic.casefold() == CONVENTIONS:
        return _conventions()
    if topic.casefold() in PAGES:
        return _file(topic.casefold())
    if topic.upper() in CODES:
        return _file(topic.upper()) or f"# {topic.upper()}: {CODES[topic.upper()]}\n"
    # Operators come first: the page about the function `min` is what people look for.
    pages = [found for found in (_operator(topic), _pass(topic), _rule(topic)) if found is not None]
    return "\n".join(pages) or None


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
    rows += [f"    {name:<11}  {summary}" for name, summary in PAGES.items()]
    rows += ["", "codes"]
    rows += [f"    {code}  {title}" for code, title in sorted(CODES.items(), key=_errors_first)]
    rows += ["", "passes"]
    width = max(map(len, _passes()))
    rows += [f"    {name:<{width}}  {summary}" for name, summary in _passes().items()]
    for title, words in (
        ("functions", sorted(functions)),
        ("functions of arrays", sorted(FUNCTIONS)),
        ("operators", [symbol for symbol in symbols if symbol]),
        *((f"{kind} rewrite rules", sorted(r.name for r in _rules() if r.kind == kind)) for kind in _CLASSES),
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


def _conventions() -> str:
    from gradc.ops import FAMILIES, TABLE

    return f"{_file(CONVENTIONS)}\n{conventions.page(TABLE, FAMILIES)}"


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
    if len(row.functions) > 1:
        facts.append(("also written", ", ".join(row.functions[1:])))
    if row.reference and not row.reference.startswith("gradc"):
        facts.append(("reference", row.reference))
    last = ""
    for title, text in facts:
        rows.append(f"{title if title != last else '':<16}{text}")
        last = title
    if special := conventions.table(row, table):
        rows += ["", special.rstrip()]
    return "\n".join(rows) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, break_on_hyphens=False)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


# Rewrite rules -------------------------------------------------------------------------------------------------------

_CLASSES = {
    "exact": "It holds bit for bit, NaN and signed zeros included, and runs at -O1 and above.",
    "stable": (
        "It never loses accuracy or domain, of the value and of its derivatives. It runs at -O2 and above, before "
        "derivatives are taken and after."
    ),
    "late": "It never loses accuracy or domain of the value, and runs at -O2 and above when all derivatives are taken.",
    "real": "It may change rounding, never whether a result is finite, and runs at -O2 and above.",
    "finite": "It erases operands that could be NaN or infinite, and runs only with --assume-finite.",
}


class _Line(NamedTuple):
    """A rule as it stands in its file, with the comment above it."""

    name: str
    kind: str
    text: str
    why: str


def _rules() -> list[_Line]:
    found = []
    for kind in _CLASSES:
        comment: list[str] = []
        for line in package_file(f"rules/{kind}.grad").read_text("utf-8").splitlines():
            name, bracket, text = line.partition("]")
            if name.startswith("[") and bracket:
                found.append(_Line(name[1:], kind, " ".join(text.split()), " ".join(comment)))
                comment = []
            elif line.startswith("# ") and not line.endswith("---"):
                comment.append(line[2:])
            else:
                comment = []
        found += [_Line(rule.name, kind, rule.text, rule.why) for rule in RULES if rule.kind == kind]
    return found


def _rule(topic: str) -> str | None:
    for rule in _rules():
        if rule.name == topic:
            rows = [f"# {rule.name}: rewrite rule", "", f"    {rule.text}", ""]
            if rule.why:
                rows += [_wrapped(rule.why), ""]
            rows += [_wrapped(f"Of the class *{rule.kind}*. {_CLASSES[rule.kind]}")]
            rows += [*_figures(rule.name), "", f"`--no-rewrite {rule.name}` leaves it out."]
            return "\n".join(rows) + "\n"
    return None


# So many ulps are all the digits of a double.
_LOST = 2.0**52 * 0.9


def _figures(name: str) -> list[str]:
    """What the rule gains, as it was measured: errors in ulps of the true value."""
    figures = json.loads(package_file("rules/accuracy.json").read_text("utf-8")).get(name)
    if figures is None:
        return []
    rows = [("error in ulps", "median", "worst", "no number")]
    for what, (left, right) in figures.items():
        for when, (median, worst, share) in (("before", left), ("after", right)):
            lost = "every digit" if worst > _LOST else f"{worst:g}"
            rows.append((f"{what}, {when}", f"{median:g}", lost, f"{share:.1%}" if share else ""))
    wide = [max(len(row[at]) for row in rows) for at in range(4)]
    table = []
    for first, *rest in rows:
        cells = "    ".join(cell.rjust(w) for cell, w in zip(rest, wide[1:], strict=True))
        table.append(f"    {first.ljust(wide[0])}    {cells}".rstrip())
    return ["", *table]
