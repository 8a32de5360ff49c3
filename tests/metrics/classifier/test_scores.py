from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import mannwhitneyu, norm

from phys_gan.metrics.classifier.scores import (
    Scores,
    accuracy,
    auc,
    auc_sigma,
    auc_with_error,
    calibration_curve,
    jsd,
    platt,
    roc,
    weighted_accuracy_sigma,
    weighted_auc_sigma,
)

few = st.lists(st.integers(-3, 3), min_size=2, max_size=20)


def counted(reference: np.ndarray, candidate: np.ndarray) -> float:
    """The definition: pairs in the right order, and half of the ties."""
    first, second = np.asarray(reference)[:, None], np.asarray(candidate)[None]
    return float(np.mean((second > first) + 0.5 * (second == first)))


@given(few, few)
def test_the_area_equals_the_count_of_pairs_with_ties(first: list[int], second: list[int]) -> None:
    assert auc(first, second) == pytest.approx(counted(first, second), abs=1e-12)
    assert auc(first, second) + auc(second, first) == pytest.approx(1)
    transformed = np.exp(first), np.exp(second)
    assert auc(*transformed) == pytest.approx(auc(first, second))


def test_the_area_equals_scipy() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.normal(0, 1, 300), generator.normal(0.3, 2, 200)
    statistic = mannwhitneyu(second, first).statistic
    assert auc(first, second) == pytest.approx(statistic / 60_000, abs=1e-12)


def test_the_area_of_shifted_gaussians_is_known() -> None:
    generator = np.random.default_rng(2)
    draws = [
        auc_with_error(Scores(generator.normal(0, 1, 400), generator.normal(0.5, 1, 300)))
        for _ in range(300)
    ]
    values, errors = np.array(draws).T
    assert values.mean() == pytest.approx(norm.cdf(0.5 / np.sqrt(2)), abs=4 * 0.02 / 300**0.5)
    assert values.std() == pytest.approx(errors.mean(), rel=0.15)


def test_the_spread_between_equal_samples_is_that_of_all_arrangements() -> None:
    # Every choice of 3 of 7 ranks is equally likely for a score that knows nothing.
    scores = np.arange(7)
    areas = [auc(np.delete(scores, chosen), list(chosen)) for chosen in combinations(range(7), 3)]
    assert np.mean(areas) == pytest.approx(0.5)
    assert np.std(areas) == pytest.approx(auc_sigma(4, 3))


@given(few, few)
def test_the_curve_rises_and_its_area_is_the_auc(first: list[int], second: list[int]) -> None:
    false, true = roc(Scores(first, second), n_points=2001)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.all(np.diff(false) >= 0)
    assert np.all(np.diff(true) >= -1e-12)
    area = np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2)
    assert area == pytest.approx(auc(first, second), abs=0.01)


def test_curves_by_hand() -> None:
    false, true = roc(Scores([0.0, 2.0], [1.0, 3.0]), n_points=5)
    np.testing.assert_allclose(false, [0, 0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(true, [0, 0.5, 0.5, 1, 1, 1])
    # A tie of all is the diagonal; what is worse than chance lies below it.
    np.testing.assert_allclose(roc(Scores([1.0, 1.0], [1.0]), n_points=3)[1], [0, 0, 0.5, 1])
    np.testing.assert_allclose(roc(Scores([0.0, 0.0], [0.0, -1.0]), n_points=3)[1], [0, 0, 0.25, 1])
    perfect = roc(Scores([0.0, 1.0], [2.0, 3.0]))[1]
    assert len(perfect) == 201
    assert np.all(perfect[1:] == 1)


def test_the_divergence_of_gaussians_under_the_best_classifier() -> None:
    # For N(0, 1) against N(1, 1) the likelihood ratio gives the logit x - 1/2.
    generator = np.random.default_rng(3)
    first, second = generator.normal(0, 1, 200_000), generator.normal(1, 1, 200_000)
    value, error = jsd(Scores(first - 0.5, second - 0.5))

    def integrand(x: float) -> float:
        p, q = norm.pdf(x), norm.pdf(x - 1)
        return (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))) / 2

    truth = quad(integrand, -10, 11)[0] / np.log(2)
    assert error < 2e-3
    assert value == pytest.approx(truth, abs=4 * error)
    # Any other classifier finds less.
    assert jsd(Scores(2 * first - 1, 2 * second - 1))[0] < value
    assert jsd(Scores(first, second))[0] < value


