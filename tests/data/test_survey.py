"""Files block by block, and parts of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.data import blocks

SAMPLE = pg.read(Path(__file__).resolve().parents[2] / "datasets" / "geant4_calogan_eplus.h5")


@pytest.mark.parametrize("most", [1, 3, 4, 50])
def test_parts_are_the_blocks_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("phys_gan.data.format._BLOCK_CELLS", 100 * 504)
    pg.write(tmp_path / "a.h5", SAMPLE[:350])
    pg.write(tmp_path / "b.h5", SAMPLE[350:600])
    monkeypatch.chdir(tmp_path)
    whole = blocks(["a.h5@e+", "b.h5@gamma"])
    sizes = [len(events) for events in whole]
    assert sizes == [100, 100, 100, 50, 100, 100, 50]
    parts = whole.cut(most)
    assert len(parts) == {1: 1, 3: 3, 4: 4, 50: 7}[most]
    before, pieces = 0, []
    for start, part in parts:
        assert start == before
        with monkeypatch.context() as elsewhere:
            elsewhere.chdir("/")
            pieces += list(part)
        before += part.n_events
    assert before == whole.n_events == 600
    assert [len(events) for events in pieces] == sizes
    joined = pg.Events.concatenate(pieces)
    np.testing.assert_array_equal(joined.cells, SAMPLE.cells[:600])
    np.testing.assert_array_equal(joined.conditions["pdg"], [-11] * 350 + [22] * 250)
