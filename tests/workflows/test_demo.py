"""The demo as it is shipped keeps its promises on held-out Geant4 showers (minutes: slow)."""

from itertools import pairwise

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.workflows import demo


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return demo(tmp_path_factory.mktemp("demo"))


@pytest.mark.slow
def test_mean_response_in_four_energy_bins(done):
    generated, geant4 = (pg.read(done.out / name) for name in ("generated.h5", "held_out.h5"))
    edges = np.linspace(1e3, 1e5, 5)
    for low, high in pairwise(edges):
        means = [
            np.mean((events.total_energy() / events.energy)[
                (events.energy >= low) & (events.energy < high)
            ])
            for events in (generated, geant4)
        ]  # fmt: skip
        assert means[0] == pytest.approx(means[1], rel=0.03)


@pytest.mark.slow
def test_kolmogorov_smirnov_distances(done):
    observables = done.comparison.metrics["observables"]
    for name in ("E_tot/E_inc", "E_0/E_tot", "E_1/E_tot", "E_2/E_tot"):
        assert observables[name]["ks"]["value"] < 0.25
    assert len(done.comparison.outside) <= 20
