"""NumPy's own files: .npy holds one array, .npz is an archive of them. Nothing in them is ever unpickled."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, BinaryIO

import numpy
from numpy.lib import format as npy

from gradc.data.column import Array, Columns, Reader, fail
from gradc.data.space import check_space
from gradc.errors import Error
from gradc.files import open_regular


def read_npy(file: BinaryIO, path: str, size: int, memory: int | None) -> tuple[Columns, Array | None]:
    """The array of a .npy file; the fields of an array of records are columns."""
    array = _array(file, f"`{path}`", size, memory)
    names = array.dtype.names
    if names:
        return Columns({name: partial(array.__getitem__, name) for name in names}), None
    return Columns({}), array


def read_npz(file: BinaryIO, path: str, memory: int | None) -> Columns:
    """The members of a .npz archive by name, each read when it is asked for."""
    with _damage(f"`{path}`"), zipfile.ZipFile(file) as archive:
        members = [info.filename for info in archive.infolist() if info.filename.endswith(".npy")]
    readers: dict[str, Reader] = {}
    for member in members:
        name = member.removesuffix(".npy")
        if name in readers:
            raise fail("E0628", f"`{path}` has two members `{name}`")
        readers[name] = partial(_member, path, member, memory)
    return Columns(readers)


def _member(path: str, member: str, memory: int | None) -> Array:
    what = f"the member `{member.removesuffix('.npy')}` of `{path}`"
    with open_regular(path) as file, _damage(what), zipfile.ZipFile(file) as archive:
        info = archive.getinfo(member)
        with archive.open(info) as stream:
            return _array(stream, what, info.file_size, memory)


@contextmanager
def _damage(what: str) -> Iterator[None]:
    """Turns whatever the libraries say about broken bytes into a diagnostic."""
    try:
        yield
    except (Error, MemoryError):
        raise
    except Exception as problem:
        # A dozen kinds of exceptions come out of zipfile, zlib and the reader of NumPy's headers, which tokenises them.
        raise _damaged(what, _reason(problem)) from None


def _reason(problem: Exception) -> str:
    text = " ".join(str(problem).split())
    # NumPy names the exception in its text.
    text = text.removeprefix("EOF: ").rstrip(".")
    if " object at 0x" in text:
        # What Python says of an expression in the place of a header.
        return "its header describes no array"
    return text[:1].lower() + text[1:] or "it ends too early"


def _damaged(what: str, reason: str) -> Exception:
    hint = "it may be cut off: write or copy it again"
    return fail("E0621", f"{what} cannot be read: {reason}", hint)


_HEADERS: dict[tuple[int, int], Any] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


def _array(stream: IO[bytes], what: str, size: int, memory: int | None) -> Array:
    """An array in NumPy's format, after the header has been held against the bytes that there are."""
    with _damage(what):
        magic = stream.read(6)
        if magic != b"\x93NUMPY":
            raise _damaged(what, "it does not begin as a NumPy array does" if magic else "it is empty")
        stream.seek(0)
        version = npy.read_magic(stream)
        # The later version differs in that names of fields may be any text.
        shape, _, dtype = _HEADERS.get(version, npy.read_array_header_2_0)(stream)
        if dtype.hasobject:
            raise fail("E0626", f"{what} holds Python objects, which are never loaded", "save an array of numbers")
        needed = math.prod(shape) * dtype.itemsize
        there = size - stream.tell()
        if needed > there:
            raise _damaged(what, f"{needed:,} bytes of numbers are announced, and {max(there, 0):,} are there")
        check_space(needed, what, memory)
        stream.seek(0)
        array: Array = npy.read_array(stream, allow_pickle=False)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="), copy=False)


def write_npz(file: BinaryIO, arrays: dict[str, Array]) -> None:
    """Write arrays as members of a .npz archive; equal arrays make equal bytes.

    numpy.savez would put the time of day into the archive, and takes no array of the name ``file``.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as stream:
                npy.write_array(stream, numpy.asanyarray(array), allow_pickle=False)
