"""The command line in the process: results, JSON, diagnostics, exit codes."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import gradc
from gradc.cli import main, outcome, show, streams
from gradc.plain import plain

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TWO_PATHS = str(EXAMPLES / "two_paths.grad")
CHAIN = str(EXAMPLES / "chain.grad")


class Call:
    """A call of the command line and what came of it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = self.capsys.readouterr()
        return code, out, err

    def json(self, *arguments: str) -> Any:
        code, out, err = self(*arguments, "--json")
        assert (code, err) == (0, ""), err
        return json.loads(out)

    def codes(self, *arguments: str) -> tuple[int, list[str]]:
        code, out, err = self(*arguments)
        assert out == ""
        return code, re.findall(r"^(?:error|warning)\[(\w+)\]", err, re.M)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(capsys)


def program(folder: Path, text: str, name: str = "model.grad") -> str:
    path = folder / name
    path.write_text(text, "utf-8")
    return str(path)


# Results --------------------------------------------------------------------------------------------------------------


def test_run(call: Call) -> None:
    assert call("run", TWO_PATHS) == (0, "  L    9\n", "")
    assert call("run", TWO_PATHS, "--set", "y=16.5", "--set", "w₁=1_0") == (0, "  L    2.25\n", "")
    assert call.json("run", TWO_PATHS) == {"outputs": {"L": 9.0}}


def test_grad(call: Call) -> None:
    assert call("grad", TWO_PATHS) == (0, "  L           9\n  ∂L/∂w1     -6\n  ∂L/∂w2    -24\n", "")
    assert call.json("grad", TWO_PATHS) == {"outputs": {"L": 9.0}, "gradients": {"L": {"w1": -6.0, "w2": -24.0}}}


def test_grad_of_and_wrt(call: Call, tmp_path: Path) -> None:
    found = call.json("grad", TWO_PATHS, "--of", "yhat, L", "--wrt", "a,w₂")
    assert found["gradients"] == {"yhat": {"a": 1.0, "w2": 4.0}, "L": {"a": -6.0, "w2": -24.0}}
    assert found["outputs"] == {"L": 9.0, "yhat": 14.0}
    assert call.json("grad", CHAIN, "--set", "a=3")["gradients"] == {"c": {"a": 24.0}}
    text = "input x = 2\ny = x^2\nz = x^3\nflag = x > 1\noutput y, z, flag"
    assert call("grad", program(tmp_path, text))[1] == (
        "  flag     true\n\n  y        4\n  ∂y/∂x    4\n\n  z        8\n  ∂z/∂x    12\n".replace("true", "true")
    ) or call("grad", program(tmp_path, text))[1].split() == [
        "flag", "true", "y", "4", "∂y/∂x", "4", "z", "8", "∂z/∂x", "12",
    ]  # fmt: skip


def test_one_step_of_gradient_descent(call: Call) -> None:
    found = call.json("grad", TWO_PATHS, "--lr", "0.01")
    assert found["step"] == {"L": {"lr": 0.01, "before": {"w1": 6.0, "w2": 2.0}, "after": {"w1": 6.06, "w2": 2.24}}}
    lines = call("grad", TWO_PATHS, "--lr", "0.01")[1].splitlines()
    assert lines[0].split() == ["one", "step,", "lr", "=", "0.01"]
    assert lines[-1].split() == ["∂L/∂w2", "-24", "w2:", "2", "→", "2.24"]


def test_numbers_that_json_lacks(call: Call, tmp_path: Path) -> None:
    file = program(tmp_path, "input x = 0\na = 1/x\nb = -1/x\nc = x/x\nd = x < 1\nn = 3 // 2")
    assert call.json("run", file)["outputs"] == {"a": "inf", "b": "-inf", "c": "nan", "d": True, "n": 1.0}
    assert plain({"a": [1.5, float("nan")]}) == {"a": [1.5, "nan"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3.0), ("-3", -3.0), ("1e-3", 1e-3), (".5", 0.5), ("5.", 5.0), ("1_000", 1000.0), ("inf", "inf"),
     ("-inf", "-inf"), ("nan", "nan"), ("+2", 2.0), (" 7 ", 7.0)],
)  # fmt: skip
def test_values_of_set(call: Call, tmp_path: Path, text: str, value: float | str) -> None:
    assert call.json("run", program(tmp_path, "input x\ny = x"), "--set", f"x={text}")["outputs"] == {"y": value}


