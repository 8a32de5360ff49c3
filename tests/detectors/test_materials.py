"""Materials against the Particle Data Group, mixtures by Bragg's rule, and Geant4's own numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import needs_geant4
from phys_gan.detectors.materials import MATERIALS, element, find_material, mixture, nist_name
from phys_gan.errors import DetectorError

# Radiation lengths [g/cm2] and critical energies [MeV] as the Particle Data Group prints them.
ELEMENTS = {
    "H": (63.04, 344.8),
    "Be": (65.19, 113.7),
    "Ti": (16.16, 26.01),
    "Sn": (8.82, 11.86),
    "Ta": (6.82, 8.09),
    "Au": (6.46, 7.53),
}


@pytest.mark.parametrize("symbol", ELEMENTS)
def test_elements_by_formula_are_those_of_the_particle_data_group(symbol: str) -> None:
    made, (length, critical) = element(symbol), ELEMENTS[symbol]
    assert made.radiation_length == pytest.approx(length, rel=5e-3)
    # The fit to critical energies is good to 4 %, less for hydrogen.
    assert made.critical_energy == pytest.approx(critical, rel=0.04 if symbol != "H" else 0.1)


@pytest.mark.parametrize("symbol", ["Al", "Cu", "Fe", "Pb", "Si", "U", "W"])
def test_the_formula_agrees_with_the_table(symbol: str) -> None:
    assert element(symbol).radiation_length == pytest.approx(
        MATERIALS[symbol].radiation_length, rel=1e-3
    )
    assert element(symbol).z == MATERIALS[symbol].z


def test_mixtures_add_up_by_weight() -> None:
    # PDG: kapton 40.58 g/cm2, polystyrene 43.79, water 36.08.
    assert find_material("G4_KAPTON").radiation_length == pytest.approx(40.58, rel=1e-3)
    made = mixture([(0.9226, element("C")), (0.0774, element("H"))], 1.06)
    assert made.length == pytest.approx(MATERIALS["polystyrene"].length, rel=2e-3)
    # The critical energy of Rossi's fit and of Bragg's rule is good to 10 % in light compounds.
    assert made.moliere_radius == pytest.approx(MATERIALS["polystyrene"].moliere_radius, rel=0.1)
    alone = mixture([(0.3, MATERIALS["W"]), (0.7, MATERIALS["W"])], 19.3)
    assert alone.radiation_length == pytest.approx(6.76)
    assert alone.critical_energy == pytest.approx(7.97)


def test_names_of_geant4_are_ours() -> None:
    assert find_material("G4_lAr") is find_material("LAr")
    assert find_material("G4_PLASTIC_SC_VINYLTOLUENE") is MATERIALS["scintillator"]
    assert find_material("G4_Sn") == element("Sn")
    assert [nist_name(name) for name in ("CsI", "W", "G4_AIR")] == [
        "G4_CESIUM_IODIDE",
        "G4_W",
        "G4_AIR",
    ]


def test_own_materials_may_be_made_of_others() -> None:
    own = {"board": (1.7, {"resin": 0.4, "Si": 0.6}), "resin": (1.2, {"C": 0.8, "H": 0.2})}
    lengths = 0.4 * (0.8 / 42.70 + 0.2 / 63.04) + 0.6 / 21.82
    assert find_material("board", own).radiation_length == pytest.approx(1 / lengths, rel=2e-3)
    assert find_material("board", own).density == 1.7
    with pytest.raises(DetectorError, match=r"'unobtainium' is not known; available: Al, .*W"):
        find_material("unobtainium", own)


SCRIPT = """
import json, sys
from pathlib import Path
from phys_gan.detectors import materials
from phys_gan.simulation.geant4_data import load_geant4
g = load_geant4("em-analytic", Path(sys.argv[1]))
manager = g.G4NistManager.Instance()
names = [*materials.MATERIALS, *materials._COMPOUNDS, *materials._BY_SYMBOL]
found = {}
for name in names:
    made = manager.FindOrBuildMaterial(materials.nist_name(name))
    if made is not None:
        found[name] = made.GetRadlen() / g.mm, made.GetDensity() / (g.g / g.cm3)
Path(sys.argv[1], "found.json").write_text(json.dumps([len(set(names)), found]))
"""


@needs_geant4
def test_every_material_has_the_radiation_length_of_geant4(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], check=True, capture_output=True)
    n, found = json.loads((tmp_path / "found.json").read_text())
    assert len(found) == n
    for name, (length, density) in found.items():
        assert find_material(name).length == pytest.approx(length, rel=3e-3), name
        assert find_material(name).density == pytest.approx(density, rel=3e-3), name
