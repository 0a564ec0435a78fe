"""``gradc run``."""

from __future__ import annotations

from typing import Any

import click

from gradc.cli import given, program
from gradc.cli.report import as_json


@click.command(help=program.COMMANDS["run"])
@program.FILE
@given.data
@given.OUT
@given.DEBUG_NANS
@program.JSON
@program.COMPILING
@program.WATCHING
@click.pass_context
def command(
    context: click.Context,
    /,
    file: str,
    settings: dict[str, Any],
    out: str | None,
    json: bool,
    **options: Any,
) -> None:
    """Run the program."""
    import sys

    from gradc.cli import show

    given.check_out(out, file, options["data"])
    model = program.load(context, file, **options)
    program.watch(model, **options)
    values = model(given.values(model, settings, **options))
    if out is not None:
        from gradc.data import write_data

        write_data(out, values)
    if json:
        show.write(as_json({"outputs": dict(values)}, sys.stdout))
        return
    if not values:
        show.write("the program has no outputs")
        return
    texts = show.values(list(values.values()), model.options.dtype)
    show.write(show.table(list(zip(values, texts, strict=True)), styles=("bold",)))
