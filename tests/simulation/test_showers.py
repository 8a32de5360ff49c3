from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammainc

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, RangeError
from phys_gan.simulation import showers, simulate
from phys_gan.simulation.profiles import (
    draw_profiles,
    effective_medium,
    longitudinal_model,
    radial_profile,
)

CALOGAN = load_detector("calogan")

DEEP = """
name = "deep"

[sampling]
absorber = { material = "Pb", thickness = 2.0 }
active = { material = "scintillator", thickness = 2.0 }
response = 0.9
stochastic_term = 0.12
constant_term = 0.01

[[layers]]
kind = "polar"
repeat = 40
z = [0.0, 20.0]
r = [0.0, 2.0, 5.0, 10.0, 20.0, 50.0, 1000.0]
n_alpha = 8
"""


def deep(**sampling: float) -> Detector:
    """Return a calorimeter of 80 cm that nothing leaves, with other numbers of its read-out."""
    detector = Detector.from_toml(DEEP)
    assert detector.sampling is not None
    return detector.model_copy(
        update={"sampling": detector.sampling.model_copy(update=dict(sampling))}
    )


def test_events_say_how_they_were_made() -> None:
    events = simulate(CALOGAN, 5, particle="gamma", energy=(2e3, 3e3), seed=7)
    assert len(events) == 5
    assert np.all((events.energy >= 2e3) & (events.energy < 3e3))
    assert events.overflow is not None
    assert events.overflow.shape == (5, 3)
    assert events.provenance["particle"] == "gamma"
    assert events.provenance["seed"] == "7"
    assert "hep-ex/0001020" in events.provenance["simulator"]
    assert events.provenance["version"]


def test_given_energies_are_kept_in_order() -> None:
    energies = np.array([5e4, 1e3, 2e4])
    assert simulate(CALOGAN, 3, energy=energies).energy.tolist() == energies.tolist()


def test_spectra() -> None:
    flat = simulate(CALOGAN, 2000, energy=(1e3, 5e3)).energy
    steep = simulate(CALOGAN, 2000, energy=(1e3, 5e3), spectrum="log-uniform").energy
    assert flat.mean() == pytest.approx(3e3, rel=0.03)
    assert np.log(steep / 1e3).mean() == pytest.approx(np.log(5) / 2, rel=0.05)


