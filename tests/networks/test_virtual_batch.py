"""Virtual batch normalisation by hand, and that events do not see each other."""

import numpy as np
import torch

from phys_gan.detectors import load_detector
from phys_gan.networks import MlpConfig, Sizes, build_generator
from phys_gan.networks.mlp import VirtualBatchNorm


def test_by_hand():
    layer = VirtualBatchNorm(1, 2)
    y = layer(torch.tensor([[1.0], [3.0], [8.0]])).detach()
    # The event 8 with the reference batch 1, 3: mean 4, mean square 74/3.
    expected = (8 - 4) / np.sqrt(74 / 3 - 16 + 1e-5)
    np.testing.assert_allclose(y[2, 0], expected, rtol=1e-6)
    # The reference event 1 is counted with the batch that holds it: mean 5/3, mean square 11/3.
    np.testing.assert_allclose(y[0, 0], (1 - 5 / 3) / np.sqrt(11 / 3 - 25 / 9 + 1e-5), rtol=1e-5)


def test_an_event_does_not_see_the_others_of_its_batch():
    config = MlpConfig(latent=3, width=16, norm="virtual-batch", virtual_batch=8)
    generator = build_generator(config, load_detector("toy-grid"), Sizes(0, 2, 1))
    generator.adapt(torch.randn(20, 2), torch.rand(20, 1))
    z, c = torch.randn(10, 3), torch.rand(10, 1)
    torch.testing.assert_close(generator(z, c)[:2], generator(z[:2], c[:2]))
    assert generator.hidden.reference[:, 3].min() > 0
