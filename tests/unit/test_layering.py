"""Imports point one way: data flows downwards through the packages, and so do dependencies.

Every import counts that can run, those inside functions too: a late import hides a cycle, it does not undo it. What
stands under ``if TYPE_CHECKING`` never runs. It gives a name to a type and makes nobody depend on anything, so it may
point upwards, but for the parts that are to know nothing of each other at all.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import gradc

ROOT = Path(gradc.__file__).parent

# From the bottom to the top. What stands in one row does not know its neighbours.
ORDER = (
    ("source", "resources", "memory", "plain", "arraytext"),
    ("errors", "cache"),
    ("limits",),
    ("files",),
    ("ir", "data"),
    ("ops", "arguments"),
    ("syntax", "backends", "shapes"),
    ("rules", "values"),
    ("ad", "passes"),
    ("driver",),
    ("check", "explain", "faces", "sparse"),
    ("model",),
    ("cli",),
    ("__main__",),
)
RANK = {part: rank for rank, row in enumerate(ORDER) for part in row}

# Backends turn a finished graph into something else, and know no more than what a graph is.
BELOW_BACKENDS = {"source", "resources", "memory", "errors", "cache", "limits", "files", "ir", "ops"}
STRANGERS = ("ad", "passes", "backends")


class Import(NamedTuple):
    """One import: who, whom, and whether it can run."""

    user: str
    used: str
    line: int
    runs: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part(module: str) -> str:
    """The package or module right below gradc; empty for gradc itself."""
    return module.partition(".")[2].partition(".")[0]


FILES = sorted(ROOT.rglob("*.py"))
MODULES = {module_name(path) for path in FILES}


def walk(node: ast.AST, runs: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """The nodes below ``node``, each with whether it can run."""
    for child in ast.iter_child_nodes(node):
        below = runs
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            below = runs and child not in node.body
        yield child, below
        yield from walk(child, below)


def imports(text: str, user: str) -> Iterator[Import]:
    for node, runs in walk(ast.parse(text)):
        used: list[str] = []
        if isinstance(node, ast.Import):
            used = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{user}:{node.lineno}: a relative import"
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            used = [name if name in MODULES else str(node.module) for name in below]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("import_module", "__import__"):
            used = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        for name in used:
            if name == "gradc" or name.startswith("gradc."):
                yield Import(user, name, getattr(node, "lineno", 0), runs)


ALL = [found for path in FILES for found in imports(path.read_text("utf-8"), module_name(path))]


def test_reading_imports() -> None:
    text = """
from gradc.ir import text
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from gradc.model import Model
else:
    import gradc.cli
def f():
    import gradc.ad.reverse, math
    import_module("gradc.ops")
"""
    assert list(imports(text, "gradc.x")) == [
        Import("gradc.x", "gradc.ir.text", 2, True),
        Import("gradc.x", "gradc.model", 5, False),
        Import("gradc.x", "gradc.cli", 7, True),
        Import("gradc.x", "gradc.ad.reverse", 9, True),
        Import("gradc.x", "gradc.ops", 10, True),
    ]


def test_every_part_has_its_place() -> None:
    assert {part(module) for module in MODULES} - {""} == RANK.keys()


def test_imports_point_downwards() -> None:
    wrong = [
        f"{user}:{line} imports {used}"
        for user, used, line, runs in ALL
        # The package's own module holds the version and imports nothing until a public name is asked for.
        if runs and part(user) and part(used) and part(user) != part(used) and RANK[part(user)] <= RANK[part(used)]
    ]
    assert not wrong


@pytest.mark.parametrize("one", STRANGERS)
def test_strangers_never_name_each_other(one: str) -> None:
    wrong = [f"{i.user}:{i.line} imports {i.used}" for i in ALL if part(i.user) == one and part(i.used) in STRANGERS]
    assert [line for line in wrong if not line.endswith(f"gradc.{one}") and f" gradc.{one}." not in line] == []


def test_backends_stand_on_operators_alone() -> None:
    used = {part(i.used) for i in ALL if part(i.user) == "backends"} - {"backends"}
    assert used <= BELOW_BACKENDS


def test_the_package_itself_imports_nothing_of_its_own() -> None:
    assert [i for i in ALL if i.user == "gradc" and i.runs] == []


def test_only_the_version_is_taken_from_the_package_itself() -> None:
    for path in FILES:
        text = path.read_text("utf-8")
        if part(module_name(path)) in ("", "cli") or not any(
            i.used == "gradc" and i.runs for i in ALL if i.user == module_name(path)
        ):
            continue
        asked = [
            ast.unparse(node)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "gradc"
        ]
        assert set(asked) <= {"gradc.__version__"}, path
