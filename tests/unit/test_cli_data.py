"""Data on the command line: what goes in by `--set`, `--data` and `--bind`, what comes out by `--out` and as text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy
import pytest

from gradc import arraytext
from gradc.cli import main, show
from gradc.cli.given import _Bytes, _Setting
from gradc.data import ENDINGS, read_data
from gradc.plain import plain


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
        code, _, err = self(*arguments)
        return code, re.findall(r"^error\[(\w+)\]", err, re.M)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(tmp_path)
    Path("m.grad").write_text("input x, y = 2\nparam w = 3\nL = (w*x - y)^2", "utf-8")
    Path("in.json").write_text('{"x": 4, "w": 0.5, "more": ["a"]}', "utf-8")
    return Call(capsys)


# In -------------------------------------------------------------------------------------------------------------------


def test_values_from_files(call: Call) -> None:
    assert call.json("run", "m.grad", "--data", "in.json") == {"outputs": {"L": 0.0}}
    numpy.savez("in.npz", x=numpy.array(4), v=1.0)
    assert call.json("run", "m.grad", "--data", "in.npz")["outputs"] == {"L": 100.0}
    assert call.json("run", "m.grad", "--data", "in.npz", "--bind", "y=v")["outputs"] == {"L": 121.0}
    numpy.save("point.npy", numpy.array(4.0))
    assert call.json("run", "m.grad", "--data", "point.npy")["outputs"] == {"L": 100.0}
    assert call.json("run", "m.grad", "--data", "in.npz", "--data", "point.npy", "--bind", "w=point")["outputs"] == {
        "L": 196.0
    }


def test_values_from_arguments_come_first(call: Call) -> None:
    assert call.json("run", "m.grad", "--data", "in.json", "--set", "w=1")["outputs"] == {"L": 4.0}


def test_every_command_that_takes_values_takes_data(call: Call) -> None:
    assert call.json("grad", "m.grad", "--data", "in.json")["gradients"] == {"L": {"w": 0.0}}
    assert call.json("grad", "m.grad", "--set", "x=4", "--set", "w=0.5")["gradients"] == {"L": {"w": 0.0}}
    found = [
        call("explain", "m.grad", *values)[1] for values in (("--data", "in.json"), ("--set", "x=4", "--set", "w=.5"))
    ]
    assert found[0] == found[1] != call("explain", "m.grad")[1]
    found = [call("dot", "m.grad", *values)[1] for values in (("--data", "in.json"), ("--set", "x=4", "--set", "w=.5"))]
    assert found[0] == found[1] != call("dot", "m.grad")[1]


def test_mistaken_data(call: Call) -> None:
    assert call.codes("run", "m.grad", "--data", "none.json") == (2, ["E0801"])
    assert call.codes("run", "m.grad", "--data", "m.grad") == (2, ["E0620"])
    assert call.codes("run", "m.grad", "--data", "in.json", "--bind", "y=more") == (1, ["E0626"])
    assert call.codes("run", "m.grad", "--data", "in.json", "--bind", "y=v") == (1, ["E0627"])
    assert call.codes("run", "m.grad", "--bind", "y=v") == (1, ["E0627"])
    assert call.codes("run", "m.grad", "--data", "in.json", "--data", "in.json") == (1, ["E0629"])
    assert call.codes("run", "m.grad", "--data", "in.json", "--bind", "y") == (2, ["E0802"])
    assert call.codes("run", "m.grad", "--data", "in.json", "--bind", "y=x", "--bind", "y=w") == (2, ["E0802"])
    assert call.codes("run", "m.grad", "--data", "in.json", "--max-memory", "10") == (1, ["E0631"])


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("10", 10), ("10B", 10), ("4GB", 4 * 10**9), ("1.5 MB", 1_500_000), ("2GiB", 2 << 30), ("8k", 8000),
     (".5tib", 1 << 39)],
)  # fmt: skip
def test_amounts_of_memory(text: str, size: int) -> None:
    assert _Bytes().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "1e9", "4 gigs", "nan", "9" * 50])
def test_what_is_no_amount_of_memory(call: Call, text: str) -> None:
    assert call.codes("run", "m.grad", "--set", "x=1", f"--max-memory={text}") == (2, ["E0802"])


@pytest.mark.parametrize(
    ("text", "value"),
    [("[1,2,3]", [1, 2, 3]), ("[1.5, -inf, nan]", [1.5, "-inf", "nan"]), ('[[1, "nan"], [2, 3]]', [[1, "nan"], [2, 3]]),
     ("[]", []), ("[true]", [True]), ("[[], []]", [[], []])],
)  # fmt: skip
def test_lists_of_set(text: str, value: Any) -> None:
    name, array = _Setting().convert(f"x={text}", None, None)
    assert (name, plain(array)) == ("x", value)


def test_mistaken_lists_of_set(call: Call) -> None:
    assert call("run", "m.grad", "--set", "x=[1,,2]")[2].splitlines()[0] == (
        "error[E0802]: `--set`: `[1,,2]` for `x` is not a list in JSON, at character 4"
    )
    assert call.codes("run", "m.grad", "--set", "x=[1, 2") == (2, ["E0802"])
    assert call.codes("run", "m.grad", "--set", f"x={'[' * 50_000}") == (2, ["E0802"])
    assert call.codes("run", "m.grad", "--set", "x=[[1], [2, 3]]") == (1, ["E0623"])
    assert call.codes("run", "m.grad", "--set", 'x=["a"]') == (1, ["E0626"])
    assert call.codes("run", "m.grad", "--set", "x=[1, 2]") == (1, ["E0606"])


def test_the_page_about_data_names_every_kind_of_file(call: Call) -> None:
    code, text, _ = call("help", "data")
    assert code == 0
    assert [ending for ending in ENDINGS if ending not in text] == []


# Out ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["out.npz", "out.json"])
def test_results_in_files(call: Call, out: str) -> None:
    assert call("run", "m.grad", "--data", "in.json", "--out", out) == (0, "  L    0\n", "")
    assert {name: value.tolist() for name, value in read_data(out).columns.items()} == {"L": 0.0}
    assert call("grad", "m.grad", "--set", "x=1", "--lr", "0.5", "--out", out)[0] == 0
    found = {name: value.tolist() for name, value in read_data(out).columns.items()}
    assert found == {"L": 1.0, "grad(L, w)": 2.0, "step(L, w)": 2.0}
    # The step is where the next one begins.
    assert call.json("run", "m.grad", "--data", out, "--bind", "w=step(L, w)", "--set", "x=1")["outputs"] == {"L": 0.0}


def test_files_that_are_not_written_over(call: Call) -> None:
    before = Path("in.json").read_bytes()
    assert call.codes("run", "m.grad", "--data", "in.json", "--out", "in.json") == (2, ["E0805"])
    assert call.codes("run", "m.grad", "--data", "in.json", "--out", "m.grad") == (2, ["E0804"])
    assert call.codes("run", "m.grad", "--data", "in.json", "--out", "none/out.npz") == (2, ["E0803"])
    assert Path("in.json").read_bytes() == before


# Text -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "text"),
    [
        ([1.0, -2.5], "[1, -2.5]"),
        ([[1.5, -2.0], [3.0, 44.0]], "[[1.5, -2],\n [3  , 44]]"),
        ([[True], [False]], "[[ true],\n [false]]"),
        ([[[1, 2]], [[3, 4]]], "[[[1, 2]],\n\n [[3, 4]]]"),
        ([float("nan"), float("-inf"), 0.1], "[nan, -inf, 0.1]"),
        (numpy.arange(100), "int[100]: 0 … 99, mean 49.5"),
        (numpy.arange(9) / 7, "f64[9]: 0 … 1.143, mean 0.5714"),
        (numpy.ones((3, 9)), "f64[3, 9]: all 1"),
        (numpy.zeros((0, 3)), "f64[0, 3]: empty"),
        (numpy.arange(10) > 3, "bool[10]: 6 true, 4 false"),
        (numpy.array([1, 2] * 5 + [float("nan"), float("inf")]), "f64[12]: 1 … 2, mean 1.5, 1 NaN, 1 infinite"),
        (numpy.full(9, float("nan")), "f64[9]: all NaN"),
        (numpy.full(10, 1.5e308), "f64[10]: all 1.5e+308"),
        (numpy.array([1e308, 1.5e308] * 5), "f64[10]: 1e+308 … 1.5e+308, mean 1.25e+308"),
        (numpy.zeros((9, 1), numpy.float32), "f32[9, 1]: all 0"),
    ],
)
def test_arrays_as_text(array: Any, text: str) -> None:
    assert show.array(numpy.asarray(array)) == text


def test_numbers_and_arrays_in_one_table() -> None:
    found = show.values([1.25, numpy.array([[1, 2], [3, 4]]), 10])
    assert found == [" 1.25", "[[1, 2],\n [3, 4]]", "10   "]
    text = show.table([("a", found[0]), ("W", found[1])], styles=("bold",))
    assert text == "  a     1.25\n  W    [[1, 2],\n        [3, 4]]"
    assert show.line(numpy.array([[1, 2], [3, 4]])) == "int[2, 2]: 1 … 4, mean 2.5"
    assert show.line(numpy.array([0.1, 0.5], numpy.float32), "f32") == "[0.1, 0.5]"


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (1, 3, 2), (3, 1, 1, 2), (2, 2), (4,)])
def test_brackets_stand_as_numpy_sets_them(shape: tuple[int, ...]) -> None:
    array = numpy.arange(numpy.prod(shape)).reshape(shape)
    found = "\n".join(arraytext.whole(array, lambda entry: f"{entry:2}"))
    wanted = numpy.array2string(array, separator=", ", formatter={"int": lambda entry: f"{entry:2}"})
    assert found == re.sub(r" +$", "", wanted, flags=re.M)


# Programs over arrays -------------------------------------------------------------------------------------------------

LEAST_SQUARES = "input X[n, d], y[n]\nparam w[d] = 0\nr = X @ w - y\nL = sum(r^2) / n\noutput L, r"


def test_a_table_becomes_a_matrix(call: Call) -> None:
    Path("fit.grad").write_text(LEAST_SQUARES, "utf-8")
    Path("t.csv").write_text("when,a,b,y\nmonday,1,2,3\ntuesday,4,5,6\nfriday,7,8,10\n", "utf-8")
    values = ("--data", "t.csv", "--bind", "X=a,b", "--set", "w=[1, 0.5]")
    assert call("run", "fit.grad", *values) == (0, "  L    0.75\n  r    [-1, 0.5, 1]\n", "")
    assert call.json("run", "fit.grad", *values) == {"outputs": {"L": 0.75, "r": [-1.0, 0.5, 1.0]}}
    found = call.json("grad", "fit.grad", *values, "--of", "L", "--lr", "3", "--out", "next.npz")
    slopes = found["gradients"]["L"]["w"]
    assert slopes == pytest.approx([16 / 3, 17 / 3])
    written = read_data("next.npz")
    assert list(written.columns) == ["L", "r", "grad(L, w)", "step(L, w)"]
    assert written.column("step(L, w)").tolist() == [1 - 3 * slopes[0], 0.5 - 3 * slopes[1]]
    again = (*values[:4], "--data", "next.npz", "--bind", "w=step(L, w)")
    # Both files have what is named r or L, which are no inputs.
    assert call.json("run", "fit.grad", *again)["outputs"]["L"] > 0.75
    assert call.codes("run", "fit.grad", "--data", "t.csv", "--bind", "X=when,b") == (1, ["E0626"])


def test_large_arrays_are_summed_up(call: Call) -> None:
    Path("fit.grad").write_text(LEAST_SQUARES, "utf-8")
    numpy.savez("in.npz", X=numpy.ones((100, 20)), y=numpy.arange(100.0))
    assert call("run", "fit.grad", "--data", "in.npz")[1].splitlines() == [
        "  L    3283.5",
        "  r    f64[100]: -99 … 0, mean -49.5",
    ]
    assert len(call.json("run", "fit.grad", "--data", "in.npz")["outputs"]["r"]) == 100
    assert "f64[20]: all -99" in call("grad", "fit.grad", "--of", "L", "--data", "in.npz")[1]


def test_a_table_of_no_rows(call: Call) -> None:
    Path("sum.grad").write_text("input x[n]\ns = sum(x)\np = prod(x)", "utf-8")
    Path("t.csv").write_text("x\n", "utf-8")
    assert call.json("run", "sum.grad", "--data", "t.csv")["outputs"] == {"s": 0.0, "p": 1.0}


def test_sizes(call: Call) -> None:
    Path("grid.grad").write_text("input x[n]\nr = [float(i) for i in 0..n]\ns = sum(x) + sum(r)\noutput s", "utf-8")
    assert "n" in call("ir", "grid.grad", "--as-written")[1].partition("\n")[2]
    assert "[3]" in call("ir", "grid.grad", "--as-written", "--size", "n=3")[1]
    assert call.codes("run", "grid.grad", "--size", "n=1", "--size", "n=3") == (2, ["E0802"])
    assert call.json("run", "grid.grad", "--size", "n=3", "--set", "x=[1, 2, 3]")["outputs"] == {"s": 9.0}
    assert call.codes("run", "grid.grad", "--size", "m=3") == (1, ["E0312"])


@pytest.mark.parametrize("text", ["n", "n=", "n=1.5", "n=-1", "=3", "n=9223372036854775808", f"n={'9' * 5000}"])
def test_what_is_no_size(call: Call, text: str) -> None:
    assert call.codes("run", "m.grad", "--size", text) == (2, ["E0802"])
