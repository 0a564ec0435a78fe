"""Reads the rule files, once: the parsed rules are kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Iterable
from functools import lru_cache

import gradc
from gradc import cache, resources
from gradc.ir.op import OpTable
from gradc.rules.terms import Reader, Rule, RuleError

FILES = ("exact", "stable", "late", "real", "finite")


@lru_cache(maxsize=1)
def _texts() -> tuple[str, ...]:
    return tuple(resources.package_file(f"rules/{kind}.grad").read_text("utf-8") for kind in FILES)


def rules(table: OpTable) -> tuple[Rule, ...]:
    """Every rule of the files, in the order of the files and of their lines. Raises ``RuleError``."""
    found: tuple[Rule, ...] | None = table._cache.get("rewrite rules")
    if found is None:
        found = table._cache["rewrite rules"] = _read(table)
    return found


def _read(table: OpTable) -> tuple[Rule, ...]:
    # What a rule means depends on the texts and on how the table spells its operators.
    spelling = [(row.name, row.symbol, row.arity, row.functions) for row in table.values()]
    digest = hashlib.sha256(repr((gradc.__version__, spelling, _texts())).encode()).hexdigest()[:32]
    key = f"rewrite-{digest}"
    content = cache.read(key)
    if content is not None:
        try:
            return tuple(Rule(*fields) for fields in marshal.loads(content))
        except (EOFError, ValueError, TypeError):
            pass
    found = parse(table, zip(FILES, _texts(), strict=True))
    fields = [(rule.name, rule.kind, rule.pattern, rule.replacement, rule.guard) for rule in found]
    cache.write(key, marshal.dumps(fields))
    return found


def parse(table: OpTable, texts: Iterable[tuple[str, str]]) -> tuple[Rule, ...]:
    """The rules of texts, each given with its class. Raises ``RuleError``."""
    from gradc.source import Source
    from gradc.syntax.parse import parse_rewrites

    reader = Reader(table)
    found: dict[str, Rule] = {}
    for kind, text in texts:
        for parsed in parse_rewrites(Source(f"{kind}.grad", text)):
            if parsed.name in found:
                raise RuleError(f"{kind}.grad: [{parsed.name}] stands twice")
            found[parsed.name] = reader.rule(parsed, kind)
    return tuple(found.values())
