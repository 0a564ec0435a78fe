"""``gradc run``."""

from __future__ import annotations

from typing import Any

import click

from gradc.cli import program
from gradc.cli.report import as_json


@click.command(help=program.COMMANDS["run"])
@program.FILE
@program.SET
@program.JSON
@program.COMPILING
@program.WATCHING
@click.pass_context
def command(context: click.Context, /, file: str, settings: dict[str, Any], json: bool, **options: Any) -> None:
    """Run the program."""
    import sys

    from gradc.cli import show

    model = program.load(context, file, **options)
    program.watch(model, **options)
    values = model(settings)
    if json:
        show.write(as_json({"outputs": dict(values)}, sys.stdout))
        return
    if not values:
        show.write("the program has no outputs")
        return
    dtype = model.options.dtype
    numbers = show.aligned([show.number(value, dtype) for value in values.values()])
    show.write(show.table(list(zip(values, numbers, strict=True)), styles=("bold",)))
