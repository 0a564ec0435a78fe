"""The text of the diagnostics about data files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from gradc.data import bind, read_data
from gradc.errors import CODES, Error


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(call: Callable[[], Any]) -> str:
    with pytest.raises(Error) as caught:
        call()
    return str(caught.value)


def column(name: str, content: str, wanted: str = "x") -> str:
    Path(name).write_text(content, "utf-8")
    return said(lambda: read_data(name).column(wanted))


FILES = [
    (
        "a.csv",
        "x,kind\n1,a\nsetosa,b\n",
        """error[E0626]: the column `x` holds `setosa` in line 3, which is not a number
 --> a.csv:3:1
  |
3 | setosa,b
  | ^^^^^^ expected a number""",
    ),
    (
        "a.csv",
        "t;x\n1;2,5\n",
        """error[E0626]: the column `x` holds `2,5` in line 2, which is not a number
 --> a.csv:2:3
  |
2 | 1;2,5
  |   ^^^ expected a number
  = help: write 2.5, with a decimal point""",
    ),
    (
        "a.csv",
        "x\ntrue\n1\n",
        """error[E0626]: the column `x` mixes numbers and truth values, with `1` in line 3
 --> a.csv:3:1
  |
3 | 1
  | ^ the first of another kind""",
    ),
    (
        "a.csv",
        "t,x\n1,2\n1,\n3,NA\n",
        """error[E0625]: the column `x` has no value in 2 of 3 rows
 --> a.csv:3:3
  |
3 | 1,
  |   ^ no value
  = help: leave the rows out, or fill in numbers; `nan` is one""",
    ),
    (
        "a.csv",
        "t,x\n1,2,3\n\n4\n",
        """error[E0624]: line 2 has 3 fields, and the table has 2 columns
 --> a.csv:2:1
  |
2 | 1,2,3
  | ^^^^^
  = help: a field that holds a comma stands in quotes

error[E0624]: line 4 has 1 field, and the table has 2 columns
 --> a.csv:4:1
  |
4 | 4
  | ^""",
    ),
    (
        "a.csv",
        't,x\n1,2\n"a"b,1\n',
        """error[E0624]: line 3 cannot be taken apart
 --> a.csv:3:1
  |
3 | "a"b,1
  | ^^^^^^ text in quotes that does not end where the field ends
  = help: a quote inside a quoted field is written twice""",
    ),
    (
        "a.csv",
        "x, y, x\n",
        """error[E0628]: two columns are named `x`
 --> a.csv:1:7
  |
1 | x, y, x
  |       ^ again here""",
    ),
    ("a.csv", "\n", "error[E0633]: `a.csv` is empty\n  = help: its first line names the columns"),
    (
        "a.json",
        '{"x": [1,\n  2,,\n  3]}',
        """error[E0622]: `a.json` is not JSON: expecting value
 --> a.json:2:5
  |
