"""Attributes: ours stand in the file's header, those in heaps are read by another process."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.data.containers import hdf5_probe
from phys_gan.data.containers.hdf5_probe import attributes, put_attributes

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
