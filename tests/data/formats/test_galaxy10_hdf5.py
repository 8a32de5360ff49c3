from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import assert_same
from phys_gan.data import inspect, read, write, writing
from phys_gan.data.formats.galaxies import image_detector
from phys_gan.errors import DataError, DetectorError, PhysGanError
from phys_gan.events import Events

SMALL = image_detector("tiny", "grz", (4, 6), 0.5, "count")


def make(
    path: Path, n: int = 12, size: tuple[int, int] = (69, 69), **columns: object
) -> np.ndarray:
    """Write a file as the data set's authors did; return its images."""
    images = np.random.default_rng(1).integers(0, 256, (n, *size, 3), dtype=np.uint8)
    with h5py.File(path, "w") as file:
        file["images"] = images
        file["ans"] = np.arange(n, dtype=np.uint8) % 10
        for name, values in columns.items():
            file[name] = values
    return images


def test_a_file_of_decals(tmp_path: Path) -> None:
    path = tmp_path / "Galaxy10_DECals.h5"
    scales = np.array([0.262, 0.262, 0.5])
    images = make(
        path,
        3,
        (256, 256),
        ra=np.array([1.5, 2.5, 3.5]),
        dec=np.array([[-1.0], [0.0], [1.0]]),
        redshift=np.array([0.1, np.nan, 0.3]),
        pxscale=scales,
        smoothness=np.array([1, 2, 3]),
    )
    events = read(path)
    assert events.cells.dtype == np.float32
    assert [layer.name for layer in events.detector.layers] == ["g", "r", "z"]
    assert {layer.shape for layer in events.detector.layers} == {(256, 256)}
    assert {layer.pixel_scale for layer in events.detector.layers} == {0.262}
    assert (events.detector.name, events.detector.cell_unit) == ("galaxy10-decals", "count")
    for band in range(3):
        np.testing.assert_array_equal(events.layer(band), images[..., band])
    assert events.cells[1, 65536 + 256 * 7 + 9] == images[1, 7, 9, 1]
    assert set(events.conditions) == {"ans", "ra", "dec", "pxscale", "smoothness"}
    np.testing.assert_array_equal(events.conditions["dec"], [-1, 0, 1])
    np.testing.assert_array_equal(events.conditions["pxscale"], scales)
    found = inspect(path)
    assert found.format == "galaxy10-hdf5"
    why = "it is NaN or infinite in 1 of 3 events (first: event 1)"
    assert f"data set 'redshift' is not kept: {why}" in found.notes


def test_pixels_of_one_size_belong_to_the_detector(tmp_path: Path) -> None:
    make(tmp_path / "a.h5", pxscale=np.full(12, 0.3))
    events = read(tmp_path / "a.h5")
    assert events.detector.layers[0].pixel_scale == 0.3
    assert "pxscale" not in events.conditions
    with pytest.raises(DetectorError, match=r"pixels are 0.3 arcsec wide, .*'x' are 0.4 arcsec"):
        read(tmp_path / "a.h5", detector=image_detector("x", "gri", (69, 69), 0.4, "count"))


@pytest.mark.parametrize(
    ("size", "scale", "bands", "name"),
    [((69, 69), 0.396, "gri", "galaxy10-sdss"), ((256, 256), 0.262, "grz", "galaxy10-decals")],
)
def test_a_known_size_tells_the_survey(
    tmp_path: Path, size: tuple[int, int], scale: float, bands: str, name: str
) -> None:
    make(tmp_path / "a.h5", 2, size)
    events = read(tmp_path / "a.h5")
    assert events.detector.name == name
    assert [layer.name for layer in events.detector.layers] == list(bands)
    assert events.detector.layers[2].pixel_scale == scale
    assert set(events.conditions) == {"ans"}
    note = f"the file gives no pxscale: pixels of {scale} arcsec are taken"
    assert note in inspect(tmp_path / "a.h5").notes


def test_another_size_needs_a_detector(tmp_path: Path) -> None:
    make(tmp_path / "a.h5", size=(4, 6))
    with pytest.raises(DetectorError, match="does not say how large its pixels are, and 4 x 6"):
        read(tmp_path / "a.h5")
    assert read(tmp_path / "a.h5", detector=SMALL).detector == SMALL
    with pytest.raises(
        DetectorError, match="holds 3 bands of 4 x 6 pixels, but detector 'galaxies-32'"
    ):
        read(tmp_path / "a.h5", detector="galaxies-32")
    with pytest.raises(DetectorError, match="'calogan' has 504 cells in 3 layers"):
        read(tmp_path / "a.h5", detector="calogan")
    make(tmp_path / "b.h5", size=(4, 6), pxscale=np.full(12, 0.1))
    assert read(tmp_path / "b.h5").detector.name == "galaxy10-4x6"


