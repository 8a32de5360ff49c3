"""Likelihoods and divergences against SciPy, torch.distributions and by integration."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch.distributions import Normal, kl_divergence

from phys_gan.losses import gaussian_log_likelihood, kl_to_normal
from phys_gan.losses.variational import censored_log_likelihood


@pytest.fixture
def numbers():
    random = torch.Generator().manual_seed(4)
    return torch.randn(3, 6, 5, generator=random, dtype=torch.float64)


def test_divergence(numbers):
    mean, log_variance, _ = numbers
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_to_normal(mean, log_variance), expected)


def test_divergence_of_the_prior_is_zero():
    zero = torch.zeros(4, 3)
    assert torch.equal(kl_to_normal(zero, zero), torch.zeros(4))


def test_divergence_near_the_prior_in_single_precision():
    # sigma^2 = 1 + t: t^2 / 4 for each number, far below the resolution of e^t - 1 - t.
    small = torch.full((1, 1), 1e-3)
    assert kl_to_normal(torch.zeros(1, 1), small).item() == pytest.approx(1e-6 / 4, rel=1e-3)


def test_likelihood(numbers):
    x, mean, log_scale = numbers
    expected = Normal(mean, log_scale.exp()).log_prob(x).sum(1)
    torch.testing.assert_close(gaussian_log_likelihood(x, mean, log_scale), expected)


def test_likelihood_with_a_common_scale(numbers):
    x, mean, _ = numbers
    common = torch.tensor(0.3, dtype=x.dtype)
    expected = Normal(mean, common.exp()).log_prob(x).sum(1)
    torch.testing.assert_close(gaussian_log_likelihood(x, mean, common), expected)


def test_images_give_a_number_per_event(numbers):
    x, mean, log_scale = numbers
    image = (6, 1, 5)
    torch.testing.assert_close(
        gaussian_log_likelihood(x.view(image), mean.view(image), log_scale.view(image)),
        gaussian_log_likelihood(x, mean, log_scale),
    )
    torch.testing.assert_close(
        kl_to_normal(mean.view(image), log_scale.view(image)), kl_to_normal(mean, log_scale)
    )


def test_gradients(numbers):
    x, mean, log_scale = (side.clone().requires_grad_() for side in numbers)
    assert torch.autograd.gradcheck(kl_to_normal, (mean, log_scale))
    assert torch.autograd.gradcheck(gaussian_log_likelihood, (x, mean, log_scale))


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


def test_gradients_of_the_censored_likelihood(numbers):
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
