from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from phys_gan.detectors import load_detector
from phys_gan.simulation.profiles import (
    LARGEST_RADIUS,
    EffectiveMedium,
    RadialProfile,
    effective_medium,
    radial_profile,
)

LEAD = EffectiveMedium(z=82, radiation_length=5.6, critical_energy=7.4, moliere_radius=1.0)


def at(value: float, n: int = 1) -> np.ndarray:
    return np.full(n, value, np.float32)


def test_formulas_by_hand() -> None:
    profile = radial_profile(LEAD, at(np.log(10)), at(1.0))
    assert profile.core[0] == pytest.approx(0.0251 + 0.00319 * 2.302585 + 0.1162 - 0.031242)
    k1, k4 = 0.659 - 0.25338, 0.3585 + 0.0421 * 2.302585
    tail = k1 * (np.exp(-2.59 * 0.355) + np.exp(k4 * 0.355))
    assert profile.tail[0] == pytest.approx(tail, rel=1e-5)
    u = (0.401 + 0.15334 - 1) / (1.313 - 0.0686 * 2.302585)
    assert profile.weight[0] == pytest.approx((2.632 - 0.07708) * np.exp(u - np.exp(u)), rel=1e-5)


def test_sampling_widens_the_core_and_narrows_the_tail_in_front() -> None:
    medium = EffectiveMedium(82, 5.6, 7.4, 1.0, 0.4, 0.7, sampling=True)
    profile = radial_profile(medium, at(0.0), at(0.5))
    plain = radial_profile(LEAD, at(0.0), at(0.5))
    early = 0.4 * np.exp(-0.5)
    core, tail = -0.0203 * 0.3 + 0.0397 * early, -0.14 * 0.3 - 0.495 * early
    weight = 0.3 * (0.348 - 0.642 * 0.4 * np.exp(-0.25))
    assert profile.core - plain.core == pytest.approx(core, abs=1e-6)
    assert profile.tail - plain.tail == pytest.approx(tail, abs=1e-6)
    assert profile.weight - plain.weight == pytest.approx(weight, abs=1e-6)


@pytest.mark.parametrize("name", ["calogan", "calochallenge-2", "calochallenge-1-photons"])
def test_profiles_are_distributions_at_every_depth_and_energy(name: str) -> None:
    tau, log_energy = (
        a.ravel().astype(np.float32)
        for a in np.meshgrid(np.linspace(0, 20, 80), np.linspace(-6, 9, 30))
    )
    profile = radial_profile(effective_medium(load_detector(name)), log_energy, tau)
    assert np.all((profile.core > 0) & (profile.tail >= profile.core))
    assert np.all((profile.weight >= 0) & (profile.weight <= 1))
    assert profile.contained(profile.limit) == pytest.approx(np.ones(len(tau)), abs=1e-6)
    radius, weight = profile.draw(np.random.default_rng(0), 3.0, 2.0)
    assert np.all(np.isfinite(weight) & (weight > 0))
    assert np.all((radius >= 0) & (radius <= profile.limit * 1.001))


def profiles(n: int) -> RadialProfile:
    return RadialProfile(at(3.0, n), at(20.0, n), at(0.7, n), limit=LARGEST_RADIUS * 16)


def test_drawn_radii_follow_the_profile() -> None:
    radius, weight = profiles(20_000).draw(np.random.default_rng(3))
    assert np.all(weight == 1)
    one = profiles(1)
    result = kstest(radius, lambda r: np.array([one.contained(float(x))[0] for x in r]))
    assert result.pvalue > 1e-3


@pytest.mark.parametrize(("boost", "stretch"), [(3.0, 1.0), (1.0, 2.0), (3.0, 2.0)])
def test_weights_undo_the_richer_halo(boost: float, stretch: float) -> None:
    n = 400_000
    radius, weight = profiles(n).draw(np.random.default_rng(4), boost, stretch)
    assert weight.mean(dtype=float) == pytest.approx(1, abs=0.01)
    for cut in (2.0, 5.0, 15.0, 40.0, 80.0):
        inside = np.where(radius < cut, weight, 0)
        error = inside.std(dtype=float) / np.sqrt(n)
        assert inside.mean(dtype=float) == pytest.approx(
            profiles(1).contained(cut)[0], abs=5 * error
        )
    far = (radius > 40).mean()
    plain, _ = profiles(n).draw(np.random.default_rng(5))
    assert far > 1.5 * (plain > 40).mean()
