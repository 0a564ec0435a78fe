"""Reading rule files: what they may say, and the cache between two starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradc import resources
from gradc.ops import TABLE
from gradc.rules import load
from gradc.rules.rewrite import compile_rule
from gradc.rules.terms import RuleError


def one(line: str) -> object:
    return load.parse(TABLE, [("exact", line)])[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[r] nosuch(x) => x", "there is no function nosuch of 1 operands"),
        ("[r] sin(x, y) => x", "there is no function sin of 2 operands"),
        ("[r] sin(x) => y", "the pattern does not bind y"),
        ("[r] c*x => x if x > 0", "the guard asks about more than constants"),
        ("[r] c*x => x if c1 > 0", "the pattern does not bind c1"),
        ("[r] x => x", "the pattern is a single leaf"),
        ("[r] x*1 => x\n[r] x/1 => x", r"\[r\] stands twice"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(line: str, message: str) -> None:
    with pytest.raises(RuleError, match=message):
        one(line)


def test_orders_that_match_the_same_nodes_are_one() -> None:
    (rule,) = load.parse(TABLE, [("exact", "[r] x + x => 2*x")])
    assert len(compile_rule(rule, TABLE)) == 1
    (rule,) = load.parse(TABLE, [("exact", "[r] x + 0 => x")])
    assert len(compile_rule(rule, TABLE)) == 2


def test_rules_come_back_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADC_CACHE_DIR", str(tmp_path / "cache"))
    parsed = load._read(TABLE)
    (entry,) = (tmp_path / "cache").glob("rewrite-*")
    monkeypatch.setattr(load, "parse", None)
    assert load._read(TABLE) == parsed
    monkeypatch.undo()
    monkeypatch.setenv("GRADC_CACHE_DIR", str(tmp_path / "cache"))
    whole = entry.read_bytes()
    entry.write_bytes(whole[:40] + b"?" + whole[41:])
    assert load._read(TABLE) == parsed
    assert entry.read_bytes() == whole


def test_every_file_of_rules_says_what_it_holds() -> None:
    for kind in load.FILES:
        assert resources.package_file(f"rules/{kind}.grad").read_text("utf-8").startswith("# Rules that ")
