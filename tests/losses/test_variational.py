"""The evidence lower bound's terms against torch.distributions."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from phys_gan.losses import gaussian_log_likelihood, kl_to_normal


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
