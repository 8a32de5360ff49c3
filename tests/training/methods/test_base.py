"""The averaged generator has its half-life in events."""

import pytest
import torch

from phys_gan.detectors import load_detector
from phys_gan.networks import CompactConfig, Sizes, build_generator
from phys_gan.training.methods.base import GeneratorAverage


def generator(value):
    config = CompactConfig(latent=2, width=8, depth=1)
    network = build_generator(config, load_detector("calogan"), Sizes(3, 504, 2))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    return network


@pytest.mark.parametrize("batch", [100, 250])
def test_half_life(batch):
    average = GeneratorAverage(generator(0.0), half_life=1000)
    current = generator(1.0)
    for _ in range(1000 // batch):
        average.update(current, batch, shown=10**9)
    values = torch.cat([p.flatten() for p in average.generator.parameters()])
    torch.testing.assert_close(values, torch.full_like(values, 0.5), rtol=1e-4, atol=0)


def test_the_beginning_is_soon_forgotten():
    average = GeneratorAverage(generator(0.0), half_life=1e9)
    average.update(generator(1.0), 100, shown=0)
    assert next(average.generator.parameters()).flatten()[0] == pytest.approx(0.5)
