"""Results as a person likes to read them: short numbers, aligned tables."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

Row = Sequence[str]


def number(value: Any, dtype: str = "f64") -> str:
    """The shortest text that stands for exactly this number: 9, -24, 0.1, 1e-300."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if value - value != 0.0:
        return str(value)
    if value == int(value) and abs(value) < 1e16:
        return f"{value:.0f}"
    if dtype == "f32":
        import numpy

        return repr(float(str(numpy.float32(value))))
    return repr(value)


def values(found: Sequence[Any], dtype: str = "f64") -> list[str]:
    """Numbers padded so that their points stand in one column, and arrays between them, of several lines perhaps."""
    scalar = [not _is_array(value) for value in found]
    numbers = iter(aligned([number(value, dtype) for value, one in zip(found, scalar, strict=True) if one]))
    return [next(numbers) if one else array(value, dtype) for value, one in zip(found, scalar, strict=True)]


def array(value: Any, dtype: str = "f64") -> str:
    """A small array whole, a row a line; a large one as its range and mean."""
    from gradc import arraytext

    if not arraytext.is_small(value):
        return arraytext.summary(value)
    return "\n".join(arraytext.whole(value, lambda entry: number(entry, dtype), aligned))


def line(value: Any, dtype: str = "f64") -> str:
    """A value in one line."""
    if not _is_array(value):
        return number(value, dtype)
    from gradc import arraytext

    text = array(value, dtype)
    return arraytext.summary(value) if "\n" in text else text


def _is_array(value: Any) -> bool:
    return getattr(value, "ndim", 0) > 0


def aligned(numbers: Sequence[str]) -> list[str]:
    """The numbers padded so that their points stand in one column."""
    heads = [len(text.partition("e")[0].partition(".")[0]) for text in numbers]
    head = max(heads, default=0)
    padded = [" " * (head - before) + text for text, before in zip(numbers, heads, strict=True)]
    width = max(map(len, padded), default=0)
    return [text.ljust(width) for text in padded]


def table(rows: Sequence[Row | None], *, head: Row | None = None, styles: Sequence[str] = ()) -> str:
    """Rows as a table without lines, in colour on a terminal; None makes an empty row."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from gradc.cli.report import coloured

    grid = Table(box=None, show_header=head is not None, pad_edge=True, header_style="dim", padding=(0, 2))
    for at in range(max(len(row) for row in [head or (), *rows] if row is not None)):
        style = styles[at] if at < len(styles) else ""
        grid.add_column(head[at] if head and at < len(head) else "", style=style, no_wrap=True, overflow="ignore")
    for row in rows:
        grid.add_row(*map(Text, row or ("",)))
    color = coloured(sys.stdout)
    width = max((sum(map(len, row)) + 8 * len(row) for row in [*rows, head] if row), default=80)
    text = StringIO()
    console = Console(
        file=text,
        width=max(width, 20),
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
        _environ=dict(os.environ),
    )
    console.print(grid, highlight=False, crop=False, no_wrap=True)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def write(text: str) -> None:
    """Print on standard output."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
