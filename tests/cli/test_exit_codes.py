"""How commands end: 0, 1 and 2 keep their meaning, and a fault of ours is none of them."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import phys_gan as pg
from phys_gan.cli import app
from phys_gan.errors import DataError
from phys_gan.report import sections
from phys_gan.training import Unfinished
from phys_gan.workflows import demo_sample

QUICK = ("--observable", "depth", "--no-figures", "--no-trees")


def invoke(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.stderr


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every command that cites end with this error."""

    def broken(what: str) -> str:
        raise error

    monkeypatch.setattr("phys_gan.workflows.exploration.cite", broken)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("not enough values\n to unpack."), 70, "ValueError: not enough values to unp"),
        (KeyError("theta"), 70, "KeyError: 'theta'; this is a fault of phys_gan"),
        (AssertionError(), 70, "phys-gan: AssertionError; this is"),
        # Typer would take it for the end of an answer, and end in 1.
        (EOFError("Compressed file ended"), 70, "EOFError: Compressed file ended"),
        (RuntimeError("size mismatch"), 70, "RuntimeError: size mismatch"),
        (OSError(errno.EIO, "Input/output error"), 70, "Input/output error"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 70, "BrokenPipeError"),
        (ImportError("libtorch.so: cannot open"), 70, "libtorch.so"),
        (DataError("it is bad", remedy="make it good"), 2, "phys-gan: it is bad; make it good"),
        (MemoryError(), 2, "the memory of this machine is too small: MemoryError; free some"),
        (RuntimeError("CUDA out of memory. Tried"), 2, "is too small: RuntimeError: CUDA out of"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "No space left on device; free"),
        (KeyboardInterrupt(), 130, "phys-gan: interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_error_has_its_code_and_its_sentence(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
) -> None:
    fail_with(monkeypatch, error)
    ended, said, complained = invoke("cite", "showers")
    assert (ended, said) == (code, "")
    assert complained.startswith("phys-gan: ")
    assert complained.count("\n") == 1
    assert words in complained
    asks = f"this is a fault of phys_gan {pg.__version__}, please report it"
    assert (asks in complained) is (code == 70)
    assert ("phys-gan --debug cite" in complained) is (code == 70)


def test_a_page_of_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, ValueError("words " * 10_000))
    _, _, complained = invoke("cite", "showers")
    assert len(complained) < 600
    assert complained.count("\n") == 1


@pytest.mark.parametrize(("error", "code"), [(ValueError("why"), 70), (DataError("why"), 2)])
def test_debug_shows_where_an_error_comes_from(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    fail_with(monkeypatch, error)
    ended, _, complained = invoke("--debug", "cite", "showers")
    assert ended == code
    assert complained.startswith("Traceback (most recent call last)")
    assert "in broken" in complained
    assert complained.splitlines()[-1].startswith("phys-gan: ")


@pytest.mark.parametrize(
    "arguments", [["fly"], ["cite"], ["cite", "showers", "--nope"], ["--nope"], ["validate", "a"]]
)
def test_wrong_options_end_in_2(arguments: list[str]) -> None:
    code, _, complained = invoke(*arguments)
    assert code == 2
    assert "fault" not in complained


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["cite", "--help"]])
def test_help_ends_in_0(arguments: list[str]) -> None:
    assert invoke(*arguments)[0] == 0


def test_a_demo_that_is_stopped_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise Unfinished(10, 20, "SIGINT came")

    monkeypatch.setattr("phys_gan.workflows.demo", stopped)
    code, _, complained = invoke("demo")
    assert (code, complained) == (130, "phys-gan: interrupted\n")


def test_a_figure_that_fails_costs_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report"
    out.mkdir()
    (out / "index.html").write_text("another comparison")
    (out / "notes.txt").write_text("mine")
    data = tmp_path / "few.h5"
    pg.write(data, pg.read(demo_sample())[:300])
    command = ("validate", data, data, "--out", out, *QUICK)

    def draw(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("division by zero")

    with monkeypatch.context() as patch:
        patch.setattr(sections, "render_plot", draw)
        code, _, complained = invoke(*command)
    assert code == 70
    assert "ZeroDivisionError: division by zero; this is a fault" in complained
    assert complained.endswith(f"(the numbers are in '{out / 'metrics.json'}')\n")
    assert complained.count("\n") == 1
    # No page that shows other numbers than these.
    assert sorted(path.name for path in out.iterdir()) == ["metrics.json", "notes.txt"]
    left = json.loads((out / "metrics.json").read_text())
    assert invoke(*command)[0] == 0
    assert json.loads((out / "metrics.json").read_text()) == left
    assert (out / "index.html").exists()


def child(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


AS_A_MODULE = """
import runpy, signal
import phys_gan.workflows.exploration as exploration
def broken(what):
    {raised}
exploration.cite = broken
# Jobs in the background of a shell inherit that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("phys_gan", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        ("raise ValueError('why')", 70, "ValueError: why; this is a fault"),
        ("signal.raise_signal(signal.SIGINT)", 130, "interrupted"),
    ],
)
def test_the_module_ends_as_the_program_does(raised: str, code: int, words: str) -> None:
    done = child(AS_A_MODULE.format(raised=raised), "cite", "showers")
    said, complained = done.communicate(timeout=120)
    assert (done.returncode, said) == (code, "")
    assert re.fullmatch(rf"phys-gan: {words}.*\n", complained)


def test_a_reader_that_goes_away() -> None:
    reading, writing_end = os.pipe()
    os.close(reading)
    with os.fdopen(writing_end, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "phys_gan", "models"],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    assert (done.returncode, done.stderr) == (141, "")