def test_limits_of_the_divergence() -> None:
    assert jsd(Scores([0.0, 0.0], [0.0, 0.0])) == (pytest.approx(0), 0)
    assert jsd(Scores([-50.0, -60.0], [50.0, 900.0]))[0] == pytest.approx(1)
    assert jsd(Scores([3.0, 3.0], [-3.0, -3.0]))[0] < -1
    assert np.isfinite(jsd(Scores([1e4, 0.0], [0.0, 0.0]))[0])


def test_accuracy_by_hand() -> None:
    value, error = accuracy(Scores([-1.0, -2.0, 1.0, -3.0], [1.0, 2.0, -1.0, -5.0]))
    assert value == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert error == pytest.approx(np.sqrt(3 / 64 + 1 / 16) / 2)


def test_the_weighted_area_is_that_of_all_pairs() -> None:
    generator = np.random.default_rng(5)
    first, second = generator.integers(-3, 4, 40), generator.integers(-2, 5, 30)
    u, v = generator.normal(1, 1, 40), generator.exponential(size=30)
    pairs = (second > first[:, None]) + 0.5 * (second == first[:, None])
    assert auc(first, second, u, v) == pytest.approx(u @ pairs @ v / u.sum() / v.sum(), rel=1e-12)
    assert auc(first, second, None, v) == pytest.approx(pairs.mean(axis=0) @ v / v.sum())
    assert auc(first, second, -5 * u, 1e-9 * v) == pytest.approx(auc(first, second, u, v))
    assert auc(second, first, v, u) == pytest.approx(1 - auc(first, second, u, v))


def test_weights_of_one_change_no_score() -> None:
    generator = np.random.default_rng(6)
    first, second = np.round(generator.normal(0, 1, 70), 1), np.round(generator.normal(1, 1, 50), 1)
    ones = np.ones(70), np.ones(50)
    for score in (auc_with_error, jsd, accuracy):
        assert score(Scores(first, second, *ones)) == pytest.approx(
            score(Scores(first, second)), rel=1e-10
        )
    for curve, plain in zip(
        roc(Scores(first, second, *ones)), roc(Scores(first, second)), strict=True
    ):
        np.testing.assert_allclose(curve, plain, atol=1e-12)
    assert weighted_auc_sigma(Scores(first, first + 1e-9, ones[0], None)) == pytest.approx(
        auc_sigma(70, 70), rel=0.03
    )
    assert weighted_accuracy_sigma(Scores(first, second[:50], *ones)) == pytest.approx(
        np.sqrt(1 / 70 + 1 / 50) / 4
    )


def test_whole_weights_are_repeated_scores() -> None:
    generator = np.random.default_rng(7)
    first, second = generator.normal(0, 1, 90), generator.normal(0.5, 1, 80)
    u, v = generator.integers(0, 4, 90), generator.integers(0, 4, 80)
    repeated = np.repeat(first, u), np.repeat(second, v)
    for score in (auc_with_error, jsd, accuracy):
        value, error = score(Scores(first, second, u, v))
        plain, smaller = score(Scores(*repeated))
        assert value == pytest.approx(plain, rel=1e-12)
        # Copies are no further events.
        assert error > 1.1 * smaller
    np.testing.assert_allclose(
        roc(Scores(first, second, u, v))[1], roc(Scores(*repeated))[1], atol=1e-12
    )


