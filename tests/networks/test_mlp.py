"""Options of fully connected networks beyond the contract."""

import numpy as np
import torch

from phys_gan.detectors import load_detector
from phys_gan.networks import MlpConfig, Sizes, build_generator
from phys_gan.networks.mlp import LatentMixture, VirtualBatchNorm

POINTS = (load_detector("toy-grid"), Sizes(0, 2, 0))


def test_frequencies_make_the_generator_steep():
    def slope(**options):
        torch.manual_seed(0)
        config = MlpConfig(latent=2, width=32, depth=2, **options)
        generator = build_generator(config, *POINTS)
        z = torch.randn(200, 2, requires_grad=True)
        (gradient,) = torch.autograd.grad(generator(z, torch.zeros(200, 0)).sum(), z)
        return float(gradient.norm(dim=1).mean())

    assert slope(frequencies=16, frequency_scale=20.0) > 5 * slope()


def test_frequencies_are_saved_with_the_weights():
    config = MlpConfig(latent=2, width=8, depth=1, frequencies=4)
    first, second = (build_generator(config, *POINTS) for _ in range(2))
    second.load_state_dict(first.state_dict())
    z, c = torch.randn(5, 2), torch.zeros(5, 0)
    torch.testing.assert_close(first(z, c), second(z, c))


def test_a_mixture_of_latents_has_separate_components():
    mixture = LatentMixture(3, 2)
    with torch.no_grad():
        mixture.mean.copy_(torch.tensor([[-9.0, 0.0], [0.0, 9.0], [9.0, 0.0]]))
    z = torch.randn(6000, 3)
    drawn = mixture(z)
    nearest = torch.cdist(drawn, mixture.mean).argmin(1)
    shares = nearest.bincount() / len(z)
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), atol=0.02, rtol=0)
    rest = (drawn - mixture.mean[nearest]) / 0.2
    torch.testing.assert_close(rest, z[:, 1:])


def test_the_ends_of_the_normal_distribution_have_a_component():
    z = torch.tensor([[-20.0, 0.0], [20.0, 0.0]])
    mixture = LatentMixture(4, 1)
    torch.testing.assert_close(mixture(z), mixture.mean[[0, 3]])


def test_a_generator_with_a_mixture_needs_one_latent_more():
    config = MlpConfig(latent=2, width=8, depth=1, components=5)
    generator = build_generator(config, *POINTS)
    assert generator.latent == 3
    assert generator(torch.randn(4, 3), torch.zeros(4, 0)).shape == (4, 2)
    assert "gurumurthy2017deligan" in config.references


def test_virtual_batch_normalisation_by_hand():
    layer = VirtualBatchNorm(1, 2)
    y = layer(torch.tensor([[1.0], [3.0], [8.0]])).detach()
    # The event 8 with the reference batch 1, 3: mean 4, mean square 74/3.
    expected = (8 - 4) / np.sqrt(74 / 3 - 16 + 1e-5)
    np.testing.assert_allclose(y[2, 0], expected, rtol=1e-6)
    # The reference event 1 is counted with the batch that holds it: mean 5/3, mean square 11/3.
    np.testing.assert_allclose(y[0, 0], (1 - 5 / 3) / np.sqrt(11 / 3 - 25 / 9 + 1e-5), rtol=1e-5)


def test_virtual_batch_normalisation_treats_each_event_alone():
    config = MlpConfig(latent=3, width=16, norm="virtual-batch", virtual_batch=8)
    generator = build_generator(config, load_detector("toy-grid"), Sizes(0, 2, 1))
    generator.adapt(torch.randn(20, 2), torch.rand(20, 1))
    z, c = torch.randn(10, 3), torch.rand(10, 1)
    torch.testing.assert_close(generator(z, c)[:2], generator(z[:2], c[:2]))
    assert generator.hidden.reference[:, 3].min() > 0
