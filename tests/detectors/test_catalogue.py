"""Built-in detectors against what is published, and detectors from files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from phys_gan.detectors import (
    Construction,
    Detector,
    PolarLayer,
    Stack,
    detector_names,
    load_detector,
    read_binning_xml,
)
from phys_gan.detectors.description import missing
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


PHOTON = """<Bins>
  <Bin pid="22" etaMin="20" etaMax="25" name="photon">
    <Layer id="0" r_edges="0,5,10,30,50,100,200,400,600" n_bin_alpha="1"/>
    <Layer id="1" r_edges="0,2,4,6,8,10,12,15,20,30,40,50,70,90,120,150,200" n_bin_alpha="10"/>
    <Layer id="2" n_bin_alpha="10"
           r_edges="0,2,5,10,15,20,25,30,40,50,60,80,100,130,160,200,250,300,350,400"/>
    <Layer id="3" r_edges="0,50,100,200,400,600" n_bin_alpha="1"/>
    <Layer id="4" r_edges="0" n_bin_alpha="1"/>
    <Layer id="12" r_edges="0,100,200,400,1000,2000" n_bin_alpha="1"/>
  </Bin>
</Bins>"""
TWO = '<Bins><Bin pid="{}" name="{}"><Layer id="0" r_edges="0,1" n_bin_alpha="2"/></Bin>'
BOTH = TWO.format(22, "photon") + TWO.format(211, "pion").removeprefix("<Bins>") + "</Bins>"


def test_the_published_binning_is_the_built_in_detector() -> None:
    imported, built_in = read_binning_xml(PHOTON), load_detector("calochallenge-1-photons")
    assert imported.n_cells == 368
    assert [layer.name for layer in imported.layers] == ["0", "1", "2", "3", "12"]
    for one, two in zip(imported.layers, built_in.layers, strict=True):
        assert isinstance(one, PolarLayer)
        assert isinstance(two, PolarLayer)
        assert (one.name, one.r, one.n_alpha) == (two.name, two.r, two.n_alpha)
    np.testing.assert_allclose(imported.positions, built_in.positions)
    np.testing.assert_array_equal(imported.symmetry_group(), built_in.symmetry_group())


def test_a_file_and_its_particles(tmp_path: Path) -> None:
    path = tmp_path / "binning.xml"
    path.write_text(BOTH)
    assert load_detector(f"{path}:pion").name == "pion"
    assert load_detector(f"{path}:22").name == "photon"
    with pytest.raises(DetectorError, match=r"2 binnings, .* photon, pion; name .*:photon'$"):
        load_detector(path)
    with pytest.raises(DetectorError, match="particle 'muon': it holds photon, pion; name the"):
        load_detector(f"{path}:muon")
    path.write_text(BOTH.replace("pion", "photon"))
    with pytest.raises(DetectorError, match="2 binnings for the particle 'photon'; keep one of"):
        load_detector(f"{path}:photon")


def test_the_name_that_is_advised_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.xml:b" / "two@x.xml"
    path.parent.mkdir()
    path.write_text(BOTH)
    with pytest.raises(DetectorError) as caught:
        load_detector(path)
    advised = str(caught.value).split("such as '")[1].removesuffix("'")
    assert load_detector(advised).name == "photon"


def test_thickness() -> None:
    detector = read_binning_xml(PHOTON, thickness=2.5)
    assert [layer.z for layer in detector.layers][-1] == (10.0, 12.5)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<Bins>", "is not XML"),
        ("<Bins/>", "is not a binning: it holds no <Bin>"),
        ("<!DOCTYPE x><Bins/>", "declares a document type"),
        ('<Bins><Bin pid="22"/></Bins>', "at least 1 item"),
        ('<Bins><Bin pid="22"><Layer r_edges="0,x"/></Bin></Bins>', "could not convert"),
        ('<Bins><Bin pid="22"><Layer r_edges="0,2,1"/></Bin></Bins>', "rising order"),
        ('<Bins><Bin pid="22"><Layer r_edges="0,1" n_bin_alpha="0"/></Bin></Bins>', "n_alpha"),
    ],
)
def test_what_is_not_a_binning(text: str, sentence: str) -> None:
    with pytest.raises(DetectorError, match=sentence) as caught:
        read_binning_xml(text, source="b.xml")
    assert "'b.xml'" in str(caught.value)


CALORIMETERS = [name for name in CELLS if load_detector(name).kind == "calorimeter"]


@pytest.mark.parametrize("name", CALORIMETERS)
def test_every_calorimeter_can_be_built(name: str) -> None:
    detector = load_detector(name)
    assert missing(detector) == []
    pieces = detector.pieces()
    # No gap, no slab beyond a border, and something to read out in every layer.
    np.testing.assert_allclose([p.z[0] for p in pieces[1:]], [p.z[1] for p in pieces[:-1]])
    assert {p.layer for p in pieces if p.active} == set(range(detector.n_layers))


def test_only_silicon_of_the_challenge_is_read_out_and_scaled() -> None:
    for name, factor in (("calochallenge-2", 1 / 0.033), ("par04-9x16x45", 1.0)):
        active = [p for p in load_detector(name).pieces() if p.active]
        assert {p.material for p in active} == {"Si"}
        assert sum(p.z[1] - p.z[0] for p in active) == pytest.approx(90 * 0.3)
        assert [p.factor for p in active] == pytest.approx([factor] * len(active))
    assert {p.active for p in load_detector("calogan").pieces()} == {True}


def test_sensors_of_ild_lie_where_the_files_have_them() -> None:
    detector = load_detector("ild-ecal")
    pieces = detector.pieces()
    sensors = [p for p in pieces if p.active]
    assert [p.layer for p in sensors] == list(range(30))
    middles = np.array([sum(p.z) / 2 for p in sensors])
    np.testing.assert_allclose(middles[[0, -1]], [6.9, 205.6], atol=0.01)
    # Layers end half way between sensors, to the rounding of the file.
    borders = [layer.z[1] for layer in detector.layers[:-1]]
    np.testing.assert_allclose((middles[:-1] + middles[1:]) / 2, borders, atol=0.011)
    plates = sum(p.z[1] - p.z[0] for p in pieces if p.material == "W")
    assert plates == pytest.approx(20 * 2.1 + 10 * 4.2)


def test_a_detector_of_an_older_file_has_the_same_cells() -> None:
    """Files and models of before hold detectors without a construction."""
    for name in CALORIMETERS:
        detector = load_detector(name)
        older = detector.model_copy(update={"construction": None})
        assert "construction" not in older.to_toml()
        assert Detector.from_toml(older.to_toml()).same_cells(detector)


def test_the_page_about_detectors_shows_one_that_can_be_built() -> None:
    page = Path(__file__).parents[2] / "docs" / "detectors.md"
    (text,) = re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    detector = Detector.from_toml(text)
    assert missing(detector) == []
    assert len(detector.pieces()) == 102
    # Every field of the construction is explained.
    named = set(re.findall(r"`(?:stack\.)?(\w+)`", page.read_text("utf-8")))
    assert {*Construction.model_fields, *Stack.model_fields} <= named
