"""What is installed is whole: the package, the grammars, the rules, the pages, the command."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import gradc
from gradc import resources

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(gradc.__file__).resolve().parent


def test_where_gradc_was_imported_from() -> None:
    """The tests exercise what is installed: a copy in site-packages, or this checkout if it is installed editable.

    Run from the checkout, Python must not pick up the folder `gradc` beside the tests by accident.
    """
    print(f"gradc {gradc.__version__} from {PACKAGE}")
    libraries = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    installed = any(PACKAGE.is_relative_to(library) for library in libraries)
    direct = importlib.metadata.distribution("gradc").read_text("direct_url.json") or ""
    editable = '"editable": true' in direct.replace('":true', '": true')
    assert installed or (editable and PACKAGE == ROOT / "gradc"), f"gradc comes from {PACKAGE}"


def test_the_version_has_one_source() -> None:
    assert importlib.metadata.version("gradc") == gradc.__version__


@pytest.mark.parametrize("name", ["grad.lark", "ir.lark", "LANGUAGE.md"])
def test_grammars_are_found(name: str) -> None:
    assert len(resources.grammar(name).read_text("utf-8")) > 500


@pytest.mark.parametrize(
    "name",
    ["ops/gradients.grad", "rules/exact.grad", "rules/stable.grad", "rules/real.grad", "rules/finite.grad", "py.typed"],
)
def test_files_of_the_package_are_found(name: str) -> None:
    assert resources.package_file(name).is_file()


def test_it_runs_as_a_module_and_as_a_command(tmp_path: Path) -> None:
    (tmp_path / "m.grad").write_text("input x = 3\ny = x^2")
    for command in ([sys.executable, "-m", "gradc"], [str(Path(sysconfig.get_path("scripts"), "gradc"))]):
        done = subprocess.run([*command, "run", "m.grad"], cwd=tmp_path, capture_output=True, check=False)
        assert (done.returncode, done.stdout.split(), done.stderr) == (0, [b"y", b"9"], b"")


def test_importing_is_cheap() -> None:
    code = "import sys, gradc; print(sorted({name.partition('.')[0] for name in sys.modules} & {'numpy', 'networkx'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_public_names() -> None:
    for name in gradc.__all__:
        assert getattr(gradc, name) is not None
    assert set(gradc.__all__) <= set(dir(gradc))
    with pytest.raises(AttributeError, match="no attribute 'compiel'"):
        _ = gradc.compiel


@pytest.mark.slow
def test_wheel_and_sdist_are_whole(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, env={**os.environ, "PIP_REQUIRE_VIRTUALENV": "0"})
    check_wheel(next(tmp_path.glob("*.whl")))
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "grammar/grad.lark",
        "examples/two_paths.grad",
        "tests/conftest.py",
    ):
        assert name in names


def check_wheel(path: Path) -> None:
    """Every file of the package is in the wheel, the grammars inside it, and nothing else is."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    package = {
        f"gradc/{file.relative_to(ROOT / 'gradc').as_posix()}"
        for file in (ROOT / "gradc").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    grammars = {f"gradc/grammar/{file.name}" for file in (ROOT / "grammar").iterdir()}
    assert {name for name in names if ".dist-info/" not in name} == package | grammars
    assert any(name.endswith("licenses/LICENSE") for name in names)
