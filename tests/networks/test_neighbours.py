"""Stages and neighbours of cells, and that drawing agrees with what is told."""

import numpy as np
import pytest
import torch

from phys_gan.detectors import CartesianLayer, Detector, PolarLayer, load_detector
from phys_gan.errors import ConfigError
from phys_gan.networks.autoencoder import Neighbours, arrange

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


def test_drawing_agrees_with_telling():
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


def test_at_first_neighbours_tell_nothing():
    neighbours = Neighbours(ROW, 3)
    assert not neighbours.shifts(torch.randn(2, 8))[0].any()


def test_images_have_none():
    with pytest.raises(ConfigError, match=r"image layer.*set network.neighbours = 0"):
        arrange(load_detector("galaxies-32"), 3)
