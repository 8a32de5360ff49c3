"""Containers by their first bytes, and damage in one line."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from phys_gan.data.containers.container import container_of, damage_reported, writer_mark
from phys_gan.errors import DataError, MissingError


def test_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"root\x00\x00")
    assert container_of(path) == "ROOT"
    path.unlink()
    with h5py.File(path, "w", userblock_size=1024):
        pass
    assert container_of(path) == "HDF5"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"is empty \(0 bytes\); copy"),
        (b"event,energy\n1,2.5\n", "is text, not a data file; give an HDF5, ROOT or FITS file"),
        ("Größe\n".encode() * 999, "is text, not a data file"),
        (b"\x00\x01\xff\xfe" * 99, "is neither HDF5, ROOT nor FITS, not a data file"),
        (b"SIMPLE  " + bytes(99), "is neither HDF5, ROOT nor FITS"),
    ],
)
def test_what_is_no_data_file(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "file.h5"
    path.write_bytes(content)
    with pytest.raises(DataError, match=sentence) as caught:
        container_of(path)
    assert str(path) in str(caught.value)


def test_a_folder_a_missing_file_and_one_without_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="is a folder; name its files"):
        container_of(tmp_path)
    with pytest.raises(MissingError, match="there is no file"):
        container_of(tmp_path / "none.h5")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"cannot read '.*': Permission denied; check its perm"):
        container_of(tmp_path / "any.h5")


@pytest.mark.parametrize("version", ["earliest", "v108", "v110"])
def test_a_file_that_was_closed_has_no_mark(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=(version, "latest"), userblock_size=512) as file:
        file["x"] = [1.0, 2.0]
        file.flush()
    assert writer_mark(path) == 0
    with path.open("ab") as file:
        file.write(bytes(100))
    assert writer_mark(path) == 1
    path.write_bytes(path.read_bytes()[:530])
    assert writer_mark(path) == 0


@pytest.mark.parametrize("error", [OSError("one\ntwo"), KeyError("x"), ValueError(), TypeError()])
def test_damage_is_one_line(error: Exception) -> None:
    sentence = "the HDF5 file is damaged or cut short"
    with pytest.raises(DataError, match=sentence) as caught, damage_reported("HDF5"):
        raise error
    assert "\n" not in str(caught.value)