def test_the_seed_decides_everything() -> None:
    one, same, other = (simulate(CALOGAN, 150, energy=(1e3, 5e3), seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.cells, same.cells)
    assert not np.array_equal(one.cells, other.cells)
    assert not np.array_equal(one.energy, other.energy)


def test_threads_change_nothing() -> None:
    one, three = (simulate(CALOGAN, 200, energy=(1e3, 5e3), threads=t) for t in (1, 3))
    assert np.array_equal(one.cells, three.cells)
    assert np.array_equal(one.overflow, three.overflow)


def test_events_of_different_blocks_differ() -> None:
    cells = simulate(CALOGAN, 130, energy=(1e4, 1e4)).cells
    assert len(np.unique(cells, axis=0)) == 130


def test_a_deep_calorimeter_catches_what_it_sees() -> None:
    events = simulate(deep(stochastic_term=0.0, constant_term=0.0), 300, energy=(1e3, 2e4), seed=3)
    assert events.overflow is not None
    caught = events.total_energy() + events.overflow.sum(axis=1, dtype=float)
    assert caught / events.energy == pytest.approx(np.full(300, 0.9), rel=1e-5)


def test_resolution_is_what_the_detector_says() -> None:
    energies = np.repeat(np.geomspace(1e3, 1e5, 8), 500)
    events = simulate(deep(), len(energies), energy=energies, seed=4)
    ratio = (events.total_energy() / events.energy).reshape(8, 500)
    assert ratio.mean() == pytest.approx(0.9, rel=0.005)
    variance = (ratio.std(axis=1) / ratio.mean(axis=1)) ** 2
    # sigma^2 / E^2 = a^2 / E + b^2 is a straight line in 1 / E; each point is known to 6 %.
    inverse = 1e3 / energies[::500]
    slope, offset = np.polyfit(inverse, variance, 1, w=1 / (0.12**2 * inverse + 0.01**2))
    assert np.sqrt(slope) == pytest.approx(0.12, rel=0.08)
    assert np.sqrt(offset) == pytest.approx(0.01, rel=0.25)


def test_layers_follow_the_gamma_function() -> None:
    n, energy, detector = 2000, 2e4, deep()
    events = simulate(detector, n, energy=np.full(n, energy), seed=5)
    shares = events.layer_energies() / (0.9 * energy)
    medium = effective_medium(detector)
    model = longitudinal_model(medium, np.full(100_000, energy))
    profiles = draw_profiles(model, np.random.default_rng(0))
    fronts = np.arange(41) * 20.0 / medium.radiation_length
    means = [gammainc(profiles.alpha, profiles.beta * t).mean() for t in fronts]
    errors = shares.std(axis=0) / np.sqrt(n)
    assert np.all(np.abs(shares.mean(axis=0) - np.diff(means)) < 5 * errors + 2e-4)


def test_rings_follow_the_two_component_profile() -> None:
    n, energy, detector = 1500, 2e4, deep()
    events = simulate(detector, n, energy=np.full(n, energy), seed=6)
    medium = effective_medium(detector)
    model = longitudinal_model(medium, np.full(100_000, energy))
    rng = np.random.default_rng(1)
    profiles = draw_profiles(model, rng)
    t = rng.standard_gamma(profiles.alpha) / profiles.beta
    tau = (t * profiles.tau_per_depth).astype(np.float32)
    profile = radial_profile(medium, np.full(len(t), np.log(20), np.float32), tau)
    rings = events.cells.reshape(n, 40, 8, 6).sum(axis=(1, 2), dtype=float)
    contained = np.cumsum(rings / rings.sum(axis=1, keepdims=True), axis=1)
    for ring, radius in enumerate((2.0, 5.0, 10.0, 20.0, 50.0)):
        expected = profile.contained(radius).mean()
        error = contained[:, ring].std() / np.sqrt(n)
        assert contained[:, ring].mean() == pytest.approx(expected, abs=5 * error + 5e-4)


def test_photons_are_deeper_by_the_conversion_less_what_the_pair_lacks() -> None:
    n, detector = 3000, deep()
    depth = {}
    for particle in ("e-", "gamma"):
        events = simulate(detector, n, particle=particle, energy=np.full(n, 2e4), seed=8)
        layers = events.layer_energies()
        depth[particle] = layers @ detector.depths / layers.sum(axis=1)
    x0 = effective_medium(detector).radiation_length
    shift = (depth["gamma"].mean() - depth["e-"].mean()) / x0
    # 9/7 for the conversion; the pair's cascades are softer by <ln x> = -10/21 weighted with
    # their energy, and the centre of gravity moves by 1.0 to 1.2 X_0 per unit of ln E.
    assert shift == pytest.approx(9 / 7 - 1.1 * 10 / 21, abs=0.12)
    assert depth["gamma"].std() > depth["e-"].std() + 0.2 * x0


def test_the_threshold_cuts_cells_and_nothing_else() -> None:
    low, high = (
        simulate(deep().model_copy(update={"threshold": t}), 50, energy=(1e4, 2e4))
        for t in (0.0, 5.0)
    )
    assert np.all((high.cells == 0) | (high.cells >= 5))
    assert np.array_equal(high.cells, np.where(low.cells < 5, 0, low.cells))
    assert 0 < np.count_nonzero(high.cells) < np.count_nonzero(low.cells)


def test_cells_are_in_the_unit_of_the_detector() -> None:
    mev, gev = (
        simulate(deep().model_copy(update={"cell_unit": unit}), 20) for unit in ("MeV", "GeV")
    )
    assert gev.cells * 1e3 == pytest.approx(mev.cells, rel=1e-5)


def test_showers_are_symmetric_around_the_axis_and_sparse() -> None:
    events = simulate(load_detector("calochallenge-2"), 800, energy=(1e4, 1e4), seed=9)
    share = events.cells.reshape(800, 45, 16, 9).sum(axis=(1, 3), dtype=float) / 1e4
    error = share.std(axis=0) / np.sqrt(800)
    assert np.all(np.abs(share.mean(axis=0) - share.mean()) < 4 * error)
    hits = (events.cells > 0).mean()
    assert 0.01 < hits < 0.2


def test_higher_energy_fills_more_cells() -> None:
    hits = [
        (simulate(CALOGAN, 100, energy=(e, e)).cells > 0).sum(axis=1).mean()
        for e in (1e3, 1e4, 1e5)
    ]
    assert hits[0] < hits[1] < hits[2]


@pytest.mark.parametrize("energy", [(-1.0, 5.0), (0.0, 5e3), (5e3, 1e3)])
def test_a_range_must_rise_from_above_zero(energy: tuple[float, float]) -> None:
    with pytest.raises(RangeError, match="does not rise from above 0"):
        simulate(CALOGAN, 2, energy=energy)


@pytest.mark.parametrize("energy", [10.0, -5e3, 5e7, np.nan])
def test_energies_outside_the_formulas_are_refused(energy: float) -> None:
    with pytest.raises(RangeError, match="the shower formulas hold from 50 MeV to 10 TeV"):
        simulate(CALOGAN, 2, energy=np.array([1e3, energy]))


def test_other_mistakes_are_named() -> None:
    with pytest.raises(MissingError, match=r"'pi\+'"):
        simulate(CALOGAN, 2, particle="pi+")
    with pytest.raises(DetectorError, match="is an image"):
        showers.simulate(load_detector("galaxies-32"), 2)
    with pytest.raises(DetectorError, match="'electron', which is no energy"):
        simulate(CALOGAN.model_copy(update={"cell_unit": "electron"}), 2)
    with pytest.raises(DataError, match=r"shape \(3,\), but n = 2"):
        simulate(CALOGAN, 2, energy=np.full(3, 1e3))
    with pytest.raises(RangeError, match="n = 0"):
        simulate(CALOGAN, 0)
    with pytest.raises(ConfigError, match="'flat' is not a spectrum"):
        simulate(CALOGAN, 2, spectrum="flat")
