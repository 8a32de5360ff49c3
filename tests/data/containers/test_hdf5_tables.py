"""HDF5 tables: what h5py reads back, whatever the blocks were, and a disk that is full."""

from __future__ import annotations

import errno
import io
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5_tables
from phys_gan.data.containers.hdf5_tables import CHUNK_ROWS, Storage, Stored, encode, rows_of

RNG = np.random.default_rng(3)
N = 2 * CHUNK_ROWS + 100
TABLES = {
    "wide": np.where(RNG.random((N, 60)) < 0.4, RNG.random((N, 60)), 0).astype(np.float32),
    "energy": RNG.random((N, 1)),
    "pdg": np.repeat(RNG.integers(-22, 22, N // 4 + 1), 4)[:N].astype(np.int32),
    "images": RNG.integers(0, 255, (N, 3, 2)).astype(np.uint8),
}
LISTS = np.empty(N, object)
LISTS[:] = [np.arange(i % 5, dtype=np.float32) for i in range(N)]


def fill(path: Path, sizes: Sequence[int], start: int = 0, grow: bool = False) -> bytes:
    with hdf5_tables.created(path, {"made": "here"}, grow) as tables:
        for size in sizes:
            rows = slice(start, start + size)
            for name, values in TABLES.items():
                tables.put(name, values[rows])
            tables.put("lists", LISTS[rows], h5py.vlen_dtype(np.float32))
            start += size
    return path.read_bytes()


def expect(path: Path, n: int) -> None:
    with h5py.File(path) as file:
        assert set(file) == {*TABLES, "lists"}
        for name, values in TABLES.items():
            np.testing.assert_array_equal(file[name][()], values[:n])
            assert (file[name].dtype, file[name].compression) == (values.dtype, "gzip")
            assert file[name].shuffle
        assert [list(row) for row in file["lists"][()]] == [list(row) for row in LISTS[:n]]


@settings(max_examples=12)
@given(
    cuts=st.lists(st.integers(0, N), max_size=6),
    n=st.sampled_from([1, 70, 5000, CHUNK_ROWS, CHUNK_ROWS + 1, N]),
)
def test_the_blocks_leave_no_trace(
    cuts: list[int], n: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("blocks")
    whole = fill(folder / "whole.h5", [n])
    expect(folder / "whole.h5", n)
    edges = [0, *sorted(min(cut, n) for cut in cuts), n]
    assert fill(folder / "cut.h5", np.diff(edges).tolist()) == whole


@pytest.mark.parametrize("first", [1, 5000, CHUNK_ROWS, CHUNK_ROWS + 7])
def test_a_file_grows(tmp_path: Path, first: int) -> None:
    fill(tmp_path / "a.h5", [first])
    fill(tmp_path / "a.h5", [100, CHUNK_ROWS], start=first, grow=True)
    expect(tmp_path / "a.h5", first + 100 + CHUNK_ROWS)


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (7, 4)},
        {"chunks": (7, 10), "compression": "gzip"},
        {"chunks": (7, 10), "compression": "lzf", "shuffle": True},
        {"chunks": (7, 10), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (7, 10), "compression": "gzip", "compression_opts": 9, "shuffle": True},
        {"chunks": (7, 10), "compression": "gzip", "shuffle": True, "dtype": ">f8"},
    ],
)
def test_a_file_of_another_program_grows(tmp_path: Path, options: dict[str, object]) -> None:
    values = TABLES["wide"][:100, :10]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("wide", data=values[:40], maxshape=(None, None), **options)
    with hdf5_tables.created(tmp_path / "a.h5", {}, grow=True) as tables:
        tables.put("wide", values[40:60])
        tables.put("wide", values[60:])
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["wide"][()], values)
        assert file["wide"].chunks == options["chunks"]


