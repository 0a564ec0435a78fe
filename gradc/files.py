"""Reading programs and writing results: whole files or none, and a diagnostic for whatever goes wrong."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gradc.errors import CompileError, Diagnostic, located, suggestion
from gradc.limits import DEFAULT, Limits
from gradc.source import Source


def _fail(code: str, message: str, *hints: str) -> CompileError:
    return CompileError(Diagnostic(code, message, hints=hints))


def read_bytes(path: str | os.PathLike[str], limits: Limits = DEFAULT) -> bytes:
    """The bytes of a regular file, or of standard input for ``-``."""
    name = os.fspath(path)
    if name == "-":
        data = sys.stdin.buffer.read(limits.source_bytes + 1)
        return _bounded("standard input", data, limits)
    with open_regular(name) as file:
        try:
            return _bounded(f"`{name}`", file.read(limits.source_bytes + 1), limits)
        except OSError as problem:
            raise unreadable(name, problem) from None


PROGRAMS = (".grad", ".gir")


def open_regular(path: str | os.PathLike[str], endings: tuple[str, ...] = PROGRAMS) -> BinaryIO:
    """A regular file, open for reading; ``endings`` are those of the files that may have been meant instead."""
    name = os.fspath(path)
    handle = None
    try:
        # A pipe or a device would block or never end, so the kind is asked before anything is opened for reading.
        handle = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        mode = os.fstat(handle).st_mode
        if stat.S_ISREG(mode):
            return open(handle, "rb")
        os.close(handle)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError
    except IsADirectoryError:
        wanted = "`.grad`" if endings == PROGRAMS else "data"
        raise _fail("E0801", f"cannot read `{name}`: it is a folder", f"name a {wanted} file in it") from None
    except FileNotFoundError:
        raise _fail("E0801", f"cannot read `{name}`: there is no such file", *_neighbours(name, endings)) from None
    except (OSError, ValueError) as problem:
        raise unreadable(name, problem) from None
    advice = ("pipe it in and read `-`",) if endings == PROGRAMS else ()
    raise _fail("E0801", f"cannot read `{name}`: it is not a regular file", *advice)


def unreadable(name: str, problem: Exception) -> CompileError:
    """The diagnostic for a file that the system will not read."""
    reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    return _fail("E0801", f"cannot read `{name}`: {reason.lower()}")


def _neighbours(name: str, endings: tuple[str, ...]) -> tuple[str, ...]:
    folder = Path(name).parent
    try:
        files = [entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(endings)]
    except (OSError, ValueError):
        return (f"there is no folder `{folder}` either",)
    return suggestion(Path(name).name, files[:1000])


def _bounded(name: str, data: bytes, limits: Limits) -> bytes:
    if len(data) > limits.source_bytes:
        raise _fail("E0701", f"{name} is larger than {limits.source_bytes:,} bytes")
    return data


def decode(data: bytes, name: str) -> Source:
    """The source in ``data``, which is UTF-8; a byte order mark is dropped and every line end becomes ``\\n``."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The error's offsets count from behind the byte order mark, as its object does.
        before = _unix(error.object[: error.start].decode("utf-8", "replace"))
        broken = Source(name, _unix(error.object.decode("utf-8", "replace")))
        hints = ["save the file as UTF-8"]
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            hints = ["this looks like UTF-16: save the file as UTF-8"]
        place = error.start + len(data) - len(error.object)
        message = f"the text is not UTF-8: byte 0x{error.object[error.start]:02X} at offset {place}"
        found = located("E0105", message, broken, len(before), len(before) + 1, "cannot be decoded", hints)
        raise CompileError(found) from None
    return from_text(text, name)


def from_text(text: str, name: str) -> Source:
    """The source with this text; a byte order mark is dropped and every line end becomes ``\\n``."""
    return Source(name, _unix(text.removeprefix("\ufeff")))


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def read_source(path: str | os.PathLike[str], limits: Limits = DEFAULT) -> Source:
    """The text of a file, or of standard input for ``-``, decoded."""
    name = os.fspath(path)
    return decode(read_bytes(path, limits), "<stdin>" if name == "-" else name)


@dataclass(frozen=True)
class Folder:
    """Where ``use`` may read: the tree below the program's own folder, and trees that the caller allows besides.

    ``root`` is None for a program that came from no file (standard input, a text): it cannot use files unless the
    caller allows a folder, which then serves as the place that its paths are relative to.
    """

    root: Path | None
    allowed: tuple[Path, ...] = ()

    def base(self, source: Source) -> Path | None:
        """The folder that paths in ``source`` are relative to."""
        if self.root is None:
            return self.allowed[0] if self.allowed else None
        return Path(source.name).parent

    def contains(self, path: Path) -> bool:
        """Whether the path lies in a readable tree, by its spelling and by where links lead."""
        trees = [tree for tree in (self.root, *self.allowed) if tree is not None]
        spelled = Path(os.path.normpath(Path.cwd() / path))
        try:
            real = path.resolve()
        except (OSError, RuntimeError):
            return False
        for tree in trees:
            top = Path(os.path.normpath(Path.cwd() / tree))
            if spelled.is_relative_to(top) and real.is_relative_to(top.resolve()):
                return True
        return False

    def linked(self, path: Path) -> bool:
        """Whether a link stands between a readable tree and the file."""
        trees = [Path(os.path.normpath(Path.cwd() / tree)) for tree in (self.root, *self.allowed) if tree is not None]
        spelled = Path(os.path.normpath(Path.cwd() / path))
        for tree in trees:
            if spelled.is_relative_to(tree):
                steps = spelled.relative_to(tree).parts
                # os.path, unlike pathlib, takes a name that no file can have for one that there is not.
                return any(os.path.islink(tree.joinpath(*steps[: i + 1])) for i in range(len(steps)))
        return False


def check_target(path: str, endings: Iterable[str], source: str | None = None) -> Path:
    """The path of a file to be written, after the checks that can be made before any work is done.

    ``endings`` are those that can be written; ``source`` is the input file, which is never overwritten.
    """
    target = Path(path)
    known = list(endings)
    if target.suffix.lower() not in known:
        listed = ", ".join(known)
        raise _fail("E0804", f"cannot write `{path}`: the ending must be one of {listed}")
    if source is not None and source != "-":
        try:
            same = os.path.exists(target) and os.path.samefile(target, source)
        except OSError:
            same = False
        if same:
            raise _fail("E0805", f"`{path}` is the input file and would be overwritten", "choose another name")
    if os.path.isdir(target):
        raise _fail("E0803", f"cannot write `{path}`: it is a folder")
    if not os.path.isdir(target.parent):
        raise _fail("E0803", f"cannot write `{path}`: there is no folder `{target.parent}`")
    return target


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: into a temporary file beside it, which then takes its name."""
    write_through(path, lambda file: file.write(data))


def write_through(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all; ``fill`` writes what it is to hold, bit by bit where that is much."""
    name = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with open(handle, "wb") as file:
            fill(file)
            file.flush()
        os.chmod(name, _mode(path))
        os.replace(name, path)
    except (OSError, ValueError) as problem:
        _discard(name)
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:
            reason = "no space left on the device"
        raise _fail("E0803", f"cannot write `{path}`: {reason.lower()}") from None
    except BaseException:
        _discard(name)
        raise


def _discard(name: str | None) -> None:
    if name is not None:
        try:
            os.unlink(name)
        except OSError:
            return


def _mode(path: Path) -> int:
    """The permissions that the file has, or that a new file would get."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
