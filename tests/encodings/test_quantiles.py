"""Normal scores against distributions whose quantiles are known."""

import numpy as np
import torch
from scipy.stats import kstest, norm

from phys_gan.encodings.cells import ConditionalQuantiles


def sample(n=40_000):
    random = np.random.default_rng(5)
    t = random.uniform(0, 4, n)
    # Mean and width change with t; the shape is log-normal.
    values = np.stack(
        [3 * t + (1 + t) * random.normal(size=n), np.exp(0.5 * random.normal(size=n))]
    )
    return values.T, t


def test_scores_are_standard_normal_at_any_energy():
    values, t = sample()
    quantiles = ConditionalQuantiles(2)
    quantiles.fit(values, t)
    scores = quantiles.to_scores(torch.tensor(values), torch.tensor(t)).numpy()
    for low in (0.0, 1.3, 3.5):
        near = (t > low) & (t < low + 0.5)
        for f in (0, 1):
            # The outermost scores are collected at +-3, which KS hardly sees.
            assert kstest(scores[near, f], norm.cdf).statistic < 0.025


def test_a_known_quantile():
    values, t = sample()
    quantiles = ConditionalQuantiles(2)
    quantiles.fit(values, t)
    found = quantiles.to_features(torch.tensor([[1.0, -1.0]]), torch.tensor([2.0]))[0]
    np.testing.assert_allclose(found, [3 * 2 + 3 * 1, np.exp(-0.5)], rtol=0.03)


def test_there_and_back():
    values, t = sample(5000)
    quantiles = ConditionalQuantiles(2)
    quantiles.fit(values, t)
    scores = torch.linspace(-2.9, 2.9, 60).repeat(2, 1).T.contiguous()
    at = torch.linspace(0.1, 3.9, 60)
    again = quantiles.to_scores(quantiles.to_features(scores, at), at)
    np.testing.assert_allclose(again, scores, atol=1e-3)


def test_a_point_mass_comes_back_exactly():
    random = np.random.default_rng(1)
    values = np.where(random.random(4000) < 0.5, -13.8, random.normal(size=4000))[:, None]
    t = random.uniform(0, 1, 4000)
    quantiles = ConditionalQuantiles(1)
    quantiles.fit(values, t)
    scores = quantiles.to_scores(torch.tensor([[-13.8]] * 5), torch.linspace(0.1, 0.9, 5))
    back = quantiles.to_features(scores.float(), torch.linspace(0.1, 0.9, 5))
    np.testing.assert_allclose(back, -13.8, rtol=1e-5)


def test_one_energy_only():
    random = np.random.default_rng(1)
    quantiles = ConditionalQuantiles(1)
    quantiles.fit(random.normal(size=(3000, 1)), np.full(3000, 2.0))
    found = quantiles.to_features(torch.tensor([[1.0]]), torch.tensor([2.0]))
    assert abs(float(found) - 1) < 0.1
