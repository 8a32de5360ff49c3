from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit

from phys_gan.validation.classifier.calibration import calibration_curve, platt


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
