"""What any bytes at all may be given to: the parser and the reader of textual IR, which answer or refuse in words.

``python -m tests.fuzz.guided parser`` feeds them with atheris, guided by coverage; the tests with Hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from gradc import TABLE, driver, files
from gradc.errors import CODES, CompileError
from gradc.ir import text
from gradc.ir.verify import verify
from gradc.limits import DEFAULT
from gradc.source import Source
from gradc.syntax import parse

# Functions that call themselves may be inlined as often as the limits allow.
_SMALL = driver.Options(limits=replace(DEFAULT, nodes=3_000, expanded_nodes=10_000, inline_depth=100, seconds=10.0))
_TOP = Path(__file__).parents[2]


def parser(data: bytes) -> None:
    """Bytes as a program: a tree, and a graph if it means something, or diagnostics that point into the text."""
    try:
        source = files.decode(data, "fuzz.grad")
    except CompileError as refusal:
        pointed(refusal, None)
        return
    for read in (parse.parse_program, parse.parse_expression, parse.parse_gradients, parse.parse_rewrites):
        try:
            read(source)
        except CompileError as refusal:
            pointed(refusal, source, parse.MAX_ERRORS)
        else:
            if read is parse.parse_program:
                lowered(source)


def lowered(source: Source) -> None:
    """A program that parses: its graph is valid, or diagnostics say why there is none."""
    try:
        graph = driver.front(source, _SMALL).graph
    except CompileError as refusal:
        pointed(refusal, source)
        return
    verify(graph)


def reader(data: bytes) -> None:
    """Bytes as textual IR: a valid graph whose text reads back as itself, or a diagnostic."""
    try:
        source = files.decode(data, "fuzz.gir")
        graph = text.load(source, TABLE)
    except CompileError as refusal:
        pointed(refusal, None)
        return
    verify(graph)
    written = text.dump(graph)
    assert text.dump(text.load(Source("again.gir", written), TABLE)) == written


def pointed(refusal: CompileError, source: Source | None, most: int = 100) -> None:
    """That diagnostics have words and a known code, and lie within the text, and are not too many."""
    assert str(refusal)
    assert 0 < len(refusal.diagnostics) <= most
    for each in refusal.diagnostics:
        assert each.code in CODES
        assert each.as_dict()["message"]
        if source is not None and each.span is not None and each.span.file == source.name:
            assert 1 <= each.span.line <= len(source.starts)
            assert each.span.column <= len(source.line(each.span.line)) + 1


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {"parser": parser, "reader": reader}


def corpus(name: str) -> Iterator[bytes]:
    """Texts to begin with: the examples and the golden files of the project, and the graphs of its small programs."""
    import gradc

    programs = [*(_TOP / "examples").rglob("*.grad"), *(_TOP / "tests" / "golden").rglob("*.grad")]
    if name == "parser":
        for path in sorted(programs):
            yield path.read_bytes()
        return
    for path in sorted((_TOP / "tests" / "golden" / "passes").glob("*.gir")):
        _, _, rest = path.read_text("utf-8").partition("\n")
        for part in rest.split("----\n"):
            yield part.encode()
    for path in sorted((_TOP / "tests" / "golden").rglob("*.grad")):
        model = gradc.load(path)
        yield from (text.dump(graph).encode() for graph in (model.graph, model.optimized(2)))
