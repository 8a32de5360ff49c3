"""The likelihood-ratio test against a ratio of densities that is known."""

from __future__ import annotations

import numpy as np
import pytest

from phys_gan.errors import RangeError
from phys_gan.metrics import density_ratio


def test_a_known_ratio_of_densities() -> None:
    """Of N(0, 1) and N(d, 1), f = d x - d^2/2 and the mean of t is 2 m KL = m d^2."""
    generator = np.random.default_rng(0)
    d, m = 0.5, 4000
    first, second = generator.normal(0, 1, (3000, 2)), generator.normal(0, 1, (m, 2))
    second[:, 0] += d
    ratio = density_ratio(first, second, seed=0, n_toys=40)
    x = first[ratio.rows[0], 0]
    f = ratio.log_ratio[: len(x), 0]
    middle = np.abs(x) < 1.5
    assert np.sqrt(np.mean((f - (d * x - d**2 / 2))[middle] ** 2)) < 0.15
    # What the fit takes from fluctuations is what it takes from those of equal samples. The
    # standard deviation of t is sqrt(4 t (1 + m/n)) = 97 here.
    assert ratio.result.value - ratio.result.floor == pytest.approx(m * d**2, abs=250)
    assert ratio.result.error == pytest.approx((4 * m * d**2 * (1 + m / 3000)) ** 0.5, rel=0.2)
    assert ratio.result.p_value is not None
    assert ratio.result.p_value < 1e-10
    assert ratio.empirical == pytest.approx(1 / 41)
    assert not ratio.result.within_floor

    # Where: the reweighted histogram is the candidate's along x, and unchanged along y.
    edges = np.linspace(-2, 2, 9)
    along, spread = ratio.where(first[:, 0], second[:, 0], edges)
    p, q = (np.histogram(s[:, 0], edges)[0] / len(s) for s in (first, second))
    assert np.allclose(along, q / p, rtol=0.15)
    assert np.all(np.abs(along - 1)[[0, 1, -2, -1]] > 3 * spread[[0, 1, -2, -1]])
    across, spread = ratio.where(first[:, 1], second[:, 1], edges)
    assert np.mean(((across - 1) / spread) ** 2) < 3
    # Without entries nothing is known, and NaN is no entry.
    beyond, _ = ratio.where(np.full(3000, np.nan), second[:, 0], np.array([-2.0, 2.0]))
    assert np.isnan(beyond).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_equal_samples_alarm_at_the_nominal_rate(weighted: bool) -> None:
    generator = np.random.default_rng(1)
    found = []
    for seed in range(50):
        first, second = generator.normal(size=(300, 3)), generator.normal(size=(200, 3))
        weights = [np.exp(0.5 * x[:, 0]) if weighted else None for x in (first, second)]
        found.append(
            density_ratio(
                first,
                second,
                seed=seed,
                n_centres=40,
                n_toys=60,
                reference_weights=weights[0],
                candidate_weights=weights[1],
            )
        )
    p_values = np.array([[ratio.result.p_value, ratio.empirical] for ratio in found])
    # 5 of 50 are expected, with a standard deviation of 2.1.
    assert np.all(np.sum(p_values < 0.1, axis=0) <= 12), np.sort(p_values[:, 0])
    assert np.mean(p_values[:, 0] < 0.5) > 0.25


def test_weights_undo_a_difference() -> None:
    """Events of N(0, 1) that count exp(x) each are those of N(1, 1)."""
    generator = np.random.default_rng(2)
    first, second = generator.normal(0.5, 1, (1500, 1)), generator.normal(0, 1, (2000, 1))
    plain = density_ratio(first, second, seed=0, n_toys=40)
    weighted = density_ratio(
        first, second, seed=0, n_toys=40, candidate_weights=np.exp(0.5 * second[:, 0])
    )
    assert (plain.result.p_value or 0) < 1e-10
    assert (weighted.result.p_value or 0) > 0.01


def test_separate_samples_are_far_beyond_the_floor() -> None:
    """f is large and known badly where only one sample is; t stays large."""
    generator = np.random.default_rng(3)
    first, second = generator.normal(size=(2, 400, 5))
    result = density_ratio(first, second + 6, seed=0, n_toys=30).result
    assert result.value > result.floor + 20 * result.floor_error
    assert (result.p_value or 0) < 1e-10


def test_equal_seed_equal_output_and_rows() -> None:
    first, second = np.random.default_rng(4).normal(size=(2, 400, 2))
    weights = np.ones(400)
    weights[:50] = 0
    weights[50] = 2
    settings = {"seed": 3, "max_events": 200, "n_toys": 20, "reference_weights": weights}
    one, two = (density_ratio(first, second, **settings) for _ in range(2))
    assert one.result == two.result
    assert np.array_equal(one.log_ratio, two.log_ratio)
    # Events of weight 0 are not taken, and rows are places among all events.
    assert one.rows[0].min() >= 50
    assert len(one.rows[0]) == len(one.rows[1]) == 200


def test_what_cannot_be_fitted() -> None:
    first, second = np.random.default_rng(5).normal(size=(2, 150, 2))
    with pytest.raises(RangeError, match="at least 100"):
        density_ratio(first, second[:50], seed=0)
    weights = np.ones(150)
    weights[0] = -1
    with pytest.raises(RangeError, match="1 weights of the candidate are negative"):
        density_ratio(first, second, seed=0, candidate_weights=weights)
    constant = density_ratio(np.ones((150, 2)), np.ones((150, 2)), seed=0, n_toys=20).result
    assert constant.value == pytest.approx(0, abs=1e-9)
    assert constant.within_floor
