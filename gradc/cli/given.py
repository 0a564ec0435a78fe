"""What a call gives to a program: ``--set``, ``--data``, ``--bind``, and the room that it may take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gradc.model import Model

_NUMBER = re.compile(r"[+-]?(?:(?:\d(?:_?\d)*)(?:\.(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?")
_SPECIAL = re.compile(r"[+-]?(?:inf|nan)")
_INTEGER = re.compile(r"[+-]?\d(?:_?\d)*")


def _parts(value: str, wanted: str) -> tuple[str, str]:
    name, equals, text = value.partition("=")
    if not equals or not name.strip():
        raise click.BadParameter(f"`{value}` is not of the form `{wanted}`")
    return name.strip(), text.strip()


def _shown(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


class _Setting(click.ParamType[tuple[str, Any]]):
    """``name=value``."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        name, text = _parts(str(value), "name=value")
        if text in ("true", "false"):
            return name, text == "true"
        if len(text) <= 400 and _INTEGER.fullmatch(text):
            return name, int(text)
        if _NUMBER.fullmatch(text) or _SPECIAL.fullmatch(text):
            return name, float(text)
        if text.startswith("["):
            return name, _array(name, text)
        wanted = "a number such as 3, 0.5, 1e-3, inf or nan, one of true and false, or a list such as [1, 2.5]"
        self.fail(f"`{_shown(text)}` is not a value for `{name}`; expected {wanted}", param, ctx)


# Words for numbers that JSON lacks, unless they stand in quotes already.
_WORDS = {"nan": "NaN", "inf": "Infinity"}
_WORD = re.compile(r'(?<![\w"])(?:nan|inf)(?![\w"])')


def _array(name: str, text: str) -> Any:
    import json

    from gradc.data.lists import array

    try:
        value = json.loads(_WORD.sub(lambda word: _WORDS[word[0]], text))
    except (ValueError, RecursionError) as problem:
        where = f", at character {problem.colno}" if isinstance(problem, json.JSONDecodeError) else ""
        raise click.BadParameter(f"`{_shown(text)}` for `{name}` is not a list in JSON{where}") from None
    return array(value, f"`{name}`", "`--set`")


def distinct(context: click.Context, parameter: click.Parameter, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of an option that may be repeated, each name once."""
    from gradc.source import canonical

    values: dict[str, Any] = {}
    known: set[str] = set()
    for name, value in pairs:
        if canonical(name) in known:
            raise click.UsageError(f"`{parameter.opts[0]}` gives `{name}` twice", context)
        known.add(canonical(name))
        values[name] = value
    return values


class _Binding(click.ParamType[tuple[str, str]]):
    """``name=column``."""

    name = "name=column"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        return value if isinstance(value, tuple) else _parts(str(value), self.name)


_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_UNITS |= {"KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30, "TI": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([KMGT]I?)?B?", re.ASCII | re.IGNORECASE)


class _Bytes(click.ParamType[int]):
    """A number of bytes, such as ``500MB``, ``4GB`` or ``2GiB``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if match is None or len(match[1]) > 40:
            self.fail(f"`{_shown(str(value))}` is not an amount of memory such as 500MB, 4GB or 2GiB", param, ctx)
        return int(float(match[1]) * _UNITS[(match[2] or "").upper()])


class _Extent(click.ParamType[tuple[str, int]]):
    """``name=integer``."""

    name = "name=int"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        name, text = _parts(str(value), "name=integer")
        if len(text) > 40 or not _INTEGER.fullmatch(text) or not 0 <= int(text) < 2**63:
            self.fail(f"`{_shown(text)}` is not a size for `{name}`; expected an integer from 0 on", param, ctx)
        return name, int(text)


SIZE = click.option(
    "--size",
    "sizes",
    type=_Extent(),
    multiple=True,
    callback=distinct,
    help="Compile for this value of a size; may be repeated.",
)
SET = click.option(
    "settings", "--set", type=_Setting(), multiple=True, callback=distinct, help="Value of an input; may be repeated."
)
_DATA = click.option(
    "--data", metavar="FILE", multiple=True, help="Inputs from a .npz, .npy, .json, .csv or .parquet file; repeatable."
)
_BIND = click.option(
    "--bind",
    metavar="NAME=COLUMN",
    type=_Binding(),
    multiple=True,
    callback=distinct,
    help="Take an input from a column of another name, or from several: X=a,b,c.",
)
_MEMORY = click.option(
    "--max-memory", metavar="SIZE", type=_Bytes(), help="Memory that may be used, as in 4GB. [what is left]"
)
_ITERATIONS = click.option(
    "--max-iterations", metavar="N", type=click.IntRange(min=0), help="Steps that a loop may make. [10000000]"
)
_CHECKPOINT = click.option(
    "--checkpoint",
    metavar="N",
    type=click.IntRange(min=0),
    help="Steps of each loop that derivatives keep, 0 for a number that suits it; the others are computed again. [all]",
)
DEBUG_NANS = click.option("--debug-nans", is_flag=True, help="Stop at the first operation that makes a NaN.")
OUT = click.option("--out", metavar="FILE", help="Also write the results to a .npz or .json file.")


def data(command: Any) -> Any:
    """The options that give values to a program."""
    for option in (_CHECKPOINT, _ITERATIONS, _MEMORY, _BIND, _DATA, SET):
        command = option(command)
    return command


def values(
    model: Model,
    settings: dict[str, Any],
    *,
    data: Sequence[str],
    bind: dict[str, str],
    max_memory: int | None,
    **_: Any,
) -> dict[str, Any]:
    """The values for the inputs of a model, from the arguments and from files; raises ``CallError``."""
    if not data and not bind:
        return settings
    from gradc import data as files

    read = [files.read_data(path, max_memory) for path in data]
    graph = model.graph
    defaulted = [graph.name(node) or "" for node in graph.inputs if graph.attrs(node).get("default") is not None]
    found = files.bind(read, model.inputs, bind, tuple(settings), defaulted)
    return {**found, **settings}


def check_out(out: str | None, file: str, data: Sequence[str]) -> None:
    """Raise a diagnostic for a file of results that cannot be written, before any work is done."""
    if out is not None:
        from gradc.data import TARGETS
        from gradc.files import check_target

        for source in (file, *data):
            check_target(out, TARGETS, source)
