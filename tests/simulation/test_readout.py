from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.detectors import CartesianLayer, Detector, PolarLayer, load_detector
from phys_gan.simulation.showers import Readout, Spots


def random_spots(seed: int, n: int, n_events: int, reach: float, depth: float) -> Spots:
    rng = np.random.default_rng(seed)
    return Spots(
        event=np.sort(rng.integers(0, n_events, n)),
        depth=rng.uniform(0, depth, n).astype(np.float32),
        radius=rng.uniform(0, reach, n).astype(np.float32),
        turn=rng.random(n, dtype=np.float32),
        energy=rng.exponential(1, n),
    )


@pytest.mark.parametrize(
    "name",
    ["calogan", "calochallenge-1-photons", "calochallenge-1-pions", "calochallenge-2"],
)
def test_slots_are_the_cells_that_the_detector_finds(name: str) -> None:
    detector = load_detector(name)
    back = 1.1 * detector.layers[-1].z[1]
    spots = random_spots(0, 50_000, 1, 600.0 if name != "calochallenge-2" else 50.0, back)
    angle = 2 * np.pi * spots.turn.astype(float) - np.pi
    found = detector.find(spots.radius * np.cos(angle), spots.radius * np.sin(angle), spots.depth)
    slots = Readout(detector).slots(spots)
    # Points on a border to within the precision of float32 may go to either side.
    same = np.where(found >= 0, slots == found, slots >= detector.n_cells)
    assert same.mean() > 0.9999
    beside = slots[(found < 0) & (slots < detector.n_cells + detector.n_layers)]
    assert len(beside) > 0


layer_edges = st.lists(st.integers(-60, 60), min_size=2, max_size=6, unique=True).map(sorted)


@st.composite
def detectors(draw: st.DrawFn) -> Detector:
    layers: list[CartesianLayer | PolarLayer] = []
    front = 0.0
    for _ in range(draw(st.integers(1, 4))):
        front += draw(st.sampled_from([0.0, 5.0]))
        z = (front, front + draw(st.integers(1, 40)))
        front = z[1]
        if draw(st.booleans()):
            layers.append(CartesianLayer(z=z, x=draw(layer_edges), y=draw(layer_edges)))
        else:
            radii = sorted({abs(r) for r in draw(layer_edges)} | {61})
            layers.append(PolarLayer(z=z, r=radii, n_alpha=draw(st.integers(1, 7))))
    return Detector(name="random", layers=tuple(layers))


@settings(max_examples=60)
@given(detectors(), st.integers(0, 1000), st.integers(1, 5))
def test_no_energy_appears_or_vanishes(detector: Detector, seed: int, n_events: int) -> None:
    spots = random_spots(seed, 300, n_events, 80.0, 120.0)
    deposits = Readout(detector).deposit(spots, n_events)
    assert deposits.cells.shape == (n_events, detector.n_cells)
    assert deposits.overflow.shape == (n_events, detector.n_layers)
    total = deposits.cells.sum(axis=1) + deposits.overflow.sum(axis=1) + deposits.lost
    assert total == pytest.approx(np.bincount(spots.event, spots.energy, n_events), rel=1e-12)


def test_overflow_and_loss_are_told_apart() -> None:
    detector = Detector(
        name="two",
        layers=(
            PolarLayer(z=(0, 10), r=(0, 5), n_alpha=1),
            PolarLayer(z=(20, 30), r=(0, 50), n_alpha=2),
        ),
    )
    spots = Spots(
        event=np.zeros(5, np.int64),
        depth=np.array([5, 5, 15, 25, 35], np.float32),
        radius=np.array([1, 9, 1, 9, 1], np.float32),
        turn=np.array([0, 0, 0, 0.75, 0], np.float32),
        energy=np.array([1.0, 2, 4, 8, 16]),
    )
    deposits = Readout(detector).deposit(spots, 1)
    assert deposits.cells.tolist() == [[1, 0, 8]]
    assert deposits.overflow.tolist() == [[2, 0]]
    assert deposits.lost.tolist() == [20]


def test_every_layer_may_have_a_grid_of_its_own() -> None:
    layers = [
        {"kind": "polar", "z": (k, k + 1.0), "r": [0.0, 5.0 + k], "n_alpha": 1} for k in range(200)
    ]
    readout = Readout(Detector.model_validate({"name": "many", "layers": layers}))
    depth, one = np.array([0.5, 199.5], np.float32), np.ones(2)
    radius = np.full(2, 100, np.float32)
    spots = Spots(np.zeros(2, np.int64), depth, radius, np.zeros(2, np.float32), one)
    assert readout.slots(spots).tolist() == [200, 199]
