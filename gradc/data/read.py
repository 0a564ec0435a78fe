"""Reading a data file of any kind, by its ending."""

from __future__ import annotations

import os
from pathlib import Path

from gradc.data import archives, lists, parquet, tables
from gradc.data.column import Data, fail
from gradc.data.space import check_space
from gradc.errors import CallError, CompileError
from gradc.files import decode, open_regular, unreadable

ENDINGS = (".npz", ".npy", ".json", ".csv", ".parquet")

# Bytes of memory that a byte of text takes on its way to an array: its characters, then numbers of Python's.
_TEXT = {".json": 8, ".csv": 3}


def read_data(path: str | os.PathLike[str], memory: int | None = None) -> Data:
    """The columns of a .npz, .json, .csv or .parquet file, or the array of a .npy file.

    What cannot be told from the file as a whole is told when a column is asked for. ``memory`` bounds the bytes that
    reading may take, by default to what the machine has left. Raises ``CallError``.
    """
    name = os.fspath(path)
    ending = Path(name).suffix.lower()
    if ending not in ENDINGS and not os.path.isdir(name):
        raise fail("E0620", f"cannot read data from `{name}`: the ending must be one of {', '.join(ENDINGS)}")
    try:
        return _read(name, ending, memory)
    except CompileError as problem:
        # Reading files is the same work for programs, whose mistakes these would be.
        raise CallError(problem.diagnostics) from None
    except MemoryError:
        raise fail("E0631", f"`{name}` needs more memory than there is") from None


def _read(name: str, ending: str, memory: int | None) -> Data:
    with open_regular(name, ENDINGS) as file:
        size = os.fstat(file.fileno()).st_size
        if ending == ".npz":
            return Data(name, archives.read_npz(file, name, memory))
        if ending == ".npy":
            columns, single = archives.read_npy(file, name, size, memory)
            return Data(name, columns, single)
        if ending == ".parquet":
            return Data(name, parquet.read(file, name, memory))
        check_space(size * _TEXT[ending], f"`{name}`", memory)
        try:
            content = file.read()
        except OSError as problem:
            raise unreadable(name, problem) from None
    source = decode(content, name)
    return Data(name, lists.read(source) if ending == ".json" else tables.read(source))
