"""README shows what gradc does: its commands run and print what stands below them, its Python session too.

`pytest --update-golden tests/unit/test_readme.py` rewrites the output below the commands.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
SET_UP = [
    "python3 -m venv .venv && . .venv/bin/activate && pip install . && gradc grad examples/two_paths.grad",
    'pip install ".[dev]" && pytest',
]


def commands(block: str) -> list[str]:
    """The commands of a block: lines that start with `$`, and those behind them that start with `>`."""
    return re.findall(r"^\$ (.*(?:\n> .*)*)", block, re.M)


def shown(command: str, folder: Path) -> str:
    """What a shell shows for the command."""
    script = f'gradc() {{ {shlex.quote(sys.executable)} -m gradc "$@"; }}\n' + command.replace("\n> ", "\n")
    env = {**os.environ, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.stdout.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are for a POSIX shell")
def test_commands_print_what_readme_shows(folder: Path, update_golden: bool) -> None:
    text = README.read_text("utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) > 5
    assert "internal error" not in text
    for block in blocks:
        found = "".join(f"$ {command}\n{shown(command, folder)}" for command in commands(block))
        if update_golden:
            text = text.replace(f"```console\n{block}```", f"```console\n{found}```")
        else:
            assert found == block
    if update_golden:
        README.write_text(text, "utf-8")


def test_the_python_session(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    results = doctest.testfile(str(README), module_relative=False, encoding="utf-8", report=True)
    assert results.attempted > 10
    assert results.failed == 0


def test_the_first_commands_set_the_project_up() -> None:
    fenced = re.findall(r"^```\w*\n(.*?)^```$", README.read_text("utf-8"), re.M | re.S)
    assert fenced[0].splitlines() == SET_UP


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text("utf-8")):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
