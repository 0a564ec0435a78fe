"""The command ``gradc``: its subcommands, loaded when they are called, and the options that they share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import click

import gradc
from gradc.cli import given

if TYPE_CHECKING:
    from gradc.ir.graph import Graph
    from gradc.model import Model

COMMANDS = {
    "run": "Print the values of the outputs.",
    "grad": "Print the values of the outputs and their gradients.",
    "jacobian": "Print all derivatives of arrays by arrays.",
    "hessian": "Print second derivatives.",
    "jvp": "Print derivatives times a direction, in forward mode.",
    "vjp": "Print weights times derivatives, in reverse mode.",
    "hvp": "Print second derivatives times a direction.",
    "check": "Check derivatives against numerical ones, with a verdict for each.",
    "explain": "Explain a derivative: local gradients, paths, their sum.",
    "dot": "Draw the graph.",
    "ir": "Print the optimised graph as textual IR.",
    "compile": "Check a program, and write it as textual IR.",
    "help": "Explain a code, a pass, a function or the language.",
}

# These have one form, and one module.
_DERIVATIVES = frozenset({"jacobian", "hessian", "jvp", "vjp", "hvp"})

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Program(click.Group):
    """Loads a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command
        if cmd_name in _DERIVATIVES:
            command = import_module("gradc.cli.derivative_commands").commands[cmd_name]
        else:
            command = import_module(f"gradc.cli.{cmd_name}_command").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Program, context_settings=_SETTINGS, invoke_without_command=True)
