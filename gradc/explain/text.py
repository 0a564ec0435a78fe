"""The page that an explanation is: values and local gradients side by side, the paths, their sum, one step of
descent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.backends.notation import adjoint_map
from gradc.explain.flow import factor
from gradc.explain.summary import joined, short, small
from gradc.explain.through import quotient
from gradc.source import width

if TYPE_CHECKING:
    from gradc.explain.explanation import Explanation, LocalGradient, Path

# Longer paths are cut in the middle, more rows than that at the end.
_STATIONS = 8
_ROWS = 40
# A formula wider than this is cut in a column; the facts hold it whole.
_COLUMN = 44
# What a path over arrays contributes.
_PATH = 64
# A local gradient in terms of what is differentiated by is shown where it is longer by no more than that.
_LONGER = 2
# A number of paths with more digits is told by its size alone.
_DIGITS = 30


def page(found: Explanation) -> str:
    """The explanation for people."""
    blocks = [_head(found), _columns(found), _paths(found), _tail(found)]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _head(found: Explanation) -> list[str]:
    name = f"∂{found.of}/∂{found.wrt}"
    if found.sum is None:
        missing = [each for each, value in found.inputs.items() if value is None]
        known = f"        for any {', '.join(missing[:12])}{', …' if len(missing) > 12 else ''}" if missing else ""
        return [f"{name} = {_cut(found.formula, 80)}{known}"]
    at = [_given(each, value) for each, value in found.inputs.items() if value is not None]
    where = f"        at {', '.join(at[:12])}{', …' if len(at) > 12 else ''}" if at else ""
    return [f"{name} = {short(found.best)}{where}"]


def _given(name: str, value: Any) -> str:
    """An input and its value, or the shape of one that is large."""
    if isinstance(value, np.ndarray) and not small(value):
        return f"{name} {joined(value.shape)}"
    return f"{name} = {short(value)}"


def _columns(found: Explanation) -> list[str]:
    """The forward values on the left, the local gradients on the right."""
    forward = [(row.name, _cut(row.formula), _valued(row.value, row.shape)) for row in found.forward[:_ROWS]]
    names = found.level == "names"
    # At the level of operations an unnamed step is called by its own expression: it is not said twice.
    left = [(name if name == formula else f"{name} = {formula}", value) for name, formula, value in forward]
    if names:
        wide = max((width(name) for name, _, _ in forward), default=0)
        left = [(f"{_pad(name, wide)} = {formula}", value) for name, formula, value in forward]
    right = []
    for each in found.local_gradients[:_ROWS]:
        formula = each.formula
        if each.through:
            formula = each.through
        elif each.formula_in_wrt != formula and len(each.formula_in_wrt) <= len(formula) + _LONGER:
            formula += f" = {each.formula_in_wrt}"
        formula = _cut(formula if each.kind != "map" or each.through else adjoint_map(formula, each.of))
        if not each.live:
            formula += f"  ({each.idle})"
        sign = " " if each.through else "="
        right.append((f"∂{quotient(each.of)}/∂{quotient(each.wrt)}", sign, formula, _of_gradient(each)))
    wide = max((width(name) for name, *_ in right), default=0)
    lefts = _table(left)
    rights = _table([(f"{_pad(name, wide)} {sign} {formula}", value) for name, sign, formula, value in right])
    for rows, facts, omitted in zip(
        (lefts, rights), (found.forward, found.local_gradients), found.omitted, strict=True
    ):
        more = max(0, len(facts) - _ROWS) + omitted
        if more:
            rows.append(f"  … {more:,} more".replace(",", "\N{NO-BREAK SPACE}"))
    if not rights:
        return []
    if not lefts:
        return ["local gradients", *rights]
    span = max(width(row) for row in [*lefts, "forward"]) + 6
    lines = [f"{_pad('forward', span)}local gradients"]
    for at in range(max(len(lefts), len(rights))):
        one = lefts[at] if at < len(lefts) else ""
        two = rights[at] if at < len(rights) else ""
        lines.append((_pad(one, span) + two).rstrip())
    return lines


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Texts on the left, numbers on the right, both in columns."""
    texts = max((width(text) for text, _ in rows), default=0)
    numbers = max((width(number) for _, number in rows if not _listed(number)), default=0)
    # Numbers end in one column, and what is more than a number begins in it.
    return [
        f"  {_pad(text, texts)}    {number if _listed(number) else _right(number, numbers)}".rstrip()
        for text, number in rows
    ]


