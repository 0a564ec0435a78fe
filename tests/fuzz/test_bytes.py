"""Any bytes, and damaged programs and graphs, for the parser and the reader of textual IR: an answer or a refusal."""

from __future__ import annotations

import importlib.util
import re

import pytest
from fuzz import guided
from fuzz.targets import TARGETS, corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize("name", TARGETS)
def test_bytes(name: str) -> None:
    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=200))
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
