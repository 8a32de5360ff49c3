"""Latents made of uniform numbers: right quantiles, and no memory of one another."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import kstest

from phys_gan.generation.export.ddml_grid import LatentsOfUniforms, normal_quantile
from phys_gan.randomness import stream

N, WANTED = 4000, 400
UNIFORM = torch.from_numpy(stream(1, "uniform").uniform(-1, 1, (N, 100)).astype(np.float32))
LATENTS = LatentsOfUniforms(100, WANTED)(UNIFORM).numpy()


def test_quantiles():
    z = torch.cat([torch.linspace(-0.9999, 0.9999, 4001), 1 - 2.0 ** -torch.arange(1.0, 24)])
    expected = ndtri((1 + z.double().numpy()) / 2)
    np.testing.assert_allclose(normal_quantile(z).numpy(), expected, rtol=2e-6, atol=1e-6)


@given(st.floats(-1, 1, width=32))
def test_quantiles_are_finite_and_odd(z):
    x = normal_quantile(torch.tensor([z, -z]))
    assert torch.isfinite(x).all()
    assert x[0] == -x[1]
    assert abs(x[0]) < 5.5


def test_the_given_numbers_come_first():
    np.testing.assert_array_equal(LATENTS[:, :100], normal_quantile(UNIFORM))
    few = LatentsOfUniforms(100, 30)(UNIFORM)
    np.testing.assert_array_equal(few, LATENTS[:, :30])


@pytest.mark.parametrize("part", [slice(0, 100), slice(100, WANTED)], ids=["given", "derived"])
def test_latents_are_standard_normal(part):
    drawn = LATENTS[:, part].astype(float)
    n = drawn.size
    assert abs(drawn.mean()) < 5 / np.sqrt(n)
    assert abs(drawn.var() - 1) < 5 * np.sqrt(2 / n)
    assert kstest(drawn.ravel(), "norm").pvalue > 1e-3
    assert np.abs(drawn).max() > 4


def test_latents_are_uncorrelated():
    # Of 79800 pairs the largest correlation is near 4.4 / sqrt(N) if there is none.
    for values in (LATENTS, LATENTS**2, np.abs(LATENTS)):
        correlation = np.corrcoef(values.T.astype(float))
        np.fill_diagonal(correlation, 0)
        assert np.abs(correlation).max() < 6.5 / np.sqrt(N)
        # Their spread is that of chance as well: 1 / sqrt(N).
        assert np.std(correlation[np.triu_indices(WANTED, 1)]) * np.sqrt(N) == pytest.approx(
            1, abs=0.02
        )


def test_consecutive_events_have_nothing_in_common():
    lagged = (LATENTS[1:, 100:] * LATENTS[:-1, 100:]).mean()
    assert abs(lagged) < 5 / np.sqrt(N * (WANTED - 100))


def test_one_bit_of_one_number_changes_all():
    z = UNIFORM[:200].clone()
    for place in (0, 50, 99):
        changed = z.clone()
        changed[:, place] += 2.0**-22
        more = LatentsOfUniforms(100, WANTED)(changed).numpy()[:, 100:]
        correlation = np.corrcoef(more.ravel(), LATENTS[:200, 100:].ravel())[0, 1]
        assert abs(correlation) < 5 / np.sqrt(more.size)


def test_the_order_counts():
    exchanged = UNIFORM[:, torch.tensor([1, 0, *range(2, 100)])]
    more = LatentsOfUniforms(100, WANTED)(exchanged).numpy()[:, 100:]
    assert not np.isclose(more, LATENTS[:, 100:]).any(axis=1).all()
    assert abs(np.corrcoef(more.ravel(), LATENTS[:, 100:].ravel())[0, 1]) < 0.005


def test_the_same_numbers_make_the_same_latents():
    np.testing.assert_array_equal(LatentsOfUniforms(100, WANTED)(UNIFORM[7:9]), LATENTS[7:9])
