"""Whatever the text: a tree or a CompileError whose diagnostics can be rendered, never another exception."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gradc import files
from gradc.errors import CODES, CompileError, Diagnostic
from gradc.source import Source
from gradc.syntax import parse, tree

VOCABULARY = """
    input param output fn return derivative use if then else and or not for while in d T def let print
    a b x1 f ŷ w₁ 1 2.5 .5 5. 1e-3 1e 0x1 ( ) ( ) { } [ ] , ; : = == != < <= > >= => + - * / // % @ ^ **
    [ ] [x for i in 0..n range(n) C[i] x[1: .T sum( ...
    ! && || ++ += -> .. . ' $ \\ ² − · “ ½ # /* ? " "a.grad"
"""
WORDS = [*VOCABULARY.split(), "\n", "\n", "\n  ", "\t", "\u00a0", "\u200b", "\u202e", "\0"]


def check(source: Source) -> None:
    for read in (parse.parse_program, parse.parse_expression, parse.parse_gradients, parse.parse_rewrites):
        diagnostics: tuple[Diagnostic, ...] = ()
        try:
            assert isinstance(read(source), (tree.Program, tree.Node, list))
        except CompileError as error:
            diagnostics = error.diagnostics
            text = str(error)
        else:
            continue
        assert 0 < len(diagnostics) <= parse.MAX_ERRORS
        assert text
        for found in diagnostics:
            assert found.code in CODES
            assert found.span is not None
            assert 1 <= found.span.line <= len(source.starts)
            assert found.span.column <= len(source.line(found.span.line)) + 1
            assert found.as_dict()["message"]


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_bytes(data: bytes) -> None:
    try:
        source = files.decode(data, "fuzz.grad")
    except CompileError as error:
        text = str(error)
    else:
        check(source)
        return
    assert "E0105" in text


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_text(text: str) -> None:
    check(files.from_text(text, "fuzz.grad"))


@given(st.lists(st.sampled_from(WORDS), max_size=30), st.sampled_from(["", " "]))
@settings(max_examples=1000, deadline=None)
def test_words(words: list[str], space: str) -> None:
    check(Source("fuzz.grad", space.join(words)))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_program_with_one_change(data: st.DataObject) -> None:
    program = (
        "input x = 3, n: int\nfn f(a, b=1) {\n  t = (a +\n    b)^2\n  return t, a\n}\nq, r = f(x)  # c\noutput q\n"
    )
    at = data.draw(st.integers(0, len(program)))
    length = data.draw(st.integers(0, 3))
    check(Source("fuzz.grad", program[:at] + data.draw(st.sampled_from(["", *WORDS])) + program[at + length :]))
