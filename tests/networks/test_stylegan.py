"""Modulated convolutions against their definition; styles and where they act."""

import pytest
import torch
from torch.nn import functional

from phys_gan.detectors import load_detector
from phys_gan.networks import Sizes, StyleGanConfig, build_generator
from phys_gan.networks.convolutions import ModulatedConv2d

IMAGE = (load_detector("galaxies-32"), Sizes(0, 1024, 2))
SMALL = {"latent": 8, "style": 8, "width": 4, "d_width": 4}


@pytest.fixture
def generator():
    torch.manual_seed(0)
    generator = build_generator(StyleGanConfig(**SMALL), *IMAGE)
    with torch.no_grad():
        for layer in generator.layers:
            layer.strength.fill_(0.5)
    return generator


@pytest.mark.parametrize("demodulate", [True, False])
def test_modulation_is_a_convolution_with_weights_of_each_event(demodulate):
    layer = ModulatedConv2d(4, 3, 5, demodulate=demodulate)
    x, w = torch.randn(2, 4, 6, 6), torch.randn(2, 5)
    expected = []
    for image, style in zip(x, layer.style(w), strict=True):
        weight = layer.weight * layer.gain * style[None, :, None, None]
        if demodulate:
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected.append(functional.conv2d(image[None], weight, layer.bias, padding=1))
    torch.testing.assert_close(layer(x, w), torch.cat(expected), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_demodulated_layers_keep_the_size_whatever_the_style():
    layer = ModulatedConv2d(32, 64, 5)
    x = torch.randn(300, 32, 5, 5)
    for scale in (0.1, 10.0):
        y = layer(x, scale * torch.randn(300, 5))[:, :, 2, 2]
        assert y.std() == pytest.approx(1, rel=0.1)


def test_noise_inputs_change_details(generator):
    z, c = torch.randn(3, generator.latent), torch.zeros(3, 2)
    other = z.clone()
    # Between the shared latents, those of the second style with its place, and the cells' own.
    noise = slice(generator.parts[1] + 9, sum(generator.parts[:3]))
    other[:, noise] = torch.randn_like(other[:, noise])
    generator.eval()
    assert not torch.equal(generator(z, c), generator(other, c))


def test_a_second_style_acts_in_training_only(generator):
    z, c = torch.randn(3, generator.latent), torch.zeros(3, 2)
    second = slice(8, 16)
    other = z.clone()
    other[:, second] = torch.randn(3, 8)
    # A number far below zero changes the style at the first layer that can be changed.
    z[:, 16] = other[:, 16] = -9.0
    assert not torch.equal(generator(z, c), generator(other, c))
    generator.eval()
    assert torch.equal(generator(z, c), generator(other, c))


def test_the_place_of_the_change_is_uniform_over_layers(generator):
    inputs = torch.randn(4000, generator.n_inputs)
    w, second = generator.style(inputs), torch.randn(4000, 8)
    styles = generator._mixed(w, inputs, second, torch.randn(4000, 1))
    changed = torch.stack([(style != w).any(1) for style in styles]).float().mean(1)
    places = generator.n_layers - 1
    expected = torch.tensor([0.9 * k / places for k in range(places + 1)])
    torch.testing.assert_close(changed, expected, atol=0.03, rtol=0)


def test_without_mixing_there_are_no_second_latents():
    detector = load_detector("galaxies-32")
    single = build_generator(StyleGanConfig(**SMALL, mixing=0), detector, Sizes(0, 1024, 2))
    double = build_generator(StyleGanConfig(**SMALL), detector, Sizes(0, 1024, 2))
    assert double.latent == single.latent + 9
