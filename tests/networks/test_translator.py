"""Translators: they begin as almost nothing, and their discriminator reads conditions from rows."""

import numpy as np
import pytest
import torch

from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError
from phys_gan.networks import (
    HeadConfig,
    Sizes,
    TranslatorConfig,
    build_discriminator,
    build_generator,
)
from phys_gan.networks.translator import TranslatorDiscriminator

CALOGAN = load_detector("calogan")
SIZES = (CALOGAN, Sizes(3, 504, 2))
SMALL = TranslatorConfig(width=16, depth=1, d_width=16, d_depth=1)
PLAIN = SMALL.model_copy(update={"noise": False})


def events(n=40):
    """Encoded showers of which half of the cells are empty."""
    cells = torch.rand(n, CALOGAN.n_cells) * torch.randint(2, (n, CALOGAN.n_cells))
    return torch.cat([torch.randn(n, 3), cells], dim=1), torch.rand(n, 2)


def translator(config=SMALL, stirred=False):
    torch.manual_seed(0)
    generator = build_generator(config, *SIZES)
    generator.adapt(*events(400))
    if stirred:
        with torch.no_grad():
            for parameter in generator.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return generator


def latents(x, generator):
    return torch.cat([x, torch.randn(len(x), generator.latent)], dim=1)


def test_it_begins_with_almost_nothing():
    generator, (x, c) = translator(), events(400)
    y = generator(latents(x, generator), c).detach()
    assert y.shape == x.shape
    cells, changed = x[:, 3:], y[:, 3:]
    hit, spread = cells > 0, cells.std()
    # The noise is a tenth of a spread, and normal.
    assert float((changed - cells)[hit].std() / spread) == pytest.approx(0.1, rel=0.1)
    assert float((y - x)[:, :3].std()) == pytest.approx(0.1, rel=0.15)
    # An empty cell is two widths of the noise below zero.
    assert float((changed[~hit] > 0).float().mean()) == pytest.approx(0.0228, abs=0.002)


def test_without_noise_it_begins_as_the_identity():
    generator, (x, c) = translator(PLAIN), events()
    assert generator.latent == 0
    torch.testing.assert_close(generator(x, c), x)


@pytest.mark.parametrize("config", [SMALL, PLAIN], ids=["noise", "no noise"])
def test_gradients_reach_every_parameter(config):
    generator, (x, c) = translator(config, stirred=True), events()
    discriminator = TranslatorDiscriminator(*SIZES, config, HeadConfig())
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    y = generator(latents(x, generator), c)
    discriminator.logits(y.clamp(-3, 1.2), c).square().sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_source_noise_and_conditions_matter():
    generator, (x, c) = translator(stirred=True), events()
    z = latents(x, generator)
    y = generator(z, c)
    assert not torch.equal(generator(z, c / 2), y)
    assert not torch.equal(generator(latents(x, generator), c), y)
    torch.testing.assert_close(generator(z[:7], c[:7]), y[:7])


@pytest.mark.parametrize("pack", [1, 2])
def test_the_discriminator_takes_conditions_from_the_rows(pack):
    torch.manual_seed(1)
    head = HeadConfig(pack=pack)
    discriminator = TranslatorDiscriminator(*SIZES, SMALL, head)
    x, c = events(8)
    discriminator.adapt(*events(200))
    rows = discriminator.rows(x, c)
    inputs = discriminator.packed(discriminator.preprocess(rows))
    logits = discriminator(inputs, discriminator.packed(c)).logits
    assert logits.shape == (8 // pack,)
    torch.testing.assert_close(discriminator.logits(x, c), logits)
    # What is handed over beside the rows belongs to the other side and is not looked at.
    assert torch.equal(discriminator(inputs, discriminator.packed(1 - c)).logits, logits)
    assert not torch.equal(discriminator.logits(x, 1 - c), logits)


def test_the_discriminator_has_the_inputs_of_the_compact_one():
    from phys_gan.networks.compact import CompactConfig, CompactDiscriminator

    torch.manual_seed(2)
    mine = TranslatorDiscriminator(*SIZES, SMALL, HeadConfig())
    compact = CompactDiscriminator(*SIZES, CompactConfig(d_width=16, d_depth=1), HeadConfig())
    x, c = events(200)
    compact.load_state_dict(mine.state_dict())
    for discriminator in (mine, compact):
        discriminator.adapt(x, c)
    np.testing.assert_allclose(
        mine.logits(x, c).detach(), compact.logits(x, c).detach(), rtol=1e-5, atol=1e-6
    )


def test_there_is_no_single_discriminator():
    with pytest.raises(ConfigError, match=r"no single discriminator.*method.kind = 'cycle'"):
        build_discriminator(SMALL, *SIZES)


def test_references():
    assert "almahairi2018augmented" in SMALL.references
    assert PLAIN.references == ()
