"""Data files: what is read from each kind, which input takes what, and what is written comes back."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest

from gradc import memory
from gradc.data import Data, bind, read_data, write_data
from gradc.data.column import Columns
from gradc.errors import CallError, Error


def file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def table(folder: Path, content: str | bytes) -> Data:
    return read_data(file(folder, "table.csv", content))


def same(found: Any, wanted: Any, dtype: Any = None) -> bool:
    wanted = numpy.asarray(wanted, dtype)
    return bool(
        found.dtype == wanted.dtype
        and found.shape == wanted.shape
        and numpy.array_equal(found, wanted, equal_nan=wanted.dtype.kind == "f")
    )


def code(call: Any, *arguments: Any) -> str:
    with pytest.raises(CallError) as caught:
        call(*arguments)
    return caught.value.diagnostics[0].code


# Tables ---------------------------------------------------------------------------------------------------------------


def test_types_of_a_table(tmp_path: Path) -> None:
    data = table(tmp_path, "n,x,flag\n1,2.5,true\n-3,1e3,False\n")
    assert list(data.columns) == ["n", "x", "flag"]
    assert data.single is None
    assert same(data.column("n"), [1, -3], numpy.int64)
    assert same(data.column("x"), [2.5, 1000.0])
    assert same(data.column("flag"), [True, False])


@pytest.mark.parametrize(
    "content",
    [
        "x,y\n1,2\n3,4\n",
        "x,y\n1,2\n3,4",
        "x;y\n1;2\n3;4\n",
        "x\ty\r\n1\t2\r\n3\t4\r\n",
        "\ufeffx,y\n1,2\n3,4\n",
        "# x,y\n1,2\n3,4\n",
        '"x", "y"\n"1", "2"\n 3 , 4\n',
        "\n\nx,y\n\n1,2\n   \n3,4\n\n\n",
        "x,y\r1,2\r3,4\r",
    ],
)
def test_spellings_of_a_table(tmp_path: Path, content: str) -> None:
    data = table(tmp_path, content)
    assert list(data.columns) == ["x", "y"]
    assert same(data.column("x"), [1, 3])
    assert same(data.column("y"), [2, 4])


def test_names_may_hold_what_they_like_in_quotes(tmp_path: Path) -> None:
    data = table(tmp_path, '"a;b;c","say ""x""",ŷ\n1,2,3\n')
    assert list(data.columns) == ["a;b;c", 'say "x"', "ŷ"]


def test_numbers_of_a_table(tmp_path: Path) -> None:
    data = table(tmp_path, "x\nnan\ninf\n-Infinity\n-0.0\n.5\n5.\n+1e-3\n")
    assert same(data.column("x"), [float("nan"), float("inf"), -float("inf"), -0.0, 0.5, 5.0, 1e-3])
    assert numpy.signbit(data.column("x")[3])
    large = table(tmp_path, "n\n9223372036854775807\n-9223372036854775808\n").column("n")
    assert same(large, [2**63 - 1, -(2**63)], numpy.int64)
    assert same(table(tmp_path, "n\n9223372036854775808\n1\n").column("n"), [2.0**63, 1.0])
    for text in ("1_000", "٣", "0x10", "1,5", "1 2"):
        assert code(table(tmp_path, f'x\n"{text}"\n').column, "x") == "E0626"


def test_a_table_of_no_rows_has_columns_of_no_entries(tmp_path: Path) -> None:
    data = table(tmp_path, "x,y\n")
    assert data.column("x").shape == (0,)


def test_a_column_without_a_name_is_left_out(tmp_path: Path) -> None:
    assert list(table(tmp_path, ",x,\n0,1,\n1,2,\n").columns) == ["x"]


def test_columns_are_checked_when_they_are_asked_for(tmp_path: Path) -> None:
    data = table(tmp_path, "x,kind,gap\n1,a,\n2,b,5\n")
    assert same(data.column("x"), [1, 2])
    assert code(data.column, "kind") == "E0626"
    assert code(data.column, "gap") == "E0625"


def test_many_rows_meet_in_one_column(tmp_path: Path) -> None:
    rows = 70_000
    lines = [f"{i},{i},{i}" for i in range(rows)]
    lines[50_000] = "50000,0.5,true"
    data = table(tmp_path, "n,x,bad\n" + "\n".join(lines))
    assert same(data.column("n"), numpy.arange(rows))
    wanted = numpy.arange(rows, dtype=float)
    wanted[50_000] = 0.5
    assert same(data.column("x"), wanted)
    with pytest.raises(CallError) as caught:
        data.column("bad")
    assert caught.value.diagnostics[0].line == 50_002


