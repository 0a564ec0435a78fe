"""Every diagnostic, to the letter.

`<CODE>.grad` holds the cases of a code, separated by lines of `#===`: a program, a line of `#---`, and beneath it what
gradc says about the program, as comments. `pytest --update-golden tests/errors` rewrites what stands beneath.

A case whose first line is `#escaped` is a byte string in Python's notation. Lines of `#file NAME` begin further files
of a case, which lie beside the program.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import gradc
from gradc.errors import CODES, Error
from gradc.files import decode

HERE = Path(__file__).parent
PACKAGE = Path(gradc.__file__).parent
FILES = sorted(HERE.glob("*.grad"))


def cases(path: Path) -> list[tuple[str, str]]:
    """The programs of a file with what is expected of each."""
    found = []
    for block in path.read_text("utf-8").split("#===\n"):
        program, _, expected = block.partition("#---\n")
        found.append((program, expected))
    return found


def said(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str]]:
    """What gradc says about the program, and the codes."""
    first, _, rest = program.partition("\n")
    main, *others = program.split("#file ")
    try:
        if first == "#escaped":
            data = rest.rstrip("\n").encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")
            model = gradc.compile(decode(data, "case.grad").text, name="case.grad")
        elif others:
            for other in others:
                name, _, text = other.partition("\n")
                (folder / name.strip()).write_text(text, "utf-8")
            (folder / "case.grad").write_text(main, "utf-8")
            monkeypatch.chdir(folder)
            model = gradc.load("case.grad")
        else:
            model = gradc.compile(program, name="case.grad")
    except Error as error:
        return str(error), [diagnostic.code for diagnostic in error.diagnostics]
    return "\n\n".join(map(str, model.warnings)), [diagnostic.code for diagnostic in model.warnings]


def commented(text: str) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in text.split("\n"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_exact_text(path: Path, update_golden: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = []
    for program, expected in cases(path):
        text, codes = said(program, tmp_path, monkeypatch)
        assert path.stem in codes, f"{program}\nsays\n{text}"
        blocks.append(f"{program}#---\n{commented(text)}")
        if not update_golden:
            assert commented(text) == expected, program
    if update_golden:
        path.write_text("#===\n".join(blocks), "utf-8")


def test_every_code_has_a_test() -> None:
    # What no program alone can show (a value, a file, textual IR) is tested in Python.
    elsewhere = "".join(path.read_text("utf-8") for path in sorted(HERE.parent.rglob("test_*.py")))
    missing = [code for code in CODES if not (HERE / f"{code}.grad").exists() and code not in elsewhere]
    assert not missing


def test_every_test_is_of_a_code() -> None:
    assert {path.stem for path in FILES} <= set(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_a_help_page(code: str) -> None:
    assert (PACKAGE / "help" / f"{code}.md").read_text("utf-8").startswith(f"# {code}: {CODES[code]}\n")
