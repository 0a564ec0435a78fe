"""The stages in their order: the only module that knows all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gradc.ad.expand import expand
from gradc.errors import CompileError, Diagnostic, located
from gradc.files import Folder, read_source
from gradc.ir import text
from gradc.ir.builder import Builder, NodeLimit
from gradc.ir.graph import Graph
from gradc.ir.op import OpTable
from gradc.limits import DEFAULT, Limits, too_many_nodes
from gradc.memory import collector_paused
from gradc.ops import TABLE
from gradc.passes import manager
from gradc.passes.checkpoint import checkpoint
from gradc.passes.specialise import specialise
from gradc.rules.rewrite import Firing
from gradc.source import Source
from gradc.syntax import tree
from gradc.syntax.modules import Lowered, lower
from gradc.syntax.modules import Opener as Opener

Watch = Callable[[str, Graph], None]
"""Called with the name of each pass that has run and the graph that it left."""

GraphPass = Callable[[Graph], Graph]
"""A pass of the caller's own: it returns a new graph, or the one it was given."""


@dataclass(frozen=True)
class Options:
    """What a caller may choose about a compilation.

    ``level`` is -O0 to -O3; ``pipeline`` names passes in text and replaces what the level stands for; ``passes`` are
    the caller's own and run last. ``dtype`` is the type of the program's numbers. ``allow`` are folders outside the
    program's own that ``use`` may read. ``sizes`` gives numbers to sizes that the program names.

    ``no_rewrite`` are rewrite rules that are left out.

    Of a run, ``debug_nans`` makes the first NaN that the program computes an error, and ``max_memory`` is how many
    bytes its arrays may take: most of what the machine has left, if it is None. ``max_iterations`` is how many steps
    each loop may make: those of ``limits``, if it is None.
    ``checkpoint`` is how many steps of a loop its derivatives keep, 0 for a number that suits it; None for all.
    """

    ops: OpTable = TABLE
    level: int = 2
    pipeline: str | None = None
    passes: tuple[GraphPass, ...] = ()
    dtype: str = "f64"
    assume_finite: bool = False
    no_rewrite: frozenset[str] = frozenset()
    allow: tuple[str, ...] = ()
    limits: Limits = DEFAULT
    verify: bool = False
    sizes: Mapping[str, int] = field(default_factory=dict, hash=False)
    debug_nans: bool = False
    max_memory: int | None = None
    max_iterations: int | None = None
    checkpoint: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in ("f64", "f32"):
            raise ValueError(f"dtype must be 'f64' or 'f32', not {self.dtype!r}")
        if type(self.level) is not int or self.level not in manager.LEVELS:
            raise ValueError(f"level must be 0, 1, 2 or 3, not {self.level!r}")
        if self.max_memory is not None and (type(self.max_memory) is not int or self.max_memory < 0):
            raise ValueError(f"max_memory must be a number of bytes, not {self.max_memory!r}")
        if self.max_iterations is not None:
            if type(self.max_iterations) is not int or self.max_iterations < 0:
                raise ValueError(f"max_iterations must be a number of steps, not {self.max_iterations!r}")
            object.__setattr__(self, "limits", replace(self.limits, iterations=self.max_iterations))
        if self.checkpoint is not None and (type(self.checkpoint) is not int or self.checkpoint < 0):
            raise ValueError(f"checkpoint must be a number of steps, or 0 for one that suits, not {self.checkpoint!r}")

    def at(self, level: int) -> Options:
        """The same options at another level, whose passes replace a pipeline and the caller's own."""
        return replace(self, level=level, pipeline=None, passes=())


# Comments may stand above the line that says what the text is.
_TEXTUAL_IR = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*gradc-ir[ \t]")


def front(source: Source, options: Options, root: Path | None = None) -> Lowered:
    """From text to the graph as written; ``root`` is the folder of a program that came from a file."""
    folder = Folder(root, tuple(Path(path) for path in options.allow))

    def opener(user: Source, use: tree.Use) -> Source:
        return _open(folder, user, use, options.limits)

    with collector_paused():
        return lower(source, options.ops, opener, dtype=options.dtype, sizes=options.sizes, limits=options.limits)


