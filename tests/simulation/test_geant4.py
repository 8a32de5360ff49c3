"""Full simulation with Geant4: cross sections, geometry, events that are the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import CartesianLayer, Detector, load_detector
from phys_gan.detectors.construction import Construction, Slab, Stack, StackSlab
from phys_gan.errors import DetectorError
from phys_gan.simulation.geant4_data import ELECTRON_MASS, bremsstrahlung, write_tables

PERIOD = (
    StackSlab(material="W", thickness=1.4),
    StackSlab(material="Si", thickness=0.3, active=True),
)


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


def block(n: int = 3, **given: object) -> Detector:
    """Return layers of 3.4 mm, each of two periods."""
    layers = tuple(
        CartesianLayer(z=(3.4 * k, 3.4 * (k + 1)), x=(-40, 0, 40), y=(-40.0, -10.0, 5.0, 40.0))
        for k in range(n)
    )
    return Detector(name="block", layers=layers, construction=Construction(**given))


def test_a_period_goes_on_through_layers_and_is_cut_where_they_end():
    pieces = block(2, stack=(Stack(slabs=PERIOD),)).pieces()
    assert [(piece.layer, piece.material) for piece in pieces] == [
        (0, "W"),
        (0, "Si"),
        (0, "W"),
        (0, "Si"),
        (1, "W"),
        (1, "Si"),
        (1, "W"),
        (1, "Si"),
    ]
    np.testing.assert_allclose([p.z[0] for p in pieces[1:]], [p.z[1] for p in pieces[:-1]])
    assert (pieces[0].z[0], pieces[-1].z[1]) == pytest.approx((0, 6.8))
    calogan = load_detector("calogan").pieces()
    assert sum(p.z[1] - p.z[0] for p in calogan) == pytest.approx(480)
    assert {p.active for p in calogan} == {True}
    # 437 mm is inside of a gap.
    assert next(p.material for p in calogan if p.layer == 2) == "LAr"


def test_stacks_fill_layers_of_their_depth():
    deep = (*PERIOD, StackSlab(material="G4_AIR", thickness=1.7))
    front = Slab(material="Fe", thickness=10)
    pieces = block(
        3, stack=(Stack(slabs=deep, layers=2), Stack(slabs=PERIOD)), before=(front,)
    ).pieces()
    assert [piece.material for piece in pieces[:5]] == ["Fe", "W", "Si", "G4_AIR", "W"]
    assert (pieces[0].z, pieces[0].layer) == ((-10, 0), -1)
    with pytest.raises(
        ValueError, match=r"layer 0 is 3\.4 mm deep, the slabs of its stack 1\.7 mm"
    ):
        block(3, stack=(Stack(slabs=PERIOD, layers=3),))
    with pytest.raises(ValueError, match="the stacks fill 2 of 3 layers"):
        block(3, stack=(Stack(slabs=deep, layers=2),))
    with pytest.raises(ValueError, match="the stacks fill more than 3 layers"):
        block(3, stack=(Stack(slabs=deep, layers=4),))
    with pytest.raises(DetectorError, match="nothing says what 'toy-ring' is built of"):
        load_detector("toy-ring").pieces()