@pytest.mark.parametrize("before", [[30], [CHUNK_ROWS, 30], [5, CHUNK_ROWS]])
def test_room_is_made_in_front(tmp_path: Path, before: list[int]) -> None:
    n = sum(before)
    values = RNG.random((n + 9, 2, 1)).astype(np.float32) + 1
    with hdf5_tables.created(tmp_path / "a.h5", {}) as tables:
        for start, size in zip([0, *np.cumsum(before)], before, strict=False):
            tables.put("points", values[start : start + size])
        tables.widen("points", 5)
        tables.widen("points", 4)
        assert tables.width("points") == 5
        tables.put("points", np.ones((9, 5, 1), np.float32))
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["points"][:n, 3:], values[:n])
        assert not file["points"][:n, :3].any()
        np.testing.assert_array_equal(file["points"][n:], np.ones((9, 5, 1)))


def test_small_arrays_are_replaced(tmp_path: Path) -> None:
    for grow, total in ((False, 3), (True, 7)):
        with hdf5_tables.created(tmp_path / "a.h5", {}, grow) as tables:
            assert (tables.get("shape") is not None) == grow
            tables.set("shape", np.array([1, 1]))
            tables.set("shape", np.array([total, 2]))
            assert tables.get("shape").tolist() == [total, 2]
        with h5py.File(tmp_path / "a.h5") as file:
            assert file["shape"][()].tolist() == [total, 2]


@settings(max_examples=20)
@given(
    dtype=st.sampled_from(["<f4", ">f4", "<f8", "u1", "<i2", "<i4"]),
    rows=st.integers(1, 40),
    filled=st.integers(1, 40),
    seed=st.integers(0, 9),
)
def test_a_chunk_is_what_hdf5_decodes(dtype: str, rows: int, filled: int, seed: int) -> None:
    shape, kind = (rows, 3), np.dtype(dtype)
    values: NDArray = np.random.default_rng(seed).integers(0, 9, (min(filled, rows), 3))
    how = {"chunks": shape, "maxshape": (None, 3), "compression": "gzip", "shuffle": True}
    with h5py.File(f"{dtype}{seed}", "w", driver="core", backing_store=False) as file:
        table = file.create_dataset("a", values.shape, kind, **how)
        table.id.write_direct_chunk((0, 0), encode([values], shape, kind))
        np.testing.assert_array_equal(table[()], values)


def test_showers_are_smaller_than_h5py_makes_them(tmp_path: Path) -> None:
    cells = TABLES["wide"][:CHUNK_ROWS]
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file.create_dataset("a", data=cells, compression="gzip", compression_opts=1, shuffle=True)
        plain = file["a"].id.get_storage_size()
    assert len(encode([cells], cells.shape, cells.dtype)) < plain


def test_rows_of_a_chunk() -> None:
    assert [rows_of(size) for size in (0, 1, 128, 129, 1152, 1 << 20, 1 << 21)] == [
        *(CHUNK_ROWS, CHUNK_ROWS, CHUNK_ROWS),
        *(4096, 512, 1, 1),
    ]
    assert [rows_of(4, n) for n in (1, 64, 100, 10**6)] == [64, 64, 100, CHUNK_ROWS]
    assert rows_of(1 << 20, 5) == 1


def test_stored_rows_come_as_they_are_or_are_read(tmp_path: Path) -> None:
    fill(tmp_path / "a.h5", [CHUNK_ROWS + 50])
    with h5py.File(tmp_path / "a.h5") as file:
        rows = Stored(file["energy"], 0, len(file["energy"]))
        shape = (CHUNK_ROWS, 1)
        assert rows[:CHUNK_ROWS].chunk(shape) == encode([TABLES["energy"][:CHUNK_ROWS]], shape, "d")
        assert rows[1 : CHUNK_ROWS + 1].chunk(shape) is None
        assert rows[CHUNK_ROWS:].chunk(shape) is None
        assert rows[:CHUNK_ROWS].chunk((CHUNK_ROWS // 2, 1)) is None
        np.testing.assert_array_equal(rows[5:][2:9].read(), TABLES["energy"][7:14])


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