def _other_shape(file: h5py.File) -> None:
    del file["images"]
    file["images"] = np.zeros((3, 69, 69), np.uint8)


def _texts(file: h5py.File) -> None:
    del file["images"]
    file["images"] = np.full((2, 1, 1, 3), b"x")


def _short(file: h5py.File) -> None:
    file["conditions/w"] = np.zeros(3)


def _negative(file: h5py.File) -> None:
    file["pxscale"] = np.linspace(-1, 1, 12)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_other_shape, r"'images' has shape \(3, 69, 69\), but must be \(N, rows, columns, 3\)"),
        (_texts, "does not hold numbers in data set 'images'"),
        (_short, "there are 3 values of 'w' for 12 events"),
        (_negative, "'pxscale' is -1 arcsec for a galaxy, but must be positive"),
    ],
)
def test_what_is_wrong_with_a_file(
    tmp_path: Path, damage: Callable[[h5py.File], None], sentence: str
) -> None:
    make(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        damage(file)
    with pytest.raises(PhysGanError, match=sentence) as caught:
        read(tmp_path / "a.h5", format="galaxy10-hdf5")
    assert str(tmp_path / "a.h5") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_columns_that_are_no_conditions(tmp_path: Path) -> None:
    make(
        tmp_path / "a.h5",
        specz_name=np.full(12, b"x"),
        object_id=np.arange(12) + 2**60,
        coord=np.zeros((12, 2)),
        short=np.zeros(5),
    )
    assert set(read(tmp_path / "a.h5").conditions) == {"ans", "coord.0", "coord.1"}
    notes = inspect(tmp_path / "a.h5").notes
    assert "data set 'specz_name' is not kept: it holds text" in notes
    assert "data set 'short' is not kept: it holds other than one entry per event" in notes
    assert any("'object_id' is not kept: it holds whole numbers beyond" in note for note in notes)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 99), names=st.sets(st.sampled_from(["ans", "ra", "pxscale", "a/b", "é"]))
)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, seed: int, names: set[str]) -> None:
    path = tmp_path_factory.mktemp("trip") / "a.dat"
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    conditions = {name: rng.integers(0, 256, n).astype(float) for name in names}
    if "ra" in names:
        conditions["ra"] = rng.normal(size=n)
    overflow = rng.normal(size=(n, 3)) if seed % 2 else None
    cells = rng.integers(0, 256, (n, SMALL.n_cells))
    events = Events(cells, conditions, SMALL, overflow, {"history": "λ"})
    write(path, events, format="galaxy10-hdf5")
    assert inspect(path).format == "galaxy10-hdf5"
    assert_same(events, read(path), rtol=0)


def test_the_layout_is_the_original_one(tmp_path: Path) -> None:
    images = make(tmp_path / "a.h5", redshift=np.linspace(0, 1, 12))
    write(tmp_path / "b.h5", read(tmp_path / "a.h5"), format="galaxy10-hdf5")
    with h5py.File(tmp_path / "b.h5") as file:
        np.testing.assert_array_equal(file["images"][:], images)
        assert file["images"].dtype == file["ans"].dtype == np.uint8
        assert file["redshift"].shape == (12,)


def test_append(tmp_path: Path) -> None:
    make(tmp_path / "a.h5", pxscale=np.linspace(0.1, 0.2, 12))
    events = read(tmp_path / "a.h5")
    write(tmp_path / "a.h5", events[:5], append=True)
    both = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(both.cells, np.concatenate([events.cells, events.cells[:5]]))
    np.testing.assert_array_equal(both.conditions["ans"][12:], events.conditions["ans"][:5])


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0, -0.0])
def test_pixels_that_are_no_bytes(tmp_path: Path, value: float) -> None:
    cells = np.ones((3, SMALL.n_cells))
    cells[2, 5] = value
    events = Events(cells, {}, SMALL)
    with pytest.raises(DataError, match="cells must be whole numbers from 0 to 255"):
        write(tmp_path / "a.h5", events, format="galaxy10-hdf5")

    # Also when they come only after the sample by which the layout was chosen.
    def in_parts() -> None:
        with writing(tmp_path / "a.h5", events[:1], "galaxy10-hdf5") as add:
            add(events[:2])
            add(events[2:])

    with pytest.raises(DataError, match="cells must be whole numbers from 0 to 255"):
        in_parts()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_can_be_dropped(tmp_path: Path) -> None:
    odd = Events(np.ones((2, SMALL.n_cells)), {"ans": [0.5, 1]}, SMALL)
    with pytest.raises(DataError, match=r"'ans' must be whole numbers .* with --drop ans"):
        write(tmp_path / "a.h5", odd, format="galaxy10-hdf5")
    write(tmp_path / "a.h5", odd, format="galaxy10-hdf5", drop=["ans"])
    assert not read(tmp_path / "a.h5").conditions
