from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phys_gan.errors import RangeError
from phys_gan.validation.multivariate import kernel
from phys_gan.validation.multivariate.kernel import kernel_sums, kpd, mmd2

ORACLE = Path(__file__).resolve().parents[4] / "shared" / "data" / "oracle" / "fpd_kpd.npz"


def brute_force(x: np.ndarray, y: np.ndarray) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (a @ b / len(a) + 1) ** 4

    xx = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    yy = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    return xx + yy - 2 * np.mean([k(a, b) for a in x for b in y])


def test_mmd_is_that_of_the_definition() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(30, 4)), generator.normal(0.5, 1, size=(20, 4))
    assert mmd2(x, y) == pytest.approx(brute_force(x, y), rel=1e-12)


def test_both_ways_to_sum_the_kernel_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    groups = [generator.normal(size=(n, 5)) for n in (7, 300, 1)]
    by_products = kernel_sums([*groups, generator.normal(size=(5000, 5))])[:3, :3]
    monkeypatch.setattr(kernel, "_MAX_VALUES", 0)
    by_pairs = kernel_sums(groups)
    assert by_pairs == pytest.approx(by_products, rel=1e-10, abs=1e-10)
    assert by_pairs[2, 2] == pytest.approx(0, abs=1e-9)


def test_the_estimate_is_unbiased() -> None:
    generator = np.random.default_rng(2)
    values = [mmd2(*generator.normal(size=(2, 50, 3))) for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 20
    assert min(values) < 0


@pytest.mark.parametrize(("normalise", "expected"), [(True, 15.0), (False, 624.0)])
def test_constant_features(normalise: bool, expected: float) -> None:
    two, zero = np.full((50_000, 2), 2.0), np.zeros((50_000, 2))
    value, error = kpd(two, zero, seed=0, normalise=normalise)
    assert value == pytest.approx(expected, rel=1e-10)
    assert error < 1e-9


@pytest.mark.parametrize("name", ["same", "shifted", "scaled"])
def test_values_of_jetnet(name: str) -> None:
    if not ORACLE.exists():
        pytest.skip("the oracle values are not here")
    with np.load(ORACLE) as data:
        expected, expected_error = data[f"value_{name}"][2:]
        value, error = kpd(data["reference"], data[name], seed=0)
    # Both are the median of ten batches; the errors are those of one batch.
    assert abs(value - expected) < 3 * max(expected_error, error) / np.sqrt(10) * np.sqrt(2)


def test_a_one_dimensional_shift_is_analytic() -> None:
    """E k for x ~ N(a, 1), y ~ N(b, 1) from the moments of a Gaussian."""
    shift = 0.5

    def moments(mean: float) -> np.ndarray:
        return np.array([1, mean, mean**2 + 1, mean**3 + 3 * mean, mean**4 + 6 * mean**2 + 3])

    binomial = np.array([1, 4, 6, 4, 1])
    zero, moved = moments(0), moments(shift)
    expected = float(binomial @ (zero - moved) ** 2)
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(50_000, 1)), generator.normal(shift, 1, size=(50_000, 1))
    value, error = kpd(x, y, seed=0, normalise=False)
    assert abs(value - expected) < 3 * error
    assert error < 0.2 * expected


def test_small_samples_have_smaller_batches() -> None:
    generator = np.random.default_rng(4)
    x, y = generator.normal(size=(45, 2)), generator.normal(3, 1, size=(300, 2))
    value, error = kpd(x, y, seed=0)
    assert value > 3 * error > 0
    assert kpd(x, y, seed=0) == kpd(x, y, seed=0)


def test_too_few_events_for_an_unbiased_estimate_are_refused() -> None:
    with pytest.raises(RangeError, match="first has 1 event, but at least 2"):
        mmd2(np.ones((1, 2)), np.ones((3, 2)))
    with pytest.raises(RangeError, match="candidate has 2 events, but at least 20"):
        kpd(np.ones((30, 2)), np.ones((2, 2)), seed=0)
