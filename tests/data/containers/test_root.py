"""ROOT trees: baskets of a fixed number of events, whatever the blocks were."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from phys_gan.data.containers import root
from phys_gan.data.containers.root import created

N = 20_000
NUMBERS = np.arange(N, dtype=np.float64)
LISTS = ak.unflatten(np.arange(2 * N, dtype=np.float32), np.arange(N) % 2 * 4)


@pytest.mark.parametrize("size", [700, 8192, N])
def test_the_blocks_leave_no_trace(tmp_path: Path, size: int) -> None:
    with created(tmp_path / "a.root", {"made": "here"}) as trees:
        for start in range(0, N, size):
            rows = slice(start, start + size)
            trees.put("flat", {"x": NUMBERS[rows]})
            trees.put("jagged", {"hits": LISTS[rows], "x": NUMBERS[rows]})
    with uproot.open(tmp_path / "a.root") as file:
        for tree in (file["flat"], file["jagged"]):
            edges = [0, 8192, 16_384, N]
            assert tree["x"].entry_offsets == edges
            np.testing.assert_array_equal(tree["x"].array(library="np"), NUMBERS)
            assert tree["x"].compressed_bytes < tree["x"].uncompressed_bytes / 2
        assert isinstance(file.file.compression, uproot.ZSTD)
        assert ak.array_equal(file["jagged"]["hits"].array(), LISTS, dtype_exact=False)


def test_large_events_make_small_baskets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root, "_BYTES", 8000)
    with created(tmp_path / "a.root", {}) as trees:
        trees.put("flat", {"x": NUMBERS[:2500]})
    with uproot.open(tmp_path / "a.root") as file:
        assert file["flat"]["x"].entry_offsets == [0, 1000, 2000, 2500]


def test_nothing_and_little(tmp_path: Path) -> None:
    with created(tmp_path / "a.root", {}) as trees:
        trees.put("flat", {"x": NUMBERS[:0]})
        trees.put("flat", {"x": NUMBERS[:3]})
    with uproot.open(tmp_path / "a.root") as file:
        assert file["flat"]["x"].array().tolist() == [0, 1, 2]
