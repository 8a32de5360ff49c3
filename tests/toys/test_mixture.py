from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phys_gan.errors import DataError, RangeError
from phys_gan.toys import TOYS, Mixture

PLANE = Mixture([[0.0, 0.0], [3.0, -1.0]], 0.5, [1.0, 3.0])


def test_the_density_against_scipy() -> None:
    points = np.random.default_rng(0).normal(scale=3.0, size=(200, 2))
    parts = [stats.multivariate_normal(mean, 0.25).pdf(points) for mean in PLANE.centres]
    np.testing.assert_allclose(PLANE.density(points), 0.25 * parts[0] + 0.75 * parts[1])
    np.testing.assert_allclose(PLANE.log_density(points), np.log(PLANE.density(points)))


@settings(max_examples=20)
@given(
    centres=st.lists(st.floats(-3, 3), min_size=1, max_size=4),
    sigma=st.floats(0.05, 2.0),
    seed=st.integers(0, 100),
)
def test_the_density_is_normalised_in_one_dimension(
    centres: list[float], sigma: float, seed: int
) -> None:
    weights = np.random.default_rng(seed).uniform(0.1, 5.0, len(centres))
    mixture = Mixture(np.array(centres)[:, None], sigma, weights)
    x, step = np.linspace(-3 - 10 * sigma, 3 + 10 * sigma, 20_001, retstep=True)
    assert step * mixture.density(x[:, None]).sum() == pytest.approx(1.0, abs=1e-9)
    assert mixture.shares.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["toy-ring", "toy-grid"])
def test_the_densities_in_the_plane_are_normalised(name: str) -> None:
    mixture = TOYS[name]
    reach = np.abs(mixture.centres).max() + 8 * mixture.sigma
    # The trapezoidal rule is exact to 1e-9 with two points per sigma.
    line, step = np.linspace(-reach, reach, int(4 * reach / mixture.sigma), retstep=True)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    assert step**2 * mixture.density(grid).sum() == pytest.approx(1.0, abs=1e-9)


def test_samples_have_the_moments_of_the_density() -> None:
    n = 200_000
    points = PLANE.sample(n, seed=3)
    mean = PLANE.shares @ PLANE.centres
    offsets = PLANE.centres - mean
    covariance = 0.25 * np.eye(2) + (PLANE.shares[:, None] * offsets).T @ offsets
    error = np.sqrt(np.diag(covariance) / n)
    assert np.all(np.abs(points.mean(axis=0) - mean) < 4 * error)
    np.testing.assert_allclose(np.cov(points.T), covariance, atol=0.03)


def test_samples_follow_the_distribution_function() -> None:
    found = stats.kstest(TOYS["toy-gaussian"].sample(20_000, seed=1)[:, 0], "norm")
    assert found.pvalue > 1e-3


def test_the_seed_is_all_that_samples_depend_on() -> None:
    np.testing.assert_array_equal(PLANE.sample(10, 1), PLANE.sample(10, 1))
    assert not np.array_equal(PLANE.sample(10, 1), PLANE.sample(10, 2))


def test_far_away_the_logarithm_is_finite() -> None:
    assert PLANE.log_density([[1e3, 0.0]])[0] == pytest.approx(-(997**2 + 1) / 0.5, rel=1e-4)
    assert PLANE.density([[1e3, 0.0]])[0] == 0


def test_the_nearest_centre_over_several_blocks() -> None:
    points = np.random.default_rng(5).uniform(-5, 5, size=(40_000, 2))
    mode, distance = TOYS["toy-grid"].nearest(points)
    offsets = np.linalg.norm(points[:, None] - TOYS["toy-grid"].centres, axis=2)
    np.testing.assert_array_equal(mode, offsets.argmin(axis=1))
    np.testing.assert_allclose(distance, offsets.min(axis=1))
    assert [len(part) for part in PLANE.nearest(np.empty((0, 2)))] == [0, 0]


def test_what_is_no_mixture() -> None:
    with pytest.raises(DataError, match=r"centres of shape \(2,\)"):
        Mixture([0.0, 1.0], 1.0)
    with pytest.raises(DataError, match="not finite points"):
        Mixture([[np.nan]], 1.0)
    with pytest.raises(RangeError, match="sigma = 0"):
        Mixture([[0.0]], 0.0)
    with pytest.raises(DataError, match=r"weights have shape \(2,\), but there are 1"):
        Mixture([[0.0]], 1.0, [0.5, 0.5])
    with pytest.raises(RangeError, match="a weight is 0"):
        Mixture([[0.0], [1.0]], 1.0, [1.0, 0.0])
    with pytest.raises(DataError, match=r"points have shape \(3,\), not \(N, 2\)"):
        PLANE.density([1.0, 2.0, 3.0])
    with pytest.raises(RangeError, match="n = 0"):
        PLANE.sample(0, 1)


def test_a_mixture_does_not_change() -> None:
    with pytest.raises(ValueError, match="read-only"):
        PLANE.centres[0] = 1
    centres = np.zeros((1, 1))
    mixture = Mixture(centres, 1.0)
    centres[0] = 7
    assert mixture.centres[0, 0] == 0
