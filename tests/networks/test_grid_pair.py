"""What convolutional generators and discriminators share: noise of cells, two looks at them."""

import numpy as np
import pytest
import torch

from phys_gan.detectors import Detector, load_detector
from phys_gan.networks import (
    DcganConfig,
    HeadConfig,
    ProgressiveConfig,
    SaganConfig,
    Sizes,
    StyleGanConfig,
    build_discriminator,
    build_generator,
)

GRIDS = [DcganConfig(), SaganConfig(), StyleGanConfig(), ProgressiveConfig()]

SMALL = DcganConfig(latent=8, width=4, d_width=4)
IMAGE = (load_detector("galaxies-32"), Sizes(0, 1024, 2))
SHOWER = (load_detector("calochallenge-2"), Sizes(45, 6480, 2))


@torch.no_grad()
def test_cells_have_noise_of_their_own():
    generator = build_generator(SMALL, *IMAGE).eval()
    z, c = torch.randn(1, generator.latent).repeat(400, 1), torch.zeros(400, 2)
    z[:, 8:] = torch.randn(400, 1024)
    cells = generator(z, c)
    # The shared latents are equal: what differs is independent from cell to cell.
    correlations = torch.corrcoef(cells[:, :60].T) - torch.eye(60)
    assert cells.std(0).min() > 0
    assert correlations.abs().max() < 5 / 400**0.5


@torch.no_grad()
def test_events_start_near_the_mean_one():
    generator = build_generator(SMALL, *IMAGE)
    x = 3 + 0.5 * torch.randn(300, 1024)
    generator.adapt(x, torch.zeros(300, 2))
    made = generator.eval()(torch.randn(300, generator.latent), torch.zeros(300, 2))
    assert made.mean() == pytest.approx(3, abs=0.5)
    assert made.std() < 1.5


def test_faint_cells_are_seen_as_large_as_bright_ones():
    discriminator = build_discriminator(SMALL, *IMAGE, HeadConfig())
    x = torch.randn(200, 1024)
    x[:, 500:530] += 100
    discriminator.adapt(x, torch.zeros(200, 2))
    q = float(discriminator.faint)
    assert q == pytest.approx(0.69, abs=0.05)
    standard, faint = discriminator.preprocess(torch.full((1, 1024), q)).chunk(2, dim=1)
    np.testing.assert_allclose(faint, 0.5**0.5, rtol=1e-5)
    assert standard.std() < 1e-6
    bright = discriminator.preprocess(torch.full((1, 1024), 100.0))[:, 1024:]
    np.testing.assert_allclose(bright, 1, atol=1e-3)


def test_layers_that_are_mostly_empty_have_a_scale():
    discriminator = build_discriminator(SMALL, *SHOWER, HeadConfig())
    x = torch.rand(50, 45 + 6480) * (torch.rand(50, 45 + 6480) > 0.9)
    discriminator.adapt(x, torch.zeros(50, 2))
    assert (discriminator.faint > 0).all()
    seen = discriminator.preprocess(x)
    assert seen.shape == (50, 45 + 2 * 6480)
    assert torch.isfinite(seen).all()
    # Layer by layer, each with its own scale.
    cells = x[:, 45:].unflatten(1, (45, 144))
    faint = cells / (cells.square() + discriminator.faint[:, None].square()).sqrt()
    torch.testing.assert_close(seen[:, 45 + 6480 :], faint.flatten(1))


@pytest.mark.parametrize("config", GRIDS, ids=lambda config: config.kind)
@pytest.mark.parametrize("side", [1, 4, 5])
def test_an_image_may_be_as_small_as_the_coarsest_size(config, side):
    layer = {"kind": "image", "rows": side, "columns": side, "pixel_scale": 0.2}
    image = Detector.model_validate({"name": "small", "layers": [layer]})
    sizes = Sizes(0, side**2, 1)
    generator = build_generator(config, image, sizes)
    events = generator(torch.randn(3, generator.latent), torch.randn(3, 1))
    assert events.shape == (3, side**2)
    logits = build_discriminator(config, image, sizes).logits(events, torch.randn(3, 1))
    assert logits.shape == (3,)
