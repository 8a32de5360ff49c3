"""CaloGAN as it was published, the heads, and the layers against oracles."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError
from phys_gan.networks import (
    CaloganConfig,
    HeadConfig,
    Sizes,
    build_discriminator,
    build_generator,
)
from phys_gan.networks.blocks import (
    MinibatchDiscrimination,
    Standardize,
    minibatch_spread,
)
from phys_gan.networks.calogan import LocallyConnected2d


def test_calogan_has_the_published_size():
    sizes = (load_detector("calogan"), Sizes(0, 504, 1))
    generator = build_generator(CaloganConfig(), *sizes)
    # Keras counts the moving mean and variance of batch normalisation as parameters.
    moving = sum(b.numel() for name, b in generator.named_buffers() if "running" in name)
    assert sum(p.numel() for p in generator.parameters()) + moving == 29_726_376
    discriminator = build_discriminator(CaloganConfig(), *sizes, HeadConfig(conditioning=()))
    assert sum(p.numel() for p in discriminator.parameters()) == pytest.approx(2.7e6, rel=0.02)


def test_calogan_scales_its_latents_by_the_energy():
    generator = build_generator(CaloganConfig(), load_detector("calogan"), Sizes(0, 504, 1)).eval()
    z, c = torch.randn(3, 1024), torch.full((3, 1), 0.5)
    assert torch.allclose(generator(z, c), generator(z / 2, 2 * c))
    assert (generator(z, c) >= 0).all()


def test_calogan_starts_without_carrying_over():
    generator = build_generator(CaloganConfig(), load_detector("calogan"), Sizes(0, 504, 1))
    own, carried = torch.randn(2, 1, 12, 12), torch.randn(2, 1, 12, 12)
    with torch.no_grad():
        generator.attention[0].weights.weight.zero_()
    np.testing.assert_allclose(generator.attention[0](own, carried).detach(), own, atol=5e-4)


def test_calogan_refuses_what_it_was_not_made_for():
    with pytest.raises(ConfigError, match="3x96"):
        build_generator(CaloganConfig(), load_detector("calochallenge-2"), Sizes(0, 6480, 1))
    with pytest.raises(ConfigError, match="plain energies"):
        build_generator(CaloganConfig(), load_detector("calogan"), Sizes(3, 504, 2))


@pytest.mark.parametrize("stride", [(1, 1), (1, 2), (2, 1)])
def test_locally_connected_with_equal_weights_is_a_convolution(stride):
    layer = LocallyConnected2d((7, 9), 3, 5, (2, 3), stride)
    kernel, bias = torch.randn(5, 3, 2, 3), torch.randn(5)
    with torch.no_grad():
        layer.weight.copy_(kernel.view(5, -1).T.expand_as(layer.weight))
        layer.bias.copy_(bias.expand_as(layer.bias))
    x = torch.randn(4, 3, 7, 9)
    expected = functional.conv2d(x, kernel, bias, stride)
    np.testing.assert_allclose(layer(x).detach(), expected, atol=1e-5)
    assert layer.out_size == expected.shape[2:]


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