def test_scores_and_counter_scores_cancel() -> None:
    generator = np.random.default_rng(8)
    first, second, other = generator.normal(size=(3, 60))
    both = np.concatenate([second, other, other])
    signs = np.repeat([1.0, 1.0, -1.0], 60)
    for score in (auc_with_error, jsd, accuracy):
        assert score(Scores(first, both, None, signs))[0] == pytest.approx(
            score(Scores(first, second))[0]
        )
    np.testing.assert_allclose(
        roc(Scores(first, both, None, signs))[1], roc(Scores(first, second))[1], atol=1e-12
    )


@pytest.mark.parametrize("kind", ["independent", "a fifth negative", "large in the tail"])
def test_errors_and_spreads_of_weighted_scores_are_those_of_repetitions(kind: str) -> None:
    """Equal weighted distributions: N(0, 1), weighted or drawn from N(1.2, 1)."""
    generator = np.random.default_rng(9)
    found = []
    for _ in range(400):
        first, second = generator.normal(size=600), generator.normal(size=300)
        weights = generator.exponential(size=300)
        if kind == "a fifth negative":
            weights = np.where(generator.random(300) < 0.2, -1.0, 1.0)
        elif kind == "large in the tail":
            second += 1.2
            weights = np.exp(-1.2 * second)
        given = first, second, None, weights
        found.append(
            [
                *auc_with_error(Scores(*given)),
                weighted_auc_sigma(Scores(*given)),
                *accuracy(Scores(*given)),
            ]
        )
    values, errors, spreads, accuracies, accuracy_errors = np.array(found).T
    assert values.mean() == pytest.approx(0.5, abs=4 * values.std() / 20)
    assert values.std() == pytest.approx(errors.mean(), rel=0.15)
    assert values.std() == pytest.approx(np.sqrt(np.mean(spreads**2)), rel=0.1)
    assert accuracies.std() == pytest.approx(accuracy_errors.mean(), rel=0.15)


def test_a_curve_rises_and_stays_in_its_frame_also_with_negative_weights() -> None:
    generator = np.random.default_rng(10)
    first, second = generator.normal(size=50), generator.normal(0.5, 1, size=40)
    u, v = (np.where(generator.random(n) < 0.3, -1.0, 1.0) for n in (50, 40))
    false, true = roc(Scores(first, second, u, v))
    assert false.min() == true.min() == 0
    assert false.max() == true.max() == 1
    assert np.all(np.diff(false) >= 0)
    assert np.all(np.diff(true) >= -1e-12)