def read(path: str | os.PathLike[str], options: Options) -> Lowered:
    """The graph as written of a file: source text, or textual IR where the name ends in ``.gir`` or the text says
    so.
    """
    source = read_source(path, options.limits)
    name = os.fspath(path)
    if name.endswith(".gir") or _TEXTUAL_IR.match(source.text):
        graph = text.load(source, options.ops)
        return Lowered(specialise(graph, options.sizes) if options.sizes else graph, (), (source,))
    return front(source, options, None if name == "-" else Path(name).parent)


def _open(folder: Folder, user: Source, use: tree.Use, limits: Limits) -> Source:
    """The file that a ``use`` statement names; raises a diagnostic at the path in it."""

    def refuse(code: str, message: str, label: str, *hints: str) -> CompileError:
        return CompileError(located(code, message, user, use.path_start, use.path_end, label, hints))

    base = folder.base(user)
    if base is None:
        raise refuse(
            "E0504",
            "a program that is not read from a file cannot use others",
            "relative to what?",
            "save the program in a file beside the one that it uses",
        )
    if not use.path or "\0" in use.path:
        raise refuse("E0501", "`use` needs the name of a file", "no name")
    path = Path(os.path.normpath(base / use.path))
    if Path(use.path).is_absolute() or not folder.contains(path):
        if not Path(use.path).is_absolute() and folder.linked(path):
            raise refuse("E0503", f"`{use.path}` is a link that leads out of the program's folder", "not followed")
        raise refuse(
            "E0503",
            f"`{use.path}` lies outside the program's folder",
            "not read",
            "allow its folder with `--allow FOLDER`, or in Python `gradc.load(…, allow=[…])`",
        )
    if folder.linked(path):
        raise refuse("E0503", f"`{use.path}` is reached through a link", "not followed", "copy the file instead")
    try:
        return read_source(path, limits)
    except CompileError as problem:
        first = problem.diagnostics[0]
        if first.span is not None:
            raise
        code = first.code if first.code == "E0701" else "E0501"
        raise refuse(code, first.message, "used here", *first.hints) from None


def passes(options: Options) -> manager.Passes:
    """All passes that a pipeline can name: those that need nothing but a graph, and the one that differentiates."""

    def run(graph: Graph, _: tuple[str, ...], __: manager.Context) -> manager.Outcome:
        return expand(graph, None, options.limits)

    summary = "replace derivative requests by adjoints or tangents, and calls by the bodies of functions"
    return manager.PASSES.extend(manager.Pass("expand", summary, run))


def optimise(
    graph: Graph, options: Options, watch: Watch | None = None, fired: list[Firing] | None = None
) -> manager.Report:
    """Run what the level or the pipeline asks for, then the caller's passes; ``watch`` sees the graph after each, and
    the rewrite rules that fire are appended to ``fired``.

    A pipeline that leaves derivative requests unexpanded gives a graph that can be looked at, not run.
    """
    text = options.pipeline
    if text is None:
        text = manager.level(options.level, assume_finite=options.assume_finite)
    steps = [*manager.parse_pipeline(text, passes(options)), *map(manager.custom, options.passes)]
    if (kept := options.checkpoint) is not None:
        steps.insert(0, manager.Step("checkpoint", lambda graph, _: checkpoint(graph, kept)))
    context = manager.Context(options.no_rewrite, fired)
    with collector_paused():
        return manager.run(graph, steps, context=context, check=options.verify, dump=watch)


Request = Callable[[Builder], int]
"""Makes the node of a derivative in a builder that continues a graph."""


def with_requests(
    graph: Graph,
    requests: Sequence[tuple[str, Request]],
    keep: Sequence[tuple[str, int]] = (),
    limits: Limits = DEFAULT,
) -> Graph:
    """The graph as written with requests for derivatives added: each becomes an output of its name, behind ``keep``."""
    with collector_paused():
        builder = Builder.continuing(graph, limits.expanded_nodes)
        try:
            made = [(name, request(builder)) for name, request in requests]
        except NodeLimit:
            raise too_many_nodes(limits.expanded_nodes) from None
        return builder.finish([*keep, *made])


def as_errors(warnings: Sequence[Diagnostic]) -> CompileError:
    """The warnings as what stops the compilation."""
    return CompileError(warnings)
