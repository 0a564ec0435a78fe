"""Parquet, through pyarrow, which is an extra; columns are read when they are asked for."""

from __future__ import annotations

from functools import partial
from typing import Any, BinaryIO

import numpy

from gradc.data.column import Array, Columns, Reader, fail
from gradc.data.space import check_space
from gradc.files import open_regular


def _library(path: str) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as problem:
        missing = (problem.name or "").partition(".")[0] == "pyarrow"
        reason = "needs the package pyarrow" if missing else f"needs pyarrow, which cannot be loaded: {problem}"
        raise fail("E0632", f"reading `{path}` {reason}", 'install it: pip install "gradc[parquet]"') from None
    return pyarrow


def read(file: BinaryIO, path: str, memory: int | None) -> Columns:
    """The columns of a Parquet file by name."""
    arrow = _library(path)
    found = _opened(arrow, file, path)
    names: list[str] = found.schema_arrow.names
    readers: dict[str, Reader] = {}
    for at, name in enumerate(names):
        if name in readers:
            raise fail("E0628", f"`{path}` has two columns `{name}`")
        kind = found.schema_arrow.field(at).type
        readers[name] = partial(_column, path, name, kind, memory)
    return Columns(readers)


def _opened(arrow: Any, file: BinaryIO, path: str) -> Any:
    try:
        return arrow.parquet.ParquetFile(file)
    except (arrow.ArrowException, OSError, ValueError) as problem:
        raise _damaged(f"`{path}`", problem) from None


def _damaged(what: str, problem: Exception) -> Exception:
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    reason = lines[0][:1].lower() + lines[0][1:].rstrip(".")
    return fail("E0621", f"{what} cannot be read: {reason}", "it may be cut off: write or copy it again")


def _column(path: str, name: str, kind: Any, memory: int | None) -> Array:
    arrow = _library(path)
    what = f"the column `{name}` of `{path}`"
    with open_regular(path) as handle:
        file = _opened(arrow, handle, path)
        check_space(file.metadata.num_rows * 8, what, memory)
        at = file.schema_arrow.get_field_index(name)
        try:
            table = file.read(columns=[name])
            # A dot in a name would choose a field of a record.
            chunked = table.column(0) if table.num_columns == 1 else file.read().column(at)
            return _array(arrow, chunked, name, path)
        except (arrow.ArrowException, OSError, ValueError) as problem:
            raise _damaged(what, problem) from None


def _array(arrow: Any, chunked: Any, name: str, path: str) -> Array:
    kinds = arrow.types
    shape = [len(chunked)]
    column = chunked.combine_chunks()
    if isinstance(column, arrow.ChunkedArray):
        # Of no chunk at all, or of more than fit one.
        column = arrow.concat_arrays(column.chunks) if column.num_chunks else arrow.array([], type=column.type)
    _complete(column, name, path)
    # Lists of one length are the rows of an array.
    while kinds.is_list(column.type) or kinds.is_large_list(column.type) or kinds.is_fixed_size_list(column.type):
        rows = len(column)
        inner = column.flatten()
        lengths = set(column.value_lengths().to_pylist()) if rows else {0}
        if len(lengths) > 1:
            listed = " and ".join(map(str, sorted(lengths)[:2]))
            raise fail("E0623", f"the lists in the column `{name}` of `{path}` have {listed} entries")
        shape.append(lengths.pop())
        column = inner
        _complete(column, name, path)
    if kinds.is_decimal(column.type):
        column = column.cast(arrow.float64())
    array: Array = numpy.asarray(column.to_numpy(zero_copy_only=False))
    if kinds.is_string(column.type) or kinds.is_large_string(column.type) or kinds.is_dictionary(column.type):
        raise fail("E0626", f"the column `{name}` of `{path}` holds text, not numbers")
    return array.reshape(shape)


def _complete(column: Any, name: str, path: str) -> None:
    if column.null_count:
        row = column.is_null().index(True).as_py() + 1
        some = f"{column.null_count:,} of {len(column):,} rows" if column.null_count > 1 else f"row {row:,}"
        raise fail(
            "E0625",
            f"the column `{name}` of `{path}` has no value in {some}",
            "leave the rows out, or fill in numbers; NaN is one",
        )
