"""The text of the diagnostics that no program alone can show: values, names, limits, files, versions."""

from __future__ import annotations

import os
import pickle
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

import gradc
from gradc.errors import CODES, Error
from gradc.files import check_target, read_source, write
from gradc.limits import DEFAULT, Limits

PACKAGE = Path(gradc.__file__).parent

DECLARED = gradc.compile("input x\ninput n: int = 2, b: bool = 1 < 2\ny = if b then n*x else x", name="m.grad")
WHOLE = gradc.compile("input n: int = 3\nm = n + 1\nk = 7 // n", name="m.grad")


def said(call: Callable[[], Any]) -> str:
    with pytest.raises(Error) as caught:
        call()
    return str(caught.value)


VALUES: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: DECLARED(),
        """error[E0601]: `x` has no value
 --> m.grad:1:7
  |
1 | input x
  |       ^ declared here, with no default
  = help: pass it, as in `x=1` (on the command line `--set x=1`), or give it a default""",
    ),
    (lambda: DECLARED(x=1, z=2), "error[E0602]: there is no input `z`\n  = help: the inputs are `x`, `n`, `b`"),
    (lambda: DECLARED(x=1, X=2), "error[E0602]: there is no input `X`\n  = help: a similar name exists: `x`"),
    (lambda: DECLARED(x=1, y=2), "error[E0602]: `y` is computed by the program, so it cannot be set"),
    (lambda: DECLARED({"x": 1}, x=2), "error[E0602]: `x` is given twice"),
    (
        lambda: DECLARED(x=True),
        "error[E0603]: `x` takes a number, not a truth value\n  = help: pass 1 instead",
    ),
    (lambda: DECLARED(x="3"), "error[E0603]: `x` takes a number, not '3' (str)"),
    (lambda: DECLARED(x=None), "error[E0603]: `x` takes a number, not None"),
    (lambda: DECLARED(x=1, n=1.5), "error[E0603]: `n` takes an integer, not 1.5"),
    (
        lambda: DECLARED(x=1, n=2**63),
        "error[E0603]: `n` takes an integer of 64 bits, and 9223372036854775808 is larger",
    ),
    (
        lambda: DECLARED(x=1, b=1),
        "error[E0603]: `b` takes a truth value, not 1 (int)\n  = help: pass True or False",
    ),
    (
        lambda: WHOLE(n=2**63 - 1),
        """error[E0604]: an integer grows beyond 64 bits
 --> m.grad:2:5
  |
2 | m = n + 1
  |     ^^^^^ the result does not fit
  = help: write one of the numbers with a point, as in `2.0`, to calculate with real numbers""",
    ),
    (
        lambda: WHOLE(n=0),
        """error[E0605]: an integer is divided by zero
 --> m.grad:3:5
  |
3 | k = 7 // n
  |     ^^^^^^ the divisor is 0 here""",
    ),
    (
        lambda: DECLARED(x=[1.0, 2.0]),
        "error[E0606]: `x` takes one number, not an array\n"
        "  = help: to run the program over rows, write `model.map(…)` in place of `model(…)`",
    ),
    (
        lambda: DECLARED.map(x=numpy.ones((2, 2))),
        "error[E0606]: `x` takes one number a row, and the array has shape (2, 2)",
    ),
    (lambda: DECLARED.map(x=[1.0, 2.0], n=[1, 2, 3]), "error[E0607]: `n` has 3 rows, and `x` has 2"),
    (
        lambda: DECLARED.map(x=1.0),
        "error[E0607]: `map` needs an array of rows for at least one input\n  = help: for single values call the model",
    ),
    (lambda: DECLARED.grad("Y"), "error[E0608]: the program has no name `Y`\n  = help: a similar name exists: `y`"),
    (lambda: DECLARED.grad("y", "n"), "error[E0609]: `n` is an integer, which cannot be differentiated by"),
    (lambda: DECLARED.grad("b", "x"), "error[E0609]: `b` is a truth value, which cannot be differentiated"),
    (lambda: WHOLE.grad(), "error[E0609]: the program has no real output to differentiate"),
]


@pytest.mark.parametrize(("call", "text"), VALUES)
def test_values_and_names(call: Callable[[], Any], text: str) -> None:
    assert said(call) == text.replace("\n  =", "\n  =")


def test_several_missing_values_are_told_at_once() -> None:
    with pytest.raises(gradc.CallError) as caught:
        gradc.compile("input x, y, z = 1\nr = x*y*z")()
    assert [each.message for each in caught.value.diagnostics] == ["`x` has no value", "`y` has no value"]


GROWING = "\n".join(["input x", "fn f0(a) = a*a + 1", *(f"fn f{i}(a) = f{i - 1}(f{i - 1}(a))" for i in range(1, 40))])