def test_integers_and_truth_values(call: Call, tmp_path: Path) -> None:
    file = program(tmp_path, "input n: int, b: bool\ny = if b then n else 0 - n")
    assert call.json("run", file, "--set", "n=9007199254740993", "--set", "b=true")["outputs"]["y"] in (
        9007199254740993,
        9007199254740992.0,
    )
    assert call.codes("run", file, "--set", "n=1.5", "--set", "b=true") == (1, ["E0603"])
    assert call.codes("run", file, "--set", "n=1", "--set", "b=1") == (1, ["E0603"])


def test_single_precision(call: Call, tmp_path: Path) -> None:
    file = program(tmp_path, "input x = 0.1\ny = x")
    assert call("run", file, "--dtype", "f32")[1] == "  y    0.1\n"


def test_ir_says_which_graph_it_is(call: Call) -> None:
    for arguments, head in [
        ((), "optimised at -O2"),
        (("-O0",), "optimised at -O0"),
        (("--as-written",), "as written"),
        (("--passes", "expand, dce"), "after expand, dce"),
    ]:
        code, out, err = call("ir", TWO_PATHS, *arguments)
        assert (code, err) == (0, "")
        assert out.splitlines()[:2] == [f"# {TWO_PATHS}, {head}", "gradc-ir 1"]
    assert 'output "grad(L, w2)" = ' in call("ir", TWO_PATHS, "--grad")[1]
    assert 'output "grad(L, a)" = ' in call("ir", TWO_PATHS, "--wrt", "a")[1]


def test_compile_writes_what_every_command_reads(call: Call, tmp_path: Path) -> None:
    target = tmp_path / "two_paths.gir"
    assert call("compile", TWO_PATHS) == (0, "", "")
    assert call("compile", TWO_PATHS, "--grad", "-o", str(target)) == (0, "", "")
    assert call.json("run", str(target))["outputs"] == {"L": 9.0, "grad(L, w1)": -6.0, "grad(L, w2)": -24.0}
    assert call.json("grad", str(target), "--of", "L")["gradients"]["L"] == {"w1": -6.0, "w2": -24.0}
    assert call("ir", str(target))[0] == 0
    assert call("dot", str(target))[0] == 0
    found = call.json("compile", TWO_PATHS)
    assert (found["inputs"], found["outputs"]) == (["x", "y", "w1", "w2"], ["L"])


