"""Reconstructions: the line fit and the mass by analytic values, and what is compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.observables import Showers
from phys_gan.simulation import simulate
from phys_gan.validation import Options, compare_all
from phys_gan.validation.reconstruction import (
    PI0_MASS,
    RECONSTRUCTIONS,
    find_peak,
    find_shifts,
    fit_line,
    layer_centres,
    overlay_pairs,
    photon,
    pi0,
    reconstruction,
    shifted,
)

CALOGAN = load_detector("calogan")
LAYER = """
[[layers]]
kind = "cartesian"
repeat = 10
z = [0.0, 5.0]
x = { start = -100.0, stop = 100.0, cells = 20 }
y = { start = -100.0, stop = 100.0, cells = 20 }
"""
SQUARE = Detector.from_toml('name = "square"\n' + LAYER)


def hits(places: list[tuple[int, int, int, float]], **conditions: float) -> Events:
    """Make one event of hits (layer, cell along x, cell along y, energy)."""
    cells = np.zeros((1, 10, 20, 20), np.float32)
    for layer, x, y, energy in places:
        cells[0, layer, x, y] = energy
    named = {"energy": 1000.0, **conditions}
    return Events(cells.reshape(1, -1), {name: np.array([v]) for name, v in named.items()}, SQUARE)


def test_a_line_through_points_is_found() -> None:
    depths = np.array([2.0, 5.0, 9.0])
    centres = 3.0 - 0.5 * depths[None, :] + np.array([[0.0, 0.0, 0.0], [0.0, np.nan, 0.0]])
    start, slope = fit_line(depths, centres, np.array([[1.0, 2.0, 3.0], [1.0, 5.0, 2.0]]))
    assert start == pytest.approx([3.0, 3.0])
    assert slope == pytest.approx([-0.5, -0.5])
    # Against the closed form of numpy, whose weights are those of the residuals.
    noisy, weights = np.array([[1.0, 4.0, 2.0]]), np.array([[1.0, 2.0, 5.0]])
    start, slope = fit_line(depths, noisy, weights)
    expected = np.polyfit(depths, noisy[0], 1, w=np.sqrt(weights[0]))
    assert (slope[0], start[0]) == pytest.approx(tuple(expected))
    # One layer has no direction.
    assert np.isnan(fit_line(depths, noisy, np.array([[1.0, 0.0, 0.0]]))).all()


def test_a_photon_that_steps_by_a_cell_per_layer() -> None:
    """Cells of 10 mm, layers of 5 mm: tan(theta) = 2, towards -x."""
    event = hits([(k, 15 - k, 12, 10.0) for k in range(10)], x=1.0, theta=0.5, phi=3.0)
    found = photon(Showers(event))
    # The first centre, (55, 25) mm, lies 2.5 mm behind the front.
    assert found["x - truth"] == pytest.approx([60.0 - 1.0])
    assert found["y"] == pytest.approx([25.0])
    assert found["theta - truth"] == pytest.approx([np.arctan(2) - 0.5])
    assert found["phi - truth"] == pytest.approx([np.pi - 3.0])


def test_cells_are_weighted_by_logarithms() -> None:
    event = hits([(0, 10, 10, 90.0), (0, 11, 10, 9.0), (0, 12, 10, 1.0)])
    x, y, energy = layer_centres(Showers(event))
    # 1 % lies below exp(-4).
    w = 4 + np.log([0.9, 0.09])
    assert x[0, 0] == pytest.approx((w @ [5.0, 15.0]) / w.sum())
    assert y[0, 0] == pytest.approx(5.0)
    assert energy[0, 0] == 100.0
    assert np.isnan(x[0, 1])


def test_showers_move_by_whole_cells() -> None:
    event = hits([(0, 3, 4, 1.0), (9, 19, 19, 2.0)])
    moved = shifted(event, 0, np.array([20.0])).reshape(10, 20, 20)
    assert moved[0, 5, 4] == 1.0
    # What leaves the detector is lost.
    assert moved.sum() == 1.0
    back = shifted(event, 1, np.array([-40.0])).reshape(10, 20, 20)
    assert (back[0, 3, 0], back[9, 19, 15]) == (1.0, 2.0)
    shifts = find_shifts(SQUARE)
    assert shifts is not None
    assert (shifts.step, shifts.steps.tolist()) == (10.0, [4, 5, 6, 7])
    assert find_shifts(load_detector("calochallenge-2")) is None


def test_the_mass_of_two_photons_is_exact() -> None:
    """Two hits of known energies 60 mm apart, at the distance where a pion decayed."""
    e1, e2 = 700.0, 300.0
    half = np.arcsin(PI0_MASS / (2 * np.sqrt(e1 * e2)))
    event = hits(
        [(k, 10, y, e / 10) for k in range(10) for y, e in ((7, e1), (13, e2))],
        distance=60.0 / (2 * np.tan(half)),
        separation=60.0,
        calibration=1.0,
    )
    found = pi0(Showers(event))
    assert found["mass"] == pytest.approx([PI0_MASS], rel=1e-6)
    assert found["energy"] == pytest.approx([1.0])
    assert found["separation - truth"] == pytest.approx([0.0], abs=1e-9)
    # Twice the separation is about twice the mass; one photon has none.
    wide = replace(event, conditions=dict(event.conditions) | {"distance": np.array([100.0])})
    mass = 2 * np.sqrt(e1 * e2) * np.sin(np.arctan(60 / 200))
    assert pi0(Showers(wide))["mass"] == pytest.approx([mass], rel=1e-6)
    alone = hits([(0, 10, 7, 9.0)], distance=100.0, separation=60.0, calibration=1.0)
    assert np.isnan(pi0(Showers(alone))["mass"]).all()


def test_both_samples_have_the_same_decays() -> None:
    first = simulate(CALOGAN, 200, seed=1, threads=1)
    second = simulate(CALOGAN, 200, seed=2, energy=first.energy, threads=1)
    order = np.random.default_rng(0).permutation(200)
    one, other = overlay_pairs(first, second[order], seed=3)
    assert len(one) == len(other) == 100
    for name, values in one.conditions.items():
        assert np.array_equal(values, other.conditions[name])
    assert one.energy == pytest.approx(one.conditions["energy_1"] + one.conditions["energy_2"])
    # The energies are those of the showers, less what leaves at the sides.
    for pairs in (one, other):
        deposited = pairs.cells.sum(axis=1) * pairs.conditions["calibration"]
        assert np.median(deposited / pairs.energy) == pytest.approx(1, abs=0.01)
    mass, peak = (pi0(Showers(e))["mass"] for e in (one, other)), []
    for values in mass:
        peak.append(find_peak(values))
    assert peak[0].position == pytest.approx(PI0_MASS, rel=0.01)
    assert peak[1].position == pytest.approx(PI0_MASS, rel=0.01)


def test_equal_energies_take_turns() -> None:
    events = simulate(CALOGAN, 100, seed=1, energy=np.full(100, 2e4), threads=1)
    one, other = overlay_pairs(events, events, seed=0)
    # All showers of the candidate are used, each once.
    assert other.cells.sum() == pytest.approx(one.cells.sum(), rel=0.02)
    assert len(np.unique(other.cells.sum(axis=1))) == 50


def test_weights_of_pairs_are_products() -> None:
    events = simulate(CALOGAN, 60, seed=1, threads=1)
    heavy = replace(events, weights=np.linspace(-1, 3, 60))
    one, other = overlay_pairs(heavy, events, seed=0)
    assert one.weights is not None
    assert one.weights.min() < 0
    assert other.weights is None
    energies = [one.conditions[f"energy_{k}"] for k in (1, 2)]
    own = [np.searchsorted(np.sort(events.energy), e) for e in energies]
    sorted_weights = heavy.weights[np.argsort(events.energy)]  # type: ignore[index]
    assert one.weights == pytest.approx(sorted_weights[own[0]] * sorted_weights[own[1]])


def test_the_peak_of_a_gaussian_with_tails() -> None:
    draws = np.random.default_rng(1)
    values = np.concatenate([draws.normal(135, 5, 4000), draws.uniform(0, 300, 200), [np.nan]])
    peak = find_peak(values)
    assert abs(peak.position - 135) < 4 * peak.position_error
    assert peak.position_error == pytest.approx(5 / 4000**0.5, rel=0.4)
    assert peak.width == pytest.approx(5, rel=0.05)
    assert np.isnan(find_peak(values[:10]).position)
    # Weights that leave out the tails leave the peak.
    weighted = find_peak(values, np.where(np.arange(len(values)) < 4000, 1.0, 0.0))
    assert weighted.width == pytest.approx(find_peak(values[:4000]).width, rel=0.02)


def test_what_is_reconstructed_is_judged() -> None:
    first, second = (simulate(CALOGAN, 300, seed=s, threads=1) for s in (1, 2))
    options = Options(
        observables=["depth"], multivariate=False, slices=(), reconstructions=["photon", "pi0"]
    )
    same = compare_all(first, {"GAN": second}, options=options)["GAN"]
    assert list(same.reconstructions) == ["photon", "pi0"]
    assert same.multivariate["reconstruction_photon"].within_floor
    assert same.verdict.passed
    # All showers are moved by a cell of the first layer.
    moved = replace(second, cells=shifted(second, 1, np.full(300, 5.0)))
    wrong = compare_all(first, {"GAN": moved}, options=options)["GAN"]
    found = wrong.metrics["reconstructions"]
    assert "y" in found["photon"]["outside_floor"]
    assert found["photon"]["peaks"]["y"]["candidate"]["position"] > 1.0
    assert not wrong.multivariate["reconstruction_photon"].within_floor
    assert not wrong.verdict.passed
    # Pairs without showers of nearly the same energies in the candidate are left out of both.
    assert 100 < found["pi0"]["n_reference"] == found["pi0"]["n_candidate"] <= 150


def test_own_reconstructions() -> None:
    @reconstruction("fronts", conditions=("energy",))
    def fronts(showers: Showers) -> dict[str, np.ndarray]:
        """Compare the front."""
        return {"front": showers.layer_energy[:, 0], "both": showers.layer_energy[:, :2].sum(1)}

    def wrong(showers: Showers) -> dict[str, np.ndarray]:
        return {"layers": showers.layer_energy}

    first, second = (simulate(CALOGAN, 100, seed=s, threads=1) for s in (1, 2))
    try:
        with pytest.raises(ConfigError, match="'fronts' exists already"):
            reconstruction("fronts")(fronts)
        options = Options(observables=["depth"], multivariate=False, reconstructions=["fronts"])
        found = compare_all(first, {"GAN": second}, options=options)["GAN"]
    finally:
        del RECONSTRUCTIONS["fronts"]
    assert list(found.reconstructions["fronts"].whole.results) == ["front", "both"]
    assert found.reconstructions["fronts"].description == "Compare the front."
    options = replace(options, reconstructions=[wrong])
    with pytest.raises(DataError, match=r"'layers' of shape \(100, 3\)"):
        compare_all(first, {"GAN": second}, options=options)


def test_what_cannot_be_reconstructed_is_said() -> None:
    rings = simulate(load_detector("calochallenge-2"), 30, seed=1, threads=1)
    galaxies = simulate(load_detector("galaxies-32"), 30, seed=1, threads=1)
    for events, name, error, said in (
        (rings, "pi0", DetectorError, "cannot be made for 'calochallenge-2': showers cannot"),
        (galaxies, "photon", DetectorError, "no calorimeter"),
        (galaxies, "nonsense", MissingError, "no reconstruction 'nonsense'; available: photon"),
    ):
        options = Options(multivariate=False, reconstructions=[name])
        with pytest.raises(error, match=said):
            compare_all(events, {"GAN": events}, options=options)
