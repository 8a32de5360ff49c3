from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import sqrtm

from phys_gan.errors import DataError, RangeError
from phys_gan.metrics.frechet import fpd, frechet_distance, group_moments
from phys_gan.metrics.samples import Weighted

ORACLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "oracle" / "fpd_kpd.npz"
CONSTANT = np.full((50_000, 2), 2.0), np.zeros((50_000, 2))


def random_covariance(generator: np.random.Generator, d: int) -> np.ndarray:
    root = generator.normal(size=(d, d))
    return root @ root.T


def test_one_dimension_is_analytic() -> None:
    distance = frechet_distance([1.0], [[4.0]], [3.0], [[9.0]])
    assert distance == pytest.approx(2.0**2 + (2.0 - 3.0) ** 2, rel=1e-14)


def test_the_trace_term_is_that_of_the_matrix_square_root() -> None:
    generator = np.random.default_rng(0)
    one, two = (random_covariance(generator, 7) for _ in range(2))
    mean = generator.normal(size=7)
    expected = mean @ mean + np.trace(one + two - 2 * sqrtm(one @ two).real)
    assert frechet_distance(mean, one, np.zeros(7), two) == pytest.approx(expected, rel=1e-10)
    # Symmetric, and a stack gives the same as its parts.
    stack = frechet_distance([mean, mean], [one, two], np.zeros((2, 7)), [two, two])
    assert stack == pytest.approx([expected, mean @ mean], rel=1e-10)
    assert frechet_distance(np.zeros(7), two, mean, one) == pytest.approx(expected, rel=1e-10)


