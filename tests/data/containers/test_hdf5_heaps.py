"""Heaps of texts: what the library could follow for ever or out of its memory is found before."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import pytest

from phys_gan.data.containers import hdf5_probe
from phys_gan.data.containers.hdf5_probe import sound_heaps


def heap(*objects: tuple[int, int], size: int | None = None) -> bytes:
    """Return a heap with objects of these numbers and sizes, and what is free behind them."""
    body = b"".join(
        struct.pack("<HHIQ", index, 1, 0, length) + bytes(-(-length // 8) * 8)
        for index, length in objects
    )
    body += struct.pack("<HHIQ", 0, 0, 0, 32) + bytes(16)
    return b"GCOL\x01\x00\x00\x00" + struct.pack("<Q", size or 16 + len(body)) + body


@pytest.mark.parametrize(
    ("content", "sound"),
    [
        (b"", True),
        (heap((1, 5), (2, 16)), True),
        (bytes(100) + heap((1, 5)) + bytes(50) + heap((1, 7)), True),
        (heap((1, 5), size=1 << 40), False),
        (heap((1, 5), size=8), False),
        (heap((1, 5))[:12], False),
        (heap((1, 5)).replace(struct.pack("<Q", 5), struct.pack("<Q", 5000)), False),
        (heap((1, 5)).replace(struct.pack("<Q", 32), struct.pack("<Q", 0)), False),
        (bytes(100) + heap((1, 5)) + heap((1, 7), size=8), False),
    ],
)
def test_heaps(tmp_path: Path, content: bytes, sound: bool) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert sound_heaps(path) is sound


def test_both_ends_of_a_large_file_are_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5_probe, "_LOOKED_AT", 256)
    path, broken = tmp_path / "a", heap((1, 5), size=8)
    # A heap that reaches beyond what is looked at says nothing.
    for content, sound in (
        (bytes(200) + heap((1, 5)) + bytes(1000), True),
        (bytes(1000) + broken, False),
        (broken + bytes(1000), False),
        (bytes(500) + broken + bytes(500), True),
    ):
        path.write_bytes(content)
        assert sound_heaps(path) is sound


def test_what_the_library_writes_is_sound(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["lists"] = ["a", 3000 * "b", "", 70_000 * "c"]
        file.attrs["text"] = 500 * "d"
    assert (tmp_path / "a.h5").read_bytes().count(b"GCOL") > 1
    assert sound_heaps(tmp_path / "a.h5")
