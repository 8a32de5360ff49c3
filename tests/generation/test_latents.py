"""Paths between latents, and events of two styles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.detectors import load_detector
from phys_gan.encodings import ImageEncoding
from phys_gan.encodings.image import ImageEncodingConfig
from phys_gan.errors import ConfigError, RangeError
from phys_gan.generation.latents import mix_styles, n_structural, n_style_layers, spherical_walk
from phys_gan.model import FastSim, Model
from phys_gan.networks import DcganConfig, Sizes, StyleGanConfig, build_generator
from phys_gan.randomness import normal_noise
from phys_gan.simulation.galaxies import simulate_galaxies


@given(st.integers(0, 1000), st.integers(2, 40))
def test_a_walk_stays_as_far_out_as_its_ends(seed: int, n: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, n))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    walk = spherical_walk(a, b, 7)
    np.testing.assert_allclose(walk[[0, -1]], [a, b], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(walk, axis=1), np.linalg.norm(a), rtol=1e-6)
    # All steps are as long: the arc is walked evenly.
    steps = np.linalg.norm(np.diff(walk, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-5, atol=1e-7)


def test_where_there_is_no_arc() -> None:
    a = np.array([1.0, 2.0])
    np.testing.assert_allclose(spherical_walk(a, a, 3), [a, a, a])
    np.testing.assert_allclose(spherical_walk(a, -a, 3), [a, 0 * a, -a], atol=1e-12)
    assert spherical_walk(np.zeros(0), np.zeros(0), 4).shape == (4, 0)
    np.testing.assert_array_equal(spherical_walk([0.0], [0.0], 2), [[0.0], [0.0]])


GALAXIES = simulate_galaxies(load_detector("galaxies-32"), 100, seed=0, threads=1)
TOLD = {"flux": np.full(3, 60.0)}


def build(config: DcganConfig | StyleGanConfig) -> Model:
    torch.manual_seed(1)
    options = ImageEncodingConfig(conditions={"flux": "linear"})
    encoding = ImageEncoding(GALAXIES.detector, options).fit(GALAXIES)
    generator = build_generator(config, GALAXIES.detector, Sizes(0, 1024, 1)).eval()
    generator.adapt(*encoding.encode(GALAXIES))
    for name, weight in generator.named_parameters():
        if name.endswith("strength"):
            # Noise inputs begin at zero.
            torch.nn.init.constant_(weight, 0.3)
    return Model(encoding, options, generator.requires_grad_(False), config, {})


STYLED = build(StyleGanConfig(latent=6, style=8, width=4, d_width=4))
FIRST, SECOND = normal_noise(0, 0, 6, STYLED.generator.latent).reshape(2, 3, -1)


def test_at_the_end_there_is_one_source() -> None:
    """Styles of no layer, and styles of all layers, where all else is the first source's."""
    n = n_style_layers(STYLED)
    assert n == 7
    alone = FastSim(STYLED).respond(FIRST, TOLD)
    np.testing.assert_array_equal(mix_styles(STYLED, FIRST, SECOND, TOLD, n).cells, alone.cells)
    swapped = FIRST.copy()
    swapped[:, : n_structural(STYLED)] = SECOND[:, : n_structural(STYLED)]
    np.testing.assert_allclose(
        mix_styles(STYLED, FIRST, SECOND, TOLD, 0).cells,
        FastSim(STYLED).respond(swapped, TOLD).cells,
        rtol=1e-5,
        atol=1e-6,
    )


def test_each_layer_brings_the_mixture_nearer() -> None:
    """A source mixed with itself is itself; every layer of another one changes the event."""
    alone = FastSim(STYLED).respond(FIRST, TOLD).cells
    layers = range(n_style_layers(STYLED) + 1)
    mixed = [mix_styles(STYLED, FIRST, SECOND, TOLD, layer).cells for layer in layers]
    for one, two in pairwise(mixed):
        assert not np.array_equal(one, two)
    for layer in layers:
        same = mix_styles(STYLED, FIRST, FIRST, TOLD, layer).cells
        np.testing.assert_array_equal(same, alone)


def test_without_styles() -> None:
    plain = build(DcganConfig(latent=6, width=4, d_width=4))
    assert n_style_layers(plain) == 0
    z = normal_noise(0, 0, 3, plain.generator.latent)
    with pytest.raises(ConfigError, match="'dcgan' have no styles to mix"):
        mix_styles(plain, z, z, TOLD, 1)
    with pytest.raises(RangeError, match="no layer 8"):
        mix_styles(STYLED, FIRST, SECOND, TOLD, 8)
