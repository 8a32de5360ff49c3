"""Published values that full simulation is compared with: materials, and showers of others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Medium(NamedTuple):
    """What the Particle Data Group lists of a material (pdg.lbl.gov/AtomicNuclearProperties)."""

    name: str
    density: float
    """[g/cm3], of the material in Geant4"""
    radiation_length: float
    """[g/cm2]"""
    critical_energy: float
    """Of electrons, after Rossi [MeV]."""
    moliere_radius: float
    """[mm]"""

    @property
    def depth(self) -> float:
        """Radiation length [mm]."""
        return 10 * self.radiation_length / self.density


MEDIA = {
    medium.name: medium
    for medium in (
        Medium("Pb", 11.35, 6.37, 7.43, 16.02),
        Medium("W", 19.30, 6.76, 7.97, 9.327),
        Medium("Cu", 8.96, 12.86, 19.42, 15.68),
        Medium("Fe", 7.874, 13.84, 21.68, 17.19),
        Medium("G4_PbWO4", 8.28, 7.39, 9.64, 19.59),
        Medium("LAr", 1.396, 19.55, 32.84, 90.43),
        Medium("Si", 2.329, 21.82, 40.19, 49.44),
    )
}
MINIMUM = {"W": 22.10, "Si": 3.876, "Pb": 12.73, "G4_POLYSTYRENE": 2.052}
"""Smallest dE/dx [MeV/cm], of the same source."""

# Geant4's own example TestEm2 with emstandard_opt0 and all data sets, electrons of 5 GeV in a
# cylinder of PbWO4, cut 1 mm: the per cent of the energy in slices of 0.5 X0 of X0 = 8.925 mm and
# in rings of 0.1 X0, means of 100 showers each of versions 11.1, 11.3 and 11.4
# (examples/extended/electromagnetic/TestEm2/TestEm2.out in the repository of Geant4).
# fmt: off
SLICES = np.array([
    0.187, 0.453, 0.903, 1.53, 2.23, 2.973, 3.72, 4.39, 4.98, 5.347, 5.633, 5.647, 5.553, 5.263,
    5.057, 4.747, 4.347, 4.013, 3.607, 3.23, 2.937, 2.517, 2.31, 2.007, 1.72, 1.51, 1.297, 1.13,
    0.987, 0.817, 0.733, 0.63, 0.51, 0.46, 0.407, 0.323, 0.28, 0.24, 0.2, 0.163])
RINGS = np.array([
    17.61, 13.31, 9.983, 7.71, 6.04, 4.887, 4.007, 3.283, 2.777, 2.333, 2.01, 1.793, 1.557, 1.393,
    1.257, 1.14, 1.027, 0.957, 0.883, 0.817, 0.74, 0.7, 0.63, 0.603, 0.577, 0.517, 0.507, 0.463,
    0.433, 0.41, 0.373, 0.353, 0.337, 0.317, 0.317, 0.283, 0.263, 0.247, 0.247, 0.227, 0.22, 0.2,
    0.197, 0.187, 0.17, 0.163, 0.153, 0.15, 0.133, 0.103])
# EGS4, electrons of 30 GeV in iron: per cent of the energy per X0, in steps of half an X0; read off
# the figure of the Particle Data Group (TestEm2/egs4/pdg.ascii in the same repository).
EGS4 = np.array([
    0.0, 0.4, 0.8, 1.75, 2.8, 4.2, 5.6, 7.0, 8.5, 9.6, 10.5, 11.2, 11.4, 11.3, 11.3, 10.9, 10.4,
    9.5, 8.6, 8.0, 7.4, 6.5, 5.9, 5.3, 4.7, 4.1, 3.5, 3.1, 2.75, 2.4, 2.0, 1.6, 1.5, 1.3, 1.1, 1.0,
    0.8, 0.7, 0.6, 0.5])
# fmt: on
CRYSTAL_X0 = 8.925
"""Radiation length of PbWO4 in TestEm2 [mm]."""