def test_both_a_gap_and_a_text_are_shown(tmp_path: Path) -> None:
    with pytest.raises(CallError) as caught:
        table(tmp_path, "x,y\n1,1\n,2\nz,3\n").column("x")
    assert [(each.code, each.line, each.column) for each in caught.value.diagnostics] == [
        ("E0625", 3, 1),
        ("E0626", 4, 1),
    ]


def test_places_behind_quotes_and_long_fields(tmp_path: Path) -> None:
    with pytest.raises(CallError) as caught:
        table(tmp_path, 'a,b\n1,2\n\n"one\ntwo",3\n4,  oops \n').column("b")
    found = caught.value.diagnostics[0]
    assert (found.line, found.column, found.end) == (6, 5, 9)
    with pytest.raises(CallError) as caught:
        table(tmp_path, 'a,b\n"x, ""y""",no\n').column("b")
    found = caught.value.diagnostics[0]
    assert (found.line, found.column, found.end) == (2, 12, 14)


# JSON -----------------------------------------------------------------------------------------------------------------


def test_objects(tmp_path: Path) -> None:
    text = '{"w": 2, "x": [1, 2.5, "nan", "-inf", NaN], "X": [[1, 2], [3, 4]], "b": [true], "none": [], "t": ["a"]}'
    data = read_data(file(tmp_path, "a.json", text))
    assert list(data.columns) == ["w", "x", "X", "b", "none", "t"]
    assert same(data.column("w"), 2, numpy.int64)
    assert same(data.column("x"), [1, 2.5, float("nan"), -float("inf"), float("nan")])
    assert same(data.column("X"), [[1, 2], [3, 4]], numpy.int64)
    assert same(data.column("b"), [True])
    assert data.column("none").shape == (0,)
    assert code(data.column, "t") == "E0626"


def test_records(tmp_path: Path) -> None:
    data = read_data(file(tmp_path, "a.json", '[{"x": 1, "v": [1, 2]}, {"v": [3, 4], "x": 0.5, "note": "late"}]'))
    assert list(data.columns) == ["x", "v", "note"]
    assert same(data.column("x"), [1, 0.5])
    assert same(data.column("v"), [[1, 2], [3, 4]])
    assert code(data.column, "note") == "E0625"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[1, 2]", "E0622"),
        ("3", "E0622"),
        ("{", "E0622"),
        ('{"x": 1}, 2', "E0622"),
        ("[" * 200_000, "E0622"),
        (f'{{"x": {"9" * 5000}}}', "E0622"),
        ('{"x": 1, "x": 2}', "E0628"),
        ("", "E0633"),
        (" \n", "E0633"),
    ],
)
def test_broken_json(tmp_path: Path, text: str, wanted: str) -> None:
    assert code(read_data, file(tmp_path, "a.json", text)) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("[[1, 2], [3]]", "E0623"),
        ("[[1], 2]", "E0623"),
        ("[1, [2]]", "E0626"),
        ("[[[1]], [[2, 3]]]", "E0623"),
        ("[1, null]", "E0625"),
        ("null", "E0625"),
        ('"a"', "E0626"),
        ('{"y": 1}', "E0626"),
        ("[1, true]", "E0626"),
        (f"[1{'0' * 400}]", "E0626"),
        (f"{'[' * 70}1{']' * 70}", "E0623"),
    ],
)
def test_broken_values_of_json(tmp_path: Path, value: str, wanted: str) -> None:
    data = read_data(file(tmp_path, "a.json", f'{{"x": {value}, "y": 1}}'))
    assert same(data.column("y"), 1)
    assert code(data.column, "x") == wanted


# NumPy's files --------------------------------------------------------------------------------------------------------

ARRAYS = {
    "X": numpy.arange(6.0).reshape(2, 3),
    "n": numpy.array(7),
    "small": numpy.array([1.5], numpy.float16),
    "b": numpy.array([True, False]),
    "none": numpy.zeros((0, 3)),
    "turned": numpy.asfortranarray(numpy.arange(6).reshape(2, 3)),
}


