"""Training from files that do not tell their detector."""

import runpy
from pathlib import Path

import pytest

import phys_gan as pg

MAKE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_own_showers.py"))["main"]
GEOMETRY = """
name = "box"
[[layers]]
kind = "cartesian"
repeat = 2
z = [0.0, 100.0]
x = { start = -100.0, stop = 100.0, cells = 4 }
y = { start = -100.0, stop = 100.0, cells = 4 }
[sampling]
active = { material = "Pb", thickness = 4.0 }
response = 1.0
stochastic_term = 0.1
constant_term = 0.01
"""
MAPPING = """
tree = "sim"
[hits]
x = "posX"
y = "posY"
z = "posZ"
energy = "dE"
length_unit = "cm"
[conditions]
energy = { branch = "Ebeam", unit = "GeV" }
"""
SMALL = (
    "network.latent=4", "network.width=16", "network.depth=1", "network.d_width=16",
    "network.d_depth=1", "training.events=256", "training.report_every=256",
)  # fmt: skip


@pytest.fixture
def hits(tmp_path):
    geometry, path = tmp_path / "box.toml", tmp_path / "hits.root"
    geometry.write_text(GEOMETRY)
    (tmp_path / "mapping.toml").write_text(MAPPING)
    MAKE(str(geometry), str(path), "400")
    return path


def test_hits_are_learned_with_a_mapping_and_a_detector(hits, tmp_path):
    given = {"mapping": tmp_path / "mapping.toml", "detector": tmp_path / "box.toml"}
    fast = pg.train("showers", hits, tmp_path / "run", overrides=SMALL, **given)
    assert fast.detector.name == "box"
    assert fast.generate({"energy": [1e4]}).cells.shape == (1, 32)


def test_a_recipe_for_another_detector_is_refused(hits, tmp_path):
    given = {"mapping": tmp_path / "mapping.toml", "detector": tmp_path / "box.toml"}
    with pytest.raises(pg.errors.DetectorError, match="made for detector 'calogan', but the ev"):
        pg.train("showers", hits, tmp_path / "run", overrides=["detector=calogan"], **given)
    with pytest.raises(pg.PhysGanError, match="detector"):
        pg.train("showers", hits, tmp_path / "run", mapping=tmp_path / "mapping.toml")