def test_ir_text_is_read_from_standard_input(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    text = call("ir", TWO_PATHS)[1]
    for given in (text, "input x = 3\ny = x^2"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        code, out, err = call("run", "-")
        assert (code, err) == (0, "")
        assert out.split()[-1] == "9"


@pytest.mark.parametrize("ending", ["svg", "png", "dot", "gv"])
def test_dot_writes_pictures(call: Call, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"picture.{ending}"
    assert call("dot", TWO_PATHS, "--level", "names", "--wrt", "w2", "-o", str(target)) == (0, "", "")
    start = {"svg": b"<?xml", "png": b"\x89PNG"}.get(ending, b"digraph")
    assert target.read_bytes().lstrip().startswith((start, b"//", b"strict", b"<svg"))
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_dot_prints_text(call: Call) -> None:
    code, out, err = call("dot", CHAIN, "--grad", "-O2", "--focus", "b", "--depth", "1")
    assert (code, err) == (0, "")
    assert "digraph" in out


def test_dot_after_a_pass(call: Call) -> None:
    for arguments in (("--after", "expand"), ("--grad", "--after", "simplify"), ("--passes", "expand, dissolve")):
        code, out, err = call("dot", TWO_PATHS, *arguments)
        assert (code, err) == (0, "")
        assert f"after {arguments[-1]}" in out
    assert call.codes("dot", TWO_PATHS, "--after", "hoist") == (2, ["E0802"])


def test_what_the_passes_do(call: Call) -> None:
    _, out, err = call("run", TWO_PATHS, "--time-passes", "--print-ir-after", "dce", "--verify", "-O1")
    assert out == "  L    9\n"
    assert err.count("# after dce\ngradc-ir 1\n") == 1
    assert re.search(r"^  total +[\d.]+ ms$", err, re.M)
    assert call("run", TWO_PATHS, "--print-ir-after", "all")[2].count("# after ") == 4
    assert call.codes("run", TWO_PATHS, "--print-ir-after", "dse") == (2, ["E0802"])


def test_explain(call: Call) -> None:
    code, out, err = call("explain", TWO_PATHS, "--wrt", "w2", "--lr", "0.01")
    assert (code, err) == (0, "")
    assert "-18" in out
    assert "∂L/∂w2" in out
    found = call.json("explain", TWO_PATHS, "--of", "L", "--wrt", "w2", "--lr", "0.01")
    assert (found["of"], found["wrt"], found["value"], found["gradient"]) == ("L", "w2", 9.0, -24.0)
    assert found["path_count"] == 2
    assert sorted(path["product"] for path in found["paths"]) == [-18.0, -6.0]
    assert found["step"] == {"before": 2.0, "lr": 0.01, "after": 2.24}
    assert [each["wrt"] for each in call.json("explain", TWO_PATHS)] == ["w1", "w2"]
    assert call("explain", CHAIN)[0] == 0


# Diagnostics ----------------------------------------------------------------------------------------------------------


def test_what_is_wrong_with_a_program_exits_with_1(call: Call, tmp_path: Path) -> None:
    assert call.codes("run", program(tmp_path, "y = x +")) == (1, ["E0101"])
    assert call.codes("run", program(tmp_path, "a = b\nc = d")) == (1, ["E0201", "E0201"])
    assert call.codes("run", CHAIN) == (1, ["E0601"])
    assert call.codes("run", TWO_PATHS, "--set", "w3=1") == (1, ["E0602"])
    assert call.codes("grad", TWO_PATHS, "--of", "M") == (1, ["E0608"])
    assert call.codes("grad", TWO_PATHS, "--wrt", "w3") == (1, ["E0608"])
    assert call.codes("ir", program(tmp_path, "gradc-ir 2\n", "a.gir")) == (1, ["E0902"])


def test_what_is_wrong_with_a_call_exits_with_2(call: Call, tmp_path: Path) -> None:
    assert call.codes("run", "no_such_file.grad") == (2, ["E0801"])
    assert call.codes("run", str(tmp_path)) == (2, ["E0801"])
    assert call.codes("run") == (2, ["E0802"])
    assert call.codes("rum") == (2, ["E0802"])
    assert call.codes("two_paths.grad") == (2, ["E0802"])
    assert call.codes("run", TWO_PATHS, "--sett", "x=1") == (2, ["E0802"])
    assert call.codes("run", TWO_PATHS, "extra") == (2, ["E0802"])
    for text in ("x", "=3", "x=", "x=abc", "x=1=2", "x=0x10", "x=1__0"):
        assert call.codes("run", TWO_PATHS, "--set", text) == (2, ["E0802"]), text
    assert call.codes("run", TWO_PATHS, "--set", "x=1", "--set", "x=2") == (2, ["E0802"])
    assert call.codes("grad", TWO_PATHS, "--wrt", "w1,,w2") == (2, ["E0802"])
    assert call.codes("grad", TWO_PATHS, "--lr", "fast") == (2, ["E0802"])
    assert call.codes("run", TWO_PATHS, "-O4") == (2, ["E0802"])
    assert call.codes("run", TWO_PATHS, "--allow", str(tmp_path / "none")) == (2, ["E0802"])
    assert call.codes("run", TWO_PATHS, "--passes", "expand, fuse") == (2, ["E0905"])
    assert call.codes("compile", TWO_PATHS, "-o", str(tmp_path / "none" / "a.gir")) == (2, ["E0803"])
    assert call.codes("compile", TWO_PATHS, "-o", "a.txt") == (2, ["E0804"])
    assert call.codes("dot", TWO_PATHS, "-o", "a.jpg") == (2, ["E0804"])
    assert call.codes("dot", TWO_PATHS, "-o", str(tmp_path)) == (2, ["E0804"])
    file = program(tmp_path, call("ir", TWO_PATHS)[1], "a.gir")
    assert call.codes("compile", file, "-o", file) == (2, ["E0805"])
    assert call.codes("help", "sinn") == (2, ["E0808"])


def test_the_text_of_mistaken_calls(call: Call) -> None:
    assert call("run", TWO_PATHS, "--sett", "x=1")[2] == (
        "error[E0802]: there is no option `--sett`\n"
        "  = help: a similar name exists: `--set`\n"
        "  = help: `gradc run --help` shows how it is called\n"
    )
    assert call("gard", TWO_PATHS)[2] == (
        "error[E0802]: there is no command `gard`\n"
        "  = help: a similar name exists: `grad`\n"
        "  = help: `gradc --help` shows how it is called\n"
    )
    assert call("run", TWO_PATHS, "--set", "x=abc")[2].splitlines()[0] == (
        "error[E0802]: `--set`: `abc` is not a value for `x`; expected a number such as 3, 0.5, 1e-3, inf or nan, "
        "one of true and false, or a list such as [1, 2.5]"
    )
    assert "to run it, write `gradc run two_paths.grad`" in call("two_paths.grad")[2]


def test_drawing_without_an_engine(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADC_GRAPHVIZ", "graphviz-pure")
    assert call.codes("dot", TWO_PATHS, "-o", str(tmp_path / "a.pdf")) == (2, ["E0806"])
    monkeypatch.setenv("GRADC_GRAPHVIZ", str(tmp_path / "no_such_engine"))
    assert call.codes("dot", TWO_PATHS, "-o", str(tmp_path / "a.svg")) == (2, ["E0807"])
    assert list(tmp_path.iterdir()) == []


def test_warnings(call: Call, tmp_path: Path) -> None:
    file = program(tmp_path, "input x = 3, unused = 1\ny = x^2")
    code, out, err = call("run", file)
    assert (code, out) == (0, "  y    9\n")
    assert err.startswith("warning[W0101]: `unused` is never used\n")
    assert call.codes("run", file, "--werror") == (1, ["W0101"])


def test_diagnostics_as_json(call: Call, tmp_path: Path) -> None:
    code, out, err = call("run", program(tmp_path, "input x = 1, spare = 2\ny = tnah(x)\nz = x +"), "--json")
    assert (code, out) == (1, "")
    found = json.loads(err)["diagnostics"]
    assert {each["code"] for each in found} >= {"E0101"}
    assert set(found[0]) >= {"code", "severity", "message", "file", "line", "column", "end", "hints"}
    code, out, err = call("run", program(tmp_path, "input x = 1, spare = 2\ny = x"), "--json")
    assert (code, json.loads(out)) == (0, {"outputs": {"y": 1.0}})
    assert [each["severity"] for each in json.loads(err)["diagnostics"]] == ["warning"]
    code, out, err = call("run", "--json", "--sett")
    assert (code, json.loads(err)["diagnostics"][0]["code"]) == (2, "E0802")


def test_use_and_allow(call: Call, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "main").mkdir()
    program(tmp_path / "lib", "fn twice(x) = 2*x", "f.grad")
    file = program(tmp_path / "main", 'use "../lib/f.grad"\ninput x = 3\ny = twice(x)')
    assert call.codes("run", file) == (1, ["E0503"])
    assert call.json("run", file, "--allow", str(tmp_path / "lib"))["outputs"] == {"y": 6.0}


def test_too_deep_and_too_large(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for problem, code in ((RecursionError(), "E0703"), (MemoryError(), "E0702")):

        def fail(*_: Any, problem: BaseException = problem, **__: Any) -> None:
            raise problem

        monkeypatch.setattr(gradc.model, "load", fail)
        assert call.codes("run", TWO_PATHS) == (1, [code])


def test_a_mistake_of_our_own_is_no_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("lost\nnode")

    monkeypatch.delenv("GRADC_TRACEBACK", raising=False)
    monkeypatch.setattr(gradc.model, "load", fail)
    code, out, err = call("run", TWO_PATHS)
    assert (code, out) == (outcome.INTERNAL, "")
    assert err.startswith("internal error: KeyError: 'lost\\nnode' (test_cli.py:")
    assert "Please report it" in err
    assert "Traceback" not in err


# Help -----------------------------------------------------------------------------------------------------------------


def test_help(call: Call) -> None:
    code, out, _ = call("help")
    assert code == 0
    for word in ("language", "E0101", "W0101", "simplify", "tanh", "log1p"):
        assert word in out
    assert call("help", "sin")[1].splitlines() == [
        "# sin: function",
        "",
        "The sine of x in radians. ±0 at ±0, NaN at ±inf.",
        "",
        "derivative      d sin(x) = cos(x)",
        "tested on       [-6, 6]",
        "reference       DLMF 4.14.1",
        "",
        "sin(x)",
        "",
        "    x     value  derivative  second  why",
        "    0     0      1           0",
        "    -0    -0     1           0",
        "    inf   nan    nan         nan     no limit",
        "    -inf  nan    nan         nan     no limit",
        "    nan   nan    nan         nan",
    ]
    assert call("help", "e0203")[1].startswith("# E0203: unknown function\n")
    assert call("help", "arcsin")[1].startswith("# asin: function\n")
    assert call("help", "mul_one")[1].startswith("# mul_one: rewrite rule\n\n    x * 1 => x\n")
    assert call("help", "run")[1] == call("run", "--help")[1]
    assert "d x * y" in call("help", "*")[1]
    assert call("help", "sinn")[2].splitlines()[1] == "  = help: similar topics: `sin`, `sinh`, `sinc`"
    assert len(call("help", "language")[1]) > 2000


def test_help_on_conventions(call: Call) -> None:
    code, page, err = call("help", "conventions")
    assert (code, err) == (0, "")
    lines = page.splitlines()
    assert lines[0] == "# conventions: values and derivatives at special points"
    families = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert families == [family for family in gradc.ops.FAMILIES if family in families]
    assert len(families) == 15
    start = lines.index("abs(x)")
    assert lines[start : start + 9] == [
        "abs(x)",
        "",
        "    x     value  derivative  second  why",
        "    0     0      0           0       a kink: 0 is the middle of the slopes -1 and 1",
        "    -0    0      0           0       +0, and the same kink",
        "    inf   inf    1           0",
        "    -inf  inf    -1          0",
        "    nan   nan    nan         0",
        "",
    ]
    start = lines.index("c ^ y, c a constant")
    assert lines[start + 2 : start + 4] == [
        "    c, y     value  derivative  second  why",
        "    0, 2     0      0           0       0^y is 0 for every y > 0",
    ]
    start = lines.index("argmax(x)")
    assert lines[start + 6] == "    []        error  nothing has no extreme"
    # Arrays that are too long to stand side by side stand one below the other.
    start = lines.index("inv(x)")
    assert lines[start + 6 : start + 13] == [
        "    [[0, 0], [0, 0]]",
        "        value       error",
        "        why         singular: there is no inverse",
        "",
        "    [[0, 1], [1, 0]]",
        "        value       [[0, 1], [1, 0]]",
        "        derivative  [[[[0, 0], [0, -1]], [[0, 0], [-1, 0]]], [[[0, -1], [0, 0]], [[-1, 0], [0, 0]]]]",
    ]
    assert max(map(len, lines[lines.index("## Arithmetic") :])) <= 100
    assert page == call("help", "Conventions")[1]


@pytest.mark.parametrize("name", sorted(gradc.TABLE))
def test_help_on_every_operator(call: Call, name: str) -> None:
    row = gradc.TABLE[name]
    for topic in {name, *row.functions, *([row.symbol] if row.symbol else [])}:
        code, out, err = call("help", topic)
        assert (code, err) == (0, "")
        assert re.search("^# ", out, re.M)


def test_help_on_every_topic_of_the_index(call: Call) -> None:
    index = call("help")[1]
    words = [word for line in index.splitlines() if line.startswith("    ") for word in re.findall(r"\S+", line)[:1]]
    for word in words:
        assert call("help", word)[0] == 0, word


def test_version_and_usage(call: Call) -> None:
    assert call("--version") == (0, f"gradc {gradc.__version__}\n", "")
    code, out, _ = call()
    assert (code, call("--help")[1]) == (0, out)
    for command in ("compile", "run", "grad", "explain", "ir", "dot", "help"):
        assert command in out
        assert call(command, "--help")[1].startswith(f"Usage: gradc {command}")


# Pieces ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(9.0, "9"), (-24.0, "-24"), (0.1, "0.1"), (1e300, "1e+300"), (1e15, "1000000000000000"), (1e16, "1e+16"),
     (-0.0, "-0"), (float("nan"), "nan"), (float("-inf"), "-inf"), (True, "true"), (7, "7"), (1 / 3, repr(1 / 3))],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert show.number(value) == text


def test_points_stand_in_one_column() -> None:
    assert show.aligned(["9", "-24", "0.125", "1e-05"]) == ["  9    ", "-24    ", "  0.125", "  1e-05"]


def test_characters_that_a_terminal_lacks() -> None:
    assert streams.spell("∂ŷ/∂w₁ → 3·x²", "ascii") == "dy/dw1 -> 3*x^2"
    assert streams.spell("∂ŷ 中", "latin-1") == "dy ?"
    assert streams.spell("∂", "utf-8") == "∂"


def test_long_names_do_not_fill_the_screen(call: Call, tmp_path: Path) -> None:
    _, _, err = call("run", program(tmp_path, f"y = {'a' * 1_000_000}"))
    assert len(err) < 2_000