def _listed(text: str) -> bool:
    """Whether the text of a value is more than a number."""
    return "[" in text or " " in text


def _paths(found: Explanation) -> list[str]:
    count = found.path_count
    if count == 0:
        return [f"no path leads from {found.wrt} to {found.of}: the derivative is 0"]
    many = f"{count:,}".replace(",", "\N{NO-BREAK SPACE}") if count < 10**_DIGITS else found.many
    title = f"{many} path{'s' if count != 1 else ''} from {found.wrt} to {found.of}"
    if 0 < len(found.paths) < count:
        shown = len(found.paths)
        title += f", {shown} of the largest" if found.order == "estimated" else f", the {found.order} {shown}"
    ways = ["  " + _way(path.nodes) for path in found.paths]
    wide = max((width(way) for way in ways), default=0)
    if found.sum is None:
        rows = zip(ways, found.paths, strict=True)
        return [title, *(f"{_pad(way, wide)}      {_product(path)}" for way, path in rows)]
    products = [_product(path) for path in found.paths]
    values = [_number(path.product) for path in found.paths]
    word = "sum" if count > 1 else "gradient"
    reach = max(width(text) for text in (*products, word))
    numbers = max(width(value) for value in [*values, short(found.sum)])
    lines = [title]
    for way, product, value in zip(ways, products, values, strict=True):
        equal = f"  =  {_right(value, numbers)}" if value else ""
        lines.append(f"{_pad(way, wide)}      {_right(product, reach)}{equal}".rstrip())
    if len(found.paths) < count:
        lines.append(f"{_pad('  …', wide)}")
    verdict = "the compiled adjoint agrees"
    if found.rewritten:
        verdict = f"as written; the compiled adjoint, by rewrite rules, is {_number(found.adjoint)}"
    elif not found.agrees:
        verdict = f"BUT THE COMPILED ADJOINT IS {_number(found.adjoint)}: please report this"
    lines.append(f"{word:>{wide + 6 + reach}}  =  {_right(short(found.sum), numbers)}    {verdict}")
    return lines


def _way(nodes: Sequence[str]) -> str:
    shown = list(nodes)
    if len(shown) > _STATIONS:
        shown = [*shown[: _STATIONS - 3], "…", *shown[-2:]]
    return " → ".join(shown)


def _product(path: Path) -> str:
    if not path.live and not all(map(math.isfinite, path.factors or ())):
        # As a product it would be 0 times infinity.
        return "no influence"
    if path.factors is None:
        texts = [_cut(each, _PATH) if len(path.formulas) == 1 else factor(each) for each in path.formulas]
    else:
        texts = [factor(short(each)) for each in path.factors]
    if len(texts) > _STATIONS:
        texts = [*texts[: _STATIONS - 3], "…", *texts[-2:]]
    return " · ".join(texts) if texts else "1"


def _tail(found: Explanation) -> list[str]:
    lines = []
    if found.sum is not None:
        lines.append(f"simplified              ∂{found.of}/∂{found.wrt} = {_cut(found.formula, 120)}")
    if found.step is not None:
        before, lr, after = (short(found.step[key]) for key in ("before", "lr", "after"))
        lines.append(f"one step, lr = {lr:<9}{found.wrt}: {before} → {after}")
    return lines


def _number(value: Any) -> str:
    return "" if value is None else short(value)


def _of_gradient(each: LocalGradient) -> str:
    """The numbers of a local gradient, where its formula does not say them."""
    said = each.kind == "elements" and each.formula.replace(".", "").replace("-", "").isdecimal()
    return "" if said else _valued(each.value, each.shape)


def _valued(value: Any, shape: Sequence[str]) -> str:
    """A value, or the shape of an array that is not known."""
    if value is not None:
        return short(value)
    return joined(shape) if shape else ""


def _cut(text: str, limit: int = _COLUMN) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _pad(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


def _right(text: str, columns: int) -> str:
    return " " * (columns - width(text)) + text
