"""Sliced tests against exact distances of Gaussians, and their false alarms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers import geant4
from phys_gan.detectors import load_detector
from phys_gan.errors import DataError, DetectorError, RangeError
from phys_gan.events import Events
from phys_gan.metrics import TESTS, sliced_tests, sliced_tests_of_cells
from phys_gan.simulation import simulate


def test_two_shifted_gaussians() -> None:
    """Along u, Gaussians a distance d apart are d|u| apart: E|u| is 1/2 in three dimensions."""
    generator = np.random.default_rng(1)
    first, second = generator.normal(size=(2, 4000, 3))
    second[:, 0] += 0.4
    found = sliced_tests(first, second, seed=1, n_directions=200, n_permutations=50)
    # The pool of both is wider along the shift: its variance is 1 + 0.2^2.
    shift = 0.4 / 1.04**0.5
    w1, ks = found["sliced_w1"], found["sliced_ks"]
    assert w1.value == pytest.approx(shift / 2, rel=0.1)
    # KS of two Gaussians a small distance d apart is d/sqrt(2 pi).
    expected = shift / 2 / (2 * np.pi) ** 0.5
    assert abs(ks.value - expected) < ks.floor / 2
    for result in found.values():
        assert result.p_value is not None
        assert result.p_value < 1e-10
        assert not result.within_floor
        assert result.value > result.limit > result.floor > 0
        assert result.n_equivalent is not None
        assert result.n_equivalent < 4_000


def test_one_feature_is_the_distance_itself() -> None:
    """In one dimension every direction is the axis, and the distances are those of scipy."""
    from scipy.stats import ks_2samp, wasserstein_distance

    generator = np.random.default_rng(2)
    # On a lattice, so that many values are equal.
    first, second = np.round(generator.normal(size=300), 1), np.round(generator.gamma(2, 1, 200), 1)
    pool = np.concatenate([first, second])
    found = sliced_tests(first[:, None], second[:, None], seed=0, n_directions=3)
    assert found["sliced_ks"].value == pytest.approx(ks_2samp(first, second).statistic, abs=1e-6)
    expected = wasserstein_distance(first, second) / pool.std()
    assert found["sliced_w1"].value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_equal_samples_alarm_at_the_nominal_rate(weighted: bool) -> None:
    generator = np.random.default_rng(3)
    p_values = []
    for seed in range(60):
        first, second = generator.normal(size=(2, 250, 6))
        # Signed weights that depend on a feature, the same distribution in both samples.
        weights = (
            [
                np.where(generator.random(250) < 0.1, -1.0, np.exp(x[:, 0] / 2))
                for x in (first, second)
            ]
            if weighted
            else [None, None]
        )
        found = sliced_tests(
            first,
            second[:150],
            seed=seed,
            n_directions=16,
            n_permutations=150,
            reference_weights=weights[0],
            candidate_weights=None if weights[1] is None else weights[1][:150],
        )
        p_values.append([result.p_value for result in found.values()])
    rates = np.mean(np.array(p_values) < 0.1, axis=0)
    # 6 of 60 are expected, with a standard deviation of 2.3.
    assert np.all(rates <= 13 / 60), rates
    assert np.mean(np.array(p_values) < 0.5) > 0.25


def test_weights_stand_for_events() -> None:
    """Events that count twice are events that are there twice, in the value."""
    generator = np.random.default_rng(4)
    first, second = generator.normal(size=(2, 200, 3))
    twice = np.repeat([2.0, 1.0], 100)
    whole = sliced_tests(first, second, seed=5, n_permutations=20, reference_weights=twice)
    ks = whole["sliced_ks"]
    assert ks.n_reference == 200
    flat = sliced_tests(first, second, seed=5, n_permutations=20, reference_weights=np.full(200, 7))
    plain = sliced_tests(first, second, seed=5, n_permutations=20)
    assert flat == plain
    assert ks.value != plain["sliced_ks"].value


def test_equal_seed_equal_output_and_another_choice_of_events() -> None:
    first, second = np.random.default_rng(5).normal(size=(2, 400, 3))
    results = [sliced_tests(first, second, seed=1, max_events=300) for _ in range(2)]
    assert results[0] == results[1]
    assert results[0]["sliced_ks"].n_candidate == 300
    assert sliced_tests(first, second, seed=2, max_events=300) != results[0]


def test_cells() -> None:
    events = geant4()
    same = sliced_tests_of_cells(events[:800], events[800:1600], seed=0)
    assert set(same) == {"sliced_ks_cells", "sliced_w1_cells"}
    assert set(TESTS) == {*same, "sliced_ks", "sliced_w1", "nplm", "auc_trees"}
    assert all(result.within_floor for result in same.values())
    other = simulate(events.detector, 800, particle="e+", energy=(1e3, 1e5), seed=1)
    found = sliced_tests_of_cells(events[:800], other, seed=0)
    assert all((result.p_value or 0) < 1e-6 for result in found.values())


def test_cells_are_relative_to_the_incident_energy() -> None:
    """The same showers at other energies are the same fractions; one unknown energy ends that."""
    events = geant4()[:600]
    half = events[300:]
    scaled = Events(half.cells * 2, {"energy": half.energy * 2}, events.detector)
    assert sliced_tests_of_cells(events[:300], scaled, seed=0) == sliced_tests_of_cells(
        events[:300], half, seed=0
    )
    without = Events(scaled.cells, {}, events.detector)
    found = sliced_tests_of_cells(events[:300], without, seed=0)
    assert not found["sliced_w1_cells"].within_floor


def test_weighted_and_constant_cells() -> None:
    events = geant4()[:600]
    weights = np.random.default_rng(0).exponential(1, 300)
    heavy = replace(events[300:], weights=weights)
    assert sliced_tests_of_cells(events[:300], heavy, seed=0)["sliced_ks_cells"].within_floor
    empty = Events(np.zeros((300, events.detector.n_cells)), {}, events.detector)
    assert sliced_tests_of_cells(empty, empty, seed=0) == {}
    assert sliced_tests(np.ones((50, 2)), np.ones((60, 2)), seed=0) == {}


def test_what_cannot_be_compared() -> None:
    points = np.zeros((30, 2))
    with pytest.raises(RangeError, match="the candidate has 10 events, but at least 20"):
        sliced_tests(points, points[:10], seed=0)
    with pytest.raises(DataError, match="NaN"):
        sliced_tests(points, np.full((30, 2), np.nan), seed=0)
    events = geant4()[:50]
    with pytest.raises(RangeError, match="the candidate has 5 events"):
        sliced_tests_of_cells(events, events[:5], seed=0)
    other = simulate(load_detector("ild-ecal"), 20, seed=0)
    with pytest.raises(DetectorError, match="cannot compare"):
        sliced_tests_of_cells(events, other, seed=0)
