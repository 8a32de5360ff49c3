from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import mannwhitneyu, norm

from phys_gan.validation.classifier.scores import (
    accuracy,
    auc,
    auc_spread,
    auc_with_error,
    jsd,
    roc,
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
        auc_with_error(generator.normal(0, 1, 400), generator.normal(0.5, 1, 300))
        for _ in range(300)
    ]
    values, errors = np.array(draws).T
    assert values.mean() == pytest.approx(norm.cdf(0.5 / np.sqrt(2)), abs=4 * 0.02 / 300**0.5)
    assert values.std() == pytest.approx(errors.mean(), rel=0.15)


def test_the_spread_between_equal_samples_is_that_of_all_arrangements() -> None:
    # Every choice of 3 of 7 ranks is equally likely for a score that knows nothing.
    from itertools import combinations

    scores = np.arange(7)
    areas = [auc(np.delete(scores, chosen), list(chosen)) for chosen in combinations(range(7), 3)]
    assert np.mean(areas) == pytest.approx(0.5)
    assert np.std(areas) == pytest.approx(auc_spread(4, 3))


@given(few, few)
def test_the_curve_rises_and_its_area_is_the_auc(first: list[int], second: list[int]) -> None:
    false, true = roc(first, second, 2001)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.all(np.diff(false) >= 0)
    assert np.all(np.diff(true) >= -1e-12)
    area = np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2)
    assert area == pytest.approx(auc(first, second), abs=0.01)


def test_curves_by_hand() -> None:
    false, true = roc([0.0, 2.0], [1.0, 3.0], 5)
    np.testing.assert_allclose(false, [0, 0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(true, [0, 0.5, 0.5, 1, 1, 1])
    # A tie of all is the diagonal; what is worse than chance lies below it.
    np.testing.assert_allclose(roc([1.0, 1.0], [1.0], 3)[1], [0, 0, 0.5, 1])
    np.testing.assert_allclose(roc([0.0, 0.0], [0.0, -1.0], 3)[1], [0, 0, 0.25, 1])
    perfect = roc([0.0, 1.0], [2.0, 3.0])[1]
    assert len(perfect) == 201
    assert np.all(perfect[1:] == 1)


def test_the_divergence_of_gaussians_under_the_best_classifier() -> None:
    # For N(0, 1) against N(1, 1) the likelihood ratio gives the logit x - 1/2.
    generator = np.random.default_rng(3)
    first, second = generator.normal(0, 1, 200_000), generator.normal(1, 1, 200_000)
    value, error = jsd(first - 0.5, second - 0.5)

    def integrand(x: float) -> float:
        p, q = norm.pdf(x), norm.pdf(x - 1)
        return (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))) / 2

    truth = quad(integrand, -10, 11)[0] / np.log(2)
    assert error < 2e-3
    assert value == pytest.approx(truth, abs=4 * error)
    # Any other classifier finds less.
    assert jsd(2 * first - 1, 2 * second - 1)[0] < value
    assert jsd(first, second)[0] < value


def test_limits_of_the_divergence() -> None:
    assert jsd([0.0, 0.0], [0.0, 0.0]) == (pytest.approx(0), 0)
    assert jsd([-50.0, -60.0], [50.0, 900.0])[0] == pytest.approx(1)
    assert jsd([3.0, 3.0], [-3.0, -3.0])[0] < -1
    assert np.isfinite(jsd([1e4, 0.0], [0.0, 0.0])[0])


def test_accuracy_by_hand() -> None:
    value, error = accuracy([-1.0, -2.0, 1.0, -3.0], [1.0, 2.0, -1.0, -5.0])
    assert value == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert error == pytest.approx(np.sqrt(3 / 64 + 1 / 16) / 2)
