"""How a call ends: every exception becomes a message and an exit code, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

import gradc
from gradc.cli import INTERRUPTED, streams
from gradc.cli.report import Reporter
from gradc.errors import CALL_CODES, Diagnostic, Error, suggestion

DONE, FAULT, CALL, INTERNAL, CLOSED_PIPE = 0, 1, 2, 70, 141


def run(arguments: Sequence[str]) -> int:
    """Run a call and report how it ended; returns the exit code."""
    streams.prepare()
    reporter = Reporter(json="--json" in arguments)
    try:
        try:
            code = _guarded(arguments, reporter)
            reporter.close()
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError as problem:
            streams.silence(sys.stdout)
            if streams.is_closed_pipe(problem):
                return CLOSED_PIPE
            reason = (problem.strerror or str(problem)).lower()
            reporter.report([Diagnostic("E0803", f"cannot write the output: {reason}")])
            reporter.close()
            return CALL
    except KeyboardInterrupt:
        streams.silence(sys.stdout)
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        streams.silence(sys.stderr)
        return CLOSED_PIPE
    return code


def _guarded(arguments: Sequence[str], reporter: Reporter) -> int:
    try:
        return _invoke(arguments, reporter)
    except Error as error:
        reporter.report(error.diagnostics)
        return exit_code(error.diagnostics)
    except click.UsageError as error:
        reporter.report([_usage(error, arguments)])
        return CALL
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except RecursionError:
        reporter.report([Diagnostic("E0703", "the program nests too deeply")])
        return FAULT
    except MemoryError:
        reporter.report([Diagnostic("E0702", "the program needs more memory than there is")])
        return FAULT
    except OSError:
        raise
    except Exception as problem:
        if os.environ.get("GRADC_TRACEBACK"):
            raise
        _internal(problem)
        return INTERNAL


def _invoke(arguments: Sequence[str], reporter: Reporter) -> int:
    from gradc.cli.program import program

    if "_GRADC_COMPLETE" in os.environ:
        program.main(list(arguments), prog_name="gradc")
    try:
        with program.make_context("gradc", list(arguments), obj=reporter) as context:
            program.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    return DONE


def exit_code(diagnostics: Sequence[Diagnostic]) -> int:
    """2 if everything that is wrong could be told without looking at the program, else 1."""
    return CALL if diagnostics and all(each.code in CALL_CODES for each in diagnostics) else FAULT


def _usage(error: click.UsageError, arguments: Sequence[str]) -> Diagnostic:
    """A mistake in the arguments as a diagnostic like any other."""
    command = error.ctx.command_path if error.ctx else "gradc"
    hints: tuple[str, ...] = ()
    if isinstance(error, click.NoSuchOption):
        message = f"there is no option `{error.option_name}`"
        known = [name for each in (error.ctx.command.params if error.ctx else []) for name in each.opts]
        hints = suggestion(error.option_name, known)
    elif error.ctx is not None and isinstance(error.ctx.command, click.Group):
        from gradc.cli.program import COMMANDS

        word = next((each for each in arguments if not each.startswith("-")), "")
        message = f"there is no command `{word}`" if word else "a command is missing"
        if word.endswith((".grad", ".gir")):
            hints = (f"to run it, write `gradc run {word}`",)
        else:
            hints = suggestion(word, COMMANDS)
        hints = hints or (f"the commands are {', '.join(COMMANDS)}",)
    elif (
        isinstance(error, click.BadParameter)
        and error.param is not None
        and not isinstance(error, click.MissingParameter)
    ):
        message = f"`{error.param.opts[0]}`: {error.message}".rstrip(".").replace("'", "`")
    else:
        text = error.format_message().rstrip(".").replace("'", "`")
        message = text[:1].lower() + text[1:]
    return Diagnostic("E0802", message, hints=(*hints, f"`{command} --help` shows how it is called"))


def _internal(problem: Exception) -> None:
    """A mistake of the compiler's own, in a form that can be reported."""
    where = ""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        where = f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno})"
    text = " ".join(str(problem).split())[:300]
    rows = (
        f"internal error: {type(problem).__name__}: {text}{where}",
        f"This is a mistake in gradc {gradc.__version__}, not in the program. Please report it with these lines and",
        "the program that shows it; with GRADC_TRACEBACK=1 in the environment Python says more.",
    )
    print(*rows, sep="\n", file=sys.stderr)
