"""Any bytes, and damaged programs and graphs, for the parser and the reader of textual IR: an answer or a refusal."""

from __future__ import annotations

import importlib.util
import re

import pytest
from fuzz import guided
from fuzz.targets import TARGETS, corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

VOCABULARY = """
    input param output fn return derivative use if then else and or not for while in d T def let print
    a b x1 f ŷ w₁ 1 2.5 .5 5. 1e-3 1e 0x1 ( ) ( ) { } [ ] , ; : = == != < <= > >= => + - * / // % @ ^ **
    [ ] [x for i in 0..n range(n) C[i] x[1: .T sum( checkpoint true ...
    ! && || ++ += -> .. . ' $ \\ ² − · “ ½ # /* ? " "a.grad"
"""
WORDS = [*VOCABULARY.split(), "\n", "\n", "\n  ", "\t", "\u00a0", "\u200b", "\u202e", "\0"]
SEEDS = {name: [data for data in corpus(name) if len(data) < 1500] for name in TARGETS}
_PIECES = re.compile(rb"[A-Za-z_0-9.]+|\s+|.", re.DOTALL)


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """A text of the corpus in which pieces are missing, doubled, exchanged, or from another text."""
    whole = _PIECES.findall(draw(st.sampled_from(SEEDS[name])))
    other = _PIECES.findall(draw(st.sampled_from(SEEDS[name])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(whole)))
        piece = draw(st.sampled_from(other))
        cut = draw(st.integers(0, 3))
        whole[at : at + cut] = draw(st.sampled_from([[], [piece], whole[at : at + 1] * 2, [bytes([0]), piece]]))
    return b"".join(whole)


def words() -> st.SearchStrategy[bytes]:
    """Words of the language, of others, and what is no word."""
    chosen = st.lists(st.sampled_from(WORDS), max_size=30)
    return st.tuples(st.sampled_from(["", " "]), chosen).map(lambda pair: pair[0].join(pair[1]).encode())


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    ("data", "count"),
    [(st.binary(max_size=200), 200), (st.text(max_size=40).map(str.encode), 200), (words(), 500)],
    ids=["bytes", "characters", "words"],
)
def test_bytes(name: str, data: st.SearchStrategy[bytes], count: int) -> None:
    @settings(max_examples=count, deadline=None)
    @given(data)
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_texts(name: str) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(damaged(name))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()


def test_the_corpus_is_right_as_it_is() -> None:
    assert len(SEEDS["parser"]) > 30
    assert len(SEEDS["reader"]) > 30
    for name, seeds in SEEDS.items():
        TARGETS[name](seeds[0])


def test_without_atheris_the_extra_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec("atheris") is not None:
        pytest.skip("atheris is there")
    assert guided.main(["parser", "--minutes", "0"]) == 2
    assert "gradc[fuzz]" in capsys.readouterr().err
