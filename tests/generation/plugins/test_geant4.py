"""Models inside Geant4: who is taken at the entrance, and whose cells are added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import awkward as ak
import numpy as np
import pytest

import phys_gan as pg
from helpers import assert_same, needs_geant4
from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError, DetectorError
from phys_gan.generation.plugins import FastDetector, simulate_particles
from phys_gan.generation.plugins.geant4 import HybridSimulation, add_showers, entrance_of
from phys_gan.simulation import FullSimulation, draw_incident
from phys_gan.simulation.geant4 import TAKEN, Simulated

CALOGAN = load_detector("calogan")
FAST = FastDetector.load(["calogan-eplus", "calogan-photon"])
ABOVE = 1.5e3


def hybrid(workers: int = 1) -> HybridSimulation:
    return HybridSimulation.of(FullSimulation(CALOGAN, workers=workers), FAST, above=ABOVE)


def simulate(particles: Mapping[str, list[float]], n: int) -> Simulated:
    arrays = {name: np.asarray(values, np.float64) for name, values in particles.items()}
    return next(hybrid().full.blocks(arrays, n, 3))


@needs_geant4
def test_particles_that_models_cover_leave_the_event() -> None:
    """Two in one event, an inclined one, one off centre, one too soft, and one of another kind."""
    part = simulate(
        {
            "event": [0, 0, 1, 2, 3, 4, 5, 6],
            "pdg": [-11, 22, -11, -11, -11, -11, 11, 22],
            "energy": [5e3, 3e3, 2e3, 2e3, 2e3, 1e3, 2e3, 2e3],
            "theta": [0, 0, 0.1, 0, 0, 0, 0, 0],
            "x": [0, 0, 0, 30, -160, 0, 0, 0],
            "y": [0, 0, 0, 0, 80, 0, 0, 0],
        },
        7,
    )
    taken = part.taken
    assert taken["event"].tolist() == [0, 0, 3, 6]
    assert sorted(taken["pdg"][:2]) == [-11, 22]
    assert taken["model"][taken["pdg"] == 22].tolist() == [1, 1]
    np.testing.assert_allclose(sorted(taken["energy"][:2]), [3e3, 5e3])
    assert (taken["x"][2], taken["y"][2], taken["dz"][2]) == pytest.approx((-160, 80, 1))
    # Soft particles below the threshold are not counted as left.
    assert part.left == {"angle": 1, "position": 1, "particle": 1}
    energy = part.cells.sum(axis=1)
    assert energy[[0, 3, 6]].tolist() == [0, 0, 0]
    assert np.all(energy[[1, 2, 4, 5]] > 800)


@needs_geant4
def test_hybrid_events_are_those_of_models_and_of_geant4() -> None:
    incident = draw_incident(16, "e+", (1e3, 3e3), None, None, 4)
    source = hybrid()
    events = pg.Events.concatenate(list(source.stream(incident, 9, number=5, block=6)))
    soft = incident["energy"] < ABOVE
    assert 0 < soft.sum() < 16
    assert source.counts == {"taken": 16 - soft.sum()}
    full = pg.Events.concatenate(list(source.full.stream(incident, 9, number=5, block=16)))
    np.testing.assert_array_equal(events.cells[soft], full.cells[soft])
    # The same noise as in an analysis of the same events.
    records = [[{"pdg": -11, "energy": e, "theta": 0.0, "phi": 0.0}] for e in incident["energy"]]
    alone = simulate_particles(ak.Array(records), FAST, seed=9, numbers=5).cells
    np.testing.assert_allclose(events.cells[~soft], alone[~soft], rtol=1e-5, atol=1e-5)
    assert events.provenance["fast simulation"] == "FastDetector(calogan: e+, gamma) above 1.5 GeV"
    assert "9 particles" not in source.summary()
    assert source.summary().startswith(f"{16 - soft.sum()} particles were taken by FastDetector")
    again = pg.Events.concatenate(list(hybrid(2).stream(incident, 9, number=5, block=6)))
    assert_same(again, events)


def taken(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array([(event, -11, 0, 1e4, x, y, 0, 0, 1) for event, x, y in rows], TAKEN)


def test_showers_off_centre_are_moved_by_whole_cells() -> None:
    cells = np.zeros((2, CALOGAN.n_cells), np.float32)
    add_showers(cells, taken((4, 0, 0), (5, 0, 0)), FAST, seed=1, first=4)
    moved = np.zeros_like(cells)
    add_showers(moved, taken((4, 0.0, 80.0), (5, -160.0, 0.0)), FAST, seed=1, first=4)
    events, shifted = (pg.Events(c, {"energy": np.full(2, 1e4)}, CALOGAN) for c in (cells, moved))
    for k, layer in enumerate(CALOGAN.layers):
        step_x, step_y = (round(s / (e[1] - e[0])) for s, e in ((160, layer.x), (80, layer.y)))
        before, after = events.layer(k), shifted.layer(k)
        np.testing.assert_array_equal(after[0][:, step_y:], before[0][:, :-step_y])
        assert not after[0][:, :step_y].any()
        np.testing.assert_array_equal(after[1][:-step_x], before[1][step_x:])
        assert not after[1][-step_x:].any()


def test_how_far_showers_may_be_moved() -> None:
    assert entrance_of(FAST).pitch == (160.0, 80.0)
    assert entrance_of(FAST).tolerance == pytest.approx((2.0, 0.25))
    polar = FastDetector.load(["calochallenge-2-electron"])
    assert entrance_of(polar).pitch == (0.0, 0.0)


@pytest.mark.parametrize(
    ("particle", "found"),
    [
        ((-11, 5e3, 0.0, (0.0, 0.0)), 0),
        ((22, 5e3, 0.0, (161.9, -80.2)), 1),
        ((11, 5e3, 0.0, (0.0, 0.0)), "particle"),
        ((-11, 2e5, 0.0, (0.0, 0.0)), "energy"),
        ((-11, 5e3, 0.02, (0.0, 0.0)), "angle"),
        ((-11, 5e3, 0.0, (2.1, 0.0)), "position"),
        ((-11, 5e3, 0.0, (0.0, 40.0)), "position"),
    ],
)
def test_what_an_entrance_takes(particle: tuple, found: int | str) -> None:
    assert entrance_of(FAST).find(*particle) == found


def test_models_that_do_not_fit() -> None:
    full = FullSimulation(load_detector("calochallenge-2"))
    with pytest.raises(DetectorError, match="generates events in 'calogan', but 'calochallenge-2'"):
        HybridSimulation.of(full, FAST)
    with pytest.raises(ConfigError, match="no model covers particles above 200 GeV: they end at 9"):
        HybridSimulation.of(FullSimulation(CALOGAN), FAST, above=2e5)


def test_digest_tells_simulations_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    full = FullSimulation(CALOGAN)
    digests = {
        full.digest,
        replace(full, cut=0.1).digest,
        replace(full, physics="FTFP_BERT").digest,
        hybrid().digest,
        HybridSimulation.of(full, FAST, above=2e3).digest,
        HybridSimulation.of(full, ["calogan-eplus"], above=ABOVE).digest,
    }
    assert len(digests) == 6
    before = full.digest
    assert replace(full, workers=7).digest == before
    monkeypatch.setattr("phys_gan.simulation.workers.REVISION", 3)
    assert full.digest != before
