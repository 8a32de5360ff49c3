"""Points in files: our own layout, its place among others, and files of other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import phys_gan as pg
from phys_gan.detectors import load_detector
from phys_gan.errors import DataError, DetectorError, PhysGanError
from phys_gan.toys import TOYS, simulate_toy

Wrong = Callable[..., PhysGanError]


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("ending", [".h5", ".hdf5"])
def test_points_come_back_with_their_space(name: str, ending: str, tmp_path: Path) -> None:
    events = simulate_toy(name, 30, seed=1)
    pg.write(tmp_path / f"a{ending}", events)
    with h5py.File(tmp_path / f"a{ending}") as file:
        assert list(file) == ["points"]
        assert file["points"].shape == (30, len(events.detector.layers))
    back = pg.read(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(back.cells, events.cells)
    assert (back.detector, dict(back.conditions)) == (load_detector(name), {})
    assert dict(back.provenance) == dict(events.provenance)


def test_what_is_said_of_points(tmp_path: Path) -> None:
    # A point twice is said, the origin is a point like any other.
    events = pg.Events([[-1.5, 2.0], [-1.5, 2.0], [0.0, 0.0]], {}, load_detector("toy-ring"))
    pg.write(tmp_path / "a.h5", events)
    found = pg.inspect(tmp_path / "a.h5")
    assert (found.warnings, found.response, found.cell_range) == (
        ["1 of 3 events are copies of others"],
        None,
        (-1.5, 2.0),
    )
    lines = [" ".join(line.split()) for line in found.lines()]
    assert "detector toy-ring (coordinates x, y)" in lines
    assert "cells -1.5 to 2" in lines
    assert not any("hit" in line for line in lines)


def test_points_of_other_programs(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(20, 2))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["points"] = points
    with pytest.raises(DetectorError, match="points of 2 coordinates, but does not say what"):
        pg.read(tmp_path / "a.h5")
    events = pg.read(tmp_path / "a.h5", detector="toy-ring")
    np.testing.assert_array_equal(events.cells, points.astype(np.float32))
    with pytest.raises(DetectorError, match="2 coordinates, but detector 'toy-gaussian' has 1 ax"):
        pg.read(tmp_path / "a.h5", detector="toy-gaussian")


def test_points_of_two_toys_do_not_stand_in_one_file(tmp_path: Path) -> None:
    pg.write(tmp_path / "a.h5", simulate_toy("toy-ring", 5))
    with pytest.raises(DetectorError, match="holds events of 'toy-ring', not of 'toy-grid'"):
        pg.write(tmp_path / "a.h5", simulate_toy("toy-grid", 5), append=True)
    pg.write(tmp_path / "a.h5", simulate_toy("toy-ring", 5, seed=1), append=True)
    assert len(pg.read(tmp_path / "a.h5")) == 10


def test_points_are_no_showers(tmp_path: Path, one_sentence: Callable[..., None]) -> None:
    with pytest.raises(DataError) as caught:
        pg.write(tmp_path / "a.root", simulate_toy("toy-grid", 5))
    one_sentence(caught.value, "not coordinates", "choose one of: toys-hdf5")


def test_damaged_points(tmp_path: Path, wrong: Wrong) -> None:
    path = tmp_path / "a.h5"
    pg.write(path, simulate_toy("toy-grid", 5000))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    wrong(path)
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        file["points"][3, 1] = np.nan
    wrong(path, "NaN", "event 3")
