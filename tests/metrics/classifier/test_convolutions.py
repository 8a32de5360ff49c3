"""Convolutions as a judge: volumes, periodic axes, and a correlation that sums do not show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events
from phys_gan.metrics.classifier import PRESETS, two_sample_test
from phys_gan.metrics.classifier.convolutions import (
    Convolution,
    ConvolutionalNetwork,
    Volume,
    softest,
    volumes_of,
)
from phys_gan.metrics.classifier.inputs import cnn
from phys_gan.metrics.classifier.training import QUICK_CNN

SIDE = 8
PLANE = Detector.model_validate(
    {
        "name": "plane",
        "layers": [
            {
                "kind": "cartesian",
                "z": [0.0, 1.0],
                "x": {"start": -4.0, "stop": 4.0, "cells": SIDE},
                "y": {"start": -4.0, "stop": 4.0, "cells": SIDE},
            }
        ],
    }
)


def pairs(n: int, steps: list[tuple[int, int]], seed: int) -> Events:
    """Return events of five pairs of cells of 1 MeV, with random places, at one of these steps."""
    rng = np.random.default_rng(seed)
    cells = np.zeros((n, SIDE, SIDE))
    for _ in range(5):
        place = rng.integers(0, SIDE, (n, 2))
        step = np.array(steps)[rng.integers(0, len(steps), n)]
        for x, y in (place.T, ((place + step) % SIDE).T):
            cells[np.arange(n), x, y] += 1
    return Events(cells.reshape(n, -1), {}, PLANE)


def test_convolutions_see_a_local_correlation_that_sums_do_not() -> None:
    # Side by side along either axis, or three cells apart: sums, centres and widths are alike.
    beside, apart = pairs(600, [(0, 1), (1, 0)], 0), pairs(1200, [(0, 3), (3, 0)], 1)
    settings = replace(QUICK_CNN, planes=(8, 8), epochs=6, lr=3e-3)
    found = two_sample_test(beside, apart, form="cnn", settings=settings)
    assert found.auc.value > 0.8
    assert found.control.within_floor
    assert not found.whitened
    # All events of the larger sample are taken.
    assert (found.auc.n_reference, found.auc.n_candidate) == (600, 1200)
    assert found.recalibrated.expected_error < 3 * found.recalibrated.floor
    sums = two_sample_test(
        beside, apart, form="high", settings=replace(PRESETS["quick"], epochs=6, seeds=1)
    )
    assert sums.auc.value < 0.62


def test_an_axis_that_closes_is_seen_all_round() -> None:
    torch.manual_seed(0)
    shape = (2, 6, 3)
    x = torch.randn(4, 2, *shape)
    ring = Convolution(2, 3, shape, (1, 1, 1), periodic=True)
    plane = Convolution(2, 3, shape, (1, 1, 1), periodic=False)
    turned = torch.roll(x, 2, dims=3)
    torch.testing.assert_close(ring(turned), torch.roll(ring(x), 2, dims=3))
    assert not torch.allclose(plane(turned), torch.roll(plane(x), 2, dims=3))


@pytest.mark.parametrize("name", ["calogan", "calochallenge-1-photons", "galaxies-32"])
@pytest.mark.parametrize("mean", [False, True])
def test_any_grid_has_a_network(name: str, mean: bool) -> None:
    detector = load_detector(name)
    network = ConvolutionalNetwork(detector, 1, 0.1, (2, 4), 1, mean=mean)
    assert sum(int(np.prod(v.shape)) for v in network.volumes) == detector.n_cells
    inputs = torch.randn(4, 1 + detector.n_cells)
    logits = network(inputs)
    assert logits.shape == (4, 1)
    logits.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_layers_of_one_shape_are_one_volume() -> None:
    assert volumes_of(load_detector("calochallenge-2")) == [Volume(0, (45, 16, 9), True)]
    photons = volumes_of(load_detector("calochallenge-1-photons"))
    assert [v.periodic for v in photons] == [False, True, True, False]
    assert photons[-1].shape == (2, 1, 5)


def test_inputs_are_conditions_and_cells_above_the_threshold() -> None:
    detector = load_detector("calochallenge-1-photons")
    cells = np.zeros((2, detector.n_cells))
    cells[:, 3], cells[:, 4] = detector.threshold, 5.0
    inputs = cnn(Events(cells, {"energy": [1e3, 1e4]}, detector), ["energy"])
    assert inputs[:, 0].tolist() == [3.0, 4.0]
    assert inputs[0, 1:].nonzero()[0].tolist() == [4]
    assert softest(inputs, 1, detector) == 5.0
    assert softest(np.zeros((2, 3), np.float32), 1, detector) == 1.0
    toy = load_detector("toy-ring")
    with pytest.raises(DetectorError, match="grid"):
        cnn(Events(np.zeros((2, toy.n_cells)), {}, toy), [])
