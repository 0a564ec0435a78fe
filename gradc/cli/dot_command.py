"""``gradc dot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gradc.cli import given, program

if TYPE_CHECKING:
    from gradc.model import Model


@click.command(help=program.COMMANDS["dot"])
@program.FILE
@click.option("-o", "target", metavar="OUT", help="A .svg, .png, .pdf, .dot or .gv file. [DOT text is printed]")
@given.data
@program.GRAD
@program.OF
@program.WRT
@click.option(
    "--level", "detail", type=click.Choice(["ops", "names"]), default="ops", help="Every operation, or names. [ops]"
)
@click.option("--paths", type=click.Choice(["all", "one", "none"]), help="Which paths from --wrt to colour.")
@click.option("--path", metavar="NAMES", callback=program.names, help="Colour the ways through these names.")
@click.option("--focus", metavar="NAME", help="Draw what is near this name only.")
@click.option("--depth", type=click.IntRange(0), metavar="N", help="How many steps away, with --focus.")
@click.option("--max-nodes", type=click.IntRange(1), metavar="N", help="How many nodes to draw at most.")
@click.option("--after", "stage", metavar="PASS", help="Draw the graph that this pass leaves.")
@click.option("--title", metavar="TEXT", help="A title for the picture.")
@program.COMPILING
@click.pass_context
def command(
    context: click.Context,
    /,
    file: str,
    target: str | None,
    settings: dict[str, Any],
    detail: str,
    max_nodes: int | None,
    stage: str | None,
    **options: Any,
) -> None:
    """Draw a graph."""
    from gradc.cli import show
    from gradc.explain import draw
    from gradc.files import check_target

    if target is not None:
        check_target(target, draw.ENDINGS, file)
    drawn = {key: options.pop(key) for key in ("grad", "of", "wrt", "paths", "path", "focus", "depth", "title")}
    if max_nodes is not None:
        drawn["max_nodes"] = max_nodes
    model = program.load(context, file, **options)
    settings = given.values(model, settings, **options)
    if stage is None and options["passes"] is None:
        drawn["optimize"] = options["level"]
    else:
        model = _left_by(model, stage, drawn.pop("grad"), drawn)
        drawn["caption"] = f"after {stage or options['passes']}"
    diagram = model.dot(level=detail, values=settings, **drawn)
    if target is None:
        show.write(str(diagram))
    else:
        diagram.save(target, file)


def _left_by(model: Model, stage: str | None, grad: bool, drawn: dict[str, Any]) -> Model:
    """A model of the graph that a pass leaves, or the last one of all."""
    from gradc.model import Model

    if grad:
        model = model.with_gradients(drawn.pop("of"), drawn.pop("wrt"))
    graphs = []
    program.after(model, stage or "all", lambda _, graph: graphs.append(graph))
    return Model(graphs[-1], model.options, (), model.sources)
