"""Finding the files that the compiler reads at run time: grammars, rule files, help pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_PACKAGE = Path(__file__).parent


def package_file(name: str) -> Traversable:
    """The file ``name`` (a relative path with ``/``) inside the package, which may lie in a zip archive."""
    path = _PACKAGE / name
    if path.is_file():
        return path
    # Only an archive needs the machinery of importlib.resources, which costs more to import than the whole parser.
    from importlib.resources import files

    return files("gradc").joinpath(*name.split("/"))


def grammar(name: str) -> Traversable:
    """The file ``grammar/<name>``: inside the package in a wheel, beside it in a repository."""
    beside = _PACKAGE.parent / "grammar" / name
    if (_PACKAGE.parent / "pyproject.toml").is_file() and beside.is_file():
        return beside
    return package_file(f"grammar/{name}")
