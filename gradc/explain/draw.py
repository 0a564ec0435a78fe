"""Diagrams of a model: the graph with its values, local gradients, derivatives and paths, as DOT text and pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from gradc import driver
from gradc.backends import dot
from gradc.backends.render import render
from gradc.backends.sketch import LEVELS
from gradc.errors import CallError
from gradc.explain.compose import Composer
from gradc.explain.elements import Element, element, named, split
from gradc.ir.graph import Graph
from gradc.memory import collector_paused
from gradc.source import canonical

if TYPE_CHECKING:
    from gradc.model import Model, Names

ENDINGS: Final = (".svg", ".png", ".pdf", ".dot", ".gv")
MAX_NODES: Final = 150
"""How many nodes a diagram shows unless told otherwise."""


class Diagram:
    """A picture of a graph. ``str()`` is its DOT text; in a notebook it shows itself."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    def svg(self) -> str:
        """The picture as SVG. Raises ``CompileError`` where no engine is installed or it fails."""
        return render(self._text, "svg").decode()

    def png(self) -> bytes:
        """The picture as PNG."""
        return render(self._text, "png")

    def save(self, path: str | os.PathLike[str], source: str | None = None) -> None:
        """Write a .svg, .png, .dot, .gv or (with the ``dot`` program) .pdf file; ``source`` is one not to overwrite."""
        from gradc.files import check_target, write

        target = check_target(os.fspath(path), ENDINGS, source)
        ending = target.suffix.lower()
        write(target, self._text.encode() if ending in (".dot", ".gv") else render(self._text, ending[1:]))

    def _repr_svg_(self) -> str:
        return self.svg()


def draw(
    model: Model,
    *,
    level: str = "ops",
    grad: bool = False,
    of: Names = None,
    wrt: Names = None,
    values: Mapping[str, Any] | None = None,
    optimize: int | None = None,
    path: Names = None,
    paths: str | None = None,
    focus: str | None = None,
    depth: int | None = None,
    max_nodes: int = MAX_NODES,
    title: str | None = None,
    caption: str | None = None,
) -> Diagram:
    """The graph of a model as a diagram.

    ``level`` is "ops" (every operation) or "names" (named values only). ``of`` is the value whose derivative flows
    along the arrows, by default the only real output; ``wrt`` one or more names on which it depends, or elements of
    arrays as in ``W[2, 0]``. Without ``optimize`` (0 to 3) the graph is the program as written; with ``grad`` it holds
    the adjoint part too, at -O0 unless told otherwise.

    ``values`` are inputs in place of the defaults; where one is missing, the diagram shows formulas alone. ``path``
    names the stations of a path to highlight; ``paths`` is "all" (the default where ``wrt`` is one name), "one" for the
    path that contributes most, or "none". ``focus`` shows what is within ``depth`` steps of a name. Of a graph with
    more than ``max_nodes`` nodes those nearest to the results, or to ``focus``, are shown, and a notice says so.
    ``title`` stands above the picture, ``caption`` in place of the words that say which graph it is.

    Raises ``CallError`` for a name that the program does not have and for a path that does not exist.
    """
    if level not in LEVELS:
        raise ValueError(f"level must be 'names' or 'ops', not {level!r}")
    if paths not in (None, "all", "one", "none"):
        raise ValueError(f"paths must be 'all', 'one' or 'none', not {paths!r}")
    with collector_paused():
        subject = Subject(model, grad, of, wrt, optimize)
        subject.caption = caption or subject.caption
        stations = [] if path is None else model.variables(path)
        composer = Composer(subject, level, values, focus, depth, max(1, max_nodes))
        if stations:
            composer.highlight_path(stations)
        elif len(subject.asked) == 1 and paths != "none":
            composer.highlight(subject.asked[0], 1 if paths == "one" else None)
        return Diagram(dot.to_dot(composer.picture(title)))


class Subject:
    """The graph that is drawn, and what is differentiated in it."""

    def __init__(self, model: Model, grad: bool, of: Names, wrt: Names, optimize: int | None) -> None:
        given: list[str] = []
        for name in [] if of is None else split(of):
            model, known = named(model, name)
            given.append(known)
        self.model = model
        self.grad = grad
        types = {name: model.graph.type(node) for name, node in model.graph.outputs}
        real = [name for name, type in types.items() if type.real and not type.shape]
        given = model.targets(given) if grad and given else model.variables(given) if given else []
        # Of arrays that are asked for in part, which part.
        self.parts: dict[str, Element] = {}
        self.asked = [] if wrt is None else [self._asked(name) for name in split(wrt)]
        self.of = given or (model.targets(real) if grad else real[:1] if len(real) == 1 else [])
        try:
            self.wrt = list(dict.fromkeys([*self.asked, *model.variables(None)]))
        except CallError:
            # A program of constants, or of integers.
            self.wrt = self.asked
        self.shown: dict[str, str] = {}
        if grad:
            self.graph = self._with_adjoints(self.asked or model.variables(None), optimize or 0)
            self.roots = [node for _, node in self.graph.outputs]
            self.caption = f"with its adjoint part, at -O{optimize or 0}"
        else:
            self.graph = model.graph if optimize is None else model.optimized(optimize)
            self.roots = [self.node(name) for name in given] or [node for _, node in self.graph.outputs]
            self.caption = "as written" if optimize is None else f"optimised at -O{optimize}"

    def _asked(self, text: str) -> str:
        """The name of what is differentiated by; the array where it is an element of one."""
        model = self.model
        part = None if canonical(text) in model.graph.names else element(model, text)
        (name,) = model.variables([text if part is None else part.name])
        if part is not None:
            part.shape(model.graph.type(model.node(name)).shape)
            self.parts[name] = part
        return name

    def node(self, name: str) -> int:
        """The node of a name in the graph that is drawn."""
        found = self.find(name)
        return self.model.node(name) if found is None else found

    def find(self, name: str) -> int | None:
        """The node of a name, None where optimisation has left none."""
        found = self.graph.names.get(canonical(name))
        return dict(self.graph.outputs).get(name) if found is None else found

    def _with_adjoints(self, wrt: Sequence[str], level: int) -> Graph:
        """The program with the derivatives by ``wrt``, the adjoints of all names on the way known by theirs."""
        model = self.model
        names = model.graph.names
        inner = [name for name in names if model.graph.type(names[name]).real]
        every = list(dict.fromkeys([*wrt, *(model.graph.name(names[name]) or name for name in inner)]))
        wanted = model.with_gradients(self.of, every, keep=self.of).graph
        for y in self.of:
            self.shown |= {f"grad({y}, {v})": f"∂{y}/∂{v}" for v in wrt}
        outputs = [(name, node) for name, node in wanted.outputs if name in self.shown or name in self.of]
        tables = (wanted.names, wanted.spans, wanted.adjoints, wanted.functions)
        whole = Graph(wanted.nx, wanted.ops, wanted.inputs, outputs, *tables)
        return driver.optimise(whole, model.options.at(level)).graph


__all__ = ["ENDINGS", "MAX_NODES", "Diagram", "draw"]
