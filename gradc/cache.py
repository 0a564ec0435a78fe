"""What is computed once and kept on disk: parse tables, in a folder of the user's own.

A cache never fails: what cannot be read, is damaged or cannot be written is computed again, in silence. Entries are
pickles, so they are read only from a folder that nobody else can write to, and only if their digest holds.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradc
from gradc import resources

if TYPE_CHECKING:
    from lark import Lark


def folder() -> Path | None:
    """The cache folder, not necessarily there yet: ``GRADC_CACHE_DIR``, or gradc's part of the user's cache folder.

    None where there is no place of the user's own, or where ``GRADC_CACHE_DIR`` is set to nothing.
    """
    chosen = os.environ.get("GRADC_CACHE_DIR")
    if chosen is not None:
        return Path(chosen).absolute() if chosen else None
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local, "gradc", "cache") if local else None
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return Path(base, "gradc")
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return Path(home, "Library", "Caches", "gradc") if sys.platform == "darwin" else Path(home, ".cache", "gradc")


def _private(path: Path) -> bool:
    """Whether the folder is the user's and nobody else can write to it."""
    if sys.platform == "win32":
        return path.is_dir()
    status = os.stat(path)
    return path.is_dir() and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def read(key: str) -> bytes | None:
    """The entry ``key``, or None if there is none that can be trusted."""
    place = folder()
    try:
        if place is None or not _private(place):
            return None
        data = (place / key).read_bytes()
    except (OSError, ValueError):
        return None
    digest, content = data[:32], data[32:]
    return content if hashlib.sha256(content).digest() == digest else None


def write(key: str, content: bytes) -> None:
    """Keep ``content`` as the entry ``key``, whole or not at all."""
    place = folder()
    if place is None:
        return
    try:
        if not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(mode=0o700, exist_ok=True)
        if not _private(place):
            return
        handle, name = tempfile.mkstemp(prefix=".new-", dir=place)
        try:
            with open(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            os.replace(name, place / key)
        except BaseException:
            os.unlink(name)
            raise
    except (OSError, ValueError):
        return


def lark(grammar: str, *, start: list[str], **options: Any) -> Lark:
    """The LALR parser of ``grammar/<grammar>``, its tables read from the cache where they are there.

    ``options`` are objects (``transformer``, ``postlex``) that are handed to Lark at every start and not kept.
    This is not Lark's own ``cache`` option, which writes in place and unpickles whatever it finds.
    """
    import lark as library

    text = resources.grammar(grammar).read_text("utf-8")
    versions = (library.__version__, gradc.__version__, sys.version_info[:2], start)
    key = f"{grammar}-{hashlib.sha256((repr(versions) + text).encode()).hexdigest()[:32]}"
    content = read(key)
    if content is not None:
        try:
            parser = library.Lark.__new__(library.Lark)
            return parser._load(io.BytesIO(content), **options)
        except Exception:
            # Whatever another version of something left there: the tables are computed again.
            pass
    parser = library.Lark(text, parser="lalr", lexer="contextual", start=start, **options)
    stream = io.BytesIO()
    parser.save(stream, tuple(options))
    write(key, stream.getvalue())
    return parser
