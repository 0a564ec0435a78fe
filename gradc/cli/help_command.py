"""``gradc help``."""

from __future__ import annotations

import click

from gradc.cli import program


@click.command(help=program.COMMANDS["help"])
@click.argument("topic", required=False)
@click.pass_context
def command(context: click.Context, /, topic: str | None) -> None:
    """Print a page."""
    from gradc.cli import show, topics
    from gradc.errors import CallError, Diagnostic

    if topic is None:
        show.write(topics.index())
        return
    if topic in program.COMMANDS and context.parent is not None:
        group = context.parent.command
        assert isinstance(group, click.Group)
        chosen = group.get_command(context, topic)
        assert chosen is not None
        with click.Context(chosen, info_name=topic, parent=context.parent) as inner:
            show.write(chosen.get_help(inner))
        # `grad` is a function of the language as well.
        if (text := topics.page(topic)) is not None:
            show.write(f"\n{text}")
        return
    text = topics.page(topic)
    if text is None:
        near = topics.similar(topic)
        hints = (f"similar topics: {', '.join(f'`{each}`' for each in near)}",) if near else ()
        raise CallError(
            Diagnostic("E0808", f"there is no help on `{topic}`", hints=(*hints, "`gradc help` lists the topics"))
        )
    show.write(text)
