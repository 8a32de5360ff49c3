"""Rows of compressed data sets: how often chunks are decompressed, and how once."""

from __future__ import annotations

import resource
from pathlib import Path

import h5py
import numpy as np
import pytest

from phys_gan.data.containers.hdf5_chunks import Ahead, Chunks, chunks_of, physical_memory


@pytest.mark.parametrize("rows", [1, 3, 8, 30, 31, 60, 100, 500])
@pytest.mark.parametrize("size", [1, 7, 30, 100])
def test_how_often_chunks_are_decompressed(rows: int, size: int) -> None:
    n = 100
    touched = [0] * -(-n // size)
    for start in range(0, n, rows):
        for chunk in {row // size for row in range(start, min(start + rows, n))}:
            touched[chunk] += 1
    chunks = Chunks("x", (n, 4), (size, 2), 16)
    assert chunks.times(rows) == pytest.approx(np.mean(touched))
    assert chunks.wasted(rows) == pytest.approx((np.mean(touched) - 1) * n * 16)


def test_what_is_not_compressed_has_no_chunks(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        values = np.ones((4, 6), np.float32)
        assert chunks_of("x", file.create_dataset("plain", data=values)) is None
        assert chunks_of("x", file.create_dataset("chunks", data=values, chunks=(4, 2))) is None
        packed = file.create_dataset("packed", data=values, chunks=(4, 2), compression="lzf")
        assert chunks_of("x", packed) == Chunks("x", (4, 6), (4, 2), 24)
        texts = file.create_dataset("texts", data=["a"] * 4, chunks=(4,), compression="gzip")
        assert chunks_of("x", texts) is None


def test_the_memory_is_what_this_process_may_have() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    whole = physical_memory()
    assert whole > 1 << 26
    resource.setrlimit(resource.RLIMIT_AS, (1 << 40, hard))
    try:
        assert physical_memory() == min(whole, 1 << 40)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("most", [1, 5000, 10**6])
def test_rows_ahead_are_those_of_the_file(tmp_path: Path, most: int) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        values = np.random.default_rng(1).random((100, 12), np.float32)
        data_set = file.create_dataset("x", data=values, chunks=(30, 2), compression="gzip")
        ahead = Ahead(most)
        for start, stop in [(0, 7), (7, 29), (29, 31), (31, 95), (20, 22), (95, 100), (0, 100)]:
            rows = ahead.rows("x", data_set, start, stop)
            if stop - start >= 30:
                assert rows is None
                continue
            np.testing.assert_array_equal(rows, values[start:stop])
            held = sum(kept.nbytes for _, kept in ahead._kept.values())
            assert held <= max(most, (stop - start) * 48)