2 |   2,,
  |     ^ here""",
    ),
    (
        "a.json",
        "[1, 2]",
        """error[E0622]: `a.json` holds a list, not names with values
  = help: write an object, as in {"x": [1, 2, 3]}, or a list of objects with the same names""",
    ),
    (
        "a.json",
        '{"x": [[[1, 2], [3, 4]], [[5, 6], [7]]]}',
        """error[E0623]: `x` in `a.json` is ragged: x[0, 0] has 2 entries, x[1, 1] has 1
  = help: the lists of an axis have the same length""",
    ),
    (
        "a.json",
        '{"x": [1, null]}',
        """error[E0625]: `x[1]` in `a.json` is null
  = help: leave it out, or fill in a number; "nan" is one""",
    ),
    (
        "a.json",
        '[{"x": 1}, {"y": 2}]',
        """error[E0625]: record 2 of `a.json` has no `x`
  = help: leave the record out, or fill in a number; "nan" is one""",
    ),
    ("a.json", '{"x": ["a"]}', 'error[E0626]: `x[0]` in `a.json` is the text "a", not a number'),
]


@pytest.mark.parametrize(("name", "content", "text"), FILES)
def test_text_files(name: str, content: str, text: str) -> None:
    assert column(name, content) == text.replace("\n  =", "\n  =")


def test_files_that_cannot_be_read(folder: Path) -> None:
    Path("points.csv").write_text("x\n1")
    assert said(lambda: read_data("ponits.csv")) == (
        "error[E0801]: cannot read `ponits.csv`: there is no such file\n  = help: a similar name exists: `points.csv`"
    )
    assert said(lambda: read_data("points.xlsx")) == (
        "error[E0620]: cannot read data from `points.xlsx`: the ending must be one of .npz, .npy, .json, .csv, .parquet"
    )
    assert said(lambda: read_data(folder)) == (
        f"error[E0801]: cannot read `{folder}`: it is a folder\n  = help: name a data file in it"
    )
    Path("a.csv").write_bytes(b"x\n\xe9\n")
    assert said(lambda: read_data("a.csv")).startswith(
        "error[E0105]: the text is not UTF-8: byte 0xE9 at offset 2\n --> a.csv:2:1\n"
    )


def test_damaged_archives() -> None:
    numpy.savez("a.npz", x=numpy.ones(3))
    numpy.save("a.npy", numpy.ones(3))
    Path("b.npz").write_bytes(Path("a.npz").read_bytes()[:100])
    Path("b.npy").write_bytes(Path("a.npy").read_bytes()[:-4])
    advice = "\n  = help: it may be cut off: write or copy it again"
    assert said(lambda: read_data("b.npz")) == f"error[E0621]: `b.npz` cannot be read: file is not a zip file{advice}"
    assert said(lambda: read_data("b.npy")) == (
        f"error[E0621]: `b.npy` cannot be read: 24 bytes of numbers are announced, and 20 are there{advice}"
    )
    Path("c.npy").write_text("x,y")
    assert said(lambda: read_data("c.npy")) == (
        f"error[E0621]: `c.npy` cannot be read: it does not begin as a NumPy array does{advice}"
    )
    Path("d.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + b"print(1)".ljust(117) + b"\n")
    assert said(lambda: read_data("d.npy")) == (
        f"error[E0621]: `d.npy` cannot be read: its header describes no array{advice}"
    )


def test_arrays_of_other_things() -> None:
    numpy.savez("a.npz", x=numpy.ones(3) * 1j, o=numpy.array([None]))
    assert said(lambda: read_data("a.npz").column("x")) == (
        "error[E0626]: the column `x` of `a.npz` holds complex numbers (complex128), not numbers\n"
        "  = help: a program calculates with real numbers: give real and imaginary part as two columns"
    )
    assert said(lambda: read_data("a.npz").column("o")) == (
        "error[E0626]: the member `o` of `a.npz` holds Python objects, which are never loaded\n"
        "  = help: save an array of numbers"
    )


def test_too_large() -> None:
    numpy.save("a.npy", numpy.ones(3000))
    assert said(lambda: read_data("a.npy", memory=5_000)) == (
        "error[E0631]: `a.npy` needs 24 kB of memory, and 5 kB may be used"
    )


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert said(lambda: read_data("a.parquet")) == (
        "error[E0632]: reading `a.parquet` needs the package pyarrow\n"
        '  = help: install it: pip install "gradc[parquet]"'
    )


def test_gaps_in_parquet() -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"x": [1, None, None], "r": [[1], [2, 3], [4]]}), "a.parquet")
    assert said(lambda: read_data("a.parquet").column("x")) == (
        "error[E0625]: the column `x` of `a.parquet` has no value in 2 of 3 rows\n"
        "  = help: leave the rows out, or fill in numbers; NaN is one"
    )
    assert said(lambda: read_data("a.parquet").column("r")) == (
        "error[E0623]: the lists in the column `r` of `a.parquet` have 1 and 2 entries"
    )


BINDINGS: list[tuple[str, dict[str, str], str]] = [
    (
        "x",
        {"x": "heigth"},
        "error[E0627]: there is no column `heigth` in `a.csv` for `x`\n"
        "  = help: a similar name exists: `height`\n  = help: the columns of `a.csv` are `height`, `weight`",
    ),
    (
        "x y",
        {},
        "error[E0630]: no column of `a.csv` is named like an input\n"
        "  = help: the inputs are `x`, `y`\n  = help: the columns of `a.csv` are `height`, `weight`\n"
        "  = help: `--bind x=height` gives an input a column of another name",
    ),
    ("x", {"X": "height"}, "error[E0602]: there is no input `X`\n  = help: a similar name exists: `x`"),
    ("x", {"x": ""}, "error[E0627]: `x=` binds the array of a .npy file, and none is given\n"
     "  = help: the columns of `a.csv` are `height`, `weight`"),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "binds", "text"), BINDINGS)
def test_bindings(inputs: str, binds: dict[str, str], text: str) -> None:
    Path("a.csv").write_text("height,weight\n1,2\n")
    assert said(lambda: bind([read_data("a.csv")], inputs.split(), binds)) == text


def test_bindings_of_several_files() -> None:
    Path("a.csv").write_text("x,y\n1,2\n")
    Path("b.csv").write_text("x,z\n1,2\n")
    numpy.save("p.npy", numpy.ones(2))
    both = [read_data("a.csv"), read_data("b.csv")]
    assert said(lambda: bind(both, ["x", "y", "z"], {})) == (
        "error[E0629]: both `a.csv` and `b.csv` have data for `x`\n  = help: give one of the two files"
    )
    assert said(lambda: bind(both, ["w"], {"w": "x"})) == (
        "error[E0629]: the column `x` for `w` is in `a.csv` and `b.csv`\n  = help: give one of the two files"
    )
    assert said(lambda: bind([], ["w"], {"w": "x"})) == (
        "error[E0627]: `w` is to be a column, and there are no data\n  = help: name a file with `--data FILE`"
    )
    assert said(lambda: bind([read_data("p.npy")], ["x", "y"], {})) == (
        "error[E0630]: `p.npy` holds an array without a name, and which of `x`, `y` takes it is unclear\n"
        "  = help: write `--bind NAME=` to give it to an input"
    )


def test_every_code_about_data_is_shown_here() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [code for code in CODES if "E0620" <= code <= "E0639" and f"error[{code}]" not in text] == []
