"""How progressive networks grow."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.detectors import load_detector
from phys_gan.networks import (
    HeadConfig,
    ProgressiveConfig,
    Sizes,
    build_discriminator,
    build_generator,
)
from phys_gan.networks.convolutions import resized

CONFIG = ProgressiveConfig(latent=8, width=4, d_width=4, stable=100, fade=50)
SIZES = (load_detector("galaxies-32"), Sizes(0, 1024, 2))


def images(generator, z, c):
    return generator.body(torch.cat([z[:, :8], c], dim=1), z[:, :0])


@pytest.mark.parametrize(
    ("shown", "level"),
    [(0, 0), (100, 0), (125, 0.5), (150, 1), (250, 1), (275, 1.5), (450, 3), (10**9, 3)],
)
def test_the_schedule(shown, level):
    assert CONFIG.level(shown, 4) == pytest.approx(level)


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_it_never_shrinks(shown, more):
    assert CONFIG.level(shown, 4) <= CONFIG.level(shown + more, 4)


def test_a_young_generator_makes_coarse_images():
    generator = build_generator(CONFIG, *SIZES)
    z, c = torch.randn(3, generator.latent), torch.randn(3, 2)
    for shown, size in ((0, (4, 4)), (200, (8, 8)), (350, (16, 16))):
        generator.grow(shown)
        maps = images(generator, z, c)
        assert maps.shape[2:] == (32, 32)
        torch.testing.assert_close(resized(resized(maps, size), (32, 32)), maps)


def test_a_new_size_is_faded_in():
    generator = build_generator(CONFIG, *SIZES)
    z, c = torch.randn(3, generator.latent), torch.randn(3, 2)
    found = []
    for shown in (100, 125, 150):
        generator.grow(shown)
        found.append(images(generator, z, c))
    torch.testing.assert_close(found[1], (found[0] + found[2]) / 2)


def test_a_young_discriminator_ignores_details():
    discriminator = build_discriminator(CONFIG, *SIZES, HeadConfig())
    x, c = torch.randn(3, 1024), torch.randn(3, 2)
    coarse = x.view(3, 1, 32, 32)
    coarse = resized(resized(coarse, (8, 8)), (32, 32)).flatten(1)
    discriminator.grow(200)
    torch.testing.assert_close(discriminator.logits(x, c), discriminator.logits(coarse, c))
    discriminator.grow(10**6)
    assert not torch.allclose(discriminator.logits(x, c), discriminator.logits(coarse, c))


def test_the_level_is_saved():
    young, again = build_generator(CONFIG, *SIZES), build_generator(CONFIG, *SIZES)
    young.grow(125)
    again.load_state_dict(young.state_dict())
    assert again.level == 0.5
    assert build_generator(CONFIG, *SIZES).level == 3