@click.version_option(gradc.__version__, prog_name="gradc", message="%(prog)s %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """A compiler whose source language is mathematics and whose product is derivatives.

    FILE is a .grad program, a .gir file that `gradc compile` wrote, or - for standard input.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


def _all(decorators: Iterable[Callable[[Any], Any]]) -> Callable[[Command], Command]:
    chosen = list(decorators)

    def decorate(function: Command) -> Command:
        for decorator in reversed(chosen):
            function = decorator(function)
        return function

    return decorate


# Names ---------------------------------------------------------------------------------------------------------------


def names(context: click.Context, parameter: click.Parameter, text: str | None) -> list[str] | None:
    """The names in an option's text, with commas between them."""
    if text is None:
        return None
    # `grad(L, w1)` is an output's name as well, and `W[2, 0]` an element; their commas separate nothing.
    names = [part.strip() for part in re.split(r",(?![^(\[]*[)\]])", text)]
    if not all(names):
        raise click.BadParameter("it is names with commas between them", context, parameter)
    return names


FILE = click.argument("file", metavar="FILE")
OF = click.option("--of", metavar="NAMES", callback=names, help="What to differentiate. [default: the outputs]")
WRT = click.option("--wrt", metavar="NAMES", callback=names, help="By what. [default: the params, or else the inputs]")
JSON = click.option("--json", "json", is_flag=True, help="Print JSON, diagnostics included.")
LR = click.option("--lr", type=float, metavar="NUMBER", help="Also show one step of gradient descent.")
GRAD = click.option("--grad", is_flag=True, help="Add the derivatives of --of by --wrt.")


# Compiling -----------------------------------------------------------------------------------------------------------

COMPILING = _all(
    [
        click.option(
            "-O", "level", type=click.IntRange(0, 3), metavar="LEVEL", help="-O0 to -O3: how much to optimise. [2]"
        ),
        click.option("--passes", metavar="PIPELINE", help="Run these passes instead, as in 'expand, fold, dce'."),
        click.option("--assume-finite", is_flag=True, help="Let rules take every number to be finite."),
        click.option("--no-rewrite", metavar="RULE", multiple=True, help="Leave out a rewrite rule; may be repeated."),
        given.SIZE,
        click.option("--dtype", type=click.Choice(["f64", "f32"]), default="f64", help="Type of the numbers. [f64]"),
        click.option(
            "--allow",
            metavar="FOLDER",
            multiple=True,
            type=click.Path(exists=True, file_okay=False),
            help="Let `use` read files below this folder too; may be repeated.",
        ),
        click.option("--werror", is_flag=True, help="Let warnings be errors."),
        click.option("--verify", is_flag=True, help="Check the graph after every pass."),
    ]
)
"""The options that say how a program is compiled."""

WATCHING = _all(
    [
        click.option("--time-passes", is_flag=True, help="Print how long each pass took."),
        click.option("--print-ir-after", metavar="PASS", help="Print the graph after a pass, or after `all`."),
    ]
)
"""The options that show the passes at work, on standard error."""


def load(
    context: click.Context,
    file: str,
    *,
    level: int | None,
    passes: str | None,
    assume_finite: bool,
    no_rewrite: tuple[str, ...],
    sizes: dict[str, int],
    dtype: str,
    allow: tuple[str, ...],
    werror: bool,
    verify: bool,
    debug_nans: bool = False,
    max_memory: int | None = None,
    max_iterations: int | None = None,
    checkpoint: int | None = None,
    **_: Any,
) -> Model:
    """The model of a file, its warnings printed."""
    from gradc.model import load as load_model
    from gradc.source import canonical

    model = load_model(
        file,
        werror=werror,
        level=2 if level is None else level,
        pipeline=passes,
        sizes={canonical(name): extent for name, extent in sizes.items()},
        dtype=dtype,
        assume_finite=assume_finite,
        no_rewrite=no_rewrite,
        allow=allow,
        verify=verify,
        debug_nans=debug_nans,
        max_memory=max_memory,
        max_iterations=max_iterations,
        checkpoint=checkpoint,
    )
    context.obj.report(model.warnings)
    return model


def report_new(context: click.Context, model: Model, derived: Model, *, werror: bool, **_: Any) -> None:
    """Report what is likely a mistake in what was asked of a model."""
    from gradc import driver

    found = [warning for warning in derived.warnings if warning not in model.warnings]
    if found and werror:
        raise driver.as_errors(found)
    context.obj.report(found)


def after(model: Model, wanted: str | None, see: Callable[[str, Graph], None]) -> list[tuple[str, float]]:
    """Run the passes of a model; ``see`` gets the graphs after the pass of a name, or after ``all``.

    Returns the seconds of each pass. Raises ``CallError`` if there is no such pass among them.
    """
    from gradc import driver
    from gradc.errors import CallError, Diagnostic, suggestion

    found = wanted is None or wanted == "all"

    def chosen(name: str, graph: Graph) -> None:
        nonlocal found
        if wanted in ("all", name, name.partition("(")[0]):
            found = True
            see(name, graph)

    report = driver.optimise(model.graph, model.options, chosen)
    if not found:
        names = [name for name, _ in report.seconds]
        near = suggestion(wanted or "", [name.partition("(")[0] for name in names])
        hints = (*near, f"the passes that run are {', '.join(f'`{name}`' for name in names)}")
        raise CallError(Diagnostic("E0802", f"the pass `{wanted}` does not run", hints=hints))
    return report.seconds


def watch(model: Model, *, time_passes: bool, print_ir_after: str | None, **_: Any) -> None:
    """Run the passes of a model and print what the options ask for on the way."""
    if not time_passes and print_ir_after is None:
        return
    import sys

    from gradc.cli import show
    from gradc.ir import text

    def see(name: str, graph: Graph) -> None:
        print(f"# after {name}", text.dump(graph), sep="\n", file=sys.stderr)

    seconds = after(model, print_ir_after, see)
    if time_passes:
        steps = [*seconds, ("total", sum(each for _, each in seconds))]
        times = show.aligned([f"{each * 1e3:.3f}" for _, each in steps])
        rows = [(name, f"{time} ms") for (name, _), time in zip(steps, times, strict=True)]
        print(show.table(rows), file=sys.stderr)
