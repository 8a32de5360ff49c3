from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import sqrtm

from phys_gan.errors import DataError
from phys_gan.validation.multivariate.frechet import fpd, frechet_distance

ORACLE = Path(__file__).resolve().parents[4] / "shared" / "data" / "oracle" / "fpd_kpd.npz"
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