def test_singular_covariances_are_exact() -> None:
    """A feature that is the sum of others, and a constant one."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=(1000, 4))
    x = np.column_stack([x, x.sum(axis=1), np.ones(1000)])
    cov = np.cov(x, rowvar=False)
    mean = x.mean(axis=0)
    assert frechet_distance(mean, cov, mean, cov) == pytest.approx(0, abs=1e-12)
    # Covariances a S and b S: tr(S) (sqrt a - sqrt b)^2.
    expected = np.trace(cov) * (2 - 3) ** 2
    assert frechet_distance(mean, 4 * cov, mean, 9 * cov) == pytest.approx(expected, rel=1e-12)
    zero = np.zeros_like(cov)
    assert frechet_distance(mean, cov, mean, zero) == pytest.approx(np.trace(cov))


@pytest.mark.parametrize(("normalise", "expected"), [(True, 2.0), (False, 8.0)])
def test_constant_features(normalise: bool, expected: float) -> None:
    value, error = fpd(*CONSTANT, seed=0, normalise=normalise)
    assert value == pytest.approx(expected, rel=1e-12)
    assert error < 1e-12


@pytest.mark.parametrize("name", ["same", "shifted", "scaled"])
def test_values_of_jetnet(name: str) -> None:
    if not ORACLE.exists():
        pytest.skip("the oracle values are not here")
    with np.load(ORACLE) as data:
        expected, expected_error = data[f"value_{name}"][:2]
        value, error = fpd(data["reference"], data[name], seed=0)
    if name == "same":
        assert abs(value - expected) < 3 * np.hypot(expected_error, error)
        assert value < 1e-4
    else:
        assert value == pytest.approx(expected, rel=0.05)


def test_gaussians_are_extrapolated_to_their_distance() -> None:
    generator = np.random.default_rng(2)
    x = generator.normal(size=(50_000, 3))
    y = generator.normal([0.1, 0, 0], [1, 1.2, 1], size=(50_000, 3))
    value, error = fpd(x, y, seed=0, normalise=False)
    assert abs(value - (0.1**2 + 0.2**2)) < 4 * error
    assert error < 0.003


def test_the_error_is_the_spread_over_repeated_experiments() -> None:
    generator = np.random.default_rng(3)
    found = [
        fpd(generator.normal(size=(2000, 3)), generator.normal(0.3, 1.2, (2000, 3)), seed=s)
        for s in range(40)
    ]
    spread = np.std([value for value, _ in found])
    assert np.mean([error for _, error in found]) == pytest.approx(spread, rel=0.35)


def test_few_events_and_unequal_numbers() -> None:
    generator = np.random.default_rng(4)
    x, y = generator.normal(size=(30, 2)), generator.normal(3, 1, size=(500, 2))
    value, error = fpd(x, y, seed=0, normalise=False)
    assert abs(value - 18) < 5 * error
    assert fpd(x, y, seed=0) == fpd(x, y, seed=0)
    assert fpd(x, y, seed=0) != fpd(x, y, seed=1)
    assert fpd(x, x, seed=0).value < 0.05


def test_bad_features_are_refused() -> None:
    x = np.ones((10, 2))
    with pytest.raises(DataError, match=r"candidate features have shape \(10, 3\), not \(n, 2\)"):
        fpd(x, np.ones((10, 3)), seed=0)
    with pytest.raises(DataError, match=r"reference features have shape \(10,\)"):
        fpd(x[:, 0], x, seed=0)
    with pytest.raises(DataError, match="candidate features hold NaN"):
        fpd(x, np.where(x > 0, np.nan, x), seed=0)


def gaussian(x: np.ndarray, weights: np.ndarray | None) -> tuple[float, np.ndarray, np.ndarray]:
    """Number, mean and covariance of a weighted sample, through sums over seven groups."""
    moments = group_moments(Weighted(x, weights), 7, np.full(x.shape[1], 0.3))
    number, mean, covariance = moments.gaussians(np.ones((1, 7)))
    return float(number[0]), mean[0] + 0.3, covariance[0]


def test_weighted_moments_are_those_of_the_definition() -> None:
    generator = np.random.default_rng(5)
    x = generator.normal(size=(400, 3)) @ generator.normal(size=(3, 3))
    w = generator.normal(1, 1, 400)
    number, mean, covariance = gaussian(x, w)
    assert number == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-10)
    expected = w @ x / w.sum()
    assert mean == pytest.approx(expected, rel=1e-9)
    centred = x - expected
    factor = w.sum() - (w**2).sum() / w.sum()
    assert covariance == pytest.approx((w[:, None] * centred).T @ centred / factor, rel=1e-9)
    # A group that is drawn twice counts twice, as other events would.
    moments = group_moments(Weighted(x, w), 4, np.zeros(3))
    number, mean, covariance = (found[0] for found in moments.gaussians(np.array([[2.0, 0, 1, 0]])))
    x, w = (np.concatenate([a[:100], a[:100], a[200:300]]) for a in (x, w))
    assert number == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-10)
    centred = x - w @ x / w.sum()
    factor = w.sum() - (w**2).sum() / w.sum()
    assert covariance == pytest.approx((w[:, None] * centred).T @ centred / factor, rel=1e-9)
    # NumPy has the same convention, for weights that are not negative.
    w = np.abs(w)
    assert gaussian(x, w)[2] == pytest.approx(np.cov(x.T, aweights=w), rel=1e-9)


def test_whole_weights_are_repeated_events() -> None:
    generator = np.random.default_rng(6)
    x, counts = generator.normal(size=(300, 2)), generator.integers(0, 4, 300)
    _, mean, covariance = gaussian(x, counts.astype(float))
    repeated = np.repeat(x, counts, axis=0)
    assert mean == pytest.approx(repeated.mean(axis=0), rel=1e-10)
    total = counts.sum()
    factor = total - (counts**2).sum() / total
    assert covariance * factor == pytest.approx(np.cov(repeated.T) * (total - 1), rel=1e-10)


def test_events_and_counter_events_cancel() -> None:
    generator = np.random.default_rng(7)
    x, other = generator.normal(size=(300, 2)), generator.normal(9, 1, size=(50, 2))
    both = np.concatenate([x, other, other])
    w = np.repeat([1.0, 1.0, -1.0], [300, 50, 50])
    number, mean, covariance = gaussian(both, w)
    assert mean == pytest.approx(x.mean(axis=0), rel=1e-9)
    assert covariance * (300 - 400 / 300) == pytest.approx(np.cov(x.T) * 299, rel=1e-9)
    assert number == pytest.approx(300**2 / 400)


def test_equal_weights_and_their_scale_change_nothing() -> None:
    generator = np.random.default_rng(8)
    x, y = generator.normal(size=(500, 2)), generator.normal(0.3, 1.1, size=(700, 2))
    plain = fpd(x, y, seed=0)
    assert fpd(x, y, seed=0, candidate_weights=np.full(700, 0.2)) == plain
    w = generator.exponential(size=700)
    weighted = fpd(x, y, seed=0, candidate_weights=w)
    assert weighted != plain
    assert fpd(x, y, seed=0, candidate_weights=-1e3 * w) == pytest.approx(weighted, rel=1e-9)


@pytest.mark.parametrize("negative", [False, True])
def test_weights_make_another_distribution(negative: bool) -> None:
    """Normal distributions; weights, or signs, that give N(1/2, 1) from N(0, 1.2^2)."""
    generator = np.random.default_rng(9)
    x = generator.normal(0.5, 1, size=(20_000, 1))
    y = generator.normal(0, 1.2, size=(40_000, 1))
    w = np.exp(-((y[:, 0] - 0.5) ** 2) / 2 + (y[:, 0] / 1.2) ** 2 / 2)
    if negative:
        # A sixth of the events are taken away again.
        w *= np.where(generator.random(len(w)) < 1 / 6, -1, 1)
    value, error = fpd(x, y, seed=0, normalise=False, candidate_weights=w)
    assert value < 4 * error < 0.01
    assert fpd(x, y, seed=0, normalise=False).value == pytest.approx(0.25 + 0.04, abs=0.03)
    # The other way round, too.
    value, error = fpd(y, x, seed=0, normalise=False, reference_weights=w)
    assert value < 4 * error < 0.01


def test_the_error_of_weighted_events_is_the_spread_over_repeated_experiments() -> None:
    generator = np.random.default_rng(10)
    found = [
        fpd(
            generator.normal(size=(1500, 3)),
            generator.normal(0.3, 1.2, (3000, 3)),
            seed=s,
            candidate_weights=generator.exponential(size=3000),
        )
        for s in range(40)
    ]
    spread = np.std([value for value, _ in found])
    assert np.mean([error for _, error in found]) == pytest.approx(spread, rel=0.35)


def test_few_events_of_either_sign_have_a_distance() -> None:
    """Batches, drawn with replacement, may leave nearly no sum of weights."""
    generator = np.random.default_rng(11)
    for seed in range(30):
        x, y = generator.normal(size=(60, 2)), generator.normal(size=(40, 2))
        w = np.where(generator.random(40) < 0.3, -1.0, 1.0)
        if w.sum() ** 2 / 40 >= 2:
            assert np.isfinite(fpd(x, y, seed=seed, candidate_weights=w)).all()


def test_bad_weights_are_refused() -> None:
    x = np.random.default_rng(12).normal(size=(10, 2))
    with pytest.raises(DataError, match=r"candidate weights have shape \(3,\)"):
        fpd(x, x, seed=0, candidate_weights=[1, 2, 3])
    with pytest.raises(RangeError, match=r"reference has 10 events, .* count as 1 of equal"):
        fpd(x, x, seed=0, reference_weights=np.eye(10)[0])
