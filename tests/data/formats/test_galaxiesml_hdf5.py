from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from phys_gan.data import inspect, read, write
from phys_gan.data.formats.galaxies import image_detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events


def make(path: Path, n: int = 6, side: int = 64) -> np.ndarray:
    """Write a file with the columns of the data set, some of them; return its images."""
    rng = np.random.default_rng(2)
    image = rng.normal(size=(n, 5, side, side)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file["image"] = image
        file["specz_redshift"] = rng.uniform(0, 4, n)
        file["specz_mag_i"] = rng.uniform(18, 26, n)
        file["specz_flag_homogeneous"] = np.ones(n, bool)
        for band in "grizy":
            file[f"{band}_ellipticity"] = rng.uniform(0, 1, n)
        file["g_sersic_index"] = np.where(np.arange(n) < 2, np.nan, 1.5)
        file["specz_name"] = np.full(n, b"SDSS-1")
        file["object_id"] = np.arange(n) + 43158034708430489
        file["x_coord_x"] = np.zeros((n, 2))
    return image


@pytest.mark.parametrize("side", [64, 127])
def test_a_file_of_the_data_set(tmp_path: Path, side: int) -> None:
    path = tmp_path / "5x64x64_training_with_morphology.hdf5"
    image = make(path, side=side)
    events = read(path)
    assert [layer.name for layer in events.detector.layers] == list("grizy")
    assert {layer.pixel_scale for layer in events.detector.layers} == {0.168}
    assert (events.detector.name, events.detector.cell_unit) == (f"galaxiesml-{side}", "count")
    for band in range(5):
        np.testing.assert_array_equal(events.layer(band), image[:, band])
    bands = {f"{band}_ellipticity" for band in "grizy"}
    assert set(events.conditions) == bands | {
        "specz_redshift",
        "specz_mag_i",
        "specz_flag_homogeneous",
        "x_coord_x.0",
        "x_coord_x.1",
    }
    found = inspect(path)
    assert found.format == "galaxiesml-hdf5"
    notes = " ".join(found.notes)
    assert "'g_sersic_index' is not kept: it is NaN or infinite in 2 of 6 events" in notes
    assert "'specz_name' is not kept: it holds text" in notes
    assert "'object_id' is not kept: it holds whole numbers beyond 2^53" in notes


def test_round_trip(tmp_path: Path) -> None:
    detector = image_detector("mine", "grizy", (4, 6), 0.2, "count")
    rng = np.random.default_rng(3)
    names = ["specz_redshift", "energy", "image", "a b", "overflow", "conditions"]
    conditions = {name: rng.uniform(1, 2, 7) for name in names}
    overflow = rng.normal(size=(7, 5))
    cells = rng.normal(size=(7, detector.n_cells))
    cells[0, :2] = -0.0, 1e-42
    events = Events(cells, conditions, detector, overflow, {"seed": "1"})
    path = tmp_path / "a.dat"
    write(path, events, format="galaxiesml-hdf5")
    for _ in range(2):
        back = read(path)
        assert inspect(path).format == "galaxiesml-hdf5"
        np.testing.assert_array_equal(back.cells.view(np.uint32), events.cells.view(np.uint32))
        assert set(back.conditions) == set(conditions)
        for name, values in conditions.items():
            np.testing.assert_array_equal(back.conditions[name], values)
        np.testing.assert_array_equal(back.overflow, events.overflow)
        assert back.detector == detector
        assert dict(back.provenance) == {"seed": "1"}
        write(path, back, format="galaxiesml-hdf5")
    with h5py.File(path) as file:
        assert file["image"].shape == (7, 5, 4, 6)
        assert file["image"].dtype == np.float32
        assert file["specz_redshift"].shape == (7,)
    write(path, events[:2], append=True)
    np.testing.assert_array_equal(read(path).cells[7:], events.cells[:2])


def test_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["image"] = np.zeros((2, 3, 8, 8))
    with pytest.raises(DataError, match=r"'image' has shape \(2, 3, 8, 8\), but must be \(N, 5, r"):
        read(path, format="galaxiesml-hdf5")
    image = make(path)
    with pytest.raises(
        DetectorError, match="holds 5 bands of 64 x 64 pixels, but detector 'galaxies-"
    ):
        read(path, detector="galaxies-64")
    image[3, 2, 1, 0] = np.nan
    with h5py.File(path, "r+") as file:
        file["image"][...] = image
    with pytest.raises(DataError, match=r"cells hold NaN .* in 1 of 6 events \(first: event 3"):
        read(path)
