from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from phys_gan.errors import MissingError
from phys_gan.simulation.showers import pair_share, start_cascades


@pytest.mark.parametrize("particle", ["e+", "e-"])
def test_an_electron_is_one_cascade_from_the_front(particle: str) -> None:
    cascades = start_cascades(particle, 5, np.random.default_rng(0))
    assert cascades.event.tolist() == [0, 1, 2, 3, 4]
    assert np.all(cascades.share == 1)
    assert np.all(cascades.start == 0)


def test_a_photon_is_two_cascades_from_one_point() -> None:
    n = 50_000
    cascades = start_cascades("gamma", n, np.random.default_rng(0))
    start, share = cascades.start.reshape(n, 2), cascades.share.reshape(n, 2)
    assert np.all(start[:, 0] == start[:, 1])
    assert share.sum(axis=1) == pytest.approx(np.ones(n))
    assert kstest(start[:, 0], "expon", args=(0, 9 / 7)).pvalue > 1e-3


def test_the_pair_shares_energy_after_bethe_and_heitler() -> None:
    share = pair_share(50_000, np.random.default_rng(1))

    def distribution(x: np.ndarray) -> np.ndarray:
        return (x - 2 / 3 * x**2 + 4 / 9 * x**3) * 9 / 7

    assert kstest(share, distribution).pvalue > 1e-3


@pytest.mark.parametrize("particle", ["pi+", "mu-", "photon", ""])
def test_other_particles_are_refused(particle: str) -> None:
    with pytest.raises(MissingError, match=r"available: e\+, e-, gamma"):
        start_cascades(particle, 1, np.random.default_rng(0))
