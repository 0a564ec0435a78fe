"""``gradc explain``."""

from __future__ import annotations

from typing import Any

import click

from gradc.cli import program


@click.command(help=program.COMMANDS["explain"])
@program.FILE
@program.SET
@program.OF
@program.WRT
@program.LR
@click.option(
    "--level", "detail", type=click.Choice(["names", "ops"]), default="names", help="Names, or every operation. [names]"
)
@click.option("--paths", "count", type=click.IntRange(0), default=None, metavar="N", help="How many paths to list.")
@program.JSON
@program.COMPILING
@click.pass_context
def command(
    context: click.Context,
    /,
    file: str,
    settings: dict[str, Any],
    of: list[str] | None,
    wrt: list[str] | None,
    lr: float | None,
    detail: str,
    count: int | None,
    json: bool,
    **options: Any,
) -> None:
    """Explain derivatives."""
    raise NotImplementedError
