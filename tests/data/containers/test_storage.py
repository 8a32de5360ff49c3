"""HDF5 files on a disk that is full."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import h5py
import numpy as np
import pytest

from phys_gan.data.containers.hdf5_tables import Storage


class FullDisk(io.FileIO):
    """A file on a disk with room for so many bytes."""

    room = 1 << 20

    def write(self, data: object) -> int:
        content = bytes(data)  # type: ignore[call-overload]
        if self.tell() + len(content) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


def full(path: Path) -> Storage:
    storage = Storage(path, "w+b")
    storage._file.close()
    storage._file = FullDisk(path, "w+b")
    return storage


def test_a_file_in_order_is_an_ordinary_file(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((500, 100))
    with Storage(tmp_path / "a.h5", "w+b") as storage:
        with h5py.File(storage, "w") as file:
            file["values"] = values
        storage.check()
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["values"][()], values)
    with Storage(tmp_path / "a.h5", "r+b") as storage, h5py.File(storage, "r+") as file:
        file["more"] = values[:3]
        np.testing.assert_array_equal(file["values"][()], values)
    with h5py.File(tmp_path / "a.h5") as file:
        assert set(file) == {"values", "more"}


def test_hdf5_closes_on_a_full_disk_and_the_failure_is_told(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((1000, 1000))
    with full(tmp_path / "a.h5") as storage:
        with h5py.File(storage, "w") as file:
            file.create_dataset("values", data=values, chunks=(10, 1000))
            with pytest.raises(OSError, match="No space left"):
                storage.check()
            # What HDF5 reads back is what it wrote, wherever that is.
            np.testing.assert_array_equal(file["values"][()], values)
        with pytest.raises(OSError, match="No space left"):
            storage.check()
    # Only its length is on the disk beyond that, without content.
    assert 512 * (tmp_path / "a.h5").stat().st_blocks <= FullDisk.room + 4096


def test_positions_and_lengths(tmp_path: Path) -> None:
    with full(tmp_path / "a") as storage:
        assert storage.write(b"x" * (FullDisk.room - 1)) == FullDisk.room - 1
        storage.check()
        storage.write(b"abcd")
        storage.write(b"efgh")
        storage.seek(-9, io.SEEK_END)
        assert storage.read(20) == b"xabcdefgh"
        storage.seek(FullDisk.room + 1)
        storage.write(b"XY")
        storage.seek(-5, io.SEEK_CUR)
        assert storage.tell() == FullDisk.room - 2
        assert storage.read() == b"xabXYefgh"
        storage.truncate(4)
        storage.seek(0)
        assert storage.read() == b"xxxx"
