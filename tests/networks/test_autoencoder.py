"""The networks of the autoencoder: samples of its likelihood, stages and neighbours of cells."""

import numpy as np
import pytest
import torch

from phys_gan.detectors import CartesianLayer, Detector, PolarLayer, load_detector
from phys_gan.errors import ConfigError
from phys_gan.networks import (
    AutoencoderConfig,
    CompactConfig,
    Sizes,
    build_encoder,
    build_generator,
)
from phys_gan.networks.autoencoder import Neighbours, arrange
from phys_gan.references import bibtex

SMALL = AutoencoderConfig(latent=3, width=16, depth=1, e_width=16, e_depth=1)
CALOGAN = (load_detector("calogan"), Sizes(3, 504, 2))
KINDS = {
    "cells at once": SMALL,
    "shared spreads": SMALL.model_copy(update={"spread": "orbit"}),
    "neighbours": SMALL.model_copy(update={"neighbours": 6}),
}


@pytest.fixture(params=KINDS)
def parts(request):
    torch.manual_seed(0)
    config = KINDS[request.param]
    decoder, encoder = build_generator(config, *CALOGAN), build_encoder(config, *CALOGAN)
    for parameter in [*decoder.parameters(), *encoder.parameters()]:
        # Zero-initialised weights pass no gradient on before their first step.
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return decoder, encoder


def data(n=64):
    scores, cells = torch.randn(n, 3), torch.rand(n, 504) * (torch.rand(n, 504) < 0.3)
    return torch.cat([scores, cells], dim=1), torch.rand(n, 2)


def test_shapes(parts):
    decoder, encoder = parts
    x, c = data()
    for network in parts:
        network.adapt(x, c)
    assert decoder.latent == 3 + 507
    assert decoder(torch.randn(64, decoder.latent), c).shape == x.shape
    assert [part.shape for part in decoder.likelihood(torch.randn(64, 3), c, x)] == [x.shape] * 2
    assert [part.shape for part in encoder(x, c)] == [(64, 3)] * 2


def test_no_conditions():
    toy = (load_detector("toy-grid"), Sizes(0, 2, 0))
    decoder, encoder = build_generator(SMALL, *toy), build_encoder(SMALL, *toy)
    x, c = torch.randn(4, 2), torch.empty(4, 0)
    assert decoder(torch.randn(4, decoder.latent), c).shape == (4, 2)
    assert encoder(x, c)[0].shape == (4, 3)


def test_gradients_reach_every_parameter(parts):
    decoder, encoder = parts
    x, c = data()
    mean, log_variance = encoder(x, c)
    generated = decoder(torch.cat([mean + log_variance, torch.randn(64, 507)], dim=1), c)
    generated.square().sum().backward()
    for network in parts:
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_generating_samples_the_likelihood(parts):
    decoder, _ = parts
    decoder.adapt(*data())
    z, c = torch.randn(64, decoder.latent), torch.rand(64, 2)
    with torch.no_grad():
        drawn = decoder(z, c)
        read = torch.where(decoder.censored, drawn.clamp_min(0), drawn)
        mean, log_scale = decoder.likelihood(z[:, :3], c, read)
    # The noise that an event was drawn with is the pull of its likelihood.
    np.testing.assert_allclose((drawn - mean) / log_scale.exp(), z[:, 3:], atol=2e-3)


def test_it_starts_as_the_prior_and_as_the_mean_event():
    decoder, encoder = build_generator(SMALL, *CALOGAN), build_encoder(SMALL, *CALOGAN)
    x, c = data()
    for network in (decoder, encoder):
        network.adapt(x, c)
    assert all(not part.any() for part in encoder(x, c))
    mean, log_scale = decoder.likelihood(torch.randn(64, 3), c, x)
    np.testing.assert_allclose(log_scale.exp()[0].detach(), x.std(0), rtol=0.3)
    assert ((mean - x.mean(0)).abs() < 3 * x.std(0)).float().mean() > 0.9


