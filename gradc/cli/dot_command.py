"""``gradc dot``."""

from __future__ import annotations

from typing import Any

import click

from gradc.cli import program

ENDINGS = (".svg", ".png", ".pdf", ".dot", ".gv")


@click.command(help=program.COMMANDS["dot"])
@program.FILE
@click.option("-o", "target", metavar="OUT", help="A .svg, .png, .pdf, .dot or .gv file. [default: DOT text is printed]")
@program.SET
@program.GRAD
@program.OF
@program.WRT
@click.option(
    "--level", "detail", type=click.Choice(["ops", "names"]), default="ops", help="Every operation, or names only. [ops]"
)
@click.option("--path", metavar="NAMES", help="Highlight the path through these names, as in 'w2,a,yhat,L'.")
@click.option("--paths-from", metavar="NAME", help="Highlight all paths that leave this name.")
@click.option("--focus", metavar="NAME", help="Draw what is near this name only.")
@click.option("--depth", type=click.IntRange(0), default=None, metavar="N", help="How near, in steps, with --focus.")
@program.COMPILING
@click.pass_context
def command(context: click.Context, /, file: str, **options: Any) -> None:
    """Draw a graph."""
    raise NotImplementedError
