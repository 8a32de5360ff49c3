"""Unrolling against a hand-written example and against the optimiser itself."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call

from phys_gan.training.techniques import unroll


class Line(nn.Module):
    """D(x) = a x."""

    def __init__(self, a):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))

    def forward(self, x):
        return self.a * x


def test_two_steps_by_hand():
    # L(a) = (a - g)^2 / 2, so dL/da = a - g. With beta1 = beta2 = 0 and eps >> 1 a step of Adam is
    # lr (a - g) / (|a - g| + eps); written out twice and differentiated with respect to g.
    lr, eps = 0.3, 10.0
    network = Line(1.5)
    adam = torch.optim.Adam(network.parameters(), lr, (0.0, 0.0), eps)
    g = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    weights = unroll(network, adam, lambda w: (w["a"] - g) ** 2 / 2, 2)
    (slope,) = torch.autograd.grad(weights["a"], g)

    def step(a):
        return a - lr * (a - 0.4) / (a - 0.4 + eps)

    def step_slopes(a):
        # Derivatives of step with respect to a, and with respect to g at fixed a.
        by_a = 1 - lr * eps / (a - 0.4 + eps) ** 2
        return by_a, 1 - by_a

    first, second = step(1.5), step(step(1.5))
    by_a, by_g = step_slopes(first)
    expected = by_g + by_a * step_slopes(1.5)[1]
    assert float(weights["a"].detach()) == pytest.approx(second, abs=1e-12)
    assert float(slope) == pytest.approx(expected, abs=1e-12)
    assert float(network.a.detach()) == 1.5


@pytest.mark.parametrize("warm", [0, 3])
def test_the_steps_are_those_of_the_optimiser(warm):
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)).double()
    adam = torch.optim.Adam(network.parameters(), 0.01, (0.5, 0.9))
    x = torch.randn(32, 2, dtype=torch.float64)

    def train(network, adam):
        adam.zero_grad()
        nn.functional.softplus(network(x)).mean().backward()
        adam.step()

    for _ in range(warm):
        train(network, adam)
    weights = unroll(
        network,
        adam,
        lambda w: nn.functional.softplus(functional_call(network, dict(w), (x,))).mean(),
        4,
    )
    twin = copy.deepcopy(network)
    other = torch.optim.Adam(twin.parameters(), 0.01, (0.5, 0.9))
    other.load_state_dict(copy.deepcopy(adam.state_dict()))
    for _ in range(4):
        train(twin, other)
    for name, weight in twin.named_parameters():
        torch.testing.assert_close(weights[name], weight, rtol=1e-9, atol=1e-12)


def test_the_gradient_through_the_steps_is_that_of_finite_differences():
    torch.manual_seed(2)
    network = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    adam = torch.optim.Adam(network.parameters(), 0.05, (0.5, 0.9))
    real, z = torch.randn(16, 1, dtype=torch.float64), torch.randn(16, 1, dtype=torch.float64)

    def generator_loss(shift):
        fake = z + shift

        def loss(weights):
            judged = [functional_call(network, dict(weights), (x,)) for x in (real, fake)]
            return (nn.functional.softplus(-judged[0]) + nn.functional.softplus(judged[1])).mean()

        weights = unroll(network, adam, loss, 3)
        return nn.functional.softplus(-functional_call(network, weights, (fake,))).mean()

    shift = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(generator_loss, (shift,), atol=1e-6)
