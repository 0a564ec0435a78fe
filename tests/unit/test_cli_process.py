"""The command line as a process: pipes, signals, encodings, standard streams."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from interrupted import QUIET, interrupted

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TWO_PATHS = str(EXAMPLES / "two_paths.grad")
# -P: what is installed, not a folder `gradc` where the tests happen to run.
GRADC = [sys.executable, "-P", "-m", "gradc"]

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and pipes")


def run(*arguments: str, env: dict[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **(env or {})}
    return subprocess.run(
        [*GRADC, *arguments], capture_output=True, env=environment, check=False, timeout=60, **options
    )


def test_exit_codes() -> None:
    done = run("run", TWO_PATHS)
    assert (done.returncode, done.stdout.decode().split(), done.stderr) == (0, ["L", "9"], b"")
    done = run("run", "-", input=b"y = x +")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"error[E0101]")
    done = run("run", TWO_PATHS, "--no-such-option")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error[E0802]")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"y = \x00",
        b"\xef\xbb\xbfy = 1\r\n",
        b"(" * 20_000,
        b"y = 1" + b" + 1" * 20_000,
        b"gradc-ir 1",
    ],
)
def test_no_input_ends_in_a_traceback(data: bytes) -> None:
    done = run("run", "-", input=data)
    assert done.returncode in (0, 1)
    assert b"Traceback" not in done.stderr
    assert b"internal error" not in done.stderr


def test_use_from_standard_input() -> None:
    done = run("run", "-", input=b'use "f.grad"\ny = 1')
    assert done.returncode == 1
    assert done.stderr.startswith(b"error[E0504]")


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_a_terminal_without_the_sign_of_a_derivative(env: dict[str, str]) -> None:
    done = run("grad", TWO_PATHS, "--lr", "0.01", env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"dL/dw2" in done.stdout
    for arguments in (("dot", TWO_PATHS), ("explain", TWO_PATHS), ("help", "max"), ("help", "language"), ("help",)):
        done = run(*arguments, env=env)
        assert done.returncode == 0, done.stderr
        assert done.stderr == b""


def test_json_is_whole_on_any_terminal() -> None:
    import json

    text = "input ŷ = 3\nŷ₂ = 2*ŷ".encode()
    done = run("run", "-", "--json", input=text, env={"PYTHONIOENCODING": "ascii"})
    assert json.loads(done.stdout) == {"outputs": {"ŷ₂": 6.0}}


@posix
@pytest.mark.parametrize("arguments", [("ir", TWO_PATHS), ("help", "language"), ("run", TWO_PATHS)])
def test_a_closed_pipe_is_silent(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([*GRADC, *arguments], stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@posix
def test_a_closed_standard_output_and_error() -> None:
    command = " ".join([*GRADC, "run", TWO_PATHS])
    assert subprocess.run(["sh", "-c", f"{command} >&-"], check=False, timeout=60).returncode == 0
    assert subprocess.run(["sh", "-c", f"{command} --oops 2>&-"], check=False, timeout=60).returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*GRADC, "ir", TWO_PATHS], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr == b"error[E0803]: cannot write the output: no space left on device\n"


@posix
def test_an_interrupt_is_one_quiet_line() -> None:
    assert interrupted("run", "-") == QUIET


@posix
def test_colours_are_for_terminals_alone() -> None:
    assert b"\x1b" not in run("grad", TWO_PATHS).stdout
    import pty

    for env, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        main, terminal = pty.openpty()
        inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        environment = {**inherited, "PYTHONIOENCODING": "utf-8", **env}
        done = subprocess.run([*GRADC, "grad", TWO_PATHS], stdout=terminal, env=environment, check=False, timeout=60)
        os.close(terminal)
        shown = os.read(main, 10_000)
        os.close(main)
        assert done.returncode == 0
        assert (b"\x1b[" in shown) is coloured
        assert "∂L/∂w2".encode() in shown


def test_names_of_files_that_are_no_text(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("file names are bytes on Linux alone")
    path = os.fsencode(tmp_path) + b"/\xff.grad"
    try:
        with open(path, "wb") as file:
            file.write(b"input x = 1\ny = 2*x")
    except OSError:
        pytest.skip("the file system refuses the name")
    done = subprocess.run([*GRADC, "ir", path], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["run", "grad", "ir", "help"])
def test_a_call_imports_only_what_it_needs(command: str) -> None:
    """A small program runs within 0.15 s over its imports; these would make it slow without anyone noticing."""
    heavy = ["graphviz", "mpmath", "scipy", "rich.markdown", "gradc.explain", "gradc.backends.render"]
    code = (
        "import sys\nfrom gradc.cli import main\ncode = main(sys.argv[1:])\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    topic = "sin" if command == "help" else TWO_PATHS
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, command, topic], capture_output=True, check=False, timeout=60
    )
    assert done.stderr.decode().strip() == "[]"
