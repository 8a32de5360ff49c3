"""What Geant4 reads: cross sections computed here, and where its own data sets are."""

from __future__ import annotations

import numpy as np
import pytest

from phys_gan.simulation.geant4_data import ELECTRON_MASS, bremsstrahlung, write_tables


@pytest.mark.parametrize(
    ("z", "mass", "length"),
    [(82, 207.2, 6.37), (74, 183.84, 6.76), (18, 39.948, 19.55), (14, 28.085, 21.82)],
    ids=["Pb", "W", "LAr", "Si"],
)
def test_radiation_lengths_are_those_of_the_particle_data_group(z, mass, length):
    """1/X0 = N_A/A times the integral of k dsigma/dk over k, divided by E; at 1 GeV."""
    kinetic, fractions = 1e3, np.linspace(0, 1, 20_001)
    beta_squared = 1 - (ELECTRON_MASS / (kinetic + ELECTRON_MASS)) ** 2
    values = bremsstrahlung(z, np.float64(kinetic), fractions) * z**2 / beta_squared
    loss = np.trapezoid(values, fractions) * kinetic / (kinetic + ELECTRON_MASS) * 1e-27  # [cm2]
    assert mass / (6.02214e23 * loss) == pytest.approx(length, rel=0.02)


def test_tables_have_the_layout_of_geant4(tmp_path):
    write_tables(tmp_path, {74: lambda z, energy: [1.0, 2.0, 3.0, 4.0]})
    head, x, y, *rows = (tmp_path / "brem_SB" / "br74").read_text().splitlines()
    kind, n_x, n_y = map(int, head.split())
    assert (kind, len(x.split()), len(y.split()), len(rows)) == (4, n_x, n_y, n_y)
    assert {len(row.split()) for row in rows} == {n_x}
    first, second, *points = (tmp_path / "epics2017/phot/pe-cs-74.dat").read_text().splitlines()
    assert int(second) == int(first.split()[2]) == len(points)
    energy, value = map(float, points[100].split())
    # sigma E^3, where sigma = sum of c_i / E^i.
    assert value == pytest.approx(energy**2 + 2 * energy + 3 + 4 / energy, rel=1e-6)
    assert (tmp_path / "epics2017/phot/pe-high-74.dat").read_text().split()[3:] == [
        "1e-05",
        "1.0",
        "2.0",
        "3.0",
        "4.0",
        "0",
        "0",
    ]
