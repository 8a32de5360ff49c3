"""CaloGAN as published, and its locally connected layers."""

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
