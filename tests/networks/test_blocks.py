"""Shared layers by hand; spectral normalisation measured, and baked."""

import numpy as np
import pytest
import torch
from torch import nn

from phys_gan.detectors import load_detector
from phys_gan.losses import gradient_norms
from phys_gan.networks import (
    CompactConfig,
    HeadConfig,
    MlpConfig,
    Sizes,
    build_discriminator,
    build_generator,
)
from phys_gan.networks.blocks import (
    MinibatchDiscrimination,
    Standardize,
    baked,
    minibatch_spread,
    normalise_spectrally,
)


def test_minibatch_discrimination_by_hand():
    layer = MinibatchDiscrimination(2, n_features=1, n_kernel=2)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2)[:, None, :])
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]])
    # L1 distances 1, 3 and 2; each event is at distance 0 from itself.
    expected = 1 + torch.exp(-torch.tensor([[1.0, 3.0], [1.0, 2.0], [3.0, 2.0]])).sum(1)
    np.testing.assert_allclose(layer(x).squeeze(1).detach(), expected, rtol=1e-6)


def test_minibatch_spread_sees_collapse():
    assert minibatch_spread(torch.ones(35, 4)).max() < 2e-3
    spread = minibatch_spread(torch.randn(35, 400))
    assert spread.shape == (35, 1)
    np.testing.assert_allclose(spread, 1.0, atol=0.1)
    assert minibatch_spread(torch.randn(3, 4)).shape == (3, 1)


def test_standardize():
    x = 3 + torch.tensor([0.1, 5.0, 0.0]) * torch.randn(2000, 3)
    layer = Standardize(3)
    layer.adapt(x)
    y = layer(x)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-4)
    assert y.std(0)[1] == pytest.approx(1, rel=1e-3)
    assert torch.isfinite(y).all()
    np.testing.assert_allclose(layer.inverse(y), x, rtol=1e-4, atol=1e-6)


POINTS = (load_detector("toy-grid"), Sizes(0, 2, 0))


def test_a_normalised_discriminator_is_1_lipschitz():
    torch.manual_seed(0)
    head = HeadConfig(conditioning=())
    network = build_discriminator(MlpConfig(d_width=32), *POINTS, head)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    c = torch.zeros(4000, 0)

    def largest():
        x = (3 * torch.randn(4000, 2)).requires_grad_()
        return float(gradient_norms(x, network(x, c).logits).detach().max())

    assert largest() > 2
    normalise_spectrally(network)
    for _ in range(50):
        network(torch.randn(2, 2), c[:2])
    assert 0.01 < largest() <= 1 + 1e-4


def test_layers_that_start_at_zero_are_normalised_too():
    detector = load_detector("calogan")
    network = build_discriminator(CompactConfig(d_width=16, d_depth=1), detector, Sizes(3, 504, 2))
    normalise_spectrally(network)
    out = network.logits(torch.rand(4, 507), torch.rand(4, 2))
    assert torch.isfinite(out).all()


def test_baking_changes_nothing_but_the_names():
    torch.manual_seed(0)
    network = build_generator(MlpConfig(width=16), *POINTS)
    names = set(network.state_dict())
    normalise_spectrally(network)
    z, c = torch.randn(5, 64), torch.zeros(5, 0)
    network.train()(z, c)
    plain = baked(network)
    assert set(plain.state_dict()) == names
    torch.testing.assert_close(plain(z, c), network.eval()(z, c))
    assert any(isinstance(module, nn.Linear) for module in plain.modules())
