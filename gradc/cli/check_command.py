"""``gradc check``."""

from __future__ import annotations

import math
from typing import Any

import click

from gradc.cli import given, program
from gradc.limits import CHECK_SECONDS

_EXPECTED = "name=low:high"


class _Range(click.ParamType[tuple[str, tuple[float, float]]]):
    """``name=low:high``."""

    name = _EXPECTED

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[float, float]]:
        if isinstance(value, tuple):
            return value
        name, _, text = str(value).partition("=")
        low, colon, high = text.partition(":")
        try:
            bounds = float(low), float(high)
        except ValueError:
            bounds = (math.nan, math.nan)
        if not name.strip() or not colon or not all(map(math.isfinite, bounds)):
            self.fail(f"`{str(value)[:40]}` is not of the form `{_EXPECTED}`, as in x=0:1", param, ctx)
        return name.strip(), bounds


@click.command(help=program.COMMANDS["check"])
@program.FILE
@given.data
@program.OF
@program.WRT
@click.option(
    "--samples", type=click.IntRange(0), default=0, metavar="N", help="Also check at N points drawn from the ranges."
)
@click.option(
    "ranges",
    "--range",
    type=_Range(),
    multiple=True,
    callback=given.distinct,
    help="From where to where an input goes; may be repeated.",
)
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="What is drawn. [0]")
@click.option(
    "--precision", type=click.IntRange(10, 1000), metavar="N", help="Compute the references in N digits, by mpmath."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=CHECK_SECONDS,
    metavar="S",
    help=f"How much computing each point may take. [{CHECK_SECONDS:g}]",
)
@click.option("--ulps", is_flag=True, help="Add how accurate each result is, in units in the last place.")
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
    samples: int,
    ranges: dict[str, tuple[float, float]],
    seed: int,
    precision: int | None,
    seconds: float,
    ulps: bool,
    json: bool,
    **options: Any,
) -> None:
    """Check derivatives."""
    import sys

    from gradc.cli import show
    from gradc.cli.outcome import FAULT
    from gradc.cli.report import Progress, as_json

    if samples and not ranges:
        raise click.UsageError("`--samples` goes with `--range`, from which they are drawn", context)
    model = program.load(context, file, **options)
    with Progress(sys.stderr) as progress:
        found = model.check(
            given.values(model, settings, **options),
            of=of,
            wrt=wrt,
            samples=samples,
            ranges=ranges,
            seed=seed,
            precision=precision,
            ulps=ulps,
            seconds=seconds,
            told=progress.tell,
        )
    show.write(as_json(found.to_dict(), sys.stdout) if json else f"# {file}, as compiled\n{found.text()}")
    # In JSON they stand in the result.
    if not json:
        context.obj.report(found.faults)
    if not found.ok:
        context.exit(FAULT)