def drawn(n: int, seed: int, stretch: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose probabilities are frequencies, times ``stretch``."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, n)
    taken = generator.random(n) < expit(logits)
    return stretch * logits[~taken], stretch * logits[taken]


def test_frequencies_are_calibrated_within_their_errors() -> None:
    pulls, errors, floors = [], [], []
    for seed in range(50):
        curve = calibration_curve(Scores(*drawn(1000, seed)))
        pulls.append((curve.observed - curve.predicted) / curve.error)
        errors.append(curve.expected_error)
        floors.append(curve.floor)
    assert np.std(pulls) == pytest.approx(1, abs=0.15)
    assert np.mean(errors) == pytest.approx(np.mean(floors), rel=0.1)


def test_overconfidence_is_seen_and_cured() -> None:
    bold = calibration_curve(Scores(*drawn(4000, 1, stretch=3.0)))
    assert bold.expected_error > 5 * bold.floor
    assert bold.observed[0] > bold.predicted[0]
    assert bold.observed[-1] < bold.predicted[-1]
    slope, offset = platt(Scores(*drawn(4000, 2, stretch=3.0)))
    assert slope == pytest.approx(1 / 3, abs=0.03)
    assert offset == pytest.approx(0, abs=0.1)
    cured = calibration_curve(
        Scores(*(slope * side + offset for side in drawn(4000, 1, stretch=3.0)))
    )
    assert cured.expected_error < 2 * cured.floor


def test_bins_by_hand() -> None:
    curve = calibration_curve(Scores([-10.0, -10.0, 0.0], [0.0, 10.0, 10.0]), n_bins=3)
    np.testing.assert_allclose(curve.predicted, [0, 0.5, 1], atol=1e-4)
    np.testing.assert_allclose(curve.observed, [0, 0.5, 1])
    np.testing.assert_allclose(curve.error[0], np.sqrt(0.25 * 0.75 / 2))
    assert curve.counts.tolist() == [2, 2, 2]
    assert curve.expected_error == pytest.approx(0, abs=1e-4)
    assert calibration_curve(Scores([0.0], [1.0]), n_bins=10).counts.tolist() == [1, 1]
    json.dumps(curve.as_dict(), allow_nan=False)


def test_separable_and_blind_logits_have_finite_maps() -> None:
    slope, offset = platt(Scores(np.full(50, -40.0), np.full(50, 40.0)))
    assert expit(slope * 40 + offset) == pytest.approx(51 / 52, abs=1e-3)
    assert expit(offset - slope * 40) == pytest.approx(1 / 52, abs=1e-3)
    slope, offset = platt(Scores(np.zeros(30), np.zeros(30)))
    assert np.isfinite(slope)
    assert offset == pytest.approx(0, abs=1e-6)


def test_weights_count_as_repeated_logits() -> None:
    generator = np.random.default_rng(3)
    first, second = drawn(600, 4)
    n = min(len(first), len(second), 250)
    first, second = first[:n], second[:n]
    plain, weighted = (
        platt(Scores(first, second)),
        platt(Scores(first, second, np.full(n, 0.5), None)),
    )
    assert weighted == pytest.approx(plain, abs=1e-4)
    ones = calibration_curve(Scores(first, second, np.ones(n), np.ones(n)))
    for name, values in calibration_curve(Scores(first, second)).as_dict().items():
        np.testing.assert_allclose(ones.as_dict()[name], values, rtol=1e-9, err_msg=name)
    u, v = (generator.permutation(np.repeat([1, 3], [n - n // 2, n // 2])) for _ in range(2))
    curve = calibration_curve(Scores(first, second, u, v))
    assert curve.counts.sum() == 2 * n
    # Effectively 0.8 of the events.
    assert np.all(curve.error > 0)
    assert curve.floor == pytest.approx(
        calibration_curve(Scores(first, second)).floor / 0.8**0.5, rel=0.1
    )
    repeated = platt(Scores(np.repeat(first, u), np.repeat(second, v)))
    assert platt(Scores(first, second, u, v)) == pytest.approx(repeated, abs=0.02)


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
    biased = calibration_curve(Scores(first, second, None, np.ones(len(second))))
    assert biased.expected_error > 5 * biased.floor
    curve = calibration_curve(Scores(first, second, None, weights))
    assert curve.expected_error < 2 * curve.floor
    slope, offset = platt(Scores(3 * first, 3 * second, None, weights))
    assert slope == pytest.approx(1 / 3, abs=0.03)
    assert offset == pytest.approx(0, abs=0.1)


def test_bins_that_negative_weights_empty_are_joined() -> None:
    logits = np.linspace(-3, 3, 40)
    signs = np.ones(40)
    signs[:15] = np.tile([1.0, -1.0, -1.0], 5)
    signs[-6:] = -1
    curve = calibration_curve(Scores(logits, logits, signs, signs))
    assert curve.counts.sum() == 80
    assert len(curve.counts) < 10
    assert np.all((curve.observed >= 0) & (curve.observed <= 1))
    assert np.all(curve.error > 0)
    json.dumps(curve.as_dict(), allow_nan=False)


def test_negative_weights_have_a_finite_map() -> None:
    # The only events on the wrong side count negatively: the steeper the better.
    first, second = np.append(np.full(50, -1.0), [1.0] * 5), np.append(np.full(50, 1.0), [-1.0] * 5)
    signs = np.repeat([1.0, -1.0], [50, 5])
    slope, offset = platt(Scores(first, second, signs, signs))
    assert 1 < slope <= 20
    assert abs(offset) < 1
