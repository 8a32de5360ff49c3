"""What HDF5 keeps in heaps: texts are read by another process, broken heaps are found before."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.data.containers import hdf5_probe
from phys_gan.data.containers.hdf5_probe import attributes, put_attributes, sound_heaps

TEXTS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    max_size=4,
)


@given(TEXTS)
def test_texts_come_back_without_another_process(texts: dict[str, str]) -> None:
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        put_attributes(file, texts)
        assert attributes(file) == texts


def test_a_text_that_is_too_long_for_the_header(tmp_path: Path) -> None:
    texts = {"short": "é", "long": 70_000 * "x"}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        put_attributes(file, texts)
    with h5py.File(tmp_path / "a.h5") as file:
        assert attributes(file) == texts


def test_what_other_programs_write(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs["text"] = "é"
        file.attrs["list"] = ["a", "b"]
        file.attrs["numbers"] = np.array([1, 2])
        file.attrs["nothing"] = h5py.Empty("f4")
        file.attrs["bytes"] = b"\xff"
    with h5py.File(path) as file:
        found = attributes(file)
    assert found.pop("bytes") in ("\N{REPLACEMENT CHARACTER}", "b'\\xff'")
    assert found == {"text": "é", "list": "a, b", "numbers": "1, 2", "nothing": ""}


def test_a_crash_of_the_other_process_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "crash.py"
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(hdf5_probe, "__file__", str(script))
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs["text"] = "a"
    with h5py.File(path) as file, pytest.raises(OSError, match="cannot be read"):
        attributes(file)


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    for number, text in enumerate(("one", "two")):
        with h5py.File(path, "w") as file:
            file.attrs["text"] = text
        os.utime(path, ns=(number, number))
        with h5py.File(path) as file:
            assert attributes(file) == {"text": text}


def test_the_other_process_cannot_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "greedy.py"
    source = Path(hdf5_probe.__file__).read_text()
    reading = "    return {str(name)"
    assert reading in source
    script.write_text(source.replace(reading, f"    bytearray(1 << 34)\n{reading}"))
    monkeypatch.setattr(hdf5_probe, "__file__", str(script))
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs["text"] = "a"
    with h5py.File(path) as file, pytest.raises(OSError, match="cannot be read"):
        attributes(file)


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