def test_archives(tmp_path: Path) -> None:
    for save in (numpy.savez, numpy.savez_compressed):
        save(tmp_path / "a.npz", **ARRAYS)
        data = read_data(tmp_path / "a.npz")
        assert list(data.columns) == list(ARRAYS)
        assert all(same(data.column(name), array) for name, array in ARRAYS.items())


def test_single_arrays(tmp_path: Path) -> None:
    for array in ARRAYS.values():
        numpy.save(tmp_path / "a.npy", array)
        data = read_data(tmp_path / "a.npy")
        assert not data.columns
        assert same(data.array(), array)
    numpy.save(tmp_path / "a.npy", numpy.array([(1, 2.5), (3, 4.5)], dtype=[("n", "i4"), ("ä", ">f8")]))
    data = read_data(tmp_path / "a.npy")
    assert list(data.columns) == ["n", "ä"]
    assert data.column("ä").tolist() == [2.5, 4.5]


@pytest.mark.parametrize(
    "array",
    [numpy.array([1j]), numpy.array(["a"]), numpy.array([b"a"]), numpy.array(["2020-01-01"], "M8[D]"),
     numpy.array([1], "m8[s]"), numpy.zeros(2, "V3"), numpy.array([None])],
)  # fmt: skip
def test_arrays_that_hold_no_numbers(tmp_path: Path, array: Any) -> None:
    numpy.savez(tmp_path / "a.npz", x=array, y=1.0)
    data = read_data(tmp_path / "a.npz")
    assert same(data.column("y"), 1.0)
    assert code(data.column, "x") == "E0626"
    numpy.save(tmp_path / "a.npy", array)
    assert code(lambda: read_data(tmp_path / "a.npy").array()) == "E0626"


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    numpy.save(tmp_path / "a.npy", numpy.array([Trap()], dtype=object), allow_pickle=True)
    assert code(read_data, tmp_path / "a.npy") == "E0626"
    assert not (tmp_path / "sprung").exists()


