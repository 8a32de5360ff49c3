"""Convolutions on grids of cells against oracles, and what pairs on grids share."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError
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
from phys_gan.networks.convolutions import (
    ConditionalNorm,
    EqualConv2d,
    EqualLinear,
    Grid,
    GridConv2d,
    SelfAttention,
    pixel_norm,
    resized,
)


@pytest.mark.parametrize(
    ("name", "grid", "sizes"),
    [
        ("galaxies-32", Grid(1, (32, 32)), ((4, 4), (8, 8), (16, 16), (32, 32))),
        ("calochallenge-2", Grid(45, (16, 9), True), ((4, 3), (8, 5), (16, 9))),
        ("ild-ecal", Grid(30, (60, 60)), ((4, 4), (8, 8), (15, 15), (30, 30), (60, 60))),
    ],
)
def test_the_grid_of_a_detector(name, grid, sizes):
    found = Grid.of(load_detector(name))
    assert found == grid
    assert found.sizes == sizes
    assert found.n_cells == load_detector(name).n_cells


@pytest.mark.parametrize("name", ["calogan", "toy-ring", "calochallenge-1-pions"])
def test_other_layers_are_not_a_grid(name):
    with pytest.raises(ConfigError, match=f"layers of one shape, but '{name}' has others"):
        Grid.of(load_detector(name))


def test_widths_double_downwards_to_a_limit():
    assert Grid(1, (32, 32)).widths(16, 100) == (100, 64, 32, 16)


def test_periodic_convolutions_commute_with_rotations():
    layer = GridConv2d(2, 3, periodic=True)
    x = torch.randn(4, 2, 8, 5)
    torch.testing.assert_close(layer(x.roll(3, dims=2)), layer(x).roll(3, dims=2))
    assert not torch.allclose(layer(x.roll(1, dims=3)), layer(x).roll(1, dims=3))


def test_other_convolutions_are_padded():
    layer = GridConv2d(2, 3)
    x = torch.randn(4, 2, 8, 5)
    torch.testing.assert_close(layer(x), functional.conv2d(x, layer.weight, layer.bias, padding=1))


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("size", [(9, 5), (8, 4)])
def test_strides_lead_to_the_next_coarser_size(size, periodic):
    grid = Grid(1, size, periodic)
    layer = GridConv2d(1, 1, periodic=periodic, stride=2)
    assert layer(torch.zeros(1, 1, *size)).shape[2:] == grid.sizes[-2]


@torch.no_grad()
def test_scaled_layers_start_with_outputs_of_one_size():
    x = torch.randn(500, 64, 5, 5)
    assert EqualConv2d(64, 32)(x)[:, :, 2, 2].std() == pytest.approx(2**0.5, rel=0.05)
    assert EqualLinear(64, 256)(x[..., 0, 0]).std() == pytest.approx(2**0.5, rel=0.05)
    assert EqualLinear(64, 256, speed=0.01)(x[..., 0, 0]).std() == pytest.approx(2**0.5, rel=0.05)
    alone = EqualLinear(64, 256, before_relu=False)
    assert alone(x[..., 0, 0]).std() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("mapping", [1, 4, 8])
@torch.no_grad()
def test_styles_start_with_one_size_however_deep_the_mapping(mapping):
    torch.manual_seed(0)
    config = StyleGanConfig(mapping=mapping, style=256, width=8)
    generator = build_generator(config, load_detector("galaxies-32"), Sizes(0, 1024, 6))
    w = generator.style(torch.randn(500, generator.n_inputs))
    assert float(w.square().mean().sqrt()) == pytest.approx(1, rel=0.25)


def test_speed_is_a_factor_on_the_learning_rate():
    def change(speed):
        torch.manual_seed(0)
        layer = EqualLinear(8, 4, speed=speed)
        x, adam = torch.ones(1, 8), torch.optim.Adam(layer.parameters(), 1e-4)
        before = layer(x).detach()
        layer(x).sum().backward()
        adam.step()
        return float((layer(x).detach() - before).abs().mean())

    assert change(0.1) == pytest.approx(0.1 * change(1.0), rel=0.01)


def test_conditions_scale_and_shift_what_is_normalised():
    layer = ConditionalNorm(3, 2)
    x, told = 4 + 2 * torch.randn(100, 3, 4, 4), torch.randn(100, 2)
    scale, shift = layer.scale(told)[:, :, None, None], layer.shift(told)[:, :, None, None]
    normal = (layer(x, told) - shift) / (1 + scale)
    np.testing.assert_allclose(normal.mean((0, 2, 3)).detach(), 0, atol=1e-4)
    np.testing.assert_allclose(normal.std((0, 2, 3)).detach(), 1, atol=1e-3)


def test_pixel_norm():
    norm = pixel_norm(5 * torch.randn(2, 16, 3, 3)).square().mean(1)
    np.testing.assert_allclose(norm, 1, rtol=1e-4)


def test_sizes_up_repeat_and_down_average():
    x = torch.arange(4.0).view(1, 1, 2, 2)
    assert resized(x, (4, 4))[0, 0].tolist() == [
        [0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]
    ]  # fmt: skip
    torch.testing.assert_close(resized(resized(x, (4, 4)), (2, 2)), x)
    assert resized(torch.randn(1, 1, 5, 3), (9, 5)).shape == (1, 1, 9, 5)
    assert resized(x, (2, 2)) is x


def test_attention_starts_as_the_identity_and_follows_the_formula():
    layer = SelfAttention(16)
    x = torch.randn(2, 16, 3, 4)
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.weight.fill_(0.7)
    query, key, value = layer.project(x).flatten(2).split([2, 2, 8], dim=1)
    share = torch.softmax(query.transpose(1, 2) @ key, dim=2)
    found = (value @ share.transpose(1, 2)).unflatten(2, (3, 4))
    torch.testing.assert_close(layer(x), x + 0.7 * layer.back(found))


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


def test_faint_cells_are_scaled_up():
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
    inputs = discriminator.preprocess(x)
    assert inputs.shape == (50, 45 + 2 * 6480)
    assert torch.isfinite(inputs).all()
    # Layer by layer, each with its own scale.
    cells = x[:, 45:].unflatten(1, (45, 144))
    faint = cells / (cells.square() + discriminator.faint[:, None].square()).sqrt()
    torch.testing.assert_close(inputs[:, 45 + 6480 :], faint.flatten(1))


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
