"""``gradc explain``."""

from __future__ import annotations

from typing import Any

import click

from gradc.cli import given, program


@click.command(help=program.COMMANDS["explain"])
@program.FILE
@given.data
@program.OF
@program.WRT
@program.LR
@click.option(
    "--level", "detail", type=click.Choice(["names", "ops"]), default="names", help="Names, or every operation. [names]"
)
@click.option("--paths", "count", type=click.IntRange(0), default=None, metavar="N", help="How many paths to list.")
@click.option("--trace", "loop", metavar="NAME", help="Show the iterations of the loop that NAME comes from instead.")
@click.option("--sparsity", is_flag=True, help="Show where derivatives can be other than 0.")
@click.option(
    "--order",
    type=click.IntRange(1, 2),
    default=None,
    help="With --sparsity: the Jacobian, or the Hessian. [of arrays 1, of numbers 2]",
)
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
    loop: str | None,
    sparsity: bool,
    order: int | None,
    json: bool,
    **options: Any,
) -> None:
    """Explain derivatives."""
    import sys

    from gradc.cli import show
    from gradc.cli.report import as_json

    model = program.load(context, file, **options)
    settings = given.values(model, settings, **options)
    if loop is not None:
        course = model.trace(loop, settings)
        show.write(
            as_json(course.to_dict(), sys.stdout) if json else f"# {file}, as written\n\n{course.text().rstrip()}"
        )
        return
    if order is not None and not sparsity:
        raise click.UsageError("`--order` goes with `--sparsity`", context)
    if sparsity:
        for name, given_too in (("--lr", lr), ("--paths", count)):
            if given_too is not None:
                raise click.UsageError(f"`{name}` does not go with `--sparsity`", context)
        found = model.sparsity(of, wrt, settings, order)
        show.write(as_json(found.to_dict(), sys.stdout) if json else f"# {file}, as written\n{found}")
        return
    chosen: dict[str, Any] = {"level": detail, "lr": lr}
    if count is not None:
        chosen["paths"] = count
    # Names and elements that are given stand as they are: `explain` knows elements, too.
    targets, variables = of or model.targets(None), wrt or model.variables(None)
    pairs = [(y, v) for y in dict.fromkeys(targets) for v in dict.fromkeys(variables)]
    explained = [model.explain(y, v, settings, **chosen) for y, v in pairs]
    if json:
        listed = [each.to_dict() for each in explained]
        show.write(as_json(listed[0] if len(listed) == 1 else listed, sys.stdout))
        return
    show.write(f"# {file}, as written\n")
    show.write("\n\n".join(each.text().rstrip("\n") for each in explained))