def test_cut_off_and_changed_files(tmp_path: Path) -> None:
    """Whatever bytes are lost or changed, there is a diagnostic or there are numbers, and never anything else."""
    numpy.savez_compressed(tmp_path / "a.npz", **ARRAYS)
    numpy.save(tmp_path / "a.npy", ARRAYS["X"])
    (tmp_path / "a.csv").write_text('x,y\n1,"a ""b"""\n2,5\n')
    (tmp_path / "a.json").write_text('{"x": [1, 2.5, "nan"], "y": [[true], [false]]}')
    chance = random.Random(3)
    for name in ("a.npz", "a.npy", "a.csv", "a.json"):
        whole = (tmp_path / name).read_bytes()
        broken = [whole[:end] for end in range(0, len(whole), max(1, len(whole) // 40))]
        for _ in range(60):
            changed = bytearray(whole)
            changed[chance.randrange(len(whole))] = chance.randrange(256)
            broken.append(bytes(changed))
        for content in broken:
            path = file(tmp_path, f"broken{Path(name).suffix}", content)
            try:
                data = read_data(path)
            except CallError:
                continue
            for column in data.columns:
                try:
                    assert data.column(column).dtype.kind in "biuf"
                except CallError:
                    continue


def test_announcing_more_than_there_is(tmp_path: Path) -> None:
    header = b"\x93NUMPY\x01\x00"
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }"
    text += b" " * ((-len(text) - 11) % 64) + b"\n"
    content = header + len(text).to_bytes(2, "little") + text + bytes(8)
    assert code(read_data, file(tmp_path, "a.npy", content)) == "E0621"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("x.npy", content)
    assert code(read_data(file(tmp_path, "a.npz", archive.getvalue())).column, "x") == "E0621"


def test_room_is_asked_for_first(tmp_path: Path) -> None:
    numpy.savez_compressed(tmp_path / "a.npz", x=numpy.zeros(100_000), y=1.0)
    data = read_data(tmp_path / "a.npz", memory=10_000)
    assert same(data.column("y"), 1.0)
    assert code(data.column, "x") == "E0631"
    numpy.save(tmp_path / "a.npy", numpy.zeros(100_000))
    (tmp_path / "a.csv").write_text("x\n" + "1\n" * 5000)
    for name in ("a.npy", "a.csv"):
        assert code(lambda name=name: read_data(tmp_path / name, memory=10_000)) == "E0631"


def test_the_machine_says_how_much_room_there_is() -> None:
    found = memory.available()
    assert found is None or found > 1 << 20


def test_a_file_that_goes_away(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "a.npz", x=1.0)
    data = read_data(tmp_path / "a.npz")
    (tmp_path / "a.npz").unlink()
    assert code(data.column, "x") == "E0801"


# Parquet --------------------------------------------------------------------------------------------------------------


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    columns = {
        "n": arrow.array([1, 2, 3]),
        "x": arrow.array([1.5, float("nan"), 2.0]),
        "f": arrow.array([1.5, 2.5, 3.5], arrow.float32()),
        "b": arrow.array([True, False, True]),
        "v": arrow.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        "a.b": arrow.array([4, 5, 6]),
        "gap": arrow.array([1, None, 3]),
        "text": arrow.array(["a", "b", "c"]),
        "kind": arrow.array(["a", "b", "a"]).dictionary_encode(),
        "ragged": arrow.array([[1], [2, 3], [4]]),
        "inner": arrow.array([[1, None], [2, 3], [4, 5]]),
        "day": arrow.array([0, 1, 2], arrow.timestamp("s")),
    }
    parquet.write_table(arrow.table(columns), path, row_group_size=2)
    data = read_data(path)
    assert list(data.columns) == list(columns)
    assert same(data.column("n"), [1, 2, 3], numpy.int64)
    assert same(data.column("x"), [1.5, float("nan"), 2.0])
    assert same(data.column("f"), [1.5, 2.5, 3.5], numpy.float32)
    assert same(data.column("b"), [True, False, True])
    assert same(data.column("v"), [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert same(data.column("a.b"), [4, 5, 6])
    codes = {name: code(data.column, name) for name in list(columns)[6:]}
    assert codes == {
        "gap": "E0625", "text": "E0626", "kind": "E0626", "ragged": "E0623", "inner": "E0625", "day": "E0626",
    }  # fmt: skip
    parquet.write_table(arrow.table({"x": arrow.array([], arrow.float64())}), path)
    assert read_data(path).column("x").shape == (0,)
    whole = path.read_bytes()
    for end in (0, 3, len(whole) // 2, len(whole) - 1):
        assert code(read_data, file(tmp_path, "cut.parquet", whole[:end])) == "E0621"


# Binding --------------------------------------------------------------------------------------------------------------


def named(path: str = "a.csv", **columns: Any) -> Data:
    return Data(path, Columns({name: lambda v=value: numpy.asarray(v) for name, value in columns.items()}))


def alone(path: str, value: Any) -> Data:
    return Data(path, Columns({}), numpy.asarray(value))


def bound(*data: Data, inputs: str = "x y", binds: dict[str, str] | None = None, **others: Any) -> dict[str, Any]:
    found = bind(data, inputs.split(), binds or {}, **others)
    return {name: array.tolist() for name, array in found.items()}


def test_columns_go_to_the_inputs_of_their_names() -> None:
    assert bound(named(y=[1, 2], z=[3, 4], x=[5, 6])) == {"x": [5, 6], "y": [1, 2]}
    assert bound(named(**{"w₁": 1}), inputs="w1") == {"w1": 1}
    assert bound(named(x=1), named("b.csv", y=2)) == {"x": 1, "y": 2}
    assert bound() == {}


def test_columns_of_other_names() -> None:
    data = named(height=[1, 2], x=[3, 4], **{"a,b": [5, 6]})
    assert bound(data, binds={"y": "height"}) == {"x": [3, 4], "y": [1, 2]}
    assert bound(data, binds={"y": "x"}) == {"x": [3, 4], "y": [3, 4]}
    assert bound(data, binds={"x": "height"}) == {"x": [1, 2]}
    assert bound(data, binds={"y": "a,b"})["y"] == [5, 6]


def test_columns_side_by_side() -> None:
    data = named(a=[1, 2], b=[3, 4], c=[0.5, 1.5], v=[[1, 2], [3, 4]], short=[1], truth=[True, False])
    assert bound(data, binds={"x": "a, b,c"}) == {"x": [[1, 3, 0.5], [2, 4, 1.5]]}
    assert bound(named(a=1, b=2), binds={"x": "a,b"}) == {"x": [1, 2]}
    assert bound(data, binds={"x": "a,"}) == {"x": [[1], [2]]}
    assert code(lambda: bound(data, binds={"x": ",a"})) == "E0627"
    assert code(lambda: bound(data, binds={"x": "a,short"})) == "E0623"
    assert code(lambda: bound(data, binds={"x": "a,truth"})) == "E0626"
    assert code(lambda: bound(data, binds={"x": "a,nope"})) == "E0627"


def test_arrays_without_a_name() -> None:
    data = alone("points.npy", [1, 2])
    assert bound(data, inputs="x") == {"x": [1, 2]}
    assert bound(data, binds={"y": ""}) == {"y": [1, 2]}
    assert bound(data, binds={"y": "points"}) == {"y": [1, 2]}
    assert bound(data, given=["x"]) == {"y": [1, 2]}
    assert bound(data, defaulted=["x"]) == {"y": [1, 2]}
    assert bound(data, named(x=3)) == {"x": 3, "y": [1, 2]}
    assert bound(alone("y.npy", 1), alone("x.npy", 2)) == {"x": 2, "y": 1}
    assert code(lambda: bound(data)) == "E0630"
    assert code(lambda: bound(data, inputs="x", defaulted=["x"])) == "E0630"
    assert code(lambda: bound(data, data, inputs="x")) == "E0630"
    assert code(lambda: bound(data, data, binds={"x": ""})) == "E0629"
    assert code(lambda: bound(named(x=1), binds={"x": ""})) == "E0627"


def test_what_is_set_comes_before_data() -> None:
    assert bound(named(x=1, y=2), given=["x"]) == {"y": 2}
    assert code(lambda: bound(named(x=1, y=2), binds={"x": "y"}, given=["x"])) == "E0629"


def test_one_input_and_two_files() -> None:
    assert code(lambda: bound(named(x=1), named("b.csv", x=2))) == "E0629"
    assert code(lambda: bound(named(**{"w1": 1, "w₁": 2}), inputs="w1")) == "E0629"
    both = named(h=1), named("b.csv", h=2, k=3)
    assert code(lambda: bound(*both, binds={"x": "h"})) == "E0629"
    assert bound(both[1], named("c.csv", y=1), binds={"x": "h,k"}) == {"x": [2, 3], "y": 1}
    # A file that has them all is meant.
    assert bound(named(h=1, y=0), both[1], binds={"x": "h,k"}) == {"x": [2, 3], "y": 0}


def test_a_file_of_no_use_is_a_mistake() -> None:
    assert code(lambda: bound(named(z=1))) == "E0630"
    assert code(lambda: bound(named(x=1), named("b.csv"))) == "E0630"
    assert bound(named(x=1), given=["x"]) == {}


def test_columns_that_no_input_takes_are_not_read() -> None:
    def never() -> Any:
        raise AssertionError

    data = Data("a.csv", Columns({"x": lambda: numpy.ones(2), "z": never, "y": never}))
    assert bound(data, given=["y"]) == {"x": [1.0, 1.0]}


# Writing --------------------------------------------------------------------------------------------------------------

RESULTS: dict[str, Any] = {
    "L": 9.0, "n": 3, "ok": True, "none": numpy.zeros((2, 0)),
    "grad(L, ŷ)": numpy.array([[1.5, -0.0], [5e-324, 1e300]]),
    "file": numpy.array([float("inf"), float("nan"), -float("inf")]),
}  # fmt: skip


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_results_come_back(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    write_data(path, RESULTS)
    data = read_data(path)
    assert list(data.columns) == list(RESULTS)
    assert all(same(data.column(name), value) for name, value in RESULTS.items())
    before = path.read_bytes()
    write_data(path, RESULTS)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_numpy_reads_what_is_written(tmp_path: Path) -> None:
    write_data(tmp_path / "out.npz", RESULTS)
    with numpy.load(tmp_path / "out.npz") as found:
        assert list(found) == list(RESULTS)
        assert same(found["grad(L, ŷ)"], RESULTS["grad(L, ŷ)"])
    write_data(tmp_path / "out.json", {"x": numpy.array([1.0, float("nan")])})
    assert json.loads((tmp_path / "out.json").read_text()) == {"x": [1.0, "nan"]}


def test_results_that_cannot_be_written(tmp_path: Path) -> None:
    for path, wanted in ((tmp_path / "out.csv", "E0804"), (tmp_path / "none" / "out.npz", "E0803")):
        with pytest.raises(Error) as caught:
            write_data(path, {})
        assert caught.value.diagnostics[0].code == wanted
