from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.plain_observables import plain_comparison, plain_observables
from helpers import make_profiles
from phys_gan.data import read
from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.observables import measure, select
from phys_gan.observables.spectrum import spectrum_per_event
from phys_gan.simulation import simulate

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def geant4() -> Events:
    return read(ROOT / "datasets/geant4_calogan_eplus.h5")[:400]


def assert_equal_observables(events: Events) -> set[str]:
    plain = plain_observables(events.cells.astype(np.float64), events.energy, events.detector)
    ours = measure(events, select(events.detector, names=list(plain)))
    for name, expected in plain.items():
        np.testing.assert_allclose(ours[name], expected, rtol=1e-5, atol=2e-6, err_msg=name)
    return set(plain)


def test_geant4_showers_have_the_observables_of_the_plain_script(geant4: Events) -> None:
    names = assert_equal_observables(geant4)
    # Clusters have a search of their own to agree with.
    counted = ("isolated_{k}", "pairs_{k}", "clusters_{k}", "largest_cluster_{k}")
    assert names == {o.name for o in select(geant4.detector) if o.family not in counted}


def test_polar_showers_have_the_observables_of_the_plain_script() -> None:
    detector = load_detector("calochallenge-2")
    names = assert_equal_observables(simulate(detector, 60, seed=1))
    assert names == {o.name for o in select(detector)}


def test_spectra_and_profiles_are_those_of_the_plain_script(geant4: Events) -> None:
    first, second = geant4[:200], geant4[200:]
    energies = (first.energy, second.energy)
    histograms, profiles = plain_comparison(first.cells, second.cells, energies, geant4.detector)
    edges, *entries = histograms["cell_energy"]
    for events, expected, mean, error in zip(
        (first, second), entries, profiles[::2], profiles[1::2], strict=True
    ):
        ours = spectrum_per_event(events, edges).sum(axis=0)[1:-1]
        # The last bin of np.histogram holds its upper edge, the hardest hit of the reference.
        assert ours[:-1].tolist() == expected[:-1].tolist()
        assert 0 <= expected[-1] - ours[-1] <= 1
        average = make_profiles(events).cells
        np.testing.assert_allclose(average.mean, mean)
        np.testing.assert_allclose(average.error, error * np.sqrt(200 / 199), rtol=1e-6)
