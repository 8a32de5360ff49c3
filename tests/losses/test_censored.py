"""The censored likelihood against SciPy and by integration."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from phys_gan.losses import gaussian_log_likelihood
from phys_gan.losses.variational import censored_log_likelihood


@pytest.fixture
def numbers():
    random = torch.Generator().manual_seed(4)
    return torch.randn(3, 6, 5, generator=random, dtype=torch.float64)


def test_nothing_censored_is_the_plain_gaussian(numbers):
    x, mean, log_scale = numbers
    plain = censored_log_likelihood(x, mean, log_scale, torch.zeros(5, dtype=torch.bool))
    torch.testing.assert_close(plain, gaussian_log_likelihood(x, mean, log_scale))


def test_hits_have_a_density_and_empty_cells_a_probability(numbers):
    x, mean, log_scale = numbers
    x = x.clamp_min(0)
    truth = norm(mean.numpy(), log_scale.exp().numpy())
    expected = torch.from_numpy(np.where(x > 0, truth.logpdf(x), truth.logcdf(0)))
    found = censored_log_likelihood(x, mean, log_scale, torch.ones(5, dtype=torch.bool))
    torch.testing.assert_close(found, expected.sum(1))


def test_all_that_can_happen_has_probability_one():
    x = torch.linspace(0, 12, 20_001, dtype=torch.float64)[:, None]
    mean, log_scale = torch.full_like(x, 0.4), torch.full_like(x, 0.3)
    odds = censored_log_likelihood(x, mean, log_scale, torch.tensor([True])).exp()
    density = censored_log_likelihood(x, mean, log_scale, torch.tensor([False])).exp()
    assert odds[0] + torch.trapezoid(density, x[:, 0]) == pytest.approx(1, abs=1e-6)


def test_gradients(numbers):
    x, mean, log_scale = numbers
    mean, log_scale = mean.requires_grad_(), log_scale.requires_grad_()
    censored = torch.tensor([True, True, False, True, False])
    assert torch.autograd.gradcheck(
        lambda m, s: censored_log_likelihood(x.clamp_min(0), m, s, censored), (mean, log_scale)
    )


def test_gradients_stay_finite_far_out():
    mean = torch.tensor([[1e3, -1e3]], requires_grad=True)
    log_scale = torch.zeros(1, 2, requires_grad=True)
    x = torch.zeros(1, 2)
    censored_log_likelihood(x, mean, log_scale, torch.tensor([True, True])).sum().backward()
    assert torch.isfinite(mean.grad).all()
    assert torch.isfinite(log_scale.grad).all()
