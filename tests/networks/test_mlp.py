"""Options of the vanilla pair that the contract does not see."""

import torch

from phys_gan.detectors import load_detector
from phys_gan.networks import MlpConfig, build_generator


def test_frequencies_make_the_generator_steep():
    def slope(**options):
        torch.manual_seed(0)
        config = MlpConfig(latent=2, width=32, depth=2, **options)
        generator = build_generator(config, load_detector("toy-grid"), 0, 0)
        z = torch.randn(200, 2, requires_grad=True)
        (gradient,) = torch.autograd.grad(generator(z, torch.zeros(200, 0)).sum(), z)
        return float(gradient.norm(dim=1).mean())

    assert slope(frequencies=16, frequency_scale=20.0) > 5 * slope()


def test_frequencies_are_saved_with_the_weights():
    config = MlpConfig(latent=2, width=8, depth=1, frequencies=4)
    first, second = (build_generator(config, load_detector("toy-grid"), 0, 0) for _ in range(2))
    second.load_state_dict(first.state_dict())
    z, c = torch.randn(5, 2), torch.zeros(5, 0)
    torch.testing.assert_close(first(z, c), second(z, c))
