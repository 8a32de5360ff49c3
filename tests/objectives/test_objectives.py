"""Losses at points where their values are known."""

import math

import pytest
import torch

from phys_gan.objectives import non_saturating_discriminator, non_saturating_generator, r1


def test_undecided_discriminator():
    zero = torch.zeros(7)
    assert non_saturating_discriminator(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert non_saturating_generator(zero).item() == pytest.approx(math.log(2))


def test_optimal_discriminator_measures_the_js_divergence():
    # At the optimum D = p/(p+q): -L_D = 2 JS - 2 ln 2 (Goodfellow et al. 2014, Theorem 1).
    random = torch.Generator().manual_seed(1)
    p = torch.distributions.Normal(0.0, 1.0)
    q = torch.distributions.Normal(1.0, 1.0)
    x, y = torch.randn(2, 200_000, generator=random, dtype=torch.float64)
    y = y + 1
    logit = [p.log_prob(s) - q.log_prob(s) for s in (x, y)]
    grid = torch.linspace(-8, 9, 20_001, dtype=torch.float64)
    a, b = p.log_prob(grid).exp(), q.log_prob(grid).exp()
    js = 0.5 * torch.trapezoid(
        a * torch.log(2 * a / (a + b)) + b * torch.log(2 * b / (a + b)), grid
    )
    assert -non_saturating_discriminator(*logit).item() == pytest.approx(
        2 * js.item() - 2 * math.log(2), abs=5e-3
    )


def test_gradient_does_not_saturate():
    logits = torch.full((1,), -30.0, requires_grad=True)
    non_saturating_generator(logits).backward()
    assert logits.grad.item() == pytest.approx(-1, abs=1e-6)


def test_large_logits_stay_finite():
    huge = torch.tensor([1e4, -1e4])
    assert torch.isfinite(non_saturating_discriminator(huge, huge))


def test_r1_of_a_linear_discriminator():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    x = torch.randn(9, 2, requires_grad=True)
    penalty = r1(x, x @ weight)
    assert penalty.item() == pytest.approx(12.5)
    penalty.backward()
    torch.testing.assert_close(weight.grad, weight.detach())