def test_limits(tmp_path: Path) -> None:
    def limited(text: str, **bounds: Any) -> str:
        return said(lambda: gradc.compile(text, name="m.grad", limits=replace(DEFAULT, **bounds)))

    assert limited(f"{GROWING}\ny = f39(x)", nodes=1_000).startswith(
        "error[E0702]: the program needs more than 1,000 operations\n"
    )
    assert limited("fn f(a) = a\nfn g(a) = f(a)\nfn h(a) = g(a)\ninput x\ny = h(x)", inline_depth=2).startswith(
        "error[E0703]: calls of functions nest too deeply\n"
    )
    assert limited(f"{GROWING}\ny = f39(x)", seconds=0.0).startswith(
        "error[E0704]: compiling takes longer than 0 seconds\n"
    )
    (tmp_path / "a.grad").write_text('use "b.grad"\ny = 1')
    (tmp_path / "b.grad").write_text("fn f(x) = x")
    path = tmp_path / "a.grad"
    assert (
        said(lambda: gradc.load(path, limits=Limits(source_bytes=5)))
        == f"error[E0701]: `{path}` is larger than 5 bytes"
    )
    assert said(lambda: gradc.load(path, limits=Limits(files=1))) == "error[E0705]: the program uses more than 1 files"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "model.grad").write_text("y = 1")
    missing, nowhere = tmp_path / "modle.grad", tmp_path / "none" / "a.grad"
    assert said(lambda: read_source(missing)) == (
        f"error[E0801]: cannot read `{missing}`: there is no such file\n  = help: a similar name exists: `model.grad`"
    )
    assert f"there is no folder `{nowhere.parent}` either" in said(lambda: read_source(nowhere))
    assert said(lambda: read_source(tmp_path)) == (
        f"error[E0801]: cannot read `{tmp_path}`: it is a folder\n  = help: name a `.grad` file in it"
    )
    shown = "a\N{REPLACEMENT CHARACTER}b"
    assert said(lambda: read_source("a\0b")).startswith(f"error[E0801]: cannot read `{shown}`: embedded null")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_devices_and_forbidden_files(tmp_path: Path) -> None:
    assert "it is not a regular file" in said(lambda: read_source("/dev/zero"))
    fifo = tmp_path / "pipe.grad"
    os.mkfifo(fifo)
    assert "it is not a regular file" in said(lambda: read_source(fifo))
    loop = tmp_path / "loop.grad"
    loop.symlink_to(loop)
    assert "too many levels of symbolic links" in said(lambda: read_source(loop))
    if os.geteuid() != 0:
        (tmp_path / "secret.grad").touch(mode=0)
        assert "permission denied" in said(lambda: read_source(tmp_path / "secret.grad"))


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    source = tmp_path / "model.gir"
    source.write_text("text")
    (tmp_path / "folder.gir").mkdir()
    endings = (".gir",)
    assert said(lambda: check_target("model.txt", endings)) == (
        "error[E0804]: cannot write `model.txt`: the ending must be one of .gir"
    )
    assert said(lambda: check_target(str(source), endings, str(source))) == (
        f"error[E0805]: `{source}` is the input file and would be overwritten\n  = help: choose another name"
    )
    assert "it is a folder" in said(lambda: check_target(str(tmp_path / "folder.gir"), endings))
    lost = tmp_path / "none" / "a.gir"
    assert said(lambda: check_target(str(lost), endings)) == (
        f"error[E0803]: cannot write `{lost}`: there is no folder `{lost.parent}`"
    )
    assert said(lambda: write(lost, b"")).startswith("error[E0803]: cannot write")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.gir", "model.gir"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int, __: int) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "a.gir"
    target.write_text("before")
    monkeypatch.setattr(os, "replace", full)
    assert said(lambda: write(target, b"after")) == (
        f"error[E0803]: cannot write `{target}`: no space left on the device"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.gir"]
    assert target.read_text() == "before"


def test_a_pickle_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pickle.dumps(WHOLE)
    monkeypatch.setattr(gradc, "__version__", "99.0")
    assert said(lambda: pickle.loads(data)).splitlines()[0] == (
        "error[E0904]: this model was pickled by gradc 0.1.0, and this is gradc 99.0"
    )


def test_an_operator_without_a_derivative() -> None:
    row = replace(gradc.TABLE["tanh"], name="mystery", functions=("mystery",), gradient=None)
    model = gradc.compile("input x = 1\ny = mystery(x)", ops=gradc.TABLE.extend(row))
    assert said(lambda: model.grad()()) == (
        "error[E0405]: the operator `mystery` has no derivative\n"
        '  = help: give its row a `gradient`, as in gradient="d f(x) = 2*x"'
    )


def test_every_code_in_the_sources_is_registered() -> None:
    used = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        used |= set(re.findall(r'"([EW]\d{4})"', path.read_text("utf-8")))
    assert used == set(CODES)


def test_every_page_is_of_a_code_or_topic() -> None:
    pages = {path.stem for path in (PACKAGE / "help").glob("*.md")}
    assert {page for page in pages if re.fullmatch(r"[EW]\d{4}", page)} == set(CODES)


# Those whose example is a program; E0105 is about bytes that are no text, E0405 about a table, and E0406 is found when
# derivatives are expanded.
ELSEWHERE = ("E0105", "E0405", "E0406")
PAGES = [code for code in sorted(CODES) if code[1:3] in ("01", "02", "03", "04") and code not in ELSEWHERE]


@pytest.mark.parametrize("code", PAGES)
def test_the_example_on_a_page_shows_its_code(code: str) -> None:
    text = (PACKAGE / "help" / f"{code}.md").read_text("utf-8")
    blocks = re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    if not blocks:
        return

    def codes(program: str) -> set[str]:
        try:
            return {each.code for each in gradc.compile(program).warnings}
        except Error as error:
            return {each.code for each in error.diagnostics}

    assert code in codes(blocks[0])
    if len(blocks) > 1 and "## What to do" in text:
        assert code not in codes(blocks[1])
        assert not {found for found in codes(blocks[1]) if found.startswith("E")}
