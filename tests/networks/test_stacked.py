"""The chain of two generators: its second stage follows its first, and each can learn alone."""

import warnings

import pytest
import torch

from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError
from phys_gan.networks import (
    CompactConfig,
    HeadConfig,
    MlpConfig,
    Sizes,
    StackedConfig,
    build_discriminator,
    build_generator,
)
from phys_gan.networks.stacked import stacked_discriminators

CALOGAN = load_detector("calogan")
SMALL = StackedConfig(
    energies=MlpConfig(latent=5, width=16, depth=1, d_width=16, d_depth=1),
    cells=CompactConfig(latent=8, width=16, depth=1, d_width=16, d_depth=1),
)


def stirred(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


@pytest.fixture(params=[("calogan", 3), ("calochallenge-2", 45)], ids=lambda p: p[0])
def chain(request):
    torch.manual_seed(0)
    name, n_globals = request.param
    detector = load_detector(name)
    sizes = (detector, Sizes(n_globals, detector.n_cells, 2))
    return stirred(build_generator(SMALL, *sizes)), sizes


def data(sizes, n=6):
    x = torch.cat([torch.randn(n, sizes[1].n_globals), torch.rand(n, sizes[1].n_cells)], dim=1)
    return x, torch.rand(n, sizes[1].n_conditions)


def test_the_second_stage_follows_the_first(chain):
    generator, sizes = chain
    n = sizes[1].n_globals
    x, c = data(sizes)
    generator.adapt(x, c)
    assert generator.latents == (5, 8 + sizes[0].n_cells)
    z = torch.randn(6, generator.latent)
    first, second = z.split(generator.latents, dim=1)
    energies = generator.energies(first, c)
    assert energies.shape == (6, n)
    whole = generator(z, c)
    assert whole.shape == x.shape
    assert torch.equal(whole[:, :n], energies)
    given = generator.cells(torch.cat([x[:, :n], second], dim=1), c)
    assert torch.equal(given[:, :n], x[:, :n])
    assert not torch.equal(given[:, n:], whole[:, n:])


def test_gradients_reach_every_parameter(chain):
    generator, sizes = chain
    x, c = data(sizes)
    n = sizes[1].n_globals
    y = generator(torch.randn(6, generator.latent), c)
    on_energies, on_cells = map(stirred, stacked_discriminators(SMALL, *sizes, HeadConfig()))
    told = torch.cat([c, x[:, :n]], dim=1)
    energies, cells = on_energies.logits(y[:, :n], c), on_cells.logits(y[:, n:], told)
    assert energies.shape == cells.shape == (6,)
    (energies.square().sum() + cells.square().sum()).backward()
    for network in (generator, on_energies, on_cells):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_conditions_and_energies_matter_to_the_cells(chain):
    generator, sizes = chain
    x, c = data(sizes)
    z = torch.cat([x[:, : sizes[1].n_globals], torch.randn(6, generator.latents[1])], dim=1)
    assert not torch.equal(generator.cells(z, c), generator.cells(z, c / 2))
    _, on_cells = map(stirred, stacked_discriminators(SMALL, *sizes, HeadConfig()))
    told = torch.cat([c, x[:, : sizes[1].n_globals]], dim=1)
    cells = x[:, sizes[1].n_globals :]
    assert not torch.equal(on_cells.logits(cells, told), on_cells.logits(cells, -told))


def test_no_part_is_empty():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generator = build_generator(SMALL, CALOGAN, Sizes(3, 504, 2))
    assert all(parameter.numel() for parameter in generator.parameters())


def test_an_encoding_without_energies_is_refused():
    with pytest.raises(ConfigError, match=r"no energies apart.*choose encoding.kind = 'shower'"):
        build_generator(SMALL, CALOGAN, Sizes(0, 504, 1))
    with pytest.raises(ConfigError, match="no energies apart"):
        stacked_discriminators(SMALL, CALOGAN, Sizes(0, 504, 1), HeadConfig())


def test_there_is_no_single_discriminator():
    with pytest.raises(ConfigError, match=r"they are for method.kind = 'stacked'"):
        build_discriminator(SMALL, CALOGAN, Sizes(3, 504, 2))
