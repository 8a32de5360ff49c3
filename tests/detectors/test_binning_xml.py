from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phys_gan.detectors import PolarLayer, load_detector, read_binning_xml
from phys_gan.errors import DetectorError

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
def test_what_is_no_binning(text: str, sentence: str) -> None:
    with pytest.raises(DetectorError, match=sentence) as caught:
        read_binning_xml(text, source="b.xml")
    assert "'b.xml'" in str(caught.value)
