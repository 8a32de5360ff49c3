from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit

from phys_gan.metrics.classifier.scores import calibration_curve, platt


def drawn(n: int, seed: int, stretch: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose probabilities are frequencies, times ``stretch``."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, n)
    taken = generator.random(n) < expit(logits)
    return stretch * logits[~taken], stretch * logits[taken]


def test_frequencies_are_calibrated_within_their_errors() -> None:
    pulls, errors, floors = [], [], []
    for seed in range(50):
        curve = calibration_curve(*drawn(1000, seed))
        pulls.append((curve.observed - curve.predicted) / curve.error)
        errors.append(curve.expected_error)
        floors.append(curve.floor)
    assert np.std(pulls) == pytest.approx(1, abs=0.15)
    assert np.mean(errors) == pytest.approx(np.mean(floors), rel=0.1)


def test_overconfidence_is_seen_and_cured() -> None:
    bold = calibration_curve(*drawn(4000, 1, stretch=3.0))
    assert bold.expected_error > 5 * bold.floor
    assert bold.observed[0] > bold.predicted[0]
    assert bold.observed[-1] < bold.predicted[-1]
    slope, offset = platt(*drawn(4000, 2, stretch=3.0))
    assert slope == pytest.approx(1 / 3, abs=0.03)
    assert offset == pytest.approx(0, abs=0.1)
    cured = calibration_curve(*(slope * side + offset for side in drawn(4000, 1, stretch=3.0)))
    assert cured.expected_error < 2 * cured.floor


def test_bins_by_hand() -> None:
    curve = calibration_curve([-10.0, -10.0, 0.0], [0.0, 10.0, 10.0], n_bins=3)
    np.testing.assert_allclose(curve.predicted, [0, 0.5, 1], atol=1e-4)
    np.testing.assert_allclose(curve.observed, [0, 0.5, 1])
    np.testing.assert_allclose(curve.error[0], np.sqrt(0.25 * 0.75 / 2))
    assert curve.counts.tolist() == [2, 2, 2]
    assert curve.expected_error == pytest.approx(0, abs=1e-4)
    assert calibration_curve([0.0], [1.0], n_bins=10).counts.tolist() == [1, 1]
    json.dumps(curve.as_dict(), allow_nan=False)


def test_separable_and_blind_logits_have_finite_maps() -> None:
    slope, offset = platt(np.full(50, -40.0), np.full(50, 40.0))
    assert expit(slope * 40 + offset) == pytest.approx(51 / 52, abs=1e-3)
    assert expit(offset - slope * 40) == pytest.approx(1 / 52, abs=1e-3)
    slope, offset = platt(np.zeros(30), np.zeros(30))
    assert np.isfinite(slope)
    assert offset == pytest.approx(0, abs=1e-6)


def test_weights_count_as_repeated_logits() -> None:
    generator = np.random.default_rng(3)
    first, second = drawn(600, 4)
    n = min(len(first), len(second), 250)
    first, second = first[:n], second[:n]
    plain, weighted = platt(first, second), platt(first, second, np.full(n, 0.5), None)
    assert weighted == pytest.approx(plain, abs=1e-4)
    ones = calibration_curve(first, second, np.ones(n), np.ones(n))
    for name, values in calibration_curve(first, second).as_dict().items():
        np.testing.assert_allclose(ones.as_dict()[name], values, rtol=1e-9, err_msg=name)
    u, v = (generator.permutation(np.repeat([1, 3], [n - n // 2, n // 2])) for _ in range(2))
    curve = calibration_curve(first, second, u, v)
    assert curve.counts.sum() == 2 * n
    # Effectively 0.8 of the events.
    assert np.all(curve.error > 0)
    assert curve.floor == pytest.approx(calibration_curve(first, second).floor / 0.8**0.5, rel=0.1)
    repeated = platt(np.repeat(first, u), np.repeat(second, v))
    assert platt(first, second, u, v) == pytest.approx(repeated, abs=0.02)


@pytest.mark.parametrize("negative", [False, True])
def test_weights_make_frequencies_calibrated(negative: bool) -> None:
    """Candidates of either sign whose weights undo the way in which they were drawn."""
    generator = np.random.default_rng(5)
    first, second = drawn(30_000, 6)
    chosen = generator.random(len(second)) < expit(second)
    second = second[chosen]
    weights = 1 / expit(second)
    if negative:
        weights *= np.where(generator.random(len(weights)) < 0.2, -1, 1)
    biased = calibration_curve(first, second, None, np.ones(len(second)))
    assert biased.expected_error > 5 * biased.floor
    curve = calibration_curve(first, second, None, weights)
    assert curve.expected_error < 2 * curve.floor
    slope, offset = platt(3 * first, 3 * second, None, weights)
    assert slope == pytest.approx(1 / 3, abs=0.03)
    assert offset == pytest.approx(0, abs=0.1)


def test_bins_that_negative_weights_empty_are_joined() -> None:
    logits = np.linspace(-3, 3, 40)
    signs = np.ones(40)
    signs[:15] = np.tile([1.0, -1.0, -1.0], 5)
    signs[-6:] = -1
    curve = calibration_curve(logits, logits, signs, signs)
    assert curve.counts.sum() == 80
    assert len(curve.counts) < 10
    assert np.all((curve.observed >= 0) & (curve.observed <= 1))
    assert np.all(curve.error > 0)
    json.dumps(curve.as_dict(), allow_nan=False)


def test_negative_weights_have_a_finite_map() -> None:
    # The only events on the wrong side count negatively: the steeper the better.
    first, second = np.append(np.full(50, -1.0), [1.0] * 5), np.append(np.full(50, 1.0), [-1.0] * 5)
    signs = np.repeat([1.0, -1.0], [50, 5])
    slope, offset = platt(first, second, signs, signs)
    assert 1 < slope <= 20
    assert abs(offset) < 1
