"""Writing results: whole files or none."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy

from gradc.data.archives import write_npz
from gradc.files import check_target, write_through
from gradc.plain import plain

TARGETS = (".npz", ".json")


def write_data(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Write numbers and arrays by name, as a .npz archive or a .json object by the file's ending.

    ``read_data`` gives them back; in JSON, numbers that it lacks are the strings "nan", "inf" and "-inf". Raises
    ``CompileError`` (a ``gradc.Error``) if the file cannot be written.
    """
    target = check_target(os.fspath(path), TARGETS)
    if target.suffix.lower() == ".npz":
        arrays = {name: numpy.asarray(value) for name, value in values.items()}
        write_through(target, lambda file: write_npz(file, arrays))
        return

    def fill(file: BinaryIO) -> None:
        text = json.dumps(plain(dict(values)), ensure_ascii=False, allow_nan=False)
        file.write(f"{text}\n".encode())

    write_through(target, fill)