def test_spreads_are_bounded(parts):
    decoder, _ = parts
    decoder.spread.bias.data.fill_(1e6)
    _, log_scale = decoder.likelihood(torch.randn(5, 3), torch.rand(5, 2), torch.rand(5, 507))
    assert log_scale.max() <= 5


def test_which_numbers_are_censored(parts):
    decoder, _ = parts
    x, c = data()
    x[:, 3] = 0.2 + torch.rand(64)  # a cell that is always hit
    x[:, 4] = torch.randn(64).clamp(-1, 1)  # ties, but none of them is an empty cell
    decoder.adapt(x, c)
    assert decoder.censored.tolist() == [False] * 5 + [True] * 502


def test_conditions_matter(parts):
    decoder, encoder = parts
    x, c = data()
    z = torch.randn(64, decoder.latent)
    assert not torch.equal(decoder(z, c), decoder(z, c / 2))
    assert not torch.equal(encoder(x, c)[0], encoder(x, c / 2)[0])


def test_other_networks_have_no_encoder():
    with pytest.raises(ConfigError, match="'compact' have no encoder"):
        build_encoder(CompactConfig(), *CALOGAN)


def test_references():
    assert SMALL.references == ("kingma2013vae", "sohn2015cvae")
    assert KINDS["neighbours"].references == ("kingma2013vae", "sohn2015cvae", "reed2017multiscale")
    assert bibtex(KINDS["neighbours"].references)


ROW = Detector(
    name="row",
    layers=[CartesianLayer(z=(0, 1), x=(0.0, 1.0), y={"start": 0, "stop": 8, "cells": 8})],
)
RING = Detector(name="ring", layers=[PolarLayer(z=(0, 1), r=(0.0, 1.0), n_alpha=8)])


def test_stages_go_from_coarse_to_fine():
    stages, table = arrange(ROW, 2)
    assert [stage.tolist() for stage in stages] == [[0, 4], [2, 6], [1, 3, 5, 7]]
    assert table.tolist()[:4] == [[8, 8], [0, 2], [0, 4], [2, 4]]


def test_a_ring_is_closed():
    _, table = arrange(RING, 2)
    assert sorted(table[7]) == [0, 6]


@pytest.mark.parametrize("name", ["calogan", "calochallenge-1-photons", "par04-9x16x45"])
def test_neighbours_come_before(name):
    detector = load_detector(name)
    stages, table = arrange(detector, 12)
    order = np.empty(detector.n_cells + 1, int)
    for number, stage in enumerate(stages):
        order[stage] = number
    order[-1] = -1
    assert sorted(np.concatenate(stages)) == list(range(detector.n_cells))
    assert (order[table] < order[:-1, None]).all()
    layer = np.append(detector.layer_of_cell, -9)
    apart = np.abs(layer[table] - detector.layer_of_cell[:, None])
    assert apart[table < detector.n_cells].max() <= 1
    # All but the cells of the first stages have some.
    assert (table < detector.n_cells).any(axis=1).mean() > 0.8


def test_drawn_cells_have_the_shifts_of_their_neighbours():
    torch.manual_seed(0)
    neighbours = Neighbours(load_detector("calogan"), 5)
    torch.nn.init.normal_(neighbours.weight, std=0.1)
    mean, log_scale, noise = torch.randn(3, 4, 504)
    log_scale -= 3

    least = torch.linspace(-1, 0, 504)
    drawn = neighbours.draw(mean, log_scale, noise, least)
    more = neighbours.shifts(drawn.maximum(least))
    again = mean + more[0] + (5 * ((log_scale + more[1]) / 5).tanh()).exp() * noise
    np.testing.assert_allclose(drawn.detach(), again.detach(), atol=1e-4)


def test_neighbours_start_without_shifts():
    neighbours = Neighbours(ROW, 3)
    assert not neighbours.shifts(torch.randn(2, 8))[0].any()


def test_images_have_no_neighbours():
    with pytest.raises(ConfigError, match=r"image layer.*set network.neighbours = 0"):
        arrange(load_detector("galaxies-32"), 3)
