"""What `use` brings in, and from where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from meaning import errors

import gradc


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".grad")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def load_errors(path: Path, *codes: str, **options: Any) -> gradc.CompileError:
    with pytest.raises(gradc.CompileError) as caught:
        gradc.load(path, **options)
    assert [d.code for d in caught.value.diagnostics] == list(codes), str(caught.value)
    return caught.value


def test_use_brings_functions_and_constants(tmp_path: Path) -> None:
    write(
        tmp_path,
        main='use "lib/a.grad"\ninput x = 3\nk2 = 5\ny = scale(x) + k\nd = grad(y, x)\nh = grad(own(x), x)\n'
        "j = grad(k*x, k)\noutput y, d, h, j",
        lib__a='use "b.grad"\nk = 2*base\nfn scale(t) = k*t + hidden(t)\nfn own(t) = t\nderivative own(t) = 42',
        lib__b="base = 5\nfn hidden(t) = base*t^2",
    )
    assert dict(gradc.load(tmp_path / "main.grad")()) == {"y": 85, "d": 40, "h": 42, "j": 3}


def test_what_a_used_file_uses_stays_its_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        main='use "a.grad"\ny = f(1) + base\n',
        a='use "b.grad"\nfn f(x) = g(x) + base',
        b="base = 5\nfn g(x) = x",
        main2='use "a.grad"\ny = g(1)\n',
        # Names of its own do not clash with those that stay inside.
        main3='use "a.grad"\nbase = 100\nfn g(x) = 1000*x\ny = f(1) + base + g(1)',
    )
    load_errors(tmp_path / "main.grad", "E0201")
    load_errors(tmp_path / "main2.grad", "E0203")
    assert gradc.load(tmp_path / "main3.grad")()["y"] == 1106


def test_a_used_function_sees_its_own_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        main='k = 1000\nfn s(x) = 0\nuse "a.grad"\ninput x = 2\ny = f(x)',
        a="q = 3\nfn t(x) = x + 1\nfn f(x) = q*t(x)",
    )
    assert gradc.load(tmp_path / "main.grad")()["y"] == 9
    write(tmp_path, main='q = 1000\nuse "a.grad"\ny = f(1)')
    load_errors(tmp_path / "main.grad", "E0202")
    write(tmp_path, main='fn f(x) = 1\nuse "a.grad"\ny = f(1)')
    load_errors(tmp_path / "main.grad", "E0202")
    write(tmp_path, main='use "a.grad"\nq = 1\ny = f(1)')
    load_errors(tmp_path / "main.grad", "E0202")
    # Before the statement nothing is there.
    write(tmp_path, main='y = f(1)\nuse "a.grad"')
    assert load_errors(tmp_path / "main.grad", "E0203")


def test_a_diamond_of_files_is_read_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        main='use "a.grad"\nuse "b.grad"\ninput x = 2\ny = fa(x) + fb(x)\ng = grad(y, x)\noutput y, g',
        a='use "c.grad"\nfn fa(x) = c1*h(x)',
        b='use "c.grad"\nfn fb(x) = h(x)',
        c="c1 = 2\nfn h(x) = x\nderivative h(x) = 10",
    )
    assert dict(gradc.load(tmp_path / "main.grad")()) == {"y": 6, "g": 30}


def test_a_used_file_has_no_inputs_and_no_outputs(tmp_path: Path) -> None:
    write(tmp_path, main='use "a.grad"\ny = 1', a="input x = 1\nparam w = 1\nk = 2\noutput k")
    load_errors(tmp_path / "main.grad", "E0505", "E0505", "E0505")


def test_errors_in_used_files_name_them(tmp_path: Path) -> None:
    write(tmp_path, main='use "a.grad"\ny = f(1)\nz = nope', a="fn f(x) = nope2 + x")
    found = load_errors(tmp_path / "main.grad", "E0201", "E0201").diagnostics
    assert sorted(Path(str(d.file)).name for d in found) == ["a.grad", "main.grad"]


def test_cycles_of_files(tmp_path: Path) -> None:
    write(tmp_path, a='use "b.grad"\ny = 1', b='use "sub/c.grad"', sub__c='use "../b.grad"')
    load_errors(tmp_path / "a.grad", "E0502")
    write(tmp_path, me='use "me.grad"\ny = 1')
    load_errors(tmp_path / "me.grad", "E0502")
    # Another spelling of the same file.
    write(tmp_path, me='use "sub/../me.grad"\ny = 1')
    load_errors(tmp_path / "me.grad", "E0502")


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    write(tmp_path, prog__main='use "../outside.grad"\ny = f(1)', outside="fn f(x) = x + 1")
    main = tmp_path / "prog" / "main.grad"
    load_errors(main, "E0503")
    assert gradc.load(main, allow=[str(tmp_path)])()["y"] == 2
    write(tmp_path, prog__main=f'use "{tmp_path}/outside.grad"\ny = f(1)')
    load_errors(main, "E0503")
    write(tmp_path, prog__main='use "missing.grad"\ny = f(1)')
    load_errors(main, "E0501")
    write(tmp_path, prog__main='use ""\ny = 1')
    load_errors(main, "E0501")
    write(tmp_path, prog__main='use "../prog/near.grad"\ny = f(1)', prog__near="fn f(x) = x")
    assert gradc.load(main)()["y"] == 1
    write(tmp_path, prog__main='use "."\ny = 1')
    load_errors(main, "E0501")
    # A mistake in the used file is shown where it is.
    write(tmp_path, prog__main='use "near.grad"\ny = f(1)', prog__near="fn f(x) = (x")
    assert Path(str(load_errors(main, "E0102").diagnostics[0].file)).name == "near.grad"


def test_used_from_a_relative_path_and_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        prog__main='use "lib/a.grad"\ny = f(1)',
        prog__lib__a='use "b.grad"\nfn f(x) = g(x)',
        prog__lib__b="fn g(x) = x + 1",
    )
    monkeypatch.chdir(tmp_path)
    assert gradc.load("prog/main.grad")()["y"] == 2
    monkeypatch.chdir(tmp_path / "prog")
    assert gradc.load("main.grad")()["y"] == 2
    monkeypatch.chdir(tmp_path / "prog" / "lib")
    assert gradc.load("../main.grad")()["y"] == 2
    # The program's folder bounds it, not the current one.
    write(tmp_path, prog__lib__up='use "../top.grad"\ny = f(1)', prog__top="fn f(x) = x")
    load_errors(Path("up.grad"), "E0503")


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="links need rights on Windows")
def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, prog__main='use "link.grad"\ny = f(1)', outside="fn f(x) = x", prog__real="fn f(x) = x")
    main = tmp_path / "prog" / "main.grad"
    os.symlink(tmp_path / "outside.grad", tmp_path / "prog" / "link.grad")
    load_errors(main, "E0503")
    (tmp_path / "prog" / "link.grad").unlink()
    os.symlink(tmp_path / "prog" / "real.grad", tmp_path / "prog" / "link.grad")
    load_errors(main, "E0503")
    (tmp_path / "away").mkdir()
    write(tmp_path, away__a="fn f(x) = x", prog__main='use "dir/a.grad"\ny = f(1)')
    os.symlink(tmp_path / "away", tmp_path / "prog" / "dir")
    load_errors(main, "E0503")
    # A program that is itself reached through a link.
    write(tmp_path, prog__main='use "real.grad"\ny = f(1)')
    os.symlink(tmp_path / "prog", tmp_path / "alias")
    assert gradc.load(tmp_path / "alias" / "main.grad")()["y"] == 1


def test_a_text_can_use_only_what_is_allowed(tmp_path: Path) -> None:
    write(tmp_path, a="fn f(x) = x + 1")
    errors('use "a.grad"\ny = f(1)', "E0504")
    assert gradc.compile('use "a.grad"\ny = f(1)', allow=[str(tmp_path)])()["y"] == 2
    errors('use "../a.grad"\ny = f(1)', "E0503", allow=[str(tmp_path)])


def test_a_file_used_twice_is_used_once(tmp_path: Path) -> None:
    (tmp_path / "a.grad").write_text("k = 3\nfn f(x) = k*x\n")
    (tmp_path / "main.grad").write_text('use "a.grad"\nuse "a.grad"\ny = f(2)\n')
    assert gradc.load(tmp_path / "main.grad")() == {"y": 6.0}
