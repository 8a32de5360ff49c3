"""Files: written whole or not at all; TOML bounded before it is parsed, and refused on one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from phys_gan.errors import ConfigError, DataError, OutputError, PhysGanError
from phys_gan.files import (
    MOST_TEXT,
    atomic_file,
    locked,
    numbers_first,
    parse_toml,
    read_text,
    shortened,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(target: Path, text: str, error: BaseException | None = None) -> None:
    with atomic_file(target) as temporary:
        temporary.write_text(text)
        if error:
            raise error


def test_success_replaces_the_target(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "out.txt"
    with atomic_file(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == target.suffix
        temporary.write_text("one")
        assert not target.exists()
    with atomic_file(target) as temporary:
        temporary.write_text("two")
        assert target.read_text() == "one"
    assert target.read_text() == "two"
    assert names(target.parent) == ["out.txt"]


def test_numbers_are_there_before_the_page_that_shows_them(tmp_path: Path) -> None:
    numbers = {"mean": float("nan"), "slices": [{"low": 1.0, "limit": float("inf")}]}
    for name in ("index.html", "other.html"):
        (tmp_path / name).write_text("old")
    with numbers_first(tmp_path, "numbers.json", numbers):
        # The old page showed other numbers.
        assert names(tmp_path) == ["numbers.json", "other.html"]
    written = json.loads((tmp_path / "numbers.json").read_text())
    assert written == {"mean": None, "slices": [{"low": 1.0, "limit": None}]}
    with (
        pytest.raises(ValueError, match="no") as caught,
        numbers_first(tmp_path, "numbers.json", {"mean": 1.0}),
    ):
        raise ValueError("no")
    assert caught.value.__notes__ == [f"the numbers are in '{tmp_path / 'numbers.json'}'"]
    assert json.loads((tmp_path / "numbers.json").read_text()) == {"mean": 1.0}


def test_numbers_that_cannot_be_written_leave_the_old_page(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("old")
    (tmp_path / "numbers.json").mkdir()
    with pytest.raises(OutputError), numbers_first(tmp_path, "numbers.json", {}):
        pytest.fail("nothing is drawn")
    assert (tmp_path / "index.html").read_text() == "old"


@pytest.mark.parametrize("error", [ValueError("no"), DataError("no"), KeyboardInterrupt()])
def test_failure_leaves_the_target_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(type(error)):
        write(target, "half", error)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["out.txt"]


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with pytest.raises(OutputError, match="No space left on device; free space") as caught:
        write(target, "half", OSError(28, "No space left on device"))
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, PhysGanError)
    assert names(tmp_path) == []


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write(tmp_path / "file" / "out", "x")


def test_a_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="read-only"):
        write(tmp_path / "out", "x")


def test_a_folder_in_place_of_the_target(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError):
        write(tmp_path / "out", "x")
    assert names(tmp_path) == ["out"]


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    said = "somebody is at it", "wait"
    with (
        locked(path, *said),
        pytest.raises(ConfigError, match="somebody is at it; wait"),
        locked(path, *said),
    ):
        pass
    with locked(path, *said):
        pass


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"), locked(tmp_path / "no" / "x", "", ""):
        pass


BOMBS = {
    "dots": (10**5 * "a." + "a = 1", "dots outside numbers"),
    "brackets": ("a = " + 10**5 * "[" + 10**5 * "]", "nested too deeply"),
    "length": (MOST_TEXT * "#" + "#", "at most 4,194,304 may be"),
    "no value": ("a = \n", "Invalid value"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_on_one_line(bomb):
    text, words = BOMBS[bomb]
    with pytest.raises(ValueError, match=words) as caught:
        parse_toml(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_numbers_may_have_dots():
    assert parse_toml("a = [" + 100 * "1.5, " + "]")["a"] == 100 * [1.5]


def test_no_more_is_read_than_is_refused(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(2 * MOST_TEXT * "#")
    assert len(read_text(path)) == MOST_TEXT + 1
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="it is not text"):
        read_text(path)


def test_long_messages_lose_their_middle():
    assert shortened("a\n\x1b[31mb") == "a [31mb"
    assert shortened(200 * "a" + 500 * "b" + 200 * "c") == 150 * "a" + " … " + 150 * "c"
