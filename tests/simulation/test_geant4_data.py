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


@pytest.mark.parametrize(
    ("z", "kinetic", "at", "integral"),
    [
        (14, 0.5, (9.609, 4.078, 2.058), 4.846),
        (14, 10.0, (12.573, 7.008, 4.376), 7.448),
        (29, 1.0, (9.843, 4.340, 2.242), 5.073),
        (82, 0.5, (9.811, 5.718, 4.074), 6.241),
        (82, 1.0, (9.837, 5.232, 3.393), 5.820),
        (82, 10.0, (9.620, 5.827, 4.104), 6.137),
    ],
)
def test_spectra_are_those_of_exact_calculations(z, kinetic, at, integral):
    """F. Tessier and I. Kawrakow, Nucl. Instrum. Meth. B 266 (2008) 625, in mb."""
    fractions = np.linspace(0, 1, 2001)
    values = bremsstrahlung(z, np.float64(kinetic), fractions)
    np.testing.assert_allclose(np.interp([0.1, 0.5, 0.8], fractions, values), at, rtol=0.05)
    assert np.trapezoid(values, fractions) == pytest.approx(integral, rel=0.015)


@pytest.mark.parametrize("z", [1, 4, 5, 29, 92])
def test_bremsstrahlung_is_positive_and_smooth(z):
    kinetic, fractions = np.geomspace(1e-3, 1e4, 400), np.linspace(0, 1, 101)
    values = bremsstrahlung(z, kinetic[:, np.newaxis], fractions)
    assert values.min() > 0
    radiated = np.trapezoid(values, fractions, axis=1)
    # No steps where the correction begins and ends.
    assert np.abs(np.diff(np.log(radiated))).max() < 0.06


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
