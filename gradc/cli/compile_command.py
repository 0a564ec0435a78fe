"""``gradc compile``."""

from __future__ import annotations

from typing import Any

import click

from gradc.cli import program
from gradc.cli.report import as_json


@click.command(help=program.COMMANDS["compile"])
@program.FILE
@click.option("-o", "target", metavar="OUT.gir", help="Write the optimised graph here; without it only check.")
@program.GRAD
@program.OF
@program.WRT
@program.JSON
@program.COMPILING
@program.WATCHING
@click.pass_context
def command(
    context: click.Context,
    /,
    file: str,
    target: str | None,
    grad: bool,
    of: list[str] | None,
    wrt: list[str] | None,
    json: bool,
    **options: Any,
) -> None:
    """Check, differentiate, optimise, write."""
    import sys

    from gradc.cli import show
    from gradc.files import check_target, write
    from gradc.ir import text

    # A target that cannot be written is told before the work is done.
    path = None if target is None else check_target(target, (".gir",), file)
    model = program.load(context, file, **options)
    if grad or of or wrt:
        model = model.with_gradients(of, wrt)
    program.watch(model, **options)
    graph = model.optimized()
    if path is not None:
        write(path, text.dump(graph).encode())
    if json:
        found = {"inputs": model.inputs, "params": model.params, "outputs": model.outputs, "operations": len(graph)}
        show.write(as_json({**found, "written": target}, sys.stdout))
