from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phys_gan.errors import RangeError
from phys_gan.metrics import kernel
from phys_gan.metrics.kernel import kernel_sums, kpd, mmd2, mmd2_of_groups

ORACLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "oracle" / "fpd_kpd.npz"


def brute_force_weighted(x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray) -> float:
    def total(a: np.ndarray, b: np.ndarray, r: np.ndarray, s: np.ndarray, same: bool) -> float:
        kernel = (a @ b.T / a.shape[1] + 1) ** 4 * np.outer(r, s)
        counts = np.outer(r, s)
        if same:
            np.fill_diagonal(kernel, 0)
            np.fill_diagonal(counts, 0)
        return float(kernel.sum() / counts.sum())

    return total(x, x, u, u, True) + total(y, y, v, v, True) - 2 * total(x, y, u, v, False)


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


@pytest.mark.parametrize("weighted", [False, True])
def test_both_ways_to_sum_the_kernel_agree(weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    groups = [(generator.normal(size=(n, 5)), None) for n in (7, 300, 1)]
    if weighted:
        groups = [(x, generator.normal(1, 1, len(x))) for x, _ in groups]
    by_products = kernel_sums([*groups, (generator.normal(size=(5000, 5)), None)])
    monkeypatch.setattr(kernel, "_MAX_VALUES", 0)
    by_pairs = kernel_sums(groups)
    assert by_pairs.kernel == pytest.approx(by_products.kernel[:3, :3], rel=1e-9, abs=1e-8)
    assert by_pairs.kernel[2, 2] == pytest.approx(0, abs=1e-8)
    assert by_pairs.n == pytest.approx(by_products.n[:3])
    assert by_pairs.squares == pytest.approx(by_products.squares[:3])


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


def test_the_weighted_mmd_is_that_of_the_definition() -> None:
    generator = np.random.default_rng(5)
    x, y = generator.normal(size=(30, 4)), generator.normal(0.5, 1, size=(20, 4))
    u, v = generator.exponential(size=30), generator.normal(1, 1, 20)
    found = mmd2(x, y, first_weights=u, second_weights=v)
    assert found == pytest.approx(brute_force_weighted(x, y, u, v), rel=1e-9)
    assert mmd2(x, y, first_weights=u) == pytest.approx(
        brute_force_weighted(x, y, u, np.ones(20)), rel=1e-9
    )
    # Neither the scale nor events of weight 0 matter, and equal weights are none.
    scaled = mmd2(x, y, first_weights=-7 * u, second_weights=1e-9 * v)
    assert scaled == pytest.approx(found, rel=1e-9)
    far, none = np.append(x, np.full((1, 4), 1e3), axis=0), np.append(u, 0)
    assert mmd2(far, y, first_weights=none, second_weights=v) == pytest.approx(found, rel=1e-9)
    assert mmd2(x, y, first_weights=np.full(30, 3.0)) == mmd2(x, y)


def test_the_mmd_of_unions_of_groups_is_that_of_their_events() -> None:
    generator = np.random.default_rng(9)
    groups = [(generator.normal(size=(n, 2)), generator.normal(1, 1, n)) for n in (9, 7, 8, 6)]
    found = mmd2_of_groups(kernel_sums(groups), [0, 2], [1, 3])
    x, y, u, v = (
        np.concatenate([groups[i][k], groups[j][k]]) for k in (0, 1) for i, j in ((0, 2), (1, 3))
    )
    assert found == pytest.approx(brute_force_weighted(x, y, u, v), rel=1e-9)


def test_the_weighted_estimate_is_unbiased() -> None:
    """Importance weights with either sign: a fifth of the events are taken away again."""
    generator = np.random.default_rng(6)
    values = []
    for _ in range(400):
        x, y = generator.normal(size=(50, 2)), generator.normal(0.3, 1, size=(200, 2))
        w = np.exp(0.045 * 2 - 0.3 * y.sum(axis=1)) * np.where(generator.random(200) < 0.1, -1, 1)
        values.append(mmd2(x, y, second_weights=w))
    assert abs(np.mean(values)) < 4 * np.std(values) / 20
    assert min(values) < 0


@pytest.mark.parametrize("negative", [False, True])
def test_weights_make_another_distribution(negative: bool) -> None:
    generator = np.random.default_rng(7)
    x, y = generator.normal(0.5, 1, size=(5_000, 1)), generator.normal(size=(12_000, 1))
    w = np.exp(0.5 * y[:, 0])
    if negative:
        w *= np.where(generator.random(len(w)) < 0.2, -1, 1)
    plain = kpd(x, y, seed=0)
    assert plain.value > 5 * plain.error
    for value, error in (
        kpd(x, y, seed=0, candidate_weights=w),
        kpd(y, x, seed=0, reference_weights=w),
    ):
        assert abs(value) < 4 * error
        assert error < plain.value / 3


def test_too_uneven_weights_are_refused() -> None:
    x = np.random.default_rng(8).normal(size=(30, 2))
    with pytest.raises(RangeError, match=r"second has 30 events, .* count as 1 of .* at least 2"):
        mmd2(x, x, second_weights=np.eye(30)[3])
    with pytest.raises(RangeError, match=r"candidate has 30 events, .* at least 20 are needed"):
        kpd(x, x, seed=0, candidate_weights=np.arange(30.0) ** 4)
