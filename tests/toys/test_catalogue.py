from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import Detector, detector_names, load_detector
from phys_gan.errors import MissingError, RangeError
from phys_gan.toys import TOYS, simulate_toy, truth_of


def test_every_toy_has_a_detector_and_every_toy_detector_a_density() -> None:
    assert sorted(TOYS) == [name for name in detector_names() if load_detector(name).is_toy]
    for name, mixture in TOYS.items():
        assert truth_of(load_detector(name)) is mixture


def test_the_published_densities() -> None:
    ring, grid = TOYS["toy-ring"], TOYS["toy-grid"]
    assert (ring.n_modes, ring.sigma, grid.n_modes, grid.sigma) == (8, 0.02, 25, 0.05)
    np.testing.assert_allclose(np.linalg.norm(ring.centres, axis=1), 2.0)
    steps = np.linalg.norm(np.diff(ring.centres, axis=0), axis=1)
    np.testing.assert_allclose(steps, 4 * np.sin(np.pi / 8))
    assert {tuple(c) for c in grid.centres} == {
        (x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)
    }


@pytest.mark.parametrize("name", TOYS)
def test_events_of_a_toy(name: str) -> None:
    events = simulate_toy(name, 500, seed=4)
    assert (len(events), dict(events.conditions), events.overflow) == (500, {}, None)
    assert events.detector == load_detector(name)
    assert (events.cells < 0).any()
    np.testing.assert_array_equal(events.cells, TOYS[name].sample(500, 4).astype(np.float32))
    assert events.provenance["seed"] == "4"


def test_what_is_no_toy() -> None:
    with pytest.raises(MissingError, match="'calogan' is not a toy; available: toy-gaussian"):
        simulate_toy("calogan", 5)
    with pytest.raises(RangeError, match="n = 0"):
        simulate_toy("toy-grid", 0)


def test_the_truth_belongs_to_the_name_and_the_axes() -> None:
    assert truth_of(load_detector("calogan")) is None
    axis = '[[layers]]\nkind = "axis"\n'
    assert truth_of(Detector.from_toml(f'name = "own"\n{axis}')) is None
    assert truth_of(Detector.from_toml(f'name = "toy-grid"\n{axis}')) is None
