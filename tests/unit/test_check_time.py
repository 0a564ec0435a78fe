"""A check takes no longer than it may: what does not fit is said not to be checked; an interrupt ends it at once."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path

import pytest
from interrupted import QUIET, interrupted

import gradc
from gradc.backends.loops import within
from gradc.check.budget import Budget
from gradc.check.numbers import Unsuitable
from gradc.cli import main
from gradc.cli.report import Progress
from gradc.errors import CallError

LONG = "param w = 0.5\ny = w\nfor t in 0..300000 { y = sin(y)*y + w }\noutput y"
VERY_LONG = LONG.replace("300000", "9000000").replace("sin(y)", "sin(" * 20 + "y" + ")" * 20)


def test_what_does_not_fit_is_not_checked() -> None:
    model = gradc.compile(LONG)
    start = time.thread_time()
    found = model.check(seconds=0.05)
    # The program itself is run in any case.
    assert time.thread_time() - start < 8
    assert found.ok
    (entry,) = found.entries
    assert entry.verdict == "unchecked"
    (note,) = found.points[0].notes
    assert note.startswith("not checked: there is no time for it in 0.05 s, and a run takes ")
    assert note.endswith(" s; `--seconds N` gives more time")
    assert found.summary() == "ok: 1 not checked at one point"
    assert "∂y/∂w" in str(found)
    assert {each.verdict for each in found.points[0].comparisons} == {"unavailable"}


def test_more_seconds_are_enough() -> None:
    found = gradc.compile("param w = 0.5\ny = w\nfor t in 0..3000 { y = sin(y)*y + w }\noutput y").check(seconds=60)
    assert [entry.verdict for entry in found.entries] == ["right"]
    assert not found.points[0].notes


def test_many_elements_that_do_not_fit() -> None:
    text = "param w[300]\ny = 0.0\nfor t in 0..3000 { y = y + sin(w[t % 300]) }\noutput y"
    found = gradc.compile(text).check({"w": [0.1] * 300}, seconds=0.01)
    assert {entry.verdict for entry in found.entries} == {"unchecked"}
    assert found.summary() == "ok: 1 not checked at one point"


def test_accuracy_that_does_not_fit() -> None:
    found = gradc.compile(LONG).check(seconds=0.05, ulps=True)
    assert "how accurate results are is not checked: it takes too long" in found.points[0].notes
    assert not found.points[0].accuracy


def test_runs_end_with_the_time() -> None:
    budget = Budget(0.1)
    model = gradc.compile(VERY_LONG)
    with pytest.raises(Unsuitable, match="time"), budget.running():
        model()
    # Outside of it the program's own limit holds.
    with pytest.raises(CallError) as caught, within(0.0):
        model()
    assert caught.value.diagnostics[0].code == "E0641"


def test_other_faults_pass_through() -> None:
    model = gradc.compile("input n: int = 2\nparam w = 1\ny = w\nfor t in n..1 { y = y*w }\noutput y")
    with pytest.raises(CallError) as caught, Budget(10).running():
        model()
    assert caught.value.diagnostics[0].code == "E0640"


def test_what_is_done_is_told() -> None:
    told: list[str] = []
    gradc.compile("param w = 0.5\ny = w^2").check(told=told.append, ulps=True)
    assert told == [
        "running the program",
        "numerical derivatives",
        "Taylor remainder",
        "forward mode",
        "levels and backends",
        "accuracy",
        "looking for what is at fault",
    ]
    told.clear()
    gradc.compile("param w = 0.5\ny = w^2").check(told=told.append, samples=1, ranges={"w": (0, 1)})
    assert told[0] == "point 1 of 2: running the program"
    assert told[-1] == "point 2 of 2: looking for what is at fault"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("gradc.cli.report.time.monotonic", lambda: now)
    stream = _Terminal()
    with Progress(stream) as progress:
        progress.tell("numerical derivatives")
        assert stream.getvalue() == ""
        now = 103.4
        progress.tell("forward mode")
        assert stream.getvalue() == "\r\x1b[Kforward mode, 3 s"
    assert stream.getvalue().endswith("\r\x1b[K")


def test_no_progress_in_a_file() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    progress._started -= 100
    with progress:
        progress.tell("forward mode")
    assert stream.getvalue() == ""


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "m.grad"
    path.write_text(LONG, "utf-8")
    assert main(["check", str(path), "--seconds", "0.05"]) == 0
    assert "not checked" in capsys.readouterr().out
    assert main(["check", str(path), "--seconds", "0.05", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["points"][0]["entries"]
    assert entry["verdict"] == "unchecked"
    assert main(["check", str(path), "--seconds", "0"]) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "m.grad"
    path.write_text(VERY_LONG, "utf-8")
    assert interrupted("check", str(path)) == QUIET
