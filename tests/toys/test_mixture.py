"""Toys: densities, samples, divergences and modes against closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phys_gan.detectors import Detector, detector_names, load_detector
from phys_gan.errors import DataError, MissingError, RangeError
from phys_gan.toys import (
    TOYS,
    Mixture,
    ModeCount,
    count_modes,
    gaussian_kl,
    jensen_shannon,
    kullback_leibler,
    optimal_discriminator,
    optimal_value,
    simulate_toy,
    truth_of,
)
from phys_gan.toys.mixture import summarise, tally_modes

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


def test_samples_depend_on_the_seed_alone() -> None:
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


def test_what_is_not_a_mixture() -> None:
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


def test_every_toy_has_a_detector_and_every_toy_detector_a_density() -> None:
    assert sorted(TOYS) == [name for name in detector_names() if load_detector(name).is_toy]
    for name, mixture in TOYS.items():
        assert truth_of(load_detector(name)) is mixture


def test_the_published_densities() -> None:
    ring, grid = TOYS["toy-ring"], TOYS["toy-grid"]
    assert (ring.n_modes, ring.sigma, grid.n_modes, grid.sigma) == (8, 0.02, 25, 0.05)
    np.testing.assert_allclose(np.linalg.norm(ring.centres, axis=1), 2.0)
    steps = np.linalg.norm(np.diff(ring.centres, axis=0), axis=1)
    np.testing.assert_allclose(steps, 4 * np.sin(np.pi / 8))
    assert {tuple(c) for c in grid.centres} == {
        (x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)
    }


@pytest.mark.parametrize("name", TOYS)
def test_events_of_a_toy(name: str) -> None:
    events = simulate_toy(name, 500, seed=4)
    assert (len(events), dict(events.conditions), events.overflow) == (500, {}, None)
    assert events.detector == load_detector(name)
    assert (events.cells < 0).any()
    np.testing.assert_array_equal(events.cells, TOYS[name].sample(500, 4).astype(np.float32))
    assert events.provenance["seed"] == "4"


def test_what_is_not_a_toy() -> None:
    with pytest.raises(MissingError, match="'calogan' is not a toy; available: toy-gaussian"):
        simulate_toy("calogan", 5)
    with pytest.raises(RangeError, match="n = 0"):
        simulate_toy("toy-grid", 0)


def test_the_truth_belongs_to_the_name_and_the_axes() -> None:
    assert truth_of(load_detector("calogan")) is None
    axis = '[[layers]]\nkind = "axis"\n'
    assert truth_of(Detector.from_toml(f'name = "own"\n{axis}')) is None
    assert truth_of(Detector.from_toml(f'name = "toy-grid"\n{axis}')) is None


means, widths = st.floats(-2, 2), st.floats(0.3, 2)
P, Q = Mixture([[0.0]], 1.0), Mixture([[1.0]], 0.7)


@settings(max_examples=30)
@given(means, widths, means, widths)
def test_quadrature_gives_the_closed_form(m: float, s: float, n: float, t: float) -> None:
    found = kullback_leibler(Mixture([[m]], s), Mixture([[n]], t))
    assert found == pytest.approx(gaussian_kl(m, s, n, t), abs=1e-9)


@settings(max_examples=30)
@given(means, widths, means, widths)
def test_jensen_shannon_is_symmetric_and_bounded(m: float, s: float, n: float, t: float) -> None:
    p, q = Mixture([[m]], s), Mixture([[n]], t)
    found = jensen_shannon(p, q)
    assert -1e-12 <= found <= np.log(2)
    assert found == pytest.approx(jensen_shannon(q, p), abs=1e-12)
    assert jensen_shannon(p, p) == pytest.approx(0, abs=1e-12)


def test_jensen_shannon_of_mixtures_is_that_of_their_definition() -> None:
    p = Mixture([[-1.0], [1.0]], 0.5, [1.0, 2.0])
    q = Mixture([[-1.0], [1.0]], 0.5, [2.0, 1.0])
    middle = Mixture([[-1.0], [1.0]], 0.5)
    by_parts = (kullback_leibler(p, middle) + kullback_leibler(q, middle)) / 2
    assert jensen_shannon(p, q) == pytest.approx(by_parts, abs=1e-12)


def test_the_value_of_the_game_is_that_of_the_best_discriminator() -> None:
    # By Monte Carlo: V = E_p ln D + E_q ln(1 - D), as a training sees it.
    n = 400_000
    first, second = P.sample(n, 1), Q.sample(n, 2)
    real, fake = (optimal_discriminator(P, Q, points) for points in (first, second))
    drawn = np.log(real), np.log1p(-fake)
    error = np.sqrt(sum(part.var() / n for part in drawn))
    assert abs(sum(part.mean() for part in drawn) - optimal_value(P, Q)) < 4 * error
    assert optimal_value(P, P) == pytest.approx(-2 * np.log(2))


def test_no_other_discriminator_has_a_larger_value() -> None:
    x = np.linspace(-8, 8, 4001)[:, None]
    best = optimal_discriminator(P, Q, x)

    def value(d: np.ndarray) -> float:
        return float(np.sum(P.density(x) * np.log(d) + Q.density(x) * np.log1p(-d)))

    for amplitude in (-0.05, 0.05):
        other = np.clip(best + amplitude * np.sin(x[:, 0]), 1e-6, 1 - 1e-6)
        assert value(other) < value(np.clip(best, 1e-12, 1 - 1e-12))


def test_the_discriminator_in_the_plane_and_far_away() -> None:
    ring = TOYS["toy-ring"]
    found = optimal_discriminator(ring, ring, [[0.0, 0.0], [50.0, 50.0]])
    np.testing.assert_allclose(found, 0.5)
    assert optimal_discriminator(P, Q, [[-1e4], [0.5]])[0] == 1.0


def test_what_has_no_quadrature() -> None:
    with pytest.raises(DataError, match="over 2 dimensions"):
        jensen_shannon(TOYS["toy-ring"], TOYS["toy-ring"])
    with pytest.raises(RangeError, match="not both positive"):
        gaussian_kl(0.0, 1.0, 0.0, 0.0)


RING, GRID = TOYS["toy-ring"], TOYS["toy-grid"]


def test_the_truth_hits_all_its_modes() -> None:
    n = 50_000
    found = count_modes(GRID.sample(n, seed=4), GRID)
    assert (found.modes_hit, found.n_modes) == (25, 25)
    expected = 1 - np.exp(-4.5)
    assert found.high_quality == pytest.approx(
        expected, abs=4 * np.sqrt(expected * (1 - expected) / n)
    )
    # 2 N KL follows a chi-squared distribution of 24 degrees of freedom.
    assert found.reverse_kl == pytest.approx(24 / (2 * n), abs=4 * np.sqrt(48) / (2 * n))


def test_the_fraction_of_high_quality_in_one_dimension() -> None:
    n, expected = 100_000, 0.9973
    found = count_modes(TOYS["toy-gaussian"].sample(n, seed=2), TOYS["toy-gaussian"])
    assert found.high_quality == pytest.approx(expected, abs=4 * (expected * 0.0027 / n) ** 0.5)


def test_missing_modes_are_seen() -> None:
    points = GRID.sample(20_000, seed=1)
    mode, _ = GRID.nearest(points)
    found = count_modes(points[~np.isin(mode, [0, 7, 24])], GRID)
    assert found.modes_hit == 22
    assert found.reverse_kl == pytest.approx(np.log(25 / 22), abs=0.002)
    assert found.high_quality == pytest.approx(1 - np.exp(-4.5), abs=0.004)


def test_collapsed_and_diffuse_points() -> None:
    one = count_modes(np.tile(RING.centres[3], (100, 1)), RING)
    assert one == ModeCount(1, 8, 1.0, pytest.approx(np.log(8)))
    half = count_modes(RING.centres[np.arange(100) % 4], RING)
    assert half == ModeCount(4, 8, 1.0, pytest.approx(np.log(2)))
    assert count_modes(0.5 * RING.centres, RING) == ModeCount(0, 8, 0.0, 0.0)


def test_points_count_up_to_three_sigma() -> None:
    away = np.array([[0.0, 2.999], [0.0, 3.001]]) * RING.sigma
    assert count_modes(RING.centres[:1] + away[:1], RING).modes_hit == 1
    assert count_modes(RING.centres[:1] + away[1:], RING).modes_hit == 0


def test_fractions_are_compared_with_the_weights() -> None:
    uneven = Mixture([[0.0], [10.0]], 1.0, [1.0, 3.0])
    assert count_modes([[0.0], [10.0], [10.0], [10.0]], uneven).reverse_kl == 0
    half = count_modes([[0.0], [10.0]], uneven).reverse_kl
    assert half == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))


@given(st.lists(st.integers(0, 50), min_size=16, max_size=16).filter(any))
def test_a_tally_gives_what_its_points_give(counts: list[int]) -> None:
    tally = np.reshape(counts, (2, 8))
    off = np.repeat([0.0, 10 * RING.sigma], 8)[:, None] * [0.0, 1.0]
    points = np.repeat(np.tile(RING.centres, (2, 1)) + off, tally.ravel(), axis=0)
    np.testing.assert_array_equal(tally_modes(points, RING), tally)
    found = summarise(tally, RING)
    assert found == count_modes(points, RING)
    assert 0 <= found.reverse_kl <= np.log(8) + 1e-12
    assert 0 <= found.high_quality <= 1


def test_no_points_have_no_modes() -> None:
    with pytest.raises(DataError, match="no points to count"):
        count_modes(np.empty((0, 2)), RING)
