"""`gradc explain --trace`: what a loop carries in its iterations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from loop_programs import LOOPS

import gradc
from gradc.cli import main
from gradc.errors import CallError
from gradc.explain.trace import FIRST, LAST, _loop


def test_newton_doubles_its_digits() -> None:
    assert (
        str(gradc.compile(LOOPS["newton"]).trace("x"))
        == """\
while |x·x - a| > 1e-12        5 iterations
  x ← (x + a/x)/2

  iteration    x
               2
  1            1.5
  2            1.4167
  3            1.4142
  4            1.4142
  5            1.4142
"""
    )


def test_what_is_collected_stands_beside_what_is_carried() -> None:
    model = gradc.compile(LOOPS["euler"])
    assert (
        str(model.trace("trace", {"n": 2}))
        == """\
for t in 0..n        2 iterations
  y ← y + h·w·y
  trace[t] = y

  t    y         trace[t]
       1
  0    1.25      1.25
  1    1.5625    1.5625
"""
    )
    assert model.trace("y").rows == model.trace("trace").rows


def test_long_loops_show_their_ends() -> None:
    model = gradc.compile("input n: int\ny = 0\nfor t in 3..n { y = y + t }\n")
    found = model.trace("y", {"n": 1003})
    assert found.iterations == 1000
    assert [number for number, _ in found.rows] == [*range(3, 3 + FIRST), *range(1003 - LAST, 1003)]
    assert found.rows[-1][1] == (model(n=1003)["y"],)
    assert "\n  …\n" in str(found)


def test_arrays_are_those_of_their_iteration() -> None:
    """A plan uses its arrays again; each row has what there was."""
    rows = gradc.compile(LOOPS["table"]).trace("S").rows
    assert [values[0].tolist() for _, values in rows] == [[[0.5, 1], [0, 0]], [[0.5, 1], [2.5, 3]]]


@pytest.mark.parametrize("name", LOOPS)
def test_every_loop_has_a_course_that_ends_in_its_value(name: str) -> None:
    model = gradc.compile(LOOPS[name])
    values = {"w": 0.5, "n": 3} if name == "unbound" else None
    loops = [shown for shown in model.names if _loop(model.graph, model.node(shown)) is not None]
    for shown in loops:
        found = model.trace(shown, values)
        assert str(found)
        assert json.loads(json.dumps(found.to_dict()))["iterations"] == found.iterations
        if found.rows and shown in found.columns:
            last = found.rows[-1][1][found.columns.index(shown)]
            only = gradc.compile(LOOPS[name].split("\noutput")[0] + f"\noutput {shown}\n")
            assert last == pytest.approx(only(values)[shown])


def test_mistakes_are_explained() -> None:
    model = gradc.compile(LOOPS["steps"])
    with pytest.raises(CallError) as caught:
        model.trace("L")
    assert "no loop gives `L` its value" in str(caught.value)
    assert "loops give values to `y`" in str(caught.value)
    with pytest.raises(CallError, match="`n` has no value"):
        gradc.compile(LOOPS["unbound"]).trace("y", {"w": 1})
    with pytest.raises(CallError, match="no name `z`"):
        model.trace("z")


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "newton.grad"
    file.write_text(LOOPS["newton"])
    assert main(["explain", str(file), "--trace", "x", "--set", "a=9"]) == 0
    assert "  5            3" in capsys.readouterr().out
    assert main(["explain", str(file), "--trace", "x", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0] == {"iteration": 1, "x": 1.5}
