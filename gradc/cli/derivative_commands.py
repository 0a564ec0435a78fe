"""``gradc jacobian``, ``hessian``, ``jvp``, ``vjp`` and ``hvp``: one command each, all of one form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gradc.cli import given, program
from gradc.cli.report import as_json

if TYPE_CHECKING:
    from gradc.model import Model

_WRT2 = click.option("--wrt2", metavar="NAMES", callback=program.names, help="And by what, for mixed derivatives.")

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    program.FILE,
    given.data,
    program.OF,
    program.WRT,
    given.OUT,
    given.DEBUG_NANS,
    program.JSON,
    program.COMPILING,
    program.WATCHING,
    click.pass_context,
)

# What is said below the options of a product, whose direction is a value like any other.
_DIRECTIONS = {
    "jvp": "The direction in which x moves is the input tangent_x: --set tangent_x='[1, 0]'.",
    "vjp": "The weights of y are the input cotangent_y: --set cotangent_y='[1, 0]'.",
    "hvp": "The direction in which x moves is the input tangent_x: --set tangent_x='[1, 0]'.",
}


def _command(kind: str) -> click.Command:
    def command(
        context: click.Context,
        /,
        file: str,
        settings: dict[str, Any],
        of: list[str] | None,
        wrt: list[str] | None,
        out: str | None,
        json: bool,
        wrt2: list[str] | None = None,
        **options: Any,
    ) -> None:
        given.check_out(out, file, options["data"])
        model = program.load(context, file, **options)
        ask = getattr(model, kind)
        derived = ask(of, wrt, wrt2) if kind == "hessian" else ask(of, wrt)
        _run(context, model, derived, settings, out, json, options)

    function: Any = command
    for option in reversed(_OPTIONS):
        function = option(function)
    if kind == "hessian":
        function = _WRT2(function)
    return click.command(kind, help=program.COMMANDS[kind], epilog=_DIRECTIONS.get(kind))(function)


def _run(
    context: click.Context,
    model: Model,
    derived: Model,
    settings: dict[str, Any],
    out: str | None,
    json: bool,
    options: dict[str, Any],
) -> None:
    import sys

    from gradc.cli import show

    program.report_new(context, model, derived, **options)
    program.watch(derived, **options)
    values = derived(given.values(derived, settings, **options))
    if out is not None:
        from gradc.data import write_data

        write_data(out, values)
    if json:
        show.write(as_json({"outputs": dict(values)}, sys.stdout))
        return
    texts = show.values(list(values.values()), model.options.dtype)
    show.write(show.table(list(zip(values, texts, strict=True)), styles=("bold",)))


commands = {kind: _command(kind) for kind in ("jacobian", "hessian", "jvp", "vjp", "hvp")}
