"""Options of the vanilla pair that the contract does not see."""

import torch

from phys_gan.detectors import load_detector
from phys_gan.networks import MlpConfig, Sizes, build_generator
from phys_gan.networks.mlp import LatentMixture

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
