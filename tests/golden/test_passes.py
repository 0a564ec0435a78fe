"""One pass over a textual graph: each file holds the pass, the graph before, a line `----` and the graph after."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradc.ad.expand import expand
from gradc.ir.text import dump, load
from gradc.ir.verify import verify
from gradc.ops import TABLE
from gradc.passes.manager import PASSES, Pass, parse_pipeline, run
from gradc.source import Source

FILES = sorted((Path(__file__).parent / "passes").glob("*.gir"))
EXPAND = Pass("expand", "expand requests", lambda graph, options, context: expand(graph))


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_pass(file: Path, update_golden: bool) -> None:
    text = file.read_text("utf-8")
    first, _, rest = text.partition("\n")
    before, _, after = rest.partition("----\n")
    steps = parse_pipeline(first.removeprefix("# "), PASSES.extend(EXPAND))
    graph = verify(load(Source(file.name, before), TABLE))
    result = dump(run(graph, steps, check=True).graph)
    if update_golden:
        file.write_text(f"{first}\n{before}----\n{result}", "utf-8")
    else:
        assert result == after


def test_there_are_files() -> None:
    assert len(FILES) >= 8
