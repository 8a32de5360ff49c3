from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phys_gan.detectors import Detector, detector_names, load_detector
from phys_gan.errors import DetectorError

CELLS = {
    "calochallenge-1-photons": (368, 5),
    "calochallenge-1-pions": (533, 7),
    "calochallenge-2": (6480, 45),
    "calochallenge-3": (40500, 45),
    "calogan": (504, 3),
    "cosmos-128": (16384, 1),
    "cosmos-64": (4096, 1),
    "galaxies-128": (16384, 1),
    "galaxies-32": (1024, 1),
    "galaxies-64": (4096, 1),
    "ild-ecal": (108000, 30),
    "par04-18x50x45": (40500, 45),
    "par04-9x16x45": (6480, 45),
    "toy-gaussian": (1, 1),
    "toy-grid": (2, 2),
    "toy-ring": (2, 2),
}


def test_every_built_in_detector_is_known_here() -> None:
    assert detector_names() == sorted(CELLS)


@pytest.mark.parametrize("name", CELLS)
def test_published_number_of_cells(name: str) -> None:
    detector = load_detector(name)
    assert (detector.n_cells, detector.n_layers) == CELLS[name]
    assert detector.name == name
    assert detector.offsets[-1] == detector.n_cells
    assert detector.positions.shape == (detector.n_cells, 2)
    np.testing.assert_array_equal(
        np.bincount(detector.layer_of_cell), [layer.n_cells for layer in detector.layers]
    )


def test_geometry_of_calogan() -> None:
    detector = load_detector("calogan")
    assert detector.offsets == (0, 288, 432, 504)
    assert [layer.shape for layer in detector.layers] == [(3, 96), (12, 12), (12, 6)]
    np.testing.assert_allclose(detector.depths, [45.0, 263.5, 458.5])
    # Layer 0, x bin 0, y bin 1: the second cell of 160 mm x 5 mm.
    np.testing.assert_allclose(detector.positions[1], [-160.0, -232.5])


def test_geometry_of_calochallenge_2() -> None:
    detector = load_detector("calochallenge-2")
    np.testing.assert_allclose(detector.layers[0].r, np.arange(10) * 4.65)
    np.testing.assert_allclose(detector.depths, 3.4 * (np.arange(45) + 0.5))
    # r is fastest, alpha begins at -pi.
    alpha = -np.pi + np.pi / 16
    expected = np.array([np.cos(alpha), np.sin(alpha)]) * 1.5 * 4.65
    np.testing.assert_allclose(detector.positions[1], expected)


def test_geometry_of_ild_ecal() -> None:
    detector = load_detector("ild-ecal")
    # Silicon of the first, second and last layer [mm behind the front face].
    np.testing.assert_array_equal(detector.find(0.0, 0.0, [6.9, 10.03, 205.61]) // 3600, [0, 1, 29])
    assert detector.find(2.5, 2.5, 6.9) == 30 * 60 + 30
    assert {layer.shape for layer in detector.layers} == {(60, 60)}
    np.testing.assert_allclose(np.diff([layer.z for layer in detector.layers][5]), 6.235, atol=0.01)


@pytest.mark.parametrize(
    ("one", "other"),
    [("par04-9x16x45", "calochallenge-2"), ("par04-18x50x45", "calochallenge-3")],
)
def test_par04_has_the_cells_of_calochallenge(one: str, other: str) -> None:
    assert load_detector(one).same_cells(load_detector(other))


def test_a_detector_is_returned_as_it_is() -> None:
    detector = load_detector("calogan")
    assert load_detector(detector) is detector


def test_a_file_of_the_user(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    load_detector("calogan").save(path)
    assert load_detector(path) == load_detector("calogan")
    assert load_detector(str(path)).same_cells(load_detector("calogan"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("calogn", "'calogn' is not a detector; available: calochallenge-1-photons"),
        ("none.toml", "cannot read the detector 'none.toml': No such file"),
        ("none.xml:photon", "cannot read the detector 'none.xml': No such file"),
    ],
)
def test_unknown_names(name: str, sentence: str) -> None:
    with pytest.raises(DetectorError, match=sentence):
        load_detector(name)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DetectorError, match="it is not text"):
        load_detector(path)


@pytest.mark.parametrize("name", CELLS)
def test_toml_round_trip(name: str) -> None:
    detector = load_detector(name)
    copy = Detector.from_toml(detector.to_toml())
    assert copy == detector
    assert hash(copy) == hash(detector)
    assert copy.to_toml() == detector.to_toml()
