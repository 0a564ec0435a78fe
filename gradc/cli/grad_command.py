"""``gradc grad``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from gradc.cli import given, program
from gradc.cli.report import as_json

if TYPE_CHECKING:
    from gradc.model import Model


@click.command(help=program.COMMANDS["grad"])
@program.FILE
@given.data
@program.OF
@program.WRT
@program.LR
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
    of: list[str] | None,
    wrt: list[str] | None,
    lr: float | None,
    out: str | None,
    json: bool,
    **options: Any,
) -> None:
    """Run the program and its reverse."""
    import sys

    from gradc.cli import show

    given.check_out(out, file, options["data"])
    model = program.load(context, file, **options)
    result = gradients(context, model, of, wrt, lr, settings, **options)
    if out is not None:
        from gradc.data import write_data

        write_data(out, _flat(result))
    show.write(as_json(result, sys.stdout) if json else _table(result, model.options.dtype))


def gradients(
    context: click.Context,
    model: Model,
    of: Sequence[str] | None,
    wrt: Sequence[str] | None,
    lr: float | None,
    settings: dict[str, Any],
    **options: Any,
) -> dict[str, Any]:
    """Values, gradients and the step, in the shape in which ``--json`` prints them."""
    targets, variables = model.targets(of), model.variables(wrt)
    shown = list(dict.fromkeys([*model.outputs, *targets]))
    variables = list(dict.fromkeys(variables))
    kept = list(dict.fromkeys([*shown, *(variables if lr is not None else ())]))
    whole = model.with_gradients(targets, wrt, kept)
    program.report_new(context, model, whole, **options)
    program.watch(whole, **options)
    values = whole(given.values(model, settings, **options))
    found: dict[str, Any] = {
        "outputs": {name: values[name] for name in shown},
        "gradients": {y: {v: values[f"grad({y}, {v})"] for v in variables} for y in dict.fromkeys(targets)},
    }
    if lr is not None:
        before = {name: values[name] for name in variables}
        found["step"] = {
            y: {"lr": lr, "before": before, "after": {v: before[v] - lr * slopes[v] for v in variables}}
            for y, slopes in found["gradients"].items()
        }
    return found


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    """The results under one name each."""
    found = dict(result["outputs"])
    for y, slopes in result["gradients"].items():
        found |= {f"grad({y}, {v})": slope for v, slope in slopes.items()}
    for y, step in result.get("step", {}).items():
        found |= {f"step({y}, {v})": after for v, after in step["after"].items()}
    return found


def _table(result: dict[str, Any], dtype: str) -> str:
    """Each differentiated output with its gradients beneath, the other outputs above."""
    from gradc.cli import show

    gradients, steps = result["gradients"], result.get("step", {})
    rows: list[tuple[str, Any, str] | None] = []
    alone = [name for name in result["outputs"] if name not in gradients]
    rows += [(name, result["outputs"][name], "") for name in alone]
    for y, slopes in gradients.items():
        if rows:
            rows.append(None)
        rows.append((y, result["outputs"][y], ""))
        for v, slope in slopes.items():
            after = ""
            if steps:
                before, then = steps[y]["before"][v], steps[y]["after"][v]
                after = f"{v}: {show.line(before, dtype)} → {show.line(then, dtype)}"
            rows.append((f"∂{y}/∂{v}", slope, after))
    texts = iter(show.values([row[1] for row in rows if row], dtype))
    lines = [row and ((row[0], next(texts), row[2]) if steps else (row[0], next(texts))) for row in rows]
    head = None
    if steps:
        head = ("", "", f"one step, lr = {show.number(next(iter(steps.values()))['lr'])}")
    return show.table(lines, head=head, styles=("bold", "", "cyan"))
