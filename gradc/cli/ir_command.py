"""``gradc ir``."""

from __future__ import annotations

from typing import Any

import click

from gradc.cli import program


@click.command(help=program.COMMANDS["ir"])
@program.FILE
@program.GRAD
@program.OF
@program.WRT
@click.option("--as-written", is_flag=True, help="Print the graph as written, before any pass.")
@program.COMPILING
@program.WATCHING
@click.pass_context
def command(
    context: click.Context,
    /,
    file: str,
    grad: bool,
    of: list[str] | None,
    wrt: list[str] | None,
    as_written: bool,
    **options: Any,
) -> None:
    """Print a graph."""
    from gradc.cli import show
    from gradc.ir import text

    model = program.load(context, file, **options)
    if grad or of or wrt:
        model = model.with_gradients(of, wrt)
    program.watch(model, **options)
    graph = model.graph if as_written else model.optimized()
    show.write(f"# {described(file, as_written, **options)}\n{text.dump(graph)}")


def described(file: str, as_written: bool, *, level: int | None, passes: str | None, **options: Any) -> str:
    """Which graph of the program is shown, in words."""
    name = "".join(char if char.isprintable() else "?" for char in file)
    if as_written:
        return f"{name}, as written"
    return f"{name}, after {passes}" if passes else f"{name}, optimised at -O{2 if level is None else level}"
