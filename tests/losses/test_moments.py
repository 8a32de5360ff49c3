"""The maximum mean discrepancy against a double loop, its invariants, its gradients."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.errors import DataError, RangeError
from phys_gan.losses import median_distance, mmd2

SCALES = (0.5, 1.0, 3.0)
seeds = st.integers(0, 2**31)


def sample(seed, n, features=3, shift=0.0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(n, features, generator=random, dtype=torch.float64) + shift


def by_loops(x, y, bandwidths, unbiased):
    def k(a, b):
        return sum(math.exp(-(a - b).square().sum().item() / (2 * s * s)) for s in bandwidths)

    def within(z):
        pairs = [
            k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if not (unbiased and i == j)
        ]
        return sum(pairs) / len(pairs)

    between = sum(k(a, b) for a in x for b in y) / (len(x) * len(y))
    return within(x) + within(y) - 2 * between


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_against_a_double_loop(unbiased, shift):
    x, y = sample(1, 7), sample(2, 5, shift=shift)
    expected = by_loops(x, y, SCALES, unbiased)
    assert mmd2(x, y, SCALES, unbiased).item() == pytest.approx(expected, rel=1e-10)


@settings(max_examples=50)
@given(seeds, st.integers(1, 8), st.integers(1, 8), st.floats(0.05, 20), st.floats(-5, 5))
def test_biased_estimate_is_never_negative(seed, n, m, bandwidth, shift):
    x, y = sample(seed, n), sample(seed + 1, m, shift=shift)
    assert mmd2(x, y, [bandwidth]).item() >= -1e-14


@settings(max_examples=30)
@given(seeds, st.integers(2, 8), st.integers(2, 8), st.booleans())
def test_symmetric(seed, n, m, unbiased):
    x, y = sample(seed, n), sample(seed + 1, m, shift=0.5)
    torch.testing.assert_close(mmd2(x, y, SCALES, unbiased), mmd2(y, x, SCALES, unbiased))


@settings(max_examples=30)
@given(seeds, st.integers(1, 8))
def test_equal_samples_do_not_differ(seed, n):
    x = sample(seed, n)
    assert mmd2(x, x.flip(0), SCALES).item() == pytest.approx(0, abs=1e-14)


def test_far_samples():
    x = torch.zeros(4, 2)
    assert mmd2(x, x + 1e3, (1.0, 2.0)).item() == pytest.approx(4)


def test_unbiased_estimate_vanishes_on_average():
    values = torch.stack(
        [mmd2(sample(s, 20), sample(s + 10**6, 20), [1.0], True) for s in range(400)]
    )
    biased = torch.stack([mmd2(sample(s, 20), sample(s + 10**6, 20), [1.0]) for s in range(400)])
    error = (values.std() / 20).item()
    assert values.mean().item() == pytest.approx(0, abs=3.5 * error)
    assert biased.mean().item() > 10 * error


def test_against_the_closed_form_of_gaussians():
    # E k = (s^2 / (s^2 + 2))^(1/2) exp(-d^2 / (2 (s^2 + 2))) between N(0, 1) and N(d, 1).
    s, d = 1.5, 1.0
    x, y = sample(5, 2000, 1), sample(6, 2000, 1, shift=d)
    height = math.sqrt(s**2 / (s**2 + 2))
    expected = 2 * height * (1 - math.exp(-(d**2) / (2 * (s**2 + 2))))
    assert mmd2(x, y, [s], unbiased=True).item() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("unbiased", [False, True])
def test_gradients(unbiased):
    x, y = sample(1, 4).requires_grad_(), sample(2, 3, shift=0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: mmd2(a, b, SCALES, unbiased), (x, y))


def test_gradients_of_coinciding_events_are_finite():
    x = torch.ones(5, 3, requires_grad=True)
    mmd2(x, torch.ones(4, 3), SCALES).backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().max().item() == pytest.approx(0, abs=1e-6)


def test_single_precision_far_from_the_origin():
    x, y = sample(1, 50), sample(2, 50, shift=0.5)
    exact = mmd2(x, y, SCALES).item()
    far = mmd2((x + 100).float(), (y + 100).float(), SCALES).item()
    assert far == pytest.approx(exact, rel=1e-4)


def test_images_are_compared_as_rows():
    x, y = sample(1, 6, 12), sample(2, 6, 12)
    flat = mmd2(x, y, [3.0])
    torch.testing.assert_close(mmd2(x.reshape(6, 3, 4), y.reshape(6, 3, 4), [3.0]), flat)


def test_median_distance():
    x = sample(3, 41, 2)
    pairs = sorted((x[i] - x[j]).norm().item() for i in range(41) for j in range(i))
    # 820 pairs: the lower of the two in the middle.
    assert median_distance(x) == pytest.approx(pairs[409])
    assert median_distance(10 * x) == pytest.approx(10 * median_distance(x))


def test_errors():
    x = torch.zeros(3, 2)
    with pytest.raises(DataError, match="cannot be compared"):
        mmd2(x, torch.zeros(3, 4), SCALES)
    with pytest.raises(RangeError, match="give at least 2 of each"):
        mmd2(x, x[:1], SCALES, unbiased=True)
    with pytest.raises(RangeError, match="multiples of the median distance"):
        mmd2(x, x, [1.0, 0.0])
    with pytest.raises(RangeError, match="not positive"):
        mmd2(x, x, [])
    with pytest.raises(RangeError, match="no distances"):
        median_distance(x[:1])
